//! Papers: what people print, sign and file. A [`Paper`] is a list of headings, paragraphs, facts, tables and pictures; it becomes
//! a PDF that screen readers can read (PDF/UA-1), in a typeface drawn for Vietnamese, with page numbers and a check mark at the
//! foot of every page.
//!
//! The check mark is the SHA-256 of what the paper says. The same content gives the same mark whenever it is printed, so a printed
//! paper can be held against what the platform says now. Who may see what is on a paper is the business of whoever writes it.

mod draw;
mod face;
mod layout;
mod press;
#[cfg(feature = "testing")]
#[allow(clippy::expect_used, clippy::print_stderr, missing_docs)]
pub mod testing;
mod words;

use dothi_kernel::{Error, Result, Timestamp};
use sha2::{Digest, Sha256};

pub use press::Turn;
pub use words::{Lexicon, Words};

/// Pictures on one paper.
pub const PICTURES: usize = 40;
/// Bytes of all its pictures.
pub const PICTURE_BYTES: usize = 64 << 20;
/// Characters of all its words.
pub const CHARS: usize = 1_000_000;
/// Cells of all its tables.
pub const CELLS: usize = 60_000;

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// What stands at its head.
    pub head: String,
    /// Its share of the width, against the other columns' shares.
    pub share: f32,
}

impl Column {
    /// A column.
    pub fn new(head: impl Into<String>, share: f32) -> Self {
        Self { head: head.into(), share: share.max(0.1) }
    }
}

/// A picture: JPEG or PNG.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// What stands under it; also what a screen reader says.
    pub caption: String,
}

/// A part of a paper.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    /// A heading of level 2 or 3; the title is level 1.
    Heading(u8, String),
    Text(String),
    /// What must not be overlooked.
    Strong(String),
    /// Small and grey: where something comes from, what it does not say.
    Note(String),
    /// Names and what they are, side by side.
    Facts(Vec<(String, String)>),
    Table(Vec<Column>, Vec<Vec<String>>),
    Pictures(Vec<Picture>),
    /// Who signs, and how; to the right.
    Signature(Vec<String>),
}

/// What stands at the foot of every page, in the reader's language.
#[derive(Debug, Clone, PartialEq)]
pub struct Imprint {
    /// Whose paper it is and when it was made.
    pub line: String,
    /// `{page}` and `{pages}` stand for the numbers: `Trang {page}/{pages}`.
    pages: String,
    /// What leads the check mark: `Mã kiểm tra nội dung (SHA-256)`.
    mark: String,
}

impl Imprint {
    /// The foot of a page.
    pub fn new(line: impl Into<String>, pages: impl Into<String>, mark: impl Into<String>) -> Self {
        Self { line: line.into(), pages: pages.into(), mark: mark.into() }
    }
}

/// A paper that is being written.
#[derive(Debug, Clone, PartialEq)]
pub struct Paper {
    lang: String,
    /// Lines above the title, left and right: whose paper it is, and of which state.
    letterhead: [Vec<String>; 2],
    title: String,
    blocks: Vec<Block>,
}

impl Paper {
    /// An empty paper in a language (`vi`, `en`).
    pub fn new(lang: impl Into<String>, title: impl Into<String>) -> Self {
        Self { lang: lang.into(), letterhead: [Vec::new(), Vec::new()], title: title.into(), blocks: Vec::new() }
    }

    /// Lines above the title in two columns, as official papers have them: the agency to the left, the state to the right. The first of
    /// each is strong; the title then stands in the middle.
    pub fn letterhead(&mut self, left: Vec<String>, right: Vec<String>) -> &mut Self {
        self.letterhead = [left, right];
        self
    }

    /// Who signs: the first line is strong, the others say how.
    pub fn signature(&mut self, lines: Vec<String>) -> &mut Self {
        if lines.is_empty() { self } else { self.push(Block::Signature(lines)) }
    }

