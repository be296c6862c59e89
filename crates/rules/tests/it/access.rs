//! Who sees and handles which alarms.

use dothi_kernel::{Caller, Kind, Permission};
use dothi_rules::model::{Acknowledgement, AlarmQuery, AqiInput, DryRun};
use dothi_store::testing::both;

use crate::rig::{MINUTE, Rig, SCHEMA, STATION, observation, officer, rule};

const READ: &[Permission] = &[Permission::AlarmRead];
const BOTH: &[Permission] = &[Permission::AlarmRead, Permission::AlarmHandle];

#[tokio::test(flavor = "multi_thread")]
async fn each_unit_sees_its_own() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "")).await;
        let mut other = observation("urn:x:b", "pm25", rig.now(), 300.0);
        other.area = Some("22222".into());
        rig.take(&[observation(STATION, "pm25", rig.now(), 300.0), other]).await;
        let all = rig.rules.alarms(&rig.system(), &AlarmQuery::default()).await.unwrap().items;
        let theirs = all.iter().find(|a| a.area.as_deref() == Some("22222")).unwrap().id;
        let seen = |caller: Caller| {
            let rules = rig.rules.clone();
            async move { rules.alarms(&caller, &AlarmQuery::default()).await.map(|p| p.items.iter().map(|a| a.area.clone().unwrap()).collect::<Vec<_>>()) }
        };
        assert_eq!(all.len(), 2);
        assert_eq!(seen(officer(&rig, &["ubnd-11111"], None, READ)).await.unwrap(), ["11111"]);
        assert_eq!(seen(officer(&rig, &["ubnd-11111", "ubnd-22222"], None, READ)).await.unwrap().len(), 2);
        assert!(seen(officer(&rig, &["ubnd-11111"], Some(&["traffic"]), READ)).await.unwrap().is_empty(), "another sector");
        assert_eq!(seen(officer(&rig, &["ubnd-11111"], None, &[])).await.unwrap_err().kind(), Kind::Forbidden);
        let nobody = Caller::anonymous(rig.store.clock().as_ref(), None);
        assert_eq!(seen(nobody.clone()).await.unwrap_err().kind(), Kind::Unauthenticated);

        let own = officer(&rig, &["ubnd-11111"], None, BOTH);
        assert_eq!(rig.rules.alarm(&own, theirs).await.unwrap_err().kind(), Kind::Forbidden);
        assert_eq!(rig.rules.acknowledge(&own, theirs, Acknowledgement::default()).await.unwrap_err().kind(), Kind::Forbidden);
        let reader = officer(&rig, &["ubnd-22222"], None, READ);
        assert_eq!(rig.rules.acknowledge(&reader, theirs, Acknowledgement::default()).await.unwrap_err().kind(), Kind::Forbidden);
        let handler = officer(&rig, &["ubnd-22222"], Some(&["environment"]), BOTH);
        assert_eq!(rig.rules.acknowledge(&handler, theirs, Acknowledgement::default()).await.unwrap().acknowledged_by.as_deref(), Some("canbo"));
        assert_eq!(rig.rules.counts(&own).await.unwrap().active.medium, 1);
        let long = Acknowledgement { note: Some("x".repeat(1001)) };
        assert_eq!(rig.rules.acknowledge(&own, theirs, long).await.unwrap_err().code(), "alarm.note-too-long");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_they_ended() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "")).await;
        let t = rig.now();
        let batch: Vec<_> = (0..7).map(|i| observation(&format!("urn:x:{i}"), "pm25", t - i % 2 * MINUTE, 300.0)).collect();
        rig.take(&batch).await;
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let query = AlarmQuery { limit: Some(3), after, state: Some("open".into()), ..AlarmQuery::default() };
            let page = rig.rules.alarms(&rig.system(), &query).await.unwrap();
            seen.extend(page.items.iter().map(|a| a.entity.clone()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 7);
        for bad in [AlarmQuery { after: Some("x".into()), ..AlarmQuery::default() }, AlarmQuery { state: Some("loud".into()), ..AlarmQuery::default() }] {
            assert_eq!(rig.rules.alarms(&rig.system(), &bad).await.unwrap_err().kind(), Kind::Invalid);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_can_be_tried_on_history() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let rig = Rig::new(store, &format!("{}{}", rule("dust", "on_delay = 120"), crate::rig::silence(1800))).await;
    let t = rig.now() - 1000 * MINUTE;
    let values = [20.0, 160.0, 170.0, 180.0, 30.0, 200.0, 20.0];
    rig.accept(&values.iter().zip(0..).map(|(v, i)| observation(STATION, "pm25", t + i * MINUTE, *v)).collect::<Vec<_>>()).await;
    let at = |us| dothi_kernel::time::micros(us);
    let wanted = |rule: &str| DryRun { rule: rule.into(), change: None, entities: vec![STATION.into()], from: at(t), to: at(t + 60 * MINUTE) };
    let tried = rig.rules.dry_run(&rig.system(), &wanted("dust")).await.unwrap();
    let found = tried.alarms;
    assert_eq!((tried.total, tried.things, found.len()), (1, 1, 1), "{found:?}");
    assert_eq!(tried.days.iter().map(|d| d.alarms).collect::<Vec<_>>(), [1]);
    let lower = dothi_rules::versions::RuleChange { on_delay: Some(0), ..Default::default() };
    let tried = rig.rules.dry_run(&rig.system(), &DryRun { change: Some(lower), ..wanted("dust") }).await.unwrap();
    assert_eq!(tried.total, 2, "without the delay the short peak would raise, too");
    assert_eq!((found[0].raised_at, found[0].cleared_at), (at(t + 3 * MINUTE), Some(at(t + 4 * MINUTE))));
    let silent = rig.rules.dry_run(&rig.system(), &wanted("silent")).await.unwrap().alarms;
    assert_eq!((silent.len(), silent[0].raised_at), (1, at(t + 36 * MINUTE)));
    assert!(rig.alarms().await.is_empty(), "nothing was written");
    assert_eq!(rig.rules.dry_run(&rig.system(), &wanted("none")).await.unwrap_err().code(), "rule.unknown");
    let far = DryRun { to: at(t + 50_000 * MINUTE), ..wanted("dust") };
    assert_eq!(rig.rules.dry_run(&rig.system(), &far).await.unwrap_err().code(), "rule.dry-run.time");
    assert_eq!(rig.rules.dry_run(&officer(&rig, &["a"], None, READ), &wanted("dust")).await.unwrap_err().kind(), Kind::Forbidden);
}

#[tokio::test]
async fn the_calculator_says_what_it_lacks() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let rig = Rig::new(store, &rule("dust", "")).await;
    let hours = |n| AqiInput { hours: vec![Default::default(); n] };
    assert_eq!(rig.rules.vn_aqi(&hours(0)).await.unwrap_err().code(), "aqi.hours");
    assert_eq!(rig.rules.vn_aqi(&hours(13)).await.unwrap_err().code(), "aqi.hours");
    assert_eq!(rig.rules.vn_aqi(&hours(2)).await.unwrap_err().code(), "aqi.no-table");
}
