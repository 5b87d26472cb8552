//! `http.resource`: a resource of a web API, such as a user of a service.
//!
//! ```toml
//! [[operation]]
//! op = "http.resource"
//! url = "http://127.0.0.1:8080/api/users/anna"
//! want = { name = "anna", admin = false }
//! ```
//!
//! The host asks for the resource, and sends a request only if what is wanted is not in the answer.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::place::{Place, check_pointer};
use super::values::{in_places_of, lines, old_lines, without_other_texts};
use crate::change::{
    Action, Attribute, Attributed, Before, CheckState, Command, NotKnown, Outcome, ResourceChange, ResourceId,
    ResourceKind, Step, Stop,
};
use crate::content::Input;
use crate::facts::http::{Answer, AnswerKey, Headers, Question, Request, differences};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::{Fact, FactKey, Identity, sending};
use crate::operations::conduct::RunsCommands;
use crate::operations::parameters::Span;
use crate::operations::request::{JsonValue, check_ca, check_url, headers, unchecked};
use crate::operations::verify::default_within;
use crate::operations::{Define, Operation, PlanContext};
use crate::secret::{Secret, sha256_hex};
use crate::value::{Text, Varied};

/// Parameters of `http.resource`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Resource {
    /// URL of the resource, as the host reaches it. It is read with `GET`, also in a dry run. `https` needs curl on the host.
    url: String,
    /// Value that must be in the answer, which has to be JSON. Of a table, only the keys given here are compared; a list must
    /// have the same length.
    want: Varied<JsonValue>,
    /// JSON pointer, such as `"/data"`, to the part of the answer that is compared. By default the whole answer.
    #[serde(default)]
    read: String,
    /// Method of the request that makes it so.
    #[serde(default)]
    method: Method,
    /// What the request sends, as JSON. By default `want`.
    body: Option<Varied<JsonValue>>,
    /// Headers of all requests, such as `{ Authorization = "Bearer …" }`. Their values are never shown.
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    /// Status codes of an answer that mean that there is no such resource yet.
    #[serde(default = "not_found")]
    absent: Vec<u16>,
    /// Where `read` leads to a list: the key by which the item with the value of `want` is found.
    list_key: Option<String>,
    /// File of the host with the certificates that the server's must be signed by; default: those of the system.
    ca: Option<String>,
    /// How long to wait for a service that an earlier operation starts, or that the request restarts.
    #[serde(default = "default_within")]
    within: Span,
}

/// A method that changes something.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, serde::Serialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
enum Method {
    #[default]
    Put,
    Post,
    Patch,
}

fn not_found() -> Vec<u16> {
    vec![404]
}

impl Define for Resource {
    const NAME: &'static str = "http.resource";
    const SUMMARY: &'static str = "Have a web API hold a value, as seen from the host";
    const MAIN_ARGUMENT: &'static str = "url";
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "http.resource"
url = "http://127.0.0.1:8080/api/users/anna"
want = { name = "anna", admin = false }
"#;
}

impl Operation for Resource {
    fn needs(&self) -> Vec<FactKey> {
        vec![self.key()]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(self.key())]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let question = self.question(headers(context, &self.headers)?);
        if self.awaits_headers() {
            return Ok(Outcome::Change(vec![self.wanted(
                context,
                &question,
                "it is asked with `headers`, which are known after apply",
            )]));
        }
        match context.get(AnswerKey(&question)) {
            Ok(answer) => self.plan_after(context, &question, answer),
            Err(Stop::NotKnown {
                key,
                cause: NotKnown::Since(operation, why),
            }) => self.later(context, &question, key, operation, why),
            Err(stop) => Err(stop),
        }
    }
}

