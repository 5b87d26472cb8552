//! Upgrades that are real: what the dry run says is what dpkg's own log then holds.

use std::collections::BTreeSet;

use crate::deploy::repository::{Package, install_only, publish};
use crate::support::host::Host;
use crate::support::project::Project;
use crate::support::snapshot::{self, LoginPaths, changed};

const UPGRADE: &str = "[[operation]]
op = 'apt.update'
cache_time = '1h'

[[operation]]
op = 'apt.upgrade'
auto_remove = true
";

const REBOOT: &str = "touch /run/reboot-required; echo lab-demo >>/run/reboot-required.pkgs";

fn package<'a>(name: &'a str, version: &'a str, depends: &'a str) -> Package<'a> {
    Package {
        name,
        version,
        depends,
        ..Package::default()
    }
}

/// Two packages, the second of which needs a third.
fn install_old(host: &Host<'_>) {
    let packages = [
        package("lab-demo", "1.0", ""),
        package("lab-demo-extra", "1.0", "lab-demo-lib"),
        package("lab-demo-lib", "1.0", ""),
    ];
    install_only(host, &packages, "lab-demo lab-demo-extra");
}

/// Newer ones, of which the host knows nothing yet. Nothing needs the third any more.
fn publish_new(host: &Host<'_>) {
    let demo = Package {
        postinst: REBOOT,
        ..package("lab-demo", "2.0", "")
    };
    publish(host, &[demo, package("lab-demo-extra", "2.0", "")]);
    make_lists_old(host);
}

fn make_lists_old(host: &Host<'_>) {
    host.inside("touch -d '2 hours ago' /var/lib/apt/lists/partial");
}

/// What a review says of packages, in the words of dpkg's log.
fn announced(told: &str) -> BTreeSet<String> {
    let mut runs = BTreeSet::new();
    for line in told.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["~", "package", name, old, "→", new] => runs.insert(format!("upgrade {name} {old} {new}")),
            ["-", "package", name, old] => runs.insert(format!("remove {name} {old} <none>")),
            ["+", "package", name, new] => runs.insert(format!("install {name} <none> {new}")),
            ["~" | "-" | "+", "package", ..] => panic!("{line}"),
            _ => false,
        };
    }
    runs
}

/// What dpkg did since it was last asked.
fn logged(host: &Host<'_>) -> BTreeSet<String> {
    let begins = r"s/^[^ ]* [^ ]* \(install\|upgrade\|remove\|purge\) \([^: ]*\):[^ ]* /\1 \2 /p";
    let log = host.inside(&format!("sed -n '{begins}' /var/log/dpkg.log && : >/var/log/dpkg.log"));
    log.lines().map(str::to_owned).collect()
}

fn versions(host: &Host<'_>) -> Vec<String> {
    let all = host.inside("dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\n' 'lab-*'");
    // dpkg knows the names of packages that others conflict with, too.
    let there = all.lines().filter(|line| !line.starts_with("un "));
    there.map(str::to_owned).collect()
}

