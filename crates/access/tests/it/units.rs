//! Units in two times, succession, names, places.

use dothi_access::model::UnitKind;
use dothi_access::pack::{calendar, load};
use dothi_access::{MIGRATIONS, UnitsWanted};
use dothi_kernel::geo::Point;
use dothi_kernel::{Directory, PageQuery, Timestamp};
use dothi_store::params;
use dothi_store::testing::both;

use crate::fixture::{anonymous, open, pack, real_files, small, small_files, system};

fn on(day: &str, parent: Option<&str>) -> UnitsWanted {
    UnitsWanted { kind: Some(UnitKind::Area), parent: parent.map(str::to_string), as_of: Some(day.into()), ..UnitsWanted::default() }
}

const MANY: PageQuery = PageQuery { limit: Some(200), after: None };

#[tokio::test]
async fn the_real_units_stand_in_time() {
    both(&[MIGRATIONS], |store| async move {
        let access = open(&store).await;
        let begun = std::time::Instant::now();
        access.install(&system(&store), "base", pack(&real_files())).await.unwrap();
        assert!(begun.elapsed().as_secs() < 60, "loading took {:?}", begun.elapsed());
        let anyone = anonymous(&store);

        // Thái Bình the day before the reform; Hưng Yên that day.
        let provinces = |day: &str| UnitsWanted { level: Some("province".into()), ..on(day, None) };
        let before = access.units(&anyone, &provinces("2025-06-30"), &MANY).await.unwrap();
        assert!(before.items.iter().any(|u| u.id == "34" && u.name == "Tỉnh Thái Bình"));
        assert_eq!(before.items.len(), 63);
        let districts = access.units(&anyone, &on("2025-06-30", Some("34")), &MANY).await.unwrap();
        assert_eq!(districts.items.len(), 8);
        assert!(districts.items.iter().any(|u| u.name == "Huyện Tiền Hải"));
        let after = access.units(&anyone, &provinces("2025-07-01"), &MANY).await.unwrap();
        assert!(!after.items.iter().any(|u| u.id == "34"));
        assert!(after.items.iter().any(|u| u.id == "33" && u.name == "Tỉnh Hưng Yên" && u.source_act.as_deref() == Some("202/2025/QH15")));
        assert_eq!(access.units(&anyone, &on("2025-07-01", Some("34")), &MANY).await.unwrap().items.len(), 0);
        assert_eq!(access.units(&anyone, &on("2025-07-01", Some("33")), &MANY).await.unwrap().items.len(), 104);

        for (day, level, count) in [
            ("2023-06-01", "province", 63),
            ("2023-06-01", "district", 705),
            ("2023-06-01", "commune", 10_599),
            ("2025-06-30", "commune", 10_035),
            ("2026-11-21", "province", 34),
            ("2026-11-21", "district", 0),
            ("2026-11-21", "commune", 3_321),
        ] {
            let sql =
                "select count(*) as n from access_unit where level = ? and valid_from <= ? and (valid_to is null or valid_to > ?) and superseded_at is null";
            let row = store.row(sql, params![level, day, day]).await.unwrap().unwrap();
            assert_eq!(row.int("n").unwrap(), count, "{level} on {day}");
        }
        // A province that became a city keeps its code.
        let history = access.unit_history(&anyone, "75").unwrap();
        assert_eq!(history.unit.name, "Thành phố Đồng Nai");
        assert!(history.versions.iter().any(|v| v.name == "Tỉnh Đồng Nai" && v.valid_to.as_deref() == Some("2026-04-30")));

        names_are_found(&access, &anyone);
        places_are_found(&access);
        organisations_answer(&access);

        // The same files again change nothing.
        let rows = || async { store.row("select count(*) as n from access_unit", params![]).await.unwrap().unwrap().int("n").unwrap() };
        let count = rows().await;
        store.clock.advance_seconds(60);
        access.install(&system(&store), "base", pack(&real_files())).await.unwrap();
        assert_eq!(rows().await, count);
    })
    .await;
}

