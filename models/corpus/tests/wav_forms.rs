//! All the forms in which WAV files come, and what is refused, in bytes.

use proptest::prelude::*;
use tocco_corpus::Recording;

/// Frames of the sound in every form.
const N: usize = 1000;

/// The PCM and the float GUID of the extensible form, after the tag.
const GUID: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

fn tone(i: usize) -> f64 {
    (i as f64 * 0.1).sin() * 0.5
}

/// Integers of `bits`, each in the high bits of `bytes` bytes.
fn integers(bits: u32, bytes: usize) -> Vec<u8> {
    let sample = |i| {
        let value = (tone(i) * 2_f64.powi(bits as i32 - 1)).round() as i64;
        let value = value << (8 * bytes as u32 - bits);
        let value = if bytes == 1 { value + 128 } else { value };
        value.to_le_bytes()[..bytes].to_vec()
    };
    (0..N).flat_map(sample).collect()
}

fn floats() -> Vec<u8> {
    (0..N)
        .flat_map(|i| (tone(i) as f32).to_le_bytes())
        .collect()
}

fn doubles() -> Vec<u8> {
    (0..N).flat_map(|i| tone(i).to_le_bytes()).collect()
}

fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = declared(id, content.len() as u32, content);
    bytes.extend(vec![0; content.len() % 2]);
    bytes
}

/// A chunk that says another length than it has.
fn declared(id: &[u8; 4], length: u32, content: &[u8]) -> Vec<u8> {
    [&id[..], &length.to_le_bytes(), content].concat()
}

fn format(tag: u16, channels: u16, bits: u16, more: &[u8]) -> Vec<u8> {
    let frame = channels * bits.div_ceil(8);
    let mut content = Vec::new();
    content.extend([tag, channels].map(u16::to_le_bytes).concat());
    content.extend(
        [48_000, 48_000 * u32::from(frame)]
            .map(u32::to_le_bytes)
            .concat(),
    );
    content.extend([frame, bits].map(u16::to_le_bytes).concat());
    content.extend(more);
    chunk(b"fmt ", &content)
}

fn extensible(tag: u16, channels: u16, bits: u16, valid: u16, mask: u32) -> Vec<u8> {
    let more = [
        &22_u16.to_le_bytes()[..],
        &valid.to_le_bytes(),
        &mask.to_le_bytes(),
        &tag.to_le_bytes(),
        &GUID,
    ];
    format(0xFFFE, channels, bits, &more.concat())
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let content = [b"WAVE", chunks.concat().as_slice()].concat();
    declared(b"RIFF", content.len() as u32, &content)
}

fn pcm16() -> Vec<u8> {
    format(1, 1, 16, &[])
}

fn parse(bytes: &[u8]) -> Result<Recording, String> {
    Recording::parse(bytes, "x.wav").map_err(|error| error.to_string())
}

fn check(form: &str, bytes: &[u8], bits: u32) {
    let recording = parse(bytes).unwrap_or_else(|error| panic!("{form}: {error}"));
    assert_eq!(recording.samples.len(), N, "{form}");
    assert_eq!(recording.sample_rate, 48_000, "{form}");
    // A float has 24 bits.
    let step = 2_f64.powi(1 - bits.min(24) as i32);
    for (i, sample) in recording.samples.iter().enumerate() {
        let difference = (f64::from(*sample) - tone(i)).abs();
        assert!(difference < step, "{form}: sample {i}: {sample}");
    }
}

fn refused(form: &str, bytes: &[u8], words: &[&str]) {
    let message = parse(bytes)
        .err()
        .unwrap_or_else(|| panic!("{form} is read"));
    assert!(message.starts_with("x.wav: "), "{form}: {message}");
    for word in words {
        assert!(message.contains(word), "{form}: {message}");
    }
}

#[test]
fn integers_of_every_width_and_floats_are_read() {
    for bits in [8, 12, 16, 20, 24, 32_u16] {
        let data = integers(bits.into(), usize::from(bits.div_ceil(8)));
        let name = format!("{bits} bits");
        let bytes = riff(&[format(1, 1, bits, &[]), chunk(b"data", &data)]);
        check(&name, &bytes, bits.into());
        // The longer forms of the header.
        for more in [2, 4, 24] {
            let bytes = riff(&[format(1, 1, bits, &vec![0; more]), chunk(b"data", &data)]);
            check(&format!("{name}, {more} bytes more"), &bytes, bits.into());
        }
    }
    for more in [0, 2, 24] {
        let float = riff(&[format(3, 1, 32, &vec![0; more]), chunk(b"data", &floats())]);
        check("floats", &float, 24);
        let double = riff(&[format(3, 1, 64, &vec![0; more]), chunk(b"data", &doubles())]);
        check("doubles", &double, 24);
    }
}

