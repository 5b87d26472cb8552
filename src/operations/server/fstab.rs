//! Lines of fstab(5), found by their mount point.

use crate::change::{Command, Outcome, Step, Stop};
use crate::facts::path::mount_field;
use crate::operations::PlanContext;
use crate::operations::files::edited_file::EditedFile;
use crate::operations::files::text::append_line;
use crate::quote::quote;

pub(super) const FSTAB: &str = "/etc/fstab";

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FstabLine {
    pub(super) device: String,
    /// The mount point; `none` for swap.
    pub(super) path: String,
    pub(super) fs_type: String,
    /// `defaults` if there are none.
    pub(super) options: String,
    pub(super) dump: u32,
    pub(super) passno: u32,
}

impl FstabLine {
    /// The entry on a line; `None` for a comment or what is no entry.
    pub(super) fn read(line: &str) -> Option<Self> {
        if line.trim_start().starts_with('#') {
            return None;
        }
        let mut fields = line.split_whitespace();
        let mut text = || fields.next().map(unescaped);
        let (device, path, fs_type) = (text()?, text()?, text()?);
        let options = text().unwrap_or_else(|| "defaults".to_owned());
        let mut number = || fields.next().and_then(|digits| digits.parse().ok()).unwrap_or_default();
        Some(Self {
            device,
            path: match path.trim_end_matches('/') {
                "" => "/".to_owned(),
                path => path.to_owned(),
            },
            fs_type,
            options,
            dump: number(),
            passno: number(),
        })
    }

    fn text(&self) -> String {
        let fields = [&self.device, &self.path, &self.fs_type, &self.options].map(|field| escaped(field));
        format!("{} {} {}", fields.join(" "), self.dump, self.passno)
    }

    /// Shell text after which systemd does not list its unit as failed for ever.
    fn forgotten(&self) -> String {
        let (suffix, place) = if self.path == "none" {
            ("swap", &self.device)
        } else {
            ("mount", &self.path)
        };
        format!(
            "u=$(systemd-escape --path --suffix={suffix} -- {}) && systemctl is-failed --quiet -- \"$u\" && systemctl reset-failed -- \"$u\"\n",
            quote(place)
        )
    }

    /// Whether both are about the same: a mount point, or a swap file.
    fn is_about(&self, other: &Self) -> bool {
        if self.path == "none" {
            return self.device == other.device && self.fs_type == other.fs_type;
        }
        self.path == other.path
    }
}

/// Plans that the table has `line`, or none about the same if it is not `present`. systemd is notified of a change.
///
/// The second value is the line that is there now.
pub(super) fn plan_line(
    context: &PlanContext<'_>,
    argument: &'static str,
    line: &FstabLine,
    present: bool,
) -> Result<(Outcome, Option<FstabLine>), Stop> {
    let file = EditedFile::new(FSTAB, argument);
    let text = file.text(context)?.unwrap_or_default();
    let old = text.lines().filter_map(FstabLine::read).find(|old| line.is_about(old));
    let mut outcome = file.plan(context, |text| edited(text, line, present))?;
    if let Some(last) = outcome.changes_mut().last_mut() {
        // Without systemd there is nothing to tell.
        let script = format!(
            "[ -d /run/systemd/system ] || exit 0\n{}systemctl daemon-reload",
            if present { String::new() } else { line.forgotten() }
        );
        last.steps
            .push(Step::Run(Command::new("systemctl daemon-reload", script)));
    }
    Ok((outcome, old))
}

fn edited(text: &str, line: &FstabLine, present: bool) -> String {
    let mut edited = String::with_capacity(text.len());
    let mut is_placed = !present;
    for piece in text.split_inclusive('\n') {
        match FstabLine::read(piece) {
            Some(old) if line.is_about(&old) => {
                if !is_placed && old == *line {
                    edited.push_str(piece);
                } else if !is_placed {
                    append_line(&mut edited, &line.text());
                }
                is_placed = true;
            }
            _ => edited.push_str(piece),
        }
    }
    if !is_placed {
        append_line(&mut edited, &line.text());
    }
    edited
}

/// A field in which blanks and backslashes are three octal digits.
fn escaped(field: &str) -> String {
    mount_field(field).replace('#', "\\043")
}

fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\043", "#"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, character)| {
            text.replace(code, character)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_about_a_mount_point() {
        let line = FstabLine {
            device: "tmpfs".to_owned(),
            path: "/srv/a b".to_owned(),
            fs_type: "tmpfs".to_owned(),
            options: "size=1m".to_owned(),
            dump: 0,
            passno: 0,
        };
        let own = "tmpfs /srv/a\\040b tmpfs size=1m 0 0\n";
        for (text, expected, removed) in [
            ("", own.to_owned(), ""),
            (
                "# x\n/dev/sda1 / ext4",
                format!("# x\n/dev/sda1 / ext4\n{own}"),
                "# x\n/dev/sda1 / ext4",
            ),
            (
                "tmpfs\t/srv/a\\040b/\ttmpfs   size=1m\n",
                "tmpfs\t/srv/a\\040b/\ttmpfs   size=1m\n".to_owned(),
                "",
            ),
            (
                "x /srv/a\\040b ext4 ro 0 2\na /a b c\nx /srv/a\\040b d\n",
                format!("{own}a /a b c\n"),
                "a /a b c\n",
            ),
        ] {
            assert_eq!(edited(text, &line, true), expected);
            assert_eq!(edited(&expected, &line, true), expected);
            assert_eq!(edited(text, &line, false), removed);
        }
    }

    #[test]
    fn swap_is_found_by_its_file() {
        let swap = |device: &str| FstabLine {
            device: device.to_owned(),
            path: "none".to_owned(),
            fs_type: "swap".to_owned(),
            options: "sw".to_owned(),
            dump: 0,
            passno: 0,
        };
        let both = edited("/dev/sda2 none swap sw 0 0\n", &swap("/swapfile"), true);
        assert_eq!(both, "/dev/sda2 none swap sw 0 0\n/swapfile none swap sw 0 0\n");
        assert_eq!(edited(&both, &swap("/swapfile"), false), "/dev/sda2 none swap sw 0 0\n");
    }
}
