//! Converters of ThingsBoard: any script in TBEL stays within its bounds, and is translated in time that grows with its length.
#![no_main]

use std::time::{Duration, Instant};

use dothi_context::codec::{Bounds, Call, Language, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: (&str, &[u8])| {
    let (source, message) = given;
    let bounds = Bounds { time: Duration::from_millis(50), memory: 4 << 20, stack: 128 << 10, output: 16 << 10 };
    let start = Instant::now();
    let call = Call::Convert { language: Language::Tbel, message: message.to_vec(), metadata: Default::default() };
    for source in [source.to_string(), format!("var d = decodeToJson(payload); return {source};")] {
        let _output = run(&source, &call, bounds);
    }
    assert!(start.elapsed() < Duration::from_secs(5));
});
