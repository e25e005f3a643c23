//! What is left of users in records and events.

use serde_json::{Value, json};

use super::world::{World, activity, device_row, record, user_row};
use crate::normalize::Format;
use crate::normalize::users::Users;
use crate::record::{Marker, Record, RecordKind};
use crate::secret::Secret;

fn hashed() -> Users {
    Users::Hash(Secret::new("a key of the operator's own, long enough"))
}

/// The event of a record under `users`, in a format.
fn event(users: &Users, format: Format, record: &Record) -> Value {
    let mut world = World::msp();
    (world.options.users, world.options.format) = (users.clone(), format);
    world.options.lens = std::sync::Arc::new(crate::normalize::lens::Lens::shipped());
    serde_json::from_str(&world.try_event(record).unwrap().json).unwrap()
}

/// A row that names two users in every way that was seen, and in free text.
fn row() -> Record {
    activity(user_row(
        "user",
        "edit",
        json!({
            "user.email": "jane.doe@northwind.example", "user.username": "jane.doe", "user.firstname": "Jane", "user.lastname": "Doe",
            "data.user_id": 6001, "data.user_name": "sam.lee", "data.user_email": "sam.lee@northwind.example",
            "data.user_firstname": "Sam", "data.user_lastname": "Lee", "data.user_enabled": false,
            "data.email_recipients": "ops@northwind.example", "data.note": "Jane Doe: asked by sam.lee, not by sam.leeds",
            "source.forwarded_ip": "198.51.100.23",
        }),
    ))
}

/// Safety: no form of an event holds what `users` keeps out.
#[test]
fn nothing_that_must_go_is_in_any_form_of_an_event() {
    let contact =
        ["jane.doe@northwind.example", "sam.lee@northwind.example", "ops@northwind.example", "Jane", "Doe", "Sam"];
    for format in [Format::Ocsf, Format::Ecs, Format::Raw] {
        let full = event(&Users::Full, format, &row()).to_string();
        assert!(contact.iter().all(|text| full.contains(text)), "{full}");
        let name = event(&Users::Name, format, &row()).to_string();
        assert!(contact.iter().all(|text| !name.contains(text)), "{name}");
        assert!(name.contains("jane.doe") && name.contains("sam.lee"), "{name}");
        let hash = event(&hashed(), format, &row()).to_string();
        assert!(contact.iter().chain(&["jane.doe", "sam.lee,"]).all(|text| !hash.contains(text)), "{hash}");
        assert!(hash.contains("sam.leeds"), "part of a longer word is another word: {hash}");
        assert!(hash.contains("198.51.100.23"));
    }
}

/// Who vintner logs in as is a program's user, also where the event no longer has the name.
#[test]
fn an_api_user_is_a_service_under_every_setting() {
    let by = |name: &str, users: Users| {
        let mut row = user_row("account", "login", json!({}));
        row["user"] = json!({ "id": 9001, "userName": name, "firstName": null, "lastName": null });
        let mut world = World::msp();
        world.options.lens = std::sync::Arc::new(crate::normalize::lens::Lens {
            api_users: vec!["svc-vintner".to_owned()],
            ..crate::normalize::lens::Lens::shipped()
        });
        world.options.users = users;
        world.activity(row)["user"]["type"].clone()
    };
    for users in [Users::Full, Users::Name, hashed()] {
        assert_eq!(by("SVC-Vintner", users.clone()), "Service", "{users:?}");
        assert_eq!(by("svc-vintner-2", users.clone()), "User", "{users:?}");
    }
}

/// Joins survive: one user has one hash wherever it stands; another key makes other hashes.
#[test]
fn one_user_has_one_hash() {
    let users = hashed();
    let edit = event(&users, Format::Ocsf, &row());
    let (actor, target) = (&edit["actor"]["user"], &edit["user"]);
    let job = activity(device_row("job", "deployment", json!({ "job.name": "x", "user.username": "JANE.DOE" })));
    let job = event(&users, Format::Ocsf, &job);
    assert_eq!(actor["name"], job["actor"]["user"]["name"]);
    assert_ne!(actor["name"], target["name"]);
    assert_eq!(actor["name"].as_str().unwrap().len(), 16);
    assert!(edit["message"].as_str().unwrap().contains(actor["name"].as_str().unwrap()), "{}", edit["message"]);
    assert!(target["email_addr"].as_str().unwrap().ends_with("@hash.invalid"));
    assert_eq!(actor["uid"], "5521", "a number says no name");
    let other = event(&Users::Hash(Secret::new("another key of the operator's own")), Format::Ocsf, &row());
    assert_ne!(other["actor"]["user"]["name"], actor["name"]);
    let user = json!({ "id": 5521, "username": "jane.doe", "firstName": "Jane", "lastName": "Doe", "telephone": 15_550_100,
        "email": "jane.doe@northwind.example" });
    let user = record(RecordKind::User, "jane.doe", Marker::Item(1, "00000000".into(), None), &user.to_string());
    let item = event(&users, Format::Ocsf, &user);
    assert_eq!(item["user"]["name"], actor["name"]);
    assert_eq!(item["metadata"]["original_event_uid"], actor["name"]);
    assert_eq!(item["metadata"]["uid"], user.envelope.event_id().to_string(), "the id is that of the record");
    let text = item.to_string();
    assert!(["jane", "Jane", "Doe", "15550100"].iter().all(|part| !text.contains(part)), "{text}");
}

/// Rules of the lens that name users go on fitting.
#[test]
fn the_lens_knows_users_by_their_names() {
    let mut world = World::msp();
    world.options.users = hashed();
    let lens =
        crate::normalize::lens::Lens { api_users: vec!["jane.doe".into()], ..crate::normalize::lens::Lens::shipped() };
    world.options.lens = std::sync::Arc::new(lens);
    let event = world.activity(user_row("account", "login", json!({})));
    let tags = event["metadata"]["tags"].as_array().unwrap();
    assert!(tags.iter().any(|tag| tag["name"] == "vintner.self"), "{event}");
    assert!(!event.to_string().contains("jane.doe"), "{event}");
}

#[test]
fn end_users_of_customers_are_users_too() {
    let source = r#"{"uid":"d","hostname":"CDHQ-FS01","lastLoggedInUser":"CONTOSO\\ann.other"}"#;
    let device = record(RecordKind::Device, "d", Marker::Item(1, "00000000".into(), None), source);
    let event = event(&hashed(), Format::Ocsf, &device);
    assert!(!event.to_string().contains("ann.other"), "{event}");
    assert_eq!(event["device"]["owner"]["domain"], "CONTOSO");
    assert_eq!(event["device"]["owner"]["name"].as_str().unwrap().len(), 16);
}
