//! Takes records out of a stream of bytes, one at a time and each of bounded length: lines of CSV (a quoted cell may
//! hold line ends), lines of JSON, or items of a JSON array. A record that is too long is told and skipped.

use std::io::{self, BufRead, BufReader, Read};

/// Longest record in bytes. Data arrays of SensorThings hold many rows in one.
pub const MAX_RECORD: usize = 8 << 20;

/// How records stand in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// CSV with a head line.
    Csv,
    /// One JSON value a line.
    Lines,
    /// JSON objects one after another, or the items of an array.
    Items,
}

impl Shape {
    /// What the first bytes of a file say.
    pub fn of(start: &[u8]) -> Self {
        let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
        let text = start.trim_ascii_start();
        match text.first() {
            Some(b'[') => Shape::Items,
            Some(b'{') => {
                let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
                let whole = serde_json::from_slice::<serde::de::IgnoredAny>(line.trim_ascii()).is_ok();
                if whole { Shape::Lines } else { Shape::Items }
            }
            _ => Shape::Csv,
        }
    }
}

/// A record and the line it begins in (from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Line.
    pub line: u64,
    /// Bytes, without the line end; none when it was too long.
    pub bytes: Option<Vec<u8>>,
}

/// Records of a stream.
pub struct Records<R> {
    input: BufReader<R>,
    shape: Shape,
    line: u64,
    most: usize,
    first: bool,
}

impl<R: Read> Records<R> {
    /// Reads records of this shape.
    pub fn new(input: R, shape: Shape) -> Self {
        Self::bounded(input, shape, MAX_RECORD)
    }

    /// The same with another bound on their length.
    pub fn bounded(input: R, shape: Shape, most: usize) -> Self {
        Self { input: BufReader::with_capacity(64 << 10, input), shape, line: 1, most, first: true }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        if std::mem::take(&mut self.first) {
            // A mark of UTF-8 at the beginning is no part of the first name.
            if self.input.fill_buf()?.starts_with(b"\xEF\xBB\xBF") {
                self.input.consume(3);
            }
        }
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn step(&mut self, byte: u8) {
        self.input.consume(1);
        self.line += u64::from(byte == b'\n');
    }

    /// The rest of the line is of no use.
    fn skip_line(&mut self) -> io::Result<()> {
        while let Some(byte) = self.peek()? {
            self.step(byte);
            if byte == b'\n' {
                break;
            }
        }
        Ok(())
    }

    fn next_line(&mut self) -> io::Result<Option<Record>> {
        let (mut line, mut bytes, mut quoted) = (self.line, Vec::new(), false);
        loop {
            let Some(byte) = self.peek()? else {
                let rest = bytes.trim_ascii().is_empty();
                return Ok((!rest).then_some(Record { line, bytes: Some(bytes) }));
            };
            self.step(byte);
            if byte == b'\n' && !quoted {
                if bytes.last() == Some(&b'\r') {
                    bytes.pop();
                }
                if !bytes.trim_ascii().is_empty() {
                    return Ok(Some(Record { line, bytes: Some(bytes) }));
                }
                bytes.clear();
                line = self.line;
                continue;
            }
            quoted ^= byte == b'"' && self.shape == Shape::Csv;
            if bytes.len() >= self.most {
                if byte != b'\n' {
                    self.skip_line()?;
                }
                return Ok(Some(Record { line, bytes: None }));
            }
            bytes.push(byte);
        }
    }

    fn next_item(&mut self) -> io::Result<Option<Record>> {
        loop {
            match self.peek()? {
                None => return Ok(None),
                Some(b'{') => break,
                Some(byte) if byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b']') => self.step(byte),
                Some(_) => return self.odd(),
            }
        }
        let (line, mut bytes, mut depth, mut text, mut escaped) = (self.line, Vec::new(), 0usize, false, false);
        while let Some(byte) = self.peek()? {
            self.step(byte);
            if bytes.len() >= self.most {
                self.skip_line()?;
                return Ok(Some(Record { line, bytes: None }));
            }
            bytes.push(byte);
            if text {
                text = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
                continue;
            }
            match byte {
                b'"' => text = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Ok(Some(Record { line, bytes: Some(bytes) }));
                    }
                }
                _ => {}
            }
        }
        Ok(Some(Record { line, bytes: Some(bytes) }))
    }

    /// Something that is no object: up to the next comma or line.
    fn odd(&mut self) -> io::Result<Option<Record>> {
        let (line, mut bytes) = (self.line, Vec::new());
        while let Some(byte) = self.peek()? {
            if matches!(byte, b',' | b'\n' | b'{' | b'[' | b']') {
                break;
            }
            self.step(byte);
            if bytes.len() < self.most {
                bytes.push(byte);
            }
        }
        Ok(Some(Record { line, bytes: Some(bytes) }))
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.shape {
            Shape::Csv | Shape::Lines => self.next_line(),
            Shape::Items => self.next_item(),
        }
        .transpose()
    }
}

/// The cells of a line of CSV (RFC 4180): `""` inside quotes is a quote.
pub fn cells(line: &str, delimiter: char) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                cell.push('"');
                rest.next();
            }
            '"' if quoted || cell.trim().is_empty() => {
                if !quoted {
                    cell.clear();
                }
                quoted = !quoted;
            }
            c if c == delimiter && !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, shape: Shape, most: usize) -> Vec<(u64, Option<String>)> {
        Records::bounded(text.as_bytes(), shape, most).map(|r| r.unwrap()).map(|r| (r.line, r.bytes.map(|b| String::from_utf8(b).unwrap()))).collect()
    }

    #[test]
    fn records_and_their_lines() {
        let some = |line: u64, text: &str| (line, Some(text.to_string()));
        assert_eq!(all("\u{FEFF}a,b\r\n1,\"x\ny\"\n\n3,4", Shape::Csv, 100), [some(1, "a,b"), some(2, "1,\"x\ny\""), some(5, "3,4")]);
        assert_eq!(
            all("[{\"a\":\"}]\\\"\"},\n {\"b\":[{}]}\n, 7]\n", Shape::Items, 100),
            [some(1, "{\"a\":\"}]\\\"\"}"), some(2, "{\"b\":[{}]}"), some(3, "7")]
        );
        assert_eq!(all("{\"a\":1}\n{bad\n{\"a\":2}\n", Shape::Lines, 100).len(), 3);
        assert_eq!(all("ok\nfar too long\nok", Shape::Csv, 5), [some(1, "ok"), (2, None), some(3, "ok")]);
        assert_eq!(all("\"never closed\nx\nok\n", Shape::Csv, 8), [(1, None), some(2, "x"), some(3, "ok")]);
        for (start, shape) in [("a;b\n", Shape::Csv), (" [{", Shape::Items), ("{\"a\":1}\n{", Shape::Lines), ("{\n\"a\":1}", Shape::Items), ("", Shape::Csv)] {
            assert_eq!(Shape::of(start.as_bytes()), shape, "{start}");
        }
    }

    #[test]
    fn cells_of_a_line() {
        assert_eq!(cells("a,\"b,\"\"c\"\"\", d,", ','), ["a", "b,\"c\"", " d", ""]);
        assert_eq!(cells("a;b", ';'), ["a", "b"]);
        assert_eq!(cells("", ','), [""]);
    }
}