impl Resource {
    /// What is to be done after an answer.
    fn plan_after(&self, context: &PlanContext<'_>, question: &Question, answer: Answer) -> Result<Outcome, Stop> {
        let (status, body) = match answer {
            Answer::Came { status, body } => (status, body),
            // A service that was started may need a while.
            Answer::None(why) if context.is_amid_changes() => {
                return Ok(Outcome::Check {
                    what: format!("http {}", self.url),
                    state: CheckState::Fails(format!("nothing answers: {why}")),
                    within: self.within.0,
                });
            }
            Answer::None(why) => {
                return Err(context
                    .refuse(
                        "url",
                        format!("nothing answers at `{}`", self.url),
                        "asked from the host",
                    )
                    .because(why)
                    .hint("start the service in an earlier operation, or check host and port"));
            }
            Answer::Part(why) => {
                return Err(context
                    .refuse(
                        "url",
                        format!("the answer of `{}` is not complete", self.url),
                        "asked from the host",
                    )
                    .because(why));
            }
        };
        let to_change = |found: Option<&Json>, whole: &Json| {
            Ok(Outcome::Change(vec![self.change(context, question, found, whole)]))
        };
        if self.absent.contains(&status) {
            return to_change(None, &Json::Null);
        }
        if !(200..300).contains(&status) {
            let title = format!("`{}` answers with status {status}", self.url);
            let refused = context.refuse("url", title, "asked from the host, with `GET`");
            return Err(refused.hint(match status {
                401 | 403 => "check `headers`: the server does not accept them",
                300..=399 => "write the URL that it leads to: redirects are not followed",
                _ => "name the status in `absent` if it means that there is no such resource",
            }));
        }
        let Ok(whole) = serde_json::from_slice::<Json>(&body) else {
            let title = format!("the answer of `{}` is not JSON", self.url);
            return Err(context
                .refuse("url", title, "asked from the host, with `GET`")
                .hint("check the URL: many services answer with a page where there is no API"));
        };
        let found = match self.place().find(&whole, self.want()) {
            Ok(found) => found,
            Err(why) => {
                let argument = if self.list_key.is_some() { "list_key" } else { "read" };
                return Err(context.refuse(argument, why, format!("this is what `{}` answers", self.url)));
            }
        };
        match found {
            Some(found) if differences(self.want(), found).is_empty() => Ok(Outcome::Unchanged),
            Some(_) if self.adds_to_a_list() => {
                let title = format!("`POST` would add a second item like `{}`", self.id());
                Err(context
                    .refuse("method", title, "the item is in the list, with other values")
                    .hint(
                        "write the item's own URL in `url`, or `PUT` or `PATCH` if the API changes items at this one",
                    ))
            }
            found => to_change(found, &whole),
        }
    }

    fn adds_to_a_list(&self) -> bool {
        self.method == Method::Post && self.list_key.is_some()
    }

