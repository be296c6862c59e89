//! Reading the outbox.

use dothi_kernel::{EventRecord, Result, Timestamp};
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

    /// Forgets events from before an instant that every consumer has passed, at most `limit` of them; how many. The newest
    /// event stays: it says where positions go on.
    pub async fn forget_events(&self, before: Timestamp, limit: usize) -> Result<u64> {
        let mut tx = self.begin_as("store").await?;
        let sql = "delete from event where seq in (select seq from event where at < ? and seq < (select max(seq) from event) \
                   and seq <= (select coalesce(min(seq), 0) from event_cursor) order by seq limit ?)";
        let gone = tx.exec(sql, params![before, limit]).await?;
        tx.commit().await?;
        Ok(gone)
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
        self.put("insert into event_cursor (consumer, seq) values (?, ?) on conflict (consumer) do update set seq = excluded.seq", params![consumer, seq]).await
    }
}
