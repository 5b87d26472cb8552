//! The value of a kernel parameter, set in the running kernel.

use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Step,
    Stop,
};
use crate::facts::kernel::{KernelParameterKey, parameter_name};
use crate::facts::overlay::Effect;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::quote::quote;

/// A value that a parameter has to have.
pub(super) struct WishedParameter<'a> {
    /// Its file below `/proc/sys`.
    pub(super) path: &'a str,
    /// With one space between its words.
    pub(super) value: &'a str,
    /// The argument that names it, for refusals.
    pub(super) argument: &'static str,
}

impl WishedParameter<'_> {
    /// Plans that the kernel has this value; `None` if it has it.
    pub(super) fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        match context.get(KernelParameterKey(self.path)) {
            Ok(Some(value)) if are_same(&value, self.value) => Ok(Outcome::Unchanged),
            Ok(Some(value)) => {
                let before = Before::Present(attributed(&value));
                Ok(Outcome::Change(vec![self.change(before)]))
            }
            Ok(None) => {
                let title = format!("unknown kernel parameter `{}`", parameter_name(self.path));
                Err(context
                    .refuse(self.argument, title, format!("`{}` is not on the host", self.path))
                    .hint("correct the name; if a module of the kernel brings it, load that first: `server.modprobe`"))
            }
            Err(Stop::NotKnown {
                cause: NotKnown::Since(operation, why),
                ..
            }) => Ok(Outcome::Ensure {
                changes: vec![self.change(Before::Unknown(why))],
                since: vec![operation],
            }),
            Err(stop) => Err(stop),
        }
    }

    fn change(&self, before: Before) -> ResourceChange {
        let name = parameter_name(self.path);
        let file = quote(self.path);
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::KernelParameter, &name),
            Action::Update,
            before,
            Some(attributed(self.value)),
        );
        change.effects = vec![Effect::Set(
            FactKey::KernelParameter(self.path.to_owned()),
            Fact::KernelParameter(Some(self.value.to_owned())),
        )];
        let value = quote(self.value);
        let refused = quote(&format!("the kernel does not accept `{}` for `{name}`", self.value));
        let write =
            format!("printf \"%s\\n\" {value} 2>/dev/null >{file} || {{ printf \"%s\\n\" {refused}; exit 1; }}");
        let command = match program_for(self.path) {
            None => Command::new(format!("echo {value} >{file}"), write),
            Some(program) => Command::new(
                format!("{program} {value}"),
                format!("if command -v {program} >/dev/null; then {program} {value}; else {write}; fi"),
            ),
        };
        change.steps = vec![Step::Run(command)];
        change
    }
}

/// The name that the running kernel has.
pub(super) const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// A program that sets a parameter, where its file may not be writable: in a container, it belongs to the host.
fn program_for(path: &str) -> Option<&'static str> {
    (path == HOSTNAME).then_some("hostname")
}

/// Whether the kernel means the same by both: it reads `0x1f` and `037`, and answers `31`.
fn are_same(answer: &str, wanted: &str) -> bool {
    let decimal = |word: &str| -> String {
        let (sign, digits) = word.strip_prefix('-').map_or(("", word), |digits| ("-", digits));
        let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => digits
                .strip_prefix('0')
                .and_then(|digits| u64::from_str_radix(digits, 8).ok()),
        };
        number.map_or_else(|| word.to_owned(), |number| format!("{sign}{number}"))
    };
    answer == wanted || wanted.split(' ').map(decimal).eq(answer.split(' ').map(str::to_owned))
}

fn attributed(value: &str) -> Attributed {
    [("value", Attribute::known(value))].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_in_decimal() {
        for (answer, wanted, same) in [
            ("1", "1", true),
            ("1", "0x1", true),
            ("31", "0X1f", true),
            ("31", "037", true),
            ("-1", "-0x1", true),
            ("4096 131072 16", "0x1000 131072 0x10", true),
            ("0", "0", true),
            ("0", "00", true),
            ("1", "0x2", false),
            ("8", "08", false),
            ("1 2", "1", false),
            ("x", "0x", false),
        ] {
            assert_eq!(are_same(answer, wanted), same, "{answer} {wanted}");
        }
    }
}
