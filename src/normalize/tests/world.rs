//! The world of the published examples: one MSP, its sites, one device; and records in it.

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::event::Event;
use crate::inventory::{Account, Device, Site, SiteType};
use crate::normalize::known::KnownDevice;
use crate::normalize::udf::Udfs;
use crate::normalize::{Context, Options, RawData, Unmappable, normalize};
use crate::org::Policy;
use crate::org::directory::{Directory, Rule, Tenant};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind};

pub(super) const SITE: &str = "5b6f0a52-93c4-4d0b-8a7e-2f1f7f6f4c11";
pub(super) const NORTH: &str = "c2a1e7d4-8f3b-4b61-b0c9-91d2f5a3e822";
pub(super) const SERVER: &str = "9c1b7f52-0d3e-4a76-8f21-5e0c44d1a7b3";
pub(super) const POLLED_AT: i64 = 1_795_212_371_250;

/// The device of the examples as the inventory knows it.
pub(super) const DEVICE: &str = r#"{"id":1048576,"uid":"9c1b7f52-0d3e-4a76-8f21-5e0c44d1a7b3","siteId":884411,
"siteUid":"5b6f0a52-93c4-4d0b-8a7e-2f1f7f6f4c11","siteName":"Contoso Dental - HQ",
"deviceType":{"category":"Server","type":"Main System Chassis"},"hostname":"CDHQ-FS01","intIpAddress":"10.20.0.5",
"operatingSystem":"Microsoft Windows Server 2022 Standard 10.0.20348","lastLoggedInUser":"CONTOSO\\svc_backup",
"domain":"contoso.local","cagVersion":"4.4.2306.2306","displayVersion":"4.4.2306","extIpAddress":"203.0.113.17",
"description":"File server","a64Bit":true,"rebootRequired":false,"online":true,"suspended":false,"deleted":false,
"lastSeen":1795211999000,"lastReboot":1794600000000,"lastAuditDate":1795150000000,"creationDate":1712000000000,
"udf":{"udf1":"Server room A","udf2":"s3cr3t","udf3":null},"snmpEnabled":false,"deviceClass":"device",
"portalUrl":"https://vidal.rmm.datto.com/device/1048576","warrantyDate":"2028-03-01",
"antivirus":{"antivirusProduct":"Datto AV","antivirusStatus":"RunningAndUpToDate"},
"patchManagement":{"patchStatus":"ApprovedPending","patchesApprovedPending":3,"patchesNotApproved":1,"patchesInstalled":211},
"softwareStatus":null,"webRemoteUrl":"https://vidal.rmm.datto.com/remote/secret","networkProbe":null}"#;

/// Everything that an event needs besides its record.
pub(super) struct World {
    pub(super) directory: Directory,
    pub(super) tenant: Tenant,
    pub(super) device: Option<Device>,
    pub(super) options: Options,
}

impl World {
    /// Lists user-defined fields of the account.
    pub(super) fn list_udfs(&mut self, numbers: &[u16]) {
        self.options.udfs = [("northwind".to_owned(), Udfs { listed: numbers.to_vec(), ..Udfs::NONE })].into();
    }

    /// The organization of the examples, with its file server in the inventory.
    pub(super) fn contoso() -> Self {
        let account = AccountUid::new("ab1c0002");
        let site = |uid: &str, id, name: &str| Site {
            account: account.clone(),
            uid: uid.into(),
            id: Some(id),
            name: name.into(),
            site_type: SiteType::Managed,
            autotask: None,
        };
        let sites = vec![site(SITE, 884_411, "Contoso Dental - HQ"), site(NORTH, 884_412, "Contoso Dental - North")];
        let msp = Account {
            uid: account.clone(),
            name: "northwind".into(),
            display_name: "Northwind IT Services".into(),
            platform: "vidal".into(),
            api_host: "vidal-api.centrastage.net".into(),
        };
        let device = Device {
            account,
            uid: SERVER.into(),
            id: Some(1_048_576),
            site_uid: Some(SITE.into()),
            hostname: Some("CDHQ-FS01".into()),
            source: DEVICE.into(),
        };
        Self {
            directory: Directory::new(1, Arc::new(Policy::default()), vec![msp], sites),
            tenant: tenant("org-contoso", Some("Contoso Dental"), Rule::Uid),
            device: Some(device),
            options: Options { raw_data: RawData::Findings, ..Options::default() },
        }
    }

    /// The MSP's own records, which name no site.
    pub(super) fn msp() -> Self {
        Self { tenant: tenant("ab1c0002", None, Rule::Account), device: None, ..Self::contoso() }
    }

    /// The event of a record, made four milliseconds after it was received.
    pub(super) fn try_event(&self, record: &Record) -> Result<Event, Unmappable> {
        let device = self.device.as_ref().map(KnownDevice::of);
        let context = Context {
            directory: &self.directory,
            tenant: &self.tenant,
            device: device.as_ref(),
            processed_at: Millis(record.envelope.received_at.0 + 4),
            options: &self.options,
        };
        normalize(record, &context)
    }

