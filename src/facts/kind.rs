//! The trait of a key: what is known about a kind of fact without asking a host.

/// The part of a host that a fact is about: scopes are built from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    Path(&'a str),
    Unit(&'a str),
    /// Packages, and the simulations of apt.
    Packages,
    Accounts,
    /// Only covered by a scope with this very key.
    Other,
}

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About<'a> {
    /// Only itself, and the part of the host that [`Key::subject`] names.
    Itself,
    /// A thing that the Docker engine has, or several of a kind.
    DockerThing,
    /// More than one thing that the Docker engine has, which any change there makes out of date.
    AllOfDocker,
    /// What is in a folder.
    Folder(&'a str),
    /// A resource of a web API, by its URL.
    WebResource(&'a str),
    /// The files of a compose project, as they are.
    ProjectFiles { project: &'a str, directory: &'a str },
    /// A compose project with the files that a plan writes.
    PlannedProject(&'a str),
}

/// The changes that make a fact out of date, other than one to the fact itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependsOn {
    Itself,
    /// A change to any package. Within a plan the fact stays valid: operations take the packages before them into account.
    Packages,
    /// Any change. Within a plan the fact is unknown too, once something changes.
    Anything,
    /// Any change but one that sets the fact itself. Within a plan it is unknown once something else changes, and as it was
    /// read for what asks how things are now.
    Others,
}

/// The key of one kind of fact.
pub trait Key<'a>: Copy {
    type Fact;

    const DEPENDS_ON: DependsOn;

    /// Its name, for messages.
    fn describe(self) -> String;

    fn subject(self) -> Subject<'a>;

    /// The fact for something absent; `None` if it always exists.
    fn absent() -> Option<Self::Fact>;

    /// Whether installing a package may create it.
    fn may_come_with_packages(self) -> bool;

    /// Whether a change to another fact, about `changed`, makes `known` out of date.
    fn is_outdated_by(self, _known: &Self::Fact, _changed: Subject<'_>) -> bool {
        false
    }

    /// The path whose own fact shows whether it exists, if that is another fact.
    fn presence(self) -> Option<&'a str> {
        None
    }
}
