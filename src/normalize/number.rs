//! Whole numbers, however JSON spells them: `1048590`, `1048590.0` and `1.04859E6` are one id. Collectors and mappings read ids
//! here, so that both see the same. Never through a binary float, which would change ids above 2^53.

use std::borrow::Cow;

/// More digits than any id has; bounds the work on a hostile exponent.
const MAX_DIGITS: usize = 40;

/// The digits of a whole number, without a leading zero; `None` for a text that is no number, for one with a fraction, and for
/// one of more than 40 digits.
pub(crate) fn whole(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let is_plain = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && unsigned.len() <= MAX_DIGITS && (unsigned == text && !has_leading_zero(unsigned)) {
        return Some(Cow::Borrowed(text));
    }
    let digits = digits(unsigned)?;
    let sign = if text.starts_with('-') && digits != "0" { "-" } else { "" };
    Some(Cow::Owned(format!("{sign}{digits}")))
}

/// A whole number of 64 bits.
pub(crate) fn integer(text: &str) -> Option<i64> {
    whole(text)?.parse().ok()
}

/// The digits of an unsigned JSON number without a fraction of its value.
fn digits(number: &str) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = !before.is_empty() && mantissa.ends_with(|c: char| c.is_ascii_digit());
    if !is_number || !before.bytes().chain(after.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let after = after.trim_end_matches('0');
    let all = format!("{before}{after}");
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return exponent.parse::<i64>().ok().map(|_| "0".to_owned());
    }
    let shift = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(after.len()).ok()?)?;
    let digits = match usize::try_from(shift) {
        Ok(zeros) if zeros <= MAX_DIGITS => format!("{significant}{}", "0".repeat(zeros)),
        Ok(_) => return None,
        Err(_) => {
            let cut = significant.len().checked_sub(usize::try_from(shift.unsigned_abs()).ok()?)?;
            let (whole, fraction) = significant.split_at_checked(cut)?;
            (!whole.is_empty() && fraction.bytes().all(|byte| byte == b'0')).then(|| whole.to_owned())?
        }
    };
    (digits.len() <= MAX_DIGITS).then_some(digits)
}

fn has_leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_whole_number_is_that_number() {
        for text in
            ["1048590", "1048590.0", "1048590.000", "1.04859E6", "1.04859e+6", "104859e1", "10485900E-1", " 1048590 "]
        {
            assert_eq!(whole(text).as_deref(), Some("1048590"), "{text}");
            assert_eq!(integer(text), Some(1_048_590), "{text}");
        }
        for (text, number) in [("0", "0"), ("-0.0", "0"), ("0e5", "0"), ("-7.0", "-7"), ("-7", "-7"), ("007", "7")] {
            assert_eq!(whole(text).as_deref(), Some(number), "{text}");
        }
        assert_eq!(integer("9007199254740993.0"), Some(9_007_199_254_740_993), "above 2^53");
        assert_eq!(integer("9223372036854775808"), None, "above 64 bits");
        assert_eq!(whole("9223372036854775808").as_deref(), Some("9223372036854775808"));
    }

    #[test]
    fn what_is_no_whole_number_is_none() {
        for text in
            ["", "-", ".", "1.", ".5", "1.5", "15e-1", "1e", "e1", "1e1.5", "+1", "1 0", "0x1", "1e99", "1e-99", "NaN"]
        {
            assert_eq!(whole(text), None, "{text}");
        }
        assert_eq!(whole(&format!("1e{}", "9".repeat(50))), None);
        assert_eq!(whole(&"9".repeat(41)), None);
    }

    proptest::proptest! {
        #[test]
        fn numbers_read_back_from_any_spelling(number: i64, zeros in 0_usize..8, shift in 0_usize..19) {
            let plain = number.to_string();
            let fraction = if zeros > 0 { format!("{plain}.{}", "0".repeat(zeros)) } else { plain.clone() };
            proptest::prop_assert_eq!(integer(&fraction), Some(number));
            let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
            let point = digits.len().saturating_sub(shift).max(1);
            let (head, tail) = digits.split_at(point);
            let dot = if tail.is_empty() { "" } else { "." };
            proptest::prop_assert_eq!(integer(&format!("{sign}{head}{dot}{tail}E{}", tail.len())), Some(number));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE ]{0,30}") {
            if let Some(number) = whole(&text) {
                proptest::prop_assert_eq!(whole(&number), Some(number.clone()));
            }
        }
    }
}
