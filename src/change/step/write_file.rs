//! The step that writes a file.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::command::timeout;
use super::fetch::Fetch;
use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::resolved_path::{End, ResolvedPath, carry_over, enter_stage, hold_old, refuse_append_only, temporary_name};
use super::state::{Attributes, content_is, file_is, set_attributes, set_mode, set_owner};
use super::validator::{Swap, Validator};
use crate::content::{Content, Input};
use crate::facts::Environment;
use crate::facts::path::parent;
use crate::quote::quote;

/// Writes a file atomically: content, owner and mode together, or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteFile {
    /// With links resolved, since the file at this path is replaced.
    pub path: String,
    pub content: Content,
    pub attributes: Attributes,
    /// A command that must accept the new file before it replaces the old one; `{path}` is the new file, in its place where the
    /// host can show that without doing it.
    pub validate: Option<Vec<String>>,
    /// How long that command may take; by default as long as it wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_within: Option<Duration>,
    /// Its variables.
    #[serde(default, skip_serializing_if = "Environment::is_empty")]
    pub validate_env: Environment,
    /// Whether the old file stays beside the new one, with the time in its name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backup: bool,
    /// Where the host gets the content from by itself; `None` if it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<Fetch>,
}

impl StepKind for WriteFile {
    fn attempt(&self) -> String {
        format!("write `{}`", self.path)
    }

    /// Writes to a temporary file on the same file system, which replaces the target once it is complete and accepted.
    fn script(&self, options: &ScriptOptions<'_>) -> Script {
        let beside = temporary_name(parent(&self.path), options.random);
        let (body, stage) = match options.resolved {
            Some(resolved) if resolved.is_open || (!resolved.in_place && self.could_be_seen(&resolved.end)) => {
                (self.staged(resolved, options), resolved.upload(options.random))
            }
            resolved => (self.beside(resolved, &beside), Some(beside)),
        };
        match &self.fetch {
            None => Script {
                content: Some(self.content.clone()),
                stage,
                ..Script::of(body)
            },
            Some(fetch) => Script {
                content: fetch.input(),
                ..Script::of(body)
            },
        }
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn already(&self) -> Option<String> {
        Some(file_is(&self.path, Some(self.content.sha256()), &self.attributes))
    }

    /// The content counts only if it can be read: without root, a file may be closed to its own writer.
    fn proof(&self) -> Option<String> {
        let attributes = file_is(&self.path, None, &self.attributes);
        let content = content_is(&self.path, self.content.sha256());
        Some(format!(
            "{attributes} && {{ [ ! -r {} ] || {content}; }}",
            quote(&self.path)
        ))
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        let copies = self.fetch.as_ref().and_then(Fetch::copied);
        vec![Claim::file(&self.path, &self.attributes, &self.content, copies)]
    }
}

/// Runs the command on the new file, and compares the file with `digest` and what it was before: the command may write to it.
fn accepted(file: &WriteFile, validator: &Validator<'_>, swap: Option<&Swap>) -> String {
    const STATE: &str = "$(stat -c '%d:%i %u:%g %a' -- \"$t\")";
    let refusing = validator.name();
    // What the user wrote is shown.
    let shown = validator
        .written()
        .map_or_else(String::new, |command| format!(": `{command}`"));
    let refusal = quote(&format!("{refusing} did not accept the new file; "));
    let changed = quote(&format!("{refusing} changed the new file; "));
    let shown = quote(&shown);
    let stays = format!(
        "o='the old file stays'; [ -e {path} ] || [ -L {path} ] || o='nothing was written'",
        path = quote(&file.path)
    );
    let digest = file.content.sha256();
    let (since, long) = match file.validate_within {
        None => (String::new(), String::new()),
        Some(limit) => over_time(limit, refusing, &stays, &shown),
    };
    format!(
        "s={STATE}\n\
         {since}\
         {run}\
         {long}\
         [ $code = 0 ] || [ $code = {wrote} ] || {{ {stays}; printf '%s%s%s\\n' {refusal} \"$o\" {shown}; exit \"$code\"; }}\n\
         [ $code = 0 ] && [ \"$s $(sha256sum <\"$t\")\" = \"{STATE} {digest}  -\" ] || {{ {stays}; printf '%s%s%s\\n' {changed} \"$o\" {shown}; exit 1; }}\n",
        run = validator.script(swap),
        wrote = Validator::CHANGED,
    )
}

/// Shell text before and after the command that tells its limit from an end of its own: timeout(1) says 137 of what it had to kill,
/// as a shell does of what the kernel ended.
fn over_time(limit: Duration, refusing: &str, stays: &str, shown: &str) -> (String, String) {
    let seconds = limit.as_secs().max(1);
    let long = quote(&format!("{refusing} took longer than {seconds} s; "));
    (
        "read -r since _ </proc/uptime\n".to_owned(),
        format!(
            "case $code in 124|137) read -r now _ </proc/uptime\n\
             [ $((${{now%.*}} - ${{since%.*}})) -lt {seconds} ] || {{ {stays}; printf '%s%s%s\\n' {long} \"$o\" {shown}; exit 124; }} ;; esac\n"
        ),
    )
}

impl WriteFile {
    /// Whether the new content could be read by those who may read the old file, while its attributes are carried over.
    fn could_be_seen(&self, end: &End) -> bool {
        match end {
            End::Absent => false,
            End::Present { mode, .. } => mode & !self.attributes.mode & 0o077 != 0,
            End::Unknown => true,
        }
    }

