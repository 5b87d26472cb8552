//! The files of a new stack, and its word in a list of stacks.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use toml_edit::{DocumentMut, Item};

use super::write;
use crate::error::{Diagnostic, suggestion};
use crate::facts::docker::Reference;
use crate::project::{Deploy, GroupData, Host, Project, hosts_of_deploy};
use crate::template::STACKS;
use crate::value::{Kind, Table, Value};

/// The key of data that lists the stacks of a host.
const LIST: &str = "stacks";

/// The table of data of hosts that answer for names, and its key with the host of all sites.
const NAMES: &str = "dns";
const HOST_OF_SITES: &str = "sites_host";

/// A stack to be written.
#[derive(Clone, Debug)]
pub struct NewStack<'a> {
    pub name: &'a str,
    pub image: &'a str,
    /// The port on which the service answers as a web site.
    pub port: Option<u16>,
    /// The network that other stacks are in too; by default the first of the data `docker.networks`.
    pub network: Option<&'a str>,
    /// The group whose hosts run it; by default the only one with a list of stacks.
    pub group: Option<&'a str>,
}

/// What was written.
#[derive(Debug)]
pub struct WrittenStack {
    /// Paths in the project.
    pub files: Vec<String>,
    /// The file with the list that has its name now; `None` if it is not known which.
    pub list: Option<String>,
    /// The inventory and the deploy that run it now, if they are known.
    pub deploy: Option<(String, String)>,
    /// The deploy whose hosts answer for the name of its site, if it has one that they do not know yet.
    pub names_deploy: Option<String>,
}

/// Writes a new stack.
///
/// Errors: the name is taken or none, the image is none, no such group, a file cannot be written. Nothing is written then.
pub fn write_stack(project: &Project, stack: &NewStack<'_>) -> Result<WrittenStack, Diagnostic> {
    check_name(project, stack.name)?;
    Reference::parse(stack.image).map_err(|why| {
        Diagnostic::new(format!("`{}` is not the name of an image", stack.image)).because(why.to_owned())
    })?;
    let list = match stack.group {
        Some(group) => Some(own_group(project, group)?),
        None => only_list(project),
    };
    let network = stack.network.map(str::to_owned).or_else(|| first_network(project));
    let has_site = stack.port.is_some() && network.is_some();
    let lists = list
        .map(|group| with_word(project, group, stack.name, has_site))
        .transpose()?;
    let folder = format!("templates/{STACKS}/{}", stack.name);
    let mut files = Vec::new();
    for (name, text) in [
        ("compose.yaml.j2", compose(stack, network.as_deref())),
        ("stack.toml", settings(stack, network.is_some())),
    ] {
        let path = format!("{folder}/{name}");
        write(&project.root.join(&path), &text)?;
        files.push(path);
    }
    if let Some((path, text)) = &lists {
        write(&project.root.join(path), text)?;
    }
    Ok(WrittenStack {
        files,
        deploy: list.and_then(|group| deploy_of(project, group)),
        names_deploy: names_deploy(project).filter(|_| has_site),
        list: lists.map(|(path, _)| path),
    })
}

/// The deploy that runs the list of stacks, on the inventory to try it on: one of throw-away hosts, if there is one.
fn deploy_of(project: &Project, group: &str) -> Option<(String, String)> {
    let is_of_list = |deploy: &Deploy| {
        let mut lists = deploy.stages.iter().flat_map(|stage| &stage.tasks);
        lists.any(|task| task.settings.for_each.as_ref().and_then(Value::as_str) == Some(LIST))
    };
    let deploys = project.deploys.iter().filter(|(_, deploy)| is_of_list(deploy));
    let ways = deploys.flat_map(|(deploy, _)| {
        project
            .inventories
            .iter()
            .map(move |(name, inventory)| (deploy, name, inventory))
    });
    let found = ways.filter_map(|(deploy, name, inventory)| {
        let hosts = hosts_of_deploy(project, name, deploy).ok()?;
        let is_member = |host: &&Host| host.groups.iter().chain(&inventory.groups).any(|one| one.name == group);
        let host = hosts.into_iter().find(is_member)?;
        Some((host.lab.is_none(), name.clone(), deploy.clone()))
    });
    let (_, inventory, deploy) = found.min_by_key(|(is_real, ..)| *is_real)?;
    Some((inventory, deploy))
}

