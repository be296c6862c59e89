//! `cargo xtask tidy` keeps the house as `layers.toml` draws it; `cargo xtask test` runs all tests with one private PostgreSQL.

#![allow(clippy::print_stdout)] // a developers' command speaks on stdout

mod directions;
mod docs;
mod licences;
mod rust;
mod testing;
mod web;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;
use std::collections::BTreeMap;

/// `layers.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layers {
    crates: BTreeMap<String, Vec<String>>,
    tests: Tests,
    domains: Domains,
    homes: BTreeMap<String, Vec<String>>,
    web: BTreeMap<String, Vec<String>>,
    web_homes: BTreeMap<String, Vec<String>>,
    web_licences: WebLicences,
    limits: Limits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    anybody: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Domains {
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebLicences {
    shipped: Vec<String>,
    tools: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    file_lines: usize,
    function_lines: usize,
}

/// A file of the repository: path from its root with `/`, and text.
struct File {
    path: String,
    text: String,
}

/// The repository as the checks see it.
struct House {
    root: PathBuf,
    layers: Layers,
    files: Vec<File>,
}

/// Folders that hold what is made or fetched, not written: anywhere, and at the root alone.
const SKIPPED: [&str; 3] = ["target", "node_modules", "dist"];
const SKIPPED_AT_ROOT: [&str; 2] = [".git", "data"];
/// Files larger than this are data.
const TEXT: u64 = 1024 * 1024;

impl House {
    fn read(root: &Path) -> Result<Self, String> {
        let layers = std::fs::read_to_string(root.join("layers.toml")).map_err(|e| format!("layers.toml: {e}"))?;
        let layers = toml::from_str(&layers).map_err(|e| format!("layers.toml: {e}"))?;
        let mut files = Vec::new();
        let kept = |e: &walkdir::DirEntry| {
            let named = |list: &[&str]| list.iter().any(|name| e.file_name() == *name);
            !e.file_type().is_dir() || !(named(&SKIPPED) || (e.depth() == 1 && named(&SKIPPED_AT_ROOT)))
        };
        for entry in walkdir::WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(kept) {
            let entry = entry.map_err(|e| e.to_string())?;
            if !entry.file_type().is_file() || entry.metadata().map_err(|e| e.to_string())?.len() > TEXT {
                continue;
            }
            if let Ok(text) = std::fs::read_to_string(entry.path()) {
                let path = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
                files.push(File { path, text });
            }
        }
        Ok(Self { root: root.to_path_buf(), layers, files })
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|f| f.path == path)
    }

    fn ending<'a>(&'a self, extensions: &'a [&str]) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(|f| f.path.rsplit_once('.').is_some_and(|(_, e)| extensions.contains(&e)))
    }
}

fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), Path::to_path_buf)
}

fn tidy() -> Result<(), String> {
    let house = House::read(&root())?;
    let checks: [(&str, Vec<String>); 6] = [
        ("directions", directions::check(&house)),
        ("rust", rust::check(&house)),
        ("web", web::check(&house)),
        ("docs", docs::check(&house)),
        ("words", words::check(&house)),
        ("licences", licences::check(&house)),
    ];
    let mut count = 0;
    for (name, faults) in checks {
        println!("{name}: {}", if faults.is_empty() { "ok".to_string() } else { format!("{} fault(s)", faults.len()) });
        faults.iter().for_each(|fault| println!("  {fault}"));
        count += faults.len();
    }
    if count == 0 { Ok(()) } else { Err(format!("{count} fault(s)")) }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        Some((command, [])) if command == "tidy" => tidy(),
        Some((command, rest)) if command == "test" => testing::run(&root(), rest),
        _ => Err("usage: cargo xtask tidy | cargo xtask test [arguments of the test runner]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
