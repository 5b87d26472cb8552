//! `server.timezone`: set the time zone of the host.
//!
//! ```toml
//! [[operation]]
//! op = "server.timezone"
//! timezone = "Europe/Berlin"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use crate::change::{NotKnown, Outcome, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::facts::path::{InodeKind, PathFact, Place, follow};
use crate::operations::files::link::Link;
use crate::operations::files::parameters::{link_and_ancestors, path_and_ancestors};
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `server.timezone`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Timezone {
    /// Name of the time zone, such as `"Europe/Berlin"` or `"Etc/UTC"`. Programs that run keep the old one until they restart.
    timezone: String,
}

/// The link that programs read.
const LINK: &str = "/etc/localtime";
/// The file with the zone's name, which some programs read.
const NAME_FILE: &str = "/etc/timezone";
const ZONES: &str = "/usr/share/zoneinfo";

impl Define for Timezone {
    const NAME: &'static str = "server.timezone";
    const SUMMARY: &'static str = "Set the time zone of the host";
    const MAIN_ARGUMENT: &'static str = "timezone";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.timezone"
timezone = "Europe/Berlin"
"#;
}

impl Operation for Timezone {
    fn needs(&self) -> Vec<FactKey> {
        let zone = self.is_valid().then(|| path_and_ancestors(&self.zone_file()));
        let files = link_and_ancestors(LINK)
            .into_iter()
            .chain(path_and_ancestors(NAME_FILE));
        files.chain(zone.into_iter().flatten()).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let paths = [LINK, NAME_FILE];
        let keys = paths.map(|path| FactScope::Key(FactKey::Path(path.to_owned())));
        keys.to_vec()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        if !self.is_valid() {
            return Err(self.unknown(context, "use letters, digits, `/`, `_`, `+` and `-`"));
        }
        self.check_exists(context)?;
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            let content = WishedContent::Ready(Content::new(format!("{}\n", self.timezone).into_bytes()));
            let wish = FileWish::new(NAME_FILE, "timezone", content);
            // In the same round.
            let name_file = plan_file(scratch, &wish);
            if !self.is_linked(scratch) {
                work.add(scratch, Link::to(LINK, &self.zone_file()).plan(scratch)?);
            }
            work.add(scratch, name_file?);
            Ok(work.outcome())
        })
    }
}

impl Timezone {
    fn zone_file(&self) -> String {
        format!("{ZONES}/{}", self.timezone)
    }

    fn is_valid(&self) -> bool {
        let is_part = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || "_+-".contains(character))
        };
        self.timezone.split('/').all(is_part)
    }

    fn unknown(&self, context: &PlanContext<'_>, label: impl Into<String>) -> Stop {
        let title = format!("unknown time zone `{}`", self.timezone);
        let hint = "write a name that `timedatectl list-timezones` lists, such as \"Europe/Berlin\"";
        context.refuse("timezone", title, label).hint(hint)
    }

    /// Refuses a zone that is not on the host, unless a package may bring it.
    fn check_exists(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let file = self.zone_file();
        let found = context.resolve(&file).and_then(|path| context.path(&path));
        match found {
            Ok(PathFact::Present(inode)) if inode.kind != InodeKind::Directory => Ok(()),
            Ok(PathFact::Present(_)) => Err(self.unknown(context, format!("`{file}` is a directory on the host"))),
            Ok(PathFact::Absent) => Err(self
                .unknown(context, format!("`{file}` is not on the host"))
                .hint("zones come with the packages `tzdata` and, of old names, `tzdata-legacy`")),
            Err(Stop::NotKnown {
                cause: NotKnown::Since(..),
                ..
            }) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    /// Whether the link leads to the zone, be its target written as absolute or, as systemd does, as relative.
    fn is_linked(&self, context: &PlanContext<'_>) -> bool {
        let target = match context.path(LINK) {
            Ok(PathFact::Present(inode)) => match inode.kind {
                InodeKind::Link { target } => target,
                _ => return false,
            },
            _ => return false,
        };
        // What is on the way to another zone is not read: that would be a round for each folder.
        let look = |at: &str, _| {
            Ok::<_, Stop>(if at == LINK {
                Place::Link(target.clone())
            } else {
                Place::Other
            })
        };
        follow(LINK, look).is_ok_and(|led| led.end == Some(self.zone_file()))
    }
}
