//! The time chain: how long each part of the way from signal to control took, against targets.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::rank::percentile;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Result, Timestamp};
use jiff::civil::Time;
use uuid::Uuid;

use crate::model::Incident;
use crate::model_ops::{Chain, ChainCell, ChainPart, ChainQuery, ChainRow, Dispatch, ToldWell};
use crate::pack::{INTERVALS, Target};
use crate::roster::date;
use crate::{Incidents, Rules, tables, tables_ops};

/// Incidents that are reckoned.
const MOST: usize = 20_000;
const DAY: i64 = 86_400_000_000;

fn seconds(from: Timestamp, to: Timestamp) -> Option<i64> {
    Some((to.as_microsecond() - from.as_microsecond()) / 1_000_000).filter(|s| *s >= 0)
}

/// Incidents of a group, what was measured by interval, and by how much the travel differed from what was told, by how that was reckoned.
#[derive(Default)]
struct Group {
    ids: BTreeSet<Uuid>,
    values: BTreeMap<&'static str, Vec<i64>>,
    off: BTreeMap<String, Vec<i64>>,
}

/// Seconds from turning out to arriving, as the crew stamped them.
fn travel(dispatch: &Dispatch) -> Option<i64> {
    let at = |name: &str| dispatch.stamps.iter().find(|s| s.stamp == name && !s.typed).map(|s| s.at);
    at("turned-out").zip(at("arrived")).and_then(|(a, b)| seconds(a, b))
}

fn told(off: BTreeMap<String, Vec<i64>>) -> Vec<ToldWell> {
    let median = |mut values: Vec<i64>| {
        values.sort_unstable();
        percentile(&values, 50).unwrap_or(0)
    };
    let one = |(by, off): (String, Vec<i64>)| ToldWell { by, count: off.len(), error_s: median(off.iter().map(|s| s.abs()).collect()), bias_s: median(off) };
    off.into_iter().map(one).collect()
}

/// Every measured part of an incident. Turnout and travel are those of each resource; the others are the incident's.
fn parts(incident: &Incident, sent: &[&Dispatch]) -> Vec<(&'static str, i64)> {
    let mut out = Vec::new();
    let mut put = |name, value: Option<i64>| out.extend(value.map(|v| (name, v)));
    put("answering", seconds(incident.signal_at, incident.opened_at));
    put("dispatching", incident.dispatched_at.and_then(|at| seconds(incident.opened_at, at)));
    for dispatch in sent {
        // A stamp typed at the centre is no measurement.
        let at = |name: &str| dispatch.stamps.iter().find(|s| s.stamp == name && !s.typed).map(|s| s.at);
        put("turnout", at("turned-out").and_then(|t| seconds(dispatch.sent_at, t)));
        put("travel", travel(dispatch));
    }
    put("control", incident.arrived_at.zip(incident.controlled_at).and_then(|(a, b)| seconds(a, b)));
    out
}

fn target<'a>(rules: &'a Rules, interval: &str, kind: Option<&str>) -> Option<&'a Target> {
    let fits = |t: &&Target| t.interval == interval && (t.kinds.is_empty() || kind.is_some_and(|k| t.kinds.iter().any(|x| x == k)));
    // What names the type is nearer than what holds for all.
    rules.pack.target.iter().filter(fits).max_by_key(|t| !t.kinds.is_empty())
}

fn cells(rules: &Rules, kind: Option<&str>, mut values: BTreeMap<&'static str, Vec<i64>>) -> Vec<ChainCell> {
    INTERVALS
        .iter()
        .filter_map(|interval| {
            let mut sorted = values.remove(interval)?;
            sorted.sort_unstable();
            let target = target(rules, interval, kind).cloned();
            Some(ChainCell {
                interval: (*interval).to_string(),
                count: sorted.len(),
                p50: percentile(&sorted, 50).unwrap_or(0),
                p90: percentile(&sorted, 90).unwrap_or(0),
                reached: target.as_ref().map(|t| percentile(&sorted, t.percentile).unwrap_or(0)),
                target,
            })
        })
        .collect()
}

impl Incidents {
    /// Percentiles of the time chain by type or commune. Drills are reckoned apart.
    pub async fn chain(&self, caller: &Caller, query: &ChainQuery) -> Result<Chain> {
        let units = self.visible(caller)?;
        let rules = self.rules();
        let today = self.calendar.zone().to_datetime(caller.now).date();
        let to = query.to.as_deref().map_or(Ok(today), date)?;
        let end = micros(self.instant(to, Time::midnight())?.as_microsecond() + DAY);
        let from_at = match query.from.as_deref() {
            Some(day) => self.instant(date(day)?, Time::midnight())?,
            None => micros(end.as_microsecond() - 30 * DAY),
        };
        let drill = query.drill.unwrap_or(false);
        let incidents = tables::opened_between(&self.store, drill, from_at, end, units.as_ref(), MOST + 1).await?;
        let cut = incidents.len() > MOST;
        let mut sent: BTreeMap<Uuid, Vec<Dispatch>> = BTreeMap::new();
        for dispatch in tables_ops::dispatches_between(&self.store, from_at, MOST * 4).await? {
            sent.entry(dispatch.incident).or_default().push(dispatch);
        }
        let by_area = query.by.as_deref() == Some("area");
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for incident in incidents.iter().take(MOST).filter(|i| !i.merged) {
            let own: Vec<&Dispatch> = sent.get(&incident.id).into_iter().flatten().collect();
            let key = if by_area { incident.place.area.clone().unwrap_or_else(|| "-".into()) } else { incident.kind.clone() };
            for key in [String::new(), key] {
                let group = groups.entry(key).or_default();
                group.ids.insert(incident.id);
                for (name, value) in parts(incident, &own) {
                    group.values.entry(name).or_default().push(value);
                }
                for (sent, took) in own.iter().filter_map(|d| travel(d).map(|t| (d, t))) {
                    if let Some((eta, by)) = sent.eta_s.zip(sent.way_by.clone()) {
                        group.off.entry(by).or_default().push(took - i64::from(eta));
                    }
                }
            }
        }
        let rows = groups.into_iter().map(|(key, Group { ids, values, off })| {
            let kind = rules.pack.kind.iter().find(|k| k.code == key && !by_area);
            let name = if by_area { self.directory.commune(&key).map(|p| p.commune_name) } else { kind.map(|k| k.name.clone()) };
            let name = name.unwrap_or_else(|| key.clone());
            ChainRow {
                name_en: kind.map_or_else(|| name.clone(), |k| k.name_en.clone()),
                name,
                incidents: ids.len(),
                cells: cells(&rules, kind.map(|k| k.code.as_str()), values),
                told: told(off),
                key,
            }
        });
        let first = self.calendar.zone().to_datetime(from_at).date();
        Ok(Chain { from: first.to_string(), to: to.to_string(), drill, cut, rows: rows.collect() })
    }

    /// The time chain of one incident: the first resource's turnout and travel.
    pub(crate) fn chain_of(&self, rules: &Rules, incident: &Incident, sent: &[Dispatch]) -> Vec<ChainPart> {
        let all: Vec<&Dispatch> = sent.iter().collect();
        let measured = parts(incident, &all);
        let part = |interval: &&str| ChainPart {
            interval: (*interval).to_string(),
            seconds: measured.iter().filter(|(name, _)| name == interval).map(|(_, s)| *s).min(),
            target: target(rules, interval, Some(&incident.kind)).cloned(),
        };
        INTERVALS.iter().map(part).collect()
    }
}
