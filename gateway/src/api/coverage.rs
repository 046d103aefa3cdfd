//! Completeness: the coverage ledger and the agents.

use super::{Answer, Api, Inner, SignedIn, error::ApiError, view::*};
use crate::coverage::{Balance, Line, promise};
use crate::fleet::desired::Standing;
use crate::ingest::dictionary::{Point, PointKey};
use crate::ingest::hub::Heard;
use crate::ingest::record::GapEntry;
use crate::registry::day_ms;
use axum::{
    Json,
    extract::{Path, Query, State as Shared},
};
use contract::{AgentId, DeviceId, SiteId, Timestamp};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Days in one answer at most.
const DAYS_MAX: i32 = 92;
/// Days of a week, today among them.
const WEEK_DAYS: i32 = 7;
/// Days on the page of an agent.
const PAGE_DAYS: i32 = 14;
/// Gap records in one answer at most.
const GAPS_MAX: usize = 200;

type Points = Vec<(PointKey, Arc<Point>)>;

/// Which part of the ledger.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct CoverageQuery {
    /// Only this agent.
    agent: Option<String>,
    /// Only this site.
    site: Option<String>,
    /// One day, `2026-11-25` (in +08:00); today if no day is given.
    day: Option<String>,
    /// The first of several days.
    from: Option<String>,
    /// The last of several days; today if left out.
    to: Option<String>,
}

/// The coverage ledger: what was expected, what came, what did not and why.
#[utoipa::path(get, path = "/api/coverage", params(CoverageQuery), responses((status = 200, body = CoverageView)))]
pub async fn coverage(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Query(q): Query<CoverageQuery>,
) -> Answer<CoverageView> {
    let now = Timestamp::now();
    let days = days_of(&q, now)?;
    api.blocking(move |inner| {
        let points = inner.all_points(|point| {
            let is_of = |wanted: &Option<String>, is: Option<&str>| {
                wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
            };
            is_of(&q.site, Some(point.site.as_str()))
                && is_of(&q.agent, point.agent.as_ref().map(AgentId::as_str))
        });
        let lines = inner.balances(&points, days.clone())?;
        Ok(CoverageView {
            now: now.as_millis(),
            as_of: inner.coverage.progress().1.as_millis(),
            from: day_name(*days.start()),
            to: day_name(*days.end()),
            balance: (&sum(&lines)).into(),
            days: by_day(&lines),
            devices: inner.by_device(&points, &lines),
        })
    })
    .await
    .map(Json)
}

fn days_of(q: &CoverageQuery, now: Timestamp) -> Result<RangeInclusive<i32>, ApiError> {
    let day = |text: &String| {
        let ms = day_ms(text).ok_or_else(|| {
            ApiError::bad(
                format!("日期不对：{text}（应如 2026-11-25）"),
                format!("{text:?} is not a day; write it like 2026-11-25"),
            )
        })?;
        Ok::<i32, ApiError>(promise::day_of(ms))
    };
    let today = promise::day_of(now.as_millis());
    let one = q.day.as_ref().map(day).transpose()?;
    let to = q.to.as_ref().map(day).transpose()?.or(one).unwrap_or(today);
    let from = q.from.as_ref().map(day).transpose()?.or(one).unwrap_or(to);
    if from > to || to - from >= DAYS_MAX {
        return Err(ApiError::bad(
            format!("起止日期不对：起不晚于止，最多 {DAYS_MAX} 天"),
            format!("`from` must not be after `to`, and {DAYS_MAX} days is the most"),
        ));
    }
    Ok(from..=to)
}

/// All agents, the worst first.
#[utoipa::path(get, path = "/api/fleet", responses((status = 200, body = FleetView)))]
pub async fn fleet(_: SignedIn, Shared(api): Shared<Api>) -> Answer<FleetView> {
    let now = Timestamp::now();
    let last = last_of_points(&api).await?;
    api.blocking(move |inner| {
        let mut agents = Vec::new();
        for agent in inner.known_agents() {
            agents.push(inner.fleet_line(&agent, &last, now)?);
        }
        agents.sort_by(|a, b| {
            badness(b)
                .total_cmp(&badness(a))
                .then(a.agent.cmp(&b.agent))
        });
        Ok(FleetView {
            now: now.as_millis(),
            as_of: inner.coverage.progress().1.as_millis(),
            agents,
        })
    })
    .await
    .map(Json)
}

