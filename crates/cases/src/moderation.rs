//! What the centre must look at before words become public: sensitive matters, abuse, personal data. Words and patterns are
//! the pack's; they are found with and without marks, stretched, spelled with digits and in the short forms of telephones.
//! What is found is a hint: a person decides, and the reporter's own words are kept as they came.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use dothi_kernel::text::fold;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use crate::model::NamedCode;
use crate::text;

/// What stands in the place of what was masked.
const MASK: &str = "•••";
/// Compiled size of one pattern, bytes.
const PATTERN_SIZE: usize = 256 * 1024;

/// What a pack says about words that need a second look.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moderation {
    /// State in which reports of barred senders wait.
    pub held_state: String,
    /// Function whose holder looks at them (`report-unplaced`).
    pub held_function: String,
    /// What a private report means, Vietnamese; empty = not offered.
    #[serde(default)]
    pub private_notice: String,
    /// The same in English.
    #[serde(default)]
    pub private_notice_en: String,
    /// Short forms of telephones and what they stand for.
    #[serde(default)]
    pub teencode: BTreeMap<String, String>,
    /// Lists of words.
    #[serde(default)]
    pub lists: Vec<WordList>,
    /// Patterns of personal data.
    #[serde(default)]
    pub patterns: Vec<Pattern>,
    /// Lists and patterns made ready, on first use.
    #[serde(skip)]
    ready: Ready,
}

/// Words that are noticed together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordList {
    /// Code (`children`).
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Whether the words are masked in the text proposed for the public.
    #[serde(default)]
    pub mask: bool,
    /// Words and phrases; a text word without marks counts as well ("dia chi" for "địa chỉ").
    #[serde(default)]
    pub words: Vec<String>,
    /// Words that count only with their marks, because without them they mean something else.
    #[serde(default)]
    pub marked: Vec<String>,
}

/// A form of personal data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// Code (`phone`).
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Regular expression.
    pub pattern: String,
}

/// Something that was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CaseFlag)]
pub struct Flag {
    /// Code of the list or pattern.
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// What was found, as it stands in the text; at most ten.
    pub words: Vec<String>,
}

/// What was noticed in a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Screening {
    /// What was found, in the order of the pack.
    pub flags: Vec<Flag>,
    /// The text as it could be shown: personal data and masked words replaced.
    pub proposal: String,
}

/// A cell that is no part of what the pack says.
#[derive(Debug, Clone, Default)]
struct Ready(OnceLock<Arc<Screen>>);

impl PartialEq for Ready {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Moderation {
    /// Every fault.
    pub(crate) fn check(&self, state: impl Fn(&str) -> bool) -> Vec<String> {
        let mut faults = Vec::new();
        let mut need = |ok: bool, fault: String| {
            if !ok {
                faults.push(fault);
            }
        };
        need(state(&self.held_state), format!("moderation.held_state `{}` is not declared", self.held_state));
        need(!self.held_function.is_empty(), "moderation.held_function is empty".into());
        need(self.private_notice.is_empty() == self.private_notice_en.is_empty(), "moderation.private_notice needs both languages".into());
        let mut codes = BTreeSet::new();
        for code in self.lists.iter().map(|l| &l.code).chain(self.patterns.iter().map(|p| &p.code)) {
            need(crate::pack::is_code(code) && codes.insert(code), format!("moderation: `{code}` is not a code, or stands there twice"));
        }
        for list in &self.lists {
            let empty = list.words.iter().chain(&list.marked).any(|w| tokens(w).is_empty());
            need(!empty, format!("moderation list `{}` has an empty word", list.code));
            let bare = list.marked.iter().find(|w| tokens(w).iter().all(|t| !t.marked));
            need(bare.is_none(), format!("moderation list `{}`: `{}` has no marks to count", list.code, bare.map_or("", String::as_str)));
        }
        for (short, long) in &self.teencode {
            need(tokens(short).len() == 1 && !tokens(long).is_empty(), format!("moderation.teencode: `{short}` must be one word that stands for others"));
        }
        for p in &self.patterns {
            if let Err(e) = regex(&p.pattern) {
                need(false, format!("moderation pattern `{}`: {e}", p.code));
            }
        }
        faults
    }

