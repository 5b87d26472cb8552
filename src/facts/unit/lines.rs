//! The lines of a unit file that systemd ignores, or refuses the whole file for (systemd.syntax(7)).

use super::SUFFIXES;
use crate::error::suggestion;

/// A line that systemd does not understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, as a title.
    pub title: String,
    /// What systemd does about it.
    pub effect: &'static str,
    pub hint: Option<String>,
}

/// The lines of the file of `unit`, or of a drop-in of it, whose form or section is wrong. Which settings there are depends on the
/// host's version of systemd. Nothing of the text itself is told if it `is_secret`.
pub fn misread(unit: &str, text: &str, is_secret: bool) -> Vec<Misread> {
    let sections = sections(unit);
    let mut found = Vec::new();
    let mut within = Within::Nothing;
    let mut section = "";
    let mut is_continued = false;
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        // A comment does not end the line that it stands in.
        if line.starts_with(['#', ';']) || line.is_empty() && !is_continued {
            continue;
        }
        let continues = std::mem::replace(&mut is_continued, goes_on(raw));
        if continues || line.is_empty() {
            continue;
        }
        let mut note = |title: String, effect, hint: Option<String>| {
            found.push(Misread {
                line: index + 1,
                title,
                effect,
                hint,
            });
        };
        if let Some(rest) = line.strip_prefix('[') {
            within = Within::Section;
            section = rest.trim_end_matches(']');
            match rest.strip_suffix(']') {
                None => note(
                    format!("line {} of `{unit}` is not the name of a section", index + 1),
                    "systemd refuses a file with this line",
                    Some("end it with `]`, and write nothing after that".to_owned()),
                ),
                Some(name) if name.starts_with("X-") => within = Within::Ignored,
                Some(name) if sections.iter().any(|one| one == name) => {}
                Some(name) => {
                    within = Within::Ignored;
                    let title = if is_secret {
                        format!("line {} of `{unit}` names an unknown section", index + 1)
                    } else {
                        format!("unknown section `[{name}]` in `{unit}`")
                    };
                    note(
                        title,
                        "systemd ignores it, and all settings in it",
                        suggestion(&format!("[{name}]"), bracketed(&sections).iter().map(String::as_str)),
                    );
                }
            }
        } else if within == Within::Ignored {
            // What it is in is reported, or meant for other programs.
        } else if line.strip_prefix('=').is_some() || !line.contains('=') {
            note(
                format!("line {} of `{unit}` is not a setting", index + 1),
                "systemd ignores it",
                Some("write `Name=value`, a section such as `[Unit]`, or a comment with `#`".to_owned()),
            );
        } else if within == Within::Nothing {
            note(
                format!("line {} of `{unit}` is in no section", index + 1),
                "systemd ignores it",
                Some(format!("write a section above it: {}", listed(&sections))),
            );
        } else if let Some((key, home)) = misplaced(line, section, &sections) {
            note(
                format!("`{key}=` is a setting of `[{home}]`"),
                "systemd ignores it in this section",
                Some(format!("move it below `[{home}]`")),
            );
        }
    }
    found
}

/// Settings that people know, with their section. Other sections may have those of `[Service]` and `[Timer]` too, but for `[Unit]` and
/// `[Install]`, which all units have.
const HOMES: [(&str, &[&str]); 4] = [
    (
        "Unit",
        &[
            "After",
            "Before",
            "BindsTo",
            "Conflicts",
            "Description",
            "Documentation",
            "OnFailure",
            "PartOf",
            "Requires",
            "Requisite",
            "Wants",
        ],
    ),
    ("Install", &["Alias", "Also", "RequiredBy", "WantedBy"]),
    (
        "Service",
        &[
            "Environment",
            "EnvironmentFile",
            "ExecReload",
            "ExecStart",
            "ExecStartPost",
            "ExecStartPre",
            "ExecStop",
            "Group",
            "Restart",
            "RestartSec",
            "RemainAfterExit",
            "Type",
            "User",
            "WorkingDirectory",
        ],
    ),
    ("Timer", &["OnBootSec", "OnCalendar", "OnUnitActiveSec", "Persistent"]),
];

/// The setting of a line that systemd ignores in its section, and the section of the unit where it belongs.
fn misplaced<'a>(line: &'a str, section: &str, sections: &[String]) -> Option<(&'a str, &'static str)> {
    let key = line.split_once('=')?.0.trim_end();
    let (home, _) = HOMES.iter().find(|(_, keys)| keys.contains(&key))?;
    let is_common = |name: &str| matches!(name, "Unit" | "Install");
    let is_there = sections.iter().any(|one| one == home);
    (is_there && *home != section && (is_common(home) || is_common(section))).then_some((key, *home))
}

