//! The book of what was sent: one transaction for many notifications, so that sending costs the store little. What is
//! not booked yet when the program ends is sent once more (at least once).

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::Result;
use dothi_store::Store;
use tokio::sync::mpsc;

use crate::model::Iri;
use crate::subs::Subscriptions;
use crate::tables_subs::{self as tables, DeadLetter};

/// How long booking waits for more.
const LINGER: Duration = Duration::from_millis(100);
/// Entries of one transaction.
const MOST: usize = 5_000;
/// Given up notifications kept for each subscription.
const KEPT: usize = 1_000;

/// What is booked.
pub(super) enum Entry {
    /// These were sent.
    Sent(Iri, Vec<i64>),
    /// These were given up.
    GivenUp(Iri, Vec<DeadLetter>),
    /// The status changed.
    Status(Iri),
}

/// The way to the book.
#[derive(Clone)]
pub(super) struct Ledger(mpsc::Sender<Entry>);

impl Ledger {
    pub(super) async fn note(&self, entry: Entry) {
        // The book closes when the program ends.
        let _closed = self.0.send(entry).await;
    }
}

/// A new book, and the task that keeps it.
pub(super) fn open(store: Store, subscriptions: Arc<Subscriptions>) -> (Ledger, impl Future<Output = ()>) {
    let (ledger, mut entries) = mpsc::channel(MOST);
    let keep = async move {
        let mut open: Vec<Entry> = Vec::new();
        while let Some(first) = entries.recv().await {
            open.push(first);
            tokio::time::sleep(LINGER).await;
            while open.len() < MOST
                && let Ok(next) = entries.try_recv()
            {
                open.push(next);
            }
            while let Err(e) = book(&store, &subscriptions, &open).await {
                tracing::error!(error = %e, "booking notifications failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            open.clear();
        }
    };
    (Ledger(ledger), keep)
}

async fn book(store: &Store, subscriptions: &Subscriptions, entries: &[Entry]) -> Result<()> {
    let (mut gone, mut touched) = (Vec::new(), HashSet::new());
    for entry in entries {
        match entry {
            Entry::Sent(id, seqs) => {
                gone.extend_from_slice(seqs);
                touched.insert(id);
            }
            Entry::GivenUp(id, letters) => {
                gone.extend(letters.iter().map(|l| l.waiting.seq));
                touched.insert(id);
            }
            Entry::Status(id) => drop(touched.insert(id)),
        }
    }
    let known = touched.into_iter().filter_map(|id| subscriptions.get(id));
    let mut statuses: Vec<_> = known.map(|s| (s.id.clone(), s.delivery.status().clone())).collect();
    statuses.sort_by(|a, b| a.0.cmp(&b.0));
    gone.sort_unstable();
    let mut tx = store.begin_as("notify").await?;
    tables::drop_notices(&mut tx, &gone).await?;
    tables::save_deliveries(&mut tx, &statuses).await?;
    for entry in entries {
        if let Entry::GivenUp(id, letters) = entry
            && subscriptions.get(id).is_some()
        {
            tables::bury(&mut tx, id, letters, KEPT).await?;
        }
    }
    tx.commit().await
}
