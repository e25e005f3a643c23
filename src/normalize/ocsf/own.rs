//! What vintner tells of itself → Entity Management 3004 (contract.md section 3): who sees what from now on.
//!
//! The source is what `org::audit` makes: a site or a device with the owner of its records before (`from`) and after (`to`), or how
//! the mapping changed.

use super::captions;
use super::choice::{Choice, Text};
use super::class::{Body, EntityManagement};
use super::event::Draft;
use super::object::device::Device;
use super::object::identity::{Entity, Named, Organization};
use super::object::metadata::Tag;
use super::object::observable::Pivot;
use super::scope::{DeviceNames, Scope, text};
use super::severity;
use crate::normalize::json::fields::Fields;
use crate::normalize::notes::Notes;
use crate::record::OwnKind;

/// `type_id`s of a managed entity.
const DEVICE: u32 = 1;
const ORGANIZATION: u32 = 4;
const POLICY: u32 = 5;

/// What an event is about.
struct Subject<'a> {
    entity: Entity<'a>,
    /// The same after the change, where the event tells both.
    result: Option<Entity<'a>>,
    message: String,
    tags: Vec<Tag<'a>>,
}

/// The owner of a site's records.
struct Owner<'a> {
    org: Option<Named<'a>>,
    /// The organization's id, or the state without one in brackets.
    word: String,
}

/// A site, and whose its records were and are.
struct SiteChange<'a> {
    site: Site<'a>,
    from: Owner<'a>,
    to: Owner<'a>,
}

/// A site by uid and name.
#[derive(Clone)]
struct Site<'a> {
    uid: Option<Text<'a>>,
    name: Option<Text<'a>>,
}

/// The event of a change.
pub(crate) fn draft<'a>(kind: OwnKind, scope: &Scope<'a>, mut fields: Fields<'a>, notes: &mut Notes) -> Draft<'a> {
    let class = &captions::ENTITY_MANAGEMENT;
    let activity = match kind {
        OwnKind::SiteCreated => 1,
        OwnKind::SiteRenamed | OwnKind::MappingChanged => 3,
        OwnKind::SiteRemoved => 4,
        OwnKind::SiteMoved | OwnKind::DeviceMoved => 5,
    };
    let subject = match kind {
        OwnKind::SiteCreated => SiteChange::take(scope, &mut fields, notes).created(),
        OwnKind::SiteRenamed => {
            let previous_name = fields.take_text("previous_name", notes);
            SiteChange::take(scope, &mut fields, notes).renamed(previous_name)
        }
        OwnKind::SiteMoved => SiteChange::take(scope, &mut fields, notes).moved(),
        OwnKind::SiteRemoved => SiteChange::take(scope, &mut fields, notes).removed(),
        OwnKind::DeviceMoved => device(scope, &mut fields, notes),
        OwnKind::MappingChanged => mapping(&mut fields, notes),
    };
    let hostname = subject.entity.device.as_ref().and_then(|device| device.hostname.clone());
    let body =
        EntityManagement { entity: subject.entity, entity_result: subject.result, actor: None, src_endpoint: None };
    let severity = severity::of_event("vintner", 1, &scope.options().severities);
    let (body, activity) = (Body::EntityManagement(Box::new(body)), Choice::of(class.activities, activity));
    let mut draft = Draft::new(class, activity, scope.polled_at(), severity, body);
    draft.status = Some(Choice::of(class.statuses, 1));
    draft.message = subject.message;
    draft.event_code = Text::Borrowed(scope.envelope.kind.as_str());
    draft.original_time = Some(Text::Owned(scope.polled_at().to_string()));
    draft.labels = vec!["audit"];
    draft.tags = subject.tags;
    draft.observables.add("entity.device.hostname", Pivot::Hostname, hostname.as_ref());
    draft.residue.fields(&fields, notes);
    draft
}

impl<'a> SiteChange<'a> {
    fn take(scope: &Scope<'a>, fields: &mut Fields<'a>, notes: &mut Notes) -> Self {
        let (from, to) = (Owner::take(fields, "from", notes), Owner::take(fields, "to", notes));
        let uid = fields.take_text("uid", notes).or_else(|| text(&scope.envelope.native_id));
        Self { site: Site { uid, name: fields.take_text("name", notes) }, from, to }
    }

    fn created(self) -> Subject<'a> {
        let message = format!("Site {} is new: its records go to {}", self.site.title(), self.to.word);
        Subject { entity: self.site.entity(self.to.org), result: None, message, tags: self.site.tags() }
    }

    fn renamed(self, previous_name: Option<Text<'a>>) -> Subject<'a> {
        let before = Site { name: previous_name, ..self.site.clone() };
        let message = format!("Site {} is named {} from now on", before.title(), self.site.title());
        let (entity, result) = (before.entity(None), Some(self.site.entity(None)));
        Subject { entity, result, message, tags: self.site.tags() }
    }

    fn moved(self) -> Subject<'a> {
        let (title, from, to) = (self.site.title(), &self.from.word, &self.to.word);
        let message = format!("Records of site {title} go to {to} from now on, no longer to {from}");
        let tags = self.site.tags().into_iter().chain(self.to.tag()).collect();
        let (entity, result) = (self.site.entity(self.from.org), Some(self.site.entity(self.to.org)));
        Subject { entity, result, message, tags }
    }

    fn removed(self) -> Subject<'a> {
        let message = format!("Site {} is gone", self.site.title());
        Subject { entity: self.site.entity(self.from.org), result: None, message, tags: self.site.tags() }
    }
}

