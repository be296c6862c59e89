//! Routes and how long they take.

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::rank::percentile;
use dothi_kernel::{Caller, Error, Event, Permission, Result, Scope};
use serde::{Deserialize, Serialize};

use crate::baseline::Course;
use crate::model::TravelTime;
use crate::pack::{Policy, RouteDef};
use crate::reckon::{SLOTS, slot};
use crate::{FORM, Traffic, tables};

const ROUTES: usize = 200;
const SEGMENTS: usize = 200;

/// Seconds that a route takes, by hour of the week; none where the hour was not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteUsual {
    /// Median.
    pub usual: Vec<Option<f32>>,
    /// What nine of ten trips stay within.
    pub p90: Vec<Option<f32>>,
}

impl RouteUsual {
    pub(crate) fn of(calendar: &WorkCalendar, course: &Course) -> Self {
        let mut hours: Vec<Vec<f64>> = vec![Vec::new(); SLOTS];
        for (t, seconds) in course {
            hours[slot(calendar, *t).0].push(*seconds);
        }
        hours.iter_mut().for_each(|h| h.sort_by(f64::total_cmp));
        let at = |percent: u32| hours.iter().map(|h| percentile(h, percent).map(|s| s as f32)).collect();
        Self { usual: at(50), p90: at(90) }
    }
}

impl Traffic {
    /// Hands in a route, new or in place of the one with its code. Needs `traffic-manage`. 422 `traffic.route.invalid`.
    pub async fn put_route(&self, caller: &Caller, route: RouteDef) -> Result<()> {
        caller.require(Permission::TrafficManage, Scope::ANY)?;
        let bad = |why: &str| Error::unprocessable("traffic.route.invalid", "The route is not usable.").with("reason", why);
        let known = self.net();
        let route = RouteDef {
            code: FORM.needed(&route.code, 40, "code")?,
            from: FORM.needed(&route.from, 80, "from")?,
            to: FORM.needed(&route.to, 80, "to")?,
            ..route
        };
        if route.segments.is_empty() || route.segments.len() > SEGMENTS {
            return Err(bad("1 to 200 segments"));
        }
        if known.routes.len() >= ROUTES && !known.routes.iter().any(|r| r.code == route.code) {
            return Err(bad("there are as many routes as this installation keeps"));
        }
        let stored = tables::all_segments(&self.store).await?;
        if let Some(code) = route.segments.iter().find(|code| !stored.iter().any(|s| s.code == **code)) {
            return Err(bad("no such segment").with("segment", code));
        }
        let mut tx = self.store.begin(caller).await?;
        tables::put_route(&mut tx, &route).await?;
        tx.audit("traffic.route.put", &format!("route:{}", route.code), &serde_json::json!({})).await?;
        tx.emit(Event::TrafficChanged { what: "route".into() });
        tx.commit().await?;
        self.reload().await
    }

    /// Travel times now, usual, and what nine of ten trips stay within at this hour of the week. Needs `traffic-read`.
    pub async fn travel_times(&self, caller: &Caller) -> Result<Vec<TravelTime>> {
        self.visible(caller)?;
        match self.policy(caller.now) {
            Ok(policy) => self.times(caller, &policy).await,
            Err(_) => Ok(Vec::new()),
        }
    }

    pub(crate) async fn times(&self, caller: &Caller, policy: &Policy) -> Result<Vec<TravelTime>> {
        let usual = tables::route_usuals(&self.store).await?;
        let (net, now) = (self.net(), caller.now.as_microsecond());
        let hour = slot(&self.calendar, now).0;
        let live = self.live();
        let routes = net.routes.iter().map(|route| {
            let (mut seconds, mut metres, mut silent, mut estimated) = (0.0, 0.0, 0, false);
            for code in &route.segments {
                let Some(segment) = net.coded(code) else {
                    silent += 1;
                    continue;
                };
                let state = live.now(segment, policy, &self.calendar, now);
                metres += segment.length_m;
                estimated |= state.estimated;
                match state.travel_s {
                    Some(s) => seconds += s,
                    None => silent += 1,
                }
            }
            let known = usual.get(&route.code);
            let of = |all: &Vec<Option<f32>>| all.get(hour).copied().flatten().map(f64::from);
            TravelTime {
                code: route.code.clone(),
                from: route.from.clone(),
                to: route.to.clone(),
                km: metres / 1_000.0,
                now_s: (silent == 0).then_some(seconds),
                estimated,
                usual_s: known.and_then(|u| of(&u.usual)),
                p90_s: known.and_then(|u| of(&u.p90)),
                silent,
                public: route.public,
            }
        });
        Ok(routes.collect())
    }
}
