//! Scores, figures of others, ratings, anomalies, and what the public sees.

use dothi_dossiers::model_more::{AnomalyQuery, LookUp, NewFigure, NewTablet, PublicBoardQuery, RatingIn, RatingsIn, ScoreQuery, ScoresQuery, Settling};

use super::*;

fn ended(number: u32, received: &str, ended: &str) -> Value {
    record(number, json!({"state": 10, "received_at": received, "finished_at": ended, "returned_at": ended}))
}

impl App {
    async fn points(&self, code: &str) -> Option<f64> {
        let query = ScoreQuery { unit: "ubnd-13225".into(), period: Some("2026-11".into()), set: None };
        let score = self.dossiers.score(&self.leader(), &query).await.unwrap();
        score.groups.iter().flat_map(|g| &g.parts).find(|p| p.part.code == code).unwrap().points
    }

    async fn report(&self, who: &Caller, figure: &str, value: f64) -> uuid::Uuid {
        let new = NewFigure {
            set: "qd-766".into(),
            unit: "ubnd-13225".into(),
            period: "2026-11".into(),
            figure: figure.into(),
            value,
            note: "Báo cáo tháng 11".into(),
        };
        self.dossiers.report_figure(who, new).await.unwrap().id
    }
}

#[tokio::test]
async fn a_score_is_what_its_formula_and_its_figures_say() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.set("2026-11-20T09:00:00+07:00");
        // Four received, one of them late, three online; two had a fee, one was paid online.
        app.hand_in(&[
            ended(1, "2026-11-02T08:00:00+07:00", "2026-11-03T08:00:00+07:00"),
            ended(2, "2026-11-02T08:00:00+07:00", "2026-11-12T08:00:00+07:00"),
            record(3, json!({"channel": 1, "fee": 0, "received_at": "2026-11-19T08:00:00+07:00"})),
            record(4, json!({"fee": 0, "received_at": "2026-11-19T08:00:00+07:00"})),
            record(5, json!({"received_at": "2026-10-19T08:00:00+07:00", "state": 9, "finished_at": "2026-10-20T08:00:00+07:00"})),
        ])
        .await;
        let mut paid = ended(1, "2026-11-02T08:00:00+07:00", "2026-11-03T08:00:00+07:00");
        paid["paid_online"] = json!(true);
        paid["paid_at"] = json!("2026-11-02T09:00:00+07:00");
        paid["electronic_result"] = json!(true);
        app.hand_in(&[paid]).await;
        assert_eq!(app.points("2.1").await, Some(15.0), "20 × 3 ∕ 4");
        assert_eq!(app.points("3.3").await, Some(6.0), "three of four online is above the half that gives all");
        assert_eq!(app.points("4.1").await, Some(3.0), "6 × 1 ∕ 2");
        assert_eq!(app.points("5.1").await, Some(3.0), "6 × 1 ∕ 2 ended");
        assert_eq!(app.points("6.1").await, Some(0.0), "nobody rated");
        // What nobody counts here is not known, and that is not 0.
        assert_eq!(app.points("1.1").await, None);
        let query = ScoreQuery { unit: "ubnd-13225".into(), period: Some("2026-11".into()), set: None };
        let score = app.dossiers.score(&app.leader(), &query).await.unwrap();
        assert!(score.known < score.most && score.class.is_none() && score.most == 100.0);
        assert!(score.marks.iter().any(|m| m.of == "formulas" && m.status == dothi_dossiers::pack::Status::ReverseEngineered));

        // Reported by one, approved by another; a value of the same cell takes its place.
        let reporter = app.staff("thongke", &["ubnd-13225"], &[Permission::IndicatorReport, Permission::IndicatorApprove, Permission::ScorecardRead]);
        let approver = app.staff("duyet", &["ubnd-13225"], &[Permission::IndicatorApprove, Permission::ScorecardRead]);
        let first = app.report(&reporter, "published", 18.0).await;
        let of = app.report(&reporter, "to-publish", 20.0).await;
        assert_eq!(app.points("1.1").await, None, "waiting does not count");
        let yes = Settling { approve: true, reason: None };
        assert_eq!(app.dossiers.settle_figure(&reporter, first, &yes).await.unwrap_err().code(), "dossiers.figure.same-person");
        app.dossiers.settle_figure(&approver, first, &yes).await.unwrap();
        app.dossiers.settle_figure(&approver, of, &yes).await.unwrap();
        assert_eq!(app.points("1.1").await, Some(5.4), "6 × 18 ∕ 20");
        assert_eq!(app.dossiers.settle_figure(&approver, of, &yes).await.unwrap_err().code(), "dossiers.figure.not-pending");
        let better = app.report(&reporter, "published", 20.0).await;
        app.dossiers.settle_figure(&approver, better, &yes).await.unwrap();
        assert_eq!(app.points("1.1").await, Some(6.0));
        let other = app.staff("khac", &["so-xd-33"], &[Permission::IndicatorApprove]);
        let third = app.report(&reporter, "petitions", 0.0).await;
        assert_eq!(app.dossiers.settle_figure(&other, third, &yes).await.unwrap_err().code(), "access.not-allowed");
        let no = Settling { approve: false, reason: None };
        assert_eq!(app.dossiers.settle_figure(&approver, third, &no).await.unwrap_err().code(), "dossiers.figure.reason");
        let rows = app.dossiers.scores(&app.leader(), &ScoresQuery { period: Some("2026-Q4".into()), set: None }).await.unwrap().rows;
        assert_eq!((rows.len(), rows[0].unit.id.as_str()), (1, "ubnd-13225"));
    })
    .await;
}

