//! Rings of modules that name each other, at every level of the tree.
//!
//! At each module with children, the nodes are the children, each with all that is below it. An edge is a path in code:
//! `use` or written out, also inside macros. A path leads to the module that defines what it names: re-exports are
//! followed. Three things are no edge, since none of them makes one module depend on another:
//!
//! - a declaration (`mod name;`);
//! - a re-export of what a module below defines (`pub use name::Item;`). One of anything else is an edge like any `use`;
//! - code for tests (`#[cfg(test)]`), which may look at everything.
//!
//! The own code of a parent is a node too, but rings through it are told apart: a parent that uses its children, and
//! defines what they use, is one module in several files. That may be honest, as siblings that need each other are not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A module below `src/`, by the names that lead to it; none for the root.
type Place = Vec<String>;
/// From which module to which.
type Edges = BTreeSet<(Place, Place)>;

/// What was found in the sources.
#[derive(Default)]
pub(crate) struct Found {
    /// Rings of children, as `parent: one, two`, with the edges that make each.
    pub(crate) rings: BTreeMap<String, String>,
    /// Rings through the own code of a parent, as `parent: child`, with those edges.
    pub(crate) parents: BTreeMap<String, String>,
}

/// Looks for rings in files, given by their path below `src/` and their text.
pub(crate) fn find(sources: &[(&str, &str)]) -> Found {
    let mut modules = Modules::default();
    for (path, text) in sources {
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        modules.read(&place(path), tokens);
    }
    let edges = modules.edges();
    let mut found = Found::default();
    for parent in modules.code.keys() {
        let mut named = named_below(parent, &edges);
        for (ring, told) in rings(&named) {
            if ring.contains(&OWN) {
                found.parents.insert(shown(parent, &ring), told);
            }
        }
        named.remove(OWN);
        let siblings = rings(&named).into_iter();
        found
            .rings
            .extend(siblings.map(|(ring, told)| (shown(parent, &ring), told)));
    }
    found
}

/// How the own code of a parent is called among its children.
const OWN: &str = "its own code";

/// The module that a file below `src/` holds.
fn place(path: &str) -> Place {
    let names = path.trim_end_matches(".rs").split('/');
    let mut place: Place = names.map(str::to_owned).collect();
    if place.last().is_some_and(|name| name == "mod") || ["lib.rs", "main.rs"].contains(&path) {
        place.pop();
    }
    place
}

/// What the code of a module names.
#[derive(Default)]
struct Code {
    /// What each name that is brought in stands for.
    imports: BTreeMap<String, Place>,
    /// Paths that are edges, absolute.
    references: BTreeSet<Place>,
}

#[derive(Default)]
struct Modules {
    code: BTreeMap<Place, Code>,
    /// Modules that are there for tests alone.
    for_tests: BTreeSet<Place>,
}

