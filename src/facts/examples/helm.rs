//! Examples of releases of Helm.

use super::text;
use crate::facts::helm::{
    AskedRelease, Beside, CHART_LABEL, Hook, Made, Release, ReleaseBody, ReleaseFact, ReleaseQuestion, Rendered,
    Rendering, Revision,
};
use crate::facts::kubernetes::{Api, ObjectId};
use crate::facts::{Fact, FactKey};

pub(super) fn examples() -> Vec<(FactKey, Vec<Fact>)> {
    let id = |kind: &str| ObjectId {
        group: String::new(),
        version: text("v1"),
        kind: text(kind),
        namespace: None,
        name: text("web"),
    };
    let rendered = Rendered {
        id: id("ConfigMap"),
        object: serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap" }),
        random: vec![text("/data/password")],
        body: Beside(None),
    };
    let made = Made {
        objects: vec![rendered.clone()],
        hooks: vec![Hook {
            id: id("Job"),
            events: vec![text("pre-install")],
        }],
        is_apart: true,
    };
    let last = Revision {
        number: 2,
        status: text("deployed"),
        chart: text("web 1.2.3"),
        labels: [(text(CHART_LABEL), text("c0ffee"))].into(),
        description: text("Upgrade complete"),
        is_server_side: true,
        values: serde_json::json!({ "replicas": 2 }),
        objects: Some(vec![rendered]),
        secrets: Beside(Vec::new()),
    };
    let release = |rendering| Release {
        program: Some(text("v3.19.5")),
        revisions: [(1, text("superseded")), (2, text("deployed"))].into(),
        last: Some(last.clone()),
        rendering,
    };
    let facts = [
        ReleaseFact::NotAsked,
        ReleaseFact::Asked(Box::default()),
        ReleaseFact::Asked(Box::new(release(Some(Rendering::Made(made))))),
        ReleaseFact::Asked(Box::new(release(Some(Rendering::Refused(text("Error: no")))))),
    ];
    let key = FactKey::HelmRelease(ReleaseQuestion(Box::new(AskedRelease {
        api: Api::default(),
        namespace: text("shop"),
        release: text("web"),
        chart: text("c0ffee"),
        values: text("74f8"),
        always: true,
        body: Beside(ReleaseBody::default()),
    })));
    vec![(key, facts.into_iter().map(Fact::HelmRelease).collect())]
}
