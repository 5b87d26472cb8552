//! Asks `docker compose` what it makes of the files of projects, and Docker which containers they have.
//!
//! The files may be those of a plan: then compose reads them in a view of the host in which everything that is written is thrown away.

mod config;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::compose::{
    CLEAN, Config, ConfigFact, ConfigKey, Container, ContainerState, DEFAULT_FILES, Files, HASHES, Health, INPUTS,
    Image, NetworkSettings, Project, ProjectKey, RECORDS, Record, RecordedBuild,
};
use crate::facts::family::{Family, InTemplates, Readable};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::layers::in_layers;
use crate::facts::port::{Holder, Listener};
use crate::quote::{quote, quote_all};

/// How long one command may take, in seconds.
const LONGEST: u64 = 20;

/// How many projects compose reads at the same time.
const AT_ONCE: usize = 4;

static COMPOSE_FAMILY: Family = Family {
    subject: "what compose says",
    probe,
    // Three commands for a project at the most, and four for all of them.
    allowance: |keys| Duration::from_secs((3 * keys.len() as u64 + 4) * LONGEST),
    parse,
};

impl<'a> Readable<'a> for ProjectKey<'a> {
    const FAMILY: &'static Family = &COMPOSE_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for ConfigKey<'a> {
    const FAMILY: &'static Family = &COMPOSE_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// Shell functions. `hl_read NUMBER PROJECT FOLDER OPTION…` says what compose makes of the files of a folder, with `$ids` for the
/// containers of services.
const FUNCTIONS: &str = r#"hl_asked() { hl_clean timeout LONGEST docker "$@"; }
hl_why() { tr -s '\n\t' '  ' | cut -c 1-1000 | sed 's/ *$//'; }
hl_read() (
n=$1 p=$2 d=$3 e=$said; shift 3
[ "$e" = /dev/null ] || e=$e.$n
cd -- "$d" 2>/dev/null || { echo config $n none; exit; }
case " $* " in
*" -f "*) ;;
*) f=; for i in NAMES; do [ ! -e $i ] || f=$i; done; [ -n "$f" ] || { echo config $n none; exit; } ;;
esac
j=$(hl_asked compose "$@" -p "$p" config --format json 2>"$e" </dev/null) || {
echo config $n refused "$(hl_asked compose "$@" -p "$p" config -q 2>&1 </dev/null | hl_why)"; exit
}
h=$(printf '%s\n' "$j" | hl_shared "$p" | hl_asked compose -p "$p" --project-directory "$d" --profile '*' -f - config --hash '*' 2>/dev/null) || {
echo config $n refused it gives no hashes; exit
}
[ "$e" = /dev/null ] || sed -n 's/.*The [\\]*"\([A-Za-z0-9_]*\)[\\]*" variable is not set.*/unset '"$n"' \1/p' "$e"
printf '%s\n' "$h" | sed "s/^/hash $n /"
if printf '%s\n' "$ids" | { l=1; while read -r i s _; do [ "$i" != "$p" ] || case "
$h" in *"
$s "*) ;; *) l=0 ;; esac; done; exit $l; }; then
hl_asked compose "$@" --profile '*' -p "$p" config --services 2>/dev/null </dev/null | sed "s/^/service $n /"
fi
echo config $n "$(printf '%s\n' "$j" | base64 | tr -d '\n')"
)
"#;

/// Shell functions. `hl_kept NUMBER PROJECT FOLDER OPTION…` says what compose made of the files when homelab last asked it, if nothing is
/// different since. `hl_slow` asks it about the projects with the numbers in `$slow`.
const KEPT: &str = r#"hl_kept() {
n=$1 r=RECORDS/$2; shift
i=$(sed -n 's/^inputs //p' "$r" 2>/dev/null); [ -n "$i" ] || return
[ "$i" = "$(sed -n 's/^reads //p' "$r" | hl_inputs "$@")" ] || return
sed -n "s/^hash /hash $n /p; s/^kept /kept $n /p" "$r"
}
hl_slow() { case " $slow " in *" $1 "*) hl_read "$@" ;; esac; }
"#;

