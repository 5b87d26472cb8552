//! Planning of a whole file, shared by the operations that write content.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::{
    Action, Attribute, Attributed, Attributes, Before, Expect, Fetch, NotKnown, Outcome, Ownership, ResourceChange,
    ResourceId, ResourceKind, Risk, SetAttributes, Step, Stop, UnitValidator, WriteFile,
};
use crate::content::{Content, Input};
use crate::facts::overlay::{Effect, OperationId};
use crate::facts::path::{ContentFact, ContentKey, Inode, InodeKind, PathFact, parent};
use crate::facts::unit::UnitFilePath;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::ownership::{check_new_owners, ownership};
use crate::secret::{MASK, sha256_hex};
use crate::value::Known;

use super::parameters::octal;
use super::unit_lines::check_unit_text;

/// The wanted state of a file.
pub(in crate::operations) struct FileWish<'a> {
    /// As written, with links not followed.
    pub(in crate::operations) path: &'a str,
    /// The name of the argument, for refusals.
    pub(in crate::operations) path_argument: &'static str,
    pub(in crate::operations) content: WishedContent<'a>,
    /// By default it is kept; a new file belongs to the user that the operation runs as.
    pub(in crate::operations) owner: Option<&'a str>,
    /// By default it is kept; a new file gets that user's primary group.
    pub(in crate::operations) group: Option<&'a str>,
    /// By default it is kept; a new file gets `new_mode`.
    pub(in crate::operations) mode: Option<u32>,
    pub(in crate::operations) new_mode: u32,
    /// A command that must accept the new file before it replaces the old one.
    pub(in crate::operations) validate: Option<Vec<String>>,
    /// Whether the old file stays beside the new one.
    pub(in crate::operations) backup: bool,
    pub(in crate::operations) if_exists: IfExists,
    /// What reviews show in place of the text.
    pub(in crate::operations) shown: Option<fn(&str) -> String>,
    /// The lines that an edit gives, as reviews show them: all others are what the host had before. `None` if the whole text is
    /// given.
    pub(in crate::operations) own_lines: Option<Vec<String>>,
}

/// What happens to the content of a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::operations) enum IfExists {
    #[default]
    Replace,
    Keep,
}

impl<'a> FileWish<'a> {
    /// A file with this content; all else is kept, or the default of a new file.
    pub(in crate::operations) fn new(path: &'a str, path_argument: &'static str, content: WishedContent<'a>) -> Self {
        Self {
            path,
            path_argument,
            content,
            owner: None,
            group: None,
            mode: None,
            new_mode: 0o644,
            validate: None,
            shown: None,
            own_lines: None,
            backup: false,
            if_exists: IfExists::Replace,
        }
    }
}

/// The wanted content of a file.
pub(in crate::operations) enum WishedContent<'a> {
    Ready(Content),
    /// A file of the project, which is read only if it is needed.
    Asset {
        /// The name of the argument, for refusals.
        argument: &'static str,
        /// Below `templates/`.
        path: &'a str,
    },
    /// That of another file of the host, which the host copies.
    Copy {
        /// With links resolved.
        src: &'a str,
        digest: String,
        is_sensitive: bool,
    },
    /// What the host downloads.
    Download {
        url: &'a str,
        digest: String,
        headers: Option<Input>,
    },
}

impl WishedContent<'_> {
    /// Whether reviews must not show it, even if every user may read the file that gets it.
    fn is_sensitive(&self) -> bool {
        matches!(self, Self::Copy { is_sensitive: true, .. })
    }

    fn fetch(&self) -> Option<Fetch> {
        match self {
            Self::Ready(_) | Self::Asset { .. } => None,
            Self::Copy { src, .. } => Some(Fetch::Copy {
                path: (*src).to_owned(),
            }),
            Self::Download { url, headers, .. } => Some(Fetch::Download {
                url: (*url).to_owned(),
                headers: headers.clone(),
            }),
        }
    }

    /// Where it comes from, if that is not the project.
    fn source(&self) -> Option<&str> {
        match self {
            Self::Ready(_) | Self::Asset { .. } => None,
            Self::Copy { src, .. } => Some(src),
            Self::Download { url, .. } => Some(url),
        }
    }

    /// Whether it is known by its digest alone, so that the old content is not read to show it.
    fn is_digest(&self, context: &PlanContext<'_>) -> Result<bool, Stop> {
        Ok(match self {
            Self::Ready(_) | Self::Asset { .. } => false,
            Self::Download { .. } => true,
            Self::Copy { .. } => self.read(context)?.bytes().is_none(),
        })
    }

    /// The content, or as much as says whether a file has it.
    fn measured(&self, context: &PlanContext<'_>) -> Result<Content, Stop> {
        match self {
            Self::Copy { digest, .. } => Ok(Content::of_digest(digest)),
            _ => self.read(context),
        }
    }

    fn read(&self, context: &PlanContext<'_>) -> Result<Content, Stop> {
        match self {
            Self::Ready(content) => Ok(content.clone()),
            Self::Asset { argument, path } => context.asset(argument, path),
            Self::Copy { src, digest, .. } => match context.get(ContentKey(src))? {
                ContentFact::Bytes(bytes) if sha256_hex(&bytes) == *digest => Ok(Content::new(bytes)),
                _ => Ok(Content::of_digest(digest)),
            },
            Self::Download { digest, .. } => Ok(Content::of_digest(digest)),
        }
    }
}

