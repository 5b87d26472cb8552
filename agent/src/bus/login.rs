//! logind, which powers the host off.

use async_trait::async_trait;

use super::connection::{Bus, MANAGER, Object};
use super::fault::{Fault, FaultKind};

/// What logind will do, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// `poweroff`, `reboot`, …
    pub kind: String,
    /// Microseconds since 1970.
    pub at: u64,
}

/// What the agent asks of logind.
#[async_trait]
pub trait Login: Send + Sync {
    /// Whether the agent may power the host off: `yes`, `no`, `challenge` or `na`.
    async fn can_power_off(&self) -> Result<String, Fault>;
    /// What is scheduled, by any program.
    async fn scheduled(&self) -> Result<Option<Scheduled>, Fault>;
    /// Schedules something, in place of what is scheduled.
    async fn schedule(&self, kind: &str, at: u64) -> Result<(), Fault>;
    /// Cancels what is scheduled; `false` if nothing was.
    async fn cancel(&self) -> Result<bool, Fault>;
    /// Who does not let the host be shut down now, and why.
    async fn blockers(&self) -> Result<Vec<String>, Fault>;
    /// What `wall` tells the users of terminals before the end; an empty text is none.
    async fn set_wall_message(&self, text: &str) -> Result<(), Fault>;
    /// When this boot began: another number after each start of the host.
    async fn boot(&self) -> Result<u64, Fault>;
}

const LOGIN: Object<'static> = Object {
    service: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
};

/// What, who, why, mode, user and process.
type Inhibitor = (String, String, String, String, u32, u32);

fn other(name: &str) -> Fault {
    Fault::new(FaultKind::Other, format!("`{name}` has another type than expected"))
}

#[async_trait]
impl Login for Bus {
    async fn can_power_off(&self) -> Result<String, Fault> {
        self.call(LOGIN, "CanPowerOff", &(), |body| body.deserialize()).await
    }

    async fn scheduled(&self) -> Result<Option<Scheduled>, Fault> {
        let value = self.property(LOGIN, "ScheduledShutdown").await?;
        let (kind, at) = <(String, u64)>::try_from(value).map_err(|_| other("ScheduledShutdown"))?;
        // logind says `("", 2^64 - 1)`, or 0 before it ever had one.
        Ok((!kind.is_empty() && at != u64::MAX && at != 0).then_some(Scheduled { kind, at }))
    }

    async fn schedule(&self, kind: &str, at: u64) -> Result<(), Fault> {
        self.call(LOGIN, "ScheduleShutdown", &(kind, at), |_| Ok(())).await
    }

    async fn cancel(&self) -> Result<bool, Fault> {
        self.call(LOGIN, "CancelScheduledShutdown", &(), |body| body.deserialize())
            .await
    }

    async fn blockers(&self) -> Result<Vec<String>, Fault> {
        let value = self.property(LOGIN, "BlockInhibited").await?;
        let blocked = String::try_from(value).map_err(|_| other("BlockInhibited"))?;
        if !blocked.split(':').any(|what| what == "shutdown") {
            return Ok(Vec::new());
        }
        let all: Vec<Inhibitor> = self
            .call(LOGIN, "ListInhibitors", &(), |body| body.deserialize())
            .await?;
        let of_shutdown = all.into_iter().filter(|(what, _, _, mode, ..)| {
            mode.starts_with("block") && what.split(':').any(|what| what == "shutdown")
        });
        let mut blockers: Vec<String> = of_shutdown.map(|(_, who, why, ..)| format!("{who} ({why})")).collect();
        if blockers.is_empty() {
            // It ended in between, or is of a sort that the list does not show.
            blockers.push("an inhibitor".to_owned());
        }
        Ok(blockers)
    }

    async fn set_wall_message(&self, text: &str) -> Result<(), Fault> {
        self.call(LOGIN, "SetWallMessage", &(text, !text.is_empty()), |_| Ok(()))
            .await
    }

    async fn boot(&self) -> Result<u64, Fault> {
        let value = self.property(MANAGER, "UserspaceTimestamp").await?;
        u64::try_from(value).map_err(|_| other("UserspaceTimestamp"))
    }
}
