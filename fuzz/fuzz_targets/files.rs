//! What comes in files: records of CSV and JSON, and certificates.
#![no_main]

use dothi_context::devices::PeerCertificate;
use dothi_context::import::split::{Records, Shape, cells};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _facts = PeerCertificate::read(bytes, true);
    for shape in [Shape::of(bytes), Shape::Csv, Shape::Lines, Shape::Items] {
        let mut before = 0;
        for record in Records::bounded(bytes, shape, 64) {
            let Ok(record) = record else { break };
            assert!(record.line >= before, "lines go up");
            before = record.line;
            if let Some(text) = record.bytes.as_deref().and_then(|b| std::str::from_utf8(b).ok()) {
                assert!(!cells(text, ',').is_empty());
            }
        }
    }
});
