//! Entities and fragments: what is taken can be written, and what was written is taken again.
#![no_main]

use dothi_context::change;
use dothi_context::ld::Ld;
use dothi_context::parse::{Form, draft};
use dothi_context::render::{View, entity};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(bytes) else { return };
    let ld = Ld::default();
    let fragment = draft(&body, &ld, Form::PATCH);
    let Ok(whole) = draft(&body, &ld, Form::WHOLE) else { return };
    let Some(id) = whole.id.clone() else { return };
    let Ok(mut thing) = change::create(id, &whole, 0) else { return };
    let view = View::default();
    let written = entity(&thing, &ld, &view, 0);
    let again = draft(&written, &ld, Form::WHOLE).unwrap_or_else(|e| panic!("{e}: {written:?}"));
    let read = change::create(thing.id.clone(), &again, 0).unwrap_or_else(|e| panic!("{e}: {written:?}"));
    assert_eq!(entity(&read, &ld, &view, 0), written);
    if let Ok(fragment) = fragment {
        let _merged = change::merge(&mut thing, &fragment, None, 1);
    }
});
