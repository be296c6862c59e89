//! Parquet files: sorting rows into days, writing them, and what the registry keeps about each.

use std::collections::HashMap;
use std::sync::LazyLock;

use datafusion::arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::{Float64Type, Int32Type, TimestampMicrosecondType};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;
use dothi_kernel::{Error, Result};

use crate::schema::{ATTRIBUTE, COLUMNS, DAY_US, ENTITY, T, TABLE, day_of, duck_time};

/// What is known of one column of a file; texts as DuckLake keeps them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnStats {
    pub bytes: i64,
    pub nulls: i64,
    pub min: Option<String>,
    pub max: Option<String>,
}

/// A written file, not yet stored.
pub(crate) struct Written {
    pub day: i64,
    pub rows: usize,
    pub bytes: bytes::Bytes,
    pub footer: i64,
    pub columns: Vec<ColumnStats>,
}

/// Longer texts are no bounds worth keeping.
const BOUND_LENGTH: usize = 256;

static PROPERTIES: LazyLock<WriterProperties> = LazyLock::new(|| {
    let t = ColumnPath::from("t");
    let sorting = [ENTITY, ATTRIBUTE, T].map(|i| SortingColumn { column_idx: i as i32, descending: false, nulls_first: false });
    let level = ZstdLevel::try_new(3).unwrap_or_default();
    WriterProperties::builder()
        .set_created_by(concat!("dothi ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(131_072))
        .set_data_page_row_count_limit(8_192)
        .set_write_batch_size(1_024)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_dictionary_enabled(t.clone(), false)
        .set_column_encoding(t, Encoding::DELTA_BINARY_PACKED)
        .set_sorting_columns(Some(sorting.to_vec()))
        .build()
});

/// Sorts rows by (day, entity, attribute, t, order of arrival) and writes a file per day. The batches come in order
/// of arrival; that order survives among rows of the same series and instant.
pub(crate) fn write_days(batches: &[RecordBatch]) -> Result<Vec<Written>> {
    let failed = |e| Error::internal("sorting observations", e);
    let all = concat_batches(&TABLE, batches).map_err(failed)?;
    let (order, days) = sorted(&all)?;
    let mut files = Vec::new();
    let mut from = 0;
    while from < order.len() {
        let day = days[from];
        let to = from + days[from..].partition_point(|d| *d == day);
        let rows = take_record_batch(&all, &UInt32Array::from(order[from..to].to_vec())).map_err(failed)?;
        files.push(write(day, &rows)?);
        from = to;
    }
    Ok(files)
}

/// The order of rows, and the day of each in that order.
fn sorted(all: &RecordBatch) -> Result<(Vec<u32>, Vec<i64>)> {
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
    let mut keys: Vec<(i64, u32, i64, u32)> =
        (0u32..).zip(series).map(|(i, s)| (day_of(t.value(i as usize)), rank[s as usize], t.value(i as usize), i)).collect();
    keys.sort_unstable();
    Ok((keys.iter().map(|k| k.3).collect(), keys.iter().map(|k| k.0).collect()))
}

fn write(day: i64, rows: &RecordBatch) -> Result<Written> {
    let failed = |e| Error::internal("writing a Parquet file", e);
    let mut columns = stats(rows)?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, TABLE.clone(), Some(PROPERTIES.clone())).map_err(failed)?;
    writer.write(rows).map_err(failed)?;
    let metadata = writer.close().map_err(failed)?;
    for group in metadata.row_groups() {
        for (column, stats) in group.columns().iter().zip(&mut columns) {
            stats.bytes += column.compressed_size();
        }
    }
    // A file ends with the length of its footer and the mark PAR1.
    let length: [u8; 4] = bytes
        .len()
        .checked_sub(8)
        .and_then(|at| bytes.get(at..at + 4))
        .and_then(|b| b.try_into().ok())
        .ok_or_else(|| Error::internal("writing a Parquet file", "no footer"))?;
    Ok(Written { day, rows: rows.num_rows(), bytes: bytes.into(), footer: i64::from(u32::from_le_bytes(length)), columns })
}

fn stats(rows: &RecordBatch) -> Result<Vec<ColumnStats>> {
    let wrong = || Error::internal("measuring a file", "a column has another type");
    COLUMNS
        .iter()
        .zip(rows.columns())
        .map(|(def, column)| {
            let (min, max) = match def.duck_type {
                "timestamptz" => {
                    let a = column.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
                    let (min, max) = bounds(a.iter().flatten());
                    (min.map(duck_time), max.map(duck_time))
                }
                "float64" => {
                    let a = column.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
                    let (min, max) = a
                        .iter()
                        .flatten()
                        .fold((None, None), |(lo, hi): (Option<f64>, Option<f64>), x| (Some(lo.map_or(x, |y| y.min(x))), Some(hi.map_or(x, |y| y.max(x)))));
                    (min.map(|x| format!("{x:?}")), max.map(|x| format!("{x:?}")))
                }
                "int32" => {
                    let a = column.as_primitive_opt::<Int32Type>().ok_or_else(wrong)?;
                    let (min, max) = bounds(a.iter().flatten());
                    (min.map(|x| x.to_string()), max.map(|x| x.to_string()))
                }
                _ => {
                    let a = column.as_string_view_opt().ok_or_else(wrong)?;
                    let (min, max) = bounds(a.iter().flatten());
                    let short = |s: Option<&str>| s.filter(|s| s.len() <= BOUND_LENGTH).map(str::to_string);
                    (short(min), short(max))
                }
            };
            Ok(ColumnStats { bytes: 0, nulls: column.null_count() as i64, min, max })
        })
        .collect()
}

fn bounds<X: Ord + Copy>(items: impl Iterator<Item = X>) -> (Option<X>, Option<X>) {
    items.fold((None, None), |(lo, hi), x| (Some(lo.map_or(x, |y: X| y.min(x))), Some(hi.map_or(x, |y: X| y.max(x)))))
}

/// Where a new file of a day goes, relative to the table's folder.
pub(crate) fn name(day: i64, id: uuid::Uuid) -> String {
    format!("day={}/{id}.parquet", crate::schema::day_name(day))
}

/// The day that [`name`] wrote into a path.
pub(crate) fn day_in(path: &str) -> Option<i64> {
    let day = path.strip_prefix("day=")?.split('/').next()?;
    let at: jiff::Timestamp = format!("{day}T00:00:00Z").parse().ok()?;
    Some(day_of(at.as_microsecond()))
}

/// First and last instant of a day.
pub(crate) fn day_range(day: i64) -> (i64, i64) {
    (day.saturating_mul(DAY_US), day.saturating_add(1).saturating_mul(DAY_US))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_day_survives_in_a_path() {
        for day in [0, -1, 20_778] {
            assert_eq!(super::day_in(&super::name(day, uuid::Uuid::nil())), Some(day));
        }
        assert_eq!(super::day_in("else/x.parquet"), None);
    }
}
