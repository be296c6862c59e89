//! What packs may and may not say, and that a bad rule stops no other.

use dothi_rules::pack::{RulesPack, run_tests};
use dothi_store::testing::both;

use crate::rig::{Rig, SCHEMA, STATION, observation, rule, silence};

fn faults(text: &str) -> Vec<String> {
    RulesPack::load(&[("rules/x.toml".into(), text.into())]).map_or_else(|f| f, |p| p.check())
}

#[test]
fn faults_are_told_with_the_rule() {
    assert!(faults(&rule("dust", "")).is_empty());
    let cases = [
        ("raise = \"150\"", "does not begin with"),
        ("raise = \">= high\"", "is not a number"),
        ("raise = \"> ref:none/x\"", "no figure"),
        ("clear = \"> 10\"", "opposite directions"),
        ("clear = \"< 160\"", "quiet side"),
        ("when = \"value >\"", "when"),
        ("when = \"[1, 2].map(x, x)\"", "calls `map`"),
        ("when = \"wspm.matches('a')\"", "calls `matches`"),
        ("value = \"median(pm25)\"", "no function"),
        ("value = \"vn_aqi_hour(pm25, pm10, o3, no2, so2, co)\"", "needs the reference data"),
        ("colour = \"red\"", "unknown field"),
    ];
    for (more, expected) in cases {
        let found = faults(&rule("dust", more));
        assert!(found.iter().any(|f| f.contains(expected)), "{more}: {found:?}");
    }
    assert!(faults(&format!("{}{}", rule("dust", ""), rule("dust", ""))).iter().any(|f| f.contains("twice")));
    assert!(faults(&silence(0)).iter().any(|f| f.contains("silent_for")));
    assert!(faults("rule = 3").iter().any(|f| f.starts_with("rules/x.toml")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_fails_stops_no_other_rule() {
    both(SCHEMA, |store| async {
        let pack = format!(
            "{}{}{}{}",
            rule("broken", "when = \"1 / 0 == 1\""),
            rule("calm", "when = \"wspm < 2.0\""),
            rule("fine", ""),
            rule("text", "when = \"value > 'a'\"")
        );
        let rig = Rig::new(store, &pack).await;
        rig.reads(200.0).await;
        assert_eq!(rig.alarms().await, [("fine".into(), "active", 1)]);
        // The wind comes with the reading: the condition can be answered now.
        rig.store.clock.advance_seconds(60);
        rig.take(&[observation(STATION, "pm25", rig.now(), 210.0), observation(STATION, "wspm", rig.now(), 1.0)]).await;
        assert_eq!(rig.alarms().await, [("calm".into(), "active", 1), ("fine".into(), "active", 1)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_pack_is_refused_and_the_old_one_goes_on() {
    both(SCHEMA, |store| async {
        let rig = Rig::new(store, &rule("dust", "")).await;
        assert_eq!(rig.install(&rule("dust", "when = \"value >\"")).await.unwrap_err().code(), "rule.pack.invalid");
        let part = RulesPack::load(&[("rules/x.toml".into(), rule("dust", ""))]).unwrap();
        assert_eq!(rig.rules.install(&rig.system(), "another", part).await.unwrap_err().code(), "rule.code-taken");
        rig.reads(200.0).await;
        assert_eq!(rig.alarms().await, [("dust".into(), "active", 1)]);
        assert_eq!(rig.rules.rules(&rig.system()).await.unwrap().total, Some(1));
    })
    .await;
}

#[test]
fn pack_tests_see_delays_and_silence() {
    let part = RulesPack::load(&[("rules/x.toml".into(), format!("{}{}", rule("slow", "on_delay = 90"), silence(150)))]).unwrap();
    let test = |expect: &str| {
        let text = format!(
            "[[rules]]\nname = \"a\"\ntype = \"AirQualityObserved\"\nfrom = \"2026-03-01T00:00:00Z\"\nevery_minutes = 1\nintervals = 8\n\
             given = {{ pm25 = [160, 160, 160, 20] }}\nexpect = [{expect}]\n"
        );
        run_tests(&part, &[("tests/a.toml".into(), text)])
    };
    let expected = "{ what = \"raise\", of = \"slow\", at = 2 }, { what = \"clear\", of = \"slow\", at = 3 }, { what = \"raise\", of = \"silent\", at = 6 }";
    assert_eq!(test(expected), (1, vec![]));
    assert_eq!(test("").1.len(), 1, "a wrong expectation is told");
}