/// Plans a whole file.
pub(in crate::operations) fn plan_file(context: &PlanContext<'_>, wish: &FileWish<'_>) -> Result<Outcome, Stop> {
    check_wish(context, wish)?;
    let path = match context.resolve(wish.path) {
        Ok(path) => path,
        Err(stop) => return ensure_or_stop(context, wish, wish.path, stop),
    };
    match context.path(&path) {
        Ok(PathFact::Absent) => match check_parent(context, wish.path_argument, &path) {
            Ok(()) => Ok(Outcome::Change(vec![create(context, wish, &path)?])),
            Err(stop) => ensure_or_stop(context, wish, &path, stop),
        },
        Ok(PathFact::Present(inode)) => update(context, wish, &path, &inode),
        Err(stop) => ensure_or_stop(context, wish, &path, stop),
    }
}

/// Refuses a new unit file that systemd would not read as it is written, unless another program validates it. What is edited on the host
/// may have such lines of others.
fn check_wish(context: &PlanContext<'_>, wish: &FileWish<'_>) -> Result<(), Stop> {
    let by_systemd = [UnitValidator::Unit, UnitValidator::Lines].map(UnitValidator::command);
    let is_by_systemd = wish
        .validate
        .as_ref()
        .is_none_or(|command| by_systemd.contains(command));
    match &wish.content {
        WishedContent::Ready(content) if is_by_systemd && wish.own_lines.is_none() => {
            check_unit_text(context, wish.path_argument, wish.path, content)
        }
        _ => Ok(()),
    }
}

/// The file can be ensured although an earlier operation may change it, since its whole state is given.
fn ensure_or_stop(context: &PlanContext<'_>, wish: &FileWish<'_>, path: &str, stop: Stop) -> Result<Outcome, Stop> {
    let Stop::NotKnown {
        key,
        cause: NotKnown::Since(operation, why),
    } = stop
    else {
        return Err(stop);
    };
    // What is there then stays, so nothing is certain.
    if wish.if_exists == IfExists::Keep {
        return Err(Stop::NotKnown {
            key,
            cause: NotKnown::Since(operation, why),
        });
    }
    ensure(context, wish, path, operation, why)
}

fn ensure(
    context: &PlanContext<'_>,
    wish: &FileWish<'_>,
    path: &str,
    since: OperationId,
    why: String,
) -> Result<Outcome, Stop> {
    let mut change = create(context, wish, path)?;
    change.before = Before::Unknown(why);
    change.expect = Vec::new();
    if let Some(after) = change.after.as_mut().filter(|_| wish.backup) {
        after.insert("backup", backup(path));
    }
    Ok(Outcome::Ensure {
        changes: vec![change],
        since: vec![since],
    })
}

/// Refuses a path whose directory does not exist.
pub(in crate::operations) fn check_parent(context: &PlanContext<'_>, argument: &str, path: &str) -> Result<(), Stop> {
    let above = parent(path);
    match context.path(above)? {
        PathFact::Present(inode) if inode.kind == InodeKind::Directory => Ok(()),
        PathFact::Present(inode) => {
            let label = format!("`{above}` is {} on the host", inode.describe());
            let title = format!("`{path}` cannot be created");
            let hint = format!("move `{above}` away first, or choose another path");
            Err(context.refuse(argument, title, label).hint(hint))
        }
        PathFact::Absent => {
            let mistake = context.mistake(
                argument,
                format!("the directory of `{path}` does not exist"),
                format!("`{above}` is missing on the host"),
            );
            let hint = format!("create it first: `op = \"files.directory\"`, `path = \"{above}\"`");
            Err(Stop::Refused(Box::new(mistake.hint(hint))))
        }
    }
}

