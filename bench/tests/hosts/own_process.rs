//! A test in a process of its own: the environment, the user's folders and the end that an X error makes
//! belong to all tests of this one.

use std::ffi::OsStr;
use std::process::Command;

/// Runs the ignored test `name` alone in another process, with this process's environment and these
/// variables. Returns what it says.
///
/// # Panics
/// If it fails, or there is no such test.
pub fn run<K, V>(name: &str, variables: impl IntoIterator<Item = (K, V)>) -> String
where
    K: AsRef<OsStr>,
    V: AsRef<OsStr>,
{
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", name, "--nocapture"])
        .envs(variables)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", output.status);
    // With a name that no test has it would succeed too.
    assert!(text.contains("1 passed"), "{text}");
    text
}

#[test]
#[should_panic(expected = "0 passed")]
fn a_test_that_is_not_there_has_not_passed() {
    run("own_process::no_such_test", [("LANG", "C")]);
}
