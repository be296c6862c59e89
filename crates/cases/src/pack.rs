//! What a pack may declare: case types with their flow, categories, deadlines, routing rules and standard replies.
//!
//! One case type may be spread over several files; every file says its `kind` and the tables of one kind are joined.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::flow::{Actor, ClockRun, Flow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::rehearsal::run_tests;
pub use crate::routing_desk::{RoadCondition, RoutingRule};

/// Everything a pack says about cases.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CasesPack {
    /// Case types.
    pub types: Vec<CaseType>,
    /// Field work.
    #[serde(default)]
    pub work: crate::work_pack::WorkPack,
}

/// A kind of matter that is handled: its form, its way and its deadlines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseType {
    /// Code (`report`).
    pub kind: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Letters before the public code (`HY`).
    pub code_prefix: String,
    /// Where the deadlines come from.
    pub policy: Policy,
    /// Whom to call when life is in danger, Vietnamese.
    pub emergency_notice: String,
    /// The same in English.
    pub emergency_notice_en: String,
    /// Matters that have a legal procedure of their own.
    #[serde(default)]
    pub excluded: Excluded,
    /// Bounds of a submission.
    #[serde(default)]
    pub limits: Limits,
    /// Radius in which similar open reports are offered, metres.
    #[serde(default = "nearby_metres")]
    pub nearby_metres: u32,
    /// Urgencies by code.
    pub urgencies: BTreeMap<String, Urgency>,
    /// Urgency of a report that no rule makes more or less urgent.
    pub default_urgency: String,
    /// What raises the urgency; the first match counts.
    #[serde(default)]
    pub urgency_rules: Vec<UrgencyRule>,
    /// Working time to answer, by urgency, where the category says nothing.
    pub deadline: BTreeMap<String, WorkTime>,
    /// Working time added by the one extension.
    pub extension: WorkTime,
    /// A deadline nearer than this counts as "soon".
    pub soon: WorkTime,
    /// Groups of categories, by code.
    pub groups: BTreeMap<String, Group>,
    /// Categories in the order of the form.
    pub categories: Vec<Category>,
    /// Routing rules; the first match decides.
    pub routing: Vec<RoutingRule>,
    /// Where a case waits that no unit is named for.
    pub queue: Queue,
    /// Ready-made sentences for officers.
    #[serde(default)]
    pub replies: Vec<Reply>,
    /// States and moves.
    pub flow: Flow,
    /// What moves do beside changing the state.
    #[serde(default)]
    pub effects: BTreeMap<String, BTreeSet<Effect>>,
    /// States that wait for somebody, by who that is.
    #[serde(default)]
    pub todo: Todo,
    /// Moves the platform makes when a state lasts too long.
    #[serde(default)]
    pub timeouts: Vec<Timeout>,
    /// Who is told when so much of the working time is used, rising.
    #[serde(default)]
    pub reminders: Vec<Reminder>,
    /// Moves that are open only for a while after a unit got the case.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// How other systems report over Open311; none = not at all.
    #[serde(default)]
    pub open311: Option<Open311Policy>,
    /// How a case is split into parts; none = not at all.
    #[serde(default)]
    pub parts: Option<PartsPolicy>,
    /// Which closed cases are checked again; none = none.
    #[serde(default)]
    pub sampling: Option<crate::quality::SamplingPolicy>,
    /// How long personal data and photos are kept; none = until somebody asks.
    #[serde(default)]
    pub retention: Option<crate::retention::RetentionPolicy>,
    /// What a reporter may agree to: that those who handle the case get the contact data; none = not asked.
    pub consent: Option<crate::consent::ConsentPolicy>,
    /// How suggestions are learned from ended cases; none = not at all.
    pub suggest: Option<crate::suggest::SuggestPolicy>,
    /// What must be looked at before words become public.
    #[serde(default)]
    pub moderation: crate::moderation::Moderation,
    /// How mail becomes reports; none = not at all.
    #[serde(default)]
    pub mail: crate::mail::MailPolicy,
    /// Bounds of videos and sound.
    #[serde(default)]
    pub media: crate::media::MediaLimits,
    /// How the reporter rates the answer.
    pub rating: RatingPolicy,
}

fn nearby_metres() -> u32 {
    250
}

