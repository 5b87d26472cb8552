//! The configuration of `nginx-sync`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::server;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// How `/health`, `/ready` and `/metrics` are reached.
    #[serde(default)]
    pub(super) server: server::Settings,
    pub(super) models: Models,
    pub(super) nginx: Nginx,
    pub(super) config_map: ConfigMap,
    #[serde(default)]
    pub(super) api: Api,
    pub(super) open_webui: Option<OpenWebUi>,
}

/// Who is asked for the models.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Models {
    /// Where the mode `models` answers: `http://192.0.2.7:5002`.
    pub(super) url: Url,
    /// A file with its token for reading.
    pub(super) token_file: Option<PathBuf>,
    /// A file with the authority of its certificate, for `https`.
    pub(super) authority_file: Option<PathBuf>,
    /// Seconds between two questions.
    #[serde(default = "thirty")]
    pub(super) interval: u64,
    /// Seconds to wait for an answer.
    #[serde(default = "ten")]
    pub(super) timeout: u64,
    /// How often a question that failed is asked again at once.
    #[serde(default = "three")]
    pub(super) retries: u32,
    /// Seconds between these.
    #[serde(default = "five")]
    pub(super) retry_delay: u64,
    /// After how many empty answers in a row the list is emptied.
    #[serde(default = "three")]
    pub(super) empty_answers: u32,
}

/// What nginx does with requests for models.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nginx {
    /// The host on which models listen: an address, or a name that nginx can resolve when it starts.
    pub(super) upstream: Host,
    /// What models get as `Host`: `$host`, or a name, as Ollama wants `localhost`.
    #[serde(default)]
    pub(super) host_header: HostHeader,
    /// Seconds after which clients of a model that sleeps are asked to come again.
    #[serde(default = "sixty")]
    pub(super) retry_after: u32,
    /// Where nginx answers, to see that it has loaded what was applied.
    pub(super) url: Option<Url>,
}

/// What is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigMap {
    pub(super) name: ObjectName,
    /// By default that of the pod.
    pub(super) namespace: Option<ObjectName>,
}

/// How the API server is reached; by default as a pod does.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    pub(super) url: Option<Url>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) authority_file: Option<PathBuf>,
}

/// Where the list of models is pushed to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenWebUi {
    pub(super) url: Url,
    /// A file with the key of an administrator.
    pub(super) key_file: PathBuf,
    /// Where `Open WebUI` reaches nginx.
    pub(super) router: Url,
    /// A file with the authority of its certificate, for `https`.
    pub(super) authority_file: Option<PathBuf>,
}

impl Settings {
    /// How long a turn may take before something is wrong with it.
    pub(super) fn longest_turn(&self) -> Duration {
        let models = &self.models;
        let tries = u64::from(models.retries) + 1;
        let asking = tries.saturating_mul(models.timeout.saturating_add(models.retry_delay));
        Duration::from_secs(
            models
                .interval
                .saturating_mul(2)
                .saturating_add(asking)
                .saturating_add(120),
        )
    }
}

fn three() -> u32 {
    3
}

fn five() -> u64 {
    5
}

fn ten() -> u64 {
    10
}

fn thirty() -> u64 {
    30
}

fn sixty() -> u32 {
    60
}

/// The start of addresses, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url(String);

/// An address or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host(String);

/// A value of the header `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostHeader(String);

/// The name of an object in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectName(String);

impl Url {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte);
        let is_url = !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(is_plain) && !rest.contains("//");
        is_url.then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let is_address = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let is_name = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text.len() <= 253
            && text.bytes().all(is_plain);
        (is_address || is_name).then(|| Self(text.to_owned()))
    }
}

impl HostHeader {
    fn parse(text: &str) -> Option<Self> {
        let name = match text.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => text,
        };
        (text == "$host" || Host::parse(name).is_some()).then(|| Self(text.to_owned()))
    }
}

impl Default for HostHeader {
    fn default() -> Self {
        Self("$host".to_owned())
    }
}

impl ObjectName {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = text.bytes().next().is_some_and(is_letter)
            && text.len() <= 253
            && !text.contains("..")
            && text.bytes().all(|byte| is_letter(byte) || b"-.".contains(&byte));
        is_name.then(|| Self(text.to_owned()))
    }
}

macro_rules! checked_texts {
    ($($name:ident: $what:literal),*) => {$(
        impl $name {
            pub(super) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not {}", $what)))
            }
        }
    )*};
}

checked_texts! {
    Url: "an address such as `http://192.0.2.7:5002`",
    Host: "an address or a name, such as `192.0.2.7`",
    HostHeader: "`$host` or a name",
    ObjectName: "the name of an object in a cluster"
}

#[cfg(test)]
mod tests {
    use super::{Host, HostHeader, ObjectName, Settings, Url};

    #[test]
    fn only_plain_texts_get_into_nginx() {
        for host in ["192.0.2.7", "models", "models.inference.svc", "[2001:db8::7]"] {
            assert!(Host::parse(host).is_some(), "{host}");
        }
        for host in [
            "",
            "a b",
            "a;b",
            "a/b",
            "a:80",
            "$host",
            "[x]",
            "a\n",
            "é",
            "-a",
            "a{",
            "127.0.0.1/x",
            "a#",
        ] {
            assert!(Host::parse(host).is_none(), "{host:?}");
        }
        for header in ["$host", "localhost", "localhost:11434"] {
            assert!(HostHeader::parse(header).is_some(), "{header}");
        }
        for header in ["", "$host;", "$remote_addr", "a b", "a:b", "a:1;"] {
            assert!(HostHeader::parse(header).is_none(), "{header:?}");
        }
        for name in ["", "A", "a/b", "..", "a?b", "../secrets/x"] {
            assert!(ObjectName::parse(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn addresses_have_one_scheme() {
        assert_eq!(
            Url::parse("http://192.0.2.7:5002/")
                .map(|url| url.to_string())
                .as_deref(),
            Some("http://192.0.2.7:5002")
        );
        for url in [
            "",
            "models:5002",
            "http://",
            "http://http://a",
            "ftp://a",
            "http:///a",
            "http://a b",
            "http://a\"",
            "http://a?b",
            "http://u@a",
        ] {
            assert!(Url::parse(url).is_none(), "{url:?}");
        }
    }

    #[test]
    fn the_file_has_defaults() {
        let text = "[models]\nurl = 'http://192.0.2.7:5002'\n[nginx]\nupstream = '192.0.2.7'\n[config_map]\nname = 'nginx-config-map'\n";
        let settings: Settings = toml::from_str(text).expect("read");
        assert_eq!(
            (
                settings.models.interval,
                settings.models.empty_answers,
                settings.nginx.retry_after
            ),
            (30, 3, 60)
        );
        assert_eq!(settings.nginx.host_header.as_str(), "$host");
        assert!(settings.longest_turn().as_secs() > 120);
        for (wrong, says) in [
            ("interval = 30\n", "unknown field `interval`"),
            ("[nginx]\n", "duplicate key"),
            ("[open_webui]\nurl = 'http://a'\n", "missing field"),
        ] {
            let text = format!("{text}{wrong}");
            let error = toml::from_str::<Settings>(&text).expect_err("wrong").to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
