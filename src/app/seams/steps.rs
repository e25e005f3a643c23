//! What happens to a running program, drawn step by step.

use std::time::Duration;

use fastrand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::app::seams::draft::Unmapped;
use crate::app::seams::receiver::Stumble;
use crate::app::seams::run::Run;
use crate::app::seams::world;
use crate::diagnostic::planted;
use crate::sim::command::{Act, Command};
use crate::sim::truth::AlertState;

/// How long everything is well before a simulation is judged.
pub(crate) const SETTLE: Duration = Duration::from_secs(240);

/// The longest that a stop takes while nothing is wrong.
const PROMPT: Duration = Duration::from_secs(2);

/// The kinds of steps and how often each comes.
const STEPS: [(u32, Step); 11] = [
    (30, Step::World),
    (14, Step::Faults),
    (12, Step::Kill),
    (8, Step::Stop),
    (16, Step::Reload),
    (14, Step::Refused),
    (24, Step::Stumble),
    (5, Step::Jump),
    (6, Step::Panic),
    (5, Step::Full),
    (4, Step::Reopen),
];

#[derive(Clone, Copy, Debug)]
enum Step {
    World,
    Faults,
    Kill,
    Stop,
    Reload,
    Refused,
    Stumble,
    Jump,
    Panic,
    Full,
    Reopen,
}

impl Run {
    /// Lets some time pass, then does one step.
    pub(crate) async fn step(&mut self) -> Result<(), String> {
        let wait = match self.rng.u8(0..4) {
            0 => self.rng.u64(0..1000),
            1 => self.rng.u64(1000..20_000),
            _ => self.rng.u64(20_000..70_000),
        };
        self.pass(Duration::from_millis(wait)).await?;
        let total: u32 = STEPS.iter().map(|(weight, _)| weight).sum();
        let mut left = self.rng.u32(0..total);
        let step = STEPS.iter().find(|(weight, _)| {
            let is_it = left < *weight;
            left = left.saturating_sub(*weight);
            is_it
        });
        match step.unwrap().1 {
            Step::World => self.change_world(),
            Step::Faults => self.add_faults(),
            Step::Kill => return self.kill_somewhere().await,
            Step::Stop => return self.stop_and_start().await,
            Step::Reload => return self.reload_well().await,
            Step::Refused => return self.reload_badly().await,
            Step::Stumble => self.stumble(),
            Step::Jump => {
                let by = *self.rng.choice(&[-7_200_000, -90_000, -2_000, 1500, 60_000, 3_600_000]).unwrap();
                self.say(format!("the clock jumps by {by} ms"));
                self.clock.jump(by);
                self.figures.jumps += 1;
            }
            Step::Panic => self.plant(),
            Step::Full => return self.fill().await,
            Step::Reopen => {
                self.say("files are moved away, SIGHUP, nothing changed");
                self.rotate();
                let draft = self.draft.clone();
                self.reload(draft).await?;
            }
        }
        Ok(())
    }

    fn change_world(&mut self) {
        let which = self.rng.usize(0..self.platforms.len());
        let sim = self.platforms[which].1.clone();
        let truth = sim.truth();
        let (rng, now) = (&mut self.rng, truth.now);
        let site = |rng: &mut Rng| rng.choice(&truth.sites).map(|site| site.uid.clone());
        let device = |rng: &mut Rng| rng.choice(&truth.devices).map(|device| device.uid.clone());
        let act = |kind: Act| Command { kind, ..Command::default() };
        let mut commands = Vec::new();
        for _ in 0..rng.u32(1..12) {
            let open: Vec<_> = truth.alerts.iter().filter(|alert| alert.state == AlertState::Open).collect();
            let uid = rng.choice(&open).map(|alert| alert.uid.clone());
            commands.push(match rng.u8(0..24) {
                0..4 => act(Act::OpenAlert),
                4..8 => Command { uid, ..act(Act::ResolveAlert) },
                8..9 => Command { uid, ..act(Act::VanishAlert) },
                9..12 => Command { uid, ..act(Act::UpdateAlert) },
                12..15 => {
                    // Late: readable only after others with a later date.
                    let delay_ms = rng.u64(0..200_000);
                    let date_ms = Some(now.0 - rng.i64(0..120_000));
                    Command { delay_ms, date_ms, ..act(Act::WriteActivity) }
                }
                15..17 => {
                    let entity = Some("DEVICE".to_owned());
                    Command { device: device(rng), entity, delay_ms: rng.u64(0..60_000), ..act(Act::WriteActivity) }
                }
                17..20 => Command { device: device(rng), site: site(rng), ..act(Act::MoveDevice) },
                20 => {
                    Command { site: site(rng), name: Some(format!("Renamed {}", rng.u8(0..3))), ..act(Act::RenameSite) }
                }
                21 => Command { name: Some(format!("Added {}", rng.u8(0..3))), ..act(Act::AddSite) },
                22 => Command { device: device(rng), ..act(Act::RemoveDevice) },
                _ => Command { device: device(rng), ..act(Act::ChangePosture) },
            });
        }
        if rng.u8(0..12) == 0 {
            commands.push(Command { site: site(rng), ..act(Act::RemoveSite) });
        }
        // What cannot happen to its subject now does nothing.
        let done = commands.iter().filter(|command| sim.apply(command).is_ok());
        let kinds: Vec<String> = done.map(|command| format!("{:?}", command.kind)).collect();
        self.say(format!("platform {which}: {}", kinds.join(" ")));
    }

