//! Resources: nearest, sending, stamps of the crew, the time chain.

use dothi_incidents::model_ops::{ChainQuery, Resource, ResourceInput, SendInput, StampInput};

use super::*;

impl App {
    async fn engine(&self, code: &str, lon: f64) -> Resource {
        let input = ResourceInput {
            code: code.into(),
            name: format!("Xe {code}"),
            kind: "engine".into(),
            unit: "cat-33".into(),
            lon: Some(lon),
            lat: Some(20.45),
            crew: vec![person(4)],
            off: false,
        };
        self.incidents.put_resource(&self.operator(), None, input).await.unwrap()
    }
}

fn tapped(text: &str) -> StampInput {
    StampInput { at: Some(at(text)), ..StampInput::default() }
}

#[tokio::test]
async fn the_crew_stamps_and_the_chain_is_reckoned_from_its_taps() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let (far, near) = (app.engine("C-01", 106.4).await, app.engine("C-02", 106.31).await);
        let view = app.open(json!({"kind": "fire", "lon": 106.3, "lat": 20.45, "call": true, "signal_at": "2026-11-21T07:59:50+07:00"})).await;
        let id = view.row.incident.id;
        let found = app.incidents.nearest(&app.operator(), id, Some("engine")).await.unwrap();
        assert_eq!(found.iter().map(|r| r.resource.code.as_str()).collect::<Vec<_>>(), ["C-02", "C-01"]);
        // 1,043 m in a straight line, times the pack's factor; at 40 km/h two minutes.
        assert_eq!((found[0].by.as_str(), found[0].metres.unwrap() as i64 / 10, found[0].seconds), ("straight-line-times-factor", 135, Some(122)));
        app.set("2026-11-21T08:00:40+07:00");
        let view = app.incidents.send(&app.operator(), id, SendInput { resource: near.id, note: Some("cổng sau".into()) }).await.unwrap();
        assert_eq!((view.row.incident.state.as_str(), view.dispatches[0].state.as_str()), ("responding", "sent"));
        let busy = app.incidents.send(&app.operator(), id, SendInput { resource: near.id, note: None }).await.unwrap_err();
        assert_eq!(busy.code(), "incidents.resource.busy");
        let mine = app.incidents.my_dispatches(&app.crew()).await.unwrap();
        assert_eq!((mine.len(), mine[0].incident_code.as_str(), mine[0].note.as_deref()), (1, "SC-2026-00001", Some("cổng sau")));
        let sent = mine[0].id;

        // Without a network: three taps arrive together, later; the instants of the taps count.
        app.set("2026-11-21T08:20:00+07:00");
        let stamp = |name: &'static str, when: &'static str, key: &'static str| {
            let app = &app;
            async move { app.incidents.stamp(&app.crew(), sent, name, tapped(when), Some(key)).await }
        };
        stamp("accepted", "2026-11-21T08:00:50+07:00", "a").await.unwrap();
        stamp("turned-out", "2026-11-21T08:02:00+07:00", "b").await.unwrap();
        stamp("turned-out", "2026-11-21T08:02:00+07:00", "b").await.unwrap();
        // A telephone whose clock is a day ahead stamps now, not tomorrow.
        let arrived = stamp("arrived", "2026-11-21T08:05:00+07:00", "c").await.unwrap();
        assert_eq!((arrived.stamps.len(), arrived.stamps[2].received_at), (3, at("2026-11-21T08:20:00+07:00")));
        assert_eq!(stamp("accepted", "2026-11-21T08:19:00+07:00", "z").await.unwrap().stamps.len(), 3, "the same again changes nothing");
        let ahead = stamp("under-control", "2026-11-22T08:00:00+07:00", "d").await.unwrap();
        assert_eq!(ahead.stamps[3].at, at("2026-11-21T08:20:00+07:00"));
        let stranger = app.somebody(9, "field-worker", &["cat-33"], &[Permission::DispatchDo]);
        assert_eq!(app.incidents.stamp(&stranger, sent, "free", StampInput::default(), None).await.unwrap_err().code(), "incidents.unknown");
        let view = app.incidents.incident(&app.operator(), id).await.unwrap();
        assert_eq!((view.row.incident.state.as_str(), view.row.incident.arrived_at), ("controlled", Some(at("2026-11-21T08:05:00+07:00"))));

        // What the centre types is kept apart and is no measurement.
        let second = app.incidents.send(&app.operator(), id, SendInput { resource: far.id, note: None }).await.unwrap().dispatches[1].id;
        let typed = app.incidents.stamp(&app.lead(), second, "turned-out", StampInput::default(), None).await.unwrap();
        assert!(typed.stamps[0].typed);

        let chain = app.incidents.chain(&app.operator(), &ChainQuery::default()).await.unwrap();
        let fire = chain.rows.iter().find(|r| r.key == "fire").unwrap();
        let told: Vec<(&str, usize, i64, Option<u32>)> =
            fire.cells.iter().map(|c| (c.interval.as_str(), c.count, c.p90, c.target.as_ref().map(|t| t.seconds))).collect();
        // Said to take 122 seconds, took 180.
        let said: Vec<_> = fire.told.iter().map(|t| (t.by.as_str(), t.count, t.bias_s, t.error_s)).collect();
        assert_eq!(said, [("straight-line-times-factor", 1, 58, 58)]);
        let expected = [
            ("answering", 1, 10, Some(15)),
            ("dispatching", 1, 40, Some(60)),
            ("turnout", 1, 80, Some(80)),
            ("travel", 1, 180, Some(240)),
            ("control", 1, 900, None),
        ];
        assert_eq!(told, expected);

        // Ending the incident frees what is still there.
        let ended = app.step(&view_now(&app, id).await, "close", "xong").await;
        assert!(ended.dispatches.iter().all(|d| d.ended));
        assert!(app.incidents.resources(&app.operator()).await.unwrap().iter().all(|r| r.state == "free" && r.dispatch.is_none()));
        assert_eq!(app.incidents.stamp(&app.crew(), second, "free", StampInput::default(), None).await.unwrap_err().code(), "incidents.stamp.order");
    })
    .await;
}

