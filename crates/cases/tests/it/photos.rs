//! Photos: what is not one is refused, what is one loses everything but the picture.

use std::io::Cursor;

use bytes::Bytes;
use dothi_cases::model::MoveInput;
use exif::experimental::Writer;
use exif::{Field, In, Rational, Tag, Value};
use image::{ImageFormat, Rgb, RgbImage};
use sha2::Digest;

use crate::{light, with_app};

/// A plain photo.
pub fn jpeg(width: u32, height: u32) -> Bytes {
    encoded(width, height, ImageFormat::Jpeg)
}

fn encoded(width: u32, height: u32, format: ImageFormat) -> Bytes {
    let picture = RgbImage::from_fn(width, height, |x, y| if x < width / 2 { Rgb([220, (y % 200) as u8, 10]) } else { Rgb([5, 5, 230]) });
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner().into()
}

/// A photo as a telephone writes it: lying on its side, with place, time and a name in its EXIF.
pub fn telling(width: u32, height: u32) -> Bytes {
    let text = |tag, text: &str| Field { tag, ifd_num: In::PRIMARY, value: Value::Ascii(vec![text.as_bytes().to_vec()]) };
    let degrees = |tag, d: u32, m: u32| Field {
        tag,
        ifd_num: In::PRIMARY,
        value: Value::Rational(vec![(d, 1).into(), (m, 1).into(), Rational { num: 1234, denom: 100 }]),
    };
    let fields = [
        Field { tag: Tag::Orientation, ifd_num: In::PRIMARY, value: Value::Short(vec![6]) },
        text(Tag::Artist, "NGUYEN THI HOA"),
        text(Tag::GPSLatitudeRef, "N"),
        degrees(Tag::GPSLatitude, 20, 39),
        text(Tag::GPSLongitudeRef, "E"),
        degrees(Tag::GPSLongitude, 106, 3),
    ];
    let mut writer = Writer::new();
    fields.iter().for_each(|f| writer.push_field(f));
    let mut tiff = Cursor::new(Vec::new());
    writer.write(&mut tiff, false).unwrap();
    let body = [b"Exif\0\0".as_slice(), tiff.get_ref()].concat();
    let plain = jpeg(width, height);
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, &body, &plain[2..]].concat().into()
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, b| (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 }))
}

/// A PNG of a hundred bytes that claims to be huge.
fn bomb(width: u32, height: u32) -> Bytes {
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let data = [0x78, 0x9c, 0x03, 0, 0, 0, 0, 1];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), &chunk(b"IDAT", &data), &chunk(b"IEND", &[])].concat().into()
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|w| w == what)
}

#[tokio::test]
async fn place_name_and_device_are_gone_and_the_picture_stands_upright() {
    with_app(|app| async move {
        let photo = telling(64, 48);
        let told = exif::Reader::new().read_from_container(&mut Cursor::new(&photo[..])).unwrap();
        assert!(told.get_field(Tag::GPSLatitude, In::PRIMARY).is_some(), "the test's photo tells its place");
        let got = app.cases.report(&app.anybody(), light(), vec![photo], None).await.unwrap();
        let kept = app.cases.get(&app.system(), got.id).await.unwrap().photos;
        assert_eq!((kept.len(), kept[0].width, kept[0].height, kept[0].public), (1, 48, 64, false));
        for thumb in [false, true] {
            let (bytes, _) = app.cases.photo(&app.system(), &kept[0].sha, thumb, None).await.unwrap();
            assert!(exif::Reader::new().read_from_container(&mut Cursor::new(&bytes[..])).is_err(), "no EXIF is left");
            for secret in [&b"Exif"[..], b"HOA", b"GPS", b"http://ns.adobe.com"] {
                assert!(!holds(&bytes, secret));
            }
            let picture = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).unwrap().into_rgb8();
            assert_eq!((picture.width(), picture.height()), (48, 64));
            // Turned a quarter: the red left half became the upper half.
            assert!(picture.get_pixel(24, 8).0[0] > 150 && picture.get_pixel(24, 56).0[2] > 150);
        }
    })
    .await;
}

#[tokio::test]
async fn large_photos_shrink_and_png_and_webp_become_jpeg() {
    let app = crate::App::new(dothi_store::testing::store(&[dothi_cases::MIGRATIONS]).await).await;
    let photos = vec![encoded(2_100, 70, ImageFormat::Png), encoded(30, 20, ImageFormat::WebP)];
    let got = app.cases.report(&app.anybody(), light(), photos, None).await.unwrap();
    let mut sizes = Vec::new();
    for photo in app.cases.get(&app.system(), got.id).await.unwrap().photos {
        let (thumb, _) = app.cases.photo(&app.system(), &photo.sha, true, None).await.unwrap();
        let thumb = image::load_from_memory_with_format(&thumb, ImageFormat::Jpeg).unwrap();
        sizes.push((photo.width, photo.height, thumb.width()));
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [(30, 20, 30), (2_048, 68, 480)]);
}

