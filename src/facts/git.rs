//! Shell text that reads a working tree of git and what its source has now, and that brings the tree to a commit.
//!
//! All of it runs as the owner of the tree, in the tree, and only where the tree has a `.git` of its own: git would look for one in the
//! folders above, and would run what another user wrote in a configuration.

use serde::{Deserialize, Serialize};

use crate::facts::Identity;
use crate::quote::quote;

/// A working tree, and what it should have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkingTree {
    pub src: String,
    pub dest: String,
    pub user: Option<String>,
    pub target: Target,
    pub submodules: bool,
}

/// What of a repository is checked out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The branch that the source names as its default.
    Default,
    Branch(String),
    Tag(String),
    /// All digits of a commit.
    Commit(String),
}

impl WorkingTree {
    /// The user that git runs as.
    pub fn by(&self) -> Identity {
        self.user.clone().map_or(Identity::Root, Identity::User)
    }

    fn variables(&self) -> String {
        let (branch, tag, commit) = match &self.target {
            Target::Default => ("", "", ""),
            Target::Branch(branch) => (branch.as_str(), "", ""),
            Target::Tag(tag) => ("", tag.as_str(), ""),
            Target::Commit(commit) => ("", "", commit.as_str()),
        };
        format!(
            "src={} dest={} branch={} tag={} commit={} submodules={}\n{ENVIRONMENT}",
            quote(&self.src),
            quote(&self.dest),
            quote(branch),
            quote(tag),
            quote(commit),
            if self.submodules { "yes" } else { "''" },
        )
    }

    /// Shell text that prints a line for each thing known: `missing`, or `absent`, `empty`, `unfinished`, `foreign USER`, `open PATH`,
    /// `other` or `repository`; of a repository `head COMMIT`, `origin URL`, `branch NAME`, `interrupted`, `changed XY PATH`, `commits COUNT` that only
    /// it has and `submodule PATH` for one that is not as recorded; then `remote COMMIT` and `default BRANCH`, or `none` if the source
    /// has no such thing, or `unreachable WHY`.
    pub fn probe(&self) -> String {
        let script = format!("{}{PROBE}", self.variables());
        let probe = self.by().run(&format!("timeout -k 5 {LONGEST_PROBE}"), &script);
        format!(
            "{probe}\ncase $? in 124|137) printf \"\\nunreachable reading it took more than {LONGEST_PROBE} seconds\\n\" ;; esac"
        )
    }

    /// Shell text, for the owner of the tree, that checks out `commit`; without one what the source has then. `force` discards what only
    /// the host has.
    pub fn update(&self, commit: Option<&str>, depth: Option<u32>, force: bool) -> String {
        format!(
            "{}new={} depth={} force={}\n{UPDATE}",
            self.variables(),
            quote(commit.unwrap_or_default()),
            depth.map_or_else(|| "''".to_owned(), |depth| format!("--depth={depth}")),
            if force { "-f" } else { "''" },
        )
    }
}

/// How long reading one tree and its source may take, in seconds.
const LONGEST_PROBE: u32 = 50;

/// How many changed files are named.
pub const MOST: usize = 20;

