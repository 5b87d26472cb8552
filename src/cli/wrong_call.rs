//! A wrong call of the command line, with a tip for options of other tools.

use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use homelab::error::habits;

/// Adds what to type instead, if it is known.
pub(super) fn with_tip(mut error: Error) -> Error {
    let tip = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(option))) => habits::option(option),
        (ErrorKind::InvalidSubcommand, _) => match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(command)) => habits::command(command),
            _ => None,
        },
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => missing_tip(missing),
        (ErrorKind::TooManyValues, Some(ContextValue::String(argument))) => {
            argument.contains("HOST").then_some("put '--' before the command")
        }
        _ => None,
    };
    if let Some(tip) = tip {
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
        );
    }
    error
}

fn missing_tip(missing: &[String]) -> Option<&'static str> {
    let is_missing = |argument: &str| missing.iter().any(|one| one == argument);
    if is_missing("<COMMAND>...") {
        Some("put '--' before the command")
    } else if is_missing("--output <FILE>") {
        Some("to see the plan without saving it, use 'homelab deploy INVENTORY DEPLOY --dry-run'")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::Cli;
    use super::*;

    #[track_caller]
    fn tips(line: &str, tip: &str) {
        let error = Cli::try_parse_from(line.split(' ')).expect_err("a wrong call");
        let shown = with_tip(error).render().to_string();
        assert!(shown.contains(&format!("tip: {tip}")), "{shown}");
    }

    #[test]
    fn habits_of_other_tools_lead_to_the_option() {
        tips("homelab deploy dev site --check", "use '--dry-run'");
        tips("homelab deploy dev site --dry", "use '--dry-run'");
        tips("homelab deploy dev site -l web", "use '--limit'");
        tips(
            "homelab plan dev site",
            "to see the plan without saving it, use 'homelab deploy INVENTORY DEPLOY --dry-run'",
        );
        tips("homelab ping dev", "use 'homelab exec INVENTORY PATTERN -- true'");
        tips("homelab exec dev web uptime", "put '--' before the command");
        tips("homelab lab ssh dev web uptime", "put '--' before the command");
        tips(
            "homelab deploy dev site --limt web",
            "a similar argument exists: '--limit'",
        );
    }
}