/// What is read of a container. Its variables stay on the host.
const OF_CONTAINER: &str = r#"container {"project":{{json (index .Config.Labels "com.docker.compose.project")}},"service":{{json (index .Config.Labels "com.docker.compose.service")}},"number":{{json (index .Config.Labels "com.docker.compose.container-number")}},"one_off":{{json (index .Config.Labels "com.docker.compose.oneoff")}},"hash":{{json (index .Config.Labels "com.docker.compose.config-hash")}},"directory":{{json (index .Config.Labels "com.docker.compose.project.working_dir")}},"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Image}},"image_name":{{json .Config.Image}},"state":{{json .State.Status}},"exit_code":{{json .State.ExitCode}},"started":{{json .State.StartedAt}},"health":{{with .State.Health}}{{json .Status}}{{else}}null{{end}},"networks":[{{range $name, $on := .NetworkSettings.Networks}}[{{json $name}},{{json $on.NetworkID}}],{{end}}null],"volumes":[{{range .Mounts}}{{if eq .Type "volume"}}[{{json .Destination}},{{json .Name}}],{{end}}{{end}}null],"binds":[{{range .Mounts}}{{if eq .Type "bind"}}{{json .Source}},{{end}}{{end}}null]}"#;

/// What is read of every container first: its project, its service and its id.
const OF_ALL: &str = r#"{{with .Label "com.docker.compose.project"}}{{.}}{{else}}-{{end}} {{with .Label "com.docker.compose.service"}}{{.}}{{else}}-{{end}} {{.ID}}"#;

/// What others of the host must know of every container.
const OF_HOLDER: &str = r#"[{{json .Names}},{{json (.Label "com.docker.compose.project")}},{{json .Ports}}]"#;

/// What is read of the networks that compose made.
const OF_NETWORK: &str = r#"settings [{{json .Name}},{{json .Driver}},{{json .Internal}},{{json .Attachable}},{{json .EnableIPv6}},{{json .Options}},[{{range .IPAM.Config}}{{json .Subnet}},{{end}}null],{{json (index .Labels "com.docker.compose.project")}}]"#;

/// Lines that begin with a word: `denied` or `failed` and the reason, or `image`, `network`, `settings`, `container`, `holder`, `listens` and `record` with what there
/// is; `hash`, `service`, `unset`, `config` and `kept` with the number of the key; `end` last.
fn probe(keys: &[FactKey]) -> String {
    let mut text = format!("{CLEAN}{HASHES}{FUNCTIONS}")
        .replace("LONGEST", &LONGEST.to_string())
        .replace("NAMES", &DEFAULT_FILES.join(" "));
    let functions = text.clone();
    text.push_str("said=/dev/null ids=\n");
    if keys.iter().any(|key| matches!(key, FactKey::ComposeProject(_))) {
        text.push_str("ss -Hlntup 2>/dev/null | sed 's/^/listens /'\n");
    }
    text.push_str(CHECKS);
    text.push_str(&asked_of_engine(keys));
    let (mut there, mut planned, mut files_of_plan) = (Vec::new(), Vec::new(), String::new());
    let mut tried = String::new();
    for (number, key) in keys.iter().enumerate() {
        let Some(ConfigKey(files)) = ConfigKey::of(key) else {
            continue;
        };
        let read = read(number, &files.0);
        if files.0.planned.is_empty() {
            let _ = writeln!(tried, "hl_kept {read} || slow=\"$slow {number}\"");
            there.push(format!("hl_slow {read}"));
        } else {
            files_of_plan.push_str(&laid(&files.0));
            planned.push(format!("hl_read {read}"));
        }
    }
    text.push_str("slow=\n");
    if !there.is_empty() {
        text.push_str(INPUTS);
        text.push_str(&KEPT.replace("RECORDS", RECORDS));
        text.push_str(&tried);
    }
    let needs_compose = if planned.is_empty() { "[ -z \"$slow\" ] || " } else { "" };
    let _ = writeln!(
        text,
        "{needs_compose}hl_asked compose version >/dev/null 2>&1 || {{ case $? in 124|137) echo failed it did not answer within {LONGEST} s ;; *) echo nocompose ;; esac; echo end; exit; }}"
    );
    if !there.is_empty() {
        let _ = write!(text, "if [ -n \"$slow\" ]; then\n{}fi\n", at_once(&there));
    }
    if !planned.is_empty() {
        let inner = format!("{functions}said=/dev/shm/said\n{files_of_plan}{}", at_once(&planned));
        let limit = Duration::from_secs(3 * LONGEST * keys.len() as u64);
        text.push_str("export ids\n");
        text.push_str(&in_layers(&inner, limit));
        text.push_str("\ns=$?; [ $s = 0 ] || echo noview $s\n");
    }
    format!("(\nPATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n{text}echo end\n)")
}

