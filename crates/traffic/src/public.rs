//! What everybody sees: slow roads, works, closures, travel times. Built from public types in one place; nothing about people is in it.

use std::collections::BTreeSet;
use std::time::Duration;

use dothi_kernel::time::later;
use dothi_kernel::{Caller, Result};
use serde_json::{Value, json};

use crate::Traffic;
use crate::model::{Level, Now, PublicRoad, PublicTraffic, PublicWork, Segment, WorkInput};
use crate::works::goes_on;

/// Slow roads shown.
const SLOW: usize = 100;
/// Works shown.
const WORKS: usize = 200;
/// How far ahead works are told.
const AHEAD: Duration = Duration::from_secs(7 * 86_400);

impl Traffic {
    /// Segments with fresh readings and their present.
    fn known(&self, caller: &Caller) -> Vec<(std::sync::Arc<Segment>, Now)> {
        let (Ok(policy), net) = (self.policy(caller.now), self.net()) else { return Vec::new() };
        let (live, now) = (self.live(), caller.now.as_microsecond());
        let all = net.segments.iter().filter(|s| s.active).map(|s| (s.clone(), live.now(s, &policy, &self.calendar, now)));
        all.filter(|(_, n)| n.level != Level::Unknown).collect()
    }

    fn public_work(&self, work: &WorkInput, caller: &Caller) -> PublicWork {
        let net = self.net();
        let mut roads: Vec<String> = work.segments.iter().filter_map(|c| net.coded(c)).map(|s| s.name.clone()).collect();
        roads.dedup();
        PublicWork {
            kind: work.kind,
            title: work.title.clone(),
            title_en: work.title_en.clone(),
            roads,
            area: self.directory.commune(&work.area).map(|p| p.commune_name),
            from: work.from,
            to: work.to,
            hours: work.hours.clone(),
            closes: work.closes,
            detour: work.detour.clone(),
            unit: self.unit_ref(&work.unit).map(|u| u.name).unwrap_or_default(),
            contact: work.contact.clone(),
            active: goes_on(work, caller.now, self.calendar.zone()),
        }
    }

    /// Whether an incident may be told to everybody: its neighbours or a person bear it out, and nobody called it false.
    async fn told(&self) -> Result<BTreeSet<uuid::Uuid>> {
        let open = crate::tables::open_incidents(&self.store).await?;
        let sure = |i: &&crate::tables::Incident| i.verdict.as_deref() == Some("real") || (i.confirmed && i.verdict.is_none());
        Ok(open.iter().filter(sure).map(|i| i.segment).collect())
    }

    /// What everybody sees.
    pub async fn public(&self, caller: &Caller) -> Result<PublicTraffic> {
        let (known, incidents) = (self.known(caller), self.told().await?);
        let policy = self.policy(caller.now).ok();
        let mut slow: Vec<PublicRoad> = known
            .iter()
            .filter(|(s, n)| n.level > Level::Free || incidents.contains(&s.id))
            .map(|(s, n)| PublicRoad {
                name: s.name.clone(),
                direction: s.direction.clone(),
                level: n.level,
                speed: n.speed.map(f64::round),
                usual: n.usual_speed.map(f64::round),
                estimated: n.estimated,
                incident: incidents.contains(&s.id),
                source: s.source.clone(),
            })
            .collect();
        slow.sort_by(|a, b| b.level.cmp(&a.level).then(a.name.cmp(&b.name)));
        slow.truncate(SLOW);
        let (net, ahead) = (self.net(), later(caller.now, AHEAD));
        let works = net.works.iter().filter(|(_, w)| w.to > caller.now && w.from < ahead).take(WORKS);
        let times = match &policy {
            Some(policy) => self.times(caller, policy).await?.into_iter().filter(|t| t.public).collect(),
            None => Vec::new(),
        };
        let sources: BTreeSet<String> = net.segments.iter().filter(|s| s.active && !s.source.is_empty()).map(|s| s.source.clone()).collect();
        Ok(PublicTraffic {
            at: caller.now,
            known: known.len(),
            slow,
            works: works.map(|(_, w)| self.public_work(w, caller)).collect(),
            times,
            sources: sources.into_iter().collect(),
            marks: policy.map(|p| p.marks).unwrap_or_default(),
        })
    }

    /// The same as GeoJSON: a line for each segment that is known, and for each of the published works.
    pub async fn feed(&self, caller: &Caller) -> Result<Value> {
        let incidents = self.told().await?;
        let mut features: Vec<Value> = self.known(caller).iter().map(|(s, n)| {
            json!({
                "type": "Feature",
                "id": s.code,
                "geometry": { "type": "LineString", "coordinates": s.line },
                "properties": {
                    "kind": "segment", "id": s.code, "name": s.name, "direction": s.direction, "class": s.class, "level": n.level, "speed_kmh": n.speed.map(f64::round),
                    "estimated": n.estimated, "volume_per_hour": n.volume.map(f64::round), "usual_speed_kmh": n.usual_speed.map(f64::round),
                    "incident": incidents.contains(&s.id), "observed_at": n.at, "source": s.source,
                },
            })
        }).collect();
        let (net, ahead) = (self.net(), later(caller.now, AHEAD));
        for (id, work) in net.works.iter().filter(|(_, w)| w.to > caller.now && w.from < ahead).take(WORKS) {
            let own = (work.line.len() >= 2).then(|| work.line.clone());
            let lines: Vec<Vec<[f64; 2]>> = work.segments.iter().filter_map(|c| net.coded(c)).map(|s| s.line.clone()).chain(own).collect();
            let mut properties = json!(self.public_work(work, caller));
            properties["kind"] = json!("works");
            properties["what"] = json!(work.kind);
            let geometry = if lines.is_empty() { Value::Null } else { json!({ "type": "MultiLineString", "coordinates": lines }) };
            features.push(json!({ "type": "Feature", "id": id, "geometry": geometry, "properties": properties }));
        }
        Ok(json!({ "type": "FeatureCollection", "timeStamp": caller.now, "features": features }))
    }

    /// All segments one may see as GeoJSON, with their present: the operator's map. Needs `traffic-read`.
    pub fn map(&self, caller: &Caller) -> Result<Value> {
        let units = self.visible(caller)?;
        let (net, policy) = (self.net(), self.policy(caller.now)?);
        let (live, now) = (self.live(), caller.now.as_microsecond());
        let seen = net.segments.iter().filter(|s| s.active && crate::seen(units.as_ref(), &s.unit));
        let features: Vec<Value> = seen.map(|s| {
            let n = live.now(s, &policy, &self.calendar, now);
            json!({
                "type": "Feature",
                "geometry": { "type": "LineString", "coordinates": s.line },
                "properties": { "id": s.id, "name": s.name, "direction": s.direction, "level": n.level, "incident": n.incident.is_some(), "speed": n.speed.map(f64::round) },
            })
        }).collect();
        Ok(json!({ "type": "FeatureCollection", "features": features }))
    }
}