    fn place(&self) -> Place<'_> {
        Place {
            pointer: &self.read,
            list_key: self.list_key.as_deref(),
        }
    }

    fn given_headers(&self) -> Headers {
        unchecked(&self.headers)
    }

    /// Whether a header is known only later.
    fn awaits_headers(&self) -> bool {
        self.headers.values().any(Text::is_later)
    }

    fn key(&self) -> FactKey {
        FactKey::Answer(self.question(self.given_headers()))
    }

    fn question(&self, headers: Headers) -> Question {
        Question(Box::new(Request {
            headers,
            ca: self.ca.clone(),
            ..Request::get(&self.url)
        }))
    }

    fn want(&self) -> &Json {
        &self.want.expose().0
    }

    fn body(&self) -> &Json {
        &self.body.as_ref().unwrap_or(&self.want).expose().0
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_url(context, "url", &self.url)?;
        if has_user(&self.url) {
            let title = "`url` contains a user";
            return Err(context
                .refuse("url", title, "a URL is shown, with its password")
                .hint("write `headers = { Authorization = \"Basic …\" }`, whose values are never shown"));
        }
        check_ca(context, &self.url, self.ca.as_deref())?;
        check_pointer(context, "read", &self.read)?;
        if let Some(status) = self.absent.iter().find(|status| !(100..=599).contains(*status)) {
            let title = format!("`{status}` is not a valid status code");
            return Err(context.refuse_item("absent", &status.to_string(), title, "must be from 100 to 599"));
        }
        match &self.list_key {
            Some(key) if self.want.is_covered() && self.want.text(|want| of_key(want, key)).is_covered() => {
                Err(context
                    .refuse_entry(
                        "want",
                        key,
                        format!("`{key}` cannot be a secret"),
                        "reviews show it: the item is found by it",
                    )
                    .hint("choose another `list_key`"))
            }
            Some(key) if self.want().get(key).is_none() => {
                let title = format!("`want` has no `{key}`");
                Err(context
                    .refuse("list_key", title, "the item is found by it")
                    .hint(format!("add `{key}` to `want`")))
            }
            _ => Ok(()),
        }
    }

    /// After an operation that may change what is answered, the service is asked again. If it says nothing of the resource as things
    /// are now, what is wanted is all that there is to show.
    fn later(
        &self,
        context: &PlanContext<'_>,
        question: &Question,
        key: FactKey,
        since: OperationId,
        why: String,
    ) -> Result<Outcome, Stop> {
        let now = context.now(AnswerKey(question));
        let now = now.map(|answer| self.plan_after(context, question, answer));
        let Some(Err(Stop::Refused(refused))) = now else {
            let cause = NotKnown::Since(since, why);
            return Err(Stop::NotKnown { key, cause });
        };
        let wanted = self.wanted(context, question, &refused.title);
        Ok(Outcome::Deferred {
            waits_for: vec![since],
            why: format!("{key}: {why}; as things are now, {}", refused.title),
            touches: Vec::new(),
            preview: vec![wanted],
        })
    }

    /// What is wanted, if it is not known what is there.
    fn wanted(&self, context: &PlanContext<'_>, question: &Question, why: &str) -> ResourceChange {
        let mut wanted = self.change(context, question, None, &Json::Null);
        wanted.before = Before::Unknown(why.to_owned());
        wanted
    }

    fn change(
        &self,
        context: &PlanContext<'_>,
        question: &Question,
        found: Option<&Json>,
        whole: &Json,
    ) -> ResourceChange {
        let want = self.want();
        let values = |value: Attribute| -> Attributed { [("values", value)].into_iter().collect() };
        let before = found.map_or(Before::Absent, |found| {
            Before::Present(values(self.found(context, &in_places_of(want, found))))
        });
        let mut after = values(context.attribute_of(&self.want.text(|want| lines(&want.0))));
        let method = <&str>::from(self.method);
        let with = match &self.body {
            None => method.to_owned(),
            Some(body) => {
                let shown = body.text(|body| without_other_texts(&body.0, want).to_string());
                format!("{method} {}", shown.masked())
            }
        };
        after.insert("request", Attribute::known(with));
        let id = ResourceId::new(ResourceKind::HttpResource, &self.id());
        let action = if found.is_some() {
            Action::Update
        } else {
            Action::Create
        };
        let mut change = ResourceChange::new(id, action, before, Some(after));
        let predicted = self.place().with(whole.clone(), want);
        change.effects = vec![Effect::Set(
            FactKey::Answer(question.clone()),
            Fact::Answer(Answer::Came {
                status: 200,
                body: predicted.to_string().into_bytes(),
            }),
        )];
        let adds = self.method == Method::Post && found.is_none();
        change.steps = vec![Step::Run(self.send(context, question, adds && !self.adds_to_a_list()))];
        change
    }

    /// What is found, without old values where a secret is wanted.
    fn found(&self, context: &PlanContext<'_>, found: &Json) -> Attribute {
        let old = lines(found);
        if !self.want.is_covered() {
            return Attribute::known(old);
        }
        let new = self.want.text(|want| lines(&want.0));
        Attribute::Masked {
            text: old_lines(&old, new.expose(), &new.masked()),
            digest: context.digests().digest(&sha256_hex(old.as_bytes())),
        }
    }

    fn id(&self) -> String {
        match &self.list_key {
            None if self.read.is_empty() => self.url.clone(),
            None => format!("{} {}", self.url, self.read),
            Some(key) => {
                let value = self.want().get(key).cloned().unwrap_or_default();
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{} {key}={value}", self.url)
            }
        }
    }

    /// The request. Its text has the values of the headers, so that a shell reads it from standard input, and it is stored nowhere.
    ///
    /// With `unless_there` it is made only if there is still no such resource.
    fn send(&self, context: &PlanContext<'_>, question: &Question, unless_there: bool) -> Command {
        let method = <&str>::from(self.method);
        let mut lines: Vec<(String, Secret)> = self.given_headers().into_lines();
        if !question.0.headers.has("content-type") {
            lines.push(("Content-Type".to_owned(), Secret::new("application/json")));
        }
        let request = Request {
            method: method.to_owned(),
            headers: Headers::new(lines),
            body: Some(Secret::new(self.body().to_string())),
            ..(*question.0).clone()
        };
        let asked = unless_there.then_some(&*question.0);
        let script = sending(&request, asked).into_bytes();
        let input = if self.headers.is_empty() && self.body.is_none() && !self.want.is_secret() {
            Input::open(script)
        } else {
            Input::secret(script, context.digests())
        };
        Command {
            input: Some(input),
            by: Identity::Own,
            ..Command::new(format!("{method} {}", self.url), "sh")
        }
    }
}

/// The value of a key.
fn of_key(want: &JsonValue, key: &str) -> String {
    want.0.get(key).map(Json::to_string).unwrap_or_default()
}

/// Whether there is something before the name of the host, as in `http://user:password@host/`.
fn has_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#'])
        .next()
        .is_some_and(|host| host.contains('@'))
}