/// A host without an engine has no containers. One that systemd would start at the first question is not asked.
const CHECKS: &str = r"command -v docker >/dev/null || { echo nocompose; echo end; exit; }
e=1
if [ -d /run/systemd/system ] && ! systemctl -q is-active docker.service && systemctl -q is-active docker.socket; then e=; fi
";

/// Asks the engine about everything that projects have and use. What compose reads needs their containers alone.
fn asked_of_engine(keys: &[FactKey]) -> String {
    let projects: BTreeSet<&str> = keys.iter().filter_map(ProjectKey::of).map(|key| key.0).collect();
    let read = keys
        .iter()
        .filter_map(ConfigKey::of)
        .map(|key| key.0.0.project.as_str());
    let patterns: BTreeSet<String> = projects.iter().copied().chain(read).map(quote).collect();
    let patterns: Vec<String> = patterns.into_iter().collect();
    let all = if projects.is_empty() {
        String::new()
    } else {
        format!(
            "a=$(printf '%s\\n' \"$ids\" | cut -d ' ' -f 3)\n\
             if [ -n \"$a\" ]; then hl_asked inspect --format {format} $a </dev/null || echo failed containers changed meanwhile; fi\n\
             printf '%s\\n' \"$all\" | sed -n 's/^[^ ]* [^ ]* [0-9a-f]* \\[/holder [/p'\n\
             hl_asked image ls --no-trunc --digests --format 'image {{{{.Repository}}}} {{{{.Tag}}}} {{{{.Digest}}}} {{{{.ID}}}}' </dev/null || echo failed no images\n\
             n=$(hl_asked network ls --no-trunc --format '{{{{.ID}}}} {{{{.Name}}}} {{{{.Label \"com.docker.compose.project\"}}}}' </dev/null) || echo failed no networks\n\
             printf '%s\\n' \"$n\" | sed 's/^\\([^ ]* [^ ]*\\).*/network \\1/'\n\
             n=$(printf '%s\\n' \"$n\" | while read -r i _ p; do [ -z \"$p\" ] || echo \"$i\"; done)\n\
             [ -z \"$n\" ] || hl_asked network inspect --format {settings} $n </dev/null || echo failed networks changed meanwhile\n",
            format = quote(OF_CONTAINER),
            settings = quote(OF_NETWORK),
        )
    };
    let records = projects.iter().map(|name| {
        format!(
            "sed -e '/^kept /d' -e '/^reads /d' -e '/^inputs /d' -e \"s/^/record {name} /\" {} 2>/dev/null\n",
            quote(&format!("{RECORDS}/{name}"))
        )
    });
    format!(
        "if [ -n \"$e\" ]; then\n\
         all=$(hl_asked ps -a --no-trunc {all_or_own} 2>&1 </dev/null) || {{\n\
         case $all in *ermission\\ denied*) echo denied \"$(printf '%s\\n' \"$all\" | hl_why)\" ;; *\"Is the docker daemon running\"*) ;; *) echo failed \"$(printf '%s\\n' \"$all\" | hl_why)\" ;; esac; e=\n\
         }}\n\
         fi\n\
         if [ -n \"$e\" ]; then\n\
         ids=$(printf '%s\\n' \"$all\" | while read -r p s i _; do case $p in ({patterns}) echo \"$p $s $i\" ;; esac; done)\n\
         {all}fi\n\
         {records}",
        patterns = patterns.join("|"),
        all_or_own = if projects.is_empty() {
            format!("--filter label=com.docker.compose.project --format {}", quote(OF_ALL))
        } else {
            format!("--format {}", quote(&format!("{OF_ALL} {OF_HOLDER}")))
        },
        records = records.collect::<String>(),
    )
}

/// The words after `hl_read`.
fn read(number: usize, files: &Files) -> String {
    let options = options(files);
    let words = [files.project.as_str(), files.directory.as_str()];
    let words = words.into_iter().chain(options.iter().map(String::as_str));
    format!("{number} {}", quote_all(words))
}

