//! Reading one series straight from the files, without a query plan: statistics choose files, row groups and pages.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{Float64Type, Int32Type, TimestampMicrosecondType};
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetFileReaderFactory};
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection};
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use dothi_kernel::history::{Point, SeriesQuery};
use dothi_kernel::value::quality;
use dothi_kernel::{Error, Result, Value};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};

use crate::registry::{FileEntry, View};
use crate::schema::{ATTRIBUTE, ENTITY, QUALITY, T, TABLE, TEXT, V};

/// A row of a series.
#[derive(Debug, Clone)]
struct Sample {
    t: i64,
    value: Value,
    quality: u16,
}

/// Which rows.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    entity: &'a str,
    attribute: &'a str,
    from: i64,
    to: i64,
}

/// Points of one answer at most.
const POINTS: usize = 200_000;

/// Columns a series needs, in the order of the table.
const NEEDED: [usize; 6] = [ENTITY, ATTRIBUTE, T, V, TEXT, QUALITY];
/// Columns that its length needs.
const COUNTED: [usize; 4] = [ENTITY, ATTRIBUTE, T, QUALITY];

/// Opens files; remembers their footers.
#[derive(Debug, Clone)]
pub(crate) struct Files(pub Arc<CachedParquetFileReaderFactory>);

/// The reader of one file; a name for what the factory makes.
pub(crate) struct Reader(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, datafusion::parquet::errors::Result<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, datafusion::parquet::errors::Result<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(&'a mut self, options: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, datafusion::parquet::errors::Result<Arc<ParquetMetaData>>> {
        self.0.get_metadata(options)
    }
}

impl Files {
    /// Opens a file; its footer and page index come from memory when they were read before.
    pub async fn open(&self, file: &FileEntry) -> Result<ParquetRecordBatchStreamBuilder<Reader>> {
        let reader = self
            .0
            .create_reader(0, crate::query::partitioned(file), None, &ExecutionPlanMetricsSet::new())
            .map_err(|e| Error::internal("opening a file of the lake", e).with("path", &file.path))?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        ParquetRecordBatchStreamBuilder::new_with_options(Reader(reader), options)
            .await
            .map_err(|e| Error::internal("opening a file of the lake", e).with("path", &file.path))
    }

    /// Rows of a series in the files of a cluster, in order of arrival.
    async fn cluster(&self, cluster: &Cluster, query: &SeriesQuery) -> Result<Vec<Sample>> {
        let wanted = Wanted { entity: &query.entity, attribute: &query.attribute, from: query.from, to: query.to };
        let mut samples = Vec::new();
        for file in &cluster.files {
            self.samples(file, wanted, &mut samples).await?;
        }
        Ok(samples)
    }

    /// Rows of a series in one file, in the file's order.
    async fn samples(&self, file: &FileEntry, wanted: Wanted<'_>, into: &mut Vec<Sample>) -> Result<()> {
        self.rows(file, wanted, NEEDED, |columns| pick(columns, wanted, into)).await
    }

    /// Hands over columns of the parts of a file that may hold the wanted rows.
    async fn rows<const N: usize>(
        &self,
        file: &FileEntry,
        wanted: Wanted<'_>,
        needed: [usize; N],
        mut take: impl FnMut(&[ArrayRef]) -> Result<()>,
    ) -> Result<()> {
        let failed = |e| Error::internal("reading a file of the lake", e).with("path", &file.path);
        let builder = self.open(file).await?;
        let metadata = builder.metadata().clone();
        let (groups, pages) = choose(&metadata, builder.schema(), wanted).map_err(failed)?;
        if groups.is_empty() {
            return Ok(());
        }
        let mask = ProjectionMask::leaves(builder.parquet_schema(), needed);
        let mut builder = builder.with_projection(mask).with_row_groups(groups);
        if let Some(pages) = pages {
            builder = builder.with_row_selection(pages);
        }
        let mut stream = builder.build().map_err(failed)?;
        while let Some(batch) = stream.try_next().await.map_err(failed)? {
            take(batch.columns())?;
        }
        Ok(())
    }
}

type Choice = (Vec<usize>, Option<RowSelection>);

