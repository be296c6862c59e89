//! Signals before those on duty: lists, taking note, judging; scores of false alarms.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use dothi_kernel::{Caller, Error, Event, Page, PageQuery, Permission, Result, Scope, Timestamp, UnitRef};
use dothi_store::params;
use uuid::Uuid;

use crate::model::{AckInput, Board, MessageRow, Offender, Score, SignalQuery, SignalRow, SignalView, VerdictInput};
use crate::pack::{Class, Policy};
use crate::signals::{severity, told_of};
use crate::tables::{self, Filter, Premises};
use crate::tables_signals::{self as rows, Message, Signal, Tally};
use crate::{CURSORS, FORM, Panels};

const MESSAGES: usize = 100;
/// Premises in the list of chronic offenders.
const OFFENDERS: usize = 100;

fn unknown() -> Error {
    Error::not_found("panels.signal.unknown", "There is no such signal.")
}

impl Panels {
    /// Signals of the caller's units, newest first. 400 `panels.state`, `page.after`.
    pub async fn signals(&self, caller: &Caller, query: &SignalQuery) -> Result<Page<SignalRow>> {
        let units = self.visible(caller)?;
        let mut filter = Filter::default();
        filter.units("unit", units.as_ref());
        match query.state.as_deref().unwrap_or("open") {
            "open" => filter.add("open = 1", params![]),
            "closed" => filter.add("open = 0", params![]),
            "all" => {}
            _ => return Err(Error::invalid("panels.state", "Ask for `open`, `closed` or `all`.")),
        }
        if let Some(class) = &query.class {
            filter.add("class = ?", params![class]);
        }
        if let Some(premises) = query.premises {
            filter.add("premises = ?", params![premises]);
        }
        if let Some(after) = &query.after {
            let bad = || Error::invalid("page.after", "This is not a `next` of a page before.");
            let (at, id) = CURSORS.read::<Uuid>(after).ok_or_else(bad)?;
            filter.add("(at < ? or (at = ? and id < ?))", params![at, at, id]);
        }
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        let page = Page::of(rows::list(&self.store, &filter, limit + 1).await?, limit, |s| CURSORS.write(s.at, s.id));
        Ok(Page { items: self.rows(&page.items).await?, next: page.next, total: None })
    }

    async fn rows(&self, signals: &[Signal]) -> Result<Vec<SignalRow>> {
        let ids: BTreeSet<Uuid> = signals.iter().filter_map(|s| s.premises).collect();
        let premises: HashMap<Uuid, Premises> = tables::premises_many(&self.store, &ids).await?.into_iter().map(|p| (p.id, p)).collect();
        let numbers: HashMap<Uuid, String> = self.all().iter().map(|a| (a.id, a.account.clone())).collect();
        Ok(signals.iter().map(|s| self.row(s, s.premises.and_then(|id| premises.get(&id)), numbers.get(&s.account))).collect())
    }

    fn row(&self, s: &Signal, premises: Option<&Premises>, number: Option<&String>) -> SignalRow {
        let zone_name = premises
            .and_then(|p| p.zones.iter().find(|z| z.zone == s.zone))
            .map(|z| if z.place.is_empty() { z.name.clone() } else { format!("{} · {}", z.name, z.place) });
        SignalRow {
            id: s.id,
            account: number.cloned().unwrap_or_default(),
            premises: premises.map(|p| UnitRef { id: p.id.to_string(), name: p.name.clone() }),
            address: premises.map_or_else(String::new, |p| p.address.clone()),
            location: premises.and_then(|p| p.location),
            commune: self.commune_ref(&s.commune),
            kind: s.kind.clone(),
            class: if s.class == Class::Alarm.code() { Class::Alarm } else { Class::Trouble },
            severity: severity(s.rank),
            scheme: s.scheme,
            code: s.code.clone(),
            area: s.area.clone(),
            zone: s.zone.clone(),
            zone_name,
            words: s.words.clone(),
            at: s.at,
            last_at: s.last_at,
            repeats: u32::try_from(s.repeats).unwrap_or(u32::MAX),
            confirmed_at: s.confirmed_at,
            confirmed_why: s.confirmed_why.clone(),
            restored_at: s.restored_at,
            acked_at: s.acked_at,
            acked_by: s.acked_by.clone(),
            verdict: s.verdict.clone(),
            open: s.open,
            version: s.version,
        }
    }

