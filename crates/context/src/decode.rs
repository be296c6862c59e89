//! Device profiles: how a device's payload becomes readings. A profile is data in a pack; nothing about a maker or a
//! sector is written here.

mod tree;

use std::sync::Arc;

use dothi_kernel::geo::Point;
use dothi_kernel::history::{Limits, Watch};
use dothi_kernel::value::quality;
use dothi_kernel::{Timestamp, Value, time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::codec::CodecKind;
use crate::downlink::{CommandSpec, Downlink};
use crate::model::Reading;
pub use tree::{Node, Tree};

/// Messages that one payload may hold.
pub const MAX_RECORDS: usize = 1_000;
/// Readings that one payload may hold.
pub const MAX_READINGS: usize = 10_000;
/// Longest text value kept of a payload, in bytes.
const MAX_TEXT: usize = 1_024;

/// How a payload of one kind of device is read. Paths are dotted (`uplink_message.decoded_payload.pm25`); a number
/// addresses an array's item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceProfile {
    /// Code (`dothi-json`).
    pub name: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: String,
    /// Entity type that its devices report on, short name.
    #[serde(rename = "type")]
    pub kind: String,
    /// MQTT topics beside `dev/{device}/up`; `{device}` stands for the device's id, `+` for any level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Where the payload names the device, for gateways that speak for many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The message is an uplink that a LoRaWAN network server passes on. The paths then begin in what is inside; the
    /// envelope's `lorawan.{port, received, eui, battery}` stand beside it, and `received` is the time unless `time` says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lorawan: bool,
    /// Script of the pack's folder `context/` that turns the device's bytes into values, as its maker publishes it. Without it,
    /// the network server's own decoding is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// What kind of script that is. A converter (`thingsboard`, `tbel`) is given the whole message and makes records of it, each with
    /// the values, `ts`, `attributes` and `deviceName`; `ts` is the time unless `time` says otherwise.
    #[serde(default, skip_serializing_if = "is_default")]
    pub codec_kind: CodecKind,
    /// Where an array of messages stands. A payload that is an array itself is always taken as many messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// Where the time of measurement stands; none = time of arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeField>,
    /// How far ahead of ours the device's clock may be, in seconds.
    #[serde(default = "ten_minutes")]
    pub ahead_s: u32,
    /// Oldest time of measurement believed, in seconds before arrival.
    #[serde(default = "thirty_days")]
    pub max_age_s: u32,
    /// What is done with a time beyond `ahead_s` or `max_age_s`.
    #[serde(default)]
    pub clock: ClockPolicy,
    /// Seconds between two messages; the first reading after a longer silence is marked as following a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<u32>,
    /// Where a moving device's place stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationField>,
    /// Where the battery's charge stands, 0 to 1; `battery_factor` scales it (0.01 for per cent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<String>,
    /// See `battery`.
    #[serde(default = "one")]
    pub battery_factor: f64,
    /// Charge below which the battery counts as low, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery_low: Option<f64>,
    /// What is read.
    pub attributes: Vec<Field>,
    /// How commands reach its devices.
    #[serde(default, skip_serializing_if = "Downlink::is_plain")]
    pub downlink: Downlink,
    /// Commands that its devices understand.
    #[serde(default, rename = "command", skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandSpec>,
}

/// What is done with a time of measurement that cannot be believed. One that cannot be read is always replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockPolicy {
    /// The time of arrival takes its place, and the reading is marked.
    #[default]
    Replace,
    /// It stays, and the reading is marked.
    Mark,
    /// It stays.
    Keep,
}

/// One attribute of a payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Attribute, short name.
    pub name: String,
    /// Where it stands; the name itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is expected.
    #[serde(default)]
    pub kind: FieldKind,
    /// UN/CEFACT unit code after `factor` and `offset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Multiplies the raw number.
    #[serde(default = "one")]
    pub factor: f64,
    /// Added after `factor`.
    #[serde(default)]
    pub offset: f64,
    /// Least plausible value; below it the reading is kept and marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest plausible value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Greatest plausible change a second; a faster one is kept and marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<f64>,
    /// Seconds for which the value may stay the same; then it is kept and marked as stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_after_s: Option<u32>,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// A number.
    #[default]
    Number,
    /// A truth value; 0 and 1 are taken too.
    Bool,
    /// A text or code.
    Text,
}

