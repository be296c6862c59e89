//! The sheet and its wire format against a reader of their own: what a screen has after a snapshot and any changes is
//! what a fresh snapshot gives.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::sheet::{Cell, Seen, Sheet, Shown, Words};
use super::wire;

/// A row as a screen has it.
#[derive(Debug, Clone, PartialEq, Default)]
struct Row {
    id: String,
    flags: u8,
    lon: i64,
    lat: i64,
    value: Option<i64>,
}

/// What a screen knows.
#[derive(Debug, Clone, PartialEq, Default)]
struct Screen {
    epoch: u64,
    version: u64,
    words: Vec<String>,
    rows: Vec<Row>,
}

/// A reader written from the description in docs/features/map.md, not from the writer.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        *first
    }
    fn number(&mut self) -> u64 {
        let (mut n, mut place) = (0u64, 0);
        loop {
            let byte = self.byte();
            n |= u64::from(byte & 127) << place;
            if byte < 128 {
                return n;
            }
            place += 7;
        }
    }
    fn signed(&mut self) -> i64 {
        let n = self.number();
        if n & 1 == 0 { (n / 2) as i64 } else { -(n.div_ceil(2) as i64) }
    }
    fn text(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }
    fn head(&mut self, kind: u8) -> (u64, u64, Vec<String>) {
        assert_eq!((self.text(4), self.byte()), (b"DTM1".to_vec(), kind));
        let (epoch, version, _digits) = (self.number(), self.number(), self.byte());
        let words = (0..self.number())
            .map(|_| {
                let length = self.number();
                String::from_utf8(self.text(length)).unwrap()
            })
            .collect();
        (epoch, version, words)
    }
    fn ids(&mut self, n: u64) -> Vec<String> {
        let mut before = Vec::new();
        (0..n)
            .map(|_| {
                let (shared, own) = (self.number() as usize, self.number());
                before.truncate(shared);
                before.extend(self.text(own));
                String::from_utf8(before.clone()).unwrap()
            })
            .collect()
    }
    fn columns(&mut self, n: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = (0..n).map(|_| Row { flags: self.byte(), ..Row::default() }).collect();
        let (mut lon, mut lat) = (0, 0);
        for row in &mut rows {
            lon += self.signed();
            row.lon = lon;
        }
        for row in &mut rows {
            lat += self.signed();
            row.lat = lat;
        }
        for row in &mut rows {
            row.value = match row.flags >> 2 & 3 {
                1 => Some(self.signed()),
                2 => Some(self.number() as i64),
                _ => None,
            };
        }
        rows
    }
}

impl Screen {
    fn snapshot(bytes: &[u8]) -> Self {
        let mut reader = Reader(bytes);
        let (epoch, version, words) = reader.head(1);
        let n = reader.number();
        let ids = reader.ids(n);
        let rows = ids.into_iter().zip(reader.columns(n as usize)).map(|(id, row)| Row { id, ..row }).collect();
        assert!(reader.0.is_empty());
        Self { epoch, version, words, rows }
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut reader = Reader(bytes);
        let (epoch, version, words) = reader.head(2);
        assert_eq!((epoch, reader.number(), reader.number()), (self.epoch, self.version, self.rows.len() as u64));
        let (new, changed) = (reader.number(), reader.number());
        let mut next = 0;
        let numbers: Vec<usize> = (0..changed)
            .map(|_| {
                next += reader.number() as usize + 1;
                next - 1
            })
            .collect();
        let ids = reader.ids(new);
        let mut rows = reader.columns((changed + new) as usize).into_iter();
        for n in numbers {
            let id = std::mem::take(&mut self.rows[n].id);
            self.rows[n] = Row { id, ..rows.next().unwrap() };
        }
        self.rows.extend(ids.into_iter().zip(rows).map(|(id, row)| Row { id, ..row }));
        assert!(reader.0.is_empty());
        (self.version, self.words) = (version, words);
    }
}

fn seen(lon: i32, lat: i32, value: Option<Shown>, state: u8) -> Seen {
    Seen { lon: f64::from(lon) / 1e5, lat: f64::from(lat) / 1e5, value, state, doubtful: state == 2 && lat % 2 == 0 }
}

/// What there is at a look: up to thirty things that come, change, move and go.
fn looks() -> impl Strategy<Value = Vec<Vec<(u8, i16, u8, u8)>>> {
    let thing = (0u8..30, -300i16..300, 0u8..12, 0u8..3);
    prop::collection::vec(prop::collection::vec(thing, 0..30), 1..20)
}

