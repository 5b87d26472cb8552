//! `files.block`: write, change or remove a block of lines in a text file.
//!
//! ```toml
//! [[operation]]
//! op = "files.block"
//! path = "/etc/hosts"
//! content = """
//! 10.0.0.2 nas
//! 10.0.0.3 printer
//! """
//! ```
//!
//! Two lines around the block say where it begins and ends, so it is found again whatever is in it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{Mode, check_owners, check_path, check_validate};
use super::text::{WhenAbsent, expression, line_break, needs, plan_edit, split_end};
use super::whole_file::{FileWish, WishedContent};
use crate::change::{Outcome, ResourceKind, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::conduct::RunsCommands;
use crate::operations::{Define, Demand, Operation, PlanContext};
use crate::secret::World;
use crate::value::Text;

/// Parameters of `files.block`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Block {
    /// Absolute path on the host.
    path: String,
    /// The lines of the block. Needed unless `present = false`.
    content: Option<Text>,
    /// The line before and after the block: `{mark}` becomes `BEGIN` and `END`. Blocks of one file need markers of their own. By
    /// default `# {mark} homelab`.
    marker: Option<String>,
    /// Regular expression for a line: a new block is added after the last one that matches. By default at the end of the file.
    after: Option<String>,
    /// Regular expression for a line: a new block is added before the first one that matches.
    before: Option<String>,
    /// `true` creates the file if there is none.
    #[serde(default)]
    create: bool,
    /// `false` removes the block and its markers.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// User who owns the file. By default the owner is kept; a new file belongs to `root`.
    user: Option<String>,
    /// Group that the file belongs to. By default the group is kept; a new file gets `root`.
    group: Option<String>,
    /// Permissions of the file. By default they are kept; a new file gets `"0644"`.
    mode: Option<Mode>,
    /// Command of the host, as a list of words, that must accept the new file before it replaces the old one, such as
    /// `["nginx", "-t"]`; `{path}` stands for the path of the new file. It is tried before the review, where nothing that it
    /// writes is kept.
    validate: Option<Vec<String>>,
    /// `true` keeps the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: bool,
}

impl Define for Block {
    const NAME: &'static str = "files.block";
    const SUMMARY: &'static str = "Write, change or remove a block of lines in a text file";
    const MAIN_ARGUMENT: &'static str = "path";
    const TOLD_APART_BY: &'static [&'static str] = &["marker"];
    const RUNS: RunsCommands = RunsCommands::Validate;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.block"
path = "/etc/hosts"
content = """
10.0.0.2 nas
10.0.0.3 printer
"""
"#;
}

const DEFAULT_MARKER: &str = "# {mark} homelab";
const MARK: &str = "{mark}";
const OWN_MARKERS: &str = "give each block of a file its own `marker`, such as \"# {mark} nas\"";

/// The lines around the block.
struct Markers {
    begin: String,
    end: String,
}

impl Operation for Block {
    fn needs(&self) -> Vec<FactKey> {
        needs(&self.path)
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.path.clone()))]
    }

    /// Two blocks with the same markers are one block.
    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let lines = self.content.as_ref().filter(|_| self.present);
        let value = lines.map_or_else(
            || Text::open("absent".to_owned()),
            |lines| lines.text(|lines| format!("lines {}", lines.trim_end())),
        );
        let property = format!("block {}", self.marker.as_deref().unwrap_or(DEFAULT_MARKER));
        vec![Demand::of_text(ResourceKind::File, &self.path, property, &value).hint(OWN_MARKERS)]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "path", &self.path)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        check_validate(context, self.validate.as_deref())?;
        let markers = self.markers(context)?;
        let lines = self.lines(context, &markers, World::Real)?.into_iter();
        let own_lines = [&*markers.begin, &*markers.end].into_iter().chain(lines);
        let wish = FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            validate: self.validate.clone(),
            backup: self.backup,
            own_lines: Some(own_lines.map(str::to_owned).collect()),
            ..FileWish::new(&self.path, "path", WishedContent::Ready(Content::new([])))
        };
        let place = self.place(context)?;
        let has_secret = self.content.as_ref().is_some_and(Text::is_secret);
        let when_absent = WhenAbsent::of(self.present, self.create);
        plan_edit(context, wish, when_absent, has_secret, |text, world| {
            let lines = self.lines(context, &markers, world)?;
            self.edited(context, text, &markers, &lines, place.as_ref())
        })
    }
}

