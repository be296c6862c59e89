use dothi_packs::Library;

use crate::{Shelf, repository};

#[test]
fn the_repositorys_packs_are_without_faults_and_pass_their_own_tests() {
    let library = Library::open(repository()).unwrap();
    for report in library.check(&[]).unwrap() {
        assert!(report.is_ok(), "{report}");
    }
    for pack in library.ordered(&library.names().unwrap()).unwrap() {
        let report = pack.test();
        // Procedures have no tests of their own in packs yet (docs/known-limits.md).
        assert!(report.is_ok() && (report.ran > 0 || !pack.dossiers.procedure.is_empty() || !pack.panels.is_empty() || !pack.video.is_empty()), "{report}");
    }
}

#[test]
fn a_pack_of_nothing_is_a_pack() {
    let shelf = Shelf::new();
    shelf.pack("empty", "", &[("README.md", "# Empty"), ("access/units/LICENCE-mit.txt", "MIT")]);
    assert_eq!(shelf.faults("empty"), Vec::<String>::new());
    assert_eq!(shelf.library().names().unwrap(), ["empty"]);
    assert!(shelf.library().load("empty").unwrap().access.is_none());
}

#[test]
fn files_nobody_reads_are_told() {
    let shelf = Shelf::new();
    shelf.pack("x", "", &[("rule/air.toml", ""), ("rules/air.yaml", ""), ("notes.doc", ""), ("texts/fr.json", "{}")]);
    assert_eq!(
        shelf.faults("x"),
        [
            "notes.doc: nothing reads a file of this name here",
            "rule/air.toml: nothing reads a file of this name here",
            "rules/air.yaml: nothing reads a file of this name here",
            "texts/fr.json: languages are vi and en",
        ]
    );
}

#[test]
fn a_pack_brings_its_codecs() {
    let profile = |codec: &str| {
        format!(
            "[[type]]\ntype = \"Tank\"\nname = \"Bể\"\n[[type.attributes]]\nname = \"level\"\ntitle = \"Mức\"\n\n\
             [[profile]]\nname = \"tank\"\ntitle = \"Bể\"\ntype = \"Tank\"\nlorawan = true\n{codec}\n[[profile.attributes]]\nname = \"level\"\n"
        )
    };
    let script = "function decodeUplink(i) { return { data: { level: i.bytes[0] } }; }";
    let examples = "uplinkDecoder:\n  fileName: tank.js\n  examples: []\n";
    let shelf = Shelf::new();
    shelf.pack("a", "", &[("context/a.toml", &profile("codec = \"tank.js\"")), ("context/tank.js", script), ("context/tank-codec.yaml", examples)]);
    assert_eq!(shelf.faults("a"), [""; 0]);
    let tbel = profile("codec = \"tank.tbel\"\ncodec_kind = \"tbel\"");
    shelf.pack("b", "", &[("context/a.toml", &tbel), ("context/tank.tbel", "return {};"), ("context/payload.json", "{}"), ("context/result.json", "{}")]);
    assert_eq!(shelf.faults("b"), [""; 0]);
    shelf.pack("c", "", &[("context/a.toml", &profile("codec = \"tank.tbel\"")), ("context/tank.tbel", "return {};")]);
    assert!(shelf.faults("c")[0].contains("codec_kind"), "{:?}", shelf.faults("c"));
    shelf.pack("d", "", &[("context/a.toml", &profile("codec = \"none.js\""))]);
    assert!(shelf.faults("d")[0].contains("no codec"), "{:?}", shelf.faults("d"));
}

#[test]
fn heads_are_told_with_their_line() {
    let shelf = Shelf::new();
    shelf.pack("a", "", &[("pack.toml", "name = \"a\"\ntitle = 5\n")]);
    assert_eq!(shelf.faults("a"), ["pack.toml:2: invalid type: integer `5`, expected a string"]);
    shelf.pack("b", "\"b\", \"c d\"", &[]);
    assert_eq!(shelf.faults("b").len(), 2);
    assert!(shelf.faults("none")[0].contains("there is no pack `none`"));
    assert!(shelf.faults("../b")[0].contains("there is no pack"), "no way out of the folder");
}

