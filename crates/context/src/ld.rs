//! `@context`: names to IRIs and back, by term maps that are parsed once.
//!
//! The core context always wins, whatever its place; a user's redefinition of a core term is ignored. Contexts of packs
//! and of users are local; any other is fetched once by [`crate::remote`] and kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use dothi_kernel::Result;
use dothi_store::Store;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::fault::{NO_CONTEXT, bad, cut};
use crate::guard::Guard;
use crate::model::{DEFAULT_VOCAB, Iri};
use crate::remote::{Remote, unavailable};
use crate::tables_subs as tables;

/// Address of the core context that answers name.
pub const CORE_URL: &str = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld";
const CORE_TEXT: &str = include_str!("contexts/ngsi-ld-core-context-v1.9.jsonld");
const MAX_TERMS: usize = 20_000;
const MAX_NESTING: usize = 8;
/// Documents that one request may make us fetch.
const MAX_FETCHES: usize = 32;
/// Fetched documents kept; beyond, the one not used for longest goes.
const MAX_CACHED: usize = 2_000;

/// Names of one context, parsed.
#[derive(Debug, Default)]
pub struct TermMap {
    // Several of these look-ups are made for each attribute of an answer.
    terms: hashbrown::HashMap<Box<str>, Iri>,
    names: hashbrown::HashMap<Iri, Box<str>>,
    prefixes: Vec<(Iri, Box<str>)>,
}

/// The core context.
pub fn core() -> &'static TermMap {
    static CORE: OnceLock<TermMap> = OnceLock::new();
    CORE.get_or_init(|| {
        let parsed = serde_json::from_str::<Value>(CORE_TEXT).ok();
        let terms = parsed.as_ref().and_then(|v| v.get("@context")).and_then(Value::as_object);
        // The text is compiled in and a unit test reads it, so the empty map is never used.
        terms.and_then(|t| TermMap::parse(t, &[], true).ok()).unwrap_or_default()
    })
}

/// The core context's own document.
pub fn core_document() -> &'static str {
    CORE_TEXT
}

/// Whether an address names the core context, in any version there is; terms are additive with the same IRIs.
pub fn is_core(url: &str) -> bool {
    let rest = url.strip_prefix("https://uri.etsi.org/ngsi-ld/v1/").or_else(|| url.strip_prefix("http://uri.etsi.org/ngsi-ld/v1/"));
    let version = rest.and_then(|r| r.strip_prefix("ngsi-ld-core-context")).and_then(|r| r.strip_suffix(".jsonld"));
    version.is_some_and(|v| v.is_empty() || v.strip_prefix("-v1.").is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit()))
}

impl TermMap {
    /// The term whose IRI this is.
    pub fn name(&self, iri: &str) -> Option<&str> {
        self.names.get(iri).map(|term| &**term)
    }

    fn parse(object: &Map<String, Value>, before: &[Arc<TermMap>], is_core: bool) -> Result<Self> {
        if object.len() > MAX_TERMS {
            return Err(bad("The @context defines too many terms."));
        }
        let mut map = TermMap::default();
        for (term, definition) in object {
            if matches!(term.as_str(), "@import" | "@context") {
                return Err(bad(format!("{term} is not allowed inside a @context.")));
            }
            // What cannot be a name must not become the short form of one; `id` and `type` are keywords in the core.
            if !is_name(term) || matches!(term.as_str(), "id" | "type") {
                continue;
            }
            let id = match definition {
                Value::Null => continue,
                Value::String(s) => Some(s.as_str()),
                Value::Object(d) => {
                    if d.contains_key("@context") && !is_core {
                        return Err(bad(format!("Scoped contexts are not supported (term {}).", cut(term))));
                    }
                    match d.get("@id") {
                        Some(Value::Null) => continue,
                        None => None,
                        Some(Value::String(s)) => Some(s.as_str()),
                        Some(_) => return Err(bad(format!("@id of the term {} must be a text.", cut(term)))),
                    }
                }
                _ => return Err(bad(format!("The definition of the term {} is neither text nor object.", cut(term)))),
            };
            let id = id.unwrap_or(term);
            if id.starts_with('@') {
                continue;
            }
            let iri: Iri = resolve(id, object, before, is_core, 0)?.into();
            if marked(definition) || (definition.is_string() && ends_like_prefix(&iri)) {
                map.prefixes.push((iri.clone(), term.as_str().into()));
            }
            match map.names.get(&iri) {
                Some(known) if (known.len(), &**known) <= (term.len(), term.as_str()) => {}
                _ => {
                    map.names.insert(iri.clone(), term.as_str().into());
                }
            }
            map.terms.insert(term.as_str().into(), iri);
        }
        map.prefixes.sort_by_key(|(iri, _)| std::cmp::Reverse(iri.len()));
        Ok(map)
    }
}

