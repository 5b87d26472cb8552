//! Packages in every state that dpkg knows, names as apt reads them, and marks: each deploy reaches what it says in one go.

use std::fmt::Write as _;

use crate::deploy::accounts::both;
use crate::deploy::repository::{Package, install_only, publish};
use crate::support::host::Host;
use crate::support::project::Project;

const BOTH: &str = "[hosts.alpha]\nlab = true\n[hosts.beta]\nlab = { image = 'debian:12' }\n";

const WANTS: [&str; 5] = ["unknown", "install", "hold", "deinstall", "purge"];
const STATES: [&str; 8] = [
    "not-installed",
    "config-files",
    "half-installed",
    "unpacked",
    "half-configured",
    "triggers-awaited",
    "triggers-pending",
    "installed",
];

/// Every status of dpkg. What has no files is never damaged: dpkg forgets that, and apt cannot read it.
fn cells() -> Vec<(&'static str, &'static str, &'static str)> {
    let flags = |state: &str| -> &[&str] {
        if matches!(state, "not-installed" | "config-files") {
            &["ok"]
        } else {
            &["ok", "reinstreq"]
        }
    };
    let of_state = |state: &'static str| flags(state).iter().map(move |flag| (*flag, state));
    let all = STATES.into_iter().flat_map(of_state);
    all.flat_map(|(flag, state)| WANTS.map(|want| (want, flag, state)))
        .collect()
}

fn name((want, flag, state): &(&str, &str, &str)) -> String {
    format!("cell-{want}-{flag}-{state}")
}

fn project() -> Project {
    let project = Project::with_task("[[operation]]\nop = 'apt.packages'\npackages = ['dpkg']\n");
    project.write("inventories/dev.toml", BOTH);
    project.write("deploys/all.toml", "hosts = ['*']\ntasks = ['test/files']\n");
    project
}

fn task(project: &Project, operations: &[(Vec<String>, bool)]) {
    let mut text = String::new();
    for (number, (packages, present)) in operations.iter().enumerate() {
        let _ = write!(
            text,
            "[[operation]]\nop = 'apt.packages'\nname = 'n{number}'\npackages = {packages:?}\npresent = {present}\n"
        );
    }
    project.write("tasks/test/files.toml", text);
}

#[track_caller]
fn deploy(project: &Project) -> String {
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    project
        .homelab(&["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"])
        .expect(0);
    ran.stdout
}

/// Brings dpkg's database into the states, by hand: dpkg itself passes through them too fast.
fn damage(host: &Host<'_>, cells: &[(&str, &str, &str)]) {
    let mut script = String::from("set -e\nexport DEBIAN_FRONTEND=noninteractive\n");
    let names: Vec<String> = cells.iter().map(name).collect();
    script.push_str("for name in $(dpkg-query -W -f '${Package}\\n' 'cell-*' 2>/dev/null); do sed -i \"/^Package: $name\\$/,/^\\$/d\" /var/lib/dpkg/status; done\n");
    let _ = writeln!(
        script,
        "dpkg --force-all -i {} >/dev/null 2>&1",
        names
            .iter()
            .map(|name| format!("/srv/repository/{name}_1_all.deb"))
            .collect::<Vec<_>>()
            .join(" ")
    );
    let gone = |wanted: &str| -> String {
        let of_state = cells.iter().filter(|(_, _, state)| *state == wanted);
        of_state.map(name).collect::<Vec<_>>().join(" ")
    };
    let (purged, removed) = (gone("not-installed"), gone("config-files"));
    if !purged.is_empty() {
        let _ = writeln!(script, "dpkg --purge {purged} >/dev/null");
    }
    if !removed.is_empty() {
        let _ = writeln!(script, "dpkg --remove {removed} >/dev/null");
    }
    script.push_str(
        r#"awk -v RS= -v ORS='\n\n' '
$2 ~ /^cell-/ {
  split($2, part, "-"); want = part[2]; flag = part[3]; state = substr($2, length("cell-" want "-" flag "-") + 1)
  sub(/Status: [^\n]*/, "Status: " want " " flag " " state)
  if (state == "triggers-awaited") sub(/\nVersion:/, "\nTriggers-Awaited: cell-install-ok-triggers-pending&")
  if (state == "triggers-pending") sub(/\nVersion:/, "\nTriggers-Pending: /x&")
  if (state == "unpacked" || state == "half-configured") sub(/\nVersion:/, "\nConfig-Version: 1&")
}
{ print }' /var/lib/dpkg/status >/tmp/status
"#,
    );
    for (want, flag, state) in cells.iter().filter(|(_, _, state)| *state == "not-installed") {
        let name = name(&(want, flag, state));
        let _ = writeln!(
            script,
            "grep -q '^Package: {name}$' /tmp/status || printf 'Package: {name}\\nStatus: {want} {flag} {state}\\nArchitecture: all\\n\\n' >>/tmp/status"
        );
    }
    script.push_str("cp /tmp/status /var/lib/dpkg/status\n");
    host.inside(&script);
}