/// Row groups and pages that may hold the wanted rows.
fn choose(metadata: &ParquetMetaData, schema: &datafusion::arrow::datatypes::Schema, wanted: Wanted<'_>) -> datafusion::parquet::errors::Result<Choice> {
    let descriptor = metadata.file_metadata().schema_descr();
    let convert = |name| StatisticsConverter::try_new(name, schema, descriptor);
    let (entity, attribute, t) = (convert("entity")?, convert("attribute")?, convert("t")?);
    let all = metadata.row_groups();
    let may = keep(&[
        texts(&entity.row_group_mins(all)?, &entity.row_group_maxes(all)?, wanted.entity),
        texts(&attribute.row_group_mins(all)?, &attribute.row_group_maxes(all)?, wanted.attribute),
        times(&t.row_group_mins(all)?, &t.row_group_maxes(all)?, wanted),
    ]);
    let groups: Vec<usize> = (0..all.len()).filter(|i| may.get(*i).copied().unwrap_or(true)).collect();
    let (Some(columns), Some(offsets)) = (metadata.column_index(), metadata.offset_index()) else { return Ok((groups, None)) };
    let mut selection: Option<RowSelection> = None;
    for (converter, name) in [(&entity, Some(wanted.entity)), (&attribute, Some(wanted.attribute)), (&t, None)] {
        let (mins, maxes) = (converter.data_page_mins(columns, offsets, &groups)?, converter.data_page_maxes(columns, offsets, &groups)?);
        let Some(counts) = converter.data_page_row_counts(offsets, all, &groups)? else { continue };
        let may = match name {
            Some(name) => texts(&mins, &maxes, name),
            None => times(&mins, &maxes, wanted),
        };
        let (mut at, mut ranges) = (0usize, Vec::new());
        for (i, count) in counts.iter().enumerate() {
            let to = at + count.unwrap_or(0) as usize;
            if may.get(i).copied().unwrap_or(true) {
                ranges.push(at..to);
            }
            at = to;
        }
        let these = RowSelection::from_consecutive_ranges(ranges.into_iter(), at);
        selection = Some(selection.map_or_else(|| these.clone(), |s| s.intersection(&these)));
    }
    Ok((groups, selection))
}

fn keep(parts: &[Vec<bool>]) -> Vec<bool> {
    let n = parts.iter().map(Vec::len).max().unwrap_or(0);
    (0..n).map(|i| parts.iter().all(|p| p.get(i).copied().unwrap_or(true))).collect()
}

/// Whether min ≤ wanted ≤ max; unknown bounds may hold anything.
fn texts(mins: &dyn Array, maxes: &dyn Array, wanted: &str) -> Vec<bool> {
    let get = |array: &dyn Array, i: usize| -> Option<String> {
        if array.is_null(i) {
            return None;
        }
        if let Some(a) = array.as_any().downcast_ref::<StringViewArray>() {
            return Some(a.value(i).to_string());
        }
        array.as_any().downcast_ref::<StringArray>().map(|a| a.value(i).to_string())
    };
    (0..mins.len()).map(|i| get(mins, i).is_none_or(|m| m.as_str() <= wanted) && get(maxes, i).is_none_or(|m| wanted <= m.as_str())).collect()
}

fn times(mins: &dyn Array, maxes: &dyn Array, wanted: Wanted<'_>) -> Vec<bool> {
    let (Some(lo), Some(hi)) = (mins.as_primitive_opt::<TimestampMicrosecondType>(), maxes.as_primitive_opt::<TimestampMicrosecondType>()) else {
        return vec![true; mins.len()];
    };
    (0..mins.len()).map(|i| (lo.is_null(i) || lo.value(i) < wanted.to) && (hi.is_null(i) || wanted.from <= hi.value(i))).collect()
}

