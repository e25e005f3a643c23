//! Alerts (datto-rmm-api.md section 8.1).

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::clock::Millis;
use crate::sim::PLANTED;
use crate::sim::alerts::{Alert, Change, State};
use crate::sim::dice::{Topic, chance, weighted};
use crate::sim::life::World;
use crate::sim::names;
use crate::sim::shape::context;
use crate::sim::world::{AlertSite, WebhookDescription};

/// Priorities and how often they occur.
const PRIORITIES: &[(&str, u32)] =
    &[("Information", 46), ("Low", 14), ("Moderate", 18), ("High", 13), ("Critical", 7), ("Unknown", 2)];

/// An alert as it is now.
pub(crate) fn alert(world: &World, alert: &Alert) -> Value {
    let mut rng = world.dice.roll(Topic::Alert, alert.number);
    let odd = chance(&mut rng, world.options.oddity_share);
    let context = draw_context(world, alert, &mut rng, odd);
    let resolved_on = match alert.state {
        State::Resolved(on) => Some(on),
        State::Open | State::Vanished => None,
    };
    // Integers were measured; text is what the contract declares (datto-rmm-api.md section 7).
    let as_text = odd && alert.number.is_multiple_of(5);
    let time = |at: Millis| if as_text { json!(at.to_string()) } else { json!(at.0) };
    let mut json = json!({
        "alertUid": alert.uid.to_string(),
        "priority": priority(alert, &mut rng),
        "diagnostics": diagnostics(alert, &mut rng),
        "resolved": resolved_on.is_some(),
        "resolvedBy": resolved_on.and_then(|_| resolved_by(world, alert)),
        "resolvedOn": resolved_on.map(time),
        "muted": is_muted(world, alert),
        "ticketNumber": ticket(alert),
        "timestamp": time(alert.opened),
        "alertMonitorInfo": monitor(&mut rng),
        "alertSourceInfo": source(world, alert, odd && chance(&mut rng, 0.3)),
        "responseActions": responses(world.options.webhook_description, alert, &mut rng),
        "autoresolveMins": if rng.bool() { Value::Null } else { json!(rng.u16(1..1440)) },
    });
    if let (Value::Object(map), Some(context)) = (&mut json, context) {
        map.insert("alertContext".to_owned(), context);
    }
    json
}

fn draw_context(world: &World, alert: &Alert, rng: &mut Rng, odd: bool) -> Option<Value> {
    // Drawn even when a test has set one, so that the draws after it do not depend on that.
    let drawn = match odd && world.options.oddity_share > 0.0 {
        true => context::odd(rng, alert.opened),
        false => Some(context::draw(rng, alert.opened)),
    };
    alert.custom.as_ref().and_then(|custom| custom.context.clone()).map_or(drawn, Some)
}

/// The legacy flag that the `muted` parameter looks at.
pub(crate) fn is_muted(world: &World, alert: &Alert) -> bool {
    let asked = alert.custom.as_ref().and_then(|custom| custom.muted);
    asked.unwrap_or_else(|| world.dice.hash(Topic::Muted, alert.number).is_multiple_of(50))
}

fn priority(alert: &Alert, rng: &mut Rng) -> String {
    let drawn = weighted(rng, PRIORITIES, |(_, weight)| *weight).map_or("Unknown", |(name, _)| *name);
    let first = alert.custom.as_ref().and_then(|custom| custom.priority.as_deref()).unwrap_or(drawn);
    let changes = alert.count(Change::Priority);
    if changes == 0 {
        return first.to_owned();
    }
    let place = PRIORITIES.iter().position(|(name, _)| *name == first).unwrap_or(0);
    PRIORITIES.iter().cycle().nth(place + changes % PRIORITIES.len()).map_or("Unknown", |(name, _)| *name).to_owned()
}

fn diagnostics(alert: &Alert, rng: &mut Rng) -> Option<String> {
    let drawn = names::diagnostics(rng);
    let first = alert.custom.as_ref().and_then(|custom| custom.diagnostics.clone()).or(drawn);
    match alert.count(Change::Diagnostics) {
        0 => first,
        n => Some(format!("{}\nrun {n}: still failing", first.unwrap_or_default())),
    }
}

