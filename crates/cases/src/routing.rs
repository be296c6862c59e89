//! Which unit gets a report, how urgent it is, and why: ordered rules, first match.

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::roads::RoadNear;
use dothi_kernel::time::micros;
use dothi_kernel::{Directory, Timestamp, UnitRef, text::fold};
use jiff::civil::{Time, Weekday};
use std::collections::BTreeSet;
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
    /// When it came in; rules about time match nothing without.
    pub at: Option<Timestamp>,
    /// Roads beside the place, the nearest first, as far as [`Rules::widest_road`] asks; rules about roads match nothing without.
    pub roads: &'a [RoadNear],
}

/// What made a rule match, where it asked for words or roads.
struct Hit<'a> {
    word: Option<&'a str>,
    road: Option<&'a RoadNear>,
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

/// A phrase prepared for being looked up.
struct Phrase<'a> {
    word: &'a str,
    exact: String,
    bare: String,
}

impl<'a> Phrase<'a> {
    fn of(word: &'a str) -> Self {
        Self { word, exact: spaced(word), bare: spaced(&fold(word)) }
    }
}

impl Words {
    fn of(text: &str) -> Self {
        let exact = spaced(text);
        let folded = spaced(&fold(text));
        Self { bare: Some(folded).filter(|f| *f == exact), exact }
    }

    fn holds(&self, phrase: &Phrase<'_>) -> bool {
        self.exact.contains(&phrase.exact) || self.bare.as_ref().is_some_and(|b| b.contains(&phrase.bare))
    }

    /// The first of the phrases that stands in the text.
    fn first<'a>(&self, phrases: &'a [String]) -> Option<&'a str> {
        phrases.iter().map(String::as_str).find(|p| self.holds(&Phrase::of(p)))
    }
}

/// A rule made ready: phrases folded once, hours and weekdays understood.
struct Compiled<'a> {
    rule: &'a RoutingRule,
    phrases: Vec<Phrase<'a>>,
    hours: Option<(Time, Time)>,
    weekdays: Vec<Weekday>,
}

/// Rules made ready, in order.
pub(crate) struct Rules<'a>(Vec<Compiled<'a>>);

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

fn clock(text: &str) -> Option<Time> {
    text.parse::<Time>().ok().filter(|t| t.second() == 0 && text.len() == 5)
}

/// Makes rules ready; every fault of them otherwise.
pub(crate) fn compile(rules: &[RoutingRule]) -> Result<Rules<'_>, Vec<String>> {
    let (mut faults, mut codes, mut out) = (Vec::new(), BTreeSet::new(), Vec::new());
    for rule in rules {
        let code = &rule.code;
        let mut need = |ok: bool, fault: String| {
            if !ok {
                faults.push(fault);
            }
        };
        need(crate::pack::is_code(code), format!("routing rule `{code}` is not a code"));
        need(rule.function.is_some() != rule.unit.is_some(), format!("routing rule `{code}` must name a function or a unit"));
        need(codes.insert(code), format!("routing rule `{code}` is declared twice"));
        need(!rule.why.trim().is_empty(), format!("routing rule `{code}` does not say why"));
        let phrases: Vec<Phrase<'_>> = rule.words.iter().map(|w| Phrase::of(w)).collect();
        need(phrases.iter().all(|p| !p.exact.trim().is_empty()), format!("routing rule `{code}` has an empty word"));
        let hours = match &rule.hours {
            None => None,
            Some([from, to]) => {
                let both = clock(from).zip(clock(to)).filter(|(a, b)| a != b);
                need(both.is_some(), format!("routing rule `{code}`: hours are like [\"22:00\", \"05:00\"]"));
                both
            }
        };
        let weekdays: Vec<Weekday> = rule.weekdays.iter().filter_map(|d| WEEKDAYS.iter().find(|(name, _)| name == d).map(|(_, w)| *w)).collect();
        need(weekdays.len() == rule.weekdays.len(), format!("routing rule `{code}`: weekdays are mon, tue, wed, thu, fri, sat, sun"));
        if let Some(road) = &rule.road {
            let sound = !road.owners.is_empty() && road.owners.iter().all(|o| crate::pack::is_code(o)) && (1.0..=500.0).contains(&road.within_m);
            need(sound, format!("routing rule `{code}`: a road has owners and lies within 1 to 500 metres"));
        }
        out.push(Compiled { rule, phrases, hours, weekdays });
    }
    let open = |r: &RoutingRule| {
        let anywhere = r.areas.is_empty() && r.road.is_none();
        anywhere && r.categories.is_empty() && r.words.is_empty() && r.hours.is_none() && r.weekdays.is_empty() && r.working.is_none()
    };
    if !rules.last().is_some_and(open) {
        faults.push("the last routing rule must match everything".into());
    }
    if faults.is_empty() { Ok(Rules(out)) } else { Err(faults) }
}

