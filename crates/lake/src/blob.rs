//! The bytes of a pending batch: one format byte, then an Arrow IPC stream compressed with zstd.

use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float64Builder, Int32Builder, RecordBatch, StringDictionaryBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{Float64Type, Int32Type, TimestampMicrosecondType};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use dothi_kernel::{Error, Observation, Result, Value};

use crate::schema::{PACKED, TABLE};

/// The first byte of a stored batch.
const FORMAT: u8 = 1;
/// Rows of one batch at most.
pub(crate) const BATCH_ROWS: usize = 10_000;
/// 1900-01-01 and 2200-01-01: outside is a broken clock, not history.
const EARLIEST: i64 = -2_208_988_800_000_000;
const LATEST: i64 = 7_258_118_400_000_000;

pub(crate) fn encode(batch: &[Observation]) -> Result<Vec<u8>> {
    if batch.len() > BATCH_ROWS {
        return Err(Error::invalid("history.batch", "A batch holds at most 10,000 observations.").with("rows", batch.len()));
    }
    if let Some(o) = batch.iter().find(|o| !(EARLIEST..LATEST).contains(&o.t)) {
        return Err(Error::invalid("history.time", "The time of an observation must lie between the years 1900 and 2200.").with("t", o.t));
    }
    let failed = |e| Error::internal("packing observations", e);
    let packed = pack(batch)?;
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).map_err(failed)?;
    let mut writer = StreamWriter::try_new_with_options(vec![FORMAT], &PACKED, options).map_err(failed)?;
    writer.write(&packed).map_err(failed)?;
    writer.into_inner().map_err(failed)
}

fn pack(batch: &[Observation]) -> Result<RecordBatch> {
    let n = batch.len();
    let mut strings: [StringDictionaryBuilder<Int32Type>; 6] = std::array::from_fn(|_| StringDictionaryBuilder::new());
    let (mut t, mut v, mut quality) = (TimestampMicrosecondBuilder::with_capacity(n), Float64Builder::with_capacity(n), Int32Builder::with_capacity(n));
    let [entity, kind, attribute, text, unit, area] = &mut strings;
    for o in batch {
        entity.append_value(&o.entity);
        kind.append_value(&o.kind);
        attribute.append_value(&o.attribute);
        t.append_value(o.t);
        match &o.value {
            Value::Number(x) if x.is_finite() => {
                v.append_value(*x);
                text.append_null();
            }
            // Neither JSON nor statistics know NaN; it stays readable as a word.
            Value::Number(x) => {
                v.append_null();
                text.append_value(x.to_string());
            }
            Value::Bool(b) => {
                v.append_value(f64::from(u8::from(*b)));
                text.append_value(if *b { "true" } else { "false" });
            }
            Value::Text(s) => {
                v.append_null();
                text.append_value(s);
            }
        }
        unit.append_option(o.unit.as_deref());
        quality.append_value(i32::from(o.quality));
        area.append_option(o.area.as_deref());
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(entity.finish()),
        Arc::new(kind.finish()),
        Arc::new(attribute.finish()),
        Arc::new(t.finish().with_timezone("UTC")),
        Arc::new(v.finish()),
        Arc::new(text.finish()),
        Arc::new(unit.finish()),
        Arc::new(quality.finish()),
        Arc::new(area.finish()),
    ];
    RecordBatch::try_new(PACKED.clone(), columns).map_err(|e| Error::internal("packing observations", e))
}

fn read(bytes: &[u8]) -> Result<RecordBatch> {
    let failed = |e| Error::internal("reading a pending batch", e);
    let body = match bytes.split_first() {
        Some((&FORMAT, body)) => body,
        _ => return Err(Error::internal("reading a pending batch", "unknown format")),
    };
    let reader = StreamReader::try_new(Cursor::new(body), None).map_err(failed)?;
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.collect::<std::result::Result<_, _>>().map_err(failed)?;
    let batch = concat_batches(&schema, &batches).map_err(failed)?;
    if batch.num_columns() < TABLE.fields().len() {
        return Err(Error::internal("reading a pending batch", "columns are missing"));
    }
    Ok(batch)
}

/// The batch as queries see it.
pub(crate) fn table(bytes: &[u8]) -> Result<RecordBatch> {
    let failed = |e| Error::internal("unpacking a pending batch", e);
    let batch = read(bytes)?;
    let columns: Vec<ArrayRef> = TABLE
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| cast(column, field.data_type()))
        .collect::<std::result::Result<_, _>>()
        .map_err(failed)?;
    RecordBatch::try_new(TABLE.clone(), columns).map_err(failed)
}

