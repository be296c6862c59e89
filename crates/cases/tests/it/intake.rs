//! Intake by the centre, private reports, words that need a second look, barred senders.

use dothi_cases::barred::{BarredInput, BarredKind};
use dothi_cases::intake_desk::{CallerInput, ScreenInput};
use dothi_cases::model::{Contact, ListQuery, MoveInput, NewReport, PublicQuery};
use dothi_kernel::PageQuery;
use dothi_kernel::geo::Point;

use crate::{answer, light, photos::jpeg, reason, with_app};

fn phone(number: &str) -> Option<Contact> {
    Some(Contact { name: Some("Trần Văn Gọi".into()), phone: Some(number.into()), ..Contact::default() })
}

#[tokio::test]
async fn a_call_is_entered_for_somebody_and_the_next_caller_joins() {
    with_app(|app| async move {
        let call = NewReport { source: Some("phone".into()), urgency: Some("urgent".into()), contact: phone("0912 345 678"), ..light() };
        let got = app.cases.report(&app.centre(), call.clone(), vec![], Some("cuoc-goi-1")).await.unwrap();
        let seen = app.cases.get(&app.officer("canbo", "ubnd-11953"), got.id).await.unwrap();
        assert_eq!((seen.source.as_str(), seen.urgency.as_str()), ("phone", "urgent"));
        assert!(!serde_json::to_string(&seen).unwrap().contains("345 678"), "who called is hidden from the unit");
        // Only people of the centre choose channel and urgency.
        let own = app.open(call).await;
        let own = app.cases.get(&app.system(), own.id).await.unwrap();
        assert_eq!((own.source.as_str(), own.urgency.as_str()), ("web", "normal"));
        let bad = NewReport { source: Some("smoke".into()), ..light() };
        assert_eq!(app.cases.report(&app.centre(), bad, vec![], None).await.unwrap_err().code(), "case.source");

        let too = |number: &str, note: &str| CallerInput { contact: phone(number), note: Some(note.into()) };
        for (number, followers) in [("0987654321", 1), ("+84 987 654 321", 1), ("0911111111", 2)] {
            let joined = app.cases.caller_too(&app.centre(), &got.code, too(number, "Cũng tắt ở nhà tôi")).await.unwrap();
            assert_eq!(joined.followers, followers, "a number is counted once, however it is written");
        }
        let log = app.cases.get(&app.system(), got.id).await.unwrap().log;
        assert_eq!(log.iter().filter(|l| l.step == "caller" && l.note.as_deref() == Some("Cũng tắt ở nhà tôi")).count(), 3);
        let known = app.cases.identity(&app.centre(), got.id).await.unwrap();
        assert_eq!((known.contact.phone.as_deref(), known.callers.len()), (Some("0912 345 678"), 2));
        for other in [app.anybody(), app.citizen("dan"), app.officer("canbo", "ubnd-11953")] {
            assert!(app.cases.caller_too(&other, &got.code, CallerInput::default()).await.is_err());
        }
    })
    .await;
}

