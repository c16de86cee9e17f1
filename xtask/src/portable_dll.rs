//! Refuses a library for Windows that asks for another library than those of Windows, or that does
//! not say what it is.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use object::LittleEndian as LE;
use object::pe;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64, ResourceDirectoryEntryData};

/// Libraries that every Windows has since 10, in lower case.
const SYSTEM: [&str; 18] = [
    "advapi32.dll",
    "api-ms-win-core-synch-l1-2-0.dll",
    "api-ms-win-core-winrt-error-l1-1-0.dll",
    "avrt.dll",
    "bcryptprimitives.dll",
    "combase.dll",
    "gdi32.dll",
    "kernel32.dll",
    "msvcrt.dll",
    "ntdll.dll",
    "ole32.dll",
    "oleaut32.dll",
    "opengl32.dll",
    "rpcrt4.dll",
    "shell32.dll",
    "user32.dll",
    "userenv.dll",
    "ws2_32.dll",
];

/// What the linker must have set: the library may lie at any address, also above 4 GB, and its data
/// is not run.
const PROTECTED: [(&str, pe::DllFlags); 3] = [
    (
        "any address (ASLR)",
        pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE,
    ),
    (
        "any address above 4 GB",
        pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA,
    ),
    (
        "data that is not run (NX)",
        pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT,
    ),
];

/// Checks the library at `path`.
///
/// # Errors
/// Names what it asks for or lacks.
pub fn check(path: &Path) -> Result<()> {
    let data = fs::read(path).with_context(|| path.display().to_string())?;
    check_library(&data).with_context(|| path.display().to_string())
}

/// Checks the program at `path`, of which no version is asked.
///
/// # Errors
/// Names what it asks for or lacks.
pub fn check_program(path: &Path) -> Result<()> {
    let data = fs::read(path).with_context(|| path.display().to_string())?;
    let checked = parse(&data).and_then(|file| check_loading(&file));
    checked.with_context(|| path.display().to_string())
}

fn check_library(data: &[u8]) -> Result<()> {
    let file = parse(data)?;
    check_loading(&file)?;
    check_version(&file)
}

fn parse(data: &[u8]) -> Result<PeFile64<'_>> {
    PeFile64::parse(data).context("is no library for 64-bit Windows")
}

/// Checks for which processor it is, what it imports, and how it is protected.
fn check_loading(file: &PeFile64<'_>) -> Result<()> {
    let header = file.nt_headers().file_header();
    let machine = header.machine.get(LE);
    ensure!(
        machine == pe::IMAGE_FILE_MACHINE_AMD64,
        "is for another processor: {machine:?}"
    );
    for name in imports(file)? {
        ensure!(
            SYSTEM.contains(&name.to_ascii_lowercase().as_str()),
            "needs {name}, which is no library of Windows; those are {}",
            SYSTEM.join(", ")
        );
    }
    let flags = file.nt_headers().optional_header().dll_characteristics();
    for (what, flag) in PROTECTED {
        ensure!(flags & flag == flag, "is not linked for {what}");
    }
    Ok(())
}

/// Names of the libraries that are asked for when it is loaded, or later.
fn imports(file: &PeFile64<'_>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut add = |name: &[u8]| names.push(String::from_utf8_lossy(name).into_owned());
    if let Some(table) = file.import_table()? {
        let mut libraries = table.descriptors()?;
        while let Some(library) = libraries.next()? {
            add(table.name(library.name.get(LE))?);
        }
    }
    if let Some(table) = file.delay_load_import_table()? {
        let mut libraries = table.descriptors()?;
        while let Some(library) = libraries.next()? {
            add(table.name(library.dll_name_rva.get(LE))?);
        }
    }
    Ok(names)
}

/// Checks that the library says which version of Tocco it is.
fn check_version(file: &PeFile64<'_>) -> Result<()> {
    let sections = file.section_table();
    let resources = file
        .data_directories()
        .resource_directory(file.data(), &sections)?
        .context("has no resources, and so no version")?;
    let of_kind = resources
        .root()?
        .entries
        .iter()
        .find(|entry| entry.name_or_id().id() == Some(pe::RT_VERSION));
    let Some(mut entry) = of_kind else {
        bail!("has no version among its resources");
    };
    // By kind, by number, by language.
    let data = loop {
        match entry.data(resources)? {
            ResourceDirectoryEntryData::Table(table) => {
                entry = table.entries.first().context("has an empty version")?;
            }
            ResourceDirectoryEntryData::Data(data) => break data,
        }
    };
    let bytes = sections
        .pe_data_at(file.data(), data.offset_to_data.get(LE))
        .and_then(|bytes| bytes.get(..data.size.get(LE) as usize))
        .context("has a version outside of its sections")?;
    let version = env!("CARGO_PKG_VERSION");
    let expected: Vec<u8> = version.encode_utf16().flat_map(u16::to_le_bytes).collect();
    ensure!(
        bytes.windows(expected.len()).any(|found| found == expected),
        "has another version than {version}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least library for Windows that has what is looked at: one section with its imports.
    fn library(machine: u16, flags: u16, imports: &str) -> Vec<u8> {
        const SECTION: u32 = 0x1000;
        const HEADERS: usize = 0x200;
        let mut data = vec![0; HEADERS + 0x200];
        let mut put = |at: usize, bytes: &[u8]| data[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3c, &0x40_u32.to_le_bytes());
        put(0x40, b"PE\0\0");
        put(0x44, &machine.to_le_bytes());
        // One section, and the size of the optional header with its 16 directories.
        put(0x46, &1_u16.to_le_bytes());
        put(0x54, &240_u16.to_le_bytes());
        let optional = 0x58;
        put(optional, &0x20b_u16.to_le_bytes());
        put(optional + 70, &flags.to_le_bytes());
        put(optional + 108, &16_u32.to_le_bytes());
        // Directory 1: where the imports are.
        put(optional + 120, &SECTION.to_le_bytes());
        put(optional + 124, &40_u32.to_le_bytes());
        let section = optional + 240;
        put(section, b".idata");
        put(section + 8, &0x200_u32.to_le_bytes());
        put(section + 12, &SECTION.to_le_bytes());
        put(section + 16, &0x200_u32.to_le_bytes());
        put(section + 20, &(HEADERS as u32).to_le_bytes());
        // One import, whose name follows it and the end of the list.
        put(HEADERS + 12, &(SECTION + 40).to_le_bytes());
        put(HEADERS + 16, &(SECTION + 0x100).to_le_bytes());
        put(HEADERS + 40, imports.as_bytes());
        data
    }

    #[test]
    fn what_goes_beyond_is_named() {
        const AMD64: u16 = 0x8664;
        let error = |machine, flags, imports: &str| {
            let data = library(machine, flags, imports);
            check_library(&data).unwrap_err().to_string()
        };
        let foreign = error(AMD64, 0x160, "libgcc_s_seh-1.dll");
        assert!(foreign.starts_with("needs libgcc_s_seh-1.dll"), "{foreign}");
        let arm = error(0xaa64, 0x160, "KERNEL32.dll");
        assert!(arm.contains("another processor"), "{arm}");
        let fixed = error(AMD64, 0x120, "KERNEL32.dll");
        assert!(fixed.contains("ASLR"), "{fixed}");
        // All that is asked of it but this.
        let nameless = error(AMD64, 0x160, "KERNEL32.dll");
        assert!(nameless.contains("no resources"), "{nameless}");
        let text = check_library(b"no library").unwrap_err().to_string();
        assert!(text.contains("is no library"), "{text}");
    }
}
