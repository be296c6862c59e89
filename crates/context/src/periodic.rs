//! Subscriptions with `timeInterval`: all matching entities in a rhythm, whatever changes (5.8.6). What finds nothing
//! says nothing, and nothing is added while the last notification still waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::Clock;
use tokio::time::Instant;

use crate::live::Live;
use crate::model::Iri;
use crate::query::{Paging, scan};
use crate::subs::{MAX_DATA, Notice, Subscription, Subscriptions, Waiting};

/// Entities that one round may tell of.
const MOST: usize = 100_000;
/// Longest pause between looking at the clock.
const LOOK: Duration = Duration::from_secs(60);

/// Speaks for all of them, for ever.
pub(crate) async fn run(subscriptions: Arc<Subscriptions>, live: Arc<Live>, clock: Arc<dyn Clock>) {
    let mut due: HashMap<Iri, (Duration, Instant)> = HashMap::new();
    loop {
        let now = Instant::now();
        let rhythmic = subscriptions.rhythmic();
        due.retain(|id, _| rhythmic.iter().any(|s| s.id == *id));
        let mut next = now + LOOK;
        for subscription in rhythmic {
            let Some(interval) = subscription.interval else { continue };
            let (known, at) = due.entry(subscription.id.clone()).or_insert((interval, now + interval));
            if *known != interval {
                (*known, *at) = (interval, now + interval);
            }
            if *at <= now {
                *at = (*at + interval).max(now);
                let (live, us) = (live.clone(), clock.now().as_microsecond());
                let told = tokio::task::spawn_blocking({
                    let subscription = subscription.clone();
                    move || notices(&subscription, &live, us)
                });
                match told.await {
                    Ok(notices) => subscriptions.queued(notices),
                    Err(e) => tracing::error!(error = %e, subscription = &*subscription.id, "a periodic subscription failed"),
                }
            }
            next = next.min(*at);
        }
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = subscriptions.rhythm.notified() => {}
        }
    }
}

fn notices(subscription: &Subscription, live: &Live, now: i64) -> Vec<Notice> {
    if !subscription.is_active(now) || subscription.delivery.waiting() > 0 {
        return Vec::new();
    }
    let found = match scan(live, subscription.filter(), &Paging { limit: MOST, ..Paging::default() }, now) {
        Ok(found) => found,
        Err(e) => {
            tracing::warn!(error = %e, subscription = &*subscription.id, "a periodic subscription found nothing");
            return Vec::new();
        }
    };
    let mut out = Vec::new();
    for part in found.entities.chunks(MAX_DATA) {
        let data: Vec<_> = part.iter().flat_map(|e| subscription.show(e, now, &|id| live.get(id))).collect();
        let body = serde_json::to_string(&data).unwrap_or_default().into();
        out.push(Notice { subscription: subscription.id.clone(), waiting: Waiting { seq: 0, at: now, body } });
    }
    out
}
