//! Tables of dossiers: a source's columns and words, read as the pack says.

use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::Dossiers;
use crate::model::{DossierInput, Outcome, Supplement, Word};
use crate::pack::Source;

/// Rows of one file.
const ROWS: usize = 500_000;
/// Rows read before they are taken.
const STEP: usize = 2_000;

impl Dossiers {
    /// Takes a CSV table of a source. Rows are taken in steps: each is kept once its step is, and the whole may be sent again.
    /// Needs `dossier-write`. 404 `dossiers.source`, 422 `dossiers.sheet.columns`, 413 `dossiers.too-many`.
    pub async fn import(&self, caller: &Caller, source: &str, bytes: &[u8]) -> Result<Outcome> {
        caller.require(Permission::DossierWrite, Scope::ANY)?;
        let rules = self.rules();
        let source = self.source(&rules, Some(source))?.ok_or_else(|| Error::not_found("dossiers.source", "There is no source of this code."))?;
        let mut outcome = Outcome::default();
        let mut batch = Vec::new();
        for (n, row) in sheet(bytes, &source, self.calendar.zone().clone())?.enumerate() {
            if n >= ROWS {
                return Err(Error::too_large("dossiers.too-many", "Send the table in several files.").with("limit", ROWS));
            }
            batch.push(row);
            if batch.len() == STEP {
                self.take(caller, &rules, Some(&source), std::mem::take(&mut batch), &mut outcome).await?;
            }
        }
        self.take(caller, &rules, Some(&source), batch, &mut outcome).await?;
        Ok(outcome)
    }
}

/// The rows of a table, each with its line. 422 `dossiers.sheet.columns` when a column is missing that is needed.
pub fn sheet<'a>(bytes: &'a [u8], source: &'a Source, zone: TimeZone) -> Result<impl Iterator<Item = (u64, Result<DossierInput>)> + 'a> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let delimiter = source.delimiter.and_then(|d| u8::try_from(d).ok()).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let unreadable = |e: csv::Error| Error::unprocessable("dossiers.sheet.unreadable", "The table cannot be read.").because(e);
    let head = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &str| head.iter().position(|h| h == name);
    let mut places = Vec::new();
    for (field, name) in &source.columns {
        match column(name) {
            Some(place) => places.push((field.as_str(), place)),
            None if ["code", "procedure", "unit", "state"].contains(&field.as_str()) => {
                return Err(Error::unprocessable("dossiers.sheet.columns", "The table lacks a column that the source is said to have.").with("column", name));
            }
            None => {}
        }
    }
    Ok(reader.into_records().enumerate().map(move |(n, record)| {
        let line = record.as_ref().ok().and_then(|r| r.position().map(csv::Position::line)).unwrap_or(n as u64 + 2);
        let read = record.map_err(|e| Error::unprocessable("dossiers.sheet.row", "The row cannot be read.").because(e));
        (line, read.and_then(|record| row(&record, &places, source, &zone)))
    }))
}

fn row(record: &csv::StringRecord, places: &[(&str, usize)], source: &Source, zone: &TimeZone) -> Result<DossierInput> {
    let cell = |field: &str| places.iter().find(|(f, _)| *f == field).and_then(|(_, at)| record.get(*at)).filter(|text| !text.is_empty());
    let needed = |field: &'static str| {
        cell(field).map(str::to_string).ok_or_else(|| Error::unprocessable("dossiers.sheet.empty", "A cell that is needed is empty.").with("field", field))
    };
    let instant = |field: &'static str| cell(field).map(|text| instant(text, source, zone, field)).transpose();
    let yes = |field: &str| cell(field).map(|text| is_yes(text, source));
    let fee = cell("fee").map(|text| {
        let digits: String = text.chars().filter(|c| !matches!(c, '.' | ' ' | '\u{a0}' | '₫' | 'đ')).collect();
        digits.parse::<i64>().map_err(|e| Error::unprocessable("dossiers.sheet.number", "A cell is not a number.").with("field", "fee").because(e))
    });
    Ok(DossierInput {
        code: needed("code")?,
        procedure: needed("procedure")?,
        unit: needed("unit")?,
        commune: cell("commune").map(str::to_string),
        channel: cell("channel").map(|t| Word::Text(t.to_string())),
        state: Word::Text(needed("state")?),
        state_at: instant("state_at")?,
        registered_at: instant("registered_at")?,
        received_at: instant("received_at")?,
        appointed_at: instant("appointed_at")?,
        finished_at: instant("finished_at")?,
        returned_at: instant("returned_at")?,
        supplements: places.iter().any(|(f, _)| *f == "supplements").then(|| supplements(cell("supplements").unwrap_or(""), source, zone)).transpose()?,
        fee: fee.transpose()?,
        paid_at: instant("paid_at")?,
        paid_online: yes("paid_online"),
        electronic_result: yes("electronic_result"),
        digitised: yes("digitised"),
        reused: yes("reused"),
        applicant: cell("applicant").map(str::to_string),
        phone: cell("phone").map(str::to_string),
        updated_at: instant("updated_at")?,
    })
}

