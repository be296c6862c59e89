//! Traffic of the demo province: an invented road, with real counts of another place replayed on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dothi_context::Reading;
use dothi_context::devices::{NewDevice, Transport};
use dothi_kernel::value::quality;
use dothi_kernel::{Caller, Error, Result, Value};
use dothi_traffic::model::{Closure, Hours, PublishInput, SignInput, WorkInput, WorkKind};
use dothi_traffic::pack::RouteDef;
use serde::Deserialize;

use crate::City;

const QUARTER: i64 = 900_000_000;
/// Quarters of the recorded four weeks.
const RECORDED: i64 = 28 * 96;
/// Readings handed over at once.
const CHUNK: usize = 4_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    segments: PathBuf,
    counts: PathBuf,
    profile: String,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    commune: String,
    weeks: i64,
    route: Vec<RouteDef>,
    sign: Vec<SignInput>,
    works: Vec<Works>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Works {
    kind: WorkKind,
    title: String,
    title_en: String,
    segments: Vec<String>,
    from_day: i64,
    to_day: i64,
    hours: Option<Hours>,
    closes: Closure,
    detour: String,
    unit: String,
    contact: String,
    permit: String,
}

fn bad(file: &Path, why: impl std::fmt::Display) -> Error {
    Error::invalid("demo.file", "A file of the demo cannot be used.").with("file", file.display()).with("reason", why)
}

/// Counts by quarter of the recorded weeks, from their Monday at midnight.
pub(crate) struct Counts {
    detectors: Vec<Arc<str>>,
    kind: Arc<str>,
    rows: Vec<Vec<f64>>,
    /// Instant (µs) at which the recorded weeks begin in the demo's time: a local Monday at midnight.
    monday: i64,
}

impl Counts {
    /// Readings of the quarters that begin in `from..to` (µs).
    fn between(&self, from: i64, to: i64) -> Vec<Reading> {
        let first = from.div_euclid(QUARTER) + i64::from(from.rem_euclid(QUARTER) != 0);
        let quarters = (first..).map(|q| q * QUARTER).take_while(|t| *t < to);
        let rows = quarters.filter_map(|t| {
            let n = (t - self.monday).div_euclid(QUARTER).rem_euclid(RECORDED);
            Some((t, self.rows.get(usize::try_from(n).ok()?)?))
        });
        let reading = |t: i64, n: usize, v: f64| Reading {
            entity: self.detectors[n].clone(),
            kind: self.kind.clone(),
            attribute: "intensity".into(),
            value: Value::Number(v),
            unit: None,
            observed_at: t,
            quality: quality::REPLAYED,
            location: None,
        };
        rows.flat_map(|(t, row)| row.iter().enumerate().take(self.detectors.len()).map(move |(n, v)| reading(t, n, *v)).collect::<Vec<_>>()).collect()
    }
}

fn plan(folder: &Path) -> Result<Plan> {
    let file = folder.join("traffic.toml");
    toml::from_str(&std::fs::read_to_string(&file).map_err(|e| bad(&file, e))?).map_err(|e| bad(&file, e.message()))
}

/// Reads the counts, laid on the demo's weeks: the same day of the week and hour as they were counted at.
pub(crate) fn counts(city: &City, folder: &Path) -> Result<Counts> {
    let plan = plan(folder)?;
    let file = folder.join(&plan.counts);
    let mut reader = csv::Reader::from_path(&file).map_err(|e| bad(&file, e))?;
    let names: Vec<String> = reader.headers().map_err(|e| bad(&file, e))?.iter().skip(2).map(String::from).collect();
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|e| bad(&file, e))?;
        rows.push(row.iter().skip(2).map(str::parse).collect::<Result<Vec<f64>, _>>().map_err(|e| bad(&file, e))?);
    }
    let local = city.store.clock().now().to_zoned(city.access.calendar()?.zone().clone());
    let back = i64::from(local.weekday().to_monday_zero_offset());
    let monday = local.date().checked_sub(jiff::Span::new().days(back)).map_err(|e| bad(&file, e))?;
    let monday = monday.to_zoned(local.time_zone().clone()).map_err(|e| bad(&file, e))?.timestamp().as_microsecond();
    let urn = |n: &String| Arc::from(format!("urn:ngsi-ld:{}:dem-{n}", plan.kind));
    Ok(Counts { detectors: names.iter().map(urn).collect(), kind: plan.kind.as_str().into(), rows, monday })
}

