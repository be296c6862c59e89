//! Batches that a reader of events has yet to see stay pending, so that rules miss nothing; within bounds, because
//! a reader that is stuck must not fill the database.

use std::collections::HashSet;
use std::sync::Arc;

use dothi_kernel::{Event, Result};
use dothi_store::Store;
use uuid::Uuid;

use crate::registry::Pending;

/// What may wait for a reader at most; beyond it the oldest go into files unseen.
#[derive(Debug, Clone, Copy)]
pub struct HoldLimits {
    /// Stored bytes.
    pub bytes: usize,
    /// Rows (they stand unpacked in memory, too).
    pub rows: usize,
    /// Batches (each is a row of the database).
    pub batches: usize,
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self { bytes: 128 << 20, rows: 2_000_000, batches: 20_000 }
    }
}

const PAGE: usize = 1_000;
const PAGES: usize = 20;

/// How many of the pending batches, from the oldest, may go into files now, and how many of these were not yet seen.
pub(crate) async fn free(store: &Store, reader: &str, limits: HoldLimits, pending: &[Arc<Pending>]) -> Result<(usize, usize)> {
    // The batches were read before the cursor: each of them has its event among those read here, or behind the cursor.
    let mut at = store.cursor(reader).await?;
    let (mut waiting, mut whole) = (HashSet::new(), false);
    for _ in 0..PAGES {
        let events = store.events_after(at, PAGE).await?;
        whole = events.len() < PAGE;
        at = events.last().map_or(at, |e| e.seq);
        waiting.extend(events.iter().filter_map(|e| match e.event {
            Event::ObservationsAccepted { batch, .. } => Some(batch),
            _ => None,
        }));
        if whole {
            break;
        }
    }
    let first: Option<Uuid> = waiting.iter().min().copied();
    // Of a reader so far behind that not all of its events were looked at, everything later waits.
    let waits = |id: &Uuid| waiting.contains(id) || (!whole && first.is_none_or(|f| *id >= f));
    // Only the oldest go, never one behind a batch that waits: files come before pending batches in order of arrival.
    let seen = pending.iter().position(|p| waits(&p.id)).unwrap_or(pending.len());
    let held = &pending[seen..];
    let (mut bytes, mut rows) = (held.iter().map(|p| p.size).sum::<usize>(), held.iter().map(|p| p.batch.num_rows()).sum::<usize>());
    let mut unseen = 0;
    for batch in held {
        if bytes <= limits.bytes && rows <= limits.rows && held.len() - unseen <= limits.batches {
            break;
        }
        bytes -= batch.size;
        rows -= batch.batch.num_rows();
        unseen += 1;
    }
    Ok((seen + unseen, unseen))
}
