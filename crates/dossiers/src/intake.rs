//! Dossiers come in: as a source tells them now, again and again. What changed becomes history; what did not changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::time::later;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use dothi_store::secret::kept;

use crate::clock::{self, Pause, Terms};
use crate::jobs::{OVER, WATCH};
use crate::model::{DossierInput, HandIn, Outcome, Reject, Word};
use crate::pack::{Phase, Policy, Source};
use crate::tables::{self, Dossier, Entry, Wait};
use crate::tables_board::Deltas;
use crate::{Dossiers, Rules};

/// Dossiers of one request.
const MOST: usize = 5_000;
/// Dossiers of one change.
const STEP: usize = 250;
/// Rejections that are told one by one.
const TOLD: usize = 200;
const NAME: usize = 200;
const WAITS: usize = 60;
/// How far ahead of us a source's clock may be.
const AHEAD: i64 = 24 * 3_600_000_000;

/// Words for the history, beside the numbers of states.
struct Changes<'a> {
    code: &'a str,
    by: &'a str,
    now: Timestamp,
    entries: Vec<Entry>,
}

impl Changes<'_> {
    fn note(&mut self, kind: &'static str, at: Timestamp, was: Option<String>, became: Option<String>) {
        if was != became {
            self.entries.push(Entry { code: self.code.to_string(), n: 0, at, noted_at: self.now, kind, was, became, by: self.by.to_string() });
        }
    }
}

impl Dossiers {
    /// Takes dossiers of a source as they stand now. A dossier that was told before in the same words changes nothing; one
    /// told with an earlier `updated_at` than we know is passed over. Each that cannot be used is told with its reason, the
    /// others are kept. Needs `dossier-write` for the dossier's unit. 404 `dossiers.source`, 413 `dossiers.too-many`.
    pub async fn hand_in(&self, caller: &Caller, given: HandIn) -> Result<Outcome> {
        caller.require(Permission::DossierWrite, Scope::ANY)?;
        if given.dossiers.len() > MOST {
            return Err(Error::too_large("dossiers.too-many", "Hand in fewer dossiers at a time.").with("limit", MOST));
        }
        let rules = self.rules();
        let source = self.source(&rules, given.source.as_deref())?;
        let numbered = given.dossiers.into_iter().enumerate().map(|(n, d)| (n as u64 + 1, Ok(d)));
        let mut outcome = Outcome::default();
        self.take(caller, &rules, source.as_ref(), numbered.collect(), &mut outcome).await?;
        Ok(outcome)
    }

    /// A source by code. 404 `dossiers.source`.
    pub(crate) fn source(&self, rules: &Rules, code: Option<&str>) -> Result<Option<Source>> {
        let Some(code) = code else { return Ok(None) };
        let found = rules.pack.source.iter().find(|s| s.code == code).cloned();
        found.map(Some).ok_or_else(|| Error::not_found("dossiers.source", "There is no source of this code."))
    }

