//! `k3s.kubeconfig`: the credentials of a cluster of k3s, for `kubectl` there or elsewhere.
//!
//! ```toml
//! [[operation]]
//! op = "k3s.kubeconfig"
//! dest = "/home/anna/.kube/config"
//! from = "{{ hosts['k3s-1'].captured.kubeconfig }}"
//! server = "https://k3s-1.home.example:6443"
//! user = "anna"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::start::comes_with;
use crate::change::{NotKnown, Outcome, ResourceKind, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::facts::path::{ContentFact, ContentKey};
use crate::operations::files::parameters::{Mode, check_owners, check_path, path_and_ancestors};
use crate::operations::files::removal::plan_absent;
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::operation::Demand;
use crate::operations::request::check_url;
use crate::operations::{Define, Operation, PlanContext};
use crate::secret::{Secret, Sort, World};
use crate::template::yaml_text;
use crate::value::Text;

/// Where k3s writes the credentials of its cluster.
const OWN: &str = "/etc/rancher/k3s/k3s.yaml";
/// What gives no access: certificates without their keys, and names and paths.
const OPEN: [&str; 4] = [
    "client-certificate-data",
    "client-certificate",
    "client-key",
    "tokenFile",
];
/// The lists of a kubeconfig, with what the entries of each hold.
const LISTS: [(&str, &str); 3] = [("clusters", "cluster"), ("contexts", "context"), ("users", "user")];

/// Parameters of `k3s.kubeconfig`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Kubeconfig {
    /// Absolute path of the file on the host.
    dest: String,
    /// Text of the kubeconfig that it is made from, such as `"{{ hosts['k3s-1'].captured.kubeconfig }}"`. By default it is this host's
    /// own `/etc/rancher/k3s/k3s.yaml`.
    from: Option<Text>,
    /// URL at which the cluster is reached from where the file is used, such as `"https://k3s-1.home.example:6443"`.
    server: String,
    /// Name of the context, and of the cluster and the user in it. With `merge`, it tells clusters apart.
    #[serde(default = "default_context")]
    context: String,
    /// User who owns the file. By default the owner is kept; a new file belongs to `root`.
    user: Option<String>,
    /// Permissions; default: `"0600"`.
    #[serde(default = "default_mode")]
    mode: Mode,
    /// `true` keeps the other contexts of a file that is there, and the one that is in use.
    #[serde(default)]
    merge: bool,
    /// `false` removes the file; with `merge`, the context alone, and the file if it has no other.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

fn default_context() -> String {
    "default".to_owned()
}

fn default_mode() -> Mode {
    Mode(0o600)
}

impl Define for Kubeconfig {
    const NAME: &'static str = "k3s.kubeconfig";
    const SUMMARY: &'static str = "Write the credentials of a k3s cluster for kubectl";
    const MAIN_ARGUMENT: &'static str = "dest";
    const TOLD_APART_BY: &'static [&'static str] = &["context"];
    const EXAMPLE: &'static str = r#"[[operation]]
op = "k3s.kubeconfig"
dest = "/root/.kube/config"
server = "https://192.0.2.10:6443"
"#;
}

impl Operation for Kubeconfig {
    fn needs(&self) -> Vec<FactKey> {
        let own = (self.present && self.from.is_none()).then(|| FactKey::Content(OWN.to_owned()));
        let old = (self.merge || !self.present).then(|| FactKey::Content(self.dest.clone()));
        path_and_ancestors(&self.dest)
            .into_iter()
            .chain(own)
            .chain(old)
            .collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.dest.clone()))]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        // Others may keep their contexts in the file.
        if self.merge && !self.present {
            return Vec::new();
        }
        vec![Demand::presence(ResourceKind::File, &self.dest, self.present)]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "dest", &self.dest)?;
        check_owners(context, self.user.as_deref(), None)?;
        check_url(context, "server", &self.server)?;
        if self.context.trim().is_empty() {
            return Err(context
                .refuse("context", "`context` is empty", "a context needs a name")
                .hint("write a name, such as that of the cluster"));
        }
        if !self.present {
            return self.remove(context);
        }
        let wish = |content| FileWish {
            owner: self.user.as_deref(),
            mode: Some(self.mode.0),
            ..FileWish::new(&self.dest, "dest", WishedContent::Ready(content))
        };
        let text = match &self.from {
            // What stands in for a value that is known only later is no kubeconfig.
            Some(from) if from.is_later() => return plan_file(context, &wish(Content::of_text(from))),
            Some(from) => from.expose().clone(),
            None => own(context)?,
        };
        let source = if self.from.is_some() { "from" } else { "dest" };
        let read = Config::read(&text).map_err(|why| {
            let title = match &self.from {
                Some(_) => "`from` is not the kubeconfig of a cluster".to_owned(),
                None => format!("`{OWN}` is not the kubeconfig of a cluster"),
            };
            context
                .refuse(source, title, why)
                .hint("it must be what k3s writes to `/etc/rancher/k3s/k3s.yaml`")
        })?;
        let mut config = read.renamed(&self.context, &self.server);
        if self.merge
            && let Some(old) = self.old(context)?
        {
            config = old.with(config);
        }
        let text: Text = config.text().into();
        plan_file(context, &wish(Content::of_text(&text)))
    }
}

