//! Requests to sources: what goes along (`Via`, context, tenant, agreed headers), how long we wait, what we accept.

use dothi_kernel::Result;
use reqwest::Method;
use serde_json::{Map, Value};

use crate::Context;
use crate::federation::registration::Registration;
use crate::ld::{Ld, is_core};
use crate::model::instant;

/// Bytes of a source's answer.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Value of an agreed header that is to be taken from the request.
pub const FROM_REQUEST: &str = "urn:ngsi-ld:request";
/// Headers that no agreement can set: they belong to the tenant, to the loop guard or to the connection.
const OURS: [&str; 15] = [
    "ngsild-tenant",
    "via",
    "content-length",
    "content-type",
    "host",
    "connection",
    "transfer-encoding",
    "accept",
    "link",
    "te",
    "upgrade",
    "trailer",
    "keep-alive",
    "expect",
    "ngsild-snapshot",
];

/// The request that causes others.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Brokers that it came through.
    pub via: Vec<String>,
}

impl Origin {
    /// Reads names and values of headers.
    pub fn new(headers: Vec<(String, String)>) -> Self {
        let via = headers.iter().filter(|(n, _)| n == "via").flat_map(|(_, v)| v.split(',')).map(|v| v.trim().to_string()).filter(|v| !v.is_empty()).collect();
        Self { headers, via }
    }

    /// Whether the request came through a broker of this name.
    pub fn passed(&self, alias: &str) -> bool {
        self.via.iter().any(|hop| hop.split_whitespace().nth(1) == Some(alias))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// A request to a source, in the names of a context.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Method.
    pub method: Method,
    /// Address below `/ngsi-ld/v1`, encoded.
    pub path: String,
    /// Parameters.
    pub query: Vec<(String, String)>,
    /// Body.
    pub body: Option<Value>,
    /// Its context.
    pub ld: &'a Ld,
}

/// Encodes a part of a path.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace("%3A", ":").replace('+', "%20")
}

/// What a source answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Body, when it is JSON.
    pub body: Option<Value>,
    /// In whose names.
    pub ld: Ld,
    /// Length of the body.
    pub bytes: usize,
}

/// Why a source gave no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It did not answer in time, or rests after failures.
    Late,
    /// It cannot be reached.
    Gone,
    /// What it said is no NGSI-LD, or too long.
    Garbled,
    /// It refused.
    Refused(u16),
    /// Asking it would go in a circle.
    Loop,
}

impl Trouble {
    /// Status that stands for it.
    pub fn status(self) -> u16 {
        match self {
            Trouble::Late => 504,
            Trouble::Gone | Trouble::Garbled => 502,
            Trouble::Refused(status) => status,
            Trouble::Loop => 508,
        }
    }

    /// In words.
    pub fn text(self) -> String {
        match self {
            Trouble::Late => "the context source did not answer in time".into(),
            Trouble::Gone => "the context source cannot be reached".into(),
            Trouble::Garbled => "the context source answered something that is not NGSI-LD".into(),
            Trouble::Refused(status) => format!("the context source answered {status}"),
            Trouble::Loop => "the request would go in a circle".into(),
        }
    }

    /// Value of a `NGSILD-Warning` header (table 6.3.17-1).
    pub fn warning(self, registration: &Registration, now: i64) -> String {
        let code = match self {
            Trouble::Late => 110,
            Trouble::Garbled => 111,
            Trouble::Gone => 112,
            Trouble::Loop => 199,
            Trouble::Refused(_) => 299,
        };
        format!("{code} {} \"{}\" \"{}\"", registration.id, self.text(), instant(now))
    }
}

