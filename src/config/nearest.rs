//! The known word that a misspelt one was meant to be.

/// The nearest of `known` to `word`, without regard to case, if it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let longest = word.chars().count();
    let distances = known.into_iter().map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate));
    let (distance, candidate) = distances.min()?;
    (distance <= longest.div_ceil(3).min(3)).then_some(candidate)
}

/// Levenshtein distance; a swap of two neighbours counts as two.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i.saturating_add(1);
        for (cell, right) in row.iter_mut().zip(std::iter::once(None).chain(b.chars().map(Some))) {
            let above = *cell;
            *cell = match right {
                None => before,
                Some(right) => {
                    let replaced = diagonal.saturating_add(usize::from(left != right));
                    replaced.min(above.saturating_add(1)).min(before.saturating_add(1))
                }
            };
            (diagonal, before) = (above, *cell);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
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