#[test]
fn valid_bits_are_the_high_ones() {
    for (bits, valid) in [
        (8, 8),
        (16, 16),
        (16, 12),
        (24, 20),
        (24, 24),
        (32, 24),
        (32, 32),
    ] {
        let data = chunk(b"data", &integers(u32::from(valid), usize::from(bits) / 8));
        let bytes = riff(&[extensible(1, 1, bits, valid, 4), data.clone()]);
        check(&format!("{valid} bits in {bits}"), &bytes, valid.into());
        if valid == bits {
            let bytes = riff(&[extensible(1, 1, bits, 0, 4), data]);
            check("valid bits not given", &bytes, bits.into());
        }
    }
    for mask in [0, 4] {
        let float = riff(&[extensible(3, 1, 32, 32, mask), chunk(b"data", &floats())]);
        check("extensible floats", &float, 24);
        let double = riff(&[extensible(3, 1, 64, 64, mask), chunk(b"data", &doubles())]);
        check("extensible doubles", &double, 24);
    }
    // Not in the low ones, where the sound would be 48 dB too soft.
    let low = (0..N).flat_map(|i| ((tone(i) * 2_f64.powi(23)).round() as i32).to_le_bytes());
    let low = chunk(b"data", &low.collect::<Vec<u8>>());
    let bytes = riff(&[extensible(1, 1, 32, 24, 4), low]);
    refused(
        "low bits",
        &bytes,
        &["24 valid bits, the high ones", "export it again"],
    );
    // Silence has none at all.
    let bytes = riff(&[extensible(1, 1, 32, 24, 4), chunk(b"data", &[0; 400])]);
    assert_eq!(parse(&bytes).unwrap().samples, [0.0; 100]);
}

#[test]
fn a_length_that_the_recorder_left_open_goes_to_the_end_of_the_file() {
    let data = integers(16, 2);
    for length in [
        0,
        0x7FFF_F000,
        0x7FFF_FFFF,
        0x8000_0000,
        u32::MAX - 36,
        u32::MAX,
    ] {
        for size in [0, 36, 0x7FFF_F024, u32::MAX] {
            let content = [&b"WAVE"[..], &pcm16(), &declared(b"data", length, &data)].concat();
            let mut bytes = declared(b"RIFF", size, &content);
            check(&format!("{length:#x} in {size:#x}"), &bytes, 16);
            // The last frame was not finished.
            bytes.push(1);
            check(
                &format!("{length:#x} in {size:#x} and half a frame"),
                &bytes,
                16,
            );
        }
    }
    // sox rounds down to whole frames.
    let data = integers(24, 3);
    let bytes = riff(&[
        format(1, 1, 24, &[]),
        declared(b"data", 0x7FFF_F000 / 3 * 3, &data),
    ]);
    check("whole frames", &bytes, 24);
    // Nothing was recorded, which is another thing.
    let info = chunk(b"LIST", b"INFO");
    let bytes = riff(&[pcm16(), chunk(b"data", &[]), info]);
    assert!(parse(&bytes).unwrap().samples.is_empty());
    let bytes = riff(&[pcm16(), chunk(b"data", &[])]);
    assert!(parse(&bytes).unwrap().samples.is_empty());
}

#[test]
fn odd_chunks_are_padded_and_the_pad_byte_is_not_counted() {
    let data = chunk(b"data", &integers(16, 2));
    let unpadded = |id, content: &[u8]| declared(id, content.len() as u32, content);
    for (id, content) in [
        (b"bext", &[b'A'; 603][..]),
        (b"iXML", b"<a/>\n"),
        (b"LIST", b"INFOINAM\x03\0\0\0abc"),
        (b"LIST", b"abc"),
        (b"LIST", b"INFOINAM\xff\xff\xff\xffa"),
        (b"fact", b"\xe8\x03\0\0\0"),
        (b"xxxx", b"x"),
    ] {
        for at in 0..=2 {
            for extra in [chunk(id, content), unpadded(id, content)] {
                let mut chunks = vec![pcm16(), data.clone()];
                chunks.insert(at, extra);
                check(
                    &format!("{} at {at}", id.escape_ascii()),
                    &riff(&chunks),
                    16,
                );
            }
        }
    }
}

#[test]
fn an_odd_length_leaves_no_frame_and_what_follows_the_sound_is_not_heard() {
    let mut odd = integers(16, 2);
    odd.push(7);
    check("odd", &riff(&[pcm16(), chunk(b"data", &odd)]), 16);
    check(
        "odd without a pad byte",
        &riff(&[pcm16(), declared(b"data", 2001, &odd)]),
        16,
    );
    let data = chunk(b"data", &integers(16, 2));
    let mut bytes = riff(&[pcm16(), data]);
    bytes.extend(b"more");
    check("bytes after the end", &bytes, 16);
}

