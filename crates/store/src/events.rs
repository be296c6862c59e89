//! Reading the outbox.

use dothi_kernel::{EventRecord, Result};
use tokio::sync::watch;

use crate::{Store, Tx, params};

impl Store {
    /// Position of the newest durable event; changes wake whoever waits.
    pub fn watch_events(&self) -> watch::Receiver<i64> {
        self.0.last_event.subscribe()
    }

    /// Events after a position, oldest first.
    pub async fn events_after(&self, seq: i64, limit: usize) -> Result<Vec<EventRecord>> {
        let rows = self.rows("select seq, at, body from event where seq > ? order by seq limit ?", params![seq, limit]).await?;
        rows.iter().map(|r| Ok(EventRecord { seq: r.int("seq")?, at: r.time("at")?, event: r.json("body")? })).collect()
    }

    /// Where a consumer stands; 0 when it has never run.
    pub async fn cursor(&self, consumer: &str) -> Result<i64> {
        let row = self.row("select seq from event_cursor where consumer = ?", params![consumer]).await?;
        row.map_or(Ok(0), |r| r.int("seq"))
    }
}

impl Tx {
    /// Moves a consumer on, in the transaction of what it did.
    pub async fn move_cursor(&mut self, consumer: &str, seq: i64) -> Result<()> {
        self.exec("insert into event_cursor (consumer, seq) values (?, ?) on conflict (consumer) do update set seq = excluded.seq", params![consumer, seq])
            .await?;
        Ok(())
    }
}
