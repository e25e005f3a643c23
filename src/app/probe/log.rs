//! The activity log: rights, cursors, and how it ends.

use serde_json::Value;

use crate::app::probe::form::{comparable, field, forms, id, magnitude, order, time};
use crate::app::probe::next::{Next, Pair, cursor_form, dropped};
use crate::app::probe::{Probe, Shown, pairs, rows};
use crate::clock::Millis;
use crate::collect::activity::PATH;
use crate::collect::activity::user_rows::REACH;
use crate::datto::error::ClientError;

const ABOUT: &str = "activity log";
const ARRAY: &str = "activities";

/// Sizes that a default may have.
const KNOWN_SIZES: [(usize, &str); 6] = [(20, "20"), (25, "25"), (28, "28"), (50, "50"), (100, "100"), (250, "250")];

impl Probe<'_> {
    pub(super) async fn log(&mut self) -> Result<(), ClientError> {
        for (entity, question) in
            [("USER", "USER rows of the last 7 days"), ("DEVICE", "DEVICE rows of the last 7 days")]
        {
            let mut query = self.window(&[("size", "1".to_owned()), ("order", "desc".to_owned())]);
            query.push(("entities".to_owned(), entity.to_lowercase()));
            let shown = self.look(PATH, &query).await?;
            self.say(ABOUT, question, [shown_rows(&shown, entity)]);
        }
        self.cursors().await?;
        self.defaults().await
    }

    /// The week up to now, with more parameters.
    fn window(&self, more: &[(&str, String)]) -> Vec<Pair> {
        let span = [("from", self.now.minus(REACH).to_rfc3339_seconds()), ("until", self.now.to_rfc3339_seconds())];
        pairs(&[&span, more].concat())
    }

    /// A page of two rows, then the page that ends a window around them.
    async fn cursors(&mut self) -> Result<(), ClientError> {
        let query = self.window(&[("size", "2".to_owned()), ("order", "asc".to_owned())]);
        let shown = self.look(PATH, &query).await?;
        self.say(ABOUT, "answers", [shown.word()]);
        let Shown::Json(page) = &shown else { return Ok(()) };
        let items = rows(page, ARRAY);
        self.say(ABOUT, "totalCount", [id(field(page, "pageDetails/totalCount"))]);
        for name in ["id", "deviceId", "site/id", "user/id"] {
            self.say(ABOUT, name, forms(items, name, id));
        }
        self.say(ABOUT, "date", forms(items, "date", time));
        let dates: Vec<f64> = items.iter().filter_map(|item| comparable(item.get("date")?)).collect();
        self.say(ABOUT, "order=asc", [order(&dates)]);
        let (next, word) = self.next(page, PATH, &query);
        let Next::Leads(link) = next else {
            self.say(ABOUT, "nextPageUrl of a page with two rows", [word]);
            return Ok(());
        };
        self.say(ABOUT, "searchAfter in nextPageUrl", [cursor_form(&link)]);
        let sent = ["from", "until", "size", "order"].map(|name| (name, String::new()));
        self.say(ABOUT, "parameters that nextPageUrl drops", dropped(&sent, &link));
        let (Some(first), Some(last)) = (dates.first(), dates.last()) else { return Ok(()) };
        self.last_log_page(seconds(*first, 0), seconds(*last, 1)).await
    }

    /// The last page with rows of a window that is short enough to have one page.
    async fn last_log_page(&mut self, from: Millis, until: Millis) -> Result<(), ClientError> {
        let query = pairs(&[
            ("from", from.to_rfc3339_seconds()),
            ("until", until.to_rfc3339_seconds()),
            ("size", "250".to_owned()),
            ("order", "asc".to_owned()),
        ]);
        let question = "nextPageUrl of the last page";
        let shown = self.look(PATH, &query).await?;
        let Shown::Json(page) = &shown else {
            self.say(ABOUT, question, [shown.word()]);
            return Ok(());
        };
        if rows(page, ARRAY).is_empty() {
            self.say(ABOUT, question, ["cannot be said: the window of two rows shows none"]);
            return Ok(());
        }
        let (next, word) = self.next(page, PATH, &query);
        let Next::Leads(link) = next else {
            self.say(ABOUT, question, [word]);
            return Ok(());
        };
        // What the link forgot is sent again, as every pass does.
        let kept = query.iter().filter(|(name, _)| !link.iter().any(|(known, _)| known == name));
        let followed: Vec<Pair> = link.iter().chain(kept).cloned().collect();
        let after = self.look(PATH, &followed).await?;
        match &after {
            Shown::Json(after) if rows(after, ARRAY).is_empty() => {
                let (_, empty) = self.next(after, PATH, &followed);
                self.say(ABOUT, question, [word, "to an empty page"]);
                self.say(ABOUT, "nextPageUrl of the empty page", [empty]);
            }
            Shown::Json(_) => self.say(ABOUT, question, [word, "to a page with rows"]),
            Shown::Other(..) | Shown::Unasked => self.say(ABOUT, question, [word, "the next page:", after.word()]),
        }
        Ok(())
    }

    /// What the log does without `size` and `order`.
    async fn defaults(&mut self) -> Result<(), ClientError> {
        let shown = self.look(PATH, &self.window(&[])).await?;
        let Shown::Json(page) = &shown else {
            self.say(ABOUT, "default size", [shown.word()]);
            return Ok(());
        };
        let items = rows(page, ARRAY);
        let known = KNOWN_SIZES.into_iter().find(|(size, _)| *size == items.len()).map(|(_, word)| word);
        self.say(ABOUT, "rows without size", [known.unwrap_or_else(|| magnitude(items.len() as u64))]);
        let dates: Vec<f64> = items.iter().filter_map(|item| comparable(item.get("date")?)).collect();
        self.say(ABOUT, "default order", [order(&dates)]);
        Ok(())
    }
}

fn shown_rows(shown: &Shown, entity: &str) -> &'static str {
    let Shown::Json(page) = shown else { return shown.word() };
    let is_wanted =
        |row: &Value| row.get("entity").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(entity));
    match rows(page, ARRAY) {
        [] => "none",
        rows if rows.iter().any(is_wanted) => "shown",
        _ => "other rows: the filter has no effect",
    }
}

/// The whole second of a date in milliseconds, `more` seconds later.
fn seconds(date: f64, more: i64) -> Millis {
    Millis(((date / 1000.0).floor() as i64).saturating_add(more).saturating_mul(1000))
}
