//! Field work: crews, orders, checklists, proofs, steps that come late.

use dothi_cases::model::{Case, MoveInput};
use dothi_cases::work::{Crew, CrewInput, NewOrder, OrderMove, OrdersQuery, WorkOrder};
use dothi_kernel::{Caller, CallerKind, Permission};

use crate::photos::jpeg;
use crate::{App, answer, light, person_id, reason, with_app};

const UNIT: &str = "ubnd-11953";

impl App {
    /// Somebody of a crew; sees no case.
    pub fn worker(&self, name: &str) -> Caller {
        self.person(CallerKind::Staff, name, UNIT, Some(&[UNIT]), &[Permission::WorkDo])
    }

    async fn crew(&self, name: &str, members: &[&str]) -> Crew {
        let members: Vec<_> = members.iter().map(|m| person_id(m)).collect();
        let input = CrewInput { unit: UNIT.into(), name: name.into(), leader: members[0], members, active: true };
        self.cases.put_crew(&self.officer("canbo", UNIT), None, input).await.unwrap()
    }

    async fn accepted(&self) -> Case {
        let got = self.cases.report(&self.anybody(), light(), vec![jpeg(9, 7)], None).await.unwrap();
        self.step(&self.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
        self.step(&self.officer("canbo", UNIT), got.id, "take", MoveInput::default()).await.unwrap()
    }
}

fn light_order(case: &Case, crew: &Crew) -> NewOrder {
    NewOrder { case: Some(case.id), kind: "street-light-repair".into(), crew: crew.id, text: "Thay bóng cột 12".into(), ..NewOrder::default() }
}

fn filled() -> OrderMove {
    OrderMove {
        answers: [("power-off", "yes"), ("pole-sound", "yes"), ("voltage", "228.5")].map(|(k, v)| (k.into(), v.into())).into(),
        used: [("led-lamp".to_string(), 2.0)].into(),
        ..OrderMove::default()
    }
}

fn no_crew() -> uuid::Uuid {
    person_id("no crew")
}

async fn step(app: &App, who: &Caller, order: &WorkOrder, step: &str, input: OrderMove) -> Result<WorkOrder, &'static str> {
    app.cases.move_order(who, order.id, step, input, vec![], None).await.map_err(|e| e.code())
}

#[tokio::test]
async fn a_crew_does_an_order_and_its_photo_closes_the_case() {
    with_app(|app| async move {
        let (officer, hand) = (app.officer("canbo", UNIT), app.worker("tho-a"));
        let crew = app.crew("Tổ chiếu sáng", &["tho-a", "tho-b"]).await;
        let case = app.accepted().await;
        let order = app.cases.give_order(&officer, light_order(&case, &crew), None).await.unwrap();
        assert!(order.due_at <= case.due_at && order.code.starts_with("PV-"), "never later than the case itself");
        // The crew's list: this order, with the reporter's photo, and not the case.
        let mine = app.cases.orders(&hand, &OrdersQuery::default()).await.unwrap().items;
        assert_eq!(mine.iter().map(|o| &o.code).collect::<Vec<_>>(), [&order.code]);
        let seen = mine[0].case.clone().unwrap();
        assert!(!app.cases.order_photo(&hand, &seen.photos[0], true).await.unwrap().is_empty());
        assert_eq!(app.cases.get(&hand, case.id).await.unwrap_err().code(), "access.not-allowed");
        // Not somebody else's crew, and not the officer in the crew's place.
        let stranger = app.worker("tho-c");
        assert_eq!(app.cases.order(&stranger, order.id).await.unwrap_err().code(), "access.not-allowed");
        assert!(app.cases.orders(&stranger, &OrdersQuery::default()).await.unwrap().items.is_empty());
        assert_eq!(step(&app, &officer, &order, "take", OrderMove::default()).await.unwrap_err(), "access.not-allowed");

        step(&app, &hand, &order, "take", OrderMove::default()).await.unwrap();
        step(&app, &hand, &order, "arrive", OrderMove { lon: Some(106.05), lat: Some(20.66), ..OrderMove::default() }).await.unwrap();
        // Nothing is done before the checklist is, each proof with it.
        assert_eq!(step(&app, &hand, &order, "finish", OrderMove::default()).await.unwrap_err(), "work.checklist.incomplete");
        assert_eq!(step(&app, &hand, &order, "finish", filled()).await.unwrap_err(), "work.checklist.photo");
        let wrong = OrderMove { answers: [("voltage".to_string(), "22850".to_string())].into(), ..filled() };
        assert_eq!(step(&app, &hand, &order, "finish", wrong).await.unwrap_err(), "work.answer.invalid");
        let wrong = OrderMove { used: [("gold".to_string(), 1.0)].into(), ..filled() };
        assert_eq!(step(&app, &hand, &order, "finish", wrong).await.unwrap_err(), "work.material.invalid");
        let proof = OrderMove { items: vec!["power-off".into()], ..filled() };
        let one = app.cases.move_order(&hand, order.id, "finish", proof.clone(), vec![jpeg(20, 10)], None).await.unwrap_err();
        assert_eq!(one.code(), "flow.field-missing", "the photo of the work is missing");
        let both = OrderMove { items: vec!["power-off".into(), "after".into()], ..filled() };
        let done = app.cases.move_order(&hand, order.id, "finish", both, vec![jpeg(20, 10), jpeg(30, 10)], None).await.unwrap();
        assert_eq!((done.state.as_str(), done.waits_for.as_str(), done.photos.len()), ("done", "unit", 2));
        assert_eq!((done.materials[0].used, done.checklist[2].value.as_deref()), (Some(2.0), Some("228.5")));
        assert!(app.cases.orders(&hand, &OrdersQuery::default()).await.unwrap().items.is_empty(), "it waits for the unit now");

        // The answer takes the crew's photo; approved without another one.
        let (leader, view) = (app.leader("lanhdao", UNIT), app.cases.get(&officer, case.id).await.unwrap());
        assert_eq!(view.log.iter().filter(|l| l.step == "work").count(), 2);
        let alien = MoveInput { proof_of: Some("PV-000000".into()), ..answer("Đã thay bóng.") };
        assert_eq!(app.step(&officer, case.id, "answer", alien).await.unwrap_err().code(), "work.order.unknown");
        app.step(&officer, case.id, "answer", MoveInput { proof_of: Some(order.code.clone()), ..answer("Đã thay bóng.") }).await.unwrap();
        let closed = app.step(&leader, case.id, "approve", MoveInput::default()).await.unwrap();
        assert_eq!(closed.answer.unwrap().photos.len(), 1, "the after-photo, not the one of the switch");
        assert_eq!(step(&app, &officer, &order, "check", OrderMove::default()).await.unwrap().state, "checked");
    })
    .await;
}