/// Questions get no answer, and a source names no program: only these protocols are used. What others than root can write is
/// not root's: git would run programs that it names.
const ENVIRONMENT: &str = r#"export LC_ALL=C GIT_TERMINAL_PROMPT=0 GIT_ALLOW_PROTOCOL=file:git:http:https:ssh
export GIT_HTTP_LOW_SPEED_LIMIT=1 GIT_HTTP_LOW_SPEED_TIME=60
up=${dest%/*}; export GIT_CEILING_DIRECTORIES="${up:-/}"
unset GIT_DIR GIT_WORK_TREE GIT_ASKPASS SSH_ASKPASS DISPLAY SUDO_UID
hl_ssh() { s=$(git config core.sshCommand); export GIT_SSH_COMMAND="${s:-ssh} -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=20"; }
hl_own() { [ "$(stat -c %u "$1")" = "$(id -u)" ]; }
hl_open() { [ "$(id -u)" = 0 ] && find . .git .git/config .git/hooks .git/info .git/objects -maxdepth 0 \( ! -user 0 -o -perm /022 \) 2>/dev/null | head -n 1 | grep .; }
hl_changed() { git -c core.fsmonitor=false status --porcelain -uno --ignore-submodules=all 2>/dev/null | head -n 20; }
hl_commits() { git rev-list --count HEAD $(git rev-parse -q --verify "refs/heads/$1") --not --remotes --tags --glob="refs/homelab/*"; }
"#;

/// Without a tree that is its user's alone, nothing is asked: git would read what is configured there.
const PROBE: &str = r#"export GIT_OPTIONAL_LOCKS=0
command -v git >/dev/null || { echo missing; exit; }
head= origin=
if ! cd -P -- "$dest" 2>/dev/null; then echo absent; cd /
elif ! hl_own .; then echo "foreign $(stat -c %U .)"; exit
elif [ -L .git ] || [ -e .git ] && ! [ -d .git ]; then echo other; exit
elif o=$(hl_open); then echo "open $o"; exit
elif [ -d .git ]; then
hl_own .git && git rev-parse --git-dir >/dev/null 2>&1 || { echo other; exit; }
echo repository
head=$(git rev-parse -q --verify "HEAD^{commit}") && echo "head $head"
origin=$(git config --get remote.origin.url | head -n 1); echo "origin $origin"
git symbolic-ref -q --short HEAD | sed "s/^/branch /"
git rev-parse -q --verify refs/homelab/wanted >/dev/null && echo interrupted
hl_changed | sed "s/^/changed /"
[ -z "$submodules" ] || ! [ -f .gitmodules ] || git submodule status --recursive 2>/dev/null | sed -n "s/^[-+U][0-9a-f]* \(.*\)/\1/p" | sed "s/ (.*)$//; s/^/submodule /" | head -n 20
elif [ -d .homelab-git ] && ! [ -L .homelab-git ] && hl_own .homelab-git; then echo unfinished; cd /
elif [ -z "$(ls -A)" ]; then echo empty; cd /
else echo other; exit
fi
if [ -n "$commit" ] && [ "$head" = "$commit" ] && [ "$origin" = "$src" ]; then echo "remote $commit"; exit; fi
hl_ssh
if [ -n "$branch" ]; then ref=refs/heads/$branch; elif [ -n "$tag" ]; then ref=refs/tags/$tag; else ref=HEAD; fi
export ref commit
said=$(timeout -k 5 20 git ls-remote --symref -- "$src" "$ref" "$ref^{}" 2>&1) || {
[ -n "$said" ] || said="it did not answer in 20 seconds"
printf "unreachable %s\n" "$(printf "%s\n" "$said" | grep -v "^warning:" | head -n 6 | tr -s "\r\n\t " " " | cut -c 1-500 | sed "s/ *$//")"; exit; }
remote=$(printf "%s\n" "$said" | awk -F "\t" '
$1 ~ /^[0-9a-f]+$/ && length($1) >= 40 { if ($2 == ENVIRON["ref"]) at = $1; if ($2 == ENVIRON["ref"] "^{}") peeled = $1 }
$1 ~ /^ref: refs\/heads\// && $2 == "HEAD" && ENVIRON["ref"] == "HEAD" { print "default " substr($1, 17) }
END { if (ENVIRON["commit"] != "") at = peeled = ENVIRON["commit"]; if (peeled) at = peeled; print at ? "remote " at : "none" }')
printf "%s\n" "$remote"
[ -n "$head" ] || exit
hl_commits "${branch:-$(printf "%s\n" "$remote" | sed -n "s/^default //p")}" | sed "s/^/commits /""#;

/// A new repository is made under another name, and gets its own once all files are there: what was interrupted is not taken for one.
/// In a repository that is there, `refs/homelab/wanted` says so: what was checked out in part is no change of another user.
/// The commit is the one of the review, also if the source has a newer one by now.
const UPDATE: &str = r#"cd -P -- "$dest" && [ "$(pwd -P)" = "$dest" ] && hl_own . || { echo "$dest is not a directory of $(id -un)"; exit 1; }
command -v git >/dev/null || { echo "git is not installed"; exit 1; }
if o=$(hl_open); then echo "other users can change $o in $dest"; exit 1; fi
fresh=
if ! [ -e .git ] && ! [ -L .git ]; then
[ -d .homelab-git ] && hl_own .homelab-git || [ -z "$(ls -A)" ] || { echo "$dest is not empty any more"; exit 1; }
rm -rf .homelab-git && git init -q --bare .homelab-git && git --git-dir=.homelab-git config core.bare false || exit
trap 'rm -rf .homelab-git' EXIT
trap 'exit 1' HUP INT TERM PIPE
export GIT_DIR=.homelab-git GIT_WORK_TREE=.
fresh=yes force=-f
elif [ -L .git ] || ! [ -d .git ] || ! hl_own .git; then echo "$dest has a .git that is not its own"; exit 1
else rm -rf .homelab-git; fi
hl_ssh
git config --replace-all remote.origin.url "$src" && git config --replace-all remote.origin.fetch "+refs/heads/*:refs/remotes/origin/*" || exit
if [ -z "$branch$tag$commit" ]; then
branch=$(git ls-remote --symref origin HEAD) || exit
branch=$(printf "%s\n" "$branch" | sed -n "s/^ref: refs\/heads\/\(.*\)[[:space:]]HEAD$/\1/p")
fi
if [ -z "$force" ] && git rev-parse -q --verify "HEAD^{commit}" >/dev/null; then
[ -z "$(hl_changed)" ] || { echo "$dest has local changes now:"; hl_changed; exit 1; }
[ "$(hl_commits "$branch")" = 0 ] || { echo "$dest has commits of its own now"; exit 1; }
git update-ref refs/homelab/deployed HEAD || exit
fi
hl_fetch() { git fetch -q --no-recurse-submodules $depth "$@"; }
if [ -n "$branch" ]; then hl_fetch origin "+refs/heads/$branch:refs/remotes/origin/$branch" || exit
elif [ -n "$tag" ]; then hl_fetch origin "+refs/tags/$tag:refs/tags/$tag" || exit
elif [ -z "$commit" ]; then hl_fetch origin HEAD || exit
elif ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
hl_fetch origin "$commit" 2>/dev/null || git fetch -q --no-recurse-submodules --tags origin || exit
new=$commit
fi
[ -n "$new$commit" ] || new=$(git rev-parse -q --verify "FETCH_HEAD^{commit}") || exit
: "${new:=$commit}"
git cat-file -e "$new^{commit}" 2>/dev/null || hl_fetch origin "$new" 2>/dev/null
git cat-file -e "$new^{commit}" 2>/dev/null || { echo "$src does not have the commit $new"; exit 1; }
trap - EXIT HUP INT TERM PIPE
[ -n "$fresh" ] || [ -z "$force" ] || ! git rev-parse -q --verify refs/homelab/wanted >/dev/null || rm -f .git/index.lock
git update-ref refs/homelab/wanted "$new" || exit
if [ -n "$branch" ]; then git checkout -q $force -B "$branch" "$new"; else git checkout -q $force --detach "$new"; fi || {
code=$?; [ -n "$(hl_changed)" ] || git update-ref -d refs/homelab/wanted; exit $code; }
[ -z "$branch" ] || git branch -q --set-upstream-to="origin/$branch" "$branch" || exit
git update-ref refs/homelab/deployed "$new" && git update-ref -d refs/homelab/wanted || exit
if [ -n "$fresh" ]; then unset GIT_DIR GIT_WORK_TREE; mv -T .homelab-git .git || exit; fi
if [ -n "$submodules" ] && [ -f .gitmodules ]; then
case $src in /*|file:*) ;; *) export GIT_ALLOW_PROTOCOL=git:http:https:ssh ;; esac
git submodule -q sync --recursive && git submodule -q update --init --recursive ${force:+--force} $depth || exit
fi"#;

#[cfg(test)]
mod tests;
