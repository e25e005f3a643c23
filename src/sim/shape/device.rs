//! Devices (datto-rmm-api.md section 8.3): 300 user-defined fields, times in two formats, nulls where no agent runs.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::clock::Millis;
use crate::sim::PLANTED;
use crate::sim::dice::{Topic, chance, pick};
use crate::sim::estate::{Device, SiteKind};
use crate::sim::life::World;
use crate::sim::names;

/// The .NET minimum date, which stands for "never" (datto-rmm-api.md section 7).
const NEVER_MS: i64 = -62_135_596_800_000;

const DAY_MS: i64 = 86_400_000;

/// One element of `/v2/account/devices`.
pub(crate) fn device(world: &World, device: &Device) -> Value {
    let mut rng = world.dice.roll(Topic::Device, device.number);
    let site = world.estate.site(device.site);
    let (category, kind) = device.class.kind();
    let online = is_online(world, device);
    let iso = chance(&mut rng, 0.3);
    let time = |at: i64| if iso { json!(Millis(at).to_rfc3339_seconds()) } else { json!(at) };
    let today = world.now.0 - world.now.0.rem_euclid(DAY_MS);
    // Drawn online or not, so that being offline changes nothing else of the device.
    let away = i64::from(rng.u32(1..20)) * DAY_MS;
    let last_seen = if online { world.now.0 } else { today - away };
    let deleted = site.is_some_and(|site| site.kind == SiteKind::Deleted);
    let agent = device.class.has_agent();
    let mut posture = world.dice.roll(Topic::DevicePosture, (device.number << 20) | device.posture);
    let platform = &world.options.platform;
    json!({
        "id": device.id,
        "uid": device.uid,
        "siteId": site.map(|site| site.id),
        "siteUid": site.map(|site| &site.uid),
        "siteName": site.map(|site| &site.name),
        "deviceType": {"category": category, "type": kind},
        "hostname": device.hostname,
        "intIpAddress": if chance(&mut rng, 0.05) { Value::Null } else { json!(format!("192.0.2.{}", rng.u8(1..255))) },
        "extIpAddress": format!("198.51.100.{}", rng.u8(1..255)),
        "operatingSystem": operating_system(&mut rng, agent),
        "lastLoggedInUser": if agent { json!(format!("CONTOSO\\user{}", device.number)) } else { Value::Null },
        "domain": if agent { json!("contoso.local") } else { Value::Null },
        "cagVersion": if agent { json!("11965") } else { Value::Null },
        "displayVersion": if agent { json!("4.4.11965.11965") } else { Value::Null },
        "description": pick(&mut rng, &["", "front desk", "réception", "rack 2, unit 7"]),
        "a64Bit": if agent { json!(true) } else { Value::Null },
        "rebootRequired": if agent { json!(chance(&mut posture, 0.2)) } else { Value::Null },
        "online": online,
        "suspended": false,
        "deleted": deleted,
        "lastSeen": time(last_seen),
        "lastReboot": if agent { time(today - i64::from(rng.u32(0..30)) * DAY_MS) } else { json!(NEVER_MS) },
        "lastAuditDate": if chance(&mut rng, 0.1) { Value::Null } else { time(last_audit(world, device)) },
        "creationDate": time(1_650_000_000_000 + device.id * 10_000),
        "udf": user_fields(device.number, &mut rng),
        "snmpEnabled": !agent,
        "deviceClass": device.class.wire(),
        "portalUrl": format!("https://{platform}.centrastage.net/csm/search/devices/{}", device.id),
        "warrantyDate": if chance(&mut rng, 0.7) { Value::Null } else { json!("2027-03-31") },
        "antivirus": if agent { antivirus(&mut posture, device.antivirus.as_deref()) } else { no_agent(&mut rng) },
        "patchManagement": if agent { patches(&mut posture) } else { no_agent(&mut rng) },
        "softwareStatus": pick(&mut rng, &["Compliant", "Not Compliant", "N/A"]),
        "webRemoteUrl": format!("https://{platform}.centrastage.net/webremote/{PLANTED}-{}", device.uid),
        "networkProbe": chance(&mut rng, 0.02),
        "onboardedViaNetworkMonitor": !agent,
    })
}

/// When a device was last audited: once a week, each at a time of its own.
fn last_audit(world: &World, device: &Device) -> i64 {
    let own = i64::try_from(device.number % 1_000).unwrap_or(0) * 599_000;
    world.now.0 - (world.now.0 - own).rem_euclid(7 * DAY_MS)
}

/// Whether a device is online; changes a few times a day.
pub(crate) fn is_online(world: &World, device: &Device) -> bool {
    let six_hours = u64::try_from(world.now.0 / (6 * 3_600_000)).unwrap_or(0);
    let mut rng = world.dice.roll(Topic::DevicePosture, (device.number << 24) ^ six_hours ^ (1 << 62));
    chance(&mut rng, 0.85)
}

fn operating_system(rng: &mut Rng, agent: bool) -> Value {
    if !agent {
        return Value::Null;
    }
    json!(pick(
        rng,
        &[
            "Microsoft Windows 11 Pro 10.0.26100",
            "Microsoft Windows 10 Pro 10.0.19045",
            "Microsoft Windows Server 2022 Standard",
            "macOS 15.6",
            "Ubuntu 24.04.2 LTS"
        ]
    ))
}

/// All 300 keys are always there; a few are set, some to secrets.
fn user_fields(number: u64, rng: &mut Rng) -> Value {
    let mut fields: Map<String, Value> = (1..=300).map(|n| (format!("udf{n}"), Value::Null)).collect();
    if chance(rng, 0.5) {
        fields.insert("udf1".to_owned(), json!(format!("{PLANTED}-bitlocker-{number}")));
    }
    if chance(rng, 0.5) {
        fields.insert("udf9".to_owned(), json!(format!("Ping (Lowest): {}.83 ms | Loß: 0 %", rng.u8(1..40))));
    }
    if chance(rng, 0.2) {
        let field = format!("udf{}", rng.u16(31..=300));
        fields.insert(field, json!(format!("{PLANTED}-udf-{number} {}", names::address(rng))));
    }
    // What a script writes that reads the id under which the device is joined to Microsoft Entra; those that are not joined have none.
    if !number.is_multiple_of(3) {
        fields.insert("udf12".to_owned(), json!(format!("{{3C7D2A10-5E4B-4F60-8A91-{number:012X}}}")));
    }
    Value::Object(fields)
}

/// `set`: the state that a test has set.
fn antivirus(posture: &mut Rng, set: Option<&str>) -> Value {
    let status = ["RunningAndUpToDate", "RunningAndUpToDate", "RunningAndNotUpToDate", "NotRunning", "NotDetected"];
    let drawn = pick(posture, &status);
    json!({"antivirusProduct": "Windows Defender", "antivirusStatus": set.unwrap_or(drawn)})
}

fn patches(posture: &mut Rng) -> Value {
    let status = ["NoPolicy", "NoData", "RebootRequired", "InstallError", "ApprovedPending", "FullyPatched"];
    json!({
        "patchStatus": pick(posture, &status),
        "patchesApprovedPending": posture.u8(0..20),
        "patchesNotApproved": posture.u8(0..5),
        "patchesInstalled": posture.u16(50..400),
    })
}

/// What stands for the state of a device without an agent: null or an empty object, both seen.
fn no_agent(rng: &mut Rng) -> Value {
    if rng.bool() { Value::Null } else { json!({}) }
}
