//! From a template and its values to words: in one language, escaped for where they go.

use dothi_kernel::{Error, Result};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Map, Value, json};

use crate::pack::{Template, Words};

/// Longest subject in characters.
const SUBJECT: usize = 150;
/// Longest words of a push message.
const PUSH: usize = 300;

/// A message in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Subject of a mail, title of a push message.
    pub subject: String,
    /// The text of a mail.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// What a push message says: only the case's code and state are put into it.
    pub push: String,
}

/// The language that is written: Vietnamese unless English was chosen.
pub fn language(wanted: &str) -> &'static str {
    if wanted.starts_with("en") { "en" } else { "vi" }
}

/// Values that are given in both languages become those of one.
fn in_language(value: &Value, lang: &str) -> Value {
    match value {
        Value::Object(map) if map.len() == 2 && map.contains_key("vi") && map.contains_key("en") => {
            let chosen = map.get(lang).filter(|v| v.as_str() != Some("")).or_else(|| map.get("vi"));
            chosen.cloned().unwrap_or_default()
        }
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), in_language(v, lang))).collect()),
        Value::Array(many) => many.iter().map(|v| in_language(v, lang)).collect(),
        other => other.clone(),
    }
}

/// Renders a template. Unknown values are an error: nobody gets a letter with holes.
pub fn render(template: &Template, lang: &str, data: &Value) -> Result<Rendered> {
    let lang = language(lang);
    let words: &Words = if lang == "en" { &template.en } else { &template.vi };
    let data = in_language(data, lang);
    let said = |text: &str, data: &Value| -> Result<String> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|_| AutoEscape::None);
        env.render_str(text, minijinja::value::Serde(data)).map_err(|e| Error::internal("writing a message", e))
    };
    let text = said(&words.text, &data)?;
    let public: Map<String, Value> = ["code", "state"].iter().map(|k| ((*k).to_string(), data.get(*k).cloned().unwrap_or_default())).collect();
    Ok(Rendered {
        subject: line(&said(&words.subject, &data)?, SUBJECT),
        html: html(&text, lang),
        text: text.trim().to_string() + "\n",
        push: line(&said(&words.push, &json!(public))?, PUSH),
    })
}

/// One line of bounded length without control characters: nothing can begin another header.
fn line(text: &str, most: usize) -> String {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    plain.chars().filter(|c| !c.is_control()).take(most).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Paragraphs and links from plain text. What people wrote stays text: everything is escaped.
fn html(text: &str, lang: &str) -> String {
    let word = |word: &str| {
        let shown = escaped(word);
        if word.starts_with("https://") || word.starts_with("http://") { format!("<a href=\"{shown}\">{shown}</a>") } else { shown }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    let paragraph = |p: &str| format!("<p>{}</p>", p.trim().lines().map(line).collect::<Vec<_>>().join("<br>\n"));
    let body: Vec<String> = text.trim().split("\n\n").filter(|p| !p.trim().is_empty()).map(paragraph).collect();
    let style = "font-family:'Be Vietnam Pro',Arial,sans-serif;font-size:16px;line-height:1.5;color:#1b1f24;max-width:36rem;margin:0 auto;padding:1rem";
    format!("<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\"></head><body style=\"{style}\">\n{}\n</body></html>\n", body.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(subject: &str, text: &str, push: &str) -> Template {
        let words = Words { subject: subject.into(), text: text.into(), push: push.into() };
        Template { vi: words.clone(), en: words, ..Template::default() }
    }

    #[test]
    fn what_people_wrote_stays_words() {
        let data = json!({ "code": "HY-1", "state": { "vi": "Đã xong", "en": "Done" }, "question": "<b>Ở đâu?</b>\r\nBcc: a@b.vn" });
        let got = render(&template("{{ code }} {{ question }}", "{{ question }} https://a.vn/?a=1&b=2\n\n{{ state }}", "{{ code }}: {{ state }}"), "en", &data)
            .unwrap();
        assert_eq!(got.subject, "HY-1 <b>Ở đâu?</b> Bcc: a@b.vn");
        assert!(got.html.contains("&lt;b&gt;Ở đâu?&lt;/b&gt;") && got.html.contains("<a href=\"https://a.vn/?a=1&amp;b=2\">"), "{}", got.html);
        assert!(got.text.ends_with("Done\n"));
        assert_eq!(got.push, "HY-1: Done");
    }

    #[test]
    fn a_push_message_knows_code_and_state_only() {
        let data = json!({ "code": "HY-1", "state": "x", "name": "Nguyễn" });
        assert!(render(&template("{{ code }}", "{{ name }}", "{{ name }}"), "vi", &data).is_err());
    }
}