#[tokio::test]
async fn steps_made_without_network_count_from_when_they_were_made_and_once() {
    with_app(|app| async move {
        let (officer, hand) = (app.officer("canbo", UNIT), app.worker("tho-a"));
        let crew = app.crew("Tổ 1", &["tho-a"]).await;
        let case = app.accepted().await;
        let new = light_order(&case, &crew);
        let order = app.cases.give_order(&officer, new.clone(), Some("giao-viec-1")).await.unwrap();
        assert_eq!(app.cases.give_order(&officer, new.clone(), Some("giao-viec-1")).await.unwrap().id, order.id);
        let other = NewOrder { text: "Việc khác".into(), ..new };
        assert_eq!(app.cases.give_order(&officer, other, Some("giao-viec-1")).await.unwrap_err().code(), "case.idempotency-key.reused");

        app.store.clock.advance_seconds(3 * 3_600);
        let hand = Caller { now: app.worker("tho-a").now, ..hand };
        let at = |minutes: i64| Some(dothi_kernel::time::micros(order.given_at.as_microsecond() + minutes * 60_000_000));
        let send = async |step: &str, minutes, key: &str| {
            let input = OrderMove { at: at(minutes), ..OrderMove::default() };
            app.cases.move_order(&hand, order.id, step, input, vec![], Some(key)).await
        };
        send("take", 20, "khoa-0001").await.unwrap();
        send("take", 20, "khoa-0001").await.expect("the same step again is no step");
        send("arrive", 45, "khoa-0002").await.unwrap();
        let late = send("take", 50, "khoa-0003").await.unwrap_err();
        assert_eq!((late.code(), late.kind().status()), ("flow.move.not-now", 409));
        let seen = app.cases.order(&hand, order.id).await.unwrap();
        let times: Vec<_> = seen.log.iter().map(|l| (l.step.as_str(), (l.at.as_microsecond() - order.given_at.as_microsecond()) / 60_000_000)).collect();
        assert_eq!(times, [("give", 0), ("take", 20), ("arrive", 45)]);
        assert!(seen.log[1].received_at > seen.log[1].at, "when it reached us is kept, too");
        // A phone whose clock is wrong moves no step before the last one or into the future.
        let input = OrderMove { at: at(9_999), reason: Some("Mưa to".into()), ..OrderMove::default() };
        let given_up = app.cases.move_order(&hand, order.id, "give_up", input, vec![], None).await.unwrap();
        assert_eq!(given_up.log.last().unwrap().at, hand.now);
        assert_eq!((given_up.state.as_str(), given_up.waits_for.as_str()), ("not_possible", "unit"));
        let again =
            app.cases.move_order(&officer, order.id, "redo", OrderMove { reason: Some("Trời tạnh".into()), ..OrderMove::default() }, vec![], None).await;
        assert_eq!(again.unwrap().waits_for, "crew");
    })
    .await;
}

