//! Reads all that the engine has, for what removes things that nothing uses.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::facts::docker::{BuildCache, HeldImage, HeldNetwork, HeldVolume, Usage, UsingContainer};

/// How long measuring a volume may take, in seconds.
const MEASURED: u64 = 10;

/// Labels. Older engines say `null` for none.
type InspectedLabels = Option<BTreeMap<String, String>>;

/// Shell text that prints all of it: `now` and the host's clock; then, each as a list in JSON, `user` for a container, `held` for an
/// image, `link` for a network and `store` for a volume, or `unread` and the reason; `own` and `filled` have the bytes of what does not run or is not used.
pub(super) fn probe() -> String {
    let all = |list: &str, inspect: &str| {
        format!(
            "a=$(d {list}); s=$?\n\
             [ $s = 0 ] || {{ echo unread \"$(why $s \"$a\")\"; exit; }}\n\
             if [ -n \"$a\" ]; then\n\
             a=$(d {inspect} $(printf \"%s\\n\" \"$a\" | sort -u)); s=$?\n\
             [ $s = 0 ] || {{ echo unread \"$(why $s \"$a\")\"; exit; }}\n\
             printf \"%s\\n\" \"$a\"\n\
             fi\n"
        )
    };
    let inspect = |options: &str, word: &str, fields: &[&str]| {
        let fields: Vec<String> = fields.iter().map(|field| format!("{{{{json {field}}}}}")).collect();
        format!("{options} --format \"{word} [{}]\"", fields.join(","))
    };
    let containers = [
        ".Name",
        ".State.Status",
        ".Created",
        ".State.FinishedAt",
        ".Image",
        ".Config.Labels",
        ".Mounts",
        ".NetworkSettings.Networks",
    ];
    // A field that is not there would be an error, and some images have no date.
    let whole = ["."];
    let stopped = "ps --all --quiet --no-trunc --filter status=exited --filter status=created --filter status=dead";
    [
        "(\necho now $(date +%s)\n".to_owned(),
        all(
            "ps --all --quiet --no-trunc",
            &inspect("inspect --type container", "user", &containers),
        ),
        all(
            stopped,
            &inspect("inspect --size --type container", "own", &[".Name", ".SizeRw"]),
        ),
        all("image ls --quiet --no-trunc", &inspect("image inspect", "held", &whole)),
        all(
            "network ls --quiet --no-trunc --filter type=custom",
            &inspect("network inspect", "link", &whole),
        ),
        all("volume ls --quiet", &inspect("volume inspect", "store", &whole)),
        format!(
            "for v in $(d volume ls --quiet --filter dangling=true | grep -x \"[0-9a-f]\\{{64\\}}\"); do\n\
             m=$(d volume inspect --format \"{{{{.Mountpoint}}}}\" \"$v\") && \
             echo filled \"$v\" $(timeout {MEASURED} du -skx -- \"$m\" 2>/dev/null | cut -f 1)\n\
             done\n)\n"
        ),
    ]
    .concat()
}

/// Shell text that prints what the build cache has. The engine measures everything for that.
pub(super) const BUILD_CACHE: &str = "a=$(d system df --format \"cache {{json .}}\"); s=$?\n\
    [ $s = 0 ] || { echo failed \"$(why $s \"$a\")\"; exit; }\n\
    printf \"%s\\n\" \"$a\"\n";

/// A container: name, state, times, the id of its image, labels, mounts and networks.
type InspectedUser = (
    String,
    String,
    String,
    String,
    String,
    InspectedLabels,
    Option<Vec<InspectedMount>>,
    Option<serde_json::Map<String, serde_json::Value>>,
);

