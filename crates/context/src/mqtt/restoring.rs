//! Reading what former runs kept: retained messages and sessions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dothi_kernel::Result;
use dothi_store::Row;
use mqtt_protocol_core::mqtt::ArcPayload;
use mqtt_protocol_core::mqtt::packet::Qos;

use super::session::{Delivery, Message, Session};
use super::{Broker, Wish, add, packets};
use crate::devices::Devices;
use crate::{tables_devices, tables_mqtt};

fn quality(number: i64) -> Qos {
    match number {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        _ => Qos::ExactlyOnce,
    }
}

/// A message as it was stored, unless it is of no use any longer.
fn message(row: &Row, props: Option<String>, retain: bool, now: i64) -> Result<Option<Message>> {
    let left = match row.opt_int("expires")? {
        Some(at) if at <= now => return Ok(None),
        Some(at) => Some(Duration::from_micros(u64::try_from(at.saturating_sub(now)).unwrap_or(0))),
        None => None,
    };
    let data: Arc<[u8]> = row.bytes("payload")?.into();
    let length = data.len();
    let props = packets::unpack(&props.unwrap_or_default());
    let mut message = Message::new(&row.text("topic")?, ArcPayload::new(data, 0, length), quality(row.int("qos")?), retain, props);
    message.expires = left.and_then(|left| Instant::now().checked_add(left));
    Ok(Some(message))
}

/// Retained messages.
pub(super) async fn retained(devices: &Devices) -> Result<HashMap<Arc<str>, Arc<Message>>> {
    let now = devices.clock().now().as_microsecond();
    let mut retained = HashMap::new();
    for row in tables_devices::retained(devices.store()).await? {
        if let Some(message) = message(&row, row.opt_text("props")?, true, now)? {
            retained.insert(message.topic.clone(), Arc::new(message));
        }
    }
    Ok(retained)
}

impl Broker {
    /// Reads the stored sessions with all that they kept. A client that was connected when the process ended counts as
    /// gone from now on.
    pub(super) async fn restore(&self) -> Result<()> {
        let (store, now) = (self.devices.store(), self.devices.clock().now().as_microsecond());
        let mut sessions: HashMap<i64, Arc<Session>> = HashMap::new();
        let mut last = 0;
        loop {
            let rows = tables_mqtt::sessions(store, last).await?;
            let Some(row) = rows.last() else { break };
            last = row.int("id")?;
            for row in &rows {
                let (id, owner): (i64, Arc<str>) = (row.int("id")?, row.text("owner")?.into());
                let expiry = Duration::from_secs(u64::try_from(row.int("expiry_s")?).unwrap_or(0));
                let away = Duration::from_micros(u64::try_from(now - row.opt_int("away_at")?.unwrap_or(now)).unwrap_or(0));
                let client = row.text("client")?;
                let session = Session::restored(u64::try_from(id).unwrap_or(0), owner.clone(), &client, self.budget.clone(), expiry, away);
                sessions.insert(id, Arc::new(session));
            }
        }
        self.numbers.store(u64::try_from(last).unwrap_or(0) + 1, Ordering::Relaxed);
        self.restore_filters(&sessions).await?;
        self.restore_messages(&sessions, now).await?;
        let mut after = (0, -1);
        loop {
            let rows = tables_mqtt::received(store, after.0, after.1).await?;
            let Some(row) = rows.last() else { break };
            after = (row.int("session")?, row.int("packet")?);
            for row in &rows {
                if let (Some(session), Ok(packet)) = (sessions.get(&row.int("session")?), u16::try_from(row.int("packet")?)) {
                    session.restore_received(packet);
                }
            }
        }
        let mut table = self.sessions();
        for session in sessions.into_values() {
            add(&self.options.stats.sessions, 1);
            table.entry(session.owner.clone()).or_default().insert(session.client.to_string(), session);
        }
        Ok(())
    }

    async fn restore_filters(&self, sessions: &HashMap<i64, Arc<Session>>) -> Result<()> {
        let mut after = (0, String::new());
        loop {
            let rows = tables_mqtt::filters(self.devices.store(), after.0, &after.1).await?;
            let Some(row) = rows.last() else { return Ok(()) };
            after = (row.int("session")?, row.text("filter")?);
            for row in &rows {
                let Some(session) = sessions.get(&row.int("session")?) else { continue };
                let (filter, options) = (row.text("filter")?, row.int("options")?);
                let id = row.opt_int("number")?.and_then(|n| u32::try_from(n).ok());
                let (keep_retain, not_own) = (options & 4 != 0, options & 8 != 0);
                let wish = Wish { filter: &filter, qos: quality(options & 3), keep_retain, not_own, id, retained: |_| false };
                // It is stored already.
                if session.add_filter(&filter, options, id).is_some() {
                    self.hook(session, &wish);
                }
            }
        }
    }

    async fn restore_messages(&self, sessions: &HashMap<i64, Arc<Session>>, now: i64) -> Result<()> {
        let mut after = (0, 0);
        loop {
            let rows = tables_mqtt::waiting(self.devices.store(), after.0, after.1).await?;
            let Some(row) = rows.last() else { return Ok(()) };
            after = (row.int("session")?, row.int("seq")?);
            for row in &rows {
                let Some(session) = sessions.get(&row.int("session")?) else { continue };
                let (seq, released) = (u64::try_from(row.int("seq")?).unwrap_or(0), row.flag("released")?);
                // One whose exchange has begun is ended, whether it is of use or not.
                let Some(message) = message(row, row.opt_text("props")?, row.flag("retain")?, if released { i64::MIN } else { now })? else {
                    self.keeper.note(vec![super::Change::Done { session: session.number, seq }]).await;
                    continue;
                };
                let ids = row.text("ids")?.split(',').filter_map(|n| n.parse().ok()).collect();
                let mut delivery = Delivery::restored(Arc::new(message), quality(row.int("qos")?), row.flag("retain")?, ids, seq);
                delivery.group = row.opt_text("shared")?.and_then(|filter| self.group(&filter));
                session.restore(delivery, released);
            }
        }
    }
}
