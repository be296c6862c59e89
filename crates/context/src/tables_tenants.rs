//! The only SQL of tenants: which there are. What they hold lies in branches of the store.

use dothi_kernel::Result;
use dothi_store::{Migration, Store, Tx, params};

/// Schema.
pub const MIGRATION: Migration = Migration {
    domain: "context",
    version: 4,
    sql: "create table context_tenant (number BIGINT not null primary key, name TEXT not null unique, at BIGINT not null)",
};

/// All tenants but the default one: number and name.
pub async fn load(store: &Store) -> Result<Vec<(i64, String)>> {
    let rows = store.rows("select number, name from context_tenant order by number", params![]).await?;
    rows.iter().map(|r| Ok((r.int("number")?, r.text("name")?))).collect()
}

/// Notes a tenant.
pub async fn add(tx: &mut Tx, number: i64, name: &str) -> Result<()> {
    let now = tx.now();
    tx.exec("insert into context_tenant (number, name, at) values (?, ?, ?)", params![number, name, now]).await.map(|_| ())
}
