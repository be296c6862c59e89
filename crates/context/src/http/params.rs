//! Query parameters and query bodies of NGSI-LD as filters, views and pages.

use dothi_kernel::{Error, Kind, Result};
use serde_json::{Map, Value};

use super::wire::Params;
use crate::fault::{TOO_MANY, bad, cut, invalid};
use crate::geoq::GeoQuery;
use crate::join::Join;
use crate::ld::Ld;
use crate::model::{Iri, is_uri};
use crate::order::{Collation, OrderBy};
use crate::project::{MAX_LEVEL, Projection};
use crate::q::{Query, is_system, regex};
use crate::query::{Filter, Paging, Selector};
use crate::render::{Form, View};
use crate::select::{ScopeQuery, TypeSelector};

/// Rows of a page when nothing is said.
const LIMIT: usize = 20;
/// Rows of a page at most.
pub const MAX_LIMIT: usize = 1_000;
/// Ids of one query.
const MAX_IDS: usize = 2_000;

/// Words that `options` may hold.
const OPTIONS: [&str; 10] =
    ["sysAttrs", "keyValues", "simplified", "concise", "normalized", "noOverwrite", "update", "replace", "temporalValues", "aggregatedValues"];

/// The page asked for. 403 TooManyResults above the maximum.
pub fn paging(params: &Params) -> Result<Paging> {
    let number = |name: &str| -> Result<Option<usize>> {
        let wrong = |_| bad(format!("{name} must be a whole number, not below 0."));
        params.get(name).map(|v| v.parse::<usize>().map_err(wrong)).transpose()
    };
    let count = params.flag("count")?;
    let limit = number("limit")?.unwrap_or(LIMIT);
    if limit > MAX_LIMIT {
        return Err(Error::new(Kind::Forbidden, TOO_MANY, format!("limit may be at most {MAX_LIMIT}.")));
    }
    if limit == 0 && !count {
        return Err(bad("limit may be 0 only together with count=true."));
    }
    let cursor = |name: &str| params.get(name).filter(|c| c.len() <= 512).map(str::to_string);
    Ok(Paging { limit, offset: number("offset")?.unwrap_or(0), after: cursor("pageAfter"), before: cursor("pageBefore"), count })
}

/// The representation asked for; `format` goes before `options`.
pub fn form(params: &Params) -> Result<Form> {
    if let Some(unknown) = params.list("options").unwrap_or_default().into_iter().find(|o| !OPTIONS.contains(o)) {
        return Err(invalid(format!("The option {:?} is not known.", cut(unknown))));
    }
    let word = |w: &str| match w {
        "normalized" => Some(Form::Normalized),
        "concise" => Some(Form::Concise),
        "keyValues" | "simplified" => Some(Form::Simplified),
        _ => None,
    };
    match params.get("format") {
        Some(w) => word(w).ok_or_else(|| invalid(format!("The format {:?} is not known.", cut(w)))),
        None => Ok(params.list("options").unwrap_or_default().into_iter().find_map(word).unwrap_or_default()),
    }
}

fn names(words: &[&str], ld: &Ld) -> Result<Vec<Iri>> {
    if words.is_empty() || words.len() > 1_000 {
        return Err(bad("A list of names is empty or too long."));
    }
    if let Some(wrong) = words.iter().find(|w| w.contains(['{', '}', '|'])) {
        return Err(bad(format!("{:?} is not the name of an attribute.", cut(wrong))));
    }
    words.iter().map(|w| ld.expand(w)).collect()
}