/// Where and how a time is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeField {
    /// Where.
    pub path: String,
    /// How.
    #[serde(default)]
    pub format: TimeFormat,
    /// Time zone of a `civil` time (`Asia/Ho_Chi_Minh`, `+07:00`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl TimeField {
    fn zone(&self) -> Option<TimeZone> {
        let name = self.zone.as_deref()?;
        let fixed = || format!("1970-01-01T00:00:00{name}[{name}]").parse::<jiff::Zoned>().ok().map(|z| z.time_zone().clone());
        TimeZone::get(name).ok().or_else(fixed)
    }
}

/// How a time is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeFormat {
    /// `2026-11-21T08:00:00+07:00`.
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// `2026-11-21 08:00:00` in the stated `zone`; `T` for the space, and no seconds, are taken too.
    Civil,
}

/// Where a place stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationField {
    /// Longitude in degrees.
    pub lon: String,
    /// Latitude in degrees.
    pub lat: String,
}

fn is_default(kind: &CodecKind) -> bool {
    *kind == CodecKind::default()
}
fn ten_minutes() -> u32 {
    600
}
fn thirty_days() -> u32 {
    30 * 86_400
}
fn one() -> f64 {
    1.0
}

/// Why a payload, or a part of it, could not be used. The codes are shown on the device and are keys of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Not JSON.
    Json,
    /// Not an object (or an array of objects).
    Shape,
    /// More messages or readings than allowed.
    TooMany,
    /// Nothing the profile knows.
    Empty,
    /// A value of the wrong type.
    Value,
    /// A time that cannot be read or believed.
    Clock,
    /// A place that cannot be.
    Place,
    /// Not an uplink of a LoRaWAN network server known here.
    Envelope,
}

impl Fault {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Fault::Json => "device.payload.json",
            Fault::Shape => "device.payload.shape",
            Fault::TooMany => "device.payload.too-many",
            Fault::Empty => "device.payload.empty",
            Fault::Value => "device.payload.value",
            Fault::Clock => "device.payload.clock",
            Fault::Place => "device.payload.place",
            Fault::Envelope => "device.payload.envelope",
        }
    }
}

/// A usable payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// What was measured.
    pub readings: Vec<Reading>,
    /// Whether every reading carries the device's own time, so that sending it again changes nothing.
    pub timed: bool,
    /// Newest charge stated, 0 to 1.
    pub battery: Option<f64>,
    /// The last fault of a part that was left out or corrected.
    pub fault: Option<Fault>,
    /// How far the newest stated time of measurement is ahead of arrival, µs; negative when behind.
    pub drift: Option<i64>,
}

/// A profile made ready for use.
#[derive(Debug)]
pub struct Decoder {
    /// As declared.
    pub profile: DeviceProfile,
    kind: Arc<str>,
    fields: Vec<ReadyField>,
    device: Option<Path>,
    records: Option<Path>,
    time: Option<(Path, TimeFormat, TimeZone)>,
    location: Option<(Path, Path)>,
    battery: Option<Path>,
    /// Whether any field is judged by what came before.
    judges: bool,
}

/// What was seen of a device's series so far, one for each field of its profile.
#[derive(Debug, Default)]
pub struct Watches(Box<[Watch]>);

#[derive(Debug)]
struct ReadyField {
    path: Path,
    name: Arc<str>,
    unit: Option<Arc<str>>,
    /// What its values should be like, beside their range.
    limits: Limits,
    spec: Field,
}

#[derive(Debug)]
struct Path(Vec<String>);

impl Path {
    fn new(text: &str) -> Self {
        Self(text.split('.').map(str::to_string).collect())
    }

    /// What stands there; null counts as absent.
    fn find<'a, T: Tree>(&self, root: &'a T) -> Option<&'a T> {
        let found = self.0.iter().try_fold(root, |at, step| match at.items() {
            Some(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
            None => at.member(step),
        })?;
        (!found.is_null()).then_some(found)
    }
}

