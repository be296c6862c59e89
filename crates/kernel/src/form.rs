//! Texts that people write into forms.

use crate::{Error, Result};

/// How a domain takes texts of its forms: the rules are the same everywhere, the codes of its refusals are its own.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Code of a text that is too long, or holds signs that are no text.
    pub too_long: &'static str,
    /// Code of a text that is needed and empty.
    pub empty: &'static str,
    /// Code of a form that was filled in on an older version of the thing.
    pub version: &'static str,
}

impl Form {
    /// The text without blanks around it: at most so many characters, and no control characters but line breaks. 422 [`Form::too_long`]
    /// names the field.
    pub fn bounded(&self, text: &str, most: usize, field: &'static str) -> Result<String> {
        let text = text.trim();
        if text.chars().count() > most || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Error::unprocessable(self.too_long, "A field is longer than it may be, or holds signs that are no text.").with("field", field));
        }
        Ok(text.to_string())
    }

    /// [`Form::bounded`], and not empty. 422 [`Form::empty`] names the field.
    pub fn needed(&self, text: &str, most: usize, field: &'static str) -> Result<String> {
        let text = self.bounded(text, most, field)?;
        if text.is_empty() {
            return Err(Error::unprocessable(self.empty, "A field that is needed is empty.").with("field", field));
        }
        Ok(text)
    }

    /// Somebody else changed the thing meanwhile. 409 [`Form::version`].
    pub fn stale(&self) -> Error {
        Error::conflict(self.version, "Somebody else changed this meanwhile; look again.")
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    const FORM: Form = Form { too_long: "x.too-long", empty: "x.empty", version: "x.version" };

    #[test]
    fn texts_are_bounded_by_characters_after_trimming() {
        assert_eq!(FORM.bounded("  Đường\nLê Lợi ", 12, "name").unwrap(), "Đường\nLê Lợi");
        assert_eq!(FORM.bounded(" ", 1, "name").unwrap(), "");
        for (refused, code) in [
            (FORM.bounded("Đường", 4, "name"), "x.too-long"),
            (FORM.bounded("a\tb", 9, "name"), "x.too-long"),
            (FORM.needed("Đường", 4, "name"), "x.too-long"),
            (FORM.needed(" \n ", 9, "name"), "x.empty"),
        ] {
            let refused = refused.unwrap_err();
            assert_eq!((refused.code(), refused.kind().status()), (code, 422));
            assert_eq!(refused.context(), [("field", "name".to_string())]);
        }
        assert_eq!((FORM.stale().code(), FORM.stale().kind().status()), ("x.version", 409));
    }
}
