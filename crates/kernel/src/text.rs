//! Vietnamese text.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Folds for search: lower case, no diacritics, `đ` → `d`, runs of white space to one blank. "Thái Bình" → "thai binh".
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'đ' => out.push('d'),
            c if c.is_whitespace() => {
                if !out.ends_with(' ') && !out.is_empty() {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn folds_vietnamese() {
        assert_eq!(fold("  Thái   BÌNH – Đường Lê Lợi "), "thai binh – duong le loi");
        // The same word typed with combining marks (NFD) folds alike.
        assert_eq!(fold("Hu\u{31b}ng Ye\u{302}n"), fold("Hưng Yên"));
    }
}
