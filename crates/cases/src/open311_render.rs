//! Open311 answers on the wire: one tree, as JSON (lists at the top) or as XML (no namespace).

use serde_json::Value;

/// What the answer's outermost element is called in XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    Discovery,
    Services,
    ServiceDefinition,
    ServiceRequests,
    RequestUpdates,
    Errors,
}

impl Root {
    fn name(self) -> &'static str {
        match self {
            Root::Discovery => "discovery",
            Root::Services => "services",
            Root::ServiceDefinition => "service_definition",
            Root::ServiceRequests => "service_requests",
            Root::RequestUpdates => "service_request_updates",
            Root::Errors => "errors",
        }
    }
}

/// What an item of a list is called in XML.
fn item_of(list: &str) -> &'static str {
    match list {
        "services" => "service",
        "service_requests" => "request",
        "service_request_updates" => "request_update",
        "errors" => "error",
        "attributes" => "attribute",
        "values" => "value",
        "endpoints" => "endpoint",
        "formats" => "format",
        _ => "item",
    }
}

/// The answer as XML.
pub(crate) fn xml(root: Root, body: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    element(&mut out, root.name(), body);
    out
}

fn element(out: &mut String, name: &str, body: &Value) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    match body {
        Value::Null => {}
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => escape(out, text),
        Value::Array(items) => items.iter().for_each(|item| element(out, item_of(name), item)),
        Value::Object(fields) => fields.iter().for_each(|(field, value)| element(out, field, value)),
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Text inside an element; characters that XML 1.0 does not know are left out.
pub(crate) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Readers would make it a line feed.
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_name_their_items_and_text_is_escaped() {
        let body = json!([{ "code": 400, "description": "a < b & \"c\"\u{1} ]]>" }]);
        assert_eq!(
            xml(Root::Errors, &body),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<errors><error><code>400</code><description>a &lt; b &amp; \"c\" ]]&gt;</description></error></errors>"
        );
        let nested = json!({ "service_code": "x", "attributes": [{ "required": true, "values": [{ "key": "1", "name": null }] }] });
        assert!(
            xml(Root::ServiceDefinition, &nested)
                .contains("<attributes><attribute><required>true</required><values><value><key>1</key><name></name></value></values></attribute></attributes>")
        );
    }
}
