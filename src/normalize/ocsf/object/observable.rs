//! `observables`: the values that an analyst pivots on, each with the path where it stands in the event.

use serde::Serialize;

use super::device::Device;
use super::endpoint::Endpoint;
use super::identity::User;
use crate::normalize::ocsf::captions;
use crate::normalize::ocsf::choice::{Choice, Text};

/// At most this many (event-schema.md section 4).
const MAX_OBSERVABLES: usize = 50;

/// A value worth a pivot.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Observable<'a> {
    pub(crate) name: Text<'static>,
    pub(crate) type_id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    pub(crate) value: Text<'a>,
}

/// What a value is: numbers of OCSF's observable types.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pivot {
    Hostname = 1,
    Ip = 2,
    Mac = 3,
    UserName = 4,
    Email = 5,
    ProcessName = 9,
    FilePath = 45,
    DeviceUid = 47,
}

/// The observables of one event, in the order found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observables<'a> {
    list: Vec<Observable<'a>>,
    /// How many did not fit.
    pub(crate) surplus: usize,
}

impl<'a> Observables<'a> {
    /// Adds `value`, which stands at `path`.
    pub(crate) fn add(&mut self, path: impl Into<Text<'static>>, pivot: Pivot, value: Option<&Text<'a>>) {
        let Some(value) = value else { return };
        if self.list.len() >= MAX_OBSERVABLES {
            self.surplus = self.surplus.saturating_add(1);
            return;
        }
        let Choice { id: type_id, caption: kind } = Choice::of(captions::OBSERVABLE, pivot as u32);
        self.list.push(Observable { name: path.into(), type_id, kind, value: value.clone() });
    }

    /// Adds what `device` offers.
    pub(crate) fn add_device(&mut self, device: &Device<'a>) {
        self.add("device.hostname", Pivot::Hostname, device.hostname.as_ref());
        self.add("device.ip", Pivot::Ip, device.ip.as_ref());
        self.add("device.uid", Pivot::DeviceUid, device.uid.as_ref());
    }

    /// Adds the acted-on or acting user at `user`.
    pub(crate) fn add_user(&mut self, user: &User<'a>) {
        self.add("user.name", Pivot::UserName, user.name.as_ref());
        self.add("user.email_addr", Pivot::Email, user.email_addr.as_ref());
    }

    /// Adds the acting user at `actor.user`.
    pub(crate) fn add_actor(&mut self, user: &User<'a>) {
        self.add("actor.user.name", Pivot::UserName, user.name.as_ref());
        self.add("actor.user.email_addr", Pivot::Email, user.email_addr.as_ref());
    }

    /// Adds `src_endpoint`.
    pub(crate) fn add_source(&mut self, endpoint: Option<&Endpoint<'a>>) {
        self.add("src_endpoint.ip", Pivot::Ip, endpoint.and_then(|endpoint| endpoint.ip.as_ref()));
    }

    /// All of them.
    pub(crate) fn into_list(self) -> Vec<Observable<'a>> {
        self.list
    }
}
