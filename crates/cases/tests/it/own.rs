//! What a reporter agrees to and takes back, and cases on paper.

use dothi_cases::consent::ConsentInput;
use dothi_cases::model::{Contact, PublicCase};
use dothi_paper::testing::words;

use super::*;

const WORDS: &str = "2026-11";

fn reached() -> NewReport {
    let contact = Contact { name: Some("Nguyễn Thị Hoa".into()), phone: Some("0912345678".into()), email: None };
    NewReport { contact: Some(contact), ..light() }
}

fn agreed() -> NewReport {
    NewReport { consent: Some(WORDS.into()), ..reached() }
}

impl App {
    async fn own(&self, got: &Receipt) -> PublicCase {
        self.cases.track(&self.anybody(), &got.code, Some(&got.key)).await.unwrap()
    }

    async fn say(&self, got: &Receipt, version: Option<&str>) -> Result<PublicCase> {
        let input = ConsentInput { key: Some(got.key.clone()), version: version.map(str::to_string) };
        self.cases.set_consent(&self.anybody(), &got.code, input).await
    }

    async fn said(&self, action: &str) -> Vec<serde_json::Value> {
        let page = self.store.audit_page(&dothi_kernel::PageQuery::default(), action).await.unwrap();
        page.items.into_iter().map(|row| row.detail).collect()
    }
}

#[tokio::test]
async fn the_unit_gets_the_contact_data_only_while_the_reporter_agrees() {
    with_app(|app| async move {
        let unit = app.officer("canbo", "ubnd-11953");
        // Nobody agrees by leaving contact data.
        let silent = app.open(reached()).await;
        assert_eq!(app.cases.identity(&unit, silent.id).await.unwrap_err().code(), "access.not-allowed");
        assert!(app.cases.get(&unit, silent.id).await.unwrap().contact_shared.is_none());
        let own = app.own(&silent).await.own.unwrap().consent.unwrap();
        assert!(own.offered.unwrap().text.contains("rút lại") && own.given.is_none());

        let got = app.open(agreed()).await;
        assert!(app.cases.get(&unit, got.id).await.unwrap().contact_shared.is_some());
        let seen = app.cases.identity(&unit, got.id).await.unwrap();
        assert_eq!((seen.contact.phone.as_deref(), seen.person, seen.callers.len()), (Some("0912345678"), None, 0));
        assert_eq!(app.cases.identity(&app.officer("canbo2", "ubnd-12452"), got.id).await.unwrap_err().code(), "access.not-allowed");
        let read = app.said("case.identity.read").await;
        assert_eq!((read.len(), &read[0]["consent"]), (1, &serde_json::json!(WORDS)), "the reading is on record with what allows it");
        assert!(!serde_json::to_string(&app.cases.public_case(&app.anybody(), &got.code).await.unwrap()).unwrap().contains("consent"));

        // Taken back: the same officer sees nothing any more, and the log says so without a name.
        app.store.clock.advance_seconds(60);
        let after = app.say(&got, None).await.unwrap().own.unwrap().consent.unwrap();
        let given = after.given.unwrap();
        assert!(given.version == WORDS && given.text.contains("đơn vị xử lý") && given.withdrawn_at > Some(given.at));
        assert_eq!(app.cases.identity(&unit, got.id).await.unwrap_err().code(), "access.not-allowed");
        let case = app.cases.get(&unit, got.id).await.unwrap();
        assert!(case.contact_shared.is_none() && case.log.last().unwrap().step == "consent-withdrawn" && case.log.last().unwrap().by == "reporter");
        assert!(app.cases.identity(&app.centre(), got.id).await.is_ok(), "the centre has its own right");
        // Taken back twice is once; agreed again counts from then; what was agreed to stays in the reporter's own data.
        app.say(&got, None).await.unwrap();
        app.say(&got, Some(WORDS)).await.unwrap();
        assert!(app.cases.identity(&unit, got.id).await.is_ok());
        let held = app.cases.held_data(&app.anybody(), &got.code, Some(&got.key)).await.unwrap();
        assert_eq!(held.consents.iter().map(|c| c.withdrawn_at.is_some()).collect::<Vec<_>>(), [true, false]);
        assert_eq!((app.said("case.consent").await.len(), app.said("case.consent.withdrawn").await.len()), (2, 1));

        assert_eq!(app.say(&got, Some("1999-01")).await.unwrap_err().code(), "case.consent.unknown");
        assert_eq!(
            app.cases.report(&app.anybody(), NewReport { consent: Some("x".into()), ..reached() }, vec![], None).await.unwrap_err().code(),
            "case.consent.unknown"
        );
        let wrong = ConsentInput { key: Some("WRONG".into()), version: None };
        assert!(app.cases.set_consent(&app.anybody(), &got.code, wrong).await.is_err());
        // Without contact data there is nothing to agree to.
        let nobody = app.open(NewReport { consent: Some(WORDS.into()), ..light() }).await;
        assert!(app.own(&nobody).await.own.unwrap().consent.is_none());
    })
    .await;
}

