//! Workflow definitions: what is refused, and who may move.

use std::collections::BTreeSet;
use std::sync::Arc;

use dothi_kernel::flow::Flow;
use dothi_kernel::{Caller, CallerKind, FakeClock, Grant, Permission, Timestamp};
use serde_json::{Value, json};

fn good() -> Value {
    let state = |phase: &str, clock: &str| json!({ "name": "x", "name_en": "x", "phase": phase, "clock": clock });
    let step = |from: &[&str], to: &str, by: &str| json!({ "name": "x", "name_en": "x", "from": from, "to": to, "by": by });
    let mut finish = step(&["working"], "done", "approver");
    finish["requires"] = json!(["public_answer"]);
    finish["not_by_maker_of"] = json!(["take"]);
    json!({
        "initial": "new",
        "states": { "new": state("open", "runs"), "working": state("working", "runs"), "asked": state("waiting", "paused"), "done": state("solved", "stopped") },
        "moves": {
            "take": step(&["new"], "working", "handler"), "ask": step(&["working"], "asked", "handler"),
            "reply": step(&["asked"], "working", "reporter"), "finish": finish,
        },
    })
}

fn faults(change: impl Fn(&mut Value)) -> String {
    let mut flow = good();
    change(&mut flow);
    serde_json::from_value::<Flow>(flow).unwrap().check().join("; ")
}

#[test]
fn good_flows_have_no_faults() {
    assert_eq!(faults(|_| {}), "");
}

#[test]
fn every_fault_is_named() {
    assert!(faults(|f| f["initial"] = json!("nowhere")).contains("initial state `nowhere` is not declared"));
    assert!(faults(|f| f["moves"]["take"]["to"] = json!("nowhere")).contains("move `take` names the unknown state `nowhere`"));
    assert!(faults(|f| f["moves"]["take"]["from"] = json!(["nowhere"])).contains("unknown state `nowhere`"));
    assert!(faults(|f| f["moves"]["take"]["from"] = json!([])).contains("move `take` starts from no state"));
    assert!(faults(|f| f["moves"]["finish"]["not_by_maker_of"] = json!(["jump"])).contains("unknown move `jump`"));
    assert!(faults(|f| f["states"]["island"] = f["states"]["new"].clone()).contains("state `island` cannot be reached"));
    assert!(faults(|f| f["states"]["done"]["clock"] = json!("runs")).contains("no end can be reached"));
    let stuck = faults(|f| {
        f["moves"].as_object_mut().unwrap().remove("reply");
    });
    assert_eq!(stuck, "no end can be reached from state `asked`");
    // Several at once are all told.
    let several = faults(|f| {
        f["initial"] = json!("nowhere");
        f["moves"]["take"]["from"] = json!([]);
    });
    assert!(several.contains("initial state") && several.contains("starts from no state"));
}

#[test]
fn unknown_words_in_a_definition_are_refused() {
    for change in [
        |f: &mut Value| f["extra"] = json!(1),
        |f: &mut Value| f["states"]["new"]["colour"] = json!("red"),
        |f: &mut Value| f["moves"]["take"]["by"] = json!("anyone"),
    ] {
        let mut flow = good();
        change(&mut flow);
        assert!(serde_json::from_value::<Flow>(flow).is_err());
    }
}

#[test]
fn moves_are_admitted_by_role_state_and_fields() {
    let flow: Flow = serde_json::from_value(good()).unwrap();
    let clock = FakeClock::at(Timestamp::UNIX_EPOCH);
    let with = |permissions: &[Permission]| {
        let grant = Grant {
            role: "r".into(),
            unit: "u1".into(),
            permissions: permissions.iter().copied().collect(),
            units: Some(Arc::new(BTreeSet::from(["u1".to_string()]))),
            sectors: None,
        };
        Caller { kind: CallerKind::Staff, grants: Arc::new([grant]), ..Caller::anonymous(clock.as_ref(), None) }
    };
    let (handler, approver, nobody) = (with(&[Permission::CaseHandle]), with(&[Permission::CaseApprove]), Caller::anonymous(clock.as_ref(), None));
    let none = BTreeSet::new();
    let code = |c: &Caller, state: &str, unit: &str, reporter: bool, step: &str, filled: &BTreeSet<String>| {
        flow.admit(c, state, unit, reporter, step, filled).map(|_| ()).map_err(|e| e.code())
    };
    assert_eq!(code(&handler, "new", "u1", false, "take", &none), Ok(()));
    assert_eq!(code(&handler, "new", "u2", false, "take", &none), Err("access.not-allowed"));
    assert_eq!(code(&nobody, "new", "u1", false, "take", &none), Err("access.sign-in-needed"));
    assert_eq!(code(&handler, "done", "u1", false, "take", &none), Err("flow.move.not-now"));
    assert_eq!(code(&handler, "new", "u1", false, "fly", &none), Err("flow.move.unknown"));
    assert_eq!(code(&approver, "working", "u1", false, "finish", &none), Err("flow.field-missing"));
    assert_eq!(code(&approver, "working", "u1", false, "finish", &BTreeSet::from(["public_answer".to_string()])), Ok(()));
    assert_eq!(code(&handler, "asked", "u1", false, "reply", &none), Err("access.not-allowed"));
    assert_eq!(code(&nobody, "asked", "u1", true, "reply", &none), Ok(()), "the reporter by key");
    let open: Vec<_> = flow.open_moves(&handler, "working", "u1", false).into_iter().map(|(code, _)| code).collect();
    assert_eq!(open, ["ask"]);
}

#[test]
fn the_usual_move_is_offered_first() {
    let mut definition = good();
    let usual = json!({"name": "a", "name_en": "b", "from": ["new"], "to": "working", "by": "handler", "order": 1});
    definition["moves"]["zz-usual"] = usual.clone();
    definition["moves"]["aa-rare"] = usual;
    definition["moves"]["aa-rare"]["order"] = json!(2);
    let flow: Flow = serde_json::from_value(definition).unwrap();
    let clock = FakeClock::at(Timestamp::UNIX_EPOCH);
    let handler = Caller::system("test", clock.as_ref());
    let open: Vec<_> = flow.open_moves(&handler, "new", "u1", false).into_iter().map(|(code, _)| code).collect();
    let place = |code: &str| open.iter().position(|c| *c == code);
    assert!(place("zz-usual") < place("aa-rare"), "{open:?}");
    assert!(place("aa-rare") < place("take"), "moves without an order come last: {open:?}");
}
