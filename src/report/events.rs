//! stub
use super::TextOptions;
use crate::apply::Event;
/// What is told of an event; `None` where a plain log has nothing to say.
pub fn event(event: &Event, _options: &TextOptions) -> Option<String> {
    Some(format!("{event:?}\n"))
}
