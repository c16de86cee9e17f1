//! `tocco-cli`, which is `tocco.exe` in the archive for Windows.

use std::process::ExitCode;

fn main() -> ExitCode {
    tocco_cli::run(std::env::args_os())
}
