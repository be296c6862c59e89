//! Putting a pack together from its files, and checking what its parts say about each other.

use std::collections::{BTreeMap, BTreeSet};

use dothi_cases::pack::CasesPack;
use dothi_context::pack::ContextPack;
use dothi_dossiers::pack::DossiersPack;
use dothi_panels::pack::PanelsPack;
use dothi_rules::pack::RulesPack;
use dothi_traffic::pack::TrafficPack;
use dothi_video::pack::VideoPack;
use serde::Deserialize;

use crate::library::{Files, is_note};
use crate::manifest::Manifest;
use crate::{Pack, Report};

/// Folders of a pack, and what may lie in them. Notes and licences (`.md`, `.txt`) may lie anywhere.
const FOLDERS: &[(&str, &[&str])] = &[
    ("access", &["toml", "csv", "geojson"]),
    // Codecs (`.js`, `.tbel`, `*converter.json`) lie there too, with their examples (`.yaml`, `.json`): `dothi codec check`.
    ("context", &["toml", "jsonld", "js", "tbel", "json", "yaml"]),
    ("rules", &["toml"]),
    ("cases", &["toml"]),
    ("notify", &["toml"]),
    ("dossiers", &["toml", "csv"]),
    ("incidents", &["toml"]),
    ("oversight", &["toml", "csv"]),
    // Templates of boards.
    ("boards", &["toml"]),
    ("panels", &["toml", "csv"]),
    ("video", &["toml", "names", "onnx"]),
    ("traffic", &["toml", "csv", "geojson"]),
    // Versioned tables that rules and functions name.
    ("reference", &["toml"]),
    ("texts", &["json"]),
    ("tests", &["toml", "json", "csv"]),
    // Data for the demonstration; read by whoever loads it.
    ("sample", &["toml", "csv", "json", "geojson", "jpg", "png", "webp"]),
];

/// Measures the program offers; `*` ends a family. The tests hold it against what the domains say of themselves.
pub(crate) const MEASURES: &[&str] = &[
    "cases.answered-public",
    "cases.answered-public.*",
    "cases.on-time",
    "cases.satisfaction",
    "context.coverage.*",
    "dossiers.on-time",
    "dossiers.online",
    "dossiers.satisfaction",
];

/// Languages every pack speaks.
const LANGUAGES: [&str; 2] = ["vi", "en"];

/// Takes over a domain's part, or its faults.
fn part<T: Default>(made: Result<T, Vec<String>>, faults: &mut Vec<String>) -> T {
    made.unwrap_or_else(|found| {
        faults.extend(found);
        T::default()
    })
}

pub(crate) fn assemble(name: &str, files: Files) -> Result<Pack, Report> {
    let mut faults = places(&files);
    let head = files.texts.iter().find(|(path, _)| path == "pack.toml").map_or("", |(_, text)| text.as_str());
    let manifest: Manifest = match toml::from_str(head) {
        Ok(manifest) => manifest,
        Err(e) => return Err(Report::faulty(name, vec![format!("pack.toml:{}: {}", line(head, e.span()), e.message())])),
    };
    faults.extend(manifest.check(name));
    let access = match files.of("access") {
        none if none.is_empty() => None,
        some => match dothi_access::pack::load(&some) {
            Ok(pack) => {
                faults.extend(pack.check().into_iter().map(|f| format!("access: {f}")));
                Some(pack)
            }
            Err(found) => {
                faults.extend(found.into_iter().map(|f| if f.starts_with("access/") { f } else { format!("access/{f}") }));
                None
            }
        },
    };
    let pack = Pack {
        context: part(ContextPack::load(&files.of("context")), &mut faults),
        rules: rules(&files, &mut faults),
        cases: part(CasesPack::load(&files.of("cases")), &mut faults),
        notify: part(dothi_notify::pack::NotifyPack::load(&files.of("notify")), &mut faults),
        incidents: part(dothi_incidents::pack::IncidentsPack::load(&files.of("incidents")), &mut faults),
        dossiers: part(DossiersPack::load(&files.of("dossiers")), &mut faults),
        panels: part(PanelsPack::load(&files.of("panels")), &mut faults),
        traffic: part(TrafficPack::load(&files.of("traffic")), &mut faults),
        video: part(VideoPack::load(&files.of("video"), &files.binary("video")), &mut faults),
        oversight: part(dothi_oversight::pack::load(&[files.of("oversight"), files.of("boards")].concat()), &mut faults),
        texts: texts(&files.of("texts"), &mut faults),
        tests: files.of("tests"),
        functions: functions(&files.of("access")),
        hash: files.hash(),
        manifest,
        access,
        files: files.hashes,
    };
    if faults.is_empty() { Ok(pack) } else { Err(Report::faulty(name, faults)) }
}

