//! Receivers of a simulation: they note what arrives and when, and stumble on demand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::app::seams::streams::{self, Bytes, Pipe};
use crate::app::seams::trap::Trap;
use crate::app::sinks::AnySink;
use crate::config::settings::{SinkConfig, SinkKind};
use crate::event::Event;
use crate::record::EventId;
use crate::sink::file::FileSink;
use crate::sink::stdout::Stdout;
use crate::sink::{Delivered, Position, Sink, SinkError, TransactionError, TransactionalSink, Trouble};

/// All receivers of one simulation. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Receivers {
    state: Arc<Mutex<State>>,
    trap: Trap,
    batch: usize,
}

/// An event at a receiver.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// When the call began that brought it.
    pub(crate) began: Instant,
    /// The sink's name.
    pub(crate) sink: Arc<str>,
    pub(crate) event: Event,
}

/// How a receiver stumbles in one call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stumble {
    /// It takes nothing and fails.
    Nothing,
    /// It takes this share of the batch, in percent, and fails. One that keeps the position takes nothing.
    Part(usize),
    /// It takes everything, and the answer is lost. One that keeps the position must be opened to know.
    LostAnswer,
    /// It takes nothing, and asks for a pause.
    Later(Duration),
    /// It answers late.
    Slow(Duration),
    /// It refuses this event of the batch (counted modulo its size), for good.
    Refuse(usize),
    /// It refuses some event of the batch and does not say which.
    Unnamed,
    /// It must not go on before it is asked to. Only one that keeps the position.
    Stopped,
    /// The deliverer panics.
    Panic,
}

#[derive(Debug, Default)]
struct State {
    arrivals: Vec<Arrival>,
    stumbles: BTreeMap<String, VecDeque<Stumble>>,
    /// The newest instance of each sink.
    newest: BTreeMap<String, u64>,
    made: u64,
    positions: BTreeMap<String, Vec<Position>>,
    refused: BTreeSet<(String, EventId)>,
    unnamed: BTreeSet<(String, EventId)>,
    /// Ends of calls that take long.
    busy_until: Vec<Instant>,
    /// Of the running program.
    stdout: Option<Stdout>,
    streams: Vec<Bytes>,
    /// What no run may ever do.
    violations: Vec<String>,
    stumbled: u64,
}

/// One instance of a sink.
#[derive(Debug)]
struct Instance {
    name: Arc<str>,
    number: u64,
    all: Receivers,
}

/// A receiver that takes events at least once.
#[derive(Debug)]
pub(crate) struct Plain {
    instance: Instance,
    /// Its events go there.
    stdout: Option<Stdout>,
}

/// A receiver that keeps the position itself.
#[derive(Debug)]
pub(crate) struct Transactional(Instance);

impl Receivers {
    /// Receivers that get at most `batch` records at once.
    pub(crate) fn new(trap: Trap, batch: usize) -> Self {
        Self { state: Arc::default(), trap, batch }
    }

    /// Most records of one batch.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// A new instance of a sink that takes events at least once. Files and standard output are the real ones, on what a simulation
    /// gives them to write to.
    pub(crate) fn sink(&self, config: &SinkConfig, reserved: &[PathBuf]) -> std::io::Result<AnySink> {
        let instance = self.instance(config);
        Ok(match &config.kind {
            SinkKind::Kafka(_) | SinkKind::Otlp(_) => AnySink::Simulated(Box::new(Plain { instance, stdout: None })),
            SinkKind::Stdout => {
                let stdout = Some(self.stdout(&config.name)?);
                AnySink::Simulated(Box::new(Plain { instance, stdout }))
            }
            SinkKind::File { path } => {
                let append = move |file: &mut File, bytes: &[u8]| streams::append(instance.next(), file, bytes);
                AnySink::File(FileSink::appending(path.clone(), reserved.to_vec(), append))
            }
        })
    }

    /// The standard output of the running program, which all its sinks share.
    fn stdout(&self, name: &str) -> std::io::Result<Stdout> {
        let running = self.state().stdout.as_ref().map(Stdout::beside);
        if let Some(stdout) = running {
            return Ok(stdout);
        }
        let (bytes, all, name) = (Bytes::default(), self.clone(), name.to_owned());
        let seed = self.state().made;
        let stdout = Stdout::on(Pipe::new(Arc::clone(&bytes), seed, move || all.next(&name)))?;
        let mut state = self.state();
        state.streams.push(bytes);
        state.stdout = Some(stdout.beside());
        Ok(stdout)
    }