impl Modules {
    fn read(&mut self, place: &Place, tokens: TokenStream) {
        self.code.entry(place.clone()).or_default();
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let rest = &tokens[at..];
            at += match token {
                TokenTree::Punct(_) if is_for_tests(rest) => self.skip(place, rest),
                TokenTree::Ident(word) if word == "mod" => self.inner_module(place, rest),
                TokenTree::Ident(word) if word == "use" => {
                    let is_public = at.checked_sub(1).is_some_and(|before| is_visibility(&tokens[before]));
                    self.imports(place, rest, is_public)
                }
                TokenTree::Ident(_) => self.path(place, rest),
                TokenTree::Group(group) => {
                    self.read(place, group.stream());
                    1
                }
                _ => 1,
            };
        }
    }

    /// Goes past an item for tests.
    fn skip(&mut self, place: &Place, tokens: &[TokenTree]) -> usize {
        let is_end = |token: &TokenTree| is_punct(Some(token), ';') || braces(Some(token)).is_some();
        let end = tokens.iter().position(is_end).unwrap_or(tokens.len() - 1);
        let name = tokens[..end].iter().rev();
        if let [Some(TokenTree::Ident(name)), Some(TokenTree::Ident(word))] = first_two(name)
            && word == "mod"
        {
            self.for_tests.insert(below(place, &name.to_string()));
        }
        end + 1
    }

    fn inner_module(&mut self, place: &Place, tokens: &[TokenTree]) -> usize {
        if let (Some(TokenTree::Ident(name)), Some(code)) = (tokens.get(1), braces(tokens.get(2))) {
            self.read(&below(place, &name.to_string()), code.stream());
            return 3;
        }
        1
    }

    fn imports(&mut self, place: &Place, tokens: &[TokenTree], is_public: bool) -> usize {
        let end = tokens.iter().position(|token| is_punct(Some(token), ';'));
        let end = end.unwrap_or(tokens.len());
        for (name, path) in use_tree(&[], &tokens[1..end]) {
            let is_own_child = path
                .first()
                .is_some_and(|first| !["crate", "super"].contains(&first.as_str()));
            let path = absolute(place, &path);
            let code = self.code.entry(place.clone()).or_default();
            if !(is_public && is_own_child) {
                code.references.insert(path.clone());
            }
            code.imports.insert(name, path);
        }
        end
    }

    /// Takes a path that is written out.
    fn path(&mut self, place: &Place, tokens: &[TokenTree]) -> usize {
        let mut path = vec![];
        let mut at = 0;
        while let Some(TokenTree::Ident(name)) = tokens.get(at) {
            path.push(name.to_string());
            at += 1;
            if !is_punct(tokens.get(at), ':') || !is_punct(tokens.get(at + 1), ':') {
                break;
            }
            at += 2;
        }
        if path.len() > 1 {
            let code = self.code.entry(place.clone()).or_default();
            code.references.insert(absolute(place, &path));
        }
        at
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (place, code) in &self.code {
            for path in &code.references {
                if let Some(end) = self.resolve(path, 0)
                    && ![place, &end].iter().any(|one| self.is_for_tests(one))
                {
                    edges.insert((place.clone(), end));
                }
            }
        }
        edges
    }

    fn is_for_tests(&self, place: &Place) -> bool {
        self.for_tests.iter().any(|tests| place.starts_with(tests))
    }

    /// The module that defines what a path names; `None` for what is not of these modules.
    fn resolve(&self, path: &[String], hops: usize) -> Option<Place> {
        const MOST_HOPS: usize = 16;
        let mut place = Place::new();
        for (index, name) in path.iter().enumerate() {
            let next = below(&place, name);
            if self.code.contains_key(&next) {
                place = next;
                continue;
            }
            return match self.code.get(&place)?.imports.get(name) {
                Some(target) if hops < MOST_HOPS && target != path => {
                    let whole = [target, &path[index + 1..]].concat();
                    self.resolve(&whole, hops + 1)
                }
                // What the root does not define comes from elsewhere, and so does what leads there.
                _ if place.is_empty() => None,
                _ => Some(place),
            };
        }
        Some(place)
    }
}

/// Which child of a parent names which, its own code among them.
fn named_below<'a>(parent: &'a Place, edges: &'a Edges) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges {
        if let (Some(from), Some(to)) = (node(parent, from), node(parent, to))
            && from != to
        {
            named.entry(from).or_default().insert(to);
        }
    }
    named
}

/// Each ring, with the edges that make it.
fn rings<'a>(named: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeMap<Vec<&'a str>, String> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = named.keys().map(|one| (*one, reached(one, named))).collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|all| all.contains(to));
    let mut rings = BTreeMap::new();
    for one in named.keys().filter(|one| reaches(one, one)) {
        let is_of_ring = |other: &&str| reaches(one, other) && reaches(other, one);
        let ring: Vec<&str> = named.keys().copied().filter(is_of_ring).collect();
        let mut told = String::new();
        for from in &ring {
            let to: Vec<&str> = named[from].iter().copied().filter(|to| ring.contains(to)).collect();
            let _ = writeln!(told, "  {from} names {}", to.join(", "));
        }
        rings.insert(ring, told);
    }
    rings
}

