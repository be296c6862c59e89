//! The registry of segments and detectors.

use std::collections::HashMap;
use std::sync::Arc;

use dothi_kernel::geo::Point;
use dothi_kernel::history::SeriesQuery;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Event, Page, Permission, Result, Scope, UnitRef};
use uuid::Uuid;

use crate::import::{self, ROWS};
use crate::model::{DayPoint, FindQuery, Import, Measure, Segment, SegmentInput, SegmentRow, SegmentView};
use crate::now::{Net, length};
use crate::{FORM, Traffic, seen, tables};

/// Points of a line.
const POINTS: usize = 2_000;
/// Detectors of a segment.
const DETECTORS: usize = 20;
/// A segment in metres.
const LONGEST: f64 = 100_000.0;
const HOUR: i64 = 3_600_000_000;

fn unknown() -> Error {
    Error::not_found("traffic.segment.unknown", "There is no such segment.")
}

fn faulty(why: impl std::fmt::Display) -> Error {
    Error::unprocessable("traffic.segment.invalid", "The segment is not usable.").with("reason", why)
}

/// Checks a line: 2 to 2000 points on earth, and how long it is.
pub(crate) fn checked_line(line: &[[f64; 2]]) -> Result<f64> {
    if !(2..=POINTS).contains(&line.len()) {
        return Err(faulty("a line has 2 to 2000 points"));
    }
    for at in line {
        Point::new(at[0], at[1])?;
    }
    let metres = length(line);
    if !(1.0..=LONGEST).contains(&metres) { Err(faulty("a line is 1 m to 100 km long")) } else { Ok(metres) }
}

impl Traffic {
    fn checked(&self, input: SegmentInput, old: Option<&Segment>, caller: &Caller) -> Result<Segment> {
        let rules = self.rules();
        let class = rules.class(&input.class).ok_or_else(|| faulty(format!("no class `{}`", input.class)))?;
        let length_m = checked_line(&input.line)?;
        let within = |v: Option<f64>, or: f64, most: f64, what: &str| match v.unwrap_or(or) {
            v if (1.0..=most).contains(&v) => Ok(v),
            _ => Err(faulty(format!("{what}: 1 to {most}"))),
        };
        if input.detectors.len() > DETECTORS || input.downstream.len() > DETECTORS || !(1..=20).contains(&input.lanes) {
            return Err(faulty("at most 20 lanes, 20 detectors and 20 segments that follow"));
        }
        for d in &input.detectors {
            if !d.entity.starts_with("urn:") || d.entity.len() > 300 || !(1..=86_400).contains(&d.period_s) {
                return Err(faulty("a detector is a urn with a period of 1 second to a day"));
            }
        }
        let mut made = Segment {
            id: old.map_or_else(|| self.store.clock().id(), |s| s.id),
            code: FORM.needed(&input.code, 40, "code")?,
            name: FORM.needed(&input.name, 160, "name")?,
            class: input.class,
            direction: FORM.bounded(&input.direction, 120, "direction")?,
            length_m,
            free_speed: within(input.free_speed, class.free_speed, 200.0, "free_speed")?,
            speed_limit: input.speed_limit.map(|v| within(Some(v), v, 200.0, "speed_limit")).transpose()?,
            lanes: input.lanes,
            jam_density: within(input.jam_density, class.jam_density, 1_000.0, "jam_density")?,
            unit: FORM.bounded(&input.unit, 60, "unit")?,
            commune: String::new(),
            downstream: input.downstream,
            detectors: input.detectors,
            source: FORM.bounded(&input.source, 300, "source")?,
            active: input.active,
            line: input.line,
            at: caller.now,
            by: caller.name.to_string(),
            version: old.map_or(1, |s| s.version + 1),
        };
        made.commune = self.directory.locate(made.middle()).map(|p| p.commune).unwrap_or_default();
        Ok(made)
    }

