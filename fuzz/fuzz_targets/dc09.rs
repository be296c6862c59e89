//! Messages of alarm panels: bytes as they come, and bodies with a good check sum around them.
#![no_main]

use std::sync::LazyLock;

use dothi_panels::dc09::{Frame, Framer, Inside, Key, compose};
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<Option<Key>> = LazyLock::new(|| Key::new(vec![7; 16]));

fn read(bytes: &[u8]) {
    for frame in Framer::default().push(bytes) {
        let Ok(frame) = Frame::parse(&frame) else { continue };
        for key in [None, KEY.as_ref()] {
            let Ok(content) = frame.open(key) else { continue };
            if let Ok(told) = content.events(frame.token) {
                assert!(told.len() <= 17 && told.iter().all(|t| t.text.chars().count() <= 200));
            }
        }
        // The answer to what was understood is a message itself.
        let answers = Framer::default().push(&frame.duh());
        assert!(answers.len() == 1 && Frame::parse(&answers[0]).is_ok());
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let text = String::from_utf8_lossy(bytes);
    for token in ["SIA-DCS", "ADM-CID", "NULL"] {
        read(&compose(token, 1, None, "0", "AB12", Inside::Plain(&text)));
        if let Some(key) = KEY.as_ref() {
            read(&compose(token, 1, Some("1"), "0", "AB12", Inside::Sealed { text: &text, key, salt: &[1; 16] }));
        }
    }
});
