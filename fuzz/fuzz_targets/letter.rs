//! Mail as a server hands it over.
#![no_main]

use dothi_cases::mail::{Read, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(Read::Letter(letter)) = read(bytes) {
        assert!(!letter.id.is_empty(), "a letter can be told from others");
        assert!(letter.pictures.iter().map(|p| p.len()).sum::<usize>() <= bytes.len(), "pictures come out of the letter");
        assert_eq!(read(bytes), Some(Read::Letter(letter)), "the same letter reads the same");
    }
});
