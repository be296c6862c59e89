//! The query language `q` (CIM 009, 4.9): parsed once, with expanded names, then asked of each entity.
//!
//! `;` and, `|` or, parentheses; `a.b` sub-attribute, `a[b.c]` inside a compound value, `a{b}` or `a{T:b}` through a link;
//! `==` `!=` with values, lists `x,y` and ranges `x..y`, `<` `<=` `>` `>=`, `~=` `!~=` patterns, a bare name for
//! existence, `!name` for absence. What is not in the grammar is 400, never ignored.

use std::sync::Arc;

use dothi_kernel::Result;
use regex::Regex;

use crate::fault::{bad, complex, cut};
use crate::ld::Ld;
use crate::live::{Ask, Wanted};
use crate::model::{Attr, AttrKind, Entity, Iri, find, instant, parse_instant};
use crate::select::TypeSelector;
use crate::val::{Look, Val};

const MAX_LENGTH: usize = 8_192;
const MAX_TERMS: usize = 200;
const MAX_DEPTH: usize = 20;
/// Links followed in one term.
const MAX_LINKS: usize = crate::project::MAX_LEVEL;

/// A parsed query.
#[derive(Debug)]
pub enum Query {
    /// All must hold.
    And(Vec<Query>),
    /// One must hold.
    Or(Vec<Query>),
    /// A condition.
    Term(Box<Term>),
}

/// A condition on the targets of a path.
#[derive(Debug)]
pub struct Term {
    path: Vec<Step>,
    compound: Vec<String>,
    test: Test,
}

#[derive(Debug)]
struct Step {
    word: String,
    name: Iri,
    /// Set when it leads to another entity; types that this may have.
    link: Option<Option<TypeSelector>>,
}

#[derive(Debug)]
enum Test {
    Exists,
    Absent,
    Equal(Operand),
    Unequal(Operand),
    Order(std::cmp::Ordering, bool, Atom),
    Like(Regex),
    Unlike(Regex),
}

#[derive(Debug)]
enum Operand {
    List(Vec<Atom>),
    Range(Atom, Atom),
}

#[derive(Debug)]
enum Atom {
    Bool(bool),
    Number(f64),
    Instant(i64),
    /// Text, URI, date or time of day, and what it expands to as a term.
    Text(String, Option<Iri>),
}

/// Something a path leads to.
enum Target<'a> {
    Json(Look<'a>, AttrKind),
    Instant(i64),
    Text(&'a str),
}

/// Finds entities for links.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<Arc<Entity>>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    ld: &'a Ld,
    terms: usize,
    /// Attributes whose values are names to be expanded.
    expand: &'a [Iri],
    expanding: bool,
}

impl Query {
    /// Reads a query. 400 when it does not follow the grammar, 403 TooComplexQuery when it is too long or deep.
    pub fn parse(text: &str, ld: &Ld) -> Result<Self> {
        Self::parse_expanding(text, ld, &[])
    }

    /// The same; the values that these attributes are compared with are names of the context (`expandValues`).
    pub fn parse_expanding(text: &str, ld: &Ld, expand: &[Iri]) -> Result<Self> {
        if text.len() > MAX_LENGTH {
            return Err(complex("q is too long."));
        }
        let mut parser = Parser { text, at: 0, ld, terms: 0, expand, expanding: false };
        let query = parser.or(0)?;
        if parser.at == text.len() { Ok(query) } else { Err(parser.wrong("something is left over")) }
    }

    /// Whether it holds for an entity.
    pub fn matches(&self, entity: &Entity, now: i64, lookup: Lookup<'_>) -> bool {
        match self {
            Query::And(all) => all.iter().all(|q| q.matches(entity, now, lookup)),
            Query::Or(any) => any.iter().any(|q| q.matches(entity, now, lookup)),
            Query::Term(term) => term.matches(entity, now, lookup),
        }
    }

    /// Conditions of which all must hold and which an index of values can answer; there may be others.
    pub(crate) fn asks(&self) -> Vec<Ask> {
        match self {
            Query::And(all) => all.iter().flat_map(Query::asks).collect(),
            Query::Or(_) => Vec::new(),
            Query::Term(term) => term.ask().into_iter().collect(),
        }
    }