/// Puts the names of one context in place of those of another, in entities, lists of them and attributes.
pub fn renamed(value: &Value, from: &Ld, to: &Ld) -> Value {
    const KEPT: [&str; 24] = [
        "id",
        "@id",
        "@context",
        "value",
        "object",
        "json",
        "languageMap",
        "valueList",
        "objectList",
        "unitCode",
        "datasetId",
        "observedAt",
        "createdAt",
        "modifiedAt",
        "deletedAt",
        "expiresAt",
        "lang",
        "scope",
        "coordinates",
        "previousValue",
        "previousObject",
        "instanceId",
        "success",
        "errors",
    ];
    let name = |n: &str| from.expand(n).map_or_else(|_| n.to_string(), |iri| to.compact(&iri).into_owned());
    match value {
        Value::Array(many) => many.iter().map(|v| renamed(v, from, to)).collect(),
        Value::Object(object) => {
            let mut out = Map::new();
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("type" | "@type" | "vocab" | "objectType" | "valueType", Value::String(one)) if crate::model::AttrKind::parse(one).is_none() => {
                        out.insert(key.clone(), name(one).into());
                    }
                    ("type" | "@type" | "vocab" | "objectType" | "valueType", Value::Array(many)) => {
                        out.insert(key.clone(), many.iter().map(|v| v.as_str().map_or_else(|| v.clone(), |n| name(n).into())).collect());
                    }
                    (key, value) if KEPT.contains(&key) || matches!(key, "type" | "vocab") => drop(out.insert(key.to_string(), value.clone())),
                    (key, value) => drop(out.insert(name(key), renamed(value, from, to))),
                }
            }
            Value::Object(out)
        }
        v => v.clone(),
    }
}

/// Whether a context can be named in a `Link` header: one address, with or without the core context beside it.
fn has_address(ld: &Ld) -> bool {
    match &ld.source {
        None | Some(Value::String(_)) => true,
        Some(Value::Array(many)) => many.iter().all(Value::is_string) && many.iter().filter(|c| !c.as_str().is_some_and(is_core)).count() <= 1,
        Some(_) => false,
    }
}

/// Parameters that hold lists of names.
const NAMES: [&str; 7] = ["attrs", "type", "pick", "omit", "geoproperty", "geometryProperty", "orderBy"];

fn renamed_list(text: &str, from: &Ld, to: &Ld) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if matches!(c, ',' | ';' | '|' | '(' | ')' | '\0') {
            if !word.is_empty() {
                out.push_str(&from.expand(word.trim()).map_or_else(|_| word.clone(), |iri| to.compact(&iri).into_owned()));
                word.clear();
            }
            if c != '\0' {
                out.push(c);
            }
        } else {
            word.push(c);
        }
    }
    out
}

impl Context {
    /// The context in which a source wants to be talked to, when it has one of its own.
    pub(crate) async fn language_of(&self, registration: &Registration, now: i64) -> Result<Option<Ld>> {
        match registration.info.iter().find(|(k, _)| k.eq_ignore_ascii_case("jsonldContext")) {
            Some((_, url)) => self.contexts.resolve(&Value::from(url.as_str()), now).await.map(Some),
            None => Ok(None),
        }
    }

    /// Sends a request to a source. Its figures are kept.
    pub(crate) async fn call_source(&self, origin: &Origin, registration: &Registration, call: Call<'_>, now: i64) -> std::result::Result<Reply, Trouble> {
        if registration.alias.as_deref().is_some_and(|alias| origin.passed(alias)) {
            return Err(Trouble::Loop);
        }
        let reads = call.method == Method::GET || call.path == "/entityOperations/query";
        let question = (reads && registration.remembers()).then(|| format!("{} {:?} {:?} {:?}", call.path, call.query, call.body, call.ld.source));
        if let Some(reply) = question.as_ref().and_then(|q| registration.remembered(q, now)) {
            return Ok(reply);
        }
        if !reads {
            registration.forget();
        }
        if registration.rests(now) {
            return Err(Trouble::Late);
        }
        let done = tokio::time::timeout(registration.timeout, self.talk(origin, registration, call, now)).await.unwrap_or(Err(Trouble::Late));
        let answered = match &done {
            Ok(reply) => reply.status < 500,
            Err(trouble) => matches!(trouble, Trouble::Loop),
        };
        registration.count(answered, now);
        if let (Some(question), Ok(reply)) = (question, &done)
            && reply.status == 200
        {
            registration.remember(question, reply, now);
        }
        if let Err(trouble) = &done {
            tracing::info!(registration = &*registration.id, reason = trouble.text(), "a context source failed");
        }
        done
    }

