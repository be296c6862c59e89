//! OGC SensorThings 1.1: requests and what the specification says must come of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use dothi_context::{Context, ContextSettings, Reading};
use dothi_kernel::history::{Point, QueryLimits, SeriesQuery, Table};
use dothi_kernel::{Caller, History, Observation, Result, Value as Measured};
use dothi_store::testing::TestStore;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::api::OneCommune;

/// A history that keeps what is encoded, as the lake would show it.
#[derive(Default)]
pub struct Kept(Mutex<BTreeMap<(String, String, i64), (Measured, u16)>>);

#[async_trait]
impl History for Kept {
    fn encode(&self, batch: &[Observation]) -> Result<Vec<u8>> {
        let mut kept = self.0.lock().unwrap();
        for o in batch {
            let at = (o.entity.to_string(), o.attribute.to_string(), o.t);
            if o.quality & dothi_kernel::value::quality::DELETED == 0 {
                kept.insert(at, (o.value.clone(), o.quality));
            } else {
                kept.remove(&at);
            }
        }
        Ok(vec![0])
    }
    fn decode(&self, _: &[u8]) -> Result<Vec<Observation>> {
        Ok(Vec::new())
    }
    async fn latest(&self, entity: &str, attribute: &str) -> Result<Option<Point>> {
        let query = SeriesQuery { entity: entity.into(), attribute: attribute.into(), from: i64::MIN, to: i64::MAX, bucket_s: None, offset_s: 0, limit: 1 };
        Ok(self.series(&query).await?.pop())
    }
    async fn series(&self, q: &SeriesQuery) -> Result<Vec<Point>> {
        let kept = self.0.lock().unwrap();
        let range = kept.range((q.entity.clone(), q.attribute.clone(), q.from)..(q.entity.clone(), q.attribute.clone(), q.to));
        let mut points: Vec<Point> =
            range.map(|((_, _, t), (value, quality))| Point { t: *t, value: value.clone(), min: None, max: None, count: None, quality: *quality }).collect();
        points.drain(..points.len().saturating_sub(q.limit));
        Ok(points)
    }
    async fn table(&self, _: &str, _: QueryLimits) -> Result<Table> {
        Ok(Table { columns: Vec::new(), rows: Vec::new(), truncated: false })
    }
}

struct Service {
    context: Arc<Context>,
    history: Arc<Kept>,
    test: TestStore,
}

impl Service {
    async fn new() -> Self {
        let test = dothi_store::testing::store(&[dothi_context::MIGRATIONS]).await;
        let history = Arc::new(Kept::default());
        let context = Self::open(&test, &history).await;
        Self { context, history, test }
    }

    async fn open(test: &TestStore, history: &Arc<Kept>) -> Arc<Context> {
        let settings = ContextSettings { trust_loopback: true, ..ContextSettings::default() };
        Arc::new(Context::open(test.store.clone(), history.clone(), Arc::new(OneCommune), settings).await.expect("opens"))
    }

