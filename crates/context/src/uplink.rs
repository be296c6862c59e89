//! The way of devices' readings into the city model.

use std::time::Duration;

use dothi_kernel::history::SeriesQuery;
use dothi_kernel::{Caller, Error, Observation, Permission, Result, Scope};
use futures::future::BoxFuture;
use serde_json::json;

use crate::Context;
use crate::devices::{NewDevice, Registered, Sink};
use crate::ld::Ld;
use crate::model::Reading;
use crate::parse::{self, Form};
use crate::registry::short;
use crate::writer::{Change, Order, to_val};

/// How long the same values without a time of their own count as the same message when it is said to be repeated.
const SAME_UNTIMED: Duration = Duration::from_secs(600);

impl Sink for Context {
    fn accept<'a>(&'a self, caller: &'a Caller, message: Option<String>, readings: Vec<Reading>) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { self.ingest_message(caller, message.as_deref(), readings).await.map(|done| !done.duplicate) })
    }

    fn holds<'a>(&'a self, readings: &'a [Reading], timed: bool) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            for reading in readings {
                let held = match self.now_of(reading) {
                    None => false,
                    Some((observed, same)) if !timed => same && (reading.observed_at - observed).unsigned_abs() <= SAME_UNTIMED.as_micros() as u64,
                    Some((observed, _)) if observed == reading.observed_at => true,
                    Some((observed, _)) if observed < reading.observed_at => false,
                    Some(_) => self.in_history(reading).await?,
                };
                if !held {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    fn observe<'a>(&'a self, caller: &'a Caller, path: &'a str, body: &'a [u8]) -> BoxFuture<'a, Result<()>> {
        Box::pin(crate::sta::observe(self, caller, path, body))
    }

    fn feed(&self) -> Option<&crate::sta::Feed> {
        Some(&self.feed)
    }

    fn is_own(&self, client: &str) -> bool {
        crate::notify::is_own(client)
    }

    fn told<'a>(&'a self, observation: &'a Observation) -> BoxFuture<'a, Option<Vec<u8>>> {
        Box::pin(crate::sta::told(self, observation))
    }
}

impl Context {
    /// When a reading's attribute was last observed, and whether its value is the same.
    fn now_of(&self, reading: &Reading) -> Option<(i64, bool)> {
        let entity = self.live.get(&reading.entity)?;
        let (_, instances) = entity.attrs.iter().find(|(name, _)| short(name) == &*reading.attribute)?;
        let attr = instances.iter().find(|a| a.dataset().is_none())?;
        Some((attr.observed()?, attr.value == to_val(&reading.value)))
    }

    async fn in_history(&self, reading: &Reading) -> Result<bool> {
        let query = SeriesQuery {
            entity: reading.entity.to_string(),
            attribute: reading.attribute.to_string(),
            from: reading.observed_at,
            to: reading.observed_at + 1,
            bucket_s: None,
            offset_s: 0,
            limit: 1,
        };
        Ok(!self.history.series(&query).await?.is_empty())
    }
}

impl Context {
    /// Registers a device, and gives its entity the device's name and place before the first reading comes.
    pub async fn add_device(&self, caller: &Caller, mut new: NewDevice) -> Result<Registered> {
        let entity = self.devices.check_new(caller, &new)?;
        let kind = self.devices.decoder(&new.profile).map(|d| d.profile.kind.clone()).unwrap_or_default();
        let mut body = serde_json::Map::new();
        body.insert("name".into(), json!({ "type": "Property", "value": new.name.trim() }));
        if let Some(point) = new.location {
            new.area = new.area.or_else(|| self.directory.locate(point).map(|place| place.commune));
            body.insert("location".into(), json!({ "type": "GeoProperty", "value": { "type": "Point", "coordinates": [point.lon, point.lat] } }));
        }
        let mut draft = parse::draft(&body, &Ld::default(), Form::WHOLE)?;
        draft.types = vec![self.registry.expand(&kind)];
        let order = Order { id: entity.as_str().into(), only: None, change: Change::UpsertUpdate(draft) };
        let done = self.writer.orders(caller, vec![order]).await?.pop();
        done.unwrap_or_else(|| Err(Error::internal("placing a device", "no answer")))?;
        self.devices.register(caller, new).await
    }

    /// Says of an entity where its readings come from; every screen that shows them names it.
    pub async fn name_source(&self, caller: &Caller, entity: &str, kind: &str, source: &str) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let body = serde_json::Map::from_iter([("source".to_string(), json!({ "type": "Property", "value": source }))]);
        let mut draft = parse::draft(&body, &Ld::default(), Form::WHOLE)?;
        draft.types = vec![self.registry.expand(kind)];
        let order = Order { id: entity.into(), only: None, change: Change::UpsertUpdate(draft) };
        let done = self.writer.orders(caller, vec![order]).await?.pop();
        done.unwrap_or_else(|| Err(Error::internal("naming a source", "no answer"))).map(|_| ())
    }
}
