//! Our values, to PostgreSQL's and back.
//!
//! Parameters have the type of the value that is given first; where that is NULL, PostgreSQL finds one. Text may hold
//! any character here, and all but U+0000 there: it is written as U+10FFFF and `0`, and U+10FFFF, which is no character,
//! twice.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::db::{DbError, Value};

type Failed = Box<dyn Error + Sync + Send>;

const NUL: char = '\0';
const ESCAPE: char = '\u{10ffff}';

/// The type as which a parameter is declared.
pub(super) fn parameter_type(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    }
}

/// Whether a statement with parameters of these types takes these values.
pub(super) fn fits(types: &[Type], values: &[Value]) -> bool {
    let mut both = std::iter::zip(types, values);
    types.len() == values.len()
        && both.all(|(ty, value)| *value == Value::Null || *ty == parameter_type(value))
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(int) => int.to_sql(ty, out),
            Self::Text(text) if text.contains([NUL, ESCAPE]) => escaped(text).to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Blob(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        Ok(match *ty {
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => Self::Int(i16::from_sql(ty, raw)?.into()),
            Type::BOOL => Self::Int(bool::from_sql(ty, raw)?.into()),
            Type::BYTEA => Self::Blob(raw.to_owned()),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN => {
                Self::Text(unescaped(String::from_utf8(raw.to_owned())?))
            }
            Type::VOID => Self::Null,
            Type::NUMERIC | Type::FLOAT8 | Type::FLOAT4 => {
                return Err(
                    "a fraction; store integers, text or bytes, and cast sums to BIGINT".into(),
                );
            }
            ref other => return Err(format!("a `{other}`; store integers, text or bytes").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failed> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A field of a row.
pub(super) fn read(row: &tokio_postgres::Row, index: usize) -> Result<Value, DbError> {
    row.try_get(index).map_err(|error| {
        let column = row.columns()[index].name();
        let why = error.source().map(ToString::to_string).unwrap_or_default();
        DbError::wrong(format!("column `{column}` holds {why}"))
    })
}

fn escaped(text: &str) -> String {
    let text = text.replace(ESCAPE, "\u{10ffff}\u{10ffff}");
    text.replace(NUL, "\u{10ffff}0")
}

fn unescaped(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    // The doubled ones step aside first: what follows one of them is no part of an escape.
    let text = text.replace("\u{10ffff}\u{10ffff}", "\u{10ffff}1");
    let text = text.replace("\u{10ffff}0", "\0");
    text.replace("\u{10ffff}1", "\u{10ffff}")
}