    /// Names of what can be noticed.
    pub(crate) fn names(&self) -> Vec<NamedCode> {
        let lists = self.lists.iter().map(|l| (&l.code, &l.name, &l.name_en));
        let all = lists.chain(self.patterns.iter().map(|p| (&p.code, &p.name, &p.name_en)));
        all.map(|(code, name, name_en)| NamedCode { code: code.clone(), name: name.clone(), name_en: name_en.clone() }).collect()
    }

    /// What is noticed in a text.
    pub fn screen(&self, text: &str) -> Screening {
        let ready = self.ready.0.get_or_init(|| Arc::new(Screen::of(self)));
        ready.look(self, text)
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build().map_err(|e| e.to_string().lines().last().unwrap_or_default().to_string())
}

/// A word of a text.
#[derive(Debug, Clone)]
struct Token {
    /// Where it stands, bytes.
    span: (usize, usize),
    /// Lower case with its marks, the tone at the end: "hòa" and "hoà" are one.
    canon: String,
    /// Without marks.
    bare: String,
    marked: bool,
}

/// Tones: grave, acute, tilde, hook above, dot below. Circumflex, breve and horn make other letters and stay where they are.
const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{303}', '\u{309}', '\u{323}'];

/// Letters that people write as digits and signs.
fn plain(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        c => c,
    }
}

fn token(word: &str, span: (usize, usize)) -> Token {
    let lower: String = word.to_lowercase();
    let first = lower.chars().next().is_some_and(char::is_alphabetic);
    // "l0n" is spelled with a digit; "10m" is a length.
    let spelled: String = if first { lower.chars().map(plain).collect() } else { lower };
    let mut letters: Vec<char> = Vec::new();
    let mut tones: Vec<char> = Vec::new();
    for c in spelled.nfd() {
        if TONES.contains(&c) {
            tones.push(c);
        } else {
            letters.push(c);
        }
    }
    // Stretched: "đmmmm" is "đm". Two in a row occur in real words ("xoong").
    let mut short: Vec<char> = Vec::with_capacity(letters.len());
    for (i, c) in letters.iter().enumerate() {
        let run = letters[..i].iter().rev().take_while(|p| *p == c).count() + letters[i..].iter().take_while(|n| *n == c).count();
        if run < 3 || c.is_ascii_digit() || short.last() != Some(c) {
            short.push(*c);
        }
    }
    tones.dedup();
    let canon: String = short.into_iter().chain(tones).collect();
    let bare = fold(&canon);
    Token { span, marked: canon != bare, canon, bare }
}

/// The words of a text. A sign between letters belongs to the word ("đ!t"); so does a mark on its own (old phones).
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let inside = |c: char| c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c);
    let letter = |i: usize| chars.get(i).is_some_and(|(_, c)| c.is_alphabetic());
    let mut out = Vec::new();
    let mut from: Option<usize> = None;
    for i in 0..=chars.len() {
        let end = chars.get(i).map_or(text.len(), |(at, _)| *at);
        let belongs = chars.get(i).is_some_and(|(_, c)| inside(*c) || (matches!(c, '@' | '!' | '$') && i > 0 && letter(i - 1) && letter(i + 1)));
        match (belongs, from) {
            (true, None) => from = Some(end),
            (false, Some(start)) => {
                out.push(token(&text[start..end], (start, end)));
                from = None;
            }
            _ => {}
        }
    }
    out
}

/// Words spelled letter by letter: "v.c.l", "đ-m".
fn spelled_out(text: &str, words: &[Token]) -> Vec<Token> {
    let single = |t: &Token| text[t.span.0..t.span.1].chars().count() == 1 && t.bare.chars().all(char::is_alphabetic);
    let joined = |a: &Token, b: &Token| matches!(&text[a.span.1..b.span.0], "." | "-" | "_" | "*");
    let mut out = Vec::new();
    let mut i = 0;
    while i < words.len() {
        let mut j = i;
        while j + 1 < words.len() && single(&words[j]) && single(&words[j + 1]) && joined(&words[j], &words[j + 1]) {
            j += 1;
        }
        if j > i {
            let word: String = words[i..=j].iter().map(|t| &text[t.span.0..t.span.1]).collect();
            out.push(token(&word, (words[i].span.0, words[j].span.1)));
        }
        i = j + 1;
    }
    out
}

