//! Tasks that outlive their own panics: started anew after a pause that grows, counted, logged.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::diagnostic::panics::{Panicked, caught_in};
use crate::diagnostic::words;
use crate::telemetry::Metrics;

/// The first and the longest pause between a panic and the next start.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A task that is started anew after a panic.
#[derive(Clone, Debug)]
pub struct Supervised {
    /// What it is, for metrics and the log: `account`, `stream`, `sink` or `upkeep`.
    pub kind: &'static str,
    /// Its name among those.
    pub name: String,
    /// Counts its starts after the first.
    pub metrics: Metrics,
    /// Ends the pause; the task itself obeys it too.
    pub stop: CancellationToken,
}

impl Supervised {
    /// Runs what `start` makes until it ends by itself; `None` if `stop` came in a pause. `panicked` gets the reason of each panic,
    /// before the pause. A task that ran for longer than the longest pause begins with the first one again.
    pub async fn run<F: Future>(
        &self,
        mut start: impl FnMut() -> F,
        mut panicked: impl FnMut(&str),
    ) -> Option<F::Output> {
        self.metrics.count_restarts(self.kind, &self.name, 0);
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            match caught_in(Box::pin(start())).await {
                Ok(output) => return Some(output),
                Err(panic) => {
                    if began.elapsed() >= LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                    self.report(&panic, pause);
                    panicked(&panic.to_string());
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return None,
            }
            self.metrics.count_restarts(self.kind, &self.name, 1);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn report(&self, panic: &Panicked, pause: Duration) {
        tracing::error!(
            task = self.kind,
            name = self.name,
            error = panic.to_string(),
            restart_in = words::duration(pause),
            hint = "everything else goes on and nothing is lost; report the place that the error names",
            "task panicked"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervised(name: &str) -> Supervised {
        let (metrics, stop) = (Metrics::default(), CancellationToken::new());
        Supervised { kind: "stream", name: name.to_owned(), metrics, stop }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_five_minutes_and_begin_anew_after_a_long_life() {
        let task = supervised("acme/alerts");
        let (mut starts, mut reasons) = (Vec::new(), 0);
        let ended = task.run(
            || {
                starts.push(Instant::now());
                let number = starts.len();
                async move {
                    match number {
                        12 => tokio::time::sleep(LONGEST_PAUSE).await,
                        14 => return 7,
                        _ => {}
                    }
                    panic!("start {number}")
                }
            },
            |reason| reasons += usize::from(reason.contains("a panic at")),
        );
        assert_eq!(ended.await, Some(7));
        let pauses: Vec<u64> = starts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 301, 2]);
        assert_eq!(reasons, 13);
        let text = task.metrics.render();
        assert!(text.contains(r#"vintner_task_restarts_total{task="stream",name="acme/alerts"} 13"#), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_pause() {
        let task = supervised("acme/alerts");
        let stop = task.stop.clone();
        let ended = task.run(|| async { panic!("on purpose") }, |_| stop.cancel()).await;
        assert_eq!(ended, None);
    }
}
