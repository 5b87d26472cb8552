//! `nftables.rules`: a file of rules of the packet filter, and the same rules in the kernel.
//!
//! ```toml
//! [[operation]]
//! op = "nftables.rules"
//! content = """
//! table inet filter {
//!   chain input {
//!     type filter hook input priority filter; policy drop;
//!     iif lo accept
//!     ct state established,related accept
//!     tcp dport 22 accept
//!   }
//! }
//! """
//! ```
//!
//! Only the tables of the file count: those that other programs made, as Docker does, stay as they are.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::listing::Listing;
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk,
    Step, Stop,
};
use crate::content::Content;
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::nftables::{Nftables, load};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::files::parameters::{Mode, check_owners, check_path, path_and_ancestors};
use crate::operations::files::removal::{note_other_kind, plan_absent};
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::work::Work;
use crate::operations::{Define, Demand, Operation, PlanContext, text};

/// Parameters of `nftables.rules`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Rules {
    /// The rules, as `nft -f` reads them. Give `content` or `src`.
    content: Option<String>,
    /// File below `templates/` of the project; a template is rendered if its name ends in `.j2`. Give `content` or `src`.
    src: Option<String>,
    /// Absolute path of the file on the host. `nftables.service` loads the default one at boot.
    #[serde(default = "usual_file")]
    file: String,
    /// `false` writes the file only, and leaves the rules of the kernel as they are.
    #[serde(default = "crate::operations::parameters::yes")]
    load: bool,
    /// `false` removes the file, and its tables from the kernel.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// User who owns the file. By default the owner is kept; a new file belongs to `root`.
    user: Option<String>,
    /// Group that the file belongs to. By default the group is kept; a new file gets `root`.
    group: Option<String>,
    /// Permissions of the file. By default they are kept; a new file gets `"0644"`.
    mode: Option<Mode>,
    /// `true` keeps the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: bool,
}

fn usual_file() -> String {
    "/etc/nftables.conf".to_owned()
}

/// A table is loaded as a whole.
const ONE_FILE: &str = "write all rules of a table in one file, or give the tables different names";

/// The package with `nft`.
const PACKAGE: &str = "nftables";

impl Define for Rules {
    const NAME: &'static str = "nftables.rules";
    const SUMMARY: &'static str = "Write the rules of the packet filter, and load them";
    const MAIN_ARGUMENT: &'static str = "file";
    const INSTEAD_OF_SECRETS: Option<&'static str> = Some(
        "reviews show these rules: write the file with `files.put`, which hides secrets, with `validate = [\"nft\", \"-c\", \"-f\", \
         \"{path}\"]`, and notify a handler that restarts `nftables.service`, with `guard = true`; then `systemd.service` with `service = \"nftables\"`, \
         `state = \"started\"` and `enabled = true` loads them",
    );
    const EXAMPLE: &'static str = r#"[[operation]]
op = "nftables.rules"
content = """
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
    tcp dport 22 accept
  }
}
"""
"#;
}

impl Operation for Rules {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(&self.file);
        if !self.present || self.content.is_some() {
            needs.push(FactKey::Inquiry(self.inquiry(self.content.as_deref())));
        }
        needs
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let file = FactScope::Key(FactKey::Path(self.file.clone()));
        let text = text::known_text(context, "file", self.written());
        let rules = FactScope::Key(FactKey::Inquiry(self.inquiry(text.as_deref())));
        vec![file, rules]
    }

    fn demands(&self, context: &PlanContext<'_>) -> Vec<Demand> {
        let presence = Demand::presence(ResourceKind::File, &self.file, self.present);
        let text = text::known_text(context, "file", self.written()).filter(|_| self.present && self.load);
        let tables = text.map(|text| tables(&text)).unwrap_or_default().into_iter();
        let demand = |table: String| {
            Demand::new(
                ResourceKind::FirewallRules,
                &format!("table {table}"),
                "file",
                &self.file,
            )
            .hint(ONE_FILE)
        };
        [presence].into_iter().chain(tables.map(demand)).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "file", &self.file)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        if !self.present {
            return context.on_scratch(|scratch| self.remove(scratch));
        }
        let content = match text::content_or_later(context, "file", self.written(), || self.touches(context))? {
            Ok(content) => content,
            Err(later) => return Ok(later),
        };
        let Some(text) = content.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()) else {
            return Err(context.refuse(self.argument(), "this is not text", "`nft -f` reads text"));
        };
        context.on_scratch(|scratch| self.write(scratch, &content, text))
    }
}

/// What is known of the rules.
enum Rated {
    Known {
        now: Listing,
        wanted: Listing,
        old: Listing,
    },
    /// `nft` comes with an earlier operation, or an earlier operation may change the rules.
    Later(String, Option<crate::facts::overlay::OperationId>),
}

impl Rules {
    /// `src` and `content`.
    fn written(&self) -> (Option<&str>, Option<&str>) {
        (self.src.as_deref(), self.content.as_deref())
    }

