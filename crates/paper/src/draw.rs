//! Draws what was laid out, with the tree that screen readers go by.

use std::num::NonZeroU16;

use dothi_kernel::{Error, Result, Timestamp};
use jiff::tz::TimeZone;
use krilla::color::rgb;
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, Node as TagNode, SpanTag, TableHeaderScope, Tag, TagGroup, TagTree};
use krilla::{Document, SerializeSettings};

use crate::face::Faces;
use crate::layout::{Ink, Layout, Mark, Node, PAGE, Placed, Role};
use crate::{Block, Paper};

fn failed(doing: &'static str) -> impl Fn() -> Error {
    move || Error::internal("drawing a paper", doing)
}

/// Reads the pictures. 422 `paper.picture`.
pub(crate) fn pictures(blocks: &[Block]) -> Result<Vec<Image>> {
    let pictures = blocks.iter().filter_map(|b| if let Block::Pictures(some) = b { Some(some) } else { None }).flatten();
    let read = |bytes: &Vec<u8>| match bytes.first() {
        Some(0x89) => Image::from_png(bytes.clone().into(), false),
        _ => Image::from_jpeg(bytes.clone().into(), false),
    };
    pictures.map(|p| read(&p.bytes).map_err(|e| Error::unprocessable("paper.picture", "A picture of this paper cannot be read.").because(e))).collect()
}

fn fill(grey: bool) -> Fill {
    let shade = if grey { 95 } else { 20 };
    Fill { paint: rgb::Color::new(shade, shade, shade).into(), ..Fill::default() }
}

fn ink(surface: &mut Surface<'_>, faces: &Faces, pictures: &[Image], ink: &Ink) -> Option<()> {
    match ink {
        Ink::Words { x, y, style, set } => {
            surface.set_fill(Some(fill(style.grey)));
            let face = if style.strong { &faces.strong } else { &faces.regular };
            surface.draw_glyphs(Point::from_xy(*x, *y), &set.glyphs, face.font.clone(), &set.text, style.size, false);
        }
        Ink::Rule { x, y, width } => {
            let mut path = PathBuilder::new();
            path.push_rect(Rect::from_xywh(*x, *y, *width, 0.5)?);
            surface.set_fill(Some(Fill { paint: rgb::Color::new(200, 205, 205).into(), ..Fill::default() }));
            surface.draw_path(&path.finish()?);
        }
        Ink::Picture { x, y, width, height, index } => {
            let (picture, size) = (pictures.get(*index)?.clone(), Size::from_wh(*width, *height)?);
            surface.push_transform(&Transform::from_translate(*x, *y));
            surface.draw_image(picture, size);
            surface.pop();
        }
    }
    Some(())
}

/// The PDF.
pub(crate) fn draw(paper: &Paper, faces: &Faces, layout: Layout, pictures: Vec<Image>, at: Timestamp) -> Result<Vec<u8>> {
    let configuration = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish();
    let configuration = configuration.map_err(|e| Error::internal("drawing a paper", format!("{e:?}")))?;
    let mut document = Document::new_with(SerializeSettings { configuration, enable_tagging: true, ..SerializeSettings::default() });
    let mut found: Vec<Vec<Identifier>> = layout.nodes.iter().map(|_| Vec::new()).collect();
    for placed in &layout.pages {
        let settings = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(failed("a page without a size"))?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        for Placed { node, ink: what } in placed {
            let tag = match (node, what) {
                (None, Ink::Words { .. }) => ContentTag::Artifact(Artifact::with_kind(ArtifactType::PaginationOther)),
                (None, _) => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)),
                (Some(_), Ink::Words { .. }) => ContentTag::Span(SpanTag::empty()),
                (Some(_), _) => ContentTag::Other,
            };
            let identifier = surface.start_tagged(tag);
            let drawn = ink(&mut surface, faces, &pictures, what);
            surface.end_tagged();
            drawn.ok_or_else(failed("a part without a size"))?;
            if let Some(found) = node.and_then(|n| found.get_mut(n)) {
                found.push(identifier);
            }
        }
        surface.finish();
        page.finish();
    }
    let mut tree = TagTree::new().with_lang(Some(paper.lang.clone()));
    for group in groups(&layout.nodes, found) {
        tree.push(group);
    }
    document.set_tag_tree(tree);
    document.set_outline(outline(&layout.marks));
    let made = at.to_zoned(TimeZone::UTC);
    let part = |n: i8| u8::try_from(n).unwrap_or_default();
    let date = DateTime::new(u16::try_from(made.year()).unwrap_or_default())
        .month(part(made.month()))
        .day(part(made.day()))
        .hour(part(made.hour()))
        .minute(part(made.minute()))
        .second(part(made.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    let about = Metadata::new().title(paper.title.clone()).language(paper.lang.clone()).creator("Dothi".into()).creation_date(date);
    document.set_metadata(about);
    document.finish().map_err(|e| Error::internal("drawing a paper", format!("{e:?}")))
}

fn kind(role: &Role) -> TagGroup {
    match role {
        Role::Heading(level, text) => TagGroup::new(Tag::Hn(NonZeroU16::new(u16::from(*level)).unwrap_or(NonZeroU16::MIN), Some(text.clone()))),
        Role::Paragraph | Role::Caption => TagGroup::new(Tag::P),
        Role::Table => TagGroup::new(Tag::Table),
        Role::Row => TagGroup::new(Tag::TR),
        Role::Head => TagGroup::new(Tag::TH(TableHeaderScope::Column)),
        Role::Name => TagGroup::new(Tag::TH(TableHeaderScope::Row)),
        Role::Cell => TagGroup::new(Tag::TD),
        Role::Figure(caption) => TagGroup::new(Tag::Figure(Some(caption.clone()))),
    }
}

/// The parts that stand in no other, each with what stands in it. A part comes after the one it stands in.
fn groups(nodes: &[Node], found: Vec<Vec<Identifier>>) -> Vec<TagGroup> {
    let mut inside: Vec<Vec<usize>> = nodes.iter().map(|_| Vec::new()).collect();
    for (n, node) in nodes.iter().enumerate() {
        if let Some(outer) = node.inside.and_then(|o| inside.get_mut(o)) {
            outer.push(n);
        }
    }
    let mut made: Vec<Option<TagGroup>> = nodes.iter().map(|_| None).collect();
    for (n, (node, own)) in nodes.iter().zip(found).enumerate().rev() {
        let mut group = kind(&node.role);
        own.into_iter().for_each(|identifier| group.push(TagNode::from(identifier)));
        for part in &inside[n] {
            if let Some(part) = made[*part].take() {
                group.push(part);
            }
        }
        made[n] = Some(group);
    }
    made.into_iter().flatten().collect()
}

fn outline(marks: &[Mark]) -> Outline {
    let leaf = |m: &Mark| OutlineNode::new(m.text.clone(), XyzDestination::new(m.page, Point::from_xy(0.0, m.y)));
    let mut outline = Outline::new();
    let mut top: Option<OutlineNode> = None;
    for mark in marks {
        match &mut top {
            Some(node) if mark.level > 2 => node.push_child(leaf(mark)),
            _ => {
                if let Some(done) = top.replace(leaf(mark)) {
                    outline.push_child(done);
                }
            }
        }
    }
    if let Some(last) = top {
        outline.push_child(last);
    }
    outline
}
