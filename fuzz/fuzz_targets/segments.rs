//! Tables and maps of road segments, as somebody may hand them in.
#![no_main]

use dothi_traffic::import::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let table = read(bytes);
    assert!(table.rejects.len() <= 100 && table.segments.len() <= 5_000);
    assert!(table.segments.iter().all(|(_, s)| (1..=20).contains(&s.lanes)));
});
