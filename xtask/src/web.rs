//! The web client: who imports whom, who reaches the network, and that both languages say the same things.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{File, House, rust};

pub(crate) fn check(house: &House) -> Vec<String> {
    let mut faults = Vec::new();
    for file in house.ending(&["ts", "tsx"]).filter(|f| f.path.starts_with("web/src/")) {
        if file.text.lines().count() > house.layers.limits.file_lines && !file.path.ends_with(".d.ts") {
            faults.push(format!("{}: more than {} lines", file.path, house.layers.limits.file_lines));
        }
        for (line, n) in file.text.lines().zip(1..) {
            for target in imports(line) {
                faults.extend(import(house, file, n, target));
            }
            let test = file.path.contains(".test.") || file.path.contains("/testing/");
            if !test && calls_network(line) && !at_home(house, "fetch", &file.path) {
                faults.push(format!("{}:{n}: only api/ reaches the network", file.path));
            }
            faults.extend(rust::promised(house, &file.path, n, line));
        }
    }
    faults.extend(languages(house));
    faults
}

/// What a line imports: `from '…'`, `import '…'`, `import('…')`.
fn imports(line: &str) -> Vec<&str> {
    ["from '", "import '", "import('", "from \"", "import \"", "import(\""]
        .iter()
        .flat_map(|mark| line.match_indices(mark).map(move |(i, _)| (&line[i + mark.len()..], mark.ends_with('\''))))
        .filter_map(|(rest, single)| rest.split_once(if single { '\'' } else { '"' }).map(|(target, _)| target))
        .collect()
}

fn import(house: &House, file: &File, n: usize, target: &str) -> Option<String> {
    let inside = match target.strip_prefix("@/") {
        Some(path) => path.to_string(),
        None if target.starts_with('.') => resolve(&file.path, target)?,
        None => {
            let package = house.layers.web_homes.keys().find(|p| target == p.as_str() || target.starts_with(&format!("{p}/")))?;
            return (!at_home(house, package, &file.path))
                .then(|| format!("{}:{n}: {package} belongs to {} alone", file.path, house.layers.web_homes[package].join(", ")));
        }
    };
    let own = file.path.trim_start_matches("web/src/");
    let (from, to) = (layer(house, own), layer(house, &inside));
    if from != to && !house.layers.web.get(from).is_some_and(|may| may.iter().any(|m| m == to)) {
        return Some(format!("{}:{n}: {from} must not import {to}", file.path));
    }
    let feature = |path: &str| path.split('/').nth(1).unwrap_or_default().to_string();
    (from == "features" && to == "features" && feature(own) != feature(&inside))
        .then(|| format!("{}:{n}: the feature {} must not import the feature {}", file.path, feature(own), feature(&inside)))
}

/// The layer of a path below `web/src`; what lies beside the layers starts the app.
fn layer<'a>(house: &'a House, path: &str) -> &'a str {
    let first = path.split('/').next().unwrap_or_default();
    house.layers.web.keys().map(String::as_str).find(|l| *l == first).unwrap_or("app")
}

/// A relative import, as a path below `web/src`; none outside of it.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.strip_prefix("web/src/")?.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn at_home(house: &House, what: &str, path: &str) -> bool {
    house.layers.web_homes.get(what).is_some_and(|homes| homes.iter().any(|h| path.starts_with(&format!("web/src/{h}/"))))
}

fn calls_network(line: &str) -> bool {
    let line = line.split_once("//").map_or(line, |(code, _)| code);
    let called = |name: &str, i: usize| {
        let before = &line[..i];
        let free = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '.' && c != '$');
        (free || ["window.", "globalThis.", "self."].iter().any(|owner| before.ends_with(owner))) && line[i + name.len()..].starts_with('(')
    };
    ["fetch", "XMLHttpRequest", "EventSource", "WebSocket"].iter().any(|name| line.match_indices(name).any(|(i, _)| called(name, i)))
}

/// Words by file: both languages must have the same files, keys and placeholders.
fn languages(house: &House) -> Vec<String> {
    let mut faults = Vec::new();
    let prefix = "web/src/i18n/";
    let words = |language: &str| -> BTreeMap<String, &File> {
        let own = |f: &&File| f.path.starts_with(prefix) && f.path.ends_with(".json");
        let name = |f: &File| {
            let rest = f.path.trim_start_matches(prefix).to_string();
            rest.strip_prefix(&format!("{language}/")).map(str::to_string).or_else(|| (rest == format!("{language}.json")).then(|| "all".to_string()))
        };
        house.files.iter().filter(own).filter_map(|f| Some((name(f)?, f))).collect()
    };
    let (vi, en) = (words("vi"), words("en"));
    let names: BTreeSet<&String> = vi.keys().chain(en.keys()).collect();
    for name in names {
        match (vi.get(name), en.get(name)) {
            (Some(a), Some(b)) => faults.extend(same(a, b)),
            (Some(a), None) => faults.push(format!("{}: has no English twin", a.path)),
            (None, Some(b)) => faults.push(format!("{}: has no Vietnamese twin", b.path)),
            (None, None) => {}
        }
    }
    faults
}

fn same(a: &File, b: &File) -> Vec<String> {
    let read = |file: &File| -> Result<BTreeMap<String, String>, String> {
        let value: Value = serde_json::from_str(&file.text).map_err(|e| format!("{}: {e}", file.path))?;
        let mut all = BTreeMap::new();
        flatten("", &value, &mut all);
        Ok(all)
    };
    let (first, second) = match (read(a), read(b)) {
        (Ok(first), Ok(second)) => (first, second),
        (first, second) => return [first.err(), second.err()].into_iter().flatten().collect(),
    };
    let mut faults = Vec::new();
    for (own, of, other) in [(&first, a, &second), (&second, b, &first)] {
        // English has a plural of its own (`_one`), Vietnamese has none.
        let there =
            |key: &str| own.contains_key(key) || key.strip_suffix("_one").is_some_and(|k| own.contains_key(&format!("{k}_other")) || own.contains_key(k));
        faults.extend(other.keys().filter(|key| !there(key)).map(|key| format!("{}: `{key}` is missing", of.path)));
    }
    let differ = first.iter().filter_map(|(key, word)| Some((key, word, second.get(key)?))).filter(|(_, x, y)| placeholders(x) != placeholders(y));
    faults.extend(differ.map(|(key, ..)| format!("{}: `{key}` has other placeholders than its translation", b.path)));
    faults
}

fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, v)| flatten(&if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, v, into)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| flatten(&format!("{prefix}.{i}"), v, into)),
        other => {
            into.insert(prefix.to_string(), other.as_str().unwrap_or_default().to_string());
        }
    }
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(name, _)| name.split(',').next().unwrap_or(name).trim()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_imports_and_calls() {
        assert_eq!(imports("import { a } from '@/api'"), ["@/api"]);
        assert_eq!(imports("const x = lazy(() => import('./Map'))"), ["./Map"]);
        assert_eq!(resolve("web/src/features/cases/A.tsx", "../../ui/go").as_deref(), Some("ui/go"));
        assert!(calls_network("await fetch(url)") && calls_network("window.fetch(url)") && calls_network("new EventSource(url)"));
        assert!(!calls_network("of.refetch()") && !calls_network("queryClient.fetch(x)") && !calls_network("// fetch(x)"));
    }
}
