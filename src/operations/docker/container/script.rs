//! The shell text that creates, starts and removes a container.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Container, Due, RUNS};
use crate::change::{Command, PUT_BACK, Step};
use crate::content::Input;
use crate::facts::docker::{Details, WISHES, set_aside};
use crate::operations::PlanContext;
use crate::operations::docker::command::Docker;
use crate::quote::{quote, quote_all};

/// How long a registry may take.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// What stopping, creating and starting may take beside the time that the container has.
const ALLOWANCE: Duration = Duration::from_secs(120);

/// Waits until the container `$id` runs: healthy, or without a health check three seconds from the same start. One that is not started
/// again by itself may end well.
const WAIT: &str = r#"hl_say() {
d inspect --format "container $name does not run as it should: {{.State.Status}}{{if ne .State.ExitCode 0}}, exit code {{.State.ExitCode}}{{end}}{{with .State.Health}}, {{.Status}}{{end}}{{with .State.Error}}: {{.}}{{end}}" "$id"
d inspect --format '{{with .State.Health}}{{range .Log}}{{println .Output}}{{end}}{{end}}' "$id" | grep '[^[:space:]]' | tail -n 3 | sed 's/^/health check: /'
d logs --tail 20 "$id" 2>&1 | sed 's/^/log: /'
}
hl_wait() {
end=$(($(date +%s) + within)) first= since=
while :; do
now=$(date +%s)
set -- $(d inspect --format '{{.State.Status}}:{{with .State.Health}}{{.Status}}{{end}} {{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}} {{.State.StartedAt}}' "$id")
# An engine that does not answer may be back in a moment.
case $1 in
running:healthy) return ;;
running:|running:none) [ "$4" = "$first" ] || first=$4 since=$now; [ $((now - since)) -lt 3 ] || return 0 ;;
exited:*)
if [ "$2" = 0 ]; then case $3 in always|unless-stopped) ;; *) return 0 ;; esac
elif [ "$3" = no ]; then hl_say; return 1; fi ;;
dead:*) hl_say; return 1 ;;
esac
[ "$now" -lt "$end" ] || { hl_say; return 1; }
sleep 1
done
}
"#;

/// The options that have the new container use the anonymous volumes of the old one, as `docker compose` does.
const VOLUMES: &str = r#"while read -r v t; do
case $v in *[!0-9a-f]*) continue ;; esac
[ ${#v} = 64 ] || continue
case $t in MOUNTED) ;; *) set -- "$@" --volume "$v:$t" ;; esac
done <<END
$(d inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name .Destination}}{{end}}{{end}}' "$from" 2>/dev/null)
END
"#;

/// `mine CONTAINER KIND` tells whether homelab has left the container of this name, by the id that `keep KIND ID` wrote down before: others
/// may have containers that are called so. `forget` removes what was written.
const OWN: &str = r#"mine() { i=$(d inspect --type container --format '{{.Id}}' "$1" 2>/dev/null) && [ "$i" = "$(cat "WISHES/.$2/$name" 2>/dev/null)" ]; }
keep() { mkdir -p "WISHES/.$1" && chmod 0700 WISHES && printf '%s\n' "$2" >WISHES/.new && mv -f -- WISHES/.new "WISHES/.$1/$name"; }
forget() { rm -f -- "WISHES/.previous/$name" "WISHES/.next/$name"; }
"#;

/// Gives the new container its name, starts it if it is to run, and goes back if it does not. The old one is not stopped before all that
/// Docker may refuse is done.
const SWITCH: &str = r#"hl_back() {
d rm --force "$id" >/dev/null
[ -n "$from" ] || exit 1
d rename "$old" "$name" && forget && { [ "$ran" != true ] || d start "$name" >/dev/null; } || exit 1
if [ "$ran" = true ]; then echo "went back: the container of before runs again"; else echo "went back: the container of before is there again"; fi
exit PUT_BACK
}
if [ "$from" = "$name" ]; then
ran=$(d inspect --format '{{.State.Running}}' "$name") && keep previous "$(d inspect --format '{{.Id}}' "$name")" && d rename "$name" "$old" || { d rm "$id" >/dev/null; exit 1; }
[ "$ran" != true ] || starts=true
elif [ -n "$from" ]; then
ran=true
d rm --force "$name" >/dev/null 2>&1
fi
[ -z "$from" ] || d stop "$old" >/dev/null || hl_back
d rename "$id" "$name" || hl_back
if [ "$starts" = true ]; then
d start "$id" >/dev/null || { hl_say; hl_back; }
hl_wait || hl_back
fi
mkdir -p WISHES && chmod 0700 WISHES && printf '%s %s\n' "$id" "$wish" >WISHES/.new && mv -f WISHES/.new "WISHES/$name" || exit
[ -z "$from" ] || d rm "$old" >/dev/null
forget
"#;

impl Container {
    /// Asks the registry for its image.
    pub(super) fn pulling(&self, image: &str) -> Step {
        let command = Docker::new(&["image", "pull", "--quiet"]).on(image);
        Step::Run(Command {
            summary: format!("docker image pull {image}"),
            timeout: PATIENCE,
            ..self.run("pull", command)
        })
    }

    /// Functions and names of every script.
    fn head(&self) -> String {
        format!(
            "d() {{ {docker} \"$@\" </dev/null; }}\nname={name} within={within}\n{own}{WAIT}",
            own = OWN.replace("WISHES", WISHES),
            docker = Docker::new(&[]).text().trim_end(),
            name = quote(&self.container),
            within = self.within.0.as_secs(),
        )
    }

