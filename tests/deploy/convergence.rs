//! The main way, on the project that this repository is: review, deploy, drift, repair; beside a second host on which
//! apt alone did its part.

use std::collections::BTreeSet;

use crate::deploy::review::{Review, applied};
use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::snapshot::{self, Listing, LoginPaths, changed};

const ASKED_FOR: &[&str] = &["prometheus-node-exporter", "unattended-upgrades", "apt-listchanges"];
const DROP_IN: &str = "/etc/apt/apt.conf.d/52unattended-upgrades-local";
const PERIODIC: &str = "/etc/apt/apt.conf.d/20auto-upgrades";

/// The package nvme-cli draws these at random on every host.
const RANDOM: &[&str] = &["/etc/nvme/hostid", "/etc/nvme/hostnqn"];

/// What the tool is to do to files by itself, rather than by way of a package.
const FILES: &[&str] = &[PERIODIC, DROP_IN];

const OLD_LISTS: &str = "touch -d '2 hours ago' /var/lib/apt/lists/partial";

#[test]
fn hosts_become_what_the_review_said_and_stay_so() {
    let project = Project::of_this_repository();
    // One host of each release is enough.
    let inventory = std::fs::read_to_string(project.root().join("inventories/dev.toml")).unwrap();
    let (head, rest) = inventory.split_once("[hosts.dns-1-dev]").unwrap();
    let (_, older) = rest.split_once("[hosts.dns-2-dev]").unwrap();
    let (older, _) = older.split_once("[hosts.").unwrap();
    project.write("inventories/dev.toml", format!("{head}[hosts.dns-2-dev]{older}"));
    let host = project.up("dev", "services-dev");
    let older = Host::of(&project, "dev", "dns-2-dev");
    assert_eq!(host.inside("cut -d. -f1 /etc/debian_version").trim(), "13");
    assert_eq!(older.inside("cut -d. -f1 /etc/debian_version").trim(), "12");
    // So that the lists are due to be fetched, whenever the lab's image was made.
    host.inside(OLD_LISTS);
    older.inside(OLD_LISTS);
    let review = the_dry_run_touches_nothing(&project, &host);
    let before = State::of(&host);

    let deployed = project.homelab(&["deploy", "dev", "regular", "--yes", "-v"]).expect(0);
    let after = State::of(&host);
    the_host_is_as_announced(&host, &Review(&review.stdout));
    the_host_is_as_announced(&older, &Review(&review.stdout));
    only_security_updates_install_themselves(&host, "trixie");
    only_security_updates_install_themselves(&older, "bookworm");
    nothing_was_done_that_was_not_announced(&project, &Review(&review.stdout), &before, &after);
    everything_is_accounted_for(&deployed);

    nothing_is_left_to_do(&project, &[&host, &older]);
    drift_is_found_and_mended(&project, &host);
    nothing_is_left_to_do(&project, &[&host, &older]);
    all_origins_can_be_chosen(&project, &[&host, &older]);
}

struct State {
    packages: Listing,
    units: Listing,
    etc: Listing,
}

impl State {
    fn of(host: &Host<'_>) -> Self {
        Self {
            packages: snapshot::packages(host),
            units: snapshot::units(host),
            etc: snapshot::etc(host),
        }
    }
}

/// What a change is in `docker diff`: its path.
fn differing_paths(host: &Host<'_>) -> Listing {
    let lines = host.differences();
    let pair = |line: &String| Some((line.get(2..)?.to_owned(), line.get(..1)?.to_owned()));
    lines.iter().filter_map(pair).collect()
}

fn the_dry_run_touches_nothing(project: &Project, host: &Host<'_>) -> Ran {
    let allowed = LoginPaths::committed();
    let untouched = snapshot::files(host);
    host.on("true");
    let after_login = snapshot::files(host);
    let login: Vec<String> = changed(&untouched, &after_login).into_iter().collect();
    assert!(
        !login.is_empty(),
        "a login leaves traces: the comparison would find none"
    );
    assert_eq!(allowed.unexplained(login), [] as [String; 0], "a plain login");

    let layer = differing_paths(host);
    let mut arguments = vec!["deploy", "dev", "regular", "--limit", "services-dev"];
    arguments.extend(["--dry-run", "--detailed-exitcode", "-v"]);
    let review = project.homelab(&arguments).expect(2);
    let after_dry_run = snapshot::files(host);
    let left = allowed.unexplained(changed(&after_login, &after_dry_run));
    assert_eq!(left, [] as [String; 0], "the dry run");
    let left = allowed.unexplained(changed(&layer, &differing_paths(host)));
    assert_eq!(left, [] as [String; 0], "the dry run, as the engine sees it");

    for package in ASKED_FOR {
        assert!(!host.is(&format!("dpkg-query -W {package}")), "{package} is there");
    }
    review
}

