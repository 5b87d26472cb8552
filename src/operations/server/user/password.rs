//! The password of a user: a hash, compared with that of the host by its digest.

use std::time::Duration;

use super::super::command::databases_change;
use super::super::names::since;
use super::User;
use crate::change::{Action, Attribute, Before, Command, ResourceChange, ResourceKind, Step, Stop};
use crate::content::Input;
use crate::facts::overlay::{Effect, OperationId};
use crate::facts::password::PasswordKey;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::secret::sha256_hex;

const PASSWORD: &str = "password";

impl User {
    /// Refuses what is no hash: `/etc/shadow` would hold the password itself.
    pub(super) fn check_password(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(password) = &self.password else { return Ok(()) };
        let hash = password.expose();
        if hash.starts_with(['$', '!', '*']) && !hash.contains([':', '\n', '\0']) {
            return Ok(());
        }
        Err(context
            .refuse(
                PASSWORD,
                "`password` must be a hash",
                "`/etc/shadow` would hold it as it is",
            )
            .hint("write `{{ … | password_hash('sha512', salt='anna') }}`, or what `openssl passwd -6` prints"))
    }

    /// Adds the change of the password to those of the user.
    pub(super) fn set_password(
        &self,
        context: &PlanContext<'_>,
        changes: &mut Vec<ResourceChange>,
        after: &mut Vec<OperationId>,
    ) -> Result<(), Stop> {
        let Some(password) = &self.password else { return Ok(()) };
        let hash = password.expose().as_str();
        let wanted = sha256_hex(hash.as_bytes());
        let old = match since(context.get(PasswordKey(&self.user)))? {
            Ok(Some(old)) if old == wanted => return Ok(()),
            Ok(old) => old,
            Err((operation, _)) => {
                if !after.contains(&operation) {
                    after.push(operation);
                }
                None
            }
        };
        let hidden = |digest: &str| Attribute::Secret(context.digests().digest(digest));
        let is_own = |change: &&mut ResourceChange| change.id.kind == ResourceKind::User;
        let mut alone = ResourceChange::new(
            crate::change::ResourceId::new(ResourceKind::User, &self.user),
            Action::Update,
            Before::Present(
                [(PASSWORD, hidden(old.as_deref().unwrap_or_default()))]
                    .into_iter()
                    .collect(),
            ),
            Some([(PASSWORD, hidden(&wanted))].into_iter().collect()),
        );
        if !changes.iter().any(|change| change.id.kind == ResourceKind::User) {
            alone.effects = databases_change().collect();
            changes.push(alone);
        }
        let Some(change) = changes.iter_mut().find(is_own) else {
            return Ok(());
        };
        if let (Before::Present(before), Some(old)) = (&mut change.before, &old) {
            before.insert(PASSWORD, hidden(old));
        }
        if let Some(after) = &mut change.after {
            after.insert(PASSWORD, hidden(&wanted));
        }
        // The hash on standard input: arguments are for every user of the host to see.
        let line = format!("{}:{hash}\n", self.user);
        change.steps.push(Step::Run(Command {
            timeout: Duration::from_secs(60),
            input: Some(Input::secret(line.into_bytes(), context.digests())),
            ..Command::new(format!("set the password of {}", self.user), "chpasswd -e")
        }));
        change.effects.push(Effect::Set(
            FactKey::Password(self.user.clone()),
            Fact::Password(Some(wanted)),
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Outcome;
    use crate::operations::server::user::User;
    use crate::operations::testing::{Bench, change, refusal};
    use crate::secret::Secret;
    use crate::value::{Kind, Value};

    const HASH: &str = "$6$salt$hunter2hash";

    fn bench(hash: &str, old: Option<&str>) -> Bench {
        let secret = Value::new(Kind::Secret(Secret::new(hash)));
        let digest = old.map(|old| sha256_hex(old.as_bytes()));
        Bench::with::<User>("user = 'anna'", [("password", secret)])
            .user("anna", 1000, "anna", &[])
            .fact(FactKey::Password("anna".to_owned()), Fact::Password(digest))
    }

    #[test]
    fn a_password_is_compared_by_its_digest_and_sent_on_standard_input() {
        assert_eq!(bench(HASH, Some(HASH)).plan(), Ok(Outcome::Unchanged));
        let change = change(bench(HASH, Some("$6$old$x")).plan());
        assert!(!format!("{change:?}").contains("hunter2"), "{change:?}");
        let [Step::Run(run)] = &change.steps[..] else {
            panic!("one command")
        };
        assert_eq!(run.script, "chpasswd -e");
        let input = run.input.as_ref().expect("the hash").content();
        assert_eq!(input.bytes(), Some(format!("anna:{HASH}\n").as_bytes()));
    }

    #[test]
    fn a_password_that_is_no_hash_is_refused() {
        let mistake = refusal(bench("hunter2", None).plan());
        assert_eq!(mistake.title, "`password` must be a hash");
        assert!(!format!("{mistake:?}").contains("hunter2"), "{mistake:?}");
    }
}
