//! Of each class an event in which every attribute stands that vintner can write. The literals name every field, so that a new one
//! cannot be forgotten: what is here is what `schemas/` allows.

use serde_json::Value;
use serde_json::value::RawValue;

use super::captions::{self, Class};
use super::choice::{Choice, Text};
use super::class::*;
use super::event::Draft;
use super::lens::Control;
use super::object::asset::{Cloud, Component, Package, Resource, Sbom, SecurityState};
use super::object::attack::{Attack, Named as AttackNamed};
use super::object::device::{Agent, Device, Os};
use super::object::endpoint::Endpoint;
use super::object::finding::{Analytic, Evidence, File, FindingInfo, Malware, Ticket};
use super::object::identity::{Account, Actor, Entity, Group, Named, Organization, User};
use super::object::metadata::{Tag, Transformation};
use super::object::observable::{Observables, Pivot};
use super::object::work::{Job, Patch, Session};
use super::scope::Scope;
use crate::normalize::json::Json;
use crate::normalize::json::fields::Fields;
use crate::normalize::notes::Notes;
use crate::normalize::{Context, RawData};
use crate::record::Record;

type Text0 = Text<'static>;

/// A class and an event of it with every attribute.
pub(crate) struct Full {
    pub(crate) name: &'static str,
    pub(crate) caption: &'static str,
    pub(crate) uid: u32,
    pub(crate) category_uid: u32,
    pub(crate) event: Value,
}

/// All classes. Only the surroundings matter of the record.
pub(crate) fn events(record: &Record, context: &Context<'_>) -> Vec<Full> {
    let mut options = context.options.clone();
    options.raw_data = RawData::All;
    let context = Context { options: &options, ..*context };
    let full = |(class, body): (&'static Class, Body<'static>)| {
        let Class { name, caption, uid, category_uid, .. } = *class;
        Full { name, caption, uid, category_uid, event: event(class, body, record, &context) }
    };
    bodies().into_iter().map(full).collect()
}

fn event(class: &'static Class, body: Body<'static>, record: &Record, context: &Context<'_>) -> Value {
    let scope = Scope::new(&record.envelope, context);
    let has_incident = matches!(body, Body::Finding(_));
    // A finding tells what changed, an item of the inventory that it is gone, an activity why it failed.
    let is_work = matches!(body, Body::JobActivity(_) | Body::PatchState(_) | Body::EntityManagement(_));
    let has_detail = is_work
        || matches!(
            body,
            Body::Finding(_) | Body::Device(_) | Body::CloudResources(_) | Body::User(_) | Body::Software(_)
        );
    let has_code = matches!(body, Body::PatchState(_) | Body::EntityManagement(_));
    let has_count = matches!(body, Body::Finding(_) | Body::EntityManagement(_));
    let mut observables = Observables::default();
    observables.add("device.uid", Pivot::DeviceUid, some().as_ref());
    let mut draft = Draft {
        class,
        rule: "",
        activity: Choice::of(class.activities, 99),
        time: 1_795_212_345_000,
        severity: Choice::of(captions::SEVERITY, 1),
        status: Some(Choice::of(class.statuses, 1)),
        status_detail: has_detail.then(|| "x".to_owned()),
        status_code: has_code.then(|| "x".to_owned()),
        message: "x".to_owned(),
        start_time: Some(1_795_212_345_000),
        end_time: Some(1_795_212_346_000),
        count: has_count.then_some(1),
        body,
        observables,
        residue: super::residue::Residue::default(),
        event_code: Text::Borrowed("x"),
        original_time: some(),
        correlation_uid: some(),
        labels: vec!["audit"],
        tags: vec![Tag { name: Text::Borrowed("x"), value: Text::Borrowed("x") }],
        profiles: vec![if has_incident { "incident" } else { "security_control" }],
        control: (!has_incident).then(|| Control::observed(vec![attack()])),
        lens: Some(Transformation::lens("x")),
        finding_uid: None,
        posture: None,
    };
    let mut notes = Notes::default();
    notes.add("x".to_owned());
    let left = Fields::open(Json::trusted("{\"x\":1}"), "").unwrap();
    draft.residue.fields(&left, &mut notes);
    let mut event = draft.finish(record.envelope.event_id(), &scope, "{}", notes).event;
    event.metadata.is_truncated = Some(true);
    // As vintner's own events have it.
    event.metadata.product.version = Some("x");
    event.metadata.untruncated_size = Some(1);
    serde_json::from_str(&super::render(&event, context.tenant).unwrap()).unwrap()
}

