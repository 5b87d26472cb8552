//! The files of the project that are manifests.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Fault;
use crate::error::suggestion;

/// How templates end.
const TEMPLATE: &str = ".j2";
/// How manifests end, without that.
const ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];

/// A manifest, by its path below `templates/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) is_rendered: bool,
}

/// The manifests that `src` names and `exclude` does not, in the order of `src`, those of a folder in that of their names.
///
/// Errors: one of them does not exist, or has no manifests; one of `exclude` matches none.
pub(super) fn sources<'a>(
    names: impl Iterator<Item = &'a str>,
    src: &[String],
    exclude: &[String],
) -> Result<Vec<Source<'a>>, Fault> {
    let names: BTreeSet<&str> = names.collect();
    let mut found: Vec<Source<'a>> = Vec::new();
    for wanted in src {
        for source in of_one(&names, wanted)? {
            if found.iter().all(|one| one.path != source.path) {
                found.push(source);
            }
        }
    }
    let is_meant = |source: &Source<'_>, excluded: &str| bare(source.path) == bare(excluded);
    for excluded in exclude {
        if !found.iter().any(|source| is_meant(source, excluded)) {
            let known = found.iter().map(|source| source.path);
            return Err(Fault::of(
                "exclude",
                excluded,
                format!("`{excluded}` in `exclude` matches no file of `src`"),
                "no such file",
            )
            .hint(
                suggestion(excluded, known)
                    .unwrap_or_else(|| "write its path below `templates/`, or remove it".to_owned()),
            ));
        }
    }
    found.retain(|source| exclude.iter().all(|excluded| !is_meant(source, excluded)));
    if found.is_empty() {
        let title = "`exclude` leaves no file of `src`";
        let item = exclude.first().map(String::as_str).unwrap_or_default();
        return Err(Fault::of("exclude", item, title, "everything is left out").hint("remove some of them"));
    }
    Ok(found)
}

/// A path without what says that it is a template.
fn bare(path: &str) -> &str {
    path.strip_suffix(TEMPLATE).unwrap_or(path)
}

fn is_manifest(path: &str) -> bool {
    ENDINGS.iter().any(|ending| bare(path).ends_with(ending))
}

fn source(path: &str) -> Source<'_> {
    Source {
        path,
        is_rendered: path.ends_with(TEMPLATE),
    }
}

/// The manifests of one entry of `src`.
fn of_one<'a>(names: &BTreeSet<&'a str>, wanted: &str) -> Result<Vec<Source<'a>>, Fault> {
    let wanted_path = wanted.trim_end_matches('/');
    let template = format!("{wanted_path}{TEMPLATE}");
    if let Some(path) = [wanted_path, &template].iter().find_map(|path| names.get(*path)) {
        if is_manifest(path) {
            return Ok(vec![source(path)]);
        }
        let title = format!("`templates/{path}` is not a manifest");
        return Err(
            Fault::of("src", wanted, title, "must end with `.yaml`, `.yml` or `.json`")
                .hint("rename the file, or name another one"),
        );
    }
    let folder = format!("{wanted_path}/");
    let inside = names
        .iter()
        .filter_map(|path| Some((*path, path.strip_prefix(&folder)?)));
    let mut own: BTreeMap<&str, Source<'a>> = BTreeMap::new();
    let mut below: BTreeSet<&str> = BTreeSet::new();
    let mut is_folder = false;
    for (path, name) in inside {
        is_folder = true;
        match name.split_once('/') {
            None if is_manifest(path) => drop(own.insert(name, source(path))),
            None => {}
            Some(_) if !is_manifest(path) => {}
            Some((folder, _)) => drop(below.insert(folder)),
        }
    }
    if !own.is_empty() {
        return Ok(own.into_values().collect());
    }
    if !is_folder {
        return Err(missing(names, wanted));
    }
    let title = format!("`templates/{wanted_path}` has no manifests");
    let fault = Fault::of(
        "src",
        wanted,
        title,
        "no file there ends with `.yaml`, `.yml` or `.json`",
    );
    Err(match below.first() {
        Some(first) => fault.hint(format!(
            "folders within are read only if `src` names them, such as `{wanted_path}/{first}`"
        )),
        None => fault.hint("put manifests there, or name another folder"),
    })
}

