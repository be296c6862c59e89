//! Hands one message to a mail server (RFC 5321, 3207, 4954). One connection a message; every step and every answer is bounded.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Longest wait for the server at one step.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of one line of an answer, and lines of one answer.
const LINE: u64 = 2_048;
const LINES: usize = 64;

/// How the connection is kept from others' eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Not at all: to this machine only.
    None,
    /// From `STARTTLS` on.
    Start,
    /// From the first byte on.
    Direct,
}

/// Where mail goes.
pub(crate) struct Target {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub user: Option<(String, String)>,
    /// Our own name.
    pub domain: String,
    pub connector: tokio_rustls::TlsConnector,
}

/// Why it was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Perhaps later.
    Later(String),
    /// Not this message, or not for this receiver.
    Never(String),
}

type Said<T> = Result<T, Refusal>;

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

struct Line(BufReader<Box<dyn Wire>>);

/// An answer of the server.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" "))
    }

    /// The reply when it is of the wanted hundred; `fatal` says whether a 5xx ends it for good.
    fn want(self, hundred: u16, fatal: bool) -> Said<Self> {
        match self.code / 100 {
            got if got == hundred => Ok(self),
            5 if fatal => Err(Refusal::Never(self.text())),
            _ => Err(Refusal::Later(self.text())),
        }
    }
}

fn broken(what: &str) -> Refusal {
    Refusal::Later(format!("the mail server {what}"))
}

async fn in_time<T>(work: impl Future<Output = std::io::Result<T>>) -> Said<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Err(_) => Err(broken("did not answer in time")),
        Ok(Err(_)) => Err(broken("cannot be reached, or broke off")),
        Ok(Ok(done)) => Ok(done),
    }
}

impl Line {
    async fn reply(&mut self) -> Said<Reply> {
        let mut lines = Vec::new();
        loop {
            let mut bytes = Vec::new();
            in_time((&mut self.0).take(LINE).read_until(b'\n', &mut bytes)).await?;
            let text = String::from_utf8_lossy(&bytes).trim_end().to_string();
            let code = text.get(..3).and_then(|c| c.parse::<u16>().ok()).filter(|_| bytes.ends_with(b"\n"));
            let (Some(code), true) = (code, lines.len() < LINES) else { return Err(broken("said something that is no answer")) };
            let more = text.as_bytes().get(3) == Some(&b'-');
            lines.push(text.get(4..).unwrap_or("").to_string());
            if !more {
                return Ok(Reply { code, lines });
            }
        }
    }

    async fn write(&mut self, text: &str) -> Said<()> {
        in_time(async {
            self.0.get_mut().write_all(text.as_bytes()).await?;
            self.0.get_mut().flush().await
        })
        .await
    }

    async fn ask(&mut self, command: &str) -> Said<Reply> {
        self.write(&format!("{command}\r\n")).await?;
        self.reply().await
    }
}

impl Target {
    /// Hands a message over; returns what the server said when it took it.
    pub async fn send(&self, from: &str, to: &str, message: &str) -> Said<String> {
        let mut line = self.open().await?;
        // What is wrong with us or with our password is mended here, and the message waits.
        if let Some((user, password)) = &self.user {
            let word = STANDARD.encode(format!("\0{user}\0{password}"));
            line.ask(&format!("AUTH PLAIN {word}")).await?.want(2, false)?;
        }
        line.ask(&format!("MAIL FROM:<{from}>")).await?.want(2, false)?;
        line.ask(&format!("RCPT TO:<{to}>")).await?.want(2, true)?;
        line.ask("DATA").await?.want(3, true)?;
        line.write(message).await?;
        let taken = line.ask(".").await?.want(2, true)?;
        // It is taken; whether the server says good-bye does not matter.
        let _bye = line.write("QUIT\r\n").await;
        Ok(taken.text())
    }

    async fn open(&self) -> Said<Line> {
        let stream = in_time(TcpStream::connect((self.host.as_str(), self.port))).await?;
        let mut line = match self.tls {
            Tls::Direct => self.secured(Box::new(stream)).await?,
            Tls::None | Tls::Start => Line(BufReader::new(Box::new(stream))),
        };
        line.reply().await?.want(2, false)?;
        line.ask(&format!("EHLO {}", self.domain)).await?.want(2, false)?;
        if self.tls == Tls::Start {
            line.ask("STARTTLS").await?.want(2, false)?;
            // What came before the handshake was not protected and must not count after it.
            if !line.0.buffer().is_empty() {
                return Err(broken("spoke before the connection was closed to others"));
            }
            line = self.secured(line.0.into_inner()).await?;
            line.ask(&format!("EHLO {}", self.domain)).await?.want(2, false)?;
        }
        Ok(line)
    }

    async fn secured(&self, wire: Box<dyn Wire>) -> Said<Line> {
        let name = ServerName::try_from(self.host.clone()).map_err(|_| broken("has a name that no certificate can hold"))?;
        let closed = in_time(self.connector.connect(name, wire)).await?;
        Ok(Line(BufReader::new(Box::new(closed))))
    }
}
