//! Certificates of a project on a host: real handshakes with both Caddies, and files for devices opened by NSS, as Firefox does.

use std::fs;
use std::path::Path;

use homelab::pki::{Certificate, Pki};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use time::OffsetDateTime;

use crate::support::docker::docker;
use crate::support::host::Host;
use crate::support::project::{Project, text};

const PASSWORD: &str = "correct horse";

const TASK: &str = r#"
[[operation]]
op = "files.directory"
path = "/srv/tls"

[[operation]]
op = "files.put"
src = "pki:web.crt"
dest = "/srv/tls/web.crt"

[[operation]]
op = "files.put"
src = "pki:web.key"
dest = "/srv/tls/web.key"

[[operation]]
op = "files.put"
src = "pki:ca"
dest = "/srv/tls/ca.crt"

[[operation]]
op = "docker.compose"
for_each = ["old", "new"]
project_directory = "/opt/stacks/{{ item }}"
stack = "{{ item }}"
within = "60s"
"#;

/// The last lines are words of one Caddy alone.
const CADDYFILE: &str = "
{
	auto_https disable_redirects
}
https://site.lan:8443 {
	respond \"welcome\"
	tls /tls/web.crt /tls/web.key {
		client_auth {
			mode require_and_verify
			CLIENTS
		}
	}
}
";
const OLD: &str = "trusted_ca_cert_file /etc/caddy/client-ca.crt
			{% if pki.revoked %}
			trusted_leaf_cert_file /etc/caddy/client-ca.crt
			{% for leaf in pki.leaves %}
			trusted_leaf_cert {{ leaf.base64 }}
			{% endfor %}{% endif %}";
const NEW: &str = "trust_pool file /etc/caddy/client-ca.crt
			{% if pki.revoked %}
			verifier leaf {
				file /etc/caddy/client-leaves.crt
			}
			{% endif %}";

const STACK: &str = r#"
[files."conf/client-ca.crt"]
src = "pki:ca"

[files."conf/client-leaves.crt"]
src = "pki:leaves"

[files."conf/web.key"]
src = "pki:web.key"