fn the_host_is_as_announced(host: &Host<'_>, review: &Review<'_>) {
    for package in ASKED_FOR {
        let status = host.on(&format!("dpkg-query -W -f '${{db:Status-Abbrev}}' {package}"));
        assert_eq!(status, "ii", "{package}");
    }
    let units = "prometheus-node-exporter.service apt-daily.timer apt-daily-upgrade.timer";
    assert_eq!(
        host.on(&format!("systemctl is-enabled {units}")),
        "enabled\nenabled\nenabled"
    );
    assert_eq!(
        host.on(&format!("systemctl is-active {units}")),
        "active\nactive\nactive"
    );
    let ask =
        r#"exec 3<>/dev/tcp/127.0.0.1/9100; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; grep -c ^node_cpu_seconds <&3"#;
    assert_ne!(host.on(&format!("bash -c '{ask}'")), "0");
    for path in [DROP_IN, PERIODIC] {
        assert_eq!(review.content(path), host.inside(&format!("cat {path}")), "{path}");
        assert_eq!(host.on(&format!("stat -c '%a %U:%G' {path}")), "644 root:root");
    }
    let open = review.resources().into_iter().find(|line| line.starts_with('?'));
    assert_eq!(open, None);
}

/// Each reviewed line has an end, and nothing else is told to have been applied.
fn everything_is_accounted_for(deployed: &Ran) {
    let already_so = "unit prometheus-node-exporter.service";
    let reviewed = Review(&deployed.stdout).resources();
    let mut promised: Vec<String> = reviewed
        .iter()
        .filter_map(|line| Some(line.split_once(' ')?.1.to_owned()))
        .collect();
    promised.retain(|resource| resource != already_so);
    for (number, resource) in applied(&deployed.stdout).iter().enumerate() {
        let resource = resource.replace("package lists of apt", "package lists");
        assert!(
            promised.contains(&resource),
            "{number}: {resource} is not among {promised:?}"
        );
    }
    // Of each host, in the summary. Debian's mirrors may have upgrades on any day.
    let ends = deployed.stdout.lines().filter_map(|line| {
        let counts = line.split_once("converged    ")?.1;
        let number = counts.split_once(" applied, 1 unchanged, 1 passed")?.0;
        number.parse::<usize>().ok()
    });
    let ends: Vec<usize> = ends.collect();
    let upgrades = reviewed.iter().filter(|line| line.starts_with("~ package ")).count();
    assert_eq!(ends.len(), 2, "{}", deployed.stdout);
    assert_eq!(ends.iter().sum::<usize>(), 2 * 6 + upgrades, "{}", deployed.stdout);
}