    /// One signal with its messages. 404 `panels.signal.unknown`, 403 for another unit's.
    pub async fn signal(&self, caller: &Caller, id: Uuid) -> Result<SignalView> {
        let units = self.visible(caller)?;
        let s = rows::signal(&self.store, id).await?.ok_or_else(unknown)?;
        if !s.unit.is_empty() && units.is_some_and(|u| !u.contains(&s.unit)) {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        self.view(s).await
    }

    async fn view(&self, s: Signal) -> Result<SignalView> {
        let messages = rows::messages(&self.store, "signal", s.id, MESSAGES).await?;
        let row = self.rows(std::slice::from_ref(&s)).await?.pop().ok_or_else(unknown)?;
        Ok(SignalView {
            row,
            verdict_by: s.verdict_by,
            verdict_at: s.verdict_at,
            verdict_why: s.verdict_why,
            confirmed_with: s.confirmed_with,
            alarm: s.alarm,
            messages: messages.into_iter().map(|m| self.message(m)).collect(),
        })
    }

    pub(crate) fn message(&self, m: Message) -> MessageRow {
        let rules = self.rules();
        let def = rules.code(m.scheme, &m.code);
        MessageRow {
            code_name: def.map(|d| d.name.clone()),
            code_name_en: def.map(|d| d.name_en.clone()),
            at: m.at,
            told_at: m.told_at,
            sequence: m.sequence,
            path: m.path,
            scheme: m.scheme,
            code: m.code,
            phase: m.phase,
            area: m.area,
            zone: m.zone,
            words: m.words,
            maintenance: m.maintenance,
        }
    }

    /// Takes note of a signal; a second time changes nothing. Needs `alarm-handle` in its unit. 404, 409 `panels.version`.
    pub async fn acknowledge(&self, caller: &Caller, id: Uuid, input: &AckInput) -> Result<SignalView> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let mut s = rows::signal_in(&mut tx, id).await?.ok_or_else(unknown)?;
        self.require(caller, Permission::AlarmHandle, &s.unit)?;
        if s.acked_at.is_some() {
            tx.rollback().await?;
            return self.view(s).await;
        }
        if s.version != input.version {
            return Err(FORM.stale());
        }
        (s.acked_at, s.acked_by) = (Some(caller.now), Some(caller.name.to_string()));
        s.version += 1;
        rows::put_signal(&mut tx, &s).await?;
        tx.audit("panels.signal.acknowledge", &format!("signal:{id}"), &serde_json::json!({})).await?;
        tx.emit(Event::PanelHandled { signal: id, step: "acknowledge".into(), unit: s.unit.clone() });
        tx.commit().await?;
        self.view(s).await
    }