fn names_are_found(access: &dothi_access::Access, anyone: &dothi_kernel::Caller) {
    let page = PageQuery { limit: Some(20), after: None };
    let found = access.search(anyone, "thai binh", &page).unwrap();
    let province = &found.items[0];
    assert_eq!((province.code.as_str(), province.name.as_str(), province.level.as_str()), ("34", "Tỉnh Thái Bình", "province"));
    assert_eq!(province.current.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["Tỉnh Hưng Yên"]);
    assert!(found.items.iter().any(|f| f.name == "Phường Thái Bình" && f.until.is_none()));
    // A district leads to the communes of today that its communes became.
    let district = access.search(anyone, "huyện TIỀN HẢI", &page).unwrap().items.remove(0);
    assert_eq!(district.level, "district");
    assert!(district.current.len() >= 5, "{:?}", district.current);
    assert!(district.current.iter().all(|a| access.is_within(&a.code, "33")));
    // The next page goes on where the first ended.
    let first = access.search(anyone, "binh", &page).unwrap();
    let second = access.search(anyone, "binh", &PageQuery { limit: Some(20), after: first.next.clone() }).unwrap();
    assert!(first.total.unwrap() > 100 && second.items[0].code != first.items[0].code);
    assert!(access.search(anyone, "  ", &page).unwrap().items.is_empty());
}

fn places_are_found(access: &dothi_access::Access) {
    // The old city of Thái Bình, the sea, Hà Nội (no commune outlines there), and nonsense.
    let at = |lon, lat| access.locate(Point { lon, lat });
    let place = at(106.3363, 20.4463).expect("a commune");
    assert_eq!((place.province.as_str(), place.province_name.as_str()), ("33", "Tỉnh Hưng Yên"));
    assert_eq!(access.commune(&place.commune), Some(place));
    assert_eq!(at(107.5, 20.3), None);
    assert_eq!(at(105.85, 21.02), None);
    assert_eq!(access.commune("33"), None);
    assert_eq!(access.commune("no such"), None);
    // Slivers between neighbours belong to one of them: no point well inside the province is homeless.
    let mut homeless = 0;
    for i in 0..40 {
        for j in 0..40 {
            let p = Point { lon: 106.32 + f64::from(i) * 0.0033, lat: 20.42 + f64::from(j) * 0.0029 };
            homeless += usize::from(access.locate(p).is_none());
        }
    }
    assert_eq!(homeless, 0);
}

fn organisations_answer(access: &dothi_access::Access) {
    let communes = access.communes("33");
    assert_eq!(communes.len(), 104);
    let ward = communes.iter().find(|c| c.name == "Phường Thái Bình").expect("Phường Thái Bình");
    let handler = access.organisation_for(&ward.id, "report").unwrap();
    assert_eq!((handler.id, handler.name.as_str()), (format!("ubnd-{}", ward.id), "UBND phường Thái Bình"));
    // No one names `report:waste`, so who takes reports takes these; the environment is the department's.
    assert_eq!(access.organisation_for(&ward.id, "report:waste").unwrap().id, format!("ubnd-{}", ward.id));
    assert_eq!(access.organisation_for(&ward.id, "environment").unwrap().id, "so-nnmt-33");
    assert_eq!(access.organisation_for("33", "centre").unwrap().id, "ioc-33");
    assert_eq!(access.organisation_for(&ward.id, "no-such-function"), None);
    assert_eq!(access.organisation_for("00004", "report"), None, "another province has no organisations here");
    assert!(access.is_within(&format!("ubnd-{}", ward.id), "ubnd-33"));
    assert!(access.is_within(&format!("ubnd-{}", ward.id), &ward.id));
    assert!(!access.is_within("ubnd-33", &format!("ubnd-{}", ward.id)));
    for c in &communes {
        assert_eq!(access.organisation_for(&c.id, "report").unwrap().id, format!("ubnd-{}", c.id));
    }
}

#[tokio::test]
async fn what_was_believed_stays_readable() {
    both(&[MIGRATIONS], |store| async move {
        let access = small(&store).await;
        let first: Timestamp = store.clock().now();
        store.clock.advance_seconds(3600);
        let corrected: Vec<_> = small_files().into_iter().map(|(p, t)| (p, t.replace("Phường Ba,Ba,33", "Phường Bốn,Bon,33"))).collect();
        access.install(&system(&store), "base", pack(&corrected)).await.unwrap();
        assert_eq!(access.unit("10003").unwrap().name, "Phường Bốn");

        let mut wanted = on("2026-01-01", Some("33"));
        let (reader, anyone) = (&access, anonymous(&store));
        let anyone = &anyone;
        let names = |wanted: UnitsWanted| async move {
            let page = reader.units(anyone, &wanted, &MANY).await.unwrap();
            page.items.into_iter().map(|u| u.name).collect::<Vec<_>>()
        };
        assert_eq!(names(wanted.clone()).await, ["Xã Mới", "Phường Bốn"]);
        wanted.known_at = Some(first);
        assert_eq!(names(wanted).await, ["Xã Mới", "Phường Ba"]);
        let row = store.row("select count(*) as n from access_unit where id = '10003'", params![]).await.unwrap().unwrap();
        assert_eq!(row.int("n").unwrap(), 2, "the first belief is kept");

        // Another process on the same store sees the same.
        assert_eq!(open(&store).await.unit("10003").unwrap().name, "Phường Bốn");
        assert!(store.audit_verify().await.unwrap().broken_at.is_none());
    })
    .await;
}

