//! Ladders, rosters, and the shift of the room.

use dothi_incidents::model_ops::{HandInput, NewDuty, SwapInput, TakeInput, Words};

use super::*;

impl App {
    async fn duty(&self, position: &str, roster: &str, shift: &str, n: u128) -> dothi_incidents::model_ops::Duty {
        let new = NewDuty { roster: roster.into(), position: position.into(), shift: shift.into(), day: "2026-11-21".into(), person: person(n) };
        self.incidents.plan_duty(&self.lead(), new).await.unwrap()
    }
}

#[tokio::test]
async fn who_does_not_take_note_is_followed_by_the_next_and_it_can_be_taken_back() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.duty("operator", "centre", "morning", 1).await;
        let lead = app.duty("shift-lead", "centre", "morning", 2).await;
        let night = app.duty("operator", "centre", "night", 3).await;
        assert_eq!((night.starts_at, night.ends_at), (at("2026-11-21T22:00:00+07:00"), at("2026-11-22T06:00:00+07:00")));
        let again = NewDuty { roster: "centre".into(), position: "operator".into(), shift: "morning".into(), day: "2026-11-21".into(), person: person(4) };
        assert_eq!(app.incidents.plan_duty(&app.lead(), again.clone()).await.unwrap_err().code(), "incidents.duty.taken");
        let twice = NewDuty { position: "shift-lead".into(), shift: "morning".into(), person: person(1), ..again };
        assert_eq!(app.incidents.plan_duty(&app.lead(), twice).await.unwrap_err().code(), "incidents.duty.twice");
        // Swapped by whoever plans; the one before stays on record.
        let swap = SwapInput { version: lead.version, person: person(7), reason: "nghỉ ốm".into() };
        assert_eq!(app.incidents.swap_duty(&app.officer("ubnd-13225"), lead.id, swap.clone()).await.unwrap_err().code(), "access.not-allowed");
        let swapped = app.incidents.swap_duty(&app.lead(), lead.id, swap).await.unwrap();
        assert_eq!((swapped.person_name.as_str(), swapped.instead_of.as_deref()), ("Người 7", Some("Người 2")));

        let id = app.incidents.on_alarm(&app.system(), &alarm(1, 106.3)).await.unwrap().unwrap();
        let view = app.incidents.incident(&app.operator(), id).await.unwrap();
        assert_eq!((view.row.incident.ladder.as_deref(), view.row.incident.level), (Some("life-safety"), 1));
        assert_eq!(view.called.iter().map(|d| d.person_name.as_str()).collect::<Vec<_>>(), ["Người 1"]);
        app.set("2026-11-21T08:02:00+07:00");
        app.run_jobs().await;
        let view = app.incidents.incident(&app.operator(), id).await.unwrap();
        assert_eq!((view.row.incident.level, view.row.incident.next_level_at), (2, Some(at("2026-11-21T08:05:00+07:00"))));
        assert_eq!(view.called.iter().map(|d| d.person_name.as_str()).collect::<Vec<_>>(), ["Người 7"]);
        app.set("2026-11-21T08:05:00+07:00");
        app.run_jobs().await;
        let view = app.incidents.incident(&app.operator(), id).await.unwrap();
        assert_eq!((view.row.incident.level, view.row.incident.next_level_at), (3, None));
        let view = app.incidents.take_note(&app.operator(), id).await.unwrap();
        assert_eq!(view.row.incident.read_by.as_ref().unwrap().name, "nguoi1");
        let back = app.incidents.de_escalate(&app.operator(), id, Words { text: "đã nắm tình hình".into() }).await.unwrap();
        assert_eq!(back.row.incident.level, 2);
        app.incidents.de_escalate(&app.operator(), id, Words { text: "ổn".into() }).await.unwrap();
        let refused = app.incidents.de_escalate(&app.operator(), id, Words { text: "nữa".into() }).await.unwrap_err();
        assert_eq!(refused.code(), "incidents.level");
        // Whoever takes note in time ends the climb: nothing is due any more but the procedure's step.
        let other = app.incidents.on_alarm(&app.system(), &alarm(2, 106.4)).await.unwrap().unwrap();
        app.incidents.take_note(&app.operator(), other).await.unwrap();
        app.set("2026-11-21T09:00:00+07:00");
        app.run_jobs().await;
        assert_eq!(app.incidents.incident(&app.operator(), other).await.unwrap().row.incident.level, 1);
    })
    .await;
}

#[tokio::test]
async fn a_shift_is_handed_over_with_two_signatures_over_the_same_words() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let words = |text: &str| Words { text: text.into() };
        assert_eq!(app.incidents.shift_note(&app.operator(), words("sớm")).await.unwrap_err().code(), "incidents.shift.none");
        let shift = app.incidents.begin_shift(&app.operator()).await.unwrap();
        assert_eq!(app.incidents.begin_shift(&app.lead()).await.unwrap_err().code(), "incidents.shift.runs");
        app.incidents.shift_note(&app.operator(), words("Kiểm tra đường truyền: tốt")).await.unwrap();
        app.open(json!({"kind": "fire", "area": "13225", "title": "Cháy kho"})).await;
        let order = app.incidents.give_order(&app.lead(), words("Trực 100 % quân số")).await.unwrap();
        let hand = HandInput { version: shift.version, notes: "Theo dõi kho hàng".into() };
        let handed = app.incidents.hand_over(&app.operator(), hand.clone()).await.unwrap();
        let open = handed.open.as_ref().unwrap();
        assert_eq!((open.incidents[0].title.as_str(), open.steps.len(), open.alarms.shelved), ("Cháy kho", 1, 2));
        let take = |shift: &dothi_incidents::model_ops::OpsShift| TakeInput { version: shift.version, seal: shift.seal.clone().unwrap() };
        assert_eq!(app.incidents.take_over_shift(&app.operator(), take(&handed)).await.unwrap_err().code(), "incidents.second-person");
        // Changed after it was read: the old seal is not signed.
        let anew = app.incidents.hand_over(&app.operator(), HandInput { version: handed.version, notes: "Theo dõi kho hàng và chợ".into() }).await.unwrap();
        let old = TakeInput { version: anew.version, seal: handed.seal.clone().unwrap() };
        assert_eq!(app.incidents.take_over_shift(&app.lead(), old).await.unwrap_err().code(), "incidents.shift.seal");
        app.set("2026-11-21T14:00:00+07:00");
        let next = app.incidents.take_over_shift(&app.lead(), take(&anew)).await.unwrap();
        assert_eq!((next.lead.name.as_str(), next.before), ("nguoi2", Some(shift.id)));
        let now = app.incidents.shift_now(&app.lead()).await.unwrap();
        assert_eq!((now.shift.unwrap().id, now.log.len(), now.orders[0].read), (next.id, 0, false));
        app.incidents.read_order(&app.lead(), order.id).await.unwrap();
        app.incidents.read_order(&app.lead(), order.id).await.unwrap();
        let now = app.incidents.shift_now(&app.lead()).await.unwrap();
        assert_eq!((now.orders[0].read, now.orders[0].readers.clone()), (true, vec!["nguoi2".to_string()]));
        let all = app.incidents.shifts(&app.lead(), &PageQuery::default()).await.unwrap().items;
        assert_eq!((all.len(), all[1].taken_by.as_ref().unwrap().name.as_str()), (2, "nguoi2"));
    })
    .await;
}