/// Languages by falling weight (`fr;q=0.2,nl`).
fn languages(text: &str) -> Vec<String> {
    let mut weighed: Vec<(f32, &str)> = text
        .split(',')
        .filter_map(|part| {
            let mut pieces = part.split(';').map(str::trim);
            let tag = pieces.next().filter(|t| !t.is_empty())?;
            let weight = pieces.find_map(|p| p.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
            Some((weight, tag))
        })
        .collect();
    weighed.sort_by(|a, b| b.0.total_cmp(&a.0));
    weighed.into_iter().map(|(_, tag)| tag.to_string()).collect()
}

fn join(kind: Option<&str>, level: Option<usize>, contained_by: Vec<String>) -> Result<Option<Join>> {
    if level.is_some_and(|l| l == 0 || l > MAX_LEVEL) {
        return Err(bad(format!("joinLevel must be a whole number from 1 to {MAX_LEVEL}.")));
    }
    let flat = match kind {
        None | Some("@none") => return Ok(None),
        Some("flat") => true,
        Some("inline") => false,
        Some(_) => return Err(bad("join must be inline, flat or @none.")),
    };
    if contained_by.len() > MAX_IDS {
        return Err(bad(format!("containedBy may name at most {MAX_IDS} entities.")));
    }
    Ok(Some(Join { flat, level: level.unwrap_or(1), contained_by }))
}

/// What of the entities is shown.
pub fn view(params: &Params, ld: &Ld) -> Result<View> {
    let level = params.get("joinLevel").map(|l| l.parse::<usize>().map_err(|_| bad("joinLevel must be a whole number."))).transpose()?;
    let contained_by = params.list("containedBy").unwrap_or_default().iter().map(|i| (*i).to_string()).collect();
    let shown = Projection::parse(params.get("pick"), params.get("omit"), ld)?;
    let view = View {
        form: form(params)?,
        sys_attrs: params.option("sysAttrs") || params.flag("sysAttrs")?,
        pick: shown.pick,
        omit: shown.omit,
        linked: shown.linked,
        join: join(params.get("join"), level, contained_by)?,
        attrs: params.list("attrs").map(|a| names(&a, ld)).transpose()?,
        lang: params.get("lang").map(languages),
        datasets: params.list("datasetId").map(|d| d.iter().map(|d| Iri::from(*d)).collect()),
        geometry_property: params.get("geometryProperty").map(|g| ld.expand(g)).transpose()?,
    };
    check_view(view)
}

fn check_view(view: View) -> Result<View> {
    if view.attrs.is_some() && (view.pick.is_some() || !view.omit.is_empty()) {
        return Err(bad("attrs cannot stand together with pick or omit."));
    }
    let depth = view.linked.iter().map(|(_, p)| p.depth() + 1).max().unwrap_or(0);
    if depth > view.join.as_ref().map_or(0, |j| j.level) {
        return Err(bad("pick or omit name members of linked entities farther away than join and joinLevel go."));
    }
    Ok(view)
}

/// Conditions on linked entities need links that are followed far enough (5.7.2.4).
pub fn check_links(filter: &Filter, view: &View) -> Result<()> {
    if filter.q.as_ref().map_or(0, Query::link_depth) > view.join.as_ref().map_or(0, |j| j.level) {
        return Err(bad("q looks at linked entities farther away than join and joinLevel go."));
    }
    Ok(())
}

/// The order asked for.
pub fn order(params: &Params, ld: &Ld) -> Result<Option<OrderBy>> {
    let Some(keys) = params.list("orderBy") else {
        return params.get("collation").map(Collation::parse).transpose().map(|_| None);
    };
    let from = params.get("orderFrom").map(|f| serde_json::from_str::<Value>(f).map_err(|_| bad("orderFrom must be a JSON list."))).transpose()?;
    OrderBy::parse(&keys, from.as_ref(), params.get("orderGeometry"), params.get("collation"), ld).map(Some)
}

/// The order that a query's body asks for (5.2.43).
fn order_member(value: &Value, ld: &Ld) -> Result<OrderBy> {
    let body = value.as_object().ok_or_else(|| bad("ordering must be an object."))?;
    let text = |name: &str| body.get(name).map(|v| v.as_str().ok_or_else(|| bad(format!("ordering: {name} must be a text.")))).transpose();
    let keys = texts(body, "orderBy")?.ok_or_else(|| bad("ordering needs orderBy."))?;
    OrderBy::parse(&keys, body.get("coordinates"), text("geometry")?, text("collation")?, ld)
}

fn ids(words: &[&str]) -> Result<Vec<Iri>> {
    if words.len() > MAX_IDS {
        return Err(bad(format!("At most {MAX_IDS} ids may be asked for.")));
    }
    if let Some(wrong) = words.iter().find(|w| !is_uri(w)) {
        return Err(bad(format!("The id {:?} is not a URI.", cut(wrong))));
    }
    let mut ids: Vec<Iri> = words.iter().map(|w| Iri::from(*w)).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Which entities; 400 when nothing narrows them down (5.7.2.4).
pub fn filter(params: &Params, ld: &Ld) -> Result<Filter> {
    let filter = conditions(params, ld)?;
    if !narrowed(params, &filter)? {
        return Err(bad("The query is too wide: state at least one of type, attrs, q, scopeQ, a geo-query, or local=true."));
    }
    Ok(filter)
}

/// Which entities, or sources of which.
pub fn conditions(params: &Params, ld: &Ld) -> Result<Filter> {
    let geo = match (params.get("georel"), params.get("geometry"), params.get("coordinates")) {
        (None, None, None) => None,
        (Some(georel), Some(geometry), Some(coordinates)) => {
            let coordinates: Value = serde_json::from_str(coordinates).map_err(|_| bad("coordinates must be a JSON list."))?;
            Some(GeoQuery::new(georel, geometry, &coordinates, params.get("geoproperty").map(|g| ld.expand(g)).transpose()?)?)
        }
        _ => return Err(bad("georel, geometry and coordinates belong together.")),
    };
    let expand = params.list("expandValues").map(|e| names(&e, ld)).transpose()?.unwrap_or_default();
    // Which context sources are asked is for federation to say; here it must be well formed.
    params.get("csf").map(|c| Query::parse(c, ld)).transpose()?;
    if params.get("type") == Some("*") && params.get("local") == Some("false") {
        return Err(bad("All types can be asked for only within this broker."));
    }
    Ok(Filter {
        ids: params.list("id").map(|i| ids(&i)).transpose()?,
        id_pattern: params.get("idPattern").map(regex).transpose()?,
        types: params.get("type").filter(|t| *t != "*").map(|t| TypeSelector::parse(t, ld)).transpose()?,
        attrs: params.list("attrs").map(|a| names(&a, ld)).transpose()?,
        q: params.get("q").map(|q| Query::parse_expanding(q, ld, &expand)).transpose()?,
        geo,
        // A form decodes + to a blank, which no scope holds.
        scope: params.get("scopeQ").map(|s| ScopeQuery::parse(&s.replace(' ', "+"))).transpose()?,
        selectors: Vec::new(),
    })
}

/// Whether something narrows a query down other than ids and what is of every entity (5.7.2.4, 5.6.21.4).
fn narrowed(params: &Params, filter: &Filter) -> Result<bool> {
    let attrs = params.list("attrs").is_some_and(|a| !a.iter().all(|n| is_system(n) || matches!(*n, "id" | "type")));
    let q = filter.q.as_ref().is_some_and(|q| !q.only_system());
    Ok(params.get("type").is_some() || attrs || q || filter.geo.is_some() || filter.scope.is_some() || params.flag("local")?)
}

/// Texts of a member that is a text or a list of texts; commas separate too.
fn texts<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<Vec<&'a str>>> {
    let wrong = || bad(format!("{name} must be a list of texts."));
    match body.get(name) {
        None => Ok(None),
        Some(Value::String(one)) => Ok(Some(one.split(',').collect())),
        Some(Value::Array(many)) => many.iter().map(|v| v.as_str().ok_or_else(wrong)).collect::<Result<Vec<_>>>().map(Some),
        Some(_) => Err(wrong()),
    }
}

/// `entities` of a query's body or a subscription.
pub fn selectors(value: &Value, ld: &Ld) -> Result<Vec<Selector>> {
    let many = value.as_array().filter(|m| !m.is_empty() && m.len() <= 500).ok_or_else(|| bad("entities must be a list of 1 to 500 selectors."))?;
    let mut out = Vec::with_capacity(many.len());
    for one in many {
        let one = one.as_object().ok_or_else(|| bad("A selector of entities must be an object."))?;
        if let Some(unknown) = one.keys().find(|k| !matches!(k.as_str(), "id" | "idPattern" | "type")) {
            return Err(bad(format!("A selector of entities has no member {:?}.", cut(unknown))));
        }
        let kind = one.get("type").and_then(Value::as_str).ok_or_else(|| bad("A selector of entities needs a type."))?;
        out.push(Selector {
            ids: texts(one, "id")?.map(|i| ids(&i)).transpose()?,
            id_pattern: one.get("idPattern").map(|p| p.as_str().ok_or_else(|| bad("idPattern must be a text.")).and_then(regex)).transpose()?,
            types: Some(kind).filter(|t| *t != "*").map(|t| TypeSelector::parse(t, ld)).transpose()?,
        });
    }
    Ok(out)
}

/// `geoQ` of a query's body or a subscription.
pub fn geo_member(value: &Value, ld: &Ld) -> Result<GeoQuery> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(|| bad(format!("geoQ needs the text {name}.")));
    let coordinates = match value.get("coordinates") {
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| bad("geoQ: coordinates must be a list."))?,
        Some(v) => v.clone(),
        None => return Err(bad("geoQ needs coordinates.")),
    };
    let property = value.get("geoproperty").and_then(Value::as_str).map(|g| ld.expand(g)).transpose()?;
    GeoQuery::new(text("georel")?, text("geometry")?, &coordinates, property)
}

