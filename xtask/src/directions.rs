//! Who may see whom among crates, and which outside crates have one home.

use std::collections::BTreeSet;

use crate::House;

/// Helps cargo unify features while developing; no part of the program.
const EXEMPT: [&str; 1] = ["depset"];

pub(crate) fn check(house: &House) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for file in house.files.iter().filter(|f| f.path.starts_with("crates/") && f.path.ends_with("/Cargo.toml")) {
        let Some(name) = file.path.split('/').nth(1).filter(|n| !EXEMPT.contains(n)) else { continue };
        seen.insert(name.to_string());
        let Some(may) = house.layers.crates.get(name) else {
            faults.push(format!("{}: {name} does not stand in layers.toml", file.path));
            continue;
        };
        let table: toml::Table = match file.text.parse() {
            Ok(table) => table,
            Err(e) => {
                faults.push(format!("{}: {e}", file.path));
                continue;
            }
        };
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let dev = section == "dev-dependencies";
            for dependency in names(&table, section) {
                if let Some(other) = dependency.strip_prefix("dothi-") {
                    let allowed = may.iter().any(|m| m == other) || (dev && (other == name || house.layers.tests.anybody.iter().any(|m| m == other)));
                    if !allowed {
                        faults.push(format!("{}: {name} must not see {other} ({section})", file.path));
                    }
                } else if let Some(homes) = house.layers.homes.get(&dependency).filter(|h| !dev && !h.iter().any(|h| h == name)) {
                    faults.push(format!("{}: {dependency} belongs to {} alone", file.path, homes.join(", ")));
                }
            }
        }
        let expected = format!("dothi-{name}");
        if table.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str()) != Some(&expected) {
            faults.push(format!("{}: the package must be called {expected}", file.path));
        }
    }
    faults.extend(house.layers.crates.keys().filter(|name| !seen.contains(*name)).map(|name| format!("layers.toml: crates/{name} does not exist")));
    faults
}

/// Names in a section, also below `[target.….dependencies]`.
pub(crate) fn names(table: &toml::Table, section: &str) -> Vec<String> {
    let keys = |t: &toml::Table| t.get(section).and_then(|s| s.as_table()).map(|s| s.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut all = keys(table);
    let targets = table.get("target").and_then(|t| t.as_table()).into_iter().flat_map(|t| t.values()).filter_map(|v| v.as_table());
    all.extend(targets.flat_map(keys));
    all
}
