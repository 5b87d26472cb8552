//! Words that users of Ansible write out of habit, and what to write instead.

/// Modules, and the operation that does the same.
const OPERATIONS: &[(&str, &str)] = &[
    ("apt", "apt.packages"),
    ("command", "server.shell"),
    ("copy", "files.put"),
    ("file", "files.file"),
    ("group", "server.group"),
    ("lineinfile", "files.line"),
    ("package", "apt.packages"),
    ("service", "systemd.service"),
    ("shell", "server.shell"),
    ("systemd", "systemd.service"),
    ("template", "files.template"),
    ("uri", "verify.http"),
    ("user", "server.user"),
    ("wait_for", "verify.tcp"),
];

/// Keys and module parameters, and the key that has their place.
const KEYS: &[(&str, &str)] = &[
    ("loop", "for_each"),
    ("with_items", "for_each"),
    ("owner", "user"),
    ("state", "present"),
];

const VARIABLES: &[(&str, &str)] = &[
    ("ansible_distribution", "facts.os.id"),
    ("ansible_facts", "facts"),
    ("ansible_host", "host.address"),
    ("ansible_hostname", "host.name"),
    ("hostvars", "hosts"),
    ("inventory_hostname", "host.name"),
];

/// The operation that does what a module does; the module's collection may stand before its name.
pub fn operation_for(module: &str) -> Option<&'static str> {
    let short = module.rsplit('.').next()?;
    find(OPERATIONS, short).next()
}

/// The key among `known` that has the place of `key`.
pub fn key_for(key: &str, known: &[&str]) -> Option<&'static str> {
    find(KEYS, key).find(|one| known.contains(one))
}

/// The name that has the value of a variable.
pub fn name_for(variable: &str) -> Option<&'static str> {
    find(VARIABLES, variable).next()
}

fn find(table: &'static [(&str, &str)], word: &str) -> impl Iterator<Item = &'static str> {
    table
        .iter()
        .filter(move |(known, _)| *known == word)
        .map(|(_, own)| *own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_with_and_without_their_collection() {
        assert_eq!(operation_for("lineinfile"), Some("files.line"));
        assert_eq!(operation_for("ansible.builtin.copy"), Some("files.put"));
        assert_eq!(operation_for("files.putt"), None);
    }

    #[test]
    fn a_key_is_suggested_only_where_there_is_one() {
        assert_eq!(key_for("loop", &["op", "for_each"]), Some("for_each"));
        assert_eq!(key_for("state", &["packages", "present"]), Some("present"));
        assert_eq!(key_for("owner", &["service"]), None);
        assert_eq!(name_for("inventory_hostname"), Some("host.name"));
    }
}
