//! Roads as people use them: handed in, replaced, closed, asked for ways; on both engines.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use dothi_kernel::geo::Point;
use dothi_kernel::roads::Roads as Port;
use dothi_kernel::{Caller, CallerKind, Clock, Grant, PageQuery, Permission};
use dothi_store::testing::{TestStore, both};
use dothi_traffic::MIGRATIONS;
use dothi_traffic::pack::TrafficPack;
use dothi_traffic::roads::model::{Closing, ClosureInput, LinesQuery, MatchQuery, ReachQuery, RouteQuery, SetInput, Slot, TimesInput};
use dothi_traffic::roads::{Flowing, Roads};
use serde_json::{Value, json};

struct App {
    store: TestStore,
    roads: Arc<Roads>,
    folder: PathBuf,
}

fn line(coordinates: Value, properties: Value) -> Value {
    json!({ "type": "Feature", "geometry": { "type": "LineString", "coordinates": coordinates }, "properties": properties })
}

/// A ladder: two long roads, three rungs; the middle one is a national road.
fn ladder() -> Value {
    let rung = |lon: f64, properties: Value| line(json!([[lon, 20.45], [lon, 20.46]]), properties);
    json!({ "type": "FeatureCollection", "features": [
        line(json!([[106.30, 20.45], [106.31, 20.45], [106.32, 20.45]]), json!({ "name": "Đường Nam", "class": "primary" })),
        line(json!([[106.30, 20.46], [106.31, 20.46], [106.32, 20.46]]), json!({ "name": "Đường Bắc", "class": "primary" })),
        rung(106.30, json!({ "name": "Ngõ Tây", "class": "residential", "owner": "commune" })),
        rung(106.31, json!({ "name": "Quốc lộ", "class": "primary", "ref": "QL.39" })),
        rung(106.32, json!({ "name": "Ngõ Đông", "class": "residential" })),
    ] })
}

impl App {
    async fn new(store: TestStore) -> Self {
        let roads = Arc::new(Roads::open(store.store.clone()).await.unwrap());
        roads.set_pack(Self::pack().roads);
        let folder = store.store.data().to_path_buf();
        Self { store, roads, folder }
    }

    fn pack() -> TrafficPack {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/traffic/traffic/roads.toml");
        let files = [("roads.toml".to_string(), std::fs::read_to_string(file).unwrap())];
        TrafficPack::load(&files).unwrap_or_else(|faults| panic!("{faults:#?}"))
    }

    fn somebody(&self, permissions: &[Permission]) -> Caller {
        let grant = Grant {
            role: "test".into(),
            unit: "ubnd-33".into(),
            permissions: permissions.iter().copied().collect(),
            units: Some(Arc::new(BTreeSet::from(["ubnd-33".to_string()]))),
            sectors: None,
        };
        let base = Caller::anonymous(self.store.clock.as_ref(), None);
        Caller { kind: CallerKind::Staff, id: Some(self.store.clock.id()), name: "somebody".into(), grants: Arc::new([grant]), ..base }
    }

    fn keeper(&self) -> Caller {
        self.somebody(&[Permission::TrafficRead, Permission::TrafficHandle, Permission::TrafficManage])
    }

    async fn hand_in(&self, slot: Slot, roads: &Value, source: &str) -> dothi_kernel::Result<dothi_traffic::roads::model::SetView> {
        let path = self.folder.join(format!("{source}.geojson"));
        std::fs::write(&path, roads.to_string()).unwrap();
        let taken_on = "2026-11-20".parse().unwrap();
        let input = SetInput { slot, format: None, file: format!("{source}.geojson"), source: source.into(), licence: "CC0".into(), taken_on };
        self.roads.import(&self.keeper(), path, input).await
    }

    async fn route(&self, from: &str, to: &str, vehicle: &str) -> dothi_kernel::Result<dothi_traffic::roads::model::RouteView> {
        let query = RouteQuery { from: from.into(), to: to.into(), vehicle: Some(vehicle.into()) };
        self.roads.route(&self.somebody(&[Permission::DispatchDo]), &query).await
    }

