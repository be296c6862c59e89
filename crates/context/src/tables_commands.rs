//! The SQL of commands to devices.

use dothi_kernel::Result;
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::devices::commands::{Command, CommandState, Waiting};

/// Commands under way after an id, at most 1 000.
pub(crate) async fn open(store: &Store, after: &str) -> Result<Vec<Row>> {
    store.rows("select * from context_command where ended is null and id > ? order by id limit 1000", params![after]).await
}

/// One command.
pub(crate) async fn one(store: &Store, id: &str) -> Result<Option<Row>> {
    store.row("select * from context_command where id = ?", params![id]).await
}

/// Commands, newest first, before an id.
pub(crate) async fn list(store: &Store, device: Option<&str>, state: Option<&str>, before: Option<&str>, limit: usize) -> Result<Vec<Row>> {
    let mut sql = "select * from context_command where 1 = 1".to_string();
    let mut params: Vec<Param> = Vec::new();
    for (condition, value) in [(" and device = ?", device), (" and state = ?", state), (" and id < ?", before)] {
        if let Some(value) = value {
            sql.push_str(condition);
            params.push(value.into());
        }
    }
    sql.push_str(" order by id desc limit ?");
    params.push(limit.into());
    store.rows(&sql, params).await
}

/// Whether a command is one of this device.
pub(crate) async fn of(tx: &mut Tx, id: Uuid, device: &str) -> Result<bool> {
    Ok(tx.row("select id from context_command where id = ? and device = ?", params![id, device]).await?.is_some())
}

/// Adds a command.
pub(crate) async fn insert(tx: &mut Tx, command: &Command, waiting: &Waiting, answers: bool, answer_s: u32) -> Result<()> {
    tx.exec(
        "insert into context_command (id, device, command, parameters, topic, payload, network, answers, answer_s, state, actor, created, expires) \
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            command.id,
            &command.device,
            &command.command,
            Param::json(&command.parameters)?,
            &*waiting.topic,
            waiting.payload.to_vec(),
            waiting.network,
            answers,
            answer_s,
            command.state.code(),
            &command.actor,
            command.created,
            command.expires
        ],
    )
    .await?;
    Ok(())
}

/// Notes that a command is on its way.
pub(crate) async fn sent(tx: &mut Tx, id: Uuid) -> Result<()> {
    let now = tx.now();
    tx.exec("update context_command set state = 'sent', sent = ? where id = ? and state = 'queued'", params![now, id]).await?;
    Ok(())
}

/// Notes that the device has it; `last` when nothing more is awaited. False when that was known.
pub(crate) async fn delivered(tx: &mut Tx, id: Uuid, last: bool) -> Result<bool> {
    let now = tx.now();
    let sql = "update context_command set state = 'delivered', delivered = ?, sent = coalesce(sent, ?), ended = ? where id = ? and state in ('queued', 'sent')";
    Ok(tx.exec(sql, params![now, now, last.then_some(now), id]).await? == 1)
}

/// Ends a command that is in one of these states; false when it is in another.
pub(crate) async fn end(tx: &mut Tx, id: Uuid, from: &[CommandState], to: CommandState, reason: Option<&str>, result: Option<&str>) -> Result<bool> {
    let now = tx.now();
    let states: Vec<String> = from.iter().map(|s| format!("'{}'", s.code())).collect();
    let sql =
        format!("update context_command set state = ?, reason = ?, result = ?, ended = ? where id = ? and ended is null and state in ({})", states.join(", "));
    Ok(tx.exec(&sql, params![to.code(), reason, result, now, id]).await? == 1)
}
