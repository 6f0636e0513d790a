//! Values on their way into a statement, and rows on their way out.
//!
//! The set of types is the smallest that SQLite and PostgreSQL share: 64-bit integers, text, bytes.
//! Booleans are 0 and 1, times are microseconds since 1970 (BIGINT).

use std::sync::Arc;

use jiff::Timestamp;

use super::DbError;

/// One parameter or one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// BIGINT.
    Int(i64),
    /// TEXT.
    Text(String),
    /// BLOB (BYTEA).
    Blob(Vec<u8>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Int(_) => "an integer",
            Self::Text(_) => "text",
            Self::Blob(_) => "bytes",
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.to_owned())
    }
}

/// Microseconds since 1970; what is finer is cut off.
impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.as_microsecond())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A type that a field can be read as.
pub trait FromValue: Sized {
    /// What it reads, for the error message.
    const EXPECTED: &'static str;

    /// The value, or `None` if the field is of another type or out of range.
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for i64 {
    const EXPECTED: &'static str = "an integer";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(int) => Some(*int),
            _ => None,
        }
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "0 or 1";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(0) => Some(false),
            Value::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "text";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    const EXPECTED: &'static str = "bytes";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl FromValue for Timestamp {
    const EXPECTED: &'static str = "microseconds since 1970";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(micros) => Self::from_microsecond(*micros).ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// One row of an answer.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    pub(super) fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// The names of its fields, in the order of [`Row::into_values`].
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// All its fields.
    #[must_use]
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }

    /// The field of `column`, named as in the statement (`SELECT count(*) AS n` → `n`).
    ///
    /// # Errors
    /// [`DbError::Wrong`] if there is no such column or it holds another type.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T, DbError> {
        let Some(index) = self.columns.iter().position(|name| name == column) else {
            let columns = self.columns.join(", ");
            return Err(DbError::wrong(format!(
                "no column `{column}` in the answer, which has: {columns}"
            )));
        };
        let value = &self.values[index];
        T::from_value(value).ok_or_else(|| {
            let (expected, found) = (T::EXPECTED, value.kind());
            DbError::wrong(format!(
                "column `{column}` should hold {expected} and holds {found}"
            ))
        })
    }

    /// The bytes in `column`, where they are.
    #[cfg(feature = "distributed")]
    pub(crate) fn bytes(&self, column: &str) -> Result<&[u8], DbError> {
        let index = self.columns.iter().position(|name| name == column);
        match index.map(|index| &self.values[index]) {
            Some(Value::Blob(bytes)) => Ok(bytes),
            _ => Err(DbError::wrong(format!(
                "column `{column}` should hold bytes"
            ))),
        }
    }
}
