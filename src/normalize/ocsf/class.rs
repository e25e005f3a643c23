//! What each event class has of its own; a class's constructor takes what OCSF requires of it. The attributes that all
//! classes share stand in `event.rs`.

use serde::Serialize;

use super::choice::Text;
use super::object::asset::{Cloud, Resource, Sbom, SecurityState};
use super::object::device::Device;
use super::object::endpoint::Endpoint;
use super::object::finding::{Evidence, FindingInfo, Malware, Ticket};
use super::object::identity::{Actor, Entity, Named, User};
use super::object::work::{Job, Patch, Session};

/// The attributes of one class.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Body<'a> {
    Finding(Box<Finding<'a>>),
    Authentication(Box<Authentication<'a>>),
    AccountChange(Box<AccountChange<'a>>),
    UserAccess(Box<UserAccess<'a>>),
    EntityManagement(Box<EntityManagement<'a>>),
    Tunnel(Box<Tunnel<'a>>),
    JobActivity(Box<JobActivity<'a>>),
    PatchState(Box<PatchState<'a>>),
    ConfigState(Box<ConfigState<'a>>),
    CloudResources(Box<CloudResources<'a>>),
    Device(Box<DeviceInventory<'a>>),
    User(Box<UserInventory<'a>>),
    Software(Box<SoftwareInventory<'a>>),
    Base(Base),
}

/// Detection Finding 2004.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding<'a> {
    pub(crate) finding_info: FindingInfo<'a>,
    pub(crate) is_alert: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confidence_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confidence: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confidence_score: Option<i32>,
    /// With the profile `incident` only, as `priority` and `tickets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tickets: Vec<Ticket<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) malware: Vec<Malware<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<Device<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<Resource<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) evidences: Vec<Evidence<'a>>,
}

/// Authentication 3002. `service` satisfies the class's constraint.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Authentication<'a> {
    pub(crate) user: User<'a>,
    pub(crate) service: Named<'a>,
    pub(crate) is_remote: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) src_endpoint: Option<Endpoint<'a>>,
}

/// Account Change 3001.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccountChange<'a> {
    pub(crate) user: User<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Actor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) src_endpoint: Option<Endpoint<'a>>,
}

/// User Access Management 3005.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UserAccess<'a> {
    pub(crate) user: User<'a>,
    pub(crate) privileges: Vec<Text<'a>>,
    pub(crate) resources: [Resource<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Actor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) src_endpoint: Option<Endpoint<'a>>,
}

/// Entity Management 3004.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EntityManagement<'a> {
    pub(crate) entity: Entity<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entity_result: Option<Entity<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Actor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) src_endpoint: Option<Endpoint<'a>>,
}

/// Tunnel Activity 4014. `tunnel_type_id` satisfies the class's constraint.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tunnel<'a> {
    pub(crate) app_name: &'static str,
    pub(crate) tunnel_type_id: u32,
    pub(crate) tunnel_type: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Session<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) src_endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dst_endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<Device<'a>>,
}

/// Scheduled Job Activity 1006.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct JobActivity<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) device: Device<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Actor<'a>>,
}

/// Operating System Patch State 5004: the device's `os.version` is known.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PatchState<'a> {
    pub(crate) device: Device<'a>,
    pub(crate) kb_article_list: [Patch<'a>; 1],
}

/// Device Config State Change 5019.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConfigState<'a> {
    pub(crate) device: Device<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Text<'a>>,
    pub(crate) security_level_id: u32,
    pub(crate) security_level: Text<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) security_states: Vec<SecurityState<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prev_security_level_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prev_security_level: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) prev_security_states: Vec<SecurityState<'a>>,
}

/// Cloud Resources Inventory Info 5023.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CloudResources<'a> {
    pub(crate) cloud: Cloud<'a>,
    pub(crate) resources: [Resource<'a>; 1],
}

/// Device Inventory Info 5001.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeviceInventory<'a> {
    pub(crate) device: Device<'a>,
}

/// User Inventory Info 5003.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UserInventory<'a> {
    pub(crate) user: User<'a>,
}

/// Software Inventory Info 5020.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SoftwareInventory<'a> {
    pub(crate) device: Device<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sbom: Option<Sbom<'a>>,
}

/// Base Event 0 has nothing of its own.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Base {}

impl<'a> Body<'a> {
    /// `device.uid`, else `entity.device.uid`.
    pub(crate) fn device_uid(&self) -> Option<&Text<'a>> {
        self.device().and_then(|device| device.uid.as_ref())
    }

    /// Gives up what is long and not essential, for an event that is over the limit without its residue too.
    pub(crate) fn shed(&mut self) {
        match self {
            Self::Finding(finding) => {
                finding.evidences.clear();
                finding.malware.iter_mut().for_each(|malware| malware.files.clear());
            }
            Self::CloudResources(body) => body.resources.iter_mut().for_each(|resource| resource.data = None),
            Self::Software(body) => body.sbom = None,
            Self::UserAccess(body) => body.privileges.truncate(SHED_PRIVILEGES),
            Self::Authentication(_)
            | Self::AccountChange(_)
            | Self::EntityManagement(_)
            | Self::Tunnel(_)
            | Self::JobActivity(_)
            | Self::PatchState(_)
            | Self::ConfigState(_)
            | Self::Device(_)
            | Self::User(_)
            | Self::Base(_) => {}
        }
    }

    /// `device`, else `entity.device`.
    pub(crate) fn device(&self) -> Option<&Device<'a>> {
        match self {
            Self::Finding(body) => body.device.as_ref(),
            Self::EntityManagement(body) => body.entity.device.as_deref(),
            Self::Tunnel(body) => body.device.as_ref(),
            Self::JobActivity(body) => Some(&body.device),
            Self::PatchState(body) => Some(&body.device),
            Self::ConfigState(body) => Some(&body.device),
            Self::Device(body) => Some(&body.device),
            Self::Software(body) => Some(&body.device),
            Self::Authentication(_)
            | Self::AccountChange(_)
            | Self::UserAccess(_)
            | Self::CloudResources(_)
            | Self::User(_)
            | Self::Base(_) => None,
        }
    }
}

impl<'a> Body<'a> {
    /// Where what is told came from.
    pub(crate) fn src_endpoint(&self) -> Option<&Endpoint<'a>> {
        match self {
            Self::Authentication(body) => body.src_endpoint.as_ref(),
            Self::AccountChange(body) => body.src_endpoint.as_ref(),
            Self::UserAccess(body) => body.src_endpoint.as_ref(),
            Self::EntityManagement(body) => body.src_endpoint.as_ref(),
            Self::Tunnel(body) => body.src_endpoint.as_ref(),
            Self::Finding(_)
            | Self::JobActivity(_)
            | Self::PatchState(_)
            | Self::ConfigState(_)
            | Self::CloudResources(_)
            | Self::Device(_)
            | Self::User(_)
            | Self::Software(_)
            | Self::Base(_) => None,
        }
    }
}

/// Privileges that stay when an event is far over its limit.
const SHED_PRIVILEGES: usize = 20;