    async fn names(&self, from: &str, to: &str) -> Vec<String> {
        self.route(from, to, "engine").await.unwrap().steps.into_iter().map(|s| s.name).collect()
    }
}

const WEST: &str = "106.3040,20.4501";
const NORTH: &str = "106.3060,20.4599";

#[tokio::test]
async fn a_file_of_roads_takes_the_place_of_the_one_before_and_a_bad_one_does_not() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let nobody = Caller::anonymous(app.store.clock.as_ref(), None);
        assert_eq!(app.roads.state(&nobody).network, None);
        assert_eq!(app.route(WEST, NORTH, "engine").await.unwrap_err().code(), "roads.no-graph");
        assert_eq!(app.roads.ways("engine", &[Point { lon: 106.3, lat: 20.45 }], Point { lon: 106.31, lat: 20.45 }, nobody.now).await.unwrap(), [None]);
        // A register alone serves as the network, too.
        let first = app.hand_in(Slot::Register, &ladder(), "sở").await.unwrap();
        assert_eq!((first.pieces, first.taken.ways, first.km), (7, 5, 7.5));
        assert!(app.route(WEST, NORTH, "engine").await.is_ok());
        let second = app.hand_in(Slot::Network, &ladder(), "osm").await.unwrap();
        assert_eq!(second.sha256, first.sha256, "the same roads are kept once");
        let mut poor = ladder();
        poor["features"].as_array_mut().unwrap().truncate(1);
        let third = app.hand_in(Slot::Network, &poor, "osm-2").await.unwrap();
        assert_ne!(third.sha256, first.sha256);
        assert!(app.route(WEST, NORTH, "engine").await.unwrap().after_m > 1_000.0, "the last kilometre has no road any more");
        assert!(app.store.store.blobs().get(&first.sha256).await.is_ok(), "the register still names these bytes");
        for (broken, code) in [(json!({ "features": [] }), "roads.none"), (json!({ "rows": [] }), "roads.unreadable")] {
            assert_eq!(app.hand_in(Slot::Network, &broken, "osm-3").await.unwrap_err().code(), code);
        }
        assert_eq!(app.roads.state(&nobody).network.unwrap().source, "osm-2");
        assert_eq!(
            app.somebody(&[Permission::TrafficRead]).require(Permission::TrafficManage, dothi_kernel::Scope::ANY).unwrap_err().code(),
            "access.not-allowed"
        );
        let input = SetInput {
            slot: Slot::Network,
            format: None,
            file: "x.geojson".into(),
            source: "x".into(),
            licence: "x".into(),
            taken_on: "2026-11-20".parse().unwrap(),
        };
        let refused = app.roads.import(&app.somebody(&[Permission::TrafficRead]), app.folder.join("osm.geojson"), input).await.unwrap_err();
        assert_eq!(refused.code(), "access.not-allowed");
        // What is in force is there after a restart; what was replaced is not.
        let again = Roads::open(app.store.store.clone()).await.unwrap();
        let state = again.state(&nobody);
        assert_eq!((state.network.unwrap().id, state.register.unwrap().id), (third.id, first.id));
        app.roads.drop_set(&app.keeper(), Slot::Network).await.unwrap();
        assert!(app.store.store.blobs().get(&third.sha256).await.is_err(), "nobody names these bytes any more");
        assert!(app.route(WEST, NORTH, "engine").await.is_ok(), "the register serves again");
        assert_eq!(app.roads.drop_set(&app.keeper(), Slot::Network).await.unwrap_err().code(), "roads.no-set");
    })
    .await;
}

