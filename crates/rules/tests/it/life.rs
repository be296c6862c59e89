//! The life of an alarm, and that seeing a batch twice changes nothing.

use dothi_kernel::Event;
use dothi_kernel::value::quality;
use dothi_rules::model::Acknowledgement;
use dothi_store::testing::both;

use crate::rig::{MINUTE, Rig, SCHEMA, STATION, observation, rule};

#[tokio::test(flavor = "multi_thread")]
async fn rises_is_noted_clears_and_closes() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "")).await;
        rig.reads(120.0).await;
        assert!(rig.alarms().await.is_empty());
        rig.store.clock.advance_seconds(60);
        rig.reads(151.0).await;
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 1)]);
        let alarm = rig.rules.alarms(&rig.system(), &Default::default()).await.unwrap().items.remove(0);
        assert_eq!((alarm.value, alarm.limit, alarm.area_name.as_deref(), alarm.entity_name.as_str()), (Some(151.0), Some(150.0), Some("Xã 11111"), "Trạm a"));
        // Within the dead band nothing changes.
        rig.store.clock.advance_seconds(60);
        rig.reads(145.0).await;
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 1)]);
        let note = Acknowledgement { note: Some(" Đã gọi trạm ".into()) };
        rig.rules.acknowledge(&rig.system(), alarm.id, note).await.unwrap();
        assert_eq!(rig.alarms().await, [("dust".into(), "acknowledged", 1)]);
        let again = rig.rules.acknowledge(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap_err();
        assert_eq!(again.code(), "alarm.not-waiting");
        rig.store.clock.advance_seconds(60);
        rig.reads(100.0).await;
        assert_eq!(rig.alarms().await, [("dust".into(), "closed", 1)]);
        assert_eq!(rig.told().await, ["alarm-raised", "alarm-acknowledged", "alarm-cleared", "alarm-closed"]);
        let detail = rig.rules.alarm(&rig.system(), alarm.id).await.unwrap();
        assert_eq!(detail.history.iter().map(|l| l.what.as_str()).collect::<Vec<_>>(), ["raised", "acknowledged", "cleared", "closed"]);
        assert_eq!(detail.history[1].note.as_deref(), Some("Đã gọi trạm"));
        assert_eq!((detail.why.condition.as_str(), detail.why.observed.len()), ("pm25 >= 150", 4));
        assert_eq!(rig.store.audit_page(&Default::default(), "alarm.acknowledge").await.unwrap().items.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_alarm_rises_again_as_the_same() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "")).await;
        for value in [160.0, 100.0, 170.0, 90.0] {
            rig.store.clock.advance_seconds(60);
            rig.reads(value).await;
        }
        assert_eq!(rig.alarms().await, [("dust".into(), "cleared", 2)]);
        let alarm = rig.rules.alarms(&rig.system(), &Default::default()).await.unwrap().items.remove(0);
        // Noted after it went away: it is over, and the next time is another alarm.
        rig.rules.acknowledge(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap();
        rig.store.clock.advance_seconds(60);
        rig.reads(200.0).await;
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 1), ("dust".into(), "closed", 2)]);
        let counts = rig.rules.counts(&rig.system()).await.unwrap();
        assert_eq!((counts.active.medium, counts.acknowledged.medium), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_changes_nothing_even_after_a_restart() {
    both(SCHEMA, |store| async {
        let mut rig = Rig::new(store, &format!("{}{}", rule("dust", ""), rule("slow", "on_delay = 90"))).await;
        let t = rig.now();
        // One batch that raises, clears and raises again; then one that clears.
        rig.take(&[
            observation(STATION, "pm25", t, 160.0),
            observation(STATION, "pm25", t + MINUTE, 100.0),
            observation(STATION, "pm25", t + 2 * MINUTE, 180.0),
        ])
        .await;
        rig.take(&[
            observation(STATION, "pm25", t + 3 * MINUTE, 170.0),
            observation(STATION, "pm25", t + 4 * MINUTE, 165.0),
            observation(STATION, "pm25", t + 5 * MINUTE, 80.0),
        ])
        .await;
        let (alarms, told) = (rig.alarms().await, rig.told().await);
        assert_eq!(alarms, [("dust".into(), "cleared", 2), ("slow".into(), "cleared", 1)]);
        rig.again().await;
        assert_eq!((rig.alarms().await, rig.told().await), (alarms.clone(), told.clone()));
        rig.restart().await;
        rig.again().await;
        assert_eq!((rig.alarms().await, rig.told().await), (alarms, told));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_implausible_readings_raise_nothing() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &format!("{}{}", rule("dust", "max_age = 3600"), rule("slow", "max_age = 3600\non_delay = 60"))).await;
        let t = rig.now();
        // A backlog of yesterday, also for the rule that waits.
        rig.take(&[observation(STATION, "pm25", t - 1440 * MINUTE, 300.0), observation(STATION, "pm25", t - 1400 * MINUTE, 300.0)]).await;
        rig.timers().await;
        assert!(rig.alarms().await.is_empty());
        let mut flagged = observation(STATION, "pm25", t, 900.0);
        flagged.quality = quality::RANGE;
        rig.take(&[flagged]).await;
        assert!(rig.alarms().await.is_empty());
        // Out of order: the newest decides, whatever comes after it.
        rig.take(&[observation(STATION, "pm25", t + MINUTE, 160.0)]).await;
        rig.take(&[observation(STATION, "pm25", t, 20.0)]).await;
        assert_eq!(rig.alarms().await[0], ("dust".into(), "active", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_of_deleted_things_and_removed_rules_clear() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &format!("{}{}", rule("dust", ""), rule("other", ""))).await;
        rig.reads(200.0).await;
        rig.store.clock.advance_seconds(60);
        rig.install(&rule("dust", "")).await.unwrap();
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 1), ("other".into(), "cleared", 1)]);
        let mut tx = rig.store.begin(&rig.system()).await.unwrap();
        tx.emit(Event::EntityDeleted { entity: STATION.into() });
        tx.commit().await.unwrap();
        rig.react().await;
        assert_eq!(rig.alarms().await[0], ("dust".into(), "cleared", 1));
    })
    .await;
}
