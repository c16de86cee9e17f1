//! The built-in voices, mixed with the guitar.

use std::path::Path;
use std::time::{Duration, Instant};

use tocco_bench::plugin_host::{Automated, MidiMessage, PluginStream, StreamFormat};
use tocco_bench::state_document::with_field;

use crate::playing::{Bundled, PERFORMANCE, in_both_hosts};

in_both_hosts!(
    a_voice_begins_at_the_sample_of_its_note,
    blocks_make_no_difference_to_the_sound,
    the_guitar_has_its_own_level_and_a_bypass_passes_it_untouched,
    voices_come_while_it_runs_and_go_again,
    a_technique_can_be_silent,
    sounds_of_the_users_take_the_places_of_ours,
    sounds_that_are_not_to_be_had_are_ours,
);

/// The first half of it is enough.
fn samples() -> &'static [f32] {
    let samples = &PERFORMANCE.channels[0];
    &samples[..samples.len() / 2 / 8192 * 8192]
}

struct Heard {
    sound: Vec<f32>,
    /// Where notes began, and their keys.
    notes: Vec<(usize, u8)>,
}

fn run<S: PluginStream>(stream: &mut S, samples: &[f32], block: usize) -> Heard {
    let mut heard = Heard {
        sound: Vec::new(),
        notes: Vec::new(),
    };
    let start = stream.position();
    for samples in samples.chunks(block) {
        stream.input(0)[..block].copy_from_slice(samples);
        stream.process(block).unwrap();
        heard.sound.extend_from_slice(&stream.output(0)[..block]);
        heard.notes.extend(
            stream
                .midi()
                .iter()
                .filter(|event| matches!(event.message, MidiMessage::NoteOn { .. }))
                .map(|event| ((event.position - start) as usize, event.key)),
        );
    }
    heard
}

fn host<H: Bundled>(voices: &str, dry: &str) -> H {
    let mut host = H::steady();
    host.set_text("Second decision", "off").unwrap();
    host.set_text("Voices", voices).unwrap();
    host.set_text("Dry", dry).unwrap();
    host
}

fn hear<H: Bundled>(host: &mut H, block: usize) -> Heard {
    hear_samples(host, samples(), block)
}

fn hear_samples<H: Bundled>(host: &mut H, samples: &[f32], block: usize) -> Heard {
    let format = StreamFormat {
        max_block: block,
        ..StreamFormat::PAPER
    };
    let mut stream = host.activate(format).unwrap();
    let heard = run(&mut stream, samples, block);
    host.deactivate(stream);
    heard
}

fn a_voice_begins_at_the_sample_of_its_note<H: Bundled>() {
    let heard = hear(&mut host::<H>("0 dB", "off"), 64);
    assert!(heard.notes.len() > 8, "{:?}", heard.notes);
    let first = heard.notes[0].0;
    assert!(heard.sound[..first].iter().all(|sample| *sample == 0.0));
    let begins = heard
        .sound
        .iter()
        .position(|sample| *sample != 0.0)
        .unwrap();
    // Some of the sounds begin with a zero.
    assert!((first..first + 3).contains(&begins), "{begins} for {first}");
    let energy = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>();
    for (at, key) in &heard.notes {
        let after = &heard.sound[*at..(at + 960).min(heard.sound.len())];
        assert!(energy(after) > 1e-3, "key {key} at {at}");
    }
    assert!(heard.sound.iter().all(|sample| sample.abs() < 4.0));
}