    /// The program was started anew: it has a standard output of its own.
    pub(crate) fn restart(&self) {
        self.state().stdout = None;
    }

    /// What each program wrote to its standard output.
    pub(crate) fn streams(&self) -> Vec<Vec<u8>> {
        let all = self.state().streams.clone();
        all.iter().map(|bytes| bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    /// How the next call of the sink `name` goes.
    fn next(&self, name: &str) -> Option<Stumble> {
        let mut state = self.state();
        let stumble = state.stumbles.get_mut(name).and_then(VecDeque::pop_front);
        state.stumbled += u64::from(stumble.is_some());
        stumble
    }

    /// Events that some receiver refused for good, or may have.
    pub(crate) fn refused(&self) -> BTreeSet<(String, EventId)> {
        let state = self.state();
        state.refused.union(&state.unnamed).cloned().collect()
    }

    /// A new instance of a sink that keeps the position.
    pub(crate) fn transactional(&self, config: &SinkConfig) -> std::io::Result<Transactional> {
        Ok(Transactional(self.instance(config)))
    }

    /// The next calls of the sink `name` go like this.
    pub(crate) fn stumble(&self, name: &str, stumbles: impl IntoIterator<Item = Stumble>) {
        self.state().stumbles.entry(name.to_owned()).or_default().extend(stumbles);
    }

    /// All are well from now on.
    pub(crate) fn recover(&self) {
        self.state().stumbles.clear();
    }

    /// How many calls stumbled.
    pub(crate) fn stumbled(&self) -> u64 {
        self.state().stumbled
    }

    /// What happened that must not.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Everything that arrived, in order.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.state().arrivals.clone()
    }

    /// Whether some call may take longer than a stop may.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state();
        state.stumbles.values().any(|left| !left.is_empty())
            || state.busy_until.iter().any(|until| *until > Instant::now())
    }

    /// Whether anything arrived.
    pub(crate) fn has_arrivals(&self) -> bool {
        !self.state().arrivals.is_empty()
    }

