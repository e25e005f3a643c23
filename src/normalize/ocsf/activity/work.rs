//! Jobs → Scheduled Job Activity 1006; installed patches → Operating System Patch State 5004.

use super::row::{Row, words};
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

/// `activity_id` of a job that starts.
const START: u32 = 6;
/// `run_state_id`s of a job that has not ended.
const SCHEDULED: u32 = 1;
const QUEUED: u32 = 2;
const RUNNING: u32 = 3;
/// Words in the status of a job that did not run.
const NEVER_RAN: [&str; 4] = ["expired", "cancelled", "canceled", "skipped"];
/// The uid of a patch, in the order in which it is believed.
const PATCH_UIDS: [&str; 2] = ["patch_update.uid", "patch_activity.patch_uid"];
const PATCH_TITLE: &str = "patch_update.title";

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
    let note = row.details.take_text("note", notes);
    row.leave_group("job", group);
    let who = row.who();
    let user = row.take_user(scope, notes);
    let is_start = activity.id == START;
    let on = device.hostname.as_deref().or(device.uid.as_deref()).unwrap_or_default();
    let told = Told { who: &who, name: &name, on, status: status.as_deref(), note: note.as_deref() };
    let message = told.sentence(row, &activity);
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
    draft.status_detail = note.map(Text::into_owned);
    draft.correlation_uid = uid;
    Some(draft)
}

/// What a message says of a job.
struct Told<'r> {
    who: &'r str,
    name: &'r str,
    on: &'r str,
    status: Option<&'r str>,
    note: Option<&'r str>,
}

impl Told<'_> {
    fn sentence(&self, row: &Row<'_>, activity: &Choice<'_>) -> String {
        let Self { who, name, on, status, note } = self;
        let state_id = status.map(|status| run_state(Text::Borrowed(status)).id);
        let in_brackets = status.map(|status| format!(" ({status})")).unwrap_or_default();
        let reason = note.map(|note| format!(": {note}")).unwrap_or_default();
        let never_ran = status
            .is_some_and(|status| words(&status.to_lowercase()).iter().any(|word| NEVER_RAN.contains(&word.as_str())));
        match activity.id {
            START if never_ran => format!("Job \"{name}\" did not run on {on}{in_brackets}{reason}"),
            START if row.failed => format!("Job \"{name}\" failed on {on}{in_brackets}{reason}"),
            START if matches!(state_id, Some(SCHEDULED | QUEUED)) => {
                format!("Job \"{name}\" is scheduled on {on}{in_brackets}")
            }
            START if state_id == Some(RUNNING) => format!("Job \"{name}\" started on {on}{in_brackets}"),
            START => {
                format!("Job \"{name}\" ran on {on}{}", status.map(|status| format!(": {status}")).unwrap_or_default())
            }
            1 => format!("{who} created job \"{name}\" for {on}{in_brackets}"),
            2 => format!("{who} changed job \"{name}\" for {on}{in_brackets}"),
            3 => format!("{who} removed job \"{name}\" for {on}{in_brackets}"),
            _ if row.has_token(&["note"]) && note.is_none() => format!("Note on job \"{name}\" on {on}"),
            _ if row.has_token(&["note"]) => format!("Job \"{name}\" on {on}{reason}"),
            _ => format!("{}: job \"{name}\" on {on}{in_brackets}{reason}", activity.caption),
        }
    }
}