/// Rules with the reference data they name.
fn rules(files: &Files, faults: &mut Vec<String>) -> RulesPack {
    let own = [files.of("rules"), files.of("reference")].concat();
    let pack = part(RulesPack::load(&own), faults);
    faults.extend(pack.check().into_iter().map(|f| format!("rules: {f}")));
    pack
}

/// Attributes a rule looks at: its own, and those in the brackets of its named function.
fn attributes(rule: &dothi_rules::pack::RuleDef) -> Vec<&str> {
    let call = rule.value.as_deref().and_then(|v| v.split_once('(')).map_or("", |(_, rest)| rest.trim_end_matches(')'));
    let inputs = call.split(',').map(str::trim).filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()));
    std::iter::once(rule.attribute.as_str()).chain(inputs).collect()
}

fn line(text: &str, span: Option<std::ops::Range<usize>>) -> usize {
    span.map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1)
}

/// Files that lie where nobody looks.
fn places(files: &Files) -> Vec<String> {
    let known = |path: &str| match path.split_once('/') {
        None => path == "pack.toml" || is_note(path) || path.starts_with("LICEN"),
        Some((folder, rest)) => {
            let extension = rest.rsplit_once('.').map_or("", |(_, e)| e);
            FOLDERS.iter().any(|(name, extensions)| *name == folder && (extensions.contains(&extension) || is_note(rest)))
        }
    };
    files.hashes.keys().filter(|path| !known(path)).map(|path| format!("{path}: nothing reads a file of this name here")).collect()
}

/// The words of each language, keys joined by dots; the languages must have the same keys and placeholders.
fn texts(files: &[(String, String)], faults: &mut Vec<String>) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (path, text) in files {
        let language = path.trim_start_matches("texts/").trim_end_matches(".json");
        if !LANGUAGES.contains(&language) {
            faults.push(format!("{path}: languages are {}", LANGUAGES.join(" and ")));
            continue;
        }
        match serde_json::from_str::<serde_json::Value>(text) {
            Err(e) => faults.push(format!("{path}:{}: {e}", e.line())),
            Ok(value) => flatten(path, "", &value, all.entry(language.to_string()).or_default(), faults),
        }
    }
    if all.is_empty() {
        return all;
    }
    let of = |language: &str| all.get(language).cloned().unwrap_or_default();
    let (first, second) = (of(LANGUAGES[0]), of(LANGUAGES[1]));
    for (language, own, other) in [(LANGUAGES[0], &first, &second), (LANGUAGES[1], &second, &first)] {
        for (key, word) in other {
            match own.get(key) {
                None => faults.push(format!("texts/{language}.json: `{key}` is missing")),
                Some(mine) if placeholders(mine) != placeholders(word) => {
                    faults.push(format!("texts/{language}.json: `{key}` has other placeholders than its translation"))
                }
                Some(_) => {}
            }
        }
    }
    all
}

fn flatten(path: &str, prefix: &str, value: &serde_json::Value, into: &mut BTreeMap<String, String>, faults: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(path, &key, value, into, faults);
            }
        }
        serde_json::Value::String(word) if !word.trim().is_empty() && !prefix.is_empty() => {
            into.insert(prefix.to_string(), word.clone());
        }
        _ => faults.push(format!("{path}: `{prefix}` must be a text that is not empty")),
    }
}

/// The `{{name}}` parts of a text.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(name, _)| name.trim()).collect()
}