#[tokio::test]
async fn succession_is_many_to_many() {
    both(&[MIGRATIONS], |store| async move {
        let access = small(&store).await;
        let anyone = anonymous(&store);
        let old = access.unit_history(&anyone, "10002").unwrap();
        let went: Vec<_> = old.successors.iter().map(|s| (s.id.as_str(), s.name.as_str(), s.share)).collect();
        assert_eq!(went, [("10001", "Xã Mới", Some(0.7)), ("10003", "Phường Ba", Some(0.3))]);
        let new = access.unit_history(&anyone, "10001").unwrap();
        let came: Vec<_> = new.predecessors.iter().map(|s| (s.id.as_str(), s.name.as_str(), s.kind.as_str())).collect();
        assert_eq!(came, [("10001", "Xã Một", "merge"), ("10002", "Xã Hai", "split")]);
        assert_eq!(new.versions.len(), 2);
        let found = access.search(&anyone, "xa hai", &MANY).unwrap().items.remove(0);
        assert_eq!((found.until.as_deref(), found.current.len()), (Some("2025-07-01"), 2));
        assert_eq!(access.unit_history(&anyone, "99999").unwrap_err().code(), "access.unit.unknown");
    })
    .await;
}

#[tokio::test]
async fn lists_are_paged_and_bounded() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = small(&store).await;
    let (anyone, mut seen, mut after) = (anonymous(&store), Vec::new(), None);
    loop {
        let page = access.units(&anyone, &UnitsWanted::default(), &PageQuery { limit: Some(2), after }).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|u| u.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["10001", "10003", "33", "ioc-33", "ubnd-10001", "ubnd-10003", "ubnd-33"]);
    let odd = UnitsWanted { as_of: Some("yesterday".into()), ..UnitsWanted::default() };
    assert_eq!(access.units(&anyone, &odd, &MANY).await.unwrap_err().code(), "access.unit.as-of");
    let long = UnitsWanted { words: Some("x".repeat(101)), ..UnitsWanted::default() };
    assert_eq!(access.units(&anyone, &long, &MANY).await.unwrap_err().code(), "input.too-long");
    // Signs of the pattern language are plain signs.
    let percent = UnitsWanted { words: Some("%".into()), ..UnitsWanted::default() };
    assert!(access.units(&anyone, &percent, &MANY).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_unit_begins_on_its_day() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = open(&store).await;
    let mut files = small_files();
    let units = files.iter_mut().find(|(p, _)| p == "units/units.csv").unwrap();
    // Test clocks stand at 2026-11-21.
    units.1 = units.1.replace("10003,commune,Phường Ba,Ba,33,2020-01-01,,", "10003,commune,Phường Ba,Ba,33,2020-01-01,2026-12-01,")
        + "10003,commune,Phường Tư,Tu,33,2026-12-01,,,list\n";
    access.install(&system(&store), "base", pack(&files)).await.unwrap();
    let runner = access.clone().jobs(dothi_store::JobRunner::new(store.store.clone()));
    runner.run_due(10).await.unwrap();
    assert_eq!(access.unit("10003").unwrap().name, "Phường Ba");
    store.clock.set("2026-11-30T16:59:00Z".parse().unwrap());
    assert_eq!(runner.run_due(10).await.unwrap(), 0, "23:59 in Vietnam is still November");
    store.clock.set("2026-11-30T17:00:00Z".parse().unwrap());
    assert_eq!(runner.run_due(10).await.unwrap(), 1);
    assert_eq!(access.unit("10003").unwrap().name, "Phường Tư");
}

