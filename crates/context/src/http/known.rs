//! Query parameters that each address defines; others are InvalidRequest (CIM 009, 6.3.20).

use axum::http::Method;

use super::wire::Params;

/// What queries of entities take.
const QUERY: &[&str] = &[
    "id",
    "type",
    "idPattern",
    "attrs",
    "pick",
    "omit",
    "q",
    "csf",
    "scopeQ",
    "georel",
    "geometry",
    "coordinates",
    "geoproperty",
    "geometryProperty",
    "lang",
    "datasetId",
    "expandValues",
    "jsonKeys",
    "join",
    "joinLevel",
    "containedBy",
    "orderBy",
    "collation",
    "orderFrom",
    "orderGeometry",
    "entityMap",
    "entityMapLifetime",
    "splitEntities",
    "limit",
    "offset",
    "pageAfter",
    "pageBefore",
    "count",
    "format",
    "options",
    "sysAttrs",
];

/// What queries of the past take beside [`QUERY`].
const TEMPORAL: &[&str] = &["timerel", "timeAt", "endTimeAt", "timeproperty", "lastN", "aggrMethods", "aggrPeriodDuration", "instanceId"];

/// What writes take.
const WRITE: &[&str] = &["type", "options", "format", "observedAt", "lang", "deleteAll", "datasetId"];

fn defined(method: &Method, path: &str) -> Vec<&'static [&'static str]> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let read = method == Method::GET;
    match parts.as_slice() {
        ["types" | "attributes"] => vec![&["details"]],
        ["types" | "attributes", _] => vec![&["local"]],
        ["entities"] if method == Method::DELETE => vec![QUERY, &["keep", "drop"]],
        ["entities", ..] if read => vec![QUERY],
        ["entities", ..] => vec![WRITE],
        ["entityOperations", "query"] => vec![QUERY],
        ["entityOperations", _] => vec![WRITE],
        ["temporal", "entityMaps", ..] | ["entityMaps", ..] => vec![QUERY, TEMPORAL],
        ["temporal", ..] if read => vec![QUERY, TEMPORAL],
        ["temporal", "entityOperations", ..] => vec![QUERY, TEMPORAL],
        ["temporal", ..] => vec![WRITE, TEMPORAL],
        ["csourceRegistrations"] if read => vec![QUERY, TEMPORAL],
        ["subscriptions" | "csourceSubscriptions" | "csourceRegistrations", ..] => vec![&["limit", "offset", "count", "options", "sysAttrs", "format"]],
        ["jsonldContexts", ..] => vec![&["details", "kind", "reload", "limit", "offset", "count"]],
        ["snapshots", ..] => vec![QUERY],
        _ => Vec::new(),
    }
}

/// The first parameter that the address does not define.
pub fn undefined(method: &Method, path: &str, query: &str) -> Option<String> {
    let defined = defined(method, path);
    if defined.is_empty() {
        return None;
    }
    Params::read(query).names().find(|name| *name != "local" && !defined.iter().any(|list| list.contains(name))).map(str::to_string)
}
