//! Whether a manifest is the agent's, and can be one. No I/O: what is known of certificates is an argument.

use crate::{
    certificate::Certificate, detect::rule::Text, fleet::Revocation, ingest::record::RawHead,
};
use contract::{
    AgentId, DeviceId, SiteId,
    footage::{Loss, Manifest, Part, Role, Signed},
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use x509_parser::parse_x509_certificate;

/// Files of one occasion at most.
pub const PARTS_MAX: usize = 16;
/// Bytes of one file at most.
pub const PART_BYTES_MAX: u64 = 1 << 30;

/// Why a manifest does not count as its agent's, so that none of its files is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why", content = "what")]
pub enum Refusal {
    /// It is no manifest that this gateway can read.
    Unreadable(String),
    /// It says something that cannot be.
    Impossible(String),
    /// It speaks of another site, agent or camera than sent it.
    Another(String),
    /// The certificate cannot be read, is of another agent, or no authority that is trusted here stands for it.
    Certificate(String),
    /// The certificate was revoked before the manifest came.
    Revoked,
    /// The signature does not fit the text.
    Signature,
}

impl Refusal {
    /// Why, for a person.
    pub fn words(&self) -> Text {
        match self {
            Refusal::Unreadable(what) => Text::new(
                format!("影像清单无法读取：{what}"),
                format!("the manifest cannot be read: {what}"),
            ),
            Refusal::Impossible(what) => Text::new(
                format!("影像清单的内容不可能成立：{what}"),
                format!("the manifest says what cannot be: {what}"),
            ),
            Refusal::Another(what) => Text::new(
                format!("影像清单与发送者不符：{what}"),
                format!("the manifest is not of who sent it: {what}"),
            ),
            Refusal::Certificate(what) => Text::new(
                format!("影像清单所附证书不被认可：{what}"),
                format!("the manifest's certificate does not count: {what}"),
            ),
            Refusal::Revoked => Text::new(
                "影像清单送达时，其边缘代理的证书已被吊销",
                "the agent's certificate was revoked before the manifest came",
            ),
            Refusal::Signature => Text::new(
                "影像清单的签名与内容不符",
                "the signature does not belong to the manifest",
            ),
        }
    }
}

/// The manifest, if it is of who sent it (`head`) and signed with a certificate that `vouches` (an authority that is trusted
/// stands for it at the time of reception) and was not revoked then. A certificate that was superseded meanwhile still
/// counts: what was signed before a renewal may come after it.
pub fn manifest(
    signed: &Signed,
    head: &RawHead,
    vouches: impl FnOnce(&CertificateDer<'_>) -> Result<(), String>,
    revocation: impl FnOnce(&Certificate) -> Revocation,
) -> Result<Manifest, Refusal> {
    let manifest = read(&signed.manifest)?;
    of_sender(&manifest.site, &manifest.agent, &manifest.camera, head)?;
    is_signed(signed, head, vouches, revocation)?;
    Ok(manifest)
}

/// The loss of a file, under the same conditions.
pub fn loss(
    signed: &Signed,
    head: &RawHead,
    vouches: impl FnOnce(&CertificateDer<'_>) -> Result<(), String>,
    revocation: impl FnOnce(&Certificate) -> Revocation,
) -> Result<Loss, Refusal> {
    let loss: Loss = serde_json::from_str(&signed.manifest)
        .map_err(|error| Refusal::Unreadable(error.to_string()))?;
    if loss.format != 1 {
        return Err(format_of(loss.format));
    }
    hash_of(&loss.lost_sha256)?;
    of_sender(&loss.site, &loss.agent, &loss.camera, head)?;
    is_signed(signed, head, vouches, revocation)?;
    Ok(loss)
}

fn of_sender(
    site: &SiteId,
    agent: &AgentId,
    camera: &DeviceId,
    head: &RawHead,
) -> Result<(), Refusal> {
    let same = |what: &str, says: &str, sent: &str| match says == sent {
        true => Ok(()),
        false => Err(Refusal::Another(format!(
            "{what} {says:?}, sent by {sent:?}"
        ))),
    };
    same("site", site.as_str(), head.site.as_str())?;
    same("agent", agent.as_str(), head.agent.as_str())?;
    same("camera", camera.as_str(), head.device.as_str())
}

fn is_signed(
    signed: &Signed,
    head: &RawHead,
    vouches: impl FnOnce(&CertificateDer<'_>) -> Result<(), String>,
    revocation: impl FnOnce(&Certificate) -> Revocation,
) -> Result<(), Refusal> {
    let unusable = |what: &str| Refusal::Certificate(what.to_owned());
    let der = CertificateDer::from_pem_slice(signed.certificate.as_bytes())
        .map_err(|_| unusable("it is not PEM"))?;
    let certificate = Certificate::read(&der).ok_or_else(|| unusable("it has no common name"))?;
    if certificate.name != head.agent.as_str() {
        let whose = format!("it is that of {:?}", certificate.name);
        return Err(Refusal::Certificate(whose));
    }
    vouches(&der).map_err(Refusal::Certificate)?;
    if revocation(&certificate).is_over(head.received_at) {
        return Err(Refusal::Revoked);
    }
    let (_, read) = parse_x509_certificate(&der).map_err(|_| unusable("it cannot be read"))?;
    let key = &read.public_key().subject_public_key.data;
    let signature = unhex(&signed.signature).ok_or(Refusal::Signature)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify(signed.manifest.as_bytes(), &signature)
        .map_err(|_| Refusal::Signature)
}

fn format_of(format: u32) -> Refusal {
    Refusal::Unreadable(format!("it has format {format}, and this gateway reads 1"))
}

/// What a manifest says, if it can be one.
fn read(text: &str) -> Result<Manifest, Refusal> {
    let manifest: Manifest =
        serde_json::from_str(text).map_err(|error| Refusal::Unreadable(error.to_string()))?;
    if manifest.format != 1 {
        return Err(format_of(manifest.format));
    }
    if manifest.parts.len() > PARTS_MAX {
        let what = format!("{} files, at most {PARTS_MAX}", manifest.parts.len());
        return Err(Refusal::Impossible(what));
    }
    let mut roles: BTreeSet<Role> = BTreeSet::new();
    for part in &manifest.parts {
        if !roles.insert(part.role) {
            return Err(Refusal::Impossible(format!(
                "two files are {:?}",
                part.role
            )));
        }
        possible(part)?;
    }
    Ok(manifest)
}

fn possible(part: &Part) -> Result<(), Refusal> {
    hash_of(&part.sha256)?;
    if part.bytes == 0 || part.bytes > PART_BYTES_MAX {
        let what = format!("a file of {} bytes, at most {PART_BYTES_MAX}", part.bytes);
        return Err(Refusal::Impossible(what));
    }
    Ok(())
}

fn hash_of(text: &str) -> Result<(), Refusal> {
    match is_hash(text) {
        true => Ok(()),
        false => Err(Refusal::Impossible(format!(
            "{text:?} is not a SHA-256 in small hexadecimal"
        ))),
    }
}

/// True if this is a SHA-256 in small hexadecimal; only such a text becomes a file name.
pub fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.len().is_multiple_of(2) && text.is_ascii() && text.len() <= 1024;
    if !digits {
        return None;
    }
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok())
        .collect()
}
