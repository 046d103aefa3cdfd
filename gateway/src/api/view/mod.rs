//! What goes over the wire. Domain types become these here and nowhere else. All times are ms since 1970.

mod case; // cases and their decisions
mod credit; // credit records
mod plan; // the visit plan
mod site; // sites, signals, series
mod status; // the gateway itself

pub use case::*;
pub use credit::*;
pub use plan::*;
pub use site::*;
pub use status::*;

use crate::account::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A refusal.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refused {
    /// Why, and what to do, in words.
    pub error: String,
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
    /// What the user may do.
    pub role: Role,
}

/// A business.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BusinessView {
    /// Its code.
    pub uscc: String,
    /// Its name.
    pub name: String,
}
