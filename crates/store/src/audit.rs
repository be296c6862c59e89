//! The audit table: append-only, each row's hash covers the row and the hash before it (SHA-256), so that a change
//! or deletion behind our back is visible.

use dothi_kernel::{Error, Page, PageQuery, Result, Timestamp};
use serde::Serialize;

use crate::{Row, Store, Tx, params};

/// One entry.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRow {
    /// Position, without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who: login or program name.
    pub actor: String,
    /// Person or program id.
    pub actor_id: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// Request id.
    pub request: String,
    /// What was done (`case.identity.read`).
    pub action: String,
    /// To what (`case:0192…`).
    pub object: String,
    /// Facts, as JSON; never personal data.
    pub detail: serde_json::Value,
    /// Chain hash, hex.
    pub hash: String,
}

/// What checking the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Rows read.
    pub rows: i64,
    /// First position whose hash does not fit, if any.
    pub broken_at: Option<i64>,
}

fn chained(before: &str, fields: [&str; 9]) -> String {
    let parts: Vec<&str> = std::iter::once(before).chain(fields).collect();
    crate::secret::hash(&parts)
}

impl Tx {
    /// Writes an entry in the transaction of what it tells of.
    pub async fn audit(&mut self, action: &str, object: &str, detail: &serde_json::Value) -> Result<()> {
        let lost = || Error::internal("writing the audit log", "its head row is missing");
        let seq = self.row("update counter set value = value + 1 where name = 'audit' returning value", params![]).await?.ok_or_else(lost)?.int("value")?;
        let before = self.row("select hash from audit_head where one = 1", params![]).await?.ok_or_else(lost)?.text("hash")?;
        let caller = self.caller().clone();
        let (id, address) = (caller.id.map(|i| i.to_string()), caller.address.map(|a| a.to_string()));
        let (request, detail) = (caller.request.to_string(), detail.to_string());
        let at = caller.now.as_microsecond();
        let hash = chained(
            &before,
            [&seq.to_string(), &at.to_string(), &caller.name, id.as_deref().unwrap_or(""), address.as_deref().unwrap_or(""), &request, action, object, &detail],
        );
        self.put(
            "insert into audit (seq, at, actor, actor_id, address, request, action, object, detail, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![seq, at, &*caller.name, id, address, request, action, object, detail, &hash],
        )
        .await?;
        self.put("update audit_head set hash = ? where one = 1", params![hash]).await
    }
}

fn read(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        seq: row.int("seq")?,
        at: row.time("at")?,
        actor: row.text("actor")?,
        actor_id: row.opt_text("actor_id")?,
        address: row.opt_text("address")?,
        request: row.text("request")?,
        action: row.text("action")?,
        object: row.text("object")?,
        detail: row.json("detail")?,
        hash: row.text("hash")?,
    })
}

/// A LIKE pattern for a literal prefix.
fn starts_with(prefix: &str) -> String {
    format!("{}%", prefix.replace('!', "!!").replace('%', "!%").replace('_', "!_"))
}

impl Store {
    /// Entries, newest first; `after` is the `seq` of the last one seen.
    pub async fn audit_page(&self, query: &PageQuery, action_prefix: &str) -> Result<Page<AuditRow>> {
        let before: i64 =
            query.after.as_deref().map_or(Ok(i64::MAX), str::parse).map_err(|_| Error::invalid("page.after", "`after` is not a cursor of this list."))?;
        let limit = query.limit();
        let rows = self
            .rows(
                "select * from audit where seq < ? and action like ? escape '!' order by seq desc limit ?",
                params![before, starts_with(action_prefix), limit + 1],
            )
            .await?;
        let rows = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Page::of(rows, limit, |r| r.seq.to_string()))
    }

    /// Walks the whole chain.
    pub async fn audit_verify(&self) -> Result<ChainReport> {
        let (mut before, mut seq, mut count) = (String::new(), 0i64, 0i64);
        loop {
            let rows = self.rows("select * from audit where seq > ? order by seq limit 1000", params![seq]).await?;
            if rows.is_empty() {
                let head = self.row("select hash from audit_head where one = 1", params![]).await?.map_or(Ok(String::new()), |r| r.text("hash"))?;
                return Ok(ChainReport { rows: count, broken_at: (head != before).then_some(seq + 1) });
            }
            for row in &rows {
                let r = read(row)?;
                let detail = row.text("detail")?;
                let expected = chained(
                    &before,
                    [
                        &r.seq.to_string(),
                        &r.at.as_microsecond().to_string(),
                        &r.actor,
                        r.actor_id.as_deref().unwrap_or(""),
                        r.address.as_deref().unwrap_or(""),
                        &r.request,
                        &r.action,
                        &r.object,
                        &detail,
                    ],
                );
                if r.seq != seq + 1 || r.hash != expected {
                    return Ok(ChainReport { rows: count, broken_at: Some(seq + 1) });
                }
                (before, seq, count) = (r.hash, r.seq, count + 1);
            }
        }
    }
}