fn bodies() -> Vec<(&'static Class, Body<'static>)> {
    let change = AccountChange { user: user(), actor: actor(), src_endpoint: Some(endpoint()) };
    let cloud = Cloud { provider: "x", region: some(), account: account() };
    let sites = CloudResources { cloud, resources: [resource()] };
    vec![
        (&captions::DETECTION_FINDING, Body::Finding(Box::new(finding()))),
        (&captions::AUTHENTICATION, Body::Authentication(Box::new(authentication()))),
        (&captions::ACCOUNT_CHANGE, Body::AccountChange(Box::new(change))),
        (&captions::USER_ACCESS, Body::UserAccess(Box::new(user_access()))),
        (&captions::ENTITY_MANAGEMENT, Body::EntityManagement(Box::new(entity_management()))),
        (&captions::TUNNEL_ACTIVITY, Body::Tunnel(Box::new(tunnel()))),
        (
            &captions::SCHEDULED_JOB_ACTIVITY,
            Body::JobActivity(Box::new(JobActivity { job: job(), device: device(), actor: actor() })),
        ),
        (
            &captions::PATCH_STATE,
            Body::PatchState(Box::new(PatchState { device: device(), kb_article_list: [patch()] })),
        ),
        (&captions::DEVICE_CONFIG_STATE_CHANGE, Body::ConfigState(Box::new(config_state()))),
        (&captions::CLOUD_RESOURCES_INVENTORY_INFO, Body::CloudResources(Box::new(sites))),
        (&captions::INVENTORY_INFO, Body::Device(Box::new(DeviceInventory { device: device() }))),
        (&captions::USER_INVENTORY, Body::User(Box::new(UserInventory { user: user() }))),
        (
            &captions::SOFTWARE_INFO,
            Body::Software(Box::new(SoftwareInventory { device: device(), sbom: Some(sbom()) })),
        ),
        (&captions::BASE_EVENT, Body::Base(Base {})),
    ]
}

fn user_access() -> UserAccess<'static> {
    UserAccess {
        user: user(),
        privileges: vec![text()],
        resources: [resource()],
        actor: actor(),
        src_endpoint: Some(endpoint()),
    }
}

fn entity_management() -> EntityManagement<'static> {
    EntityManagement { entity: entity(), entity_result: Some(entity()), actor: actor(), src_endpoint: Some(endpoint()) }
}

fn config_state() -> ConfigState<'static> {
    let states = || vec![SecurityState { state_id: 1, state: text() }];
    ConfigState {
        device: device(),
        state_id: Some(1),
        state: some(),
        security_level_id: 1,
        security_level: text(),
        security_states: states(),
        prev_security_level_id: Some(1),
        prev_security_level: some(),
        prev_security_states: states(),
    }
}

fn text() -> Text0 {
    Text::Borrowed("x")
}

fn some() -> Option<Text0> {
    Some(text())
}

fn raw() -> Option<Box<RawValue>> {
    RawValue::from_string("{\"x\":1}".to_owned()).ok()
}

fn finding() -> Finding<'static> {
    Finding {
        finding_info: finding_info(),
        is_alert: true,
        confidence_id: Some(1),
        confidence: some(),
        confidence_score: Some(1),
        priority_id: Some(1),
        priority: some(),
        tickets: vec![Ticket { uid: text(), type_id: 2, kind: text() }],
        malware: vec![Malware {
            name: text(),
            classification_ids: [1],
            classifications: [text()],
            provider: text(),
            num_infected: Some(1),
            files: vec![file()],
        }],
        device: Some(device()),
        resources: vec![resource()],
        evidences: vec![Evidence { name: "x", file: Some(file()), dst_endpoint: Some(endpoint()), data: raw() }],
    }
}

fn finding_info() -> FindingInfo<'static> {
    FindingInfo {
        uid: text(),
        uid_alt: some(),
        title: text(),
        desc: some(),
        types: &["x"],
        created_time: Some(1_795_212_345_000),
        first_seen_time: Some(1_795_212_345_000),
        last_seen_time: Some(1_795_212_345_000),
        modified_time: Some(1_795_212_345_000),
        analytic: Analytic { name: text(), uid: some(), type_id: 1, kind: text(), category: "x" },
        attacks: vec![attack()],
        src_url: Some("https://x.example/".to_owned()),
    }
}

