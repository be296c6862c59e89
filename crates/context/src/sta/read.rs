//! Pages of sets: which entities, in which order, and where the next page begins. What is not ordered goes by id from
//! a mark, so that a page costs what it holds; what is ordered is gathered within bounds and sorted.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dothi_kernel::{Caller, Result};
use futures::future::BoxFuture;

use super::eval::{self, Lit};
use super::filter::{Expr, Op, Path, bad};
use super::find::{self, Source};
use super::model::{Id, Kind, Link, Nav};
use super::node::Node;
use super::observations::{self, Window};
use super::options::Options;
use crate::Context;

/// Entities that are gathered to be sorted.
const SORTED: usize = 200_000;
/// Streams that are read side by side to be put in one order.
const STREAMS: usize = 2_000;
/// Entities behind one link that a filter looks at.
const BEHIND: usize = 1_000;
/// Entities looked at under one lock.
const CHUNK: usize = 512;
/// Longest search.
const PATIENCE: Duration = Duration::from_secs(15);

/// One request's reading.
pub(crate) struct Reader<'a> {
    pub this: &'a Context,
    pub now: i64,
    /// Address of the service, without a slash at its end.
    pub base: String,
    begun: Instant,
    /// Entities written so far.
    pub(super) written: std::sync::atomic::AtomicUsize,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub nodes: Vec<Node>,
    pub count: Option<usize>,
    pub next: Option<Next>,
}

/// How the next page is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Token(String),
    Skip(usize),
}

/// A set of entities.
#[derive(Debug, Clone)]
pub(crate) enum Set {
    /// Of any kind but observations.
    Plain(Source),
    /// Observations of these streams, or of all.
    Observations {
        streams: Option<Vec<Arc<Node>>>,
        /// Only those about this.
        feature: Option<Id>,
    },
}

impl<'a> Reader<'a> {
    pub fn new(this: &'a Context, caller: &Caller, base: &str) -> Self {
        Self { this, now: caller.now.as_microsecond(), base: base.to_string(), begun: Instant::now(), written: Default::default() }
    }

    fn patient(&self) -> Result<()> {
        if self.begun.elapsed() > PATIENCE { Err(bad("The query takes too long; narrow it down.")) } else { Ok(()) }
    }

    /// The set a link leads to.
    pub async fn behind(&self, node: &Node, nav: &'static Nav) -> Result<Set> {
        if nav.link != Link::History || nav.kind != Kind::Observation {
            return Ok(Set::Plain(Source { kind: nav.kind, of: Some((node.clone(), nav)) }));
        }
        if node.kind() == Kind::Datastream {
            return Ok(Set::Observations { streams: Some(vec![Arc::new(node.clone())]), feature: None });
        }
        let streams = observations::streams_about(self.this, node, self.now).await?;
        Ok(Set::Observations { streams: Some(streams), feature: Some(node.id()) })
    }

    /// The entities a link leads to, up to a bound.
    pub async fn follow(&self, node: &Node, nav: &'static Nav, most: usize) -> Result<Vec<Node>> {
        if nav.link == Link::History {
            return observations::follow(self.this, node, nav.kind, self.now, most).await;
        }
        if let Node::Quantity(_) = node {
            let mut found = Source { kind: nav.kind, of: Some((node.clone(), nav)) }.after(self.this, None, self.now, most);
            found.truncate(most);
            return Ok(found);
        }
        Ok(node.linked(self.this, nav, self.now, most))
    }

    async fn value(&self, node: &Node, path: &Path) -> Result<Lit> {
        let (mut nodes, mut many) = (vec![node.clone()], false);
        for step in &path.navs {
            let mut next = Vec::new();
            for node in &nodes {
                let Some(nav) = node.kind().nav(step) else { continue };
                many |= nav.many;
                next.extend(self.follow(node, nav, BEHIND).await?);
                if next.len() > BEHIND {
                    next.truncate(BEHIND);
                    break;
                }
            }
            nodes = next;
        }
        let mut values = nodes.iter().map(|n| self.own_value(n, path));
        Ok(if many { Lit::Many(values.collect()) } else { values.next().unwrap_or(Lit::Null) })
    }

