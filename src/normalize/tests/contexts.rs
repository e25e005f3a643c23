//! One test per row of the table of monitors (event-schema.md section 6), under every name of the row.

use serde_json::{Value, json};

use super::recover::missing;
use super::world::{World, alert};

mod availability;
mod operational;
mod security;

/// What a row promises.
struct Row<'a> {
    classes: &'a [&'a str],
    label: &'a str,
    analytic: (&'a str, u32),
    types: Value,
    title: &'a str,
    message: &'a str,
    /// `evidences`.
    evidence: Value,
}

/// Maps the context under each name, in odd case too, checks the row and that no value of the record is lost. Returns the
/// last event.
#[track_caller]
fn check(row: &Row<'_>, fields: Value) -> Value {
    let mut event = Value::Null;
    for class in row.classes.iter().flat_map(|class| [(*class).to_owned(), class.to_uppercase()]) {
        let mut context = fields.clone();
        context["@class"] = json!(class);
        let record = alert(context);
        event = World::contoso().event(&record);
        let info = &event["finding_info"];
        assert_eq!(event["metadata"]["labels"][0], row.label, "{class}");
        assert_eq!(event["metadata"]["event_code"], class);
        assert_eq!(info["analytic"]["name"], row.analytic.0, "{class}");
        assert_eq!(info["analytic"]["type_id"], row.analytic.1, "{class}");
        assert_eq!(info["analytic"]["uid"], class);
        assert_eq!(info["analytic"]["category"], row.label);
        assert_eq!(info["types"], row.types, "{class}");
        assert_eq!(info["title"], row.title, "{class}");
        assert_eq!(event["message"], row.message, "{class}");
        assert_eq!(event["evidences"], row.evidence, "{class}");
        let source = serde_json::from_str(record.source.get()).unwrap();
        assert_eq!(missing(&source, &event), Vec::<String>::new(), "{class}");
    }
    event
}

#[test]
fn a_context_that_nobody_has_described() {
    let row = Row {
        classes: &["esxi_datastore_ctx"],
        label: "operational",
        analytic: ("Monitor", 0),
        types: json!(["Other"]),
        title: "Alert of esxi_datastore_ctx",
        message: "esxi_datastore_ctx on CDHQ-FS01",
        evidence: json!([{ "name": "Context", "data": { "a": { "b": [1.50] }, "": "x", "c.d": true } }]),
    };
    let fields = json!({ "a": { "b": [1.50, null] }, "": "x", "c.d": true, "e": [] });
    let mut context = fields;
    context["@class"] = json!("esxi_datastore_ctx");
    let event = World::contoso().alert(context);
    assert_eq!((&event["finding_info"]["title"], &event["message"]), (&json!(row.title), &json!(row.message)));
    assert_eq!(event["evidences"], row.evidence);
    assert_eq!(event["finding_info"]["analytic"]["type_id"], 0);
}

#[test]
fn a_context_without_a_class_or_none_at_all() {
    let event = World::contoso().alert(json!({ "status": "odd" }));
    assert_eq!(event["finding_info"]["title"], "Alert");
    assert_eq!(event["message"], "Alert on CDHQ-FS01");
    assert_eq!(event["metadata"]["event_code"], "alert");
    assert_eq!(event["evidences"][0]["data"]["status"], "odd");
    for context in [Value::Null, json!({}), json!("text"), json!([1]), json!(7), json!({ "@class": { "x": 1 } })] {
        let record = alert(context);
        let event = World::contoso().event(&record);
        let source = serde_json::from_str(record.source.get()).unwrap();
        assert_eq!(missing(&source, &event), Vec::<String>::new());
    }
}
