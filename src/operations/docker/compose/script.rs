//! The shell text that changes the services of a project, waits for them, and goes back if they do not run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::asked::Asked;
use super::back::{ChangedPaths, ended};
use super::stack::Reload;
use super::volumes::Renewed;
use crate::change::PUT_BACK_PARTLY;
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
    /// The containers of those that are started.
    pub(super) stopped_containers: Vec<Stopped<'a>>,
    /// Services that get another number of containers, with the number of now.
    pub(super) scaled: Vec<(&'a str, usize)>,
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
    /// The files and directories that the plan changes.
    pub(super) changed: ChangedPaths,
    /// Paths of the host that Docker makes directories of where nothing is, since new containers have them mounted.
    pub(super) binds: BTreeSet<String>,
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
    /// Volumes that are removed, so that compose creates them again.
    pub(super) renewed: &'a [Renewed],
    pub(super) within: Duration,
    pub(super) settle: Duration,
}

/// A container that does not run, and is started.
pub(super) struct Stopped<'a> {
    pub(super) id: &'a str,
    pub(super) is_paused: bool,
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

/// Functions of every script. `hl_of SERVICE` lists the ids of its containers; `hl_engine` waits a moment for an engine that is restarted;
/// `hl_wait SERVICE…` waits until all of them run.
///
/// A container with a health check has to be healthy, any other has to run on from the same start. One that is not started again by
/// itself may end well. What is unhealthy has used up its retries, and what was started again several times will not run either: there is no
/// reason to wait longer.
const FUNCTIONS: &str = r#"docker() { hl_clean docker "$@"; }
hl_compose() { docker compose "$@" </dev/null; }
hl_all() { docker ps -a --no-trunc --filter "label=com.docker.compose.project=$p" --filter label=com.docker.compose.oneoff=False --format "$p {{.Label \"com.docker.compose.service\"}} {{.ID}}" </dev/null; }
hl_of() { hl_all | while read -r _ s i; do [ "$s" != "$1" ] || echo "$i"; done; }
hl_name() { docker inspect --format '{{.Name}}' "$1" </dev/null 2>/dev/null | sed 's|^/||'; }
hl_exec() {
s=$1; shift
for i in $(hl_of "$s"); do docker exec "$i" "$@" </dev/null || { c=$?; echo "service $s was not reloaded: \`$*\` failed in container $(hl_name "$i") with exit code $c"; return $c; }; done
}
hl_signal() { for i in $(hl_of "$1"); do docker kill --signal "$2" "$i" >/dev/null || { c=$?; echo "service $1 was not reloaded: container $(hl_name "$i") did not get signal $2"; return $c; }; done; }
hl_others() { hl_all | while read -r _ s i; do case " $touched " in *" $s "*) ;; *) echo "$s $i" ;; esac; done | sort; }
hl_other() {
i=$(docker image inspect --format '{{.Id}}' "$2") || return 1
for c in $(hl_of "$1"); do [ "$(docker inspect --format '{{.Image}}' "$c")" = "$i" ] || return 0; done
return 1
}
hl_engine() {
n=0
until hl_clean timeout 10 docker version </dev/null >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 15 ] && [ -z "$dead" ] || { dead=1; return 1; }; sleep 1; done
}
hl_last() { awk '{ k = $0; gsub(/[0-9]+/, "", k); at[k] = NR; key[NR] = k; line[NR] = $0 } END { for (i = 1; i <= NR; i++) if (at[key[i]] == i) print line[i] }' | tail -n "$1"; }
hl_say() {
docker logs --tail 200 "$2" 2>&1 </dev/null | hl_last 8 | sed 's/^/log: /'
docker inspect --format '{{with .State.Health}}{{range .Log}}{{println .Output}}{{end}}{{end}}' "$2" | grep '[^[:space:]]' | hl_last 3 | sed 's/^/health check: /'
printf 'service %s %s: ' "$1" "$3"
docker inspect --format "container {{.Name}} is {{.State.Status}}{{if ne .State.ExitCode 0}}, exit code {{.State.ExitCode}}{{end}}{{with .State.Health}}, {{.Status}}{{end}}{{with .State.Error}}: {{.}}{{end}}" "$2" | sed 's|container /|container |'
}
hl_wait() {
left= now=$(date +%s)
for s in "$@"; do
ids=$(hl_of "$s")
[ -n "$ids" ] || { echo "service $s has no container"; return 1; }
for i in $ids; do left="$left $i"; eval "service_$i=\$s first_$i= since_$i= count_$i="; done
done
while :; do
states=$(docker inspect --format '{{.ID}} {{.State.Status}} {{.State.ExitCode}} {{.State.StartedAt}} {{.RestartCount}} {{with .HostConfig.RestartPolicy.Name}}{{.}}{{else}}no{{end}} {{with .State.Health}}{{.Status}}{{else}}none{{end}}' $left 2>/dev/null </dev/null) || {
hl_engine || { echo 'the Docker engine does not answer any more'; return 1; }
for i in $left; do docker inspect "$i" >/dev/null 2>&1 </dev/null || { eval "s=\$service_$i"; echo "service $s has lost its container: it was removed meanwhile"; return 1; }; done
[ "$(date +%s)" -lt "$end" ] || { echo 'Docker does not say how the services run'; return 1; }
sleep 1
continue
}
left= now=$(date +%s)
while read -r i state code started restarts policy health; do
eval "s=\$service_$i first=\$first_$i since=\$since_$i count=\$count_$i" why=
[ -n "$count" ] || { count=$restarts; eval "count_$i=\$count"; }
case $state:$health in
running:healthy) continue ;;
running:none)
[ "$started" = "$first" ] || { since=$now; eval "first_$i=\$started since_$i=\$now"; }
[ $((now - since)) -lt "$settle" ] || continue ;;
running:unhealthy) [ ! "$started" \> "$begin" ] || why='is unhealthy' ;;
exited:*)
if [ "$code" = 0 ]; then case $policy in always|unless-stopped) ;; *) continue ;; esac
else case $policy in no|on-failure) why='has ended' ;; esac; fi ;;
dead:*) why='has ended' ;;
esac
[ $((restarts - count)) -lt "$starts" ] || why="ends again and again ($((restarts - count)) times so far)"
if [ -z "$why" ] && [ "$now" -ge "$end" ]; then
case $state:$health in
running:none) why="has not run for $settle s (\`settle\`)" ;;
running:*) why='is not healthy' ;;
*) why='does not run' ;;
esac
why="$why within $within s (\`within\`)"
fi
[ -z "$why" ] || { hl_say "$s" "$i" "$why"; return 1; }
left="$left $i"
done <<END
$states
END
[ -n "$left" ] || return 0
sleep 1
done
}
"#;

