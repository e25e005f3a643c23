//! What a mapping knows besides the record: account, site, organization, and the device of the inventory.

use super::choice::Text;
use super::object::device::Device;
use super::object::identity::{Organization, User};
use super::object::metadata::Tag;
use crate::inventory::Account;
use crate::normalize::known::KnownDevice;
use crate::normalize::udf::Udfs;
use crate::normalize::{Context, Options};
use crate::org::directory::Decision;
use crate::record::Envelope;
use crate::record::place::SiteRef;

/// The surroundings of one record.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) context: &'a Context<'a>,
    pub(crate) account: Option<&'a Account>,
    pub(crate) site: Place<'a>,
    /// Names of the acting user in lower case, where the record itself no longer holds them (`[events] users`).
    pub(crate) acting_users: Option<&'a [String]>,
}

/// The site of the record, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place<'a> {
    pub(crate) uid: Option<Text<'a>>,
    /// Only where nobody knows the uid.
    pub(crate) id: Option<i64>,
    pub(crate) name: Option<Text<'a>>,
}

impl<'a> Scope<'a> {
    /// The surroundings of a record with this envelope.
    pub(crate) fn new(envelope: &'a Envelope, context: &'a Context<'a>) -> Self {
        let known = context.directory.site(&envelope.account, &envelope.site);
        let site = match (known, &envelope.site) {
            (Some(site), _) => Place { uid: text(&site.uid), id: None, name: text(&site.name) },
            (None, SiteRef::Uid(uid)) => Place { uid: text(uid), ..Place::default() },
            (None, SiteRef::Id(id)) => Place { id: Some(*id), ..Place::default() },
            (None, SiteRef::Name(name)) => Place { name: text(name), ..Place::default() },
            (None, SiteRef::None | SiteRef::Device | SiteRef::Unknown) => Place::default(),
        };
        Self { envelope, context, account: context.directory.account(&envelope.account), site, acting_users: None }
    }

    /// How the sink wants its events.
    pub(crate) fn options(&self) -> &'a Options {
        self.context.options
    }

    /// The user-defined fields that are told.
    pub(crate) fn udfs(&self) -> &'a Udfs {
        self.options().udfs_of(self.account)
    }

    /// When the API's answer came: the time of the poll.
    pub(crate) fn polled_at(&self) -> i64 {
        self.envelope.received_at.as_i64()
    }

    /// The platform, e.g. `vidal`.
    pub(crate) fn platform(&self) -> &'a str {
        self.account.map_or("", |account| &account.platform)
    }

    /// The MSP's account as an organization.
    pub(crate) fn msp(&self) -> Organization<'a> {
        let name = self.account.and_then(|account| text(&account.display_name));
        Organization { uid: text(self.envelope.account.as_str()), name, ..Organization::default() }
    }

    /// The organization of the record with its Datto site.
    pub(crate) fn org(&self) -> Organization<'a> {
        let tenant = self.context.tenant;
        let name = tenant.name.as_deref().and_then(text);
        Organization { uid: text(&tenant.id), name, ou_uid: self.site.uid.clone(), ou_name: self.site.name.clone() }
    }

    /// The record's device: what the inventory knows of it, under the names that the record itself gives it. Its agent and its
    /// description are in its own event.
    pub(crate) fn device(&self, named: DeviceNames<'a>) -> Device<'a> {
        let known = self.context.device.filter(|known| named.uid.as_deref().is_none_or(|uid| uid == known.uid()));
        let mut device = known.map_or_else(Device::unknown, KnownDevice::device);
        device.uid = named.uid.or(device.uid);
        device.uid_alt = named.id.or(device.uid_alt);
        device.hostname = named.hostname.or(device.hostname);
        device.org = Some(self.org());
        (device.agent_list, device.desc, device.is_managed) = (Vec::new(), None, None);
        let entra = known.zip(self.udfs().entra_device_id).and_then(|(known, udf)| known.entra_device_id(udf));
        device.entra_id = entra.map(Text::Borrowed);
        device
    }

    /// A user of the portal. One that `[lens] api_users` names is a program's.
    pub(crate) fn portal_user(&self, uid: Option<Text<'a>>, name: Option<Text<'a>>) -> User<'a> {
        let is_service = name.as_deref().is_some_and(|name| self.is_api_user(&name.to_lowercase()));
        let user = User::portal(uid, name);
        if is_service { user.into_service() } else { user }
    }

    /// The acting user, whose name the record may no longer hold.
    pub(crate) fn acting_user(&self, uid: Option<Text<'a>>, name: Option<Text<'a>>) -> User<'a> {
        let user = self.portal_user(uid, name);
        let is_service = self.acting_users.is_some_and(|names| names.iter().any(|name| self.is_api_user(name)));
        if is_service { user.into_service() } else { user }
    }

    /// `name` is in lower case.
    fn is_api_user(&self, name: &str) -> bool {
        self.options().lens.api_users.iter().any(|user| user == name)
    }

    /// The tag for another site that a record names, if that site belongs to another organization and that one is known.
    pub(crate) fn moved_to(&self, site: &SiteRef) -> Option<Tag<'a>> {
        match self.context.directory.decide(&self.envelope.account, site) {
            Decision::Org(owner) if owner.id != self.context.tenant.id => {
                Some(Tag { name: "datto.to_tenant_uid".into(), value: owner.id.clone().into() })
            }
            Decision::Org(_) | Decision::Ignored | Decision::Dropped | Decision::Held(_) => None,
        }
    }

    /// Account, platform, site and the organization's labels.
    pub(crate) fn tags(&self) -> Vec<Tag<'a>> {
        let fixed = [
            ("datto.account_uid", text(self.envelope.account.as_str())),
            ("datto.platform", text(self.platform())),
            ("datto.site_uid", self.site.uid.clone()),
            ("datto.site_id", self.site.id.map(|id| Text::Owned(id.to_string()))),
            ("datto.site_name", self.site.name.clone()),
        ];
        let fixed = fixed.into_iter().filter_map(|(name, value)| Some(Tag { name: name.into(), value: value? }));
        let labels = self.context.tenant.labels.iter().filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|(name, value)| Tag { name: format!("org.{name}").into(), value: value.into() });
        fixed.chain(labels).collect()
    }
}

/// What a record calls its device.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceNames<'a> {
    pub(crate) uid: Option<Text<'a>>,
    /// The numeric id, as text.
    pub(crate) id: Option<Text<'a>>,
    pub(crate) hostname: Option<Text<'a>>,
}

/// `text` unless it is empty.
pub(crate) fn text(text: &str) -> Option<Text<'_>> {
    (!text.is_empty()).then_some(Text::Borrowed(text))
}