/// Whether a word may be a name: of bounded length, no keyword, and without characters that mean something around it.
fn is_name(word: &str) -> bool {
    let outside = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\'' | '=' | ';' | '(' | ')');
    !word.is_empty() && word.len() <= 500 && !word.starts_with('@') && !word.contains(outside)
}

/// Whether names may be shortened by this IRI without its context saying so (JSON-LD 1.1, 4.2.2).
fn ends_like_prefix(iri: &str) -> bool {
    iri.ends_with(['/', '#', ':', '?', '[', ']', '@'])
}

/// Whether a context says of a term that it is a prefix.
fn marked(definition: &Value) -> bool {
    definition.get("@prefix") == Some(&Value::Bool(true))
}

/// Whether a term with this IRI may stand before a colon: the IRI ends like a prefix, or a context says so.
fn is_prefix(maps: &[Arc<TermMap>], term: &str, iri: &str) -> bool {
    ends_like_prefix(iri) || maps.iter().any(|m| m.prefixes.iter().any(|(i, t)| **i == *iri && **t == *term))
}

/// Expands what stands as `@id` in a context: prefixes and terms of the same object first, then those before it.
fn resolve(id: &str, object: &Map<String, Value>, before: &[Arc<TermMap>], is_core: bool, depth: usize) -> Result<String> {
    if depth > 16 {
        return Err(bad("The @context refers to itself in a circle."));
    }
    let term = |name: &str| -> Result<Option<String>> {
        if !is_core && let Some(iri) = core().terms.get(name) {
            return Ok(Some(iri.to_string()));
        }
        let own = object.get(name).and_then(|d| d.as_str().or_else(|| d.get("@id").and_then(Value::as_str)));
        match own {
            Some(own) if own != id && !own.starts_with('@') => Ok(Some(resolve(own, object, before, is_core, depth + 1)?)),
            _ => Ok(before.iter().rev().find_map(|m| m.terms.get(name)).map(|i| i.to_string())),
        }
    };
    match id.split_once(':') {
        Some((_, rest)) if rest.starts_with("//") => Ok(id.to_string()),
        Some((prefix, rest)) => {
            let known = term(prefix)?.filter(|iri| object.get(prefix).is_some_and(marked) || is_prefix(before, prefix, iri));
            Ok(known.map_or_else(|| id.to_string(), |iri| format!("{iri}{rest}")))
        }
        None => Ok(term(id)?.unwrap_or_else(|| format!("{DEFAULT_VOCAB}{id}"))),
    }
}

/// The `@context` of one request: expands and compacts its names.
#[derive(Debug, Clone, Default)]
pub struct Ld {
    maps: Vec<Arc<TermMap>>,
    /// Whether the core context is named in it, or in a context that it names.
    core: bool,
    /// As the caller gave it, to be put into answers; none = core only.
    pub source: Option<Value>,
}

impl Ld {
    fn term(&self, name: &str) -> Option<&Iri> {
        core().terms.get(name).or_else(|| self.maps.iter().rev().find_map(|m| m.terms.get(name)))
    }

    /// The IRI of a name. 400 for names the standard forbids.
    pub fn expand(&self, name: &str) -> Result<Iri> {
        if let Some(iri) = self.term(name) {
            return Ok(iri.clone());
        }
        if !is_name(name) {
            return Err(bad(format!("{:?} is not a valid name.", cut(name))));
        }
        match name.split_once(':') {
            Some((_, rest)) if rest.starts_with("//") => Ok(name.into()),
            Some((prefix, rest)) => match self.prefix(prefix) {
                Some(iri) => Ok(format!("{iri}{rest}").into()),
                None if crate::model::is_uri(name) => Ok(name.into()),
                None => Err(bad(format!("{:?} is not a valid name.", cut(name)))),
            },
            None => Ok(format!("{DEFAULT_VOCAB}{name}").into()),
        }
    }

