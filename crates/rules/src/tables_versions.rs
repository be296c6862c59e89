//! SQL of the rules' versions.

use std::collections::BTreeMap;

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};

use crate::versions::RuleVersion;

/// Versions listed of one rule.
const LISTED: usize = 100;

fn version(row: &Row) -> Result<RuleVersion> {
    Ok(RuleVersion { version: row.int("version")?, change: row.json("def")?, by: row.text("by_name")?, reason: row.text("reason")?, at: row.time("at")? })
}

/// The newest version of every rule that was changed.
pub(crate) async fn latest(store: &Store) -> Result<BTreeMap<String, RuleVersion>> {
    let sql = "select v.* from rules_version v join (select rule, max(version) as newest from rules_version group by rule) n \
               on n.rule = v.rule and n.newest = v.version";
    store.rows(sql, params![]).await?.iter().map(|r| Ok((r.text("rule")?, version(r)?))).collect()
}

pub(crate) async fn of(store: &Store, rule: &str) -> Result<Vec<RuleVersion>> {
    let rows = store.rows("select * from rules_version where rule = ? order by version desc limit ?", params![rule, LISTED]).await?;
    rows.iter().map(version).collect()
}

/// Adds a version; false when somebody else took the number.
pub(crate) async fn add(tx: &mut Tx, rule: &str, v: &RuleVersion) -> Result<bool> {
    let sql = "insert into rules_version (rule, version, def, by_name, reason, at) values (?, ?, ?, ?, ?, ?) on conflict (rule, version) do nothing";
    let at: Timestamp = v.at;
    Ok(tx.exec(sql, params![rule, v.version, Param::json(&v.change)?, &v.by, &v.reason, at]).await? == 1)
}
