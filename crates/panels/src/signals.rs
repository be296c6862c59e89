//! What messages add up to: a signal for each detector that tells, confirmed by a second one, ended by its restoral.

use std::time::Duration;

use dothi_kernel::event::Severity;
use dothi_kernel::{Caller, Event, Result, Timestamp};
use dothi_store::Tx;
use uuid::Uuid;

use crate::dc09::{Scheme, Told};
use crate::pack::{Class, Confirm, KindDef, Phase, Policy};
use crate::tables::{self, Account, Premises};
use crate::tables_signals::{self as rows, Message, Signal};
use crate::{Panels, Rules};

/// Kind of signals whose code no pack explains; a pack may declare it, so that they are seen.
const UNKNOWN: &str = "unknown";

/// A message that was understood.
pub(crate) struct Arrival<'a> {
    pub account: &'a Account,
    pub path: &'static str,
    pub sequence: i64,
    pub told_at: Option<Timestamp>,
    /// Of all that it says but its instant: a repetition has the same.
    pub print: String,
    pub extended: Vec<(char, String)>,
    pub events: Vec<Told>,
    /// The alarm of the rules behind it, for things of the city model.
    pub alarm: Option<Uuid>,
}

/// Severities as they are ordered in the store.
pub(crate) fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

/// The severity of a rank.
pub(crate) fn severity(rank: i64) -> Severity {
    match rank {
        0 => Severity::Info,
        1 => Severity::Low,
        2 => Severity::Medium,
        3 => Severity::High,
        _ => Severity::Critical,
    }
}

/// What a told code means: kind and what it does. A code that no pack explains is a signal of kind `unknown`.
fn meaning(rules: &Rules, told: &Told) -> (String, Phase) {
    let (kind, phase) = match rules.code(told.scheme, &told.code) {
        Some(def) => (def.kind.clone(), def.phase),
        None => (UNKNOWN.to_string(), if rules.kind(UNKNOWN).is_some() { Phase::Raise } else { Phase::Note }),
    };
    let phase = match (phase, told.qualifier) {
        (Phase::Raise, Some(3)) => Phase::Restore,
        (Phase::Raise, Some(6)) => Phase::Note,
        (phase, _) => phase,
    };
    (kind, phase)
}

fn phase_code(phase: Phase) -> &'static str {
    match phase {
        Phase::Raise => "raise",
        Phase::Restore => "restore",
        Phase::Note => "note",
    }
}

/// Whether a detector's number stands for all of them.
fn whole(zone: &str) -> bool {
    zone.bytes().all(|b| b == b'0')
}

/// Whether `other` confirms a signal of kind `kind`: another detector of the same kind, or a kind that goes with it.
fn goes_with(kind: &KindDef, signal: &Signal, other: &Signal) -> bool {
    let same = (signal.account, &signal.kind, &signal.area, &signal.zone) == (other.account, &other.kind, &other.area, &other.zone);
    kind.confirm == Confirm::Two && !same && (other.kind == signal.kind || kind.with.contains(&other.kind))
}

