//! Where the program comes from: a URL, a file of the project, or the lab.

use super::wish::Wish;
use crate::change::Stop;
use crate::content::{Content, DOWNLOADS, LAB_K3S, download, lab_k3s, lab_k3s_file};
use crate::operations::PlanContext;
use crate::operations::files::parameters::check_sha256;
use crate::operations::files::whole_file::WishedContent;
use crate::operations::request::check_url;

/// The word for what the lab built.
const FROM_LAB: &str = "lab";

/// Whether it is what the lab built, which is a stand-in.
pub(super) fn is_lab(source: &str) -> bool {
    source == FROM_LAB
}

fn is_url(source: &str) -> bool {
    source.contains("://")
}

/// Refuses what the lab built on a host that is none of the lab's.
pub(super) fn check_lab(context: &PlanContext<'_>, argument: &str, what: &str, hint: &str) -> Result<(), Stop> {
    if context.is_on_lab() {
        return Ok(());
    }
    let title = format!("{what} is only for hosts of the lab");
    let label = "a stand-in, and this host is a real one";
    Err(context.refuse(argument, title, label).hint(hint))
}

/// Refuses a source that is none, or that has no digest.
pub(super) fn check(context: &PlanContext<'_>, wish: &Wish<'_>) -> Result<(), Stop> {
    check_sha256(context, "sha256", wish.sha256)?;
    if is_lab(wish.source) {
        if LAB_K3S.contains(&wish.version) {
            let hint =
                "write the URL of a release of k3s with its `sha256`, or keep `\"lab\"` in the data of lab hosts";
            return check_lab(context, "source", "the k3s of the lab", hint);
        }
        let title = format!("the lab has no k3s `{}`", wish.version);
        let hint = format!(
            "write one of its versions: {}",
            LAB_K3S.map(|version| format!("`{version}`")).join(", ")
        );
        return Err(context
            .refuse("version", title, "`source = \"lab\"` has other versions")
            .hint(hint));
    }
    if is_url(wish.source) {
        check_url(context, "source", wish.source)?;
    } else {
        check_download(context, "source", wish.source)?;
    }
    if wish.sha256.is_none() {
        return Err(context
            .refuse("source", "missing `sha256`", "this program needs a digest")
            .hint("write the line of `k3s` in the file `sha256sum-amd64.txt` of the release, or of the architecture of the host"));
    }
    Ok(())
}

/// Refuses a name that is no file below `downloads/`.
pub(super) fn check_download(context: &PlanContext<'_>, argument: &str, source: &str) -> Result<(), Stop> {
    let inside = source.strip_prefix(DOWNLOADS).and_then(|rest| rest.strip_prefix('/'));
    match inside {
        None => Err(context
            .refuse(
                argument,
                format!("`{source}` is not a valid source"),
                "neither a URL nor a file below `downloads/`",
            )
            .hint("write a URL, `\"downloads/k3s\"` for a file of the project, or `\"lab\"` on lab hosts")),
        Some(path) if path.is_empty() || path.split('/').any(|part| part.is_empty() || part.starts_with('.')) => {
            Err(context
                .refuse(
                    argument,
                    format!("`{source}` is not a valid path"),
                    "must name a file below `downloads/`",
                )
                .hint("write a path such as `\"downloads/k3s\"`"))
        }
        Some(_) => Ok(()),
    }
}

/// The content of a file below `downloads/`.
///
/// Errors: there is none.
pub(super) fn downloaded(context: &PlanContext<'_>, argument: &str, source: &str) -> Result<Content, Stop> {
    let path = source.strip_prefix(DOWNLOADS).unwrap_or(source).trim_start_matches('/');
    context.kept(argument, &download(path))?.ok_or_else(|| {
        context
            .refuse(
                argument,
                format!("`{source}` does not exist"),
                "no such file in the project",
            )
            .hint(format!(
                "download it into `{DOWNLOADS}/` of the project, which git ignores"
            ))
    })
}

/// The program. `has` is the digest of what the host has: a file of the project is read only if that is another one.
pub(super) fn program<'a>(
    context: &PlanContext<'_>,
    wish: &Wish<'a>,
    has: Option<&str>,
) -> Result<WishedContent<'a>, Stop> {
    let digest = wish.sha256.map(str::to_ascii_lowercase);
    if is_lab(wish.source) {
        let content = context.kept("source", &lab_k3s(wish.version))?.ok_or_else(|| {
            let title = format!("the lab of this project has no `{}`", lab_k3s_file(wish.version));
            context
                .refuse("source", title, "`homelab lab up` puts it there")
                .hint("run `homelab lab up`; a host of the lab needs `lab = { kubernetes = true }`")
        })?;
        return Ok(WishedContent::Ready(content));
    }
    let digest = digest.unwrap_or_default();
    if has == Some(digest.as_str()) {
        return Ok(WishedContent::Ready(Content::of_digest(&digest)));
    }
    if is_url(wish.source) {
        return Ok(WishedContent::Download {
            url: wish.source,
            digest,
            headers: None,
        });
    }
    let content = downloaded(context, "source", wish.source)?;
    if content.sha256() != digest {
        let title = format!("`{}` is not the file that `sha256` means", wish.source);
        let label = format!("its SHA-256 is {}", content.sha256());
        return Err(context
            .refuse("sha256", title, label)
            .hint("download it again, or correct `sha256`"));
    }
    Ok(WishedContent::Ready(content))
}
