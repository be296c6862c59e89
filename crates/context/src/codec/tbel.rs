//! ThingsBoard's converter language (TBEL) for the engine that runs makers' codecs.
//!
//! TBEL looks like JavaScript with a few words of Java in it. What differs in form is written anew here, piece by piece
//! and without a grammar: a tokenizer, and a look at the pieces around each one. What differs in meaning (bytes with a
//! sign, methods of lists and maps, TBEL's own functions) is in `tbel.js`. A form that cannot be written anew is refused
//! with its line; nothing is guessed.
//!
//! | TBEL | becomes |
//! |---|---|
//! | `a.?b` | `a?.b` |
//! | `foreach (x : list)`, `for (T x : list)` | `for (var x of $each(list))` |
//! | `int x = …`, `String s`, `def f(…)` | `var x = …`, `var s`, `function f(…)` |
//! | `(int) x`, `(char) x` | `~~x`, `$char(x)` |
//! | `list.size()`, `map.entrySet()`, … | `list.$size()`, … |
//! | `list.size`, `map.keys` | `list.$_size`, `map.$_keys` |
//! | `java.util.ArrayList` | `$ArrayList` |
//! | `x === null` | `x == null` |
//! | `10L`, `1.5f` | `10`, `1.5` |

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use dothi_kernel::{Error, Result};

/// What TBEL's scripts find around them.
pub(super) const PRELUDE: &str = include_str!("tbel.js");

/// Methods of lists, maps and texts that JavaScript has not, or has with another meaning.
const METHODS: &[&str] = &[
    "size",
    "length",
    "isEmpty",
    "get",
    "getOrDefault",
    "set",
    "put",
    "putAll",
    "putIfAbsent",
    "containsKey",
    "containsValue",
    "contains",
    "includes",
    "containsAll",
    "keys",
    "keySet",
    "values",
    "entrySet",
    "getKey",
    "getValue",
    "setValue",
    "add",
    "addAll",
    "remove",
    "clear",
    "sort",
    "toSorted",
    "toReversed",
    "equals",
    "equalsIgnoreCase",
    "replace",
    "replaceAll",
    "replaceFirst",
    "matches",
    "split",
    "toString",
    "intValue",
    "longValue",
    "doubleValue",
    "floatValue",
];
/// The same without brackets.
const PROPERTIES: &[&str] = &["size", "keys", "empty"];
/// Words before a name that declare it.
const TYPES: &[&str] = &[
    "int",
    "byte",
    "short",
    "long",
    "double",
    "float",
    "boolean",
    "char",
    "String",
    "Integer",
    "Long",
    "Double",
    "Float",
    "Boolean",
    "Byte",
    "Object",
    "List",
    "Map",
    "ArrayList",
    "HashMap",
    "Set",
    "Date",
    "def",
    "final",
    "var",
];
/// Objects whose methods are functions and not those of a list or a map.
const STATICS: &[&str] = &["Math", "JSON", "String", "Integer", "Long", "Double", "Float", "Boolean", "Byte", "Objects", "Date", "$Arrays"];
/// JavaScript's words that are names in TBEL.
const RESERVED: &[&str] = &["class", "enum", "export", "extends", "super", "debugger", "with", "typeof", "void", "yield", "static"];
/// Classes of Java that are known.
const CLASSES: &[&str] =
    &["Arrays", "ArrayList", "List", "Map", "HashMap", "LinkedHashMap", "String", "Integer", "Long", "Double", "Float", "Number", "Boolean"];

/// Pieces that are looked at around one piece; keeps the time in proportion to the length.
const AROUND: usize = 500;
/// How deep `{` may nest.
const DEPTH: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// White space and comments.
    Space,
    Word,
    Number,
    Text,
    Sign,
}

#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    kind: Kind,
    text: &'a str,
    line: u32,
}

