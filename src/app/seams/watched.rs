//! The simulated platforms as one transport, and a book of everything that their answers showed to the run.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::time::Instant;

use crate::app::seams::trap::Trap;
use crate::app::simulated::Simulated;
use crate::clock::Clock;
use crate::datto::{Request, Response, Transport, TransportError};

/// Which list showed an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum List {
    Open,
    Resolved,
    Activity,
    Devices,
    Sites,
    LookedUp,
}

/// One state of an item as answers showed it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) list: List,
    pub(crate) first: Instant,
    pub(crate) item: Value,
}

/// Every item that was shown: the account's uid and the item's id, and its states in order.
pub(crate) type Book = BTreeMap<(String, String), Vec<Shown>>;

/// Carries requests to the platform whose host they name. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// By host: the account's uid and its platform.
    platforms: Arc<BTreeMap<String, (String, Simulated)>>,
    /// The platforms' time.
    clock: Clock,
    book: Arc<Mutex<Book>>,
    trap: Trap,
}

impl Watched {
    pub(crate) fn new(platforms: BTreeMap<String, (String, Simulated)>, clock: Clock, trap: Trap) -> Self {
        Self { platforms: Arc::new(platforms), clock, book: Arc::default(), trap }
    }

    /// What was shown until now.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, account: &str, path: &str, body: &[u8]) {
        let Some((list, items, id)) = list_of(path) else { return };
        let Ok(page) = serde_json::from_slice::<Value>(body) else { return };
        let mut book = self.book();
        let items = if items.is_empty() {
            std::slice::from_ref(&page)
        } else {
            page[items].as_array().map_or(&[][..], Vec::as_slice)
        };
        for item in items {
            let Some(id) = item[id].as_str() else { continue };
            let states = book.entry((account.to_owned(), id.to_owned())).or_default();
            if states.last().is_none_or(|last| last.list != list || last.item != *item) {
                states.push(Shown { list, first: Instant::now(), item: item.clone() });
            }
        }
    }
}

/// The list at a path: where its items stand in a page, and where the id stands in an item (datto-rmm-api.md).
fn list_of(path: &str) -> Option<(List, &'static str, &'static str)> {
    Some(match path {
        "/api/v2/account/alerts/open" => (List::Open, "alerts", "alertUid"),
        "/api/v2/account/alerts/resolved" => (List::Resolved, "alerts", "alertUid"),
        "/api/v2/activity-logs" => (List::Activity, "activities", "id"),
        "/api/v2/account/devices" => (List::Devices, "devices", "uid"),
        "/api/v2/account/sites" => (List::Sites, "sites", "uid"),
        // Looked up by itself: the answer is the item.
        _ if path.starts_with("/api/v2/alert/") => (List::LookedUp, "", "alertUid"),
        _ if path.starts_with("/api/v2/device/") => (List::LookedUp, "", "uid"),
        _ if path.starts_with("/api/v2/site/") => (List::LookedUp, "", "uid"),
        _ => return None,
    })
}

impl Transport for Watched {
    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>> {
        Box::pin(async move {
            self.trap.visit().await;
            let (host, path) = (request.url.host_str().unwrap_or_default().to_owned(), request.url.path().to_owned());
            let Some((account, platform)) = self.platforms.get(&host) else {
                return Err(TransportError::Broken(format!("nobody is at {host}")));
            };
            let mut answer = platform.send(request).await?;
            let now = jiff::Timestamp::from_millisecond(self.clock.now().0).unwrap();
            answer.date = Some(now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
            self.trap.visit().await;
            if answer.status == 200 {
                self.note(account, &path, &answer.body);
            }
            Ok(answer)
        })
    }
}
