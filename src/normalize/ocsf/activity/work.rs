//! Jobs → Scheduled Job Activity 1006; installed patches → Operating System Patch State 5004.

use super::row::Row;
use super::start;
use crate::normalize::notes::Notes;
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, OTHER, Text};
use crate::normalize::ocsf::class::{Body, JobActivity, PatchState};
use crate::normalize::ocsf::event::Draft;
use crate::normalize::ocsf::object::identity::{Actor, User};
use crate::normalize::ocsf::object::observable::Observables;
use crate::normalize::ocsf::object::work::{Job, Patch};
use crate::normalize::ocsf::scope::Scope;

/// A job; needs a device.
pub(super) fn job<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    let names = row.device_names(notes);
    let device = scope.device(names.clone());
    if device.uid.is_none() && device.hostname.is_none() {
        return None;
    }
    row.drop_device(&names);
    let activity = match activity(row) {
        OTHER => Choice::other(row.action(notes)),
        known => Choice::of(captions::SCHEDULED_JOB_ACTIVITY.activities, known),
    };
    let mut group = row.take_group("job.");
    let uid = group.copy("uid", notes);
    let id = group.peek("id").or_else(|| uid.clone());
    let name = group.take_id("name", notes);
    let name = name.or_else(|| id.map(|id| notes.limit(Text::Owned(format!("job {id}")))));
    let name = name.unwrap_or(Text::Borrowed("job"));
    let status = group.copy("status", notes);
    let run_state = status.clone().map(run_state);
    let created_time = group.take_time("date_created", notes);
    row.single_out("note");
    row.leave_group("job", group);
    let user = row.take_user(scope, notes);
    let is_start = activity.id == 6;
    let on = device.hostname.as_deref().or(device.uid.as_deref()).unwrap_or_default();
    let outcome = status.map(|status| format!(": {status}")).unwrap_or_default();
    let message = match is_start {
        true => format!("Job \"{name}\" ran on {on}{outcome}"),
        false => format!("{}: job \"{name}\" on {on}{outcome}", activity.caption),
    };
    let mut observables = Observables::default();
    observables.add_device(&device);
    user.iter().for_each(|user| observables.add_actor(user));
    let body = JobActivity {
        job: Job {
            name,
            run_state_id: run_state.as_ref().map(|state| state.id),
            run_state: run_state.map(|state| state.caption),
            created_time,
            last_run_time: is_start.then(|| row.time(scope)),
            user: user.as_ref().map(|user| User { uid: user.uid.clone(), name: user.name.clone(), ..User::default() }),
        },
        device,
        actor: user.map(|user| Actor { user }),
    };
    let mut draft = start(row, scope, &captions::SCHEDULED_JOB_ACTIVITY, activity, Body::JobActivity(Box::new(body)));
    (draft.message, draft.observables) = (message, observables);
    draft.correlation_uid = uid;
    Some(draft)
}

/// What was done with a patch, and whether it worked if the record says so; needs the patch and the device's OS version.
pub(super) fn patch<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    row.details.peek_id("patch_update.uid")?;
    let names = row.device_names(notes);
    let device = scope.device(names.clone());
    device.os.as_ref()?.version.as_ref()?;
    let uid = row.details.take_id("patch_update.uid", notes)?;
    row.drop_device(&names);
    let title = row.details.take_text("patch_update.title", notes);
    let action = row.details.peek("patch_activity.action").or_else(|| row.record.peek("action")).unwrap_or_default();
    let removes = action.to_lowercase().contains("uninstall");
    let (state, outcome) = match (row.patch_success().map(|worked| worked && !row.failed), removes) {
        (Some(true), false) => (1, "installed".to_owned()),
        (Some(true), true) => (2, "uninstalled".to_owned()),
        (Some(false), false) => (2, "failed to install".to_owned()),
        // It is still there, or never was.
        (Some(false), true) => (0, "failed to uninstall".to_owned()),
        (None, _) => (0, format!("patch {action}, outcome unknown")),
    };
    let state = Choice::of(captions::INSTALL_STATE, state);
    let start_time = row.details.take_time("patch_activity.patch_install_start", notes);
    let end_time = row.details.take_time("patch_activity.patch_install_end", notes);
    let host = device.hostname.as_deref().or(device.uid.as_deref()).unwrap_or("device");
    let message = format!("{host}: {} {outcome}", title.as_deref().unwrap_or(&uid));
    let patch = Patch { uid: uid.clone(), title, install_state_id: state.id, install_state: state.caption };
    let mut observables = Observables::default();
    observables.add_device(&device);
    let body = Body::PatchState(Box::new(PatchState { device, kb_article_list: [patch] }));
    let activity = Choice::of(captions::PATCH_STATE.activities, 1);
    let mut draft = start(row, scope, &captions::PATCH_STATE, activity, body);
    (draft.message, draft.observables) = (message, observables);
    (draft.start_time, draft.end_time) = (start_time, end_time);
    draft.correlation_uid = Some(uid);
    Some(draft)
}

fn activity(row: &Row<'_>) -> u32 {
    let by_token = |token: &String| match token.as_str() {
        "create" => Some(1),
        "edit" | "update" => Some(2),
        "delete" | "retire" => Some(3),
        "deployment" | "rerun" | "run" => Some(6),
        _ => None,
    };
    row.tokens.iter().find_map(by_token).unwrap_or(OTHER)
}

fn run_state(status: Text<'_>) -> Choice<'_> {
    let known = match status.to_lowercase().as_str() {
        "completed" => 4,
        "active" | "running" => 3,
        "pending" | "queued" => 2,
        "scheduled" => 1,
        _ => return Choice::other(status),
    };
    Choice::of(captions::RUN_STATE, known)
}