    /// What a word before a colon stands for: not any term does, only one that is a prefix (JSON-LD 1.1, 5.2.2).
    fn prefix(&self, word: &str) -> Option<&Iri> {
        self.term(word).filter(|iri| is_prefix(&self.maps, word, iri))
    }

    /// Whether a word is known as what may stand before a colon.
    pub fn is_prefix(&self, word: &str) -> bool {
        self.prefix(word).is_some()
    }

    /// The shortest name of an IRI under this context; the IRI itself when there is none.
    pub fn compact<'a>(&'a self, iri: &'a str) -> std::borrow::Cow<'a, str> {
        let fits = |term: &str| self.term(term).is_some_and(|i| &**i == iri);
        if let Some(term) = core().names.get(iri).or_else(|| self.maps.iter().rev().filter_map(|m| m.names.get(iri)).find(|t| fits(t))) {
            return (&**term).into();
        }
        if let Some(name) = iri.strip_prefix(DEFAULT_VOCAB)
            && !name.is_empty()
            && !name.starts_with('@')
            && !name.contains(':')
            && !matches!(name, "id" | "type")
            && self.term(name).is_none()
        {
            return name.into();
        }
        for (prefix, term) in self.maps.iter().rev().flat_map(|m| &m.prefixes).chain(&core().prefixes) {
            if let Some(rest) = iri.strip_prefix(&**prefix)
                && !rest.is_empty()
                && !rest.starts_with("//")
                && self.term(term).is_some_and(|i| i == prefix)
            {
                let short = format!("{term}:{rest}");
                if self.term(&short).is_none() {
                    return short.into();
                }
            }
        }
        iri.into()
    }

    /// The address to put into a `Link` header.
    pub fn link(&self) -> &str {
        match &self.source {
            Some(Value::String(url)) => url,
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).find(|u| !is_core(u)).unwrap_or(CORE_URL),
            _ => CORE_URL,
        }
    }

    /// What goes into a body as `@context`: the caller's and the core, unless the caller's holds that already.
    pub fn body(&self) -> Value {
        match &self.source {
            None => CORE_URL.into(),
            Some(Value::Array(many)) if self.core && many.len() == 1 => many[0].clone(),
            Some(source) if self.core => source.clone(),
            Some(Value::Array(many)) => many.iter().cloned().chain([CORE_URL.into()]).collect(),
            Some(one) => vec![one.clone(), CORE_URL.into()].into(),
        }
    }
}

/// Of packs and users.
pub const HOSTED: &str = "Hosted";
/// Copies of remote ones.
pub const CACHED: &str = "Cached";
/// Made because a subscription came with a context that had no address.
pub const IMPLICIT: &str = "ImplicitlyCreated";

/// A context document known here.
#[derive(Debug)]
pub struct Document {
    /// Address or local id.
    pub url: String,
    /// [`HOSTED`], [`CACHED`] or [`IMPLICIT`].
    pub kind: &'static str,
    /// It came with a pack or with the settings, and goes with them.
    pub fixed: bool,
    /// The document: an object with `@context`.
    pub value: Value,
    /// When it was loaded, µs.
    pub created: i64,
    /// Times it was used.
    pub hits: AtomicU64,
    /// Last use, µs; 0 = never.
    pub last_use: AtomicI64,
    maps: Vec<Arc<TermMap>>,
    core: bool,
}

/// All contexts known here.
#[derive(Default)]
pub struct Contexts {
    known: RwLock<HashMap<String, Arc<Document>>>,
    remote: Option<(Remote, Store)>,
}

impl std::fmt::Debug for Contexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contexts").field("known", &self.known).finish_non_exhaustive()
    }
}

/// Where local contexts are served.
pub const LOCAL_PATH: &str = "/ngsi-ld/v1/jsonldContexts/";

