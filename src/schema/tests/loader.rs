//! The schemas beside the loader: what one takes the other takes.

use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::project::load;

/// A project in which every key of the language is used; `@` marks where one more would stand.
const WHOLE: &[(&str, &str)] = &[
    (
        "inventories/all.toml",
        "groups = ['web']\n@\n[connection]\nuser = 'setup'\nport = 22\nidentity_file = 'keys/id'\nbecome = 'sudo'\nbecome_user = 'x'\njump = []\n@\n\
         [lab]\nimage = 'debian:12'\nmemory = 512\nregistry = true\nkubernetes = true\nmodels = true\nhelm = true\n@\n[hosts.one]\naddress = '192.0.2.1'\ngroups = ['dns']\ndata = { a = 1 }\n\
         connection = { local = true }\n@\n[hosts.two]\nlab = { memory = 256 }\n[hosts.three]\nlab = true\n",
    ),
    ("group_data/all.toml", "users = ['x']\nb = { c = '{{ users }}' }\n"),
    ("group_data/web.toml", ""),
    ("group_data/dns.toml", ""),
    (
        "deploys/once.toml",
        "description = 'all'\nhosts = ['web']\n@\ntasks = ['a/b', { task = 'a/b', name = 'again', when = 'users', for_each = 'users', \
         vars = { size = '{{ item }}' }, tags = ['t'], become = true, become_user = '{{ item }}' }]\n",
    ),
    (
        "deploys/staged.toml",
        "@\n[[stage]]\nname = 'first'\nhosts = ['one']\ntasks = ['a/b']\nserial = 1\nmax_fail = 0\noptional = true\n@\n",
    ),
    (
        "tasks/a/b.toml",
        "description = 'x'\nrequired = ['users']\nwhen = true\ntags = ['u']\nbecome = true\nbecome_user = 'x'\nallow = ['latest-tag']\nallow_reason = 'why'\n@\n[vars]\nsize = '1'\n\
         [[operation]]\ninclude = 'a/c'\nname = 'more'\nwhen = 'users'\nfor_each = ['y']\nvars = { z = '{{ item }}' }\ntags = ['v']\nbecome = false\n@\n\
         [[operation]]\nop = 'apt.packages'\nname = 'p {{ item }}'\nwhen = 'users'\nfor_each = [{ name = 'tree', more = 1 }]\n\
         tags = ['w']\npackages = ['{{ item.name }}', '{{ vars.size }}']\nbecome = true\nbecome_user = 'x'\nguard = true\nnotify = ['h', 'a/c:i']\n\
         timeout = '5m'\nretries = 2\non_error = 'ignore'\nsensitive = false\nenv = { A = '{{ item.name }}' }\nallow = ['latest-tag']\nallow_reason = 'why'\n@\n\
         [[handler]]\nop = 'systemd.service'\nname = 'h'\nflush = 'stage'\nwhen = 'users'\nfor_each = ['y']\ntags = ['w']\n\
         service = '{{ item }}'\nstate = 'restarted'\nallow = ['latest-tag']\nallow_reason = 'why'\n@\n",
    ),
    (
        "tasks/a/c.toml",
        "[vars]\nz = ''\n[[operation]]\nop = 'files.put'\ndest = '/etc/motd'\ncontent = '{{ vars.z }}'\n\
         [[operation]]\ncapture = 'v'\nfile = '/etc/v'\nselect = '/a'\nuser = 'root'\ngroup = 'root'\nmode = '0600'\nwhen = true\n\
         tags = ['w']\nnotify = ['i']\nallow = ['latest-tag']\nallow_reason = 'why'\n[operation.create]\nop = 'server.shell'\ncommands = ['true']\nwithin = '1m'\ntouches = ['/x']\n\
         [[operation]]\ncapture = 'w'\nfile = '/etc/w'\nsecret = true\n[operation.create]\nop = 'http.resource'\nurl = 'http://x/'\n\
         method = 'POST'\nbody = { a = 1 }\nheaders = { A = 'b' }\n\
         [[operation]]\ncapture = 'x'\nfile = '/etc/x'\n[operation.create]\nop = 'docker.exec'\ncontainer = 'c'\n\
         command = ['x']\nuser = 'u'\n[[operation]]\ncapture = 'y'\nfile = '/etc/y'\n[operation.create]\nop = 'docker.exec'\n\
         project = 'p'\nservice = 's'\ncommand = ['x']\n\
         [[handler]]\nop = 'systemd.daemon_reload'\nname = 'i'\n",
    ),
    (
        "templates/services/x/stack.toml",
        "allow = ['latest-tag']\nallow_reason = 'why'\n@\n[defaults]\nimage = 'x'\n[files.'a/*']\nuser = 1\ngroup = 'g'\nmode = '0400'\n@\n[files.k]\nsrc = 'pki:ca'\n\
         [directories.b]\nuser = 'u'\ngroup = 2\nmode = '0700'\n@\n[on_change.c]\nservice = 'x'\nreload = ['y']\nvalidate = ['z']\n@\n\
         [on_change.d]\nservice = ['x']\nsignal = 'HUP'\n[on_change.e]\naction = 'none'\n[[sites]]\nhost = 'x'\nupstream = 'x:80'\nkind = 'lan'\ntls = true\nextra = 1\n[backup]\nservice = 'x'\ncommand = ['sh']\nrestore = ['sh']\nrestart = ['x']\nkeep = 3\nat = '01:30'\n@\n",
    ),
];