/// What was done with a patch, and whether it worked if the record says so; needs the patch and the device's OS version.
pub(super) fn patch<'a>(row: &mut Row<'a>, scope: &mut Scope<'a>, notes: &mut Notes) -> Option<Draft<'a>> {
    let key = PATCH_UIDS.into_iter().find(|key| row.details.peek_id(key).is_some())?;
    let names = row.device_names(notes);
    let device = scope.device(names.clone());
    device.os.as_ref()?.version.as_ref()?;
    let uid = row.details.take_id(key, notes)?;
    PATCH_UIDS.iter().for_each(|key| row.details.drop_same(key, Some(&uid)));
    row.drop_device(&names);
    let title = row.details.take_text(PATCH_TITLE, notes);
    let host = device.hostname.as_deref().or(device.uid.as_deref()).unwrap_or("device");
    let (state, message) = install(row, &title.clone().unwrap_or_else(|| Text::Owned(format!("Patch {uid}"))), host);
    let (status_detail, status_code) = patch_outcome(row, notes);
    let state = Choice::of(captions::INSTALL_STATE, state);
    let start_time = row.details.take_time("patch_activity.patch_install_start", notes);
    let end_time = row.details.take_time("patch_activity.patch_install_end", notes);
    let patch = Patch { uid: uid.clone(), title, install_state_id: state.id, install_state: state.caption };
    let mut observables = Observables::default();
    observables.add_device(&device);
    let body = Body::PatchState(Box::new(PatchState { device, kb_article_list: [patch] }));
    let activity = Choice::of(captions::PATCH_STATE.activities, 1);
    let mut draft = start(row, scope, &captions::PATCH_STATE, activity, body);
    (draft.message, draft.observables) = (message, observables);
    (draft.start_time, draft.end_time) = (start_time, end_time);
    (draft.status_detail, draft.status_code) = (status_detail, status_code);
    draft.correlation_uid = Some(uid);
    Some(draft)
}

/// The state of a patch by its `install_state_id`, and a sentence about it.
fn install(row: &Row<'_>, patch: &str, host: &str) -> (u32, String) {
    let action = row.details.peek("patch_activity.action").or_else(|| row.record.peek("action")).unwrap_or_default();
    let action = action.to_lowercase();
    let (state, outcome) = match (row.patch_success().map(|worked| worked && !row.failed), action.contains("uninstall"))
    {
        (Some(true), false) => (1, "installed on"),
        (Some(true), true) => (2, "uninstalled from"),
        (Some(false), false) => (2, "failed to install on"),
        // It is still there, or never was.
        (Some(false), true) => (0, "failed to uninstall from"),
        (None, _) => return (0, format!("{patch}: {action} on {host}, outcome unknown")),
    };
    (state, format!("{patch} {outcome} {host}"))
}

/// The sentence about patches of a device that is not told as the state of one patch.
pub(super) fn patch_sentence(row: &Row<'_>, host: Option<&str>) -> String {
    let host = host.unwrap_or("a device");
    if row.has_token(&["audit"]) {
        return format!("Patch audit of {host}");
    }
    let uid =
        || PATCH_UIDS.iter().find_map(|key| row.details.peek_id(key)).map(|uid| Text::Owned(format!("Patch {uid}")));
    let patch = row.details.peek_id(PATCH_TITLE).or_else(uid).unwrap_or(Text::Borrowed("Patches"));
    install(row, &patch, host).1
}

/// What a patch activity says of its outcome: `status_detail`, and `status_code` as Datto has it.
pub(super) fn patch_outcome(row: &mut Row<'_>, notes: &mut Notes) -> (Option<String>, Option<String>) {
    let mut take = |key| row.details.take_id(key, notes).map(Text::into_owned);
    (take("patch_activity.info"), take("patch_activity.result"))
}

fn activity(row: &Row<'_>) -> u32 {
    let by_token = |token: &String| match token.as_str() {
        "create" => Some(1),
        "edit" | "update" => Some(2),
        "delete" | "retire" => Some(3),
        "deployment" | "rerun" | "run" => Some(START),
        _ => None,
    };
    row.tokens.iter().find_map(by_token).unwrap_or(OTHER)
}

fn run_state(status: Text<'_>) -> Choice<'_> {
    let known = match status.to_lowercase().as_str() {
        "completed" => 4,
        "active" | "running" => RUNNING,
        "pending" | "queued" => QUEUED,
        "scheduled" => SCHEDULED,
        _ => return Choice::other(status),
    };
    Choice::of(captions::RUN_STATE, known)
}
