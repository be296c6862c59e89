//! What a pack may declare: `oversight/<set>.toml` (head, words, headings, measures) with its rows in a CSV beside it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::board_model::BoardTemplate;
use crate::model::{Columns, FormulaStatus, Heading, Indicator, IndicatorKind, IndicatorSet, MeasureRef, Standing};
use crate::period::PeriodKind;
use crate::score::{self, Reading};
use crate::stated::{Stated, StatedKind, Words};

/// The part of a pack that is ours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OversightPack {
    /// Indicator sets, in order of file name.
    pub sets: Vec<IndicatorSet>,
    /// Templates of boards, in order of file name.
    #[serde(default)]
    pub templates: Vec<BoardTemplate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFile {
    code: String,
    title: String,
    title_en: String,
    source_act: String,
    version: String,
    zone: String,
    near_from: f64,
    grace_days: u16,
    periods: Vec<PeriodKind>,
    proposed_label: String,
    proposed_label_en: String,
    /// CSV file beside this one.
    rows: String,
    columns: Columns,
    words: Words,
    groups: Vec<Heading>,
    #[serde(default)]
    measures: Vec<MeasureLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeasureLine {
    indicator: String,
    name: String,
    note: String,
    note_en: String,
    #[serde(default)]
    proxy: bool,
    denominator: Option<f64>,
    #[serde(default)]
    communes: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    code: String,
    name: String,
    name_en: String,
    unit: String,
    kind: IndicatorKind,
    base: String,
    forecast: String,
    target: String,
    numerator: String,
    denominator: String,
    formula_status: FormulaStatus,
    lead: String,
}

/// Reads the files of a pack's `oversight/` and `boards/` folders (relative path, text). Faults as `file:line: what`.
pub fn load(files: &[(String, String)]) -> Result<OversightPack, Vec<String>> {
    let mut faults = Vec::new();
    let (boards, files): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|(path, _)| path.starts_with("boards/"));
    let mut pack = OversightPack { sets: Vec::new(), templates: crate::pack_boards::load(&boards, &mut faults) };
    let mut used = BTreeSet::new();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".toml")) {
        match toml::from_str::<SetFile>(text) {
            Err(e) => faults.push(located(path, text, &e)),
            Ok(file) => {
                let rows = sibling(path, &file.rows);
                match files.iter().find(|(p, _)| *p == rows) {
                    None => faults.push(format!("{path}: its rows {rows} are missing")),
                    Some((_, csv)) => {
                        used.insert(rows.clone());
                        pack.sets.push(assemble(path, file, &rows, csv, &mut faults));
                    }
                }
            }
        }
    }
    for (path, _) in files.iter().filter(|(path, _)| !path.ends_with(".toml") && !used.contains(path)) {
        faults.push(format!("{path}: no set names this file"));
    }
    faults.extend(pack.check());
    if faults.is_empty() { Ok(pack) } else { Err(faults) }
}

pub(crate) fn located(path: &str, text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("{path}:{line}: {}", error.message())
}

fn sibling(path: &str, name: &str) -> String {
    path.rsplit_once('/').map_or_else(|| name.to_string(), |(folder, _)| format!("{folder}/{name}"))
}

fn assemble(path: &str, file: SetFile, rows: &str, csv: &str, faults: &mut Vec<String>) -> IndicatorSet {
    let mut measures: BTreeMap<String, MeasureRef> = BTreeMap::new();
    for m in file.measures {
        let made = MeasureRef { name: m.name, note: m.note, note_en: m.note_en, proxy: m.proxy, denominator: m.denominator, communes: m.communes };
        if measures.insert(m.indicator.clone(), made).is_some() {
            faults.push(format!("{path}: {} has two measures", m.indicator));
        }
    }
    let mut indicators = Vec::new();
    for line in csv::Reader::from_reader(csv.as_bytes()).deserialize::<Line>() {
        match line {
            Err(e) => faults.push(format!("{rows}:{}: {}", e.position().map_or(1, csv::Position::line), reason(&e))),
            Ok(line) => indicators.push(Indicator {
                group: line.code.rsplit_once('.').map_or("", |(group, _)| group).to_string(),
                base: Stated::parse(&line.base, &file.words),
                forecast: Stated::parse(&line.forecast, &file.words),
                target: Stated::parse(&line.target, &file.words),
                measure: measures.remove(&line.code),
                code: line.code,
                name: line.name,
                name_en: line.name_en,
                unit: line.unit,
                kind: line.kind,
                numerator: line.numerator,
                denominator: line.denominator,
                formula_status: line.formula_status,
                lead: line.lead,
            }),
        }
    }
    faults.extend(measures.keys().map(|code| format!("{path}: a measure for {code}, which is not in {rows}")));
    IndicatorSet {
        code: file.code,
        title: file.title,
        title_en: file.title_en,
        source_act: file.source_act,
        version: file.version,
        zone: file.zone,
        near_from: file.near_from,
        grace_days: file.grace_days,
        periods: file.periods,
        columns: file.columns,
        proposed_label: file.proposed_label,
        proposed_label_en: file.proposed_label_en,
        words: file.words,
        groups: file.groups,
        indicators,
    }
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!("{len} fields where {expected_len} are expected"),
        other => format!("{other:?}"),
    }
}

