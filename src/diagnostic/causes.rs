//! An error with its causes on one line, for logs.

use std::error::Error;

/// `what failed: why: why that`, each text once.
pub fn line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut next = error.source();
    while let Some(source) = next {
        let told = source.to_string();
        // A foreign error may end with the text of its own source.
        if !last.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        last = told;
        next = source.source();
    }
    text
}

/// The innermost cause: of an HTTP client's error the outer ones only say that sending failed.
pub fn root(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open it")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_follow_on_the_same_line() {
        assert_eq!(line(&Outer(std::io::Error::other("no such file"))), "cannot open it: no such file");
    }
}