#[derive(Deserialize)]
struct InspectedMount {
    #[serde(rename = "Name")]
    volume: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedImage {
    id: String,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    /// When it was built, if that is known.
    created: Option<String>,
    metadata: Option<InspectedTagging>,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
struct InspectedTagging {
    #[serde(rename = "LastTagTime")]
    last: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedLink {
    name: String,
    id: String,
    created: Option<String>,
    #[serde(default)]
    scope: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedStore {
    name: String,
    created_at: Option<String>,
    driver: String,
    labels: InspectedLabels,
}

/// A line of `docker system df`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedSpace {
    #[serde(rename = "Type")]
    kind: String,
    total_count: String,
    active: String,
    reclaimable: String,
}

/// What was printed so far.
#[derive(Default)]
pub(super) struct Reading {
    /// Seconds since 1970.
    now: i64,
    pub(super) usage: Usage,
    /// Why it could not be read.
    pub(super) unread: Option<String>,
    pub(super) cache: BuildCache,
}

impl Reading {
    /// Takes a line that begins with `word`; `None` if it is about something else.
    ///
    /// Errors: it cannot be read.
    pub(super) fn line(&mut self, word: &str, rest: &str) -> Option<Result<(), serde_json::Error>> {
        Some(match word {
            "now" => {
                self.now = rest.trim().parse().unwrap_or_default();
                Ok(())
            }
            "unread" => {
                self.unread = Some(rest.to_owned());
                Ok(())
            }
            "user" => read(rest).map(|user| self.container(user)),
            "own" => read(rest).map(|own| self.size_of_container(own)),
            "held" => read(rest).map(|image| self.image(image)),
            "link" => read(rest).map(|network| self.network(network)),
            "store" => read(rest).map(|volume| self.volume(volume)),
            "filled" => {
                self.size_of_volume(rest);
                Ok(())
            }
            "cache" => read(rest).map(|space| self.space(&space)),
            _ => return None,
        })
    }

    fn container(&mut self, user: InspectedUser) {
        let (name, state, created, finished, image, labels, mounts, networks) = user;
        let labels = labels.unwrap_or_default();
        let label = |name: &str| labels.get(&format!("com.docker.compose.{name}"));
        let is_one_off = label("oneoff").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let names = mounts.into_iter().flatten().filter_map(|mount| mount.volume);
        self.usage.containers.push(UsingContainer {
            name: name.trim_start_matches('/').to_owned(),
            is_running: !matches!(state.as_str(), "created" | "exited" | "dead"),
            is_service: label("service").is_some() && !is_one_off,
            // One that never ran ended in the year 1.
            age: self.age(&created).min(self.age(&finished)),
            size: None,
            image,
            networks: networks.into_iter().flatten().map(|(name, _)| name).collect(),
            volumes: names.filter(|name| !name.is_empty()).collect(),
        });
    }

    fn size_of_container(&mut self, (name, size): (String, Option<u64>)) {
        let name = name.trim_start_matches('/');
        let own = self.usage.containers.iter_mut().find(|one| one.name == name);
        if let Some(own) = own {
            own.size = size;
        }
    }

    fn image(&mut self, [image]: [InspectedImage; 1]) {
        let tagged = image.metadata.and_then(|tagging| tagging.last);
        let ages = [image.created, tagged].into_iter().flatten();
        let ages = ages.filter(|time| !time.is_empty()).map(|time| self.age(&time));
        self.usage.images.push(HeldImage {
            id: image.id,
            tags: image.repo_tags.unwrap_or_default(),
            digests: image.repo_digests.unwrap_or_default(),
            age: ages.min().unwrap_or_default(),
            size: image.size,
        });
    }

    fn network(&mut self, [network]: [InspectedLink; 1]) {
        // Those of a swarm are not this host's alone.
        if network.scope == "local" {
            self.usage.networks.push(HeldNetwork {
                age: network.created.map_or(0, |created| self.age(&created)),
                name: network.name,
                id: network.id,
            });
        }
    }

    fn volume(&mut self, [volume]: [InspectedStore; 1]) {
        let is_digits = volume.name.len() == 64 && volume.name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let labels = volume.labels.unwrap_or_default();
        // Older engines do not label them.
        if volume.driver == "local" && is_digits || labels.contains_key("com.docker.volume.anonymous") {
            self.usage.volumes.push(HeldVolume {
                age: volume.created_at.map_or(0, |created| self.age(&created)),
                name: volume.name,
                size: None,
            });
        }
    }

    fn size_of_volume(&mut self, words: &str) {
        let Some((name, kibibytes)) = words.split_once(' ') else {
            return;
        };
        let own = self.usage.volumes.iter_mut().find(|one| one.name == name);
        if let (Some(own), Ok(size)) = (own, kibibytes.trim().parse::<u64>()) {
            own.size = Some(size * 1024);
        }
    }

    fn space(&mut self, space: &InspectedSpace) {
        if space.kind == "Build Cache" {
            let count = |text: &str| text.parse::<u64>().unwrap_or_default();
            self.cache = BuildCache {
                entries: count(&space.total_count).saturating_sub(count(&space.active)),
                size: space.reclaimable.clone(),
            };
        }
    }

    /// Seconds since this time; none for one that is to come, and most for one that cannot be read.
    fn age(&self, time: &str) -> u64 {
        let time = time.parse::<Timestamp>().map(Timestamp::as_second);
        time.map_or(u64::MAX, |time| u64::try_from(self.now - time).unwrap_or_default())
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text)
}
