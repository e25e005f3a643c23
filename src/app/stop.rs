//! Signals: the first asks to stop, the second ends the process at once, SIGHUP reopens files and reloads the configuration.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::output::log;

/// Exit code of a stop that was not waited for.
const IMPATIENT: i32 = 3;

/// What the signals of this process steer.
#[derive(Debug)]
pub struct Control {
    /// Cancelled by the first SIGTERM or SIGINT.
    pub stop: CancellationToken,
    /// Counts SIGHUPs.
    pub hangups: watch::Receiver<u64>,
    _watching: JoinSet<()>,
}

impl Control {
    /// Takes the signals over, from now on.
    pub fn take() -> std::io::Result<Self> {
        let signals = Signals::take()?;
        let (stop, (hangup, hangups)) = (CancellationToken::new(), watch::channel(0));
        let mut watching = JoinSet::new();
        watching.spawn(signals.watch(stop.clone(), hangup));
        Ok(Self { stop, hangups, _watching: watching })
    }

    /// Steered by a simulation instead of by signals.
    #[cfg(test)]
    pub(crate) fn by(stop: CancellationToken, hangups: watch::Receiver<u64>) -> Self {
        Self { stop, hangups, _watching: JoinSet::new() }
    }
}

/// Signals of this process, from the moment this is built.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Ends with the first signal; for commands that have nothing to finish or to reload.
    pub async fn stop(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }

    /// Cancels `stop` on the first SIGTERM or SIGINT, ends the process on the second, counts SIGHUPs in `reopen`.
    pub async fn watch(mut self, stop: CancellationToken, reopen: watch::Sender<u64>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => asked(&stop),
                _ = self.interrupt.recv() => asked(&stop),
                _ = self.hangup.recv() => reopen.send_modify(|count| *count += 1),
            }
        }
    }
}

fn asked(stop: &CancellationToken) {
    if stop.is_cancelled() {
        tracing::warn!("second signal: ending at once; what is undelivered stays in the journal");
        if let Some(log) = log::stderr() {
            log.flush();
        }
        #[expect(clippy::exit, reason = "the user asked twice: nothing is worth waiting for")]
        std::process::exit(IMPATIENT);
    }
    tracing::info!("stopping: what is in hand is delivered first");
    stop.cancel();
}
