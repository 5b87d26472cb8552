//! Attributes of all kinds of resources.

use insta::assert_snapshot;

use super::*;
use crate::secret::{DigestKey, sha256_hex};

#[test]
fn attributes_of_all_kinds() {
    let digests = DigestKey::random();
    let secret = |text: &str| Attribute::Secret(digests.digest(&sha256_hex(text.as_bytes())));
    let mut hidden = change(
        id(ResourceKind::File, "/etc/key"),
        &[("mode", "0600")],
        &[("mode", "0600")],
    );
    if let Before::Present(before) = &mut hidden.before {
        before.insert("content", secret("a"));
    }
    if let Some(after) = &mut hidden.after {
        after.insert("content", secret("b"));
        after.insert("token", secret("c"));
        after.insert("digest", Attribute::Unknown("the image is pulled then".to_owned()));
    }
    assert_snapshot!(shown(hidden, &TextOptions::default()), @"
    ~ file /etc/key
        content changes (hidden: not readable by everyone on the host), token (hidden), digest (known after apply: the image is pulled then)
    ");
    let owner = [("mode", "0600"), ("owner", "root"), ("group", "root")];
    let mut moved = change(
        id(ResourceKind::File, "/etc/x"),
        &owner,
        &[("mode", "0644"), ("owner", "root"), ("group", "adm")],
    );
    assert_snapshot!(shown(moved.clone(), &verbose()), @"
    ~ file /etc/x   mode 0600 → 0644, group root → adm
        unchanged: owner root
        from tasks/t/t.toml:2:6, `x`
    ");
    moved.risk = Risk::LockOut;
    moved.action = Action::RunEachTime;
    assert_snapshot!(shown(moved, &TextOptions::default()), @"↻ file /etc/x   mode 0600 → 0644, group root → adm   ! may lock you out   each time");
    let removed = change(id(ResourceKind::Package, "exim4"), &[("version", "4.98")], &[]);
    assert_snapshot!(shown(removed, &TextOptions::default()), @"- package exim4   4.98");
    let broken = change(
        id(ResourceKind::Package, "x"),
        &[("status", "half-configured")],
        &[("version", "1.0")],
    );
    assert_snapshot!(shown(broken, &TextOptions::default()), @"~ package x   1.0, was status half-configured");
    let list = change(
        id(ResourceKind::Group, "web"),
        &[("labels", "a\nb\n")],
        &[("labels", "a\nc\n"), ("subnet", "10.0.0.0/24")],
    );
    assert_snapshot!(shown(list, &TextOptions::default()), @"
    ~ group web   subnet 10.0.0.0/24
        labels:
          @@ -1,2 +1,2 @@
            a
          - b
          + c
    ");
    let mut unreadable = change(
        id(ResourceKind::File, "/etc/x"),
        &[("mode", "0644")],
        &[("content", "new\n"), ("mode", "0644")],
    );
    if let Before::Present(before) = &mut unreadable.before {
        before.insert("content", Attribute::Unknown("the file could not be read".to_owned()));
    }
    assert_snapshot!(shown(unreadable, &TextOptions::default()), @"
    ~ file /etc/x   content (not known: the file could not be read) → the new text below
        + new
    ");
}
