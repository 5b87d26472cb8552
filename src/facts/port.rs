//! Ports of a host, and who has them.

use std::fmt;
use std::net::{AddrParseError, IpAddr};

use serde::{Deserialize, Serialize};

/// Ports on an address of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// `None` means all addresses, `0.0.0.0` all of IPv4.
    #[serde(default)]
    pub address: Option<IpAddr>,
    pub first: u16,
    pub last: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// A container that has its name, and perhaps ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub container: String,
    /// The compose project that it is of.
    #[serde(default)]
    pub project: Option<String>,
    #[serde(default)]
    pub ports: Vec<Ports>,
}

/// A program that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The name of its process, which only root learns.
    #[serde(default)]
    pub program: Option<String>,
    pub port: Ports,
}

/// The process that listens in place of a container.
const PROXY: &str = "docker-proxy";

impl Ports {
    /// What a compose file publishes: `[ADDRESS:]HOST:CONTAINER[/PROTOCOL]`; `None` if the engine chooses a free port.
    pub fn published(text: &str) -> Option<Self> {
        let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        let (rest, in_container) = ports.rsplit_once(':')?;
        let (first, last) = in_container.split_once('-').unwrap_or((in_container, in_container));
        let wanted = last.parse::<u16>().ok()?.checked_sub(first.parse().ok()?)?;
        // Of more ports than the container has, a free one is taken.
        Self::of(rest, protocol).filter(|own| own.last.checked_sub(own.first) == Some(wanted))
    }

    /// What Docker shows of a container, such as `0.0.0.0:80->80/tcp, :::80->80/tcp, 443/tcp`.
    pub fn of_container(text: &str) -> Vec<Self> {
        let published = text.split(", ").filter_map(|one| {
            let (on_host, in_container) = one.split_once("->")?;
            let (_, protocol) = in_container.rsplit_once('/')?;
            Self::of(on_host, protocol)
        });
        published.collect()
    }

    /// `[ADDRESS:]FIRST[-LAST]`
    fn of(text: &str, protocol: &str) -> Option<Self> {
        let (address, numbers) = match text.rsplit_once(':') {
            Some((address, numbers)) => (address, numbers),
            None => ("", text),
        };
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        Some(Self {
            address: parsed(address).ok()?,
            first: first.parse().ok().filter(|first| *first > 0)?,
            last: last.parse().ok()?,
            protocol: protocol.to_owned(),
        })
    }

    /// Whether only one of the two can be there.
    pub fn overlap(&self, other: &Self) -> bool {
        let same_address = match (self.address, other.address) {
            (Some(one), Some(another)) if one.is_ipv4() && another.is_ipv4() => {
                one == another || one.is_unspecified() || another.is_unspecified()
            }
            (Some(one), Some(another)) => one == another,
            _ => true,
        };
        same_address && self.protocol == other.protocol && self.first <= other.last && other.first <= self.last
    }
}

/// An address; `None` is any, and so is `::`: a listener there gets what comes over IPv4 too.
fn parsed(text: &str) -> Result<Option<IpAddr>, AddrParseError> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    let text = text.split('%').next().unwrap_or_default();
    if text.is_empty() || text == "*" {
        return Ok(None);
    }
    let address: IpAddr = text.parse()?;
    let is_any = address.is_ipv6() && address.is_unspecified();
    Ok(Some(address.to_canonical()).filter(|_| !is_any))
}

impl Holder {
    /// A list in JSON: the names of a container, its compose project, and its ports as Docker shows them.
    ///
    /// Errors: it is something else.
    pub fn read(line: &str) -> Result<Self, serde_json::Error> {
        let (names, project, ports): (String, String, String) = serde_json::from_str(line)?;
        // A linked one has the names that others call it by too.
        let own = names.split(',').find(|name| !name.contains('/')).unwrap_or(&names);
        Ok(Self {
            container: own.to_owned(),
            project: Some(project).filter(|project| !project.is_empty()),
            ports: Ports::of_container(&ports),
        })
    }
}