fn blocks_make_no_difference_to_the_sound<H: Bundled>() {
    let mut host = host::<H>("-6 dB", "-3 dB");
    host.set_text("Body", "on").unwrap();
    let expected = hear(&mut host, 64);
    // Of blocks of one sample, 4 s are enough.
    for (block, length) in [
        (1, 4 * 48_000),
        (512, samples().len()),
        (8192, samples().len()),
    ] {
        let heard = hear_samples(&mut host, &samples()[..length], block);
        let notes: Vec<_> = (expected.notes.iter().copied())
            .filter(|(at, _)| *at < length)
            .collect();
        assert!(notes.len() > 3, "{notes:?}");
        assert_eq!(heard.notes, notes);
        assert_eq!(heard.sound.len(), length);
        let differs = heard.sound.iter().zip(&expected.sound);
        let differs = differs.filter(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(differs.count(), 0, "blocks of {block}");
    }
}

fn the_guitar_has_its_own_level_and_a_bypass_passes_it_untouched<H: Bundled>()
where
    H::Stream: Automated,
{
    let mut host = host::<H>("0 dB", "-6 dB");
    let bypass = host.parameter("Bypass").unwrap();
    let mut stream = host.activate(StreamFormat::PAPER).unwrap();
    let heard = run(&mut stream, samples(), 64);
    let factor = 10f32.powf(-6.0 / 20.0);
    let first = heard.notes[0].0;
    assert!(first > 4_800);
    for (out, sample) in heard.sound[..first].iter().zip(samples()) {
        assert!((out - sample * factor).abs() < 1e-4);
    }
    stream.automate(&bypass, 1.0);
    let bypassed = run(&mut stream, samples(), 64);
    assert_eq!(bypassed.notes, []);
    // After a hundredth of a second, in which it goes there.
    let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
    let settled = 960;
    let all = bypassed.sound[settled..].iter().zip(&samples()[settled..]);
    assert!({ all }.all(same));
    stream.automate(&bypass, 0.0);
    let again = run(&mut stream, samples(), 64);
    assert!(again.notes.len() > 8);
    host.deactivate(stream);
}

fn voices_come_while_it_runs_and_go_again<H: Bundled>()
where
    H::Stream: Automated,
{
    let mut host = host::<H>("off", "0 dB");
    let voices = host.parameter("Voices").unwrap();
    let on = host.text_to_value(&voices, "0 dB").unwrap();
    let off = host.text_to_value(&voices, "off").unwrap();
    let mut stream = host.activate(StreamFormat::PAPER).unwrap();
    let untouched = |heard: &Heard, from: usize| {
        heard.sound[from..]
            .iter()
            .zip(&samples()[from..])
            .all(|(a, b)| a.to_bits() == b.to_bits())
    };
    assert!(untouched(&run(&mut stream, samples(), 64), 0));
    stream.automate(&voices, on);
    let start = Instant::now();
    while untouched(&run(&mut stream, samples(), 64), 0) {
        assert!(start.elapsed() < Duration::from_secs(10), "no voice came");
    }
    stream.automate(&voices, off);
    let heard = run(&mut stream, samples(), 64);
    assert!(!heard.notes.is_empty() && untouched(&heard, 960));
    host.deactivate(stream);
}

fn a_technique_can_be_silent<H: Bundled>() {
    let mut host = host::<H>("0 dB", "off");
    for technique in tocco_dsp::Technique::ALL {
        host.set_text(&format!("Voice {technique}"), "off").unwrap();
    }
    let heard = hear(&mut host, 64);
    assert!(!heard.notes.is_empty());
    assert!(heard.sound.iter().all(|sample| *sample == 0.0));
}

/// As a project that was saved with the user's sounds.
fn choose_sounds<H: Bundled>(host: &mut H, path: &Path) {
    let state = host.save_state().unwrap();
    let path = serde_json::to_string(path.to_str().unwrap()).unwrap();
    let state = with_field(&state, "sounds", &path).unwrap();
    host.restore_state(&state).unwrap();
}

fn sounds_of_the_users_take_the_places_of_ours<H: Bundled>() {
    let folder = tempfile::tempdir().unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    // Every key has the same two sounds in turn: a step of half and of a quarter.
    for (name, value) in [("a.wav", 16_384i16), ("b.wav", 8_192)] {
        let mut wav = hound::WavWriter::create(folder.path().join(name), spec).unwrap();
        for _ in 0..100 {
            wav.write_sample(value).unwrap();
        }
        wav.finalize().unwrap();
    }
    let sfz = folder.path().join("kit.sfz");
    let text = "<group> amp_veltrack=0 seq_length=2\n<region> seq_position=1 sample=a.wav\n\
        <region> seq_position=2 sample=b.wav\n";
    std::fs::write(&sfz, text).unwrap();
    let mut host = host::<H>("0 dB", "off");
    choose_sounds(&mut host, &sfz);
    let heard = hear(&mut host, 64);
    assert!(heard.notes.len() > 8, "{:?}", heard.notes);
    let mut counts = [0; 128];
    for (at, key) in &heard.notes {
        let count = &mut counts[usize::from(*key)];
        let expected = [0.5, 0.25][*count % 2];
        *count += 1;
        assert_eq!(heard.sound[*at + 50], expected, "key {key} at {at}");
        if *at + 120 < heard.sound.len() {
            assert_eq!(heard.sound[*at + 120], 0.0, "key {key} at {at}");
        }
    }
    assert!(counts.iter().any(|count| *count > 1), "nothing took turns");
}

fn sounds_that_are_not_to_be_had_are_ours<H: Bundled>() {
    let mut host = host::<H>("0 dB", "off");
    let expected = hear(&mut host, 64);
    choose_sounds(&mut host, Path::new("/nowhere/kit.sfz"));
    let heard = hear(&mut host, 64);
    assert_eq!(heard.notes, expected.notes);
    assert!(heard.sound == expected.sound);
}
