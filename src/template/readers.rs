//! Programs that read words of their command line as text of a language: of a shell, or of their own.

/// Which words a program reads so.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads {
    /// Every word.
    Each,
    /// Every word that is no option, but not the first `skip`, and none behind an option of a letter in `valued`.
    Operands { skip: usize, valued: &'static str },
    /// The first word that is no option, unless an option of a letter in `instead` gives the text.
    First {
        valued: &'static str,
        instead: &'static str,
    },
    /// The value of an option: of one of these letters, or of one of these names.
    Options {
        letters: &'static str,
        names: &'static [&'static str],
    },
    /// The same of an interpreter, for which options end with the name of a file.
    Interpreted {
        letters: &'static str,
        names: &'static [&'static str],
    },
    /// `NAME=value`
    Assigned,
    /// A word that begins with one of these, perhaps behind a letter: settings that are commands.
    Settings(&'static [&'static str]),
}

/// Where the name of the program may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// Where a command begins, also behind `sudo` and its like: the name may also be that of a package.
    First,
    /// Anywhere: what it needs beside its name is clear enough.
    Anywhere,
}

/// A line of the table.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) names: &'static [&'static str],
    pub(super) stands: Stands,
    pub(super) reads: Reads,
    /// Whether a shell reads the text. Otherwise no quotes of a shell protect it.
    pub(super) is_shell: bool,
}

const fn shell(names: &'static [&'static str], stands: Stands, reads: Reads) -> Reader {
    Reader {
        names,
        stands,
        reads,
        is_shell: true,
    }
}

const fn language(names: &'static [&'static str], letters: &'static str, options: &'static [&'static str]) -> Reader {
    Reader {
        names,
        stands: Stands::Anywhere,
        reads: Reads::Interpreted {
            letters,
            names: options,
        },
        is_shell: false,
    }
}

const fn program(names: &'static [&'static str], reads: Reads) -> Reader {
    Reader {
        names,
        stands: Stands::First,
        reads,
        is_shell: false,
    }
}

