//! Whether what is mounted is what is wanted, as far as the kernel tells.

use super::Mount;
use crate::change::Stop;
use crate::facts::mount::Mount as Mounted;
use crate::facts::place::DiskLocationKey;
use crate::operations::PlanContext;

/// Options that the kernel shows as they were given.
const SHOWN: [&str; 5] = ["nosuid", "nodev", "noexec", "noatime", "nodiratime"];

/// Names of devices, and the folders of links by those names.
const BY_NAME: [(&str, &str); 4] = [
    ("UUID=", "by-uuid"),
    ("LABEL=", "by-label"),
    ("PARTUUID=", "by-partuuid"),
    ("PARTLABEL=", "by-partlabel"),
];

impl Mount {
    pub(super) fn is_bind(&self) -> bool {
        self.options.iter().any(|option| option == "bind" || option == "rbind")
    }

    /// The path of what is mounted, if it has one.
    pub(super) fn source_path(&self) -> Option<String> {
        let device = self.device.as_deref()?;
        if device.starts_with('/') && !device.contains(['\n', '\0']) {
            return Some(device.trim_end_matches('/').to_owned()).filter(|path| !path.is_empty());
        }
        let (name, folder) = BY_NAME.iter().find(|(name, _)| device.starts_with(name))?;
        let value = device[name.len()..].trim_matches('"');
        let plain = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
        let is_plain = !value.is_empty() && value.chars().all(plain);
        is_plain.then(|| format!("/dev/disk/{folder}/{value}"))
    }

    /// Whether the same device is mounted, with the same type of file system.
    pub(super) fn has_device(&self, context: &PlanContext<'_>, now: &Mounted) -> Result<bool, Stop> {
        let device = self.device.as_deref().unwrap_or_default();
        let fs_type = self.fs_type.as_deref().unwrap_or_default();
        if now.source == device && (now.fs_type == fs_type || self.is_bind()) {
            return Ok(true);
        }
        if self.is_bind() {
            return self.is_same_directory(context);
        }
        let has_type = fs_type == "auto" || now.fs_type == fs_type || (fs_type == "nfs" && now.fs_type == "nfs4");
        if !has_type {
            return Ok(false);
        }
        let Some(path) = self.source_path() else {
            // Only of a file system of the network it is a place. Of `tmpfs` and the like it is any word.
            let is_place = device.contains(':') || device.starts_with("//");
            return Ok(!is_place || device.trim_end_matches('/') == now.source.trim_end_matches('/'));
        };
        Ok(now.source.starts_with('/') && context.resolve(&path)? == context.resolve(&now.source)?)
    }

    /// A directory that is mounted elsewhere has its device and number there.
    fn is_same_directory(&self, context: &PlanContext<'_>) -> Result<bool, Stop> {
        let Some(source) = self.source_path() else {
            return Ok(false);
        };
        let [from, to] = [source.as_str(), self.path.as_str()].map(|path| {
            let path = context.resolve(path)?;
            context.path(&path)?;
            context.get(DiskLocationKey(&path))
        });
        let number = |location: Option<_>| {
            location.map(|location: crate::facts::place::DiskLocation| (location.device, location.inode))
        };
        let (from, to) = (number(from?), number(to?));
        Ok(from.is_some() && from == to)
    }

    /// Whether the options that the kernel shows are as wanted.
    pub(super) fn has_options(&self, now: &Mounted) -> bool {
        let wants = |option: &str| self.options.iter().any(|wanted| wanted == option);
        let has = |option: &str| now.options.contains(option);
        let is_shown = SHOWN.iter().all(|option| !wants(option) || has(option));
        let size = |option: &String| bytes(option.strip_prefix("size=")?);
        let wanted_size = self.options.iter().find_map(size);
        let is_size = wanted_size.is_none() || now.options.iter().find_map(size) == wanted_size;
        // The kernel itself makes a file system read-only if its disk fails.
        let is_writable = wants("ro") || !has("ro");
        is_shown && is_size && is_writable && (!wants("ro") || has("ro"))
    }
}

/// A size such as `64m` in bytes; `None` for a part of the memory, as in `50%`.
fn bytes(size: &str) -> Option<u64> {
    let (digits, unit) = match size.find(|character: char| !character.is_ascii_digit()) {
        Some(at) => size.split_at(at),
        None => (size, ""),
    };
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(device: &str, options: &[&str]) -> Mount {
        Mount {
            path: "/mnt".to_owned(),
            device: Some(device.to_owned()),
            fs_type: Some("tmpfs".to_owned()),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            dump: 0,
            passno: 0,
            mounted: true,
            present: true,
        }
    }

    #[test]
    fn options_are_compared_as_the_kernel_shows_them() {
        for (wanted, shown, agrees) in [
            (
                &["size=64m", "mode=0755"][..],
                &["rw", "relatime", "size=65536k"][..],
                true,
            ),
            (&["size=64m"], &["rw", "size=1024k"], false),
            (&["size=50%"], &["rw"], true),
            (&["ro"], &["ro"], true),
            (&["ro"], &["rw"], false),
            (&[], &["ro"], false),
            (&["noexec", "_netdev"], &["rw", "noexec"], true),
            (&["noexec"], &["rw"], false),
        ] {
            let now = Mounted {
                source: "tmpfs".to_owned(),
                fs_type: "tmpfs".to_owned(),
                options: shown.iter().map(|option| (*option).to_owned()).collect(),
                below: Vec::new(),
            };
            assert_eq!(mount("tmpfs", wanted).has_options(&now), agrees, "{wanted:?} {shown:?}");
        }
    }

    #[test]
    fn devices_have_paths() {
        for (device, path) in [
            ("/dev/sda1", Some("/dev/sda1")),
            ("/srv/a/", Some("/srv/a")),
            ("UUID=12-ab", Some("/dev/disk/by-uuid/12-ab")),
            ("LABEL=\"data\"", Some("/dev/disk/by-label/data")),
            ("LABEL=../x", None),
            ("tmpfs", None),
            ("nas:/export", None),
        ] {
            assert_eq!(mount(device, &[]).source_path().as_deref(), path, "{device}");
        }
    }
}
