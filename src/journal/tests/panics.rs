//! Work that goes wrong inside a transaction: nothing of it is kept, and everyone else goes on.

use super::support::{Place, uid};
use crate::diagnostic::panics::caught_in;
use crate::journal::readers::MOST;

#[tokio::test]
async fn a_panic_in_a_transaction_takes_nothing_else_with_it() {
    let place = Place::new();
    let journal = place.open();
    let value = |name: &str| vec![(name.to_owned(), "1".to_owned())];
    let panics = journal.write(|tx| {
        tx.execute("INSERT INTO memory (name, value) VALUES ('half', '1')", [])?;
        assert!(tx.now().0 < 0, "on purpose");
        Ok(())
    });
    let uid = uid();
    let (panicked, beside) = tokio::join!(caught_in(Box::pin(panics)), journal.put_cursors(&uid, value("beside")));
    assert!(panicked.unwrap_err().to_string().contains("a panic at"));
    beside.unwrap();
    assert_eq!(journal.recall("half").await.unwrap(), None, "nothing of it is kept");
    assert_eq!(journal.cursor(&uid, "beside").await.unwrap().as_deref(), Some("1"));
    journal.put_cursors(&uid, value("later")).await.unwrap();
    let looks = journal.look(|view| {
        assert!(view.ground.path.as_os_str().is_empty(), "on purpose");
        Ok(())
    });
    assert!(caught_in(Box::pin(looks)).await.is_err());
    assert_eq!(journal.cursor(&uid, "later").await.unwrap().as_deref(), Some("1"));
}

#[tokio::test]
async fn a_connection_whose_rollback_fails_is_not_used_again() {
    let place = Place::new();
    let journal = place.open();
    journal.put_cursors(&uid(), vec![("there".to_owned(), "1".to_owned())]).await.unwrap();
    let found = journal.look(|view| {
        // Ends the transaction behind the back of whoever began it, so that its own ROLLBACK fails.
        view.connection.execute_batch("ROLLBACK")?;
        Ok(7)
    });
    assert_eq!(found.await.unwrap(), 7, "what was read is good");
    assert_eq!(journal.inner.idle_readers(), MOST - 1, "its connection is closed");
    assert_eq!(journal.cursor(&uid(), "there").await.unwrap().as_deref(), Some("1"));
    assert_eq!(journal.inner.idle_readers(), MOST - 1, "others are kept");
}
