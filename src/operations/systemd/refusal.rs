//! Why a unit cannot become what is wanted, and what to do.

use super::states::Obstacle;
use crate::change::Stop;
use crate::facts::unit::UnitState;
use crate::operations::PlanContext;

/// The refusal of the value of `argument`, which is `enabled` or `state`.
pub(super) fn refusal(context: &PlanContext<'_>, argument: &str, state: &UnitState, obstacle: Obstacle) -> Stop {
    let unit = &state.id;
    // The masked unit is the cause, whatever is wanted.
    let at = if obstacle == Obstacle::Masked {
        "service"
    } else {
        argument
    };
    let [title, label, hint] = match obstacle {
        Obstacle::Alias => [
            format!("`{unit}` is an alias of another unit"),
            "name the unit itself".to_owned(),
            format!("`systemctl show -p Id {unit}` on the host prints its name"),
        ],
        Obstacle::NoInstallSection => [
            format!("`{unit}` cannot be enabled"),
            "has no `[Install]` section; other units start it".to_owned(),
            "remove `enabled`".to_owned(),
        ],
        Obstacle::OtherUnits => {
            let others: Vec<String> = state.also.keys().map(|other| format!("`{other}`")).collect();
            let others = others.join(", ");
            [
                format!("`{unit}` itself can be neither enabled nor disabled"),
                format!("its file names {others} for this (`Also=`)"),
                format!("set `enabled` for {others}"),
            ]
        }
        Obstacle::Generated => {
            let source = if state.source.is_empty() {
                "another file"
            } else {
                &state.source
            };
            [
                format!("`{unit}` is generated: it can be neither enabled nor disabled"),
                format!("systemd makes it from `{source}` at each boot"),
                format!("remove `enabled`, and change `{source}` instead"),
            ]
        }
        Obstacle::Transient => [
            format!("`{unit}` is transient and cannot be enabled"),
            "it has no unit file and is gone after a reboot".to_owned(),
            "write a unit file with `files.put` below `/etc/systemd/system`, or remove `enabled`".to_owned(),
        ],
        Obstacle::NoFile => [
            format!("`{unit}` cannot be enabled"),
            "it has no unit file; systemd itself makes it".to_owned(),
            "remove `enabled`".to_owned(),
        ],
        Obstacle::FileIsGone => [
            format!("`{unit}` has no unit file anymore"),
            "it cannot be started again".to_owned(),
            "write its file first, or use \"stopped\"".to_owned(),
        ],
        Obstacle::BadFile => [
            format!("the unit file of `{unit}` is not valid"),
            "systemd cannot read it".to_owned(),
            format!("run `systemd-analyze verify {unit}` on the host to see the mistake"),
        ],
        Obstacle::Masked => {
            let option = if state.enabled == "masked-runtime" {
                "--runtime "
            } else {
                ""
            };
            [
                format!("`{unit}` is masked on the host"),
                "a masked unit can be neither started nor enabled".to_owned(),
                format!("unmask it on the host: `systemctl unmask {option}{unit}`"),
            ]
        }
        Obstacle::EndsByItself => [
            format!("`{unit}` ends by itself, so it is never \"started\""),
            "a service with `Type=oneshot` and without `RemainAfterExit=yes`".to_owned(),
            format!(
                "run it with `server.shell` (`commands = [\"systemctl start {unit}\"]` and `always = true` or a \
                 condition), or manage the timer that starts it"
            ),
        ],
        Obstacle::StartIsRefused => [
            format!("`{unit}` cannot be started"),
            "only other units may start it (`RefuseManualStart=`)".to_owned(),
            "remove `state`".to_owned(),
        ],
        Obstacle::StopIsRefused => [
            format!("`{unit}` cannot be stopped"),
            "only other units may stop it (`RefuseManualStop=`)".to_owned(),
            "remove `state`".to_owned(),
        ],
        Obstacle::UnknownState => [
            format!("`{unit}` is in a state that homelab does not know"),
            format!("systemd reports `{}`, `{}`", state.active, state.enabled),
            format!("remove `{argument}`, and report this state as a bug of homelab"),
        ],
    };
    context.refuse(at, title, label).hint(hint)
}
