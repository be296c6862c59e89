//! Devices' messages: JSON of any shape against a profile that uses every feature.
#![no_main]

use std::sync::{Arc, LazyLock};

use dothi_context::decode::{Decoder, DeviceProfile, parse};
use dothi_kernel::Timestamp;
use libfuzzer_sys::fuzz_target;

static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    let profile: DeviceProfile = serde_json::from_value(serde_json::json!({
        "name": "p", "title": "p", "type": "A", "device": "d", "records": "r", "time": {"path": "t"}, "location": {"lon": "x", "lat": "y"}, "battery": "b.0",
        "attributes": [{"name": "a", "factor": 0.1, "min": 0.0, "max": 10.0}, {"name": "f", "kind": "bool"}, {"name": "s", "path": "o.s", "kind": "text"}],
    }))
    .unwrap();
    Decoder::new(profile)
});

fuzz_target!(|bytes: &[u8]| {
    let entity: Arc<str> = "urn:ngsi-ld:A:1".into();
    if let Ok(payload) = parse(bytes) {
        let _device = DECODER.device_of(&payload);
        let _decoded = DECODER.decode(&payload, &entity, Timestamp::UNIX_EPOCH);
    }
});