fn create(context: &PlanContext<'_>, wish: &FileWish<'_>, path: &str) -> Result<ResourceChange, Stop> {
    let Ownership { owner, group } = ownership(context, wish.owner, wish.group)?;
    let content = wish.content.read(context)?;
    let attributes = Attributes {
        owner,
        group,
        mode: wish
            .mode
            .unwrap_or(secret_mode(wish, &content).unwrap_or(wish.new_mode)),
    };
    // What an edit makes of nothing is all given.
    let shows = Shows::of(context, wish, &content, &[attributes.mode], false);
    let mut after = with_content(&attributes, new_content(context, wish, &content, shows));
    describe_source(wish, &mut after);
    Ok(ResourceChange {
        id: file_id(path),
        action: Action::Create,
        before: Before::Absent,
        after: Some(after),
        expect: vec![Expect::Absent { path: path.to_owned() }],
        effects: effects(path, &attributes, &content),
        steps: vec![write(wish, path, content, attributes)],
        risk: Risk::None,
        is_asked_as_before: false,
    })
}

fn update(context: &PlanContext<'_>, wish: &FileWish<'_>, path: &str, inode: &Inode) -> Result<Outcome, Stop> {
    let InodeKind::File { digest: old_digest } = &inode.kind else {
        let label = format!("this is {} on the host", inode.describe());
        let mistake = context.mistake(wish.path_argument, format!("`{path}` is not a file"), label);
        let hint = match inode.kind {
            InodeKind::Directory => format!("write the name of the file too: `{}/NAME`", path.trim_end_matches('/')),
            _ => "choose another path, or remove what is there first".to_owned(),
        };
        return Err(Stop::Refused(Box::new(mistake.hint(hint))));
    };
    let old = Attributes {
        owner: inode.owner.clone(),
        group: inode.group.clone(),
        mode: inode.mode,
    };
    // One that is edited keeps its own.
    let mode_of_secret = match &wish.content {
        WishedContent::Ready(content) if wish.if_exists == IfExists::Replace => {
            secret_mode(wish, content).filter(|_| wish.own_lines.is_none())
        }
        _ => None,
    };
    let new = Attributes {
        owner: inode.owner_as(wish.owner.unwrap_or(&old.owner)).to_owned(),
        group: inode.group_as(wish.group.unwrap_or(&old.group)).to_owned(),
        mode: wish.mode.or(mode_of_secret).unwrap_or(old.mode),
    };
    check_new_owners(context, &old, &new)?;
    if wish.if_exists == IfExists::Keep {
        return Ok(if old == new {
            Outcome::Unchanged
        } else {
            Outcome::Change(vec![set_attributes(path, inode, old_digest, &old, &new)])
        });
    }
    if let Known::No(why) = old_digest {
        return Err(Stop::NotKnown {
            key: FactKey::Content(path.to_owned()),
            cause: NotKnown::Denied(why.clone()),
        });
    }
    let content = wish.content.measured(context)?;
    let same_content = matches!(old_digest, Known::Yes(digest) if digest == content.sha256());
    if same_content && old == new {
        return Ok(Outcome::Unchanged);
    }
    let is_edit = wish.own_lines.is_some();
    let shows = Shows::of(context, wish, &content, &[old.mode, new.mode], is_edit);
    let (mut before, content) = if same_content {
        (with_content(&old, new_content(context, wish, &content, shows)), content)
    } else if shows == Shows::All && wish.content.is_digest(context)? {
        let Known::Yes(digest) = old_digest else {
            return Err(Stop::NotKnown {
                key: FactKey::Path(path.to_owned()),
                cause: NotKnown::NotGathered,
            });
        };
        context.metadata_with_parent(path);
        let old_content = Attribute::Described(by_digest(digest));
        (with_content(&old, old_content), wish.content.read(context)?)
    } else {
        let content = wish.content.read(context)?;
        let is_hidden = shows == Shows::Nothing;
        let mut before = before_attributed(context, path, &old, old_digest, is_hidden)?;
        if let Some(old_content) = before.get_mut("content") {
            *old_content = shown_beside(context, wish, old_content, &content, shows);
        }
        (before, content)
    };
    let mut after = with_content(&new, new_content(context, wish, &content, shows));
    if !same_content {
        describe_source(wish, &mut after);
        hide_alike([&mut before, &mut after]);
    }
    if wish.backup && !same_content {
        check_backup(context, path)?;
        after.insert("backup", backup(path));
    }
    Ok(Outcome::Change(vec![ResourceChange {
        id: file_id(path),
        action: Action::Update,
        before: Before::Present(before),
        after: Some(after),
        expect: vec![expect(path, old_digest, old)],
        effects: effects(path, &new, &content),
        steps: vec![if same_content {
            Step::SetAttributes(SetAttributes {
                path: path.to_owned(),
                attributes: new,
            })
        } else {
            write(wish, path, content, new)
        }],
        risk: Risk::None,
        is_asked_as_before: false,
    }]))
}

