//! The file of rules as it is now: the kubelet replaces it while the pod runs.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::rules::Rules;

/// Rules, and which file they come from.
pub(super) struct Loaded {
    path: PathBuf,
    models_url: String,
    seen: Option<Seen>,
    rules: Rules,
}

/// What differs once the file was replaced or written.
type Seen = Result<(u64, u64, i64, i64, u64), io::ErrorKind>;

impl Loaded {
    pub(super) fn new(path: PathBuf, models_url: String) -> Self {
        Self {
            path,
            models_url,
            seen: None,
            rules: Rules::default(),
        }
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Reads the file if it is another one than the last time. Then how many rules there are, or why the earlier ones stay.
    pub(super) fn refresh(&mut self) -> Option<Result<usize, String>> {
        let now = fs::metadata(&self.path)
            .map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
            .map_err(|error| error.kind());
        if self.seen == Some(now) {
            return None;
        }
        self.seen = Some(now);
        if now == Err(io::ErrorKind::NotFound) {
            // nginx-sync has not written any yet.
            self.rules = Rules::default();
            return Some(Ok(0));
        }
        let read = fs::read_to_string(&self.path)
            .map_err(|error| error.to_string())
            .and_then(|text| Rules::read(&text, &self.models_url));
        Some(match read {
            Ok(rules) => {
                self.rules = rules;
                Ok(self.rules.count())
            }
            Err(why) => Err(format!("{}: {why}", self.path.display())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_follow_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.json");
        let mut loaded = Loaded::new(path.clone(), "http://models:5002".to_owned());
        assert_eq!(loaded.refresh(), Some(Ok(0)));
        assert_eq!(loaded.refresh(), None);
        // As the kubelet does it: a link is moved to another folder.
        for (round, (text, rules)) in [
            (r#"[{"pattern":"/a/"}]"#, Ok(1)),
            ("[", Err(1)),
            (r#"[{"pattern":"/a/"},{"pattern":"/b/"}]"#, Ok(2)),
        ]
        .into_iter()
        .enumerate()
        {
            let data = folder.path().join(format!("data-{round}"));
            fs::create_dir(&data).expect("created");
            fs::write(data.join("config.json"), text).expect("written");
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(data.join("config.json"), &link).expect("linked");
            fs::rename(&link, &path).expect("moved");
            let refreshed = loaded.refresh().expect("another file");
            assert_eq!(refreshed.map_err(|_| loaded.rules().count()), rules);
            assert_eq!(loaded.refresh(), None);
        }
    }
}
