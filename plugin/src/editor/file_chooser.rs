//! The system's dialog for a file or a folder. It has a thread of its own, so that the window goes on.
//!
//! On Linux the desktop's portal is asked, and where there is none `zenity`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

use egui::{Button, Ui};
use rfd::FileDialog;

/// A dialog that is gone sooner was not closed by a hand: there was none.
const SOONEST: Duration = Duration::from_millis(500);

/// What is to be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// A file whose name ends so.
    File(&'static str),
    /// A place for a file, which may be there: how it is called unless another name is typed, and how
    /// its name ends.
    NewFile(&'static str, &'static str),
}

/// Shows a dialog that begins in a folder, and waits for it.
type Ask = fn(Kind, Option<&Path>) -> Option<PathBuf>;

/// What was chosen, and how long the dialog was there.
type Answer = (Option<PathBuf>, Duration);

/// A dialog of one thing.
pub(super) struct FileChooser {
    /// Replaced in tests.
    pub(super) ask: Ask,
    open: Option<mpsc::Receiver<Answer>>,
}

impl Default for FileChooser {
    fn default() -> Self {
        Self { ask, open: None }
    }
}

impl FileChooser {
    /// A button that opens the dialog where the file or folder `present` lies.
    pub(super) fn button(
        &mut self,
        ui: &mut Ui,
        text: &str,
        hint: &str,
        kind: Kind,
        present: &str,
    ) {
        let button = ui.add_enabled(self.open.is_none(), Button::new(text));
        if !button.on_hover_text(hint).clicked() {
            return;
        }
        #[cfg(windows)]
        stay_loaded();
        let (send, receive) = mpsc::channel();
        let (ask, present, context) = (self.ask, PathBuf::from(present), ui.ctx().clone());
        let thread = std::thread::Builder::new().name("tocco-dialog".to_owned());
        let thread = thread.spawn(move || {
            let folder = present.ancestors().find(|path| path.is_dir());
            let begin = Instant::now();
            let chosen = ask(kind, folder);
            // The window may be closed by now.
            drop(send.send((chosen, begin.elapsed())));
            context.request_repaint();
        });
        // Without a thread the other end is gone, and there is no dialog.
        drop(thread);
        self.open = Some(receive);
    }

    /// Nothing comes of a dialog that is open, or was closed since the last frame.
    pub(super) fn forget(&mut self) {
        self.open = None;
    }

    /// What was chosen in a dialog that was closed since the frame before, if anything; or why there was
    /// no dialog, or its path cannot be kept.
    pub(super) fn take(&mut self) -> Option<Result<Option<String>, String>> {
        let (chosen, time) = match self.open.as_ref()?.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Ok(answer) => answer,
            Err(TryRecvError::Disconnected) => (None, Duration::ZERO),
        };
        self.open = None;
        Some(
            match chosen.map(|path| path.into_os_string().into_string()) {
                Some(Ok(path)) => Ok(Some(path)),
                Some(Err(path)) => Err(format!(
                    "{}: expected a name in Unicode; rename it, or type another",
                    path.display()
                )),
                None if time < SOONEST => Err(NONE.to_owned()),
                None => Ok(None),
            },
        )
    }
}

/// The host may let go of this library while a dialog is open, whose thread comes back into it. From here
/// on it stays loaded until the process ends. On Linux a thread's own variables see to that.
#[cfg(windows)]
fn stay_loaded() {
    use std::ffi::c_void;

    const PIN: u32 = 1;
    const FROM_ADDRESS: u32 = 4;
    unsafe extern "system" {
        fn GetModuleHandleExW(flags: u32, name: *const u16, module: *mut *mut c_void) -> i32;
    }
    let mut module = std::ptr::null_mut();
    let address = stay_loaded as *const u16;
    // SAFETY: any address may be asked for, and there is room for the answer.
    unsafe { GetModuleHandleExW(FROM_ADDRESS | PIN, address, &raw mut module) };
}

/// What is said where there is no dialog.
const NONE: &str = match cfg!(target_os = "linux") {
    true => {
        "no dialog for files: expected the desktop's portal or zenity; install zenity, or type the path"
    }
    false => "the system shows no dialog for files; type the path",
};

/// The system's dialog.
fn ask(kind: Kind, folder: Option<&Path>) -> Option<PathBuf> {
    let dialog = FileDialog::new();
    let dialog = match folder {
        Some(folder) => dialog.set_directory(folder),
        None => dialog,
    };
    match kind {
        Kind::Folder => dialog.pick_folder(),
        Kind::File(ending) => dialog.add_filter(ending, &[ending]).pick_file(),
        Kind::NewFile(name, ending) => {
            let dialog = dialog.set_file_name(name).add_filter(ending, &[ending]);
            dialog.save_file().map(|path| ended(path, ending))
        }
    }
}

/// A name that was typed without an ending gets one, or no dialog would list it; but not that of another
/// file, which nobody was asked about.
fn ended(path: PathBuf, ending: &str) -> PathBuf {
    let with_ending = path.with_extension(ending);
    match path.extension().is_none() && !with_ending.exists() {
        true => with_ending,
        false => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_gets_an_ending_unless_that_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        assert_eq!(ended(place("me"), "json"), place("me.json"));
        assert_eq!(ended(place("me.txt"), "json"), place("me.txt"));
        std::fs::write(place("me.json"), "").unwrap();
        assert_eq!(ended(place("me"), "json"), place("me"));
        assert_eq!(ended(place("me.json"), "json"), place("me.json"));
    }
}
