//! Incidents are opened, joined, moved, merged, split, and drills stay apart.

use dothi_incidents::model::{IncidentChange, LinkInput, MergeInput, NewTask, SplitInput};

use super::*;

#[tokio::test]
async fn alarms_open_one_incident_and_those_nearby_join_it() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let first = app.incidents.on_alarm(&app.system(), &alarm(1, 106.3)).await.unwrap().unwrap();
        assert_eq!(app.incidents.on_alarm(&app.system(), &alarm(1, 106.3)).await.unwrap(), Some(first), "twice is once");
        // A hundred metres on joins; a kilometre on is another one; what no opening names is nothing.
        assert_eq!(app.incidents.on_alarm(&app.system(), &alarm(2, 106.301)).await.unwrap(), Some(first));
        let far = app.incidents.on_alarm(&app.system(), &alarm(3, 106.31)).await.unwrap().unwrap();
        assert_ne!(far, first);
        let dust = AlarmFacts { rule: "air.vn-aqi.bad".into(), ..alarm(4, 106.3) };
        assert_eq!(app.incidents.on_alarm(&app.system(), &dust).await.unwrap(), None);
        let view = app.incidents.incident(&app.operator(), first).await.unwrap();
        let i = &view.row.incident;
        assert_eq!(
            (i.code.as_str(), i.kind.as_str(), i.unit.id.as_str(), i.state.as_str(), i.source.as_str()),
            ("SC-2026-00001", "fire", "cat-33", "open", "alarm")
        );
        assert_eq!((i.place.area_name.as_deref(), view.links.len(), i.read_at), (Some("Phường Thái Bình"), 2, None));
        assert_eq!(i.signal_at, at("2026-11-21T07:59:30+07:00"));
        assert_eq!((view.runs.len(), view.runs[0].procedure.as_str(), view.runs[0].automatic), (1, "fire-basic", true));
        // From the list of alarms by hand: the one that is there is told, no second one is made.
        let again = app.open(json!({"kind": "fire", "alarm": Uuid::from_u128(1)})).await;
        assert_eq!(again.row.incident.id, first);
        // Both were opened in the same instant.
        let mut codes = app.codes(&app.operator(), life()).await;
        codes.sort();
        assert_eq!(codes, ["SC-2026-00001", "SC-2026-00002"]);
        // Once it has ended, a new alarm of the same place is a new incident.
        let ended = app.step(&view, "dismiss", "báo giả").await;
        assert!(ended.row.incident.ended && ended.runs[0].ended_at.is_some());
        let next = app.incidents.on_alarm(&app.system(), &alarm(5, 106.3)).await.unwrap().unwrap();
        assert_ne!(next, first);
    })
    .await;
}

#[tokio::test]
async fn drills_are_never_among_what_is_real() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let real = app.open(json!({"kind": "fire", "lon": 106.3, "lat": 20.45, "call": true, "signal_at": "2026-11-21T07:58:00+07:00"})).await;
        let drill = app.open(json!({"kind": "fire", "alarm": Uuid::from_u128(7), "drill": true})).await;
        assert_eq!((real.row.incident.code.as_str(), drill.row.incident.code.as_str()), ("SC-2026-00001", "DT-2026-00001"));
        assert_eq!(app.codes(&app.operator(), life()).await, ["SC-2026-00001"]);
        assert_eq!(app.codes(&app.operator(), drills()).await, ["DT-2026-00001"]);
        // The alarm of a drill still opens the real one.
        let life_id = app.incidents.on_alarm(&app.system(), &alarm(7, 106.3)).await.unwrap().unwrap();
        assert_eq!(life_id, real.row.incident.id, "it joins the real fire beside it, not the drill");
        let merge = MergeInput { version: drill.row.incident.version, into: real.row.incident.id, reason: "thử".into() };
        let refused = app.incidents.merge(&app.operator(), drill.row.incident.id, merge).await.unwrap_err();
        assert_eq!(refused.code(), "incidents.merge.not-possible");
        let now = app.incidents.shift_now(&app.operator()).await.unwrap();
        assert_eq!(now.open.incidents.iter().map(|i| i.code.as_str()).collect::<Vec<_>>(), ["SC-2026-00001"]);
        let chain = |drill| dothi_incidents::model_ops::ChainQuery { drill: Some(drill), ..Default::default() };
        let rows = app.incidents.chain(&app.operator(), &chain(false)).await.unwrap().rows;
        assert_eq!((rows[0].incidents, rows[0].cells[0].interval.as_str(), rows[0].cells[0].p50), (1, "answering", 120));
        assert_eq!(app.incidents.chain(&app.operator(), &chain(true)).await.unwrap().rows[0].incidents, 1);
    })
    .await;
}

