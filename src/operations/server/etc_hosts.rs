//! `server.etc_hosts`: the names of an address in `/etc/hosts`.
//!
//! ```toml
//! [[operation]]
//! op = "server.etc_hosts"
//! address = "192.168.1.10"
//! names = ["nas.lan", "nas"]
//! ```

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::change::{Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::files::edited_file::EditedFile;
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::text::append_line;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `server.etc_hosts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct EtcHosts {
    /// The IP address.
    address: String,
    /// All names of the address, the host's full name first, such as `["nas.lan", "nas"]`.
    #[serde(default)]
    names: Vec<String>,
    /// `false` removes the address with all its names.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

const FILE: &str = "/etc/hosts";

impl Define for EtcHosts {
    const NAME: &'static str = "server.etc_hosts";
    const SUMMARY: &'static str = "Set the names of an address in `/etc/hosts`";
    const MAIN_ARGUMENT: &'static str = "address";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.etc_hosts"
address = "192.168.1.10"
names = ["nas.lan", "nas"]
"#;
}

impl Operation for EtcHosts {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(FILE);
        needs.push(FactKey::Content(FILE.to_owned()));
        needs
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(FILE.to_owned()))]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let address = self.checked(context)?;
        EditedFile::new(FILE, "address").plan(context, |text| self.edited(text, address))
    }
}

impl EtcHosts {
    fn checked(&self, context: &PlanContext<'_>) -> Result<IpAddr, Stop> {
        let Ok(address) = self.address.parse::<IpAddr>() else {
            let title = format!("`{}` is not an IP address", self.address);
            return Err(context
                .refuse("address", title, "must be an address, not a name")
                .hint("write an address such as \"192.168.1.10\" or \"fd00::10\", and the names in `names`"));
        };
        if self.present && self.names.is_empty() {
            return Err(context
                .refuse("names", "`names` is empty", "an address without names is of no use")
                .hint("write the names of the address, or `present = false` to remove it"));
        }
        for name in &self.names {
            let plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
            let is_address = name.parse::<IpAddr>().is_ok();
            if is_address || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || !name.chars().all(plain)
            {
                let title = format!("`{name}` is not a valid host name");
                return Err(context
                    .refuse_item("names", name, title, "use letters, digits, `.`, `-` and `_`")
                    .hint("write a name such as \"nas.lan\""));
            }
        }
        Ok(address)
    }

    fn edited(&self, text: &str, address: IpAddr) -> String {
        let mut edited = String::with_capacity(text.len());
        let mut is_placed = !self.present;
        for piece in text.split_inclusive('\n') {
            let (fields, comment) = piece.split_once('#').unwrap_or((piece, ""));
            let mut words = fields.split_whitespace();
            if words.next().and_then(|first| first.parse().ok()) != Some(address) {
                edited.push_str(piece);
            } else if !is_placed {
                is_placed = true;
                if words.eq(self.names.iter().map(String::as_str)) {
                    edited.push_str(piece);
                } else {
                    let comment = match comment.trim() {
                        "" => String::new(),
                        comment => format!("\t# {comment}"),
                    };
                    append_line(&mut edited, &format!("{}{comment}", self.line()));
                }
            }
        }
        if !is_placed {
            append_line(&mut edited, &self.line());
        }
        edited
    }

    fn line(&self) -> String {
        format!("{}\t{}", self.address, self.names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_has_the_address() {
        let hosts = |present| EtcHosts {
            address: "fd00::10".to_owned(),
            names: vec!["nas.lan".to_owned(), "nas".to_owned()],
            present,
        };
        for (text, expected, removed) in [
            ("", "fd00::10\tnas.lan nas\n", ""),
            (
                "::1 localhost",
                "::1 localhost\nfd00::10\tnas.lan nas\n",
                "::1 localhost",
            ),
            ("fd00:0::10  nas.lan   nas # x\n", "fd00:0::10  nas.lan   nas # x\n", ""),
            ("fd00::10 nas # the box\n", "fd00::10\tnas.lan nas\t# the box\n", ""),
            (
                "fd00::10 a\nx\nfd00::10 nas\n#fd00::10 b\n",
                "fd00::10\tnas.lan nas\nx\n#fd00::10 b\n",
                "x\n#fd00::10 b\n",
            ),
        ] {
            let address = "fd00::10".parse().expect("an address");
            assert_eq!(hosts(true).edited(text, address), expected);
            assert_eq!(hosts(true).edited(expected, address), expected);
            assert_eq!(hosts(false).edited(text, address), removed);
        }
    }
}
