//! Names of sites, agents, devices and points. Each is built only by its checking constructor.
//!
//! A name is 1 to 64 characters, none of them a control character, white space at an end, or one of
//! `/ + # $` (they have a meaning in MQTT topics), `,` `=` `"` `\` (line protocol).

use std::{fmt, str::FromStr};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name:?} is not allowed: {reason}")]
pub struct IdError {
    /// What was being named: `site`, `agent`, `device` or `point`.
    pub kind: &'static str,
    /// The refused text.
    pub name: String,
    /// What is wrong with it, in words.
    pub reason: &'static str,
}

fn check(kind: &'static str, name: &str, extra: &str) -> Result<(), IdError> {
    let refuse = |reason| {
        Err(IdError {
            kind,
            name: name.to_owned(),
            reason,
        })
    };
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.chars().count() > 64 {
        return refuse("it is longer than 64 characters");
    }
    if name.trim() != name {
        return refuse("it begins or ends with white space");
    }
    if name.chars().any(|c| {
        matches!(c, '+' | '#' | '$' | ',' | '=' | '"' | '\\') || c.is_control() || extra.contains(c)
    }) {
        return refuse("it contains one of / + # $ , = \" \\ or a control character");
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks `name` and wraps it.
            pub fn new(name: impl Into<String>) -> Result<Self, IdError> {
                let name = name.into();
                check($kind, &name, $extra)?;
                Ok(Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }
    };
}

name_type!(
    /// A place where a business works (场所). It is the Sparkplug group.
    SiteId, "site", "/"
);
name_type!(
    /// A box with an edge agent on it (边缘代理). It is the Sparkplug edge node and the certificate's common name.
    AgentId, "agent", "/"
);
name_type!(
    /// An instrument or camera (设备). It is the Sparkplug device.
    DeviceId, "device", "/"
);
name_type!(
    /// One measured quantity of a device (测点). It is the Sparkplug metric name.
    PointName, "point", ""
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_separator_or_wildcard_in_a_name_is_refused() {
        for bad in ["", "a/b", "a+b", "a#", " a", "a\n", &"x".repeat(65)] {
            assert!(SiteId::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(SiteId::new("平卫-后厨1").is_ok());
        assert!(serde_json::from_str::<DeviceId>("\"a/b\"").is_err());
    }
}
