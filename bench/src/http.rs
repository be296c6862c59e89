//! A small HTTP/1.1 client that costs the shared processors as little as can be: one connection, one request at a time.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A connection that stays open.
pub struct Connection {
    stream: BufReader<TcpStream>,
    out: Vec<u8>,
    line: String,
}

fn odd(words: &str) -> Error {
    Error::new(ErrorKind::InvalidData, words.to_string())
}

impl Connection {
    /// Connects to a port of this machine.
    pub async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream), out: Vec::new(), line: String::new() })
    }

    /// Sends a request and reads the whole answer: status and body.
    pub async fn ask(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        use std::io::Write;
        self.out.clear();
        write!(self.out, "{method} {path} HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n")?;
        if !body.is_empty() {
            write!(self.out, "Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len())?;
        }
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
        self.stream.write_all(&self.out).await?;
        let status = self.next_line().await?.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| odd("no status"))?;
        let (mut length, mut chunked) = (0usize, false);
        loop {
            let line = self.next_line().await?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(n) = line.strip_prefix("content-length:") {
                length = n.trim().parse().map_err(|_| odd("a length"))?;
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let mut answer = Vec::new();
        if chunked {
            loop {
                let size = usize::from_str_radix(self.next_line().await?.trim(), 16).map_err(|_| odd("a chunk"))?;
                let from = answer.len();
                answer.resize(from + size, 0);
                self.stream.read_exact(&mut answer[from..]).await?;
                self.next_line().await?;
                if size == 0 {
                    break;
                }
            }
        } else {
            answer.resize(length, 0);
            self.stream.read_exact(&mut answer).await?;
        }
        Ok((status, answer))
    }

    async fn next_line(&mut self) -> Result<&str> {
        self.line.clear();
        if self.stream.read_line(&mut self.line).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(self.line.trim_end())
    }
}
