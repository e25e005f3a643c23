//! The write-ahead log that a kill left, before SQLite reads it: SQLite takes the first damaged frame for the end of the log, and drops
//! what was committed behind it without a word.
//!
//! A crash leaves a torn end too, so a damaged frame proves nothing by itself. But each commit is durable before the next one begins:
//! a commit that has a successor needs every frame before it. (sqlite.org/fileformat.html section 4)

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Bytes of the log's header, and of a frame's.
const HEADER: usize = 32;
const FRAME: usize = 24;
/// What the log begins with; the last bit says in which order of bytes checksums are computed.
const MAGIC: u32 = 0x377f_0682;
const LARGEST_PAGE: usize = 65_536;
const DEFAULT_PAGE: usize = 4096;

type Sum = (u32, u32);

/// How the frames of a log are written.
#[derive(Clone, Copy, Debug)]
struct Format {
    page: usize,
    is_big_endian: bool,
    /// `None`: those of the first frame.
    salts: Option<Sum>,
}

/// A frame's header, and whether the frame is as it was written.
#[derive(Clone, Copy, Debug)]
struct Frame {
    salts: Sum,
    is_commit: bool,
    sum: Sum,
    /// It follows from the frame before it.
    is_valid: bool,
}

/// The frame, from 1, behind which committed ones are unreadable, and the number of frames of the log at `path`. `None`: the log is sound,
/// or there is none.
pub(super) fn damage(path: &Path) -> std::io::Result<Option<(u64, u64)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut file = BufReader::with_capacity(LARGEST_PAGE, file);
    let mut header = [0; HEADER];
    if !is_read(&mut file, &mut header)? {
        return Ok(None);
    }
    let mut format = Format::of(&header);
    let mut sum = checksum((0, 0), header.get(..24).unwrap_or_default(), format.is_big_endian);
    let is_sound = word(&header, 0) & !1 == MAGIC && sum == (word(&header, 24), word(&header, 28));
    if !is_sound {
        // Frames that follow from one another were written whatever the header says.
        format = Format { page: DEFAULT_PAGE, is_big_endian: cfg!(target_endian = "big"), salts: None };
    }
    let (mut frames, mut broken, mut is_lost, mut last) = (0, (!is_sound).then_some(0), false, None::<Frame>);
    let mut bytes = vec![0; FRAME.saturating_add(format.page)];
    while is_read(&mut file, &mut bytes)? {
        frames += 1;
        let salts = *format.salts.get_or_insert_with(|| (word(&bytes, 8), word(&bytes, 12)));
        let frame = Frame::read(&bytes, sum, salts, format.is_big_endian);
        if !frame.is_valid {
            broken = broken.or(Some(frames));
        }
        // A frame that was written after a commit behind the damage.
        let follows_commit = last.is_some_and(|last| last.is_commit && last.salts == salts);
        is_lost |= broken.is_some_and(|at| at < frames) && follows_commit && frame.is_valid;
        (sum, last) = (frame.sum, Some(frame));
    }
    Ok(broken.filter(|_| is_lost).map(|at| (at, frames)))
}

impl Format {
    fn of(header: &[u8]) -> Self {
        let page = usize::try_from(word(header, 8)).unwrap_or(0);
        let is_page = page.is_power_of_two() && (512..=LARGEST_PAGE).contains(&page);
        Self {
            page: if is_page { page } else { DEFAULT_PAGE },
            is_big_endian: word(header, 0) & 1 == 1,
            salts: Some((word(header, 16), word(header, 20))),
        }
    }
}

impl Frame {
    fn read(bytes: &[u8], before: Sum, salts: Sum, is_big_endian: bool) -> Self {
        let (begin, page) = (bytes.get(..8).unwrap_or_default(), bytes.get(FRAME..).unwrap_or_default());
        let (own, sum) = ((word(bytes, 8), word(bytes, 12)), (word(bytes, 16), word(bytes, 20)));
        let computed = checksum(checksum(before, begin, is_big_endian), page, is_big_endian);
        Self { salts: own, is_commit: word(bytes, 4) != 0, sum, is_valid: own == salts && computed == sum }
    }
}

/// The checksum of whole pairs of words, which goes on from `before`.
fn checksum(before: Sum, bytes: &[u8], is_big_endian: bool) -> Sum {
    let read = |four: &[u8]| {
        let four = four.try_into().unwrap_or_default();
        if is_big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    bytes.chunks_exact(8).fold(before, |(mut first, mut second), pair| {
        let (left, right) = pair.split_at(4);
        first = first.wrapping_add(read(left)).wrapping_add(second);
        second = second.wrapping_add(read(right)).wrapping_add(first);
        (first, second)
    })
}

/// A number of a header.
fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at.saturating_add(4)).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_be_bytes)
}

/// Fills `bytes`; `false` at the end of the file.
fn is_read(file: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
