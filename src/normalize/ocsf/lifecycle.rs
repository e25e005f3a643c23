//! Whether an inventory item is there: seen in a list, or found gone by a look-up.

use super::choice::{Choice, OTHER};
use super::event::Draft;
use super::scope::Scope;
use crate::record::Marker;

/// Whether the record says that its item is gone.
pub(crate) fn is_gone(scope: &Scope<'_>) -> bool {
    matches!(scope.envelope.marker, Marker::Vanished(_))
}

/// The status of an item's event. One that is gone has the status that a vanished alert has (event-schema.md section 6): why it is
/// gone, nobody says.
pub(crate) fn tell(draft: &mut Draft<'_>, scope: &Scope<'_>) {
    if is_gone(scope) {
        draft.status = Some(Choice { id: OTHER, caption: "Vanished".into() });
        draft.status_detail = Some("no longer listed, and not found by its uid".to_owned());
        draft.message = format!("{}: no longer there", draft.message);
    } else {
        draft.status = Some(Choice::of(draft.class.statuses, 1));
    }
}
