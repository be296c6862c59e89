//! Selecting by type (`(A;B),C|D`) and by scope (`/a/+/b/#`).

use dothi_kernel::{Error, Result};

use crate::fault::{bad, complex, cut};
use crate::ld::Ld;
use crate::model::Iri;

/// Types asked for: any of several, each all of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeSelector(Vec<Vec<Iri>>);

impl TypeSelector {
    /// Reads `A`, `A,B`, `A|B`, `(A;B),C`, `(A|B);C` (4.17).
    pub fn parse(text: &str, ld: &Ld) -> Result<Self> {
        if text.len() > 8_192 {
            return Err(complex("The type selection is too long."));
        }
        let mut rest = text;
        let any = Self::or(&mut rest, ld, 0)?;
        if rest.is_empty() { Ok(Self(any)) } else { Err(wrong_types(text)) }
    }

    fn or(rest: &mut &str, ld: &Ld, depth: usize) -> Result<Vec<Vec<Iri>>> {
        let mut any = Self::and(rest, ld, depth)?;
        while let Some(after) = rest.strip_prefix([',', '|']) {
            *rest = after;
            any.extend(Self::and(rest, ld, depth)?);
            few(any.len())?;
        }
        Ok(any)
    }

    /// Both of two choices is each of the one with each of the other.
    fn and(rest: &mut &str, ld: &Ld, depth: usize) -> Result<Vec<Vec<Iri>>> {
        let mut all = Self::one_of(rest, ld, depth)?;
        while let Some(after) = rest.strip_prefix(';') {
            *rest = after;
            let more = Self::one_of(rest, ld, depth)?;
            few(all.len() * more.len())?;
            all = all.iter().flat_map(|a| more.iter().map(|b| [a.as_slice(), b.as_slice()].concat())).collect();
        }
        Ok(all)
    }

    fn one_of(rest: &mut &str, ld: &Ld, depth: usize) -> Result<Vec<Vec<Iri>>> {
        if let Some(after) = rest.trim_start().strip_prefix('(') {
            if depth > 20 {
                return Err(complex("The type selection is nested too deep."));
            }
            *rest = after;
            let inner = Self::or(rest, ld, depth + 1)?;
            *rest = rest.strip_prefix(')').ok_or_else(|| wrong_types(rest))?.trim_start();
            return Ok(inner);
        }
        let (name, after) = rest.split_at(rest.find([',', '|', ';', '(', ')']).unwrap_or(rest.len()));
        *rest = after;
        Ok(vec![vec![ld.expand(name.trim())?]])
    }

    /// One type.
    pub fn one(kind: Iri) -> Self {
        Self(vec![vec![kind]])
    }

    /// Any of these types.
    pub fn any(kinds: Vec<Iri>) -> Self {
        Self(kinds.into_iter().map(|kind| vec![kind]).collect())
    }

    /// Whether an entity of these types is asked for.
    pub fn matches(&self, types: &[Iri]) -> bool {
        self.0.iter().any(|all| all.iter().all(|t| types.contains(t)))
    }

    /// The type, when it is just one.
    pub fn single(&self) -> Option<&Iri> {
        match self.0.as_slice() {
            [all] if all.len() == 1 => all.first(),
            _ => None,
        }
    }

    /// Types of which an entity has at least one when it matches.
    pub fn anchors(&self) -> Vec<Iri> {
        let mut anchors: Vec<Iri> = self.0.iter().filter_map(|all| all.first().cloned()).collect();
        anchors.sort_unstable();
        anchors.dedup();
        anchors
    }
}

fn wrong_types(text: &str) -> Error {
    bad(format!("The type selection {:?} is not well formed.", cut(text)))
}

/// 403 when there are too many choices.
fn few(choices: usize) -> Result<()> {
    if choices > 200 { Err(complex("The type selection gives too many choices.")) } else { Ok(()) }
}

/// Scopes asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeQuery {
    /// A pattern: `+` is any one level, a trailing `#` the level and all below.
    Pattern(Vec<String>, bool),
    /// All of them.
    And(Vec<ScopeQuery>),
    /// Any of them.
    Or(Vec<ScopeQuery>),
}

