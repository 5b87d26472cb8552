//! Shell text that reads archives, and the records of what was extracted from them.
//!
//! A record is a folder that only root can enter: its `names` say what may be removed later, so only root may write them.
//! `of` says from what, `state` what the files were like then. Without `of`, an extraction was interrupted.

use serde::{Deserialize, Serialize};

use crate::quote::quote;
use crate::secret::sha256_hex;

/// An archive that is to be extracted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Archive {
    pub src: String,
    /// What is known of it holds as long as it has this digest.
    pub digest: String,
    pub dest: String,
    pub strip: u32,
    pub exclude: Vec<String>,
}

/// What decides which files of an archive come where.
#[derive(Clone, Copy)]
pub struct Selection<'a> {
    /// How many folders are cut off the front of each path.
    pub strip: u32,
    /// Patterns of paths, after that.
    pub exclude: &'a [String],
}

impl Selection<'_> {
    /// An extended regular expression for the excluded paths; empty if there are none.
    pub fn excluded(self) -> String {
        let one = |pattern: &String| -> String {
            pattern
                .chars()
                .map(|character| match character {
                    '*' => ".*".to_owned(),
                    '?' => ".".to_owned(),
                    plain if plain.is_ascii_alphanumeric() || !plain.is_ascii() || "/_- ".contains(plain) => {
                        plain.to_string()
                    }
                    '^' => "\\^".to_owned(),
                    other => format!("[{other}]"),
                })
                .collect()
        };
        let all: Vec<String> = self.exclude.iter().map(one).collect();
        if all.is_empty() {
            return String::new();
        }
        format!("({})(/.*)?", all.join("|"))
    }
}

/// The folder with the record of what was extracted to `dest`.
pub fn record(dest: &str) -> String {
    format!("/var/lib/homelab/archives/{}", &sha256_hex(dest.as_bytes())[..16])
}

/// Shell functions: `hl_kind FILE` sets `$kind`, and `$needs` to the package of a program that is missing. `hl_list FILE` prints
/// a line for each file: `entry TYPE SIZE PATH`, or `bad WHY: PATH` for one that must not be extracted.
pub fn functions(selection: Selection<'_>) -> String {
    format!(
        "export LC_ALL=C.UTF-8 hl_strip={} hl_excluded={}\n{FUNCTIONS}",
        selection.strip,
        quote(&selection.excluded())
    )
}

