//! The tables of SQL: `observation_raw`, every row as it lies, and `observation`, of each series and instant the row
//! that arrived last.
//!
//! Most files share no series and instant with another (the registry's bounds say so) and are read as they are, with
//! all that statistics can leave out. Only where sources may touch are they merged, and then nothing but series and
//! time may narrow what is read: a filter on values could leave out the very row that replaces another.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::{Int32Type, SchemaRef, TimestampMicrosecondType};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, DataFusionError, Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties};
use dothi_kernel::value::quality;
use futures::{StreamExt, TryStreamExt};

use crate::newest::{Key, Rows, merge};
use crate::query::{objects_url, partitioned};
use crate::registry::{FileEntry, View};
use crate::schema::{ATTRIBUTE, COLUMNS, ENTITY, QUALITY, T, TABLE, day_of};

/// Where a scan finds what there is to read.
#[async_trait]
pub(crate) trait Views: fmt::Debug + Send + Sync {
    async fn view(&self) -> Result<View>;
}

/// A view taken before.
#[derive(Debug)]
pub(crate) struct Taken(pub View);

#[async_trait]
impl Views for Taken {
    async fn view(&self) -> Result<View> {
        Ok(self.0.clone())
    }
}

/// One of the two tables.
#[derive(Debug)]
pub(crate) struct ObservationTable {
    pub views: Arc<dyn Views>,
    pub factory: Arc<CachedParquetFileReaderFactory>,
    /// Every row, superseded ones too.
    pub raw: bool,
}

/// What a scan was asked.
struct Asked<'a> {
    projection: Option<&'a Vec<usize>>,
    predicate: Option<Arc<dyn PhysicalExpr>>,
    /// The part of the predicate that speaks of series and time only.
    of_key: Option<Arc<dyn PhysicalExpr>>,
    limit: Option<usize>,
    parts: usize,
}

/// Files that may hold rows for the predicate.
fn choose(files: &[Arc<FileEntry>], predicate: Option<&Arc<dyn PhysicalExpr>>) -> Result<Vec<Arc<FileEntry>>> {
    let Some(predicate) = predicate else { return Ok(files.to_vec()) };
    let pruning = PruningPredicateBuilder::new().with_file_schema(TABLE.clone()).try_build(predicate.clone())?;
    if pruning.always_true() || files.is_empty() {
        return Ok(files.to_vec());
    }
    let statistics = PrunableStatistics::new(files.iter().map(|f| f.statistics.clone()).collect(), TABLE.clone());
    let may = pruning.prune(&statistics)?;
    Ok(files.iter().zip(may).filter(|(_, may)| *may).map(|(f, _)| f.clone()).collect())
}