    fn own_value(&self, node: &Node, path: &Path) -> Lit {
        if path.prop == "id" {
            return eval::typed(&node.id().json(), None);
        }
        // Results are the bulk of what is looked at.
        if let (Node::Observation(o), true) = (node, path.inside.is_empty()) {
            match path.prop.as_str() {
                "phenomenonTime" => {
                    let span = o.phenomenon();
                    return Lit::Time(span.from, span.to);
                }
                "resultTime" => return o.result_time().map_or(Lit::Null, |t| Lit::Time(t, None)),
                _ => {}
            }
        }
        let form = node.kind().prop(&path.prop).map(|p| p.form);
        match node.prop(self.this, &path.prop) {
            None => Lit::Null,
            Some(whole) if path.inside.is_empty() => eval::typed(&whole, form),
            Some(whole) => eval::inside(&whole, &path.inside).map_or(Lit::Null, |v| eval::typed(v, None)),
        }
    }

    async fn values<'e>(&self, node: &Node, paths: &[&'e Path]) -> Result<HashMap<&'e Path, Lit>> {
        let mut values = HashMap::with_capacity(paths.len());
        for path in paths {
            values.insert(*path, self.value(node, path).await?);
        }
        Ok(values)
    }

    async fn holds(&self, filter: Option<&Expr>, node: &Node) -> Result<bool> {
        let Some(filter) = filter else { return Ok(true) };
        let mut paths = Vec::new();
        filter.paths(&mut paths);
        let values = self.values(node, &paths).await?;
        Ok(eval::holds(filter, &|p| values.get(p).cloned().unwrap_or(Lit::Null), self.now))
    }

    async fn keys(&self, order: &[(Expr, bool)], node: &Node) -> Result<Vec<Lit>> {
        let mut keys = Vec::with_capacity(order.len());
        for (expr, _) in order {
            let mut paths = Vec::new();
            expr.paths(&mut paths);
            let values = self.values(node, &paths).await?;
            keys.push(eval::eval(expr, &|p| values.get(p).cloned().unwrap_or(Lit::Null), self.now));
        }
        Ok(keys)
    }

    /// A page of a set.
    pub fn page<'s>(&'s self, set: &'s Set, options: &'s Options) -> BoxFuture<'s, Result<Page>> {
        Box::pin(async move {
            match set {
                Set::Plain(source) if options.order.is_empty() => self.in_order_of_id(source, options).await,
                Set::Plain(source) => self.sorted(source, options).await,
                Set::Observations { streams, feature } => self.observations(streams.as_deref(), feature.as_ref(), options).await,
            }
        })
    }

    async fn in_order_of_id(&self, source: &Source, options: &Options) -> Result<Page> {
        let mut at = match &options.token {
            Some(token) => Some(Id::of_key(token).ok_or_else(|| bad("The $skiptoken is not one of ours."))?),
            None => None,
        };
        // A mark stands for what was skipped before it.
        let skip = if at.is_some() { 0 } else { options.skip };
        let (mut nodes, mut seen, mut more) = (Vec::new(), 0usize, false);
        'all: loop {
            let chunk = source.after(self.this, at.as_ref(), self.now, CHUNK);
            let Some(last) = chunk.last() else { break };
            at = Some(last.id());
            for node in chunk {
                if !self.holds(options.filter.as_ref(), &node).await? {
                    continue;
                }
                seen += 1;
                if seen <= skip {
                    continue;
                }
                if nodes.len() < options.top {
                    nodes.push(node);
                } else {
                    more = true;
                    if !options.count || options.token.is_some() {
                        break 'all;
                    }
                }
            }
            self.patient()?;
        }
        let count = match (options.count, &options.token) {
            (false, _) => None,
            (true, None) => Some(seen),
            (true, Some(_)) => Some(self.count(source, options).await?),
        };
        Ok(Page { next: nodes.last().filter(|_| more).map(|n| Next::Token(n.id().key())), nodes, count })
    }

    async fn count(&self, source: &Source, options: &Options) -> Result<usize> {
        let (mut at, mut n) = (None, 0);
        loop {
            let chunk = source.after(self.this, at.as_ref(), self.now, CHUNK);
            let Some(last) = chunk.last() else { return Ok(n) };
            at = Some(last.id());
            for node in &chunk {
                n += usize::from(self.holds(options.filter.as_ref(), node).await?);
            }
            self.patient()?;
        }
    }

    async fn sorted(&self, source: &Source, options: &Options) -> Result<Page> {
        let (mut at, mut found) = (None, Vec::new());
        loop {
            let chunk = source.after(self.this, at.as_ref(), self.now, CHUNK);
            let Some(last) = chunk.last() else { break };
            at = Some(last.id());
            for node in chunk {
                if self.holds(options.filter.as_ref(), &node).await? {
                    found.push((self.keys(&options.order, &node).await?, node));
                }
            }
            if found.len() > SORTED {
                return Err(bad("Too much to sort; narrow it down with $filter."));
            }
            self.patient()?;
        }
        Ok(cut(found, options))
    }

    async fn observations(&self, streams: Option<&[Arc<Node>]>, feature: Option<&Id>, options: &Options) -> Result<Page> {
        let all: Vec<Arc<Node>>;
        let streams = match (streams, options.filter.as_ref().and_then(stream_named)) {
            (Some(streams), _) => Some(streams),
            (None, Some(id)) => {
                all = find::get(self.this, Kind::Datastream, &id, self.now).map(Arc::new).into_iter().collect();
                Some(all.as_slice())
            }
            (None, None) => None,
        };
        let moved = |s: &Arc<Node>| {
            let marks = self.this.sta.marks(&s.id().plain());
            (marks.moved, marks.extras || !(marks.instant_result || matches!(**s, Node::Series(..))))
        };
        let by_time = match options.order.as_slice() {
            [] => Some((false, false)),
            [(Expr::Path(path), down)] if path.navs.is_empty() && path.prop == "phenomenonTime" && path.inside.is_empty() => Some((*down, false)),
            [(Expr::Path(path), down)] if path.navs.is_empty() && path.prop == "resultTime" && path.inside.is_empty() => Some((*down, true)),
            _ => None,
        };
        let stated = options.filter.as_ref().map_or(Window::ALL, |f| bounds(f, Window::ALL));
        match (streams, by_time) {
            (Some([one]), Some((down, of_result))) if !(moved(one).0 || of_result && moved(one).1) => {
                self.one_stream(one, feature, Window { newest: down, ..stated }, options).await
            }
            (None | Some([_, _, ..]), Some(_)) if options.order.is_empty() => self.stream_by_stream(streams, feature, stated, options).await,
            _ => self.merged(streams, feature, by_time.filter(|(_, of_result)| !of_result).map(|(down, _)| down), stated, options).await,
        }
    }

    async fn meant(&self, options: &Options, feature: Option<&Id>, node: &Node) -> Result<bool> {
        if let (Some(wanted), Node::Observation(o)) = (feature, node)
            && observations::feature(self.this, o, self.now).is_none_or(|f| f.id() != *wanted)
        {
            return Ok(false);
        }
        self.holds(options.filter.as_ref(), node).await
    }

    /// Members of a stretch of one stream that are meant, up to `most`.
    async fn stretch(&self, stream: &Arc<Node>, feature: Option<&Id>, window: Window, options: &Options, most: usize) -> Result<Vec<Node>> {
        if options.filter.is_none() && feature.is_none() {
            return observations::read(self.this, stream, window, most).await;
        }
        let moved = self.this.sta.marks(&stream.id().plain()).moved;
        let (mut window, mut out, mut size) = (if moved { Window { newest: window.newest, ..Window::ALL } } else { window }, Vec::new(), most.max(256));
        while out.len() < most {
            let read = observations::read(self.this, stream, window, size).await?;
            let Some(Node::Observation(last)) = read.last().cloned() else { break };
            let full = read.len() >= size;
            for node in read {
                if self.meant(options, feature, &node).await? {
                    out.push(node);
                    if out.len() == most {
                        break;
                    }
                }
            }
            self.patient()?;
            if !full {
                break;
            }
            window = window.beyond(last.t);
            // What is rare is looked for in larger and larger steps.
            size = (size * 4).min(observations::READ);
        }
        Ok(out)
    }

    async fn one_stream(&self, stream: &Arc<Node>, feature: Option<&Id>, window: Window, options: &Options) -> Result<Page> {
        let (start, skip) = match &options.token {
            Some(token) => (window.beyond(token.parse().map_err(|_| bad("The $skiptoken is not one of ours."))?), 0),
            None => (window, options.skip),
        };
        let mut nodes = self.stretch(stream, feature, start, options, skip.saturating_add(options.top).saturating_add(1).min(SORTED)).await?;
        nodes.drain(..skip.min(nodes.len()));
        let more = nodes.len() > options.top;
        nodes.truncate(options.top);
        let next = if let (true, Some(Node::Observation(last))) = (more, nodes.last()) { Some(Next::Token(last.t.to_string())) } else { None };
        let count = if options.count { Some(self.count_stream(stream, feature, window, options).await?) } else { None };
        Ok(Page { nodes, count, next })
    }

    async fn count_stream(&self, stream: &Arc<Node>, feature: Option<&Id>, window: Window, options: &Options) -> Result<usize> {
        // What the history can count by itself is not read.
        let plain = !self.this.sta.marks(&stream.id().plain()).extras;
        let counted = match &options.filter {
            None => Some(Window::ALL),
            Some(filter) => only_time(filter, Window::ALL).filter(|_| plain),
        };
        if let Some(window) = counted.filter(|_| feature.is_none()) {
            return observations::count(self.this, stream, window).await;
        }
        let (mut window, mut n) = (Window { newest: true, ..window }, 0);
        loop {
            let found = self.stretch(stream, feature, window, options, observations::READ).await?;
            n += found.len();
            let Some(Node::Observation(last)) = found.last().filter(|_| found.len() == observations::READ) else { return Ok(n) };
            window = window.beyond(last.t);
            self.patient()?;
        }
    }

    fn streams_after(&self, streams: Option<&[Arc<Node>]>, after: Option<&Id>) -> Vec<Arc<Node>> {
        match streams {
            Some(streams) => streams.iter().filter(|s| after.is_none_or(|a| s.id() > *a)).cloned().collect(),
            None => Source::all(Kind::Datastream).after(self.this, after, self.now, CHUNK).into_iter().map(Arc::new).collect(),
        }
    }

    /// Observations of many streams, one stream after the other.
    async fn stream_by_stream(&self, streams: Option<&[Arc<Node>]>, feature: Option<&Id>, window: Window, options: &Options) -> Result<Page> {
        let mark = match &options.token {
            Some(token) => Some(Id::of_key(token).as_ref().and_then(observations::parts).ok_or_else(|| bad("The $skiptoken is not one of ours."))?),
            None => None,
        };
        let skip = if mark.is_some() { 0 } else { options.skip };
        let wanted = skip.saturating_add(options.top).saturating_add(1).min(SORTED);
        let mut nodes = Vec::new();
        if let Some((stream, t)) = &mark
            && let Some(stream) = find::get(self.this, Kind::Datastream, stream, self.now)
        {
            nodes = self.stretch(&Arc::new(stream), feature, window.beyond(*t), options, wanted).await?;
        }
        let mut at = mark.map(|(stream, _)| stream);
        while nodes.len() < wanted {
            let chunk = self.streams_after(streams, at.as_ref());
            let Some(last) = chunk.last() else { break };
            at = Some(last.id());
            for stream in &chunk {
                if nodes.len() >= wanted {
                    break;
                }
                nodes.extend(self.stretch(stream, feature, window, options, wanted - nodes.len()).await?);
                self.patient()?;
            }
        }
        nodes.drain(..skip.min(nodes.len()));
        let more = nodes.len() > options.top;
        nodes.truncate(options.top);
        let mut count = None;
        if options.count {
            let (mut at, mut n) = (None, 0);
            loop {
                let chunk = self.streams_after(streams, at.as_ref());
                let Some(last) = chunk.last() else { break };
                at = Some(last.id());
                for stream in &chunk {
                    n += self.count_stream(stream, feature, window, options).await?;
                }
            }
            count = Some(n);
        }
        Ok(Page { next: nodes.last().filter(|_| more).map(|n| Next::Token(n.id().key())), nodes, count })
    }

    /// Observations in an order that no stream is kept in.
    async fn merged(&self, streams: Option<&[Arc<Node>]>, feature: Option<&Id>, down: Option<bool>, window: Window, options: &Options) -> Result<Page> {
        let (mut at, mut found, mut read) = (None, Vec::new(), 0usize);
        loop {
            let chunk = self.streams_after(streams, at.as_ref());
            let Some(last) = chunk.last() else { break };
            at = Some(last.id());
            for stream in &chunk {
                read += 1;
                if read > STREAMS {
                    return Err(bad("Too many Datastreams to sort by this; narrow it down to one or some of them."));
                }
                let moved = self.this.sta.marks(&stream.id().plain()).moved;
                // Sorted by time, each stream gives no more than the page holds.
                let most = match down {
                    Some(_) if !moved && !options.count => options.skip.saturating_add(options.top).saturating_add(1),
                    _ => SORTED + 1,
                };
                let window = Window { newest: down.unwrap_or(false), ..window };
                for node in self.stretch(stream, feature, window, options, most.min(SORTED + 1)).await? {
                    found.push((self.keys(&options.order, &node).await?, node));
                }
                if found.len() > SORTED {
                    return Err(bad("Too many Observations to sort; narrow them down by time."));
                }
                self.patient()?;
            }
        }
        Ok(cut(found, options))
    }
}