    /// How many links it follows.
    pub fn link_depth(&self) -> usize {
        match self {
            Query::And(parts) | Query::Or(parts) => parts.iter().map(Query::link_depth).max().unwrap_or(0),
            Query::Term(term) => term.path.iter().filter(|s| s.link.is_some()).count(),
        }
    }

    /// Whether it looks at nothing but what the system keeps of each entity.
    pub fn only_system(&self) -> bool {
        match self {
            Query::And(parts) | Query::Or(parts) => parts.iter().all(Query::only_system),
            Query::Term(term) => term.path.first().is_some_and(|s| is_system(&s.word)),
        }
    }

    /// Names of the attributes it looks at.
    pub fn attributes(&self) -> Vec<Iri> {
        match self {
            Query::And(parts) | Query::Or(parts) => parts.iter().flat_map(Query::attributes).collect(),
            Query::Term(term) => term.path.first().map(|s| s.name.clone()).into_iter().collect(),
        }
    }
}

/// Whether a member is kept by the system.
pub fn is_system(word: &str) -> bool {
    matches!(word, "createdAt" | "modifiedAt" | "deletedAt" | "expiresAt")
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn wrong(&self, what: &str) -> dothi_kernel::Error {
        bad(format!("q is not well formed at position {}: {what}.", self.text[..self.at].chars().count()))
    }

    fn or(&mut self, depth: usize) -> Result<Query> {
        let mut any = vec![self.and(depth)?];
        while self.eat("|") {
            any.push(self.and(depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Query::Or(any) })
    }

    fn and(&mut self, depth: usize) -> Result<Query> {
        let mut all = vec![self.one(depth)?];
        while self.eat(";") {
            all.push(self.one(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Query::And(all) })
    }

    fn one(&mut self, depth: usize) -> Result<Query> {
        if depth > MAX_DEPTH {
            return Err(complex("q is nested too deep."));
        }
        if self.eat("(") {
            let inner = self.or(depth + 1)?;
            return if self.eat(")") { Ok(inner) } else { Err(self.wrong("a parenthesis is not closed")) };
        }
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(complex("q has too many terms."));
        }
        if self.eat("!") {
            let (path, compound) = self.path()?;
            return Ok(Query::Term(Box::new(Term { path, compound, test: Test::Absent })));
        }
        let (path, compound) = self.path()?;
        let test = self.test()?;
        Ok(Query::Term(Box::new(Term { path, compound, test })))
    }

    fn name(&mut self) -> Result<(String, Iri)> {
        let end = self.rest().find(['.', '[', ']', '{', '}', '=', '!', '<', '>', '~', ';', '|', '(', ')', ',', '"']).unwrap_or(self.rest().len());
        let word = self.rest()[..end].to_string();
        if word.is_empty() {
            return Err(self.wrong("a name is missing"));
        }
        if !word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '/' | '#' | '@' | '$')) {
            return Err(self.wrong("a name holds a character that names do not have"));
        }
        let iri = self.ld.expand(&word)?;
        self.at += end;
        Ok((word, iri))
    }

    fn path(&mut self) -> Result<(Vec<Step>, Vec<String>)> {
        let mut path: Vec<Step> = Vec::new();
        let compound = self.steps(&mut path)?;
        self.expanding = path.last().is_some_and(|s| self.expand.contains(&s.name));
        Ok((path, compound))
    }

    /// `a.b[c]`, `a{b}`, `a{T:b{c}}`.
    fn steps(&mut self, path: &mut Vec<Step>) -> Result<Vec<String>> {
        loop {
            let (word, name) = self.name()?;
            path.push(Step { word, name, link: None });
            if path.len() > 2 * MAX_LINKS {
                return Err(complex("q has a path that is too long."));
            }
            if self.eat("{") {
                let types = self.type_hint()?;
                if let Some(step) = path.last_mut() {
                    step.link = Some(types);
                }
                if path.iter().filter(|s| s.link.is_some()).count() > MAX_LINKS {
                    return Err(complex("q follows too many links."));
                }
                let compound = self.steps(path)?;
                return if self.eat("}") { Ok(compound) } else { Err(self.wrong("a brace is not closed")) };
            }
            if !self.eat(".") {
                break;
            }
        }
        let mut compound = Vec::new();
        if self.eat("[") {
            let end = self.rest().find(']').ok_or_else(|| self.wrong("a bracket is not closed"))?;
            compound = self.rest()[..end].split('.').map(str::to_string).collect();
            if compound.iter().any(String::is_empty) || compound.len() > 10 {
                return Err(self.wrong("the path in brackets is empty or too long"));
            }
            self.at += end + 1;
        }
        Ok(compound)
    }

    /// `T:` or `(A;B)|C:` in front of a member of the linked entity. What stands before a colon is a type unless the
    /// context knows it as a prefix.
    fn type_hint(&mut self) -> Result<Option<TypeSelector>> {
        let rest = self.rest();
        let end = rest.find(['{', '}', '.', '[', '=', '<', '>', '~', '"']).unwrap_or(rest.len());
        match rest[..end].rsplit_once(':') {
            Some((hint, member)) if !member.is_empty() && !member.starts_with("//") && !hint.is_empty() && !self.ld.is_prefix(hint) => {
                let types = TypeSelector::parse(hint, self.ld)?;
                self.at += hint.len() + 1;
                Ok(Some(types))
            }
            _ => Ok(None),
        }
    }

    fn test(&mut self) -> Result<Test> {
        use std::cmp::Ordering::{Greater, Less};
        match self.peek() {
            None | Some(';' | '|' | ')') => return Ok(Test::Exists),
            _ => {}
        }
        if self.eat("==") {
            return Ok(Test::Equal(self.operand()?));
        }
        if self.eat("!=") {
            return Ok(Test::Unequal(self.operand()?));
        }
        if self.eat("~=") {
            return Ok(Test::Like(self.pattern()?));
        }
        if self.eat("!~=") {
            return Ok(Test::Unlike(self.pattern()?));
        }
        for (token, order, equal) in [(">=", Greater, true), ("<=", Less, true), (">", Greater, false), ("<", Less, false)] {
            if self.eat(token) {
                let atom = self.atom()?;
                return match atom {
                    Atom::Bool(_) => Err(self.wrong("truth values have no order")),
                    atom => Ok(Test::Order(order, equal, atom)),
                };
            }
        }
        Err(self.wrong("an unknown operator"))
    }

    fn operand(&mut self) -> Result<Operand> {
        let first = self.atom()?;
        if self.eat("..") {
            return Ok(Operand::Range(first, self.atom()?));
        }
        let mut list = vec![first];
        while self.eat(",") {
            list.push(self.atom()?);
            if list.len() > MAX_TERMS {
                return Err(complex("q has a list that is too long."));
            }
        }
        Ok(Operand::List(list))
    }

    fn quoted(&mut self) -> Result<Option<String>> {
        if !self.eat("\"") {
            return Ok(None);
        }
        let (mut out, mut escaped) = (String::new(), false);
        for (i, c) in self.rest().char_indices() {
            match c {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => {
                    self.at += i + 1;
                    return Ok(Some(out));
                }
                c => {
                    if escaped && !matches!(c, '"' | '\\') {
                        out.push('\\');
                    }
                    escaped = false;
                    out.push(c);
                }
            }
        }
        Err(self.wrong("a quoted text is not closed"))
    }

    fn atom(&mut self) -> Result<Atom> {
        if let Some(text) = self.quoted()? {
            let expanded = if self.expanding { self.ld.expand(&text).ok() } else { None };
            return Ok(Atom::Text(text, expanded));
        }
        let rest = self.rest();
        let mut end = rest.find([';', '|', ')', '(', ',', '"', '=', '<', '>', '~']).unwrap_or(rest.len());
        if let Some(dots) = rest[..end].find("..") {
            end = dots;
        }
        let word = rest[..end].to_string();
        let atom = match word.as_str() {
            "" => return Err(self.wrong("a value is missing")),
            "true" => Atom::Bool(true),
            "false" => Atom::Bool(false),
            w => match w.parse::<f64>() {
                Ok(n) if n.is_finite() && w.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+')) => Atom::Number(n),
                _ => match parse_instant(w) {
                    Some(t) => Atom::Instant(t),
                    None if is_date_or_time(w) => Atom::Text(word.clone(), None),
                    None if crate::model::is_uri(w) || is_word(w) => {
                        let expanded = if self.expanding { self.ld.expand(w).ok() } else { None };
                        Atom::Text(word.clone(), expanded)
                    }
                    None => return Err(self.wrong("a text must stand in double quotes")),
                },
            },
        };
        self.at += end;
        Ok(atom)
    }

    fn pattern(&mut self) -> Result<Regex> {
        let pattern = match self.quoted()? {
            Some(text) => text,
            None => {
                // Unquoted: up to an operator outside of the pattern's own parentheses.
                let (mut depth, mut end) = (0i32, self.rest().len());
                for (i, c) in self.rest().char_indices() {
                    match c {
                        '(' => depth += 1,
                        ')' if depth == 0 => {
                            end = i;
                            break;
                        }
                        ')' => depth -= 1,
                        ';' | '|' if depth == 0 => {
                            end = i;
                            break;
                        }
                        _ => {}
                    }
                }
                let text = self.rest()[..end].to_string();
                self.at += end;
                text
            }
        };
        regex(&pattern)
    }
}