/// Loads detectors, segments, past counts, routes, signs and works.
pub(crate) async fn tell(city: &Arc<City>, folder: &Path) -> Result<()> {
    let (plan, counts) = (plan(folder)?, counts(city, folder)?);
    let system = Caller::system("demo", city.store.clock().as_ref());
    let device = |id: String, name: String, profile: &str, entity: String| NewDevice {
        id,
        name,
        profile: profile.into(),
        entity: Some(entity),
        transport: Transport::default(),
        location: None,
        area: Some(plan.commune.clone()),
        groups: Vec::new(),
    };
    for urn in &counts.detectors {
        let id = urn.rsplit(':').next().unwrap_or_default().to_string();
        let name = format!("Máy đếm xe {}", id.trim_start_matches("dem-").to_uppercase());
        city.context.add_device(&system, device(id, name, &plan.profile, urn.to_string())).await?;
        city.context.name_source(&system, urn, &plan.kind, &plan.source).await?;
    }
    let now = city.store.clock().now().as_microsecond();
    let past = counts.between(now - plan.weeks * 7 * 96 * QUARTER, now);
    for chunk in past.chunks(CHUNK) {
        city.context.ingest(&system, chunk.to_vec()).await?;
    }
    let table = folder.join(&plan.segments);
    let done = city.traffic.import(&system, &std::fs::read(&table).map_err(|e| bad(&table, e))?).await?;
    if let Some(reject) = done.rejects.first() {
        return Err(bad(&table, format!("line {}: {}", reject.line, reject.detail)));
    }
    for route in plan.route {
        city.traffic.put_route(&system, route).await?;
    }
    for sign in plan.sign {
        let entity = format!("urn:ngsi-ld:TrafficSign:{}", sign.device);
        city.context.add_device(&system, device(sign.device.clone(), sign.name.clone(), "dothi-sign-json", entity)).await?;
        city.traffic.put_sign(&system, None, sign).await?;
    }
    for works in plan.works {
        let at = |day: i64| dothi_kernel::time::micros(now / (96 * QUARTER) * (96 * QUARTER) + day * 96 * QUARTER);
        let input = WorkInput {
            version: None,
            kind: works.kind,
            title: works.title,
            title_en: works.title_en,
            segments: works.segments,
            line: Vec::new(),
            area: String::new(),
            from: at(works.from_day),
            to: at(works.to_day),
            hours: works.hours,
            closes: works.closes,
            detour: works.detour,
            unit: works.unit,
            contact: works.contact,
            permit: works.permit,
        };
        let made = city.traffic.put_work(&system, None, input).await?;
        let version = made.work.version.unwrap_or(1);
        city.traffic.publish_work(&system, made.id, &PublishInput { version, publish: true }).await?;
    }
    city.traffic.ask_usual(&system).await
}

/// Hands over each quarter of an hour as it ends.
pub(crate) async fn replay(city: Arc<City>, counts: Counts) {
    let mut sent = city.store.clock().now().as_microsecond();
    loop {
        tokio::time::sleep(Duration::from_secs(20)).await;
        let now = city.store.clock().now().as_microsecond();
        let readings = counts.between(sent, now);
        if readings.is_empty() {
            continue;
        }
        let system = Caller::system("demo", city.store.clock().as_ref());
        match city.context.ingest(&system, readings).await {
            Ok(_) => sent = now,
            Err(e) => tracing::warn!(error = %e, "replaying a quarter of an hour failed and will be tried again"),
        }
    }
}