proptest! {
    #[test]
    fn a_snapshot_and_changes_are_a_snapshot(looks in looks(), skip in prop::collection::vec(any::<bool>(), 20)) {
        let mut sheet = Sheet::new(77, 1);
        let mut screens: Vec<Screen> = Vec::new();
        for (look, skip) in looks.iter().zip(skip) {
            let things: std::collections::BTreeMap<u8, (i16, u8, u8)> = look.iter().map(|(id, a, b, c)| (*id, (*a, *b, *c))).collect();
            let before = sheet.version;
            sheet.look(things.iter().map(|(id, (lon, value, state))| {
                let shown = match value { 0 => None, v @ 1..=4 => Some(Shown::Word(format!("trạng thái {v}"))), v => Some(Shown::Number(f64::from(*v) * 7.5 - 40.0)) };
                (format!("urn:ngsi-ld:Đèn:{id:03}").into(), seen(i32::from(*lon) * 10, i32::from(*value), shown, *state))
            }));
            let now = Screen::snapshot(&wire::snapshot(&sheet));
            // What is there now is what was seen, in whichever rows.
            let alive: Vec<&str> = { let mut ids: Vec<&str> = now.rows.iter().filter(|r| r.flags & 16 == 0).map(|r| r.id.as_str()).collect(); ids.sort_unstable(); ids };
            let wanted: Vec<String> = things.keys().map(|id| format!("urn:ngsi-ld:Đèn:{id:03}")).collect();
            prop_assert_eq!(alive, wanted);
            // Every screen, however far behind, comes to the same.
            for screen in &mut screens {
                if skip && screen.version != before {
                    continue;
                }
                match wire::changes(&sheet, screen.version) {
                    Some(bytes) => screen.take(&bytes),
                    None => *screen = now.clone(),
                }
                prop_assert_eq!(&*screen, &now);
            }
            screens.push(now);
        }
    }
}

/// The sheet of the golden file.
fn fixed() -> (Sheet, u64) {
    let mut sheet = Sheet::new(1_795_219_200_000_000, 1);
    let word = |w: &str| Some(Shown::Word(w.into()));
    let mut things = vec![
        ("urn:ngsi-ld:Air:0001".into(), seen(10_634_000, 2_045_000, Some(Shown::Number(35.54)), 0)),
        ("urn:ngsi-ld:Air:0002".into(), seen(10_634_120, 2_044_990, Some(Shown::Number(-1.0)), 1)),
        ("urn:ngsi-ld:Air:0010".into(), seen(10_500_000, 2_150_001, None, 2)),
        ("urn:ngsi-ld:Đèn:1".into(), seen(10_633_999, -5, word("hỏng"), 0)),
    ];
    sheet.look(things.clone());
    let first = sheet.version;
    things[0].1.value = Some(Shown::Number(1_234.5));
    things[3].1.value = word("sáng");
    things.remove(1);
    things.push(("urn:ngsi-ld:Đèn:2".into(), seen(10_634_001, 2_045_001, word("sáng"), 0)));
    sheet.look(things);
    (sheet, first)
}

#[test]
fn the_wire_format_holds_still() {
    let (sheet, first) = fixed();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut words = Words::default();
    let on = words.cell(Some(&Shown::Word("sáng".into())), 1);
    let frames = [vec![(0, Cell::Number(355)), (3, on)], vec![(0, Cell::Number(350)), (2, Cell::Number(-7))], vec![(0, Cell::None), (3, Cell::None)]];
    let frames = wire::frames((sheet.epoch, sheet.version, sheet.lines.len()), 1, &words, (1_795_219_200_000, 60_000), &frames);
    let made = serde_json::json!({
        "snapshot": hex(&wire::snapshot(&sheet)), "changes": hex(&wire::changes(&sheet, first).unwrap()), "frames": hex(&frames),
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/livemap.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(&made).unwrap())).unwrap();
    }
    let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(made, golden, "the format changed: screens that are open will not understand it; count the version up");
}

#[test]
fn values_that_cannot_go_out_are_none() {
    let mut words = Words::default();
    for x in [f64::NAN, f64::INFINITY, 1e300] {
        assert_eq!(words.cell(Some(&Shown::Number(x)), 0), Cell::None);
    }
    assert_eq!(words.cell(Some(&Shown::Number(0.05)), 1), Cell::Number(1));
    for n in 0..300 {
        words.cell(Some(&Shown::Word(format!("w{n}"))), 0);
    }
    assert_eq!((words.0.len(), words.cell(Some(&Shown::Word("w299".into())), 0)), (250, Cell::None));
}

#[test]
fn a_sheet_of_the_gone_wears_out() {
    let mut sheet = Sheet::new(1, 0);
    let things = |n: usize| (0..n).map(|i| (format!("urn:x:{i:05}").into(), seen(0, 0, None, 0))).collect::<Vec<_>>();
    sheet.look(things(3_000));
    sheet.look(things(2_000));
    assert!(!sheet.worn());
    sheet.look(things(1_900));
    assert!(sheet.worn());
    sheet.look(things(3_000));
    assert!(!sheet.worn(), "they came back");
    assert_eq!(sheet.lines.len(), 3_000);
}
