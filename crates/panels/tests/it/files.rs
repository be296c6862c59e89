//! The premises file, who may see it, tables, and things of the city model as panels.

use dothi_kernel::{Event, Permission};
use dothi_panels::model::{FindQuery, PremisesInput};
use dothi_store::testing::both;
use serde_json::json;

use super::{App, MIGRATIONS};

#[tokio::test]
async fn names_and_keys_are_for_those_who_act_and_each_reading_is_on_record() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let private = json!({"contacts": [{"name": "Nguyễn Văn Thử", "phone": "0912 345 678", "key": true}], "keys": "Hộp khóa cạnh cổng"});
        let premises = app.premises("TR-01", json!({"private": private, "location": {"lon": 106.3, "lat": 20.45}, "hazards": "Bình gas"})).await;
        assert_eq!(premises.row.unit.as_ref().unwrap().id, "ubnd-13225", "found by the commune");
        let open = serde_json::to_string(&premises).unwrap();
        assert!(!open.contains("Nguyễn") && !open.contains("Hộp khóa"), "{open}");
        let reader = app.staff("doc", &["ubnd-13225"], &[Permission::AlarmRead]);
        assert!(app.panels.premises(&reader, premises.row.id).await.is_ok());
        assert_eq!(app.panels.private(&reader, premises.row.id).await.unwrap_err().code(), "access.not-allowed");
        let other = app.staff("xa-khac", &["ubnd-11953"], &[Permission::AlarmRead, Permission::AlarmHandle]);
        assert_eq!(app.panels.premises(&other, premises.row.id).await.unwrap_err().code(), "access.not-allowed");
        assert!(app.panels.premises_list(&other, &FindQuery::default()).await.unwrap().items.is_empty());
        let seen = app.panels.private(&app.operator(), premises.row.id).await.unwrap();
        assert_eq!(seen.contacts[0].phone, "0912 345 678");
        let records = app.store.store.audit_page(&Default::default(), "panels.").await.unwrap();
        assert!(records.items.iter().any(|r| r.action == "panels.private.read" && r.actor == "truc"));
        // A change without the private part leaves it; an old version is refused; drawings are looked at.
        let change = |version| -> PremisesInput {
            serde_json::from_value(json!({"version": version, "code": "TR-01", "name": "Trường mới", "address": "1", "commune": "13225"})).unwrap()
        };
        assert_eq!(app.panels.put_premises(&app.system(), Some(premises.row.id), change(7)).await.unwrap_err().code(), "panels.version");
        app.panels.put_premises(&app.system(), Some(premises.row.id), change(1)).await.unwrap();
        assert_eq!(app.panels.private(&app.operator(), premises.row.id).await.unwrap().contacts.len(), 1);
        let page = b"<html><script>alert(1)</script>".as_slice();
        assert_eq!(app.panels.add_plan(&app.system(), premises.row.id, "x", page.into()).await.unwrap_err().code(), "panels.plan.kind");
        let view = app.panels.add_plan(&app.system(), premises.row.id, "Tầng 1", b"%PDF-1.7 x".as_slice().into()).await.unwrap();
        let sha = view.plans[0].sha256.clone();
        assert_eq!(app.panels.plan(&reader, premises.row.id, &sha).await.unwrap().0, "application/pdf");
        app.panels.drop_plan(&app.system(), premises.row.id, &sha).await.unwrap();
        assert!(app.panels.plan(&reader, premises.row.id, &sha).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_table_makes_premises_and_panels_and_may_come_again() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let table = "\u{feff}code,name,address,lon,lat,hazards,account,supervision,contact,phone\n\
            TR-01,Trường Lê Lợi,12 Lê Lợi,106.3,20.45,Bình gas,ab12,120,Nguyễn Văn Thử,0912345678\n\
            NH-02,Ngân hàng,5 Trần Phú,106.31,20.46,,CD34,,,\n\
            XX-03,,chỗ lạ,,,,,,,\n\
            XX-04,Kho,3 Lý Bôn,một,20.4,,,,,\n";
        let done = app.panels.import(&app.system(), table.as_bytes()).await.unwrap();
        assert_eq!((done.read, done.added, done.accounts, done.rejected), (4, 2, 2, 2), "{done:?}");
        let mut why: Vec<(u64, &str)> = done.rejects.iter().map(|r| (r.line, r.code.as_str())).collect();
        why.sort_unstable();
        assert_eq!(why, [(4, "panels.empty"), (5, "panels.import.number")]);
        let again = app.panels.import(&app.system(), table.as_bytes()).await.unwrap();
        assert_eq!((again.added, again.changed, again.accounts), (0, 2, 0));
        let found = app.panels.premises_list(&app.system(), &FindQuery { q: Some("truong le".into()), ..Default::default() }).await.unwrap();
        assert_eq!((found.items.len(), found.items[0].code.as_str()), (1, "TR-01"), "words are found without diacritics");
        assert_eq!(app.tell("AB12", 1, "NFA1").await.as_deref(), Some("ACK"), "its panel is listened to at once");
        assert_eq!(app.signals("open").await[0].premises.as_ref().unwrap().name, "Trường Lê Lợi");
        let nobody = app.staff("ai-do", &["ubnd-13225"], &[Permission::AlarmRead]);
        assert_eq!(app.panels.import(&nobody, table.as_bytes()).await.unwrap_err().code(), "access.not-allowed");
    })
    .await;
}

#[tokio::test]
async fn a_button_of_the_city_model_is_a_signal_of_its_premises() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let premises = app.premises("NH-02", json!({})).await;
        let urn = "urn:ngsi-ld:AlarmButton:nh-02";
        app.account(urn, json!({"premises": premises.row.id})).await;
        let alarm = uuid::Uuid::now_v7();
        for _ in 0..2 {
            app.panels.thing_alarmed(&app.system(), urn, "panels.button.pressed", alarm).await.unwrap();
        }
        app.panels.thing_alarmed(&app.system(), "urn:ngsi-ld:AlarmButton:elsewhere", "panels.button.pressed", uuid::Uuid::now_v7()).await.unwrap();
        let signals = app.signals("open").await;
        assert_eq!((signals.len(), signals[0].kind.as_str(), signals[0].repeats), (1, "panic", 0));
        assert_eq!(signals[0].confirmed_why.as_deref(), Some("at-once"));
        app.panels.thing_cleared(&app.system(), alarm).await.unwrap();
        assert!(app.signals("open").await[0].restored_at.is_some());
        assert_eq!(app.events().await.iter().filter(|e| matches!(e, Event::PanelSignalled { .. })).count(), 1);
    })
    .await;
}
