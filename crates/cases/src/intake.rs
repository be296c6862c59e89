//! Reports come in: checked, placed, routed, clocked, and acknowledged once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use dothi_kernel::geo::Point;
use dothi_kernel::time::{earlier, minutes};
use dothi_kernel::{Caller, CallerKind, Error, Event, Permission, Place, Result, Scope, Timestamp};
use dothi_store::Tx;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::CaseClock;
use crate::model::{Contact, NewReport, Receipt, RoutingTrace};
use crate::pack::{AnswerKind, CaseType, Category, Rate};
use crate::photos::Taken;
use crate::routing::{self, Subject};
use crate::tables::{self, CaseRecord, LogRecord};
use crate::{Cases, intake_desk, photos, public, tables_consent, tables_intake, text};

/// The rule named in the trace of a report that waits because its sender is barred.
pub(crate) const HELD: &str = "held";

/// What is remembered under an idempotency key: the answer without its secret, and what was asked.
#[derive(Serialize, Deserialize)]
struct Remembered {
    asked: String,
    receipt: Receipt,
}

/// A report that passed all checks of form.
struct Checked {
    text: String,
    address: Option<String>,
    location: Option<Point>,
    place: Option<Place>,
    answers: BTreeMap<String, String>,
    source: String,
    urgency: Option<String>,
    private: bool,
}

impl Cases {
    /// Takes a report with its photos; `key` is the client's idempotency key: the same key gives the same answer again.
    ///
    /// 400 `case.category.unknown`, `case.text.*`, `case.place.missing`, `case.contact.invalid`; 413 `case.photo.too-big`; 415
    /// `case.photo.unreadable`; 422 `case.place.outside`; 429 `case.flood`; 503 `case.photo.busy`.
    pub async fn report(&self, caller: &Caller, report: NewReport, photos: Vec<Bytes>, key: Option<&str>) -> Result<Receipt> {
        let kind = if report.kind.is_empty() { "report" } else { report.kind.as_str() };
        let (type_version, case_type) = self.current_type(kind)?;
        let category = case_type
            .category(&report.category)
            .ok_or_else(|| Error::invalid("case.category.unknown", "Choose a category from the list.").with("category", text::short(&report.category, 40)))?;
        let checked = self.check(caller, &case_type, category, &report, &photos)?;
        let contact = check_contact(report.contact.clone().unwrap_or_default())?;
        let agreed = report.consent.as_deref().filter(|_| contact != Contact::default()).map(|v| self.consent_words(kind, v)).transpose()?;
        self.check_photos(&case_type, &photos)?;
        if key.is_some_and(|k| !(8..=200).contains(&k.len())) {
            return Err(Error::invalid("case.idempotency-key", "An Idempotency-Key has 8 to 200 characters."));
        }
        let limit = self.flood_limit(caller, &case_type);
        let sender = limit.as_ref().map(|(who, rate)| (who.as_str(), span_start(caller.now, *rate)));
        // Photos cost work before the change looks at the limit. A repeated request must get its answer even when the limit is
        // reached, so a key passes.
        if let Some(((who, since), (_, rate))) = sender.zip(limit.as_ref()).filter(|_| key.is_none() && !photos.is_empty())
            && tables::flood_peek(&self.store, who, since).await? >= i64::from(rate.count)
        {
            return Err(flooded(*rate));
        }
        let asked =
            text::hash(&[&serde_json::to_string(&report).unwrap_or_default(), &photos.iter().map(|p| p.len().to_string()).collect::<Vec<_>>().join(",")]);
        // Programs of the platform wait gladly, and go on with a case whose photos are there.
        let taken = match caller.kind {
            CallerKind::System => Taken::Developed(self.darkroom.develop(photos).await?),
            _ => self.darkroom.take(photos).await?,
        };

        let learned = self.learned(kind, caller.now).await?;
        let id = self.store.clock().id();
        let mut tx = self.store.begin(caller).await?;
        let (code, sent) = self.free_code(&mut tx, &case_type.code_prefix, sender).await?;
        let mut case = self.new_case(caller, (id, code), (type_version, &case_type), category, checked)?;
        let own_key = |id: Uuid| match key {
            Some(key) => text::derived_code(&[&self.secret, key, &id.to_string()]),
            None => text::random_code(20),
        };
        let secret = own_key(id);
        case.key_hash = text::hash(&[&secret]);
        let person = caller.id.filter(|_| caller.kind == CallerKind::Citizen && !report.anonymous);
        let device = self.device_hash(report.device.as_deref());
        let barred = self.barred_sender(&mut tx, caller.id.filter(|_| caller.kind == CallerKind::Citizen), &contact, device.as_deref()).await?;
        if let Some(entry) = &barred {
            self.hold(&mut case, &case_type, &entry.reason);
        }
        let receipt = self.receipt(&case, &case_type, &secret);
        if let Some(key) = key {
            let scope = format!("case.report:{}", self.who(caller));
            let remembered = Remembered { asked: asked.clone(), receipt: Receipt { key: String::new(), tracking: String::new(), ..receipt.clone() } };
            let body = serde_json::to_string(&remembered).map_err(|e| Error::internal("remembering an answer", e))?;
            if let Some(before) = tx.once(&scope, &text::hash(&[key]), &body).await? {
                tx.rollback().await?;
                return self.repeat(&before, &asked, own_key);
            }
        }
        if let Some((who, rate)) = &limit {
            if sent >= i64::from(rate.count) {
                return Err(flooded(*rate));
            }
            let rates = [case_type.limits.per_address, case_type.limits.per_person, case_type.limits.per_key];
            let longest = rates.iter().map(|r| r.minutes).max().unwrap_or(0);
            tables::flood_note(&mut tx, who, span_start(caller.now, Rate { count: 0, minutes: longest })).await?;
        }
        let (address, area) = (case.address.as_deref().unwrap_or(""), case.area_name.as_deref().unwrap_or(""));
        let folded = text::searchable(&format!("{} {} {} {address} {area}", case.code, case.text, category.name));
        tables::insert_case(&mut tx, &case, &folded, &public::folded(&case, &case_type)).await?;
        tables::insert_reporter(&mut tx, id, person, &contact).await?;
        if let Some(agreed) = &agreed {
            tables_consent::give(&mut tx, id, agreed).await?;
        }
        if let Some(device) = &device {
            tables_intake::set_device(&mut tx, id, device).await?;
        }
        self.keep_taken(&mut tx, id, &taken).await?;
        Self::note_suggestion(&mut tx, learned.as_deref(), &case, &case_type).await?;
        let official = matches!(caller.kind, CallerKind::Staff | CallerKind::Program | CallerKind::System);
        let log = LogRecord {
            at: caller.now,
            by_id: caller.id.filter(|_| official),
            by_name: self.actor(caller).to_string(),
            step: "open".into(),
            from: String::new(),
            to: case.state.clone(),
            unit: case.unit.clone(),
            note: None,
            reason: barred.map(|b| b.reason),
            public_text: None,
            photos: match &taken {
                Taken::Developed(photos) => photos.iter().map(|p| p.full.sha256.clone()).collect(),
                Taken::Waiting(_) => Vec::new(),
            },
            late_minutes: 0,
        };
        tables::insert_log(&mut tx, id, &log).await?;
        self.set_timers(&mut tx, &case, &case_type).await?;
        tx.emit(Event::CaseOpened {
            case: id,
            code: case.code.clone(),
            kind: case.kind.clone(),
            category: case.category.clone(),
            area: case.area.clone(),
            unit: case.unit.clone(),
        });
        tx.commit().await?;
        Ok(receipt)
    }

