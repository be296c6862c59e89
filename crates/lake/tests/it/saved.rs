//! Saved queries: who sees, changes and deletes which.

use std::collections::BTreeSet;
use std::sync::Arc;

use dothi_kernel::{Caller, CallerKind, Grant, PageQuery, Permission};
use dothi_lake::{NewQuery, Sharing};
use dothi_store::testing::{TestStore, both};

use crate::{open, schema};

fn person(store: &TestStore, name: &str, unit: &str, allowed: bool) -> Caller {
    let permissions = if allowed { BTreeSet::from([Permission::HistoryQuery]) } else { BTreeSet::new() };
    let grant = Grant { role: "r".into(), unit: unit.into(), permissions, units: Some(Arc::new(BTreeSet::from([unit.to_string()]))), sectors: None };
    let base = Caller::system(name, store.clock().as_ref());
    Caller { kind: CallerKind::Staff, id: Some(store.clock().id()), grants: Arc::new([grant]), ..base }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saved_queries_are_seen_by_whom_they_are_for() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        let (lan, minh, hoa, guest) =
            (person(&store, "lan", "u1", true), person(&store, "minh", "u1", true), person(&store, "hoa", "u2", true), person(&store, "g", "u1", false));
        let new = |name: &str, shared, unit: Option<&str>| NewQuery { name: name.into(), sql: "select 1".into(), shared, unit: unit.map(Into::into) };
        let mine = lake.save_query(&lan, new("riêng", Sharing::Me, None)).await.unwrap();
        let ours = lake.save_query(&lan, new("đơn vị", Sharing::Unit, Some("u1"))).await.unwrap();
        let all = lake.save_query(&lan, new("chung", Sharing::All, Some("u1"))).await.unwrap();
        assert_eq!(all.unit, None);
        let names = |caller: Caller| {
            let lake = lake.clone();
            async move {
                let mut names: Vec<_> = lake.queries(&caller, &PageQuery::default()).await.unwrap().items.into_iter().map(|q| q.name).collect();
                names.sort_unstable();
                names
            }
        };
        assert_eq!(names(lan.clone()).await, ["chung", "riêng", "đơn vị"]);
        assert_eq!(names(minh.clone()).await, ["chung", "đơn vị"]);
        assert_eq!(names(hoa.clone()).await, ["chung"]);
        assert_eq!(lake.queries(&guest, &PageQuery::default()).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(lake.query(&minh, mine.id).await.unwrap_err().code(), "history.query.unknown");
        assert_eq!(lake.query(&hoa, ours.id).await.unwrap_err().code(), "history.query.unknown");
        assert_eq!(lake.change_query(&minh, ours.id, new("x", Sharing::Me, None)).await.unwrap_err().code(), "history.query.not-yours");
        assert_eq!(lake.drop_query(&hoa, all.id).await.unwrap_err().code(), "history.query.not-yours");
        assert_eq!(lake.save_query(&lan, new("x", Sharing::Unit, Some("u2"))).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(lake.save_query(&lan, new(" ", Sharing::Me, None)).await.unwrap_err().code(), "history.query.name");
        let changed = lake.change_query(&lan, ours.id, new("mới", Sharing::Me, None)).await.unwrap();
        assert_eq!((changed.name.as_str(), changed.unit, changed.mine), ("mới", None, true));
        assert_eq!(names(minh.clone()).await, ["chung"]);
        lake.drop_query(&lan, all.id).await.unwrap();
        assert!(names(hoa).await.is_empty());
        let page = lake.queries(&lan, &PageQuery { limit: Some(1), after: None }).await.unwrap();
        let next = lake.queries(&lan, &PageQuery { limit: Some(1), after: page.next.clone() }).await.unwrap();
        let mut both = [page.items[0].name.as_str(), next.items[0].name.as_str()];
        both.sort_unstable();
        assert_eq!((both, next.next), (["mới", "riêng"], None));
    })
    .await;
}
