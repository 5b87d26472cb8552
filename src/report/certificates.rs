//! The certificates of a project, and those that expire.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::document;
use super::sanitize::one_line;
use super::style::{counted, width};
use crate::pki::{Certificate, Entry, Expiring, Kind, Pki, Revocation, days_until};

/// Rises when a change could mislead programs that read the format.
const FORMAT_VERSION: u32 = 1;

/// What has become of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Valid,
    Expired,
    /// Renewed; it is valid until it expires.
    Replaced,
    Revoked,
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    certificates: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    kind: Kind,
    serial: &'a str,
    hosts: &'a [String],
    not_before: String,
    not_after: String,
    /// Rounded up; zero or less if it has expired.
    days_left: i64,
    state: State,
    revoked_at: Option<String>,
}

/// A line for each certificate, with a heading.
pub fn certificates(pki: &Pki, now: Timestamp) -> String {
    let mut rows: Vec<[String; 6]> = vec![["NAME", "KIND", "SERIAL", "VALID UNTIL", "DAYS", ""].map(str::to_owned)];
    rows.extend(all(pki, now).iter().map(Row::cells));
    if rows.len() == 1 {
        return "no certificates: `homelab pki init` makes a certificate authority\n".to_owned();
    }
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or_default());
    let lines = rows.iter().map(|row| {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(widths) {
            let padding = " ".repeat(wide - width(cell) + 2);
            line.extend([cell.as_str(), &padding]);
        }
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

/// The same as one JSON document.
pub fn certificates_json(pki: &Pki, now: Timestamp) -> String {
    let document = Document {
        format_version: FORMAT_VERSION,
        certificates: all(pki, now),
    };
    document::document(&document)
}

/// A line for each certificate that expires soon, or has expired; empty if there are none.
pub fn expiring(certificates: &[Expiring]) -> String {
    certificates.iter().map(line).collect()
}

/// The same in documents.
#[derive(Serialize)]
pub(super) struct JsonExpiring<'a> {
    name: &'a str,
    kind: Kind,
    not_after: String,
    /// Rounded up; zero or less if it has expired.
    days_left: i64,
}

pub(super) fn json_expiring(certificates: &[Expiring]) -> Vec<JsonExpiring<'_>> {
    let rows = certificates.iter().map(|expiring| JsonExpiring {
        name: &expiring.name,
        kind: expiring.kind,
        not_after: expiring.not_after.to_string(),
        days_left: expiring.days,
    });
    rows.collect()
}

/// What `homelab pki init` made, and what to do next.
pub fn authority_made(authority: &Certificate) -> String {
    let (name, until) = (one_line(&authority.name), date(authority.not_after));
    format!(
        "created the certificate authority `{name}`, valid until {until}: pki/ca.toml; commit it\n\
         next: homelab pki issue NAME --p12 NAME.p12   # a certificate for a browser or phone\n"
    )
}

/// What is in the file `shown` now: a new certificate, and perhaps earlier ones.
pub fn issued(shown: &str, entry: &Entry) -> String {
    let Some(held) = &entry.held else {
        return String::new();
    };
    let (name, certificate) = (one_line(&entry.name), &held.certificate);
    let (kind, until) = (certificate.kind.word(), date(certificate.not_after));
    let mut text = format!("issued the {kind} certificate `{name}`, valid until {until}: {shown}; commit it\n");
    if let Some(old) = entry.former.iter().max_by_key(|former| former.not_after) {
        let until = date(old.not_after);
        let _ = writeln!(
            text,
            "the old one is valid until {until}: replace it on the device or server before that"
        );
    }
    if !entry.revoked.is_empty() {
        let earlier = counted(entry.revoked.len(), "earlier certificate");
        let _ = writeln!(text, "{earlier} of this name: revoked as before");
    }
    if certificate.kind == Kind::Server {
        let _ = writeln!(
            text,
            "next: `src = \"pki:{name}.crt\"` and `src = \"pki:{name}.key\"` in operations"
        );
    }
    text
}

