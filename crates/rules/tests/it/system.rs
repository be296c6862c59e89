//! What ISA-18.2 asks beyond raised and acknowledged: set aside, latched, gathered, measured; and alarms of other sources.

use dothi_kernel::event::Severity;
use dothi_kernel::{Kind, Permission, Timestamp};
use dothi_rules::board::FiguresQuery;
use dothi_rules::model::{Acknowledgement, Alarm, AlarmQuery, AsideQuery, DryRun, NewAside, Outside, Shelve, Suppression};
use dothi_rules::versions::{NewVersion, RuleChange};
use dothi_store::testing::both;

use crate::rig::{MINUTE, Rig, SCHEMA, STATION, observation, officer, rule};

/// Figures and classes as a pack declares them; five children within ten minutes are one cause.
const PRACTICE: &str = r#"
[[class]]
code = "fire"
title = "Cháy"
title_en = "Fire"
life_safety = true
[[class]]
code = "power"
title = "Mất nguồn"
title_en = "Power"
[[cause]]
along = "fedBy"
classes = ["power"]
class = "power"
children = 5
within = 600
severity = "high"
sector = "lighting"
title = "Mất nguồn chung"
title_en = "Common supply lost"
status = "unconfirmed"
owner = "test"
[[reference]]
code = "alarm-practice"
title = "x"
source_act = "ISA-18.2"
valid_from = "2016-01-01"
status = "secondary"
limit = [
  { key = "shelf/hours", value = 2, valid_from = "2016-01-01", status = "secondary" },
  { key = "window/days", value = 3, valid_from = "2016-01-01", status = "secondary" },
  { key = "stale/hours", value = 24, valid_from = "2016-01-01", status = "secondary" },
  { key = "chatter/times", value = 3, valid_from = "2016-01-01", status = "secondary" },
  { key = "chatter/seconds", value = 60, valid_from = "2016-01-01", status = "secondary" },
  { key = "fleeting/seconds", value = 30, valid_from = "2016-01-01", status = "secondary" },
  { key = "flood/begins", value = 10, valid_from = "2016-01-01", status = "secondary" },
  { key = "flood/ends", value = 5, valid_from = "2016-01-01", status = "secondary" },
  { key = "flood/minutes", value = 10, valid_from = "2016-01-01", status = "secondary" },
  { key = "busy-10-min/over", value = 10, valid_from = "2016-01-01", status = "secondary" },
  { key = "busy-hour/over", value = 30, valid_from = "2016-01-01", status = "secondary" },
]
"#;

fn shelve(minutes: u32) -> Shelve {
    Shelve { minutes, reason: "Cảm biến chờ thay".into() }
}

async fn list(rig: &Rig, query: AlarmQuery) -> Vec<Alarm> {
    rig.rules.alarms(&rig.system(), &query).await.unwrap().items
}

async fn happened(rig: &Rig, alarm: &Alarm) -> Vec<String> {
    rig.rules.alarm(&rig.system(), alarm.id).await.unwrap().history.into_iter().map(|l| l.what).collect()
}

