//! What a pack may declare: how traffic is judged, classes of roads, the library of messages, segments and routes.

use std::collections::BTreeSet;

use dothi_kernel::event::Severity;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::import;
use crate::model::{Level, SegmentInput};

/// How far a rule is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = TrafficStatus)]
pub enum Status {
    /// Read in the source itself.
    Confirmed,
    /// Read in a secondary source only: verify.
    Secondary,
    /// Known from practice, no source found.
    Unconfirmed,
    /// Our proposal.
    Proposed,
}

/// How sure we are of a rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrafficMark)]
pub struct Mark {
    /// What it is about (`bands`).
    pub of: String,
    /// Act, standard or document.
    pub source_act: String,
    /// How far it is known.
    pub status: Status,
    /// What to know about it.
    #[serde(default)]
    pub note: String,
}

/// A level of flow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrafficBand)]
pub struct Band {
    /// Level.
    pub level: Level,
    /// From this share of the free-flow speed.
    pub from: f64,
}

/// Words of alarms; `{name}`, `{direction}`, `{value}`, `{usual}` and `{neighbours}` are filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrafficWords)]
pub struct Words {
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Why, when the speed fell.
    pub speed: String,
    /// Why, when fewer vehicles pass.
    pub volume: String,
    /// Why, when the road is covered longer.
    pub occupancy: String,
    /// Added when neighbours bear it out.
    pub borne: String,
    /// Added when nothing does.
    pub alone: String,
}

/// The rules of one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrafficPolicy)]
pub struct Policy {
    /// From when.
    #[schema(value_type = String, format = Date)]
    pub valid_from: Date,
    /// Seconds after which a reading says nothing about now.
    pub stale_s: u32,
    /// Levels, the freest first; the last begins at 0.
    pub bands: Vec<Band>,
    /// Weeks that the usual looks back.
    pub weeks: u32,
    /// Days an hour of the week must have been seen on before it has a usual.
    pub least_days: u32,
    /// Seconds of a bucket from which the usual is reckoned.
    pub bucket_s: u32,
    /// A speed at or below this share of the usual is suspect…
    pub drop_share: f64,
    /// …when it is also so many spreads below.
    pub drop_spreads: f64,
    /// An occupancy so much above the usual is suspect (share of time, 0 to 1), when it is also so many spreads above.
    pub occupancy_rise: f64,
    /// A volume at or below this share of the usual is suspect, with the spreads of the speed.
    pub volume_share: f64,
    /// Vehicles an hour that must be usual before a drop of the volume says anything.
    pub volume_least: f64,
    /// Seconds that a suspicion must last when neighbours bear it out.
    pub persist_s: u32,
    /// Seconds when there are no neighbours that could.
    pub alone_s: u32,
    /// Seconds without suspicion after which an incident is over.
    pub clear_s: u32,
    /// Share of all segments above which a common drop is a day unlike others, not an incident.
    pub general_share: f64,
    /// Metres between the end of a segment and the beginning of the next.
    pub join_m: f64,
    /// Severity of an incident that neighbours bear out.
    pub severity: Severity,
    /// Severity of one that nothing bears out.
    pub severity_alone: Severity,
    /// A travel time of so many times the usual proposes a message.
    pub delay_share: f64,
    /// Whether free text on a sign needs a second person.
    pub four_eyes: bool,
    /// Seconds for which a sign may be told.
    pub order_s: u32,
    /// Minutes that a proposed message is to stand.
    pub propose_minutes: u32,
    /// Words of alarms.
    pub words: Words,
    /// Where each of these stands.
    pub marks: Vec<Mark>,
}

impl Policy {
    /// The level of a speed.
    pub fn level(&self, speed: f64, free: f64) -> Level {
        let share = if free > 0.0 { speed / free } else { 0.0 };
        self.bands.iter().find(|b| share >= b.from).map_or(Level::Unknown, |b| b.level)
    }
}

/// A class of roads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoadClass)]
pub struct ClassDef {
    /// Code (`primary`).
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Free-flow speed when a segment does not say, km/h.
    pub free_speed: f64,
    /// Vehicles on a kilometre of a lane that stands still.
    pub jam_density: f64,
}

/// When a message of the library is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = TrafficOccasion)]
pub enum Occasion {
    /// By a person only.
    Never,
    /// An incident on a segment that the sign tells about.
    Incident,
    /// A route whose travel time is far above the usual.
    Delay,
}

/// A message of the library. `{road}` and `{minutes}` are filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrafficTemplate)]
pub struct MessageDef {
    /// Code.
    pub code: String,
    /// What it is for.
    pub name: String,
    /// The same in English.
    pub name_en: String,
    /// Lines.
    pub lines: Vec<String>,
    /// 1 (least) to 9.
    pub priority: u8,
    /// When it is proposed.
    pub on: Occasion,
}

/// A route: named points and the segments between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrafficRoute)]
pub struct RouteDef {
    /// Code.
    pub code: String,
    /// Where it begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// Codes of its segments in order.
    pub segments: Vec<String>,
    /// Whether the public sees it.
    #[serde(default)]
    pub public: bool,
}