    /// The answer of the first time, with its secret made again from the client's key.
    fn repeat(&self, before: &str, asked: &str, own_key: impl Fn(Uuid) -> String) -> Result<Receipt> {
        let remembered: Remembered = serde_json::from_str(before).map_err(|e| Error::internal("reading a remembered answer", e))?;
        if remembered.asked != asked {
            return Err(Error::unprocessable("case.idempotency-key.reused", "This Idempotency-Key was used for another report."));
        }
        let key = own_key(remembered.receipt.id);
        Ok(Receipt { tracking: format!("/t/{}#{key}", remembered.receipt.code), key, ..remembered.receipt })
    }

    fn new_case(
        &self,
        caller: &Caller,
        (id, code): (Uuid, String),
        (type_version, case_type): (u32, &CaseType),
        category: &Category,
        checked: Checked,
    ) -> Result<CaseRecord> {
        let area = checked.place.as_ref().map(|p| p.commune.as_str());
        let subject = Subject { area, category: &category.code, text: &checked.text, at: Some(caller.now), roads: &[] };
        let urgency = checked.urgency.unwrap_or_else(|| routing::urgency(case_type, &subject).to_string());
        let (unit, trace) = self.route(case_type, (area, checked.location), &category.code, &checked.text, caller.now)?;
        let flags: String = case_type.screen(&checked.text).flags.iter().map(|f| format!("{},", f.code)).collect();
        let clock = CaseClock::start(&self.calendar, caller.now, case_type.budget(&category.code, &urgency, &self.calendar))?;
        let initial = &case_type.flow.initial;
        let phase = case_type.flow.states.get(initial).map(|s| s.phase).ok_or_else(|| Error::internal("opening a case", "no initial state"))?;
        Ok(CaseRecord {
            id,
            code,
            kind: case_type.kind.clone(),
            type_version,
            category: category.code.clone(),
            topic: category.topic.clone(),
            urgency,
            text: checked.text,
            answers: checked.answers,
            state: initial.clone(),
            phase,
            unit,
            area: checked.place.as_ref().map(|p| p.commune.clone()),
            area_name: checked.place.map(|p| p.commune_name),
            address: checked.address,
            location: checked.location,
            source: checked.source,
            opened_at: caller.now,
            state_since: caller.now,
            closed_at: None,
            on_time: None,
            clock,
            stopped: false,
            extended: false,
            planned_for: None,
            assignee: None,
            published: false,
            public_text: None,
            listed: true,
            draft: None,
            answer: None,
            answered_at: None,
            stars: None,
            rating_comment: None,
            followers: 0,
            merged_into: None,
            routing: trace,
            key_hash: String::new(),
            version: 1,
            parent: None,
            unit_since: caller.now,
            escalated: None,
            reopened: 0,
            private: checked.private,
            flags,
        })
    }