/// An authority for fifty years, whose key was thrown away.
const AUTHORITY: &str = include_str!("ca.toml");

/// What the loader finds wrong in the project, with `text` in the place of the file at `path`.
fn refused(path: &str, text: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    for (other, whole) in WHOLE {
        let text = if *other == path {
            text.to_owned()
        } else {
            whole.replace('@', "")
        };
        let file = folder.path().join(other);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }
    fs::create_dir(folder.path().join("pki")).expect("made");
    fs::write(folder.path().join("pki/ca.toml"), AUTHORITY).expect("written");
    load(folder.path()).err().map(|mistakes| format!("{mistakes:?}"))
}

fn kind(path: &str) -> FileKind {
    FileKind::of(Path::new(path)).expect("a file of a project")
}

#[test]
fn a_project_of_all_keys_is_taken_by_both() {
    assert_eq!(refused("", ""), None);
    for (path, text) in WHOLE {
        accepts(kind(path), &text.replace('@', ""));
    }
}

#[test]
fn no_key_of_the_schemas_is_left_out_of_it() {
    for one in FileKind::ALL {
        let texts: String = WHOLE
            .iter()
            .filter(|(path, _)| kind(path) == *one)
            .map(|(_, text)| *text)
            .collect();
        let words: BTreeSet<&str> = texts
            .split(|character: char| !character.is_alphanumeric() && character != '_')
            .collect();
        let schema = one.schema().to_value();
        let mut keys = BTreeSet::new();
        collect_keys(&schema, &mut keys);
        let left_out: Vec<&String> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
        assert!(left_out.is_empty(), "{}: {left_out:?}", one.name());
    }
}

/// The keys of all tables of a schema, but for the parameters of operations.
fn collect_keys(schema: &Json, keys: &mut BTreeSet<String>) {
    match schema {
        Json::Object(table)
            if table
                .get("title")
                .is_some_and(|title| crate::operations::find(title.as_str().unwrap_or_default()).is_some()) =>
        {
            keys.extend(common_keys().into_iter().map(|key| key.name));
        }
        Json::Object(table) => {
            if let Some(Json::Object(properties)) = table.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            table.values().for_each(|inner| collect_keys(inner, keys));
        }
        Json::Array(items) => items.iter().for_each(|inner| collect_keys(inner, keys)),
        _ => {}
    }
}

#[test]
fn a_key_that_is_not_in_it_is_refused_by_both() {
    let mut tried = 0;
    for (path, text) in WHOLE {
        for place in 0..text.matches('@').count() {
            let parts = text.split('@').enumerate();
            let with: String = parts
                .map(|(index, part)| {
                    if index == place + 1 {
                        format!("nonsense = 1{part}")
                    } else {
                        part.to_owned()
                    }
                })
                .collect();
            refuses(kind(path), &with);
            // Parameters are read when they are bound to a host.
            let is_parameter = *path == "tasks/a/b.toml" && place == 2;
            let said = refused(path, &with);
            assert!(
                is_parameter || said.is_some_and(|said| said.contains("nonsense")),
                "{path}, place {place}: {with}"
            );
            tried += 1;
        }
    }
    assert_eq!(tried, 16);
}
