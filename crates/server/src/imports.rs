//! Files of readings from the disk: one by one for the command line, and a drop folder that is watched.
//!
//! In the drop folder and in the folders in it, `import.toml` says how files are read; a folder without one is read by
//! the device profile of its name. A file that is no longer written to is imported and moved to `done/` or, when nothing of it
//! could be used, to `failed/`; what was left out stands beside it in `….rejects.jsonl`.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use dothi_context::import::{Imported, Mapping, Reject, Source};
use dothi_kernel::{Caller, Error, Result};

use crate::City;

/// How often the drop folder is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// For how long a file must not change before it is taken.
const STILL: Duration = Duration::from_secs(5);
/// Files looked at in one folder at a time.
const FILES: usize = 1_000;
/// Folders in the drop folder.
const FOLDERS: usize = 1_000;
/// Ends of names that are taken.
const TAKEN: [&str; 6] = ["csv", "tsv", "json", "jsonl", "ndjson", "geojsonl"];
/// What says how the files of a folder are read.
const MAPPING: &str = "import.toml";

fn failed(doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |e| Error::unprocessable("import.unreadable", "A file or folder of the import cannot be used.").with("doing", doing).because(e)
}

/// Reads how files are to be read.
pub fn mapping(path: &Path) -> Result<Mapping> {
    let text = fs::read_to_string(path).map_err(failed("reading the mapping"))?;
    toml::from_str(&text).map_err(|e| Error::invalid("import.mapping", "The mapping cannot be used.").with("reason", e.message()))
}

/// Where the records of a file that were left out are told.
struct Rejects {
    path: PathBuf,
    file: Option<fs::File>,
    fault: Option<io::Error>,
}

impl Rejects {
    fn write(&mut self, reject: &Reject) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(fs::OpenOptions::new().create(true).append(true).open(&self.path)?),
        };
        let mut line = serde_json::to_vec(reject).map_err(io::Error::other)?;
        line.push(b'\n');
        file.write_all(&line)
    }
}

/// Imports one file; what is left out goes into `rejects`, one JSON object a line. It is there only when there is any.
pub async fn file(city: &City, caller: &Caller, path: &Path, mapping: &Mapping, rejects: PathBuf) -> Result<Imported> {
    let mut told = Rejects { path: rejects, file: None, fault: None };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut tell = |reject: Reject| {
        if let Err(e) = told.write(&reject) {
            told.fault = Some(e);
        }
    };
    let done = city.context.import(caller, &name, Source::File(path.to_path_buf()), mapping, &mut tell).await?;
    match told.fault {
        Some(e) => Err(failed("writing what was left out")(e)),
        None => Ok(done),
    }
}

/// The files of a folder that can be imported, by name.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("reading a folder"))? {
        let entry = entry.map_err(failed("reading a folder"))?;
        let path = entry.path();
        // Links are not followed: a drop folder may be writable for many.
        let plain = entry.file_type().map_err(failed("reading a folder"))?.is_file();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let known = path.extension().and_then(|e| e.to_str()).is_some_and(|e| TAKEN.contains(&e.to_ascii_lowercase().as_str()));
        if plain && !hidden && known && !path.to_string_lossy().ends_with(".rejects.jsonl") {
            found.push(path);
        }
        if found.len() >= FILES {
            break;
        }
    }
    found.sort();
    Ok(found)
}

/// Watches the drop folder as long as the city runs.
pub async fn watch(city: Arc<City>, folder: PathBuf) {
    let mut seen: HashMap<PathBuf, (u64, SystemTime, Instant)> = HashMap::new();
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let ready = match look_for(&folder, &mut seen) {
            Ok(ready) => ready,
            Err(e) => {
                tracing::warn!(error = %e, folder = %folder.display(), "the drop folder cannot be read");
                continue;
            }
        };
        for path in ready {
            seen.remove(&path);
            if let Err(e) = take(&city, &path).await {
                tracing::warn!(error = %e, file = %path.display(), "a file of the drop folder could not be moved");
            }
        }
    }
}

/// Files that have not changed for a while.
fn look_for(folder: &Path, seen: &mut HashMap<PathBuf, (u64, SystemTime, Instant)>) -> Result<Vec<PathBuf>> {
    let mut folders = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder).map_err(failed("reading the drop folder"))?.take(FOLDERS) {
        let entry = entry.map_err(failed("reading the drop folder"))?;
        let inside = entry.file_type().is_ok_and(|t| t.is_dir()) && !["done", "failed"].iter().any(|n| entry.file_name() == *n);
        if inside {
            folders.push(entry.path());
        }
    }
    let mut ready = Vec::new();
    let mut present: HashMap<PathBuf, (u64, SystemTime, Instant)> = HashMap::new();
    for folder in folders {
        for path in files(&folder)? {
            // One that is gone again is nobody's fault.
            let Ok(about) = fs::metadata(&path) else { continue };
            let (size, changed) = (about.len(), about.modified().unwrap_or(SystemTime::UNIX_EPOCH));
            let since = match seen.get(&path) {
                Some((s, c, since)) if *s == size && *c == changed => *since,
                _ => Instant::now(),
            };
            if since.elapsed() >= STILL {
                ready.push(path.clone());
            }
            present.insert(path, (size, changed, since));
        }
    }
    *seen = present;
    Ok(ready)
}

/// Imports a file and moves it where it belongs.
async fn take(city: &City, path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let caller = Caller::system("drop folder", city.store.clock().as_ref());
    let rejects = folder.join(format!(".{name}.rejects.jsonl"));
    // What is left of an attempt that was cut off would be told twice.
    let _absent = fs::remove_file(&rejects);
    let declared = folder.join(MAPPING);
    let how = if declared.exists() { mapping(&declared) } else { Ok(by_name(city, folder)) };
    let done = match how {
        Ok(how) => file(city, &caller, path, &how, rejects.clone()).await,
        Err(e) => Err(e),
    };
    let good = match &done {
        Ok(done) => {
            tracing::info!(file = %path.display(), records = done.records, before = done.before, stored = done.stored, rejected = done.rejected, "imported");
            done.rejected == 0 || done.stored + done.before > 0
        }
        Err(e) => {
            tracing::warn!(error = %e, file = %path.display(), "a file of the drop folder cannot be imported");
            let reason = e.context().iter().map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>().join(", ");
            let told = Reject { line: 0, code: e.code().to_string(), detail: format!("{} {reason}", e.detail()), record: String::new() };
            Rejects { path: rejects.clone(), file: None, fault: None }.write(&told).map_err(failed("writing what was left out"))?;
            false
        }
    };
    let target = folder.join(if good { "done" } else { "failed" });
    fs::create_dir_all(&target).map_err(failed("making a folder"))?;
    let free = (0..10_000).map(|n| if n == 0 { name.clone() } else { format!("{n}-{name}") }).find(|n| !target.join(n).exists()).unwrap_or(name);
    fs::rename(path, target.join(&free)).map_err(failed("moving a file"))?;
    if rejects.exists() {
        fs::rename(&rejects, target.join(format!("{free}.rejects.jsonl"))).map_err(failed("moving a file"))?;
    }
    Ok(())
}

/// A folder without a mapping is read by the profile of its name; one whose name is no profile holds entities or data arrays.
fn by_name(city: &City, folder: &Path) -> Mapping {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let known = city.context.devices().profiles().iter().any(|p| p.name == name);
    Mapping { profile: known.then_some(name), device_column: known.then(|| "device".to_string()), ..Mapping::default() }
}
