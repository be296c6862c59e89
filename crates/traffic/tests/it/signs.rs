//! What signs show, who allowed it, and whether they took it.

use dothi_kernel::{Event, Kind, Permission};
use dothi_store::testing::both;
use dothi_traffic::Fate;
use dothi_traffic::model::{FindQuery, Message, MessageInput, SettleInput, SignInput, SignRow};
use dothi_traffic::signs::plain;
use serde_json::json;
use uuid::Uuid;

use crate::{App, SCHEMA};

fn sign(more: serde_json::Value) -> SignInput {
    let mut input = json!({"code": "B1", "name": "Biển cầu", "device": "bien-01", "command": "show", "lines": 3, "chars": 20, "letters": "vietnamese",
        "location": {"lon": 106.3, "lat": 20.46}, "segments": ["b"], "unit": "ubnd-13225"});
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    serde_json::from_value(input).unwrap()
}

fn words(lines: &[&str], priority: u8) -> MessageInput {
    MessageInput { library: None, lines: lines.iter().map(|l| (*l).to_string()).collect(), priority, minutes: 30 }
}

impl App {
    async fn sign(&self) -> SignRow {
        self.traffic.signs(&self.system(), &FindQuery::default()).await.unwrap().items.remove(0)
    }

    /// What the server does with what was asked: the newest order's words, taken by the device as `told` says.
    async fn carry(&self, told: Result<Uuid, String>) -> Option<String> {
        let asked = self.events().await.into_iter().rev().find_map(|e| if let Event::SignAsked { sign, order } = e { Some((sign, order)) } else { None });
        let (sign, order) = asked?;
        let wanted = self.traffic.sign_order(sign, order).await.unwrap()?;
        assert_eq!((wanted.device.as_str(), wanted.command.as_str()), ("bien-01", "show"));
        self.traffic.sign_told(sign, order, told).await.unwrap();
        Some(wanted.text)
    }