#[tokio::test]
async fn faces_are_counted_once_and_tell_in_the_score() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.set("2026-11-20T09:00:00+07:00");
        let leader = app.staff("lanhdao", &["ubnd-13225"], &[Permission::CaseApprove, Permission::CaseRead]);
        let new = |unit: &str, faces| NewTablet { unit: unit.into(), name: "Quầy 3".into(), faces };
        assert_eq!(app.dossiers.add_tablet(&leader, new("so-xd-33", 5)).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.dossiers.add_tablet(&leader, new("ubnd-13225", 4)).await.unwrap_err().code(), "dossiers.tablet.faces");
        let made = app.dossiers.add_tablet(&leader, new("ubnd-13225", 5)).await.unwrap();
        let nobody = Caller::anonymous(app.store.clock.as_ref(), None);
        let face = app.dossiers.tablet_face(&nobody, &made.token).await.unwrap();
        assert_eq!((face.unit.as_str(), face.name.as_str(), face.faces), ("UBND phường Thái Bình", "Quầy 3", 5));
        let touched = |minute: u32, level| RatingIn { id: app.store.clock.id(), at: format!("2026-11-20T08:{minute:02}:00+07:00").parse().unwrap(), level };
        let mut ratings: Vec<RatingIn> = (0..9).map(|n| touched(n, 5)).collect();
        ratings.push(touched(9, 2));
        // One from next week, one that no face has, and a child that drums on the glass.
        ratings.push(RatingIn { id: app.store.clock.id(), at: "2026-11-27T08:00:00Z".parse().unwrap(), level: 5 });
        ratings.push(touched(20, 6));
        ratings.extend((0..25).map(|_| touched(30, 1)));
        let sent = RatingsIn { ratings };
        let taken = app.dossiers.rate(&nobody, &made.token, sent.clone()).await.unwrap();
        assert_eq!((taken.taken, taken.left_out), (30, 7));
        let again = app.dossiers.rate(&nobody, &made.token, sent).await.unwrap();
        assert_eq!((again.taken, again.known), (0, 30), "sent twice counts once");
        let told = app.dossiers.satisfaction(&app.leader(), None, None).await.unwrap();
        assert_eq!((told.rows[0].rated, told.rows[0].satisfied, told.rows[0].counter.as_str()), (30, 9, "Quầy 3"));
        assert_eq!(app.points("6.1").await, Some(2.0), "6 × 0.3 ∕ 0.9");
        app.dossiers.end_tablet(&leader, made.tablet.id).await.unwrap();
        let refused = app.dossiers.rate(&nobody, &made.token, RatingsIn { ratings: vec![touched(40, 5)] }).await.unwrap_err();
        assert_eq!(refused.code(), "dossiers.tablet.token");
    })
    .await;
}

