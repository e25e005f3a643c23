//! Whole numbers as JSON may write them: `1048590`, `1048590.0`, `1.04859E6`. An id is its number, whatever its spelling. Read from
//! the decimal text, never through a binary float. Collectors and mappings read ids here, so that both see the same.

use std::borrow::Cow;

/// A whole number with more digits is not one that anybody counts with: its text stays as it is.
const MAX_DIGITS: usize = 40;

/// The whole number that `text` spells; `None` for fractions, for numbers beyond 64 bits and for what is no number.
pub(crate) fn whole(text: &str) -> Option<i64> {
    digits(text.trim())?.parse().ok()
}

/// The digits of the whole number that `token`, a JSON number, spells; any other token as it is.
pub(crate) fn id(token: &str) -> Cow<'_, str> {
    digits(token).unwrap_or(Cow::Borrowed(token))
}

/// The usual spelling of a whole number: a minus sign if it is negative, digits without leading zeros.
fn digits(text: &str) -> Option<Cow<'_, str>> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (number, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(n, e)| (n, Some(e)));
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let signless = exponent.map(|exponent| exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
    if !is_number(whole) || !fraction.is_none_or(is_number) || !signless.is_none_or(is_number) {
        return None;
    }
    let is_usual = fraction.is_none() && exponent.is_none() && !unsigned.starts_with('0') && !text.starts_with('+');
    if is_usual {
        return Some(Cow::Borrowed(text));
    }
    let fraction = fraction.unwrap_or_default();
    let mantissa = format!("{whole}{fraction}");
    let significant = mantissa.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some(Cow::Borrowed("0"));
    }
    let trailing = mantissa.len().checked_sub(mantissa.trim_end_matches('0').len())?;
    // An exponent that no integer holds makes no whole number of a reasonable length.
    let exponent = exponent.map_or(Some(0), |exponent| exponent.parse::<i64>().ok())?;
    let shift =
        exponent.checked_add(i64::try_from(trailing).ok()?)?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let zeros = usize::try_from(shift).ok().filter(|zeros| zeros.saturating_add(significant.len()) <= MAX_DIGITS)?;
    let sign = if is_negative { "-" } else { "" };
    Some(Cow::Owned(format!("{sign}{significant}{}", "0".repeat(zeros))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_whole_number_is_read_in_every_spelling() {
        let cases = [
            ("1048590", 1_048_590),
            ("1048590.0", 1_048_590),
            ("1.04859E6", 1_048_590),
            ("104859e1", 1_048_590),
            ("10485900E-1", 1_048_590),
            (" 1048590.00 ", 1_048_590),
            ("+7", 7),
            ("007", 7),
            ("-7.0", -7),
            ("0", 0),
            ("-0.0e99999999999999999999", 0),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("9.223372036854775807e18", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ];
        for (text, number) in cases {
            assert_eq!(whole(text), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_is_none() {
        let others = [
            "",
            " ",
            "-",
            "1.5",
            "1e-1",
            "1.",
            ".5",
            "1e",
            "e5",
            "0x10",
            "1_000",
            "1e400",
            "1e99999999999999999999",
            "NaN",
        ];
        for text in others.into_iter().chain(["9223372036854775808", "--1", "+-1", "1 2", "१", "1e1.0", "true"]) {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_beyond_64_bits_keeps_its_digits() {
        assert_eq!(id("92233720368547758079"), "92233720368547758079");
        assert_eq!(id("92233720368547758079.0"), "92233720368547758079");
        assert_eq!((id("1e400"), id("1.5")), ("1e400".into(), "1.5".into()));
    }

    /// The same number with its point moved by `shift` places.
    fn moved(number: i64, shift: usize, more: usize) -> String {
        let sign = if number < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", number.unsigned_abs(), width = shift + 1);
        let (whole, fraction) = digits.split_at(digits.len() - shift);
        format!("{sign}{whole}.{fraction}{}e{shift}", "0".repeat(more.max(1)))
    }

    proptest! {
        #[test]
        fn every_integer_is_read_exactly_in_every_spelling(number in any::<i64>(), shift in 0_usize..25, more in 0_usize..5) {
            prop_assert_eq!(whole(&number.to_string()), Some(number));
            prop_assert_eq!(whole(&format!("{number}.{}", "0".repeat(more + 1))), Some(number));
            prop_assert_eq!(whole(&moved(number, shift, more)), Some(number));
            prop_assert_eq!(whole(&format!("{number}{}E-{more}", "0".repeat(more))), Some(number));
            let spelled = moved(number, shift, more);
            prop_assert_eq!(id(&spelled), number.to_string());
        }

        #[test]
        fn a_fraction_is_no_whole_number(number in any::<i64>(), fraction in "[0-9]{0,20}[1-9]0{0,3}") {
            prop_assert_eq!(whole(&format!("{number}.{fraction}")), None);
        }

        #[test]
        fn any_text_is_read(text in "\\PC{0,40}|[-+.eE0-9 ]{0,60}") {
            let (_, _) = (whole(&text), id(&text));
        }
    }
}