/// Appends the wanted rows, given the needed columns in order. Files of other writers may hold other string types.
fn pick(columns: &[ArrayRef], wanted: Wanted<'_>, into: &mut Vec<Sample>) -> Result<()> {
    let wrong = || Error::internal("reading observations", "a column has another type");
    let columns: Vec<ArrayRef> = columns
        .iter()
        .zip(NEEDED)
        .map(|(column, i)| cast(column, TABLE.field(i).data_type()).map_err(|e| Error::internal("reading observations", e)))
        .collect::<Result<_>>()?;
    let [entity, attribute, t, v, text, flags] = columns.as_slice() else { return Err(wrong()) };
    let entity = entity.as_string_view_opt().ok_or_else(wrong)?;
    let attribute = attribute.as_string_view_opt().ok_or_else(wrong)?;
    let t = t.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
    let v = v.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
    let text = text.as_string_view_opt().ok_or_else(wrong)?;
    let flags = flags.as_primitive_opt::<Int32Type>().ok_or_else(wrong)?;
    for i in 0..t.len() {
        let at = t.value(i);
        if at < wanted.from || at >= wanted.to || entity.value(i) != wanted.entity || attribute.value(i) != wanted.attribute {
            continue;
        }
        let number = v.is_valid(i).then(|| v.value(i));
        let word = text.is_valid(i).then(|| Arc::from(text.value(i)));
        into.push(Sample { t: at, value: crate::blob::value(number, word), quality: flags.value(i) as u16 });
    }
    Ok(())
}

/// When the wanted rows are, and whether each takes its point away; given the counted columns in order.
fn instants(columns: &[ArrayRef], wanted: Wanted<'_>, into: &mut Vec<(i64, bool)>) -> Result<()> {
    let wrong = || Error::internal("reading observations", "a column has another type");
    let columns: Vec<ArrayRef> = columns
        .iter()
        .zip(COUNTED)
        .map(|(column, i)| cast(column, TABLE.field(i).data_type()).map_err(|e| Error::internal("reading observations", e)))
        .collect::<Result<_>>()?;
    let [entity, attribute, t, flags] = columns.as_slice() else { return Err(wrong()) };
    let entity = entity.as_string_view_opt().ok_or_else(wrong)?;
    let attribute = attribute.as_string_view_opt().ok_or_else(wrong)?;
    let t = t.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
    let flags = flags.as_primitive_opt::<Int32Type>().ok_or_else(wrong)?;
    let deleted = i32::from(quality::DELETED);
    into.extend((0..t.len()).filter_map(|i| {
        let at = t.value(i);
        let meant = at >= wanted.from && at < wanted.to && entity.value(i) == wanted.entity && attribute.value(i) == wanted.attribute;
        meant.then(|| (at, flags.value(i) & deleted != 0))
    }));
    Ok(())
}

/// Points among rows in order of arrival: of those with the same time the last counts, unless it takes the point away.
fn alive(mut rows: Vec<(i64, bool)>) -> u64 {
    rows.sort_by_key(|r| r.0);
    let last = rows.iter().enumerate().filter(|(i, row)| rows.get(i + 1).is_none_or(|next| next.0 != row.0));
    last.filter(|(_, (_, deleted))| !deleted).count() as u64
}

/// The length of a stretch of a series. Values are not read, and no more than files that share time are held at once.
pub(crate) async fn count(view: &View, files: &Files, query: &SeriesQuery) -> Result<u64> {
    let wanted = Wanted { entity: &query.entity, attribute: &query.attribute, from: query.from, to: query.to };
    if query.from >= query.to {
        return Ok(0);
    }
    let candidates = view.files.iter().filter(|f| f.may_hold(&query.entity, &query.attribute, query.from, query.to)).cloned().collect();
    let mut arrived: Vec<(i64, bool)> = pending(view, wanted)?.into_iter().map(|s| (s.t, s.quality & quality::DELETED != 0)).collect();
    arrived.sort_by_key(|r| r.0);
    let mut n = 0;
    for cluster in clusters(candidates).iter().rev() {
        let later = arrived.split_off(arrived.partition_point(|r| r.0 <= cluster.t.1));
        let mut rows = Vec::new();
        for file in &cluster.files {
            files.rows(file, wanted, COUNTED, |columns| instants(columns, wanted, &mut rows)).await?;
        }
        rows.extend(std::mem::replace(&mut arrived, later));
        n += alive(rows);
    }
    Ok(n + alive(arrived))
}

