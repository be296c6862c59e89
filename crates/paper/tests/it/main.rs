//! A paper, read back by a tool that is not ours.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use dothi_kernel::Timestamp;
use dothi_paper::testing::words;
use dothi_paper::{Column, Imprint, Paper, Picture};

/// Four by three red dots.
const PNG: &str =
    "89504e470d0a1a0a0000000d49484452000000040000000308020000003b9639910000001049444154789c6338a1a101470c38390007a60d2194b013fc0000000049454e44ae426082";

fn sample() -> Paper {
    let mut paper = Paper::new("vi", "Phản ánh HY-7K2M9Q");
    paper.facts([("Lĩnh vực".into(), "Thoát nước, ngập úng".into()), ("Nơi".into(), "Phường Phố Hiến".into()), ("Không có".into(), " ".into())]);
    paper.heading("Nội dung").text("Nắp cống trước số nhà 12 đường Nguyễn Huệ bị vỡ.\nNước tràn ra đường → rất nguy hiểm 😀.");
    let rows = (1..=90).map(|n| vec![format!("{n}"), format!("Đã kiểm tra lần thứ {n}, xử lý ổn thỏa"), "Ủy ban nhân dân phường".to_string()]).collect();
    paper.heading("Nhật ký").table(vec![Column::new("Lần", 1.0), Column::new("Việc đã làm", 5.0), Column::new("Đơn vị", 3.0)], rows);
    paper.subheading("Ảnh").pictures((1..=3).map(|n| Picture { bytes: hex::decode(PNG).unwrap(), caption: format!("Ảnh hiện trường {n}") }).collect());
    paper.note("Không có thông tin về người phản ánh.");
    paper
}

fn imprint() -> Imprint {
    Imprint::new("Tỉnh Hưng Yên · lập lúc 09:00 21/11/2026", "Trang {page}/{pages}", "Mã kiểm tra nội dung (SHA-256)")
}

fn at() -> Timestamp {
    "2026-11-21T02:00:00Z".parse().unwrap()
}

#[test]
fn another_tool_reads_every_vietnamese_word_and_the_mark_on_every_page() {
    let paper = sample();
    let pdf = paper.pdf(&imprint(), at()).unwrap();
    assert!(pdf.starts_with(b"%PDF-1.") && pdf.len() < 200_000, "{} bytes", pdf.len());
    assert_eq!(pdf, paper.pdf(&imprint(), at()).unwrap(), "the same paper is the same file");
    let Some(text) = words(&pdf) else { return };
    for said in [
        "Phản ánh HY-7K2M9Q",
        "Thoát nước, ngập úng",
        "Nắp cống trước số nhà 12 đường Nguyễn Huệ bị vỡ.",
        "Nước tràn ra đường ? rất nguy hiểm ?.",
        "Đã kiểm tra lần thứ 90, xử lý ổn thỏa",
        "Ảnh hiện trường 3",
        "Không có thông tin về người phản ánh.",
        "Tỉnh Hưng Yên · lập lúc 09:00 21/11/2026",
    ] {
        assert!(text.contains(said), "`{said}` is missing in\n{text}");
    }
    assert!(!text.contains("Không có:") && !text.contains("Không có  "), "facts that are nothing are left out");
    let pages: Vec<&str> = text.split('\u{c}').filter(|p| !p.trim().is_empty()).collect();
    assert!(pages.len() >= 3, "{} pages", pages.len());
    for (n, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("Trang {}/{}", n + 1, pages.len())), "{page}");
        assert!(page.contains(&paper.mark()), "{page}");
    }
    let heads = pages.iter().filter(|p| p.contains("Việc đã làm")).count();
    let rows = pages.iter().filter(|p| p.contains("Đã kiểm tra")).count();
    assert_eq!(heads, rows, "the head stands above the rows of every page");
}

#[test]
fn the_mark_is_of_what_is_said_and_nothing_else() {
    let mark = sample().mark();
    assert_eq!(mark, sample().mark());
    let mut other = sample();
    other.note("");
    assert_ne!(mark, other.mark());
    let (mut a, mut b) = (Paper::new("vi", "x"), Paper::new("vi", "x"));
    a.text("ab").text("c");
    b.text("a").text("bc");
    assert_ne!(a.mark(), b.mark());
}

#[test]
fn what_is_no_picture_or_too_much_is_told() {
    let mut paper = Paper::new("vi", "x");
    paper.pictures(vec![Picture { bytes: b"no picture".to_vec(), caption: "x".into() }]);
    assert_eq!(paper.pdf(&imprint(), at()).unwrap_err().code(), "paper.picture");
    let mut paper = Paper::new("vi", "x");
    paper.text("x".repeat(dothi_paper::CHARS + 1));
    assert_eq!(paper.pdf(&imprint(), at()).unwrap_err().code(), "paper.too-large");
    // A row that is higher than a page, and a word that is wider than its column.
    let mut paper = Paper::new("vi", "x");
    paper.table(vec![Column::new("a", 1.0), Column::new("b", 1.0)], vec![vec!["dòng\n".repeat(200), "w".repeat(500)]]);
    assert!(paper.pdf(&imprint(), at()).unwrap().len() > 1_000);
    assert!(Paper::new("vi", "trống").pdf(&imprint(), at()).is_ok());
}
