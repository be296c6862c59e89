//! What comes beside words: places that photos tell, masks, videos and sound, letters.

use bytes::Bytes;
use dothi_cases::mail::MailResult;
use dothi_cases::masks::{MaskBox, MaskInput, MaskState};
use dothi_cases::media::cleaned;
use dothi_cases::model::{Contact, ListQuery, MoveInput, NewReport};
use dothi_cases::retention::ErasureDecision;
use dothi_kernel::{CallerKind, Permission};

use crate::photos::{jpeg, telling};
use crate::walk::resolve;
use crate::{App, light, with_app};

fn placeless() -> NewReport {
    NewReport { lon: None, lat: None, ..light() }
}

#[tokio::test]
async fn a_photo_that_tells_its_place_needs_no_other() {
    with_app(|app| async move {
        let got = app.cases.report(&app.anybody(), placeless(), vec![jpeg(40, 30), telling(64, 48)], None).await.unwrap();
        let seen = app.cases.get(&app.system(), got.id).await.unwrap();
        assert_eq!(seen.area.as_deref(), Some("11953"));
        let spot = seen.location.unwrap();
        assert!((spot.lat - 20.653_428).abs() < 1e-5 && (spot.lon - 106.053_428).abs() < 1e-5, "{spot:?}");
        // A place that was given counts, and the officers see how far the camera was from it.
        let given = app.cases.report(&app.anybody(), light(), vec![telling(64, 48)], None).await.unwrap();
        let given = app.cases.get(&app.system(), given.id).await.unwrap();
        assert_eq!(given.location.unwrap().lat, 20.6598765);
        assert!(given.photos[0].taken_metres.is_some_and(|m| (700.0..800.0).contains(&m)), "{:?}", given.photos[0].taken_metres);
        let none = app.cases.report(&app.anybody(), placeless(), vec![jpeg(40, 30)], None).await.unwrap_err();
        assert_eq!(none.code(), "case.place.missing");
    })
    .await;
}

/// What the public sees of a case's photos.
async fn public_photos(app: &App, code: &str) -> Vec<String> {
    app.cases.public_case(&app.anybody(), code).await.unwrap().photos
}

