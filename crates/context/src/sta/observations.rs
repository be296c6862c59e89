//! Observations out of the history: stretches of one stream in either order, and what is kept beside them.

use std::collections::HashMap;
use std::sync::Arc;

use dothi_kernel::Result;
use dothi_kernel::history::SeriesQuery;

use super::find;
use super::model::{Id, Kind, OF_LOCATION, id_of, instant};
use super::node::{JOIN, Node, Obs, series_of};
use crate::Context;
use crate::model::Entity;
use crate::tables_sta as tables;

/// Points of one read of the history.
pub(crate) const READ: usize = 100_000;

/// A stretch of time of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// From, inclusive.
    pub from: i64,
    /// To, exclusive.
    pub to: i64,
    /// Newest first.
    pub newest: bool,
}

impl Window {
    /// All of it, oldest first.
    pub const ALL: Window = Window { from: i64::MIN, to: i64::MAX, newest: false };

    /// What comes after an observation.
    pub fn beyond(self, t: i64) -> Self {
        if self.newest { Self { to: self.to.min(t), ..self } } else { Self { from: self.from.max(t.saturating_add(1)), ..self } }
    }
}

/// Up to `most` observations of a stream, in the window's order.
pub(crate) async fn read(this: &Context, stream: &Arc<Node>, window: Window, most: usize) -> Result<Vec<Node>> {
    let Some((entity, attribute)) = stream.series() else { return Ok(Vec::new()) };
    let name = stream.id().plain();
    let marks = this.sta.marks(&name);
    let instant_result = marks.instant_result || matches!(**stream, Node::Series(..));
    let (mut window, mut out) = (window, Vec::new());
    while out.len() < most && window.from < window.to {
        let limit = (most - out.len()).min(READ);
        let query =
            SeriesQuery { entity: entity.to_string(), attribute: attribute.to_string(), from: window.from, to: window.to, bucket_s: None, offset_s: 0, limit };
        let mut points = if window.newest { this.history.series(&query).await? } else { this.history.head(&query).await? };
        let (Some(first), Some(last)) = (points.first().map(|p| p.t), points.last().map(|p| p.t)) else { break };
        let mut extras: HashMap<i64, _> = HashMap::new();
        if marks.extras {
            extras.extend(tables::extras(&this.store, &name, first, last).await?);
        }
        let full = points.len() >= limit;
        if window.newest {
            points.reverse();
        }
        window = window.beyond(if window.newest { first } else { last });
        out.extend(points.into_iter().map(|p| {
            let extra = extras.remove(&p.t);
            Node::Observation(Arc::new(Obs { stream: stream.clone(), t: p.t, value: p.value, quality: p.quality, extra, instant_result }))
        }));
        if !full {
            break;
        }
    }
    Ok(out)
}

/// How many observations a stretch of a stream has.
pub(crate) async fn count(this: &Context, stream: &Node, window: Window) -> Result<usize> {
    let Some((entity, attribute)) = stream.series() else { return Ok(0) };
    let query = SeriesQuery {
        entity: entity.to_string(),
        attribute: attribute.to_string(),
        from: window.from,
        to: window.to,
        bucket_s: None,
        offset_s: 0,
        limit: usize::MAX,
    };
    Ok(usize::try_from(this.history.count(&query).await?).unwrap_or(usize::MAX))
}

/// Stream and time behind an observation's id.
pub(crate) fn parts(id: &Id) -> Option<(Id, i64)> {
    let Id::Text(text) = id else { return None };
    let (stream, t) = text.rsplit_once(JOIN)?;
    let time: i64 = t.parse().ok()?;
    (time.to_string() == t).then(|| (Id::of_plain(stream), time))
}

/// One observation.
pub(crate) async fn one(this: &Context, id: &Id, now: i64) -> Result<Option<Node>> {
    let Some((stream, t)) = parts(id) else { return Ok(None) };
    let Some(stream) = find::get(this, Kind::Datastream, &stream, now) else { return Ok(None) };
    let window = Window { from: t, to: t.saturating_add(1), newest: false };
    Ok(read(this, &Arc::new(stream), window, 1).await?.pop())
}

/// Where a Thing was at an instant: the location its newest HistoricalLocation up to then names, else the first one's.
fn location_at(this: &Context, thing: &Entity, t: i64) -> Option<Id> {
    let mut stays: Vec<(i64, Arc<Entity>)> = this
        .live
        .sta(|i| i.linked(&thing.id, "thing", Kind::HistoricalLocation, -1, 10_000))
        .into_iter()
        .filter_map(|e| {
            let time = e.attr(&super::model::attribute("time")).map(super::node::json_of)?;
            Some((instant(time.as_str()?)?, e))
        })
        .collect();
    stays.sort_by_key(|(at, _)| *at);
    let stay = stays.iter().rev().find(|(at, _)| *at <= t).or(stays.first())?;
    super::index::targets(&stay.1, "locations").first().map(|l| id_of(Kind::Location, l))
}