const FUNCTIONS: &str = r#"hl_kind() {
needs=
case $(od -An -tx1 -N6 <"$1" | tr -d " \n") in
1f8b*) kind=tar tool=gzip package=gzip ;;
fd377a585a00) kind=tar tool=xz package=xz-utils ;;
28b52ffd*) kind=tar tool=zstd package=zstd ;;
425a68*) kind=tar tool=bzip2 package=bzip2 ;;
504b0304*|504b0506*) kind=zip tool=unzip package=unzip ;;
*) kind=tar tool=tar package=tar ;;
esac
command -v $tool >/dev/null || needs=$package
}
hl_list() {
export hl_zip="$1"
{ case $kind in
tar) tar -P --numeric-owner --quoting-style=c -tvf "$1" ;;
zip) unzip -Z1 "$1" >/dev/null 2>&1 && unzip -Zs "$1" | sed -n "/^[-?dlbcps][^ ]\{6,9\} \{1,\}[0-9.]\{3,\} /p" ;;
esac; end=$? why=; [ $end = 0 ] || why=$(case $kind in
tar) tar -tf "$1" ;;
zip) unzip -Z1 "$1" ;;
esac 2>&1 >/dev/null | grep "[^[:space:]]" | grep -v "^\[" | head -n 1); printf "end %s %s\n" $end "$why"; } | awk -v kind=$kind '
function bad(why) { print "bad " why ": " name }
$1 == "end" {
if ($2 != 0) { sub(/^end [0-9]+ */, ""); gsub(/[[:cntrl:]]/, " "); print "bad it cannot be read as an archive" (/./ ? ": " $0 : "") }
ended = 1; next
}
{
type = substr($0, 1, 1); target = ""
if (kind == "tar") {
i = index($0, "\""); split(substr($0, 1, i - 1), field, " "); mode = field[1]; size = field[3]
rest = substr($0, i + 1); match(rest, /^([^"\\]|\\.)*"/); name = substr(rest, 1, RLENGTH - 1); rest = substr(rest, RLENGTH + 1)
if (match(rest, /"([^"\\]|\\.)*"/)) target = substr(rest, RSTART + 1, RLENGTH - 2)
plain = name target; gsub(/\\\\|\\"/, "", plain)
if (plain ~ /\\/) { bad("a control character in a name"); next }
gsub(/\\"/, "\"", name); gsub(/\\\\/, "\\", name); gsub(/\\"/, "\"", target); gsub(/\\\\/, "\\", target)
} else {
mode = $1; size = $4; name = $0; sub(/^[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ /, "", name)
if (name ~ /\/$/) type = "d"
if (name ~ /\^[A-Z]/ || name ~ /\\/) { bad("a control character or a backslash in a name"); next }
if (type == "l") {
pattern = name; gsub(/[][*?]/, "\\\\&", pattern); gsub(/\047/, "\047\\\047\047", pattern)
command = "unzip -p \"$hl_zip\" \047" pattern "\047 2>/dev/null"
while ((command | getline line) > 0) target = target line
close(command)
}
}
if (type !~ /^[-?dlh]$/) { bad("a device, pipe or socket"); next }
if (mode ~ /[sS]/) { bad("a file with a set-id bit"); next }
if (name ~ /^\//) { bad("an absolute path"); next }
if (name ~ /(^|\/)\.\.(\/|$)/) { bad("a path that leads out"); next }
count = split(name, part, "/"); path = ""; depth = 0; skipped = 0
for (i = 1; i <= count; i++) if (part[i] != "" && part[i] != ".") {
if (skipped < ENVIRON["hl_strip"]) skipped++
else { path = path (depth ? "/" : "") part[i]; depth++ }
}
if (!depth) next
if (ENVIRON["hl_excluded"] != "" && path ~ ("^" ENVIRON["hl_excluded"] "$")) next
if (type == "h" && (target ~ /^\// || target ~ /(^|\/)\.\.(\/|$)/)) { bad("a link that leads out"); next }
if (type == "l") {
if (target ~ /^\//) { bad("a link to an absolute path"); next }
count = split(target, part, "/"); depth--
for (i = 1; i <= count; i++) if (part[i] == "..") { if (--depth < 0) break } else if (part[i] != "" && part[i] != ".") depth++
if (depth < 0) { bad("a link that leads out"); next }
}
print "entry " (type == "d" ? "d" : "f") " " (type ~ /[-?]/ ? size : 0) " " path
}
END { if (!ended) print "bad it cannot be read as an archive" }'
}
"#;

/// Shell text that prints, in the folder that it is run in, what the files named on standard input are like. Of a folder only that it
/// is one: others may add files, which changes its time.
pub const STATE: &str = r#"tr '\n' '\0' | xargs -0 -r sh -c 'exec find "$@" -maxdepth 0 \( -type d -printf "d - - - - %p\n" \) -o -printf "%y %s %T@ %m %U:%G %p\t%l\n"' sh 2>/dev/null"#;

/// Shell text that prints what the record of `dest` says: `absent`, `unfinished` or its `of`; then `changed PATH` for files that are
/// not as they were extracted.
pub fn recorded(dest: &str) -> String {
    let script = RECORDED.replace("STATE", STATE);
    format!("r={} dest={}\n{script}", record(dest), quote(dest))
}

const RECORDED: &str = r#"export LC_ALL=C.UTF-8
if ! [ -f $r/names ]; then echo absent
elif ! [ -f $r/of ] || ! [ -f $r/state ]; then echo unfinished
else cat $r/of; if cd -- "$dest" 2>/dev/null; then
{ STATE; } <$r/names | awk '!old { have[$0] = 1; next } !($0 in have)' - old=1 $r/state | sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* [^ ]* \.\//changed /; s/\t.*//' | head -n 50
else echo "changed $dest"; fi
fi"#;

/// Shell text that prints what extracting `src` to `dest` would do: `needs PACKAGE`; or `bad WHY: PATH`; or `files COUNT BYTES`, and
/// `state DIGEST` of what all files are like that it may write or remove, `top NAME` for each name in `dest`, `has PATH` for files of the archive, `removes PATH`, `replaces PATH` for files that are not of the record, and `blocked PATH`
/// where a file is in the way of a folder or the other way round.
pub fn previewed(archive: &Archive) -> String {
    let selection = Selection {
        strip: archive.strip,
        exclude: &archive.exclude,
    };
    format!(
        "{}r={} src={} dest={}\n{}",
        functions(selection),
        record(&archive.dest),
        quote(&archive.src),
        quote(&archive.dest),
        PREVIEWED.replace("STATE", STATE)
    )
}

/// Shell text that succeeds if what extracting `archive` would do still has this digest.
pub fn is_as_previewed(archive: &Archive, digest: &str) -> String {
    format!(
        "(\n{}\n) 2>/dev/null | sha256sum | grep -q -x '{digest}  -'",
        previewed(archive)
    )
}

/// At most this many paths of a kind are named.
pub const MOST: usize = 50;

const PREVIEWED: &str = r#"hl_kind "$src"
if [ -n "$needs" ]; then echo "needs $needs"; exit; fi
l=$(hl_list "$src" 2>/dev/null)
if printf '%s\n' "$l" | grep '^bad ' | head -n 1 | grep .; then exit; fi
printf '%s\n' "$l" | awk '$2 == "f" { size = $3; sub(/^entry f [0-9]* /, ""); last[$0] = size }
END { for (path in last) { count++; bytes += last[path] } printf "files %d %.0f\n", count, bytes }'
n=$(printf '%s\n' "$l" | sed -n 's/^entry [df] [0-9]* //p' | awk '{ do print; while (sub("/[^/]*$", "")) }' | sort -u)
printf '%s\n' "$n" | sed -n 's/^\([^/][^/]*\).*/top \1/p' | sort -u | head -n 1000
printf '%s\n' "$l" | sed -n 's/^entry f [0-9]* /has /p' | head -n 4000
hl_named() { { printf '%s\n' "$n" | sed 's/^/.\//'; [ ! -f $r/names ] || cat $r/names; } | sort -u; }
cd -- "$dest" 2>/dev/null || { echo "state $(sha256sum </dev/null)"; exit; }
echo "state $(hl_named | STATE | sha256sum)"
[ ! -f $r/names ] || { printf '%s\n' "$n" | sed 's/^/.\//'; echo /; cat $r/names; } | awk '
$0 == "/" { old = 1; next } !old { new[$0] = 1; next } !($0 in new)' | tr '\n' '\0' | xargs -0 -r sh -c '
printf -- "- %s\0" "$@"; exec find "$@" -printf "+ %p\0"' sh 2>/dev/null | tr '\n\0' '?\n' | awk '
{ path = substr($0, 3) }
/^-/ { gone[path] = 1; next }
{ there[path] = 1 }
END {
for (path in there) if (!(path in gone)) { up = path; while (sub("/[^/]*$", "", up)) kept[up] = 1 }
for (path in there) if (path in gone && !(path in kept)) print "removes " substr(path, 3)
}' | sort | head -n 50
{ printf '%s\n' "$l"; echo /; [ ! -f $r/names ] || cat $r/names; echo /
printf '%s\n' "$n" | sed 's/^/.\//' | tr '\n' '\0' | xargs -0 -r sh -c 'exec find "$@" -maxdepth 0 -printf "%y %p\n"' sh 2>/dev/null; } | awk '
$0 == "/" { at++; next }
at == 0 { path = $0; sub(/^entry [df] [0-9]* /, "", path); type[path] = $2; next }
at == 1 { own[$0] = 1; next }
{ path = substr($0, 5); is = substr($0, 1, 1) == "d"
if (is != (type[path] != "f")) print "blocked " path
else if (!is && !(("./" path) in own)) print "replaces " path }' | head -n 50"#;

/// What extracts an archive. `src` has to have `digest`.
pub struct Extraction<'a> {
    pub src: &'a str,
    pub dest: &'a str,
    pub digest: &'a str,
    pub owner: &'a str,
    pub group: &'a str,
    pub selection: Selection<'a>,
}

impl Extraction<'_> {
    /// What the record says of it.
    pub fn of(&self) -> String {
        let mut of = format!(
            "archive {}\nowner {}:{}\nstrip {}\n",
            self.digest, self.owner, self.group, self.selection.strip
        );
        for pattern in self.selection.exclude {
            of.extend(["exclude ", pattern, "\n"]);
        }
        of
    }

    /// Shell text for root. Everything is extracted in a folder in `dest` that only root can enter, and moved from there. A folder
    /// is entered before something is done in it, and left alone if it is not where it should be: others may own it.
    pub fn script(&self) -> String {
        format!(
            "{}{ENTER}r={} src={} dest={} digest={} owner={} of={}\n{}",
            functions(self.selection),
            record(self.dest),
            quote(self.src),
            quote(self.dest),
            quote(self.digest),
            quote(&format!("{}:{}", self.owner, self.group)),
            quote(&self.of()),
            EXTRACT.replace("STATE", STATE)
        )
    }

    /// Shell text for root that removes what the record of `dest` names.
    pub fn removal(dest: &str) -> String {
        format!(
            "export LC_ALL=C.UTF-8\n{ENTER}r={} dest={}\n{REMOVE}",
            record(dest),
            quote(dest)
        )
    }
}

/// `hl_enter ./FOLDER` goes to a folder in `$dest`, if no link leads elsewhere. `hl_make ./FOLDER MODE` makes it and goes there; what it
/// then changes is where it is, whatever comes in place of the name. `hl_remove FILE` removes the paths in a file, longest
/// first, except folders with something in them.
const ENTER: &str = r#"umask 022
hl_enter() { w=${1#.}; cd -P -- "$dest$w" 2>/dev/null && [ "$(pwd -P)" = "$dest$w" ] || { echo "$dest$w is not a folder, or a link leads to it; nothing was written there" >&2; return 1; }; }
hl_make() {
hl_enter "${1%/*}" && mkdir -m 0700 -- "./${1##*/}" && hl_enter "$1" || return
[ -O . ] && [ -z "$(ls -A .)" ] || { echo "$dest${1#.} changes while it is written to" >&2; return 1; }
chown -- "$owner" . && chmod -- "$2" .
}
hl_remove() {
sort -r "$1" | while IFS= read -r p; do
( hl_enter "${p%/*}" 2>/dev/null || exit 0; n=./${p##*/}
if [ -d "$n" ] && ! [ -L "$n" ]; then rmdir -- "$n" 2>/dev/null || :; else rm -f -- "$n"; fi ) || exit
done
}
"#;

const EXTRACT: &str = r#"hl_enter . || exit
find . -maxdepth 1 -name '.homelab-archive.??????' -user 0 -type d -exec rm -rf -- {} +
s=$(mktemp -d ./.homelab-archive.XXXXXX) && hl_enter "$s" && exec 7<. || exit
case $(stat -c '%u %a' .) in '0 700') ;; '0 2700') chmod g-s . ;; *) echo "$dest changes while it is written to" >&2; exit 1 ;; esac
trap 'cd /proc/$$/fd/7 && find . -mindepth 1 -delete; hl_enter . && rmdir -- "$s"' EXIT
trap 'exit 1' HUP INT TERM PIPE
cat <"$src" >archive || exit
[ "$(sha256sum <archive)" = "$digest  -" ] || { echo "$src changed since the review; nothing was extracted"; exit 1; }
hl_kind archive
[ -z "$needs" ] || { echo "$src cannot be extracted without the package $needs; nothing was extracted"; exit 1; }
hl_list archive >list
if grep -m 1 '^bad ' list >bad; then printf '%s: %s; nothing was extracted\n' "$src" "$(cut -c 5- bad)"; exit 1; fi
mkdir tree || exit
case $kind in
tar) tar -C tree -xf archive --strip-components="$hl_strip" --no-same-owner --no-same-permissions || exit ;;
zip) unzip -q -o archive -d tree </dev/null || exit
i=0; while [ "$i" -lt "$hl_strip" ]; do
mkdir up && find tree -mindepth 2 -maxdepth 2 -exec mv -f -t up -- {} + && rm -rf tree && mv up tree || exit
i=$((i+1)); done ;;
esac
rm -f archive
[ -z "$hl_excluded" ] || find tree -mindepth 1 -regextype posix-extended -regex "tree/$hl_excluded" -prune -exec rm -rf -- {} + || exit
here=$(pwd -P)
bad=$(find tree -mindepth 1 \( ! -type f ! -type d ! -type l -o ! -type l -perm /6000 -o -name '*[[:cntrl:]]*' \) -print -quit)
[ -n "$bad" ] || bad=$(find tree -type l | while IFS= read -r l; do
case $(readlink -- "$l") in /*) echo "$l"; break ;; esac
case $(realpath -m -- "$l") in "$here/tree"|"$here/tree"/*) ;; *) echo "$l"; break ;; esac; done)
[ -z "$bad" ] || { echo "$src has ${bad#tree/}, which is a device, has a set-id bit, or leads out; nothing was extracted"; exit 1; }
chown -hR -- "$owner" tree || exit
(cd tree && find . -mindepth 1) | sort >names
mkdir -p $r && chmod 0700 /var/lib/homelab /var/lib/homelab/archives || exit
: >old; [ ! -f $r/names ] || cat $r/names >old
sort -u old names >$r/names.new && mv $r/names.new $r/names && rm -f $r/of && sync $r || exit
(cd tree && find . -type d) | sort | while IFS= read -r d; do
(
if [ "$d" != . ]; then
hl_enter "${d%/*}" || exit
n=./${d##*/}
[ -d "$n" ] || [ -L "$n" ] || hl_make "$d" "$(stat -c %a "/proc/$$/fd/7/tree/$d")" || exit
fi
hl_enter "$d" && find "/proc/$$/fd/7/tree/$d" -mindepth 1 -maxdepth 1 ! -type d -exec mv -f -t . -- {} +
) || exit; done || exit
comm -13 names old >gone; hl_remove "/proc/$$/fd/7/gone" || exit
hl_enter . || exit
cat "/proc/$$/fd/7/names" >$r/names.new && { STATE; } <$r/names.new >$r/state && mv $r/names.new $r/names \
&& printf '%s' "$of" >$r/of.new && mv $r/of.new $r/of"#;

const REMOVE: &str = r#"rm -f $r/of; [ ! -d "$dest" ] || hl_remove $r/names || exit
rm -rf -- $r"#;

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of the archive (ustar), without content.
    fn header(name: &str, kind: char, mode: u32, target: &str) -> Vec<u8> {
        let mut block = vec![0; 512];
        let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, "00000000000");
        put(136, "00000000000");
        put(148, "        ");
        put(156, &kind.to_string());
        put(157, target);
        put(257, "ustar\0");
        put(263, "00");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    fn listed(headers: &[(&str, char, u32, &str)], strip: u32, exclude: &[&str]) -> Vec<String> {
        let mut archive: Vec<u8> = headers
            .iter()
            .flat_map(|(name, kind, mode, target)| header(name, *kind, *mode, target))
            .collect();
        archive.extend([0; 1024]);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), archive).expect("written");
        let exclude: Vec<String> = exclude.iter().map(|one| (*one).to_owned()).collect();
        let selection = Selection {
            strip,
            exclude: &exclude,
        };
        let script = format!("{}hl_kind \"$1\"; hl_list \"$1\"", functions(selection));
        let mut command = std::process::Command::new("sh");
        let output = command.arg("-c").arg(script).arg("sh").arg(file.path()).output();
        let text = String::from_utf8(output.expect("sh runs").stdout).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_an_archive_must_not_have_is_found_before_it_is_extracted() {
        for (name, kind, mode, target, why) in [
            ("/etc/x", '0', 0o644, "", Some("an absolute path")),
            ("a/../../x", '0', 0o644, "", Some("a path that leads out")),
            ("..", '5', 0o755, "", Some("a path that leads out")),
            ("a", '2', 0o777, "/etc", Some("a link to an absolute path")),
            ("a/b", '2', 0o777, "../../x", Some("a link that leads out")),
            ("a", '2', 0o777, "b/../..", Some("a link that leads out")),
            ("a", '1', 0o644, "/etc/shadow", Some("a link that leads out")),
            ("a", '1', 0o644, "../x", Some("a link that leads out")),
            ("a", '3', 0o644, "", Some("a device, pipe or socket")),
            ("a", '4', 0o644, "", Some("a device, pipe or socket")),
            ("a", '6', 0o644, "", Some("a device, pipe or socket")),
            ("a", '0', 0o4755, "", Some("a file with a set-id bit")),
            ("a", '5', 0o2755, "", Some("a file with a set-id bit")),
            ("a\nentry f 0 b", '0', 0o644, "", Some("a control character in a name")),
            ("a", '2', 0o777, "b\nc", Some("a control character in a name")),
            ("a \" -> \"/etc", '0', 0o644, "", None),
            ("..a/b..", '0', 0o644, "", None),
            ("a/b", '2', 0o777, "../c/./d", None),
            ("./ä b", '0', 0o644, "", None),
        ] {
            let lines = listed(&[(name, kind, mode, target)], 0, &[]);
            let [line] = &lines[..] else {
                panic!("{name:?}: {lines:?}")
            };
            match why {
                Some(why) => assert!(line.starts_with(&format!("bad {why}: ")), "{name:?}: {line}"),
                None => assert_eq!(*line, format!("entry f 0 {}", name.trim_start_matches("./"))),
            }
        }
        assert_eq!(listed(&[], 0, &[]), Vec::<String>::new());
    }

    #[test]
    fn folders_are_cut_off_and_patterns_left_out() {
        let all = [
            ("top/", '5', 0o755, ""),
            ("top/README.md", '0', 0o644, ""),
            ("top/bin/a+b", '0', 0o644, ""),
            ("top/bin/axb", '0', 0o644, ""),
            ("top/docs/", '5', 0o755, ""),
            ("top/docs/one", '0', 0o644, ""),
            ("top/up", '2', 0o777, "../x"),
        ];
        let found = listed(&all[..6], 1, &["*.md", "docs", "bin/a+b"]);
        assert_eq!(found, ["entry f 0 bin/axb"]);
        assert_eq!(listed(&all[..6], 2, &[]).len(), 3);
        assert_eq!(listed(&all[..2], 0, &[]), ["entry d 0 top", "entry f 0 top/README.md"]);
        // It leads out only of what is left.
        assert!(listed(&all, 1, &[])[5].starts_with("bad a link that leads out"));
        assert_eq!(listed(&all, 0, &[]).len(), 7);
    }

    fn run(script: &str) -> String {
        let mut command = std::process::Command::new("sh");
        let output = command.arg("-c").arg(script).output().expect("sh runs");
        String::from_utf8(output.stdout).expect("text")
    }

    /// A folder with an archive, what was extracted from it (`dest`), and its record.
    fn extracted() -> tempfile::TempDir {
        let folder = tempfile::TempDir::new().expect("a folder");
        run(&format!(
            "cd {}; mkdir dest record; cd dest; mkdir bin etc; echo one >bin/run; echo a >etc/conf
             tar -cf ../app.tar bin; find . -mindepth 1 | sort >../record/names; {{ {STATE}; }} <../record/names >../record/state
             printf 'strip 0\n' >../record/of",
            folder.path().display()
        ));
        folder
    }

    /// What `script` prints for them after `change` in `dest`.
    fn after(folder: &tempfile::TempDir, change: &str, script: &str) -> Vec<String> {
        let path = folder.path().display();
        let text = run(&format!(
            "(cd {path}/dest; {change}); r={path}/record src={path}/app.tar dest={path}/dest\n{}",
            script.replace("STATE", STATE)
        ));
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn files_are_missed_also_where_none_is_left() {
        let (kept, run, conf) = ("strip 0", "changed bin/run", "changed etc/conf");
        let (bin, etc) = ("changed bin", "changed etc");
        for (change, expected) in [
            ("", &[kept][..]),
            ("rm bin/run", &[kept, run]),
            ("echo mine >etc/conf", &[kept, conf]),
            ("rm -r bin", &[kept, bin, run]),
            ("rm -r *", &[kept, bin, run, etc, conf]),
            ("rm -r *; echo mine >other", &[kept, bin, run, etc, conf]),
        ] {
            let mut found = after(&extracted(), change, RECORDED);
            found.sort_unstable_by_key(|line| (line != kept, line.clone()));
            let mut expected = expected.to_vec();
            expected.sort_unstable_by_key(|line| (*line != kept, *line));
            assert_eq!(found, expected, "{change}");
        }
    }

    #[test]
    fn only_what_goes_is_named() {
        let script = format!("{}{PREVIEWED}", functions(Selection { strip: 0, exclude: &[] }));
        for (change, expected) in [
            ("", &["removes etc", "removes etc/conf"][..]),
            ("echo mine >etc/own", &["removes etc/conf"]),
            ("rm etc/conf", &["removes etc"]),
            ("rm -r etc", &[]),
            ("mkdir etc/a; touch \"$(printf 'etc/a/b\nc')\"", &["removes etc/conf"]),
        ] {
            let mut found = after(&extracted(), change, &script);
            found.retain(|line| line.starts_with("removes "));
            assert_eq!(found, expected, "{change}");
        }
    }

    #[test]
    fn another_file_in_a_place_of_the_archive_gives_another_state() {
        let script = format!("{}{PREVIEWED}", functions(Selection { strip: 0, exclude: &[] }));
        let folder = extracted();
        let state = |change: &str| -> String {
            let lines = after(&folder, change, &script);
            lines
                .into_iter()
                .find(|line| line.starts_with("state "))
                .expect("a state")
        };
        let first = state("");
        assert_eq!(state("echo mine >other"), first);
        let gone = state("rm bin/run");
        assert_ne!(gone, first);
        assert_ne!(state("echo MINE >bin/run"), gone);
        assert_eq!(state("rm -r bin; mkdir bin"), gone);
        // A folder that an earlier operation creates is empty.
        let empty = state("rm -r *");
        assert_eq!(state("rmdir ../dest"), empty);
    }

    #[test]
    fn what_comes_in_place_of_a_new_folder_is_left_alone() {
        let functions = functions(Selection { strip: 0, exclude: &[] });
        let script = EXTRACT.replace("chmod 0700 /var/lib/homelab /var/lib/homelab/archives", "true");
        let values = "owner=$(id -u):$(id -g) of= digest=$(sha256sum <$src | cut -c 1-64)";
        let victim = "mkdir -m 700 ../victim; echo kept >../victim/file; rm -r *";
        for (swap, made) in [
            ("", "bin/run\n"),
            (
                "mktemp() { ln -s ../victim ./.homelab-archive.aaaaaa; echo ./.homelab-archive.aaaaaa; }",
                "",
            ),
            (
                "mkdir() { command mkdir \"$@\"; case $* in *./bin) rmdir bin; ln -s ../victim bin ;; esac; }",
                "",
            ),
        ] {
            let folder = extracted();
            after(
                &folder,
                victim,
                &format!("{functions}{ENTER}{values}\n{swap}\n{script}"),
            );
            let look = "cat victim/*; stat -c %a victim; ls -A victim; cd dest; find bin -type f";
            let left = run(&format!("cd {}; {look} 2>/dev/null", folder.path().display()));
            assert_eq!(left, format!("kept\n700\nfile\n{made}"), "{swap}");
        }
    }

    #[test]
    fn a_name_that_comes_twice_is_one_file() {
        let folder = extracted();
        let script = format!("{}{PREVIEWED}", functions(Selection { strip: 0, exclude: &[] }));
        let found = after(&folder, "echo longer >bin/run; tar -rf ../app.tar bin", &script);
        assert_eq!(found[0], "files 1 7");
    }

    #[test]
    fn the_words_of_the_program_say_why_an_archive_cannot_be_read() {
        let script = format!("{}{PREVIEWED}", functions(Selection { strip: 0, exclude: &[] }));
        let bad = "bad it cannot be read as an archive: ";
        for (cut, why) in [
            ("gzip <../app.tar | head -c 60", "gzip: stdin: unexpected end of file"),
            ("head -c 1100 ../app.tar", "tar: Unexpected EOF in archive"),
        ] {
            let change = format!("{cut} >../cut && mv ../cut ../app.tar");
            assert_eq!(after(&extracted(), &change, &script), [format!("{bad}{why}")]);
        }
    }

    #[test]
    fn a_file_that_is_no_archive_is_no_empty_archive() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "hello\n".repeat(200)).expect("written");
        let selection = Selection { strip: 0, exclude: &[] };
        let script = format!("{}hl_kind \"$1\"; hl_list \"$1\" 2>/dev/null", functions(selection));
        let mut command = std::process::Command::new("sh");
        let output = command.arg("-c").arg(script).arg("sh").arg(file.path()).output();
        assert_eq!(
            output.expect("sh runs").stdout,
            b"bad it cannot be read as an archive: tar: This does not look like a tar archive\n"
        );
    }
}