#[tokio::test]
async fn papers_say_what_their_reader_may_know() {
    with_app(|app| async move {
        let unit = app.officer("canbo", "ubnd-11953");
        let got = app.cases.report(&app.anybody(), reached(), vec![photos::jpeg(40, 30)], None).await.unwrap();
        app.step(&app.centre(), got.id, "accept", MoveInput { note: Some("Gọi lại sau 9 giờ".into()), ..MoveInput::default() }).await.unwrap();

        let own = app.cases.own_paper(&app.anybody(), &got.code, Some(&got.key), None).await.unwrap();
        assert_eq!(own.name, format!("{}.pdf", got.code));
        assert!(app.cases.own_paper(&app.anybody(), &got.code, Some("WRONG"), None).await.is_err());
        assert_eq!(app.cases.own_paper(&app.anybody(), &got.code, Some(&got.key), Some("fr")).await.unwrap_err().code(), "paper.language");

        let whole = app.cases.case_paper(&unit, got.id, false, None).await.unwrap();
        let other = app.officer("canbo2", "ubnd-12452");
        assert_eq!(app.cases.case_paper(&other, got.id, false, None).await.err().unwrap().code(), "access.not-allowed");
        assert_eq!(app.cases.case_paper(&unit, got.id, true, None).await.err().unwrap().code(), "access.not-allowed");
        assert!(app.said("case.identity.read").await.is_empty());
        let with_name = app.cases.case_paper(&app.centre(), got.id, true, Some("en")).await.unwrap();
        assert_eq!(app.said("case.identity.read").await.len(), 1, "reading who reported is on record on paper, too");
        let printed = app.said("case.paper").await;
        assert_eq!(printed.iter().map(|p| p["identity"].as_bool().unwrap()).collect::<Vec<_>>(), [true, false]);

        let (Some(own), Some(whole), Some(with_name)) = (words(&own.pdf), words(&whole.pdf), words(&with_name.pdf)) else { return };
        let told = "Đèn đường trước cổng trường bị tắt ba hôm nay.";
        assert!(own.contains(told) && own.contains("Phường Phố Hiến") && own.contains("Quá trình xử lý") && own.contains("Ảnh kèm phản ánh 1"), "{own}");
        assert!(
            whole.contains(told) && whole.contains("Nhật ký xử lý") && whole.contains("Gọi lại sau 9 giờ") && whole.contains("Tiếp nhận phản ánh"),
            "{whole}"
        );
        for (paper, may) in [(&own, false), (&whole, false), (&with_name, true)] {
            assert_eq!(paper.contains("Nguyễn Thị Hoa") && paper.contains("0912345678"), may, "{paper}");
        }
        assert!(!own.contains("Gọi lại") && with_name.contains("Reporter") && with_name.contains("Log"), "{own}");
        assert!(whole.contains(printed[1]["mark"].as_str().unwrap()), "the mark on the paper stands in the audit log");
    })
    .await;
}