impl ObservationTable {
    fn scan_files(
        &self,
        files: &[Arc<FileEntry>],
        predicate: Option<&Arc<dyn PhysicalExpr>>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
        parts: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut source = ParquetSource::new(TABLE.clone()).with_parquet_file_reader_factory(self.factory.clone());
        if let Some(predicate) = predicate {
            source = source.with_predicate(predicate.clone());
        }
        let merged = Statistics::try_merge_iter(files.iter().map(|f| f.statistics.as_ref()), &TABLE)?;
        let parted: Vec<_> = files.iter().map(|f| partitioned(f).with_statistics(f.statistics.clone())).collect();
        let config = FileScanConfigBuilder::new(objects_url()?, Arc::new(source))
            .with_file_groups(FileGroup::new(parted).split_files(parts))
            .with_statistics(merged)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// Everything there is.
    fn raw(&self, view: &View, asked: &Asked<'_>) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let files = choose(&view.files, asked.predicate.as_ref())?;
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !files.is_empty() {
            parts.push(self.scan_files(&files, asked.predicate.as_ref(), asked.projection, asked.limit, asked.parts)?);
        }
        if !view.pending.is_empty() {
            let batches: Vec<RecordBatch> = view.pending.iter().map(|p| p.batch.clone()).collect();
            parts.push(MemorySourceConfig::try_new_exec(&[batches], TABLE.clone(), asked.projection.cloned())?);
        }
        Ok(parts)
    }

    /// Of each series and instant the row that arrived last.
    fn newest(&self, view: &View, asked: &Asked<'_>) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let pending = waiting(view, asked.of_key.as_ref())?;
        let (plain, touching) = components(choose(&view.files, asked.of_key.as_ref())?, &pending);
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        let plain_files = choose(&plain.files, asked.predicate.as_ref())?;
        if !plain_files.is_empty() {
            parts.push(self.scan_files(&plain_files, asked.predicate.as_ref(), asked.projection, asked.limit, asked.parts)?);
        }
        let loose: Vec<RecordBatch> =
            plain.days.iter().filter_map(|day| pending.get(day)).map(standing).collect::<Result<Vec<_>>>()?.into_iter().filter(|b| b.num_rows() > 0).collect();
        if !loose.is_empty() {
            parts.push(MemorySourceConfig::try_new_exec(&[loose], TABLE.clone(), asked.projection.cloned())?);
        }
        if !touching.is_empty() {
            let wanted: Vec<usize> = asked.projection.map_or_else(|| (0..COLUMNS.len()).collect(), Clone::clone);
            let mut needed = wanted.clone();
            needed.extend([ENTITY, ATTRIBUTE, T, QUALITY].into_iter().filter(|c| !wanted.contains(c)));
            let mut groups = Vec::new();
            for component in touching {
                let mut sources = Vec::new();
                for file in &component.files {
                    sources.push(self.scan_files(std::slice::from_ref(file), asked.of_key.as_ref(), Some(&needed), None, 1)?);
                }
                // Days do not share instants: one after the other they would still be sorted by day only.
                for day in component.days.iter().filter_map(|day| pending.get(day)) {
                    sources.push(MemorySourceConfig::try_new_exec(&[vec![day.clone()]], TABLE.clone(), Some(needed.clone()))?);
                }
                groups.push(sources);
            }
            parts.push(Arc::new(NewestExec::try_new(groups, &needed, &wanted, asked.parts)?));
        }
        Ok(parts)
    }
}

/// Pending rows that satisfy the predicate, settled, by day.
fn waiting(view: &View, predicate: Option<&Arc<dyn PhysicalExpr>>) -> Result<BTreeMap<i64, RecordBatch>> {
    let mut found = Vec::new();
    for pending in view.pending.iter() {
        let batch = match predicate {
            None => pending.batch.clone(),
            Some(predicate) => {
                let fits = predicate.evaluate(&pending.batch)?.into_array(pending.batch.num_rows())?;
                match fits.as_boolean_opt() {
                    Some(fits) => filter_record_batch(&pending.batch, fits)?,
                    None => pending.batch.clone(),
                }
            }
        };
        if batch.num_rows() > 0 {
            found.push(batch);
        }
    }
    if found.is_empty() {
        return Ok(BTreeMap::new());
    }
    let outside = |e: dothi_kernel::Error| DataFusionError::External(Box::new(e));
    let all = crate::file::settled(&concat_batches(&TABLE, &found)?).map_err(outside)?;
    let t = all.column(T).as_primitive::<TimestampMicrosecondType>();
    let days: std::collections::BTreeSet<i64> = t.values().iter().map(|t| day_of(*t)).collect();
    if let (1, Some(day)) = (days.len(), days.first()) {
        return Ok(BTreeMap::from([(*day, all)]));
    }
    let of_day = |day: i64| -> Result<(i64, RecordBatch)> {
        let rows: BooleanArray = t.values().iter().map(|t| Some(day_of(*t) == day)).collect();
        Ok((day, filter_record_batch(&all, &rows)?))
    };
    days.into_iter().map(of_day).collect()
}

/// The rows of a batch that take nothing away.
fn standing(batch: &RecordBatch) -> Result<RecordBatch> {
    let flags = batch.column(QUALITY).as_primitive::<Int32Type>();
    let deleted = i32::from(quality::DELETED);
    if flags.values().iter().all(|q| q & deleted == 0) {
        return Ok(batch.clone());
    }
    let rows: BooleanArray = flags.values().iter().map(|q| Some(q & deleted == 0)).collect();
    Ok(filter_record_batch(batch, &rows)?)
}

/// Sources that may touch each other, directly or through others.
#[derive(Debug, Default)]
pub(crate) struct Component {
    /// In order of arrival.
    pub files: Vec<Arc<FileEntry>>,
    /// Days of pending rows; they arrived after all files.
    pub days: Vec<i64>,
}

/// What can be read as it is, and what must be merged.
pub(crate) fn components(files: Vec<Arc<FileEntry>>, pending: &BTreeMap<i64, RecordBatch>) -> (Component, Vec<Component>) {
    let (mut files, n) = (files, pending.len());
    files.sort_by_key(|f| f.t.0);
    let days: Vec<(i64, (i64, i64))> = pending.keys().map(|day| (*day, (day * crate::schema::DAY_US, (day + 1) * crate::schema::DAY_US - 1))).collect();
    let mut root: Vec<usize> = (0..files.len() + n).collect();
    fn find(root: &mut [usize], mut at: usize) -> usize {
        while root[at] != at {
            root[at] = root[root[at]];
            at = root[at];
        }
        at
    }
    let mut open: Vec<usize> = Vec::new();
    for (i, file) in files.iter().enumerate() {
        open.retain(|o| files[*o].t.1 >= file.t.0);
        for o in &open {
            if files[*o].may_touch(file) {
                let (a, b) = (find(&mut root, *o), find(&mut root, i));
                root[a] = b;
            }
        }
        open.push(i);
        for (d, (_, range)) in days.iter().enumerate() {
            if file.t.0 <= range.1 && range.0 <= file.t.1 {
                let (a, b) = (find(&mut root, files.len() + d), find(&mut root, i));
                root[a] = b;
            }
        }
    }
    let mut found: BTreeMap<usize, Component> = BTreeMap::new();
    for i in 0..root.len() {
        let at = find(&mut root, i);
        let component = found.entry(at).or_default();
        match files.get(i) {
            Some(file) => component.files.push(file.clone()),
            None => component.days.push(days[i - files.len()].0),
        }
    }
    let mut plain = Component::default();
    let mut touching = Vec::new();
    for mut component in found.into_values() {
        match (component.files.as_slice(), component.days.as_slice()) {
            ([file], []) if file.settled && file.tombstones == 0 => plain.files.append(&mut component.files),
            ([], [_]) => plain.days.append(&mut component.days),
            _ => {
                component.files.sort_by_key(|f| (f.order, f.id));
                touching.push(component);
            }
        }
    }
    plain.files.sort_by_key(|f| (f.part, f.order, f.id));
    (plain, touching)
}

#[async_trait]
impl TableProvider for ObservationTable {
    fn schema(&self) -> SchemaRef {
        TABLE.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(&self, state: &dyn Session, projection: Option<&Vec<usize>>, filters: &[Expr], limit: Option<usize>) -> Result<Arc<dyn ExecutionPlan>> {
        let view = self.views.view().await?;
        let schema = DFSchema::try_from(TABLE.as_ref().clone())?;
        let physical = |filters: Vec<Expr>| conjunction(filters).map(|e| state.create_physical_expr(e, &schema)).transpose();
        let keys: HashSet<&str> = [ENTITY, ATTRIBUTE, T].map(|c| COLUMNS[c].name).into();
        let of_key = |e: &&Expr| !e.is_volatile() && e.column_refs().iter().all(|c| keys.contains(c.name.as_str()));
        let asked = Asked {
            projection,
            predicate: physical(filters.to_vec())?,
            of_key: physical(filters.iter().filter(of_key).cloned().collect())?,
            limit,
            parts: state.config().target_partitions(),
        };
        let mut parts = if self.raw { self.raw(&view, &asked)? } else { self.newest(&view, &asked)? };
        match parts.len() {
            0 => Ok(Arc::new(EmptyExec::new(project_schema(&TABLE, projection)?))),
            1 => Ok(parts.swap_remove(0)),
            _ => UnionExec::try_new(parts),
        }
    }
}

/// Merges each group of sources, one group after the other in every partition.
#[derive(Debug)]
struct NewestExec {
    /// Of all groups, one after the other; each sorted by (entity, attribute, t) in one partition.
    sources: Vec<Arc<dyn ExecutionPlan>>,
    /// How many sources each group has.
    groups: Vec<usize>,
    key: Key,
    /// Which columns of a source go on.
    output: Vec<usize>,
    properties: Arc<PlanProperties>,
}

impl NewestExec {
    fn try_new(groups: Vec<Vec<Arc<dyn ExecutionPlan>>>, needed: &[usize], wanted: &[usize], parts: usize) -> Result<Self> {
        let at = |column: usize| needed.iter().position(|c| *c == column).ok_or_else(|| DataFusionError::Internal("a key column is not read".into()));
        let key = Key { entity: at(ENTITY)?, attribute: at(ATTRIBUTE)?, t: at(T)?, quality: at(QUALITY)? };
        let schema = Arc::new(TABLE.project(wanted)?);
        let partitions = Partitioning::UnknownPartitioning(groups.len().clamp(1, parts.max(1)));
        let properties = PlanProperties::new(EquivalenceProperties::new(schema), partitions, EmissionType::Incremental, Boundedness::Bounded);
        Ok(Self {
            groups: groups.iter().map(Vec::len).collect(),
            sources: groups.into_iter().flatten().collect(),
            key,
            output: (0..wanted.len()).collect(),
            properties: Arc::new(properties),
        })
    }
}

impl DisplayAs for NewestExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewestExec: groups={}, sources={}", self.groups.len(), self.sources.len())
    }
}

impl ExecutionPlan for NewestExec {
    fn name(&self) -> &str {
        "NewestExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.sources.iter().collect()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.sources.len()]
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { sources: children, groups: self.groups.clone(), key: self.key, output: self.output.clone(), properties: self.properties.clone() }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let parts = self.properties.output_partitioning().partition_count();
        let (mut at, mut mine) = (0, Vec::new());
        for (i, n) in self.groups.iter().enumerate() {
            if i % parts == partition {
                mine.push(self.sources[at..at + n].to_vec());
            }
            at += n;
        }
        let (key, output) = (self.key, self.output.clone());
        let schema = self.properties.eq_properties.schema().clone();
        // A group is opened when the one before it is read.
        let rows = futures::stream::iter(mine)
            .map(move |sources: Vec<Arc<dyn ExecutionPlan>>| -> Result<Rows> {
                let inputs = sources.iter().map(|s| s.execute(0, context.clone()).map(StreamExt::boxed)).collect::<Result<Vec<_>>>()?;
                let output = output.clone();
                Ok(merge(inputs, key, false).map(move |batch| Ok(batch?.project(&output)?)).boxed())
            })
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
