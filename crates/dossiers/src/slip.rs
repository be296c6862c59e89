//! The apology slip as a paper, in the form of official papers.

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use dothi_paper::{Imprint, Lexicon, Paper, Turn};

use crate::Dossiers;

static WORDS: Lexicon = Lexicon::new(include_str!("slip.toml"));

impl Dossiers {
    /// A slip that was issued, as a PDF: its name and bytes. Needs `case-handle` for the dossier's unit. 404 `dossiers.slip.none`, 400
    /// `paper.language`, 503 `paper.busy`.
    pub async fn slip_paper(&self, caller: &Caller, code: &str, n: i64, lang: Option<&str>) -> Result<(String, Vec<u8>)> {
        let words = WORDS.words(lang)?;
        let dossier = self.get(caller, code).await?;
        caller.require(Permission::CaseHandle, Scope::unit(&dossier.row.unit.id))?;
        let slip = dossier.slips.iter().find(|s| s.n == n).ok_or_else(|| Error::not_found("dossiers.slip.none", "There is no such slip."))?;
        let zone = self.calendar.zone();
        let (unit, code, number) = (&dossier.row.unit.name, &dossier.row.code, slip.n.to_string());
        let day = |at| words.day(at, zone);
        let received = dossier.row.received_at.map(day).unwrap_or_default();
        let due = slip.was_due_at.map(day).unwrap_or_default();
        let mut paper = Paper::new(words.lang, words.say("title"));
        paper
            .letterhead(
                vec![unit.to_uppercase(), words.fill("number", &[("n", &number), ("code", code)])],
                vec![words.say("state"), words.say("motto"), words.fill("date", &[("date", &day(slip.at))])],
            )
            .text(words.fill("to", &[("code", code)]))
            .text(words.fill("body", &[("received", &received), ("unit", unit), ("procedure", &dossier.row.procedure_name), ("due", &due)]))
            .text(words.fill("reason", &[("reason", &slip.reason)]))
            .strong(words.fill("promise", &[("at", &words.instant(slip.promised_at, zone))]))
            .text(words.fill("sorry", &[("unit", unit)]))
            .signature(vec![words.say("head"), words.say("sign")])
            .note(words.say("form"));
        let line = format!("{unit} · {}", words.fill("made", &[("at", &words.instant(caller.now, zone))]));
        let imprint = Imprint::new(line, words.say("page"), words.say("mark"));
        let name = format!("{code}-{number}.pdf");
        Ok((name, Turn::wait().await?.print(paper, imprint, caller.now).await?))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_languages_say_the_same_things() {
        assert_eq!(super::WORDS.faults(), Vec::<String>::new());
    }
}