fn outside(key: &str, entity: &str, class: &str) -> Outside {
    Outside {
        source: "panel".into(),
        key: key.into(),
        entity: entity.into(),
        class: class.into(),
        severity: Some(Severity::High),
        title: "Mất điện".into(),
        title_en: "Power lost".into(),
        sector: "lighting".into(),
        area: Some("11111".into()),
        ..Outside::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shelved_alarm_comes_back_by_itself() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &format!("{PRACTICE}{}", rule("dust", ""))).await;
        rig.reads(160.0).await;
        let alarm = list(&rig, AlarmQuery::default()).await.remove(0);
        assert_eq!(rig.rules.shelve(&rig.system(), alarm.id, shelve(121)).await.unwrap_err().code(), "alarm.shelf-too-long");
        let mute = Shelve { minutes: 5, reason: " x ".into() };
        assert_eq!(rig.rules.shelve(&rig.system(), alarm.id, mute).await.unwrap_err().code(), "alarm.reason");
        let shelved = rig.rules.shelve(&rig.system(), alarm.id, shelve(120)).await.unwrap();
        assert_eq!(shelved.suppressed, Some(Suppression::Shelved));
        assert!(rig.alarms().await.is_empty(), "nobody is bothered by it");
        assert_eq!(rig.rules.counts(&rig.system()).await.unwrap().active.medium, 0);
        let shelves = rig.rules.asides(&rig.system(), &AsideQuery::default()).await.unwrap().items;
        assert_eq!((shelves.len(), shelves[0].reason.as_str(), shelves[0].by.as_str()), (1, "Cảm biến chờ thay", "test"));
        assert_eq!(rig.rules.shelve(&rig.system(), alarm.id, shelve(5)).await.unwrap_err().code(), "alarm.shelved");
        // It goes and comes while it lies there: logged, not told.
        let told = rig.told().await.len();
        for value in [100.0, 170.0] {
            rig.store.clock.advance_seconds(300);
            rig.reads(value).await;
        }
        assert_eq!(rig.told().await.len(), told, "nothing is told of it");
        rig.store.clock.advance_seconds(6_599);
        rig.timers().await;
        assert!(rig.alarms().await.is_empty());
        rig.store.clock.advance_seconds(2);
        rig.timers().await;
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 2)]);
        assert_eq!(happened(&rig, &alarm).await, ["raised", "shelved", "cleared", "withheld", "returned", "raised"]);
        let over = rig.rules.asides(&rig.system(), &AsideQuery { ended: Some(true), ..AsideQuery::default() }).await.unwrap().items;
        assert_eq!((over.len(), over[0].ended_by.clone()), (1, None), "time ended it");
        // By hand, sooner.
        rig.rules.shelve(&rig.system(), alarm.id, shelve(60)).await.unwrap();
        rig.rules.unshelve(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap();
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 2)]);
        assert_eq!(rig.rules.unshelve(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap_err().code(), "alarm.not-shelved");
        rig.timers().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_repair_is_logged_and_shown_to_nobody() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &format!("{PRACTICE}{}", rule("dust", ""))).await;
        let now = rig.now();
        let later = |s: i64| Some(dothi_kernel::time::micros(now + s * 1_000_000));
        let plan = NewAside {
            kind: Suppression::Suppressed,
            rule: None,
            entity: Some(STATION.into()),
            area: None,
            sector: "environment".into(),
            begins_at: later(600),
            ends_at: later(3_600),
            reason: "Hiệu chuẩn trạm".into(),
        };
        let long = NewAside { ends_at: later(4 * 86_400), ..plan.clone() };
        assert_eq!(rig.rules.set_aside(&rig.system(), long).await.unwrap_err().code(), "alarm.aside-too-long");
        assert_eq!(rig.rules.set_aside(&rig.system(), NewAside { ends_at: None, ..plan.clone() }).await.unwrap_err().code(), "alarm.aside.endless");
        let theirs = officer(&rig, &["ubnd-22222"], None, &[Permission::AlarmRead, Permission::AlarmHandle]);
        let area = NewAside { entity: None, area: Some("11111".into()), ..plan.clone() };
        assert_eq!(rig.rules.set_aside(&theirs, area).await.unwrap_err().kind(), Kind::Forbidden);
        rig.rules.set_aside(&rig.system(), plan).await.unwrap();
        rig.reads(160.0).await;
        assert_eq!(rig.alarms().await.len(), 1, "the work has not begun");
        rig.store.clock.advance_seconds(601);
        rig.timers().await;
        assert!(rig.alarms().await.is_empty(), "what stood when it began is kept back, too");
        rig.reads(100.0).await;
        rig.store.clock.advance_seconds(60);
        rig.reads(170.0).await;
        assert!(rig.alarms().await.is_empty());
        rig.store.clock.advance_seconds(3_000);
        rig.timers().await;
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 1)], "it stands yet when the work is over");
        // Out of service, without an end: what comes and goes meanwhile leaves only its log.
        rig.reads(50.0).await;
        let alarm = list(&rig, AlarmQuery::default()).await.remove(0);
        rig.rules.acknowledge(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap();
        let out = NewAside {
            kind: Suppression::OutOfService,
            rule: Some("dust".into()),
            entity: Some(STATION.into()),
            area: None,
            sector: "environment".into(),
            begins_at: None,
            ends_at: None,
            reason: "Hỏng đầu đo".into(),
        };
        let out = rig.rules.set_aside(&rig.system(), out).await.unwrap();
        for value in [180.0, 20.0] {
            rig.store.clock.advance_seconds(60);
            rig.reads(value).await;
        }
        let seen = list(&rig, AlarmQuery::default()).await;
        assert_eq!(seen.iter().map(|a| a.state.code()).collect::<Vec<_>>(), ["closed"], "nothing new was shown");
        let kept = list(&rig, AlarmQuery { suppressed: Some(Suppression::OutOfService), ..AlarmQuery::default() }).await;
        assert_eq!((kept.len(), kept[0].state.code()), (1, "closed"));
        assert_eq!(happened(&rig, &kept[0]).await, ["withheld", "cleared", "closed"]);
        rig.rules.end_aside(&rig.system(), out.id).await.unwrap();
        assert_eq!(rig.rules.end_aside(&rig.system(), out.id).await.unwrap_err().code(), "alarm.aside-over");
        rig.store.clock.advance_seconds(60);
        rig.reads(180.0).await;
        assert_eq!(list(&rig, AlarmQuery { state: Some("open".into()), ..AlarmQuery::default() }).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_suppresses_by_design_until_it_is_gone() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let rig = Rig::new(store, &format!("{PRACTICE}{}", rule("dust", "suppress_when = \"mode == 2.0\""))).await;
    rig.take(&[observation(STATION, "mode", rig.now(), 2.0), observation(STATION, "pm25", rig.now(), 160.0)]).await;
    assert!(rig.alarms().await.is_empty());
    rig.store.clock.advance_seconds(61);
    rig.timers().await;
    assert!(rig.alarms().await.is_empty(), "it holds yet");
    rig.take(&[observation(STATION, "mode", rig.now(), 1.0)]).await;
    rig.store.clock.advance_seconds(61);
    rig.timers().await;
    assert_eq!(rig.alarms().await, [("dust".into(), "active", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_latched_alarm_waits_for_its_reset() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "latch = true")).await;
        rig.reads(160.0).await;
        let alarm = list(&rig, AlarmQuery::default()).await.remove(0);
        assert_eq!(rig.rules.reset(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap_err().code(), "alarm.not-latched");
        rig.rules.acknowledge(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap();
        rig.store.clock.advance_seconds(60);
        rig.reads(100.0).await;
        assert_eq!(rig.alarms().await, [("dust".into(), "latched", 1)]);
        rig.store.clock.advance_seconds(60);
        rig.reads(160.0).await;
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 2)], "it rises again as the same");
        rig.store.clock.advance_seconds(60);
        rig.reads(100.0).await;
        rig.rules.acknowledge(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap();
        rig.rules.reset(&rig.system(), alarm.id, Acknowledgement::default()).await.unwrap();
        assert_eq!(rig.alarms().await, [("dust".into(), "closed", 2)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sources_raise_once_however_often_they_say_so() {
    both(SCHEMA, |store| async {
        let mut rig = Rig::new(store, PRACTICE).await;
        let t = rig.now();
        let at = |s: i64| Some(dothi_kernel::time::micros(t + s * 1_000_000));
        let zone = |s: i64| Outside { at: at(s), text: Some("Vùng 3".into()), ..outside("zone-3", "urn:p:1", "fire") };
        rig.store.clock.advance_seconds(600);
        let id = rig.rules.raise_from(&rig.system(), &zone(0)).await.unwrap().unwrap();
        assert_eq!(rig.rules.raise_from(&rig.system(), &zone(0)).await.unwrap(), Some(id));
        let alarm = list(&rig, AlarmQuery::default()).await.remove(0);
        assert_eq!((alarm.source.as_str(), alarm.life_safety, alarm.text.as_deref(), alarm.raised_at), ("panel", true, Some("Vùng 3"), at(0).unwrap()));
        assert_eq!(rig.rules.shelve(&rig.system(), id, shelve(5)).await.unwrap_err().code(), "alarm.life-safety");
        rig.rules.return_to_normal(&rig.system(), "panel", "zone-3", "urn:p:1", at(60)).await.unwrap();
        rig.restart().await;
        assert_eq!(rig.rules.raise_from(&rig.system(), &zone(30)).await.unwrap(), None, "a word that came late");
        assert_eq!(rig.alarms().await, [("panel:zone-3".into(), "cleared", 1)]);
        assert_eq!(rig.rules.raise_from(&rig.system(), &zone(90)).await.unwrap(), Some(id));
        rig.rules.return_to_normal(&rig.system(), "panel", "zone-3", "urn:p:1", at(70)).await.unwrap();
        assert_eq!(rig.alarms().await, [("panel:zone-3".into(), "active", 2)]);
        assert_eq!(rig.told().await, ["alarm-raised", "alarm-cleared", "alarm-raised"]);
        // Installing packs leaves them alone.
        rig.install(PRACTICE).await.unwrap();
        assert_eq!(rig.alarms().await.len(), 1);
        for bad in [Outside { source: "rule".into(), ..zone(0) }, Outside { key: String::new(), ..zone(0) }, Outside { title: String::new(), ..zone(0) }] {
            assert_eq!(rig.rules.raise_from(&rig.system(), &bad).await.unwrap_err().kind(), Kind::Invalid);
        }
        // What the city model does not know is called what its source calls it.
        let camera = Outside { name: Some("Ngã tư chợ".into()), ..outside("dark", "urn:camera:gone", "") };
        let dark = rig.rules.raise_from(&rig.system(), &camera).await.unwrap();
        let named = |a: &Alarm| (Some(a.id) == dark).then(|| a.entity_name.clone());
        assert_eq!(list(&rig, AlarmQuery::default()).await.iter().find_map(named).as_deref(), Some("Ngã tư chợ"));
        let reader = officer(&rig, &["ubnd-11111"], None, &[Permission::AlarmRead]);
        assert_eq!(rig.rules.raise_from(&reader, &zone(0)).await.unwrap_err().kind(), Kind::Forbidden);
    })
    .await;
}

/// Lamps `lamp-<feeder>-<cabinet>-<n>` hang on cabinets, those on feeders (see the rig's things).
async fn outage(rig: &Rig, cabinets: usize, lamps: usize) {
    for cabinet in 0..cabinets {
        for lamp in 0..lamps {
            let urn = format!("urn:lamp:7-{cabinet}-{lamp}");
            rig.store.clock.advance_seconds(1);
            rig.rules.raise_from(&rig.system(), &outside("power", &urn, "power")).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feeder_outage_is_one_line_and_fire_is_never_folded() {
    both(SCHEMA, |store| async {
        let mut rig = Rig::new(store, PRACTICE).await;
        outage(&rig, 8, 10).await;
        rig.rules.raise_from(&rig.system(), &outside("smoke", "urn:lamp:7-0-0", "fire")).await.unwrap();
        let open = || AlarmQuery { state: Some("open".into()), ..AlarmQuery::default() };
        let shown = list(&rig, open()).await;
        let group = shown.iter().find(|a| a.source == "cause").unwrap();
        assert_eq!(shown.len(), 2, "one cause and the fire: {:?}", shown.iter().map(|a| (&a.rule, &a.entity)).collect::<Vec<_>>());
        assert!(shown.iter().any(|a| a.life_safety));
        assert_eq!((group.entity.as_str(), group.children, group.standing), ("urn:feeder:7", 80, 80));
        let below = list(&rig, AlarmQuery { cause: Some(group.id), ..AlarmQuery::default() }).await;
        // Six cabinets were lost before the feeder was known to be; what came later belongs to it directly.
        let cabinets: Vec<i64> = below.iter().map(|a| a.children).filter(|n| *n > 0).collect();
        assert_eq!((below.len(), cabinets.len(), cabinets.iter().sum::<i64>()), (6 + 20, 6, 60));
        let first = group.first_out.unwrap();
        assert_eq!(rig.rules.alarm(&rig.system(), first).await.unwrap().alarm.entity, "urn:lamp:7-0-0");
        assert_eq!(list(&rig, AlarmQuery { muted: Some(true), limit: Some(200), ..open() }).await.len(), 80 + 6 + 2, "all of it is logged");
        let told = rig.told().await.iter().filter(|name| *name == "alarm-raised").count();
        assert_eq!(told, 6 * 5 + 5 + 2, "five lamps of six cabinets, five of the cabinets, the feeder and the fire");
        // After a restart more of the same goes where the rest is.
        rig.restart().await;
        rig.rules.raise_from(&rig.system(), &outside("power", "urn:lamp:7-0-99", "power")).await.unwrap();
        let again = list(&rig, open()).await;
        assert_eq!((again.len(), again.iter().map(|a| a.children).max()), (2, Some(81)));
        // One note for all, and when power is back the group is over with its children.
        rig.rules.acknowledge(&rig.system(), group.id, Acknowledgement::default()).await.unwrap();
        for cabinet in 0..8 {
            for lamp in (0..10).chain((cabinet == 0).then_some(99)) {
                let urn = format!("urn:lamp:7-{cabinet}-{lamp}");
                rig.rules.return_to_normal(&rig.system(), "panel", "power", &urn, None).await.unwrap();
            }
        }
        let rest = list(&rig, AlarmQuery { muted: Some(true), limit: Some(200), ..open() }).await;
        assert_eq!(rest.iter().map(|a| a.class.as_str()).collect::<Vec<_>>(), ["fire"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chattering_alarm_is_told_as_such() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let rig = Rig::new(store, &format!("{PRACTICE}{}", rule("dust", ""))).await;
    for value in [160.0, 100.0, 160.0, 100.0] {
        rig.reads(value).await;
        rig.store.clock.advance_seconds(10);
    }
    assert_eq!(list(&rig, AlarmQuery::default()).await[0].chattering_at, None, "twice is not too often");
    rig.reads(160.0).await;
    assert!(list(&rig, AlarmQuery::default()).await[0].chattering_at.is_some());
    rig.store.clock.advance_seconds(25 * 3_600);
    let stale = list(&rig, AlarmQuery { stale: Some(true), ..AlarmQuery::default() }).await;
    assert!(stale.len() == 1 && stale[0].stale);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rule_is_a_version_that_packs_do_not_overwrite() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "")).await;
        let change = |version, change, reason: &str| NewVersion { version, change, reason: reason.into() };
        let higher = RuleChange { raise: Some(">= 200".into()), severity: Some(Severity::Low), ..RuleChange::default() };
        let detail = rig.rules.change_rule(&rig.system(), "dust", change(0, higher.clone(), "Mùa đốt rơm")).await.unwrap();
        assert_eq!((detail.row.version, detail.now.raise.as_deref(), detail.given.raise.as_deref()), (1, Some(">= 200"), Some(">= 150")));
        assert_eq!(rig.rules.change_rule(&rig.system(), "dust", change(0, higher.clone(), "lần nữa")).await.unwrap_err().code(), "rule.changed");
        let wrong = RuleChange { raise: Some(">= 100".into()), ..RuleChange::default() };
        assert_eq!(rig.rules.change_rule(&rig.system(), "dust", change(1, wrong, "sai vùng chết")).await.unwrap_err().code(), "rule.unusable");
        rig.reads(160.0).await;
        assert!(rig.alarms().await.is_empty(), "the new limit counts at once");
        // The pack comes anew: the change stays; a pack it no longer fits counts as written, and the fault is told.
        rig.install(&rule("dust", "")).await.unwrap();
        rig.store.clock.advance_seconds(60);
        rig.reads(160.0).await;
        assert!(rig.alarms().await.is_empty());
        // Off: what stands clears.
        rig.store.clock.advance_seconds(60);
        rig.reads(220.0).await;
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 1)]);
        let off = RuleChange { enabled: Some(false), ..RuleChange::default() };
        rig.rules.change_rule(&rig.system(), "dust", change(1, off, "Bảo trì hệ thống")).await.unwrap();
        assert_eq!(rig.alarms().await, [("dust".into(), "cleared", 1)]);
        rig.store.clock.advance_seconds(60);
        rig.reads(230.0).await;
        assert_eq!(rig.alarms().await, [("dust".into(), "cleared", 1)]);
        // Back to the pack's text is a version, too.
        let back = rig.rules.change_rule(&rig.system(), "dust", change(2, RuleChange::default(), "Trở lại như gói")).await.unwrap();
        assert_eq!(back.versions.iter().map(|v| (v.version, v.by.as_str())).collect::<Vec<_>>(), [(3, "test"), (2, "test"), (1, "test")]);
        assert!(back.row.enabled && back.now == back.given);
        let reader = officer(&rig, &["ubnd-11111"], None, &[Permission::AlarmRead, Permission::AlarmHandle]);
        assert_eq!(rig.rules.change_rule(&reader, "dust", change(3, higher, "không được phép")).await.unwrap_err().kind(), Kind::Forbidden);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_after_the_other_within_a_time_is_a_sequence() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let sequence = rule("both", "first = \"dust\"\nthen = \"gas\"\nwithin = 600\nraise = \"x\"")
        .replace("kind = \"threshold\"", "kind = \"sequence\"")
        .replace("raise = \"x\"\n", "");
    let gas = rule("gas", "").replace("attribute = \"pm25\"", "attribute = \"so2\"");
    let rig = Rig::new(store, &format!("{}{gas}{sequence}", rule("dust", ""))).await;
    let t = rig.now();
    rig.take(&[observation(STATION, "so2", t, 160.0)]).await;
    rig.take(&[observation(STATION, "pm25", t + MINUTE, 160.0), observation(STATION, "so2", t + 2 * MINUTE, 100.0)]).await;
    let codes = |alarms: Vec<(String, &'static str, i64)>| alarms.into_iter().map(|(code, state, _)| format!("{code} {state}")).collect::<Vec<_>>();
    assert_eq!(codes(rig.alarms().await), ["dust active", "gas cleared"], "the wrong order");
    rig.take(&[observation(STATION, "so2", t + 20 * MINUTE, 160.0), observation(STATION, "so2", t + 21 * MINUTE, 100.0)]).await;
    assert_eq!(codes(rig.alarms().await), ["dust active", "gas cleared"], "too late");
    rig.take(&[observation(STATION, "pm25", t + 22 * MINUTE, 100.0), observation(STATION, "pm25", t + 23 * MINUTE, 160.0)]).await;
    rig.take(&[observation(STATION, "so2", t + 30 * MINUTE, 160.0)]).await;
    assert_eq!(codes(rig.alarms().await), ["both active", "dust active", "gas active"]);
    rig.take(&[observation(STATION, "so2", t + 31 * MINUTE, 100.0)]).await;
    assert_eq!(codes(rig.alarms().await), ["both cleared", "dust active", "gas cleared"]);
    let wanted = DryRun { rule: "both".into(), change: None, entities: vec![STATION.into()], from: at(t - MINUTE), to: at(t + 60 * MINUTE) };
    let tried = rig.rules.dry_run(&rig.system(), &wanted).await.unwrap();
    assert_eq!((tried.total, tried.alarms[0].raised_at, tried.alarms[0].cleared_at), (1, at(t + 30 * MINUTE), Some(at(t + 31 * MINUTE))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_raises_inside_and_clears_outside() {
    let store = dothi_store::testing::store(SCHEMA).await;
    // The rig's moving thing stands at 106.3, 20.4 while its name says so.
    let fence = "[[fence]]\ncode = \"dike\"\ntitle = \"Đê\"\ntitle_en = \"Dike\"\npolygon = [[106.0, 20.0], [107.0, 20.0], [107.0, 21.0], [106.0, 21.0]]\n";
    let rig = Rig::new(store, &format!("{fence}{}", rule("near", "inside = \"dike\""))).await;
    rig.take(&[
        observation("urn:boat:in", "pm25", rig.now(), 160.0),
        observation("urn:boat:out", "pm25", rig.now(), 160.0),
        observation("urn:boat:nowhere", "pm25", rig.now(), 160.0),
    ])
    .await;
    let shown = list(&rig, AlarmQuery::default()).await;
    assert_eq!(shown.iter().map(|a| a.entity.as_str()).collect::<Vec<_>>(), ["urn:boat:in"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unusual_for_the_hour_of_the_week_raises() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let mut rig = Rig::new(store, &rule("odd", "value = \"seasonal(pm25, 4)\"\nraise = \"> 4\"\nclear = \"< 2\"\nmax_age = 4000000")).await;
    let week = 7 * 24 * 60 * MINUTE;
    let t = rig.now();
    let past: Vec<_> = [95.0, 100.0, 105.0, 102.0].iter().zip(1..).map(|(v, n)| observation(STATION, "pm25", t - n * week, *v)).collect();
    rig.take(&past).await;
    assert!(rig.alarms().await.is_empty(), "nothing is usual yet");
    rig.restart().await;
    rig.reads(104.0).await;
    assert!(rig.alarms().await.is_empty(), "as every week");
    rig.store.clock.advance_seconds(60);
    rig.reads(190.0).await;
    assert_eq!(rig.alarms().await, [("odd".into(), "active", 1)]);
    // The trial compares with the weeks before it.
    let wanted = DryRun { rule: "odd".into(), change: None, entities: vec![STATION.into()], from: at(t - MINUTE), to: at(t + 60 * MINUTE) };
    assert_eq!(rig.rules.dry_run(&rig.system(), &wanted).await.unwrap().total, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_attributes_are_compared() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let rig = Rig::new(store, &rule("more", "value = \"ratio(pm25, pm10)\"\nraise = \"> 0.8\"\nclear = \"< 0.7\"")).await;
    let t = rig.now();
    rig.take(&[observation(STATION, "pm25", t, 90.0)]).await;
    assert!(rig.alarms().await.is_empty(), "the other is not known");
    rig.take(&[observation(STATION, "pm10", t + MINUTE, 100.0)]).await;
    assert_eq!(rig.alarms().await, [("more".into(), "active", 1)]);
}

fn at(us: i64) -> Timestamp {
    dothi_kernel::time::micros(us)
}

/// A month of alarms is told as it happened; the board must say what a clerk with a list would say.
#[tokio::test(flavor = "multi_thread")]
async fn the_board_of_a_month_says_what_a_slow_clerk_says() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let rig = Rig::new(store, PRACTICE).await;
    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;
    let from = rig.now() - 29 * DAY;
    // Thing, raised, cleared. A quiet month, two floods, one thing that chatters, one that stands for days.
    let mut told: Vec<(String, i64, Option<i64>)> = Vec::new();
    let mut seed = 7u64;
    let mut dice = |n: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) as i64) % n
    };
    for n in 0..400 {
        let raised = from + dice(28 * 86_400) * SECOND;
        told.push((format!("urn:q:{n}"), raised, Some(raised + (5 + dice(7_000)) * SECOND)));
    }
    for (day, many) in [(5, 25), (17, 60)] {
        for n in 0..many {
            let raised = from + day * DAY + 3_600 * SECOND + dice(900) * SECOND;
            told.push((format!("urn:f{day}:{n}"), raised, Some(raised + 1_800 * SECOND)));
        }
    }
    for n in 0..12 {
        let raised = from + 9 * DAY + n * 15 * SECOND;
        told.push(("urn:chatter".into(), raised, Some(raised + 5 * SECOND)));
    }
    told.push(("urn:old".into(), from + 3 * DAY, Some(from + 7 * DAY)));
    told.push(("urn:stands".into(), from + 20 * DAY, None));
    let mut order: Vec<(i64, bool, String)> = told.iter().map(|(urn, raised, _)| (*raised, true, urn.clone())).collect();
    order.extend(told.iter().filter_map(|(urn, _, cleared)| Some(((*cleared)?, false, urn.clone()))));
    order.sort();
    for (t, raises, urn) in &order {
        match raises {
            true => assert!(rig.rules.raise_from(&rig.system(), &Outside { at: Some(at(*t)), ..outside("power", urn, "") }).await.unwrap().is_some()),
            false => rig.rules.return_to_normal(&rig.system(), "panel", "power", urn, Some(at(*t))).await.unwrap(),
        }
    }
    let to = from + 29 * DAY;
    let query = FiguresQuery { from: Some(at(from).to_string()), to: Some(at(to).to_string()), ..FiguresQuery::default() };
    let board = rig.rules.figures(&rig.system(), &query).await.unwrap();

    let shown: Vec<i64> = told.iter().map(|(_, raised, _)| *raised).collect();
    let within = |a: i64, b: i64| shown.iter().filter(|t| **t >= a && **t < b).count() as u64;
    assert_eq!((board.rates.alarms, board.raw), (shown.len() as u64, shown.len() as u64));
    assert!((board.rates.per_day - shown.len() as f64 / 29.0).abs() < 0.001);
    let share = |width: i64, over: u64| {
        let periods = (to - from) / width;
        100.0 * (0..periods).filter(|n| within(from + n * width, from + (n + 1) * width) > over).count() as f64 / periods as f64
    };
    assert!((board.rates.busy_10_min - share(600 * SECOND, 10)).abs() < 0.001);
    assert!((board.rates.busy_hours - share(3_600 * SECOND, 30)).abs() < 0.001);
    assert_eq!(board.rates.peak_10_min, shown.iter().map(|t| within(*t - 600 * SECOND + 1, *t + 1)).max().unwrap());
    // Floods second by second over the days that have one.
    let instants: std::collections::HashSet<i64> = shown.iter().copied().collect();
    let (mut floods, mut since, mut time) = (Vec::new(), None, 0);
    for second in 0..29 * 86_400 {
        let now = from + second * SECOND;
        if since.is_none() && !instants.contains(&now) {
            continue;
        }
        let n = within(now - 600 * SECOND + 1, now + 1);
        match since {
            None if n >= 10 => since = Some(now),
            Some(began) if n < 5 => {
                floods.push((at(began), at(now)));
                time += now - began;
                since = None;
            }
            _ => {}
        }
    }
    floods.reverse();
    assert_eq!(board.floods.iter().map(|f| (f.from, f.to)).collect::<Vec<_>>(), floods);
    assert!(floods.len() >= 2);
    assert!((board.rates.in_flood - 100.0 * time as f64 / (to - from) as f64).abs() < 0.001);
    assert_eq!((board.top[0].entity.as_str(), board.top[0].times), ("urn:chatter", 12));
    assert_eq!(board.chattering.iter().map(|c| (c.entity.as_str(), c.times)).collect::<Vec<_>>(), [("urn:chatter", 1)]);
    let short = told.iter().filter(|(_, raised, cleared)| cleared.is_some_and(|c| c - raised < 30 * SECOND)).count() as u64;
    assert_eq!(board.fleeting.iter().map(|f| f.times).sum::<u64>(), short);
    for day in &board.days {
        let start = day.day.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7))).unwrap().timestamp().as_microsecond();
        let end = (start + DAY).min(to);
        assert_eq!(day.alarms, within(start.max(from), end), "{}", day.day);
        let stale = told.iter().filter(|(_, raised, cleared)| raised + DAY < end && cleared.is_none_or(|c| c > end)).count() as u64;
        assert_eq!(day.stale, stale, "{}", day.day);
    }
    assert_eq!(board.days.iter().map(|d| d.alarms).sum::<u64>(), shown.len() as u64);
    assert_eq!((board.stale, board.positions.len(), board.positions[0].unit.as_str()), (1, 1, "ubnd-11111"));
    assert!(board.targets.iter().any(|t| t.key == "flood/begins" && t.value == 10.0));
    // What a figure counts can be opened.
    let opened = AlarmQuery {
        rule: Some("panel:power".into()),
        entity: Some("urn:chatter".into()),
        from: query.from.clone(),
        to: query.to.clone(),
        ..AlarmQuery::default()
    };
    assert_eq!(list(&rig, opened).await.iter().map(|a| a.count).sum::<i64>(), 12);
    let reader = officer(&rig, &["ubnd-22222"], None, &[Permission::AlarmRead]);
    assert_eq!(rig.rules.figures(&reader, &query).await.unwrap().rates.alarms, 0, "others' alarms are not theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_in_a_storm_while_it_lasts() {
    let store = dothi_store::testing::store(SCHEMA).await;
    let rig = Rig::new(store, PRACTICE).await;
    for n in 0..12 {
        rig.rules.raise_from(&rig.system(), &outside("power", &format!("urn:q:{n}"), "")).await.unwrap();
    }
    let load = rig.rules.load(&rig.system()).await.unwrap();
    assert_eq!((load.storm, load.positions.len(), load.positions[0].last_10_min, load.positions[0].unit.as_str()), (true, 1, 12, "ubnd-11111"));
    let reader = officer(&rig, &["ubnd-22222"], None, &[Permission::AlarmRead]);
    assert!(rig.rules.load(&reader).await.unwrap().positions.is_empty());
    rig.store.clock.advance_seconds(700);
    let load = rig.rules.load(&rig.system()).await.unwrap();
    assert_eq!((load.storm, load.positions[0].last_10_min, load.positions[0].last_hour), (false, 0, 12));
}
