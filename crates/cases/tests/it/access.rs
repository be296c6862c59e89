//! Who may: the access matrix of the domain, identities on record, photos.

use dothi_cases::model::{Contact, ListQuery, MoveInput, NewReport};
use dothi_kernel::{Caller, PageQuery, Result};

use crate::photos::jpeg;
use crate::{light, reason, with_app};

fn status<T>(result: Result<T>) -> u16 {
    result.map_or_else(|e| e.kind().status(), |_| 200)
}

#[tokio::test]
async fn other_units_see_nothing_and_move_nothing() {
    with_app(|app| async move {
        let got = app.open(light()).await;
        let own = app.officer("canbo", "ubnd-11953");
        let other = app.officer("canbo2", "ubnd-12452");
        let rows: [(&str, Caller, [u16; 5]); 6] = [
            ("nobody", app.anybody(), [401, 401, 401, 401, 401]),
            ("citizen", app.citizen("lan"), [403, 403, 403, 403, 403]),
            ("own officer", own, [200, 200, 403, 403, 409]),
            ("other officer", other.clone(), [200, 403, 403, 403, 403]),
            ("leader", app.leader("lanhdao", "ubnd-11953"), [200, 200, 403, 403, 409]),
            ("centre", app.centre(), [200, 200, 200, 200, 403]),
        ];
        for (who, caller, expected) in rows {
            let input = || MoveInput { version: 1, ..reason("x") };
            let found = [
                status(app.cases.list(&caller, &ListQuery::default()).await),
                status(app.cases.get(&caller, got.id).await),
                status(app.cases.identity(&caller, got.id).await),
                // A move of the centre that lacks its text: 400 tells that it would be allowed.
                match status(app.cases.make_move(&caller, got.id, "ask_reporter", input(), vec![]).await) {
                    400 => 200,
                    other => other,
                },
                status(app.cases.make_move(&caller, got.id, "take", input(), vec![]).await),
            ];
            assert_eq!(found, expected, "{who}");
        }
        let all = ListQuery { view: Some("all".into()), ..ListQuery::default() };
        assert!(app.cases.list(&other, &all).await.unwrap().items.is_empty());
        assert_eq!(app.cases.counts(&other).await.unwrap().open, 0);
        // What is not there and what is not yours look the same to those without any right.
        assert_eq!(status(app.cases.get(&app.citizen("lan"), uuid::Uuid::nil()).await), 403);
        assert_eq!(status(app.cases.get(&app.centre(), uuid::Uuid::nil()).await), 404);
    })
    .await;
}

#[tokio::test]
async fn reading_who_reported_is_on_record() {
    with_app(|app| async move {
        let contact = Contact { name: Some("Hoa".into()), phone: Some("0912345678".into()), email: None };
        let lan = app.citizen("lan");
        let got = app.cases.report(&lan, NewReport { contact: Some(contact.clone()), ..light() }, vec![], None).await.unwrap();
        let audit = async || app.store.audit_page(&PageQuery::default(), "case.identity").await.unwrap().items;
        assert_eq!(status(app.cases.identity(&app.officer("canbo", "ubnd-11953"), got.id).await), 403);
        assert!(audit().await.is_empty());
        let identity = app.cases.identity(&app.centre(), got.id).await.unwrap();
        assert_eq!((identity.contact, identity.person), (contact, lan.id));
        let entries = audit().await;
        assert_eq!((entries.len(), entries[0].actor.as_str(), entries[0].object.clone()), (1, "dieuhanh", format!("case:{}", got.id)));
        assert!(!entries[0].detail.to_string().contains("0912345678"));
        // Not among the own reports when the person does not want it.
        let hidden = app.cases.report(&lan, NewReport { anonymous: true, ..light() }, vec![], None).await.unwrap();
        assert_eq!(app.cases.identity(&app.centre(), hidden.id).await.unwrap().person, None);
        assert_eq!(app.cases.mine(&lan, &PageQuery::default()).await.unwrap().items.len(), 1);
        assert_eq!(format!("{:?}", identity_debug()), "Contact(personal)");
    })
    .await;
}

fn identity_debug() -> Contact {
    Contact { name: Some("Hoa".into()), ..Contact::default() }
}

#[tokio::test]
async fn photos_are_shown_to_those_who_may_see_them() {
    with_app(|app| async move {
        let got = app.cases.report(&app.anybody(), light(), vec![jpeg(20, 10), jpeg(10, 20)], None).await.unwrap();
        let photos = app.cases.get(&app.system(), got.id).await.unwrap().photos;
        let sha = photos[0].sha.clone();
        let see = async |caller: &Caller, key: Option<&str>| status(app.cases.photo(caller, &sha, true, key).await);
        assert_eq!(see(&app.anybody(), None).await, 401);
        assert_eq!(see(&app.anybody(), Some("WRONG")).await, 401);
        assert_eq!(see(&app.anybody(), Some(&got.key)).await, 200);
        assert_eq!(see(&app.officer("canbo", "ubnd-11953"), None).await, 200);
        assert_eq!(see(&app.officer("canbo2", "ubnd-12452"), None).await, 403);
        assert_eq!(status(app.cases.photo(&app.centre(), &"0".repeat(64), true, None).await), 404);
        // The centre lets one photo through and keeps the other back.
        let keep = MoveInput { hide_photos: vec![photos[1].sha.clone()], ..MoveInput::default() };
        app.step(&app.centre(), got.id, "accept", keep).await.unwrap();
        app.timers().await;
        assert_eq!(see(&app.anybody(), None).await, 200);
        assert_eq!(status(app.cases.photo(&app.anybody(), &photos[1].sha, false, None).await), 401);
        app.step(&app.centre(), got.id, "hide", reason("có mặt người")).await.unwrap();
        assert_eq!(see(&app.anybody(), None).await, 401);
    })
    .await;
}
