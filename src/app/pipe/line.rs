//! One line of the input as its event: record, organization, normalization.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::app::fetch::{What, records};
use crate::app::{AppError, explain, names};
use crate::clock::{Clock, Millis};
use crate::config::settings::Config;
use crate::datto::model::named::NamedSite;
use crate::diagnostic::panics::caught;
use crate::inventory::Account;
use crate::normalize::udf::Udfs;
use crate::normalize::{Context, Options, normalize};
use crate::org::Policy;
use crate::org::directory::{Decision, Directory};
use crate::record::place::SiteRef;
use crate::record::{AccountUid, Record};

/// Most sites whose organization a worker remembers.
const MOST_KNOWN: usize = 10_000;

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its event as JSON, and the one derived from it, if there is one.
    Events(Vec<String>),
    /// The configuration ignores its site or maps it to no organization.
    LeftOut,
    /// No event can be made of it, and why.
    Bad(String),
}

/// Makes events of lines.
#[derive(Debug)]
pub struct Mapper {
    what: What,
    options: Options,
    /// Organization of records that name no site by uid.
    tenant: String,
    account: AccountUid,
    /// Without sites: what a record says of its site is all that is known of it.
    nothing_known: Arc<Directory>,
    /// Whether organizations come from a configuration.
    has_policy: bool,
    udfs: Udfs,
    clock: Clock,
}

/// Sites that a worker has met, with what is known of each and its organization.
#[derive(Debug, Default)]
pub struct Known(HashMap<NamedSite, Placed>);

/// What a record is of: its organization, and a directory that knows its site by what the record says.
#[derive(Clone, Debug)]
struct Placed {
    directory: Arc<Directory>,
    decision: Decision,
}

impl Mapper {
    /// Without a configuration: organizations are the sites that records name by uid, else `tenant`.
    pub fn new(what: What, options: Options, tenant: Option<String>) -> Self {
        let nothing_known = Arc::new(Directory::new(0, Arc::new(Policy::default()), Vec::new(), Vec::new()));
        Self {
            what,
            options,
            tenant: tenant.unwrap_or_else(|| explain::UNASSIGNED.to_owned()),
            account: explain::unknown_account(),
            nothing_known,
            has_policy: false,
            udfs: Udfs::NONE,
            clock: Clock::system(),
        }
    }

    /// With the organizations, the filters and the user-defined fields that a configuration has for one of its accounts.
    pub fn of_account(self, config: &Config, account: Option<&str>) -> Result<Self, AppError> {
        let configured = names::account_or_only(config, account)?;
        let account = Account {
            uid: self.account.clone(),
            name: configured.name.clone(),
            display_name: String::new(),
            platform: String::new(),
            api_host: String::new(),
        };
        let policy = Arc::new(config.policy.clone());
        let nothing_known = Arc::new(Directory::new(0, policy, vec![account], Vec::new()));
        Ok(Self { nothing_known, has_policy: true, udfs: configured.inventory.udfs.clone(), ..self })
    }

    /// Makes the event of one line.
    pub(super) fn map(&self, line: &[u8], known: &mut Known) -> Outcome {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let item: Box<RawValue> = match serde_json::from_slice(line) {
            Ok(item) => item,
            Err(error) => return Outcome::Bad(format!("it is not one JSON value: {error}")),
        };
        match caught(|| self.event(&item, known)) {
            Ok(outcome) => outcome,
            Err(panicked) => Outcome::Bad(panicked.to_string()),
        }
    }

    fn event(&self, item: &RawValue, known: &mut Known) -> Outcome {
        let now = self.clock.now();
        let records = match records::of_item(&self.account, self.what, item, now, &self.udfs) {
            Ok(records) => records,
            Err(rejected) => return Outcome::Bad(rejected.reason),
        };
        let mut events = Vec::new();
        for record in records {
            match self.of_record(item, &record, known, now) {
                Outcome::Events(some) => events.extend(some),
                other @ (Outcome::LeftOut | Outcome::Bad(_)) => return other,
            }
        }
        Outcome::Events(events)
    }

