//! `files.unarchive`: extract an archive of the host.
//!
//! ```toml
//! [[operation]]
//! op = "files.unarchive"
//! src = "/srv/downloads/prometheus-3.0.1.linux-amd64.tar.gz"
//! dest = "/opt/prometheus"
//! strip = 1
//! ```
//!
//! A record of the host says which files came from which archive. It is not in `dest`, where a user could write to it: what it
//! names is removed as root.

use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{check_owners, check_path, path_and_ancestors};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, Expect, NotKnown, Outcome, ResourceChange, ResourceId,
    ResourceKind, Risk, Step, Stop,
};
use crate::facts::archive::{Archive, Extraction, MOST, Selection};
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{InodeKind, PathFact};
use crate::facts::{Fact, FactKey};
use crate::operations::ownership::ownership;
use crate::operations::{Define, Demand, Operation, PlanContext, Tree};
use crate::secret::sha256_hex;
use crate::value::Known;

/// Parameters of `files.unarchive`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Unarchive {
    /// Absolute path on the host of the archive: tar, also compressed with gzip, xz, zstd or bzip2, or zip.
    src: String,
    /// Absolute path on the host of the directory that gets the files. It must exist.
    dest: String,
    /// How many folders to cut off the front of the paths in the archive: `1` for one that has everything in one folder.
    #[serde(default)]
    strip: u32,
    /// Files and folders of the archive to leave out, such as `"*.md"`, by their paths after `strip`. `*` stands for any text, also
    /// with `/`.
    #[serde(default)]
    exclude: Vec<String>,
    /// `false` removes the files that were extracted to `dest`.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// User who owns the files, whatever the archive says; default: `root`.
    user: Option<String>,
    /// Group that the files belong to; default: `root`.
    group: Option<String>,
}

/// What was extracted is recorded for its `dest`: another archive there would take the place of the first one.
const ONE_ARCHIVE: &str = "give each archive a `dest` of its own, and link or copy from there";

impl Define for Unarchive {
    const NAME: &'static str = "files.unarchive";
    const SUMMARY: &'static str = "Extract an archive of the host";
    const MAIN_ARGUMENT: &'static str = "dest";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.unarchive"
src = "/srv/downloads/prometheus-3.0.1.linux-amd64.tar.gz"
dest = "/opt/prometheus"
strip = 1
exclude = ["consoles", "*.md"]
"#;
}

impl Operation for Unarchive {
    fn needs(&self) -> Vec<FactKey> {
        let src = self.present.then_some(&self.src);
        let paths = src
            .into_iter()
            .chain([&self.dest])
            .flat_map(|path| path_and_ancestors(path));
        paths.chain([FactKey::Inquiry(extracted(&self.dest))]).collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let led = context.leads_to(&self.dest);
        let records = led.iter().chain([&self.dest]);
        records
            .map(|dest| FactScope::Key(FactKey::Inquiry(extracted(dest))))
            .chain([FactScope::Tree(self.dest.clone())])
            .collect()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let source = self
            .present
            .then(|| Demand::new(ResourceKind::Archive, &self.dest, "src", &self.src));
        let source = source.map(|demand| demand.hint(ONE_ARCHIVE));
        [Demand::presence(ResourceKind::Archive, &self.dest, self.present)]
            .into_iter()
            .chain(source)
            .collect()
    }

    /// What is extracted is known once the archive is on the host.
    fn trees(&self, context: &PlanContext<'_>) -> Vec<Tree> {
        if !self.present {
            return Vec::new();
        }
        let dest = context.resolve(&self.dest).unwrap_or_else(|_| self.dest.clone());
        let lines = |text: &str, word: &str| -> Vec<String> {
            let found = text.lines().filter_map(|line| line.strip_prefix(word));
            found.map(str::to_owned).collect()
        };
        let recorded = match context.known_fact(&FactKey::Inquiry(extracted(&dest))) {
            Some(Fact::Inquiry(fact)) => lines(&said(fact), "changed "),
            _ => Vec::new(),
        };
        let keys = context.asked().into_iter();
        let previewed = keys.filter(|key| matches!(key, FactKey::Inquiry(Inquiry::Archive(_))));
        let previewed = previewed.filter_map(|key| match context.known_fact(&key) {
            Some(Fact::Inquiry(fact)) => Some(lines(&said(fact), "has ")),
            _ => None,
        });
        let restores = previewed.flatten().chain(recorded).collect();
        vec![Tree {
            path: self.dest.clone(),
            files: None,
            stays: None,
            restores,
        }]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let dest = context.resolve(&self.dest)?;
        let inquiry = extracted(&dest);
        let recorded = context.get(InquiryKey(&inquiry));
        if !self.present {
            return Ok(removal(context, &dest, &Record::read(&said(recorded?))));
        }
        let digest = self.digest(context)?;
        let owners = ownership(context, self.user.as_deref(), self.group.as_deref())?;
        self.check_dest(context, &dest)?;
        let record = Record::read(&said(recorded?));
        let src = context.resolve(&self.src)?;
        let extraction = Extraction {
            src: &src,
            dest: &dest,
            digest: &digest,
            owner: &owners.owner,
            group: &owners.group,
            selection: self.selection(),
        };
        if record.of == extraction.of() && record.changed.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        let preview = self.preview(context, &extraction)?;
        Ok(self.extraction(context, &extraction, &record, &preview))
    }
}