/// Functions that organisations of the pack have, read from the files because that is what people write.
fn functions(files: &[(String, String)]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Rules {
        #[serde(default)]
        rule: Vec<Rule>,
    }
    #[derive(Deserialize)]
    struct Rule {
        #[serde(default)]
        functions: Vec<String>,
    }
    let mut all = BTreeSet::new();
    for (path, text) in files.iter().filter(|(path, _)| path.starts_with("access/organisations/")) {
        if path.ends_with(".toml") {
            // A file that does not parse is a fault of `access` already.
            let rules = toml::from_str::<Rules>(text).map(|r| r.rule).unwrap_or_default();
            all.extend(rules.into_iter().flat_map(|r| r.functions));
        } else {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let column = reader.headers().ok().and_then(|h| h.iter().position(|name| name == "functions"));
            let fields = reader.records().flatten().filter_map(|r| r.get(column?).map(str::to_string));
            all.extend(fields.flat_map(|f| f.split_whitespace().map(str::to_string).collect::<Vec<_>>()));
        }
    }
    all.into_iter().collect()
}

/// Faults that show only beside the packs it builds on (`below`, all of them).
pub(crate) fn references(pack: &Pack, below: &[Pack]) -> Vec<String> {
    let mut faults = Vec::new();
    let all = || below.iter().chain([pack]);
    let types: BTreeMap<&str, BTreeSet<&str>> =
        all().flat_map(|p| &p.context.types).map(|t| (t.kind.as_str(), t.attributes.iter().map(|a| a.name.as_str()).collect())).collect();
    let known = |kind: &str, attribute: Option<&str>| match types.get(kind) {
        None => Some(format!("the type `{kind}` is not declared in this pack or those it requires")),
        Some(attributes) => attribute.filter(|a| !attributes.contains(a)).map(|a| format!("`{kind}` has no attribute `{a}`")),
    };
    for profile in &pack.context.profiles {
        for field in &profile.attributes {
            faults.extend(known(&profile.kind, Some(&field.name)).map(|why| format!("context: profile `{}`: {why}", profile.name)));
        }
    }
    for rule in &pack.rules.rules {
        let why: BTreeSet<String> = attributes(rule).into_iter().filter_map(|a| known(&rule.entity_type, Some(a))).collect();
        faults.extend(why.into_iter().map(|why| format!("rules: rule `{}`: {why}", rule.code)));
    }
    let functions: BTreeSet<&str> = all().flat_map(|p| &p.functions).map(String::as_str).collect();
    for case_type in &pack.cases.types {
        for rule in &case_type.routing {
            if let Some(function) = rule.function.as_deref().filter(|f| !holds(&functions, f)) {
                faults.push(format!("cases: kind `{}`, routing `{}`: no organisation has the function `{function}`", case_type.kind, rule.code));
            }
        }
    }
    for (indicator, measure) in pack.oversight.measures() {
        if !MEASURES.iter().any(|offered| *offered == measure || offered.strip_suffix('*').is_some_and(|family| measure.starts_with(family))) {
            faults.push(format!("oversight: {indicator}: nobody offers the measure `{measure}`"));
        }
    }
    for (other, code) in below.iter().flat_map(|p| p.oversight.templates.iter().map(move |t| (&p.manifest.name, &t.code))) {
        if pack.oversight.templates.iter().any(|t| t.code == *code) {
            faults.push(format!("boards: the template `{code}` stands in `{other}` already"));
        }
    }
    for (other, code) in below.iter().flat_map(|p| p.oversight.sets.iter().map(move |s| (&p.manifest.name, &s.code))) {
        if pack.oversight.sets.iter().any(|s| s.code == *code) {
            faults.push(format!("oversight: the set `{code}` stands in `{other}` already"));
        }
    }
    for (other, kind) in below.iter().flat_map(|p| p.context.types.iter().map(move |t| (&p.manifest.name, &t.kind))) {
        if pack.context.types.iter().any(|t| t.kind == *kind) {
            faults.push(format!("context: the type `{kind}` stands in `{other}` already"));
        }
    }
    faults
}

/// A function, or the part before its last `:` (`report:waste` → `report`), as [`dothi_kernel::Directory`] looks it up.
fn holds(functions: &BTreeSet<&str>, function: &str) -> bool {
    let mut function = function;
    loop {
        if functions.contains(function) {
            return true;
        }
        match function.rsplit_once(':') {
            Some((shorter, _)) => function = shorter,
            None => return false,
        }
    }
}