async fn view_now(app: &App, id: Uuid) -> IncidentView {
    app.incidents.incident(&app.operator(), id).await.unwrap()
}

/// A river: only from the west does a road lead there, and slowly.
struct River;

#[async_trait::async_trait]
impl dothi_kernel::roads::Roads for River {
    async fn ways(&self, _: &str, from: &[Point], to: Point, _: dothi_kernel::Timestamp) -> dothi_kernel::Result<Vec<Option<dothi_kernel::roads::Way>>> {
        let way = |from: &Point| match from.lon {
            lon if lon > 106.39 => Some(100),
            lon if lon < 106.32 && to.lon < 106.32 => Some(700),
            _ => None,
        };
        Ok(from.iter().map(|p| way(p).map(|seconds| dothi_kernel::roads::Way { metres: 10.0 * f64::from(seconds), seconds, by: "road".into() })).collect())
    }
    fn near(&self, _: Point, _: f64) -> Vec<dothi_kernel::roads::RoadNear> {
        Vec::new()
    }
}

#[tokio::test]
async fn the_nearest_is_the_nearest_by_road_and_the_answer_says_how_it_was_reckoned() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::with(store, Some(Arc::new(River))).await;
        let (bridge, _bank, _isle) = (app.engine("C-01", 106.4).await, app.engine("C-02", 106.31).await, app.engine("C-03", 106.33).await);
        let view = app.open(json!({"kind": "fire", "lon": 106.3, "lat": 20.45, "call": true})).await;
        let id = view.row.incident.id;
        let found = app.incidents.nearest(&app.operator(), id, Some("engine")).await.unwrap();
        let found: Vec<_> = found.iter().map(|r| (r.resource.code.as_str(), r.seconds, r.by.as_str())).collect();
        // The one on the island is guessed; the one beside the fire must go around.
        assert_eq!(found, [("C-01", Some(100), "road"), ("C-03", Some(366), "straight-line-times-factor"), ("C-02", Some(700), "road")]);
        let sent = app.incidents.send(&app.operator(), id, SendInput { resource: bridge.id, note: None }).await.unwrap().dispatches;
        assert_eq!((sent[0].metres, sent[0].eta_s, sent[0].way_by.as_deref()), (Some(1_000.0), Some(100), Some("road")));
        app.set("2026-11-21T08:10:00+07:00");
        for (name, when) in [("turned-out", "2026-11-21T08:01:00+07:00"), ("arrived", "2026-11-21T08:02:30+07:00")] {
            app.incidents.stamp(&app.crew(), sent[0].id, name, tapped(when), None).await.unwrap();
        }
        let chain = app.incidents.chain(&app.operator(), &ChainQuery::default()).await.unwrap();
        let said: Vec<_> = chain.rows[0].told.iter().map(|t| (t.by.as_str(), t.count, t.bias_s, t.error_s)).collect();
        assert_eq!(said, [("road", 1, -10, 10)]);
    })
    .await;
}