const fn options(letters: &'static str, names: &'static [&'static str]) -> Reads {
    Reads::Options { letters, names }
}

const fn operands(skip: usize, valued: &'static str) -> Reads {
    Reads::Operands { skip, valued }
}

/// Settings of `ssh` that are commands.
const SSH_SETTINGS: &[&str] = &["ProxyCommand", "LocalCommand", "KnownHostsCommand", "RemoteCommand"];

pub(super) const READERS: &[Reader] = &[
    // Words of the shell itself.
    shell(&["eval"], Stands::First, Reads::Each),
    shell(&["alias"], Stands::First, Reads::Each),
    shell(
        &["trap", ".", "source"],
        Stands::First,
        Reads::First {
            valued: "",
            instead: "lp",
        },
    ),
    program(&["let"], Reads::Each),
    // Programs that start a shell.
    shell(
        &["su", "runuser"],
        Stands::Anywhere,
        options("c", &["--command", "--session-command"]),
    ),
    shell(
        &["flock", "script", "sg"],
        Stands::Anywhere,
        options("c", &["--command"]),
    ),
    shell(&["sg"], Stands::First, operands(1, "")),
    shell(&["env"], Stands::Anywhere, options("S", &["--split-string"])),
    shell(&["ssh", "rsh"], Stands::First, operands(1, "BbcDEeFIiJLlmOopQRSWw")),
    shell(&["autossh"], Stands::First, operands(1, "BbcDEeFIiJLlmMOopQRSWw")),
    shell(&["dbclient"], Stands::First, operands(1, "bcBiJKlLmopRW")),
    shell(
        &["ssh", "sftp", "scp", "sshfs", "autossh"],
        Stands::First,
        Reads::Settings(SSH_SETTINGS),
    ),
    shell(&["sftp", "scp"], Stands::First, options("SD", &[])),
    shell(&["rsync"], Stands::First, options("e", &["--rsh", "--rsync-path"])),
    shell(&["watch"], Stands::First, operands(0, "n")),
    shell(&["parallel", "sem"], Stands::First, operands(0, "")),
    shell(&["hyperfine"], Stands::First, operands(0, "")),
    shell(&["tmux"], Stands::First, operands(1, "cefFnstxyLS")),
    shell(
        &["docker", "podman", "nerdctl"],
        Stands::Anywhere,
        options("", &["--health-cmd"]),
    ),
    shell(
        &["tar", "gtar", "bsdtar"],
        Stands::First,
        options(
            "IF",
            &[
                "--to-command",
                "--checkpoint-action",
                "--use-compress-program",
                "--info-script",
                "--new-volume-script",
                "--rsh-command",
            ],
        ),
    ),
    shell(
        &["git"],
        Stands::First,
        Reads::Settings(&[
            "alias.",
            "core.sshCommand",
            "core.editor",
            "core.pager",
            "core.fsmonitor",
            "core.hooksPath",
            "credential.helper",
            "diff.external",
            "sequence.editor",
            "pager.",
            "filter.",
            "--exec=",
        ]),
    ),
    shell(
        &["systemd-run"],
        Stands::First,
        Reads::Settings(&["Exec", "--property=Exec"]),
    ),
    // Programs with a language of their own.
    program(&["make", "gmake"], Reads::Assigned),
    program(&["make", "gmake"], options("", &["--eval"])),
    language(&["perl"], "eE", &[]),
    language(&["python", "pypy"], "c", &[]),
    language(&["ruby"], "e", &[]),
    language(&["node", "nodejs", "bun"], "ep", &["--eval", "--print"]),
    language(
        &["php"],
        "rBRE",
        &["--run", "--process-begin", "--process-code", "--process-end"],
    ),
    language(&["lua", "luajit", "julia", "Rscript"], "e", &[]),
    language(&["guile", "tclsh", "expect"], "c", &[]),
    program(
        &["awk", "gawk", "mawk", "nawk"],
        Reads::First {
            valued: "Fv",
            instead: "f",
        },
    ),
    program(&["awk", "gawk"], options("e", &["--source"])),
    program(
        &["sed", "gsed", "ssed"],
        Reads::First {
            valued: "l",
            instead: "ef",
        },
    ),
    program(&["sed", "gsed", "ssed"], options("e", &["--expression"])),
];

/// A program that runs the words behind it.
struct Wrapper {
    names: &'static [&'static str],
    /// How many words come before those, besides options.
    before: usize,
    /// Letters and names of options that are followed by a word of their own; without, any option may be.
    valued: Option<(&'static str, &'static [&'static str])>,
}

const fn wrapper(
    names: &'static [&'static str],
    before: usize,
    letters: &'static str,
    options: &'static [&'static str],
) -> Wrapper {
    Wrapper {
        names,
        before,
        valued: Some((letters, options)),
    }
}

/// A program with options of which any may be followed by a word of its own.
const fn unclear(names: &'static [&'static str], before: usize) -> Wrapper {
    Wrapper {
        names,
        before,
        valued: None,
    }
}

