//! Examples of the units that homelab itself made.

use super::text;
use crate::facts::own_units::OwnUnit;
use crate::facts::{Fact, FactKey};

pub(super) fn examples() -> Vec<(FactKey, Vec<Fact>)> {
    let running = OwnUnit {
        name: text("home-lab-power.service"),
        active: text("active"),
        sub: text("running"),
    };
    let facts = vec![Fact::OwnUnits(vec![running]), Fact::OwnUnits(Vec::new())];
    vec![(FactKey::OwnUnits, facts)]
}