    fn add_faults(&mut self) {
        let which = self.rng.usize(0..self.platforms.len());
        let sim = self.platforms[which].1.clone();
        self.figures.faults += 1;
        match self.rng.u8(0..10) {
            0 => drop(sim.apply(&Command { kind: Act::Block, ..Command::default() })),
            1 => drop(sim.apply(&Command { kind: Act::RevokeTokens, ..Command::default() })),
            _ => {
                let rules: Vec<_> = (0..self.rng.u8(1..4)).map(|_| world::fault(&mut self.rng)).collect();
                self.say(format!(
                    "platform {which}: faults {}",
                    rules.iter().map(|rule| format!("{:?} {}", rule.kind, rule.path)).collect::<Vec<_>>().join(", ")
                ));
                sim.add_faults(rules);
                return;
            }
        }
        self.say(format!("platform {which}: blocked or logged out"));
    }

    async fn kill_somewhere(&mut self) -> Result<(), String> {
        if self.rng.bool() {
            self.trap.set(self.rng.u32(0..40));
            let longest = Duration::from_secs(self.rng.u64(1..90));
            let trap = self.trap.clone();
            drop(tokio::time::timeout(longest, trap.sprung()).await);
        } else {
            tokio::time::sleep(Duration::from_micros(self.rng.u64(0..2_000_000))).await;
            for _ in 0..self.rng.u32(0..60) {
                tokio::task::yield_now().await;
            }
        }
        self.say("killed");
        self.kill().await?;
        self.away().await;
        self.start().await
    }

    /// The program is not there for a while.
    async fn away(&mut self) {
        let longest = if self.rng.u8(0..6) == 0 { 300_000 } else { 5_000 };
        tokio::time::sleep(Duration::from_millis(self.rng.u64(0..longest))).await;
        if let Some((_, until)) = self.disturbed.last_mut() {
            *until = Instant::now();
        }
    }

    async fn stop_and_start(&mut self) -> Result<(), String> {
        self.figures.stops += 1;
        let client = self.slow_client().await?;
        self.say(format!("stop{}", if client.is_some() { " with a slow client" } else { "" }));
        let took = self.stop().await?;
        self.say(format!("stopped after {took:?}"));
        drop(client);
        self.away().await;
        self.start().await
    }

    /// A client of the admin listener that has sent nothing, or half a request, and waits.
    async fn slow_client(&mut self) -> Result<Option<TcpStream>, String> {
        let Some(address) = &self.draft.admin else { return Ok(None) };
        let Ok(mut stream) = TcpStream::connect(address).await else { return Ok(None) };
        let half: &[u8] = if self.rng.bool() { b"GET /status HTTP/1.1\r\nHost: loc" } else { b"" };
        stream.write_all(half).await.map_err(|error| error.to_string())?;
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.figures.slow_clients += 1;
        Ok(Some(stream))
    }

    fn stumble(&mut self) {
        let rng = &mut self.rng;
        let names: Vec<String> = self.draft.sinks.iter().map(|sink| sink.name.clone()).collect();
        let name = rng.choice(&names).unwrap().clone();
        let stumbles: Vec<Stumble> = if rng.u8(0..5) == 0 {
            // Down for a while.
            vec![Stumble::Nothing; rng.usize(3..12)]
        } else {
            (0..rng.u8(1..5)).map(|_| draw_stumble(rng)).collect()
        };
        self.figures.panics += stumbles.iter().filter(|one| matches!(one, Stumble::Panic)).count() as u64;
        self.say(format!("sink {name} stumbles: {stumbles:?}"));
        self.receivers.stumble(&name, stumbles);
    }

