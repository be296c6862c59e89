//! What a reporter agrees to and takes back.

use dothi_cases::consent::ConsentInput;
use dothi_cases::model::{Contact, PublicCase};

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
