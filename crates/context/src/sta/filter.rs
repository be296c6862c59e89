//! `$filter` and `$orderby` (clause 9.3.3.5): the grammar. What the words mean stands in [`super::eval`].
//!
//! A property path is checked against the entity set when it is read; what lies below a property that holds JSON is free.

use dothi_kernel::{Error, Result};

use super::eval::{Func, Lit};
use super::model::{Form, Kind, Span, instant};

/// Longest expression, and how deep it may nest.
const LENGTH: usize = 8_000;
const DEPTH: usize = 60;

/// Operators between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Or,
    And,
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

/// A path through links to a property, and into its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    /// Links to follow.
    pub navs: Vec<String>,
    /// The property; `id` for the id.
    pub prop: String,
    /// Members inside of it.
    pub inside: Vec<String>,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Lit(Lit),
    Path(Path),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    Two(Op, Box<Expr>, Box<Expr>),
    Call(Func, Vec<Expr>),
}

/// 400 with the reason.
pub(crate) fn bad(detail: impl Into<String>) -> Error {
    Error::invalid("sta.query", detail)
}

#[derive(Debug, Clone, PartialEq)]
enum Tok {
    Word(String),
    Text(String),
    Lit(Lit),
    Open,
    Close,
    Comma,
    Minus,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn quoted(&mut self) -> Result<String> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((i, c)) = chars.next() {
            if c != '\'' {
                out.push(c);
            } else if chars.peek().is_some_and(|(_, n)| *n == '\'') {
                out.push('\'');
                chars.next();
            } else {
                self.at += i + 1;
                return Ok(out);
            }
        }
        Err(bad("A text is not closed by a quote."))
    }

    fn next(&mut self) -> Result<Option<Tok>> {
        self.at += self.rest().len() - self.rest().trim_start().len();
        let Some(c) = self.rest().chars().next() else { return Ok(None) };
        let single = match c {
            '(' => Some(Tok::Open),
            ')' => Some(Tok::Close),
            ',' => Some(Tok::Comma),
            '-' => Some(Tok::Minus),
            _ => None,
        };
        if let Some(tok) = single {
            self.at += 1;
            return Ok(Some(tok));
        }
        if c == '\'' {
            return Ok(Some(Tok::Text(self.quoted()?)));
        }
        if c.is_ascii_digit() {
            return self.number().map(Some);
        }
        if c.is_alphabetic() || matches!(c, '@' | '_') {
            let end = self.rest().find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '@' | '-' | ':'))).unwrap_or(self.rest().len());
            let word = self.rest()[..end].to_string();
            self.at += end;
            if self.rest().starts_with('\'') && matches!(word.as_str(), "geography" | "geometry" | "duration") {
                let inner = self.quoted()?;
                return match word.as_str() {
                    "duration" => Ok(Some(Tok::Lit(Lit::Span(super::eval::duration(&inner)?)))),
                    _ => Ok(Some(Tok::Lit(Lit::Geo(super::geo::wkt(&inner)?.into())))),
                };
            }
            return Ok(Some(Tok::Word(word)));
        }
        Err(bad(format!("{c:?} is not understood at position {}.", self.at + 1)))
    }

    /// Numbers, dates, times of day, instants and stretches of time.
    fn number(&mut self) -> Result<Tok> {
        let bytes = self.rest().as_bytes();
        let date = bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[..4].iter().all(u8::is_ascii_digit);
        let clock = bytes.len() >= 5 && bytes[2] == b':';
        if date {
            let mut end = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '+' | '/'))).unwrap_or(self.rest().len());
            // "…T00:00:00 07:00": a plus sign that was not encoded.
            let tail = &self.rest().as_bytes()[end..];
            if tail.len() >= 6 && tail[0] == b' ' && tail[3] == b':' && tail[1].is_ascii_digit() && self.rest()[..end].contains('T') {
                end += 6;
            }
            let word = self.rest()[..end].to_string();
            self.at += end;
            let read = if word.contains('/') {
                Span::read(&word).map(|s| Lit::Time(s.from, s.to))
            } else if word.contains('T') {
                instant(&word).map(|t| Lit::Time(t, None))
            } else {
                word.parse::<jiff::civil::Date>().ok().map(Lit::Date)
            };
            return read.map(Tok::Lit).ok_or_else(|| bad(format!("{word:?} is not a time.")));
        }
        if clock {
            let end = self.rest().find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(self.rest().len());
            let word = self.rest()[..end].to_string();
            self.at += end;
            return word.parse().map(|t| Tok::Lit(Lit::Clock(t))).map_err(|_| bad(format!("{word:?} is not a time of day.")));
        }
        let mut end = 0;
        for (i, b) in bytes.iter().enumerate() {
            let exponent = i > 0 && matches!(bytes[i - 1], b'e' | b'E') && matches!(b, b'+' | b'-' | b' ');
            if b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E') || exponent {
                end = i + 1;
            } else {
                break;
            }
        }
        let word = self.rest()[..end].replace(' ', "+");
        self.at += end;
        // Suffixes of OData 2 (`5L`, `1.5d`) still occur.
        if self.rest().starts_with(['L', 'd', 'f', 'm', 'M', 'D', 'F']) && !self.rest()[1..].starts_with(|c: char| c.is_alphanumeric()) {
            self.at += 1;
        }
        let number: f64 = word.parse().map_err(|_| bad(format!("{word:?} is not a number.")))?;
        if number.is_finite() { Ok(Tok::Lit(Lit::Num(number))) } else { Err(bad("A number is too large.")) }
    }
}

