//! Cursor paging over the activity log (datto-rmm-api.md section 5.2 and 10).

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Millis;
use crate::sim::activity::{Place, Row};
use crate::sim::call::Call;
use crate::sim::life::World;
use crate::sim::page::{Page, Shown};
use crate::sim::right;
use crate::sim::shape::activity;
use crate::sim::world::{EmptyPage, LastPage, List, SearchAfter};

/// Without a window: the last 15 minutes only.
const DEFAULT_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Rows older than this are gone.
const RETENTION: Duration = Duration::from_secs(180 * 86_400);

/// What a call asks for.
struct Query {
    from: Millis,
    until: Millis,
    size: usize,
    /// Ascending or descending by date, then by id.
    ascending: bool,
    after: Option<Place>,
    /// Rows before the cursor instead of after it.
    backwards: bool,
    entities: Vec<String>,
    categories: Vec<String>,
    actions: Vec<String>,
    sites: Vec<String>,
    users: Vec<String>,
}

/// `/activity-logs`. `max` and unknown parameters change nothing.
pub(crate) fn page(world: &World, call: &Call) -> Result<Page, String> {
    let query = Query::of(world, call)?;
    let window = world.activity.between(query.from, query.until);
    // One more than fits, to know whether there is more.
    let wanted = query.size.saturating_add(1);
    let mut rows = select(world, &query, window, wanted);
    let more = rows.len() > query.size;
    rows.truncate(query.size);
    if query.backwards {
        rows.reverse();
    }
    let mut page = Page::new(List::Activities);
    for (_, row) in &rows {
        if let Some(found) = world.activity.get(*row) {
            page.push(&activity::row(world, found));
            page.shown.push(Shown::Row(*row));
        }
    }
    let more = more || query.backwards || (world.options.activity_last_page == LastPage::EmptyPage);
    page.missing_url = world.options.missing_url;
    page.next = match (rows.last(), world.options.activity_empty_page) {
        (Some((place, _)), _) => more.then(|| link(world, call, place, "next")),
        (None, EmptyPage::NoUrl) => None,
        (None, EmptyPage::Itself) => Some(call.url()),
        (None, EmptyPage::WithoutCursor) => Some(
            call.without("searchAfter").neighbour(&world.options.dropped_parameters, &[("page", "next".to_owned())]),
        ),
    };
    let not_first = call.param("searchAfter").is_some();
    page.prev = rows.first().filter(|_| not_first).map(|(place, _)| link(world, call, place, "previous"));
    page.total = world.options.total_count.contains(&List::Activities).then_some(window.len());
    Ok(page)
}

/// Up to `wanted` rows of `window` beyond the cursor, nearest to it first.
fn select(world: &World, query: &Query, window: &[(Place, u32)], wanted: usize) -> Vec<(Place, u32)> {
    let towards_later = query.ascending != query.backwards;
    let before = |cursor: Place| window.partition_point(|(place, _)| *place < cursor);
    let up_to = |cursor: Place| window.partition_point(|(place, _)| *place <= cursor);
    let rows: Box<dyn Iterator<Item = &(Place, u32)>> = match (towards_later, query.after) {
        (true, None) => Box::new(window.iter()),
        (false, None) => Box::new(window.iter().rev()),
        (true, Some(cursor)) => Box::new(window.iter().skip(up_to(cursor))),
        (false, Some(cursor)) => Box::new(window.iter().take(before(cursor)).rev()),
    };
    let wants =
        |row: u32| world.activity.get(row).is_some_and(|row| right::may_read(world, row) && query.wants(world, row));
    rows.filter(|(_, row)| wants(*row)).take(wanted).copied().collect()
}

fn link(world: &World, call: &Call, (date, id): &Place, direction: &str) -> String {
    let mut place = match world.options.search_after {
        SearchAfter::Joined => vec![("searchAfter", format!("{},{id}", date.0))],
        SearchAfter::Repeated => vec![("searchAfter", date.0.to_string()), ("searchAfter", id.to_string())],
    };
    place.push(("page", direction.to_owned()));
    call.neighbour(&world.options.dropped_parameters, &place)
}

impl Query {
    fn of(world: &World, call: &Call) -> Result<Self, String> {
        let until = time(call, "until")?.unwrap_or(world.now);
        let from = time(call, "from")?.unwrap_or(until.minus(DEFAULT_WINDOW));
        let size = call.number("size")?.unwrap_or(world.options.activity_default_size as usize);
        let ascending = match call.param("order") {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Err("bad value of order".to_owned()),
        };
        if size == 0 {
            return Err("bad value of size".to_owned());
        }
        Ok(Self {
            from: from.max(world.now.minus(RETENTION)),
            until,
            size: size.min(world.options.page_cap.max(1) as usize),
            ascending,
            after: cursor(call)?,
            backwards: call.param("page") == Some("previous"),
            entities: call.list("entities"),
            categories: call.list("categories"),
            actions: call.list("actions"),
            sites: call.list("siteIds"),
            users: call.list("userIds"),
        })
    }

    fn wants(&self, world: &World, row: &Row) -> bool {
        let filters = [&self.entities, &self.categories, &self.actions, &self.sites, &self.users];
        if filters.iter().all(|filter| filter.is_empty()) {
            return true;
        }
        let (entity, category, action) = activity::words(world, row);
        let site = activity::site_of(world, row).map(|site| site.id.to_string());
        let user = activity::person(world, row).id.to_string();
        passes(&self.entities, entity)
            && passes(&self.categories, category)
            && passes(&self.actions, action)
            && passes(&self.sites, site.as_deref().unwrap_or(""))
            && passes(&self.users, &user)
    }
}

fn passes(filter: &[String], value: &str) -> bool {
    filter.is_empty() || filter.iter().any(|wanted| *wanted == value.to_lowercase())
}

/// `yyyy-MM-ddTHH:mm:ssZ`; both bounds are part of the window.
fn time(call: &Call, name: &str) -> Result<Option<Millis>, String> {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().ok().filter(|_| text.len() == 20 && text.ends_with('Z'));
    let found = call.param(name).map(|text| parse(text).ok_or_else(|| format!("bad value of {name}"))).transpose()?;
    Ok(found.map(|time| Millis(time.as_millisecond())))
}

/// `1662554037000,60761aa3-d03e-3d76-b75b-da28629a4103`, in one parameter or in two.
fn cursor(call: &Call) -> Result<Option<Place>, String> {
    let values = call.list("searchAfter");
    let parsed = match values.as_slice() {
        [] if call.param("searchAfter").is_none() => return Ok(None),
        [date, id] => date.parse().ok().zip(Uuid::parse_str(id).ok()),
        _ => None,
    };
    let (date, id) = parsed.ok_or_else(|| "bad value of searchAfter".to_owned())?;
    Ok(Some((Millis(date), id)))
}
