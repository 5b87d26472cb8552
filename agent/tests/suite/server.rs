//! What all modes refuse: wrong tokens, origins, long bodies, slow peers, wrong certificates.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use homelab_agent::client::{Client, ClientError, Question};
use homelab_agent::server::{
    Caller, ClientCertificates, Environment, MetricsAccess, Reply, Role, Server, Settings, protect,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::hosts::{Agent, OPERATE, READ, credentials, server};

async fn who(axum::Extension(caller): axum::Extension<Caller>) -> Reply {
    Reply::success(json!({ "caller": caller.name, "peer": caller.peer }))
}

fn routes() -> Router {
    let read = Router::new().route("/read", get(who));
    let operate = Router::new().route("/operate", post(who));
    protect(read, Role::Read)
        .merge(protect(operate, Role::Operate))
        .route("/health", get(who))
}

#[tokio::test]
async fn roles_decide_who_may_do_what() {
    let agent = Agent::start(routes());
    for (token, read, operate) in [
        (None, 401, 401),
        (Some("nonsense"), 401, 401),
        (Some(READ), 200, 403),
        (Some(OPERATE), 200, 200),
    ] {
        let value = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = value.iter().map(|value| ("authorization", &**value)).collect();
        for (method, path, code) in [
            ("GET", "/read", read),
            ("POST", "/operate", operate),
            ("GET", "/metrics", read),
            ("GET", "/health", 200),
        ] {
            let answer = agent.ask(method, path, &headers, b"").await;
            assert_eq!(answer.code, code, "{token:?} {path}");
            assert_eq!(answer.headers.contains_key("www-authenticate"), code == 401);
        }
    }
    let token = format!("Bearer {READ}");
    let text = agent
        .ask("GET", "/metrics", &[("authorization", &token)], b"")
        .await
        .body;
    let text = String::from_utf8(text).expect("text");
    let line = "homelab_agent_requests_total{method=\"POST\",route=\"/operate\",code=\"403\"} 1\n";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn metrics_may_be_open() {
    let settings = Settings {
        metrics: MetricsAccess::Open,
        ..Settings::default()
    };
    let agent = Agent::start_with(routes(), &settings);
    assert_eq!(agent.ask("GET", "/metrics", &[], b"").await.code, 200);
    assert_eq!(agent.ask("GET", "/read", &[], b"").await.code, 401);
}

#[tokio::test]
async fn origins_bodies_and_rates_are_limited() {
    let settings = Settings {
        allowed_origins: vec!["https://lab.example".to_owned()],
        changes_per_minute: 3,
        ..Settings::default()
    };
    let agent = Agent::start_with(routes(), &settings);
    let token = format!("Bearer {OPERATE}");
    let token = ("authorization", &*token);
    for (origin, code) in [
        ("https://lab.example", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ] {
        assert_eq!(
            agent.ask("GET", "/read", &[token, ("origin", origin)], b"").await.code,
            code,
            "{origin}"
        );
    }
    assert_eq!(agent.ask("POST", "/operate", &[token], &[b'x'; 4097]).await.code, 413);
    assert_eq!(agent.ask("POST", "/operate", &[token], &[b'x'; 4096]).await.code, 200);
    assert_eq!(agent.ask("POST", "/operate", &[token], b"").await.code, 200);
    let answer = agent.ask("POST", "/operate", &[token], b"").await;
    assert_eq!((answer.code, answer.headers.contains_key("retry-after")), (429, true));
    // Reading goes on.
    assert_eq!(agent.ask("GET", "/read", &[token], b"").await.code, 200);
    let wrong = [("authorization", "Bearer nonsense")];
    let mut codes = Vec::new();
    for _ in 0..25 {
        codes.push(agent.ask("GET", "/read", &wrong, b"").await.code);
    }
    assert_eq!((codes[0], codes[24]), (401, 429), "{codes:?}");
}

#[tokio::test]
async fn one_peer_takes_no_more_than_its_part() {
    let agent = Agent::start(routes());
    let mut open = Vec::new();
    for _ in 0..40 {
        open.push(TcpStream::connect(agent.address).await.expect("connected"));
    }
    let mut byte = [0];
    let mut beyond = open.split_off(16);
    for stream in &mut beyond {
        let read = tokio::time::timeout(Duration::from_secs(4), stream.read(&mut byte)).await;
        assert!(read.is_ok(), "one more is closed at once");
    }
    for stream in &mut open {
        let read = tokio::time::timeout(Duration::from_millis(10), stream.read(&mut byte)).await;
        assert!(read.is_err(), "one of the first is kept: {read:?}");
    }
}

#[tokio::test]
async fn headers_that_two_readers_may_read_in_two_ways_are_refused() {
    let agent = Agent::start(routes());
    let token = format!("authorization: Bearer {OPERATE}\r\n");
    for (headers, requests, answers) in [
        (format!("host: x\r\n{token}"), 1, "HTTP/1.1 200"),
        (
            format!("host: x\r\n{token}authorization: Bearer other\r\n"),
            1,
            "HTTP/1.1 400",
        ),
        (token.clone(), 1, "HTTP/1.1 400"),
        (format!("host: x\r\nhost: y\r\n{token}"), 1, "HTTP/1.1 400"),
        // Of several at once, the first is answered.
        (format!("host: x\r\n{token}"), 20, "HTTP/1.1 200"),
    ] {
        let mut stream = TcpStream::connect(agent.address).await.expect("connected");
        let text = format!("GET /read HTTP/1.1\r\n{headers}\r\n").repeat(requests);
        stream.write_all(text.as_bytes()).await.expect("sent");
        let mut answered = Vec::new();
        let _ = stream.read_to_end(&mut answered).await;
        let answered = String::from_utf8_lossy(&answered);
        assert!(answered.starts_with(answers), "{headers}: {answered}");
        assert_eq!(answered.matches("HTTP/1.1 ").count(), 1, "{answered}");
    }
}

#[tokio::test]
async fn slow_and_wrong_peers_are_dropped() {
    let agent = Agent::start(routes());
    let mut silent = TcpStream::connect(agent.address).await.expect("connected");
    silent.write_all(b"GET /read HT").await.expect("sent");
    let mut slow = TcpStream::connect(agent.address).await.expect("connected");
    let head = format!(
        "POST /operate HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATE}\r\ncontent-length: 10\r\n\r\nabc"
    );
    slow.write_all(head.as_bytes()).await.expect("sent");
    let mut many = TcpStream::connect(agent.address).await.expect("connected");
    let headers: Vec<String> = (0..70).map(|number| format!("x{number}: y\r\n")).collect();
    let headers = headers.concat();
    let head = format!("GET /read HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    many.write_all(head.as_bytes()).await.expect("sent");
    let mut nonsense = TcpStream::connect(agent.address).await.expect("connected");
    nonsense.write_all(b"\x16\x03\x01 is TLS\r\n\r\n").await.expect("sent");
    let mut long = TcpStream::connect(agent.address).await.expect("connected");
    let head = format!("GET /read HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    let _ = long.write_all(head.as_bytes()).await;
    for (name, stream, start) in [
        ("silent", &mut silent, ""),
        ("slow", &mut slow, "HTTP/1.1 408"),
        ("long", &mut long, "HTTP/1.1 431"),
        ("many", &mut many, "HTTP/1.1 431"),
        ("nonsense", &mut nonsense, "HTTP/1.1 400"),
    ] {
        let mut text = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(12), stream.read_to_end(&mut text)).await;
        assert!(read.is_ok(), "{name} is still connected");
        let text = String::from_utf8_lossy(&text);
        assert!(text.starts_with(start), "{name}: {text}");
        if let Some((_, body)) = text.split_once("\r\n\r\n") {
            let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(body["status"], "error", "{name}: {body}");
        }
    }
}

#[test]
fn nobody_to_let_in_is_an_error() {
    let empty = tempfile::tempdir().expect("a folder");
    let environment = Environment {
        credentials: Some(empty.path().to_owned()),
        ..Environment::default()
    };
    let error = Server::prepare(&Settings::default(), environment, true)
        .err()
        .expect("refused");
    assert!(error.to_string().contains("LoadCredential=read-token"), "{error}");
    let environment = Environment {
        credentials: Some(credentials().path().to_owned()),
        ..Environment::default()
    };
    assert!(Server::prepare(&Settings::default(), environment, true).is_err());
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

/// Writes `NAME.crt` and `NAME.key`.
fn certificate(
    folder: &Path,
    file: &str,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
    by: &CertifiedIssuer<'static, KeyPair>,
) {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages.push(purpose);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, by).expect("signed");
    std::fs::write(folder.join(format!("{file}.crt")), certificate.pem()).expect("written");
    std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).expect("written");
}

#[tokio::test]
async fn clients_need_a_certificate_where_there_is_an_authority() {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let folder = credentials();
    let path = folder.path();
    let [ours, theirs] = ["ours", "theirs"].map(authority);
    std::fs::write(path.join("client-ca.crt"), ours.pem()).expect("written");
    certificate(path, "server", "localhost", ServerAuth, &ours);
    certificate(path, "nginx", "nginx", ClientAuth, &ours);
    certificate(path, "prometheus", "prometheus", ClientAuth, &ours);
    certificate(path, "guest", "guest", ClientAuth, &ours);
    certificate(path, "purpose", "nginx", ServerAuth, &ours);
    certificate(path, "stranger", "nginx", ClientAuth, &theirs);
    let settings = Settings {
        client_certificates: ClientCertificates {
            read: vec!["prometheus".to_owned()],
            operate: vec!["nginx".to_owned()],
        },
        ..Settings::default()
    };
    let (server, address) = server(&settings, path);
    tokio::spawn(server.run_until(routes(), std::future::pending()));
    let url = format!("https://localhost:{}/operate", address.port());
    let client = || {
        Client::new(Duration::from_secs(10), 4096)
            .with_authority(&path.join("client-ca.crt"))
            .expect("an authority")
    };
    for (name, code) in [
        ("nginx", Some(200)),
        ("prometheus", Some(403)),
        ("guest", Some(401)),
        ("purpose", None),
        ("stranger", None),
    ] {
        let client = client()
            .with_identity(&path.join(format!("{name}.crt")), &path.join(format!("{name}.key")))
            .expect("an identity");
        let answer = client.ask(Question::post(&url, "application/json", Vec::new())).await;
        assert_eq!(
            answer.as_ref().ok().map(|answer| answer.code),
            code,
            "{name}: {answer:?}"
        );
    }
    let without = client().ask(Question::post(&url, "application/json", Vec::new())).await;
    assert!(without.is_err(), "{without:?}");
    // A token is enough only together with a certificate that is trusted.
    let guest = client()
        .with_identity(&path.join("guest.crt"), &path.join("guest.key"))
        .expect("an identity");
    let token = format!("Bearer {OPERATE}");
    let question = Question::post(&url, "application/json", Vec::new()).with("authorization", &token);
    assert_eq!(guest.ask(question).await.expect("an answer").code, 200);
    // No client talks to it in the clear, nor does this one to a server that another authority signed.
    let plain = format!("http://{address}/health");
    assert!(
        Client::new(Duration::from_secs(10), 4096)
            .ask(Question::get(&plain))
            .await
            .is_err()
    );
    std::fs::write(path.join("other.crt"), theirs.pem()).expect("written");
    let other = Client::new(Duration::from_secs(10), 4096)
        .with_authority(&path.join("other.crt"))
        .expect("an authority");
    let error = other.ask(Question::get(&url)).await.expect_err("refused");
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
}
