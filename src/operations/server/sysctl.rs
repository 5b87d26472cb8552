//! `server.sysctl`: set a parameter of the kernel, now and at boot.
//!
//! ```toml
//! [[operation]]
//! op = "server.sysctl"
//! key = "net.ipv4.ip_forward"
//! value = 1
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::kernel_parameter::WishedParameter;
use crate::change::{Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::kernel::{PARAMETERS, parameter_name, parameter_path};
use crate::facts::overlay::FactScope;
use crate::operations::files::edited_file::EditedFile;
use crate::operations::files::parameters::{check_path, path_and_ancestors};
use crate::operations::files::text::append_line;
use crate::operations::parameters::NumberOrText;
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `server.sysctl`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Sysctl {
    /// Name of the parameter, such as `"net.ipv4.ip_forward"`.
    key: String,
    /// Its value.
    value: Option<NumberOrText>,
    /// File that sets it at boot.
    #[serde(default = "usual_file")]
    file: String,
    /// `false` sets it until the next boot only, and leaves the file alone.
    #[serde(default = "crate::operations::parameters::yes")]
    persist: bool,
    /// `false` removes it from the file. The kernel keeps its value until the next boot.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

fn usual_file() -> String {
    "/etc/sysctl.d/60-homelab.conf".to_owned()
}

impl Define for Sysctl {
    const NAME: &'static str = "server.sysctl";
    const SUMMARY: &'static str = "Set a parameter of the kernel, now and at boot";
    const MAIN_ARGUMENT: &'static str = "key";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.sysctl"
key = "net.ipv4.ip_forward"
value = 1
"#;
}

impl Operation for Sysctl {
    fn needs(&self) -> Vec<FactKey> {
        let kernel = (self.present && self.is_valid()).then(|| FactKey::KernelParameter(self.path()));
        let file = self.writes_file().then(|| {
            let content = FactKey::Content(self.file.clone());
            path_and_ancestors(&self.file).into_iter().chain([content])
        });
        file.into_iter().flatten().chain(kernel).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let kernel = self.present.then(|| FactKey::KernelParameter(self.path()));
        let file = self.writes_file().then(|| FactKey::Path(self.file.clone()));
        kernel.into_iter().chain(file).map(FactScope::Key).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let value = self.checked(context)?;
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            // In the same round.
            let file = if self.writes_file() {
                self.plan_file(scratch, &value)
            } else {
                Ok(Outcome::Unchanged)
            };
            if self.present {
                let path = self.path();
                let kernel = WishedParameter {
                    path: &path,
                    value: &value,
                    argument: "key",
                };
                work.add(scratch, kernel.plan(scratch)?);
            }
            work.add(scratch, file?);
            Ok(work.outcome())
        })
    }
}

