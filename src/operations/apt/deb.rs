//! `apt.deb`: install a Debian package that comes from a file instead of a repository.
//!
//! ```toml
//! [[operation]]
//! op = "apt.deb"
//! package = "ripgrep"
//! url = "https://github.com/BurntSushi/ripgrep/releases/download/14.1.1/ripgrep_14.1.1-1_amd64.deb"
//! sha256 = "4e7a6b3f4e7a0f0b3f3d0c5a9e8d7c6b5a49382716051423f2e1d0c9b8a79685"
//! ```
//!
//! What the package needs is in the review: apt simulates with an empty package that says the same of itself. With `url`, the host
//! downloads the file while it is read, until it is installed; a record of the host says then what is in it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::from_file::FromFile;
use super::name::Name;
use super::request::Request;
use super::run::{LockTimeout, touched};
use crate::change::{
    Action, Attribute, Attributes, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Step, Stop, WriteRecord,
};
use crate::content::{Content, Input};
use crate::facts::deb::{Control, RemoteDeb};
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::package::PackageKey;
use crate::facts::system::SystemKey;
use crate::facts::{Fact, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::files::parameters::check_sha256;
use crate::operations::request::check_url;
use crate::operations::{Define, Demand, Operation, PlanContext};
use crate::quote::quote;

/// Parameters of `apt.deb`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct AptDeb {
    /// Name of the package in the file, such as `"ripgrep"`; `"ripgrep:arm64"` for one of another architecture than the host's.
    package: String,
    /// File below `templates/` of the project. Give `src` or `url`.
    src: Option<String>,
    /// Where the host downloads the file; needs `sha256`. Give `src` or `url`.
    url: Option<String>,
    /// SHA-256 of the file at `url`, as `sha256sum` prints it: 64 hex digits.
    sha256: Option<String>,
    /// `false` removes the package; then `src` and `url` need not be given.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// `true` installs the file also where the host has a newer version.
    #[serde(default)]
    allow_downgrade: bool,
    /// `true` installs the package without those it recommends.
    #[serde(default)]
    no_recommends: bool,
    /// How long to wait for another process that holds dpkg's lock.
    #[serde(default)]
    lock_timeout: LockTimeout,
}

/// How long the download of a file may take when it is installed, in seconds.
const LONGEST_DOWNLOAD: u32 = 25 * 60;

impl Define for AptDeb {
    const NAME: &'static str = "apt.deb";
    const SUMMARY: &'static str = "Install a Debian package from a file";
    const MAIN_ARGUMENT: &'static str = "package";
    const RUNS: RunsCommands = RunsCommands::Apt;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "apt.deb"
package = "ripgrep"
url = "https://github.com/BurntSushi/ripgrep/releases/download/14.1.1/ripgrep_14.1.1-1_amd64.deb"
sha256 = "4e7a6b3f4e7a0f0b3f3d0c5a9e8d7c6b5a49382716051423f2e1d0c9b8a79685"
"#;
}

impl Operation for AptDeb {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::Package(self.package.clone()), FactKey::System]
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let record = self
            .remote(context)
            .map(|deb| FactScope::Key(FactKey::Inquiry(Inquiry::Deb(deb))));
        touched().into_iter().chain(record).collect()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let presence = Demand::presence(ResourceKind::Package, &self.package, self.present);
        let file = self.sha256.as_ref().or(self.src.as_ref()).filter(|_| self.present);
        let file = file.map(|file| Demand::new(ResourceKind::Package, &self.package, "file", file));
        [presence].into_iter().chain(file).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let name = self.name(context)?;
        self.check_source(context)?;
        let mut request = Request {
            packages: &[name.key()],
            present: self.present,
            no_recommends: self.no_recommends,
            lock_timeout: self.lock_timeout,
            deb: None,
        };
        if !self.present {
            return request.plan(context);
        }
        // All are asked for at once.
        let installed = context.get(PackageKey(&name.key()));
        let system = context.get(SystemKey);
        let (deb, is_recorded) = self.deb(context)?;
        self.check_is_meant(context, &name, &deb.control, &system?.machine.architecture.dpkg)?;
        installed?;
        let wanted = [format!("{}={}", name.key(), deb.control.version())];
        request.packages = &wanted;
        request.deb = Some(&deb);
        let outcome = request.plan(context)?;
        Ok(match self.remote(context) {
            Some(remote) if !is_recorded => recorded(outcome, &name, &deb, remote),
            _ => outcome,
        })
    }
}

