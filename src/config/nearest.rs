//! The known word that a misspelt one was meant to be.

/// The nearest of `known` to `word`, without regard to case, if it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let longest = word.chars().count();
    let distances = known.into_iter().map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate));
    let (distance, candidate) = distances.min()?;
    (distance <= longest.div_ceil(3).min(3)).then_some(candidate)
}

/// How many letters must be replaced, added, removed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut two_before: Vec<usize> = Vec::new();
    let mut before: Vec<usize> = (0..=b.len()).collect();
    let mut left_before = None;
    for left in a.chars() {
        let row = next_row(left, left_before, &b, &before, &two_before);
        (two_before, before, left_before) = (before, row, Some(left));
    }
    before.last().copied().unwrap_or(0)
}

/// The distances from the letters so far to each beginning of `b`, from those of one and two letters before.
fn next_row(left: char, left_before: Option<char>, b: &[char], before: &[usize], two_before: &[usize]) -> Vec<usize> {
    let at =
        |row: &[usize], index: Option<usize>| index.and_then(|index| row.get(index)).copied().unwrap_or(usize::MAX);
    let mut row = vec![at(before, Some(0)).saturating_add(1)];
    for (index, right) in b.iter().enumerate() {
        let removed = at(before, index.checked_add(1)).saturating_add(1);
        let added = at(&row, Some(index)).saturating_add(1);
        let replaced = at(before, Some(index)).saturating_add(usize::from(left != *right));
        let neighbour = index.checked_sub(1).and_then(|index| b.get(index)).copied();
        let is_swap = neighbour == Some(left) && left_before == Some(*right);
        let swapped = if is_swap { at(two_before, index.checked_sub(1)).saturating_add(1) } else { usize::MAX };
        row.push(removed.min(added).min(replaced).min(swapped));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_counts_once() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("abcd", "acbd", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_near_words_are_proposed() {
        assert_eq!(nearest("platfrom", ["platform", "api_url"]), Some("platform"));
        assert_eq!(nearest("Merlot", ["merlot", "syrah"]), Some("merlot"));
        assert_eq!(nearest("banana", ["merlot", "syrah"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
