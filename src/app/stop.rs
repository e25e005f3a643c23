//! Signals: the first asks to stop, the second ends the process at once, SIGHUP reopens files.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Exit code of a stop that was not waited for.
const IMPATIENT: i32 = 3;

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

    /// Cancels `stop` on the first SIGTERM or SIGINT, ends the process on the second, counts SIGHUPs in `reopen`.
    pub async fn watch(mut self, stop: CancellationToken, reopen: watch::Sender<u64>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => asked(&stop),
                _ = self.interrupt.recv() => asked(&stop),
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP: files are reopened; the configuration is not reloaded in this version, restart to apply a changed one");
                    reopen.send_modify(|count| *count += 1);
                }
            }
        }
    }
}

fn asked(stop: &CancellationToken) {
    if stop.is_cancelled() {
        tracing::warn!("second signal: ending at once; what is undelivered stays in the journal");
        #[expect(clippy::exit, reason = "the user asked twice: nothing is worth waiting for")]
        std::process::exit(IMPATIENT);
    }
    tracing::info!("stopping: what is in hand is delivered first");
    stop.cancel();
}