impl Rules<'_> {
    /// How far from the place rules look for roads; none when no rule does.
    pub(crate) fn widest_road(&self) -> Option<f64> {
        self.0.iter().filter_map(|c| c.rule.road.as_ref()).map(|r| r.within_m).reduce(f64::max)
    }

    /// The unit for a subject with the trace of why; no unit when nobody holds the function (the centre's queue).
    pub(crate) fn route(
        &self,
        case_type: &CaseType,
        subject: &Subject<'_>,
        directory: &dyn Directory,
        calendar: &WorkCalendar,
    ) -> (Option<UnitRef>, RoutingTrace) {
        let words = Words::of(subject.text);
        let home = directory.home();
        let area = subject.area.unwrap_or(&home);
        let province = directory.commune(area).map(|p| p.province).unwrap_or_else(|| home.clone());
        let warning = words.first(&case_type.excluded.words).map(|w| format!("{} (“{w}”)", case_type.excluded.notice));
        let mut skipped = Vec::new();
        for compiled in &self.0 {
            let rule = compiled.rule;
            let Some(hit) = compiled.matches(subject, &words, area, &province, Some(calendar)) else { continue };
            let unit = match (&rule.function, &rule.unit) {
                (Some(function), _) => directory.organisation_for(area, function),
                (None, Some(unit)) => directory.unit(unit),
                (None, None) => None,
            };
            if let Some(unit) = unit {
                let trace = RoutingTrace {
                    rule: rule.code.clone(),
                    why: rule.why.clone(),
                    word: hit.word.map(str::to_string),
                    road: hit.road.cloned(),
                    area: subject.area.map(str::to_string),
                    skipped,
                    warning,
                };
                return (Some(unit), trace);
            }
            skipped.push(rule.code.clone());
        }
        let why = case_type.queue.why.clone();
        (None, RoutingTrace { rule: String::new(), why, word: None, road: None, area: subject.area.map(str::to_string), skipped, warning })
    }

    /// The code of the first rule that a subject matches, whoever holds its function; empty when none does.
    pub(crate) fn first(&self, subject: &Subject<'_>, province: &str, calendar: Option<&WorkCalendar>) -> &str {
        let words = Words::of(subject.text);
        let area = subject.area.unwrap_or("");
        self.0.iter().find(|r| r.matches(subject, &words, area, province, calendar).is_some()).map_or("", |r| r.rule.code.as_str())
    }
}

impl Compiled<'_> {
    /// None when the rule does not match; else the word and the road that made it match, where it asks for them.
    fn matches<'a>(&'a self, subject: &Subject<'a>, words: &Words, area: &str, province: &str, calendar: Option<&WorkCalendar>) -> Option<Hit<'a>> {
        let rule = self.rule;
        let place = rule.areas.is_empty() || rule.areas.contains(area) || rule.areas.contains(province);
        let category = rule.categories.is_empty() || rule.categories.contains(subject.category);
        if !place || !category || !self.in_time(subject.at, calendar) {
            return None;
        }
        let fits =
            |wanted: &crate::pack::RoadCondition, r: &RoadNear| r.metres <= wanted.within_m && r.owner.as_ref().is_some_and(|o| wanted.owners.contains(o));
        let road = match &rule.road {
            Some(wanted) => Some(subject.roads.iter().find(|r| fits(wanted, r))?),
            None => None,
        };
        if self.phrases.is_empty() {
            return Some(Hit { word: None, road });
        }
        self.phrases.iter().find(|p| words.holds(p)).map(|p| Hit { word: Some(p.word), road })
    }

    /// Whether the instant lies in the hours, on the weekdays and in the working time asked for. A night that begins on a
    /// Friday belongs to the Friday until it ends.
    fn in_time(&self, at: Option<Timestamp>, calendar: Option<&WorkCalendar>) -> bool {
        if self.hours.is_none() && self.weekdays.is_empty() && self.rule.working.is_none() {
            return true;
        }
        let (Some(at), Some(calendar)) = (at, calendar) else { return false };
        let wall = calendar.zone().to_datetime(at);
        let (mut day, time) = (wall.date().weekday(), wall.time());
        if let Some((from, to)) = self.hours {
            let inside = if from < to { from <= time && time < to } else { time >= from || time < to };
            if !inside {
                return false;
            }
            if from > to && time < to {
                day = day.previous();
            }
        }
        if !self.weekdays.is_empty() && !self.weekdays.contains(&day) {
            return false;
        }
        let worked = || calendar.minutes_between(at, micros(at.as_microsecond() + 60_000_000)) > 0;
        self.rule.working.is_none_or(|wanted| wanted == worked())
    }
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