    /// Takes records, each with its line.
    pub(crate) async fn take(
        &self,
        caller: &Caller,
        rules: &Rules,
        source: Option<&Source>,
        records: Vec<(u64, Result<DossierInput>)>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let batch: Vec<_> = records.by_ref().take(STEP).collect();
            self.take_batch(caller, rules, source, batch, outcome).await?;
        }
        Ok(())
    }

    async fn take_batch(
        &self,
        caller: &Caller,
        rules: &Rules,
        source: Option<&Source>,
        batch: Vec<(u64, Result<DossierInput>)>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let mut usable = Vec::with_capacity(batch.len());
        for (line, record) in batch {
            outcome.read += 1;
            match record {
                Ok(record) => usable.push((line, record)),
                Err(e) => reject(outcome, line, String::new(), &e),
            }
        }
        let mut tx = self.store.begin(caller).await?;
        let codes: Vec<&str> = usable.iter().map(|(_, r)| r.code.trim()).collect();
        let mut known = tables::existing(&mut tx, &codes).await?;
        let mut fresh = BTreeSet::new();
        let (mut changed, mut log, mut applicants) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let mut deltas = Deltas::default();
        for (line, record) in &usable {
            let code = record.code.trim();
            let old = known.get(code);
            let print = fingerprint(record)?;
            if let Some(old) = old {
                let older = matches!((record.updated_at, old.updated_at), (Some(new), Some(seen)) if new < seen);
                if older || old.fingerprint == print {
                    if older {
                        outcome.older += 1
                    } else {
                        outcome.unchanged += 1
                    }
                    continue;
                }
            }
            let mut changes = Changes { code, by: &caller.name, now: caller.now, entries: Vec::new() };
            let settled = self.settle(caller, rules, source, old, record, &mut changes);
            let mut dossier = match settled {
                Ok(dossier) => dossier,
                Err(e) if e.kind() == dothi_kernel::Kind::Internal => return Err(e),
                Err(e) => {
                    reject(outcome, *line, code.to_string(), &e);
                    continue;
                }
            };
            dossier.fingerprint = print;
            match old {
                None => {
                    outcome.added += 1;
                    fresh.insert(code.to_string());
                }
                Some(old) => {
                    outcome.changed += 1;
                    deltas.count(old, self.over(rules, old), -1);
                }
            }
            deltas.count(&dossier, self.over(rules, &dossier), 1);
            log.append(&mut changes.entries);
            if record.applicant.is_some() || record.phone.is_some() {
                let second = record.phone.as_deref().and_then(crate::public::last_digits).map(|d| self.keyed(code, &d));
                applicants.insert(code.to_string(), (code.to_string(), record.applicant.clone(), second));
            }
            changed.insert(code.to_string(), dossier.clone());
            known.insert(code.to_string(), dossier);
        }
        if !changed.is_empty() {
            let rows: Vec<Dossier> = changed.into_values().collect();
            tables::put(&mut tx, &rows).await?;
            tables::put_log(&mut tx, log, &fresh).await?;
            tables::put_applicants(&mut tx, &applicants.into_values().collect::<Vec<_>>()).await?;
            deltas.write(&mut tx).await?;
            if let Some(due) = tables::next_deadline(&mut tx).await? {
                tx.schedule(WATCH, "next", later(due, OVER)).await?;
            }
        }
        tx.commit().await
    }

    /// Whether more supplements were asked for than are in order.
    pub(crate) fn over(&self, rules: &Rules, d: &Dossier) -> bool {
        let policy = d.received_at.and_then(|at| rules.policy(&self.calendar, at).ok());
        policy.is_some_and(|(p, _)| d.supplements > p.supplements)
    }

    /// The dossier as it stands after a record, reckoned anew from what is known.
    fn settle(
        &self,
        caller: &Caller,
        rules: &Rules,
        source: Option<&Source>,
        old: Option<&Dossier>,
        record: &DossierInput,
        changes: &mut Changes<'_>,
    ) -> Result<Dossier> {
        let code = record.code.trim();
        let state = self.state(rules, source, &record.state)?;
        let phase = rules.states.get(&state).map_or(Phase::Working, |s| s.phase);
        let channel = channel(rules, source, record.channel.as_ref())?;
        let unit = self.unit(caller, source, &record.unit)?;
        let commune = self.commune(record.commune.as_deref())?;
        let received_at = if phase.received() {
            let at = record.received_at.or(record.registered_at).or(old.and_then(|o| o.received_at));
            Some(at.ok_or_else(|| Error::unprocessable("dossiers.received-at", "A dossier in this state needs the instant of receipt."))?)
        } else {
            record.received_at
        };
        check(record, caller.now)?;
        let (policy, form) = rules.policy(&self.calendar, received_at.unwrap_or(caller.now))?;
        if !form.is_match(code) {
            return Err(Error::unprocessable("dossiers.code", "The dossier's code does not have the form that the pack asks for."));
        }
        let procedure = rules.procedures.get(record.procedure.trim());
        if procedure.is_none() && record.appointed_at.is_none() {
            return Err(Error::unprocessable("dossiers.procedure.unknown", "The procedure is not known, and the source gives no date of return."));
        }
        let state_at = state_instant(record, phase, old, state, caller.now);
        let pauses = waits(record, phase, old, state_at);
        let ended_at = phase.ended().then(|| record.finished_at.or(record.returned_at).unwrap_or(state_at));
        if let (Some(received), Some(ended)) = (received_at, ended_at)
            && ended < received
        {
            return Err(Error::unprocessable("dossiers.order", "The dossier ends before it was received."));
        }
        let mut d = Dossier {
            code: code.to_string(),
            source: source.map_or(String::new(), |s| s.code.clone()),
            procedure: record.procedure.trim().to_string(),
            unit,
            commune,
            channel,
            state,
            state_at,
            registered_at: record.registered_at.or(old.and_then(|o| o.registered_at)),
            received_at,
            month: received_at.filter(|_| phase.received()).map_or(String::new(), |at| self.month(at)),
            appointed_at: record.appointed_at,
            due_at: None,
            finished_at: record.finished_at,
            returned_at: record.returned_at,
            ended_at,
            ended: phase.ended(),
            paused_since: pauses.iter().find(|w| w.to.is_none()).map(|w| w.from).filter(|_| phase.waits()),
            supplements: pauses.iter().filter(|w| w.supplement).count() as u32,
            last_supplement_at: pauses.iter().filter(|w| w.supplement).map(|w| w.from).max(),
            pauses,
            slips: old.map_or(0, |o| o.slips),
            promised_at: old.and_then(|o| o.promised_at),
            late: false,
            late_at: None,
            late_why: None,
            took: None,
            fee: record.fee.or(procedure.map(|p| p.fee)).unwrap_or(0),
            paid_at: record.paid_at,
            paid_online: record.paid_online.unwrap_or(false),
            electronic_result: record.electronic_result.unwrap_or(false),
            digitised: record.digitised.unwrap_or(false),
            reused: record.reused.unwrap_or(false),
            online: rules.pack.channel.iter().any(|c| c.number == channel && c.online),
            seen_at: caller.now,
            updated_at: record.updated_at,
            fingerprint: String::new(),
            version: old.map_or(1, |o| o.version + 1),
        };
        self.reckon(&mut d, policy, procedure.map(|p| p.days), caller.now)?;
        tell(changes, old, &d);
        Ok(d)
    }

    /// Sets deadline, lateness and time taken from what is known of the dossier.
    pub(crate) fn reckon(&self, d: &mut Dossier, policy: &Policy, days: Option<u32>, now: Timestamp) -> Result<()> {
        let Some(received) = d.received_at.filter(|_| !d.month.is_empty()) else { return Ok(()) };
        let pauses: Vec<Pause> = d.pauses.iter().map(Wait::pause).collect();
        d.due_at = match days {
            Some(days) => {
                let terms = Terms { days, cutoff: policy.cutoff, counts_first_day: policy.counts_first_day };
                Some(clock::due(&self.calendar, received, terms, &pauses)?)
            }
            None => d.appointed_at,
        };
        if policy.slip_moves_deadline {
            d.due_at = d.due_at.max(d.promised_at);
        }
        let late = lateness(d, policy, now);
        d.late = late.is_some();
        d.late_at = late.map(|(at, _)| at);
        d.late_why = late.map(|(_, why)| why.to_string());
        d.took = d.ended_at.map(|ended| clock::took(&self.calendar, received, ended, &pauses));
        Ok(())
    }

    fn state(&self, rules: &Rules, source: Option<&Source>, word: &Word) -> Result<u32> {
        let number = number(word, source.map(|s| &s.states));
        let unknown = || Error::unprocessable("dossiers.state.unknown", "This state is not one of the national set, nor a word of the source.");
        number.filter(|n| rules.states.contains_key(n)).ok_or_else(unknown)
    }

    fn unit(&self, caller: &Caller, source: Option<&Source>, given: &str) -> Result<String> {
        let given = given.trim();
        let id = source.and_then(|s| s.units.get(given)).map_or(given, String::as_str);
        let unit = self.directory.unit(id).ok_or_else(|| Error::unprocessable("dossiers.unit.unknown", "The agency is not known."))?;
        caller.require(Permission::DossierWrite, Scope::unit(&unit.id))?;
        Ok(unit.id)
    }

    fn commune(&self, given: Option<&str>) -> Result<String> {
        match given.map(str::trim).filter(|c| !c.is_empty()) {
            None => Ok(String::new()),
            Some(code) => match self.directory.commune(code) {
                Some(place) => Ok(place.commune),
                None => Err(Error::unprocessable("dossiers.commune.unknown", "The commune is not known.")),
            },
        }
    }
}

