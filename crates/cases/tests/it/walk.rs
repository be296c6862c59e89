//! The whole way of a report, and what must not happen on it.

use dothi_cases::model::{Contact, ListQuery, MoveInput, NewReport, PublicQuery, RatingInput, StatsQuery};
use dothi_kernel::flow::Phase;
use dothi_kernel::{Event, PageQuery};

use crate::photos::jpeg;
use crate::{answer, light, reason, with_app};

#[tokio::test]
async fn a_report_goes_all_the_way() {
    with_app(|app| async move {
        let me = app.citizen("lan");
        let got = app.cases.report(&me, light(), vec![jpeg(40, 30)], None).await.unwrap();
        assert!(got.code.starts_with("HY-") && got.code.len() == 9, "{}", got.code);
        assert_eq!((got.unit.id.as_str(), got.state.as_str(), got.phase), ("ubnd-11953", "received", Phase::Open));
        let page = app.cases.public_case(&app.anybody(), &got.code).await.unwrap();
        assert_eq!((page.text.as_deref(), page.photos.len(), page.own.as_ref()), (None, 0, None), "nothing of the reporter before the centre looked");

        let case = app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
        assert_eq!((case.state.as_str(), case.published), ("assigned", true));
        app.timers().await;
        let page = app.cases.public_case(&app.anybody(), &got.code).await.unwrap();
        assert_eq!((page.text.as_deref(), page.photos.len()), (Some(light().text.as_str()), 1));

        let (officer, leader) = (app.officer("canbo", "ubnd-11953"), app.leader("lanhdao", "ubnd-11953"));
        let case = app.step(&officer, got.id, "take", MoveInput::default()).await.unwrap();
        assert_eq!(case.assignee.as_deref(), Some("canbo"));
        assert!(case.replies.iter().any(|r| r.code == "light-replaced"));
        let missing = app.step(&officer, got.id, "answer", MoveInput::default()).await.unwrap_err();
        assert_eq!(missing.code(), "flow.field-missing");
        app.step(&officer, got.id, "answer", answer("Đã thay bóng đèn.")).await.unwrap();
        assert!(app.cases.public_case(&app.anybody(), &got.code).await.unwrap().answer.is_none(), "a draft is not public");

        // "Solved" needs a photo of the work.
        let unproved = app.step(&leader, got.id, "approve", MoveInput::default()).await.unwrap_err();
        assert_eq!((unproved.code(), unproved.context()[0].1.as_str()), ("flow.field-missing", "photo_after"));
        let version = app.cases.get(&leader, got.id).await.unwrap().version;
        let same = app.cases.make_move(&leader, got.id, "approve", MoveInput { version, ..MoveInput::default() }, vec![jpeg(40, 30)]).await.unwrap_err();
        assert_eq!(same.code(), "flow.field-missing", "the reporter's own photo proves nothing");
        let case = app.cases.make_move(&leader, got.id, "approve", MoveInput { version, ..MoveInput::default() }, vec![jpeg(50, 40)]).await.unwrap();
        assert_eq!((case.state.as_str(), case.phase, case.clock.stopped), ("resolved", Phase::Solved, true));
        app.timers().await;
        let page = app.cases.public_case(&app.anybody(), &got.code).await.unwrap();
        let public_answer = page.answer.unwrap();
        assert_eq!((public_answer.text.as_str(), public_answer.photos.len()), ("Đã thay bóng đèn.", 1));
        let states: Vec<String> = page.timeline.unwrap().into_iter().map(|t| t.what).collect();
        assert_eq!(states, ["Đã tiếp nhận", "Đã chuyển đơn vị xử lý", "Đang xử lý", "Chờ duyệt trả lời", "Đã xử lý xong"]);

        // The signed-in reporter needs no key.
        let rating = RatingInput { stars: 5, comment: Some("Cảm ơn!".into()), key: None };
        let rated = app.cases.rate(&me, &got.code, rating.clone()).await.unwrap();
        assert_eq!((rated.state.as_str(), rated.rating), ("closed", Some(5)));
        assert_eq!(app.cases.rate(&me, &got.code, rating.clone()).await.unwrap_err().code(), "case.rating.again");

        let events = app.store.events_after(0, 100).await.unwrap();
        let names: Vec<String> = events.iter().map(|e| e.event.name()).collect();
        assert_eq!(names, ["case-opened", "case-moved", "case-moved", "case-moved", "case-moved", "case-answered", "case-moved", "case-rated"]);
        assert_eq!(app.cases.mine(&me, &PageQuery::default()).await.unwrap().items.len(), 1);
        // Learning and retention set their next time themselves.
        let sql = "select kind, key, last_error from job where kind not in ('cases.learn', 'cases.retention')";
        let left = app.store.rows(sql, dothi_store::params![]).await.unwrap();
        let left: Vec<_> = left.iter().map(|r| (r.text("kind").unwrap(), r.text("key").unwrap(), r.opt_text("last_error").unwrap())).collect();
        assert_eq!(left, [], "no timer is left over");
    })
    .await;
}

