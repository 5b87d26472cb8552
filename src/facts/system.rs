//! The operating system, the machine, and the tools that applying needs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Fact, FactKey, UnreadableAnswer};

/// What `facts.…` offers to templates.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SystemFacts {
    /// `/etc/os-release`.
    pub os: OperatingSystem,
    /// The machine's architecture under both names.
    pub architecture: Architecture,
    /// The host's own short name.
    pub hostname: String,
    /// The running kernel's release.
    pub kernel: String,
    /// Number of processors online.
    pub cpus: u64,
    /// Memory, in bytes.
    pub memory: u64,
    /// Addresses of the host's interfaces but loopback, in the order of `ip`.
    pub addresses: Vec<String>,
    /// The name of process 1: `systemd` where systemd runs.
    pub init: String,
    /// The login user's number; 0 is root.
    pub user_id: u64,
}

/// What `/etc/os-release` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OperatingSystem {
    /// `ID`: `debian`, `ubuntu`.
    pub id: String,
    /// `VERSION_ID`: `13`.
    pub version: String,
    /// `VERSION_CODENAME`: `trixie`.
    pub codename: String,
    /// `PRETTY_NAME`.
    pub name: String,
}

/// One architecture, two names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Architecture {
    /// dpkg's: `amd64`; empty where there is no dpkg.
    pub dpkg: String,
    /// The kernel's: `x86_64`.
    pub uname: String,
}

/// `key=value` lines; a value that is absent on the host is an empty one.
pub(super) fn probe() -> String {
    r#"( . /etc/os-release; printf 'os.id=%s\nos.version=%s\nos.codename=%s\nos.name=%s\n' "$ID" "${VERSION_ID-}" "${VERSION_CODENAME-}" "${PRETTY_NAME-}" )
printf 'dpkg=%s\n' "$(dpkg --print-architecture 2>/dev/null)"
printf 'uname=%s\n' "$(uname -m)"
printf 'hostname=%s\n' "$(uname -n)"
printf 'kernel=%s\n' "$(uname -r)"
printf 'cpus=%s\n' "$(nproc 2>/dev/null)"
printf 'user=%s\n' "$(id -u)"
read -r init </proc/1/comm; printf 'init=%s\n' "$init"
while read -r name size unit; do [ "$name" = MemTotal: ] && printf 'memory=%s\n' "$size" && break; done </proc/meminfo
ip -o addr show 2>/dev/null | while read -r number interface family address rest; do [ "$interface" = lo ] || printf 'address=%s\n' "${address%/*}"; done
true"#
        .to_owned()
}

pub(super) fn parse(_keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let mut single: BTreeMap<String, String> = BTreeMap::new();
    let mut addresses = Vec::new();
    for line in super::lines(answer) {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        if key == "address" {
            addresses.push(value.to_owned());
        } else {
            single.insert(key.to_owned(), value.to_owned());
        }
    }
    let mut take = |key: &str| single.remove(key).unwrap_or_default();
    let facts = SystemFacts {
        os: OperatingSystem {
            id: take("os.id"),
            version: take("os.version"),
            codename: take("os.codename"),
            name: take("os.name"),
        },
        architecture: Architecture {
            dpkg: take("dpkg"),
            uname: take("uname"),
        },
        hostname: take("hostname").split('.').next().unwrap_or_default().to_owned(),
        kernel: take("kernel"),
        cpus: take("cpus").parse().unwrap_or_default(),
        memory: take("memory").parse::<u64>().unwrap_or_default() * 1024,
        addresses,
        init: take("init"),
        user_id: take("user")
            .parse()
            .map_err(|_| UnreadableAnswer::new("`id -u` printed no number"))?,
    };
    Ok(vec![(FactKey::System, Fact::System(Box::new(facts)))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_this_machine_prints() {
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(probe())
            .output()
            .expect("sh runs");
        let facts = parse(&[FactKey::System], 0, &output.stdout).expect("readable");
        let Fact::System(facts) = &facts[0].1 else {
            panic!("system facts")
        };
        let uname = std::process::Command::new("uname")
            .arg("-m")
            .output()
            .expect("uname runs");
        assert_eq!(facts.architecture.uname, String::from_utf8_lossy(&uname.stdout).trim());
        assert!(facts.memory > 1 << 20, "{}", facts.memory);
        assert!(facts.cpus > 0);
        assert_ne!(facts.os.id, "");
    }

    #[test]
    fn reads_debian_13() {
        let answer = b"os.id=debian\nos.version=13\nos.codename=trixie\nos.name=Debian GNU/Linux 13 (trixie)\ndpkg=amd64\n\
            uname=x86_64\nhostname=services-dev.lan\nkernel=6.12.0\ncpus=2\nuser=0\ninit=systemd\nmemory=2048\naddress=172.17.0.2\n";
        let facts = parse(&[FactKey::System], 0, answer).expect("readable");
        let Fact::System(facts) = &facts[0].1 else {
            panic!("system facts")
        };
        assert_eq!(facts.os.codename, "trixie");
        assert_eq!(facts.hostname, "services-dev");
        assert_eq!(facts.memory, 2_097_152);
        assert_eq!(facts.addresses, ["172.17.0.2"]);
    }

    #[test]
    fn an_answer_without_a_user_is_unreadable() {
        assert!(parse(&[FactKey::System], 0, b"os.id=debian\n").is_err());
    }
}
