//! Message signs: what they may show, who allowed it, and whether they took it.
//!
//! A sign shows the approved message of the highest priority that has not run out, or is dark. What it is to show is decided inside the
//! change that moves a message; an event asks for the command, and a timer looks how far it got.

use std::time::Duration;

use dothi_kernel::time::minutes;
use dothi_kernel::{Caller, Error, Event, Page, Permission, Result, Scope, Timestamp};
use dothi_store::Tx;
use uuid::Uuid;

use crate::jobs::SIGN;
use crate::model::{FindQuery, Letters, Message, MessageInput, Segment, SettleInput, SignInput, SignRow};
use crate::pack::{MessageDef, Occasion, Policy};
use crate::tables::Incident;
use crate::tables_signs::{self as tables, Kept, Sign};
use crate::{FORM, Fate, Traffic, seen};

/// Signs of an installation.
const SIGNS: usize = 1_000;
/// Messages of a sign that are not over.
const LIVING: usize = 50;
/// How often a timer looks at an order on its way.
const LOOK: Duration = Duration::from_secs(5);
/// An order that nobody answers is given up so long after it may no longer be delivered.
const GIVE_UP: u64 = 120;
/// A delay is not proposed again for a sign within so many minutes.
const AGAIN: u32 = 60;

/// What a sign's device is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Device.
    pub device: String,
    /// Command of its profile.
    pub command: String,
    /// Words, lines parted by line feeds; empty: dark.
    pub text: String,
    /// Seconds for which it may wait.
    pub expires_s: u32,
}

fn unknown() -> Error {
    Error::not_found("traffic.sign.unknown", "There is no such sign.")
}

/// Vietnamese letters as plain ones, capitals kept.
pub fn plain(text: &str) -> String {
    let letter = |c: char| {
        let folded = dothi_kernel::text::fold(&c.to_string());
        if c.is_whitespace() || folded.is_empty() {
            c.to_string()
        } else if c.is_uppercase() {
            folded.to_uppercase()
        } else {
            folded
        }
    };
    text.chars().map(letter).filter(|s| s.is_ascii()).collect()
}

/// Whether lines can stand on a sign. 422 `traffic.sign.lines`, `traffic.sign.letters`.
pub fn fits(sign: &SignInput, lines: &[String]) -> Result<()> {
    if lines.is_empty() || lines.len() > sign.lines as usize || lines.iter().any(|l| l.chars().count() > sign.chars as usize) {
        return Err(Error::unprocessable("traffic.sign.lines", "The words are longer than the sign can show.")
            .with("lines", sign.lines)
            .with("chars", sign.chars));
    }
    if lines.iter().any(|l| l.chars().any(char::is_control) || (sign.letters == Letters::Plain && !l.is_ascii())) {
        return Err(Error::unprocessable("traffic.sign.letters", "The sign cannot show these letters.").with("plain", plain(&lines.join(" / "))));
    }
    Ok(())
}

/// A message of the library with its places filled in, in letters the sign has; none when it does not fit.
fn filled(sign: &SignInput, def: &MessageDef, road: &str, minutes: u32) -> Option<Vec<String>> {
    let line = |l: &String| {
        let text = l.replace("{road}", road).replace("{minutes}", &minutes.to_string());
        if sign.letters == Letters::Plain { plain(&text) } else { text }
    };
    let lines: Vec<String> = def.lines.iter().map(line).map(|l| l.chars().take(sign.chars as usize).collect()).collect();
    fits(sign, &lines).ok().map(|()| lines)
}

/// What a message says, why, and what it goes back to.
struct Words<'a> {
    lines: Vec<String>,
    why: String,
    origin: &'a str,
}

impl Traffic {
    fn sign_row(sign: &Sign, waiting: usize) -> SignRow {
        SignRow {
            id: sign.id,
            sign: sign.input.clone(),
            shown: sign.showing.clone(),
            order_state: sign.order_state.clone(),
            order_at: sign.order_at,
            order_why: sign.order_why.clone(),
            waiting,
        }
    }

