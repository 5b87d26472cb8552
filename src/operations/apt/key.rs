//! `apt.key`: write the keys that sign a repository of packages.
//!
//! ```toml
//! [[operation]]
//! op = "apt.key"
//! url = "https://download.docker.com/linux/debian/gpg"
//! dest = "/etc/apt/keyrings/docker.asc"
//! fingerprint = "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"
//! ```
//!
//! With `url`, the host downloads the file while it is read, so that the review shows the keys. Only a file with this very key
//! is ever written. Once it is there, nothing is downloaded.

mod openpgp;

use schemars::JsonSchema;
use serde::Deserialize;

use self::openpgp::{Key, is_armored, keys};
use crate::change::{Attribute, Before, Outcome, ResourceKind, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::http::Request;
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::overlay::FactScope;
use crate::facts::path::{ContentFact, ContentKey, InodeKind, PathFact};
use crate::operations::files::parameters::{check_path, path_and_ancestors};
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::request::check_url;
use crate::operations::{Define, Demand, Operation, PlanContext};

/// Parameters of `apt.key`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct AptKey {
    /// File below `templates/` of the project with the keys. Give `src` or `url`.
    src: Option<String>,
    /// Where the host gets the keys; needs `fingerprint`. Give `src` or `url`.
    url: Option<String>,
    /// Absolute path on the host, such as `"/etc/apt/keyrings/docker.asc"`: it ends in `.asc` for text, in `.gpg` for binary keys.
    dest: String,
    /// Fingerprint of the only key in the file, as 40 hexadecimal digits; blanks between them do not count.
    fingerprint: Option<String>,
}

impl Define for AptKey {
    const NAME: &'static str = "apt.key";
    const SUMMARY: &'static str = "Write the keys that sign a repository of packages";
    const MAIN_ARGUMENT: &'static str = "dest";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "apt.key"
url = "https://download.docker.com/linux/debian/gpg"
dest = "/etc/apt/keyrings/docker.asc"
fingerprint = "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"
"#;
}

impl Operation for AptKey {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(&self.dest);
        needs.push(FactKey::Content(self.dest.clone()));
        needs
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.dest.clone()))]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        vec![Demand::presence(ResourceKind::File, &self.dest, true)]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "dest", &self.dest)?;
        let fingerprint = self.fingerprint(context)?;
        let old = self.old(context);
        let bytes = match (&self.src, &self.url) {
            (Some(src), None) => {
                let content = context.asset("src", src)?;
                match content.bytes() {
                    Some(bytes) => bytes.to_vec(),
                    None => return Err(context.refuse("src", format!("`{src}` is too large"), "keys are small")),
                }
            }
            (None, Some(url)) => {
                check_url(context, "url", url)?;
                let Some(wanted) = &fingerprint else {
                    return Err(context
                        .refuse(
                            "url",
                            "missing `fingerprint`",
                            "nothing else tells this key from any other",
                        )
                        .hint("add `fingerprint`, from the vendor's documentation"));
                };
                match old? {
                    Some(bytes) if keys(&bytes).is_ok_and(|keys| is_only(&keys, wanted)) => bytes,
                    _ => Self::downloaded(context, url)?,
                }
            }
            (Some(_), Some(_)) => {
                return Err(context
                    .refuse(
                        "url",
                        "`src` and `url` cannot be used together",
                        "used together with `src`",
                    )
                    .hint("remove one of the two"));
            }
            (None, None) => {
                return Err(context
                    .refuse("dest", "missing `src` or `url`", "this has no keys")
                    .hint("add `src` with a file below `templates/`, or `url` and `fingerprint`"));
            }
        };
        let found = self.checked(context, &bytes, fingerprint.as_deref())?;
        let outcome = plan_file(
            context,
            &FileWish {
                owner: Some("root"),
                group: Some("root"),
                mode: Some(0o644),
                ..FileWish::new(&self.dest, "dest", WishedContent::Ready(Content::new(bytes)))
            },
        )?;
        self.shown(context, outcome, &found)
    }
}

fn is_only(keys: &[Key], fingerprint: &str) -> bool {
    matches!(keys, [only] if only.fingerprint == fingerprint)
}

