//! The condition of a Sigma rule: `and`, `or`, `not`, parentheses, `1 of <names>*`, `all of <names>*`.

/// A condition.
#[derive(Debug, PartialEq)]
pub(crate) enum Condition {
    Selection(String),
    /// One (or all) of the selections whose names begin so.
    Of {
        all: bool,
        prefix: String,
    },
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

impl Condition {
    pub(crate) fn of(text: &str) -> Self {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut words = words.as_slice();
        let condition = Self::any(&mut words);
        assert!(words.is_empty(), "{text}: {words:?} is left");
        condition
    }

    fn any(words: &mut &[&str]) -> Self {
        Self::joined(words, "or", Self::all, Self::Or)
    }

    fn all(words: &mut &[&str]) -> Self {
        Self::joined(words, "and", Self::one, Self::And)
    }

    fn joined(words: &mut &[&str], word: &str, part: fn(&mut &[&str]) -> Self, join: fn(Vec<Self>) -> Self) -> Self {
        let mut parts = vec![part(words)];
        while words.first() == Some(&word) {
            *words = &words[1..];
            parts.push(part(words));
        }
        if parts.len() == 1 { parts.remove(0) } else { join(parts) }
    }

    fn one(words: &mut &[&str]) -> Self {
        let (first, rest) = words.split_first().expect("a condition goes on");
        *words = rest;
        match *first {
            "not" => Self::Not(Box::new(Self::one(words))),
            "(" => {
                let inner = Self::any(words);
                assert_eq!(words.first(), Some(&")"));
                *words = &words[1..];
                inner
            }
            "1" | "all" if words.first() == Some(&"of") => {
                let prefix = words[1].strip_suffix('*').expect("a pattern of names").to_owned();
                *words = &words[2..];
                Self::Of { all: *first == "all", prefix }
            }
            name => Self::Selection(name.to_owned()),
        }
    }

    /// Whether it holds, for what `fits` says of each selection.
    pub(crate) fn holds(&self, names: &[&str], fits: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Selection(name) => fits(name),
            Self::Of { all, prefix } => {
                let mut named = names.iter().filter(|name| name.starts_with(prefix.as_str()));
                if *all { named.all(|name| fits(name)) } else { named.any(|name| fits(name)) }
            }
            Self::Not(inner) => !inner.holds(names, fits),
            Self::And(parts) => parts.iter().all(|part| part.holds(names, fits)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(names, fits)),
        }
    }
}

#[test]
fn conditions_bind_as_sigma_says() {
    let holds = |text: &str, true_ones: &[&str]| {
        Condition::of(text).holds(&["a", "b_1", "b_2", "c"], &|name| true_ones.contains(&name))
    };
    assert!(holds("a or b_1 and c", &["a"]) && !holds("(a or b_1) and c", &["a"]));
    assert!(holds("a and not c", &["a"]) && !holds("a and not c", &["a", "c"]));
    assert!(holds("a and 1 of b_*", &["a", "b_2"]) && !holds("a and 1 of b_*", &["a"]));
    assert!(holds("all of b_*", &["b_1", "b_2"]) && !holds("all of b_*", &["b_1"]));
}
