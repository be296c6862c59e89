//! Codecs: makers' scripts run unmodified, and nothing that a script does reaches beyond its own message.

use std::process::Command;
use std::time::{Duration, Instant};

use dothi_context::codec::{Bounds, Call, Codecs, Repository, run};
use serde_json::{Map, json};

fn uplink(bytes: &[u8]) -> Call {
    Call::DecodeUplink { bytes: bytes.to_vec(), port: 7, received: Some("2026-11-21T01:00:00Z".into()), variables: Map::from_iter([("k".into(), json!("v"))]) }
}

fn code(source: &str) -> &'static str {
    run(source, &uplink(&[1, 2]), Bounds::default()).map_or_else(|e| e.code(), |o| panic!("{o:?}"))
}

#[test]
fn all_published_entry_points_are_called() {
    let forms = [
        "function decodeUplink(i) { return { data: { sum: i.bytes[0] + i.bytes[1], port: i.fPort, h: i.recvTime.getUTCHours(), k: i.variables.k } }; }",
        "const decodeUplink = ({bytes, fPort, recvTime, variables}) => ({ data: { sum: bytes.reduce((a, b) => a + b), port: fPort, h: recvTime.getUTCHours(), k: variables.k } })",
        "exports.decodeUplink = function (i) { total = i.bytes[0] + i.bytes[1]; return { data: { sum: total, port: i.fPort, h: 1, k: 'v' } }; }",
        "function Decode(fPort, bytes, variables) { return { sum: bytes[0] + bytes[1], port: fPort, h: 1, k: variables.k }; }",
        "function Decoder(bytes, port) { console.log('x'); return { sum: bytes[0] + bytes[1], port: port, h: 1, k: 'v' }; }",
    ];
    for source in forms {
        let output = run(source, &uplink(&[3, 4]), Bounds::default()).unwrap();
        assert_eq!(output.data, json!({"sum": 7, "port": 7, "h": 1, "k": "v"}), "{source}");
    }
    let command = Call::EncodeDownlink { data: json!({"on": true}), port: 5, variables: Map::new() };
    for (source, port) in [
        ("function encodeDownlink(i) { return { bytes: [i.data.on ? 1 : 0, 255], fPort: 9 }; }", Some(9)),
        ("function Encode(fPort, obj, variables) { return new Uint8Array([obj.on ? 1 : 0, 255]); }", None),
        ("function Encoder(obj, port) { return [obj.on ? 1 : 0, 255]; }", None),
    ] {
        let output = run(source, &command, Bounds::default()).unwrap();
        assert_eq!((output.bytes, output.port), (vec![1, 255], port), "{source}");
    }
    let output = run("function decodeUplink() { return { errors: ['wrong port'], warnings: ['old'] }; }", &uplink(&[]), Bounds::default()).unwrap();
    assert_eq!((output.errors, output.warnings), (vec!["wrong port".to_string()], vec!["old".to_string()]));
}

#[test]
fn a_machine_that_stands_still_refuses_no_message() {
    // This process is stopped for longer than a codec may take, most likely in the midst of one.
    let mut pause = Command::new("sh").args(["-c", "kill -STOP $PPID; sleep 1; kill -CONT $PPID"]).spawn().unwrap();
    let source = "function decodeUplink() { var n = 0; for (var i = 0; i < 100000; i++) n += i; return { data: { n: n } }; }";
    while pause.try_wait().unwrap().is_none() {
        assert_eq!(run(source, &uplink(&[]), Bounds::default()).unwrap().data["n"], json!(4_999_950_000_i64));
    }
}

#[test]
fn a_script_cannot_break_its_bounds() {
    let start = Instant::now();
    assert_eq!(code("function decodeUplink() { while (true) {} }"), "codec.bounds");
    assert_eq!(code("while (true) {}"), "codec.bounds", "not while it is read either");
    assert_eq!(code("function decodeUplink() { return /(a+)+$/.test('a'.repeat(60) + 'b') }"), "codec.bounds", "nor in a regular expression");
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(code("function decodeUplink() { var a = []; while (true) a.push(new Array(10000).fill(1)); }"), "codec.bounds");
    assert_eq!(code("function decodeUplink() { return decodeUplink(); }"), "codec.bounds");
    assert_eq!(code("function decodeUplink() { return { data: 'x'.repeat(1000000) }; }"), "codec.bounds");
    assert_eq!(code("function decodeUplink() { throw new Error('bad frame'); }"), "codec.failed");
    assert_eq!(code("function decodeUplink( {"), "codec.failed");
    assert_eq!(code("var x = 1;"), "codec.no-entry");
    assert_eq!(code("function decodeUplink() { return { bytes: [1000] }; }"), "codec.result");
    for outside in
        ["require('fs')", "process.exit()", "std.open('/etc/passwd')", "os.exec(['ls'])", "fetch('http://localhost')", "setTimeout(function () {}, 1)", "Deno"]
    {
        let source = format!("function decodeUplink() {{ return {{ data: {{ got: typeof ({outside}) }} }}; }}");
        let given = run(&source, &uplink(&[]), Bounds::default());
        assert!(given.as_ref().map_or_else(|e| e.code() == "codec.failed", |o| o.data == json!({"got": "undefined"})), "{outside}: {given:?}");
    }
    let big = format!("//{}\nfunction decodeUplink() {{}}", "x".repeat(600_000));
    assert_eq!(code(&big), "codec.bounds");
    assert_eq!(run("", &uplink(&[0; 5_000]), Bounds::default()).unwrap_err().code(), "codec.bounds");
}