/// A record of a list, read like a row of a table whose columns are its members (or JSON pointers into it).
pub(crate) fn record(item: &serde_json::Value, source: &Source, zone: &TimeZone) -> Result<DossierInput> {
    let mut cells = csv::StringRecord::new();
    let mut places = Vec::new();
    for (n, (field, name)) in source.columns.iter().enumerate() {
        let value = if name.starts_with('/') { item.pointer(name) } else { item.get(name) };
        cells.push_field(&value.map(cell).unwrap_or_default());
        // A list that says nothing of supplements is not one that says that there were none.
        if value.is_some() || field != "supplements" {
            places.push((field.as_str(), n));
        }
    }
    row(&cells, &places, source, zone)
}

/// A value as a cell of a table would say it; times of waiting may be a list of `{from, to}`.
fn cell(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_string(),
        Value::Array(spans) => {
            let span = |s: &Value| format!("{} - {}", s["from"].as_str().unwrap_or_default(), s["to"].as_str().unwrap_or_default());
            spans.iter().map(span).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn is_yes(text: &str, source: &Source) -> bool {
    let folded = dothi_kernel::text::fold(text);
    matches!(folded.as_str(), "1" | "true") || source.yes.iter().any(|w| dothi_kernel::text::fold(w) == folded)
}

/// An instant as the source writes it; a day without a time is its first instant, or its last for a date of return.
fn instant(text: &str, source: &Source, zone: &TimeZone, field: &'static str) -> Result<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(dothi_kernel::time::micros(at.as_microsecond()));
    }
    let wall = source.instants.iter().find_map(|form| {
        let whole = form.contains("%H").then(|| DateTime::strptime(form, text).ok()).flatten();
        let day = || Date::strptime(form, text).ok().map(|d| if field == "appointed_at" { d.at(23, 59, 59, 0) } else { d.at(0, 0, 0, 0) });
        whole.or_else(day)
    });
    let bad = || Error::unprocessable("dossiers.sheet.instant", "A cell is not an instant in a form that the source uses.").with("field", field);
    let at = zone.to_ambiguous_timestamp(wall.ok_or_else(bad)?).compatible().map_err(|e| bad().because(e))?;
    Ok(dothi_kernel::time::micros(at.as_microsecond()))
}

/// `from – to; from –`: times with a dash between begin and end and a semicolon between them.
fn supplements(text: &str, source: &Source, zone: &TimeZone) -> Result<Vec<Supplement>> {
    let spans = text.split(';').map(str::trim).filter(|s| !s.is_empty());
    spans
        .map(|span| {
            let (from, to) = span.split_once(" - ").or_else(|| span.split_once(" – ")).unwrap_or((span.trim_end_matches([' ', '-', '–']), ""));
            let to = to.trim();
            Ok(Supplement {
                from: instant(from.trim(), source, zone, "supplements")?,
                to: if to.is_empty() { None } else { Some(instant(to, source, zone, "supplements")?) },
                payment: false,
            })
        })
        .collect()
}
