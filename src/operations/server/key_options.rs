//! Options before a key in `authorized_keys`, as sshd reads them (sshd(8), `AUTHORIZED_KEYS FILE FORMAT`): of a line with one that it
//! does not understand, it ignores the key.

use std::net::IpAddr;

use crate::error::suggestion;

/// What stands alone.
const FLAGS: [&str; 2] = ["cert-authority", "restrict"];

/// What stands alone, also after `no-`.
const SWITCHES: [&str; 7] = [
    "agent-forwarding",
    "port-forwarding",
    "pty",
    "touch-required",
    "user-rc",
    "verify-required",
    "X11-forwarding",
];

/// What has a value, each with one.
const WITH_VALUE: [(&str, &str); 8] = [
    ("command", "/usr/bin/true"),
    ("environment", "NAME=value"),
    ("expiry-time", "20301231"),
    ("from", "10.0.0.0/8"),
    ("permitlisten", "8080"),
    ("permitopen", "localhost:80"),
    ("principals", "anna"),
    ("tunnel", "0"),
];

/// Those of which sshd takes one.
const ONCE: [&str; 5] = ["command", "expiry-time", "from", "principals", "tunnel"];

const SEPARATE: &str = "separate options by commas only: 'from=\"10.0.0.0/8\",no-pty'";

/// Why sshd would ignore a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) title: String,
    pub(super) label: String,
    pub(super) hint: String,
}

/// The first mistake in `options`; `None` if sshd reads all of them.
pub(super) fn mistake(options: &str) -> Option<Mistake> {
    let mut rest = options;
    let mut seen: Vec<&str> = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(['=', ',', '"', ' ', '\t']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match read_value(name, after) {
            Ok(read) => read,
            Err(mistake) => return Some(mistake),
        };
        let known = match known(name, value.is_some()) {
            Ok(known) => known,
            Err(mistake) => return Some(mistake),
        };
        if let Some(mistake) = value.and_then(|value| wrong_value(known, &value)) {
            return Some(mistake);
        }
        if ONCE.contains(&known) && seen.contains(&known) {
            return Some(Mistake {
                title: format!("`{known}` is in `options` twice"),
                label: "sshd ignores a key with both".to_owned(),
                hint: "write it once; the values of `from` and `principals` are separated by commas".to_owned(),
            });
        }
        seen.push(known);
        rest = match after.strip_prefix(',') {
            // sshd takes a comma at the end for the start of one more option.
            Some("") => return Some(form("ends with a comma", "remove it")),
            Some(next) => next,
            None if after.is_empty() => after,
            None => return Some(form("only a comma may follow an option", SEPARATE)),
        };
        if rest.starts_with([' ', '\t']) {
            return Some(form("blanks must be in quotes", SEPARATE));
        }
    }
    None
}

fn form(label: &str, hint: &str) -> Mistake {
    Mistake {
        title: "`options` is not valid".to_owned(),
        label: label.to_owned(),
        hint: hint.to_owned(),
    }
}

fn example(name: &str, value: &str) -> String {
    format!("{name}=\"{value}\"")
}

/// The value after a name, without its quotes, and what follows it.
fn read_value<'a>(name: &str, after: &'a str) -> Result<(Option<String>, &'a str), Mistake> {
    let Some(given) = after.strip_prefix('=') else {
        return Ok((None, after));
    };
    let Some(quoted) = given.strip_prefix('"') else {
        let bare = given.split([',', ' ', '\t']).next().unwrap_or_default();
        let (name, value) = if bare.is_empty() {
            let usual = WITH_VALUE.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            (name, usual.map_or("…", |(_, value)| value))
        } else {
            (name, bare)
        };
        return Err(Mistake {
            title: format!("the value of `{name}` in `options` is not in quotes"),
            label: "sshd ignores a key with such options".to_owned(),
            hint: format!(
                "write `{}`, in a string with single quotes around it",
                example(name, value)
            ),
        });
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((Some(value), &quoted[at + 1..])),
            '\\' if characters.next_if(|(_, next)| *next == '"').is_some() => value.push('"'),
            other => value.push(other),
        }
    }
    Err(form(
        "quotes must be in pairs",
        &format!("end the value of `{name}` with `\"`"),
    ))
}

