//! Caddy as this repository's own project sets it up: sites of the internet get their certificates by ACME, and a reload interrupts no
//! download.

use std::time::Duration;

use crate::support::host::Host;
use crate::support::project::Project;

const PATIENCE: Duration = Duration::from_secs(90);

const INVENTORY: &str = "groups = ['development']
[hosts.box]
lab = { image = 'debian:13-docker', registry = true }
groups = ['services', 'docker']
[hosts.desk]
lab = { image = 'debian:13' }
data = { firefox = true }
[hosts.box.data]
stacks = ['acme', 'files', 'caddy']
public_domain = 'example.test'
caddy = { acme_directory = 'https://acme.test/acme/local/directory', acme_root = '{{ captured.acme_root }}' }
";

const DEPLOY: &str = "hosts = ['box']
tasks = [
  'docker/networks', 'docker/folder', 'docker/backups',
  { task = 'docker/stack', name = 'acme', vars = { stack = 'acme' } },
  'acme-root',
  { task = 'docker/stack', for_each = 'stacks', vars = { stack = '{{ item }}' }, when = \"item != 'acme'\" },
  'services/caddy-root',
]
";

/// Caddy again, as an authority. It asks for challenges where the host publishes its ports.
const ACME: &str = "services:
  acme:
    image: caddy:2.10
    networks: { reverse_proxy_net: { aliases: [acme.test] } }
    extra_hosts: ['files.example.test:host-gateway', 'private.example.test:host-gateway']
    volumes: ['./conf:/etc/caddy:ro']
networks:
  reverse_proxy_net: { external: true }
";
const ACME_CADDYFILE: &str = "acme.test {\n\ttls internal\n\tacme_server\n}\n";

const CAPTURE: &str = "[[operation]]
capture = 'acme_root'
file = '/opt/stacks/.acme-root'
mode = '0644'
[operation.create]
op = 'docker.exec'
project = 'acme'
service = 'acme'
command = ['cat', '/data/caddy/pki/authorities/local/root.crt']
within = '30s'
";

const FILES: &str = "services:
  files:
    image: busybox:1.37
    command: [sh, -c, 'mkdir -p /www; head -c 30000000 /dev/urandom >/www/large; exec httpd -f -p 80 -h /www']
    init: true
    networks: [reverse_proxy_net]
networks:
  reverse_proxy_net: { external: true }
";
const SITES: &str = "[[sites]]\nhost = 'files.example.test'\nupstream = 'files:80'\nkind = 'public'\n\
                     [[sites]]\nhost = 'private.example.test'\nupstream = 'files:80'\nkind = 'mtls'\n\
                     [[sites]]\nhost = 'files.dev.lab.example'\nupstream = 'files:80'\n";

/// Reads over TLS, verified by the certificates in the file `$1`, from the site `$2`, with a pause of `$3` seconds after each part and the
/// options `$4`, and says how many bytes there were. The file `/srv/begun` is there from the first of them.
const DOWNLOAD: &str = r#"printf 'GET /large HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$2" |
openssl s_client -quiet -verify_return_error -CAfile "$1" $4 -servername "$2" -connect 127.0.0.1:443 2>/dev/null | {
    total=0
    while number=$(dd bs=65536 count=1 iflag=fullblock 2>/dev/null | wc -c) && [ "$number" -gt 0 ]; do
        : >/srv/begun
        total=$((total + number))
        sleep "$3"
    done
    [ "$total" -gt 30000000 ] && echo all || echo "$total"
}
"#;

fn project() -> Project {
    let project = Project::of_this_repository();
    project.write("inventories/dev.toml", INVENTORY);
    project.write("deploys/caddy.toml", DEPLOY);
    project.write("tasks/acme-root.toml", CAPTURE);
    project.write("templates/services/acme/compose.yaml", ACME);
    project.write("templates/services/acme/conf/Caddyfile", ACME_CADDYFILE);
    project.write("templates/services/files/compose.yaml", FILES);
    project.write("templates/services/files/stack.toml", SITES);
    project.write(".gitignore", "/.homelab/\n");
    project.begin_secrets();
    for arguments in [&["pki", "init"][..], &["pki", "issue", "phone"]] {
        project.homelab_with_key(arguments).expect(0);
    }
    project
}

/// Puts the certificate of a device and its key on the host, and returns the options that use them.
fn device(project: &Project, host: &Host<'_>, name: &str) -> String {
    let file = project.root().join(format!("pki/{name}.toml"));
    let written = std::fs::read_to_string(file).unwrap();
    let certificate = written.split_once("-----BEGIN CERTIFICATE-----").unwrap().1;
    let certificate = certificate.split_once("-----END CERTIFICATE-----").unwrap().0;
    let key = project
        .homelab_with_key(&["secrets", "get", &format!("pki/{name}.toml"), "key"])
        .expect(0)
        .stdout;
    host.inside(&format!(
        "cat >/srv/{name}.crt <<'end'\n-----BEGIN CERTIFICATE-----{certificate}-----END CERTIFICATE-----\nend\ncat >/srv/{name}.key <<'end'\n{key}\nend"
    ));
    format!("-cert /srv/{name}.crt -key /srv/{name}.key")
}

/// Shell text that succeeds once the test's authority has issued the certificate of a site.
fn issued(site: &str) -> String {
    format!(
        "openssl s_client -connect 127.0.0.1:443 -servername {site} -CAfile /opt/stacks/.acme-root -verify_return_error \
         </dev/null 2>&1 | grep -q 'Verification: OK'"
    )
}

/// The root certificate is handed to a machine that runs no Caddy: its programs and its Firefox trust sites of the own network then.
fn another_machine(project: &Project, host: &Host<'_>) {
    let desk = Host::of(project, "dev", "desk");
    let site = format!(
        "openssl s_client -connect {}:443 -servername files.dev.lab.example -verify_return_error \
         -CAfile /etc/ssl/certs/ca-certificates.crt </dev/null 2>&1",
        host.address()
    );
    assert!(!desk.is(&site));
    desk.inside("mkdir -p /etc/firefox/policies && echo '{\"policies\": {\"DisableTelemetry\": true}}' >/etc/firefox/policies/policies.json");
    project.homelab_with_key(&["deploy", "dev", "trust", "--yes"]).expect(0);
    assert!(desk.inside(&site).contains("Verification: OK"));
    assert_eq!(
        desk.inside("tr -d ' \\n' </etc/firefox/policies/policies.json"),
        "{\"policies\":{\"DisableTelemetry\":true,\"Certificates\":{\"Install\":[\"/usr/local/share/ca-certificates/caddy-root.crt\"]}}}"
    );
    let again = project.homelab_with_key(&["deploy", "dev", "trust", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do on 2 hosts"), "{}", again.stdout);
}

fn download(host: &Host<'_>, authority: &str, site: &str, options: &str) -> String {
    host.inside(&format!("sh /srv/download {authority} {site} 0 '{options}'"))
}

#[test]
fn public_sites_get_certificates_by_acme_and_a_reload_interrupts_no_download() {
    let project = project();
    let host = project.up("dev", "box");
    project.homelab_with_key(&["deploy", "dev", "caddy", "--yes"]).expect(0);
    project
        .homelab_with_key(&["deploy", "dev", "caddy", "--dry-run", "--detailed-exitcode"])
        .expect(0);
    host.inside(&format!("cat >/srv/download <<'end'\n{DOWNLOAD}end\n"));
    // The authority issues it in the background.
    host.wait_until(&issued("files.example.test"), PATIENCE);
    assert_eq!(
        download(&host, "/opt/stacks/.acme-root", "files.example.test", ""),
        "all\n"
    );
    // Caddy's own authority, which this host trusts, has issued that of the own network, and not the other one.
    let own = "/etc/ssl/certs/ca-certificates.crt";
    assert_eq!(download(&host, own, "files.dev.lab.example", ""), "all\n");
    assert_eq!(download(&host, own, "files.example.test", ""), "0\n");

    another_machine(&project, &host);

    // Only devices with a certificate get to the third one, and no longer once it is revoked.
    let root = "/opt/stacks/.acme-root";
    host.wait_until(&issued("private.example.test"), PATIENCE);
    let phone = device(&project, &host, "phone");
    assert_eq!(download(&host, root, "private.example.test", ""), "0\n");
    assert_eq!(download(&host, root, "private.example.test", &phone), "all\n");
    project.homelab_with_key(&["pki", "issue", "laptop"]).expect(0);
    let laptop = device(&project, &host, "laptop");
    assert_eq!(
        download(&host, root, "private.example.test", &laptop),
        "all\n",
        "no deploy was needed"
    );
    project.homelab_with_key(&["pki", "revoke", "phone"]).expect(0);
    project.homelab_with_key(&["deploy", "dev", "caddy", "--yes"]).expect(0);
    assert_eq!(download(&host, root, "private.example.test", &phone), "0\n");
    assert_eq!(download(&host, root, "private.example.test", &laptop), "all\n");

    // About ten seconds, in which Caddy gets another site.
    host.inside("rm -f /srv/begun");
    host.start(&format!(
        "sh /srv/download {own} files.dev.lab.example 0.03 '' >/srv/slow 2>&1; echo ended >>/srv/slow"
    ));
    host.wait_until("[ -e /srv/begun ]", PATIENCE);
    let started = "docker inspect -f '{{.Id}} {{.State.StartedAt}}' caddy-caddy-1";
    let before = host.inside(started);
    project.write(
        "templates/services/files/stack.toml",
        format!("{SITES}[[sites]]\nhost = 'more.dev.lab.example'\nupstream = 'files:80'\n"),
    );
    project.homelab_with_key(&["deploy", "dev", "caddy", "--yes"]).expect(0);
    assert!(
        host.is("! grep -q ended /srv/slow"),
        "the download was over too soon to tell anything"
    );
    assert_eq!(download(&host, own, "more.dev.lab.example", ""), "all\n");
    assert_eq!(host.inside(started), before, "Caddy went on running");
    host.wait_until("grep -q ended /srv/slow", PATIENCE);
    assert_eq!(host.inside("cat /srv/slow"), "all\nended\n");
}
