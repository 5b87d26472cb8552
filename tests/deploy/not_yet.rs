//! Keys that the language has and this version does not act on: each is refused where it is written.

use crate::bad_input::Guarded;

/// File, the text around the key (which stands where `@` is), and the keys with their values.
const KEYS: &[(&str, &str, &[(&str, &str)])] = &[
    (
        "tasks/test/files.toml",
        "[[operation]]\nop = 'files.put'\ndest = '/etc/motd'\ncontent = 'x'\n@\n",
        &[
            ("include", "'test/other'"),
            ("become", "true"),
            ("become_user", "'setup'"),
            ("env", "{ A = 'b' }"),
            ("timeout", "'5m'"),
            ("retries", "3"),
            ("tags", "['a']"),
            ("notify", "['restart']"),
            ("sensitive", "true"),
            ("on_error", "'ignore'"),
            ("capture", "'token'"),
        ],
    ),
    (
        "tasks/test/files.toml",
        "description = 'a task'\n@\n",
        &[
            ("required", "['a']"),
            ("when", "'true'"),
            ("become", "true"),
            ("become_user", "'setup'"),
            ("tags", "['a']"),
            ("vars", "{ a = 1 }"),
            (
                "handler",
                "[{ name = 'restart', op = 'systemd.service', service = 'cron', state = 'restarted' }]",
            ),
        ],
    ),
    (
        "deploys/all.toml",
        "hosts = ['alpha']\ntasks = ['test/files']\n@\n",
        &[
            ("stage", "[{ hosts = ['alpha'], tasks = ['test/files'] }]"),
            ("serial", "1"),
            ("max_fail", "0"),
        ],
    ),
    (
        "inventories/dev.toml",
        "[hosts.alpha]\naddress = '127.0.0.1'\n[connection]\n@\n",
        &[
            ("become", "'sudo'"),
            ("become_user", "'setup'"),
            ("jump", "['bastion']"),
            ("keep", "'5m'"),
            ("known_hosts", "'known_hosts'"),
        ],
    ),
];

#[test]
fn keys_without_an_effect_yet_are_errors_with_a_place() {
    for (path, around, keys) in KEYS {
        let line = around.lines().position(|line| line == "@").unwrap() + 1;
        for (key, value) in *keys {
            let guarded = Guarded::new();
            guarded
                .project
                .write(path, around.replace('@', &format!("{key} = {value}")));
            let title = format!("`{key}` is not in this version");
            let place = format!("{path}:{line}:1");
            guarded.refuses(&["deploy", "dev", "all", "--dry-run"], &[&title, &place]);
        }
    }
}

#[test]
fn a_task_with_settings_is_refused_where_it_is_written() {
    let guarded = Guarded::new();
    let deploy = "hosts = ['alpha']\ntasks = [{ task = 'test/files', when = 'true' }]\n";
    guarded.project.write("deploys/all.toml", deploy);
    let expected = [
        "task entries with settings are not in this version",
        "deploys/all.toml:2:10",
    ];
    guarded.refuses(&["deploy", "dev", "all", "--dry-run"], &expected);
}

#[test]
fn a_restart_is_refused_until_there_are_handlers() {
    let guarded = Guarded::new();
    let task = "[[operation]]\nop = 'systemd.service'\nservice = 'cron'\nstate = 'restarted'\n";
    guarded.project.write("tasks/test/files.toml", task);
    let expected = [
        "belongs to a handler",
        "not in this version",
        "tasks/test/files.toml:4:9",
    ];
    guarded.refuses(&["deploy", "dev", "all", "--dry-run"], &expected);
}
