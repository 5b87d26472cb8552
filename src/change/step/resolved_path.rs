//! The directories above a path, and shell text for work where other users may change them.
//!
//! There, nothing is done by name as root: the parent directory is entered and compared with the reviewed one, and what is new is
//! made in a folder in it that only root can enter.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::state::{Attributes, is_number, set_attributes};
use crate::facts::path::parent;
use crate::quote::{quote, quote_all};

/// The directories above a path, and what is at its end, as reviewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolvedPath {
    /// Without links.
    pub path: String,
    /// The root first, as far as they are known.
    pub above: Vec<Above>,
    /// Whether other users than root may change what is on the way.
    pub is_open: bool,
    pub end: End,
    /// Whether the file is written in place, since it cannot be replaced.
    #[serde(default)]
    pub in_place: bool,
    /// The nearest directory on the same file system where no other user can replace a file of root.
    pub safe: Option<String>,
}

/// A directory above a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Above {
    pub path: String,
    /// `None` if an earlier operation creates it.
    pub number: Option<FileNumber>,
    pub owner: String,
    pub mode: u32,
}

/// What is at the end of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum End {
    Absent,
    Present {
        /// `None` if an earlier operation creates it.
        number: Option<FileNumber>,
        owner: String,
        mode: u32,
        /// How many names it has.
        links: u64,
    },
    Unknown,
}

/// Device and inode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileNumber {
    pub device: u64,
    pub inode: u64,
}

impl fmt::Display for FileNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.device, self.inode)
    }
}

impl ResolvedPath {
    /// Shell text that exits 0 if the directories above are as reviewed.
    pub(super) fn is_as_reviewed(&self) -> String {
        let mut looks: Vec<String> = Vec::new();
        // A `stat` has one format, so one is enough unless an owner has no name, or a directory is new.
        for (has_number, has_name) in [(true, true), (true, false), (false, true), (false, false)] {
            let alike = self
                .above
                .iter()
                .filter(|above| (above.number.is_some(), !is_number(&above.owner)) == (has_number, has_name));
            let alike: Vec<&Above> = alike.collect();
            if alike.is_empty() {
                continue;
            }
            let expected: Vec<String> = alike.iter().map(|above| above.expected()).collect();
            looks.push(format!(
                "[ \"$(stat -c '{}{} %a %F' -- {} 2>/dev/null)\" = {} ]",
                if has_number { "%d:%i " } else { "" },
                if has_name { "%U" } else { "%u" },
                quote_all(alike.iter().map(|above| above.path.as_str())),
                quote(&expected.join("\n")),
            ));
        }
        if looks.is_empty() {
            return ":".to_owned();
        }
        looks.join(" && ")
    }

    /// Where a large content is uploaded to, or nowhere: then it comes by standard input.
    pub(super) fn upload(&self, random: u64) -> Option<String> {
        let folder = if self.is_open {
            self.safe.as_deref()?
        } else {
            parent(&self.path)
        };
        Some(temporary_name(folder, random))
    }

    fn parent_number(&self) -> Option<FileNumber> {
        let above = self.above.iter().find(|above| above.path == parent(&self.path));
        above.and_then(|above| above.number)
    }
}

impl Above {
    fn expected(&self) -> String {
        let number = self.number.map(|number| format!("{number} ")).unwrap_or_default();
        format!("{number}{} {:o} directory", self.owner, self.mode)
    }
}

/// A new name in `folder`; random, since other users may write there.
pub(super) fn temporary_name(folder: &str, random: u64) -> String {
    format!("{}/.homelab-{random:016x}", folder.trim_end_matches('/'))
}

/// Shell text that enters the parent directory of the path: from there, `./$n` is the path, whatever is renamed above.
pub(super) fn enter(resolved: &ResolvedPath) -> String {
    let compared = resolved.parent_number().map_or_else(String::new, |number| {
        format!("[ \"$(stat -c %d:%i .)\" = {number} ] || changed\n")
    });
    format!("{}{compared}", enter_by_path(resolved))
}

/// The same without a look at the directory itself, which [`enter_stage`] has.
pub(super) fn enter_by_path(resolved: &ResolvedPath) -> String {
    let folder = parent(&resolved.path);
    let name = &resolved.path[resolved.path.rfind('/').map_or(0, |at| at + 1)..];
    let changed = quote(&format!("{folder} changed meanwhile; nothing was done"));
    format!(
        "d={} n={}\n\
         changed() {{ printf '%s\\n' {changed}; exit 1; }}\n\
         cd -P -- \"$d\" 2>/dev/null && [ \"$(pwd -P)\" = \"$d\" ] || changed\n",
        quote(folder),
        quote(name),
    )
}

/// Shell text that refuses an append-only directory: what is made there could neither be moved nor removed. The review has seen the
/// directory of what is there; that of what is created is looked at before.
pub(super) fn refuse_append_only(folder: &str) -> String {
    let said = quote(&format!(
        "{folder} is append-only: nothing in it can be replaced (`chattr -a {folder}` allows it)"
    ));
    format!(
        "f=$(lsattr -d -- {} 2>/dev/null); case ${{f%% *}} in *a*) printf '%s\\n' {said}; exit 1 ;; esac\n",
        quote(folder)
    )
}