#[tokio::test]
async fn few_stars_ask_for_another_look_and_only_the_reporter_rates() {
    with_app(|app| async move {
        let got = app.open(light()).await;
        let early = RatingInput { stars: 4, comment: None, key: Some(got.key.clone()) };
        assert_eq!(app.cases.rate(&app.anybody(), &got.code, early).await.unwrap_err().code(), "case.rating.not-now");
        resolve(&app, got.id).await;
        let wrong = |key: Option<&str>, stars| RatingInput { stars, comment: None, key: key.map(str::to_string) };
        assert_eq!(app.cases.rate(&app.anybody(), &got.code, wrong(None, 1)).await.unwrap_err().code(), "access.sign-in-needed");
        assert_eq!(app.cases.rate(&app.anybody(), &got.code, wrong(Some("NOT-THE-KEY"), 1)).await.unwrap_err().code(), "case.key.wrong");
        assert_eq!(app.cases.rate(&app.citizen("other"), &got.code, wrong(None, 1)).await.unwrap_err().code(), "case.key.wrong");
        assert_eq!(app.cases.rate(&app.anybody(), &got.code, wrong(Some(&got.key), 0)).await.unwrap_err().code(), "case.rating.stars");
        let rated = app.cases.rate(&app.anybody(), &got.code, wrong(Some(&got.key), 2)).await.unwrap();
        assert_eq!(rated.state, "reopen_requested");

        // Opened again: a fresh deadline, and the old photo proves nothing.
        app.store.clock.advance_seconds(86_400 * 3);
        let case = app.step(&app.centre(), got.id, "reopen", reason("Đèn vẫn tắt")).await.unwrap();
        assert_eq!((case.state.as_str(), case.clock.used_minutes, case.closed_at), ("assigned", 0, None));
        let officer = app.officer("canbo", "ubnd-11953");
        app.step(&officer, got.id, "take", MoveInput::default()).await.unwrap();
        app.step(&officer, got.id, "answer", answer("Đã sửa lại.")).await.unwrap();
        let again = app.step(&app.leader("lanhdao", "ubnd-11953"), got.id, "approve", MoveInput::default()).await.unwrap_err();
        assert_eq!(again.code(), "flow.field-missing");
    })
    .await;
}

/// Brings a case of Phố Hiến to a public answer.
pub async fn resolve(app: &crate::App, id: uuid::Uuid) {
    app.step(&app.centre(), id, "accept", MoveInput::default()).await.unwrap();
    resolve_from_assigned(app, id).await;
}

/// The same for a case that the unit has already.
pub async fn resolve_from_assigned(app: &crate::App, id: uuid::Uuid) {
    let (officer, leader) = (app.officer("canbo", "ubnd-11953"), app.leader("lanhdao", "ubnd-11953"));
    app.step(&officer, id, "take", MoveInput::default()).await.unwrap();
    app.step(&officer, id, "answer", answer("Đã xử lý.")).await.unwrap();
    let version = app.cases.get(&leader, id).await.unwrap().version;
    app.cases.make_move(&leader, id, "approve", MoveInput { version, ..MoveInput::default() }, vec![jpeg(8, 8)]).await.unwrap();
}

