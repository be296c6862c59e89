//! The demo province: people of every role, stations with real measurements replayed, reports in every state.
//!
//! Everything comes from the folder given (`demo/hung-yen`): people, stations, files, steps. The measurements are moved
//! in time so that a chosen row is the present hour; the last hours arrive live after the start, oldest first, as a
//! station's stored backlog would, and then hour by hour. Loading twice changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dothi_access::model::{NewGrant, NewPerson, PersonKind};
use dothi_cases::model::{Contact, MoveInput, NewReport};
use dothi_context::Reading;
use dothi_context::devices::{NewDevice, Transport};
use dothi_kernel::geo::Point;
use dothi_kernel::value::quality;
use dothi_kernel::{Caller, Error, Result, Timestamp, Value};
use rand::distr::SampleString;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::City;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// Readings handed over at once.
const CHUNK: usize = 4_000;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Demo {
    people: Vec<DemoPerson>,
    air: Air,
    reports: Reports,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DemoPerson {
    login: String,
    name: String,
    grants: Vec<String>,
    shows: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Air {
    folder: PathBuf,
    #[serde(rename = "type")]
    kind: String,
    profile: String,
    present: Timestamp,
    catch_up_hours: i64,
    source: String,
    columns: BTreeMap<String, String>,
    stations: Vec<Station>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Station {
    id: String,
    name: String,
    file: String,
    commune: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reports {
    file: PathBuf,
    places: PathBuf,
    most: usize,
    days: i64,
    steps: Vec<Step>,
    /// Who of the demo's people does a step in their own commune, by commune and by the name in `by`.
    local: BTreeMap<String, BTreeMap<String, String>>,
}

/// One step of a report's life in the demo.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    step: String,
    by: String,
    /// When, as a share of the time from arrival to answer; above 1 after it.
    at: f64,
    /// Chance that it happens at all.
    #[serde(default = "always")]
    chance: f64,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    photo: bool,
}

fn always() -> f64 {
    1.0
}

#[derive(Debug, Clone, Deserialize)]
struct Arrival {
    opened_min: f64,
    closed_min: Option<f64>,
    category: String,
    text: String,
    #[serde(default)]
    answer: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Spot {
    commune: String,
    lon: f64,
    lat: f64,
    weight: u32,
}

fn bad(file: &Path, why: impl std::fmt::Display) -> Error {
    Error::invalid("demo.unreadable", "A file of the demo province cannot be read.").with("file", file.display()).with("reason", why)
}

fn rows<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    csv::Reader::from_path(file).map_err(|e| bad(file, e))?.deserialize().collect::<Result<_, _>>().map_err(|e| bad(file, e))
}

/// A password nobody has used before.
pub fn new_password() -> String {
    rand::distr::Alphanumeric.sample_string(&mut rand::rng(), 14)
}

/// Enters a person in office (or a citizen, when there are no grants) with roles written `role@unit`.
pub async fn add_person(city: &City, system: &Caller, login: &str, name: &str, password: &str, grants: &[String]) -> Result<uuid::Uuid> {
    let kind = if grants.is_empty() { PersonKind::Citizen } else { PersonKind::Staff };
    let new = NewPerson { login: login.into(), name: name.into(), password: password.into() };
    let person = city.access.create_person(system, kind, new).await?;
    for grant in grants {
        let (role, unit) = grant.split_once('@').ok_or_else(|| Error::invalid("user.role", "Write a role as role@unit.").with("role", grant))?;
        city.access.grant(system, person.id, NewGrant { role: role.into(), unit: unit.into(), sectors: None }).await?;
    }
    Ok(person.id)
}

/// Loads the province once, starts the replay, and gives the words to print.
pub async fn load(city: &Arc<City>, folder: &Path, pace: u64) -> Result<String> {
    let file = folder.join("demo.toml");
    let text = std::fs::read_to_string(&file).map_err(|e| bad(&file, e))?;
    let demo: Demo = toml::from_str(&text).map_err(|e| bad(&file, e.message()))?;
    let system = Caller::system("demo", city.store.clock().as_ref());
    let slip = city.settings.data.join("demo-password");
    let password = std::fs::read_to_string(&slip).unwrap_or_else(|_| new_password());
    std::fs::write(&slip, &password).map_err(|e| bad(&slip, e))?;
    let feeds = feeds(&demo.air, folder)?;
    if first_time(city, &system).await? {
        let mut people = BTreeMap::new();
        for person in &demo.people {
            people.insert(person.login.clone(), add_person(city, &system, &person.login, &person.name, &password, &person.grants).await?);
        }
        add_stations(city, &system, &demo, folder).await?;
        let now = city.store.clock().now().as_microsecond();
        let past: Vec<Reading> = feeds.iter().flat_map(|f| f.between(now - 60 * DAY, now - demo.air.catch_up_hours * HOUR, now)).collect();
        for chunk in past.chunks(CHUNK) {
            city.context.ingest(&system, chunk.to_vec()).await?;
        }
        tell_reports(city, &demo, folder, &people).await?;
        crate::demo_dossiers::tell(city, folder).await?;
        crate::demo_panels::tell(city, folder).await?;
        crate::demo_traffic::tell(city, folder).await?;
        crate::demo_roads::tell(city, folder).await?;
        crate::demo_video::tell(city, folder).await?;
        crate::demo_incidents::tell(city, folder, &people).await?;
    }
    let task = replay(city.clone(), feeds, demo.air.catch_up_hours, pace);
    city.spawn(task).await;
    city.spawn(crate::demo_traffic::replay(city.clone(), crate::demo_traffic::counts(city, folder)?)).await;
    Ok(guide(city, &demo, &password))
}

async fn first_time(city: &City, system: &Caller) -> Result<bool> {
    let mut tx = city.store.begin(system).await?;
    let before = tx.once("demo", "loaded", "1").await?;
    tx.commit().await?;
    Ok(before.is_none())
}

fn guide(city: &City, demo: &Demo, password: &str) -> String {
    let mut text = format!("\n  Dothi: http://{}    mật khẩu / password: {password}\n\n", city.settings.listen);
    for person in &demo.people {
        // Writing to a String cannot fail.
        let _ok = writeln!(text, "  {:<12} {:<6} {}", person.login, person.shows, person.name);
    }
    let _ok = write!(text, "\n  {}\n", demo.air.source);
    text
}

async fn add_stations(city: &City, system: &Caller, demo: &Demo, folder: &Path) -> Result<()> {
    let spots: Vec<Spot> = rows(&folder.join(&demo.reports.places))?;
    for station in &demo.air.stations {
        let spot = spots.iter().find(|s| s.commune == station.commune).ok_or_else(|| bad(folder, format!("no place in commune {}", station.commune)))?;
        let new = NewDevice {
            id: station.id.clone(),
            name: station.name.clone(),
            profile: demo.air.profile.clone(),
            entity: Some(urn(&demo.air, station)),
            transport: Transport::default(),
            location: Some(Point { lon: spot.lon, lat: spot.lat }),
            area: Some(station.commune.clone()),
            groups: Vec::new(),
        };
        city.context.add_device(system, new).await?;
        city.context.name_source(system, &urn(&demo.air, station), &demo.air.kind, &demo.air.source).await?;
    }
    Ok(())
}

fn urn(air: &Air, station: &Station) -> String {
    format!("urn:ngsi-ld:{}:{}", air.kind, station.id)
}

/// One station's file, in the demo's time.
struct Feed {
    entity: Arc<str>,
    kind: Arc<str>,
    /// Hours from the present row, and the values of that hour.
    hours: BTreeMap<i64, Vec<(Arc<str>, f64)>>,
}

fn feeds(air: &Air, folder: &Path) -> Result<Vec<Feed>> {
    let mut feeds = Vec::new();
    for station in &air.stations {
        let file = folder.join(&air.folder).join(&station.file);
        let mut hours: BTreeMap<i64, Vec<(Arc<str>, f64)>> = BTreeMap::new();
        for row in rows::<BTreeMap<String, String>>(&file)? {
            let time: Timestamp = row.get("time").ok_or_else(|| bad(&file, "no time"))?.parse().map_err(|e| bad(&file, e))?;
            let values = air.columns.iter().filter_map(|(column, attribute)| Some((attribute.as_str().into(), row.get(column)?.parse().ok()?)));
            hours.insert((time.as_microsecond() - air.present.as_microsecond()) / HOUR, values.collect());
        }
        feeds.push(Feed { entity: urn(air, station).into(), kind: air.kind.as_str().into(), hours });
    }
    Ok(feeds)
}

impl Feed {
    /// Readings whose demo time lies in `from..to`, when the present row's hour began at the last full hour before `now`.
    fn between(&self, from: i64, to: i64, now: i64) -> Vec<Reading> {
        let present = now / HOUR * HOUR;
        let stamped = self.hours.iter().map(|(h, values)| (present + h * HOUR, values)).filter(|(t, _)| (from..to).contains(t));
        stamped
            .flat_map(|(t, values)| {
                values.iter().map(move |(attribute, value)| Reading {
                    entity: self.entity.clone(),
                    kind: self.kind.clone(),
                    attribute: attribute.clone(),
                    value: Value::Number(*value),
                    unit: None,
                    observed_at: t,
                    quality: quality::REPLAYED,
                    location: None,
                })
            })
            .collect()
    }
}

/// Sends the last hours one after another, then each new hour as it begins.
async fn replay(city: Arc<City>, feeds: Vec<Feed>, catch_up_hours: i64, pace: u64) {
    let began = city.store.clock().now().as_microsecond();
    let mut sent = began - catch_up_hours * HOUR;
    loop {
        let now = city.store.clock().now().as_microsecond();
        let next = sent + HOUR;
        if next > now {
            tokio::time::sleep(Duration::from_secs(20)).await;
            continue;
        }
        let system = Caller::system("demo", city.store.clock().as_ref());
        let readings: Vec<Reading> = feeds.iter().flat_map(|f| f.between(sent, next, began)).collect();
        if let Err(e) = city.context.ingest(&system, readings).await {
            tracing::warn!(error = %e, "replaying an hour failed and will be tried again");
        } else {
            sent = next;
        }
        tokio::time::sleep(Duration::from_secs(pace.max(1))).await;
    }
}

/// Lets reports arrive over the past days and lives each up to the present.
async fn tell_reports(city: &Arc<City>, demo: &Demo, folder: &Path, people: &BTreeMap<String, uuid::Uuid>) -> Result<()> {
    let arrivals: Vec<Arrival> = rows(&folder.join(&demo.reports.file))?;
    let spots: Vec<Spot> = rows(&folder.join(&demo.reports.places))?;
    let now = city.store.clock().now().as_microsecond();
    let first = arrivals.iter().map(|a| a.opened_min).fold(f64::INFINITY, f64::min);
    let last = arrivals.iter().map(|a| a.opened_min).fold(1.0, f64::max);
    let squeeze = demo.reports.days as f64 * 1440.0 / (last - first).max(1.0);
    let take = arrivals.len().div_ceil(demo.reports.most.max(1)).max(1);
    let mut waiting = tokio::task::JoinSet::new();
    // One photo at a time: what finds the darkroom busy would wait for a timer, and nobody accepts what cannot be seen yet.
    let darkroom = Arc::new(tokio::sync::Semaphore::new(1));
    for (n, arrival) in arrivals.into_iter().enumerate().filter(|(n, _)| n % take == 0) {
        // Seeded by the row, so that every demo tells the same story.
        let mut dice = StdRng::seed_from_u64(n as u64);
        let spot = weighted(&spots, &mut dice).clone();
        let before = (last - arrival.opened_min) * squeeze * 60e6;
        let own = demo.reports.local.get(&spot.commune);
        let local = |step: &Step| own.and_then(|own| own.get(&step.by)).unwrap_or(&step.by).clone();
        let steps: Vec<Step> = demo.reports.steps.iter().map(|s| Step { by: local(s), ..s.clone() }).collect();
        let (city, people) = (city.clone(), people.clone());
        let life = Life { opened: now - before as i64 - 10 * 60_000_000, now, spot, arrival, darkroom: darkroom.clone() };
        waiting.spawn(async move { live(&city, life, &steps, &people, dice).await });
        if waiting.len() >= 16 {
            done(waiting.join_next().await)?;
        }
    }
    while !waiting.is_empty() {
        done(waiting.join_next().await)?;
    }
    Ok(())
}

fn done(ended: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    ended.map_or(Ok(()), |e| e.map_err(|e| Error::internal("telling the demo's reports", e))?)
}

fn weighted<'a>(spots: &'a [Spot], dice: &mut StdRng) -> &'a Spot {
    let sum: u32 = spots.iter().map(|s| s.weight).sum();
    let mut left = dice.random_range(0..sum.max(1));
    for spot in spots {
        if left < spot.weight {
            return spot;
        }
        left -= spot.weight;
    }
    &spots[0]
}

struct Life {
    opened: i64,
    now: i64,
    spot: Spot,
    arrival: Arrival,
    darkroom: Arc<tokio::sync::Semaphore>,
}

async fn live(city: &City, life: Life, steps: &[Step], people: &BTreeMap<String, uuid::Uuid>, mut dice: StdRng) -> Result<()> {
    let clock = city.store.clock().as_ref();
    let at = |t: i64| dothi_kernel::time::micros(t);
    let photo = |dice: &mut StdRng, after: bool| picture(dice, after);
    let report = NewReport {
        kind: "report".into(),
        category: life.arrival.category.clone(),
        text: life.arrival.text.clone(),
        lon: Some(life.spot.lon),
        lat: Some(life.spot.lat),
        contact: Some(Contact::default()),
        source: Some("import".into()),
        ..NewReport::default()
    };
    let opener = Caller { now: at(life.opened), ..Caller::system("demo", clock) };
    let photos = if dice.random_bool(0.5) { vec![photo(&mut dice, false)?] } else { Vec::new() };
    let room = if photos.is_empty() { None } else { life.darkroom.acquire().await.ok() };
    let receipt = city.cases.report(&opener, report, photos, None).await?;
    drop(room);
    let span = life.arrival.closed_min.map(|c| ((c - life.arrival.opened_min).max(20.0) * 60e6) as i64);
    // What is still open in the source stays somewhere on its way.
    let (span, reach) = span.map_or((3 * DAY, dice.random_range(0.0..0.95)), |s| (s.min(9 * DAY), 9.0));
    for step in steps {
        let t = life.opened + (span as f64 * step.at) as i64;
        if t > life.now || step.at > reach {
            break;
        }
        if !dice.random_bool(step.chance.clamp(0.0, 1.0)) {
            continue;
        }
        let id = people.get(&step.by).copied();
        let maker = Caller { now: at(t), id, ..Caller::system(&step.by, clock) };
        if step.step == "rate" {
            let stars = *[5, 5, 4, 4, 5, 3, 4, 2].get(dice.random_range(0..8usize)).unwrap_or(&4);
            city.cases.rate(&maker, &receipt.code, dothi_cases::model::RatingInput { stars, key: Some(receipt.key.clone()), ..Default::default() }).await?;
            continue;
        }
        let field = |name: &str| step.fields.get(name).cloned();
        let version = city.cases.get(&maker, receipt.id).await?.version;
        let answer = field("public_answer").map(|a| if life.arrival.answer.is_empty() { a } else { life.arrival.answer.clone() });
        let input = MoveInput { version, note: field("note"), public_answer: answer, reason: field("reason"), ..MoveInput::default() };
        let photos = if step.photo { vec![photo(&mut dice, true)?] } else { Vec::new() };
        let room = if photos.is_empty() { None } else { life.darkroom.acquire().await.ok() };
        city.cases.make_move(&maker, receipt.id, &step.step, input, photos).await?;
        drop(room);
    }
    Ok(())
}

/// A drawn picture that says it is one: no real place or person.
fn picture(dice: &mut StdRng, after: bool) -> Result<Bytes> {
    let (w, h) = (640u32, 480u32);
    let (base, spot) = if after { ([122u8, 160, 128], [200u8, 214, 190]) } else { ([146u8, 138, 128], [84u8, 70, 62]) };
    let (cx, cy, r) = (dice.random_range(200..440i64), dice.random_range(180..340i64), dice.random_range(60..130i64));
    let image = image::RgbImage::from_fn(w, h, |x, y| {
        let (dx, dy) = (i64::from(x) - cx, (i64::from(y) - cy) * 2);
        let colour = if dx * dx + dy * dy < r * r { spot } else { base };
        let stripe = u8::try_from((x / 8 + y / 6) % 7).unwrap_or(0) * 3;
        image::Rgb(colour.map(|c: u8| c.saturating_add(stripe)))
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Jpeg).map_err(|e| Error::internal("drawing a picture", e))?;
    Ok(bytes.into_inner().into())
}
