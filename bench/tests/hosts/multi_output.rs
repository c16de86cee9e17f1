//! The plugin with an output for each technique: every voice is in the place that is its own, or in the main
//! output where the host has none for it.

use std::ptr::{null, null_mut};

use clap_sys::process::CLAP_PROCESS_ERROR;
use tocco_bench::plugin_host::{PluginHost, bundle_path};
use tocco_bench::vst3_host::Vst3Host;
use tocco_dsp::Technique;
use vst3::Steinberg::Vst::BusDirections_::kOutput;
use vst3::Steinberg::Vst::MediaTypes_::kAudio;
use vst3::Steinberg::Vst::ProcessModes_::kRealtime;
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, BusInfo, IAudioProcessorTrait, IComponentTrait,
    ProcessData, ProcessSetup,
};
use vst3::Steinberg::{int32, kResultOk};

use crate::own_process;
use crate::playing::PERFORMANCE;
use crate::raw_clap::{Offers, RawHost, Sent, port};

const RATE: f64 = 48_000.0;
const BLOCK: usize = 64;

/// The main output and one for each technique.
const OUTPUTS: usize = 1 + Technique::ALL.len();

/// The key of the first class as delivered; the others follow.
const FIRST_KEY: u8 = 36;

/// The first half of it is enough.
fn samples() -> &'static [f32] {
    let samples = &PERFORMANCE.channels[0];
    &samples[..samples.len() / 2 / BLOCK * BLOCK]
}

/// What came out of each output, left and right alike.
type Sound = Vec<Vec<f32>>;

/// A block of each output, two channels each, with what nobody must hear.
fn rows(outputs: usize) -> Vec<[[f32; BLOCK]; 2]> {
    vec![[[9.0; BLOCK]; 2]; outputs]
}

fn collect(sound: &mut [Vec<f32>], rows: &[[[f32; BLOCK]; 2]]) {
    for (sound, [left, right]) in sound.iter_mut().zip(rows) {
        assert_eq!(left, right);
        sound.extend_from_slice(left);
    }
}

/// All outputs together.
fn sum(sound: &[Vec<f32>]) -> Vec<f32> {
    let at = |index: usize| sound.iter().map(|output| output[index]).sum::<f32>();
    (0..sound[0].len()).map(at).collect()
}

fn is_silent(output: &[f32]) -> bool {
    output.iter().all(|sample| *sample == 0.0)
}

/// Sums may round otherwise, in another order.
fn check_same(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    assert!(!is_silent(expected));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference < 1e-5, "{found} for {expected} at {index}");
    }
}

/// The voices alone, and where notes began with their keys, in a host that gives so many `outputs`.
fn in_clap(host: &RawHost, outputs: usize) -> (Sound, Vec<(usize, u8)>) {
    for (name, value) in [
        ("Adapt while playing", 0.0),
        ("Second decision", 0.0),
        ("Reject foreign sounds", 0.0),
        // Shares of the ranges: 0 dB, and off.
        ("Voices", 60.0 / 66.0),
        ("Dry", 0.0),
    ] {
        host.set(name, value);
    }
    assert!(host.activate(RATE, BLOCK as u32));
    assert!(host.start());
    let (mut sound, mut notes) = (vec![Vec::new(); outputs], Vec::new());
    for (number, samples) in samples().chunks(BLOCK).enumerate() {
        let mut input = samples.to_vec();
        let mut sources = [input.as_mut_ptr(); 2];
        let mut rows = rows(outputs);
        let mut sinks: Vec<[*mut f32; 2]> = rows
            .iter_mut()
            .map(|row| row.each_mut().map(|channel| channel.as_mut_ptr()))
            .collect();
        let mut ports: Vec<_> = sinks.iter_mut().map(|sinks| port(sinks)).collect();
        let frames = samples.len() as u32;
        let status = host.process(&[port(&mut sources)], &mut ports, frames, -1, null());
        assert_ne!(status, CLAP_PROCESS_ERROR);
        collect(&mut sound, &rows);
        for sent in host.take_sent() {
            if let Sent::On(offset, key, _) = sent {
                notes.push((number * BLOCK + offset as usize, key));
            }
        }
    }
    host.stop();
    host.deactivate();
    (sound, notes)
}