/// An agent with its devices, its coverage by day and its gap records.
#[utoipa::path(get, path = "/api/fleet/{agent}", params(("agent" = String, Path)), responses((status = 200, body = FleetPage)))]
pub async fn fleet_agent(
    _: SignedIn,
    Shared(api): Shared<Api>,
    Path(agent): Path<String>,
) -> Answer<FleetPage> {
    let now = Timestamp::now();
    let last = last_of_points(&api).await?;
    api.blocking(move |inner| {
        let known = inner.known_agents().into_iter();
        let known = known.into_iter().find(|a| a.agent.as_str() == agent);
        let known = known.ok_or_else(|| ApiError::absent("边缘代理", "agent", &agent))?;
        inner.fleet_page(&known, &last, now)
    })
    .await
    .map(Json)
}

/// How much an agent asks for a look: one that is gone, one that does not run what is wanted, then what is missing today and in the week; one of which nothing
/// ever came is last, since it is not installed yet.
fn badness(line: &FleetLine) -> f64 {
    let state = match line.state {
        AgentState::Online => 0.0,
        AgentState::Unheard if line.last_reading_at.is_none() => -1.0,
        AgentState::Offline | AgentState::Unheard => 4.0,
    };
    let lack = |balance: &BalanceView| 1.0 - balance.share.unwrap_or(1.0);
    let configuration = match line.configuration {
        Standing::Refused | Standing::RolledBack | Standing::Other => 1.0,
        Standing::Own | Standing::Waiting | Standing::Trial | Standing::Applied => 0.0,
    };
    state + configuration + lack(&line.today) + lack(&line.week) / 2.0
}

/// The latest reading of every point.
async fn last_of_points(api: &Api) -> Result<HashMap<PointKey, i64>, ApiError> {
    let points: Vec<PointKey> = (0..api.0.ingest.dictionary().len() as u32)
        .map(PointKey)
        .collect();
    let newest = api.0.series.newest(points.clone()).await;
    let newest = newest.map_err(ApiError::internal)?.into_iter();
    let found = points.into_iter().zip(newest);
    Ok(found
        .filter_map(|(key, at)| Some((key, at?.as_millis())))
        .collect())
}

/// An agent of the registry, or one that was heard of.
struct Known {
    site: SiteId,
    agent: AgentId,
    heard: Option<Heard>,
}

impl Known {
    fn state(&self) -> AgentState {
        match &self.heard {
            None => AgentState::Unheard,
            Some(heard) if heard.is_online => AgentState::Online,
            Some(_) => AgentState::Offline,
        }
    }
}

/// What an agent said last of itself (`OneDoor/Status`). Whatever it leaves out is not known.
#[derive(Clone, Copy)]
struct Said<'a>(Option<&'a (Timestamp, serde_json::Value)>);

impl<'a> Said<'a> {
    fn by(known: &'a Known) -> Self {
        Self(known.heard.as_ref().and_then(|heard| heard.status.as_ref()))
    }

    fn at(self, pointer: &str) -> Option<&'a serde_json::Value> {
        self.0?.1.pointer(pointer)
    }

    fn whole(self, pointer: &str) -> Option<u64> {
        self.at(pointer)?.as_u64()
    }

    fn number(self, pointer: &str) -> Option<i64> {
        self.at(pointer)?.as_i64()
    }

    fn text(self, pointer: &str) -> Option<String> {
        let text = self.at(pointer)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn source(self, device: &str) -> Option<SourceView> {
        let sources = self.at("/sources")?.as_array()?;
        let source = sources.iter().find(|source| source["device"] == device)?;
        Some(SourceView {
            state: source["state"].as_str()?.to_owned(),
            since: source["since"].as_i64(),
            why: source["reason"].as_str().map(str::to_owned),
        })
    }
}

impl Inner {
    fn all_points(&self, is_wanted: impl Fn(&Point) -> bool) -> Points {
        let dictionary = self.ingest.dictionary();
        let all = (0..dictionary.len() as u32).map(PointKey);
        all.filter_map(|key| Some((key, dictionary.get(key)?)))
            .filter(|(_, point)| is_wanted(point))
            .collect()
    }

