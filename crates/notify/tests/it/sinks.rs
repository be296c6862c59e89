//! Other sides for tests: a mail server and a push service, each as small as it can be. They keep what they are given and answer as told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A listener on this machine: every caller is talked to on their own.
async fn serve<S, T>(made: impl FnOnce(SocketAddr) -> S, talk: impl Fn(S, TcpStream) -> T + Send + 'static) -> S
where
    S: Clone + Send + 'static,
    T: Future<Output = Option<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sink = made(listener.local_addr().unwrap());
    let this = sink.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(this.clone(), stream));
        }
    });
    sink
}

/// A mail as it came.
#[derive(Debug, Clone)]
pub struct Got {
    pub to: String,
    pub raw: String,
}

impl Got {
    /// A header's value, unfolded and decoded.
    pub fn header(&self, name: &str) -> String {
        let head = self.raw.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let line = head.lines().find(|l| l.to_lowercase().starts_with(&format!("{}:", name.to_lowercase())));
        let value = line.and_then(|l| l.split_once(':')).map_or("", |(_, v)| v.trim());
        value.split(' ').map(word).collect::<Vec<_>>().join(" ").replace("\u{0} \u{0}", "").replace('\u{0}', "")
    }

    /// The part of plain text.
    pub fn text(&self) -> String {
        let part = self.raw.split("\r\n--").find(|p| p.to_lowercase().contains("content-type: text/plain")).unwrap_or(&self.raw);
        let (head, body) = part.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        if head.contains("base64") {
            return String::from_utf8(STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap()).unwrap();
        }
        if head.contains("quoted-printable") { quoted(body) } else { body.to_string() }
    }

    /// The first address in the text that holds this.
    pub fn link(&self, holds: &str) -> String {
        self.text()
            .split_whitespace()
            .find(|w| w.starts_with("http") && w.contains(holds))
            .unwrap_or_else(|| panic!("no link with {holds}: {}", self.text()))
            .to_string()
    }
}

/// One encoded word (RFC 2047), marked so that neighbours can be joined.
fn word(text: &str) -> String {
    let Some(inner) = text.strip_prefix("=?utf-8?b?").and_then(|t| t.strip_suffix("?=")) else { return text.to_string() };
    format!("\u{0}{}\u{0}", String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap())
}

fn quoted(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let (mut out, mut bytes) = (Vec::new(), joined.bytes());
    while let Some(b) = bytes.next() {
        if b == b'=' {
            let pair = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap());
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).unwrap()
}

/// A mail server.
#[derive(Clone)]
pub struct MailSink {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    /// What the next recipients are answered; 250 when empty.
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    /// The same for the next senders.
    senders: Arc<Mutex<VecDeque<&'static str>>>,
    /// What it offers beside 8BITMIME.
    offers: Arc<Mutex<Vec<&'static str>>>,
    /// What senders were given as.
    froms: Arc<Mutex<Vec<String>>>,
    calls: Arc<AtomicUsize>,
}

impl MailSink {
    pub async fn start() -> Self {
        let made = |address| Self {
            address,
            got: Arc::default(),
            answers: Arc::default(),
            senders: Arc::default(),
            offers: Arc::default(),
            froms: Arc::default(),
            calls: Arc::default(),
        };
        serve(made, Self::talk).await
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub fn answer(&self, line: &'static str) {
        self.answers.lock().unwrap().push_back(line);
    }

    pub fn answer_sender(&self, line: &'static str) {
        self.senders.lock().unwrap().push_back(line);
    }

    /// Offers one thing more from the next connection on.
    pub fn offer(&self, what: &'static str) {
        self.offers.lock().unwrap().push(what);
    }

    pub fn froms(&self) -> Vec<String> {
        self.froms.lock().unwrap().clone()
    }

    /// Connections so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// The newest mail whose subject holds this.
    pub fn with(&self, subject: &str) -> Option<Got> {
        self.got().into_iter().rev().find(|g| g.header("subject").contains(subject))
    }

    async fn talk(self, stream: TcpStream) -> Option<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read);
        write.write_all(b"220 sink ESMTP\r\n").await.ok()?;
        let mut to = String::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let upper = line.to_uppercase();
            let answer = if upper.starts_with("EHLO") {
                let more: String = self.offers.lock().unwrap().iter().map(|o| format!("250-{o}\r\n")).collect();
                format!("250-sink\r\n{more}250 8BITMIME")
            } else if upper.starts_with("MAIL FROM:") {
                self.froms.lock().unwrap().push(line.trim().to_string());
                self.senders.lock().unwrap().pop_front().unwrap_or("250 ok").to_string()
            } else if upper.starts_with("RCPT TO:") {
                to = line[8..].trim().trim_matches(['<', '>']).to_string();
                self.answers.lock().unwrap().pop_front().unwrap_or("250 ok").to_string()
            } else if upper.starts_with("DATA") {
                write.write_all(b"354 go on\r\n").await.ok()?;
                let mut raw = String::new();
                while !raw.ends_with("\r\n.\r\n") {
                    let mut line = String::new();
                    if lines.read_line(&mut line).await.ok()? == 0 {
                        return None;
                    }
                    raw.push_str(&line);
                }
                self.got.lock().unwrap().push(Got { to: to.clone(), raw });
                "250 2.0.0 taken".to_string()
            } else if upper.starts_with("QUIT") {
                write.write_all(b"221 bye\r\n").await.ok()?;
                return None;
            } else {
                "250 ok".to_string()
            };
            write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        }
    }
}

/// A request as a push service got it.
#[derive(Debug, Clone)]
pub struct Pushed {
    pub head: String,
    pub body: Vec<u8>,
}

impl Pushed {
    pub fn header(&self, name: &str) -> String {
        let line = self.head.lines().find(|l| l.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|l| l.split_once(':')).map_or(String::new(), |(_, v)| v.trim().to_string())
    }
}

/// A push service.
#[derive(Clone)]
pub struct PushSink {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Pushed>>>,
    answers: Arc<Mutex<VecDeque<(&'static str, String)>>>,
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl PushSink {
    pub async fn start() -> Self {
        serve(|address| Self { address, got: Arc::default(), answers: Arc::default(), gate: Arc::default() }, Self::talk).await
    }

    /// Nothing is answered until what this gives is dropped.
    #[allow(dead_code)] // Only the tests of hand-overs wait.
    pub async fn hold(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.gate.clone().lock_owned().await
    }

    /// Status line and headers of the next answer.
    pub fn answer(&self, head: &'static str) {
        self.answer_with(head, "");
    }

    /// The same with a body.
    pub fn answer_with(&self, head: &'static str, body: &str) {
        self.answers.lock().unwrap().push_back((head, body.to_string()));
    }

    pub fn got(&self) -> Vec<Pushed> {
        self.got.lock().unwrap().clone()
    }

    async fn talk(self, stream: TcpStream) -> Option<()> {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if read.read_line(&mut head).await.ok()? == 0 {
                    return None;
                }
            }
            let mut got = Pushed { head, body: Vec::new() };
            got.body = vec![0; got.header("content-length").parse().unwrap_or(0)];
            read.read_exact(&mut got.body).await.ok()?;
            self.got.lock().unwrap().push(got);
            drop(self.gate.lock().await);
            let (head, body) = self.answers.lock().unwrap().pop_front().unwrap_or(("201 Created", String::new()));
            write.write_all(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.ok()?;
        }
    }
}