/// Whether a line ends with a backslash that no other one escapes.
fn goes_on(line: &str) -> bool {
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    backslashes % 2 == 1
}

/// Where a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Section,
    /// In a section that systemd does not read.
    Ignored,
}

/// The sections of a unit of this kind.
fn sections(unit: &str) -> Vec<String> {
    let kind = SUFFIXES.iter().find_map(|suffix| {
        let kind = suffix.strip_prefix('.').filter(|_| unit.ends_with(suffix))?;
        let (first, rest) = kind.split_at_checked(1)?;
        Some(format!("{}{rest}", first.to_uppercase()))
    });
    let [before, after] = ["Unit", "Install"].map(|name| Some(name.to_owned()));
    [before, kind, after].into_iter().flatten().collect()
}

fn bracketed(sections: &[String]) -> Vec<String> {
    sections.iter().map(|name| format!("[{name}]")).collect()
}

fn listed(sections: &[String]) -> String {
    let names: Vec<String> = bracketed(sections).iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(unit: &str, text: &str) -> Vec<(usize, String)> {
        let found = misread(unit, text, false).into_iter();
        found.map(|one| (one.line, one.title)).collect()
    }

    #[test]
    fn what_systemd_reads_is_no_mistake() {
        for (unit, text) in [
            ("a.service", ""),
            (
                "a.service",
                "# x\n[Unit]\nDescription=a\n\n[Service]\nExecStart=/bin/a \\\n# comment\n  b c \\\n\n[Install]\nAlso=\n",
            ),
            ("a@.service", " [Service] \n Type = simple\n;x\n"),
            ("a.timer", "[Timer]\nOnCalendar=daily\n"),
            ("a.automount", "[Automount]\nWhere=/x\n"),
            ("a.service", "[X-Own]\nanything\n[Service]\nX-Own=1\n"),
            ("a.mount", "[Unit]\nAfter=b\n[Mount]\nType=nfs\n[Install]\nWantedBy=b\n"),
            ("a.socket", "[Socket]\nExecStartPre=/bin/a\nUser=a\n"),
        ] {
            assert_eq!(lines(unit, text), [], "{text}");
        }
    }

    #[test]
    fn every_line_that_systemd_does_not_read_is_found() {
        let found = |line: usize, title: &str| (line, title.to_owned());
        assert_eq!(
            lines(
                "a.service",
                "Description=x\n[Unit]\nAfter b\n[Servce]\nExec\n[Timer]\n[Install\n=x\n"
            ),
            [
                found(1, "line 1 of `a.service` is in no section"),
                found(3, "line 3 of `a.service` is not a setting"),
                found(4, "unknown section `[Servce]` in `a.service`"),
                found(6, "unknown section `[Timer]` in `a.service`"),
                found(7, "line 7 of `a.service` is not the name of a section"),
                found(8, "line 8 of `a.service` is not a setting"),
            ]
        );
        let hint = |text: &str| misread("a.service", text, false)[0].hint.clone();
        assert_eq!(hint("[Servce]\n").as_deref(), Some("did you mean `[Service]`?"));
        assert_eq!(
            hint("[Timer]\n").as_deref(),
            Some("available: `[Unit]`, `[Service]`, `[Install]`")
        );
    }

    #[test]
    fn a_setting_in_the_section_of_another_is_found() {
        let found = misread(
            "a.service",
            "[Unit]\nExecStart=/bin/a\n[Service]\nExecStart=/bin/b\nWantedBy = b.target\nAfter=b\n[Install]\nUser=a\n",
            false,
        );
        let told: Vec<_> = found.iter().map(|one| (one.line, one.title.as_str())).collect();
        assert_eq!(
            told,
            [
                (2, "`ExecStart=` is a setting of `[Service]`"),
                (5, "`WantedBy=` is a setting of `[Install]`"),
                (6, "`After=` is a setting of `[Unit]`"),
                (8, "`User=` is a setting of `[Service]`"),
            ]
        );
        assert_eq!(found[0].hint.as_deref(), Some("move it below `[Service]`"));
    }

    #[test]
    fn nothing_of_a_secret_text_is_told() {
        for text in ["[hunter2]\nhunter2=1\n", "hunter2\n", "[hunter2\n", "hunter2=1\n"] {
            let found = misread("a.service", text, true);
            assert!(
                !found.is_empty() && !format!("{found:?}").contains("hunter2"),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_line_that_goes_on_is_one_line() {
        assert_eq!(lines("a.service", "[Service]\nExecStart=/bin/a \\\n  [x \\\n  b\n"), []);
        assert_eq!(lines("a.service", "[Service]\nExecStart=/bin/a \\\n\n[x]\n").len(), 1);
    }
}
