//! Observations as they become durable, for those who subscribed to them over MQTT (clause 14.3).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dothi_kernel::value::quality;
use dothi_kernel::{Caller, Observation};
use tokio::sync::broadcast;

use super::find;
use super::model::{Id, Kind, own};
use super::node::{JOIN, Node, Obs};
use super::options::Options;
use super::read::Reader;
use crate::Context;
use crate::tables_sta as tables;

/// Batches that may wait for a slow broker; it learns how many it missed.
const WAITING: usize = 32;

/// See the module.
#[derive(Debug)]
pub struct Feed {
    wanted: AtomicBool,
    sender: broadcast::Sender<Arc<Vec<Observation>>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { wanted: AtomicBool::new(false), sender: broadcast::channel(WAITING).0 }
    }
}

impl Feed {
    /// Passes on what is durable now; nothing is done while nobody wants it.
    pub(crate) fn tell(&self, mut observations: Vec<Observation>) {
        if !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        // What takes a point of the history away is no observation.
        observations.retain(|o| o.quality & quality::DELETED == 0);
        if !observations.is_empty() {
            // No listener is no fault.
            let _ = self.sender.send(Arc::new(observations));
        }
    }

    /// From now on somebody wants it.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Listens.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<Vec<Observation>>> {
        self.sender.subscribe()
    }
}

/// The Datastream of an observation as it stands in brackets.
pub(crate) fn stream_key(observation: &Observation) -> String {
    stream_id(observation).key()
}

fn stream_id(observation: &Observation) -> Id {
    match own(&observation.entity) {
        Some((Kind::Datastream, n)) => Id::Int(n),
        _ => Id::Text(format!("{}{JOIN}{}", observation.entity, observation.attribute)),
    }
}

/// An observation as its subscribers read it.
pub(crate) async fn told(this: &Context, observation: &Observation) -> Option<Vec<u8>> {
    let caller = Caller::system("sta", this.store.clock().as_ref());
    let stream = find::get(this, Kind::Datastream, &stream_id(observation), caller.now.as_microsecond())?;
    let name = stream.id().plain();
    let marks = this.sta.marks(&name);
    let kept = if marks.extras { tables::extras(&this.store, &name, observation.t, observation.t).await.ok()? } else { Vec::new() };
    let node = Node::Observation(Arc::new(Obs {
        instant_result: marks.instant_result || matches!(stream, Node::Series(..)),
        stream: Arc::new(stream),
        t: observation.t,
        value: observation.value.clone(),
        quality: observation.quality,
        extra: kept.into_iter().next().map(|(_, e)| e),
    }));
    let reader = Reader::new(this, &caller, "/sensorthings/v1.1");
    let whole = reader.entity(&node, &Options::read(&[], Kind::Observation).ok()?, false).await.ok()?;
    serde_json::to_vec(&whole).ok()
}
