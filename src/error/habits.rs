//! Words that users of Ansible and pyinfra write out of habit, and what to write instead: one table for the names of
//! operations, keys and names in templates, and options of the command line. `template` has one for filters and tests.

/// Where a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Operation,
    Key,
    Name,
    Option,
}

/// What is told about a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The word that has its place here.
    Own(&'static str),
    /// Something to do, where no single word has its place.
    Do(&'static str),
}

use Answer::{Do, Own};
use Place::{Key, Name, Operation, Option as OfCommand};

const SHELL: Answer = Do("use `server.shell` with `creates`, `unless` or another condition");
const FILE_OF_IT: Answer = Do("put its configuration file in place with `files.put` or `files.template`");
const NO_RESULT: Answer = Do("remove it: the result of an operation is not available to later ones");
const TO_INCLUDE: Answer = Do("write an entry with `include = \"folder/name\"`");
const IN_CONNECTION: Answer =
    Do("write it in `connection`: `user`, `port`, `identity_file`, `become` and `become_user`");
const ASKED: Answer = Do("use `homelab exec INVENTORY PATTERN -- COMMAND`");
const A_FACT: Answer = Do("use `facts.…`: `homelab facts` with the names of an inventory and a host lists them");

/// A word may have several answers: the first that fits is given.
const HABITS: &[(Place, &str, Answer)] = &[
    // Modules of Ansible and operations of pyinfra, by the last part of their names.
    (Operation, "apt", Own("apt.packages")),
    (Operation, "apt_key", FILE_OF_IT),
    (Operation, "apt_repository", FILE_OF_IT),
    (
        Operation,
        "assert",
        Do("use `required` for data, or `verify.http` and `verify.tcp` for services"),
    ),
    (
        Operation,
        "authorized_key",
        Do("put `~/.ssh/authorized_keys` in place with `files.put` and `become_user`"),
    ),
    (Operation, "block", Own("files.line")),
    (Operation, "blockinfile", Own("files.line")),
    (Operation, "command", Own("server.shell")),
    (Operation, "copy", Own("files.put")),
    (
        Operation,
        "cron",
        Do("write a systemd timer with `files.put`, and enable it with `systemd.service`"),
    ),
    (
        Operation,
        "crontab",
        Do("write a systemd timer with `files.put`, and enable it with `systemd.service`"),
    ),
    (
        Operation,
        "daemon_reload",
        Do("remove it: `systemd.service` reloads changed units"),
    ),
    (Operation, "deb822_repository", FILE_OF_IT),
    (
        Operation,
        "debug",
        Do("remove it: the review shows every change, and `homelab inventory show` data"),
    ),
    (Operation, "dist_upgrade", Own("apt.upgrade")),
    (Operation, "dnf", Own("apt.packages")),
    (Operation, "download", SHELL),
    (Operation, "fail", Do("use `required` for data that must be set")),
    (Operation, "get_url", SHELL),
    (Operation, "git", SHELL),
    (Operation, "group", Own("server.group")),
    (Operation, "hostname", FILE_OF_IT),
    (Operation, "import_tasks", TO_INCLUDE),
    (Operation, "include_role", TO_INCLUDE),
    (Operation, "include_tasks", TO_INCLUDE),
    (Operation, "key", FILE_OF_IT),
    (Operation, "lineinfile", Own("files.line")),
    (Operation, "link", Own("files.link")),
    (Operation, "mount", FILE_OF_IT),
    (Operation, "package", Own("apt.packages")),
    (Operation, "packages", Own("apt.packages")),
    (Operation, "ping", ASKED),
    (Operation, "pip", SHELL),
    (Operation, "raw", Own("server.shell")),
    (Operation, "reboot", ASKED),
    (Operation, "replace", Own("files.line")),
    (Operation, "repo", FILE_OF_IT),
    (Operation, "rsync", Do("copy each file with `files.put` and `for_each`")),
    (
        Operation,
        "script",
        Do("put it in place with `files.put`, and run it with `server.shell`"),
    ),
    (Operation, "service", Own("systemd.service")),
    (
        Operation,
        "set_fact",
        Do("use `vars` of the task or of its entry in the deploy"),
    ),
    (Operation, "setup", A_FACT),
    (Operation, "shell", Own("server.shell")),
    (Operation, "slurp", NO_RESULT),
    (
        Operation,
        "stat",
        Do("use `creates` or `removes` of `server.shell`; other operations look by themselves"),
    ),
    (Operation, "sync", Do("copy each file with `files.put` and `for_each`")),
    (
        Operation,
        "synchronize",
        Do("copy each file with `files.put` and `for_each`"),
    ),
    (Operation, "sysctl", FILE_OF_IT),
    (Operation, "systemd", Own("systemd.service")),
    (Operation, "systemd_service", Own("systemd.service")),
    (Operation, "template", Own("files.template")),
    (Operation, "unarchive", SHELL),
    (Operation, "uri", Own("verify.http")),
    (Operation, "user", Own("server.user")),
    (
        Operation,
        "user_authorized_keys",
        Do("put `~/.ssh/authorized_keys` in place with `files.put` and `become_user`"),
    ),
    (Operation, "wait", Own("verify.tcp")),
    (Operation, "wait_for", Own("verify.tcp")),
    (Operation, "yum", Own("apt.packages")),
    (Operation, "file", Own("files.file")),
    // Keys of playbooks, tasks, modules and inventories, and arguments of pyinfra.
    (
        Key,
        "_env",
        Do("write the variables in the command, such as `LANG=C sort`"),
    ),
    (Key, "_if", Own("when")),
    (Key, "_sudo", Own("become")),
    (Key, "_sudo_user", Own("become_user")),
    (Key, "_su_user", Own("become_user")),
    (Key, "ansible_become", IN_CONNECTION),
    (
        Key,
        "ansible_connection",
        Do("write `connection = { local = true }` for this machine; all others use SSH"),
    ),
    (Key, "ansible_host", Own("address")),
    (
        Key,
        "ansible_password",
        Do("log in with a key: `connection = { identity_file = … }`"),
    ),
    (Key, "ansible_port", IN_CONNECTION),
    (Key, "ansible_ssh_private_key_file", IN_CONNECTION),
    (Key, "ansible_user", IN_CONNECTION),
    (Key, "any_errors_fatal", Own("max_fail")),
    (Key, "args", Do("write the parameters beside `op`")),
    (
        Key,
        "become_method",
        Do("write `become = \"sudo\"` in `connection` of the inventory"),
    ),
    (Key, "block", TO_INCLUDE),
    (
        Key,
        "changed_when",
        Do("use `creates`, `unless` or `only_if` of `server.shell`"),
    ),
    (Key, "children", Do("write `groups = [\"…\"]` in each host")),
    (
        Key,
        "delegate_to",
        Do("put it in a task of its own, and deploy that to the other host in a `[[stage]]`"),
    ),
    (
        Key,
        "environment",
        Do("write the variables in the command, such as `LANG=C sort`"),
    ),
    (Key, "failed_when", Do("let the command exit with another code than 0")),
    (
        Key,
        "gather_facts",
        Do("remove it: facts are read when something uses them"),
    ),
    (Key, "handlers", Own("handler")),
    (Key, "host", Own("hosts")),
    (
        Key,
        "ignore_errors",
        Do("let the command exit with 0, for example with `|| true`"),
    ),
    (Key, "import_tasks", Own("include")),
    (Key, "include_role", Own("include")),
    (Key, "include_tasks", Own("include")),
    (
        Key,
        "local_action",
        Do("deploy it to a host with `connection = { local = true }`"),
    ),
    (Key, "loop", Own("for_each")),
    (Key, "max_fail_percentage", Own("max_fail")),
    (
        Key,
        "no_log",
        Do("remove it: content that not every user of the host may read is hidden"),
    ),
    (Key, "owner", Own("user")),
    (Key, "register", NO_RESULT),
    (Key, "remote_user", IN_CONNECTION),
    (Key, "roles", Own("tasks")),
    (
        Key,
        "run_once",
        Do("deploy it to one host, in a `[[stage]]` with its own `hosts`"),
    ),
    (Key, "state", Own("present")),
    (
        Key,
        "until",
        Do("use `verify.http` or `verify.tcp`, which wait for a service"),
    ),
    (Key, "vars_files", Do("write data in `group_data/GROUP.toml`")),
    (Key, "with_dict", Own("for_each")),
    (Key, "with_fileglob", Own("for_each")),
    (Key, "with_items", Own("for_each")),
    (Key, "with_list", Own("for_each")),
    // Variables and functions in templates.
    (Name, "ansible_architecture", Own("facts.architecture")),
    (
        Name,
        "ansible_check_mode",
        Do("remove it: a dry run plans what the deploy does"),
    ),
    (Name, "ansible_distribution", Own("facts.os.id")),
    (Name, "ansible_distribution_release", Own("facts.os.codename")),
    (Name, "ansible_distribution_version", Own("facts.os.version")),
    (Name, "ansible_facts", Own("facts")),
    (Name, "ansible_fqdn", Own("host.name")),
    (Name, "ansible_host", Own("host.address")),
    (Name, "ansible_hostname", Own("host.name")),
    (Name, "ansible_managed", Do("write the comment in the template")),
    (
        Name,
        "ansible_user",
        Do("set data of your own: the login user is not known to templates"),
    ),
    (Name, "group_names", Own("groups")),
    (Name, "hostvars", Own("hosts")),
    (Name, "inventory_hostname", Own("host.name")),
    (Name, "inventory_hostname_short", Own("host.name")),
    (
        Name,
        "lookup",
        Do("write the value in `group_data/`, pass it with `--data`, or include a file of `templates/`"),
    ),
    (Name, "omit", Do("write the operation twice, each with its own `when`")),
    (
        Name,
        "query",
        Do("write the value in `group_data/`, pass it with `--data`, or include a file of `templates/`"),
    ),
    // Options.
    (OfCommand, "--ask-become-pass", Do("use '--ask-become-password'")),
    (
        OfCommand,
        "--become",
        Do("set 'become' in 'connection' of the inventory"),
    ),
    (OfCommand, "--check", Do("use '--dry-run' to show what would change")),
    (
        OfCommand,
        "--diff",
        Do("the diff is always shown; use '--dry-run' to change nothing"),
    ),
    (OfCommand, "--dry", Do("use '--dry-run' to show what would change")),
    (OfCommand, "--extra-vars", Do("use '--data KEY=VALUE' to override data")),
    (
        OfCommand,
        "--forks",
        Do("use '--parallel' to set how many hosts to deal with at a time"),
    ),
    (OfCommand, "--hosts", Do("use '--limit' to select hosts")),
    (OfCommand, "--inventory", Do("the inventory is the first argument")),
    (OfCommand, "--list-hosts", Do("use 'homelab inventory list'")),
    (
        OfCommand,
        "--list-tasks",
        Do("use '--dry-run --verbose' to list all operations"),
    ),
    (
        OfCommand,
        "--private-key",
        Do("set 'identity_file' in 'connection' of the inventory"),
    ),
    (OfCommand, "--skip-tags", Do("use '--tags' with the tags to select")),
    (OfCommand, "--start-at-task", Do("use '--only' to select tasks")),
    (
        OfCommand,
        "--step",
        Do("without '--yes', homelab asks before it changes anything"),
    ),
    (OfCommand, "--sudo", Do("set 'become' in 'connection' of the inventory")),
    (OfCommand, "--syntax-check", Do("use 'homelab check'")),
    (OfCommand, "--user", Do("set 'user' in 'connection' of the inventory")),
    (OfCommand, "-C", Do("use '--dry-run' to show what would change")),
    (
        OfCommand,
        "-D",
        Do("the diff is always shown; use '--dry-run' to change nothing"),
    ),
    (OfCommand, "-K", Do("use '--ask-become-password'")),
    (OfCommand, "-a", Do("use 'homelab exec INVENTORY PATTERN -- COMMAND'")),
    (OfCommand, "-b", Do("set 'become' in 'connection' of the inventory")),
    (OfCommand, "-e", Do("use '--data KEY=VALUE' to override data")),
    (
        OfCommand,
        "-f",
        Do("use '--parallel' to set how many hosts to deal with at a time"),
    ),
    (OfCommand, "-i", Do("the inventory is the first argument")),
    (OfCommand, "-l", Do("use '--limit' to select hosts")),
    (OfCommand, "-m", Do("use 'homelab exec INVENTORY PATTERN -- COMMAND'")),
    (OfCommand, "-n", Do("use '--dry-run' to show what would change")),
    (OfCommand, "-t", Do("use '--tags' to select operations by tag")),
    (OfCommand, "-u", Do("set 'user' in 'connection' of the inventory")),
];

/// What to do about an unknown operation `name`, which may have a collection or a module before its last part.
pub fn operation(name: &str) -> Option<String> {
    let short = name.rsplit('.').next()?;
    find(Operation, short).next().map(told)
}

/// What to do about the unknown key `key`, where `known` are the valid ones.
pub fn key(key: &str, known: &[&str]) -> Option<String> {
    let fits = |answer: &Answer| match answer {
        Own(own) => known.contains(own),
        Do(_) => true,
    };
    if let Some(answer) = find(Key, key).find(fits) {
        return Some(told(answer));
    }
    // A module with its parameters as a value.
    let own = find(Operation, key.rsplit('.').next()?).next()?;
    match own {
        Own(own) if known.contains(&"op") => {
            Some(format!("write `op = \"{own}\"`, and its parameters as keys beside it"))
        }
        Do(text) if known.contains(&"op") => Some(text.to_owned()),
        _ => None,
    }
}

/// What to do about the undefined name or the unknown function `name` of a template.
pub fn name(name: &str) -> Option<String> {
    if let Some(answer) = find(Name, name).next() {
        return Some(told(answer));
    }
    name.starts_with("ansible_").then(|| told(A_FACT))
}

/// What to do about an unknown option of the command line, in the words of its messages.
pub fn option(option: &str) -> Option<&'static str> {
    match find(OfCommand, option).next()? {
        Own(text) | Do(text) => Some(text),
    }
}

