//! The platforms of a simulation, drawn by its seed: sites, devices, how lively they are, and every form that answers may have.

use fastrand::Rng;

use crate::clock::{Clock, Millis};
use crate::secret::Secret;
use crate::sim::Sim;
use crate::sim::failure::ErrorBody;
use crate::sim::fault::{Fault, Rule};
use crate::sim::world::{
    AlertSite, EmptyPage, LargeMax, LastPage, List, MissingUrl, Options, Order, RetryAfter, SearchAfter,
    WebhookDescription,
};

/// When simulations begin.
pub(crate) const START: Millis = Millis(1_795_212_000_000);

fn one<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    *rng.choice(all).unwrap()
}

/// The platform of account number `number`.
pub(crate) fn platform(rng: &mut Rng, number: u64, uid: &str, clock: &Clock) -> Sim {
    let lively = one(rng, &[0.2, 1.0, 1.0, 3.0]);
    // A refused `max` is refused above the largest page that was measured.
    let (large_max, page_cap) =
        one(rng, &[(LargeMax::Capped, 7), (LargeMax::Capped, 25), (LargeMax::Capped, 250), (LargeMax::Refused, 250)]);
    let options = Options {
        seed: rng.u64(..),
        start: START,
        sites: rng.u32(2..7),
        devices: rng.u32(3..10),
        open_alerts: rng.u32(0..10),
        resolved_alerts: one(rng, &[0, 5, 10, 30]),
        activity_history: rng.u32(0..25),
        history_days: rng.u32(1..4),
        alert_rate_per_hour: 20.0 * lively,
        resolve_rate_per_hour: 20.0 * lively,
        update_rate_per_hour: 20.0 * lively,
        brief_share: one(rng, &[0.0, 0.1, 0.3]),
        vanish_share: one(rng, &[0.0, 0.05, 0.2]),
        reopen_share: one(rng, &[0.0, 0.02, 0.1]),
        oddity_share: one(rng, &[0.0, 0.05, 0.2]),
        activity_rate_per_hour: 40.0 * lively,
        activity_delay_max_ms: one(rng, &[0, 30_000, 200_000]),
        inventory_rate_per_hour: 12.0 * lively,
        account_uid: uid.to_owned(),
        account_name: format!("Simulated {number}"),
        api_key: Secret::new("KEY"),
        api_secret: Secret::new("SECRET"),
        token_lifetime_seconds: one(rng, &[600, 360_000]),
        foreign_rate_per_minute: one(rng, &[0, 0, 100]),
        retry_after: one(rng, &[RetryAfter::Seconds, RetryAfter::Date, RetryAfter::None, RetryAfter::Absurd]),
        block_seconds: rng.u32(10..60),
        page_cap,
        total_count: one(rng, &[&[][..], &[List::Sites, List::Devices], &[List::OpenAlerts, List::Activities]])
            .to_vec(),
        open_order: one(rng, &[Order::Newest, Order::Oldest, Order::Shuffled]),
        resolved_order: one(rng, &[Order::Newest, Order::Oldest, Order::Shuffled]),
        activity_last_page: one(rng, &[LastPage::NullUrl, LastPage::EmptyPage]),
        activity_empty_page: one(rng, &[EmptyPage::NoUrl, EmptyPage::Itself, EmptyPage::WithoutCursor]),
        search_after: one(rng, &[SearchAfter::Joined, SearchAfter::Repeated]),
        missing_url: one(rng, &[MissingUrl::Null, MissingUrl::Blank, MissingUrl::Absent]),
        large_max,
        webhook_description: one(
            rng,
            &[WebhookDescription::Short, WebhookDescription::Payload, WebhookDescription::CutPayload],
        ),
        alert_site: one(rng, &[AlertSite::AtOpening, AlertSite::OfDevice]),
        unlisted_devices: one(rng, &[0, 0, 2]),
        unlisted_are_counted: rng.bool(),
        error_body: one(rng, &[ErrorBody::ErrorMessage, ErrorBody::Message]),
        ..Options::default()
    };
    Sim::new(options, clock.clone())
}

/// A fault of the API that passes by itself.
pub(crate) fn fault(rng: &mut Rng) -> Rule {
    let path = one(
        rng,
        &[
            "",
            "/api/v2/account/alerts/open",
            "/api/v2/account/alerts/resolved",
            "/api/v2/activity-logs",
            "/api/v2/account/devices",
            "/api/v2/account/sites",
            "/auth/oauth/token",
        ],
    );
    let kind = one(
        rng,
        &[
            Fault::Status,
            Fault::Html,
            Fault::Empty,
            Fault::Reset,
            Fault::Unauthorized,
            Fault::BlockHtml,
            Fault::TooMany,
            Fault::Truncate,
            Fault::SlowAnswer,
            Fault::ActivityError,
            Fault::NextSame,
            Fault::NextElsewhere,
            Fault::EmptyPage,
            Fault::NoTotalCount,
            Fault::MissingRow,
            Fault::RepeatedRow,
            Fault::ItemNoObject,
            Fault::ItemWithoutId,
        ],
    );
    // A refused login is tried again only slowly, so it is not among what passes by itself.
    let path = if kind == Fault::Unauthorized { "/api/v2/account/alerts" } else { path };
    let mut rule = Rule::new(kind).on(path).times(rng.u32(1..6));
    rule.after = rng.u32(0..4);
    rule.millis = Some(rng.u64(100..40_000));
    rule
}
