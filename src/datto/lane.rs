//! Who goes first when the budget is short.

/// The lane of a call. Earlier ones go first; how later ones never starve is told in the budget's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Tokens, the probe of a blocked platform and the API's own count: without them nothing else goes.
    Token,
    /// Passes over the alert lists.
    Alerts,
    /// Windows of the activity log.
    Activity,
    /// Look-ups of single alerts, and inventory.
    Lookup,
    /// Back-fill.
    Backfill,
}

impl Lane {
    /// All lanes, the first to go first.
    pub const ALL: [Self; 5] = [Self::Token, Self::Alerts, Self::Activity, Self::Lookup, Self::Backfill];

    /// The name for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Alerts => "alerts",
            Self::Activity => "activity",
            Self::Lookup => "lookup",
            Self::Backfill => "backfill",
        }
    }
}