/// Where a new block is added.
enum Place {
    After(regex::Regex),
    Before(regex::Regex),
}

impl Block {
    fn markers(&self, context: &PlanContext<'_>) -> Result<Markers, Stop> {
        let marker = self.marker.as_deref().unwrap_or(DEFAULT_MARKER);
        let refused = |label| {
            let title = format!("`{}` is not a valid marker", marker.replace('\n', " "));
            Err(context
                .refuse("marker", title, label)
                .hint("write a comment of the file's language, such as \"; {mark} homelab\""))
        };
        if !marker.contains(MARK) {
            return refused("must contain `{mark}`");
        }
        if marker.contains(['\n', '\r']) {
            return refused("must be one line");
        }
        Ok(Markers {
            begin: marker.replace(MARK, "BEGIN"),
            end: marker.replace(MARK, "END"),
        })
    }

    /// The lines of the block, without line breaks.
    fn lines(&self, context: &PlanContext<'_>, markers: &Markers, world: World) -> Result<Vec<&str>, Stop> {
        let Some(content) = self.content.as_ref().filter(|_| self.present) else {
            if !self.present {
                return Ok(Vec::new());
            }
            return Err(context
                .refuse("path", "missing `content`", "this block has no lines")
                .hint("add `content = \"…\"`, or `present = false` to remove the block"));
        };
        let lines: Vec<&str> = content.in_world(world).lines().collect();
        if let Some(line) = lines
            .iter()
            .map(|line| split_end(line).0)
            .find(|line| *line == markers.begin || *line == markers.end)
        {
            let title = format!("`content` contains the marker `{line}`");
            return Err(context
                .refuse("content", title, "the block would end there")
                .hint("remove this line: homelab adds the markers, or choose another `marker`"));
        }
        Ok(lines)
    }

    fn place(&self, context: &PlanContext<'_>) -> Result<Option<Place>, Stop> {
        Ok(match (&self.after, &self.before) {
            (None, None) => None,
            (Some(after), None) => Some(Place::After(expression(context, "after", after)?)),
            (None, Some(before)) => Some(Place::Before(expression(context, "before", before)?)),
            (Some(_), Some(_)) => {
                return Err(context
                    .refuse(
                        "before",
                        "`after` and `before` cannot be used together",
                        "used together with `after`",
                    )
                    .hint("remove one of them"));
            }
        })
    }

    fn edited(
        &self,
        context: &PlanContext<'_>,
        text: &str,
        markers: &Markers,
        lines: &[&str],
        place: Option<&Place>,
    ) -> Result<String, Stop> {
        let pieces: Vec<&str> = text.split_inclusive('\n').collect();
        let found = self.found(context, &pieces, markers)?;
        if !self.present {
            return Ok(match found {
                None => text.to_owned(),
                Some((begin, end)) => [&pieces[..begin], &pieces[end + 1..]].concat().concat(),
            });
        }
        let (before, after) = match found {
            Some((begin, end)) => (&pieces[..begin], &pieces[end + 1..]),
            None => pieces.split_at(self.position(context, &pieces, place)?),
        };
        let content = self.content.as_ref().map_or("", |content| content.expose());
        let line_break = line_break(if text.is_empty() { content } else { text });
        let mut edited = before.concat();
        if !edited.is_empty() && !edited.ends_with('\n') {
            edited.push_str(line_break);
        }
        let block = [markers.begin.as_str()].into_iter();
        for line in block.chain(lines.iter().copied()).chain([markers.end.as_str()]) {
            edited.push_str(line);
            edited.push_str(line_break);
        }
        // A last line without a line break stays one, so that nothing but the block changes.
        if after.is_empty() && found.is_some_and(|(_, end)| !pieces[end].ends_with('\n')) {
            edited.truncate(edited.len() - line_break.len());
        }
        edited.push_str(&after.concat());
        Ok(edited)
    }