    /// The unit that a report goes to, with the trace of why; an empty unit when nobody holds the function.
    pub(crate) fn route(
        &self,
        case_type: &CaseType,
        (area, point): (Option<&str>, Option<Point>),
        category: &str,
        text: &str,
        at: Timestamp,
    ) -> Result<(String, RoutingTrace)> {
        let rules = routing::compile(&case_type.routing).map_err(|f| Error::internal("compiling routing rules", f.join("; ")))?;
        let roads = self.roads_near(point, rules.widest_road());
        let subject = Subject { area, category, text, at: Some(at), roads: &roads };
        let (unit, trace) = rules.route(case_type, &subject, self.directory.as_ref(), &self.calendar);
        Ok((unit.map(|u| u.id).unwrap_or_default(), trace))
    }

    /// A report of a barred sender waits for the centre, out of the unit's and the public's sight.
    fn hold(&self, case: &mut CaseRecord, case_type: &CaseType, reason: &str) {
        let Some(state) = case_type.flow.states.get(&case_type.moderation.held_state) else { return };
        case.state.clone_from(&case_type.moderation.held_state);
        case.phase = state.phase;
        case.listed = false;
        let holder = self.directory.organisation_for(&self.directory.home(), &case_type.moderation.held_function);
        case.unit = holder.map(|u| u.id).unwrap_or_default();
        case.routing = RoutingTrace {
            rule: HELD.into(),
            why: reason.to_string(),
            area: case.area.clone(),
            warning: case.routing.warning.take(),
            ..RoutingTrace::default()
        };
    }

    fn receipt(&self, case: &CaseRecord, case_type: &CaseType, key: &str) -> Receipt {
        Receipt {
            id: case.id,
            code: case.code.clone(),
            key: key.to_string(),
            tracking: format!("/t/{}#{key}", case.code),
            due_at: case.clock.due,
            unit: self.unit_ref(&case.unit, case_type),
            state: case.state.clone(),
            phase: case.phase,
            notice: case.routing.warning.as_ref().map(|_| case_type.excluded.notice.clone()),
        }
    }

    fn check(&self, caller: &Caller, case_type: &CaseType, category: &Category, report: &NewReport, photos: &[Bytes]) -> Result<Checked> {
        let words = text::clean(&report.text, "text", case_type.limits.text_chars)?;
        if words.is_empty() {
            return Err(Error::invalid("case.text.missing", "Say in a few words what is wrong."));
        }
        let address = text::clean_opt(report.address.as_deref(), "address", 300)?;
        let (mut location, mut place) = self.place(report)?;
        if location.is_none() && place.is_none() {
            // What the camera noted counts when nothing better is given, and lies in the province.
            let home = self.directory.home();
            let told = photos.iter().find_map(|p| photos::told(p).place);
            let found = told.and_then(|spot| self.directory.locate(spot).filter(|p| p.province == home).map(|p| (spot, p)));
            (location, place) = found.map_or((None, None), |(spot, p)| (Some(spot), Some(p)));
        }
        let by_mail = report.source.as_deref() == Some("mail");
        if location.is_none() && place.is_none() && address.is_none() && !by_mail {
            return Err(Error::invalid("case.place.missing", "Say where it is: a point on the map, a commune or an address."));
        }
        let enters_for_others = caller.kind == CallerKind::System || caller.may(Permission::CaseTriage, Scope::ANY);
        let source = match report.source.as_deref() {
            Some(source @ "open311") if caller.kind == CallerKind::Program => source,
            Some(source) if enters_for_others => intake_desk::channel(source)?,
            _ => "web",
        };
        // A letter answers no questions; the centre asks.
        let answers = if source == "mail" { BTreeMap::new() } else { check_answers(category, &report.answers)? };
        if by_mail && source != "mail" {
            return Err(Error::invalid("case.place.missing", "Say where it is: a point on the map, a commune or an address."));
        }
        let urgency = report.urgency.clone().filter(|u| enters_for_others && !u.is_empty());
        if urgency.as_ref().is_some_and(|u| !case_type.urgencies.contains_key(u)) {
            return Err(Error::invalid("case.urgency.unknown", "Choose an urgency from the list."));
        }
        let private = report.private && !case_type.moderation.private_notice.is_empty();
        Ok(Checked { text: words, address, location, place, answers, source: source.to_string(), urgency, private })
    }

