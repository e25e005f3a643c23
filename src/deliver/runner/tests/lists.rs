//! Records whose site waits for the list of another account: neither sent nor given up until it is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Mood, World, ids, mapped, play};
use crate::journal::dead::DeadFilter;
use crate::org::{AccountPolicy, Policy};

/// The site by its name, while these accounts are configured.
fn by_name(accounts: &[&str]) -> Policy {
    let mut policy = mapped("org");
    let rules = policy.orgs.as_mut().unwrap();
    rules.list[0].sites = vec!["Site".into()];
    let accounts = accounts.iter().map(|name| ((*name).to_owned(), AccountPolicy::default()));
    Policy { accounts: accounts.collect::<BTreeMap<_, _>>(), ..policy }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_list_is_delivered_once_it_is_shown_and_is_no_dead_letter() {
    let (world, _) = play(async |world: &mut World| {
        world.journal.set_policy(by_name(&[])).await.unwrap();
        world.turn(Mood::IsAway);
        world.take_in(10).await;
        world.journal.set_policy(by_name(&["beta"])).await.unwrap();
        // An attempt that began under the mapping before it has failed by then.
        tokio::time::sleep(Duration::from_secs(60)).await;
        world.turn(Mood::Takes);
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!((world.pending().await, world.destination.lock().unwrap().arrived.len()), (10, 0));
        world.journal.end_wait_for_sites("beta").await.unwrap();
        world.drained().await;
        assert_eq!(world.journal.dead_letters(DeadFilter::default()).await.unwrap(), []);
    })
    .await;
    assert_eq!(world.destination.lock().unwrap().arrived, ids(world.taken));
}
