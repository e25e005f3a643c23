//! The table of monitors (event-schema.md section 6): what each `@class` is, its title and message, and which fields are evidence.

use super::monitor::Monitor;
use super::special;

const SECURITY: &str = "security";
const POSTURE: &str = "posture";
const AVAILABILITY: &str = "availability";
const OPERATIONAL: &str = "operational";
const CUSTOM: &str = "custom";

/// A monitor by rule, the usual kind.
const RULE: Monitor = Monitor {
    classes: &[],
    label: OPERATIONAL,
    name: "",
    type_id: 1,
    types: &[],
    title: "",
    message: "",
    evidence: ("", &[]),
    special: None,
};

pub(super) const MONITORS: &[Monitor] = &[
    Monitor {
        classes: &["antivirus_ctx"],
        label: POSTURE,
        name: "Antivirus status monitor",
        types: &["Antivirus status"],
        title: "Antivirus status",
        evidence: ("Antivirus", &["productName", "status"]),
        special: Some(special::antivirus),
        ..RULE
    },
    Monitor {
        classes: &["ransomware_ctx"],
        label: SECURITY,
        name: "Ransomware monitor",
        type_id: 2,
        types: &["Ransomware", "Malware"],
        title: "Ransomware detected",
        message: "Ransomware detected on {device}",
        special: Some(special::ransomware),
        ..RULE
    },
    Monitor {
        classes: &["endpoint_security_threat_ctx"],
        label: SECURITY,
        name: "Endpoint security (Datto)",
        type_id: 0,
        types: &["Threat"],
        title: "Threat found",
        message: "{description}",
        evidence: ("Threat", &["description", "esAlertId"]),
        special: Some(special::endpoint_security),
    },
    Monitor {
        classes: &["endpoint_security_windows_defender_ctx"],
        label: SECURITY,
        name: "Endpoint security (Windows Defender)",
        type_id: 0,
        types: &["Threat"],
        title: "Threat found",
        message: "{description}",
        evidence: ("Threat", &["description", "esAlertId"]),
        special: Some(special::endpoint_security),
    },
    Monitor {
        classes: &["security_management_ctx", "sec_management_ctx"],
        label: POSTURE,
        name: "Security management monitor",
        types: &["Antivirus status"],
        title: "Security product status",
        message: "{productName} on {device} has status {status}",
        special: Some(special::security_management),
        ..RULE
    },
    Monitor {
        classes: &["seccenter_ctx"],
        label: POSTURE,
        name: "Windows Security Center monitor",
        types: &["Antivirus status"],
        title: "Security product {alertType~}",
        message: "{productName} is {alertType~} on {device}",
        evidence: ("Security product", &["productName", "alertType"]),
        ..RULE
    },
    Monitor {
        classes: &["eventlog_ctx"],
        name: "Windows event log monitor",
        types: &["Windows event log"],
        title: "Windows event {code}",
        message: "{source} logged event {code} in {logName} on {device}",
        evidence: ("Windows event", &["logName", "code", "type", "source", "description"]),
        special: Some(special::event_log),
        ..RULE
    },
    Monitor {
        classes: &["patch_ctx"],
        label: POSTURE,
        name: "Patch monitor",
        types: &["Patch"],
        title: "Patch alert",
        message: "Patch on {device}: {info}",
        evidence: ("Patch", &["patchUid", "policyUid", "result", "info"]),
        ..RULE
    },
    Monitor {
        classes: &["action_ctx", "sw_action_ctx"],
        label: POSTURE,
        name: "Software monitor",
        types: &["Software change"],
        title: "Software {actionType~}",
        message: "{packageName} {version} {actionType~} on {device}",
        evidence: ("Software", &["packageName", "actionType", "prevVersion", "version"]),
        ..RULE
    },
    Monitor {
        classes: &["online_offline_status_ctx"],
        label: AVAILABILITY,
        name: "Online status monitor",
        types: &["Availability"],
        title: "Device {status~}",
        message: "{device} is {status~}",
        ..RULE
    },
    Monitor {
        classes: &["ping_ctx"],
        label: AVAILABILITY,
        name: "Ping monitor",
        types: &["Availability"],
        title: "Ping failed or slow",
        message: "Ping of {instanceName} from {device} failed or was slow",
        special: Some(special::ping),
        ..RULE
    },
    Monitor {
        classes: &["network_monitor_ctx"],
        label: AVAILABILITY,
        name: "Network monitor",
        types: &["Availability"],
        title: "Network alert",
        message: "{description}",
        evidence: ("Network", &["description"]),
        ..RULE
    },
    Monitor {
        classes: &["status_ctx", "process_status_ctx"],
        label: AVAILABILITY,
        name: "Process status monitor",
        types: &["Process"],
        title: "Process {status~}",
        message: "{processName|serviceName} is {status~} on {device}",
        evidence: ("Process", &["processName", "serviceName", "status"]),
        ..RULE
    },
    Monitor {
        classes: &["srvc_status_ctx"],
        label: AVAILABILITY,
        name: "Service status monitor",
        types: &["Service"],
        title: "Service {status~}",
        message: "{serviceName|processName} is {status~} on {device}",
        evidence: ("Service", &["serviceName", "processName", "status"]),
        special: Some(special::service),
        ..RULE
    },
    Monitor {
        classes: &["perf_resource_usage_ctx"],
        name: "{type} usage monitor",
        types: &["Performance"],
        title: "{type} usage high",
        message: "{type!} is at {percentage}% on {device}",
        evidence: ("Resource", &["type", "percentage"]),
        ..RULE
    },
    Monitor {
        classes: &["resource_usage_ctx", "process_resource_usage_ctx"],
        name: "Process usage monitor",
        types: &["Performance"],
        title: "Process {type^} usage high",
        message: "{processName|serviceName} uses {sample} {type^} on {device}",
        evidence: ("Process", &["processName", "serviceName", "type", "sample"]),
        ..RULE
    },
    Monitor {
        classes: &["srvc_resource_usage_ctx"],
        name: "Service usage monitor",
        types: &["Performance"],
        title: "Service {type^} usage high",
        message: "{serviceName|processName} uses {sample} {type^} on {device}",
        evidence: ("Service", &["serviceName", "processName", "type", "sample"]),
        ..RULE
    },
    Monitor {
        classes: &["disk_usage_ctx", "perf_disk_usage_ctx"],
        name: "Disk usage monitor",
        types: &["Capacity"],
        title: "Disk space low",
        special: Some(special::disk_usage),
        ..RULE
    },
    Monitor {
        classes: &["filesystem_ctx", "fs_object_ctx"],
        name: "File/folder size monitor",
        types: &["File system"],
        title: "File or folder size",
        special: Some(special::file_system),
        ..RULE
    },
    Monitor {
        classes: &["windows_performance_ctx", "perf_mon_ctx"],
        name: "Performance counter monitor",
        types: &["Performance"],
        title: "Performance counter",
        message: "A performance counter is at {value} on {device}",
        evidence: ("Performance counter", &["value"]),
        ..RULE
    },
    Monitor {
        classes: &["wmi_ctx"],
        label: CUSTOM,
        name: "WMI monitor",
        types: &["Custom"],
        title: "WMI query result",
        message: "A WMI query returned {value} on {device}",
        evidence: ("WMI query", &["value"]),
        ..RULE
    },
    Monitor {
        classes: &[COMPONENT],
        label: CUSTOM,
        name: "Component monitor",
        types: &["Custom"],
        title: "Component alert",
        special: Some(special::component),
        ..RULE
    },
    Monitor {
        classes: &["backup_management_ctx"],
        name: "Backup monitor",
        types: &["Backup"],
        title: "Backup failed",
        message: "Backup of {device} failed: {errorMessage}",
        evidence: ("Backup", &["errorMessage", "timeout"]),
        ..RULE
    },
    Monitor {
        classes: &["custom_snmp_ctx", "snmp_probe_ctx"],
        name: "{monitorName|ruleName}",
        types: &["SNMP"],
        title: "SNMP {displayName|ruleName}",
        message: "{displayName|ruleName} is {currentValue|responseValue} on {device}",
        special: Some(special::snmp),
        ..RULE
    },
    Monitor {
        classes: &["printer_ctx"],
        name: "Printer supply monitor",
        types: &["Printer"],
        title: "Printer supply low",
        message: "Printer supply is at {currentLevel} on {device}",
        special: Some(special::printer),
        ..RULE
    },
    Monitor {
        classes: &["temperature_ctx", "fan_ctx", "psu_ctx", "disk_health_ctx"],
        name: "Hardware health monitor",
        types: &["Hardware"],
        title: "Hardware problem",
        evidence: ("Hardware", &["type", "reason", "degree"]),
        special: Some(special::hardware),
        ..RULE
    },
];

/// Component monitors: any class that starts so.
pub(super) const COMPONENT: &str = "comp_script_ctx";

/// A monitor that nobody has described yet.
pub(super) const UNKNOWN: Monitor =
    Monitor { name: "Monitor", type_id: 0, types: &["Other"], special: Some(special::unknown), ..RULE };