#[tokio::test]
async fn the_public_sees_a_photo_when_somebody_looked_for_faces_and_the_masked_one_when_something_was_masked() {
    with_app(|app| async move {
        let got = app.cases.report(&app.anybody(), light(), vec![jpeg(80, 60)], None).await.unwrap();
        app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
        assert!(public_photos(&app, &got.code).await.is_empty(), "nobody has looked for faces yet");
        let original = app.cases.get(&app.centre(), got.id).await.unwrap().photos[0].clone();
        assert_eq!(original.mask, Some(MaskState::Waiting));
        assert!(app.cases.photo(&app.anybody(), &original.sha, false, None).await.is_err());
        app.timers().await;
        assert_eq!(public_photos(&app, &got.code).await, std::slice::from_ref(&original.sha), "there is no face on it");

        let plate = MaskInput { boxes: vec![MaskBox { x: 0.3, y: 0.2, w: 0.4, h: 0.5 }] };
        for other in [app.anybody(), app.citizen("dan"), app.officer("khac", "so-xd-33")] {
            assert!(app.cases.mask_photo(&other, got.id, &original.sha, plate.clone()).await.is_err());
        }
        let bad = MaskInput { boxes: vec![MaskBox { x: -0.1, y: 0.0, w: 0.1, h: 0.1 }] };
        assert_eq!(app.cases.mask_photo(&app.centre(), got.id, &original.sha, bad).await.unwrap_err().code(), "case.mask.boxes");
        let seen = app.cases.mask_photo(&app.centre(), got.id, &original.sha, plate.clone()).await.unwrap();
        assert_eq!((seen.photos[0].mask, seen.photos[0].boxes.as_slice()), (Some(MaskState::Masked), plate.boxes.as_slice()));
        let shown = public_photos(&app, &got.code).await;
        assert_eq!(shown.len(), 1);
        assert_ne!(shown[0], original.sha);
        let picture = |sha: String, thumb: bool| {
            let app = &app;
            async move { app.cases.photo(&app.anybody(), &sha, thumb, None).await }
        };
        let (masked, public) = picture(shown[0].clone(), false).await.unwrap();
        assert!(public);
        let masked = image::load_from_memory(&masked).unwrap().into_rgb8();
        let (left, right) = (masked.get_pixel(30, 25).0, masked.get_pixel(50, 35).0);
        // The test's photo is half red, half blue: within the box both halves have become one colour.
        assert!(left.iter().zip(right).all(|(a, b)| a.abs_diff(b) < 12), "{left:?} {right:?}");
        assert!(masked.get_pixel(2, 2).0[0] > 200 && masked.get_pixel(78, 58).0[2] > 200, "the rest is as it was");
        assert!(picture(shown[0].clone(), true).await.is_ok());
        // The original and its thumbnail are not public any more; officers and the reporter still see them.
        assert!(picture(original.sha.clone(), false).await.is_err() && picture(original.sha.clone(), true).await.is_err());
        assert!(app.cases.photo(&app.anybody(), &original.sha, false, Some(&got.key)).await.is_ok());
        assert_eq!(app.audited("case.photo.original").await.len(), 0);
        assert!(app.cases.photo(&app.centre(), &original.sha, false, None).await.is_ok());
        assert!(app.cases.photo(&app.centre(), &shown[0], false, None).await.is_ok());
        // Who only reads cases sees the masked one.
        let reader = app.person(CallerKind::Staff, "doc", "ubnd-11953", Some(&["ubnd-11953"]), &[Permission::CaseRead]);
        assert_eq!(app.cases.photo(&reader, &original.sha, false, None).await.unwrap_err().code(), "access.not-allowed");
        assert!(app.cases.photo(&reader, &shown[0], false, None).await.is_ok());
        assert_eq!(app.audited("case.photo.original").await[0]["code"], got.code, "read once");
        assert_eq!(app.audited("case.photo.original").await.len(), 1);
        // Looked at again: nothing is to be masked.
        app.cases.mask_photo(&app.centre(), got.id, &original.sha, MaskInput::default()).await.unwrap();
        assert_eq!(public_photos(&app, &got.code).await, std::slice::from_ref(&original.sha));
        assert!(app.cases.photo(&app.anybody(), &shown[0], false, None).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_face_is_proposed_and_holds_the_photo_back_until_somebody_decides() {
    with_app(|app| async move {
        let photo = Bytes::from_static(include_bytes!("../files/face.jpg"));
        let got = app.cases.report(&app.anybody(), light(), vec![photo, jpeg(80, 60)], None).await.unwrap();
        app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
        while app.timers().await > 0 {}
        let photos = app.cases.get(&app.centre(), got.id).await.unwrap().photos;
        let face = photos.iter().find(|p| p.width == 160).unwrap();
        assert_eq!((face.mask, face.boxes.len()), (Some(MaskState::Proposed), 1), "{photos:?}");
        // Eyes and mouth lie at about 65–100, 45–85 of 160.
        let b = face.boxes[0];
        assert!(b.x < 0.45 && b.x + b.w > 0.6 && b.y < 0.3 && b.y + b.h > 0.5 && b.w < 0.6, "{b:?}");
        assert_eq!(public_photos(&app, &got.code).await.len(), 1, "only the one without a face");
        let open = ListQuery { view: Some("all".into()), photos: Some("undecided".into()), ..ListQuery::default() };
        assert_eq!(app.cases.list(&app.centre(), &open).await.unwrap().items.len(), 1);
        app.cases.mask_photo(&app.centre(), got.id, &face.sha, MaskInput { boxes: face.boxes.clone() }).await.unwrap();
        assert_eq!(public_photos(&app, &got.code).await.len(), 2);
        assert_eq!(app.cases.list(&app.centre(), &open).await.unwrap().items.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_kept_beside_photos_goes_with_its_reporter_and_with_the_photos() {
    with_app(|app| async move {
        app.changed(|t| {
            let keep = t.retention.as_mut().unwrap();
            (keep.anonymise_after_days, keep.media_after_days) = (30, 60);
        })
        .await;
        let got = app.cases.report(&app.anybody(), light(), vec![telling(64, 48)], None).await.unwrap();
        let key = Some(got.key.as_str());
        let own = app.cases.report_media(&app.anybody(), &got.code, key, recording(b"soun", 3)).await.unwrap();
        let office = app.cases.add_media(&app.centre(), got.id, recording(b"vide", 4)).await.unwrap();
        let held = app.cases.held_data(&app.anybody(), &got.code, key).await.unwrap();
        assert_eq!(held.media.iter().map(|m| m.id).collect::<Vec<_>>(), [own.id], "what the office added is not the reporter's");
        let sha = app.cases.get(&app.centre(), got.id).await.unwrap().photos[0].sha.clone();
        let mut masked = Vec::new();
        for x in [0.1, 0.5] {
            let input = MaskInput { boxes: vec![MaskBox { x, y: 0.2, w: 0.3, h: 0.3 }] };
            masked.extend(app.cases.mask_photo(&app.centre(), got.id, &sha, input).await.unwrap().photos.remove(0).masked);
        }
        assert_eq!(app.store.blobs().get(&masked[0]).await.unwrap_err().code(), "blob.unknown", "the mask before is given up");
        resolve(&app, got.id).await;
        app.store.clock.advance_seconds(31 * 86_400);
        while app.timers().await > 0 {}
        let case = app.cases.get(&app.centre(), got.id).await.unwrap();
        assert_eq!(case.media.iter().map(|m| m.id).collect::<Vec<_>>(), [office.id], "a voice tells who speaks");
        let photo = case.photos.iter().find(|p| p.sha == sha).unwrap();
        assert_eq!((photo.taken_metres, photo.masked.as_ref()), (None, Some(&masked[1])));
        app.store.clock.advance_seconds(31 * 86_400);
        while app.timers().await > 0 {}
        let case = app.cases.get(&app.centre(), got.id).await.unwrap();
        assert_eq!((case.media.len(), case.photos.len()), (0, 0));
        assert_eq!(app.store.blobs().get(&masked[1]).await.unwrap_err().code(), "blob.unknown");
        assert_eq!(app.store.rows("select 1 as one from case_mask", vec![]).await.unwrap().len(), 0);
        assert_eq!(app.audited("case.media.delete").await[0]["recordings"], 1);
        // Asked for and granted before the time, the reporter's recordings go at once.
        let other = app.cases.report(&app.anybody(), light(), vec![], None).await.unwrap();
        app.cases.report_media(&app.anybody(), &other.code, Some(&other.key), recording(b"vide", 5)).await.unwrap();
        let ask = dothi_cases::retention::ErasureInput { key: Some(other.key.clone()), words: String::new() };
        app.cases.ask_erasure(&app.anybody(), &other.code, ask).await.unwrap();
        let asked = app.cases.erasures(&app.centre()).await.unwrap().remove(0);
        app.cases.decide_erasure(&app.centre(), asked.id, ErasureDecision { grant: true, reason: "Theo đề nghị".into() }).await.unwrap();
        assert_eq!(app.cases.get(&app.centre(), other.id).await.unwrap().media.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn of_a_private_report_no_photo_masked_or_not_is_public() {
    with_app(|app| async move {
        let got = app.cases.report(&app.anybody(), NewReport { private: true, ..light() }, vec![jpeg(80, 60)], None).await.unwrap();
        app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
        while app.timers().await > 0 {}
        let sha = app.cases.get(&app.centre(), got.id).await.unwrap().photos[0].sha.clone();
        let cover = MaskInput { boxes: vec![MaskBox { x: 0.1, y: 0.1, w: 0.5, h: 0.5 }] };
        let masked = app.cases.mask_photo(&app.centre(), got.id, &sha, cover).await.unwrap().photos[0].masked.clone().unwrap();
        assert!(public_photos(&app, &got.code).await.is_empty());
        for address in [&sha, &masked] {
            assert!(app.cases.photo(&app.anybody(), address, false, None).await.is_err());
            assert!(app.cases.photo(&app.anybody(), address, true, Some(&got.key)).await.is_ok());
        }
    })
    .await;
}

/// What a telephone notes beside picture and sound.
const PLACE: &[u8] = b"+20.6500+106.0500/";

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|w| w == what)
}

fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// A track with one sample.
fn track(handler: &[u8; 4], seconds: u32, (at, length): (usize, usize)) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).unwrap();
    let tkhd = atom(b"tkhd", &[words(&[7, 0, 0, 1, 0, seconds * 1_000]), vec![0; 52], words(&[64 << 16, 48 << 16])].concat());
    let mdhd = atom(b"mdhd", &words(&[0, 0, 0, 1_000, seconds * 1_000, 0]));
    let hdlr = atom(b"hdlr", &[&words(&[0, 0])[..], handler, &[0; 12], b"Camera of Hoa\0"].concat());
    let table = [
        atom(b"stsd", &words(&[0, 0])),
        atom(b"stts", &words(&[0, 1, 1, seconds * 1_000])),
        atom(b"stsc", &words(&[0, 1, 1, 1, 1])),
        atom(b"stsz", &words(&[0, 0, 1, number(length)])),
        atom(b"stco", &words(&[0, 1, number(at)])),
    ];
    let minf = atom(b"minf", &atom(b"stbl", &table.concat()));
    atom(b"trak", &[tkhd, atom(b"mdia", &[mdhd, hdlr, minf].concat())].concat())
}

/// A recording as telephones write them: the track, a track of positions, notes with a place, and space nobody names with one.
fn recording(handler: &[u8; 4], seconds: u32) -> Bytes {
    let ftyp = atom(b"ftyp", b"isom\0\0\0\0isom");
    let moov = |at: usize| {
        let mvhd = atom(b"mvhd", &[words(&[0, 0, 0, 1_000, seconds * 1_000]), vec![0; 80]].concat());
        let notes = atom(b"udta", &atom(b"\xa9xyz", PLACE));
        atom(b"moov", &[mvhd, track(handler, seconds, (at, 4)), track(b"meta", seconds, (at + 4, PLACE.len())), notes].concat())
    };
    let at = ftyp.len() + moov(0).len() + 8;
    [ftyp, moov(at), atom(b"mdat", &[&[1, 2, 3, 4], PLACE, b"more ", PLACE].concat()), atom(b"free", PLACE)].concat().into()
}

#[test]
fn a_recording_keeps_what_is_played_and_nothing_else() {
    let made = recording(b"vide", 7);
    let files: [&[u8]; 4] = [&made, include_bytes!("../files/video.mp4"), include_bytes!("../files/video.mov"), include_bytes!("../files/sound.m4a")];
    for (n, file) in files.into_iter().enumerate() {
        // A sound file of that encoder has no field for a place.
        assert!(n == 3 || holds(file, PLACE), "{n}: the place stands in it");
        let (probe, kept) = cleaned(file).unwrap_or_else(|| panic!("{n}: can be read"));
        // Encoders pad sound: two seconds are a little more, and count as three.
        assert_eq!((probe.video, probe.seconds), (n != 3, if n == 0 { 7 } else { 3 }));
        assert_eq!(kept.len(), file.len(), "every offset stays true");
        for note in [PLACE, b"of Hoa", b"Nguyen Van A", b"Lavf"] {
            assert!(!holds(&kept, note), "{n}: {}", String::from_utf8_lossy(note));
        }
        assert_eq!(cleaned(&kept).map(|(again, _)| again), Some(probe), "{n}: it is still one");
        assert_eq!(cleaned(&kept).map(|(_, twice)| twice == kept), Some(true), "{n}: and clean");
        // The picture itself, byte for byte: x264 writes its name into the first frame.
        assert_eq!(holds(&kept, b"x264 - core"), n == 1 || n == 2);
        for cut in 0..file.len().min(2_000) {
            let _no_panic = cleaned(&file[..cut]);
        }
    }
    let at = made.windows(4).position(|w| w == [1, 2, 3, 4]).unwrap();
    assert_eq!(cleaned(&made).unwrap().1[at..at + 4], [1, 2, 3, 4]);
    // Samples outside the file, or the same bytes again and again, are no recording.
    let broken = |from: &[u8], to: &[u8]| {
        let at = made.windows(from.len()).position(|w| w == from).unwrap();
        [&made[..at], to, &made[at + from.len()..]].concat()
    };
    let offset = words(&[u32::try_from(at).unwrap()]);
    assert_eq!(cleaned(&broken(&[b"stco", &words(&[0, 1])[..], &offset].concat(), &[b"stco", &words(&[0, 1, 8])[..]].concat())), None);
    assert_eq!(cleaned(&broken(b"mvhd", b"mvex")), None, "fragments are not taken");
}

#[tokio::test]
async fn videos_and_sound_are_bounded_and_stay_inside() {
    with_app(|app| async move {
        let (video, sound) = (recording(b"vide", 7), recording(b"soun", 3));
        let got = app.open(light()).await;
        let send = |bytes: &Bytes, key: Option<&str>| app_send(&app, &got.code, key.map(str::to_string), bytes.clone());
        let key = Some(got.key.as_str());
        let kept = send(&video, key).await.unwrap();
        assert_eq!((kept.kind.as_str(), kept.seconds, kept.media_type.as_str()), ("video", 7, "video/mp4"));
        for (bytes, key, code) in [
            (&video, Some("WRONG"), "case.key.wrong"),
            (&video, key, "case.media.again"),
            (&jpeg(40, 30), key, "case.media.unreadable"),
            (&Bytes::from_static(b"....ftypisom and no more"), key, "case.media.unreadable"),
            (&recording(b"vide", 500), key, "case.media.too-long"),
            (&recording(b"vide", 0), key, "case.media.unreadable"),
        ] {
            assert_eq!(send(bytes, key).await.unwrap_err().code(), code);
        }
        send(&sound, key).await.unwrap();
        app.cases.add_media(&app.centre(), got.id, recording(b"vide", 9)).await.unwrap();
        assert_eq!(send(&recording(b"soun", 8), key).await.unwrap_err().code(), "case.media.too-many");

        app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
        assert!(app.cases.media(&app.anybody(), kept.id, None, None).await.is_err(), "never public");
        assert!(app.cases.media(&app.officer("khac", "so-xd-33"), kept.id, None, None).await.is_err());
        let whole = app.cases.media(&app.officer("canbo", "ubnd-11953"), kept.id, None, None).await.unwrap();
        assert_eq!((whole.bytes.len(), holds(&whole.bytes, PLACE)), (video.len(), false));
        assert_eq!(app.audited("case.media.read").await.len(), 1, "an officer's reading is on record, the reporter's own is not");
        let part = app.cases.media(&app.anybody(), kept.id, key, Some((4, Some(7)))).await.unwrap();
        assert_eq!((&part.bytes[..], part.whole), (&b"ftyp"[..], video.len()));
        assert!(app.cases.media(&app.anybody(), kept.id, key, Some((video.len(), None))).await.is_err());
        assert_eq!(app.cases.get(&app.centre(), got.id).await.unwrap().media.len(), 3);
        let public = serde_json::to_string(&app.cases.public_case(&app.anybody(), &got.code).await.unwrap()).unwrap();
        assert!(!public.contains(&kept.id.to_string()));
    })
    .await;
}

async fn app_send(app: &App, code: &str, key: Option<String>, bytes: Bytes) -> dothi_kernel::Result<dothi_cases::media::MediaRef> {
    app.cases.report_media(&app.anybody(), code, key.as_deref(), bytes).await
}

/// A letter with a photo, as a mail server hands it over.
fn letter(id: &str, more: &str, subject: &str, words: &str) -> Bytes {
    let photo = jpeg(40, 30);
    let encoded: String = photo.chunks(3).map(base64).collect::<Vec<_>>().join("");
    format!(
        "From: =?UTF-8?Q?Ho=C3=A0_Nguy=E1=BB=85n?= <hoa@example.vn>\r\nTo: phananh@hungyen.example.vn\r\nMessage-ID: <{id}>\r\n{more}Subject: {subject}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n> cũ\r\n\
         --b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"a.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--\r\n"
    )
    .into()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let n = bytes.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - bytes.len()));
    (0..4).map(|i| if i <= bytes.len() { char::from(LETTERS[(n >> (18 - 6 * i) & 63) as usize]) } else { '=' }).collect()
}

#[tokio::test]
async fn a_letter_becomes_one_report_for_the_centre() {
    with_app(|app| async move {
        let take = |raw: Bytes| {
            let app = &app;
            async move { app.cases.take_mail(&app.centre(), raw).await.unwrap() }
        };
        let raw = letter("1@example.vn", "", "Đèn hỏng", "Đèn trước số 5 Lê Lợi hỏng, gọi 0912345678.");
        let first = take(raw.clone()).await;
        assert_eq!((first.outcome.as_str(), take(raw).await), ("taken", first.clone()), "handed over twice, one report");
        let all = ListQuery { view: Some("all".into()), ..ListQuery::default() };
        let rows = app.cases.list(&app.centre(), &all).await.unwrap().items;
        assert_eq!((rows.len(), rows[0].category.as_str()), (1, "other"));
        let seen = app.cases.get(&app.centre(), rows[0].id).await.unwrap();
        assert_eq!((seen.text.as_str(), seen.source.as_str(), seen.photos.len()), ("Đèn hỏng\nĐèn trước số 5 Lê Lợi hỏng, gọi 0912345678.", "mail", 1));
        assert_eq!(seen.screening.flags[0].code, "phone");
        let known = app.cases.identity(&app.centre(), seen.id).await.unwrap().contact;
        assert_eq!(known, Contact { name: Some("Hoà Nguyễn".into()), phone: None, email: Some("hoa@example.vn".into()) });

        let ignored = |why: &str| MailResult { outcome: "ignored".into(), code: None, why: Some(why.into()) };
        assert_eq!(take(letter("2@example.vn", "Auto-Submitted: auto-replied\r\n", "Re", "Đi vắng")).await, ignored("auto-reply"));
        // An answer of the reporter goes to the report; the same words of somebody else are a report of their own.
        let answer = letter("3@example.vn", "", &format!("Re: {}", seen.code), "Số nhà là 7");
        assert_eq!((take(answer.clone()).await.outcome.as_str(), take(answer).await.outcome.as_str()), ("noted", "noted"));
        let log = app.cases.get(&app.centre(), seen.id).await.unwrap().log;
        assert_eq!(log.iter().filter(|l| l.step == "mail" && l.note.as_deref() == Some("Số nhà là 7")).count(), 1);
        let other = String::from_utf8(letter("4@example.vn", "", &format!("Re: {}", seen.code), "Số nhà là 7").to_vec()).unwrap().replace("hoa@", "ba@");
        assert_ne!(take(other.into()).await.code.as_ref(), Some(&seen.code));

        assert_eq!(app.cases.take_mail(&app.centre(), Bytes::new()).await.unwrap_err().code(), "case.mail.unreadable");
        for nobody in [app.anybody(), app.citizen("dan"), app.officer("canbo", "ubnd-11953")] {
            assert!(app.cases.take_mail(&nobody, letter("5@example.vn", "", "a", "b")).await.is_err());
        }
        // Only letters may come without a place, and only the centre says that something is one.
        let pretended = NewReport { source: Some("mail".into()), ..placeless() };
        assert_eq!(app.cases.report(&app.anybody(), pretended, vec![], None).await.unwrap_err().code(), "case.place.missing");
    })
    .await;
}
