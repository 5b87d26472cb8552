//! What a shell makes of the places of a script: quotes that are open, comments, here-documents, and the words of the command.

use std::collections::VecDeque;

use crate::template::input::{reads_input, writes_words};
use crate::template::script::{ScriptWord, script_words};

/// Stands for what a template writes. No text of a project has it.
const VALUE: char = '\0';

/// Words that stand before a command.
const RESERVED: &[&str] = &["if", "then", "elif", "else", "while", "until", "do", "!", "{", "time"];

/// The text of a script, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    open: Vec<(Quote, Command)>,
    /// The simple command that is being read.
    command: Command,
    before: Option<char>,
    is_escaped: bool,
    is_comment: bool,
    /// The here-documents that begin with the next line, or have begun.
    documents: VecDeque<Document>,
    /// The line of the here-document that is being read.
    line: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    Single,
    /// `$'…'`
    Escaping,
    Double,
    /// `$( … )`, also in double quotes.
    Command,
    /// `( … )`, which is no part of a word.
    Group,
    Arithmetic,
    Backtick,
}

#[derive(Clone, Debug, Default)]
struct Command {
    words: Vec<String>,
    word: Option<String>,
    next: Next,
}

/// What the word is that is being read, or comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Word,
    /// Behind `<` and `>`.
    Target,
    /// Behind `<<`, and behind `<<-`.
    Delimiter { is_indented: bool },
    /// Behind `<<<`.
    Input,
}

#[derive(Clone, Debug)]
struct Document {
    delimiter: String,
    is_indented: bool,
}

/// A place where a quoted word is not one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Quotes,
    /// Behind a backslash.
    Escaped,
    Backquotes,
    Document,
    Arithmetic,
}

impl Place {
    /// A title and a hint.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Quotes => (
                "a quoted value between quotes",
                "remove the quotes around it: `| quote` adds its own",
            ),
            Self::Escaped => (
                "a quoted value behind a backslash",
                "remove the backslash: it takes the first quote away",
            ),
            Self::Backquotes => (
                "a quoted value in backquotes",
                "write `$(…)` in place of them: a backquote in the value ends the command",
            ),
            Self::Document => (
                "a quoted value in a here-document",
                "write the text with `files.put`, or hand it over with `printf %s`",
            ),
            Self::Arithmetic => (
                "a quoted value in arithmetic",
                "write `| int` in place of `| quote`: where a shell calculates, as in `$((…))` and `[[ … -eq … ]]`, it runs commands, also between quotes",
            ),
        }
    }
}

impl Command {
    fn push(&mut self, character: char) {
        self.word.get_or_insert_default().push(character);
    }

    /// The word ends here. The delimiter of a here-document, if it is one.
    fn end_word(&mut self) -> Option<Document> {
        let word = self.word.take()?;
        match std::mem::take(&mut self.next) {
            Next::Delimiter { is_indented } => {
                return Some(Document {
                    delimiter: word,
                    is_indented,
                });
            }
            Next::Target | Next::Input => {}
            Next::Word if self.words.is_empty() && (RESERVED.contains(&&*word) || is_assignment(&word)) => {}
            Next::Word => self.words.push(word),
        }
        None
    }
}

/// Operators of `[[ … ]]` that compare numbers.
const COMPARISONS: &[&str] = &["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
}

/// Whether a text ends in `${NAME[`, `${NAME:`, or an open `$[`.
fn is_subscript(text: &str) -> bool {
    let of_variable = text.rsplit_once("${").is_some_and(|(_, open)| {
        let name = open.trim_start_matches(['#', '!']).strip_suffix(['[', ':']);
        name.is_some_and(is_name)
    });
    of_variable || text.rsplit_once("$[").is_some_and(|(_, open)| !open.contains(']'))
}

/// `NAME=value` in front of a command.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(is_name)
}

impl Script {
    /// Reads on in the text.
    pub(super) fn read(&mut self, text: &str) {
        for character in text.chars() {
            if !self.in_document(character) {
                self.one(character);
            }
            self.before = Some(character);
        }
    }

