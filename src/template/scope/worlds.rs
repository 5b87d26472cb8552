//! Templates that reach a secret are evaluated again with decoys in its place, and what differs is secret.

use std::sync::Arc;

use minijinja::value::{Object, from_args};
use minijinja::{Error, ErrorKind, State};

use super::{Bindings, Inner};
use crate::error::{Diagnostic, Origin};
use crate::secret::{MASK, Secret, World};
use crate::template::sorts::Misfit;
use crate::template::variables::Unset;
use crate::value::{DecidedKeys, Value, Why, Withheld};

impl Bindings {
    /// `real`, a result that reached a secret, with what differs in the other worlds made secret. `evaluate` gives the result in
    /// the world that is set, or `None` where it has none.
    ///
    /// Errors: a secret decides the keys of a table.
    pub(super) fn in_all_worlds(
        &self,
        real: Value,
        origin: Option<&Origin>,
        evaluate: impl Fn() -> Option<Value>,
    ) -> Result<Value, Diagnostic> {
        let watch = &self.inner.watch;
        let cover = watch.seen().cover.unwrap_or_default();
        let decoys = [World::First, World::Second].map(|world| {
            self.begin();
            watch.seen().world = world;
            let decoy = evaluate();
            let mut seen = watch.seen();
            seen.world = World::Real;
            let is_without = seen.mistake.take().is_some() | seen.unknown.take().is_some();
            decoy.filter(|_| !is_without)
        });
        self.begin();
        let [first, second] = &decoys;
        Value::of_worlds(real, [first.as_ref(), second.as_ref()], cover).map_err(|DecidedKeys| {
            Diagnostic::new("a secret decides which keys a table has")
                .at_maybe(origin, "only values can be hidden")
                .hint("write the keys out, and use secrets in their values")
        })
    }

    /// A mistake without the secrets that its template reached.
    pub(super) fn without_secrets(&self, mut mistake: Diagnostic) -> Diagnostic {
        let secrets = self.inner.watch.seen().secrets.clone();
        let hide = |text: &mut String| {
            if secrets.iter().any(|secret| text.contains(secret.as_str())) {
                MASK.clone_into(text);
            }
        };
        if !secrets.is_empty() {
            hide(&mut mistake.title);
            mistake.labels.iter_mut().for_each(|label| hide(&mut label.text));
            mistake.causes.iter_mut().for_each(hide);
            mistake.hint.iter_mut().for_each(hide);
        }
        mistake
    }
}

impl Inner {
    /// The function `env`.
    pub(super) fn env(self: &Arc<Self>) -> minijinja::Value {
        minijinja::Value::from_object(Env(Arc::clone(self)))
    }
}

/// The function `env`.
struct Env(Arc<Inner>);

impl std::fmt::Debug for Env {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("env")
    }
}

impl Object for Env {
    fn call(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        arguments: &[minijinja::Value],
    ) -> Result<minijinja::Value, Error> {
        let (name,): (&str,) = from_args(arguments)?;
        let hint = match self.0.bindings.variables.ask(name) {
            Ok(text) => return Ok(self.0.watch.secret(&Secret::new(text))),
            Err(Unset::Withheld) => {
                return Ok(self.0.watch.unknown(Why::Withheld(Withheld::Variable(name.to_owned()))));
            }
            Err(Unset::Secret) => {
                "set it where you run homelab, or write it into `.env` in the project's folder; \
                 `--dry-run --without-secrets` reviews the rest"
            }
            Err(Unset::Connection) => "set it where you run homelab, or write it into `.env` in the project's folder",
        };
        let title = format!("environment variable `{name}` is not set");
        Err(
            Error::new(ErrorKind::InvalidOperation, title.clone()).with_source(Misfit {
                title,
                label: "neither the environment nor `.env` has it".to_owned(),
                hint,
            }),
        )
    }
}

#[cfg(test)]
mod tests;