    /// A heading.
    pub fn heading(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Block::Heading(2, text.into()))
    }

    /// A heading below a heading.
    pub fn subheading(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Block::Heading(3, text.into()))
    }

    /// Paragraphs; a line end ends one.
    pub fn text(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Block::Text(text.into()))
    }

    /// Words that must not be overlooked.
    pub fn strong(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Block::Strong(text.into()))
    }

    /// A remark in small print.
    pub fn note(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Block::Note(text.into()))
    }

    /// Names and what they are; those that are nothing are left out.
    pub fn facts(&mut self, facts: impl IntoIterator<Item = (String, String)>) -> &mut Self {
        let facts: Vec<_> = facts.into_iter().filter(|(_, what)| !what.trim().is_empty()).collect();
        if facts.is_empty() { self } else { self.push(Block::Facts(facts)) }
    }

    /// A table; rows are as long as its head. One without rows is left out.
    pub fn table(&mut self, head: Vec<Column>, rows: Vec<Vec<String>>) -> &mut Self {
        let width = head.len();
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|mut row| {
                row.resize(width, String::new());
                row
            })
            .collect();
        if rows.is_empty() || width == 0 { self } else { self.push(Block::Table(head, rows)) }
    }

    /// Pictures, two beside each other.
    pub fn pictures(&mut self, pictures: Vec<Picture>) -> &mut Self {
        if pictures.is_empty() { self } else { self.push(Block::Pictures(pictures)) }
    }

    fn push(&mut self, block: Block) -> &mut Self {
        self.blocks.push(block);
        self
    }

    /// SHA-256 of all that it says, in hexadecimal: title, words and pictures in their order, each led by what it is and its length.
    pub fn mark(&self) -> String {
        let mut hasher = Sha256::new();
        let mut say = |what: &str, bytes: &[u8]| {
            hasher.update(what);
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        self.letterhead.iter().flatten().for_each(|line| say("letterhead", line.as_bytes()));
        say("title", self.title.as_bytes());
        for block in &self.blocks {
            match block {
                Block::Heading(level, text) => say(&format!("heading{level}"), text.as_bytes()),
                Block::Text(text) => say("text", text.as_bytes()),
                Block::Strong(text) => say("strong", text.as_bytes()),
                Block::Note(text) => say("note", text.as_bytes()),
                Block::Signature(lines) => lines.iter().for_each(|line| say("signature", line.as_bytes())),
                Block::Facts(facts) => facts.iter().for_each(|(name, what)| {
                    say("name", name.as_bytes());
                    say("fact", what.as_bytes());
                }),
                Block::Table(head, rows) => {
                    head.iter().for_each(|c| say("head", c.head.as_bytes()));
                    rows.iter().flatten().for_each(|cell| say("cell", cell.as_bytes()));
                }
                Block::Pictures(pictures) => pictures.iter().for_each(|p| {
                    say("picture", &p.bytes);
                    say("caption", p.caption.as_bytes());
                }),
            }
        }
        hex::encode(hasher.finalize())
    }

    fn check(&self) -> Result<()> {
        let head: usize = self.letterhead.iter().flatten().map(String::len).sum();
        let (mut chars, mut cells, mut pictures, mut bytes) = (self.title.len() + head, 0, 0, 0);
        for block in &self.blocks {
            match block {
                Block::Heading(_, text) | Block::Text(text) | Block::Strong(text) | Block::Note(text) => chars += text.len(),
                Block::Signature(lines) => chars += lines.iter().map(String::len).sum::<usize>(),
                Block::Facts(facts) => {
                    cells += facts.len() * 2;
                    chars += facts.iter().map(|(n, w)| n.len() + w.len()).sum::<usize>();
                }
                Block::Table(_, rows) => {
                    cells += rows.iter().map(Vec::len).sum::<usize>();
                    chars += rows.iter().flatten().map(String::len).sum::<usize>();
                }
                Block::Pictures(some) => {
                    pictures += some.len();
                    bytes += some.iter().map(|p| p.bytes.len()).sum::<usize>();
                }
            }
        }
        if chars > CHARS || cells > CELLS || pictures > PICTURES || bytes > PICTURE_BYTES {
            return Err(Error::too_large("paper.too-large", "This would be too much for one paper."));
        }
        Ok(())
    }

    /// How many pages it takes. Errors as of [`Paper::pdf`].
    pub fn pages(&self) -> Result<usize> {
        self.check()?;
        let sizes = draw::pictures(&self.blocks)?.iter().map(|p| p.size()).collect::<Vec<_>>();
        let imprint = Imprint::new("", "", "");
        Ok(layout::lay_out(self, &face::Faces::load()?, &sizes, &imprint, "").pages.len())
    }

    /// The PDF. It takes some time: [`Turn::print`] calls it where the processor may be held. 413 `paper.too-large`, 422
    /// `paper.picture` for a picture that cannot be read.
    pub fn pdf(&self, imprint: &Imprint, at: Timestamp) -> Result<Vec<u8>> {
        self.check()?;
        let pictures = draw::pictures(&self.blocks)?;
        let sizes = pictures.iter().map(|p| p.size()).collect::<Vec<_>>();
        let faces = face::Faces::load()?;
        let layout = layout::lay_out(self, &faces, &sizes, imprint, &self.mark());
        draw::draw(self, &faces, layout, pictures, at)
    }
}
