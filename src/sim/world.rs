//! What a simulated world is like: how big, how lively, how odd, and how the service in front of it behaves.

use serde::{Deserialize, Deserializer};

use crate::clock::Millis;
use crate::secret::Secret;
use crate::sim::date::DateHeader;
use crate::sim::failure::ErrorBody;
use crate::sim::fault::Faults;
use crate::sim::right::{Entity, MissingRight};

/// Everything that decides a world. The same options and the same clock times give the same world and the same answers.
///
/// Readable from JSON; what is left out has the value of [`Options::default`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Decides every draw.
    pub seed: u64,
    /// When the live part of the world begins; everything before is history. 0: the clock's time when the world is made.
    pub start: Millis,
    /// Number of sites. From three on, the last two are the on-demand site and the system site "Deleted Devices".
    pub sites: u32,
    /// Number of devices, spread over the sites.
    pub devices: u32,
    /// Alerts that are open at the start.
    pub open_alerts: u32,
    /// Alerts that were resolved before the start.
    pub resolved_alerts: u32,
    /// Activity rows from before the start.
    pub activity_history: u32,
    /// How many days the history reaches back.
    pub history_days: u32,

    /// New alerts an hour, on average.
    pub alert_rate_per_hour: f64,
    /// Ends of open alerts an hour, on average.
    pub resolve_rate_per_hour: f64,
    /// Changes of open alerts an hour, on average.
    pub update_rate_per_hour: f64,
    /// Share of new alerts that resolve within seconds.
    pub brief_share: f64,
    /// Share of ends that leave no resolved alert behind: the alert is gone, `/alert/{uid}` answers 404.
    pub vanish_share: f64,
    /// Share of resolved alerts that open again under the same uid after some minutes.
    pub reopen_share: f64,
    /// Share of alerts and activity rows with an odd shape: unknown class, missing context, broken details.
    pub oddity_share: f64,
    /// Activity rows an hour, on average, besides those that portal resolutions and moves cause.
    pub activity_rate_per_hour: f64,
    /// Longest time between an activity row's `date` and the moment when it can be read.
    pub activity_delay_max_ms: u64,
    /// Inventory changes an hour, on average: postures, moves, renames, new and removed devices, new sites.
    pub inventory_rate_per_hour: f64,

    /// Platform name, for portal links.
    pub platform: String,
    /// The account's own uid.
    pub account_uid: String,
    /// The account's name.
    pub account_name: String,
    /// API key that a login must show.
    #[serde(deserialize_with = "secret")]
    pub api_key: Secret,
    /// API secret key that a login must show.
    #[serde(deserialize_with = "secret")]
    pub api_secret: Secret,
    /// How long a token works.
    pub token_lifetime_seconds: u32,
    /// Status of a refused login: 400 is likely, 401 was measured (datto-rmm-api.md section 2).
    pub login_failure_status: u16,

    /// Requests that a rolling minute admits.
    pub request_limit: u32,
    /// Requests a minute by other integrations on the same account.
    pub foreign_rate_per_minute: u32,
    /// Refused requests (429) in a rolling minute, above which the address is blocked.
    pub block_after: u32,
    /// How long a block lasts.
    pub block_seconds: u32,
    /// What a 429 says about waiting.
    pub retry_after: RetryAfter,

    /// Largest page. A larger `size` is capped silently; for a larger `max` see `large_max`.
    pub page_cap: u32,
    /// Page size of the activity log without `size`.
    pub activity_default_size: u32,
    /// Lists whose pages carry `totalCount`.
    pub total_count: Vec<List>,
    /// Order of the open alerts.
    pub open_order: Order,
    /// Order of the resolved alerts.
    pub resolved_order: Order,
    /// How many resolved alerts the list shows at most; 0: all.
    pub resolved_limit: u32,
    /// Query parameters that `nextPageUrl` forgets.
    pub dropped_parameters: Vec<String>,
    /// How the last page of the activity log that has rows ends.
    pub activity_last_page: LastPage,
    /// What a page of the activity log without rows says about its next page.
    pub activity_empty_page: EmptyPage,
    /// How a cursor of two values stands in an address.
    pub search_after: SearchAfter,
    /// What stands in a page instead of the address of a neighbor that it does not have.
    pub missing_url: MissingUrl,
    /// What becomes of a `max` above `page_cap`.
    pub large_max: LargeMax,
    /// What an executed webhook leaves in an alert's response actions.
    pub webhook_description: WebhookDescription,
    /// Whether an alert shows the site where its device is now, or the one where it was when the alert opened.
    pub alert_site: AlertSite,
    /// What goes wrong.
    pub faults: Faults,
    /// Kinds of activity rows that the API user may read; the others are not in its log.
    pub activity_entities: Vec<Entity>,
    /// What a call gets that asks for nothing but those others.
    pub missing_right: MissingRight,
    /// Devices that the account's device list leaves out, the earliest first. Look-ups, sites and the account know them.
    pub unlisted_devices: u32,
    /// Whether the `totalCount` of that list counts them.
    pub unlisted_are_counted: bool,
    /// Form of error bodies.
    pub error_body: ErrorBody,
    /// What the `Date` header of answers says.
    pub date: DateHeader,
}

/// Order of an alert list. The real one is undocumented (datto-rmm-api.md section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Latest first.
    Newest,
    /// Earliest first.
    Oldest,
    /// Neither, but stable.
    Shuffled,
}

/// The lists that the service serves in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// Sites.
    Sites,
    /// Devices.
    Devices,
    /// Portal users.
    Users,
    /// Open alerts.
    OpenAlerts,
    /// Resolved alerts.
    ResolvedAlerts,
    /// The activity log.
    Activities,
}

