//! Asks other services over HTTP: one connection a request, with limits for time and size.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{0}` is not an address such as `http://127.0.0.1:5002/models`")]
    Address(String),
    #[error("`{0}` needs an authority to check its certificate against")]
    NoAuthority(String),
    #[error("cannot use the certificates of `{}`: {problem}", .path.display())]
    Certificates { path: PathBuf, problem: String },
    #[error("cannot connect to {to}")]
    Connect { to: String, source: std::io::Error },
    #[error("no answer from {to}")]
    Http { to: String, source: hyper::Error },
    #[error("no answer from {to} within {seconds} s")]
    Late { to: String, seconds: u64 },
    #[error("{to} answers with more than {limit} bytes, or breaks off")]
    Body { to: String, limit: usize },
    #[error("cannot send this request")]
    Request(#[from] axum::http::Error),
}

impl ClientError {
    /// Whether the other side cannot be reached at all, as when its host is off.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Late { .. })
    }
}

/// What came back, whatever its code.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the code is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// What to ask.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    pub method: Method,
    pub url: &'a str,
    /// Further headers; `Host` is set by itself.
    pub headers: Vec<(&'a str, &'a str)>,
    pub body: Vec<u8>,
}

impl<'a> Question<'a> {
    /// A `GET`.
    pub fn get(url: &'a str) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A `POST` with a body of some type.
    pub fn post(url: &'a str, kind: &'a str, body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            url,
            headers: vec![("content-type", kind)],
            body,
        }
    }

    /// With a header more.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Asks, each time over a connection of its own.
#[derive(Clone)]
pub struct Client {
    roots: Arc<RootCertStore>,
    tls: Option<TlsConnector>,
    timeout: Duration,
    limit: usize,
}

impl Client {
    /// A client that gives up after `timeout`, and reads `limit` bytes at most. Only `http` works without an authority.
    pub fn new(timeout: Duration, limit: usize) -> Self {
        Self {
            roots: Arc::new(RootCertStore::empty()),
            tls: None,
            timeout,
            limit,
        }
    }

    /// Checks the certificates of servers against this file of authorities.
    ///
    /// Errors: the file cannot be read, or holds no certificate.
    pub fn with_authority(mut self, path: &Path) -> Result<Self, ClientError> {
        let wrong = |problem: String| ClientError::Certificates {
            path: path.to_owned(),
            problem,
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        self.roots = Arc::new(roots);
        let config = ClientConfig::builder().with_root_certificates(Arc::clone(&self.roots));
        self.tls = Some(TlsConnector::from(Arc::new(config.with_no_client_auth())));
        Ok(self)
    }

    /// Shows servers a certificate. Their own are checked as [`Client::with_authority`] said before.
    ///
    /// Errors: a file cannot be read, or the key is not the certificate's.
    pub fn with_identity(mut self, certificate: &Path, key: &Path) -> Result<Self, ClientError> {
        let wrong = |path: &Path, problem: String| ClientError::Certificates {
            path: path.to_owned(),
            problem,
        };
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string()))?;
        let config = ClientConfig::builder()
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(certificates(certificate)?, secret)
            .map_err(|error| wrong(certificate, error.to_string()))?;
        self.tls = Some(TlsConnector::from(Arc::new(config)));
        Ok(self)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// Errors: there is no answer, none in time, or one that is too long. Any code is an answer.
    pub async fn ask(&self, question: Question<'_>) -> Result<Answer, ClientError> {
        let to = question.url.to_owned();
        let late = |_| ClientError::Late {
            to,
            seconds: self.timeout.as_secs(),
        };
        tokio::time::timeout(self.timeout, self.exchange(question))
            .await
            .map_err(late)?
    }

    /// Sends a request of which only the success counts.
    ///
    /// Errors: there is no answer, or one with another code; then the error calls the other side `name`.
    pub async fn tell(&self, question: Question<'_>, name: &str) -> Result<(), String> {
        let answer = self
            .ask(question)
            .await
            .map_err(|error| crate::journal::causes(&error))?;
        if answer.is_success() {
            Ok(())
        } else {
            Err(format!("{name} answers with {}", answer.code))
        }
    }

    async fn exchange(&self, question: Question<'_>) -> Result<Answer, ClientError> {
        let url = question.url;
        let wrong = || ClientError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let host = uri.host().ok_or_else(wrong)?;
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let connect_error = |source| ClientError::Connect {
            to: format!("{host}:{port}"),
            source,
        };
        let request = request(&question, &uri)?;
        let stream = TcpStream::connect((&*name, port)).await.map_err(connect_error)?;
        if !is_encrypted {
            return self.over(stream, request, url).await;
        }
        let tls = self
            .tls
            .as_ref()
            .ok_or_else(|| ClientError::NoAuthority(url.to_owned()))?;
        let name = ServerName::try_from(name).map_err(|_| wrong())?;
        let stream = tls.connect(name, stream).await.map_err(connect_error)?;
        self.over(stream, request, url).await
    }

    async fn over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Full<Bytes>>,
        url: &str,
    ) -> Result<Answer, ClientError> {
        let http = |source| ClientError::Http {
            to: url.to_owned(),
            source,
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(http)?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(http)?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, self.limit)
                .collect()
                .await
                .map_err(|_| ClientError::Body {
                    to: url.to_owned(),
                    limit: self.limit,
                })?;
            Ok(Answer {
                code: parts.status.as_u16(),
                headers: parts.headers,
                body: body.to_bytes().to_vec(),
            })
        };
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            // A connection that ended has handed over all that came, or the reason why nothing does.
            _ = &mut connection => answer.await,
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let problem = match read {
        Ok(read) if !read.is_empty() => return Ok(read),
        Ok(_) => "no certificate in it".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(ClientError::Certificates {
        path: path.to_owned(),
        problem,
    })
}

fn request(question: &Question<'_>, uri: &Uri) -> Result<Request<Full<Bytes>>, ClientError> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut builder = Request::builder()
        .method(&question.method)
        .uri(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("homelab-agent/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    for (name, value) in &question.headers {
        builder = builder.header(*name, *value);
    }
    Ok(builder.body(Full::new(Bytes::from(question.body.clone())))?)
}
