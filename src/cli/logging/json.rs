//! A log line as one JSON object in which no key stands twice.

use std::collections::HashSet;
use std::fmt::{self, Debug};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Keys that every line has, or may have; a field of one of these names gets another one.
const OWN: [&str; 5] = ["timestamp", "level", "message", "target", "spans"];

/// Writes time, level, message, fields, module and spans, in this order.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonLine;

/// The fields of an event, in order.
#[derive(Default)]
struct Fields {
    message: Option<Value>,
    others: Vec<(String, Value)>,
    taken: HashSet<String>,
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let level = metadata.level().as_str().into();
        let mut entries = vec![("timestamp".to_owned(), time.into()), ("level".to_owned(), level)];
        entries.extend(fields.message.map(|message| ("message".to_owned(), message)));
        entries.extend(fields.others);
        entries.push(("target".to_owned(), metadata.target().into()));
        let scope = context.event_scope().into_iter().flat_map(|scope| scope.from_root());
        let spans: Vec<Value> = scope
            .map(|span| {
                let extensions = span.extensions();
                let text = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
                let mut fields: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
                fields.insert("name".to_owned(), span.name().into());
                Value::Object(fields)
            })
            .collect();
        if !spans.is_empty() {
            entries.push(("spans".to_owned(), Value::Array(spans)));
        }
        for (index, (key, value)) in entries.into_iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            write!(writer, "{before}{}:{value}", Value::String(key))?;
        }
        writeln!(writer, "}}")
    }
}

impl Fields {
    /// The message comes first of all fields; a later field of its name is another thing.
    fn add(&mut self, field: &Field, value: Value) {
        if field.name() == "message" && self.message.is_none() {
            self.message = Some(value);
            return;
        }
        let mut name = field.name().to_owned();
        while OWN.contains(&name.as_str()) || !self.taken.insert(name.clone()) {
            name.push('_');
        }
        self.others.push((name, value));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged in `work`, as lines.
    fn logged(work: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Seen(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Seen {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let seen = Seen::default();
        let writer = seen.clone();
        let builder = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let fields = tracing_subscriber::fmt::format::JsonFields::new();
        tracing::subscriber::with_default(builder.fmt_fields(fields).event_format(JsonLine).finish(), work);
        String::from_utf8(seen.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn no_key_stands_twice_whatever_the_fields_are_called() {
        let text = logged(|| {
            let span = tracing::info_span!("pass", account = "acme");
            let _entered = span.enter();
            let (message, level, target) = ("theirs", 7_u64, true);
            tracing::warn!(message, level, target, timestamp = 1.5, spans = -1, message_ = ?"x\u{1b}\n", "ours {}", 1);
        });
        let (time, rest) = text.split_once(",\"level\"").unwrap();
        assert!(time.starts_with("{\"timestamp\":\"20"), "{time}");
        let (fields, end) = rest.split_once(",\"target\":").unwrap();
        let expected = r#":"WARN","message":"ours 1","message_":"theirs","level_":7,"target_":true,"timestamp_":1.5,"#;
        assert_eq!(fields, format!(r#"{expected}"spans_":-1,"message__":"\"x\\u{{1b}}\\n\"""#));
        let spans = r#""vintner::cli::logging::json::tests","spans":[{"account":"acme","name":"pass"}]}"#;
        assert_eq!(end, format!("{spans}\n"));
    }
}