/// Runs commands, as many as a small host has room for at the same time. Each waits with what it prints until those before it have
/// printed.
fn at_once(commands: &[String]) -> String {
    let groups = commands.chunks(AT_ONCE).map(|group| {
        let (first, others) = (&group[0], &group[1..]);
        let others = others
            .iter()
            .map(|command| format!(" | {{ o=$({command} </dev/null); cat; printf '%s\\n' \"$o\"; }}"));
        format!("{first}{}\n", others.collect::<String>())
    });
    groups.collect()
}

/// The options of `docker compose` that say which files it reads.
fn options(files: &Files) -> Vec<String> {
    let named = files
        .compose_files
        .iter()
        .flat_map(|file| ["-f".to_owned(), file.clone()]);
    let profiles = files
        .profiles
        .iter()
        .flat_map(|name| ["--profile".to_owned(), name.clone()]);
    named.chain(profiles).collect()
}

/// Shell text that makes the planned files.
fn laid(files: &Files) -> String {
    let each = files.planned.iter().map(|file| {
        let path = quote(&file.path);
        if file.is_removed {
            return format!("rm -rf -- {path}\n");
        }
        // A plan that was stored has no texts.
        let Some(text) = &file.text else {
            return String::new();
        };
        format!(
            "f={path}; mkdir -p -- \"${{f%/*}}\" && rm -rf -- \"$f\" && printf %s '{}' | base64 -d >\"$f\"\n",
            STANDARD.encode(text.expose())
        )
    });
    each.collect()
}

/// A container as [`OF_CONTAINER`] prints it.
#[derive(Deserialize)]
struct Inspected {
    project: Option<String>,
    service: Option<String>,
    number: Option<String>,
    one_off: Option<String>,
    hash: Option<String>,
    directory: Option<String>,
    id: String,
    name: String,
    image: String,
    image_name: String,
    state: ContainerState,
    exit_code: i32,
    started: String,
    health: Option<Health>,
    networks: Vec<Option<(String, String)>>,
    volumes: Vec<Option<(String, String)>>,
    binds: Vec<Option<String>>,
}

impl Inspected {
    fn is_one_off(&self) -> bool {
        self.one_off
            .as_deref()
            .is_some_and(|word| word.eq_ignore_ascii_case("true"))
    }

    fn container(self) -> Container {
        let pairs = |pairs: Vec<Option<(String, String)>>| pairs.into_iter().flatten().collect();
        Container {
            id: self.id,
            name: self.name.trim_start_matches('/').to_owned(),
            service: self.service.unwrap_or_default(),
            number: self.number.and_then(|number| number.parse().ok()).unwrap_or_default(),
            hash: self.hash.unwrap_or_default(),
            image: self.image,
            image_name: self.image_name,
            state: self.state,
            exit_code: self.exit_code,
            started: self.started,
            health: self.health,
            directory: self.directory.unwrap_or_default(),
            networks: pairs(self.networks),
            volumes: pairs(self.volumes),
            binds: self.binds.into_iter().flatten().collect(),
        }
    }
}

/// What the host says.
#[derive(Default)]
struct Said {
    projects: BTreeMap<String, Vec<Container>>,
    images: Vec<Image>,
    networks: BTreeMap<String, BTreeSet<String>>,
    records: BTreeMap<String, Record>,
    hashes: BTreeMap<usize, BTreeMap<String, String>>,
    /// All services of a project, whatever their profiles.
    services: BTreeMap<usize, BTreeSet<String>>,
    unset: BTreeMap<usize, BTreeSet<String>>,
    configs: BTreeMap<usize, ConfigFact>,
    /// By project.
    own_networks: BTreeMap<String, BTreeSet<String>>,
    network_settings: BTreeMap<String, NetworkSettings>,
    holders: Vec<Holder>,
    listeners: Vec<Listener>,
    /// Why the engine says nothing.
    denied: Option<String>,
    has_no_compose: bool,
    /// Why there is no view of planned files.
    no_view: Option<&'static str>,
    has_ended: bool,
}

