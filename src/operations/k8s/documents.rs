//! Manifests of the project as objects.
//!
//! They are read as kubectl reads them, which is YAML 1.1, so that a file means here what it means elsewhere.

mod scalar;
mod yaml;