    pub(crate) fn check_photos(&self, case_type: &CaseType, photos: &[Bytes]) -> Result<()> {
        let limits = &case_type.limits;
        if photos.len() > limits.photos {
            return Err(Error::too_large("case.photo.too-many", "Too many photos.").with("limit", limits.photos));
        }
        if photos.iter().any(|p| p.len() > limits.photo_bytes) {
            return Err(Error::too_large("case.photo.too-big", "A photo is too big.").with("limit_bytes", limits.photo_bytes));
        }
        Ok(())
    }

    /// The spot and the commune it lies in. 422 `case.place.outside` with the nearest commune of the province.
    fn place(&self, report: &NewReport) -> Result<(Option<Point>, Option<Place>)> {
        let home = self.directory.home();
        let location = match (report.lon, report.lat) {
            (Some(lon), Some(lat)) => Some(Point::new(lon, lat)?),
            (None, None) => None,
            _ => return Err(Error::invalid("geo.out-of-range", "Give longitude and latitude, or neither.")),
        };
        if let Some(point) = location {
            let found = self.directory.locate(point);
            if let Some(place) = found.clone().filter(|p| p.province == home) {
                return Ok((location, Some(place)));
            }
            let mut outside = Error::unprocessable("case.place.outside", "This place is not in the province served here.");
            if let Some(other) = found {
                outside = outside.with("province", other.province).with("province_name", other.province_name);
            }
            if let Some((near, metres)) = self.nearest(point, &home) {
                outside = outside.with("nearest", near.commune).with("nearest_name", near.commune_name).with("nearest_metres", metres);
            }
            return Err(outside);
        }
        let Some(area) = report.area.as_deref().filter(|a| !a.is_empty()) else { return Ok((None, None)) };
        let place = self.directory.commune(area).filter(|p| p.province == home);
        place.map(|p| (None, Some(p))).ok_or_else(|| Error::unprocessable("case.place.outside", "This commune is not in the province served here."))
    }

    /// The first commune of the province met when looking around in widening rings.
    fn nearest(&self, point: Point, home: &str) -> Option<(Place, u32)> {
        let shrink = point.lat.to_radians().cos().abs().max(0.1);
        [300u32, 1_000, 3_000, 10_000, 30_000].into_iter().find_map(|metres| {
            (0..16).find_map(|step| {
                let angle = f64::from(step) * std::f64::consts::TAU / 16.0;
                let degrees = f64::from(metres) / 111_320.0;
                let near = Point { lon: point.lon + degrees * angle.cos() / shrink, lat: point.lat + degrees * angle.sin() };
                self.directory.locate(near).filter(|p| p.province == home).map(|p| (p, metres))
            })
        })
    }

    /// A public code that is free; and, in the same reading, how often a sender sent something since an instant.
    pub(crate) async fn free_code(&self, tx: &mut Tx, prefix: &str, sender: Option<(&str, Timestamp)>) -> Result<(String, i64)> {
        for _ in 0..20 {
            let code = format!("{prefix}-{}", text::random_code(6));
            if let (false, sent) = tables::code_taken(tx, &code, sender).await? {
                return Ok((code, sent));
            }
        }
        Err(Error::internal("finding a free code", "twenty tries failed"))
    }

