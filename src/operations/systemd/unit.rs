//! `systemd.unit`: write, change or remove a unit file or a drop-in.
//!
//! ```toml
//! [[operation]]
//! op = "systemd.unit"
//! unit = "hello.service"
//! src = "hello/hello.service.j2"               # below templates/; a name that ends in .j2 is rendered
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::files::UnitFile;
use super::name;
use super::needs::Needs;
use crate::change::{Outcome, Stop};
use crate::content::Assets;
use crate::error::closest;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::facts::path::parent;
use crate::facts::unit::{UnitFact, UnitKey, template};
use crate::operations::files::unit_lines::check_unit_text;
use crate::operations::files::whole_file::WishedContent;
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlacedText, PlanContext, text};
use crate::value::{Known, Text};

/// Parameters of `systemd.unit`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Unit {
    /// Name of the unit, or of a template such as `backup@.service`; without a suffix, `.service` is added.
    unit: String,
    /// The text to write. Give `content` or `src`.
    content: Option<Text>,
    /// File below `templates/` of the project; a template is rendered if its name ends in `.j2`. Give `content` or `src`.
    src: Option<String>,
    /// Name of a drop-in, without `.conf`: settings that are added to those of the unit file. By default the unit file itself
    /// is written.
    drop_in: Option<String>,
    /// `false` removes the file. The unit is stopped and disabled first.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// `false` writes the file even if `systemd-analyze verify` finds mistakes in it.
    #[serde(default = "crate::operations::parameters::yes")]
    validate: bool,
}

impl Define for Unit {
    const NAME: &'static str = "systemd.unit";
    const SUMMARY: &'static str = "Write, change or remove a systemd unit file or a drop-in";
    const MAIN_ARGUMENT: &'static str = "unit";
    const TOLD_APART_BY: &'static [&'static str] = &["drop_in"];
    const UNIT_TEXT: &'static [&'static str] = &["content"];
    const EXAMPLE: &'static str = r#"[[operation]]
op = "systemd.unit"
unit = "hello.service"
content = """
[Service]
ExecStart=/usr/bin/sleep infinity

[Install]
WantedBy=multi-user.target
"""
"#;
}

impl Operation for Unit {
    fn needs(&self) -> Vec<FactKey> {
        let unit = name::full(&self.unit);
        self.file(&unit).needs(self.present)
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let unit = name::full(&self.unit);
        let file = self.file(&unit);
        let path = file.path();
        let folder = self.drop_in.as_ref().map(|_| FactKey::Path(parent(&path).to_owned()));
        let keys = [FactKey::Path(path.clone())]
            .into_iter()
            .chain(folder)
            .chain(file.key());
        let mut scopes: Vec<FactScope> = keys.map(FactScope::Key).collect();
        if !self.present && self.drop_in.is_none() {
            scopes.extend(file.touched_instances(context));
        }
        scopes
    }

    fn texts(&self, context: &PlanContext<'_>) -> Vec<PlacedText> {
        if !self.present {
            return Vec::new();
        }
        let path = self.file(&name::full(&self.unit)).path();
        let placed = match (&self.src, &self.content) {
            (Some(src), _) => context.placed_file("src", src, src.ends_with(Assets::TEMPLATE_SUFFIX), path),
            (None, Some(content)) => Some(context.placed_text("content", content, &path)),
            (None, None) => None,
        };
        placed.into_iter().collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        if self.present {
            name::check_file(context, "unit", &self.unit)?;
        } else {
            name::check_name(context, "unit", &self.unit)?;
        }
        if let Some(name) = &self.drop_in {
            name::check_conf(context, "drop_in", name)?;
        }
        let unit = name::full(&self.unit);
        let file = self.file(&unit);
        if !self.present {
            return context.on_scratch(|scratch| {
                let mut work = Work::default();
                file.remove(scratch, &mut work)?;
                Ok(work.outcome())
            });
        }
        let content = match self.content(context)? {
            Known::Yes(content) => content,
            Known::No(why) => return Ok(self.deferred(context, &why)),
        };
        if let WishedContent::Ready(content) = &content
            && self.validate
        {
            check_unit_text(context, self.content_argument(), &file.path(), content)?;
        }
        let needs = self.needs_of(context, &content, &unit);
        let text = text_of(&content).map(str::to_owned);
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            let argument = self.content_argument();
            let needs = needs.as_ref().map(|needs| (needs, [argument, argument]));
            file.write(scratch, content, self.validate, needs, &mut work)?;
            self.check_command(scratch, &unit, text.as_deref())?;
            Ok(work.outcome())
        })
    }
}

