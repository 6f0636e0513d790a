//! Writes rows: commas, quotes only where a reader needs them, `\n` at the end.

/// Appends a row to `out`.
pub fn write_row<'v>(out: &mut Vec<u8>, values: impl IntoIterator<Item = &'v str>) {
    let start = out.len();
    for (column, value) in values.into_iter().enumerate() {
        if column > 0 {
            out.push(b',');
        }
        write_value(out, value);
    }
    if out.len() == start {
        // One empty value: without quotes it would be a blank line, which is no row.
        out.extend_from_slice(b"\"\"");
    }
    out.push(b'\n');
}

/// Appends one value, in quotes where it must be.
pub fn write_value(out: &mut Vec<u8>, value: &str) {
    let needs_quotes = |byte: u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if !value.bytes().any(needs_quotes) {
        out.extend_from_slice(value.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in value.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
