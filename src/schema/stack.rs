//! `templates/services/<stack>/stack.toml`.
#![expect(dead_code, reason = "these types describe what is read by hand, and are never made")]

use schemars::JsonSchema;

use super::data::Variables;

/// What the compose file of a stack cannot say.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Stack {
    /// What the templates of the folder see as `stack`, unless the host's `stack_settings` say otherwise.
    defaults: Option<Variables>,
    /// What answers for it as a web site.
    site: Option<Site>,
    /// How a backup of it is made.
    backup: Option<Backup>,
}

/// What answers for a stack as a web site; further keys are for templates.
#[derive(JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
struct Site {
    /// The service and its port, as in `"grafana:3000"`.
    upstream: String,
}

/// How a backup is made.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Backup {
    /// The command that makes it, as a list of words.
    command: Vec<String>,
    /// How many are kept.
    keep: Option<u32>,
    /// The time of day, as in `"01:30"`.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    at: Option<String>,
}
