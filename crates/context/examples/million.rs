//! Memory and speed of the live state: builds many entities as stored documents would be read, and asks for some.
//! `cargo run --release -p dothi-context --example million [entities]`
#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use dothi_context::geoq::GeoQuery;
use dothi_context::ld::Ld;
use dothi_context::live::Live;
use dothi_context::model::{Attr, AttrKind, DEFAULT_VOCAB, Entity, Iri, LOCATION, Names};
use dothi_context::q::Query;
use dothi_context::query::{Filter, Paging, scan};
use dothi_context::select::TypeSelector;
use dothi_context::val::Val;

const NOW: i64 = 1_795_222_800_000_000;

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|s| s.split(' ').nth(1).and_then(|n| n.parse::<usize>().ok()));
    pages.unwrap_or_default() * 4_096
}

fn name(word: &str) -> Iri {
    format!("{DEFAULT_VOCAB}{word}").into()
}

/// Three to eight attributes: a name, a place and measurements.
fn made(n: u64) -> Entity {
    let kind = ["StreetLight", "ParkingSpot", "AirQualityObserved", "WasteContainer", "WaterMeter"][(n % 5) as usize];
    let mut entity = Entity::new(format!("urn:ngsi-ld:{kind}:HCM-{n:07}").into(), vec![name(kind)], NOW);
    let (x, y) = ((n * 7_919 % 100_003) as f64 / 100_003.0, (n * 104_729 % 99_991) as f64 / 99_991.0);
    entity.attrs.push((name("name"), Attr::new(AttrKind::Property, format!("Điểm số {n}").as_str(), NOW).into()));
    entity.attrs.push((LOCATION.into(), Attr::new(AttrKind::GeoProperty, Val::from_point(106.3 + x, 10.4 + y), NOW).into()));
    entity.attrs.push((name("state"), Attr::new(AttrKind::Property, ["ok", "fault", "off"][(n % 3) as usize], NOW).into()));
    for (i, word) in ["temperature", "level", "power", "battery", "humidity"].iter().enumerate().take((n % 6) as usize) {
        let mut attr = Attr::new(AttrKind::Property, (n.wrapping_mul(31 + i as u64) % 10_000) as f64 / 100.0, NOW);
        attr.set_observed(Some(NOW));
        attr.set_unit(Some("CEL".into()));
        entity.attrs.push((name(word), attr.into()));
    }
    entity
}

fn main() -> Result<(), Box<dyn Error>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |n| n.parse())?;
    let (names, before) = (Names::default(), resident());
    let (mut entities, mut parsing, mut bytes) = (Vec::new(), std::time::Duration::ZERO, 0);
    for n in 0..count {
        let source = made(n);
        let doc = serde_json::to_string(&source)?;
        bytes += doc.len();
        let begun = Instant::now();
        let mut entity: Entity = serde_json::from_str(&doc)?;
        entity.id = source.id.clone();
        entity.intern(&names);
        entities.push(Arc::new(entity));
        parsing += begun.elapsed();
    }
    let held = resident() - before;
    println!("{count} documents of {} bytes, read in {parsing:.1?}; {} bytes an entity", bytes as u64 / count, held as u64 / count);
    let (live, begun) = (Live::default(), Instant::now());
    live.load(entities);
    println!("taken over in {:.1?}; {} bytes an entity with indexes", begun.elapsed(), (resident() - before) as u64 / count);
    let ld = Ld::default();
    let ask = |what: &str, kind: Option<&str>, q: Option<&str>, near: bool, counted: bool| -> Result<(), Box<dyn Error>> {
        let filter = Filter {
            types: kind.map(|k| TypeSelector::parse(k, &ld)).transpose()?,
            q: q.map(|q| Query::parse(q, &ld)).transpose()?,
            geo: near.then(|| GeoQuery::new("near;maxDistance==2000", "Point", &serde_json::json!([106.7, 10.77]), None)).transpose()?,
            ..Filter::default()
        };
        let (begun, rounds) = (Instant::now(), 50);
        let mut found = None;
        for _ in 0..rounds {
            found = Some(scan(&live, &filter, &Paging { limit: 20, count: counted, ..Paging::default() }, NOW)?);
        }
        let found = found.map(|f| (f.entities.len(), f.count));
        println!("{what}: {:.0} µs, found {found:?}", begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
        Ok(())
    };
    for round in ["first", "with indexes"] {
        println!("-- {round}");
        ask("type", Some("WasteContainer"), None, false, false)?;
        ask("type, counted", Some("WasteContainer"), None, false, true)?;
        ask("type and equality", Some("AirQualityObserved"), Some("temperature==41.5"), false, false)?;
        ask("type and range", Some("AirQualityObserved"), Some("temperature>99.9"), false, false)?;
        ask("type and text", Some("StreetLight"), Some("state==\"fault\""), false, false)?;
        ask("type, equality and place", Some("StreetLight"), Some("state==\"fault\""), true, true)?;
        std::thread::sleep(std::time::Duration::from_secs(if round == "first" { 30 } else { 0 }));
    }
    println!("{} bytes an entity with indexes of attributes", (resident() - before) as u64 / count);
    let begun = Instant::now();
    let writes = 10_000.min(count);
    for n in 0..writes {
        let entity = made(n * (count / writes));
        live.apply(&HashMap::from([(entity.id.clone(), Some(Arc::new(entity)))]));
    }
    println!("a change: {:.1} µs", begun.elapsed().as_secs_f64() * 1e6 / writes as f64);
    Ok(())
}