    async fn talk(&self, origin: &Origin, registration: &Registration, call: Call<'_>, now: i64) -> std::result::Result<Reply, Trouble> {
        let federation = &self.federation;
        let own = self.language_of(registration, now).await.map_err(|_| Trouble::Gone)?;
        let ld = own.as_ref().unwrap_or(call.ld);
        let mut url = registration.endpoint.clone();
        let base = url.path().trim_end_matches('/').trim_end_matches("/ngsi-ld/v1").to_string();
        url.set_path(&base);
        let mut address = format!("{}/ngsi-ld/v1{}", url.as_str().trim_end_matches('/'), call.path);
        if !call.query.is_empty() || registration.local_only {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in &call.query {
                match &own {
                    Some(own) if NAMES.contains(&name.as_str()) => query.append_pair(name, &renamed_list(value, call.ld, own)),
                    _ => query.append_pair(name, value),
                };
            }
            if registration.local_only {
                query.append_pair("local", "true");
            }
            address = format!("{address}?{}", query.finish());
        }
        let url = url::Url::parse(&address).map_err(|_| Trouble::Gone)?;
        federation.guard.check(&url).map_err(|_| Trouble::Gone)?;
        let _turn = federation.at_once.acquire().await.map_err(|_| Trouble::Gone)?;
        let asked = |key: &str| registration.info.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str());
        let hops: Vec<String> = origin.via.iter().cloned().chain([format!("1.1 {}", federation.alias)]).collect();
        let mut request =
            federation.client.request(call.method, url).header("via", hops.join(", ")).header("accept", asked("accept").unwrap_or("application/json"));
        if let Some(tenant) = &registration.tenant {
            request = request.header("ngsild-tenant", tenant);
        }
        for (key, value) in &registration.info {
            let processed = ["jsonldContext", "contentType", "accept"].iter().any(|p| key.eq_ignore_ascii_case(p));
            if processed || OURS.iter().any(|o| key.eq_ignore_ascii_case(o)) {
                continue;
            }
            let value = if value == FROM_REQUEST { origin.header(key) } else { Some(value.as_str()) };
            if let Some(value) = value {
                request = request.header(key, value);
            }
        }
        let in_body = call.body.is_some() && own.is_none() && (!has_address(ld) || asked("contentType") == Some("application/ld+json"));
        if !in_body && ld.source.is_some() {
            request = request.header("link", format!("<{}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"", ld.link()));
        }
        if let Some(body) = call.body {
            let mut body = own.as_ref().map_or_else(|| body.clone(), |own| renamed(&body, call.ld, own));
            if in_body {
                let objects: Vec<&mut Value> = match &mut body {
                    Value::Array(many) => many.iter_mut().collect(),
                    one => vec![one],
                };
                objects.into_iter().filter_map(Value::as_object_mut).for_each(|o| drop(o.insert("@context".into(), ld.body())));
            }
            request = request.header("content-type", if in_body { "application/ld+json" } else { "application/json" }).body(body.to_string());
        }
        let response = request.send().await.map_err(|e| if e.is_timeout() { Trouble::Late } else { Trouble::Gone })?;
        self.hear(response, ld.clone(), now).await
    }

    async fn hear(&self, mut response: reqwest::Response, ld: Ld, now: i64) -> std::result::Result<Reply, Trouble> {
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Trouble::Gone)? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(Trouble::Garbled);
            }
            bytes.extend_from_slice(&chunk);
        }
        let body: Option<Value> = match (bytes.is_empty(), serde_json::from_slice(&bytes)) {
            (true, _) => None,
            (false, Ok(body)) => Some(body),
            (false, Err(_)) if (200..300).contains(&status) => return Err(Trouble::Garbled),
            (false, Err(_)) => None,
        };
        let stated = body.as_ref().and_then(|b| b.get("@context").or_else(|| b.get(0).and_then(|one| one.get("@context")))).cloned();
        let ld = match stated {
            Some(context) => self.contexts.resolve(&context, now).await.unwrap_or(ld),
            None => ld,
        };
        Ok(Reply { status, body, ld, bytes: bytes.len() })
    }
}
