//! Query parameters and query bodies of NGSI-LD as filters, views and pages.

use dothi_kernel::{Error, Kind, Result};
use serde_json::{Map, Value};

use super::wire::Params;
use crate::fault::{TOO_MANY, bad, cut};
use crate::geoq::GeoQuery;
use crate::ld::Ld;
use crate::model::{Iri, is_uri};
use crate::q::{Query, regex};
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
        return Err(bad(format!("The option {:?} is not known.", cut(unknown))));
    }
    let word = |w: &str| match w {
        "normalized" => Some(Form::Normalized),
        "concise" => Some(Form::Concise),
        "keyValues" | "simplified" => Some(Form::Simplified),
        _ => None,
    };
    match params.get("format") {
        Some(w) => word(w).ok_or_else(|| bad(format!("The format {:?} is not known.", cut(w)))),
        None => Ok(params.list("options").unwrap_or_default().into_iter().find_map(word).unwrap_or_default()),
    }
}

fn member(word: &str, ld: &Ld) -> Result<Iri> {
    match word {
        "id" | "type" | "scope" | "createdAt" | "modifiedAt" => Ok(word.into()),
        name => ld.expand(name),
    }
}

fn names(words: &[&str], ld: &Ld) -> Result<Vec<Iri>> {
    if words.is_empty() || words.len() > 1_000 {
        return Err(bad("A list of names is empty or too long."));
    }
    words.iter().map(|w| ld.expand(w)).collect()
}

/// What of the entities is shown.
pub fn view(params: &Params, ld: &Ld) -> Result<View> {
    let members = |name: &str| -> Result<Option<Vec<Iri>>> { params.list(name).map(|words| words.iter().map(|w| member(w, ld)).collect()).transpose() };
    let view = View {
        form: form(params)?,
        sys_attrs: params.option("sysAttrs") || params.flag("sysAttrs")?,
        pick: members("pick")?,
        omit: members("omit")?.unwrap_or_default(),
        attrs: params.list("attrs").map(|a| names(&a, ld)).transpose()?,
        lang: params.list("lang").map(|l| l.iter().map(|t| t.split(';').next().unwrap_or(t).to_string()).collect()),
        datasets: params.list("datasetId").map(|d| d.iter().map(|d| Iri::from(*d)).collect()),
        geometry_property: params.get("geometryProperty").map(|g| ld.expand(g)).transpose()?,
    };
    check_view(view)
}

fn check_view(view: View) -> Result<View> {
    if view.attrs.is_some() && (view.pick.is_some() || !view.omit.is_empty()) {
        return Err(bad("attrs cannot stand together with pick or omit."));
    }
    if view.pick.iter().flatten().any(|p| view.omit.contains(p)) {
        return Err(bad("A name stands in both pick and omit."));
    }
    Ok(view)
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

/// Which entities; 400 when nothing narrows them down.
pub fn filter(params: &Params, ld: &Ld) -> Result<Filter> {
    let geo = match (params.get("georel"), params.get("geometry"), params.get("coordinates")) {
        (None, None, None) => None,
        (Some(georel), Some(geometry), Some(coordinates)) => {
            let coordinates: Value = serde_json::from_str(coordinates).map_err(|_| bad("coordinates must be a JSON list."))?;
            Some(GeoQuery::new(georel, geometry, &coordinates, params.get("geoproperty").map(|g| ld.expand(g)).transpose()?)?)
        }
        _ => return Err(bad("georel, geometry and coordinates belong together.")),
    };
    let filter = Filter {
        ids: params.list("id").map(|i| ids(&i)).transpose()?,
        id_pattern: params.get("idPattern").map(regex).transpose()?,
        types: params.get("type").filter(|t| *t != "*").map(|t| TypeSelector::parse(t, ld)).transpose()?,
        attrs: params.list("attrs").map(|a| names(&a, ld)).transpose()?,
        q: params.get("q").map(|q| Query::parse(q, ld)).transpose()?,
        geo,
        // A form decodes + to a blank, which no scope holds.
        scope: params.get("scopeQ").map(|s| ScopeQuery::parse(&s.replace(' ', "+"))).transpose()?,
        selectors: Vec::new(),
    };
    let narrowed = filter.ids.is_some() || filter.id_pattern.is_some() || params.get("type").is_some() || filter.attrs.is_some();
    if !narrowed && filter.q.is_none() && filter.geo.is_none() && filter.scope.is_none() && !params.flag("local")? {
        return Err(bad("The query is too wide: state at least one of id, idPattern, type, attrs, q, scopeQ, a geo-query, or local=true."));
    }
    Ok(filter)
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
pub fn query_body(body: &Map<String, Value>, params: &Params, ld: &Ld) -> Result<(Filter, View)> {
    const KNOWN: [&str; 17] = [
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
    let members = |name: &str| -> Result<Option<Vec<Iri>>> { texts(body, name)?.map(|w| w.iter().map(|w| member(w, ld)).collect()).transpose() };
    let attrs = texts(body, "attrs")?.map(|a| names(&a, ld)).transpose()?;
    let filter = Filter {
        selectors: body.get("entities").map(|e| selectors(e, ld)).transpose()?.unwrap_or_default(),
        attrs: attrs.clone(),
        q: text("q")?.map(|q| Query::parse(q, ld)).transpose()?,
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
        pick: members("pick")?,
        omit: members("omit")?.unwrap_or_default(),
        attrs,
        lang: texts(body, "lang")?.map(|l| l.iter().map(|t| (*t).to_string()).collect()),
        datasets: texts(body, "datasetId")?.map(|d| d.iter().map(|d| Iri::from(*d)).collect()),
        geometry_property: params.get("geometryProperty").map(|g| ld.expand(g)).transpose()?,
    };
    Ok((filter, check_view(view)?))
}
