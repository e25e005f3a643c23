//! The JSON form of an answer, which some receivers give whatever they are asked in. Any field may be null.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;

use super::{Verdict, no_otlp, taken};

/// The JSON form of the answer; the field has an older name too, and numbers of 64 bits are texts.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonAnswer {
    #[serde(alias = "partial_success", rename = "partialSuccess")]
    partial_success: Option<JsonPartial>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonPartial {
    #[serde(alias = "rejected_log_records")]
    rejected_log_records: Option<Count>,
    #[serde(alias = "error_message")]
    error_message: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Count {
    Number(i64),
    Text(String),
}

/// The verdict on the body of a success in JSON.
pub(super) fn of_json(body: &[u8]) -> Verdict {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let Ok(answer) = serde_json::from_slice::<JsonAnswer>(body) else { return no_otlp() };
    let partial = answer.partial_success.map(|partial| {
        let rejected_log_records = match partial.rejected_log_records {
            None => 0,
            Some(Count::Number(number)) => number,
            Some(Count::Text(text)) => text.parse().ok()?,
        };
        let error_message = partial.error_message.unwrap_or_default();
        Some(ExportLogsPartialSuccess { rejected_log_records, error_message })
    });
    match partial {
        None => taken(None),
        Some(Some(partial)) => taken(Some(partial)),
        Some(None) => no_otlp(),
    }
}
