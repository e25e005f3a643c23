//! The open pass: `/v2/account/alerts/open`, to its end.

use std::collections::HashSet;

use crate::collect::alerts::look::Rules;
use crate::collect::alerts::page::{Shown, take};
use crate::collect::source::{PassError, Source};
use crate::datto::lane::Lane;
use crate::datto::page::PageRequest;
use crate::journal::Seen;

const PATH: &str = "/v2/account/alerts/open";

/// What a walk over the open list saw.
#[derive(Debug, Default)]
pub struct OpenWalk {
    /// Every uid.
    pub seen: HashSet<String>,
    /// Whether the list was read to its end. Only then does absence mean anything.
    pub is_complete: bool,
    /// Whether rows moved between its pages, so that some may have slipped through.
    pub moved: bool,
    /// Requests that it cost.
    pub requests: u64,
}

/// Walks the list once.
pub async fn walk(source: &Source, rules: Rules) -> Result<OpenWalk, PassError> {
    let mut walk = OpenWalk::default();
    let mut visited = HashSet::new();
    let mut next = Some(PageRequest::list(PATH, "alerts"));
    let mut has_news = false;
    while let Some(request) = next {
        if !visited.insert(request.key()) {
            tracing::warn!(account = source.account.name, "the open-alert list links back to a page already read");
            walk.moved = true;
            return Ok(walk);
        }
        let answer = source.client.page(Lane::Alerts, &request).await?;
        walk.requests += 1;
        let shown = Shown { path: PATH.to_owned(), seen: Seen::Open, received_at: answer.received_at, items: answer.items };
        let page = take(source, rules, shown).await?;
        has_news |= page.has_news;
        for uid in page.uids {
            walk.moved |= !walk.seen.insert(uid);
        }
        next = answer.next;
    }
    walk.is_complete = true;
    // What changed the set may have shifted rows past us. A list of one page cannot shift.
    walk.moved |= has_news && walk.requests > 1;
    Ok(walk)
}