/// The first row of a settled batch whose series and instant are not below the given.
fn lower(entity: &StringViewArray, attribute: &StringViewArray, t: &TimestampMicrosecondArray, wanted: Wanted<'_>, from: i64) -> usize {
    let (mut low, mut high) = (0, t.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if (entity.value(middle), attribute.value(middle), t.value(middle)) < (wanted.entity, wanted.attribute, from) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Wanted rows among the pending ones, in order of arrival.
fn pending(view: &View, wanted: Wanted<'_>) -> Result<Vec<Sample>> {
    let wrong = || Error::internal("reading observations", "a column has another type");
    let mut found = Vec::new();
    for p in view.pending.iter().filter(|p| p.t.0 < wanted.to && wanted.from <= p.t.1) {
        let entity = p.batch.column(ENTITY).as_string_view_opt().ok_or_else(wrong)?;
        let attribute = p.batch.column(ATTRIBUTE).as_string_view_opt().ok_or_else(wrong)?;
        let t = p.batch.column(T).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
        let from = lower(entity, attribute, t, wanted, wanted.from);
        let to = lower(entity, attribute, t, wanted, wanted.to);
        if from < to {
            let needed = NEEDED.map(|i| p.batch.column(i).slice(from, to - from));
            pick(&needed, wanted, &mut found)?;
        }
    }
    Ok(found)
}

/// Sorts by time; of rows with the same time the one that arrived last stays, unless it takes the point away.
fn settle(mut samples: Vec<Sample>) -> Vec<Sample> {
    samples.sort_by_key(|s| s.t);
    samples.reverse();
    samples.dedup_by_key(|s| s.t);
    samples.reverse();
    samples.retain(|s| s.quality & quality::DELETED == 0);
    samples
}

/// The newest point of a series.
pub(crate) async fn latest(view: &View, files: &Files, entity: &str, attribute: &str) -> Result<Option<Point>> {
    let query = SeriesQuery { entity: entity.into(), attribute: attribute.into(), from: i64::MIN, to: i64::MAX, bucket_s: None, offset_s: 0, limit: 1 };
    Ok(read(view, files, &query, 1, 1).await?.pop())
}

fn raw(sample: Sample) -> Point {
    Point { t: sample.t, value: sample.value, min: None, max: None, count: None, quality: sample.quality }
}

/// Files whose times overlap, in order of arrival, and the time they span.
struct Cluster {
    files: Vec<Arc<FileEntry>>,
    t: (i64, i64),
}

/// Files in clusters that share no instant, the newest first.
fn clusters(mut files: Vec<Arc<FileEntry>>) -> Vec<Cluster> {
    files.sort_by_key(|f| f.t.0);
    let mut found: Vec<Cluster> = Vec::new();
    for file in files {
        match found.last_mut() {
            Some(cluster) if file.t.0 <= cluster.t.1 => {
                cluster.t.1 = cluster.t.1.max(file.t.1);
                cluster.files.push(file);
            }
            _ => found.push(Cluster { t: file.t, files: vec![file] }),
        }
    }
    for cluster in &mut found {
        cluster.files.sort_by_key(|f| (f.order, f.id));
    }
    found.reverse();
    found
}

/// Files read ahead of what was asked for.
const AHEAD: usize = 8;

/// A stretch of a series; read from the newest back, until the answer is full.
pub(crate) async fn series(view: &View, files: &Files, query: &SeriesQuery) -> Result<Vec<Point>> {
    if query.bucket_s == Some(0) {
        return Err(Error::invalid("history.bucket", "A bucket must be at least one second wide."));
    }
    let limit = query.limit.min(POINTS);
    if query.from >= query.to || limit == 0 {
        return Ok(Vec::new());
    }
    read(view, files, query, limit, AHEAD).await
}

/// The beginning of a stretch of a series; read from the oldest on, until the answer is full.
pub(crate) async fn head(view: &View, files: &Files, query: &SeriesQuery) -> Result<Vec<Point>> {
    let limit = query.limit.min(POINTS);
    if query.from >= query.to || limit == 0 {
        return Ok(Vec::new());
    }
    let wanted = Wanted { entity: &query.entity, attribute: &query.attribute, from: query.from, to: query.to };
    let candidates = view.files.iter().filter(|f| f.may_hold(&query.entity, &query.attribute, query.from, query.to)).cloned().collect();
    let mut arrived = pending(view, wanted)?;
    arrived.sort_by_key(|s| s.t);
    let mut points: Vec<Point> = Vec::new();
    for cluster in clusters(candidates).iter().rev() {
        let later = arrived.split_off(arrived.partition_point(|s| s.t <= cluster.t.1));
        let mut samples = files.cluster(cluster, query).await?;
        samples.extend(std::mem::replace(&mut arrived, later));
        points.extend(settle(samples).into_iter().map(raw));
        if points.len() >= limit {
            points.truncate(limit);
            return Ok(points);
        }
    }
    points.extend(settle(arrived).into_iter().map(raw));
    points.truncate(limit);
    Ok(points)
}

async fn read(view: &View, files: &Files, query: &SeriesQuery, limit: usize, ahead: usize) -> Result<Vec<Point>> {
    let wanted = Wanted { entity: &query.entity, attribute: &query.attribute, from: query.from, to: query.to };
    let candidates = view.files.iter().filter(|f| f.may_hold(&query.entity, &query.attribute, query.from, query.to)).cloned().collect();
    let shared: Arc<SeriesQuery> = Arc::new(query.clone());
    // What arrived since, from the oldest to the newest.
    let mut arrived = pending(view, wanted)?;
    arrived.sort_by_key(|s| s.t);
    let mut answer = Answer::new(query, limit);
    let mut reading = futures::stream::iter(clusters(candidates))
        .map(|cluster| {
            let (files, query) = (files.clone(), shared.clone());
            // On threads of the runtime: decoding pages is work for the processors.
            let task = tokio::spawn(async move { files.cluster(&cluster, &query).await.map(|samples| (cluster.t.0, cluster.t.1, samples)) });
            async move { task.await.map_err(|e| Error::internal("reading a series", e))? }
        })
        .buffered(ahead);
    while let Some((first, last, mut samples)) = reading.try_next().await? {
        let newer = arrived.split_off(arrived.partition_point(|s| s.t <= last));
        if answer.add_all(settle(newer)) {
            return Ok(answer.points());
        }
        samples.extend(arrived.split_off(arrived.partition_point(|s| s.t < first)));
        if answer.add_all(settle(samples)) {
            return Ok(answer.points());
        }
    }
    answer.add_all(settle(arrived));
    Ok(answer.points())
}

/// Collects samples from the newest to the oldest.
struct Answer {
    limit: usize,
    /// Width and offset of buckets in µs.
    bucket: Option<(i64, i64)>,
    /// Newest first.
    points: Vec<Point>,
    sum: f64,
}

impl Answer {
    fn new(query: &SeriesQuery, limit: usize) -> Self {
        let bucket = query.bucket_s.map(|s| (i64::from(s) * 1_000_000, i64::from(query.offset_s) * 1_000_000));
        Self { limit, bucket, points: Vec::new(), sum: 0.0 }
    }

    fn start(&self, t: i64) -> i64 {
        self.bucket.map_or(t, |(width, offset)| t.saturating_add(offset).div_euclid(width) * width - offset)
    }

    fn full(&self, sample: &Sample) -> bool {
        self.points.len() >= self.limit && self.points.last().is_some_and(|p| p.t != self.start(sample.t))
    }

    /// Takes settled samples, the newest first; true when no more are wanted.
    fn add_all(&mut self, samples: Vec<Sample>) -> bool {
        for sample in samples.into_iter().rev() {
            if self.full(&sample) {
                return true;
            }
            self.add(sample);
        }
        // Without buckets nothing older can change what is there.
        self.bucket.is_none() && self.points.len() >= self.limit
    }

    fn add(&mut self, sample: Sample) {
        if self.bucket.is_none() {
            self.points.push(raw(sample));
            return;
        }
        // Words have no mean.
        let Some(x) = sample.value.number() else { return };
        let start = self.start(sample.t);
        match self.points.last_mut().filter(|p| p.t == start) {
            Some(point) => {
                self.sum += x;
                let count = point.count.unwrap_or(0) + 1;
                point.value = Value::Number(self.sum / count as f64);
                point.min = Some(point.min.map_or(x, |y| y.min(x)));
                point.max = Some(point.max.map_or(x, |y| y.max(x)));
                point.count = Some(count);
                point.quality |= sample.quality;
            }
            None => {
                self.sum = x;
                self.points.push(Point { t: start, value: Value::Number(x), min: Some(x), max: Some(x), count: Some(1), quality: sample.quality });
            }
        }
    }

    fn points(mut self) -> Vec<Point> {
        self.points.reverse();
        self.points
    }
}