/// What was revoked, and what makes hosts refuse it.
pub fn revoked(revocation: &Revocation) -> String {
    let name = one_line(&revocation.name);
    let count = counted(revocation.revoked.len(), "certificate");
    let mut text = format!("revoked `{name}` ({count}): pki/{name}.toml; commit it\n");
    text += "next: deploy, so that servers accept only the certificates of `pki.leaves`\n";
    if revocation.is_first {
        text += "this is the first one: check that your servers use that list, see docs/pki.md\n";
    }
    text
}

fn line(expiring: &Expiring) -> String {
    let date = date(expiring.not_after);
    let when = match expiring.days {
        ..=0 => format!("expired on {date}"),
        1 => format!("expires in 1 day ({date})"),
        days => format!("expires in {days} days ({date})"),
    };
    if expiring.kind == Kind::Authority {
        return format!("the certificate authority {when}, and with it all certificates: see docs/pki.md\n");
    }
    let name = one_line(&expiring.name);
    format!("certificate `{name}` {when}: run `homelab pki renew {name}`\n")
}

fn date(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d").to_string()
}

/// The day of a moment that is written out.
fn day(moment: &str) -> &str {
    moment.split('T').next().unwrap_or(moment)
}

fn all(pki: &Pki, now: Timestamp) -> Vec<Row<'_>> {
    pki.entries().flat_map(|entry| rows(entry, now)).collect()
}

fn rows(entry: &Entry, now: Timestamp) -> Vec<Row<'_>> {
    let held = entry.held.iter().map(|held| (&held.certificate, State::Valid, None));
    let former = entry.former.iter().map(|former| (former, State::Replaced, None));
    let revoked = entry.revoked.iter();
    let revoked = revoked.map(|revoked| (&revoked.certificate, State::Revoked, Some(revoked.at)));
    let all = held.chain(former).chain(revoked);
    all.map(|(certificate, state, at)| row(&entry.name, certificate, state, at, now))
        .collect()
}

fn row<'a>(
    name: &'a str,
    certificate: &'a Certificate,
    state: State,
    revoked_at: Option<Timestamp>,
    now: Timestamp,
) -> Row<'a> {
    let is_over = certificate.not_after <= now && state != State::Revoked;
    Row {
        name,
        kind: certificate.kind,
        serial: &certificate.serial,
        hosts: &certificate.hosts,
        not_before: certificate.not_before.to_string(),
        not_after: certificate.not_after.to_string(),
        days_left: days_until(certificate.not_after, now),
        state: if is_over { State::Expired } else { state },
        revoked_at: revoked_at.map(|at| at.to_string()),
    }
}

impl Row<'_> {
    fn cells(&self) -> [String; 6] {
        let state = match self.state {
            State::Valid => String::new(),
            State::Expired => "expired".to_owned(),
            State::Replaced => "replaced by a newer one".to_owned(),
            State::Revoked => format!("revoked on {}", self.revoked_at.as_deref().map(day).unwrap_or_default()),
        };
        let days = match self.state {
            State::Valid | State::Replaced => self.days_left.to_string(),
            State::Expired | State::Revoked => "-".to_owned(),
        };
        [
            one_line(self.name),
            self.kind.word().to_owned(),
            self.serial.to_owned(),
            day(&self.not_after).to_owned(),
            days,
            state,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expires_is_told_with_what_to_do() {
        let one = |name: &str, kind, days| Expiring {
            name: name.to_owned(),
            kind,
            not_after: Timestamp::from_second(1_800_000_000).expect("a time"),
            days,
        };
        let text = expiring(&[
            one("a", Kind::Client, 0),
            one("c", Kind::Client, 1),
            one("ca", Kind::Authority, 29),
        ]);
        assert_eq!(
            text,
            "certificate `a` expired on 2027-01-15: run `homelab pki renew a`\n\
             certificate `c` expires in 1 day (2027-01-15): run `homelab pki renew c`\n\
             the certificate authority expires in 29 days (2027-01-15), and with it all certificates: see docs/pki.md\n"
        );
    }
}
