//! Reloads: configurations that come into force, and some that are refused, for each class of reasons.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::app::seams::draft::{Draft, Kind, OTHERS, Org, Orgs, Sink, Unmapped};
use crate::app::seams::run::{Run, free_address};

impl Run {
    pub(super) async fn reload_well(&mut self) -> Result<(), String> {
        let mut draft = self.draft.clone();
        let mut changes = Vec::new();
        for _ in 0..self.rng.u8(1..4) {
            changes.push(self.change(&mut draft));
        }
        self.say(format!("reload: {}", changes.join(", ")));
        if self.rng.u8(0..6) == 0 {
            return self.kill_while_reloading(draft).await;
        }
        let is_in_force = self.reload(draft).await?;
        self.figures.reloads += 1;
        if is_in_force { Ok(()) } else { Err("a good configuration was refused".to_owned()) }
    }

    async fn kill_while_reloading(&mut self, draft: Draft) -> Result<(), String> {
        let asked = Instant::now();
        let wait = Duration::from_millis(self.rng.u64(0..4000));
        drop(tokio::time::timeout(wait, self.reload(draft.clone())).await);
        self.say("killed while it reloads");
        self.kill().await?;
        self.in_force_since(asked, draft);
        self.start().await
    }

    /// Changes a configuration into another good one.
    fn change(&mut self, draft: &mut Draft) -> String {
        let sites: Vec<(String, String)> = {
            let all = self.platforms.iter().flat_map(|(_, sim)| sim.truth().sites);
            all.map(|site| (site.uid, site.name)).collect()
        };
        let rng = &mut self.rng;
        let name_or_uid = |rng: &mut Rng| {
            let (uid, name) = rng.choice(&sites).unwrap().clone();
            if rng.bool() { uid } else { name.trim().to_owned() }
        };
        match rng.u8(0..14) {
            0..4 => {
                let in_file = rng.u8(0..3) == 0;
                let unmapped = match rng.u8(0..6) {
                    0 => Unmapped::Drop,
                    1 | 2 => Unmapped::Default,
                    _ => Unmapped::Hold,
                };
                let mut orgs = Orgs { auto_match: rng.bool(), unmapped, in_file, ..Orgs::default() };
                for id in ["a", "b", "c"].into_iter().filter(|_| rng.u8(0..3) > 0).collect::<Vec<_>>() {
                    let account = (rng.u8(0..3) == 0).then(|| draft.accounts[0].name.clone());
                    let claimed: Vec<String> = orgs.list.iter().flat_map(|org| org.sites.clone()).collect();
                    let mut listed: Vec<String> = (0..rng.u8(0..3)).map(|_| name_or_uid(rng)).collect();
                    listed.sort();
                    listed.dedup();
                    listed.retain(|entry| !claimed.contains(entry));
                    // Some names equal a site's: those match by themselves.
                    let name = if rng.u8(0..3) == 0 { name_or_uid(rng) } else { format!("Org {id}") };
                    orgs.list.push(Org { id: id.to_owned(), name, account, sites: listed });
                }
                let mut names = std::collections::BTreeSet::new();
                orgs.list.iter_mut().for_each(|org| {
                    if !names.insert(org.name.clone()) {
                        org.name = format!("Org {}", org.id);
                    }
                });
                if rng.u8(0..4) == 0 {
                    let ignored = name_or_uid(rng);
                    let is_listed = orgs.list.iter().any(|org| org.sites.contains(&ignored));
                    orgs.ignore.extend((!is_listed).then_some(ignored));
                }
                let text = format!("the mapping {orgs:?}");
                draft.orgs = Some(orgs);
                text
            }
            4 => {
                draft.orgs = None;
                "no mapping".to_owned()
            }
            5 => {
                let account = rng.usize(0..draft.accounts.len());
                draft.accounts[account].exclude = (0..rng.u8(0..2)).map(|_| name_or_uid(rng)).collect();
                "another filter".to_owned()
            }
            6 => {
                let account = rng.usize(0..draft.accounts.len());
                let least = [None, None, Some("Low"), Some("Moderate")];
                draft.accounts[account].min_priority = *rng.choice(&least).unwrap();
                "another least priority".to_owned()
            }
            7 => {
                draft.accounts.iter_mut().for_each(|account| account.poll = *rng.choice(&[30, 60, 90]).unwrap());
                "another interval".to_owned()
            }
            8 => {
                let sink = Sink::draw(rng.choice(OTHERS).unwrap(), rng, self.folder.path());
                draft.sinks.retain(|other| other.name != sink.name);
                draft.sinks.push(sink);
                self.figures.replaced += 1;
                "a new or replaced sink".to_owned()
            }
            9 => {
                draft.sinks.retain(|sink| ["main", "exact"].contains(&sink.name.as_str()) || rng.bool());
                "a sink less".to_owned()
            }
            10 => {
                let sinks = draft.sinks.len();
                let sink = &mut draft.sinks[rng.usize(0..sinks)];
                if !matches!(sink.kind, Kind::File(_) | Kind::Stdout) {
                    sink.turn = (sink.turn + 1) % 5;
                    self.figures.replaced += 1;
                }
                "a sink's client is replaced".to_owned()
            }
            11 => {
                let extra = draft.sinks.iter_mut().find(|sink| sink.name != "main" && sink.name != "exact");
                if let Some(sink) = extra {
                    sink.draw_route(rng);
                }
                "another route".to_owned()
            }
            _ => {
                draft.admin = if draft.admin.is_some() { None } else { Some(free_address()) };
                "another admin address".to_owned()
            }
        }
    }

