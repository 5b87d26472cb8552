//! Accepts connections and answers them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service as _;

use super::access::{Access, AccessError, Caller, Peer, Role, protect};
use super::certificates::{self, Tls};
use super::explained::Explained;
use super::limits::{PATIENCE, RateLimit, Seats, with_body};
use super::listeners::Listeners;
use super::metrics::{Kind, Metrics};
use super::notify;
use super::reply::Problem;
use super::settings::{MetricsAccess, Settings};
use crate::journal;

/// How many connections are open at once. Each holds some 20 KiB.
const MOST_CONNECTIONS: usize = 64;
/// How many of them one peer may have.
const CONNECTIONS_OF_A_PEER: usize = 16;
/// The longest that a connection lasts: longer than a request may wait for a unit.
const LONGEST: Duration = Duration::from_secs(600);
/// How long answers that have begun may take when the service ends.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How many wrong tokens one peer may send in a minute.
const WRONG_TOKENS_PER_MINUTE: u32 = 20;

/// Why a mode does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("cannot use the certificates: {0}")]
    Certificates(String),
    #[error("cannot listen on {address}")]
    Listen { address: String, source: std::io::Error },
    #[error("nothing to listen on: name addresses in `server.listen`, or start the socket unit")]
    NoListener,
    #[error("cannot watch for signals")]
    Signals(#[source] std::io::Error),
}

/// What a process is given by the program that starts it.
#[derive(Debug, Default)]
pub struct Environment {
    pub listeners: Listeners,
    /// Where its credentials are (`$CREDENTIALS_DIRECTORY`).
    pub credentials: Option<PathBuf>,
    /// Where it keeps what must survive (`$STATE_DIRECTORY`).
    pub state: Option<PathBuf>,
}

impl Environment {
    /// What systemd gave this process; without sockets of systemd, the ones of the settings.
    ///
    /// Errors: a socket cannot be opened.
    pub fn of_process(settings: &Settings) -> Result<Self, ServerError> {
        let listeners =
            Listeners::open(&settings.listen).map_err(|(address, source)| ServerError::Listen { address, source })?;
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
        Ok(Self {
            listeners,
            credentials: folder("CREDENTIALS_DIRECTORY"),
            state: folder("STATE_DIRECTORY"),
        })
    }
}

/// The server of one mode, before it serves.
pub struct Server {
    listeners: Listeners,
    tls: Option<Tls>,
    guard: Arc<Guard>,
    metrics_access: MetricsAccess,
}

/// What every request passes.
struct Guard {
    access: Access,
    allowed_origins: BTreeSet<String>,
    changes: RateLimit,
    wrong_tokens: RateLimit,
    metrics: Metrics,
}

impl Server {
    /// Reads tokens and certificates. With `needs_callers`, a mode without callers does not start.
    ///
    /// Errors: a credential is not usable, there is none, or there is nothing to listen on.
    pub fn prepare(settings: &Settings, environment: Environment, needs_callers: bool) -> Result<Self, ServerError> {
        let folder = environment.credentials.as_deref();
        let access = Access::load(folder, &settings.client_certificates)?;
        let tls = certificates::load(folder).map_err(ServerError::Certificates)?;
        let by_certificate = tls.as_ref().is_some_and(|tls| tls.asks_for_certificates) && access.has_certificates();
        if needs_callers && !access.has_tokens() && !by_certificate {
            return Err(AccessError::Nobody.into());
        }
        if environment.listeners.is_empty() {
            return Err(ServerError::NoListener);
        }
        let metrics = Metrics::default();
        metrics.describe(
            Kind::Counter,
            "homelab_agent_requests_total",
            "Requests by method, route and code.",
        );
        metrics.describe(
            Kind::Counter,
            "homelab_agent_connections_refused_total",
            "Connections that ended before a request.",
        );
        Ok(Self {
            listeners: environment.listeners,
            tls,
            guard: Arc::new(Guard {
                access,
                allowed_origins: settings.allowed_origins.iter().cloned().collect(),
                changes: RateLimit::new(settings.changes_per_minute),
                wrong_tokens: RateLimit::new(WRONG_TOKENS_PER_MINUTE),
                metrics,
            }),
            metrics_access: settings.metrics,
        })
    }