impl Contexts {
    /// None yet; remote ones are fetched when they are asked for, and kept in the store.
    pub fn fetching(guard: Guard, store: Store) -> Result<Self> {
        Ok(Self { known: RwLock::default(), remote: Some((Remote::new(guard)?, store)) })
    }

    /// Adds or replaces a document. `url` is the remote address it stands for, or the local id under [`LOCAL_PATH`].
    pub fn put(&self, url: &str, kind: &'static str, value: Value, now: i64) -> Result<()> {
        self.set(url, kind, false, value, now)
    }

    /// Adds a document that cannot be deleted.
    pub fn fix(&self, url: &str, kind: &'static str, value: Value, now: i64) -> Result<()> {
        self.set(url, kind, true, value, now)
    }

    fn set(&self, url: &str, kind: &'static str, fixed: bool, value: Value, now: i64) -> Result<()> {
        let (mut maps, mut used) = (Vec::new(), Vec::new());
        self.collect(value.get("@context").ok_or_else(|| bad("A context document needs a member @context."))?, &mut maps, &mut used, 0)?;
        let core = names_core(&value["@context"]) || used.iter().any(|d| d.core);
        let document = Document { url: url.into(), kind, fixed, value, created: now, hits: AtomicU64::new(0), last_use: AtomicI64::new(0), maps, core };
        self.known.write().unwrap_or_else(|e| e.into_inner()).insert(url.to_string(), Arc::new(document));
        Ok(())
    }

    /// Forgets a document; false when it was not there.
    pub fn remove(&self, url: &str) -> bool {
        self.known.write().unwrap_or_else(|e| e.into_inner()).remove(url).is_some()
    }

    /// A document by remote address or local id.
    pub fn document(&self, url: &str) -> Option<Arc<Document>> {
        self.known.read().unwrap_or_else(|e| e.into_inner()).get(url).cloned()
    }

    /// All documents, by address.
    pub fn documents(&self) -> Vec<Arc<Document>> {
        let mut all: Vec<_> = self.known.read().unwrap_or_else(|e| e.into_inner()).values().cloned().collect();
        all.sort_by(|a, b| a.url.cmp(&b.url));
        all
    }

    /// Reads a `@context` value; remote contexts that are not known yet are fetched and kept. 504 when one cannot be
    /// had, 400 when one is none.
    pub async fn resolve(&self, value: &Value, now: i64) -> Result<Ld> {
        match self.read(value, now) {
            Err(e) if e.code() == NO_CONTEXT => {
                self.prepare(value, now).await?;
                self.read(value, now)
            }
            done => done,
        }
    }

    /// Fetches what a `@context` value names and is not known yet.
    pub async fn prepare(&self, value: &Value, now: i64) -> Result<()> {
        match &self.remote {
            Some((remote, store)) => self.obtain(remote, store, value, &mut Trail::default(), now).await,
            None => Ok(()),
        }
    }

