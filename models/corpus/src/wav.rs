//! WAV files, by a reader of our own.
//!
//! No crate reads all that recorders and editors write, and refuses the rest in words. symphonia
//! 0.6.1 refuses RF64, BW64, most lengths that a recorder left open and many channels without a
//! mask, and takes what is left of a truncated file for the whole; hound 3.5.1 takes valid bits for
//! the low ones and stumbles over odd chunks; wavers 1.5.1 and bwavfile 2.0.1 panic on some files.
//!
//! Sources: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0"
//! (chunks and their padding, samples in whole bytes); Microsoft, `WAVEFORMATEXTENSIBLE` (valid
//! bits are the high ones); EBU Tech 3306 (RF64) and ITU-R BS.2088 (BW64).

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;

use crate::CorpusError;

/// Most samples that are read, all channels together: six hours of one channel at 48 kHz, 4 GiB
/// in memory.
const MOST_SAMPLES: u64 = 1 << 30;

/// Read at once.
const BLOCK_BYTES: u64 = 1 << 16;

/// Ids by which a chunk is told from a missing pad byte, and from samples.
const KNOWN_CHUNKS: [&[u8; 4]; 22] = [
    b"fmt ", b"data", b"ds64", b"fact", b"LIST", b"bext", b"iXML", b"axml", b"chna", b"cue ",
    b"plst", b"smpl", b"inst", b"PEAK", b"JUNK", b"junk", b"PAD ", b"FLLR", b"id3 ", b"ID3 ",
    b"_PMX", b"cart",
];

/// What the samples of a file are encoded in, where it is not one of ours.
const OTHER_ENCODINGS: [(u16, &str); 8] = [
    (2, "Microsoft ADPCM"),
    (6, "A-law"),
    (7, "mu-law"),
    (0x11, "IMA ADPCM"),
    (0x31, "GSM 6.10"),
    (0x50, "MPEG"),
    (0x55, "MP3"),
    (0x161, "Windows Media"),
];

/// A WAV file whose header is read, and whose sound is not yet.
pub struct WavReader<R> {
    /// From the first sample on.
    data: Chain<Cursor<Vec<u8>>, R>,
    place: String,
    format: Format,
    length: Length,
}

/// How samples are stored.
#[derive(Debug, Clone, Copy)]
struct Format {
    channels: usize,
    sample_rate: u32,
    float: bool,
    /// Bytes of one sample of one channel.
    container: usize,
    /// How many bits of the container are used, from the highest down.
    valid_bits: u32,
}

/// Bytes of sound.
#[derive(Debug, Clone, Copy)]
enum Length {
    /// As the header says.
    Declared(u64),
    /// All that the file holds, but not more than this: the header has a value that recorders
    /// write as long as they do not know the length.
    Open(u64),
}

impl WavReader<BufReader<File>> {
    /// Opens the file at `path`: integers of 8 to 32 bits or floats of 32 or 64, any rate, any
    /// number of channels, in RIFF, RF64 or BW64. A length that its recorder left open (0,
    /// 0x7FFFFFFF, 0xFFFFFFFF and their like) goes to the end of the file.
    ///
    /// # Errors
    /// When it cannot be read or is something else, which the error names.
    pub fn open(path: &Path) -> Result<Self, CorpusError> {
        let file = File::open(path).map_err(|error| CorpusError::read(path, error))?;
        Self::new(BufReader::new(file), &path.display().to_string())
    }
}

impl<R: Read> WavReader<R> {
    /// Reads the header of WAV data that comes from `place`.
    ///
    /// # Errors
    /// As [`open`](WavReader::open).
    pub fn new(mut data: R, place: &str) -> Result<Self, CorpusError> {
        let mut start = Vec::new();
        read_up_to(&mut data, 12, &mut start, place)?;
        let riff = matches!(start.get(..4), Some(b"RIFF" | b"RF64" | b"BW64"));
        if !riff || start.get(8..) != Some(b"WAVE") {
            return Err(other_kind(&start, place));
        }
        let (mut format, mut long_length) = (None, None);
        let mut after_odd = false;
        loop {
            let (id, length) = next_chunk(&mut data, after_odd, place)?;
            after_odd = length % 2 == 1;
            match (&id, format) {
                (b"fmt ", _) => {
                    let chunk = content(&mut data, length, place)?;
                    format = Some(Format::parse(&chunk, place)?);
                }
                (b"ds64", _) => {
                    let chunk = content(&mut data, length, place)?;
                    let bytes = chunk.get(8..16).and_then(|bytes| bytes.try_into().ok());
                    long_length = bytes.map(u64::from_le_bytes);
                }
                (b"data", Some(format)) => {
                    let length = match long_length {
                        Some(long) if length == u32::MAX => Length::long(long),
                        _ => Length::short(length, &format),
                    };
                    return Self::at_sound(data, place, format, length);
                }
                (b"data", None) => {
                    return Err(malformed(
                        place,
                        "header",
                        "\"fmt \" before \"data\"",
                        "none",
                    ));
                }
                _ => {
                    content(&mut data, length, place)?;
                }
            }
        }
    }

