//! Reads papers back by a tool that is not ours, for tests.

use std::process::Command;

/// The words of a PDF by `pdftotext` in the order in which they are drawn, with single spaces, a form feed after each page; none where the tool is not installed. In CI
/// it must be.
pub fn words(pdf: &[u8]) -> Option<String> {
    if Command::new("pdftotext").arg("-v").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "pdftotext (poppler-utils) is needed in CI");
        eprintln!("skipped: pdftotext is not there (Debian: apt-get install poppler-utils)");
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("paper.pdf");
    std::fs::write(&file, pdf).expect("a file");
    let out = Command::new("pdftotext").args(["-raw", "-enc", "UTF-8"]).arg(&file).arg("-").output().expect("pdftotext runs");
    assert!(out.status.success() && out.stderr.is_empty(), "pdftotext: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    Some(text.split('\u{c}').map(|page| page.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\u{c}"))
}