    fn instance(&self, config: &SinkConfig) -> Instance {
        let mut state = self.state();
        state.made += 1;
        Instance { name: config.name.as_str().into(), number: state.made, all: self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Instance {
    fn next(&self) -> Option<Stumble> {
        self.all.next(&self.name)
    }

    /// How this call goes.
    async fn call(&self) -> Option<Stumble> {
        self.all.trap.visit().await;
        self.all.state().newest(self);
        let stumble = self.next();
        match stumble {
            Some(Stumble::Slow(wait)) => {
                let until = Instant::now() + wait;
                self.all.state().busy_until.push(until);
                tokio::time::sleep_until(until).await;
            }
            Some(Stumble::Panic) => panic!("the receiver {} panics on demand", self.name),
            _ => {}
        }
        stumble
    }

    fn take(&self, events: &[Event], began: Instant) {
        let mut state = self.all.state();
        state.newest(self);
        let arrival = |event: &Event| Arrival { began, sink: Arc::clone(&self.name), event: event.clone() };
        state.arrivals.extend(events.iter().map(arrival));
    }

    /// Events that are refused for good, by index.
    fn refused(&self, events: &[Event]) -> Vec<(usize, String)> {
        let state = self.all.state();
        let is_refused = |event: &Event| state.refused.contains(&(self.name.to_string(), event.id));
        let found = events.iter().enumerate().filter(|(_, event)| is_refused(event));
        found.map(|(index, _)| (index, "refused on demand".to_owned())).collect()
    }

    fn refuse(&self, events: &[Event], which: usize) {
        if let Some(event) = events.get(which % events.len().max(1)) {
            self.all.state().refused.insert((self.name.to_string(), event.id));
        }
    }
}

impl State {
    /// A newer instance of a sink takes over; an older one must not come back.
    fn newest(&mut self, instance: &Instance) {
        let newest = self.newest.entry(instance.name.to_string()).or_default();
        if instance.number < *newest {
            let text = format!("sink {}: instance {} is used after instance {newest}", instance.name, instance.number);
            self.violations.push(text);
            return;
        }
        *newest = instance.number;
    }
}

impl Sink for Plain {
    async fn deliver(&mut self, events: &[Event]) -> Result<Delivered, SinkError> {
        if let Some(stdout) = &mut self.stdout {
            self.instance.all.state().newest(&self.instance);
            let _held = streams::hold_time();
            return stdout.deliver(events).await;
        }
        let (began, instance) = (Instant::now(), &self.instance);
        let retry = || SinkError::Retry("it stumbles on demand".to_owned());
        let mut unnamed = Vec::new();
        match instance.call().await {
            Some(Stumble::Nothing | Stumble::Stopped) => return Err(retry()),
            Some(Stumble::Later(after)) => return Err(SinkError::Later { reason: "not now".to_owned(), after }),
            Some(Stumble::Part(percent)) => {
                instance.take(events.get(..events.len() * percent / 100).unwrap_or_default(), began);
                return Err(retry());
            }
            Some(Stumble::LostAnswer) => {
                instance.take(events, began);
                return Err(retry());
            }
            Some(Stumble::Refuse(which)) => instance.refuse(events, which),
            Some(Stumble::Unnamed) => {
                unnamed = (0..events.len().min(3)).collect();
                let ids = events.iter().take(3).map(|event| (instance.name.to_string(), event.id));
                instance.all.state().unnamed.extend(ids);
            }
            Some(Stumble::Slow(_) | Stumble::Panic) | None => {}
        }
        let refused = instance.refused(events);
        let is_taken = |index: &usize| !unnamed.contains(index) && !refused.iter().any(|(other, _)| other == index);
        let taken = events.iter().enumerate().filter(|(index, _)| is_taken(index));
        instance.take(&taken.map(|(_, event)| event.clone()).collect::<Vec<_>>(), began);
        let refused = refused.into_iter().filter(|(index, _)| !unnamed.contains(index)).collect();
        instance.all.trap.visit().await;
        let unnamed = match unnamed.is_empty() {
            true => Vec::new(),
            false => vec![(unnamed, "one of these is refused on demand".to_owned())],
        };
        Ok(Delivered { refused, unnamed })
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        match self.instance.call().await {
            Some(Stumble::Later(after)) => Err(SinkError::Later { reason: "not now".to_owned(), after }),
            Some(Stumble::Nothing) => Err(SinkError::Retry("it is not well".to_owned())),
            _ => Ok(()),
        }
    }
}

impl TransactionalSink for Transactional {
    async fn open(&mut self) -> Result<Vec<Position>, TransactionError> {
        match self.0.call().await {
            Some(Stumble::Nothing | Stumble::Later(_)) => Err(TransactionError::Retry("not now".to_owned())),
            Some(Stumble::LostAnswer) => Err(TransactionError::Restart("the answer is lost".to_owned())),
            Some(Stumble::Stopped) => Err(TransactionError::Stopped("stopped on demand".to_owned())),
            _ => Ok(self.0.all.state().positions.get(&*self.0.name).cloned().unwrap_or_default()),
        }
    }

    async fn commit(&mut self, events: &[Event], position: &Position) -> Result<(), TransactionError> {
        let began = Instant::now();
        let lost = || TransactionError::Restart("the outcome is not known".to_owned());
        let stumble = self.0.call().await;
        match stumble {
            Some(Stumble::Nothing | Stumble::Later(_)) => return Err(TransactionError::Retry("not now".to_owned())),
            Some(Stumble::Part(_)) => return Err(lost()),
            Some(Stumble::Stopped) => return Err(TransactionError::Stopped("stopped on demand".to_owned())),
            Some(Stumble::Refuse(which)) => self.0.refuse(events, which),
            Some(Stumble::Unnamed) => {
                self.0.refuse(events, 0);
                return Err(TransactionError::Smaller("one of these is refused on demand".to_owned()));
            }
            Some(Stumble::LostAnswer | Stumble::Slow(_) | Stumble::Panic) | None => {}
        }
        let refused = self.0.refused(events);
        if !refused.is_empty() {
            return Err(TransactionError::Refused(refused));
        }
        self.0.take(events, began);
        {
            let mut state = self.0.all.state();
            let positions = state.positions.entry(self.0.name.to_string()).or_default();
            positions.retain(|known| known.partition != position.partition);
            positions.push(position.clone());
        }
        self.0.all.trap.visit().await;
        if matches!(stumble, Some(Stumble::LostAnswer)) { Err(lost()) } else { Ok(()) }
    }

    fn trouble(&self) -> Trouble {
        Trouble::default()
    }
}