    /// The event of a record, judged.
    #[track_caller]
    pub(super) fn event(&self, record: &Record) -> Value {
        let event = self.try_event(record).unwrap();
        super::judge::assert_valid(&event.json);
        serde_json::from_str(&event.json).unwrap()
    }

    /// The event of an open alert with this context, judged.
    #[track_caller]
    pub(super) fn alert(&self, context: Value) -> Value {
        self.event(&alert(context))
    }

    /// The event of an activity record, judged.
    #[track_caller]
    pub(super) fn activity(&self, source: Value) -> Value {
        self.event(&activity(source))
    }
}

pub(super) fn tenant(id: &str, name: Option<&str>, rule: Rule) -> Tenant {
    Tenant { id: id.into(), name: name.map(str::to_owned), labels: std::collections::BTreeMap::new(), rule }
}

/// A record of a kind with what is usual for it.
pub(super) fn record(kind: RecordKind, native_id: &str, marker: Marker, source: &str) -> Record {
    let (site, path) = match kind {
        RecordKind::ActivityUser => (SiteRef::None, "/v2/activity-logs"),
        RecordKind::ActivityDevice => (SiteRef::Id(884_411), "/v2/activity-logs"),
        RecordKind::User => (SiteRef::None, "/v2/account/users"),
        RecordKind::Own(_) => (SiteRef::None, ""),
        RecordKind::Alert => (SiteRef::Uid(SITE.into()), "/v2/account/alerts/open"),
        RecordKind::Site => (SiteRef::Uid(SITE.into()), "/v2/account/sites"),
        RecordKind::Device | RecordKind::DevicePosture | RecordKind::Software => {
            (SiteRef::Uid(SITE.into()), "/v2/account/devices")
        }
    };
    Record {
        envelope: Envelope {
            account: AccountUid::new("ab1c0002"),
            kind,
            native_id: native_id.into(),
            marker,
            site,
            device: DeviceRef::None,
            path: path.into(),
            received_at: Millis(POLLED_AT),
            changed: Vec::new(),
            synthesized: false,
        },
        source: serde_json::from_str::<&RawValue>(source).unwrap().to_owned(),
    }
}

/// An open alert on the examples' server.
pub(super) fn alert(context: Value) -> Record {
    let source = serde_json::json!({
        "alertUid": "b7d0c7b2-51d4-4d0f-8a4e-0d0b5d3f9c77",
        "priority": "Moderate",
        "diagnostics": null,
        "resolved": false,
        "resolvedBy": null,
        "resolvedOn": null,
        "muted": false,
        "ticketNumber": null,
        "timestamp": 1_795_212_345_000_i64,
        "alertMonitorInfo": { "sendsEmails": false, "createsTicket": false },
        "alertContext": context,
        "alertSourceInfo": {
            "deviceUid": SERVER, "deviceName": "CDHQ-FS01", "siteUid": SITE, "siteName": "Contoso Dental - HQ"
        },
        "responseActions": null,
        "autoresolveMins": 0,
    });
    record(RecordKind::Alert, "b7d0c7b2-51d4-4d0f-8a4e-0d0b5d3f9c77", Marker::Open, &source.to_string())
}

/// An activity record; DEVICE rows are on the examples' site, USER rows on none.
pub(super) fn activity(source: Value) -> Record {
    let kind = if source["entity"] == "DEVICE" { RecordKind::ActivityDevice } else { RecordKind::ActivityUser };
    let id = source["id"].as_str().unwrap_or("1f0a6b8c").to_owned();
    record(kind, &id, Marker::Once, &source.to_string())
}

/// A USER row by jane.doe with these details.
pub(super) fn user_row(category: &str, action: &str, details: Value) -> Value {
    serde_json::json!({
        "id": "1f0a6b8c", "entity": "USER", "category": category, "action": action, "date": 1_795_214_400.125,
        "site": null, "deviceId": null, "hostname": null,
        "user": { "id": 5521, "userName": "jane.doe", "firstName": "Jane", "lastName": "Doe" },
        "details": details.to_string(), "hasStdOut": false, "hasStdErr": false,
    })
}

/// A DEVICE row on the examples' server with these details.
pub(super) fn device_row(category: &str, action: &str, details: Value) -> Value {
    serde_json::json!({
        "id": "2f0a6b8c", "entity": "DEVICE", "category": category, "action": action, "date": 1_795_214_400.125,
        "site": { "id": 884_411, "name": "Contoso Dental - HQ" }, "deviceId": 1_048_576, "hostname": "CDHQ-FS01",
        "user": { "id": 5521, "userName": "jane.doe", "firstName": "Jane", "lastName": "Doe" },
        "details": details.to_string(), "hasStdOut": false, "hasStdErr": false,
    })
}
