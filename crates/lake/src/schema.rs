//! The one table of the lake, `observation`, as Arrow, Parquet and DuckLake see it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// Id of the table in the DuckLake catalog.
pub(crate) const TABLE_ID: i64 = 1;
/// Microseconds of a UTC day.
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// A column of `observation`. Its position + 1 is its DuckLake column id and Parquet field id: only append here.
pub(crate) struct ColumnDef {
    pub name: &'static str,
    pub duck_type: &'static str,
    pub nullable: bool,
}

pub(crate) const ENTITY: usize = 0;
pub(crate) const TYPE: usize = 1;
pub(crate) const ATTRIBUTE: usize = 2;
pub(crate) const T: usize = 3;
pub(crate) const V: usize = 4;
pub(crate) const TEXT: usize = 5;
pub(crate) const QUALITY: usize = 7;

pub(crate) const COLUMNS: &[ColumnDef] = &[
    ColumnDef { name: "entity", duck_type: "varchar", nullable: false },
    ColumnDef { name: "type", duck_type: "varchar", nullable: false },
    ColumnDef { name: "attribute", duck_type: "varchar", nullable: false },
    ColumnDef { name: "t", duck_type: "timestamptz", nullable: false },
    // A truth value has both: v is 0 or 1, text is false or true.
    ColumnDef { name: "v", duck_type: "float64", nullable: true },
    ColumnDef { name: "text", duck_type: "varchar", nullable: true },
    ColumnDef { name: "unit", duck_type: "varchar", nullable: true },
    ColumnDef { name: "quality", duck_type: "int32", nullable: false },
    ColumnDef { name: "area", duck_type: "varchar", nullable: true },
];

/// What queries and Parquet files see: strings as views.
pub(crate) static TABLE: LazyLock<SchemaRef> = LazyLock::new(|| build(DataType::Utf8View));

/// What a pending batch holds: strings by dictionary.
pub(crate) static PACKED: LazyLock<SchemaRef> = LazyLock::new(|| build(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))));

fn build(strings: DataType) -> SchemaRef {
    let fields: Vec<Field> = COLUMNS
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let kind = match column.duck_type {
                "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                "float64" => DataType::Float64,
                "int32" => DataType::Int32,
                _ => strings.clone(),
            };
            let id = HashMap::from([("PARQUET:field_id".to_string(), (i + 1).to_string())]);
            Field::new(column.name, kind, column.nullable).with_metadata(id)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// Day since 1970 of an instant, UTC.
pub(crate) fn day_of(t: i64) -> i64 {
    t.div_euclid(DAY_US)
}

/// `2026-11-21`.
pub(crate) fn day_name(day: i64) -> String {
    let at = dothi_kernel::time::micros(day.saturating_mul(DAY_US));
    at.strftime("%Y-%m-%d").to_string()
}

/// An instant as DuckDB reads TIMESTAMPTZ; of one length, so that texts sort like instants.
pub(crate) fn duck_time(t: i64) -> String {
    dothi_kernel::time::micros(t).strftime("%Y-%m-%d %H:%M:%S.%6f+00").to_string()
}

/// Reads what [`duck_time`] wrote.
pub(crate) fn parse_duck_time(text: &str) -> Option<i64> {
    let stamp: jiff::Timestamp = text.replacen(' ', "T", 1).replace("+00", "Z").parse().ok()?;
    Some(stamp.as_microsecond())
}

#[cfg(test)]
mod tests {
    #[test]
    fn instants_survive() {
        for t in [0, 1, -1, 1_795_222_800_000_000, 1_795_222_800_123_450, -2_208_988_800_000_000] {
            assert_eq!(super::parse_duck_time(&super::duck_time(t)), Some(t), "{}", super::duck_time(t));
        }
        assert_eq!(super::duck_time(1_795_222_800_500_000), "2026-11-21 01:00:00.500000+00");
        assert_eq!(super::day_name(super::day_of(-1)), "1969-12-31");
    }
}