fn set(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// What a dry run of the upgrade announces for a host, on which it leaves everything as it is.
fn looked_ahead(project: &Project, host: &Host<'_>, name: &str) -> BTreeSet<String> {
    host.on("true");
    let before = snapshot::files(host);
    let arguments = [
        "deploy",
        "dev",
        "all",
        "--dry-run",
        "--detailed-exitcode",
        "--limit",
        name,
    ];
    let review = project.homelab(&arguments).expect(2).stdout;
    let left = LoginPaths::committed().unexplained(changed(&before, &snapshot::files(host)));
    assert_eq!(left, [] as [String; 0], "the dry run on {name}");
    assert!(
        !host.is("grep -rq 'Version: 2.0' /var/lib/apt/lists"),
        "{name} knew of the new version before"
    );
    assert!(
        review.contains("   2 h ") && review.contains(" min old, from before a change of apt's sources → refreshed"),
        "{review}"
    );
    assert!(!review.contains("? ") && !review.contains("reboot"), "{review}");
    announced(&review)
}

#[test]
fn an_upgrade_is_what_the_dry_run_said_on_both_releases() {
    let project = Project::of(&[
        (
            "inventories/dev.toml",
            "[hosts.alpha]\nlab = true\n[hosts.beta]\nlab = { image = 'debian:12' }\n",
        ),
        ("deploys/all.toml", "hosts = ['*']\ntasks = ['test/upgrade']\n"),
        ("tasks/test/upgrade.toml", UPGRADE),
    ]);
    let alpha = project.up("dev", "alpha");
    let beta = Host::of(&project, "dev", "beta");
    let hosts = [("alpha", &alpha, "13\n"), ("beta", &beta, "12\n")];
    for (name, host, release) in hosts {
        assert_eq!(host.inside(". /etc/os-release; echo $VERSION_ID"), release);
        install_old(host);
        publish_new(host);
        let expected = [
            "upgrade lab-demo 1.0 2.0",
            "upgrade lab-demo-extra 1.0 2.0",
            "remove lab-demo-lib 1.0 <none>",
        ];
        assert_eq!(looked_ahead(&project, host, name), set(&expected));
    }
    let before = hosts.map(|(_, host, _)| snapshot::packages(host));

    let deployed = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    for ((name, host, _), before) in hosts.into_iter().zip(before) {
        assert_eq!(logged(host), announced(&deployed.stdout), "{name}");
        assert_eq!(versions(host), ["ii lab-demo 2.0", "ii lab-demo-extra 2.0"]);
        let touched = set(&["lab-demo", "lab-demo-extra", "lab-demo-lib"]);
        assert_eq!(changed(&before, &snapshot::packages(host)), touched);
        assert!(
            host.is("test -e /run/reboot-required"),
            "the new version's postinst ran"
        );
    }
    let notice = "alpha, beta: a reboot is required (by lab-demo)\n";
    assert!(deployed.stdout.contains(notice), "{}", deployed.stdout);
    nothing_is_left_to_do(&project, &["alpha", "beta"]);
    assert!(logged(&alpha).is_empty() && logged(&beta).is_empty());
}

fn nothing_is_left_to_do(project: &Project, hosts: &[&str]) {
    let again = project.homelab(&["deploy", "dev", "all", "--yes", "-v"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    for host in hosts {
        let one = format!("{host}: round trips: 1\n");
        assert!(again.stderr.contains(&one), "{}", again.stderr);
    }
    // As long as it is due it is said, also where there is nothing else to say.
    assert!(
        again.stdout.contains("a reboot is required (by lab-demo)"),
        "{}",
        again.stdout
    );
}

/// Whatever dpkg and apt keep of packages and lists, but for when the lists were asked for.
fn state(host: &Host<'_>) -> String {
    host.inside("find /var/lib/dpkg /var/lib/apt/lists -type f ! -name lock -exec sha256sum {} + | sort -k 2")
}

#[test]
fn a_mirror_that_does_not_answer_ends_the_run_in_the_words_of_apt() {
    let project = Project::with_task(UPGRADE);
    let host = project.up("dev", "alpha");
    install_old(&host);
    publish_new(&host);
    let before = state(&host);
    for (mirror, words) in [
        ("http://127.0.0.1:9/debian", "127.0.0.1:9"),
        ("file:/srv/gone", "File not found - /srv/gone/./Packages"),
    ] {
        host.inside(&format!(
            "echo 'deb [trusted=yes] {mirror} ./' >/etc/apt/sources.list.d/repository.list"
        ));
        let arguments = ["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"];
        let review = project.homelab(&arguments).expect(2).stdout;
        let said = review.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("? apt.upgrade known after"), "{review}");
        assert!(said.contains(&format!("E: Failed to fetch {mirror}")), "{review}");
        assert!(said.contains(words), "{review}");

        let failed = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1).stdout;
        let said = failed.split_once("failed to run `apt-get update`").unwrap().1;
        assert!(said.contains(&format!("E: Failed to fetch {mirror}")), "{failed}");
        assert!(said.contains(words) && said.contains("not reached"), "{failed}");
        assert_eq!(state(&host), before);
        assert!(logged(&host).is_empty());
    }
    // A fetch that failed does not make the lists young: the upgrade is not forgotten for an hour.
    publish(&host, &[]);
    let mended = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(logged(&host), announced(&mended.stdout));
    assert_eq!(versions(&host), ["ii lab-demo 2.0", "ii lab-demo-extra 2.0"]);
}

#[test]
fn only_a_full_upgrade_removes_what_is_in_its_way() {
    let project = Project::with_task(UPGRADE);
    let host = project.up("dev", "alpha");
    let old = [package("lab-demo", "1.0", ""), package("lab-rival", "1.0", "")];
    install_only(&host, &old, "lab-demo lab-rival");
    let demo = Package {
        conflicts: "lab-rival",
        ..package("lab-demo", "2.0", "lab-demo-new")
    };
    publish(&host, &[demo, package("lab-demo-new", "2.0", "")]);
    make_lists_old(&host);

    let kept = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(announced(&kept.stdout).is_empty(), "{}", kept.stdout);
    assert_eq!(versions(&host), ["ii lab-demo 1.0", "ii lab-rival 1.0"]);

    project.write("tasks/test/files.toml", format!("{UPGRADE}full = true\n"));
    let arguments = ["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"];
    let review = project.homelab(&arguments).expect(2);
    let expected = set(&[
        "upgrade lab-demo 1.0 2.0",
        "install lab-demo-new <none> 2.0",
        "remove lab-rival 1.0 <none>",
    ]);
    assert_eq!(announced(&review.stdout), expected, "{}", review.stdout);
    let deployed = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(announced(&deployed.stdout), expected);
    assert_eq!(logged(&host), expected);
    assert_eq!(versions(&host), ["ii lab-demo 2.0", "ii lab-demo-new 2.0"]);
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}
