//! A case as a paper: for the reporter what is public and the own words, for officers the whole case with its log. Who reported stands
//! on it only when that is asked for, and its reading is on record like on the screen.

use dothi_kernel::{Caller, Kind, Result, Timestamp};
use dothi_paper::{Column, Imprint, Lexicon, Paper, Picture, Turn, Words};
use serde_json::json;
use uuid::Uuid;

use crate::Cases;
use crate::model::{Answer, Case, Contact, Identity, LogEntry, PublicCase};

/// Photos on one paper.
const PHOTOS: usize = 12;

static WORDS: Lexicon = Lexicon::new(include_str!("paper.toml"));

/// A paper, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// What the file is called.
    pub name: String,
    /// The PDF.
    pub pdf: Vec<u8>,
}

fn joined<'a>(parts: impl IntoIterator<Item = Option<&'a str>>) -> String {
    parts.into_iter().flatten().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", ")
}

fn columns(words: &Words, head: [(&str, f32); 4]) -> Vec<Column> {
    head.map(|(key, share)| Column::new(words.say(key), share)).into()
}

impl Cases {
    fn told(&self, words: &Words, at: Timestamp) -> String {
        words.instant(at, self.calendar.zone())
    }

    /// The reporter's paper: what is public, and the own words and photos. Errors as of [`Cases::track`]; 400 `paper.language`.
    pub async fn own_paper(&self, caller: &Caller, code: &str, key: Option<&str>, lang: Option<&str>) -> Result<Printed> {
        let words = WORDS.words(lang)?;
        let case = self.track(caller, code, key).await?;
        let turn = Turn::wait().await?;
        let mut paper = Paper::new(words.lang, words.fill("title", &[("code", &case.code)]));
        let at = |at| self.told(&words, at);
        paper.facts([
            words.fact("category", words.either(&case.category_name, &case.category_name_en)),
            words.fact("state", words.either(&case.state_name, &case.state_name_en)),
            words.fact("opened", at(case.opened_at)),
            words.fact("due", due(&words, at(case.due_at), case.overdue)),
            words.fact("closed", case.closed_at.map(at).unwrap_or_default()),
            words.fact("unit", &case.unit.name),
            words.fact("place", case.area_name.clone().unwrap_or_default()),
            words.fact("planned", case.planned_for.clone().unwrap_or_default()),
            words.fact("rating", stars(case.rating)),
            words.fact("merged", case.merged_into.clone().unwrap_or_default()),
        ]);
        let own = case.own.as_ref();
        paper.heading(words.say("words")).text(own.map(|o| o.text.clone()).or(case.text.clone()).unwrap_or_default());
        self.answer_on(&mut paper, &words, case.answer.as_ref());
        let step = |s: &crate::model::TimelineEntry| {
            let unit = s.unit.as_ref().map(|u| u.name.clone()).unwrap_or_default();
            vec![at(s.at), words.either(&s.what, &s.what_en), unit, s.text.clone().unwrap_or_default()]
        };
        let steps: Vec<Vec<String>> = case.timeline.iter().flatten().map(step).collect();
        if !steps.is_empty() {
            paper.heading(words.say("way")).table(columns(&words, [("at", 2.2), ("what", 3.0), ("unit", 4.0), ("said", 5.0)]), steps);
        }
        self.photos_on(&mut paper, &words, caller, key, shown_photos(&case)).await?;
        paper.note(words.say("own_note"));
        self.print(turn, caller, &words, paper, &case.code, &case.unit.name).await
    }

    /// An officer's paper: the whole case with its log; with `identity` also who reported, which needs the right to see it (or the
    /// reporter's consent) and is on record. So is the printing, with the paper's check mark. Errors as of [`Cases::get`] and
    /// [`Cases::identity`]; 400 `paper.language`.
    pub async fn case_paper(&self, caller: &Caller, id: Uuid, identity: bool, lang: Option<&str>) -> Result<Printed> {
        let words = WORDS.words(lang)?;
        let case = self.get(caller, id).await?;
        let turn = Turn::wait().await?;
        let who = if identity { Some(self.identity(caller, id).await?) } else { None };
        let mut paper = Paper::new(words.lang, words.fill("title", &[("code", &case.code)]));
        self.facts(&mut paper, &words, &case);
        if let Some(who) = &who {
            reporter(&mut paper, &words, who);
        }
        paper.heading(words.say("words")).text(&case.text);
        if !case.answers.is_empty() {
            paper.subheading(words.say("answers")).facts(case.answers.clone());
        }
        self.answer_on(&mut paper, &words, case.answer.as_ref());
        let log: Vec<Vec<String>> = case.log.iter().map(|l| self.log_row(&words, l)).collect();
        paper.heading(words.say("log")).table(columns(&words, [("at", 2.0), ("what", 3.0), ("who", 3.5), ("said", 5.5)]), log);
        // The picture that everybody looks at: the masked one where there is one.
        let stage = |stage: &str| if stage == "report" { "before" } else { "after" };
        let photos = case.photos.iter().map(|p| (stage(&p.stage), p.masked.clone().unwrap_or_else(|| p.sha.clone()))).collect();
        self.photos_on(&mut paper, &words, caller, None, photos).await?;
        let mark = paper.mark();
        let mut tx = self.store.begin(caller).await?;
        tx.audit("case.paper", &format!("case:{id}"), &json!({ "code": case.code, "identity": identity, "mark": mark })).await?;
        tx.commit().await?;
        self.print(turn, caller, &words, paper, &case.code, &case.unit.name).await
    }