impl AptDeb {
    fn name(&self, context: &PlanContext<'_>) -> Result<Name, Stop> {
        let name = Name::parse(&self.package).map_err(|wrong| {
            let title = format!("`{}` is not a valid package name", self.package);
            context.refuse("package", title, wrong.label).hint(wrong.hint)
        })?;
        if name.version.is_some() {
            let title = format!("`{}` has a version", self.package);
            return Err(context
                .refuse("package", title, "the version is that of the file")
                .hint(format!("write `{}`", name.key())));
        }
        Ok(name)
    }

    fn check_source(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        match (&self.src, &self.url, &self.sha256) {
            (Some(_), Some(_), _) => Err(context
                .refuse(
                    "url",
                    "`src` and `url` cannot be used together",
                    "used together with `src`",
                )
                .hint("remove one of the two")),
            (Some(_), None, Some(_)) => Err(context
                .refuse_key("sha256", "`sha256` is only for `url`", "the file of the project needs none")
                .hint("remove it")),
            (None, Some(_), None) => Err(context
                .refuse("url", "missing `sha256`", "nothing else tells this file from any other")
                .hint("add `sha256`, as `sha256sum` prints it")),
            (None, None, _) if self.present => Err(context
                .refuse("package", "missing `src` or `url`", "this has no file")
                .hint("add `src` with a file below `templates/`, or `url` and `sha256`; packages of a repository are installed with `apt.packages`")),
            (_, Some(url), _) => {
                check_url(context, "url", url)?;
                check_sha256(context, "sha256", self.sha256.as_deref())
            }
            (_, None, _) => Ok(()),
        }
    }

    fn remote(&self, context: &PlanContext<'_>) -> Option<Box<RemoteDeb>> {
        Some(Box::new(RemoteDeb {
            package: self.package.clone(),
            url: self.url.clone()?,
            sha256: self.sha256.as_ref()?.to_ascii_lowercase(),
            env: context.environment(),
        }))
    }

    /// The file and how the host gets it, and whether the host has a record of it.
    fn deb(&self, context: &PlanContext<'_>) -> Result<(FromFile, bool), Stop> {
        let path = format!("/var/lib/homelab/debs/{}.deb", self.package);
        let start = format!(
            "deb={}; mkdir -p -- \"${{deb%/*}}\" || exit; trap 'rm -f -- \"$deb\"' EXIT\n",
            quote(&path)
        );
        let is_right = |sha256: &str, what: &str| {
            format!(
                "s=$(sha256sum <\"$deb\"); s=${{s%% *}}\n[ \"$s\" = {sha256} ] || {{ printf '%s has sha256 %s; nothing was installed\\n' {} \"$s\"; exit 1; }}\n",
                quote(what)
            )
        };
        if let Some(remote) = self.remote(context) {
            let (control, is_recorded) = self.downloaded(context, &remote)?;
            let what = format!("what {} gave", remote.url);
            let fetch = format!(
                "{start}{} >\"$deb\" || exit\n{}",
                remote.download(LONGEST_DOWNLOAD),
                is_right(&remote.sha256, &what)
            );
            let deb = FromFile {
                control,
                fetch,
                input: None,
                from: remote.url.clone(),
                allow_downgrade: self.allow_downgrade,
            };
            return Ok((deb, is_recorded));
        }
        let src = self.src.as_deref().unwrap_or_default();
        let content = context.asset("src", src)?;
        let text = content.deb_control().map_err(|why| {
            let title = format!("`templates/{src}` cannot be installed");
            context
                .refuse("src", title, why.to_string())
                .hint(format!("look at it with `dpkg-deb --info templates/{src}`"))
        })?;
        let what = "the file that arrived";
        let deb = FromFile {
            control: Control::read(&text).ok_or_else(|| self.nameless(context, "src"))?,
            fetch: format!("{start}cat >\"$deb\" || exit\n{}", is_right(content.sha256(), what)),
            input: Some(Input::Open(content)),
            from: format!("templates/{src}"),
            allow_downgrade: self.allow_downgrade,
        };
        Ok((deb, true))
    }

