//! A deploy from the first connection to the last line: in one pass, or in several if another run was at the same hosts.

use std::process::ExitCode;

use homelab::remote::Target;

use super::deploying::Deploying;
use super::documents::Documents;
use super::earlier::Earlier;
use super::interruption::Interruption;
use super::output::eprint_line;
use super::pass::PassEnd;

impl Deploying<'_> {
    pub(super) async fn deploy(&self, targets: Vec<Target>, mut documents: Documents) -> anyhow::Result<ExitCode> {
        let mut interruption = Interruption::listen()?;
        let mut run = self.run.clone();
        let mut earlier = Earlier::default();
        loop {
            let meant = |target: &&Target| run.hosts.iter().any(|host| host.name == target.name);
            let meant = targets.iter().filter(meant).cloned().collect();
            let pass = self.pass(&run, meant, earlier, &mut documents, &mut interruption);
            match Box::pin(pass).await? {
                PassEnd::Over(code) => return Ok(code),
                PassEnd::Again(found) => earlier = found,
            }
            let again = earlier.to_do_again();
            eprint_line(format_args!(
                "{} changed while this run waited for another: planning again",
                again.join(", ")
            ));
            run = self.run.only_hosts(|host| again.iter().any(|name| name == host));
        }
    }
}
