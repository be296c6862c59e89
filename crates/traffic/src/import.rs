//! Tables and maps of segments: CSV with a header, or a GeoJSON collection of lines. Bytes come from outside; what cannot be read is a
//! reject with its line, never a fall.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::{Detector, Reject, SegmentInput};

/// Most segments of a file.
pub(crate) const ROWS: usize = 5_000;
/// Most rejects told.
const REJECTS: usize = 100;

/// What a file holds.
#[derive(Debug, Default)]
pub struct Table {
    /// Segments with their line, or number of the feature.
    pub segments: Vec<(usize, SegmentInput)>,
    /// Rows that cannot be read.
    pub rejects: Vec<Reject>,
}

impl Table {
    fn add(&mut self, line: usize, found: Result<SegmentInput, String>) {
        match found {
            Ok(_) if self.segments.len() >= ROWS => self.reject(line, format!("a file has at most {ROWS} segments")),
            Ok(segment) => self.segments.push((line, segment)),
            Err(detail) => self.reject(line, detail),
        }
    }

    pub(crate) fn reject(&mut self, line: usize, detail: String) {
        if self.rejects.len() < REJECTS {
            self.rejects.push(Reject { line, detail });
        }
    }
}

/// Reads CSV or GeoJSON, told apart by the first sign.
pub fn read(bytes: &[u8]) -> Table {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{') { geojson(bytes) } else { csv(bytes) }
}

/// `urn|period` pairs parted by `;`.
fn detectors(text: &str) -> Result<Vec<Detector>, String> {
    text.split(';')
        .map(str::trim)
        .filter(|d| !d.is_empty())
        .map(|d| {
            let (entity, period) = d.split_once('|').unwrap_or((d, "3600"));
            let period_s = period.trim().parse().map_err(|_| format!("`{d}`: write a detector as urn|seconds"))?;
            Ok(Detector { entity: entity.trim().to_string(), period_s })
        })
        .collect()
}

/// `lon lat, lon lat`, with or without `LINESTRING(…)` around it.
fn line(text: &str) -> Result<Vec<[f64; 2]>, String> {
    let inner = text.trim().trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '(' || c == ' ').trim_end_matches([')', ' ']);
    inner
        .split([',', ';'])
        .map(|pair| {
            let mut numbers = pair.split_whitespace().map(str::parse::<f64>);
            match (numbers.next(), numbers.next(), numbers.next()) {
                (Some(Ok(lon)), Some(Ok(lat)), None) => Ok([lon, lat]),
                _ => Err(format!("`{}` is no longitude and latitude", pair.trim())),
            }
        })
        .collect()
}

fn segment(get: impl Fn(&str) -> String, line: Vec<[f64; 2]>) -> Result<SegmentInput, String> {
    let number = |name: &str| match get(name).trim() {
        "" => Ok(None),
        text => text.parse::<f64>().map(Some).map_err(|_| format!("{name}: `{text}` is no number")),
    };
    let lanes = number("lanes")?.unwrap_or(1.0);
    Ok(SegmentInput {
        version: None,
        code: get("code"),
        name: get("name"),
        class: get("class"),
        direction: get("direction"),
        line,
        free_speed: number("free_speed")?,
        speed_limit: number("speed_limit")?,
        lanes: if (1.0..=20.0).contains(&lanes) { lanes as u32 } else { return Err("lanes: 1 to 20".into()) },
        jam_density: number("jam_density")?,
        unit: get("unit"),
        downstream: get("downstream").split(';').map(str::trim).filter(|c| !c.is_empty()).map(String::from).collect(),
        detectors: detectors(&get("detectors"))?,
        source: get("source"),
        active: get("active") != "false",
    })
}

fn csv(bytes: &[u8]) -> Table {
    let mut table = Table::default();
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).flexible(true).from_reader(bytes);
    for (n, row) in reader.deserialize::<BTreeMap<String, String>>().enumerate() {
        let number = n + 2;
        let found = row.map_err(|e| e.to_string()).and_then(|row| {
            let get = |name: &str| row.get(name).cloned().unwrap_or_default();
            segment(get, line(&get("line"))?)
        });
        table.add(number, found);
    }
    table
}

fn geojson(bytes: &[u8]) -> Table {
    let mut table = Table::default();
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(e) => {
            table.reject(e.line(), e.to_string());
            return table;
        }
    };
    for (n, feature) in value["features"].as_array().into_iter().flatten().enumerate() {
        let get = |name: &str| match &feature["properties"][name] {
            Value::String(text) => text.clone(),
            Value::Number(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";"),
            _ => String::new(),
        };
        let found = match serde_json::from_value::<Vec<Vec<f64>>>(feature["geometry"]["coordinates"].clone()) {
            Ok(points) if feature["geometry"]["type"] == "LineString" && points.iter().all(|p| p.len() >= 2) => {
                segment(get, points.iter().map(|p| [p[0], p[1]]).collect())
            }
            _ => Err("a feature is a LineString".into()),
        };
        table.add(n + 1, found);
    }
    if table.segments.is_empty() && table.rejects.is_empty() {
        table.reject(1, "there are no features".into());
    }
    table
}