/// The feature of interest that was made from a location.
pub(crate) fn feature_of_location(this: &Context, location: &Id, now: i64) -> Option<Node> {
    match location {
        Id::Text(_) => find::get(this, Kind::FeatureOfInterest, location, now),
        Id::Int(n) => {
            let urn = super::model::urn(Kind::Location, *n);
            let made = this.live.sta(|i| i.linked(&urn, OF_LOCATION, Kind::FeatureOfInterest, -1, 1));
            made.into_iter().next().map(|e| Node::Own(Kind::FeatureOfInterest, e))
        }
    }
}

/// What an observation is about.
pub(crate) fn feature(this: &Context, obs: &Obs, now: i64) -> Option<Node> {
    if let Some(named) = obs.extra.as_ref().and_then(|e| e.feature.as_deref()) {
        return find::get(this, Kind::FeatureOfInterest, &Id::of_plain(named), now);
    }
    match &*obs.stream {
        Node::Series(entity, _) => find::get(this, Kind::FeatureOfInterest, &Id::Text(entity.id.to_string()), now),
        stream => match thing_of(this, stream, now)? {
            Node::Own(_, thing) => feature_of_location(this, &location_at(this, &thing, obs.t)?, now),
            thing => find::get(this, Kind::FeatureOfInterest, &thing.id(), now),
        },
    }
}

/// The Thing of a Datastream.
pub(crate) fn thing_of(this: &Context, stream: &Node, now: i64) -> Option<Node> {
    let nav = Kind::Datastream.nav("Thing")?;
    stream.linked(this, nav, now, 1).pop()
}

/// Streams that may hold observations of a feature of interest.
pub(crate) async fn streams_about(this: &Context, feature: &Node, now: i64) -> Result<Vec<Arc<Node>>> {
    let mut found: Vec<Node> = Vec::new();
    let datastreams = |thing: &Node| {
        let nav = Kind::Thing.nav("Datastreams");
        nav.map(|n| thing.linked(this, n, now, 10_000)).unwrap_or_default()
    };
    match feature {
        Node::City(_, entity) => {
            found.extend(series_of(entity));
            found.extend(datastreams(&Node::City(Kind::Thing, entity.clone())).into_iter().filter(|n| matches!(n, Node::Own(..))));
        }
        Node::Own(_, entity) => {
            for location in super::index::targets(entity, OF_LOCATION) {
                let stays = this.live.sta(|i| i.linked(&location, "locations", Kind::HistoricalLocation, -1, 10_000));
                for stay in stays {
                    for thing in super::index::targets(&stay, "thing") {
                        found.extend(find::get(this, Kind::Thing, &id_of(Kind::Thing, &thing), now).iter().flat_map(&datastreams));
                    }
                }
            }
        }
        _ => {}
    }
    for name in tables::streams_of(&this.store, &feature.id().plain(), 10_000).await? {
        found.extend(find::get(this, Kind::Datastream, &Id::of_plain(&name), now));
    }
    found.sort_by_cached_key(Node::id);
    found.dedup_by_key(|n| n.id());
    Ok(found.into_iter().map(Arc::new).collect())
}

/// Follows a link that goes through the history.
pub(crate) async fn follow(this: &Context, node: &Node, kind: Kind, now: i64, most: usize) -> Result<Vec<Node>> {
    match (node, kind) {
        (Node::Observation(o), Kind::Datastream) => Ok(vec![(*o.stream).clone()]),
        (Node::Observation(o), Kind::FeatureOfInterest) => Ok(feature(this, o, now).into_iter().collect()),
        (stream, Kind::Observation) if stream.kind() == Kind::Datastream => {
            read(this, &Arc::new(stream.clone()), Window { newest: true, ..Window::ALL }, most).await
        }
        (interest, Kind::Observation) => {
            let mut out = Vec::new();
            for stream in streams_about(this, interest, now).await? {
                let read = read(this, &stream, Window { newest: true, ..Window::ALL }, most.saturating_sub(out.len())).await?;
                out.extend(
                    read.into_iter()
                        .filter(|n| if let Node::Observation(o) = n { feature(this, o, now).is_some_and(|f| f.id() == interest.id()) } else { false }),
                );
            }
            Ok(out)
        }
        _ => Ok(Vec::new()),
    }
}