fn reject(outcome: &mut Outcome, line: u64, dossier: String, e: &Error) {
    outcome.rejected += 1;
    if outcome.rejects.len() < TOLD {
        let context = e.context().iter().map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>().join(", ");
        let detail = if context.is_empty() { e.detail().to_string() } else { format!("{} ({context})", e.detail()) };
        outcome.rejects.push(Reject { line, dossier, code: e.code().to_string(), detail });
    }
}

/// A hash of all that a record says.
fn fingerprint(record: &DossierInput) -> Result<String> {
    let text = serde_json::to_string(record).map_err(|e| Error::internal("writing a record", e))?;
    Ok(kept(&text)[..32].to_string())
}

fn number(word: &Word, words: Option<&BTreeMap<String, u32>>) -> Option<u32> {
    match word {
        Word::Number(n) => Some(*n),
        Word::Text(text) => {
            let folded = dothi_kernel::text::fold(text.trim());
            let named = words.and_then(|w| w.iter().find(|(name, _)| dothi_kernel::text::fold(name) == folded).map(|(_, n)| *n));
            named.or_else(|| text.trim().parse().ok())
        }
    }
}

fn channel(rules: &Rules, source: Option<&Source>, word: Option<&Word>) -> Result<u32> {
    let Some(word) = word else { return Ok(0) };
    let found = number(word, source.map(|s| &s.channels)).filter(|n| rules.pack.channel.iter().any(|c| c.number == *n));
    found.ok_or_else(|| Error::unprocessable("dossiers.channel.unknown", "This channel is not known."))
}