/// Compiles a caller's pattern within bounds (the engine needs linear time, so no pattern can hang).
pub fn regex(pattern: &str) -> Result<Regex> {
    if pattern.is_empty() || pattern.len() > 1_000 {
        return Err(bad("A pattern has between 1 and 1,000 characters."));
    }
    if repeats_twice(pattern) {
        return Err(bad(format!("{:?} is not a usable pattern: a repetition cannot be repeated.", cut(pattern))));
    }
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|_| bad(format!("{:?} is not a usable pattern.", cut(pattern))))
}

/// Whether a repetition follows another at once (`a**`): in POSIX that is undefined, in ECMAScript an error.
fn repeats_twice(pattern: &str) -> bool {
    let (mut escaped, mut class, mut after) = (false, false, false);
    for c in pattern.chars() {
        let plain = !escaped && !class;
        let repeats = plain && matches!(c, '*' | '+');
        if repeats && after {
            return true;
        }
        after = repeats;
        match c {
            '[' if plain => class = true,
            ']' if !escaped => class = false,
            _ => {}
        }
        escaped = !escaped && c == '\\';
    }
    false
}

/// A relative reference may stand without quotes, as any URI.
fn is_word(word: &str) -> bool {
    word.starts_with(char::is_alphabetic) && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '#'))
}

