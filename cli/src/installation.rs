//! Where the models and the bundles lie that came with the program.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tocco_bench::plugin_host::BUNDLES;
use tocco_engines::shipped::{self, MODELS};

/// Tells the crates that look for models and bundles where they are, by their environment variables;
/// those that the user has set stay. A program in a checkout that finds nothing beside itself leaves them
/// to look there.
///
/// # Safety
/// No other thread may run.
pub unsafe fn tell() {
    let in_checkout = shipped::models_folder().is_dir();
    let program = env::current_exe().unwrap_or_default();
    for (variable, found) in [
        (MODELS, models(&program, dirs::data_local_dir())),
        (BUNDLES, bundles(&program, &host_folders())),
    ] {
        let value = match found {
            Found::There(value) => value,
            Found::Expected(_) if in_checkout => continue,
            Found::Expected(value) => value,
        };
        if !names_folders(env::var_os(variable)) {
            // SAFETY: no other thread runs, as the caller has promised.
            unsafe { env::set_var(variable, value) };
        }
    }
}

/// Whether a variable is set, and not to nothing: that names no folder, and the crates would look in a checkout,
/// which who has an archive has not.
fn names_folders(value: Option<OsString>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

/// A value for an environment variable.
#[derive(Debug, PartialEq)]
enum Found {
    /// What it names is there.
    There(OsString),
    /// Nothing is there; errors will name it.
    Expected(OsString),
}

/// Folders that an archive was unpacked to, if the program is in it: `tocco.exe` beside all else,
/// `bin/tocco` below it.
fn unpacked(program: &Path) -> Vec<PathBuf> {
    let folders = program.ancestors().skip(1).take(2);
    folders.map(Path::to_path_buf).collect()
}

/// The folder of the models: beside the program, or where the installation puts it.
fn models(program: &Path, data: Option<PathBuf>) -> Found {
    let mut folders = unpacked(program);
    folders.extend(data.map(|data| data.join("tocco")));
    let mut folders = folders.into_iter().map(|folder| folder.join("models"));
    // Any folder may be called so; these have the model that the plugin begins with.
    match folders.clone().find(|f| f.join("c/model.toml").is_file()) {
        Some(folder) => Found::There(folder.into()),
        None => Found::Expected(folders.next().unwrap_or_default().into()),
    }
}

/// The folders of bundles, as the variable has them: beside the program, then those of `hosts`.
fn bundles(program: &Path, hosts: &[PathBuf]) -> Found {
    let mut folders = unpacked(program);
    folders.extend_from_slice(hosts);
    let has = |folder: &PathBuf| {
        let bundles = ["Tocco.clap", "Tocco.vst3"];
        bundles.iter().any(|bundle| folder.join(bundle).exists())
    };
    // What a variable cannot name, the separator in it, is left out.
    folders.retain(|folder| env::join_paths([folder]).is_ok());
    let list = env::join_paths(&folders).unwrap_or_default();
    match folders.iter().any(has) {
        true => Found::There(list),
        false => Found::Expected(list),
    }
}

/// Where hosts look for CLAP and for VST3.
fn host_folders() -> Vec<PathBuf> {
    if cfg!(windows) {
        let common =
            env::var_os("CommonProgramW6432").or_else(|| env::var_os("CommonProgramFiles"));
        let common = common.map(PathBuf::from).into_iter();
        common
            .flat_map(|common| ["CLAP", "VST3"].map(|format| common.join(format)))
            .collect()
    } else {
        let home = dirs::home_dir().into_iter();
        home.flat_map(|home| [".clap", ".vst3"].map(|format| home.join(format)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn model(folder: &Path) {
        fs::create_dir_all(folder.join("models/c")).unwrap();
        fs::write(folder.join("models/c/model.toml"), "").unwrap();
    }

    #[test]
    fn a_variable_that_is_set_to_nothing_names_no_folder() {
        assert!(!names_folders(None) && !names_folders(Some("".into())));
        assert!(names_folders(Some("/models".into())));
    }

    #[test]
    fn models_lie_beside_the_program_or_above_it_or_are_installed() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, data) = (folder.path().join("archive"), folder.path().join("data"));
        let program = archive.join("bin/tocco");
        let expected = archive.join("bin/models").into_os_string();
        assert_eq!(models(&program, None), Found::Expected(expected));
        model(&data.join("tocco"));
        let installed = data.join("tocco/models").into_os_string();
        assert_eq!(
            models(&program, Some(data.clone())),
            Found::There(installed)
        );
        model(&archive);
        let unpacked = archive.join("models").into_os_string();
        assert_eq!(models(&program, Some(data.clone())), Found::There(unpacked));
        model(&archive.join("bin"));
        let beside = archive.join("bin/models").into_os_string();
        assert_eq!(models(&program, Some(data)), Found::There(beside));
    }

    #[test]
    fn bundles_beside_the_program_come_before_those_of_hosts() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, host) = (folder.path().join("archive"), folder.path().join("host"));
        let program = archive.join("tocco.exe");
        let hosts = [host.clone()];
        let list = env::join_paths([&archive, folder.path(), &host].map(|f| f as &Path)).unwrap();
        assert_eq!(bundles(&program, &hosts), Found::Expected(list.clone()));
        fs::create_dir_all(&host).unwrap();
        fs::write(host.join("Tocco.clap"), "").unwrap();
        assert_eq!(bundles(&program, &hosts), Found::There(list));
    }
}
