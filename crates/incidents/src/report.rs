//! The after-action report as a paper: what happened, how long each part of the way took, what was skipped and why, what was learned,
//! and the whole log with its chain of hashes.

use bytes::Bytes;
use dothi_kernel::event::Severity;
use dothi_kernel::{Caller, Result, Timestamp};
use dothi_paper::{Column, Imprint, Lexicon, Paper, Turn, Words};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::{By, Incident, LogLine};
use crate::model_ops::{AfterAction, Dispatch, Run, RunStep};
use crate::pack::{STAMPS, Status};
use crate::{Incidents, tables};

static WORDS: Lexicon = Lexicon::new(include_str!("report.toml"));
/// Characters of a hash that stand beside its line; the last one stands whole below.
const HASH: usize = 12;

/// Seconds as minutes and seconds.
fn clock(seconds: i64) -> String {
    let all = seconds.max(0);
    let (h, m, s) = (all / 3_600, all % 3_600 / 60, all % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

fn joined<'a>(parts: impl IntoIterator<Item = Option<&'a str>>, between: &str) -> String {
    parts.into_iter().flatten().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(between)
}

fn columns(words: &Words, head: &[(&str, f32)]) -> Vec<Column> {
    head.iter().map(|(key, share)| Column::new(words.say(key), *share)).collect()
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "severity-critical",
        Severity::High => "severity-high",
        Severity::Medium => "severity-medium",
        Severity::Low => "severity-low",
        Severity::Info => "severity-info",
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Confirmed => "status-confirmed",
        Status::Secondary => "status-secondary",
        Status::Proposed => "status-proposed",
        Status::Invented => "status-invented",
    }
}

/// A paper while it is written: its language, and the clocks of the place.
struct Desk<'a> {
    incidents: &'a Incidents,
    words: Words,
    paper: Paper,
}

impl Incidents {
    /// The after-action report as a PDF in a language (`vi`, `en`): its name and bytes. Who may read the incident may have it; on record with
    /// the paper's check mark. 400 `paper.language`, 503 `paper.busy`.
    pub async fn report(&self, caller: &Caller, id: Uuid, lang: Option<&str>) -> Result<(String, Bytes)> {
        let words = WORDS.words(lang)?;
        let told = self.after_action(caller, id).await?;
        let (pdf, mark) = self.printed(caller, words, &told).await?;
        let mut tx = self.store.begin(caller).await?;
        tx.audit("incident.report", &format!("incident:{id}"), &json!({ "lang": words.lang, "mark": mark })).await?;
        tx.commit().await?;
        Ok((format!("{}.pdf", told.incident.row.incident.code), pdf))
    }

    /// The report for the evidence pack, in Vietnamese.
    pub(crate) async fn report_of(&self, caller: &Caller, told: &AfterAction) -> Result<Bytes> {
        Ok(self.printed(caller, WORDS.words(None)?, told).await?.0)
    }

    async fn printed(&self, caller: &Caller, words: Words, told: &AfterAction) -> Result<(Bytes, String)> {
        let turn = Turn::wait().await?;
        let incident = &told.incident.row.incident;
        let title = words.fill("title", &[("code", &incident.code)]);
        let mut desk = Desk { incidents: self, words, paper: Paper::new(words.lang, title) };
        desk.head(told);
        desk.chain(told);
        desk.sent(&told.incident.dispatches);
        for run in &told.incident.runs {
            desk.run(run);
        }
        desk.tasks(told);
        desk.warnings(told);
        desk.links(told);
        desk.learned(told);
        desk.log(&told.log);
        let mark = desk.paper.mark();
        let line = format!("{} · {}", incident.unit.name, words.fill("made", &[("at", &desk.at(caller.now))]));
        let imprint = Imprint::new(line.trim_start_matches(" · "), words.say("page"), words.say("mark"));
        Ok((turn.print(desk.paper, imprint, caller.now).await?.into(), mark))
    }
}

