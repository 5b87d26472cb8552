//! What is known of templates without a host: the types of their values, and where text from a host ends up.

mod filters;
mod shape;
mod shell;
mod signs;
mod unit;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::ast::{self, BinOpKind, Expr, Stmt};

use super::place::{slip_error, whole_name};
use super::script::ScriptWord;
use super::slip::{Form, Slip};
use super::sorts::{misfit, not_among, numbers_in_strings, sign_of_test, without_quotes};
use super::syntax::tree_of;
use super::tree::{Tree, argument, range};
use super::{is_template, lone_expression};
use crate::error::{Diagnostic, Origin, SourceFile};
use shape::{Quoting, constant, item_of};
use shell::Script;
use signs::{sign_of, sign_of_two};

pub use super::sorts::Sort;
pub use shape::{Shape, World};
pub use shell::without_comments;

/// What is known of a template.
#[derive(Debug, Default)]
pub struct Analysis {
    /// Its result.
    pub result: Shape,
    source: String,
    /// Where the source begins in the string.
    offset: usize,
    /// Comparisons that cannot hold.
    slips: Vec<Slip>,
    /// Where foreign text is written without quotes of a shell.
    loose: Vec<Slip>,
    /// The same in bodies of macros, which other templates may call.
    in_macros: Vec<Slip>,
    /// Where quoted text is written at a place that undoes its quotes.
    misquoted: Vec<Slip>,
    /// Where foreign text is written, quoted or not, with its name.
    written: Vec<(Range<usize>, String)>,
    /// Names that may be undefined on purpose.
    pub(super) optional: BTreeSet<String>,
}

impl Analysis {
    /// Comparisons of values of different types, in a string at `origin`.
    pub fn comparisons(&self, origin: Option<&Origin>) -> Vec<Diagnostic> {
        self.shown(&self.slips, origin)
    }

    /// The same, in a whole file.
    pub fn comparisons_in(&self, file: &Arc<SourceFile>) -> Vec<Diagnostic> {
        let shown = |slip: &Slip| slip.shown(Some(&Origin::new(file, slip.place.clone())));
        self.slips.iter().map(shown).collect()
    }

    /// Text of hosts that is not quoted for a shell, in a string at `origin`.
    pub fn loose(&self, origin: Option<&Origin>) -> Vec<Diagnostic> {
        let mut slips = [self.loose.as_slice(), &self.misquoted].concat();
        slips.sort_by_key(|slip| slip.place.start);
        self.shown(&slips, origin)
    }

    /// Text of hosts that is not quoted, in a script that is a whole file.
    ///
    /// A file that a script brings in may have macros for it.
    pub fn loose_in(&self, file: &Arc<SourceFile>, is_brought_in: bool) -> Vec<Diagnostic> {
        let in_macros = self.in_macros.iter().filter(|_| is_brought_in);
        let mut slips: Vec<&Slip> = self.loose.iter().chain(&self.misquoted).chain(in_macros).collect();
        slips.sort_by_key(|slip| slip.place.start);
        let shown = |slip: &Slip| slip.shown(Some(&Origin::new(file, slip.place.clone())));
        slips.into_iter().map(shown).collect()
    }

    /// Text of hosts in a word of a command that is a program of another language, in a string at `origin`.
    pub fn in_program(&self, word: &ScriptWord, origin: Option<&Origin>) -> Vec<Diagnostic> {
        let slips = self
            .written
            .iter()
            .map(|(place, fact)| read_as_script(place.clone(), fact, "", word));
        self.shown(&slips.collect::<Vec<_>>(), origin)
    }

    /// Text of hosts in scripts of a unit's commands, in a string at `origin`.
    pub fn in_commands(&self, origin: Option<&Origin>) -> Vec<Diagnostic> {
        self.shown(&self.slips_in_commands(), origin)
    }

    /// The same, in a whole file.
    pub fn in_commands_of(&self, file: &Arc<SourceFile>) -> Vec<Diagnostic> {
        let shown = |slip: &Slip| slip.shown(Some(&Origin::new(file, slip.place.clone())));
        self.slips_in_commands().iter().map(shown).collect()
    }

