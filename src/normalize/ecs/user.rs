//! `user`: who acted, and whom it was done to.

use serde::Serialize;

use crate::normalize::ocsf::class::Body;
use crate::normalize::ocsf::object::identity::{Actor, User as OcsfUser};

/// `user` or, without a target of its own, `user.target`.
#[derive(Debug, Default, Serialize)]
pub(super) struct User<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'e str>,
    /// Security levels that were given or taken, or that a new user has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Box<User<'e>>>,
}

impl<'e> User<'e> {
    /// Acting user and target of an event; `None` if it names neither.
    pub(super) fn of(body: &'e Body<'e>) -> Option<Self> {
        let acting = acting(body).map(Self::plain);
        let target = target(body);
        if acting.is_none() && target.is_none() {
            return None;
        }
        Some(Self { target: target.map(Box::new), ..acting.unwrap_or_default() })
    }

    fn plain(user: &'e OcsfUser<'e>) -> Self {
        Self {
            id: user.uid.as_deref(),
            name: user.name.as_deref(),
            full_name: user.full_name.as_deref(),
            email: user.email_addr.as_deref(),
            roles: user.groups.iter().map(|group| &*group.name).collect(),
            target: None,
        }
    }
}

fn acting<'e>(body: &'e Body<'e>) -> Option<&'e OcsfUser<'e>> {
    let user = |actor: &'e Option<Actor<'e>>| actor.as_ref().map(|actor| &actor.user);
    match body {
        Body::Authentication(body) => Some(&body.user),
        Body::Tunnel(body) => body.user.as_ref(),
        Body::AccountChange(body) => user(&body.actor),
        Body::UserAccess(body) => user(&body.actor),
        Body::EntityManagement(body) => user(&body.actor),
        Body::JobActivity(body) => user(&body.actor),
        // Nobody acted: the user is what the event is about.
        Body::User(body) => Some(&body.user),
        Body::Finding(_)
        | Body::PatchState(_)
        | Body::ConfigState(_)
        | Body::CloudResources(_)
        | Body::Device(_)
        | Body::Software(_)
        | Body::Base(_) => None,
    }
}

fn target<'e>(body: &'e Body<'e>) -> Option<User<'e>> {
    match body {
        Body::AccountChange(body) => Some(User::plain(&body.user)),
        Body::UserAccess(body) => {
            Some(User { roles: body.privileges.iter().map(|role| &**role).collect(), ..User::plain(&body.user) })
        }
        Body::EntityManagement(body) => body.entity.user.as_deref().map(User::plain),
        Body::Finding(_)
        | Body::Authentication(_)
        | Body::Tunnel(_)
        | Body::JobActivity(_)
        | Body::PatchState(_)
        | Body::ConfigState(_)
        | Body::CloudResources(_)
        | Body::Device(_)
        | Body::User(_)
        | Body::Software(_)
        | Body::Base(_) => None,
    }
}