#[tokio::test]
async fn merged_and_split_and_everything_is_in_the_log() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let a = app.open(json!({"kind": "fire", "lon": 106.3, "lat": 20.45, "title": "Cháy chợ"})).await;
        let b = app.open(json!({"kind": "fire", "alarm": Uuid::from_u128(2), "title": "Khói ở chợ"})).await;
        let (a_id, b_id) = (a.row.incident.id, b.row.incident.id);
        let change = IncidentChange { version: a.row.incident.version, commander: Some(person(5)), severity: Some(Severity::High), ..Default::default() };
        let a = app.incidents.change_incident(&app.operator(), a_id, change.clone()).await.unwrap();
        assert_eq!(a.row.incident.commander.as_ref().unwrap().name, "Người 5");
        assert_eq!(app.incidents.change_incident(&app.operator(), a_id, change).await.unwrap_err().code(), "incidents.version");
        app.incidents
            .give_task(&app.operator(), b_id, NewTask { text: "Đóng đường".into(), unit: "ubnd-13225".into(), minutes: Some(10), ..Default::default() })
            .await
            .unwrap();
        let b = app.incidents.attach(&app.operator(), b_id, LinkInput { case: Some(Uuid::from_u128(9)), ..Default::default() }).await.unwrap();
        let merge = MergeInput { version: b.row.incident.version, into: a_id, reason: "cùng một đám cháy".into() };
        let whole = app.incidents.merge(&app.operator(), b_id, merge).await.unwrap();
        assert_eq!((whole.links.len(), whole.children.len(), whole.row.incident.severity), (2, 1, Severity::Critical));
        assert!(whole.tasks.iter().any(|t| t.text == "Đóng đường" && t.state == "open"));
        let gone = app.incidents.incident(&app.operator(), b_id).await.unwrap();
        assert!(gone.row.incident.ended && gone.row.incident.merged && gone.moves.is_empty());
        assert_eq!(gone.above.unwrap().incident.id, a_id);

        let split = SplitInput {
            version: whole.row.incident.version,
            title: "Tai nạn khi sơ tán".into(),
            kind: Some("accident".into()),
            links: vec![format!("case:{}", Uuid::from_u128(9))],
            reason: "việc khác".into(),
        };
        let part = app.incidents.split(&app.operator(), a_id, split.clone()).await.unwrap();
        assert_eq!((part.row.incident.kind.as_str(), part.row.incident.parent, part.links.len()), ("accident", Some(a_id), 1));
        let whole = app.incidents.incident(&app.operator(), a_id).await.unwrap();
        assert_eq!((whole.links.len(), whole.children.len()), (1, 2));
        let stale = app.incidents.split(&app.operator(), a_id, split).await.unwrap_err();
        assert_eq!(stale.code(), "incidents.version");
        let kinds: Vec<String> = app.log(a_id).await.into_iter().map(|l| l.kind).collect();
        assert_eq!(kinds.iter().filter(|k| *k != "task").cloned().collect::<Vec<_>>(), ["opened", "step", "changed", "merged", "split"]);
        assert_eq!(app.store.audit_verify().await.unwrap().broken_at, None);
    })
    .await;
}

#[tokio::test]
async fn a_unit_sees_what_it_takes_part_in_and_ends_its_task() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let fire = app.open(json!({"kind": "accident", "lon": 106.3, "lat": 20.45})).await;
        let id = fire.row.incident.id;
        let (ward, other) = (app.officer("ubnd-13225"), app.officer("ubnd-11953"));
        assert_eq!(app.incidents.incident(&ward, id).await.unwrap_err().code(), "incidents.unknown");
        let task = NewTask { text: "Phân luồng".into(), unit: "ubnd-13225".into(), minutes: Some(15), ..Default::default() };
        let view = app.incidents.give_task(&app.operator(), id, task).await.unwrap();
        assert_eq!(app.codes(&ward, life()).await.len(), 1);
        assert_eq!(app.codes(&other, life()).await.len(), 0);
        let seen = app.incidents.tasks(&ward, None, &PageQuery::default()).await.unwrap().items;
        assert_eq!((seen.len(), seen[0].due_at), (1, Some(at("2026-11-21T08:15:00+07:00"))));
        let done = dothi_incidents::model::EndTask { note: Some("đã xong".into()), cancel: false };
        assert_eq!(app.incidents.end_task(&other, view.tasks[0].id, done.clone()).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.incidents.end_task(&ward, view.tasks[0].id, done.clone()).await.unwrap().state, "done");
        assert_eq!(app.incidents.end_task(&ward, view.tasks[0].id, done).await.unwrap_err().code(), "incidents.task.ended");
        let refused = app.incidents.open_incident(&ward, NewIncident { kind: "fire".into(), ..Default::default() }, None).await.unwrap_err();
        assert_eq!(refused.code(), "access.not-allowed");
        // Closing needs words, and the same request sent twice opens one.
        let bare = MoveInput { version: app.incidents.incident(&app.operator(), id).await.unwrap().row.incident.version, note: None, reason: None };
        let confirmed = app.incidents.move_incident(&app.operator(), id, "confirm", bare).await.unwrap();
        let bare = MoveInput { version: confirmed.row.incident.version, note: None, reason: None };
        assert_eq!(app.incidents.move_incident(&app.operator(), id, "close", bare).await.unwrap_err().code(), "flow.field-missing");
        let new = || NewIncident { kind: "crowd".into(), ..Default::default() };
        let one = app.incidents.open_incident(&app.operator(), new(), Some("k-1")).await.unwrap();
        let two = app.incidents.open_incident(&app.operator(), new(), Some("k-1")).await.unwrap();
        assert_eq!(one.row.incident.id, two.row.incident.id);
    })
    .await;
}