#[test]
fn in_the_clap_each_voice_is_in_the_output_of_its_technique() {
    let (ordinary, notes) = in_clap(&RawHost::load(Offers::default()), 1);
    let host = RawHost::load_multi_output();
    let (sound, same_notes) = in_clap(&host, OUTPUTS);
    assert_eq!(same_notes, notes);
    check_same(&sum(&sound), &ordinary[0]);
    assert!(is_silent(&sound[0]), "the guitar is off");
    let end = samples().len() - 4_800;
    let mut played = 0;
    for (class, output) in sound[1..].iter().enumerate() {
        let key = FIRST_KEY + class as u8;
        let first = notes.iter().find(|(_, other)| *other == key);
        let Some((first, _)) = first.filter(|(at, _)| *at < end) else {
            assert!(is_silent(&output[..end]), "class {class} was not played");
            continue;
        };
        played += 1;
        assert!(
            is_silent(&output[..*first]),
            "class {class} before its note"
        );
        let begins = output.iter().position(|sample| *sample != 0.0).unwrap();
        // Some of the sounds begin with zeros.
        assert!((*first..first + 48).contains(&begins), "class {class}");
    }
    assert!(played > 2, "{notes:?}");
    // A host that gives less hears the rest in the main output.
    for outputs in [1, 4] {
        let (fewer, _) = in_clap(&host, outputs);
        check_same(&sum(&fewer), &ordinary[0]);
        assert_eq!(fewer[1..], sound[1..outputs]);
    }
}

#[test]
fn in_the_clap_outputs_that_are_none_do_no_harm() {
    let host = RawHost::load_multi_output();
    assert!(host.activate(RATE, BLOCK as u32));
    assert!(host.start());
    let mut input = [0.25_f32; BLOCK];
    let mut sources = [input.as_mut_ptr(); 2];
    let mut rows = rows(4);
    let [main, mono, half, many] = &mut rows[..] else {
        panic!("four rows");
    };
    let pointers = |row: &mut [[f32; BLOCK]; 2]| row.each_mut().map(|row| row.as_mut_ptr());
    let (mut main, [mono, _]) = (pointers(main), pointers(mono));
    let ([half, _], [many, other]) = (pointers(half), pointers(many));
    let (mut mono, mut half) = ([mono], [half, null_mut()]);
    let mut many = [many, other, many];
    let mut bare = port(&mut []);
    bare.channel_count = 2;
    bare.data32 = null_mut();
    let mut ports = [
        port(&mut main),
        port(&mut mono),
        port(&mut half),
        port(&mut many),
        bare,
    ];
    let frames = BLOCK as u32;
    let status = host.process(&[port(&mut sources)], &mut ports, frames, -1, null());
    assert_ne!(status, CLAP_PROCESS_ERROR);
    assert_eq!(rows[0], [[0.25; BLOCK]; 2], "the sound passes through");
    assert_eq!(rows[1], [[0.0; BLOCK], [9.0; BLOCK]]);
    assert_eq!(rows[2], [[0.0; BLOCK], [9.0; BLOCK]]);
    assert_eq!(rows[3], [[0.0; BLOCK]; 2]);

    // A block for which there is no room in place of the outputs that are missing.
    let mut long = vec![0.25_f32; 100_000];
    let mut sources = [long.as_mut_ptr(); 2];
    let mut memory = vec![vec![9.0_f32; 100_000]; 2 * OUTPUTS];
    let mut process = |outputs: usize| {
        let mut sinks: Vec<_> = memory.iter_mut().map(|row| row.as_mut_ptr()).collect();
        let mut ports: Vec<_> = sinks.chunks_mut(2).take(outputs).map(port).collect();
        host.process(&[port(&mut sources)], &mut ports, 100_000, -1, null())
    };
    assert_eq!(process(1), CLAP_PROCESS_ERROR);
    assert_ne!(process(OUTPUTS), CLAP_PROCESS_ERROR);
}

fn loaded(name: &str) -> Vst3Host {
    let mut host = Vst3Host::load_named(&bundle_path("Tocco.vst3").unwrap(), name).unwrap();
    for (name, text) in [
        ("Adapt while playing", "off"),
        ("Second decision", "off"),
        ("Reject foreign sounds", "off"),
        ("Voices", "0 dB"),
        ("Dry", "off"),
    ] {
        host.set_text(name, text).unwrap();
    }
    host
}