impl Said {
    fn read(answer: &[u8]) -> Result<Self, UnreadableAnswer> {
        let mut said = Self::default();
        for line in lines(answer) {
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            said.add(word, rest).map_err(|why| {
                UnreadableAnswer::new(format!("`{word} {}`: {why}", rest.chars().take(80).collect::<String>()))
            })?;
        }
        Ok(said)
    }

    fn add(&mut self, word: &str, rest: &str) -> Result<(), String> {
        match word {
            "container" => {
                let inspected: Inspected = serde_json::from_str(rest).map_err(|error| error.to_string())?;
                if let Some(project) = inspected.project.clone().filter(|_| !inspected.is_one_off()) {
                    self.projects.entry(project).or_default().push(inspected.container());
                }
            }
            "image" => self.images.extend(image(rest)),
            "settings" => {
                let (name, project, settings) = network_settings(rest)?;
                self.own_networks.entry(project).or_default().insert(name.clone());
                self.network_settings.insert(name, settings);
            }
            "holder" => self
                .holders
                .push(Holder::read(rest).map_err(|error| error.to_string())?),
            "listens" => self.listeners.extend(Listener::read(rest)),
            "network" => {
                if let Some((id, name)) = rest.split_once(' ') {
                    self.networks.entry(name.to_owned()).or_default().insert(id.to_owned());
                }
            }
            "record" => {
                let (project, line) = rest.split_once(' ').unwrap_or((rest, ""));
                record(self.records.entry(project.to_owned()).or_default(), line);
            }
            "hash" => {
                let (number, rest) = numbered(rest)?;
                let (service, hash) = rest.split_once(' ').ok_or("no hash")?;
                let hashes = self.hashes.entry(number).or_default();
                hashes.insert(service.to_owned(), hash.to_owned());
            }
            "service" => {
                let (number, service) = numbered(rest)?;
                self.services.entry(number).or_default().insert(service.to_owned());
            }
            "unset" => {
                let (number, variable) = numbered(rest)?;
                self.unset.entry(number).or_default().insert(variable.to_owned());
            }
            "kept" => {
                let (number, rest) = numbered(rest)?;
                let mut config: Config = serde_json::from_str(rest).map_err(|error| error.to_string())?;
                self.add_hashes(number, &mut config);
                self.configs.insert(number, ConfigFact::Read(Box::new(config)));
            }
            "config" => {
                let (number, rest) = numbered(rest)?;
                let fact = self.config(number, rest)?;
                self.configs.insert(number, fact);
            }
            "denied" | "failed" => drop(self.denied.get_or_insert_with(|| rest.to_owned())),
            "nocompose" => self.has_no_compose = true,
            "noview" => self.no_view = Some(why_no_view(rest)),
            "end" => self.has_ended = true,
            // A warning of a command.
            _ => {}
        }
        Ok(())
    }

    fn config(&self, number: usize, rest: &str) -> Result<ConfigFact, String> {
        let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "none" => Ok(ConfigFact::NoFiles),
            "refused" => Ok(ConfigFact::Refused(more.to_owned())),
            coded => {
                let json = STANDARD.decode(coded).map_err(|error| error.to_string())?;
                let mut config = config::parse(&json)?;
                self.add_hashes(number, &mut config);
                let all = self.services.get(&number).into_iter().flatten();
                config.disabled = all
                    .filter(|name| !config.services.contains_key(*name))
                    .cloned()
                    .collect();
                config.unset_variables = self.unset.get(&number).cloned().unwrap_or_default();
                Ok(ConfigFact::Read(Box::new(config)))
            }
        }
    }

    fn add_hashes(&self, number: usize, config: &mut Config) {
        let hashes = self.hashes.get(&number);
        for (name, service) in &mut config.services {
            service.hash = hashes.and_then(|of| of.get(name)).cloned().unwrap_or_default();
        }
    }

    fn project(&self, name: &str) -> Fact {
        if let Some(why) = &self.denied {
            return Fact::Denied(why.clone());
        }
        let mut containers = self.projects.get(name).cloned().unwrap_or_default();
        containers.sort_by(|one, other| (&one.service, one.number).cmp(&(&other.service, other.number)));
        Fact::ComposeProject(Box::new(Project {
            containers,
            networks: self.networks.clone(),
            own_networks: self.own_networks.get(name).cloned().unwrap_or_default(),
            network_settings: self.network_settings.clone(),
            images: self.images.clone(),
            others: self
                .holders
                .iter()
                .filter(|one| one.project.as_deref() != Some(name))
                .cloned()
                .collect(),
            listeners: self.listeners.clone(),
            record: self.records.get(name).cloned(),
        }))
    }

    fn answered(&self, number: usize, files: &Files) -> Option<Fact> {
        if self.has_no_compose {
            return Some(Fact::ComposeConfig(ConfigFact::NoCompose));
        }
        if let Some(fact) = self.configs.get(&number) {
            return Some(Fact::ComposeConfig(fact.clone()));
        }
        let no_view = self.no_view.filter(|_| !files.planned.is_empty());
        let why = no_view.map(str::to_owned).or_else(|| self.denied.clone())?;
        Some(Fact::Denied(why))
    }
}