/// Refuses a name that is too long for one more with the time in it.
fn check_backup(context: &PlanContext<'_>, path: &str) -> Result<(), Stop> {
    // With a number, where several are kept in a second.
    const TIME: usize = ".20260101T000000Z.9~".len();
    const LONGEST: usize = 255;
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.len() + TIME <= LONGEST {
        return Ok(());
    }
    let title = format!("the name of `{path}` is too long for a backup beside it");
    let label = format!("the time is added to it, and a name has at most {LONGEST} bytes");
    Err(context.refuse("backup", title, label).hint("remove `backup`"))
}

/// Where the old file stays. The host adds the time.
fn backup(path: &str) -> Attribute {
    Attribute::known(format!("{path}.TIME~"))
}

/// The change of owner and mode alone.
pub(super) fn set_attributes(
    path: &str,
    inode: &Inode,
    digest: &Known<String>,
    old: &Attributes,
    new: &Attributes,
) -> ResourceChange {
    let predicted = Inode {
        owner_id: None,
        group_id: None,
        kind: inode.kind.clone(),
        owner: new.owner.clone(),
        group: new.group.clone(),
        mode: new.mode,
    };
    ResourceChange {
        id: file_id(path),
        action: Action::Update,
        before: Before::Present(without_content(old)),
        after: Some(without_content(new)),
        expect: vec![expect(path, digest, old.clone())],
        effects: vec![Effect::Set(
            FactKey::Path(path.to_owned()),
            Fact::Path(PathFact::Present(predicted)),
        )],
        steps: vec![Step::SetAttributes(SetAttributes {
            path: path.to_owned(),
            attributes: new.clone(),
        })],
        risk: Risk::None,
        is_asked_as_before: false,
    }
}

/// The file as it is now.
pub(super) fn expect(path: &str, digest: &Known<String>, attributes: Attributes) -> Expect {
    Expect::File {
        path: path.to_owned(),
        digest: match digest {
            Known::Yes(digest) => Some(digest.clone()),
            Known::No(_) => None,
        },
        attributes,
    }
}

/// Reads the old content, which is needed only to show it.
pub(super) fn before_attributed(
    context: &PlanContext<'_>,
    path: &str,
    old: &Attributes,
    digest: &Known<String>,
    sensitive: bool,
) -> Result<Attributed, Stop> {
    let digest = match digest {
        Known::Yes(digest) => digest.clone(),
        Known::No(_) => String::new(),
    };
    // In the same round as the content.
    context.metadata_with_parent(path);
    let content = match (sensitive, digest.is_empty()) {
        (true, _) => Attribute::Secret(context.digests().digest(&digest)),
        (false, true) => Attribute::Unknown("cannot read the file".to_owned()),
        (false, false) => match context.get(ContentKey(path))? {
            ContentFact::Bytes(bytes) => readable(&Content::new(bytes)),
            ContentFact::TooLarge | ContentFact::Absent => {
                Attribute::Described(format!("[a large file, sha256 {digest}]"))
            }
        },
    };
    Ok(with_content(old, content))
}

/// How much of the text of a file a review shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    All,
    /// What came from a secret is masked, old lines are shown.
    OpenParts,
    /// What came from a secret is masked, and old lines are shown only where they stay.
    NewParts,
    /// Only the lines that an edit gives are shown.
    OwnLines,
    Nothing,
}

