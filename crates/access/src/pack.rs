//! What a pack may declare: areas, organisations, succession, outlines, roles, rules of sign-in, a working calendar.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::geo::Geometry;
use dothi_kernel::{Error, Result};
use jiff::civil::{Date, Time, Weekday};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::model::{Outline, Role, SpecialDay, Succession, Unit, UnitKind};

/// Everything of the pack's `access` folder, parsed.
#[derive(Debug, Clone, Default)]
pub struct AccessPack {
    /// SHA-256 over all files; the same hash is not installed twice.
    pub(crate) hash: String,
    pub(crate) units: Vec<Unit>,
    pub(crate) successions: Vec<Succession>,
    pub(crate) outlines: Vec<Outline>,
    pub(crate) settings: PackSettings,
    home: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HomeFile {
    province: String,
}

/// The parts that are kept as they are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PackSettings {
    pub roles: BTreeMap<String, Role>,
    pub policy: Option<Policy>,
    /// Text of the calendar file.
    pub calendar: Option<String>,
}

/// Rules of sign-in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Life of sessions.
    pub session: SessionPolicy,
    /// Passwords.
    pub password: PasswordPolicy,
    /// Limits on tries.
    pub throttle: ThrottlePolicy,
    /// Programs' tokens.
    pub token: TokenPolicy,
}

/// Life of sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionPolicy {
    /// Minutes without use after which the session of a person in office ends.
    pub staff_idle_minutes: u32,
    /// The same for citizens.
    pub citizen_idle_minutes: u32,
}

/// Passwords and the work of hashing them (argon2id).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordPolicy {
    /// Shortest password of a person in office, characters.
    pub staff_min: usize,
    /// Shortest password of a citizen.
    pub citizen_min: usize,
    /// Memory of one hash.
    pub memory_kib: u32,
    /// Passes of one hash.
    pub passes: u32,
    /// Lanes of one hash.
    pub lanes: u32,
    /// Hashes computed at the same time.
    pub at_once: usize,
    /// Callers that may wait for one.
    pub waiting: usize,
}

/// Limits on tries within a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottlePolicy {
    /// Length of the window.
    pub window_minutes: u32,
    /// Failures of one login from one address.
    pub failures_per_login_and_address: u32,
    /// Failures of one login from anywhere.
    pub failures_per_login: u32,
    /// Failures from one address.
    pub failures_per_address: u32,
    /// New accounts from one address.
    pub registrations_per_address: u32,
    /// Counters kept at once.
    pub remembered: usize,
}

/// Programs' tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenPolicy {
    /// Longest life.
    pub max_days: u32,
}

#[derive(Deserialize)]
struct UnitRow {
    id: String,
    level: String,
    name: String,
    name_en: Option<String>,
    parent: Option<String>,
    #[serde(default)]
    area: Option<String>,
    #[serde(default)]
    functions: Option<String>,
    valid_from: String,
    valid_to: Option<String>,
    source_act: Option<String>,
    dates: String,
}

#[derive(Deserialize)]
struct SuccessionRow {
    old: String,
    new: String,
    date: String,
    kind: String,
    share: Option<f64>,
    source_act: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganisationRules {
    rule: Vec<OrganisationRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganisationRule {
    parent_area: String,
    area_level: String,
    id: String,
    level: String,
    name: String,
    name_en: String,
    parent: Option<String>,
    functions: Vec<String>,
}

#[derive(Deserialize)]
struct OutlineFile<'a> {
    level: String,
    tolerance: f64,
    #[serde(borrow)]
    features: Vec<OutlineFeature<'a>>,
}

#[derive(Deserialize)]
struct OutlineFeature<'a> {
    properties: OutlineProperties,
    #[serde(borrow)]
    geometry: &'a RawValue,
}

