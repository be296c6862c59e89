//! A query that is out of time stops, even one that never waits; so does one that makes giant values.
//!
//! Some operators (joins above all) turn for hours without giving the runtime a chance to cancel them. They do ask
//! their inputs for more, so every operator of a plan is wrapped in one that refuses to answer after the deadline.
//! Values under construction are not counted by the engine's memory pool (`s || s`, again and again), so the wrapper also
//! refuses to pass on a batch that is far larger than any honest one.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};
use futures::StreamExt;

/// Wraps every operator of a finished plan.
pub(crate) fn bound(plan: Arc<dyn ExecutionPlan>, deadline: Instant) -> Result<Arc<dyn ExecutionPlan>> {
    let bounded = plan.transform_up(|input| Ok(Transformed::yes(Arc::new(Around { input, with: Until(deadline) }) as Arc<dyn ExecutionPlan>)))?;
    Ok(bounded.data)
}

/// Bytes of one batch at most.
const BATCH: usize = 64 << 20;

/// Bytes of the values themselves; the buffers behind them are shared by many batches.
fn weight(batch: &RecordBatch) -> usize {
    let of_column = |column: &ArrayRef| match column.as_string_view_opt() {
        Some(views) => views.lengths().map(|length| length as usize).sum(),
        None if column.data_type().is_primitive() => 0,
        None => column.to_data().get_slice_memory_size().unwrap_or(0),
    };
    batch.columns().iter().map(of_column).sum()
}

/// What an operator around another does with its streams.
pub(crate) trait Wrap: fmt::Debug + Clone + Send + Sync + 'static {
    /// Name in plans.
    const NAME: &'static str;

    /// The stream of the operator inside, as it may go on.
    fn execute(&self, input: &Arc<dyn ExecutionPlan>, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream>;
}

/// An operator around another: the same plan, order and columns.
#[derive(Debug)]
pub(crate) struct Around<W> {
    pub(crate) input: Arc<dyn ExecutionPlan>,
    pub(crate) with: W,
}

impl<W: Wrap> DisplayAs for Around<W> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(W::NAME)
    }
}

impl<W: Wrap> ExecutionPlan for Around<W> {
    fn name(&self) -> &str {
        W::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) => Ok(Arc::new(Self { input, with: self.with.clone() })),
            None => Ok(self),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.with.execute(&self.input, partition, context)
    }
}

/// Answers until an instant, and with honest batches only.
#[derive(Debug, Clone)]
struct Until(Instant);

impl Wrap for Until {
    const NAME: &'static str = "BoundedExec";

    fn execute(&self, input: &Arc<dyn ExecutionPlan>, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut input = input.execute(partition, context)?;
        let (schema, deadline) = (input.schema(), self.0);
        let checked = futures::stream::poll_fn(move |cx| {
            if Instant::now() >= deadline {
                return Poll::Ready(Some(Err(DataFusionError::ResourcesExhausted("out of time".into()))));
            }
            match input.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(batch))) if weight(&batch) > BATCH => {
                    Poll::Ready(Some(Err(DataFusionError::ResourcesExhausted("a batch of giant values".into()))))
                }
                other => other,
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, checked)))
    }
}
