//! The first start of an account: where it begins is fixed once, and only by a clock that can be trusted.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::AppError;
use crate::app::account::AccountTask;
use crate::collect::sites::end_wait;
use crate::collect::source::{Cut, SharedSource};
use crate::datto::skew::APART_HINT;
use crate::journal::JournalError;

/// A clock that cannot be trusted is looked at again after this.
const AGAIN: Duration = Duration::from_secs(15);

impl AccountTask {
    /// The account's cut time. Waits until a clock can be trusted to fix it; `None` if `stop` comes first.
    pub(super) async fn cut_patiently(
        &self,
        source: &SharedSource,
        stop: &CancellationToken,
    ) -> Result<Option<Cut>, JournalError> {
        let mut is_waiting = false;
        loop {
            if let Some(cut) = source.cut(self.config.start).await? {
                if is_waiting {
                    self.view.connected(source.account.uid.as_str(), source.status.clone());
                    tracing::info!(account = self.config.name, start = %cut.at, "the clocks agree: the first start is fixed");
                }
                return Ok(Some(cut));
            }
            let problem = self.unfixed();
            if !is_waiting {
                tracing::error!(account = self.config.name, problem, hint = APART_HINT, "the first start waits");
                end_wait(&source.journal, &self.config.name).await?;
            }
            self.view.failed(problem);
            is_waiting = true;
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = stop.cancelled() => return Ok(None),
            }
            // Only for the `Date` of its answer, so an error is no matter: the next pass meets it too.
            tokio::select! {
                asked = self.identify() => if let Err(error) = asked {
                    tracing::debug!(account = self.config.name, %error, "the API's clock cannot be asked for");
                },
                () = stop.cancelled() => return Ok(None),
            }
        }
    }

    /// The account's cut time at once, or an error.
    pub(super) async fn cut_once(&self, source: &SharedSource) -> Result<Cut, AppError> {
        let cut = source.cut(self.config.start).await?;
        let refused = || AppError::Failed(format!("account {}: {}. {APART_HINT}", self.config.name, self.unfixed()));
        cut.ok_or_else(refused)
    }

    fn unfixed(&self) -> String {
        let problem = self.client.clocks().problem().unwrap_or_else(|| "the API has shown no time".to_owned());
        format!("{problem}: where the first start begins is not fixed yet")
    }
}
