//! Hostile words in every place of a project from which they could reach `ssh`, `sudo`, Docker or a shell of this machine.
//! Each is a mistake at its line; words that people use are none.

use std::fs;
use std::path::Path;

use homelab::project::read;

/// A place of an inventory, in which `@` stands for the word.
struct Place {
    name: &'static str,
    inventory: &'static str,
    /// Words that are right here although they are hostile elsewhere.
    fine: &'static [&'static str],
    /// Words that people use here.
    used: &'static [&'static str],
}

const PLACES: &[Place] = &[
    Place {
        name: "host name",
        inventory: "[hosts.@]\n",
        fine: &[],
        used: &["pi", "pi4.lan", "10.0.0.7", "fd00::1", "my_host"],
    },
    Place {
        name: "address",
        inventory: "[hosts.a]\naddress = @\n",
        fine: &[],
        used: &["pi.lan", "10.0.0.7", "fe80::1%eth0", "alias_of-mine", "bücher.example"],
    },
    Place {
        name: "user",
        inventory: "[hosts.a]\nconnection = { user = @ }\n",
        fine: &["a@b"],
        used: &["root", "jane.doe", "_apt", "DOMAIN\\admin", "me@example.org"],
    },
    Place {
        name: "user of all hosts",
        inventory: "[connection]\nuser = @\n[hosts.a]\n",
        fine: &["a@b"],
        used: &["root"],
    },
    Place {
        name: "become_user",
        inventory: "[hosts.a]\nconnection = { become = \"sudo\", become_user = @ }\n",
        fine: &["a@b"],
        used: &["deploy"],
    },
    Place {
        name: "become_user of all hosts",
        inventory: "[connection]\nbecome = \"doas\"\nbecome_user = @\n[hosts.a]\n",
        fine: &["a@b"],
        used: &["deploy"],
    },
    Place {
        name: "jump",
        inventory: "[hosts.a]\nconnection = { jump = [@] }\n",
        fine: &["a@b", "192.0.2.1:22"],
        used: &[
            "bastion",
            "anna@bastion:2222",
            "10.0.0.1",
            "anna@[fd00::1]:22",
            "fd00::1",
        ],
    },
    Place {
        name: "jump of all hosts",
        inventory: "[connection]\njump = [@]\n[hosts.a]\n",
        fine: &["a@b", "192.0.2.1:22"],
        used: &["bastion"],
    },
    Place {
        name: "second jump",
        inventory: "[hosts.a]\nconnection = { jump = [\"bastion\", @] }\n",
        fine: &["a@b", "192.0.2.1:22"],
        used: &["anna@inner"],
    },
    Place {
        name: "identity_file",
        inventory: "[hosts.a]\nconnection = { identity_file = @ }\n",
        fine: &[
            "a b",
            "a/b",
            "a%h",
            "%r",
            "a,b",
            "a@b",
            "-l",
            "-oProxyCommand=x",
            "../../x",
            "192.0.2.1:22",
            "ssh://a",
        ],
        used: &["keys/id_ed25519", "/home/me/my keys/id", "keys/100%"],
    },
    Place {
        name: "lab host",
        inventory: "[hosts.@]\nlab = true\n",
        fine: &[],
        used: &["alpha", "k3s-cp-1"],
    },
    Place {
        name: "lab image",
        inventory: "[hosts.a]\nlab = { image = @ }\n",
        fine: &[],
        used: &["debian:12", "debian:13"],
    },
    Place {
        name: "lab image of all hosts",
        inventory: "[lab]\nimage = @\n[hosts.a]\nlab = true\n",
        fine: &[],
        used: &["debian:12"],
    },
];

const HOSTILE: &[&str] = &[
    "",
    " ",
    "-l",
    "-oProxyCommand=x",
    "*",
    "?",
    "[a-z]*",
    "~",
    "~root",
    "a b",
    "a\tb",
    "a\nb",
    "a\nProxyCommand x",
    "a\rb",
    "a\0b",
    "a\u{1b}[2Jb",
    "a\u{85}b",
    "a\u{2028}b",
    "a\u{202e}b",
    "a\u{200b}b",
    "a\u{fffd}b",
    "a;x",
    "a|x",
    "a&x",
    "a>x",
    "a<x",
    "a`x`",
    "$(x)",
    "$HOME",
    "${HOME}",
    "a'b",
    "a\"b",
    "a\\",
    "a#b",
    "#a",
    "!a",
    "a!b",
    "a,b",
    "a(b)",
    "a{b,c}",
    "a^b",
    "a*b",
    "a%h",
    "%r",
    "a/b",
    "..",
    "../../x",
    ".",
    "a@b",
    "ssh://a",
    "192.0.2.1:22",
];

/// Other forms of words that only one place reads.
const HOSTILE_JUMPS: &[&str] = &[
    "*@127.0.0.1:1",
    "-l@a",
    "a@-b",
    "a@b@c",
    "@b",
    "a@",
    "a@b:",
    "a@b:0",
    "a@b:+1",
    "a@b:65536",
    "a@b:1:2",
    "a@[fd00::1",
    "a@[b;c]:1",
    "a@[fd00::1]x",
    "DOMAIN\\a@b",
    "fe80::1%eth0",
];

/// The mistakes of a project whose only inventory has `word` in `place`.
fn mistakes(place: &Place, word: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    };
    let inventory = place.inventory.replace('@', &serde_json::Value::from(word).to_string());
    write("inventories/dev.toml", &inventory);
    let told = read(folder.path()).mistakes;
    let place = |mistake: &homelab::error::Diagnostic| match mistake.origin() {
        Some(origin) => {
            let start = origin.line_column();
            let at = inventory.find('"').unwrap_or_default();
            let line = inventory[..at].matches('\n').count() + 1;
            // What TOML itself refuses is told where it is.
            assert!(start.0 >= line, "{mistake}");
            mistake.to_string()
        }
        None => panic!("no place: {mistake}"),
    };
    told.iter().map(place).collect()
}

#[test]
fn no_hostile_word_gets_past_the_check() {
    let mut tried = 0;
    for place in PLACES {
        let further = if place.name.contains("jump") {
            HOSTILE_JUMPS
        } else {
            &[]
        };
        for word in HOSTILE.iter().chain(further).filter(|word| !place.fine.contains(word)) {
            assert_eq!(
                mistakes(place, word).len(),
                1,
                "{}: {word:?}: {:?}",
                place.name,
                mistakes(place, word)
            );
            tried += 1;
        }
        for word in place.used.iter().chain(place.fine) {
            assert_eq!(mistakes(place, word), [""; 0], "{}: {word:?}", place.name);
        }
    }
    assert!(tried > 600, "{tried} tries");
}