    /// `trail` leads to the value.
    fn obtain<'a>(&'a self, remote: &'a Remote, store: &'a Store, value: &'a Value, trail: &'a mut Trail, now: i64) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut named = Vec::new();
            addresses(value, &mut named, 0)?;
            for url in named {
                if self.find(url).is_some() {
                    continue;
                }
                trail.count += 1;
                if trail.chain.iter().any(|c| c == url) {
                    return Err(bad(format!("The @context {} refers to itself in a circle.", cut(url))));
                }
                if trail.chain.len() > MAX_NESTING || trail.count > MAX_FETCHES {
                    return Err(bad("The @context refers to too many others."));
                }
                let document = remote.get(url).await?;
                trail.chain.push(url.to_string());
                self.obtain(remote, store, &document["@context"], trail, now).await?;
                trail.chain.pop();
                self.put(url, CACHED, (*document).clone(), now)?;
                let out = self.make_room(url);
                keep(store, url, &document, out.as_deref()).await;
            }
            Ok(())
        }
        .boxed()
    }

    /// Fetches a copy of a remote context anew. What fails leaves the old copy.
    pub async fn reload(&self, url: &str, now: i64) -> Result<()> {
        let Some((remote, store)) = &self.remote else { return Err(unavailable(url, "nothing is fetched here")) };
        let document = remote.get(url).await?;
        let mut trail = Trail { chain: vec![url.to_string()], count: 1 };
        self.obtain(remote, store, &document["@context"], &mut trail, now).await?;
        self.put(url, CACHED, (*document).clone(), now)?;
        keep(store, url, &document, None).await;
        // Whoever includes it reads it again, and whoever includes those.
        let mut changed = vec![url.to_string()];
        for _ in 0..MAX_NESTING {
            let mut next = Vec::new();
            for other in self.documents() {
                let mut named = Vec::new();
                addresses(&other.value["@context"], &mut named, 0)?;
                if named.iter().any(|n| changed.iter().any(|c| c == n)) {
                    self.set(&other.url, other.kind, other.fixed, other.value.clone(), other.created)?;
                    next.push(other.url.clone());
                }
            }
            changed = next;
        }
        Ok(())
    }

    /// Removes the copy that was not used for longest when there are too many; gives its address.
    fn make_room(&self, newest: &str) -> Option<String> {
        let mut known = self.known.write().unwrap_or_else(|e| e.into_inner());
        let cached = known.values().filter(|d| d.kind == CACHED && !d.fixed);
        if cached.clone().count() <= MAX_CACHED {
            return None;
        }
        let oldest = cached.filter(|d| d.url != newest).min_by_key(|d| d.last_use.load(Ordering::Relaxed)).map(|d| d.url.clone())?;
        known.remove(&oldest);
        Some(oldest)
    }

    /// A document by its address, or by that of a local one under any name of this host.
    pub fn find(&self, url: &str) -> Option<Arc<Document>> {
        let local = || url.find(LOCAL_PATH).map(|at| &url[at + LOCAL_PATH.len()..]);
        self.document(url).or_else(|| local().and_then(|id| self.document(id)))
    }

    /// Reads a `@context` value without fetching anything. 504 when it names a remote context that is not known here.
    pub fn read(&self, value: &Value, now: i64) -> Result<Ld> {
        let (mut maps, mut used) = (Vec::new(), Vec::new());
        self.collect(value, &mut maps, &mut used, 0)?;
        let core = names_core(value) || used.iter().any(|d| d.core);
        for document in used {
            document.hits.fetch_add(1, Ordering::Relaxed);
            document.last_use.store(now, Ordering::Relaxed);
        }
        Ok(Ld { maps, core, source: Some(value.clone()) })
    }

    fn collect(&self, value: &Value, maps: &mut Vec<Arc<TermMap>>, used: &mut Vec<Arc<Document>>, depth: usize) -> Result<()> {
        if depth > MAX_NESTING || maps.len() > 32 {
            return Err(bad("The @context is nested too deep or too long."));
        }
        match value {
            Value::Null => Ok(()),
            Value::String(url) if is_core(url) => Ok(()),
            Value::String(url) => {
                let known = self.find(url).ok_or_else(|| unavailable(url, "it is not known here"))?;
                maps.extend(known.maps.iter().cloned());
                used.push(known);
                Ok(())
            }
            Value::Array(many) => many.iter().try_for_each(|one| self.collect(one, maps, used, depth + 1)),
            Value::Object(terms) => {
                let parsed = TermMap::parse(terms, maps, false)?;
                maps.push(Arc::new(parsed));
                Ok(())
            }
            _ => Err(bad("A @context must be an address, an object or a list of these.")),
        }
    }
}

/// How fetching came to a context.
#[derive(Default)]
struct Trail {
    chain: Vec<String>,
    count: usize,
}

/// Keeps a fetched document over restarts. Requests do not fail because that failed.
async fn keep(store: &Store, url: &str, document: &Value, instead_of: Option<&str>) {
    let kept = async {
        let mut tx = store.begin_as("context").await?;
        if let Some(out) = instead_of {
            tables::delete_context(&mut tx, out).await?;
        }
        tables::save_context(&mut tx, url, CACHED, document).await?;
        tx.commit().await
    };
    if let Err(e) = kept.await {
        tracing::warn!(error = %e, url, "keeping a remote context failed");
    }
}

