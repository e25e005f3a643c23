//! Which events of a batch may travel beside each other: those of one alert, and those of one device, never do.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};

use crate::event::Event;

/// Bytes of events that are worth a request of their own.
const WORTH: usize = 64 * 1024;

/// Deals `events` out to at most `most` lanes, each a list of ascending indexes. Events that share an ordering key
/// ([`crate::event::Pivots::order_keys`]), also over others, are in one lane.
pub(super) fn lanes(events: &[Event], most: usize) -> Vec<Vec<usize>> {
    let total: usize = events.iter().map(|event| event.json.len()).sum();
    let count = (total / WORTH).clamp(1, most.max(1));
    let mut dealt = vec![(0_usize, Vec::new()); count];
    // The largest first, each to the lane that has least.
    let mut groups: Vec<Group> = if count > 1 { groups(events) } else { vec![Group::whole(events)] };
    groups.sort_by_key(|group| Reverse(group.bytes));
    for group in groups {
        if let Some((bytes, members)) = dealt.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes = bytes.saturating_add(group.bytes);
            members.extend(group.members);
        }
    }
    let lanes = dealt.into_iter().map(|(_, mut members)| {
        members.sort_unstable();
        members
    });
    lanes.filter(|members| !members.is_empty()).collect()
}

/// Events that must stay in order.
#[derive(Default)]
struct Group {
    bytes: usize,
    members: Vec<usize>,
}

impl Group {
    fn whole(events: &[Event]) -> Self {
        Self { bytes: 0, members: (0..events.len()).collect() }
    }
}

/// The events that are linked by equal keys, in the order of their first.
fn groups(events: &[Event]) -> Vec<Group> {
    let mut links = Links { earlier: (0..events.len()).collect() };
    let mut holders: HashMap<&str, usize> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        for key in event.pivots.order_keys() {
            match holders.entry(key) {
                Entry::Vacant(vacant) => drop(vacant.insert(index)),
                Entry::Occupied(holder) => links.join(*holder.get(), index),
            }
        }
    }
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let group = groups.entry(links.first(index)).or_default();
        group.bytes = group.bytes.saturating_add(event.json.len());
        group.members.push(index);
    }
    groups.into_values().collect()
}

/// For each event an earlier one of its group, or itself if it is the first.
struct Links {
    earlier: Vec<usize>,
}

impl Links {
    fn first(&self, mut index: usize) -> usize {
        while let Some(earlier) = self.earlier.get(index).copied().filter(|earlier| *earlier != index) {
            index = earlier;
        }
        index
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        if let Some(later) = self.earlier.get_mut(one.max(other)) {
            *later = one.min(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sink::lines::tests::event;

    fn of(subject: u8, device: Option<u8>, bytes: usize) -> Event {
        let mut event = event(&"x".repeat(bytes));
        event.pivots.subject = format!("s{subject}");
        event.pivots.device_uid = device.map(|device| format!("d{device}"));
        event
    }

    #[test]
    fn a_chain_of_alerts_and_devices_is_one_lane_and_the_rest_is_dealt_out() {
        let chain = [of(1, Some(1), WORTH), of(2, Some(2), WORTH), of(1, Some(2), WORTH)];
        assert_eq!(lanes(&chain, 4), [[0, 1, 2]]);
        let apart = [of(1, Some(1), WORTH), of(2, Some(2), WORTH), of(3, None, WORTH), of(2, Some(2), WORTH)];
        assert_eq!(lanes(&apart, 4).len(), 3);
        assert_eq!(lanes(&apart, 1), [[0, 1, 2, 3]]);
        assert_eq!(lanes(&[], 4).len(), 0);
    }

    #[test]
    fn a_few_small_events_are_one_request() {
        let few: Vec<_> = (0..20).map(|number| of(number, None, 100)).collect();
        assert_eq!(lanes(&few, 8).len(), 1);
    }

    proptest! {
        #[test]
        fn every_event_is_in_one_lane_and_no_key_is_in_two(
            drawn in prop::collection::vec((0_u8..40, prop::option::of(0_u8..20)), 0..120), most in 0_usize..9,
        ) {
            let events: Vec<_> = drawn.iter().map(|(subject, device)| of(*subject, *device, WORTH / 4)).collect();
            let lanes = lanes(&events, most);
            prop_assert!(lanes.len() <= most.max(1));
            let mut all = lanes.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..events.len()).collect::<Vec<_>>());
            let mut seen: HashMap<&str, usize> = HashMap::new();
            for (number, lane) in lanes.iter().enumerate() {
                prop_assert!(lane.is_sorted());
                for key in lane.iter().flat_map(|index| events[*index].pivots.order_keys()) {
                    prop_assert_eq!(*seen.entry(key).or_insert(number), number, "{} is in two lanes", key);
                }
            }
        }
    }
}
