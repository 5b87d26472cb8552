//! Jump hosts: the hosts between this machine and a host.

use super::host::{Host, Inventory};
use crate::error::{Diagnostic, Label};
use crate::quote::{UnsafeName, check_jump_address, check_jump_user, check_key_path, check_user};
use crate::value::{Kind, Table};

/// A jump host.
#[derive(Clone, Copy, Debug)]
pub enum Jump<'a> {
    /// A host of the same inventory.
    Host(&'a Host),
    /// A host that only `ssh` knows.
    Address {
        user: Option<&'a str>,
        /// An address, or an alias in the user's `ssh` configuration.
        address: &'a str,
        port: Option<u16>,
    },
}

impl Inventory {
    /// The jump hosts on the way to `host`, the nearest first.
    ///
    /// The first jump host of a host may itself have jump hosts. Errors: a cycle of jump hosts.
    pub fn jumps<'a>(&'a self, host: &'a Host) -> Result<Vec<Jump<'a>>, Diagnostic> {
        let mut routes: Vec<&'a [String]> = Vec::new();
        let mut seen = vec![host.name.as_str()];
        let mut at = host;
        while let Some(jumps @ [first, ..]) = at.connection.jump.as_deref() {
            routes.push(jumps);
            let Some(next) = self.hosts.get(first) else { break };
            if let Some(start) = seen.iter().position(|name| *name == next.name) {
                let title = format!("the jump hosts of `{}` form a loop: {}", host.name, seen.join(" → "));
                let ring = seen[start..].iter().filter_map(|name| self.hosts.get(*name));
                return Err(ring
                    .fold(Diagnostic::new(title), |mistake, one| {
                        let place = one.jump_place.as_ref().or(one.origin.as_ref());
                        mistake.at_maybe(place, format!("jump host of `{}`", one.name))
                    })
                    .hint("set `jump = []` on the host that needs no jump host"));
            }
            seen.push(&next.name);
            at = next;
        }
        let names = routes.into_iter().rev().flatten();
        Ok(names.map(|name| self.jump(name)).collect())
    }

    fn jump<'a>(&'a self, name: &'a str) -> Jump<'a> {
        if let Some(host) = self.hosts.get(name) {
            return Jump::Host(host);
        }
        let (user, address, port) = split(name);
        Jump::Address {
            user,
            address,
            port: port.and_then(|port| port.parse().ok()),
        }
    }
}

/// Finds jumps that lead nowhere.
pub(super) fn check_jumps(inventory: &Inventory) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut reported: Vec<Label> = Vec::new();
    for host in inventory.hosts.values() {
        match inventory.jumps(host) {
            // A cycle is reported once, not for each of its hosts.
            Err(mistake)
                if mistake
                    .labels
                    .iter()
                    .any(|label| reported.iter().any(|one| one.origin == label.origin)) => {}
            Ok(jumps) => mistakes.extend(jumps.iter().find_map(|jump| unusable(host, *jump))),
            Err(mistake) => {
                reported.extend(mistake.labels.clone());
                mistakes.push(mistake);
            }
        }
    }
    mistakes
}

fn unusable(host: &Host, jump: Jump<'_>) -> Option<Diagnostic> {
    let Jump::Host(jump) = jump else { return None };
    let title = format!("host `{}` cannot be reached through `{}`", host.name, jump.name);
    let address = jump.address.as_ref().unwrap_or(&jump.name);
    if jump.connection.is_local() {
        return Some(
            Diagnostic::new(title)
                .at_maybe(jump.origin.as_ref(), "this is the local machine")
                .hint("remove it from `jump`: all connections start here"),
        );
    }
    if let Err(wrong) = check_jump_address(address) {
        return Some(
            Diagnostic::new(title)
                .at_maybe(jump.origin.as_ref(), wrong.to_string())
                .hint("choose another `address` or name"),
        );
    }
    let user = jump.connection.user.as_deref()?;
    let wrong = check_jump_user(user).err()?;
    Some(
        Diagnostic::new(title)
            .at_maybe(jump.origin.as_ref(), format!("user `{user}`: {wrong}"))
            .hint("set its `user` in `~/.ssh/config` instead of `connection`"),
    )
}

/// Mistakes in settings with correct types: jumps to this machine, and jump hosts that `ssh` would misread.
pub(super) fn wrong_connections(table: &Table) -> Vec<Diagnostic> {
    let is_local = table
        .get("local")
        .is_some_and(|entry| entry.value.kind == Kind::Bool(true));
    let idle = ["user", "port", "identity_file", "jump"]
        .iter()
        .filter_map(|key| table.get(*key));
    let mut mistakes: Vec<Diagnostic> = idle
        .filter(|_| is_local)
        .map(|entry| {
            Diagnostic::new("a `local` host is not connected to over SSH")
                .at_maybe(entry.key.as_ref(), "this would have no effect")
                .hint("remove it, or remove `local`")
        })
        .collect();
    mistakes.extend(wrong_words(table));
    let Some(Kind::List(jumps)) = table.get("jump").map(|entry| &entry.value.kind) else {
        return mistakes;
    };
    for jump in jumps {
        let Kind::String(text) = &jump.kind else { continue };
        mistakes.extend(check(text).err().map(|wrong| {
            Diagnostic::new(format!("`{text}` is not a valid jump host"))
                .at_maybe(jump.origin.as_ref(), wrong)
                .hint("write a host of the inventory, or `user@address:port`")
        }));
    }
    mistakes
}

/// Words of `connection` that reach `ssh`, `sudo` or `doas`, and are not in their grammars.
fn wrong_words(table: &Table) -> impl Iterator<Item = Diagnostic> {
    type Check = fn(&str) -> Result<(), UnsafeName>;
    const OF_KEY: &str = "write a path below the project's root, or an absolute path";
    let words: [(&str, Check, &str); 3] = [
        (
            "user",
            check_user,
            "write the name of a user, such as `user = \"admin\"`",
        ),
        ("identity_file", check_key_path, OF_KEY),
        (
            "become_user",
            check_user,
            "write the name of a user, such as `become_user = \"deploy\"`",
        ),
    ];
    words.into_iter().filter_map(|(key, check, hint)| {
        let value = &table.get(key)?.value;
        let text = value.as_str()?;
        let wrong = check(text).err()?;
        let mistake = Diagnostic::new(format!("`{text}` is not a valid `{key}`"));
        Some(mistake.at_maybe(value.origin.as_ref(), wrong.to_string()).hint(hint))
    })
}

/// Parses a jump host as `ssh` writes it, `[user@]host[:port]`: user, address and port.
fn split(text: &str) -> (Option<&str>, &str, Option<&str>) {
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    if let Some((address, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return match after.strip_prefix(':') {
            Some(port) => (user, address, Some(port)),
            None if after.is_empty() => (user, address, None),
            None => (user, rest, None),
        };
    }
    match rest.split_once(':') {
        // With more than one colon it is an IPv6 address.
        Some((address, port)) if !port.contains(':') => (user, address, Some(port)),
        _ => (user, rest, None),
    }
}

fn check(text: &str) -> Result<(), String> {
    let (user, address, port) = split(text);
    if let Some(user) = user {
        check_jump_user(user).map_err(|wrong| format!("user `{user}`: {wrong}"))?;
    }
    if port.is_some_and(|port| !is_port(port)) {
        return Err("the port is not a number from 1 to 65535".to_owned());
    }
    check_jump_address(address).map_err(|wrong| wrong.to_string())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}
