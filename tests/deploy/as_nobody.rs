//! What apt would do, asked as a user who can write nothing: the same answer as root's, or root is asked.

use std::collections::BTreeSet;

use homelab::facts::{AptVerb, FactKey, Installation, questions};

use crate::deploy::repository::{Package, fetch_lists, install_only, publish};
use crate::support::host::Host;
use crate::support::project::Project;
use crate::support::snapshot::{self, LoginPaths};

const OLD: Package<'_> = Package {
    name: "lab-one",
    version: "1",
    depends: "",
    conflicts: "",
    provides: "",
    postinst: "",
    conffiles: &[],
};

/// What is asked of apt, as the tool asks it.
fn script(verb: AptVerb, packages: &[&str]) -> String {
    let wish = Installation {
        verb,
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        recommends: true,
        auto_remove: true,
        refreshed: false,
        without: Box::default(),
        manual: Box::default(),
        deb: None,
    };
    let keys = BTreeSet::from([FactKey::Installation(wish)]);
    questions(&keys)[0].probe().text().to_owned()
}

/// The answers to all questions; and whether apt was asked as `nobody`. A stand-in for setpriv keeps what it is given.
fn answers(host: &Host<'_>) -> (Vec<String>, bool) {
    host.inside("rm -f /tmp/asked");
    let wishes: [(AptVerb, &[&str]); 5] = [
        (AptVerb::Upgrade, &[]),
        (AptVerb::FullUpgrade, &[]),
        (AptVerb::Install, &["lab-two"]),
        (AptVerb::Install, &["lab-none"]),
        (AptVerb::Remove, &["lab-one"]),
    ];
    let answers = wishes.map(|(verb, packages)| host.inside(&script(verb, packages)));
    (answers.to_vec(), host.is("grep -q apt-get /tmp/asked"))
}

/// Asks with setpriv and without it; the answers, which must be the same, and whether apt was asked as `nobody`.
#[track_caller]
fn agreed(host: &Host<'_>) -> (String, bool) {
    let before = snapshot::files(host);
    let (with, as_nobody) = answers(host);
    host.inside("mv /usr/bin/setpriv /usr/bin/setpriv.away");
    let (without, is_asked) = answers(host);
    host.inside("mv /usr/bin/setpriv.away /usr/bin/setpriv");
    assert!(!is_asked, "the stand-in is not what is asked");
    assert!(with == without, "with: {with:#?}\nwithout: {without:#?}");
    let after = snapshot::files(host);
    let own = ["/tmp", "/tmp/asked", "/usr/bin", "/usr/bin/setpriv"];
    let mut changed = LoginPaths::committed().unexplained(snapshot::changed(&before, &after));
    changed.retain(|path| !own.contains(&path.as_str()));
    assert!(changed.is_empty(), "asking changed {changed:?}");
    (with.concat(), as_nobody)
}

#[test]
fn the_answer_is_the_same_as_roots() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    install_only(&host, &[OLD], "lab-one");
    host.inside(
        "mv /usr/bin/setpriv /usr/bin/setpriv.real && printf '#!/bin/sh\\necho \"$*\" >>/tmp/asked\\nexec setpriv.real \"$@\"\\n' \
         >/usr/bin/setpriv && chmod 755 /usr/bin/setpriv && apt-get check",
    );
    let (said, as_nobody) = agreed(&host);
    assert!(as_nobody, "nobody was not asked");
    assert!(!said.contains("Inst "), "{said}");

    publish(
        &host,
        &[
            Package { version: "2", ..OLD },
            Package {
                name: "lab-two",
                depends: "lab-one (>= 2)",
                ..OLD
            },
        ],
    );
    fetch_lists(&host);
    let (said, as_nobody) = agreed(&host);
    assert!(as_nobody && said.contains("Inst lab-one [1] (2 "), "{said}");
    assert!(said.contains("Inst lab-two (1 "), "{said}");
    assert!(!said.contains("root privileges"), "{said}");

    host.inside("apt-mark hold lab-one");
    let (said, as_nobody) = agreed(&host);
    assert!(as_nobody && !said.contains("Inst lab-one"), "{said}");
    host.inside("apt-mark unhold lab-one");

    // What only root can read decides: root is asked.
    let pin = "printf 'Package: lab-one\\nPin: version 1\\nPin-Priority: 1001\\n' >/etc/apt/preferences.d/pin";
    host.inside(&format!("{pin} && chmod 600 /etc/apt/preferences.d/pin"));
    let (said, as_nobody) = agreed(&host);
    assert!(!as_nobody && !said.contains("Inst lab-one"), "{said}");
    host.inside("chmod 644 /etc/apt/preferences.d/pin");
    let (said, as_nobody) = agreed(&host);
    assert!(as_nobody && !said.contains("Inst lab-one"), "{said}");
    host.inside("rm /etc/apt/preferences.d/pin; chmod 600 /var/lib/apt/lists/*Packages*");
    let (said, as_nobody) = agreed(&host);
    assert!(!as_nobody && said.contains("Inst lab-one [1] (2 "), "{said}");
    host.inside("chmod 644 /var/lib/apt/lists/*Packages*; echo 'Dir { State { status \"/dev/null\"; }; };' >/etc/apt/apt.conf.d/99moved");
    assert!(!agreed(&host).1);
    host.inside("rm /etc/apt/apt.conf.d/99moved; rm /var/cache/apt/pkgcache.bin");
    assert!(!agreed(&host).1);
}
