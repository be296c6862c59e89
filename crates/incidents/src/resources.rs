//! Vehicles and teams: where they are, who is nearest, sending them, and the stamps of their crews.

use std::collections::BTreeSet;

use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Error, Event, Permission, Result, Scope, Timestamp};
use dothi_store::Tx;
use serde_json::json;
use uuid::Uuid;

use crate::model::{By, Incident, IncidentView};
use crate::model_ops::{Dispatch, NearResource, Resource, ResourceInput, SendInput, Stamp, StampInput};
use crate::pack::{Policy, STAMPS, is_code};
use crate::{Incidents, Rules, maybe, require_any, tables, tables_ops, unknown, words};

/// Most people of a crew.
const CREW: usize = 50;
/// Sent to one incident at once.
const SENT: usize = 200;

/// A guess of the way where no road graph knows it: a straight line times the pack's factor, at the speed of the kind of resource.
fn guess(rules: &Rules, policy: &Policy, kind: &str, from: Point, to: Point) -> Guess {
    let metres = (from.distance(to) * policy.road_factor).round();
    let speed = rules.pack.resource_kind.iter().find(|k| k.code == kind).map(|k| k.speed_kmh / 3.6);
    let seconds = speed.map(|s| metres / s).filter(|s| s.is_finite() && *s < 86_400.0).map(|s| s.round() as u32);
    Guess { metres, seconds, by: "straight-line-times-factor".into() }
}

/// How far it is, how long it takes, and how that was reckoned.
struct Guess {
    metres: f64,
    seconds: Option<u32>,
    by: String,
}

impl Incidents {
    /// The ways of resources to a place, in their order: by road where the graph of roads knows one, by a guess elsewhere. None without a
    /// position. A search that fails is no reason to keep anybody waiting: then it is the guess.
    async fn ways(&self, rules: &Rules, resources: &[(&str, Option<Point>)], to: Option<Point>, at: Timestamp) -> Result<Vec<Option<Guess>>> {
        let policy = rules.policy()?;
        let Some(to) = to else { return Ok(resources.iter().map(|_| None).collect()) };
        let mut found: Vec<Option<Guess>> = resources.iter().map(|(kind, from)| from.map(|from| guess(rules, policy, kind, from, to))).collect();
        let Some(roads) = &self.roads else { return Ok(found) };
        let kinds: BTreeSet<&str> = resources.iter().filter(|(_, from)| from.is_some()).map(|(kind, _)| *kind).collect();
        for kind in kinds {
            let (places, from): (Vec<usize>, Vec<Point>) =
                resources.iter().enumerate().filter(|(_, (k, _))| *k == kind).filter_map(|(i, (_, from))| from.map(|f| (i, f))).unzip();
            let ways = match roads.ways(kind, &from, to, at).await {
                Ok(ways) => ways,
                Err(e) => {
                    tracing::warn!(error = %e, kind, "no way by road was found in time");
                    continue;
                }
            };
            for (i, way) in places.into_iter().zip(ways) {
                if let Some(way) = way {
                    found[i] = Some(Guess { metres: way.metres.round(), seconds: Some(way.seconds), by: way.by });
                }
            }
        }
        Ok(found)
    }

    /// All resources one may see, by call sign, at most 1,000.
    pub async fn resources(&self, caller: &Caller) -> Result<Vec<Resource>> {
        let units = self.visible(caller)?;
        tables_ops::resources(&self.store, units.as_ref()).await
    }

