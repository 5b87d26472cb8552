//! Reviews that are read by a user who can change nothing.

use homelab::error::Diagnostic;
use homelab::remote::{Privilege, Target};

/// The same hosts, read by `user` with the keys of this machine's own `ssh`; all as they are without a user.
///
/// Errors: a host is this machine, where no other user can be logged in as.
pub(super) fn read_as(user: Option<&str>, mut targets: Vec<Target>) -> anyhow::Result<Vec<Target>> {
    let Some(user) = user else {
        return Ok(targets);
    };
    for target in &mut targets {
        if target.local {
            let mistake = Diagnostic::new(format!("{}: cannot be read as `{user}`", target.name))
                .because("it is this machine, and `--read-as` logs in over SSH")
                .hint(format!("leave it out: `--limit '!{}'`", target.name));
            return Err(mistake.into());
        }
        target.user = Some(user.to_owned());
        target.identity_file = None;
        target.privilege = Privilege::LoginUser;
        target.is_for_review_only = true;
        for jump in &mut target.jumps {
            jump.user = Some(user.to_owned());
            jump.identity_file = None;
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use homelab::remote::Hop;

    use super::*;

    fn target(name: &str) -> Target {
        Target {
            name: name.to_owned(),
            user: Some("admin".to_owned()),
            identity_file: Some("/keys/admin".into()),
            privilege: Privilege::Sudo {
                password: None,
                user: None,
            },
            jumps: vec![Hop {
                address: "gate".to_owned(),
                user: Some("admin".to_owned()),
                identity_file: Some("/keys/admin".into()),
                ..Hop::default()
            }],
            ..Target::default()
        }
    }

    #[test]
    fn nothing_of_the_inventory_leads_to_root() {
        let read = read_as(Some("eyes"), vec![target("alpha")]).expect("over SSH");
        let expected = Target {
            name: "alpha".to_owned(),
            user: Some("eyes".to_owned()),
            is_for_review_only: true,
            jumps: vec![Hop {
                address: "gate".to_owned(),
                user: Some("eyes".to_owned()),
                ..Hop::default()
            }],
            ..Target::default()
        };
        assert_eq!(read, [expected]);
        assert_eq!(
            read_as(None, vec![target("alpha")]).expect("as it is"),
            [target("alpha")]
        );
    }

    #[test]
    fn this_machine_is_not_read_as_another_user() {
        let here = Target {
            local: true,
            ..target("here")
        };
        let refused = read_as(Some("eyes"), vec![target("alpha"), here]).expect_err("refused");
        assert_eq!(refused.to_string(), "here: cannot be read as `eyes`");
    }
}