    fn at_sound(
        mut data: R,
        place: &str,
        format: Format,
        mut length: Length,
    ) -> Result<Self, CorpusError> {
        let mut ahead = Vec::new();
        if let Length::Open(_) = length {
            // Nothing was recorded where the next chunk follows at once.
            read_up_to(&mut data, 4, &mut ahead, place)?;
            if KNOWN_CHUNKS.iter().any(|id| id[..] == ahead) {
                length = Length::Declared(0);
            }
        }
        Ok(Self {
            data: Cursor::new(ahead).chain(data),
            place: place.to_owned(),
            format,
            length,
        })
    }

    /// Channels, at least 1.
    pub fn channels(&self) -> usize {
        self.format.channels
    }

    /// Samples a second of each channel, more than 0.
    pub fn sample_rate(&self) -> u32 {
        self.format.sample_rate
    }

    /// Calls `take` with each frame, `[n_channels]`, full scale ±1, all finite. Takes memory for
    /// one frame, whatever the header says.
    ///
    /// # Errors
    /// When the file ends before the sound does or cannot be read, or has a sample that is no
    /// finite number; when its valid bits are not where they must be; when it is longer than six
    /// hours of one channel at 48 kHz.
    pub fn read(mut self, mut take: impl FnMut(&[f32])) -> Result<(), CorpusError> {
        let (format, place) = (self.format, self.place.as_str());
        let frame_bytes = format.frame_bytes();
        let (Length::Declared(length) | Length::Open(length)) = self.length;
        // What an odd length leaves is no frame.
        let declared = length / frame_bytes as u64;
        let most = MOST_SAMPLES / format.channels as u64;
        let mut frame = vec![0.0; format.channels];
        let mut low_bits = LowBits::default();
        let mut block = Vec::new();
        let mut n = 0;
        while n < declared {
            let frames = (BLOCK_BYTES / frame_bytes as u64).clamp(1, declared - n);
            block.clear();
            read_up_to(
                &mut self.data,
                frames * frame_bytes as u64,
                &mut block,
                place,
            )?;
            for bytes in block.chunks_exact(frame_bytes) {
                for (sample, bytes) in frame.iter_mut().zip(bytes.chunks_exact(format.container)) {
                    *sample = format.decode(bytes, &mut low_bits);
                }
                if let Some(channel) = frame.iter().position(|sample| !sample.is_finite()) {
                    let index = n * format.channels as u64 + channel as u64;
                    let field = format_args!("sample {index}");
                    return Err(malformed(place, field, "a finite number", frame[channel]));
                }
                take(&frame);
                n += 1;
            }
            if n > most {
                return Err(CorpusError::malformed(
                    place,
                    "samples",
                    format_args!("at most {MOST_SAMPLES}"),
                    "more",
                    "cut the recording into parts",
                ));
            }
            if (block.len() as u64) < frames * frame_bytes as u64 {
                if matches!(self.length, Length::Open(_)) {
                    break;
                }
                return Err(CorpusError::malformed(
                    place,
                    "samples",
                    format_args!("{}, as the header says", declared * format.channels as u64),
                    format_args!("{}: the file is truncated", n * format.channels as u64),
                    "copy it again, or keep what is left: ffmpeg -i TRUNCATED.wav REST.wav",
                ));
            }
        }
        if low_bits.hold_the_sound() {
            return Err(malformed(
                place,
                "samples",
                format_args!("{} valid bits, the high ones", format.valid_bits),
                "the low ones in use and no other",
            ));
        }
        Ok(())
    }
}