/// Where a policy comes from, and how far it is settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The act.
    pub source_act: String,
    /// `in-force`, `proposed` or `repealed`.
    pub status: String,
    /// First day (`2026-01-01`).
    pub valid_from: String,
    /// Last day; none = until further notice.
    #[serde(default)]
    pub valid_to: Option<String>,
}

/// Matters that must leave this flow by law.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// Words that hint at one; the centre decides.
    #[serde(default)]
    pub words: Vec<String>,
    /// What to tell the person, Vietnamese.
    #[serde(default)]
    pub notice: String,
    /// The same in English.
    #[serde(default)]
    pub notice_en: String,
}

/// Bounds of a submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Characters of the text.
    pub text_chars: usize,
    /// Photos of one submission.
    pub photos: usize,
    /// Bytes of one photo.
    pub photo_bytes: usize,
    /// Submissions from one network address.
    pub per_address: Rate,
    /// Submissions by one signed-in person.
    pub per_person: Rate,
    /// Submissions of one program or key, which speaks for many.
    pub per_key: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_chars: 4_000,
            photos: 5,
            photo_bytes: 10 * 1024 * 1024,
            per_address: Rate { count: 20, minutes: 60 },
            per_person: Rate { count: 10, minutes: 60 },
            per_key: Rate { count: 2_000, minutes: 60 },
        }
    }
}

/// So many within so long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// Within how many minutes.
    pub minutes: u32,
}

/// How urgent a matter is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Urgency {
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
}

/// Makes a matter urgent by category and words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrgencyRule {
    /// Categories it looks at; empty = all.
    #[serde(default)]
    pub categories: BTreeSet<String>,
    /// Words or phrases, any of them; empty = always.
    #[serde(default)]
    pub words: Vec<String>,
    /// The urgency it gives.
    pub urgency: String,
}

/// Working time: `30m`, `4h` or `5d` (full working days).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkTime {
    amount: u32,
    unit: char,
}

impl TryFrom<String> for WorkTime {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a working time such as 30m, 4h or 5d");
        let unit = text.chars().last().filter(|c| ['m', 'h', 'd'].contains(c)).ok_or_else(bad)?;
        let amount: u32 = text[..text.len() - 1].trim().parse().map_err(|_| bad())?;
        if amount == 0 || amount > 10_000 { Err(bad()) } else { Ok(Self { amount, unit }) }
    }
}

impl From<WorkTime> for String {
    fn from(time: WorkTime) -> String {
        format!("{}{}", time.amount, time.unit)
    }
}

impl WorkTime {
    /// In minutes of work by a calendar.
    pub fn minutes(self, calendar: &WorkCalendar) -> u32 {
        match self.unit {
            'm' => self.amount,
            'h' => self.amount.saturating_mul(60),
            _ => self.amount.saturating_mul(calendar.day_minutes()),
        }
    }
}

/// A group of categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
}

/// A category of the form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Code (`street-light`).
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Icon's name.
    pub icon: String,
    /// Group's code.
    pub group: String,
    /// What makes a good report, Vietnamese.
    #[serde(default)]
    pub hint: Option<String>,
    /// The same in English.
    #[serde(default)]
    pub hint_en: Option<String>,
    /// Working time to answer by urgency, where it differs from the type's.
    #[serde(default)]
    pub deadline: BTreeMap<String, WorkTime>,
    /// Subject of indicators (`planning`, `budget`, `services`).
    #[serde(default)]
    pub topic: Option<String>,
    /// More questions of the form.
    #[serde(default)]
    pub questions: Vec<Question>,
}

/// A further question of the form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Code of the answer.
    pub code: String,
    /// Vietnamese.
    pub text: String,
    /// English.
    pub text_en: String,
    /// Choices; empty = free text.
    #[serde(default)]
    pub options: Vec<QuestionOption>,
    /// What an answer looks like; none = one of the choices, or a line of text.
    #[serde(default)]
    pub datatype: Option<AnswerKind>,
    /// Whether a report must answer it.
    #[serde(default)]
    pub required: bool,
    /// What helps to answer it, Vietnamese.
    #[serde(default)]
    pub hint: Option<String>,
    /// The same in English.
    #[serde(default)]
    pub hint_en: Option<String>,
}