    pub(super) async fn reload_badly(&mut self) -> Result<(), String> {
        let mut draft = self.draft.clone();
        let mut changes: Vec<String> = (0..self.rng.u8(0..4)).map(|_| self.change(&mut draft)).collect();
        let (mut taken, mut in_use) = (None, None);
        let folder = self.folder.path().to_owned();
        let why = match self.rng.u8(0..11) {
            0 => {
                draft.spoiled_by = "[orgs.list\n".to_owned();
                "syntax"
            }
            1 => {
                draft.accounts[0].key = "UNSET".to_owned();
                "an unset secret"
            }
            2 => {
                let path = folder.join("none").join("z");
                draft.sinks.push(Sink::all("z", Kind::File(path), "raw"));
                "no folder for a file"
            }
            3 => {
                let path = folder.join("a-folder");
                std::fs::create_dir_all(&path).unwrap();
                draft.sinks.push(Sink::all("z", Kind::File(path), "raw"));
                "a folder in place of a file"
            }
            4..7 => {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                draft.admin = Some(listener.local_addr().unwrap().to_string());
                taken = Some(listener);
                "a port that is taken"
            }
            7 => {
                draft.journal = folder.join("none").join("vintner.db");
                "no folder for the journal"
            }
            8 => {
                let path = folder.join("other.db");
                let lock = std::fs::File::create(folder.join("other.db-lock")).unwrap();
                lock.try_lock().unwrap();
                in_use = Some(lock);
                draft.journal = path;
                "a journal in use"
            }
            9 => {
                draft.orgs = None;
                draft.spoiled_by = "[orgs]\nfile = \"missing.toml\"\n".to_owned();
                "a mapping that cannot be read"
            }
            _ => {
                // Fixed once there is data; before, it may be what it likes.
                if !self.receivers.has_arrivals() {
                    return Ok(());
                }
                draft.accounts[0].own_org = Some("elsewhere".to_owned());
                "another organization for account-level records"
            }
        };
        changes.push(why.to_owned());
        self.say(format!("reload that must be refused: {}", changes.join(", ")));
        let is_in_force = self.reload(draft).await?;
        drop((taken, in_use));
        self.figures.refused += 1;
        if is_in_force { Err(format!("a configuration with {why} is in force")) } else { Ok(()) }
    }
}