    fn balances(&self, points: &Points, days: RangeInclusive<i32>) -> Result<Vec<Line>, ApiError> {
        self.coverage
            .balances(points, days)
            .map_err(ApiError::internal)
    }

    /// The balance of a site on the day of `now`.
    pub fn coverage_today(&self, site: &SiteId, now: Timestamp) -> Result<BalanceView, ApiError> {
        let points = self.all_points(|point| point.site == *site);
        let today = promise::day_of(now.as_millis());
        let lines = self.balances(&points, today..=today)?;
        Ok((&sum(&lines)).into())
    }

    /// Gap records of a site, the latest first.
    pub fn gaps_of(
        &self,
        site: &SiteId,
        is_wanted: impl Fn(&GapEntry) -> bool,
    ) -> Result<Vec<GapLine>, ApiError> {
        let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
        let gaps = self.coverage.gaps(site, from, to, GAPS_MAX);
        let gaps = gaps.map_err(ApiError::internal)?;
        let wanted = gaps.into_iter().filter(|gap| is_wanted(gap));
        Ok(wanted.map(|gap| self.gap_line(&gap)).collect())
    }

    fn gap_line(&self, entry: &GapEntry) -> GapLine {
        let known = self.registry.device(&entry.site, &entry.device);
        GapLine {
            agent: entry.agent.to_string(),
            device: entry.device.to_string(),
            device_name: known.map(|d| d.name.clone()),
            from: entry.gap.from.as_millis(),
            to: entry.gap.to.as_millis(),
            readings: entry.gap.readings,
            why: crate::coverage::Why::Gap(entry.gap.reason).word(),
            received_at: entry.received_at.as_millis(),
        }
    }

    fn known_agents(&self) -> Vec<Known> {
        let mut known: BTreeMap<(SiteId, AgentId), Option<Heard>> = BTreeMap::new();
        for agent in &self.registry.agents {
            known.insert((agent.site.clone(), agent.id.clone()), None);
        }
        for heard in self.ingest.heard() {
            known.insert((heard.site.clone(), heard.agent.clone()), Some(heard));
        }
        let line = |((site, agent), heard)| Known { site, agent, heard };
        known.into_iter().map(line).collect()
    }

    fn points_of_agent(&self, known: &Known) -> Points {
        self.all_points(|p| p.site == known.site && p.agent.as_ref() == Some(&known.agent))
    }

    fn fleet_line(
        &self,
        known: &Known,
        last: &HashMap<PointKey, i64>,
        now: Timestamp,
    ) -> Result<FleetLine, ApiError> {
        let points = self.points_of_agent(known);
        let today = promise::day_of(now.as_millis());
        let mut week = self.balances(&points, today - WEEK_DAYS + 1..=today)?;
        let all = sum(&week);
        week.retain(|line| line.day == today);
        let said = Said::by(known);
        let heard = known.heard.as_ref().and_then(|heard| heard.heard_at);
        let status = said.0.map(|(_, status)| status);
        let (wanted, standing) = self.fleet.standing(&known.agent, status);
        Ok(FleetLine {
            agent: known.agent.to_string(),
            site: known.site.to_string(),
            site_name: self.registry.site(&known.site).map(|s| s.name.clone()),
            state: known.state(),
            heard_at: heard.map(Timestamp::as_millis),
            last_reading_at: points
                .iter()
                .filter_map(|(key, _)| last.get(key).copied())
                .max(),
            version: said.text("/version"),
            buffer: said.0.map(|(at, _)| BufferView {
                at: at.as_millis(),
                records: said.whole("/buffer/waiting"),
                fill: said
                    .whole("/buffer/bytes")
                    .zip(said.whole("/buffer/bytes_max").filter(|max| *max > 0))
                    .map(|(bytes, max)| bytes as f64 / max as f64),
                oldest_at: said.number("/buffer/oldest"),
            }),
            footage: status.and_then(BoxFootage::said),
            // It says what is to be added to its clock.
            clock_offset_ms: said.number("/clock/offset_ms").map(|ms| -ms),
            clock_trusted: said
                .at("/clock/is_trusted")
                .and_then(serde_json::Value::as_bool),
            configuration: standing,
            configuration_wanted: wanted,
            configuration_runs: said.whole("/configuration/runs"),
            today: (&sum(&week)).into(),
            week: (&all).into(),
        })
    }