const IN_FRONT: &[Wrapper] = &[
    wrapper(
        &["sudo"],
        0,
        "CDghpRrTtUu",
        &[
            "--close-from",
            "--chdir",
            "--group",
            "--host",
            "--prompt",
            "--chroot",
            "--role",
            "--type",
            "--command-timeout",
            "--other-user",
            "--user",
        ],
    ),
    wrapper(&["doas"], 0, "Cu", &[]),
    wrapper(&["sshpass"], 0, "dfPp", &[]),
    wrapper(&["env"], 0, "uC", &["--unset", "--chdir"]),
    wrapper(&["nice"], 0, "n", &["--adjustment"]),
    wrapper(&["ionice"], 0, "cn", &["--class", "--classdata"]),
    wrapper(&["stdbuf"], 0, "ioe", &["--input", "--output", "--error"]),
    wrapper(&["time"], 0, "fo", &["--format", "--output"]),
    wrapper(&["exec"], 0, "a", &[]),
    wrapper(
        &[
            "nohup",
            "setsid",
            "command",
            "builtin",
            "busybox",
            "toybox",
            "eatmydata",
            "chronic",
            "unbuffer",
            "torsocks",
        ],
        0,
        "",
        &[],
    ),
    wrapper(
        &["runuser"],
        0,
        "ugGcsTw",
        &[
            "--user",
            "--group",
            "--supp-group",
            "--command",
            "--session-command",
            "--shell",
        ],
    ),
    wrapper(
        &["xargs"],
        0,
        "adEILnPs",
        &[
            "--arg-file",
            "--delimiter",
            "--max-args",
            "--max-procs",
            "--max-chars",
            "--process-slot-var",
        ],
    ),
    wrapper(&["timeout"], 1, "ks", &["--kill-after", "--signal"]),
    wrapper(&["chroot"], 1, "", &["--userspec", "--groups"]),
    wrapper(&["flock"], 1, "wE", &["--timeout", "--wait", "--conflict-exit-code"]),
    unclear(
        &[
            "systemd-run",
            "setpriv",
            "unshare",
            "nsenter",
            "fakeroot",
            "strace",
            "systemd-inhibit",
            "firejail",
            "pkexec",
        ],
        0,
    ),
    unclear(
        &["taskset", "chrt", "setarch", "faketime", "softlimit", "gosu", "su-exec"],
        1,
    ),
    // `docker exec CONTAINER`, `ip netns exec NAME`
    unclear(
        &["docker", "podman", "nerdctl", "kubectl", "incus", "lxc", "machinectl"],
        2,
    ),
    unclear(&["ip"], 3),
];

/// The name of a program without its folder and version: `python3.13` is `python`.
pub(super) fn program_name(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    let bare = name.trim_end_matches(|one: char| one.is_ascii_digit() || one == '.');
    if bare.is_empty() { name } else { bare }
}

/// The places where the name of the program may stand: behind `docker --context a` it is one of several words.
pub(super) fn beginnings(words: &[Option<&str>]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut left = vec![0];
    while let Some(at) = left.pop() {
        if found.contains(&at) || at >= words.len() {
            continue;
        }
        found.push(at);
        let Some(name) = words[at].map(program_name) else {
            continue;
        };
        let Some(wrapper) = IN_FRONT.iter().find(|wrapper| wrapper.names.contains(&name)) else {
            continue;
        };
        let mut more = wrapper.before;
        let mut is_value = false;
        for (next, word) in words.iter().enumerate().skip(at + 1) {
            match word {
                _ if std::mem::take(&mut is_value) => {}
                Some(option) if option.starts_with('-') => match wrapper.valued {
                    Some((letters, names)) => is_value = takes_next(option, letters, names),
                    None => more += usize::from(!option.contains('=') && *option != "--"),
                },
                Some(setting) if name == "env" && setting.contains('=') => {}
                _ => {
                    left.push(next);
                    if more == 0 {
                        break;
                    }
                    more -= 1;
                }
            }
        }
    }
    found.sort_unstable();
    found
}

/// Whether the value of the option is the next word: `-u anna`, `-nu anna`, but neither `-uanna` nor `--user=anna`.
fn takes_next(option: &str, letters: &str, names: &[&str]) -> bool {
    let valued = option
        .strip_prefix('-')
        .and_then(|rest| rest.find(|one| letters.contains(one)));
    names.contains(&option) || !option.starts_with("--") && valued.is_some_and(|place| place + 2 == option.len())
}