    /// Resources by their way to an incident, the free and nearest first.
    pub async fn nearest(&self, caller: &Caller, id: Uuid, kind: Option<&str>) -> Result<Vec<NearResource>> {
        let incident = self.readable(caller, id).await?;
        let rules = self.rules();
        let all: Vec<Resource> = self.resources(caller).await?.into_iter().filter(|r| kind.is_none_or(|k| r.kind == k)).collect();
        let places: Vec<(&str, Option<Point>)> = all.iter().map(|r| (r.kind.as_str(), r.point)).collect();
        let ways = self.ways(&rules, &places, incident.place.point, caller.now).await?;
        let mut near: Vec<NearResource> = all
            .into_iter()
            .zip(ways)
            .map(|(resource, way)| NearResource {
                metres: way.as_ref().map(|w| w.metres),
                seconds: way.as_ref().and_then(|w| w.seconds),
                by: way.map_or_else(|| "unknown".to_string(), |w| w.by),
                resource,
            })
            .collect();
        let rank = |r: &NearResource| (r.resource.state != "free", r.metres.is_none());
        near.sort_by(|a, b| {
            let way = a.seconds.unwrap_or(u32::MAX).cmp(&b.seconds.unwrap_or(u32::MAX));
            rank(a).cmp(&rank(b)).then(way).then_with(|| a.resource.code.cmp(&b.resource.code))
        });
        Ok(near)
    }

    /// Makes or changes a resource. Needs `incident-handle` over its unit.
    pub async fn put_resource(&self, caller: &Caller, id: Option<Uuid>, input: ResourceInput) -> Result<Resource> {
        let unit = self.unit(&input.unit)?;
        caller.require(Permission::IncidentHandle, Scope::unit(&unit.id))?;
        let rules = self.rules();
        let (code, name) = (words(&input.code, "code", 40)?, words(&input.name, "name", 120)?);
        if !is_code(&code.to_lowercase().replace([' ', '.', '_', '/'], "-")) || !rules.pack.resource_kind.iter().any(|k| k.code == input.kind) {
            return Err(Error::unprocessable("incidents.resource.invalid", "The call sign or the kind is not usable."));
        }
        if input.crew.len() > CREW {
            return Err(Error::invalid("incidents.resource.crew", "A crew is not that large.").with("limit", CREW));
        }
        let point = match (input.lon, input.lat) {
            (Some(lon), Some(lat)) => Some(Point::new(lon, lat)?),
            _ => None,
        };
        let crews = self.staff.holders(Permission::DispatchDo, &unit.id).await?;
        if input.crew.iter().any(|p| !crews.iter().any(|c| c.id == *p)) {
            return Err(Error::unprocessable("incidents.person", "This person has not the role for it here."));
        }
        let mut tx = self.store.begin(caller).await?;
        let state = if input.off { "off" } else { "free" }.to_string();
        let resource = match id {
            None => {
                let fresh = Resource {
                    id: tx.id(),
                    code,
                    name,
                    kind: input.kind,
                    unit,
                    point_at: point.map(|_| caller.now),
                    point,
                    state,
                    dispatch: None,
                    incident_code: None,
                    drill: false,
                    crew: input.crew,
                    version: 1,
                };
                tables_ops::insert_resource(&mut tx, &fresh).await?;
                fresh
            }
            Some(id) => {
                let mut old = tables_ops::resource_in(&mut tx, id).await?;
                caller.require(Permission::IncidentHandle, Scope::unit(&old.unit.id))?;
                if old.dispatch.is_none() {
                    old.state = state;
                } else if input.off {
                    return Err(Error::conflict("incidents.resource.busy", "It is under way."));
                }
                (old.code, old.name, old.kind, old.unit, old.crew) = (code, name, input.kind, unit, input.crew);
                if let Some(point) = point {
                    (old.point, old.point_at) = (Some(point), Some(caller.now));
                }
                tables_ops::update_resource(&mut tx, &mut old).await?;
                old
            }
        };
        tx.audit("incidents.resource", &format!("resource:{}", resource.id), &json!({ "code": resource.code, "state": resource.state })).await?;
        tx.emit(Event::OperationsChanged { what: "resource".into() });
        tx.commit().await?;
        Ok(resource)
    }

    /// People who can stamp for a unit's resources.
    pub async fn crew_people(&self, caller: &Caller, unit: &str) -> Result<Vec<dothi_kernel::PersonRef>> {
        caller.require(Permission::IncidentHandle, Scope::unit(unit))?;
        self.staff.holders(Permission::DispatchDo, unit).await
    }