fn is_date_or_time(word: &str) -> bool {
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    shape == "9999-99-99" || shape == "99:99:99Z" || shape == "99:99:99" || (shape.starts_with("99:99:99.") && shape.ends_with('Z') && shape.len() < 20)
}

impl Term {
    fn matches(&self, entity: &Entity, now: i64, lookup: Lookup<'_>) -> bool {
        match &self.test {
            Test::Absent => !self.any(entity, now, lookup, &mut |_| true),
            Test::Exists => self.any(entity, now, lookup, &mut |_| true),
            // In a language map, `[*]` means all texts: none of them may be the one that is ruled out (4.9).
            Test::Unequal(operand) if self.compound == ["*"] => {
                self.any(entity, now, lookup, &mut |_| true) && !self.any(entity, now, lookup, &mut |t| equal(&t, operand))
            }
            Test::Unlike(regex) if self.compound == ["*"] => {
                self.any(entity, now, lookup, &mut |_| true) && !self.any(entity, now, lookup, &mut |t| like(&t, regex))
            }
            Test::Equal(operand) => self.any(entity, now, lookup, &mut |t| equal(&t, operand)),
            Test::Unequal(operand) => self.any(entity, now, lookup, &mut |t| !equal(&t, operand)),
            Test::Order(order, or_equal, atom) => {
                let link = |t: &Target<'_>| matches!(t, Target::Json(_, AttrKind::Relationship | AttrKind::ListRelationship));
                self.any(entity, now, lookup, &mut |t| {
                    !link(&t) && each(&t, &mut |v| compare(v, atom).is_some_and(|o| o == *order || (*or_equal && o.is_eq())))
                })
            }
            Test::Like(regex) => self.any(entity, now, lookup, &mut |t| like(&t, regex)),
            Test::Unlike(regex) => self.any(entity, now, lookup, &mut |t| !like(&t, regex)),
        }
    }

