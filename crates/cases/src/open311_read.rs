//! Reads what other Open311 servers answer, XML or JSON, leniently: records of fields, whatever they are wrapped in.

use std::collections::BTreeMap;

use serde_json::Value;

/// One record: field names and texts; empty fields are left out.
pub(crate) type Record = BTreeMap<String, String>;

/// Records of one answer at most.
const MOST: usize = 5_000;
/// Depth of elements that is looked at.
const DEEPEST: usize = 32;

/// The records of a JSON answer: a list of objects, also inside one wrapping object. None when it is no JSON.
pub(crate) fn json(bytes: &[u8]) -> Option<Vec<Record>> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let rows = match value {
        Value::Array(rows) => rows,
        // Some servers wrap the list as the XML does.
        Value::Object(map) => match map.values().find_map(Value::as_array) {
            Some(rows) => rows.clone(),
            None => vec![Value::Object(map)],
        },
        _ => return None,
    };
    let text = |v: &Value| match v {
        Value::String(s) => Some(s.trim().to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    };
    let record = |row: &Value| row.as_object().map(|o| o.iter().filter_map(|(k, v)| Some((k.clone(), text(v).filter(|t| !t.is_empty())?))).collect());
    Some(rows.iter().take(MOST).filter_map(record).collect())
}

/// The records of an XML answer: the children of the root, each with its children as fields. None when it is no XML.
pub(crate) fn xml(text: &str) -> Option<Vec<Record>> {
    let mut records: Vec<Record> = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let (mut rest, mut words, mut seen) = (text.trim_start_matches('\u{feff}'), String::new(), false);
    while let Some(at) = rest.find('<') {
        if path.len() == 3 {
            words.push_str(&plain(&rest[..at]));
        }
        rest = &rest[at..];
        if let Some(inside) = rest.strip_prefix("<![CDATA[") {
            let end = inside.find("]]>")?;
            if path.len() == 3 {
                words.push_str(&inside[..end]);
            }
            rest = &inside[end + 3..];
        } else if let Some(inside) = rest.strip_prefix("<!--") {
            rest = &inside[inside.find("-->")? + 3..];
        } else if rest.starts_with("<!") {
            // A document type could declare entities: none is read, and nothing is fetched.
            return None;
        } else if let Some(inside) = rest.strip_prefix("<?") {
            rest = &inside[inside.find("?>")? + 2..];
        } else {
            let end = rest.find('>')?;
            let tag = &rest[1..end];
            rest = &rest[end + 1..];
            if let Some(name) = tag.strip_prefix('/') {
                if path.pop()? != local(name) {
                    return None;
                }
                let value = if path.len() == 2 { std::mem::take(&mut words) } else { String::new() };
                if let (true, Some(record)) = (!value.trim().is_empty(), records.last_mut()) {
                    record.entry(local(name).to_string()).or_insert_with(|| value.trim().to_string());
                }
            } else {
                seen = true;
                if path.len() == 1 {
                    records.push(Record::new());
                }
                if path.len() == 2 {
                    words.clear();
                }
                if !tag.ends_with('/') {
                    path.push(local(tag));
                }
            }
            if path.len() > DEEPEST || records.len() > MOST {
                return None;
            }
        }
    }
    (seen && path.is_empty()).then_some(records)
}

/// A tag's name without prefix and attributes.
fn local(tag: &str) -> &str {
    let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or("");
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}

/// Text with the five entities and numbers resolved; unknown ones stay as they are.
fn plain(text: &str) -> String {
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or("").to_string();
    for part in parts {
        let known = part.split_once(';').and_then(|(name, rest)| {
            let number = name.strip_prefix('#').and_then(|n| match n.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => n.parse().ok(),
            });
            let c = match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => number.and_then(char::from_u32)?,
            };
            Some((c, rest))
        });
        match known {
            Some((c, rest)) => {
                out.push(c);
                out.push_str(rest);
            }
            None => {
                out.push('&');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let xml = xml("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<service_requests><request><service_request_id>638344</service_request_id>\
            <status>closed</status><status_notes>Done &amp; dusted &#x2713; <![CDATA[<b>]]></status_notes><zipcode/><media_url></media_url></request>\
            <!-- more --><request><service_request_id>638349</service_request_id></request></service_requests>")
        .unwrap();
        let json = json(r#"[{"service_request_id":638344,"status":"closed","status_notes":"Done & dusted ✓ <b>","zipcode":null,"media_url":""},{"service_request_id":"638349"}]"#.as_bytes()).unwrap();
        assert_eq!(xml, json);
    }

    #[test]
    fn bombs_and_scraps_are_no_answers() {
        for bad in ["<!DOCTYPE a [<!ENTITY x \"y\">]><a><b><c>&x;</c></b></a>", "<a><b></a></b>", "<a", "", "no", "</a>", "<a><![CDATA[x</a>"] {
            assert_eq!(xml(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fall(text in "[<>/!?\\[\\]&;#xCDATA\"a-c -]{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _any = (xml(&text), json(&bytes), xml(&String::from_utf8_lossy(&bytes)));
        }
    }
}