#[tokio::test]
async fn what_is_no_photo_is_refused() {
    let app = crate::App::new(dothi_store::testing::store(&[dothi_cases::MIGRATIONS]).await).await;
    let refused = async |photo: Bytes| app.cases.report(&app.anybody(), light(), vec![photo], None).await.unwrap_err();
    let cut = jpeg(64, 48);
    for (photo, code) in [
        (Bytes::from_static(b"MZ not a photo at all"), "case.photo.unreadable"),
        (Bytes::from_static(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "case.photo.unreadable"),
        (Bytes::from_static(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"), "case.photo.unreadable"),
        (Bytes::from_static(b"\xff\xd8\xff\xe0garbage"), "case.photo.unreadable"),
        (cut.slice(..20), "case.photo.unreadable"),
        (bomb(8, 8), "case.photo.unreadable"),
        (bomb(60_000, 60_000), "case.photo.too-many-pixels"),
        (bomb(15_000, 15_000), "case.photo.too-many-pixels"),
        (bomb(16_000, 1), "case.photo.unreadable"),
        (vec![0u8; 10 * 1024 * 1024 + 1].into(), "case.photo.too-big"),
    ] {
        let length = photo.len();
        assert_eq!(refused(photo).await.code(), code, "{length} bytes");
    }
    let many = vec![jpeg(8, 8); 6];
    assert_eq!(app.cases.report(&app.anybody(), light(), many, None).await.unwrap_err().code(), "case.photo.too-many");
    assert!(app.cases.public_list(&app.anybody(), &Default::default()).await.unwrap().items.is_empty(), "nothing was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_many_photos_come_at_once_nobody_waits_and_none_is_lost() {
    with_app(|app| async move {
        let (photo, who) = (telling(1600, 1200), app.anybody());
        let sent = (0..10).map(|_| app.cases.report(&who, light(), vec![photo.clone()], None));
        let receipts: Vec<_> = futures::future::join_all(sent).await.into_iter().map(Result::unwrap).collect();
        let mut waiting = 0;
        for receipt in &receipts {
            waiting += usize::from(app.cases.get(&app.system(), receipt.id).await.unwrap().photos.is_empty());
        }
        assert!(waiting > 0, "only who comes to an empty room waits for the picture");
        let mut refused = 0;
        for receipt in &receipts {
            let words = MoveInput::default();
            match app.step(&app.centre(), receipt.id, "accept", words).await {
                Ok(case) => assert!(!case.photos.is_empty()),
                Err(e) => {
                    assert_eq!(e.code(), "case.photo.waiting", "what nobody has seen is not made public");
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, waiting);
        let sha = hex::encode(sha2::Sha256::digest(&photo));
        let file = app.store.data().join("objects/blobs").join(&sha[..2]).join(&sha);
        assert!(file.exists());
        assert_eq!(app.cases.photo(&app.system(), &sha, false, None).await.unwrap_err().code(), "case.photo.unknown", "nobody sees a file that waits");

        app.timers().await;
        for receipt in &receipts {
            let photos = app.cases.get(&app.system(), receipt.id).await.unwrap().photos;
            assert_eq!((photos.len(), photos[0].width, photos[0].height), (1, 1200, 1600));
        }
        assert!(!file.exists(), "the file that told its place is gone");
        assert_eq!(app.store.blobs().get(&sha).await.unwrap_err().code(), "blob.unknown");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_steady_stream_of_photos_none_is_developed_while_its_sender_waits() {
    let app = crate::App::new(dothi_store::testing::store(&[dothi_cases::MIGRATIONS]).await).await;
    let mut receipts = Vec::new();
    for _ in 0..14 {
        receipts.push(app.cases.report(&app.anybody(), light(), vec![jpeg(8, 8)], None).await.unwrap());
    }
    let shown = async |n: usize| app.cases.get(&app.system(), receipts[n].id).await.unwrap().photos.len();
    assert_eq!((shown(0).await, shown(11).await), (1, 1), "few are shown at once");
    assert_eq!((shown(12).await, shown(13).await), (0, 0), "then those who send go first");
    app.timers().await;
    assert_eq!((shown(12).await, shown(13).await), (1, 1));
}
