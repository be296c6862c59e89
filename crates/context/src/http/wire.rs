//! What all NGSI-LD routes share: `@context` and media types of requests and answers (CIM 009, 6.3), errors, paging links.

use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Error, Kind, Result};
use serde_json::{Map, Value, json};

use crate::Context;
use crate::fault::{self, bad, invalid};
use crate::ld::Ld;

/// One entity of a batch with its context, or why that is unusable.
pub type Part = (Map<String, Value>, Result<Ld>);

/// Where the API lives.
pub const PREFIX: &str = "/ngsi-ld/v1";

/// An error in the form of the standard.
#[derive(Debug)]
pub struct Fault(pub Error);

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// What a handler gives.
pub type Answer = std::result::Result<Response, Fault>;

const LINK_BESIDE: &str = "A body of application/ld+json must not come with a Link header that names a @context.";
const ERRORS: &str = "https://uri.etsi.org/ngsi-ld/errors/";

fn words(error: &Error) -> (&'static str, &'static str, u16) {
    match (error.code(), error.kind()) {
        (fault::NO_CONTEXT, _) => ("LdContextNotAvailable", "The remote @context is not available.", 504),
        (fault::NO_TENANT, _) => ("NonexistentTenant", "There is no such tenant.", 404),
        (fault::TOO_COMPLEX, _) => ("TooComplexQuery", "The query is too complex.", 403),
        (fault::TOO_MANY, _) => ("TooManyResults", "The query asks for too many results.", 403),
        (fault::INVALID_REQUEST, _) => ("InvalidRequest", "The request is not valid.", 400),
        (fault::CONFLICT, _) => ("Conflict", "The request contradicts a registration.", 409),
        (_, Kind::Invalid) => ("BadRequestData", "The request's data are not valid.", 400),
        (_, Kind::NotFound) => ("ResourceNotFound", "There is no such resource.", 404),
        (_, Kind::Conflict) => ("AlreadyExists", "The resource exists already.", 409),
        (_, Kind::Unprocessable) => ("OperationNotSupported", "The operation is not supported.", 422),
        (_, Kind::Internal) => ("InternalError", "Something failed on our side.", 500),
        (_, kind) => ("", "The request was refused.", kind.status()),
    }
}

