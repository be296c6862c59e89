//! The SQL of devices and of retained messages.

use dothi_kernel::{Error, Result};
use dothi_store::{Migration, Row, Store, Tx, params};
use uuid::Uuid;

use crate::devices::credentials::Key;
use crate::devices::{Group, Live, NewDevice};
use crate::downlink::Way;

/// Life, groups, credentials and commands of devices; how far imports got.
pub(crate) const MIGRATION: Migration = Migration {
    domain: "context",
    version: 10,
    sql: "alter table context_device add column clock_offset BIGINT;
          alter table context_device add column flags BIGINT not null default 0;
          alter table context_device add column doubtful BIGINT not null default 0;
          alter table context_device add column way TEXT;
          create table context_group (path TEXT not null primary key, title TEXT not null, title_en TEXT not null, unit TEXT);
          create table context_device_group (device TEXT not null, path TEXT not null, primary key (device, path));
          create index context_device_group_path on context_device_group (path);
          create table context_credential (id TEXT not null primary key, device TEXT not null, kind TEXT not null, value TEXT not null,
            label TEXT not null, valid_from BIGINT, valid_to BIGINT, created BIGINT not null);
          create unique index context_credential_value on context_credential (kind, value);
          create index context_credential_device on context_credential (device);
          create table context_command (id TEXT not null primary key, device TEXT not null, command TEXT not null, parameters TEXT not null,
            topic TEXT not null, payload BYTEA not null, network BIGINT not null, answers BIGINT not null, answer_s BIGINT not null,
            state TEXT not null, actor TEXT not null, created BIGINT not null, expires BIGINT not null,
            sent BIGINT, delivered BIGINT, ended BIGINT, reason TEXT, result TEXT);
          create index context_command_device on context_command (device, id);
          create index context_command_state on context_command (state, id);
          create table context_import (stream TEXT not null, prefix TEXT not null, taken BIGINT not null, at BIGINT not null, name TEXT not null,
            primary key (stream, prefix));",
};

/// Devices after an id, at most 1 000.
pub(crate) async fn after(store: &Store, id: &str) -> Result<Vec<Row>> {
    store.rows("select * from context_device where id > ? order by id limit 1000", params![id]).await
}

/// One device.
pub(crate) async fn one(store: &Store, id: &str) -> Result<Option<Row>> {
    store.row("select * from context_device where id = ?", params![id]).await
}

/// Adds a device; false when the id is taken.
pub(crate) async fn insert(tx: &mut Tx, new: &NewDevice, entity: &str, hash: &str) -> Result<bool> {
    let (lon, lat, now) = (new.location.map(|p| p.lon), new.location.map(|p| p.lat), tx.now());
    let made = tx
        .exec(
            "insert into context_device (id, name, profile, entity, secret_hash, transport, lon, lat, area, created) \
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing",
            params![&new.id, new.name.trim(), &new.profile, entity, hash, new.transport.code(), lon, lat, new.area.clone(), now],
        )
        .await?;
    Ok(made == 1)
}

/// Replaces the secret; false when there is no such device.
pub(crate) async fn set_secret(tx: &mut Tx, id: &str, hash: &str) -> Result<bool> {
    Ok(tx.exec("update context_device set secret_hash = ? where id = ?", params![hash, id]).await? == 1)
}

/// Removes a device with its groups and credentials, and gives up its commands; false when there is no such one.
pub(crate) async fn delete(tx: &mut Tx, id: &str) -> Result<bool> {
    let now = tx.now();
    tx.exec("delete from context_device_group where device = ?", params![id]).await?;
    tx.exec("delete from context_credential where device = ?", params![id]).await?;
    let gone = "update context_command set state = 'failed', reason = 'device.removed', ended = ? where device = ? and ended is null";
    tx.exec(gone, params![now, id]).await?;
    Ok(tx.exec("delete from context_device where id = ?", params![id]).await? == 1)
}

/// Changes the name.
pub(crate) async fn set_name(tx: &mut Tx, id: &str, name: &str) -> Result<()> {
    tx.exec("update context_device set name = ? where id = ?", params![name, id]).await?;
    Ok(())
}

/// Puts a device into these groups and no others.
pub(crate) async fn set_groups(tx: &mut Tx, id: &str, groups: &[String]) -> Result<()> {
    tx.exec("delete from context_device_group where device = ?", params![id]).await?;
    for group in groups {
        tx.exec("insert into context_device_group (device, path) values (?, ?) on conflict (device, path) do nothing", params![id, group]).await?;
    }
    Ok(())
}

