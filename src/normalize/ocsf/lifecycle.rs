//! Whether an inventory item is there: seen in a list, or found gone by a look-up.

use super::choice::{Choice, OTHER};
use super::event::Draft;
use super::lens;
use super::scope::Scope;
use crate::normalize::lens::Facts;
use crate::record::Marker;

/// Whether the record says that its item is gone.
pub(crate) fn is_gone(scope: &Scope<'_>) -> bool {
    matches!(scope.envelope.marker, Marker::Vanished(_))
}

/// Asks the lens about an item that is gone.
fn mark<'a>(draft: &mut Draft<'a>, scope: &Scope<'a>) {
    let class = format!("{}.vanished", scope.envelope.kind.as_str());
    let no_details = |_: &str| Vec::new();
    let hits = scope.options().lens.hits(&Facts::of_inventory(&class, &no_details));
    lens::mark(draft, &hits, scope);
}

/// The status of an item's event. One that is gone has the status that a vanished alert has (event-schema.md section 6): why it is
/// gone, nobody says.
pub(crate) fn tell<'a>(draft: &mut Draft<'a>, scope: &Scope<'a>) {
    if is_gone(scope) {
        draft.status = Some(Choice { id: OTHER, caption: "Vanished".into() });
        draft.status_detail = Some("no longer listed, and not found by its uid".to_owned());
        draft.message = format!("{}: no longer there", draft.message);
        mark(draft, scope);
    } else {
        draft.status = Some(Choice::of(draft.class.statuses, 1));
    }
}
