//! Asks a host for its k3s.

use std::time::Duration;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable};
use crate::facts::k3s::{AGENT_UNIT, DATA, DRAINED, K3s, K3sKey, Node, NodeState, PROGRAM, SERVER_UNIT, SETTINGS};
use crate::facts::key::{Fact, FactKey};

/// How long one call of k3s may take, in seconds. Its program is large, and a node that has just started is busy.
const LONGEST: u64 = 30;

static K3S: Family = Family {
    subject: "k3s",
    probe,
    allowance: |_| Duration::from_secs(2 * LONGEST),
    parse,
};

impl Readable<'_> for K3sKey {
    const FAMILY: &'static Family = &K3S;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// What stands before the answer about the node: `kubectl` may complain about the API server before that, and succeed.
const MARK: &str = "homelab-node ";

/// The node is asked for by its own credential, which servers and agents have. It may read itself; an API server that has just started
/// does not know that yet.
fn probe(_: &[FactKey]) -> String {
    format!(
        "k={PROGRAM} d={DATA} s={SETTINGS} u=\n\
         [ ! -x $k ] || {{ timeout {LONGEST} $k --version </dev/null 2>/dev/null | sed -n '1{{s/^k3s version \\([^ ]*\\).*stand-in.*/program \\1\\nstand-in/;s/^k3s version \\([^ ]*\\).*/program \\1/;p}}'; }}\n\
         for w in {SERVER_UNIT} {AGENT_UNIT}; do [ ! -e /etc/systemd/system/$w ] || {{ echo unit $w; u=$w; }}; done\n\
         [ ! -d $d/server/db ] || echo data\n\
         [ ! -r $d/server/token ] || echo \"token $(sed 's/^K10[^:]*::[^:]*://' $d/server/token | tr -d '\\n' | sha256sum | cut -c1-64)\"\n\
         [ -n \"$u\" ] && [ -x $k ] && [ \"$(systemctl show -p ActiveState --value -- $u)\" = active ] || exit 0\n\
         t=$(TZ=UTC systemctl show --timestamp=us+utc -p ExecMainStartTimestamp --value -- $u)\n\
         [ -z \"$(find $k $s/config.yaml $s/registries.yaml $s/token $s/agent-token /etc/systemd/system/$u $d/agent/images -maxdepth 1 -newerct \"$t\" 2>/dev/null | head -n 1)\" ] || echo outdated\n\
         n=$(sed -n 's/^node-name: *\"\\{{0,1\\}}\\([^\"]*\\)\"\\{{0,1\\}}$/\\1/p' $s/config.yaml 2>/dev/null)\n\
         [ -n \"$n\" ] || n=$(hostname | tr A-Z a-z)\n\
         for i in 1 2 3 4 5 6; do\n\
         o=$(timeout {LONGEST} $k kubectl --kubeconfig=$d/agent/kubelet.kubeconfig --cache-dir=/dev/null/none --request-timeout=20s get node \"$n\" \
         -o go-template='{MARK}{{{{.metadata.name}}}} {{{{.status.nodeInfo.kubeletVersion}}}} {{{{if index .metadata.annotations \"{DRAINED}\"}}}}drained{{{{else}}}}-{{{{end}}}} \
         {{{{range .status.conditions}}}}{{{{if eq .type \"Ready\"}}}}{{{{.status}}}} {{{{.reason}}}}: {{{{.message}}}}{{{{end}}}}{{{{end}}}}' </dev/null 2>&1)\n\
         c=$?; case $c:$o in 0:*) break ;; *Forbidden*) sleep 2 ;; *) break ;; esac; done\n\
         if [ $c = 124 ]; then echo silent no answer within {LONGEST} s; elif [ $c = 0 ]; then echo \"node $(printf %s \"${{o#*{MARK}}}\" | tr '\\n' ' ')\"; else echo \"silent $(printf '%s\\n' \"$o\" | tail -n 1)\"; fi"
    )
}

fn parse(_: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let mut found = K3s::default();
    for line in lines(answer) {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match (word, rest) {
            ("program", version) => found.program = Some(version.to_owned()),
            ("stand-in", _) => found.is_stand_in = true,
            ("unit", SERVER_UNIT) => found.is_server = true,
            ("unit", AGENT_UNIT) => found.is_agent = true,
            ("data", _) => found.has_data = true,
            ("token", digest) => found.token = Some(digest.to_owned()),
            ("outdated", _) => found.is_outdated = true,
            ("silent", why) => found.node = Node::Silent(why.to_owned()),
            ("node", state) => found.node = Node::Known(node(state).ok_or_else(|| unreadable(&line))?),
            _ => return Err(unreadable(&line)),
        }
    }
    Ok(vec![(FactKey::K3s, Fact::K3s(Box::new(found)))])
}

fn node(line: &str) -> Option<NodeState> {
    let mut words = line.splitn(4, ' ');
    let (name, version, drained, ready) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (status, reason) = ready.trim().split_once(' ').unwrap_or((ready.trim(), ""));
    Some(NodeState {
        name: name.to_owned(),
        version: version.to_owned(),
        is_ready: status == "True",
        reason: if status == "True" {
            String::new()
        } else {
            reason.trim().to_owned()
        },
        is_drained: drained == "drained",
    })
}

fn unreadable(line: &str) -> UnreadableAnswer {
    UnreadableAnswer::new(format!("k3s: `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> K3s {
        let facts = parse(&[FactKey::K3s], 0, answer.as_bytes()).expect("readable");
        match facts.into_iter().next() {
            Some((_, Fact::K3s(found))) => *found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_read_line_by_line() {
        assert_eq!(read(""), K3s::default());
        let found = read(
            "program v1.34.4+k3s1\nstand-in\nunit k3s.service\ndata\ntoken ab\noutdated\n\
             node one v1.34.4+k3s1 - True KubeletReady: kubelet is posting ready status\n",
        );
        assert!(found.is_stand_in && found.is_server && !found.is_agent && found.has_data && found.is_outdated);
        assert_eq!(found.token.as_deref(), Some("ab"));
        let Node::Known(node) = found.node else {
            panic!("{found:?}")
        };
        assert_eq!(
            (node.name.as_str(), node.is_ready, node.reason.as_str()),
            ("one", true, "")
        );
        let found =
            read("unit k3s-agent.service\nnode two v1.34.4+k3s1 drained False KubeletNotReady: network not ready\n");
        let Node::Known(node) = found.node else {
            panic!("{found:?}")
        };
        assert!(node.is_drained && !node.is_ready);
        assert_eq!(node.reason, "KubeletNotReady: network not ready");
        assert_eq!(
            read("silent connection refused\n").node,
            Node::Silent("connection refused".to_owned())
        );
        assert!(parse(&[FactKey::K3s], 0, b"nonsense\n").is_err());
    }

    #[test]
    fn an_empty_host_says_nothing() {
        let output = std::process::Command::new("sh")
            .args(["-c", &probe(&[])])
            .output()
            .expect("sh runs");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success());
    }
}
