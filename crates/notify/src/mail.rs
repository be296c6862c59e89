//! Mail: one message as text and as HTML made from that text, the settings of where it goes out, and the connection to that server.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use dothi_kernel::{Error, Result, Timestamp};
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::post::Outcome;
use crate::wire::Lines;

/// Longest time for one message, from the connection to the server's last word. Shorter than a worker keeps a message for itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for a sign of life on a connection that was left open.
const STALE: Duration = Duration::from_secs(5);

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
    server: Server,
    from: Mailbox,
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
        let parameters = || TlsParameters::new(host.clone()).map_err(|e| bad("DOTHI_SMTP_URL", e));
        let (tls, usual) = match (url.scheme(), url.query_pairs().any(|(k, v)| k == "tls" && v == "required")) {
            ("smtps", _) => (Tls::Direct(parameters()?), 465),
            ("smtp", true) => (Tls::Start(parameters()?), 587),
            ("smtp", false) if matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1") => (Tls::None, 25),
            ("smtp", false) => return Err(bad("DOTHI_SMTP_URL", "beyond this machine it needs smtps:// or ?tls=required")),
            _ => return Err(bad("DOTHI_SMTP_URL", "begins with smtp:// or smtps://")),
        };
        let user = (!url.username().is_empty()).then(|| Credentials::new(decoded(url.username()), decoded(url.password().unwrap_or(""))));
        let (name, address) = match settings.from.rsplit_once('<') {
            Some((name, address)) => (name.trim().trim_matches('"').to_string(), address.trim_end().trim_end_matches('>').to_string()),
            None => (String::new(), settings.from.trim().to_string()),
        };
        let sender = Some(&address).filter(|a| a.is_ascii() && !name.chars().any(char::is_control)).and_then(|a| address_of(a));
        let sender = sender.ok_or_else(|| bad("DOTHI_MAIL_FROM", "looks like: Đô thị <no-reply@example.vn>"))?;
        let server =
            Server { port: url.port().unwrap_or(usual), host, tls, user, hello: ClientId::Domain(sender.domain().to_string()), idle: Mutex::default() };
        Ok(Some(Self { server, from: Mailbox::new(Some(name).filter(|n| !n.is_empty()), sender) }))
    }

    /// The sender's address, for push services to turn to.
    pub fn contact(&self) -> String {
        format!("mailto:{}", self.from.email)
    }

    /// Sends one mail and says what came of it.
    pub(crate) async fn send(&self, mail: Mail<'_>) -> Outcome {
        let Some(receiver) = address_of(mail.to) else { return Outcome::Never("this is no mail address".into()) };
        let message = match self.written(&mail, receiver) {
            Ok(message) => message,
            Err(e) => return Outcome::Never(told(&e.to_string())),
        };
        match tokio::time::timeout(PATIENCE, self.server.send(message.envelope(), &message.formatted())).await {
            Ok(Ok(answer)) => Outcome::Taken(told(&answer)),
            Ok(Err(Refusal::Never(why))) => Outcome::Never(told(&why)),
            Ok(Err(Refusal::Later(why))) => Outcome::Later { why: told(&why), wait: None },
            Err(_) => Outcome::Later { why: "the mail server did not answer in time".into(), wait: None },
        }
    }

    fn written(&self, mail: &Mail<'_>, receiver: Address) -> std::result::Result<Message, lettre::error::Error> {
        let own = |name: &'static str, value: String| HeaderValue::new(HeaderName::new_from_ascii_str(name), value);
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, receiver))
            .subject(mail.subject.clone())
            .date(SystemTime::from(mail.at))
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .raw_header(own("Auto-Submitted", "auto-generated".into()))
            .raw_header(own("X-Dothi", "1".into()));
        if let Some(stop) = &mail.stop {
            message = message.raw_header(own("List-Unsubscribe", format!("<{stop}>")));
            message = message.raw_header(own("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()));
        }
        message.multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
    }
}

/// How the connection is kept from others' eyes.
enum Tls {
    /// Not at all: to this machine only.
    None,
    /// From `STARTTLS` on.
    Start(TlsParameters),
    /// From the first byte on.
    Direct(TlsParameters),
}

/// Why a message was not taken.
enum Refusal {
    /// Perhaps later.
    Later(String),
    /// Not this message, or not for this receiver.
    Never(String),
}

/// A refusal that concerns us, our password or the way: mended here, and the message waits.
impl From<lettre::transport::smtp::Error> for Refusal {
    fn from(e: lettre::transport::smtp::Error) -> Self {
        Self::Later(words(&e))
    }
}

impl Refusal {
    /// A refusal of the message or of who is to get it: for good, when the server says so.
    fn theirs(e: lettre::transport::smtp::Error) -> Self {
        if e.is_permanent() { Self::Never(words(&e)) } else { Self::Later(words(&e)) }
    }
}

/// What the server answered, or what was wrong with the connection; never where it is.
fn words(e: &lettre::transport::smtp::Error) -> String {
    let what = match (e.status(), e.is_timeout(), e.is_tls()) {
        (Some(_), ..) => return e.to_string(),
        (_, true, _) => "did not answer in time",
        (_, _, true) => "has no certificate that can be trusted",
        _ if e.is_response() => "said something that is no answer",
        _ if e.is_client() => "does not offer what is set up here (STARTTLS, or a way to sign in)",
        _ => "cannot be reached, or broke off",
    };
    format!("the mail server {what}")
}

/// Where mail goes, and the connection that the next message may use.
struct Server {
    host: String,
    port: u16,
    tls: Tls,
    user: Option<Credentials>,
    /// Our own name.
    hello: ClientId,
    idle: Mutex<Option<AsyncSmtpConnection>>,
}

