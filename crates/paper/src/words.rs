//! The words of papers, in the languages there are. Whoever writes a paper keeps them in a TOML file beside its code, a table for each
//! language.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use dothi_kernel::{Error, Result, Timestamp};
use jiff::tz::TimeZone;

/// The languages a paper can be asked for; the first is the usual one.
const LANGUAGES: [&str; 2] = ["vi", "en"];

type Table = BTreeMap<String, String>;
type Tables = BTreeMap<String, Table>;

/// The words of some papers in all languages, read once.
pub struct Lexicon {
    text: &'static str,
    read: OnceLock<std::result::Result<Tables, String>>,
}

impl Lexicon {
    /// The words of a TOML text with a table for each language.
    pub const fn new(text: &'static str) -> Self {
        Self { text, read: OnceLock::new() }
    }

    fn tables(&self) -> Result<&Tables> {
        let read = self.read.get_or_init(|| toml::from_str(self.text).map_err(|e| e.to_string()));
        read.as_ref().map_err(|e| Error::internal("reading the words of papers", e))
    }

    /// The words of one language, Vietnamese when none is asked for. 400 `paper.language`.
    pub fn words(&'static self, lang: Option<&str>) -> Result<Words> {
        let wanted = lang.unwrap_or(LANGUAGES[0]);
        let unknown = || Error::invalid("paper.language", "A paper is made in vi or en.");
        let lang = LANGUAGES.into_iter().find(|l| *l == wanted).ok_or_else(unknown)?;
        let table = self.tables()?.get(lang).ok_or_else(|| Error::internal("reading the words of papers", lang))?;
        Ok(Words { lang, table })
    }

    /// What is wrong with it: texts that one language lacks, or that have other holes there. For the tests of whoever keeps it.
    pub fn faults(&self) -> Vec<String> {
        let Ok(tables) = self.tables() else { return vec![self.tables().err().map(|e| format!("{e:?}")).unwrap_or_default()] };
        let mut faults = Vec::new();
        for lang in LANGUAGES {
            let other = LANGUAGES.iter().find(|l| **l != lang).and_then(|l| tables.get(*l));
            for (key, text) in tables.get(lang).into_iter().flatten() {
                let there = other.and_then(|o| o.get(key));
                if there.is_none_or(|o| holes(o) != holes(text)) || text.trim().is_empty() {
                    faults.push(format!("{lang}.{key}"));
                }
            }
        }
        faults
    }
}

fn holes(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect();
    found.sort_unstable();
    found
}

/// The words of one language.
#[derive(Clone, Copy)]
pub struct Words {
    /// `vi` or `en`.
    pub lang: &'static str,
    table: &'static Table,
}

impl Words {
    /// A text; its key where there is none.
    pub fn say(&self, key: &str) -> String {
        self.known(key).unwrap_or_else(|| key.to_string())
    }

    /// A text, if there is one.
    pub fn known(&self, key: &str) -> Option<String> {
        self.table.get(key).cloned()
    }

    /// A text with its holes (`{name}`) filled.
    pub fn fill(&self, key: &str, holes: &[(&str, &str)]) -> String {
        holes.iter().fold(self.say(key), |text, (name, what)| text.replace(&format!("{{{name}}}"), what))
    }

    /// A name that is kept in both languages; the Vietnamese one where the English one is empty.
    pub fn either(&self, vi: &str, en: &str) -> String {
        (if self.lang == "en" && !en.is_empty() { en } else { vi }).to_string()
    }

    /// An instant as it is written in the language, by the clocks of a zone.
    pub fn instant(&self, at: Timestamp, zone: &TimeZone) -> String {
        let form = if self.lang == "en" { "%-d %b %Y, %H:%M" } else { "%H:%M %d/%m/%Y" };
        at.to_zoned(zone.clone()).strftime(form).to_string()
    }

    /// The day alone.
    pub fn day(&self, at: Timestamp, zone: &TimeZone) -> String {
        let form = if self.lang == "en" { "%-d %b %Y" } else { "%d/%m/%Y" };
        at.to_zoned(zone.clone()).strftime(form).to_string()
    }

    /// An instant to the second.
    pub fn second(&self, at: Timestamp, zone: &TimeZone) -> String {
        let form = if self.lang == "en" { "%-d %b %Y, %H:%M:%S" } else { "%H:%M:%S %d/%m/%Y" };
        at.to_zoned(zone.clone()).strftime(form).to_string()
    }

    /// A named fact.
    pub fn fact(&self, key: &str, what: impl Into<String>) -> (String, String) {
        (self.say(key), what.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WORDS: Lexicon = Lexicon::new("[vi]\na = \"Lúc {at}\"\nb = \"Một\"\n[en]\na = \"At {when}\"\n");

    #[test]
    fn what_one_language_lacks_is_told() {
        assert_eq!(WORDS.faults(), ["vi.a", "vi.b", "en.a"]);
        assert_eq!(WORDS.words(None).unwrap().fill("a", &[("at", "09:00")]), "Lúc 09:00");
        assert_eq!(WORDS.words(Some("en")).unwrap().either("Một", ""), "Một");
        assert_eq!(WORDS.words(Some("fr")).err().unwrap().code(), "paper.language");
        assert!(!Lexicon::new("[vi").faults().is_empty());
    }
}
