//! Rust sources: lengths, SQL and axum where they belong, nothing left undone, nothing left untested.

use crate::{File, House};

pub(crate) fn check(house: &House) -> Vec<String> {
    let mut faults = Vec::new();
    for file in house.ending(&["rs"]) {
        lengths(house, file, &mut faults);
        undone(house, file, &mut faults);
        if let Some(name) = domain(house, &file.path) {
            placed(file, name, &mut faults);
        }
    }
    for name in house.layers.crates.keys() {
        if house.file(&format!("crates/{name}/README.md")).is_none() {
            faults.push(format!("crates/{name}: README.md is missing"));
        }
    }
    faults
}

/// The domain whose source (not test) a file is.
fn domain<'a>(house: &'a House, path: &str) -> Option<&'a str> {
    house.layers.domains.names.iter().map(String::as_str).find(|name| path.starts_with(&format!("crates/{name}/src/")))
}

fn lengths(house: &House, file: &File, faults: &mut Vec<String>) {
    let limits = &house.layers.limits;
    let count = file.text.lines().count();
    if count > limits.file_lines {
        faults.push(format!("{}: {count} lines; {} is the limit", file.path, limits.file_lines));
    }
    for (line, name, length) in functions(&file.text) {
        if length > limits.function_lines {
            faults.push(format!("{}:{line}: {name} has {length} lines; {} is the limit", file.path, limits.function_lines));
        }
    }
}

/// Functions with their first line and length. rustfmt puts the closing brace at the indent of the first line.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let Some(name) = function_name(body) else { continue };
        let end = format!("{}}}", &line[..line.len() - body.len()]);
        // One that ends on its own line, and a signature without a body, never meet this brace before the next item does.
        if body.ends_with('}') || body.ends_with(';') {
            continue;
        }
        if let Some(length) = lines[i..].iter().position(|l| *l == end) {
            found.push((i + 1, name.to_string(), length + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line;
    loop {
        if let Some(after) = rest.strip_prefix("fn ") {
            let end = after.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            return Some(&after[..end]);
        }
        let word = rest.split_whitespace().next()?;
        if !(word.starts_with("pub") || ["async", "const", "unsafe", "extern", "crate)", "super)"].contains(&word)) {
            return None;
        }
        rest = rest[word.len()..].trim_start();
    }
}

/// The part of a line before a comment.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn undone(house: &House, file: &File, faults: &mut Vec<String>) {
    // Put together here, so that this file does not find itself.
    let macros = [concat!("to", "do!("), concat!("unimpl", "emented!(")];
    let ignored = concat!("#[ig", "nore");
    for (line, n) in file.text.lines().zip(1..) {
        if macros.iter().any(|m| code(line).contains(m)) {
            faults.push(format!("{}:{n}: unfinished code", file.path));
        }
        if code(line).trim_start().starts_with(ignored) && !runs_elsewhere(file, line) {
            faults.push(format!("{}:{n}: a test is switched off", file.path));
        }
        faults.extend(promised(house, &file.path, n, line));
    }
}

/// A process that another test starts and kills is part of that one: the reason ends with its name (`… by kill_9_loses_nothing`).
fn runs_elsewhere(file: &File, line: &str) -> bool {
    let reason = line.split('"').nth(1).unwrap_or_default();
    reason.rsplit_once(" by ").is_some_and(|(_, name)| file.text.contains(&format!("fn {name}(")))
}

/// A promise in the code must name an entry of `docs/gaps.md`: `TO` + `DO(name)`.
pub(crate) fn promised(house: &House, path: &str, n: usize, line: &str) -> Option<String> {
    let mark = concat!("TO", "DO");
    let at = [mark, concat!("FIX", "ME")].iter().find_map(|m| line.find(m).map(|i| &line[i + m.len()..]))?;
    let name = at.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(name, _)| name);
    let known = name.is_some_and(|name| house.file("docs/gaps.md").is_some_and(|f| f.text.contains(&format!("`{name}`"))));
    (!known).then(|| format!("{path}:{n}: a {mark} must name an entry of docs/gaps.md"))
}

fn placed(file: &File, domain: &str, faults: &mut Vec<String>) {
    let parts: Vec<&str> = file.path.split('/').skip(3).collect();
    let within = |prefix: &str| parts.iter().any(|p| p.starts_with(prefix));
    // Unit tests at the end of a file may look into the tables.
    let source = file.text.split("#[cfg(test)]").next().unwrap_or_default();
    for (line, n) in source.lines().zip(1..) {
        let line = code(line);
        if !within("http") && names_axum(line) {
            faults.push(format!("{}:{n}: axum outside http*.rs of {domain}", file.path));
        }
        if !within("tables") && queries(line) {
            faults.push(format!("{}:{n}: SQL outside tables*.rs of {domain}", file.path));
        }
    }
}

/// A statement sent to the store or to a change: by their usual names, or at the start of a line of a chain.
fn queries(line: &str) -> bool {
    let start = line.trim_start();
    let chained = |call: &str| start.starts_with(&format!(".{call}("));
    let sent = |call: &str| ["tx", "store", "store()"].iter().any(|to| line.contains(&format!("{to}.{call}(")));
    line.contains(".exec(") || ["rows", "row"].iter().any(|call| chained(call) || sent(call))
}

/// `axum::` or `use axum`, but not `axum_core`, which errors may use.
fn names_axum(line: &str) -> bool {
    line.match_indices("axum").any(|(i, _)| {
        let before = line[..i].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let after = &line[i + 4..];
        before && (after.starts_with("::") || after.starts_with(';'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_functions_and_their_length() {
        let text = "pub(crate) async fn a(\n    x: u8,\n) -> u8 {\n    x\n}\n\nimpl X {\n    fn b() {\n        if y {\n        }\n    }\n    fn c() {}\n}\ntrait T {\n    fn d();\n}\n";
        assert_eq!(functions(text), [(1, "a".to_string(), 5), (8, "b".to_string(), 4)]);
    }

    #[test]
    fn tells_axum_from_its_relatives() {
        assert!(names_axum("use axum::Json;") && names_axum("fn f() -> axum::Router {"));
        assert!(!names_axum("use axum_core::x;") && !names_axum("use utoipa_axum::router;"));
    }
}
