//! Why a unit cannot become what is wanted, and what to do.

use super::states::Obstacle;
use crate::change::Stop;
use crate::facts::unit::UnitState;
use crate::operations::PlanContext;

/// The refusal of the value of `argument`, which is `enabled`, `state` or `masked`.
pub(super) fn refusal(context: &PlanContext<'_>, argument: &str, state: &UnitState, obstacle: Obstacle) -> Stop {
    // The masked unit is the cause, whatever is wanted.
    let at = if obstacle == Obstacle::Masked {
        "service"
    } else {
        argument
    };
    let [title, label, hint] = in_its_installation(argument, state, obstacle)
        .or_else(|| in_its_file(state, obstacle))
        .unwrap_or_else(|| in_its_activity(argument, state, obstacle));
    context.refuse(at, title, label).hint(hint)
}

/// Title, label and hint of what prevents that a unit is enabled, disabled or masked.
fn in_its_installation(argument: &str, state: &UnitState, obstacle: Obstacle) -> Option<[String; 3]> {
    let unit = &state.id;
    Some(match obstacle {
        Obstacle::Alias => [
            format!("`{unit}` is an alias of another unit"),
            "name the unit itself".to_owned(),
            format!("`systemctl show -p Id {unit}` on the host prints its name"),
        ],
        Obstacle::NoInstallSection => [
            format!("`{unit}` cannot be enabled"),
            "has no `[Install]` section".to_owned(),
            "remove `enabled` if another unit starts it; else add `[Install]` with `WantedBy=multi-user.target` to its file".to_owned(),
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
            format!("`{unit}` is transient and cannot be {argument}"),
            "it has no unit file of its own and is gone after a reboot".to_owned(),
            format!("write a unit file with `systemd.unit`, or remove `{argument}`"),
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
        _ => return None,
    })
}

/// Title, label and hint of what is wrong with the file of a unit.
fn in_its_file(state: &UnitState, obstacle: Obstacle) -> Option<[String; 3]> {
    let unit = &state.id;
    Some(match obstacle {
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
                format!("add `masked = false`, or unmask it on the host: `systemctl unmask {option}{unit}`"),
            ]
        }
        Obstacle::MaskedByFile => [
            format!("`{unit}` is masked by an empty file"),
            format!("`{}` is empty, and not a link to `/dev/null`", state.file),
            "remove that file with `files.file`, or write it".to_owned(),
        ],
        Obstacle::OwnFile => [
            format!("`{unit}` cannot be masked"),
            format!("its own file `{}` is where the mask would be", state.file),
            "disable and stop it instead, or remove its file".to_owned(),
        ],
        Obstacle::NoCommand => [
            format!("`{unit}` has no `ExecStart=`"),
            "systemd refuses a service without a command".to_owned(),
            "add `ExecStart=` to the section `[Service]` of its unit file".to_owned(),
        ],
        _ => return None,
    })
}

/// Title, label and hint of what prevents that a unit is started or stopped.
fn in_its_activity(argument: &str, state: &UnitState, obstacle: Obstacle) -> [String; 3] {
    let unit = &state.id;
    match obstacle {
        Obstacle::EndsByItself => [
            format!("`{unit}` ends by itself, so it is never \"started\""),
            "a service with `Type=oneshot` and without `RemainAfterExit=yes`".to_owned(),
            format!(
                "start its timer instead (`systemd.timer` writes one), or run it with `server.shell` (`commands = \
                 [\"systemctl start {unit}\"]` and `always = true` or a condition)"
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
        _ => [
            format!("`{unit}` is in a state that homelab does not know"),
            format!("systemd reports `{}`, `{}`", state.active, state.enabled),
            format!("remove `{argument}`, and report this state as a bug of homelab"),
        ],
    }
}
