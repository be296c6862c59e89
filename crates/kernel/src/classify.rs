//! Short Vietnamese texts by machine: a linear classifier that learns from decided texts, how well it does, and how alike two
//! texts are. Pure arithmetic without I/O; the same input always gives the same model.
//!
//! Texts become hashed word one- and two-grams and character two- to four-grams. Every text is learned twice, as typed and
//! without diacritics, because people type both ways. The model is multinomial logistic regression (Adagrad).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use crate::text::fold;
use crate::{Error, Result};

/// Buckets that features are hashed into.
const BUCKETS: u32 = 1 << 18;
/// Longest text that is looked at, characters; what matters stands at the beginning.
const CHARS: usize = 2_000;
/// Passes over the texts.
const EPOCHS: usize = 12;
const RATE: f32 = 0.6;
/// First bytes of a stored model.
const MAGIC: &[u8; 8] = b"dothi-c1";
/// A threshold that nothing reaches: the class is never filled in.
pub const NEVER: f32 = 2.0;

/// What people write in place of whole words.
const SHORT_FORMS: [(&str, &str); 30] = [
    ("k", "không"),
    ("ko", "không"),
    ("kh", "không"),
    ("hok", "không"),
    ("hong", "không"),
    ("khg", "không"),
    ("dc", "được"),
    ("đc", "được"),
    ("dk", "được"),
    ("đk", "được"),
    ("vs", "với"),
    ("ng", "người"),
    ("ngta", "người ta"),
    ("mn", "mọi người"),
    ("cx", "cũng"),
    ("lm", "làm"),
    ("nc", "nước"),
    ("đg", "đường"),
    ("dg", "đường"),
    ("trc", "trước"),
    ("trg", "trường"),
    ("wa", "quá"),
    ("qa", "quá"),
    ("r", "rồi"),
    ("rùi", "rồi"),
    ("nhìu", "nhiều"),
    ("bh", "bao giờ"),
    ("ntn", "như thế nào"),
    ("j", "gì"),
    ("bn", "bao nhiêu"),
];

/// The two ways to put a tone on open syllables, made one.
const TONES: [(&str, &str); 15] = [
    ("òa", "oà"),
    ("óa", "oá"),
    ("ỏa", "oả"),
    ("õa", "oã"),
    ("ọa", "oạ"),
    ("òe", "oè"),
    ("óe", "oé"),
    ("ỏe", "oẻ"),
    ("õe", "oẽ"),
    ("ọe", "oẹ"),
    ("ùy", "uỳ"),
    ("úy", "uý"),
    ("ủy", "uỷ"),
    ("ũy", "uỹ"),
    ("ụy", "uỵ"),
];

/// A text as numbers: hashed buckets, rising, with weights of length one together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features(Vec<(u32, f32)>);

/// Words of a text: lower case, tones in one place, short forms written out, digits alike.
fn words(text: &str) -> Vec<String> {
    let lower: String = text.chars().take(CHARS).nfc().flat_map(char::to_lowercase).collect();
    let plain = lower.is_ascii();
    let mut words = Vec::new();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        let word = match SHORT_FORMS.iter().find(|(short, _)| *short == word) {
            Some((_, long)) => (*long).to_string(),
            None => word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect(),
        };
        // Who types no diacritics does not mean the written-out form to have some.
        let word = if plain { fold(&word) } else { TONES.iter().fold(word, |w, (from, to)| if w.ends_with(from) { w.replace(from, to) } else { w }) };
        words.extend(word.split(' ').map(str::to_string));
    }
    words
}

fn bucket(kind: u8, text: &[&str]) -> u32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325 ^ u64::from(kind);
    for byte in text.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // FNV's low bits are its weakest.
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as u32 % BUCKETS
}

/// A text's features.
pub fn features(text: &str) -> Features {
    let words = words(text);
    let mut counts: BTreeMap<u32, f32> = BTreeMap::new();
    let mut add = |kind, parts: &[&str]| *counts.entry(bucket(kind, parts)).or_default() += 1.0;
    for (i, word) in words.iter().enumerate() {
        add(1, &[word]);
        if let Some(next) = words.get(i + 1) {
            add(2, &[word, next]);
        }
        let framed: Vec<char> = std::iter::once('_').chain(word.chars().take(24)).chain(['_']).collect();
        for size in 2..=4 {
            for gram in framed.windows(size) {
                add(3, &[&gram.iter().collect::<String>()]);
            }
        }
    }
    let mut features: Vec<(u32, f32)> = counts.into_iter().map(|(bucket, n)| (bucket, 1.0 + n.ln())).collect();
    let length = features.iter().map(|(_, v)| v * v).sum::<f32>().sqrt();
    features.iter_mut().for_each(|(_, v)| *v /= length);
    Features(features)
}

