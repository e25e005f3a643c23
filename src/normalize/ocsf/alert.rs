//! Alert → Detection Finding 2004 (event-schema.md section 6): one finding uid through opened, updated and closed.

use self::reading::{Reading, Told};
use self::stage::Stage;
use super::captions;
use super::choice::{Choice, Text};
use super::class::{Body, Finding};
use super::event::Draft;
use super::lens;
use super::object::asset::Resource;
use super::object::device::Device;
use super::object::finding::{Analytic, FindingInfo, Ticket};
use super::object::metadata::Tag;
use super::object::observable::{Observables, Pivot};
use super::scope::{DeviceNames, Scope};
use super::severity::{self, Ranked};
use crate::normalize::json::fields::Fields;
use crate::normalize::lens::rule::Rule;
use crate::normalize::lens::{Facts, details};
use crate::normalize::notes::Notes;
use crate::record::Stream;
use crate::record::place::SiteRef;

mod monitor;
mod reading;
mod special;
mod stage;
mod table;

/// `finding_info.desc` takes no more bytes.
const MAX_DESC: usize = 8 * 1024;

/// What is left of the parts of an alert once the attributes are filled.
struct Parts<'a> {
    alert: Fields<'a>,
    source: Fields<'a>,
    context: Fields<'a>,
    class: Option<Text<'a>>,
}

/// The event of an alert record.
pub(crate) fn draft<'a>(scope: &mut Scope<'a>, fields: Fields<'a>, notes: &mut Notes) -> Draft<'a> {
    let mut parts = Parts::open(fields, notes);
    let tags = place(scope, &mut parts.source, notes);
    let device = device(scope, &mut parts.source, notes);
    let stage = Stage::of(scope, &mut parts.alert, notes);
    let class = parts.class.as_deref();
    let ranked = severity::of_alert(parts.alert.copy("priority", notes), class, &scope.options().severities);
    let subject = subject(device.as_ref(), scope);
    let hits = hits(scope, &parts);
    let reading = Reading { context: parts.context, told: Told::default(), device: subject, notes };
    let (told, context) = monitor::read(parts.class.as_deref(), reading);
    parts.context = context;

    let message = message(&parts, &told, device.as_ref(), scope);
    let info = finding_info(scope, &mut parts, &told, &stage, device.as_ref(), notes);
    let mut observables = Observables::default();
    if let Some(device) = &device {
        observables.add_device(device);
    }
    observe(&told, &mut observables);
    let message = format!("{}{message}{}", stage.prefix, told.tail(scope.site.name.as_deref()));
    let mut labels = vec![told.label];
    labels.extend((parts.alert.flag("muted") == Some(true)).then_some("muted"));
    labels.extend(scope.envelope.synthesized.then_some("synthesized"));
    let (count, uid, rule) = (told.count, info.uid.clone(), told.rule);
    let is_alert = stage.activity.id == 1 && scope.options().alerting.has(told.label);
    let finding = finding(scope, info, told, device, is_alert);

    let body = Body::Finding(Box::new(finding));
    let mut draft = Draft::new(&captions::DETECTION_FINDING, stage.activity, stage.time, ranked.severity.clone(), body);
    draft.rule = rule;
    draft.status = Some(stage.status);
    draft.status_detail = stage.detail;
    draft.message = message;
    (draft.start_time, draft.end_time, draft.count) = (stage.started, stage.ended, count);
    draft.observables = observables;
    draft.event_code = parts.class.clone().unwrap_or(Text::Borrowed("alert"));
    draft.original_time = stage.original_time;
    draft.correlation_uid = Some(uid.clone());
    draft.finding_uid = Some(uid.into_owned());
    (draft.labels, draft.tags) = (labels, tags);
    lens::mark(&mut draft, &hits, scope);
    add_incident(&mut draft, &mut parts.alert, ranked, notes);
    add_residue(&mut draft, &mut parts, notes);
    draft
}

/// Whether the table of monitors has this `@class`.
pub(crate) fn knows_class(class: &str) -> bool {
    monitor::find(class).is_some()
}

/// Every `@class` of the table of monitors.
#[cfg(test)]
pub(crate) fn known_classes() -> impl Iterator<Item = &'static str> {
    table::MONITORS.iter().flat_map(|monitor| monitor.classes.iter().copied())
}

/// The rules of the lens that fit.
fn hits<'a>(scope: &Scope<'a>, parts: &Parts<'a>) -> Vec<&'a Rule> {
    let class = parts.class.as_deref().unwrap_or_default().to_lowercase();
    let facts = Facts {
        stream: Stream::Alerts,
        entity: "",
        category: "",
        action: "",
        words: &[],
        class: &class,
        users: Vec::new(),
        details: &|name| details::texts(&parts.context, name),
    };
    scope.options().lens.hits(&facts)
}