/// What the answer to a question looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnswerKind {
    /// A line of text.
    String,
    /// A number.
    Number,
    /// A date and time with its zone.
    Datetime,
    /// Text of several lines.
    Text,
    /// One of the choices.
    SingleValueList,
    /// Some of the choices, separated by commas.
    MultiValueList,
    /// No answer: it tells the reporter something.
    Notice,
}

impl AnswerKind {
    /// Its name in Open311.
    pub fn datatype(self) -> &'static str {
        match self {
            AnswerKind::String | AnswerKind::Notice => "string",
            AnswerKind::Number => "number",
            AnswerKind::Datetime => "datetime",
            AnswerKind::Text => "text",
            AnswerKind::SingleValueList => "singlevaluelist",
            AnswerKind::MultiValueList => "multivaluelist",
        }
    }

    /// Whether answers come from the choices.
    pub fn is_list(self) -> bool {
        matches!(self, AnswerKind::SingleValueList | AnswerKind::MultiValueList)
    }
}

impl Question {
    /// What an answer looks like.
    pub fn kind(&self) -> AnswerKind {
        self.datatype.unwrap_or(if self.options.is_empty() { AnswerKind::String } else { AnswerKind::SingleValueList })
    }
}

/// A choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionOption {
    /// Stored value.
    pub code: String,
    /// Vietnamese.
    pub text: String,
    /// English.
    pub text_en: String,
    /// Why whoever chooses it must not report here but call somebody, Vietnamese; none = it may be chosen.
    #[serde(default)]
    pub stop: Option<String>,
    /// The same in English.
    #[serde(default)]
    pub stop_en: Option<String>,
}

/// The centre's queue of cases without a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its name, shown as the unit.
    pub name: String,
    /// Why a case is there.
    pub why: String,
}

/// A ready-made reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Code.
    pub code: String,
    /// Title in the list.
    pub title: String,
    /// Text, to be completed by the officer.
    pub text: String,
    /// Moves it fits.
    pub moves: BTreeSet<String>,
    /// Categories it fits; empty = all.
    #[serde(default)]
    pub categories: BTreeSet<String>,
}

/// What a move does beside changing the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The reporter's text and photos may be shown to the public.
    Publish,
    /// They may not be shown any more.
    Unpublish,
    /// The case leaves every public list.
    Unlist,
    /// It comes back to them.
    List,
    /// The given `unit` becomes the handling unit.
    Assign,
    /// The officer becomes the one who works on it.
    Take,
    /// The deadline moves on, once.
    Extend,
    /// `public_answer` becomes the draft answer.
    DraftAnswer,
    /// The draft (or the given `public_answer`) becomes the public answer.
    PublishAnswer,
    /// The case becomes part of the one named in `merge_into`.
    Merge,
}

/// States that wait for somebody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Todo {
    /// For the centre.
    pub centre: BTreeSet<String>,
    /// For the handling unit.
    pub handler: BTreeSet<String>,
    /// For those who approve.
    pub approver: BTreeSet<String>,
}

/// A move the platform makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// State that lasts too long.
    pub state: String,
    /// Calendar days.
    pub after_days: u32,
    /// The move.
    #[serde(rename = "move")]
    pub step: String,
}

/// Somebody is told about the deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// Share of the working time used, per cent.
    pub percent: u16,
    /// Who is told: the handler only sees it; approver and centre get the case among what waits for them.
    pub to: Actor,
}

/// A move that is open only for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The move.
    #[serde(rename = "move")]
    pub step: String,
    /// Working time since the unit got the case.
    pub within: WorkTime,
}

/// What the Open311 server says of itself, and how it answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open311Policy {
    /// The jurisdiction served (`hungyen.gov.vn`).
    pub jurisdiction_id: String,
    /// Whom to write to.
    pub contact: String,
    /// How to get a key.
    pub key_service: String,
    /// When what is offered last changed, with its zone.
    pub changeset: String,
    /// Categories whose requests are answered with a token: the id follows when the centre has let them through.
    #[serde(default)]
    pub batch: BTreeSet<String>,
}