    /// Writes one in a change of its own; the network is not built anew. True when it is new.
    async fn write_segment(&self, caller: &Caller, id: Option<Uuid>, input: SegmentInput, by_code: bool) -> Result<(Segment, bool)> {
        let mut tx = self.store.begin(caller).await?;
        let old = match id {
            Some(id) => Some(tables::segment(&mut tx, id).await?.ok_or_else(unknown)?),
            None if by_code => tables::segment_coded(&mut tx, input.code.trim()).await?,
            None => None,
        };
        if let Some(old) = &old {
            self.require(caller, Permission::TrafficManage, &old.unit)?;
            if id.is_some() && input.version != Some(old.version) {
                return Err(FORM.stale());
            }
        } else if tables::count_segments(&mut tx).await? >= ROWS as i64 {
            return Err(Error::unprocessable("traffic.segment.many", "There are as many segments as this installation keeps.").with("limit", ROWS));
        }
        let made = self.checked(input, old.as_ref(), caller)?;
        self.require(caller, Permission::TrafficManage, &made.unit)?;
        if tables::segment_coded(&mut tx, &made.code).await?.is_some_and(|s| s.id != made.id) {
            return Err(Error::conflict("traffic.segment.code-taken", "Another segment has this code.").with("code", &made.code));
        }
        let net = self.net();
        for d in &made.detectors {
            if let Some((other, _)) = net.of_detector(&d.entity)
                && other.id != made.id
            {
                return Err(Error::conflict("traffic.detector.taken", "Another segment has this detector.")
                    .with("detector", &d.entity)
                    .with("segment", &other.code));
            }
        }
        // Nothing changed: nothing is written.
        if let Some(old) = &old
            && *old == (Segment { at: old.at, by: old.by.clone(), version: old.version, ..made.clone() })
        {
            tx.rollback().await?;
            return Ok((old.clone(), false));
        }
        tables::put_segment(&mut tx, &made).await?;
        tx.audit("traffic.segment.put", &format!("segment:{}", made.code), &serde_json::json!({ "version": made.version })).await?;
        tx.emit(Event::TrafficChanged { what: "network".into() });
        tx.commit().await?;
        Ok((made, old.is_none()))
    }

    /// Takes a segment of a pack: new, or in place of the one with its code.
    pub(crate) async fn upsert_segment(&self, caller: &Caller, input: SegmentInput) -> Result<()> {
        self.write_segment(caller, None, input, true).await.map(|_| ())
    }

    /// Hands in a segment or changes one. Needs `traffic-manage` in its unit. 404, 409 `traffic.version`,
    /// `traffic.segment.code-taken`, `traffic.detector.taken`, 422 `traffic.segment.invalid`.
    pub async fn put_segment(&self, caller: &Caller, id: Option<Uuid>, input: SegmentInput) -> Result<SegmentRow> {
        caller.require(Permission::TrafficManage, Scope::ANY)?;
        let (made, _) = self.write_segment(caller, id, input, false).await?;
        self.reload().await?;
        self.begin_jobs().await?;
        Ok(self.row(caller, &made))
    }

    /// Takes a table (CSV) or a map (GeoJSON) of segments; rows with a known code change that segment. May be repeated.
    pub async fn import(&self, caller: &Caller, bytes: &[u8]) -> Result<Import> {
        caller.require(Permission::TrafficManage, Scope::ANY)?;
        let mut table = import::read(bytes);
        let mut done = Import::default();
        // The network is built anew at the end: until then the file itself says which detectors are taken.
        let mut own: HashMap<String, String> = HashMap::new();
        for (line, input) in std::mem::take(&mut table.segments) {
            if let Some(d) = input.detectors.iter().find(|d| own.get(&d.entity).is_some_and(|code| *code != input.code)) {
                table.reject(line, format!("another segment of the file has the detector {}", d.entity));
                continue;
            }
            own.extend(input.detectors.iter().map(|d| (d.entity.clone(), input.code.clone())));
            match self.write_segment(caller, None, input, true).await {
                Ok((_, true)) => done.added += 1,
                Ok((_, false)) => done.changed += 1,
                Err(e) if e.kind().status() < 500 => {
                    let why = e.context().iter().map(|(k, v)| format!(" {k}: {v}")).collect::<String>();
                    table.reject(line, format!("{}{why}", e.detail()));
                }
                Err(e) => return Err(e),
            }
        }
        done.rejects = table.rejects;
        self.reload().await?;
        self.begin_jobs().await?;
        Ok(done)
    }

    /// Builds the network anew from what is stored, and what is live with it.
    pub(crate) async fn reload(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let segments = tables::all_segments(&self.store).await?.into_iter().map(Arc::new).collect();
        let (routes, works) = (tables::routes(&self.store).await?, crate::tables_works::published(&self.store, self.store.clock().now()).await?);
        let join = self.policy(self.store.clock().now()).map_or(0.0, |p| p.join_m);
        self.set_net(Net::of(segments, routes, works, join));
        self.rebuild_live().await
    }

