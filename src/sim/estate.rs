//! Sites and devices: who the customers are and what they own. Compact state; JSON is made from it when it is asked for.

use std::collections::HashMap;

use fastrand::Rng;

use crate::sim::dice::{Dice, Topic, chance};
use crate::sim::ledger::Ledger;
use crate::sim::names;
use crate::sim::world::Options;

/// A customer's site.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) number: u64,
    pub(crate) id: i64,
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) kind: SiteKind,
    /// Removed sites are no longer listed.
    pub(crate) removed: bool,
    /// What answers have shown of it.
    pub(crate) ledger: Ledger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteKind {
    Managed,
    OnDemand,
    /// The system site that holds deleted devices; its uid is no GUID (datto-rmm-api.md section 8.2).
    Deleted,
}

/// A device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) number: u64,
    pub(crate) id: i64,
    pub(crate) uid: String,
    pub(crate) hostname: String,
    pub(crate) class: DeviceClass,
    /// Place of its site in [`Estate::sites`].
    pub(crate) site: usize,
    /// How often its security posture has changed.
    pub(crate) posture: u64,
    /// The state of its antivirus, if a test has set it.
    pub(crate) antivirus: Option<String>,
    /// Removed devices are no longer listed; their alerts stay.
    pub(crate) removed: bool,
    /// What answers have shown of it.
    pub(crate) ledger: Ledger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceClass {
    Desktop,
    Laptop,
    Server,
    Printer,
    EsxiHost,
    NetworkDevice,
    Unknown,
}

/// All sites and devices, with their indexes. Nothing is ever taken out, so places stay valid.
#[derive(Debug)]
pub(crate) struct Estate {
    dice: Dice,
    pub(crate) sites: Vec<Site>,
    pub(crate) devices: Vec<Device>,
    site_by_uid: HashMap<String, usize>,
    device_by_uid: HashMap<String, usize>,
    device_by_id: HashMap<i64, usize>,
}

impl Estate {
    /// The sites and devices that `options` ask for.
    pub(crate) fn new(dice: Dice, options: &Options) -> Self {
        let mut estate = Self {
            dice,
            sites: Vec::new(),
            devices: Vec::new(),
            site_by_uid: HashMap::new(),
            device_by_uid: HashMap::new(),
            device_by_id: HashMap::new(),
        };
        let sites = usize::try_from(options.sites.max(1)).unwrap_or(usize::MAX);
        for n in 0..sites {
            match sites - n {
                2 if sites > 2 => estate.add_site("OnDemand", SiteKind::OnDemand),
                1 if sites > 2 => estate.add_site("Deleted Devices", SiteKind::Deleted),
                _ => estate.add_site(&names::site_name(n), SiteKind::Managed),
            };
        }
        for n in 0..u64::from(options.devices) {
            let site = estate.draw_site(n);
            estate.add_device(site, None);
        }
        estate
    }

    /// Adds a site and returns its place.
    pub(crate) fn add_site(&mut self, name: &str, kind: SiteKind) -> usize {
        let place = self.sites.len();
        let number = place as u64;
        let uid = match kind {
            SiteKind::Managed | SiteKind::OnDemand => self.dice.uuid(Topic::Site, number).to_string(),
            SiteKind::Deleted => "deleted-devices".to_owned(),
        };
        self.site_by_uid.insert(uid.clone(), place);
        let id = 218_000_i64.saturating_add_unsigned(number * 7);
        let (name, ledger) = (name.to_owned(), Ledger::default());
        self.sites.push(Site { number, id, uid, name, kind, removed: false, ledger });
        place
    }

    /// Adds a device to the site at `site` and returns its place. Without `hostname` it gets one that suits its class.
    pub(crate) fn add_device(&mut self, site: usize, hostname: Option<&str>) -> usize {
        let place = self.devices.len();
        let number = place as u64;
        let mut rng = self.dice.roll(Topic::Device, number);
        let class = draw_class(&mut rng);
        let drawn = names::hostname(&mut rng, class.prefix(), number);
        let uid = self.dice.uuid(Topic::Device, number).to_string();
        let id = 1_400_000_i64.saturating_add_unsigned(number * 3);
        self.device_by_uid.insert(uid.clone(), place);
        self.device_by_id.insert(id, place);
        let hostname = hostname.map_or(drawn, str::to_owned);
        let ledger = Ledger::default();
        let antivirus = None;
        self.devices.push(Device {
            number,
            id,
            uid,
            hostname,
            class,
            site,
            posture: 0,
            antivirus,
            removed: false,
            ledger,
        });
        place
    }