/// How a case is split into parts for several units. A part has its own unit, clock and answer; it is not listed in public,
/// the page of the whole shows its unit and state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartsPolicy {
    /// Most parts of one case.
    pub most: usize,
    /// Who splits.
    pub by: Actor,
    /// States in which a case can be split.
    pub from: BTreeSet<String>,
    /// State a part begins in.
    pub opens_in: String,
    /// Moves of the whole that wait until every part has ended.
    pub holds: BTreeSet<String>,
}

/// How the reporter rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatingPolicy {
    /// States in which an answer can be rated.
    pub states: BTreeSet<String>,
    /// Calendar days after the answer.
    pub within_days: u32,
    /// So many stars or fewer ask for the case to be opened again.
    pub reopen_at_most: u8,
    /// The move that asks for it.
    pub reopen_move: String,
    /// The move a better rating makes.
    pub close_move: String,
}

impl CaseType {
    /// A category by code.
    pub fn category(&self, code: &str) -> Option<&Category> {
        self.categories.iter().find(|c| c.code == code)
    }

    /// What is noticed in a text.
    pub fn screen(&self, text: &str) -> crate::moderation::Screening {
        self.moderation.screen(text)
    }

    /// Fields that a move can take besides those it needs.
    pub(crate) fn optional(&self, code: &str, step: &dothi_kernel::flow::Move) -> Vec<String> {
        let centre = step.by == Actor::Centre;
        let takes = [
            ("public_text", self.has(code, Effect::Publish)),
            ("unit", centre && self.has(code, Effect::Assign)),
            ("category", centre && self.has(code, Effect::Assign)),
            ("urgency", centre && self.has(code, Effect::Assign)),
        ];
        takes.into_iter().filter(|(field, fits)| *fits && !step.requires.contains(*field)).map(|(field, _)| field.to_string()).collect()
    }

    /// Working minutes to answer.
    pub fn budget(&self, category: &str, urgency: &str, calendar: &WorkCalendar) -> u32 {
        let own = self.category(category).and_then(|c| c.deadline.get(urgency));
        let any = own.or_else(|| self.deadline.get(urgency)).or_else(|| self.deadline.get(&self.default_urgency));
        any.map_or(calendar.day_minutes(), |t| t.minutes(calendar))
    }

    /// Whether a move has an effect.
    pub fn has(&self, step: &str, effect: Effect) -> bool {
        self.effects.get(step).is_some_and(|e| e.contains(&effect))
    }

    /// Whether the clock of a state has ended.
    pub fn is_end(&self, state: &str) -> bool {
        self.flow.states.get(state).is_some_and(|s| s.clock == ClockRun::Stopped)
    }

    /// Shares of the working time at which somebody is told, rising.
    pub fn shares(&self) -> Vec<u16> {
        self.reminders.iter().map(|r| r.percent).collect()
    }