impl Unit {
    fn file<'a>(&'a self, unit: &'a str) -> UnitFile<'a> {
        UnitFile {
            unit,
            drop_in: self.drop_in.as_deref(),
            argument: "unit",
        }
    }

    fn content(&self, context: &PlanContext<'_>) -> Result<Known<WishedContent<'_>>, Stop> {
        let content = match text::content(context, "unit", self.src.as_deref(), self.content.as_ref())? {
            Known::Yes(content) => content,
            Known::No(why) => return Ok(Known::No(why)),
        };
        if content.size() == 0 && self.drop_in.is_none() {
            let argument = if self.src.is_some() { "src" } else { "content" };
            return Err(context
                .refuse(argument, "the unit file is empty", "an empty unit file masks its unit")
                .hint("use `systemd.service` with `masked = true` for that"));
        }
        Ok(Known::Yes(WishedContent::Ready(content)))
    }

    fn content_argument(&self) -> &'static str {
        if self.src.is_some() { "src" } else { "content" }
    }

    /// What the service needs on the host.
    fn needs_of(&self, context: &PlanContext<'_>, content: &WishedContent<'_>, unit: &str) -> Option<Needs> {
        let text = text_of(content).filter(|_| self.validate && unit.ends_with(".service"))?;
        Some(Needs::of_unit(text).written(context.written_text(&self.file(unit).path()), text))
    }

    /// Refuses a service without a command, which systemd would refuse. Where a setting was meant to be it, that one is shown.
    fn check_command(&self, context: &PlanContext<'_>, unit: &str, text: Option<&str>) -> Result<(), Stop> {
        if !self.validate || self.drop_in.is_some() || template(unit).is_some() {
            return Ok(());
        }
        match context.get(UnitKey(unit)) {
            Ok(UnitFact::Present(state)) if state.lacks_command => {
                let mistake = context.mistake(
                    self.content_argument(),
                    format!("`{unit}` has no `ExecStart=`"),
                    "systemd refuses a service without a command",
                );
                let written = context.written_text(&self.file(unit).path());
                let meant = text
                    .zip(written)
                    .and_then(|(text, written)| written.line(text, line_of_command(text)?));
                let mistake = match meant {
                    Some(line) => mistake.placed(&line).hint("did you mean `ExecStart=`?"),
                    None => mistake.hint("add `ExecStart=` to the section `[Service]`"),
                };
                Err(Stop::Refused(Box::new(mistake)))
            }
            _ => Ok(()),
        }
    }

    fn deferred(&self, context: &PlanContext<'_>, why: &str) -> Outcome {
        Outcome::Deferred {
            waits_for: Vec::new(),
            why: why.to_owned(),
            touches: self.touches(context),
            preview: Vec::new(),
        }
    }
}

fn text_of<'a>(content: &'a WishedContent<'_>) -> Option<&'a str> {
    let WishedContent::Ready(content) = content else {
        return None;
    };
    std::str::from_utf8(content.bytes()?).ok()
}

/// The line, counted from 1, with the setting that was probably meant to be the command.
fn line_of_command(text: &str) -> Option<usize> {
    let others = [
        "ExecStartPre",
        "ExecStartPost",
        "ExecStop",
        "ExecStopPost",
        "ExecReload",
    ];
    let is_meant = |line: &str| {
        let name = line.split_once('=').map(|(name, _)| name.trim());
        name.filter(|name| !others.contains(name))
            .is_some_and(|name| name == "Exec" || closest(name, ["ExecStart"]).is_some())
    };
    text.lines().position(is_meant).map(|index| index + 1)
}
