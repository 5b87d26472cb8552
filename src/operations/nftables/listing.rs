//! What `nft list ruleset` says, by tables.

use std::collections::{BTreeMap, BTreeSet};

/// The tables of a listing: family and name, and the text of each. What a program adds to a set while packets come in is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    tables: BTreeMap<String, String>,
    /// Tables that belong to the `iptables` commands.
    of_iptables: BTreeSet<String>,
}

impl Listing {
    pub(super) fn of(text: &str) -> Self {
        let mut listing = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(name) = managed_by_iptables(line) {
                listing.of_iptables.insert(name.to_owned());
            }
            let Some(name) = table_name(line) else { continue };
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "}").collect();
            if body
                .iter()
                .any(|line| line.contains("xt match ") || line.contains("xt target "))
            {
                listing.of_iptables.insert(name.to_owned());
            }
            let text = format!("{line}\n{}}}\n", without_dynamic_elements(&body));
            listing.tables.insert(name.to_owned(), text);
        }
        listing
    }

    pub(super) fn names(&self) -> BTreeSet<String> {
        self.tables.keys().cloned().collect()
    }

    /// The tables among `names`.
    pub(super) fn only(&self, names: &BTreeSet<String>) -> Self {
        let meant = self.tables.iter().filter(|(name, _)| names.contains(*name));
        Self {
            tables: meant.map(|(name, text)| (name.clone(), text.clone())).collect(),
            of_iptables: BTreeSet::new(),
        }
    }

    /// A table of this listing that the `iptables` commands manage on the host that `now` is of.
    pub(super) fn foreign<'a>(&'a self, now: &Self) -> Option<&'a str> {
        let mut names = self.tables.keys();
        names.find(|name| now.of_iptables.contains(*name)).map(String::as_str)
    }

    pub(super) fn text(&self) -> String {
        self.tables.values().map(String::as_str).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

/// Family and name of the table that begins in a line.
fn table_name(line: &str) -> Option<&str> {
    Some(line.strip_prefix("table ")?.split_once(" {")?.0)
}

fn managed_by_iptables(line: &str) -> Option<&str> {
    Some(line.strip_prefix("# Warning: table ")?.split_once(" is managed by ")?.0)
}

/// The lines of a table. Elements of sets whose elements come and go by themselves are no part of the rules.
fn without_dynamic_elements(body: &[&str]) -> String {
    let mut text = String::new();
    let mut is_dynamic = false;
    let mut lines = body.iter();
    while let Some(line) = lines.next() {
        let words = line.trim();
        if words.ends_with('{') {
            is_dynamic = false;
        }
        if let Some(flags) = words.strip_prefix("flags ") {
            let come_and_go = |flag: &str| ["dynamic", "timeout"].contains(&flag.trim());
            is_dynamic |= flags.split(',').any(come_and_go);
        }
        if is_dynamic && words.starts_with("elements = {") {
            // Elements end with a brace of their own; nft starts a new line after a comma.
            let mut last = words;
            while !last.ends_with('}') {
                let Some(next) = lines.next() else { break };
                last = next.trim();
            }
            continue;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# Warning: table ip nat is managed by iptables-nft, do not touch!\n\
table ip nat {\n\tchain POSTROUTING {\n\t\tfib daddr type local counter masquerade\n\t}\n}\n\
table inet lab {\n\tset seen {\n\t\ttype ipv4_addr\n\t\tsize 65535\n\t\tflags dynamic,timeout\n\t\ttimeout 1m\n\
\t\telements = { 127.0.0.1 expires 3s,\n\t\t\t     127.0.0.2 expires 4s }\n\t}\n\n\
\tset fixed {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.3, 10.1.1.1,\n\t\t\t     10.1.1.2 }\n\t}\n\n\
\tchain input {\n\t\ttcp dport 80 accept comment \"web { x\"\n\t}\n}\n\
table ip old {\n\tchain x {\n\t\txt match \"addrtype\"\n\t}\n}\n";

    #[test]
    fn tables_are_compared_one_by_one() {
        let now = Listing::of(HOST);
        assert_eq!(
            now.names().into_iter().collect::<Vec<_>>(),
            ["inet lab", "ip nat", "ip old"]
        );
        let lab = now.only(&["inet lab".to_owned()].into());
        assert!(!lab.text().contains("127.0.0"), "{}", lab.text());
        assert!(lab.text().contains("10.1.1.2"), "{}", lab.text());
        assert_eq!(Listing::of(&lab.text()), lab);
        for (name, expected) in [
            ("ip nat", Some("ip nat")),
            ("ip old", Some("ip old")),
            ("inet lab", None),
        ] {
            let wanted = Listing::of(&format!("table {name} {{\n}}\n"));
            assert_eq!(wanted.foreign(&now), expected);
        }
        assert!(Listing::of("").is_empty());
    }
}
