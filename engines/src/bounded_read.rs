//! Files at paths that others chose, read and written without end and without waiting for another program, but on
//! Windows for half a second for one that has the file.
//!
//! A path may lead to a pipe that nobody writes to or reads, or to a device that never ends. Opening
//! the one waits for ever, reading the other fills the memory.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::LoadError;

/// The bytes of the regular file at `path`, of which there may be `largest` at most. Opens without
/// waiting and reads no more than that.
///
/// # Errors
/// When the path leads to anything but a regular file, the file cannot be read, or it is larger.
pub fn read_file(path: &Path, largest: u64) -> Result<Vec<u8>, LoadError> {
    let mut bytes = Vec::new();
    open_file(path)?
        .take(largest.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, error))?;
    if bytes.len() as u64 > largest {
        return Err(LoadError::malformed(
            path.display(),
            "size",
            format_args!("at most {largest} bytes"),
            "more",
            "check that this is the right file",
        ));
    }
    Ok(bytes)
}

/// Makes `bytes` the content of the regular file at `path`, which is made if there is none. Opens
/// without waiting. What is written lies beside it until it is there whole, so that the file always has
/// either the old content or the new one, whatever ends this program or fills the disk.
///
/// # Errors
/// When the path leads to anything but a regular file, or the file cannot be written; it stays as it is
/// then.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    Draft::write(path, bytes)?.put_in_place()
}

/// As [`write_file`], several files that belong together, each a path and its bytes: none of them is
/// replaced before all lie beside their places whole.
///
/// # Errors
/// As [`write_file`]; all files stay as they are unless only moving one of them failed.
pub fn write_files(files: &[(&Path, &[u8])]) -> Result<(), LoadError> {
    let drafts: Vec<Draft<'_>> = files
        .iter()
        .map(|(path, bytes)| Draft::write(path, bytes))
        .collect::<Result<_, _>>()?;
    drafts.into_iter().try_for_each(Draft::put_in_place)
}

/// The content of a file, whole and on the disk beside its place.
struct Draft<'a> {
    /// The path that was asked for, for errors.
    path: &'a Path,
    /// Where it belongs.
    target: PathBuf,
    /// Where it lies.
    draft: PathBuf,
    in_place: bool,
}

impl<'a> Draft<'a> {
    fn write(path: &'a Path, bytes: &[u8]) -> Result<Self, LoadError> {
        let unwritable = |error| unwritable(path, error);
        let mut options = OpenOptions::new();
        options.write(true);
        // What may not be written to is not to be replaced either. Asked by opening it: Windows has devices
        // of which it tells nothing by their names.
        let target = match open_without_waiting(path, &mut options, unwritable) {
            // A link stays one.
            Ok(_) => insistently(|| path.canonicalize()).map_err(unwritable)?,
            Err(LoadError::Write { error, .. })
                if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() =>
            {
                path.to_path_buf()
            }
            Err(error) => return Err(error),
        };
        let (draft, mut file) = new_beside(&target, &mut options, unwritable)?;
        let draft = Self {
            path,
            target,
            draft,
            in_place: false,
        };
        // What only some may read stays so, where the file system knows of that.
        if let Ok(before) = draft.target.metadata() {
            let _ = file.set_permissions(before.permissions());
        }
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        // Before the draft, which cannot be removed everywhere while it is open.
        drop(file);
        written.map_err(unwritable)?;
        Ok(draft)
    }

    fn put_in_place(mut self) -> Result<(), LoadError> {
        insistently(|| std::fs::rename(&self.draft, &self.target))
            .map_err(|error| unwritable(self.path, error))?;
        self.in_place = true;
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.in_place {
            // It is of no use, and takes room that may be what is missing.
            let _ = std::fs::remove_file(&self.draft);
        }
    }
}

/// Number of the next draft of this process.
static NEXT_DRAFT: AtomicU32 = AtomicU32::new(0);

/// Most names of drafts that are tried.
const MOST_NAMES: u32 = 1_000;

/// Makes a file beside `target`, of a name that nobody else has: other threads and programs may write
/// there, too. In a container each run may have the same number, so that what a killed one left has the
/// name of a draft of this one.
fn new_beside(
    target: &Path,
    options: &mut OpenOptions,
    impossible: impl Fn(io::Error) -> LoadError + Copy,
) -> Result<(PathBuf, File), LoadError> {
    options.create_new(true);
    for _ in 0..MOST_NAMES {
        let draft = draft_name(target, NEXT_DRAFT.fetch_add(1, Ordering::Relaxed));
        match open_without_waiting(&draft, options, impossible) {
            Err(LoadError::Write { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => {
            }
            opened => return opened.map(|file| (draft, file)),
        }
    }
    Err(impossible(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "drafts that earlier runs left are beside it: remove the files that end in .draft",
    )))
}

fn draft_name(target: &Path, number: u32) -> PathBuf {
    let mut draft = target.as_os_str().to_owned();
    draft.push(format!(".{}-{number}.draft", std::process::id()));
    draft.into()
}

/// The regular file at `path`, open to append to, which is made if there is none. Waits for no reader.
///
/// # Errors
/// When the path leads to anything but a regular file, or the file cannot be opened.
pub fn append_file(path: &Path) -> Result<File, LoadError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    open_without_waiting(path, &mut options, |error| unwritable(path, error))
}

