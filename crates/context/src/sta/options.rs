//! Query options (clause 9.3): `$filter $expand $select $orderby $top $skip $count $resultFormat` and the place where a
//! page goes on.

use dothi_kernel::Result;

use super::filter::{self, Expr, bad};
use super::model::{Kind, Nav};

/// Rows of a page unless `$top` says otherwise, and at most.
const PAGE: usize = 100;
const LARGEST: usize = 10_000;
/// How deep `$expand` may nest, and how many links one may name.
const EXPANDS: usize = 6;
const LINKS: usize = 16;

/// Query options.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub filter: Option<Expr>,
    pub order: Vec<(Expr, bool)>,
    pub expand: Vec<Expand>,
    pub select: Option<Vec<String>>,
    pub top: usize,
    pub skip: usize,
    pub count: bool,
    /// Where the page before ended.
    pub token: Option<String>,
    /// Observations as data arrays.
    pub arrays: bool,
    /// As they were written, for the address of the next page.
    pub raw: Vec<(String, String)>,
}

/// A link to be followed, with options of its own.
#[derive(Debug, Clone)]
pub(crate) struct Expand {
    pub nav: &'static Nav,
    pub options: Options,
}

/// Splits at a character outside of brackets and quotes.
fn split(text: &str, at: char) -> Result<Vec<&str>> {
    let (mut depth, mut quoted, mut from, mut out) = (0i32, false, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth -= 1,
            c if c == at && depth == 0 => {
                out.push(&text[from..i]);
                from = i + c.len_utf8();
            }
            _ => {}
        }
        if depth < 0 {
            return Err(bad("There is a closing bracket too many."));
        }
    }
    if depth != 0 || quoted {
        return Err(bad("Brackets or quotes are not closed."));
    }
    out.push(&text[from..]);
    Ok(out)
}

fn number(name: &str, text: &str) -> Result<usize> {
    text.trim().parse().map_err(|_| bad(format!("{name} must be a whole number that is not negative.")))
}

fn expand(text: &str, kind: Kind, depth: usize) -> Result<Vec<Expand>> {
    if depth >= EXPANDS {
        return Err(bad("$expand nests too deep."));
    }
    let mut out: Vec<Expand> = Vec::new();
    for item in split(text, ',')? {
        let item = item.trim();
        let (steps, inner) = match item.find('(') {
            Some(at) => (&item[..at], item[at + 1..].strip_suffix(')').ok_or_else(|| bad("A bracket in $expand is not closed."))?),
            None => (item, ""),
        };
        let (first, rest) = steps.split_once('/').unwrap_or((steps, ""));
        let nav = kind.nav(first).ok_or_else(|| bad(format!("{} has no link {:?}.", kind.name(), crate::fault::cut(first))))?;
        // `A/B(…)` is short for `A($expand=B(…))`.
        let nested: Vec<(String, String)> = if rest.is_empty() {
            split(inner, ';')?
                .into_iter()
                .filter(|p| !p.trim().is_empty())
                .map(|p| p.split_once('=').map(|(k, v)| (k.trim().to_string(), v.to_string())).ok_or_else(|| bad("An option inside $expand has no value.")))
                .collect::<Result<_>>()?
        } else {
            vec![("$expand".into(), format!("{rest}{}", &item[steps.len()..]))]
        };
        let options = Options::nested(&nested, nav.kind, depth + 1)?;
        match out.iter_mut().find(|e| e.nav.name == nav.name) {
            Some(known) if !rest.is_empty() => known.options.expand.extend(options.expand),
            Some(_) => return Err(bad(format!("{} is expanded twice.", nav.name))),
            None => out.push(Expand { nav, options }),
        }
        if out.len() > LINKS {
            return Err(bad("$expand names too many links."));
        }
    }
    Ok(out)
}

impl Options {
    /// Reads the options of a request to a set or an entity of it.
    pub fn read(params: &[(String, String)], kind: Kind) -> Result<Self> {
        Self::nested(params, kind, 0)
    }

    fn nested(params: &[(String, String)], kind: Kind, depth: usize) -> Result<Self> {
        let mut out = Options {
            filter: None,
            order: Vec::new(),
            expand: Vec::new(),
            select: None,
            top: PAGE,
            skip: 0,
            count: false,
            token: None,
            arrays: false,
            raw: params.to_vec(),
        };
        for (i, (name, value)) in params.iter().enumerate() {
            if params[..i].iter().any(|(n, _)| n == name) {
                return Err(bad(format!("{} is given twice.", crate::fault::cut(name))));
            }
            match name.as_str() {
                "$filter" => out.filter = Some(filter::filter(value, kind)?),
                "$orderby" => out.order = filter::order(value, kind)?,
                "$expand" => out.expand = expand(value, kind, depth)?,
                "$select" => out.select = Some(select(value, kind)?),
                "$top" => out.top = number(name, value)?.min(LARGEST),
                "$skip" => out.skip = number(name, value)?,
                "$count" => {
                    out.count = match value.as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(bad("$count must be true or false.")),
                    }
                }
                "$skiptoken" if depth == 0 => out.token = Some(value.clone()),
                "$resultFormat" if depth == 0 => {
                    out.arrays = match (value.as_str(), kind) {
                        ("dataArray", Kind::Observation) => true,
                        ("default", _) => false,
                        _ => return Err(bad("$resultFormat can be dataArray for Observations.")),
                    }
                }
                _ => return Err(bad(format!("The option {:?} is not known.", crate::fault::cut(name)))),
            }
        }
        Ok(out)
    }

    /// Whether a property is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.select.as_ref().is_none_or(|s| s.iter().any(|w| w == name))
    }
}

fn select(text: &str, kind: Kind) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for word in text.split(',').map(str::trim) {
        let name = if word == "@iot.id" { "id" } else { word };
        if word != "*" && name != "id" && name != "@iot.selfLink" && kind.prop(name).is_none() && kind.nav(name).is_none() {
            return Err(bad(format!("{} has no property {:?}.", kind.name(), crate::fault::cut(name))));
        }
        if word == "*" {
            out.extend(
                ["id", "@iot.selfLink"].into_iter().chain(kind.props().iter().map(|p| p.name)).chain(kind.navs().iter().map(|n| n.name)).map(str::to_string),
            );
        } else {
            out.push(name.to_string());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_nest() {
        let options = |text: &str| Options::read(&[("$expand".into(), text.into())], Kind::Thing);
        let read = options("Datastreams($filter=name eq 'a;b(,';$expand=Observations($top=1;$orderby=phenomenonTime desc),Sensor),Locations").unwrap();
        assert_eq!(read.expand.iter().map(|e| e.nav.name).collect::<Vec<_>>(), ["Datastreams", "Locations"]);
        let inner = &read.expand[0].options;
        assert!(inner.filter.is_some());
        assert_eq!((inner.expand[0].nav.name, inner.expand[0].options.top, inner.expand[1].nav.name), ("Observations", 1, "Sensor"));
        let short = options("Datastreams/ObservedProperty,Datastreams/Sensor").unwrap();
        assert_eq!(short.expand.len(), 1);
        assert_eq!(short.expand[0].options.expand.len(), 2);
        for wrong in ["Things", "Datastreams(", "Datastreams($top=-1)", "Datastreams($x=1)", "Locations,Locations", ""] {
            assert!(options(wrong).is_err(), "{wrong}");
        }
    }
}