/// The option that a name stands for.
fn known(name: &str, has_value: bool) -> Result<&'static str, Mistake> {
    let is_it = |known: &&str| known.eq_ignore_ascii_case(name);
    let positive = name
        .get(..3)
        .filter(|no| no.eq_ignore_ascii_case("no-"))
        .map(|_| &name[3..]);
    let switched = |known: &&str| known.eq_ignore_ascii_case(positive.unwrap_or(name));
    let alone = FLAGS
        .iter()
        .find(|known| is_it(known))
        .or_else(|| SWITCHES.iter().find(|known| switched(known)));
    let valued = WITH_VALUE.iter().find(|(known, _)| is_it(known));
    match (alone, valued) {
        (Some(known), _) if !has_value => Ok(known),
        (Some(known), _) => Err(Mistake {
            title: format!("`{known}` in `options` has a value"),
            label: "sshd ignores a key with it".to_owned(),
            hint: format!("write `{name}` alone"),
        }),
        (None, Some((known, _))) if has_value => Ok(known),
        (None, Some((known, value))) => Err(Mistake {
            title: format!("`{known}` in `options` has no value"),
            label: "sshd ignores a key with it".to_owned(),
            hint: format!("write `{}`", example(known, value)),
        }),
        (None, None) => {
            let negative: Vec<String> = SWITCHES.iter().map(|known| format!("no-{known}")).collect();
            let all = FLAGS
                .into_iter()
                .chain(SWITCHES)
                .chain(WITH_VALUE.map(|(known, _)| known));
            let all = all.chain(negative.iter().map(String::as_str));
            Err(Mistake {
                title: format!("unknown option `{name}` in `options`"),
                label: "sshd ignores a key with it".to_owned(),
                hint: suggestion(name, all)
                    .unwrap_or_else(|| "sshd(8) lists the options of `authorized_keys`".to_owned()),
            })
        }
    }
}

/// What is wrong with the value of an option.
fn wrong_value(option: &str, value: &str) -> Option<Mistake> {
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    let form = match option {
        "environment" => {
            let is_name = |(name, _): (&str, &str)| {
                let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
                !name.is_empty() && name.chars().all(plain)
            };
            (!value.split_once('=').is_some_and(is_name)).then_some("a variable, such as `LANG=C`")
        }
        "expiry-time" => (!is_time(value)).then_some("a date such as `20301231`, or one with a time: `203012312359`"),
        "permitopen" => {
            let is_place = |(host, port): (&str, &str)| !host.is_empty() && (port == "*" || is_number(port));
            (!value.rsplit_once(':').is_some_and(is_place)).then_some("a host and a port, such as `localhost:80`")
        }
        "permitlisten" => {
            let port = value.rsplit_once(':').map_or(value, |(_, port)| port);
            (port != "*" && !is_number(port)).then_some("a port, such as `8080`")
        }
        "tunnel" => (value != "any" && value.parse::<u32>().is_err()).then_some("the number of a tunnel device"),
        "from" => return value.split(',').find_map(wrong_network),
        _ => None,
    };
    let form = form.or_else(|| value.is_empty().then_some("not empty"))?;
    Some(Mistake {
        title: format!("`{value}` is not a valid value of `{option}` in `options`"),
        label: "sshd ignores a key with it".to_owned(),
        hint: format!("it must be {form}"),
    })
}

/// A date, and perhaps a time and `Z` for UTC.
fn is_time(value: &str) -> bool {
    let digits = value.strip_suffix(['Z', 'z']).unwrap_or(value);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |part| part.parse::<i8>().ok());
    let year = digits[..4].parse::<i16>().ok();
    let date = year.zip(part(4, 6)).zip(part(6, 8));
    let time = part(8, 10).zip(part(10, 12)).zip(part(12, 14));
    date.is_some_and(|((year, month), day)| jiff::civil::Date::new(year, month, day).is_ok())
        && time.is_some_and(|((hour, minute), second)| jiff::civil::Time::new(hour, minute, second, 0).is_ok())
}

/// What is wrong with a network in `from`; other words are patterns of names and addresses.
fn wrong_network(pattern: &str) -> Option<Mistake> {
    let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
    let refuse = |hint: String| {
        Some(Mistake {
            title: format!("`{pattern}` is not a network that sshd takes in `from`"),
            label: "sshd refuses every login with this key".to_owned(),
            hint,
        })
    };
    if pattern.is_empty() || pattern.contains([' ', '\t']) {
        return refuse("separate addresses by commas only".to_owned());
    }
    let (address, length) = pattern.split_once('/')?;
    let address = address.parse::<IpAddr>().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let Some(length) = length.parse::<u32>().ok().filter(|length| *length <= most) else {
        return refuse(format!("write the number of bits, from 0 to {most}, after the `/`"));
    };
    let network = network(address, length);
    (network != address)
        .then(|| refuse(format!("write `{network}/{length}`")))
        .flatten()
}

