//! Texts in compose files that have a form: ports, durations, signals and health checks.

use std::net::IpAddr;

use super::yaml::Node;
use crate::error::suggestion;

/// Names of signals, without `SIG`.
const SIGNALS: [&str; 34] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
    "TERM", "STKFLT", "CHLD", "CLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
    "WINCH", "IO", "POLL", "PWR", "SYS",
];

/// What is wrong with a text, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongText {
    pub(super) label: String,
    pub(super) hint: String,
}

fn wrong(label: impl Into<String>, hint: impl Into<String>) -> WrongText {
    WrongText {
        label: label.into(),
        hint: hint.into(),
    }
}

/// What is wrong with `[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`.
pub(super) fn port_mistake(text: &str) -> Option<WrongText> {
    let form = "write `HOST:CONTAINER`, such as \"8080:80\"";
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.split('/').next().unwrap_or_default();
    if !["", "tcp", "udp", "sctp"].contains(&protocol.to_lowercase().as_str()) {
        return Some(wrong(
            format!("`{protocol}` is not a protocol"),
            "write `/tcp`, `/udp` or `/sctp` behind the port",
        ));
    }
    let (rest, in_container) = ports.rsplit_once(':').unwrap_or(("", ports));
    let (address, on_host) = rest.rsplit_once(':').unwrap_or(("", rest));
    let Some(wanted) = range(in_container, 1) else {
        return Some(wrong(described(in_container, "of the container"), form));
    };
    let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
    if !address.is_empty() && bare.unwrap_or(address).parse::<IpAddr>().is_err() {
        return Some(wrong(
            format!("`{address}` is not an IP address"),
            "write an address such as \"127.0.0.1:8080:80\"",
        ));
    }
    if on_host.is_empty() {
        return None;
    }
    let Some(own) = range(on_host, 0) else {
        return Some(wrong(described(on_host, "of the host"), form));
    };
    if wanted > 1 && own != wanted {
        return Some(wrong(
            format!("{own} ports of the host for {wanted} of the container"),
            "write as many ports on both sides",
        ));
    }
    None
}

fn described(port: &str, whose: &str) -> String {
    if port.is_empty() {
        format!("the port {whose} is missing")
    } else {
        format!("`{port}` is not a port {whose}")
    }
}

/// How many ports these are.
fn range(text: &str, least: u16) -> Option<u32> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| is_number && *port >= least)
    };
    let (first, last) = (port(first)?, port(last)?);
    Some(u32::from(last.checked_sub(first)?) + 1)
}

/// What is wrong with a duration such as `1m30s`.
pub(super) fn duration_mistake(text: &str) -> Option<WrongText> {
    let units = ["ns", "us", "µs", "ms", "s", "m", "h", "d", "w"];
    let hint = "write a number and a unit, such as `30s` or `1m30s`";
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return None;
    }
    if rest.is_empty() {
        return Some(wrong("no duration", hint));
    }
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == '.');
        let number = &rest[..rest.len() - unit.len()];
        if number.parse::<f64>().is_err() {
            return Some(wrong("not a duration", hint));
        }
        let end = unit
            .find(|sign: char| sign.is_ascii_digit() || sign == '.')
            .unwrap_or(unit.len());
        let (unit, after) = unit.split_at(end);
        if unit.is_empty() {
            return Some(wrong("has no unit", format!("write the unit too: `{text}s`")));
        }
        if !units.contains(&unit) {
            return Some(wrong(format!("`{unit}` is not a unit"), hint));
        }
        rest = after;
    }
    None
}

/// What is wrong with the list that a health check runs.
pub(super) fn test_mistake(words: &[std::rc::Rc<Node>]) -> Option<WrongText> {
    let first = words.first()?.text()?;
    if first.contains('$') || ["CMD", "CMD-SHELL", "NONE"].contains(&first) {
        return None;
    }
    Some(wrong(
        "must begin with `CMD`, `CMD-SHELL` or `NONE`",
        format!("write `\"CMD\"` before `\"{first}\"`; a text without list is run by a shell"),
    ))
}

/// What to write instead of a signal that Docker does not know; `None` if it knows it.
pub fn signal_mistake(text: &str) -> Option<String> {
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let is_number = text.parse().is_ok_and(|number: u8| (1..=64).contains(&number));
    if SIGNALS.contains(&name) || name.starts_with("RTMIN") || name.starts_with("RTMAX") || is_number {
        return None;
    }
    Some(suggestion(name, SIGNALS).unwrap_or_else(|| "write the name of a signal, such as `HUP`".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_compose_reads_them() {
        for (text, expected) in [
            ("80", None),
            ("80-90", None),
            ("80:80", None),
            ("0:80", None),
            (":80", None),
            ("127.0.0.1::80", None),
            ("[::1]:80:80", None),
            ("80:80/UDP", None),
            ("80:80/", None),
            ("08:80", None),
            ("8000-8010:80", None),
            ("8000-8010:80-90", None),
            ("", Some("the port of the container is missing")),
            ("80:", Some("the port of the container is missing")),
            ("80:0", Some("`0` is not a port of the container")),
            ("80:abc", Some("`abc` is not a port of the container")),
            ("80: 80", Some("` 80` is not a port of the container")),
            ("70000", Some("`70000` is not a port of the container")),
            ("70000:80", Some("`70000` is not a port of the host")),
            ("+8:80", Some("`+8` is not a port of the host")),
            ("1::80", Some("`1` is not an IP address")),
            ("-1:80", Some("`-1` is not a port of the host")),
            ("90-80:80", Some("`90-80` is not a port of the host")),
            ("8000-8001:80-90", Some("2 ports of the host for 11 of the container")),
            ("80:80/foo", Some("`foo` is not a protocol")),
            ("localhost:80:80", Some("`localhost` is not an IP address")),
            ("::1:80:80", None),
        ] {
            let label = port_mistake(text).map(|wrong| wrong.label);
            assert_eq!(label.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, expected) in [
            ("5s", None),
            ("1m30s", None),
            ("1.5h", None),
            (".5s", None),
            ("1d", None),
            ("0", None),
            ("-1s", None),
            ("5", Some("has no unit")),
            ("1m30", Some("has no unit")),
            ("5x", Some("`x` is not a unit")),
            ("1m 30s", Some("`m ` is not a unit")),
            ("", Some("no duration")),
            ("soon", Some("not a duration")),
        ] {
            let label = duration_mistake(text).map(|wrong| wrong.label);
            assert_eq!(label.as_deref(), expected, "{text}");
        }
    }
}
