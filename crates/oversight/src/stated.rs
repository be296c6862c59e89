//! What a plan's table says in one cell, taken at its word: a number stays a number, "≥ 50" stays a floor, "Chưa triển khai"
//! stays "not started" and never becomes 0.
//!
//! The words themselves come from the pack; the grammar of Vietnamese numbers (`1.234,5`) is here.

use dothi_kernel::text::fold;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of statement a cell makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatedKind {
    /// A figure.
    Number,
    /// A floor: this much or more.
    AtLeast,
    /// Yes or no.
    YesNo,
    /// Nothing has begun.
    NotStarted,
    /// Nobody knows or decided yet.
    Undetermined,
    /// Begun, without a figure.
    InProgress,
    /// Other words.
    Text,
}

/// One cell: its own text and what it means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stated {
    /// The text as written in the source.
    pub text: String,
    /// The figure, for `number` and `at-least`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<f64>,
    /// The answer, for `yes-no`; absent when the text only names the choice ("Có/ Chưa").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bool: Option<bool>,
    /// The kind of statement.
    pub kind: StatedKind,
}

/// The words a set's source uses for what is not a number. Compared without regard to case and diacritics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Yes.
    pub yes: Vec<String>,
    /// No (or "not yet").
    pub no: Vec<String>,
    /// The choice itself, without an answer.
    pub yes_no: Vec<String>,
    /// Nothing has begun.
    pub not_started: Vec<String>,
    /// Not known.
    pub undetermined: Vec<String>,
    /// Begun, without a figure.
    pub in_progress: Vec<String>,
}

impl Stated {
    /// Reads one cell. Never fails: what is neither a number nor one of the words is `text`, an empty cell `undetermined`.
    pub fn parse(cell: &str, words: &Words) -> Self {
        let text = cell.split_whitespace().collect::<Vec<_>>().join(" ");
        let make = |kind, number, bool| Self { text: text.clone(), number, bool, kind };
        let folded = fold(&text);
        let is = |list: &[String]| list.iter().any(|word| fold(word) == folded);
        if folded.is_empty() || is(&words.undetermined) {
            return make(StatedKind::Undetermined, None, None);
        }
        for (list, kind, answer) in [
            (&words.yes, StatedKind::YesNo, Some(true)),
            (&words.no, StatedKind::YesNo, Some(false)),
            (&words.yes_no, StatedKind::YesNo, None),
            (&words.not_started, StatedKind::NotStarted, None),
            (&words.in_progress, StatedKind::InProgress, None),
        ] {
            if is(list) {
                return make(kind, None, answer);
            }
        }
        let floor = text.strip_prefix('≥').or_else(|| text.strip_prefix(">="));
        match (floor.and_then(|rest| number(rest.trim())), number(&text)) {
            (Some(n), _) => make(StatedKind::AtLeast, Some(n), None),
            (None, Some(n)) => make(StatedKind::Number, Some(n), None),
            (None, None) => make(StatedKind::Text, None, None),
        }
    }
}

