//! `templates/services/<stack>/stack.toml`.
#![expect(dead_code, reason = "these types describe what is read by hand, and are never made")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::data::Variables;

/// Settings of a stack that its compose file cannot hold.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Stack {
    /// Defaults of what templates see as `stack`; a host's `stack_settings` override them.
    defaults: Option<Variables>,
    /// Owner and permissions of files of the stack, by patterns of their paths below its folder, such as `"secrets/*"`. Of several that
    /// match, the longest one counts.
    files: Option<BTreeMap<String, OfFile>>,
    /// Directories that the services fill, such as `"export"`: they are created, and their content is left alone.
    directories: Option<BTreeMap<String, Own>>,
    /// What a change of files does, by patterns of their paths. By default the services that a file is mounted into are restarted.
    on_change: Option<BTreeMap<String, OnChange>>,
    /// Where the services are reachable as web sites.
    sites: Option<Vec<Site>>,
    /// How to back up the stack.
    backup: Option<Backup>,
    /// Names of lints that are allowed in the stack, such as `"latest-tag"`; `homelab check --lints` lists them.
    allow: Option<Vec<String>>,
    /// Why they are allowed; needed with `allow`.
    allow_reason: Option<String>,
}

/// What a file of the stack is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OfFile {
    /// User, by name or number. By default that of the operation.
    user: Option<NameOrNumber>,
    /// Group, by name or number. By default that of the operation.
    group: Option<NameOrNumber>,
    /// Permissions, such as `"0400"`.
    #[schemars(regex(pattern = r"^[0-7]{3,5}$"))]
    mode: Option<String>,
    /// A certificate of the project, which is not in the folder: `"pki:ca"`, `"pki:leaves"`, `"pki:NAME.crt"` or `"pki:NAME.key"`.
    #[schemars(regex(pattern = r"^pki:.+$"))]
    src: Option<String>,
}

/// Owner and permissions.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Own {
    /// User, by name or number. By default that of the operation.
    user: Option<NameOrNumber>,
    /// Group, by name or number. By default that of the operation.
    group: Option<NameOrNumber>,
    /// Permissions, such as `"0400"`.
    #[schemars(regex(pattern = r"^[0-7]{3,5}$"))]
    mode: Option<String>,
}

/// A user or group.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum NameOrNumber {
    Name(String),
    Number(u32),
}

/// What a change of files does: one of `reload`, `signal` and `action`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["reload"] }, { "required": ["signal"] }, { "required": ["action"] }]))]
struct OnChange {
    /// The service that it is about, or a list of them; by default all that the files are mounted into.
    service: Option<Services>,
    /// Command in the container of the service that has it read its files again, as a list of words.
    #[schemars(length(min = 1))]
    reload: Option<Vec<String>>,
    /// Signal that has the service read its files again, such as `"HUP"`.
    #[schemars(regex(pattern = "^[A-Z0-9]+$"))]
    signal: Option<String>,
    /// `"restart"`, `"recreate"` or `"none"`.
    action: Option<Action>,
    /// Command that must accept the new files before they replace the old ones, as a list of words. It runs at apply in a throw-away
    /// container of the service's image, without network, which has the new files where the service has them.
    #[schemars(length(min = 1))]
    validate: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Services {
    One(String),
    Several(#[schemars(length(min = 1))] Vec<String>),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Action {
    Restart,
    Recreate,
    None,
}

/// Where a service is reachable as a web site. More keys may be added for templates.
#[derive(JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
struct Site {
    /// Host name of the site, such as `"grafana.lab.example"`.
    #[schemars(length(min = 1))]
    host: String,
    /// Service and port, such as `"grafana:3000"`.
    #[schemars(length(min = 1))]
    upstream: String,
    /// `"lan"` for your own network (the default), `"public"` for the internet, `"mtls"` for the internet with a certificate of your own.
    #[schemars(regex(pattern = r"^(lan|public|mtls)$|\{\{"))]
    kind: Option<String>,
    /// `false` for a site without encryption.
    tls: Option<TruthOrTemplate>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum TruthOrTemplate {
    Truth(bool),
    Template(#[schemars(regex(pattern = r"\{\{"))] String),
}

/// How to back up a stack.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Backup {
    /// The service in whose container the commands run; by default they run on the host, in the project's directory.
    service: Option<String>,
    /// Command, as a list of words. What it prints is the backup.
    command: Vec<String>,
    /// Command that reads a backup and restores it.
    restore: Option<Vec<String>>,
    /// Services that are restarted after a restore; by default `service`.
    restart: Option<Vec<String>>,
    /// How many backups to keep, 7 by default.
    #[schemars(range(min = 1))]
    keep: Option<u32>,
    /// Time of day, such as `"01:30"`; by default 02:30.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    at: Option<String>,
}