    /// systemd undoes quotes before the shell reads them, so `quote` is not enough there.
    fn slips_in_commands(&self) -> Vec<Slip> {
        let scripts = unit::scripts_in(&self.source);
        let is_within =
            |place: &Range<usize>, whole: &Range<usize>| whole.start <= place.start && place.end <= whole.end;
        let inside = self
            .written
            .iter()
            .filter(|(place, _)| scripts.iter().any(|script| is_within(place, script)));
        let mut slips: Vec<Slip> = inside
            .map(|(place, fact)| {
                Slip::new(
                    place.clone(),
                    format!("`{fact}` stands in the script of a shell"),
                    "comes from the host, and a shell would interpret it",
                    format!("hand it over as an argument: `sh -c 'echo \"$$1\"' sh {{{{ {fact} | systemd_words }}}}`"),
                )
            })
            .collect();
        for (name, variable) in unit::substituted(&self.source, &scripts) {
            let inside = self.written.iter().filter(|(place, _)| is_within(place, &variable));
            slips.extend(inside.map(|(place, fact)| {
                Slip::new(
                    place.clone(),
                    format!("systemd writes `{fact}` into the script of a shell"),
                    format!("comes from the host, and `${{{name}}}` of a command is replaced with it"),
                    format!("write `\"$${name}\"` in the command: then the shell reads the variable"),
                )
            }));
        }
        slips.sort_by_key(|slip| slip.place.start);
        slips
    }

    fn shown(&self, slips: &[Slip], origin: Option<&Origin>) -> Vec<Diagnostic> {
        let shown = |slip: &Slip| slip_error(slip, self.offset, &self.source, origin);
        slips.iter().map(shown).collect()
    }
}

/// Analyzes a string of the project; `None` if it is no template, or does not parse.
pub fn analyze_string(text: &str, world: &dyn World) -> Option<Analysis> {
    if !is_template(text) {
        return None;
    }
    if let Some((bare, offset)) = lone_expression(text)
        && let Some(analysis) = analyze(bare, Form::Expression, world)
    {
        return Some(Analysis { offset, ..analysis });
    }
    analyze(text, Form::Text, world)
}

/// Analyzes a bare expression.
pub fn analyze_expression(text: &str, world: &dyn World) -> Analysis {
    analyze(text, Form::Expression, world).unwrap_or_default()
}

/// Analyzes a whole file.
pub fn analyze_file(text: &str, world: &dyn World) -> Analysis {
    analyze(text, Form::Text, world).unwrap_or_default()
}

/// The names of `text` that may be undefined on purpose.
pub(super) fn optional(text: &str, form: Form) -> BTreeSet<String> {
    struct Nothing;
    impl World for Nothing {
        fn shape(&self, _path: &str) -> Shape {
            Shape::default()
        }
    }
    analyze(text, form, &Nothing).unwrap_or_default().optional
}

/// An expression without its braces, and what stands between both.
fn inside(text: &str) -> &str {
    let text = text.strip_prefix("{{").unwrap_or(text);
    let text = text.strip_suffix("}}").unwrap_or(text);
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    text.strip_suffix(['-', '+']).unwrap_or(text).trim()
}

fn analyze(source: &str, form: Form, world: &dyn World) -> Option<Analysis> {
    let (tree, comparisons) = tree_of(source, form)?;
    let mut walk = Walk {
        source,
        world,
        scopes: vec![HashMap::new()],
        branches: 0,
        script: Script::default(),
        found: Analysis::default(),
        emitted: None,
        aside: Vec::new(),
        is_counted: true,
        comparisons,
    };
    let result = match &tree {
        Tree::Expression(expression) => {
            let shape = walk.expression(expression);
            walk.emit(&shape, expression);
            shape
        }
        Tree::Text(statement) => {
            walk.statement(statement);
            Shape {
                foreign: walk.emitted.take(),
                ..Shape::of(Some(Sort::Text))
            }
        }
    };
    Some(Analysis {
        result,
        source: source.to_owned(),
        ..walk.found
    })
}