    fn fleet_page(
        &self,
        known: &Known,
        last: &HashMap<PointKey, i64>,
        now: Timestamp,
    ) -> Result<FleetPage, ApiError> {
        let points = self.points_of_agent(known);
        let today = promise::day_of(now.as_millis());
        let mut lines = self.balances(&points, today - PAGE_DAYS + 1..=today)?;
        let days = by_day(&lines);
        lines.retain(|line| line.day == today);
        let online: HashMap<&DeviceId, bool> = known
            .heard
            .iter()
            .flat_map(|heard| heard.devices.iter().map(|(id, is_online)| (id, *is_online)))
            .collect();
        let devices = self.by_device(&points, &lines).into_iter().map(|device| {
            let of_device = points
                .iter()
                .filter(|(_, p)| p.device.as_str() == device.device);
            let state = online.iter().find(|(id, _)| id.as_str() == device.device);
            FleetDevice {
                last_reading_at: of_device
                    .filter_map(|(key, _)| last.get(key).copied())
                    .max(),
                state: match state {
                    None => AgentState::Unheard,
                    Some((_, true)) => AgentState::Online,
                    Some((_, false)) => AgentState::Offline,
                },
                source: Said::by(known).source(&device.device),
                device: device.device,
                name: device.name,
                today: device.balance,
                points: device.points,
            }
        });
        Ok(FleetPage {
            now: now.as_millis(),
            as_of: self.coverage.progress().1.as_millis(),
            agent: self.fleet_line(known, last, now)?,
            devices: devices.collect(),
            days,
            gaps: self.gaps_of(&known.site, |gap| gap.agent == known.agent)?,
        })
    }

    fn by_device(&self, points: &Points, lines: &[Line]) -> Vec<DeviceBalance> {
        let mut of_point: HashMap<usize, Balance> = HashMap::new();
        for line in lines {
            of_point.entry(line.place).or_default().add(&line.balance);
        }
        let mut devices: BTreeMap<(&SiteId, &DeviceId), (Balance, DeviceBalance)> = BTreeMap::new();
        for (place, (key, point)) in points.iter().enumerate() {
            let balance = of_point.remove(&place).unwrap_or_default();
            let known = self.registry.device(&point.site, &point.device);
            let (all, device) = devices
                .entry((&point.site, &point.device))
                .or_insert_with(|| {
                    let device = DeviceBalance {
                        site: point.site.to_string(),
                        agent: point.agent.as_ref().map(AgentId::to_string),
                        device: point.device.to_string(),
                        name: known.map(|d| d.name.clone()),
                        balance: (&Balance::default()).into(),
                        points: Vec::new(),
                    };
                    (Balance::default(), device)
                });
            all.add(&balance);
            device.points.push(PointBalance {
                point: point.name.to_string(),
                label: self.registry.label(point.name.as_str()),
                every_ms: self.coverage.every(*key),
                balance: (&balance).into(),
            });
        }
        let whole = |(all, device): (Balance, DeviceBalance)| DeviceBalance {
            balance: (&all).into(),
            ..device
        };
        devices.into_values().map(whole).collect()
    }
}

fn sum(lines: &[Line]) -> Balance {
    let mut all = Balance::default();
    lines.iter().for_each(|line| all.add(&line.balance));
    all
}

fn by_day(lines: &[Line]) -> Vec<DayBalance> {
    let mut days: BTreeMap<i32, Balance> = BTreeMap::new();
    for line in lines {
        days.entry(line.day).or_default().add(&line.balance);
    }
    let day = |(day, balance): (i32, Balance)| DayBalance {
        day: day_name(day),
        balance: (&balance).into(),
    };
    days.into_iter().rev().map(day).collect()
}

/// `2026-11-25`.
fn day_name(day: i32) -> String {
    let begins = jiff::Timestamp::from_millisecond(promise::day_begins(day)).unwrap_or_default();
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    begins.to_zoned(zone).date().to_string()
}
