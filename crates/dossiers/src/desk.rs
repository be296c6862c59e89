//! Dossiers one by one: lists, the whole of one, apology slips, the applicant's name.

use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, Timestamp, UnitRef};
use dothi_store::params;
use jiff::civil::Date;

use crate::model::{ApplicantView, DossierRow, DossierView, ListQuery, LogView, SlipInput, SlipView, Supplement};
use crate::tables::{self, Dossier, Entry, Filter, Order, SlipRow};
use crate::tables_board::Deltas;
use crate::{CURSORS, Dossiers, Rules, clock, unknown};

const LOG: usize = 200;

impl Dossiers {
    /// Dossiers of the units that the caller may see: open ones by deadline, others newest first.
    /// 400 `dossiers.what`, `page.after`.
    pub async fn list(&self, caller: &Caller, query: &ListQuery) -> Result<Page<DossierRow>> {
        let units = self.visible(caller)?;
        let rules = self.rules();
        let soon = self.soon_until(&rules, caller.now)?;
        let mut filter = Filter::default();
        let order = narrow(&mut filter, query.what.as_deref().unwrap_or("all"), caller.now, soon)?;
        match &query.unit {
            // One unit is found by its index; whether it may be seen is known without the database.
            Some(unit) if units.as_ref().is_none_or(|u| u.contains(unit)) => filter.add("unit = ?", params![unit]),
            Some(_) => return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here.")),
            None => filter.units(units.as_ref()),
        }
        for (column, wanted) in [("procedure", &query.procedure), ("commune", &query.commune), ("month", &query.month)] {
            if let Some(wanted) = wanted {
                filter.add(&format!("{column} = ?"), params![if wanted == "-" { "" } else { wanted.as_str() }]);
            }
        }
        if let Some(code) = query.code.as_deref().map(str::trim).filter(|c| !c.is_empty()) {
            filter.add("code >= ? and code < ?", params![code, format!("{code}\u{10ffff}")]);
        }
        let page = PageQuery { limit: query.limit, after: query.after.clone() };
        let after = CURSORS.after::<String>(page.after.as_deref())?;
        let limit = page.limit();
        let rows = tables::list(&self.store, &filter, order, after.as_ref().map(|(at, code)| (*at, code.as_str())), limit + 1).await?;
        let page = Page::of(rows, limit, |d| {
            let at = if order == Order::Due { d.due_at } else { d.received_at };
            CURSORS.write(at.unwrap_or(Timestamp::UNIX_EPOCH), &d.code)
        });
        Ok(Page { items: page.items.iter().map(|d| self.row(&rules, d, caller.now, soon)).collect(), next: page.next, total: None })
    }

    pub(crate) fn soon_until(&self, rules: &Rules, now: Timestamp) -> Result<Timestamp> {
        let days = rules.policy(&self.calendar, now).map_or(0, |(p, _)| p.soon_days);
        clock::days_ahead(&self.calendar, now, days)
    }

    pub(crate) fn row(&self, rules: &Rules, d: &Dossier, now: Timestamp, soon: Timestamp) -> DossierRow {
        let late = d.late || (!d.ended && d.paused_since.is_none() && d.due_at.is_some_and(|due| due < now));
        let standing = match (d.month.is_empty(), d.ended, late) {
            (true, ..) => "not-received",
            (_, true, true) => "ended-late",
            (_, true, false) => "ended-on-time",
            (_, false, true) => "overdue",
            _ if d.paused_since.is_some() => "waiting",
            _ if d.due_at.is_some_and(|due| due <= soon) => "soon",
            _ => "on-time",
        };
        DossierRow {
            code: d.code.clone(),
            procedure: d.procedure.clone(),
            procedure_name: rules.procedures.get(&d.procedure).map_or_else(|| d.procedure.clone(), |p| p.name.clone()),
            unit: UnitRef { id: d.unit.clone(), name: self.unit_name(&d.unit) },
            commune: (!d.commune.is_empty()).then(|| UnitRef { id: d.commune.clone(), name: self.commune_name(&d.commune) }),
            state: d.state,
            phase: rules.states.get(&d.state).map(|s| s.phase),
            channel: d.channel,
            received_at: d.received_at,
            due_at: d.due_at,
            ended_at: d.ended_at,
            waiting_since: d.paused_since,
            supplements: d.supplements,
            promised_at: d.promised_at,
            standing: standing.into(),
            late_why: d.late_why.clone(),
        }
    }

