//! What events say of users (`[events] users`): names, full names, e-mail addresses and phone numbers go or become hashes before a
//! mapping sees the record, so that no attribute, message, observable or copy of the source can keep one.

use std::borrow::Cow;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use self::mask::Mask;
use super::Unmappable;
use super::json::Json;
use super::json::fields::Fields;
use crate::record::{Record, RecordKind};
use crate::secret::Secret;

mod mask;

/// What events say of users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Users {
    /// All that Datto says.
    #[default]
    Full,
    /// User names, no full names, e-mail addresses and phone numbers.
    Name,
    /// A keyed hash in place of each. One user has one hash, so events can still be joined.
    Hash(Secret),
}

/// A record as events may show it.
pub(crate) struct Masked<'r> {
    pub(crate) record: Cow<'r, Record>,
    /// Names of the acting user in lower case, where the record no longer holds them.
    pub(crate) acting: Option<Vec<String>>,
}

impl Users {
    /// The record without what events must not say of users. Its id is that of the record as it was.
    pub(crate) fn mask<'r>(&self, record: &'r Record) -> Result<Masked<'r>, Unmappable> {
        if *self == Self::Full {
            return Ok(Masked { record: Cow::Borrowed(record), acting: None });
        }
        let text = Mask::new(self, record.envelope.kind, record.source.get()).write();
        let source = RawValue::from_string(text).map_err(|error| Unmappable(error.to_string()))?;
        let acting = matches!(self, Self::Hash(_)).then(|| acting(record));
        let mut masked = Record { source, ..record.clone() };
        if record.envelope.kind == RecordKind::User {
            masked.envelope.native_id = self.name(&record.envelope.native_id);
        }
        Ok(Masked { record: Cow::Owned(masked), acting })
    }

    /// A user name.
    fn name(&self, name: &str) -> String {
        match self {
            Self::Full | Self::Name => name.to_owned(),
            Self::Hash(key) => hash(key, name),
        }
    }
}

/// The first 16 digits of HMAC-SHA-256; names are compared without regard to case, as the portal does.
fn hash(key: &Secret, text: &str) -> String {
    let digest = hmac(key.expose().as_bytes(), text.trim().to_lowercase().as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let digest;
    let key = if key.len() > BLOCK {
        digest = Sha256::digest(key);
        digest.as_slice()
    } else {
        key
    };
    let pad = |fill: u8| -> Vec<u8> {
        let padded = key.iter().copied().chain(std::iter::repeat(0)).take(BLOCK);
        padded.map(|byte| byte ^ fill).collect()
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// Bytes that SHA-256 works on at once.
const BLOCK: usize = 64;

/// Names of the acting user of an activity, as rules of the lens compare them.
fn acting(record: &Record) -> Vec<String> {
    let source = Json::of(&record.source);
    let Some(fields) = Fields::open(source, "") else { return Vec::new() };
    let user = fields.get("user").and_then(|user| Fields::open(user, "user.")?.peek_id("userName"));
    let details = fields.get("details");
    let text = details.and_then(Json::string);
    let parsed = text.as_deref().and_then(|text| Json::parse(text).ok()).or(details);
    let detail = parsed.and_then(|details| Fields::open(details, "details.")?.peek_id("user.username"));
    user.into_iter().chain(detail).map(|name| name.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 2, 1 and 6.
    #[test]
    fn hmac_is_hmac() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(hmac(&[0x0b; 20], b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