impl Kubeconfig {
    /// Removes the context, or the file.
    fn remove(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        if !self.merge {
            return plan_absent(context, &self.dest);
        }
        let Some(old) = self.old(context)? else {
            return Ok(Outcome::Unchanged);
        };
        if !old.has(&self.context) {
            return Ok(Outcome::Unchanged);
        }
        match old.without(&self.context) {
            None => plan_absent(context, &self.dest),
            Some(left) => {
                let text: Text = left.text().into();
                let content = WishedContent::Ready(Content::of_text(&text));
                plan_file(context, &FileWish::new(&self.dest, "dest", content))
            }
        }
    }

    /// What the file has now; `None` if there is none.
    fn old(&self, context: &PlanContext<'_>) -> Result<Option<Config>, Stop> {
        let refuse = |why: &str| {
            let title = format!("`{}` is not a kubeconfig", self.dest);
            let hint = "correct the file on the host, or remove `merge` to replace it";
            context.refuse("merge", title, why).hint(hint)
        };
        match context.get(ContentKey(&self.dest))? {
            ContentFact::Absent => Ok(None),
            ContentFact::Bytes(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Ok(None),
            ContentFact::Bytes(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| refuse("it is not text"))?;
                let file: Json = serde_saphyr::from_str(&text).map_err(|_| refuse("it cannot be read as YAML"))?;
                let Json::Object(file) = file else {
                    return Err(refuse("it is not a table"));
                };
                Ok(Some(Config(file)))
            }
            ContentFact::TooLarge => Err(refuse("it is too large")),
        }
    }
}

/// The text that k3s wrote on this host.
fn own(context: &PlanContext<'_>) -> Result<String, Stop> {
    match context.get(ContentKey(OWN))? {
        ContentFact::Bytes(bytes) => String::from_utf8(bytes)
            .map_err(|_| context.refuse("dest", format!("`{OWN}` is not text"), "made from this file")),
        ContentFact::Absent => match comes_with(context) {
            Some(operation) => Err(Stop::NotKnown {
                key: FactKey::Content(OWN.to_owned()),
                cause: NotKnown::Since(operation, "k3s writes it when it starts".to_owned()),
            }),
            None => Err(context
                .refuse("dest", format!("`{OWN}` does not exist"), "made from this file")
                .hint("install k3s first, with `k3s.server`, or write `from`")),
        },
        ContentFact::TooLarge => Err(context.refuse("dest", format!("`{OWN}` is too large"), "made from this file")),
    }
}

/// A kubeconfig.
#[derive(Clone)]
struct Config(Map<String, Json>);

