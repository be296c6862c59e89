//! The indexes against a plain map and a plain filter.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::geoq::GeoQuery;
use crate::ld::Ld;
use crate::model::{Attr, AttrKind, DEFAULT_VOCAB, LOCATION};
use crate::q::Query;
use crate::query::{Filter, Paging, scan};
use crate::select::TypeSelector;

fn name(word: &str) -> Iri {
    format!("{DEFAULT_VOCAB}{word}").into()
}

fn index_now(live: &Live, attr: &Iri) {
    live.0.state.write().unwrap().fields.insert(attr.clone(), Default::default());
    fill(&live.0, attr, 0);
    assert!(live.read(|s| s.fields[attr].0.ready));
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-3i64..6).prop_map(Value::from),
        2 => (-3i64..6).prop_map(|n| Value::from(n as f64 / 2.0)),
        3 => proptest::sample::select(vec!["a", "b", "ab", "ba"]).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => proptest::collection::vec(0i64..4, 0..3).prop_map(Value::from),
        1 => (0i64..3).prop_map(|n| json!({"@value": n})),
        1 => (0i64..3).prop_map(|n| json!({"n": n})),
        1 => Just(Value::from((0..100).collect::<Vec<i64>>())),
    ]
}

fn place() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        1 => Just(None),
        5 => (0i32..8, 0i32..8).prop_map(|(x, y)| Some(json!({"type": "Point", "coordinates": [106.0 + f64::from(x) * 0.002, 20.0 + f64::from(y) * 0.002]}))),
        1 => (0i32..8).prop_map(|x| {
            let (w, e) = (106.0 + f64::from(x) * 0.002, 106.005 + f64::from(x) * 0.002);
            Some(json!({"type": "Polygon", "coordinates": [[[w, 20.0], [e, 20.0], [e, 20.01], [w, 20.01], [w, 20.0]]]}))
        }),
    ]
}

type Seed = (u8, Option<(Vec<u8>, Vec<Value>, Option<Value>, bool)>);

fn change() -> impl Strategy<Value = Seed> {
    let entity = (proptest::collection::vec(0u8..3, 1..3), proptest::collection::vec(value(), 0..3), place(), proptest::bool::weighted(0.1));
    (0u8..60, proptest::option::weighted(0.85, entity))
}

fn entity(seed: &Seed) -> (Iri, Option<Arc<Entity>>) {
    let id: Iri = format!("urn:x:{}", seed.0).into();
    let next = seed.1.as_ref().map(|(kinds, values, place, mortal)| {
        let mut entity = Entity::new(id.clone(), kinds.iter().map(|k| name(&format!("T{k}"))).collect(), 1);
        for (i, v) in values.iter().enumerate() {
            entity.attrs.push((name(["n", "m", "o"][i]), Attr::new(AttrKind::Property, v.clone(), 1).into()));
        }
        if let Some(p) = place {
            entity.attrs.push((LOCATION.into(), Attr::new(AttrKind::GeoProperty, p.clone(), 1).into()));
        }
        entity.expires = mortal.then_some(50);
        Arc::new(entity)
    });
    (id, next)
}

const QUERIES: [&str; 12] = ["n==1", "n==1,2", "n==\"a\"", "n>1", "n<=0", "n==0..2", "m==true;n>0", "n==1|m==1", "n!=1", "!n", "n[n]==1", "n==0.5;m==\"ab\""];

#[derive(Debug, Clone)]
struct Question(Option<usize>, Option<u8>, Option<(i32, i32, u32)>, usize, u8, bool, bool);