    /// Takes a character of a here-document; false if none is open.
    fn in_document(&mut self, character: char) -> bool {
        let (Some(line), Some(document)) = (&mut self.line, self.documents.front()) else {
            return false;
        };
        if character != '\n' {
            line.push(character);
            return true;
        }
        let read = std::mem::take(line);
        let read = if document.is_indented {
            read.trim_start_matches('\t')
        } else {
            &read
        };
        if read == document.delimiter {
            self.documents.pop_front();
        }
        if self.documents.is_empty() {
            self.line = None;
        }
        true
    }

    fn one(&mut self, character: char) {
        if self.is_comment {
            if character == '\n' {
                self.is_comment = false;
                self.end_line();
            }
            return;
        }
        let open = self.open.last().map(|(quote, _)| *quote);
        if std::mem::take(&mut self.is_escaped) {
            // A line that goes on.
            if character != '\n' {
                self.command.push(character);
            }
            return;
        }
        match (open, character) {
            (Some(Quote::Single | Quote::Escaping), '\'') | (Some(Quote::Double), '"') => {
                self.open.pop();
            }
            (Some(Quote::Single), other) => self.command.push(other),
            (_, '\\') => self.is_escaped = true,
            (Some(Quote::Escaping), other) => self.command.push(other),
            (Some(Quote::Backtick), '`') | (Some(Quote::Command | Quote::Group | Quote::Arithmetic), ')') => {
                self.close();
            }
            (_, '`') => self.enter(Quote::Backtick),
            (Some(Quote::Arithmetic), '(') => self.enter(Quote::Arithmetic),
            (_, '(') if self.before == Some('$') => self.enter(Quote::Command),
            (Some(Quote::Double), other) => self.command.push(other),
            (_, '(') if self.before == Some('(') && self.command.is_new() => self.enter(Quote::Arithmetic),
            (_, '(') if matches!(self.before, Some('<' | '>')) => self.enter(Quote::Command),
            (_, '(') => self.enter(Quote::Group),
            (_, '\'') => {
                let is_escaping = self.before == Some('$');
                self.quote(if is_escaping { Quote::Escaping } else { Quote::Single });
            }
            (_, '"') => self.quote(Quote::Double),
            (Some(Quote::Arithmetic), _) => {}
            (_, other) => self.plain(other),
        }
    }

    /// A character without quotes around it.
    fn plain(&mut self, character: char) {
        match character {
            '#' if self.command.word.is_none() => self.is_comment = true,
            '\n' => self.end_line(),
            ';' | '|' | ')' => self.end_command(),
            // Not `2>&1`.
            '&' if !matches!(self.before, Some('<' | '>')) => self.end_command(),
            '<' | '>' => self.redirect(character),
            '-' if self.before == Some('<') && self.is_before_delimiter() => {
                self.command.next = Next::Delimiter { is_indented: true };
            }
            blank if blank.is_whitespace() => self.end_word(),
            other => self.command.push(other),
        }
    }

    fn is_before_delimiter(&self) -> bool {
        self.command.word.is_none() && matches!(self.command.next, Next::Delimiter { .. })
    }

    fn redirect(&mut self, sign: char) {
        // The number of a descriptor is no word.
        if self
            .command
            .word
            .as_ref()
            .is_some_and(|word| word.chars().all(|one| one.is_ascii_digit()))
        {
            self.command.word = None;
        }
        self.end_word();
        self.command.next = match (sign, self.command.next) {
            ('<', Next::Target) if self.before == Some('<') => Next::Delimiter { is_indented: false },
            ('<', Next::Delimiter { .. }) if self.before == Some('<') => Next::Input,
            _ => Next::Target,
        };
    }

    fn end_word(&mut self) {
        self.documents.extend(self.command.end_word());
    }

    fn end_command(&mut self) {
        self.end_word();
        self.command = Command::default();
    }

    fn end_line(&mut self) {
        self.end_command();
        if !self.documents.is_empty() {
            self.line = Some(String::new());
        }
    }

    /// A quote is part of a word, also where nothing is between it and the next one.
    fn quote(&mut self, quote: Quote) {
        self.command.word.get_or_insert_default();
        self.open.push((quote, Command::default()));
    }

    /// A command begins within another.
    fn enter(&mut self, quote: Quote) {
        let outer = std::mem::take(&mut self.command);
        self.open.push((quote, outer));
    }

    fn close(&mut self) {
        self.end_word();
        match self.open.pop() {
            Some((Quote::Group, _)) | None => self.command = Command::default(),
            Some((_, outer)) => {
                self.command = outer;
                // What it writes is not known.
                self.command.push('$');
            }
        }
    }

