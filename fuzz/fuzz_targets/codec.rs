//! Codecs: any source and any payload stay within their bounds.
#![no_main]

use std::time::{Duration, Instant};

use dothi_context::codec::{Bounds, Call, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: (&str, &[u8], u8)| {
    let (source, bytes, port) = given;
    let bounds = Bounds { time: Duration::from_millis(50), memory: 4 << 20, stack: 128 << 10, output: 16 << 10 };
    let start = Instant::now();
    for source in [source.to_string(), format!("function decodeUplink(input) {{ var bytes = input.bytes; return {{ data: {source} }}; }}")] {
        let call = Call::DecodeUplink { bytes: bytes.to_vec(), port, received: None, variables: Default::default() };
        let _output = run(&source, &call, bounds);
    }
    assert!(start.elapsed() < Duration::from_secs(5));
});