/// The deploy of the hosts whose data say where names of sites lead to.
fn names_deploy(project: &Project) -> Option<String> {
    let knows_sites = |group: &str| {
        let data = project.group_data.get(group).map(|group| &group.data);
        let dns = data.and_then(|data| data.get(NAMES)?.value.as_table());
        dns.is_some_and(|dns| dns.contains_key(HOST_OF_SITES))
    };
    let is_theirs = |deploy: &Deploy| {
        let mut hosts = deploy.stages.iter().flat_map(|stage| &stage.hosts);
        hosts.any(|pattern| knows_sites(&pattern.name))
    };
    let mut deploys = project.deploys.iter().filter(|(_, deploy)| is_theirs(deploy));
    deploys.next().map(|(name, _)| name.clone())
}

/// A name that compose takes for a project, and that is part of host names.
fn check_name(project: &Project, name: &str) -> Result<(), Diagnostic> {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_part) || name.starts_with('-') || name.ends_with('-') {
        return Err(Diagnostic::new(format!("`{name}` is not a valid name for a stack"))
            .hint("use lowercase letters, digits and `-` between them"));
    }
    let folder = Path::new("templates").join(STACKS).join(name);
    if project.root.join(&folder).symlink_metadata().is_ok() {
        return Err(Diagnostic::new(format!("`{}` exists already", folder.display()))
            .hint("choose another name, or edit the files in that folder"));
    }
    Ok(())
}

fn own_group<'a>(project: &'a Project, group: &str) -> Result<&'a str, Diagnostic> {
    let found = project.group_data.get_key_value(group);
    found.map(|(name, _)| name.as_str()).ok_or_else(|| {
        let known = project.group_data.keys().map(String::as_str);
        Diagnostic::new(format!("unknown group `{group}`")).hint_maybe(suggestion(group, known))
    })
}

/// The only group whose list has stacks, or else the only one with a list.
fn only_list(project: &Project) -> Option<&str> {
    let lists = |is_wanted: fn(&[Value]) -> bool| {
        let groups = project.group_data.iter();
        let mut found = groups.filter(|(_, group)| listed(group).is_some_and(is_wanted));
        match (found.next(), found.next()) {
            (Some((name, _)), None) => Some(name.as_str()),
            _ => None,
        }
    };
    lists(|items| !items.is_empty()).or_else(|| lists(<[_]>::is_empty))
}

fn listed(group: &GroupData) -> Option<&[Value]> {
    match &group.data.get(LIST)?.value.kind {
        Kind::List(items) => Some(items),
        _ => None,
    }
}

/// The file of a group with one more word in its list of stacks. One with a site comes before what makes sites of all stacks, so
/// that it runs by the time it is reached.
fn with_word(project: &Project, group: &str, name: &str, has_site: bool) -> Result<(String, String), Diagnostic> {
    let path = format!("group_data/{group}.toml");
    let failed = |why: String| Diagnostic::new(format!("cannot add `{name}` to `{LIST}` in `{path}`")).because(why);
    let text = fs::read_to_string(project.root.join(&path)).map_err(|error| failed(error.to_string()))?;
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| failed(error.to_string()))?;
    let list = document
        .entry(LIST)
        .or_insert_with(|| Item::Value(toml_edit::Array::new().into()));
    let Some(list) = list.as_array_mut() else {
        return Err(failed("it is not a list".to_owned()));
    };
    let collects = |item: &toml_edit::Value| item.as_str().is_some_and(|stack| collects_sites(project, stack));
    let mut reversed = (0..list.len()).rev();
    let before = reversed.find(|at| has_site && list.get(*at).is_some_and(collects));
    match before {
        Some(at) => {
            let decor = list.get(at).map(|item| item.decor().clone());
            list.insert(at, name);
            if let (Some(decor), Some(added)) = (decor, list.get_mut(at)) {
                *added.decor_mut() = decor;
            }
            if at == 0
                && let Some(next) = list.get_mut(1).filter(|next| is_bare(next))
            {
                next.decor_mut().set_prefix(" ");
            }
        }
        None => list.push(name),
    }
    Ok((path.clone(), document.to_string()))
}

/// Whether nothing stands before an item of a list.
fn is_bare(item: &toml_edit::Value) -> bool {
    let prefix = item.decor().prefix().and_then(toml_edit::RawString::as_str);
    prefix.unwrap_or_default().is_empty()
}

