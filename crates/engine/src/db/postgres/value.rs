//! Our values and placeholders, to PostgreSQL's and back.
//!
//! Parameters have the type of the value that is given first; where that is NULL, PostgreSQL finds one. Text may hold
//! any character here, and all but U+0000 there: it is written as U+10FFFF and `0`, and U+10FFFF, which is no character,
//! twice.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::db::{DbError, Value};

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
    types.len() == values.len()
        && types
            .iter()
            .zip(values)
            .all(|(declared, value)| *value == Value::Null || *declared == parameter_type(value))
}

impl ToSql for Value {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Int(int) => out.extend_from_slice(&int.to_be_bytes()),
            Self::Text(text) if text.contains([NUL, ESCAPE]) => {
                out.extend_from_slice(escaped(text).as_bytes());
            }
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Blob(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
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

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
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
    let mut characters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        plain.push(match character {
            ESCAPE if characters.next() == Some('0') => NUL,
            other => other,
        });
    }
    plain
}
