use dothi_oversight::{FormulaStatus, IndicatorQuery, MIGRATIONS, NewValue, ScorecardQuery, Standing, StatedKind};
use dothi_store::testing::{both, store};

use crate::{World, base, entry, system};

#[tokio::test]
async fn shows_targets_as_written_and_means_with_their_gaps() {
    both(&[MIGRATIONS], |test| async {
        let w = World::on(test).await;
        for (code, number) in [("L2.N3.PN1.01", 80.0), ("L2.N3.PN1.02", 64.0), ("L2.N3.PN1.05", 10.0)] {
            let v = w.oversight.report(&w.reporter(), entry(code, number)).await.unwrap();
            w.oversight.approve(&w.approver(), v.id).await.unwrap();
        }
        let card = w.oversight.scorecard(&w.public(), &ScorecardQuery::default()).await.unwrap();
        assert_eq!((card.area.as_str(), card.area_name.as_str(), card.period.as_str()), ("33", "Tỉnh Hưng Yên", "2026"));
        assert_eq!((card.groups.len(), card.summary.total, card.summary.no_data), (30, 41, 38));
        let group = card.groups.iter().find(|g| g.code == "L2.N3").unwrap();
        assert_eq!((group.level, group.parent.as_deref(), group.indicators.len()), (2, Some("L2"), 0));
        let s = &group.summary;
        assert_eq!((s.met, s.near, s.behind, s.no_data, s.total), (1, 1, 1, 3, 6));
        // 100, 80 and 10 per cent of their targets; the three without a value do not pull the mean down.
        assert!((s.achievement.unwrap() - 190.0 / 3.0).abs() < 1e-9);
        let of = |code: &str| card.groups.iter().flat_map(|g| &g.indicators).find(|i| i.code == code).unwrap();
        let fibre = of("L3.N1.PN1.01");
        assert_eq!((fibre.base.kind, fibre.base.text.as_str(), fibre.base.number), (StatedKind::InProgress, "Đang triển khai", None));
        assert_eq!((of("L1.N3.PN1.01").target.kind, of("L1.N3.PN1.01").target.number), (StatedKind::AtLeast, Some(50.0)));
        assert_eq!((of("L3.N3.PN1.01").target.bool, of("L3.N3.PN1.01").standing), (Some(true), Standing::NoData));
        assert_eq!(of("L2.N3.PN1.03").formula_status, FormulaStatus::Proposed);
    })
    .await;
}

#[tokio::test]
async fn the_briefing_is_one_sheet_with_what_needs_a_decision() {
    let w = World::on(store(&[MIGRATIONS]).await).await;
    for (code, number) in [("L2.N3.PN1.01", 80.0), ("L2.N3.PN1.02", 64.5), ("L2.N3.PN1.05", 10.0)] {
        let v = w.oversight.report(&w.reporter(), entry(code, number)).await.unwrap();
        w.oversight.approve(&w.approver(), v.id).await.unwrap();
    }
    let query = ScorecardQuery::default();
    assert_eq!(w.oversight.briefing(&w.public(), &query, None).await.unwrap_err().kind(), dothi_kernel::Kind::Unauthenticated);
    let (name, pdf) = w.oversight.briefing(&w.reporter(), &query, None).await.unwrap();
    assert_eq!(name, "tb-41-33-2026.pdf");
    let Some(text) = dothi_paper::testing::words(&pdf) else { return };
    for said in ["1 đạt · 1 gần đạt · 1 chưa đạt · 38 chưa có số liệu · 41 chỉ số", "Cần chỉ đạo", "64,5", "Trang 1/1", "Tỉnh Hưng Yên · kỳ 2026"]
    {
        assert!(text.contains(said), "`{said}` is missing in\n{text}");
    }
    let english = w.oversight.briefing(&w.reporter(), &query, Some("en")).await.unwrap().1;
    assert!(dothi_paper::testing::words(&english).unwrap().contains("Needs a decision"));
}

#[tokio::test]
async fn trend_follows_months_when_there_are_some() {
    let w = World::on(store(&[MIGRATIONS]).await).await;
    let put = async |period: &str, number: f64| {
        let v = w.oversight.report(&w.reporter(), NewValue { period: period.into(), ..entry("L2.N3.PN1.02", number) }).await.unwrap();
        w.oversight.approve(&w.approver(), v.id).await.unwrap();
    };
    put("2025", 10.0).await;
    put("2026", 20.0).await;
    let trend = async |period: &str| {
        let query = IndicatorQuery { area: None, period: Some(period.into()) };
        let detail = w.oversight.indicator(&w.public(), "tb-41", "L2.N3.PN1.02", &query).await.unwrap();
        assert_eq!(detail.path, ["L2", "L2.N3", "L2.N3.PN1"]);
        assert_eq!(detail.formula.label.as_deref(), Some("công thức đề xuất"));
        detail.indicator.trend.iter().map(|p| format!("{}={}", p.period, p.number)).collect::<Vec<_>>()
    };
    assert_eq!(trend("2026").await, ["2025=10", "2026=20"]);
    assert_eq!(trend("2025").await, ["2025=10"]);
    put("2026-10", 18.0).await;
    put("2026-11", 20.0).await;
    assert_eq!(trend("2026").await, ["2026-10=18", "2026-11=20"]);
    assert_eq!(trend("2026-10").await, ["2026-10=18"], "nothing later than the period shown");
}

#[tokio::test]
async fn installing_twice_changes_nothing_and_needs_the_right() {
    let w = World::on(store(&[MIGRATIONS]).await).await;
    w.oversight.install(&system(&w.test), "base", base()).await.unwrap();
    let sets = w.oversight.sets(&w.public()).await.unwrap();
    assert_eq!(sets.iter().map(|s| (s.code.as_str(), s.indicators)).collect::<Vec<_>>(), [("tb-41", 41)]);
    assert_eq!(w.oversight.install(&w.reporter(), "base", base()).await.unwrap_err().code(), "access.not-allowed");
    let asked = ScorecardQuery { set: Some("none".into()), ..Default::default() };
    assert_eq!(w.oversight.scorecard(&w.public(), &asked).await.unwrap_err().code(), "oversight.set");
}
