//! What of the activity log the API user may read, and what a call for the rest gets (datto-rmm-api.md section 2).

use serde::Deserialize;
use serde_json::json;

use crate::sim::activity::Row;
use crate::sim::call::Call;
use crate::sim::life::World;
use crate::sim::route::Answer;
use crate::sim::shape::activity;

/// The two kinds of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// `DEVICE`.
    Device,
    /// `USER`.
    User,
}

/// What a call gets that asks for nothing but hidden rows. Other calls get the rest, without a sign that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingRight {
    /// An empty page.
    Hidden,
    /// 403.
    Forbidden,
    /// 500.
    ServerError,
}

impl Entity {
    fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::User => "user",
        }
    }
}

/// Whether the API user may read `row`. Rows of an undocumented kind are for everybody.
pub(crate) fn may_read(world: &World, row: &Row) -> bool {
    let (entity, _, _) = activity::words(world, row);
    let hidden = [Entity::Device, Entity::User].into_iter().filter(|kind| !may_read_kind(world, *kind));
    hidden.into_iter().all(|kind| !entity.eq_ignore_ascii_case(kind.name()))
}

/// The refusal of a call that asks for nothing but hidden rows, if it gets one.
pub(crate) fn refusal(world: &World, call: &Call) -> Option<Answer> {
    let status = match world.options.missing_right {
        MissingRight::Hidden => return None,
        MissingRight::Forbidden => 403,
        MissingRight::ServerError => 500,
    };
    let asked = call.list("entities");
    let wants = |kind: &Entity| asked.is_empty() || asked.iter().any(|name| name == kind.name());
    let mut wanted = [Entity::Device, Entity::User].into_iter().filter(wants);
    let is_refused = !wanted.any(|kind| may_read_kind(world, kind));
    is_refused.then(|| Answer::Json(status, json!({"errorMessage": "Authenticated user doesn't have access"})))
}

fn may_read_kind(world: &World, kind: Entity) -> bool {
    world.options.activity_entities.contains(&kind)
}