impl Config {
    /// The one cluster and user of a kubeconfig.
    ///
    /// Errors: why it has none, in words for a label.
    fn read(text: &str) -> Result<Self, &'static str> {
        // The library's own words may have a part of the text, which is a secret.
        let file: Json = serde_saphyr::from_str(text).map_err(|_| "it cannot be read as YAML")?;
        let Json::Object(file) = file else {
            return Err("it is not a table");
        };
        for (list, of) in LISTS {
            let entry = file
                .get(list)
                .and_then(|list| list.get(0))
                .and_then(|entry| entry.get(of));
            if !entry.is_some_and(Json::is_object) {
                return Err(match list {
                    "clusters" => "it has no cluster",
                    "contexts" => "it has no context",
                    _ => "it has no user",
                });
            }
        }
        Ok(Self(file))
    }

    /// With the cluster and the user of its context alone, under this name and with this address.
    fn renamed(&self, name: &str, server: &str) -> Self {
        let current = self.0.get("current-context").and_then(Json::as_str);
        let context = self.entry("contexts", "context", current);
        let named = |key: &str| context.get(key).and_then(Json::as_str);
        let mut cluster = self.entry("clusters", "cluster", named("cluster"));
        cluster.insert("server".to_owned(), json!(server));
        let user = self.entry("users", "user", named("user"));
        let mut context = context.clone();
        context.insert("cluster".to_owned(), json!(name));
        context.insert("user".to_owned(), json!(name));
        let file = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": name, "cluster": cluster }],
            "contexts": [{ "name": name, "context": context }],
            "users": [{ "name": name, "user": user }],
            "current-context": name,
        });
        match file {
            Json::Object(file) => Self(file),
            _ => self.clone(),
        }
    }

    /// What the entry of this name holds, or else the first one.
    fn entry(&self, list: &str, of: &str, name: Option<&str>) -> Map<String, Json> {
        let entries = self.0.get(list).and_then(Json::as_array);
        let entries = entries.map(Vec::as_slice).unwrap_or_default();
        let is_named = |entry: &&Json| name.is_some() && entry.get("name").and_then(Json::as_str) == name;
        let entry = entries.iter().find(is_named).or_else(|| entries.first());
        let held = entry.and_then(|entry| entry.get(of)).and_then(Json::as_object);
        held.cloned().unwrap_or_default()
    }

    /// This one with the entries of `new`, which replace those of their names.
    fn with(mut self, new: Self) -> Self {
        for (key, value) in new.0 {
            let is_kept = |old: &Json| old.as_str().is_some_and(|old| !old.is_empty());
            match (self.0.get_mut(&key), value) {
                (Some(Json::Array(old)), Json::Array(new)) => {
                    for entry in new {
                        match old.iter_mut().find(|one| one.get("name") == entry.get("name")) {
                            Some(one) => *one = entry,
                            None => old.push(entry),
                        }
                    }
                }
                (Some(old), _) if is_kept(old) => {}
                (_, value) => {
                    self.0.insert(key, value);
                }
            }
        }
        self
    }

    fn has(&self, name: &str) -> bool {
        let is_named = |entry: &Json| entry.get("name").and_then(Json::as_str) == Some(name);
        LISTS.iter().any(|(list, _)| {
            let entries = self.0.get(*list).and_then(Json::as_array);
            entries.is_some_and(|entries| entries.iter().any(is_named))
        })
    }

    /// This one without the context of this name, its cluster and its user; `None` if it has no other context.
    fn without(mut self, name: &str) -> Option<Self> {
        for (list, _) in LISTS {
            if let Some(Json::Array(entries)) = self.0.get_mut(list) {
                entries.retain(|entry| entry.get("name").and_then(Json::as_str) != Some(name));
            }
        }
        let first = self.0.get("contexts")?.get(0)?.get("name")?.clone();
        if self.0.get("current-context").and_then(Json::as_str) == Some(name) {
            self.0.insert("current-context".to_owned(), first);
        }
        Some(self)
    }

    /// As a file, in which the credentials are secrets.
    fn text(&self) -> Secret {
        let file = Json::Object(self.0.clone());
        Secret::of_worlds(World::ALL.map(|world| in_world(&file, world)), Sort::Text)
    }
}

fn in_world(file: &Json, world: World) -> String {
    let mut file = file.clone();
    let users = file.get_mut("users").and_then(Json::as_array_mut);
    for user in users.into_iter().flatten() {
        if let Some(Json::Object(held)) = user.get_mut("user") {
            let secrets = held.iter_mut().filter(|(key, _)| !OPEN.contains(&key.as_str()));
            secrets.for_each(|(_, value)| cover(value, world));
        }
    }
    format!("{}\n", yaml_text(&file))
}

