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
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Step,
    Stop,
};
use crate::content::Input;
use crate::facts::http::{Answer, AnswerKey, Difference, Headers, Question, Request, differences};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::{Fact, FactKey, sending};
use crate::operations::parameters::Span;
use crate::operations::request::{JsonValue, check_ca, check_url, headers};
use crate::operations::verify::default_within;
use crate::operations::{Define, Operation, PlanContext};
use crate::secret::Secret;

/// Parameters of `http.resource`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Resource {
    /// URL of the resource, as the host reaches it. It is read with `GET`, also in a dry run. `https` needs curl on the host.
    url: String,
    /// Value that must be in the answer, which has to be JSON. Of a table, only the keys given here are compared; a list must
    /// have the same length.
    want: JsonValue,
    /// JSON pointer, such as `"/data"`, to the part of the answer that is compared. By default the whole answer.
    #[serde(default)]
    read: String,
    /// Method of the request that makes it so.
    #[serde(default)]
    method: Method,
    /// What the request sends, as JSON. By default `want`.
    body: Option<JsonValue>,
    /// Headers of all requests, such as `{ Authorization = "Bearer …" }`. Their values are never shown.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Status codes of an answer that mean that there is no such resource yet.
    #[serde(default = "not_found")]
    absent: Vec<u16>,
    /// Where `read` leads to a list: the key by which the item with the value of `want` is found.
    list_key: Option<String>,
    /// File of the host with the certificates that the server's must be signed by; default: those of the system.
    ca: Option<String>,
    /// How long to wait for a service that an earlier operation starts.
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
    const EXAMPLE: &'static str = r#"[[operation]]
op = "http.resource"
url = "http://127.0.0.1:8080/api/users/anna"
want = { name = "anna", admin = false }
"#;
}

