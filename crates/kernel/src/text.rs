//! Vietnamese text.

use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// Folds for search: lower case, no diacritics, `đ` → `d`, runs of white space to one blank. "Thái Bình" → "thai binh".
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            put(&mut out, c.to_ascii_lowercase());
        } else {
            // Letter by letter: the order of marks, which whole texts would be looked through for, does not matter once they are gone.
            decompose_canonical(c, |part| {
                if !is_combining_mark(part) {
                    part.to_lowercase().for_each(|c| put(&mut out, c));
                }
            });
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn put(out: &mut String, c: char) {
    match c {
        'đ' => out.push('d'),
        c if !c.is_whitespace() => out.push(c),
        _ if !out.ends_with(' ') && !out.is_empty() => out.push(' '),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;
    use unicode_normalization::char::is_combining_mark;

    use super::fold;

    proptest! {
        #[test]
        fn folds_like_the_whole_text_decomposed(text in "\\PC{0,40}|[ăâđêôơưẠ-ỹ\u{300}-\u{323} İẞ가-힣]{0,40}") {
            let slow: String = text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).map(|c| if c == 'đ' { 'd' } else { c }).collect();
            prop_assert_eq!(fold(&text), slow.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }

    #[test]
    fn folds_vietnamese() {
        assert_eq!(fold("  Thái   BÌNH – Đường Lê Lợi "), "thai binh – duong le loi");
        // The same word typed with combining marks (NFD) folds alike.
        assert_eq!(fold("Hu\u{31b}ng Ye\u{302}n"), fold("Hưng Yên"));
    }
}
