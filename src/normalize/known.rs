//! A device of the inventory, decoded once for all events that name it.

use super::json::Json;
use super::json::fields::Fields;
use super::notes::Notes;
use super::ocsf::device;
use super::ocsf::object::device::Device;
use super::udf;
use crate::inventory;

/// What events tell of a device besides what their records say.
#[derive(Clone, Debug)]
pub struct KnownDevice {
    uid: String,
    device: Device<'static>,
    /// Values of user-defined fields that could be its id in Microsoft Entra, by the field's number.
    entra_ids: Vec<(u16, String)>,
}

impl KnownDevice {
    /// Decodes the source record of `device`; of one that cannot be read, only the uid is known.
    pub fn of(device: &inventory::Device) -> Self {
        let fields = Json::parse(&device.source).ok().and_then(|source| Fields::open(source, "device."));
        let decoded = match fields {
            // Complaints about the inventory belong to the inventory's own event.
            Some(mut fields) => device::enrich(&mut fields, &mut Notes::default()).into_owned(),
            None => Device::unknown(),
        };
        Self { uid: device.uid.clone(), device: decoded, entra_ids: entra_ids(&device.source) }
    }

    /// Its id in Microsoft Entra, if the user-defined field with this number holds one.
    pub(crate) fn entra_device_id(&self, udf: u16) -> Option<&str> {
        self.entra_ids.iter().find(|(number, _)| *number == udf).map(|(_, id)| id.as_str())
    }

    /// Its uid.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    /// What is known of it.
    pub(crate) fn device(&self) -> Device<'_> {
        self.device.lent()
    }
}

/// The inventory keeps at most one user-defined field of a device: which one was configured when it was seen.
fn entra_ids(source: &str) -> Vec<(u16, String)> {
    let Ok(source) = Json::parse(source) else { return Vec::new() };
    let udfs = source.members().filter(|(key, _)| key == "udf").flat_map(|(_, udfs)| udfs.members());
    let id = |(key, value): (std::borrow::Cow<'_, str>, Json<'_>)| {
        let number = key.strip_prefix("udf")?.parse().ok()?;
        Some((number, udf::entra_device_id(&value.string()?)?))
    };
    udfs.filter_map(id).collect()
}