/// Reads expressions.
struct Parser {
    toks: Vec<Tok>,
    at: usize,
    depth: usize,
    kind: Kind,
}

impl Parser {
    fn new(text: &str, kind: Kind) -> Result<Self> {
        if text.len() > LENGTH {
            return Err(bad("The expression is too long."));
        }
        let mut lexer = Lexer { text, at: 0 };
        let mut toks = Vec::new();
        while let Some(tok) = lexer.next()? {
            toks.push(tok);
        }
        Ok(Self { toks, at: 0, depth: 0, kind })
    }

    fn peek(&self) -> Option<&Tok> {
        self.toks.get(self.at)
    }

    fn eat(&mut self, tok: &Tok) -> bool {
        let found = self.peek() == Some(tok);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, words: &[(&str, Op)]) -> Option<Op> {
        let Some(Tok::Word(word)) = self.peek() else { return None };
        let op = words.iter().find(|(w, _)| w == word).map(|(_, op)| *op)?;
        self.at += 1;
        Some(op)
    }

    /// One level of operators that group to the left.
    fn left(&mut self, words: &[(&str, Op)], next: fn(&mut Self) -> Result<Expr>) -> Result<Expr> {
        let mut expr = next(self)?;
        let mut links = 0;
        while let Some(op) = self.word(words) {
            links += 1;
            if links > 500 {
                return Err(bad("The expression is too long."));
            }
            expr = Expr::Two(op, Box::new(expr), Box::new(next(self)?));
        }
        Ok(expr)
    }

    fn any(&mut self) -> Result<Expr> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(bad("The expression nests too deep."));
        }
        let expr = self.left(&[("or", Op::Or)], |p| p.left(&[("and", Op::And)], Self::negation));
        self.depth -= 1;
        expr
    }

    fn negation(&mut self) -> Result<Expr> {
        if matches!(self.peek(), Some(Tok::Word(w)) if w == "not") {
            self.at += 1;
            self.depth += 1;
            if self.depth > DEPTH {
                return Err(bad("The expression nests too deep."));
            }
            let inner = self.negation()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        self.left(&[("eq", Op::Eq), ("ne", Op::Ne), ("gt", Op::Gt), ("ge", Op::Ge), ("lt", Op::Lt), ("le", Op::Le)], |p| {
            p.left(&[("add", Op::Add), ("sub", Op::Sub)], |p| p.left(&[("mul", Op::Mul), ("div", Op::Div), ("mod", Op::Mod)], Self::single))
        })
    }

    fn single(&mut self) -> Result<Expr> {
        let tok = self.peek().cloned().ok_or_else(|| bad("The expression ends too early."))?;
        self.at += 1;
        match tok {
            Tok::Minus => {
                self.depth += 1;
                if self.depth > DEPTH {
                    return Err(bad("The expression nests too deep."));
                }
                let inner = self.single()?;
                self.depth -= 1;
                Ok(Expr::Neg(Box::new(inner)))
            }
            Tok::Open => {
                let inner = self.any()?;
                if self.eat(&Tok::Close) { Ok(inner) } else { Err(bad("A closing bracket is missing.")) }
            }
            Tok::Text(text) => Ok(Expr::Lit(Lit::Str(text))),
            Tok::Lit(lit) => Ok(Expr::Lit(lit)),
            Tok::Word(word) => match word.as_str() {
                "null" => Ok(Expr::Lit(Lit::Null)),
                "true" => Ok(Expr::Lit(Lit::Bool(true))),
                "false" => Ok(Expr::Lit(Lit::Bool(false))),
                _ if self.eat(&Tok::Open) => self.call(&word),
                _ => path(self.kind, &word).map(Expr::Path),
            },
            Tok::Close | Tok::Comma => Err(bad("The expression is not complete.")),
        }
    }

    fn call(&mut self, name: &str) -> Result<Expr> {
        let func = Func::named(name).ok_or_else(|| bad(format!("There is no function {name}.")))?;
        let mut args = Vec::new();
        if !self.eat(&Tok::Close) {
            loop {
                args.push(self.any()?);
                if self.eat(&Tok::Close) {
                    break;
                }
                if !self.eat(&Tok::Comma) {
                    return Err(bad(format!("The arguments of {name} are not closed.")));
                }
            }
        }
        let (least, most) = func.arity();
        if !(least..=most).contains(&args.len()) {
            return Err(bad(format!("{name} does not take {} arguments.", args.len())));
        }
        Ok(Expr::Call(func, args))
    }
}

