//! A person who has the key for the secrets of a project, which no other test sees.

use std::fs;

use super::project::{Project, Ran, text};

const HOME: &str = ".homelab/home";

impl Project {
    /// Makes the person, and encrypts the secrets of the project for them.
    pub(crate) fn begin_secrets(&self) {
        let mut begin = self.command(&["secrets", "init"]);
        begin.env("HOME", self.root().join(HOME)).env_remove("XDG_CONFIG_HOME");
        let begun = begin.output().unwrap();
        assert!(begun.status.success(), "{}", text(&begun.stderr));
    }

    /// homelab with the key of that person.
    pub(crate) fn homelab_with_key(&self, arguments: &[&str]) -> Ran {
        self.homelab_with_key_and_input(arguments, "")
    }

    /// The same with `input` on its standard input.
    pub(crate) fn homelab_with_key_and_input(&self, arguments: &[&str], input: &str) -> Ran {
        let file = self.root().join(HOME).join("input");
        fs::write(&file, input).unwrap();
        let identity = self.root().join(HOME).join(".config/homelab/identity.txt");
        let mut command = self.command(arguments);
        command.env("HOMELAB_AGE_IDENTITY", identity);
        let output = command.stdin(fs::File::open(&file).unwrap()).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}
