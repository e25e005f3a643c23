//! Reloads over random configurations: one that is refused, at whatever stage, leaves every table of the journal as it was.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;

use rusqlite::Connection;
use serde_json::value::RawValue;
use tempfile::TempDir;

use super::*;
use crate::clock::{Clock, Millis};
use crate::config::load;
use crate::inventory::{Account, Site, SiteType};
use crate::journal::sqlite::Journal;
use crate::journal::{DatedRecord, Lane, Page};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind, Stream};

const SITES: [&str; 4] = ["One", "Two", "Three", "Four"];
const SEEDS: u64 = 12;

/// Knows every variable but one.
#[derive(Clone, Copy, Debug)]
struct Variables;

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<OsString> {
        (name != "UNSET").then(|| "value".into())
    }
}

/// Why the changed configuration cannot come into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Syntax,
    UnsetSecret,
    NoFolderForAFile,
    ListenerTaken,
    /// Found only when the parts have ended: the new address overlaps with this instance's own listener and another's.
    ListenerTakenBesideItsOwn,
    JournalInUse,
    NoFolderForTheJournal,
    FixedOrg,
    /// The journal does not take the sinks.
    SinksNotStored,
    /// The journal does not take the mapping.
    PolicyNotStored,
}

const REFUSALS: [Refusal; 10] = [
    Refusal::Syntax,
    Refusal::UnsetSecret,
    Refusal::NoFolderForAFile,
    Refusal::ListenerTaken,
    Refusal::ListenerTakenBesideItsOwn,
    Refusal::JournalInUse,
    Refusal::NoFolderForTheJournal,
    Refusal::FixedOrg,
    Refusal::SinksNotStored,
    Refusal::PolicyNotStored,
];

/// A configuration as text, in parts that a refusal changes.
#[derive(Clone, Debug)]
struct Text {
    journal: String,
    key: &'static str,
    own_org: &'static str,
    mapping: String,
    sinks: String,
    admin: Option<SocketAddr>,
}

impl Text {
    fn random(folder: &Path, random: &mut fastrand::Rng, admin: Option<SocketAddr>) -> Self {
        let mut mapping = format!("unmapped = \"{}\"\n", ["hold", "drop"][usize::from(random.u8(0..4) == 0)]);
        for (number, site) in SITES.iter().enumerate().filter(|_| random.bool()).collect::<Vec<_>>() {
            mapping += &format!("[orgs.list.org{number}]\nname = \"Org {number}\"\nsites = [\"{site}\"]\n");
        }
        if random.u8(0..3) == 0 {
            mapping += &format!("[orgs.ignore]\nsites = [\"{}\"]\n", random.choice(SITES).unwrap());
        }
        if random.u8(0..3) == 0 {
            mapping += &format!("[accounts.acme.filter]\nexclude_sites = [\"{}\"]\n", random.choice(SITES).unwrap());
        }
        let mut sinks = String::new();
        for name in ["a", "b", "c"] {
            if name != "a" && random.bool() {
                continue;
            }
            let from = if random.bool() { "from = \"now\"\n" } else { "" };
            sinks += &format!("[sinks.file.{name}]\npath = {:?}\n{from}", folder.join(name));
        }
        let limits = format!("retain = \"{}d\"\nmax_bytes = \"{}MiB\"\n", random.u8(1..9), random.u8(8..64));
        let journal = format!("path = {:?}\n{limits}", folder.join("vintner.db"));
        Self { journal, key: "KEY", own_org: "msp", mapping, sinks, admin }
    }

    fn write(&self, folder: &Path) -> String {
        let Self { journal, key, own_org, mapping, sinks, admin } = self;
        let admin = admin.map(|address| format!("[admin]\nlisten = \"{address}\"\n")).unwrap_or_default();
        let text = format!(
            "[journal]\n{journal}[accounts.acme]\napi_url = \"http://127.0.0.1:9\"\napi_key = {{ env = \"{key}\" }}\n\
             api_secret = {{ env = \"SECRET\" }}\nuser_activity_org = \"{own_org}\"\n[orgs]\n{mapping}{sinks}{admin}"
        );
        std::fs::write(folder.join("vintner.toml"), &text).unwrap();
        text
    }
}

/// A start of vintner whose parts do not run, so that only a reload changes anything.
struct World {
    folder: TempDir,
    control: Control,
    metrics: Metrics,
    running: Running<Variables>,
    /// What the reloader runs with.
    in_force: Config,
    resources: Resources,
    engine: Engine,
}

impl World {
    async fn start(text: &Text, folder: TempDir) -> Self {
        let text = text.write(folder.path());
        let file = folder.path().join("vintner.toml");
        let config = load::from_text(&file, &text).unwrap_or_else(|found| panic!("{found:?}\n{text}")).config;
        let running = Running {
            file,
            config,
            surroundings: Surroundings::of_process(Variables),
            accept_user_activity_org: Vec::new(),
            accept_clock: false,
        };
        let (control, metrics) = (control().unwrap(), Metrics::default());
        let (engine, resources) = running.first(&control, &metrics).await.unwrap();
        let in_force = running.config.clone();
        let world = Self { folder, control, metrics, running, in_force, resources, engine };
        world.fill().await;
        world
    }

