//! Says which records wait for a mapping (contract.md section 5).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::AppError;
use crate::app::account::AccountTask;
use crate::journal::JournalError;
use crate::journal::sqlite::Journal;
use crate::record::place::SiteRef;

/// As long as records are held, the log says so this often.
const REMIND: Duration = Duration::from_secs(3600);

/// How often it is looked whether the first pass is over.
const LOOK: Duration = Duration::from_secs(1);

/// Most sites that one line names.
const MOST_NAMED: usize = 20;

/// Warns of held records once the first pass of all accounts is over, and hourly from then on.
pub async fn watch(journal: Journal, accounts: Vec<AccountTask>, stop: CancellationToken) -> Result<(), AppError> {
    let first = async {
        while !accounts.iter().all(AccountTask::is_past_first_pass) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = first => {}
        () = stop.cancelled() => return Ok(()),
    }
    loop {
        warn(&journal).await?;
        tokio::select! {
            () = tokio::time::sleep(REMIND) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Warns if records are held: how many, of which sites, and the command that shows them, also those of sites that no list shows.
pub async fn warn(journal: &Journal) -> Result<(), JournalError> {
    let (held, directory) = (journal.held().await?, journal.directory().await?);
    let mut sites: BTreeMap<_, (String, u64)> = BTreeMap::new();
    // What waits for a look at its device needs no mapping.
    for entry in held.into_iter().filter(|entry| entry.site != SiteRef::Device) {
        let known = directory.site(&entry.account, &entry.site);
        let (key, name) = match known {
            Some(site) => (site.uid.clone(), site.name.clone()),
            None => (entry.site.to_string(), entry.site.to_string()),
        };
        let (_, count) = sites.entry((entry.account, key)).or_insert((name, 0));
        *count = count.saturating_add(entry.count);
    }
    let total: u64 = sites.values().map(|(_, count)| count).sum();
    if total > 0 {
        let sites = named(sites.into_values().collect());
        tracing::warn!(
            held = total,
            sites,
            hint = "vintner orgs list",
            "records held: their sites have no organization"
        );
    }
    Ok(())
}

/// The sites with the most records, each with their number.
fn named(mut sites: Vec<(String, u64)>) -> String {
    sites.sort_by(|(a, few), (b, many)| many.cmp(few).then_with(|| a.cmp(b)));
    let more = sites.len().saturating_sub(MOST_NAMED);
    let mut names: Vec<String> =
        sites.iter().take(MOST_NAMED).map(|(name, count)| format!("{name} ({count})")).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sites_with_the_most_records_are_named_and_the_rest_counted() {
        assert_eq!(named(vec![("B".into(), 1), ("C".into(), 7), ("A".into(), 1)]), "C (7), A (1), B (1)");
        let many = (0..23).map(|n| (format!("S{n:02}"), 100 - n)).collect();
        let text = named(many);
        assert!(text.starts_with("S00 (100), ") && text.ends_with("S19 (81), 3 more"), "{text}");
    }
}
