//! `vintner simulate`: the simulated Datto RMM on a loopback port.

use std::net::SocketAddr;

use crate::app::AppError;
use crate::app::stop::Signals;
use crate::cli::table;
use crate::clock::Clock;
use crate::sim::Sim;
use crate::sim::world::Options;

#[derive(Debug, clap::Args)]
pub(crate) struct Simulate {
    /// Loopback address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Seed of the world
    #[arg(long)]
    seed: Option<u64>,
    /// Alerts that are open at the start
    #[arg(long)]
    open_alerts: Option<u32>,
    /// Alerts that were resolved before the start
    #[arg(long)]
    resolved_alerts: Option<u32>,
    /// Any option of the world as JSON, e.g. `{"sites": 500, "faults": {…}}`; see docs/simulate.md
    #[arg(long, value_name = "JSON")]
    options: Option<String>,
}

impl Simulate {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        if !self.listen.ip().is_loopback() {
            return Err(AppError::Configuration(format!(
                "{} is not a loopback address: the simulation has no real protection",
                self.listen
            ))
            .into());
        }
        let clock = Clock::system();
        let options = self.options(&clock)?;
        let listener = tokio::net::TcpListener::bind(self.listen)
            .await
            .map_err(|error| AppError::Failed(format!("cannot listen on {}: {error}", self.listen)))?;
        let address = listener.local_addr()?;
        let hello = serde_json::json!({
            "api_url": format!("http://{address}"),
            "api_key": options.api_key.expose(),
            "api_secret": options.api_secret.expose(),
            "account_uid": options.account_uid,
            "seed": options.seed,
        });
        table::print(&format!("{hello}\n"))?;
        let stop = tokio_util::sync::CancellationToken::new();
        let (reopen, _) = tokio::sync::watch::channel(0);
        let watching = Signals::take()?.watch(stop.clone(), reopen);
        let serving = crate::sim::serve::serve(listener, Sim::new(options, clock), stop.cancelled_owned());
        tokio::select! {
            served = serving => Ok(served?),
            () = watching => Ok(()),
        }
    }

    fn options(&self, clock: &Clock) -> anyhow::Result<Options> {
        let text = self.options.as_deref().unwrap_or("{}");
        let mut options: Options = serde_json::from_str(text)
            .map_err(|error| AppError::Configuration(format!("--options cannot be read: {error}")))?;
        options.start = clock.now();
        options.seed = self.seed.unwrap_or(options.seed);
        options.open_alerts = self.open_alerts.unwrap_or(options.open_alerts);
        options.resolved_alerts = self.resolved_alerts.unwrap_or(options.resolved_alerts);
        Ok(options)
    }
}
