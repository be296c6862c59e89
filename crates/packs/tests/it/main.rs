//! Packs from the outside: faults of packs made on the spot, the repository's own packs, installing on a store.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod check;
mod install;

use std::path::{Path, PathBuf};

use dothi_packs::{Library, Report};

/// The repository's packs.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs")
}

/// A folder of packs written by a test.
struct Shelf(tempfile::TempDir);

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A pack with a good head and the files given; a `pack.toml` among them replaces the head.
    fn pack(&self, name: &str, requires: &str, files: &[(&str, &str)]) -> &Self {
        let head = format!("name = \"{name}\"\ntitle = \"Gói\"\ntitle_en = \"Pack\"\nversion = \"1.0.0\"\nrequires = [{requires}]\nlicence = \"Apache-2.0\"\n");
        for (path, text) in [("pack.toml", head.as_str())].iter().chain(files) {
            let path = self.0.path().join(name).join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self
    }

    fn library(&self) -> Library {
        Library::open(self.0.path()).unwrap()
    }

    fn faults(&self, name: &str) -> Vec<String> {
        let reports: Vec<Report> = self.library().check(&[name.to_string()]).unwrap();
        reports.into_iter().flat_map(|r| r.faults).collect()
    }
}
