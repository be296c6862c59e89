//! Parameters and rows, the same on both engines. Instants are BIGINT microseconds, truth values BIGINT 0/1,
//! ids TEXT, JSON TEXT.

use dothi_kernel::{Error, Result, Timestamp};
use sea_orm::QueryResult;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// A bound value.
#[derive(Debug, Clone)]
pub struct Param(pub(crate) sea_orm::Value);

macro_rules! param {
    ($($t:ty => |$v:ident| $e:expr;)*) => { $(
        impl From<$t> for Param { fn from($v: $t) -> Self { Param($e) } }
        impl From<Option<$t>> for Param {
            fn from(value: Option<$t>) -> Self {
                match value {
                    Some($v) => Param($e),
                    None => Param::null_like(|$v: $t| $e),
                }
            }
        }
    )* };
}

impl Param {
    /// A typed null, because PostgreSQL wants to know the type.
    fn null_like<T: NullOf>(_: impl Fn(T) -> sea_orm::Value) -> Self {
        Param(T::null())
    }
    /// A JSON column's value.
    pub fn json(value: &impl serde::Serialize) -> Result<Self> {
        Ok(Param(serde_json::to_string(value).map_err(|e| Error::internal("writing JSON", e))?.into()))
    }
}

trait NullOf {
    fn null() -> sea_orm::Value;
}
macro_rules! null_of {
    ($($t:ty => $v:expr;)*) => { $(impl NullOf for $t { fn null() -> sea_orm::Value { $v } })* };
}
null_of! {
    &str => sea_orm::Value::String(None); String => sea_orm::Value::String(None); &String => sea_orm::Value::String(None);
    i64 => sea_orm::Value::BigInt(None); i32 => sea_orm::Value::BigInt(None); u32 => sea_orm::Value::BigInt(None); bool => sea_orm::Value::BigInt(None);
    f64 => sea_orm::Value::Double(None); Timestamp => sea_orm::Value::BigInt(None); Uuid => sea_orm::Value::String(None);
    Vec<u8> => sea_orm::Value::Bytes(None);
}
param! {
    &str => |v| v.into();
    String => |v| v.into();
    &String => |v| v.as_str().into();
    i64 => |v| v.into();
    i32 => |v| i64::from(v).into();
    u32 => |v| i64::from(v).into();
    bool => |v| i64::from(v).into();
    f64 => |v| v.into();
    Timestamp => |v| v.as_microsecond().into();
    Uuid => |v| v.to_string().into();
    Vec<u8> => |v| v.into();
}
impl From<u64> for Param {
    fn from(v: u64) -> Self {
        Param(i64::try_from(v).unwrap_or(i64::MAX).into())
    }
}
impl From<usize> for Param {
    fn from(v: usize) -> Self {
        Param(i64::try_from(v).unwrap_or(i64::MAX).into())
    }
}

/// One row of an answer; columns by name. A missing column or a wrong type is our fault (500).
#[derive(Debug)]
pub struct Row(pub(crate) QueryResult);

impl Row {
    fn get<T: sea_orm::TryGetable>(&self, column: &'static str) -> Result<T> {
        self.0.try_get("", column).map_err(|e| Error::internal("reading a column", e).with("column", column))
    }
    /// TEXT.
    pub fn text(&self, column: &'static str) -> Result<String> {
        self.get(column)
    }
    /// TEXT or null.
    pub fn opt_text(&self, column: &'static str) -> Result<Option<String>> {
        self.get(column)
    }
    /// BIGINT. Sums and counts too: write `cast(sum(x) as bigint)`.
    pub fn int(&self, column: &'static str) -> Result<i64> {
        self.get(column)
    }
    /// BIGINT or null.
    pub fn opt_int(&self, column: &'static str) -> Result<Option<i64>> {
        self.get(column)
    }
    /// DOUBLE PRECISION.
    pub fn real(&self, column: &'static str) -> Result<f64> {
        self.get(column)
    }
    /// DOUBLE PRECISION or null.
    pub fn opt_real(&self, column: &'static str) -> Result<Option<f64>> {
        self.get(column)
    }
    /// BYTEA.
    pub fn bytes(&self, column: &'static str) -> Result<Vec<u8>> {
        self.get(column)
    }
    /// BYTEA or null.
    pub fn opt_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>> {
        self.get(column)
    }
    /// BIGINT 0/1.
    pub fn flag(&self, column: &'static str) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }
    /// BIGINT microseconds.
    pub fn time(&self, column: &'static str) -> Result<Timestamp> {
        Ok(dothi_kernel::time::micros(self.int(column)?))
    }
    /// BIGINT microseconds or null.
    pub fn opt_time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        Ok(self.opt_int(column)?.map(dothi_kernel::time::micros))
    }
    /// TEXT holding a UUID.
    pub fn uuid(&self, column: &'static str) -> Result<Uuid> {
        self.text(column)?.parse().map_err(|e| Error::internal("reading an id", e).with("column", column))
    }
    /// TEXT holding a UUID, or null.
    pub fn opt_uuid(&self, column: &'static str) -> Result<Option<Uuid>> {
        self.opt_text(column)?.map(|t| t.parse().map_err(|e| Error::internal("reading an id", e).with("column", column))).transpose()
    }
    /// TEXT holding JSON.
    pub fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(|e| Error::internal("reading JSON", e).with("column", column))
    }
}
