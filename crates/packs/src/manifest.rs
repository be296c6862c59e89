//! `pack.toml`: name, version and what a pack builds on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The head of a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name; also its folder's (`environment`).
    pub name: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Version (semver).
    pub version: String,
    /// Packs it builds on: `base` or `base >= 0.2.0`.
    pub requires: Vec<String>,
    /// Licences of its contents (SPDX expression).
    pub licence: String,
}

/// Another pack, at a version or later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Name.
    pub name: String,
    /// Least version, when one is named.
    pub least: Option<Version>,
}

/// A semantic version. A pre-release sorts before its release; build metadata do not count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    numbers: [u64; 3],
    released: bool,
    pre: String,
}

impl Version {
    /// Reads `1.2.3`, `1.2.3-rc.1` or `1.2.3+build`; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split_once('+').map_or(text, |(t, _)| t);
        let (core, pre) = text.split_once('-').map_or((text, ""), |(c, p)| (c, p));
        let number = |part: &str| {
            (!part.is_empty() && (part == "0" || !part.starts_with('0')) && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
        };
        let numbers: Vec<u64> = core.split('.').map(number).collect::<Option<_>>()?;
        let fits = pre.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-') && text.contains('-') != pre.is_empty();
        fits.then_some(())?;
        Some(Self { numbers: numbers.try_into().ok()?, released: pre.is_empty(), pre: pre.to_string() })
    }
}

impl Requirement {
    /// Reads `base` or `base >= 0.2.0`; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            [name] => Some(Self { name: name.into(), least: None }),
            [name, ">=", version] => Some(Self { name: name.into(), least: Some(Version::parse(version)?) }),
            _ => None,
        }
    }
}

impl Manifest {
    /// What it builds on; faulty lines are left out (and told by [`Manifest::check`]).
    pub fn requirements(&self) -> Vec<Requirement> {
        self.requires.iter().filter_map(|r| Requirement::parse(r)).collect()
    }

    /// Faults of the head. `folder` is the name of the folder it lies in.
    pub fn check(&self, folder: &str) -> Vec<String> {
        let mut faults = Vec::new();
        if !is_name(&self.name) || self.name != folder {
            faults.push(format!("pack.toml: the name `{}` must be a–z, 0–9, - and that of its folder `{folder}`", self.name));
        }
        if Version::parse(&self.version).is_none() {
            faults.push(format!("pack.toml: `{}` is not a semantic version such as 1.2.3", self.version));
        }
        for (i, text) in self.requires.iter().enumerate() {
            match Requirement::parse(text) {
                Some(r) if r.name != self.name && self.requirements().iter().filter(|o| o.name == r.name).count() == 1 => {}
                Some(_) => faults.push(format!("pack.toml: requires[{i}] `{text}` names the pack itself or one twice")),
                None => faults.push(format!("pack.toml: requires[{i}] `{text}` must read `name` or `name >= 1.2.3`")),
            }
        }
        if [&self.title, &self.title_en, &self.licence].iter().any(|t| t.trim().is_empty()) {
            faults.push("pack.toml: title, title_en and licence must not be empty".into());
        }
        faults
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort() {
        let v = |t: &str| Version::parse(t).unwrap();
        assert!(v("0.2.0") > v("0.1.9") && v("1.0.0") > v("1.0.0-rc.1") && v("10.0.0") > v("9.9.9") && v("1.0.0+a") == v("1.0.0+b"));
        for text in ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "v1.2.3", "1.2.3-", "1.2.3-ü"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn heads_are_checked() {
        let good = Manifest {
            name: "x".into(),
            title: "X".into(),
            title_en: "X".into(),
            version: "1.0.0".into(),
            requires: vec!["base >= 0.1.0".into()],
            licence: "MIT".into(),
        };
        assert_eq!(good.check("x"), Vec::<String>::new());
        assert_eq!(good.requirements()[0].least, Version::parse("0.1.0"));
        let bad = Manifest { version: "1".into(), requires: vec!["x".into(), "a > 1".into()], title: " ".into(), ..good };
        assert_eq!(bad.check("y").len(), 5);
    }
}