    async fn seen(&self, caller: &Caller, code: &str) -> Result<Dossier> {
        let units = self.visible(caller)?;
        let dossier = tables::one(&self.store, code).await?.ok_or_else(unknown)?;
        if units.is_some_and(|u| !u.contains(&dossier.unit)) {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        Ok(dossier)
    }

    /// A dossier with its history. 404 `dossiers.unknown`, 403 for another unit's.
    pub async fn get(&self, caller: &Caller, code: &str) -> Result<DossierView> {
        let d = self.seen(caller, code).await?;
        let rules = self.rules();
        let soon = self.soon_until(&rules, caller.now)?;
        let procedure = rules.procedures.get(&d.procedure);
        let policy = d.received_at.and_then(|at| rules.policy(&self.calendar, at).ok()).map(|(p, _)| p);
        let counts_from = match (d.received_at, policy) {
            (Some(at), Some(policy)) if !d.month.is_empty() => Some(clock::received_on(&self.calendar, at, policy.cutoff)?),
            _ => None,
        };
        let mine = caller.may(Permission::CaseHandle, Scope::unit(&d.unit));
        let slips = tables::slips(&self.store, code).await?;
        Ok(DossierView {
            row: self.row(&rules, &d, caller.now, soon),
            version: d.version,
            source: d.source.clone(),
            days: procedure.map(|p| p.days),
            steps: procedure.map_or_else(Vec::new, |p| p.steps.split(';').map(str::trim).filter(|s| !s.is_empty()).map(str::to_string).collect()),
            counts_from,
            appointed_at: d.appointed_at,
            finished_at: d.finished_at,
            returned_at: d.returned_at,
            late_at: d.late_at,
            took_days: d.took.map(|half| f64::from(half) / 2.0),
            waits: d.pauses.iter().map(|w| Supplement { from: w.from, to: w.to, payment: !w.supplement }).collect(),
            fee: d.fee,
            paid_at: d.paid_at,
            paid_online: d.paid_online,
            may_slip: mine && !d.ended && !d.month.is_empty() && policy.is_some_and(|p| d.slips < p.slips),
            may_name: mine,
            slips: slips.into_iter().map(slip_view).collect(),
            log: tables::log(&self.store, code, LOG).await?.into_iter().map(log_view).collect(),
        })
    }

    /// The applicant's name, for those who handle the dossier. Reading it is written into the audit log.
    pub async fn applicant(&self, caller: &Caller, code: &str) -> Result<ApplicantView> {
        let d = self.seen(caller, code).await?;
        caller.require(Permission::CaseHandle, Scope::unit(&d.unit))?;
        let found = tables::applicant(&self.store, code).await?;
        let mut tx = self.store.begin(caller).await?;
        tx.audit("dossiers.applicant.read", &format!("dossier:{code}"), &serde_json::json!({})).await?;
        tx.commit().await?;
        Ok(ApplicantView { name: found.and_then(|(name, _)| name) })
    }

    /// Issues an apology slip with a new date of return. Needs `case-handle` for the dossier's unit. 409 `dossiers.version`,
    /// `dossiers.slip.ended`, `dossiers.slip.again`; 422 `dossiers.slip.day`, `dossiers.slip.reason`.
    pub async fn issue_slip(&self, caller: &Caller, code: &str, input: &SlipInput) -> Result<DossierView> {
        let seen = self.seen(caller, code).await?;
        caller.require(Permission::CaseHandle, Scope::unit(&seen.unit))?;
        let reason = input.reason.trim();
        if !(10..=1_000).contains(&reason.chars().count()) {
            return Err(Error::unprocessable("dossiers.slip.reason", "Say why, in 10 to 1,000 characters."));
        }
        let promised = self.close_of(input.day)?.filter(|at| *at > caller.now);
        let promised = promised.ok_or_else(|| Error::unprocessable("dossiers.slip.day", "The new date must be a working day to come."))?;
        let rules = self.rules();
        let mut tx = self.store.begin(caller).await?;
        let mut d = tables::existing(&mut tx, &[code]).await?.remove(code).ok_or_else(unknown)?;
        if d.version != input.version {
            return Err(Error::conflict("dossiers.version", "The dossier has changed meanwhile; look at it again."));
        }
        let received = d.received_at.filter(|_| !d.month.is_empty() && !d.ended);
        let received = received.ok_or_else(|| Error::conflict("dossiers.slip.ended", "A new date is for a dossier that is being handled."))?;
        let (policy, _) = rules.policy(&self.calendar, received)?;
        if d.slips >= policy.slips {
            return Err(Error::conflict("dossiers.slip.again", "A new date has been given already.").with("allowed", policy.slips));
        }
        let over = self.over(&rules, &d);
        let mut deltas = Deltas::default();
        deltas.count(&d, over, -1);
        let slip = SlipRow {
            n: i64::from(d.slips) + 1,
            at: caller.now,
            promised_at: promised,
            was_due_at: d.due_at,
            reason: reason.into(),
            by: caller.name.to_string(),
        };
        d.slips += 1;
        d.promised_at = Some(promised);
        d.version += 1;
        let days = rules.procedures.get(&d.procedure).map(|p| p.days);
        self.reckon(&mut d, policy, days, caller.now)?;
        deltas.count(&d, over, 1);
        tables::put(&mut tx, std::slice::from_ref(&d)).await?;
        tables::put_slip(&mut tx, code, &slip).await?;
        let by = caller.name.to_string();
        let entry = Entry {
            code: code.into(),
            n: 0,
            at: caller.now,
            noted_at: caller.now,
            kind: "slip",
            was: slip.was_due_at.map(|t| t.to_string()),
            became: Some(promised.to_string()),
            by,
        };
        tables::put_log(&mut tx, vec![entry], &Default::default()).await?;
        deltas.write(&mut tx).await?;
        tx.audit("dossiers.slip", &format!("dossier:{code}"), &serde_json::json!({ "promised": promised })).await?;
        tx.commit().await?;
        self.get(caller, code).await
    }

    /// The close of a day, if it is a working day.
    fn close_of(&self, day: Date) -> Result<Option<Timestamp>> {
        if !self.calendar.is_working(day) {
            return Ok(None);
        }
        let midnight = day.to_zoned(self.calendar.zone().clone()).map_err(|e| Error::invalid("dossiers.slip.day", "This day cannot be used.").because(e))?;
        self.calendar.add(midnight.timestamp(), self.calendar.day_minutes()).map(Some)
    }
}

/// The condition of a kind of list, and its order.
fn narrow(filter: &mut Filter, what: &str, now: Timestamp, soon: Timestamp) -> Result<Order> {
    match what {
        "all" => filter.add("received_at is not null", params![]),
        "late" => filter.add("late = 1", params![]),
        "ended" => filter.add("ended = 1 and month <> ''", params![]),
        open => {
            filter.add("ended = 0 and month <> ''", params![]);
            match open {
                "open" => {}
                "overdue" => filter.add("(late = 1 or (paused_since is null and due_at < ?))", params![now]),
                "soon" => filter.add("late = 0 and paused_since is null and due_at >= ? and due_at <= ?", params![now, soon]),
                "waiting" => filter.add("paused_since is not null", params![]),
                _ => return Err(Error::invalid("dossiers.what", "A list is of overdue, soon, open, waiting, late, ended or all dossiers.")),
            }
            return Ok(Order::Due);
        }
    }
    Ok(Order::Received)
}

fn slip_view(s: SlipRow) -> SlipView {
    SlipView { n: s.n, at: s.at, was_due_at: s.was_due_at, promised_at: s.promised_at, reason: s.reason, by: s.by }
}

fn log_view(r: tables::LogRow) -> LogView {
    LogView { at: r.at, noted_at: r.noted_at, kind: r.kind, was: r.was, became: r.became, by: r.by }
}
