//! What is measured: records as an MSP's account shows them, with the devices that they name in the inventory.

use std::fmt;
use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use vintner::clock::Millis;
use vintner::inventory::{Account, Device, Site, SiteType};
use vintner::normalize::known::KnownDevice;
use vintner::normalize::{Format, Options};
use vintner::org::Policy;
use vintner::org::directory::{Directory, Rule, Tenant};
use vintner::record::place::{DeviceRef, SiteRef};
use vintner::record::{AccountUid, Envelope, Marker, Record, RecordKind};

const ACCOUNT: &str = "ab1c0002";
const SITE: &str = "5b6f0a52-93c4-4d0b-8a7e-2f1f7f6f4c11";
const DEVICE: &str = "9c1b7f52-0d3e-4a76-8f21-5e0c44d1a7b3";
/// Records of a mix: allocations per hundred read easily as allocations per record.
pub(crate) const COUNT: usize = 100;
const RECEIVED_AT: i64 = 1_795_212_371_250;

/// A mix of records.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mix {
    /// Alerts of eight kinds of monitors, opened, changed and closed, on a device of the inventory.
    Alerts,
    /// Rows of the activity log of seven classes.
    Activity,
    /// Two alerts to one row.
    Both,
}

impl Mix {
    pub(crate) const ALL: [Self; 3] = [Self::Alerts, Self::Activity, Self::Both];

    /// [`COUNT`] records, in an order without long runs of one kind.
    pub(crate) fn records(self) -> Vec<Record> {
        let (alerts, rows) = (alerts(), rows());
        let records = match self {
            Self::Alerts => alerts,
            Self::Activity => rows,
            Self::Both => {
                rows.into_iter().zip(alerts.chunks(2)).flat_map(|(row, two)| [two, &[row]].concat()).collect()
            }
        };
        records.into_iter().cycle().take(COUNT).collect()
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alerts => "alerts",
            Self::Activity => "activity",
            Self::Both => "both",
        })
    }
}

/// What events need besides their records.
pub(crate) struct World {
    pub(crate) directory: Directory,
    pub(crate) options: Options,
    customer: Tenant,
    msp: Tenant,
    device: KnownDevice,
}

impl World {
    pub(crate) fn new(format: Format) -> Self {
        let (msp, site, device) = inventory();
        Self {
            directory: Directory::new(1, Arc::new(Policy::default()), vec![msp], vec![site]),
            options: Options { format, ..Options::default() },
            customer: tenant("org-contoso", "Contoso Dental", Rule::Uid),
            msp: tenant(ACCOUNT, "Northwind IT Services", Rule::Account),
            device: KnownDevice::of(&device),
        }
    }

    pub(crate) fn tenant(&self, record: &Record) -> &Tenant {
        if record.envelope.site == SiteRef::None { &self.msp } else { &self.customer }
    }

    pub(crate) fn device(&self, record: &Record) -> Option<&KnownDevice> {
        (record.envelope.device != DeviceRef::None).then_some(&self.device)
    }
}

/// The account, its site and its device, as the journal's inventory has them.
pub(crate) fn inventory() -> (Account, Site, Device) {
    let account = AccountUid::new(ACCOUNT);
    let msp = Account {
        uid: account.clone(),
        name: "northwind".into(),
        display_name: "Northwind IT Services".into(),
        platform: "vidal".into(),
        api_host: "vidal-api.centrastage.net".into(),
    };
    let site = Site {
        account: account.clone(),
        uid: SITE.into(),
        id: Some(884_411),
        name: "Contoso Dental - HQ".into(),
        site_type: SiteType::Managed,
        autotask: None,
    };
    let device = Device {
        account,
        uid: DEVICE.into(),
        id: Some(1_048_576),
        site_uid: Some(SITE.into()),
        hostname: Some("CDHQ-FS01".into()),
        source: device().to_string().into(),
    };
    (msp, site, device)
}

fn tenant(id: &str, name: &str, rule: Rule) -> Tenant {
    Tenant { id: id.into(), name: Some(name.into()), labels: [("tier".to_owned(), "gold".to_owned())].into(), rule }
}

