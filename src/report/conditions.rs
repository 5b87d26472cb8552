//! The conditions of a project, named before they run.

use super::sanitize::lines;

/// A line for each command; further lines of a command are indented.
pub fn conditions(commands: &[String], on_this_machine: bool) -> String {
    let place = if on_this_machine { " on this machine" } else { "" };
    let line = |command: &String| {
        let command = lines(command.trim()).replace('\n', "\n  ");
        format!("condition{place}: {command}\n")
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
            conditions(&commands, false),
            "condition: test -e /x\ncondition: a\n  b\\x1b[2J\n"
        );
        assert_eq!(
            conditions(&commands[..1], true),
            "condition on this machine: test -e /x\n"
        );
    }
}