#[test]
fn both_languages_say_the_same() {
    let shelf = Shelf::new();
    let vi = r#"{"a": {"x": "Còn {{n}} giờ", "y": "Chào"}, "only_vi": "Có"}"#;
    let en = r#"{"a": {"x": "{{hours}} hours left", "y": ""}}"#;
    shelf.pack("x", "", &[("texts/vi.json", vi), ("texts/en.json", en)]);
    assert_eq!(
        shelf.faults("x"),
        [
            "texts/en.json: `a.y` must be a text that is not empty",
            "texts/vi.json: `a.x` has other placeholders than its translation",
            "texts/en.json: `a.x` has other placeholders than its translation",
            "texts/en.json: `a.y` is missing",
            "texts/en.json: `only_vi` is missing",
        ]
    );
}

#[test]
fn requirements_are_found_ordered_and_never_round() {
    let shelf = Shelf::new();
    shelf.pack("base", "", &[]).pack("water", "\"base >= 1.0.0\"", &[]).pack("flood", "\"water\", \"base\"", &[]);
    let order: Vec<String> = shelf.library().ordered(&["flood".into(), "base".into()]).unwrap().into_iter().map(|p| p.manifest.name).collect();
    assert_eq!(order, ["base", "water", "flood"]);
    shelf.pack("late", "\"base >= 1.0.1\"", &[]).pack("lost", "\"nowhere\"", &[]).pack("p", "\"q\"", &[]).pack("q", "\"p\"", &[]);
    assert!(shelf.faults("late")[0].contains("requires a later version of `base`"));
    assert!(shelf.faults("lost")[0].contains("requires `nowhere`, which is not in"));
    assert!(shelf.faults("p")[0].contains("in a circle: p → q → p"), "{:?}", shelf.faults("p"));
    shelf.pack("bad", "", &[("junk", "")]).pack("above", "\"bad\"", &[]);
    assert_eq!(shelf.faults("above"), ["pack.toml: requires `bad`, which has faults"]);
}

const SET: &str = include_str!("../../../../packs/base/oversight/van-hanh.toml");
const ROWS: &str = include_str!("../../../../packs/base/oversight/van-hanh.csv");
const TYPE: &str = "[[type]]\ntype = \"Well\"\nname = \"Giếng\"\n[[type.attribute]]\nname = \"level\"\ntitle = \"Mực nước\"\n";

#[test]
fn parts_must_fit_each_other() {
    let shelf = Shelf::new();
    let set = SET.replace("cases.on-time", "cases.on-mars");
    let profile = "[[profile]]\nname = \"p\"\ntitle = \"P\"\ntype = \"Well\"\nattributes = [{ name = \"depth\", path = \"d\" }]\n";
    shelf.pack("base", "", &[("oversight/van-hanh.toml", &set), ("oversight/van-hanh.csv", ROWS), ("context/well.toml", TYPE)]);
    assert_eq!(shelf.faults("base"), ["oversight: van-hanh/PA.02: nobody offers the measure `cases.on-mars`"]);
    shelf.pack("base", "", &[("oversight/van-hanh.toml", SET)]);
    let files = [("oversight/van-hanh.toml", SET), ("oversight/van-hanh.csv", ROWS), ("context/well.toml", TYPE), ("context/p.toml", profile)];
    let rule = "[[rule]]\ncode = \"r\"\ntitle = \"R\"\ntitle_en = \"R\"\nkind = \"threshold\"\nsector = \"water\"\ntype = \"Well\"\nattribute = \"level\"\nvalue = \"mean(flow, 24, 18)\"\nraise = \"> 3\"\nclear = \"< 2\"\nstatus = \"unconfirmed\"\nowner = \"X\"\n";
    shelf.pack("more", "\"base\"", &files).pack("more", "\"base\"", &[("rules/r.toml", rule)]);
    let faults = shelf.faults("more").join("\n");
    for part in [
        "the set `van-hanh` stands in `base` already",
        "the type `Well` stands in `base` already",
        "profile `p`: `Well` has no attribute `depth`",
        "rule `r`: `Well` has no attribute `flow`",
    ] {
        assert!(faults.contains(part), "{part} in\n{faults}");
    }
}

#[test]
fn tests_nobody_runs_fail() {
    let shelf = Shelf::new();
    shelf.pack("x", "", &[("tests/a.toml", "[[oversigt]]\nname = \"typo\"\n")]);
    let report = shelf.library().load("x").unwrap().test();
    assert!(report.failed[0].starts_with("tests/a.toml: nobody runs tests called `oversigt`"), "{report}");
}
