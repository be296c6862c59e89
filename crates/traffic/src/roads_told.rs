//! What the rest of traffic tells the roads: works that close them, and how fast segments flow.

use std::time::Duration;

use dothi_kernel::geo::Point;

use crate::Traffic;
use crate::model::{Closure, WorkInput};
use crate::now::Net;
use crate::roads::Flowing;
use crate::roads::model::Closing;
use crate::works::stretches;

/// How far ahead recurring closures are laid over the roads; they are told anew each day and with every change.
const AHEAD: Duration = Duration::from_secs(8 * 86_400);
/// How long a measured speed is believed.
const BELIEVED: Duration = Duration::from_secs(300);

fn points(line: &[[f64; 2]]) -> Vec<Point> {
    line.iter().map(|p| Point { lon: p[0], lat: p[1] }).collect()
}

/// The lines that works lie on.
fn lines(net: &Net, work: &WorkInput) -> Vec<Vec<Point>> {
    let own = (!work.line.is_empty()).then(|| points(&work.line));
    work.segments.iter().filter_map(|code| net.coded(code)).map(|s| points(&s.line)).chain(own).collect()
}

impl Traffic {
    /// Tells the roads which works close a direction or all of a road, and when.
    pub(crate) fn tell_works(&self) {
        let (net, now) = (self.net(), self.store.clock().now());
        let zone = self.calendar.zone();
        let mut closings = Vec::new();
        for (id, work) in net.works.iter().filter(|(_, w)| matches!(w.closes, Closure::Direction | Closure::Full)) {
            let when: Vec<_> = stretches(work, zone).into_iter().filter(|(from, to)| *to > now && *from < now + AHEAD).collect();
            for (i, line) in lines(&net, work).into_iter().enumerate() {
                for (n, (from, to)) in when.iter().enumerate() {
                    let key = format!("{id}:{i}:{n}");
                    let both = work.closes == Closure::Full;
                    closings.push(Closing { key, line: line.clone(), both, from: Some(*from), to: Some(*to), pass: Vec::new() });
                }
            }
        }
        self.roads.set_closures("works", closings);
    }

    /// Tells the roads how fast segments flow that are measured now.
    pub(crate) fn tell_speeds(&self) {
        let now = self.store.clock().now();
        let Ok(policy) = self.policy(now) else { return };
        let net = self.net();
        let live = self.live();
        let flowing = net.segments.iter().filter(|s| s.active).filter_map(|s| {
            let state = live.now(s, &policy, &self.calendar, now.as_microsecond());
            let kmh = state.speed.filter(|_| !state.estimated)?;
            Some(Flowing { key: s.code.clone(), line: points(&s.line), kmh, until: now + BELIEVED })
        });
        let flowing = flowing.collect();
        drop(live);
        self.roads.set_speeds(flowing);
    }
}
