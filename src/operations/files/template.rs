//! `files.template`: render a template of the project to a file on the host.
//!
//! ```toml
//! [[operation]]
//! op = "files.template"
//! src = "caddy/Caddyfile.j2"                   # below templates/; any name will do
//! dest = "/etc/caddy/Caddyfile"
//! user = "caddy"
//! mode = "0640"
//! ```
//!
//! A template sees the same names as the strings of its task: the host's data, `facts`, `item`. It can include other templates
//! by their paths below `templates/`. White space around blocks is kept; `{%- -%}` removes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{Mode, check_owners, check_path, check_validate, path_and_ancestors};
use super::whole_file::{FileWish, IfExists, WishedContent, plan_file};
use crate::change::{Outcome, ResourceKind, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::conduct::RunsCommands;
use crate::operations::run_as::RunAsSupport;
use crate::operations::{Define, Demand, Operation, PlacedText, PlanContext};
use crate::value::Known;

/// Parameters of `files.template`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Template {
    /// Template below `templates/` of the project.
    src: String,
    /// Absolute path on the host.
    dest: String,
    /// User who owns it. By default the owner is kept; a new file belongs to `root`, or to `become_user`.
    user: Option<String>,
    /// Group it belongs to. By default the group is kept; a new file gets `root`, or the primary group of `become_user`.
    group: Option<String>,
    /// Permissions. By default they are kept; a new file gets `"0644"`.
    mode: Option<Mode>,
    /// Command of the host, as a list of words, that must accept the new file before it replaces the old one, such as
    /// `["nginx", "-t"]`; `{path}` stands for the path of the new file. It is tried before the review, where nothing that it
    /// writes is kept.
    validate: Option<Vec<String>>,
    /// `"keep"` leaves the content of a file that is there, as for one that a program writes to; owner and mode still apply.
    #[serde(default)]
    if_exists: IfExists,
    /// `true` keeps the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: bool,
}

impl Define for Template {
    const NAME: &'static str = "files.template";
    const SUMMARY: &'static str = "Render a template of the project to a file on the host";
    const MAIN_ARGUMENT: &'static str = "dest";
    const RUNS: RunsCommands = RunsCommands::Validate;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.template"
src = "etc/motd"
dest = "/etc/motd"
mode = "0644"
"#;
    const RUN_AS: RunAsSupport = RunAsSupport::Owner;
}

impl Operation for Template {
    fn needs(&self) -> Vec<FactKey> {
        path_and_ancestors(&self.dest)
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.dest.clone()))]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        vec![Demand::presence(ResourceKind::File, &self.dest, true)]
    }

    fn texts(&self, context: &PlanContext<'_>) -> Vec<PlacedText> {
        let placed = context.placed_file("src", &self.src, true, self.dest.clone());
        let mode = self.mode.map(|mode| mode.0);
        placed.into_iter().map(|text| text.with_mode(mode)).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "dest", &self.dest)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        check_validate(context, self.validate.as_deref())?;
        let text = match context.render_asset("src", &self.src)? {
            Known::Yes(text) => text,
            Known::No(why) => {
                let why = format!("`templates/{}` uses an unknown value: {why}", self.src);
                let plan = |content| plan_file(context, &self.wish(content));
                return Ok(context.after_template(&self.src, why, self.touches(context), plan));
            }
        };
        plan_file(context, &self.wish(Content::of_text(&text)))
    }
}

impl Template {
    fn wish(&self, content: Content) -> FileWish<'_> {
        FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            validate: self.validate.clone(),
            backup: self.backup,
            if_exists: self.if_exists,
            ..FileWish::new(&self.dest, "dest", WishedContent::Ready(content))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Action, Attribute, Before};
    use crate::operations::testing::{Bench, change, refusal};

    const TEMPLATE: &str = "src = 'motd.j2'\ndest = '/etc/motd'\nmode = '0644'";

    fn bench(text: &str) -> Bench {
        Bench::new::<Template>(text)
            .directory("/")
            .directory("/etc")
            .data("greeting = 'hello'\nname = '{{ greeting }} you'")
            .asset("motd.j2", b"{{ name }}{% include 'end' %}\n")
            .asset("end", b"!")
            .asset("other.j2", b"host {{ facts.hostname }}")
            .asset("binary.j2", b"\xff")
    }

    #[test]
    fn a_missing_file_is_created_from_the_data() {
        let change = change(bench(TEMPLATE).absent("/etc/motd").plan());
        assert_eq!(change.action, Action::Create);
        assert_eq!(change.before, Before::Absent);
        assert_eq!(
            change.after.expect("created")["content"],
            Attribute::known("hello you!\n")
        );
    }

    #[test]
    fn what_a_package_may_create_is_ensured() {
        let outcome = bench(TEMPLATE).absent("/etc/motd").package_may_create().plan();
        assert!(matches!(outcome, Ok(Outcome::Ensure { .. })), "{outcome:?}");
    }

    #[test]
    fn a_template_that_uses_an_unknown_fact_is_deferred_with_the_reason() {
        let outcome = bench("src = 'other.j2'\ndest = '/etc/motd'").plan();
        let Ok(Outcome::Deferred { why, touches, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(why, "`templates/other.j2` uses an unknown value: not read");
        assert_eq!(touches, [FactScope::Key(FactKey::Path("/etc/motd".to_owned()))]);
    }

    #[test]
    fn a_mistake_in_a_template_names_both_places() {
        let bench = bench(TEMPLATE).asset("end", b"\n {{ nmae }}");
        let mistake = refusal(bench.plan());
        assert_eq!(mistake.to_string(), "templates/end:2:5: `nmae` is undefined");
        assert_eq!(mistake.labels[1].origin.to_string(), "t.toml:1:7");
        let binary = refusal(self::bench("src = 'binary.j2'\ndest = '/etc/motd'").plan());
        assert!(binary.to_string().starts_with("templates/binary.j2:1:"), "{binary}");
        assert_eq!(binary.title, "`templates/binary.j2` is not UTF-8 text");
    }
}
