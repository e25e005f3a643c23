//! A list that is always sorted and can be read from any offset: the live lists behind offset paging.

use crate::clock::Millis;
use crate::sim::dice::{Dice, Topic};
use crate::sim::world::Order;

/// Numbers of rows, kept in the order in which pages show them.
#[derive(Debug)]
pub(crate) struct Ordered {
    order: Order,
    dice: Dice,
    /// Ascending; [`Order::Newest`] reads it from its end, so that new rows append.
    entries: Vec<(i64, u32)>,
}

impl Ordered {
    /// An empty list in `order`.
    pub(crate) fn new(order: Order, dice: Dice) -> Self {
        Self { order, dice, entries: Vec::new() }
    }

    /// Adds row `n`, whose time is `at`.
    pub(crate) fn insert(&mut self, at: Millis, n: u32) {
        let entry = self.entry(at, n);
        if let Err(place) = self.entries.binary_search(&entry) {
            self.entries.insert(place, entry);
        }
    }

    /// Removes row `n`, which was inserted with the time `at`.
    pub(crate) fn remove(&mut self, at: Millis, n: u32) {
        if let Ok(place) = self.entries.binary_search(&self.entry(at, n)) {
            self.entries.remove(place);
        }
    }

    /// How many rows it has now.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The row at `place`, in no order that a reader would see; for picking one by chance.
    pub(crate) fn any(&self, place: usize) -> Option<u32> {
        self.entries.get(place).map(|entry| entry.1)
    }

    /// All rows in the order of the pages.
    pub(crate) fn iter(&self) -> Box<dyn ExactSizeIterator<Item = u32> + '_> {
        let rows = self.entries.iter().map(|entry| entry.1);
        match self.order {
            Order::Newest => Box::new(rows.rev()),
            Order::Oldest | Order::Shuffled => Box::new(rows),
        }
    }

    fn entry(&self, at: Millis, n: u32) -> (i64, u32) {
        match self.order {
            Order::Newest | Order::Oldest => (at.0, n),
            Order::Shuffled => (self.dice.hash(Topic::Shuffle, u64::from(n)).cast_signed(), n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(order: Order) -> Vec<u32> {
        let mut list = Ordered::new(order, Dice::new(5));
        for (at, n) in [(20, 1), (10, 0), (30, 2), (30, 3), (40, 4)] {
            list.insert(Millis(at), n);
        }
        list.remove(Millis(30), 2);
        list.insert(Millis(20), 1);
        list.iter().collect()
    }

    #[test]
    fn keeps_each_order_and_every_row_once() {
        assert_eq!(shown(Order::Newest), [4, 3, 1, 0]);
        assert_eq!(shown(Order::Oldest), [0, 1, 3, 4]);
        let mut shuffled = shown(Order::Shuffled);
        assert_eq!(shuffled, shown(Order::Shuffled));
        shuffled.sort_unstable();
        assert_eq!(shuffled, [0, 1, 3, 4]);
    }
}
