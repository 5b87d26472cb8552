//! Parameters of the kernel (sysctl).

use super::kind::{DependsOn, Key, Subject};

/// The folder that holds a file for each kernel parameter.
pub const PARAMETERS: &str = "/proc/sys";

/// The parameter with this file below [`PARAMETERS`].
#[derive(Clone, Copy)]
pub struct KernelParameterKey<'a>(pub &'a str);

impl<'a> Key<'a> for KernelParameterKey<'a> {
    /// The value in one line; `None` if the kernel has no such parameter.
    type Fact = Option<String>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("kernel parameter `{}`", parameter_name(self.0))
    }

    fn subject(self) -> Subject<'a> {
        Subject::Path(self.0)
    }

    fn absent() -> Option<Option<String>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// The name of the parameter with this file, as sysctl(8) shows it: `net.ipv4.ip_forward`.
pub fn parameter_name(path: &str) -> String {
    let below = path.strip_prefix(PARAMETERS).unwrap_or(path).trim_start_matches('/');
    let turned = below.chars().map(|character| match character {
        '/' => '.',
        '.' => '/',
        other => other,
    });
    turned.collect()
}

/// The file of a parameter. The first separator of its name decides: `net.ipv4.conf.eth0/1.rp_filter` and
/// `net/ipv4/conf/eth0.1/rp_filter` are the same.
pub fn parameter_path(name: &str) -> String {
    let begins_with_dot = name.find(['.', '/']).is_none_or(|at| name[at..].starts_with('.'));
    if !begins_with_dot {
        return format!("{PARAMETERS}/{name}");
    }
    let turned: String = name
        .chars()
        .map(|character| match character {
            '/' => '.',
            '.' => '/',
            other => other,
        })
        .collect();
    format!("{PARAMETERS}/{turned}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_sysctl_reads_them() {
        for (name, path) in [
            ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            (
                "net.ipv4.conf.eth0/1.rp_filter",
                "/proc/sys/net/ipv4/conf/eth0.1/rp_filter",
            ),
            (
                "net/ipv4/conf/eth0.1/rp_filter",
                "/proc/sys/net/ipv4/conf/eth0.1/rp_filter",
            ),
        ] {
            assert_eq!(parameter_path(name), path);
        }
        assert_eq!(
            parameter_name("/proc/sys/net/ipv4/conf/eth0.1/rp_filter"),
            "net.ipv4.conf.eth0/1.rp_filter"
        );
    }
}
