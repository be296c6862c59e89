//! Small adapters between the domains' ports.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use dothi_access::{Access, Credentials};
use dothi_context::Context;
use dothi_kernel::geo::Point;
use dothi_kernel::measure::MeasureQuery;
use dothi_kernel::{Caller, Directory, Error, Evidence, Measure, Measures, Result, SystemClock, Things, Timestamp};

use crate::City;

/// `context.coverage.<EntityType>`: communes with at least one live thing of the type, of all communes.
pub struct Coverage {
    /// The things.
    pub context: Arc<Context>,
    /// The communes.
    pub directory: Arc<dyn Directory>,
}

const PREFIX: &str = "context.coverage.";

#[async_trait]
impl Measures for Coverage {
    fn names(&self) -> Vec<&'static str> {
        vec!["context.coverage.*"]
    }

    async fn measure(&self, name: &str, query: &MeasureQuery) -> Result<Measure> {
        let kind = name.strip_prefix(PREFIX).ok_or_else(|| Error::unprocessable("measure.unknown", "There is no such measure.").with("measure", name))?;
        let system = Caller::system("measures", &SystemClock);
        let home = self.directory.home();
        let communes = match query.area.as_deref() {
            Some(area) if area.len() > 2 => self.directory.unit(area).into_iter().collect(),
            area => self.directory.communes(area.unwrap_or(&home)),
        };
        let covered: BTreeSet<String> = self.context.live_areas(&system, kind)?;
        let rows: Vec<Evidence> = communes
            .iter()
            .map(|c| Evidence { label: c.name.clone(), link: format!("/map?area={}&type={kind}", c.id), counts: covered.contains(&c.id) })
            .collect();
        let numerator = rows.iter().filter(|r| r.counts).count() as f64;
        Ok(Measure { numerator, denominator: Some(rows.len() as f64), rows })
    }
}

/// Lets programs sign in over MQTT with their bearer token.
pub struct ProgramTokens(pub Arc<Access>);

#[async_trait]
impl dothi_context::mqtt::Programs for ProgramTokens {
    async fn caller(&self, token: &str, address: std::net::IpAddr) -> Result<Caller> {
        self.0.authenticate(&Credentials::Bearer(token.to_string()), Some(address)).await
    }
}

/// A derived observation as a reading of the city model.
pub fn reading(derived: dothi_rules::Derived) -> dothi_context::Reading {
    dothi_context::Reading {
        entity: derived.entity,
        kind: derived.kind,
        attribute: derived.attribute,
        value: derived.value,
        unit: None,
        observed_at: derived.t,
        quality: 0,
        location: None,
    }
}

/// Takes what a camera's detectors counted into the city model.
pub async fn counted(city: &City, at: Timestamp, entity: &str, counts: &[(String, u32)]) -> Result<()> {
    let system = Caller::system("video", city.store.clock().as_ref());
    let reading = |(attribute, n): &(String, u32)| dothi_context::Reading {
        entity: entity.into(),
        kind: "Camera".into(),
        attribute: attribute.as_str().into(),
        value: dothi_kernel::Value::Number(f64::from(*n)),
        unit: None,
        observed_at: at.as_microsecond(),
        quality: 0,
        location: None,
    };
    city.context.ingest(&system, counts.iter().map(reading).collect()).await.map(|_| ())
}

/// Names and places of things for alarms.
pub struct Names(pub Arc<Context>);

impl Things for Names {
    fn brief(&self, entity: &str) -> Option<(String, Option<Point>)> {
        let system = Caller::system("names", &SystemClock);
        let thing = self.0.thing(&system, entity).ok()?;
        Some((thing.name, thing.location))
    }

    fn related(&self, entity: &str, relationship: &str) -> Vec<String> {
        self.0.related(&Caller::system("names", &SystemClock), entity, relationship)
    }

    fn of_type(&self, kind: &str, limit: usize) -> Vec<String> {
        let (system, mut found, mut after) = (Caller::system("names", &SystemClock), Vec::new(), None);
        while found.len() < limit {
            let query = dothi_context::things::ThingQuery { kind: Some(kind.to_string()), limit: Some(200), after: after.take(), ..Default::default() };
            let Ok(page) = self.0.things(&system, &query) else { break };
            found.extend(page.items.into_iter().map(|thing| thing.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        found.truncate(limit);
        found
    }
}
