//! Entities and pages as the outside sees them (clause 8.2 and 9.1): control information, properties, links, expanded
//! entities, data arrays.

use std::sync::atomic::Ordering;

use dothi_kernel::Result;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::filter::bad;
use super::model::{Form, Kind};
use super::node::Node;
use super::observations::{self, Window};
use super::options::Options;
use super::read::{Next, Page, Reader, Set};

/// Entities of one answer, with all that is expanded.
const WRITTEN: usize = 200_000;

/// Encodes what may not stand in a path.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~!$&'()*,;=:@".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// The query of the next page.
fn query_of(options: &Options, next: &Next) -> String {
    let mut out = String::new();
    let mut add = |name: &str, value: &str| {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.extend(url::form_urlencoded::byte_serialize(value.as_bytes()));
    };
    for (name, value) in options.raw.iter().filter(|(n, _)| n != "$skip" && n != "$skiptoken") {
        add(name, value);
    }
    match next {
        Next::Token(token) => add("$skiptoken", token),
        Next::Skip(skip) => add("$skip", &skip.to_string()),
    }
    out
}

impl Reader<'_> {
    /// The address of an entity.
    pub fn self_link(&self, node: &Node) -> String {
        format!("{}/{}({})", self.base, node.kind().set(), encoded(&node.id().key()))
    }

    /// An entity. `whole` also works out what takes a look into the history.
    pub fn entity<'s>(&'s self, node: &'s Node, options: &'s Options, whole: bool) -> BoxFuture<'s, Result<Map<String, Value>>> {
        Box::pin(async move {
            if self.written.fetch_add(1, Ordering::Relaxed) > WRITTEN {
                return Err(bad("The answer would be too large; expand less or ask for smaller pages."));
            }
            let (kind, link) = (node.kind(), self.self_link(node));
            let mut out = Map::new();
            if options.wants("id") {
                out.insert("@iot.id".into(), node.id().json());
            }
            if options.wants("@iot.selfLink") {
                out.insert("@iot.selfLink".into(), link.as_str().into());
            }
            for prop in kind.props().iter().filter(|p| options.wants(p.name)) {
                if let Some(value) = node.prop(self.this, prop.name) {
                    out.insert(prop.name.into(), value);
                } else if prop.form == Form::Span
                    && kind == Kind::Datastream
                    && (whole || options.select.is_some())
                    && let Some(span) = self.stretch_of(node, prop.name).await?
                {
                    out.insert(prop.name.into(), span.into());
                }
            }
            for nav in kind.navs() {
                let expanded = options.expand.iter().find(|e| e.nav.name == nav.name);
                let Some(expand) = expanded else {
                    if options.wants(nav.name) {
                        out.insert(format!("{}@iot.navigationLink", nav.name), format!("{link}/{}", nav.name).into());
                    }
                    continue;
                };
                if nav.many {
                    let page = self.page(&self.behind(node, nav).await?, &expand.options).await?;
                    let address = format!("{link}/{}", nav.name);
                    self.members(&page, &expand.options, &address, nav.name, &mut out).await?;
                } else {
                    let found = self.follow(node, nav, 1).await?;
                    let value = match found.first() {
                        Some(one) => self.entity(one, &expand.options, false).await?.into(),
                        None => Value::Null,
                    };
                    out.insert(nav.name.into(), value);
                }
            }
            Ok(out)
        })
    }

    /// First and last time of a Datastream.
    async fn stretch_of(&self, stream: &Node, name: &str) -> Result<Option<String>> {
        let stream = std::sync::Arc::new(stream.clone());
        let first = observations::read(self.this, &stream, Window::ALL, 1).await?.pop();
        let last = observations::read(self.this, &stream, Window { newest: true, ..Window::ALL }, 1).await?.pop();
        let (Some(Node::Observation(first)), Some(Node::Observation(last))) = (first, last) else { return Ok(None) };
        let text = super::model::time_text;
        if name == "resultTime" {
            return Ok(first.result_time().zip(last.result_time()).map(|(a, b)| format!("{}/{}", text(a), text(b))));
        }
        let end = last.phenomenon();
        Ok(Some(format!("{}/{}", text(first.phenomenon().from), text(end.to.unwrap_or(end.from)))))
    }

    async fn members(&self, page: &Page, options: &Options, address: &str, name: &str, out: &mut Map<String, Value>) -> Result<()> {
        let (count, next) = if name == "value" {
            ("@iot.count".to_string(), "@iot.nextLink".to_string())
        } else {
            (format!("{name}@iot.count"), format!("{name}@iot.nextLink"))
        };
        if let Some(n) = page.count {
            out.insert(count, n.into());
        }
        if let Some(mark) = &page.next {
            out.insert(next, format!("{address}?{}", query_of(options, mark)).into());
        }
        let mut members = Vec::with_capacity(page.nodes.len());
        for node in &page.nodes {
            members.push(self.entity(node, options, false).await?.into());
        }
        out.insert(name.into(), Value::Array(members));
        Ok(())
    }

    /// A page of a set at an address.
    pub async fn list(&self, set: &Set, options: &Options, address: &str) -> Result<Value> {
        let page = self.page(set, options).await?;
        let mut out = Map::new();
        if !options.arrays {
            self.members(&page, options, address, "value", &mut out).await?;
            return Ok(out.into());
        }
        if let Some(n) = page.count {
            out.insert("@iot.count".into(), n.into());
        }
        if let Some(next) = &page.next {
            out.insert("@iot.nextLink".into(), format!("{address}?{}", query_of(options, next)).into());
        }
        out.insert("value".into(), self.data_arrays(&page, options));
        Ok(out.into())
    }

    /// Addresses only.
    pub async fn references(&self, set: &Set, options: &Options, address: &str) -> Result<Value> {
        let page = self.page(set, options).await?;
        let mut out = Map::new();
        if let Some(n) = page.count {
            out.insert("@iot.count".into(), n.into());
        }
        if let Some(next) = &page.next {
            out.insert("@iot.nextLink".into(), format!("{address}?{}", query_of(options, next)).into());
        }
        out.insert("value".into(), page.nodes.iter().map(|n| json!({"@iot.selfLink": self.self_link(n)})).collect());
        Ok(out.into())
    }

    /// Observations as rows, for each Datastream (clause 12.1).
    fn data_arrays(&self, page: &Page, options: &Options) -> Value {
        let selected = |name: &&'static str| options.select.as_ref().is_none_or(|s| s.iter().any(|w| w == name));
        let mut components: Vec<&'static str> = ["id", "phenomenonTime", "result", "resultTime"].into_iter().filter(selected).collect();
        for name in ["resultQuality", "validTime", "parameters"] {
            let asked = options.select.is_some() && selected(&name);
            if asked || (options.select.is_none() && page.nodes.iter().any(|n| n.prop(self.this, name).is_some())) {
                components.push(name);
            }
        }
        let mut groups: Vec<(String, Vec<Value>)> = Vec::new();
        for node in &page.nodes {
            let Node::Observation(o) = node else { continue };
            let link = format!("{}/Datastreams({})", self.base, encoded(&o.stream.id().key()));
            let row: Value = components.iter().map(|c| if *c == "id" { node.id().json() } else { node.prop(self.this, c).unwrap_or(Value::Null) }).collect();
            match groups.iter_mut().find(|(l, _)| *l == link) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((link, vec![row])),
            }
        }
        let write = |(link, rows): (String, Vec<Value>)| json!({"Datastream@iot.navigationLink": link, "components": components, "dataArray@iot.count": rows.len(), "dataArray": rows});
        groups.into_iter().map(write).collect()
    }
}
