//! Events as lines of text: the form that stdout and files share (event-schema.md section 12).

use crate::event::Event;

/// Events encoded as lines, with the place where each ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// The bytes, each event followed by `\n`.
    pub(crate) bytes: Vec<u8>,
    /// Offset behind each line end, ascending.
    pub(crate) ends: Vec<usize>,
}

impl Lines {
    /// Encodes `events` in order.
    pub(crate) fn encode(events: &[Event]) -> Self {
        let mut lines = Self::default();
        lines.bytes.reserve(events.iter().map(|event| event.json.len() + 1).sum());
        for event in events {
            lines.bytes.extend_from_slice(event.json.as_bytes());
            lines.bytes.push(b'\n');
            lines.ends.push(lines.bytes.len());
        }
        lines
    }

    /// How many whole lines the first `written` bytes hold.
    pub(crate) fn whole(&self, written: usize) -> usize {
        self.ends.partition_point(|end| *end <= written)
    }

    /// What is missing of the line that the first `written` bytes end in; nothing at a line end.
    pub(crate) fn rest_of_line(&self, written: usize) -> &[u8] {
        let is_whole = written == 0 || self.ends.binary_search(&written).is_ok();
        let end = self.ends.get(self.whole(written)).filter(|_| !is_whole);
        end.and_then(|end| self.bytes.get(written..*end)).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::Millis;
    use crate::event::Pivots;
    use crate::record::{EventId, Stream};

    /// An event whose body is `json`.
    pub(crate) fn event(json: &str) -> Event {
        let pivots = Pivots {
            stream: Stream::Alerts,
            tenant_uid: "org".into(),
            tenant_name: None,
            account_uid: "ab1".into(),
            site_uid: None,
            device_uid: None,
            class_uid: 2004,
            class_name: "detection_finding",
            activity_name: "Create".into(),
            activity_id: 1,
            severity_id: 1,
            labels: vec!["operational"],
            time: Millis(0),
            logged_time: Millis(0),
            subject: "s".into(),
        };
        Event { id: EventId(uuid::Uuid::nil()), json: json.into(), pivots, replay: 0 }
    }

    #[test]
    fn a_torn_line_does_not_count() {
        let lines = Lines::encode(&[event("{}"), event("{\"a\":1}")]);
        assert_eq!(lines.bytes, b"{}\n{\"a\":1}\n");
        assert_eq!([0, 2, 3, 10, 11].map(|n| lines.whole(n)), [0, 0, 1, 1, 2]);
        assert_eq!([0, 1, 3, 10, 11].map(|n| lines.rest_of_line(n)), [&b""[..], b"}\n", b"", b"\n", b""]);
    }
}