    fn of_record(&self, item: &RawValue, record: &Record, known: &mut Known, now: Millis) -> Outcome {
        let placed = self.placed(item, record, known);
        let tenant = match placed.decision {
            Decision::Org(tenant) => tenant,
            Decision::Held(_) | Decision::Ignored | Decision::Dropped => return Outcome::LeftOut,
        };
        let context = Context {
            directory: &placed.directory,
            tenant: &tenant,
            device: None,
            processed_at: now,
            options: &self.options,
        };
        match normalize(record, &context) {
            Ok(event) => Outcome::Events(vec![event.json]),
            Err(error) => Outcome::Bad(error.to_string()),
        }
    }

    /// The organization of a record. Every site that a record names counts as known.
    fn placed(&self, item: &RawValue, record: &Record, known: &mut Known) -> Placed {
        let site = &record.envelope.site;
        let assigned = |id: &str| Decision::Org(explain::organization(id));
        let nothing_known = |decision| Placed { directory: Arc::clone(&self.nothing_known), decision };
        if !self.has_policy {
            return nothing_known(match site {
                SiteRef::Uid(uid) => assigned(uid),
                SiteRef::None | SiteRef::Id(_) | SiteRef::Name(_) | SiteRef::Device | SiteRef::Unknown => {
                    assigned(&self.tenant)
                }
            });
        }
        if *site == SiteRef::None {
            let decision = self.nothing_known.decide(&self.account, site);
            return nothing_known(match &decision {
                Decision::Org(tenant) if tenant.id == self.account.as_str() => assigned(&self.tenant),
                Decision::Org(_) | Decision::Ignored | Decision::Dropped | Decision::Held(_) => decision,
            });
        }
        if matches!(site, SiteRef::Device | SiteRef::Unknown) {
            // No inventory says where the device is.
            return nothing_known(assigned(&self.tenant));
        }
        let named = self.named(item, site);
        if let Some(placed) = known.0.get(&named) {
            return placed.clone();
        }
        let placed = self.place(&named, site);
        if known.0.len() < MOST_KNOWN {
            known.0.insert(named, placed.clone());
        }
        placed
    }

    /// The site of the record, as far as the record describes it.
    fn named(&self, item: &RawValue, site: &SiteRef) -> NamedSite {
        let mut named = match self.what {
            What::Sites => NamedSite::of_site(item, &self.account),
            What::OpenAlerts | What::ResolvedAlerts | What::Activity | What::Devices => NamedSite::of_record(item),
        };
        match site {
            SiteRef::Uid(uid) => named.uid = Some(uid.clone()),
            SiteRef::Id(id) => named.id = Some(*id),
            SiteRef::Name(name) => named.name = Some(name.clone()),
            SiteRef::None | SiteRef::Device | SiteRef::Unknown => {}
        }
        named
    }

    fn place(&self, named: &NamedSite, site: &SiteRef) -> Placed {
        let Some(described) = named.site(&self.account) else {
            let decision = self.nothing_known.decide(&self.account, site);
            return Placed { directory: Arc::clone(&self.nothing_known), decision };
        };
        let accounts: Vec<Account> = self.nothing_known.accounts().cloned().collect();
        let policy = Arc::new(self.nothing_known.policy().clone());
        let directory = Directory::new(0, policy, accounts, vec![described]);
        let by_uid = named.uid.as_ref().map(|uid| SiteRef::Uid(uid.clone()));
        let decision = directory.decide(&self.account, by_uid.as_ref().unwrap_or(site));
        // A site without a uid was given one only to decide about it: no event may carry it.
        let directory = if named.uid.is_some() { Arc::new(directory) } else { Arc::clone(&self.nothing_known) };
        Placed { directory, decision }
    }
}
