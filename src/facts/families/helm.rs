//! Reads releases of Helm from their Secrets, and has the host's own `helm` render charts in a dry run.
//!
//! A chart is in memory of the host while it is read: the file has no name any more before `helm` opens it.

mod answered;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use answered::Answered;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::kubernetes::reach;
use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable};
use crate::facts::helm::{
    AskedRelease, CHART_LABEL, RELEASE_NAME, RELEASE_NAMESPACE, REVISION_LABEL, ReleaseFact, ReleaseKey, label,
};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::kubernetes::Api;
use crate::quote::{quote, quoted_script};

/// How long one call may take, in seconds.
const LONGEST: u64 = 60;

static HELM: Family = Family {
    subject: "what Helm says",
    probe,
    allowance: |keys| Duration::from_secs(6 * LONGEST * keys.len() as u64),
    parse,
};

impl<'a> Readable<'a> for ReleaseKey<'a> {
    const FAMILY: &'static Family = &HELM;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// What is read of the Secret of each revision: number, status, name, and what homelab wrote.
const REVISIONS: &str = r#"{{range .items}}{{$l := .metadata.labels}}{{$l.version}} {{$l.status}} {{.metadata.name}} {{with index $l "CHART"}}{{.}}{{else}}-{{end}} {{with index $l "REVISION"}}{{.}}{{else}}-{{end}}
{{end}}"#;

/// Shell functions.
///
/// `hl_objects` makes JSON of manifests, without asking the server. `hl_render` prints what `helm upgrade` would do with the chart in
/// file 3. Where it cannot, since a kind is missing that the chart brings, a revision was not finished or an object is of another release,
/// `hl_template` prints the same without these checks: Helm 4 then asks the server nothing, not even for what a chart looks up.
const FUNCTIONS: &str = r#"hl_pack() { gzip -c | base64 | tr -d "\n"; echo; }
hl_why() { tr -s "\n\t" "  " | cut -c 1-65536 | sed "s/ *$//"; }
hl_annotate() { printf "%s\n" "$y" | hl_kubectl annotate --local --overwrite -f - -o json NAME="$r" NAMESPACE="$n"; }
hl_objects() (
y=$(cat)
case $y in *kind*) ;; *) printf "" | hl_pack; exit ;; esac
if j=$(hl_annotate 2>/dev/null); then printf "%s\n" "$j" | hl_pack
else echo "unreadable $(hl_annotate 2>&1 >/dev/null | hl_why)"; fi
)
hl_render() { printf "%s" "$values" | hl_helm upgrade --install "$r" /dev/fd/3 -n "$n" -f - --dry-run=server; }
hl_template() {
for d in server client; do
m=$(printf "%s" "$values" | hl_helm template "$r" /dev/fd/3 -n "$n" -f - --dry-run=$d $upgrade --kube-version="$k" $versions) && break
done && printf "%s\n" "$m"
}
hl_both() {
for i in 1 2; do
o=$($1 2>/dev/null) || { echo "refused $($1 2>&1 >/dev/null | grep -v "^WARNING: \|^level=" | hl_why)"; return; }
if [ $1 = hl_render ]; then
[ $i = 2 ] || printf "hooks %s\n" "$(printf "%s\n" "$o" | sed -n "/^HOOKS:\$/,/^MANIFEST:\$/p" | sed -e 1d -e "\$d" | hl_objects)"
o=$(printf "%s\n" "$o" | sed -n "/^MANIFEST:\$/,\$p" | sed -e 1d -e "/^NOTES:\$/,\$d")
else
[ $i = 2 ] || echo apart
fi
printf "rendered %s\n" "$(printf "%s\n" "$o" | hl_objects)"
done
}
hl_release() {
r=$1 n=$2 chart=$3 always=$4
s=$(hl_kubectl get secrets -n "$n" -l owner=helm,name="$r" -o go-template="$t" 2>/dev/null) || { echo silent; return; }
p=$(hl_helm version --template "{{.Version}}" 2>/dev/null) && echo "program $p" || p=
number= status= secret= own= revision= upgrade=
s=$(printf "%s\n" "$s" | sort -n)
while read -r number status secret own revision; do [ -z "$number" ] || echo "revision $number $status"; done <<END
$s
END
read -r number status secret own revision <<END
$(printf "%s\n" "$s" | tail -n 1)
END
if [ -n "$number" ]; then
upgrade=--is-upgrade
printf "payload %s %s %s\n" "$own" "$revision" "$(hl_kubectl get secret "$secret" -n "$n" -o go-template="{{.data.release | base64decode}}")"
[ -z "$p" ] || printf "stored %s\n" "$(hl_helm get manifest "$r" -n "$n" --revision "$number" | hl_objects)"
fi
[ -n "$chart" ] && [ -n "$p" ] || return
if [ -z "$always" ] && [ "$status" = deployed ] && [ "$own" = "$chart" ] && [ "$revision" = "$number" ]; then
g=$(hl_helm get values "$r" -n "$n" -o json 2>/dev/null); [ "$g" != null ] || g="{}"
[ "$g" != "$values" ] || return
fi
f=$(mktemp /dev/shm/homelab.XXXXXX) || f=$(mktemp)
printf "%s" "$packed" | base64 -d >"$f"; exec 3<"$f"; rm -f "$f"
w=$(hl_render 2>&1 >/dev/null); case $w in
*"no matches for kind"*|*"another operation"*|*"invalid ownership metadata"*)
k=$(hl_kubectl get --raw /version | sed -n "s/.*\"gitVersion\": *\"\([^\"]*\)\".*/\1/p")
versions=$(hl_kubectl api-versions | sed "s/^/--api-versions=/")
hl_both hl_template ;;
*) hl_both hl_render ;;
esac
exec 3<&-
}
"#;

