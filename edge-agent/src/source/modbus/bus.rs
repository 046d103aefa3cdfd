//! One connection to one instrument.
//!
//! Promise: after a time-out or any transport error the connection is dropped, so a late answer can never be
//! taken for the answer to a later question. A poll is bounded: the first time-out ends it.

use super::{
    Device,
    plan::Read,
    register::{self, Function},
};
use contract::Absence;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_modbus::{
    Slave,
    client::{Context, Reader, tcp},
};

/// What an instrument said for one point: the number in its registers, or why there is none.
pub type Answer = Result<f64, Absence>;

/// The connection, if there is one.
#[derive(Default)]
pub struct Bus {
    context: Option<Context>,
}

enum Failure {
    /// The instrument said no to this one question.
    Refused,
    /// The answer was not what was asked for.
    Unreadable,
    /// Nothing in time.
    Silent,
    /// The connection broke.
    Broken,
}

impl Bus {
    /// Asks for everything in `reads`; one answer per point of the device.
    pub async fn poll(&mut self, device: &Device, reads: &[Read]) -> Vec<Answer> {
        let mut answers = vec![Err(Absence::NoAnswer); device.points.len()];
        let mut gone = None;
        for read in reads {
            let absence = match gone {
                Some(absence) => absence,
                None => match self.ask(device, read, &mut answers).await {
                    Ok(()) => continue,
                    Err(absence) => absence,
                },
            };
            if matches!(absence, Absence::NoAnswer | Absence::NoConnection) {
                gone = Some(absence);
            }
            for &point in &read.points {
                answers[point] = Err(absence);
            }
        }
        answers
    }

    /// One question. A connection that the instrument closed since the last poll is made anew, once.
    async fn ask(
        &mut self,
        device: &Device,
        read: &Read,
        answers: &mut [Answer],
    ) -> Result<(), Absence> {
        let was_open = self.context.is_some();
        let mut result = self.try_ask(device, read, answers).await?;
        if was_open && matches!(result, Err(Failure::Broken)) {
            result = self.try_ask(device, read, answers).await?;
        }
        result.map_err(|failure| match failure {
            Failure::Refused => Absence::Refused,
            Failure::Unreadable => Absence::Unreadable,
            Failure::Silent | Failure::Broken => Absence::NoAnswer,
        })
    }

    async fn try_ask(
        &mut self,
        device: &Device,
        read: &Read,
        answers: &mut [Answer],
    ) -> Result<Result<(), Failure>, Absence> {
        if self.context.is_none() {
            self.context = Some(connect(device).await.ok_or(Absence::NoConnection)?);
        }
        let Some(context) = &mut self.context else {
            return Err(Absence::NoConnection);
        };
        let failure = match request(context, read, device.timeout).await {
            Ok(words) => {
                for &index in &read.points {
                    let point = &device.points[index];
                    let from = usize::from(point.register - read.start);
                    let own = words.get(from..from + usize::from(point.kind.width()));
                    answers[index] = own
                        .and_then(|own| register::decode(point.kind, point.order, own))
                        .ok_or(Absence::Unreadable);
                }
                return Ok(Ok(()));
            }
            Err(failure) => failure,
        };
        if !matches!(failure, Failure::Refused) {
            self.context = None;
        }
        Ok(Err(failure))
    }
}

async fn connect(device: &Device) -> Option<Context> {
    let stream = timeout(device.timeout, TcpStream::connect(&device.address))
        .await
        .ok()?
        .ok()?;
    // Small questions must not wait for each other; a stack that cannot do it is only slower.
    let _ = stream.set_nodelay(true);
    Some(tcp::attach_slave(stream, Slave(device.unit_id)))
}

async fn request(context: &mut Context, read: &Read, limit: Duration) -> Result<Vec<u16>, Failure> {
    let (start, count) = (read.start, read.count);
    let answer = timeout(limit, async {
        match read.function {
            Function::Holding => context.read_holding_registers(start, count).await,
            Function::Input => context.read_input_registers(start, count).await,
            Function::Coil => context.read_coils(start, count).await.map(|r| r.map(words)),
            Function::Discrete => context
                .read_discrete_inputs(start, count)
                .await
                .map(|r| r.map(words)),
        }
    });
    match answer.await {
        Err(_) => Err(Failure::Silent),
        Ok(Err(_)) => Err(Failure::Broken),
        Ok(Ok(Err(_exception))) => Err(Failure::Refused),
        Ok(Ok(Ok(words))) if words.len() == usize::from(count) => Ok(words),
        Ok(Ok(Ok(_))) => Err(Failure::Unreadable),
    }
}

fn words(bits: Vec<bool>) -> Vec<u16> {
    bits.into_iter().map(u16::from).collect()
}
