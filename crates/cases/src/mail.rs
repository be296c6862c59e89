//! Reports by mail: a message as the province's mail server hands it over becomes a report that waits for the centre's triage. The
//! same message twice is one report; what machines answer by themselves is not taken. An answer that names a report's code and comes
//! from its reporter is noted there.

use bytes::Bytes;
use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use mail_parser::{Address, Message, MessageParser, MimeHeaders};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Contact, NewReport};
use crate::tables::{self, LogRecord};
use crate::{Cases, text};

/// Most bytes of a message.
pub const MESSAGE: usize = 25 * 1024 * 1024;
/// Most parts of a message that are looked at.
const PARTS: usize = 200;

/// How mail becomes reports.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailPolicy {
    /// Category that mail is given until the centre chooses one.
    pub category: String,
}

impl MailPolicy {
    /// Every fault of the definition.
    pub(crate) fn check(&self, category: impl Fn(&str) -> bool) -> Option<String> {
        (!self.category.is_empty() && !category(&self.category)).then(|| format!("mail.category `{}` is not declared", self.category))
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailResult {
    /// `taken` (a report, new or from the same message before), `noted` (in the log of a report) or `ignored`.
    pub outcome: String,
    /// The report's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why it was ignored: `auto-reply`, `bounce`, `list`, `loop` or `empty`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a message says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letter {
    /// Its Message-ID, or a hash of the message when it has none.
    pub id: String,
    /// Who wrote it.
    pub name: Option<String>,
    /// Where an answer goes.
    pub address: Option<String>,
    /// Subject.
    pub subject: String,
    /// Words without what was quoted and without the signature.
    pub words: String,
    /// Pictures, as they came.
    pub pictures: Vec<Bytes>,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Somebody wrote.
    Letter(Letter),
    /// Not to be taken, and why.
    Ignored(&'static str),
}

fn header(message: &Message<'_>, name: &str) -> Option<String> {
    message.header_raw(name.to_string()).map(|v| v.trim().to_lowercase())
}

/// What a machine sent by itself (RFC 3834), and what goes round.
fn by_itself(message: &Message<'_>) -> Option<&'static str> {
    let says = |name: &str, words: &[&str]| header(message, name).is_some_and(|v| words.iter().any(|w| v.starts_with(w)));
    let from = first(message.from()).and_then(|a| a.1).unwrap_or_default().to_lowercase();
    if header(message, "Return-Path").is_some_and(|p| p == "<>") || ["mailer-daemon@", "postmaster@"].iter().any(|w| from.starts_with(w)) {
        return Some("bounce");
    }
    if header(message, "Auto-Submitted").is_some_and(|v| !v.starts_with("no"))
        || header(message, "X-Autoreply").is_some()
        || says("X-Auto-Response-Suppress", &["all"])
    {
        return Some("auto-reply");
    }
    if says("Precedence", &["bulk", "junk", "list", "auto_reply"]) || header(message, "List-Id").is_some() || header(message, "List-Unsubscribe").is_some() {
        return Some("list");
    }
    // Handed on again and again, or sent by ourselves.
    if header(message, "X-Dothi").is_some() || message.headers().iter().filter(|h| h.name.as_str().eq_ignore_ascii_case("received")).count() > 60 {
        return Some("loop");
    }
    None
}

fn first(address: Option<&Address<'_>>) -> Option<(Option<String>, Option<String>)> {
    let one = address?.first()?;
    Some((one.name.as_ref().map(|n| n.to_string()), one.address.as_ref().map(|a| a.to_string())))
}

/// The words of the writer: up to what they answered to, without quoted lines, without the signature.
fn own_words(body: &str) -> String {
    let quotes = |line: &str| {
        let line = line.trim();
        let wrote = (line.ends_with("wrote:") || line.ends_with("đã viết:")) && line.len() < 300;
        wrote || line.starts_with("-----Original Message") || line.starts_with("_____________________")
    };
    let mut words = String::new();
    for line in body.lines() {
        if line == "-- " || line == "--" || quotes(line) {
            break;
        }
        if !line.starts_with('>') {
            words.push_str(line.trim_end());
            words.push('\n');
        }
    }
    words.trim().to_string()
}

/// Reads a message (RFC 5322). None when it is none.
pub fn read(raw: &[u8]) -> Option<Read> {
    let message = MessageParser::default().parse(raw)?;
    if message.headers().is_empty() {
        return None;
    }
    if let Some(why) = by_itself(&message) {
        return Some(Read::Ignored(why));
    }
    let (name, from) = first(message.from()).unwrap_or_default();
    let answer_to = first(message.reply_to()).and_then(|a| a.1);
    let body = message.body_text(0).map(|b| own_words(&b)).unwrap_or_default();
    let subject = text::short(message.subject().unwrap_or_default(), 200);
    let pictures = message.attachments().take(PARTS).filter(|p| is_picture(p.contents())).map(|p| Bytes::copy_from_slice(p.contents())).collect::<Vec<_>>();
    // Pictures inside the text count, too.
    let inline =
        message.parts.iter().take(PARTS).filter(|p| p.content_type().is_some_and(|t| t.ctype().eq_ignore_ascii_case("image")) && is_picture(p.contents()));
    let mut all = pictures;
    for part in inline {
        if !all.iter().any(|p| p == part.contents()) {
            all.push(Bytes::copy_from_slice(part.contents()));
        }
    }
    let id = message.message_id().filter(|id| !id.is_empty()).map_or_else(|| text::hash(&[&String::from_utf8_lossy(raw)]), str::to_string);
    if body.is_empty() && subject.is_empty() {
        return Some(Read::Ignored("empty"));
    }
    Some(Read::Letter(Letter { id, name, address: answer_to.or(from), subject, words: body, pictures: all }))
}

/// By what it holds, not by what it is called.
fn is_picture(bytes: &[u8]) -> bool {
    matches!(image::guess_format(bytes), Ok(image::ImageFormat::Jpeg | image::ImageFormat::Png | image::ImageFormat::WebP))
}

/// The code of a report named in a subject.
fn named_code(subject: &str, prefix: &str) -> Option<String> {
    let wanted = format!("{prefix}-");
    subject.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).map(text::normal_code).find(|w| w.starts_with(&wanted) && w.len() == wanted.len() + 6)
}

impl Cases {
    /// Takes a message. For programs with the centre's permission (the province's mail server). 400 `case.mail.unreadable`, 413
    /// `case.mail.too-large`, 422 `case.mail.off`, and the errors of [`Cases::report`] that ask to come again later.
    pub async fn take_mail(&self, caller: &Caller, raw: Bytes) -> Result<MailResult> {
        caller.require(Permission::CaseTriage, Scope::ANY)?;
        if raw.len() > MESSAGE {
            return Err(Error::too_large("case.mail.too-large", "This message is too large.").with("limit_bytes", MESSAGE));
        }
        let (_, case_type) = self.current_type("report")?;
        if case_type.mail.category.is_empty() {
            return Err(Error::unprocessable("case.mail.off", "Reports by mail are not taken here."));
        }
        let read = tokio::task::spawn_blocking(move || read(&raw)).await.map_err(|e| Error::internal("reading a message", e))?;
        let letter = match read {
            None => return Err(Error::invalid("case.mail.unreadable", "This is no mail message.")),
            Some(Read::Ignored(why)) => return Ok(MailResult { outcome: "ignored".into(), code: None, why: Some(why.into()) }),
            Some(Read::Letter(letter)) => letter,
        };
        if let Some(code) = named_code(&letter.subject, &case_type.code_prefix)
            && self.note_letter(caller, &code, &letter).await?
        {
            return Ok(MailResult { outcome: "noted".into(), code: Some(code), why: None });
        }
        let words = format!("{}\n{}", letter.subject, letter.words);
        let limits = &case_type.limits;
        let report = NewReport {
            kind: case_type.kind.clone(),
            category: case_type.mail.category.clone(),
            text: words.trim().chars().take(limits.text_chars).collect(),
            contact: Some(contact(&letter)),
            source: Some("mail".into()),
            anonymous: true,
            ..NewReport::default()
        };
        let key = format!("mail-{}", text::hash(&[&letter.id]));
        let pictures: Vec<Bytes> = letter.pictures.into_iter().filter(|p| p.len() <= limits.photo_bytes).take(limits.photos).collect();
        let taken = match self.report(caller, report.clone(), pictures.clone(), Some(&key)).await {
            // A broken picture does not cost the words.
            Err(e) if e.code().starts_with("case.photo.") && e.code() != "case.photo.busy" && !pictures.is_empty() => {
                self.report(caller, report, Vec::new(), Some(&key)).await
            }
            other => other,
        };
        match taken {
            Ok(receipt) => Ok(MailResult { outcome: "taken".into(), code: Some(receipt.code), why: None }),
            // Another message under the same Message-ID is the same message, changed on its way.
            Err(e) if e.code() == "case.idempotency-key.reused" => Ok(MailResult { outcome: "taken".into(), code: None, why: None }),
            Err(e) => Err(e),
        }
    }

    /// Notes a letter in the log of the report that its subject names, when its reporter wrote it.
    async fn note_letter(&self, caller: &Caller, code: &str, letter: &Letter) -> Result<bool> {
        let mut tx = self.store.begin(caller).await?;
        let Some(found) = tables::case_by_code_in(&mut tx, code).await? else { return Ok(false) };
        let (_, known) = tables::reporter_in(&mut tx, found.id).await?;
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        if !known.email.as_deref().zip(letter.address.as_deref()).is_some_and(|(a, b)| same(a, b)) {
            return Ok(false);
        }
        if tx.once("case.mail", &text::hash(&[&letter.id]), code).await?.is_some() {
            return Ok(true);
        }
        let case = tables::case_in(&mut tx, found.id).await?.ok_or_else(tables::unknown)?;
        let note = letter.words.chars().take(4_000).collect::<String>();
        let log = LogRecord { step: "mail".into(), note: Some(note), ..LogRecord::of(&case, caller.now, "reporter") };
        tables::insert_log(&mut tx, case.id, &log).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// How to answer; an address that is none is left out.
fn contact(letter: &Letter) -> Contact {
    let given = Contact { name: letter.name.as_deref().map(|n| text::short(n, 90)), phone: None, email: letter.address.clone() };
    crate::intake::check_contact(given.clone()).unwrap_or(Contact { email: None, ..given })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(raw: &str) -> Letter {
        match read(raw.as_bytes()) {
            Some(Read::Letter(letter)) => letter,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_are_the_writers_own() {
        let raw = "From: =?UTF-8?B?SG/DoCBOZ3V54buFbg==?= <hoa@example.vn>\r\nSubject: =?UTF-8?Q?=C4=90=C3=A8n_h=E1=BB=8Fng?=\r\nMessage-ID: <1@example.vn>\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\r\nĐèn trước số 5 hỏng.\r\n> cũ\r\n-- \r\nHoà\r\n0912345678\r\n";
        let got = letter(raw);
        assert_eq!((got.subject.as_str(), got.words.as_str()), ("Đèn hỏng", "Đèn trước số 5 hỏng."));
        assert_eq!((got.name.as_deref(), got.address.as_deref(), got.id.as_str()), (Some("Hoà Nguyễn"), Some("hoa@example.vn"), "1@example.vn"));
        assert_eq!(own_words("Xong rồi.\nVào 10:00, A <a@b.vn> đã viết:\n> hỏi"), "Xong rồi.");
        assert_eq!(named_code("Re: [hy-7oklma] Đèn", "HY").as_deref(), Some("HY-70K1MA"));
        assert_eq!(named_code("Re: HY-7 và nhiều thứ", "HY"), None);
    }

    #[test]
    fn what_machines_send_by_themselves_is_not_taken() {
        for (line, why) in [
            ("Auto-Submitted: auto-replied", "auto-reply"),
            ("X-Autoreply: yes", "auto-reply"),
            ("Precedence: bulk", "list"),
            ("List-Id: <a.b>", "list"),
            ("Return-Path: <>", "bounce"),
            ("X-Dothi: 1", "loop"),
        ] {
            let raw = format!("From: a@example.vn\r\n{line}\r\nSubject: x\r\n\r\ny\r\n");
            assert_eq!(read(raw.as_bytes()), Some(Read::Ignored(why)), "{line}");
        }
        assert!(matches!(read(b"From: a@example.vn\r\nAuto-Submitted: no\r\nSubject: x\r\n\r\ny"), Some(Read::Letter(_))));
        assert_eq!(read(b"From: MAILER-DAEMON@example.vn\r\n\r\nx"), Some(Read::Ignored("bounce")));
        assert_eq!(read(b""), None);
    }
}
