use dothi_kernel::{PageQuery, Permission};
use dothi_oversight::{IndicatorQuery, MIGRATIONS, NewValue, ScorecardQuery, Standing, ValueStatus};
use dothi_store::testing::both;

use crate::{World, entry};

const AIR: &str = "L2.N3.PN1.02";

#[tokio::test]
async fn counts_only_after_a_second_person_approves() {
    both(&[MIGRATIONS], |test| async {
        let w = World::on(test).await;
        let entered = w.oversight.report(&w.reporter(), entry(AIR, 40.0)).await.unwrap();
        assert_eq!(entered.status, ValueStatus::Pending);
        let standing = async || {
            let card = w.oversight.scorecard(&w.public(), &ScorecardQuery::default()).await.unwrap();
            let i = card.groups.iter().flat_map(|g| &g.indicators).find(|i| i.code == AIR).unwrap().clone();
            (i.standing, i.value.map(|v| v.number), i.waiting)
        };
        // Outside nobody sees what waits.
        assert_eq!(standing().await, (Standing::NoData, None, false));
        // Not even with both permissions may one approve one's own.
        let both_rights = w.caller(1, "ubnd-33", &[Permission::IndicatorReport, Permission::IndicatorApprove]);
        assert_eq!(w.oversight.approve(&both_rights, entered.id).await.unwrap_err().code(), "oversight.same-person");
        assert_eq!(w.oversight.reject(&both_rights, entered.id, "x").await.unwrap_err().code(), "oversight.same-person");
        let waiting = w.oversight.values(&w.approver(), None, &PageQuery::default()).await.unwrap();
        assert_eq!(waiting.items.iter().map(|v| (v.id, v.mine)).collect::<Vec<_>>(), [(entered.id, false)]);
        let approved = w.oversight.approve(&w.approver(), entered.id).await.unwrap();
        assert_eq!(approved.status, ValueStatus::Approved);
        assert_eq!(standing().await, (Standing::Behind, Some(Some(40.0)), false));
        assert_eq!(w.oversight.approve(&w.approver(), entered.id).await.unwrap_err().code(), "oversight.not-pending");
        let names: Vec<String> = w.test.audit_page(&PageQuery::default(), "oversight.").await.unwrap().items.into_iter().map(|r| r.action).collect();
        assert_eq!(names, ["oversight.value.approve", "oversight.value.report"]);
    })
    .await;
}

#[tokio::test]
async fn a_later_value_supersedes_and_nothing_is_lost() {
    both(&[MIGRATIONS], |test| async {
        let w = World::on(test).await;
        for number in [40.0, 60.0] {
            let v = w.oversight.report(&w.reporter(), entry(AIR, number)).await.unwrap();
            w.oversight.approve(&w.approver(), v.id).await.unwrap();
            w.test.clock.advance_seconds(60);
        }
        // A correction before approval supersedes what waited; a refusal keeps what counts.
        w.oversight.report(&w.reporter(), entry(AIR, 70.0)).await.unwrap();
        w.test.clock.advance_seconds(60);
        let last = w.oversight.report(&w.reporter(), entry(AIR, 75.0)).await.unwrap();
        assert_eq!(w.oversight.reject(&w.approver(), last.id, "  ").await.unwrap_err().code(), "oversight.reason");
        let rejected = w.oversight.reject(&w.approver(), last.id, "Chưa đủ minh chứng").await.unwrap();
        assert_eq!((rejected.status, rejected.reason.as_deref()), (ValueStatus::Rejected, Some("Chưa đủ minh chứng")));
        let seen = async |caller| {
            let detail = w.oversight.indicator(&caller, "tb-41", AIR, &IndicatorQuery::default()).await.unwrap();
            let values: Vec<_> = detail.values.iter().map(|v| (v.number.unwrap(), v.status)).collect();
            (values, detail.indicator.value.unwrap().number.unwrap(), detail.values, detail.evidence)
        };
        use ValueStatus::*;
        let (values, shown, rows, evidence) = seen(w.approver()).await;
        assert_eq!(values, [(75.0, Rejected), (70.0, Superseded), (60.0, Approved), (40.0, Superseded)]);
        assert_eq!(shown, 60.0);
        assert_eq!(rows[3].superseded_by, Some(rows[2].id));
        assert_eq!((evidence[0].label.as_str(), evidence[0].link.as_str()), ("Báo cáo quý IV", "https://example.org/bao-cao"));
        // The public sees what counted, without people and notes.
        let (values, _, rows, evidence) = seen(w.public()).await;
        assert_eq!(values, [(60.0, Approved), (40.0, Superseded)]);
        assert!(rows.iter().all(|v| v.entered_by.is_none() && v.note.is_none() && v.decided_by.is_none() && v.reason.is_none() && !v.mine));
        assert_eq!(evidence[0].label, "https://example.org/bao-cao");
    })
    .await;
}

