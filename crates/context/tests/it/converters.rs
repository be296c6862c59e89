//! ThingsBoard's converters: TBEL and JavaScript, and what becomes of their results.

use std::time::{Duration, Instant};

use dothi_context::codec::{Bounds, Call, CodecKind, Converter, Language, Repository, records, run, script};
use serde_json::{Map, Value, json};

use crate::rig::Rig;

fn convert(language: Language, source: &str, message: &Value) -> Result<Value, dothi_kernel::Error> {
    let metadata = Map::from_iter([("site".to_string(), json!("north"))]);
    let call = Call::Convert { language, message: message.to_string().into_bytes(), metadata };
    run(source, &call, Bounds::default()).map(|o| o.data)
}

fn tbel(source: &str) -> Value {
    convert(Language::Tbel, source, &json!({"b": "gP8BEg==", "x": {"y": null}})).unwrap_or_else(|e| e.detail().into())
}

#[test]
fn tbel_means_what_java_means() {
    let given = [
        // Bytes have a sign, a byte shared out stays whole, and numbers of several bytes have the length they are asked for.
        (
            "var b = base64ToBytes(decodeToJson(payload).b); return [b[0], b[0] & 0xFF, b[3] / 4, b[3] / 4.0, 2 * b[3] / 8, b.length];",
            json!([-128, 128, 4, 4.5, 4.5, 4]),
        ),
        (
            "var b = hexToBytes('80ff0112'); return [parseBytesToInt(b, 1, 2), parseBytesToInt(b, 0, 4), parseBytesToInt(b, 1, 2, false)];",
            json!([0xff01, -0x7f00_feee_i64, 0x01ff]),
        ),
        (
            "return [bytesToHex(hexToBytes('0xabCD')), parseHexToInt('0A0B'), parseLittleEndianHexToInt('0A0B'), intToHex(171), intToHex(-1)];",
            json!(["ABCD", 2571, 2826, "AB", "FFFF"]),
        ),
        ("return [parseBytesToFloat(hexToBytes('41b8cccd')), parseBytesIntToFloat(hexToBytes('00e7'), 0, 2) / 10];", json!([23.1, 23.1])),
        ("return [toFixed(2.345, 2), toFixed(1.005, 2), toFixed(-2.5, 0), 7 / 2, (int) (7 / 2), (int) -3.7];", json!([2.35, 1.01, -3, 3.5, 3, -3])),
        ("return [parseInt('12'), parseInt('0x1F'), parseInt('ff', 16), parseInt(''), Integer.toString(255, 16)];", json!([12, 31, 255, null, "ff"])),
        // Lists, maps and texts have Java's methods.
        (
            "var l = []; l.add(1); l.add(0, 5); l.addAll([7, 5]); l.remove(1); return [l, l.size(), l.isEmpty(), l.contains(7), l.indexOf(7)];",
            json!([[5, 7, 5], 3, false, true, 1]),
        ),
        (
            "var m = {}; m.put('a', 1); m['b'] = 2; m.remove('a'); return [m, m.size(), m.size, m.keys, m.containsKey('a'), m.get('z')];",
            json!([{"b": 2}, 1, 1, ["b"], false, null]),
        ),
        ("var s = ''; foreach (e : {a: 1, b: 'x'}.entrySet()) { s += e.key + '=' + e.value + ';'; } return s;", json!("a=1;b=x;")),
        ("var s = 0; for (int i : [1, 2, 3]) { s += i; } for (int i = 0; i < 3; i++) { s += 10; } return s;", json!(36)),
        (
            "return ['a.b.c'.replace('.', '-'), 'a1b22'.replaceAll('[0-9]+', '#'), 'a,b,,'.split(',').size(), 'abc'.length(), 'Xy'.equalsIgnoreCase('xY')];",
            json!(["a-b-c", "a#b#", 2, 3, true]),
        ),
        ("var m = {keys: 5, size: 6}; return [m.keys, m.size, m.values().size()];", json!([5, 6, 2])),
        (
            "return [String.format('%02x|%5.1f|%03d|%s|%%', 0xA, 2.25, 7, 'z'), String.join(':', ['a', 'b']), 'line_' + (6 / 3)];",
            json!(["0a|  2.3|007|z|%", "a:b", "line_2.0"]),
        ),
        ("return toFlatMap({a: {b: 1, c: [2, {d: 3}]}, e: 4}, ['e'], false);", json!({"b": 1, "c.0": 2, "d": 3})),
        // What is not there.
        (
            "var d = decodeToJson(payload); return [d.x.?y.z.w, d.?none.size() > 0, d.x.y === null, d.none == null, d.x.y !== null];",
            json!([null, false, true, true, false]),
        ),
        // Names: a function's own name hides the outer one where it is declared, not before.
        ("var d = {v: 1}; return f(); function f() { var a = d.v; if (a == 1) { var d = {v: 2}; a += d.v; } return a; }", json!(3)),
        ("return f(3); def f(int n) { if (n > 2) { int k = n; } return k; }", json!(3)),
        (
            "java.util.List l = new java.util.ArrayList(); l.add('x'); return [l instanceof java.util.ArrayList, l instanceof java.util.Map, {} instanceof Map, java.util.Arrays.copyOfRange([1,2,3], 1, 3)];",
            json!([true, false, true, [2, 3]]),
        ),
        (
            "var class = 'c'; int[] q = new int[2]; q[1] = 10L; long n = 5; return [class, q, n, metadata.site, metadata[\"site\"]];",
            json!(["c", [0, 10], 5, "north", "north"]),
        ),
        (
            "return [(char) 65, (char) (60 + 6) + '!', new Date('2023-05-22T07:47:05.404859+00:00').getTime(), new Date('2023-05-22T07:47:05+0700').getTime()];",
            json!(["A", "B!", 1_684_741_625_404_i64, 1_684_716_425_000_i64]),
        ),
        ("/*/ a 'comment' */ return decodeToString(stringToBytes('độ ẩm €')); // ends here", json!("độ ẩm €")),
    ];
    let wrong: Vec<String> = given
        .iter()
        .filter_map(|(source, expected)| {
            let given = tbel(source);
            (given != *expected).then(|| format!("{source}: {given} instead of {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_converter_cannot_break_its_bounds_either() {
    let fault = |source: &str| convert(Language::Tbel, source, &json!({})).map_or_else(|e| (e.code(), e.detail().to_string()), |v| panic!("{source}: {v}"));
    let start = Instant::now();
    assert_eq!(fault("while (true) { }").0, "codec.bounds");
    assert_eq!(fault("var l = []; while (true) { l.add('x'); }").0, "codec.bounds");
    assert_eq!(fault("return '(a+)+$'.matches('x') || ('a'.repeat(60) + 'b').matches('(a+)+$');").0, "codec.bounds");
    assert_eq!(fault("def f() { return f(); } return f();").0, "codec.bounds");
    assert!(start.elapsed() < Duration::from_secs(10));
    for (source, words) in [
        ("var x = 1;\nvar y = (String) x;", "line 2"),
        ("foreach (x in list) {}", "line 1"),
        ("return 'no end", "line 1"),
        ("var f = new java.io.File('/etc/passwd');", "class"),
        ("return 1; } ) ; (function () {", "line 1"),
        ("raiseError('too hot', 5);", "too hot for value 5"),
        ("return base64ToBytes('!');", "base64"),
        ("return parseBytesToInt([1, 2], 1, 4);", "bytes"),
        ("return new Date('yesterday');", "not a time"),
        ("return [1].get(4);", "no item"),
    ] {
        let (code, detail) = fault(source);
        assert!(code == "codec.failed" && detail.contains(words), "{source}: {code} {detail}");
    }
    let long = vec![b' '; 70_000];
    let call = Call::Convert { language: Language::Tbel, message: long, metadata: Map::new() };
    assert_eq!(run("return {};", &call, Bounds::default()).unwrap_err().code(), "codec.bounds");
    // The largest message is read in time.
    let message = format!("{{\"a\":\"{}\"}}", "x".repeat(60_000)).into_bytes();
    let call = Call::Convert { language: Language::Tbel, message, metadata: Map::new() };
    assert_eq!(run("return decodeToJson(payload).a.length();", &call, Bounds::default()).unwrap().data, json!(60_000));
    // Brackets without end or without number cost no more than their length.
    for piece in ["(", "[", "{", "a[", "for(a:", "(char)(", ".?", "foreach (x : ["] {
        let start = Instant::now();
        let call = Call::Convert { language: Language::Tbel, message: Vec::new(), metadata: Map::new() };
        let given = run(&piece.repeat(40_000), &call, Bounds::default());
        assert!(given.is_err() && start.elapsed() < Duration::from_secs(8), "{piece}: {given:?} after {:?}", start.elapsed());
    }
}

#[test]
fn results_become_records() {
    let times = json!([{"ts": 5, "values": {"a": 1}}, {"ts": "1970-01-01T00:00:01Z", "values": {"a": 2}}, {"a": 3}]);
    let record = |extra: Value| {
        let mut record = json!({"attributes": {"v": "1.0"}, "deviceName": "d"});
        record.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        record
    };
    let expected = vec![record(json!({"a": 1, "ts": 5})), record(json!({"a": 2, "ts": 1000})), record(json!({"a": 3}))];
    assert_eq!(records(&json!({"deviceName": "d", "attributes": {"v": "1.0"}, "telemetry": times})), expected);
    assert_eq!(records(&json!([{"deviceName": "d", "telemetry": {"ts": 1, "values": {"x": 1}}}])), [json!({"x": 1, "ts": 1, "deviceName": "d"})]);
    assert_eq!(records(&json!({"attributes": {"v": 1}, "telemetry": []})), [json!({"attributes": {"v": 1}})]);
    for nothing in [json!(null), json!({}), json!([]), json!(5), json!({"telemetry": [5]})] {
        assert!(records(&nothing).iter().all(|r| r == &json!({})), "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_names_its_converter() {
    let rig = Rig::new().await;
    let source = "var d = decodeToJson(payload); var b = base64ToBytes(d.data);\
                  return {deviceName: d.deviceInfo.deviceName, attributes: {site: metadata.integrationName},\
                          telemetry: [{ts: new Date(d.time).getTime(), values: {temperature: parseBytesToInt(b, 0, 2) / 100}}]};";
    let exported = json!({"type": "UPLINK", "configuration": {"scriptLang": "TBEL", "decoder": null, "tbelDecoder": source}}).to_string();
    let (taken, kind) = script("context/x-converter.json", &exported).unwrap();
    assert_eq!((taken.as_str(), kind), (source, Some(CodecKind::Tbel)));
    assert_eq!(script("context/x-converter.json", "{}").unwrap_err().code(), "codec.file");
    let pack = |kind: &str| {
        let profile = format!(
            "[[profile]]\nname = \"tb\"\ntitle = \"Nhiệt độ\"\ntype = \"AirQualityObserved\"\nlorawan = true\ncodec = \"x-converter.json\"\n{kind}\n[[profile.attributes]]\nname = \"temperature\"\n"
        );
        dothi_context::pack::ContextPack::load(&[("context/x.toml".into(), profile), ("context/x-converter.json".into(), exported.clone())])
    };
    assert!(pack("").unwrap_err()[0].contains("codec_kind"));
    let pack = pack("codec_kind = \"tbel\"").unwrap();
    rig.context.devices().set_codecs(pack.codecs.clone());
    rig.context.devices().set_profiles(pack.profiles.clone());
    let secret = rig.device("70b3d57ed0000007", "tb").await;
    let message =
        json!({"deviceInfo": {"devEui": "70b3d57ed0000007", "deviceName": "t"}, "time": "2026-11-21T00:58:00Z", "fCnt": 1, "fPort": 2, "data": "CcQ="})
            .to_string();
    let (status, answer) = crate::devices::post(&rig, "/api/context/ingest/tb", Some(("70b3d57ed0000007", &secret)), &[], &message).await;
    assert_eq!(status, 200, "{answer}");
    let thing = rig.context.thing(&rig.system(), "urn:ngsi-ld:AirQualityObserved:70b3d57ed0000007").unwrap();
    assert_eq!(thing.attributes["temperature"].value, json!(25));
    assert_eq!(thing.observed_at.unwrap().to_string(), "2026-11-21T00:58:00Z", "the converter's time");
}

/// ThingsBoard's public library of converters (Apache-2.0): every example of every maker.
#[test]
fn published_converters_give_what_their_examples_promise() {
    let archive = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sets/devices-thingsboard-converters/converters.tar.zst");
    let Ok(file) = std::fs::File::open(&archive) else {
        eprintln!("skipped: {} is not there", archive.display());
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(zstd::Decoder::new(file).unwrap()).unpack(folder.path()).unwrap();
    let checked = Repository::check(&folder.path().join("VENDORS")).unwrap();
    // ThingsBoard's parser takes the colon of `a ? b : c` within a map for the end of a key, and the examples were recorded from it:
    // they expect motion as `"trigger": "idle"` instead of `"pir": "idle"` (AM307 to AM319), and no `confirmed` in a command (Yobiiq on The
    // Things Stack). We read what the scripts say.
    let (mut motion, mut confirmed, mut others) = (0, 0, Vec::new());
    for one in checked.iter().filter(|c| c.fault.is_some()) {
        let (file, fault) = (one.file.to_string_lossy(), one.fault.as_deref().unwrap());
        if file.contains("/Milesight/AM3") && fault.ends_with(r#".values.trigger: null instead of "idle""#) {
            motion += 1;
        } else if file.contains("/Yobiiq/") && one.what == "downlink" && fault.contains(r#"\"confirmed\":false"#) {
            confirmed += 1;
        } else {
            others.push(format!("{file} {}: {fault}", one.description));
        }
    }
    println!("{} of {} examples", checked.len() - motion - confirmed - others.len(), checked.len());
    assert!(others.is_empty(), "{}: {others:#?}", others.len());
    assert_eq!((checked.len(), motion, confirmed), (1_417, 36, 32));
    let converters =
        ["UPLINK", "DOWNLINK"].map(|kind| json!({"type": kind, "configuration": {"scriptLang": "JS", "decoder": "d", "encoder": "e"}}).to_string());
    assert_eq!(converters.each_ref().map(|c| Converter::read(c).unwrap().source), ["d", "e"]);
}