[on_change."conf/*"]
service = "caddy"
reload = ["caddy", "reload", "--force", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
"#;

/// Each Caddy: its stack, its image, its port, and how it learns of clients.
const CADDIES: [(&str, &str, u16, &str); 2] = [("old", "caddy:2.6", 8441, OLD), ("new", "caddy:2.10", 8442, NEW)];

fn project() -> Project {
    let project = Project::of(&[
        (
            "inventories/dev.toml",
            "[hosts.box]\nlab = { image = 'debian:13-docker', registry = true }\n",
        ),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['web']\n"),
        ("tasks/web.toml", TASK),
    ]);
    for (name, image, port, clients) in CADDIES {
        let compose = format!(
            "services:\n  caddy:\n    image: {image}\n    ports: ['{port}:8443']\n    volumes: ['./conf:/etc/caddy', '/srv/tls:/tls:ro']\n"
        );
        let folder = format!("templates/services/{name}");
        project.write(&format!("{folder}/compose.yaml"), compose);
        project.write(&format!("{folder}/stack.toml"), STACK);
        project.write(
            &format!("{folder}/conf/Caddyfile.j2"),
            CADDYFILE.replace("CLIENTS", clients),
        );
    }
    project.begin_secrets();
    project
}

/// Copies the certificate and the key of a client to the host, as `/root/NAME.pem`.
fn carry(host: &Host<'_>, name: &str, certificate: &str, key: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{certificate}{key}")).unwrap();
    let place = format!("{}:/root/{name}.pem", host.container());
    docker(&["cp", &file.path().display().to_string(), &place]);
}

/// The certificate and the key of a name, as they are in the project now.
fn issued(project: &Project, name: &str) -> (String, String) {
    let file = format!("pki/{name}.toml");
    let key = project
        .homelab_with_key(&["secrets", "get", &file, "key"])
        .expect(0)
        .stdout;
    (certificate(project.root(), name).pem, key)
}

fn certificate(root: &Path, name: &str) -> Certificate {
    let read = Pki::read(root);
    let entry = read.pki.entries().find(|entry| entry.name == name).unwrap().clone();
    entry.held.unwrap().certificate
}

/// A certificate that our authority signed and that has expired, in the place of the one that the project has for `name`: it is on
/// all lists.
fn expire(project: &Project, name: &str) -> (String, String) {
    let (authority, key) = issued(project, "ca");
    let issuer = Issuer::from_ca_cert_pem(&authority, KeyPair::from_pem(&key).unwrap()).unwrap();
    let mut wish = CertificateParams::default();
    wish.distinguished_name = rcgen::DistinguishedName::new();
    wish.distinguished_name.push(DnType::CommonName, name);
    wish.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let now = OffsetDateTime::from_unix_timestamp(jiff::Timestamp::now().as_second()).unwrap();
    wish.not_before = now - time::Duration::days(30);
    wish.not_after = now - time::Duration::days(1);
    let own = KeyPair::generate().unwrap();
    let expired = wish.signed_by(&own, &issuer).unwrap().pem();
    let file = project.root().join(format!("pki/{name}.toml"));
    let before = fs::read_to_string(&file).unwrap();
    let (old, _) = issued(project, name);
    fs::write(&file, before.replace(&old, &expired)).unwrap();
    (expired, own.serialize_pem())
}

/// Whether a Caddy lets a client in, with these options of curl.
fn is_let_in(host: &Host<'_>, port: u16, options: &str) -> bool {
    let line = format!(
        "curl -sS --max-time 20 --cacert /srv/tls/ca.crt --resolve site.lan:{port}:127.0.0.1 {options} https://site.lan:{port}/"
    );
    let ran = host.try_inside(&line);
    let (said, error) = (text(&ran.stdout), text(&ran.stderr));
    if ran.status.success() {
        assert_eq!(said, "welcome", "{line}: {error}");
        return true;
    }
    // By the handshake, and by nothing else.
    assert!(error.contains("alert") || error.contains("reset"), "{line}: {error}");
    false
}

#[track_caller]
fn matrix(host: &Host<'_>, expected: &[(&str, bool)]) {
    for (_, image, port, _) in CADDIES {
        for (name, is_accepted) in expected {
            let options = match *name {
                "nobody" => String::new(),
                name if name.contains(".p12") => format!("--cert-type P12 --cert '/root/{name}:{PASSWORD}'"),
                name => format!("--cert /root/{name}.pem"),
            };
            assert_eq!(is_let_in(host, port, &options), *is_accepted, "{image}: {name}");
        }
    }
}

/// How often each Caddy has read its configuration, and since when its container runs.
fn reloads(host: &Host<'_>) -> Vec<(usize, String)> {
    let of = |name: &str| {
        let log = host.inside(&format!("docker logs {name}-caddy-1 2>&1"));
        let started = host.inside(&format!("docker inspect -f '{{{{.State.StartedAt}}}}' {name}-caddy-1"));
        (log.matches("autosaved config").count(), started)
    };
    CADDIES.map(|(name, ..)| of(name)).to_vec()
}

#[test]
fn both_caddies_let_in_exactly_the_certificates_that_are_valid() {
    let project = project();
    project.homelab_with_key(&["pki", "init"]).expect(0);
    project
        .homelab_with_key(&["pki", "issue", "web", "--server", "site.lan"])
        .expect(0);
    for name in ["anna", "bela", "cara", "gone"] {
        project.homelab_with_key(&["pki", "issue", name]).expect(0);
    }
    let host = project.up("dev", "box");
    host.inside("apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy curl libnss3-tools");
    let carried = |name: &str, of: &str| {
        let (certificate, key) = issued(&project, of);
        carry(&host, name, &certificate, &key);
    };
    carried("anna", "anna");
    carried("bela-old", "bela");
    project.homelab_with_key(&["pki", "renew", "bela"]).expect(0);
    carried("bela", "bela");
    carried("cara", "cara");
    carried("web", "web");
    let (certificate, key) = expire(&project, "gone");
    carry(&host, "gone", &certificate, &key);
    stranger(&host);
    devices(&project, &host);

    project.homelab_with_key(&["deploy", "dev", "site", "--yes"]).expect(0);
    for key in ["/srv/tls/web.key", "/opt/stacks/old/conf/web.key"] {
        assert_eq!(host.inside(&format!("stat -c %a {key}")).trim(), "600");
    }
    let quiet = project.homelab_with_key(&["deploy", "dev", "site", "--yes"]).expect(0);
    assert!(quiet.stdout.contains("nothing to do"), "{}", quiet.stdout);
    let refused = [("nobody", false), ("stranger", false), ("gone", false), ("web", false)];
    let accepted = [
        ("anna", true),
        ("bela", true),
        ("bela-old", true),
        ("modern.p12", true),
        ("legacy.p12", true),
    ];
    matrix(&host, &refused);
    matrix(&host, &accepted);
    matrix(&host, &[("cara", true)]);

    // From the first revocation on there is a list.
    project.homelab_with_key(&["pki", "revoke", "cara"]).expect(0);
    matrix(&host, &[("cara", true)]);
    let before = reloads(&host);
    let ran = project.homelab_with_key(&["deploy", "dev", "site", "--yes"]).expect(0);
    assert!(
        !ran.stdout.contains("restarted") && !ran.stdout.contains("recreated"),
        "{}",
        ran.stdout
    );
    let after = reloads(&host);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (before.0 + 1, &before.1),
            (after.0, &after.1),
            "one reload, and no restart"
        );
    }
    matrix(&host, &refused);
    matrix(&host, &accepted);
    matrix(&host, &[("cara", false)]);
    let quiet = project.homelab_with_key(&["deploy", "dev", "site", "--yes"]).expect(0);
    assert!(quiet.stdout.contains("nothing to do"), "{}", quiet.stdout);
    assert_eq!(reloads(&host), after);

    // A new one needs a deploy then, and the second revocation takes nothing but itself.
    project.homelab_with_key(&["pki", "issue", "cara"]).expect(0);
    carried("cara-again", "cara");
    matrix(&host, &[("cara-again", false)]);
    project.homelab_with_key(&["pki", "revoke", "bela"]).expect(0);
    project.homelab_with_key(&["deploy", "dev", "site", "--yes"]).expect(0);
    matrix(
        &host,
        &[
            ("anna", true),
            ("cara-again", true),
            ("cara", false),
            ("bela", false),
            ("bela-old", false),
        ],
    );

    // When nothing is left on the list, it is still a list.
    for name in ["anna", "cara", "gone"] {
        project.homelab_with_key(&["pki", "revoke", name]).expect(0);
    }
    project.homelab_with_key(&["deploy", "dev", "site", "--yes"]).expect(0);
    matrix(&host, &[("nobody", false), ("anna", false), ("cara-again", false)]);
}

