//! What filters make of what is known of a value.

use minijinja::machinery::ast::Expr;

use super::shape::Quoting;
use super::{Shape, Sort, Walk, item_of};
use crate::template::tree::argument;

/// Filters whose result contains no part of their text.
const NUMBERS: &[&str] = &["int", "float", "length", "count", "certificate_not_after"];
/// Filters of numbers.
const OF_NUMBERS: &[&str] = &["abs", "round", "sum"];
const TEXTS: &[&str] = &[
    "lower",
    "upper",
    "title",
    "capitalize",
    "trim",
    "replace",
    "string",
    "indent",
    "format",
    "escape",
    "e",
    "safe",
    "join",
    "pprint",
    "tojson",
    "to_json",
    "to_toml",
    "to_yaml",
    "b64decode",
    "b64encode",
    "dotenv",
    "regex_replace",
    "systemd_words",
];
const LISTS: &[&str] = &[
    "list",
    "sort",
    "unique",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "map",
    "split",
    "lines",
    "batch",
    "slice",
    "chain",
    "zip",
    "items",
    "dictsort",
    "groupby",
];
/// Filters that keep the items of a list as they are.
const KEEP_ITEMS: &[&str] = &["list", "sort", "unique", "select", "reject"];
/// Filters that lead from a table of hosts to their facts.
const INTO_TABLES: &[&str] = &[
    "items", "dictsort", "attr", "tojson", "to_json", "to_toml", "to_yaml", "pprint", "string", "format", "map",
    "groupby",
];

impl Walk<'_> {
    /// The result of a chain of filters; `value` is what a block hands to the first one.
    pub(super) fn filtered(&mut self, expression: &Expr<'_>, value: Shape) -> Shape {
        let Expr::Filter(filter) = expression else {
            return self.expression(expression);
        };
        let inner = match &filter.expr {
            Some(inner @ Expr::Filter(_)) => self.filtered(inner, value),
            Some(inner) => self.expression(inner),
            None => value,
        };
        let arguments: Vec<Shape> = filter.args.iter().map(|one| self.expression(argument(one))).collect();
        let name = filter.name;
        if ["default", "d"].contains(&name) {
            self.found.optional.extend(inner.path.clone());
            return match arguments.into_iter().next() {
                Some(other) => Shape {
                    path: None,
                    ..inner.or(other)
                },
                None => inner,
            };
        }
        let is_hosts = inner.path.as_deref().is_some_and(|path| path.starts_with("hosts"));
        let mut parts: Vec<&Shape> = std::iter::once(&inner).chain(&arguments).collect();
        let facts = Shape::foreign("hosts.NAME.facts");
        if is_hosts && INTO_TABLES.contains(&name) {
            parts.push(&facts);
        }
        let is_quoting = arguments.first().and_then(|one| one.text.as_deref()) == Some("quote");
        match name {
            "quote" => quoted(Sort::Text, &inner),
            "map" if is_quoting => quoted(Sort::List, &inner),
            _ if KEEP_ITEMS.contains(&name) && inner.is_quoted() => Shape::joined(Sort::List, &[&inner]),
            "first" | "last" if inner.is_quoted() => Shape::joined(Sort::Text, &[&inner]),
            // Quoted words that are joined by blanks are quoted words.
            "join" if inner.is_quoted() && arguments.iter().all(|one| one.foreign.is_none()) => {
                Shape::joined(Sort::Text, &[&inner])
            }
            _ if NUMBERS.contains(&name) => Shape::number(),
            _ if OF_NUMBERS.contains(&name) => Shape::number(),
            "bool" => Shape::truth(),
            _ if TEXTS.contains(&name) => Shape::made(Some(Sort::Text), &parts),
            _ if LISTS.contains(&name) => Shape {
                items: inner.items.filter(|_| KEEP_ITEMS.contains(&name)),
                ..Shape::made(Some(Sort::List), &parts)
            },
            "first" | "last" | "min" | "max" if !is_hosts => {
                let item = item_of(&inner, self.world);
                Shape {
                    path: item.path.clone().filter(|_| inner.sort == Some(Sort::List)),
                    ..Shape::made(item.sort, &[&item, &inner])
                }
            }
            _ => Shape::made(None, &parts),
        }
    }
}

fn quoted(sort: Sort, inner: &Shape) -> Shape {
    Shape {
        quoted: inner.foreign.clone().or_else(|| inner.quoted.clone()),
        quoting: if inner.is_quoted() && inner.foreign.is_none() {
            Quoting::Twice
        } else {
            Quoting::Once
        },
        is_line: inner.is_line,
        ..Shape::of(Some(sort))
    }
}
