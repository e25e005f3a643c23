//! Which topic an event goes to (contract.md section 2, `topic`).

use super::TopicPart;
use crate::event::{Event, Pivots};

/// Longest topic name that Kafka takes.
const MAX_NAME: usize = 249;
/// OCSF's names of its categories, by number from 1: the thousands of a class number.
const CATEGORIES: [&str; 8] =
    ["system", "findings", "iam", "network", "discovery", "application", "remediation", "unmanned_systems"];

/// The topic of an event; an error is a reason to refuse the event.
pub(super) fn topic_of(parts: &[TopicPart], event: &Event) -> Result<String, String> {
    let mut name = String::new();
    for part in parts {
        match part {
            TopicPart::Text(text) => name.push_str(text),
            TopicPart::Org => push_value(&mut name, &event.pivots.tenant_uid),
            TopicPart::Account => push_value(&mut name, &event.pivots.account_uid),
            TopicPart::Category => push_value(&mut name, category(&event.pivots)),
            TopicPart::Class => push_value(&mut name, event.pivots.class_name),
            TopicPart::Stream => push_value(&mut name, event.pivots.stream.as_str()),
        }
    }
    if name.len() > MAX_NAME {
        return Err(format!("its topic would have a name of {} characters, over {MAX_NAME}", name.len()));
    }
    Ok(name)
}

/// The one topic, if the template names no value.
pub(super) fn fixed(parts: &[TopicPart]) -> Option<&str> {
    match parts {
        [TopicPart::Text(name)] => Some(name),
        _ => None,
    }
}

fn category(pivots: &Pivots) -> &'static str {
    let number = usize::try_from(pivots.class_uid / 1000).unwrap_or(0);
    number.checked_sub(1).and_then(|index| CATEGORIES.get(index)).copied().unwrap_or("other")
}

/// Bytes that a topic name cannot hold, and `_` itself, become `_XX`: two values never share a topic.
fn push_value(name: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("_{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::lines::tests::event;

    #[test]
    fn values_are_written_so_that_no_two_share_a_topic() {
        let parts = [
            TopicPart::Text("soc.".into()),
            TopicPart::Org,
            TopicPart::Text("_".into()),
            TopicPart::Category,
            TopicPart::Class,
            TopicPart::Stream,
        ];
        let mut event = event("{}");
        event.pivots.tenant_uid = "a_b/ü".into();
        let name = topic_of(&parts, &event).unwrap();
        assert_eq!(name, "soc.a_5Fb_2F_C3_BC_findingsdetection_5Ffindingalerts");
        event.pivots.tenant_uid = "x".repeat(250);
        assert!(topic_of(&parts, &event).is_err());
    }
}