    /// A segment as lists show it.
    pub(crate) fn row(&self, caller: &Caller, segment: &Segment) -> SegmentRow {
        let policy = self.policy(caller.now).ok();
        let now = policy.map(|p| self.live().now(segment, &p, &self.calendar, caller.now.as_microsecond())).unwrap_or_default();
        SegmentRow { segment: segment.clone(), unit_ref: self.unit_ref(&segment.unit), now }
    }

    /// Segments by code, with their present. `q` looks at code, name and direction.
    pub async fn segments(&self, caller: &Caller, query: &FindQuery) -> Result<Page<SegmentRow>> {
        let units = self.visible(caller)?;
        let words = dothi_kernel::text::fold(&FORM.bounded(query.q.as_deref().unwrap_or_default(), 100, "q")?);
        let net = self.net();
        let wanted = |s: &Segment| {
            let text = dothi_kernel::text::fold(&format!("{} {} {}", s.code, s.name, s.direction));
            seen(units.as_ref(), &s.unit) && words.split_whitespace().all(|w| text.contains(w))
        };
        let limit = query.limit.unwrap_or(50).clamp(1, 200) as usize;
        let after = query.after.as_deref().unwrap_or_default();
        let rows = net.segments.iter().filter(|s| s.code.as_str() > after && wanted(s)).take(limit + 1).cloned().collect();
        let page = Page::of(rows, limit, |s: &Arc<Segment>| s.code.clone());
        Ok(Page { items: page.items.iter().map(|s| self.row(caller, s)).collect(), next: page.next, total: None })
    }

    pub(crate) fn seen_segment(&self, caller: &Caller, id: Uuid) -> Result<Arc<Segment>> {
        let units = self.visible(caller)?;
        let segment = self.net().get(id).cloned().ok_or_else(unknown)?;
        if seen(units.as_ref(), &segment.unit) { Ok(segment) } else { Err(Error::forbidden("access.not-allowed", "Your role does not allow this here.")) }
    }

    /// A segment with the day's course against the usual, and its neighbours. 404 `traffic.segment.unknown`, 403.
    pub async fn segment(&self, caller: &Caller, id: Uuid) -> Result<SegmentView> {
        let segment = self.seen_segment(caller, id)?;
        let policy = self.policy(caller.now)?;
        let usual = self.live().usual.get(&id).cloned();
        let has_speed = usual.as_ref().is_some_and(|u| u.speed.is_some()) || self.live().segments.get(&id).is_some_and(|s| s.speed.is_some() && !s.estimated);
        let measure = if has_speed { Measure::Speed } else { Measure::Volume };
        let today = caller.now.to_zoned(self.calendar.zone().clone()).start_of_day().map_err(|e| Error::internal("finding the day's beginning", e))?;
        let from = today.timestamp().as_microsecond();
        let course = self.course(&segment, measure, from, from + 24 * HOUR, policy.bucket_s).await?;
        let step = i64::from(policy.bucket_s) * 1_000_000;
        let day = (0..24 * HOUR / step).map(|n| from + n * step).map(|t| {
            let line = usual.as_ref().and_then(|u| u.at(measure, &self.calendar, t, &policy));
            DayPoint { at: micros(t), value: course.get(&t).copied(), usual: line.map(|l| l.0), spread: line.map(|l| l.1) }
        });
        let net = self.net();
        let name = |s: &Arc<Segment>| UnitRef { id: s.id.to_string(), name: s.name.clone() };
        Ok(SegmentView {
            row: self.row(caller, &segment),
            measure,
            day: day.collect(),
            upstream: net.upstream(id).map(name).collect(),
            next: net.downstream(id).map(name).collect(),
            usual_at: usual.map(|u| micros(u.at)),
        })
    }

    /// A stretch of a detector's history in buckets.
    pub(crate) async fn buckets(&self, entity: &str, attribute: &str, from: i64, to: i64, bucket_s: u32) -> Result<Vec<(i64, f64)>> {
        let query = SeriesQuery { entity: entity.into(), attribute: attribute.into(), from, to, bucket_s: Some(bucket_s), offset_s: 0, limit: 100_000 };
        let points = self.history.series(&query).await?;
        Ok(points.iter().filter_map(|p| Some((p.t, p.value.number()?))).collect())
    }
}
