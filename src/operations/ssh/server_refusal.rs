//! Why sshd refuses settings: which of them, and what was probably meant.

use crate::change::Stop;
use crate::error::{Diagnostic, closest};
use crate::operations::PlanContext;

/// The settings of `sshd_config(5)` that people write.
const NAMES: &[&str] = &[
    "AcceptEnv",
    "AddressFamily",
    "AllowAgentForwarding",
    "AllowGroups",
    "AllowStreamLocalForwarding",
    "AllowTcpForwarding",
    "AllowUsers",
    "AuthenticationMethods",
    "AuthorizedKeysCommand",
    "AuthorizedKeysCommandUser",
    "AuthorizedKeysFile",
    "AuthorizedPrincipalsFile",
    "Banner",
    "ChrootDirectory",
    "Ciphers",
    "ClientAliveCountMax",
    "ClientAliveInterval",
    "Compression",
    "DenyGroups",
    "DenyUsers",
    "DisableForwarding",
    "ExposeAuthInfo",
    "FingerprintHash",
    "ForceCommand",
    "GatewayPorts",
    "GSSAPIAuthentication",
    "HostCertificate",
    "HostKey",
    "HostKeyAlgorithms",
    "HostbasedAuthentication",
    "IPQoS",
    "IgnoreRhosts",
    "KbdInteractiveAuthentication",
    "KerberosAuthentication",
    "KexAlgorithms",
    "ListenAddress",
    "LogLevel",
    "LoginGraceTime",
    "MACs",
    "MaxAuthTries",
    "MaxSessions",
    "MaxStartups",
    "PasswordAuthentication",
    "PermitEmptyPasswords",
    "PermitListen",
    "PermitOpen",
    "PermitRootLogin",
    "PermitTTY",
    "PermitTunnel",
    "PermitUserEnvironment",
    "PermitUserRC",
    "PidFile",
    "Port",
    "PrintLastLog",
    "PrintMotd",
    "PubkeyAcceptedAlgorithms",
    "PubkeyAuthentication",
    "RekeyLimit",
    "RequiredRSASize",
    "RevokedKeys",
    "StreamLocalBindMask",
    "StreamLocalBindUnlink",
    "StrictModes",
    "Subsystem",
    "SyslogFacility",
    "TCPKeepAlive",
    "TrustedUserCAKeys",
    "UseDNS",
    "UsePAM",
    "VersionAddendum",
    "X11DisplayOffset",
    "X11Forwarding",
    "X11UseLocalhost",
    "XAuthLocation",
];

/// A line of what sshd says.
#[derive(Debug, PartialEq, Eq)]
struct Refused<'a> {
    /// The line of the settings that it is about, counted from 1.
    line: usize,
    what: &'a str,
}

/// The refusal of settings: sshd says `why`, with tabs between its lines, and `names` are those of the lines of the settings.
pub(super) fn refusal(context: &PlanContext<'_>, why: &str, names: &[&str]) -> Stop {
    let found: Vec<(&str, &str)> = why
        .split('\t')
        .filter_map(refused)
        .filter_map(|refused| Some((*names.get(refused.line - 1)?, refused.what)))
        .collect();
    let man = "compare the names and values with `man sshd_config` on the host";
    let mistake = match found.as_slice() {
        [] => context.mistake(
            "settings",
            "sshd does not accept these settings",
            "the host tried them, and changed nothing",
        ),
        [(name, what)] => {
            let mistake = Diagnostic::new(format!("sshd does not accept `{name}`"));
            let hint = meant(name, what).map_or_else(|| man.to_owned(), |near| format!("did you mean `{near}`?"));
            return Stop::Refused(Box::new(at(context, mistake, name, what, false).hint(hint)));
        }
        all => {
            let mistake = Diagnostic::new(format!("sshd does not accept {} settings", all.len()));
            all.iter()
                .fold(mistake, |mistake, (name, what)| at(context, mistake, name, what, true))
        }
    };
    let mistake = if found.is_empty() {
        mistake.because(why.replace('\t', "\n"))
    } else {
        mistake
    };
    Stop::Refused(Box::new(mistake.hint(man)))
}

/// The mistake with what is said of a setting, at its name or its value.
fn at(context: &PlanContext<'_>, mistake: Diagnostic, name: &str, what: &str, suggests: bool) -> Diagnostic {
    let near = meant(name, what).filter(|_| suggests);
    let text = near.map_or_else(|| what.to_owned(), |near| format!("{what}: did you mean `{near}`?"));
    match context.entry_of("settings", name) {
        Some(entry) => {
            let value = entry.value.origin.as_ref().filter(|_| !is_unknown(what));
            let place = value.or(entry.key.as_ref());
            mistake.at(place.unwrap_or(context.origin_of("settings")), text)
        }
        None => mistake.at(context.origin_of("settings"), text),
    }
}

/// `/dev/stdin line 3: unsupported option "maybe".`
fn refused(said: &str) -> Option<Refused<'_>> {
    let rest = said.strip_prefix("/dev/stdin")?;
    let rest = rest.strip_prefix(':').unwrap_or(rest).strip_prefix(" line ")?;
    let (line, what) = rest.split_once(": ")?;
    let line = line.parse().ok().filter(|line| *line > 0)?;
    Some(Refused {
        line,
        what: what.trim_end().trim_end_matches('.'),
    })
}

fn is_unknown(what: &str) -> bool {
    what.starts_with("Bad configuration option")
}

/// The setting that was probably meant by an unknown one.
fn meant(name: &str, what: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let known: Vec<String> = NAMES.iter().map(|name| name.to_ascii_lowercase()).collect();
    let near = closest(&lower, known.iter().map(String::as_str)).filter(|_| is_unknown(what))?;
    NAMES.iter().copied().find(|name| name.eq_ignore_ascii_case(near))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sshd_says_has_a_line() {
        let found = |said| refused(said).map(|refused| (refused.line, refused.what));
        assert_eq!(
            found("/dev/stdin: line 2: Bad configuration option: MaxAuthTrys\r"),
            Some((2, "Bad configuration option: MaxAuthTrys"))
        );
        assert_eq!(
            found("/dev/stdin line 1: unsupported option \"maybe\"."),
            Some((1, "unsupported option \"maybe\""))
        );
        assert_eq!(found("the whole configuration line 12: Missing argument."), None);
        assert_eq!(found("/dev/stdin line 0: x"), None);
    }

    #[test]
    fn only_an_unknown_setting_is_another_one() {
        let bad = "Bad configuration option: MaxAuthTrys";
        assert_eq!(meant("MaxAuthTrys", bad), Some("MaxAuthTries"));
        assert_eq!(meant("maxauthtrys", bad), Some("MaxAuthTries"));
        assert_eq!(meant("MaxAuthTrys", "unsupported option"), None);
        assert_eq!(meant("Zzz", bad), None);
    }
}