#[tokio::test]
async fn anomalies_are_told_with_what_triggered_them() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.set("2026-11-20T09:00:00+07:00");
        // Six ended within ten minutes, an hour before their deadline on Thursday; four others in their own time.
        let mut records: Vec<Value> = (1..=6).map(|n| ended(n, "2026-11-02T08:00:00+07:00", &format!("2026-11-05T16:3{n}:00+07:00"))).collect();
        records.extend((7..=10).map(|n| ended(n, "2026-11-02T08:00:00+07:00", &format!("2026-11-04T{n:02}:50:00+07:00"))));
        records.push(ended(11, "2026-11-09T08:00:00+07:00", "2026-11-09T08:00:30+07:00"));
        records.push(record(12, json!({"state": 5, "received_at": "2026-11-09T08:00:00+07:00", "state_at": "2026-11-12T16:00:00+07:00"})));
        records.push(record(13, json!({"received_at": "2026-11-09T08:00:00+07:00", "appointed_at": "2026-11-20T17:00:00+07:00"})));
        let told = app.hand_in(&records).await;
        assert_eq!(told.rejected, 0, "{told:?}");
        let found = app.dossiers.anomalies(&app.leader(), &AnomalyQuery::default()).await.unwrap();
        let by = |rule: &str| found.findings.iter().find(|f| f.rule.code == rule).unwrap();
        let codes = |rule: &str| by(rule).found.iter().map(|f| f.code.clone()).collect::<Vec<_>>();
        let heap = &by("bulk").found;
        assert_eq!((heap.len(), heap[0].n >= 5, heap[0].code.as_str()), (1, true, code(1).as_str()));
        assert_eq!(codes("at-once"), [code(11)]);
        assert_eq!(codes("last-day"), [code(12)]);
        assert_eq!(codes("promised-late"), [code(13)]);
        assert_eq!(codes("no-slip"), [code(13)], "one waits, the other is overdue");
        let none = app.dossiers.anomalies(&app.officer("so-xd-33"), &AnomalyQuery::default()).await.unwrap();
        assert!(none.findings.iter().all(|f| f.found.is_empty()));
    })
    .await;
}

#[tokio::test]
async fn the_public_sees_shares_and_its_own_dossier() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.set("2026-11-20T09:00:00+07:00");
        app.hand_in(&[record(1, json!({})), ended(2, "2026-11-16T08:00:00+07:00", "2026-11-17T08:00:00+07:00")]).await;
        let from = |last: u8| Caller { address: Some(std::net::IpAddr::from([203, 0, 113, last])), ..Caller::anonymous(app.store.clock.as_ref(), None) };
        let board = app.dossiers.public_board(&from(1), &PublicBoardQuery::default()).await.unwrap();
        assert_eq!((board.total.received, board.total.on_time, board.rows[0].name.as_str()), (2, Some(50.0), "UBND phường Thái Bình"));
        let ask = |digits: &str| LookUp { code: code(1).to_lowercase(), phone: digits.into() };
        let own = app.dossiers.look_up(&from(1), &ask("5678")).await.unwrap();
        assert_eq!((own.standing.as_str(), own.unit.as_str()), ("overdue", "UBND phường Thái Bình"));
        assert!(!serde_json::to_string(&own).unwrap().contains("Nguyễn"));
        // A wrong code and wrong digits look alike; five tries at a dossier end it for everybody, for a while.
        let strange = LookUp { code: "H31.05.13-261116-9999".into(), phone: "5678".into() };
        let (a, b) = (app.dossiers.look_up(&from(2), &strange).await.unwrap_err(), app.dossiers.look_up(&from(2), &ask("0000")).await.unwrap_err());
        assert_eq!((a.code(), a.detail()), (b.code(), b.detail()));
        for last in 3..=5 {
            assert_eq!(app.dossiers.look_up(&from(last), &ask("0001")).await.unwrap_err().code(), "dossiers.lookup.none");
        }
        let often = app.dossiers.look_up(&from(9), &ask("5678")).await.unwrap_err();
        assert_eq!(often.code(), "dossiers.lookup.often");
        assert!(often.wait().is_some());
        app.set("2026-11-20T09:16:00+07:00");
        assert!(app.dossiers.look_up(&from(9), &ask("5678")).await.is_ok());
        // A dossier whose source gave no telephone number is not found this way.
        app.hand_in(&[record(3, json!({"phone": null}))]).await;
        let silent = LookUp { code: code(3), phone: String::new() };
        assert_eq!(app.dossiers.look_up(&from(10), &silent).await.unwrap_err().code(), "dossiers.lookup.none");
    })
    .await;
}