fn device() -> Value {
    json!({ "id": 1_048_576, "uid": DEVICE, "siteId": 884_411, "siteUid": SITE, "siteName": "Contoso Dental - HQ",
        "deviceType": { "category": "Server", "type": "Main System Chassis" }, "hostname": "CDHQ-FS01",
        "intIpAddress": "10.20.0.5", "operatingSystem": "Microsoft Windows Server 2022 Standard 10.0.20348",
        "lastLoggedInUser": "CONTOSO\\svc_backup", "domain": "contoso.local", "cagVersion": "4.4.2306.2306",
        "displayVersion": "4.4.2306", "extIpAddress": "203.0.113.17", "description": "File server", "a64Bit": true,
        "rebootRequired": false, "online": true, "suspended": false, "deleted": false, "lastSeen": 1_795_211_999_000_i64,
        "lastReboot": 1_794_600_000_000_i64, "lastAuditDate": 1_795_150_000_000_i64,
        "creationDate": 1_712_000_000_000_i64, "snmpEnabled": false, "deviceClass": "device",
        "portalUrl": "https://vidal.rmm.datto.com/device/1048576", "warrantyDate": "2028-03-01",
        "antivirus": { "antivirusProduct": "Datto AV", "antivirusStatus": "RunningAndUpToDate" },
        "patchManagement": { "patchStatus": "ApprovedPending", "patchesApprovedPending": 3, "patchesNotApproved": 1,
            "patchesInstalled": 211 },
        "softwareStatus": null, "networkProbe": null })
}

fn alerts() -> Vec<Record> {
    let contexts = [
        json!({ "@class": "comp_script_ctx", "samples": { "Result": "Backup job 7 has not run for 3 days", "Age": "3" } }),
        json!({ "@class": "eventlog_ctx", "logName": "Security", "code": "4625", "type": "FAILURE_AUDIT",
            "source": "Microsoft-Windows-Security-Auditing", "triggerCount": 12, "lastTriggered": 1_795_212_340_000_i64,
            "description": "An account failed to log on.\r\n\r\nSubject:\r\n\tSecurity ID:\t\tS-1-0-0\r\n\tAccount Name:\t\t-",
            "causedSuspension": false }),
        json!({ "@class": "perf_resource_usage_ctx", "type": "MEMORY", "percentage": 93.7 }),
        json!({ "@class": "perf_disk_usage_ctx", "diskName": "C:", "totalVolume": 498_876_412, "freeSpace": 11_223_344,
            "unitOfMeasure": "MB", "diskNameDesignation": "System" }),
        json!({ "@class": "online_offline_status_ctx", "status": "OFFLINE" }),
        json!({ "@class": "srvc_status_ctx", "serviceName": "Spooler", "status": "STOPPED" }),
        json!({ "@class": "patch_ctx", "patchUid": "a9d2f3b4-5c6d-4e7f-8a9b-0c1d2e3f4a5b", "policyUid": null,
            "result": "Error 0x80240022", "info": "2026-11 Cumulative Update (KB5070884)" }),
        json!({ "@class": "ransomware_ctx", "state": 1, "confidenceFactor": 87, "rwextension": ".lockbit",
            "affectedDirectories": ["C:\\Shares\\Patients", "C:\\Shares\\Finance"], "watchPaths": ["C:\\Shares"],
            "metaAlertTime": 1_795_212_300_000_i64, "alertTime": 1_795_212_340_000_i64 }),
    ];
    let markers =
        [Marker::Open, Marker::Update(1, "0123456789ab".into()), Marker::Resolved(Some(Millis(1_795_219_545_000)))];
    let pairs = markers.iter().flat_map(|marker| contexts.iter().map(move |context| (marker, context)));
    pairs.enumerate().map(|(n, (marker, context))| alert(n, marker.clone(), context)).collect()
}

fn alert(n: usize, marker: Marker, context: &Value) -> Record {
    let uid = format!("0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b{n:04}");
    let is_resolved = matches!(marker, Marker::Resolved(_));
    let priority = match n % 4 {
        0 => "Critical",
        1 => "High",
        2 => "Moderate",
        _ => "Low",
    };
    let source = json!({
        "alertUid": uid, "priority": priority, "diagnostics": null,
        "resolved": is_resolved, "resolvedBy": is_resolved.then_some("jane.doe"),
        "resolvedOn": is_resolved.then_some(1_795_219_545_000_i64), "muted": false,
        "ticketNumber": n.is_multiple_of(3).then_some("T20261120.0042"), "timestamp": 1_795_212_345_000_i64,
        "alertMonitorInfo": { "sendsEmails": true, "createsTicket": true }, "alertContext": context,
        "alertSourceInfo": { "deviceUid": DEVICE, "deviceName": "CDHQ-FS01", "siteUid": SITE,
            "siteName": "Contoso Dental - HQ" },
        "responseActions": [{ "actionTime": 1_795_212_350_000_i64, "actionType": "EMAIL_SENT", "description": "E-mail sent",
            "actionReference": null, "actionReferenceInt": null }],
        "autoresolveMins": 0,
    });
    let envelope = envelope(RecordKind::Alert, uid, marker, SiteRef::Uid(SITE.into()), DeviceRef::Uid(DEVICE.into()));
    Record { envelope, source: compact(&source) }
}

