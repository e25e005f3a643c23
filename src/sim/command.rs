//! Events that a test causes: alerts, activity rows, moves, renames, lost tokens.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::Millis;
use crate::sim::activity::{CustomRow, Subject};
use crate::sim::alerts::{Alert, Change, Custom, State};
use crate::sim::dice::Topic;
use crate::sim::estate::{Device, Site, SiteKind};
use crate::sim::life::World;
use crate::sim::right::Entity;
use crate::sim::shape::context;

/// One event. Which of the fields it needs depends on `kind`; the others are ignored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Command {
    /// What shall happen.
    pub kind: Act,
    /// Uid of the alert; for a new one optional.
    pub uid: Option<String>,
    /// Uid of a site. Where it is optional: a drawn one.
    pub site: Option<String>,
    /// Uid of a device. Where it is optional: a drawn one.
    pub device: Option<String>,
    /// A new name of a site or device.
    pub name: Option<String>,
    /// `@class` of a new alert, with drawn fields.
    pub class: Option<String>,
    /// `alertContext` of a new alert, instead of `class`.
    pub context: Option<Value>,
    /// `priority` of a new alert.
    pub priority: Option<String>,
    /// `diagnostics` of a new alert.
    pub diagnostics: Option<String>,
    /// `muted` of a new alert.
    pub muted: Option<bool>,
    /// What an update changes; without it the ticket.
    pub what: Option<Change>,
    /// `resolvedBy` of a resolution.
    pub by: Option<String>,
    /// `entity` of a new activity row; without it `USER`.
    pub entity: Option<String>,
    /// `category` of a new activity row; without it `account`.
    pub category: Option<String>,
    /// `action` of a new activity row; without it `login`.
    pub action: Option<String>,
    /// The text of `details` of a new activity row, valid JSON or not.
    pub details: Option<String>,
    /// `user` of a new activity row, as the row has it; without it a drawn staff member, or of a device's row the system.
    pub user: Option<Value>,
    /// `antivirusStatus` that a changed posture has from now on.
    pub antivirus: Option<String>,
    /// Date of a new activity row in ms, or opening time of a new alert; without it now.
    pub date_ms: Option<i64>,
    /// How long a new activity row cannot be read yet, in ms.
    pub delay_ms: u64,
    /// A number of requests a minute.
    pub rate: Option<u32>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Time passes, nothing else.
    #[default]
    Nothing,
    /// A new alert.
    OpenAlert,
    /// An open alert changes.
    UpdateAlert,
    /// An open alert is resolved.
    ResolveAlert,
    /// An open alert is gone without being resolved.
    VanishAlert,
    /// A resolved alert is open again.
    ReopenAlert,
    /// A new activity row.
    WriteActivity,
    /// A device goes to another site, which the activity log tells.
    MoveDevice,
    /// A device gets another host name.
    RenameDevice,
    /// A device's antivirus, patch and reboot state changes.
    ChangePosture,
    /// A new device.
    AddDevice,
    /// A device is no longer listed.
    RemoveDevice,
    /// A new site.
    AddSite,
    /// A site gets another name.
    RenameSite,
    /// A site and its devices are no longer listed.
    RemoveSite,
    /// No token works any more.
    RevokeTokens,
    /// The address is blocked from now on.
    Block,
    /// Other integrations send `rate` requests a minute from now on.
    SetForeignRate,
    /// The API user may read every kind of activity row from now on.
    GrantActivity,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Uid of what it was about, if it has one.
    pub uid: Option<String>,
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A field that this kind needs is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// There is no such thing.
    #[error("unknown {0}")]
    Unknown(&'static str),
    /// There is such a thing, but this cannot happen to it now.
    #[error("this cannot happen to it now")]
    Impossible,
}

/// Makes `command` happen to `world` now. Acts on the service in front of the world are not for here: they do nothing.
pub(crate) fn apply(world: &mut World, command: &Command) -> Result<Applied, CommandError> {
    let uid = match command.kind {
        Act::OpenAlert => open(world, command)?,
        Act::UpdateAlert => change(world, command, command.what.unwrap_or(Change::Ticket))?,
        Act::ResolveAlert => change(world, command, Change::Resolved)?,
        Act::VanishAlert => change(world, command, Change::Vanished)?,
        Act::ReopenAlert => change(world, command, Change::Reopened)?,
        Act::WriteActivity => write(world, command)?,
        Act::MoveDevice => move_device(world, command)?,
        Act::RenameDevice => {
            let name = name_of(command)?.to_owned();
            with_device(world, command, |device| device.hostname = name)?
        }
        Act::ChangePosture => with_device(world, command, |device| match &command.antivirus {
            Some(status) => device.antivirus = Some(status.clone()),
            None => device.posture += 1,
        })?,
        Act::AddDevice => add_device(world, command)?,
        Act::RemoveDevice => with_device(world, command, |device| device.removed = true)?,
        Act::AddSite => add_site(world, command)?,
        Act::RenameSite => {
            let name = name_of(command)?.to_owned();
            with_site(world, command, |site| site.name = name)?
        }
        Act::RemoveSite => remove_site(world, command)?,
        Act::SetForeignRate => {
            world.options.foreign_rate_per_minute = command.rate.ok_or(CommandError::Missing("rate"))?;
            return Ok(Applied { uid: None });
        }
        Act::GrantActivity => {
            world.options.activity_entities = vec![Entity::Device, Entity::User];
            return Ok(Applied { uid: None });
        }
        Act::Nothing | Act::RevokeTokens | Act::Block => return Ok(Applied { uid: None }),
    };
    Ok(Applied { uid: Some(uid) })
}