/// One shared string per dictionary entry, so that a batch does not hold 10,000 copies of a URN.
struct Words<'a> {
    array: &'a DictionaryArray<Int32Type>,
    words: Vec<Arc<str>>,
}

impl<'a> Words<'a> {
    fn new(column: &'a ArrayRef) -> Result<Self> {
        let wrong = || Error::internal("reading a pending batch", "a column is not a dictionary of strings");
        let array = column.as_dictionary_opt::<Int32Type>().ok_or_else(wrong)?;
        let values = array.values().as_string_opt::<i32>().ok_or_else(wrong)?;
        Ok(Self { array, words: values.iter().map(|w| Arc::from(w.unwrap_or_default())).collect() })
    }

    fn get(&self, row: usize) -> Option<Arc<str>> {
        self.array.key(row).and_then(|key| self.words.get(key)).cloned()
    }

    fn must(&self, row: usize) -> Result<Arc<str>> {
        self.get(row).ok_or_else(|| Error::internal("reading a pending batch", "a required text is missing"))
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Observation>> {
    let batch = read(bytes)?;
    let wrong = || Error::internal("reading a pending batch", "a column has another type");
    let [entity, kind, attribute, text, unit, area] = [0, 1, 2, 5, 6, 8].map(|i| Words::new(batch.column(i)));
    let (entity, kind, attribute, text, unit, area) = (entity?, kind?, attribute?, text?, unit?, area?);
    let t = batch.column(3).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
    let v = batch.column(4).as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
    let quality = batch.column(7).as_primitive_opt::<Int32Type>().ok_or_else(wrong)?;
    (0..batch.num_rows())
        .map(|i| {
            let number = v.is_valid(i).then(|| v.value(i));
            Ok(Observation {
                entity: entity.must(i)?,
                kind: kind.must(i)?,
                attribute: attribute.must(i)?,
                t: t.value(i),
                value: value(number, text.get(i)),
                unit: unit.get(i),
                quality: quality.value(i) as u16,
                area: area.get(i),
            })
        })
        .collect()
}

/// The value that the columns `v` and `text` stand for.
pub(crate) fn value(number: Option<f64>, text: Option<Arc<str>>) -> Value {
    match (number, text) {
        (Some(x), None) => Value::Number(x),
        (Some(x), Some(_)) => Value::Bool(x != 0.0),
        (None, Some(text)) => Value::Text(text),
        (None, None) => Value::Text("".into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn observations_survive() {
        let base = Observation {
            entity: "urn:ngsi-ld:AirQualityObserved:hy-aq-01".into(),
            kind: "AirQualityObserved".into(),
            attribute: "pm25".into(),
            t: 1_795_222_800_000_001,
            value: Value::Number(12.25),
            unit: Some("GQ".into()),
            quality: 17,
            area: None,
        };
        let batch = [
            base.clone(),
            Observation { value: Value::Bool(false), unit: None, ..base.clone() },
            Observation { value: Value::Bool(true), area: Some("12345".into()), ..base.clone() },
            Observation { value: Value::Text("đang mở".into()), t: -5, ..base.clone() },
            Observation { value: Value::Text("".into()), quality: u16::MAX, ..base.clone() },
        ];
        assert_eq!(decode(&encode(&batch).unwrap()).unwrap(), batch);
        assert_eq!(decode(&encode(&[]).unwrap()).unwrap(), []);
        let nan = Observation { value: Value::Number(f64::NAN), ..base.clone() };
        assert_eq!(decode(&encode(&[nan]).unwrap()).unwrap()[0].value, Value::Text("NaN".into()));
        let early = Observation { t: i64::MIN, ..base.clone() };
        assert_eq!(encode(&[early]).unwrap_err().code(), "history.time");
        assert_eq!(encode(&vec![base; BATCH_ROWS + 1]).unwrap_err().code(), "history.batch");
        assert_eq!(table(&encode(&batch).unwrap()).unwrap().num_rows(), 5);
        assert_eq!(decode(b"").unwrap_err().code(), "internal");
        assert_eq!(decode(&[FORMAT, 1, 2, 3]).unwrap_err().code(), "internal");
    }
}