    async fn messages_of(&self, sign: Uuid) -> Vec<Message> {
        self.traffic.messages(&self.system(), sign).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn own_words_need_a_second_person_and_the_sign_says_that_it_took_them() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        let made = app.traffic.put_sign(&app.system(), None, sign(json!({}))).await.unwrap();
        let rights = [Permission::TrafficRead, Permission::TrafficHandle, Permission::TrafficApprove];
        let (first, second) = (app.staff("truc", &["ubnd-13225"], &rights), app.staff("truongca", &["ubnd-13225"], &rights));
        let told = app.traffic.say(&first, made.id, &words(&["CHÚ Ý", "ĐƯỜNG TRƠN"], 5)).await.unwrap();
        assert_eq!((told.state.as_str(), app.sign().await.waiting, app.sign().await.order_state.as_str()), ("waiting", 1, "none"));
        let yes = SettleInput { version: 1, approve: true };
        assert_eq!(app.traffic.settle_message(&first, told.id, &yes).await.unwrap_err().code(), "traffic.sign.own");
        let stranger = app.staff("khac", &["ubnd-11953"], &rights);
        assert_eq!(app.traffic.settle_message(&stranger, told.id, &yes).await.unwrap_err().kind(), Kind::Forbidden);
        app.traffic.settle_message(&second, told.id, &yes).await.unwrap();
        assert_eq!(app.sign().await.order_state, "asked");
        let command = Uuid::from_u128(7);
        assert_eq!(app.carry(Ok(command)).await.as_deref(), Some("CHÚ Ý\nĐƯỜNG TRƠN"));
        assert_eq!(app.carry(Ok(command)).await, None, "an order is carried once");
        assert_eq!(app.sign().await.order_state, "sent");
        app.city.fates.lock().unwrap().insert(command, Fate::Done);
        app.wait(6);
        app.run_jobs().await;
        assert_eq!(app.sign().await.order_state, "done");
        // Words that cannot be shown are refused with what could.
        let long = app.traffic.say(&first, made.id, &words(&["MỘT DÒNG DÀI HƠN HAI MƯƠI KÝ TỰ"], 5)).await.unwrap_err();
        assert_eq!(long.code(), "traffic.sign.lines");
        // After its time the sign is dark.
        app.wait(31 * 60);
        app.run_jobs().await;
        assert!(app.sign().await.shown.is_empty());
        assert_eq!(app.carry(Err("device.command.unknown".into())).await.as_deref(), Some(""));
        let sign = app.sign().await;
        assert_eq!((sign.order_state.as_str(), sign.order_why.as_deref()), ("failed", Some("device.command.unknown")));
        assert_eq!(app.messages_of(made.id).await[0].state, "ended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_priority_shows_and_plain_signs_show_plain_letters() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        let made = app.traffic.put_sign(&app.system(), None, sign(json!({"letters": "plain"}))).await.unwrap();
        let operator = app.staff("truc", &["ubnd-13225"], &[Permission::TrafficRead, Permission::TrafficHandle]);
        let library = |code: &str, priority| MessageInput { library: Some(code.into()), lines: vec![], priority, minutes: 10 };
        let low = app.traffic.say(&operator, made.id, &library("works", 3)).await.unwrap();
        assert_eq!((low.state.as_str(), low.lines.clone()), ("approved", vec!["DANG THI CONG".to_string(), "DI CHAM".to_string()]));
        let high = app.traffic.say(&operator, made.id, &library("flooded", 7)).await.unwrap();
        assert_eq!(app.sign().await.shown, high.lines);
        app.traffic.say(&operator, made.id, &library("test", 1)).await.unwrap();
        assert_eq!(app.sign().await.shown, high.lines);
        app.traffic.settle_message(&operator, high.id, &SettleInput { version: high.version, approve: false }).await.unwrap();
        assert_eq!(app.sign().await.shown, low.lines, "what stood before shows again");
        let accents = app.traffic.say(&operator, made.id, &words(&["ĐƯỜNG TRƠN"], 5)).await.unwrap_err();
        assert_eq!(accents.code(), "traffic.sign.letters");
        assert_eq!(plain("Đường trơn, ĐI CHẬM 30 km/h"), "Duong tron, DI CHAM 30 km/h");
        assert_eq!(app.traffic.say(&operator, made.id, &library("none", 5)).await.unwrap_err().code(), "traffic.sign.message");
        // A sign that does not answer in time is said to be silent.
        assert!(app.carry(Ok(Uuid::from_u128(9))).await.is_some());
        app.wait(430);
        app.run_jobs().await;
        assert_eq!(app.sign().await.order_why.as_deref(), Some("traffic.sign.silent"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_proposes_words_and_takes_them_back_when_it_is_over() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        app.road(&["a", "b", "c"]).await;
        let made = app.traffic.put_sign(&app.system(), None, sign(json!({}))).await.unwrap();
        app.live_weeks(&["a", "b", "c"]).await;
        for _ in 0..8 {
            app.wait(60);
            app.tell("averageVehicleSpeed", app.now(), &[("a", 15.0), ("b", 12.0), ("c", 50.0)]).await;
        }
        let proposed = app.messages_of(made.id).await;
        assert_eq!((proposed.len(), proposed[0].state.as_str(), proposed[0].by.as_str()), (1, "proposed", "traffic"), "once, and nobody was shown it yet");
        assert!(proposed[0].lines.iter().any(|l| l == "Đường b"), "{proposed:?}");
        let operator = app.staff("truc", &["ubnd-13225"], &[Permission::TrafficRead, Permission::TrafficHandle]);
        app.traffic.settle_message(&operator, proposed[0].id, &SettleInput { version: 1, approve: true }).await.unwrap();
        assert!(!app.sign().await.shown.is_empty());
        for _ in 0..12 {
            app.wait(60);
            app.tell("averageVehicleSpeed", app.now(), &[("a", 50.0), ("b", 50.0), ("c", 50.0)]).await;
        }
        assert!(app.sign().await.shown.is_empty(), "over with its occasion");
    })
    .await;
}