/// The mistake of text of a host in a word that a program reads as a script; `written` is the quoted expression.
fn read_as_script(place: Range<usize>, fact: &str, written: &str, word: &ScriptWord) -> Slip {
    let (fact, by) = (fact.trim_end_matches(".*"), &word.by);
    if !word.is_shell {
        return Slip::new(
            place,
            format!("`{by}` reads `{fact}` as a part of a program"),
            "comes from the host, and no quotes for a shell protect it here",
            "hand it over in `env` or as an argument, which the program reads as text",
        );
    }
    let hint = if word.is_joined {
        format!("quote it for both shells: `{{{{ {written} | quote }}}}`; or leave out `{by}`")
    } else {
        format!("hand it over as an argument: `sh -c 'echo \"$1\"' sh {{{{ {written} }}}}`")
    };
    Slip::new(
        place,
        format!("`{by}` reads `{fact}` as a script"),
        "is quoted for one shell, and a second one reads it",
        hint,
    )
}

struct Walk<'a> {
    source: &'a str,
    world: &'a dyn World,
    scopes: Vec<HashMap<String, Shape>>,
    /// How many conditions the current statement depends on.
    branches: usize,
    script: Script,
    found: Analysis,
    /// The first foreign text that was written.
    emitted: Option<String>,
    /// What was not quoted in the last body that is not written at its place.
    aside: Vec<Slip>,
    /// Whether mistakes are noted: the body of a loop is walked twice.
    is_counted: bool,
    /// The places of comparisons.
    comparisons: Vec<Range<usize>>,
}

