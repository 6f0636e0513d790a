//! What comes back from files of every shape, in whatever pieces they arrive.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Everything that a reader said about a file.
#[derive(Debug, Default, Clone, PartialEq)]
struct Whole {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    problems: Vec<RowProblem>,
    /// After each row or problem.
    places: Vec<Place>,
    error: Option<RowProblem>,
}

fn drain(reader: &mut Reader, file: &[u8], piece_bytes: usize) -> Whole {
    let mut whole = Whole::default();
    let mut pieces = file.chunks(piece_bytes.max(1)).peekable();
    let mut input = pieces.next().unwrap_or_default();
    loop {
        match reader.read(&mut input, pieces.peek().is_none()) {
            Ok(Read::Row(row)) => whole.rows.push(row.values().map(str::to_owned).collect()),
            Ok(Read::Problem(problem)) => whole.problems.push(problem),
            Ok(Read::Hungry) => {
                input = pieces.next().expect("hungry at the end of the file");
                continue;
            }
            Ok(Read::End) => break,
            Err(error) => {
                whole.error = Some(error);
                break;
            }
        }
        whole.places.push(reader.place());
    }
    whole.columns = reader
        .layout()
        .map(|layout| layout.columns.clone())
        .unwrap_or_default();
    whole
}

fn small() -> Limits {
    Limits {
        field_bytes_max: 40,
        row_bytes_max: 100,
        columns_max: 5,
    }
}

/// The whole file, after checking that the pieces in which it arrives make no difference.
#[track_caller]
fn read(file: &[u8]) -> Whole {
    let whole = drain(&mut Reader::new(small()), file, usize::MAX);
    for piece_bytes in 1..=file.len().min(9) {
        let pieces = drain(&mut Reader::new(small()), file, piece_bytes);
        assert_eq!(pieces, whole, "in pieces of {piece_bytes}");
    }
    whole
}

#[track_caller]
fn check(file: &str, columns: &[&str], rows: &[&[&str]]) {
    let whole = read(file.as_bytes());
    assert_eq!(
        (&whole.problems, &whole.error),
        (&vec![], &None),
        "{file:?}"
    );
    assert_eq!(whole.columns, columns, "{file:?}");
    assert_eq!(whole.rows, rows, "{file:?}");
}

#[test]
fn files_as_the_field_has_them() {
    let one: &[&[&str]] = &[&["a@example.com", "Anna"]];
    let columns = &["email", "name"];
    check("email,name\na@example.com,Anna\n", columns, one);
    check("email,name\r\na@example.com,Anna\r\n", columns, one);
    check("email,name\ra@example.com,Anna", columns, one);
    check("email;name\na@example.com;Anna", columns, one);
    check("email\tname\na@example.com\tAnna", columns, one);
    check("\u{feff}email,name\na@example.com,Anna", columns, one);
    check(
        "\u{feff}\"email\",\"name\"\n\"a@example.com\",Anna",
        columns,
        one,
    );
    check(
        "\n\r\n email , name \n\na@example.com,Anna\n\n",
        columns,
        one,
    );
    check("email,name,,\na@example.com,Anna,,\n", columns, one);
    check("email,name\n", columns, &[]);
    check("email,name", columns, &[]);
    check("email", &["email"], &[]);
}

#[test]
fn separators_line_breaks_and_quotes_in_values() {
    check(
        "id,note\n1,\"a, b\"\n2,\"two\r\nlines\"\n3,\"she said \"\"no\"\"\"\n4,\"\"\n5, kept as it is \n",
        &["id", "note"],
        &[
            &["1", "a, b"],
            &["2", "two\r\nlines"],
            &["3", "she said \"no\""],
            &["4", ""],
            &["5", " kept as it is "],
        ],
    );
    check("id;note\n1;a, b\n", &["id", "note"], &[&["1", "a, b"]]);
    check("\"a,b,c\";d\n1;2\n", &["a,b,c", "d"], &[&["1", "2"]]);
    check("size\n5\" pipe\n", &["size"], &[&["5\" pipe"]]);
}

#[test]
fn a_wrong_row_says_where_and_the_next_is_read() {
    let file = b"email,name,age\n\
        a@example.com,Anna\n\
        b@example.com,Bo,7,extra\n\
        c@example.com,C\xff,8\n\
        d@example.com,D\x00,8\n\
        e@example.com,0123456789012345678901234567890123456789x,8\n\
        \"f@example.com\",01234567890123456789012345678901234567890123456789,012345678901234567890123456789012345678901234567890\n\
        1,2,3,4,5,6,7\n\
        g@example.com,Gil,9\n";
    let whole = read(file);
    assert_eq!(whole.rows, [["g@example.com", "Gil", "9"]]);
    assert_eq!(whole.error, None);
    let found: Vec<_> = whole
        .problems
        .iter()
        .map(|p| (p.row, p.column.as_deref(), &p.message[..15]))
        .collect();
    assert_eq!(
        found,
        [
            (2, Some("age"), "is missing: the"),
            (3, Some("4"), "is one value to"),
            (4, Some("name"), "is not UTF-8: s"),
            (5, Some("name"), "has a zero byte"),
            (6, Some("name"), "is 41 bytes lon"),
            (7, None, "is longer than "),
            (8, None, "has more than 5"),
        ]
    );
    assert_eq!(
        whole.problems[0].to_string(),
        "row 2, column `age`: is missing: the row has 2 values, the header 3 columns"
    );
}

