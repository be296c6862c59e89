//! A client of Open311 GeoReport v2: a case is handed to another system, created there once as far as the protocol allows, and
//! followed until it ends there. Our own clock and our own answer go on: who handed it over still answers for it.
//!
//! The protocol has no means against creating twice. So the intention is stored before the request goes out; a request that did not
//! arrive is sent again; one whose fate is unknown is sent again only to systems that promise to take a repeated one once
//! (`Idempotency-Key`, as we do), else it is looked for by our code in its words, and when it is not found, a person decides.

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::time::{earlier, later};
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, Timestamp};
use dothi_store::Tx;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::open311_read::Record;
use crate::open311_wire::{Trouble, Wire, w3c};
use crate::tables::{self, CaseRecord, LogRecord};
use crate::tables_forward::{self as sql, ForwardRecord, Mapping, PeerRecord};
use crate::{CURSORS, Cases, text};

/// Hand-overs worked on at once.
const AT_ONCE: usize = 16;
/// How long one is taken for.
const LOCK: Duration = Duration::from_secs(120);
/// How far another system's clock may be off when we look for what we sent.
const SKEW: Duration = Duration::from_secs(600);
/// Pause between looks at what is due.
const LOOK: Duration = Duration::from_secs(5);
/// Tries before a person must look.
const TRIES: u32 = 8;
/// First pause after a failure; it doubles.
const PAUSE: Duration = Duration::from_secs(60);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(4 * 3_600);

/// Another system as it is shown: without its key.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Open311Peer)]
pub struct Peer {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Address of its GeoReport v2 (`https://…/open311/v2`).
    pub url: String,
    /// Its jurisdiction, if it serves several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jurisdiction_id: Option<String>,
    /// `json` or `xml`.
    pub format: String,
    /// How our categories are called there.
    pub services: Vec<Mapping>,
    /// Whether it takes a repeated request once (`Idempotency-Key`).
    pub repeats: bool,
    /// Minutes between looks at what it has of ours.
    pub poll_minutes: u32,
    /// Whether anything is handed to it.
    pub active: bool,
    /// Login of who entered it.
    pub made_by: String,
}

/// Enters or changes another system.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Open311PeerInput)]
#[serde(default, deny_unknown_fields)]
pub struct PeerInput {
    /// Name.
    pub name: String,
    /// Address of its GeoReport v2.
    pub url: String,
    /// Its jurisdiction.
    pub jurisdiction_id: Option<String>,
    /// The key it gave us; empty keeps the one there is.
    pub api_key: String,
    /// `json` (the default) or `xml`.
    pub format: String,
    /// How our categories are called there.
    pub services: Vec<Mapping>,
    /// Whether it takes a repeated request once.
    pub repeats: bool,
    /// Minutes between looks (default 10).
    pub poll_minutes: Option<u32>,
    /// Whether anything is handed to it.
    pub active: bool,
}

/// A service that another system offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Open311OutsideService)]
pub struct OutsideService {
    /// Its code.
    pub service_code: String,
    /// Its name.
    pub service_name: String,
}

/// A case in another system's hands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = CaseForward)]
pub struct Forward {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Case id.
    #[schema(value_type = String)]
    pub case: Uuid,
    /// Case code.
    pub code: String,
    /// System.
    #[schema(value_type = String)]
    pub peer: Uuid,
    /// Its name.
    pub peer_name: String,
    /// Service there.
    pub service_code: String,
    /// `waiting`, `unsure` (sent, fate unknown), `token` (its id will follow), `open`, `closed`, `stuck`, `taken-back`.
    pub state: String,
    /// Tries of what is under way.
    pub tries: u32,
    /// Id there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_request_id: Option<String>,
    /// Why it is stuck, or why the last try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// State there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What they say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_notes: Option<String>,
    /// Who handed it over.
    pub by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it was last looked at there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checked_at: Option<Timestamp>,
}

/// Hands a case over.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = CaseForwardInput)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardInput {
    /// Which system.
    #[schema(value_type = String)]
    pub peer: Uuid,
    /// Which of its services; by itself what the case's category is mapped to.
    pub service_code: Option<String>,
}