impl Desk<'_> {
    fn at(&self, at: Timestamp) -> String {
        self.words.second(at, self.incidents.calendar.zone())
    }

    fn maybe(&self, at: Option<Timestamp>) -> String {
        at.map(|at| self.at(at)).unwrap_or_default()
    }

    fn by(&self, at: Option<Timestamp>, by: Option<&By>) -> String {
        joined([Some(self.maybe(at).as_str()), by.map(|b| b.name.as_str())], ", ")
    }

    fn section(&mut self, key: &str) -> &mut Paper {
        let words = self.words.say(key);
        self.paper.heading(words)
    }

    fn head(&mut self, told: &AfterAction) {
        let words = self.words;
        let row = &told.incident.row;
        let i: &Incident = &row.incident;
        if i.drill {
            self.paper.strong(words.say("drill"));
        }
        let relation = told.incident.above.as_ref().map(|a| words.fill(if i.merged { "merged" } else { "split" }, &[("code", &a.incident.code)]));
        let below = told.incident.children.iter().map(|c| c.incident.code.clone()).collect::<Vec<_>>().join(", ");
        let facts = [
            words.fact("what", &i.title),
            words.fact("kind", format!("{} · {}", words.either(&row.kind_name, &row.kind_name_en), words.say(severity(i.severity)))),
            words.fact("place", joined([i.place.address.as_deref(), i.place.area_name.as_deref()], ", ")),
            words.fact("unit", &i.unit.name),
            words.fact("commander", i.commander.as_ref().map(|c| c.name.clone()).unwrap_or_default()),
            words.fact("source", words.known(&format!("source-{}", i.source)).unwrap_or_default()),
            words.fact("signal", self.at(i.signal_at)),
            words.fact("opened", self.by(Some(i.opened_at), Some(&i.opened_by))),
            words.fact("read", self.by(i.read_at, i.read_by.as_ref())),
            words.fact("ended", self.maybe(i.ended_at)),
            words.fact("state", words.either(&row.state_name, &row.state_name_en)),
            words.fact("above", relation.unwrap_or_default()),
            words.fact("below", below),
        ];
        self.paper.facts(facts).text(&i.text);
    }

    fn chain(&mut self, told: &AfterAction) {
        let words = self.words;
        let row = |part: &crate::model_ops::ChainPart| {
            let target = part.target.as_ref();
            vec![
                words.say(&format!("interval-{}", part.interval)),
                part.seconds.map(clock).unwrap_or_else(|| "–".into()),
                target.map(|t| words.fill("target_of", &[("p", &t.percentile.to_string()), ("time", &clock(i64::from(t.seconds)))])).unwrap_or_default(),
                target.map(|t| format!("{} ({})", t.source_act, words.say(status(t.status)))).unwrap_or_default(),
            ]
        };
        let rows = told.chain.iter().map(row).collect();
        let head = columns(&words, &[("interval", 2.0), ("took", 1.2), ("target", 2.2), ("source_act", 4.0)]);
        self.section("chain").table(head, rows).note(words.say("chain_note"));
    }

    fn sent(&mut self, dispatches: &[Dispatch]) {
        let words = self.words;
        if dispatches.is_empty() {
            self.section("resources").text(words.say("none_sent"));
            return;
        }
        let row = |d: &Dispatch| {
            let stamp = |name: &&str| {
                let stamp = d.stamps.iter().find(|s| s.stamp == *name);
                stamp.map(|s| format!("{}{}", self.time(s.at), if s.typed { " *" } else { "" })).unwrap_or_else(|| "–".into())
            };
            let name = joined([Some(d.resource_code.as_str()), Some(d.resource_name.as_str()), Some(d.unit.name.as_str())], ", ");
            [vec![name, self.time(d.sent_at)], STAMPS.iter().map(stamp).collect()].concat()
        };
        let rows = dispatches.iter().map(row).collect();
        let mut head = columns(&words, &[("resource", 3.0), ("stamp-sent", 1.4)]);
        head.extend(STAMPS.iter().map(|s| Column::new(words.say(&format!("stamp-{s}")), 1.4)));
        self.section("resources").table(head, rows);
        if dispatches.iter().flat_map(|d| &d.stamps).any(|s| s.typed) {
            self.paper.note(words.say("typed"));
        }
    }

    fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.incidents.calendar.zone().clone()).strftime("%H:%M:%S").to_string()
    }

    fn run(&mut self, run: &Run) {
        let words = self.words;
        let version = run.procedure_version.to_string();
        let began = words.say(if run.automatic { "automatic" } else { "by_hand" });
        let name = words.either(&run.name, &run.name_en);
        let row = |step: &RunStep| {
            let late = step.late.then(|| words.say("late"));
            let answer = step.answer.as_ref().map(|code| {
                let known = step.def.answers.iter().find(|a| a.code == *code);
                known.map_or_else(|| code.clone(), |a| words.either(&a.name, &a.name_en))
            });
            let reason = step.reason.as_ref().map(|r| words.fill("skipped_because", &[("reason", r)]));
            vec![
                words.either(&step.def.text, &step.def.text_en),
                joined([Some(words.say(&format!("step-{}", step.state)).as_str()), late.as_deref()], ", "),
                step.begun_at.map(|at| self.time(at)).unwrap_or_default(),
                joined([step.ended_at.map(|at| self.time(at)).as_deref(), step.by.as_ref().map(|b| b.name.as_str())], "\n"),
                joined([reason.as_deref(), answer.as_deref(), step.note.as_deref()], "\n"),
            ]
        };
        let rows = run.steps.iter().map(row).collect();
        let began = words.fill("run", &[("version", &version), ("how", &began), ("at", &self.at(run.begun_at))]);
        let head = columns(&words, &[("step", 4.5), ("state", 1.8), ("begun", 1.6), ("done", 1.8), ("said", 3.6)]);
        self.paper.heading(words.fill("procedure", &[("name", &name)])).note(began).table(head, rows);
    }

    fn tasks(&mut self, told: &AfterAction) {
        let words = self.words;
        let row = |t: &crate::model::Task| {
            let state = words.say(&format!("task-{}", t.state));
            vec![
                t.text.clone(),
                t.unit.name.clone(),
                self.at(t.at),
                joined([Some(state.as_str()), Some(self.by(t.done_at, t.done_by.as_ref()).as_str()), t.note.as_deref()], "\n"),
            ]
        };
        let rows: Vec<Vec<String>> = told.incident.tasks.iter().map(row).collect();
        if !rows.is_empty() {
            let head = columns(&words, &[("task", 4.0), ("agency", 3.0), ("given", 2.2), ("outcome", 3.5)]);
            self.section("tasks").table(head, rows);
        }
    }

    fn warnings(&mut self, told: &AfterAction) {
        let words = self.words;
        let row = |w: &crate::model_ops::PublicWarning| {
            let people = joined([Some(w.made_by.name.as_str()), w.approved_by.as_ref().map(|b| b.name.as_str())], " / ");
            let areas = w.areas.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ");
            let said = words.either(&w.vi.headline, &w.en.headline);
            vec![
                said,
                words.say(&format!("warning-{}", w.state)),
                self.maybe(w.sent_at),
                people,
                joined([Some(areas.as_str()), Some(w.identifier.as_str())], "\n"),
            ]
        };
        let rows: Vec<Vec<String>> = told.warnings.iter().map(row).collect();
        if !rows.is_empty() {
            let head = columns(&words, &[("headline", 3.5), ("state", 1.5), ("went", 2.0), ("two", 2.2), ("where", 3.8)]);
            self.section("warnings").table(head, rows);
        }
    }

    fn links(&mut self, told: &AfterAction) {
        let words = self.words;
        let row = |l: &crate::model::Link| vec![words.say(&format!("link-{}", l.kind)), l.title.clone(), self.by(Some(l.at), Some(&l.by))];
        let rows: Vec<Vec<String>> = told.incident.links.iter().map(row).collect();
        if !rows.is_empty() {
            self.section("links").table(columns(&words, &[("what_kind", 1.6), ("what", 6.0), ("since", 3.4)]), rows);
        }
    }

    fn learned(&mut self, told: &AfterAction) {
        let words = self.words;
        let review = &told.review;
        let parts = [("summary", &review.summary), ("good", &review.good), ("bad", &review.bad), ("lessons", &review.lessons), ("proposal", &review.proposal)];
        if parts.iter().all(|(_, text)| text.trim().is_empty()) {
            self.section("learned").text(words.say("not_written"));
            return;
        }
        self.section("learned");
        for (key, text) in parts.into_iter().filter(|(_, text)| !text.trim().is_empty()) {
            self.paper.subheading(words.say(key)).text(text);
        }
        if let (Some(draft), Some(code)) = (review.draft, &review.procedure) {
            self.paper.note(words.fill("draft", &[("version", &draft.to_string()), ("procedure", code)]));
        }
    }

    fn log(&mut self, log: &[LogLine]) {
        let words = self.words;
        let said = |line: &LogLine| {
            let fact = |key: &str| line.data.get(key).and_then(Value::as_str);
            let did = fact("what").filter(|_| line.kind != "changed").and_then(|what| words.known(&format!("did-{what}")));
            joined([Some(words.say(&format!("line-{}", line.kind)).as_str()), Some(line.text.as_str()), did.as_deref(), fact("reason"), fact("note")], " · ")
        };
        let row = |line: &LogLine| {
            let hash = line.hash.get(..HASH).unwrap_or(&line.hash).to_string();
            vec![line.n.to_string(), self.at(line.at), line.by.name.clone(), said(line), hash]
        };
        let rows = log.iter().map(row).collect();
        let head = columns(&words, &[("n", 0.6), ("when", 2.2), ("who", 1.7), ("happened", 6.0), ("hash", 2.4)]);
        self.section("log").table(head, rows);
        match (tables::broken(log), log.last()) {
            (Some(n), _) => self.paper.strong(words.fill("broken", &[("n", &n.to_string())])),
            (None, Some(last)) => self.paper.note(words.fill("whole", &[("n", &log.len().to_string()), ("hash", &last.hash)])),
            (None, None) => &mut self.paper,
        };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_languages_say_the_same_things() {
        assert_eq!(super::WORDS.faults(), Vec::<String>::new());
        assert_eq!((super::clock(65), super::clock(3_725)), ("1:05".to_string(), "1:02:05".to_string()));
    }
}