#[tokio::test]
async fn yes_no_and_ratios() {
    let w = World::on(dothi_store::testing::store(&[MIGRATIONS]).await).await;
    let yes = NewValue { number: None, yes_no: Some(true), ..entry("L3.N3.PN1.01", 0.0) };
    let v = w.oversight.report(&w.reporter(), yes).await.unwrap();
    w.oversight.approve(&w.approver(), v.id).await.unwrap();
    let v = w.oversight.report(&w.reporter(), NewValue { number: None, numerator: Some(1.0), denominator: Some(3.0), ..entry(AIR, 0.0) }).await.unwrap();
    assert!((v.number.unwrap() - 33.333).abs() < 0.001);
    w.oversight.approve(&w.approver(), v.id).await.unwrap();
    let card = w.oversight.scorecard(&w.public(), &ScorecardQuery::default()).await.unwrap();
    let shown = card.groups.iter().flat_map(|g| &g.indicators).find(|i| i.code == "L3.N3.PN1.01").unwrap().clone();
    assert_eq!((shown.value.unwrap().text.as_deref(), shown.standing), (Some("Có"), Standing::Met));
    assert_eq!((card.summary.met, card.summary.behind, card.summary.no_data, card.summary.total), (1, 1, 39, 41));
}

#[tokio::test]
async fn refuses_what_does_not_fit() {
    let w = World::on(dothi_store::testing::store(&[MIGRATIONS]).await).await;
    let code = async |change: &dyn Fn(&mut NewValue)| {
        let mut new = entry(AIR, 40.0);
        change(&mut new);
        w.oversight.report(&w.reporter(), new).await.map_or_else(|e| e.code(), |_| "accepted")
    };
    assert_eq!(code(&|_| {}).await, "accepted");
    assert_eq!(code(&|n| n.set = "none".into()).await, "oversight.set");
    assert_eq!(code(&|n| n.indicator = "L9".into()).await, "oversight.indicator");
    assert_eq!(code(&|n| n.area = "99999".into()).await, "oversight.area");
    assert_eq!(code(&|n| n.period = "2026-13".into()).await, "oversight.period");
    assert_eq!(code(&|n| n.period = "2027".into()).await, "oversight.period-ahead");
    assert_eq!(code(&|n| n.number = Some(101.0)).await, "oversight.number");
    assert_eq!(code(&|n| n.number = Some(-1.0)).await, "oversight.number");
    assert_eq!(code(&|n| n.number = Some(f64::NAN)).await, "oversight.number");
    assert_eq!(code(&|n| n.number = None).await, "oversight.number");
    assert_eq!(code(&|n| n.yes_no = Some(true)).await, "oversight.number");
    assert_eq!(code(&|n| n.numerator = Some(4.0)).await, "oversight.number");
    assert_eq!(code(&|n| (n.numerator, n.denominator) = (Some(4.0), Some(0.0))).await, "oversight.number");
    assert_eq!(code(&|n| (n.numerator, n.denominator) = (Some(1.0), Some(2.0))).await, "oversight.number");
    assert_eq!(code(&|n| n.note = "   ".into()).await, "oversight.note");
    assert_eq!(code(&|n| n.note = "x".repeat(2001)).await, "oversight.note");
    assert_eq!(code(&|n| n.evidence_url = Some("javascript:alert(1)".into())).await, "oversight.evidence");
}

#[tokio::test]
async fn rights_end_at_the_unit() {
    let w = World::on(dothi_store::testing::store(&[MIGRATIONS]).await).await;
    let of_two = w.caller(7, "ubnd-22222", &[Permission::IndicatorReport]);
    let code = async |caller: &dothi_kernel::Caller, area: &str| {
        w.oversight.report(caller, NewValue { area: area.into(), ..entry(AIR, 40.0) }).await.map_or_else(|e| e.code(), |_| "accepted")
    };
    assert_eq!(code(&of_two, "22222").await, "accepted");
    assert_eq!(code(&of_two, "11111").await, "access.not-allowed");
    assert_eq!(code(&of_two, "33").await, "access.not-allowed");
    // A department reports for the province, but not for a commune that is not under it.
    let department = w.caller(9, "so-xd-33", &[Permission::IndicatorReport]);
    assert_eq!(code(&department, "33").await, "accepted");
    assert_eq!(code(&department, "11111").await, "access.not-allowed");
    assert_eq!(code(&w.public(), "33").await, "access.sign-in-needed");
    assert_eq!(code(&w.approver(), "33").await, "access.not-allowed");
    let v = w.oversight.report(&w.reporter(), NewValue { area: "11111".into(), ..entry(AIR, 40.0) }).await.unwrap();
    let approver_of_two = w.caller(8, "ubnd-22222", &[Permission::IndicatorApprove]);
    assert_eq!(w.oversight.approve(&approver_of_two, v.id).await.unwrap_err().code(), "access.not-allowed");
    assert_eq!(w.oversight.values(&w.public(), None, &PageQuery::default()).await.unwrap_err().code(), "access.sign-in-needed");
    assert_eq!(w.oversight.compute(&w.approver(), "tb-41").await.unwrap_err().code(), "access.not-allowed");
}
