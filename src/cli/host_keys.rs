//! The keys of hosts: a saved plan is for the machines that were reviewed.

use std::collections::BTreeMap;
use std::process::ExitCode;

use homelab::apply::{HostResult, not_as_saved, not_read};
use homelab::error::Diagnostic;
use homelab::gather::GatherError;
use homelab::remote::{Target, offered_key};
use homelab::saved::SavedPlan;

use super::errors;
use super::interruption::waited;

/// The keys of hosts, `None` for this machine itself.
pub(super) type HostKeys = BTreeMap<String, Result<Option<String>, GatherError>>;

/// The fingerprints of the keys that hosts offer now.
pub(super) async fn host_keys(targets: &[Target]) -> HostKeys {
    let asked = targets.iter().map(|target| async {
        let key = if target.local {
            Ok(None)
        } else {
            offered_key(target).await.map(|key| Some(key.fingerprint))
        };
        (target.name.clone(), key.map_err(GatherError::Remote))
    });
    futures_util::future::join_all(asked).await.into_iter().collect()
}

/// The results of hosts that are not even read: they have another key than the plan says, or cannot be reached.
pub(super) fn refused(targets: &[Target], saved: &SavedPlan) -> anyhow::Result<Result<Vec<HostResult>, ExitCode>> {
    let keys = match waited(host_keys(targets), "interrupted: nothing was changed")? {
        Ok(keys) => keys,
        Err(code) => return Ok(Err(code)),
    };
    let mut refused = Vec::new();
    for (host, key) in keys {
        let planned = saved.meta.hosts.iter().find(|record| record.host == host);
        let planned = planned.and_then(|record| record.host_key.as_deref());
        match key {
            Err(error) => {
                errors::show_reading(&error);
                refused.push(not_read(&host, &error));
            }
            Ok(key) if key.as_deref() == planned => {}
            Ok(key) => {
                let word = |key: Option<&str>| key.unwrap_or("this machine itself").to_owned();
                let why = format!("its host key is {}, and was {}", word(key.as_deref()), word(planned));
                let hint = "find out why the key changed; if this is the right machine, save a new plan";
                errors::show(&Diagnostic::new(format!("{host}: {why}")).hint(hint).into());
                refused.push(not_as_saved(&host, &why, hint));
            }
        }
    }
    Ok(Ok(refused))
}
