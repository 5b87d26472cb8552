//! Who asks, and what that lets them do.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use subtle::ConstantTimeEq as _;

use super::reply::Problem;
use super::settings::ClientCertificates;

/// What a route asks for. Callers that may operate may read too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Read,
    Operate,
}

/// Where a request comes from.
#[derive(Debug, Clone)]
pub(super) enum Peer {
    Network {
        address: IpAddr,
        /// The common name of its certificate, which a trusted authority signed.
        certificate: Option<String>,
    },
    /// A process of this machine, over a Unix socket.
    Local { user: Option<u32> },
}

impl Peer {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Network { address, .. } => address.to_string(),
            Self::Local { user: Some(user) } => format!("uid {user}"),
            Self::Local { user: None } => "local".to_owned(),
        }
    }
}

/// Who sent a request. Handlers take it as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `token operate 1`, `certificate nginx`, or `anonymous`.
    pub name: String,
    /// An address, or a user of this machine.
    pub peer: String,
    pub(super) role: Option<Role>,
    pub(super) sent_credentials: bool,
}

/// Why no caller could be let in.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("cannot read the credential `{}`", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: a token must be {SHORTEST_TOKEN} or more printable characters, without spaces", .path.display())]
    Token { path: PathBuf, line: usize },
    #[error(
        "no credentials: give the unit `LoadCredential=read-token:…` and `operate-token:…`, or a client authority \
         (`client-ca.crt`) with names under `[server.client_certificates]`"
    )]
    Nobody,
}

const SHORTEST_TOKEN: usize = 16;

struct Token {
    role: Role,
    name: String,
    secret: Vec<u8>,
}

/// The tokens and certificate names that are known.
pub struct Access {
    tokens: Vec<Token>,
    certificates: ClientCertificates,
}

impl Access {
    /// Reads `read-token` and `operate-token` from the folder of credentials. Each line is a token, so that an old one and its
    /// successor can be valid together.
    ///
    /// Errors: a file cannot be read, or holds a token that is too short.
    pub fn load(folder: Option<&Path>, certificates: &ClientCertificates) -> Result<Self, AccessError> {
        let mut tokens = Vec::new();
        for (role, kind) in [(Role::Read, "read"), (Role::Operate, "operate")] {
            let Some(path) = folder.map(|folder| folder.join(format!("{kind}-token"))) else {
                continue;
            };
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => return Err(AccessError::Read { path, source }),
            };
            for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let secret = line.trim();
                if secret.len() < SHORTEST_TOKEN || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(AccessError::Token { path, line: index + 1 });
                }
                tokens.push(Token {
                    role,
                    name: format!("token {kind} {}", index + 1),
                    secret: secret.as_bytes().to_vec(),
                });
            }
        }
        Ok(Self {
            tokens,
            certificates: certificates.clone(),
        })
    }

    /// Whether anybody can be let in by a token.
    pub(super) fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether anybody can be let in by a certificate.
    pub(super) fn has_certificates(&self) -> bool {
        !(self.certificates.read.is_empty() && self.certificates.operate.is_empty())
    }

    pub(super) fn caller(&self, headers: &HeaderMap, peer: &Peer) -> Caller {
        let mut caller = Caller {
            name: "anonymous".to_owned(),
            peer: peer.text(),
            role: None,
            sent_credentials: headers.contains_key(header::AUTHORIZATION),
        };
        if let Peer::Network {
            certificate: Some(name),
            ..
        } = peer
        {
            caller.name = format!("certificate {name}");
            caller.role = self.role_of_certificate(name);
        }
        if let Some(token) = bearer(headers).and_then(|secret| self.token(secret))
            && caller.role.is_none_or(|role| role < token.role)
        {
            caller.name.clone_from(&token.name);
            caller.role = Some(token.role);
        }
        caller
    }

    fn role_of_certificate(&self, name: &str) -> Option<Role> {
        let is_in = |names: &[String]| names.iter().any(|one| one == name);
        if is_in(&self.certificates.operate) {
            return Some(Role::Operate);
        }
        is_in(&self.certificates.read).then_some(Role::Read)
    }

    fn token(&self, secret: &[u8]) -> Option<&Token> {
        // All of them are compared, so that the time says nothing of which one is close.
        let fits = self.tokens.iter().filter(|token| token.secret.ct_eq(secret).into());
        fits.max_by_key(|token| token.role)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, secret) = headers
        .get(header::AUTHORIZATION)?
        .as_bytes()
        .split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(secret)
}