/// How often containers may be started again before homelab gives up: others that start at the same time may be what they need.
const STARTS_ALONE: u32 = 4;
const STARTS: u32 = 8;

/// `hl_unused SERVICE…` ends and removes the containers of services.
const UNUSED: &str = r#"hl_unused() {
for s; do for i in $(hl_of "$s"); do docker stop "$i" >/dev/null && docker rm "$i" >/dev/null || return; done; done
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
            "{CLEAN}{HASHES}{inputs}{FUNCTIONS}{further}p={project} d={directory} touched={touched} back= dead=\n\
             settle={settle} within={within} starts={starts} begin=$(date -u +%Y-%m-%dT%H:%M:%S)\n\
             cd -- \"$d\" || exit\n\
             {found}{made}\
             before=$(hl_others)\n",
            further = self.further_functions(),
            inputs = if self.kept.is_some() { INPUTS } else { "" },
            found = self.found_otherwise(),
            project = quote(self.project),
            directory = quote(self.directory),
            touched = quote(&[self.touched(), self.removed.clone()].concat().join(" ")),
            settle = self.settle.as_secs(),
            within = self.within.as_secs(),
            starts = self.starts(),
            made = self.made_before(),
        );
        let go = format!(
            "hl_go() {{\n{}end=$(($(date +%s) + within))\n{}}}\n",
            self.commands(),
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
             hl_go || {{ code=1; hl_back; exit $code; }}\n\
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
        for one in self.renewed {
            add(format!(
                "hl_unused {} && docker volume rm {} >/dev/null",
                quote_all(one.services.iter().map(String::as_str)),
                quote(&one.name)
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
        let services = quote_all(self.touched().into_iter().chain(reloaded));
        let of_asked = if self.asked.is_empty() { "" } else { " $renew $again" };
        if services.is_empty() && of_asked.is_empty() {
            return ":\n".to_owned();
        }
        let all = format!("hl_wait {services}{of_asked}\n");
        if services.is_empty() {
            return format!("[ -z \"$(echo $renew $again)\" ] || {all}");
        }
        all
    }

    /// How often containers may be started again by themselves.
    fn starts(&self) -> u32 {
        if self.touched().len() + self.reloaded.len() > 1 || !self.asked.is_empty() {
            STARTS
        } else {
            STARTS_ALONE
        }
    }

    /// Whether containers are created.
    fn creates(&self) -> bool {
        let all = [&self.created, &self.recreated, &self.recreated_later];
        all.into_iter().any(|services| !services.is_empty())
    }

    /// Notes what there is of what compose and Docker make for containers.
    fn made_before(&self) -> String {
        if !self.creates() {
            return String::new();
        }
        let mut text = String::from(
            "hl_networks() { docker network ls --no-trunc --filter \"label=com.docker.compose.project=$p\" --format '{{.ID}} {{.Name}}' </dev/null; }\n\
             hl_volumes() { docker volume ls -q --filter \"label=com.docker.compose.project=$p\" </dev/null; }\n\
             networks=$(hl_networks) volumes=$(hl_volumes)\n",
        );
        for (number, path) in self.binds.iter().enumerate() {
            let _ = writeln!(
                text,
                "m{number}=; f={}; while [ -n \"$f\" ] && [ ! -e \"$f\" ]; do m{number}=$f; f=${{f%/*}}; done",
                quote(path)
            );
        }
        text
    }

    /// Removes what compose and Docker made for containers that are gone, and names what stays.
    fn made_back(&self) -> String {
        if !self.creates() {
            return String::new();
        }
        let mut text = String::from(
            "for i in $(hl_networks | cut -d ' ' -f 1); do case $networks in *$i*) ;; *) docker network rm \"$i\" >/dev/null 2>&1 </dev/null || hl_stays \"network $(docker network inspect --format '{{.Name}}' \"$i\")\" ;; esac; done\n\
             for i in $(hl_volumes); do case \"\n$volumes\n\" in *\"\n$i\n\"*) ;; *) hl_stays \"volume $i\" ;; esac; done\n",
        );
        for (number, path) in self.binds.iter().enumerate() {
            let _ = writeln!(
                text,
                "f={}; while [ -n \"$m{number}\" ]; do hl_empty \"$f\"; [ \"$f\" != \"$m{number}\" ] && [ ! -e \"$f\" ] || break; f=${{f%/*}}; done",
                quote(path)
            );
        }
        text
    }

    /// Puts back the files and images of before, and the services that ran. The files are those that the run keeps for a rollback.
    fn back(&self) -> String {
        let mut text = String::from(
            "hl_engine || { echo 'did not go back, since the Docker engine does not answer: the new files stay'; return; }\n",
        );
        text.push_str(&self.changed.files_back());
        text.push_str("[ -z \"$lost\" ] || return\n");
        for (name, id) in &self.images {
            let _ = writeln!(text, "docker tag {} {} 2>/dev/null", quote(id), quote(name));
        }
        if !self.created.is_empty() {
            let created = quote_all(self.created.iter().copied());
            let _ = writeln!(
                text,
                "for s in {created}; do for i in $(hl_of \"$s\"); do docker rm -f -v \"$i\" >/dev/null; done; done"
            );
        }
        let ways = self.ways_back();
        if !ways.is_empty() {
            let _ = writeln!(
                text,
                "if {{ {}; }} >/dev/null 2>&1; then back=1; hl_record; {lost}else code={PUT_BACK_PARTLY}; echo 'went back to the files of before, but the services do not start with them'; return; fi",
                ways.join(" && "),
                lost = self.lost_data()
            );
        }
        let made = self.made_back();
        text.push_str(&made);
        text.push_str(&self.changed.directories_back());
        let is_nothing = self.changed == ChangedPaths::default();
        match (is_nothing, self.created.is_empty(), ways.is_empty()) {
            (true, true, true) => {}
            (true, false, true) => text.push_str(&ended("the new containers are removed")),
            (false, _, true) => text.push_str(&ended("the files are as before")),
            (_, _, false) => text.push_str(&ended("the files and services are as before")),
        }
        text
    }

    /// The commands that have services run as before.
    fn ways_back(&self) -> Vec<String> {
        let mut ways: Vec<String> = Vec::new();
        let removed = self.removed_containers.iter().map(|one| {
            let (id, name) = (quote(one.id), quote(one.name));
            let starts = if one.runs { format!(" && docker start {id} >/dev/null") } else { String::new() };
            format!(
                "{{ [ \"$(docker inspect --format '{{{{.Name}}}}' {id})\" = /{name} ] || docker rename {id} {name}; }}{starts}"
            )
        });
        ways.extend(removed);
        for one in self.renewed {
            // compose would leave the new one as it is.
            let (services, name) = (quote_all(one.services.iter().map(String::as_str)), quote(&one.name));
            ways.push(format!(
                "{{ hl_unused {services}; docker volume rm {name} 2>/dev/null; :; }}"
            ));
        }
        if !self.recreated.is_empty() {
            ways.push(self.up(&["--force-recreate"], &self.recreated));
        }
        for (service, number) in &self.scaled {
            let scale = format!("{service}={number}");
            ways.push(self.up(&["--no-recreate", "--scale", &scale], &[service]));
        }
        let stopped = self.stopped_containers.iter().map(|one| {
            let word = if one.is_paused { "pause" } else { "stop" };
            format!("docker {word} {}", quote(one.id))
        });
        ways.extend(stopped);
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
        ways
    }

    /// What it does, as commands that a person would give.
    pub(super) fn summary(&self) -> String {
        let volumes = self.renewed.iter();
        let mut commands: Vec<String> = volumes.map(|one| format!("docker volume rm {}", one.name)).collect();
        let mut add = |words: &str, services: &BTreeSet<&str>| {
            if !services.is_empty() {
                let services: Vec<&str> = services.iter().copied().collect();
                commands.push(format!("docker compose {words} {}", services.join(" ")));
            }
        };
        let of = |all: &[&Vec<&'_ str>]| -> BTreeSet<String> {
            all.iter()
                .flat_map(|services| services.iter().map(|name| (*name).to_owned()))
                .collect()
        };
        let may_follow = |of: fn(&Asked) -> &Vec<String>| self.asked.iter().flat_map(of).map(String::as_str);
        let mut up = of(&[&self.created, &self.recreated, &self.started, &self.recreated_later]);
        up.extend(may_follow(|one| &one.recreated).map(str::to_owned));
        let mut restarted = of(&[&self.restarted, &self.restarted_later]);
        restarted.extend(may_follow(|one| &one.restarted).map(str::to_owned));
        restarted.retain(|name| !up.contains(name));
        add("stop", &self.removed.iter().copied().collect());
        add("up", &up.iter().map(String::as_str).collect());
        add("restart", &restarted.iter().map(String::as_str).collect());
        let reloads = self.reloaded.iter().flat_map(|(service, by)| {
            by.iter().map(move |reload| match reload {
                Reload::Command(words) => format!("docker compose exec {service} {}", words.join(" ")),
                Reload::Signal(signal) => format!("docker compose kill --signal {signal} {service}"),
            })
        });
        commands.extend(reloads);
        commands.join("; ")
    }

    /// Notes which volumes are empty after going back.
    fn lost_data(&self) -> String {
        let lost = self.renewed.iter().filter(|one| one.loses_data());
        let words = lost.map(|one| {
            format!(
                "hl_stays {}; ",
                quote(&format!("volume {}, whose data was removed", one.name))
            )
        });
        words.collect()
    }

    /// Functions that few projects need.
    fn further_functions(&self) -> &'static str {
        if self.renewed.is_empty() { "" } else { UNUSED }
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

#[cfg(test)]
mod tests;
