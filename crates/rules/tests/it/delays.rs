//! On-delay, off-delay and silence, with a clock that moves only when told to, across restarts.

use dothi_store::testing::both;

use crate::rig::{MINUTE, Rig, SCHEMA, STATION, observation, rule, silence};

#[tokio::test(flavor = "multi_thread")]
async fn an_on_delay_survives_a_restart() {
    both(SCHEMA, |store| async {
        let mut rig = Rig::new(store, &rule("dust", "on_delay = 600")).await;
        rig.reads(200.0).await;
        rig.timers().await;
        assert!(rig.alarms().await.is_empty(), "not long enough");
        rig.store.clock.advance_seconds(300);
        rig.restart().await;
        rig.timers().await;
        assert!(rig.alarms().await.is_empty(), "still not");
        rig.store.clock.advance_seconds(300);
        rig.timers().await;
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 1)]);
        let alarm = rig.rules.alarms(&rig.system(), &Default::default()).await.unwrap().items.remove(0);
        assert_eq!((alarm.value, alarm.area.as_deref()), (Some(200.0), Some("11111")), "remembered across the restart");
        assert_eq!(rig.store.job_health().await.unwrap().waiting, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_peak_raises_nothing_and_a_short_dip_clears_nothing() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "on_delay = 600\noff_delay = 600")).await;
        for (seconds, value) in [(0, 200.0), (300, 50.0), (600, 60.0)] {
            rig.store.clock.advance_seconds(seconds);
            rig.reads(value).await;
            rig.timers().await;
        }
        assert!(rig.alarms().await.is_empty(), "the peak was short");
        for (seconds, value) in [(60, 200.0), (600, 210.0), (60, 50.0), (300, 200.0), (600, 190.0)] {
            rig.store.clock.advance_seconds(seconds);
            rig.reads(value).await;
            rig.timers().await;
        }
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 1)], "the dip was short");
        rig.store.clock.advance_seconds(60);
        rig.reads(50.0).await;
        rig.store.clock.advance_seconds(600);
        rig.timers().await;
        assert_eq!(rig.alarms().await, [("dust".into(), "cleared", 1)]);
        assert_eq!(rig.told().await, ["alarm-raised", "alarm-cleared"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_noticed_once_and_ends_with_the_next_word() {
    both(SCHEMA, |store| async {
        let mut rig = Rig::new(store, &silence(3600)).await;
        for _ in 0..30 {
            rig.reads(20.0).await;
            rig.store.clock.advance_seconds(600);
            rig.timers().await;
        }
        assert!(rig.alarms().await.is_empty(), "it spoke every ten minutes");
        assert_eq!(rig.store.job_health().await.unwrap().waiting, 1, "one timer a thing, not one a reading");
        rig.store.clock.advance_seconds(3000);
        rig.timers().await;
        rig.store.clock.advance_seconds(600);
        rig.timers().await;
        assert_eq!(rig.alarms().await, [("silent".into(), "active", 1)]);
        rig.timers().await;
        rig.reads(20.0).await;
        assert_eq!(rig.alarms().await, [("silent".into(), "cleared", 1)]);
        // After a restart nothing was heard yet; history says when it last spoke.
        rig.store.clock.advance_seconds(1800);
        rig.reads(20.0).await;
        rig.restart().await;
        rig.store.clock.advance_seconds(1900);
        rig.timers().await;
        assert_eq!(rig.alarms().await[0].1, "cleared", "it spoke 1 900 seconds ago");
        rig.store.clock.advance_seconds(1800);
        rig.timers().await;
        assert_eq!(rig.alarms().await, [("silent".into(), "active", 2)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_registered_may_be_silent() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &silence(60)).await;
        rig.take(&[observation("urn:x:gone", "pm25", rig.now(), 1.0)]).await;
        rig.store.clock.advance_seconds(120);
        rig.timers().await;
        assert!(rig.alarms().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_follow_the_calendar_and_functions_their_past() {
    both(SCHEMA, |store| async {
        let pack = format!(
            "{}\n[[reference]]\ncode = \"set\"\ntitle = \"x\"\nsource_act = \"x\"\nvalid_from = \"2020-01-01\"\nstatus = \"unconfirmed\"\n\
             limit = [{{ key = \"pm\", value = 50, valid_from = \"2020-01-01\", valid_to = \"2026-11-21\", status = \"unconfirmed\" }},\n\
             {{ key = \"pm\", value = 45, valid_from = \"2026-11-22\", status = \"unconfirmed\" }}]\n",
            rule("mean", "value = \"mean(pm25, 3)\"\nraise = \"> ref:set/pm\"\nclear = \"< 10\"")
        );
        let mut rig = Rig::new(store, &pack).await;
        let t = rig.now();
        rig.take(&[
            observation(STATION, "pm25", t - 120 * MINUTE, 47.0),
            observation(STATION, "pm25", t - 60 * MINUTE, 47.0),
            observation(STATION, "pm25", t, 47.0),
        ])
        .await;
        assert!(rig.alarms().await.is_empty(), "50 holds today");
        // 16 hours later it is tomorrow in Vietnam. The restart in between must not lose the hours the mean needs.
        rig.store.clock.advance_seconds(16 * 3600);
        rig.reads(47.0).await;
        rig.store.clock.advance_seconds(3600);
        rig.reads(47.0).await;
        rig.restart().await;
        rig.store.clock.advance_seconds(3600);
        rig.reads(47.0).await;
        assert_eq!(rig.alarms().await, [("mean".into(), "active", 1)], "45 holds since midnight");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_turns_while_running() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let pack = format!(
        "{}\n[[reference]]\ncode = \"set\"\ntitle = \"x\"\nsource_act = \"x\"\nvalid_from = \"2020-01-01\"\nstatus = \"unconfirmed\"\n\
         limit = [{{ key = \"pm\", value = 50, valid_from = \"2020-01-01\", valid_to = \"2026-11-21\", status = \"unconfirmed\" }},\n\
         {{ key = \"pm\", value = 45, valid_from = \"2026-11-22\", status = \"unconfirmed\" }}]\n",
        rule("now", "raise = \"> ref:set/pm\"\nclear = \"< 10\"")
    );
    let rig = Rig::new(store, &pack).await;
    rig.reads(47.0).await;
    assert!(rig.alarms().await.is_empty());
    rig.store.clock.advance_seconds(16 * 3600);
    rig.reads(47.0).await;
    assert_eq!(rig.alarms().await, [("now".into(), "active", 1)]);
}
