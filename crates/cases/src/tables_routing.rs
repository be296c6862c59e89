//! SQL of routing rules that the province saved in place of the pack's.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::pack::{CaseType, RoutingRule};
use crate::routing_desk::RoutingTest;
use crate::tables::{self, CaseRecord, Filter};

/// Saved rules, and how often a reporter asked to look again.
pub(crate) const SCHEMA: &str = "create table case_routing (
  kind TEXT not null primary key, rules TEXT not null, tests TEXT not null, by_name TEXT not null, at BIGINT not null, pack_rules TEXT not null
);
alter table case_main add column reopened BIGINT not null default 0;
create index case_main_span on case_main (listed, opened_at);";

/// Saved rules.
pub(crate) struct Own {
    pub rules: Vec<RoutingRule>,
    pub tests: Vec<RoutingTest>,
    pub by: String,
    pub at: Timestamp,
}

fn read(row: &Row) -> Result<Own> {
    Ok(Own { rules: row.json("rules")?, tests: row.json("tests")?, by: row.text("by_name")?, at: row.time("at")? })
}

/// The saved rules of a case type.
pub(crate) async fn own(store: &Store, kind: &str) -> Result<Option<Own>> {
    store.row("select * from case_routing where kind = ?", params![kind]).await?.map(|r| read(&r)).transpose()
}

/// Saves rules. The pack's are kept beside them, as they were when the first were saved.
pub(crate) async fn save(tx: &mut Tx, kind: &str, rules: &[RoutingRule], tests: &[RoutingTest], by: &str, in_force: &[RoutingRule]) -> Result<()> {
    let now = tx.now();
    let (rules, tests) = (Param::json(&rules)?, Param::json(&tests)?);
    tx.exec(
        "insert into case_routing (kind, rules, tests, by_name, at, pack_rules) values (?, ?, ?, ?, ?, ?) \
         on conflict (kind) do update set rules = excluded.rules, tests = excluded.tests, by_name = excluded.by_name, at = excluded.at",
        params![kind, rules, tests, by, now, Param::json(&in_force)?],
    )
    .await?;
    Ok(())
}

/// Forgets saved rules and gives the pack's; none when nothing was saved.
pub(crate) async fn give_up(tx: &mut Tx, kind: &str) -> Result<Option<Vec<RoutingRule>>> {
    let Some(row) = tx.row("select pack_rules from case_routing where kind = ?", params![kind]).await? else { return Ok(None) };
    tx.exec("delete from case_routing where kind = ?", params![kind]).await?;
    row.json("pack_rules").map(Some)
}

/// A pack's case type as it counts here: with the saved rules, if there are any; the pack's own are kept for later.
pub(crate) async fn as_it_counts(tx: &mut Tx, case_type: &CaseType) -> Result<CaseType> {
    let Some(row) = tx.row("select * from case_routing where kind = ?", params![&case_type.kind]).await? else { return Ok(case_type.clone()) };
    tx.exec("update case_routing set pack_rules = ? where kind = ?", params![Param::json(&case_type.routing)?, &case_type.kind]).await?;
    Ok(CaseType { routing: read(&row)?.rules, ..case_type.clone() })
}

/// Whole cases of a kind that came in since an instant, newest first, after the one that was read last.
pub(crate) async fn past(store: &Store, kind: &str, since: Timestamp, after: Option<&(Timestamp, Uuid)>, limit: usize) -> Result<Vec<CaseRecord>> {
    let mut filter = Filter::default();
    filter.add("kind = ? and parent is null and opened_at >= ?", params![kind, since]);
    if let Some((at, id)) = after {
        filter.add("(opened_at < ? or (opened_at = ? and id < ?))", params![*at, *at, *id]);
    }
    tables::cases(store, filter, "opened_at desc, id desc", limit).await
}
