//! A deploy from the first connection to the last line: in one pass, or in several if another run was at the same hosts, or if
//! some hosts were late.

use std::process::ExitCode;

use homelab::remote::Target;

use super::deploying::Deploying;
use super::documents::Documents;
use super::earlier::Earlier;
use super::interruption::Interruption;
use super::output::eprint_line;
use super::pass::PassEnd;
use super::reading::ToRead;

impl Deploying<'_> {
    pub(super) async fn deploy(&self, targets: Vec<Target>, mut documents: Documents) -> anyhow::Result<ExitCode> {
        let mut interruption = Interruption::listen()?;
        let mut run = self.run.clone();
        let mut earlier = Earlier::default();
        let mut to_read = ToRead::Targets(targets.clone());
        loop {
            let pass = self.pass(&run, to_read, earlier, &mut documents, &mut interruption);
            let again;
            (earlier, again) = match Box::pin(pass).await? {
                PassEnd::Over(code) => return Ok(code),
                PassEnd::Late(found, late) => {
                    run = self.run.only_hosts(|host| late.names().iter().any(|name| name == host));
                    to_read = ToRead::Late(late);
                    earlier = found;
                    continue;
                }
                PassEnd::Again(found) => {
                    let again = found.to_do_again();
                    (found, again)
                }
            };
            eprint_line(format_args!(
                "{} changed while this run waited for another: planning again",
                again.join(", ")
            ));
            run = self.run.only_hosts(|host| again.iter().any(|name| name == host));
            let meant = |target: &&Target| run.hosts.iter().any(|host| host.name == target.name);
            to_read = ToRead::Targets(targets.iter().filter(meant).cloned().collect());
        }
    }
}