    fn plant(&mut self) {
        let which = self.rng.usize(0..self.platforms.len());
        let (account, sim) = self.platforms[which].clone();
        let truth = sim.truth();
        let rng = &mut self.rng;
        let open: Vec<_> = truth.alerts.iter().filter(|alert| alert.state == AlertState::Open).collect();
        let (place, id) = match rng.u8(0..5) {
            0 => ("alert", rng.choice(&open).map(|alert| alert.uid.clone())),
            1 => ("alert look", rng.choice(&open).map(|alert| alert.uid.clone())),
            2 => ("device", rng.choice(&truth.devices).map(|device| device.uid.clone())),
            3 => ("mapping", rng.choice(&open).map(|alert| alert.uid.clone())),
            _ => ("mapping", rng.choice(&truth.activities).map(|row| row.id.clone())),
        };
        let Some(id) = id else { return };
        planted::plant(place, &id, self.rng.u32(1..3));
        self.say(format!("a panic in {place} for {id}"));
        self.planted.push((account, id));
        self.figures.panics += 1;
    }

    /// A journal that is full until its sinks are well again.
    async fn fill(&mut self) -> Result<(), String> {
        let mut draft = self.draft.clone();
        draft.max_kib =
            if draft.max_kib > 1 << 15 { *self.rng.choice(&[1000, 2000, 3200, 4800, 9600]).unwrap() } else { 1 << 20 };
        self.say(format!("reload: a journal of {} KiB", draft.max_kib));
        if draft.max_kib < 1 << 15 {
            self.receivers.stumble("main", vec![Stumble::Nothing; 12]);
            self.figures.full += 1;
            self.rename_devices();
        }
        if !self.reload(draft).await? {
            return Err("another max_bytes was refused".to_owned());
        }
        let wait = self.rng.u64(0..600);
        self.pass(Duration::from_secs(wait)).await
    }

    /// Changes devices that the next pass of the inventory reads, while the journal may have no room for them.
    fn rename_devices(&mut self) {
        for (_, sim) in &self.platforms {
            for device in &sim.truth().devices {
                if self.rng.bool() {
                    continue;
                }
                let (device, name) = (Some(device.uid.clone()), Some(format!("renamed-{}", self.rng.u16(..))));
                // One that is removed by now keeps its name.
                drop(sim.apply(&Command { kind: Act::RenameDevice, device, name, ..Command::default() }));
            }
        }
        self.say("devices get other names");
    }

    /// Lets everything that is wrong end, and waits until nothing is left to do.
    pub(crate) async fn settle(&mut self) -> Result<(), String> {
        self.say("all is well from now on");
        self.receivers.recover();
        for (_, sim) in &self.platforms {
            sim.set_faults(Default::default());
        }
        let mut draft = self.draft.clone();
        draft.max_kib = 1 << 20;
        draft.accounts.iter_mut().for_each(|account| account.poll = 60);
        // What is held goes where it can be seen.
        let orgs = draft.orgs.get_or_insert_default();
        orgs.unmapped = Unmapped::Default;
        if !self.reload(draft).await? {
            return Err("the last configuration was refused".to_owned());
        }
        self.pass(SETTLE).await?;
        self.say("settled");
        Ok(())
    }

    /// The last stop. Everything is well, so it takes no time, whatever clients of the admin listener do.
    pub(crate) async fn end(&mut self) -> Result<(), String> {
        let client = self.slow_client().await?;
        let took = self.stop().await?;
        drop(client);
        self.receivers.restart();
        if took < PROMPT { Ok(()) } else { Err(format!("the last stop took {took:?}")) }
    }
}

fn draw_stumble(rng: &mut Rng) -> Stumble {
    match rng.u8(0..12) {
        0 | 1 => Stumble::Nothing,
        2 | 3 => Stumble::Part(rng.usize(0..100)),
        4 | 5 => Stumble::LostAnswer,
        6 => Stumble::Later(Duration::from_secs(rng.u64(1..40))),
        7 | 8 => Stumble::Slow(Duration::from_millis(rng.u64(1..90_000))),
        9 => Stumble::Refuse(rng.usize(0..50)),
        10 => Stumble::Unnamed,
        _ => {
            if rng.u8(0..3) == 0 {
                Stumble::Stopped
            } else {
                Stumble::Panic
            }
        }
    }
}