#[derive(Deserialize)]
struct OutlineProperties {
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarFile {
    zone: String,
    weekdays: Vec<String>,
    hours: Vec<(String, String)>,
    days: Vec<SpecialDay>,
}

/// Ways in which an old unit becomes a new one.
const SUCCESSION_KINDS: [&str; 6] = ["merge", "split", "rename", "retype", "recode", "unchanged"];

/// Parses the files of a pack's `access` folder: `(path relative to that folder, text)`.
pub fn load(files: &[(String, String)]) -> Result<AccessPack, Vec<String>> {
    let mut pack = AccessPack::default();
    let mut faults = Vec::new();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.strip_prefix("access/").unwrap_or(p), t.as_str())).collect();
    files.sort_unstable();
    let mut hasher = Sha256::new();
    let mut rules = Vec::new();
    for (path, text) in files {
        for part in [path, text] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let extension = file.rsplit_once('.').map_or("", |(_, e)| e);
        let done = match (folder, file, extension) {
            ("", "roles.toml", _) => toml::from_str(text).map(|roles| pack.settings.roles = roles).map_err(|e| e.to_string()),
            ("", "home.toml", _) => toml::from_str::<HomeFile>(text).map(|h| pack.home = Some(h.province)).map_err(|e| e.to_string()),
            ("", "policy.toml", _) => toml::from_str(text).map(|p| pack.settings.policy = Some(p)).map_err(|e| e.to_string()),
            ("units", "succession.csv", _) => rows::<SuccessionRow>(text).map(|rows| pack.successions.extend(rows.into_iter().map(succession))),
            ("units", _, "csv") => rows(text).map(|rows| pack.units.extend(rows.into_iter().map(|r| unit(UnitKind::Area, r)))),
            ("organisations", _, "csv") => rows(text).map(|rows| pack.units.extend(rows.into_iter().map(|r| unit(UnitKind::Organisation, r)))),
            ("organisations", _, "toml") => toml::from_str::<OrganisationRules>(text).map(|r| rules.extend(r.rule)).map_err(|e| e.to_string()),
            ("outlines", _, "geojson") => outlines(text).map(|o| pack.outlines.extend(o)),
            ("calendars", _, "toml") => calendar(text).map(|_| pack.settings.calendar = Some(text.to_string())).map_err(|e| e.to_string()),
            // Sources and licences lie beside the data.
            _ => Ok(()),
        };
        if let Err(why) = done {
            faults.push(format!("{path}: {why}"));
        }
    }
    for rule in &rules {
        let made: Vec<Unit> = pack.units.iter().filter(|u| rule.fits(u)).map(|u| rule.organisation(u)).collect();
        if made.is_empty() {
            faults.push(format!("the rule for `{}` fits no area", rule.id));
        }
        pack.units.extend(made);
    }
    pack.hash = hex::encode(hasher.finalize());
    if faults.is_empty() { Ok(pack) } else { Err(faults) }
}

fn rows<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, String> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<Result<_, _>>().map_err(|e| e.to_string())
}

fn unit(kind: UnitKind, row: UnitRow) -> Unit {
    Unit {
        id: row.id,
        kind,
        level: row.level,
        name: row.name,
        name_en: row.name_en,
        parent: row.parent,
        area: row.area,
        functions: row.functions.unwrap_or_default().split_whitespace().map(str::to_string).collect(),
        valid_from: row.valid_from,
        valid_to: row.valid_to,
        source_act: row.source_act,
        dates: row.dates,
    }
}

fn succession(row: SuccessionRow) -> Succession {
    Succession { old: row.old, new: row.new, date: row.date, kind: row.kind, share: row.share, source_act: row.source_act }
}

fn outlines(text: &str) -> Result<Vec<Outline>, String> {
    let file: OutlineFile = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let outline = |f: OutlineFeature<'_>| Outline {
        area: f.properties.code,
        level: file.level.clone(),
        tolerance: file.tolerance,
        geometry: Arc::from(f.geometry.get()),
    };
    Ok(file.features.into_iter().map(outline).collect())
}

impl OrganisationRule {
    fn fits(&self, u: &Unit) -> bool {
        u.kind == UnitKind::Area && u.level == self.area_level && u.parent.as_deref() == Some(&self.parent_area)
    }

    fn organisation(&self, area: &Unit) -> Unit {
        let mut letters = area.name.chars();
        let lower: String = letters.next().map(|c| c.to_lowercase().chain(letters).collect()).unwrap_or_default();
        let fill = |pattern: &str| {
            pattern
                .replace("{code}", &area.id)
                .replace("{name_lower}", &lower)
                .replace("{name_en}", area.name_en.as_deref().unwrap_or(&area.name))
                .replace("{name}", &area.name)
        };
        Unit {
            id: fill(&self.id),
            kind: UnitKind::Organisation,
            level: self.level.clone(),
            name: fill(&self.name),
            name_en: Some(fill(&self.name_en)),
            parent: self.parent.clone(),
            area: Some(area.id.clone()),
            functions: self.functions.clone(),
            valid_from: area.valid_from.clone(),
            valid_to: area.valid_to.clone(),
            source_act: area.source_act.clone(),
            dates: area.dates.clone(),
        }
    }
}

/// Reads a calendar file. Days with `counts = false` are on record only. 400 `calendar.invalid`.
pub fn calendar(text: &str) -> Result<WorkCalendar> {
    let bad = |why: String| Error::invalid("calendar.invalid", "The working calendar is not usable.").with("reason", why);
    let file: CalendarFile = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
    let time = |t: &str| t.parse::<Time>().map_err(|e| bad(format!("{t}: {e}")));
    let hours = file.hours.iter().map(|(a, b)| Ok((time(a)?, time(b)?))).collect::<Result<Vec<_>>>()?;
    let weekdays = file.weekdays.iter().map(|d| weekday(d).ok_or_else(|| bad(format!("no such weekday: {d}")))).collect::<Result<Vec<_>>>()?;
    let mut special = BTreeMap::new();
    for day in &file.days {
        let date: Date = day.date.parse().map_err(|e| bad(format!("{}: {e}", day.date)))?;
        if day.counts && special.insert(date, day.kind).is_some_and(|before| before != day.kind) {
            return Err(bad(format!("{date} is both off and worked")));
        }
    }
    WorkCalendar::new(&file.zone, hours, &weekdays, special)
}