/// A text that somebody decided on: the place of its class among the labels.
#[derive(Debug, Clone)]
pub struct Decided<'a> {
    /// The words.
    pub text: &'a str,
    /// Its class.
    pub class: usize,
}

/// What was learned. Rows of weights by bucket; only buckets that were seen have one.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    labels: Vec<String>,
    /// Buckets seen, rising.
    seen: Vec<u32>,
    /// One row of weights for each, as wide as there are labels.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

fn softmax(scores: &mut [f32]) {
    let most = scores.iter().copied().fold(f32::MIN, f32::max);
    scores.iter_mut().for_each(|s| *s = (*s - most).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|s| *s /= sum);
}

impl Model {
    /// Learns from decided texts, each as typed and without diacritics. Texts whose class has no label are left out.
    pub fn train(labels: &[String], texts: &[Decided<'_>]) -> Self {
        let known = texts.iter().filter(|t| t.class < labels.len());
        let copies: Vec<(Features, usize)> =
            known.flat_map(|t| [(features(t.text), t.class), (features(&fold(t.text)), t.class)]).filter(|(f, _)| !f.0.is_empty()).collect();
        let mut seen: Vec<u32> = copies.iter().flat_map(|(f, _)| f.0.iter().map(|(b, _)| *b)).collect();
        seen.sort_unstable();
        seen.dedup();
        let classes = labels.len();
        let mut model = Self { labels: labels.to_vec(), weights: vec![0.0; seen.len() * classes], bias: vec![0.0; classes], seen };
        // Rows instead of buckets from here on: found once.
        let copies: Vec<(Vec<(u32, f32)>, usize)> = copies.into_iter().map(|(f, class)| (model.rows(&f), class)).collect();
        let (mut moved, mut moved_bias) = (vec![1e-6_f32; model.weights.len()], vec![1e-6_f32; classes]);
        let mut order: Vec<usize> = (0..copies.len()).collect();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut scores = vec![0.0; classes];
        for _ in 0..EPOCHS {
            for i in (1..order.len()).rev() {
                order.swap(i, dice.below(i + 1));
            }
            for (rows, class) in order.iter().map(|i| &copies[*i]) {
                model.scores(rows, &mut scores);
                scores[*class] -= 1.0;
                for (c, gradient) in scores.iter().enumerate() {
                    moved_bias[c] += gradient * gradient;
                    model.bias[c] -= RATE * gradient / moved_bias[c].sqrt();
                }
                for (row, value) in rows {
                    let at = *row as usize * classes;
                    for (c, gradient) in scores.iter().enumerate() {
                        let step = gradient * value;
                        let so_far = &mut moved[at + c];
                        *so_far += step * step;
                        model.weights[at + c] -= RATE * step / so_far.sqrt();
                    }
                }
            }
        }
        model
    }

    fn rows(&self, features: &Features) -> Vec<(u32, f32)> {
        let row = |bucket: &u32| self.seen.binary_search(bucket).ok().and_then(|row| u32::try_from(row).ok());
        features.0.iter().filter_map(|(bucket, value)| row(bucket).map(|row| (row, *value))).collect()
    }

    /// Probabilities of all classes for a text's rows.
    fn scores(&self, rows: &[(u32, f32)], scores: &mut [f32]) {
        scores.copy_from_slice(&self.bias);
        let classes = scores.len();
        for (row, value) in rows {
            let at = *row as usize * classes;
            for (score, weight) in scores.iter_mut().zip(&self.weights[at..at + classes]) {
                *score += weight * value;
            }
        }
        softmax(scores);
    }

    /// The classes, in the order that numbers mean.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Classes with their probabilities, likeliest first. Nothing for a text without a letter.
    pub fn read(&self, text: &str) -> Vec<(usize, f32)> {
        let features = features(text);
        if features.0.is_empty() || self.labels.is_empty() {
            return Vec::new();
        }
        let mut scores = vec![0.0; self.labels.len()];
        self.scores(&self.rows(&features), &mut scores);
        let mut found: Vec<(usize, f32)> = scores.into_iter().enumerate().collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found
    }

    /// As bytes to keep; weights in 16 bits, which changes no probability by more than about a thousandth.
    pub fn to_bytes(&self) -> Vec<u8> {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        let most = self.weights.iter().copied().fold(f32::MIN_POSITIVE, |m, w| m.max(w.abs()));
        let step = most / 32_767.0;
        let mut out = MAGIC.to_vec();
        out.extend(number(self.labels.len()));
        for label in &self.labels {
            out.extend(number(label.len()));
            out.extend(label.bytes());
        }
        self.bias.iter().for_each(|b| out.extend(b.to_le_bytes()));
        out.extend(step.to_le_bytes());
        out.extend(number(self.seen.len()));
        self.seen.iter().for_each(|b| out.extend(b.to_le_bytes()));
        self.weights.iter().for_each(|w| out.extend(((w / step).round() as i16).to_le_bytes()));
        out
    }

    /// From [`Model::to_bytes`]. 500 when the bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).ok_or_else(|| Error::internal("reading a stored model", "the bytes are no model"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
            let (head, rest) = from.split_first_chunk::<N>()?;
            *from = rest;
            Some(*head)
        }
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let mut labels = Vec::new();
        for _ in 0..u32::from_le_bytes(take(&mut rest)?).min(10_000) {
            let length = u32::from_le_bytes(take(&mut rest)?) as usize;
            let (label, after) = rest.split_at_checked(length)?;
            labels.push(String::from_utf8(label.to_vec()).ok()?);
            rest = after;
        }
        let mut bias = Vec::new();
        for _ in 0..labels.len() {
            bias.push(f32::from_le_bytes(take(&mut rest)?));
        }
        let step = f32::from_le_bytes(take(&mut rest)?);
        let rows = u32::from_le_bytes(take(&mut rest)?) as usize;
        let (buckets, weights) = rest.split_at_checked(rows.checked_mul(4)?)?;
        if weights.len() != rows.checked_mul(labels.len())?.checked_mul(2)? {
            return None;
        }
        let seen: Vec<u32> = buckets.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let weights = weights.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) * step).collect();
        let sound = seen.is_sorted_by(|a, b| a < b) && step.is_finite() && bias.iter().all(|b| b.is_finite());
        sound.then_some(Self { labels, seen, weights, bias })
    }
}