    /// The numbers of this mode.
    pub fn metrics(&self) -> Metrics {
        self.guard.metrics.clone()
    }

    /// Serves until the process is told to end (SIGTERM, SIGINT).
    ///
    /// Errors: signals cannot be watched for.
    pub async fn run(self, router: Router) -> Result<(), ServerError> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signals)?;
        let end = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        self.run_until(router, end).await;
        Ok(())
    }

    /// Serves until `end`, and lets answers that have begun finish.
    pub async fn run_until(self, router: Router, end: impl Future<Output = ()>) {
        let router = self.whole(router);
        let tls = self.tls.map(Arc::new);
        let (stop, stopped) = watch::channel(());
        let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let acceptor = Acceptor {
            seats: Arc::new(Seats::new(CONNECTIONS_OF_A_PEER)),
            router,
            tls,
            stopped,
            connections: Arc::clone(&connections),
            metrics: self.guard.metrics.clone(),
        };
        let mut accepting = tokio::task::JoinSet::new();
        let addresses = self.listeners.addresses();
        for listener in self.listeners.tcp {
            accepting.spawn(acceptor.clone().accept_tcp(listener));
        }
        for listener in self.listeners.unix {
            accepting.spawn(acceptor.clone().accept_unix(listener));
        }
        drop(acceptor);
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        notify::ready(&format!("Listening on {}", addresses.join(", ")));
        tokio::select! {
            () = end => {}
            () = notify::keep_alive() => {}
        }
        notify::stopping();
        accepting.abort_all();
        drop(stop);
        let all = u32::try_from(MOST_CONNECTIONS).unwrap_or(u32::MAX);
        // A peer that takes longer is cut off.
        let _ = tokio::time::timeout(LAST_WORDS, connections.acquire_many(all)).await;
    }

    /// The routes of a mode with what all modes have.
    fn whole(&self, router: Router) -> Router {
        let metrics = self.guard.metrics.clone();
        let mut own = Router::new().route("/metrics", get(|| async move { metrics_text(&metrics) }));
        if self.metrics_access == MetricsAccess::Read {
            own = protect(own, Role::Read);
        }
        router
            .merge(own)
            .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "No such path") })
            .method_not_allowed_fallback(|| async {
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "No such method here")
            })
            .layer(middleware::from_fn_with_state(Arc::clone(&self.guard), guarded))
    }
}

fn metrics_text(metrics: &Metrics) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.text()).into_response()
}

async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        _ => "other",
    };
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = match guard.admitted(request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let code = response.status();
    let labels = [("method", method), ("route", route), ("code", code.as_str())];
    guard.metrics.count("homelab_agent_requests_total", &labels);
    response
}

impl Guard {
    /// The request with its caller and its whole body.
    async fn admitted(&self, mut request: Request) -> Result<Request, Problem> {
        let origins = request.headers().get_all(header::ORIGIN);
        let is_allowed = |origin: &axum::http::HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            self.allowed_origins.contains(origin)
        };
        if !origins.iter().all(is_allowed) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "Requests from this origin are not allowed",
            ));
        }
        let headers = request.headers();
        if request.version() == Version::HTTP_11 && headers.get_all(header::HOST).iter().count() != 1 {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "Send one `Host` header"));
        }
        if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
            // A proxy in front might look at the other one.
            let message = "Send one `Authorization` header";
            return Err(Problem::new(StatusCode::BAD_REQUEST, message));
        }
        let peer = request.extensions().get::<Peer>().cloned();
        let peer = peer.unwrap_or(Peer::Local { user: None });
        let now = Instant::now();
        let caller = self.access.caller(request.headers(), &peer);
        let is_change = !matches!(*request.method(), Method::GET | Method::HEAD);
        let is_within = if caller.role.is_none() && caller.sent_credentials {
            self.wrong_tokens.take(&caller.peer, now)
        } else if caller.role.is_some() && is_change {
            self.changes.take(&caller.peer, now)
        } else {
            true
        };
        if !is_within {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests; wait a minute");
            return Err(problem.with_header(header::RETRY_AFTER, "60"));
        }
        request.extensions_mut().insert::<Caller>(caller);
        with_body(request).await
    }
}

