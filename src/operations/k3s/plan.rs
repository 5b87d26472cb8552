//! The plan of a server or an agent: the files, the unit and the node.

use serde_json::Value;

use super::role::Role;
use super::wish::{LINKS, Settings, Wish, shown};
use super::{check, configuration, flags, node, removal, source};
use crate::change::{Before, Outcome, ResourceKind, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::k3s::{DATA, K3s, K3sKey, PROGRAM, SETTINGS};
use crate::facts::kubernetes::Api;
use crate::facts::overlay::FactScope;
use crate::facts::path::{ContentFact, ContentKey, InodeKind, PathFact, parent};
use crate::facts::unit::UnitKey;
use crate::operations::files::directory::plan_one as plan_directory;
use crate::operations::files::link::Link;
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::operation::Demand;
use crate::operations::systemd::files::UnitFile;
use crate::operations::work::Work;
use crate::operations::{Operation, PlanContext};
use crate::secret::Secret;
use crate::value::{Known, Text};

impl Wish<'_> {
    fn unit_file(&self) -> UnitFile<'static> {
        UnitFile {
            unit: self.role.unit(),
            drop_in: None,
            argument: "version",
        }
    }

    /// The files of settings, with the content that each has in a plan.
    fn settings(&self, name: &str) -> Vec<(String, &'static str, Option<Text>)> {
        // It is one, wherever it is written.
        let token = |text: &Text| {
            let own = Text::from(Secret::new(text.expose()));
            let text = if text.is_covered() { text } else { &own };
            text.text(|token| format!("{token}\n"))
        };
        let registries = |table: &Settings| {
            table.text(|table| {
                format!(
                    "# Written by homelab.\n{}\n",
                    crate::template::yaml_text(&Value::Object(table.clone()))
                )
            })
        };
        let mut all = vec![
            (configuration::path(), "config", Some(configuration::text(self, name))),
            (configuration::token_path(), "token", Some(token(self.token))),
            (
                configuration::registries_path(),
                "registries",
                // A project may have a key for them, and none of them.
                self.registries
                    .filter(|table| !table.expose().is_empty())
                    .map(registries),
            ),
        ];
        if self.role == Role::Server {
            all.push((
                configuration::agent_token_path(),
                "agent_token",
                self.agent_token.map(token),
            ));
        }
        all
    }

    /// The paths of settings and images, and the directories that they are in.
    pub(super) fn written(&self) -> Vec<String> {
        let files = self.settings("").into_iter().map(|(path, ..)| path);
        let files = files.chain(self.images.iter().map(|image| image_path(image)));
        files.chain(["/etc/rancher".to_owned()]).collect()
    }

    pub(super) fn needs(&self) -> Vec<FactKey> {
        let settings = self.settings("");
        let mut keys = vec![FactKey::K3s];
        keys.extend(self.unit_file().needs(true));
        let paths = settings.iter().map(|(path, ..)| path.as_str());
        let data = (!self.present).then_some(DATA);
        for path in paths.chain(LINKS).chain([PROGRAM]).chain(data) {
            keys.extend(path_and_ancestors(path));
        }
        keys.extend(
            self.images
                .iter()
                .flat_map(|image| path_and_ancestors(&image_path(image))),
        );
        let read = [configuration::path(), self.role.unit_path(), self.role.variables_path()];
        keys.extend(read.map(FactKey::Content));
        keys.sort();
        keys.dedup();
        keys
    }

    pub(super) fn touches(&self) -> Vec<FactScope> {
        let trees = ["/etc/rancher", "/var/lib/rancher", "/var/lib/kubelet", "/var/lib/cni"];
        let paths = [self.role.unit_path(), self.role.variables_path(), PROGRAM.to_owned()];
        let paths = paths.into_iter().chain(LINKS.map(str::to_owned)).map(FactKey::Path);
        let cluster = FactKey::KubernetesCluster(Api::default());
        let keys = paths.chain([cluster, FactKey::K3s, FactKey::Unit(self.role.unit().to_owned())]);
        let trees = trees.map(|tree| FactScope::Tree(tree.to_owned()));
        keys.map(FactScope::Key).chain(trees).collect()
    }

    pub(super) fn demands(&self) -> Vec<Demand> {
        let own =
            |property: &'static str, value: &str| Demand::new(ResourceKind::K3sNode, "of this host", property, value);
        if !self.present {
            return vec![own("present", "false")];
        }
        vec![
            own("present", "true"),
            // Of the role the host itself says that it has another one.
            own("version", self.version),
        ]
    }

    pub(super) fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let name = self.name(context);
        check::parameters(context, self, &name)?;
        // All that is asked is asked in one round.
        let found = context.get(K3sKey);
        let unit = context.get(UnitKey(self.role.unit()));
        let texts = [configuration::path(), self.role.unit_path(), self.role.variables_path()]
            .map(|path| text_at(context, &path));
        let found = found?;
        let [settings, unit_text, variables] = texts;
        if !self.present {
            return removal::plan(context, self, &name, &self.written(), &found);
        }
        check::host(context, self, &name, &found)?;
        let mut given = flags::of_unit(&unit_text?);
        given.extend(flags::of_variables(&variables?));
        check::flags(context, self.role, &given)?;
        let settings = configuration::read(&settings?);
        check::kept_settings(context, self, &found, &settings)?;
        check::notice_labels(context, self, &found, &settings);
        unit?;
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            self.files(scratch, &name, &found, &mut work)?;
            node::plan(scratch, self, &name, &found, &mut work)?;
            Ok(work.outcome())
        })
    }

    /// The name of the node.
    fn name(&self, context: &PlanContext<'_>) -> String {
        let given = self.node_name.map(str::to_owned);
        let host = given.or_else(|| context.text_of_data("host.name"));
        host.unwrap_or_default()
    }

    fn files(&self, context: &PlanContext<'_>, name: &str, found: &K3s, work: &mut Work) -> Result<(), Stop> {
        self.program(context, found, work)?;
        for link in LINKS {
            let link = Link::to(link, "k3s").plan(context)?;
            work.add(context, link);
        }
        directories(context, SETTINGS, work)?;
        for (path, argument, text) in self.settings(name) {
            let planned = match text {
                Some(text) => {
                    let wish = FileWish {
                        owner: Some("root"),
                        group: Some("root"),
                        mode: Some(0o600),
                        ..FileWish::new(&path, argument, WishedContent::Ready(Content::of_text(&text)))
                    };
                    plan_file(context, &wish)?
                }
                None => crate::operations::files::removal::plan_absent(context, &path)?,
            };
            work.add(context, planned);
        }
        self.images(context, work)?;
        let unit = WishedContent::Ready(Content::new(self.role.unit_text().into_bytes()));
        self.unit_file().write(context, unit, false, None, work)
    }

    fn program(&self, context: &PlanContext<'_>, found: &K3s, work: &mut Work) -> Result<(), Stop> {
        let has = match context.path(PROGRAM)? {
            PathFact::Present(inode) => match inode.kind {
                InodeKind::File {
                    digest: Known::Yes(digest),
                } => Some(digest),
                _ => None,
            },
            PathFact::Absent => None,
        };
        let content = source::program(context, self, has.as_deref())?;
        let wish = FileWish {
            owner: Some("root"),
            group: Some("root"),
            mode: Some(0o755),
            ..FileWish::new(PROGRAM, "version", content)
        };
        let mut planned = plan_file(context, &wish)?;
        for change in planned.changes_mut() {
            if let (Before::Present(before), Some(version)) = (&mut change.before, &found.program) {
                before.insert("version", shown(version, found.is_stand_in));
            }
            if let Some(after) = &mut change.after {
                after.insert("version", shown(self.version, source::is_lab(self.source)));
            }
        }
        work.add(context, planned);
        Ok(())
    }

    /// Archives of images, which k3s reads when it starts.
    fn images(&self, context: &PlanContext<'_>, work: &mut Work) -> Result<(), Stop> {
        for image in self.images {
            let path = image_path(image);
            directories(context, parent(&path), work)?;
            let content = WishedContent::Ready(source::downloaded(context, "images", image)?);
            let planned = plan_file(context, &FileWish::new(&path, "images", content))?;
            work.add(context, planned);
        }
        Ok(())
    }
}

/// Where an archive of images is put.
fn image_path(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    format!("{DATA}/agent/images/{name}")
}

/// The text of a file of the host; empty if there is none.
fn text_at(context: &PlanContext<'_>, path: &str) -> Result<String, Stop> {
    Ok(match context.get(ContentKey(path))? {
        ContentFact::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        ContentFact::Absent | ContentFact::TooLarge => String::new(),
    })
}

/// Creates a directory, and those above it.
fn directories(context: &PlanContext<'_>, path: &str, work: &mut Work) -> Result<(), Stop> {
    let above = parent(path);
    if above != "/" {
        directories(context, above, work)?;
    }
    let (mut changes, mut since) = (Vec::new(), Vec::new());
    plan_directory(context, path, None, &mut changes, &mut since)?;
    work.since.append(&mut since);
    work.add(context, Outcome::Change(changes));
    Ok(())
}
