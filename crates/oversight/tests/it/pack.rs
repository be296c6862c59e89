use dothi_oversight::pack::{load, run_tests};
use dothi_oversight::{FormulaStatus, StatedKind};

use crate::{base, base_files};

/// Every cell of the act, by kind: nothing was read as a 0 that is not written as one.
#[test]
fn the_base_set_says_what_the_act_says() {
    let pack = base();
    let set = &pack.sets[0];
    assert_eq!((set.code.as_str(), set.indicators.len(), set.groups.len()), ("tb-41", 41, 30));
    let count = |kind| set.indicators.iter().flat_map(|i| [&i.base, &i.forecast, &i.target]).filter(|s| s.kind == kind).count();
    assert_eq!(
        [
            StatedKind::Number,
            StatedKind::AtLeast,
            StatedKind::YesNo,
            StatedKind::NotStarted,
            StatedKind::Undetermined,
            StatedKind::InProgress,
            StatedKind::Text
        ]
        .map(count),
        [58, 18, 3, 14, 25, 5, 0]
    );
    let zeros: Vec<&str> =
        set.indicators.iter().flat_map(|i| [&i.base, &i.forecast, &i.target]).filter(|s| s.number == Some(0.0)).map(|s| s.text.as_str()).collect();
    assert!(zeros.iter().all(|text| *text == "0"), "{zeros:?}");
    assert!(set.indicators.iter().all(|i| i.formula_status == FormulaStatus::Proposed), "the act gives no formulas");
    let noise = set.indicators.iter().find(|i| i.code == "L2.N3.PN1.04").unwrap();
    assert_eq!((noise.target.number, noise.unit.as_str()), (Some(0.2), "Điểm giám sát / Km2"));
    assert_eq!(pack.measures().len(), 5);
}

#[test]
fn the_operating_set_loads_too() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/base/oversight");
    let read = |name: &str| (format!("oversight/{name}"), std::fs::read_to_string(folder.join(name)).unwrap());
    let pack = load(&[read("van-hanh.toml"), read("van-hanh.csv")]).unwrap();
    assert!(pack.sets[0].indicators.iter().all(|i| i.measure.is_some() && i.formula_status == FormulaStatus::Proposed));
}

#[test]
fn faults_are_told_with_file_and_line() {
    let [(toml_path, toml), (csv_path, csv)] = <[_; 2]>::try_from(base_files()).unwrap();
    let faults = |toml: String, csv: String| load(&[(toml_path.clone(), toml), (csv_path.clone(), csv)]).unwrap_err().join("\n");
    let f = faults(toml.replace("near_from = 80.0", "near_from = \"80\""), csv.clone());
    assert!(f.starts_with("oversight/tb-41.toml:14: "), "{f}");
    let f = faults(toml.clone(), csv.replace("33,7\",\"33,7", "33.7\",\"33,7"));
    assert!(f.contains("L2.N1.PN1.02: «33.7» is neither a number"), "{f}");
    let f = faults(toml.clone(), csv.replacen(",ratio,", ",guess,", 1));
    assert!(f.contains("oversight/tb-41.csv:2: ") && f.contains("guess"), "{f}");
    let f = faults(toml.replace("indicator = \"L1.N3.PN1.01\"", "indicator = \"L9\""), csv.clone());
    assert!(f.contains("a measure for L9, which is not in"), "{f}");
    let f = faults(toml.replace("code = \"L2.N3\"\n", "code = \"L2.N9\"\n"), csv.clone());
    assert!(f.contains("the heading above L2.N3.PN1 is missing"), "{f}");
    let f = load(&[(toml_path.clone(), toml.clone())]).unwrap_err().join("\n");
    assert!(f.contains("its rows oversight/tb-41.csv are missing"), "{f}");
    let f = load(&[(toml_path, toml), (csv_path, csv), ("oversight/stray.csv".into(), String::new())]).unwrap_err().join("\n");
    assert_eq!(f, "oversight/stray.csv: no set names this file");
}

#[test]
fn a_packs_own_tests_run_and_can_fail() {
    let text = r#"
        [[oversight]]
        name = "half way"
        set = "tb-41"
        indicator = "L2.N3.PN1.03"
        number = 40.0
        expect = { achievement = 50.0, standing = "behind" }
        [[oversight]]
        name = "no value is no data"
        set = "tb-41"
        indicator = "L3.N3.PN1.01"
        expect = { standing = "no-data" }
        [[oversight]]
        name = "wrong on purpose"
        set = "tb-41"
        indicator = "L2.N3.PN1.03"
        number = 80.0
        expect = { achievement = 50.0, standing = "behind" }
    "#;
    let (ran, faults) = run_tests(&base(), &[("tests/x.toml".into(), text.into())]);
    assert_eq!((ran, faults), (3, vec!["tests/x.toml: wrong on purpose: achievement Some(100.0), standing Met".to_string()]));
}