#[tokio::test]
async fn of_a_private_report_the_public_sees_kind_and_state() {
    with_app(|app| async move {
        let secret = NewReport { private: true, text: "Nhà bên cạnh đốt rác độc hại ban đêm".into(), ..light() };
        let got = app.cases.report(&app.anybody(), secret, vec![jpeg(40, 30)], None).await.unwrap();
        app.step(&app.centre(), got.id, "accept", MoveInput { public_text: Some("Cho qua".into()), ..MoveInput::default() }).await.unwrap();
        let (officer, leader) = (app.officer("canbo", "ubnd-11953"), app.leader("lanhdao", "ubnd-11953"));
        app.step(&officer, got.id, "take", MoveInput::default()).await.unwrap();
        app.step(&officer, got.id, "answer", answer("Đã nhắc nhở hộ gia đình")).await.unwrap();
        app.step(&leader, got.id, "approve_no_site", reason("Không có hiện trường")).await.unwrap();

        let seen = app.cases.public_case(&app.anybody(), &got.code).await.unwrap();
        assert_eq!((seen.category.as_str(), seen.state.as_str(), seen.area.as_deref()), ("street-light", "resolved", Some("11953")));
        let said = serde_json::to_string(&seen).unwrap();
        for hidden in ["rác", "Cho qua", "nhắc nhở", "106.05"] {
            assert!(!said.contains(hidden), "{hidden} in {said}");
        }
        assert!(seen.text.is_none() && seen.location.is_none() && seen.photos.is_empty() && seen.answer.is_none());
        let spot = Point::new(106.0512345, 20.6598765).unwrap();
        assert!(app.cases.nearby(&app.anybody(), spot, None).await.unwrap().is_empty());
        let map = app.cases.public_map(&app.anybody(), &PublicQuery::default()).await.unwrap();
        assert_eq!(map["features"].as_array().unwrap().len(), 0);
        let words = PublicQuery { q: Some("rác độc hại".into()), ..PublicQuery::default() };
        assert!(app.cases.public_list(&app.anybody(), &words).await.unwrap().items.is_empty());
        let sha = &app.cases.get(&app.system(), got.id).await.unwrap().photos[0].sha;
        assert!(app.cases.photo(&app.anybody(), sha, false, None).await.is_err());
        // The reporter sees all of it.
        let own = app.cases.track(&app.anybody(), &got.code, Some(&got.key)).await.unwrap();
        assert_eq!(own.answer.unwrap().text, "Đã nhắc nhở hộ gia đình");
        assert!(app.cases.photo(&app.anybody(), sha, false, Some(&got.key)).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn what_needs_a_second_look_is_flagged_and_masked_before_it_is_public() {
    with_app(|app| async move {
        let text = "đm xe 17B1-234.56 của cháu bé học sinh đâm cột đèn, gọi 0912 345 678, CCCD 034099001234";
        let got = app.open(NewReport { text: text.into(), ..light() }).await;
        app.open(light()).await;
        let flagged = ListQuery { view: Some("all".into()), flagged: Some("any".into()), ..ListQuery::default() };
        let rows = app.cases.list(&app.centre(), &flagged).await.unwrap().items;
        assert_eq!(rows.iter().map(|r| r.flags.join(" ")).collect::<Vec<_>>(), ["children profanity phone identity-number plate"]);
        let seen = app.cases.get(&app.centre(), got.id).await.unwrap();
        let proposal = "••• xe ••• của cháu bé học sinh đâm cột đèn, gọi •••, CCCD •••";
        assert_eq!((seen.text.as_str(), seen.screening.proposal.as_str()), (text, proposal));
        app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
        assert_eq!(app.cases.public_case(&app.anybody(), &got.code).await.unwrap().text.as_deref(), Some(proposal));
        assert_eq!(app.cases.get(&app.centre(), got.id).await.unwrap().text, text, "the original is kept");
        // What the centre writes instead is looked through on request.
        let input = ScreenInput { text: "Hỏi anh Ba 0912345678".into(), ..ScreenInput::default() };
        assert_eq!(app.cases.screen(&app.centre(), &input).unwrap().flags[0].code, "phone");
        assert!(app.cases.screen(&app.citizen("dan"), &input).is_err());
    })
    .await;
}

#[tokio::test]
async fn reports_of_barred_senders_wait_and_are_not_lost() {
    with_app(|app| async move {
        let device = Some("thiet-bi-0123456789".to_string());
        let first = app.open(NewReport { contact: phone("0912345678"), device: device.clone(), ..light() }).await;
        let bar = |input: BarredInput| BarredInput { reason: "Gửi tin giả nhiều lần".into(), days: 30, ..input };
        let of_case = bar(BarredInput { case: Some(first.code.clone()), ..BarredInput::default() });
        let added = app.cases.bar(&app.centre(), of_case.clone()).await.unwrap();
        assert_eq!(added.iter().map(|b| b.kind.as_str()).collect::<Vec<_>>(), ["phone", "device"]);
        assert!(!serde_json::to_string(&added).unwrap().contains("912345"), "the list tells no number");
        assert_eq!(app.cases.bar(&app.centre(), of_case).await.unwrap_err().code(), "case.barred.already");
        let nobody = app.open(light()).await;
        let of_nobody = bar(BarredInput { case: Some(nobody.code), ..BarredInput::default() });
        assert_eq!(app.cases.bar(&app.centre(), of_nobody).await.unwrap_err().code(), "case.barred.nobody");
        assert!(app.cases.bar(&app.officer("canbo", "ubnd-11953"), bar(BarredInput::default())).await.is_err());

        // By telephone, written differently; by device; and somebody else.
        let held = app.open(NewReport { contact: phone("+84 912 345 678"), ..light() }).await;
        let same_device = app.open(NewReport { device, ..light() }).await;
        let other = app.open(NewReport { contact: phone("0900000001"), ..light() }).await;
        assert_eq!([&held.state, &same_device.state, &other.state], ["held", "held", "received"]);
        assert_eq!(held.unit.id, "ioc-33");
        assert!(app.cases.get(&app.officer("canbo", "ubnd-11953"), held.id).await.is_err(), "the unit does not get it");
        assert_eq!(app.cases.public_case(&app.anybody(), &held.code).await.unwrap_err().code(), "case.unknown");
        assert!(app.cases.track(&app.anybody(), &held.code, Some(&held.key)).await.is_ok(), "its sender can follow it");
        let waiting = ListQuery { view: Some("all".into()), state: Some("held".into()), ..ListQuery::default() };
        assert_eq!(app.cases.list(&app.centre(), &waiting).await.unwrap().items.len(), 2);

        let released = app.step(&app.centre(), held.id, "release", MoveInput::default()).await.unwrap();
        assert_eq!((released.state.as_str(), released.unit.id.as_str()), ("received", "ubnd-11953"));
        assert!(app.cases.public_case(&app.anybody(), &held.code).await.is_ok());

        let list = app.cases.barred(&app.centre(), &PageQuery::default()).await.unwrap().items;
        let by_phone = list.iter().find(|b| b.kind == "phone").unwrap();
        assert_eq!((by_phone.hits, by_phone.active), (1, true));
        app.cases.unbar(&app.centre(), by_phone.id).await.unwrap();
        assert_eq!(app.open(NewReport { contact: phone("0912345678"), ..light() }).await.state, "received");
        // An entry ends by itself.
        let mail = bar(BarredInput { kind: Some(BarredKind::Email), value: Some("Ai@Example.vn".into()), ..BarredInput::default() });
        app.cases.bar(&app.centre(), mail).await.unwrap();
        let by_mail = || NewReport { contact: Some(Contact { email: Some("ai@example.vn".into()), ..Contact::default() }), ..light() };
        assert_eq!(app.open(by_mail()).await.state, "held");
        app.store.clock.advance_seconds(31 * 86_400);
        assert_eq!(app.open(by_mail()).await.state, "received");
    })
    .await;
}

#[tokio::test]
async fn the_banner_knows_tet_and_the_noon_break() {
    with_app(|app| async move {
        for (now, open, from) in [
            ("2026-02-13T02:00:00Z", true, "2026-02-13T02:00:00Z"),
            ("2026-02-13T05:00:00Z", false, "2026-02-13T06:30:00Z"),
            // Friday evening before Tết: Monday a week later.
            ("2026-02-13T11:00:00Z", false, "2026-02-23T00:30:00Z"),
        ] {
            app.at(now);
            let hours = app.cases.hours(&app.anybody()).unwrap();
            assert_eq!((hours.open, hours.opens_at.to_string().as_str()), (open, from), "{now}");
        }
    })
    .await;
}