/// In the system's own words.
fn only_security_updates_install_themselves(host: &Host<'_>, codename: &str) {
    assert_eq!(
        allowed_origins(host),
        format!(
            "origin=Debian,codename={codename},label=Debian-Security, \
             origin=Debian,codename={codename}-security,label=Debian-Security"
        )
    );
    let settings = host.on("apt-config dump | grep -E '^(APT::Periodic|Unattended-Upgrade)'");
    assert!(
        settings.contains(r#"APT::Periodic::Unattended-Upgrade "1";"#),
        "{settings}"
    );
    assert!(
        settings.contains(r#"Unattended-Upgrade::Automatic-Reboot "false";"#),
        "{settings}"
    );
    assert!(!settings.contains("label=Debian\""), "{settings}");
}

fn allowed_origins(host: &Host<'_>) -> String {
    host.on("unattended-upgrade --dry-run -v 2>&1 | sed -n 's/^Allowed origins are: //p'")
}

/// Compares with a host on which apt installed the same packages and nothing else was done.
fn nothing_was_done_that_was_not_announced(project: &Project, review: &Review<'_>, before: &State, after: &State) {
    let installed: BTreeSet<(String, String)> = changed(&before.packages, &after.packages)
        .into_iter()
        .map(|name| {
            let version = after.packages[&name].trim().trim_start_matches("ii ").trim().to_owned();
            (name, version)
        })
        .collect();
    assert_eq!(review.packages(), installed);

    project.write("inventories/control.toml", "[hosts.control]\nlab = true\n");
    let control = project.up("control", "control");
    let bare = State::of(&control);
    let quiet = "DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Options::=--force-confold install";
    control.inside("apt-get -q update && apt-get -y -q --auto-remove upgrade");
    for packages in [&ASKED_FOR[..1], &ASKED_FOR[1..]] {
        control.inside(&format!("{quiet} {}", packages.join(" ")));
    }
    let apt_alone = State::of(&control);
    assert_eq!(apt_alone.packages, after.packages);

    // Where apt alone leads to the same, apt did it. What is left, the tool did.
    let by_the_tool = |before: &Listing, after: &Listing, bare: &Listing, apt_alone: &Listing| -> BTreeSet<String> {
        let by_apt = changed(bare, apt_alone);
        let changed = changed(before, after).into_iter();
        changed
            .filter(|name| !by_apt.contains(name) || after.get(name) != apt_alone.get(name))
            .collect()
    };
    let files = by_the_tool(&before.etc, &after.etc, &bare.etc, &apt_alone.etc);
    let expected: BTreeSet<String> = FILES.iter().map(|path| (*path).to_owned()).collect();
    let is_random = |path: &String| RANDOM.contains(&path.as_str());
    let files: BTreeSet<String> = files.into_iter().filter(|path| !is_random(path)).collect();
    assert_eq!(files, expected);
    assert_eq!(review.named("file"), expected);

    let at_boot = |listing: &Listing| -> Listing {
        let all = listing.iter().filter(|(name, _)| name.ends_with(": at boot"));
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let units = by_the_tool(
        &at_boot(&before.units),
        &at_boot(&after.units),
        &at_boot(&bare.units),
        &at_boot(&apt_alone.units),
    );
    assert!(units.is_empty(), "apt enables them all: {units:?}");
}

fn nothing_is_left_to_do(project: &Project, hosts: &[&Host<'_>]) {
    let before: Vec<Listing> = hosts.iter().map(|host| snapshot::files(host)).collect();
    let again = project.homelab(&["deploy", "dev", "regular", "--yes", "-v"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert!(Review(&again.stdout).resources().is_empty(), "{}", again.stdout);
    let said = format!("{}{}", again.stdout, again.stderr);
    assert_eq!(said.matches("round trips: 1\n").count(), hosts.len(), "{said}");
    project
        .homelab(&["deploy", "dev", "regular", "--dry-run", "--detailed-exitcode"])
        .expect(0);
    for (host, before) in hosts.iter().zip(before) {
        let left = LoginPaths::committed().unexplained(changed(&before, &snapshot::files(host)));
        assert_eq!(left, [] as [String; 0], "a run with nothing to do");
    }
}

/// One word of data.
fn all_origins_can_be_chosen(project: &Project, hosts: &[&Host<'_>]) {
    let data = std::fs::read_to_string(project.root().join("group_data/all.toml")).unwrap();
    project.write(
        "group_data/all.toml",
        data.replace("origins = \"security\"", "origins = \"most\""),
    );
    let refused = project.homelab(&["deploy", "dev", "regular", "--yes"]).expect(3);
    let place = "templates/apt/52unattended-upgrades-local.j2:";
    assert!(refused.stderr.contains(place), "{}", refused.stderr);
    project.write(
        "group_data/all.toml",
        data.replace("origins = \"security\"", "origins = \"all\""),
    );
    let chosen = project.homelab(&["deploy", "dev", "regular", "--yes"]).expect(0);
    let drop_in = format!("file {DROP_IN}");
    assert_eq!(
        applied(&chosen.stdout),
        [drop_in.as_str(), drop_in.as_str()],
        "{}",
        chosen.stdout
    );
    for host in hosts {
        assert_eq!(allowed_origins(host), "origin=*");
    }
}

fn drift_is_found_and_mended(project: &Project, host: &Host<'_>) {
    let before = (State::of(host), snapshot::files(host));
    host.on(&format!("chmod 0666 {PERIODIC}"));
    host.on(&format!(
        r#"sed -i 's/Automatic-Reboot "false"/Automatic-Reboot "true"/' {DROP_IN}"#
    ));
    host.on("systemctl stop apt-daily.timer");
    host.on("DEBIAN_FRONTEND=noninteractive apt-get -y -q purge apt-listchanges");

    // What only it needed goes with the upgrade, and comes back along with it: so apt does it.
    let expected = [
        "- package python3-debconf".to_owned(),
        "+ package apt-listchanges".to_owned(),
        format!("~ file {DROP_IN}"),
        format!("~ file {PERIODIC}"),
        "~ unit apt-daily.timer".to_owned(),
    ];
    let arguments = ["deploy", "dev", "regular", "--dry-run", "--detailed-exitcode"];
    let review = project.homelab(&arguments).expect(2);
    assert_eq!(Review(&review.stdout).resources(), expected, "{}", review.stdout);
    assert!(
        review.stdout.contains("and 1 additional package: python3-debconf 1."),
        "{}",
        review.stdout
    );
    assert!(review.stdout.contains("0666 → 0644"), "{}", review.stdout);
    for side in [
        r#"- Unattended-Upgrade::Automatic-Reboot "true";"#,
        r#"+ Unattended-Upgrade::Automatic-Reboot "false";"#,
    ] {
        assert!(review.stdout.contains(side), "{}", review.stdout);
    }
    assert!(review.stdout.contains("inactive → active"), "{}", review.stdout);

    let mended = project.homelab(&["deploy", "dev", "regular", "--yes"]).expect(0);
    let promised: Vec<&str> = expected.iter().map(|resource| &resource[2..]).collect();
    assert_eq!(applied(&mended.stdout), promised, "{}", mended.stdout);
    let after = State::of(host);
    let all_is_back = BTreeSet::new();
    assert_eq!(changed(&before.0.etc, &after.etc), all_is_back);
    assert_eq!(changed(&before.0.packages, &after.packages), all_is_back);
    assert_eq!(changed(&before.0.units, &after.units), all_is_back);
    // What was as it should be has not been written again.
    let untouched = snapshot::files(host);
    let path = "/etc/default/prometheus-node-exporter";
    assert_eq!(untouched.get(path), before.1.get(path));
}
