//! Two builds of homelab in one run, on the same host and in turns: that the one under test needs no more round trips and
//! processes is asserted. Its time and its bytes, which grow with what is looked at, are printed.

use std::path::Path;
use std::process::Output;

use crate::floor::Floor;
use crate::support::host::Host;
use crate::support::project::text;
use crate::{Lab, median, no_change_workloads, ratios, timed};

/// Looks at how many processes a run starts on the host; the fewest count, since the host has timers of its own.
const LOOKS: usize = 5;

pub(crate) fn compare(other: &Path, pairs: usize) {
    let own = Path::new(env!("CARGO_BIN_EXE_homelab"));
    let lab = Lab::up(1, &no_change_workloads());
    println!(
        "| workload | round trips | processes on the host | bytes | other, s | own, s | ratio min | median | max |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for workload in ["regular", "fifty"] {
        let costs = [other, own].map(|binary| lab.cost(binary, workload));
        let named = |pick: fn(&Cost) -> u64| format!("{} → {}", pick(&costs[0]), pick(&costs[1]));
        let figures: [fn(&Cost) -> u64; 3] = [|cost| cost.round_trips, |cost| cost.processes, |cost| cost.bytes];
        let columns = figures.map(named);
        let mut measured = [Vec::new(), Vec::new()];
        for _ in 0..pairs {
            for (binary, times) in [other, own].into_iter().zip(&mut measured) {
                times.push(timed(|| drop(lab.converged(binary, workload))));
            }
        }
        let [theirs, ours] = measured;
        println!(
            "| {workload} | {} | {:.3} | {:.3} | {} |",
            columns.join(" | "),
            median(theirs.clone()),
            median(ours.clone()),
            ratios(&ours, &theirs)
        );
        for figure in &figures[..2] {
            assert!(figure(&costs[1]) <= figure(&costs[0]), "{}", named(*figure));
        }
    }
    let start = |binary: &Path| timed(|| drop(lab.project.command_of(binary, &["--version"]).output().unwrap()));
    let (theirs, ours): (Vec<f64>, Vec<f64>) = (0..pairs * 5).map(|_| (start(other), start(own))).unzip();
    println!(
        "\nstart-up (`--version`), s: {:.4} → {:.4}, ratio min, median, max: {}",
        median(theirs.clone()),
        median(ours.clone()),
        ratios(&ours, &theirs)
    );
}

/// What a run with nothing to do costs.
struct Cost {
    round_trips: u64,
    bytes: u64,
    processes: u64,
}

impl Lab {
    fn cost(&self, binary: &Path, workload: &str) -> Cost {
        let host = Host::of(&self.project, "dev", "h1");
        let output = self.converged(binary, workload);
        let round_trips = text(&output.stderr);
        let round_trips = round_trips.split("round trips: ").nth(1).expect("a count with -v");
        let processes = (0..LOOKS).map(|_| {
            let before = last_process(&host);
            self.converged(binary, workload);
            last_process(&host) - before
        });
        Cost {
            round_trips: round_trips
                .lines()
                .next()
                .and_then(|count| count.trim().parse().ok())
                .unwrap(),
            processes: processes.min().unwrap(),
            bytes: Floor::recorded_of(binary, &self.project, workload, 1).bytes(),
        }
    }

    fn converged(&self, binary: &Path, workload: &str) -> Output {
        let arguments = ["deploy", "far", workload, "--yes", "-v"];
        let output = self.project.command_of(binary, &arguments).output().unwrap();
        assert!(text(&output.stdout).contains("nothing to do"), "{output:?}");
        output
    }
}

/// The number of the process that the host started last.
fn last_process(host: &Host<'_>) -> u64 {
    let load = host.inside("cat /proc/loadavg");
    load.trim()
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap()
}
