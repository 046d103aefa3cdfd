//! Promise: the ledger balances exactly, agrees with a model that looks at every instant, and is the same after any
//! restart and any replay; gap records, raw bytes and promises reach the journal, the ledger, the screens, the evidence.

mod ledger; // random histories against a model
mod story; // an agent's messages through the whole gateway