    /// The lines of the two markers.
    fn found(
        &self,
        context: &PlanContext<'_>,
        pieces: &[&str],
        markers: &Markers,
    ) -> Result<Option<(usize, usize)>, Stop> {
        let numbers = |marker: &str| -> Vec<usize> {
            let lines = pieces.iter().enumerate();
            lines
                .filter(|(_, piece)| split_end(piece).0 == marker)
                .map(|(number, _)| number)
                .collect()
        };
        match (numbers(&markers.begin).as_slice(), numbers(&markers.end).as_slice()) {
            ([], []) => Ok(None),
            ([begin], [end]) if begin < end => Ok(Some((*begin, *end))),
            (begins, ends) => {
                let title = format!("the markers of the block in `{}` do not pair", self.path);
                let at = |numbers: &[usize]| match numbers {
                    [] => "missing".to_owned(),
                    [number] => format!("in line {}", number + 1),
                    several => {
                        let several: Vec<String> = several.iter().map(|number| (number + 1).to_string()).collect();
                        format!("in lines {}", several.join(", "))
                    }
                };
                let label = format!(
                    "`{}` is {}, `{}` is {}",
                    markers.begin,
                    at(begins),
                    markers.end,
                    at(ends)
                );
                Err(context
                    .refuse("path", title, label)
                    .hint("repair the file on the host: it must have each of the two lines once, or neither"))
            }
        }
    }