    /// Sends a free resource to an incident. Needs `incident-handle` over the incident's unit; the resource may be any unit's that the
    /// caller sees. 409 `incidents.resource.busy`.
    pub async fn send(&self, caller: &Caller, id: Uuid, input: SendInput) -> Result<IncidentView> {
        let rules = self.rules();
        let note = maybe(input.note.as_deref(), "note", 1_000)?;
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        // The way is searched before the change begins: a search has no place inside one.
        let to = tables::get(&self.store, id).await?.and_then(|i| i.place.point);
        let going = tables_ops::resource(&self.store, input.resource).await?;
        let way = self.ways(&rules, &[(going.kind.as_str(), going.point)], to, caller.now).await?.pop().flatten();
        let mut tx = self.store.begin(caller).await?;
        let mut incident = self.workable(&mut tx, caller, id, None).await?;
        let mut resource = tables_ops::resource_in(&mut tx, input.resource).await?;
        caller.require(Permission::IncidentRead, Scope::unit(&resource.unit.id))?;
        if resource.state != "free" {
            return Err(Error::conflict("incidents.resource.busy", "It is under way or out of service.").with("code", &resource.code));
        }
        if tables_ops::dispatches_in(&mut tx, id).await?.len() >= SENT {
            return Err(Error::conflict("incidents.dispatch.full", "Too many were sent already.").with("limit", SENT));
        }
        let place = [incident.place.address.as_deref(), incident.place.area_name.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let sent = Dispatch {
            id: tx.id(),
            incident: id,
            incident_code: incident.code.clone(),
            incident_title: incident.title.clone(),
            point: incident.place.point,
            place,
            drill: incident.drill,
            kind: incident.kind.clone(),
            resource: resource.id,
            resource_code: resource.code.clone(),
            resource_name: resource.name.clone(),
            unit: resource.unit.clone(),
            state: "sent".into(),
            sent_at: caller.now,
            sent_by: By::of(caller),
            note,
            metres: way.as_ref().map(|w| w.metres),
            eta_s: way.as_ref().and_then(|w| w.seconds),
            way_by: way.map(|w| w.by),
            stamps: Vec::new(),
            ended: false,
            version: 1,
        };
        tables_ops::insert_dispatch(&mut tx, &sent).await?;
        tables::party(&mut tx, id, &resource.unit.id).await?;
        (resource.state, resource.dispatch, resource.drill) = ("busy".into(), Some(sent.id), incident.drill);
        resource.incident_code = Some(incident.code.clone());
        tables_ops::update_resource(&mut tx, &mut resource).await?;
        let facts =
            json!({ "dispatch": sent.id, "resource": sent.resource_code, "metres": sent.metres, "seconds": sent.eta_s, "by": sent.way_by, "what": "sent" });
        tables::log(&mut tx, id, &By::of(caller), "dispatch", &format!("{} {}", sent.resource_code, sent.resource_name), &facts).await?;
        if incident.dispatched_at.is_none() {
            incident.dispatched_at = Some(caller.now);
            self.advance(&mut tx, &rules, &mut incident, "dispatched").await?;
        }
        self.told(&mut tx, &incident, "dispatch");
        tables::update(&mut tx, &mut incident).await?;
        tx.commit().await?;
        self.incident(caller, id).await
    }

    /// Makes the move that the pack ties to a stamp, when the state allows it.
    async fn advance(&self, tx: &mut Tx, rules: &Rules, incident: &mut Incident, stamp: &str) -> Result<()> {
        let Some(step) = rules.policy()?.advance.get(stamp) else { return Ok(()) };
        match rules.flow()?.moves.get(step) {
            Some(m) if m.from.contains(&incident.state) => self.go_on(tx, rules, incident, step, json!({ "stamp": stamp })).await,
            _ => Ok(()),
        }
    }

    /// What the caller is sent to: dispatches of the resources whose crew they belong to.
    pub async fn my_dispatches(&self, caller: &Caller) -> Result<Vec<Dispatch>> {
        require_any(caller, &[Permission::DispatchDo, Permission::IncidentHandle])?;
        tables_ops::dispatches_of(&self.store, caller.person()?).await
    }

    /// A tap of the crew, or the centre's word for it (kept as typed). Stamps go forward only; the same again changes nothing, and what
    /// was passed over stays without an instant. A tap without a network carries the instant at which it was made.
    /// 404 for others, 409 `incidents.stamp.order`.
    pub async fn stamp(&self, caller: &Caller, id: Uuid, stamp: &str, input: StampInput, key: Option<&str>) -> Result<Dispatch> {
        require_any(caller, &[Permission::DispatchDo, Permission::IncidentHandle])?;
        let me = caller.person()?;
        let Some(rank) = STAMPS.iter().position(|s| *s == stamp) else { return Err(unknown()) };
        let point = match (input.lon, input.lat) {
            (Some(lon), Some(lat)) => Some(Point::new(lon, lat)?),
            _ => None,
        };
        let rules = self.rules();
        let mut tx = self.store.begin(caller).await?;
        let mut sent = tables_ops::dispatch_in(&mut tx, id).await?;
        let mut resource = tables_ops::resource_in(&mut tx, sent.resource).await?;
        let mut incident = tables::get_in(&mut tx, sent.incident).await?;
        let crew = resource.crew.contains(&me);
        if !crew && !caller.may(Permission::IncidentHandle, Scope::unit(&incident.unit.id)) {
            return Err(unknown());
        }
        if let Some(key) = key.filter(|k| !k.is_empty() && k.len() <= 100)
            && tx.once(&format!("incidents.stamp:{me}"), key, stamp).await?.is_some()
        {
            return Ok(sent);
        }
        if sent.stamps.iter().any(|s| s.stamp == stamp) {
            tx.commit().await?;
            return Ok(sent);
        }
        let last = sent.stamps.last().and_then(|s| STAMPS.iter().position(|x| *x == s.stamp));
        if sent.ended || last.is_some_and(|l| l > rank) {
            return Err(Error::conflict("incidents.stamp.order", "A later stamp is there already, or the dispatch is over.").with("state", &sent.state));
        }
        let earliest = sent.stamps.last().map_or(sent.sent_at, |s| s.at);
        let at = input.at.unwrap_or(caller.now).clamp(earliest.min(caller.now), caller.now);
        sent.stamps.push(Stamp { stamp: stamp.into(), at, received_at: caller.now, by: By::of(caller), typed: !crew, point });
        sent.state = stamp.to_string();
        sent.ended = stamp == "free";
        tables_ops::update_dispatch(&mut tx, &mut sent).await?;
        if let Some(point) = point.filter(|_| crew && resource.point_at.is_none_or(|p| p <= at)) {
            (resource.point, resource.point_at) = (Some(point), Some(at));
        }
        if sent.ended && resource.dispatch == Some(id) {
            (resource.state, resource.dispatch, resource.incident_code, resource.drill) = ("free".into(), None, None, false);
        }
        tables_ops::update_resource(&mut tx, &mut resource).await?;
        let facts = json!({ "dispatch": id, "resource": sent.resource_code, "what": stamp, "at": at, "typed": !crew });
        tables::log(&mut tx, incident.id, &By::of(caller), "dispatch", &format!("{} {}", sent.resource_code, sent.resource_name), &facts).await?;
        if !incident.ended {
            match stamp {
                "arrived" if incident.arrived_at.is_none() => incident.arrived_at = Some(at),
                "under-control" if incident.controlled_at.is_none() => incident.controlled_at = Some(at),
                _ => {}
            }
            self.advance(&mut tx, &rules, &mut incident, stamp).await?;
            tables::update(&mut tx, &mut incident).await?;
        }
        self.told(&mut tx, &incident, "dispatch");
        tx.commit().await?;
        Ok(sent)
    }

    /// Frees a resource whose dispatch ended with its incident.
    pub(crate) async fn release(&self, tx: &mut Tx, resource: Uuid, dispatch: Uuid) -> Result<()> {
        let mut resource = tables_ops::resource_in(tx, resource).await?;
        if resource.dispatch == Some(dispatch) {
            (resource.state, resource.dispatch, resource.incident_code, resource.drill) = ("free".into(), None, None, false);
            tables_ops::update_resource(tx, &mut resource).await?;
        }
        Ok(())
    }
}