    /// With the new file next to the old one.
    fn beside(&self, resolved: Option<&ResolvedPath>, temporary: &str) -> String {
        let in_place = resolved.is_some_and(|resolved| resolved.in_place);
        let is_there = !in_place && resolved.is_some_and(|resolved| matches!(resolved.end, End::Present { .. }));
        let keep = if self.backup && (is_there || in_place) {
            keep_old("\"$p\"", "\"$p\"", !in_place, true)
        } else {
            String::new()
        };
        let place = if in_place {
            // Empty in between: neither the old nor the new content is seen by those who may not.
            format!(
                ": >\"$p\" && {} && cat <\"$t\" >\"$p\" && sync -- \"$p\"",
                set_attributes("\"$p\"", &self.attributes)
            )
        } else {
            "sync -- \"$t\" && mv -f -T -- \"$t\" \"$p\"".to_owned()
        };
        let carry = if is_there {
            carry_over("\"$p\"", "\"$t\"")
        } else {
            String::new()
        };
        // What cannot be replaced cannot be swapped.
        let swap = (!in_place).then_some(Swap {
            place: "\"$p\"",
            kept: "\"$t.old\"",
        });
        let look = if is_there || in_place {
            String::new()
        } else {
            refuse_append_only(parent(&self.path))
        };
        format!(
            "{look}p={path}\n\
             t={temporary} v=$t\n\
             trap 'rm -f -- \"$t\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
             if [ -d \"$p\" ]; then echo \"$p is a directory\"; exit 1; fi\n\
             [ \"$staged\" = \"$t\" ] || {{ {take}; }}\n\
             {finish}{place}",
            take = self.take(),
            path = quote(&self.path),
            temporary = quote(temporary),
            finish = self.finish(&carry, swap.as_ref()) + &keep,
        )
    }

    /// With the new file in a folder that only root can enter.
    fn staged(&self, resolved: &ResolvedPath, options: &ScriptOptions<'_>) -> String {
        // By its path, another user could replace the file while it is validated.
        let seen = match (&self.validate, resolved.is_open) {
            (None, _) => "",
            (Some(_), true) => "v=/proc/$(exec sh -c 'echo $PPID')/cwd/new\n",
            (Some(_), false) => "v=${d%/}/$w/new\n",
        };
        let swap = Swap {
            place: "\"../$n\"",
            kept: "./swapped",
        };
        let carry = match resolved.end {
            End::Absent => String::new(),
            End::Present { .. } | End::Unknown => format!(
                "if [ -e \"../$n\" ] && [ ! -L \"../$n\" ]; then\n{} || changed\n{}fi\n",
                hold_old(resolved),
                carry_over("./old", "./new")
            ),
        };
        let keep = match resolved.end {
            End::Present { .. } | End::Unknown if self.backup => {
                format!(
                    "if [ -f ./old ]; then\n{}fi\n",
                    keep_old("./old", "\"../$n\"", true, false)
                )
            }
            _ => String::new(),
        };
        format!(
            "{enter}t=./new\n{seen}\
             if [ -d \"../$n\" ] && [ ! -L \"../$n\" ]; then echo \"$d/$n is a directory\"; exit 1; fi\n\
             if [ -n \"$staged\" ]; then mv -T -- \"$staged\" ./new || exit; else {take}; fi\n\
             {finish}sync -- ./new && mv -f -T -- ./new \"../$n\"",
            enter = enter_stage(resolved, options.random),
            take = self.take(),
            finish = self.finish(&carry, Some(&swap)) + &keep,
        )
    }

    /// The command that must accept it, if there is one.
    pub(super) fn validator(&self) -> Option<Validator<'_>> {
        let command = self.validate.as_deref()?;
        let validator = Validator::new(&self.path, &self.attributes, command, &self.validate_env);
        Some(validator.within(self.validate_within))
    }

