//! The shell text that changes the services of a project, waits for them, and goes back if they do not run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::asked::Asked;
use super::stack::Reload;
use crate::change::PUT_BACK;
use crate::facts::compose::{CLEAN, HASHES, INPUTS, RECORDS};
use crate::quote::{quote, quote_all};

/// What is done to a project.
#[derive(Default)]
pub(super) struct Orders<'a> {
    pub(super) project: &'a str,
    pub(super) directory: &'a str,
    /// The options of compose that say which files it reads.
    pub(super) options: &'a [String],
    /// Services that get new containers and had none.
    pub(super) created: Vec<&'a str>,
    /// Services that get new containers in place of theirs.
    pub(super) recreated: Vec<&'a str>,
    /// Services that are started, or get another number of containers.
    pub(super) started: Vec<&'a str>,
    pub(super) restarted: Vec<&'a str>,
    /// Services that read their files again, and how.
    pub(super) reloaded: Vec<(&'a str, &'a BTreeSet<Reload>)>,
    /// Services that get new containers in place of theirs once others, which they live in, are restarted.
    pub(super) recreated_later: Vec<&'a str>,
    /// Services that are restarted once others, which they live in, are.
    pub(super) restarted_later: Vec<&'a str>,
    pub(super) removed: Vec<&'a str>,
    /// The containers of those that are removed.
    pub(super) removed_containers: Vec<Removed<'a>>,
    /// The images that services had before, by the names that these had.
    pub(super) images: BTreeMap<String, String>,
    /// Files that the plan changes: whether there was one before, by path.
    pub(super) replaced: BTreeMap<String, bool>,
    /// Files that are mounted, by the services that have them.
    pub(super) mounted: BTreeMap<&'a str, Vec<String>>,
    /// Services with the digest of what they get from `content`, and that of before.
    pub(super) inline: Vec<(&'a str, &'a str, &'a str)>,
    /// What images are built from.
    pub(super) builds: Vec<BuildOrder<'a>>,
    /// What compose says of the files, if homelab knows all that it reads.
    pub(super) kept: Option<Kept>,
    /// Images that registries were asked about just before.
    pub(super) asked: &'a [Asked],
    pub(super) within: Duration,
    pub(super) settle: Duration,
}

/// A container that is removed.
pub(super) struct Removed<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) runs: bool,
}

/// What compose says, to be recorded together with what decides about that.
pub(super) struct Kept {
    /// The paths that compose reads or looks for.
    pub(super) reads: BTreeSet<String>,
    /// Those of them that are not in the stack: if there is one, it may lead to others.
    pub(super) foreign: BTreeSet<String>,
    /// What compose says, without secrets.
    pub(super) config: String,
}

/// What the image of a service is built from, to be recorded.
pub(super) struct BuildOrder<'a> {
    pub(super) service: &'a str,
    pub(super) image: String,
    pub(super) digest: &'a str,
    /// What it was built from before, for going back.
    pub(super) before: &'a str,
}

