//! The defaults for a new user: from useradd, `/etc/login.defs`, and the skeleton of home directories.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::facts::account::{AccountDefaults, SkeletonEntry, SkeletonKind};
use crate::facts::answer::UnreadableAnswer;
use crate::facts::key::Fact;
use crate::value::Known;

/// The umask if `/etc/login.defs` has none (useradd(8)).
const DEFAULT_UMASK: u32 = 0o022;

const HIDDEN: &str = "no permission to read the file";
const TOO_LARGE: &str = "the file is too large to read for the plan";

/// `useradd` may be for root alone. Each skeleton entry has three lines: type, mode, size and path; the target of a link; the content of a file.
pub(super) const PROBE: &str = r#"given=$(useradd -D 2>/dev/null) || [ "$(id -u)" = 0 ] || given=denied
printf "defaults\n%s\n" "$given"
sed -n "s/^[[:space:]]*\(HOME_MODE\|UMASK\|USERGROUPS_ENAB\)[[:space:]]\{1,\}\([^[:space:]]*\).*/\1=\2/p" /etc/login.defs 2>/dev/null
printf "skeleton\n"
s=
case $given in *SKEL=*) s=${given#*SKEL=}; s=${s%%"
"*} ;; esac
[ -d "$s" ] && cd "$s" && find . -mindepth 1 -printf "%y %m %s %P\n%l\n" | while IFS= read -r e && IFS= read -r t; do
printf "%s\n%s\n" "$e" "$t"
p=${e#* * * }
s=${e#* * }; s=${s%% *}
case $e in f*) if [ ! -r "$p" ]; then printf hidden; elif [ "$s" -gt 65536 ]; then printf large; else base64 -w 0 <"$p"; fi;; esac
echo
done
"#;

pub(super) fn parse(lines: &[String], group_names: &BTreeMap<u32, String>) -> Result<Fact, UnreadableAnswer> {
    let skeleton_at = lines
        .iter()
        .position(|line| line == "skeleton")
        .ok_or_else(|| UnreadableAnswer::new("missing section `skeleton`"))?;
    if lines[..skeleton_at].iter().any(|line| line == "denied") {
        return Ok(Fact::Denied("only root can run `useradd -D`".to_owned()));
    }
    let settings: BTreeMap<&str, &str> = lines[..skeleton_at]
        .iter()
        .filter_map(|line| line.split_once('='))
        .collect();
    let useradd = |name: &str| {
        settings
            .get(name)
            .copied()
            .ok_or_else(|| UnreadableAnswer::new(format!("`useradd -D` did not say `{name}`: is useradd there?")))
    };
    let octal = |name: &str| settings.get(name).and_then(|text| u32::from_str_radix(text, 8).ok());
    let umask = octal("UMASK").unwrap_or(DEFAULT_UMASK);
    let group = useradd("GROUP")?;
    let named = group.parse().ok().and_then(|gid: u32| group_names.get(&gid));
    Ok(Fact::AccountDefaults(Box::new(AccountDefaults {
        home_base: useradd("HOME")?.trim_end_matches('/').to_owned(),
        shell: useradd("SHELL")?.to_owned(),
        private_groups: settings.get("USERGROUPS_ENAB").is_some_and(|enabled| *enabled == "yes"),
        group: named.cloned().unwrap_or_else(|| group.to_owned()),
        home_mode: octal("HOME_MODE").unwrap_or(0o777 & !umask),
        skeleton: skeleton(&lines[skeleton_at + 1..])?,
    })))
}

fn skeleton(lines: &[String]) -> Result<Vec<SkeletonEntry>, UnreadableAnswer> {
    let mut entries = Vec::new();
    for entry in lines.chunks(3) {
        let unreadable =
            || UnreadableAnswer::new(format!("the skeleton of home directories: `{}`", entry.join("`, `")));
        let [head, target, content] = entry else {
            return Err(unreadable());
        };
        let mut fields = head.splitn(4, ' ');
        let (Some(kind), Some(mode), Some(_size), Some(path)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(unreadable());
        };
        let kind = match kind {
            "d" => SkeletonKind::Directory,
            "l" => SkeletonKind::Link(target.clone()),
            "f" if content == "hidden" => SkeletonKind::File(Known::No(HIDDEN.to_owned())),
            "f" if content == "large" => SkeletonKind::File(Known::No(TOO_LARGE.to_owned())),
            "f" => SkeletonKind::File(Known::Yes(STANDARD.decode(content).map_err(|_| unreadable())?)),
            // Sockets, devices and pipes are not planned.
            _ => continue,
        };
        entries.push(SkeletonEntry {
            path: path.to_owned(),
            mode: u32::from_str_radix(mode, 8).map_err(|_| unreadable())?,
            kind,
        });
    }
    Ok(entries)
}
