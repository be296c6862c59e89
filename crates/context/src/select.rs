//! Selecting by type (`(A;B),C|D`) and by scope (`/a/+/b/#`).

use dothi_kernel::Result;

use crate::fault::{bad, complex, cut};
use crate::ld::Ld;
use crate::model::Iri;

/// Types asked for: any of several, each all of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeSelector(Vec<Vec<Iri>>);

impl TypeSelector {
    /// Reads `A`, `A,B`, `A|B`, `(A;B),C`.
    pub fn parse(text: &str, ld: &Ld) -> Result<Self> {
        let wrong = || bad(format!("The type selection {:?} is not well formed.", cut(text)));
        if text.len() > 8_192 {
            return Err(complex("The type selection is too long."));
        }
        let (mut any, mut depth, mut part) = (Vec::new(), 0usize, String::new());
        for c in text.chars().chain([',']) {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.checked_sub(1).ok_or_else(wrong)?,
                ',' | '|' if depth == 0 => {
                    let all = part.split(';').map(|t| ld.expand(t.trim())).collect::<Result<Vec<_>>>()?;
                    any.push(all);
                    part.clear();
                }
                c => part.push(c),
            }
        }
        if depth > 0 || any.len() > 200 {
            return Err(wrong());
        }
        Ok(Self(any))
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
        assert!(TypeSelector::parse("(A", &ld).is_err() && TypeSelector::parse("A,,B", &ld).is_err());
    }
}
