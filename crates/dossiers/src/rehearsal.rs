//! A pack's own tests of its procedures and sources: `[[dossiers]]` in `tests/*.toml`. A procedure and the instant of receipt go in, the day of
//! the deadline comes out; a source's word goes in, the number of the national set comes out. The week is Monday to Friday, eight to
//! five, with the days off that the test names; times are those of the clock on the wall.

use std::collections::BTreeMap;

use dothi_kernel::Timestamp;
use dothi_kernel::calendar::{DayKind, WorkCalendar};
use jiff::civil::{Date, DateTime, Weekday, time};
use serde::Deserialize;

use crate::Rules;
use crate::clock::{self, Pause, Terms};
use crate::pack::DossiersPack;

/// A file's tables; other domains' tables are theirs.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    dossiers: Vec<Rehearsal>,
}

/// One test.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rehearsal {
    name: String,
    /// Code of the procedure.
    procedure: Option<String>,
    /// When it was received, by the clock on the wall (`2026-11-16T08:00`).
    received: Option<DateTime>,
    /// Times it waited for the citizen.
    #[serde(default)]
    waits: Vec<(DateTime, DateTime)>,
    /// Days off.
    #[serde(default)]
    holidays: Vec<Date>,
    /// A source and its word for a state.
    source: Option<String>,
    word: Option<String>,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Working days that the procedure allows.
    days: Option<u32>,
    /// Working day on which it counts as received.
    received: Option<Date>,
    /// Day at whose close the deadline is.
    due: Option<Date>,
    /// Number of the state.
    state: Option<u32>,
}

/// Runs the `[[dossiers]]` tests of a pack: how many ran, and what failed, led by file and name.
pub fn run_tests(pack: &DossiersPack, files: &[(String, String)]) -> (usize, Vec<String>) {
    let (mut ran, mut failed) = (0, Vec::new());
    let rules = Rules::of(pack.clone());
    for (path, text) in files {
        match toml::from_str::<File>(text) {
            Ok(file) => {
                for test in file.dossiers {
                    ran += 1;
                    failed.extend(test.run(&rules).into_iter().map(|f| format!("{path}: {}: {f}", test.name)));
                }
            }
            Err(e) => failed.push(format!("{path}: {}", e.message())),
        }
    }
    (ran, failed)
}

fn differs<T: PartialEq + std::fmt::Display>(what: &str, expected: Option<T>, found: &T) -> Option<String> {
    expected.filter(|e| e != found).map(|e| format!("{what} is {found}, expected {e}"))
}

impl Rehearsal {
    fn run(&self, rules: &Rules) -> Vec<String> {
        let deadline = self.deadline(rules).unwrap_or_else(|fault| vec![fault]);
        deadline.into_iter().chain(self.state(rules)).collect()
    }

    fn state(&self, rules: &Rules) -> Option<String> {
        let (source, word) = (self.source.as_ref()?, self.word.as_ref()?);
        let Some(found) = rules.pack.source.iter().find(|s| s.code == *source) else { return Some(format!("there is no source `{source}`")) };
        match found.states.get(word) {
            Some(number) if !rules.states.contains_key(number) => Some(format!("`{word}` is {number}, which is no state")),
            Some(number) => differs("the state", self.expect.state, number),
            None => Some(format!("the source has no word `{word}`")),
        }
    }

    fn deadline(&self, rules: &Rules) -> Result<Vec<String>, String> {
        let Some(code) = &self.procedure else { return Ok(Vec::new()) };
        let procedure = rules.procedures.get(code).ok_or_else(|| format!("there is no procedure `{code}`"))?;
        let mut faults: Vec<String> = differs("the time allowed", self.expect.days, &procedure.days).into_iter().collect();
        let Some(received) = self.received else { return Ok(faults) };
        let calendar = self.calendar()?;
        let instant = |wall: DateTime| calendar.zone().to_timestamp(wall).map_err(|e| e.to_string());
        let told = |e: dothi_kernel::Error| e.detail().to_string();
        let at: Timestamp = instant(received)?;
        let (policy, _) = rules.policy(&calendar, at).map_err(told)?;
        let on = clock::received_on(&calendar, at, policy.cutoff).map_err(told)?;
        faults.extend(differs("the day of receipt", self.expect.received, &on));
        let waits = self.waits.iter().map(|(from, to)| Ok((instant(*from)?, Some(instant(*to)?)))).collect::<Result<Vec<Pause>, String>>()?;
        let terms = Terms { days: procedure.days, cutoff: policy.cutoff, counts_first_day: policy.counts_first_day };
        let due = clock::due(&calendar, at, terms, &waits).map_err(told)?;
        faults.extend(differs("the deadline", self.expect.due, &calendar.zone().to_datetime(due).date()));
        Ok(faults)
    }

    fn calendar(&self) -> Result<WorkCalendar, String> {
        let hours = vec![(time(8, 0, 0, 0), time(12, 0, 0, 0)), (time(13, 0, 0, 0), time(17, 0, 0, 0))];
        let week = [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
        let off: BTreeMap<Date, DayKind> = self.holidays.iter().map(|day| (*day, DayKind::Off)).collect();
        WorkCalendar::new("UTC", hours, &week, off).map_err(|e| e.detail().to_string())
    }
}
