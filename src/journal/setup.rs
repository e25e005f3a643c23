//! A whole configuration comes into force in one transaction, or not at all.

use crate::journal::policy::{self, PolicyChange};
use crate::journal::sinks::{self, SinkOpening};
use crate::journal::sqlite::Journal;
use crate::journal::{JournalError, StartAt, accounts};
use crate::org::Policy;

/// What a configuration asks of the journal.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Mapping and filters.
    pub policy: Policy,
    /// Accounts, by configured name, whose account-level records go to another organization from now on though there is data.
    pub replaced_orgs: Vec<(String, Option<String>)>,
    /// The configured sinks, and where each starts if the journal never saw it.
    pub sinks: Vec<(String, StartAt)>,
}

/// What a [`Setup`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// What the mapping did.
    pub policy: PolicyChange,
    /// How each sink came into use.
    pub sinks: Vec<SinkOpening>,
}

impl Journal {
    /// Puts a configuration in force. After an error nothing of it is. The deliverer of a sink that leaves must have ended before.
    /// Held records begin to follow in the same transaction; the rest of them follows in bounded ones, which a restart goes on with.
    pub async fn install(&self, setup: Setup) -> Result<Installed, JournalError> {
        let (mut installed, is_pending) = self.begin_install(setup).await?;
        if is_pending {
            self.follow_policy(&mut installed.policy).await;
        }
        Ok(installed)
    }

    /// The first transaction of [`Journal::install`]; says whether more held records may have to follow.
    pub(super) async fn begin_install(&self, setup: Setup) -> Result<(Installed, bool), JournalError> {
        self.write(move |tx| {
            // Before any held record leaves: a new sink gets all that leave from now on, whatever step they leave in.
            let sinks = sinks::configure(tx, &setup.sinks)?;
            for (name, org) in &setup.replaced_orgs {
                accounts::replace_org(tx, name, org.as_deref())?;
            }
            let (policy, is_pending) = policy::put(tx, &setup.policy)?;
            Ok((Installed { policy, sinks }, is_pending))
        })
        .await
    }
}
