//! Requests to an agent, as its clients on other machines send them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::host::Host;

/// What an agent answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: String,
}

/// A caller with a token.
pub(super) struct Caller {
    address: String,
    pub(super) token: String,
    header: Option<String>,
}

impl Caller {
    /// Who has the token of this role, as the host has it.
    pub(super) fn of(host: &Host<'_>, agent: &str, port: u16, role: &str) -> Self {
        let token = host.inside(&format!("cat /etc/home-lab/{agent}/{role}-token"));
        Self {
            address: format!("{}:{port}", host.address()),
            token: token.trim().to_owned(),
            header: None,
        }
    }

    pub(super) fn with_token(&self, token: &str) -> Self {
        Self {
            address: self.address.clone(),
            token: token.to_owned(),
            header: None,
        }
    }

    pub(super) fn without_token(&self) -> Self {
        self.with_token("")
    }

    pub(super) fn with_header(&self, header: &str) -> Self {
        Self {
            header: Some(header.to_owned()),
            ..self.with_token(&self.token)
        }
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    #[track_caller]
    pub(super) fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let line = |is_sent: bool, line: &str| if is_sent { format!("{line}\r\n") } else { String::new() };
        let token = line(!self.token.is_empty(), &format!("Authorization: Bearer {}", self.token));
        let header = line(self.header.is_some(), self.header.as_deref().unwrap_or_default());
        let kind = line(!body.is_empty(), "Content-Type: application/json");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n{token}{header}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // Who sends too much may be cut off before all of it is written.
        let _ = stream.write_all(request.as_bytes());
        let mut whole = Vec::new();
        let _ = stream.read_to_end(&mut whole);
        let whole = String::from_utf8_lossy(&whole).into_owned();
        let code = whole.split(' ').nth(1).and_then(|code| code.parse().ok());
        let (_, body) = whole.split_once("\r\n\r\n").unwrap_or_default();
        Answer {
            code: code.unwrap_or_else(|| panic!("{method} {path}: no answer: {whole:?}")),
            body: body.to_owned(),
        }
    }
}