#[tokio::test]
async fn slivers_between_outlines_belong_to_a_neighbour() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = open(&store).await;
    let square = |west: f64, east: f64| format!("[[[{west},20],[{east},20],[{east},21],[{west},21],[{west},20]]]");
    let feature =
        |code: &str, ring: String| format!(r#"{{"type":"Feature","properties":{{"code":"{code}"}},"geometry":{{"type":"Polygon","coordinates":{ring}}}}}"#);
    // A gap of 0.0003 degrees between them, simplified by up to 0.0001.
    let features = [feature("10001", square(106.0, 106.5)), feature("10003", square(106.5003, 107.0))].join(",");
    let mut files = small_files();
    files.push(("outlines/c.geojson".into(), format!(r#"{{"type":"FeatureCollection","level":"commune","tolerance":0.0001,"features":[{features}]}}"#)));
    access.install(&system(&store), "base", pack(&files)).await.unwrap();
    let at = |lon, lat| access.locate(Point { lon, lat }).map(|p| p.commune);
    assert_eq!(at(106.49, 20.5).as_deref(), Some("10001"));
    assert_eq!(at(106.50005, 20.5).as_deref(), Some("10001"));
    assert_eq!(at(106.50025, 20.5).as_deref(), Some("10003"));
    assert_eq!(at(106.50015, 20.5).as_deref(), Some("10001"), "as near to both: the lower code");
    assert_eq!(at(106.2, 21.0003), None, "outside stays outside");
    assert_eq!(at(105.9995, 20.5), None);
    // Reopened from the store it is the same.
    let again = open(&store).await;
    assert_eq!(again.locate(Point { lon: 106.49, lat: 20.5 }).unwrap().commune_name, "Xã Mới");
}

#[test]
fn faulty_packs_say_where() {
    let broken = |path: &str, from: &str, to: &str| {
        let files: Vec<_> = small_files().into_iter().map(|(p, t)| if p == path { (p, t.replace(from, to)) } else { (p, t) }).collect();
        load(&files).map_or_else(|faults| faults.join("; "), |p| p.check().join("; "))
    };
    assert!(
        broken("units/units.csv", "10002,commune,Xã Hai,Hai,33,2020-01-01,2025-07-01", "10001,commune,Xã Hai,Hai,33,2024-01-01,2025-07-02")
            .contains("two versions at the same time")
    );
    assert!(broken("units/units.csv", "Ba,33,2020-01-01", "Ba,77,2020-01-01").contains("unknown unit `77`"));
    assert!(broken("units/succession.csv", "0.7", "7").contains("wrong kind, date or share"));
    assert!(broken("roles.toml", "\"case-read\"", "\"case-reed\"").contains("roles.toml"));
    assert!(broken("policy.toml", "at_once = 2", "at_once = 0").contains("a limit is 0"));
    assert!(broken("calendars/vn.toml", "Asia/Ho_Chi_Minh", "Asia/Nowhere").contains("calendars/vn.toml"));
    let mut files = small_files();
    files.push(("home.toml".into(), "province = \"77\"".into()));
    assert_eq!(load(&files).unwrap().default_home().as_deref(), Some("77"));
    assert_eq!(load(&files).unwrap().check(), ["home.toml names the unknown area `77`"]);
    assert!(broken("units/units.csv", "33,province", "\"33,province").contains("units/units.csv"));
}

#[test]
fn the_real_calendar_knows_swapped_days() {
    let text = real_files().into_iter().find(|(p, _)| p == "calendars/vn.toml").unwrap().1;
    let calendar = calendar(&text).unwrap();
    for (date, works) in [
        ("2026-11-20", true),
        ("2026-11-21", false),
        ("2026-08-22", true),
        ("2026-08-31", false),
        ("2026-02-17", false),
        ("2026-11-24", true),
        ("2025-05-02", false),
        ("2025-04-26", true),
        ("2028-02-29", true),
    ] {
        assert_eq!(calendar.is_working(date.parse().unwrap()), works, "{date}");
    }
    assert_eq!(calendar.day_minutes(), 480);
    // Friday 16:30 in Vietnam and eight working hours: Monday 16:30, not Saturday.
    let due = calendar.add("2026-11-20T09:30:00Z".parse().unwrap(), 480).unwrap();
    assert_eq!(due, "2026-11-23T09:30:00Z".parse::<Timestamp>().unwrap());
}
