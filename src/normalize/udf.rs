//! User-defined fields of a device: which of them the operator wants told. All others may hold secrets and are removed.

use uuid::Uuid;

/// The fields of an account's devices that are kept and told; without it, none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Udfs {
    /// Numbers (1 to 300) of those told as they are, as tags `datto.udf<n>`, ascending.
    pub listed: Vec<u16>,
    /// Number of the one that holds the device's id in Microsoft Entra. Its value is kept only if it is such an id.
    pub entra_device_id: Option<u16>,
}

/// None at all, to borrow.
pub static NO_UDFS: Udfs = Udfs::NONE;

/// What stands in place of a value that is no id, so that the event can say so without the value.
pub(crate) const NO_ID: &str = "{}";

impl Udfs {
    /// None at all.
    pub const NONE: Self = Self { listed: Vec::new(), entra_device_id: None };

    /// What the inventory keeps of a device for the events of others: the id alone.
    pub fn of_rows(&self) -> Self {
        Self { listed: Vec::new(), entra_device_id: self.entra_device_id }
    }
}

/// The id that `text` is, in the usual form: a UUID with hyphens, in small letters. White space and braces around it are allowed,
/// since scripts write them; the UUID of zeros is what they write for a device that is not joined.
pub(crate) fn entra_device_id(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text).trim();
    let has_hyphens =
        text.len() == 36 && text.bytes().enumerate().all(|(at, b)| (b == b'-') == [8, 13, 18, 23].contains(&at));
    let id = has_hyphens.then(|| Uuid::try_parse(text).ok()).flatten()?;
    (!id.is_nil()).then(|| id.hyphenated().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_with_hyphens() {
        let id = "0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10";
        for text in [id, &id.to_uppercase(), &format!("{{{id}}}"), &format!(" \t{{ {id} }}\r\n")] {
            assert_eq!(entra_device_id(text).as_deref(), Some(id), "{text:?}");
        }
        for text in [
            "",
            "{}",
            "BitLocker 0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10",
            "0f6c1d1e7a434a2e9c553d2f0f6b8a10",
            "urn:uuid:0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10",
            "0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a1g",
            "0f6c1d1e-7a43-4a2e-9c553-d2f0f6b8a10",
            "00000000-0000-0000-0000-000000000000",
            "{0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10",
            "123456-123456-123456-123456-123456-12",
        ] {
            assert_eq!(entra_device_id(text), None, "{text:?}");
        }
    }
}
