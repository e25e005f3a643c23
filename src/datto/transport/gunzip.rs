//! Bounded decompression of a gzip body, which may consist of several members (RFC 1952 section 2.2).

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

/// The first two bytes of a member.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What `packed` holds, at most `limit` bytes of it. What follows the last member is left alone, as padding is. The error comes with
/// what could be read before it.
pub(super) fn gunzip(packed: &[u8], limit: usize) -> (Vec<u8>, Result<(), io::Error>) {
    let (mut body, mut rest) = (Vec::new(), packed);
    while body.is_empty() || rest.starts_with(&MAGIC) {
        let room = limit.saturating_sub(body.len());
        if room == 0 {
            break;
        }
        let mut member = GzDecoder::new(rest).take(u64::try_from(room).unwrap_or(u64::MAX));
        let before = body.len();
        if let Err(error) = member.read_to_end(&mut body) {
            return (body, Err(error));
        }
        if body.len().saturating_sub(before) == room {
            break;
        }
        rest = member.into_inner().into_inner();
        if rest.is_empty() {
            break;
        }
    }
    (body, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_are_joined_and_padding_is_left_out() {
        let packed = [gzip(b""), gzip(b"one "), gzip(b""), gzip(b"two"), vec![0; 20]].concat();
        let (body, outcome) = gunzip(&packed, 100);
        assert_eq!(body, b"one two");
        assert!(outcome.is_ok());
        assert_eq!(gunzip(&packed, 5).0, b"one t", "no more than asked for");
    }

    #[test]
    fn what_is_cut_off_or_no_gzip_is_an_error() {
        let packed = [gzip(b"one "), gzip(b"two")].concat();
        let (body, outcome) = gunzip(&packed[..packed.len() - 1], 100);
        assert!(outcome.is_err() && body.starts_with(b"one "));
        assert!(gunzip(b"plain", 100).1.is_err());
        assert!(gunzip(b"", 100).1.is_err());
    }
}