fn numbered(rest: &str) -> Result<(usize, &str), String> {
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok((number.parse().map_err(|_| "no number".to_owned())?, rest))
}

/// A network as [`OF_NETWORK`] prints it.
fn network_settings(line: &str) -> Result<(String, String, NetworkSettings), String> {
    type Line = (
        String,
        String,
        bool,
        bool,
        bool,
        Option<BTreeMap<String, String>>,
        Vec<Option<String>>,
        String,
    );
    let (name, driver, internal, attachable, ipv6, options, subnets, project): Line =
        serde_json::from_str(line).map_err(|error| error.to_string())?;
    let settings = NetworkSettings {
        driver: Some(driver),
        internal,
        attachable,
        ipv6: Some(ipv6),
        options: config::digests(options.unwrap_or_default()),
        subnets: subnets.into_iter().flatten().collect(),
    };
    Ok((name, project, settings))
}

fn image(line: &str) -> Option<Image> {
    let mut words = line.split(' ').map(|word| (word != "<none>").then(|| word.to_owned()));
    let (repository, tag, digest, id) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(Image {
        repository: repository.unwrap_or_default(),
        tag,
        digest,
        id: id?,
    })
}

/// A line of a record: `container SERVICE ID`, `hash SERVICE HASH`, `inline SERVICE SHA256`, `build SERVICE DIGEST IMAGE` or `mounted SERVICE SHA256 PATH`.
fn record(record: &mut Record, line: &str) {
    let mut words = line.splitn(4, ' ');
    let (Some(word), Some(service), Some(value)) = (words.next(), words.next(), words.next()) else {
        return;
    };
    let recorded = record.services.entry(service.to_owned()).or_default();
    match (word, words.next()) {
        ("container", None) => drop(recorded.containers.insert(value.to_owned())),
        ("hash", None) => value.clone_into(&mut recorded.hash),
        ("inline", None) => recorded.inline = Some(value.to_owned()),
        ("build", Some(image)) => {
            recorded.build = Some(RecordedBuild {
                digest: value.to_owned(),
                image: image.to_owned(),
            });
        }
        ("mounted", Some(path)) => drop(recorded.mounted.insert(path.to_owned(), value.to_owned())),
        _ => {}
    }
}

/// Why compose cannot read files that are not there yet.
fn why_no_view(status: &str) -> &'static str {
    use crate::facts::layers::{NO_MOUNTS, NO_PROGRAM, NO_ROOT};
    match status.parse() {
        Ok(NO_ROOT) => "reading compose files before they are written needs root",
        Ok(NO_PROGRAM) => "reading compose files before they are written needs `unshare` on the host",
        Ok(NO_MOUNTS) => "the host allows no private mounts, so compose reads the files only once they are written",
        _ => "compose did not read the files in time",
    }
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let said = Said::read(answer)?;
    if !said.has_ended {
        return Err(UnreadableAnswer::new("the answer about compose projects is cut off"));
    }
    let facts = keys.iter().enumerate().map(|(number, key)| {
        let fact = match key {
            FactKey::ComposeProject(name) => Some(said.project(name)),
            FactKey::ComposeConfig(files) => said.answered(number, &files.0),
            _ => None,
        };
        let fact = fact.ok_or_else(|| UnreadableAnswer::new(format!("nothing about {key}")))?;
        Ok((key.clone(), fact))
    });
    facts.collect()
}

#[cfg(test)]
mod tests;