fn resolved_by(world: &World, alert: &Alert) -> Option<String> {
    if let Some(by) = alert.custom.as_ref().and_then(|custom| custom.resolved_by.clone()) {
        return Some(by);
    }
    let place = u32::try_from(alert.number).ok()?;
    match world.resolution(place).in_portal_by {
        Some(person) => Some(person.login.to_owned()),
        None if alert.number.is_multiple_of(3) => None,
        None => Some("Auto-resolved".to_owned()),
    }
}

fn ticket(alert: &Alert) -> Option<String> {
    let tickets = alert.count(Change::Ticket);
    (tickets > 0).then(|| format!("T{:06}.{tickets:04}", alert.number))
}

fn monitor(rng: &mut Rng) -> Value {
    match rng.u8(0..20) {
        0 => Value::Null,
        _ => json!({"sendsEmails": rng.bool(), "createsTicket": rng.bool()}),
    }
}

fn source(world: &World, alert: &Alert, without_names: bool) -> Value {
    let device = world.estate.device(alert.device);
    let place = match world.options.alert_site {
        AlertSite::AtOpening => alert.site,
        AlertSite::OfDevice => device.map_or(alert.site, |device| device.site),
    };
    let site = world.estate.site(place);
    let mut source = Map::new();
    source.insert("deviceUid".to_owned(), json!(device.map(|device| &device.uid)));
    source.insert("deviceName".to_owned(), json!(device.filter(|_| !without_names).map(|device| &device.hostname)));
    source.insert("siteUid".to_owned(), json!(site.map(|site| &site.uid)));
    source.insert("siteName".to_owned(), json!(site.filter(|_| !without_names).map(|site| &site.name)));
    Value::Object(source)
}

/// The actions taken when it opened, then one for each ticket and each further response.
fn responses(webhook: WebhookDescription, alert: &Alert, rng: &mut Rng) -> Value {
    let first = rng.u8(0..4);
    let steps = alert.steps.iter().filter(|step| matches!(step.what, Change::Ticket | Change::Response));
    let later: Vec<Value> = steps.map(|step| response(webhook, step.what, step.at, alert.number)).collect();
    match (first, later.is_empty()) {
        (0, true) => Value::Null,
        (0 | 1, _) => Value::Array(later),
        _ => {
            let mut all =
                vec![response(webhook, Change::Response, Millis(alert.opened.0.saturating_add(1500)), alert.number)];
            all.extend(later);
            Value::Array(all)
        }
    }
}

fn response(webhook: WebhookDescription, what: Change, at: Millis, number: u64) -> Value {
    let (kind, text) = match (what, number % 4) {
        (Change::Ticket, _) => ("TICKET_CREATED", "Ticket created".to_owned()),
        (_, 0) => ("EMAIL_SENT", "E-Mail an soc@msp.example gesendet".to_owned()),
        (_, 1) => ("WEBHOOK_EXECUTED", webhook_text(webhook, number)),
        (_, 2) => ("COMPONENT", "Restart service".to_owned()),
        _ => ("EMAIL_SEND_ERROR", "550 mailbox unavailable".to_owned()),
    };
    json!({
        "actionTime": at.0,
        "actionType": kind,
        "description": text,
        "actionReference": if number.is_multiple_of(2) { Value::Null } else { json!(format!("ref-{number}")) },
        "actionReferenceInt": if number.is_multiple_of(3) { json!(number) } else { json!(number.to_string()) },
    })
}

fn webhook_text(form: WebhookDescription, number: u64) -> String {
    let payload = json!({
        "summary": format!("alert {number}"),
        "links": [format!("https://hooks.desk.example/services/{PLANTED}-{number}")],
        "headers": {"Authorization": format!("Bearer {PLANTED}-{number}")},
        "api_token": format!("{PLANTED}-{number}"),
    });
    let text = payload.to_string();
    match form {
        WebhookDescription::Short => "Webhook executed".to_owned(),
        WebhookDescription::Payload => text,
        WebhookDescription::CutPayload => {
            let end = text.find(PLANTED).map_or(text.len(), |at| at.saturating_add(PLANTED.len()));
            text.get(..end).unwrap_or_default().to_owned()
        }
    }
}