    fn facts(&self, paper: &mut Paper, words: &Words, case: &Case) {
        let at = |at| self.told(words, at);
        paper.facts([
            words.fact("category", words.either(&case.category_name, &case.category_name_en)),
            words.fact("urgency", &case.urgency_name),
            words.fact("state", words.either(&case.state_name, &case.state_name_en)),
            words.fact("opened", at(case.opened_at)),
            words.fact("due", due(words, at(case.due_at), case.overdue)),
            words.fact("closed", case.closed_at.map(at).unwrap_or_default()),
            words.fact("unit", &case.unit.name),
            words.fact("place", joined([case.address.as_deref(), case.area_name.as_deref()])),
            words.fact("planned", case.planned_for.clone().unwrap_or_default()),
            words.fact("rating", joined([Some(stars(case.rating).as_str()), case.rating_comment.as_deref()])),
            words.fact("merged", case.merged_into.clone().unwrap_or_default()),
        ]);
    }

    fn log_row(&self, words: &Words, l: &LogEntry) -> Vec<String> {
        let said = [&l.public_text, &l.reason, &l.note].into_iter().flatten().filter(|t| !t.is_empty()).cloned().collect::<Vec<_>>();
        let what = words.known(&format!("step-{}", l.step)).unwrap_or_else(|| words.either(&l.step_name, &l.step_name_en));
        let by = words.known(&format!("by-{}", l.by)).unwrap_or_else(|| l.by.clone());
        vec![self.told(words, l.at), what, joined([Some(by.as_str()), Some(l.unit.name.as_str())]), said.join("\n")]
    }

    fn answer_on(&self, paper: &mut Paper, words: &Words, answer: Option<&Answer>) {
        if let Some(answer) = answer {
            paper.heading(words.say("answer")).text(&answer.text).note(words.fill("answered", &[("at", &self.told(words, answer.at))]));
        }
    }

    async fn photos_on(&self, paper: &mut Paper, words: &Words, caller: &Caller, key: Option<&str>, photos: Vec<(&str, String)>) -> Result<()> {
        let mut pictures = Vec::new();
        for (kind, sha) in photos.iter().take(PHOTOS) {
            // By the same door as on a screen, so that what is masked or hidden there is so here.
            match self.photo(caller, sha, false, key).await {
                Ok((bytes, _)) => pictures.push(Picture { bytes: bytes.to_vec(), caption: words.fill(kind, &[("n", &(pictures.len() + 1).to_string())]) }),
                Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Forbidden | Kind::Unauthenticated) => {}
                Err(e) => return Err(e),
            }
        }
        let left = photos.len() - pictures.len();
        if !pictures.is_empty() {
            paper.heading(words.say("photos")).pictures(pictures);
        }
        if left > 0 {
            paper.note(words.fill("more_photos", &[("n", &left.to_string())]));
        }
        Ok(())
    }

    async fn print(&self, turn: Turn, caller: &Caller, words: &Words, paper: Paper, code: &str, unit: &str) -> Result<Printed> {
        let line = format!("{unit} · {}", words.fill("made", &[("at", &self.told(words, caller.now))]));
        let imprint = Imprint::new(line.trim_start_matches(" · "), words.say("page"), words.say("mark"));
        Ok(Printed { name: format!("{code}.pdf"), pdf: turn.print(paper, imprint, caller.now).await? })
    }
}

fn due(words: &Words, at: String, overdue: bool) -> String {
    if overdue { format!("{at} ({})", words.say("late")) } else { at }
}

fn stars(rating: Option<u8>) -> String {
    rating.map(|stars| format!("{stars}/5")).unwrap_or_default()
}

/// Photos of the report (the reporter's own ones all), then those of the answer.
fn shown_photos(case: &PublicCase) -> Vec<(&'static str, String)> {
    let before = case.own.as_ref().map_or(&case.photos, |o| &o.photos).iter().map(|sha| ("before", sha.clone()));
    before.chain(case.answer.iter().flat_map(|a| a.photos.iter().map(|sha| ("after", sha.clone())))).collect()
}

fn reporter(paper: &mut Paper, words: &Words, who: &Identity) {
    let said = |c: &Contact| joined([c.name.as_deref(), c.phone.as_deref(), c.email.as_deref()]);
    let own = [("name", &who.contact.name), ("phone", &who.contact.phone), ("email", &who.contact.email)];
    let own = own.into_iter().map(|(key, what)| words.fact(key, what.clone().unwrap_or_default()));
    let others = who.callers.iter().map(|c| words.fact("caller", said(c)));
    paper.heading(words.say("reporter")).facts(own.chain(others)).note(words.say("reporter_note"));
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_languages_say_the_same_things() {
        assert_eq!(super::WORDS.faults(), Vec::<String>::new());
    }
}