/// How well a model does on one class. Shares are of texts it never saw; none when there is nothing to divide by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassMeasure {
    /// The class.
    pub label: String,
    /// Texts of it that were tested.
    pub tested: u32,
    /// Of those named so, how many are.
    pub precision: Option<f32>,
    /// Of those that are, how many are named so.
    pub recall: Option<f32>,
    /// Both in one.
    pub f1: Option<f32>,
    /// Probability from which on the class is filled in; more than one: never.
    pub threshold: f32,
    /// Texts that reached it.
    pub filled: u32,
    /// Of these: rightly.
    pub filled_right: u32,
}

/// How well a model does on texts it never saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Measured {
    /// Texts tested.
    pub tested: u32,
    /// Share named rightly.
    pub accuracy: f32,
    /// Share whose class is among the first three.
    pub top3: f32,
    /// Mean of the classes' F1, classes without tested texts left out.
    pub macro_f1: f32,
    /// By class.
    pub classes: Vec<ClassMeasure>,
    /// How often (row: what it is, column: what it is named); the last row is what has no class here.
    pub confusion: Vec<Vec<u32>>,
}

fn ratio(part: u32, whole: u32) -> Option<f32> {
    (whole > 0).then(|| part as f32 / whole as f32)
}

impl Model {
    /// Tries the model on decided texts. `thresholds` by class, as [`Model::thresholds`] gives them. A text of a class that the
    /// model does not know is named wrongly whatever it says.
    pub fn measure(&self, texts: &[Decided<'_>], thresholds: &[f32]) -> Measured {
        let classes = self.labels.len();
        let mut confusion = vec![vec![0u32; classes]; classes + 1];
        let (mut filled, mut filled_right, mut top3, mut tested) = (vec![0u32; classes], vec![0u32; classes], 0u32, 0u32);
        for text in texts {
            let found = self.read(text.text);
            let Some((first, p)) = found.first().copied() else { continue };
            tested += 1;
            confusion[text.class.min(classes)][first] += 1;
            top3 += u32::from(found.iter().take(3).any(|(c, _)| *c == text.class));
            if p >= thresholds.get(first).copied().unwrap_or(NEVER) {
                filled[first] += 1;
                filled_right[first] += u32::from(first == text.class);
            }
        }
        let right: u32 = (0..classes).map(|c| confusion[c][c]).sum();
        let by_class: Vec<ClassMeasure> = (0..classes)
            .map(|c| {
                let (is, named) = (confusion[c].iter().sum::<u32>(), confusion.iter().map(|row| row[c]).sum::<u32>());
                let (precision, recall) = (ratio(confusion[c][c], named), ratio(confusion[c][c], is));
                // Twice the right ones over all that are or are named so.
                let f1 = (is > 0).then(|| 2.0 * confusion[c][c] as f32 / (is + named) as f32);
                let threshold = thresholds.get(c).copied().unwrap_or(NEVER);
                ClassMeasure { label: self.labels[c].clone(), tested: is, precision, recall, f1, threshold, filled: filled[c], filled_right: filled_right[c] }
            })
            .collect();
        let scores: Vec<f32> = by_class.iter().filter_map(|c| c.f1).collect();
        Measured {
            tested,
            accuracy: ratio(right, tested).unwrap_or(0.0),
            top3: ratio(top3, tested).unwrap_or(0.0),
            macro_f1: if scores.is_empty() { 0.0 } else { scores.iter().sum::<f32>() / scores.len() as f32 },
            classes: by_class,
            confusion,
        }
    }

    /// For each class the lowest probability from which on at least `precision` of the texts named so are so, judged on
    /// at least `least` of them; [`NEVER`] when there is none.
    pub fn thresholds(&self, texts: &[Decided<'_>], precision: f32, least: usize) -> Vec<f32> {
        let mut named: Vec<Vec<(f32, bool)>> = vec![Vec::new(); self.labels.len()];
        for text in texts {
            if let Some((first, p)) = self.read(text.text).first() {
                named[*first].push((*p, *first == text.class));
            }
        }
        let lowest = |mut named: Vec<(f32, bool)>| {
            named.sort_by(|a, b| b.0.total_cmp(&a.0));
            let (mut right, mut best) = (0usize, NEVER);
            for (i, (p, is)) in named.iter().enumerate() {
                right += usize::from(*is);
                let last_of_its_kind = named.get(i + 1).is_none_or(|next| next.0 < *p);
                if last_of_its_kind && i + 1 >= least && right as f32 >= precision * (i + 1) as f32 {
                    best = *p;
                }
            }
            best
        };
        named.into_iter().map(lowest).collect()
    }
}

/// How alike texts are: cosine of TF-IDF over hashed features without diacritics. What many texts say counts little.
#[derive(Debug, Clone, Default)]
pub struct Likeness {
    seen_in: BTreeMap<u32, u32>,
    texts: u32,
}

impl Likeness {
    /// Learns from texts which words are common.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a Features>) -> Self {
        let mut likeness = Self::default();
        for features in texts {
            likeness.texts += 1;
            features.0.iter().for_each(|(bucket, _)| *likeness.seen_in.entry(*bucket).or_default() += 1);
        }
        likeness
    }

    /// What a text is compared by.
    pub fn features(text: &str) -> Features {
        features(&fold(text))
    }

    fn weight(&self, bucket: u32) -> f32 {
        let seen = self.seen_in.get(&bucket).copied().unwrap_or(0);
        ((1.0 + self.texts as f32) / (1.0 + seen as f32)).ln() + 1.0
    }

    /// From 0 (nothing in common) to 1 (the same).
    pub fn between(&self, a: &Features, b: &Features) -> f32 {
        let weighed = |f: &Features| -> Vec<(u32, f32)> { f.0.iter().map(|(k, v)| (*k, v * self.weight(*k))).collect() };
        let (a, b) = (weighed(a), weighed(b));
        let length = |f: &[(u32, f32)]| f.iter().map(|(_, v)| v * v).sum::<f32>().sqrt();
        let (mut i, mut j, mut product) = (0, 0, 0.0);
        while let (Some((ka, va)), Some((kb, vb))) = (a.get(i), b.get(j)) {
            match ka.cmp(kb) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => {
                    product += va * vb;
                    (i, j) = (i + 1, j + 1);
                }
            }
        }
        let lengths = length(&a) * length(&b);
        if lengths > 0.0 { (product / lengths).clamp(0.0, 1.0) } else { 0.0 }
    }
}
