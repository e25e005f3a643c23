//! The account, its sites and its users (datto-rmm-api.md sections 8.2 and 8.5).

use serde_json::{Value, json};

use crate::sim::PLANTED;
use crate::sim::dice::{Topic, chance};
use crate::sim::estate::{Site, SiteKind};
use crate::sim::life::World;
use crate::sim::names::{self, Person};
use crate::sim::shape::device::is_online;

/// `/v2/account`.
pub(crate) fn account(world: &World) -> Value {
    let listed = || world.estate.devices.iter().filter(|device| !device.removed);
    let total = listed().count();
    let online = listed().filter(|device| is_online(world, device)).count();
    let on_demand = listed()
        .filter(|device| world.estate.site(device.site).is_some_and(|site| site.kind == SiteKind::OnDemand))
        .count();
    json!({
        "id": 3391,
        "uid": world.options.account_uid,
        "name": world.options.account_name,
        "currency": "EUR",
        "descriptor": {"bilingEmail": "billing@msp.example", "deviceLimit": 10_000, "timeZone": "Europe/Amsterdam"},
        "devicesStatus": {
            "numberOfDevices": total,
            "numberOfOnlineDevices": online,
            "numberOfOfflineDevices": total - online,
            "numberOfOnDemandDevices": on_demand,
            "numberOfManagedDevices": total - on_demand,
        },
    })
}

/// One element of `/v2/account/sites`. `devices` are its numbers of devices and of those online.
pub(crate) fn site(world: &World, site: &Site, devices: (usize, usize)) -> Value {
    let mut rng = world.dice.roll(Topic::Site, site.number);
    let (total, online) = devices;
    let autotask = chance(&mut rng, 0.3).then(|| (site.name.trim().to_owned(), rng.u32(1000..9999).to_string()));
    // One site has a proxy for certain.
    let proxied = chance(&mut rng, 0.2) || site.number == 1;
    let proxy = (site.kind == SiteKind::Managed && proxied).then(|| {
        let password = format!("{PLANTED}-proxy-{}", site.number);
        json!({"host": "proxy.lan.example", "port": 3128, "type": "http", "username": "proxyuser", "password": password})
    });
    json!({
        "id": site.id,
        "uid": site.uid,
        "accountUid": world.options.account_uid,
        "name": site.name,
        "description": if chance(&mut rng, 0.3) { Value::Null } else { json!("") },
        "notes": null,
        "onDemand": site.kind.on_demand(),
        "splashtopAutoInstall": rng.bool(),
        "proxySettings": proxy,
        "devicesStatus": {
            "numberOfDevices": total,
            "numberOfOnlineDevices": online,
            "numberOfOfflineDevices": total.saturating_sub(online),
        },
        "autotaskCompanyName": autotask.as_ref().map(|company| &company.0),
        "autotaskCompanyId": autotask.as_ref().map(|company| &company.1),
        "portalUrl": format!("https://{}.centrastage.net/csm/search/sites/{}", world.options.platform, site.id),
    })
}

/// One element of `/v2/account/users`.
pub(crate) fn user(world: &World, person: &Person) -> Value {
    let mut rng = world.dice.roll(Topic::Site, person.id.unsigned_abs() << 20);
    let created = world.now.0 - i64::from(rng.u32(1..900)) * 86_400_000;
    json!({
        "firstName": person.first,
        "lastName": person.last,
        "username": person.login,
        "email": person.email(),
        "telephone": null,
        "status": "Active",
        "created": created - created.rem_euclid(86_400_000),
        "lastAccess": if chance(&mut rng, 0.2) { Value::Null } else { json!(world.now.0 - i64::from(rng.u32(..)) / 100) },
        "disabled": chance(&mut rng, 0.1),
    })
}

/// All staff, in the order of the list.
pub(crate) fn users(world: &World) -> Vec<Value> {
    names::people().map(|person| user(world, &person)).collect()
}