    fn argument(&self) -> &'static str {
        match (&self.src, &self.content) {
            (Some(_), _) => "src",
            (None, Some(_)) => "content",
            (None, None) => "file",
        }
    }

    fn inquiry(&self, text: Option<&str>) -> Inquiry {
        Inquiry::Nftables {
            file: self.file.clone(),
            text: text.filter(|_| self.present).map(str::to_owned),
        }
    }

    fn write(&self, context: &PlanContext<'_>, content: &Content, text: &str) -> Result<Outcome, Stop> {
        let wish = FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            backup: self.backup,
            validate: (!self.load).then(|| ["nft", "-c", "-f", "{path}"].map(str::to_owned).to_vec()),
            ..FileWish::new(&self.file, "file", WishedContent::Ready(content.clone()))
        };
        // In the same round.
        let rated = self.rated(context, Some(text));
        let file = plan_file(context, &wish);
        let rated = rated?;
        let mut work = Work::default();
        if self.load {
            // First: what the file has now says which tables go.
            let is_written = !matches!(file, Ok(Outcome::Unchanged));
            work.add(context, self.loaded(rated, Some(text), is_written));
        }
        work.add(context, file?);
        Ok(work.outcome())
    }

    fn remove(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let rated = self.load.then(|| self.rated(context, None));
        note_other_kind(context, "file", &self.file, "a file");
        let file = plan_absent(context, &self.file)?;
        let mut work = Work::default();
        if file == Outcome::Unchanged {
            return Ok(file);
        }
        if let Some(rated) = rated {
            work.add(context, self.loaded(rated?, None, false));
        }
        work.add(context, file);
        Ok(work.outcome())
    }

    /// What the host says about the rules.
    ///
    /// Errors: it cannot load them.
    fn rated(&self, context: &PlanContext<'_>, text: Option<&str>) -> Result<Rated, Stop> {
        let inquiry = self.inquiry(text);
        let said = match context.get(InquiryKey(&inquiry)) {
            Ok(InquiryFact::Said(bytes)) => Nftables::read(&bytes),
            Ok(InquiryFact::Failed(why)) => Some(Nftables::Closed(why)),
            Err(Stop::NotKnown {
                cause: NotKnown::Since(operation, why),
                ..
            }) => return Ok(Rated::Later(why, Some(operation))),
            Err(stop) => return Err(stop),
        };
        match said {
            Some(Nftables::Rules { now, wanted, old }) => {
                let (now, wanted, old) = (Listing::of(&now), Listing::of(&wanted), Listing::of(&old));
                match wanted.foreign(&now) {
                    None => Ok(Rated::Known { now, wanted, old }),
                    Some(name) => {
                        let title = format!("table `{name}` belongs to another program on this host");
                        Err(context
                            .refuse(self.argument(), title, "`iptables` manages the rules in it")
                            .hint("give the table of these rules another name"))
                    }
                }
            }
            Some(Nftables::Missing) if context.is_installed_before(PACKAGE) => {
                let operation = context.predicted_by(&FactKey::Package(PACKAGE.to_owned()));
                Ok(Rated::Later("an earlier operation installs `nft`".to_owned(), operation))
            }
            Some(Nftables::Missing) if !self.present => {
                let none = Listing::default();
                Ok(Rated::Known { now: none.clone(), wanted: none.clone(), old: none })
            }
            Some(Nftables::Missing) => Err(context
                .refuse(self.argument(), "`nft` is not installed", "the host cannot load these rules")
                .hint(format!("install the package `{PACKAGE}` first, with `apt.packages`"))),
            Some(Nftables::Refused(why)) => {
                let mistake = context.mistake(
                    self.argument(),
                    "nft does not accept these rules",
                    "the host tried them, and changed nothing",
                );
                let written = context.written_text(&self.file);
                let line = text
                    .zip(line_at_fault(&why))
                    .and_then(|(text, line)| written.as_ref()?.line(text, line));
                let mistake = match line {
                    Some(line) => {
                        let used = written.and_then(|written| written.used);
                        mistake.placed(&line).at_maybe(used.as_ref(), "used here")
                    }
                    None => mistake,
                };
                let mistake = mistake.because(reason(&why));
                Err(Stop::Refused(Box::new(mistake.hint("correct the rules; `man nft` describes them"))))
            }
            Some(Nftables::Closed(why)) => Err(context
                .refuse(self.argument(), "the host cannot try these rules", "nothing was changed")
                .because(reason(&why))
                .hint("homelab compares rules in a network namespace of their own: the host must let root make one, as with `unshare -n true`")),
            None => Err(context.refuse(self.argument(), "the host's rules cannot be read", "its answer is not that of nft")),
        }
    }

    /// The change of the kernel's rules; `is_written` if the file is changed along with them.
    fn loaded(&self, rated: Rated, text: Option<&str>, is_written: bool) -> Outcome {
        let (now, wanted, old) = match rated {
            Rated::Known { now, wanted, old } => (now, wanted, old),
            Rated::Later(why, since) => {
                let after = [("rules", Attribute::Unknown(why.clone()))].into_iter().collect();
                let change = self.change(Action::Update, Before::Unknown(why.clone()), Some(after), text);
                let key = FactKey::Inquiry(self.inquiry(text));
                let changes = vec![ResourceChange {
                    effects: vec![Effect::Forget(FactScope::Key(key), why)],
                    ..change
                }];
                return match since {
                    Some(operation) => Outcome::Ensure {
                        changes,
                        since: vec![operation],
                    },
                    None => Outcome::Change(changes),
                };
            }
        };
        let ours = wanted.names().into_iter().chain(old.names()).collect();
        let found = now.only(&ours);
        if found == wanted.only(&ours) {
            return Outcome::Unchanged;
        }
        // The text of the file says it all, unless the kernel has something else than the old file gives.
        let is_in_step = is_written && (found.is_empty() || found == old.only(&ours));
        let shown = |listing: &Listing, word: &str| -> Attributed {
            let rules = if is_in_step {
                Attribute::Described(word.to_owned())
            } else {
                Attribute::known(listing.text())
            };
            [("rules", rules)].into_iter().collect()
        };
        let before = if found.is_empty() {
            Before::Absent
        } else {
            Before::Present(shown(&found, "of the old file"))
        };
        let after = (!wanted.is_empty()).then(|| shown(&wanted, "of the new file"));
        let action = match (&before, &after) {
            (_, None) => Action::Remove,
            (Before::Absent, _) => Action::Create,
            _ => Action::Update,
        };
        let listing = wanted.text();
        let said = Nftables::Rules {
            now: listing.clone(),
            wanted: listing,
            old: String::new(),
        };
        let effect = Effect::Set(
            FactKey::Inquiry(self.inquiry(text)),
            Fact::Inquiry(InquiryFact::Said(said.to_bytes())),
        );
        Outcome::Change(vec![ResourceChange {
            effects: vec![effect],
            ..self.change(action, before, after, text)
        }])
    }

    fn change(&self, action: Action, before: Before, after: Option<Attributed>, text: Option<&str>) -> ResourceChange {
        let id = ResourceId::new(ResourceKind::FirewallRules, &self.file);
        let summary = match text {
            Some(_) => format!("nft -f {}", self.file),
            None => format!("nft delete table: those of {}", self.file),
        };
        ResourceChange {
            steps: vec![Step::Run(Command::new(summary, load(&self.file, text)))],
            risk: Risk::LockOut,
            ..ResourceChange::new(id, action, before, after)
        }
    }
}

