//! What was at a path before a step, kept on the host so that it can be put back.
//!
//! Each step that keeps something has a folder of its own on the host, below the folder of its run:
//!
//! | File | Content |
//! |---|---|
//! | `path` | the path |
//! | `was` | what was there, in a word (`absent`, `kept`, `linked`, `attributes`, `value`), or `not kept: ` and the reason |
//! | `old` | the file, link or small directory itself, or the value of a kernel parameter |
//! | `back` | a script that puts it back: `sh FOLDER/back` needs to know nothing else |
//!
//! So a later run, or a timer of the host, can put back what this run kept.
//!
//! Where the host does not have to put it back by itself, a file or link gets a second name below `tree`, under its own path,
//! which copies
//! nothing: what replaces it is a new file. A file that is written in place is copied.

use serde::{Deserialize, Serialize};

use super::Step;
use super::resolved_path::{ResolvedPath, enter, enter_by_path, number_of_end, stage_named};
use crate::facts::path::{is_below, parent};
use crate::facts::unit::UnitFilePath;
use crate::quote::{delimiter, quote, quote_all};

/// The folder for previous files, below homelab's own.
const FOLDER: &str = "previous";
/// How many earlier runs keep their previous files.
const MOST_RUNS: u32 = 31;
/// How much the previous files of earlier runs may take up, in KiB.
const MOST_KEPT: u32 = 256 * 1024;
/// What is larger is not copied, in bytes: a file gets a second name instead, a directory is not kept.
const LARGEST_COPY: u32 = 16 << 20;

/// The folder below a run's for what gets a second name.
const TREE: &str = "tree";

/// The folder of one run on a host, for what the run replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The folder for all runs.
    folder: String,
    run: String,
}

impl Previous {
    /// The folder of `run` below `state_folder`, where homelab keeps its state. Names of runs sort by time.
    pub fn new(state_folder: &str, run: &str) -> Self {
        Self {
            folder: format!("{state_folder}/{FOLDER}"),
            run: run.to_owned(),
        }
    }

    /// The run's name.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Where the file or link at `path` gets its second name.
    pub fn place(&self, path: &str) -> String {
        format!("{}{path}", self.tree())
    }

    fn tree(&self) -> String {
        format!("{}/{}/{TREE}", self.folder, self.run)
    }

    /// Shell text that removes what the oldest runs kept.
    pub fn clear(&self) -> String {
        clear(&self.folder)
    }

    /// Shell text that gives the files and links at `paths` a second name, or copies them if they are written in place, or have other
    /// names by which they may be written later. It never fails: what cannot be kept is missed only by a rollback.
    pub fn keep_all<'a>(&self, paths: impl IntoIterator<Item = &'a str>, in_place: bool) -> String {
        let paths = quote_all(paths);
        let tree = quote(&self.tree());
        let each = format!("find {paths} -maxdepth 0 ! -type d");
        let copy = format!(
            "-size -{}k -exec cp -a -n --parents -t {tree} -- {{}} +",
            LARGEST_COPY / 1024 + 1
        );
        let keep = if in_place {
            format!("{each} {copy}")
        } else {
            format!("{each} \\( -links 1 -exec cp -al --parents -t {tree} -- {{}} + -o {copy} \\) || {each} {copy}")
        };
        format!("{{ mkdir -p -- {tree} && {{ {keep}; }}; }} </dev/null >/dev/null 2>&1 || :\n")
    }

    /// The same before `step` alone; `None` if it replaces and removes nothing, or only after a look at who may change the
    /// directories above. `absent` runs if nothing is there.
    pub fn keep(&self, step: &Step, resolved: Option<&ResolvedPath>, absent: Option<&str>) -> Option<String> {
        let path = match step {
            Step::WriteFile(step) => &step.path,
            Step::Link(step) => &step.path,
            Step::Remove(step) => &step.path,
            _ => return None,
        };
        if resolved.is_some_and(|resolved| resolved.is_open) {
            return None;
        }
        let in_place = resolved.is_some_and(|resolved| resolved.in_place);
        let place = quote(path);
        Some(format!(
            "if [ -L {place} ] || [ -f {place} ]; then\n{keep}{otherwise}fi\n",
            keep = self.keep_all([path.as_str()], in_place),
            otherwise = absent.map_or_else(String::new, |absent| format!("elif [ ! -e {place} ]; then {absent}\n")),
        ))
    }

    /// What `step` is about to change, as its entry `number` in this folder; `None` if it changes no path of its own. The entry
    /// with the number 0 is also where earlier runs are cleared away.
    pub fn before(&self, step: &Step, resolved: Option<&ResolvedPath>, number: usize) -> Option<Kept> {
        let (path, what) = match step {
            Step::WriteFile(step) => (&step.path, What::Whole),
            Step::Link(step) => (&step.path, What::Whole),
            Step::Remove(step) => (&step.path, What::Whole),
            Step::MakeDirectory(step) => (&step.path, What::Attributes),
            // What is in it may be large: the review says how much that is.
            Step::RemoveDirectory(step) => (&step.path, What::Attributes),
            Step::SetAttributes(step) => (&step.path, What::Attributes),
            // What was there before is where it came from.
            Step::MovePath(_) | Step::Reboot(_) | Step::WriteRecord(_) => return None,
            Step::Run(command) => (command.sets_attributes_of.as_ref()?, What::Attributes),
        };
        let resolved = resolved.filter(|resolved| resolved.path == *path);
        Some(self.entry(path, resolved, what, number))
    }

    /// A file that a command is about to change, such as `/etc/passwd`.
    pub fn of_file(&self, path: &str, number: usize) -> Kept {
        self.entry(path, None, What::Whole, number)
    }

    /// A kernel parameter that a command is about to set, by its file below `/proc/sys`.
    pub fn of_parameter(&self, path: &str, number: usize) -> Kept {
        self.entry(path, None, What::Value, number)
    }

    fn entry(&self, path: &str, resolved: Option<&ResolvedPath>, what: What, number: usize) -> Kept {
        Kept {
            path: path.to_owned(),
            folder: format!("{}/{}/{number:04}", self.folder, self.run),
            clears: (number == 0).then(|| self.folder.clone()),
            resolved: resolved.cloned(),
            what,
            must: false,
        }
    }
}

