//! Answers in JSON. Each has the key `status`, which is `success` or `error`.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// An answer that says what was asked for.
#[derive(Debug)]
pub struct Reply {
    code: StatusCode,
    body: Map<String, Value>,
}

impl Reply {
    /// `200`, with the members of `body`, which is an object.
    pub fn success(body: Value) -> Self {
        Self::with_code(StatusCode::OK, "success", body)
    }

    /// An answer with a code and status of its own.
    pub fn with_code(code: StatusCode, status: &str, body: Value) -> Self {
        let mut members = Map::new();
        members.insert("status".to_owned(), status.into());
        if let Value::Object(rest) = body {
            members.extend(rest);
        }
        Self { code, body: members }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        let mut text = Value::Object(self.body).to_string();
        text.push('\n');
        (self.code, headers, text).into_response()
    }
}

/// An answer that says why not. Its message holds nothing of how the agent works inside.
#[derive(Debug, Clone)]
pub struct Problem {
    code: StatusCode,
    message: String,
    // In a box, since most problems have none of it, and all results carry the room.
    further: Box<Further>,
}

#[derive(Debug, Clone, Default)]
struct Further {
    hint: Option<String>,
    members: Map<String, Value>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// `{"status": "error", "message": …}` with a code.
    pub fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            further: Box::default(),
        }
    }

    /// What the owner of the host can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.further.hint = Some(hint.into());
        self
    }

    /// One more member of the answer.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.further.members.insert(key.to_owned(), value.into());
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.further.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// The code of the answer.
    pub fn code(&self) -> StatusCode {
        self.code
    }

    /// What the answer says.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("message".to_owned(), self.message.into());
        let further = *self.further;
        body.extend(further.hint.map(|hint| ("hint".to_owned(), hint.into())));
        body.extend(further.members);
        let mut response = Reply::with_code(self.code, "error", Value::Object(body)).into_response();
        if let Some((name, value)) = further.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
