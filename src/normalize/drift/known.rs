//! The names that documents and observers of the API told: datto-rmm-api.md sections 8.1 to 8.3, 9 and 10.

/// An alert.
pub(super) const ALERT: &[&str] = &[
    "alertUid",
    "priority",
    "diagnostics",
    "resolved",
    "resolvedBy",
    "resolvedOn",
    "muted",
    "ticketNumber",
    "timestamp",
    "alertMonitorInfo",
    "alertContext",
    "alertSourceInfo",
    "responseActions",
    "autoresolveMins",
];
pub(super) const MONITOR_INFO: &[&str] = &["sendsEmails", "createsTicket"];
pub(super) const SOURCE_INFO: &[&str] = &["deviceUid", "deviceName", "siteUid", "siteName"];
pub(super) const RESPONSE_ACTION: &[&str] =
    &["actionTime", "actionType", "description", "actionReference", "actionReferenceInt"];
/// A row of the activity log.
pub(super) const ACTIVITY: &[&str] = &[
    "id",
    "entity",
    "category",
    "action",
    "date",
    "site",
    "deviceId",
    "hostname",
    "user",
    "details",
    "hasStdOut",
    "hasStdErr",
];
pub(super) const SITE: &[&str] = &[
    "id",
    "uid",
    "accountUid",
    "name",
    "description",
    "notes",
    "onDemand",
    "splashtopAutoInstall",
    "proxySettings",
    "devicesStatus",
    "autotaskCompanyName",
    "autotaskCompanyId",
    "portalUrl",
];
pub(super) const DEVICE: &[&str] = &[
    "id",
    "uid",
    "siteId",
    "siteUid",
    "siteName",
    "deviceType",
    "hostname",
    "intIpAddress",
    "operatingSystem",
    "lastLoggedInUser",
    "domain",
    "cagVersion",
    "displayVersion",
    "extIpAddress",
    "description",
    "a64Bit",
    "rebootRequired",
    "online",
    "suspended",
    "deleted",
    "lastSeen",
    "lastReboot",
    "lastAuditDate",
    "creationDate",
    "udf",
    "snmpEnabled",
    "deviceClass",
    "portalUrl",
    "warrantyDate",
    "antivirus",
    "patchManagement",
    "softwareStatus",
    "webRemoteUrl",
    "networkProbe",
    "onboardedViaNetworkMonitor",
];

/// Names of an alert context, and its fields besides `@class`.
type Context = (&'static [&'static str], &'static [&'static str]);

