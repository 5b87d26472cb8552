//! The images that an inventory holds to digests: `inventories/NAME.images.lock`.

use std::collections::BTreeMap;

use super::Reference;
use crate::error::Origin;

/// What images are held to, by the names under which an engine finds them: `caddy:2.10`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<String, Pin>);

/// What an image is held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The digest of its index, so that hosts with different processors have the same one: `sha256:…`
    pub digest: String,
    /// Where it is written.
    pub origin: Origin,
}

impl Pins {
    /// Holds an image to a digest, and returns what it was held to before.
    pub fn insert(&mut self, image: &Reference, pin: Pin) -> Option<Pin> {
        self.0.insert(image.found_as(), pin)
    }

    /// What an image is held to. One that is given with its own digest is not.
    pub fn of(&self, image: &Reference) -> Option<&Pin> {
        match image.digest {
            Some(_) => None,
            None => self.get(&image.found_as()),
        }
    }

    /// What the image of this name is held to.
    pub fn get(&self, name: &str) -> Option<&Pin> {
        self.0.get(name)
    }

    /// An image as it is held: with the digest, if there is one for it.
    #[must_use]
    pub fn held(&self, image: Reference) -> Reference {
        match self.of(&image) {
            Some(pin) => Reference {
                digest: Some(pin.digest.clone()),
                ..image
            },
            None => image,
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Pin)> {
        self.0.iter().map(|(name, pin)| (name.as_str(), pin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceFile;

    #[test]
    fn an_image_with_a_digest_of_its_own_is_not_held() {
        let digest = |end: &str| format!("sha256:{}{end}", "0".repeat(63));
        let mut pins = Pins::default();
        let caddy = |text: &str| Reference::parse(text).expect("a name");
        let pin = Pin {
            digest: digest("1"),
            origin: Origin::new(&SourceFile::new("inventories/dev.images.lock", ""), 0..0),
        };
        pins.insert(&caddy("docker.io/library/caddy:2"), pin);
        assert_eq!(pins.held(caddy("caddy:2")).digest, Some(digest("1")));
        assert_eq!(pins.held(caddy("caddy:3")).digest, None);
        let own = caddy(&format!("caddy:2@{}", digest("2")));
        assert_eq!(pins.held(own.clone()), own);
    }
}
