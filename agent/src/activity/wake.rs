//! Wakes a host that is off: by a magic packet, by asking a service that can send one, or both.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::net::UdpSocket;

use crate::client::{Client, Question};

/// What the port means to nobody: network cards look at the content.
const DISCARD: u16 = 9;
const LONGEST_ANSWER: usize = 64 * 1024;

/// How a host is woken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The address of its network card: `52:54:00:12:34:56`.
    mac: Option<Mac>,
    /// Where the magic packet goes. From a pod, the broadcast address of the host's network; routers often drop it.
    #[serde(default = "everybody")]
    broadcast: SocketAddr,
    /// A service that wakes hosts by name: it gets a form with `name`.
    url: Option<String>,
    /// The name of the host there.
    name: Option<String>,
    /// Seconds in which the host is not woken again.
    #[serde(default = "five_minutes")]
    debounce: u64,
    /// Seconds to wait for the service.
    #[serde(default = "ten")]
    timeout: u64,
}

/// The address of a network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mac([u8; 6]);

impl Mac {
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|part| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(Self(bytes))
    }

    /// Six bytes of ones, and the address sixteen times.
    fn packet(self) -> Vec<u8> {
        [[0xff; 6].as_slice(), &self.0.repeat(16)].concat()
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not an address such as `52:54:00:12:34:56`")))
    }
}

fn everybody() -> SocketAddr {
    (Ipv4Addr::BROADCAST, DISCARD).into()
}

fn ten() -> u64 {
    10
}

fn five_minutes() -> u64 {
    300
}

/// A host that can be woken.
pub(super) struct Wake {
    settings: Settings,
    client: Client,
    last: Mutex<Option<Instant>>,
}

impl Wake {
    pub(super) fn new(settings: Settings) -> Result<Self, String> {
        if settings.mac.is_none() && settings.url.is_none() {
            return Err("`[wake]` needs `mac`, or `url` and `name`".to_owned());
        }
        if settings.url.is_some() != settings.name.is_some() {
            return Err("`[wake]` has only one of `url` and `name`".to_owned());
        }
        Ok(Self {
            client: Client::new(Duration::from_secs(settings.timeout), LONGEST_ANSWER),
            settings,
            last: Mutex::new(None),
        })
    }

    /// Wakes the host. `None` if that was done a moment ago. What failed is tried again the next time.
    pub(super) async fn wake(&self) -> Option<Result<(), String>> {
        let now = Instant::now();
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let window = Duration::from_secs(self.settings.debounce);
            if last.is_some_and(|last| now.duration_since(last) < window) {
                return None;
            }
            *last = Some(now);
        }
        let woken = self.send().await;
        if woken.is_err() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Some(woken)
    }

    async fn send(&self) -> Result<(), String> {
        let packet = match self.settings.mac {
            Some(mac) => Some(
                self.broadcast(mac)
                    .await
                    .map_err(|error| format!("magic packet: {error}")),
            ),
            None => None,
        };
        let form = match (&self.settings.url, &self.settings.name) {
            (Some(url), Some(name)) => Some(self.ask(url, name).await),
            _ => None,
        };
        // One of both is enough.
        let results: Vec<_> = packet.into_iter().chain(form).collect();
        if results.iter().any(Result::is_ok) {
            return Ok(());
        }
        let problems: Vec<String> = results.into_iter().filter_map(Result::err).collect();
        Err(problems.join("; "))
    }

    async fn broadcast(&self, mac: Mac) -> std::io::Result<()> {
        let to = self.settings.broadcast;
        let from: SocketAddr = if to.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(from).await?;
        socket.set_broadcast(true)?;
        socket.send_to(&mac.packet(), to).await?;
        Ok(())
    }

    async fn ask(&self, url: &str, name: &str) -> Result<(), String> {
        let form = format!("name={}", encoded(name)).into_bytes();
        let question = Question::post(url, "application/x-www-form-urlencoded", form);
        self.client.tell(question, url).await
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::TestServer;

    fn settings(text: &str) -> Result<Settings, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_checked() {
        for mac in [
            "52:54:00:12:34:5",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "x",
            "+2:54:00:12:34:56",
            "",
        ] {
            assert!(settings(&format!("mac = '{mac}'")).is_err(), "{mac}");
        }
        for text in [
            "",
            "url = 'http://a'",
            "name = 'a'",
            "mac = '52:54:00:12:34:56'\nname = 'a'",
        ] {
            assert!(Wake::new(settings(text).expect("read")).is_err(), "{text}");
        }
        assert!(settings("mac = '52-54-00-12-34-56'").is_ok());
    }

    #[tokio::test]
    async fn a_magic_packet_is_sent_once() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
        let to = socket.local_addr().expect("bound");
        let settings = settings(&format!("mac = '52:54:00:12:34:56'\nbroadcast = '{to}'")).expect("read");
        let wake = Wake::new(settings).expect("settings");
        assert_eq!(wake.wake().await, Some(Ok(())));
        assert_eq!(wake.wake().await, None);
        let mut packet = [0; 200];
        let (count, _) = socket.recv_from(&mut packet).await.expect("received");
        assert_eq!(count, 102);
        assert_eq!(packet[..6], [0xff; 6]);
        assert_eq!(packet[96..102], [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    }

    #[tokio::test]
    async fn a_service_gets_a_form_and_a_failure_is_tried_again() {
        let server = TestServer::start(|asked| (if asked.len() == 1 { 500 } else { 200 }, String::new())).await;
        let text = format!("url = '{}/wake'\nname = 'big box&x'", server.url);
        let wake = Wake::new(settings(&text).expect("read")).expect("settings");
        assert!(matches!(wake.wake().await, Some(Err(_))));
        assert_eq!(wake.wake().await, Some(Ok(())));
        assert_eq!(wake.wake().await, None);
        let asked = server.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(
            (asked[1].line.as_str(), asked[1].body.as_str()),
            ("POST /wake", "name=big%20box%26x")
        );
        assert!(asked[1].head.contains("application/x-www-form-urlencoded"));
    }
}
