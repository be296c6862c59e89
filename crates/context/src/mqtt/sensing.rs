//! SensorThings over MQTT (OGC 18-088, clause 14): observations are published under `v1.1/Datastreams(1)/Observations` or
//! `v1.1/Observations`, and told under the same topics whichever way they came.

use std::collections::HashMap;
use std::sync::Arc;

use dothi_kernel::{Caller, Kind};
use futures::FutureExt;
use mqtt_protocol_core::mqtt::ArcPayload;
use mqtt_protocol_core::mqtt::packet::Qos;
use tokio::sync::broadcast::error::RecvError;

use super::session::{Delivery, Message, Readiness, Session};
use super::sharing::{self, Group};
use super::{Broker, Outcome, Refusal, add, lesser};
use crate::decode::Fault;

/// Where topics of SensorThings begin.
pub(super) const PREFIX: &str = "v1.1/";

impl Broker {
    /// Stores a published observation.
    pub(super) async fn observe(&self, caller: &Caller, message: &Message) -> Outcome {
        let path = message.topic.strip_prefix(PREFIX).unwrap_or_default();
        let done = std::panic::AssertUnwindSafe(self.sink.observe(caller, path, message.payload.as_slice())).catch_unwind().await;
        let stats = &self.options.stats;
        match done {
            Ok(Ok(())) => {
                add(&stats.stored, 1);
                Outcome::Kept
            }
            Ok(Err(e)) if !matches!(e.kind(), Kind::Internal | Kind::Unavailable | Kind::TooMany) => self.refused(match e.kind() {
                Kind::NotFound | Kind::Method => Refusal::Unknown,
                Kind::Forbidden | Kind::Unauthenticated => Refusal::NotAllowed,
                _ => Refusal::Payload(Fault::Shape.code()),
            }),
            failed => {
                add(&stats.failed, 1);
                let why = failed.map_or_else(|_| "panic".to_string(), |r| r.err().map(|e| e.to_string()).unwrap_or_default());
                tracing::warn!(error = why, topic = &*message.topic, "storing an observation failed");
                Outcome::Failed
            }
        }
    }

    /// Notes that a filter is of observations.
    pub(super) fn watch(&self, filter: &str) {
        if filter.starts_with(PREFIX)
            && let Some(feed) = self.sink.feed()
        {
            feed.want();
        }
    }

    /// Who wants a topic by name; each session once, at the highest QoS of its filters.
    fn listeners(&self, topic: &str) -> HashMap<u64, (Arc<Session>, Qos, Vec<u32>)> {
        let mut found: HashMap<u64, (Arc<Session>, Qos, Vec<u32>)> = HashMap::new();
        let tree = self.subscriptions.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        tree.find(topic, &mut |number, subscription| {
            if subscription.sensing {
                let known = found.entry(*number).or_insert_with(|| (subscription.session.clone(), subscription.qos, Vec::new()));
                if (known.1 as u8) < (subscription.qos as u8) {
                    known.1 = subscription.qos;
                }
                known.2.extend(subscription.id);
            }
        });
        found
    }

    /// Shared subscriptions that want a topic by name.
    fn sensing_groups(&self, topic: &str) -> Vec<Arc<Group>> {
        let by_name = |g: &Arc<Group>| sharing::split(&g.filter).is_some_and(|(_, filter)| filter.starts_with(PREFIX));
        self.groups(topic).into_iter().filter(by_name).collect()
    }
}

/// Tells subscribers of observations as they become durable.
pub(super) async fn tell(broker: Arc<Broker>) {
    let Some(mut feed) = broker.sink.feed().map(crate::sta::Feed::listen) else { return };
    loop {
        let batch = match feed.recv().await {
            Ok(batch) => batch,
            Err(RecvError::Lagged(missed)) => {
                // Whole batches: who is told of observations cannot keep up with who makes them.
                tracing::warn!(missed, "batches of observations were not told to subscribers");
                add(&broker.options.stats.dropped, missed);
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        for observation in batch.iter() {
            let topics = [format!("{PREFIX}Observations"), format!("{PREFIX}Datastreams({})/Observations", crate::sta::stream_key(observation))];
            let wanted = topics.each_ref().map(|t| (broker.listeners(t), broker.sensing_groups(t)));
            if wanted.iter().all(|(listeners, groups)| listeners.is_empty() && groups.is_empty()) {
                continue;
            }
            let Some(body) = broker.sink.told(observation).await else { continue };
            let data: Arc<[u8]> = body.into();
            let mut changes = Vec::new();
            for (topic, (listeners, groups)) in topics.iter().zip(wanted) {
                let payload = ArcPayload::new(data.clone(), 0, data.len());
                let message = Arc::new(Message::new(topic, payload, Qos::AtLeastOnce, false, Vec::new()));
                for (session, qos, ids) in listeners.into_values() {
                    let mut delivery = Delivery::new(message.clone(), lesser(qos, message.qos), false);
                    delivery.ids = ids;
                    changes.extend(broker.offer(&session, delivery));
                }
                for group in groups {
                    changes.extend(broker.share(&group, &message, Readiness::Away).unwrap_or_default());
                }
            }
            broker.keeper.note(changes).await;
        }
    }
}
