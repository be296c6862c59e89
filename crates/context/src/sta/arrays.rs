//! `CreateObservations` (clause 12.2): many observations as rows. Rows are read straight into readings; no general JSON
//! value is made of a number, truth value or text.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use dothi_kernel::{Caller, Result, Value as Measured};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::find;
use super::insert::feature_for;
use super::measure::{Beside, Pattern, arrival, feature_named, measured};
use super::model::{Id, Kind, Span, instant};
use super::node::{Extra, JOIN, Node};
use super::{bad, render};
use crate::Context;
use crate::model::Reading;
use crate::writer::BATCH_OBSERVATIONS;

/// Observations of one request.
const MOST: usize = 200_000;

#[derive(Deserialize)]
struct Group<'a> {
    #[serde(rename = "Datastream")]
    stream: Reference,
    #[serde(borrow)]
    components: Vec<Cow<'a, str>>,
    #[serde(rename = "dataArray", borrow)]
    rows: &'a RawValue,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "@iot.id")]
    id: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Component {
    Phenomenon,
    Result,
    ResultTime,
    Quality,
    Valid,
    Parameters,
    Feature,
}

impl Component {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "phenomenonTime" => Component::Phenomenon,
            "result" => Component::Result,
            "resultTime" => Component::ResultTime,
            "resultQuality" => Component::Quality,
            "validTime" => Component::Valid,
            "parameters" => Component::Parameters,
            "FeatureOfInterest/id" | "FeatureOfInterest/@iot.id" => Component::Feature,
            _ => return None,
        })
    }
}

/// One value of a row.
enum Cell<'de> {
    Number(f64),
    Bool(bool),
    Text(Cow<'de, str>),
    Other(Value),
}

impl<'de> Deserialize<'de> for Cell<'de> {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Cell<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, v: bool) -> std::result::Result<Cell<'de>, E> {
                Ok(Cell::Bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> std::result::Result<Cell<'de>, E> {
                Ok(Cell::Number(v as f64))
            }
            fn visit_u64<E>(self, v: u64) -> std::result::Result<Cell<'de>, E> {
                Ok(Cell::Number(v as f64))
            }
            fn visit_f64<E>(self, v: f64) -> std::result::Result<Cell<'de>, E> {
                Ok(Cell::Number(v))
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> std::result::Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> std::result::Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Owned(v.to_string())))
            }
            fn visit_unit<E>(self) -> std::result::Result<Cell<'de>, E> {
                Ok(Cell::Other(Value::Null))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> std::result::Result<Cell<'de>, A::Error> {
                Value::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Cell::Other)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> std::result::Result<Cell<'de>, A::Error> {
                Value::deserialize(de::value::MapAccessDeserializer::new(map)).map(Cell::Other)
            }
        }
        from.deserialize_any(Reader)
    }
}

impl Cell<'_> {
    fn json(self) -> Value {
        match self {
            Cell::Number(n) => n.into(),
            Cell::Bool(b) => b.into(),
            Cell::Text(t) => t.into_owned().into(),
            Cell::Other(v) => v,
        }
    }
}

/// A row as it was read.
#[derive(Default)]
struct Row {
    t: Option<i64>,
    value: Option<Measured>,
    result_time: Option<i64>,
    /// Boxed: most rows have none.
    extra: Option<Box<Extra>>,
    wrong: bool,
}

/// Reads rows with known components.
struct Rows<'c> {
    components: &'c [Component],
    room: usize,
}

struct OneRow<'c>(&'c [Component]);

impl<'de> DeserializeSeed<'de> for OneRow<'_> {
    type Value = Row;
    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> std::result::Result<Row, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OneRow<'_> {
    type Value = Row;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Row, A::Error> {
        let mut row = Row::default();
        for component in self.0 {
            match seq.next_element::<Cell<'de>>()? {
                Some(cell) => row.take(*component, cell),
                None => row.wrong = true,
            }
        }
        while seq.next_element::<de::IgnoredAny>()?.is_some() {
            row.wrong = true;
        }
        row.wrong |= row.value.is_none();
        Ok(row)
    }
}