#[tokio::test]
async fn the_answer_needs_a_second_person() {
    with_app(|app| async move {
        let got = app.open(light()).await;
        let leader = app.leader("lanhdao", "ubnd-11953");
        app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
        app.step(&leader, got.id, "take", MoveInput::default()).await.unwrap();
        app.step(&leader, got.id, "answer", answer("Tự trả lời.")).await.unwrap();
        let own = app.step(&leader, got.id, "approve_unresolved", reason("thử")).await.unwrap_err();
        assert_eq!((own.code(), own.kind().status()), ("case.same-person", 403));
        // Sent back and answered by somebody else, the leader may approve.
        app.step(&leader, got.id, "send_back", reason("Bổ sung")).await.unwrap();
        app.step(&app.officer("canbo", "ubnd-11953"), got.id, "answer", answer("Trả lời mới.")).await.unwrap();
        let case = app.step(&leader, got.id, "approve_unresolved", reason("Chưa có vốn")).await.unwrap();
        assert_eq!((case.state.as_str(), case.answer.unwrap().text.as_str()), ("not_resolved", "Trả lời mới."));
    })
    .await;
}

#[tokio::test]
async fn two_officers_at_once_and_one_is_told() {
    with_app(|app| async move {
        let got = app.open(light()).await;
        let case = app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
        let input = || MoveInput { version: case.version, ..MoveInput::default() };
        let (a, b) = (app.officer("an", "ubnd-11953"), app.officer("binh", "ubnd-11953"));
        let (first, second) = tokio::join!(app.cases.make_move(&a, got.id, "take", input(), vec![]), app.cases.make_move(&b, got.id, "take", input(), vec![]));
        let errors: Vec<_> = [first.as_ref().err(), second.as_ref().err()].into_iter().flatten().collect();
        assert_eq!(errors.len(), 1, "exactly one succeeds");
        assert_eq!(errors[0].kind().status(), 409);
        let log = app.cases.get(&a, got.id).await.unwrap().log;
        assert_eq!(log.iter().filter(|l| l.step == "take").count(), 1);
        // Notes disturb nobody, however many come at once.
        let notes = futures::future::join_all((0..6).map(|n| {
            let (app, a) = (&app, &a);
            async move { app.cases.note(a, got.id, &format!("ghi chú {n}")).await }
        }))
        .await;
        assert!(notes.iter().all(Result::is_ok), "{:?}", notes.iter().find_map(|n| n.as_ref().err()));
        assert_eq!(app.cases.get(&a, got.id).await.unwrap().version, case.version + 1);
        // An old version is refused with the present one.
        let stale = app.cases.make_move(&a, got.id, "return_to_centre", MoveInput { version: 1, ..reason("x") }, vec![]).await.unwrap_err();
        assert_eq!(stale.code(), "case.version");
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer() {
    with_app(|app| async move {
        let me = app.anybody();
        let key = Some("3f0c2a52-8d5e-4a0f-a7cf-a1");
        let first = app.cases.report(&me, light(), vec![jpeg(9, 9)], key).await.unwrap();
        app.store.clock.advance_seconds(60);
        let again = app.cases.report(&app.anybody(), light(), vec![jpeg(9, 9)], key).await.unwrap();
        assert_eq!(first, again, "key and all");
        assert_eq!(app.cases.public_list(&me, &PublicQuery::default()).await.unwrap().items.len(), 1);
        assert!(app.cases.track(&me, &first.code, Some(&again.key)).await.is_ok());
        let other = NewReport { text: "Việc khác".into(), ..light() };
        assert_eq!(app.cases.report(&me, other, vec![], key).await.unwrap_err().code(), "case.idempotency-key.reused");
        // The same key of somebody else is another report.
        let theirs = app.cases.report(&app.from("203.0.113.99"), light(), vec![], key).await.unwrap();
        assert_ne!(theirs.code, first.code);
        let opened = app.store.events_after(0, 100).await.unwrap().into_iter().filter(|e| matches!(e.event, Event::CaseOpened { .. })).count();
        assert_eq!(opened, 2);
        // Nothing stored opens the case: neither the key nor what it is made of.
        let rows = app.store.rows("select result from idempotency", vec![]).await.unwrap();
        assert!(rows.iter().all(|r| !r.text("result").unwrap().contains(&first.key)));
    })
    .await;
}

#[tokio::test]
async fn nothing_personal_is_public() {
    with_app(|app| async move {
        let contact = Contact { name: Some("Nguyễn Thị Hoa".into()), phone: Some("0912 345 678".into()), email: Some("hoa.rieng@example.vn".into()) };
        let report = NewReport {
            text: "Đèn hỏng, gọi tôi số 0987.654.321 hoặc hoa.rieng@example.vn.".into(),
            address: Some("Số 17 ngõ 5 phố Bí Mật".into()),
            contact: Some(contact),
            ..light()
        };
        let got = app.cases.report(&app.citizen("0912345678"), report, vec![jpeg(9, 9)], None).await.unwrap();
        let public = async || {
            let me = app.anybody();
            let query = PublicQuery::default();
            let mut all = serde_json::to_string(&app.cases.public_list(&me, &query).await.unwrap()).unwrap();
            all += &serde_json::to_string(&app.cases.public_case(&me, &got.code).await.unwrap()).unwrap();
            all += &app.cases.public_map(&me, &query).await.unwrap().to_string();
            all += &serde_json::to_string(&app.cases.nearby(&me, dothi_kernel::geo::Point { lon: 106.05123, lat: 20.65987 }, None).await.unwrap()).unwrap();
            all += &serde_json::to_string(&app.cases.stats(&me, &StatsQuery::default()).await.unwrap()).unwrap();
            all += &serde_json::to_string(&app.store.events_after(0, 1000).await.unwrap()).unwrap();
            all
        };
        let secrets = [
            "Hoa",
            "0912345678",
            "0912 345",
            "hoa.rieng",
            "0987.654",
            "Bí Mật",
            "106.0512345",
            "20.6598765",
            "canbo",
            "lanhdao",
            "dieuhanh",
            "ghi chú nội bộ",
            got.key.as_str(),
        ];
        let clean = |text: &str, when: &str| secrets.iter().for_each(|s| assert!(!text.contains(s), "{s} is public {when}: {text}"));
        let before = public().await;
        clean(&before, "before acceptance");
        assert!(!before.contains("Đèn hỏng"), "the words wait for the centre");
        let note = MoveInput { note: Some("ghi chú nội bộ".into()), ..MoveInput::default() };
        app.step(&app.centre(), got.id, "accept", note).await.unwrap();
        let after = public().await;
        clean(&after, "after acceptance");
        assert!(after.contains("Đèn hỏng, gọi tôi số •••"), "{after}");
        // Officers see the words, not the contact; a search in public finds only public words.
        let case = app.cases.get(&app.officer("canbo", "ubnd-11953"), got.id).await.unwrap();
        let text = serde_json::to_string(&case).unwrap();
        assert!(text.contains("0987.654.321") && !text.contains("0912 345") && !text.contains("Hoa"));
        let find =
            async |q: &str| app.cases.public_list(&app.anybody(), &PublicQuery { q: Some(q.into()), ..PublicQuery::default() }).await.unwrap().items.len();
        assert_eq!((find("den hong").await, find("0987").await, find("bi mat").await, find("100%").await), (1, 0, 0, 0));
        // Taken from the public, it is gone everywhere.
        app.step(&app.centre(), got.id, "hide", reason("Thông tin cá nhân")).await.unwrap();
        assert_eq!(app.cases.public_case(&app.anybody(), &got.code).await.unwrap_err().code(), "case.unknown");
        assert!(app.cases.public_list(&app.anybody(), &PublicQuery::default()).await.unwrap().items.is_empty());
    })
    .await;
}

#[tokio::test]
async fn questions_to_the_reporter_are_answered_with_the_key() {
    with_app(|app| async move {
        let got = app.open(light()).await;
        let case = app.step(&app.centre(), got.id, "ask_reporter", answer("Đèn số mấy?")).await.unwrap();
        assert!(case.clock.paused);
        let own = app.cases.track(&app.anybody(), &got.code, Some(&got.key)).await.unwrap().own.unwrap();
        assert_eq!((own.question.as_deref(), own.moves.len(), own.text.as_str()), (Some("Đèn số mấy?"), 1, light().text.as_str()));
        let input = |key: &str| MoveInput { version: own.version, note: Some("Cột số 15".into()), key: Some(key.into()), ..MoveInput::default() };
        assert_eq!(app.cases.reporter_move(&app.anybody(), &got.code, "give_info", input("WRONG"), vec![]).await.unwrap_err().code(), "case.key.wrong");
        // The key opens the reporter's moves only.
        let accept = app.cases.reporter_move(&app.anybody(), &got.code, "accept", input(&got.key), vec![]).await.unwrap_err();
        assert_eq!(accept.kind().status(), 401);
        let after = app.cases.reporter_move(&app.anybody(), &got.code, "give_info", input(&got.key), vec![]).await.unwrap();
        assert_eq!(after.state, "received");
        let log = app.cases.get(&app.centre(), got.id).await.unwrap().log;
        assert_eq!(log.last().map(|l| (l.by.as_str(), l.note.as_deref())), Some(("reporter", Some("Cột số 15"))));
    })
    .await;
}

#[tokio::test]
async fn routing_says_why() {
    with_app(|app| async move {
        let case = async |report: NewReport| {
            let got = app.open(report).await;
            app.cases.get(&app.system(), got.id).await.unwrap()
        };
        let commune = case(light()).await;
        assert_eq!((commune.unit.id.as_str(), commune.routing.rule.as_str()), ("ubnd-11953", "commune"));
        let road = NewReport { category: "road-damage".into(), text: "Quốc lộ 39 đoạn qua chợ có ổ gà lớn".into(), ..light() };
        let road = case(road).await;
        assert_eq!((road.unit.id.as_str(), road.routing.rule.as_str(), road.routing.word.as_deref()), ("so-xd-33", "through-road", Some("quốc lộ")));
        let danger = NewReport { text: "Cột đèn bị RÒ ĐIỆN khi trời mưa".into(), ..light() };
        let danger = case(danger).await;
        assert_eq!((danger.urgency.as_str(), danger.clock.total_minutes), ("urgent", 240));
        // A rule whose function nobody holds is passed over, and the trace says so.
        let water = case(NewReport { category: "water-supply".into(), ..light() }).await;
        assert_eq!((water.unit.id.as_str(), water.routing.skipped.as_slice()), ("ubnd-11953", &["water-plant".to_string()][..]));
        // Without a spot the centre decides.
        let nowhere = NewReport { lon: None, lat: None, address: Some("gần chợ".into()), ..light() };
        let nowhere = case(nowhere).await;
        assert_eq!((nowhere.unit.id.as_str(), nowhere.routing.rule.as_str(), nowhere.area), ("ioc-33", "unplaced", None));
        let legal = app.open(NewReport { text: "Tôi làm đơn tố cáo cán bộ".into(), ..light() }).await;
        assert!(legal.notice.unwrap().contains("Luật Tố cáo"));
        let case = app.step(&app.centre(), legal.id, "redirect_legal", answer("Xin gửi đơn.")).await.unwrap();
        assert!(case.routing.warning.is_some());
        assert_eq!(app.cases.public_case(&app.anybody(), &legal.code).await.unwrap_err().code(), "case.unknown");
        let own = app.cases.track(&app.anybody(), &legal.code, Some(&legal.key)).await.unwrap();
        assert_eq!(own.answer.unwrap().text, "Xin gửi đơn.");
    })
    .await;
}

#[tokio::test]
async fn bad_reports_are_refused_with_reasons() {
    with_app(|app| async move {
        let refused = async |report: NewReport| app.cases.report(&app.anybody(), report, vec![], None).await.unwrap_err();
        assert_eq!(refused(NewReport { kind: "nothing".into(), ..light() }).await.code(), "case.kind.unknown");
        assert_eq!(refused(NewReport { category: "ufo".into(), ..light() }).await.code(), "case.category.unknown");
        assert_eq!(refused(NewReport { text: " \n\u{0} ".into(), ..light() }).await.code(), "case.text.missing");
        assert_eq!(refused(NewReport { text: "ă".repeat(4_001), ..light() }).await.code(), "case.text.too-long");
        assert_eq!(refused(NewReport { lon: None, lat: None, ..light() }).await.code(), "case.place.missing");
        assert_eq!(refused(NewReport { lat: None, ..light() }).await.code(), "geo.out-of-range");
        assert_eq!(refused(NewReport { lat: Some(f64::NAN), ..light() }).await.code(), "geo.out-of-range");
        assert_eq!(refused(NewReport { area: Some("13285".into()), lon: None, lat: None, ..light() }).await.code(), "case.place.outside");
        let phone = |phone: &str| Some(Contact { phone: Some(phone.into()), ..Contact::default() });
        assert_eq!(refused(NewReport { contact: phone("gọi tôi"), ..light() }).await.code(), "case.contact.invalid");
        let answers = [("pole".to_string(), "15".to_string()), ("colour".to_string(), "red".to_string())].into();
        assert_eq!(refused(NewReport { answers, ..light() }).await.code(), "case.answer.unknown");
        let other = refused(NewReport { lon: Some(105.9), lat: Some(20.53), ..light() }).await;
        assert_eq!((other.code(), other.kind().status()), ("case.place.outside", 422));
        assert!(other.context().iter().any(|(k, v)| *k == "province_name" && v == "Tỉnh Ninh Bình"));
        // Just outside the outline: the nearest commune is named.
        let near = refused(NewReport { lon: Some(106.0905), ..light() }).await;
        assert!(near.context().iter().any(|(k, v)| *k == "nearest" && v == "11953"), "{near}");
    })
    .await;
}

#[tokio::test]
async fn a_flood_is_stopped_and_a_repeat_is_not() {
    with_app(|app| async move {
        let key = Some("first-report-0001");
        let first = app.cases.report(&app.anybody(), light(), vec![], key).await.unwrap();
        for _ in 1..20 {
            app.open(light()).await;
        }
        let flooded = app.cases.report(&app.anybody(), light(), vec![], None).await.unwrap_err();
        assert_eq!((flooded.code(), flooded.kind().status()), ("case.flood", 429));
        assert!(flooded.wait().is_some());
        assert_eq!(app.cases.report(&app.anybody(), light(), vec![], Some("another-key-01")).await.unwrap_err().code(), "case.flood");
        assert_eq!(app.cases.report(&app.anybody(), light(), vec![], key).await.unwrap(), first);
        // Other people are not hit, and the centre is never stopped.
        app.cases.report(&app.from("203.0.113.8"), light(), vec![], None).await.unwrap();
        let phone = NewReport { source: Some("phone".into()), ..light() };
        let entered = app.cases.report(&app.centre(), phone, vec![], None).await.unwrap();
        assert_eq!(app.cases.get(&app.centre(), entered.id).await.unwrap().source, "phone");
        app.store.clock.advance_seconds(3_601);
        app.open(light()).await;
    })
    .await;
}

#[tokio::test]
async fn similar_reports_are_offered_followed_and_merged() {
    with_app(|app| async move {
        let first = app.open(light()).await;
        let here = dothi_kernel::geo::Point { lon: 106.0513, lat: 20.6610 };
        let near = app.cases.nearby(&app.anybody(), here, Some("street-light")).await.unwrap();
        assert_eq!(near.iter().map(|c| c.code.as_str()).collect::<Vec<_>>(), [first.code.as_str()]);
        assert!(app.cases.nearby(&app.anybody(), here, Some("garbage")).await.unwrap().is_empty());
        assert!(app.cases.nearby(&app.anybody(), dothi_kernel::geo::Point { lon: 106.0513, lat: 20.6640 }, None).await.unwrap().is_empty());
        for _ in 0..2 {
            let count = app.cases.follow(&app.from("203.0.113.50"), &first.code).await.unwrap();
            assert_eq!(count.followers, 1, "counted once");
        }
        let second = app.open(light()).await;
        app.cases.follow(&app.from("203.0.113.50"), &second.code).await.unwrap();
        app.cases.follow(&app.from("203.0.113.51"), &second.code).await.unwrap();
        let into = |code: &str| MoveInput { merge_into: Some(code.into()), ..MoveInput::default() };
        assert_eq!(app.step(&app.centre(), second.id, "merge", into(&second.code)).await.unwrap_err().code(), "case.merge.target");
        let merged = app.step(&app.centre(), second.id, "merge", into(&first.code)).await.unwrap();
        assert_eq!((merged.state.as_str(), merged.merged_into.as_deref()), ("merged", Some(first.code.as_str())));
        // One follower was new, and the second reporter counts.
        assert_eq!(app.cases.public_case(&app.anybody(), &first.code).await.unwrap().followers, 3);
    })
    .await;
}

#[tokio::test]
async fn a_case_keeps_the_type_it_was_opened_with() {
    with_app(|app| async move {
        let old = app.open(light()).await;
        app.cases.install(&app.system(), "base", crate::pack()).await.unwrap();
        assert_eq!(app.cases.get(&app.system(), old.id).await.unwrap().type_version, 1, "the same again is no new version");
        let mut changed = crate::pack();
        let lamp = changed.types[0].categories.iter_mut().find(|c| c.code == "street-light").unwrap();
        lamp.deadline = [("normal".to_string(), "1d".to_string().try_into().unwrap())].into();
        lamp.name = "Chiếu sáng".into();
        app.cases.install(&app.system(), "base", changed).await.unwrap();
        let new = app.open(light()).await;
        let (a, b) = (app.cases.get(&app.system(), old.id).await.unwrap(), app.cases.get(&app.system(), new.id).await.unwrap());
        assert_eq!((a.type_version, a.clock.total_minutes, a.category_name.as_str()), (1, 1_440, "Đèn đường hỏng"));
        assert_eq!((b.type_version, b.clock.total_minutes, b.category_name.as_str()), (2, 480, "Chiếu sáng"));
        // A broken type is refused whole.
        let mut broken = crate::pack();
        broken.types[0].flow.moves.get_mut("take").unwrap().to = "nowhere".into();
        assert_eq!(app.cases.install(&app.system(), "base", broken).await.unwrap_err().code(), "case.pack.invalid");
        // Opened anew, the store gives the types back.
        let again = dothi_cases::Cases::open(app.store.store.clone(), std::sync::Arc::new(crate::Map), std::sync::Arc::new(crate::calendar())).await.unwrap();
        assert_eq!(again.types(&app.anybody())[0].version, 2);
        assert!(again.track(&app.anybody(), &old.code, Some(&old.key)).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn the_officers_list_filters_and_pages() {
    with_app(|app| async move {
        for (n, name) in ["alpha", "beta", "gamma", "delta", "omega"].into_iter().enumerate() {
            app.store.clock.advance_seconds(60);
            let got = app.open(NewReport { text: format!("Đèn số {name} không sáng"), ..light() }).await;
            if n < 3 {
                app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
            }
        }
        app.open(NewReport { lon: Some(106.34), lat: Some(20.45), ..light() }).await;
        let officer = app.officer("canbo", "ubnd-11953");
        let list = async |caller: &dothi_kernel::Caller, query: ListQuery| app.cases.list(caller, &query).await.unwrap();
        let view = |view: &str| ListQuery { view: Some(view.into()), ..ListQuery::default() };
        assert_eq!(list(&officer, ListQuery::default()).await.items.len(), 3, "what waits for the unit");
        assert_eq!(list(&app.centre(), ListQuery::default()).await.items.len(), 3, "what waits for the centre");
        assert_eq!((list(&officer, view("unit")).await.items.len(), list(&app.centre(), view("all")).await.items.len()), (5, 6));
        let found = list(&officer, ListQuery { q: Some("den so delta".into()), ..view("all") }).await;
        assert_eq!(found.items.iter().map(|r| r.text_short.as_str()).collect::<Vec<_>>(), ["Đèn số delta không sáng"]);
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = list(&officer, ListQuery { limit: Some(2), after: after.clone(), ..view("all") }).await;
            seen.extend(page.items.iter().map(|r| (r.due_at, r.id)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 5);
        assert!(seen.windows(2).all(|w| w[0] < w[1]), "by deadline, each once");
        assert!(list(&officer, ListQuery { due: Some("overdue".into()), ..view("all") }).await.items.is_empty());
        app.store.clock.advance_seconds(86_400 * 10);
        let officer = app.officer("canbo", "ubnd-11953");
        let late = list(&officer, ListQuery { due: Some("overdue".into()), ..view("all") }).await;
        assert_eq!(late.items.len(), 5);
        assert!(late.items.iter().all(|r| r.overdue && r.minutes_left < 0));
        let counts = app.cases.counts(&officer).await.unwrap();
        assert_eq!((counts.open, counts.overdue, counts.soon, counts.unassigned), (5, 5, 0, 5));
    })
    .await;
}