/// The body of `entityOperations/query`.
pub fn query_body(body: &Map<String, Value>, params: &Params, ld: &Ld) -> Result<(Filter, View, Option<OrderBy>)> {
    const KNOWN: [&str; 18] = [
        "ordering",
        "type",
        "entities",
        "attrs",
        "q",
        "geoQ",
        "scopeQ",
        "pick",
        "omit",
        "lang",
        "csf",
        "datasetId",
        "expandValues",
        "jsonKeys",
        "join",
        "joinLevel",
        "containedBy",
        "id",
    ];
    if body.get("type").and_then(Value::as_str) != Some("Query") {
        return Err(bad("The body must be an object of type Query."));
    }
    if let Some(unknown) = body.keys().find(|k| !KNOWN.contains(&k.as_str())) {
        return Err(bad(format!("A Query has no member {:?}.", cut(unknown))));
    }
    let text = |name: &str| body.get(name).map(|v| v.as_str().ok_or_else(|| bad(format!("{name} must be a text.")))).transpose();
    let members = |name: &str| -> Result<Option<String>> { Ok(texts(body, name)?.map(|w| w.join(","))) };
    let (pick, omit) = (members("pick")?, members("omit")?);
    let shown = Projection::parse(pick.as_deref(), omit.as_deref(), ld)?;
    let expand = texts(body, "expandValues")?.map(|e| names(&e, ld)).transpose()?.unwrap_or_default();
    text("csf")?.map(|c| Query::parse(c, ld)).transpose()?;
    let level = match body.get("joinLevel") {
        Some(l) => Some(l.as_u64().and_then(|l| usize::try_from(l).ok()).ok_or_else(|| bad("joinLevel must be a whole number."))?),
        None => None,
    };
    let contained_by = texts(body, "containedBy")?.unwrap_or_default().iter().map(|i| (*i).to_string()).collect();
    let order = body.get("ordering").map(|o| order_member(o, ld)).transpose()?;
    let attrs = texts(body, "attrs")?.map(|a| names(&a, ld)).transpose()?;
    let filter = Filter {
        selectors: body.get("entities").map(|e| selectors(e, ld)).transpose()?.unwrap_or_default(),
        attrs: attrs.clone(),
        q: text("q")?.map(|q| Query::parse_expanding(q, ld, &expand)).transpose()?,
        geo: body.get("geoQ").map(|g| geo_member(g, ld)).transpose()?,
        scope: text("scopeQ")?.map(ScopeQuery::parse).transpose()?,
        ..Filter::default()
    };
    if filter.selectors.is_empty() && filter.attrs.is_none() && filter.q.is_none() && filter.geo.is_none() && filter.scope.is_none() && !params.flag("local")? {
        return Err(bad("The query is too wide: state at least one of entities, attrs, q, scopeQ or geoQ."));
    }
    let view = View {
        form: form(params)?,
        sys_attrs: params.option("sysAttrs"),
        pick: shown.pick,
        omit: shown.omit,
        linked: shown.linked,
        join: join(text("join")?.or_else(|| params.get("join")), level, contained_by)?,
        attrs,
        lang: texts(body, "lang")?.map(|l| languages(&l.join(","))),
        datasets: texts(body, "datasetId")?.map(|d| d.iter().map(|d| Iri::from(*d)).collect()),
        geometry_property: params.get("geometryProperty").map(|g| ld.expand(g)).transpose()?,
    };
    Ok((filter, check_view(view)?, order))
}
