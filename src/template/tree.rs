//! Mistakes that the tree of a template shows, in all branches: words that do not exist, and names that are none.

use std::ops::Range;

use minijinja::machinery::{Span, ast};

use super::mistake::{Word, unknown};
use super::place::whole_name;
use super::slip::Slip;
use super::sorts::sign_of_test;
use crate::error::habits;

/// A source that was read to its end.
pub(super) enum Tree<'a> {
    Expression(ast::Expr<'a>),
    Text(ast::Stmt<'a>),
}

/// Words that cannot be names.
const KEYWORDS: &[&str] = &["and", "or", "not", "in", "is", "if", "else", "elif"];

/// Tests that take a value behind them, as in `name is startingwith 'x'`; so do those that compare.
const WITH_VALUE: &[&str] = &["divisibleby", "startingwith", "endingwith", "sameas"];

/// The list of a host's groups, which is a table of their hosts in Ansible.
const GROUPS: &str = "groups";

/// Objects of minijinja that have methods.
const WITH_METHODS: &[&str] = &["loop", "self"];

/// Checks every expression.
///
/// Errors: the first mistake.
pub(super) fn check(source: &str, tree: &Tree<'_>) -> Result<(), Slip> {
    let mut modules = Vec::new();
    let mut has_own_groups = false;
    if let Tree::Text(statement) = tree {
        imported(statement, &mut modules);
        has_own_groups = binds(statement, GROUPS);
    }
    let mut slip: Option<Slip> = None;
    let mut one = |expression: &ast::Expr<'_>| {
        if slip.is_none() {
            slip = mistake(source, expression, &modules);
        }
        if slip.is_none() && !has_own_groups {
            slip = group_by_name(source, expression);
        }
    };
    match tree {
        Tree::Expression(expression) => each(expression, &mut one),
        Tree::Text(statement) => each_in(statement, &mut one),
    }
    slip.map_or(Ok(()), Err)
}

pub(super) fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// The place of `name` at the start of a span, or the text of the span.
fn place_of(source: &str, span: Span, name: &str) -> Range<usize> {
    let range = range(span);
    let length = name.len();
    match source.get(range.clone()) {
        Some(text) if text.starts_with(name) => range.start..range.start + length,
        _ => range,
    }
}

fn mistake(source: &str, expression: &ast::Expr<'_>, modules: &[&str]) -> Option<Slip> {
    match expression {
        ast::Expr::Filter(filter) if !Word::Filter.has(filter.name) => {
            let place = place_of(source, filter.span(), filter.name);
            Some(unknown(place, Word::Filter, filter.name))
        }
        ast::Expr::Test(test) if !Word::Test.has(test.name) => {
            let place = place_of(source, test.span(), test.name);
            Some(unknown(place, Word::Test, test.name))
        }
        ast::Expr::Test(test) => {
            let takes = usize::from(WITH_VALUE.contains(&test.name) || sign_of_test(test.name).is_some());
            let name = test.name;
            let (label, hint) = match test.args.len().cmp(&takes) {
                std::cmp::Ordering::Equal => return None,
                std::cmp::Ordering::Less => ("compares with nothing", format!("write `{name}('…')`")),
                std::cmp::Ordering::Greater if takes == 0 => (
                    "no operator between this test and what follows",
                    format!("write `and` or `or` behind `is {name}`"),
                ),
                std::cmp::Ordering::Greater => ("takes one value", format!("write `{name}('…')`")),
            };
            let place = place_of(source, test.span(), name);
            Some(Slip::new(place, format!("wrong use of the test `{name}`"), label, hint))
        }
        ast::Expr::Var(name) if KEYWORDS.contains(&name.id) => Some(Slip::new(
            range(name.span()),
            format!("`{}` in the place of a name", name.id),
            "a name or a value is missing here",
            format!("write one on each side of `{}`", name.id),
        )),
        ast::Expr::Call(call) => match &call.expr {
            ast::Expr::GetAttr(attribute) => {
                let has_methods = |name: &str| WITH_METHODS.contains(&name) || modules.contains(&name);
                let is_known = matches!(&attribute.expr, ast::Expr::Var(name) if has_methods(name.id));
                (!is_known).then(|| {
                    let span = range(attribute.span());
                    let text = source.get(span.clone()).unwrap_or_default();
                    let at = text.rfind(attribute.name).unwrap_or_default();
                    let start = span.start + at;
                    let hint = habits::method(attribute.name);
                    Slip::new(
                        start..start + attribute.name.len(),
                        format!("unknown method `{}`", attribute.name),
                        "values have no methods",
                        hint.unwrap_or_else(|| "use a filter: `name | filter`".to_owned()),
                    )
                })
            }
            _ => None,
        },
        _ => None,
    }
}

