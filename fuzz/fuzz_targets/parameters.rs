//! Any table is the parameters of an operation, or has a mistake that can be shown.
#![no_main]

use homelab::error::{Origin, SourceFile};
use homelab::operations::{OPERATIONS, RunAs};
use homelab::report;
use homelab::value::{Kind, Value, parse_toml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str)| {
    let (number, text) = input;
    let definition = &OPERATIONS[usize::from(number) % OPERATIONS.len()];
    let file = SourceFile::new("t.toml", text);
    let Ok(mut arguments) = parse_toml(&file) else { return };
    let place = Origin::new(&file, 0..0);
    let run_as = RunAs::take(&mut arguments);
    if let Err(error) = definition.parse(&Value::new(Kind::Table(arguments.clone())), &run_as) {
        report::diagnostic(&definition.misfit(error, &arguments, &run_as, &place));
    }
});