/// As [`in_clap`]; the output `off` is given, but switched off.
fn in_vst3(host: &Vst3Host, outputs: usize, off: Option<int32>) -> Sound {
    let processor = host.processor().unwrap();
    let mut setup = ProcessSetup {
        processMode: kRealtime as int32,
        symbolicSampleSize: kSample32 as int32,
        maxSamplesPerBlock: BLOCK as int32,
        sampleRate: RATE,
    };
    // SAFETY: main thread, in the order that the VST3 life cycle asks for.
    unsafe {
        assert_eq!(processor.setupProcessing(&mut setup), kResultOk);
        for output in 0..outputs as int32 {
            let on = u8::from(off != Some(output));
            let (media, direction) = (kAudio as int32, kOutput as int32);
            let result = host.component().activateBus(media, direction, output, on);
            assert_eq!(result, kResultOk);
        }
        assert_eq!(host.component().setActive(1), kResultOk);
        assert_eq!(processor.setProcessing(1), kResultOk);
    }
    let bus = |channels: &mut [*mut f32; 2]| AudioBusBuffers {
        numChannels: 2,
        silenceFlags: 0,
        __field0: AudioBusBuffers__type0 {
            channelBuffers32: channels.as_mut_ptr(),
        },
    };
    let mut sound = vec![Vec::new(); outputs];
    for samples in samples().chunks(BLOCK) {
        let mut input = samples.to_vec();
        let mut sources = [input.as_mut_ptr(); 2];
        let mut rows = rows(outputs);
        let mut sinks: Vec<[*mut f32; 2]> = rows
            .iter_mut()
            .map(|row| row.each_mut().map(|channel| channel.as_mut_ptr()))
            .collect();
        let mut inputs = bus(&mut sources);
        let mut buses: Vec<_> = sinks.iter_mut().map(bus).collect();
        let mut data = ProcessData {
            processMode: kRealtime as int32,
            symbolicSampleSize: kSample32 as int32,
            numSamples: samples.len() as int32,
            numInputs: 1,
            numOutputs: outputs as int32,
            inputs: &mut inputs,
            outputs: buses.as_mut_ptr(),
            inputParameterChanges: null_mut(),
            outputParameterChanges: null_mut(),
            inputEvents: null_mut(),
            outputEvents: null_mut(),
            processContext: null_mut(),
        };
        // SAFETY: everything is as long as it says.
        unsafe { assert_eq!(processor.process(&mut data), kResultOk) };
        collect(&mut sound, &rows);
    }
    // SAFETY: main thread.
    unsafe {
        processor.setProcessing(0);
        host.component().setActive(0);
    }
    sound
}

#[test]
fn the_vst3_has_one_plugin_as_delivered() {
    let bundle = bundle_path("Tocco.vst3").unwrap();
    assert!(Vst3Host::load_named(&bundle, "Tocco").is_ok());
    assert!(Vst3Host::load_named(&bundle, "Tocco (8 outputs)").is_err());
}

#[test]
fn in_the_vst3_each_voice_is_in_an_output_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tocco.toml");
    std::fs::write(&file, "[voices]\nvst3-outputs = true\n").unwrap();
    own_process::run(
        "multi_output::in_the_vst3_as_configured",
        [("TOCCO_CONFIG", file)],
    );
}

#[test]
#[ignore = "run by the other, in a process of its own"]
fn in_the_vst3_as_configured() {
    let ordinary = in_vst3(&loaded("Tocco"), 1, None);
    let host = loaded("Tocco (8 outputs)");
    for (index, technique) in Technique::ALL.into_iter().enumerate() {
        // SAFETY: main thread; plain data, for which zeros are valid.
        let name = unsafe {
            let mut info: BusInfo = std::mem::zeroed();
            let (media, direction) = (kAudio as int32, kOutput as int32);
            let output = index as int32 + 1;
            let result = (host.component()).getBusInfo(media, direction, output, &mut info);
            assert_eq!(result, kResultOk);
            assert_eq!(info.channelCount, 2);
            String::from_utf16(&info.name).unwrap()
        };
        assert_eq!(name.trim_end_matches('\0'), technique.label());
    }
    let sound = in_vst3(&host, OUTPUTS, None);
    check_same(&sum(&sound), &ordinary[0]);
    assert!(is_silent(&sound[0]), "the guitar is off");
    let loud: Vec<usize> = (1..OUTPUTS).filter(|i| !is_silent(&sound[*i])).collect();
    assert!(loud.len() > 2, "{loud:?}");
    for outputs in [1, 4] {
        let fewer = in_vst3(&host, outputs, None);
        check_same(&sum(&fewer), &ordinary[0]);
        assert_eq!(fewer[1..], sound[1..outputs]);
    }
    // One that is switched off is silent, and heard in the main output.
    let off = loud[0];
    let switched = in_vst3(&host, OUTPUTS, Some(off as int32));
    assert!(is_silent(&switched[off]));
    assert_eq!(switched[0], sound[off]);
}
