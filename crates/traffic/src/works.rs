//! Works and events on roads: where, when, what they close, who answers, and which of them meet.

use dothi_kernel::{Caller, Error, Event, Page, Permission, Result, Scope, Timestamp};
use geo::{Distance, Euclidean, LineString};
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::model::{Closure, Conflict, FindQuery, PublishInput, WorkInput, WorkRow};
use crate::now::Net;
use crate::segments::checked_line;
use crate::tables_works::{self as tables, Work};
use crate::{CURSORS, FORM, Traffic, seen};

/// Stretches of one that recurs: two years of nights.
const NIGHTS: usize = 800;
/// Works that are not over.
const MOST: i64 = 2_000;
/// Conflicts told of one.
const CONFLICTS: usize = 20;
/// Degrees within which lines meet, about 30 m.
const NEAR: f64 = 0.000_3;

/// When works take place, in order of time. At most [`NIGHTS`] stretches.
pub fn stretches(work: &WorkInput, zone: &TimeZone) -> Vec<(Timestamp, Timestamp)> {
    let Some(hours) = &work.hours else { return vec![(work.from, work.to)] };
    let mut found = Vec::new();
    let last = work.to.to_zoned(zone.clone()).date();
    // The night before the first day may reach into it.
    let first = work.from.to_zoned(zone.clone()).date();
    let mut day = first.yesterday().unwrap_or(first);
    while day <= last && found.len() < NIGHTS {
        let weekday = u8::try_from(day.weekday().to_monday_one_offset()).unwrap_or(0);
        let next = day.tomorrow().unwrap_or(day);
        if hours.days.is_empty() || hours.days.contains(&weekday) {
            let end_day = if hours.to <= hours.from { next } else { day };
            let at = |date: jiff::civil::Date, time| zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible();
            if let (Ok(from), Ok(to)) = (at(day, hours.from), at(end_day, hours.to)) {
                let (from, to) = (from.max(work.from), to.min(work.to));
                if from < to {
                    found.push((from, to));
                }
            }
        }
        if next == day {
            break;
        }
        day = next;
    }
    found
}

/// Whether works take place at an instant.
pub fn goes_on(work: &WorkInput, at: Timestamp, zone: &TimeZone) -> bool {
    work.from <= at && at < work.to && stretches(work, zone).iter().any(|(a, b)| *a <= at && at < *b)
}

/// The first instant at which both take place.
pub fn meet(a: &WorkInput, b: &WorkInput, zone: &TimeZone) -> Option<Timestamp> {
    let (a, b) = (stretches(a, zone), stretches(b, zone));
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (from, to) = (x.0.max(y.0), x.1.min(y.1));
        if from < to {
            return Some(from);
        }
        if x.1 <= y.1 { i += 1 } else { j += 1 }
    }
    None
}

fn lines(net: &Net, work: &WorkInput) -> Vec<LineString> {
    let of = |line: &[[f64; 2]]| line.iter().map(|p| (p[0], p[1])).collect::<LineString>();
    let own = (work.line.len() >= 2).then(|| of(&work.line));
    work.segments.iter().filter_map(|c| net.coded(c)).map(|s| of(&s.line)).chain(own).collect()
}

/// Whether both are at the same place: a segment, lines that touch, or an area one of them lies in.
fn same_place(net: &Net, a: &WorkInput, b: &WorkInput) -> bool {
    if a.segments.iter().any(|s| b.segments.contains(s)) || (!a.area.is_empty() && a.area == b.area) {
        return true;
    }
    let inside =
        |area: &WorkInput, other: &WorkInput| !area.area.is_empty() && other.segments.iter().filter_map(|c| net.coded(c)).any(|s| s.commune == area.area);
    if inside(a, b) || inside(b, a) {
        return true;
    }
    // Lines of segments that only follow one another touch as well: then at least one must be a line of its own.
    if a.line.is_empty() && b.line.is_empty() {
        return false;
    }
    let others = lines(net, b);
    lines(net, a).iter().any(|x| others.iter().any(|y| Euclidean.distance(x, y) <= NEAR))
}