/// A number as Vietnamese documents write it: comma before decimals, dots between groups of three, optional per-cent sign.
/// `None` for anything else: "0.2" is refused rather than guessed at.
pub fn number(text: &str) -> Option<f64> {
    let text = text.strip_suffix('%').map_or(text, str::trim_end);
    let (negative, text) = text.strip_prefix(['-', '−']).map_or((false, text), |rest| (true, rest));
    let (whole, decimals) = text.split_once(',').map_or((text, None), |(w, d)| (w, Some(d)));
    let digits = |part: &str| !part.is_empty() && part.len() <= 15 && part.bytes().all(|b| b.is_ascii_digit());
    let mut groups = whole.split('.');
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    if !digits(first) || (!rest.is_empty() && first.len() > 3) || rest.iter().any(|g| g.len() != 3 || !digits(g)) || decimals.is_some_and(|d| !digits(d)) {
        return None;
    }
    let plain = format!("{}{first}{}.{}", if negative { "-" } else { "" }, rest.concat(), decimals.unwrap_or("0"));
    plain.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// Writes a number the way [`number`] reads it.
pub fn written(value: f64) -> String {
    format!("{value}").replace('.', ",")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn words() -> Words {
        let list = |words: &[&str]| words.iter().map(|w| (*w).to_string()).collect();
        Words {
            yes: list(&["Có"]),
            no: list(&["Chưa", "Không"]),
            yes_no: list(&["Có/ Chưa", "Có/Chưa"]),
            not_started: list(&["Chưa triển khai"]),
            undetermined: list(&["Chưa xác định"]),
            in_progress: list(&["Đang triển khai", "Mới triển khai phía các cơ quan nhà nước"]),
        }
    }

    #[test]
    fn reads_every_form_the_source_uses() {
        let read = |cell: &str| {
            let s = Stated::parse(cell, &words());
            (s.kind, s.number, s.bool)
        };
        assert_eq!(read("90"), (StatedKind::Number, Some(90.0), None));
        assert_eq!(read("33,7"), (StatedKind::Number, Some(33.7), None));
        assert_eq!(read("0,2"), (StatedKind::Number, Some(0.2), None));
        assert_eq!(read("0"), (StatedKind::Number, Some(0.0), None));
        assert_eq!(read("1.234,5"), (StatedKind::Number, Some(1234.5), None));
        assert_eq!(read("80 %"), (StatedKind::Number, Some(80.0), None));
        assert_eq!(read("≥ 50"), (StatedKind::AtLeast, Some(50.0), None));
        assert_eq!(read("≥50"), (StatedKind::AtLeast, Some(50.0), None));
        assert_eq!(read(">= 3"), (StatedKind::AtLeast, Some(3.0), None));
        assert_eq!(read("≥\u{a0}0,5"), (StatedKind::AtLeast, Some(0.5), None));
        assert_eq!(read("Có"), (StatedKind::YesNo, None, Some(true)));
        assert_eq!(read("Chưa"), (StatedKind::YesNo, None, Some(false)));
        assert_eq!(read("Có/ Chưa"), (StatedKind::YesNo, None, None));
        assert_eq!(read("Chưa triển khai"), (StatedKind::NotStarted, None, None));
        assert_eq!(read(" chưa  xác định "), (StatedKind::Undetermined, None, None));
        assert_eq!(read("Đang triển khai"), (StatedKind::InProgress, None, None));
        assert_eq!(read("Mới triển khai phía các cơ quan nhà nước"), (StatedKind::InProgress, None, None));
        assert_eq!(read(""), (StatedKind::Undetermined, None, None));
        // A decimal point is not Vietnamese; guessing between 0,2 and 2 would be worse than asking.
        assert_eq!(read("0.2"), (StatedKind::Text, None, None));
        assert_eq!(read("≥ nhiều"), (StatedKind::Text, None, None));
        assert_eq!(read("12a"), (StatedKind::Text, None, None));
    }

    proptest! {
        /// Whatever is written, words never become a figure, and a figure exists exactly for the two kinds that have one.
        #[test]
        fn words_never_become_zero(cell in "\\PC{0,40}") {
            let stated = Stated::parse(&cell, &words());
            let figured = matches!(stated.kind, StatedKind::Number | StatedKind::AtLeast);
            prop_assert_eq!(stated.number.is_some(), figured);
            prop_assert!(stated.bool.is_none() || stated.kind == StatedKind::YesNo);
            if stated.number.is_some() {
                prop_assert!(cell.chars().any(|c| c.is_ascii_digit()));
            }
        }

        /// What is written can be read back, as a figure and as a floor.
        #[test]
        fn numbers_survive(units in -1_000_000_000i64..1_000_000_000, decimals in 0u32..5) {
            let value = units as f64 / 10f64.powi(decimals as i32);
            let text = written(value);
            prop_assert_eq!(number(&text), Some(value));
            prop_assert_eq!(Stated::parse(&format!("≥ {text}"), &words()).number, Some(value));
        }

        /// Thousands dots change nothing.
        #[test]
        fn groups_of_three(a in 1u32..1000, b in 0u32..1000) {
            prop_assert_eq!(number(&format!("{a}.{b:03}")), Some(f64::from(a * 1000 + b)));
        }
    }
}
