//! Suggestions from the words: category and urgency by a model that learned from the province's own ended cases, and reports
//! that say the same nearby. It suggests; a person decides, and what they decide shows how good the suggestions were.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use dothi_kernel::classify::{Decided, Likeness, Measured, Model, NEVER};
use dothi_kernel::geo::{BBox, Point};
use dothi_kernel::text::fold;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use dothi_store::{Job, Tx, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::PublicCase;
use crate::pack::CaseType;
use crate::tables::{self, CaseRecord, Filter};
use crate::tables_suggest::{self, DecidedCase, ModelRecord, SuggestionRecord};
use crate::{Cases, text};

/// Timer that learns anew, one for each case type.
pub(crate) const LEARN_JOB: &str = "cases.learn";
/// Suggestions given.
const TOP: usize = 3;
/// Texts that a threshold must be proven on.
const PROOF: usize = 5;
/// Reports compared with a new one.
const CANDIDATES: usize = 200;
/// Likeness from which on a report of another category is offered as the same.
const ALIKE: f32 = 0.55;
const DAY: i64 = 86_400_000_000;
/// Days over which suggestions are held against decisions.
const LIFE_DAYS: i64 = 180;

/// How a case type learns; part of a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuggestPolicy {
    /// Ended cases that must be there before anything is learned.
    pub least_cases: u32,
    /// Of these, for a category to be learned.
    pub least_of_each: u32,
    /// Most cases that are looked at, the newest.
    pub newest: u32,
    /// Share that must be right where a category is filled in without being asked (0 to 1).
    pub precision: f32,
    /// Days until it learns anew.
    pub every_days: u32,
    /// Radius in which officers see similar reports, metres.
    pub staff_metres: u32,
}

impl SuggestPolicy {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Vec<String> {
        let sound = (50..=1_000_000).contains(&self.least_cases)
            && (2..=10_000).contains(&self.least_of_each)
            && (self.least_cases..=50_000).contains(&self.newest)
            && (0.5..=1.0).contains(&self.precision)
            && (1..=366).contains(&self.every_days)
            && (10..=20_000).contains(&self.staff_metres);
        if sound { Vec::new() } else { vec!["suggest: a number is out of its range".into()] }
    }
}

/// A model in use.
pub(crate) struct Learned {
    version: i64,
    category: Model,
    urgency: Model,
    thresholds: Vec<f32>,
}

/// Models in use by kind, and when each was last looked for (another node may have learned).
#[derive(Default)]
pub(crate) struct Advisers(RwLock<BTreeMap<String, Adviser>>);

type Adviser = (i64, Option<Arc<Learned>>);

/// A class with its probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Guess {
    /// Code of the category or urgency.
    pub code: String,
    /// Probability, 0 to 1.
    pub p: f32,
}

/// What to suggest for.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SuggestInput {
    /// Case type; `report` when left out.
    pub kind: String,
    /// The words so far.
    pub text: String,
    /// Longitude of the spot.
    pub lon: Option<f64>,
    /// Latitude of the spot.
    pub lat: Option<f64>,
    /// Category chosen so far.
    pub category: Option<String>,
}

/// What the words point at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Suggestion {
    /// Number of the model that says so; none = nothing was learned yet.
    pub model: Option<i64>,
    /// At most three categories, likeliest first.
    pub categories: Vec<Guess>,
    /// The first of them, when it is likely enough to be filled in.
    pub fill: Option<String>,
    /// Open public reports nearby that may be the same, likeliest first; at most five.
    pub similar: Vec<PublicCase>,
}

/// A case that may be the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SimilarCase {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Public code.
    pub code: String,
    /// Category's name.
    pub category_name: String,
    /// Category's English name.
    pub category_name_en: String,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// Metres between the spots.
    pub metres: u32,
    /// How alike the words are, 0 to 1.
    pub likeness: f32,
    /// The first words.
    pub text_short: String,
}

/// What the platform suggests for a case; an officer decides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Advice {
    /// Number of the model; none = nothing was learned yet.
    pub model: Option<i64>,
    /// At most three categories, likeliest first.
    pub categories: Vec<Guess>,
    /// Whether the first is likely enough to be filled in.
    pub sure: bool,
    /// The likeliest urgency.
    pub urgency: Option<Guess>,
    /// Open cases nearby that may be the same, likeliest first; at most eight.
    pub similar: Vec<SimilarCase>,
}