/// Functions of every script. `hl_of SERVICE` lists the ids of its containers; `hl_wait SERVICE` waits until they run.
///
/// A container with a health check has to be healthy, any other has to run on from the same start. One that is not started again by
/// itself may end well.
const FUNCTIONS: &str = r#"docker() { hl_clean docker "$@"; }
hl_compose() { docker compose "$@" </dev/null; }
hl_all() { docker ps -a --no-trunc --filter "label=com.docker.compose.project=$p" --filter label=com.docker.compose.oneoff=False --format "$p {{.Label \"com.docker.compose.service\"}} {{.ID}}" </dev/null; }
hl_of() { hl_all | while read -r _ s i; do [ "$s" != "$1" ] || echo "$i"; done; }
hl_exec() { s=$1; shift; for i in $(hl_of "$s"); do docker exec "$i" "$@" </dev/null || return; done; }
hl_signal() { for i in $(hl_of "$1"); do docker kill --signal "$2" "$i" >/dev/null || return; done; }
hl_others() { hl_all | while read -r _ s i; do case " $touched " in *" $s "*) ;; *) echo "$s $i" ;; esac; done | sort; }
hl_other() {
i=$(docker image inspect --format '{{.Id}}' "$2") || return 1
for c in $(hl_of "$1"); do [ "$(docker inspect --format '{{.Image}}' "$c")" = "$i" ] || return 0; done
return 1
}
hl_say() {
docker inspect --format "service $1 does not run as it should: {{.Name}} is {{.State.Status}}{{if ne .State.ExitCode 0}}, exit code {{.State.ExitCode}}{{end}}{{with .State.Health}}, {{.Status}}{{end}}{{with .State.Error}}: {{.}}{{end}}" "$2" | sed 's|: /|: |'
docker inspect --format '{{with .State.Health}}{{range .Log}}{{println .Output}}{{end}}{{end}}' "$2" | grep '[^[:space:]]' | tail -n 3 | sed 's/^/health check: /'
docker logs --tail 20 "$2" 2>&1 | sed 's/^/log: /'
}
hl_wait() {
ids=$(hl_of "$1")
[ -n "$ids" ] || { echo "service $1 has no container"; return 1; }
for i in $ids; do
first= since=
while :; do
now=$(date +%s)
set -- "$1" $(docker inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.StartedAt}} {{.HostConfig.RestartPolicy.Name}} {{with .State.Health}}{{.Status}}{{end}}' "$i") || return
case $2:$6 in
running:healthy) break ;;
running:|running:none) [ "$4" = "$first" ] || first=$4 since=$now; [ $((now - since)) -lt "$settle" ] || break ;;
exited:*)
if [ "$3" = 0 ]; then case $5 in always|unless-stopped) ;; *) break ;; esac
elif [ "$5" = no ] || [ -z "$5" ]; then hl_say "$1" "$i"; return 1; fi ;;
dead:*) hl_say "$1" "$i"; return 1 ;;
esac
[ "$now" -lt "$end" ] || { hl_say "$1" "$i"; return 1; }
sleep 1
done
done
}
"#;