impl Walk<'_> {
    fn statements(&mut self, statements: &[Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(raw) => self.script.read(raw.raw),
            Stmt::EmitExpr(emit) => {
                let shape = self.expression(&emit.expr);
                self.emit(&shape, &emit.expr);
            }
            Stmt::ForLoop(each) => self.each(each),
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.branches += 1;
                let before = self.script.clone();
                self.statements(&condition.true_body);
                self.script = before;
                self.statements(&condition.false_body);
                self.branches -= 1;
            }
            Stmt::WithBlock(with) => {
                self.scopes.push(HashMap::new());
                for (target, value) in &with.assignments {
                    let shape = self.expression(value);
                    self.bind(target, &shape);
                }
                self.statements(&with.body);
                self.scopes.pop();
            }
            Stmt::Set(set) => {
                let shape = self.expression(&set.expr);
                self.bind(&set.target, &shape);
            }
            Stmt::SetBlock(set) => {
                let foreign = self.aside(&set.body);
                let mut shape = Shape {
                    foreign,
                    ..Shape::of(Some(Sort::Text))
                };
                if let Some(filter) = &set.filter {
                    shape = self.filtered(filter, shape);
                }
                self.bind(&set.target, &shape);
            }
            Stmt::FilterBlock(block) => {
                let foreign = self.aside(&block.body);
                let shape = Shape {
                    foreign,
                    ..Shape::of(Some(Sort::Text))
                };
                let shape = self.filtered(&block.filter, shape);
                self.emit(&shape, &block.filter);
            }
            Stmt::AutoEscape(escape) => {
                self.expression(&escape.enabled);
                self.statements(&escape.body);
            }
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Import(import) => {
                self.expression(&import.expr);
                self.bind(&import.name, &Shape::default());
            }
            Stmt::FromImport(import) => {
                self.expression(&import.expr);
                for (name, alias) in &import.names {
                    self.bind(alias.as_ref().unwrap_or(name), &Shape::default());
                }
            }
            Stmt::Extends(extends) => {
                self.expression(&extends.name);
            }
            Stmt::Include(include) => {
                self.expression(&include.name);
            }
            Stmt::Macro(one) => {
                let shape = self.macro_of(one);
                self.set(one.name, shape);
            }
            Stmt::CallBlock(call) => {
                let body = self.macro_of(&call.macro_decl);
                let shape = self.call(&call.call.expr, &call.call.args);
                let shape = Shape::made(None, &[&shape, &body]);
                self.emit(&shape, &call.call.expr);
            }
            Stmt::Do(one) => {
                self.call(&one.call.expr, &one.call.args);
            }
            Stmt::Continue(_) | Stmt::Break(_) => {}
        }
    }

    fn each(&mut self, each: &ast::ForLoop<'_>) {
        let list = self.expression(&each.iter);
        let item = item_of(&list, self.world);
        self.scopes.push(HashMap::new());
        self.branches += 1;
        self.bind(&each.target, &item);
        self.set(
            "loop",
            Shape {
                path: Some("loop".to_owned()),
                foreign: item.foreign.clone(),
                ..Shape::default()
            },
        );
        if let Some(filter) = &each.filter_expr {
            self.expression(filter);
        }
        // What the end of the body sets, its start may see.
        let (script, was_counted) = (self.script.clone(), self.is_counted);
        self.is_counted = false;
        self.statements(&each.body);
        (self.script, self.is_counted) = (script, was_counted);
        self.statements(&each.body);
        self.scopes.pop();
        self.statements(&each.else_body);
        self.branches -= 1;
    }

    /// What a body writes, which is not written at its place.
    fn aside(&mut self, body: &[Stmt<'_>]) -> Option<String> {
        let (emitted, script, was_counted) = (self.emitted.take(), self.script.clone(), self.is_counted);
        let found = &self.found;
        let [loose, misquoted, written] = [found.loose.len(), found.misquoted.len(), found.written.len()];
        self.scopes.push(HashMap::new());
        self.statements(body);
        self.scopes.pop();
        self.aside = self.found.loose.split_off(loose);
        self.aside.append(&mut self.found.misquoted.split_off(misquoted));
        self.found.written.truncate(written);
        (self.script, self.is_counted) = (script, was_counted);
        std::mem::replace(&mut self.emitted, emitted)
    }

    /// What calls of a macro write, besides their arguments.
    fn macro_of(&mut self, one: &ast::Macro<'_>) -> Shape {
        self.scopes.push(HashMap::new());
        for name in &one.args {
            self.bind(name, &Shape::default());
        }
        for value in &one.defaults {
            self.expression(value);
        }
        self.set("caller", Shape::default());
        let foreign = self.aside(&one.body);
        self.found.in_macros.append(&mut self.aside);
        self.scopes.pop();
        Shape {
            foreign,
            ..Shape::default()
        }
    }

    fn bind(&mut self, target: &Expr<'_>, shape: &Shape) {
        match target {
            Expr::Var(name) => self.set(name.id, shape.clone()),
            Expr::List(list) => {
                let part = Shape::made(None, &[shape]);
                for name in &list.items {
                    self.bind(name, &part);
                }
            }
            // A key of a namespace.
            Expr::GetAttr(attribute) => {
                if let Expr::Var(name) = &attribute.expr
                    && let Some(known) = self.local_mut(name.id)
                {
                    known.foreign = known.foreign.take().or(shape.foreign.clone());
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, name: &str, shape: Shape) {
        let is_certain = self.branches == 0;
        if let Some(scope) = self.scopes.last_mut() {
            let shape = match scope.get(name) {
                Some(known) if !is_certain => shape.or(known.clone()),
                _ => shape,
            };
            scope.insert(name.to_owned(), shape);
        }
    }

    fn local(&self, name: &str) -> Option<&Shape> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name))
    }

    fn local_mut(&mut self, name: &str) -> Option<&mut Shape> {
        self.scopes.iter_mut().rev().find_map(|scope| scope.get_mut(name))
    }

    fn emit(&mut self, shape: &Shape, expression: &Expr<'_>) {
        let place = self.braces(expression);
        let is_comment = self.script.is_comment();
        if self.is_counted {
            let misplaced = if is_comment {
                Self::in_comment(shape, &place)
            } else {
                self.misplaced(shape, &place)
            };
            self.found.misquoted.extend(misplaced);
        }
        self.script.value();
        let hosts = shape.foreign.as_ref().or(shape.quoted.as_ref());
        if let Some(fact) = hosts.filter(|_| self.is_counted) {
            let written = (place.clone(), fact.trim_end_matches(".*").to_owned());
            self.found.written.push(written);
        }
        let Some(fact) = shape
            .foreign
            .as_ref()
            .map(|fact| fact.trim_end_matches(".*").to_owned())
        else {
            return;
        };
        self.emitted.get_or_insert_with(|| fact.clone());
        if !self.is_counted || is_comment {
            return;
        }
        let written = inside(self.source.get(place.clone()).unwrap_or_default()).to_owned();
        let is_short = !written.is_empty() && written.len() < 60 && !written.contains(" if ");
        let hint = if is_short {
            format!("write `{{{{ {written} | quote }}}}`")
        } else {
            "end the expression with `| quote`".to_owned()
        };
        let label = if written.contains(fact.as_str()) {
            "comes from the host, and a shell would interpret it".to_owned()
        } else {
            format!("holds `{fact}`, which comes from the host")
        };
        self.found.loose.push(Slip::new(
            place,
            format!("`{fact}` is not quoted for the shell"),
            label,
            hint,
        ));
    }

    /// Text of a host in a comment of a script: a line break in it would end the comment.
    fn in_comment(shape: &Shape, place: &Range<usize>) -> Option<Slip> {
        let fact = shape
            .foreign
            .as_ref()
            .or(shape.quoted.as_ref())
            .filter(|_| !shape.is_line)?;
        Some(Slip::new(
            place.clone(),
            format!("`{}` in a comment of a script", fact.trim_end_matches(".*")),
            "may hold a line break, which ends the comment",
            "remove it from the comment; a single fact such as `facts.hostname` has no line break",
        ))
    }

    /// A quoted value that is no word where it stands, or one that is read as a script.
    fn misplaced(&self, shape: &Shape, place: &Range<usize>) -> Option<Slip> {
        if shape.foreign.is_some() || !shape.is_quoted() {
            return None;
        }
        let after = self.source.get(place.end..).unwrap_or_default();
        if let Some(open) = self.script.open().or_else(|| self.script.calculates(after)) {
            let (title, hint) = open.words();
            return Some(Slip::new(place.clone(), title, "is quoted for the shell already", hint));
        }
        let fact = shape.quoted.as_ref()?;
        let word = self.script.reader(after)?;
        if word.is_shell && shape.quoting == Quoting::Twice {
            return None;
        }
        let written = inside(self.source.get(place.clone()).unwrap_or_default());
        Some(read_as_script(place.clone(), fact, written, &word))
    }

    /// The place of an expression with its braces, without white space: minijinja's places begin late.
    fn braces(&self, expression: &Expr<'_>) -> Range<usize> {
        let at = range(expression.span());
        let before = self.source.get(..at.start).unwrap_or_default();
        let Some(start) = before.rfind("{{") else {
            let text = self.source;
            let begin = text.len() - text.trim_start().len();
            return begin..text.trim_end().len().max(begin);
        };
        let rest = self.source.get(at.end.max(at.start)..).unwrap_or_default();
        let end = rest
            .find("}}")
            .map_or(self.source.len(), |end| at.end.max(at.start) + end + 2);
        // In a row of braces, the first two are those of the expression, and a brace that closes a table is before its own.
        let start = before[..start].trim_end_matches('{').len().max(start.saturating_sub(1));
        let count = |brace| self.source[start..end].matches(brace).count();
        let is_short = count('{') > count('}') && self.source[end..].starts_with('}');
        start..end + usize::from(is_short)
    }

    fn expression(&mut self, expression: &Expr<'_>) -> Shape {
        match expression {
            Expr::Var(name) => match self.local(name.id) {
                Some(known) => known.clone(),
                None => self.named(name.id),
            },
            Expr::Const(one) => constant(&one.value),
            Expr::GetAttr(attribute) => {
                let base = self.expression(&attribute.expr);
                self.part(&base, attribute.name)
            }
            Expr::GetItem(item) => {
                let base = self.expression(&item.expr);
                let key = self.expression(&item.subscript_expr);
                match (&key.text, base.sort) {
                    (Some(name), _) if !name.contains(['.', '*']) => self.part(&base, name),
                    // `facts.packages['python3.13']` is one part.
                    (Some(name), _) => self.part(&base, &name.replace('.', "_")),
                    (None, Some(Sort::List)) => item_of(&base, self.world),
                    (None, _) => self.part(&base, "*"),
                }
            }
            Expr::Slice(slice) => {
                for bound in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expression(bound);
                }
                let base = self.expression(&slice.expr);
                Shape {
                    items: base.items,
                    ..Shape::made(base.sort, &[&base])
                }
            }
            Expr::UnaryOp(one) => {
                self.expression(&one.expr);
                match one.op {
                    ast::UnaryOpKind::Not => Shape::truth(),
                    ast::UnaryOpKind::Neg => Shape::number(),
                }
            }
            Expr::BinOp(two) => self.two(two, expression),
            Expr::Compare(compare) => {
                let mut left = self.expression(&compare.expr);
                for one in &compare.ops {
                    let right = self.expression(&one.expr);
                    self.compare(sign_of(one.op), &left, &right, expression);
                    left = right;
                }
                Shape::truth()
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr);
                let yes = self.expression(&choice.true_expr);
                match &choice.false_expr {
                    Some(no) => yes.or(self.expression(no)),
                    None => yes,
                }
            }
            Expr::Filter(_) => self.filtered(expression, Shape::default()),
            Expr::Test(test) => {
                let value = self.expression(&test.expr);
                if ["defined", "undefined"].contains(&test.name) {
                    if value.is_never_undefined {
                        self.never_undefined(&value, test);
                    }
                    self.found.optional.extend(value.path.clone());
                }
                let arguments: Vec<Shape> = test.args.iter().map(|one| self.expression(argument(one))).collect();
                if let (Some(sign), [right]) = (sign_of_test(test.name), arguments.as_slice()) {
                    self.compare(sign, &value, right, expression);
                }
                Shape::truth()
            }
            Expr::Call(call) => self.call(&call.expr, &call.args),
            Expr::List(list) => self.list(&list.items),
            Expr::Tuple(tuple) => self.list(&tuple.items),
            Expr::Map(map) => {
                let parts: Vec<Shape> = map
                    .keys
                    .iter()
                    .chain(&map.values)
                    .map(|part| self.expression(part))
                    .collect();
                Shape::made(Some(Sort::Table), &parts.iter().collect::<Vec<_>>())
            }
        }
    }

    fn named(&self, path: &str) -> Shape {
        Shape {
            path: Some(path.to_owned()),
            ..self.world.shape(path)
        }
    }

    /// A part of a value.
    fn part(&self, base: &Shape, name: &str) -> Shape {
        match base.path.as_deref() {
            Some("loop") if ["previtem", "nextitem"].contains(&name) => Shape::made(None, &[base]),
            Some("loop") => Shape::default(),
            Some(path) => self.named(&format!("{path}.{name}")),
            None if name == "facts" => Shape::foreign("facts"),
            None => Shape::made(None, &[base]),
        }
    }

    fn list(&mut self, items: &[Expr<'_>]) -> Shape {
        let parts: Vec<Shape> = items.iter().map(|item| self.expression(item)).collect();
        let first = parts.first().and_then(|part| part.sort);
        let is_same = parts.iter().all(|part| part.sort == first);
        Shape {
            items: first.filter(|_| is_same),
            ..Shape::made(Some(Sort::List), &parts.iter().collect::<Vec<_>>())
        }
    }

    fn two(&mut self, two: &ast::BinOp<'_>, expression: &Expr<'_>) -> Shape {
        let left = self.expression(&two.left);
        let right = self.expression(&two.right);
        let both = |sort: Sort| left.sort == Some(sort) && right.sort == Some(sort);
        if let Some(sign) = sign_of_two(two.op) {
            self.compare(sign, &left, &right, expression);
            return Shape::truth();
        }
        match two.op {
            BinOpKind::ScAnd | BinOpKind::ScOr => left.or(right),
            _ if both(Sort::Number) => Shape::number(),
            BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => Shape::number(),
            BinOpKind::Concat => Shape::joined(Sort::Text, &[&left, &right]),
            _ => {
                let sort = left.sort.filter(|_| left.sort == right.sort);
                Shape::made(sort, &[&left, &right])
            }
        }
    }

    fn call(&mut self, callee: &Expr<'_>, arguments: &[ast::CallArg<'_>]) -> Shape {
        let of: Vec<Shape> = arguments.iter().map(|one| self.expression(argument(one))).collect();
        let mut parts: Vec<&Shape> = of.iter().collect();
        match callee {
            Expr::Var(name) => match (self.local(name.id).cloned(), name.id) {
                (Some(known), _) => {
                    parts.push(&known);
                    Shape::made(None, &parts)
                }
                (None, "range") => Shape {
                    items: Some(Sort::Number),
                    ..Shape::of(Some(Sort::List))
                },
                (None, "dict") => Shape::made(Some(Sort::Table), &parts),
                (None, "debug") => Shape::foreign("debug()"),
                (None, _) => Shape::made(None, &parts),
            },
            other => {
                let base = self.expression(other);
                parts.push(&base);
                Shape::made(None, &parts)
            }
        }
    }

    fn compare(&mut self, sign: &'static str, left: &Shape, right: &Shape, expression: &Expr<'_>) {
        if !self.is_counted {
            return;
        }
        let (Some(left_sort), Some(right_sort)) = (left.sort, right.sort) else {
            return;
        };
        let found = misfit(sign, left_sort, right_sort).or_else(|| match (sign, right.items) {
            ("in" | "not in", Some(items))
                if right_sort == Sort::List && left_sort != items && left_sort != Sort::None && items != Sort::None =>
            {
                Some(not_among(sign, left_sort, items))
            }
            _ => match (&left.text, &right.text) {
                (Some(left), Some(right)) => numbers_in_strings(sign, left, right),
                // `facts.os.version < '9'`
                (Some(text), None) | (None, Some(text)) if left_sort == Sort::Text && right_sort == Sort::Text => {
                    numbers_in_strings(sign, text, text)
                }
                _ => None,
            },
        });
        let Some(misfit) = found else { return };
        let place = self.comparison(expression);
        let written = [(left, right_sort), (right, left_sort)]
            .into_iter()
            .find_map(|(one, other)| without_quotes(one.text.as_deref()?, other));
        let hint = written.unwrap_or_else(|| misfit.hint.to_owned());
        self.found
            .slips
            .push(Slip::new(place, misfit.title, misfit.label, hint));
    }

    /// A fact that is looked up by a name is `none` if there is no such thing, so the test is always true, or always false.
    fn never_undefined(&mut self, fact: &Shape, test: &ast::Test<'_>) {
        let name = fact.path.as_deref().unwrap_or_default();
        let wanted = if test.name == "defined" {
            "is not none"
        } else {
            "is none"
        };
        let slip = Slip::new(
            whole_name(self.source, range(test.expr.span())),
            format!("`{name}` is always defined"),
            "is `none` if the host has no such thing",
            format!("write `{name} {wanted}`"),
        );
        if self.is_counted {
            self.found.slips.push(slip);
        }
    }

    /// The place of a comparison: minijinja's begins at the word before.
    fn comparison(&self, expression: &Expr<'_>) -> Range<usize> {
        let at = range(expression.span());
        let known = self.comparisons.iter().find(|known| known.end == at.end);
        known.cloned().unwrap_or(at)
    }
}