impl<'a> Parts<'a> {
    fn open(mut alert: Fields<'a>, notes: &mut Notes) -> Self {
        let source = alert.take_object("alertSourceInfo", "alertSourceInfo.", notes).unwrap_or_default();
        let mut context = alert.take_object("alertContext", "alertContext.", notes).unwrap_or_default();
        let class = context.take_text("@class", notes);
        Self { alert, source, context, class }
    }
}

/// Names the site, and tags the organization of the site that the alert has come to, if it is another known one's.
fn place<'a>(scope: &mut Scope<'a>, source: &mut Fields<'a>, notes: &mut Notes) -> Vec<Tag<'a>> {
    super::device::name_site(scope, source, notes);
    let elsewhere = source.peek("siteUid").filter(|uid| Some(uid) != scope.site.uid.as_ref());
    let tag = elsewhere.and_then(|uid| scope.moved_to(&SiteRef::Uid(uid.into_owned())));
    tag.into_iter().collect()
}

/// The alert's device; `None` for an alert that names none.
fn device<'a>(scope: &Scope<'a>, source: &mut Fields<'a>, notes: &mut Notes) -> Option<Device<'a>> {
    let uid = source.take_text("deviceUid", notes);
    let hostname = source.take_text("deviceName", notes);
    let is_named = uid.is_some() || hostname.is_some();
    is_named.then(|| scope.device(DeviceNames { uid, hostname, id: None }))
}

/// What a title says the alert is on.
fn subject(device: Option<&Device<'_>>, scope: &Scope<'_>) -> String {
    let name = device.and_then(|device| device.hostname.as_deref().or(device.uid.as_deref()));
    name.or(scope.site.name.as_deref()).or(scope.site.uid.as_deref()).unwrap_or("an unnamed device").to_owned()
}

/// What happened, where: by the monitor's own template, else Datto's text. It names the device, whatever the text.
fn message<'a>(parts: &Parts<'a>, told: &Told<'a>, device: Option<&Device<'a>>, scope: &Scope<'a>) -> String {
    let on = subject(device, scope);
    let text = told.message.clone().or_else(|| parts.alert.peek("diagnostics").map(Text::into_owned));
    match text.as_deref().and_then(reading::title) {
        Some(text) if reading::names(&text, &on) => text,
        // The end of a long text gives way to the device.
        Some(text) => reading::title(&format!("{on}: {text}")).unwrap_or(text),
        None => match (&told.title, parts.class.as_deref()) {
            (Some(title), _) => format!("{title} on {on}"),
            (None, Some(class)) => format!("{class} on {on}"),
            (None, None) => format!("Alert on {on}"),
        },
    }
}

fn finding_info<'a>(
    scope: &Scope<'a>,
    parts: &mut Parts<'a>,
    told: &Told<'a>,
    stage: &Stage<'a>,
    device: Option<&Device<'a>>,
    notes: &mut Notes,
) -> FindingInfo<'a> {
    let uid = parts.alert.take_text("alertUid", notes);
    let diagnostics = parts.alert.peek("diagnostics");
    let class = parts.class.as_deref();
    let general = class.map_or_else(|| "Alert".to_owned(), |class| format!("Alert of {class}"));
    let candidates = [told.title.as_deref(), Some(&general)];
    let title = candidates.into_iter().flatten().find_map(reading::title).unwrap_or_else(|| "Alert".to_owned());
    if diagnostics.as_ref().is_some_and(|text| text.len() <= MAX_DESC) {
        parts.alert.take("diagnostics");
    }
    let desc = diagnostics.or_else(|| told.sentence.clone().map(Text::Owned)).filter(|desc| *desc != title);
    let desc = desc.map(|desc| notes.limit_to(desc, MAX_DESC));
    let Choice { id: type_id, caption: kind } = Choice::of(captions::ANALYTIC, told.analytic_type);
    FindingInfo {
        uid: uid.unwrap_or(Text::Borrowed(&scope.envelope.native_id)),
        uid_alt: told.uid_alt.clone(),
        title: Text::Owned(title),
        desc,
        types: told.types,
        created_time: stage.started,
        first_seen_time: told.first_seen,
        last_seen_time: told.last_seen,
        modified_time: (stage.activity.id != 1).then_some(stage.time),
        analytic: Analytic {
            name: told.analytic.clone(),
            uid: parts.class.clone(),
            type_id,
            kind,
            category: told.label,
        },
        attacks: Vec::new(),
        src_url: src_url(scope, device),
    }
}

