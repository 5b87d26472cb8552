//! The commands of a project that run before anyone agreed to anything, named before.

use super::sanitize::lines;
use crate::rounds::Purpose;

/// A line for each command; further lines of a command are indented.
pub fn commands(purpose: Purpose, commands: &[String], on_this_machine: bool) -> String {
    let what = match purpose {
        Purpose::Condition => "condition",
        Purpose::Check => "check",
        Purpose::Validator => "validator",
    };
    let place = if on_this_machine { " on this machine" } else { "" };
    let line = |command: &String| {
        let command = lines(command.trim()).replace('\n', "\n  ");
        format!("{what}{place}: {command}\n")
    };
    commands.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_whole_and_harmless() {
        let commands = ["test -e /x".to_owned(), "a\nb\u{1b}[2J".to_owned()];
        assert_eq!(
            super::commands(Purpose::Condition, &commands, false),
            "condition: test -e /x\ncondition: a\n  b\\x1b[2J\n"
        );
        assert_eq!(
            super::commands(Purpose::Condition, &commands[..1], true),
            "condition on this machine: test -e /x\n"
        );
        assert_eq!(
            super::commands(Purpose::Check, &commands[..1], false),
            "check: test -e /x\n"
        );
    }
}
