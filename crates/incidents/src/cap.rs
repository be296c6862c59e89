//! CAP 1.2 (OASIS, 2010) and the Atom feed of warnings (RFC 4287).

use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Result, Timestamp};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::model_ops::{PublicWarning, WarningWords};
use crate::pack::Policy;
use crate::{Incidents, tables_ops, unknown};

/// How long a message stays in the feed.
const KEPT: i64 = 7 * 86_400_000_000;
const ENTRIES: usize = 200;

/// An instant as CAP wants it: seconds, and `-00:00` for UTC, never `Z` (§3.3.2).
pub(crate) fn instant(at: Timestamp) -> String {
    let second = Timestamp::from_second(at.as_second()).unwrap_or(at);
    second.to_string().replace('Z', "-00:00")
}

type Out = Writer<Vec<u8>>;

fn failed(e: impl std::fmt::Display) -> Error {
    Error::internal("writing XML", e)
}

fn begin(out: &mut Out, name: &str, attributes: &[(&str, &str)]) -> Result<()> {
    let mut start = BytesStart::new(name);
    attributes.iter().for_each(|a| start.push_attribute(*a));
    out.write_event(Event::Start(start)).map_err(failed)
}

fn end(out: &mut Out, name: &str) -> Result<()> {
    out.write_event(Event::End(BytesEnd::new(name))).map_err(failed)
}

fn leaf(out: &mut Out, name: &str, text: &str) -> Result<()> {
    begin(out, name, &[])?;
    // Characters that XML 1.0 has no place for are left out.
    let clean: String = text.chars().filter(|c| matches!(c, '\t' | '\n' | '\r') || *c >= ' ').filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
    out.write_event(Event::Text(BytesText::new(&clean))).map_err(failed)?;
    end(out, name)
}

fn open() -> Result<Out> {
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 1);
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None))).map_err(failed)?;
    Ok(out)
}

fn text(out: Out) -> Result<String> {
    String::from_utf8(out.into_inner()).map_err(failed)
}

/// The CAP message of a warning that was sent.
pub(crate) fn alert(policy: &Policy, w: &PublicWarning) -> Result<String> {
    let sent = w.sent_at.ok_or_else(unknown)?;
    let mut out = open()?;
    let o = &mut out;
    begin(o, "alert", &[("xmlns", "urn:oasis:names:tc:emergency:cap:1.2")])?;
    leaf(o, "identifier", &w.identifier)?;
    leaf(o, "sender", &policy.cap_sender)?;
    leaf(o, "sent", &instant(sent))?;
    leaf(o, "status", if w.drill { "Exercise" } else { "Actual" })?;
    leaf(o, "msgType", &w.msg_type)?;
    leaf(o, "scope", "Public")?;
    if w.drill {
        leaf(o, "note", "Diễn tập / Exercise")?;
    }
    if !w.references.is_empty() {
        leaf(o, "references", &w.references.join(" "))?;
    }
    info(o, policy, w, sent, "vi-VN", &w.vi)?;
    if !w.en.headline.is_empty() {
        info(o, policy, w, sent, "en", &w.en)?;
    }
    end(o, "alert")?;
    text(out)
}

fn info(o: &mut Out, policy: &Policy, w: &PublicWarning, sent: Timestamp, language: &str, words: &WarningWords) -> Result<()> {
    begin(o, "info", &[])?;
    leaf(o, "language", language)?;
    leaf(o, "category", &w.category)?;
    leaf(o, "event", &w.event)?;
    leaf(o, "urgency", &w.urgency)?;
    leaf(o, "severity", &w.severity)?;
    leaf(o, "certainty", &w.certainty)?;
    leaf(o, "effective", &instant(sent))?;
    if let Some(at) = w.expires_at {
        leaf(o, "expires", &instant(at))?;
    }
    leaf(o, "senderName", &policy.cap_sender_name)?;
    leaf(o, "headline", &words.headline)?;
    if !words.description.is_empty() {
        leaf(o, "description", &words.description)?;
    }
    if !words.instruction.is_empty() {
        leaf(o, "instruction", &words.instruction)?;
    }
    let name = w.areas.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ");
    begin(o, "area", &[])?;
    leaf(o, "areaDesc", if name.is_empty() { &policy.cap_sender_name } else { &name })?;
    if !w.polygon.is_empty() {
        // Latitude first (§3.2.4).
        leaf(o, "polygon", &w.polygon.iter().map(|[lon, lat]| format!("{lat},{lon}")).collect::<Vec<_>>().join(" "))?;
    }
    for area in &w.areas {
        begin(o, "geocode", &[])?;
        leaf(o, "valueName", "VN-commune")?;
        leaf(o, "value", &area.id)?;
        end(o, "geocode")?;
    }
    end(o, "area")?;
    end(o, "info")
}

impl Incidents {
    /// The CAP message with an identifier. Everybody may read what was sent, exercises too: they say that they are.
    pub async fn cap_alert(&self, _: &Caller, identifier: &str) -> Result<String> {
        let found = tables_ops::sent(&self.store, identifier).await?.ok_or_else(unknown)?;
        alert(self.rules().policy()?, &found)
    }

    /// The Atom feed of the last week's messages. Exercises are in it only when they are asked for.
    pub async fn cap_feed(&self, caller: &Caller, base: &str, exercises: bool) -> Result<String> {
        let rules = self.rules();
        let policy = rules.policy()?;
        let since = micros(caller.now.as_microsecond() - KEPT);
        let found = tables_ops::sent_since(&self.store, since, exercises, ENTRIES).await?;
        let mut out = open()?;
        let o = &mut out;
        begin(o, "feed", &[("xmlns", "http://www.w3.org/2005/Atom"), ("xmlns:cap", "urn:oasis:names:tc:emergency:cap:1.2")])?;
        leaf(o, "id", &format!("{base}/cap/v1/feed.atom"))?;
        leaf(o, "title", &policy.cap_sender_name)?;
        let newest = found.first().and_then(|w| w.sent_at).unwrap_or(since);
        leaf(o, "updated", &newest.to_string())?;
        begin(o, "author", &[])?;
        leaf(o, "name", &policy.cap_sender_name)?;
        end(o, "author")?;
        for w in &found {
            let at = w.sent_at.unwrap_or(newest);
            begin(o, "entry", &[])?;
            let href = format!("{base}/cap/v1/alerts/{}.xml", w.identifier);
            leaf(o, "id", &href)?;
            leaf(o, "title", &w.vi.headline)?;
            leaf(o, "updated", &at.to_string())?;
            begin(o, "link", &[("rel", "alternate"), ("type", "application/cap+xml"), ("href", &href)])?;
            end(o, "link")?;
            leaf(o, "summary", &w.vi.description)?;
            leaf(o, "cap:status", if w.drill { "Exercise" } else { "Actual" })?;
            leaf(o, "cap:msgType", &w.msg_type)?;
            leaf(o, "cap:event", &w.event)?;
            leaf(o, "cap:urgency", &w.urgency)?;
            leaf(o, "cap:severity", &w.severity)?;
            leaf(o, "cap:certainty", &w.certainty)?;
            if let Some(expires) = w.expires_at {
                leaf(o, "cap:expires", &instant(expires))?;
            }
            end(o, "entry")?;
        }
        end(o, "feed")?;
        text(out)
    }
}
