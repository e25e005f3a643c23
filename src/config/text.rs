//! Files as text, as editors, shells and spreadsheets write them: UTF-8, or UTF-16 with a byte order mark.

/// Turns the bytes of a file into text without a byte order mark. The error: bytes that are neither.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, std::string::FromUtf8Error> {
    let wide = match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => None,
    };
    let text = wide.map_or_else(|| String::from_utf8(bytes), Ok)?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// `None` if a unit is cut off or stands alone.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_gives_the_same_text() {
        let text = "ü 😀\r\n";
        let marked = format!("\u{feff}{text}");
        let units = || marked.encode_utf16();
        let [little, big] =
            [u16::to_le_bytes, u16::to_be_bytes].map(|bytes| units().flat_map(bytes).collect::<Vec<u8>>());
        for bytes in [text.into(), marked.clone().into_bytes(), little, big] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        assert!(decode(vec![0xff, 0xfe, 0x41]).is_err());
        assert!(decode(vec![0xff, 0xfe, 0x00, 0xd8]).is_err());
        assert!(decode(b"M\xfcller".to_vec()).is_err());
    }
}