/// A pack's part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrafficPack {
    /// Rules by time.
    pub policy: Vec<Policy>,
    /// Classes of roads.
    pub class: Vec<ClassDef>,
    /// Library of messages.
    pub message: Vec<MessageDef>,
    /// Routes.
    pub route: Vec<RouteDef>,
    /// Segments (tables `.csv`, maps `.geojson`).
    pub segment: Vec<SegmentInput>,
    /// Vehicles with their speeds, and who owns which roads.
    pub roads: crate::roads::pack::RoadsPack,
}

impl TrafficPack {
    /// Reads a pack's files: rules, classes, messages and routes (`.toml`), segments (`.csv`, `.geojson`). Faults begin with the file.
    pub fn load(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        let (mut pack, mut faults) = (Self::default(), Vec::new());
        for (path, text) in files {
            if path.ends_with(".csv") || path.ends_with(".geojson") {
                let table = import::read(text.as_bytes());
                faults.extend(table.rejects.iter().map(|r| format!("{path}:{}: {}", r.line, r.detail)));
                pack.segment.extend(table.segments.into_iter().map(|(_, s)| s));
                continue;
            }
            match toml::from_str::<Self>(text) {
                Ok(part) => pack.add(part),
                Err(e) => faults.push(format!("{path}: {}", e.message())),
            }
        }
        faults.extend(pack.check());
        if faults.is_empty() { Ok(pack) } else { Err(faults) }
    }

    /// Takes over what another part declares.
    pub fn add(&mut self, other: Self) {
        self.policy.extend(other.policy);
        self.class.extend(other.class);
        self.message.extend(other.message);
        self.route.extend(other.route);
        self.segment.extend(other.segment);
        self.roads.add(other.roads);
        self.policy.sort_by_key(|p| p.valid_from);
    }

    /// Whether it declares nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A class by code.
    pub fn class(&self, code: &str) -> Option<&ClassDef> {
        self.class.iter().find(|c| c.code == code)
    }

    /// Its faults, in words.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut codes = BTreeSet::new();
        for code in self.class.iter().map(|c| ("class", &c.code)).chain(self.message.iter().map(|m| ("message", &m.code))) {
            if !codes.insert(code) {
                faults.push(format!("traffic: {} `{}` stands twice", code.0, code.1));
            }
        }
        for class in &self.class {
            if !(1.0..=200.0).contains(&class.free_speed) || !(1.0..=1_000.0).contains(&class.jam_density) {
                faults.push(format!("traffic: class `{}`: free speed and jam density must be sensible", class.code));
            }
        }
        let mut detectors = BTreeSet::new();
        for d in self.segment.iter().flat_map(|s| &s.detectors).filter(|d| !detectors.insert(&d.entity)) {
            faults.push(format!("traffic: detector `{}` stands on two segments", d.entity));
        }
        for message in &self.message {
            if message.lines.is_empty() || !(1..=9).contains(&message.priority) {
                faults.push(format!("traffic: message `{}` needs lines and a priority of 1 to 9", message.code));
            }
        }
        for policy in &self.policy {
            faults.extend(policy_faults(policy));
        }
        faults.extend(self.roads.check());
        faults
    }
}

fn policy_faults(p: &Policy) -> Vec<String> {
    let mut faults = Vec::new();
    let mut say = |what: &str| faults.push(format!("traffic: policy {}: {what}", p.valid_from));
    if p.bands.windows(2).any(|w| w[0].from <= w[1].from) || p.bands.last().is_none_or(|b| b.from != 0.0) {
        say("bands fall from the freest to one that begins at 0");
    }
    let shares = [p.drop_share, p.occupancy_rise, p.volume_share, p.general_share];
    if shares.iter().any(|s| !(0.0..=1.0).contains(s)) {
        say("shares lie between 0 and 1");
    }
    let positive = [p.stale_s, p.weeks, p.least_days, p.persist_s, p.alone_s, p.clear_s, p.order_s, p.propose_minutes];
    if positive.contains(&0) || p.weeks > 26 || p.alone_s < p.persist_s || !(60..=3_600).contains(&p.bucket_s) || 3_600 % p.bucket_s != 0 {
        say("times must be given: buckets that fill an hour, at most 26 weeks, longer alone than with neighbours");
    }
    let numbers = [p.drop_spreads, p.volume_least, p.join_m, p.delay_share];
    if numbers.iter().any(|n| !n.is_finite() || *n < 0.0) || p.delay_share < 1.0 || p.marks.is_empty() {
        say("spreads, vehicles, metres and the delay are numbers from 0 (the delay from 1), and marks say where they stand");
    }
    faults
}

/// A pack's own test: what a speed is called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rehearsal {
    name: String,
    speed: f64,
    free_speed: f64,
    expect: Level,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rehearsals {
    traffic: Vec<Rehearsal>,
}

/// Runs a pack's own tests (`[[traffic]]` in its test files): how many ran, and what failed.
pub fn run_tests(pack: &TrafficPack, files: &[(String, String)]) -> (usize, Vec<String>) {
    let (mut ran, mut failed) = (0, Vec::new());
    for (path, text) in files {
        match toml::from_str::<Rehearsals>(text) {
            Err(e) => failed.push(format!("{path}: {}", e.message())),
            Ok(file) => {
                for test in file.traffic {
                    ran += 1;
                    let level = pack.policy.last().map(|p| p.level(test.speed, test.free_speed));
                    if level != Some(test.expect) {
                        failed.push(format!("{path}: {}: {level:?}, expected {:?}", test.name, test.expect));
                    }
                }
            }
        }
    }
    (ran, failed)
}