/// Whether a template of the stack reads the sites of stacks.
fn collects_sites(project: &Project, stack: &str) -> bool {
    let folder = project.root.join("templates").join(STACKS).join(stack);
    let mut ahead = vec![folder];
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                ahead.push(path);
            } else if path.extension().is_some_and(|extension| extension == "j2")
                && fs::read_to_string(&path).is_ok_and(|text| text.contains("].sites"))
            {
                return true;
            }
        }
    }
    false
}

/// The first network that the data of the project name.
fn first_network(project: &Project) -> Option<String> {
    let table = |data: &Table| data.get("docker")?.value.as_table().cloned();
    let networks = project
        .group_data
        .values()
        .find_map(|group| table(&group.data)?.get("networks").cloned())?;
    let Kind::List(networks) = networks.value.kind else {
        return None;
    };
    let name = networks.first()?.as_table()?.get("name")?.value.as_str()?.to_owned();
    Some(name)
}

fn compose(stack: &NewStack<'_>, network: Option<&str>) -> String {
    let mut text = format!(
        "services:\n  {}:\n    image: {{{{ stack.image }}}}\n    restart: unless-stopped\n    security_opt: [\"no-new-privileges:true\"]\n",
        stack.name
    );
    match (network, stack.port) {
        (Some(network), _) => {
            let _ = write!(
                text,
                "    networks: [{network}]\nnetworks:\n  {network}: {{ external: true }}\n"
            );
        }
        (None, Some(port)) => {
            let _ = writeln!(text, "    ports: [\"{port}:{port}\"]");
        }
        (None, None) => {}
    }
    text
}

