//! Random histories of one alert: nothing is told twice, whatever the lists show.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn any_sighting() -> impl Strategy<Value = Sighting> {
    let opened = prop_oneof![4 => Just(open()), 1 => Just(open_with("Low")), 1 => Just(open_with("Critical"))];
    let resolved = proptest::option::of(1_990..2_020_i64).prop_map(|on| sighting(Seen::Resolved, on));
    prop_oneof![2 => opened, 2 => resolved, 1 => Just(vanished())]
}

proptest! {
    #[test]
    fn no_history_tells_anything_twice(
        sightings in proptest::collection::vec(any_sighting(), 1..30),
        cut in prop_oneof![Just(0), Just(2_000)],
        updates in prop_oneof![Just(Updates::All), Just(Updates::State), Just(Updates::Off)],
        clock in proptest::collection::vec(1_980..2_030_i64, 30),
    ) {
        let mut history = History::new(Rules { cut: Millis(cut), updates });
        let mut told = Vec::new();
        for (sighting, now) in sightings.into_iter().zip(clock) {
            let sighting = Sighting { received_at: Millis(now), ..sighting };
            told.extend(history.see(&sighting));
            if let Some(again) = history.look(&sighting) {
                prop_assert!(again.records.is_empty(), "told again: {:?}", again.records);
                prop_assert_eq!(Some(again.told), history.state.clone());
            }
        }
        let ids: HashSet<_> = told.iter().map(|record| record.envelope.event_id()).collect();
        prop_assert_eq!(ids.len(), told.len(), "{:?}", told.iter().map(|r| &r.envelope.marker).collect::<Vec<_>>());
        if cut <= OPENED.0 {
            prop_assert_eq!(told.first().map(|record| &record.envelope.marker), Some(&Marker::Open));
        }
    }
}