    /// Who else than the handler is told at a share: `approver` or `centre`.
    pub fn escalates_to(&self, percent: u16) -> Option<&'static str> {
        match self.reminders.iter().find(|r| r.percent == percent).map(|r| r.to) {
            Some(Actor::Approver) => Some("approver"),
            Some(Actor::Centre) => Some("centre"),
            _ => None,
        }
    }

    /// Working time within which a move is open after the unit got the case; none = always.
    pub fn window(&self, step: &str) -> Option<WorkTime> {
        self.windows.iter().find(|w| w.step == step).map(|w| w.within)
    }

    /// Faults of what concerns time: reminders, windows, pauses, the extension, parts.
    fn check_time(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut need = |ok: bool, fault: String| {
            if !ok {
                faults.push(fault);
            }
        };
        need(self.reminders.windows(2).all(|w| w[0].percent < w[1].percent), "reminders must rise".into());
        for r in &self.reminders {
            need((1..=100).contains(&r.percent), format!("reminder at {} %: a share is 1 to 100", r.percent));
            need(matches!(r.to, Actor::Handler | Actor::Approver | Actor::Centre), format!("reminder at {} %: only officers are told", r.percent));
        }
        for w in &self.windows {
            need(self.flow.moves.contains_key(&w.step), format!("window: move `{}` is named but not declared", w.step));
        }
        for (code, _) in self.flow.states.iter().filter(|(_, s)| s.clock == ClockRun::Paused) {
            let leaves = |by: Actor| self.flow.moves.values().any(|m| m.by == by && m.from.contains(code));
            need(leaves(Actor::Reporter), format!("state `{code}` pauses the clock for the reporter, who cannot leave it"));
            need(self.timeouts.iter().any(|t| t.state == *code), format!("state `{code}` pauses the clock without end: give it a timeout"));
        }
        for (code, m) in self.flow.moves.iter().filter(|(code, _)| self.has(code, Effect::Extend)) {
            need(m.requires.contains("public_answer"), format!("move `{code}` extends the deadline: the public must be told why (`public_answer`)"));
            let ends = m.from.iter().chain([&m.to]).any(|s| self.is_end(s));
            need(!ends, format!("move `{code}` extends the deadline of a case that has ended"));
        }
        if let Some(parts) = &self.parts {
            need((1..=50).contains(&parts.most), "parts.most is 1 to 50".into());
            need(parts.by.permission().is_some(), "parts.by must be an officer".into());
            let states = parts.from.iter().chain([&parts.opens_in]);
            let unknown = states.filter(|s| !self.flow.states.contains_key(*s) || self.is_end(s)).collect::<Vec<_>>();
            need(unknown.is_empty(), format!("parts: {unknown:?} are no states of an open case"));
            need(parts.holds.iter().all(|m| self.flow.moves.contains_key(m)), "parts.holds names a move that is not declared".into());
        }
        faults
    }

    /// Every fault of the definition.
    pub fn check(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.flow.check();
        faults.extend(self.check_time());
        faults.extend(self.sampling.iter().flat_map(|s| s.check(self)));
        faults.extend(self.retention.iter().flat_map(|r| r.check()));
        faults.extend(self.consent.iter().flat_map(|c| c.check()));
        faults.extend(self.suggest.iter().flat_map(crate::suggest::SuggestPolicy::check));
        faults.extend(crate::routing::compile(&self.routing).err().unwrap_or_default());
        faults.extend(self.mail.check(|c| self.category(c).is_some()));
        faults.extend(self.media.check());
        if self.moderation != Default::default() {
            faults.extend(self.moderation.check(|s| self.flow.states.contains_key(s)));
        }
        let mut need = |ok: bool, fault: String| {
            if !ok {
                faults.push(fault);
            }
        };
        let (state, step) = (|s: &String| self.flow.states.contains_key(s), |m: &String| self.flow.moves.contains_key(m));
        need(is_code(&self.kind), format!("kind `{}` is not a code", self.kind));
        need(
            (1..=6).contains(&self.code_prefix.len()) && self.code_prefix.bytes().all(|b| b.is_ascii_uppercase()),
            "code_prefix must be 1 to 6 capital letters".into(),
        );
        need(["in-force", "proposed", "repealed"].contains(&self.policy.status.as_str()), format!("policy.status `{}` is not known", self.policy.status));
        for date in std::iter::once(&self.policy.valid_from).chain(&self.policy.valid_to) {
            need(date.parse::<jiff::civil::Date>().is_ok(), format!("policy: `{date}` is not a date"));
        }
        need(self.urgencies.contains_key(&self.default_urgency), format!("default_urgency `{}` is not declared", self.default_urgency));
        for urgency in self.urgencies.keys() {
            need(self.deadline.contains_key(urgency), format!("no deadline for the urgency `{urgency}`"));
        }
        for urgency in self.deadline.keys().chain(self.urgency_rules.iter().map(|r| &r.urgency)).chain(self.categories.iter().flat_map(|c| c.deadline.keys())) {
            need(self.urgencies.contains_key(urgency), format!("urgency `{urgency}` is not declared"));
        }
        let mut codes = BTreeSet::new();
        need(!self.categories.is_empty(), "there is no category".into());
        for category in &self.categories {
            need(is_code(&category.code), format!("category `{}` is not a code", category.code));
            need(codes.insert(&category.code), format!("category `{}` is declared twice", category.code));
            for q in &category.questions {
                let fits = q.kind().is_list() != q.options.is_empty() && !(q.kind() == AnswerKind::Notice && q.required);
                need(is_code(&q.code) && fits, format!("category `{}`: the question `{}` does not fit its kind", category.code, q.code));
            }
            need(self.groups.contains_key(&category.group), format!("category `{}` names the unknown group `{}`", category.code, category.group));
        }
        let named = self.routing.iter().flat_map(|r| &r.categories).chain(self.urgency_rules.iter().flat_map(|r| &r.categories));
        for code in named.chain(self.replies.iter().flat_map(|r| &r.categories)) {
            need(codes.contains(code), format!("category `{code}` is named but not declared"));
        }
        if let Some(open311) = &self.open311 {
            need(
                open311.changeset.parse::<dothi_kernel::Timestamp>().is_ok(),
                format!("open311.changeset `{}` is not a time with its zone", open311.changeset),
            );
            let unknown = open311.batch.iter().find(|c| !codes.contains(c));
            need(unknown.is_none(), format!("open311.batch: category `{}` is not declared", unknown.map_or("", String::as_str)));
        }
        for code in self.effects.keys().chain(self.replies.iter().flat_map(|r| &r.moves)).chain([&self.rating.reopen_move, &self.rating.close_move]) {
            need(step(code), format!("move `{code}` is named but not declared"));
        }
        for code in self.rating.states.iter().chain(&self.todo.centre).chain(&self.todo.handler).chain(&self.todo.approver) {
            need(state(code), format!("state `{code}` is named but not declared"));
        }
        need(self.rating.reopen_at_most < 5, "rating.reopen_at_most must leave a good rating".into());
        for timeout in &self.timeouts {
            let fits = self.flow.moves.get(&timeout.step).is_some_and(|m| m.from.contains(&timeout.state) && m.requires.is_empty());
            need(fits, format!("timeout of `{}`: the move `{}` must start there and require nothing", timeout.state, timeout.step));
        }
        for (code, m) in &self.flow.moves {
            let unknown = m.requires.iter().find(|f| !REQUIRABLE.contains(&f.as_str()));
            need(unknown.is_none(), format!("move `{code}` requires the unknown field `{}`", unknown.map_or("", String::as_str)));
            need(m.by != Actor::Crew, format!("move `{code}`: a crew moves work orders, not cases"));
            let answers = self.has(code, Effect::PublishAnswer) && m.by == Actor::Handler && m.requires.contains("public_answer");
            need(!answers, format!("move `{code}`: a handler may draft an answer, a second person publishes it"));
        }
        faults
    }
}

