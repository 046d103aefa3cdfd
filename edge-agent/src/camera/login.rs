//! What a camera that asks for a password is shown: Basic (RFC 7617) or Digest (RFC 7616; MD5 as nearly all cameras, or
//! SHA-256). Pure but for the client nonce, which is an argument.

use contract::hex;
use md5::{Digest, Md5};
use std::{collections::HashMap, fmt};

/// User and password. Prints neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(***)")
    }
}

impl Login {
    /// From `USER:PASSWORD`; the password may contain colons.
    pub fn parse(text: &str) -> Option<Login> {
        let (user, password) = text.trim().split_once(':')?;
        let is_plain = |text: &str| !text.is_empty() && !text.contains(char::is_control);
        (is_plain(user) && is_plain(password)).then(|| Login {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    /// The `Authorization` for a question, or why none can be given. `challenges` are the `WWW-Authenticate` of the answer
    /// 401; of several the strongest is taken.
    pub fn answer(
        &self,
        challenges: &[&str],
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> Result<String, String> {
        let digests = challenges.iter().filter_map(|text| strip(text, "digest"));
        let mut digests: Vec<HashMap<String, String>> = digests.map(fields).collect();
        digests.sort_by_key(|fields| {
            fields
                .get("algorithm")
                .is_none_or(|a| !a.eq_ignore_ascii_case("sha-256"))
        });
        if let Some(fields) = digests.first() {
            return self.digest(fields, method, uri, cnonce);
        }
        match challenges.iter().any(|text| strip(text, "basic").is_some()) {
            true => Ok(format!(
                "Basic {}",
                base64(format!("{}:{}", self.user, self.password).as_bytes())
            )),
            false => Err(format!(
                "it asks for {challenges:?}, which is neither Basic nor Digest"
            )),
        }
    }

    fn digest(
        &self,
        asked: &HashMap<String, String>,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> Result<String, String> {
        let of = |key: &str| asked.get(key).map_or("", String::as_str);
        let algorithm = of("algorithm");
        let hash: fn(&str) -> String = match algorithm.to_ascii_lowercase().as_str() {
            "" | "md5" => md5,
            "sha-256" => sha256,
            other => {
                return Err(format!(
                    "it asks for a digest by {other}, which is neither MD5 nor SHA-256"
                ));
            }
        };
        let (realm, nonce) = (of("realm"), of("nonce"));
        let a1 = hash(&format!("{}:{realm}:{}", self.user, self.password));
        let a2 = hash(&format!("{method}:{uri}"));
        let by_qop = of("qop")
            .split(',')
            .any(|qop| qop.trim().eq_ignore_ascii_case("auth"));
        let response = match by_qop {
            true => hash(&format!("{a1}:{nonce}:00000001:{cnonce}:auth:{a2}")),
            false => hash(&format!("{a1}:{nonce}:{a2}")),
        };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut said = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            quoted(&self.user),
            quoted(realm),
            quoted(nonce)
        );
        if !algorithm.is_empty() {
            said.push_str(&format!(", algorithm={algorithm}"));
        }
        if by_qop {
            said.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = asked.get("opaque") {
            said.push_str(&format!(", opaque=\"{}\"", quoted(opaque)));
        }
        Ok(said)
    }
}

fn strip<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (name, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    name.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// `key="value", key=value`, with commas and escapes within quotes.
fn fields(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut signs = text.chars().peekable();
    loop {
        let key: String = std::iter::from_fn(|| signs.next_if(|c| *c != '=')).collect();
        if signs.next().is_none() {
            return found;
        }
        let mut value = String::new();
        if signs.next_if_eq(&'"').is_some() {
            while let Some(sign) = signs.next().filter(|c| *c != '"') {
                value.push(if sign == '\\' {
                    signs.next().unwrap_or('\\')
                } else {
                    sign
                });
            }
        }
        while let Some(sign) = signs.next().filter(|c| *c != ',') {
            value.push(sign);
        }
        let key = key.trim_matches([' ', ',']).to_ascii_lowercase();
        found.insert(key, value.trim().to_owned());
    }
}

fn md5(text: &str) -> String {
    hex::hex(&Md5::digest(text.as_bytes()))
}

fn sha256(text: &str) -> String {
    hex::sha256(text.as_bytes())
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for n in 0..4 {
            let sign = SIGNS[(bits >> (18 - 6 * n) & 63) as usize];
            text.push(if n <= three.len() {
                char::from(sign)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Login {
        Login::parse(&format!("{user}:{password}")).unwrap()
    }

    #[test]
    fn the_examples_of_the_standards_come_out() {
        // RFC 2617, 3.5.
        let asked = r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
        let mufasa = login("Mufasa", "Circle Of Life");
        let said = mufasa
            .answer(
                &["Basic realm=\"x\"", asked],
                "GET",
                "/dir/index.html",
                "0a4f113b",
            )
            .unwrap();
        assert!(
            said.contains("response=\"6629fae49393a05397450978507c4ef1\""),
            "{said}"
        );
        assert!(
            said.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""),
            "{said}"
        );
        // RFC 7616, 3.9.1, SHA-256.
        let asked = r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v""#;
        let mufasa = login("Mufasa", "Circle of Life");
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let said = mufasa
            .answer(&[asked], "GET", "/dir/index.html", cnonce)
            .unwrap();
        assert!(
            said.contains(
                "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""
            ),
            "{said}"
        );
        // Without qop, as old cameras ask (domain.md 2.3).
        let asked = r#"Digest realm="3402000000", nonce="6fe9ba44a76be22a""#;
        let said = login("34020000001320000001", "12345678")
            .answer(
                &[asked],
                "REGISTER",
                "sip:34020000002000000001@3402000000",
                "x",
            )
            .unwrap();
        assert!(
            said.contains("response=\"6a2143ae65b119e276a75f0a4a8992b7\"") && !said.contains("qop"),
            "{said}"
        );
        // RFC 7617, 2.
        let said = login("Aladdin", "open sesame").answer(
            &["Basic realm=\"WallyWorld\""],
            "GET",
            "/",
            "x",
        );
        assert_eq!(said.unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn what_cannot_be_answered_is_said_and_no_secret_is_printed() {
        let login = login("u", "p:ss");
        assert_eq!(login.password, "p:ss");
        assert!(login.answer(&["Negotiate"], "GET", "/", "x").is_err());
        assert!(
            login
                .answer(&["Digest algorithm=MD9, nonce=\"a\""], "GET", "/", "x")
                .is_err()
        );
        assert_eq!(format!("{login:?}"), "Login(***)");
        for bad in ["", "user", ":p", "u:", "u\n:p"] {
            assert_eq!(Login::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn quoted_values_may_hold_commas_and_escapes() {
        let found = fields(r#"realm="a, \"b\"", nonce=c , qop="auth""#);
        assert_eq!(found["realm"], "a, \"b\"");
        assert_eq!(
            (found["nonce"].as_str(), found["qop"].as_str()),
            ("c", "auth")
        );
    }
}
