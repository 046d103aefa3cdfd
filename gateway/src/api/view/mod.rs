//! What goes over the wire. Domain types become these here and nowhere else. All times are ms since 1970.

mod case; // cases and their decisions
mod configuration; // what an agent is to run
mod control; // orders to devices
mod coverage; // completeness and agents
mod credit; // credit records
mod fleet; // agents
mod footage; // footage and cameras
mod plan; // the visit plan
mod site; // sites, signals, series
mod status; // the gateway itself

pub use case::*;
pub use configuration::*;
pub use control::*;
pub use coverage::*;
pub use credit::*;
pub use fleet::*;
pub use footage::*;
pub use plan::*;
pub use site::*;
pub use status::*;

use crate::{
    account::{Act, Role},
    detect::rule::Text,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A refusal.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refused {
    /// Why, and what to do, in English.
    pub error: String,
    /// The same in both languages.
    pub message: Text,
}

/// Name and password.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SignIn {
    /// The user's name.
    #[serde(alias = "name")]
    pub user: String,
    /// The password.
    pub password: String,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserView {
    /// The user's id.
    pub user: String,
    /// The name to show.
    pub name: String,
    /// Who the user is.
    pub role: Role,
    /// What the user may do beside looking.
    pub may: Vec<Act>,
}

/// A business.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BusinessView {
    /// Its code.
    pub uscc: String,
    /// Its name.
    pub name: String,
}
