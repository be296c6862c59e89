//! The folder of packs: finding, reading and ordering them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dothi_kernel::{Error, Result};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::manifest::{Manifest, Version};
use crate::{Pack, Report, check};

/// Largest file of a pack that is read; more is a fault, not a slow start.
const FILE: u64 = 64 * 1024 * 1024;
/// Most files in a pack.
const FILES: usize = 10_000;

/// A folder with one folder for each pack.
#[derive(Debug, Clone)]
pub struct Library {
    root: PathBuf,
}

impl Library {
    /// The packs of a folder. 404 `packs.folder`.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        if !root.is_dir() {
            return Err(Error::not_found("packs.folder", "There is no folder of packs. Set DOTHI_PACKS.").with("folder", root.display()));
        }
        Ok(Self { root })
    }

    /// The folder that is configured (`DOTHI_PACKS`), else `packs` beside the program, else `packs` in the working folder.
    /// 404 `packs.folder`.
    pub fn find(configured: Option<&Path>) -> Result<Self> {
        if let Some(root) = configured {
            return Self::open(root);
        }
        let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(|folder| folder.join("packs")));
        let root = beside.filter(|p| p.is_dir()).unwrap_or_else(|| PathBuf::from("packs"));
        Self::open(root)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Names of the packs there, sorted.
    pub fn names(&self) -> Result<Vec<String>> {
        let failed = |e: std::io::Error| Error::internal("reading the folder of packs", e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().join("pack.toml").is_file() {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads and parses one pack; a report with its faults otherwise.
    pub fn load(&self, name: &str) -> Result<Pack, Report> {
        let files = self.read(name).map_err(|why| Report::faulty(name, vec![why]))?;
        check::assemble(name, files)
    }

    /// The head of a pack without its contents; none when it cannot be read.
    pub fn manifest(&self, name: &str) -> Option<Manifest> {
        if !crate::manifest::is_name(name) {
            return None;
        }
        toml::from_str(&std::fs::read_to_string(self.root.join(name).join("pack.toml")).ok()?).ok()
    }

    /// Loads packs with all they build on, those first. The first fault met is reported.
    pub fn ordered(&self, names: &[String]) -> Result<Vec<Pack>, Report> {
        let mut out: Vec<Pack> = Vec::new();
        for name in names {
            self.add(name, &mut Vec::new(), &mut out)?;
        }
        Ok(out)
    }

    fn add(&self, name: &str, above: &mut Vec<String>, out: &mut Vec<Pack>) -> Result<(), Report> {
        if out.iter().any(|p| p.manifest.name == name) {
            return Ok(());
        }
        if above.iter().any(|n| n == name) {
            return Err(Report::faulty(name, vec![format!("pack.toml: packs require each other in a circle: {} → {name}", above.join(" → "))]));
        }
        let pack = self.load(name)?;
        above.push(name.to_string());
        for r in pack.manifest.requirements() {
            if !self.root.join(&r.name).join("pack.toml").is_file() {
                return Err(Report::faulty(name, vec![format!("pack.toml: requires `{}`, which is not in {}", r.name, self.root.display())]));
            }
            self.add(&r.name, above, out)?;
            let found = out.iter().find(|p| p.manifest.name == r.name).and_then(|p| Version::parse(&p.manifest.version));
            if r.least.is_some() && found < r.least {
                return Err(Report::faulty(name, vec![format!("pack.toml: requires a later version of `{}` than there is", r.name)]));
            }
        }
        above.pop();
        out.push(pack);
        Ok(())
    }

    /// Checks packs (all of the folder when none are named): form, contents, and what they say about each other.
    pub fn check(&self, names: &[String]) -> Result<Vec<Report>> {
        let names = if names.is_empty() { self.names()? } else { names.to_vec() };
        Ok(names.iter().map(|name| self.check_one(name)).collect())
    }

    fn check_one(&self, name: &str) -> Report {
        match self.ordered(&[name.to_string()]) {
            // A fault of a pack it builds on is that pack's; here it only stands in the way.
            Err(report) if report.pack != name => Report::faulty(name, vec![format!("pack.toml: requires `{}`, which has faults", report.pack)]),
            Err(report) => report,
            Ok(packs) => {
                let (below, own) = packs.split_at(packs.len() - 1);
                let faults = own.iter().flat_map(|pack| check::references(pack, below)).collect();
                Report { pack: name.to_string(), faults, holds: own.first().map(Pack::holds).unwrap_or_default() }
            }
        }
    }

    fn read(&self, name: &str) -> Result<Files, String> {
        let folder = self.root.join(name);
        if !crate::manifest::is_name(name) || !folder.join("pack.toml").is_file() {
            return Err(format!("there is no pack `{name}` in {}", self.root.display()));
        }
        let mut files = Files::default();
        for entry in WalkDir::new(&folder).sort_by_file_name() {
            let entry = entry.map_err(|e| e.to_string())?;
            if !entry.file_type().is_file() {
                continue;
            }
            let path = entry.path().strip_prefix(&folder).map_err(|e| e.to_string())?.to_string_lossy().replace('\\', "/");
            if entry.metadata().map_err(|e| e.to_string())?.len() > FILE || files.hashes.len() == FILES {
                return Err(format!("{path}: larger than 64 MiB, or more than 10,000 files"));
            }
            let bytes = std::fs::read(entry.path()).map_err(|e| format!("{path}: {e}"))?;
            files.hashes.insert(path.clone(), hex::encode(Sha256::digest(&bytes)));
            // Photos and other bytes of a pack's samples are nobody's text; models are asked for as bytes.
            match String::from_utf8(bytes) {
                Ok(text) => files.texts.push((path, text)),
                Err(e) if path.ends_with(".onnx") => files.bytes.push((path, e.into_bytes().into())),
                Err(_) => {}
            }
        }
        Ok(files)
    }
}

/// The files of one pack.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Path in the pack and text, sorted by path.
    pub texts: Vec<(String, String)>,
    /// Models: path and bytes.
    pub bytes: Vec<(String, Bytes)>,
    /// SHA-256 of every file, also of those that are no text.
    pub hashes: BTreeMap<String, String>,
}

impl Files {
    /// One hash over all.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (path, hash) in &self.hashes {
            hasher.update((path.len() as u64).to_be_bytes());
            hasher.update(path);
            hasher.update(hash);
        }
        hex::encode(hasher.finalize())
    }

    /// Bytes below a folder that are no text.
    pub fn binary(&self, folder: &str) -> Vec<(String, Bytes)> {
        let prefix = format!("{folder}/");
        self.bytes.iter().filter(|(path, _)| path.starts_with(&prefix)).cloned().collect()
    }

    /// Texts below a folder, notes and licences left out.
    pub fn of(&self, folder: &str) -> Vec<(String, String)> {
        let prefix = format!("{folder}/");
        self.texts.iter().filter(|(path, _)| path.starts_with(&prefix) && !is_note(path)).cloned().collect()
    }
}

/// Notes and licences may lie beside any data.
pub(crate) fn is_note(path: &str) -> bool {
    path.ends_with(".md") || path.ends_with(".txt")
}