    fn ask(&self) -> Option<Ask> {
        let [Step { word, name, link: None }] = self.path.as_slice() else { return None };
        if !self.compound.is_empty() || matches!(word.as_str(), "id" | "type" | "scope" | "createdAt" | "modifiedAt" | "expiresAt") {
            return None;
        }
        let any = match &self.test {
            Test::Equal(Operand::List(atoms)) => {
                let wanted = |atom: &Atom| match atom {
                    Atom::Bool(b) => vec![Some(Wanted::Bool(*b))],
                    Atom::Number(n) => vec![Some(Wanted::Numbers(*n, *n))],
                    Atom::Text(text, None) => vec![Some(Wanted::Text(text.clone()))],
                    Atom::Text(text, Some(iri)) if **iri == **text => vec![Some(Wanted::Text(text.clone()))],
                    Atom::Text(text, Some(iri)) => vec![Some(Wanted::Text(text.clone())), Some(Wanted::Text(iri.to_string()))],
                    Atom::Instant(_) => vec![None],
                };
                atoms.iter().flat_map(wanted).collect::<Option<Vec<_>>>()?
            }
            Test::Equal(Operand::Range(Atom::Number(low), Atom::Number(high))) => vec![Wanted::Numbers(*low, *high)],
            Test::Order(std::cmp::Ordering::Greater, _, Atom::Number(n)) => vec![Wanted::Numbers(*n, f64::INFINITY)],
            Test::Order(std::cmp::Ordering::Less, _, Atom::Number(n)) => vec![Wanted::Numbers(f64::NEG_INFINITY, *n)],
            _ => return None,
        };
        Some(Ask { attr: name.clone(), any })
    }

    /// Whether a target of the path passes.
    fn any(&self, entity: &Entity, now: i64, lookup: Lookup<'_>, pass: &mut dyn FnMut(Target<'_>) -> bool) -> bool {
        self.of_entity(&self.path, entity, now, lookup, pass)
    }

    fn of_entity(&self, path: &[Step], entity: &Entity, now: i64, lookup: Lookup<'_>, pass: &mut dyn FnMut(Target<'_>) -> bool) -> bool {
        let Some((step, rest)) = path.split_first() else { return false };
        if rest.is_empty() && self.compound.is_empty() {
            match step.word.as_str() {
                "id" => return pass(Target::Text(&entity.id)),
                "createdAt" => return pass(Target::Instant(entity.created)),
                "modifiedAt" => return pass(Target::Instant(entity.modified)),
                "expiresAt" => return entity.expires.is_some_and(|x| pass(Target::Instant(x))),
                _ => {}
            }
        }
        let instances = find(&entity.attrs, &step.name).unwrap_or_default();
        instances.iter().filter(|a| a.alive(now)).any(|attr| self.of_attr(step, rest, attr, now, lookup, pass))
    }

    fn of_attr(&self, step: &Step, rest: &[Step], attr: &Attr, now: i64, lookup: Lookup<'_>, pass: &mut dyn FnMut(Target<'_>) -> bool) -> bool {
        if let Some(types) = &step.link {
            let links: Vec<&str> = match attr.value.look() {
                _ if !matches!(attr.kind, AttrKind::Relationship | AttrKind::ListRelationship) => return false,
                Look::List(many) => many.iter().filter_map(|v| v.as_str()).collect(),
                Look::Text(one) => vec![one],
                _ => return false,
            };
            return links.iter().any(|uri| {
                let linked = lookup(uri).filter(|e| e.alive(now) && types.as_ref().is_none_or(|t| t.matches(&e.types)));
                linked.is_some_and(|e| self.of_entity(rest, &e, now, lookup, pass))
            });
        }
        let Some((next, rest)) = rest.split_first() else { return inside(attr.value.look(), &self.compound, attr.kind, pass) };
        if rest.is_empty() && self.compound.is_empty() {
            match next.word.as_str() {
                "observedAt" => return attr.observed().is_some_and(|t| pass(Target::Instant(t))),
                "createdAt" => return pass(Target::Instant(attr.created)),
                "modifiedAt" => return pass(Target::Instant(attr.modified)),
                "expiresAt" => return attr.expires().is_some_and(|t| pass(Target::Instant(t))),
                "unitCode" => return attr.unit().is_some_and(|u| pass(Target::Text(&u))),
                "datasetId" => return attr.dataset().is_some_and(|d| pass(Target::Text(d))),
                _ => {}
            }
        }
        let instances = find(attr.subs(), &next.name).unwrap_or_default();
        instances.iter().filter(|a| a.alive(now)).any(|sub| self.of_attr(next, rest, sub, now, lookup, pass))
    }
}

