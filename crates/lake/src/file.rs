//! Parquet files: sorting rows into parts, writing them, and what the registry keeps about each.

use std::collections::HashMap;
use std::sync::LazyLock;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::{Float64Type, Int32Type, TimestampMicrosecondType};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;
use dothi_kernel::value::quality;
use dothi_kernel::{Error, Result};
use sha2::{Digest, Sha256};

use crate::part::Part;
use crate::schema::{ATTRIBUTE, COLUMNS, ENTITY, QUALITY, T, TABLE, day_of, duck_time};

/// What is known of one column of a file; texts as DuckLake keeps them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnStats {
    pub bytes: i64,
    pub nulls: i64,
    pub min: Option<String>,
    pub max: Option<String>,
}

/// A written file, not yet stored. No two of its rows have the same series and instant.
pub(crate) struct Written {
    pub part: Part,
    pub rows: usize,
    /// Taken away once they are stored.
    pub bytes: bytes::Bytes,
    pub size: usize,
    pub footer: i64,
    pub columns: Vec<ColumnStats>,
    /// Rows that only take a point away.
    pub tombstones: i64,
    pub sha256: String,
}

/// Longer texts are no bounds worth keeping.
const BOUND_LENGTH: usize = 256;

static PROPERTIES: LazyLock<WriterProperties> = LazyLock::new(|| {
    let t = ColumnPath::from("t");
    let sorting = [ENTITY, ATTRIBUTE, T].map(|i| SortingColumn { column_idx: i as i32, descending: false, nulls_first: false });
    let level = ZstdLevel::try_new(3).unwrap_or_default();
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("dothi ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(131_072))
        .set_data_page_row_count_limit(4_096)
        .set_write_batch_size(1_024)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_dictionary_enabled(t.clone(), false)
        .set_column_encoding(t, Encoding::DELTA_BINARY_PACKED)
        .set_sorting_columns(Some(sorting.to_vec()));
    // Nobody looks for a page by these, and the index of pages stands in memory.
    for column in ["type", "text", "unit", "quality", "area"] {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::Chunk);
    }
    builder.build()
});

/// Sorts rows by (part, entity, attribute, t) and writes a file for each part. The batches come in order of arrival:
/// of rows with the same series and instant the last is kept.
pub(crate) fn write_parts(batches: &[RecordBatch], part_of: impl Fn(i64) -> Part) -> Result<Vec<Written>> {
    let failed = |e| Error::internal("sorting observations", e);
    let all = concat_batches(&TABLE, batches).map_err(failed)?;
    let (order, parts) = order(&all, part_of)?;
    let mut files = Vec::new();
    let mut from = 0;
    while from < order.len() {
        let part = parts[from];
        let to = from + parts[from..].partition_point(|p| *p == part);
        let rows = take_record_batch(&all, &UInt32Array::from(order[from..to].to_vec())).map_err(failed)?;
        let mut file = FileWriter::new(part)?;
        file.push(&rows)?;
        files.push(file.finish()?);
        from = to;
    }
    Ok(files)
}

/// The rows by (entity, attribute, t); of rows with the same the last.
pub(crate) fn settled(rows: &RecordBatch) -> Result<RecordBatch> {
    let (order, _) = order(rows, |_| Part { from: 0, to: 0 })?;
    take_record_batch(rows, &UInt32Array::from(order)).map_err(|e| Error::internal("sorting observations", e))
}

/// The order of rows, and the part of each in that order.
fn order(all: &RecordBatch, part_of: impl Fn(i64) -> Part) -> Result<(Vec<u32>, Vec<Part>)> {
    let wrong = || Error::internal("sorting observations", "a column has another type");
    let entity = all.column(ENTITY).as_string_view_opt().ok_or_else(wrong)?;
    let attribute = all.column(ATTRIBUTE).as_string_view_opt().ok_or_else(wrong)?;
    let t = all.column(T).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
    let mut numbers: HashMap<(&str, &str), u32> = HashMap::new();
    let mut series = Vec::with_capacity(all.num_rows());
    for i in 0..all.num_rows() {
        let next = numbers.len() as u32;
        series.push(*numbers.entry((entity.value(i), attribute.value(i))).or_insert(next));
    }
    let mut names: Vec<_> = numbers.into_iter().collect();
    names.sort_unstable();
    let mut rank = vec![0u32; names.len()];
    for (at, (_, number)) in (0u32..).zip(&names) {
        rank[*number as usize] = at;
    }
    let mut days: HashMap<i64, Part> = HashMap::new();
    let mut keys: Vec<(Part, u32, i64, u32)> = (0u32..)
        .zip(series)
        .map(|(i, s)| {
            let t = t.value(i as usize);
            let part = *days.entry(day_of(t)).or_insert_with_key(|day| part_of(*day));
            (part, rank[s as usize], t, i)
        })
        .collect();
    keys.sort_unstable();
    // Of equals the one that arrived last stays.
    keys.reverse();
    keys.dedup_by_key(|k| (k.0, k.1, k.2));
    keys.reverse();
    Ok((keys.iter().map(|k| k.3).collect(), keys.iter().map(|k| k.0).collect()))
}