impl Shows {
    /// `modes` are those of the file before and after.
    fn of(context: &PlanContext<'_>, wish: &FileWish<'_>, content: &Content, modes: &[u32], is_edit: bool) -> Self {
        let has_secret = content.is_secret();
        let is_private = modes.iter().any(|mode| is_sensitive(*mode));
        match context.sensitive() {
            _ if wish.content.is_sensitive() || is_private_key(content) => Self::Nothing,
            Some(true) => Self::Nothing,
            Some(false) if has_secret => Self::OpenParts,
            // Lines that stay are the host's own.
            None if is_private && is_edit && has_secret => Self::Nothing,
            None if is_private && is_edit => Self::OwnLines,
            None if has_secret || is_private => Self::NewParts,
            Some(false) | None => Self::All,
        }
    }
}

/// None is for a review, wherever it comes from.
fn is_private_key(content: &Content) -> bool {
    const END: &[u8] = b" PRIVATE KEY-----";
    let bytes = content.bytes().unwrap_or_default();
    bytes.starts_with(b"-----BEGIN ") && bytes.windows(END.len()).any(|part| part == END)
}

/// The mode of a file with a secret in it, if none is given: no other user may read it.
fn secret_mode(wish: &FileWish<'_>, content: &Content) -> Option<u32> {
    content.is_secret().then_some(wish.new_mode & 0o700)
}

/// The new content as it is shown.
fn new_content(context: &PlanContext<'_>, wish: &FileWish<'_>, content: &Content, shows: Shows) -> Attribute {
    let digest = || context.digests().digest(content.sha256());
    if shows == Shows::Nothing {
        return Attribute::Secret(digest());
    }
    if content.is_secret_binary() {
        return Attribute::Masked {
            text: MASK.to_owned(),
            digest: digest(),
        };
    }
    if let Some(text) = content.covered_text() {
        let shown = text.text(|text| wish.shown.map_or_else(|| text.to_owned(), |shown| shown(text)));
        return Attribute::Masked {
            text: shown.masked().into_owned(),
            digest: digest(),
        };
    }
    match (wish.shown, readable(content)) {
        (shown, Attribute::Known(text)) if shows == Shows::OwnLines => Attribute::Masked {
            text: own_lines(wish, &shown.map_or_else(|| text.clone(), |shown| shown(&text))),
            digest: digest(),
        },
        (Some(shown), Attribute::Known(text)) => Attribute::known(shown(&text)),
        // The digest of what is hidden may help to guess it.
        (_, Attribute::Described(_)) if matches!(shows, Shows::NewParts | Shows::OwnLines) => {
            Attribute::Secret(digest())
        }
        (_, content) => content,
    }
}

/// The old content beside the new one.
fn shown_beside(
    context: &PlanContext<'_>,
    wish: &FileWish<'_>,
    old: &Attribute,
    content: &Content,
    shows: Shows,
) -> Attribute {
    let Attribute::Known(text) = old else {
        return match old {
            Attribute::Described(what) if matches!(shows, Shows::NewParts | Shows::OwnLines) => {
                Attribute::Secret(context.digests().digest(&sha256_hex(what.as_bytes())))
            }
            other => other.clone(),
        };
    };
    let digest = context.digests().digest(&sha256_hex(text.as_bytes()));
    let made = |text: &str| wish.shown.map_or_else(|| text.to_owned(), |shown| shown(text));
    let old = made(text);
    match shows {
        Shows::NewParts => {}
        Shows::OwnLines => {
            return Attribute::Masked {
                text: own_lines(wish, &old),
                digest,
            };
        }
        Shows::All | Shows::OpenParts | Shows::Nothing => return Attribute::known(old),
    }
    let new = content.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let real = made(new.unwrap_or_default());
    let masked = content
        .covered_text()
        .map(|text| text.text(|text| made(text)).masked().into_owned());
    Attribute::Masked {
        text: old_lines(&old, &real, masked.as_deref().unwrap_or(&real)),
        digest,
    }
}

/// Hides contents that look alike because the lines that differ are hidden: a review shows no difference between them.
fn hide_alike(contents: [&mut Attributed; 2]) {
    let [before, after] = contents.map(|attributes| attributes.get_mut("content"));
    if let (Some(before), Some(after)) = (before, after)
        && let (Attribute::Masked { text: old, digest: was }, Attribute::Masked { text: new, digest: is }) =
            (&*before, &*after)
        && old == new
    {
        (*before, *after) = (Attribute::Secret(was.clone()), Attribute::Secret(is.clone()));
    }
}