/// A phrase to be found.
struct Phrase {
    list: usize,
    words: Vec<Token>,
    /// Whether words without marks count.
    bare: bool,
}

impl Phrase {
    fn stands_at(&self, words: &[Token]) -> bool {
        let fits = |(own, there): (&Token, &Token)| {
            if there.marked { own.canon == there.canon } else { own.canon == there.canon || (self.bare && own.bare == there.bare) }
        };
        words.len() >= self.words.len() && self.words.iter().zip(words).all(fits)
    }
}

/// Lists and patterns made ready.
#[derive(Default)]
struct Screen {
    phrases: Vec<Phrase>,
    /// Phrases by their first word without marks.
    by_first: HashMap<String, Vec<usize>>,
    teencode: HashMap<String, Vec<Token>>,
    patterns: Vec<Regex>,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Screen({} phrases)", self.phrases.len())
    }
}

impl Screen {
    fn of(pack: &Moderation) -> Self {
        let mut screen = Self::default();
        for (n, list) in pack.lists.iter().enumerate() {
            let phrases = list.words.iter().map(|w| (w, true)).chain(list.marked.iter().map(|w| (w, false)));
            for (word, bare) in phrases {
                let words = tokens(word);
                let Some(first) = words.first() else { continue };
                screen.by_first.entry(first.bare.clone()).or_default().push(screen.phrases.len());
                screen.phrases.push(Phrase { list: n, words, bare });
            }
        }
        for (short, long) in &pack.teencode {
            if let [short] = tokens(short).as_slice() {
                screen.teencode.insert(short.canon.clone(), tokens(long));
            }
        }
        // A pattern that does not compile was refused when the pack was checked.
        screen.patterns = pack.patterns.iter().filter_map(|p| regex(&p.pattern).ok()).collect();
        screen
    }

    /// The words with short forms written out; each keeps the place it stands at.
    fn written_out(&self, words: Vec<Token>) -> Vec<Token> {
        let mut out = Vec::with_capacity(words.len());
        for word in words {
            match self.teencode.get(&word.canon) {
                Some(long) => out.extend(long.iter().map(|t| Token { span: word.span, ..t.clone() })),
                None => out.push(word),
            }
        }
        out
    }

    fn find(&self, words: &[Token], mut found: impl FnMut(&Phrase, (usize, usize))) {
        for (i, word) in words.iter().enumerate() {
            for phrase in self.by_first.get(&word.bare).into_iter().flatten().map(|n| &self.phrases[*n]) {
                if phrase.stands_at(&words[i..]) {
                    found(phrase, (word.span.0, words[i + phrase.words.len() - 1].span.1));
                }
            }
        }
    }

    fn look(&self, pack: &Moderation, text: &str) -> Screening {
        let plain = tokens(text);
        let spelled = spelled_out(text, &plain);
        let mut hits: Vec<Vec<(usize, usize)>> = vec![Vec::new(); pack.lists.len() + self.patterns.len()];
        let written = self.written_out(plain.clone());
        for words in std::iter::once(plain.as_slice()).chain([written.as_slice()]).chain(spelled.iter().map(std::slice::from_ref)) {
            self.find(words, |phrase, span| hits[phrase.list].push(span));
        }
        for (n, pattern) in self.patterns.iter().enumerate() {
            hits[pack.lists.len() + n].extend(pattern.find_iter(text).map(|m| (m.start(), m.end())));
        }
        let mut masked: Vec<(usize, usize)> = Vec::new();
        let mut flags = Vec::new();
        let names = pack.lists.iter().map(|l| (&l.code, &l.name, &l.name_en, l.mask)).chain(pack.patterns.iter().map(|p| (&p.code, &p.name, &p.name_en, true)));
        for ((code, name, name_en, mask), spans) in names.zip(&mut hits) {
            spans.sort_unstable();
            spans.dedup();
            if spans.is_empty() {
                continue;
            }
            if mask {
                masked.extend(spans.iter().copied());
            }
            let mut seen = BTreeSet::new();
            let words = spans.iter().map(|(a, b)| text[*a..*b].to_string()).filter(|w| seen.insert(w.clone())).take(10).collect();
            flags.push(Flag { code: code.clone(), name: name.clone(), name_en: name_en.clone(), words });
        }
        Screening { flags, proposal: text::mask_contact(&without(text, masked)) }
    }
}

