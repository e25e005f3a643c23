//! The client against a scripted API in paused time.

mod block;
mod day;
mod login;
mod paging;
mod raw;
mod retrying;
mod telling;
mod throttle;
mod wire;

use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;

/// One look at the open alerts.
async fn look(client: &Client) -> Result<(), ClientError> {
    client.get(Lane::Alerts, "/v2/account/alerts/open", &[]).await.map(|_| ())
}
