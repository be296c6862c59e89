use dothi_kernel::{Event, EventRecord};
use dothi_oversight::{ComputeReport, IndicatorQuery, MIGRATIONS, ScorecardQuery, Standing, ValueStatus};
use dothi_store::JobRunner;
use dothi_store::testing::{both, store};
use uuid::Uuid;

use crate::{World, entry};

const AIR: &str = "L2.N3.PN1.03";
const ANSWERED: &str = "L1.N1.PN2.01";

async fn runner(w: &World) -> JobRunner {
    w.oversight.clone().jobs(JobRunner::new(w.test.store.clone()))
}

async fn shown(w: &World, code: &str, area: &str) -> (Option<f64>, Standing) {
    let query = ScorecardQuery { area: Some(area.into()), ..Default::default() };
    let card = w.oversight.scorecard(&w.public(), &query).await.unwrap();
    let i = card.groups.iter().flat_map(|g| &g.indicators).find(|i| i.code == code).unwrap();
    (i.value.as_ref().and_then(|v| v.number), i.standing)
}

fn answered() -> EventRecord {
    let event = Event::CaseAnswered { case: Uuid::from_u128(1), code: "HY-7K3M2A".into() };
    EventRecord { seq: 1, at: dothi_store::testing::start_of_tests(), event }
}

#[tokio::test]
async fn follows_its_measure_and_keeps_the_rows() {
    both(&[MIGRATIONS], |test| async {
        let w = World::on(test).await;
        w.figures.set("context.coverage.AirQualityObserved", 26.0, 30.0);
        let report = w.oversight.compute(&w.reporter(), "tb-41").await.unwrap();
        // A year and a month for coverage; the others had nothing to measure, which is no value and not 0.
        assert_eq!(report, ComputeReport { changed: 2, empty: 8, ..Default::default() });
        // The pack's planned denominator (104) stands for the province.
        assert_eq!(shown(&w, AIR, "33").await, (Some(25.0), Standing::Behind));
        assert_eq!(shown(&w, ANSWERED, "33").await, (None, Standing::NoData));
        let detail = w.oversight.indicator(&w.public(), "tb-41", AIR, &IndicatorQuery::default()).await.unwrap();
        assert_eq!((detail.evidence.len(), detail.evidence[0].label.as_str()), (26, "context.coverage.AirQualityObserved 0"));
        assert_eq!((detail.values[0].numerator, detail.values[0].denominator), (Some(26.0), Some(104.0)));

        assert_eq!(w.oversight.compute(&w.reporter(), "tb-41").await.unwrap().unchanged, 2);
        w.test.clock.advance_seconds(1);
        w.figures.set("context.coverage.AirQualityObserved", 104.0, 30.0);
        assert_eq!(w.oversight.compute(&w.reporter(), "tb-41").await.unwrap().changed, 2);
        assert_eq!(shown(&w, AIR, "33").await, (Some(100.0), Standing::Met));
        let detail = w.oversight.indicator(&w.public(), "tb-41", AIR, &IndicatorQuery::default()).await.unwrap();
        let life: Vec<_> = detail.values.iter().filter(|v| v.period == "2026").map(|v| (v.number, v.status)).collect();
        assert_eq!(life, [(Some(100.0), ValueStatus::Computed), (Some(25.0), ValueStatus::Superseded)]);
    })
    .await;
}

#[tokio::test]
async fn what_a_person_approved_stands_above_what_is_computed() {
    let w = World::on(store(&[MIGRATIONS]).await).await;
    w.figures.set("context.coverage.AirQualityObserved", 26.0, 30.0);
    w.oversight.compute(&w.reporter(), "tb-41").await.unwrap();
    let v = w.oversight.report(&w.reporter(), entry(AIR, 33.0)).await.unwrap();
    w.oversight.approve(&w.approver(), v.id).await.unwrap();
    w.figures.set("context.coverage.AirQualityObserved", 52.0, 30.0);
    let report = w.oversight.compute(&w.reporter(), "tb-41").await.unwrap();
    assert_eq!((report.kept, report.changed), (1, 1), "the year is kept, the month follows");
    assert_eq!(shown(&w, AIR, "33").await.0, Some(33.0));
}

