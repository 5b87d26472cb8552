//! Examples of the images of a node.

use super::text;
use crate::facts::node_images::{NodeImage, NodeImages};
use crate::facts::{Fact, FactKey};
use crate::value::Known;

pub(super) fn examples() -> Vec<(FactKey, Vec<Fact>)> {
    let image = |id: Known<String>| NodeImage {
        id,
        full_name: text("docker.io/library/caddy:2.10"),
    };
    let facts = [
        NodeImages::NoProgram,
        NodeImages::Silent(text("k3s.service is failed")),
        NodeImages::Answers(
            [
                (text("caddy:2.10"), image(Known::Yes(text("sha256:74f8")))),
                (text("caddy:2"), image(Known::No(text("the engine says it")))),
            ]
            .into(),
        ),
    ];
    vec![(FactKey::NodeImages, facts.into_iter().map(Fact::NodeImages).collect())]
}