fn settings(stack: &NewStack<'_>, is_behind_proxy: bool) -> String {
    let mut text = format!("[defaults]\nimage = \"{}\"\n", stack.image);
    if let Some(port) = stack.port.filter(|_| is_behind_proxy) {
        let name = stack.name;
        let _ = write!(
            text,
            "\n[[sites]]\nhost = \"{name}.{{{{ base_domain }}}}\"\nupstream = \"{name}:{port}\"\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::load;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            write(&folder.path().join(path), text).expect("written");
        }
        let project = load(folder.path()).expect("a project");
        (folder, project)
    }

    const INVENTORY: (&str, &str) = ("inventories/dev.toml", "[hosts.a]\ngroups = ['web', 'docker']\n");
    const LAB: (&str, &str) = (
        "inventories/dev.toml",
        "[lab]\nimage = 'debian:13'\n[hosts.a]\nlab = {}\ngroups = ['web', 'docker', 'names']\n",
    );
    const DOCKER: (&str, &str) = ("group_data/docker.toml", "[docker]\nnetworks = [{ name = 'proxy' }]\n");

    fn stack<'a>(name: &'a str, image: &'a str) -> NewStack<'a> {
        NewStack {
            name,
            image,
            port: Some(80),
            network: None,
            group: None,
        }
    }

    #[test]
    fn a_stack_is_a_folder_and_a_word() {
        let web = (
            "group_data/web.toml",
            "# ours\nbase_domain = 'x'\nstacks = [\n  \"caddy\",\n]\n",
        );
        let caddy = ("templates/services/caddy/compose.yaml", "services: {}\n");
        let real = ("inventories/a-real.toml", "[hosts.b]\ngroups = ['web', 'docker']\n");
        let other = ("deploys/all.toml", "hosts = ['*']\ntasks = []\n");
        let deploy = (
            "deploys/box.toml",
            "hosts = ['web']\ntasks = [{ task = 'one', for_each = 'stacks' }]\n",
        );
        let task = (
            "tasks/one.toml",
            "[[operation]]\nop = 'files.directory'\npath = '/srv'\n",
        );
        let names = ("deploys/names.toml", "hosts = ['names']\ntasks = []\n");
        let of_names = ("group_data/names.toml", "[dns]\nsites_host = 'a'\n");
        let (folder, project) = project(&[LAB, real, other, deploy, names, of_names, task, DOCKER, web, caddy]);
        let inner = NewStack {
            port: None,
            ..stack("inner", "nginx:1")
        };
        let without_site = write_stack(&project, &inner).expect("written");
        assert_eq!(without_site.names_deploy, None, "no site, no name");
        let written = write_stack(&project, &stack("who-am-i", "traefik/whoami:v1")).expect("written");
        assert_eq!(written.list.as_deref(), Some("group_data/web.toml"));
        assert_eq!(written.deploy, Some(("dev".to_owned(), "box".to_owned())));
        assert_eq!(written.names_deploy.as_deref(), Some("names"));
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).expect("a file");
        assert!(
            read("group_data/web.toml").contains("who-am-i"),
            "{}",
            read("group_data/web.toml")
        );
        assert!(read("group_data/web.toml").starts_with("# ours\n"));
        let compose = read("templates/services/who-am-i/compose.yaml.j2");
        assert!(
            compose.contains("networks: [proxy]") && !compose.contains("ports"),
            "{compose}"
        );
        assert!(read("templates/services/who-am-i/stack.toml").contains("upstream = \"who-am-i:80\""));
        let project = load(folder.path()).expect("still a project");
        assert!(project.catalogue.contains_key("who-am-i"));
        let again = write_stack(&project, &stack("who-am-i", "traefik/whoami")).expect_err("taken");
        assert!(again.title.contains("exists already"), "{again:?}");
    }

    #[test]
    fn a_site_is_there_before_the_proxy_leads_to_it() {
        let caddyfile =
            "{% for name in stacks %}{% for site in catalogue[name].sites %}{{ site.host }}{% endfor %}{% endfor %}";
        let of_caddy = ("templates/services/caddy/conf/Caddyfile.j2", caddyfile);
        let caddy = ("templates/services/caddy/compose.yaml", "services: {}\n");
        let other = ("templates/services/db/compose.yaml", "services: {}\n");
        for (before, port, after) in [
            ("['db', 'caddy']", Some(80), "['db', \"new\", 'caddy']"),
            ("['caddy']", Some(80), "[\"new\", 'caddy']"),
            ("['caddy', 'db']", Some(80), "[\"new\", 'caddy', 'db']"),
            (
                "[\n  'db',\n  'caddy',\n]",
                Some(80),
                "[\n  'db',\n  \"new\",\n  'caddy',\n]",
            ),
            (
                "[\n  'caddy', # last\n]",
                Some(80),
                "[\n  \"new\",\n  'caddy', # last\n]",
            ),
            ("['db', 'caddy']", None, "['db', 'caddy', \"new\"]"),
            ("['db']", Some(80), "['db', \"new\"]"),
        ] {
            let web = format!("base_domain = 'x'\nstacks = {before}\n");
            let (folder, project) =
                project(&[INVENTORY, DOCKER, of_caddy, caddy, other, ("group_data/web.toml", &web)]);
            let new = NewStack {
                port,
                ..stack("new", "nginx:1")
            };
            write_stack(&project, &new).expect("written");
            let text = fs::read_to_string(folder.path().join("group_data/web.toml")).expect("a file");
            assert_eq!(text, format!("base_domain = 'x'\nstacks = {after}\n"), "{before}");
        }
    }

    #[test]
    fn without_networks_and_lists_a_port_is_published() {
        let web = ("group_data/web.toml", "");
        let docker = ("group_data/docker.toml", "");
        let (folder, project) = project(&[INVENTORY, docker, web]);
        let written = write_stack(&project, &stack("web", "nginx")).expect("written");
        assert_eq!(written.list, None);
        let compose = fs::read_to_string(folder.path().join("templates/services/web/compose.yaml.j2")).expect("a file");
        assert!(compose.contains("ports: [\"80:80\"]"), "{compose}");
    }

    #[test]
    fn what_is_wrong_writes_nothing() {
        let web = ("group_data/web.toml", "stacks = []\n");
        let (folder, project) = project(&[INVENTORY, DOCKER, web]);
        for (name, image) in [
            ("", "nginx"),
            ("../x", "nginx"),
            ("Web", "nginx"),
            ("a.b", "nginx"),
            ("-a", "nginx"),
            ("web", "Nginx"),
            ("web", "nginx:"),
            ("web", "nginx\"\nx = 1"),
        ] {
            write_stack(&project, &stack(name, image)).expect_err(name);
        }
        let unknown = NewStack {
            group: Some("wbe"),
            ..stack("web", "nginx")
        };
        write_stack(&project, &unknown).expect_err("no such group");
        assert!(!folder.path().join("templates").exists());
    }
}
