//! What a certificate says: whose it is, for which names, how long it is valid.
//!
//! Not promised: that it is genuine. Those that clients show were verified by rustls before they are read here.

use crate::store::sha256;
use contract::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::net::IpAddr;
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// A certificate that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its common name.
    pub name: String,
    /// SHA-256 of it, hexadecimal.
    pub fingerprint: String,
    /// Not valid before.
    pub not_before: Timestamp,
    /// Not valid after.
    pub not_after: Timestamp,
    /// Host names and addresses it is for.
    pub names: Vec<String>,
}

impl Certificate {
    /// Reads one, DER; `None` if it cannot be read or has no common name.
    pub fn read(der: &[u8]) -> Option<Certificate> {
        let (_, read) = parse_x509_certificate(der).ok()?;
        let name = read.subject().iter_common_name().next()?.as_str().ok()?;
        let at = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_millis(time.timestamp().saturating_mul(1000))
        };
        let names = read.subject_alternative_name().ok()?;
        let names = names.map(|found| found.value.general_names.iter().filter_map(text));
        Some(Certificate {
            name: name.to_owned(),
            fingerprint: sha256(der),
            not_before: at(read.validity().not_before),
            not_after: at(read.validity().not_after),
            names: names.into_iter().flatten().collect(),
        })
    }

    /// Reads the first of a PEM text.
    pub fn from_pem(pem: &str) -> Option<Certificate> {
        Self::read(&CertificateDer::from_pem_slice(pem.as_bytes()).ok()?)
    }

    /// True if a third of its life or less is left.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.not_after.since(now) <= self.not_after.since(self.not_before) / 3
    }
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            Some(address.ok()?.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_addresses_and_validity_are_found_and_garbage_is_no_certificate() {
        let names = ["door.example", "10.0.0.7", "::1"].map(str::to_owned);
        let mut params = rcgen::CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "平卫-a1");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let read = Certificate::read(certificate.der()).unwrap();
        assert_eq!(
            (read.name.as_str(), &read.names[..]),
            ("平卫-a1", &names[..])
        );
        let day = |text: &str| format!("{text}T00:00:00Z").parse::<Timestamp>().unwrap();
        assert_eq!(read.not_after, day("2026-04-01"));
        assert!(!read.is_due(day("2026-03-01")) && read.is_due(day("2026-03-02")));
        assert!(read.is_due(day("2027-01-01")));
        for length in 0..certificate.der().len().min(120) {
            assert_eq!(Certificate::read(&certificate.der()[..length]), None);
        }
        assert_eq!(Certificate::from_pem("not a certificate"), None);
    }
}
