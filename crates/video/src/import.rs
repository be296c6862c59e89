//! A table of cameras, from an office's own list.

use std::collections::HashMap;

use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Error, Kind, Permission, Result, Scope};

use crate::Video;
use crate::model::{CameraInput, Import, Record, Reject};

/// Rows of one file.
const ROWS: usize = 10_000;
/// Faults that are told.
const TOLD: usize = 50;
/// Columns that are understood; the first four must be there.
const COLUMNS: [&str; 18] = [
    "code",
    "name",
    "url",
    "purpose",
    "address",
    "lon",
    "lat",
    "bearing",
    "angle",
    "reach",
    "commune",
    "unit",
    "sector",
    "legal",
    "retention_days",
    "record",
    "user",
    "password",
];

type Row = HashMap<&'static str, String>;

fn number<T: std::str::FromStr>(row: &Row, field: &'static str) -> Result<Option<T>> {
    let bad = || Error::unprocessable("video.import.number", "A cell is not a number.").with("field", field);
    row.get(field).map(|text| text.replace(',', ".").parse().map_err(|_| bad())).transpose()
}

fn input(row: &Row) -> Result<CameraInput> {
    let text = |field: &str| row.get(field).cloned().unwrap_or_default();
    let location = number::<f64>(row, "lon")?.zip(number::<f64>(row, "lat")?).map(|(lon, lat)| Point::new(lon, lat)).transpose()?;
    let record = match text("record").as_str() {
        "" | "none" => Record::None,
        "always" => Record::Always,
        "event" => Record::Event,
        _ => return Err(Error::unprocessable("video.camera.invalid", "A field of the camera cannot be used.").with("field", "record")),
    };
    Ok(CameraInput {
        version: None,
        code: text("code"),
        name: text("name"),
        address: text("address"),
        location,
        bearing: number(row, "bearing")?,
        angle: number(row, "angle")?,
        reach: number(row, "reach")?,
        commune: row.get("commune").cloned(),
        unit: row.get("unit").cloned(),
        sector: text("sector"),
        purpose: text("purpose"),
        legal: text("legal"),
        retention_days: number(row, "retention_days")?,
        record,
        hours: Vec::new(),
        url: text("url"),
        user: row.get("user").cloned(),
        password: row.get("password").cloned(),
        masks: None,
        detectors: None,
        active: true,
    })
}

impl Video {
    /// Takes a CSV table (`code,name,url,purpose` and any of the other columns): cameras by code are made or changed, each by a change
    /// of its own, so the table may be sent again. Needs `camera-manage`. 422 `video.import.columns`, `video.import.unreadable`; 413 `video.import.large`.
    pub async fn import(&self, caller: &Caller, bytes: &[u8]) -> Result<Import> {
        caller.require(Permission::CameraManage, Scope::ANY)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
        let unreadable = |e: csv::Error| Error::unprocessable("video.import.unreadable", "The table cannot be read.").because(e);
        let head = reader.headers().map_err(unreadable)?.clone();
        let places: Vec<(&'static str, usize)> = COLUMNS.iter().filter_map(|c| Some((*c, head.iter().position(|h| h == *c)?))).collect();
        if let Some(lacking) = COLUMNS[..4].iter().find(|c| !places.iter().any(|(name, _)| name == *c)) {
            return Err(Error::unprocessable("video.import.columns", "The table lacks a column.").with("column", lacking));
        }
        let mut outcome = Import::default();
        for record in reader.into_records() {
            if outcome.read as usize >= ROWS {
                return Err(Error::too_large("video.import.large", "Send the table in several files.").with("limit", ROWS));
            }
            outcome.read += 1;
            let record = record.map_err(unreadable)?;
            let line = record.position().map_or(0, csv::Position::line);
            let row: Row = places.iter().filter_map(|(name, at)| Some((*name, record.get(*at).filter(|c| !c.is_empty())?.to_string()))).collect();
            match self.import_row(caller, &row).await {
                Ok(true) => outcome.added += 1,
                Ok(false) => outcome.changed += 1,
                Err(e) if matches!(e.kind(), Kind::Internal | Kind::Unavailable) => return Err(e),
                Err(e) => {
                    outcome.rejected += 1;
                    if outcome.rejects.len() < TOLD {
                        let camera = row.get("code").cloned().unwrap_or_default();
                        outcome.rejects.push(Reject { line, camera, code: e.code().into(), detail: e.detail().into() });
                    }
                }
            }
        }
        Ok(outcome)
    }

    /// Whether the row's camera is new.
    async fn import_row(&self, caller: &Caller, row: &Row) -> Result<bool> {
        let mut input = input(row)?;
        let old = self.all().into_iter().find(|c| c.code == input.code);
        if let Some(old) = &old {
            input.version = Some(old.version);
            // What the table does not say stays.
            input.location = input.location.or(old.location);
            (input.bearing, input.angle, input.reach) = (input.bearing.or(old.bearing), input.angle.or(old.angle), input.reach.or(old.reach));
            input.commune = input.commune.or(Some(old.commune.clone()).filter(|c| !c.is_empty()));
            input.unit = input.unit.or(Some(old.unit.clone()).filter(|u| !u.is_empty()));
            input.retention_days = input.retention_days.or(old.retention_days);
            if !row.contains_key("record") {
                (input.record, input.hours) = (old.record, old.hours.clone());
            }
            for (field, value, before) in
                [("address", &mut input.address, &old.address), ("sector", &mut input.sector, &old.sector), ("legal", &mut input.legal, &old.legal)]
            {
                if !row.contains_key(field) {
                    value.clone_from(before);
                }
            }
        }
        let id = old.map(|o| o.id);
        self.put(caller, id, input).await?;
        Ok(id.is_none())
    }
}
