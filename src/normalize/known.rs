//! A device of the inventory, decoded once for all events that name it.

use super::json::Json;
use super::json::fields::Fields;
use super::notes::Notes;
use super::ocsf::device;
use super::ocsf::object::device::Device;
use crate::inventory;

/// What events tell of a device besides what their records say.
#[derive(Clone, Debug)]
pub struct KnownDevice {
    uid: String,
    device: Device<'static>,
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
        Self { uid: device.uid.clone(), device: decoded }
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