/// What a record may say whatever the pack.
fn check(record: &DossierInput, now: Timestamp) -> Result<()> {
    let long = record.applicant.as_ref().is_some_and(|n| n.chars().count() > NAME) || record.phone.as_ref().is_some_and(|p| p.chars().count() > 40);
    let waits = record.supplements.as_ref();
    if long || waits.is_some_and(|w| w.len() > WAITS) || record.fee.is_some_and(|f| f < 0) || record.procedure.chars().count() > 40 {
        return Err(Error::unprocessable("dossiers.too-long", "A field of the dossier is longer or larger than it may be."));
    }
    if waits.is_some_and(|w| w.iter().any(|s| s.to.is_some_and(|to| to < s.from))) {
        return Err(Error::unprocessable("dossiers.order", "A supplement ends before it was asked for."));
    }
    let ahead = [record.received_at, record.registered_at, record.finished_at, record.returned_at, record.state_at];
    if ahead.into_iter().flatten().any(|at| at.as_microsecond() > now.as_microsecond() + AHEAD) {
        return Err(Error::unprocessable("dossiers.future", "An instant of the dossier lies in the future."));
    }
    Ok(())
}

/// Since when the dossier is in its state: as told, else as far as can be known.
fn state_instant(record: &DossierInput, phase: Phase, old: Option<&Dossier>, state: u32, now: Timestamp) -> Timestamp {
    let own = match phase {
        Phase::Done => record.finished_at,
        Phase::Returned => record.returned_at.or(record.finished_at),
        Phase::Registered => record.registered_at,
        _ => None,
    };
    let kept = old.filter(|o| o.state == state).map(|o| o.state_at);
    record.state_at.or(own).or(kept).or(record.updated_at).unwrap_or(now)
}