/// What a person decides about one that is stuck.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = CaseForwardDecision)]
#[serde(default, deny_unknown_fields)]
pub struct Decision {
    /// `again`, `take-back`, or `adopt` (it exists there under `service_request_id`).
    pub what: String,
    /// Its id there.
    pub service_request_id: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Hands cases to other systems and follows them there.
pub struct Forwarder {
    cases: Arc<Cases>,
    wire: Wire,
    /// Our own address, for links.
    base: String,
    bell: Notify,
}

fn unknown_peer() -> Error {
    Error::not_found("case.peer.unknown", "There is no such system.")
}

fn pause(tries: u32) -> Duration {
    PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(8)).min(LONGEST)
}

fn peer_view(p: PeerRecord) -> Peer {
    Peer {
        id: p.id,
        name: p.name,
        url: p.url,
        jurisdiction_id: p.jurisdiction,
        format: p.format,
        services: p.services,
        repeats: p.repeats,
        poll_minutes: p.poll_minutes,
        active: p.active,
        made_by: p.made_by,
    }
}

impl Forwarder {
    /// Over the domain; `guard` says which addresses may be called, `base` is our own address.
    pub fn new(cases: Arc<Cases>, guard: dothi_store::outside::Guard, base: String) -> Result<Self> {
        Ok(Self { cases, wire: Wire::new(guard)?, base, bell: Notify::new() })
    }

    /// The domain it works for.
    pub(crate) fn cases(&self) -> &Arc<Cases> {
        &self.cases
    }

    // --- other systems --------------------------------------------------------------------------------------------

    /// Other systems. Needs `people-manage`, or `case-triage`: who hands over must see to whom.
    pub async fn peers(&self, caller: &Caller) -> Result<Vec<Peer>> {
        if !caller.may(Permission::PeopleManage, Scope::ANY) {
            caller.require(Permission::CaseTriage, Scope::ANY)?;
        }
        Ok(sql::peers(&self.cases.store).await?.into_iter().map(peer_view).collect())
    }

