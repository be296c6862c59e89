//! Reading subscriptions (CIM 009, 5.2.12 to 5.2.15 and 5.2.22).

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::Result;
use serde_json::{Map, Value};

use super::{Accept, Delivery, Receiver, Subscription, Triggers};
use crate::fault::{bad, cut};
use crate::join::Join;
use crate::ld::Ld;
use crate::model::{Iri, parse_instant};
use crate::project::MAX_LEVEL;
use crate::q::Query;
use crate::query::Filter;
use crate::render::{Form, View};
use crate::select::ScopeQuery;
use crate::versions::{Edition, minor};

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>> {
    object.get(name).map(|v| v.as_str().ok_or_else(|| bad(format!("{name} must be a text.")))).transpose()
}

/// A text without the encoding of URIs.
pub fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |(_, value)| value.into_owned())
}

fn flag(object: &Map<String, Value>, name: &str) -> Result<Option<bool>> {
    object.get(name).map(|v| v.as_bool().ok_or_else(|| bad(format!("{name} must be true or false.")))).transpose()
}

fn number(object: &Map<String, Value>, name: &str, least: f64) -> Result<Option<f64>> {
    let wrong = || bad(format!("{name} must be a number, not below {least}."));
    object.get(name).map(|v| v.as_f64().filter(|n| (least..=1e9).contains(n)).ok_or_else(wrong)).transpose()
}

fn names(object: &Map<String, Value>, name: &str, ld: &Ld) -> Result<Option<Vec<Iri>>> {
    let Some(value) = object.get(name) else { return Ok(None) };
    let many = value.as_array().filter(|m| !m.is_empty() && m.len() <= 500).ok_or_else(|| bad(format!("{name} must be a list of 1 to 500 names.")))?;
    let one = |v: &Value| {
        v.as_str()
            .ok_or_else(|| bad(format!("{name} must be a list of names.")))
            .and_then(|w| if matches!(w, "id" | "type" | "scope") { Ok(w.into()) } else { ld.expand(w) })
    };
    many.iter().map(one).collect::<Result<Vec<_>>>().map(Some)
}

fn triggers(object: &Map<String, Value>) -> Result<Triggers> {
    let Some(value) = object.get("notificationTrigger") else {
        return Ok(Triggers { attribute_created: true, attribute_updated: true, ..Triggers::default() });
    };
    let mut out = Triggers::default();
    for word in value.as_array().filter(|m| !m.is_empty()).ok_or_else(|| bad("notificationTrigger must be a list."))? {
        match word.as_str() {
            Some("attributeCreated") => out.attribute_created = true,
            Some("attributeUpdated") => out.attribute_updated = true,
            Some("attributeDeleted") => out.attribute_deleted = true,
            Some("entityCreated") => out.entity_created = true,
            Some("entityUpdated") => out.entity_updated = true,
            Some("entityDeleted") => out.entity_deleted = true,
            _ => return Err(bad(format!("notificationTrigger: {} is not known.", cut(&word.to_string())))),
        }
    }
    Ok(out)
}

/// Key-value pairs (5.2.22).
fn pairs(endpoint: &Map<String, Value>, name: &str) -> Result<Vec<(String, String)>> {
    let Some(info) = endpoint.get(name) else { return Ok(Vec::new()) };
    let many = info.as_array().filter(|m| m.len() <= 50).ok_or_else(|| bad(format!("{name} must be a list.")))?;
    let part = |pair: &Value, member: &str| {
        let value = pair.get(member).and_then(Value::as_str).filter(|v| v.len() <= 2_000);
        value.map(str::to_string).ok_or_else(|| bad(format!("{name} needs the texts key and value.")))
    };
    many.iter().map(|pair| Ok((part(pair, "key")?, part(pair, "value")?))).collect()
}

/// Whether a pair can be sent as a header that is not ours to set.
fn is_header((key, value): &(String, String)) -> bool {
    let known = reqwest::header::HeaderName::from_bytes(key.as_bytes()).is_ok() && reqwest::header::HeaderValue::from_str(value).is_ok();
    known && !["host", "content-length", "content-type", "transfer-encoding", "connection", "link"].contains(&key.to_ascii_lowercase().as_str())
}

