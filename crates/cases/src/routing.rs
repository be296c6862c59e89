//! Which unit gets a report, how urgent it is, and why: ordered rules, first match.

use dothi_kernel::{Directory, UnitRef, text::fold};
use unicode_normalization::UnicodeNormalization;

use crate::model::RoutingTrace;
use crate::pack::{CaseType, RoutingRule};

/// What rules look at.
pub(crate) struct Subject<'a> {
    /// Commune code, when known.
    pub area: Option<&'a str>,
    /// Category code.
    pub category: &'a str,
    /// The reporter's words.
    pub text: &'a str,
}

/// A text prepared for looking up phrases: words between single blanks, so that only whole words match.
struct Words {
    /// Lower case, with marks.
    exact: String,
    /// Without marks, when the text was typed without any; "sap do" may then stand for "sắp đổ".
    bare: Option<String>,
}

fn spaced(text: &str) -> String {
    let letters: String = text.nfc().flat_map(char::to_lowercase).map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    format!(" {} ", letters.split_whitespace().collect::<Vec<_>>().join(" "))
}

impl Words {
    fn of(text: &str) -> Self {
        let exact = spaced(text);
        let folded = spaced(&fold(text));
        Self { bare: Some(folded).filter(|f| *f == exact), exact }
    }

    /// The first of the phrases that stands in the text.
    fn first<'a>(&self, phrases: &'a [String]) -> Option<&'a str> {
        let holds = |phrase: &str| self.exact.contains(&spaced(phrase)) || self.bare.as_ref().is_some_and(|b| b.contains(&spaced(&fold(phrase))));
        phrases.iter().map(String::as_str).find(|p| holds(p))
    }
}

/// The unit for a subject with the trace of why; no unit when nobody declares the function (the centre's queue).
pub(crate) fn route(case_type: &CaseType, subject: &Subject<'_>, directory: &dyn Directory) -> (Option<UnitRef>, RoutingTrace) {
    let words = Words::of(subject.text);
    let home = directory.home();
    let area = subject.area.unwrap_or(&home);
    let province = directory.commune(area).map(|p| p.province).unwrap_or_else(|| home.clone());
    let warning = words.first(&case_type.excluded.words).map(|w| format!("{} (“{w}”)", case_type.excluded.notice));
    let mut skipped = Vec::new();
    for rule in &case_type.routing {
        let Some(word) = matches(rule, subject, &words, area, &province) else { continue };
        let unit = match (&rule.function, &rule.unit) {
            (Some(function), _) => directory.organisation_for(area, function),
            (None, Some(unit)) => directory.unit(unit),
            (None, None) => None,
        };
        if let Some(unit) = unit {
            let trace = RoutingTrace {
                rule: rule.code.clone(),
                why: rule.why.clone(),
                word: word.map(str::to_string),
                area: subject.area.map(str::to_string),
                skipped,
                warning,
            };
            return (Some(unit), trace);
        }
        skipped.push(rule.code.clone());
    }
    let why = case_type.queue.why.clone();
    (None, RoutingTrace { rule: String::new(), why, word: None, area: subject.area.map(str::to_string), skipped, warning })
}

/// None when the rule does not match; else the word that made it match, if words were asked for.
fn matches<'a>(rule: &'a RoutingRule, subject: &Subject<'_>, words: &Words, area: &str, province: &str) -> Option<Option<&'a str>> {
    let place = rule.areas.is_empty() || rule.areas.contains(area) || rule.areas.contains(province);
    let category = rule.categories.is_empty() || rule.categories.contains(subject.category);
    if !place || !category {
        return None;
    }
    if rule.words.is_empty() {
        return Some(None);
    }
    words.first(&rule.words).map(Some)
}

/// The code of the first rule that a subject without a known place matches; empty when none does.
pub(crate) fn first_rule<'a>(case_type: &'a CaseType, subject: &Subject<'_>) -> &'a str {
    let words = Words::of(subject.text);
    case_type.routing.iter().find(|r| matches(r, subject, &words, "", "").is_some()).map_or("", |r| r.code.as_str())
}

/// Whether the words hint at a matter that has a law of its own.
pub(crate) fn excluded(case_type: &CaseType, subject: &Subject<'_>) -> bool {
    Words::of(subject.text).first(&case_type.excluded.words).is_some()
}

/// The urgency of a subject.
pub(crate) fn urgency<'a>(case_type: &'a CaseType, subject: &Subject<'_>) -> &'a str {
    let words = Words::of(subject.text);
    let rule = case_type
        .urgency_rules
        .iter()
        .find(|r| (r.categories.is_empty() || r.categories.contains(subject.category)) && (r.words.is_empty() || words.first(&r.words).is_some()));
    rule.map_or(case_type.default_urgency.as_str(), |r| r.urgency.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_match_whole_words() {
        let phrases = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        let marked = Words::of("Cột điện RÒ ĐIỆN, sau trận mưa!");
        assert_eq!(marked.first(&phrases(&["cây đổ", "rò điện"])), Some("rò điện"));
        // "trận" is not "tràn", though both fold to "tran".
        assert_eq!(marked.first(&phrases(&["tràn"])), None);
        assert_eq!(marked.first(&phrases(&["ò điện", "cột đi"])), None);
        // Typed without marks: folded phrases count.
        assert_eq!(Words::of("cot dien ro dien").first(&phrases(&["rò điện"])), Some("rò điện"));
        // Old phones send letters and marks apart (NFD).
        assert_eq!(Words::of("ro\u{300} đie\u{323}\u{302}n").first(&phrases(&["rò điện"])), Some("rò điện"));
    }
}
