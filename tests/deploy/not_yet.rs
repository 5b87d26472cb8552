//! Keys that the language has and this version does not act on: each is refused where it is written.

use crate::bad_input::Guarded;

/// A file of the project with a line to fill in, which is `@`.
pub(crate) struct Place {
    path: &'static str,
    around: &'static str,
    /// Keys with values.
    pub(crate) keys: &'static [(&'static str, &'static str)],
}

pub(crate) const PLACES: &[Place] = &[
    Place {
        path: "tasks/test/files.toml",
        around: "[[operation]]\nop = 'files.put'\ndest = '/etc/motd'\ncontent = 'x'\n@\n",
        keys: &[
            ("include", "'test/other'"),
            ("env", "{ A = 'b' }"),
            ("timeout", "'5m'"),
            ("retries", "3"),
            ("tags", "['a']"),
            ("notify", "['restart']"),
            ("sensitive", "true"),
            ("on_error", "'ignore'"),
            ("capture", "'token'"),
        ],
    },
    Place {
        path: "tasks/test/files.toml",
        around: "description = 'a task'\n@\n",
        keys: &[
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
    },
    Place {
        path: "deploys/all.toml",
        around: "hosts = ['alpha']\ntasks = ['test/files']\n@\n",
        keys: &[
            ("stage", "[{ hosts = ['alpha'], tasks = ['test/files'] }]"),
            ("serial", "1"),
            ("max_fail", "0"),
        ],
    },
    Place {
        path: "inventories/dev.toml",
        around: "[hosts.alpha]\naddress = '127.0.0.1'\n[connection]\n@\n",
        keys: &[("keep", "'5m'"), ("known_hosts", "'known_hosts'")],
    },
];

#[test]
fn keys_without_an_effect_yet_are_errors_with_a_place() {
    for Place { path, around, keys } in PLACES {
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