/// For each release a line `release NUMBER`, then `absent`, `denied WHY` or `silent`, or: `program VERSION`, `revision NUMBER STATUS` for
/// each, `payload CHART REVISION …` and `stored …` of the last, `hooks …` and `rendered …` (twice), with `apart` or `refused WHY`.
fn probe(keys: &[FactKey]) -> String {
    let functions = FUNCTIONS
        .replace("NAMESPACE=", &format!("{RELEASE_NAMESPACE}="))
        .replace("NAME=", &format!("{RELEASE_NAME}="));
    let template = REVISIONS
        .replace("CHART", CHART_LABEL)
        .replace("REVISION", REVISION_LABEL);
    let mut text = format!("(export LC_ALL=C\n{}{functions}t={}\n", Api::path(), quote(&template));
    for (index, asked) in asked(keys) {
        let values = asked.body.0.values.as_ref().map_or("{}", |values| values.expose());
        let values = quoted_script(values).map_or_else(|_| quote(values), std::borrow::Cow::into_owned);
        let _ = writeln!(
            text,
            "echo release {index}\n{reach}\nhl_helm() {{ timeout -k 5 {LONGEST} {helm} \"$@\"; }}\n\
             values={values}\npacked={packed}\nhl_there && hl_release {words}",
            reach = reach(&asked.api),
            helm = asked.api.helm(),
            packed = STANDARD.encode(&asked.body.0.chart),
            words = [
                asked.release.as_str(),
                &asked.namespace,
                label(&asked.chart),
                if asked.always { "always" } else { "" }
            ]
            .map(quote)
            .join(" "),
        );
    }
    text.push(')');
    text
}

fn asked(keys: &[FactKey]) -> impl Iterator<Item = (usize, &AskedRelease)> {
    keys.iter().enumerate().filter_map(|(index, key)| {
        let ReleaseKey(question) = ReleaseKey::of(key)?;
        Some((index, &*question.0))
    })
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let asked: BTreeMap<usize, &AskedRelease> = asked(keys).collect();
    let mut sections: Vec<(usize, Answered)> = Vec::new();
    for line in lines(answer) {
        let unreadable = || UnreadableAnswer::new(format!("Helm: `{}`", line.chars().take(200).collect::<String>()));
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        if word == "release" {
            sections.push((rest.parse().map_err(|_| unreadable())?, Answered::default()));
            continue;
        }
        let (_, section) = sections.last_mut().ok_or_else(unreadable)?;
        section.read(word, rest).ok_or_else(unreadable)?;
    }
    let fact = |(index, section): (usize, Answered)| {
        let asked = asked
            .get(&index)
            .ok_or_else(|| UnreadableAnswer::new("Helm: a release that was not asked for"))?;
        let fact = match section.denied {
            Some(why) => Fact::Denied(why),
            None if section.is_absent => Fact::HelmRelease(ReleaseFact::NotAsked),
            None => Fact::HelmRelease(ReleaseFact::Asked(Box::new(section.release(asked)?))),
        };
        Ok((keys[index].clone(), fact))
    };
    sections.into_iter().map(fact).collect()
}

#[cfg(test)]
mod tests;