/// Shell text that enters a new folder in the parent directory, which only this user can enter: `../$n` is the path, and no
/// other user can
/// replace what is in the folder. Its parent may have given it a setgid bit or an ACL, under which a user could enter it at first: so
/// what is made in it must be new. It removes the folder at the end, and those that earlier runs left.
pub(super) fn enter_stage(resolved: &ResolvedPath, random: u64) -> String {
    let look = match resolved.end {
        End::Absent | End::Unknown => refuse_append_only(parent(&resolved.path)),
        End::Present { .. } => String::new(),
    };
    format!("{look}{}{}", enter_by_path(resolved), stage(resolved, random))
}

fn stage(resolved: &ResolvedPath, random: u64) -> String {
    stage_named(resolved, &format!("{random:016x}"))
}

/// The part of [`enter_stage`] after [`enter_by_path`]; `random` is 16 hex digits, or shell text for them.
pub(super) fn stage_named(resolved: &ResolvedPath, random: &str) -> String {
    let number = resolved
        .parent_number()
        .map_or_else(|| "*".to_owned(), |number| number.to_string());
    format!(
        "w=.homelab-{random}.d i=\n\
         set -- ./.homelab-????????????????.d\n\
         [ ! -e \"$1\" ] || find . -maxdepth 1 -type d -name '.homelab-????????????????.d' -mmin +60 -exec rm -rf -- {{}} + 2>/dev/null\n\
         trap '[ -z \"$i\" ] || {{ rm -rf -- ./new ./old; cd -P ..; }}; rm -rf -- \"./$w\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
         mkdir -- \"./$w\" || exit\n\
         cd -P -- \"./$w\" 2>/dev/null || changed\n\
         i=1\n\
         [ \"$(pwd -P)\" = \"${{d%/}}/$w\" ] && [ -O . ] || {{ i=; cd -P -- \"$d\"; changed; }}\n\
         is_own() {{ case $(stat -c '%a %d:%i' . ..) in '700 '*' '{number}) ;; *) return 1 ;; esac; }}\n\
         is_own || {{ chmod -- 00700 . && is_own; }} || changed\n",
    )
}

/// The reviewed file at the end.
pub(super) fn number_of_end(resolved: &ResolvedPath) -> Option<FileNumber> {
    match resolved.end {
        End::Present { number, .. } => number,
        End::Absent | End::Unknown => None,
    }
}

/// Shell text that makes the old file known as `./old` in the stage. A hard link follows no link, and waits for no pipe.
pub(super) fn hold_old(resolved: &ResolvedPath) -> String {
    let number = match &resolved.end {
        End::Present {
            number: Some(number), ..
        } => format!(" && [ \"$(stat -c %d:%i ./old)\" = {number} ]"),
        _ => String::new(),
    };
    format!("ln -- \"../$n\" ./old && [ -f ./old ] && [ ! -L ./old ]{number}")
}

/// Shell text that gives a new file what is not set anyway: ACLs, extended attributes and capabilities. Not all that is called `cp`
/// can do this, but that of every Debian can.
///
/// A new file begins with the default ACL of its directory. If the old file has none, the new one must not keep it: users in it
/// could read what they could not before. `cp` of Debian 13 leaves it; a file that `install` makes has none.
pub(super) fn carry_over(old: &str, new: &str) -> String {
    format!(
        "case $(ls -ld -- {new}) in ??????????+*) case $(ls -ld -- {old}) in ??????????+*) ;; *)\n\
         install -m 0600 -- {new} {new}+ && cp --attributes-only --preserve=ownership -- {new} {new}+ && mv -f -T -- {new}+ {new} || exit\n\
         ;; esac ;; esac\n\
         cp --attributes-only --preserve=mode,xattr -- {old} {new} || case $(cp --version 2>/dev/null) in \
         *GNU*) echo 'cannot carry over the attributes of the old file, which stays'; exit 1 ;; esac\n"
    )
}

/// Shell text that sets the attributes of a path where others may write: of what was reviewed, or not at all.
pub(super) fn set_attributes_of_end(resolved: &ResolvedPath, random: u64, attributes: &Attributes) -> String {
    // What was not reviewed is given to no user.
    let (expected, format, links) = match &resolved.end {
        End::Present {
            number, owner, links, ..
        } => {
            let name = if is_number(owner) { "%u" } else { "%U" };
            match number {
                Some(number) => (format!("{number} {owner}"), format!("%d:%i {name}"), links + 1),
                None => (owner.clone(), name.to_owned(), links + 1),
            }
        }
        End::Absent | End::Unknown => ("not reviewed".to_owned(), "%U".to_owned(), 2),
    };
    format!(
        "{}if [ -d \"./$n\" ]; then\n\
         cd -P -- \"./$n\" 2>/dev/null && [ \"$(pwd -P)\" = \"${{d%/}}/$n\" ] && [ \"$(stat -c '{format}' .)\" = {directory} ] || changed\n\
         {set}; exit\n\
         fi\n\
         {}ln -- \"../$n\" ./old 2>/dev/null && [ -f ./old ] && [ ! -L ./old ] && [ \"$(stat -c '%h {format}' ./old)\" = {file} ] || changed\n\
         {set_old}",
        enter_by_path(resolved),
        stage(resolved, random),
        directory = quote(&expected),
        file = quote(&format!("{links} {expected}")),
        set = set_attributes(".", attributes),
        set_old = set_attributes("./old", attributes),
    )
}
