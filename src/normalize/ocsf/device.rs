//! Device → Device Inventory Info 5001, and the device object of every other event (event-schema.md section 8).

use super::captions;
use super::choice::{Choice, Text};
use super::class::{Body, DeviceInventory};
use super::event::Draft;
use super::lifecycle;
use super::object::device::{Agent, Device, Os};
use super::object::identity::User;
use super::object::metadata::Tag;
use super::object::observable::Pivot;
use super::scope::{DeviceNames, Scope};
use super::severity;
use crate::normalize::json::fields::Fields;
use crate::normalize::notes::Notes;
use crate::normalize::{address, check, udf};

/// Words that end the name of a Windows edition.
const EDITIONS: [&str; 8] =
    ["Standard", "Datacenter", "Essentials", "Enterprise", "Professional", "Pro", "Education", "Home"];
const LINUX: [&str; 13] = [
    "linux", "ubuntu", "debian", "centos", "red hat", "rhel", "fedora", "suse", "rocky", "alma", "oracle", "mint",
    "raspbian",
];

/// What other events tell of a device; it takes from `fields` what it tells.
pub(crate) fn enrich<'a>(fields: &mut Fields<'a>, notes: &mut Notes) -> Device<'a> {
    let mut device = Device::unknown();
    let Choice { id, caption } = device_type(fields, notes);
    (device.type_id, device.kind) = (id, caption);
    device.uid = fields.take_id("uid", notes);
    device.uid_alt = fields.take_id("id", notes);
    device.hostname = fields.take_text("hostname", notes);
    device.ip = check::take_address(fields, "intIpAddress", notes).map(|address| address.ip);
    device.domain = fields.take_text("domain", notes);
    device.desc = fields.take_text("description", notes);
    device.is_managed = Some(true);
    device.os = operating_system(fields, notes);
    device.agent_list = agent(fields, device.uid.as_ref(), notes).into_iter().collect();
    device
}

/// The event of an inventory item.
pub(crate) fn draft<'a>(scope: &mut Scope<'a>, mut fields: Fields<'a>, notes: &mut Notes) -> Draft<'a> {
    let original_time = fields.copy("lastSeen", notes);
    let mut udfs = fields.take_object("udf", "udf.", notes).unwrap_or_default();
    let entra_id = entra_id(scope, &mut udfs, notes);
    let tags = listed_udfs(scope, &mut udfs, notes);
    let mut device = enrich(&mut fields, notes);
    device.entra_id = entra_id;
    device.owner = owner(&fields, notes);
    device.created_time = fields.take_time("creationDate", notes);
    device.boot_time = fields.take_time("lastReboot", notes);
    // It stays in the residue too, where event-schema.md section 8 lists it.
    device.modified_time = fields.time("lastAuditDate", notes);
    device.last_seen_time = fields.take_time("lastSeen", notes);
    name_site(scope, &mut fields, notes);
    let names = DeviceNames { uid: Some(Text::Borrowed(&scope.envelope.native_id)), ..DeviceNames::default() };
    device.uid = device.uid.or(names.uid);
    device.org = Some(scope.org());
    // An observable holds the very text of the attribute, so only a plain address is one.
    let external = fields.get("extIpAddress").and_then(|ip| ip.string());
    let external = external.filter(|text| address::parse(text).is_some_and(|address| address.is_all_of(text)));
    let has_address = fields.get("extIpAddress").is_none_or(|ip| !address::list(ip).is_empty());
    if !has_address && fields.peek("extIpAddress").is_some() {
        fields.note("extIpAddress", "not an IP address", notes);
    }

    let message = match (device.hostname.as_deref(), scope.site.name.as_deref()) {
        (Some(name), Some(site)) => format!("Device {name} ({site})"),
        (Some(name), None) => format!("Device {name}"),
        (None, _) => format!("Device {}", scope.envelope.native_id),
    };
    if lifecycle::is_gone(scope) {
        // Whether something else manages it now is not known.
        device.is_managed = None;
    }
    let activity = Choice::of(captions::INVENTORY_INFO.activities, 2);
    let severity = severity::of_event("inventory", 1, &scope.options().severities);
    let body = Body::Device(Box::new(DeviceInventory { device: device.clone() }));
    let mut draft = Draft::new(&captions::INVENTORY_INFO, activity, scope.polled_at(), severity, body);
    draft.message = message;
    lifecycle::tell(&mut draft, scope);
    draft.event_code = Text::Borrowed("device");
    draft.original_time = original_time.or_else(|| Some(Text::Owned(scope.polled_at().to_string())));
    draft.labels = vec!["inventory"];
    draft.tags.extend(tags);
    draft.observables.add_device(&device);
    draft.observables.add("unmapped.datto_rmm.extIpAddress", Pivot::Ip, external.as_ref());
    draft.residue.object("udf", &udfs, notes);
    draft.residue.fields(&fields, notes);
    draft
}

/// Leaves the record's `siteUid` and `siteName` out of the residue where the event's tags already say the same.
pub(crate) fn name_site<'a>(scope: &mut Scope<'a>, fields: &mut Fields<'a>, notes: &mut Notes) {
    let is_same_site = fields.peek("siteUid").is_some() && fields.peek("siteUid") == scope.site.uid;
    if !is_same_site {
        return;
    }
    fields.take("siteUid");
    if scope.site.name.is_none() {
        scope.site.name = fields.take_text("siteName", notes);
    } else if fields.peek("siteName") == scope.site.name {
        fields.take("siteName");
    }
}

