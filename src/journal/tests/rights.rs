//! Who may read the journal's files.

use std::os::unix::fs::PermissionsExt;

use super::support::*;

/// Safety: the journal holds customers' data in the clear.
#[tokio::test]
async fn nobody_but_its_owner_may_read_the_journal_and_its_log() {
    let place = Place::new();
    let journal = four_pages(&place).await;
    for name in ["vintner.db", "vintner.db-wal", "vintner.db-shm"] {
        let path = place.path().with_file_name(name);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    journal.close().await.unwrap();
}