/// Writes one file, batch by batch; the rows must come sorted and settled.
pub(crate) struct FileWriter {
    part: Part,
    writer: ArrowWriter<Vec<u8>>,
    rows: usize,
    tombstones: i64,
    extents: Vec<Extent>,
    nulls: Vec<i64>,
}

/// Least and greatest value of a column so far.
enum Extent {
    Time(Option<(i64, i64)>),
    Int(Option<(i32, i32)>),
    Real(Option<(f64, f64)>),
    Word(Option<(String, String)>),
}

impl Extent {
    fn of(duck_type: &str) -> Self {
        match duck_type {
            "timestamptz" => Self::Time(None),
            "int32" => Self::Int(None),
            "float64" => Self::Real(None),
            _ => Self::Word(None),
        }
    }

    fn widen(&mut self, column: &ArrayRef) -> Result<()> {
        let wrong = || Error::internal("measuring a file", "a column has another type");
        fn wider<X: PartialOrd + Copy>(have: &mut Option<(X, X)>, items: impl Iterator<Item = X>) {
            for x in items {
                *have = Some(have.map_or((x, x), |(lo, hi)| (if x < lo { x } else { lo }, if x > hi { x } else { hi })));
            }
        }
        match self {
            Self::Time(have) => wider(have, column.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?.iter().flatten()),
            Self::Int(have) => wider(have, column.as_primitive_opt::<Int32Type>().ok_or_else(wrong)?.iter().flatten()),
            Self::Real(have) => wider(have, column.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?.iter().flatten()),
            Self::Word(have) => {
                let mut found: Option<(&str, &str)> = None;
                wider(&mut found, column.as_string_view_opt().ok_or_else(wrong)?.iter().flatten());
                if let Some((lo, hi)) = found {
                    match have {
                        None => *have = Some((lo.to_string(), hi.to_string())),
                        Some((l, h)) => {
                            if lo < l.as_str() {
                                *l = lo.to_string();
                            }
                            if hi > h.as_str() {
                                *h = hi.to_string();
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn texts(self) -> (Option<String>, Option<String>) {
        fn both<X>(pair: Option<(X, X)>, show: impl Fn(X) -> String) -> (Option<String>, Option<String>) {
            pair.map_or((None, None), |(lo, hi)| (Some(show(lo)), Some(show(hi))))
        }
        match self {
            Self::Time(pair) => both(pair, duck_time),
            Self::Int(pair) => both(pair, |x| x.to_string()),
            Self::Real(pair) => both(pair, |x| format!("{x:?}")),
            Self::Word(pair) => {
                let short = |s: String| (s.len() <= BOUND_LENGTH).then_some(s);
                pair.map_or((None, None), |(lo, hi)| (short(lo), short(hi)))
            }
        }
    }
}

impl FileWriter {
    pub fn new(part: Part) -> Result<Self> {
        let writer = ArrowWriter::try_new(Vec::new(), TABLE.clone(), Some(PROPERTIES.clone())).map_err(|e| Error::internal("writing a Parquet file", e))?;
        let extents = COLUMNS.iter().map(|c| Extent::of(c.duck_type)).collect();
        Ok(Self { part, writer, rows: 0, tombstones: 0, extents, nulls: vec![0; COLUMNS.len()] })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        for ((column, extent), nulls) in rows.columns().iter().zip(&mut self.extents).zip(&mut self.nulls) {
            extent.widen(column)?;
            *nulls += column.null_count() as i64;
        }
        let flags = rows.column(QUALITY).as_primitive_opt::<Int32Type>().ok_or_else(|| Error::internal("measuring a file", "a column has another type"))?;
        self.tombstones += flags.values().iter().filter(|q| **q & i32::from(quality::DELETED) != 0).count() as i64;
        self.rows += rows.num_rows();
        self.writer.write(rows).map_err(|e| Error::internal("writing a Parquet file", e))
    }

    pub fn finish(mut self) -> Result<Written> {
        let metadata = self.writer.finish().map_err(|e| Error::internal("writing a Parquet file", e))?;
        let bytes = std::mem::take(self.writer.inner_mut());
        let mut sizes = vec![0i64; COLUMNS.len()];
        for group in metadata.row_groups() {
            for (column, size) in group.columns().iter().zip(&mut sizes) {
                *size += column.compressed_size();
            }
        }
        let columns = self
            .extents
            .into_iter()
            .zip(self.nulls)
            .zip(sizes)
            .map(|((extent, nulls), bytes)| {
                let (min, max) = extent.texts();
                ColumnStats { bytes, nulls, min, max }
            })
            .collect();
        // A file ends with the length of its footer and the mark PAR1.
        let length: [u8; 4] = bytes
            .len()
            .checked_sub(8)
            .and_then(|at| bytes.get(at..at + 4))
            .and_then(|b| b.try_into().ok())
            .ok_or_else(|| Error::internal("writing a Parquet file", "no footer"))?;
        let sha256 = digest(&bytes);
        let footer = i64::from(u32::from_le_bytes(length));
        Ok(Written { part: self.part, rows: self.rows, size: bytes.len(), bytes: bytes.into(), footer, columns, tombstones: self.tombstones, sha256 })
    }
}

/// The checksum the registry keeps of a file.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