    /// Before which line a new block is added.
    fn position(&self, context: &PlanContext<'_>, pieces: &[&str], place: Option<&Place>) -> Result<usize, Stop> {
        let (argument, position) = match place {
            None => return Ok(pieces.len()),
            // A new file has no line to stand beside.
            Some(_) if pieces.is_empty() && self.create => return Ok(0),
            Some(Place::After(expression)) => {
                let last = pieces.iter().rposition(|piece| expression.is_match(split_end(piece).0));
                ("after", last.map(|last| last + 1))
            }
            Some(Place::Before(expression)) => {
                let first = pieces.iter().position(|piece| expression.is_match(split_end(piece).0));
                ("before", first)
            }
        };
        position.ok_or_else(|| {
            let title = format!("no line of `{}` matches `{argument}`", self.path);
            context
                .refuse(argument, title, "so the block has no place")
                .hint(format!(
                    "correct the expression, or remove `{argument}` to add the block at the end"
                ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Step;
    use crate::operations::testing::{Bench, change, refusal, written};

    fn edit(parameters: &str, text: &str) -> Option<String> {
        written(Bench::on_file::<Block>(parameters, text).plan())
    }

    #[test]
    fn a_block_is_added_changed_and_removed_and_the_rest_stays() {
        const B: &str = "# BEGIN homelab\n";
        const E: &str = "# END homelab\n";
        let content = "content = \"x\\ny\\n\"";
        let cases: Vec<(&str, String, Option<String>)> = vec![
            (content, String::new(), Some(format!("{B}x\ny\n{E}"))),
            (content, "a\n".to_owned(), Some(format!("a\n{B}x\ny\n{E}"))),
            (content, "a".to_owned(), Some(format!("a\n{B}x\ny\n{E}"))),
            (content, format!("a\n{B}x\ny\n{E}b"), None),
            ("content = \"x\\ny\"", format!("a\n{B}x\ny\n{E}b"), None),
            (
                content,
                format!("a\n{B}old\n{E}b\n"),
                Some(format!("a\n{B}x\ny\n{E}b\n")),
            ),
            (content, format!("{B}x\ny\n# END homelab"), None),
            (
                content,
                format!("{B}x\n# END homelab"),
                Some(format!("{B}x\ny\n# END homelab")),
            ),
            ("content = ''", format!("{B}x\n{E}"), Some(format!("{B}{E}"))),
            (
                "content = \"x\"\nafter = '^a'",
                "a1\na2\nb\n".to_owned(),
                Some(format!("a1\na2\n{B}x\n{E}b\n")),
            ),
            (
                "content = \"x\"\nafter = '^b'",
                "a\nb".to_owned(),
                Some(format!("a\nb\n{B}x\n{E}")),
            ),
            (
                "content = \"x\"\nbefore = '^a'",
                "b\na1\na2\n".to_owned(),
                Some(format!("b\n{B}x\n{E}a1\na2\n")),
            ),
            // It stays where it is.
            ("content = \"x\"\nbefore = '^a'", format!("a\n{B}x\n{E}"), None),
            (
                content,
                "a\r\nb\r\n".to_owned(),
                Some("a\r\nb\r\n# BEGIN homelab\r\nx\r\ny\r\n# END homelab\r\n".to_owned()),
            ),
            (
                "content = \"x\"\nmarker = '; {mark}'",
                "; BEGIN\nx\n; END\n".to_owned(),
                None,
            ),
            ("present = false", format!("a\n{B}x\n{E}b\n"), Some("a\nb\n".to_owned())),
            ("present = false", "a\n".to_owned(), None),
        ];
        for (parameters, text, expected) in cases {
            let once = edit(parameters, &text);
            assert_eq!(once, expected, "{parameters} on {text:?}");
            if let Some(once) = once {
                assert_eq!(edit(parameters, &once), None, "again: {parameters} on {text:?}");
            }
        }
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        let refused = |parameters: &str, text: &str| {
            let bench = Bench::new::<Block>(&format!("path = '/f'\n{parameters}"));
            refusal(bench.directory("/").file_with_content("/f", text).plan()).title
        };
        let pairs = "the markers of the block in `/f` do not pair";
        for text in [
            "# BEGIN homelab\n",
            "# END homelab\n",
            "# END homelab\n# BEGIN homelab\n",
            "# BEGIN homelab\n# BEGIN homelab\n# END homelab\n",
        ] {
            assert_eq!(refused("content = 'x'", text), pairs, "{text}");
            assert_eq!(refused("present = false", text), pairs, "{text}");
        }
        assert_eq!(refused("", ""), "missing `content`");
        assert_eq!(
            refused("content = 'x'\nmarker = '# mine'", ""),
            "`# mine` is not a valid marker"
        );
        assert_eq!(
            refused("content = '# END homelab'", ""),
            "`content` contains the marker `# END homelab`"
        );
        for content in [
            "x\\n# END homelab\\r",
            "# BEGIN homelab\\r\\r\\nx",
            "# END homelab\\r\\n",
        ] {
            let title = refused(&format!("content = \"{content}\""), "");
            assert!(title.starts_with("`content` contains the marker"), "{content}: {title}");
        }
        assert_eq!(
            refused("content = 'x'\nafter = '^z'", "a\n"),
            "no line of `/f` matches `after`"
        );
        assert_eq!(
            refused("content = 'x'\nafter = '^z'\nbefore = 'b'", "a\n"),
            "`after` and `before` cannot be used together"
        );
    }

    #[test]
    fn a_new_file_is_the_block_alone() {
        let text = "path = '/f'\ncontent = 'x'\nafter = '^a'\ncreate = true\nmode = '0600'";
        let change = change(Bench::new::<Block>(text).directory("/").absent("/f").plan());
        assert!(matches!(&change.steps[..], [Step::WriteFile(file)]
            if file.content == Content::new(*b"# BEGIN homelab\nx\n# END homelab\n") && file.attributes.mode == 0o600));
        let absent = Bench::new::<Block>("path = '/f'\npresent = false")
            .directory("/")
            .absent("/f");
        assert_eq!(absent.plan(), Ok(Outcome::Unchanged));
    }
}