/// What a step is about to change, and where that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub path: String,
    /// Its folder on the host.
    pub folder: String,
    /// The folder for all runs, if those of earlier ones are to be cleared away.
    clears: Option<String>,
    resolved: Option<ResolvedPath>,
    what: What,
    /// Whether the step must not run if this cannot be kept.
    must: bool,
}

/// How much of a path a step may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Whole,
    /// Owner, group and mode, or whether it exists at all.
    Attributes,
    /// What the kernel says is in it.
    Value,
}

impl Kept {
    /// The same, and the step fails if it cannot be kept.
    #[must_use]
    pub fn or_fail(mut self) -> Self {
        self.must = true;
        self
    }

    /// Whether the file, link or directory itself is kept, and not only its attributes.
    pub fn is_whole(&self) -> bool {
        self.what == What::Whole
    }

    /// Shell text that keeps what is there now. It runs right before the step, in a subshell of its own.
    pub fn script(&self) -> String {
        let back = self.back();
        let place = match self.open_path() {
            Some(resolved) => format!("{}at=./$n\n", enter(resolved)),
            None => format!("at={}\n", quote(&self.path)),
        };
        let lost = if self.must {
            "printf '%s cannot be kept, so it is not changed: %s\\n' \"$p\" \"$1\"; exit 1"
        } else {
            "was \"not kept: $1\"; exit 0"
        };
        let whole = match self.what {
            What::Whole => format!(
                "if [ -L \"$at\" ]; then copy\n\
                 elif [ -f \"$at\" ]; then\n\
                 if [ \"$(stat -c %s -- \"$at\")\" -le {LARGEST_COPY} ]; then copy; sync -- \"$k/old\"\n\
                 else ln -- \"$at\" \"$k/old\" 2>/dev/null || lost 'it is large, and on another file system'; was linked; exit; fi\n\
                 elif [ -d \"$at\" ]; then\n\
                 size=$(timeout 20 du -s -k -- \"$at\" 2>/dev/null) || lost 'the size of the directory is not known'\n\
                 [ \"${{size%%[!0-9]*}}\" -le {} ] || lost 'the directory is large'\n\
                 copy\n\
                 else lost 'it is neither a file nor a link'; fi\n\
                 was kept",
                LARGEST_COPY / 1024
            ),
            What::Attributes => {
                "stat -c '%u:%g 0%a' -- \"$at\" >\"$k/old\" || lost 'it cannot be read'\nwas attributes".to_owned()
            }
            What::Value => "cat -- \"$at\" >\"$k/old\" || lost 'it cannot be read'\nwas value".to_owned(),
        };
        format!(
            "k={folder} p={path}\n\
             {clear}\
             umask 077\n\
             full() {{ printf '%s was not changed: homelab could not write to %s, where it keeps what it replaces; see `df %s`\\n' \"$p\" \"$k\" \"${{k%/*/*}}\"; exit 1; }}\n\
             mkdir -p -- \"${{k%/*}}\" && mkdir -- \"$k\" || full\n\
             {{ printf %s \"$p\" >\"$k/path\"; }} 2>/dev/null || full\n\
             cat >\"$k/back\" <<'{delimiter}'\n{back}\n{delimiter}\n\
             [ $? = 0 ] || full\n\
             was() {{ {{ printf '%s\\n' \"$1\" >\"$k/was.new\" && mv -f -- \"$k/was.new\" \"$k/was\"; }} 2>/dev/null || full; }}\n\
             lost() {{ {lost}; }}\n\
             copy() {{ cp -a -- \"$at\" \"$k/old\" 2>/dev/null || {{ rm -rf -- \"$k/old\"; lost 'there is no room for a copy'; }}; }}\n\
             {place}\
             if [ ! -e \"$at\" ] && [ ! -L \"$at\" ]; then was absent; exit; fi\n\
             {whole}",
            folder = quote(&self.folder),
            path = quote(&self.path),
            clear = self.clears.as_deref().map_or_else(String::new, clear),
            delimiter = delimiter(&back),
        )
    }