impl DeviceProfile {
    /// What is wrong with the declaration; empty when nothing is.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut say = |text: String| faults.push(format!("device profile {}: {text}", self.name));
        let plain = |text: &str, max: usize| !text.is_empty() && text.len() <= max && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !plain(&self.name, 64) {
            say("the name must be 1 to 64 letters, digits, '-', '_' or '.'".into());
        }
        if self.title.trim().is_empty() {
            say("a Vietnamese title is needed".into());
        }
        if !plain(&self.kind, 128) {
            say(format!("{:?} is not a short type name", self.kind));
        }
        if self.attributes.is_empty() || self.attributes.len() > 200 {
            say("1 to 200 attributes are needed".into());
        }
        let paths = [&self.device, &self.records, &self.battery].into_iter().flatten().map(String::as_str);
        let paths = paths.chain(self.time.iter().map(|t| t.path.as_str())).chain(self.location.iter().flat_map(|l| [l.lon.as_str(), l.lat.as_str()]));
        for path in paths.chain(self.attributes.iter().filter_map(|a| a.path.as_deref())) {
            if path.len() > 256 || path.split('.').any(str::is_empty) {
                say(format!("{path:?} is not a path"));
            }
        }
        for (i, field) in self.attributes.iter().enumerate() {
            if !plain(&field.name, 128) {
                say(format!("{:?} is not an attribute name", field.name));
            }
            if self.attributes[..i].iter().any(|f| f.name == field.name) {
                say(format!("{} is declared twice", field.name));
            }
            if !field.factor.is_finite() || field.factor == 0.0 || !field.offset.is_finite() {
                say(format!("{}: factor must be a number other than 0, offset a number", field.name));
            }
            if field.min.zip(field.max).is_some_and(|(min, max)| min > max) {
                say(format!("{}: min is above max", field.name));
            }
            if field.rate_per_s.is_some_and(|r| !r.is_finite() || r <= 0.0) || field.stuck_after_s == Some(0) {
                say(format!("{}: rate_per_s and stuck_after_s must be above 0", field.name));
            }
        }
        if self.codec.is_none() && !is_default(&self.codec_kind) {
            say("codec_kind says something of a codec, and there is none".into());
        }
        if let Some(time) = self.time.as_ref().filter(|t| (t.format == TimeFormat::Civil || t.zone.is_some()) && t.zone().is_none()) {
            say(format!("{:?} is no time zone; a civil time needs one", time.zone));
        }
        if self.every_s == Some(0) {
            say("every_s must be above 0".into());
        }
        if self.battery_low.is_some_and(|low| !(0.0..=1.0).contains(&low)) {
            say("battery_low must be 0 to 1".into());
        }
        faults_of_commands(self, &mut say);
        for topic in &self.topics {
            let filled = topic.replace("{device}", "x");
            if !crate::mqtt::topics::valid_filter(&filled) || filled.contains('#') || topic.matches("{device}").count() > 1 {
                say(format!("{topic:?} is not a topic pattern"));
            } else if filled.starts_with("dev/") {
                say(format!("{topic:?}: topics under dev/ belong to the platform"));
            } else if !topic.contains("{device}") && self.device.is_none() && !self.lorawan {
                say(format!("{topic:?} must hold {{device}} as a level, or `device` must say where the payload names it"));
            } else if topic.split('/').any(|l| l.contains("{device}") && l != "{device}") {
                say(format!("{topic:?}: {{device}} must be a whole level"));
            }
        }
        faults
    }
}

/// What is wrong with the declared commands.
fn faults_of_commands(profile: &DeviceProfile, say: &mut impl FnMut(String)) {
    if let Some(fault) = profile.downlink.fault() {
        say(format!("downlink: {fault}"));
    }
    if crate::downlink::too_many(profile.commands.len()) {
        say("too many commands".into());
    }
    for (i, command) in profile.commands.iter().enumerate() {
        command.faults(&mut |text| say(format!("command {}: {text}", command.name)));
        if profile.commands[..i].iter().any(|c| c.name == command.name) {
            say(format!("command {} is declared twice", command.name));
        }
    }
}

