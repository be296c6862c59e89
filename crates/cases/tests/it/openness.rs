//! Reports by commune and for a thousand people, heat, a year in figures, and that what is counted in memory is what the
//! database says.

use dothi_cases::model::{MoveInput, NewReport, PublicQuery, RatingInput, StatsQuery};
use dothi_cases::openness::{DensityQuery, PeopleInput, PeopleRow};
use dothi_kernel::{CallerKind, Permission};

use crate::walk::resolve;
use crate::{App, light, with_app};

fn in_thai_binh() -> NewReport {
    NewReport { lon: Some(106.34), lat: Some(20.45), ..light() }
}

async fn opened(app: &App, unit: Option<&str>) -> i64 {
    let query = StatsQuery {
        group: Some("all".into()),
        unit: unit.map(str::to_string),
        from: Some("2020-01-01T00:00:00Z".into()),
        to: Some("2030-01-01T00:00:00Z".into()),
        ..StatsQuery::default()
    };
    app.cases.stats(&app.anybody(), &query).await.unwrap().rows.first().map_or(0, |r| r.opened)
}

#[tokio::test]
async fn what_is_counted_follows_every_change() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        assert_eq!(opened(&app, None).await, 0);
        let first = app.open(light()).await;
        let second = app.open(in_thai_binh()).await;
        assert_eq!((opened(&app, None).await, opened(&app, Some("ubnd-11953")).await, opened(&app, Some("nobody")).await), (2, 1, 0));
        // Given to another unit it is counted there; taken from the public it is counted nowhere, put back it is again.
        app.step(&app.centre(), first.id, "accept", MoveInput { unit: Some("so-xd-33".into()), ..MoveInput::default() }).await.unwrap();
        assert_eq!((opened(&app, Some("ubnd-11953")).await, opened(&app, Some("so-xd-33")).await), (0, 1));
        let why = MoveInput { public_answer: Some("Không rõ.".into()), ..crate::reason("spam") };
        app.step(&app.centre(), second.id, "reject", why).await.unwrap();
        assert_eq!(opened(&app, None).await, 1);
        // What another node wrote is seen as well.
        let other = dothi_cases::Cases::open(app.store.store.clone(), std::sync::Arc::new(crate::Map), std::sync::Arc::new(crate::calendar())).await.unwrap();
        other.report(&app.from("203.0.113.9"), light(), vec![], None).await.unwrap();
        assert_eq!(opened(&app, None).await, 2);
        // The map without words (from memory) and with them (from the database) show the same.
        let map = async |q: Option<&str>, phase: Option<&str>| {
            let query = PublicQuery { q: q.map(str::to_string), phase: phase.map(str::to_string), ..PublicQuery::default() };
            let mut found = app.cases.public_map(&app.anybody(), &query).await.unwrap()["features"].as_array().unwrap().clone();
            found.sort_by_key(|f| f["properties"]["code"].as_str().unwrap().to_string());
            found
        };
        assert_eq!(map(None, None).await.len(), 2);
        assert_eq!(map(None, None).await, map(Some("den"), None).await);
        assert_eq!(map(None, Some("solved")).await.len(), 0);
        let boxed = PublicQuery { bbox: Some("106.3,20.4,106.4,20.5".into()), ..PublicQuery::default() };
        assert_eq!(app.cases.public_map(&app.anybody(), &boxed).await.unwrap()["features"].as_array().unwrap().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn reports_for_a_thousand_people_and_where_they_come_from() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        for _ in 0..3 {
            app.open(light()).await;
        }
        app.open(in_thai_binh()).await;
        let asked = DensityQuery { to: Some("2026-12-01T00:00:00Z".into()), ..DensityQuery::default() };
        let before = app.cases.density(&app.anybody(), &asked).await.unwrap();
        assert_eq!((before.rows.len(), before.per_thousand, before.sources.len()), (2, None, 0), "no people are made up");
        let admin = app.person(CallerKind::Staff, "admin", "ubnd-33", None, &[Permission::PackManage]);
        let row = |area: &str, people| PeopleRow { area: area.into(), people };
        let counts = |rows| PeopleInput { year: 2026, source: "Thống kê tỉnh".into(), rows };
        assert_eq!(app.cases.set_people(&app.centre(), &counts(vec![])).await.unwrap_err().code(), "access.not-allowed");
        for bad in [vec![row("13285", 5)], vec![row("11953", 5), row("11953", 6)]] {
            assert_eq!(app.cases.set_people(&admin, &counts(bad)).await.unwrap_err().code(), "case.people.invalid");
        }
        app.cases.set_people(&admin, &counts(vec![row("11953", 30_000), row("12452", 40_000)])).await.unwrap();
        let density = app.cases.density(&app.anybody(), &asked).await.unwrap();
        let told: Vec<_> = density.rows.iter().map(|r| (r.area.as_str(), r.reports, r.per_thousand)).collect();
        assert_eq!(told, [("12452", 1, Some(0.03)), ("11953", 3, Some(0.1))], "where few report comes first");
        assert_eq!((density.per_thousand, density.sources.as_slice()), (Some(0.06), &["Thống kê tỉnh, 2026".to_string()][..]));
        app.cases.set_people(&admin, &counts(vec![row("11953", 30_000)])).await.unwrap();
        let density = app.cases.density(&app.anybody(), &asked).await.unwrap();
        assert_eq!(density.rows.iter().map(|r| r.people).collect::<Vec<_>>(), [Some(30_000), None], "unknown comes last");

        let heat = app.cases.heat(&app.anybody(), &asked).await.unwrap();
        let cells = heat["features"].as_array().unwrap();
        assert_eq!(cells.iter().map(|c| c["properties"]["n"].as_i64().unwrap()).collect::<Vec<_>>(), [3, 1]);
        let none = DensityQuery { category: Some("noise".into()), ..DensityQuery::default() };
        assert_eq!(app.cases.heat(&app.anybody(), &none).await.unwrap()["features"].as_array().unwrap().len(), 0);
        let bad = DensityQuery { bbox: Some("here".into()), ..DensityQuery::default() };
        assert_eq!(app.cases.heat(&app.anybody(), &bad).await.unwrap_err().kind().status(), 400);
    })
    .await;
}

