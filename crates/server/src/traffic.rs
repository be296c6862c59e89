//! Between traffic and the rest: what detectors say, alarms of incidents, and words for signs.

use std::sync::Arc;

use async_trait::async_trait;
use dothi_context::Context;
use dothi_context::devices::{CommandState, NewCommand};
use dothi_kernel::{Caller, Kind, Result, SystemClock};
use dothi_rules::model::Outside;
use dothi_traffic::{Around, Fate};
use serde_json::json;
use uuid::Uuid;

/// Source of the alarms.
const SOURCE: &str = "traffic";

/// The city model as traffic asks it.
pub struct City(pub Arc<Context>);

#[async_trait]
impl Around for City {
    fn latest(&self, entity: &str) -> Vec<(String, f64, i64)> {
        let Ok(thing) = self.0.thing(&Caller::system(SOURCE, &SystemClock), entity) else { return Vec::new() };
        let told = thing.attributes.into_iter();
        told.filter_map(|(name, a)| Some((name, a.value.as_f64()?, a.observed_at?.as_microsecond()))).collect()
    }

    async fn fate(&self, command: Uuid) -> Result<Option<Fate>> {
        let found = match self.0.devices().command(&Caller::system(SOURCE, &SystemClock), command).await {
            Ok(found) => found,
            Err(e) if e.kind() == Kind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let word = |code: &str| found.reason.clone().unwrap_or_else(|| code.to_string());
        Ok(Some(match found.state {
            CommandState::Queued | CommandState::Sent => Fate::Pending,
            // A device that answers has an answer coming; one that does not has ended here.
            CommandState::Delivered if found.ended.is_none() => Fate::Pending,
            CommandState::Delivered | CommandState::Acknowledged => Fate::Done,
            CommandState::Failed => Fate::Failed(word("device.command.failed")),
            CommandState::Expired => Fate::Failed(word("device.command.expired")),
            CommandState::Cancelled => Fate::Failed(word("device.command.cancelled")),
        }))
    }
}

/// An incident began, was confirmed, judged or ended: its alarm follows.
pub(crate) async fn alarm(city: &crate::City, incident: Uuid) -> Result<()> {
    let Some(words) = city.traffic.alarm_of(incident).await? else { return Ok(()) };
    let system = Caller::system(SOURCE, city.store.clock().as_ref());
    if let Some(until) = words.until {
        return city.rules.return_to_normal(&system, SOURCE, &words.key, &words.entity, Some(until)).await;
    }
    let alarm = Outside {
        source: SOURCE.into(),
        key: words.key,
        entity: words.entity,
        class: "traffic-incident".into(),
        severity: Some(words.severity),
        title: words.title,
        title_en: words.title_en,
        text: Some(words.text),
        sector: SOURCE.into(),
        at: Some(words.at),
        area: words.area,
        location: Some(words.location),
        ..Outside::default()
    };
    city.rules.raise_from(&system, &alarm).await.map(|_| ())
}

/// A sign is to show something: its device is told, once for each order.
pub(crate) async fn tell(city: &crate::City, sign: Uuid, order: Uuid) -> Result<()> {
    let Some(wanted) = city.traffic.sign_order(sign, order).await? else { return Ok(()) };
    let system = Caller::system(SOURCE, city.store.clock().as_ref());
    let parameters = serde_json::Map::from_iter([("text".to_string(), json!(wanted.text))]);
    let new = NewCommand { command: wanted.command, parameters, expires_s: Some(wanted.expires_s) };
    let told = match city.context.devices().send_command(&system, &wanted.device, new, Some(&order.to_string())).await {
        Ok(command) => Ok(command.id),
        // What will be no better next time is told to the person who looks at the sign.
        Err(e) if e.kind().status() < 500 => Err(e.code().to_string()),
        Err(e) => return Err(e),
    };
    city.traffic.sign_told(sign, order, told).await
}
