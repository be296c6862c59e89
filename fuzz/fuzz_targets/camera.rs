//! What comes from cameras and their files: answers of ONVIF devices, MP4 clips, our own recordings.
#![no_main]

use bytes::Bytes;
use dothi_video::media::{annex_b, from_annex_b, nals};
use dothi_video::{mp4, onvif};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for (service, name, hardware) in onvif::probed(&text) {
        assert!(service.len() <= 4_000 && name.len() <= 4_000 && hardware.len() <= 4_000);
    }
    if let Some(root) = onvif::Node::parse(&text) {
        let _uri = root.text_of("Uri");
    }
    let bytes = Bytes::copy_from_slice(bytes);
    for read in [mp4::read(&bytes), mp4::read_clip(&bytes)] {
        let Ok((config, units)) = read else { continue };
        for unit in units.iter().take(100) {
            let stream = annex_b(&config, unit);
            let (data, _) = from_annex_b(&stream);
            assert!(nals(&data).count() <= stream.len());
        }
        // What was read can be written, and read again.
        if let (Ok(head), Ok(body)) = (mp4::init(&config), mp4::fragment(1, &units[..units.len().min(10)])) {
            let again = Bytes::from([head, body].concat());
            assert!(mp4::read(&again).is_ok());
        }
    }
});
