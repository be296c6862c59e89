//! The last values of many series within steps of time: one scan, folded as it streams, so that memory is bounded by
//! what comes out.

use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionContext, col, lit};
use dothi_kernel::history::{StepValue, Steps, StepsQuery};
use dothi_kernel::{Error, Result};
use futures::TryStreamExt;

use crate::blob;
use crate::query::{Engine, explain};
use crate::registry::View;

/// Seconds that a scan may take.
const SECONDS: u32 = 20;
/// Steps of one question.
const MOST_STEPS: usize = 1_000;

/// Answers [`dothi_kernel::History::steps`].
pub(crate) async fn steps(engine: &Engine, view: View, query: &StepsQuery) -> Result<Steps> {
    if query.ends.len() > MOST_STEPS || !query.ends.is_sorted() {
        return Err(Error::invalid("history.steps", "The steps must be in order, and at most 1,000."));
    }
    let query = query.clone();
    engine.apart(view, SECONDS, move |context, deadline| scan(context, deadline, query)).await
}

async fn scan(context: SessionContext, deadline: Instant, query: StepsQuery) -> Result<Steps> {
    let Some(last) = query.ends.last().copied() else { return Ok(Steps::new()) };
    let at = |us: i64| lit(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())));
    let kinds = query.kinds.iter().map(|k| lit(k.as_str())).collect();
    let wanted = col("type")
        .in_list(kinds, false)
        .and(col("attribute").eq(lit(query.attribute.as_str())))
        .and(col("t").gt(at(query.after)))
        .and(col("t").lt_eq(at(last)));
    let frame =
        context.table("observation").await.and_then(|f| f.filter(wanted)).and_then(|f| f.select_columns(&["entity", "t", "v", "text"])).map_err(explain)?;
    let plan = frame.create_physical_plan().await.map_err(explain)?;
    let plan = crate::deadline::bound(plan, deadline).map_err(explain)?;
    let mut stream = execute_stream(plan, context.task_ctx()).map_err(explain)?;
    let (mut found, mut held) = (Steps::new(), 0);
    while let Some(batch) = stream.try_next().await.map_err(explain)? {
        fold(&batch, &query, &mut found, &mut held)?;
    }
    Ok(found)
}

/// Takes a batch's rows, which come in any order.
fn fold(batch: &RecordBatch, query: &StepsQuery, found: &mut Steps, held: &mut usize) -> Result<()> {
    let wrong = || Error::internal("reading the lake", "a column has another type");
    let entity = batch.column(0).as_string_view_opt().ok_or_else(wrong)?;
    let t = batch.column(1).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
    let v = batch.column(2).as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
    let text = batch.column(3).as_string_view_opt().ok_or_else(wrong)?;
    let mut row = 0;
    while row < batch.num_rows() {
        // Rows of a series mostly stand together.
        let name = entity.value(row);
        let end = (row + 1..batch.num_rows()).find(|r| entity.value(*r) != name).unwrap_or(batch.num_rows());
        if !found.contains_key(name) {
            found.insert(Arc::from(name), Vec::new());
        }
        let Some(values) = found.get_mut(name) else { return Err(wrong()) };
        for r in row..end {
            let at = t.value(r);
            let step = query.ends.partition_point(|end| *end < at) as u32;
            let slot = values.partition_point(|s| s.step < step);
            let known = values.get(slot).filter(|s| s.step == step);
            if known.is_some_and(|s| s.t >= at) {
                continue;
            }
            let new = || StepValue { step, t: at, value: blob::value(v.is_valid(r).then(|| v.value(r)), text.is_valid(r).then(|| text.value(r).into())) };
            if known.is_some() {
                values[slot] = new();
            } else {
                *held += 1;
                values.insert(slot, new());
            }
        }
        if *held > query.limit {
            return Err(Error::unprocessable("history.steps", "That is more than can be answered at once. Ask for a shorter time or fewer steps."));
        }
        row = end;
    }
    Ok(())
}