/// A model with its measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelView {
    /// Number.
    pub version: i64,
    /// When it learned.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Cases looked at.
    pub cases: i64,
    /// Of these: learned from. The newer rest tested it.
    pub trained: i64,
    /// First and last arrival.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// First and last arrival.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Categories, on the newest cases, which it never saw.
    pub category: Measured,
    /// The same cases, typed without diacritics.
    pub category_plain: Measured,
    /// Urgencies.
    pub urgency: Measured,
}

/// How the suggestions of one class fared since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LifeRow {
    /// Category suggested first.
    pub category: String,
    /// Cases that ended.
    pub cases: i64,
    /// Of these: decided so.
    pub right: i64,
    /// Of these: decided as one of the three.
    pub top3: i64,
    /// Of these: it was sure enough to fill it in.
    pub filled: i64,
    /// Of those: decided so.
    pub filled_right: i64,
    /// Of all: the urgency suggested was the one decided.
    pub urgency_right: i64,
    /// Of all: what the reporter chose was decided.
    pub chosen_right: i64,
}

/// What was learned, and how good it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LearningView {
    /// Case type.
    pub kind: String,
    /// How it learns; none = the pack wants no suggestions.
    pub policy: Option<SuggestPolicy>,
    /// Ended cases there are to learn from.
    pub decided: i64,
    /// Whether a new model was asked for and is not there yet.
    pub wanted: bool,
    /// The model in use and those before it, newest first; at most ten.
    pub models: Vec<ModelView>,
    /// Suggestions of the last 180 days against what was decided.
    pub life: Vec<LifeRow>,
}

fn class(labels: &[String], code: &str) -> usize {
    labels.iter().position(|l| l == code).unwrap_or(labels.len())
}

fn decided<'a>(cases: &'a [DecidedCase], labels: &[String], of: Decision) -> Vec<Decided<'a>> {
    cases.iter().map(|c| Decided { text: &c.text, class: class(labels, of(c)) }).collect()
}

/// Classes that enough cases were decided as, by code.
fn labels(cases: &[DecidedCase], least: u32, of: Decision) -> Vec<String> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    cases.iter().for_each(|c| *counts.entry(of(c)).or_default() += 1);
    counts.into_iter().filter(|(_, n)| *n >= least).map(|(code, _)| code.to_string()).collect()
}

/// What of a case was decided.
type Decision = fn(&DecidedCase) -> &str;
/// Models of categories and of urgencies, as they are kept.
type Models = (Vec<u8>, Vec<u8>);

/// Learns from the older cases, sets thresholds by the newer, is tested by the newest: as it will be used, on what comes after.
fn learn(cases: &[DecidedCase], policy: &SuggestPolicy, at: Timestamp) -> Result<(ModelRecord, Models)> {
    let (train, rest) = cases.split_at(cases.len() * 70 / 100);
    let (tune, test) = rest.split_at(rest.len() / 2);
    let plain = |cases: &[DecidedCase]| -> Vec<DecidedCase> {
        cases.iter().map(|c| DecidedCase { text: fold(&c.text), category: c.category.clone(), urgency: c.urgency.clone(), opened_at: c.opened_at }).collect()
    };
    let one = |of: Decision| -> Result<(Model, Vec<u8>, Vec<f32>)> {
        let labels = labels(train, policy.least_of_each, of);
        let bytes = Model::train(&labels, &decided(train, &labels, of)).to_bytes();
        // Measured as it is kept.
        let model = Model::from_bytes(&bytes)?;
        let thresholds = model.thresholds(&decided(tune, &labels, of), policy.precision, PROOF);
        Ok((model, bytes, thresholds))
    };
    let (category, urgency): (Decision, Decision) = (|c| &c.category, |c| &c.urgency);
    let (by_category, category_bytes, thresholds) = one(category)?;
    let (by_urgency, urgency_bytes, urgent) = one(urgency)?;
    let measured = |model: &Model, cases: &[DecidedCase], of, thresholds: &[f32]| model.measure(&decided(cases, model.labels(), of), thresholds);
    let edge = |case: Option<&DecidedCase>| case.map_or(at, |c| c.opened_at);
    let record = ModelRecord {
        version: 0,
        at,
        cases: i64::try_from(cases.len()).unwrap_or(i64::MAX),
        trained: i64::try_from(train.len()).unwrap_or(i64::MAX),
        from: edge(cases.first()),
        to: edge(cases.last()),
        category: measured(&by_category, test, category, &thresholds),
        category_plain: measured(&by_category, &plain(test), category, &thresholds),
        urgency: measured(&by_urgency, test, urgency, &urgent),
    };
    Ok((record, (category_bytes, urgency_bytes)))
}