    /// The command that puts it back: it prints why if it cannot, and does nothing if the step was never begun.
    pub fn put_back(&self) -> String {
        format!(
            "[ ! -f {back} ] || sh {back}",
            back = quote(&format!("{}/back", self.folder))
        )
    }

    fn open_path(&self) -> Option<&ResolvedPath> {
        self.resolved.as_ref().filter(|resolved| resolved.is_open)
    }

    /// The text of the script `back`.
    fn back(&self) -> String {
        let steps = match (self.open_path(), self.what) {
            (Some(resolved), What::Whole) => whole_on_open_path(resolved),
            (Some(resolved), What::Attributes) => attributes_on_open_path(resolved),
            (None, What::Whole) => self.whole(),
            (None, What::Attributes) => ATTRIBUTES.to_owned(),
            (_, What::Value) => VALUE.to_owned(),
        };
        format!(
            "umask 077\n\
             PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C\n\
             export PATH LC_ALL\n\
             k={folder} p={path}\n\
             [ -f \"$k/was\" ] || exit 0\n\
             was=$(cat \"$k/was\")\n\
             case $was in\n\
             'put back') exit 0 ;;\n\
             'not kept'*) printf '%s was %s\\n' \"$p\" \"$was\"; exit 1 ;;\n\
             esac\n\
             r=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \\n')\n\
             gone() {{ if [ -d \"$1\" ] && [ ! -L \"$1\" ]; then rmdir -- \"$1\" 2>/dev/null || {{ printf '%s is new and not empty, so it stays\\n' \"$p\"; exit 1; }}; else rm -f -- \"$1\" || exit; fi; }}\n\
             copied() {{ case $was in linked) ln -- \"$k/old\" \"$1\" ;; *) cp -a -- \"$k/old\" \"$1\" && {{ [ -L \"$1\" ] || [ -d \"$1\" ] || sync -- \"$1\"; }} ;; esac; }}\n\
             alike() {{ [ ! -f \"$k/old\" ] || [ -L \"$k/old\" ] || cmp -s -- \"$k/old\" \"$1\" || {{ printf '%s is not as it was, although it was put back\\n' \"$p\"; exit 1; }}; }}\n\
             {steps}\
             if {{ echo 'put back' >\"$k/was.new\" && mv -f -- \"$k/was.new\" \"$k/was\"; }} 2>/dev/null; then [ \"$was\" != linked ] || rm -f -- \"$k/old\"; fi{load}",
            folder = quote(&self.folder),
            path = quote(&self.path),
            load = loaded(&self.path),
        )
    }

    fn whole(&self) -> String {
        let place = if self.resolved.as_ref().is_some_and(|resolved| resolved.in_place) {
            // Empty in between: neither content is seen by those who may not.
            ": >\"$p\" && chown -- \"$(stat -c %u:%g \"$k/old\")\" \"$p\" && chmod -- \"0$(stat -c %a \"$k/old\")\" \"$p\" \
             && cat <\"$k/old\" >\"$p\" && sync -- \"$p\" || exit"
        } else {
            // In the place of a directory, its old content as a whole.
            "if [ -d \"$p\" ] && [ ! -L \"$p\" ]; then\n\
             if [ ! -d \"$k/old\" ] || [ -L \"$k/old\" ]; then printf '%s is a directory now\\n' \"$p\"; exit 1; fi\n\
             copied \"$t\" && mv -T -- \"$p\" \"$t-new\" && { mv -T -- \"$t\" \"$p\" || { mv -T -- \"$t-new\" \"$p\"; exit 1; }; } || exit\n\
             else copied \"$t\" && mv -f -T -- \"$t\" \"$p\" || exit; fi"
        };
        format!(
            "t={beside}/.homelab-$r\n\
             trap 'rm -rf -- \"$t\" \"$t-new\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
             if [ \"$was\" = absent ]; then gone \"$p\"; else\n\
             {place}\n\
             alike \"$p\"\n\
             fi\n",
            beside = quote(parent(&self.path).trim_end_matches('/')),
        )
    }
}

/// Whether systemd has to load its files again if this one changes.
fn is_of_unit(path: &str) -> bool {
    UNIT_FOLDERS.iter().any(|folder| is_below(path, folder))
}

/// Where files of units and their drop-ins are.
const UNIT_FOLDERS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
];