fn open(world: &mut World, command: &Command) -> Result<String, CommandError> {
    let number = world.alerts.all().len() as u64;
    let mut rng = world.dice.roll(Topic::Alert, number ^ (1 << 40));
    let device = match command.device {
        Some(_) => device_of(world, command)?,
        None => world.estate.draw_device(&mut rng).ok_or(CommandError::Unknown("device"))?,
    };
    let uid = match &command.uid {
        Some(text) => Uuid::parse_str(text).map_err(|_| CommandError::Unknown("uid"))?,
        None => world.dice.uuid(Topic::Alert, number),
    };
    let opened = command.date_ms.map_or(world.now, Millis);
    let class = command.class.as_deref().map(|class| context::of_class(&mut rng, opened, class));
    let mut alert = Alert::new(number, uid, device, world.site_of(device), opened);
    alert.custom = Some(Box::new(Custom {
        priority: command.priority.clone(),
        diagnostics: command.diagnostics.clone(),
        context: command.context.clone().or(class),
        muted: command.muted,
        resolved_by: None,
    }));
    world.add_alert(alert).ok_or(CommandError::Impossible)?;
    Ok(uid.to_string())
}

fn change(world: &mut World, command: &Command, what: Change) -> Result<String, CommandError> {
    let uid = command.uid.as_deref().ok_or(CommandError::Missing("uid"))?;
    let alert = world.alerts.of_uid(uid).ok_or(CommandError::Unknown("alert"))?;
    let resolves = what == Change::Resolved && world.alerts.get(alert).is_some_and(|alert| alert.state == State::Open);
    if let (true, Some(by), Some(custom)) = (resolves, &command.by, world.alerts.custom_mut(alert)) {
        custom.resolved_by = Some(by.clone());
    }
    match world.change_alert(alert, what) {
        true => Ok(uid.to_owned()),
        false => Err(CommandError::Impossible),
    }
}

fn write(world: &mut World, command: &Command) -> Result<String, CommandError> {
    let device = command.device.as_ref().map(|_| device_of(world, command)).transpose()?;
    let named = command.site.as_ref().map(|_| site_of(world, command)).transpose()?;
    let text = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
    let row = CustomRow {
        entity: text(&command.entity, "USER"),
        category: text(&command.category, "account"),
        action: text(&command.action, "login"),
        details: command.details.clone(),
        user: command.user.clone(),
        device,
        site: named.or_else(|| device.map(|device| world.site_of(device))),
    };
    let date = command.date_ms.map_or(world.now, Millis);
    let delay = Duration::from_millis(command.delay_ms);
    let place = world.write_row(date, delay, Subject::Custom(Box::new(row))).ok_or(CommandError::Impossible)?;
    Ok(world.activity.get(place).map(|row| row.id.to_string()).unwrap_or_default())
}

fn move_device(world: &mut World, command: &Command) -> Result<String, CommandError> {
    let to = site_of(world, command)?;
    let place = device_of(world, command)?;
    world.move_device(place, to);
    with_device(world, command, |_| {})
}

fn add_device(world: &mut World, command: &Command) -> Result<String, CommandError> {
    let site = site_of(world, command)?;
    let place = world.estate.add_device(site, command.name.as_deref());
    Ok(world.estate.device(place).map(|device| device.uid.clone()).unwrap_or_default())
}

fn add_site(world: &mut World, command: &Command) -> Result<String, CommandError> {
    let place = world.estate.add_site(name_of(command)?, SiteKind::Managed);
    Ok(world.estate.site(place).map(|site| site.uid.clone()).unwrap_or_default())
}

fn remove_site(world: &mut World, command: &Command) -> Result<String, CommandError> {
    let place = site_of(world, command)?;
    world.estate.devices.iter_mut().filter(|device| device.site == place).for_each(|device| device.removed = true);
    with_site(world, command, |site| site.removed = true)
}

/// Does `act` to the device that the command names.
fn with_device(world: &mut World, command: &Command, act: impl FnOnce(&mut Device)) -> Result<String, CommandError> {
    let place = device_of(world, command)?;
    let device = world.estate.devices.get_mut(place).ok_or(CommandError::Unknown("device"))?;
    act(device);
    Ok(device.uid.clone())
}

/// Does `act` to the site that the command names.
fn with_site(world: &mut World, command: &Command, act: impl FnOnce(&mut Site)) -> Result<String, CommandError> {
    let place = site_of(world, command)?;
    let site = world.estate.sites.get_mut(place).ok_or(CommandError::Unknown("site"))?;
    act(site);
    Ok(site.uid.clone())
}

fn name_of(command: &Command) -> Result<&str, CommandError> {
    command.name.as_deref().ok_or(CommandError::Missing("name"))
}

fn device_of(world: &World, command: &Command) -> Result<usize, CommandError> {
    let uid = command.device.as_deref().ok_or(CommandError::Missing("device"))?;
    world.estate.device_of_uid(uid).ok_or(CommandError::Unknown("device"))
}

fn site_of(world: &World, command: &Command) -> Result<usize, CommandError> {
    let uid = command.site.as_deref().ok_or(CommandError::Missing("site"))?;
    world.estate.site_of_uid(uid).ok_or(CommandError::Unknown("site"))
}