#[tokio::test]
async fn crews_are_people_of_the_unit_and_orders_stay_in_it() {
    with_app(|app| async move {
        let (officer, other) = (app.officer("canbo", UNIT), app.officer("canbo2", "ubnd-12452"));
        let crew = app.crew("Tổ 1", &["tho-a", "tho-b"]).await;
        assert_eq!(crew.members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["tho-a", "tho-b"]);
        let input = |members: &[&str]| CrewInput {
            unit: UNIT.into(),
            name: "Tổ 2".into(),
            leader: person_id("tho-a"),
            members: members.iter().map(|m| person_id(m)).collect(),
            active: true,
        };
        for (who, members, code) in [(&officer, ["nguoi-la"], "work.crew.members"), (&other, ["tho-a"], "access.not-allowed")] {
            assert_eq!(app.cases.put_crew(who, None, input(&members)).await.unwrap_err().code(), code);
        }
        assert_eq!(app.cases.put_crew(&officer, Some(no_crew()), input(&[])).await.unwrap_err().code(), "work.crew.unknown");
        let case = app.accepted().await;
        assert_eq!(app.cases.give_order(&other, light_order(&case, &crew), None).await.unwrap_err().code(), "access.not-allowed");
        let rested = CrewInput { name: "Tổ 1".into(), active: false, ..input(&["tho-b"]) };
        app.cases.put_crew(&officer, Some(crew.id), rested).await.unwrap();
        assert_eq!(app.cases.give_order(&officer, light_order(&case, &crew), None).await.unwrap_err().code(), "work.crew.inactive");
        app.cases.put_crew(&officer, Some(crew.id), CrewInput { name: "Tổ 1".into(), ..input(&["tho-b"]) }).await.unwrap();
        // Without a case: a place and a day of its own.
        let free = NewOrder {
            case: None,
            unit: Some(UNIT.into()),
            kind: "site-work".into(),
            lon: Some(106.05),
            lat: Some(20.66),
            planned_for: Some("2026-11-25".into()),
            ..light_order(&case, &crew)
        };
        let order = app.cases.give_order(&officer, free.clone(), None).await.unwrap();
        assert_eq!((order.due_at.to_string().as_str(), order.area_name.as_deref()), ("2026-11-25T17:00:00Z", Some("Phường Phố Hiến")));
        // From an alarm: by who sees alarms, and found again by it.
        let alarm = uuid::Uuid::from_u128(77);
        let from_alarm = NewOrder { alarm: Some(alarm), ..free.clone() };
        assert_eq!(app.cases.give_order(&officer, from_alarm.clone(), None).await.unwrap_err().code(), "access.not-allowed");
        let watches = app.person(CallerKind::Staff, "canbo", UNIT, Some(&[UNIT]), &[Permission::CaseRead, Permission::CaseHandle, Permission::AlarmRead]);
        let sent = app.cases.give_order(&watches, from_alarm, None).await.unwrap();
        let of_alarm = OrdersQuery { view: Some("all".into()), alarm: Some(alarm.to_string()), ..OrdersQuery::default() };
        let found = app.cases.orders(&watches, &of_alarm).await.unwrap().items;
        assert_eq!(found.iter().map(|o| (o.id, o.alarm)).collect::<Vec<_>>(), [(sent.id, Some(alarm))]);
        let past = NewOrder { planned_for: Some("2026-11-20".into()), ..free };
        assert_eq!(app.cases.give_order(&officer, past, None).await.unwrap_err().code(), "work.planned-for.past");
        let cancelled = step(&app, &officer, &order, "cancel", OrderMove { reason: Some("Trùng".into()), ..OrderMove::default() }).await.unwrap();
        assert!(cancelled.ended_at.is_some() && cancelled.waits_for.is_empty());
        // A case that has ended gets no work.
        app.step(&app.centre(), case.id, "hide", reason("Trùng")).await.unwrap();
        assert_eq!(app.cases.give_order(&officer, light_order(&case, &crew), None).await.unwrap_err().code(), "work.case.ended");
    })
    .await;
}
