//! Licences of everything that is linked in, against the list in `deny.toml`. `cargo deny` does it when it is installed;
//! this does it everywhere.

use std::process::Command;

use serde::Deserialize;

use crate::House;

#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(crate) fn check(house: &House) -> Vec<String> {
    [found(house), web(house)].into_iter().flat_map(|made| made.unwrap_or_else(|why| vec![why])).collect()
}

/// npm packages by their lock file.
fn web(house: &House) -> Result<Vec<String>, String> {
    const LOCK: &str = "web/package-lock.json";
    let text = std::fs::read_to_string(house.root.join(LOCK)).map_err(|e| format!("{LOCK}: {e}"))?;
    let lock: serde_json::Value = serde_json::from_str(&text).map_err(|e| format!("{LOCK}: {e}"))?;
    let lists = &house.layers.web_licences;
    let mut faults = Vec::new();
    for (path, package) in lock.get("packages").and_then(|p| p.as_object()).into_iter().flatten().filter(|(path, _)| !path.is_empty()) {
        let flag = |name: &str| package.get(name).and_then(|f| f.as_bool()).unwrap_or(false);
        let tool = flag("dev") || flag("devOptional");
        let allowed = |licence: &str| lists.shipped.iter().chain(lists.tools.iter().filter(|_| tool)).any(|l| l == licence);
        let licence = package.get("license").and_then(|l| l.as_str()).unwrap_or_default();
        if !fits(licence, &allowed) {
            faults.push(format!("{LOCK}: {path}: the licence «{licence}» is not in [web_licences] of layers.toml"));
        }
    }
    Ok(faults)
}

fn found(house: &House) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(house.root.join("deny.toml")).map_err(|e| format!("deny.toml: {e}"))?;
    let deny: Deny = toml::from_str(&text).map_err(|e| format!("deny.toml: {e}"))?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let host = host()?;
    let output = Command::new(&cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host])
        .current_dir(&house.root)
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let mut faults = Vec::new();
    for package in metadata.packages.iter().filter(|p| p.source.is_some()) {
        let exception = deny.licenses.exceptions.iter().find(|e| e.name == package.name);
        let allow = || deny.licenses.allow.iter().chain(exception.map(|e| &e.allow).into_iter().flatten());
        let allowed = |licence: &str| allow().any(|a| a == licence);
        match &package.license {
            Some(expression) if fits(expression, &allowed) => {}
            other => faults.push(format!(
                "{} {}: the licence {} is not on the list of deny.toml",
                package.name,
                package.version,
                other.as_deref().unwrap_or("(none stated)")
            )),
        }
        if package.source.as_deref() != Some(REGISTRY) {
            faults.push(format!("{} {}: does not come from the public registry", package.name, package.version));
        }
    }
    if Command::new(&cargo).args(["deny", "--version"]).output().is_ok_and(|o| o.status.success()) {
        let done = Command::new(&cargo).args(["deny", "check", "licenses", "bans", "sources"]).current_dir(&house.root).status();
        if !done.is_ok_and(|s| s.success()) {
            faults.push("cargo deny found faults (above)".into());
        }
    }
    Ok(faults)
}

fn host() -> Result<String, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().map_err(|e| format!("rustc -vV: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|l| l.strip_prefix("host: ")).map(str::to_string).ok_or_else(|| "rustc -vV names no host".into())
}

/// Whether an SPDX expression can be met with allowed licences. The old `A/B` reads as `A OR B`.
fn fits(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let fits = either(&words, &mut at, allowed);
    fits && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut fits = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        fits = both(words, at, allowed) || fits;
    }
    fits
}

fn both(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut fits = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        fits = one(words, at, allowed) && fits;
    }
    fits
}

fn one(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let fits = either(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return fits && closed;
    }
    if words.get(*at) == Some(&"WITH") {
        let name = words.get(*at + 1).map(|exception| format!("{word} WITH {exception}"));
        *at += 2;
        return name.is_some_and(|name| allowed(&name));
    }
    allowed(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_spdx_expressions() {
        let allowed = |l: &str| ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].contains(&l);
        for good in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "Apache-2.0 / MIT", "(GPL-3.0 OR MIT) AND Apache-2.0", "Apache-2.0 WITH LLVM-exception"] {
            assert!(fits(good, &allowed), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "MIT Apache-2.0", "(MIT", "GPL-2.0 WITH LLVM-exception", "MIT AND (GPL-3.0 OR AGPL-3.0)"] {
            assert!(!fits(bad, &allowed), "{bad}");
        }
    }
}