impl Learned {
    fn categories(&self, case_type: &CaseType, words: &str) -> (Vec<Guess>, bool) {
        let found = self.category.read(words);
        let sure = found.first().is_some_and(|(c, p)| *p >= self.thresholds.get(*c).copied().unwrap_or(NEVER));
        let known = found.into_iter().map(|(c, p)| Guess { code: self.category.labels()[c].clone(), p });
        // A category that the pack has no more is nothing to suggest.
        let known: Vec<Guess> = known.filter(|g| case_type.category(&g.code).is_some()).take(TOP).collect();
        (known, sure)
    }

    fn urgency(&self, case_type: &CaseType, words: &str) -> Option<Guess> {
        let guesses = self.urgency.read(words).into_iter().map(|(c, p)| Guess { code: self.urgency.labels()[c].clone(), p });
        guesses.into_iter().find(|g| case_type.urgencies.contains_key(&g.code))
    }
}

/// A case with how likely it is to be the same: near, alike in words, of the same category.
struct Near {
    case: CaseRecord,
    metres: f64,
    likeness: f32,
    score: f64,
}

impl Cases {
    /// The model in use; looked for once a minute, because another node may have learned.
    pub(crate) async fn learned(&self, kind: &str, now: Timestamp) -> Result<Option<Arc<Learned>>> {
        let known = self.advisers.0.read().unwrap_or_else(PoisonError::into_inner).get(kind).cloned();
        let us = now.as_microsecond();
        if let Some((looked, learned)) = &known
            && (us - looked).abs() < 60_000_000
        {
            return Ok(learned.clone());
        }
        let newest = tables_suggest::newest(&self.store, kind).await?;
        let same = known.as_ref().and_then(|(_, l)| l.clone()).filter(|l| l.version == newest);
        let learned = match same {
            Some(same) => Some(same),
            None if newest == 0 => None,
            None => tables_suggest::weights(&self.store, kind).await?.map(|(record, category, urgency)| {
                let thresholds = record.category.classes.iter().map(|c| c.threshold).collect();
                Arc::new(Learned { version: record.version, category, urgency, thresholds })
            }),
        };
        self.advisers.0.write().unwrap_or_else(PoisonError::into_inner).insert(kind.to_string(), (us, learned.clone()));
        Ok(learned)
    }

    /// What the words of a report in the making point at. Public; nothing is kept of it.
    pub async fn suggest(&self, caller: &Caller, input: &SuggestInput) -> Result<Suggestion> {
        let kind = if input.kind.is_empty() { "report" } else { input.kind.as_str() };
        let (_, case_type) = self.current_type(kind)?;
        let words = text::clean(&input.text, "text", case_type.limits.text_chars)?;
        let mut suggestion = Suggestion::default();
        if let Some(learned) = self.learned(kind, caller.now).await? {
            let (categories, sure) = learned.categories(&case_type, &words);
            suggestion.fill = categories.first().filter(|_| sure).map(|g| g.code.clone());
            (suggestion.model, suggestion.categories) = (Some(learned.version), categories);
        }
        if let (Some(lon), Some(lat)) = (input.lon, input.lat) {
            let mut filter = Filter::default();
            filter.add("listed = 1 and private = 0 and closed_at is null", params![]);
            // What is not public yet is compared by nothing but its category.
            let shown = |c: &CaseRecord| c.public_text.clone().filter(|_| c.published).unwrap_or_default();
            let near = self.near(filter, (Point::new(lon, lat)?, case_type.nearby_metres), (&words, input.category.as_deref()), shown).await?;
            let same = |n: &Near| n.likeness >= ALIKE || input.category.as_ref().is_some_and(|c| *c == n.case.category);
            let cases: Vec<CaseRecord> = near.into_iter().filter(same).take(5).map(|n| n.case).collect();
            suggestion.similar = self.public_cases(caller, &cases).await?;
        }
        Ok(suggestion)
    }

