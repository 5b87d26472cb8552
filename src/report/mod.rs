//! Stand-in until the text reporter lands.
use crate::{apply::*, change::Outcome, error::Diagnostic, plan::*, project::Run};
/// options
pub struct TextOptions {
    #[doc = ""]
    pub verbose: bool,
    #[doc = ""]
    pub full_diff: bool,
    #[doc = ""]
    pub width: usize,
}
/// plan
pub fn plan(_run: &Run, plan: &Plan, _options: &TextOptions) -> String {
    let mut t = String::new();
    for h in &plan.hosts {
        for o in &h.operations {
            let k = match &o.outcome {
                Outcome::Unchanged => "=".into(),
                Outcome::Change(_) => "+".into(),
                Outcome::Ensure { .. } => "~".into(),
                Outcome::Deferred { why, .. } => format!("? {why}"),
            };
            t += &format!("{} {k}\n", o.id);
            for c in o.changes() {
                t += &format!(
                    "    {:?} {} {:?} -> {:?}\n",
                    c.action,
                    c.id.name,
                    c.before,
                    c.after
                        .as_ref()
                        .map(|a| format!("{a:?}").chars().take(200).collect::<String>())
                );
            }
        }
        t += &format!("{:?}\n", h.totals());
    }
    t
}
/// event
pub fn event(event: &Event, _o: &TextOptions) -> Option<String> {
    match event {
        Event::Finished { result, .. } => Some(format!("{result:?}\n")),
        _ => None,
    }
}
/// summary
pub fn summary(results: &[HostResult]) -> String {
    format!("{results:#?}\n")
}
/// d
pub fn diagnostic(d: &Diagnostic) -> String {
    format!("error: {d} {:?} {:?}\n", d.causes, d.hint)
}
/// d
pub fn diagnostics(d: &[Diagnostic]) -> String {
    d.iter().map(diagnostic).collect()
}
