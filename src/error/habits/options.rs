//! Options and commands of `ansible`, `ansible-playbook`, `pyinfra` and `terraform`.

pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("--ask-become-pass -K", "use '--ask-become-password'"),
    ("--become --sudo -b", "set 'become' in 'connection' of the inventory"),
    ("--check --dry -C -n", "use '--dry-run' to show what would change"),
    (
        "--diff -D",
        "the diff is always shown; use '--dry-run' to change nothing",
    ),
    ("--extra-vars -e", "use '--data KEY=VALUE' to override data"),
    (
        "--forks -f",
        "use '--parallel' to set how many hosts to deal with at a time",
    ),
    ("--hosts -l", "use '--limit' to select hosts"),
    ("--inventory -i", "the inventory is the first argument"),
    ("--list-hosts", "use 'homelab inventory list'"),
    ("--list-tasks", "use '--dry-run --verbose' to list all operations"),
    ("--private-key", "set 'identity_file' in 'connection' of the inventory"),
    ("--skip-tags", "use '--tags' with the tags to select"),
    ("--start-at-task", "use '--only' to select tasks"),
    ("--step", "without '--yes', homelab asks before it changes anything"),
    ("--syntax-check", "use 'homelab check'"),
    ("--user -u", "set 'user' in 'connection' of the inventory"),
    ("-a -m", "use 'homelab exec INVENTORY PATTERN -- COMMAND'"),
    ("-t", "use '--tags' to select operations by tag"),
];

pub(super) const COMMANDS: &[(&str, &str)] = &[
    (
        "diff dry-run plan preview",
        "use 'homelab deploy INVENTORY DEPLOY --dry-run' to show what would change",
    ),
    ("apply play playbook", "use 'homelab deploy INVENTORY DEPLOY'"),
    (
        "ping",
        "use 'homelab exec INVENTORY PATTERN -- true' to try the connection",
    ),
    ("run shell", "use 'homelab exec INVENTORY PATTERN -- COMMAND'"),
    ("lint syntax validate", "use 'homelab check'"),
    ("gather setup", "use 'homelab facts INVENTORY HOST'"),
];