#[tokio::test]
async fn closures_and_live_speeds_change_the_way_at_once_and_only_for_their_time() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.hand_in(Slot::Network, &ladder(), "osm").await.unwrap();
        assert_eq!(app.names(WEST, NORTH).await, ["Đường Nam", "Quốc lộ", "Đường Bắc"]);
        let keeper = app.keeper();
        let close = |line: Vec<Point>, pass: &[&str]| ClosureInput {
            line,
            reason: "Sụt mặt đường".into(),
            both: false,
            from: None,
            to: Some(keeper.now + std::time::Duration::from_secs(3_600)),
            pass: pass.iter().map(|p| (*p).to_string()).collect(),
        };
        let middle = || vec![Point { lon: 106.31, lat: 20.455 }];
        assert_eq!(app.roads.close(&app.somebody(&[Permission::TrafficRead]), close(middle(), &[])).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.roads.close(&keeper, close(vec![Point { lon: 106.4, lat: 20.5 }], &[])).await.unwrap_err().code(), "roads.closure.nowhere");
        assert_eq!(app.roads.close(&keeper, close(middle(), &["tank"])).await.unwrap_err().code(), "roads.vehicle");
        let closed = app.roads.close(&keeper, close(middle(), &["ambulance"])).await.unwrap();
        assert_eq!((closed.metres / 100.0).round(), 22.0, "both directions of eleven hundred metres");
        assert_eq!(app.names(WEST, NORTH).await, ["Đường Nam", "Ngõ Tây", "Đường Bắc"]);
        let ambulance = app.route(WEST, NORTH, "ambulance").await.unwrap();
        assert!(ambulance.steps.iter().any(|s| s.number == "QL.39"), "it may pass: {ambulance:?}");
        // After a restart it is still closed; after its time it is not.
        let again = Roads::open(app.store.store.clone()).await.unwrap();
        assert_eq!(again.state(&keeper).changed, 2);
        let page = app.roads.closures(&keeper, &PageQuery::default()).await.unwrap();
        assert_eq!((page.items.len(), page.items[0].closure.reason.as_str()), (1, "Sụt mặt đường"));
        app.store.clock.advance_seconds(3_601);
        assert_eq!(app.names(WEST, NORTH).await, ["Đường Nam", "Quốc lộ", "Đường Bắc"]);
        app.roads.reopen(&app.keeper(), closed.closure.id).await.unwrap();
        assert_eq!(app.roads.reopen(&app.keeper(), closed.closure.id).await.unwrap_err().code(), "roads.closure.unknown");
        // Works close one direction along their line; what others closed stays as it is.
        let up = vec![Point { lon: 106.31, lat: 20.4501 }, Point { lon: 106.31, lat: 20.4599 }];
        app.roads.set_closures("works", vec![Closing { key: "w1".into(), line: up.clone(), both: false, from: None, to: None, pass: vec![] }]);
        assert_eq!(app.names(WEST, NORTH).await, ["Đường Nam", "Ngõ Tây", "Đường Bắc"]);
        assert_eq!(app.names(NORTH, WEST).await, ["Đường Bắc", "Quốc lộ", "Đường Nam"]);
        app.roads.set_closures("works", vec![]);
        // A crawl on the middle road makes the lane the faster way, until nobody believes it any more.
        let until = app.store.clock.now() + std::time::Duration::from_secs(300);
        app.roads.set_speeds(vec![Flowing { key: "s1".into(), line: up, kmh: 5.0, until }]);
        assert_eq!(app.names(WEST, NORTH).await, ["Đường Nam", "Ngõ Tây", "Đường Bắc"]);
        app.store.clock.advance_seconds(301);
        assert_eq!(app.names(WEST, NORTH).await, ["Đường Nam", "Quốc lộ", "Đường Bắc"]);
    })
    .await;
}