/// The type of a device by its category, of a network device by its type; both stay in the residue.
fn device_type<'a>(fields: &Fields<'a>, notes: &mut Notes) -> Choice<'a> {
    let named = fields.get("deviceType").and_then(|kind| Fields::open(kind, "deviceType."));
    let mut part = |key| named.as_ref().and_then(|kind| kind.copy(key, notes));
    let (category, kind) = (part("category"), part("type"));
    let Some(category) = category else { return Choice::of(captions::DEVICE, 0) };
    let network = |kind: &str| match kind.trim().to_lowercase().as_str() {
        "firewall" => Some(9),
        "switch" => Some(10),
        "router" => Some(12),
        "load balancer" => Some(15),
        _ => None,
    };
    let known = match category.to_lowercase().as_str() {
        "server" | "esxi host" | "esxihost" => 1,
        "desktop" => 2,
        "laptop" => 3,
        "tablet" => 4,
        "smartphone" | "mobile" => 5,
        "firewall" => 9,
        "switch" => 10,
        "router" => 12,
        "load balancer" => 15,
        "unknown" => 0,
        _ => match kind.as_deref().and_then(network) {
            Some(known) => known,
            None => return Choice::other(category),
        },
    };
    Choice::of(captions::DEVICE, known)
}

fn operating_system<'a>(fields: &mut Fields<'a>, notes: &mut Notes) -> Option<Os<'a>> {
    let name = fields.take_text("operatingSystem", notes)?;
    let Choice { id: type_id, caption: kind } = os_type(&name);
    let is_version = |word: &&str| word.contains('.') && word.split('.').all(is_number);
    let version = name.split_whitespace().rfind(is_version).map(|version| Text::Owned(version.to_owned()));
    let edition = EDITIONS.into_iter().find(|edition| name.split_whitespace().any(|word| word == *edition));
    let is_64_bit = fields.flag("a64Bit") == Some(true);
    if is_64_bit {
        fields.take("a64Bit");
    }
    Some(Os { name, type_id, kind, version, edition, cpu_bits: is_64_bit.then_some(64) })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn os_type<'a>(name: &Text<'a>) -> Choice<'a> {
    let lower = name.to_lowercase();
    let is_mac = ["macos", "mac os", "os x", "darwin"].iter().any(|word| lower.contains(word));
    let known = match lower.as_str() {
        os if os.contains("windows") => 100,
        os if os.contains("android") => 201,
        os if os.contains("ipados") => 302,
        _ if is_mac => 300,
        // Only as the first word: Cisco's IOS is another system.
        os if os == "ios" || os.starts_with("ios ") => 301,
        os if LINUX.iter().any(|word| os.contains(word)) => 200,
        _ => return Choice::other(name.clone()),
    };
    Choice::of(captions::OS, known)
}

/// The agent on the device; network devices have none, theirs is that of the probe that watches them.
fn agent<'a>(fields: &mut Fields<'a>, uid: Option<&Text<'a>>, notes: &mut Notes) -> Option<Agent<'a>> {
    let class = fields.peek("deviceClass").unwrap_or(Text::Borrowed("device"));
    if !class.eq_ignore_ascii_case("device") {
        return None;
    }
    let version = fields.take_id("cagVersion", notes);
    let Choice { id: type_id, caption: kind } = Choice::of(captions::AGENT, 8);
    Some(Agent { name: "Datto RMM Agent", type_id, kind, vendor_name: "Datto", version, uid: uid.cloned() })
}

/// Who was last logged in. The whole text stays in the residue, since taking it apart cannot be undone.
fn owner<'a>(fields: &Fields<'a>, notes: &mut Notes) -> Option<User<'a>> {
    let whole = fields.copy("lastLoggedInUser", notes)?;
    let (domain, name) = match whole.split_once('\\') {
        Some((domain, name)) if !name.is_empty() => {
            ((!domain.is_empty()).then(|| Text::Owned(domain.to_owned())), Text::Owned(name.to_owned()))
        }
        _ => (None, whole),
    };
    let Choice { id, caption } = Choice::of(captions::USER, 0);
    Some(User { name: Some(name), domain, type_id: Some(id), kind: Some(caption), ..User::default() })
}

/// The device's id in Microsoft Entra, from the field that holds it; what is no id is noted and not told.
fn entra_id<'a>(scope: &Scope<'a>, udfs: &mut Fields<'a>, notes: &mut Notes) -> Option<Text<'a>> {
    let number = scope.udfs().entra_device_id?;
    let key = format!("udf{number}");
    let value = udfs.get(&key)?;
    let id = value.string().and_then(|text| udf::entra_device_id(&text));
    if id.is_none() && !value.string().is_some_and(|text| text.trim().is_empty()) && value.source() != "null" {
        udfs.note(&key, "not the id of a device in Entra", notes);
    }
    if !scope.udfs().listed.contains(&number) {
        udfs.take(&key);
    }
    id.map(Text::Owned)
}

/// The user-defined fields that the operator lists, as tags. All others were stripped before the record came here.
fn listed_udfs<'a>(scope: &Scope<'a>, udfs: &mut Fields<'a>, notes: &mut Notes) -> Vec<Tag<'a>> {
    let listed = scope.udfs().listed.iter().filter_map(|number| {
        let key = format!("udf{number}");
        let value = udfs.take_id(&key, notes)?;
        Some(Tag { name: Text::Owned(format!("datto.{key}")), value })
    });
    listed.collect()
}