#[derive(Clone)]
struct Acceptor {
    seats: Arc<Seats>,
    router: Router,
    tls: Option<Arc<Tls>>,
    stopped: watch::Receiver<()>,
    connections: Arc<Semaphore>,
    metrics: Metrics,
}

impl Acceptor {
    async fn accept_tcp(self, listener: tokio::net::TcpListener) {
        loop {
            let permit = self.permit().await;
            match listener.accept().await {
                Ok((stream, address)) => {
                    // An answer is small and waits for nothing.
                    let _ = stream.set_nodelay(true);
                    let address = address.ip().to_canonical();
                    if let Some(seat) = self.seats.take(address.to_string()) {
                        let acceptor = self.clone();
                        tokio::spawn(async move {
                            acceptor.network(stream, address, permit).await;
                            drop(seat);
                        });
                    }
                }
                Err(error) => refused(&error).await,
            }
        }
    }

    async fn accept_unix(self, listener: tokio::net::UnixListener) {
        loop {
            let permit = self.permit().await;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let user = stream.peer_cred().ok().map(|credentials| credentials.uid());
                    let peer = Peer::Local { user };
                    if let Some(seat) = self.seats.take(peer.text()) {
                        let acceptor = self.clone();
                        tokio::spawn(async move {
                            acceptor.answer(stream, peer, permit).await;
                            drop(seat);
                        });
                    }
                }
                Err(error) => refused(&error).await,
            }
        }
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.connections).acquire_owned().await.ok()
    }

    async fn network(self, stream: tokio::net::TcpStream, address: IpAddr, permit: Option<OwnedSemaphorePermit>) {
        let Some(tls) = self.tls.clone() else {
            let peer = Peer::Network {
                address,
                certificate: None,
            };
            return self.answer(stream, peer, permit).await;
        };
        match tokio::time::timeout(PATIENCE, tls.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let chain = stream.get_ref().1.peer_certificates();
                let certificate = chain.and_then(|chain| certificates::common_name(chain.first()?));
                self.answer(stream, Peer::Network { address, certificate }, permit)
                    .await;
            }
            Ok(Err(error)) => self.not_begun(address, &error.to_string()),
            Err(_) => self.not_begun(address, "no handshake in time"),
        }
    }

    fn not_begun(&self, address: IpAddr, why: &str) {
        self.metrics.count("homelab_agent_connections_refused_total", &[]);
        journal::information(&format!("{address}: no connection over TLS: {why}"));
    }

    async fn answer(
        mut self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: Peer,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let router = self.router;
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            let mut router = router.clone();
            request.extensions_mut().insert(peer.clone());
            async move {
                Ok::<_, Infallible>(
                    router
                        .call(request.map(Body::new))
                        .await
                        .unwrap_or_else(|never| match never {}),
                )
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            // One request each: a peer that sends many at once and reads no answer holds nothing for long.
            .keep_alive(false)
            .header_read_timeout(PATIENCE)
            .max_headers(64)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(Explained::new(stream)), service);
        tokio::pin!(connection);
        tokio::select! {
            // What a peer breaks off concerns no other.
            _ = tokio::time::timeout(LONGEST, &mut connection) => {}
            _ = self.stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
        drop(permit);
    }
}

/// There may be no file descriptor left; then the next one is free when a connection ends.
async fn refused(error: &std::io::Error) {
    journal::warning(&format!("cannot accept a connection: {error}"));
    tokio::time::sleep(Duration::from_millis(200)).await;
}
