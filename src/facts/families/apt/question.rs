//! The command lines that ask apt, and what they are asked for.

use super::{nobody, refresh};
use crate::facts::apt::{AptVerb, Installation, may_be_misread};
use crate::facts::key::FactKey;
use crate::quote::quote_all;

/// The option that makes apt-get use the file of a status without some packages.
const STATUS_OPTION: &str = "-o Dir::State::status=\"$status\" ";

/// The option that makes apt-get use the file of marks without some packages.
const MARKS_OPTION: &str = "-o Dir::State::extended_states=\"$marks\" ";

/// The command line that simulates `wish`. Without cache files apt keeps its caches in memory; as root it would write them even
/// in a simulation. A package from a file needs its [stand-in](crate::facts::deb::Control::stand_in).
pub(super) fn simulation_command(wish: &Installation) -> String {
    let command = apt_get(wish, NO_CACHES);
    format!("{LANGUAGE} {command}")
}

pub(super) const NO_CACHES: &str = "-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= ";

/// No questions, and messages in English.
const LANGUAGE: &str = "DEBIAN_FRONTEND=noninteractive LC_ALL=C";

fn apt_get(wish: &Installation, further: &str) -> String {
    let packages = match &wish.deb {
        Some(_) => "\"$deb/local.deb\"".to_owned(),
        None => quote_all(wish.packages.iter().map(String::as_str)),
    };
    format!(
        "apt-get {}-s -q {further}-o Dir::Log::Planner=/dev/null -o APT::Install-Recommends={} {}{} -- {packages}",
        other_files(wish),
        wish.recommends,
        if wish.auto_remove { "--auto-remove " } else { "" },
        wish.verb.word(),
    )
}

/// The options that make apt use other files than those of the host.
pub(super) fn other_files(wish: &Installation) -> String {
    [
        (wish.refreshed, refresh::OPTION),
        (!wish.without.is_empty(), STATUS_OPTION),
        (!wish.manual.is_empty(), MARKS_OPTION),
    ]
    .iter()
    .filter_map(|(is_set, option)| is_set.then_some(*option))
    .collect()
}

/// Runs the simulation: sets `$said` to its output and `$code` to its exit code. If it fails as `nobody`, it runs again as root,
/// and that result counts.
fn question(wish: &Installation) -> String {
    if !is_plain(wish) {
        return format!("said=$({} 2>&1)\ncode=$?\n", simulation_command(wish));
    }
    let command = apt_get(wish, "$2 ");
    format!(
        "sim() {{ said=$($1 {command} 2>&1); code=$?; }}\n\
         code=1; [ -z \"$nobody\" ] || sim \"$nobody\" \"{}\"\n\
         [ $code = 0 ] || sim \"\" \"{}\"\n",
        nobody::OPTION.trim(),
        NO_CACHES.trim()
    )
}

/// The packages that apt must know by these very names before it reads them.
pub(super) fn looked_up(wish: &Installation) -> Vec<&str> {
    if wish.deb.is_some() || !matches!(wish.verb, AptVerb::Install | AptVerb::Reinstall) {
        return Vec::new();
    }
    let keys = wish.packages.iter().filter_map(|package| package.split('=').next());
    keys.filter(|key| key.split(':').next().is_some_and(may_be_misread))
        .collect()
}

/// As [`question`], but apt gets no name that it would read as something else: that fails as for any unknown name.
pub(super) fn careful_question(wish: &Installation) -> String {
    let keys = looked_up(wish);
    if keys.is_empty() {
        return question(wish);
    }
    let look_up = |apt_cache: &str| {
        let names = keys.iter().filter_map(|key| key.split(':').next());
        let names: Vec<&str> = names.flat_map(|name| ["-e", name]).collect();
        format!(
            "known=$(LC_ALL=C {apt_cache}pkgnames --all-names 2>/dev/null | grep -x -F {})\nsaid=\n\
             for key in {}; do case \"\n$known\n\" in *\"\n${{key%%:*}}\n\"*) ;; *) said=\"${{said}}E: Unable to locate package $key\n\";; esac; done\n",
            quote_all(names),
            quote_all(keys.iter().copied())
        )
    };
    let as_root = look_up(&format!("apt-cache {}{NO_CACHES}", other_files(wish)));
    let looked_up = if is_plain(wish) {
        let as_nobody = look_up("$nobody apt-cache ");
        format!("said=unread\nif [ -n \"$nobody\" ]; then {as_nobody}fi\nif [ -n \"$said\" ]; then {as_root}fi\n")
    } else {
        as_root
    };
    format!("{looked_up}code=100\nif [ -z \"$said\" ]; then {}fi\n", question(wish))
}

/// Whether the simulation uses only files of the host.
pub(super) fn is_plain(wish: &Installation) -> bool {
    !wish.refreshed && wish.without.is_empty() && wish.manual.is_empty()
}

pub(super) fn wish(key: &FactKey) -> Option<&Installation> {
    match key {
        FactKey::Installation(wish) => Some(wish),
        _ => None,
    }
}