    /// A value stands here.
    pub(super) fn value(&mut self) {
        self.before = None;
        self.is_escaped = false;
        match &mut self.line {
            Some(line) => line.push(VALUE),
            None if self.is_comment => {}
            None => self.command.push(VALUE),
        }
    }

    /// Why a quoted word is no word here.
    pub(super) fn open(&self) -> Option<Place> {
        self.quotes().or_else(|| {
            if self.open.iter().any(|(quote, _)| *quote == Quote::Backtick) {
                return Some(Place::Backquotes);
            }
            (self.is_escaped && !self.is_comment).then_some(Place::Escaped)
        })
    }

    /// What is open here, in which a character is no sign of a shell.
    fn quotes(&self) -> Option<Place> {
        if self.line.is_some() {
            return Some(Place::Document);
        }
        match self.open.last().map(|(quote, _)| quote) {
            Some(Quote::Single | Quote::Double | Quote::Escaping) => Some(Place::Quotes),
            Some(Quote::Arithmetic) => Some(Place::Arithmetic),
            _ => None,
        }
    }

    /// Why a value is calculated with here, other than in `$((…))`; `after` is the text behind it.
    pub(super) fn calculates(&self, after: &str) -> Option<Place> {
        let (words, own) = (&self.command.words, self.command.word.as_deref().unwrap_or_default());
        let first = words.first().map_or("", String::as_str);
        let last = words.last().map_or("", String::as_str);
        let next = after.split_whitespace().next().unwrap_or_default();
        // Behind `&&`, the words of `[[ … ]]` seem to begin anew.
        let is_within = first.starts_with(|one: char| one == '$' || one == VALUE || one.is_ascii_digit());
        let compares = || [last, next].iter().any(|word| COMPARISONS.contains(word));
        let is_calculated = match first {
            "[[" => compares() || last == "-v",
            _ if is_within || (first.is_empty() && own.is_empty()) => compares(),
            "test" | "[" | "printf" => last == "-v",
            "declare" | "typeset" | "local" => words.iter().any(|word| word.starts_with('-') && word.contains('i')),
            // The subscript of an assignment.
            "" => own.strip_suffix('[').is_some_and(is_name),
            _ => false,
        };
        let text = format!("{} {own}", words.join(" "));
        (is_calculated || is_subscript(&text)).then_some(Place::Arithmetic)
    }

    /// Whether this is a comment, which a line break ends.
    pub(super) fn is_comment(&self) -> bool {
        self.is_comment
    }

    /// What reads the word that a value stands in, at the end of the text, as a script; `after` is the text behind the value.
    pub(super) fn reader(&self, after: &str) -> Option<ScriptWord> {
        let ahead = || self.ahead(after);
        match self.command.next {
            Next::Word => self.reader_of_word(after).or_else(|| {
                let (command, piped) = ahead();
                writes_words(&known_words(&command)).then_some(())?;
                let by = piped.iter().find_map(|command| reads_input(&known_words(command)));
                by.or_else(|| self.reader_outside())
            }),
            Next::Input => {
                let (command, piped) = ahead();
                let commands = std::iter::once(&command).chain(&piped);
                commands
                    .map(|command| known_words(command))
                    .find_map(|words| reads_input(&words))
            }
            Next::Target | Next::Delimiter { .. } => None,
        }
    }

    fn reader_of_word(&self, after: &str) -> Option<ScriptWord> {
        let own = format!("{}{VALUE}", self.command.word.as_deref().unwrap_or_default());
        let words = [known_words(&self.command.words), vec![known(&own)]].concat();
        let at = words.len() - 1;
        let found = script_words(&words).into_iter().find(|one| one.at == at)?;
        // `. {{ home }}/file` reads a file of the project's choice.
        let is_file = [".", "source"].contains(&&*found.by) && (own.len() > 1 || after.starts_with('/'));
        (at > 0 && !is_file).then_some(found)
    }

