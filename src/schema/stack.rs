//! `templates/services/<stack>/stack.toml`.
#![expect(dead_code, reason = "these types describe what is read by hand, and are never made")]

use schemars::JsonSchema;

use super::data::Variables;

/// Settings of a stack that its compose file cannot hold.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Stack {
    /// Defaults of what templates see as `stack`; a host's `stack_settings` override them.
    defaults: Option<Variables>,
    /// Where the service is reachable as a web site.
    site: Option<Site>,
    /// How to back up the stack.
    backup: Option<Backup>,
}

/// Where the service is reachable as a web site. More keys may be added for templates.
#[derive(JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
struct Site {
    /// Service and port, such as `"grafana:3000"`.
    upstream: String,
}

/// How to back up a stack.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Backup {
    /// Backup command, as a list of words.
    command: Vec<String>,
    /// How many backups to keep.
    keep: Option<u32>,
    /// Time of day, such as `"01:30"`.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    at: Option<String>,
}