impl Decoder {
    /// Makes a profile ready.
    pub fn new(profile: DeviceProfile) -> Self {
        let fields = profile
            .attributes
            .iter()
            .map(|spec| ReadyField {
                path: Path::new(spec.path.as_deref().unwrap_or(&spec.name)),
                name: spec.name.as_str().into(),
                unit: spec.unit.as_deref().map(Into::into),
                limits: spec.limits(profile.every_s),
                spec: spec.clone(),
            })
            .collect::<Vec<_>>();
        let path = |text: &Option<String>| text.as_deref().map(Path::new);
        Self {
            kind: profile.kind.as_str().into(),
            judges: fields.iter().any(|f: &ReadyField| Limits { range: None, ..f.limits } != Limits::default()),
            fields,
            device: path(&profile.device),
            records: path(&profile.records),
            time: match &profile.time {
                Some(t) => Some((Path::new(&t.path), t.format, t.zone().unwrap_or(TimeZone::UTC))),
                None if profile.codec_kind.converter().is_some() => Some((Path::new("ts"), TimeFormat::UnixMs, TimeZone::UTC)),
                None => profile.lorawan.then(|| (Path::new("lorawan.received"), TimeFormat::Rfc3339, TimeZone::UTC)),
            },
            location: profile.location.as_ref().map(|l| (Path::new(&l.lon), Path::new(&l.lat))),
            battery: path(&profile.battery),
            profile,
        }
    }

    /// The id of the device that the payload names, for profiles that say where.
    pub fn device_of(&self, payload: &impl Tree) -> Option<String> {
        self.device.as_ref()?.find(payload)?.as_str().map(str::to_string)
    }

    /// Reads a payload that arrived at `now` about `entity`.
    pub fn decode<T: Tree>(&self, payload: &T, entity: &Arc<str>, now: Timestamp) -> Result<Decoded, Fault> {
        let inside = self.records.as_ref().and_then(|p| p.find(payload)).unwrap_or(payload);
        let records = inside.items().unwrap_or_else(|| std::slice::from_ref(inside));
        if records.is_empty() {
            return Err(Fault::Empty);
        }
        if records.len() > MAX_RECORDS {
            return Err(Fault::TooMany);
        }
        let mut out = Decoded { readings: Vec::with_capacity(records.len() * self.fields.len().min(16)), timed: true, battery: None, fault: None, drift: None };
        let arrival = now.as_microsecond();
        for (i, record) in records.iter().enumerate() {
            if !record.is_object() {
                return Err(Fault::Shape);
            }
            // Messages without a usable time keep their order and stay apart.
            let arrival = arrival - (records.len() - 1 - i) as i64;
            self.record(record, entity, arrival, &mut out);
            if out.readings.len() > MAX_READINGS {
                return Err(Fault::TooMany);
            }
        }
        if out.readings.is_empty() && out.battery.is_none() {
            return Err(out.fault.filter(|f| *f == Fault::Value).unwrap_or(Fault::Empty));
        }
        Ok(out)
    }

    fn record(&self, record: &impl Tree, entity: &Arc<str>, arrival: i64, out: &mut Decoded) {
        let stated = self.time.as_ref().and_then(|(path, format, zone)| path.find(record).map(|t| read_time(t, *format, zone)));
        let earliest = arrival - i64::from(self.profile.max_age_s) * 1_000_000;
        let latest = arrival + i64::from(self.profile.ahead_s) * 1_000_000;
        let (observed_at, clock) = match stated {
            Some(Some(t)) if (earliest..=latest).contains(&t) || self.profile.clock == ClockPolicy::Keep => (t, 0),
            Some(Some(t)) if self.profile.clock == ClockPolicy::Mark => {
                out.fault = Some(Fault::Clock);
                (t, quality::CLOCK)
            }
            Some(_) => {
                out.fault = Some(Fault::Clock);
                (arrival, quality::CLOCK)
            }
            None => (arrival, 0),
        };
        if let Some(Some(t)) = stated {
            out.drift = out.drift.max(Some(t - arrival));
        }
        out.timed &= stated.is_some_and(|t| t == Some(observed_at));
        let location = self.location.as_ref().and_then(|(lon, lat)| {
            let (lon, lat) = (lon.find(record)?, lat.find(record)?);
            let point = lon.as_f64().zip(lat.as_f64()).and_then(|(lon, lat)| Point::new(lon, lat).ok());
            if point.is_none() {
                out.fault = Some(Fault::Place);
            }
            point
        });
        if let Some(raw) = self.battery.as_ref().and_then(|p| p.find(record)) {
            match raw.as_f64().map(|v| v * self.profile.battery_factor).filter(|v| (0.0..=1.5).contains(v)) {
                Some(charge) => out.battery = Some(charge.min(1.0)),
                None => out.fault = Some(Fault::Value),
            }
        }
        for field in &self.fields {
            let Some(raw) = field.path.find(record) else { continue };
            let Some((value, range)) = field.read(raw) else {
                out.fault = Some(Fault::Value);
                continue;
            };
            out.readings.push(Reading {
                entity: entity.clone(),
                kind: self.kind.clone(),
                attribute: field.name.clone(),
                value,
                unit: field.unit.clone(),
                observed_at,
                quality: clock | range,
                location,
            });
        }
    }
}