/// The regular file at `path`, open for reading. Waits for no writer.
///
/// # Errors
/// When the path leads to anything but a regular file, or the file cannot be opened.
pub fn open_file(path: &Path) -> Result<File, LoadError> {
    open_without_waiting(path, OpenOptions::new().read(true), |error| {
        unreadable(path, error)
    })
}

fn open_without_waiting(
    path: &Path,
    options: &mut OpenOptions,
    impossible: impl Fn(io::Error) -> LoadError,
) -> Result<File, LoadError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Waits for no other end of a pipe, and takes no terminal over.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    // Some of these cannot even be opened, and the system's words for it are less clear.
    if let Ok(found) = path.metadata()
        && !found.is_file()
    {
        return Err(not_a_file(path, name_of(found.file_type())));
    }
    let open = || options.open(path);
    // What is not there is refused for good, or made at once.
    let opened = match path.exists() {
        true => insistently(open),
        false => open(),
    };
    let file = opened.map_err(&impossible)?;
    // Windows tells a file's size of files only, and what else it opened by the handle.
    #[cfg(windows)]
    if let Some(found) = name_of_handle(&file) {
        return Err(not_a_file(path, found));
    }
    let kind = file.metadata().map_err(&impossible)?.file_type();
    if kind.is_file() {
        Ok(file)
    } else {
        Err(not_a_file(path, name_of(kind)))
    }
}

/// Does `attempt`. Windows refuses access to a file for the moment in which it is replaced, or a virus scanner
/// looks at it: there it is done again for half a second.
fn insistently<T>(attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
    #[cfg(windows)]
    for _ in 0..50 {
        match attempt() {
            // ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION.
            Err(error) if matches!(error.raw_os_error(), Some(5 | 32)) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            done => return done,
        }
    }
    attempt()
}

#[cfg(unix)]
fn name_of(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "something else"
    }
}

#[cfg(not(unix))]
fn name_of(kind: FileType) -> &'static str {
    match kind.is_dir() {
        true => "a folder",
        false => "something else",
    }
}

/// What is open, unless it is on a disk: `NUL`, `CON` and `COM1` are names of devices in every folder,
/// and pipes have names, too.
#[cfg(windows)]
fn name_of_handle(file: &File) -> Option<&'static str> {
    use std::os::windows::io::{AsRawHandle, RawHandle};

    unsafe extern "system" {
        fn GetFileType(file: RawHandle) -> u32;
    }
    // SAFETY: the handle of a file that is open as long as the call.
    match unsafe { GetFileType(file.as_raw_handle()) } {
        // FILE_TYPE_DISK, _CHAR, _PIPE.
        1 => None,
        2 => Some("a device"),
        3 => Some("a named pipe"),
        _ => Some("something else"),
    }
}

fn not_a_file(path: &Path, found: &str) -> LoadError {
    LoadError::malformed(
        path.display(),
        "kind of file",
        "a regular file",
        found,
        "check the path, or put the file there",
    )
}

fn unreadable(path: &Path, error: io::Error) -> LoadError {
    LoadError::Read {
        file: path.display().to_string(),
        error,
    }
}

