//! Examples of datasets.

use super::text;
use crate::facts::zfs::{Dataset, DatasetFact, Property};
use crate::facts::{Fact, FactKey};

pub(super) fn examples() -> Vec<(FactKey, Vec<Fact>)> {
    let property = |value: &str, source: &str| Property {
        value: text(value),
        source: text(source),
    };
    let dataset = Dataset {
        properties: [(text("quota"), property("0", "default"))].into(),
        below: vec![text("tank/media@daily")],
    };
    let facts = [
        DatasetFact::NoProgram,
        DatasetFact::Fails(text("The ZFS modules cannot be auto-loaded.")),
        DatasetFact::Absent,
        DatasetFact::Present(Box::new(dataset)),
    ];
    let key = FactKey::ZfsDataset(text("tank/media"));
    vec![(key, facts.into_iter().map(Fact::ZfsDataset).collect())]
}