fn rows() -> Vec<Record> {
    let device = json!({ "device.uid": DEVICE, "device.hostname": "CDHQ-FS01" });
    let rows = [
        ("USER", "account", "login", json!({ "source.forwarded_ip": "198.51.100.23" })),
        (
            "DEVICE",
            "job",
            "deployment",
            merged(
                &device,
                json!({ "job.id": 90211, "job.name": "Patch Tuesday reboot",
            "job.uid": "8d0e4a7c-1b5f-4f1e-9d2c-3b4a5c6d7e8f", "job.status": "completed", "job.deployment_id": 771_203,
            "note": "Success" }),
            ),
        ),
        (
            "DEVICE",
            "remote",
            "jrto",
            merged(
                &device,
                json!({ "remote_session.id": 55120, "remote_session.type": "jrto",
            "remote_session.start_date": 1_795_215_890_000_i64, "source.forwarded_ip": "198.51.100.23",
            "remote_session.details": [{ "action": "connect", "detail": "screen", "name": "Screen Share" }] }),
            ),
        ),
        (
            "USER",
            "user",
            "edit",
            json!({ "data.user_id": 6001, "data.user_name": "sam.lee",
            "data.new_roles": ["Administrator"], "data.deleted_roles": [], "source.forwarded_ip": "198.51.100.23" }),
        ),
        ("USER", "user", "create", json!({ "data.user_id": 6001, "data.user_name": "sam.lee" })),
        ("USER", "policy", "edit", json!({ "data.policy_id": 4412, "data.policy_name": "Workstation AV policy" })),
        (
            "DEVICE",
            "patch",
            "install",
            merged(
                &device,
                json!({ "patch_update.uid": "a9d2f3b4-5c6d-4e7f-8a9b-0c1d2e3f4a5b",
            "patch_update.title": "2026-11 Cumulative Update for Windows Server 2022 (KB5070884)",
            "patch_activity.patch_install_start": 1_795_216_200_000_i64,
            "patch_activity.patch_install_end": 1_795_216_350_000_i64, "patch_activity.result": "0" }),
            ),
        ),
    ];
    rows.into_iter()
        .enumerate()
        .map(|(n, (entity, category, action, details))| row(n, entity, category, action, &details))
        .collect()
}

fn merged(one: &Value, other: Value) -> Value {
    let members = [one, &other].into_iter().filter_map(Value::as_object).flatten();
    members.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn row(n: usize, entity: &str, category: &str, action: &str, details: &Value) -> Record {
    let id = format!("81c26d53-9508-3f42-baed-4e61cfbc{n:04}");
    let is_device = entity == "DEVICE";
    let source = json!({
        "id": id, "entity": entity, "category": category, "action": action, "date": 1_795_214_400.125,
        "site": is_device.then(|| json!({ "id": 884_411, "name": "Contoso Dental - HQ" })),
        "deviceId": is_device.then_some(1_048_576), "hostname": is_device.then_some("CDHQ-FS01"),
        "user": { "id": 5521, "userName": "jane.doe", "firstName": "Jane", "lastName": "Doe" },
        "details": details.to_string(), "hasStdOut": false, "hasStdErr": false,
    });
    let (kind, site, device) = match is_device {
        true => (RecordKind::ActivityDevice, SiteRef::Id(884_411), DeviceRef::Id(1_048_576)),
        false => (RecordKind::ActivityUser, SiteRef::None, DeviceRef::None),
    };
    Record { envelope: envelope(kind, id, Marker::Once, site, device), source: compact(&source) }
}

fn envelope(kind: RecordKind, native_id: String, marker: Marker, site: SiteRef, device: DeviceRef) -> Envelope {
    let path = if kind == RecordKind::Alert { "/v2/account/alerts/open" } else { "/v2/activity-logs" };
    Envelope {
        account: AccountUid::new(ACCOUNT),
        kind,
        native_id,
        marker,
        site,
        device,
        path: path.into(),
        received_at: Millis(RECEIVED_AT),
        changed: vec!["priority".into()],
        synthesized: false,
    }
}

fn compact(source: &Value) -> Box<RawValue> {
    to_raw_value(source).unwrap()
}