    /// The site with this uid.
    pub(crate) fn site_of_uid(&self, uid: &str) -> Option<usize> {
        self.site_by_uid.get(uid).copied()
    }

    /// The device with this uid.
    pub(crate) fn device_of_uid(&self, uid: &str) -> Option<usize> {
        self.device_by_uid.get(uid).copied()
    }

    /// The device with this numeric id.
    pub(crate) fn device_of_id(&self, id: i64) -> Option<usize> {
        self.device_by_id.get(&id).copied()
    }

    /// The site at `place`.
    pub(crate) fn site(&self, place: usize) -> Option<&Site> {
        self.sites.get(place)
    }

    /// The device at `place`.
    pub(crate) fn device(&self, place: usize) -> Option<&Device> {
        self.devices.get(place)
    }

    /// A device that is still there, by chance; none if there is no device left.
    pub(crate) fn draw_device(&self, rng: &mut Rng) -> Option<usize> {
        if self.devices.is_empty() {
            return None;
        }
        let first = rng.usize(0..self.devices.len());
        let from_first = self.devices.iter().enumerate().cycle().skip(first).take(self.devices.len());
        from_first.filter(|(_, device)| !device.removed).map(|(place, _)| place).next()
    }

    /// A managed site that is still there, by chance, early ones more often; place 0 if there is none.
    pub(crate) fn draw_managed(&self, rng: &mut Rng) -> usize {
        let managed = || {
            let listed = |site: &Site| site.kind == SiteKind::Managed && !site.removed;
            self.sites.iter().enumerate().filter(move |(_, site)| listed(site)).map(|(place, _)| place)
        };
        let count = managed().count().max(1);
        let nth = rng.usize(0..count).min(rng.usize(0..count));
        managed().nth(nth).unwrap_or(0)
    }

    fn draw_site(&self, device: u64) -> usize {
        let mut rng = Rng::with_seed(self.dice.hash(Topic::Site, device));
        let special = self.sites.len() > 2 && chance(&mut rng, 0.04);
        if special { self.sites.len() - 1 - rng.usize(0..2) } else { self.draw_managed(&mut rng) }
    }
}

impl SiteKind {
    /// Whether the site is for on-demand agents.
    pub(crate) fn on_demand(self) -> bool {
        self == Self::OnDemand
    }
}

impl DeviceClass {
    /// The text of `deviceClass`.
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Desktop | Self::Laptop | Self::Server => "device",
            Self::Printer => "printer",
            Self::EsxiHost => "esxihost",
            Self::NetworkDevice => "rmmnetworkdevice",
            Self::Unknown => "unknown",
        }
    }

    /// The texts of `deviceType.category` and `.type`.
    pub(crate) fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Desktop => ("Desktop", "Main System Chassis"),
            Self::Laptop => ("Laptop", "Notebook"),
            Self::Server => ("Server", "Rack Mount Chassis"),
            Self::Printer => ("Printer", "Printer"),
            Self::EsxiHost => ("ESXI Host", "ESXI Host"),
            Self::NetworkDevice => ("Network Device", "Switch"),
            Self::Unknown => ("Unknown", "Unknown"),
        }
    }

    /// Whether an agent runs on it, so that it has an antivirus and a patch state.
    pub(crate) fn has_agent(self) -> bool {
        matches!(self, Self::Desktop | Self::Laptop | Self::Server)
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Desktop => "DESKTOP",
            Self::Laptop => "LAPTOP",
            Self::Server => "SRV",
            Self::Printer => "PRN",
            Self::EsxiHost => "ESX",
            Self::NetworkDevice => "SW",
            Self::Unknown => "UNIT",
        }
    }
}

fn draw_class(rng: &mut Rng) -> DeviceClass {
    match rng.u8(0..100) {
        0..50 => DeviceClass::Desktop,
        50..72 => DeviceClass::Laptop,
        72..86 => DeviceClass::Server,
        86..91 => DeviceClass::Printer,
        91..95 => DeviceClass::EsxiHost,
        95..99 => DeviceClass::NetworkDevice,
        _ => DeviceClass::Unknown,
    }
}
