//! Where everything stands: blocks become lines, rules and pictures on pages of A4. Nothing is drawn here.

use crate::face::{Face, Faces, Set};
use crate::{Block, Column, Imprint, Paper, Picture};

/// A4 in points.
pub(crate) const PAGE: (f32, f32) = (595.28, 841.89);
const MARGIN: f32 = 54.0;
const TOP: f32 = 50.0;
/// What the foot takes.
const FOOT: f32 = 62.0;
const WIDTH: f32 = PAGE.0 - 2.0 * MARGIN;
const BOTTOM: f32 = PAGE.1 - FOOT;
const GAP: f32 = 12.0;
/// Between a cell's edge and its words.
const PAD: f32 = 4.0;
/// Highest picture.
const PICTURE: f32 = 230.0;

/// How words look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Style {
    pub size: f32,
    pub strong: bool,
    pub grey: bool,
}

const TITLE: Style = Style { size: 18.0, strong: true, grey: false };
const HEADING: Style = Style { size: 13.0, strong: true, grey: false };
const SUBHEADING: Style = Style { size: 11.0, strong: true, grey: false };
const BODY: Style = Style { size: 10.0, strong: false, grey: false };
const STRONG: Style = Style { size: 10.0, strong: true, grey: false };
const CELL: Style = Style { size: 9.0, strong: false, grey: false };
const HEAD: Style = Style { size: 9.0, strong: true, grey: false };
const NAME: Style = Style { size: 9.0, strong: false, grey: true };
const SMALL: Style = Style { size: 8.0, strong: false, grey: true };

impl Style {
    fn face<'a>(&self, faces: &'a Faces) -> &'a Face {
        if self.strong { &faces.strong } else { &faces.regular }
    }
    fn height(&self) -> f32 {
        self.size * 1.42
    }
}

/// What a part is, for screen readers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Role {
    Heading(u8, String),
    Paragraph,
    Table,
    Row,
    /// Heads the column below it.
    Head,
    /// Heads the row beside it.
    Name,
    Cell,
    Figure(String),
    Caption,
}

/// A part and the part it stands in.
pub(crate) struct Node {
    pub role: Role,
    pub inside: Option<usize>,
}

/// Something on a page, from its left upper corner.
pub(crate) enum Ink {
    /// A line of words; `y` is the base line.
    Words {
        x: f32,
        y: f32,
        style: Style,
        set: Set,
    },
    Rule {
        x: f32,
        y: f32,
        width: f32,
    },
    Picture {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        index: usize,
    },
}

/// Ink and the part it belongs to; none = decoration, page numbers, heads that are repeated.
pub(crate) struct Placed {
    pub node: Option<usize>,
    pub ink: Ink,
}

/// A heading for the list of contents: words, level, page, height.
pub(crate) struct Mark {
    pub text: String,
    pub level: u8,
    pub page: usize,
    pub y: f32,
}

/// A paper, laid out.
pub(crate) struct Layout {
    pub pages: Vec<Vec<Placed>>,
    pub nodes: Vec<Node>,
    pub marks: Vec<Mark>,
}

struct Desk<'a> {
    faces: &'a Faces,
    out: Layout,
    y: f32,
}

/// Lays a paper out. `sizes` are those of its pictures, in their order.
pub(crate) fn lay_out(paper: &Paper, faces: &Faces, sizes: &[(u32, u32)], imprint: &Imprint, mark: &str) -> Layout {
    let mut desk = Desk { faces, out: Layout { pages: vec![Vec::new()], nodes: Vec::new(), marks: Vec::new() }, y: TOP };
    desk.letterhead(&paper.letterhead);
    desk.heading(1, &paper.title, TITLE, paper.letterhead.iter().any(|l| !l.is_empty()));
    let mut shown = 0;
    for block in &paper.blocks {
        match block {
            Block::Heading(2, text) => desk.heading(2, text, HEADING, false),
            Block::Heading(level, text) => desk.heading(*level, text, SUBHEADING, false),
            Block::Text(text) => desk.paragraphs(text, BODY),
            Block::Strong(text) => desk.paragraphs(text, STRONG),
            Block::Note(text) => desk.paragraphs(text, SMALL),
            Block::Signature(lines) => desk.signature(lines),
            Block::Facts(facts) => desk.facts(facts),
            Block::Table(head, rows) => desk.table(head, rows),
            Block::Pictures(pictures) => {
                desk.pictures(pictures, &sizes[shown..], shown);
                shown += pictures.len();
            }
        }
    }
    desk.feet(imprint, mark);
    desk.out
}