/// Published works that close something on a segment at an instant.
pub(crate) fn work_on(net: &Net, code: &str, at: Timestamp, zone: &TimeZone) -> Option<Uuid> {
    let on = |w: &WorkInput| w.closes != Closure::None && w.segments.iter().any(|s| s == code) && goes_on(w, at, zone);
    net.works.iter().find(|(_, w)| on(w)).map(|(id, _)| *id)
}

fn unknown() -> Error {
    Error::not_found("traffic.work.unknown", "There are no such works.")
}

impl Traffic {
    fn checked_work(&self, input: WorkInput) -> Result<WorkInput> {
        let bad = |why: &str| Error::unprocessable("traffic.work.invalid", "The works cannot be taken like this.").with("reason", why);
        let net = self.net();
        if input.from >= input.to || input.to.as_second() - input.from.as_second() > 2 * 366 * 86_400 {
            return Err(bad("it ends after it begins, within two years"));
        }
        if input.segments.is_empty() && input.line.is_empty() && input.area.is_empty() {
            return Err(bad("say where: a segment, a line or an area"));
        }
        if input.segments.len() > 100 || input.segments.iter().any(|c| net.coded(c).is_none()) {
            return Err(bad("at most 100 segments, all of them known"));
        }
        if !input.line.is_empty() {
            checked_line(&input.line)?;
        }
        if !input.area.is_empty() && self.directory.commune(&input.area).is_none() {
            return Err(bad("no such commune"));
        }
        if input.hours.as_ref().is_some_and(|h| h.days.len() > 7 || h.days.iter().any(|d| !(1..=7).contains(d))) {
            return Err(bad("days are 1 (Monday) to 7"));
        }
        if self.directory.unit(&input.unit).is_none() {
            return Err(bad("say which unit answers for it"));
        }
        Ok(WorkInput {
            title: FORM.needed(&input.title, 200, "title")?,
            title_en: FORM.bounded(&input.title_en, 200, "title_en")?,
            detour: FORM.bounded(&input.detour, 500, "detour")?,
            contact: FORM.bounded(&input.contact, 120, "contact")?,
            permit: FORM.bounded(&input.permit, 80, "permit")?,
            version: None,
            ..input
        })
    }

    /// Hands in works, or changes them; what was published needs publishing again, unless the caller may publish. Needs
    /// `traffic-handle` in the unit that answers. 404, 409 `traffic.version`, 422 `traffic.work.invalid`.
    pub async fn put_work(&self, caller: &Caller, id: Option<Uuid>, input: WorkInput) -> Result<WorkRow> {
        caller.require(Permission::TrafficHandle, Scope::ANY)?;
        let read = input.version;
        let input = self.checked_work(input)?;
        self.require(caller, Permission::TrafficHandle, &input.unit)?;
        let may = self.require(caller, Permission::TrafficApprove, &input.unit).is_ok();
        let mut tx = self.store.begin(caller).await?;
        let old = match id {
            None => None,
            Some(id) => Some(tables::work_in(&mut tx, id).await?.ok_or_else(unknown)?),
        };
        if let Some(old) = &old {
            self.require(caller, Permission::TrafficHandle, &old.input.unit)?;
            if read != Some(old.version) {
                return Err(FORM.stale());
            }
        } else if tables::count_open(&mut tx, caller.now).await? >= MOST {
            return Err(Error::unprocessable("traffic.work.many", "There are as many works as this installation keeps.").with("limit", MOST));
        }
        let stays = old.as_ref().is_some_and(|o| o.state == "published") && may;
        let made = Work {
            id: old.as_ref().map_or_else(|| tx.id(), |o| o.id),
            state: if stays { "published".into() } else { "draft".into() },
            input,
            published_by: old.as_ref().and_then(|o| o.published_by.clone()).filter(|_| stays),
            at: caller.now,
            by: caller.name.to_string(),
            version: old.as_ref().map_or(1, |o| o.version + 1),
        };
        self.write_work(tx, &made, "traffic.work.put").await?;
        self.work_row(caller, made).await
    }

