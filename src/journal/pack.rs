//! Compression with a checksum that is verified on read.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::journal::fail::{Done, Fail};

/// Level 3 is zstd's own balance of speed and size.
const LEVEL: i32 = 3;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The bit of a frame's descriptor that says that a checksum follows the content (RFC 8878 section 3.1.1.1.1).
const HAS_CHECKSUM: u8 = 0x04;

/// Compresses `data` into one zstd frame with a checksum.
pub(super) fn pack(data: &[u8]) -> Done<Vec<u8>> {
    compress(data).map_err(|e| Fail::damaged(format!("compression failed ({e})")))
}

/// `value` as compressed JSON.
pub(super) fn pack_json(value: &impl Serialize) -> Done<Vec<u8>> {
    pack(&json(value)?)
}

/// `value` as JSON. It fails only for values that have no JSON form, which the journal's types all have.
pub(super) fn json(value: &impl Serialize) -> Done<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Fail::damaged(format!("a value has no JSON form ({e})")))
}

/// Decompresses one frame of at most `most` bytes; the error says what is wrong with it.
pub(super) fn unpack(frame: &[u8], most: u64) -> Result<Vec<u8>, String> {
    let descriptor = frame.strip_prefix(&MAGIC).and_then(|rest| rest.first()).ok_or("not a zstd frame")?;
    if descriptor & HAS_CHECKSUM == 0 {
        return Err("a frame without checksum".into());
    }
    let mut data = Vec::new();
    let decoder = zstd::stream::Decoder::with_buffer(frame).map_err(|e| e.to_string())?;
    decoder.take(most.saturating_add(1)).read_to_end(&mut data).map_err(|e| e.to_string())?;
    if u64::try_from(data.len()).unwrap_or(u64::MAX) > most {
        return Err(format!("more than {most} bytes"));
    }
    Ok(data)
}

/// Decompresses and decodes what [`pack_json`] made; `what` names it in the error.
pub(super) fn unpack_json<T: DeserializeOwned>(frame: &[u8], what: impl Fn() -> String) -> Done<T> {
    let data = unpack(frame, u64::from(u32::MAX)).map_err(|e| Fail::damaged(format!("{}: {e}", what())))?;
    serde_json::from_slice(&data).map_err(|e| Fail::damaged(format!("{}: {e}", what())))
}

fn compress(data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(u64::try_from(data.len()).ok())?;
    encoder.write_all(data)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_or_missing_byte_is_found() {
        let data = b"{\"a\":1}\n{\"a\":2,\"text\":\"some words, some words\"}\n".repeat(3);
        let frame = pack(&data).unwrap();
        assert_eq!(unpack(&frame, 1000).unwrap(), data);
        for at in 0..frame.len() {
            let mut broken = frame.clone();
            broken[at] ^= 0x10;
            assert!(unpack(&broken, 1000).map_or(true, |read| read == data), "byte {at}");
            assert!(unpack(&frame[..at], 1000).is_err(), "cut at {at}");
        }
        let flipped = frame.len() - 1;
        let mut broken = frame.clone();
        broken[flipped] ^= 1;
        assert!(unpack(&broken, 1000).is_err());
    }

    #[test]
    fn frames_without_checksum_and_bombs_are_refused() {
        let plain = zstd::stream::encode_all(&b"abc"[..], 3).unwrap();
        assert_eq!(unpack(&plain, 10).unwrap_err(), "a frame without checksum");
        let bomb = pack(&vec![0; 1 << 20]).unwrap();
        assert!(unpack(&bomb, 1000).unwrap_err().contains("more than 1000"));
    }
}
