//! Offset paging over live lists (datto-rmm-api.md section 5.1): page n is what stands at its place right now, so rows
//! shift between two pages of one walk.

use serde_json::Value;

use crate::sim::alerts::Alert;
use crate::sim::call::{Call, Scope};
use crate::sim::estate::Device;
use crate::sim::life::World;
use crate::sim::page::{Page, Shown};
use crate::sim::shape;
use crate::sim::shape::alert::is_muted;
use crate::sim::shape::device::is_online;
use crate::sim::world::{AlertSite, LargeMax, List, Order};

/// A part of a list: where it begins and how many items it has at most.
struct Slice {
    number: usize,
    size: usize,
}

/// `/account/sites`.
pub(crate) fn sites(world: &World, call: &Call) -> Result<Page, String> {
    let name = lower(call.param("siteName"));
    let listed =
        world.estate.sites.iter().enumerate().filter(|(_, site)| !site.removed && like(&site.name, name.as_deref()));
    let listed: Vec<usize> = listed.map(|(place, _)| place).collect();
    let counts = count_devices(world);
    fill(world, call, List::Sites, &listed, |place| {
        let site = world.estate.site(*place)?;
        let value = shape::account::site(world, site, counts.get(*place).copied().unwrap_or_default());
        Some((value, Some(Shown::Site(*place))))
    })
}

/// `/account/devices`, or those of one site.
pub(crate) fn devices(world: &World, call: &Call, site: Option<usize>) -> Result<Page, String> {
    let name = lower(call.param("siteName"));
    let host = lower(call.param("hostname"));
    let kind = lower(call.param("deviceType"));
    let wanted = |device: &Device| {
        !device.removed
            && site.is_none_or(|site| device.site == site)
            && like(&device.hostname, host.as_deref())
            && like(device.class.kind().0, kind.as_deref())
            && world.estate.site(device.site).is_none_or(|site| like(&site.name, name.as_deref()))
    };
    let unlisted = if site.is_none() { world.options.unlisted_devices as usize } else { 0 };
    let all = world.estate.devices.iter().enumerate().filter(|(_, device)| wanted(device));
    let all: Vec<(usize, &Device)> = all.collect();
    let listed = all.get(unlisted..).unwrap_or_default();
    let mut page = fill(world, call, List::Devices, listed, |(place, device)| {
        Some((shape::device::device(world, device), Some(Shown::Device(*place))))
    })?;
    page.total = page.total.map(|total| if world.options.unlisted_are_counted { all.len() } else { total });
    Ok(page)
}

/// `/account/users`.
pub(crate) fn users(world: &World, call: &Call) -> Result<Page, String> {
    fill(world, call, List::Users, &shape::account::users(world), |user| Some((user.clone(), None)))
}

/// `…/alerts/open` and `…/alerts/resolved` of an account, a site or a device.
pub(crate) fn alerts(world: &World, call: &Call, scope: &Scope, which: List) -> Result<Page, String> {
    let (rows, limit) = match (which == List::ResolvedAlerts, world.options.resolved_limit as usize) {
        (false, _) => (world.alerts.open_list(), usize::MAX),
        (true, 0) => (world.alerts.resolved_list(), usize::MAX),
        (true, limit) => (world.alerts.resolved_list(), limit),
    };
    // A short list forgets its earliest rows, wherever they stand.
    let forgotten = match world.options.resolved_order {
        Order::Oldest => rows.len().saturating_sub(limit),
        Order::Newest | Order::Shuffled => 0,
    };
    let muted = call.param("muted").map(|text| text.eq_ignore_ascii_case("true"));
    let wanted = |place: &u32| {
        let alert = world.alerts.get(*place);
        alert.is_some_and(|alert| {
            belongs(world, alert, scope) && muted.is_none_or(|muted| is_muted(world, alert) == muted)
        })
    };
    let listed: Vec<u32> = rows.iter().skip(forgotten).take(limit).filter(wanted).collect();
    fill(world, call, which, &listed, |place| {
        let alert = world.alerts.get(*place)?;
        Some((shape::alert::alert(world, alert), Some(Shown::Alert(*place))))
    })
}

/// Devices of the site at `place`: all, and those online.
pub(crate) fn site_devices(world: &World, place: usize) -> (usize, usize) {
    count_devices(world).get(place).copied().unwrap_or_default()
}

fn count_devices(world: &World) -> Vec<(usize, usize)> {
    let mut counts = vec![(0, 0); world.estate.sites.len()];
    for device in world.estate.devices.iter().filter(|device| !device.removed) {
        if let Some(count) = counts.get_mut(device.site) {
            count.0 += 1;
            count.1 += usize::from(is_online(world, device));
        }
    }
    counts
}

/// The page of `rows` that `call` asks for; only its own items are made.
fn fill<T>(
    world: &World,
    call: &Call,
    list: List,
    rows: &[T],
    item: impl Fn(&T) -> Option<(Value, Option<Shown>)>,
) -> Result<Page, String> {
    let slice = Slice::of(world, call)?;
    let start = slice.number.saturating_mul(slice.size);
    let end = start.saturating_add(slice.size).min(rows.len());
    let mut page = Page::new(list);
    page.missing_url = world.options.missing_url;
    for row in rows.get(start..end).unwrap_or_default() {
        if let Some((value, shown)) = item(row) {
            page.push(&value);
            page.shown.extend(shown);
        }
    }
    page.total = world.options.total_count.contains(&list).then_some(rows.len());
    let link = |number: usize| {
        let place = [("max", slice.size.to_string()), ("page", number.to_string())];
        call.neighbour(&world.options.dropped_parameters, &place)
    };
    page.next = (start.saturating_add(slice.size) < rows.len()).then(|| link(slice.number.saturating_add(1)));
    page.prev = slice.number.checked_sub(1).map(link);
    Ok(page)
}

impl Slice {
    fn of(world: &World, call: &Call) -> Result<Self, String> {
        let cap = world.options.page_cap.max(1) as usize;
        let size = call.number("max")?.unwrap_or(cap);
        if size == 0 {
            return Err("bad value of max".to_owned());
        }
        if size > cap && world.options.large_max == LargeMax::Refused {
            return Err(format!("max {size} exceeds the defined limit of {cap}"));
        }
        Ok(Self { number: call.number("page")?.unwrap_or(0), size: size.min(cap) })
    }
}

fn belongs(world: &World, alert: &Alert, scope: &Scope) -> bool {
    let device = world.estate.device(alert.device);
    match scope {
        Scope::Account => true,
        Scope::Device(uid) => device.is_some_and(|device| &device.uid == uid),
        Scope::Site(uid) => {
            let place = match world.options.alert_site {
                AlertSite::AtOpening => alert.site,
                AlertSite::OfDevice => device.map_or(alert.site, |device| device.site),
            };
            world.estate.site(place).is_some_and(|site| &site.uid == uid)
        }
    }
}

fn lower(text: Option<&str>) -> Option<String> {
    text.map(str::to_lowercase)
}

/// SQL's LIKE as the service uses it: a part of the text, whatever the case.
fn like(text: &str, part: Option<&str>) -> bool {
    part.is_none_or(|part| text.to_lowercase().contains(part))
}