impl Decoder {
    /// Whether any value is judged by what came before it.
    pub fn judges(&self) -> bool {
        self.judges
    }

    /// Marks readings by what came before them. Returns the flags of all of them, or-ed, and how many are marked.
    pub fn judge(&self, watches: &mut Watches, readings: &mut [Reading]) -> (u16, u64) {
        if self.judges && watches.0.len() != self.fields.len() {
            watches.0 = vec![Watch::default(); self.fields.len()].into();
        }
        let (mut all, mut marked, mut at) = (0, 0, 0);
        for reading in readings {
            if self.judges {
                // Readings come in the order of the fields, record after record.
                while self.fields.get(at).is_some_and(|f| !Arc::ptr_eq(&f.name, &reading.attribute)) {
                    at += 1;
                }
                if at == self.fields.len() {
                    at = self.fields.iter().position(|f| Arc::ptr_eq(&f.name, &reading.attribute)).unwrap_or(0);
                }
                if let (Some(field), Some(watch)) = (self.fields.get(at), watches.0.get_mut(at)) {
                    reading.quality |= field.limits.flags(watch, reading.observed_at, &reading.value);
                }
            }
            all |= reading.quality;
            marked += u64::from(reading.quality != 0);
        }
        (all, marked)
    }

    /// What is known of each series that is judged: attribute, newest value.
    pub fn watched<'a>(&'a self, watches: &'a Watches) -> impl Iterator<Item = (&'a str, &'a Watch)> {
        self.fields.iter().map(|f| &*f.name).zip(watches.0.iter()).filter(|(_, w)| w.last().is_some())
    }
}

impl Field {
    fn limits(&self, every_s: Option<u32>) -> Limits {
        let bounded = self.min.is_some() || self.max.is_some();
        let range = bounded.then(|| (self.min.unwrap_or(f64::NEG_INFINITY), self.max.unwrap_or(f64::INFINITY)));
        Limits { range, rate_per_s: self.rate_per_s, stuck_after_s: self.stuck_after_s, every_s }
    }
}

impl ReadyField {
    fn read(&self, raw: &impl Tree) -> Option<(Value, u16)> {
        match self.spec.kind {
            FieldKind::Number => {
                let number = raw.as_f64()? * self.spec.factor + self.spec.offset;
                let outside = self.spec.min.is_some_and(|min| number < min) || self.spec.max.is_some_and(|max| number > max);
                number.is_finite().then_some((Value::Number(number), if outside { quality::RANGE } else { 0 }))
            }
            FieldKind::Bool => match (raw.as_bool(), raw.as_i64()) {
                (Some(b), _) => Some((Value::Bool(b), 0)),
                (None, Some(n @ (0 | 1))) => Some((Value::Bool(n == 1), 0)),
                _ => None,
            },
            FieldKind::Text => raw.as_str().filter(|t| t.len() <= MAX_TEXT).map(|t| (Value::Text(t.into()), 0)),
        }
    }
}

fn read_time(raw: &impl Tree, format: TimeFormat, zone: &TimeZone) -> Option<i64> {
    let stamp = match format {
        TimeFormat::Rfc3339 => raw.as_str()?.parse::<Timestamp>().ok()?.as_microsecond(),
        TimeFormat::Unix => scaled(raw, 1e6)?,
        TimeFormat::UnixMs => scaled(raw, 1e3)?,
        TimeFormat::Civil => raw.as_str()?.parse::<jiff::civil::DateTime>().ok()?.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond(),
    };
    // Beyond what an instant can hold is no time at all.
    (time::micros(stamp).as_microsecond() == stamp).then_some(stamp)
}

fn scaled(raw: &impl Tree, factor: f64) -> Option<i64> {
    let us = raw.as_f64()? * factor;
    // 2^53 µs is the year 2255; beyond it a float would not be exact.
    (us.abs() < 9.0e15).then_some(us as i64)
}

/// Reads a payload's bytes as JSON.
pub fn parse(payload: &[u8]) -> Result<Json, Fault> {
    serde_json::from_slice(payload).map_err(|_| Fault::Json)
}
