//! Mail: one message as text and as HTML made from that text, and the settings of where it goes out.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dothi_kernel::{Error, Result, Timestamp};
use serde::Deserialize;

use crate::post::Outcome;
use crate::smtp::{Refusal, Target, Tls};

/// Bytes of UTF-8 in one encoded word, so that it stays below 75 characters.
const WORD: usize = 42;

/// A word that no log prints.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where mail goes out and from whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailSettings {
    /// `smtps://user:password@host:465`, `smtp://user:password@host:587?tls=required`; empty: no mail goes out.
    pub url: Secret,
    /// Sender: `Đô thị <no-reply@example.vn>`.
    pub from: String,
}

/// Sends mail.
pub struct Mailer {
    target: Target,
    name: String,
    address: String,
}

/// A mail as it goes out.
pub(crate) struct Mail<'a> {
    pub to: &'a str,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The same for every try, so that a mail box shows a repeated one once.
    pub id: String,
    pub at: Timestamp,
    /// Page that ends all of it at once (RFC 8058).
    pub stop: Option<String>,
}

fn bad(what: &'static str, why: impl std::fmt::Display) -> Error {
    Error::invalid("settings.invalid", "A setting cannot be used.").with("setting", what).with("reason", why)
}

fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2).and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok())).flatten();
        out.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Mailer {
    /// None when no mail is to go out. 400 `settings.invalid`: also when a password would travel in the clear.
    pub fn new(settings: &MailSettings) -> Result<Option<Self>> {
        if settings.url.0.is_empty() {
            return Ok(None);
        }
        let url: url::Url = settings.url.0.parse().map_err(|e| bad("DOTHI_SMTP_URL", e))?;
        let host = url.host_str().ok_or_else(|| bad("DOTHI_SMTP_URL", "has no host"))?.trim_matches(['[', ']']).to_string();
        let tls = match (url.scheme(), url.query_pairs().any(|(k, v)| k == "tls" && v == "required")) {
            ("smtps", _) => Tls::Direct,
            ("smtp", true) => Tls::Start,
            ("smtp", false) if matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1") => Tls::None,
            ("smtp", false) => return Err(bad("DOTHI_SMTP_URL", "beyond this machine it needs smtps:// or ?tls=required")),
            _ => return Err(bad("DOTHI_SMTP_URL", "begins with smtp:// or smtps://")),
        };
        let port = url.port().unwrap_or(match tls {
            Tls::Direct => 465,
            Tls::Start => 587,
            Tls::None => 25,
        });
        let user = (!url.username().is_empty()).then(|| (decoded(url.username()), decoded(url.password().unwrap_or(""))));
        let (name, address) = match settings.from.rsplit_once('<') {
            Some((name, address)) => (name.trim().trim_matches('"').to_string(), address.trim_end().trim_end_matches('>').to_string()),
            None => (String::new(), settings.from.trim().to_string()),
        };
        if !is_address(&address) || name.chars().any(char::is_control) {
            return Err(bad("DOTHI_MAIL_FROM", "looks like: Đô thị <no-reply@example.vn>"));
        }
        let domain = address.rsplit_once('@').map_or("localhost", |(_, d)| d).to_string();
        Ok(Some(Self { target: Target { host, port, tls, user, domain, connector: connector() }, name, address }))
    }

    /// The sender's address, for push services to turn to.
    pub fn contact(&self) -> String {
        format!("mailto:{}", self.address)
    }

    /// Sends one mail and says what came of it.
    pub(crate) async fn send(&self, mail: Mail<'_>) -> Outcome {
        if !is_address(mail.to) {
            return Outcome::Never("this is no mail address".into());
        }
        match self.target.send(&self.address, mail.to, &self.written(&mail)).await {
            Ok(answer) => Outcome::Taken(told(&answer)),
            Err(Refusal::Never(why)) => Outcome::Never(told(&why)),
            Err(Refusal::Later(why)) => Outcome::Later { why: told(&why), wait: None },
        }
    }

    /// The message as RFC 5322 and MIME want it. Bodies are base64, so no line is too long and none begins with a dot.
    fn written(&self, mail: &Mail<'_>) -> String {
        let from = if self.name.is_empty() { self.address.clone() } else { format!("{} <{}>", encoded(&self.name), self.address) };
        let date = mail.at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000");
        let boundary = format!("dothi-{}", mail.id);
        let mut out = format!(
            "From: {from}\r\nTo: {}\r\nSubject: {}\r\nDate: {date}\r\nMessage-ID: <{}@{}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
            mail.to,
            encoded(&mail.subject),
            mail.id,
            self.target.domain
        );
        if let Some(stop) = &mail.stop {
            out.push_str(&format!("List-Unsubscribe: <{stop}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
        }
        out.push_str(&format!("Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n"));
        for (kind, body) in [("plain", &mail.text), ("html", &mail.html)] {
            out.push_str(&format!("--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"));
            let body = STANDARD.encode(body.replace('\n', "\r\n"));
            for line in body.as_bytes().chunks(76) {
                out.push_str(&String::from_utf8_lossy(line));
                out.push_str("\r\n");
            }
        }
        out.push_str(&format!("--{boundary}--\r\n"));
        out
    }
}

fn connector() -> tokio_rustls::TlsConnector {
    // Another part of the program may have chosen the provider already.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    tokio_rustls::TlsConnector::from(Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

/// A header's text as encoded words (RFC 2047); plain text stays plain.
fn encoded(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && text.len() <= 60 && !text.contains("=?") && !text.contains(['<', '>', '"', ',']) {
        return text.to_string();
    }
    let (mut words, mut word) = (Vec::new(), String::new());
    for c in text.chars().filter(|c| !c.is_control()) {
        if word.len() + c.len_utf8() > WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    words.iter().map(|w| format!("=?utf-8?b?{}?=", STANDARD.encode(w))).collect::<Vec<_>>().join("\r\n ")
}

/// What the server said, without addresses: servers like to repeat them.
fn told(text: &str) -> String {
    let words = text.split_whitespace().map(|word| if word.contains('@') { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

/// Whether a text can be a mail address (ASCII only: `user@host.tld`).
pub fn is_address(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else { return false };
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-.".contains(c);
    let label =
        |l: &str| !l.is_empty() && l.len() <= 63 && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !l.starts_with('-') && !l.ends_with('-');
    let user_fine = (1..=64).contains(&user.len()) && user.chars().all(atom) && !user.starts_with('.') && !user.ends_with('.') && !user.contains("..");
    user_fine && text.len() <= 254 && host.contains('.') && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_travel_in_the_clear_and_is_in_no_log() {
        let settings = |url: &str| MailSettings { url: Secret(url.into()), from: "Đô thị <no-reply@example.vn>".into() };
        assert_eq!(Mailer::new(&settings("smtp://u:p@mail.example.vn")).err().unwrap().code(), "settings.invalid");
        let mailer = Mailer::new(&settings("smtps://u%40example.vn:p%20w@mail.example.vn")).unwrap().unwrap();
        assert_eq!((mailer.target.port, mailer.target.user.clone()), (465, Some(("u@example.vn".into(), "p w".into()))));
        assert!(!format!("{:?}", settings("smtps://u:word@mail.example.vn")).contains("word"));
        assert!(Mailer::new(&MailSettings { from: "nobody".into(), ..settings("smtps://mail.example.vn") }).is_err());
    }

    #[test]
    fn addresses_are_addresses() {
        assert!(is_address("nguyen.van+dothi@thu.example.vn"));
        for no in ["a@b", "a@@b.vn", "@b.vn", "a@b..vn", "a b@c.vn", "a@c.vn\r\nBcc: x@y.vn", "a@-c.vn", "<a@c.vn>", "ă@c.vn"] {
            assert!(!is_address(no), "{no:?}");
        }
    }
}