#[tokio::test]
async fn ways_reach_and_owners_are_told_within_bounds() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.hand_in(Slot::Network, &ladder(), "osm").await.unwrap();
        let staff = app.somebody(&[Permission::TrafficRead]);
        let nobody = Caller::anonymous(app.store.clock.as_ref(), None);
        let route = app.route(WEST, NORTH, "pump").await.unwrap();
        // Pumps go by the engine. 627 m at 52 km/h, 1,112 m, 418 m; eleven metres on foot at each end.
        assert_eq!((route.vehicle.as_str(), (route.metres / 10.0).round(), route.before_m, route.source.as_str()), ("engine", 218.0, 11.0, "osm · CC0"));
        assert!((route.seconds as i64 - (2_157.0 / 52.0 * 3.6 + 16.0) as i64).abs() <= 3, "{route:?}");
        assert_eq!(route.steps.iter().map(|s| s.begins).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((route.line.len(), route.line[1]), (4, [106.31, 20.45]));
        let times = app.roads.times(
            &staff,
            TimesInput {
                from: vec![Point { lon: 106.304, lat: 20.4501 }, Point { lon: 107.0, lat: 21.0 }],
                to: vec![Point { lon: 106.306, lat: 20.4599 }],
                vehicle: Some("engine".into()),
            },
        );
        let times = times.await.unwrap();
        assert_eq!((times.seconds[0][0], times.metres[0][0]), (Some(route.seconds), Some(route.metres)));
        assert_eq!(times.seconds[0][1], None, "no road within two kilometres");
        let ways = app.roads.ways("engine", &[Point { lon: 106.304, lat: 20.4501 }], Point { lon: 106.306, lat: 20.4599 }, staff.now).await.unwrap();
        assert_eq!(ways[0].as_ref().map(|w| (w.seconds, w.by.as_str())), Some((route.seconds, "road")));
        let around =
            |minutes: f64, vehicle: Option<&str>, toward: bool| ReachQuery { at: "106.31,20.45".into(), minutes, vehicle: vehicle.map(str::to_string), toward };
        let one = app.roads.reach(&staff, &around(1.0, Some("engine"), false)).await.unwrap();
        let all = app.roads.reach(&staff, &around(60.0, None, true)).await.unwrap();
        assert!((one.km - 2.6).abs() < 0.11, "a minute at 52 km/h, three ways: {}", one.km);
        assert_eq!((all.km, all.cut), (7.5, false));
        for (query, code) in [(("106.31;20.45", 5.0), "roads.place"), (("106.31,20.45", 61.0), "roads.minutes"), (("106.31,20.45", f64::NAN), "roads.minutes")]
        {
            let query = ReachQuery { at: query.0.into(), minutes: query.1, vehicle: None, toward: false };
            assert_eq!(app.roads.reach(&staff, &query).await.unwrap_err().code(), code);
        }
        let refused = app.roads.route(&nobody, &RouteQuery { from: WEST.into(), to: NORTH.into(), vehicle: None }).await.unwrap_err();
        assert_eq!(refused.code(), "access.sign-in-needed");
        // Whose road: the register says, else the letters of its number, else nobody.
        let near = |at: &str| app.roads.matched(&staff, &MatchQuery { at: at.into(), within: Some(60.0) }).unwrap().roads;
        let owner = |at: &str| near(at).first().map(|r| (r.name.clone(), r.owner.clone(), r.owner_by.clone()));
        let said = |name: &str, owner: Option<&str>, by: Option<&str>| Some((name.to_string(), owner.map(str::to_string), by.map(str::to_string)));
        assert_eq!(owner("106.3102,20.455"), said("Quốc lộ", Some("national"), Some("number")));
        assert_eq!(owner("106.3001,20.455"), said("Ngõ Tây", Some("commune"), Some("register")));
        assert_eq!(owner("106.3201,20.455"), said("Ngõ Đông", None, None));
        assert_eq!(owner("106.315,20.455"), None);
        // On the map: public, a road is one line, important ones alone when asked.
        let lines = |to: Option<&str>| {
            app.roads.lines(&nobody, &LinesQuery { bbox: "106.29,20.44,106.33,20.47".into(), to: to.map(str::to_string), slot: None }).unwrap()
        };
        let (few, every) = (lines(Some("primary")), lines(None));
        assert_eq!((few["features"].as_array().unwrap().len(), every["features"].as_array().unwrap().len()), (3, 5));
        assert_eq!((every["source"].as_str(), every["cut"].as_bool()), (Some("osm"), Some(false)));
        assert_eq!(every["features"][0]["geometry"]["coordinates"].as_array().unwrap().len(), 3);
        let wide = LinesQuery { bbox: "106,20,107,21".into(), to: None, slot: None };
        assert_eq!(app.roads.lines(&nobody, &wide).unwrap_err().code(), "roads.bbox");
    })
    .await;
}