    fn run(&self, verb: &str, script: String) -> Command {
        Command {
            supervised: true,
            timeout: self.within.0 + ALLOWANCE,
            ..Command::new(format!("docker container {verb} {}", self.container), script)
        }
    }

    /// Creates it, in place of the one that is there: that one comes back if the new one does not run.
    pub(super) fn creation(&self, context: &PlanContext<'_>, image: &str, wish: &str, due: &Due<'_>) -> Step {
        let old = set_aside(&self.container);
        let next = format!("{}.homelab-next", self.container);
        let found = due.found();
        let mut script = self.head();
        script.push_str("read -r wish\n");
        if let Due::Ask(_) = due {
            let image = quote(image);
            let _ = writeln!(
                script,
                "[ \"$(d image inspect --format '{{{{.Id}}}}' {image})\" != \"$(d inspect --format '{{{{.Image}}}}' \"$name\")\" ] || exit 0"
            );
        }
        // Without its own name, the one of before was set aside by a run that was cut off.
        let from = match found {
            None => "from=".to_owned(),
            Some(_) => "from=$name; ! mine \"$old\" previous || from=$old".to_owned(),
        };
        let _ = writeln!(
            script,
            "old={} next={} starts={}\n{from}",
            quote(&old),
            quote(&next),
            self.start
        );
        script.push_str("! mine \"$next\" next || d rm --force \"$next\" >/dev/null 2>&1\nset --\n");
        if found.is_some() {
            let targets = self.volumes.iter().filter_map(|volume| volume.split(':').nth(1));
            let targets = targets.map(|target| target.trim_end_matches('/'));
            let mut targets: Vec<String> = targets.map(quote).collect();
            targets.push("''".to_owned());
            script.push_str(&VOLUMES.replace("MOUNTED", &targets.join("|")));
        }
        let _ = writeln!(script, "id=$({}) || exit", self.create(image, &next));
        script.push_str("keep next \"$id\" || { d rm \"$id\" >/dev/null; exit 1; }\n");
        for network in self.networks.iter().skip(1) {
            let _ = writeln!(
                script,
                "d network connect {} \"$id\" || {{ d rm \"$id\" >/dev/null; exit 1; }}",
                quote(network)
            );
        }
        script.push_str(
            &SWITCH
                .replace("PUT_BACK", &PUT_BACK.to_string())
                .replace("WISHES", WISHES),
        );
        let mut input = format!("{wish}\n");
        for (name, value) in &self.env_vars {
            let _ = writeln!(input, "{name}={}", value.expose());
        }
        let is_secret = !self.env_files.is_empty() || self.env_vars.values().any(crate::value::Text::is_secret);
        let input = if is_secret {
            Input::secret(input.as_bytes(), context.digests())
        } else {
            Input::open(input.as_bytes())
        };
        Step::Run(Command {
            input: Some(input),
            ..self.run("create", script)
        })
    }

    /// The command that prints the id of a new container of this name.
    fn create(&self, image: &str, name: &str) -> String {
        let mut create = Docker::new(&["container", "create", "--pull", "never"])
            .option("--name", Some(name))
            .option("--restart", Some(&self.restart_policy))
            .option("--user", self.user.as_deref())
            .option("--network", self.networks.first().map(String::as_str));
        let lists = [
            ("--publish", &self.ports),
            ("--volume", &self.volumes),
            ("--dns", &self.dns),
            ("--env-file", &self.env_files),
        ];
        for (option, values) in lists {
            for value in values {
                create = create.option(option, Some(value));
            }
        }
        for (name, value) in self.labels.iter().flatten() {
            create = create.option("--label", Some(&format!("{name}={}", value.0)));
        }
        // What is left of the standard input.
        if !self.env_vars.is_empty() {
            create = create.option("--env-file", Some("/dev/stdin"));
        }
        let words = self.command.iter().flatten().map(String::as_str);
        let words = quote_all([image].into_iter().chain(words));
        let create = format!("{} \"$@\" {words}", create.text());
        if self.env_vars.is_empty() {
            format!("{create} </dev/null")
        } else {
            format!("cat | {create}")
        }
    }

    /// Starts the one that is there.
    pub(super) fn start(&self, found: &Details) -> Step {
        let verb = if found.state == "paused" { "unpause" } else { "start" };
        let script = format!(
            "{}id=$name\nd {verb} \"$name\" >/dev/null || {{ hl_say; exit 1; }}\nhl_wait",
            self.head()
        );
        Step::Run(self.run(verb, script))
    }

    /// Stops and removes it, with what an earlier run left of it.
    pub(super) fn removal(&self) -> Step {
        let (name, old) = (quote(&self.container), quote(&set_aside(&self.container)));
        let script = format!(
            "d() {{ {docker} \"$@\" </dev/null; }}\nname={name}\n{own}\
             one={old}; mine \"$one\" previous || one=\n\
             for one in \"$name\" $one; do\n\
             d inspect --type container --format . \"$one\" >/dev/null 2>&1 || continue\n\
             d stop \"$one\" >/dev/null && d rm \"$one\" >/dev/null || exit\n\
             done\n\
             forget; rm -f -- {WISHES}/{name}",
            own = OWN.replace("WISHES", WISHES),
            docker = Docker::new(&[]).text().trim_end()
        );
        Step::Run(self.run("rm", script))
    }
}

impl Details {
    /// Whether it stands still although its policy has it run, or it was stopped before it was done.
    pub(super) fn is_due_to_run(&self) -> bool {
        match self.state.as_str() {
            RUNS | "restarting" => false,
            "exited" if self.exit_code == 0 => matches!(self.restart.as_str(), "always" | "unless-stopped"),
            _ => true,
        }
    }
}
