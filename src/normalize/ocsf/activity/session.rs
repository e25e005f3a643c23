//! Remote sessions → Tunnel Activity 4014; log-in and log-out → Authentication 3002.

use super::row::Row;
use super::start;
use super::tool::Tool;
use crate::normalize::notes::Notes;
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, Text};
use crate::normalize::ocsf::class::{Authentication, Body, Tunnel};
use crate::normalize::ocsf::event::Draft;
use crate::normalize::ocsf::object::endpoint::Endpoint;
use crate::normalize::ocsf::object::identity::Named;
use crate::normalize::ocsf::object::metadata::Tag;
use crate::normalize::ocsf::object::observable::Observables;
use crate::normalize::ocsf::object::work::Session;
use crate::normalize::ocsf::scope::{Scope, text};

/// Tokens of an action that is a log-in.
pub(super) const LOGONS: [&str; 3] = ["login", "logon", "signin"];
/// Tokens of an action that is a log-out.
pub(super) const LOGOFFS: [&str; 3] = ["logout", "logoff", "signout"];

/// A remote session, or the use of a remote tool. One record is one whole session: it opened, and may have an end.
pub(super) fn tunnel<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    let who = row.who();
    let action = row.action(notes);
    let mut remote = row.take_group("remote_session.");
    let (start_time, end_time) = (row.details.take_time("data.start", notes), row.details.take_time("data.end", notes));
    let tunnel_type = remote.take_id("type", notes).unwrap_or(action);
    let uid = remote.copy("id", notes);
    let created_time = remote.take_time("start_date", notes);
    if uid.is_some() {
        remote.take("id");
    }
    let is_known = uid.is_some() || created_time.is_some();
    let session = is_known.then(|| Session { uid: uid.clone(), created_time, is_remote: true, issuer: "Datto RMM" });
    row.leave_group("remote_session", remote);

    let names = row.device_names(notes);
    let device = Some(scope.device(names.clone())).filter(|device| device.is_identified());
    if device.is_some() {
        row.drop_device(&names);
    }
    let user = row.take_user(scope, notes);
    let src_endpoint = row.take_source(notes);
    let tool = Tool::of(row);
    let device_name = device.as_ref().and_then(|device| device.hostname.as_deref().or(device.uid.as_deref()));
    let did = tool.sentence(&tunnel_type, device_name);
    let message = format!("{who} {did}{}", from(src_endpoint.as_ref()));

    let activity = match tool.activity {
        Some(name) => Choice::other(Text::Borrowed(name)),
        None => Choice::of(captions::TUNNEL_ACTIVITY.activities, 1),
    };
    let Choice { id: tunnel_type_id, caption: tunnel_type } = Choice::other(tunnel_type);
    let body = Tunnel {
        app_name: tool.app,
        tunnel_type_id,
        tunnel_type,
        session,
        user,
        src_endpoint,
        dst_endpoint: device.as_ref().map(Endpoint::of_device),
        device,
    };
    let mut observables = Observables::default();
    body.user.iter().for_each(|user| observables.add_user(user));
    observables.add_source(body.src_endpoint.as_ref());
    body.device.iter().for_each(|device| observables.add_device(device));
    let mut draft = start(row, scope, &captions::TUNNEL_ACTIVITY, activity, Body::Tunnel(Box::new(body)));
    (draft.message, draft.observables) = (message, observables);
    (draft.start_time, draft.end_time) = (start_time.or(created_time), end_time);
    draft.correlation_uid = uid;
    Some(draft)
}

/// A log-in to the portal.
pub(super) fn logon<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    authentication(row, scope, 1, notes)
}

/// A log-out from the portal.
pub(super) fn logoff<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    authentication(row, scope, 2, notes)
}

fn authentication<'a>(row: &mut Row<'a>, scope: &Scope<'a>, activity: u32, notes: &mut Notes) -> Option<Draft<'a>> {
    let who = row.who();
    let user = row.take_user(scope, notes)?;
    let src_endpoint = row.take_source(notes);
    let verb = match (activity, row.failed) {
        (1, false) => "logged in to",
        (1, true) => "failed to log in to",
        (_, false) => "logged out of",
        (_, true) => "failed to log out of",
    };
    let message = format!("{who} {verb} Datto RMM{}", from(src_endpoint.as_ref()));
    let service = Named { uid: text(scope.platform()), name: Some(Text::Borrowed("Datto RMM")) };
    let mut observables = Observables::default();
    observables.add_user(&user);
    observables.add_source(src_endpoint.as_ref());
    let body = Authentication { user, service, is_remote: true, src_endpoint };
    let source = row.details.take_text("data.source", notes);
    let activity = Choice::of(captions::AUTHENTICATION.activities, activity);
    let mut draft = start(row, scope, &captions::AUTHENTICATION, activity, Body::Authentication(Box::new(body)));
    draft.tags.extend(source.map(|value| Tag { name: Text::Borrowed("datto.login_source"), value }));
    (draft.message, draft.observables) = (message, observables);
    Some(draft)
}

/// ` from <address>`, for messages.
fn from(source: Option<&Endpoint<'_>>) -> String {
    let ip = source.and_then(|source| source.ip.as_deref());
    ip.map(|ip| format!(" from {ip}")).unwrap_or_default()
}