impl Format {
    fn parse(chunk: &[u8], place: &str) -> Result<Self, CorpusError> {
        let word = |at: usize| {
            chunk
                .get(at..at + 2)
                .map(|b| u16::from_le_bytes([b[0], b[1]]))
        };
        let (Some(tag), Some(channels), Some(low), Some(high), Some(frame_bytes), Some(bits)) =
            (word(0), word(2), word(4), word(6), word(12), word(14))
        else {
            let expected = "\"fmt \" of at least 16 bytes";
            return Err(malformed(place, "header", expected, chunk.len()));
        };
        let sample_rate = u32::from(high) << 16 | u32::from(low);
        if channels == 0 || sample_rate == 0 {
            return Err(malformed(
                place,
                "header",
                "at least one channel and a sample rate",
                format_args!("{channels} channels at {sample_rate} Hz"),
            ));
        }
        // The extensible form has the tag in front of a GUID, and the valid bits.
        let (tag, valid_bits) = match (tag, word(18), word(24)) {
            (0xFFFE, Some(valid), Some(tag)) => (tag, if valid == 0 { bits } else { valid }),
            (0xFFFE, ..) => {
                let expected = "an extensible \"fmt \" of 40 bytes";
                return Err(malformed(place, "header", expected, chunk.len()));
            }
            (tag, ..) => (tag, bits),
        };
        let float = match (tag, bits) {
            (1, 8..=32) => false,
            (3, 32 | 64) => true,
            _ => return Err(other_encoding(tag, bits, place)),
        };
        let format = Self {
            channels: usize::from(channels),
            sample_rate,
            float,
            container: usize::from(bits.div_ceil(8)),
            valid_bits: u32::from(valid_bits),
        };
        if usize::from(frame_bytes) != format.frame_bytes() % 65_536 || valid_bits > bits {
            return Err(malformed(
                place,
                "header",
                format_args!(
                    "{} bytes for {channels} channels of {bits} bits",
                    format.frame_bytes()
                ),
                format_args!("{frame_bytes} bytes, {valid_bits} valid bits a channel"),
            ));
        }
        Ok(format)
    }

    fn frame_bytes(&self) -> usize {
        self.channels * self.container
    }

    fn decode(&self, bytes: &[u8], low_bits: &mut LowBits) -> f32 {
        match *bytes {
            [a, b, c, d] if self.float => f32::from_le_bytes([a, b, c, d]),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => {
                // One byte is unsigned, more are two's complement; the highest come last.
                let mut high = [0; 4];
                high[4 - bytes.len()..].copy_from_slice(bytes);
                high[3] ^= if bytes.len() == 1 { 0x80 } else { 0 };
                let value = i32::from_le_bytes(high);
                low_bits.look_at(value, self);
                (f64::from(value) / 2_f64.powi(31)) as f32
            }
        }
    }
}

/// Whether the sound is in the bits that are said to be unused: some writers put it there, and read
/// as if it were in the high ones it would be too soft to be heard.
#[derive(Default)]
struct LowBits {
    used: bool,
    high_used: bool,
}

impl LowBits {
    /// Looks at a sample that begins at bit 31.
    fn look_at(&mut self, value: i32, format: &Format) {
        let unused = 8 * format.container as u32 - format.valid_bits;
        if unused > 0 {
            let value = value >> (32 - 8 * format.container as u32);
            self.used |= value.trailing_zeros() < unused;
            let sign = value >> (format.valid_bits - 1);
            self.high_used |= sign != 0 && sign != -1;
        }
    }

    fn hold_the_sound(&self) -> bool {
        self.used && !self.high_used
    }
}

impl Length {
    /// Of a RIFF chunk.
    fn short(length: u32, format: &Format) -> Self {
        // sox, ALSA and others write about half of what the field holds, in whole frames; the
        // field's end, less a header, is ffmpeg's.
        let frame = format.frame_bytes() as u64;
        match u64::from(length) {
            0 => Self::Open(u64::MAX),
            length if (0x7FFF_F000 - frame..=0x8000_0000).contains(&length) => Self::Open(length),
            length if length > 0xFFFF_FF00 => Self::Open(u64::MAX),
            length => Self::Declared(length),
        }
    }

    /// Of a `ds64` chunk.
    fn long(length: u64) -> Self {
        match length {
            0 | u64::MAX => Self::Open(u64::MAX),
            length => Self::Declared(length),
        }
    }
}

/// The id and length of the chunk that begins here, or one pad byte later if the last had an odd
/// length: some writers forget the pad byte.
fn next_chunk(
    data: &mut impl Read,
    after_odd: bool,
    place: &str,
) -> Result<([u8; 4], u32), CorpusError> {
    let mut bytes = Vec::new();
    read_up_to(data, 4, &mut bytes, place)?;
    if after_odd && !KNOWN_CHUNKS.iter().any(|id| id[..] == bytes) {
        bytes.drain(..bytes.len().min(1));
    }
    read_up_to(data, 8 - bytes.len() as u64, &mut bytes, place)?;
    let Ok([a, b, c, d, length @ ..]) = <[u8; 8]>::try_from(bytes) else {
        return Err(truncated_header(place));
    };
    let id = [a, b, c, d];
    if !id.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        let expected = "chunks that lead to \"data\"";
        let found = format_args!("one with the id \"{}\"", id.escape_ascii()).to_string();
        return Err(malformed(place, "header", expected, found));
    }
    Ok((id, u32::from_le_bytes(length)))
}