/// What a 429 says about waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Seconds until the window has room.
    Seconds,
    /// The same as an HTTP date.
    Date,
    /// No `Retry-After`.
    None,
    /// A number that nobody should believe.
    Absurd,
}

/// How the last page of the activity log that has rows ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastPage {
    /// It names no next page.
    NullUrl,
    /// `nextPageUrl` leads to an empty page. This is the form that was measured (datto-rmm-api.md section 10).
    EmptyPage,
}

/// What an empty page of the activity log says about its next page, which nobody has published (datto-rmm-api.md section 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyPage {
    /// There is none: see [`Options::missing_url`].
    NoUrl,
    /// It is the page itself.
    Itself,
    /// Its address holds no cursor, since there is no last row to make one from.
    WithoutCursor,
}

/// How a cursor of two values stands in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchAfter {
    /// One `searchAfter` with both values, separated by a comma.
    Joined,
    /// One `searchAfter` for each value. An address with only one of them is refused.
    Repeated,
}

/// What stands in a page instead of the address of a neighbor that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingUrl {
    /// Null.
    Null,
    /// The empty text.
    Blank,
    /// Nothing: the key is missing.
    Absent,
}

/// What becomes of a `max` above the largest page; both were measured (datto-rmm-api.md section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LargeMax {
    /// It counts as the largest page.
    Capped,
    /// It is answered with 400.
    Refused,
}

/// What an executed webhook leaves in the `description` of its response action. The portal shows the rendered payload; whether
/// the API gives it there is unknown (datto-rmm-api.md section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookDescription {
    /// A fixed text.
    Short,
    /// The rendered payload, with a token of the service that the webhook calls.
    Payload,
    /// The same, cut off in the middle of the token.
    CutPayload,
}

/// Which site an alert shows after its device has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertSite {
    /// The one where it opened.
    AtOpening,
    /// The one where its device is now.
    OfDevice,
}

impl Options {
    /// A lively provider with some ten customers, for `vintner demo`: something happens every few seconds.
    pub fn demo() -> Self {
        Self {
            sites: 12,
            devices: 90,
            open_alerts: 60,
            resolved_alerts: 90,
            activity_history: 250,
            history_days: 2,
            alert_rate_per_hour: 900.0,
            resolve_rate_per_hour: 880.0,
            update_rate_per_hour: 400.0,
            activity_rate_per_hour: 1800.0,
            activity_delay_max_ms: 10_000,
            inventory_rate_per_hour: 2400.0,
            ..Self::default()
        }
    }

    /// A world where nothing happens by itself, without oddities: for tests that cause every event themselves.
    pub fn quiet() -> Self {
        Self {
            sites: 4,
            devices: 12,
            open_alerts: 0,
            resolved_alerts: 0,
            activity_history: 0,
            alert_rate_per_hour: 0.0,
            resolve_rate_per_hour: 0.0,
            update_rate_per_hour: 0.0,
            reopen_share: 0.0,
            oddity_share: 0.0,
            activity_rate_per_hour: 0.0,
            inventory_rate_per_hour: 0.0,
            ..Self::default()
        }
    }

    /// An account with `open_alerts` open alerts, most of them never looked at (30,410 were seen, datto-rmm-api.md section 8.1).
    pub fn large(open_alerts: u32) -> Self {
        Self {
            sites: 280,
            devices: 6_000,
            open_alerts,
            resolved_alerts: 1_500,
            activity_history: 20_000,
            alert_rate_per_hour: 600.0,
            resolve_rate_per_hour: 600.0,
            update_rate_per_hour: 300.0,
            activity_rate_per_hour: 2_000.0,
            ..Self::default()
        }
    }
}

/// A mid-sized provider on an ordinary day.
impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            start: Millis(0),
            sites: 20,
            devices: 150,
            open_alerts: 40,
            resolved_alerts: 120,
            activity_history: 400,
            history_days: 20,
            alert_rate_per_hour: 30.0,
            resolve_rate_per_hour: 30.0,
            update_rate_per_hour: 20.0,
            brief_share: 0.08,
            vanish_share: 0.04,
            reopen_share: 0.02,
            oddity_share: 0.05,
            activity_rate_per_hour: 60.0,
            activity_delay_max_ms: 240_000,
            inventory_rate_per_hour: 4.0,
            platform: "merlot".to_owned(),
            account_uid: "ab1c0002".to_owned(),
            account_name: "Simulated Managed Services".to_owned(),
            api_key: Secret::new("SIMULATEDKEY0001"),
            api_secret: Secret::new("simulated+secret/0001&="),
            token_lifetime_seconds: 360_000,
            login_failure_status: 400,
            request_limit: 600,
            foreign_rate_per_minute: 0,
            block_after: 20,
            block_seconds: 300,
            retry_after: RetryAfter::Seconds,
            page_cap: 250,
            activity_default_size: 28,
            total_count: vec![List::Sites, List::Devices, List::Users],
            open_order: Order::Newest,
            resolved_order: Order::Newest,
            resolved_limit: 0,
            dropped_parameters: ["muted", "size", "from", "until", "order"].map(str::to_owned).to_vec(),
            activity_last_page: LastPage::EmptyPage,
            activity_empty_page: EmptyPage::NoUrl,
            search_after: SearchAfter::Joined,
            missing_url: MissingUrl::Null,
            large_max: LargeMax::Capped,
            webhook_description: WebhookDescription::Short,
            alert_site: AlertSite::AtOpening,
            faults: Faults::default(),
            activity_entities: vec![Entity::Device, Entity::User],
            missing_right: MissingRight::Hidden,
            unlisted_devices: 0,
            unlisted_are_counted: true,
            error_body: ErrorBody::ErrorMessage,
            date: DateHeader::Right,
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(|text| Secret::new(&text))
}