/// A text in which only lines that the edit gives are shown.
fn own_lines(wish: &FileWish<'_>, text: &str) -> String {
    let own = wish.own_lines.iter().flatten();
    with_lines(text, &own.map(|line| (&**line, &**line)).collect())
}

/// The lines of an old text that are in the new one, as that is shown; others are hidden.
fn old_lines(old: &str, real: &str, masked: &str) -> String {
    let mut shown: HashMap<&str, &str> = masked.lines().map(|line| (line, line)).collect();
    // With other lines, all of it is hidden.
    if real.lines().count() == masked.lines().count() {
        shown.extend(real.lines().zip(masked.lines()));
    }
    with_lines(old, &shown)
}

/// A text with each line as `shown` says; others are hidden.
fn with_lines(text: &str, shown: &HashMap<&str, &str>) -> String {
    const HIDDEN: &str = "[hidden]";
    let lines = text.split_inclusive('\n').map(|line| {
        let text = line.strip_suffix('\n').unwrap_or(line);
        let end = &line[text.len()..];
        format!("{}{end}", shown.get(text).unwrap_or(&HIDDEN))
    });
    lines.collect()
}

fn with_content(attributes: &Attributes, content: Attribute) -> Attributed {
    [("content", content)]
        .into_iter()
        .chain(without_content(attributes))
        .collect()
}

pub(super) fn without_content(attributes: &Attributes) -> Attributed {
    [
        ("mode", Attribute::known(octal(attributes.mode))),
        ("owner", Attribute::known(&attributes.owner)),
        ("group", Attribute::known(&attributes.group)),
    ]
    .into_iter()
    .collect()
}

fn describe_source(wish: &FileWish<'_>, after: &mut Attributed) {
    if let Some(source) = wish.content.source() {
        after.insert("from", Attribute::known(source));
    }
}

fn by_digest(sha256: &str) -> String {
    format!("[sha256 {sha256}]")
}

/// Text as it is, or size and digest of other content.
fn readable(content: &Content) -> Attribute {
    let Some(bytes) = content.bytes() else {
        if content.size() == 0 {
            return Attribute::Described(by_digest(content.sha256()));
        }
        return Attribute::Described(format!(
            "[a large file, {} bytes, sha256 {}]",
            content.size(),
            content.sha256()
        ));
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Attribute::known(text),
        _ => Attribute::Described(format!(
            "[binary, {} bytes, sha256 {}]",
            content.size(),
            content.sha256()
        )),
    }
}

/// What not every user of the host can read must not be in a plan either.
pub(super) fn is_sensitive(mode: u32) -> bool {
    mode & 0o004 == 0
}

pub(super) fn file_id(path: &str) -> ResourceId {
    ResourceId::new(ResourceKind::File, path)
}

fn effects(path: &str, attributes: &Attributes, content: &Content) -> Vec<Effect> {
    let inode = Inode {
        owner_id: None,
        group_id: None,
        kind: InodeKind::File {
            digest: Known::Yes(content.sha256().to_owned()),
        },
        owner: attributes.owner.clone(),
        group: attributes.group.clone(),
        mode: attributes.mode,
    };
    let known_content = match content.bytes() {
        Some(bytes) => ContentFact::Bytes(bytes.to_vec()),
        None => ContentFact::TooLarge,
    };
    vec![
        Effect::Set(FactKey::Path(path.to_owned()), Fact::Path(PathFact::Present(inode))),
        Effect::Set(FactKey::Content(path.to_owned()), Fact::Content(known_content)),
    ]
}

/// How systemd looks at a unit file without `validate`: it would skip what it does not understand.
fn read_by_systemd(path: &str) -> Option<Vec<String>> {
    UnitFilePath::of(path)?;
    Some(UnitValidator::Lines.command())
}

fn write(wish: &FileWish<'_>, path: &str, content: Content, attributes: Attributes) -> Step {
    Step::WriteFile(WriteFile {
        path: path.to_owned(),
        content,
        attributes,
        validate: wish.validate.clone().or_else(|| read_by_systemd(path)),
        validate_within: None,
        validate_env: crate::facts::Environment::default(),
        backup: wish.backup,
        fetch: wish.content.fetch(),
    })
}