/// An error's body, for answers and for the parts of a batch.
pub fn problem(error: &Error) -> Value {
    let (word, title, status) = words(error);
    let kind = if word.is_empty() { format!("urn:dothi:error:{}", error.code()) } else { format!("{ERRORS}{word}") };
    let mut body = json!({"type": kind, "title": title, "detail": error.detail(), "status": status});
    if error.kind() == Kind::Internal {
        let incident = uuid::Uuid::now_v7();
        tracing::error!(%incident, error = %error, "request failed");
        body["incident"] = incident.to_string().into();
    }
    body
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(words(&self.0).2).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // 413 and 415 carry no body (6.3.2).
        if matches!(self.0.kind(), Kind::TooLarge | Kind::Unsupported) {
            return status.into_response();
        }
        let mut response = (status, problem(&self.0).to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if matches!(self.0.kind(), Kind::TooMany | Kind::Unavailable) {
            let seconds = self.0.wait().map_or(1, |w| w.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Media types of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/ld+json`.
    LdJson,
    /// `application/geo+json`.
    GeoJson,
}

impl Media {
    /// On the wire.
    pub fn name(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::LdJson => "application/ld+json",
            Media::GeoJson => "application/geo+json",
        }
    }
}

/// A request, taken apart.
pub struct Asked {
    /// Who asks.
    pub caller: Caller,
    /// Headers.
    pub headers: HeaderMap,
    /// Address below [`PREFIX`].
    pub uri: Uri,
    /// Query parameters.
    pub params: Params,
    /// Body.
    pub body: Bytes,
    /// What the way to the answer adds to it.
    pub notes: super::distributed::Notes,
}

/// Query parameters, decoded; the first of each name counts.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string.
    pub fn read(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned())).collect())
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(k, _)| k.as_str())
    }

    /// A parameter; empty ones count as missing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, v)| k == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// A parameter that is a comma-separated list.
    pub fn list(&self, name: &str) -> Option<Vec<&str>> {
        self.get(name).map(|v| v.split(',').map(str::trim).filter(|w| !w.is_empty()).collect())
    }

    /// A truth value.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(bad(format!("{name} must be true or false, not {:?}.", fault::cut(other)))),
        }
    }

    /// Whether `options` holds a word.
    pub fn option(&self, word: &str) -> bool {
        self.list("options").is_some_and(|o| o.contains(&word))
    }

    /// All parameters but some, encoded again.
    pub fn without(&self, names: &[&str]) -> url::form_urlencoded::Serializer<'static, String> {
        let mut out = url::form_urlencoded::Serializer::new(String::new());
        out.extend_pairs(self.0.iter().filter(|(k, _)| !names.contains(&k.as_str())));
        out
    }
}

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Fault;

    async fn from_request(mut request: Request<axum::body::Body>, state: &S) -> std::result::Result<Self, Fault> {
        let nobody = || Error::internal("finding the caller", "no caller in the request's extensions");
        let caller = request.extensions_mut().remove::<Caller>().ok_or_else(nobody)?;
        let headers = std::mem::take(request.headers_mut());
        let uri = request.uri().clone();
        let params = Params::read(uri.query().unwrap_or_default());
        let notes = request.extensions().get().cloned().unwrap_or_default();
        let body = Bytes::from_request(request, state).await.map_err(|e| {
            let status = e.status();
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                Error::too_large("ngsi.too-large", "The body is too large.")
            } else {
                invalid("The body could not be read.")
            }
        })?;
        Ok(Self { caller, headers, uri, params, body, notes })
    }
}

/// Addresses of `Link` headers that name a JSON-LD context.
fn context_links(headers: &HeaderMap) -> Result<Vec<String>> {
    let mut links = Vec::new();
    for value in headers.get_all(header::LINK) {
        let text = value.to_str().map_err(|_| bad("The Link header is not readable."))?;
        for part in text.split(",<").flat_map(|p| p.split(", <")) {
            let Some((url, attributes)) = part.trim().trim_start_matches('<').split_once('>') else { continue };
            if attributes.contains("http://www.w3.org/ns/json-ld#context") {
                links.push(url.trim().to_string());
            }
        }
    }
    Ok(links)
}

impl Asked {
    /// The same request as if it were a query with this body.
    pub fn querying(&self, body: &Map<String, Value>) -> Self {
        Self {
            caller: self.caller.clone(),
            headers: self.headers.clone(),
            uri: Uri::from_static("/entityOperations/query"),
            params: Params::default(),
            body: Value::Object(body.clone()).to_string().into(),
            notes: self.notes.clone(),
        }
    }

    /// The path as the client wrote it.
    pub fn path(&self) -> String {
        format!("{PREFIX}{}", self.uri.path())
    }

    async fn link(&self, this: &Context) -> Result<Option<Ld>> {
        let links = context_links(&self.headers)?;
        match links.as_slice() {
            [] => Ok(None),
            [url] => Ok(Some(this.contexts().resolve(&Value::from(url.as_str()), self.caller.now.as_microsecond()).await?)),
            _ => Err(bad("Only one Link header may name a @context.")),
        }
    }

    /// The `@context` of a request without body.
    pub async fn ld(&self, this: &Context) -> Result<Ld> {
        Ok(self.link(this).await?.unwrap_or_default())
    }

    /// Whether the body is `application/ld+json`; 415 for other types than JSON.
    fn is_ld(&self) -> Result<bool> {
        let media = self.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        match media.split(';').next().unwrap_or_default().trim() {
            "application/ld+json" => Ok(true),
            "application/json" | "application/merge-patch+json" => Ok(false),
            _ => Err(Error::unsupported("ngsi.media-type", "The body must be application/json or application/ld+json.")),
        }
    }

    fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(|e| invalid(format!("The body is not JSON: {e}.")))
    }

    /// A body that is one object, with its `@context`.
    pub async fn object(&self, this: &Context) -> Result<(Map<String, Value>, Ld)> {
        let ld = self.is_ld()?;
        match self.json()? {
            Value::Object(mut object) => {
                let ld = self.body_context(this, &mut object, ld).await?;
                Ok((object, ld))
            }
            Value::Array(none) if none.is_empty() => Err(invalid("The body is empty.")),
            _ => Err(bad("The body must be an object.")),
        }
    }

    /// A body that is a list of objects, each with its `@context` (or why that is unusable).
    pub async fn objects(&self, this: &Context) -> Result<Vec<Part>> {
        let ld = self.is_ld()?;
        let Value::Array(many) = self.json()? else { return Err(bad("The body must be a list of entities.")) };
        if many.is_empty() {
            return Err(bad("The list is empty."));
        }
        if ld && !context_links(&self.headers)?.is_empty() {
            return Err(bad(LINK_BESIDE));
        }
        let shared = if ld { None } else { Some(self.ld(this).await?) };
        let mut out = Vec::with_capacity(many.len());
        for one in many {
            let Value::Object(mut object) = one else { return Err(bad("The members of the list must be objects.")) };
            let context = match &shared {
                Some(shared) if !object.contains_key("@context") => Ok(shared.clone()),
                _ => self.body_context(this, &mut object, ld).await,
            };
            out.push((object, context));
        }
        Ok(out)
    }

    /// A body that is any JSON (lists of ids, fragments of attributes).
    pub async fn value(&self, this: &Context) -> Result<(Value, Ld)> {
        let ld = self.is_ld()?;
        let mut value = self.json()?;
        let context = match &mut value {
            Value::Object(object) => self.body_context(this, object, ld).await?,
            // A list of texts has no place for a context, and needs none.
            Value::Array(many) if many.iter().all(Value::is_string) => self.ld(this).await?,
            _ if ld => return Err(bad("A body of application/ld+json needs a @context.")),
            _ => self.ld(this).await?,
        };
        Ok((value, context))
    }

    async fn body_context(&self, this: &Context, object: &mut Map<String, Value>, ld: bool) -> Result<Ld> {
        match (object.shift_remove("@context"), ld) {
            (None, true) => Err(bad("A body of application/ld+json needs a @context.")),
            (None, false) => self.ld(this).await,
            (Some(_), false) => Err(bad("A body of application/json must not hold a @context; send application/ld+json or a Link header.")),
            (Some(context), true) if context_links(&self.headers)?.is_empty() => this.contexts().resolve(&context, self.caller.now.as_microsecond()).await,
            (Some(_), true) => Err(bad(LINK_BESIDE)),
        }
    }

    /// The media type to answer in; 406 when none fits. `geo` when GeoJSON makes sense.
    pub fn accept(&self, geo: bool) -> std::result::Result<Media, Box<Response>> {
        let text: Vec<&str> = self.headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
        if text.is_empty() {
            return Ok(Media::Json);
        }
        let kinds: &[(&str, Media)] =
            &[("application/json", Media::Json), ("application/ld+json", Media::LdJson), ("application/geo+json", Media::GeoJson)][..if geo { 3 } else { 2 }];
        // Of equal weight, the first of our list counts (6.3.4); a range that names a type goes before a wildcard (RFC 9110).
        let mut best: Option<(f32, Media)> = None;
        for (name, media) in kinds {
            let mut found: Option<(u8, f32)> = None;
            for range in text.iter().flat_map(|t| t.split(',')) {
                let mut parts = range.split(';').map(str::trim);
                let rank = match parts.next().unwrap_or_default() {
                    exact if exact.eq_ignore_ascii_case(name) => 2,
                    "application/*" => 1,
                    "*/*" => 0,
                    _ => continue,
                };
                let weight = parts.find_map(|p| p.strip_prefix("q=")).and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
                if found.is_none_or(|(r, _)| rank > r) {
                    found = Some((rank, weight));
                }
            }
            if let Some((_, weight)) = found.filter(|(_, w)| *w > 0.0)
                && best.is_none_or(|(w, _)| weight > w)
            {
                best = Some((weight, *media));
            }
        }
        best.map(|(_, media)| media).ok_or_else(|| {
            let kinds =
                if geo { vec!["application/json", "application/ld+json", "application/geo+json"] } else { vec!["application/json", "application/ld+json"] };
            Box::new((StatusCode::NOT_ACCEPTABLE, [(header::CONTENT_TYPE, "application/json")], json!(kinds).to_string()).into_response())
        })
    }

    /// Whether GeoJSON is wanted without `@context` in the body.
    pub fn prefers_plain_body(&self) -> bool {
        self.headers.get("Prefer").and_then(|v| v.to_str().ok()).is_some_and(|p| p.contains("body=json"))
    }
}

fn link_header(ld: &Ld) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("<{}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"", ld.link())).ok()
}

/// An answer with a body; `@context` goes into the body or the `Link` header as the media type wants.
pub fn answer(asked: &Asked, media: Media, mut body: Value, ld: &Ld) -> Response {
    if context_in_body(asked, media) {
        match &mut body {
            Value::Array(many) => many.iter_mut().filter_map(Value::as_object_mut).for_each(|o| drop(o.insert("@context".into(), ld.body()))),
            Value::Object(object) => drop(object.insert("@context".into(), ld.body())),
            _ => {}
        }
    }
    written(asked, media, body.to_string(), ld)
}

/// Whether `@context` stands in the body rather than in a `Link` header.
pub fn context_in_body(asked: &Asked, media: Media) -> bool {
    match media {
        Media::Json => false,
        Media::LdJson => true,
        Media::GeoJson => !asked.prefers_plain_body(),
    }
}

/// An answer whose body is written already.
pub fn written(asked: &Asked, media: Media, body: impl Into<Bytes>, ld: &Ld) -> Response {
    let mut response = ([(header::CONTENT_TYPE, HeaderValue::from_static(media.name()))], body.into()).into_response();
    if let Some(link) = link_header(ld).filter(|_| !context_in_body(asked, media)) {
        response.headers_mut().append(header::LINK, link);
    }
    response
}

/// An answer in plain JSON without `@context` (batches, 207).
pub fn plain(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Adds a header whose value is ASCII.
pub fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(HeaderName::from_static(name), value);
    }
    response
}
