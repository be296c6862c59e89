//! What rules have not seen stays pending, but not for ever.

use dothi_kernel::Caller;
use dothi_kernel::history::History;
use dothi_lake::HoldLimits;
use dothi_store::testing::{TestStore, both};

use crate::{DAY, HOUR, count, number, open, put, raw, schema};

async fn pass(store: &TestStore, seq: i64) {
    let mut tx = store.begin(&Caller::system("test", store.clock().as_ref())).await.unwrap();
    tx.move_cursor("rules", seq).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_waits_until_it_was_seen() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        lake.hold_for("rules", HoldLimits { batches: 3, ..HoldLimits::default() });
        for i in 0..3 {
            put(&store, &lake, &[number("a", DAY + i * HOUR, i as f64)]).await;
        }
        let events = store.events_after(0, 10).await.unwrap();
        assert_eq!(lake.compact().await.unwrap().batches, 0, "nobody has seen anything");
        pass(&store, events[1].seq).await;
        assert_eq!(lake.compact().await.unwrap().batches, 2);
        assert_eq!((store.pending_ids(9).await.unwrap().len(), count(&lake).await, lake.unseen()), (1, 3, 0));
        // The reader is stuck: of five that wait, the oldest two go all the same, and that is counted.
        for i in 3..7 {
            put(&store, &lake, &[number("a", DAY + i * HOUR, i as f64)]).await;
        }
        assert_eq!(lake.compact().await.unwrap().batches, 2);
        assert_eq!((store.pending_ids(9).await.unwrap().len(), lake.unseen()), (3, 2));
        assert_eq!(lake.series(&raw("a", DAY, DAY + 9 * HOUR)).await.unwrap().len(), 7);
        pass(&store, store.events_after(0, 10).await.unwrap().last().unwrap().seq).await;
        assert_eq!(lake.compact().await.unwrap().batches, 3);
        assert_eq!((store.pending_ids(9).await.unwrap().len(), count(&lake).await, lake.unseen()), (0, 7, 2));
    })
    .await;
}
