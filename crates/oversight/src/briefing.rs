//! The leader's briefing as a paper of one sheet: how the plan stands, by sector, and what needs a decision.

use dothi_kernel::{Caller, Permission, Result, Scope};
use dothi_paper::{Column, Imprint, Lexicon, Paper, Turn, Words};

use crate::{CardIndicator, Oversight, Scorecard, ScorecardQuery, Standing, zone};

static WORDS: Lexicon = Lexicon::new(include_str!("briefing.toml"));
/// Indicators that need a decision, at most; fewer when they would need a second sheet.
const ROWS: usize = 18;
/// Levels of headings whose counts stand on it.
const LEVELS: u32 = 2;

impl Oversight {
    /// The briefing of a scorecard as a PDF: its name and bytes. Needs `scorecard-read`. Errors as of [`Oversight::scorecard`]; 400
    /// `paper.language`, 503 `paper.busy`.
    pub async fn briefing(&self, caller: &Caller, query: &ScorecardQuery, lang: Option<&str>) -> Result<(String, Vec<u8>)> {
        caller.require(Permission::ScorecardRead, Scope::ANY)?;
        let words = WORDS.words(lang)?;
        let card = self.scorecard(caller, query).await?;
        let at = words.instant(caller.now, &zone(&self.find_set(Some(&card.set.code)).await?)?);
        let turn = Turn::wait().await?;
        let imprint = Imprint::new(format!("{} · {}", card.area_name, words.fill("made", &[("at", &at)])), words.say("page"), words.say("mark"));
        let mut rows = ROWS;
        let paper = loop {
            let paper = sheet(&words, &card, rows);
            if rows == 0 || paper.pages()? == 1 {
                break paper;
            }
            rows -= 1;
        };
        let name = format!("{}-{}-{}.pdf", card.set.code, card.area, card.period);
        Ok((name, turn.print(paper, imprint, caller.now).await?))
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Met => "met",
        Standing::Near => "near",
        Standing::Behind => "behind",
        Standing::NoData => "no-data",
    }
}

/// A figure to two decimals, as the language writes it.
fn figure(words: &Words, indicator: &CardIndicator) -> String {
    let Some(value) = &indicator.value else { return "–".into() };
    let Some(number) = value.number else { return value.text.clone().unwrap_or_default() };
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let text = if words.lang == "vi" { text.replace('.', ",") } else { text.to_string() };
    if indicator.unit == "%" { format!("{text} %") } else { text }
}

fn sheet(words: &Words, card: &Scorecard, rows: usize) -> Paper {
    let mut paper = Paper::new(words.lang, words.either(&card.set.title, &card.set.title_en));
    let s = &card.summary;
    let count = |n: u32| n.to_string();
    paper.note(words.fill("line", &[("area", &card.area_name), ("period", &card.period), ("act", &card.set.source_act)]));
    let sum = [("met", s.met), ("near", s.near), ("behind", s.behind), ("none", s.no_data), ("total", s.total)];
    paper.strong(words.fill("sum", &sum.map(|(name, n)| (name, count(n))).each_ref().map(|(name, n)| (*name, n.as_str()))));
    let head = |keys: &[(&str, f32)]| keys.iter().map(|(key, share)| Column::new(words.say(key), *share)).collect::<Vec<_>>();
    let group = |g: &crate::CardGroup| {
        let name = words.either(&g.name, &g.name_en);
        let name = if g.level == 1 { name } else { format!("– {name}") };
        vec![name, count(g.summary.met), count(g.summary.near), count(g.summary.behind), count(g.summary.no_data)]
    };
    let groups = card.groups.iter().filter(|g| g.level <= LEVELS).map(group).collect();
    paper.table(head(&[("group", 6.0), ("met", 1.0), ("near", 1.1), ("behind", 1.2), ("no-data", 1.7)]), groups);
    let all = || card.groups.iter().flat_map(|g| &g.indicators);
    let of = |wanted: Standing| all().filter(move |i| i.standing == wanted);
    let decide: Vec<&CardIndicator> = of(Standing::Behind).chain(of(Standing::Near)).collect();
    paper.heading(words.say("decide"));
    if decide.is_empty() {
        paper.text(words.say("nothing"));
    }
    let row = |i: &&CardIndicator| {
        let name = format!("{} · {}", i.code, words.either(&i.name, &i.name_en));
        vec![name, i.target.text.clone(), figure(words, i), words.say(standing(i.standing)), i.lead.clone()]
    };
    let columns = &card.set.columns;
    let mut names = head(&[("indicator", 5.0), ("target", 1.5), ("value", 1.3), ("standing", 1.3), ("lead", 2.6)]);
    if let Some(target) = names.get_mut(1) {
        target.head = words.either(&columns.target, &columns.target_en);
    }
    paper.table(names, decide.iter().take(rows).map(row).collect());
    if decide.len() > rows {
        paper.note(words.fill("more", &[("n", &(decide.len() - rows).to_string())]));
    }
    paper.note(words.fill("foot", &[("n", &count(s.no_data))]));
    paper
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_languages_say_the_same_things() {
        assert_eq!(super::WORDS.faults(), Vec::<String>::new());
    }
}
