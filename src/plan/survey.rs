//! What operations are about, so that something that none is about is known to have left the configuration.

use std::collections::BTreeSet;

use super::{Holds, PlannedOperation};
use crate::facts::FactKey;
use crate::facts::made::{Subject, digest};
use crate::facts::path::is_below;
use crate::facts::unit::template_of;
use crate::operations::ImageUse;

/// What operations of one host are about.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The digests of the names of what they look at.
    names: BTreeSet<String>,
    /// Directories that they have files of their own in.
    trees: BTreeSet<String>,
    /// The Docker images that they use.
    pub images: Vec<ImageUse>,
    /// What may be about anything, since it is known only later.
    pub unknown: Option<String>,
    /// The facts that would show more.
    pub missing: BTreeSet<FactKey>,
}

impl Survey {
    /// What the operations of a plan are about.
    pub fn of(operations: &[PlannedOperation]) -> Self {
        let mut survey = Self::default();
        for operation in operations {
            survey.add(&operation.asked, &operation.holds);
        }
        survey
    }

    pub(super) fn add(&mut self, asked: &BTreeSet<FactKey>, holds: &Holds) {
        self.names.extend(asked.iter().flat_map(names));
        if let Some(entry) = &holds.cron_entry {
            self.names
                .insert(digest(&Subject::CronEntry(entry.user.clone(), entry.name.clone())));
        }
        let inquiries = asked.iter().filter_map(|key| match key {
            FactKey::Inquiry(inquiry) => inquiry.tree(),
            _ => None,
        });
        self.trees.extend(inquiries.map(str::to_owned));
        self.trees.extend(holds.trees.iter().cloned());
    }

    pub(super) fn add_images(&mut self, images: Vec<ImageUse>) {
        for used in images {
            if !self.images.contains(&used) {
                self.images.push(used);
            }
        }
    }

    /// Whether both are about the same.
    pub(super) fn is_about_the_same(&self, other: &Self) -> bool {
        self.names == other.names && self.trees == other.trees
    }

    /// Whether an operation looks at what has this digest.
    pub fn has(&self, digest: &str) -> bool {
        self.names.contains(digest) || self.missing.iter().flat_map(names).any(|name| name == digest)
    }

    /// Whether an operation has `path` among files of its own.
    pub fn has_in_tree(&self, path: &str) -> bool {
        self.trees.iter().any(|tree| is_below(path, tree))
    }
}