impl Operation for Resource {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::Answer(self.question(self.given_headers()))]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        self.needs().into_iter().map(FactScope::Key).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let question = self.question(headers(context, &self.headers)?);
        let answer = match context.get(AnswerKey(&question)) {
            Ok(answer) => answer,
            Err(Stop::NotKnown {
                cause: NotKnown::Since(operation, why),
                ..
            }) if self.is_certain() => return Ok(self.ensured(context, &question, operation, why)),
            Err(stop) => return Err(stop),
        };
        let (status, body) = match answer {
            Answer::Came { status, body } => (status, body),
            Answer::None(why) => {
                // What starts the service may be an earlier operation.
                if let Some(operation) = context.last_change().filter(|_| self.is_certain()) {
                    return Ok(self.ensured(context, &question, operation, "nothing answers yet".to_owned()));
                }
                return Err(context
                    .refuse(
                        "url",
                        format!("nothing answers at `{}`", self.url),
                        "asked from the host",
                    )
                    .because(why)
                    .hint(if self.is_certain() {
                        "start the service in an earlier operation, or check host and port"
                    } else {
                        "deploy the service first: what is in its list decides about a `POST`"
                    }));
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
        if self.absent.contains(&status) {
            return Ok(Outcome::Change(vec![self.change(
                context,
                &question,
                None,
                &Json::Null,
            )]));
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
        let found = match self.place().find(&whole, &self.want.0) {
            Ok(found) => found,
            Err(why) => {
                let argument = if self.list_key.is_some() { "list_key" } else { "read" };
                return Err(context.refuse(argument, why, format!("this is what `{}` answers", self.url)));
            }
        };
        if found.is_some_and(|found| differences(&self.want.0, found).is_empty()) {
            return Ok(Outcome::Unchanged);
        }
        Ok(Outcome::Change(vec![self.change(context, &question, found, &whole)]))
    }
}

impl Resource {
    fn place(&self) -> Place<'_> {
        Place {
            pointer: &self.read,
            list_key: self.list_key.as_deref(),
        }
    }

    /// Whether the request can be made without another look: `POST` might create a second item of a list.
    fn is_certain(&self) -> bool {
        self.method != Method::Post || (self.list_key.is_none() && self.read.is_empty())
    }

    fn given_headers(&self) -> Headers {
        let given = self.headers.iter();
        Headers::new(given.map(|(name, value)| (name.clone(), Secret::new(value))))
    }

    fn question(&self, headers: Headers) -> Question {
        Question(Box::new(Request {
            headers,
            ca: self.ca.clone(),
            ..Request::get(&self.url)
        }))
    }

    fn body(&self) -> &Json {
        &self.body.as_ref().unwrap_or(&self.want).0
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_url(context, "url", &self.url)?;
        check_ca(context, &self.url, self.ca.as_deref())?;
        check_pointer(context, "read", &self.read)?;
        if let Some(status) = self.absent.iter().find(|status| !(100..=599).contains(*status)) {
            let title = format!("`{status}` is not a valid status code");
            return Err(context.refuse_item("absent", &status.to_string(), title, "must be from 100 to 599"));
        }
        match &self.list_key {
            Some(key) if self.want.0.get(key).is_none() => {
                let title = format!("`want` has no `{key}`");
                Err(context
                    .refuse("list_key", title, "the item is found by it")
                    .hint(format!("add `{key}` to `want`")))
            }
            _ => Ok(()),
        }
    }

    /// The change after an operation that may start the service.
    fn ensured(&self, context: &PlanContext<'_>, question: &Question, since: OperationId, why: String) -> Outcome {
        let mut change = self.change(context, question, None, &Json::Null);
        change.before = Before::Unknown(why);
        // What is there by then is read back, and not made twice.
        change.steps = vec![Step::Run(self.send(context, question, self.method == Method::Post))];
        Outcome::Ensure {
            changes: vec![change],
            since: vec![since],
        }
    }

    fn change(
        &self,
        context: &PlanContext<'_>,
        question: &Question,
        found: Option<&Json>,
        whole: &Json,
    ) -> ResourceChange {
        let nothing = Json::Object(serde_json::Map::default());
        let all = differences(&self.want.0, found.unwrap_or(&nothing));
        let shown = |value: fn(&Difference) -> Option<&Json>| -> Attributed {
            let lines = all.iter().filter_map(|one| Some(line(&one.path, value(one)?)));
            [("values", Attribute::known(lines.collect::<String>()))]
                .into_iter()
                .collect()
        };
        let before = found.map_or(Before::Absent, |_| Before::Present(shown(|one| one.found.as_ref())));
        let mut after = shown(|one| Some(&one.wanted));
        let method = <&str>::from(self.method);
        let with = match &self.body {
            None => method.to_owned(),
            Some(body) => format!("{method} {}", body.0),
        };
        after.insert("request", Attribute::known(with));
        let id = ResourceId::new(ResourceKind::HttpResource, &self.id());
        let action = if found.is_some() {
            Action::Update
        } else {
            Action::Create
        };
        let mut change = ResourceChange::new(id, action, before, Some(after));
        let predicted = self.place().with(whole.clone(), &self.want.0);
        change.effects = vec![Effect::Set(
            FactKey::Answer(question.clone()),
            Fact::Answer(Answer::Came {
                status: 200,
                body: predicted.to_string().into_bytes(),
            }),
        )];
        change.steps = vec![Step::Run(self.send(context, question, false))];
        change
    }

    fn id(&self) -> String {
        match &self.list_key {
            None if self.read.is_empty() => self.url.clone(),
            None => format!("{} {}", self.url, self.read),
            Some(key) => {
                let value = self.want.0.get(key).cloned().unwrap_or_default();
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{} {key}={value}", self.url)
            }
        }
    }

    /// The request. Its text has the values of the headers, so that a shell reads it from standard input, and it is stored nowhere.
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
        let script = sending(&question.0, &request, self.within.0, unless_there).into_bytes();
        let input = if self.headers.is_empty() {
            Input::open(script)
        } else {
            Input::secret(script, context.digests())
        };
        Command {
            input: Some(input),
            timeout: self.within.0 + crate::change::DEFAULT_TIMEOUT,
            ..Command::new(format!("{method} {}", self.url), "sh")
        }
    }
}

fn line(path: &str, value: &Json) -> String {
    if path.is_empty() {
        format!("{value}\n")
    } else {
        format!("{path} = {value}\n")
    }
}
