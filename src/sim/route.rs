//! The API's endpoints: which answer a call gets from the world as it is now.

use serde_json::{Value, json};

use crate::sim::alerts::State;
use crate::sim::call::{Call, Endpoint, Scope};
use crate::sim::life::World;
use crate::sim::list;
use crate::sim::log;
use crate::sim::page::{Page, Shown};
use crate::sim::right;
use crate::sim::shape;
use crate::sim::world::List;

/// An answer before faults and before it is written.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A status and a body.
    Json(u16, Value),
    /// A single record, with a note of what it showed.
    Record(Value, Shown),
    /// A page of a list.
    Page(Page),
}

/// Answers a call whose token is good. `used` is the number of requests in the window, for `request_rate`.
pub(crate) fn answer(world: &World, endpoint: &Endpoint, call: &Call, used: usize) -> Answer {
    let page = match endpoint {
        Endpoint::Token | Endpoint::Status => return status(world),
        Endpoint::RequestRate => return Answer::Json(200, request_rate(world, used)),
        Endpoint::Pagination => return Answer::Json(200, json!({"max": world.options.page_cap})),
        Endpoint::Account => return Answer::Json(200, shape::account::account(world)),
        Endpoint::Site(uid) => return one_site(world, uid),
        Endpoint::Device(uid) => return one_device(world, world.estate.device_of_uid(uid)),
        Endpoint::DeviceOfId(id) => {
            return one_device(world, id.parse().ok().and_then(|id| world.estate.device_of_id(id)));
        }
        Endpoint::Alert(uid) => return one_alert(world, uid),
        Endpoint::Sites => list::sites(world, call),
        Endpoint::Devices => list::devices(world, call, None),
        Endpoint::SiteDevices(uid) => match world.estate.site_of_uid(uid) {
            Some(site) => list::devices(world, call, Some(site)),
            None => return failure(world, 404, "site not found"),
        },
        Endpoint::Users => list::users(world, call),
        Endpoint::Open(scope) | Endpoint::Resolved(scope) if !exists(world, scope) => {
            return failure(world, 404, "site or device not found");
        }
        Endpoint::Open(scope) => list::alerts(world, call, scope, List::OpenAlerts),
        Endpoint::Resolved(scope) => list::alerts(world, call, scope, List::ResolvedAlerts),
        Endpoint::Activity => match right::refusal(world, call) {
            Some(refusal) => return refusal,
            None => log::page(world, call),
        },
    };
    page.map_or_else(|problem| failure(world, 400, &problem), Answer::Page)
}

/// An error as JSON.
pub(crate) fn failure(world: &World, status: u16, message: &str) -> Answer {
    Answer::Json(status, world.options.error_body.of(status, message))
}

/// The one endpoint of the API that needs no token.
fn status(world: &World) -> Answer {
    let started = world.now.0 - world.now.0.rem_euclid(86_400_000);
    Answer::Json(200, json!({"version": "2.0.0 (Build 201)", "status": "OK", "started": started}))
}

fn request_rate(world: &World, used: usize) -> Value {
    json!({
        "slidingTimeWindowSizeSeconds": 60,
        "accountUid": world.options.account_uid,
        "accountCount": used,
        "accountRateLimit": world.options.request_limit,
        "accountCutOffRatio": 0.9,
        "accountWriteRateLimit": 600,
        "accountWriteCount": 0,
        "operationWriteStatus": {
            "alert-resolve": {"limit": 100, "count": 0},
            "device-move": {"limit": 100, "count": 0},
            "device-udf-set": {"limit": 600, "count": 0},
        },
    })
}

fn one_site(world: &World, uid: &str) -> Answer {
    let Some(place) = world.estate.site_of_uid(uid) else { return failure(world, 404, "site not found") };
    match world.estate.site(place).filter(|site| !site.removed) {
        Some(site) => {
            Answer::Record(shape::account::site(world, site, list::site_devices(world, place)), Shown::Site(place))
        }
        None => failure(world, 404, "site not found"),
    }
}

fn one_device(world: &World, place: Option<usize>) -> Answer {
    let found = place.and_then(|place| Some((place, world.estate.device(place)?)));
    match found.filter(|(_, device)| !device.removed) {
        Some((place, device)) => Answer::Record(shape::device::device(world, device), Shown::Device(place)),
        None => failure(world, 404, "device not found"),
    }
}

/// Open or resolved alike; a vanished alert is unknown.
fn one_alert(world: &World, uid: &str) -> Answer {
    let Some(place) = world.alerts.of_uid(uid) else { return failure(world, 404, "alert not found") };
    match world.alerts.get(place).filter(|alert| alert.state != State::Vanished) {
        Some(alert) => Answer::Record(shape::alert::alert(world, alert), Shown::Alert(place)),
        None => failure(world, 404, "alert not found"),
    }
}

fn exists(world: &World, scope: &Scope) -> bool {
    match scope {
        Scope::Account => true,
        Scope::Site(uid) => world.estate.site_of_uid(uid).is_some(),
        Scope::Device(uid) => world.estate.device_of_uid(uid).is_some(),
    }
}
