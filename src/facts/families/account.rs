//! Reads users and groups, all together, and the defaults for new users.

mod defaults;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::account::{
    AccountDefaultsKey, Group, GroupFact, GroupKey, GroupNumberKey, User, UserFact, UserKey, UserNumberKey,
};
use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, held, known, listed, no_allowance};
use crate::facts::grammar::Grammar;
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::template::NamedFact;
use crate::value::Known;

use sources::Sources;

static ACCOUNTS: Family = Family {
    subject: "users and groups",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for UserKey<'a> {
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = Some(&USERS);
}

impl<'a> Readable<'a> for GroupKey<'a> {
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = Some(&GROUPS);
}

impl<'a> Readable<'a> for UserNumberKey<'a> {
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for GroupNumberKey<'a> {
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl Readable<'_> for AccountDefaultsKey {
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

static USERS: InTemplates = InTemplates {
    family: "users",
    attributes: &["uid", "group", "home", "shell", "comment", "groups"],
    key: |name| UserKey(name).stored(),
    attributes_of: |fact| match fact {
        Fact::User(UserFact::Present(user)) => NamedFact::present([
            ("uid", known(&user.uid)),
            ("group", held(Grammar::Account, &user.group)),
            ("home", held(Grammar::Path, &user.home)),
            ("shell", held(Grammar::Shell, &user.shell)),
            ("comment", held(Grammar::Text, &user.comment)),
            ("groups", listed(&user.groups)),
        ]),
        _ => NamedFact::Absent,
    },
};

static GROUPS: InTemplates = InTemplates {
    family: "groups",
    attributes: &["gid", "members"],
    key: |name| GroupKey(name).stored(),
    attributes_of: |fact| match fact {
        Fact::Group(GroupFact::Present(group)) => {
            NamedFact::present([("gid", known(&group.gid)), ("members", listed(&group.members))])
        }
        _ => NamedFact::Absent,
    },
};

/// All users and all groups, each in one call; the defaults for new users only if asked for.
fn probe(keys: &[FactKey]) -> String {
    let defaults = if keys.contains(&FactKey::AccountDefaults) {
        defaults::PROBE
    } else {
        ""
    };
    format!(
        "command -v getent >/dev/null || exit 127\n\
         getent passwd || exit\nprintf \"groups\\n\"\ngetent group || exit\n\
         {}{defaults}true",
        sources::PROBE
    )
}

/// Every user and group becomes a fact, asked for or not: they are read anyway, and a later round may need them.
fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status != 0 {
        return Err(UnreadableAnswer::new(match status {
            127 => "`getent` not found: cannot read users and groups".to_owned(),
            _ => format!("`getent` exited with {status}"),
        }));
    }
    let lines = lines(answer);
    let groups_at = lines
        .iter()
        .position(|line| line == "groups")
        .ok_or_else(|| UnreadableAnswer::new("missing section `groups`"))?;
    let end = lines.iter().position(|line| line == "defaults").unwrap_or(lines.len());
    let (groups, sources) = sources::split(&lines[groups_at + 1..end]);
    let database = Database::read(&lines[..groups_at], groups, &sources)?;
    let mut facts: BTreeMap<FactKey, Fact> = keys
        .iter()
        .filter_map(|key| Some((key.clone(), key.absent()?)))
        .collect();
    if keys.contains(&FactKey::AccountDefaults) {
        let defaults = defaults::parse(lines.get(end + 1..).unwrap_or_default(), &database.group_names)?;
        facts.insert(FactKey::AccountDefaults, defaults);
    }
    facts.extend(database.facts());
    Ok(facts.into_iter().collect())
}

/// The two databases, joined.
struct Database<'a> {
    sources: &'a Sources,
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, Group>,
    user_names: BTreeMap<u32, String>,
    group_names: BTreeMap<u32, String>,
}

impl<'a> Database<'a> {
    fn read(users: &[String], groups: &[String], sources: &'a Sources) -> Result<Self, UnreadableAnswer> {
        let mut database = Self {
            sources,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            user_names: BTreeMap::new(),
            group_names: BTreeMap::new(),
        };
        for line in groups {
            database.add_group(line)?;
        }
        for line in users {
            database.add_user(line)?;
        }
        Ok(database)
    }

    /// `name:password:gid:members`; of two lines with the same name or gid the first counts, as it does for the host.
    fn add_group(&mut self, line: &str) -> Result<(), UnreadableAnswer> {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, _, gid, members] = fields.as_slice() else {
            return Err(unreadable("group", line));
        };
        let gid = gid.parse().map_err(|_| unreadable("group", line))?;
        self.group_names.entry(gid).or_insert_with(|| name.to_owned());
        self.groups.entry(name.to_owned()).or_insert_with(|| Group {
            gid: Known::Yes(gid),
            members: members
                .split(',')
                .filter(|member| !member.is_empty())
                .map(str::to_owned)
                .collect(),
            primary_of: BTreeSet::new(),
            elsewhere: self.sources.groups.of(name),
        });
        Ok(())
    }

    /// `name:password:uid:gid:comment:home:shell`
    fn add_user(&mut self, line: &str) -> Result<(), UnreadableAnswer> {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, _, uid, gid, comment, home, shell] = fields.as_slice() else {
            return Err(unreadable("passwd", line));
        };
        let uid = uid.parse().map_err(|_| unreadable("passwd", line))?;
        let gid: u32 = gid.parse().map_err(|_| unreadable("passwd", line))?;
        let group = self.group_names.get(&gid).cloned();
        if let Some(group) = group.as_ref().and_then(|group| self.groups.get_mut(group)) {
            group.primary_of.insert(name.to_owned());
        }
        let memberships = self.groups.iter().filter(|(_, group)| group.members.contains(name));
        let user = User {
            uid: Known::Yes(uid),
            group: Known::Yes(group.unwrap_or_else(|| gid.to_string())),
            home: Known::Yes(home.to_owned()),
            shell: Known::Yes(shell.to_owned()),
            comment: Known::Yes(comment.to_owned()),
            groups: memberships.map(|(name, _)| name.clone()).collect(),
            elsewhere: self.sources.users.of(name),
        };
        self.user_names.entry(uid).or_insert_with(|| name.to_owned());
        self.users.entry(name.to_owned()).or_insert(user);
        Ok(())
    }

    fn facts(self) -> impl Iterator<Item = (FactKey, Fact)> {
        let users = self.users.into_iter();
        let groups = self.groups.into_iter();
        let uids = self.user_names.into_iter();
        let gids = self.group_names.into_iter();
        users
            .map(|(name, user)| (FactKey::User(name), Fact::User(UserFact::Present(user))))
            .chain(groups.map(|(name, group)| (FactKey::Group(name), Fact::Group(GroupFact::Present(group)))))
            .chain(uids.map(|(uid, name)| (FactKey::UserNumber(uid), Fact::UserNumber(Some(name)))))
            .chain(gids.map(|(gid, name)| (FactKey::GroupNumber(gid), Fact::GroupNumber(Some(name)))))
    }
}

fn unreadable(database: &str, line: &str) -> UnreadableAnswer {
    UnreadableAnswer::new(format!("`getent {database}` printed `{line}`"))
}

#[cfg(test)]
mod tests;
