//! Counters of the vision process.

use crate::metrics::{Count, Delays};

/// What was asked, and what became of it.
#[derive(Debug, Default)]
pub struct Counts {
    /// Asks that were given to a process.
    pub asks: Count,
    /// Of these, looks that were answered.
    pub looks: Count,
    /// Of these, answered with why it cannot be done.
    pub failed: Count,
    /// Asks that were not taken since too many waited.
    pub refused: Count,
    /// Asks that came while there was no process.
    pub unserved: Count,
    /// Processes that were started.
    pub started: Count,
    /// Of these, ended by themselves.
    pub died: Count,
    /// Of these, killed since they gave no answer.
    pub hung: Count,
    /// Of these, killed since they gave something else.
    pub rubbish: Count,
    /// From giving a look to the process to its answer.
    pub look_delays: Delays,
}

impl Counts {
    /// Writes them to the log in one line, if anything was asked.
    pub fn log(&self) {
        if self.asks.get() + self.unserved.get() + self.refused.get() == 0 {
            return;
        }
        tracing::info!(
            asks = self.asks.get(),
            looks = self.looks.get(),
            failed = self.failed.get(),
            refused = self.refused.get(),
            unserved = self.unserved.get(),
            started = self.started.get(),
            died = self.died.get(),
            hung = self.hung.get(),
            rubbish = self.rubbish.get(),
            look_p50_ms = self.look_delays.below_ms(0.5),
            look_p99_ms = self.look_delays.below_ms(0.99),
            "vision"
        );
    }
}
