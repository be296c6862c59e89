//! Which members of entities, and of the entities they link to, are shown (CIM 009, 4.21): `a,b{c,d{e}}`.

use dothi_kernel::Result;

use crate::fault::{bad, cut};
use crate::ld::Ld;
use crate::model::Iri;

/// Links that may be followed (`joinLevel`), and so the depth of a projection.
pub const MAX_LEVEL: usize = 10;
/// Names of one projection.
const MAX_NAMES: usize = 1_000;

/// What is shown of an entity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projection {
    /// Only these members (`id`, `type`, `scope` or expanded attribute names).
    pub pick: Option<Vec<Iri>>,
    /// Not these members.
    pub omit: Vec<Iri>,
    /// What is shown of entities linked by these attributes.
    pub linked: Vec<(Iri, Projection)>,
}

/// A name with what stands in braces behind it.
struct Member {
    name: Iri,
    below: Vec<Member>,
}

/// The expanded name of a member.
pub fn member(word: &str, ld: &Ld) -> Result<Iri> {
    match word {
        "id" | "type" | "scope" | "createdAt" | "modifiedAt" | "expiresAt" | "deletedAt" => Ok(word.into()),
        name => ld.expand(name),
    }
}

fn parse(text: &str, ld: &Ld) -> Result<Vec<Member>> {
    let (mut at, mut names) = (0, 0);
    let members = list(text, &mut at, 0, &mut names, ld)?;
    if at == text.len() { Ok(members) } else { Err(wrong(text)) }
}

fn wrong(text: &str) -> dothi_kernel::Error {
    bad(format!("The list of members {:?} is not well formed.", cut(text)))
}

fn list(text: &str, at: &mut usize, depth: usize, names: &mut usize, ld: &Ld) -> Result<Vec<Member>> {
    if depth > MAX_LEVEL {
        return Err(bad("The list of members goes deeper than links are followed."));
    }
    let mut members = Vec::new();
    loop {
        let rest = &text[*at..];
        let end = rest.find([',', '|', '{', '}']).unwrap_or(rest.len());
        let word = rest[..end].trim();
        *names += 1;
        if word.is_empty() || *names > MAX_NAMES {
            return Err(wrong(text));
        }
        let name = member(word, ld)?;
        *at += end;
        let mut below = Vec::new();
        if text[*at..].starts_with('{') {
            *at += 1;
            below = list(text, at, depth + 1, names, ld)?;
            if !text[*at..].starts_with('}') {
                return Err(wrong(text));
            }
            *at += 1;
        }
        members.push(Member { name, below });
        if !text[*at..].starts_with([',', '|']) {
            return Ok(members);
        }
        *at += 1;
    }
}

impl Projection {
    /// Reads `pick` and `omit`. 400 when they are not well formed or name the same member.
    pub fn parse(pick: Option<&str>, omit: Option<&str>, ld: &Ld) -> Result<Self> {
        let pick = pick.map(|p| parse(p, ld)).transpose()?;
        let omit = omit.map(|o| parse(o, ld)).transpose()?;
        Self::of(pick, omit.unwrap_or_default())
    }

    fn of(pick: Option<Vec<Member>>, omit: Vec<Member>) -> Result<Self> {
        let mut out = Self::default();
        let mut below: Vec<(Iri, Option<Vec<Member>>, Vec<Member>)> = Vec::new();
        if let Some(picked) = pick {
            let mut names = Vec::with_capacity(picked.len());
            for member in picked {
                names.push(member.name.clone());
                if !member.below.is_empty() {
                    below.push((member.name, Some(member.below), Vec::new()));
                }
            }
            out.pick = Some(names);
        }
        for member in omit {
            if member.below.is_empty() {
                out.omit.push(member.name);
            } else if let Some(known) = below.iter_mut().find(|(n, ..)| *n == member.name) {
                known.2 = member.below;
            } else {
                below.push((member.name, None, member.below));
            }
        }
        if out.pick.iter().flatten().any(|p| out.omit.contains(p)) {
            return Err(bad("A name stands in both pick and omit."));
        }
        for (name, pick, omit) in below {
            out.linked.push((name, Self::of(pick, omit)?));
        }
        Ok(out)
    }

    /// How many links it follows.
    pub fn depth(&self) -> usize {
        self.linked.iter().map(|(_, below)| below.depth() + 1).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections() {
        let ld = Ld::default();
        let read = |pick| Projection::parse(Some(pick), None, &ld);
        assert_eq!(read("id,a{b,c{d}}|e").unwrap().depth(), 2);
        assert_eq!(read("a").unwrap().depth(), 0);
        for wrong in ["", "a,,b", "a|", "a{", "a{}", "a{{b}", "a{,b}", "a}", "id;a", "a{b}c"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(Projection::parse(Some("a"), Some("b,a"), &ld).is_err());
        let both = Projection::parse(Some("a{b}"), Some("c,a{d}"), &ld).unwrap();
        assert_eq!((both.omit.len(), both.linked.len()), (1, 1));
    }
}