    /// Judges a signal: `confirm` makes it confirmed and it goes on; `real`, `false` and `test` end it. Needs `alarm-handle`.
    /// 404, 409 `panels.version`, `panels.closed`, 422 `panels.verdict`, `panels.empty`.
    pub async fn judge(&self, caller: &Caller, id: Uuid, input: &VerdictInput) -> Result<SignalView> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let reason = FORM.bounded(&input.reason, 500, "reason")?;
        let ends = match input.verdict.as_str() {
            "confirm" => false,
            "real" | "false" | "test" => true,
            _ => return Err(Error::unprocessable("panels.verdict", "A judgement is `confirm`, `real`, `false` or `test`.")),
        };
        if reason.is_empty() && input.verdict != "real" {
            return Err(Error::unprocessable("panels.empty", "Say why.").with("field", "reason"));
        }
        let mut tx = self.store.begin(caller).await?;
        let mut s = rows::signal_in(&mut tx, id).await?.ok_or_else(unknown)?;
        self.require(caller, Permission::AlarmHandle, &s.unit)?;
        if s.version != input.version {
            return Err(FORM.stale());
        }
        if !s.open {
            return Err(Error::conflict("panels.closed", "This signal is over."));
        }
        if s.acked_at.is_none() {
            (s.acked_at, s.acked_by) = (Some(caller.now), Some(caller.name.to_string()));
        }
        let confirms = matches!(input.verdict.as_str(), "confirm" | "real") && s.confirmed_at.is_none() && s.class == Class::Alarm.code();
        if confirms {
            (s.confirmed_at, s.confirmed_why) = (Some(caller.now), Some("person".into()));
        }
        if ends {
            (s.verdict, s.verdict_at, s.verdict_by) = (Some(input.verdict.clone()), Some(caller.now), Some(caller.name.to_string()));
            s.open = false;
        }
        s.verdict_why = (!reason.is_empty()).then_some(reason).or(s.verdict_why);
        s.version += 1;
        rows::put_signal(&mut tx, &s).await?;
        tx.audit("panels.signal.judge", &format!("signal:{id}"), &serde_json::json!({ "verdict": input.verdict })).await?;
        if confirms {
            tx.emit(told_of(&s, true));
        }
        tx.emit(Event::PanelHandled { signal: id, step: input.verdict.clone(), unit: s.unit.clone() });
        tx.commit().await?;
        self.view(s).await
    }

    fn score(policy: &Policy, t: &Tally) -> Score {
        let count = |n: i64| u32::try_from(n).unwrap_or(0);
        let points = t.wrong as f64 * policy.points_false + t.unconfirmed as f64 * policy.points_unconfirmed + t.repeats as f64 * policy.points_repeat;
        Score {
            points,
            chronic: points >= policy.chronic,
            days: policy.score_days,
            alarms: count(t.alarms),
            wrong: count(t.wrong),
            unconfirmed: count(t.unconfirmed),
            repeats: count(t.repeats),
        }
    }

    fn looking_back(policy: &Policy, now: Timestamp) -> Filter {
        let since = now - Duration::from_secs(u64::from(policy.score_days) * 86_400);
        let mut filter = Filter::default();
        filter.add("class = 'alarm' and premises is not null and at >= ?", params![since]);
        filter
    }

    pub(crate) async fn score_of(&self, caller: &Caller, premises: Uuid) -> Result<Score> {
        let rules = self.rules();
        let Ok(policy) = rules.policy(caller.now) else { return Ok(Score::default()) };
        let mut filter = Self::looking_back(policy, caller.now);
        filter.add("premises = ?", params![premises]);
        let found = rows::tallies(&self.store, &filter).await?;
        Ok(found.first().map_or_else(|| Score { days: policy.score_days, ..Score::default() }, |t| Self::score(policy, t)))
    }

    /// Premises that cry wolf, the worst first, at most 100. Needs `alarm-read`.
    pub async fn offenders(&self, caller: &Caller) -> Result<Vec<Offender>> {
        let units = self.visible(caller)?;
        let rules = self.rules();
        let policy = rules.policy(caller.now)?;
        let mut filter = Self::looking_back(policy, caller.now);
        filter.units("unit", units.as_ref());
        let mut scored: Vec<(Uuid, Score)> = rows::tallies(&self.store, &filter).await?.iter().map(|t| (t.premises, Self::score(policy, t))).collect();
        scored.retain(|(_, score)| score.chronic);
        scored.sort_by(|a, b| b.1.points.total_cmp(&a.1.points).then(a.0.cmp(&b.0)));
        scored.truncate(OFFENDERS);
        let ids = scored.iter().map(|(id, _)| *id).collect();
        let premises: HashMap<Uuid, Premises> = tables::premises_many(&self.store, &ids).await?.into_iter().map(|p| (p.id, p)).collect();
        let offender = |(id, score): (Uuid, Score)| {
            let p = premises.get(&id)?;
            Some(Offender { premises: UnitRef { id: id.to_string(), name: p.name.clone() }, code: p.code.clone(), score })
        };
        Ok(scored.into_iter().filter_map(offender).collect())
    }

    /// Figures of now.
    pub async fn board(&self, caller: &Caller) -> Result<Board> {
        let units = self.visible(caller)?;
        let mut filter = Filter::default();
        filter.units("unit", units.as_ref());
        filter.add("open = 1", params![]);
        let [alarms, confirmed, waiting, troubles] = rows::counts(&self.store, &filter).await?.map(|n| u32::try_from(n).unwrap_or(0));
        let rules = self.rules();
        let mut noted_p90 = None;
        if let Ok(policy) = rules.policy(caller.now) {
            let mut filter = Self::looking_back(policy, caller.now);
            filter.units("unit", units.as_ref());
            filter.add("acked_at is not null", params![]);
            let mut took = rows::noted(&self.store, &filter).await?;
            took.sort_unstable();
            let place = (took.len() * 9).div_ceil(10).saturating_sub(1);
            noted_p90 = took.get(place).and_then(|s| u32::try_from(*s).ok());
        }
        let all = self.all();
        let watch = self.watched();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Board {
            alarms,
            confirmed,
            waiting,
            troubles,
            lost: count(watch.seen.values().map(|s| s.lost.iter().flatten().count()).sum()),
            maintenance: count(all.iter().filter(|a| a.maintenance_until.is_some_and(|until| until > caller.now)).count()),
            panels: count(all.iter().filter(|a| a.active).count()),
            noted_p90,
        })
    }
}
