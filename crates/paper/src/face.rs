//! The typeface and how wide its words are. Vietnamese is written with composed letters (NFC), of which the face has all: every
//! letter is one sign, so nothing more than widths is needed to set it.

use dothi_kernel::{Error, Result};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use unicode_normalization::UnicodeNormalization;

static REGULAR: &[u8] = include_bytes!("../fonts/BeVietnamPro-Regular.ttf");
static STRONG: &[u8] = include_bytes!("../fonts/BeVietnamPro-SemiBold.ttf");
/// Stands for a letter that the face does not have.
const UNKNOWN: char = '?';

/// A weight of the face.
pub(crate) struct Face {
    pub font: Font,
    read: FontRef<'static>,
    units: f32,
}

/// The weights that papers use.
pub(crate) struct Faces {
    pub regular: Face,
    pub strong: Face,
}

impl Faces {
    pub fn load() -> Result<Self> {
        Ok(Self { regular: Face::load(REGULAR)?, strong: Face::load(STRONG)? })
    }
}

/// A line as it will stand: its letters and how wide it is at one point's size.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    pub width: f32,
}

/// Letters that only tell how others are joined or looked at.
fn unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

impl Face {
    fn load(bytes: &'static [u8]) -> Result<Self> {
        let broken = || Error::internal("reading a typeface", "the file is not one");
        let font = Font::new(bytes.into(), 0).ok_or_else(broken)?;
        let read = FontRef::new(bytes).map_err(|e| Error::internal("reading a typeface", e))?;
        let units = font.units_per_em();
        Ok(Self { font, read, units })
    }

    /// Sets one line. Letters that the face does not have become question marks.
    pub fn set(&self, text: &str) -> Set {
        let (map, metrics) = (self.read.charmap(), self.read.glyph_metrics(Size::unscaled(), LocationRef::default()));
        let mut set = Set { text: String::with_capacity(text.len()), glyphs: Vec::with_capacity(text.len()), width: 0.0 };
        for c in text.nfc().filter(|c| !unseen(*c)) {
            let (c, id) = match map.map(c) {
                Some(id) => (c, id),
                None if c.is_whitespace() => (' ', map.map(' ').unwrap_or_default()),
                None => (UNKNOWN, map.map(UNKNOWN).unwrap_or_default()),
            };
            let from = set.text.len();
            set.text.push(c);
            let advance = metrics.advance_width(id).unwrap_or_default() / self.units;
            set.width += advance;
            set.glyphs.push(KrillaGlyph::new(GlyphId::new(id.to_u32()), advance, 0.0, 0.0, 0.0, from..set.text.len(), None));
        }
        set
    }

    fn width(&self, text: &str) -> f32 {
        self.set(text).width
    }

    /// Lines that are at most `width` wide at `size`. A line end in the text ends a line; a word that is wider is broken.
    pub fn lines(&self, text: &str, size: f32, width: f32) -> Vec<Set> {
        let (room, blank) = (width / size, self.width(" "));
        let mut lines = Vec::new();
        for paragraph in text.split('\n') {
            let (mut line, mut used) = (String::new(), 0.0);
            for word in paragraph.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
                let wide = self.width(word);
                if !line.is_empty() && used + blank + wide > room {
                    lines.push(self.set(&std::mem::take(&mut line)));
                    used = 0.0;
                }
                if !line.is_empty() {
                    line.push(' ');
                    used += blank;
                }
                if wide <= room {
                    line.push_str(word);
                    used += wide;
                    continue;
                }
                for c in word.nfc() {
                    let wide = self.width(c.encode_utf8(&mut [0; 4]));
                    if used + wide > room && !line.is_empty() {
                        lines.push(self.set(&std::mem::take(&mut line)));
                        used = 0.0;
                    }
                    line.push(c);
                    used += wide;
                }
            }
            lines.push(self.set(&line));
        }
        while lines.last().is_some_and(|l| l.text.is_empty()) {
            lines.pop();
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: &str = "aàảãáạăằẳẵắặâầẩẫấậeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵđ";

    #[test]
    fn the_face_has_every_vietnamese_letter_in_both_weights_composed_or_not() {
        let faces = Faces::load().unwrap();
        let all: String = LETTERS.chars().chain(LETTERS.to_uppercase().chars()).chain("0123456789–—…•“”‘’₫%°²³×·".chars()).collect();
        for face in [&faces.regular, &faces.strong] {
            assert_eq!(face.set(&all).text, all);
            let taken_apart: String = all.nfd().collect();
            assert_eq!(face.set(&taken_apart).text, all);
            assert_eq!(face.set("a→😀").text, "a??");
            assert_eq!(face.set("a\u{200b}❤\u{fe0f}b").text, "a?b");
        }
        let set = faces.regular.set("ạb");
        assert_eq!(set.glyphs.iter().map(|g| g.text_range.clone()).collect::<Vec<_>>(), [0..3, 3..4]);
    }

    #[test]
    fn lines_fit_and_keep_all_words() {
        let faces = Faces::load().unwrap();
        let text = "Nắp cống trước số nhà 12 bị vỡ, nước tràn ra đường.\n\nhttps://example.vn/mot-dia-chi-rat-dai-khong-co-dau-cach-nao-de-ngat-dong";
        let lines = faces.regular.lines(text, 10.0, 120.0);
        assert!(lines.iter().all(|l| l.width * 10.0 <= 120.0));
        let joined: String = lines.iter().map(|l| l.text.as_str()).collect::<String>().replace(' ', "");
        assert_eq!(joined, text.replace([' ', '\n'], ""));
        assert!(lines.iter().any(|l| l.text.is_empty()), "an empty paragraph stays one");
        assert!(faces.regular.lines("  \n ", 10.0, 100.0).is_empty());
    }
}