    /// Signs of one's units by code.
    pub async fn signs(&self, caller: &Caller, query: &FindQuery) -> Result<Page<SignRow>> {
        let units = self.visible(caller)?;
        let waiting = tables::waiting(&self.store).await?;
        let limit = query.limit.unwrap_or(50).clamp(1, 200) as usize;
        let after = query.after.as_deref().unwrap_or_default();
        let all = tables::signs(&self.store).await?;
        let rows = all.into_iter().filter(|s| s.input.code.as_str() > after && seen(units.as_ref(), &s.input.unit)).take(limit + 1).collect();
        let page = Page::of(rows, limit, |s: &Sign| s.input.code.clone());
        let items = page.items.iter().map(|s| Self::sign_row(s, waiting.get(&s.id).copied().unwrap_or(0))).collect();
        Ok(Page { items, next: page.next, total: None })
    }

    /// Hands in a sign or changes one. Needs `traffic-manage` in its unit. 404, 409 `traffic.version`, `traffic.sign.code-taken`, 422.
    pub async fn put_sign(&self, caller: &Caller, id: Option<Uuid>, input: SignInput) -> Result<SignRow> {
        caller.require(Permission::TrafficManage, Scope::ANY)?;
        self.require(caller, Permission::TrafficManage, &input.unit)?;
        if !(1..=8).contains(&input.lines) || !(4..=40).contains(&input.chars) || input.segments.len() > 100 {
            return Err(Error::unprocessable("traffic.sign.invalid", "A sign has 1 to 8 lines of 4 to 40 characters, and at most 100 segments."));
        }
        dothi_kernel::geo::Point::new(input.location.lon, input.location.lat)?;
        let mut tx = self.store.begin(caller).await?;
        let all = tables::signs_in(&mut tx).await?;
        let old = match id {
            None => None,
            Some(id) => Some(all.iter().find(|s| s.id == id).cloned().ok_or_else(unknown)?),
        };
        if let Some(old) = &old {
            self.require(caller, Permission::TrafficManage, &old.input.unit)?;
            if input.version != Some(old.version) {
                return Err(FORM.stale());
            }
        } else if all.len() >= SIGNS {
            return Err(Error::unprocessable("traffic.sign.many", "There are as many signs as this installation keeps.").with("limit", SIGNS));
        }
        let code = FORM.needed(&input.code, 40, "code")?;
        if all.iter().any(|s| s.input.code == code && old.as_ref().is_none_or(|o| o.id != s.id)) {
            return Err(Error::conflict("traffic.sign.code-taken", "Another sign has this code.").with("code", code));
        }
        let version = old.as_ref().map_or(1, |o| o.version + 1);
        let input = SignInput {
            version: Some(version),
            code,
            name: FORM.needed(&input.name, 160, "name")?,
            device: FORM.needed(&input.device, 120, "device")?,
            command: FORM.needed(&input.command, 60, "command")?,
            ..input
        };
        let fresh = || Sign {
            id: tx.id(),
            input: input.clone(),
            showing: Vec::new(),
            message: None,
            order: None,
            order_state: "none".into(),
            order_at: None,
            order_why: None,
            command: None,
            at: caller.now,
            by: caller.name.to_string(),
            version,
        };
        let made = match old {
            None => fresh(),
            Some(old) => Sign { input: input.clone(), at: caller.now, by: caller.name.to_string(), version, ..old },
        };
        tables::put_sign(&mut tx, &made).await?;
        tx.audit("traffic.sign.put", &format!("sign:{}", made.input.code), &serde_json::json!({ "version": version })).await?;
        tx.emit(Event::TrafficChanged { what: "sign".into() });
        tx.commit().await?;
        Ok(Self::sign_row(&made, 0))
    }