/// The text with the spans masked; spans may overlap.
fn without(text: &str, mut spans: Vec<(usize, usize)>) -> String {
    spans.sort_unstable();
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (from, to) in spans {
        if to <= at {
            continue;
        }
        if from >= at {
            out.push_str(&text[at..from]);
            out.push_str(MASK);
        }
        at = to;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack() -> Moderation {
        let list = |code: &str, mask, words: &[&str], marked: &[&str]| WordList {
            code: code.into(),
            name: code.into(),
            name_en: code.into(),
            mask,
            words: words.iter().map(|w| w.to_string()).collect(),
            marked: marked.iter().map(|w| w.to_string()).collect(),
        };
        Moderation {
            held_state: "held".into(),
            held_function: "x".into(),
            teencode: [("hs", "học sinh"), ("te", "trẻ em")].map(|(a, b)| (a.to_string(), b.to_string())).into(),
            lists: vec![list("children", false, &["trẻ em", "học sinh", "bạo hành"], &[]), list("abuse", true, &["đm", "vcl", "óc chó"], &["đồ khỉ"])],
            patterns: vec![Pattern { code: "plate".into(), name: "p".into(), name_en: "p".into(), pattern: r"\b\d{2}[A-Z]\d?-?\d{3}\.?\d{2}\b".into() }],
            ..Moderation::default()
        }
    }

    fn codes(text: &str) -> Vec<String> {
        pack().screen(text).flags.into_iter().map(|f| f.code).collect()
    }

    #[test]
    fn words_are_found_however_they_are_typed() {
        for text in ["Trẻ em chơi ở đây", "TRE EM choi o day", "có te ngã", "hs trường bên", "tre\u{309} em", "hoc sinh"] {
            assert_eq!(codes(text), ["children"], "{text}");
        }
        for text in ["đm làm ăn thế à", "ĐMMMM", "đ.m", "v.c.l", "vcl!!!", "óc chó", "oc cho", "vCl", "Đồ khỉ"] {
            assert_eq!(codes(text), ["abuse"], "{text}");
        }
        // Marks make another word; what only counts with marks does not count without; a length is no word.
        for text in ["ốc chợ bán rẻ", "do khi hau", "bãi cỏ", "rộng 10m x 5m, sâu 3m", "tre già măng mọc, em bé"] {
            assert!(codes(text).is_empty(), "{text}: {:?}", codes(text));
        }
    }

    #[test]
    fn tones_may_stand_on_either_vowel() {
        let pack = Moderation {
            lists: vec![WordList { code: "a".into(), name: "a".into(), name_en: "a".into(), mask: true, words: vec!["hòa".into()], marked: vec![] }],
            ..pack()
        };
        assert_eq!(pack.screen("hoà").flags.len(), 1);
        assert_eq!(pack.screen("hóa").flags.len(), 0);
    }

    #[test]
    fn the_proposal_masks_and_keeps_the_rest() {
        let seen = pack().screen("Xe 17B1-234.56 của óc chó, gọi 0912 345 678; trẻ em sợ.");
        assert_eq!(seen.proposal, "Xe ••• của •••, gọi •••; trẻ em sợ.");
        assert_eq!(seen.flags.iter().map(|f| f.words.join("|")).collect::<Vec<_>>(), ["trẻ em", "óc chó", "17B1-234.56"]);
        assert_eq!(pack().screen("").proposal, "");
        assert_eq!(without("abcdef", vec![(1, 3), (2, 4), (0, 1)]), "••••••ef");
    }

    #[test]
    fn faults_are_told() {
        let mut pack = pack();
        assert_eq!(pack.check(|s| s == "held"), Vec::<String>::new());
        pack.lists[0].marked = vec!["ngu".into()];
        pack.patterns[0].pattern = "(".into();
        pack.teencode.insert("a b".into(), "c".into());
        assert_eq!(pack.check(|_| false).len(), 4);
    }
}