    /// Records of every site, of one that no list shows, and of the account itself.
    async fn fill(&self) {
        let journal = &self.resources.journal;
        let account = Account {
            uid: AccountUid::new("ab1c0002"),
            name: "acme".into(),
            display_name: "An MSP".into(),
            platform: "custom".into(),
            api_host: "127.0.0.1".into(),
        };
        journal.open_account(&account, Some("msp")).await.unwrap();
        journal.close_accounts();
        let site = |name: &&str| Site {
            account: account.uid.clone(),
            uid: format!("uid of {name}"),
            id: None,
            name: (*name).to_owned(),
            site_type: SiteType::Managed,
            autotask: None,
        };
        journal.store_sites(&account.uid, SITES.iter().map(site).collect()).await.unwrap();
        let known = SITES.iter().map(|name| SiteRef::Uid(format!("uid of {name}")));
        let sites = known.chain([SiteRef::None, SiteRef::Uid("unseen".into())]);
        let record = |(number, site): (usize, SiteRef)| DatedRecord {
            record: Record {
                envelope: Envelope {
                    account: account.uid.clone(),
                    kind: RecordKind::ActivityDevice,
                    native_id: number.to_string(),
                    marker: Marker::Once,
                    site,
                    device: DeviceRef::None,
                    path: "/v2/activity-logs".into(),
                    received_at: Millis(0),
                    changed: Vec::new(),
                    synthesized: false,
                },
                source: RawValue::from_string(format!("{{\"id\":{number}}}")).unwrap(),
            },
            dated: Millis(1_795_214_400_000),
        };
        let page = Page {
            account: account.uid.clone(),
            stream: Stream::Activity,
            lane: Lane::Live,
            received_at: Millis(0),
            cursors: Vec::new(),
            alerts: Vec::new(),
            records: sites.enumerate().map(record).collect(),
            rejected: Vec::new(),
        };
        journal.commit(page).await.unwrap();
    }

    /// What SIGHUP does; says whether the configuration in the file is in force then.
    async fn reload(&mut self) -> bool {
        let mut reloader = Reloader {
            file: self.running.file.clone(),
            config: self.in_force.clone(),
            surroundings: self.running.surroundings.clone(),
            hangups: self.control.hangups.clone(),
            resources: self.resources.clone(),
            metrics: self.metrics.clone(),
        };
        self.metrics.gauges().reload_ok.set(1);
        let answer = reloader.answer().await;
        let Reloader { config: in_force, hangups, resources, .. } = reloader;
        drop(resources);
        match answer {
            Err(_) => return false,
            Ok(None) => self.in_force = in_force,
            Ok(Some(prepared)) => {
                let change = Change { prepared, in_force, hangups };
                self.engine.admin = None;
                let (running, resources) = (&mut self.running, &mut self.resources);
                self.engine = running.replace(resources, change, &self.control, &self.metrics).await.unwrap();
                self.in_force = self.running.config.clone();
            }
        }
        self.metrics.gauges().reload_ok.get() == 1
    }