    /// Enters or changes one; its key is never shown again. On record. 400 `case.peer.form`, `outside.refused`; 404 `case.peer.unknown`.
    pub async fn save_peer(&self, caller: &Caller, id: Option<Uuid>, input: PeerInput) -> Result<Peer> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        let bad = |what: &str| Error::invalid("case.peer.form", "Another system needs a name, an address, a key and services.").with("field", what);
        let before = match id {
            Some(id) => Some(sql::peer(&self.cases.store, id).await?.ok_or_else(unknown_peer)?),
            None => None,
        };
        let name = text::clean(&input.name, "name", 80)?;
        let url: url::Url = input.url.trim().trim_end_matches('/').parse().map_err(|_| bad("url"))?;
        let fine = matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.query().is_none() && url.username().is_empty();
        if name.is_empty() || !fine || input.url.len() > 300 {
            return Err(bad(if name.is_empty() { "name" } else { "url" }));
        }
        self.wire.check(&url)?;
        let format = if input.format.is_empty() { "json".to_string() } else { input.format };
        let api_key =
            if input.api_key.trim().is_empty() { before.as_ref().map(|b| b.api_key.clone()).unwrap_or_default() } else { input.api_key.trim().to_string() };
        if api_key.is_empty() || api_key.len() > 300 {
            return Err(bad("api_key"));
        }
        let known = self.cases.installed();
        let category = |code: &str| known.values().filter_map(|v| v.last_key_value()).any(|(_, t)| t.category(code).is_some());
        let mapped = |m: &Mapping| category(&m.category) && (1..=100).contains(&m.service_code.trim().len()) && m.attributes.len() <= 50;
        if !matches!(format.as_str(), "json" | "xml") || input.services.len() > 500 || !input.services.iter().all(mapped) {
            return Err(bad("services"));
        }
        let mut tx = self.cases.store.begin(caller).await?;
        let peer = PeerRecord {
            id: id.unwrap_or_else(|| tx.id()),
            name,
            url: url.as_str().trim_end_matches('/').to_string(),
            jurisdiction: text::clean_opt(input.jurisdiction_id.as_deref(), "jurisdiction_id", 100)?,
            api_key,
            format,
            services: input.services,
            repeats: input.repeats,
            poll_minutes: input.poll_minutes.unwrap_or(10).clamp(1, 1_440),
            active: input.active,
            made_by: before.as_ref().map_or_else(|| caller.name.to_string(), |b| b.made_by.clone()),
            at: before.as_ref().map_or(caller.now, |b| b.at),
        };
        sql::put_peer(&mut tx, &peer).await?;
        tx.audit("case.peer.save", &format!("open311-peer:{}", peer.id), &json!({ "name": peer.name, "url": peer.url, "active": peer.active })).await?;
        tx.commit().await?;
        self.bell.notify_one();
        Ok(peer_view(peer))
    }

    /// What a system offers, asked now. 503 `case.peer.unreached` with its words.
    pub async fn outside_services(&self, caller: &Caller, id: Uuid) -> Result<Vec<OutsideService>> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        let peer = sql::peer(&self.cases.store, id).await?.ok_or_else(unknown_peer)?;
        let unreached = |t: Trouble| Error::unprocessable("case.peer.unreached", "The other system gave no usable answer.").with("reason", t.words());
        let rows = self.wire.get(&peer, "services", &[]).await.map_err(unreached)?;
        let service =
            |mut r: Record| Some(OutsideService { service_code: r.remove("service_code")?, service_name: r.remove("service_name").unwrap_or_default() });
        Ok(rows.into_iter().filter_map(service).take(500).collect())
    }

    // --- handing over ---------------------------------------------------------------------------------------------

    /// Hands a case over; it is sent in the background. Needs `case-triage` in the case's unit. 409 `case.forward.again` while it is with
    /// another system; 422 `case.forward.not-yet` before the centre has accepted it, or when it has ended; 422 `case.forward.private`,
    /// `case.forward.unmapped`.
    pub async fn forward(&self, caller: &Caller, case: Uuid, input: &ForwardInput) -> Result<Forward> {
        self.cases.may_read(caller, case).await?;
        let peer = sql::peer(&self.cases.store, input.peer).await?.filter(|p| p.active).ok_or_else(unknown_peer)?;
        let mut tx = self.cases.store.begin(caller).await?;
        let found = tables::case_in(&mut tx, case).await?.ok_or_else(tables::unknown)?;
        caller.require(Permission::CaseTriage, Scope::unit(&found.unit))?;
        if !found.published || found.stopped {
            return Err(Error::unprocessable("case.forward.not-yet", "A case is handed over after the centre has accepted it and before it has ended."));
        }
        if found.private {
            return Err(Error::unprocessable("case.forward.private", "A private report stays here: the other system may publish it."));
        }
        let service = match text::clean_opt(input.service_code.as_deref(), "service_code", 100)? {
            Some(code) => code,
            None => {
                let mapped = peer.services.iter().find(|m| m.category == found.category);
                mapped
                    .map(|m| m.service_code.clone())
                    .ok_or_else(|| Error::unprocessable("case.forward.unmapped", "This category has no service there: choose one."))?
            }
        };
        if sql::of_case_in(&mut tx, case).await?.iter().any(|f| f.ended_at.is_none()) {
            return Err(Error::conflict("case.forward.again", "The case is with another system already."));
        }
        let forward = self.begin(&mut tx, &found, &peer, service, &caller.name).await?;
        tx.commit().await?;
        self.bell.notify_one();
        Ok(view(forward, &peer, &found.code))
    }

    async fn begin(&self, tx: &mut Tx, case: &CaseRecord, peer: &PeerRecord, service_code: String, by: &str) -> Result<ForwardRecord> {
        let (id, now) = (tx.id(), tx.now());
        let forward = ForwardRecord {
            id,
            case: case.id,
            peer: peer.id,
            service_code,
            state: "waiting".into(),
            stored: "waiting".into(),
            tries: 0,
            due_at: now,
            outside_id: None,
            token: None,
            reason: None,
            status: None,
            notes: None,
            first_try: None,
            sent_at: None,
            checked_at: None,
            ended_at: None,
            by: by.to_string(),
            at: now,
        };
        sql::insert(tx, &forward).await?;
        self.note(tx, case, by, format!("→ {} ({})", peer.name, forward.service_code)).await?;
        tx.audit("case.forward", &format!("case:{}", case.id), &json!({ "peer": peer.id, "service_code": forward.service_code })).await?;
        Ok(forward)
    }

    async fn note(&self, tx: &mut Tx, case: &CaseRecord, by: &str, words: String) -> Result<()> {
        let log = LogRecord { step: "update".into(), note: Some(words), ..LogRecord::of(case, tx.now(), by) };
        tables::insert_log(tx, case.id, &log).await
    }

    /// Hands a case over by itself when its category is to go somewhere by itself: once, after the centre has accepted it. For the platform.
    pub async fn consider(&self, system: &Caller, case: Uuid) -> Result<()> {
        let peers: Vec<PeerRecord> = sql::peers(&self.cases.store).await?.into_iter().filter(|p| p.active && p.services.iter().any(|m| m.auto)).collect();
        if peers.is_empty() {
            return Ok(());
        }
        let mut tx = self.cases.store.begin(system).await?;
        let Some(found) = tables::case_in(&mut tx, case).await?.filter(|c| c.published && c.listed && !c.private && !c.stopped) else { return Ok(()) };
        let wanted = peers.iter().find_map(|p| p.services.iter().find(|m| m.auto && m.category == found.category).map(|m| (p, m.service_code.clone())));
        let Some((peer, service)) = wanted else { return Ok(()) };
        // What was handed over once, also what was taken back, is a person's to hand over again.
        if !sql::of_case_in(&mut tx, case).await?.is_empty() {
            return Ok(());
        }
        self.begin(&mut tx, &found, peer, service, "system").await?;
        tx.commit().await?;
        self.bell.notify_one();
        Ok(())
    }

    /// Hand-overs of a case; for those who may read it.
    pub async fn of_case(&self, caller: &Caller, case: Uuid) -> Result<Vec<Forward>> {
        self.cases.may_read(caller, case).await?;
        let found = tables::case(&self.cases.store, case).await?.ok_or_else(tables::unknown)?;
        let peers = sql::peers(&self.cases.store).await?;
        let rows = sql::of_case(&self.cases.store, case).await?;
        Ok(rows.into_iter().filter_map(|f| peers.iter().find(|p| p.id == f.peer).map(|p| view(f.clone(), p, &found.code))).collect())
    }

    /// Hand-overs in a state (all that have not ended when none is named), oldest first. Needs `people-manage` or `case-triage` everywhere.
    pub async fn forwards(&self, caller: &Caller, state: Option<&str>, page: &PageQuery) -> Result<Page<Forward>> {
        if !caller.may(Permission::PeopleManage, Scope::ANY) {
            caller.require(Permission::CaseTriage, Scope::ANY)?;
        }
        let rows = sql::listed(&self.cases.store, state.filter(|s| !s.is_empty()), CURSORS.after(page.after.as_deref())?, page.limit() + 1).await?;
        let peers = sql::peers(&self.cases.store).await?;
        let views: Vec<Forward> = rows.into_iter().filter_map(|(f, code)| peers.iter().find(|p| p.id == f.peer).map(|p| view(f, p, &code))).collect();
        Ok(Page::of(views, page.limit(), |f| CURSORS.write(f.at, f.id)))
    }

    /// A person decides: send again, take back, or say under which id it exists there. On record. 409 `case.forward.state`.
    pub async fn decide(&self, caller: &Caller, id: Uuid, decision: &Decision) -> Result<Forward> {
        let reason = text::clean_opt(decision.reason.as_deref(), "reason", 500)?;
        let mut tx = self.cases.store.begin(caller).await?;
        caller.require(Permission::CaseTriage, Scope::ANY)?;
        let mut f = sql::forward_in(&mut tx, id).await?;
        let case = tables::case_in(&mut tx, f.case).await?.ok_or_else(tables::unknown)?;
        caller.require(Permission::CaseTriage, Scope::unit(&case.unit))?;
        let peer = sql::peer(&self.cases.store, f.peer).await?.ok_or_else(unknown_peer)?;
        let wrong = || Error::conflict("case.forward.state", "This cannot be done to a hand-over in this state.");
        let said = match decision.what.as_str() {
            "again" if f.state == "stuck" => {
                (f.state, f.tries, f.due_at, f.reason) = ("waiting".into(), 0, caller.now, None);
                format!("→ {}: gửi lại", peer.name)
            }
            "take-back" if f.ended_at.is_none() => {
                (f.state, f.ended_at) = ("taken-back".into(), Some(caller.now));
                format!("← {}: rút lại{}", peer.name, reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default())
            }
            "adopt" if matches!(f.state.as_str(), "stuck" | "unsure") => {
                let outside = text::clean_opt(decision.service_request_id.as_deref(), "service_request_id", 100)?;
                f.outside_id = Some(outside.ok_or_else(|| Error::invalid("case.forward.id", "Give the id that it has there."))?);
                (f.state, f.tries, f.due_at, f.reason, f.sent_at) = ("open".into(), 0, caller.now, None, Some(caller.now));
                format!("→ {}: {}", peer.name, f.outside_id.as_deref().unwrap_or(""))
            }
            _ => return Err(wrong()),
        };
        if !sql::update(&mut tx, &f).await? {
            return Err(wrong());
        }
        self.note(&mut tx, &case, &caller.name, said).await?;
        tx.audit(&format!("case.forward.{}", decision.what), &format!("case:{}", f.case), &json!({ "forward": f.id, "reason": reason })).await?;
        tx.commit().await?;
        self.bell.notify_one();
        Ok(view(f, &peer, &case.code))
    }

    // --- the work -------------------------------------------------------------------------------------------------

    /// Sends and follows until told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let idle = match self.work().await {
                Ok(done) => done == 0,
                Err(e) => {
                    tracing::error!(error = %e, "handing cases to other systems failed");
                    true
                }
            };
            if idle {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.bell.notified() => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
        }
    }

    /// Does what is due; returns how much it was.
    pub async fn work(&self) -> Result<usize> {
        let due = sql::due(&self.cases.store, self.cases.store.clock().now(), AT_ONCE).await?;
        let mut taken = Vec::new();
        for f in due {
            let mut tx = self.cases.store.begin_as("cases").await?;
            let until = later(tx.now(), LOCK);
            if sql::take(&mut tx, &f, until).await? {
                taken.push(f);
            }
            tx.commit().await?;
        }
        let count = taken.len();
        for done in futures::future::join_all(taken.into_iter().map(|f| self.one(f))).await {
            done?;
        }
        Ok(count)
    }

    async fn one(&self, f: ForwardRecord) -> Result<()> {
        let Some(peer) = sql::peer(&self.cases.store, f.peer).await? else { return Ok(()) };
        if !peer.active {
            return self.later(f, "the other system is switched off here".into(), None).await;
        }
        match f.state.as_str() {
            "waiting" => self.send(f, &peer).await,
            "unsure" if peer.repeats => self.send(f, &peer).await,
            "unsure" => self.look(f, &peer).await,
            "token" => self.exchange(f, &peer).await,
            _ => self.follow(f, &peer).await,
        }
    }

    async fn keep(&self, f: &ForwardRecord) -> Result<()> {
        let mut tx = self.cases.store.begin_as("cases").await?;
        sql::update(&mut tx, f).await?;
        tx.commit().await
    }

    /// Tried again after a pause, until a person must look.
    async fn later(&self, mut f: ForwardRecord, why: String, wait: Option<Duration>) -> Result<()> {
        let now = self.cases.store.clock().now();
        f.tries += 1;
        let sending = matches!(f.state.as_str(), "waiting" | "unsure");
        if sending && f.tries >= TRIES {
            return self.stuck(f, why).await;
        }
        let asked = wait.unwrap_or_default().min(LONGEST);
        f.due_at = later(now, pause(f.tries).max(asked));
        f.reason = Some(why);
        self.keep(&f).await
    }

    async fn stuck(&self, mut f: ForwardRecord, why: String) -> Result<()> {
        let mut tx = self.cases.store.begin_as("cases").await?;
        let words = format!("→ ✕ {why}");
        (f.state, f.reason) = ("stuck".into(), Some(why));
        if sql::update(&mut tx, &f).await?
            && let Some(case) = tables::case_in(&mut tx, f.case).await?
        {
            self.note(&mut tx, &case, "system", words).await?;
        }
        tx.commit().await
    }

    async fn send(&self, mut f: ForwardRecord, peer: &PeerRecord) -> Result<()> {
        let Some(case) = tables::case(&self.cases.store, f.case).await? else { return Ok(()) };
        let mut form = self.form(&case, &f, peer).await?;
        let shared = self.contact(&case).await?;
        form.extend(shared.iter().flat_map(|(_, fields)| fields.clone()));
        // Before the request goes out it is stored that it does: who comes after a crash knows that it may exist there.
        let now = self.cases.store.clock().now();
        (f.state, f.first_try) = ("unsure".into(), f.first_try.or(Some(now)));
        let mut tx = self.cases.store.begin_as("cases").await?;
        let until = later(tx.now(), LOCK);
        if !sql::update(&mut tx, &f).await? || !sql::take(&mut tx, &f, until).await? {
            return Ok(());
        }
        f.stored.clone_from(&f.state);
        if let Some((version, _)) = &shared {
            let about = json!({ "code": case.code, "to": peer.name, "consent": version });
            tx.audit("case.contact.forward", &format!("case:{}", case.id), &about).await?;
        }
        tx.commit().await?;
        match self.wire.post(peer, "requests", &form, &f.id.to_string()).await {
            Ok(records) => {
                let field = |name: &str| records.iter().find_map(|r| r.get(name).cloned());
                match (field("service_request_id"), field("token")) {
                    (Some(id), _) => self.arrived(f, &case, peer, id).await,
                    (None, Some(token)) => {
                        (f.state, f.token, f.tries, f.reason) = ("token".into(), Some(token), 0, None);
                        (f.sent_at, f.due_at) = (Some(now), later(now, self.poll(peer)));
                        self.keep(&f).await
                    }
                    (None, None) => self.stuck(f, "the other system took it, but named neither an id nor a token".into()).await,
                }
            }
            Err(Trouble::Refused(_, why)) => self.stuck(f, why).await,
            Err(Trouble::Unreached(why)) => {
                f.state = "waiting".into();
                self.later(f, why, None).await
            }
            Err(Trouble::Busy(why, wait)) => {
                f.state = "waiting".into();
                self.later(f, why, wait).await
            }
            Err(Trouble::Unknown(why)) => self.later(f, why, None).await,
        }
    }

    async fn form(&self, case: &CaseRecord, f: &ForwardRecord, peer: &PeerRecord) -> Result<Vec<(String, String)>> {
        let words = case.public_text.clone().filter(|_| case.published).unwrap_or_else(|| text::mask_contact(&case.text));
        let words = text::short(&words, 3_500);
        let mut form = vec![
            ("service_code".to_string(), f.service_code.clone()),
            ("description".to_string(), format!("{words}\n\n{}\n{}/r/{}", mark(case), self.base, case.code)),
        ];
        if let Some(at) = case.location {
            form.extend([("lat".to_string(), at.lat.to_string()), ("long".to_string(), at.lon.to_string())]);
        }
        let address = [case.address.as_deref(), case.area_name.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ");
        if !address.is_empty() {
            form.push(("address_string".to_string(), address));
        }
        if let Some(area) = &case.area {
            form.push(("address_id".to_string(), area.clone()));
        }
        let photos = tables::photos_of(&self.cases.store, &[case.id]).await?;
        let shown = photos.get(&case.id).into_iter().flatten().filter(|p| p.public && p.stage == "report").find_map(|p| p.for_public());
        if let Some(sha) = shown {
            form.push(("media_url".to_string(), format!("{}/api/cases/photos/{sha}", self.base)));
        }
        let mapping = peer.services.iter().find(|m| m.category == case.category && m.service_code == f.service_code);
        form.extend(mapping.into_iter().flat_map(|m| m.attributes.iter().map(|(k, v)| (format!("attribute[{k}]"), v.clone()))));
        Ok(form)
    }

    /// The reporter's contact data as Open311 has them, and the version of the words by which the reporter agreed; none without that.
    async fn contact(&self, case: &CaseRecord) -> Result<Option<(String, Vec<(String, String)>)>> {
        let Some(agreed) = self.cases.contact_shared(case.id).await? else { return Ok(None) };
        let (_, contact) = tables::reporter_of(&self.cases.store, case.id).await?;
        // The family name comes first here; who reads both in this order has the name as it is said.
        let name = contact.name.as_deref().map(|n| n.split_once(' ').unwrap_or(("", n)));
        let (family, given) = name.map_or((None, None), |(family, given)| (Some(family), Some(given)));
        let fields = [("last_name", family), ("first_name", given), ("email", contact.email.as_deref()), ("phone", contact.phone.as_deref())];
        let fields: Vec<_> = fields.into_iter().filter_map(|(n, v)| Some((n.to_string(), v.filter(|v| !v.is_empty())?.to_string()))).collect();
        Ok(Some((agreed.version, fields)).filter(|(_, fields)| !fields.is_empty()))
    }

    fn poll(&self, peer: &PeerRecord) -> Duration {
        Duration::from_secs(u64::from(peer.poll_minutes) * 60)
    }

    async fn arrived(&self, mut f: ForwardRecord, case: &CaseRecord, peer: &PeerRecord, id: String) -> Result<()> {
        let mut tx = self.cases.store.begin_as("cases").await?;
        let now = tx.now();
        self.note(&mut tx, case, &peer.name, format!("→ {}: {id}", peer.name)).await?;
        (f.state, f.outside_id, f.tries, f.reason) = ("open".into(), Some(id.clone()), 0, None);
        (f.sent_at, f.due_at) = (f.sent_at.or(Some(now)), later(now, self.poll(peer)));
        if !sql::update(&mut tx, &f).await? {
            // It was taken back while it was on its way: that stays, but who took it back must see that it exists there.
            sql::set_outside(&mut tx, f.id, &id).await?;
        }
        tx.commit().await
    }

    /// A request whose fate is unknown is looked for by our code in its words.
    async fn look(&self, f: ForwardRecord, peer: &PeerRecord) -> Result<()> {
        let Some(case) = tables::case(&self.cases.store, f.case).await? else { return Ok(()) };
        let now = self.cases.store.clock().now();
        let from = earlier(f.first_try.unwrap_or(f.at), SKEW);
        let asked = [("service_code", f.service_code.clone()), ("start_date", w3c(from)), ("end_date", w3c(later(now, SKEW)))];
        match self.wire.get(peer, "requests", &asked).await {
            Ok(rows) => {
                let mark = mark(&case);
                let found = rows.iter().find(|r| r.get("description").is_some_and(|d| d.contains(&mark))).and_then(|r| r.get("service_request_id"));
                match found.cloned() {
                    Some(id) => self.arrived(f, &case, peer, id).await,
                    None => {
                        self.stuck(
                            f,
                            "it was sent, but whether it arrived is unknown, and it is not to be seen there: ask them, then send again or give its id".into(),
                        )
                        .await
                    }
                }
            }
            Err(trouble) => {
                let why = trouble.words().to_string();
                self.later(f, why, None).await
            }
        }
    }

    async fn exchange(&self, mut f: ForwardRecord, peer: &PeerRecord) -> Result<()> {
        let token = f.token.clone().unwrap_or_default();
        let now = self.cases.store.clock().now();
        match self.wire.get(peer, &format!("tokens/{}", segment(&token)), &[]).await {
            Ok(rows) => match rows.iter().find_map(|r| r.get("service_request_id").cloned()) {
                Some(id) => {
                    let Some(case) = tables::case(&self.cases.store, f.case).await? else { return Ok(()) };
                    self.arrived(f, &case, peer, id).await
                }
                None => {
                    (f.due_at, f.checked_at, f.tries) = (later(now, self.poll(peer)), Some(now), 0);
                    self.keep(&f).await
                }
            },
            Err(trouble) => self.later(f, trouble.words().to_string(), None).await,
        }
    }

    /// Looks how it stands there; what changed becomes a note of our case.
    async fn follow(&self, mut f: ForwardRecord, peer: &PeerRecord) -> Result<()> {
        let Some(id) = f.outside_id.clone() else { return self.stuck(f, "it has no id there".into()).await };
        let row = match self.wire.get(peer, &format!("requests/{}", segment(&id)), &[]).await {
            Ok(rows) => rows.into_iter().next().unwrap_or_default(),
            Err(Trouble::Refused(404 | 410, _)) => Record::new(),
            Err(trouble) => return self.later(f, trouble.words().to_string(), None).await,
        };
        let since = f.sent_at.unwrap_or(f.at);
        let asked = [("service_request_id", id.clone()), ("start_date", w3c(earlier(since, Duration::from_secs(60))))];
        // An extension that many do not have: what they say is not needed.
        let updates = self.wire.get(peer, "servicerequestupdates", &asked).await.unwrap_or_default();
        let mut tx = self.cases.store.begin_as("cases").await?;
        let now = tx.now();
        let Some(case) = tables::case_in(&mut tx, f.case).await? else { return Ok(()) };
        let mut told = false;
        for update in updates.iter().filter(|u| u.get("service_request_id").is_none_or(|of| *of == id)).take(200) {
            let (Some(number), Some(words)) = (update.get("update_id"), update.get("description")) else { continue };
            if sql::see(&mut tx, f.id, &text::short(number, 100)).await? {
                told = true;
                let status = update.get("status").map(|s| format!(" ({})", text::short(s, 40))).unwrap_or_default();
                let media = update.get("media_url").map(|m| format!("\n{}", text::short(m, 500))).unwrap_or_default();
                self.note(&mut tx, &case, &peer.name, format!("{} {id}{status}: {}{media}", peer.name, text::short(words, 3_000))).await?;
            }
        }
        let (status, notes) = (row.get("status").map(|s| s.to_lowercase()), row.get("status_notes").map(|n| text::short(n, 2_000)));
        if row.is_empty() {
            f.reason = Some("it is not to be seen there (any more)".into());
        } else {
            f.reason = None;
            if (&status, &notes) != (&f.status, &f.notes) && !(told && status == f.status) {
                let says = notes.as_ref().map(|n| format!(": {n}")).unwrap_or_default();
                self.note(&mut tx, &case, &peer.name, format!("{} {id} ({}){says}", peer.name, status.as_deref().unwrap_or("?"))).await?;
            }
            (f.status, f.notes) = (status, notes);
        }
        (f.checked_at, f.due_at, f.tries) = (Some(now), later(now, self.poll(peer)), 0);
        if f.status.as_deref() == Some("closed") {
            (f.state, f.ended_at) = ("closed".into(), Some(now));
        }
        sql::update(&mut tx, &f).await?;
        tx.commit().await
    }
}

/// What our request is known by in its words.
fn mark(case: &CaseRecord) -> String {
    format!("[{}]", case.code)
}

/// An id as one part of a path.
fn segment(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>().replace('+', "%20")
}

fn view(f: ForwardRecord, peer: &PeerRecord, code: &str) -> Forward {
    Forward {
        id: f.id,
        case: f.case,
        code: code.to_string(),
        peer: f.peer,
        peer_name: peer.name.clone(),
        service_code: f.service_code,
        state: f.state,
        tries: f.tries,
        service_request_id: f.outside_id,
        reason: f.reason,
        status: f.status,
        status_notes: f.notes,
        by: f.by,
        at: f.at,
        checked_at: f.checked_at,
    }
}