impl Listener {
    /// A line of `ss -Hlntup`; `None` for one that listens in place of a container, whose ports Docker tells.
    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let protocol = words.next()?;
        let address = words.nth(3)?;
        let program = words
            .nth(1)
            .and_then(|users| users.split('"').nth(1))
            .map(str::to_owned);
        if program.as_deref() == Some(PROXY) {
            return None;
        }
        let port = Ports::of(address, protocol)?;
        Some(Self { program, port })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V6(address)) => write!(formatter, "[{address}]:")?,
            Some(address) if address.is_unspecified() => {}
            Some(address) => write!(formatter, "{address}:")?,
            None => {}
        }
        write!(formatter, "{}", self.first)?;
        if self.last != self.first {
            write!(formatter, "-{}", self.last)?;
        }
        if self.protocol != "tcp" {
            write!(formatter, "/{}", self.protocol)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ports: impl IntoIterator<Item = Ports>) -> Vec<String> {
        ports.into_iter().map(|port| port.to_string()).collect()
    }

    #[test]
    fn what_a_compose_file_publishes_is_read() {
        for (text, expected) in [
            ("80:8080", Some("80")),
            ("443:443/udp", Some("443/udp")),
            ("127.0.0.1:53:53/udp", Some("127.0.0.1:53/udp")),
            ("[::1]:80:80", Some("[::1]:80")),
            ("0.0.0.0:80:80", Some("80")),
            ("9000-9010:9000-9010", Some("9000-9010")),
            ("8080", None),
            ("8000-8010:80", None),
            ("0:8080", None),
            ("no.address:80:80", None),
        ] {
            assert_eq!(
                Ports::published(text).map(|port| port.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_docker_shows_of_a_container_is_read() {
        let text = "0.0.0.0:80->80/tcp, :::80->80/tcp, 443/tcp, 127.0.0.1:5000-5002->5000-5002/udp, [::]:81->81/tcp";
        assert_eq!(
            shown(Ports::of_container(text)),
            ["80", "80", "127.0.0.1:5000-5002/udp", "81"]
        );
        assert_eq!(shown(Ports::of_container("")), [""; 0]);
    }

    /// As `ss` of Debian 13 prints it.
    #[test]
    fn who_listens_is_read() {
        let lines = [
            r#"tcp   LISTEN 0      128          0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=101,fd=6))"#,
            r#"udp   UNCONN 0      0      127.0.0.53%lo:53         0.0.0.0:*    users:(("systemd-resolve",pid=9,fd=1))"#,
            r#"tcp   LISTEN 0      4096            [::]:80            [::]:*    users:(("docker-proxy",pid=5,fd=7))"#,
            r"tcp   LISTEN 0      4096               *:9100             *:*",
            "strange",
        ];
        let read = lines.iter().filter_map(|line| Listener::read(line));
        let told: Vec<_> = read.map(|one| format!("{} {:?}", one.port, one.program)).collect();
        assert_eq!(
            told,
            [
                "22 Some(\"sshd\")",
                "127.0.0.53:53/udp Some(\"systemd-resolve\")",
                "9100 None"
            ]
        );
    }

    #[test]
    fn ports_of_one_protocol_and_address_collide() {
        for (one, other, expected) in [
            ("80:1", "80:2", true),
            ("80:1", "81:1", false),
            ("80:1", "80:1/udp", false),
            ("127.0.0.53:53:1/udp", "53:1/udp", true),
            ("127.0.0.1:80:1", "127.0.0.2:80:1", false),
            ("[::1]:80:1", "0.0.0.0:80:1", false),
            ("[::1]:80:1", "80:1", true),
            ("[::1]:80:1", "127.0.0.1:80:1", false),
            ("[::]:80:1", "0.0.0.0:80:1", true),
            ("0.0.0.0:80:1", "127.0.0.1:80:1", true),
            ("9000-9010:1-11", "9010:1", true),
            ("9000-9010:1-11", "9011:1", false),
        ] {
            let [one_port, other_port] = [one, other].map(|text| Ports::published(text).expect("a port"));
            assert_eq!(one_port.overlap(&other_port), expected, "{one} {other}");
            assert_eq!(other_port.overlap(&one_port), expected, "{other} {one}");
        }
    }
}