/// `groups.web` and `groups['web']`, also where an undefined value would do.
fn group_by_name(source: &str, expression: &ast::Expr<'_>) -> Option<Slip> {
    let is_groups = |expression: &ast::Expr<'_>| matches!(expression, ast::Expr::Var(name) if name.id == GROUPS);
    let (name, span) = match expression {
        ast::Expr::GetAttr(attribute) if is_groups(&attribute.expr) => {
            let is_method = habits::method(attribute.name).is_some();
            (!is_method).then(|| (attribute.name.to_owned(), attribute.span()))?
        }
        ast::Expr::GetItem(item) if is_groups(&item.expr) => match &item.subscript_expr {
            ast::Expr::Const(name) => (name.value.as_str()?.to_owned(), item.span()),
            _ => return None,
        },
        _ => return None,
    };
    let place = whole_name(source, range(span));
    let written = source.get(place.clone()).unwrap_or(GROUPS);
    Some(Slip::new(
        place.clone(),
        format!("`{written}` is undefined"),
        "`groups` is a list: the names of the groups of this host",
        habits::hosts_of_group(&name),
    ))
}

/// Whether a template binds `name` itself.
fn binds(statement: &ast::Stmt<'_>, name: &str) -> bool {
    let targets: Vec<&ast::Expr<'_>> = match statement {
        ast::Stmt::ForLoop(each) => vec![&each.target],
        ast::Stmt::Set(set) => vec![&set.target],
        ast::Stmt::SetBlock(set) => vec![&set.target],
        ast::Stmt::WithBlock(with) => with.assignments.iter().map(|(target, _)| target).collect(),
        ast::Stmt::Macro(one) => one.args.iter().collect(),
        ast::Stmt::CallBlock(call) => call.macro_decl.args.iter().collect(),
        ast::Stmt::Import(import) => vec![&import.name],
        ast::Stmt::FromImport(import) => {
            let names = import.names.iter();
            names.map(|(one, other)| other.as_ref().unwrap_or(one)).collect()
        }
        _ => Vec::new(),
    };
    let mut is_bound = false;
    for target in targets {
        each(target, &mut |part| {
            is_bound |= matches!(part, ast::Expr::Var(one) if one.id == name);
        });
    }
    is_bound || bodies(statement).into_iter().flatten().any(|inner| binds(inner, name))
}

/// Names that `{% import %}` binds, whose macros are called like methods.
fn imported<'a>(statement: &'a ast::Stmt<'_>, found: &mut Vec<&'a str>) {
    if let ast::Stmt::Import(import) = statement
        && let ast::Expr::Var(name) = &import.name
    {
        found.push(name.id);
    }
    for body in bodies(statement) {
        for inner in body {
            imported(inner, found);
        }
    }
}

/// The statements in a statement.
pub(super) fn bodies<'a, 's>(statement: &'a ast::Stmt<'s>) -> Vec<&'a [ast::Stmt<'s>]> {
    match statement {
        ast::Stmt::Template(template) => vec![&template.children],
        ast::Stmt::ForLoop(each) => vec![&each.body, &each.else_body],
        ast::Stmt::IfCond(condition) => vec![&condition.true_body, &condition.false_body],
        ast::Stmt::WithBlock(with) => vec![&with.body],
        ast::Stmt::SetBlock(set) => vec![&set.body],
        ast::Stmt::AutoEscape(escape) => vec![&escape.body],
        ast::Stmt::FilterBlock(filter) => vec![&filter.body],
        ast::Stmt::Block(block) => vec![&block.body],
        ast::Stmt::Macro(one) => vec![&one.body],
        ast::Stmt::CallBlock(call) => vec![&call.macro_decl.body],
        _ => Vec::new(),
    }
}