const CONTEXTS: &[Context] = &[
    (&["action_ctx", "sw_action_ctx"], &["@class", "packageName", "actionType", "prevVersion", "version"]),
    (&["antivirus_ctx"], &["@class", "status", "productName"]),
    (&["backup_management_ctx"], &["@class", "errorMessage", "timeout"]),
    (&["custom_snmp_ctx"], &["@class", "displayName", "currentValue", "monitorInstance"]),
    (&["disk_health_ctx"], &["@class", "reason", "type"]),
    (
        &["disk_usage_ctx", "perf_disk_usage_ctx"],
        &["@class", "diskName", "totalVolume", "freeSpace", "unitOfMeasure", "diskNameDesignation"],
    ),
    (&["endpoint_security_threat_ctx"], &["@class", "esAlertId", "description"]),
    (&["endpoint_security_windows_defender_ctx"], &["@class", "esAlertId", "description"]),
    (
        &["eventlog_ctx"],
        &[
            "@class",
            "logName",
            "code",
            "type",
            "source",
            "description",
            "triggerCount",
            "lastTriggered",
            "causedSuspension",
        ],
    ),
    (&["fan_ctx"], &["@class", "reason", "type"]),
    (&["filesystem_ctx", "fs_object_ctx"], &["@class", "sample", "threshold", "path", "objectType", "condition"]),
    (&["network_monitor_ctx"], &["@class", "description"]),
    (&["online_offline_status_ctx"], &["@class", "status"]),
    (&["patch_ctx"], &["@class", "patchUid", "policyUid", "result", "info"]),
    (&["ping_ctx"], &["@class", "instanceName", "roundtripTime", "reasons"]),
    (&["printer_ctx"], &["@class", "ipAddress", "macAddress", "markerSupplyIndex", "currentLevel"]),
    (&["psu_ctx"], &["@class", "reason", "type"]),
    (
        &["ransomware_ctx"],
        &[
            "@class",
            "state",
            "confidenceFactor",
            "affectedDirectories",
            "watchPaths",
            "rwextension",
            "metaAlertTime",
            "alertTime",
        ],
    ),
    (&["resource_usage_ctx", "process_resource_usage_ctx"], &["@class", "processName", "sample", "type"]),
    (
        &["snmp_probe_ctx"],
        &["@class", "ipAddress", "OID", "ruleName", "responseValue", "deviceName", "monitorName", "oid"],
    ),
    (&["comp_script_ctx"], &["@class", "samples"]),
    (&["seccenter_ctx"], &["@class", "productName", "alertType"]),
    (
        &["security_management_ctx", "sec_management_ctx"],
        &[
            "@class",
            "status",
            "productName",
            "infoTime",
            "virusName",
            "infectedFiles",
            "productNotUpdatedForDays",
            "systemRemainsInfectedForHours",
            "expiryLicenseForDays",
        ],
    ),
    (&["status_ctx", "process_status_ctx"], &["@class", "processName", "status"]),
    (&["temperature_ctx"], &["@class", "degree", "type"]),
    (&["windows_performance_ctx", "perf_mon_ctx"], &["@class", "value"]),
    (&["wmi_ctx"], &["@class", "value"]),
    (&["perf_resource_usage_ctx"], &["@class", "percentage", "type"]),
    (&["srvc_status_ctx"], &["@class", "serviceName", "status"]),
    (&["srvc_resource_usage_ctx"], &["@class", "serviceName", "type", "sample"]),
];

/// Entity, category, and its actions; none where any action is known.
type Category = (&'static str, &'static str, &'static [&'static str]);

const CATEGORIES: &[Category] = &[
    ("device", "job", &["deployment", "create", "note"]),
    ("device", "remote", &["chat", "jrto"]),
    ("device", "device", &["move.device"]),
    ("device", "patch", &[]),
    ("user", "account", &["login", "logout", "change.settings", "update"]),
    ("user", "user", &["create", "edit", "generate.api.keys"]),
    ("user", "authuser", &["generate.api.keys"]),
    ("user", "monitor", &["create", "edit", "resolve.alert"]),
    ("user", "policy", &["create.and.push.changes", "edit", "edit.and.push.changes", "toggle", "delete"]),
    ("user", "component", &["add.from.comstore", "create", "update", "delete"]),
    ("user", "device", &["edit", "move.device", "approved", "delete", "remove"]),
    ("user", "site", &["create", "edit", "update", "delete", "change.settings"]),
    ("user", "agent", &["event", "file", "rs", "shot"]),
    ("user", "job", &["create", "edit", "delete", "rerun", "retire"]),
    ("user", "filter", &["create", "delete"]),
    ("user", "branding", &["push.changes"]),
    ("user", "email.recipient", &["update"]),
    ("user", "web.remote", &["rto"]),
    ("user", "web.remote.chat", &["session"]),
];

/// The fields of a context by its class, in any case. A component's class may have an ending of its own, and its fields are not
/// Datto's.
pub(super) fn context(class: &str) -> Option<&'static [&'static str]> {
    let class = class.trim().to_lowercase();
    CONTEXTS.iter().find(|(names, _)| names.contains(&class.as_str())).map(|(_, fields)| *fields)
}

/// The actions of a category, both in lower case.
pub(super) fn actions(entity: &str, category: &str) -> Option<&'static [&'static str]> {
    CATEGORIES.iter().find(|known| known.0 == entity && known.1 == category).map(|known| known.2)
}

/// Every class with its fields, for tests.
#[cfg(test)]
pub(super) fn classes() -> impl Iterator<Item = &'static str> {
    CONTEXTS.iter().flat_map(|(names, _)| names.iter().copied())
}