#[test]
fn long_files_are_read() {
    let data = integers(16, 2);
    for id in [b"RF64", b"BW64"] {
        for long in [data.len() as u64, 0, u64::MAX] {
            let sizes = [5000, long, N as u64].map(u64::to_le_bytes).concat();
            let sizes = chunk(b"ds64", &[sizes, vec![0; 4]].concat());
            let sound = declared(b"data", u32::MAX, &data);
            let content = [&b"WAVE"[..], &sizes, &pcm16(), &sound].concat();
            check("long", &declared(id, u32::MAX, &content), 16);
        }
        let sizes = [5000, data.len() as u64, 0].map(u64::to_le_bytes).concat();
        let more = [declared(b"data", u32::MAX, &data), chunk(b"LIST", b"INFO")].concat();
        let content = [&b"WAVE"[..], &chunk(b"ds64", &sizes), &pcm16(), &more].concat();
        check(
            "a chunk after the sound",
            &declared(id, u32::MAX, &content),
            16,
        );
    }
}

#[test]
fn channels_of_any_number_are_averaged() {
    let mono = integers(16, 2);
    for channels in [2, 6, 18, 26, 64, 1000] {
        let frame = |sample: &[u8]| sample.repeat(usize::from(channels));
        let data: Vec<u8> = mono.chunks(2).flat_map(frame).collect();
        let data = chunk(b"data", &data);
        let bytes = riff(&[format(1, channels, 16, &[]), data.clone()]);
        check(&format!("{channels} channels"), &bytes, 16);
        for mask in [0, 3, u32::MAX] {
            let bytes = riff(&[extensible(1, channels, 16, 16, mask), data.clone()]);
            check(&format!("{channels} channels, mask {mask:#x}"), &bytes, 16);
        }
    }
    let halves = [0.5_f32, 0.25, -1.5, -0.5].map(f32::to_le_bytes).concat();
    let stereo = riff(&[format(3, 2, 32, &[]), chunk(b"data", &halves)]);
    assert_eq!(parse(&stereo).unwrap().samples, [0.5, -1.5]);
    // The louder side, also where the other one is its opposite.
    let sides = [0.1_f32, 0.5, -0.1, -0.5].map(f32::to_le_bytes).concat();
    let stereo = riff(&[format(3, 2, 32, &[]), chunk(b"data", &sides)]);
    assert_eq!(parse(&stereo).unwrap().samples, [0.5, -0.5]);
    let opposite = [0.5_f32, -0.5, 0.25, -0.25].map(f32::to_le_bytes).concat();
    let stereo = riff(&[format(3, 2, 32, &[]), chunk(b"data", &opposite)]);
    assert_eq!(parse(&stereo).unwrap().samples, [0.5, 0.25]);
}