/// Writes a TBEL script as the body of a JavaScript function. 422 `codec.failed` names the line of a form that has no
/// counterpart. The result is at most a few times as long as the source.
pub(super) fn translate(source: &str) -> Result<String> {
    let pieces = pieces(source)?;
    let solid: Vec<usize> = (0..pieces.len()).filter(|i| pieces[*i].kind != Kind::Space).collect();
    let (mut open, mut closes) = (Vec::new(), HashMap::new());
    for (n, piece) in solid.iter().map(|i| &pieces[*i]).enumerate().filter(|(_, piece)| piece.kind == Kind::Sign) {
        match piece.text {
            "(" | "[" => open.push(n),
            ")" | "]" => closes.extend(open.pop().map(|from| (from, n))),
            _ => {}
        }
    }
    let writer = Writer {
        solid,
        pieces: &pieces,
        closes,
        instead: HashMap::new(),
        after: HashMap::new(),
        frames: vec![Frame { function: true, names: HashSet::new() }],
        body: false,
    };
    writer.write(source.len())
}

fn refused(line: u32, words: &str) -> Error {
    Error::unprocessable("codec.failed", format!("line {line}: {words}"))
}

fn pieces(source: &str) -> Result<Vec<Piece<'_>>> {
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let (kind, length) = match first {
            c if c.is_whitespace() => (Kind::Space, rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len())),
            '/' if rest.starts_with("//") => (Kind::Space, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => match rest[2..].find("*/") {
                Some(end) => (Kind::Space, end + 4),
                None => return Err(refused(line, "a comment that does not end")),
            },
            '"' | '\'' => (Kind::Text, quoted(rest, first).ok_or_else(|| refused(line, "a text that does not end"))?),
            c if c.is_ascii_digit() => (Kind::Number, number(rest)),
            c if c.is_alphabetic() || c == '_' || c == '$' => {
                (Kind::Word, rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len()))
            }
            _ => {
                let sign =
                    ["===", "!==", ">>>", "==", "!=", "<=", ">=", "&&", "||", "++", "--", "+=", "-=", ".?", ">>", "<<"].iter().find(|s| rest.starts_with(**s));
                (Kind::Sign, sign.map_or(first.len_utf8(), |s| s.len()))
            }
        };
        let text = &rest[..length];
        found.push(Piece { kind, text, line });
        line += text.matches('\n').count() as u32;
        at += length;
    }
    Ok(found)
}

fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(i + 1),
            _ => {}
        }
    }
    None
}

fn number(rest: &str) -> usize {
    let mut previous = ' ';
    let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
    for (i, c) in rest.char_indices() {
        let exponent = !hexadecimal && matches!(previous, 'e' | 'E') && matches!(c, '+' | '-');
        // A point belongs to the number when a digit follows it.
        let point = c == '.' && !hexadecimal && rest[i + 1..].starts_with(|c: char| c.is_ascii_digit());
        if !(c.is_ascii_alphanumeric() || exponent || point) {
            return i;
        }
        previous = c;
    }
    rest.len()
}

/// A `{ … }`, or the script itself.
#[derive(Debug, Default)]
struct Frame<'a> {
    /// A function's body or the script.
    function: bool,
    names: HashSet<&'a str>,
}

struct Writer<'a> {
    pieces: &'a [Piece<'a>],
    /// Which pieces are not white space.
    solid: Vec<usize>,
    /// Where brackets that open are closed.
    closes: HashMap<usize, usize>,
    /// Brackets and signs that are written as something else.
    instead: HashMap<usize, &'static str>,
    /// What is written after a piece.
    after: HashMap<usize, String>,
    frames: Vec<Frame<'a>>,
    /// The next `{` opens a function's body.
    body: bool,
}