    async fn write_work(&self, mut tx: dothi_store::Tx, work: &Work, action: &str) -> Result<()> {
        tables::put_work(&mut tx, work).await?;
        tx.audit(action, &format!("work:{}", work.id), &serde_json::json!({ "state": work.state, "version": work.version })).await?;
        tx.emit(Event::TrafficChanged { what: "work".into() });
        tx.commit().await?;
        self.reload().await
    }

    /// Publishes works or takes them back. Needs `traffic-approve` in the unit that answers.
    pub async fn publish_work(&self, caller: &Caller, id: Uuid, input: &PublishInput) -> Result<WorkRow> {
        caller.require(Permission::TrafficApprove, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let old = tables::work_in(&mut tx, id).await?.ok_or_else(unknown)?;
        self.require(caller, Permission::TrafficApprove, &old.input.unit)?;
        if old.version != input.version {
            return Err(FORM.stale());
        }
        let made = Work {
            state: if input.publish { "published".into() } else { "withdrawn".into() },
            published_by: Some(caller.name.to_string()),
            version: old.version + 1,
            ..old
        };
        self.write_work(tx, &made, "traffic.work.publish").await?;
        self.work_row(caller, made).await
    }

    async fn work_row(&self, caller: &Caller, work: Work) -> Result<WorkRow> {
        let others = tables::standing(&self.store, caller.now).await?;
        Ok(self.row_of_work(caller, work, &others))
    }

    fn row_of_work(&self, caller: &Caller, work: Work, others: &[Work]) -> WorkRow {
        let (net, zone) = (self.net(), self.calendar.zone());
        let near = |o: &&Work| o.id != work.id && o.input.from < work.input.to && work.input.from < o.input.to && same_place(&net, &work.input, &o.input);
        let conflicts = if work.state == "withdrawn" {
            Vec::new()
        } else {
            let meets =
                others.iter().filter(near).filter_map(|o| Some(Conflict { id: o.id, title: o.input.title.clone(), at: meet(&work.input, &o.input, zone)? }));
            meets.take(CONFLICTS).collect()
        };
        WorkRow {
            id: work.id,
            active: work.state == "published" && goes_on(&work.input, caller.now, zone),
            unit_ref: self.unit_ref(&work.input.unit),
            work: WorkInput { version: Some(work.version), ..work.input },
            state: work.state,
            conflicts,
            published_by: work.published_by,
            at: work.at,
            by: work.by,
        }
    }

    /// Works and events of one's units: those that are not over by their beginning, or with `state=closed` those that are.
    pub async fn works(&self, caller: &Caller, query: &FindQuery) -> Result<Page<WorkRow>> {
        let units = self.visible(caller)?;
        let mut after = CURSORS.after(query.after.as_deref())?;
        let open = query.state.as_deref() != Some("closed");
        let limit = query.limit.unwrap_or(50).clamp(1, 200) as usize;
        let mut rows: Vec<Work> = Vec::new();
        for _ in 0..20 {
            let found = tables::works(&self.store, open, caller.now, after, limit + 1).await?;
            after = found.last().map(|w| (w.input.from, w.id));
            let more = found.len() > limit;
            rows.extend(found.into_iter().filter(|w| seen(units.as_ref(), &w.input.unit)));
            if rows.len() > limit || !more {
                break;
            }
        }
        let others = tables::standing(&self.store, caller.now).await?;
        let page = Page::of(rows, limit, |w: &Work| CURSORS.write(w.input.from, w.id));
        Ok(Page { items: page.items.into_iter().map(|w| self.row_of_work(caller, w, &others)).collect(), next: page.next, total: None })
    }
}
