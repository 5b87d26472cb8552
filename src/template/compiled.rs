//! Templates and expressions, compiled once for all hosts. They are independent of hosts.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use minijinja::{Environment, Error, Expression, Value};

use super::environment;

/// The prefix of the name of a template whose name is its text, so that no `include` can refer to it.
const OWN_TEXT: char = '\0';

/// A template's text is its name, so that each is cached under it.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = environment();
    environment.set_loader(|name| Ok(name.strip_prefix(OWN_TEXT).map(str::to_owned)));
    environment
});

type Kept = Mutex<HashMap<String, Arc<Expression<'static, 'static>>>>;

static EXPRESSIONS: LazyLock<Kept> = LazyLock::new(Kept::default);

/// Renders text as a template.
pub(super) fn render(text: &str, context: Value) -> Result<String, Error> {
    TEMPLATES.get_template(&format!("{OWN_TEXT}{text}"))?.render(context)
}

/// An expression, ready to be evaluated.
pub(super) fn expression(text: &str) -> Result<Arc<Expression<'static, 'static>>, Error> {
    let mut kept = EXPRESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text) {
        return Ok(Arc::clone(known));
    }
    let compiled = Arc::new(TEMPLATES.compile_expression_owned(text.to_owned())?);
    kept.insert(text.to_owned(), Arc::clone(&compiled));
    Ok(compiled)
}