impl Panels {
    /// Makes a message durable with all that follows from it; false when it is a repetition of one that was.
    pub(crate) async fn record(&self, caller: &Caller, arrival: Arrival<'_>) -> Result<bool> {
        let rules = self.rules();
        let policy = rules.policy(caller.now)?;
        let account = arrival.account;
        let mut tx = self.store.begin(caller).await?;
        let since = caller.now - Duration::from_secs(u64::from(policy.repeat_seconds));
        if rows::repeated(&mut tx, account.id, arrival.sequence, &arrival.print, since).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        let maintenance = account.maintenance_until.is_some_and(|until| until > caller.now);
        let premises = self.premises_of(&mut tx, account).await?;
        for told in &arrival.events {
            let (kind, phase) = meaning(&rules, told);
            let signal = match (phase, rules.kind(&kind)) {
                (Phase::Raise, Some(def)) if def.class != Class::Note && !maintenance => {
                    Some(self.begin_or_repeat(&mut tx, &rules, policy, &arrival, told, def, premises.as_ref()).await?)
                }
                (Phase::Restore, _) => {
                    let ended = self.restore(&mut tx, &arrival, told, &kind).await?;
                    match rules.code(told.scheme, &told.code).filter(|d| !d.also.is_empty()) {
                        Some(def) => ended.or(self.restore(&mut tx, &arrival, told, &def.also).await?),
                        None => ended,
                    }
                }
                _ => None,
            };
            let message = Message {
                id: tx.id(),
                account: account.id,
                at: caller.now,
                told_at: arrival.told_at,
                sequence: arrival.sequence,
                print: arrival.print.clone(),
                path: arrival.path.into(),
                scheme: told.scheme,
                code: told.code.clone(),
                qualifier: told.qualifier.map(i64::from),
                area: told.area.clone(),
                zone: told.zone.clone(),
                words: told.text.clone(),
                extended: arrival.extended.clone(),
                kind,
                phase: phase_code(phase).into(),
                signal,
                maintenance,
            };
            rows::put_message(&mut tx, &message).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    pub(crate) async fn premises_of(&self, tx: &mut Tx, account: &Account) -> Result<Option<Premises>> {
        match account.premises {
            Some(id) => tables::premises_in(tx, id).await,
            None => Ok(None),
        }
    }

    /// A signal begins, or its detector tells again; then what is near may confirm it, and it what is near.
    #[allow(clippy::too_many_arguments)] // One message in the light of all that is known; a struct would only rename them.
    pub(crate) async fn begin_or_repeat(
        &self,
        tx: &mut Tx,
        rules: &Rules,
        policy: &Policy,
        arrival: &Arrival<'_>,
        told: &Told,
        kind: &KindDef,
        premises: Option<&Premises>,
    ) -> Result<Uuid> {
        let (now, account) = (tx.now(), arrival.account);
        let open = rows::open_of(tx, account.id, &kind.code).await?;
        let same = |s: &&Signal| s.zone == told.zone && s.area == told.area && (kind.code != UNKNOWN || s.code == told.code);
        let (mut signal, fresh) = match open.iter().find(same) {
            Some(s) => (Signal { repeats: s.repeats + 1, last_at: now, restored_at: None, version: s.version + 1, ..s.clone() }, false),
            None => (self.begun(tx, arrival, told, kind, premises), true),
        };
        let mut confirmed = Vec::new();
        if kind.confirm == Confirm::AtOnce && signal.confirmed_at.is_none() {
            (signal.confirmed_at, signal.confirmed_why) = (Some(now), Some("at-once".into()));
            confirmed.push(signal.id);
        }
        if kind.class == Class::Alarm {
            let since = now - Duration::from_secs(u64::from(policy.confirm_seconds));
            for mut other in rows::near(tx, signal.premises, account.id, since).await? {
                if other.id == signal.id {
                    continue;
                }
                if signal.confirmed_at.is_none() && goes_with(kind, &signal, &other) {
                    (signal.confirmed_at, signal.confirmed_why, signal.confirmed_with) = (Some(now), Some("two".into()), Some(other.id));
                    confirmed.push(signal.id);
                }
                if other.confirmed_at.is_none() && rules.kind(&other.kind).is_some_and(|k| goes_with(k, &other, &signal)) {
                    (other.confirmed_at, other.confirmed_why, other.confirmed_with) = (Some(now), Some("two".into()), Some(signal.id));
                    other.version += 1;
                    rows::put_signal(tx, &other).await?;
                    tx.emit(told_of(&other, true));
                }
            }
        }
        rows::put_signal(tx, &signal).await?;
        if fresh {
            tx.emit(told_of(&signal, false));
        }
        if !confirmed.is_empty() {
            tx.emit(told_of(&signal, true));
        }
        Ok(signal.id)
    }

    fn begun(&self, tx: &Tx, arrival: &Arrival<'_>, told: &Told, kind: &KindDef, premises: Option<&Premises>) -> Signal {
        let now = tx.now();
        Signal {
            id: tx.id(),
            account: arrival.account.id,
            premises: premises.map(|p| p.id),
            unit: premises.map_or(String::new(), |p| p.unit.clone()),
            commune: premises.map_or(String::new(), |p| p.commune.clone()),
            kind: kind.code.clone(),
            class: kind.class.code().into(),
            rank: rank(kind.severity),
            scheme: told.scheme,
            code: told.code.clone(),
            area: told.area.clone(),
            zone: told.zone.clone(),
            words: told.text.clone(),
            at: now,
            last_at: now,
            told_at: arrival.told_at,
            repeats: 0,
            confirmed_at: None,
            confirmed_why: None,
            confirmed_with: None,
            restored_at: None,
            acked_at: None,
            acked_by: None,
            verdict: None,
            verdict_at: None,
            verdict_by: None,
            verdict_why: None,
            alarm: arrival.alarm,
            open: true,
            version: 1,
        }
    }

    /// Ends what a restoral names: one detector, or all of the kind when it names none. Troubles are over with it; alarms
    /// wait for a person's judgement. The signal, when there was one.
    pub(crate) async fn restore(&self, tx: &mut Tx, arrival: &Arrival<'_>, told: &Told, kind: &str) -> Result<Option<Uuid>> {
        let now = tx.now();
        let mut ended = None;
        for mut signal in rows::open_of(tx, arrival.account.id, kind).await? {
            let meant = whole(&told.zone) || (signal.zone == told.zone && (told.area.is_empty() || signal.area == told.area));
            if !meant || signal.restored_at.is_some() || (kind == UNKNOWN && signal.code != told.code) {
                continue;
            }
            (signal.restored_at, signal.open) = (Some(now), signal.class == Class::Alarm.code());
            signal.version += 1;
            rows::put_signal(tx, &signal).await?;
            tx.emit(Event::PanelRestored { signal: signal.id, unit: signal.unit.clone() });
            ended = Some(signal.id);
        }
        Ok(ended)
    }

    /// An alarm rose on a thing of the city model: when it is a button or detector of premises, it is a signal there too.
    /// Doing it twice changes nothing.
    pub async fn thing_alarmed(&self, caller: &Caller, entity: &str, rule: &str, alarm: Uuid) -> Result<()> {
        let Some(account) = self.account_of(entity).filter(|a| a.active && a.scheme == Scheme::Device) else { return Ok(()) };
        let mut tx = self.store.begin(caller).await?;
        let known = rows::open_by_alarm(&mut tx, alarm).await?;
        tx.rollback().await?;
        if known.is_some_and(|s| s.restored_at.is_none()) {
            return Ok(());
        }
        let told = Told { scheme: Scheme::Device, code: rule.into(), qualifier: None, area: String::new(), zone: String::new(), text: String::new() };
        let arrival = Arrival {
            account: &account,
            path: "primary",
            sequence: 0,
            told_at: None,
            // An alarm that rises again has the same id: the instant tells them apart.
            print: format!("{alarm} {}", caller.now),
            extended: Vec::new(),
            events: vec![told],
            alarm: Some(alarm),
        };
        self.record(caller, arrival).await.map(|_| ())
    }

    /// Such an alarm is over.
    pub async fn thing_cleared(&self, caller: &Caller, alarm: Uuid) -> Result<()> {
        if !self.all().iter().any(|a| a.scheme == Scheme::Device) {
            return Ok(());
        }
        let mut tx = self.store.begin(caller).await?;
        let Some(mut signal) = rows::open_by_alarm(&mut tx, alarm).await?.filter(|s| s.restored_at.is_none()) else { return tx.rollback().await };
        (signal.restored_at, signal.open) = (Some(caller.now), signal.class == Class::Alarm.code());
        signal.version += 1;
        rows::put_signal(&mut tx, &signal).await?;
        tx.emit(Event::PanelRestored { signal: signal.id, unit: signal.unit.clone() });
        tx.commit().await
    }
}

/// The event of a signal that began or was confirmed.
pub(crate) fn told_of(s: &Signal, confirmed: bool) -> Event {
    let (signal, premises, kind, unit) = (s.id, s.premises, s.kind.clone(), s.unit.clone());
    let (severity, area) = (severity(s.rank), (!s.commune.is_empty()).then(|| s.commune.clone()));
    if confirmed {
        Event::PanelConfirmed { signal, premises, kind, severity, area, unit }
    } else {
        Event::PanelSignalled { signal, premises, kind, severity, area, unit }
    }
}