#[tokio::test]
async fn calls_share_nothing_and_overload_is_told() {
    let codecs = Codecs::start(2).unwrap();
    let counting =
        "var n = 0; function decodeUplink() { n++; Array.prototype.map = null; globalThis.seen = (globalThis.seen || 0) + 1; return { data: [n, seen] }; }";
    for _ in 0..3 {
        assert_eq!(codecs.run(counting.into(), uplink(&[1])).await.unwrap().data, json!([1, 1]));
    }
    let slow: std::sync::Arc<str> = "function decodeUplink() { var end = Date.now() + 3; while (Date.now() < end) {} return { data: 1 }; }".into();
    let many = futures::future::join_all((0..1_100).map(|_| codecs.run(slow.clone(), uplink(&[])))).await;
    let refused = many.iter().filter(|r| r.as_ref().is_err_and(|e| e.code() == "codec.busy")).count();
    assert!((90..=100).contains(&refused), "{refused} refused");
    assert!(many.iter().flatten().all(|o| o.data == json!(1)));
}

#[test]
fn a_codec_is_checked_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    let script = put("a/tank.js", "function decodeUplink(i) { return { data: { level: i.bytes[0] / 10, list: [1, { x: i.fPort }] } }; }");
    let examples = |level: &str, x: &str| {
        format!(
            "uplinkDecoder:\n  fileName: tank.js\n  examples:\n    - description: full\n      input: {{fPort: 2, bytes: [17]}}\n      output: {{data: {{level: {level}, list: [1.0, {{x: {x}}}]}}}}\n"
        )
    };
    let yaml = put("a/tank-codec.yaml", &examples("1.7", "2"));
    put("a/vendor.yaml", "name: somebody");
    put("a/other-codec.yaml", "uplinkDecoder:\n  fileName: none.js\n  examples: []\n");
    let converter =
        json!({"type": "UPLINK", "configuration": {"scriptLang": "TBEL", "tbelDecoder": "return {telemetry: {v: payload.size(), s: metadata.n}};"}});
    let converter = put("b/converter.json", &converter.to_string());
    put("b/metadata.json", r#"{"n": 5}"#);
    put("b/payload.json", "[1]");
    put("b/result.json", r#"{"telemetry": {"v": 3, "s": "5", "gone": null}}"#);
    put("b/payload_2.json", "[10]");
    put("b/result_2.json", r#"{"telemetry": {"v": 3.5, "s": "5"}}"#);
    put("b/payload_3.json", "[10]");
    let faults = |path: &std::path::Path| -> Vec<Option<String>> { Repository::check(path).unwrap().into_iter().map(|c| c.fault).collect() };
    let wrong = Some(".telemetry.v: 4 instead of 3.5".to_string());
    for path in [&script, &yaml] {
        assert_eq!(faults(path), [None], "{}", path.display());
    }
    assert_eq!(faults(&converter), [None, wrong.clone()]);
    std::fs::write(folder.path().join("a/none.js"), "").unwrap();
    assert_eq!(faults(folder.path()), [None, None, wrong]);
    let elsewhere = put("c/examples.yaml", &examples("1.7", "3"));
    assert_eq!(Repository::check_against(&script, &elsewhere).unwrap()[0].fault.as_deref(), Some("data.list[1].x: 2 instead of 3"));
    std::fs::write(&yaml, examples("1.8", "2")).unwrap();
    assert_eq!(faults(&script), [Some("data.level: 1.7 instead of 1.8".to_string())]);
    assert_eq!(Repository::check(&folder.path().join("none")).unwrap_err().code(), "codec.file");
}

/// The public repository of codecs (Apache-2.0): every example of every maker.
#[test]
fn makers_codecs_give_what_their_examples_promise() {
    let archive = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sets/devices-ttn-lorawan/lorawan-devices-2021.tar.zst");
    let Ok(file) = std::fs::File::open(&archive) else {
        eprintln!("skipped: {} is not there", archive.display());
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(zstd::Decoder::new(file).unwrap()).unpack(folder.path()).unwrap();
    let checked = Repository::check(folder.path()).unwrap();
    let faults: Vec<String> = checked
        .iter()
        .filter_map(|c| Some(format!("{} {} {:?}: {}", c.file.file_name()?.to_string_lossy(), c.what, c.description, c.fault.as_ref()?)))
        .collect();
    println!("{} of {} examples", checked.len() - faults.len(), checked.len());
    for fault in &faults {
        println!("{fault}");
    }
    assert!(checked.len() > 800, "{}", checked.len());
    // One maker's example contradicts its own script (member names and text forms that the script never makes).
    assert!(faults.iter().all(|f| f.starts_with("iwmlr3-codec.yaml")), "{faults:#?}");
}