impl ScopeQuery {
    /// Reads a `scopeQ`: `;` and, `,` or `|` or, parentheses.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > 8_192 {
            return Err(complex("scopeQ is too long."));
        }
        let tokens: Vec<char> = text.chars().collect();
        let mut at = 0;
        let parsed = Self::or(&tokens, &mut at, 0)?;
        if at == tokens.len() { Ok(parsed) } else { Err(bad(format!("scopeQ {:?} is not well formed.", cut(text)))) }
    }

    fn or(t: &[char], at: &mut usize, depth: usize) -> Result<Self> {
        let mut any = vec![Self::and(t, at, depth)?];
        while matches!(t.get(*at), Some(',' | '|')) {
            *at += 1;
            any.push(Self::and(t, at, depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Self::Or(any) })
    }

    fn and(t: &[char], at: &mut usize, depth: usize) -> Result<Self> {
        let mut all = vec![Self::one(t, at, depth)?];
        while t.get(*at) == Some(&';') {
            *at += 1;
            all.push(Self::one(t, at, depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Self::And(all) })
    }

    fn one(t: &[char], at: &mut usize, depth: usize) -> Result<Self> {
        if depth > 20 {
            return Err(complex("scopeQ is nested too deep."));
        }
        if t.get(*at) == Some(&'(') {
            *at += 1;
            let inner = Self::or(t, at, depth + 1)?;
            if t.get(*at) != Some(&')') {
                return Err(bad("scopeQ: a parenthesis is not closed."));
            }
            *at += 1;
            return Ok(inner);
        }
        let start = *at;
        while t.get(*at).is_some_and(|c| !matches!(c, ',' | '|' | ';' | '(' | ')')) {
            *at += 1;
        }
        let word: String = t[start..*at].iter().collect();
        let path = word.strip_prefix('/').unwrap_or(&word);
        let (path, below) = match path.strip_suffix('#') {
            Some("") => ("", true),
            Some(rest) => (rest.strip_suffix('/').ok_or_else(|| bad("scopeQ: # must stand alone in the last level."))?, true),
            None => (path, false),
        };
        let levels: Vec<String> = if path.is_empty() { Vec::new() } else { path.split('/').map(str::to_string).collect() };
        let ok = |l: &String| l == "+" || (!l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')));
        if (levels.is_empty() && !below) || !levels.iter().all(ok) {
            return Err(bad(format!("scopeQ: {:?} is not a scope.", cut(&word))));
        }
        Ok(Self::Pattern(levels, below))
    }

    /// Whether an entity with these scopes is asked for.
    pub fn matches(&self, scopes: &[Box<str>]) -> bool {
        match self {
            Self::And(all) => all.iter().all(|q| q.matches(scopes)),
            Self::Or(any) => any.iter().any(|q| q.matches(scopes)),
            Self::Pattern(levels, below) => scopes.iter().any(|scope| {
                let have: Vec<&str> = scope.trim_start_matches('/').split('/').collect();
                (have.len() == levels.len() || (*below && have.len() > levels.len())) && levels.iter().zip(&have).all(|(l, h)| l == "+" || l == h)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        let have = vec!["/Madrid/Gardens/Retiro".into(), "/Company/A".into()];
        for (q, yes) in [
            ("/Madrid/Gardens/Retiro", true),
            ("/Madrid/Gardens", false),
            ("/Madrid/#", true),
            ("/#", true),
            ("/Madrid/+/Retiro", true),
            ("/+/A", true),
            ("/Madrid/#;/Company/B", false),
            ("/Madrid/#;(/Company/B,/Company/A)", true),
            ("/X|/Company/A", true),
        ] {
            assert_eq!(ScopeQuery::parse(q).unwrap().matches(&have), yes, "{q}");
        }
        for bad in ["", "/", "/a//b", "(/a", "/a)", "/a#", "/a;"] {
            assert!(ScopeQuery::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn types() {
        let ld = Ld::default();
        let t = |n: &str| ld.expand(n).unwrap();
        let select = TypeSelector::parse("(A;B),C", &ld).unwrap();
        assert!(select.matches(&[t("A"), t("B")]) && select.matches(&[t("C")]) && !select.matches(&[t("A")]));
        let select = TypeSelector::parse("(A|B);(C,D)", &ld).unwrap();
        assert!(select.matches(&[t("B"), t("D")]) && !select.matches(&[t("A"), t("B")]) && !select.matches(&[t("C"), t("D")]));
        assert!(TypeSelector::parse("(A|B)", &ld).unwrap().matches(&[t("B")]));
        for bad in ["(A", "A,,B", "A)", "(A)B", "", "()"] {
            assert!(TypeSelector::parse(bad, &ld).is_err(), "{bad}");
        }
    }
}
