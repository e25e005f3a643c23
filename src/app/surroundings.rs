//! What a run takes from the process around it: environment variables, the time, and how the API is reached.
//!
//! Start and reload get all of it from here, so that a simulation runs the same code with a time and a platform of its own.

use std::fmt;
use std::sync::Arc;

use crate::app::AppError;
use crate::app::assemble::http_transport;
use crate::app::progress::Form;
use crate::clock::Clock;
use crate::config::secrets::Environment;
use crate::config::settings::AccountConfig;
use crate::datto::Transport;
use crate::sink::readable::Look;

/// Makes what carries an account's requests to the API; called at each start and reload.
pub type MakeTransport = Arc<dyn Fn(&AccountConfig) -> Result<Arc<dyn Transport>, AppError> + Send + Sync>;

/// Everything outside of configuration and journal that a run needs.
#[derive(Clone)]
pub struct Surroundings<E> {
    /// Where secrets are looked for.
    pub environment: E,
    /// Wall time.
    pub clock: Clock,
    /// How the API is reached.
    pub transport: MakeTransport,
    /// Where progress is shown.
    pub progress: Form,
    /// How standard output shows events to people; `None`: as they are.
    pub look: Option<Look>,
    /// Receivers of a simulation, which take the place of the configured ones.
    #[cfg(test)]
    pub(crate) receivers: Option<crate::app::seams::receiver::Receivers>,
}

impl<E: Environment + Clone + Send + Sync + 'static> Surroundings<E> {
    /// Those of this process.
    pub fn of_process(environment: E) -> Self {
        let variables = environment.clone();
        Self {
            environment,
            clock: Clock::system(),
            transport: Arc::new(move |account| http_transport(account, &variables)),
            progress: Form::default(),
            look: None,
            #[cfg(test)]
            receivers: None,
        }
    }
}

impl<E> fmt::Debug for Surroundings<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("clock", &self.clock).finish_non_exhaustive()
    }
}