impl OversightPack {
    /// Faults of content, beyond form.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut codes = BTreeSet::new();
        for set in &self.sets {
            if !codes.insert(&set.code) {
                faults.push(format!("oversight: two sets are called {}", set.code));
            }
            check_set(set, &mut faults);
        }
        crate::pack_boards::check(&self.templates, &mut faults);
        faults
    }

    /// Measures the sets rely on: (set and indicator, measure).
    pub fn measures(&self) -> Vec<(String, String)> {
        let named = |set: &IndicatorSet| {
            let code = set.code.clone();
            set.indicators.iter().filter_map(move |i| i.measure.as_ref().map(|m| (format!("{code}/{}", i.code), m.name.clone()))).collect::<Vec<_>>()
        };
        self.sets.iter().flat_map(named).collect()
    }
}

fn check_set(set: &IndicatorSet, faults: &mut Vec<String>) {
    let at = &set.code;
    let mut fault = |what: String| faults.push(format!("oversight/{at}: {what}"));
    if at.is_empty() || at.len() > 64 || !at.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        fault("the code must be 1 to 64 of a–z, 0–9 and -".into());
    }
    if jiff::tz::TimeZone::get(&set.zone).is_err() {
        fault(format!("the time zone {} is unknown", set.zone));
    }
    if !(set.near_from > 0.0 && set.near_from < 100.0) {
        fault("near_from must lie between 0 and 100".into());
    }
    if set.periods.is_empty() || set.grace_days > 366 {
        fault("periods must not be empty and grace_days at most 366".into());
    }
    if set.words.yes.is_empty() || set.words.no.is_empty() {
        fault("words.yes and words.no must not be empty".into());
    }
    if set.indicators.is_empty() {
        fault("there are no indicators".into());
    }
    let mut headings = BTreeSet::new();
    for group in &set.groups {
        if group.code.rsplit_once('.').is_some_and(|(above, _)| !headings.contains(above)) {
            fault(format!("the heading above {} is missing or comes later", group.code));
        }
        if !headings.insert(group.code.as_str()) {
            fault(format!("the heading {} stands twice", group.code));
        }
    }
    let mut seen = BTreeSet::new();
    for indicator in &set.indicators {
        let mut fault = |what: String| fault(format!("{}: {what}", indicator.code));
        if !seen.insert(&indicator.code) || indicator.code.len() > 64 {
            fault("stands twice, or its code is too long".into());
        }
        if !headings.contains(indicator.group.as_str()) {
            fault(format!("its heading {} is missing", indicator.group));
        }
        if [&indicator.name, &indicator.name_en, &indicator.unit, &indicator.numerator, &indicator.lead].iter().any(|text| text.trim().is_empty()) {
            fault("name, name_en, unit, numerator and lead must not be empty".into());
        }
        for stated in [&indicator.base, &indicator.forecast, &indicator.target] {
            if stated.kind == StatedKind::Text || stated.text.is_empty() {
                fault(format!("«{}» is neither a number nor one of the set's words", stated.text));
            }
        }
        let boolean = indicator.kind == IndicatorKind::Boolean;
        let usable = match indicator.target.kind {
            StatedKind::YesNo => boolean && indicator.target.bool.is_some(),
            StatedKind::Number | StatedKind::AtLeast => !boolean,
            _ => true,
        };
        if !usable {
            fault(format!("the target «{}» does not fit the kind {:?}", indicator.target.text, indicator.kind));
        }
        if let Some(measure) = &indicator.measure {
            if boolean {
                fault("a yes-no indicator cannot be computed by a measure".into());
            }
            if !named(&measure.name) || measure.denominator.is_some_and(|d| !(d > 0.0 && d.is_finite())) {
                fault(format!("the measure {} must be led by its domain (`cases.…`) and a denominator be above 0", measure.name));
            }
        }
    }
}

/// A measure's name: its domain, a dot, and words of letters, digits and -.
fn named(name: &str) -> bool {
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    name.len() <= 100 && name.contains('.') && name.split('.').all(word)
}

#[derive(Deserialize)]
struct TestFile {
    #[serde(default)]
    oversight: Vec<Case>,
}

/// A value goes in, a standing comes out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    set: String,
    indicator: String,
    number: Option<f64>,
    yes_no: Option<bool>,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    achievement: Option<f64>,
    standing: Standing,
}

/// Runs the `[[oversight]]` entries of a pack's test files: how many ran, and what failed.
pub fn run_tests(pack: &OversightPack, files: &[(String, String)]) -> (usize, Vec<String>) {
    let (mut ran, mut faults) = (0, Vec::new());
    for (path, text) in files {
        match toml::from_str::<TestFile>(text) {
            Err(e) => faults.push(located(path, text, &e)),
            Ok(file) => {
                for case in file.oversight {
                    ran += 1;
                    if let Err(why) = run_case(pack, &case) {
                        faults.push(format!("{path}: {}: {why}", case.name));
                    }
                }
            }
        }
    }
    (ran, faults)
}

fn run_case(pack: &OversightPack, case: &Case) -> Result<(), String> {
    let set = pack.sets.iter().find(|s| s.code == case.set).ok_or("no such set")?;
    let indicator = set.indicators.iter().find(|i| i.code == case.indicator).ok_or("no such indicator")?;
    let reading = Reading { number: case.number, yes_no: case.yes_no };
    let achievement = score::achievement(&indicator.target, &reading);
    let standing = score::standing(achievement, set.near_from);
    let same = match (achievement, case.expect.achievement) {
        (Some(is), Some(should)) => (is - should).abs() < 0.01,
        (is, should) => is == should,
    };
    if same && standing == case.expect.standing { Ok(()) } else { Err(format!("achievement {achievement:?}, standing {standing:?}")) }
}
