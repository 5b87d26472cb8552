//! Hosts read, and let go.

use std::sync::Arc;

use homelab::apply::HostEnd;
use homelab::gather::{GatherError, OnWait, ReadHost, read_hosts};
use homelab::project::Run;
use homelab::remote::Target;
use homelab::secret::DigestKey;

use super::errors;

/// Reads all hosts at once; those that cannot be read are told and leave their end.
pub(super) async fn read(
    verbose: bool,
    run: &Run,
    targets: Vec<Target>,
    digests: &Arc<DigestKey>,
) -> (Vec<ReadHost>, Vec<HostEnd>) {
    let mut hosts = Vec::new();
    let mut ends = Vec::new();
    let on_wait: OnWait = Arc::new(|host, words| anstream::eprintln!("{host}: {words}"));
    for reading in read_hosts(run, targets, digests, &on_wait).await {
        match reading.result {
            Ok(host) => {
                if verbose {
                    anstream::eprintln!("{}: round trips: {}", reading.host, host.connection.round_trips());
                }
                hosts.push(host);
            }
            Err(GatherError::Remote(error)) => {
                errors::show_plain(&error);
                ends.push(HostEnd::Unreachable);
            }
            Err(error) => {
                errors::show_plain(&error);
                ends.push(HostEnd::Failed);
            }
        }
    }
    (hosts, ends)
}

/// Ends the connections.
pub(super) async fn close(hosts: Vec<ReadHost>) {
    for host in hosts {
        host.connection.close().await;
    }
}