/// Whether a `@context` value itself names the core.
fn names_core(value: &Value) -> bool {
    match value {
        Value::String(url) => is_core(url),
        Value::Array(many) => many.iter().any(names_core),
        _ => false,
    }
}

/// The addresses that a `@context` value names, but that of the core.
fn addresses<'a>(value: &'a Value, out: &mut Vec<&'a str>, depth: usize) -> Result<()> {
    match value {
        Value::String(url) if !is_core(url) => out.push(url),
        Value::Array(many) if depth < MAX_NESTING => many.iter().try_for_each(|one| addresses(one, out, depth + 1))?,
        Value::Array(_) => return Err(bad("The @context is nested too deep or too long.")),
        Value::Bool(_) | Value::Number(_) => return Err(bad("A @context must be an address, an object or a list of these.")),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ld(value: Value) -> Ld {
        Contexts::default().read(&value, 0).unwrap()
    }

    #[test]
    fn core_terms_win_and_come_back() {
        assert!(core().terms.len() > 190);
        let ld = ld(json!({"location": "https://x.org/location", "temp": "https://x.org/temp", "x": "https://x.org/"}));
        assert_eq!(&*ld.expand("location").unwrap(), crate::model::LOCATION);
        assert_eq!(ld.compact("https://x.org/location"), "x:location");
        assert_eq!(&*ld.expand("temp").unwrap(), "https://x.org/temp");
        assert_eq!(ld.compact("https://x.org/temp"), "temp");
        assert_eq!(&*ld.expand("x:abc").unwrap(), "https://x.org/abc");
        assert_eq!(&*ld.expand("free").unwrap(), "https://uri.etsi.org/ngsi-ld/default-context/free");
        assert_eq!(ld.compact("https://uri.etsi.org/ngsi-ld/default-context/free"), "free");
        assert_eq!(ld.compact("https://uri.etsi.org/ngsi-ld/default-context/temp"), "ngsi-ld:default-context/temp");
        assert_eq!(&*ld.expand("ngsi-ld:default-context/temp").unwrap(), "https://uri.etsi.org/ngsi-ld/default-context/temp");
        assert!(ld.expand("a b").is_err());
    }

    #[test]
    fn only_prefixes_stand_before_a_colon() {
        let ld = ld(json!({"x": "https://x.org/", "word": "https://x.org/word", "p": {"@id": "https://x.org/p", "@prefix": true},
            "long": {"@id": "https://x.org/long/"}, "a": "word:a", "b": "p:b", "c": "long:c"}));
        for (name, iri) in [
            ("word:y", "word:y"),
            ("a", "word:a"),
            ("p:y", "https://x.org/py"),
            ("b", "https://x.org/pb"),
            ("long:y", "https://x.org/long/y"),
            ("c", "https://x.org/long/c"),
        ] {
            assert_eq!(&*ld.expand(name).unwrap(), iri, "{name}");
        }
        assert!(ld.expand("valueList:").is_err(), "a member of the core is no prefix");
        assert_eq!(ld.compact("https://x.org/py"), "p:y");
    }

    #[test]
    fn what_is_no_name_is_not_made_one() {
        let ld = ld(json!({"type": "https://x.org/type", "a b": "https://x.org/ab", "x": "https://x.org/", "x:one": "https://y.org/one"}));
        for iri in ["https://x.org/type", "https://x.org/ab", "https://x.org/one", "https://y.org/one", "https://uri.etsi.org/ngsi-ld/default-context/id"] {
            assert_eq!(&*ld.expand(&ld.compact(iri)).unwrap(), iri);
        }
        assert_eq!(ld.compact("https://uri.etsi.org/ngsi-ld/default-context/id"), "ngsi-ld:default-context/id");
    }

    #[test]
    fn circles_and_scopes_are_refused() {
        let contexts = Contexts::default();
        assert!(contexts.read(&json!({"a": "b:x", "b": "a:y"}), 0).is_err());
        assert!(contexts.read(&json!({"a": {"@id": "https://x/a", "@context": {}}}), 0).is_err());
        let error = contexts.read(&json!(["https://remote.example/c.jsonld"]), 0).unwrap_err();
        assert_eq!(error.code(), NO_CONTEXT);
    }
}