/// Fields that a move can require.
pub const REQUIRABLE: [&str; 7] = ["public_answer", "reason", "unit", "photo_after", "note", "merge_into", "planned_for"];

pub(crate) fn is_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= 40 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

impl CasesPack {
    /// Reads the files of a pack's `cases/` folder: (relative path, text). All faults are returned.
    pub fn load(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        let mut kinds: BTreeMap<String, toml::Table> = BTreeMap::new();
        let (mut faults, mut work) = (Vec::new(), crate::work_pack::WorkPack::default());
        for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".toml")) {
            let table: toml::Table = match text.parse() {
                Ok(table) => table,
                Err(e) => {
                    faults.push(format!("{path}: {e}"));
                    continue;
                }
            };
            if work.take(path, &table, &mut faults) {
                continue;
            }
            let Some(kind) = table.get("kind").and_then(|k| k.as_str()) else {
                faults.push(format!("{path}: `kind` is missing"));
                continue;
            };
            let joined = kinds.entry(kind.to_string()).or_default();
            for (key, value) in table {
                if key != "kind" && joined.contains_key(&key) {
                    faults.push(format!("{path}: `{key}` is declared in another file of this kind already"));
                }
                joined.insert(key, value);
            }
        }
        let mut types = Vec::new();
        for (kind, table) in kinds {
            match CaseType::deserialize(toml::Value::Table(table)) {
                Ok(case_type) => types.push(case_type),
                Err(e) => faults.push(format!("cases of kind `{kind}`: {e}")),
            }
        }
        let pack = Self { types, work };
        faults.extend(pack.check());
        if faults.is_empty() { Ok(pack) } else { Err(faults) }
    }

    /// Every fault of the content.
    pub fn check(&self) -> Vec<String> {
        let types = self.types.iter().flat_map(|t| t.check().into_iter().map(move |f| format!("cases of kind `{}`: {f}", t.kind)));
        types.chain(self.work.check()).collect()
    }
}
