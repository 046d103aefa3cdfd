//! Reading the embedded store: what the file has and what RAM has, as one series.

use super::Embedded;
use super::chunk::{self, Chunk};
use super::columns::{Bucket, Buckets, Columns, StoredReading, Summary};
use super::store::{Reader, StoreError};
use crate::ingest::dictionary::PointKey;
use contract::Timestamp;
use std::sync::{Arc, PoisonError};

/// One thing that holds readings, in the order written.
enum Source {
    Row(i64),
    Sealed(Arc<Chunk>),
    Open(Columns),
}

struct Span {
    source: Source,
    t0: i64,
    t1: i64,
    summary: Summary,
}

impl Embedded {
    /// The readings of `from..to` by time, at most `limit`, the earliest first.
    pub fn raw(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<StoredReading>, StoreError> {
        let (from, to) = (from.as_millis(), to.as_millis());
        let columns = self.with_point(point, from, to, |reader, mut spans| {
            if !overlaps(&spans).contains(&true) {
                cut(&mut spans, from, to, limit as u64);
            }
            merge(reader, point, &spans, from, to)
        })?;
        Ok((0..columns.len().min(limit))
            .map(|i| columns.get(i))
            .collect())
    }

    /// `count` buckets or fewer over `from..to`; chunks that fall wholly into a bucket are not decoded.
    pub fn buckets(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        count: usize,
    ) -> Result<Vec<Bucket>, StoreError> {
        let (from, to) = (from.as_millis(), to.as_millis());
        self.with_point(point, from, to, |reader, spans| {
            let mut buckets = Buckets::new(from, to, count);
            let overlapping = overlaps(&spans);
            let mut rest = Vec::new();
            for (span, overlaps) in spans.into_iter().zip(overlapping) {
                match (buckets.of(span.t0), buckets.of(span.t1)) {
                    (Some(a), Some(b)) if a == b && !overlaps => buckets.join(a, &span.summary),
                    _ => rest.push(span),
                }
            }
            buckets.take(&merge(reader, point, &rest, from, to)?);
            Ok(buckets.finish())
        })
    }

    /// The reading with the latest time.
    pub fn last(&self, point: PointKey) -> Result<Option<StoredReading>, StoreError> {
        let (spans, reader) = self.open_query(point)?;
        let newest = reader.with(|reader| {
            let Some(row) = reader.newest(point.0)? else {
                return Ok(None);
            };
            let latest = spans.iter().map(|span| span.t1).max();
            if latest.is_some_and(|latest| latest >= row.t1) {
                return Ok(None);
            }
            let columns = reader.body(point.0, row.id, chunk::decode)?;
            Ok((!columns.is_empty()).then(|| columns.get(columns.len() - 1)))
        })?;
        if newest.is_some() {
            return Ok(newest);
        }
        let columns = reader.with(|reader| merge(reader, point, &spans, i64::MIN, i64::MAX))?;
        Ok((!columns.is_empty()).then(|| columns.get(columns.len() - 1)))
    }

    /// The latest time of each of these points, in their order. Decodes nothing.
    pub fn newest(&self, points: &[PointKey]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let (in_ram, reader) = {
            let ram = self
                .shared
                .ram
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            let of = |point: &PointKey| {
                let slot = ram.point(point.0)?;
                let sealed = slot.sealed.iter().map(|chunk| chunk.t1);
                sealed.chain(slot.open.times.iter().copied()).max()
            };
            let in_ram: Vec<Option<i64>> = points.iter().map(of).collect();
            (in_ram, self.shared.reader()?)
        };
        reader.with(|reader| {
            let newest = points.iter().zip(&in_ram).map(|(point, in_ram)| {
                let in_file = reader.newest(point.0)?.map(|row| row.t1);
                Ok(in_file.max(*in_ram).map(Timestamp::from_millis))
            });
            newest.collect()
        })
    }

    /// The times of a point's readings from `since` on.
    pub fn times(&self, point: PointKey, since: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
        let since = since.as_millis();
        let columns = self.with_point(point, since, i64::MAX, |reader, spans| {
            merge(reader, point, &spans, since, i64::MAX)
        })?;
        Ok(columns
            .times
            .into_iter()
            .map(Timestamp::from_millis)
            .collect())
    }

    /// How many different readings (point and time) there are, found by decoding every chunk. Takes seconds on
    /// a big store; [`Embedded::stored_total`] is the cheap number.
    pub fn count(&self) -> Result<u64, StoreError> {
        let (ram, reader) = {
            let ram = self
                .shared
                .ram
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            let times: Vec<(u32, Vec<Arc<Chunk>>, Vec<i64>)> = ram
                .points()
                .filter(|(_, p)| !p.sealed.is_empty() || !p.open.is_empty())
                .map(|(point, p)| (point, p.sealed.clone(), p.open.times.clone()))
                .collect();
            (times, self.shared.reader()?)
        };
        let mut ram = ram.into_iter().peekable();
        let mut total = 0;
        let mut current: Option<(u32, Vec<i64>)> = None;
        reader.with(|reader| {
            reader.scan(|point, body| {
                let times = chunk::decode_times(body)?;
                if current.as_ref().is_some_and(|(p, _)| *p != point) {
                    total += finish(current.take(), &mut ram)?;
                }
                current
                    .get_or_insert_with(|| (point, Vec::new()))
                    .1
                    .extend(times);
                Ok(())
            })
        })?;
        let damaged = |source| StoreError::Damaged {
            id: -1,
            point: 0,
            source,
        };
        total += finish(current.take(), &mut ram).map_err(damaged)?;
        for (_, sealed, open) in ram {
            total += distinct(with_ram(Vec::new(), &sealed, &open).map_err(damaged)?);
        }
        Ok(total)
    }

    /// Readings taken in since the store exists, those that replaced an equal time included. Cheap.
    pub fn stored_total(&self) -> u64 {
        self.progress().readings
    }

    fn with_point<T>(
        &self,
        point: PointKey,
        from: i64,
        to: i64,
        read: impl FnOnce(&Reader, Vec<Span>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (in_ram, reader) = self.open_query(point)?;
        reader.with(|reader| {
            let rows = reader.chunks(point.0, from, to)?;
            let spans = rows.into_iter().map(|row| Span {
                source: Source::Row(row.id),
                t0: row.t0,
                t1: row.t1,
                summary: row.summary,
            });
            let touching = in_ram.into_iter().filter(|s| s.t1 >= from && s.t0 < to);
            read(reader, spans.chain(touching).collect())
        })
    }

    /// What RAM has of a point and a reader on the very commit that goes with it.
    fn open_query(&self, point: PointKey) -> Result<(Vec<Span>, super::Query<'_>), StoreError> {
        let ram = self
            .shared
            .ram
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut spans = Vec::new();
        if let Some(slot) = ram.point(point.0) {
            spans.extend(slot.sealed.iter().map(|chunk| Span {
                t0: chunk.t0,
                t1: chunk.t1,
                summary: chunk.summary,
                source: Source::Sealed(chunk.clone()),
            }));
            if !slot.open.is_empty() {
                let mut open = slot.open.clone();
                open.tidy();
                let mut summary = Summary::default();
                (0..open.len()).for_each(|i| summary.take(open.values[i], open.code(i)));
                spans.push(Span {
                    t0: open.times[0],
                    t1: open.times[open.len() - 1],
                    summary,
                    source: Source::Open(open),
                });
            }
        }
        Ok((spans, self.shared.reader()?))
    }
}

type InRam = (u32, Vec<Arc<Chunk>>, Vec<i64>);

/// Counts a point of the file together with what RAM has of it, and the points before it that only RAM has.
fn finish(
    point: Option<(u32, Vec<i64>)>,
    ram: &mut std::iter::Peekable<impl Iterator<Item = InRam>>,
) -> Result<u64, chunk::DamagedChunk> {
    let Some((point, mut times)) = point else {
        return Ok(0);
    };
    let mut total = 0;
    while let Some((p, sealed, open)) = ram.next_if(|(p, _, _)| *p <= point) {
        if p == point {
            times = with_ram(times, &sealed, &open)?;
        } else {
            total += distinct(with_ram(Vec::new(), &sealed, &open)?);
        }
    }
    Ok(total + distinct(times))
}

fn with_ram(
    mut times: Vec<i64>,
    sealed: &[Arc<Chunk>],
    open: &[i64],
) -> Result<Vec<i64>, chunk::DamagedChunk> {
    for chunk in sealed {
        times.extend(chunk::decode_times(&chunk.body)?);
    }
    times.extend_from_slice(open);
    Ok(times)
}

fn distinct(mut times: Vec<i64>) -> u64 {
    if times.windows(2).any(|pair| pair[1] <= pair[0]) {
        times.sort_unstable();
        times.dedup();
    }
    times.len() as u64
}

/// Which spans share a moment with another.
fn overlaps(spans: &[Span]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_unstable_by_key(|&i| spans[i].t0);
    let mut overlapping = vec![false; spans.len()];
    let mut reach: Option<usize> = None;
    for index in order {
        if let Some(before) = reach
            && spans[before].t1 >= spans[index].t0
        {
            overlapping[before] = true;
            overlapping[index] = true;
        }
        if reach.is_none_or(|before| spans[before].t1 < spans[index].t1) {
            reach = Some(index);
        }
    }
    overlapping
}

/// Drops the spans that begin after `limit` readings are already there. Only for spans that do not overlap.
fn cut(spans: &mut Vec<Span>, from: i64, to: i64, limit: u64) {
    spans.sort_by_key(|span| span.t0);
    let mut total = 0;
    let mut needed = 0;
    for span in spans.iter() {
        if total >= limit {
            break;
        }
        needed += 1;
        if span.t0 >= from && span.t1 < to {
            total += span.summary.n + span.summary.missing;
        }
    }
    spans.truncate(needed);
}

/// The readings of the spans as one tidy series.
fn merge(
    reader: &Reader,
    point: PointKey,
    spans: &[Span],
    from: i64,
    to: i64,
) -> Result<Columns, StoreError> {
    let mut all = Columns::default();
    for span in spans {
        match &span.source {
            Source::Row(id) => all.extend(&reader.body(point.0, *id, chunk::decode)?),
            Source::Sealed(chunk) => {
                let columns = chunk::decode(&chunk.body).map_err(|source| StoreError::Damaged {
                    id: -1,
                    point: point.0,
                    source,
                })?;
                all.extend(&columns);
            }
            Source::Open(columns) => all.extend(columns),
        }
    }
    all.tidy();
    all.clip(from, to);
    Ok(all)
}