    fn caller(&self) -> Caller {
        Caller::system("test", self.test.clock.as_ref())
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> (u16, String, String) {
        self.send_as(self.caller(), method, path, body).await
    }

    /// Status, body, `Location`.
    async fn send_as(&self, caller: Caller, method: &str, path: &str, body: &str) -> (u16, String, String) {
        let path: String = path.bytes().map(|b| if b.is_ascii_graphic() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
        let path = if path.starts_with("http") { path.strip_prefix("http://city.test").unwrap().to_string() } else { format!("/sensorthings/v1.1{path}") };
        let mut request = Request::builder().method(method).uri(&path).header("host", "city.test").body(Body::from(body.to_string())).expect("a request");
        request.extensions_mut().insert(caller);
        let response = dothi_context::http::sta_router(self.context.clone()).oneshot(request).await.expect("never fails");
        let location = response.headers().get("location").map_or("", |v| v.to_str().unwrap()).to_string();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, String::from_utf8(bytes.to_vec()).expect("text"), location)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, text, _) = self.send("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Creates and returns the address.
    async fn post(&self, path: &str, body: &Value) -> String {
        let (status, text, location) = self.send("POST", path, &body.to_string()).await;
        assert_eq!(status, 201, "{path}: {text}");
        location
    }

    /// Values of a property in a list.
    async fn column(&self, path: &str, name: &str) -> Vec<Value> {
        self.get(path).await["value"].as_array().unwrap_or_else(|| panic!("no list at {path}")).iter().map(|e| e[name].clone()).collect()
    }
}

fn thing() -> Value {
    json!({
        "name": "Trạm A", "description": "Mái nhà", "properties": {"owner": "sở", "level": 3},
        "Locations": [{"name": "Mái", "description": "", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [106.5, 20.5]}}],
        "Datastreams": [
            {
                "name": "Nhiệt độ", "description": "Không khí",
                "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
                "unitOfMeasurement": {"name": "Celsius", "symbol": "CEL", "definition": "http://x/C"},
                "Sensor": {"name": "T1", "description": "", "encodingType": "text/html", "metadata": "http://x"},
                "ObservedProperty": {"name": "temperature", "definition": "http://x/t", "description": ""},
                "Observations": [
                    {"phenomenonTime": "2026-11-21T00:00:00Z", "result": 20.5},
                    {"phenomenonTime": "2026-11-21T01:00:00Z", "result": 21},
                    {"phenomenonTime": "2026-11-21T02:00:00Z", "result": 22.5, "parameters": {"height": 2}, "resultTime": "2026-11-21T02:00:05Z"}
                ]
            },
            {
                "name": "Cửa", "description": "mở",
                "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_TruthObservation",
                "unitOfMeasurement": {"name": null, "symbol": null, "definition": null},
                "Sensor": {"name": "D1", "description": "", "encodingType": "text/html", "metadata": {"a": 1}},
                "ObservedProperty": {"name": "open", "definition": "http://x/o", "description": ""}
            }
        ]
    })
}

#[tokio::test]
async fn root_and_deep_insert() {
    let s = Service::new().await;
    let root = s.get("").await;
    assert_eq!(root["value"].as_array().unwrap().len(), 8);
    assert_eq!(root["value"][3]["url"], "http://city.test/sensorthings/v1.1/Datastreams");
    assert!(root["serverSettings"]["conformance"].as_array().unwrap().len() > 10);

    assert_eq!(s.post("/Things", &thing()).await, "http://city.test/sensorthings/v1.1/Things(1)");
    let read = s.get("/Things(1)").await;
    assert_eq!(read["@iot.id"], 1);
    assert_eq!(read["properties"], json!({"owner": "sở", "level": 3}));
    assert_eq!(read["Datastreams@iot.navigationLink"], "http://city.test/sensorthings/v1.1/Things(1)/Datastreams");
    assert_eq!(s.column("/Things(1)/Datastreams", "name").await, ["Nhiệt độ", "Cửa"]);
    assert_eq!(s.column("/Things(1)/HistoricalLocations(1)/Locations", "name").await, ["Mái"]);
    assert_eq!(s.get("/Datastreams(1)/ObservedProperty").await["name"], "temperature");
    assert_eq!(s.column("/Datastreams(1)/Observations", "result").await, [json!(20.5), json!(21), json!(22.5)]);
    // The feature of interest is made of the Thing's location.
    assert_eq!(s.get("/Observations('1~1795222800000000')/FeatureOfInterest").await["feature"]["coordinates"], json!([106.5, 20.5]));
    assert_eq!(s.column("/FeaturesOfInterest(1)/Observations", "result").await.len(), 3);
    let whole = s.get("/Datastreams(1)").await;
    assert_eq!(whole["phenomenonTime"], "2026-11-21T00:00:00Z/2026-11-21T02:00:00Z");
    // It is one model: NGSI-LD reads the same Thing, and the Datastream's newest result.
    let entity = s.context.entity(&s.caller(), "urn:dothi:Datastream:1").unwrap();
    assert_eq!(entity.attr("https://uri.etsi.org/ngsi-ld/default-context/result").unwrap().value.as_f64(), Some(22.5));
}

/// Query options, each with the names or results it must give.
#[tokio::test]
async fn a_table_of_queries() {
    let s = Service::new().await;
    s.post("/Things", &thing()).await;
    s.post("/Things", &json!({"name": "O'Brien", "description": "b", "properties": {"level": 7}})).await;
    let (o, t, d) = ("/Datastreams(1)/Observations", "/Things", "/Datastreams");
    for (base, query, wanted) in [
        (o, "$filter=result gt 20.5", json!([21, 22.5])),
        (o, "$filter=result add 1 eq 22 or result mod 2 eq 0.5", json!([20.5, 21, 22.5])),
        (o, "$filter=not (result le 21)", json!([22.5])),
        (o, "$filter=-result lt -21", json!([22.5])),
        (o, "$filter=floor(result) eq 20 or ceiling(result) eq 23", json!([20.5, 22.5])),
        (o, "$filter=result eq '21'", json!([])),
        (o, "$filter=phenomenonTime ge 2026-11-21T01:00:00Z", json!([21, 22.5])),
        (o, "$filter=phenomenonTime lt 2026-11-21T08:00:00%2B07:00", json!([20.5])),
        (o, "$filter=2026-11-21T01:00:00Z lt phenomenonTime", json!([22.5])),
        (o, "$filter=phenomenonTime eq 2026-11-21T01:00:00Z", json!([21])),
        (o, "$filter=hour(phenomenonTime) eq 1 and year(phenomenonTime) eq 2026", json!([21])),
        (o, "$filter=date(phenomenonTime) eq 2026-11-21 and time(phenomenonTime) ge 02:00:00", json!([22.5])),
        (o, "$filter=phenomenonTime sub duration'PT1H' ge 2026-11-21T01:00:00Z", json!([22.5])),
        (o, "$filter=resultTime gt 2026-11-21T00:00:00Z", json!([22.5])),
        (o, "$filter=resultTime eq null", json!([20.5, 21])),
        (o, "$filter=parameters/height eq 2", json!([22.5])),
        (o, "$filter=Datastream/Thing/name eq 'Trạm A' and result lt 21", json!([20.5])),
        (o, "$filter=st_within(FeatureOfInterest/feature, geography'POLYGON ((106 20, 107 20, 107 21, 106 21, 106 20))')&$top=1", json!([20.5])),
        (o, "$orderby=phenomenonTime desc", json!([22.5, 21, 20.5])),
        (o, "$orderby=result desc&$top=1", json!([22.5])),
        (o, "$orderby=result mod 2 desc,phenomenonTime&$skip=1", json!([20.5, 22.5])),
        (o, "$top=1&$skip=1", json!([21])),
        ("/Observations", "$filter=Datastream/id eq 1&$orderby=phenomenonTime desc&$top=2", json!([22.5, 21])),
        ("/Observations", "$filter=Datastream/@iot.id eq 2", json!([])),
        ("/Observations", "$orderby=phenomenonTime desc&$top=1", json!([22.5])),
        (t, "$filter=name eq 'O''Brien'", json!(["O'Brien"])),
        (t, "$filter=properties/level ge 3", json!(["Trạm A", "O'Brien"])),
        (t, "$filter=properties/level mul 2 gt 10", json!(["O'Brien"])),
        (t, "$filter=startswith(name,'Trạm') and endswith(description,'nhà')", json!(["Trạm A"])),
        (t, "$filter=substringof('Brien',name)", json!(["O'Brien"])),
        (t, "$filter=length(name) eq 7 and indexof(name,'B') eq 2", json!(["O'Brien"])),
        (t, "$filter=substring(name,2,3) eq 'Bri'", json!(["O'Brien"])),
        (t, "$filter=tolower(concat(name,trim(' x '))) eq 'o''brienx'", json!(["O'Brien"])),
        (t, "$filter=Datastreams/ObservedProperty/name eq 'open'", json!(["Trạm A"])),
        (t, "$filter=Datastreams/Observations/result gt 22", json!(["Trạm A"])),
        (t, "$filter=geo.distance(Locations/location, geography'POINT (106.4 20.5)') lt 0.2", json!(["Trạm A"])),
        (t, "$filter=geo.intersects(Locations/location, geography'LINESTRING (106 20.5, 107 20.5)')", json!(["Trạm A"])),
        (t, "$filter=st_disjoint(Locations/location, geography'POINT (0 0)')", json!(["Trạm A"])),
        (t, "$filter=id gt 1", json!(["O'Brien"])),
        (t, "$orderby=name desc", json!(["Trạm A", "O'Brien"])),
        (t, "$orderby=properties/level desc&$top=1", json!(["O'Brien"])),
        (d, "$filter=unitOfMeasurement/symbol eq 'CEL'", json!(["Nhiệt độ"])),
        (d, "$filter=observationType eq 'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_TruthObservation'", json!(["Cửa"])),
    ] {
        let name = if base.ends_with("Observations") { "result" } else { "name" };
        assert_eq!(Value::from(s.column(&format!("{base}?{query}"), name).await), wanted, "{base}?{query}");
    }
    for wrong in [
        "/Things?$filter=nme eq 1",
        "/Things?$filter=name eq",
        "/Things?$filter=name eq 'a",
        "/Things?$filter=foo(name) eq 1",
        "/Things?$filter=length(name,1) eq 1",
        "/Things?$filter=name eq 1)",
        "/Things?$expand=Things",
        "/Things?$orderby=name up",
        "/Things?$select=nme",
        "/Things?$top=-1",
        "/Things?$count=yes",
        "/Things?$foo=1",
        "/Things?$top=1&$top=2",
        "/Things(1)?$top=1",
        "/Things?$resultFormat=dataArray",
    ] {
        assert_eq!(s.send("GET", wrong, "").await.0, 400, "{wrong}");
    }
    for missing in
        ["/Things(9)", "/Thing", "/Things(1)/Foo", "/Things(2)/Datastreams(1)", "/Things('x')", "/Observations('1~5')", "/Datastreams(1)/unitOfMeasurement/x"]
    {
        assert_eq!(s.send("GET", missing, "").await.0, 404, "{missing}");
    }
}

#[tokio::test]
async fn addresses_and_forms() {
    let s = Service::new().await;
    s.post("/Things", &thing()).await;
    assert_eq!(s.get("/Things(1)/name").await, json!({"name": "Trạm A"}));
    assert_eq!(s.send("GET", "/Things(1)/name/$value", "").await.1, "Trạm A");
    assert_eq!(s.send("GET", "/Datastreams(1)/unitOfMeasurement/symbol/$value", "").await.1, "CEL");
    assert_eq!(s.send("GET", "/Datastreams(2)/observedArea", "").await.0, 204);
    assert_eq!(s.get("/Things(1)/Datastreams/$ref").await["value"][1], json!({"@iot.selfLink": "http://city.test/sensorthings/v1.1/Datastreams(2)"}));
    assert_eq!(s.get("/Datastreams(2)/Thing/Locations").await["value"][0]["name"], "Mái");
    assert_eq!(s.get("/Things(1)/Datastreams(1)/Observations('1~1795222800000000')").await["result"], 21);
    assert_eq!(s.send("GET", "/Things(1)/Datastreams/$count", "").await.1, "2");

    let read = s.get("/Things(1)?$select=name,Datastreams&$expand=Datastreams($select=name;$orderby=name;$count=true;$expand=Observations($top=1;$select=result;$orderby=result desc),Sensor($select=name))").await;
    let link = "http://city.test/sensorthings/v1.1/Datastreams(1)/Observations?%24";
    let next = read["Datastreams"][1]["Observations@iot.nextLink"].as_str().unwrap().to_string();
    assert!(next.starts_with(&link.replace("%24", "$")), "{next}");
    assert_eq!(read["Datastreams@iot.count"], 2);
    assert_eq!(read["name"], "Trạm A");
    assert!(read.get("description").is_none() && read.get("@iot.id").is_none());
    assert_eq!(read["Datastreams"][1]["Observations"], json!([{"result": 22.5}]));
    assert_eq!(read["Datastreams"][1]["Sensor"], json!({"name": "T1"}));
    assert_eq!(s.column(&next, "result").await, [21]);

    let arrays = s.get("/Datastreams(1)/Observations?$resultFormat=dataArray&$count=true&$top=2").await;
    assert_eq!(arrays["@iot.count"], 3);
    let group = &arrays["value"][0];
    assert_eq!(group["components"], json!(["id", "phenomenonTime", "result", "resultTime"]));
    assert_eq!(group["dataArray"][1], json!(["1~1795222800000000", "2026-11-21T01:00:00Z", 21, null]));
    assert_eq!(group["Datastream@iot.navigationLink"], "http://city.test/sensorthings/v1.1/Datastreams(1)");
    assert!(arrays["@iot.nextLink"].is_string());
}

/// Every page of a set holds what the others do not, and all together hold all.
#[tokio::test]
async fn pages_join_to_the_whole() {
    let s = Service::new().await;
    s.post("/Things", &thing()).await;
    for i in 0..24 {
        s.post("/Things", &json!({"name": format!("T{i}"), "description": ""})).await;
        s.post("/Datastreams(2)/Observations", &json!({"result": i % 2 == 0, "phenomenonTime": format!("2026-11-20T{i:02}:00:00Z")})).await;
    }
    for (path, total) in [
        ("/Things?$top=7&$count=true", 25),
        ("/Things?$top=10&$orderby=name desc", 25),
        ("/Things?$top=5&$filter=id gt 3", 22),
        ("/Observations?$top=4&$count=true", 27),
        ("/Observations?$top=5&$orderby=phenomenonTime desc", 27),
        ("/Datastreams(2)/Observations?$top=5&$count=true", 24),
        ("/Datastreams(2)/Observations?$top=5&$orderby=phenomenonTime desc&$filter=result eq true", 12),
        ("/Observations?$top=3&$resultFormat=dataArray", 27),
    ] {
        let (mut seen, mut next, mut pages) = (Vec::new(), Some(path.to_string()), 0);
        while let Some(at) = next {
            let page = s.get(&at).await;
            if path.contains("$count") {
                assert_eq!(page["@iot.count"], total, "{at}");
            }
            for row in page["value"].as_array().unwrap() {
                match row["dataArray"].as_array() {
                    Some(rows) => seen.extend(rows.iter().map(|r| r[0].to_string())),
                    None => seen.push(row["@iot.id"].to_string()),
                }
            }
            next = page["@iot.nextLink"].as_str().map(str::to_string);
            pages += 1;
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!((seen.len(), once.len()), (total, total), "{path}");
        assert!(pages > 2, "{path}");
    }
}

#[tokio::test]
async fn changes_and_what_hangs_on_them() {
    let mut s = Service::new().await;
    s.post("/Things", &thing()).await;
    // A whole entity with its id stands for the one there is.
    let mut known = s.get("/Datastreams(2)").await;
    known["Thing"] = json!({"@iot.id": 1, "name": "Trạm A", "description": "Mái nhà"});
    let open = s.post("/Observations", &json!({"result": true, "Datastream": known})).await;
    assert_eq!(s.get(&format!("{open}/Datastream")).await["@iot.id"], 2);
    assert_eq!(s.column("/Datastreams", "@iot.id").await, [1, 2]);
    // PATCH leaves what it does not name, PUT does not.
    assert_eq!(s.send("PATCH", "/Things(1)", r#"{"description": "neu", "properties": null}"#).await.0, 200);
    let read = s.get("/Things(1)").await;
    assert_eq!((read["name"].as_str(), read["description"].as_str(), read.get("properties")), (Some("Trạm A"), Some("neu"), None));
    assert_eq!(s.send("PUT", "/Things(1)", r#"{"name": "B"}"#).await.0, 400);
    assert_eq!(s.send("PUT", "/Things(1)", r#"{"name": "B", "description": "x"}"#).await.0, 200);
    assert_eq!(s.column("/Things(1)/Datastreams", "name").await.len(), 2);
    // A new place is noted with its time; observations keep the feature of the place where they were made.
    s.test.clock.advance_seconds(60);
    let place = json!({"name": "Sân", "description": "", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [106.6, 20.6]}});
    s.post("/Things(1)/Locations", &place).await;
    assert_eq!(s.column("/Things(1)/Locations", "name").await, ["Sân"]);
    assert_eq!(s.column("/Things(1)/HistoricalLocations", "@iot.id").await.len(), 2);
    let now = s.post("/Datastreams(1)/Observations", &json!({"result": 30})).await;
    assert_eq!(s.get(&format!("{now}/FeatureOfInterest")).await["name"], "Sân");
    assert_eq!(s.column("/Things(1)/HistoricalLocations?$expand=Locations&$orderby=time desc&$top=1", "Locations").await[0][0]["name"], "Sân");
    // Observations: a result is corrected, the rest is kept beside.
    let at = "/Observations('1~1795222800000000')";
    assert_eq!(s.send("PATCH", at, r#"{"result": 99, "resultQuality": "good"}"#).await.0, 200);
    let read = s.get(at).await;
    assert_eq!((&read["result"], &read["resultQuality"], &read["phenomenonTime"]), (&json!(99), &json!("good"), &json!("2026-11-21T01:00:00Z")));
    assert_eq!(s.send("PATCH", at, r#"{"phenomenonTime": "2026-11-21T05:00:00Z/2026-11-21T06:00:00Z"}"#).await.0, 200);
    assert_eq!(s.get(at).await["phenomenonTime"], "2026-11-21T05:00:00Z/2026-11-21T06:00:00Z");
    assert_eq!(
        s.column("/Datastreams(1)/Observations?$filter=phenomenonTime gt 2026-11-21T03:00:00Z and phenomenonTime lt 2026-11-21T07:00:00Z", "result").await,
        [99]
    );
    let count = "/Datastreams(1)/Observations?$count=true&$top=0";
    assert_eq!(s.get(count).await["@iot.count"], 4);
    let held = |s: &Service| s.history.0.lock().unwrap().keys().filter(|k| k.0 == "urn:dothi:Datastream:1").count();
    assert_eq!(held(&s), 4);
    assert_eq!(s.send("DELETE", at, "").await.0, 200);
    assert_eq!(s.send("GET", at, "").await.0, 404);
    assert_eq!((held(&s), &s.get(count).await["@iot.count"]), (3, &json!(3)), "gone from the history, not only hidden");
    assert_eq!(s.column("/Datastreams(1)/Observations", "result").await, [json!(20.5), json!(30), json!(22.5)]);
    // All of it outlives the process, and numbers are never given away again.
    s.context = Service::open(&s.test, &s.history).await;
    assert_eq!(s.column("/Datastreams(1)/Observations", "result").await, [json!(20.5), json!(30), json!(22.5)]);
    assert_eq!(s.get("/Observations('1~1795226400000000')").await["parameters"], json!({"height": 2}));
    // A Sensor takes its Datastreams along; a Thing everything but Locations.
    assert_eq!(s.send("DELETE", "/Sensors(2)", "").await.0, 200);
    assert_eq!(s.column("/Things(1)/Datastreams", "name").await, ["Nhiệt độ"]);
    assert_eq!(s.send("DELETE", "/Things(1)", "").await.0, 200);
    for (set, left) in [("Things", 0), ("Datastreams", 0), ("HistoricalLocations", 0), ("Locations", 2), ("Sensors", 1), ("Observations", 0)] {
        assert_eq!(s.column(&format!("/{set}"), "@iot.id").await.len(), left, "{set}");
    }
    let again = s.post("/Things", &thing()).await;
    assert!(!again.ends_with("Things(1)"), "{again}");
}

/// What cannot be made is refused as a whole.
#[tokio::test]
async fn faulty_entities_leave_nothing_behind() {
    let s = Service::new().await;
    let mut without_sensor = thing();
    without_sensor["Datastreams"][1].as_object_mut().unwrap().remove("Sensor");
    let mut wrong_time = thing();
    wrong_time["Datastreams"][0]["Observations"][1]["phenomenonTime"] = "yesterday".into();
    for wrong in [
        json!({"description": "no name"}),
        json!({"name": 1, "description": ""}),
        json!({"name": "a", "description": "", "foo": 1}),
        json!({"name": "a", "description": "", "properties": []}),
        json!({"name": "a", "description": "", "Locations": [{"@iot.id": 5}]}),
        without_sensor,
        wrong_time,
    ] {
        assert_eq!(s.send("POST", "/Things", &wrong.to_string()).await.0, 400, "{wrong}");
    }
    assert_eq!(s.send("POST", "/Things", "[1").await.0, 400);
    assert_eq!(s.send("POST", "/Observations", r#"{"result": 1}"#).await.0, 400);
    assert_eq!(s.send("POST", "/Observations", r#"{"result": 1, "Datastream": {"@iot.id": 1}}"#).await.0, 400);
    assert_eq!(s.send("DELETE", "/Things", "").await.0, 405);
    assert_eq!(s.send("POST", "/Things(1)/name", "{}").await.0, 404);
    for set in ["Things", "Locations", "Datastreams", "Sensors", "ObservedProperties", "FeaturesOfInterest"] {
        assert_eq!(s.get(&format!("/{set}")).await["value"], json!([]), "{set}");
    }
    let nobody = Caller::anonymous(s.test.clock.as_ref(), None);
    assert_eq!(s.send_as(nobody.clone(), "GET", "/Things", "").await.0, 401);
    assert_eq!(s.send_as(nobody, "POST", "/Things", &thing().to_string()).await.0, 401);
}

#[tokio::test]
async fn data_arrays() {
    let s = Service::new().await;
    s.post("/Things", &thing()).await;
    s.test.clock.advance_seconds(7_200);
    let body = json!([
        {
            "Datastream": {"@iot.id": 2},
            "components": ["phenomenonTime", "result", "FeatureOfInterest/id", "resultTime"],
            "dataArray@iot.count": 5,
            "dataArray": [
                ["2026-11-20T00:00:00Z", true, null, "2026-11-20T00:00:00Z"],
                ["2026-11-20T01:00:00.250+07:00", 7.5, 1, "2026-11-20T00:00:00Z"],
                ["2026-11-20T02:00:00Z/2026-11-20T03:00:00Z", "đỏ", null, null],
                ["never", 1, null, null],
                ["2026-11-20T04:00:00Z", {"a": [1, null]}, 99, null],
                ["2026-11-20T05:00:00Z", {"a": [1, null]}, null, null]
            ]
        },
        {"Datastream": {"@iot.id": 77}, "dataArray": [[1]], "components": ["result"]},
        {"dataArray": [[1], [2]], "components": ["result"], "Datastream": {"@iot.id": 1}}
    ]);
    let (status, text, _) = s.send("POST", "/CreateObservations", &body.to_string()).await;
    assert_eq!(status, 201, "{text}");
    let links: Vec<String> = serde_json::from_str(&text).unwrap();
    let faulty: Vec<usize> = links.iter().enumerate().filter(|(_, l)| *l == "error").map(|(i, _)| i).collect();
    assert_eq!((links.len(), faulty), (9, vec![3, 4, 6]));
    let rows: Vec<(Value, Value, Value)> = {
        let page = s.get("/Datastreams(2)/Observations").await;
        page["value"].as_array().unwrap().iter().map(|o| (o["phenomenonTime"].clone(), o["result"].clone(), o["resultTime"].clone())).collect()
    };
    assert_eq!(
        rows,
        [
            (json!("2026-11-19T18:00:00.25Z"), json!(7.5), json!("2026-11-20T00:00:00Z")),
            (json!("2026-11-20T00:00:00Z"), json!(true), json!("2026-11-20T00:00:00Z")),
            (json!("2026-11-20T02:00:00Z/2026-11-20T03:00:00Z"), json!("đỏ"), Value::Null),
            (json!("2026-11-20T05:00:00Z"), json!({"a": [1, null]}), Value::Null),
        ]
    );
    assert_eq!(s.get(&links[1]).await["result"], 7.5);
    // Rows without a time are of now, one after the other.
    assert_eq!(s.column("/Datastreams(1)/Observations?$orderby=phenomenonTime desc&$top=2", "result").await, [2, 1]);
    for wrong in [
        json!({}),
        json!([{"Datastream": {"@iot.id": 1}, "components": ["phenomenonTime"], "dataArray": []}]),
        json!([{"Datastream": {"@iot.id": 1}, "components": ["x", "result"], "dataArray": []}]),
    ] {
        assert_eq!(s.send("POST", "/CreateObservations", &wrong.to_string()).await.0, 400, "{wrong}");
    }
}

/// What devices send and NGSI-LD writes is read by SensorThings clients, and they can add to it.
#[tokio::test]
async fn the_city_is_there_too() {
    let s = Service::new().await;
    let urn = "urn:ngsi-ld:AirQualityObserved:tb1";
    let reading = |attribute: &str, t: i64, value: f64| Reading {
        entity: urn.into(),
        kind: "AirQualityObserved".into(),
        attribute: attribute.into(),
        value: Measured::Number(value),
        unit: Some("GQ".into()),
        observed_at: 1_795_222_800_000_000 + t * 1_000_000,
        quality: u16::from(value > 100.0),
        location: Some(dothi_kernel::geo::Point { lon: 106.5, lat: 20.5 }),
    };
    let sent = vec![reading("pm25", 0, 12.0), reading("pm25", 60, 150.0), reading("pm10", 0, 20.0)];
    s.context.ingest(&s.caller(), sent).await.unwrap();
    s.post("/Things", &thing()).await;

    assert_eq!(s.column("/Things", "@iot.id").await, [json!(1), json!(urn)]);
    assert_eq!(s.column("/Things?$filter=properties/type eq 'AirQualityObserved'", "name").await, ["tb1"]);
    let streams = s.get(&format!("/Things('{urn}')/Datastreams?$expand=ObservedProperty,Observations($orderby=phenomenonTime desc;$top=1)")).await;
    let first = &streams["value"][1];
    assert_eq!(first["@iot.id"], format!("{urn}~pm25"));
    assert_eq!((&first["ObservedProperty"]["name"], &first["Observations"][0]["result"]), (&json!("pm25"), &json!(150)));
    assert_eq!(first["Observations"][0]["resultQuality"], json!({"flags": 1, "is": ["range"]}));
    assert_eq!(first["Observations"][0]["resultTime"], "2026-11-21T01:01:00Z");
    assert_eq!(first["unitOfMeasurement"]["symbol"], "GQ");
    assert_eq!(s.column("/ObservedProperties('pm25')/Datastreams", "@iot.id").await, [json!(format!("{urn}~pm25"))]);
    assert_eq!(s.get(&format!("/Datastreams('{urn}~pm25')/Observations('{urn}~pm25~1795222800000000')")).await["result"], 12);
    assert_eq!(s.column(&format!("/Things('{urn}')/Locations"), "location").await[0]["coordinates"], json!([106.5, 20.5]));
    assert_eq!(s.column(&format!("/FeaturesOfInterest('{urn}')/Observations"), "result").await.len(), 3);
    assert_eq!(s.column("/Observations?$top=100", "result").await.len(), 6);
    // A client adds to the series; the entity shows it.
    s.post(&format!("/Datastreams('{urn}~pm25')/Observations"), &json!({"result": 13.5, "phenomenonTime": "2026-11-21T03:00:00Z"})).await;
    let entity = s.context.entity(&s.caller(), urn).unwrap();
    assert_eq!(entity.attr("https://uri.etsi.org/ngsi-ld/default-context/pm25").unwrap().value.as_f64(), Some(13.5));
    // The entity itself is changed where it came from.
    assert_eq!(s.send("DELETE", &format!("/Things('{urn}')"), "").await.0, 405);
    // Own Datastreams can stand on the city's things and quantities.
    let mut stream = thing()["Datastreams"][1].clone();
    stream["Thing"] = json!({"@iot.id": urn});
    stream["ObservedProperty"] = json!({"@iot.id": "pm25"});
    s.post("/Datastreams", &stream).await;
    assert_eq!(s.column(&format!("/Things('{urn}')/Datastreams"), "@iot.id").await.len(), 3);
    assert_eq!(s.column("/ObservedProperties('pm25')/Datastreams", "@iot.id").await.len(), 2);
}

#[tokio::test]
async fn batches() {
    let s = Service::new().await;
    let body = json!({"requests": [
        {"id": "t", "method": "post", "url": "Things", "body": {"name": "A", "description": ""}},
        {"id": "l", "method": "POST", "url": "$t/Locations", "body": {"name": "L", "description": "", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [1, 2]}}},
        {"id": "d", "method": "post", "url": "/Datastreams", "body": {
            "name": "D", "description": "", "observationType": "x", "unitOfMeasurement": {}, "Thing": {"@iot.id": "$t"},
            "Sensor": {"name": "S", "description": "", "encodingType": "text/html", "metadata": ""}, "ObservedProperty": {"name": "P", "definition": "x", "description": ""}}},
        {"id": 4, "method": "get", "url": "Things(1)/Datastreams?$select=name"},
        {"id": 5, "method": "get", "url": "Things(9)"}
    ]});
    let (status, text, _) = s.send("POST", "/$batch", &body.to_string()).await;
    assert_eq!(status, 200, "{text}");
    let answers: Value = serde_json::from_str(&text).unwrap();
    let statuses: Vec<i64> = answers["responses"].as_array().unwrap().iter().map(|r| r["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [201, 201, 201, 200, 404], "{text}");
    assert_eq!(answers["responses"][3]["body"]["value"], json!([{"name": "D"}]));
    assert_eq!(s.column("/Things(1)/Locations", "name").await, ["L"]);
}

/// Observations are published under topics of SensorThings, and told under them whichever way they came.
#[tokio::test]
async fn over_mqtt() {
    use crate::rig::{Raw, Rig};
    let rig = Rig::new().await;
    let post = async |path: &str, body: Value| {
        let mut request = Request::builder().method("POST").uri(format!("/sensorthings/v1.1{path}")).body(Body::from(body.to_string())).expect("a request");
        request.extensions_mut().insert(rig.system());
        let response = dothi_context::http::sta_router(rig.context.clone()).oneshot(request).await.expect("never fails");
        assert_eq!(response.status(), 201);
    };
    post("/Things", thing()).await;
    let (mut reader, _) = Raw::connect(rig.address, true, "reader", true, None).await;
    reader.subscribe("v1.1/Datastreams(2)/Observations").await;
    let (mut all, _) = Raw::connect(rig.address, false, "all", true, None).await;
    all.subscribe("v1.1/Observations").await;
    let (mut writer, _) = Raw::connect(rig.address, true, "writer", true, None).await;
    writer.publish("v1.1/Datastreams(2)/Observations", r#"{"result": true, "phenomenonTime": "2026-11-21T05:00:00Z", "parameters": {"n": 1}}"#, 1).await;
    assert_eq!(writer.puback().await, (1, 0));
    let (topic, body, _) = reader.message().await;
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(topic, "v1.1/Datastreams(2)/Observations");
    assert_eq!((&told["@iot.id"], &told["result"], &told["parameters"]), (&json!("2~1795237200000000"), &json!(true), &json!({"n": 1})));
    assert_eq!(all.message().await.0, "v1.1/Observations");
    // By HTTP, and by a body that names its Datastream.
    post("/Datastreams(2)/Observations", json!({"result": false})).await;
    assert!(reader.message().await.1.contains("\"result\":false"));
    all.message().await;
    writer.publish("v1.1/Observations", r#"{"result": 5, "Datastream": {"@iot.id": 1}}"#, 2).await;
    assert_eq!(writer.puback().await, (2, 0));
    assert!(all.message().await.1.contains("\"result\":5"));
    // What is no observation is refused and stores nothing.
    for (id, topic, body, reason) in [
        (3, "v1.1/Datastreams(2)/Observations", "{}", 153),
        (4, "v1.1/Datastreams(9)/Observations", r#"{"result": 1}"#, 144),
        (5, "v1.1/Things", r#"{"name": "x", "description": ""}"#, 144),
    ] {
        writer.publish(topic, body, id).await;
        assert_eq!(writer.puback().await, (id, reason), "{topic} {body}");
    }
}