impl Desk<'_> {
    fn node(&mut self, role: Role, inside: Option<usize>) -> usize {
        self.out.nodes.push(Node { role, inside });
        self.out.nodes.len() - 1
    }

    fn put(&mut self, node: Option<usize>, ink: Ink) {
        if let Some(page) = self.out.pages.last_mut() {
            page.push(Placed { node, ink });
        }
    }

    fn turn(&mut self) {
        self.out.pages.push(Vec::new());
        self.y = TOP;
    }

    /// Whether a new page was begun because so much does not fit any more.
    fn need(&mut self, height: f32) -> bool {
        let full = self.y + height > BOTTOM && self.y > TOP;
        if full {
            self.turn();
        }
        full
    }

    fn line(&mut self, node: Option<usize>, x: f32, style: Style, set: Set) {
        let y = self.y + style.size * 1.05;
        if !set.text.is_empty() {
            self.put(node, Ink::Words { x, y, style, set });
        }
    }

    /// Lines around a middle, the first one strong; where they end.
    fn centred(&mut self, lines: &[String], middle: f32, width: f32) -> f32 {
        let top = self.y;
        for (n, text) in lines.iter().enumerate() {
            let style = if n == 0 { STRONG } else { BODY };
            let node = self.node(Role::Paragraph, None);
            for set in style.face(self.faces).lines(text, style.size, width) {
                let x = middle - set.width * style.size / 2.0;
                self.line(Some(node), x, style, set);
                self.y += style.height();
            }
        }
        std::mem::replace(&mut self.y, top)
    }

    fn letterhead(&mut self, [left, right]: &[Vec<String>; 2]) {
        if left.is_empty() && right.is_empty() {
            return;
        }
        // The state's name is longer than most agencies'.
        let (narrow, wide) = (WIDTH * 0.42, WIDTH * 0.55);
        let ends = [self.centred(left, MARGIN + narrow / 2.0, narrow), self.centred(right, MARGIN + WIDTH - wide / 2.0, wide)];
        self.y = ends[0].max(ends[1]) + BODY.height();
    }

    /// To the right, with room for the hand.
    fn signature(&mut self, lines: &[String]) {
        let width = WIDTH / 2.0;
        self.need(BODY.height() * (lines.len() as f32 + 5.0));
        self.y += BODY.height();
        self.y = self.centred(lines, MARGIN + WIDTH - width / 2.0, width) + 4.0 * BODY.height();
    }

    fn heading(&mut self, level: u8, text: &str, style: Style, middle: bool) {
        let lines = style.face(self.faces).lines(text, style.size, WIDTH);
        if self.y > TOP {
            self.y += style.size * 0.8;
        }
        // A heading does not stand alone at the end of a page.
        self.need(style.height() * lines.len() as f32 + 3.0 * BODY.height());
        let node = self.node(Role::Heading(level, text.to_string()), None);
        let (page, y) = (self.out.pages.len() - 1, self.y);
        self.out.marks.push(Mark { text: text.to_string(), level, page, y });
        for set in lines {
            let x = if middle { MARGIN + (WIDTH - set.width * style.size) / 2.0 } else { MARGIN };
            self.line(Some(node), x, style, set);
            self.y += style.height();
        }
        self.y += style.size * 0.3;
    }

    fn paragraphs(&mut self, text: &str, style: Style) {
        for paragraph in text.split('\n').filter(|p| !p.trim().is_empty()) {
            let node = self.node(Role::Paragraph, None);
            for set in style.face(self.faces).lines(paragraph, style.size, WIDTH) {
                self.need(style.height());
                self.line(Some(node), MARGIN, style, set);
                self.y += style.height();
            }
            self.y += style.size * 0.4;
        }
    }

    fn facts(&mut self, facts: &[(String, String)]) {
        let table = self.node(Role::Table, None);
        for (name, what) in facts {
            self.row(table, &[(MARGIN, 140.0, NAME, Role::Name, name.as_str()), (MARGIN + 150.0, WIDTH - 150.0, BODY, Role::Cell, what.as_str())], None);
        }
        self.y += 6.0;
    }

    fn table(&mut self, head: &[Column], rows: &[Vec<String>]) {
        let table = self.node(Role::Table, None);
        let all: f32 = head.iter().map(|c| c.share).sum();
        let mut x = MARGIN;
        let places: Vec<(f32, f32)> = head
            .iter()
            .map(|c| {
                let width = WIDTH * c.share / all;
                x += width;
                (x - width, width - 2.0 * PAD)
            })
            .collect();
        let heads: Vec<Cell<'_>> = head.iter().zip(&places).map(|(c, (x, w))| (*x, *w, HEAD, Role::Head, c.head.as_str())).collect();
        self.row(table, &heads, None);
        for row in rows {
            let cells: Vec<Cell<'_>> = row.iter().zip(&places).map(|(text, (x, w))| (*x, *w, CELL, Role::Cell, text.as_str())).collect();
            self.row(table, &cells, Some(&heads));
        }
        self.y += 8.0;
    }

    /// A row of a table; on a new page the heads stand above it again. One that is higher than a page goes on on the next.
    fn row(&mut self, table: usize, cells: &[Cell<'_>], heads: Option<&[Cell<'_>]>) {
        let mut set: Vec<Vec<Set>> = cells.iter().map(|(_, width, style, _, text)| style.face(self.faces).lines(text, style.size, *width)).collect();
        let height = cells.iter().map(|(_, _, style, ..)| style.height()).fold(0.0, f32::max);
        let most = set.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let whole = height * most as f32 + 2.0 * PAD;
        if self.need(if whole < BOTTOM - TOP - 60.0 { whole } else { height + PAD }) {
            self.again(heads);
        }
        let row = self.node(Role::Row, Some(table));
        let nodes: Vec<usize> = cells.iter().map(|(_, _, _, role, _)| self.node(role.clone(), Some(row))).collect();
        self.y += PAD;
        let mut done = 0;
        while done < most {
            if self.need(height) {
                self.again(heads);
            }
            // Cell after cell, so that each is read as a whole.
            let (top, fit) = (self.y, ((BOTTOM - self.y) / height) as usize);
            let to = most.min(done + fit.max(1));
            for (cell, (x, _, style, ..)) in cells.iter().enumerate() {
                self.y = top;
                let here = set[cell].len().min(to - done);
                for one in set[cell].drain(..here) {
                    self.line(Some(nodes[cell]), *x, *style, one);
                    self.y += height;
                }
            }
            self.y = top + height * (to - done) as f32;
            done = to;
        }
        self.y += PAD;
        let y = self.y;
        self.put(None, Ink::Rule { x: MARGIN, y, width: WIDTH });
    }

    fn again(&mut self, heads: Option<&[Cell<'_>]>) {
        let Some(heads) = heads else { return };
        let mut most = 0;
        for (x, width, style, _, text) in heads {
            for (line, set) in style.face(self.faces).lines(text, style.size, *width).into_iter().enumerate() {
                let y = self.y + PAD + style.height() * line as f32 + style.size * 1.05;
                self.put(None, Ink::Words { x: *x, y, style: *style, set });
                most = most.max(line + 1);
            }
        }
        self.y += HEAD.height() * most as f32 + 2.0 * PAD;
        let y = self.y;
        self.put(None, Ink::Rule { x: MARGIN, y, width: WIDTH });
    }

    /// Two beside each other; what stands under them keeps with them.
    fn pictures(&mut self, pictures: &[Picture], sizes: &[(u32, u32)], first: usize) {
        let room = (WIDTH - GAP) / 2.0;
        let both: Vec<_> = pictures.iter().zip(sizes).enumerate().collect();
        for pair in both.chunks(2) {
            let fitted: Vec<(f32, f32, Vec<Set>)> = pair
                .iter()
                .map(|(_, (picture, (w, h)))| {
                    let (w, h) = (w.to_owned().max(1) as f32, h.to_owned().max(1) as f32);
                    let scale = (room / w).min(PICTURE / h);
                    (w * scale, h * scale, SMALL.face(self.faces).lines(&picture.caption, SMALL.size, room))
                })
                .collect();
            let high = fitted.iter().map(|(_, h, _)| *h).fold(0.0, f32::max);
            let under = fitted.iter().map(|(.., lines)| lines.len()).max().unwrap_or(0) as f32 * SMALL.height();
            self.need(high + under + 8.0);
            let top = self.y;
            for (column, ((n, (picture, _)), (width, height, lines))) in pair.iter().zip(fitted).enumerate() {
                let x = MARGIN + column as f32 * (room + GAP);
                let figure = self.node(Role::Figure(picture.caption.clone()), None);
                self.put(Some(figure), Ink::Picture { x, y: top, width, height, index: first + n });
                let caption = self.node(Role::Caption, None);
                self.y = top + high + 2.0;
                for set in lines {
                    self.line(Some(caption), x, SMALL, set);
                    self.y += SMALL.height();
                }
            }
            self.y = top + high + under + 10.0;
        }
    }

    /// The foot of every page, when it is known how many there are.
    fn feet(&mut self, imprint: &Imprint, mark: &str) {
        let (pages, face) = (self.out.pages.len(), &self.faces.regular);
        let first = |text: &str, width: f32| face.lines(text, SMALL.size, width).into_iter().next();
        for (n, page) in self.out.pages.iter_mut().enumerate() {
            let top = BOTTOM + 14.0;
            let mut put = |ink| page.push(Placed { node: None, ink });
            put(Ink::Rule { x: MARGIN, y: top, width: WIDTH });
            let number = face.set(&imprint.pages.replace("{page}", &(n + 1).to_string()).replace("{pages}", &pages.to_string()));
            let x = MARGIN + WIDTH - number.width * SMALL.size;
            let room = x - MARGIN - GAP;
            put(Ink::Words { x, y: top + 12.0, style: SMALL, set: number });
            if let Some(set) = first(&imprint.line, room) {
                put(Ink::Words { x: MARGIN, y: top + 12.0, style: SMALL, set });
            }
            if let Some(set) = first(&format!("{}: {mark}", imprint.mark), WIDTH) {
                put(Ink::Words { x: MARGIN, y: top + 24.0, style: SMALL, set });
            }
        }
    }
}

/// Left edge, width, look, what it is, words.
type Cell<'a> = (f32, f32, Style, Role, &'a str);