fn extracted(dest: &str) -> Inquiry {
    Inquiry::Extracted { dest: dest.to_owned() }
}

/// What the host says; why it cannot, as one line.
fn said(fact: InquiryFact) -> String {
    match fact {
        InquiryFact::Said(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        InquiryFact::Failed(why) => format!("bad {why}\n"),
    }
}

/// What the record of the host says.
struct Record {
    is_there: bool,
    of: String,
    changed: Vec<String>,
}

impl Record {
    fn read(text: &str) -> Self {
        let is_changed = |line: &&str| line.starts_with("changed ");
        Self {
            is_there: text.trim() != "absent",
            of: text
                .lines()
                .filter(|line| !is_changed(line))
                .fold(String::new(), |all, line| all + line + "\n"),
            changed: text
                .lines()
                .filter_map(|line| line.strip_prefix("changed "))
                .map(str::to_owned)
                .collect(),
        }
    }

    /// What is shown of the files that were extracted.
    fn shown(&self) -> Before {
        if !self.is_there {
            return Before::Absent;
        }
        let mut before = Attributed::new();
        let mut exclude = Vec::new();
        for line in self.of.lines() {
            match line.split_once(' ') {
                Some(("archive", digest)) => drop(before.insert("archive", shown_digest(digest))),
                Some(("owner", owner)) => drop(before.insert("owner", Attribute::known(owner))),
                Some(("strip", strip)) if strip != "0" => drop(before.insert("strip", Attribute::known(strip))),
                Some(("exclude", pattern)) => exclude.push(pattern),
                Some(_) => {}
                None => drop(before.insert("archive", Attribute::known("extracted in part"))),
            }
        }
        if !exclude.is_empty() {
            before.insert("exclude", Attribute::known(exclude.join(", ")));
        }
        Before::Present(before)
    }
}

fn shown_digest(digest: &str) -> Attribute {
    Attribute::Described(format!("sha256 {digest}"))
}

/// Why it is not known what is in an archive.
const LATER: &str = "an earlier operation brings the archive, or what extracts it";

/// What extracting the archive would do.
#[derive(Default)]
struct Preview {
    files: Option<String>,
    top: Vec<String>,
    removes: Vec<String>,
    replaces: Vec<String>,
    /// It must still be so right before the archive is extracted.
    expect: Option<Expect>,
}

impl Unarchive {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_path(context, "src", &self.src)?;
        check_path(context, "dest", &self.dest)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        if self.dest == "/" {
            return Err(context
                .refuse("dest", "`/` cannot be `dest`", "its files would be all over the system")
                .hint("name a directory, such as \"/usr/local\""));
        }
        let is_wrong = |pattern: &&String| {
            pattern.is_empty()
                || pattern.starts_with('/')
                || pattern.ends_with('/')
                || pattern.contains(char::is_control)
                || pattern.contains(['[', ']', '\\'])
        };
        match self.exclude.iter().find(is_wrong) {
            Some(pattern) => Err(context
                .refuse_item(
                    "exclude",
                    pattern,
                    format!("`{pattern}` is not a valid pattern"),
                    "must be a relative path; `*` and `?` are the only special characters",
                )
                .hint("write a path in the archive, such as \"docs\" or \"*.md\"")),
            None => Ok(()),
        }
    }

    fn selection(&self) -> Selection<'_> {
        Selection {
            strip: self.strip,
            exclude: &self.exclude,
        }
    }

    fn digest(&self, context: &PlanContext<'_>) -> Result<String, Stop> {
        let src = context.resolve(&self.src)?;
        let inode = match context.path(&src)? {
            PathFact::Present(inode) => inode,
            PathFact::Absent => {
                return Err(context
                    .refuse("src", format!("`{src}` does not exist"), "no such file on the host")
                    .hint("download it first with `files.download`, or send it with `files.put`"));
            }
        };
        match &inode.kind {
            InodeKind::File {
                digest: Known::Yes(digest),
            } => Ok(digest.clone()),
            InodeKind::File { digest: Known::No(why) } => Err(Stop::NotKnown {
                key: FactKey::Path(src.clone()),
                cause: match context.predicted_by(&FactKey::Path(src)) {
                    Some(operation) => NotKnown::Since(operation, why.clone()),
                    None => NotKnown::Denied(why.clone()),
                },
            }),
            _ => Err(context
                .refuse(
                    "src",
                    format!("`{src}` is not a file"),
                    format!("this is {} on the host", inode.describe()),
                )
                .hint("name an archive")),
        }
    }

    fn check_dest(&self, context: &PlanContext<'_>, dest: &str) -> Result<(), Stop> {
        let (title, label) = match context.path(dest)? {
            PathFact::Present(inode) if inode.kind == InodeKind::Directory => return Ok(()),
            PathFact::Present(inode) => (
                format!("`{}` is not a directory", self.dest),
                format!("this is {} on the host", inode.describe()),
            ),
            PathFact::Absent => (
                format!("directory `{}` does not exist", self.dest),
                "missing on the host".to_owned(),
            ),
        };
        Err(context.refuse("dest", title, label).hint(format!(
            "create it first: `op = \"files.directory\"`, `path = \"{}\"`",
            self.dest
        )))
    }

    /// What the host says of the archive; nothing if an earlier operation brings it, or what extracts it.
    fn preview(&self, context: &PlanContext<'_>, extraction: &Extraction<'_>) -> Result<Preview, Stop> {
        if context
            .predicted_by(&FactKey::Path(extraction.src.to_owned()))
            .is_some()
        {
            return Ok(Preview::default());
        }
        let archive = Box::new(Archive {
            src: extraction.src.to_owned(),
            digest: extraction.digest.to_owned(),
            dest: extraction.dest.to_owned(),
            strip: self.strip,
            exclude: self.exclude.clone(),
        });
        let answer = context.get(InquiryKey(&Inquiry::Archive(archive.clone())))?;
        let expect = match &answer {
            InquiryFact::Said(bytes) => Some(Expect::Archive {
                archive,
                digest: sha256_hex(bytes),
            }),
            InquiryFact::Failed(_) => None,
        };
        let text = said(answer);
        let all = |word: &str| -> Vec<String> {
            let found = text.lines().filter_map(|line| line.strip_prefix(word));
            found.map(str::to_owned).collect()
        };
        if let Some(package) = all("needs ").first() {
            if context.is_installed_before(package) {
                return Ok(Preview::default());
            }
            return Err(context
                .refuse(
                    "src",
                    format!("extracting `{}` needs the package `{package}`", self.src),
                    "not installed on the host",
                )
                .hint(format!(
                    "install it first: `op = \"apt.packages\"`, `packages = [\"{package}\"]`"
                )));
        }
        if let Some(why) = all("bad ").first() {
            let title = format!("the archive `{}` cannot be extracted", self.src);
            return Err(context
                .refuse("src", title, "nothing was extracted")
                .because(why)
                .hint("look at it with `tar -tvf` or `unzip -Z` on the host"));
        }
        if let Some(path) = all("blocked ").first() {
            let title = format!("`{}/{path}` is in the way of the archive", self.dest);
            return Err(context
                .refuse("dest", title, "one of the two is a directory, the other is not")
                .hint("remove it first with `files.file` or `files.directory`, or add it to `exclude`"));
        }
        let files = all("files ").into_iter().next();
        let files = files.ok_or_else(|| {
            context.refuse(
                "src",
                format!("the archive `{}` cannot be read", self.src),
                "the host did not list it",
            )
        })?;
        if files.starts_with("0 ") && all("top ").is_empty() {
            return Err(context
                .refuse(
                    "src",
                    format!("nothing is left of the archive `{}`", self.src),
                    "it has no such file",
                )
                .hint("make `strip` smaller, or remove patterns of `exclude`"));
        }
        Ok(Preview {
            files: Some(files),
            top: all("top "),
            removes: all("removes "),
            replaces: all("replaces "),
            expect,
        })
    }

    fn extraction(
        &self,
        context: &PlanContext<'_>,
        extraction: &Extraction<'_>,
        record: &Record,
        preview: &Preview,
    ) -> Outcome {
        let dest = extraction.dest;
        let mut after = Attributed::new();
        after.insert("archive", shown_digest(extraction.digest));
        after.insert("from", Attribute::known(extraction.src));
        after.insert(
            "contains",
            preview.files.as_deref().map_or_else(
                || Attribute::Unknown(LATER.to_owned()),
                |files| Attribute::known(counted(files)),
            ),
        );
        after.insert(
            "owner",
            Attribute::known(format!("{}:{}", extraction.owner, extraction.group)),
        );
        if self.strip > 0 {
            after.insert("strip", Attribute::known(self.strip.to_string()));
        }
        for (name, list) in [
            ("exclude", &self.exclude),
            ("restores", &record.changed),
            ("replaces", &preview.replaces),
            ("removes", &preview.removes),
        ] {
            if !list.is_empty() {
                let more = if list.len() < MOST { "" } else { " and more" };
                after.insert(name, Attribute::known(list.join(", ") + more));
            }
        }
        let is_new = context.predicted_by(&FactKey::Path(dest.to_owned())).is_some();
        for (name, may_be) in [("replaces", !is_new), ("removes", record.is_there)] {
            if preview.files.is_none() && may_be {
                after.insert(name, Attribute::Unknown(LATER.to_owned()));
            }
        }
        let action = if record.is_there {
            Action::Update
        } else {
            Action::Create
        };
        let id = ResourceId::new(ResourceKind::Archive, dest);
        let mut change = ResourceChange::new(id, action, record.shown(), Some(after));
        if !preview.removes.is_empty() || !preview.replaces.is_empty() {
            change.risk = Risk::Removal;
        }
        change.expect = [Expect::Content {
            path: extraction.src.to_owned(),
            digest: extraction.digest.to_owned(),
        }]
        .into_iter()
        .chain(preview.expect.clone())
        .collect();
        let names = preview.top.iter().chain(&preview.removes);
        let mut trees: Vec<String> = match preview.files {
            Some(_) if preview.removes.len() < MOST && preview.top.len() < 1000 => names
                .filter_map(|path| path.split('/').next())
                .map(|name| format!("{dest}/{name}"))
                .collect(),
            _ => vec![dest.to_owned()],
        };
        trees.dedup();
        let record = extraction.of().into_bytes();
        change.effects = effects(context, dest, trees, "an archive is extracted there", &record);
        let summary = format!("extract {} to {dest}", extraction.src);
        change.steps = vec![Step::Run(Command::new(summary, extraction.script()))];
        Outcome::Change(vec![change])
    }
}

