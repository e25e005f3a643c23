//! `datto_rmm.finding`, `.entity`, `.job`, `.posture`: what detections ask for and ECS has no field for, as fields of a fixed type.

use serde::Serialize;

use crate::normalize::ocsf::class::Body;
use crate::normalize::ocsf::event::{Change, OcsfEvent};

/// The typed members; each is there where the event has it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Typed<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<Finding<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<Entity<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Job<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    posture: Option<&'e Change<'e>>,
}

/// One alert through its life.
#[derive(Debug, Serialize)]
struct Finding<'e> {
    uid: &'e str,
}

/// What was managed.
#[derive(Debug, Serialize)]
struct Entity<'e> {
    #[serde(rename = "type")]
    kind: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'e str>,
}

/// A job, on the devices that it runs on and in the rows of its author.
#[derive(Debug, Serialize)]
struct Job<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'e str>,
}

impl<'e> Typed<'e> {
    /// The typed members of an event.
    pub(super) fn of(event: &'e OcsfEvent<'e>) -> Self {
        let posture = event.posture.as_ref();
        let joined = event.metadata.correlation_uid.as_deref();
        let typed = Self { posture, ..Self::default() };
        match &event.body {
            Body::Finding(body) => Self { finding: Some(Finding { uid: &body.finding_info.uid }), ..typed },
            Body::JobActivity(body) => Self { job: Some(Job { uid: joined, name: Some(&body.job.name) }), ..typed },
            Body::EntityManagement(body) => {
                let entity = &body.entity;
                let (name, uid) = (entity.name.as_deref(), entity.uid.as_deref());
                let job = Job { uid: joined.or(uid), name };
                let is_job = entity.kind.eq_ignore_ascii_case("job") && (job.uid.is_some() || name.is_some());
                Self { entity: Some(Entity { kind: &entity.kind, name, uid }), job: is_job.then_some(job), ..typed }
            }
            Body::Authentication(_)
            | Body::AccountChange(_)
            | Body::UserAccess(_)
            | Body::Tunnel(_)
            | Body::PatchState(_)
            | Body::ConfigState(_)
            | Body::CloudResources(_)
            | Body::Device(_)
            | Body::User(_)
            | Body::Software(_)
            | Body::Base(_) => typed,
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.finding.is_none() && self.entity.is_none() && self.job.is_none() && self.posture.is_none()
    }
}