    /// Cases around a spot that pass a filter, likeliest to be the same first.
    async fn near(
        &self,
        mut filter: Filter,
        (point, metres): (Point, u32),
        (words, category): (&str, Option<&str>),
        shown: impl Fn(&CaseRecord) -> String,
    ) -> Result<Vec<Near>> {
        let dlat = f64::from(metres) / 111_000.0;
        let dlon = dlat / point.lat.to_radians().cos().abs().max(0.01);
        filter.within(BBox { west: point.lon - dlon, south: point.lat - dlat, east: point.lon + dlon, north: point.lat + dlat });
        let found = tables::cases(&self.store, filter, "opened_at desc, id desc", CANDIDATES).await?;
        let features: Vec<_> = found.iter().map(|c| Likeness::features(&shown(c))).collect();
        let likeness = Likeness::of(&features);
        let asked = Likeness::features(words);
        let mut near: Vec<Near> = found
            .into_iter()
            .zip(&features)
            .filter_map(|(case, features)| {
                let away = case.location?.distance(point);
                let likeness = likeness.between(&asked, features);
                let same = if category == Some(case.category.as_str()) { 0.2 } else { 0.0 };
                let score = 0.5 * f64::from(likeness) + 0.3 * (1.0 - away / f64::from(metres)) + same;
                (away <= f64::from(metres)).then_some(Near { case, metres: away, likeness, score })
            })
            .collect();
        near.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.case.id.cmp(&b.case.id)));
        Ok(near)
    }

    /// What the platform suggests for a case; errors as of [`Cases::may_read`].
    pub async fn advice(&self, caller: &Caller, id: Uuid) -> Result<Advice> {
        let case = self.readable_case(caller, id).await?;
        let (_, case_type) = self.current_type(&case.kind)?;
        let mut advice = Advice::default();
        if let Some(learned) = self.learned(&case.kind, caller.now).await? {
            (advice.categories, advice.sure) = learned.categories(&case_type, &case.text);
            advice.urgency = learned.urgency(&case_type, &case.text);
            advice.model = Some(learned.version);
        }
        let Some(point) = case.location else { return Ok(advice) };
        let metres = case_type.suggest.as_ref().map_or(case_type.nearby_metres, |s| s.staff_metres);
        let mut filter = Filter::default();
        filter.add("closed_at is null and parent is null and kind = ? and id <> ?", params![&case.kind, case.id]);
        if let Some(units) = caller.units_with(Permission::CaseRead) {
            filter.one_of("unit", &units);
        }
        let near = self.near(filter, (point, metres), (&case.text, Some(&case.category)), |c| c.text.clone()).await?;
        let same = |n: &Near| n.likeness >= ALIKE || (n.case.category == case.category && n.metres <= f64::from(case_type.nearby_metres));
        let similar = near.into_iter().filter(same).take(8).map(|n| {
            let category = case_type.category(&n.case.category);
            SimilarCase {
                id: n.case.id,
                category_name: category.map_or_else(|| n.case.category.clone(), |c| c.name.clone()),
                category_name_en: category.map_or_else(|| n.case.category.clone(), |c| c.name_en.clone()),
                opened_at: n.case.opened_at,
                metres: n.metres.round() as u32,
                likeness: n.likeness,
                text_short: text::short(&n.case.text, 140),
                code: n.case.code,
            }
        });
        advice.similar = similar.collect();
        Ok(advice)
    }

    /// Writes down what is suggested for a new case, so that it can be held against what will be decided. The model is
    /// asked for before the change begins: a change waits for no second connection.
    pub(crate) async fn note_suggestion(tx: &mut Tx, learned: Option<&Learned>, case: &CaseRecord, case_type: &CaseType) -> Result<()> {
        let Some(learned) = learned else { return Ok(()) };
        let (categories, filled) = learned.categories(case_type, &case.text);
        let Some(first) = categories.first() else { return Ok(()) };
        let top: Vec<String> = categories.iter().map(|g| g.code.clone()).collect();
        let urgency = learned.urgency(case_type, &case.text).map(|g| g.code).unwrap_or_default();
        let (model, p) = (learned.version, f64::from(first.p));
        tables_suggest::note(tx, &SuggestionRecord { case: case.id, model, top: &top, p, filled, urgency: &urgency, chosen: &case.category }).await
    }

    /// Learns anew when it is time or somebody asked, and enough cases ended; sets the next time.
    pub(crate) async fn learn(&self, job: &Job) -> Result<()> {
        let Ok((_, case_type)) = self.current_type(&job.key) else { return Ok(()) };
        let Some(policy) = case_type.suggest.clone() else { return Ok(()) };
        let kind = job.key.as_str();
        let system = Caller::system("cases", self.store.clock().as_ref());
        let wanted = tables_suggest::wanted(&self.store, kind).await?;
        let newest = tables_suggest::models(&self.store, kind, 1).await?.into_iter().next();
        let age = newest.map(|m| system.now.as_microsecond() - m.at.as_microsecond());
        let mut made = None;
        if wanted || age.is_none_or(|us| us >= i64::from(policy.every_days) * DAY) {
            let cases = tables_suggest::decided(&self.store, kind, policy.newest).await?;
            if cases.len() >= policy.least_cases as usize {
                let work = tokio::task::spawn_blocking(move || learn(&cases, &policy, system.now));
                made = Some(work.await.map_err(|e| Error::internal("learning from cases", e))??);
            }
        }
        let mut tx = self.store.begin_as("cases").await?;
        if let Some((record, bytes)) = made {
            let version = tables_suggest::keep(&mut tx, kind, &record, bytes).await?;
            let figures = json!({ "version": version, "cases": record.cases, "macro_f1": record.category.macro_f1 });
            tx.audit("case.learn", &format!("case-type:{kind}"), &figures).await?;
        }
        // Somebody who asked meanwhile waits for a model of what ended until then.
        if tx.again(job, self.next_night(system.now)?).await? {
            tables_suggest::want_no_more(&mut tx, kind).await?;
        }
        tx.commit().await?;
        self.advisers.0.write().unwrap_or_else(PoisonError::into_inner).remove(kind);
        Ok(())
    }

    /// Two o'clock in the morning, when nobody waits for anything.
    fn next_night(&self, now: Timestamp) -> Result<Timestamp> {
        let zone = self.calendar.zone();
        let bad = |e: jiff::Error| Error::internal("finding the next night", e);
        let tomorrow = zone.to_datetime(now).date().tomorrow().map_err(bad)?;
        let night = tomorrow.at(2, 0, 0, 0).to_zoned(zone.clone()).map_err(bad)?;
        Ok(micros(night.timestamp().as_microsecond()))
    }

    /// What was learned for a case type and how good it is; for those who sort cases or keep packs.
    pub async fn learning(&self, caller: &Caller, kind: &str) -> Result<LearningView> {
        if !caller.may(Permission::PackManage, Scope::ANY) {
            caller.require(Permission::CaseTriage, Scope::ANY)?;
        }
        let (_, case_type) = self.current_type(kind)?;
        let models = tables_suggest::models(&self.store, kind, 10).await?;
        let models = models.into_iter().map(|m| ModelView {
            version: m.version,
            at: m.at,
            cases: m.cases,
            trained: m.trained,
            from: m.from,
            to: m.to,
            category: m.category,
            category_plain: m.category_plain,
            urgency: m.urgency,
        });
        let life = tables_suggest::life(&self.store, kind, micros(caller.now.as_microsecond() - LIFE_DAYS * DAY)).await?;
        Ok(LearningView {
            kind: kind.to_string(),
            policy: case_type.suggest.clone(),
            decided: tables_suggest::count_decided(&self.store, kind).await?,
            wanted: tables_suggest::wanted(&self.store, kind).await?,
            models: models.collect(),
            life,
        })
    }

    /// Asks for a new model now; it is made in the background. On record.
    pub async fn learn_now(&self, caller: &Caller, kind: &str) -> Result<LearningView> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let (_, case_type) = self.current_type(kind)?;
        if case_type.suggest.is_none() {
            return Err(Error::unprocessable("case.learn.none", "This case type makes no suggestions."));
        }
        let mut tx = self.store.begin(caller).await?;
        tables_suggest::want(&mut tx, kind).await?;
        let now = tx.now();
        tx.schedule(LEARN_JOB, kind, now).await?;
        tx.audit("case.learn.ask", &format!("case-type:{kind}"), &json!({})).await?;
        tx.commit().await?;
        self.learning(caller, kind).await
    }
}
