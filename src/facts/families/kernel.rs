//! Reads parameters of the kernel.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::kernel::KernelParameterKey;
use crate::facts::key::{Fact, FactKey};
use crate::quote::quote_all;

static PARAMETERS: Family = Family {
    subject: "kernel parameters",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for KernelParameterKey<'a> {
    const FAMILY: &'static Family = &PARAMETERS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// A line for each. The shell splits a value into words, so tabs and line breaks become one space.
fn probe(keys: &[FactKey]) -> String {
    let paths = keys.iter().filter_map(FactKey::path);
    format!(
        "(for p in {}; do\n\
         if [ ! -e \"$p\" ]; then echo absent\n\
         elif v=$(cat -- \"$p\" 2>/dev/null); then set -f; set -- $v; printf \"is %s\\n\" \"$*\"\n\
         else echo denied; fi\n\
         done)",
        quote_all(paths)
    )
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let facts = keys.iter().zip(lines(answer)).map(|(key, line)| {
        let fact = match line.split_once(' ') {
            None if line == "absent" => Fact::KernelParameter(None),
            None if line == "denied" => Fact::Denied("it cannot be read".to_owned()),
            Some(("is", value)) => Fact::KernelParameter(Some(value.to_owned())),
            _ => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
        };
        Ok((key.clone(), fact))
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::kernel::parameter_path;

    #[test]
    fn a_value_is_one_line_of_words() {
        let names = ["kernel.ostype", "net.ipv4.ip_local_port_range", "kernel.no_such"];
        let keys: Vec<FactKey> = names
            .iter()
            .map(|name| FactKey::KernelParameter(parameter_path(name)))
            .collect();
        for shell in ["sh", "bash"] {
            let output = std::process::Command::new(shell)
                .args(["-c", &probe(&keys)])
                .output()
                .expect("a shell");
            let facts = parse(&keys, 0, &output.stdout).expect("readable");
            assert_eq!(facts[0].1, Fact::KernelParameter(Some("Linux".to_owned())));
            assert!(matches!(&facts[1].1, Fact::KernelParameter(Some(range)) if range.split(' ').count() == 2));
            assert_eq!(facts[2].1, Fact::KernelParameter(None));
        }
        assert!(parse(&keys, 0, b"what is this\n").is_err());
    }
}