fn unwritable(path: &Path, error: io::Error) -> LoadError {
    LoadError::Write {
        file: path.display().to_string(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"1234").unwrap();
        assert_eq!(read_file(&path, 4).unwrap(), b"1234");
        let error = read_file(&path, 3).unwrap_err().to_string();
        assert!(
            error.contains("size: expected at most 3 bytes, found more"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_file(Path::new("/nowhere/at all"), 1).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/nowhere/at all: cannot be read")
        );
    }

    #[test]
    fn a_folder_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_file(folder.path(), 1).unwrap_err().to_string();
        assert!(
            error.contains("expected a regular file, found a folder"),
            "{error}"
        );
    }

    /// Runs `read` on a thread of its own: what waits for ever fails the test instead of hanging it.
    #[cfg(unix)]
    fn at_once<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(read()));
        receiver
            .recv_timeout(std::time::Duration::from_secs(10))
            .expect("it waits")
    }

    #[cfg(unix)]
    fn make_pipe(path: &Path) {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a C string that lives as long as the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_without_writer_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        make_pipe(&path);
        let error = at_once(move || read_file(&path, 1).unwrap_err().to_string());
        assert!(error.contains("found a named pipe"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        make_pipe(&path);
        let other = path.clone();
        let error = at_once(move || write_file(&path, b"1").unwrap_err().to_string());
        assert!(error.contains("found a named pipe"), "{error}");
        let error = at_once(move || append_file(&other).unwrap_err().to_string());
        assert!(error.contains("found a named pipe"), "{error}");
    }

    #[test]
    fn a_file_is_written_in_whole_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for bytes in [&b"1234"[..], b"12", b""] {
            write_file(&path, bytes).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
            let files = std::fs::read_dir(folder.path()).unwrap();
            assert_eq!(files.count(), 1, "no draft is left");
        }
        for text in [b"1", b"2"] {
            append_file(&path).unwrap().write_all(text).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"12");
        let error = write_file(folder.path(), b"1").unwrap_err().to_string();
        assert!(error.contains("found a folder"), "{error}");
        let error = write_file(&path.join("in a file"), b"1").unwrap_err();
        assert!(matches!(error, LoadError::Write { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_what_only_the_owner_reads_stays_so() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        write_file(&path, b"old").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_file(&link, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_written_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        // The longest name that a file may have: there is none longer for what lies beside it meanwhile.
        let path = folder.path().join("x".repeat(255));
        std::fs::write(&path, b"old").unwrap();
        assert!(write_file(&path, b"new").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// Longer than the 260 characters of older programs for Windows, in a language of their user.
    #[test]
    fn a_path_may_be_long_and_in_any_language() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(["Jürgens Übung 練習"; 20].join("/"));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("model.toml");
        assert!(path.as_os_str().len() > 260);
        write_file(&path, b"long").unwrap();
        assert_eq!(read_file(&path, 4).unwrap(), b"long");
        append_file(&path).unwrap().write_all(b"er").unwrap();
        assert_eq!(read_file(&path, 6).unwrap(), b"longer");
    }

    #[cfg(windows)]
    #[test]
    fn a_file_that_another_program_holds_is_told_by_its_name() {
        use std::os::windows::fs::OpenOptionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.toml");
        std::fs::write(&path, b"held").unwrap();
        let alone = File::options().read(true).share_mode(0).open(&path);
        let read = read_file(&path, 4).unwrap_err().to_string();
        let written = write_file(&path, b"new").unwrap_err().to_string();
        for error in [read, written] {
            assert!(error.contains("model.toml"), "{error}");
        }
        drop(alone);
        assert_eq!(read_file(&path, 4).unwrap(), b"held");
    }

    #[test]
    fn drafts_that_a_killed_run_left_are_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // Other tests take numbers meanwhile, but not so many.
        let first = NEXT_DRAFT.load(Ordering::Relaxed);
        let left: Vec<PathBuf> = (first..first + MOST_NAMES / 2)
            .map(|number| draft_name(&path, number))
            .collect();
        for draft in &left {
            std::fs::write(draft, b"left").unwrap();
        }
        write_file(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        // They may be another's who lives.
        for draft in &left {
            assert_eq!(std::fs::read(draft).unwrap(), b"left");
        }
        let files = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(files.count(), left.len() + 1);
    }

    #[test]
    fn of_several_files_none_is_replaced_where_one_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (first, second, blocked) = (at("first"), at("second"), at("blocked"));
        for path in [&first, &second] {
            std::fs::write(path, b"old").unwrap();
        }
        std::fs::create_dir(&blocked).unwrap();
        assert!(write_files(&[(&first, b"new"), (&blocked, b"new")]).is_err());
        assert_eq!(std::fs::read(&first).unwrap(), b"old");
        let files = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(files.count(), 3, "no draft is left");
        write_files(&[(&first, b"new"), (&second, b"other")]).unwrap();
        assert_eq!(std::fs::read(&first).unwrap(), b"new");
        assert_eq!(std::fs::read(&second).unwrap(), b"other");
    }

    #[test]
    fn two_who_write_at_once_leave_what_one_of_them_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let contents = [b"a".repeat(5_000), b"b".repeat(50)];
        write_file(&path, &contents[0]).unwrap();
        std::thread::scope(|scope| {
            for bytes in &contents {
                scope.spawn(|| (0..50).for_each(|_| write_file(&path, bytes).unwrap()));
            }
            for _ in 0..200 {
                let found = read_file(&path, 10_000).unwrap();
                assert!(contents.contains(&found), "{} bytes", found.len());
            }
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_endless_device_is_refused() {
        let error = read_file(Path::new("/dev/zero"), 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("found a device"), "{error}");
        let error = write_file(Path::new("/dev/zero"), b"1").unwrap_err();
        assert!(error.to_string().contains("found a device"), "{error}");
    }

    #[cfg(windows)]
    #[test]
    fn a_device_is_refused() {
        for name in ["NUL", r"\\.\NUL"] {
            let error = read_file(Path::new(name), 1).unwrap_err().to_string();
            assert!(error.contains("found a device"), "{error}");
            let error = write_file(Path::new(name), b"1").unwrap_err();
            assert!(error.to_string().contains("found a device"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_package_whose_manifest_is_a_pipe_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        make_pipe(&folder.path().join("model.toml"));
        let dir = folder.path().to_path_buf();
        let error = at_once(move || crate::ModelPackage::load(dir).unwrap_err().to_string());
        assert!(error.contains("model.toml: kind of file"), "{error}");
    }
}