/// What a module counts as where the children of `parent` are looked at: the child that it lies in, or the parent itself.
fn node<'a>(parent: &'a Place, place: &'a Place) -> Option<&'a str> {
    let rest = place.strip_prefix(parent.as_slice())?;
    Some(rest.first().map_or(OWN, String::as_str))
}

/// All that one leads to; what names nothing leads nowhere.
fn reached<'a>(from: &str, named: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = named.get(from).into_iter().flatten().copied().collect();
    while let Some(one) = open.pop() {
        if found.insert(one) {
            open.extend(named.get(one).into_iter().flatten());
        }
    }
    found
}

fn shown(parent: &Place, ring: &[&str]) -> String {
    let parent = if parent.is_empty() {
        "src".to_owned()
    } else {
        parent.join("::")
    };
    let children: Vec<&str> = ring.iter().copied().filter(|one| *one != OWN).collect();
    format!("{parent}: {}", children.join(", "))
}

/// The names that a `use` brings in, and the path of each as it is written. A glob brings in the module itself.
fn use_tree(prefix: &[String], tokens: &[TokenTree]) -> Vec<(String, Vec<String>)> {
    let mut path = prefix.to_vec();
    let mut alias = None;
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "as" => alias = tokens.next().map(ToString::to_string),
            TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let branches = inner.split(|token| is_punct(Some(token), ','));
                return branches
                    .filter(|branch| !branch.is_empty())
                    .flat_map(|branch| use_tree(&path, branch))
                    .collect();
            }
            _ => {}
        }
    }
    let name = alias.or_else(|| path.last().cloned());
    name.map(|name| (name, path)).into_iter().collect()
}

/// A path from the root; one without any of the words for places begins in the module itself.
fn absolute(place: &Place, path: &[String]) -> Place {
    let mut start = place.clone();
    let mut rest = path;
    while let Some((first, more)) = rest.split_first() {
        match first.as_str() {
            "crate" | "homelab" => start.clear(),
            "super" => drop(start.pop()),
            "self" => {}
            _ => break,
        }
        rest = more;
    }
    [start, rest.to_vec()].concat()
}

fn below(place: &Place, name: &str) -> Place {
    [place.as_slice(), &[name.to_owned()]].concat()
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn braces(token: Option<&TokenTree>) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

/// `pub`, or the end of `pub(…)`.
fn is_visibility(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(word) => word == "pub",
        TokenTree::Group(group) => group.delimiter() == Delimiter::Parenthesis,
        _ => false,
    }
}

fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let attribute = |token: &TokenTree| token.to_string().replace(' ', "") == "[cfg(test)]";
    is_punct(tokens.first(), '#') && tokens.get(1).is_some_and(attribute)
}

fn first_two<'a>(mut tokens: impl Iterator<Item = &'a TokenTree>) -> [Option<&'a TokenTree>; 2] {
    [tokens.next(), tokens.next()]
}

#[cfg(test)]
mod tests {
    use super::find;

    #[track_caller]
    fn found(sources: &[(&str, &str)]) -> Vec<String> {
        find(sources).rings.into_keys().collect()
    }

    #[track_caller]
    fn parents(sources: &[(&str, &str)]) -> Vec<String> {
        find(sources).parents.into_keys().collect()
    }

    const ROOT: (&str, &str) = ("lib.rs", "mod a;");

    #[test]
    fn two_modules_that_use_each_other_are_a_ring() {
        let ring = ["a: one, two"];
        for (one, two) in [
            ("use super::two::X;", "use super::one::Y;"),
            ("use crate::a::two::X;", "fn f() { super::one::y(); }"),
            ("use super::{two::{self, X}};", "use super::{three::Z, one::Y as W};"),
            (
                "fn f() { println!(\"{}\", super::two::X); }",
                "pub(super) use super::one::Y;",
            ),
            ("use super::two;", "use super::*; use super::one;"),
        ] {
            let sources = [
                ROOT,
                ("a/mod.rs", "mod one; mod two;"),
                ("a/one.rs", one),
                ("a/two.rs", two),
            ];
            assert_eq!(found(&sources), ring, "{one} {two}");
        }
    }

