//! What follows from what: the only place where one domain's event moves another domain.
//!
//! One reader with a durable cursor. Every reaction may run twice without harm, so a crash between a reaction and the
//! cursor's move repeats it and loses nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dothi_kernel::{Caller, Event, EventRecord, Result};
use dothi_rules::Outcome;

use crate::City;
use crate::word::Told;

/// Name of the cursor.
pub const CONSUMER: &str = "reactions";
const READ: usize = 200;
const TRIES: u32 = 6;
/// Computed values that wait for those of the next event.
const COMPUTED: usize = 4_000;
/// Steps begin at least so far apart: under load one reading of the outbox and one move of the cursor, which is a commit,
/// serve many events.
const PACE: Duration = Duration::from_millis(20);

/// Follows the outbox until the task is dropped.
pub async fn run(city: Arc<City>) {
    let mut newest = city.store.watch_events();
    let (mut failing, mut tries) = (0i64, 0u32);
    loop {
        newest.mark_unchanged();
        let begun = Instant::now();
        match step(&city, failing, tries >= TRIES).await {
            Ok(0) => {
                if newest.changed().await.is_err() {
                    return;
                }
            }
            Ok(n) => {
                tries = 0;
                if n < READ {
                    tokio::time::sleep(PACE.saturating_sub(begun.elapsed())).await;
                }
            }
            Err((seq, e)) => {
                tries = if seq == failing { tries + 1 } else { 1 };
                failing = seq;
                tracing::warn!(seq, tries, error = %e, "a reaction failed and will be tried again");
                tokio::time::sleep(Duration::from_millis(100u64 << tries.min(6))).await;
            }
        }
    }
}

/// Handles the next events; `skip` gives up on the one at `failing` so that it does not hold up all that follow.
async fn step(city: &Arc<City>, failing: i64, skip: bool) -> Result<usize, (i64, dothi_kernel::Error)> {
    let cursor = city.store.cursor(CONSUMER).await.map_err(|e| (0, e))?;
    let records = city.store.events_after(cursor, READ).await.map_err(|e| (0, e))?;
    let mut done = cursor;
    let mut outcome = Ok(records.len());
    // Values computed from these events go back together: one commit, not one for each.
    let mut computed = Outcome::default();
    let told = match crate::word::gather(city, &records).await {
        Ok(told) => Some(told),
        Err(e) => {
            tracing::warn!(error = %e, "events about cases are read one by one");
            None
        }
    };
    for record in &records {
        match react(city, record, told.as_ref(), &mut computed).await {
            Ok(()) => done = record.seq,
            Err(e) if skip && record.seq == failing => {
                tracing::error!(seq = record.seq, event = record.event.name(), error = %e, "a reaction was given up");
                done = record.seq;
            }
            Err(e) => {
                outcome = Err((record.seq, e));
                break;
            }
        }
    }
    if let Err(e) = city.ingest_derived(computed).await {
        let first = records.first().map_or(cursor, |r| r.seq);
        if !(skip && failing == first) {
            return Err((first, e));
        }
        tracing::error!(seq = first, error = %e, "computed values were given up");
    }
    if done > cursor {
        let system = Caller::system(CONSUMER, city.store.clock().as_ref());
        let moved = async {
            let mut tx = city.store.begin(&system).await?;
            tx.move_cursor(CONSUMER, done).await?;
            tx.commit().await
        };
        moved.await.map_err(|e: dothi_kernel::Error| (0, e))?;
    }
    outcome
}

/// Who is to know about a case is told; when the events could not be read together, this one is read alone, so that a broken case holds
/// up its own events only.
async fn tell(city: &City, record: &EventRecord, told: Option<&Told>) -> Result<()> {
    match told {
        Some(told) => crate::word::tell(city, record, told).await,
        None => crate::word::tell(city, record, &crate::word::gather(city, std::slice::from_ref(record)).await?).await,
    }
}

/// The platform itself, at the instant of what happened.
fn at(city: &Arc<City>, record: &EventRecord) -> Caller {
    Caller { now: record.at, ..Caller::system(CONSUMER, city.store.clock().as_ref()) }
}

async fn react(city: &Arc<City>, record: &EventRecord, told: Option<&Told>, computed: &mut Outcome) -> Result<()> {
    match &record.event {
        // New observations may raise and clear alarms, and give computed attributes back to the city model; those of detectors
        // are how roads flow.
        Event::ObservationsAccepted { .. } => {
            city.traffic.replay(record).await?;
            computed.derived.extend(city.rules.replay(record).await?.derived);
            if computed.derived.len() >= COMPUTED { city.ingest_derived(std::mem::take(computed)).await } else { Ok(()) }
        }
        // Alarms of a thing that is gone end with it.
        Event::EntityDeleted { .. } => {
            city.rules.replay(record).await?;
            city.oversight.on_event(record).await
        }
        // What people did and what stands where changes the indicators that are computed from it.
        Event::CaseAnswered { .. } | Event::CaseRated { .. } | Event::CaseMoved { .. } | Event::CaseOpened { .. } => {
            tell(city, record, told).await?;
            if let Event::CaseMoved { case, .. } = &record.event {
                city.forwarder.consider(&Caller::system(CONSUMER, city.store.clock().as_ref()), *case).await?;
            }
            city.oversight.on_event(record).await
        }
        Event::LetterAsked { letter } => crate::word::write(city, *letter).await,
        Event::CaseDue { .. } => tell(city, record, told).await,
        Event::EntityChanged { .. } => city.oversight.on_event(record).await,
        // A button or detector of the city model may stand in premises: then it is a signal there. Some alarms open an incident by
        // themselves, as a pack says.
        Event::AlarmRaised { alarm, rule, entity, severity, .. } => {
            city.panels.thing_alarmed(&at(city, record), entity, rule, *alarm).await?;
            city.video.thing_alarmed(&at(city, record), entity);
            if city.incidents.would_open(rule, *severity) { crate::matters::consider(city, *alarm).await } else { Ok(()) }
        }
        Event::AlarmCleared { alarm } => city.panels.thing_cleared(&at(city, record), *alarm).await,
        Event::PanelConfirmed { signal, kind, severity, .. } => crate::matters::consider_signal(city, *signal, kind, *severity).await,
        Event::CameraHealthChanged { camera, state, before, area, .. } => {
            crate::matters::camera_changed(city, &at(city, record), *camera, state, before, area.clone()).await
        }
        // What detectors counted is what any sensor of the camera's thing would have measured.
        Event::CameraCounted { entity, counts, .. } => crate::measures::counted(city, record.at, entity, counts).await,
        // What happens on a road is an alarm like others; a sign is told over its device.
        Event::TrafficIncident { incident, .. } => crate::traffic::alarm(city, *incident).await,
        Event::SignAsked { sign, order } => crate::traffic::tell(city, *sign, *order).await,
        Event::AlarmAcknowledged { .. }
        | Event::AlarmClosed { .. }
        | Event::AlarmChanged { .. }
        | Event::WorkMoved { .. }
        | Event::CameraChanged { .. }
        | Event::PanelSignalled { .. }
        | Event::PanelRestored { .. }
        | Event::PanelHandled { .. }
        | Event::IncidentOpened { .. }
        | Event::IncidentChanged { .. }
        | Event::IncidentEscalated { .. }
        | Event::WarningIssued { .. }
        | Event::OperationsChanged { .. }
        | Event::TrafficChanged { .. }
        | Event::ValueReported { .. }
        | Event::ValueSettled { .. }
        | Event::UnitsChanged
        | Event::PackInstalled { .. } => Ok(()),
    }
}
