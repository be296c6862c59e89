//! Changes of entities: creation with everything inside (deep insert), update, replacement, deletion with what hangs
//! on it (clause 10). A request is planned whole, checked, and then changed in one batch.

use std::collections::{BTreeSet, HashSet};

use dothi_kernel::{Caller, Error, Kind as ErrorKind, Result};
use serde_json::{Map, Value};

use super::find;
use super::index::targets;
use super::measure::{self, Incoming};
use super::model::{Form, Id, Kind, Link, Nav, OF_LOCATION, PLACE, Span, attribute, id_of, instant, own, time_text, urn, urn_of};
use super::node::Node;
use super::path::missing;
use super::{Numbers, bad};
use crate::Context;
use crate::change::Which;
use crate::model::{AttrKind, DEFAULT_VOCAB, Iri, LOCATION};
use crate::parse::{AttrInput, Draft, Input, Tri};
use crate::writer::{Change, Order};

/// Entities of one request.
const MOST: usize = 10_000;

/// What is to be done.
struct Plan<'a> {
    this: &'a Context,
    numbers: &'a mut Numbers,
    now: i64,
    orders: Vec<Order>,
    made: HashSet<(Kind, i64)>,
    /// Observations inside of Datastreams.
    observations: Vec<(i64, Incoming)>,
}

/// The document of a request.
pub(crate) fn object(body: Value) -> Result<Map<String, Value>> {
    match body {
        Value::Object(map) => Ok(map),
        _ => Err(bad("The body must be a JSON object.")),
    }
}

/// The id of a reference to an entity (`{"@iot.id": 1}`).
pub(crate) fn reference(value: &Value) -> Option<Id> {
    match value {
        Value::Object(map) if map.len() == 1 => map.get("@iot.id").and_then(Id::of_json),
        _ => None,
    }
}

fn checked(kind: Kind, name: &str, form: Form, value: &Value) -> Result<()> {
    let wrong = |what: &str| Err(bad(format!("{}: {name} must be {what}.", kind.name())));
    match (form, value) {
        (Form::Text, Value::String(_)) | (Form::Object, Value::Object(_)) | (Form::Json, _) | (Form::Place, Value::Object(_) | Value::String(_)) => Ok(()),
        (Form::Time, Value::String(t)) if instant(t).is_some() => Ok(()),
        (Form::Span, Value::String(t)) if Span::read(t).is_some() => Ok(()),
        (Form::Text, _) => wrong("a text"),
        (Form::Object, _) => wrong("an object"),
        (Form::Place, _) => wrong("a place"),
        (Form::Time | Form::Span, _) => wrong("a time of ISO 8601"),
    }
}

fn input(kind: AttrKind, value: Value) -> Vec<Input> {
    vec![Input::Attr(Box::new(AttrInput { kind: Some(kind), value: Tri::Set(value), ..AttrInput::default() }))]
}

/// The attribute that keeps a property.
fn kept(name: &str, form: Form, value: &Value) -> (Iri, Vec<Input>) {
    match form {
        Form::Place if name != "observedArea" => match dothi_kernel::geo::Geometry::from_geojson(value) {
            Ok(_) => (LOCATION.into(), input(AttrKind::GeoProperty, value.clone())),
            Err(_) => (PLACE.into(), input(AttrKind::JsonProperty, value.clone())),
        },
        Form::Text | Form::Time | Form::Span => (attribute(name).into(), input(AttrKind::Property, value.clone())),
        _ => (attribute(name).into(), input(AttrKind::JsonProperty, value.clone())),
    }
}

fn link(name: &str, to: &[Iri], many: bool) -> (Iri, Vec<Input>) {
    let value = if many { to.iter().map(|t| Value::from(&**t)).collect() } else { to.first().map_or(Value::Null, |t| Value::from(&**t)) };
    (attribute(name).into(), input(AttrKind::Relationship, value))
}

fn draft(kind: Kind, n: i64, attrs: Vec<(Iri, Vec<Input>)>) -> Draft {
    Draft { id: Some(urn(kind, n)), types: vec![format!("{DEFAULT_VOCAB}{}", kind.name()).into()], attrs, ..Draft::default() }
}

/// Words that a body may hold beside properties and links.
fn is_control(name: &str) -> bool {
    name.starts_with('@') || name.contains("@iot.")
}