impl Orders<'_> {
    /// Services that new containers are created for, or old ones started.
    fn touched(&self) -> Vec<&str> {
        let all = [
            &self.created,
            &self.recreated,
            &self.started,
            &self.restarted,
            &self.recreated_later,
            &self.restarted_later,
        ];
        all.into_iter().flatten().copied().collect()
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        let head = format!(
            "{CLEAN}{HASHES}{inputs}{FUNCTIONS}p={project} d={directory} touched={touched} settle={settle} back=\n\
             cd -- \"$d\" || exit\n\
             {found}\
             before=$(hl_others)\n",
            inputs = if self.kept.is_some() { INPUTS } else { "" },
            found = self.found_otherwise(),
            project = quote(self.project),
            directory = quote(self.directory),
            touched = quote(&[self.touched(), self.removed.clone()].concat().join(" ")),
            settle = self.settle.as_secs(),
        );
        let go = format!(
            "hl_go() {{\n{}end=$(($(date +%s) + {}))\n{}}}\n",
            self.commands(),
            self.within.as_secs(),
            self.waits()
        );
        let record = format!("hl_record() {{\n{}}}\n", self.record());
        let back = format!("hl_back() {{\n{}}}\n", self.back());
        let ids = self.removed_containers.iter().map(|one| one.id);
        let removed = if self.removed_containers.is_empty() {
            String::new()
        } else {
            format!("docker rm {} >/dev/null || exit\n", quote_all(ids))
        };
        format!(
            "{head}{go}{record}{back}\
             hl_go || {{ code=$?; hl_back; exit $code; }}\n\
             {removed}\
             after=$(hl_others)\n\
             [ \"$before\" = \"$after\" ] || {{ printf '%s\\n' 'containers of other services have changed, from' \"$before\" to \"$after\"; exit 1; }}\n\
             hl_record",
        )
    }

    /// `hl_compose` with the options of the project and these words.
    fn compose(&self, words: &[&str], services: &[&str]) -> String {
        let options = self.options.iter().map(String::as_str);
        let words = options.chain(["-p", self.project]).chain(words.iter().copied());
        format!(
            "hl_compose {} {}",
            quote_all(words),
            quote_all(services.iter().copied())
        )
    }

    fn up(&self, further: &[&str], services: &[&str]) -> String {
        let fixed = ["up", "-d", "--no-deps", "--no-build", "--pull", "never"];
        let words: Vec<&str> = fixed.iter().chain(further).copied().collect();
        self.compose(&words, services)
    }

    /// Restarts services, then gives new containers to those that live in them, and restarts the rest of these: a container that is started
    /// before the one whose network it uses has none.
    fn renewing_again(&self, restarted: &[&str], recreated_later: &[&str], restarted_later: &[&str]) -> Vec<String> {
        let mut ways = Vec::new();
        let restart = |services: &[&str]| self.compose(&["restart", "--no-deps"], services);
        if !restarted.is_empty() {
            ways.push(restart(restarted));
        }
        if !recreated_later.is_empty() {
            ways.push(self.up(&["--force-recreate"], recreated_later));
        }
        if !restarted_later.is_empty() {
            ways.push(restart(restarted_later));
        }
        ways
    }

    fn commands(&self) -> String {
        let mut text = String::new();
        let mut add = |line: String| {
            let _ = writeln!(text, "{line} || return");
        };
        // They are there until all others run, under another name: a new container may have theirs.
        for Removed { id, name, .. } in &self.removed_containers {
            let aside = quote(&format!("{name}-removed"));
            add(format!(
                "docker stop {id} >/dev/null && docker rename {id} {aside}",
                id = quote(id)
            ));
        }
        let renewed: Vec<&str> = self.created.iter().chain(&self.recreated).copied().collect();
        if !renewed.is_empty() {
            add(self.up(&["--force-recreate"], &renewed));
        }
        if !self.started.is_empty() {
            add(format!(
                "{{ {} 2>/dev/null; :; }}",
                self.compose(&["unpause"], &self.started)
            ));
            add(self.up(&[], &self.started));
        }
        for way in self.renewing_again(&self.restarted, &self.recreated_later, &self.restarted_later) {
            add(way);
        }
        for (_, reload) in self.reloads() {
            add(reload);
        }
        if !self.asked.is_empty() {
            add(self.renewing_asked());
        }
        text
    }

    /// Finds out of which services registries have other images.
    fn found_otherwise(&self) -> String {
        if self.asked.is_empty() {
            return String::new();
        }
        let mut text = String::from("renew= again=\n");
        for Asked {
            name,
            services,
            recreated,
            restarted,
        } in self.asked
        {
            for service in services {
                let _ = writeln!(
                    text,
                    "! hl_other {} {} || {{ renew=\"$renew {}\"; again=\"$again {}\"; }}",
                    quote(service),
                    quote(name),
                    recreated.join(" "),
                    restarted.join(" "),
                );
            }
        }
        text.push_str("touched=\"$touched $renew $again\"\n");
        text
    }

    /// Gives new containers to the services of other images, and restarts what has to be restarted with them.
    fn renewing_asked(&self) -> String {
        let renew = self.up(&["--force-recreate"], &[]);
        let again = self.compose(&["restart", "--no-deps"], &[]);
        format!(
            "{{ [ -z \"$(echo $renew)\" ] || {renew} $renew; }} && {{ [ -z \"$(echo $again)\" ] || {again} $again; }}"
        )
    }

    /// The commands that have services read their files again.
    fn reloads(&self) -> impl Iterator<Item = (&str, String)> {
        let each = self
            .reloaded
            .iter()
            .flat_map(|(service, by)| by.iter().map(|reload| (*service, reload)));
        each.map(|(service, reload)| {
            let command = match reload {
                Reload::Command(words) => {
                    let words = [service].into_iter().chain(words.iter().map(String::as_str));
                    format!("hl_exec {}", quote_all(words))
                }
                Reload::Signal(signal) => format!("hl_signal {} {}", quote(service), quote(signal)),
            };
            (service, command)
        })
    }

    fn waits(&self) -> String {
        let reloaded = self.reloaded.iter().map(|(service, _)| *service);
        let each = self
            .touched()
            .into_iter()
            .chain(reloaded)
            .map(|service| format!("hl_wait {} || return\n", quote(service)));
        let each: String = each.collect();
        let of_asked = if self.asked.is_empty() {
            ""
        } else {
            "for s in $renew $again; do hl_wait \"$s\" || return; done\n"
        };
        let all = each + of_asked;
        if all.is_empty() { ":\n".to_owned() } else { all }
    }

    /// Puts back the files and images of before, and the services that ran. The files are those that the run keeps for a rollback.
    fn back(&self) -> String {
        let mut text = files_back(&self.replaced);
        text.push_str("[ -z \"$lost\" ] || return\n");
        for (name, id) in &self.images {
            let _ = writeln!(text, "docker tag {} {} 2>/dev/null", quote(id), quote(name));
        }
        if !self.created.is_empty() {
            let created = quote_all(self.created.iter().copied());
            let _ = writeln!(
                text,
                "for s in {created}; do for i in $(hl_of \"$s\"); do docker rm -f \"$i\" >/dev/null; done; done"
            );
        }
        let mut ways: Vec<String> = Vec::new();
        let removed = self.removed_containers.iter().map(|one| {
            let (id, name) = (quote(one.id), quote(one.name));
            let starts = if one.runs { format!(" && docker start {id} >/dev/null") } else { String::new() };
            format!(
                "{{ [ \"$(docker inspect --format '{{{{.Name}}}}' {id})\" = /{name} ] || docker rename {id} {name}; }}{starts}"
            )
        });
        ways.extend(removed);
        if !self.recreated.is_empty() {
            ways.push(self.up(&["--force-recreate"], &self.recreated));
        }
        ways.extend(self.renewing_again(&self.restarted, &self.recreated_later, &self.restarted_later));
        // A service that refuses its new files may still run with the old ones.
        let reloads = self.reloads().map(|(service, reload)| {
            let restart = self.compose(&["restart", "--no-deps"], &[service]);
            format!("{{ {reload} || {restart}; }}")
        });
        ways.extend(reloads);
        if !self.asked.is_empty() {
            ways.push(self.renewing_asked());
        }
        let goes_back = !(self.replaced.is_empty() && self.created.is_empty() && ways.is_empty());
        if goes_back {
            let _ = writeln!(text, "code={PUT_BACK}");
        }
        if ways.is_empty() {
            text.push_str(match (self.replaced.is_empty(), self.created.is_empty()) {
                (true, true) => "",
                (true, false) => "echo 'went back: the new containers are removed'\n",
                (false, _) => "echo 'went back: the files are as before'\n",
            });
            return text;
        }
        let _ = writeln!(
            text,
            "if {{ {}; }} >/dev/null 2>&1; then back=1; hl_record; echo 'went back: the files and services are as before'; else echo 'went back to the files of before, but the services do not start with them'; fi",
            ways.join(" && ")
        );
        text
    }

    /// Keeps what the next run compares.
    fn record(&self) -> String {
        let options = self.options.iter().map(String::as_str);
        let options = quote_all(options.chain(["-p", self.project]));
        let mounted = self.mounted.iter().flat_map(|(service, paths)| {
            paths.iter().map(move |path| {
                format!(
                    "[ ! -f {path} ] || printf 'mounted %s %s %s\\n' {service} \"$(sha256sum <{path} | cut -d ' ' -f 1)\" {path}\n",
                    path = quote(path),
                    service = quote(service),
                )
            })
        });
        let builds = self.builds.iter().map(|build| {
            format!(
                "b={digest}; [ -z \"$back\" ] || b={before}\n\
                 ! i=$(docker image inspect --format '{{{{.Id}}}}' {image} 2>/dev/null) || printf 'build %s %s %s\\n' {service} \"$b\" \"$i\"\n",
                digest = build.digest,
                before = build.before,
                image = quote(&build.image),
                service = quote(build.service),
            )
        });
        let inline = self.inline.iter().map(|(service, digest, before)| {
            format!(
                "b={digest}; [ -z \"$back\" ] || b={before}\nprintf 'inline %s %s\\n' {} \"$b\"\n",
                quote(service)
            )
        });
        let builds: String = builds.chain(inline).collect();
        format!(
            "ids=$(hl_all)\n\
             mkdir -p {RECORDS} && chmod 0700 {RECORDS} || return\n\
             {{\n\
             printf '%s\\n' \"$ids\" | sed 's/^[^ ]* /container /'\n\
             hl_compose {options} config --format json 2>/dev/null | hl_shared \"$p\" | docker compose -p \"$p\" --project-directory \"$d\" --profile '*' -f - config --hash '*' 2>/dev/null | sed 's/^/hash /'\n\
             {builds}{mounted}{kept}}} >{RECORDS}/$p.new && mv -f {RECORDS}/$p.new {RECORDS}/$p\n",
            mounted = mounted.collect::<String>(),
            kept = self.kept_text(),
        )
    }
}