    /// What reads the output of `$( … )` and `<( … )`, in which the value is written, as a script.
    fn reader_outside(&self) -> Option<ScriptWord> {
        let mut outer = self.clone();
        let is_quoted = |open: &(Quote, Command)| matches!(open.0, Quote::Double | Quote::Single | Quote::Escaping);
        if !matches!(outer.open.last(), Some((Quote::Command | Quote::Backtick, _))) {
            return None;
        }
        outer.close();
        while outer.open.last().is_some_and(is_quoted) {
            outer.open.pop();
        }
        match outer.command.next {
            Next::Word => outer.reader_of_word(""),
            // `bash <( … )` reads it as a file.
            Next::Target | Next::Input => {
                let words = known_words(&outer.command.words);
                reads_input(&words).or_else(|| reads_input(&[words, vec![Some("-")]].concat()))
            }
            Next::Delimiter { .. } => None,
        }
    }

    /// The whole command that a value stands in, and those that read its output one after the other.
    fn ahead(&self, after: &str) -> (Vec<String>, Vec<Vec<String>>) {
        let mut script = self.clone();
        script.value();
        let mut depth = script.open.len();
        let mut commands: Vec<Vec<String>> = Vec::new();
        let text = without_expressions(after);
        let mut characters = text.chars().chain(['\n']).peekable();
        while let Some(character) = characters.next() {
            if script.open.len() == depth && script.is_end(character) {
                let is_pipe = character == '|' && characters.peek() != Some(&'|');
                // `a |`, and `b` on the next line.
                let goes_on = character == '\n' && script.command.is_new() && !commands.is_empty();
                if !goes_on {
                    let mut ended = script.command.clone();
                    ended.end_word();
                    commands.push(ended.words);
                }
                let is_group = character == ')' && script.open.last().is_some_and(|open| open.0 == Quote::Group);
                depth -= usize::from(is_group);
                if !is_pipe && !goes_on && !is_group {
                    break;
                }
                if is_pipe {
                    // `|&` is a pipe too.
                    characters.next_if_eq(&'&');
                }
            }
            match character {
                VALUE => script.value(),
                other => script.read(other.encode_utf8(&mut [0; 4])),
            }
        }
        let mut commands = commands.into_iter();
        (commands.next().unwrap_or_default(), commands.collect())
    }

    /// Whether a simple command ends with this character.
    fn is_end(&self, character: char) -> bool {
        let is_plain = !self.is_escaped && !self.is_comment && self.line.is_none() && self.quotes().is_none();
        match character {
            '\n' => self.is_comment || is_plain,
            ';' | '|' | ')' => is_plain,
            '`' => is_plain && self.open.last().is_some_and(|open| open.0 == Quote::Backtick),
            '&' => is_plain && !matches!(self.before, Some('<' | '>')),
            _ => false,
        }
    }
}

/// The text with values in place of expressions, and without statements and comments of templates.
fn without_expressions(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some(at) = rest
        .find("{{")
        .into_iter()
        .chain(rest.find("{%"))
        .chain(rest.find("{#"))
        .min()
    {
        plain.push_str(&rest[..at]);
        let (end, is_value) = match &rest[at..at + 2] {
            "{{" => ("}}", true),
            "{%" => ("%}", false),
            _ => ("#}", false),
        };
        if is_value {
            plain.push(VALUE);
        }
        let length = rest[at..]
            .find(end)
            .map_or(rest.len() - at, |length| length + end.len());
        rest = &rest[at + length..];
    }
    plain + rest
}

fn known_words(words: &[String]) -> Vec<Option<&str>> {
    words.iter().map(|word| known(word)).collect()
}

impl Command {
    fn is_new(&self) -> bool {
        self.words.is_empty() && self.word.is_none()
    }
}

/// A word as far as it is known: none if it begins with a value.
fn known(word: &str) -> Option<&str> {
    (!word.starts_with(VALUE)).then_some(word)
}