/// The groups of a device.
pub(crate) async fn groups_of(store: &Store, id: &str) -> Result<Vec<String>> {
    let rows = store.rows("select path from context_device_group where device = ? order by path", params![id]).await?;
    rows.iter().map(|r| r.text("path")).collect()
}

/// Devices with their groups after a device and group, at most 1 000.
pub(crate) async fn memberships(store: &Store, device: &str, path: &str) -> Result<Vec<Row>> {
    let sql = "select device, path from context_device_group where device > ? or (device = ? and path > ?) order by device, path limit 1000";
    store.rows(sql, params![device, device, path]).await
}

/// All groups.
pub(crate) async fn groups(store: &Store) -> Result<Vec<Row>> {
    store.rows("select path, title, title_en, unit from context_group order by path", params![]).await
}

/// Adds or changes a group.
pub(crate) async fn put_group(tx: &mut Tx, group: &Group) -> Result<()> {
    tx.exec(
        "insert into context_group (path, title, title_en, unit) values (?, ?, ?, ?) \
         on conflict (path) do update set title = excluded.title, title_en = excluded.title_en, unit = excluded.unit",
        params![&group.path, &group.title, &group.title_en, group.unit.clone()],
    )
    .await?;
    Ok(())
}

/// Removes a group; false when there is none, 409 when devices or groups are in it.
pub(crate) async fn drop_group(tx: &mut Tx, path: &str) -> Result<bool> {
    let below = format!("{path}/");
    let held = tx
        .row(
            "select path from context_device_group where path = ? union all select path from context_group where substr(path, 1, ?) = ? limit 1",
            params![path, below.chars().count(), &below],
        )
        .await?;
    if held.is_some() {
        return Err(Error::conflict("device.group.in-use", "Devices or other groups are in this group."));
    }
    Ok(tx.exec("delete from context_group where path = ?", params![path]).await? == 1)
}

/// Credentials after an id, at most 1 000; of one device when said.
pub(crate) async fn credentials(store: &Store, after: &str, device: Option<&str>) -> Result<Vec<Row>> {
    let columns = "select id, device, kind, value, label, valid_from, valid_to, created from context_credential where id > ?";
    match device {
        Some(device) => store.rows(&format!("{columns} and device = ? order by id limit 1000"), params![after, device]).await,
        None => store.rows(&format!("{columns} order by id limit 1000"), params![after]).await,
    }
}

/// Adds a credential. A fingerprint or name that is taken is 409 `store.exists`.
pub(crate) async fn put_credential(tx: &mut Tx, device: &str, key: &Key) -> Result<()> {
    tx.exec(
        "insert into context_credential (id, device, kind, value, label, valid_from, valid_to, created) values (?, ?, ?, ?, ?, ?, ?, ?)",
        params![key.id, device, key.kind.code(), &key.value, &key.label, key.valid_from, key.valid_to, key.created],
    )
    .await?;
    Ok(())
}

/// Removes a credential; false when there is none.
pub(crate) async fn drop_credential(tx: &mut Tx, device: &str, id: Uuid) -> Result<bool> {
    Ok(tx.exec("delete from context_credential where id = ? and device = ?", params![id, device]).await? == 1)
}

/// Keeps what is known of a device's life.
pub(crate) async fn note(tx: &mut Tx, id: &str, live: &Live) -> Result<()> {
    tx.exec(
        "update context_device set last_seen = ?, battery = ?, messages = ?, errors = ?, last_error = ?, last_error_at = ?, \
         clock_offset = ?, flags = ?, doubtful = ?, way = ? where id = ?",
        params![
            live.last_seen,
            live.battery,
            live.messages,
            live.errors,
            live.last_error.clone(),
            live.last_error_at,
            live.clock_offset,
            i32::from(live.flags),
            live.doubtful,
            live.way.as_ref().map(Way::uplinks),
            id
        ],
    )
    .await?;
    Ok(())
}

/// Retained messages that outlive the process.
pub(crate) async fn retained(store: &Store) -> Result<Vec<Row>> {
    store.rows("select topic, payload, qos from context_retained order by topic", params![]).await
}

/// Forgets a topic's retained message.
pub(crate) async fn drop_retained(tx: &mut Tx, topic: &str) -> Result<()> {
    tx.exec("delete from context_retained where topic = ?", params![topic]).await?;
    Ok(())
}

/// Keeps a topic's retained message.
pub(crate) async fn put_retained(tx: &mut Tx, topic: &str, payload: &[u8], qos: u8) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into context_retained (topic, payload, qos, at) values (?, ?, ?, ?) \
         on conflict (topic) do update set payload = excluded.payload, qos = excluded.qos, at = excluded.at",
        params![topic, payload.to_vec(), i32::from(qos), now],
    )
    .await?;
    Ok(())
}
