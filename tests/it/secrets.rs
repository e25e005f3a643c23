//! Secrets that the API shows reach neither the journal nor a sink, whatever the format.

use serde_json::json;

use crate::simulated::Simulated;
use crate::workplace::Workplace;

#[test]
fn what_webhooks_sent_to_third_parties_is_kept_without_its_secrets() {
    let simulated = Simulated::start(&json!({
        "sites": 4, "devices": 20, "open_alerts": 120, "resolved_alerts": 40, "activity_history": 60,
        "alert_rate_per_hour": 0.0, "resolve_rate_per_hour": 0.0, "update_rate_per_hour": 0.0, "reopen_share": 0.0,
        "activity_rate_per_hour": 0.0, "inventory_rate_per_hour": 0.0, "webhook_description": "payload",
        "faults": {"rules": [{"kind": "item_without_id", "path": "/api/v2/account/alerts/open", "times": 1}]}
    }));
    let sinks = ["ocsf", "ecs", "raw"].map(|format| {
        format!("[sinks.file.{format}]\npath = \"{format}.ndjson\"\nformat = \"{format}\"\nraw_data = \"all\"\n")
    });
    let place = Workplace::new(&simulated, &sinks.concat());
    let events = place.once();
    let executed = events.iter().filter(|event| event.to_string().contains("WEBHOOK_EXECUTED")).count();
    assert!(executed > 10, "{executed}");
    for name in ["ocsf.ndjson", "ecs.ndjson", "raw.ndjson", "vintner.db", "vintner.db-wal"] {
        let kept = std::fs::read(place.path(name)).unwrap_or_default();
        let secret = b"planted-secret";
        assert!(!kept.windows(secret.len()).any(|part| part == secret), "{name}");
        assert!(name.ends_with("wal") || kept.len() > 1000, "{name}");
    }
    let dead = place.run(&["dead-letters", "show", "1"]);
    assert!(!String::from_utf8_lossy(&dead.stdout).contains("planted-secret"));
}
