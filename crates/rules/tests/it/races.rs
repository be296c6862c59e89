//! Two at once, the same twice, and what the compactor took away.

use dothi_kernel::{Event, EventRecord, Kind, Value};
use dothi_rules::model::{Acknowledgement, AlarmState};
use dothi_store::testing::both;

use crate::rig::{MINUTE, Rig, SCHEMA, STATION, observation, rule, silence};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_acknowledgements_at_once_one_counts() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "")).await;
        for n in 0..5 {
            rig.take(&[observation(&format!("urn:x:{n}"), "pm25", rig.now() + n * MINUTE, 200.0)]).await;
            let id = rig.rules.alarms(&rig.system(), &Default::default()).await.unwrap().items.remove(0).id;
            let caller = rig.system();
            let note = || rig.rules.acknowledge(&caller, id, Acknowledgement::default());
            let (a, b) = tokio::join!(note(), note());
            let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
            assert_eq!(won.unwrap().state, AlarmState::Acknowledged);
            let lost = lost.unwrap_err();
            assert_eq!((lost.kind(), lost.code()), (Kind::Conflict, "alarm.not-waiting"));
        }
        assert_eq!(rig.told().await.iter().filter(|n| *n == "alarm-acknowledged").count(), 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_and_acknowledging_at_once_ends_closed() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "")).await;
        for n in 0..10 {
            let (entity, t) = (format!("urn:x:{n}"), rig.now() + n * MINUTE);
            rig.take(&[observation(&entity, "pm25", t, 200.0)]).await;
            let id = rig.rules.alarms(&rig.system(), &Default::default()).await.unwrap().items.remove(0).id;
            let caller = rig.system();
            let note = || rig.rules.acknowledge(&caller, id, Acknowledgement::default());
            let low = [observation(&entity, "pm25", t + 1, 20.0)];
            let (_, noted) = tokio::join!(rig.take(&low), note());
            if noted.is_err() {
                note().await.unwrap();
            }
            assert_eq!(rig.rules.alarm(&caller, id).await.unwrap().alarm.state, AlarmState::Closed);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mean_does_not_count_a_batch_twice() {
    both(SCHEMA, |store| async {
        let mean = rule("mean", "value = \"mean(pm25, 1)\"").replace("attribute = \"pm25\"", "attribute = \"pm25Hour\"").replace("\"threshold\"", "\"derive\"");
        let mut rig = Rig::new(store, &mean).await;
        let t = rig.now();
        rig.take(&[observation(STATION, "pm25", t, 100.0)]).await;
        let batch = [observation(STATION, "pm25", t + MINUTE, 160.0), observation(STATION, "pm25", t + 2 * MINUTE, 190.0)];
        let first = rig.take(&batch).await.pop().unwrap();
        assert_eq!(first.value, Value::Number(150.0));
        let record = rig.events().await.pop().unwrap();
        let again = rig.rules.replay(&record).await.unwrap().derived.pop();
        assert_eq!(again.as_ref(), Some(&first), "by the same process");
        rig.restart().await;
        let again = rig.rules.replay(&record).await.unwrap().derived.pop();
        assert_eq!(again.as_ref(), Some(&first), "after a restart, which read it from history");
        let next = rig.take(&[observation(STATION, "pm25", t + 3 * MINUTE, 350.0)]).await.pop().unwrap();
        assert_eq!(next.value, Value::Number(200.0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_compacted_first_is_found_in_history() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("hours", "value = \"mean(pm25, 2)\"")).await;
        let t = rig.now();
        rig.accept(&[observation(STATION, "pm25", t - 60 * MINUTE, 200.0)]).await;
        let lost = rig.events().await.pop().unwrap();
        let Event::ObservationsAccepted { batch, .. } = lost.event else { panic!("{lost:?}") };
        let mut tx = rig.store.begin(&rig.system()).await.unwrap();
        tx.drop_pending(&[batch]).await.unwrap();
        tx.commit().await.unwrap();
        rig.react().await;
        assert!(rig.alarms().await.is_empty(), "one of two hours");
        rig.reads(200.0).await;
        assert_eq!(rig.alarms().await, [("hours".into(), "active", 1)], "the lost hour was read from history");
        let other = EventRecord { event: Event::UnitsChanged, ..lost };
        assert!(rig.rules.replay(&other).await.unwrap().derived.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_backlog_is_a_sign_of_life() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &silence(3600)).await;
        rig.reads(20.0).await;
        rig.store.clock.advance_seconds(3000);
        // Measured before what it has already sent.
        rig.take(&[observation(STATION, "pm25", rig.now() - 600 * MINUTE, 20.0)]).await;
        rig.store.clock.advance_seconds(700);
        rig.timers().await;
        assert!(rig.alarms().await.is_empty());
        rig.store.clock.advance_seconds(2900);
        rig.timers().await;
        assert_eq!(rig.alarms().await, [("silent".into(), "active", 1)]);
        rig.take(&[observation(STATION, "pm25", rig.now() - 500 * MINUTE, 20.0)]).await;
        assert_eq!(rig.alarms().await, [("silent".into(), "cleared", 1)]);
    })
    .await;
}