/// The first error that nft names, with its line, and its file if that is an included one.
fn reason(said: &str) -> String {
    let Some((at, error)) = said.lines().find_map(|line| line.split_once("Error: ")) else {
        return said.trim().to_owned();
    };
    let mut parts = at.split(':');
    let (file, line) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match line.parse::<u32>() {
        Ok(line) if file == "/dev/stdin" => format!("line {line}: {error}"),
        Ok(line) => format!("`{file}`, line {line}: {error}"),
        Err(_) => error.to_owned(),
    }
}

/// The line of the rules, counted from 1, at which the first error is that nft names; `None` if that is in an included file.
fn line_at_fault(said: &str) -> Option<usize> {
    let (at, _) = said.lines().find_map(|line| line.split_once("Error: "))?;
    let line = at.strip_prefix("/dev/stdin:")?.split(':').next()?;
    line.parse().ok()
}

/// The tables that rules name, as `nft` lists them: `inet filter`.
fn tables(text: &str) -> BTreeSet<String> {
    let families = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];
    let named = text.lines().filter_map(|line| {
        let mut words = line.trim().strip_suffix('{')?.split_whitespace();
        let names = (words.next()?, words.next()?, words.next(), words.next());
        match names {
            ("table", family, Some(name), None) if families.contains(&family) => Some(format!("{family} {name}")),
            ("table", name, None, None) => Some(format!("ip {name}")),
            _ => None,
        }
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_as_nft_lists_them() {
        let text = "#!/usr/sbin/nft -f\nflush ruleset\ntable inet filter {\n  chain x {\n  }\n}\n  table nat {\n}\ntable $a b c {\ndelete table ip6 x\n";
        assert_eq!(
            tables(text),
            BTreeSet::from(["inet filter".to_owned(), "ip nat".to_owned()])
        );
    }

    #[test]
    fn an_error_of_an_included_file_names_it() {
        for (said, expected) in [
            ("/dev/stdin:3:5-9: Error: syntax error\nx\n", "line 3: syntax error"),
            (
                "In file included from /dev/stdin:1:1-30:\n/etc/nftables.d/a.nft:2:3-5: Error: No such file\n",
                "`/etc/nftables.d/a.nft`, line 2: No such file",
            ),
            ("unshare: no\n", "unshare: no"),
        ] {
            assert_eq!(reason(said), expected);
        }
    }
}