/// The expressions of a statement, without those of the statements in it and without the names that it binds.
pub(super) fn expressions<'a, 's>(statement: &'a ast::Stmt<'s>) -> Vec<&'a ast::Expr<'s>> {
    match statement {
        ast::Stmt::EmitExpr(emit) => vec![&emit.expr],
        ast::Stmt::ForLoop(each) => std::iter::once(&each.iter).chain(&each.filter_expr).collect(),
        ast::Stmt::IfCond(condition) => vec![&condition.expr],
        ast::Stmt::WithBlock(with) => with.assignments.iter().map(|(_, value)| value).collect(),
        ast::Stmt::Set(set) => vec![&set.expr],
        ast::Stmt::SetBlock(set) => set.filter.iter().collect(),
        ast::Stmt::AutoEscape(escape) => vec![&escape.enabled],
        ast::Stmt::FilterBlock(filter) => vec![&filter.filter],
        ast::Stmt::Import(import) => vec![&import.expr],
        ast::Stmt::FromImport(import) => vec![&import.expr],
        ast::Stmt::Extends(extends) => vec![&extends.name],
        ast::Stmt::Include(include) => vec![&include.name],
        ast::Stmt::Macro(one) => one.defaults.iter().collect(),
        ast::Stmt::CallBlock(call) => std::iter::once(&call.call.expr)
            .chain(call.call.args.iter().map(argument))
            .chain(&call.macro_decl.defaults)
            .collect(),
        ast::Stmt::Do(one) => std::iter::once(&one.call.expr)
            .chain(one.call.args.iter().map(argument))
            .collect(),
        _ => Vec::new(),
    }
}

/// The parts of an expression.
pub(super) fn parts<'a, 's>(expression: &'a ast::Expr<'s>) -> Vec<&'a ast::Expr<'s>> {
    match expression {
        ast::Expr::Var(_) | ast::Expr::Const(_) => Vec::new(),
        ast::Expr::Slice(slice) => std::iter::once(&slice.expr)
            .chain(&slice.start)
            .chain(&slice.stop)
            .chain(&slice.step)
            .collect(),
        ast::Expr::UnaryOp(one) => vec![&one.expr],
        ast::Expr::BinOp(two) => vec![&two.left, &two.right],
        ast::Expr::Compare(compare) => std::iter::once(&compare.expr)
            .chain(compare.ops.iter().map(|one| &one.expr))
            .collect(),
        ast::Expr::IfExpr(choice) => [&choice.test_expr, &choice.true_expr]
            .into_iter()
            .chain(&choice.false_expr)
            .collect(),
        ast::Expr::Filter(filter) => filter.expr.iter().chain(filter.args.iter().map(argument)).collect(),
        ast::Expr::Test(test) => std::iter::once(&test.expr)
            .chain(test.args.iter().map(argument))
            .collect(),
        ast::Expr::GetAttr(attribute) => vec![&attribute.expr],
        ast::Expr::GetItem(item) => vec![&item.expr, &item.subscript_expr],
        ast::Expr::Call(call) => std::iter::once(&call.expr)
            .chain(call.args.iter().map(argument))
            .collect(),
        ast::Expr::List(list) => list.items.iter().collect(),
        ast::Expr::Tuple(tuple) => tuple.items.iter().collect(),
        ast::Expr::Map(map) => map.keys.iter().chain(&map.values).collect(),
    }
}

pub(super) fn argument<'a, 's>(argument: &'a ast::CallArg<'s>) -> &'a ast::Expr<'s> {
    match argument {
        ast::CallArg::Pos(value)
        | ast::CallArg::Kwarg(_, value)
        | ast::CallArg::PosSplat(value)
        | ast::CallArg::KwargSplat(value) => value,
    }
}

fn each(expression: &ast::Expr<'_>, one: &mut dyn FnMut(&ast::Expr<'_>)) {
    for part in parts(expression) {
        each(part, one);
    }
    one(expression);
}

fn each_in(statement: &ast::Stmt<'_>, one: &mut dyn FnMut(&ast::Expr<'_>)) {
    for expression in expressions(statement) {
        each(expression, one);
    }
    for body in bodies(statement) {
        for inner in body {
            each_in(inner, one);
        }
    }
}
