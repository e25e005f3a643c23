//! Compression of requests and bounded decompression of answers.

use std::io::{Read, Write};

use flate2::Compression as GzipLevel;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::Compression;

/// zstd's own default level.
const ZSTD_LEVEL: i32 = 3;

impl Compression {
    /// The name of the encoding, as `content-encoding` and `grpc-encoding` have it.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::None => None,
        }
    }

    /// `bytes` in this encoding.
    pub(super) fn encode(self, bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), GzipLevel::fast());
                encoder.write_all(&bytes)?;
                encoder.finish()
            }
            Self::Zstd => zstd::encode_all(bytes.as_slice(), ZSTD_LEVEL),
            Self::None => Ok(bytes),
        }
    }
}

/// The decoded bytes of an answer, at most `limit` of them. An encoding that nobody asked for is an error.
pub(super) fn decode(encoding: &str, bytes: &[u8], limit: u64) -> std::io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    match encoding {
        "gzip" => MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut decoded)?,
        "zstd" => zstd::Decoder::new(bytes)?.take(limit).read_to_end(&mut decoded)?,
        "identity" | "" => bytes.take(limit).read_to_end(&mut decoded)?,
        other => return Err(std::io::Error::other(format!("unknown encoding {other:?}"))),
    };
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_no_more_than_asked_for() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let encoded = compression.encode(vec![7; 100_000]).unwrap();
            let name = compression.name().unwrap_or_default();
            assert_eq!(decode(name, &encoded, 1 << 20).unwrap(), vec![7; 100_000]);
            assert_eq!(decode(name, &encoded, 10).unwrap().len(), 10, "{compression:?}");
        }
        assert!(decode("br", b"", 10).is_err());
        let members = [&b"one "[..], b"two"].map(|part| Compression::Gzip.encode(part.to_vec()).unwrap()).concat();
        assert_eq!(decode("gzip", &members, 100).unwrap(), b"one two");
    }
}
