//! Sources that are asked by the clock: a table or a list of records over HTTP, read by the words of one of the pack's sources.
//!
//! Records go the same way as those that are handed in, so what is told twice changes nothing. How far a source was taken is kept only
//! after all that it told is stored. Only addresses that the installation allows are asked, and no redirect is followed.

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::time::later;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use dothi_store::outside::Guard;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::Outcome;
use crate::pack::Source;
use crate::tables_polls::{self as sql, PollRecord, RunRecord};
use crate::{Dossiers, sheet};

/// Sources that may be asked.
const MOST: i64 = 100;
/// Sources asked at once.
const AT_ONCE: usize = 4;
/// Bytes of one answer.
const ANSWER: usize = 32 * 1024 * 1024;
/// Answers of one time.
const PAGES: u32 = 200;
/// Records taken in one go.
const STEP: usize = 2_000;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a worker has a source for itself.
const LOCK: Duration = Duration::from_secs(3_600);
/// Pause between looks at what is due.
const LOOK: Duration = Duration::from_secs(15);
/// Longest pause after failures.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);
/// Times whose outcome is kept.
const KEPT: i64 = 50;

/// A source that is asked by the clock.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PollInput {
    /// What people call it.
    pub name: String,
    /// The pack's source whose columns and words it uses.
    pub source: String,
    /// Address that is asked (GET).
    pub url: String,
    /// `json` or `csv`.
    pub format: String,
    /// JSON: pointer (RFC 6901) to the list of records (`/data/items`); empty = the answer is the list.
    pub items: String,
    /// Parameter of the address that carries how far we are (`updated_since`); empty = everything is asked for each time.
    pub since_name: String,
    /// JSON: pointer to how far we are after this answer (`/next`); empty = the latest `updated_at` among the records.
    pub cursor_at: String,
    /// Name of the header that carries the secret (`Authorization`); empty = none.
    pub header: String,
    /// What the header says (`Bearer …`); left out, what was kept stays. Never shown.
    pub secret: Option<String>,
    /// Minutes between two times, 5 to 1,440.
    pub minutes: u32,
    /// Whether it is asked at all.
    pub active: bool,
    /// Begin anew: forget how far we are.
    pub anew: bool,
}

/// A source as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PollView {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// The pack's source.
    pub source: String,
    /// Address.
    pub url: String,
    /// `json` or `csv`.
    pub format: String,
    /// Pointer to the records.
    pub items: String,
    /// Parameter with the cursor.
    pub since_name: String,
    /// Pointer to the next cursor.
    pub cursor_at: String,
    /// Header with the secret.
    pub header: String,
    /// Whether a secret is kept.
    pub has_secret: bool,
    /// Minutes between two times.
    pub minutes: u32,
    /// Whether it is asked.
    pub active: bool,
    /// How far we are.
    pub cursor: String,
    /// When it is asked next.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// When it was asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Timestamp>,
    /// When that last went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub good_at: Option<Timestamp>,
    /// Failures since.
    pub tries: u32,
    /// Why it failed last: a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_detail: Option<String>,
    /// Who set it up.
    pub made_by: String,
}

/// What came of one time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PollRun {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Answers read.
    pub pages: u32,
    /// What became of the records: as of [`Outcome`].
    #[schema(value_type = Outcome)]
    pub outcome: Value,
    /// Why it failed: a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_detail: Option<String>,
}

fn view(p: PollRecord) -> PollView {
    PollView {
        has_secret: !p.secret.is_empty(),
        id: p.id,
        name: p.name,
        source: p.source,
        url: p.url,
        format: p.format,
        items: p.items,
        since_name: p.since_name,
        cursor_at: p.cursor_at,
        header: p.header,
        minutes: p.minutes,
        active: p.active,
        cursor: p.cursor,
        due_at: p.due_at,
        last_at: p.last_at,
        good_at: p.good_at,
        tries: p.tries,
        fault: p.fault,
        fault_detail: p.fault_detail,
        made_by: p.made_by,
    }
}

fn unknown() -> Error {
    Error::not_found("dossiers.poll", "There is no such source.")
}

/// Why asking failed, and how long the other side wants to be left alone.
struct Trouble {
    code: &'static str,
    detail: String,
    wait: Option<Duration>,
}