impl Server {
    /// Hands a message over; returns what the server said when it took it. A connection is used again only when all went well on it:
    /// after anything else nobody knows which answer belongs to what. That is also why lettre's own pool is not used: it takes back
    /// connections whose answer nobody waited for.
    async fn send(&self, envelope: &Envelope, message: &[u8]) -> std::result::Result<String, Refusal> {
        let mut line = self.line().await?;
        let mut with = Vec::new();
        // Names in other letters than English ones (RFC 6531): only where the server takes them, and passes them on.
        if envelope.to().iter().any(|to| !to.user().is_ascii()) {
            if !line.server_info().supports_feature(Extension::SmtpUtfEight) {
                self.leave(line).await;
                return Err(Refusal::Never("our mail server does not take addresses in other letters (SMTPUTF8)".into()));
            }
            with = vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)];
        }
        line.command(MailFrom::new(envelope.from().cloned(), with)).await?;
        for to in envelope.to() {
            line.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(Refusal::theirs)?;
        }
        line.command(Data).await.map_err(Refusal::theirs)?;
        let taken = line.message(message).await.map_err(Refusal::theirs)?;
        self.leave(line).await;
        Ok(format!("{} {}", taken.code(), taken.message().collect::<Vec<_>>().join(" ")))
    }

    /// Leaves a connection on which all went well for the next message.
    async fn leave(&self, line: AsyncSmtpConnection) {
        let full = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.is_none() { idle.replace(line) } else { Some(line) }
        };
        if let Some(mut line) = full {
            line.abort().await;
        }
    }

    async fn line(&self) -> std::result::Result<AsyncSmtpConnection, Refusal> {
        let left = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut line) = left
            && tokio::time::timeout(STALE, line.test_connected()).await.unwrap_or(false)
        {
            return Ok(line);
        }
        let place = (self.host.as_str(), self.port);
        let mut line = match &self.tls {
            Tls::Direct(parameters) => AsyncSmtpConnection::connect_tokio1(place, Some(PATIENCE), &self.hello, Some(parameters.clone()), None).await?,
            Tls::None => AsyncSmtpConnection::connect_tokio1(place, Some(PATIENCE), &self.hello, None, None).await?,
            Tls::Start(parameters) => {
                let Ok(stream) = TcpStream::connect(place).await else { return Err(Refusal::Later("the mail server cannot be reached".into())) };
                let mut line = AsyncSmtpConnection::connect_with_transport(Box::new(Lines::of(stream)), &self.hello).await?;
                line.starttls(parameters.clone(), &self.hello).await?;
                line
            }
        };
        if let Some(user) = &self.user {
            line.auth(&[Mechanism::Plain, Mechanism::Login], user).await?;
        }
        Ok(line)
    }
}

/// What the server said, without addresses: servers like to repeat them.
fn told(text: &str) -> String {
    let words = text.split_whitespace().map(|word| if word.contains('@') { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

/// The address as it is written on an envelope: the host in ASCII (IDNA), the name as it is. None for what is no address.
fn address_of(text: &str) -> Option<Address> {
    let (user, host) = text.rsplit_once('@')?;
    let mark = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-.".contains(c) || (!c.is_ascii() && c.is_alphanumeric());
    let user_fine = (1..=64).contains(&user.len()) && user.chars().all(mark) && !user.starts_with('.') && !user.ends_with('.') && !user.contains("..");
    let url::Host::Domain(host) = url::Host::parse(host).ok()? else { return None };
    let label =
        |l: &str| !l.is_empty() && l.len() <= 63 && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !l.starts_with('-') && !l.ends_with('-');
    let host_fine = host.contains('.') && host.split('.').all(label);
    if !user_fine || !host_fine || user.len() + host.len() > 253 {
        return None;
    }
    Address::new(user, host).ok()
}

/// Whether a text can be a mail address: `user@host.tld`, also in other letters than English ones (RFC 6531).
pub fn is_address(text: &str) -> bool {
    address_of(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_travel_in_the_clear_and_is_in_no_log() {
        let settings = |url: &str| MailSettings { url: Secret(url.into()), from: "Đô thị <no-reply@example.vn>".into() };
        assert_eq!(Mailer::new(&settings("smtp://u:p@mail.example.vn")).err().unwrap().code(), "settings.invalid");
        let mailer = Mailer::new(&settings("smtps://u%40example.vn:p%20w@mail.example.vn")).unwrap().unwrap();
        assert_eq!((mailer.server.port, mailer.server.user.clone()), (465, Some(Credentials::new("u@example.vn".into(), "p w".into()))));
        assert!(!format!("{:?}", settings("smtps://u:word@mail.example.vn")).contains("word"));
        assert!(Mailer::new(&MailSettings { from: "nobody".into(), ..settings("smtps://mail.example.vn") }).is_err());
    }

    #[test]
    fn addresses_are_addresses() {
        assert!(is_address("nguyen.van+dothi@thu.example.vn"));
        assert_eq!(address_of("nguyễn.văn@đô-thị.example.vn").unwrap().to_string(), "nguyễn.văn@xn---th-jna8lq61q.example.vn");
        for no in [
            "a@b",
            "a@@b.vn",
            "@b.vn",
            "a@b..vn",
            "a b@c.vn",
            "a@c.vn\r\nBcc: x@y.vn",
            "a@-c.vn",
            "<a@c.vn>",
            "ă b@c.vn",
            "a\u{200b}@c.vn",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
        ] {
            assert!(!is_address(no), "{no:?}");
        }
    }
}
