//! Paths and query options of SensorThings, read and asked of an observation.
#![no_main]

use dothi_context::sta::weigh;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|text: &str| {
    // The first line is the path, the others are options (`$filter=…`); alone it is a filter.
    let mut lines = text.lines();
    let path = lines.next().unwrap_or_default();
    let mut options: Vec<(String, String)> = lines.filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_string(), v.to_string())).collect();
    if options.is_empty() {
        options.push(("$filter".into(), path.to_string()));
    }
    for value in [json!(null), json!(20.5), json!("2026-11-21T00:00:00Z"), json!({"type": "Point", "coordinates": [106.6, 20.6]}), json!([1, "x"])] {
        let _answer = weigh("Things", &options, &value, 0);
    }
    let _read = weigh(path, &[], &json!(null), 0);
});