/// The times that the dossier waited: as told, else as they follow from the states it was seen in.
fn waits(record: &DossierInput, phase: Phase, old: Option<&Dossier>, state_at: Timestamp) -> Vec<Wait> {
    let mut waits: Vec<Wait> = match &record.supplements {
        Some(told) => told.iter().map(|s| Wait { from: s.from, to: s.to, supplement: !s.payment }).collect(),
        None => old.map_or_else(Vec::new, |o| o.pauses.clone()),
    };
    waits.sort_by_key(|w| w.from);
    if phase.waits() {
        if !waits.iter().any(|w| w.to.is_none()) {
            waits.push(Wait { from: state_at, to: None, supplement: phase == Phase::Supplement });
        }
    } else {
        for wait in waits.iter_mut().filter(|w| w.to.is_none()) {
            wait.to = Some(state_at.max(wait.from));
        }
    }
    waits
}

/// Since when and why the dossier is late: too many supplements, or an end (or now) after the deadline. While it waits,
/// its clock stands where it stood.
pub(crate) fn lateness(d: &Dossier, policy: &Policy, now: Timestamp) -> Option<(Timestamp, &'static str)> {
    let asked = d.pauses.iter().filter(|w| w.supplement).nth(policy.supplements as usize);
    let end = d.ended_at.or(d.paused_since).unwrap_or(now);
    let over = d.due_at.filter(|due| end > *due).map(|due| (due, "deadline"));
    let asked = asked.map(|w| (w.from, "supplements"));
    match (over, asked) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Writes into the history what a record changed.
fn tell(changes: &mut Changes<'_>, old: Option<&Dossier>, d: &Dossier) {
    let now = changes.now;
    let instant = |at: Option<Timestamp>| at.map(|t| t.to_string());
    match old {
        None => changes.note("seen", d.received_at.or(d.registered_at).unwrap_or(d.state_at), None, Some(d.procedure.clone())),
        Some(o) => {
            changes.note("unit", now, Some(o.unit.clone()), Some(d.unit.clone()));
            changes.note("procedure", now, Some(o.procedure.clone()), Some(d.procedure.clone()));
            changes.note("commune", now, Some(o.commune.clone()), Some(d.commune.clone()));
            changes.note("received", now, instant(o.received_at), instant(d.received_at));
        }
    }
    changes.note("state", d.state_at, old.map(|o| o.state.to_string()), Some(d.state.to_string()));
    let before = old.map_or(&[][..], |o| &o.pauses);
    for wait in d.pauses.iter().filter(|w| !before.contains(w)) {
        let kind = if wait.supplement { "supplement" } else { "payment" };
        changes.note(kind, wait.from, None, Some(wait.to.map_or_else(|| "…".to_string(), |to| to.to_string())));
    }
    changes.note("due", now, old.and_then(|o| instant(o.due_at)), instant(d.due_at));
    changes.note("appointed", now, old.and_then(|o| instant(o.appointed_at)), instant(d.appointed_at));
    changes.note("paid", d.paid_at.unwrap_or(now), old.and_then(|o| instant(o.paid_at)), instant(d.paid_at));
    changes.note("ended", d.ended_at.unwrap_or(now), old.and_then(|o| instant(o.ended_at)), instant(d.ended_at));
    let late = |d: &Dossier| d.late.then(|| d.late_why.clone().unwrap_or_default());
    changes.note("late", d.late_at.unwrap_or(now), old.and_then(late), late(d));
}