impl Orders<'_> {
    /// Records what compose says, unless files of others lead to what homelab does not know.
    fn kept_text(&self) -> String {
        let Some(kept) = &self.kept else {
            return String::new();
        };
        let foreign = kept.foreign.iter().map(|path| format!("[ ! -e {} ] && ", quote(path)));
        let words = [self.project, self.directory];
        let words = words.into_iter().chain(self.options.iter().map(String::as_str));
        format!(
            "if [ -z \"$back\" ] && {}! grep -q COMPOSE_ .env 2>/dev/null; then\n\
             f={}\n\
             printf '%s\\n' \"$f\" | sed 's/^/reads /'\n\
             printf 'inputs %s\\n' \"$(printf '%s\\n' \"$f\" | hl_inputs {})\"\n\
             printf 'kept %s\\n' {}\n\
             fi\n",
            foreign.collect::<String>(),
            quote(&kept.reads.iter().map(String::as_str).collect::<Vec<_>>().join("\n")),
            quote_all(words),
            quote(&kept.config),
        )
    }
}

/// Puts back files: those that the run keeps for a rollback. `$lost` says which were not kept.
fn files_back(replaced: &BTreeMap<String, bool>) -> String {
    let mut text = String::from("lost=\n");
    if replaced.values().any(|was_there| *was_there) {
        text.push_str("r=/var/lib/homelab/previous; r=$r/$(ls -1 \"$r\" 2>/dev/null | tail -n 1)/tree\n");
        text.push_str(PUT_BACK_FILE);
    }
    for (path, was_there) in replaced {
        let path = quote(path);
        let line = if *was_there {
            format!("hl_put_back {path}\n")
        } else {
            format!("rm -f -- {path}\n")
        };
        text.push_str(&line);
    }
    text.push_str("[ -z \"$lost\" ] || echo \"did not go back, since these files were not kept:$lost\"\n");
    text
}

const PUT_BACK_FILE: &str = r#"hl_put_back() {
if [ -e "$r$1" ]; then rm -rf -- "$1.homelab-back" && cp -a --remove-destination -T -- "$r$1" "$1.homelab-back" && mv -f -T -- "$1.homelab-back" "$1" && return; fi
lost="$lost $1"
}
"#;

/// `command`, after which files are as before if it fails.
pub(super) fn or_files_back(replaced: &BTreeMap<String, bool>, command: &str) -> String {
    if replaced.is_empty() {
        return format!("{CLEAN}{command}");
    }
    format!(
        "{CLEAN}{command} && exit\ncode=$?\n{}[ -n \"$lost\" ] || {{ code={PUT_BACK}; echo 'went back: the files are as before'; }}\nexit $code",
        files_back(replaced)
    )
}

#[cfg(test)]
mod tests;
