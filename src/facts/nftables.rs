//! What a host says about the rules of its packet filter, and the shell text that asks and loads.
//!
//! What a file gives is known only to `nft`. So the host loads it into a network namespace that it makes for that, and lists what is
//! there then.

use super::owed::STATE_FOLDER;
use crate::quote::{delimiter, quote};
use crate::secret::sha256_hex;

/// Shell functions. `hl_apart` lists what the rules on standard input give; `hl_transaction` prints what replaces their tables, and
/// removes those of a second listing, as one transaction.
///
/// Rules may name interfaces of the host: the namespace gets some of these names.
const FUNCTIONS: &str = r#"nft=$(command -v nft || echo /usr/sbin/nft)
hl_apart() {
t=$(cat); d=
for i in $(ls /sys/class/net); do case $i:$t in lo:*) ;; *:*"$i"*|*:*include*) d="$d $i" ;; esac; done
printf "%s\n" "$t" | LC_ALL=C unshare -n sh -c 'for i in $2; do ip link add "$i" type dummy || ip link add "$i" type bridge; done </dev/null >/dev/null 2>&1; "$1" -f - && "$1" -s list ruleset' sh "$nft" "$d" 2>&1
}
hl_transaction() {
printf "%s\n" "$1" "$2" | sed -n "s/^table \(.*\) {.*/\1/p" | sort -u | while read -r i; do printf "table %s\ndelete table %s\n" "$i" "$i"; done
printf "%s\n" "$1"
}
"#;

/// What a host says about its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nftables {
    /// `nft` is not installed.
    Missing,
    /// The host cannot try rules, for this reason.
    Closed(String),
    /// `nft` does not accept the rules, and says this.
    Refused(String),
    /// Listings of `nft`.
    Rules {
        /// Of the kernel.
        now: String,
        /// Of the text alone.
        wanted: String,
        /// Of the file on the host, if it has another text.
        old: String,
    },
}

impl Nftables {
    /// Reads what [`probe`] prints; `None` if it is something else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut parts = text.split('\0');
        let kind = parts.next()?;
        let mut part = || parts.next().map(str::to_owned);
        Some(match kind {
            "missing" => Self::Missing,
            "closed" => Self::Closed(part()?),
            "refused" => Self::Refused(part()?),
            "rules" => Self::Rules {
                now: part()?,
                wanted: part()?,
                old: part()?,
            },
            _ => return None,
        })
    }

    /// The same as a host prints it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts = match self {
            Self::Missing => vec!["missing"],
            Self::Closed(why) => vec!["closed", why],
            Self::Refused(why) => vec!["refused", why],
            Self::Rules { now, wanted, old } => vec!["rules", now, wanted, old],
        };
        parts
            .iter()
            .flat_map(|part| [part.as_bytes(), b"\0"].concat())
            .collect()
    }
}

/// Shell text that says what the rules are. It changes nothing.
pub(super) fn probe(file: &str, text: Option<&str>) -> String {
    let wanted = text.unwrap_or_default();
    format!(
        "{FUNCTIONS}hl_tell() {{ printf \"%s\\000\" \"$@\" | hl_said; exit; }}\n\
         [ -x \"$nft\" ] || hl_tell missing\n\
         hl_root nft\n\
         now=$(LC_ALL=C \"$nft\" -s list ruleset 2>&1) || hl_tell closed \"$now\"\n\
         text=$(cat <<'{end}'\n{wanted}\n{end}\n)\n\
         wanted=$(printf \"%s\\n\" \"$text\" | hl_apart) || case $wanted in unshare:*) hl_tell closed \"$wanted\" ;; *) hl_tell refused \"$wanted\" ;; esac\n\
         old=\n\
         if [ -f {file} ] && [ \"$(cat {file})\" != \"$text\" ]; then old=$(hl_apart <{file}) || old=; fi\n\
         old=\"$(cat {record} 2>/dev/null)\n$old\"\n\
         [ \"$now\" = \"$wanted\" ] || tried=$(hl_transaction \"$wanted\" \"$old\" | LC_ALL=C \"$nft\" -c -f - 2>&1) || hl_tell refused \"$tried\"\n\
         hl_tell rules \"$now\" \"$wanted\" \"$old\"",
        end = delimiter(wanted),
        file = quote(file),
        record = record(file),
    )
}

/// Where the host keeps the names of the tables that were loaded from `file`: a file that it includes may be gone later, and its
/// tables are to go as well.
fn record(file: &str) -> String {
    format!("{STATE_FOLDER}/nftables/{}", &sha256_hex(file.as_bytes())[..16])
}

/// Shell text that makes the kernel have the rules that `text` gives, and removes the tables that the file gives beside them. It does
/// all of it or nothing.
pub fn load(file: &str, text: Option<&str>) -> String {
    let wanted = text.unwrap_or_default();
    format!(
        "{FUNCTIONS}text=$(cat <<'{end}'\n{wanted}\n{end}\n)\n\
         wanted=$(printf \"%s\\n\" \"$text\" | hl_apart) || {{ code=$?; printf \"%s\\n\" \"$wanted\"; exit $code; }}\n\
         old=\n\
         if [ -f {file} ] && [ \"$(cat {file})\" != \"$text\" ]; then old=$(hl_apart <{file}) || old=; fi\n\
         r={record}; old=\"$(cat $r 2>/dev/null)\n$old\"\n\
         hl_transaction \"$wanted\" \"$old\" | \"$nft\" -f - || exit\n\
         mkdir -p {STATE_FOLDER} && chmod 0700 {STATE_FOLDER} && mkdir -p ${{r%/*}} || exit\n\
         {keep}",
        end = delimiter(wanted),
        file = quote(file),
        record = record(file),
        keep = match text {
            Some(_) => "printf \"%s\\n\" \"$wanted\" | sed -n \"s/^table .* {$/&\\n}/p\" >$r",
            None => "rm -f $r",
        }
    )
}
