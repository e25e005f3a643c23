//! Any record makes a valid event that holds every value of it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Number, Value};

use super::judge::complaints;
use super::recover::missing;
use super::world::{World, record};
use crate::normalize::redact;
use crate::record::{Marker, RecordKind};

pub(super) const CLASSES: &str = "
    antivirus_ctx ransomware_ctx endpoint_security_threat_ctx endpoint_security_windows_defender_ctx
    security_management_ctx sec_management_ctx seccenter_ctx eventlog_ctx patch_ctx action_ctx sw_action_ctx
    online_offline_status_ctx ping_ctx network_monitor_ctx status_ctx process_status_ctx srvc_status_ctx
    perf_resource_usage_ctx resource_usage_ctx process_resource_usage_ctx srvc_resource_usage_ctx
    disk_usage_ctx perf_disk_usage_ctx filesystem_ctx fs_object_ctx windows_performance_ctx perf_mon_ctx
    wmi_ctx comp_script_ctx backup_management_ctx custom_snmp_ctx snmp_probe_ctx printer_ctx temperature_ctx
    fan_ctx psu_ctx disk_health_ctx Antivirus_CTX esxi_datastore_ctx - a.b";
const CONTEXT: &str = "
    status productName state confidenceFactor affectedDirectories watchPaths rwextension metaAlertTime
    alertTime esAlertId description infoTime virusName infectedFiles productNotUpdatedForDays
    systemRemainsInfectedForHours expiryLicenseForDays alertType logName code type source triggerCount
    lastTriggered causedSuspension patchUid policyUid result info packageName actionType prevVersion version
    instanceName roundtripTime reasons processName serviceName percentage sample diskName totalVolume
    freeSpace unitOfMeasure diskNameDesignation path objectType condition threshold value samples
    errorMessage timeout displayName currentValue monitorInstance ipAddress OID oid ruleName responseValue
    deviceName monitorName";
const ALERT: &str = "
    alertUid priority diagnostics resolved resolvedBy resolvedOn muted ticketNumber timestamp
    alertMonitorInfo responseActions autoresolveMins context";
const SOURCE: &str = "
    deviceUid deviceName siteUid siteName x";
const ACTIVITY: &str = "id entity category action date site deviceId hostname user hasStdOut note";
const DETAILS: &str = "
    entity event.category event.action uid device.hostname device.uid job.id job.uid job.name job.status
    job.date_created site.name note user.id user.username user.email user.firstName user.lastname
    remote_session.id remote_session.type remote_session.start_date remote_session.details
    source.forwarded_ip data.from_site_id data.from_site_uid data.to_site_uid data.to_site_name
    patch_activity.success patch_activity.patch_install_start patch_activity.patch_install_end
    patch_update.uid patch_update.title data.user_id data.user_name data.new_roles data.deleted_roles
    data.user_email data.user_enabled data.for_user data.alert_uid_list data.policy_id data.device_uid
    data.start data.end";
const CATEGORIES: &str = "
    remote web.remote agent patch job account user authUser device monitor policy site filter odd";
const ACTIONS: &str = "
    jrto shot install audit create deployment login logout edit move.device resolve.alert generate.api.keys
    delete frob";
pub(super) const DEVICE: &str = "
    id uid siteId siteUid siteName deviceType hostname intIpAddress operatingSystem lastLoggedInUser domain
    cagVersion extIpAddress description a64Bit online lastSeen lastReboot lastAuditDate creationDate
    deviceClass antivirus patchManagement category";
pub(super) const SITE: &str = "
    id uid accountUid name description notes onDemand splashtopAutoInstall proxySettings devicesStatus
    autotaskCompanyName autotaskCompanyId portalUrl";
pub(super) const USER: &str = "
    id userName username firstName lastName email telephone status created disabled name software";

const INNER: &str =
    "id name userName firstName lastName category actionType actionReference version host numberOfDevices";

/// The names of a list; `-` stands for the empty one.
pub(super) fn words(list: &'static str) -> Vec<&'static str> {
    list.split_whitespace().map(|word| if word == "-" { "" } else { word }).collect()
}

/// Texts that mean something somewhere, and texts that mean nothing anywhere.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(&["", "10.20.0.5", "2001:db8::1", "00-15-5d-01-0a-1f", "jane@northwind.example", "true", "false",
            "TICKET_CREATED", "Critical", "Server", "Windows Server 2022 10.0.20348", "CONTOSO\\svc", "C:\\a\\b", "/srv/x/",
            "1795212345000", "2026-11-20T22:05:45Z", "-62135596800000", "Security", "DIRECTORY", "failed", "completed",
            "1.2.3.4, ::1", "203.0.113.9:443", "[2001:db8::5]:443", "unknown, [::ffff:203.0.113.9]:1;fe80::1%eth0", "1048590.0", "[\"a\",\"b\"]", "{\"x\":1}", "device", "ab1c0002"][..]).prop_map(str::to_owned),
        2 => "\\PC{0,12}",
        1 => any::<String>(),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    let tokens = select(
        &[
            "0",
            "-0",
            "1",
            "87",
            "3000000000",
            "9223372036854775808",
            "1795212345000",
            "1795214400.125",
            "1.50",
            "87.0",
            "1.04859E6",
            "1e400",
            "-1E-7",
            "123456789012345678901234567890",
        ][..],
    );
    prop_oneof![
        tokens.prop_map(|token| Value::Number(serde_json::from_str::<Number>(token).unwrap())),
        any::<i64>().prop_map(Value::from),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => number(),
        5 => text().prop_map(Value::from),
    ]
}

