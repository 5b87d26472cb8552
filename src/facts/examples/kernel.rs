//! Examples of what the kernel has, and of what is kept beside it.

use super::{names, text};
use crate::facts::module::KernelModule;
use crate::facts::mount::Mount;
use crate::facts::swap::SwapFact;
use crate::facts::{Fact, FactKey};

pub(super) fn examples() -> Vec<(FactKey, Vec<Fact>)> {
    vec![
        (
            FactKey::KernelParameter(text("/proc/sys/net/ipv4/ip_forward")),
            vec![Fact::KernelParameter(None), Fact::KernelParameter(Some(text("1")))],
        ),
        (
            FactKey::KernelModule(text("dummy")),
            vec![
                Fact::KernelModule(KernelModule::Absent),
                Fact::KernelModule(KernelModule::Available),
                Fact::KernelModule(KernelModule::Loaded),
                Fact::KernelModule(KernelModule::BuiltIn),
            ],
        ),
        (
            FactKey::Mount(text("/srv")),
            vec![
                Fact::Mount(None),
                Fact::Mount(Some(Mount {
                    source: text("/dev/sda1"),
                    fs_type: text("ext4"),
                    options: names(&["rw", "relatime"]),
                    below: vec![text("tmpfs")],
                })),
            ],
        ),
        (
            FactKey::Password(text("anna")),
            vec![Fact::Password(None), Fact::Password(Some("9f86d081884c7d65".repeat(4)))],
        ),
        (
            FactKey::Swap(text("/swapfile")),
            vec![
                Fact::Swap(SwapFact::Absent),
                Fact::Swap(SwapFact::Other),
                Fact::Swap(SwapFact::File {
                    size: 1 << 30,
                    in_use: true,
                }),
            ],
        ),
        (FactKey::Locales, vec![Fact::Locales(names(&["C", "de_DE.utf8"]))]),
        (
            FactKey::LoginKey,
            vec![Fact::LoginKey(None), Fact::LoginKey(Some(text("SHA256:x")))],
        ),
    ]
}