#[tokio::test]
async fn a_year_stands_beside_the_year_before() {
    with_app(|app| async move {
        // One on the last evening of 2024 here, two in 2025 (one after the day that 2026 has reached), three in 2026.
        for at in ["2024-12-31T16:00:00Z", "2025-01-10T01:00:00Z", "2025-12-20T01:00:00Z", "2026-01-05T01:00:00Z", "2026-03-02T01:00:00Z"] {
            app.at(at);
            let got = app.open(light()).await;
            resolve(&app, got.id).await;
            app.cases.rate(&app.anybody(), &got.code, RatingInput { stars: 5, comment: None, key: Some(got.key) }).await.unwrap();
        }
        app.at("2026-03-03T01:00:00Z");
        app.open(in_thai_binh()).await;
        app.at("2026-06-30T01:00:00Z");
        let year = async |y| app.cases.year(&app.anybody(), y).await;
        let now = year(2026).await.unwrap();
        let opened = |row: &Option<dothi_cases::model::StatRow>| row.as_ref().map(|r| r.opened);
        assert_eq!((now.over, opened(&now.total), opened(&now.before)), (false, Some(3), Some(1)), "compared with as much of the year before");
        assert_eq!(now.months.iter().map(|m| (m.key.as_str(), m.opened)).collect::<Vec<_>>(), [("2026-01", 1), ("2026-03", 2)]);
        assert_eq!(now.units.iter().map(|u| u.key.as_str()).collect::<Vec<_>>(), ["ubnd-11953", "ubnd-12452"]);
        let past = year(2025).await.unwrap();
        assert_eq!((past.over, opened(&past.total), opened(&past.before)), (true, Some(2), Some(1)), "the evening of the last day belongs to its year");
        for none in [2023, 2027, -5, 9999] {
            assert_eq!(year(none).await.unwrap_err().code(), "case.year.none", "{none}");
        }
    })
    .await;
}