fn receiver(notification: &Map<String, Value>) -> Result<Receiver> {
    let endpoint = notification.get("endpoint").and_then(Value::as_object).ok_or_else(|| bad("notification needs an endpoint."))?;
    let uri = text(endpoint, "uri")?.filter(|u| u.len() <= 2_048).ok_or_else(|| bad("endpoint needs a uri."))?;
    let url = url::Url::parse(uri).map_err(|_| bad("endpoint: uri is not a URI."))?;
    let is_mqtt = matches!(url.scheme(), "mqtt" | "mqtts");
    if !(is_mqtt || matches!(url.scheme(), "http" | "https")) || url.host().is_none() {
        return Err(bad("endpoint: uri must be an http, https, mqtt or mqtts address."));
    }
    let topic = url.path().trim_start_matches('/');
    if is_mqtt && (topic.is_empty() || topic.contains('+') || url.fragment().is_some() || url.query().is_some()) {
        return Err(bad("endpoint: an mqtt address needs a topic without wildcards."));
    }
    let accept = match text(endpoint, "accept")? {
        None | Some("application/json") => Accept::Json,
        Some("application/ld+json") => Accept::LdJson,
        Some("application/geo+json") => Accept::GeoJson,
        Some(other) => return Err(bad(format!("endpoint: the media type {:?} is not supported.", cut(other)))),
    };
    let (info, notifier) = (pairs(endpoint, "receiverInfo")?, pairs(endpoint, "notifierInfo")?);
    if let Some((key, _)) = info.iter().find(|pair| !is_mqtt && !is_header(pair)) {
        return Err(bad(format!("receiverInfo: {:?} cannot be sent as a header.", cut(key))));
    }
    let mut mqtt = (0, true);
    let mut plain_body = info.iter().any(|(k, v)| k.eq_ignore_ascii_case("Prefer") && v.contains("body=json"));
    for (key, value) in &notifier {
        match (key.as_str(), value.as_str()) {
            ("MQTT-QoS", "0" | "1" | "2") => mqtt.0 = value.parse().unwrap_or(0),
            ("MQTT-Version", "mqtt3.1.1") => mqtt.1 = false,
            ("MQTT-Version", "mqtt5.0") => mqtt.1 = true,
            ("MQTT-QoS" | "MQTT-Version", _) => return Err(bad(format!("notifierInfo: {key} cannot be {:?}.", cut(value)))),
            (key, value) => plain_body |= key.eq_ignore_ascii_case("Prefer") && value.contains("body=json"),
        }
    }
    let millis = |n: f64| Duration::from_secs_f64(n / 1_000.0);
    Ok(Receiver {
        timeout: millis(number(endpoint, "timeout", 0.0)?.unwrap_or(5_000.0)).clamp(Duration::from_millis(100), Duration::from_secs(30)),
        cooldown: number(endpoint, "cooldown", 0.0)?.map(millis).map(|c| c.min(Duration::from_secs(86_400))),
        url,
        accept,
        info,
        plain_body,
        mqtt,
    })
}

/// What is shown of the entities.
fn view(body: &Map<String, Value>, notification: &Map<String, Value>, ld: &Ld) -> Result<View> {
    let form = match text(notification, "format")? {
        None | Some("normalized") => Form::Normalized,
        Some("concise") => Form::Concise,
        Some("keyValues" | "simplified") => Form::Simplified,
        Some(other) => return Err(bad(format!("notification: the format {:?} is not known.", cut(other)))),
    };
    let view = View {
        form,
        sys_attrs: flag(notification, "sysAttrs")?.unwrap_or(false),
        pick: names(notification, "pick", ld)?,
        omit: names(notification, "omit", ld)?.unwrap_or_default(),
        attrs: names(notification, "attributes", ld)?,
        lang: text(body, "lang")?.map(|l| l.split(',').map(str::to_string).collect()),
        datasets: match body.get("datasetId") {
            None => None,
            Some(Value::String(one)) => Some(vec![one.as_str().into()]),
            Some(many) => Some(many.as_array().ok_or_else(|| bad("datasetId must be a list."))?.iter().filter_map(Value::as_str).map(Iri::from).collect()),
        },
        join: join(notification)?,
        ..View::default()
    };
    if view.attrs.is_some() && (view.pick.is_some() || !view.omit.is_empty()) {
        return Err(bad("notification: attributes cannot stand together with pick or omit."));
    }
    if view.pick.iter().flatten().any(|p| view.omit.contains(p)) {
        return Err(bad("notification: a name stands in both pick and omit."));
    }
    Ok(view)
}