fn status(host: &Host<'_>, name: &str) -> String {
    host.inside(&format!(
        "dpkg-query -W -f '${{db:Status-Eflag}} ${{db:Status-Status}}' {name} 2>/dev/null || echo ok not-installed"
    ))
}

/// Refused: what is held and would have to change, and what dpkg does not remove.
fn refuses_what_cannot_be_changed(
    project: &Project,
    hosts: &[Host<'_>],
    of: &impl Fn(&str, bool) -> Vec<(&'static str, &'static str, &'static str)>,
) {
    let stuck = of("reinstreq", false);
    let held: Vec<_> = of("ok", true).into_iter().chain(of("reinstreq", true)).collect();
    for host in hosts {
        damage(host, &[stuck.clone(), held.clone()].concat());
    }
    let before: Vec<String> = hosts
        .iter()
        .map(|host| host.inside("cat /var/lib/dpkg/status"))
        .collect();
    let each = |cells: &[(&str, &str, &str)], present: bool| -> Vec<(Vec<String>, bool)> {
        cells.iter().map(|cell| (vec![name(cell)], present)).collect()
    };
    task(project, &each(&stuck, false));
    let refused = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(3);
    for cell in &stuck {
        let line = format!("package `{}` is damaged: dpkg cannot remove it", name(cell));
        assert!(refused.stderr.contains(&line), "{line}: {}", refused.stderr);
    }
    for present in [true, false] {
        let needs_change = |(_, flag, state): &&(&str, &str, &str)| match (present, *flag, *state) {
            (true, "reinstreq", _) | (true, _, "not-installed" | "config-files" | "half-installed") => true,
            (true, ..) | (false, _, "not-installed" | "config-files") => false,
            (false, ..) => true,
        };
        let chosen: Vec<_> = held.iter().filter(needs_change).copied().collect();
        task(project, &each(&chosen, present));
        let refused = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(3);
        for cell in &chosen {
            let line = format!("package `{}` is held", name(cell));
            assert!(refused.stderr.contains(&line), "{line}: {}", refused.stderr);
        }
    }
    for (host, before) in hosts.iter().zip(before) {
        assert_eq!(
            host.inside("cat /var/lib/dpkg/status"),
            before,
            "a refusal changes nothing"
        );
    }
}

#[test]
fn every_status_of_dpkg_is_completed_removed_or_refused() {
    let project = project();
    let hosts = both(&project);
    let cells = cells();
    let names: Vec<String> = cells.iter().map(name).collect();
    // Without configuration, nothing would be left of a removed package.
    let paths: Vec<String> = names.iter().map(|name| format!("/etc/{name}.conf")).collect();
    let conffiles: Vec<_> = paths.iter().map(|path| [(path.as_str(), "x\n")]).collect();
    let packages: Vec<Package<'_>> = names
        .iter()
        .zip(&conffiles)
        .map(|(name, conffiles)| Package {
            name,
            version: "1",
            conffiles,
            ..Package::default()
        })
        .collect();
    for host in &hosts {
        install_only(host, &packages, "");
    }
    let of = |flag: &str, is_held: bool| -> Vec<(&'static str, &'static str, &'static str)> {
        let fits = |(want, of_cell, _): &&(&str, &str, &str)| *of_cell == flag && (*want == "hold") == is_held;
        cells.iter().filter(fits).copied().collect()
    };
    for flag in ["ok", "reinstreq"] {
        // Present: everything but what is held.
        let chosen = of(flag, false);
        for host in &hosts {
            damage(host, &chosen);
        }
        task(&project, &[(chosen.iter().map(name).collect(), true)]);
        deploy(&project);
        for host in &hosts {
            for cell in &chosen {
                assert_eq!(status(host, &name(cell)), "ok installed", "{cell:?}");
            }
        }
    }
    // Absent.
    let chosen = of("ok", false);
    for host in &hosts {
        damage(host, &chosen);
    }
    task(&project, &[(chosen.iter().map(name).collect(), false)]);
    deploy(&project);
    for host in &hosts {
        for cell in &chosen {
            let status = status(host, &name(cell));
            assert!(
                ["ok config-files", "ok not-installed"].contains(&status.trim()),
                "{cell:?}: {status}"
            );
        }
    }
    refuses_what_cannot_be_changed(&project, &hosts, &of);
    // A held package that is only to be configured is completed, and stays held.
    let held: Vec<_> = of("ok", true)
        .into_iter()
        .filter(|(_, _, state)| !matches!(*state, "not-installed" | "config-files" | "half-installed"))
        .collect();
    for host in &hosts {
        damage(host, &held);
    }
    task(&project, &[(held.iter().map(name).collect(), true)]);
    deploy(&project);
    for host in &hosts {
        for cell in &held {
            let status = host.inside(&format!("dpkg-query -W -f '${{Status}}' {}", name(cell)));
            assert_eq!(status, "hold ok installed", "{cell:?}");
        }
    }
}

#[test]
fn versions_virtual_names_and_marks_are_reached_in_one_run() {
    let project = project();
    let hosts = both(&project);
    let package = |name, version| Package {
        name,
        version,
        ..Package::default()
    };
    for host in &hosts {
        let packages = [
            package("lab-one", "1"),
            package("lab-one", "2"),
            package("lab-auto", "1"),
            package("lab-other", "1"),
            Package {
                depends: "lab-dependency",
                ..package("lab-needs", "1")
            },
            package("lab-dependency", "1"),
            Package {
                provides: "lab-virtual, lab-both",
                ..package("lab-provider", "1")
            },
            Package {
                provides: "lab-both",
                ..package("lab-second", "1")
            },
        ];
        publish(host, &packages);
        install_only(host, &[], "lab-one lab-auto && apt-mark auto lab-auto");
    }
    let write = |text: &str| project.write("tasks/test/files.toml", text);
    write(
        "[[operation]]\nop = 'apt.packages'\npackages = ['lab-one=1', 'lab-auto', 'lab-needs', 'lab-virtual', 'lab-other:native']\n\
         [[operation]]\nop = 'apt.packages'\nname = 'dependency'\npackages = ['lab-dependency']\n\
         [[operation]]\nop = 'apt.packages'\nname = 'provided'\npackages = ['lab-virtual']\n",
    );
    let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout;
    for line in [
        "~ package lab-one   2 → 1",
        "~ package lab-auto   automatic → manual",
        "~ package lab-dependency   automatic → manual",
        "+ package lab-provider   1, provides lab-virtual",
        "+ package lab-other:native   1",
    ] {
        assert!(review.contains(line), "{line}: {review}");
    }
    deploy(&project);
    for host in &hosts {
        assert_eq!(host.inside("dpkg-query -W -f '${Version}' lab-one"), "1");
        let manual = host.inside("apt-mark showmanual 'lab-.*'");
        let expected = "lab-auto\nlab-dependency\nlab-needs\nlab-one\nlab-other\nlab-provider\n";
        assert_eq!(manual, expected);
    }
    // Nothing of it goes when apt removes what nothing needs.
    write(
        "[[operation]]\nop = 'apt.packages'\npackages = ['lab-auto']\n\
         [[operation]]\nop = 'apt.packages'\nname = 'removed'\npackages = ['lab-needs']\npresent = false\n\
         [[operation]]\nop = 'apt.packages'\nname = 'kept'\npackages = ['lab-dependency', 'lab-one=1']\n",
    );
    for host in &hosts {
        host.inside("apt-mark auto lab-auto lab-dependency");
    }
    deploy(&project);
    for host in &hosts {
        let there = "dpkg-query -W -f '${Package} ${db:Status-Status}\\n' lab-auto lab-dependency";
        assert_eq!(host.inside(there), "lab-auto installed\nlab-dependency installed\n");
        host.inside("apt-get -q -y purge lab-provider");
    }
    for (name, message) in [
        ("lab-both", "provided by `lab-"),
        ("lab-nothing", "unknown package `lab-nothing`"),
        ("lab-one-", "unknown package `lab-one-`"),
        ("lab-one+", "unknown package `lab-one+`"),
        ("lab.one", "unknown package `lab.one`"),
        ("lab-one=7", "unknown version `7` of package `lab-one`"),
        ("lab-one:arm64", "dpkg --add-architecture arm64"),
    ] {
        write(&format!("[[operation]]\nop = 'apt.packages'\npackages = ['{name}']\n"));
        let refused = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(3);
        assert!(refused.stderr.contains(message), "{name}: {}", refused.stderr);
    }
    for host in &hosts {
        assert_eq!(
            host.inside("dpkg-query -W -f '${db:Status-Status}' lab-one"),
            "installed"
        );
    }
}
