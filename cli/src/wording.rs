//! The crates behind the commands tell people of a checkout what to type there; here it is said as people
//! type it who have this program.

use clap::Command;
use clap::builder::StyledStr;
use tocco_engines::discovery::INSTALL_COMMAND;

/// The commands, which are called `cargo xtask` and the same name in a checkout.
pub(crate) const COMMANDS: [&str; 9] = [
    "demo",
    "train",
    "evaluate",
    "calibrate",
    "reject",
    "features",
    "engines",
    "convert",
    "infer",
];

/// `text` with what to type here in place of what to type in a checkout.
#[must_use]
pub fn own(text: &str) -> String {
    let mut text = text.replace(INSTALL_COMMAND, "tocco engines install");
    for name in COMMANDS {
        text = text.replace(&format!("cargo xtask {name}"), &format!("tocco {name}"));
    }
    text
}

/// `command` and all below it with their help so said.
#[must_use]
pub fn of_the_program(command: Command) -> Command {
    let said = |text: Option<&StyledStr>| text.map(|text| own(&text.to_string()));
    let mut command = command;
    if let Some(text) = said(command.get_about()) {
        command = command.about(text);
    }
    if let Some(text) = said(command.get_long_about()) {
        command = command.long_about(text);
    }
    if let Some(text) = said(command.get_after_help()) {
        command = command.after_help(text);
    }
    command
        .mut_args(|argument| {
            let (short, long) = (said(argument.get_help()), said(argument.get_long_help()));
            let argument = match short {
                Some(text) => argument.help(text),
                None => argument,
            };
            match long {
                Some(text) => argument.long_help(text),
                None => argument,
            }
        })
        .mut_subcommands(of_the_program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_program_does_is_said_anew() {
        assert_eq!(
            own("run cargo xtask train, or cargo xtask bundle"),
            "run tocco train, or cargo xtask bundle"
        );
        assert_eq!(
            own(&format!("run {INSTALL_COMMAND}")),
            "run tocco engines install"
        );
    }
}
