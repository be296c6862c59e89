//! Small matters of text: codes and keys, cleaning of input, masking of contact data.

use dothi_kernel::{Error, Result};
use dothi_store::secret::digest;

/// Hash of secrets and addresses.
pub(crate) use dothi_store::secret::hash;

/// Crockford's base 32: no letters that are taken for others.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

fn letters(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect()
}

/// Random letters and digits, five bits each.
pub(crate) fn random_code(length: usize) -> String {
    let mut bytes = vec![0u8; length];
    rand::Rng::fill(&mut rand::rng(), &mut bytes[..]);
    letters(&bytes)
}

/// A public code as people type it: any case, blanks around, O for 0, I and L for 1 (after the prefix).
pub(crate) fn normal_code(code: &str) -> String {
    let upper = code.trim().to_ascii_uppercase();
    match upper.split_once('-') {
        Some((prefix, rest)) => format!("{prefix}-{}", rest.replace('O', "0").replace(['I', 'L'], "1")),
        None => upper,
    }
}

/// A secret made of others: the same inputs give the same 20 letters (100 bits).
pub(crate) fn derived_code(parts: &[&str]) -> String {
    letters(&digest(parts)[..20])
}

/// Trims, drops control characters (line breaks stay) and bounds. 400 `case.text.too-long` with the field.
pub(crate) fn clean(text: &str, field: &'static str, limit: usize) -> Result<String> {
    if text.len() > limit.saturating_mul(4) + 64 {
        return Err(too_long(field, limit));
    }
    let kept: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    let kept = kept.trim();
    if kept.chars().count() > limit { Err(too_long(field, limit)) } else { Ok(kept.to_string()) }
}

fn too_long(field: &'static str, limit: usize) -> Error {
    Error::invalid("case.text.too-long", "This text is too long.").with("field", field).with("limit", limit)
}

/// [`clean`] for a field that may be left out; blank counts as left out.
pub(crate) fn clean_opt(text: Option<&str>, field: &'static str, limit: usize) -> Result<Option<String>> {
    Ok(text.map(|t| clean(t, field, limit)).transpose()?.filter(|t| !t.is_empty()))
}

/// Text as searches look at it: words without marks between single blanks, one blank before the first.
pub(crate) fn searchable(text: &str) -> String {
    let letters: String = dothi_kernel::text::fold(text).chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    letters.split_whitespace().fold(String::with_capacity(letters.len() + 1), |out, word| out + " " + word)
}

/// The first words, at most `limit` characters, on one line.
pub(crate) fn short(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((cut, _)) => format!("{}…", line[..cut].trim_end()),
        None => line,
    }
}

/// Replaces what looks like a telephone or identity number (nine digits or more, also with blanks, dots and dashes
/// between) and e-mail addresses.
pub(crate) fn mask_contact(text: &str) -> String {
    let joined = |c: char| matches!(c, ' ' | '.' | '-' | '\u{a0}');
    let chars: Vec<char> = text.chars().collect();
    let mut hidden = vec![false; chars.len()];
    let mut i = 0;
    while i < chars.len() {
        if !chars[i].is_ascii_digit() {
            i += 1;
            continue;
        }
        let (mut j, mut digits, mut last, mut gap) = (i, 0, i, 0);
        while j < chars.len() && gap < 2 {
            if chars[j].is_ascii_digit() {
                (digits, last, gap) = (digits + 1, j, 0);
            } else if joined(chars[j]) {
                gap += 1;
            } else {
                break;
            }
            j += 1;
        }
        if digits >= 9 {
            let from = if i > 0 && chars[i - 1] == '+' { i - 1 } else { i };
            hidden[from..=last].fill(true);
        }
        i = last + 1;
    }
    for at in (0..chars.len()).filter(|i| chars[*i] == '@') {
        let in_address = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
        let from = (0..at).rev().take_while(|i| in_address(chars[*i])).last().unwrap_or(at);
        let to = (at + 1..chars.len()).take_while(|i| in_address(chars[*i])).last().unwrap_or(at);
        if from < at && to > at {
            hidden[from..=to].fill(true);
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut masking = false;
    for (c, hide) in chars.iter().zip(&hidden) {
        match (hide, masking) {
            (true, false) => out.push_str("•••"),
            (true, true) => {}
            (false, _) => out.push(*c),
        }
        masking = *hide;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_numbers_and_mail_but_not_house_numbers() {
        assert_eq!(mask_contact("Gọi 0912 345 678 hoặc a.b@example.vn nhé"), "Gọi ••• hoặc ••• nhé");
        assert_eq!(mask_contact("+84-912-345-678."), "•••.");
        assert_eq!(mask_contact("CCCD 034099001234, số nhà 12, ngõ 345"), "CCCD •••, số nhà 12, ngõ 345");
        assert_eq!(mask_contact("từ 7 giờ đến 11 giờ ngày 21.11.2026"), "từ 7 giờ đến 11 giờ ngày 21.11.2026");
        assert_eq!(mask_contact("cột số 15 @ ngã tư"), "cột số 15 @ ngã tư");
    }

    #[test]
    fn cleans_and_bounds() {
        assert_eq!(clean(" a\u{0}b\nc ", "text", 10).unwrap(), "ab\nc");
        assert_eq!(clean("ăăăă", "text", 3).unwrap_err().code(), "case.text.too-long");
        assert_eq!(normal_code(" hy-7okl2a "), "HY-70K12A");
        assert_eq!(short("một  hai\nba", 5), "một h…");
        assert_eq!(derived_code(&["a", "b"]), derived_code(&["a", "b"]));
        assert_ne!(derived_code(&["a", "b"]), derived_code(&["ab", ""]));
    }
}
