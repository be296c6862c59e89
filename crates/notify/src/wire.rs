//! A connection that gives a line at a time. Before a TLS handshake that keeps whoever stands in between from having answers taken for
//! the server's afterwards: what was sent early is not yet in any reader's memory, and spoils the handshake instead (lettre 0.11 does
//! not look for it).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;

/// Gives what came up to the end of a line at most.
#[derive(Debug)]
pub(crate) struct Lines<S>(BufReader<S>);

impl<S: AsyncRead> Lines<S> {
    pub fn of(stream: S) -> Self {
        Self(BufReader::new(stream))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lines<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let came = ready!(Pin::new(&mut self.0).poll_fill_buf(cx))?;
        let line = came.iter().position(|b| *b == b'\n').map_or(came.len(), |end| end + 1);
        let given = line.min(buf.remaining());
        buf.put_slice(came.get(..given).unwrap_or_default());
        Pin::new(&mut self.0).consume(given);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lines<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.0.get_mut()).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.0.get_mut()).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.0.get_mut()).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Lines<TcpStream> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_sent_early_is_not_given_with_the_line_before_it() {
        let (near, mut far) = tokio::io::duplex(256);
        far.write_all(b"220 go ahead\r\n250-early\r\n250 words").await.unwrap();
        drop(far);
        let mut lines = Lines::of(near);
        let mut bytes = [0; 256];
        let mut said = Vec::new();
        loop {
            let n = lines.read(&mut bytes).await.unwrap();
            if n == 0 {
                break;
            }
            said.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
        }
        assert_eq!(said, ["220 go ahead\r\n", "250-early\r\n", "250 words"]);
    }
}