    /// Writes the content to `$t`, which must be new.
    fn take(&self) -> String {
        let Some(fetch) = &self.fetch else {
            return "set -C; cat >\"$t\" || exit; set +C".to_owned();
        };
        let limit = self.validate_within.map(timeout);
        let script = fetch.script(limit.as_deref());
        format!(
            "set -C; : >\"$t\" || exit; set +C\n( {}{script}\n) >>\"$t\" || exit",
            self.validate_env.exports()
        )
    }

    /// The bytes that it sends, which are stored separately from a plan. Secret ones are never stored.
    pub(super) fn stored_content(&mut self) -> Option<&mut Content> {
        match &mut self.fetch {
            None if self.content.is_secret() => None,
            None => Some(&mut self.content),
            Some(Fetch::Download {
                headers: Some(Input::Open(content)),
                ..
            }) => Some(content),
            Some(_) => None,
        }
    }

    /// From the content in `$t` to a file that is complete and accepted; `$v` is its path for the command that validates it.
    fn finish(&self, carry: &str, swap: Option<&Swap>) -> String {
        let attributes = &self.attributes;
        format!(
            "[ \"$(sha256sum <\"$t\")\" = '{digest}  -' ] || {{ {refuse}; }}\n\
             {owner} || exit\n\
             {carry}\
             {mode} || exit\n\
             {accepted}",
            digest = self.content.sha256(),
            refuse = self.fetch.as_ref().map_or_else(
                || "printf '%s\\n' 'the content arrived incomplete'; exit 1".to_owned(),
                Fetch::refuse_digest
            ),
            owner = set_owner("\"$t\"", &attributes.owner, &attributes.group),
            mode = set_mode("\"$t\"", attributes.mode),
            accepted = self
                .validator()
                .map_or_else(String::new, |validator| accepted(self, &validator, swap)),
        )
    }
}

/// Shell text that keeps the old file beside the new one, by a second name. Most programs that read whole folders skip names that end
/// in `~`.
///
/// With `copies`, it is copied where a second name is not possible; where others may write, a copy could be led elsewhere.
fn keep_old(old: &str, name: &str, links: bool, copies: bool) -> String {
    let ways = [
        (links, format!("ln -T -- {old} \"$b\" 2>/dev/null")),
        (copies, format!("cp -p -T -- {old} \"$b\"")),
    ];
    let ways: Vec<String> = ways
        .into_iter()
        .filter_map(|(is_used, way)| is_used.then_some(way))
        .collect();
    // Operations of one second keep a file each.
    format!(
        "k={name}.$(date -u +%Y%m%dT%H%M%SZ); b=$k~; j=1\n\
         while [ $j -lt 100 ] && {{ [ -e \"$b\" ] || [ -L \"$b\" ]; }}; do j=$((j + 1)); b=$k.$j~; done\n\
         [ ! -e \"$b\" ] && [ ! -L \"$b\" ] && {{ {ways}; }} \
         || {{ printf 'the old file cannot be kept as %s\\n' \"$b\"; exit 1; }}\n",
        ways = ways.join(" || "),
    )
}
