//! Addresses (clause 9.2): `Things(1)/Datastreams(2)/Observations`, `…/name/$value`, `…/$ref`.

use dothi_kernel::{Error, Result};

use super::model::{Id, Kind};

/// One step of an address.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// A set, or one of its entities: `Things`, `Things(1)`, `Datastreams` of what stands before.
    Set(String, Option<Id>),
    /// One entity a link leads to: `Thing`.
    Link(String),
    /// A property, and what lies inside of it.
    Property(Vec<String>),
    /// `$value`.
    Value,
    /// `$ref`.
    Ref,
    /// `$count`.
    Count,
}

/// 404.
pub(crate) fn missing(what: impl Into<String>) -> Error {
    Error::not_found("sta.not-found", what)
}

fn decoded(raw: &str) -> Result<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (hex(bytes.next()), hex(bytes.next())) else { return Err(missing("The address is not encoded properly.")) };
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).map_err(|_| missing("The address is not encoded properly."))
}

/// Splits at slashes outside of quotes. Quotes and slashes may be percent-encoded; encoded slashes never split.
fn segments(raw: &str) -> Result<Vec<String>> {
    let (mut out, mut from, mut quoted) = (Vec::new(), 0, false);
    for (i, c) in raw.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '%' if raw[i..].starts_with("%27") => quoted = !quoted,
            '/' if !quoted => {
                out.push(&raw[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    out.push(&raw[from..]);
    if out.last().is_some_and(|s| s.is_empty()) {
        out.pop();
    }
    out.into_iter().map(decoded).collect()
}

/// Reads what follows the root of the service.
pub(crate) fn parse(raw: &str) -> Result<Vec<Step>> {
    if raw.len() > 4_000 {
        return Err(missing("The address is too long."));
    }
    let mut steps = Vec::new();
    // The entity set that stands so far; none once a value is named.
    let mut at: Option<Kind> = None;
    for segment in segments(raw.trim_start_matches('/'))? {
        let unknown = || missing(format!("There is nothing at {:?}.", crate::fault::cut(&segment)));
        let (name, key) = match segment.find('(') {
            Some(open) => {
                let key = segment[open + 1..].strip_suffix(')').ok_or_else(unknown)?;
                (&segment[..open], Some(Id::of_key(key.trim()).ok_or_else(unknown)?))
            }
            None => (segment.as_str(), None),
        };
        let step = match (steps.last(), name) {
            (Some(Step::Value | Step::Ref | Step::Count), _) => return Err(unknown()),
            (Some(Step::Property(_)), "$value") => Step::Value,
            (Some(Step::Property(path)), _) if key.is_none() => {
                let mut path = path.clone();
                path.push(name.to_string());
                steps.pop();
                Step::Property(path)
            }
            (Some(_), "$ref") => Step::Ref,
            (Some(Step::Set(_, None)), "$count") => Step::Count,
            (None, _) => {
                at = Some(Kind::of_set(name).ok_or_else(unknown)?);
                Step::Set(name.to_string(), key)
            }
            // Only one entity has links and properties.
            (Some(Step::Set(_, None)), _) => return Err(unknown()),
            (Some(_), _) => {
                let kind = at.ok_or_else(unknown)?;
                match (kind.nav(name), key) {
                    (Some(nav), key) if nav.many => {
                        at = Some(nav.kind);
                        Step::Set(name.to_string(), key)
                    }
                    (Some(nav), None) => {
                        at = Some(nav.kind);
                        Step::Link(name.to_string())
                    }
                    (None, None) if kind.prop(name).is_some() || matches!(name, "id" | "@iot.id" | "@iot.selfLink") => Step::Property(vec![name.to_string()]),
                    _ => return Err(unknown()),
                }
            }
        };
        steps.push(step);
        if steps.len() > 16 {
            return Err(missing("The address is too long."));
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let set = |n: &str, id: Option<Id>| Step::Set(n.into(), id);
        assert_eq!(parse("/Things(1)/Datastreams").unwrap(), [set("Things", Some(Id::Int(1))), set("Datastreams", None)]);
        assert_eq!(parse("/Things(%27urn:a/b%27)/Locations/").unwrap()[0], set("Things", Some(Id::Text("urn:a/b".into()))));
        assert_eq!(parse("/Things('a%2Fb')").unwrap()[0], set("Things", Some(Id::Text("a/b".into()))));
        assert_eq!(
            parse("/Datastreams(1)/unitOfMeasurement/name/$value").unwrap()[1..],
            [Step::Property(vec!["unitOfMeasurement".into(), "name".into()]), Step::Value]
        );
        assert_eq!(parse("/Observations('1~5')/Datastream/Thing/$ref").unwrap()[1..], [Step::Link("Datastream".into()), Step::Link("Thing".into()), Step::Ref]);
        for wrong in
            ["/Nothing", "/Things/name", "/Things(1)/Thing", "/Things(1)/Datastreams/Sensor", "/Things(x)", "/Things(1", "/Things(1)/$value", "/Things(%zz)"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