/// The first bytes of a chunk, as many as any that is used has; the rest is skipped.
fn content(data: &mut impl Read, length: u32, place: &str) -> Result<Vec<u8>, CorpusError> {
    let mut bytes = Vec::new();
    read_up_to(data, u64::from(length.min(40)), &mut bytes, place)?;
    let rest = u64::from(length) - bytes.len() as u64;
    let skipped = io::copy(&mut data.take(rest), &mut io::sink())
        .map_err(|error| CorpusError::read(Path::new(place), error))?;
    if skipped < rest {
        return Err(truncated_header(place));
    }
    Ok(bytes)
}

/// Appends `n` bytes, or as many as there are.
fn read_up_to(
    data: &mut impl Read,
    n: u64,
    bytes: &mut Vec<u8>,
    place: &str,
) -> Result<(), CorpusError> {
    data.take(n)
        .read_to_end(bytes)
        .map(drop)
        .map_err(|error| CorpusError::read(Path::new(place), error))
}

fn malformed(
    place: &str,
    field: impl Display,
    expected: impl Display,
    found: impl Display,
) -> CorpusError {
    let remedy = "export it again as 48 kHz WAV, 24-bit integers or 32-bit floats";
    CorpusError::malformed(place, field, expected, found, remedy)
}

fn truncated_header(place: &str) -> CorpusError {
    let remedy = "copy the file again, or export it again";
    let found = "the end of the file";
    CorpusError::malformed(
        place,
        "header",
        "chunks that lead to \"data\"",
        found,
        remedy,
    )
}

fn other_encoding(tag: u16, bits: u16, place: &str) -> CorpusError {
    let name = match OTHER_ENCODINGS.iter().find(|(other, _)| *other == tag) {
        Some((_, name)) => (*name).to_owned(),
        None if tag == 1 => format!("integers of {bits} bits"),
        None if tag == 3 => format!("floats of {bits} bits"),
        None => format!("format {tag:#06x}"),
    };
    let expected = "integers of 8 to 32 bits, or floats of 32 or 64";
    CorpusError::malformed(place, "sample format", expected, name, convert(place))
}

/// How to make a file of ours of one that is not.
pub(crate) fn convert(place: &str) -> String {
    format!("convert it: ffmpeg -i \"{place}\" -c:a pcm_s24le NEW.wav")
}

/// What a file is that begins with `start` and is not WAV.
fn other_kind(start: &[u8], place: &str) -> CorpusError {
    let begins = |magic: &[u8]| start.starts_with(magic);
    let at =
        |offset: usize, magic: &[u8]| start.get(offset..).is_some_and(|s| s.starts_with(magic));
    let name = if begins(b"fLaC") {
        "a FLAC file"
    } else if begins(b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) {
        "an AIFF file"
    } else if begins(b"OggS") {
        "an Ogg file"
    } else if at(4, b"ftyp") {
        "an MP4 or M4A file"
    } else if begins(b"caff") {
        "a CAF file"
    } else if begins(b"riff") {
        "a Wave64 file"
    } else if begins(b"RIFX") {
        "a WAV file in big-endian order (RIFX)"
    } else if begins(b"wvPK") {
        "a WavPack file"
    } else if begins(b"MAC ") {
        "a Monkey's Audio file"
    } else if begins(b".snd") {
        "an AU file"
    } else if begins(&[0x1A, 0x45, 0xDF, 0xA3]) {
        "a Matroska or WebM file"
    } else if begins(&[0x30, 0x26, 0xB2, 0x75]) {
        "a Windows Media file"
    } else if begins(b"RIFF") && start.len() == 12 {
        "another RIFF file, such as a film"
    } else if matches!(start, [0xFF, second, ..] if second & 0xF6 == 0xF0) {
        "an AAC file"
    } else if begins(b"ID3") || matches!(start, [0xFF, second, ..] if second & 0xE0 == 0xE0) {
        "an MP3 file"
    } else {
        let found = match start.len() {
            0 => "an empty file".to_owned(),
            _ => format!("one that begins with \"{}\"", start.escape_ascii()),
        };
        let remedy = "check that it is a recording and was copied completely";
        return CorpusError::malformed(place, "file", "a WAV file", found, remedy);
    };
    CorpusError::malformed(place, "file", "a WAV file", name, convert(place))
}