/// Shell text that has systemd load its files, if this is one of them.
fn loaded(path: &str) -> String {
    if !is_of_unit(path) {
        return String::new();
    }
    match UnitFilePath::of(path) {
        Some(UnitFilePath { unit, drop_in: None }) => format!("{LOAD}{}", forgotten(unit)),
        _ => LOAD.to_owned(),
    }
}

/// Shell text after which systemd does not list a unit, or those of a template, as failed of which the file was new and is gone.
/// One that is started again and again is stopped first.
fn forgotten(unit: &str) -> String {
    let unit = quote(&unit.replacen("@.", "@*.", 1));
    format!(
        "\n[ \"$was\" != absent ] || for u in $(systemctl list-units --plain --no-legend --state=failed,activating -- {unit} 2>/dev/null </dev/null | cut -d ' ' -f 1); do\n\
         [ \"$(systemctl show -p LoadState --value -- \"$u\")\" = not-found ] || continue\n\
         systemctl stop -- \"$u\"; systemctl reset-failed -- \"$u\"\n\
         done </dev/null >/dev/null 2>&1 || :"
    )
}

/// Units are restarted with the files that systemd has loaded.
const LOAD: &str = "\n[ ! -d /run/systemd/system ] || systemctl daemon-reload </dev/null >/dev/null 2>&1 || echo 'systemd could not load its files'";

/// Puts back owner and mode.
const ATTRIBUTES: &str = r#"if [ "$was" = absent ]; then gone "$p"; else
read -r owner mode <"$k/old" && chown -h -- "$owner" "$p" && chmod -- "$mode" "$p" || exit
fi
"#;

/// The kernel gives a parameter the value that it had.
const VALUE: &str = r#"[ "$was" = absent ] || cat -- "$k/old" >"$p" || exit
"#;

fn whole_on_open_path(resolved: &ResolvedPath) -> String {
    format!(
        "if [ \"$was\" = absent ]; then\n\
         {}gone \"./$n\"\n\
         else\n\
         {}{}\
         if [ -d \"../$n\" ] && [ ! -L \"../$n\" ]; then printf '%s is a directory now\\n' \"$p\"; exit 1; fi\n\
         copied ./new && mv -f -T -- ./new \"../$n\" || exit\n\
         fi\n",
        enter(resolved),
        enter_by_path(resolved),
        stage_named(resolved, "$r"),
    )
}

/// Of the reviewed file only: another user could have put one of root's in its place.
fn attributes_on_open_path(resolved: &ResolvedPath) -> String {
    let set = |path: &str| {
        format!("read -r owner mode <\"$k/old\" && chown -h -- \"$owner\" {path} && chmod -- \"$mode\" {path} || exit")
    };
    let Some(number) = number_of_end(resolved) else {
        return format!("if [ \"$was\" = absent ]; then\n{}gone \"./$n\"\nfi\n", enter(resolved));
    };
    format!(
        "{enter}if [ \"$was\" = absent ]; then gone \"./$n\"\n\
         elif [ -d \"./$n\" ]; then\n\
         cd -P -- \"./$n\" 2>/dev/null && [ \"$(pwd -P)\" = \"${{d%/}}/$n\" ] && [ \"$(stat -c %d:%i .)\" = {number} ] || changed\n\
         {}\n\
         else\n\
         {}ln -- \"../$n\" ./old 2>/dev/null && [ -f ./old ] && [ ! -L ./old ] && [ \"$(stat -c '%h %d:%i' ./old)\" = '2 {number}' ] || changed\n\
         {}\n\
         fi\n",
        set("."),
        stage_named(resolved, "$r"),
        set("./old"),
        enter = enter(resolved),
    )
}

/// Shell text that removes what the oldest runs kept in `folder`.
fn clear(folder: &str) -> String {
    format!(
        "( cd -- {folder} 2>/dev/null || exit 0\n\
         set -- ./*T*Z-*/\n\
         [ -d \"$1\" ] || exit 0\n\
         n=0 sum=0\n\
         du -s -k -- \"$@\" | sort -r -k 2 | while read -r size run; do\n\
         n=$((n + 1)) sum=$((sum + size))\n\
         [ $n -le {MOST_RUNS} ] && [ $sum -le {MOST_KEPT} ] || rm -rf -- \"$run\"\n\
         done )\n",
        folder = quote(folder),
    )
}
