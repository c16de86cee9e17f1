//! Whether a file is a shared library that this machine can open, told without opening it.
//!
//! The system's loader maps what the headers announce and believes them. Of a file that a broken
//! copy cut short it touches pages that are not there, which ends the process (SIGBUS), a host and
//! all. So the headers are compared with the file's size first.

use std::path::Path;

use crate::bounded_read::open_file;

/// Looks at the headers of the library at `path`. Never waits, whatever the path leads to.
///
/// # Errors
/// Why the file cannot be opened as a library here, with its name.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    let file = open_file(path).map_err(|error| error.to_string())?;
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    let checked = elf::check(file, size);
    // Other systems' loaders check for themselves.
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
    let checked = (size > 0)
        .then_some(())
        .ok_or_else(|| "is empty".to_owned());
    checked.map_err(|problem| format!("{}: {problem}", path.display()))
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod elf {
    use std::fs::File;

    use object::elf::{EM_AARCH64, EM_X86_64, ET_DYN, FileHeader64, Machine, SHT_NOBITS};
    use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
    use object::{Endianness, FileKind, ReadCache};

    pub(super) fn check(file: File, size: u64) -> Result<(), String> {
        if size == 0 {
            return Err("is empty".to_owned());
        }
        let data = ReadCache::new(file);
        match FileKind::parse(&data) {
            Ok(FileKind::Elf64) => {}
            Ok(kind) => {
                return Err(format!(
                    "is for another system: expected Elf64, found {kind:?}"
                ));
            }
            Err(_) => return Err("is no shared library".to_owned()),
        }
        let damaged = |error: object::Error| format!("is damaged: {error}");
        let header = FileHeader64::<Endianness>::parse(&data).map_err(damaged)?;
        let endian = header.endian().map_err(damaged)?;
        let machine = header.e_machine(endian);
        if let Some(own) = own_machine()
            && machine != own
        {
            return Err(format!(
                "is for another processor: expected {}, found {}",
                name_of(own),
                name_of(machine)
            ));
        }
        if header.e_type(endian) != ET_DYN {
            return Err("is an ELF file, but no shared library".to_owned());
        }

        let fits = |what: &str, start: u64, bytes: u64| match start.checked_add(bytes) {
            Some(end) if end <= size => Ok(()),
            Some(end) => Err(format!(
                "is cut short: its {what} end at byte {end}, and it has {size}"
            )),
            None => Err(format!("is damaged: its {what} have no end")),
        };
        let table = |entry: u16, n: u16| u64::from(entry) * u64::from(n);
        let bytes = table(header.e_phentsize(endian), header.e_phnum(endian));
        fits("program headers", header.e_phoff(endian), bytes)?;
        let bytes = table(header.e_shentsize(endian), header.e_shnum(endian));
        fits("section headers", header.e_shoff(endian), bytes)?;
        let segments = header.program_headers(endian, &data).map_err(damaged)?;
        if segments.is_empty() {
            return Err("is damaged: it has no segments".to_owned());
        }
        for segment in segments {
            let start = segment.p_offset(endian);
            fits("segments", start, segment.p_filesz(endian))?;
        }
        for section in header.section_headers(endian, &data).map_err(damaged)? {
            if section.sh_type(endian) != SHT_NOBITS {
                let start = section.sh_offset(endian);
                fits("sections", start, section.sh_size(endian))?;
            }
        }
        Ok(())
    }

    /// The processor that this code was made for, where its number is known.
    fn own_machine() -> Option<Machine> {
        if cfg!(target_arch = "x86_64") {
            Some(EM_X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(EM_AARCH64)
        } else {
            None
        }
    }

    fn name_of(machine: Machine) -> String {
        match machine {
            EM_X86_64 => "x86_64".to_owned(),
            EM_AARCH64 => "aarch64".to_owned(),
            other => format!("ELF machine {other}"),
        }
    }
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A shared library that is there wherever the tests run.
    fn system_library() -> Vec<u8> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let path = maps
            .lines()
            .filter_map(|line| line.split_whitespace().nth(5))
            .find(|path| path.contains("/libc.so"))
            .expect("the tests use the C library");
        std::fs::read(path).unwrap()
    }

    fn checked(bytes: &[u8]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.so");
        std::fs::write(&path, bytes).unwrap();
        check(&path)
    }

    #[test]
    fn a_whole_library_passes() {
        checked(&system_library()).unwrap();
        // So does a program that is made like one; the loader refuses it in words.
        check(&std::env::current_exe().unwrap()).unwrap();
    }

    #[test]
    fn a_library_cut_short_is_refused_wherever_it_ends() {
        let whole = system_library();
        for length in [1, 20, 63, 64, 100, 1000, whole.len() / 2, whole.len() - 1] {
            let error = checked(&whole[..length]).unwrap_err();
            assert!(error.contains("lib.so: is "), "{error}");
        }
        let error = checked(&whole[..whole.len() - 1]).unwrap_err();
        assert!(error.contains("is cut short"), "{error}");
        assert!(error.contains(&format!("and it has {}", whole.len() - 1)));
    }

    #[test]
    fn what_is_no_library_for_this_machine_is_named() {
        assert!(checked(b"").unwrap_err().ends_with("is empty"));
        let error = checked(&[7; 5000]).unwrap_err();
        assert!(error.ends_with("is no shared library"), "{error}");
        let mut other = system_library();
        // e_machine: MIPS, and e_type: a program at a fixed address.
        other[18] = 8;
        let error = checked(&other).unwrap_err();
        assert!(error.contains("another processor"), "{error}");
        assert!(error.ends_with("found ELF machine 8"), "{error}");
        let mut other = system_library();
        other[16] = 2;
        assert!(checked(&other).unwrap_err().contains("no shared library"));
        // EI_CLASS: 32 bits.
        let mut other = system_library();
        other[4] = 1;
        let error = checked(&other).unwrap_err();
        assert!(error.contains("another system"), "{error}");
    }

    #[test]
    fn any_damage_of_the_headers_is_read_without_panic() {
        use std::os::unix::fs::FileExt;

        let whole = system_library();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.so");
        std::fs::write(&path, &whole).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        for at in 0..64_usize {
            for value in [0, 1, 0x7f, 0xff] {
                file.write_all_at(&[value], at as u64).unwrap();
                let _ = check(&path);
            }
            file.write_all_at(&whole[at..=at], at as u64).unwrap();
        }
        check(&path).unwrap();
    }

    #[test]
    fn folders_and_missing_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = check(folder.path()).unwrap_err();
        assert!(error.contains("found a folder"), "{error}");
        let error = check(&PathBuf::from("/nowhere/lib.so")).unwrap_err();
        assert!(
            error.starts_with("/nowhere/lib.so: cannot be read"),
            "{error}"
        );
    }
}