    /// Every table, row by row.
    fn tables(&self) -> Vec<(String, Vec<String>)> {
        let connection = Connection::open(self.folder.path().join("vintner.db")).unwrap();
        let mut names =
            connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").unwrap();
        let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert!(names.len() > 10, "{names:?}");
        let rows = |name: &String| {
            let mut all = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
            let columns = all.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                let values = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
                Ok(format!("{:?}", values.collect::<Result<Vec<_>, _>>()?))
            };
            let mut rows: Vec<String> = all.query_map([], row).unwrap().map(Result::unwrap).collect();
            rows.sort();
            rows
        };
        names.iter().map(|name| (name.clone(), rows(name))).collect()
    }

    fn execute(&self, sql: &str) {
        Connection::open(self.folder.path().join("vintner.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn sinks(&self) -> Vec<&str> {
        self.engine.sinks.iter().map(|sink| sink.name.as_str()).collect()
    }
}

/// What must last as long as the refusal is to be met.
enum Obstacle {
    None,
    Port(StdListener),
    Journal(Journal),
    Trigger,
}

/// Makes `text` one that is refused for this reason.
fn obstruct(world: &World, text: &mut Text, refusal: Refusal) -> Obstacle {
    let folder = world.folder.path();
    let moved = |path: &str| format!("path = {:?}\n", folder.join(path));
    match refusal {
        Refusal::Syntax => text.mapping += "[orgs.list\n",
        Refusal::UnsetSecret => text.key = "UNSET",
        Refusal::NoFolderForAFile => {
            text.sinks += &format!("[sinks.file.z]\npath = {:?}\n", folder.join("none").join("z"));
        }
        Refusal::ListenerTaken => {
            let taken = StdListener::bind("127.0.0.1:0").unwrap();
            text.admin = Some(taken.local_addr().unwrap());
            return Obstacle::Port(taken);
        }
        Refusal::ListenerTakenBesideItsOwn => {
            let port = world.in_force.admin.unwrap().port();
            text.admin = Some(format!("0.0.0.0:{port}").parse().unwrap());
            return Obstacle::Port(StdListener::bind(("127.0.0.2", port)).unwrap());
        }
        Refusal::JournalInUse => {
            let (path, options) = (folder.join("other.db"), journal_options(&world.in_force));
            text.journal = moved("other.db");
            return Obstacle::Journal(Journal::open(&path, options, Clock::system()).unwrap());
        }
        Refusal::NoFolderForTheJournal => text.journal = moved("none/vintner.db"),
        Refusal::FixedOrg => text.own_org = "another",
        Refusal::SinksNotStored => {
            text.sinks += &format!("[sinks.file.z]\npath = {:?}\n", folder.join("z"));
            world.execute("CREATE TRIGGER obstacle BEFORE INSERT ON sinks BEGIN SELECT RAISE(ABORT, 'no'); END");
            return Obstacle::Trigger;
        }
        Refusal::PolicyNotStored => {
            text.mapping += "[orgs.list.more]\nname = \"More\"\n";
            world.execute("CREATE TRIGGER obstacle BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'no'); END");
            return Obstacle::Trigger;
        }
    }
    Obstacle::None
}

fn free() -> SocketAddr {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_refused_reload_leaves_every_table_as_it_was_at_whatever_stage() {
    let mut applied = 0;
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let (folder, admin) = (tempfile::tempdir().unwrap(), Some(free()));
        let old = Text::random(folder.path(), &mut random, admin);
        let mut world = World::start(&old, folder).await;
        for refusal in REFUSALS {
            let mut new = Text::random(world.folder.path(), &mut random, admin);
            let obstacle = obstruct(&world, &mut new, refusal);
            new.write(world.folder.path());
            let (before, config) = (world.tables(), world.in_force.clone());
            let names = world.sinks().join(" ");
            let is_applied = world.reload().await;
            assert!(!is_applied, "seed {seed}: {refusal:?} was accepted: {new:?}");
            assert_eq!(world.tables(), before, "seed {seed}: {refusal:?} changed the journal");
            assert_eq!((&world.in_force, world.sinks().join(" ")), (&config, names), "seed {seed}: {refusal:?}");
            match obstacle {
                Obstacle::Trigger => world.execute("DROP TRIGGER obstacle"),
                Obstacle::Journal(journal) => journal.close().await.unwrap(),
                Obstacle::Port(listener) => drop(listener),
                Obstacle::None => {}
            }
        }
        // Without an obstacle the same kind of change comes into force.
        let new = Text::random(world.folder.path(), &mut random, admin);
        let text = new.write(world.folder.path());
        assert!(world.reload().await, "seed {seed}: {text}");
        let wanted = load::from_text(&world.running.file, &text).unwrap().config;
        assert_eq!(world.in_force, wanted, "seed {seed}");
        assert_eq!(world.resources.journal.directory().await.unwrap().policy(), &wanted.policy, "seed {seed}");
        applied += usize::from(new.mapping != old.mapping);
    }
    assert!(applied > 5, "only {applied} mappings changed");
}

#[tokio::test]
async fn a_reload_moves_the_listener_to_an_overlapping_address_and_the_journal_to_another_file() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free().port());
    let mut random = fastrand::Rng::with_seed(1);
    let mut text = Text::random(folder.path(), &mut random, Some(([127, 0, 0, 1], port).into()));
    let mut world = World::start(&text, folder).await;
    text.admin = Some(([0, 0, 0, 0], port).into());
    text.journal = format!("path = {:?}\n", world.folder.path().join("other.db"));
    text.write(world.folder.path());
    assert!(world.reload().await);
    let (listener, _) = world.engine.admin.as_ref().unwrap();
    assert_eq!(listener.local_addr().unwrap(), ([0, 0, 0, 0], port).into());
    assert!(world.resources.journal.is_at(&world.folder.path().join("other.db")));
    let (path, options) = (world.folder.path().join("vintner.db"), journal_options(&world.running.config));
    Journal::open(&path, options, Clock::system()).expect("the journal before it is closed");
}

#[tokio::test]
async fn after_a_failed_start_a_mapping_that_was_reloaded_before_stays_in_force() {
    let (folder, admin) = (tempfile::tempdir().unwrap(), free());
    let mut random = fastrand::Rng::with_seed(2);
    let text =
        Text { mapping: "unmapped = \"hold\"\n".into(), ..Text::random(folder.path(), &mut random, Some(admin)) };
    let mut world = World::start(&text, folder).await;
    let mapped = Text { mapping: "[orgs.list.one]\nname = \"One\"\n".into(), ..text };
    mapped.write(world.folder.path());
    assert!(world.reload().await, "only the mapping changed");
    let before = world.tables();
    let mut other = mapped.clone();
    let _obstacle = obstruct(&world, &mut other, Refusal::ListenerTakenBesideItsOwn);
    other.write(world.folder.path());
    assert!(!world.reload().await);
    assert_eq!(world.tables(), before);
}