fn join(notification: &Map<String, Value>) -> Result<Option<Join>> {
    let flat = match text(notification, "join")? {
        None | Some("@none") => return Ok(None),
        Some("flat") => true,
        Some("inline") => false,
        Some(other) => return Err(bad(format!("notification: join cannot be {:?}.", cut(other)))),
    };
    let wrong = || bad(format!("notification: joinLevel must be a whole number from 1 to {MAX_LEVEL}."));
    let level = match notification.get("joinLevel") {
        None => 1,
        Some(level) => level.as_u64().and_then(|l| usize::try_from(l).ok()).filter(|l| (1..=MAX_LEVEL).contains(l)).ok_or_else(wrong)?,
    };
    Ok(Some(Join { flat, level, contained_by: Vec::new() }))
}

/// What else a subscription is read with.
pub struct Frame {
    /// Its id.
    pub id: Iri,
    /// Context in which its conditions are written; other names are expanded already.
    pub ld: Ld,
    /// Context of what is sent.
    pub speech: Ld,
    /// Where whoever made it found us; empty = not known.
    pub base: Box<str>,
    /// Now, µs.
    pub now: i64,
    /// Made, µs.
    pub created: i64,
    /// Its life must not be over.
    pub fresh: bool,
}

impl Subscription {
    /// Reads a subscription. 400 with the member that is wrong.
    pub fn parse(body: Map<String, Value>, frame: Frame, delivery: Arc<Delivery>) -> Result<Self> {
        let Frame { id, ld, speech, base, now, created, fresh } = frame;
        if body.get("type").and_then(Value::as_str) != Some("Subscription") {
            return Err(bad("The type must be Subscription."));
        }
        text(&body, "subscriptionName")?;
        text(&body, "description")?;
        let selectors = body.get("entities").map(|e| crate::http::selectors(e, &ld)).transpose()?.unwrap_or_default();
        let watched = names(&body, "watchedAttributes", &ld)?;
        if selectors.is_empty() && watched.is_none() && !flag(&body, "localOnly")?.unwrap_or(false) {
            return Err(bad("A subscription needs entities or watchedAttributes."));
        }
        let throttling = number(&body, "throttling", 0.0)?.filter(|s| *s > 0.0).map(Duration::from_secs_f64);
        let interval = number(&body, "timeInterval", 0.0)?;
        if interval == Some(0.0) {
            return Err(bad("timeInterval must be above 0."));
        }
        let interval = interval.map(|s| Duration::from_secs_f64(s.max(0.1)));
        if interval.is_some() && (watched.is_some() || body.contains_key("throttling")) {
            return Err(bad("timeInterval cannot stand together with watchedAttributes or throttling."));
        }
        if interval.is_some() && selectors.is_empty() {
            return Err(bad("A subscription with timeInterval needs entities."));
        }
        let wrong_time = || bad("expiresAt must be an instant in UTC such as 2026-11-21T01:00:00Z.");
        let expires = text(&body, "expiresAt")?.map(|t| parse_instant(t).ok_or_else(wrong_time)).transpose()?;
        if fresh && expires.is_some_and(|x| x <= now) {
            return Err(bad("expiresAt lies in the past."));
        }
        if let Some(csf) = text(&body, "csf")? {
            Query::parse(csf, &ld)?;
        }
        if body.contains_key("temporalQ") {
            return Err(bad("temporalQ is for subscriptions to registrations only."));
        }
        let edition = text(&body, "ngsildConformance")?.map(|v| minor(v).ok_or_else(|| bad("ngsildConformance must be a version such as 1.6.")));
        let notification = body.get("notification").and_then(Value::as_object).ok_or_else(|| bad("A subscription needs notification."))?;
        let view = view(&body, notification, &ld)?;
        let show_changes = flag(notification, "showChanges")?.unwrap_or(false);
        if show_changes && view.form == Form::Simplified {
            return Err(bad("notification: showChanges cannot stand together with the simplified format."));
        }
        Ok(Self {
            filter: Filter {
                selectors,
                // It may be encoded as in an address (4.9).
                q: text(&body, "q")?.map(|q| Query::parse(&decoded(q), &ld)).transpose()?,
                geo: body.get("geoQ").map(|g| crate::http::geo_member(g, &ld)).transpose()?,
                scope: text(&body, "scopeQ")?.map(ScopeQuery::parse).transpose()?,
                ..Filter::default()
            },
            triggers: triggers(&body)?,
            active: flag(&body, "isActive")?.unwrap_or(true),
            receiver: receiver(notification)?,
            modified: now,
            base,
            created,
            throttling,
            interval,
            show_changes,
            edition: edition.transpose()?.map(|minor| Edition { minor, simplified: view.form == Form::Simplified }),
            delivery,
            id,
            ld,
            speech,
            expires,
            watched,
            view,
            body,
        })
    }
}
