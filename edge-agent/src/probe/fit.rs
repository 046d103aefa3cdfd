//! Which profiles fit a unit, and what a profile reads from it.

use super::scan::Scanner;
use crate::{
    calibrate,
    profile::Profile,
    source::modbus::{
        Device,
        poll::{self, Instrument, Polled},
        register::Kind,
        schedule::Outcome,
    },
};
use anyhow::Context;
use contract::{DeviceId, Quality, Timestamp};
use serde::Serialize;
use std::time::Duration;

/// No instrument measures so little: floating point below it, and not 0, is in another word order.
const REAL_MIN: f64 = 1e-4;

/// A profile whose registers all answer with values in range.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fit {
    /// Its file.
    pub profile: String,
    /// How many points it has.
    pub points: usize,
    /// True if all values are 0, which fits everything.
    pub is_all_zero: bool,
}

/// What a profile reads from a unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Live {
    /// The profile's name.
    pub profile: String,
    /// What the unit says of itself, if the profile knows where.
    pub identity: Option<String>,
    /// Its values.
    pub values: Vec<Value>,
}

/// One live value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Value {
    /// The point.
    pub point: String,
    /// Its table.
    pub table: String,
    /// Its first register.
    pub register: u16,
    /// The number in the registers.
    pub raw: Option<f64>,
    /// The same, scaled.
    pub value: Option<f64>,
    /// Unit of the value.
    pub unit: String,
    /// What is to be thought of it.
    pub quality: String,
}

async fn polled(scanner: &mut Scanner, unit: u8, profile: &Profile) -> anyhow::Result<Polled> {
    let device = Device {
        id: DeviceId::new("probed").context("a name")?,
        unit_id: unit,
        every: Duration::from_secs(1),
        timeout: scanner.timeout * 2,
        points: profile.points.clone(),
        gap_max: profile.gap_max,
        identity: None,
        expected: None,
        clock: profile.clock.clone(),
    };
    let polled = Instrument::new(device).poll(&mut scanner.link).await;
    if matches!(polled.outcome, Outcome::Silent(_)) && scanner.link.endpoint().is_rtu() {
        tokio::time::sleep(scanner.timeout * poll::REST).await;
    }
    Ok(polled)
}

/// The profiles that fit.
pub async fn fits(
    scanner: &mut Scanner,
    unit: u8,
    profiles: &[(String, Profile)],
    not_asked: &mut Vec<String>,
) -> anyhow::Result<Vec<Fit>> {
    let mut fits = Vec::new();
    for (file, profile) in profiles {
        if scanner.is_over() {
            not_asked.push(format!("unit {unit}, profiles from {file} on"));
            break;
        }
        let polled = polled(scanner, unit, profile).await?;
        let at = Timestamp::now();
        let points = profile.points.iter().zip(&polled.answers);
        let is_fit = points.clone().all(|(point, answer)| {
            let is_float = matches!(point.kind, Kind::F32 | Kind::F64);
            let is_tiny = |raw: f64| is_float && raw != 0.0 && raw.abs() < REAL_MIN;
            let quality = calibrate::reading(point, *answer, at).quality;
            quality == Quality::Good && !answer.is_ok_and(is_tiny)
        });
        let is_clock_there = polled.answers.iter().all(Result::is_ok);
        if is_fit && is_clock_there {
            fits.push(Fit {
                profile: file.clone(),
                points: profile.points.len(),
                is_all_zero: polled.answers.iter().all(|answer| *answer == Ok(0.0)),
            });
        }
    }
    fits.sort_by_key(|fit| (fit.is_all_zero, std::cmp::Reverse(fit.points)));
    Ok(fits)
}

/// What a profile reads.
pub async fn live(scanner: &mut Scanner, unit: u8, profile: &Profile) -> anyhow::Result<Live> {
    let polled = polled(scanner, unit, profile).await?;
    let at = Timestamp::now();
    let values = profile
        .points
        .iter()
        .zip(polled.answers)
        .map(|(point, answer)| {
            let reading = calibrate::reading(point, answer, at);
            Value {
                point: point.name.to_string(),
                table: point.function.to_string(),
                register: point.register,
                raw: answer.ok(),
                value: reading.value,
                unit: point.unit.clone(),
                quality: word(reading.quality),
            }
        });
    let values = values.collect();
    let identity = match &profile.identity {
        Some(identity) => {
            let words = scanner.words(&poll::question(identity, unit)).await?;
            words.and_then(|words| poll::name(identity, &words))
        }
        None => None,
    };
    Ok(Live {
        profile: profile.name.clone(),
        identity,
        values,
    })
}

fn word(quality: Quality) -> String {
    let json = match quality {
        Quality::Good => return "good".to_owned(),
        Quality::Suspect(doubt) => serde_json::to_value(doubt),
        Quality::Missing(absence) => serde_json::to_value(absence),
    };
    json.unwrap_or_default()
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