/// A certificate of another authority that has the same name.
fn stranger(host: &Host<'_>) {
    let other = Project::of(&[("inventories/dev.toml", "")]);
    other.begin_secrets();
    let run = |arguments: &[&str]| other.homelab_with_key(arguments).expect(0).stdout;
    run(&["pki", "init"]);
    run(&["pki", "issue", "anna"]);
    let key = run(&["secrets", "get", "pki/anna.toml", "key"]);
    carry(host, "stranger", &certificate(other.root(), "anna").pem, &key);
}

/// Writes the files for devices to the host, and has NSS read them, with which Firefox does.
fn devices(project: &Project, host: &Host<'_>) {
    for (file, legacy) in [("modern.p12", None), ("legacy.p12", Some("--legacy"))] {
        let arguments = ["pki", "export", "anna", file];
        let arguments: Vec<&str> = arguments.into_iter().chain(legacy).collect();
        project.homelab_with_key_and_input(&arguments, PASSWORD).expect(0);
        let from = project.root().join(file).display().to_string();
        docker(&["cp", &from, &format!("{}:/root/{file}", host.container())]);
        let listed = host.inside(&format!("pk12util -l /root/{file} -W '{PASSWORD}'"));
        assert!(
            listed.contains("CN=anna") && listed.contains("Key(shrouded)"),
            "{listed}"
        );
        // As Firefox imports it, and has the key with the certificate of the authority.
        host.inside(&format!(
            "rm -rf /root/nss && mkdir /root/nss && certutil -N -d sql:/root/nss --empty-password \
             && pk12util -i /root/{file} -d sql:/root/nss -W '{PASSWORD}' -K ''"
        ));
        let keys = host.inside("certutil -K -d sql:/root/nss");
        assert!(keys.contains("anna"), "{keys}");
        assert!(!host.is(&format!("pk12util -l /root/{file} -W guessed")));
    }
}
