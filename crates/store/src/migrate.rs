//! Schema: each domain owns an ordered list of SQL texts; the store remembers which ran.

use dothi_kernel::{Caller, Error, Result};
use sea_orm::ConnectionTrait;

use crate::{Store, params};

/// One step of a domain's schema. SQL is written once for both engines (types TEXT, BIGINT, DOUBLE PRECISION, BYTEA).
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Domain (`cases`).
    pub domain: &'static str,
    /// Rising; each number once, gaps are allowed.
    pub version: u32,
    /// Statements, separated by `;`.
    pub sql: &'static str,
}

const OWN: &[Migration] = &[Migration { domain: "store", version: 1, sql: include_str!("schema.sql") }];

pub(crate) async fn run(store: &Store, domains: &[&[Migration]]) -> Result<()> {
    let system = Caller::system("migrate", store.clock().as_ref());
    let mut tx = store.begin(&system).await?;
    tx.batch("create table if not exists schema_version (domain TEXT not null primary key, version BIGINT not null)").await?;
    for steps in std::iter::once(&OWN).chain(domains) {
        let mut steps = steps.to_vec();
        steps.sort_by_key(|s| s.version);
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { continue };
        let row = tx.row("select version from schema_version where domain = ?", params![first.domain]).await?;
        let at = row.map_or(Ok(0), |r| r.int("version"))?;
        if at > i64::from(last.version) {
            return Err(Error::conflict("store.newer", "The data were written by a newer version of the program.")
                .with("domain", first.domain)
                .with("version", at));
        }
        if let Some(pair) = steps.windows(2).find(|p| p[0].version == p[1].version || p[0].domain != p[1].domain) {
            return Err(Error::internal("checking migrations", format!("{} {} stands twice, or in another domain's list", pair[1].domain, pair[1].version)));
        }
        for step in steps.iter().filter(|s| i64::from(s.version) > at) {
            tx.batch(step.sql).await?;
        }
        tx.exec(
            "insert into schema_version (domain, version) values (?, ?) on conflict (domain) do update set version = excluded.version",
            params![first.domain, i64::from(last.version)],
        )
        .await?;
    }
    tx.commit().await
}

impl crate::Tx {
    /// Runs several statements without parameters: schema only.
    pub(crate) async fn batch(&mut self, sql: &str) -> Result<()> {
        self.flush().await?;
        self.connection()?.execute_unprepared(sql).await.map(|_| ()).map_err(|e| Error::internal("changing the schema", e))
    }
}