impl Plan<'_> {
    fn room(&self) -> Result<()> {
        if self.orders.len() + self.observations.len() < MOST { Ok(()) } else { Err(bad("One request may create at most 10,000 entities.")) }
    }

    fn found(&self, kind: Kind, id: &Id) -> Result<Iri> {
        let planned = matches!(id, Id::Int(n) if self.made.contains(&(kind, *n)));
        if planned || find::get(self.this, kind, id, self.now).is_some() {
            return Ok(urn_of(kind, id));
        }
        Err(bad(format!("There is no {} with the id {}.", kind.name(), crate::fault::cut(&id.key()))))
    }

    /// Targets of an outgoing link: references, or entities to be made.
    fn outgoing(&mut self, nav: &Nav, value: Value) -> Result<Vec<Iri>> {
        let items = match value {
            Value::Array(items) if nav.many => items,
            one @ Value::Object(_) => vec![one],
            _ => return Err(bad(format!("{} must be an entity or a reference to one.", nav.name))),
        };
        let mut to = Vec::with_capacity(items.len());
        for item in items {
            to.push(match reference(&item) {
                Some(id) => self.found(nav.kind, &id)?,
                None => urn(nav.kind, self.add(nav.kind, object(item)?, &[])?),
            });
        }
        Ok(to)
    }

    fn stay(&mut self, thing: &Iri, locations: &[Iri]) {
        let n = self.numbers.take(Kind::HistoricalLocation);
        let time = Value::from(time_text(self.now));
        let attrs = vec![
            (attribute("time").into(), input(AttrKind::Property, time)),
            link("thing", std::slice::from_ref(thing), false),
            link("locations", locations, true),
        ];
        let draft = draft(Kind::HistoricalLocation, n, attrs);
        self.orders.push(Order { id: urn(Kind::HistoricalLocation, n), only: None, change: Change::Create(draft) });
    }

    fn set(&mut self, id: Iri, attrs: Vec<(Iri, Vec<Input>)>) {
        self.orders.push(Order { id, only: None, change: Change::Append { draft: Draft { attrs, ..Draft::default() }, keep: false } });
    }

    /// Plans an entity; its number. `given` are links that the place of the request fixes.
    fn add(&mut self, kind: Kind, mut body: Map<String, Value>, given: &[(&'static str, Iri)]) -> Result<i64> {
        self.room()?;
        if kind == Kind::Observation {
            return Err(bad("Observations can be inside of a Datastream only."));
        }
        let n = self.numbers.take(kind);
        self.made.insert((kind, n));
        let me = urn(kind, n);
        let mut attrs = Vec::new();
        for prop in kind.props() {
            match body.shift_remove(prop.name).filter(|v| !v.is_null()) {
                Some(value) => {
                    checked(kind, prop.name, prop.form, &value)?;
                    attrs.push(kept(prop.name, prop.form, &value));
                }
                None if prop.required => {
                    return Err(bad(format!("{}: {} is missing.", kind.name(), prop.name)));
                }
                None => {}
            }
        }
        let (mut inside, mut stays) = (Vec::new(), Vec::new());
        for nav in kind.navs() {
            let fixed: Vec<Iri> = given.iter().filter(|(l, _)| nav.link == Link::Out(l)).map(|(_, t)| t.clone()).collect();
            let value = body.shift_remove(nav.name).filter(|v| !v.is_null());
            match (nav.link, value) {
                (Link::Out(name), value) => {
                    let to = match value {
                        Some(value) if fixed.is_empty() => self.outgoing(nav, value)?,
                        _ => fixed,
                    };
                    if to.is_empty() && (!nav.many || kind == Kind::HistoricalLocation) {
                        return Err(bad(format!("{}: {} is missing.", kind.name(), nav.name)));
                    }
                    if !to.is_empty() {
                        attrs.push(link(name, &to, nav.many));
                    }
                    if kind == Kind::Thing {
                        stays = to;
                    }
                }
                (_, Some(value)) => inside.push((nav, value)),
                (_, None) => {}
            }
        }
        if let Some((unknown, _)) = body.iter().find(|(name, _)| !is_control(name)) {
            return Err(bad(format!("{} has no property {:?}.", kind.name(), crate::fault::cut(unknown))));
        }
        self.orders.push(Order { id: me.clone(), only: None, change: Change::Create(draft(kind, n, attrs)) });
        if !stays.is_empty() {
            self.stay(&me, &stays);
        }
        for (nav, value) in inside {
            self.inside(&me, n, nav, value)?;
        }
        Ok(n)
    }

    /// Entities that are linked to the one being made.
    fn inside(&mut self, me: &Iri, n: i64, nav: &Nav, value: Value) -> Result<()> {
        let Value::Array(items) = value else { return Err(bad(format!("{} must be a list.", nav.name))) };
        for item in items {
            match nav.link {
                Link::Back(back) => match reference(&item) {
                    None => drop(self.add(nav.kind, object(item)?, &[(back, me.clone())])?),
                    Some(Id::Int(other)) => {
                        let target = self.found(nav.kind, &Id::Int(other))?;
                        let many = nav.kind.navs().iter().any(|x| x.link == Link::Out(back) && x.many);
                        self.set(target.clone(), vec![link(back, std::slice::from_ref(me), many)]);
                        if nav.kind == Kind::Thing {
                            self.stay(&target, std::slice::from_ref(me));
                        }
                    }
                    Some(_) => return Err(belongs()),
                },
                _ => {
                    self.room()?;
                    let incoming = Incoming::read(self.this, object(item)?, self.now)?;
                    self.observations.push((n, incoming));
                }
            }
        }
        Ok(())
    }
}

fn belongs() -> Error {
    Error::new(ErrorKind::Method, "sta.city-model", "This entity comes from the city model; change it there (NGSI-LD).")
}

async fn run(this: &Context, caller: &Caller, orders: Vec<Order>) -> Result<()> {
    for result in this.change(caller, orders).await? {
        result?;
    }
    Ok(())
}

/// Creates an entity with everything inside; its id.
pub(crate) async fn create(this: &Context, caller: &Caller, kind: Kind, body: Map<String, Value>, parent: Option<(&Node, &Nav)>) -> Result<Id> {
    let mut given = Vec::new();
    let mut joins = None;
    if let Some((node, nav)) = parent {
        match nav.link {
            Link::Back(link) => given.push((link, node.urn())),
            Link::Out(_) if matches!(node, Node::Own(Kind::Thing, _)) => joins = Some(node.urn()),
            _ => return Err(Error::new(ErrorKind::Method, "sta.method", "Nothing can be created here.")),
        }
    }
    let mut numbers = this.sta.numbers.lock().await;
    let mut plan = Plan { this, numbers: &mut numbers, now: caller.now.as_microsecond(), orders: Vec::new(), made: HashSet::new(), observations: Vec::new() };
    let n = plan.add(kind, body, &given)?;
    if let Some(thing) = joins {
        let to = [urn(kind, n)];
        plan.set(thing.clone(), vec![link("locations", &to, true)]);
        plan.stay(&thing, &to);
    }
    let Plan { orders, observations, .. } = plan;
    numbers.secure(&this.store, caller).await?;
    run(this, caller, orders).await?;
    drop(numbers);
    let mut streams: Vec<(i64, Vec<Incoming>)> = Vec::new();
    for (stream, incoming) in observations {
        match streams.iter_mut().find(|(s, _)| *s == stream) {
            Some((_, list)) => list.push(incoming),
            None => streams.push((stream, vec![incoming])),
        }
    }
    for (stream, list) in streams {
        let node = find::get(this, Kind::Datastream, &Id::Int(stream), caller.now.as_microsecond()).ok_or_else(|| missing("The Datastream is gone."))?;
        measure::store(this, caller, &node, list).await?;
    }
    Ok(Id::Int(n))
}

/// Makes a feature of interest of a Thing's location, unless there is one.
pub(crate) async fn feature_for(this: &Context, caller: &Caller, stream: &Node) -> Result<()> {
    let now = caller.now.as_microsecond();
    let location = |this: &Context| match super::observations::thing_of(this, stream, now) {
        Some(Node::Own(_, thing)) => targets(&thing, "locations").into_iter().find(|l| own(l).is_some()),
        _ => None,
    };
    let lacks = |this: &Context, l: &Iri| super::observations::feature_of_location(this, &id_of(Kind::Location, l), now).is_none();
    if location(this).is_none_or(|l| !lacks(this, &l)) {
        return Ok(());
    }
    let mut numbers = this.sta.numbers.lock().await;
    // Looked at again: another may have made it meanwhile.
    let Some(at) = location(this).filter(|l| lacks(this, l)) else { return Ok(()) };
    let Some(node) = find::get(this, Kind::Location, &id_of(Kind::Location, &at), now) else { return Ok(()) };
    let n = numbers.take(Kind::FeatureOfInterest);
    let mut attrs = vec![link(OF_LOCATION, &[at], false)];
    for (name, from, form) in [
        ("name", "name", Form::Text),
        ("description", "description", Form::Text),
        ("encodingType", "encodingType", Form::Text),
        ("feature", "location", Form::Place),
    ] {
        attrs.extend(node.prop(this, from).map(|value| kept(name, form, &value)));
    }
    numbers.secure(&this.store, caller).await?;
    let order = Order { id: urn(Kind::FeatureOfInterest, n), only: None, change: Change::Create(draft(Kind::FeatureOfInterest, n, attrs)) };
    run(this, caller, vec![order]).await
}

/// Changes an entity: the properties given (PATCH), or all of them (PUT).
pub(crate) async fn update(this: &Context, caller: &Caller, node: &Node, mut body: Map<String, Value>, all: bool) -> Result<()> {
    let Node::Own(kind, entity) = node else { return Err(belongs()) };
    let mut numbers = this.sta.numbers.lock().await;
    let mut plan = Plan { this, numbers: &mut numbers, now: caller.now.as_microsecond(), orders: Vec::new(), made: HashSet::new(), observations: Vec::new() };
    let (mut attrs, mut gone): (Vec<_>, Vec<Iri>) = (Vec::new(), Vec::new());
    for prop in kind.props() {
        let names: Vec<Iri> = match prop.form {
            Form::Place if prop.name != "observedArea" => vec![LOCATION.into(), PLACE.into()],
            _ => vec![attribute(prop.name).into()],
        };
        match body.shift_remove(prop.name) {
            None if !all => {}
            None | Some(Value::Null) if prop.required => return Err(bad(format!("{}: {} cannot be left out.", kind.name(), prop.name))),
            None | Some(Value::Null) => gone.extend(names),
            Some(value) => {
                checked(*kind, prop.name, prop.form, &value)?;
                let (name, input) = kept(prop.name, prop.form, &value);
                gone.extend(names.into_iter().filter(|n| *n != name));
                attrs.push((name, input));
            }
        }
    }
    let mut moved = None;
    for nav in kind.navs() {
        let Some(value) = body.shift_remove(nav.name) else { continue };
        let Link::Out(name) = nav.link else { return Err(bad(format!("{} cannot be set here.", nav.name))) };
        let items = if let Value::Array(items) = value { items } else { vec![value] };
        let ids: Option<Vec<Id>> = items.iter().map(reference).collect();
        let ids = ids.ok_or_else(|| bad(format!("{}: an update takes references only ({{\"@iot.id\": …}}).", nav.name)))?;
        if !nav.many && ids.len() != 1 {
            return Err(bad(format!("{} must be one entity.", nav.name)));
        }
        let to = ids.iter().map(|id| plan.found(nav.kind, id)).collect::<Result<Vec<_>>>()?;
        if to.is_empty() {
            gone.push(attribute(name).into());
        } else {
            attrs.push(link(name, &to, nav.many));
            moved = (*kind == Kind::Thing).then_some(to);
        }
    }
    if let Some((unknown, _)) = body.iter().find(|(name, _)| !is_control(name)) {
        return Err(bad(format!("{} has no property {:?}.", kind.name(), crate::fault::cut(unknown))));
    }
    if !attrs.is_empty() {
        plan.set(entity.id.clone(), attrs);
    }
    for name in gone.into_iter().filter(|n| crate::model::find(&entity.attrs, n).is_some()) {
        plan.orders.push(Order { id: entity.id.clone(), only: None, change: Change::DeleteAttr(name, Which::All) });
    }
    if let Some(to) = moved {
        plan.stay(&entity.id, &to);
    }
    let orders = plan.orders;
    numbers.secure(&this.store, caller).await?;
    run(this, caller, orders).await
}

/// Deletes an entity with what cannot be without it (table 25).
pub(crate) async fn delete(this: &Context, caller: &Caller, node: &Node) -> Result<()> {
    let Node::Own(kind, entity) = node else { return Err(belongs()) };
    if *kind == Kind::FeatureOfInterest {
        measure::forget_about(this, caller, node).await?;
    }
    let numbers = this.sta.numbers.lock().await;
    let (mut doomed, mut orders) = (BTreeSet::from([entity.id.clone()]), Vec::new());
    let mut also = |link: &'static str, of: Kind| {
        let found = this.live.sta(|i| i.linked(&entity.id, link, of, -1, usize::MAX));
        doomed.extend(found.iter().map(|e| e.id.clone()));
    };
    match kind {
        Kind::Thing => {
            also("thing", Kind::Datastream);
            also("thing", Kind::HistoricalLocation);
        }
        Kind::Location => {
            also("locations", Kind::HistoricalLocation);
            for thing in this.live.sta(|i| i.linked(&entity.id, "locations", Kind::Thing, -1, usize::MAX)) {
                let left: Vec<Iri> = targets(&thing, "locations").into_iter().filter(|l| *l != entity.id).collect();
                let change = if left.is_empty() {
                    Change::DeleteAttr(attribute("locations").into(), Which::All)
                } else {
                    Change::Append { draft: Draft { attrs: vec![link("locations", &left, true)], ..Draft::default() }, keep: false }
                };
                orders.push(Order { id: thing.id.clone(), only: None, change });
            }
        }
        Kind::Sensor => also("sensor", Kind::Datastream),
        Kind::ObservedProperty => also("observedProperty", Kind::Datastream),
        _ => {}
    }
    let streams: Vec<String> = doomed.iter().filter_map(|u| own(u)).filter(|(k, _)| *k == Kind::Datastream).map(|(_, n)| n.to_string()).collect();
    orders.extend(doomed.into_iter().map(|id| Order { id, only: None, change: Change::Delete }));
    for orders in orders.chunks(1_000) {
        run(this, caller, orders.to_vec()).await?;
    }
    drop(numbers);
    measure::forget_streams(this, caller, &streams).await
}
