//! A project of which one file is anything is read and planned, or has mistakes that can be shown.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use homelab::plan::{CheckRequest, check};
use homelab::project::read;
use homelab::report;
use libfuzzer_sys::fuzz_target;

/// The files of a small right project.
const FILES: &[(&str, &str)] = &[
    ("inventories/home.toml", "groups = ['home']\n[hosts.alpha]\ndata = { port = 80 }\n"),
    ("group_data/home.toml", "names = ['a', 'b']\nbackup = { keep = 3 }\n"),
    ("deploys/site.toml", "hosts = ['alpha']\ntasks = ['t/one', { task = 't/two', vars = { name = 'x' } }]\n"),
    ("tasks/t/one.toml", "[[operation]]\ninclude = 't/two'\nfor_each = 'names'\nvars = { name = '{{ item }}' }\n"),
    (
        "tasks/t/two.toml",
        "required = ['vars.name']\n[[operation]]\nop = 'files.template'\nsrc = 'x.j2'\ndest = '/etc/{{ vars.name }}'\n",
    ),
    ("templates/x.j2", "{{ port }} {{ vars.name }} {{ backup.keep }}\n"),
    ("templates/services/web/stack.toml", "[defaults]\na = 1\n"),
];

static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = tempfile::tempdir().expect("a folder").keep();
    for (path, text) in FILES {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    root
});

fuzz_target!(|input: (u8, &[u8])| {
    let (number, content) = input;
    let (path, right) = FILES[usize::from(number) % FILES.len()];
    let path = ROOT.join(path);
    fs::write(&path, content).expect("a file");
    let checked = check(&read(&ROOT), &CheckRequest::default()).expect("all inventories and deploys");
    report::found(&checked);
    fs::write(path, right).expect("a file");
});