/// An object whose keys are mostly those that the mapping knows.
pub(super) fn object(known: &'static str, value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let key = prop_oneof![9 => select(words(known)).prop_map(str::to_owned), 1 => "[a-z.@]{0,6}"];
    vec((key, value), 0..24).prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

pub(super) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => scalar(),
        1 => scalar().prop_recursive(3, 12, 4, |inner| prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            object(INNER, inner),
        ]),
        1 => object(INNER, scalar()),
        1 => vec(object(INNER, scalar()), 0..4).prop_map(Value::Array),
    ]
}

/// `whole` with `part` under `key`.
fn with(mut whole: Value, key: &str, part: Value) -> Value {
    whole[key] = part;
    whole
}

pub(super) fn alert() -> impl Strategy<Value = Value> {
    let context = (object(CONTEXT, value()), select(words(CLASSES)))
        .prop_map(|(context, class)| with(context, "@class", class.into()));
    let context = prop_oneof![9 => context, 1 => value()];
    (object(ALERT, value()), context, prop_oneof![4 => object(SOURCE, scalar()), 1 => value()])
        .prop_map(|(alert, context, source)| with(with(alert, "alertContext", context), "alertSourceInfo", source))
}

pub(super) fn activity() -> impl Strategy<Value = Value> {
    let details =
        prop_oneof![8 => object(DETAILS, value()).prop_map(|details| details.to_string().into()), 1 => value()];
    let words = (select(&["DEVICE", "USER", "user", "SITE"][..]), select(words(CATEGORIES)), select(words(ACTIONS)));
    (object(ACTIVITY, value()), details, proptest::option::weighted(0.9, words)).prop_map(|(row, details, words)| {
        let row = with(row, "details", details);
        let Some((entity, category, action)) = words else { return row };
        with(with(with(row, "entity", entity.into()), "category", category.into()), "action", action.into())
    })
}

pub(super) fn marker() -> impl Strategy<Value = Marker> {
    select(vec![
        Marker::Open,
        Marker::Update(1, "0123456789ab".into()),
        Marker::Resolved(None),
        Marker::Vanished(1),
        Marker::Once,
        Marker::Posture("antivirus".into(), "NotRunning".into(), crate::clock::Millis(1_795_216_300_000)),
    ])
}

/// The event of a record: valid, and holding every value of it.
fn check(kind: RecordKind, marker: Marker, source: &Value) -> Result<(), TestCaseError> {
    let mut record = record(kind, "native-id", marker, &source.to_string());
    // As the journal has it. What is a secret has tests of its own.
    record.source = redact::strip(kind, &record.source);
    let event = World::contoso().try_event(&record).unwrap();
    let found = complaints(&event.json);
    prop_assert!(found.is_empty(), "{found:#?}\n{}", event.json);
    let event = serde_json::from_str(&event.json).unwrap();
    let found = super::schema::complaints(&event);
    prop_assert!(found.is_empty(), "{found:#?}\n{event}");
    let told = serde_json::from_str(record.source.get()).unwrap();
    let lost = missing(&told, &event);
    prop_assert!(lost.is_empty(), "{lost:#?}\n{event}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_alert(source in alert(), marker in marker()) {
        check(RecordKind::Alert, marker, &source)?;
    }

    #[test]
    fn any_activity(source in activity(), is_device in any::<bool>()) {
        let kind = if is_device { RecordKind::ActivityDevice } else { RecordKind::ActivityUser };
        check(kind, Marker::Once, &source)?;
    }

    #[test]
    fn any_inventory_item(device in object(DEVICE, value()), site in object(SITE, value()), user in object(USER, value()),
        marker in marker()) {
        check(RecordKind::Device, marker.clone(), &device)?;
        check(RecordKind::DevicePosture, marker.clone(), &device)?;
        check(RecordKind::Site, marker.clone(), &site)?;
        check(RecordKind::User, marker.clone(), &user)?;
        check(RecordKind::Software, marker, &user)?;
    }
}

#[test]
fn a_removed_device_of_64_bits_holds_every_value() {
    let device = serde_json::json!({ "a64Bit": true, "operatingSystem": "10.20.0.5" });
    check(RecordKind::Device, Marker::Vanished(1), &device).unwrap();
}
