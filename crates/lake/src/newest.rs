//! Of rows with the same series and instant the one that arrived last: a merge of sorted inputs.

use std::cmp::Ordering;

use datafusion::arrow::array::{AsArray, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::interleave_record_batch;
use datafusion::arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use dothi_kernel::value::quality;
use futures::StreamExt;
use futures::stream::BoxStream;

/// Sorted batches.
pub(crate) type Rows = BoxStream<'static, Result<RecordBatch>>;

/// Rows of one answer batch.
const BATCH: usize = 8_192;

/// Where key and flags stand in the batches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub entity: usize,
    pub attribute: usize,
    pub t: usize,
    pub quality: usize,
}

/// The batch an input stands in.
struct Place {
    entity: StringViewArray,
    attribute: StringViewArray,
    t: TimestampMicrosecondArray,
    quality: Int32Array,
    /// Its number among the batches of the answer under way.
    batch: usize,
    at: usize,
}

impl Place {
    fn order(&self, other: &Self) -> Ordering {
        let names = |p: &Self| p.t.value(p.at);
        self.entity
            .value(self.at)
            .cmp(other.entity.value(other.at))
            .then_with(|| self.attribute.value(self.at).cmp(other.attribute.value(other.at)))
            .then_with(|| names(self).cmp(&names(other)))
    }
}

struct Merge {
    /// In order of arrival.
    inputs: Vec<(Rows, Option<Place>)>,
    /// Numbers of inputs that have rows, the least key first (a heap).
    heap: Vec<usize>,
    started: bool,
    key: Key,
    /// Rows that take a point away go on (there may be older rows elsewhere).
    keep_tombstones: bool,
    batches: Vec<RecordBatch>,
    chosen: Vec<(usize, usize)>,
    /// The newest row so far of the key under way, and whether it takes the point away.
    last: Option<(usize, usize, bool)>,
}

/// Merges inputs that are sorted by (entity, attribute, t) and given in order of arrival.
pub(crate) fn merge(inputs: Vec<Rows>, key: Key, keep_tombstones: bool) -> Rows {
    let merge = Merge {
        inputs: inputs.into_iter().map(|i| (i, None)).collect(),
        heap: Vec::new(),
        started: false,
        key,
        keep_tombstones,
        batches: Vec::new(),
        chosen: Vec::new(),
        last: None,
    };
    futures::stream::try_unfold(merge, |mut merge| async move { Ok(merge.next().await?.map(|batch| (batch, merge))) }).boxed()
}

impl Merge {
    /// Puts an input on its next row that is there; false at its end.
    async fn load(&mut self, input: usize) -> Result<bool> {
        let (rows, place) = &mut self.inputs[input];
        loop {
            let Some(batch) = rows.next().await.transpose()? else {
                *place = None;
                return Ok(false);
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let wrong = || DataFusionError::Internal("a column of the lake has another type".into());
            *place = Some(Place {
                entity: batch.column(self.key.entity).as_string_view_opt().ok_or_else(wrong)?.clone(),
                attribute: batch.column(self.key.attribute).as_string_view_opt().ok_or_else(wrong)?.clone(),
                t: batch.column(self.key.t).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?.clone(),
                quality: batch.column(self.key.quality).as_primitive_opt::<Int32Type>().ok_or_else(wrong)?.clone(),
                batch: self.batches.len(),
                at: 0,
            });
            self.batches.push(batch);
            return Ok(true);
        }
    }

    fn before(&self, a: usize, b: usize) -> bool {
        match (&self.inputs[a].1, &self.inputs[b].1) {
            // Equal keys come in order of arrival.
            (Some(x), Some(y)) => x.order(y).then(a.cmp(&b)) == Ordering::Less,
            _ => false,
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            for child in [left, right] {
                if child < self.heap.len() && self.before(self.heap[child], self.heap[least]) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    /// The next batch of the answer; none at the end.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if !self.started {
            self.started = true;
            for input in 0..self.inputs.len() {
                if self.load(input).await? {
                    self.heap.push(input);
                }
            }
            for at in (0..self.heap.len() / 2).rev() {
                self.sink(at);
            }
        }
        while let Some(&input) = self.heap.first() {
            let Some(place) = &self.inputs[input].1 else { break };
            let deleted = place.quality.value(place.at) & i32::from(quality::DELETED) != 0;
            let row = (place.batch, place.at, deleted);
            if !self.repeats(place) {
                self.settle();
            }
            self.last = Some(row);
            let more = self.inputs[input].1.as_mut().is_some_and(|p| {
                p.at += 1;
                p.at < p.t.len()
            });
            if !more && !self.load(input).await? {
                self.heap.swap_remove(0);
            }
            self.sink(0);
            let heavy = self.batches.len() > 2 * self.inputs.len() + 64;
            if self.chosen.len() >= BATCH || (heavy && !self.chosen.is_empty()) {
                return self.flush().map(Some);
            }
            if heavy {
                self.let_go();
            }
        }
        self.settle();
        if self.chosen.is_empty() { Ok(None) } else { self.flush().map(Some) }
    }

    /// Whether the row at `place` has the key of the last one.
    fn repeats(&self, place: &Place) -> bool {
        let Some((batch, row, _)) = self.last else { return false };
        let Some(batch) = self.batches.get(batch) else { return false };
        batch.column(self.key.t).as_primitive::<TimestampMicrosecondType>().value(row) == place.t.value(place.at)
            && batch.column(self.key.attribute).as_string_view().value(row) == place.attribute.value(place.at)
            && batch.column(self.key.entity).as_string_view().value(row) == place.entity.value(place.at)
    }

    fn settle(&mut self) {
        if let Some((batch, row, deleted)) = self.last.take()
            && (!deleted || self.keep_tombstones)
        {
            self.chosen.push((batch, row));
        }
    }

    /// A batch of the chosen rows.
    fn flush(&mut self) -> Result<RecordBatch> {
        let refs: Vec<&RecordBatch> = self.batches.iter().collect();
        let answer = interleave_record_batch(&refs, &self.chosen)?;
        self.chosen.clear();
        self.let_go();
        Ok(answer)
    }

    /// Keeps only the batches in which an input or the last row stands.
    fn let_go(&mut self) {
        let mut kept = vec![None; self.batches.len()];
        for place in self.inputs.iter().filter_map(|(_, p)| p.as_ref()) {
            kept[place.batch] = Some(0);
        }
        if let Some((batch, ..)) = self.last {
            kept[batch] = Some(0);
        }
        for (next, number) in kept.iter_mut().flatten().enumerate() {
            *number = next;
        }
        let new = |old: usize| kept[old].unwrap_or_default();
        for place in self.inputs.iter_mut().filter_map(|(_, p)| p.as_mut()) {
            place.batch = new(place.batch);
        }
        if let Some((batch, ..)) = &mut self.last {
            *batch = new(*batch);
        }
        let mut number = 0;
        self.batches.retain(|_| {
            number += 1;
            kept[number - 1].is_some()
        });
    }
}