/// Lets only callers with this role to the routes of `router`.
pub fn protect<S: Clone + Send + Sync + 'static>(router: Router<S>, role: Role) -> Router<S> {
    router.route_layer(middleware::from_fn(move |request: Request, next: Next| {
        check(role, request, next)
    }))
}

async fn check(needed: Role, request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>().and_then(|caller| caller.role) {
        Some(role) if role >= needed => next.run(request).await,
        Some(_) => Problem::new(StatusCode::FORBIDDEN, "These credentials may only read").into_response(),
        None => Problem::new(
            StatusCode::UNAUTHORIZED,
            "Send a valid token as `Authorization: Bearer …`",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer")
        .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{Access, AccessError, Peer, Role};
    use crate::server::settings::ClientCertificates;

    const READ: &str = "read-read-read-read";
    const OPERATE: &str = "operate-operate-operate";

    fn access() -> Access {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("read-token"), format!("{READ}\n\n")).expect("written");
        std::fs::write(
            folder.path().join("operate-token"),
            format!("an-older-operate-token\n{OPERATE}\n"),
        )
        .expect("written");
        let names = ClientCertificates {
            read: vec!["prometheus".to_owned()],
            operate: vec!["nginx".to_owned()],
        };
        Access::load(Some(folder.path()), &names).expect("read")
    }

    fn peer(certificate: Option<&str>) -> Peer {
        Peer::Network {
            address: [192, 0, 2, 7].into(),
            certificate: certificate.map(str::to_owned),
        }
    }

    #[test]
    fn tokens_and_certificates_have_roles() {
        let access = access();
        for (authorization, certificate, name, role) in [
            (None, None, "anonymous", None),
            (Some(format!("Bearer {READ}")), None, "token read 1", Some(Role::Read)),
            (
                Some(format!("bearer {OPERATE}")),
                None,
                "token operate 2",
                Some(Role::Operate),
            ),
            (
                Some("Bearer an-older-operate-token".to_owned()),
                None,
                "token operate 1",
                Some(Role::Operate),
            ),
            (Some(format!("Bearer {READ}x")), None, "anonymous", None),
            (Some(format!("Bearer {}", &READ[1..])), None, "anonymous", None),
            (Some("Bearer ".to_owned()), None, "anonymous", None),
            (Some("Bearer".to_owned()), None, "anonymous", None),
            (Some(format!("Basic {OPERATE}")), None, "anonymous", None),
            (Some(OPERATE.to_owned()), None, "anonymous", None),
            (None, Some("nginx"), "certificate nginx", Some(Role::Operate)),
            (None, Some("prometheus"), "certificate prometheus", Some(Role::Read)),
            (None, Some("stranger"), "certificate stranger", None),
            (
                Some(format!("Bearer {OPERATE}")),
                Some("prometheus"),
                "token operate 2",
                Some(Role::Operate),
            ),
            (
                Some(format!("Bearer {READ}")),
                Some("nginx"),
                "certificate nginx",
                Some(Role::Operate),
            ),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = &authorization {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
            }
            let caller = access.caller(&headers, &peer(certificate));
            assert_eq!(
                (&*caller.name, caller.role),
                (name, role),
                "{authorization:?} {certificate:?}"
            );
        }
    }

    #[test]
    fn weak_tokens_are_refused() {
        for (text, line) in [
            ("short\n", 1),
            ("\nlong-enough-for-a-token\nwith a space in between\n", 3),
            ("é-and-more-than-16-bytes", 1),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("operate-token"), text).expect("written");
            let error = Access::load(Some(folder.path()), &ClientCertificates::default())
                .err()
                .expect("refused");
            assert!(
                matches!(error, AccessError::Token { line: found, .. } if found == line),
                "{error}"
            );
        }
    }
}
