//! Access units of a camera: alone, one after the other, and beside a good stream.
#![no_main]

use dothi_vision::{Decoder, Encoder, Frame};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

fn good() -> &'static [Vec<u8>] {
    static GOOD: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let mut encoder = Encoder::new(64, 48, 200, 5.0).expect("sizes are sound");
        let frame = |shift: u32| Frame::new(64, 48, (0..64 * 48 * 3).map(|i| ((i * 7 + shift * 5) % 251) as u8).collect()).expect("a frame");
        (0..4).map(|i| encoder.push(&frame(i), i == 2).expect("frames are written")).collect()
    })
}

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new().expect("a decoder");
    // The first byte says whether a good key frame comes before; 0xff 0xfe parts units.
    let Some((first, rest)) = bytes.split_first() else { return };
    if first & 1 == 1 {
        decoder.push(&good()[0]).expect("a good unit is read");
    }
    let mut from = 0;
    let ends = rest.windows(2).enumerate().filter(|(_, w)| *w == [0xff, 0xfe]).map(|(i, _)| i).chain([rest.len()]);
    for end in ends.take(32) {
        if let Ok(Some(mut frame)) = decoder.push(&rest[from.min(end)..end]) {
            assert_eq!(frame.rgb.len(), frame.width as usize * frame.height as usize * 3);
            frame.stamp(&["picture"]);
        }
        from = end + 2;
    }
    // Whatever came before: the next key frame is seen again.
    assert!(matches!(decoder.push(&good()[2]), Ok(Some(_))), "a key frame heals");
});
