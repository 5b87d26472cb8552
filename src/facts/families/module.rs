//! Reads the state of kernel modules.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::module::{KernelModule, KernelModuleKey};
use crate::quote::quote_all;

static MODULES: Family = Family {
    subject: "kernel modules",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for KernelModuleKey<'a> {
    const FAMILY: &'static Family = &MODULES;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// A line for each. A module that is a part of the kernel has no state there.
fn probe(keys: &[FactKey]) -> String {
    let names = keys.iter().filter_map(KernelModuleKey::of).map(|key| key.0);
    format!(
        "for m in {}; do\n\
         n=$(printf %s \"$m\" | tr - _)\n\
         if [ -e \"/sys/module/$n/initstate\" ]; then echo loaded\n\
         elif [ -d \"/sys/module/$n\" ]; then echo built_in\n\
         else case $(modinfo -F filename -- \"$m\" 2>/dev/null) in\n\
         '(builtin)') echo built_in ;;\n\
         '') echo absent ;;\n\
         *) echo available ;;\n\
         esac; fi\n\
         done",
        quote_all(names)
    )
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let facts = keys.iter().zip(lines(answer)).map(|(key, line)| {
        let state = match line.as_str() {
            "loaded" => KernelModule::Loaded,
            "built_in" => KernelModule::BuiltIn,
            "available" => KernelModule::Available,
            "absent" => KernelModule::Absent,
            _ => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
        };
        Ok((key.clone(), Fact::KernelModule(state)))
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_a_word() {
        let keys = ["a", "b", "c", "d"].map(|name| FactKey::KernelModule(name.to_owned()));
        let facts = parse(&keys, 0, b"loaded\nbuilt_in\navailable\nabsent\n").expect("readable");
        assert_eq!(facts[0].1, Fact::KernelModule(KernelModule::Loaded));
        assert_eq!(facts[3].1, Fact::KernelModule(KernelModule::Absent));
        assert!(parse(&keys, 0, b"what\n").is_err());
    }

    #[test]
    fn a_module_that_no_kernel_has_is_absent() {
        let keys = [FactKey::KernelModule("no-such-module".to_owned())];
        let output = std::process::Command::new("sh")
            .args(["-c", &probe(&keys)])
            .output()
            .expect("sh runs");
        let facts = parse(&keys, 0, &output.stdout).expect("readable");
        assert_eq!(facts[0].1, Fact::KernelModule(KernelModule::Absent));
    }
}
