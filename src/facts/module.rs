//! Modules of the kernel.

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

/// The module of this name.
#[derive(Clone, Copy)]
pub struct KernelModuleKey<'a>(pub &'a str);

impl<'a> Key<'a> for KernelModuleKey<'a> {
    type Fact = KernelModule;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("kernel module `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<KernelModule> {
        Some(KernelModule::Absent)
    }

    fn may_come_with_packages(self) -> bool {
        true
    }
}

/// The state of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelModule {
    /// The running kernel has no such module.
    Absent,
    /// It can be loaded.
    Available,
    Loaded,
    /// It is a part of the kernel.
    BuiltIn,
}