impl<'a> Writer<'a> {
    fn text(&self, n: usize) -> &'a str {
        self.solid.get(n).map_or("", |i| self.pieces[*i].text)
    }

    fn kind(&self, n: usize) -> Kind {
        self.solid.get(n).map_or(Kind::Space, |i| self.pieces[*i].kind)
    }

    fn refused(&self, n: usize, words: &str) -> Error {
        refused(self.solid.get(n).map_or(0, |i| self.pieces[*i].line), words)
    }

    /// The last piece of a value with its members, calls and items: `a.b(c)[d]`.
    fn operand(&self, n: usize) -> Result<usize> {
        let mut end = if self.text(n) == "(" { self.closing(n)? } else { n };
        loop {
            end = match self.text(end + 1) {
                "." | ".?" => end + 2,
                "(" | "[" => self.closing(end + 1)?,
                _ if end < self.solid.len() => return Ok(end),
                _ => return Err(self.refused(n, "a value that does not end")),
            };
        }
    }

    /// Where the bracket that opens at `n` is closed.
    fn closing(&self, n: usize) -> Result<usize> {
        self.closes.get(&n).copied().ok_or_else(|| self.refused(n, "a bracket that is not closed"))
    }

    fn write(mut self, length: usize) -> Result<String> {
        let mut out = String::with_capacity(length + length / 4);
        let (mut n, mut piece) = (0, 0);
        while n < self.solid.len() {
            let at = self.solid[n];
            for space in &self.pieces[piece..at] {
                out.push_str(space.text);
            }
            let (text, used) = match self.instead.remove(&n) {
                Some(text) => (text.into(), 1),
                None => self.piece(n)?,
            };
            out.push_str(&text);
            for end in n..n + used {
                out.push_str(self.after.remove(&end).as_deref().unwrap_or_default());
            }
            // Line ends within what was taken together are kept, so that an error's line is the source's.
            let end = self.solid.get(n + used - 1).copied().unwrap_or(at);
            out.extend(self.pieces[at + 1..=end].iter().filter(|p| p.kind == Kind::Space).flat_map(|p| p.text.chars()).filter(|c| *c == '\n'));
            (n, piece) = (n + used, end + 1);
        }
        for space in &self.pieces[piece..] {
            out.push_str(space.text);
        }
        Ok(out)
    }

    /// Puts `text` after the piece `n`, within what is there already.
    fn close(&mut self, n: usize, text: &str) {
        self.after.entry(n).or_default().insert_str(0, text);
    }

    /// What is written for the pieces from `n`, and how many they are.
    fn piece(&mut self, n: usize) -> Result<(Cow<'a, str>, usize)> {
        let (text, next) = (self.text(n), self.text(n + 1));
        let before = if n == 0 { "" } else { self.text(n - 1) };
        let one = |t: &'a str| Ok((t.into(), 1));
        match (self.kind(n), text) {
            (Kind::Number, _) => one(plain_number(text)),
            // A text may go over lines in TBEL.
            (Kind::Text, _) if text.contains('\n') => Ok((text.replace("\r\n", "\\n").replace('\n', "\\n").into(), 1)),
            (Kind::Sign, ".?") => {
                // Nothing is asked of what is not there: `a.?b.c` is nothing when there is no `b`.
                let dot = match self.text(n + 2) {
                    "." => Some("?."),
                    "[" => Some("?.["),
                    _ => None,
                };
                self.instead.extend(dot.map(|dot| (n + 2, dot)));
                one("?.")
            }
            (Kind::Sign, "===" | "!==") if next == "null" || before == "null" => one(&text[..2]),
            (Kind::Sign, "(") if TYPES.contains(&next) && self.text(n + 2) == ")" => self.conversion(n, next),
            // A quotient that is put into a text is a fraction there: "5.0".
            (Kind::Sign, "(") if before == "+" && n >= 2 && self.kind(n - 2) == Kind::Text && self.quotient(n)? => one("$fraction("),
            (Kind::Sign, "{") => {
                if self.frames.len() > DEPTH {
                    return Err(self.refused(n, "brackets nested too deep"));
                }
                let function = std::mem::take(&mut self.body);
                self.frames.push(Frame { function, names: HashSet::new() });
                one(text)
            }
            (Kind::Sign, "}") => {
                if self.frames.len() == 1 {
                    return Err(self.refused(n, "a bracket that was not opened"));
                }
                self.frames.pop();
                one(text)
            }
            (Kind::Word, _) if matches!(before, "." | ".?") => Ok((self.member(n), 1)),
            (Kind::Word, "foreach" | "for") if next == "(" => self.every(n),
            (Kind::Word, "new") => self.new_object(n),
            (Kind::Word, "java") if next == "." => {
                let end = (n..self.solid.len()).step_by(2).find(|i| self.text(*i + 1) != "." || CLASSES.contains(&self.text(*i))).unwrap_or(n);
                let class = self.text(end);
                if self.kind(end + 1) == Kind::Word && CLASSES.contains(&class) && before != "instanceof" {
                    return Ok(self.declaration(end, end - n));
                }
                if CLASSES.contains(&class) {
                    Ok((format!("${class}").into(), end - n + 1))
                } else {
                    Err(self.refused(n, &format!("the class {class} is not known")))
                }
            }
            (Kind::Word, _) if before == "instanceof" && CLASSES.contains(&text) => Ok((format!("${text}").into(), 1)),
            (Kind::Word, "function") => {
                self.body = true;
                one(text)
            }
            (Kind::Word, "def") if self.text(n + 2) == "(" => {
                self.body = true;
                one("function")
            }
            (Kind::Word, _) if TYPES.contains(&text) && self.kind(n + 1) == Kind::Word && !matches!(next, "instanceof" | "in" | "of") => {
                Ok(self.declaration(n, 0))
            }
            // `int[] list`
            (Kind::Word, _) if TYPES.contains(&text) && next == "[" && self.text(n + 2) == "]" && self.kind(n + 3) == Kind::Word => {
                Ok(self.declaration(n + 2, 2))
            }
            (Kind::Word, "nil") => one("null"),
            (Kind::Word, _) if RESERVED.contains(&text) && next != ":" => Ok((format!("${text}").into(), 1)),
            (Kind::Word, _) if next == "[" => self.item(n),
            _ => one(text),
        }
    }

    /// `(int) x` and its like.
    fn conversion(&mut self, n: usize, to: &str) -> Result<(Cow<'a, str>, usize)> {
        match to {
            "int" => Ok(("~~".into(), 3)),
            "double" => Ok(("+".into(), 3)),
            "char" | "long" | "short" | "byte" | "float" => {
                let end = self.operand(n + 3)?;
                self.close(end, ")");
                Ok((format!("${to}(").into(), 3))
            }
            _ => Err(self.refused(n, &format!("a conversion to {to} has no counterpart"))),
        }
    }

    /// Whether something is divided directly within the brackets at `n`.
    fn quotient(&self, n: usize) -> Result<bool> {
        let (end, mut depth) = (self.closing(n)?, 0_i32);
        Ok((n + 1..end.min(n + AROUND)).any(|i| {
            match self.text(i) {
                "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                _ => {}
            }
            depth == 0 && self.kind(i) == Kind::Sign && self.text(i) == "/"
        }))
    }

    /// `bytes[i] / 2`: a byte divided by a whole number stays whole.
    fn item(&mut self, n: usize) -> Result<(Cow<'a, str>, usize)> {
        let before = if n == 0 { "" } else { self.text(n - 1) };
        let Ok(end) = self.closing(n + 1) else { return Ok((self.text(n).into(), 1)) };
        // `a * bytes[i] / 2` divides the product.
        if matches!(before, "*" | "/" | "%") {
            return Ok((self.text(n).into(), 1));
        }
        if self.text(end + 1) != "/" || self.kind(end + 2) != Kind::Number || self.text(end + 2).contains('.') {
            return Ok((self.text(n).into(), 1));
        }
        self.instead.extend([(n + 1, ", "), (end, ""), (end + 1, ",")]);
        self.close(end + 2, ")");
        Ok((format!("$share({}", self.text(n)).into(), 1))
    }

    fn member(&self, n: usize) -> Cow<'a, str> {
        let (text, next) = (self.text(n), self.text(n + 1));
        let of = if n >= 2 { self.text(n - 2) } else { "" };
        let assigned = matches!(next, "=" | "+=" | "-=" | "++" | "--");
        if next == "(" && METHODS.contains(&text) && !STATICS.contains(&of) && of != "Arrays" {
            format!("${text}").into()
        } else if next != "(" && PROPERTIES.contains(&text) && !assigned {
            format!("$_{text}").into()
        } else {
            text.into()
        }
    }

    /// `var x`, `int x`: known in its function.
    /// The name comes after the pieces `n` and the `before` it.
    fn declaration(&mut self, n: usize, before: usize) -> (Cow<'a, str>, usize) {
        // `final int x` declares once.
        let more = (n + 1..self.solid.len()).take_while(|i| TYPES.contains(&self.text(*i)) && self.kind(*i + 1) == Kind::Word).count();
        let used = 1 + more + before;
        let (name, n) = (self.text(n + 1 + more), n - before);
        if self.parameter(n) {
            // Parameters are declared by their names alone.
            return ("".into(), used);
        }
        if n >= 2 && self.text(n - 1) == "(" && self.text(n - 2) == "for" {
            return ("let".into(), used);
        }
        let within = self.frames.iter().rposition(|f| f.function).unwrap_or(0);
        let known = self.frames[within..].iter().any(|f| f.names.contains(name));
        // A name of an outer function is that one's until it is declared here.
        let shadows = within + 1 < self.frames.len() && self.frames[..within].iter().any(|f| f.names.contains(name));
        if let Some(frame) = self.frames.last_mut().filter(|_| !known) {
            frame.names.insert(name);
        }
        (
            if !shadows {
                "var"
            } else if known {
                ""
            } else {
                "let"
            }
            .into(),
            used,
        )
    }

    /// `foreach (x : list)`, `for (x : list)` or an ordinary `for`.
    fn every(&mut self, n: usize) -> Result<(Cow<'a, str>, usize)> {
        let typed = usize::from(self.kind(n + 2) == Kind::Word && self.kind(n + 3) == Kind::Word);
        let name = n + 2 + typed;
        if self.kind(name) != Kind::Word || self.text(name + 1) != ":" {
            return if self.text(n) == "for" { Ok(("for".into(), 1)) } else { Err(self.refused(n, "foreach needs (name : list)")) };
        }
        let end = self.closing(n + 1)?;
        self.close(end, ")");
        Ok((format!("for (let {} of $each(", self.text(name)).into(), name + 2 - n))
    }

    fn new_object(&mut self, n: usize) -> Result<(Cow<'a, str>, usize)> {
        let mut last = n + 1;
        while self.text(last + 1) == "." && self.kind(last + 2) == Kind::Word {
            last += 2;
        }
        let used = last - n + 1;
        if self.text(last + 1) == "[" && TYPES.contains(&self.text(last)) {
            let end = self.closing(last + 1)?;
            self.instead.extend([(last + 1, "("), (end, ")")]);
            return Ok(("$newArray".into(), used));
        }
        Ok(match self.text(last) {
            "ArrayList" | "LinkedList" => ("$newList".into(), used),
            "HashMap" | "LinkedHashMap" => ("$newMap".into(), used),
            _ => ("new".into(), 1),
        })
    }

    /// Whether a declaration at `n` is one of a function's parameters.
    fn parameter(&self, n: usize) -> bool {
        let mut at = n;
        while at > 0 && n - at < AROUND && !matches!(self.text(at - 1), "(" | ";" | "{" | "}" | ")") {
            at -= 1;
        }
        at >= 3 && self.text(at - 1) == "(" && self.kind(at - 2) == Kind::Word && matches!(self.text(at - 3), "function" | "def")
    }
}

/// A number without Java's letter of its size.
fn plain_number(text: &str) -> &str {
    if text.starts_with("0x") || text.starts_with("0X") {
        text.trim_end_matches(['L', 'l'])
    } else {
        text.trim_end_matches(['L', 'l', 'f', 'F', 'd', 'D', 'B', 'I'])
    }
}
