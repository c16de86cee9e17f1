//! Programs that a chore calls at its end: asked for before the long work.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};

/// Refuses to begin without the programs that a chore needs.
///
/// # Errors
/// Names the first that is missing, and the `package` of Debian that has it.
pub fn need(programs: &[&str], package: &str) -> Result<()> {
    for program in programs {
        ensure!(
            is_there(program),
            "{program} is needed, and no folder of PATH has it: apt-get install {package}"
        );
    }
    Ok(())
}

/// Whether a program of this name would be found.
pub fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| {
        let found = fs::metadata(folder.join(program));
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        need(&["sh"], "dash").unwrap();
        let error = need(&["sh", "no-such-program"], "nothing").unwrap_err();
        assert!(
            error.to_string().starts_with("no-such-program is needed"),
            "{error}"
        );
    }
}
