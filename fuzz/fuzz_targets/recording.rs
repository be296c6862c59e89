//! Containers of videos and sound.
#![no_main]

use dothi_cases::media::cleaned;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((found, kept)) = cleaned(bytes) {
        assert!(found.seconds > 0);
        assert_eq!(kept.len(), bytes.len(), "every offset stays true");
        assert_eq!(cleaned(&kept), Some((found, kept.clone())), "what is clean stays as it is");
    }
});