/// Replaces every text by what stands for it in this world.
fn cover(value: &mut Json, world: World) {
    match value {
        Json::String(text) => {
            let secret = Secret::new(text.as_str());
            secret.in_world(world).clone_into(text);
        }
        Json::Array(items) => items.iter_mut().for_each(|item| cover(item, world)),
        Json::Object(table) => table.values_mut().for_each(|value| cover(value, world)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Action, Attribute};
    use crate::operations::testing::{Bench, change, refusal};

    const K3S: &str = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: Q0E=\n    server: https://127.0.0.1:6443\n  name: default\n\
        contexts:\n- context:\n    cluster: default\n    user: default\n  name: default\ncurrent-context: default\nkind: Config\npreferences: {}\n\
        users:\n- name: default\n  user:\n    client-certificate-data: Q0VSVA==\n    client-key-data: a2V5a2V5a2V5\n";

    fn bench(parameters: &str) -> Bench {
        let text = format!("dest = '/root/config'\nserver = 'https://k3s.example:6443'\n{parameters}");
        Bench::new::<Kubeconfig>(&text)
            .directory("/")
            .directory("/root")
            .private(OWN, K3S)
    }

    #[test]
    fn only_the_credentials_are_masked() {
        let change = change(bench("context = 'home'").absent("/root/config").plan());
        let after = change.after.expect("created");
        let shown = after["content"].shown().expect("shown");
        assert_eq!(
            shown,
            "apiVersion: v1\nkind: Config\nclusters:\n  - name: home\n    cluster:\n      certificate-authority-data: \"Q0E=\"\n      \
             server: \"https://k3s.example:6443\"\ncontexts:\n  - name: home\n    context:\n      cluster: home\n      user: home\nusers:\n  \
             - name: home\n    user:\n      client-certificate-data: \"Q0VSVA==\"\n      client-key-data: [secret]\ncurrent-context: home\n"
        );
        assert_eq!(after["mode"], Attribute::known("0600"));
    }

    #[test]
    fn a_written_file_is_unchanged() {
        let written = Config::read(K3S)
            .expect("a kubeconfig")
            .renamed("default", "https://k3s.example:6443")
            .text();
        let bench = |parameters: &str| bench(parameters).private("/root/config", written.expose());
        assert_eq!(bench("").plan(), Ok(Outcome::Unchanged));
        assert_eq!(bench("merge = true").plan(), Ok(Outcome::Unchanged));
        assert!(matches!(bench("context = 'x'").plan(), Ok(Outcome::Change(_))));
    }

    #[test]
    fn merging_keeps_the_other_contexts_and_the_one_in_use() {
        let config = |name: &str| {
            let k3s = Config::read(K3S).expect("a kubeconfig");
            k3s.renamed(name, &format!("https://{name}.example"))
        };
        let merged = config("work").with(config("home")).with(config("work"));
        let names = |list: &str| {
            let entries = merged.0[list].as_array().expect("a list");
            entries.iter().map(|entry| entry["name"].clone()).collect::<Vec<_>>()
        };
        for (list, _) in LISTS {
            assert_eq!(names(list), ["work", "home"], "{list}");
        }
        assert_eq!(merged.0["current-context"], "work");
        let shown = merged.text().masked();
        assert!(!shown.contains("a2V5a2V5a2V5"), "{shown}");
    }

    #[test]
    fn a_context_goes_and_the_file_with_the_last_one() {
        let config = |name: &str| {
            let k3s = Config::read(K3S).expect("a kubeconfig");
            k3s.renamed(name, "https://k3s.example:6443")
        };
        let both = config("home").with(config("work"));
        let left = both.clone().without("home").expect("another context");
        assert!(left.has("work") && !left.has("home"));
        assert_eq!(left.0["current-context"], "work");
        assert!(left.clone().without("work").is_none());
        let plan = |parameters: &str, file: &Config| {
            let text = file.text();
            bench(&format!("present = false\n{parameters}"))
                .private("/root/config", text.expose())
                .plan()
        };
        let merged = change(plan("merge = true\ncontext = 'home'", &both));
        assert_eq!(merged.action, Action::Update);
        for (parameters, file) in [("merge = true\ncontext = 'work'", &left), ("", &both)] {
            assert_eq!(change(plan(parameters, file)).action, Action::Remove, "{parameters}");
        }
        assert_eq!(plan("merge = true\ncontext = 'other'", &both), Ok(Outcome::Unchanged));
        let absent = bench("present = false\nmerge = true").absent("/root/config");
        assert_eq!(absent.plan(), Ok(Outcome::Unchanged));
    }

    #[test]
    fn what_is_no_kubeconfig_is_refused() {
        for (text, why) in [
            ("a: [", "YAML"),
            ("[]", "not a table"),
            ("clusters: []", "no cluster"),
            ("clusters: [{name: a, cluster: {}}]", "no context"),
            (
                "clusters: [{cluster: {}}]\ncontexts: [{context: {}}]\nusers: 5",
                "no user",
            ),
        ] {
            assert!(
                Config::read(text).err().is_some_and(|label| label.contains(why)),
                "{text}"
            );
        }
        let refused = refusal(bench("from = 'token: abcdef'").plan());
        assert!(refused.title.contains("`from`"), "{refused:?}");
        let none = bench("").absent(OWN).absent("/root/config").plan();
        assert!(refusal(none).title.contains("does not exist"));
    }
}