fn removal(context: &PlanContext<'_>, dest: &str, record: &Record) -> Outcome {
    if !record.is_there {
        return Outcome::Unchanged;
    }
    let id = ResourceId::new(ResourceKind::Archive, dest);
    let mut change = ResourceChange::new(id, Action::Remove, record.shown(), None);
    change.risk = Risk::Removal;
    let trees = [dest.to_owned()];
    change.effects = effects(
        context,
        dest,
        trees,
        "the files of an archive are removed there",
        b"absent\n",
    );
    let summary = format!("remove what was extracted to {dest}");
    change.steps = vec![Step::Run(Command::new(summary, Extraction::removal(dest)))];
    Outcome::Change(vec![change])
}

/// What is no longer known below `trees`, for this reason, and what the record says then. The directory itself stays as it is.
fn effects(
    context: &PlanContext<'_>,
    dest: &str,
    trees: impl IntoIterator<Item = String>,
    why: &str,
    record: &[u8],
) -> Vec<Effect> {
    let is_dest = [FactKey::Path(dest.to_owned()), FactKey::PathResolution(dest.to_owned())];
    let kept = is_dest.map(|key| context.known_fact(&key).map(|fact| Effect::Set(key, fact)));
    let record = Effect::Set(
        FactKey::Inquiry(extracted(dest)),
        Fact::Inquiry(InquiryFact::Said(record.to_vec())),
    );
    trees
        .into_iter()
        .map(|tree| Effect::Forget(FactScope::Tree(tree), why.to_owned()))
        .chain(kept.into_iter().flatten())
        .chain([record])
        .collect()
}

/// `12 3456` as people read it.
fn counted(files: &str) -> String {
    let (count, bytes) = files.split_once(' ').unwrap_or((files, "0"));
    let bytes: u64 = bytes.parse().unwrap_or_default();
    let word = if count == "1" { "file" } else { "files" };
    let size = match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    };
    format!("{count} {word}, {size}")
}