/// The digests of what a fact is about. What needs a unit needs its file.
fn names(key: &FactKey) -> Vec<String> {
    let subjects = match key {
        FactKey::Package(name) => vec![Subject::Package(name.clone())],
        FactKey::User(name) => vec![Subject::User(name.clone())],
        FactKey::Group(name) => vec![Subject::Group(name.clone())],
        FactKey::ComposeProject(name) => vec![Subject::Project(name.clone())],
        FactKey::Unit(name) => {
            let path = |name: &str| Subject::Path(format!("/etc/systemd/system/{name}"));
            let template = template_of(name).map(|template| path(&template));
            [path(name)].into_iter().chain(template).collect()
        }
        other => other
            .path()
            .map(|path| Subject::Path(path.to_owned()))
            .into_iter()
            .collect(),
    };
    subjects.iter().map(digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::path::ContentFact;
    use crate::facts::{Fact, Facts};
    use crate::plan::{Snapshot, survey};
    use crate::project::{Filter, load, read_with, select};
    use crate::secret::DigestKey;
    use crate::secrets::Access;

    /// What operations are about after a capture whose value is known only later.
    fn after_a_capture(operation: &str) -> Survey {
        let capture = "[[operation]]\ncapture = 'token'\nfile = '/srv/token'\n\
                       create = { op = 'server.shell', commands = ['date'] }\n";
        surveyed(&format!("{capture}[[operation]]\n{operation}\n"), &Snapshot::default())
    }

    fn surveyed(task: &str, snapshot: &Snapshot) -> Survey {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in [
            ("inventories/dev.toml", "[hosts.web]"),
            ("deploys/site.toml", "hosts = ['*']\ntasks = ['t/t']"),
            ("tasks/t/t.toml", task),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
            std::fs::write(path, text).expect("write");
        }
        let project = load(root.path()).expect("valid");
        let selection = select(&project, "dev", "site", &Filter::default()).expect("a host and a task");
        survey(&selection, snapshot, &DigestKey::random())
    }

    #[test]
    fn what_an_operation_is_about_is_known_before_its_content() {
        let file = |path: &str| digest(&Subject::Path(path.to_owned()));
        let cron = digest(&Subject::CronEntry("root".to_owned(), "x".to_owned()));
        for (operation, name) in [
            (
                "op = 'files.put'\ndest = '/etc/x'\ncontent = '{{ captured.token }}'",
                file("/etc/x"),
            ),
            (
                "op = 'systemd.unit'\nunit = 'x.service'\ncontent = '{{ captured.token }}'",
                file("/etc/systemd/system/x.service"),
            ),
            (
                "op = 'crontab.crontab'\ncron_name = 'x'\ncommand = 'to {{ captured.token | quote }}'",
                cron,
            ),
        ] {
            let survey = after_a_capture(operation);
            assert_eq!(survey.unknown, None, "{operation}");
            assert!(survey.has(&name), "{operation}");
        }
        for operation in [
            "op = 'files.put'\ndest = '/etc/{{ captured.token }}'\ncontent = 'x'",
            "op = 'files.put'\ndest = \"/etc/{{ 'a' if captured.token == 'x' else 'b' }}\"\ncontent = 'x'",
            "op = 'files.put'\nfor_each = 'captured.token'\ndest = '/etc/{{ item }}'\ncontent = 'x'",
            "op = 'systemd.unit'\nunit = 'x.service'\ndrop_in = '{{ captured.token }}'\ncontent = 'x'",
            "op = 'crontab.crontab'\ncron_name = 'x{{ captured.token }}'\ncommand = 'x'",
        ] {
            assert!(after_a_capture(operation).unknown.is_some(), "{operation}");
        }
    }

    /// A condition, or a content, that is not known: a value that another deploy captures is not there yet.
    #[test]
    fn a_mistake_counts_only_where_it_decides_what_an_operation_is_about() {
        let capture = "[[operation]]\ncapture = 'token'\nfile = '/srv/token'\n";
        let put = "[[operation]]\nop = 'files.put'\n";
        let absent = Fact::Content(ContentFact::Absent);
        for (operation, is_known) in [
            ("dest = '/etc/x'\ncontent = '{{ captured.token }}'", true),
            ("name = '{{ captured.token }}'\ndest = '/etc/x'\ncontent = 'x'", true),
            ("dest = '/etc/x'\ncontent = 'x'\nwhen = \"captured.token == 'x'\"", true),
            ("dest = '/etc/{{ captured.token }}'\ncontent = 'x'", false),
            (
                "dest = '/etc/{{ item }}'\ncontent = 'x'\nfor_each = 'captured.token | lines'",
                false,
            ),
        ] {
            let mut snapshot = Snapshot::default();
            let mut facts = Facts::default();
            facts.insert(FactKey::Content("/srv/token".to_owned()), absent.clone());
            snapshot.facts.insert("web".to_owned(), facts);
            let survey = surveyed(&format!("{capture}{put}{operation}\n"), &snapshot);
            assert_eq!(survey.unknown.is_none(), is_known, "{operation}: {:?}", survey.unknown);
            let file = digest(&Subject::Path("/etc/x".to_owned()));
            assert!(!is_known || survey.has(&file), "{operation}");
        }
    }

    /// A review without keys would tell the file of an orphan, otherwise.
    #[test]
    fn what_a_secret_is_written_to_is_known_without_the_secret() {
        let secret = "{{ 'web' | lab_password }}";
        for (operation, path) in [
            ("op = 'files.template'\nsrc = 'x.j2'\ndest = '/etc/x'", "/etc/x"),
            (
                "op = 'files.put'\ndest = '/etc/x'\ncontent = \"{{ 'web' | lab_password }}\"",
                "/etc/x",
            ),
            (
                "op = 'systemd.unit'\nunit = 'x.service'\nsrc = 'x.j2'",
                "/etc/systemd/system/x.service",
            ),
            (
                "op = 'files.sync'\nsrc = 'tree'\ndest = '/srv/tree'\nrender = true",
                "/srv/tree/x",
            ),
        ] {
            let root = tempfile::tempdir().expect("a folder");
            for (path, text) in [
                ("inventories/dev.toml", "[hosts.web]"),
                ("deploys/site.toml", "hosts = ['*']\ntasks = ['t/t']"),
                ("tasks/t/t.toml", &format!("[[operation]]\n{operation}\n")),
                ("templates/x.j2", secret),
                ("templates/tree/x", secret),
            ] {
                let path = root.path().join(path);
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
                std::fs::write(path, text).expect("write");
            }
            let reading = read_with(root.path(), Access::Withheld);
            assert!(reading.mistakes.is_empty(), "{operation}: {:?}", reading.mistakes);
            let selection = select(&reading.project, "dev", "site", &Filter::default()).expect("a host and a task");
            let mut survey = survey(&selection, &Snapshot::default(), &DigestKey::random());
            // As on a host of which all is read.
            survey.missing.clear();
            let file = digest(&Subject::Path(path.to_owned()));
            assert!(survey.has(&file) || survey.has_in_tree(path), "{operation}");
        }
    }

    #[test]
    fn who_needs_a_thing_needs_what_comes_with_it() {
        let survey = Survey {
            missing: [
                FactKey::User("ann".to_owned()),
                FactKey::Unit("backup@home.timer".to_owned()),
                FactKey::Content("/etc/x".to_owned()),
            ]
            .into(),
            ..Survey::default()
        };
        let path = |path: &str| Subject::Path(path.to_owned());
        for subject in [
            Subject::User("ann".to_owned()),
            path("/etc/systemd/system/backup@home.timer"),
            path("/etc/systemd/system/backup@.timer"),
            path("/etc/x"),
        ] {
            assert!(survey.has(&digest(&subject)), "{subject:?}");
        }
        assert!(!survey.has(&digest(&path("/etc/y"))));
    }
}