impl Row {
    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    fn take(&mut self, component: Component, cell: Cell<'_>) {
        match (component, cell) {
            (Component::Result, Cell::Number(n)) if n.is_finite() => self.value = Some(Measured::Number(n)),
            (Component::Result, Cell::Bool(b)) => self.value = Some(Measured::Bool(b)),
            (Component::Result, cell) => {
                let (value, whole) = measured(cell.json());
                self.value = Some(value);
                if whole.is_some() {
                    self.extra().result = whole;
                }
            }
            (_, Cell::Other(Value::Null)) => {}
            (Component::Phenomenon, Cell::Text(text)) => match instant(&text) {
                Some(t) => self.t = Some(t),
                None => match Span::read(&text) {
                    Some(span) => {
                        self.t = Some(span.from);
                        self.extra().phenomenon = Some(span.text());
                    }
                    None => self.wrong = true,
                },
            },
            (Component::ResultTime, Cell::Text(text)) => {
                self.result_time = instant(&text);
                self.wrong |= self.result_time.is_none();
            }
            (Component::Valid, Cell::Text(text)) => match Span::read(&text) {
                Some(span) => self.extra().valid = Some(span.text()),
                None => self.wrong = true,
            },
            (Component::Quality, cell) => self.extra().quality = Some(cell.json()),
            (Component::Parameters, Cell::Other(value @ Value::Object(_))) => self.extra().parameters = Some(value),
            (Component::Feature, cell) => match cell {
                Cell::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => self.extra().feature = Some((n as i64).to_string()),
                Cell::Text(text) => self.extra().feature = Some(text.into_owned()),
                _ => self.wrong = true,
            },
            _ => self.wrong = true,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = Vec<Row>;
    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> std::result::Result<Vec<Row>, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = Vec<Row>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Vec<Row>, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = seq.next_element_seed(OneRow(self.components))? {
            if rows.len() >= self.room {
                return Err(de::Error::custom("too many rows"));
            }
            rows.push(row);
        }
        Ok(rows)
    }
}

/// Rows of one Datastream, ready to be stored.
struct Ready {
    stream: Node,
    rows: Vec<Row>,
    /// Their times; none for faulty ones.
    times: Vec<Option<i64>>,
}

fn ready(this: &Context, group: &Group<'_>, room: usize, now: i64) -> Result<Ready> {
    let id = Id::of_json(&group.stream.id).ok_or_else(|| bad("The id of a Datastream is a number or a text."))?;
    let components: Vec<Component> = group
        .components
        .iter()
        .map(|name| Component::named(name).ok_or_else(|| bad(format!("There is no component {:?}.", crate::fault::cut(name)))))
        .collect::<Result<_>>()?;
    let twice = components.iter().enumerate().any(|(i, c)| components[..i].contains(c));
    if twice || !components.contains(&Component::Result) {
        return Err(bad("The components must name the result, and none of them twice."));
    }
    let mut from = serde_json::Deserializer::from_str(group.rows.get());
    let rows = Rows { components: &components, room }.deserialize(&mut from).map_err(|e| bad(format!("The dataArray is not a list of rows: {e}.")))?;
    let Some(stream) = find::get(this, Kind::Datastream, &id, now) else {
        // None of the rows can be stored.
        return Ok(Ready { times: vec![None; rows.len()], stream: Node::Quantity("".into()), rows });
    };
    let mut next = arrival(&stream, now);
    let mut ready = Ready { times: Vec::with_capacity(rows.len()), stream, rows };
    for row in &mut ready.rows {
        if let Some(named) = row.extra.as_ref().and_then(|e| e.feature.as_deref())
            && feature_named(this, &Id::of_plain(named), now).is_err()
        {
            row.wrong = true;
        }
        ready.times.push((!row.wrong).then(|| {
            row.t.unwrap_or_else(|| {
                next += 1;
                next - 1
            })
        }));
    }
    Ok(ready)
}

/// Stores the observations of a body; for each its address, or `error`.
pub(crate) async fn create_observations(this: &Context, caller: &Caller, base: &str, body: &[u8]) -> Result<String> {
    let now = caller.now.as_microsecond();
    let groups: Vec<Group<'_>> = serde_json::from_slice(body).map_err(|e| bad(format!("The body is not a list of data arrays: {e}.")))?;
    let (mut all, mut room) = (Vec::with_capacity(groups.len()), MOST);
    for group in &groups {
        let ready = ready(this, group, room, now)?;
        room -= ready.rows.len().min(room);
        all.push(ready);
    }
    let plain = Extra::default();
    let mut readings: Vec<Reading> = Vec::with_capacity(MOST - room);
    let mut answer = String::with_capacity((MOST - room) * (base.len() + 48) + 2);
    answer.push('[');
    for ready in &mut all {
        let rows = ready.rows.iter().zip(&ready.times).filter_map(|(r, t)| Some(((*t)?, r.result_time, r.extra.as_deref().unwrap_or(&plain))));
        Beside::of(this, &ready.stream, rows).save(this, caller, &ready.stream).await?;
        let stated = ready.rows.iter().all(|r| r.extra.as_ref().is_some_and(|e| e.feature.is_some()));
        if !stated && matches!(ready.stream, Node::Own(..)) {
            feature_for(this, caller, &ready.stream).await?;
        }
        let pattern = Pattern::of(&ready.stream);
        let link = format!("\"{base}/Observations('{}{JOIN}", render::encoded(&ready.stream.id().plain().replace('\'', "''")));
        for (row, t) in ready.rows.iter_mut().zip(&ready.times) {
            if answer.len() > 1 {
                answer.push(',');
            }
            match (t, row.value.take(), &pattern) {
                (Some(t), Some(value), Some(pattern)) => {
                    readings.push(pattern.reading(*t, value));
                    answer.push_str(&link);
                    // Writing into a String does not fail.
                    let _ = write!(answer, "{t}')\"");
                }
                _ => answer.push_str("\"error\""),
            }
        }
    }
    answer.push(']');
    // Stored side by side: the writer joins what has queued into one transaction.
    let mut waiting = Vec::new();
    while !readings.is_empty() {
        let rest = readings.split_off(readings.len().min(BATCH_OBSERVATIONS));
        waiting.push(this.ingest(caller, std::mem::replace(&mut readings, rest)));
    }
    for done in futures::future::join_all(waiting).await {
        done?;
    }
    Ok(answer)
}