    #[test]
    fn a_ring_of_three_is_told_with_its_edges() {
        let sources = [
            ROOT,
            ("a/mod.rs", "mod one; mod two; mod three;"),
            ("a/one.rs", "use super::two::X;"),
            ("a/two.rs", "use super::three::Y;"),
            ("a/three.rs", "use super::one::Z; use std::fmt;"),
        ];
        assert_eq!(
            find(&sources).rings["a: one, three, two"],
            "  one names two\n  three names one\n  two names three\n"
        );
    }

    #[test]
    fn what_points_one_way_is_none() {
        let sources = [
            ROOT,
            ("a/mod.rs", "mod one; mod two; pub use one::X; pub use two::{self, Y};"),
            (
                "a/one.rs",
                "//! use super::two::X;\n/* super::two */ fn f() { \"super::two::X\"; }",
            ),
            ("a/two.rs", "use super::one::X; use super::X as W; pub struct Y;"),
        ];
        assert_eq!(found(&sources), [""; 0]);
    }

    #[test]
    fn re_exports_hide_nothing() {
        let sources = [
            ROOT,
            ("a/mod.rs", "mod one; mod two; pub use one::X; pub(crate) use two::Y;"),
            ("a/one.rs", "use super::Y; pub struct X;"),
            ("a/two.rs", "use crate::a::X; pub struct Y;"),
        ];
        assert_eq!(found(&sources), ["a: one, two"]);
    }

    #[test]
    fn a_parent_whose_own_code_uses_a_child_that_uses_it_is_told_apart() {
        let own = "mod one; pub struct P; fn f() { one::g(); }";
        let child = ("a/one.rs", "use super::P; pub fn g() {}");
        assert_eq!(parents(&[ROOT, ("a/mod.rs", own), child]), ["a: one"]);
        assert_eq!(found(&[ROOT, ("a/mod.rs", own), child]), [""; 0]);
        let declares = "mod one; pub use one::g; pub struct P;";
        assert_eq!(parents(&[ROOT, ("a/mod.rs", declares), child]), [""; 0]);
        let alone = ("a/one.rs", "pub fn g() {}");
        assert_eq!(parents(&[ROOT, ("a.rs", own), alone]), [""; 0]);
    }

    #[test]
    fn each_ring_is_told_alone() {
        let sources = [
            ROOT,
            ("a/mod.rs", "mod one; mod two; mod three; mod four; mod five;"),
            ("a/one.rs", "use super::two::X;"),
            ("a/two.rs", "use super::{one::Y, three::Z};"),
            ("a/three.rs", "use super::four::X;"),
            ("a/four.rs", "use super::{three::Y, five::Z};"),
            ("a/five.rs", ""),
        ];
        assert_eq!(found(&sources), ["a: four, three", "a: one, two"]);
    }

    #[test]
    fn a_ring_may_close_far_below() {
        let sources = [
            ROOT,
            ("a/mod.rs", "mod one; mod two;"),
            ("a/one/mod.rs", "mod deep; mod other; pub struct O;"),
            ("a/one/deep.rs", "use crate::a::two::T;"),
            ("a/one/other.rs", "mod inline { use super::super::O; }"),
            ("a/two.rs", "use super::one::other::U; pub struct T;"),
        ];
        assert_eq!(found(&sources), ["a: one, two"]);
    }

    #[test]
    fn code_for_tests_may_look_at_everything() {
        let sources = [
            ROOT,
            ("a/mod.rs", "mod one; mod two;"),
            (
                "a/one.rs",
                "#[cfg(test)] use super::two::{X, Y};\n#[cfg(test)]\n#[expect(x)] mod tests { use super::super::two::X; }",
            ),
            ("a/two.rs", "use super::one::X; #[cfg(test)] mod tests;"),
            ("a/two/tests.rs", "use super::*; use crate::a::one::Y;"),
        ];
        assert_eq!(found(&sources), [""; 0]);
    }
}