/// The address of the network that an address is in.
fn network(address: IpAddr, length: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sshd_reads_is_no_mistake() {
        for options in [
            "",
            "no-pty",
            "restrict,pty,command=\"echo \\\"a, b\\\"\"",
            "from=\"10.0.0.0/8,!10.0.0.1,*.lan,fd00::/8,192.168.1.7/32\",NO-X11-Forwarding",
            "cert-authority,principals=\"anna,hal\"",
            "environment=\"A=1\",environment=\"B=\",no-touch-required,verify-required",
            "permitopen=\"[::1]:80\",permitopen=\"nas:*\",permitlisten=\"8080\",permitlisten=\"localhost:8080\"",
            "expiry-time=\"20301231\"",
            "expiry-time=\"203012312359Z\",tunnel=\"0\"",
        ] {
            assert_eq!(mistake(options), None, "{options}");
        }
    }

    #[test]
    fn what_sshd_does_not_read_is_told_with_what_to_write() {
        for (options, title, hint) in [
            (
                "no-ptty",
                "unknown option `no-ptty` in `options`",
                "did you mean `no-pty`?",
            ),
            (
                "no-restrict",
                "unknown option `no-restrict` in `options`",
                "did you mean `restrict`?",
            ),
            (
                "from=10.0.0.0/8,no-pty",
                "the value of `from` in `options` is not in quotes",
                "write `from=\"10.0.0.0/8\"`, in a string with single quotes around it",
            ),
            (
                "from",
                "`from` in `options` has no value",
                "write `from=\"10.0.0.0/8\"`",
            ),
            (
                "no-pty=\"yes\"",
                "`pty` in `options` has a value",
                "write `no-pty` alone",
            ),
            ("no-pty, restrict", "`options` is not valid", SEPARATE),
            (
                "from=\"10.0.0.0/8\" no-pty",
                "`options` is not valid",
                "separate options by commas only: 'from=\"10.0.0.0/8\",no-pty'",
            ),
            ("no-pty,", "`options` is not valid", "remove it"),
            (
                "command=\"x",
                "`options` is not valid",
                "end the value of `command` with `\"`",
            ),
            (
                "from=\"10.0.0.5/8\"",
                "`10.0.0.5/8` is not a network that sshd takes in `from`",
                "write `10.0.0.0/8`",
            ),
            (
                "from=\"10.0.0.0/40\"",
                "`10.0.0.0/40` is not a network that sshd takes in `from`",
                "write the number of bits, from 0 to 32, after the `/`",
            ),
            (
                "from=\"10.0.0.1, 10.0.0.2\"",
                "` 10.0.0.2` is not a network that sshd takes in `from`",
                "separate addresses by commas only",
            ),
            (
                "from=\"a\",from=\"b\"",
                "`from` is in `options` twice",
                "write it once; the values of `from` and `principals` are separated by commas",
            ),
            (
                "expiry-time=\"2030-12-31\"",
                "`2030-12-31` is not a valid value of `expiry-time` in `options`",
                "it must be a date such as `20301231`, or one with a time: `203012312359`",
            ),
            (
                "expiry-time=\"20301301\"",
                "`20301301` is not a valid value of `expiry-time` in `options`",
                "it must be a date such as `20301231`, or one with a time: `203012312359`",
            ),
            (
                "expiry-time=\"203012312460\"",
                "`203012312460` is not a valid value of `expiry-time` in `options`",
                "it must be a date such as `20301231`, or one with a time: `203012312359`",
            ),
            (
                "permitopen=\"80\"",
                "`80` is not a valid value of `permitopen` in `options`",
                "it must be a host and a port, such as `localhost:80`",
            ),
        ] {
            let found = mistake(options).unwrap_or_else(|| panic!("no mistake in {options}"));
            assert_eq!((found.title.as_str(), found.hint.as_str()), (title, hint), "{options}");
        }
    }

    #[test]
    fn every_example_is_read() {
        for (name, value) in WITH_VALUE {
            assert_eq!(mistake(&example(name, value)), None, "{name}");
        }
    }
}
