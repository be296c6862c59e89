//! Alarms as they stood at an instant, against what the list said at that instant.

use dothi_kernel::Timestamp;
use dothi_rules::model::Acknowledgement;
use dothi_rules::then::ThenQuery;
use dothi_store::testing::both;

use crate::rig::{Rig, SCHEMA, rule};

async fn standing(rig: &Rig, time: Option<Timestamp>) -> Vec<(String, &'static str)> {
    let query = ThenQuery { time: time.map(|t| t.to_string()) };
    rig.rules.alarms_then(&rig.system(), &query).await.unwrap().items.into_iter().map(|a| (a.id.to_string(), a.state.code())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_stand_as_they_stood() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "")).await;
        let mut seen: Vec<(Timestamp, Vec<(String, &'static str)>)> = Vec::new();
        for (value, acknowledge) in
            [(100.0, false), (160.0, false), (100.0, false), (170.0, false), (170.0, true), (90.0, false), (200.0, false), (210.0, true), (80.0, false)]
        {
            rig.store.clock.advance_seconds(60);
            rig.reads(value).await;
            let open = |items: Vec<dothi_rules::model::Alarm>| items.into_iter().filter(|a| a.closed_at.is_none());
            if acknowledge {
                for alarm in open(rig.rules.alarms(&rig.system(), &Default::default()).await.unwrap().items) {
                    rig.rules.acknowledge(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap();
                }
            }
            let list = rig.rules.alarms(&rig.system(), &Default::default()).await.unwrap().items;
            let now: Vec<_> = open(list).map(|a| (a.id.to_string(), a.state.code())).collect();
            assert_eq!(standing(&rig, None).await, now);
            seen.push((rig.system().now, now));
        }
        assert!(
            seen.iter().any(|(_, a)| a.is_empty())
                && ["active", "cleared", "acknowledged"].iter().all(|s| seen.iter().any(|(_, a)| a.iter().any(|(_, of)| of == s)))
        );
        rig.store.clock.advance_seconds(3_600);
        for (at, alarms) in seen {
            assert_eq!(standing(&rig, Some(at)).await, alarms, "{at}");
        }
        let bad = rig.rules.alarms_then(&rig.system(), &ThenQuery { time: Some("yesterday".into()) }).await.unwrap_err();
        assert_eq!(bad.code(), "alarm.time");
    })
    .await;
}