fn attack() -> Attack<'static> {
    let named = || AttackNamed { uid: "T1078.004", name: Some("x") };
    Attack { tactic: Some(named()), technique: named(), sub_technique: Some(named()), version: Some("19.0") }
}

fn authentication() -> Authentication<'static> {
    Authentication { user: user(), service: named(), is_remote: true, src_endpoint: Some(endpoint()) }
}

fn tunnel() -> Tunnel<'static> {
    Tunnel {
        app_name: "x",
        tunnel_type_id: 99,
        tunnel_type: text(),
        session: Some(Session { uid: some(), created_time: Some(1_795_212_345_000), is_remote: true, issuer: "x" }),
        user: Some(user()),
        src_endpoint: Some(endpoint()),
        dst_endpoint: Some(endpoint()),
        device: Some(device()),
    }
}

fn device() -> Device<'static> {
    Device {
        type_id: 1,
        kind: text(),
        uid: some(),
        uid_alt: some(),
        hostname: some(),
        ip: Some(Text::Borrowed("192.0.2.1")),
        domain: some(),
        desc: some(),
        is_managed: Some(true),
        os: Some(Os {
            name: text(),
            type_id: 100,
            kind: text(),
            version: some(),
            edition: Some("x"),
            cpu_bits: Some(64),
        }),
        org: Some(organization()),
        agent_list: vec![Agent { name: "x", type_id: 8, kind: text(), vendor_name: "x", version: some(), uid: some() }],
        owner: Some(user()),
        created_time: Some(1_795_212_345_000),
        modified_time: Some(1_795_212_345_000),
        last_seen_time: Some(1_795_212_345_000),
        boot_time: Some(1_795_212_345_000),
        entra_id: None,
    }
}

fn user() -> User<'static> {
    User {
        uid: some(),
        name: some(),
        domain: some(),
        full_name: some(),
        email_addr: Some(Text::Borrowed("x@y.example")),
        phone_number: some(),
        type_id: Some(1),
        kind: some(),
        org: Some(organization()),
        account: Some(account()),
        groups: vec![Group { name: text(), kind: "x" }],
        has_mfa: Some(true),
    }
}

fn organization() -> Organization<'static> {
    Organization { uid: some(), name: some(), ou_uid: some(), ou_name: some() }
}

fn account() -> Account<'static> {
    Account { uid: some(), name: some(), type_id: 99, kind: "x", is_disabled: Some(true) }
}

fn actor() -> Option<Actor<'static>> {
    Some(Actor { user: user() })
}

fn named() -> Named<'static> {
    Named { uid: some(), name: some() }
}

fn entity() -> Entity<'static> {
    Entity {
        type_id: 99,
        kind: text(),
        uid: some(),
        name: some(),
        device: Some(Box::new(device())),
        user: Some(Box::new(user())),
        group: Some(named()),
        org: Some(named()),
        policy: Some(named()),
    }
}

fn endpoint() -> Endpoint<'static> {
    Endpoint {
        uid: some(),
        hostname: some(),
        ip: Some(Text::Borrowed("192.0.2.1")),
        mac: Some(Text::Borrowed("00:15:5D:01:0A:1F")),
        port: Some(443),
        intermediate_ips: vec!["192.0.2.2".to_owned()],
        type_id: Some(1),
        kind: some(),
    }
}

fn resource() -> Resource<'static> {
    Resource { uid: some(), uid_alt: some(), name: some(), kind: "x", labels: vec!["x"], data: raw() }
}

fn file() -> File<'static> {
    File { name: text(), path: text(), type_id: 1, kind: text() }
}

fn job() -> Job<'static> {
    Job {
        name: text(),
        run_state_id: Some(1),
        run_state: some(),
        created_time: Some(1_795_212_345_000),
        last_run_time: Some(1_795_212_345_000),
        user: Some(user()),
    }
}

fn patch() -> Patch<'static> {
    Patch { uid: text(), title: some(), install_state_id: 1, install_state: text() }
}

fn sbom() -> Sbom<'static> {
    Sbom {
        package: Package { name: text(), version: text(), type_id: 99, kind: "x" },
        software_components: vec![Component { name: text(), version: text() }],
    }
}