    /// Who asks, for limits and idempotency: a person, or a hash of the network address (never the address).
    pub(crate) fn who(&self, caller: &Caller) -> String {
        match (caller.id, caller.address) {
            (Some(id), _) => format!("p:{id}"),
            (None, Some(address)) => {
                // A household's IPv6 addresses change within its /64.
                let net = match address {
                    IpAddr::V4(v4) => v4.to_string(),
                    IpAddr::V6(v6) => format!("{:x?}", &v6.segments()[..4]),
                };
                format!("a:{}", text::hash(&[&self.secret, &net]))
            }
            (None, None) => "a:unknown".into(),
        }
    }

    /// How a log names the caller: staff by login, reporters not at all.
    pub(crate) fn actor<'a>(&self, caller: &'a Caller) -> &'a str {
        match caller.kind {
            CallerKind::Staff | CallerKind::Program => &caller.name,
            // Imports act for somebody.
            CallerKind::System if caller.id.is_some() => &caller.name,
            CallerKind::System => "system",
            CallerKind::Citizen | CallerKind::Anonymous => "reporter",
        }
    }

    fn flood_limit(&self, caller: &Caller, case_type: &CaseType) -> Option<(String, Rate)> {
        let rate = match caller.kind {
            CallerKind::System | CallerKind::Staff => return None,
            CallerKind::Program => case_type.limits.per_key,
            CallerKind::Citizen => case_type.limits.per_person,
            CallerKind::Anonymous => case_type.limits.per_address,
        };
        Some((self.who(caller), rate))
    }
}

fn span_start(now: Timestamp, rate: Rate) -> Timestamp {
    earlier(now, minutes(rate.minutes))
}

fn flooded(rate: Rate) -> Error {
    let wait = std::time::Duration::from_secs(u64::from(rate.minutes) * 60 / 2);
    Error::too_many("case.flood", "Many reports came from you in a short time. Please wait a little.")
        .with("limit", rate.count)
        .with("minutes", rate.minutes)
        .retry_after(wait)
}

fn check_answers(category: &Category, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let bad =
        |code: &str| Error::invalid("case.answer.unknown", "The answer does not belong to this category's questions.").with("question", text::short(code, 40));
    let mut answers = BTreeMap::new();
    for (code, value) in given.iter().take(50) {
        let question = category.questions.iter().find(|q| q.code == *code && q.kind() != AnswerKind::Notice).ok_or_else(|| bad(code))?;
        let value = text::clean(value, "answers", 500)?;
        if value.is_empty() {
            continue;
        }
        let choice = |code: &str| question.options.iter().find(|o| o.code == code);
        let chosen: Vec<&str> = match question.kind() {
            AnswerKind::SingleValueList => vec![value.as_str()],
            AnswerKind::MultiValueList => value.split(',').map(str::trim).collect(),
            _ => Vec::new(),
        };
        let fits = match question.kind() {
            AnswerKind::Number => value.parse::<f64>().is_ok_and(f64::is_finite),
            AnswerKind::Datetime => value.replace(' ', "+").parse::<Timestamp>().is_ok(),
            _ => chosen.iter().all(|c| choice(c).is_some()),
        };
        if !fits {
            return Err(Error::invalid("case.answer.form", "An answer does not have the form that its question asks for.").with("question", code));
        }
        if let Some(stop) = chosen.iter().filter_map(|c| choice(c)).find_map(|o| o.stop.as_deref()) {
            return Err(Error::unprocessable("case.answer.stop", stop));
        }
        answers.insert(code.clone(), value);
    }
    if let Some(missing) = category.questions.iter().find(|q| q.required && !answers.contains_key(&q.code)) {
        return Err(Error::invalid("case.answer.missing", "A question that must be answered was not.").with("question", &missing.code));
    }
    Ok(answers)
}

pub(crate) fn check_contact(contact: Contact) -> Result<Contact> {
    let bad = |field: &str| Error::invalid("case.contact.invalid", "Please check how we can reach you.").with("field", field);
    let name = text::clean_opt(contact.name.as_deref(), "contact.name", 100)?;
    let phone = text::clean_opt(contact.phone.as_deref(), "contact.phone", 20)?;
    let email = text::clean_opt(contact.email.as_deref(), "contact.email", 254)?;
    let digits = |p: &String| p.chars().filter(char::is_ascii_digit).count() >= 8 && p.chars().all(|c| c.is_ascii_digit() || "+ .-()".contains(c));
    if phone.as_ref().is_some_and(|p| !digits(p)) {
        return Err(bad("phone"));
    }
    let mail = |e: &String| e.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !e.contains(char::is_whitespace));
    if email.as_ref().is_some_and(|e| !mail(e)) {
        return Err(bad("email"));
    }
    Ok(Contact { name, phone, email })
}