/// A script without its comments.
pub fn without_comments(script: &str) -> String {
    let mut read = Script::default();
    let mut rest = String::with_capacity(script.len());
    for character in script.chars() {
        read.read(character.encode_utf8(&mut [0; 4]));
        if !read.is_comment {
            rest.push(character);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Script {
        let mut script = Script::default();
        script.read(text);
        script
    }

    #[test]
    fn a_word_is_a_word_outside_of_quotes() {
        for outside in [
            "echo ",
            "echo 'a' ",
            "echo \"a\" ",
            "x=\"$(echo ",
            "echo \\' ",
            "a <<< ",
            "echo $((1 << 2)) ",
            "# it's\necho ",
            "# say \"\necho ",
            "echo a#b' '\necho ",
            "cat <<EOF\nit's\nEOF\necho ",
            "cat <<-'EOF' >a\nit's\n\tEOF\necho ",
            "cat <<A; cat <<B\n'\nA\n\"\nB\necho ",
            "echo $'it\\'s' ",
            "f() { echo; }\necho ",
            "echo $(( (1 + 2) * 3 )) ",
            "case a in b) echo '#' ;; esac\necho ",
            "echo ${#x} ${x#'a'} $# ",
            "[ \"$a\" = \"#'\" ] && echo ",
        ] {
            assert_eq!(read(outside).open(), None, "{outside}");
            assert!(!read(outside).is_comment(), "{outside}");
        }
        for inside in [
            "echo '",
            "echo \"",
            "echo \"a $(b) ",
            "echo \"$(echo '",
            "sh -c \"a ",
            "echo 'it'\\''s ",
            "# say \"\necho \"",
            "echo $'a\\' ",
            "cat <<EOF\n'\nEOF\necho \"",
            "echo a# \"",
        ] {
            assert_eq!(read(inside).open(), Some(Place::Quotes), "{inside}");
        }
        for document in [
            "cat <<EOF\n",
            "cat <<-'EOF'\n",
            "cat << \"a b\"\nEOF\n",
            "cat <<A <<B\nA\n",
        ] {
            assert_eq!(read(document).open(), Some(Place::Document), "{document}");
        }
        for arithmetic in ["echo $((", "echo $(( 1 + (", "echo \"$((", "((x = "] {
            assert_eq!(read(arithmetic).open(), Some(Place::Arithmetic), "{arithmetic}");
        }
        for backquotes in ["echo `", "x=`$(echo "] {
            assert_eq!(read(backquotes).open(), Some(Place::Backquotes), "{backquotes}");
        }
        for escaped in ["echo \\", "echo a\\"] {
            assert_eq!(read(escaped).open(), Some(Place::Escaped), "{escaped}");
        }
        for comment in ["# ", "echo a # ", "echo;# ", "#!/bin/sh\n\t#it's", "$(# "] {
            assert!(read(comment).is_comment(), "{comment}");
        }
    }

    #[test]
    fn where_a_shell_calculates_it_runs_commands() {
        for (text, after) in [
            ("if [[ ", " -eq 1 ]]; then"),
            ("[[ 1 -lt ", " ]]"),
            ("[[ $a && $b -ge ", " ]]"),
            ("[[ $a || ", " -eq 1 ]]"),
            ("[[ -v ", " ]]"),
            ("test -v ", ""),
            ("[ -v ", " ]"),
            ("printf -v ", " a"),
            ("declare -i x=", ""),
            ("local -ri x=", ""),
            ("x[", "]=1"),
            ("echo ${a[", "]}"),
            ("echo ${#a[", "]}"),
            ("echo ${x:", "}"),
            ("echo $[ ", " ]"),
            ("echo $[1+", "]"),
        ] {
            assert_eq!(read(text).calculates(after), Some(Place::Arithmetic), "{text}");
        }
        for (text, after) in [
            ("echo ", " -eq 1"),
            ("[[ ", " = a ]]"),
            ("[[ -e ", " ]]"),
            ("[ ", " -eq 1 ]"),
            ("declare x=", ""),
            ("ls file[", "]"),
            ("echo ${x:-", "}"),
            ("echo ${a[1]} ", ""),
            ("echo $[1] ", ""),
        ] {
            assert_eq!(read(text).calculates(after), None, "{text}");
        }
    }

    #[test]
    fn comments_are_left_out() {
        let script = "#!/bin/sh\necho '# a' # b's\necho c#d\n";
        assert_eq!(without_comments(script), "\necho '# a' \necho c#d\n");
    }

    #[test]
    fn a_script_within_a_script_is_found() {
        for (text, by) in [
            ("eval ", "eval"),
            ("eval echo ", "eval"),
            ("a; if eval echo ", "eval"),
            ("A=1 eval echo ", "eval"),
            ("sh -c ", "sh"),
            ("bash -lc ", "bash"),
            ("x=$(sh -c ", "sh"),
            ("true && sudo -u anna bash -c ", "bash"),
            ("su root -c ", "su"),
            ("su root --command=", "su"),
            ("ssh host ", "ssh"),
            ("ssh \"$host\" cat ", "ssh"),
            ("cd /srv && timeout 5 ssh -p 22 host >/dev/null 2>&1 ", "ssh"),
            ("find . -exec sh -c ", "sh"),
            ("docker exec c sh -c ", "sh"),
            ("ls | xargs sh -c ", "sh"),
            ("env -S ", "env"),
            ("watch ", "watch"),
            ("trap ", "trap"),
            ("alias x=", "alias"),
            (". ", "."),
            ("source ", "source"),
            ("while read a; do sh -c ", "sh"),
            ("( eval ", "eval"),
            ("f() { eval ", "eval"),
            ("sh -c 'eval \"$1\"' sh ", "sh"),
            ("awk '/a/ {print}' a | python3 -c ", "python3"),
            ("sed -i s/a/", "sed"),
            ("awk ", "awk"),
            ("make X=", "make"),
            ("git -c alias.x=!", "git"),
            ("bash <<< ", "bash"),
            ("sudo -u anna bash -s <<<", "bash"),
            ("ssh host <<< ", "ssh"),
            ("python3 <<< ", "python3"),
            ("eval $(echo ", "eval"),
            ("sh -c \"$(printf %s ", "sh"),
            ("bash <(echo ", "bash"),
            (". <(printf %s ", "."),
            ("source <(echo ", "source"),
        ] {
            let found = read(text).reader("\n");
            assert_eq!(found.map(|one| one.by).as_deref(), Some(by), "{text}");
        }
        for text in [
            "",
            "echo ",
            "echo eval ",
            "eval\necho ",
            "eval; echo ",
            "sh -c 'echo \"$1\"' sh ",
            "ssh ",
            "ssh -p ",
            "echo > ",
            "eval x > ",
            "sh ",
            "A=",
            "eval=",
            "apt-get install ssh ",
            "sed -n /a/p ",
            "awk '{print}' ",
            "python3 /opt/tool -c ",
            "docker exec c cat ",
            "grep -e ",
            "cat <<< ",
            "sh /opt/tool <<< ",
            "ssh host cat <<< ",
            "sh -c cat <<< ",
            "echo \"$(echo ",
            "cat <(echo ",
            "x=$(echo ",
        ] {
            assert_eq!(read(text).reader("\n"), None, "{text}");
        }
        assert_eq!(read(". ").reader("/env"), None);
    }

    #[test]
    fn a_script_on_the_input_of_a_shell_is_found() {
        for (text, after, by) in [
            ("echo ", " | sh\n", "sh"),
            ("echo ", "|sh", "sh"),
            ("echo a", " b |& sudo -E -n bash -s -- x; c", "bash"),
            ("printf '%s\\n' ", " | tee /tmp/log | sh", "sh"),
            ("printf %s ", " | base64 -d |\n  bash\n", "bash"),
            ("( echo ", " ) | sh", "sh"),
            ("x=$(echo ", " | sh)", "sh"),
            ("x=`echo ", " | sh`", "sh"),
            ("true && echo ", " 2>&1 | ssh host", "ssh"),
            ("echo ", " {{ other }} '|' \"a;b\" | ssh -p 22 {{ host }} sh", "sh"),
            ("echo ", " | docker exec -i c sh", "sh"),
            ("echo ", " | xargs -I{} sh -c 'echo {}'", "xargs"),
            ("echo ", " | python3", "python3"),
            ("bash <<< ", " -s", "bash"),
            ("<<< ", " bash", "bash"),
            ("cat <<< ", " | sh", "sh"),
            ("echo ", " | grep sh", ""),
            ("echo ", " || sh", ""),
            ("echo ", " # | sh", ""),
            ("echo ", "; cat a | sh", ""),
            ("echo ", "\ncat a | sh", ""),
            ("echo ", " '| sh'", ""),
            ("echo ", " > a | sh", "sh"),
            ("echo ", " {# | sh #}", ""),
            ("echo ", " | sh -c cat", ""),
            ("printf %q ", " | sh", ""),
            ("cat ", " | sh", ""),
            ("curl ", " | sh", ""),
            ("x=$(echo ", "); cat a | sh", ""),
            ("cat <<< ", " | grep a", ""),
        ] {
            let found = read(text).reader(after).map(|one| one.by);
            assert_eq!(found.unwrap_or_default(), by, "{text}?{after}");
        }
    }
}
