//! Every form that the API may give its lists: whichever a live account shows, nothing is lost and nothing costs more.

use std::time::Duration;

use serde_json::{Value, json};

use vintner::sim::PLANTED;
use vintner::sim::command::{Act, Command};
use vintner::sim::world::{
    EmptyPage, LargeMax, LastPage, MissingUrl, Options as World, SearchAfter, WebhookDescription,
};

use crate::day::{Polling, check_alerts_and_activity};

const MINUTE: Duration = Duration::from_secs(60);
const LOG: &str = "/api/v2/activity-logs";

/// Every form that random simulations may give the API's answers: an option of the simulated world, and its values.
fn forms() -> Vec<(&'static str, Vec<Value>)> {
    let texts = |values: &[&str]| values.iter().map(|value| json!(value)).collect();
    vec![
        ("activity_last_page", texts(&["null_url", "empty_page"])),
        ("activity_empty_page", texts(&["no_url", "itself", "without_cursor"])),
        ("search_after", texts(&["joined", "repeated"])),
        ("missing_url", texts(&["null", "blank", "absent"])),
        ("large_max", texts(&["capped", "refused"])),
        ("activity_entities", vec![json!(["device", "user"]), json!(["device"])]),
        ("error_body", texts(&["error_message", "message"])),
        ("unlisted_devices", vec![json!(0), json!(0), json!(3)]),
        ("unlisted_are_counted", vec![json!(true), json!(false)]),
        ("webhook_description", texts(&["short", "payload", "cut_payload"])),
    ]
}

/// `options` of a simulated world with forms that `seed` draws. An option that is given already stays.
pub(crate) fn drawn(mut options: Value, seed: u64) -> Value {
    let mut random = fastrand::Rng::with_seed(seed);
    for (name, values) in forms() {
        let value = random.choice(values).unwrap();
        if options[name].is_null() {
            options[name] = value;
        }
    }
    println!("simulated world: {options}");
    options
}

/// How the activity log ends: the last page with rows, and the empty page behind it.
const ENDS: [(LastPage, EmptyPage); 4] = [
    (LastPage::NullUrl, EmptyPage::NoUrl),
    (LastPage::EmptyPage, EmptyPage::NoUrl),
    (LastPage::EmptyPage, EmptyPage::Itself),
    (LastPage::EmptyPage, EmptyPage::WithoutCursor),
];

/// Worlds of every combination of forms. Small pages make long lists of a small account.
fn worlds() -> impl Iterator<Item = World> {
    let cursors = [SearchAfter::Joined, SearchAfter::Repeated];
    let urls = [MissingUrl::Null, MissingUrl::Blank, MissingUrl::Absent];
    let sizes = [(LargeMax::Capped, 20), (LargeMax::Refused, 250)];
    let forms = ENDS.into_iter().flat_map(move |end| cursors.map(|cursor| (end, cursor)));
    let forms = forms.flat_map(move |form| urls.map(|url| (form, url)));
    let forms = forms.flat_map(move |form| sizes.map(|size| (form, size)));
    let webhooks = [WebhookDescription::Short, WebhookDescription::Payload, WebhookDescription::CutPayload];
    let forms = forms.zip(webhooks.into_iter().cycle());
    forms.zip(1..).map(|(((((end, search_after), missing_url), (large_max, page_cap)), webhook_description), seed)| {
        World {
            seed,
            webhook_description,
            activity_last_page: end.0,
            activity_empty_page: end.1,
            search_after,
            missing_url,
            large_max,
            page_cap,
            sites: 5,
            devices: 45,
            open_alerts: 45,
            resolved_alerts: 45,
            activity_history: 280,
            history_days: 1,
            alert_rate_per_hour: 60.0,
            resolve_rate_per_hour: 60.0,
            activity_rate_per_hour: 300.0,
            activity_delay_max_ms: 120_000,
            ..World::default()
        }
    })
}

/// Polls for `time`; what an account did until `settled` before the end must be there.
async fn nothing_is_lost(time: Duration, settled: Duration) {
    let (mut count, mut payloads) = (0, 0);
    for world in worlds() {
        let forms = format!("{world:?}");
        let polling = Polling::start(world, "").await;
        polling.pass(time).await;
        let truth = polling.sim.truth();
        let traffic = polling.traffic();
        let held = polling.held().await;
        let records = polling.finish().await;
        let refused: u64 = traffic.paths.values().filter_map(|counts| counts.statuses.get(&400)).sum();
        assert_eq!(refused, 0, "{forms}");
        let settled = truth.now.minus(settled);
        assert!(truth.activities.iter().filter(|row| row.visible_from < settled).count() > 280, "the world lives");
        check_alerts_and_activity(&records, &truth, settled, held);
        let sources = records.iter().map(|record| record.source.get());
        assert_eq!(sources.clone().find(|source| source.contains(PLANTED)), None, "{forms}");
        payloads += sources.filter(|source| source.contains("(removed)")).count();
        count += 1;
    }
    assert_eq!(count, 48);
    assert!(payloads > 100, "webhooks left their payloads: {payloads}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_in_any_combination_of_forms() {
    nothing_is_lost(12 * MINUTE, 6 * MINUTE).await;
}

/// The same for a whole day each.
#[tokio::test(start_paused = true)]
#[ignore = "takes many minutes: cargo test --release --test it -- --ignored forms"]
async fn nothing_is_lost_in_a_day_in_any_combination_of_forms() {
    nothing_is_lost(24 * 60 * MINUTE, 20 * MINUTE).await;
}

/// Rows of the last minutes for two pages: a margin of fifteen minutes is affordable at each pass.
async fn two_pages(end: (LastPage, EmptyPage)) -> Polling {
    let world = World { activity_last_page: end.0, activity_empty_page: end.1, ..World::quiet() };
    let polling = Polling::start(world, "").await;
    polling.pass(20 * MINUTE + MINUTE / 2).await;
    for _ in 0..400 {
        polling.sim.apply(&Command { kind: Act::WriteActivity, ..Command::default() }).unwrap();
    }
    polling
}

/// The page behind the last row makes no window look expensive: a record that appears ten minutes late is found at the next pass.
#[tokio::test(start_paused = true)]
async fn the_empty_page_at_the_end_shortens_no_margin() {
    for end in ENDS {
        let polling = two_pages(end).await;
        polling.pass(3 * MINUTE).await;
        let asked = polling.traffic().paths[LOG].requests;
        let late = Command {
            kind: Act::WriteActivity,
            date_ms: Some(polling.sim.truth().now.minus(10 * MINUTE).0),
            ..Command::default()
        };
        let late = polling.sim.apply(&late).unwrap().uid.unwrap();
        polling.pass(MINUTE).await;
        let requests = polling.traffic().paths[LOG].requests - asked;
        let pages = if end.0 == LastPage::NullUrl { 2 } else { 3 };
        assert_eq!(requests, pages, "{end:?}");
        let records = polling.finish().await;
        assert!(records.iter().any(|record| record.envelope.native_id == late), "{end:?}");
    }
}