    fn nameless(&self, context: &PlanContext<'_>, argument: &str) -> Stop {
        let title = format!("the file of package `{}` cannot be installed", self.package);
        context
            .refuse(argument, title, "its control file has no name, version or architecture")
            .hint("look at it with `dpkg-deb --info`")
    }

    fn downloaded(&self, context: &PlanContext<'_>, remote: &RemoteDeb) -> Result<(Control, bool), Stop> {
        let url = &remote.url;
        let refuse = |title: String, label: &str| context.refuse("url", title, label.to_owned());
        let bytes = match context.get(InquiryKey(&Inquiry::Deb(Box::new(remote.clone()))))? {
            InquiryFact::Said(bytes) => bytes,
            InquiryFact::Failed(why) => {
                return Err(refuse(
                    format!("the host cannot download `{url}`"),
                    "no package comes from there",
                )
                .because(why)
                .hint(
                    "check the URL, and the host's network and proxy; or put the file below `templates/` and use `src`",
                ));
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        let (word, rest) = text.split_once([' ', '\n']).unwrap_or((&text, ""));
        match word {
            "control" | "recorded" => {
                let control = Control::read(rest).ok_or_else(|| self.nameless(context, "url"))?;
                Ok((control, word == "recorded"))
            }
            "other" => {
                let title = format!("the file at `{url}` is not the one that `sha256` names");
                let label = format!("the file has {}", rest.trim());
                Err(context
                    .refuse("sha256", title, label)
                    .hint("compare it with what the vendor says; nothing was installed"))
            }
            _ => {
                Err(refuse(format!("`{url}` cannot be installed"), "this is not a Debian package").because(rest.trim()))
            }
        }
    }

    /// Refuses a file with another package, or one for other machines.
    fn check_is_meant(
        &self,
        context: &PlanContext<'_>,
        name: &Name,
        control: &Control,
        native: &str,
    ) -> Result<(), Stop> {
        let found = control.package();
        if found != name.name {
            let title = format!("the file has package `{found}`, not `{}`", name.name);
            return Err(context
                .refuse("package", title, "another name than in the file")
                .hint(format!("write `package = \"{found}\"`, or take another file")));
        }
        if Name::parse(&format!("{found}={}", control.version())).is_err() {
            return Err(self.nameless(context, self.argument()));
        }
        let of = control.architecture();
        let wanted = name.architecture.as_deref().unwrap_or(native);
        if of == "all" || of == wanted {
            return Ok(());
        }
        let title = format!("package `{found}` is for `{of}`, not for `{wanted}`");
        let label = "a file for other machines";
        Err(context.refuse(self.argument(), title, label).hint(match &name.architecture {
            Some(_) => format!("take the file for `{wanted}`"),
            None => format!(
                "take the file for `{wanted}`; if the host runs programs for `{of}` too, write `package = \"{found}:{of}\"`"
            ),
        }))
    }

    fn argument(&self) -> &'static str {
        if self.src.is_some() { "src" } else { "url" }
    }
}

/// The same, and the host records what the file has: or it would download the file in every run.
fn recorded(outcome: Outcome, name: &Name, deb: &FromFile, remote: Box<RemoteDeb>) -> Outcome {
    let mut changes = match outcome {
        Outcome::Unchanged => {
            let version = || ("version", Attribute::known(deb.control.version()));
            let before = [version()].into_iter().collect();
            let after = [version(), ("from", Attribute::known(&deb.from))].into_iter().collect();
            let id = ResourceId::new(ResourceKind::Package, &name.key());
            vec![ResourceChange::new(
                id,
                Action::Update,
                Before::Present(before),
                Some(after),
            )]
        }
        Outcome::Change(changes) => changes,
        other => return other,
    };
    if let Some(last) = changes.last_mut() {
        last.steps.push(Step::WriteRecord(WriteRecord {
            path: remote.record(),
            content: Content::new(remote.recorded(&deb.control).into_bytes()),
            attributes: Attributes {
                owner: "root".to_owned(),
                group: "root".to_owned(),
                mode: 0o644,
            },
        }));
        let said = format!("recorded\n{}", deb.control.text()).into_bytes();
        last.effects.push(Effect::Set(
            FactKey::Inquiry(Inquiry::Deb(remote)),
            Fact::Inquiry(InquiryFact::Said(said)),
        ));
    }
    Outcome::Change(changes)
}
