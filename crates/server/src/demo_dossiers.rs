//! Dossiers of the demo province: invented from the figures in the demo's folder, seeded by their number.

use std::collections::BTreeMap;
use std::path::Path;

use dothi_dossiers::model::{DossierInput, HandIn, Supplement, Word};
use dothi_dossiers::model_more::{NewTablet, RatingIn, RatingsIn};
use dothi_dossiers::pack::{Level, OnlineLevel, Procedure};
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Result, Timestamp};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;

use crate::City;

const MINUTE: i64 = 60_000_000;
/// Dossiers handed over at once.
const CHUNK: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    days: i64,
    count: u32,
    prefix: String,
    applicant: String,
    communes: Vec<Commune>,
    late: f64,
    online: f64,
    weights: BTreeMap<String, u32>,
    heap: Heap,
    forgotten: Forgotten,
    tablets: Vec<Tablet>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commune {
    code: String,
    weight: u32,
    late: f64,
    online: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heap {
    unit: String,
    commune: String,
    procedure: String,
    count: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    unit: String,
    commune: String,
    procedure: String,
    /// How many days ago each came.
    days: Vec<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tablet {
    unit: String,
    name: String,
    ratings: u32,
    faces: [u32; 5],
}

/// Tells the dossiers of the folder's `dossiers.toml`; a folder without one has none.
pub(crate) async fn tell(city: &City, folder: &Path) -> Result<()> {
    let file = folder.join("dossiers.toml");
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
    let bad = |why: &str| Error::invalid("demo.unreadable", "A file of the demo province cannot be read.").with("file", file.display()).with("reason", why);
    let plan: Plan = toml::from_str(&text).map_err(|e| bad(e.message()))?;
    let system = Caller::system("demo", city.store.clock().as_ref());
    let procedures = city.dossiers.catalogue(&system)?.procedures;
    if procedures.is_empty() || plan.communes.is_empty() {
        return Err(bad("there are no procedures or no communes"));
    }
    let zone = city.access.calendar()?.zone().clone();
    let teller = Teller { plan: &plan, procedures: &procedures, zone, now: system.now };
    let mut dossiers: Vec<DossierInput> = (0..plan.count).filter_map(|n| teller.dossier(n)).collect();
    dossiers.extend((0..plan.heap.count).filter_map(|n| teller.heaped(n)));
    dossiers.extend(plan.forgotten.days.iter().filter_map(|back| teller.forgotten(*back)));
    for chunk in dossiers.chunks(CHUNK) {
        let told = city.dossiers.hand_in(&system, HandIn { source: None, dossiers: chunk.to_vec() }).await?;
        if let Some(first) = told.rejects.first() {
            return Err(bad(&format!("{} dossiers cannot be used, the first: {} {}", told.rejected, first.dossier, first.detail)));
        }
    }
    for (n, tablet) in plan.tablets.iter().enumerate() {
        let new = NewTablet { unit: tablet.unit.clone(), name: tablet.name.clone(), faces: 5 };
        let made = city.dossiers.add_tablet(&system, new).await?;
        city.dossiers.rate(&system, &made.token, RatingsIn { ratings: teller.faces(n as u64, tablet) }).await?;
    }
    Ok(())
}

struct Teller<'a> {
    plan: &'a Plan,
    procedures: &'a [Procedure],
    zone: TimeZone,
    now: Timestamp,
}

impl Teller<'_> {
    /// An instant in working hours of a weekday.
    fn instant(&self, day: Date, minute: i64) -> Option<Timestamp> {
        let mut day = day;
        while matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
            day = day.tomorrow().ok()?;
        }
        let open = day.at(7, 30, 0, 0).to_zoned(self.zone.clone()).ok()?.timestamp();
        Some(micros(open.as_microsecond() + minute * MINUTE))
    }

    fn day(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    fn dossier(&self, n: u32) -> Option<DossierInput> {
        let mut dice = StdRng::seed_from_u64(u64::from(n));
        let procedure = self.procedures.get(weighted(&mut dice, self.procedures.iter().map(|p| self.plan.weights.get(&p.code).copied().unwrap_or(1))))?;
        let commune = self.plan.communes.get(weighted(&mut dice, self.plan.communes.iter().map(|c| c.weight)))?;
        let own = procedure.level == Level::Commune;
        let unit = if own { format!("ubnd-{}", commune.code) } else { procedure.agency.clone() };
        let (late, online) = if own { (commune.late, commune.online) } else { (self.plan.late, self.plan.online) };
        let back = dice.random_range(0..self.plan.days);
        let received = self.instant(self.day(self.now).checked_sub(jiff::Span::new().days(back)).ok()?, dice.random_range(0..480))?;
        if received >= self.now {
            return None;
        }
        let online = procedure.online != OnlineLevel::None && dice.random_bool(online);
        // How much of the time allowed it takes; a day of work is about one and a half of the calendar's.
        let share = if dice.random_bool(late) { dice.random_range(1.05..1.6) } else { dice.random_range(0.2..0.92) };
        let allowed = f64::from(procedure.days) * 1.4;
        let length = if procedure.days == 0 { if share > 1.0 { 1.6 } else { share * 0.1 } } else { allowed * share };
        let asks = procedure.days > 2 && dice.random_bool(0.14);
        let asked = micros(received.as_microsecond() + (length * 0.4 * 86_400e6) as i64);
        let twice = asks && dice.random_bool(0.08);
        let brought = self.instant(self.day(asked).checked_add(jiff::Span::new().days(dice.random_range(1..5))).ok()?, dice.random_range(0..400))?;
        let wait = if asks { brought.as_microsecond() - asked.as_microsecond() } else { 0 };
        let ended = micros(received.as_microsecond() + (length * 86_400e6) as i64 + wait);
        let ended = self.working(ended, received, &mut dice)?;
        let waits = self.waits(asks, twice, asked, brought);
        let open = ended > self.now;
        let waiting = waits.last().is_some_and(|w| w.to.is_none());
        let handed_over = !open && dice.random_bool(0.85);
        let stopped = !open && dice.random_bool(0.02);
        let state = match (open, waiting) {
            (true, true) => 5,
            (true, false) => 4,
            _ if stopped => 8,
            _ if handed_over => 10,
            _ => 9,
        };
        let paid = procedure.fee > 0 && (!open || dice.random_bool(0.5));
        let paid_online = paid && online && dice.random_bool(0.7);
        Some(DossierInput {
            code: format!("{}.{:02}-{}-{n:04}", self.plan.prefix, 10 + n % 80, self.day(received).strftime("%y%m%d")),
            procedure: procedure.code.clone(),
            unit,
            commune: Some(commune.code.clone()),
            channel: Some(Word::Number(if online {
                2
            } else if dice.random_bool(0.06) {
                3
            } else {
                1
            })),
            state: Word::Number(state),
            state_at: if waiting && open {
                waits.last().map(|w| w.from)
            } else if open {
                None
            } else {
                Some(ended)
            },
            registered_at: None,
            received_at: Some(received),
            appointed_at: None,
            finished_at: (!open && !stopped).then_some(ended),
            returned_at: (!open && handed_over && !stopped).then_some(ended),
            supplements: Some(waits),
            fee: Some(procedure.fee),
            paid_at: paid.then_some(received),
            paid_online: Some(paid_online),
            electronic_result: Some(!open && !stopped && dice.random_bool(0.7)),
            digitised: Some(dice.random_bool(0.6)),
            reused: Some(dice.random_bool(0.25)),
            applicant: Some(format!("{} {n}", self.plan.applicant)),
            phone: Some(format!("0900{:06}", 100_000 + n)),
            updated_at: None,
        })
    }

    /// The times that it waited, as far as they have come to pass.
    fn waits(&self, asks: bool, twice: bool, asked: Timestamp, brought: Timestamp) -> Vec<Supplement> {
        let mut waits = Vec::new();
        if asks && asked < self.now {
            waits.push(Supplement { from: asked, to: (brought < self.now).then_some(brought), payment: false });
        }
        let again = micros(brought.as_microsecond() + 30 * MINUTE);
        let over = micros(again.as_microsecond() + 24 * 60 * MINUTE);
        if twice && over < self.now {
            waits.push(Supplement { from: again, to: Some(over), payment: false });
        }
        waits
    }

    /// The nearest working hour at or after an instant, never before receipt.
    fn working(&self, at: Timestamp, received: Timestamp, dice: &mut StdRng) -> Option<Timestamp> {
        let wall = self.zone.to_datetime(at);
        let minute = i64::from(wall.hour()) * 60 + i64::from(wall.minute());
        let within = (450..1_050).contains(&minute) && !matches!(wall.date().weekday(), Weekday::Saturday | Weekday::Sunday);
        let day = if minute >= 1_050 { wall.date().tomorrow().ok()? } else { wall.date() };
        let moved = if within { at } else { self.instant(day, dice.random_range(0..200))? };
        Some(moved.max(micros(received.as_microsecond() + 5 * MINUTE)))
    }

    /// One of a heap that ends just before its deadline: received on the last Monday but one, due on Thursday.
    fn heaped(&self, n: u32) -> Option<DossierInput> {
        let today = self.day(self.now);
        let monday = today.checked_sub(jiff::Span::new().days(i64::from(today.weekday().to_monday_zero_offset()) + 7)).ok()?;
        let thursday = monday.checked_add(jiff::Span::new().days(3)).ok()?;
        let ended = self.instant(thursday, 540 + i64::from(n % 8))?;
        let heap = &self.plan.heap;
        let begun = self.begun(99, i64::from(n), [&heap.unit, &heap.commune, &heap.procedure], monday, 30 + i64::from(n) * 7)?;
        Some(DossierInput { state: Word::Number(10), finished_at: Some(ended), returned_at: Some(ended), ..begun })
    }

    /// One that came so many days ago and is not done yet.
    fn forgotten(&self, back: i64) -> Option<DossierInput> {
        let day = self.day(self.now).checked_sub(jiff::Span::new().days(back)).ok()?;
        let forgotten = &self.plan.forgotten;
        self.begun(98, back, [&forgotten.unit, &forgotten.commune, &forgotten.procedure], day, 95)
    }

    /// The dossier `n` of a series, received on a day at a commune's counter and being worked on.
    fn begun(&self, series: u32, n: i64, [unit, commune, procedure]: [&String; 3], day: Date, minute: i64) -> Option<DossierInput> {
        Some(DossierInput {
            code: format!("{}.{series}-{}-{n:04}", self.plan.prefix, day.strftime("%y%m%d")),
            procedure: procedure.clone(),
            unit: unit.clone(),
            commune: Some(commune.clone()),
            channel: Some(Word::Number(1)),
            state: Word::Number(4),
            state_at: None,
            registered_at: None,
            received_at: Some(self.instant(day, minute)?),
            appointed_at: None,
            finished_at: None,
            returned_at: None,
            supplements: None,
            fee: None,
            paid_at: None,
            paid_online: None,
            electronic_result: None,
            digitised: None,
            reused: None,
            applicant: Some(format!("{} H{n}", self.plan.applicant)),
            phone: None,
            updated_at: None,
        })
    }

    /// Faces touched over the last days, a few minutes apart.
    fn faces(&self, seed: u64, tablet: &Tablet) -> Vec<RatingIn> {
        let mut dice = StdRng::seed_from_u64(seed);
        let touched = (0..tablet.ratings).map(|n| {
            let level = 5 - weighted(&mut dice, tablet.faces.iter().copied()) as u32;
            RatingIn {
                id: uuid::Builder::from_random_bytes(dice.random()).into_uuid(),
                at: micros(self.now.as_microsecond() - i64::from(n + 1) * 97 * MINUTE),
                level,
            }
        });
        touched.collect()
    }
}

/// A place drawn by weight; 0 when there is none.
fn weighted(dice: &mut StdRng, weights: impl Iterator<Item = u32> + Clone) -> usize {
    let mut left = dice.random_range(0..weights.clone().sum::<u32>().max(1));
    for (n, weight) in weights.enumerate() {
        if left < weight {
            return n;
        }
        left -= weight;
    }
    0
}