/// Reads a path and checks it against the entity set.
pub(crate) fn path(kind: Kind, text: &str) -> Result<Path> {
    let (mut kind, mut path) = (kind, Path { navs: Vec::new(), prop: String::new(), inside: Vec::new() });
    for step in text.split('/') {
        if !path.prop.is_empty() {
            path.inside.push(step.to_string());
        } else if let Some(nav) = kind.nav(step) {
            if path.navs.len() >= 6 {
                return Err(bad("The path is too long."));
            }
            path.navs.push(step.to_string());
            kind = nav.kind;
        } else if matches!(step, "id" | "@iot.id") {
            path.prop = "id".into();
        } else if let Some(prop) = kind.prop(step) {
            path.prop = prop.name.to_string();
        } else {
            return Err(bad(format!("{} has no property {:?}.", kind.name(), crate::fault::cut(step))));
        }
    }
    let plain = path.prop == "id" || kind.prop(&path.prop).is_some_and(|p| p.form == Form::Text);
    if path.prop.is_empty() || (plain && !path.inside.is_empty()) || path.inside.iter().any(String::is_empty) {
        return Err(bad(format!("{:?} does not lead to a value.", crate::fault::cut(text))));
    }
    Ok(path)
}

/// Reads a `$filter`.
pub(crate) fn filter(text: &str, kind: Kind) -> Result<Expr> {
    let mut parser = Parser::new(text, kind)?;
    let expr = parser.any()?;
    if parser.at == parser.toks.len() { Ok(expr) } else { Err(bad("The $filter goes on after its end.")) }
}

/// Reads an `$orderby`: expressions, each with whether it descends.
pub(crate) fn order(text: &str, kind: Kind) -> Result<Vec<(Expr, bool)>> {
    let mut parser = Parser::new(text, kind)?;
    let mut out = Vec::new();
    loop {
        let expr = parser.any()?;
        let down = match parser.peek() {
            Some(Tok::Word(w)) if w == "desc" => true,
            Some(Tok::Word(w)) if w == "asc" => false,
            None | Some(Tok::Comma) => {
                out.push((expr, false));
                if parser.eat(&Tok::Comma) {
                    continue;
                }
                break;
            }
            _ => return Err(bad("The $orderby is not understood.")),
        };
        parser.at += 1;
        out.push((expr, down));
        if parser.eat(&Tok::Comma) {
            continue;
        }
        if parser.peek().is_some() {
            return Err(bad("The $orderby is not understood."));
        }
        break;
    }
    if out.len() > 8 { Err(bad("At most 8 expressions in $orderby.")) } else { Ok(out) }
}

impl Expr {
    /// All paths in it.
    pub fn paths<'a>(&'a self, into: &mut Vec<&'a Path>) {
        match self {
            Expr::Lit(_) => {}
            Expr::Path(path) => {
                if !into.contains(&path) {
                    into.push(path);
                }
            }
            Expr::Not(inner) | Expr::Neg(inner) => inner.paths(into),
            Expr::Two(_, a, b) => {
                a.paths(into);
                b.paths(into);
            }
            Expr::Call(_, args) => args.iter().for_each(|a| a.paths(into)),
        }
    }
}