fn question() -> impl Strategy<Value = Question> {
    let (q, kind) = (proptest::option::weighted(0.8, 0..QUERIES.len()), proptest::option::of(0u8..3));
    let near = proptest::option::weighted(0.4, (0i32..8, 0i32..8, 100u32..2_000));
    (q, kind, near, 0usize..6, 0u8..60, any::<bool>(), any::<bool>()).prop_map(|(q, k, g, l, c, a, b)| Question(q, k, g, l, c, a, b))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn indexes_answer_as_a_plain_scan_does(
        loaded in proptest::collection::vec(change(), 0..40),
        changes in proptest::collection::vec(change(), 0..120),
        questions in proptest::collection::vec(question(), 1..12),
    ) {
        let (live, mut plain, ld) = (Live::default(), BTreeMap::new(), Ld::default());
        for (id, next) in loaded.iter().map(entity) {
            plain.extend(next.map(|e| (id, e)));
        }
        index_now(&live, &name("n"));
        live.0.state.write().unwrap().fields.clear();
        live.load(plain.values().cloned().collect());
        index_now(&live, &name("n"));
        for (i, (id, next)) in changes.iter().map(entity).enumerate() {
            if i == 60 {
                index_now(&live, &name("m"));
            }
            match &next {
                Some(e) => drop(plain.insert(id.clone(), e.clone())),
                None => drop(plain.remove(&id)),
            }
            live.apply(&HashMap::from([(id, next)]));
        }
        prop_assert_eq!(live.count(), plain.len());
        let listed: Vec<_> = live.chunk(&Candidates::All, None, Order::Up, 1_000).iter().map(|e| e.id.clone()).collect();
        prop_assert_eq!(&listed, &plain.keys().cloned().collect::<Vec<_>>());
        for Question(q, kind, near, limit, cursor, back, count) in questions {
            let filter = Filter {
                types: kind.map(|k| TypeSelector::parse(&format!("T{k}"), &ld).unwrap()),
                q: q.map(|q| Query::parse(QUERIES[q], &ld).unwrap()),
                geo: near.map(|(x, y, m)| {
                    let at = json!([106.0 + f64::from(x) * 0.002, 20.0 + f64::from(y) * 0.002]);
                    GeoQuery::new(&format!("near;maxDistance=={m}"), "Point", &at, None).unwrap()
                }),
                ..Filter::default()
            };
            let now = if limit % 2 == 0 { 10 } else { 100 };
            let all: Vec<Iri> = plain.values().filter(|e| filter.matches(e, now, &live)).map(|e| e.id.clone()).collect();
            let cursor = format!("urn:x:{cursor}");
            let pages = [
                (Paging { limit, offset: usize::from(back), count, ..Paging::default() }, all.iter().skip(usize::from(back)).take(limit).cloned().collect::<Vec<_>>()),
                (Paging { limit, after: Some(cursor.clone()), count, ..Paging::default() }, all.iter().filter(|i| ***i > *cursor).take(limit).cloned().collect()),
                (Paging { limit, before: Some(cursor.clone()), count, ..Paging::default() }, {
                    let mut before: Vec<Iri> = all.iter().rev().filter(|i| ***i < *cursor).take(limit).cloned().collect();
                    before.reverse();
                    before
                }),
            ];
            for (paging, expected) in pages {
                let found = scan(&live, &filter, &paging, now).unwrap();
                prop_assert_eq!(found.entities.iter().map(|e| e.id.clone()).collect::<Vec<_>>(), expected, "{:?} {:?}", paging, q.map(|q| QUERIES[q]));
                prop_assert_eq!(found.count, count.then_some(all.len()), "{:?}", paging);
            }
        }
    }
}

#[test]
fn an_attribute_that_is_asked_for_often_gets_an_index() {
    let live = Live::default();
    let many = 6_000i64;
    let one = |n: i64| {
        let mut entity = Entity::new(format!("urn:x:{n:05}").into(), vec![name("T")], 1);
        entity.attrs.push((name("n"), Attr::new(AttrKind::Property, n % 100, 1).into()));
        entity.attrs.push((name("u"), Attr::new(AttrKind::Property, n, 1).into()));
        entity.attrs.push((name("s"), Attr::new(AttrKind::Property, if n % 3 == 0 { "on" } else { "off" }, 1).into()));
        Arc::new(entity)
    };
    live.load((0..many).map(one).collect());
    let ld = Ld::default();
    let ask = |text: &str, need| {
        let clues = Clues { types: Some(vec![name("T")]), area: None, asks: Query::parse(text, &ld).unwrap().asks() };
        live.plan(&clues, need)
    };
    for _ in 0..WISHES {
        assert!(matches!(ask("u==7", Some(21)), Plan::Walk(Candidates::Types(_))));
        ask("s==\"on\"", Some(21));
    }
    let ready = |attr: &str| live.read(|s| s.fields.get(&name(attr)).is_some_and(|(f, _)| f.ready));
    let begun = std::time::Instant::now();
    while !(ready("u") && ready("s")) {
        assert!(begun.elapsed().as_secs() < 60, "no index");
        std::thread::yield_now();
    }
    assert!(matches!(ask("u==7", Some(21)), Plan::Gathered(all) if all.len() == 1));
    assert!(matches!(ask("u==7,9,9", Some(21)), Plan::Gathered(all) if all.len() == 3), "the search takes out what comes twice");
    assert!(matches!(ask("u==7,8;s==\"off\"", Some(21)), Plan::Gathered(all) if all.len() == 2), "both are asked of both columns");
    assert!(matches!(ask("u==6,8;s==\"off\"", Some(21)), Plan::Gathered(all) if all.len() == 1));
    assert!(matches!(ask("u>5990", None), Plan::Gathered(all) if all.len() == 10), "what an index gives may be more than what passes");
    assert!(matches!(ask("s==\"on\"", Some(21)), Plan::Walk(Candidates::Types(_))));
    assert!(matches!(ask("u>5", Some(21)), Plan::Walk(Candidates::Types(_))), "most pass, so the first ones found will do");
    let on = Query::parse("s==\"on\"", &ld).unwrap().asks();
    let stretch = live.stretch(&Candidates::Types(vec![name("T")]), &on, Some("urn:x:00001"), Order::Up, 2);
    assert_eq!(stretch.found.iter().map(|e| &*e.id).collect::<Vec<_>>(), ["urn:x:00003", "urn:x:00006"]);
    assert_eq!((stretch.at.as_deref(), stretch.seen), (Some("urn:x:00006"), 5), "others are passed by without a look");
    let filter = Filter { q: Some(Query::parse("s==\"on\"", &ld).unwrap()), ..Filter::default() };
    let found = scan(&live, &filter, &Paging { limit: 3, count: true, ..Paging::default() }, 5).unwrap();
    assert_eq!((found.count, &*found.entities[1].id), (Some(2_000), "urn:x:00003"));
    assert_eq!(live.count_of(Some(&name("T"))), Some(6_000));
}