fn missing(names: &BTreeSet<&str>, wanted: &str) -> Fault {
    let title = format!("`templates/{wanted}` does not exist");
    let fault = Fault::of("src", wanted, title, "no such file or folder in the project");
    let inner = wanted
        .trim_start_matches("templates/")
        .trim_start_matches('/')
        .trim_end_matches('/');
    let folders: BTreeSet<&str> = names
        .iter()
        .filter(|path| is_manifest(path))
        .filter_map(|path| path.rsplit_once('/').map(|(folder, _)| folder))
        .collect();
    let known: Vec<&str> = folders
        .iter()
        .copied()
        .chain(names.iter().copied().filter(|path| is_manifest(path)))
        .collect();
    if inner != wanted && known.iter().any(|one| bare(one) == bare(inner)) {
        return fault.hint(format!("paths start below `templates/`: write `{inner}`"));
    }
    fault.hint(suggestion(wanted, known).unwrap_or_else(|| format!("create `templates/{wanted}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 7] = [
        "shop/b.yaml",
        "shop/a.yml.j2",
        "shop/c.json",
        "shop/README.md",
        "shop/crds/x.yaml",
        "nested/deep/y.yaml",
        "motd",
    ];

    fn found(src: &[&str], exclude: &[&str]) -> Result<Vec<String>, String> {
        let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let found = sources(NAMES.into_iter(), &texts(src), &texts(exclude));
        found
            .map(|all| all.into_iter().map(|source| source.path.to_owned()).collect())
            .map_err(|fault| format!("{}; {}", fault.title, fault.hint.unwrap_or_default()))
    }

    #[test]
    fn files_and_folders_are_named_below_templates() {
        for (src, exclude, expected) in [
            (
                &["shop"][..],
                &[][..],
                &["shop/a.yml.j2", "shop/b.yaml", "shop/c.json"][..],
            ),
            (&["shop/"], &[], &["shop/a.yml.j2", "shop/b.yaml", "shop/c.json"]),
            (&["shop/a.yml"], &[], &["shop/a.yml.j2"]),
            (
                &["shop/c.json", "shop"],
                &[],
                &["shop/c.json", "shop/a.yml.j2", "shop/b.yaml"],
            ),
            (
                &["shop", "shop/crds"],
                &["shop/a.yml", "shop/c.json"],
                &["shop/b.yaml", "shop/crds/x.yaml"],
            ),
        ] {
            let expected: Vec<String> = expected.iter().map(|one| (*one).to_owned()).collect();
            assert_eq!(found(src, exclude), Ok(expected), "{src:?}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_told() {
        for (src, exclude, expected) in [
            (
                &["shp"][..],
                &[][..],
                "`templates/shp` does not exist; did you mean `shop`?",
            ),
            (
                &["templates/shop"],
                &[],
                "`templates/templates/shop` does not exist; paths start below `templates/`: write `shop`",
            ),
            (
                &["motd"],
                &[],
                "`templates/motd` is not a manifest; rename the file, or name another one",
            ),
            (
                &["nested"],
                &[],
                "`templates/nested` has no manifests; folders within are read only if `src` names them, such as `nested/deep`",
            ),
            (
                &["shop"],
                &["shop/d.yaml"],
                "`shop/d.yaml` in `exclude` matches no file of `src`; did you mean `shop/b.yaml`?",
            ),
            (
                &["shop/b.yaml"],
                &["shop/b.yaml"],
                "`exclude` leaves no file of `src`; remove some of them",
            ),
        ] {
            assert_eq!(found(src, exclude), Err(expected.to_owned()), "{src:?}");
        }
    }
}