#[test]
fn truncated_files_are_refused() {
    let whole = riff(&[pcm16(), chunk(b"data", &integers(16, 2))]);
    let words = ["expected 1000, as the header says, found 728: the file is truncated"];
    refused("half", &whole[..1500], &words);
    refused(
        "one byte less",
        &whole[..whole.len() - 1],
        &["found 999", "ffmpeg -i"],
    );
    for end in 12..44 {
        refused(
            "header",
            &whole[..end],
            &["header", "found the end of the file", "copy"],
        );
    }
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let with = |start: &[u8]| [start, &[0; 400]].concat();
    for (start, name) in [
        (&b"fLaC\0\0\0\x22"[..], "FLAC"),
        (b"ID3\x04", "MP3"),
        (b"\xff\xfb\x90\x64", "MP3"),
        (b"\xff\xf1\x50\x80", "AAC"),
        (b"FORM\0\0\x01\0AIFF", "AIFF"),
        (b"FORM\0\0\x01\0AIFC", "AIFF"),
        (b"OggS\0", "Ogg"),
        (b"\0\0\0\x1cftypM4A ", "M4A"),
        (b"caff\0\x01", "CAF"),
        (b"riff\x2e\x91\xcf\x11", "Wave64"),
        (b"RIFX\0\0\0\0WAVE", "big-endian"),
        (b"RIFF\0\0\0\0AVI ", "another RIFF file"),
        (b"wvPK", "WavPack"),
        (b"\x1a\x45\xdf\xa3", "Matroska"),
    ] {
        let bytes = with(start);
        refused(name, &bytes, &[name, "convert it: ffmpeg -i \"x.wav\""]);
    }
    refused("nothing", b"", &["an empty file"]);
    refused(
        "text",
        b"not a sound",
        &["begins with \\\"not a sound\\\"".replace('\\', "").as_str()],
    );
    for (tag, name) in [
        (2, "ADPCM"),
        (6, "A-law"),
        (0x55, "MP3"),
        (0x9999, "0x9999"),
    ] {
        let bytes = riff(&[format(tag, 1, 16, &[]), chunk(b"data", &[0; 100])]);
        refused(name, &bytes, &[name, "ffmpeg -i"]);
    }
    for (tag, bits) in [(1, 4), (1, 40), (1, 0), (3, 16), (3, 24)] {
        let bytes = riff(&[format(tag, 1, bits, &[]), chunk(b"data", &[0; 100])]);
        refused("bits", &bytes, &[&format!("of {bits} bits"), "ffmpeg -i"]);
    }
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    let data = chunk(b"data", &integers(16, 2));
    let changed = |at: usize, value: u16| {
        let mut fmt = pcm16();
        fmt[8 + at..10 + at].copy_from_slice(&value.to_le_bytes());
        riff(&[fmt, data.clone()])
    };
    refused("no channels", &changed(2, 0), &["0 channels at 48000 Hz"]);
    refused(
        "frame",
        &changed(12, 4),
        &["2 bytes for 1 channels of 16 bits", "found 4 bytes"],
    );
    // Cool Edit has floats in this form, others integers.
    let packed = riff(&[format(1, 1, 24, &[]), data.clone()]);
    let mut packed = packed;
    packed[32] = 4;
    refused("24 bits in 4 bytes", &packed, &["3 bytes", "found 4 bytes"]);
    let still = {
        let mut fmt = pcm16();
        fmt[12..16].fill(0);
        riff(&[fmt, data.clone()])
    };
    refused("0 Hz", &still, &["1 channels at 0 Hz"]);
    refused(
        "no fmt",
        &riff(std::slice::from_ref(&data)),
        &["\"fmt \" before \"data\""],
    );
    let short = riff(&[chunk(b"fmt ", &[1, 0, 1, 0]), data.clone()]);
    refused("short fmt", &short, &["at least 16 bytes, found 4"]);
    let short = riff(&[format(0xFFFE, 1, 16, &[0; 2]), data.clone()]);
    refused("extensible and short", &short, &["40 bytes, found 18"]);
    let valid = riff(&[extensible(1, 1, 16, 17, 0), data.clone()]);
    refused("more valid bits than bits", &valid, &["17 valid bits"]);
    let nan = [0.0, f32::NAN].map(f32::to_le_bytes).concat();
    let nan = riff(&[format(3, 1, 32, &[]), chunk(b"data", &nan)]);
    refused(
        "NaN",
        &nan,
        &["sample 1: expected a finite number, found NaN"],
    );
    let large = riff(&[
        format(3, 1, 64, &[]),
        chunk(b"data", &1e300_f64.to_le_bytes()),
    ]);
    refused("too large for a float", &large, &["sample 0", "found inf"]);
    let zeros = riff(&[pcm16(), vec![0; 80]]);
    refused("no chunk", &zeros, &["chunks that lead to \"data\""]);
}

#[test]
fn a_size_that_is_a_lie_takes_no_memory() {
    // Each of these declares gigabytes, and would need them if it were believed.
    for id in [b"LIST", b"fmt ", b"data", b"bext"] {
        let bytes = riff(&[pcm16(), declared(id, 0x7000_0000, &[0; 100])]);
        refused("size", &bytes, &["x.wav"]);
    }
    let sizes = [0, u64::MAX - 1, 0].map(u64::to_le_bytes).concat();
    let sound = declared(b"data", u32::MAX, &[0; 100]);
    let content = [&b"WAVE"[..], &chunk(b"ds64", &sizes), &pcm16(), &sound].concat();
    refused(
        "ds64",
        &declared(b"RF64", 0, &content),
        &["found 50: the file is truncated"],
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(
        at in 0_usize..100,
        byte in any::<u8>(),
        end in 0_usize..=300,
        form in 0..4,
    ) {
        let mut bytes = match form {
            0 => riff(&[pcm16(), chunk(b"data", &integers(16, 2))]),
            1 => riff(&[extensible(1, 3, 32, 24, 7), chunk(b"data", &integers(24, 4))]),
            2 => riff(&[format(3, 1, 64, &[]), chunk(b"LIST", b"odd"), chunk(b"data", &doubles())]),
            _ => declared(b"RF64", 0, &[
                &b"WAVE"[..],
                &chunk(b"ds64", &[7; 28]),
                &pcm16(),
                &declared(b"data", u32::MAX, &integers(16, 2)),
            ].concat()),
        };
        bytes[at] = byte;
        bytes.truncate(end);
        let _ = parse(&bytes);
    }
}