/// What to do about a pattern of hosts that matches nothing and is written as for Ansible.
pub fn pattern(pattern: &str) -> Option<String> {
    let text = pattern.trim_start_matches(['&', '@']);
    if pattern.starts_with('@') {
        return Some("name the hosts: there is no file of hosts to try again".to_owned());
    }
    if pattern.contains(":&") || text != pattern {
        return Some("intersections are not supported: exclude hosts with `!`, or write a group for them".to_owned());
    }
    let parts: Vec<&str> = pattern.split(':').collect();
    (parts.len() > 1).then(|| format!("separate patterns with commas: `{}`", parts.join(",")))
}

fn find(place: Place, word: &str) -> impl Iterator<Item = Answer> {
    let is_it = move |habit: &&(Place, &str, Answer)| habit.0 == place && habit.1 == word;
    HABITS.iter().filter(is_it).map(|(_, _, answer)| *answer)
}

fn told(answer: Answer) -> String {
    match answer {
        Own(own) => format!("did you mean `{own}`?"),
        Do(text) => text.to_owned(),
    }
}

/// The own words that operations and keys are answered with, for tests of those who define them.
#[cfg(test)]
pub(crate) fn own_words() -> [Vec<&'static str>; 2] {
    [Operation, Key].map(|place| {
        let of_place = HABITS.iter().filter(|(one, ..)| *one == place);
        of_place
            .filter_map(|(_, _, answer)| match answer {
                Own(own) => Some(*own),
                Do(_) => None,
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn operations_are_found_with_and_without_what_stands_before_them() {
        for (word, answer) in [
            ("lineinfile", "did you mean `files.line`?"),
            ("ansible.builtin.copy", "did you mean `files.put`?"),
            ("server.packages", "did you mean `apt.packages`?"),
            ("files.rsync", "copy each file with `files.put` and `for_each`"),
        ] {
            assert_eq!(operation(word).as_deref(), Some(answer), "{word}");
        }
        assert!(operation("server.cron").is_some_and(|told| told.contains("timer")));
        assert_eq!(operation("files.putt"), None);
    }

    #[test]
    fn a_key_is_suggested_only_where_there_is_one() {
        let own = |word: &str, known: &[&str]| key(word, known);
        assert_eq!(
            own("loop", &["op", "for_each"]).as_deref(),
            Some("did you mean `for_each`?")
        );
        assert_eq!(
            own("state", &["packages", "present"]).as_deref(),
            Some("did you mean `present`?")
        );
        assert_eq!(own("owner", &["service"]), None);
        assert!(own("copy", &["op"]).is_some_and(|told| told.contains("`op = \"files.put\"`")));
        assert_eq!(own("copy", &["dest"]), None);
        assert!(own("delegate_to", &[]).is_some());
    }

    #[test]
    fn names_options_and_patterns_are_answered() {
        assert_eq!(name("inventory_hostname").as_deref(), Some("did you mean `host.name`?"));
        assert!(name("ansible_default_ipv4").is_some_and(|told| told.contains("facts")));
        assert!(name("lookup").is_some() && name("mine").is_none());
        assert!(option("--check").is_some_and(|told| told.contains("--dry-run")));
        assert_eq!(
            pattern("web:dns").as_deref(),
            Some("separate patterns with commas: `web,dns`")
        );
        assert!(pattern("web:&dns").is_some_and(|told| told.contains("intersections")));
        assert!(pattern("@site.retry").is_some() && pattern("web").is_none());
    }

    #[test]
    fn each_word_of_a_place_is_answered_once() {
        let mut seen = BTreeSet::new();
        for (place, word, _) in HABITS {
            assert!(seen.insert(format!("{place:?} {word}")), "{place:?} {word}");
        }
    }
}