/// A device that went to a site of another owner.
fn device<'a>(scope: &Scope<'a>, fields: &mut Fields<'a>, notes: &mut Notes) -> Subject<'a> {
    let (from, to) = (Owner::take(fields, "from", notes), Owner::take(fields, "to", notes));
    let uid = fields.take_text("uid", notes).or_else(|| text(&scope.envelope.native_id));
    let device = scope.device(DeviceNames { uid, hostname: fields.take_text("hostname", notes), id: None });
    let host = device.hostname.as_deref().or(device.uid.as_deref()).unwrap_or_default();
    let (from_site, to_site) = (Site::read(fields, "from_site", notes), Site::read(fields, "to_site", notes));
    let message = format!(
        "Device {host} went from site {} of {} to site {} of {}",
        from_site.title(),
        from.word,
        to_site.title(),
        to.word
    );
    let tags = to_site.tags().into_iter().chain(to.tag()).collect();
    let mut entity = |site: &Site<'a>, key: &str, owner: Owner<'a>| {
        let org = owner.org.map(|org| {
            fields.take(key);
            Organization { uid: org.uid, name: org.name, ou_uid: site.uid.clone(), ou_name: site.name.clone() }
        });
        let mut entity = Entity::of(Choice::of(captions::ENTITY, DEVICE));
        (entity.uid, entity.name) = (device.uid.clone(), device.hostname.clone());
        entity.device = Some(Box::new(Device { org, ..device.clone() }));
        entity
    };
    let (entity, result) = (entity(&from_site, "from_site", from), entity(&to_site, "to_site", to));
    Subject { entity, result: Some(result), message, tags }
}

/// The mapping as a policy; how it changed stays in the residue.
fn mapping<'a>(fields: &mut Fields<'a>, notes: &mut Notes) -> Subject<'a> {
    let (uid, name) = (fields.take_id("version", notes), Some(Text::Borrowed("mapping")));
    let moves = fields.get("moves").into_iter().flat_map(|moves| moves.items());
    let sites = moves.filter_map(|flow| Fields::open(flow, "moves.")?.peek("sites")?.parse::<u64>().ok());
    let message = match sites.fold(0, u64::saturating_add) {
        0 => "The mapping changed: no site goes elsewhere".to_owned(),
        1 => "The mapping changed: 1 site goes elsewhere".to_owned(),
        sites => format!("The mapping changed: {sites} sites go elsewhere"),
    };
    let mut entity = Entity::of(Choice::of(captions::ENTITY, POLICY));
    (entity.uid, entity.name) = (uid.clone(), name.clone());
    entity.policy = Some(Named { uid, name });
    Subject { entity, result: None, message, tags: Vec::new() }
}

impl<'a> Owner<'a> {
    /// Takes an owner; one without an organization stays, for the residue.
    fn take(fields: &mut Fields<'a>, key: &'static str, notes: &mut Notes) -> Self {
        let read = fields.get(key).and_then(|owner| Fields::open(owner, key));
        let part = |name: &str, notes: &mut Notes| read.as_ref().and_then(|owner| owner.copy(name, notes));
        let uid = part("uid", notes);
        let word = uid.as_deref().map(str::to_owned);
        let word = word.unwrap_or_else(|| format!("({})", part("state", notes).as_deref().unwrap_or("nobody")));
        let org = uid.map(|uid| {
            fields.take(key);
            Named { uid: Some(uid), name: part("name", notes) }
        });
        Self { org, word }
    }

    fn tag(&self) -> Option<Tag<'a>> {
        let uid = self.org.as_ref()?.uid.clone()?;
        Some(Tag { name: "datto.to_tenant_uid".into(), value: uid })
    }
}

impl<'a> Site<'a> {
    fn read(fields: &Fields<'a>, key: &'static str, notes: &mut Notes) -> Self {
        let site = fields.get(key).and_then(|site| Fields::open(site, key));
        let mut part = |name: &str| site.as_ref().and_then(|site| site.copy(name, notes));
        Self { uid: part("uid"), name: part("name") }
    }

    fn title(&self) -> String {
        self.name.as_deref().or(self.uid.as_deref()).unwrap_or_default().to_owned()
    }

    fn entity(&self, org: Option<Named<'a>>) -> Entity<'a> {
        let mut entity = Entity::of(Choice::of(captions::ENTITY, ORGANIZATION));
        (entity.uid, entity.name, entity.org) = (self.uid.clone(), self.name.clone(), org);
        entity
    }

    /// The tags that a record of the site would have.
    fn tags(&self) -> Vec<Tag<'a>> {
        let tags = [("datto.site_uid", &self.uid), ("datto.site_name", &self.name)];
        tags.into_iter().filter_map(|(name, value)| Some(Tag { name: name.into(), value: value.clone()? })).collect()
    }
}