impl Trouble {
    fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), wait: None }
    }
}

/// What one time has brought so far.
#[derive(Default)]
struct Haul {
    pages: u32,
    outcome: Outcome,
}

impl Dossiers {
    /// Says which addresses sources may have.
    #[must_use]
    pub fn with_guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Sources that are asked by the clock, with what came of the last time. Needs `pack-manage`.
    pub async fn polls(&self, caller: &Caller) -> Result<Vec<PollView>> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        Ok(sql::all(&self.store).await?.into_iter().map(view).collect())
    }

    /// What came of the last times, newest first.
    pub async fn poll_runs(&self, caller: &Caller, id: Uuid) -> Result<Vec<PollRun>> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let runs = sql::runs(&self.store, id, KEPT as usize).await?;
        Ok(runs.into_iter().map(|r| PollRun { at: r.at, pages: r.pages, outcome: r.outcome, fault: r.fault, fault_detail: r.fault_detail }).collect())
    }

    /// Sets a source up (no id) or changes it; it is asked at once. On record. 404 `dossiers.poll`, `dossiers.source`, 400 `dossiers.poll.input` with
    /// the field, `outside.refused`.
    pub async fn put_poll(&self, caller: &Caller, id: Option<Uuid>, input: PollInput) -> Result<PollView> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        self.check_poll(&input)?;
        let mut tx = self.store.begin(caller).await?;
        let before = match id {
            Some(id) => Some(sql::one(&mut tx, id).await?.ok_or_else(unknown)?),
            None if sql::count(&mut tx).await? >= MOST => return Err(Error::unprocessable("dossiers.poll.many", "There are too many sources already.")),
            None => None,
        };
        let same = before.as_ref().is_some_and(|b| b.url == input.url && b.since_name == input.since_name) && !input.anew;
        let record = PollRecord {
            id: before.as_ref().map_or_else(|| tx.id(), |b| b.id),
            secret: input.secret.or(before.as_ref().map(|b| b.secret.clone())).unwrap_or_default(),
            cursor: before.as_ref().map(|b| b.cursor.clone()).filter(|_| same).unwrap_or_default(),
            made_by: before.as_ref().map_or_else(|| caller.name.to_string(), |b| b.made_by.clone()),
            name: input.name.trim().to_string(),
            source: input.source,
            url: input.url,
            format: input.format,
            items: input.items,
            since_name: input.since_name,
            cursor_at: input.cursor_at,
            header: input.header,
            minutes: input.minutes,
            active: input.active,
            due_at: tx.now(),
            tries: 0,
            last_at: before.as_ref().and_then(|b| b.last_at),
            good_at: before.as_ref().and_then(|b| b.good_at),
            fault: None,
            fault_detail: None,
        };
        sql::put(&mut tx, &record).await?;
        let about = json!({ "name": record.name, "url": record.url, "active": record.active, "minutes": record.minutes });
        tx.audit("dossiers.poll.save", &format!("dossier-poll:{}", record.id), &about).await?;
        tx.commit().await?;
        self.bell.notify_one();
        Ok(view(record))
    }

    fn check_poll(&self, input: &PollInput) -> Result<()> {
        let bad = |field: &'static str| Error::invalid("dossiers.poll.input", "This cannot be asked.").with("field", field);
        let rules = self.rules();
        self.source(&rules, Some(&input.source))?;
        let url = url::Url::parse(&input.url).map_err(|e| bad("url").because(e))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || input.url.len() > 2_000 {
            return Err(bad("url"));
        }
        self.guard.check(&url)?;
        let pointer = |p: &str| p.len() <= 200 && (p.is_empty() || p.starts_with('/'));
        let plain = |t: &str| t.len() <= 100 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let secret = |t: &str| t.len() <= 4_000 && t.bytes().all(|b| (0x20..0x7f).contains(&b));
        let checks = [
            ("name", !input.name.trim().is_empty() && input.name.chars().count() <= 200),
            ("format", matches!(input.format.as_str(), "json" | "csv")),
            ("items", pointer(&input.items)),
            ("cursor_at", pointer(&input.cursor_at)),
            ("since_name", plain(&input.since_name)),
            ("header", plain(&input.header)),
            ("secret", input.secret.as_deref().is_none_or(secret)),
            ("minutes", (5..=1_440).contains(&input.minutes)),
        ];
        checks.into_iter().find(|(_, fits)| !fits).map_or(Ok(()), |(field, _)| Err(bad(field)))
    }

    /// It is asked no more. What it told stays. On record. 404 `dossiers.poll`.
    pub async fn remove_poll(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        if !sql::remove(&mut tx, id).await? {
            return Err(unknown());
        }
        tx.audit("dossiers.poll.remove", &format!("dossier-poll:{id}"), &json!({})).await?;
        tx.commit().await
    }

    /// Asks sources when it is time, until told to stop.
    pub async fn run_polls(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let pause = match self.poll_due().await {
                Ok(0) => LOOK,
                Ok(_) => continue,
                Err(e) => {
                    tracing::error!(error = %e, "asking sources of dossiers failed");
                    LOOK
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.bell.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Asks what is due; how many that were.
    pub async fn poll_due(&self) -> Result<usize> {
        let now = self.store.clock().now();
        let mut mine = Vec::new();
        for poll in sql::due(&self.store, now, AT_ONCE).await? {
            let mut tx = self.store.begin_as("dossiers").await?;
            if sql::claim(&mut tx, &poll, later(now, LOCK)).await? {
                mine.push(poll);
            }
            tx.commit().await?;
        }
        let asked = mine.len();
        for done in futures::future::join_all(mine.into_iter().map(|poll| self.ask(poll))).await {
            done?;
        }
        Ok(asked)
    }

    async fn ask(&self, poll: PollRecord) -> Result<()> {
        let mut haul = Haul::default();
        let trouble = self.fetch(&poll, &mut haul).await.err();
        let mut tx = self.store.begin_as("dossiers").await?;
        let now = tx.now();
        let usual = Duration::from_secs(u64::from(poll.minutes) * 60);
        let tries = if trouble.is_some() { poll.tries.saturating_add(1) } else { 0 };
        let pause = usual.saturating_mul(1 << tries.min(6)).min(LONGEST.max(usual));
        let wait = trouble.as_ref().and_then(|t| t.wait).unwrap_or_default().min(LONGEST);
        let due_at = later(now, if tries == 0 { usual } else { (pause / 2).max(wait) });
        let outcome = serde_json::to_value(&haul.outcome).map_err(|e| Error::internal("writing an outcome", e))?;
        let (fault, fault_detail) = trouble.map(|t| (t.code.to_string(), t.detail)).unzip();
        if let Some(code) = &fault {
            tracing::warn!(poll = %poll.id, fault = code, "a source of dossiers could not be read");
        }
        let run = RunRecord { at: now, pages: haul.pages, outcome, fault, fault_detail };
        sql::ended(&mut tx, &poll, &run, (tries, due_at), KEPT).await?;
        tx.commit().await
    }

    /// Asks until there is nothing new; what was taken before a failure stays taken.
    async fn fetch(&self, poll: &PollRecord, haul: &mut Haul) -> std::result::Result<(), Trouble> {
        let ours = |e: Error| Trouble::new(e.code(), e.detail());
        let rules = self.rules();
        let source = self.source(&rules, Some(&poll.source)).map_err(ours)?.ok_or_else(|| Trouble::new("dossiers.source", "there is no such source"))?;
        let client = self.guard.client(0).map_err(ours)?;
        let mut cursor = poll.cursor.clone();
        loop {
            let mut url = url::Url::parse(&poll.url).map_err(|e| Trouble::new("dossiers.poll.input", e.to_string()))?;
            // An address may be allowed no more since it was set up.
            self.guard.check(&url).map_err(ours)?;
            if !poll.since_name.is_empty() && !cursor.is_empty() {
                url.query_pairs_mut().append_pair(&poll.since_name, &cursor);
            }
            let mut request = client.get(url).timeout(PATIENCE);
            if !poll.header.is_empty() {
                request = request.header(&poll.header, &poll.secret);
            }
            let body = answer(request.send().await).await?;
            haul.pages += 1;
            let system = Caller::system(&format!("source {}", poll.name), self.store.clock().as_ref());
            let next = match poll.format.as_str() {
                "csv" => self.take_table(&system, &source, &body, haul).await?,
                _ => self.take_list(&system, &source, poll, &body, haul).await?,
            };
            let Some(next) = next.filter(|n| !poll.since_name.is_empty() && *n != cursor) else { return Ok(()) };
            let mut tx = self.store.begin_as("dossiers").await.map_err(ours)?;
            sql::advance(&mut tx, poll, &next).await.map_err(ours)?;
            tx.commit().await.map_err(ours)?;
            cursor = next;
            // A latest instant is how far we are, not a page: the next time asks from there.
            if poll.cursor_at.is_empty() {
                return Ok(());
            }
            if haul.pages >= PAGES {
                return Err(Trouble::new("dossiers.poll.pages", format!("more than {PAGES} answers; it goes on next time")));
            }
        }
    }

    /// Takes a table; returns the latest `updated_at`.
    async fn take_table(&self, caller: &Caller, source: &Source, body: &[u8], haul: &mut Haul) -> std::result::Result<Option<String>, Trouble> {
        let ours = |e: Error| Trouble::new(e.code(), e.detail());
        let mut latest = None;
        let mut batch = Vec::new();
        let rules = self.rules();
        for row in sheet(body, source, self.calendar.zone().clone()).map_err(ours)? {
            latest = latest.max(row.1.as_ref().ok().and_then(|d| d.updated_at));
            batch.push(row);
            if batch.len() == STEP {
                self.take(caller, &rules, Some(source), std::mem::take(&mut batch), &mut haul.outcome).await.map_err(ours)?;
            }
        }
        self.take(caller, &rules, Some(source), batch, &mut haul.outcome).await.map_err(ours)?;
        Ok(latest.map(|at| at.to_string()))
    }

    /// Takes a list of records; returns how far we are after it, as the answer says or by the latest `updated_at`.
    async fn take_list(
        &self,
        caller: &Caller,
        source: &Source,
        poll: &PollRecord,
        body: &[u8],
        haul: &mut Haul,
    ) -> std::result::Result<Option<String>, Trouble> {
        let ours = |e: Error| Trouble::new(e.code(), e.detail());
        let value: Value = serde_json::from_slice(body).map_err(|e| Trouble::new("dossiers.poll.unreadable", format!("no JSON: {e}")))?;
        let items = value.pointer(&poll.items).and_then(Value::as_array);
        let items = items.ok_or_else(|| Trouble::new("dossiers.poll.unreadable", format!("there is no list at `{}`", poll.items)))?;
        let rules = self.rules();
        let zone = self.calendar.zone();
        let mut latest = None;
        let read: Vec<_> = (1..).zip(items).map(|(n, item)| (n, crate::sheet::record(item, source, zone))).collect();
        for (_, record) in &read {
            latest = latest.max(record.as_ref().ok().and_then(|d| d.updated_at));
        }
        self.take(caller, &rules, Some(source), read, &mut haul.outcome).await.map_err(ours)?;
        if poll.cursor_at.is_empty() {
            return Ok(latest.map(|at| at.to_string()));
        }
        Ok(match value.pointer(&poll.cursor_at) {
            Some(Value::String(next)) if !next.is_empty() && next.len() <= 1_000 => Some(next.clone()),
            Some(Value::Number(next)) => Some(next.to_string()),
            _ => None,
        })
    }
}

/// The body of an answer, bounded; or why there is none.
async fn answer(sent: reqwest::Result<reqwest::Response>) -> std::result::Result<Vec<u8>, Trouble> {
    let mut response = sent.map_err(|_| Trouble::new("dossiers.poll.unreached", "the source cannot be reached"))?;
    let status = response.status();
    let wait = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    if !status.is_success() {
        let code = if matches!(status.as_u16(), 401 | 403) { "dossiers.poll.refused" } else { "dossiers.poll.status" };
        return Err(Trouble { code, detail: format!("the source answered {}", status.as_u16()), wait });
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|_| Trouble::new("dossiers.poll.unreached", "the answer broke off"))? {
        if body.len() + part.len() > ANSWER {
            return Err(Trouble::new("dossiers.poll.too-large", format!("the answer is larger than {ANSWER} bytes")));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}
