//! Users, organizations and what else is managed in the portal.

use serde::Serialize;

use super::device::Device;
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, Text};

/// An organization; `ou_*` is always the Datto site (event-schema.md section 5). At least one of `uid` and `name` is there.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Organization<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ou_uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ou_name: Option<Text<'a>>,
}

/// A user; at least one of `uid`, `name` and `account` is there.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct User<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) full_name: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email_addr: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone_number: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) type_id: Option<u32>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<Organization<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<Account<'a>>,
    /// Security levels that an account change gives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<Group<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) has_mfa: Option<bool>,
}

/// A group that a user is in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group<'a> {
    pub(crate) name: Text<'a>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

/// An account: of a portal user, or the MSP's own.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Account<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text<'a>>,
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_disabled: Option<bool>,
}

/// Who acted.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Actor<'a> {
    pub(crate) user: User<'a>,
}

/// A uid with a name: `service`, `group`, `policy`. At least one of the two is there.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Named<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text<'a>>,
}

/// What an administrator acted on (`managed_entity`).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entity<'a> {
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<Box<Device<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<Box<User<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Named<'a>>,
}

/// `type_id`s of a user.
const PERSON: u32 = 1;
const ADMIN: u32 = 2;
const SERVICE: u32 = 4;

impl<'a> User<'a> {
    /// A user of the portal (type User).
    pub(crate) fn portal(uid: Option<Text<'a>>, name: Option<Text<'a>>) -> Self {
        Self { uid, name, ..Self::default() }.of_type(PERSON)
    }

    /// The same user as an administrator (type Admin).
    pub(crate) fn into_admin(self) -> Self {
        self.of_type(ADMIN)
    }

    /// The same user as a program's (type Service).
    pub(crate) fn into_service(self) -> Self {
        self.of_type(SERVICE)
    }

    fn of_type(self, id: u32) -> Self {
        let kind = Choice::of(captions::USER, id);
        Self { type_id: Some(kind.id), kind: Some(kind.caption), ..self }
    }
}

impl<'a> Entity<'a> {
    /// An entity of a type, with nothing known of it yet.
    pub(crate) fn of(kind: Choice<'a>) -> Self {
        let Choice { id: type_id, caption: kind } = kind;
        Self { type_id, kind, uid: None, name: None, device: None, user: None, group: None, org: None, policy: None }
    }
}