/// Sorts and cuts a page out.
fn cut(mut found: Vec<(Vec<Lit>, Node)>, options: &Options) -> Page {
    found.sort_by(|(a, x), (b, y)| {
        let ordered = a.iter().zip(b).zip(&options.order).map(|((a, b), (_, down))| if *down { eval::rank(b, a) } else { eval::rank(a, b) });
        ordered.into_iter().find(|o| *o != Ordering::Equal).unwrap_or_else(|| x.id().cmp(&y.id()))
    });
    let total = found.len();
    let end = options.skip.saturating_add(options.top);
    let nodes = found.into_iter().skip(options.skip).take(options.top).map(|(_, n)| n).collect();
    Page { nodes, count: options.count.then_some(total), next: (total > end && options.top > 0).then_some(Next::Skip(end)) }
}

/// The Datastream that a condition on observations names.
fn stream_named(filter: &Expr) -> Option<Id> {
    match filter {
        Expr::Two(Op::And, a, b) => stream_named(a).or_else(|| stream_named(b)),
        Expr::Two(Op::Eq, a, b) => match (&**a, &**b) {
            (Expr::Path(path), Expr::Lit(lit)) | (Expr::Lit(lit), Expr::Path(path)) if path.navs == ["Datastream"] && path.prop == "id" => match lit {
                Lit::Num(n) if n.fract() == 0.0 && n.abs() < 9e15 => Some(Id::Int(*n as i64)),
                Lit::Str(text) => Some(Id::Text(text.clone())),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The stretch of time outside of which a condition cannot hold.
fn bounds(filter: &Expr, window: Window) -> Window {
    let Expr::Two(op, a, b) = filter else { return window };
    if *op == Op::And {
        return bounds(b, bounds(a, window));
    }
    let Some((op, from, to)) = time_bound(*op, a, b) else { return window };
    let to = to.unwrap_or(from);
    match op {
        Op::Gt | Op::Ge => Window { from: window.from.max(from), ..window },
        Op::Lt | Op::Le => Window { to: window.to.min(to.saturating_add(1)), ..window },
        Op::Eq => Window { from: window.from.max(from), to: window.to.min(to.saturating_add(1)), ..window },
        _ => window,
    }
}

/// A comparison of the phenomenon time with an instant or a stretch, the time on the left.
fn time_bound(op: Op, a: &Expr, b: &Expr) -> Option<(Op, i64, Option<i64>)> {
    let (path, lit, op) = match (a, b) {
        (Expr::Path(path), Expr::Lit(lit)) => (path, lit, op),
        (Expr::Lit(lit), Expr::Path(path)) => (
            path,
            lit,
            match op {
                Op::Gt => Op::Lt,
                Op::Ge => Op::Le,
                Op::Lt => Op::Gt,
                Op::Le => Op::Ge,
                other => other,
            },
        ),
        _ => return None,
    };
    let Lit::Time(from, to) = lit else { return None };
    (path.navs.is_empty() && path.prop == "phenomenonTime" && path.inside.is_empty()).then_some((op, *from, *to))
}

/// The stretch that a filter means, when it says nothing else of observations whose phenomenon times are instants.
fn only_time(filter: &Expr, window: Window) -> Option<Window> {
    let Expr::Two(op, a, b) = filter else { return None };
    if *op == Op::And {
        return only_time(b, only_time(a, window)?);
    }
    let (op, t, None) = time_bound(*op, a, b)? else { return None };
    let next = t.saturating_add(1);
    Some(match op {
        Op::Gt => Window { from: window.from.max(next), ..window },
        Op::Ge => Window { from: window.from.max(t), ..window },
        Op::Lt => Window { to: window.to.min(t), ..window },
        Op::Le => Window { to: window.to.min(next), ..window },
        Op::Eq => Window { from: window.from.max(t), to: window.to.min(next), ..window },
        _ => return None,
    })
}
