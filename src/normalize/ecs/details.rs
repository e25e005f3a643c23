//! `datto_rmm.ocsf`: what OCSF has an attribute for and ECS has no field, under OCSF's own names.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::class::Body;
use crate::normalize::ocsf::event::OcsfEvent;
use crate::normalize::ocsf::object::asset::{Cloud, Resource, Sbom, SecurityState};
use crate::normalize::ocsf::object::device::Device;
use crate::normalize::ocsf::object::finding::{Evidence, FindingInfo, Malware, Ticket};
use crate::normalize::ocsf::object::identity::{Entity, User};
use crate::normalize::ocsf::object::work::{Job, Patch, Session};

/// The part of an event that ECS cannot say.
#[derive(Debug, Default, Serialize)]
pub(super) struct Details<'e> {
    class_uid: u32,
    class_name: &'static str,
    activity_id: u32,
    activity_name: &'e str,
    severity_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i32>,
    metadata: Metadata<'e>,
    #[serde(flatten)]
    own: Own<'e>,
}

/// Of `metadata`.
#[derive(Debug, Default, Serialize)]
struct Metadata<'e> {
    #[serde(skip_serializing_if = "str::is_empty")]
    original_event_uid: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_uid: Option<&'e str>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    log_source: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_time: Option<&'e str>,
    /// Version of the mapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<&'e str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    debug: &'e [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    is_truncated: Option<bool>,
    /// Kilobytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    untruncated_size: Option<i32>,
}

/// What a class has of its own; each member is there in events of its class only.
#[derive(Debug, Default, Serialize)]
struct Own<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    finding_info: Option<&'e FindingInfo<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence_score: Option<i32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tickets: &'e [Ticket<'e>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    malware: &'e [Malware<'e>],
    /// By the context's class: one name has different types in different contexts, and Elasticsearch refuses that in one field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    evidences: BTreeMap<&'e str, &'e [Evidence<'e>]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    resources: &'e [Resource<'e>],
    /// Where a device is not told as a host only: its numeric id, or all of an inventory item.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'e Device<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'e User<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'e Entity<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_result: Option<&'e Entity<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'e Session<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnel_type: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'e Job<'e>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    kb_article_list: &'e [Patch<'e>],
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    security_level: Option<&'e str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    security_states: &'e [SecurityState<'e>],
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_security_level: Option<&'e str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    prev_security_states: &'e [SecurityState<'e>],
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud: Option<&'e Cloud<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sbom: Option<&'e Sbom<'e>>,
}

impl<'e> Details<'e> {
    /// What ECS cannot say of `event`.
    pub(super) fn of(event: &'e OcsfEvent<'e>) -> Self {
        let metadata = &event.metadata;
        Self {
            class_uid: event.class_uid,
            class_name: event.class_name,
            activity_id: event.activity_id,
            activity_name: &event.activity_name,
            severity_id: event.severity_id,
            status_id: event.status_id,
            status: event.status.as_deref(),
            count: event.count,
            metadata: Metadata {
                original_event_uid: &metadata.original_event_uid,
                correlation_uid: metadata.correlation_uid.as_deref(),
                kind: metadata.kind,
                log_source: metadata.log_source,
                original_time: metadata.original_time.as_deref(),
                mapping: metadata.transformation_info_list.first().map(|mapping| mapping.uid.as_ref()),
                debug: &metadata.debug,
                is_truncated: metadata.is_truncated,
                untruncated_size: metadata.untruncated_size,
            },
            own: Own::of(&event.body),
        }
    }
}

impl<'e> Own<'e> {
    fn of(body: &'e Body<'e>) -> Self {
        let device_id = body.device().and_then(|device| device.uid_alt.as_deref());
        let named = Self { device_id, ..Self::default() };
        match body {
            Body::Finding(body) => {
                let class = body.finding_info.analytic.uid.as_ref().map_or("unknown", Text::as_ref);
                let has_evidence = !body.evidences.is_empty();
                Self {
                    finding_info: Some(&body.finding_info),
                    confidence_score: body.confidence_score,
                    tickets: &body.tickets,
                    malware: &body.malware,
                    evidences: has_evidence.then_some((class, body.evidences.as_slice())).into_iter().collect(),
                    resources: &body.resources,
                    ..named
                }
            }
            Body::EntityManagement(body) => {
                Self { entity: Some(&body.entity), entity_result: body.entity_result.as_ref(), ..named }
            }
            Body::Tunnel(body) => {
                Self { session: body.session.as_ref(), tunnel_type: Some(&body.tunnel_type), ..named }
            }
            Body::JobActivity(body) => Self { job: Some(&body.job), ..named },
            Body::PatchState(body) => Self { kb_article_list: &body.kb_article_list, ..named },
            Body::ConfigState(body) => Self {
                state: body.state.as_deref(),
                security_level: Some(&body.security_level),
                security_states: &body.security_states,
                prev_security_level: body.prev_security_level.as_deref(),
                prev_security_states: &body.prev_security_states,
                ..named
            },
            Body::CloudResources(body) => Self { cloud: Some(&body.cloud), resources: &body.resources, ..named },
            Body::Device(body) => Self { device: Some(&body.device), ..Self::default() },
            Body::User(body) => Self { user: Some(&body.user), ..named },
            Body::Software(body) => Self { sbom: body.sbom.as_ref(), ..named },
            Body::Authentication(_) | Body::AccountChange(_) | Body::UserAccess(_) | Body::Base(_) => named,
        }
    }
}