impl Sysctl {
    /// A parameter in the usual file.
    pub(super) fn of(key: &str, value: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: Some(NumberOrText(value.to_owned())),
            file: usual_file(),
            persist: true,
            present: true,
        }
    }

    fn path(&self) -> String {
        parameter_path(&self.key)
    }

    fn writes_file(&self) -> bool {
        self.persist || !self.present
    }

    fn is_valid(&self) -> bool {
        let plain = |character: char| character.is_ascii_alphanumeric() || "_-.@:/".contains(character);
        let path = self.path();
        let below = path.strip_prefix(PARAMETERS).unwrap_or_default();
        let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
        self.key.chars().all(plain) && below.split('/').skip(1).all(is_part) && below.matches('/').count() > 1
    }

    /// The value, with one space between its words.
    fn checked(&self, context: &PlanContext<'_>) -> Result<String, Stop> {
        if !self.is_valid() {
            let title = format!("`{}` is not a valid kernel parameter", self.key);
            return Err(context
                .refuse("key", title, "use letters, digits, `_` and `-`, with dots between")
                .hint("write a name as `sysctl -a` shows it, such as \"net.ipv4.ip_forward\""));
        }
        check_path(context, "file", &self.file)?;
        let Some(NumberOrText(value)) = &self.value else {
            if !self.present {
                return Ok(String::new());
            }
            return Err(context
                .refuse("key", "missing `value`", "this parameter needs a value")
                .hint("write `value = …`, or `present = false` to remove it from the file"));
        };
        if value.trim().is_empty() || value.contains(['\n', '\r', '\0']) {
            return Err(context
                .refuse(
                    "value",
                    "`value` must be one line that is not empty",
                    "the file cannot store this",
                )
                .hint("write it as `sysctl -n` shows it"));
        }
        let number = match value.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" => Some(1),
            "false" | "no" => Some(0),
            _ => None,
        };
        if let Some(number) = number {
            let title = format!("`{}` is not a value of a kernel parameter", value.trim());
            return Err(context
                .refuse("value", title, "the kernel takes numbers")
                .hint(format!("write `value = {number}`")));
        }
        Ok(value.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn plan_file(&self, context: &PlanContext<'_>, value: &str) -> Result<Outcome, Stop> {
        let file = EditedFile {
            goes_when_empty: !self.present,
            comes_with_no_package: self.file == usual_file(),
            ..EditedFile::new(&self.file, "file")
        };
        file.plan(context, |text| self.edited(text, value))
    }

    /// The text with one line for the parameter, or without any.
    fn edited(&self, text: &str, value: &str) -> String {
        let mut edited = String::with_capacity(text.len());
        let mut is_placed = !self.present;
        let line = format!("{} = {value}", parameter_name(&self.path()));
        for piece in text.split_inclusive('\n') {
            match assignment(piece) {
                Some((key, _)) if parameter_path(key) != self.path() => edited.push_str(piece),
                None => edited.push_str(piece),
                Some(_) if is_placed => {}
                Some((_, old)) => {
                    is_placed = true;
                    let is_same = old.split_whitespace().eq(value.split_whitespace());
                    if is_same {
                        edited.push_str(piece);
                    } else {
                        append_line(&mut edited, &line);
                    }
                }
            }
        }
        if !is_placed {
            append_line(&mut edited, &line);
        }
        edited
    }
}

/// Key and value of a line (sysctl.d(5)).
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    Some((key.trim().trim_start_matches('-'), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysctl(key: &str, present: bool) -> Sysctl {
        Sysctl {
            key: key.to_owned(),
            value: None,
            file: usual_file(),
            persist: true,
            present,
        }
    }

    #[test]
    fn one_line_sets_the_parameter() {
        for (text, expected, removed) in [
            ("", "net.ipv4.ip_forward = 1\n", ""),
            (
                "#net.ipv4.ip_forward=1",
                "#net.ipv4.ip_forward=1\nnet.ipv4.ip_forward = 1\n",
                "#net.ipv4.ip_forward=1",
            ),
            ("net/ipv4/ip_forward=1\n", "net/ipv4/ip_forward=1\n", ""),
            (
                "a.b=1\n-net.ipv4.ip_forward = 0\nnet.ipv4.ip_forward=1\n",
                "a.b=1\nnet.ipv4.ip_forward = 1\n",
                "a.b=1\n",
            ),
        ] {
            let wanted = sysctl("net.ipv4.ip_forward", true);
            assert_eq!(wanted.edited(text, "1"), expected);
            assert_eq!(wanted.edited(expected, "1"), expected);
            assert_eq!(sysctl("net/ipv4/ip_forward", false).edited(text, ""), removed);
        }
    }

    #[test]
    fn a_name_leads_to_no_other_folder() {
        for (key, is_valid) in [
            ("net.ipv4.ip_forward", true),
            ("net.ipv4.conf.eth0/1.rp_filter", true),
            ("/../../etc/passwd", false),
            ("..etc.passwd", false),
            ("net..x", false),
            ("hostname", false),
            ("net.a b", false),
            ("", false),
        ] {
            assert_eq!(sysctl(key, true).is_valid(), is_valid, "{key}");
        }
    }
}
