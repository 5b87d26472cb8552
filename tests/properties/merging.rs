//! How data of several files become those of a host.

use std::sync::Arc;

use homelab::error::{Origin, SourceFile};
use homelab::value::{Entry, Kind, Table, Value, merge};
use proptest::prelude::*;

/// A table whose keys that begin with `t` hold tables, and the others none: no key changes its kind from one to another.
fn of_one_shape() -> impl Strategy<Value = Table> {
    tables(|key, is_table| key.starts_with('t') == is_table)
}

/// A table in which any key may hold anything.
fn any_table() -> impl Strategy<Value = Table> {
    tables(|_, _| true)
}

fn tables(fits: fn(&str, bool) -> bool) -> impl Strategy<Value = Table> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Kind::Integer),
        "[a-z]{0,3}".prop_map(Kind::String),
        prop::collection::vec(any::<i64>(), 0..3).prop_map(|numbers| Kind::List(
            numbers
                .into_iter()
                .map(|number| Value::new(Kind::Integer(number)))
                .collect()
        )),
    ];
    let kind = leaf.prop_recursive(3, 24, 4, move |inner| {
        prop::collection::vec(("[at][ab]", inner), 0..4).prop_map(move |entries| Kind::Table(fitting(entries, fits)))
    });
    prop::collection::vec(("[at][ab]", kind), 0..4).prop_map(move |entries| fitting(entries, fits))
}

fn fitting(entries: Vec<(String, Kind)>, fits: fn(&str, bool) -> bool) -> Table {
    let fitting = entries
        .into_iter()
        .filter(|(key, kind)| fits(key, matches!(kind, Kind::Table(_))));
    let entry = |kind| Entry {
        key: None,
        value: Value::new(kind),
    };
    fitting.map(|(key, kind)| (key, entry(kind))).collect()
}

/// The same table with every value said to be written in `file`.
fn written_in(file: &Arc<SourceFile>, table: &Table) -> Table {
    let place = Origin::new(file, 0..0);
    let placed = |entry: &Entry| {
        let kind = match &entry.value.kind {
            Kind::Table(inner) => Kind::Table(written_in(file, inner)),
            other => other.clone(),
        };
        Entry {
            key: Some(place.clone()),
            value: Value::new(kind).at(Some(&place)),
        }
    };
    table.iter().map(|(key, entry)| (key.clone(), placed(entry))).collect()
}

fn merged(base: &Table, over: &Table) -> Table {
    let mut base = base.clone();
    merge(&mut base, over);
    base
}

/// That each value of `merged` is the one of `over` where that has it, else the one of `base`, with its place.
fn check_precedence(merged: &Table, base: &Table, over: &Table) -> Result<(), TestCaseError> {
    for (key, entry) in merged {
        match (base.get(key), over.get(key)) {
            (Some(below), Some(above)) => {
                let kinds = (&below.value.kind, &above.value.kind, &entry.value.kind);
                if let (Kind::Table(below), Kind::Table(above), Kind::Table(entry)) = kinds {
                    check_precedence(entry, below, above)?;
                } else {
                    prop_assert_eq!(entry, above);
                }
            }
            (Some(only), None) | (None, Some(only)) => prop_assert_eq!(entry, only),
            (None, None) => prop_assert!(false, "`{}` comes from nowhere", key),
        }
    }
    let is_kept = |key: &String| merged.contains_key(key);
    prop_assert!(base.keys().all(is_kept) && over.keys().all(is_kept));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_later_wins_and_keeps_its_place(base in any_table(), over in any_table()) {
        let base = written_in(&SourceFile::new("base", ""), &base);
        let over = written_in(&SourceFile::new("over", ""), &over);
        check_precedence(&merged(&base, &over), &base, &over)?;
    }

    #[test]
    fn merging_again_changes_nothing(base in any_table(), over in any_table()) {
        let once = merged(&base, &over);
        prop_assert_eq!(&merged(&once, &over), &once);
        prop_assert_eq!(&merged(&base, &base), &base);
    }

    #[test]
    fn nothing_is_no_layer(table in any_table()) {
        prop_assert_eq!(&merged(&Table::new(), &table), &table);
        prop_assert_eq!(&merged(&table, &Table::new()), &table);
    }

    /// Where a key changes from a table to something else and back it does not hold: what the middle one replaced is gone.
    #[test]
    fn the_order_of_merging_does_not_matter_where_kinds_stay(a in of_one_shape(), b in of_one_shape(), c in of_one_shape()) {
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
    }
}

#[test]
fn a_value_between_two_tables_takes_the_first_away() {
    let integer = |number| Kind::Integer(number);
    let of = |key: &str, kind| fitting(vec![(key.to_owned(), kind)], |_, _| true);
    let (a, b, c) = (
        of("x", Kind::Table(of("p", integer(1)))),
        of("x", integer(2)),
        of("x", Kind::Table(of("q", integer(3)))),
    );
    assert_eq!(merged(&merged(&a, &b), &c), c);
}
