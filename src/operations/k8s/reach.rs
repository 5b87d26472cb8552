//! The parameter that says how the API of a cluster is reached.

use crate::change::Stop;
use crate::facts::kubernetes::Api;
use crate::operations::PlanContext;

/// How the API is reached, by the parameter `kubeconfig` that all of these operations have.
///
/// Errors: it is not an absolute path.
pub(in crate::operations) fn api(context: &PlanContext<'_>, kubeconfig: Option<&str>) -> Result<Api, Stop> {
    match kubeconfig {
        Some(path) if !path.starts_with('/') || path.contains(['\n', '\0']) => {
            let title = format!("`{path}` is not a valid path");
            Err(context
                .refuse("kubeconfig", title, "must start with `/`")
                .hint("write the absolute path of the file on the host"))
        }
        path => Ok(Api {
            kubeconfig: path.map(str::to_owned),
        }),
    }
}