    /// Messages of a sign, newest first, at most 100. 404, 403.
    pub async fn messages(&self, caller: &Caller, sign: Uuid) -> Result<Vec<Message>> {
        let units = self.visible(caller)?;
        let found = tables::sign(&self.store, sign).await?.ok_or_else(unknown)?;
        if !seen(units.as_ref(), &found.input.unit) {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        Ok(tables::messages(&self.store, sign, 100).await?.into_iter().map(|k| k.message).collect())
    }

    /// A person's message for a sign. One of the library as it stands is shown at once; other words need `traffic-approve`, and,
    /// as the policy says, of a second person. 422 `traffic.sign.lines`, `traffic.sign.letters`, `traffic.sign.message`.
    pub async fn say(&self, caller: &Caller, sign: Uuid, input: &MessageInput) -> Result<Message> {
        caller.require(Permission::TrafficHandle, Scope::ANY)?;
        let bad = |why: &str| Error::unprocessable("traffic.sign.message", "The message cannot be taken like this.").with("reason", why);
        let (policy, rules) = (self.policy(caller.now)?, self.rules());
        if !(1..=9).contains(&input.priority) || !(1..=10_080).contains(&input.minutes) {
            return Err(bad("a priority of 1 to 9, for at most a week"));
        }
        let mut tx = self.store.begin(caller).await?;
        let found = tables::sign_in(&mut tx, sign).await?.ok_or_else(unknown)?;
        self.require(caller, Permission::TrafficHandle, &found.input.unit)?;
        let def = match &input.library {
            None => None,
            Some(code) => Some(rules.message.iter().find(|m| m.code == *code).ok_or_else(|| bad("the library has no such message"))?),
        };
        let told: Vec<String> = input.lines.iter().map(|l| l.trim().to_string()).collect();
        let (lines, own) = match def {
            Some(def) if told.is_empty() && !def.lines.iter().any(|l| l.contains('{')) => {
                (filled(&found.input, def, "", 0).ok_or_else(|| bad("the message does not fit on this sign"))?, false)
            }
            _ => (told, true),
        };
        fits(&found.input, &lines)?;
        if tables::living(&mut tx, sign).await?.len() >= LIVING {
            return Err(bad("too many messages wait for this sign"));
        }
        let may = self.require(caller, Permission::TrafficApprove, &found.input.unit);
        let state = match (own, policy.four_eyes) {
            (false, _) => "approved",
            (true, true) => "waiting",
            (true, false) => may.map(|()| "approved")?,
        };
        let message = Message {
            id: tx.id(),
            sign,
            library: input.library.clone(),
            lines,
            priority: input.priority,
            state: state.into(),
            minutes: input.minutes,
            until: (state == "approved").then(|| caller.now + minutes(input.minutes)),
            why: String::new(),
            at: caller.now,
            by: caller.name.to_string(),
            settled_by: None,
            version: 1,
        };
        tables::put_message(&mut tx, &Kept { message: message.clone(), origin: String::new(), by_id: caller.id }).await?;
        tx.audit("traffic.sign.say", &format!("sign:{}", found.input.code), &serde_json::json!({ "lines": message.lines, "state": state })).await?;
        self.choose(&mut tx, found).await?;
        tx.commit().await?;
        Ok(message)
    }

    /// Allows a message, refuses it, or takes back one that stands. What the platform proposed from the library needs
    /// `traffic-handle`; another's words need `traffic-approve`, and nobody approves their own. 403 `traffic.sign.own`, 409.
    pub async fn settle_message(&self, caller: &Caller, id: Uuid, input: &SettleInput) -> Result<Message> {
        caller.require(Permission::TrafficHandle, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let kept = tables::message_in(&mut tx, id).await?.ok_or_else(|| Error::not_found("traffic.sign.message-unknown", "There is no such message."))?;
        let sign = tables::sign_in(&mut tx, kept.message.sign).await?.ok_or_else(unknown)?;
        self.require(caller, Permission::TrafficHandle, &sign.input.unit)?;
        if kept.message.version != input.version {
            return Err(FORM.stale());
        }
        let state = match (kept.message.state.as_str(), input.approve) {
            ("proposed", true) => "approved",
            ("waiting", true) => {
                self.require(caller, Permission::TrafficApprove, &sign.input.unit)?;
                if caller.id.is_some() && kept.by_id == caller.id {
                    return Err(Error::forbidden("traffic.sign.own", "A second person must approve this."));
                }
                "approved"
            }
            ("proposed" | "waiting", false) => "refused",
            ("approved", false) => "ended",
            _ => return Err(Error::conflict("traffic.sign.over", "This message is over already.")),
        };
        let mut made = kept;
        made.message.until = (state == "approved").then(|| caller.now + minutes(made.message.minutes));
        made.message.state = state.into();
        made.message.settled_by = Some(caller.name.to_string());
        made.message.version += 1;
        tables::put_message(&mut tx, &made).await?;
        tx.audit("traffic.sign.settle", &format!("message:{id}"), &serde_json::json!({ "state": state })).await?;
        self.choose(&mut tx, sign).await?;
        tx.commit().await?;
        Ok(made.message)
    }

    /// Decides what a sign is to show, orders it when that is something else than before, and sets its timer.
    async fn choose(&self, tx: &mut Tx, mut sign: Sign) -> Result<()> {
        let (now, mut next) = (tx.now(), None::<Timestamp>);
        let mut best: Option<Message> = None;
        for mut kept in tables::living(tx, sign.id).await? {
            let Some(until) = kept.message.until.filter(|_| kept.message.state == "approved") else { continue };
            if until <= now {
                kept.message.state = "ended".into();
                kept.message.version += 1;
                tables::put_message(tx, &kept).await?;
                continue;
            }
            next = Some(next.map_or(until, |n| n.min(until)));
            // The newest of equal priority: they come in order of time.
            if best.as_ref().is_none_or(|b| kept.message.priority >= b.priority) {
                best = Some(kept.message);
            }
        }
        let wanted = best.as_ref().map(|m| m.id).filter(|_| sign.input.active);
        if wanted != sign.message {
            sign.message = wanted;
            sign.showing = best.filter(|_| wanted.is_some()).map(|m| m.lines).unwrap_or_default();
            let order = tx.id();
            (sign.order, sign.order_state, sign.order_at) = (Some(order), "asked".into(), Some(now));
            (sign.order_why, sign.command) = (None, None);
            tx.emit(Event::SignAsked { sign: sign.id, order });
        }
        tables::put_sign(tx, &sign).await?;
        tx.emit(Event::TrafficChanged { what: "sign".into() });
        let look = matches!(sign.order_state.as_str(), "asked" | "sent").then(|| now + LOOK);
        match [look, next].into_iter().flatten().min() {
            Some(at) => tx.schedule(SIGN, &sign.id.to_string(), at).await,
            None => tx.unschedule(SIGN, &sign.id.to_string()).await,
        }
    }

    /// The command for an order; none when a later order took its place.
    pub async fn sign_order(&self, sign: Uuid, order: Uuid) -> Result<Option<Order>> {
        let found = tables::sign(&self.store, sign).await?.filter(|s| s.order == Some(order) && s.order_state == "asked");
        let expires_s = self.policy(self.store.clock().now()).map_or(300, |p| p.order_s);
        Ok(found.map(|s| Order { device: s.input.device, command: s.input.command, text: s.showing.join("\n"), expires_s }))
    }

    /// What became of the command: its id, or why it was not taken.
    pub async fn sign_told(&self, sign: Uuid, order: Uuid, told: Result<Uuid, String>) -> Result<()> {
        let mut tx = self.store.begin_as("traffic").await?;
        let Some(mut found) = tables::sign_in(&mut tx, sign).await?.filter(|s| s.order == Some(order)) else { return tx.rollback().await };
        match told {
            Ok(command) => (found.command, found.order_state) = (Some(command), "sent".into()),
            Err(why) => (found.order_why, found.order_state) = (Some(why), "failed".into()),
        }
        self.choose(&mut tx, found).await?;
        tx.commit().await
    }

    /// A sign's timer: messages that ran out, and how far the order got.
    pub(crate) async fn sign_due(&self, key: &str) -> Result<()> {
        let Ok(id) = key.parse::<Uuid>() else { return Ok(()) };
        let Some(seen) = tables::sign(&self.store, id).await? else { return Ok(()) };
        let fate = match seen.command.filter(|_| seen.order_state == "sent") {
            Some(command) => self.around.fate(command).await?,
            None => None,
        };
        let mut tx = self.store.begin_as("traffic").await?;
        let now = tx.now();
        let order_s = self.policy(now).map_or(300, |p| p.order_s);
        let Some(mut sign) = tables::sign_in(&mut tx, id).await? else { return tx.rollback().await };
        if sign.order == seen.order && matches!(sign.order_state.as_str(), "asked" | "sent") {
            let late = sign.order_at.is_some_and(|at| now > at + Duration::from_secs(u64::from(order_s) + GIVE_UP));
            match fate {
                Some(Fate::Done) => sign.order_state = "done".into(),
                Some(Fate::Failed(why)) => (sign.order_state, sign.order_why) = ("failed".into(), Some(why)),
                _ if late => (sign.order_state, sign.order_why) = ("failed".into(), Some("traffic.sign.silent".into())),
                _ => {}
            }
        }
        self.choose(&mut tx, sign).await?;
        tx.commit().await
    }

    async fn propose(&self, tx: &mut Tx, sign: &Sign, def: &MessageDef, words: Words<'_>, minutes: u32) -> Result<()> {
        let Words { lines, why, origin } = words;
        let message = Message {
            id: tx.id(),
            sign: sign.id,
            library: Some(def.code.clone()),
            lines,
            priority: def.priority,
            state: "proposed".into(),
            minutes,
            until: None,
            why,
            at: tx.now(),
            by: "traffic".into(),
            settled_by: None,
            version: 1,
        };
        tables::put_message(tx, &Kept { message, origin: origin.into(), by_id: None }).await?;
        tx.emit(Event::TrafficChanged { what: "sign".into() });
        Ok(())
    }

    /// Proposes the library's words to all signs that tell about a segment with an incident; once for each.
    pub(crate) async fn propose_incident(&self, tx: &mut Tx, incident: &Incident, segment: &Segment) -> Result<()> {
        let (rules, policy) = (self.rules(), self.policy(tx.now())?);
        let Some(def) = rules.message.iter().find(|m| m.on == Occasion::Incident) else { return Ok(()) };
        let origin = format!("incident:{}", incident.id);
        for sign in tables::signs_in(tx).await?.iter().filter(|s| s.input.active && s.input.segments.contains(&segment.code)) {
            if tables::proposed_by(tx, sign.id, &origin).await?.is_some() {
                continue;
            }
            if let Some(lines) = filled(&sign.input, def, &segment.name, 0) {
                self.propose(tx, sign, def, Words { lines, why: segment.name.clone(), origin: &origin }, policy.propose_minutes).await?;
            }
        }
        Ok(())
    }

    /// What an occasion proposed is over with it; what stood because of it goes dark.
    pub(crate) async fn unpropose(&self, tx: &mut Tx, origin: &str) -> Result<()> {
        for mut kept in tables::living_of(tx, origin).await? {
            kept.message.state = "ended".into();
            kept.message.version += 1;
            tables::put_message(tx, &kept).await?;
            if let Some(sign) = tables::sign_in(tx, kept.message.sign).await? {
                self.choose(tx, sign).await?;
            }
        }
        Ok(())
    }

    /// Proposes words on routes that take much longer than usual, to signs on their segments.
    pub(crate) async fn propose_delays(&self, caller: &Caller, policy: &Policy) -> Result<()> {
        let rules = self.rules();
        let Some(def) = rules.message.iter().find(|m| m.on == Occasion::Delay) else { return Ok(()) };
        let late =
            self.times(caller, policy).await?.into_iter().filter(|t| t.now_s.zip(t.usual_s).is_some_and(|(now, usual)| now >= policy.delay_share * usual));
        for time in late {
            let Some(route) = self.routes().into_iter().find(|r| r.code == time.code) else { continue };
            let (origin, minutes_now) = (format!("delay:{}", route.code), (time.now_s.unwrap_or(0.0) / 60.0).ceil() as u32);
            let mut tx = self.store.begin(caller).await?;
            for sign in tables::signs_in(&mut tx).await?.iter().filter(|s| s.input.active && s.input.segments.iter().any(|c| route.segments.contains(c))) {
                let before = tables::proposed_by(&mut tx, sign.id, &origin).await?;
                if before.is_some_and(|k| k.message.at + minutes(AGAIN) > caller.now) {
                    continue;
                }
                if let Some(lines) = filled(&sign.input, def, &route.to, minutes_now) {
                    let why = format!("{} – {}", route.from, route.to);
                    self.propose(&mut tx, sign, def, Words { lines, why, origin: &origin }, policy.propose_minutes).await?;
                }
            }
            tx.commit().await?;
        }
        Ok(())
    }
}