fn inside(value: Look<'_>, keys: &[String], kind: AttrKind, pass: &mut dyn FnMut(Target<'_>) -> bool) -> bool {
    let Some((key, rest)) = keys.split_first() else {
        return match value {
            // A language map without a language means any of its texts.
            Look::Object(map) if kind == AttrKind::LanguageProperty => map.values().any(|v| pass(Target::Json(v.into(), kind))),
            value => pass(Target::Json(value, kind)),
        };
    };
    match value {
        Look::Object(map) if key == "*" => map.values().any(|v| inside(v.into(), rest, AttrKind::Property, pass)),
        Look::Object(map) => map.get(key).is_some_and(|v| inside(v.into(), rest, AttrKind::Property, pass)),
        Look::List(many) => many.iter().any(|v| inside(v.into(), keys, AttrKind::Property, pass)),
        // A point's members can be asked for like those of any object.
        Look::Point(lon, lat) => inside((&Val::from_point(lon, lat).to_json()).into(), keys, kind, pass),
        _ => false,
    }
}

/// The plain values that a condition on an attribute looks at.
pub(crate) fn scalars(attr: &Attr, visit: &mut dyn FnMut(Look<'_>)) {
    inside(attr.value.look(), &[], attr.kind, &mut |target| {
        each(&target, &mut |one| {
            if let Target::Json(look, _) = one {
                visit(*look);
            }
            false
        })
    });
}

/// Asks a target, or each member of a list.
fn each(target: &Target<'_>, test: &mut dyn FnMut(&Target<'_>) -> bool) -> bool {
    match target {
        Target::Json(Look::List(many), kind) => many.iter().any(|v| each(&Target::Json(v.into(), *kind), test)),
        Target::Json(Look::Object(map), kind) => match map.get("@value").or_else(|| map.get("@list")) {
            Some(v) => each(&Target::Json(v.into(), *kind), test),
            None => test(target),
        },
        target => test(target),
    }
}

fn equal(target: &Target<'_>, operand: &Operand) -> bool {
    each(target, &mut |t| match operand {
        Operand::List(list) => list.iter().any(|atom| is(t, atom)),
        Operand::Range(low, high) => compare(t, low).is_some_and(|o| o.is_ge()) && compare(t, high).is_some_and(|o| o.is_le()),
    })
}

fn is(target: &Target<'_>, atom: &Atom) -> bool {
    match (target, atom) {
        (Target::Json(Look::Bool(v), _), Atom::Bool(a)) => v == a,
        (Target::Json(Look::Text(v), _), Atom::Text(a, Some(expanded))) => *v == &**expanded || *v == a,
        (target, atom) => compare(target, atom).is_some_and(|o| o.is_eq()),
    }
}

fn compare(target: &Target<'_>, atom: &Atom) -> Option<std::cmp::Ordering> {
    match (target, atom) {
        (Target::Json(Look::Number(v), _), Atom::Number(a)) => v.partial_cmp(a),
        (Target::Json(Look::Text(v), _), Atom::Text(a, _)) => Some((*v).cmp(a)),
        (Target::Json(Look::Text(v), _), Atom::Instant(a)) => Some(parse_instant(v)?.cmp(a)),
        (Target::Instant(v), Atom::Instant(a)) => Some(v.cmp(a)),
        (Target::Instant(v), Atom::Text(a, _)) => match parse_instant(a) {
            Some(a) => Some(v.cmp(&a)),
            // A date or time of day is compared as text with as much of the instant.
            None => instant(*v).get(..a.len()).map(|v| v.cmp(a)),
        },
        (Target::Text(v), Atom::Text(a, _)) => Some((*v).cmp(a)),
        _ => None,
    }
}

fn like(target: &Target<'_>, regex: &Regex) -> bool {
    each(target, &mut |t| match t {
        Target::Json(Look::Text(v), _) => regex.is_match(v),
        Target::Text(v) => regex.is_match(v),
        _ => false,
    })
}