#[test]
fn what_ends_a_file() {
    for (file, row, column, message) in [
        (&b""[..], 1, None, "the file is empty"),
        (b"\n\n", 1, None, "the file is empty"),
        (b"\xef\xbb\xbf", 1, None, "the file is empty"),
        (b"a,,b\n", 1, Some("2"), "has no name"),
        (b"a,b,a\n", 1, Some("3"), "has the same name as column 1"),
        (b",,\n", 1, None, "the header names no column"),
        (b"a,\xff\n", 1, Some("2"), "is not UTF-8"),
        (b"a,b,c,d,e,f,g\n", 1, None, "has more than 5 values"),
        (&[b'a'; 200], 1, None, "the header is longer than 100 bytes"),
        (b"\xff\xfea\0,\0b\0", 1, None, "the file is UTF-16"),
        (
            b"\x1f\x8b\x08\0\0\0",
            1,
            None,
            "the file is compressed (gzip)",
        ),
        (b"PK\x03\x04....", 1, None, "the file is a spreadsheet"),
        (b"a,\"b\n1,2\n", 1, Some("2"), "a quote that opens here"),
        (
            b"a,b\n1,2\n3,\"4\n5,6\n",
            3,
            Some("b"),
            "a quote that opens here",
        ),
        (b"a,b\n1,\"", 2, Some("b"), "a quote that opens here"),
    ] {
        let whole = read(file);
        let error = whole.error.expect("it cannot be read");
        assert_eq!(
            (error.row, error.column.as_deref()),
            (row, column),
            "{file:?}"
        );
        assert!(error.message.starts_with(message), "{}", error.message);
    }
}

#[test]
fn a_quote_that_is_never_closed_costs_no_memory() {
    let mut file = b"a,b\n1,\"".to_vec();
    file.resize(100_000, b'x');
    let mut reader = Reader::new(small());
    let whole = drain(&mut reader, &file, 4_096);
    assert_eq!(whole.error.expect("never closed").row, 2);
    assert!(whole.rows.is_empty() && whole.problems.is_empty());
}

#[test]
fn columns_are_found_by_name() {
    let layout = Layout {
        delimiter: Delimiter::Comma,
        columns: ["Email", "EMAIL", "Name", "name ☆"]
            .map(str::to_owned)
            .into(),
    };
    for (name, column) in [
        ("Email", Some(0)),
        ("EMAIL", Some(1)),
        ("email", None),
        ("NAME", Some(2)),
        ("name ☆", Some(3)),
        ("phone", None),
    ] {
        assert_eq!(layout.column(name), column, "{name}");
    }
}

#[test]
fn a_row_is_written_so_that_it_is_read_back() {
    let mut out = Vec::new();
    for row in [
        &["plain", "ü ☆"][..],
        &["a,b", "say \"x\""],
        &["two\nlines", ""],
        &["", ""],
        &[""],
    ] {
        write_row(&mut out, row.iter().copied());
    }
    let expected = "plain,ü ☆\n\"a,b\",\"say \"\"x\"\"\"\n\"two\nlines\",\n,\n\"\"\n";
    assert_eq!(String::from_utf8(out).expect("text"), expected);
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z@.]{0,12}",
        "[ ,;\t\"\r\n\u{feff}ü☆a]{0,12}",
        any::<String>().prop_map(|text| text.chars().filter(|c| *c != '\0').take(9).collect()),
    ]
}

#[test]
fn fuzz_what_is_written_is_read_back_in_any_pieces_and_from_any_row() {
    let rows = (1usize..5).prop_flat_map(|width| (vec(vec(value(), width), 0..8), Just(width)));
    fuzzing::run(&(rows, 1usize..40), |((rows, width), piece_bytes)| {
        let names: Vec<String> = (0..width)
            .map(|column| format!("column {column}"))
            .collect();
        let mut file = Vec::new();
        write_row(&mut file, names.iter().map(String::as_str));
        for row in &rows {
            write_row(&mut file, row.iter().map(String::as_str));
        }
        let mut reader = Reader::new(Limits::default());
        let whole = drain(&mut reader, &file, piece_bytes);
        prop_assert_eq!(&whole.error, &None);
        prop_assert_eq!(&whole.problems, &vec![]);
        prop_assert_eq!(&whole.columns, &names);
        prop_assert_eq!(&whole.rows, &rows);
        let layout = reader.layout().expect("the header was read");
        for (read, place) in whole.places.iter().enumerate() {
            let rest = &file[usize::try_from(place.offset).expect("a small file")..];
            let mut resumed = Reader::resume(Limits::default(), layout.clone(), *place);
            let whole = drain(&mut resumed, rest, piece_bytes);
            prop_assert_eq!(&whole.rows, &rows[read + 1..]);
            prop_assert_eq!(resumed.place().row, rows.len() as u64 + 1);
        }
        Ok(())
    });
}

#[test]
fn fuzz_any_bytes_are_read_alike_in_any_pieces() {
    let byte = prop_oneof![
        Just(b','),
        Just(b'"'),
        Just(b'\n'),
        Just(b'\r'),
        Just(b'a'),
        Just(b';'),
        any::<u8>(),
    ];
    fuzzing::run(&(vec(byte, 0..400), 1usize..50), |(file, piece_bytes)| {
        let whole = drain(&mut Reader::new(small()), &file, usize::MAX);
        let pieces = drain(&mut Reader::new(small()), &file, piece_bytes);
        prop_assert_eq!(&whole, &pieces);
        let rows = whole.rows.len() + whole.problems.len();
        prop_assert_eq!(rows, whole.places.len());
        Ok(())
    });
}
