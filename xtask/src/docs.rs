//! `docs/dependencies.md` names every direct outside dependency, and only those.

use std::collections::BTreeSet;

use crate::{House, directions};

const PAGE: &str = "docs/dependencies.md";

pub(crate) fn check(house: &House) -> Vec<String> {
    let Some(page) = house.file(PAGE) else { return vec![format!("{PAGE} is missing")] };
    let used = used(house);
    let told: BTreeSet<String> = page.text.lines().filter_map(row).collect();
    let missing = used.difference(&told).map(|name| format!("{PAGE}: `{name}` is used and not explained"));
    let gone = told.difference(&used).map(|name| format!("{PAGE}: `{name}` is explained and not used"));
    missing.chain(gone).collect()
}

/// The name of a table row: "| `name` | …".
fn row(line: &str) -> Option<String> {
    let rest = line.strip_prefix("| `")?;
    rest.split_once('`').map(|(name, _)| name.to_string())
}

fn used(house: &House) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let manifests = house.files.iter().filter(|f| f.path.ends_with("Cargo.toml") && f.path != "Cargo.toml" && !f.path.contains("/depset/"));
    for table in manifests.filter_map(|f| f.text.parse::<toml::Table>().ok()) {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            all.extend(directions::names(&table, section).into_iter().filter(|name| !name.starts_with("dothi-") && name != "depset"));
        }
    }
    let package = house.file("web/package.json").and_then(|f| serde_json::from_str::<serde_json::Value>(&f.text).ok());
    for section in ["dependencies", "devDependencies"] {
        let names = package.as_ref().and_then(|p| p.get(section)).and_then(|s| s.as_object()).into_iter().flat_map(|s| s.keys().cloned());
        all.extend(names);
    }
    all
}