#[tokio::test]
async fn a_value_that_lost_its_ground_becomes_no_data() {
    let w = World::on(store(&[MIGRATIONS]).await).await;
    w.figures.set("cases.answered-public.planning", 3.0, 4.0);
    w.oversight.compute(&w.reporter(), "tb-41").await.unwrap();
    assert_eq!(shown(&w, ANSWERED, "33").await.0, Some(75.0));
    w.figures.set("cases.answered-public.planning", 0.0, 0.0);
    w.oversight.compute(&w.reporter(), "tb-41").await.unwrap();
    assert_eq!(shown(&w, ANSWERED, "33").await, (None, Standing::NoData));
}

#[tokio::test]
async fn events_set_one_timer_and_the_scorecard_follows() {
    both(&[MIGRATIONS], |test| async {
        let w = World::on(test).await;
        let runner = runner(&w).await;
        assert_eq!(runner.run_due(100).await.unwrap(), 2, "installing computes once for each source");
        w.figures.set("cases.answered-public.planning", 1.0, 2.0);
        for _ in 0..50 {
            w.oversight.on_event(&answered()).await.unwrap();
        }
        assert_eq!(runner.run_due(100).await.unwrap(), 0, "not at once");
        w.test.clock.advance_seconds(5);
        assert_eq!(runner.run_due(100).await.unwrap(), 1);
        assert_eq!(shown(&w, ANSWERED, "33").await.0, Some(50.0));
        assert_eq!(shown(&w, ANSWERED, "11111").await.0, None);
        w.test.clock.advance_seconds(3600);
        runner.run_due(100).await.unwrap();
        assert_eq!(shown(&w, ANSWERED, "11111").await.0, Some(50.0), "communes follow within the hour");
        assert_eq!(w.test.job_health().await.unwrap().dead, 0);
    })
    .await;
}

#[tokio::test]
async fn a_failing_measure_hurts_only_itself_and_is_tried_again() {
    let w = World::on(store(&[MIGRATIONS]).await).await;
    w.figures.fail("cases.satisfaction");
    w.figures.set("cases.answered-public.planning", 1.0, 1.0);
    let report = w.oversight.compute(&w.reporter(), "tb-41").await.unwrap();
    // Planning and coverage (0 of 104 planned is a true 0), each for the year and the month.
    assert_eq!((report.changed, report.failed.as_slice()), (4, ["cases.satisfaction".to_string()].as_slice()));
    let runner = runner(&w).await;
    runner.run_due(100).await.unwrap();
    w.figures.set("cases.satisfaction", 4.0, 5.0);
    w.test.clock.advance_seconds(10);
    runner.run_due(100).await.unwrap();
    assert_eq!(shown(&w, "L1.N3.PN1.01", "33").await, (Some(80.0), Standing::Met));
}

#[tokio::test]
async fn around_new_year_the_old_year_still_follows() {
    let w = World::on(store(&[MIGRATIONS]).await).await;
    w.test.clock.set("2027-01-03T05:00:00Z".parse().unwrap());
    w.figures.set("cases.answered-public.planning", 1.0, 1.0);
    w.oversight.compute(&w.reporter(), "tb-41").await.unwrap();
    let value = async |period: &str| {
        let query = IndicatorQuery { period: Some(period.into()), ..Default::default() };
        w.oversight.indicator(&w.public(), "tb-41", ANSWERED, &query).await.unwrap().indicator.value.and_then(|v| v.number)
    };
    for period in ["2027", "2027-01", "2026", "2026-12"] {
        assert_eq!(value(period).await, Some(100.0), "{period}");
    }
    assert_eq!(value("2026-11").await, None);
}