impl AptKey {
    fn argument(&self) -> &'static str {
        if self.src.is_some() { "src" } else { "url" }
    }

    fn fingerprint(&self, context: &PlanContext<'_>) -> Result<Option<String>, Stop> {
        let Some(written) = &self.fingerprint else {
            return Ok(None);
        };
        let digits: String = written.chars().filter(|one| !one.is_whitespace()).collect();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && [40, 64].contains(&digits.len()) {
            return Ok(Some(digits.to_ascii_uppercase()));
        }
        let title = format!("`{written}` is not a fingerprint");
        Err(context
            .refuse("fingerprint", title, "must be 40 hexadecimal digits")
            .hint("write the whole fingerprint: a short one may be that of another key"))
    }

    /// What is in the file now.
    fn old(&self, context: &PlanContext<'_>) -> Result<Option<Vec<u8>>, Stop> {
        let path = context.resolve(&self.dest)?;
        match context.path(&path)? {
            PathFact::Present(inode) if matches!(inode.kind, InodeKind::File { .. }) => {}
            _ => return Ok(None),
        }
        match context.get(ContentKey(&path))? {
            ContentFact::Bytes(bytes) => Ok(Some(bytes)),
            ContentFact::Absent | ContentFact::TooLarge => Ok(None),
        }
    }

    fn downloaded(context: &PlanContext<'_>, url: &str) -> Result<Vec<u8>, Stop> {
        let inquiry = Inquiry::Download(Box::new(Request::get(url)));
        match context.get(InquiryKey(&inquiry))? {
            InquiryFact::Said(bytes) => Ok(bytes),
            InquiryFact::Failed(why) => Err(context
                .refuse(
                    "url",
                    format!("the host cannot download `{url}`"),
                    "no key comes from there",
                )
                .because(why)
                .hint(
                    "check the URL, and the host's network and proxy; or put the file below `templates/` and use `src`",
                )),
        }
    }

    /// The keys of the new file.
    ///
    /// Errors: they are not those that are asked for, or apt would not read them.
    fn checked(&self, context: &PlanContext<'_>, bytes: &[u8], fingerprint: Option<&str>) -> Result<Vec<Key>, Stop> {
        let argument = self.argument();
        let found = keys(bytes).map_err(|why| {
            context
                .refuse(argument, "these are no public keys of OpenPGP", why)
                .hint("export them with `gpg --export --armor KEY`")
        })?;
        if let Some(wanted) = fingerprint
            && !is_only(&found, wanted)
        {
            let all: Vec<&str> = found.iter().map(|key| key.fingerprint.as_str()).collect();
            let label = format!("the file has {}", all.join(", "));
            return Err(context
                .refuse("fingerprint", "the file has other keys than `fingerprint` says", label)
                .hint("compare it with the vendor's documentation; nothing was written"));
        }
        let (suffix, is_text) = (self.dest.rsplit('.').next(), is_armored(bytes));
        if is_text == (suffix == Some("asc")) {
            return Ok(found);
        }
        let (label, hint) = if is_text {
            ("these keys are text", "end it with `.asc`")
        } else {
            ("these keys are binary", "end it with `.gpg`")
        };
        let title = format!("apt would not read `{}`", self.dest);
        Err(context.refuse("dest", title, label).hint(hint))
    }

    /// Adds the keys to what the review shows.
    fn shown(&self, context: &PlanContext<'_>, mut outcome: Outcome, found: &[Key]) -> Result<Outcome, Stop> {
        let described = |keys: &[Key]| keys.iter().map(Key::to_string).collect::<Vec<_>>().join("\n");
        let [change] = outcome.changes_mut() else {
            return Ok(outcome);
        };
        if let Some(after) = &mut change.after {
            after.insert("keys", Attribute::known(described(found)));
        }
        if matches!(change.before, Before::Present(_)) {
            let old = self.old(context)?.and_then(|bytes| keys(&bytes).ok());
            if let (Before::Present(before), Some(old)) = (&mut change.before, old) {
                before.insert("keys", Attribute::known(described(&old)));
            }
        }
        Ok(outcome)
    }
}