/// The special days of a calendar file with what is known of them. 400 `calendar.invalid`.
pub fn special_days(text: &str) -> Result<Vec<SpecialDay>> {
    let bad = |e: toml::de::Error| Error::invalid("calendar.invalid", "The working calendar is not usable.").with("reason", e);
    toml::from_str::<CalendarFile>(text).map(|f| f.days).map_err(bad)
}

fn weekday(name: &str) -> Option<Weekday> {
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let offset = days.iter().position(|d| *d == name)?;
    Weekday::from_monday_zero_offset(i8::try_from(offset).ok()?).ok()
}

impl AccessPack {
    /// The province to serve when the installation's settings name none.
    pub fn default_home(&self) -> Option<String> {
        self.home.clone()
    }

    /// Every fault found: units twice, overlapping in time or without their parent, succession between unknown units,
    /// outlines that are no areas, limits of zero.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.check_units(&mut faults);
        let known: HashSet<&str> = self.units.iter().map(|u| u.id.as_str()).collect();
        for s in &self.successions {
            for id in [&s.old, &s.new] {
                if !known.contains(id.as_str()) {
                    faults.push(format!("succession {} → {}: unknown unit `{id}`", s.old, s.new));
                }
            }
            if !SUCCESSION_KINDS.contains(&s.kind.as_str()) || s.date.parse::<Date>().is_err() || s.share.is_some_and(|x| !(0.0..=1.0).contains(&x)) {
                faults.push(format!("succession {} → {}: wrong kind, date or share", s.old, s.new));
            }
        }
        for o in &self.outlines {
            let geometry = serde_json::from_str(&o.geometry).map_err(|e| e.to_string()).and_then(|v| Geometry::from_geojson(&v).map_err(|e| e.to_string()));
            if let Err(why) = geometry {
                faults.push(format!("outline of `{}`: {why}", o.area));
            }
            if !known.contains(o.area.as_str()) {
                faults.push(format!("outline of the unknown area `{}`", o.area));
            }
        }
        if let Some(home) = self.home.as_ref().filter(|h| !known.contains(h.as_str())) {
            faults.push(format!("home.toml names the unknown area `{home}`"));
        }
        if let Some(p) = &self.settings.policy {
            let limits = [
                p.session.staff_idle_minutes as usize,
                p.session.citizen_idle_minutes as usize,
                p.password.staff_min,
                p.password.citizen_min,
                p.password.at_once,
                p.throttle.window_minutes as usize,
                p.throttle.remembered,
                p.token.max_days as usize,
            ];
            if limits.contains(&0) {
                faults.push("policy.toml: a limit is 0".into());
            }
            if argon2::Params::new(p.password.memory_kib, p.password.passes, p.password.lanes, None).is_err() {
                faults.push("policy.toml: argon2 does not take these parameters".into());
            }
        }
        faults
    }

    fn check_units(&self, faults: &mut Vec<String>) {
        let mut versions: HashMap<&str, Vec<&Unit>> = HashMap::new();
        for u in &self.units {
            versions.entry(&u.id).or_default().push(u);
        }
        let mut ids: Vec<_> = versions.iter_mut().collect();
        ids.sort_unstable_by_key(|(id, _)| **id);
        for (id, of) in ids {
            of.sort_unstable_by(|a, b| a.valid_from.cmp(&b.valid_from));
            if of.windows(2).any(|w| w[0].valid_to.as_ref().is_none_or(|to| *to > w[1].valid_from)) {
                faults.push(format!("unit `{id}`: two versions at the same time"));
            }
        }
        let known: BTreeSet<&str> = self.units.iter().map(|u| u.id.as_str()).collect();
        for u in &self.units {
            let day = |d: &str| d.len() == 10 && d.parse::<Date>().is_ok();
            if !day(&u.valid_from) || u.valid_to.as_ref().is_some_and(|to| !day(to) || *to <= u.valid_from) {
                faults.push(format!("unit `{}`: wrong dates", u.id));
            }
            if u.id.is_empty() || u.id.len() > 60 || u.name.is_empty() || !["act", "list"].contains(&u.dates.as_str()) {
                faults.push(format!("unit `{}`: id, name or dates missing", u.id));
            }
            for above in [&u.parent, &u.area].into_iter().flatten() {
                if !known.contains(above.as_str()) {
                    faults.push(format!("unit `{}` names the unknown unit `{above}`", u.id));
                }
            }
        }
    }
}