/// The places of the words that the program at `at` reads in this way.
pub(super) fn words_read(reads: Reads, words: &[Option<&str>], at: usize) -> Vec<usize> {
    let rest = at + 1..words.len();
    match reads {
        Reads::Each => rest.collect(),
        Reads::Operands { skip, valued } => operands_of(words, at, valued, skip).into_iter().skip(skip).collect(),
        Reads::First { valued, instead } => {
            let is_instead = |word: Option<&str>| {
                word.is_some_and(|word| instead.chars().any(|letter| is_short(word, letter)) && word != "-")
            };
            if words[rest].iter().copied().any(is_instead) {
                return Vec::new();
            }
            operands_of(words, at, valued, 0).into_iter().take(1).collect()
        }
        Reads::Options { letters, names } => rest.filter(|at| is_value(words, *at, letters, names)).collect(),
        Reads::Interpreted { letters, names } => {
            let is_file =
                |word: Option<&str>| word.is_some_and(|word| !word.starts_with('-') && word.contains(['/', '.']));
            let length = words[rest.clone()]
                .iter()
                .copied()
                .position(is_file)
                .unwrap_or(rest.len());
            // The text itself may look like the name of a file.
            let end = (at + length + 2).min(words.len());
            (at + 1..end)
                .filter(|at| is_value(words, *at, letters, names))
                .collect()
        }
        Reads::Assigned => {
            let is_assigned = |at: &usize| words[*at].is_some_and(|word| word.contains('=') && !word.starts_with('-'));
            rest.filter(is_assigned).collect()
        }
        Reads::Settings(starts) => rest
            .filter(|at| {
                words[*at].is_some_and(|word| {
                    let bare = word
                        .strip_prefix("-o")
                        .or(word.strip_prefix("-c"))
                        .or(word.strip_prefix("-p"));
                    starts
                        .iter()
                        .any(|start| word.starts_with(start) || bare.is_some_and(|bare| bare.starts_with(start)))
                })
            })
            .collect(),
    }
}

/// The places of the words behind `at` that are neither options nor their values. Options end with the first word behind `skip` others.
pub(super) fn operands_of(words: &[Option<&str>], at: usize, valued: &str, skip: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut is_value = false;
    for (next, word) in words.iter().enumerate().skip(at + 1) {
        let is_option = word.is_some_and(|word| word.starts_with('-') && word.len() > 1);
        if is_option && found.len() <= skip {
            let last = word.and_then(|word| word.chars().last());
            is_value = word.is_some_and(|word| is_short_word(word) && word.len() == 2)
                && last.is_some_and(|last| valued.contains(last));
        } else if !std::mem::take(&mut is_value) {
            found.push(next);
        }
    }
    found
}

/// Whether the word at `at` is the value of one of these options.
fn is_value(words: &[Option<&str>], at: usize, letters: &str, names: &[&str]) -> bool {
    let own = words[at].is_some_and(|word| {
        let is_named = word.split_once('=').is_some_and(|(option, _)| is_long(option, names));
        // `-e'text'`: what stands behind the letter is the text, so it must not be letters of options alone.
        let is_attached = letters.chars().any(|letter| {
            word.strip_prefix('-')
                .is_some_and(|rest| rest.len() > 1 && rest.starts_with(letter))
        });
        is_named || is_attached
    });
    let before = at.checked_sub(1).and_then(|before| words[before]);
    own || before.is_some_and(|before| {
        is_long(before, names)
            || letters
                .chars()
                .any(|letter| is_short(before, letter) && before.ends_with(letter))
    })
}

/// Whether it is one of these options, perhaps shortened.
fn is_long(option: &str, names: &[&str]) -> bool {
    option.len() > 4 && names.iter().any(|name| name.starts_with(option))
}

/// Whether it is an option of one letter, or several in one word, with `letter` among them.
pub(super) fn is_short(word: &str, letter: char) -> bool {
    is_short_word(word) && word.contains(letter)
}

fn is_short_word(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    !letters.is_empty() && !letters.starts_with('-') && letters.chars().all(|one| one.is_ascii_alphanumeric())
}