/// The operator's template of an alert's address, filled in. What it names and the alert lacks makes no address.
fn src_url(scope: &Scope<'_>, device: Option<&Device<'_>>) -> Option<String> {
    let values = [
        ("{alert_uid}", Some(scope.envelope.native_id.as_str())),
        ("{device_uid}", device.and_then(|device| device.uid.as_deref())),
        ("{site_uid}", scope.site.uid.as_deref()),
        ("{platform}", Some(scope.platform())),
    ];
    values.into_iter().try_fold(scope.options().alert_url.clone()?, |url, (name, value)| {
        if !url.contains(name) {
            return Some(url);
        }
        let encoded: String = url::form_urlencoded::byte_serialize(value?.as_bytes()).collect();
        // Form encoding writes a space as `+`, which an address's path takes literally.
        Some(url.replace(name, &encoded.replace('+', "%20")))
    })
}

fn finding<'a>(
    scope: &Scope<'a>,
    info: FindingInfo<'a>,
    told: Told<'a>,
    device: Option<Device<'a>>,
    is_alert: bool,
) -> Finding<'a> {
    let site = Resource {
        uid: scope.site.uid.clone(),
        name: scope.site.name.clone(),
        kind: "Datto RMM site",
        ..Resource::default()
    };
    let names_site = site.uid.is_some() || site.name.is_some();
    let resources = if device.is_none() && names_site { vec![site] } else { Vec::new() };
    let confidence = told.confidence.map(|score| Choice::of(captions::CONFIDENCE, confidence_id(score)));
    Finding {
        finding_info: info,
        is_alert,
        confidence_id: confidence.as_ref().map(|confidence| confidence.id),
        confidence: confidence.map(|confidence| confidence.caption),
        confidence_score: told.confidence,
        priority_id: None,
        priority: None,
        tickets: Vec::new(),
        malware: told.malware,
        device,
        resources,
        evidences: told.evidences,
    }
}

fn confidence_id(score: i32) -> u32 {
    match score {
        ..=33 => 1,
        34..=66 => 2,
        67.. => 3,
    }
}

/// The observables that lie in evidences and malware.
fn observe<'a>(told: &Told<'a>, observables: &mut Observables<'a>) {
    for (n, evidence) in told.evidences.iter().enumerate() {
        let path = evidence.file.as_ref().map(|file| &file.path);
        observables.add(format!("evidences[{n}].file.path"), Pivot::FilePath, path);
        if let Some(endpoint) = &evidence.dst_endpoint {
            let base = format!("evidences[{n}].dst_endpoint");
            observables.add(format!("{base}.hostname"), Pivot::Hostname, endpoint.hostname.as_ref());
            observables.add(format!("{base}.ip"), Pivot::Ip, endpoint.ip.as_ref());
            observables.add(format!("{base}.mac"), Pivot::Mac, endpoint.mac.as_ref());
        }
    }
    observables.add("evidences[0].data.processName", Pivot::ProcessName, told.process.as_ref());
    for (n, malware) in told.malware.iter().enumerate() {
        for (m, file) in malware.files.iter().enumerate() {
            observables.add(format!("malware[{n}].files[{m}].path"), Pivot::FilePath, Some(&file.path));
        }
    }
}

/// Profile `incident`, if and only if a ticket was made.
fn add_incident<'a>(draft: &mut Draft<'a>, alert: &mut Fields<'a>, ranked: Ranked<'a>, notes: &mut Notes) {
    let number = alert.take_id("ticketNumber", notes);
    let actions = alert.get("responseActions").into_iter().flat_map(|actions| actions.items());
    let mut actions = actions.filter_map(|action| Fields::open(action, "responseActions."));
    let created = actions.find(|action| action.peek("actionType").as_deref() == Some("TICKET_CREATED"));
    let reference = created.as_ref().and_then(|action| action.copy("actionReference", notes));
    if number.is_none() && created.is_none() {
        return;
    }
    draft.profiles.push("incident");
    if let Body::Finding(finding) = &mut draft.body {
        finding.priority_id = Some(ranked.priority.id);
        finding.priority = Some(ranked.priority.caption);
        finding.tickets = number.or(reference).map(Ticket::external).into_iter().collect();
    }
}

fn add_residue<'a>(draft: &mut Draft<'a>, parts: &mut Parts<'a>, notes: &mut Notes) {
    let residue = &mut draft.residue;
    let class = parts.class.as_deref().unwrap_or("unknown");
    residue.keyed_object("context", class, &parts.context, notes);
    residue.object("alertSourceInfo", &parts.source, notes);
    if let Some(monitor) = parts.alert.take("alertMonitorInfo") {
        residue.value("monitor", monitor, notes);
    }
    residue.fields(&parts.alert, notes);
}
