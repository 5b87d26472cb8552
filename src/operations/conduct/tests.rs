use std::time::Duration;

use super::*;
use crate::facts::Check;
use crate::facts::Fact;
use crate::facts::apt::ListsFact;
use crate::operations::OPERATIONS;
use crate::operations::testing::{Bench, change, refusal};

/// Parameters of an operation that would change something, and its facts.
fn bench(op: &str, keys: &str) -> Bench {
    let (parameters, path) = match op {
        "server.shell" => ("commands = ['a']\ncreates = '/x'", "/x"),
        "files.put" => ("dest = '/x'\ncontent = 'x'\nvalidate = ['check', '{path}']", "/x"),
        "files.directory" => ("path = '/x'", "/x"),
        other => panic!("no parameters for {other}"),
    };
    Bench::named(op, &format!("{parameters}\n{keys}"))
        .absent(path)
        .directory("/")
}

fn no_lists() -> Fact {
    Fact::PackageLists(ListsFact {
        age: None,
        refreshed: false,
        outdated: false,
    })
}

#[test]
fn no_parameter_has_the_name_of_a_key_of_every_operation() {
    for definition in OPERATIONS {
        for key in CONDUCT_KEYS {
            assert!(!definition.keys().contains(key), "{}: {key}", definition.name);
        }
    }
}

#[test]
fn commands_get_the_time_limit_and_the_variables() {
    let keys = "timeout = '90s'\nenv = { B = \"it's\", A = '1' }";
    let of_shell = change(bench("server.shell", keys).plan());
    let [Step::Run(command)] = of_shell.steps.as_slice() else {
        panic!("{:?}", of_shell.steps);
    };
    assert_eq!(command.limit(), Duration::from_secs(90));
    assert_eq!(command.env.exports(), "export A=1 B=\"it's\"\n");
    assert_eq!(of_shell.after.expect("runs").get("env"), Some(&Attribute::known("A B")));
    let of_file = change(bench("files.put", keys).plan());
    let [Step::WriteFile(file)] = of_file.steps.as_slice() else {
        panic!("{:?}", of_file.steps);
    };
    assert_eq!(file.validate_within, Some(Duration::from_secs(90)));
    assert_eq!(file.validate_env, command.env);
}

#[test]
fn conditions_see_the_variables() {
    let shell = "commands = ['a']\nunless = 'b'\nenv = { A = '1' }";
    let bench = Bench::named("server.shell", shell);
    let missing = bench.missing();
    let [FactKey::Check(Check::Command { env, .. })] = missing.as_slice() else {
        panic!("{missing:?}");
    };
    assert_eq!(env.exports(), "export A=1\n");
    let needed = bench.needs();
    assert!(
        needed
            .iter()
            .any(|key| matches!(key, FactKey::Check(Check::Command { env: seen, .. }) if seen == env))
    );
}

#[test]
fn apt_waits_for_its_locks_on_top_of_the_time_limit() {
    let update =
        Bench::named("apt.update", "lock_timeout = '10s'\ntimeout = '1m'").fact(FactKey::PackageLists, no_lists());
    let change = change(update.plan());
    let [Step::Run(command)] = change.steps.as_slice() else {
        panic!("{:?}", change.steps);
    };
    assert_eq!(command.limit(), Duration::from_secs(70));
}

#[test]
fn what_would_have_no_effect_or_surprise_is_refused() {
    for (op, keys, title) in [
        (
            "files.directory",
            "env = { A = '1' }",
            "`files.directory` does not support `env`",
        ),
        (
            "files.directory",
            "env = {}",
            "`files.directory` does not support `env`",
        ),
        ("server.shell", "timeout = '0s'", "`timeout` must be longer than zero"),
        (
            "server.shell",
            "timeout = '1s'\nwithin = '1s'",
            "`timeout` and `within` cannot be used together",
        ),
        (
            "server.shell",
            "env = { 'A B' = '1' }",
            "`A B` is not a valid name of a variable",
        ),
        (
            "server.shell",
            "env = { 1A = '1' }",
            "`1A` is not a valid name of a variable",
        ),
        (
            "server.shell",
            "env = { '' = '1' }",
            "`` is not a valid name of a variable",
        ),
        (
            "server.shell",
            "env = { LD_PRELOAD = '/x' }",
            "`LD_PRELOAD` is not supported in `env`",
        ),
        (
            "server.shell",
            "env = { BASH_ENV = '/x' }",
            "`BASH_ENV` is not supported in `env`",
        ),
        ("server.shell", "env = { IFS = '/' }", "`IFS` is not supported in `env`"),
        ("server.shell", "env = { A = \"a\\u0000\" }", "`A` contains a NUL byte"),
    ] {
        assert_eq!(refusal(bench(op, keys).plan()).title, title, "{op} {keys}");
    }
    let without = Bench::named("files.put", "dest = '/x'\ncontent = 'x'\nenv = { A = '1' }").absent("/x");
    assert_eq!(refusal(without.plan()).title, "`env` of `files.put` needs `validate`");
    for name in OF_APT {
        let update =
            Bench::named("apt.update", &format!("env = {{ {name} = 'x' }}")).fact(FactKey::PackageLists, no_lists());
        let title = format!("`{name}` is not supported in `env` of `apt.update`");
        assert_eq!(refusal(update.plan()).title, title);
    }
    let check = Bench::named("verify.tcp", "port = 1\ntimeout = '1s'");
    assert_eq!(refusal(check.plan()).title, "`verify.tcp` does not support `timeout`");
}

#[test]
fn how_an_operation_is_carried_out_is_known_before_it_is_planned() {
    let bench = bench("files.directory", "retries = 3\non_error = 'ignore'\ntimeout = '1m'");
    assert_eq!(
        bench.conduct(),
        Conduct {
            timeout: Some(Duration::from_secs(60)),
            retries: 3,
            on_error: OnError::Ignore,
        }
    );
}
