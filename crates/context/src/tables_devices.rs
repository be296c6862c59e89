//! The SQL of devices and of retained messages.

use dothi_kernel::Result;
use dothi_store::{Row, Store, Tx, params};

use crate::devices::{Live, NewDevice};

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

/// Removes a device; false when there is no such one.
pub(crate) async fn delete(tx: &mut Tx, id: &str) -> Result<bool> {
    Ok(tx.exec("delete from context_device where id = ?", params![id]).await? == 1)
}

/// Keeps what is known of a device's life.
pub(crate) async fn note(tx: &mut Tx, id: &str, live: &Live) -> Result<()> {
    tx.exec(
        "update context_device set last_seen = ?, battery = ?, messages = ?, errors = ?, last_error = ?, last_error_at = ? where id = ?",
        params![live.last_seen, live.battery, live.messages, live.errors, live.last_error.clone(), live.last_error_at, id],
    )
    .await?;
    Ok(())
}

/// Retained messages that outlive the process.
pub(crate) async fn retained(store: &Store) -> Result<Vec<Row>> {
    store.rows("select topic, payload, qos, props, expires from context_retained order by topic", params![]).await
}

/// Forgets a topic's retained message.
pub(crate) async fn drop_retained(tx: &mut Tx, topic: &str) -> Result<()> {
    tx.exec("delete from context_retained where topic = ?", params![topic]).await?;
    Ok(())
}

/// Keeps a topic's retained message.
pub(crate) async fn put_retained(tx: &mut Tx, topic: &str, payload: &[u8], qos: u8, props: &str, expires: Option<i64>) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into context_retained (topic, payload, qos, at, props, expires) values (?, ?, ?, ?, ?, ?) on conflict (topic) do update \
         set payload = excluded.payload, qos = excluded.qos, at = excluded.at, props = excluded.props, expires = excluded.expires",
        params![topic, payload.to_vec(), i32::from(qos), now, props, expires],
    )
    .await?;
    Ok(())
}
