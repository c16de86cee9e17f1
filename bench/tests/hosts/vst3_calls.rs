//! Calls that only some VST3 hosts make, and faulty ones: the plugin answers with an error or goes on
//! listening, and takes nobody down.

use std::iter::repeat;
use std::ptr::null_mut;

use tocco_bench::plugin_host::{Automated, MidiOut, PluginHost, PluginStream, StreamFormat};
use tocco_bench::vst3_host::{Vst3Host, Vst3Stream};
use vst3::Steinberg::Vst::BusDirections_::{kInput, kOutput};
use vst3::Steinberg::Vst::MediaTypes_::kEvent;
use vst3::Steinberg::Vst::ProcessModes_::{kOffline, kRealtime};
use vst3::Steinberg::Vst::SymbolicSampleSizes_::{kSample32, kSample64};
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, IAudioProcessorTrait, IComponentTrait,
    IEditControllerTrait, ProcessData, ProcessSetup, SpeakerArr,
};
use vst3::Steinberg::{
    IPluginBaseTrait, int32, kInvalidArgument, kNotInitialized, kResultFalse, kResultOk, tresult,
};

use crate::listening::without_ids;
use crate::playing::{Bundled, PERFORMANCE, play, play_on};

fn hear(host: &mut Vst3Host) -> Vec<MidiOut> {
    without_ids(&play(host, &PERFORMANCE, StreamFormat::PAPER, repeat(64)))
}

fn steady() -> Vst3Host {
    let mut host = Vst3Host::steady();
    host.set_text("Second decision", "off").unwrap();
    host
}

fn setup(rate: f64, max_block: int32, mode: int32, size: int32) -> ProcessSetup {
    ProcessSetup {
        processMode: mode,
        symbolicSampleSize: size,
        maxSamplesPerBlock: max_block,
        sampleRate: rate,
    }
}

/// A block as a host could hand it over: channels of the input and the output, `None` where the bus
/// is null.
fn process(
    host: &Vst3Host,
    input: Option<&[*mut f32]>,
    output: Option<&[*mut f32]>,
    samples: int32,
    size: int32,
) -> tresult {
    let (mut input, mut output) = (input.map(<[_]>::to_vec), output.map(<[_]>::to_vec));
    let bus = |channels: &mut Option<Vec<*mut f32>>| {
        channels.as_mut().map(|channels| AudioBusBuffers {
            numChannels: channels.len() as int32,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 {
                channelBuffers32: channels.as_mut_ptr(),
            },
        })
    };
    let (mut inputs, mut outputs) = (bus(&mut input), bus(&mut output));
    let pointer = |bus: &mut Option<AudioBusBuffers>| match bus {
        Some(bus) => std::ptr::from_mut(bus),
        None => null_mut(),
    };
    let mut data = ProcessData {
        processMode: kRealtime as int32,
        symbolicSampleSize: size,
        numSamples: samples,
        numInputs: 1,
        numOutputs: 1,
        inputs: pointer(&mut inputs),
        outputs: pointer(&mut outputs),
        inputParameterChanges: null_mut(),
        outputParameterChanges: null_mut(),
        inputEvents: null_mut(),
        outputEvents: null_mut(),
        processContext: null_mut(),
    };
    // SAFETY: what is not null is as long as it says; the rest is the test.
    unsafe { host.processor().unwrap().process(&mut data) }
}

/// Whether the performance is heard on a stream that runs as it is by a fresh instance.
fn check_hears(stream: &mut Vst3Stream, expected: &[MidiOut]) {
    let start = stream.position();
    let mut midi = without_ids(&play_on(stream, &PERFORMANCE, repeat(64)));
    for event in &mut midi {
        event.position -= start;
    }
    assert_eq!(midi, expected);
}

#[test]
fn buses_that_sushi_means_are_accepted_and_no_others() {
    let host = Vst3Host::fresh();
    let activate = |media: u32, direction: u32, index: int32| {
        let component = host.component();
        // SAFETY: main thread.
        unsafe { component.activateBus(media as int32, direction as int32, index, 1) }
    };
    assert_eq!(activate(kEvent, kInput, 0), kResultOk);
    assert_eq!(activate(kEvent, kOutput, 0), kResultOk);
    for (direction, index) in [(kInput, 1), (kInput, -1), (kOutput, 1)] {
        assert_eq!(activate(kEvent, direction, index), kInvalidArgument);
    }
    // SAFETY: main thread.
    let inputs = unsafe {
        host.component()
            .getBusCount(kEvent as int32, kInput as int32)
    };
    assert_eq!(inputs, 0, "there is no event input");
}

#[test]
fn active_before_the_set_up_as_carla_looks_at_it() {
    let mut host = steady();
    let expected = hear(&mut host);
    let mut host = steady();
    // SAFETY: main thread.
    unsafe {
        assert_eq!(host.component().setActive(1), kResultOk);
        assert_eq!(host.processor().unwrap().setProcessing(1), kResultOk);
    }
    assert_eq!(process(&host, None, None, 0, 0), kNotInitialized);
    assert_eq!(hear(&mut host), expected);
    // SAFETY: main thread.
    unsafe {
        assert_eq!(host.component().setActive(1), kResultOk);
        assert_eq!(host.component().setActive(1), kResultOk);
        assert_eq!(host.component().setActive(0), kResultOk);
        assert_eq!(host.component().setActive(0), kResultOk);
    }
    assert_eq!(hear(&mut host), expected);
}

#[test]
fn a_set_up_while_active_counts_from_then_on() {
    let mut host = steady();
    let expected = hear(&mut host);
    let mut stream = host.activate(StreamFormat::PAPER).unwrap();
    let processor = host.processor().unwrap();
    let set_up = |rate: f64, max_block: int32, mode: u32, size: u32| {
        let mut setup = setup(rate, max_block, mode as int32, size as int32);
        // SAFETY: main thread.
        unsafe { processor.setupProcessing(&mut setup) }
    };
    assert_eq!(set_up(44_100.0, 512, kOffline, kSample32), kResultOk);
    assert_eq!(set_up(48_000.0, 64, kRealtime, kSample32), kResultOk);
    for (rate, max_block, size) in [
        (48_000.0, 64, kSample64),
        (48_000.0, -1, kSample32),
        (0.0, 64, kSample32),
        (-48_000.0, 64, kSample32),
        (f64::NAN, 64, kSample32),
        (f64::INFINITY, 64, kSample32),
        (1e300, 64, kSample32),
        (1e-300, 64, kSample32),
    ] {
        let refused = set_up(rate, max_block, kRealtime, size);
        assert_eq!(refused, kInvalidArgument, "{rate} Hz, {max_block}, {size}");
    }
    // SAFETY: main thread; a null pointer is the test.
    unsafe { assert_eq!(processor.setupProcessing(null_mut()), kInvalidArgument) };
    check_hears(&mut stream, &expected);
    // Other arrangements while it is active.
    let arrange = |channels| {
        let (mut input, mut output) = (channels, channels);
        // SAFETY: main thread.
        unsafe { processor.setBusArrangements(&mut input, 1, &mut output, 1) }
    };
    assert_eq!(arrange(SpeakerArr::kStereo), kResultOk);
    let mut mono = [0.5_f32; 64];
    let mono = [mono.as_mut_ptr()];
    let refused = process(&host, Some(&mono), Some(&mono), 64, kSample32 as int32);
    assert_eq!(refused, kInvalidArgument);
    assert_eq!(arrange(SpeakerArr::k51), kResultFalse);
    assert_eq!(arrange(SpeakerArr::kMono), kResultOk);
    check_hears(&mut stream, &expected);
    host.deactivate(stream);
}

#[test]
fn at_rates_that_nobody_plays_at_the_sound_passes_through_unheard() {
    let mut host = steady();
    let expected = hear(&mut host);
    for sample_rate in [384_000.0, 768_000.0, 192_001.0, 7_999.0, 1_000.0, 1.0] {
        let format = StreamFormat {
            sample_rate,
            ..StreamFormat::PAPER
        };
        let heard = play(&mut host, &PERFORMANCE, format, repeat(64));
        assert_eq!(heard, [], "{sample_rate} Hz");
    }
    assert_eq!(hear(&mut host), expected);
    // The same while it is active.
    let mut stream = host.activate(StreamFormat::PAPER).unwrap();
    let set_up = |rate| {
        let mut setup = setup(rate, 64, kRealtime as int32, kSample32 as int32);
        // SAFETY: main thread.
        unsafe { host.processor().unwrap().setupProcessing(&mut setup) }
    };
    assert_eq!(set_up(384_000.0), kResultOk);
    assert_eq!(play_on(&mut stream, &PERFORMANCE, repeat(64)), []);
    assert_eq!(set_up(48_000.0), kResultOk);
    check_hears(&mut stream, &expected);
    host.deactivate(stream);
}

#[test]
fn a_state_is_read_in_pieces_of_any_size() {
    let mut host = Vst3Host::fresh();
    host.set_text("Confidence gate", "0.25").unwrap();
    let state = host.save_state().unwrap();
    for piece in [1, 7, 4096, usize::MAX] {
        let mut other = Vst3Host::fresh();
        other.restore_in_pieces(&state, piece).unwrap();
        assert_eq!(other.save_state().unwrap(), state, "pieces of {piece}");
        for cut in [0, 1, state.len() - 1] {
            let refused = other.restore_in_pieces(&state[..cut], piece);
            assert!(refused.is_err(), "{cut} bytes in pieces of {piece}");
        }
        assert_eq!(other.save_state().unwrap(), state, "pieces of {piece}");
    }
    // SAFETY: a null pointer is the test.
    let refused = unsafe { host.component().setState(null_mut()) };
    assert_eq!(refused, kInvalidArgument);
}

#[test]
fn wrong_blocks_are_an_error_and_nothing_worse() {
    let mut host = steady();
    let expected = hear(&mut host);
    let mut host = steady();
    let mut x = [0.25_f32; 64];
    let mut y = [0.0_f32; 64];
    let (source, sink, null) = (x.as_mut_ptr(), y.as_mut_ptr(), null_mut());
    let size = kSample32 as int32;
    let good = (&[source][..], &[sink][..]);
    let plain = |host: &Vst3Host| process(host, Some(good.0), Some(good.1), 64, size);
    assert_eq!(plain(&host), kNotInitialized);
    let mut stream = host.activate(StreamFormat::PAPER).unwrap();
    for (input, output, samples, size) in [
        (Some(&[null][..]), Some(good.1), 64, size),
        (Some(good.0), Some(&[null][..]), 64, size),
        (Some(&[source; 2][..]), Some(good.1), 64, size),
        (Some(good.0), Some(&[sink; 2][..]), 64, size),
        (Some(&[source; 3][..]), Some(&[sink; 3][..]), 64, size),
        (Some(good.0), Some(good.1), -64, size),
        (Some(good.0), Some(good.1), 64, kSample64 as int32),
        (Some(good.0), Some(good.1), 64, 77),
    ] {
        let status = process(&host, input, output, samples, size);
        assert_eq!(status, kInvalidArgument, "{input:?} {output:?} {samples}");
    }
    // Only parameters, in the forms that hosts have for it, and no input.
    for (input, output, samples) in [
        (None, None, 0),
        (None, None, 64),
        (Some(good.0), None, 64),
        (Some(good.0), Some(&[][..]), 64),
        (Some(good.0), Some(good.1), 0),
        (None, Some(good.1), 64),
        (Some(&[][..]), Some(good.1), 64),
    ] {
        let status = process(&host, input, output, samples, size);
        assert_eq!(status, kResultOk, "{input:?} {output:?} {samples}");
    }
    assert_eq!(y, [0.0; 64], "without an input it is silent");
    // SAFETY: a null pointer is the test.
    unsafe {
        let processor = host.processor().unwrap();
        assert_eq!(processor.process(null_mut()), kInvalidArgument);
    }
    // A refused block is passed on as far as it goes.
    process(&host, Some(&[source; 2]), Some(good.1), 64, size);
    assert_eq!(y, [0.25; 64]);
    // Longer than it was said is a block like any other.
    let mut long = vec![0.5_f32; 100_000];
    let mut out = vec![0.0_f32; 100_000];
    let (input, output) = ([long.as_mut_ptr()], [out.as_mut_ptr()]);
    let status = process(&host, Some(&input), Some(&output), 100_000, size);
    assert_eq!(status, kResultOk);
    assert_eq!(out, long);
    // SAFETY: main thread.
    unsafe {
        host.component().setActive(0);
        host.component().setActive(1);
    }
    check_hears(&mut stream, &expected);
    host.deactivate(stream);
    assert_eq!(plain(&host), kNotInitialized);
    // SAFETY: main thread; it is terminated while active, and once more by the host.
    unsafe {
        host.component().setActive(1);
        host.component().terminate();
    }
    assert_eq!(plain(&host), kNotInitialized);
}

#[test]
fn a_parameter_without_a_number_is_an_error() {
    let mut host = Vst3Host::fresh();
    let count = host.parameters().unwrap().len() as int32;
    let controller = host.controller();
    // SAFETY: main thread, a live structure; null pointers and wrong numbers are the test.
    unsafe {
        let mut info = std::mem::zeroed();
        for index in [-1, count, count + 1, int32::MIN, int32::MAX] {
            let status = controller.getParameterInfo(index, &mut info);
            assert_eq!(status, kInvalidArgument, "{index}");
        }
        assert_eq!(controller.getParameterInfo(0, null_mut()), kInvalidArgument);
        let mut last = std::mem::zeroed();
        assert_eq!(controller.getParameterInfo(count - 1, &mut last), kResultOk);
        let text = controller.getParamStringByValue(last.id, 0.5, null_mut());
        assert_eq!(text, kInvalidArgument);
        assert_eq!(controller.setParamNormalized(77, 0.5), kInvalidArgument);
        assert_eq!(controller.getParameterInfo(0, &mut info), kResultOk);
        let set = controller.setParamNormalized(info.id, f64::NAN);
        assert_eq!(set, kInvalidArgument);
    }
}

#[test]
fn what_is_set_before_the_next_block_is_saved() {
    let mut host = Vst3Host::fresh();
    let gate = host.parameter("Confidence gate").unwrap();
    let saved = |host: &mut Vst3Host| {
        let state = host.save_state().unwrap();
        let mut other = Vst3Host::fresh();
        other.restore_state(&state).unwrap();
        other.value(&gate).unwrap()
    };
    let set = |host: &Vst3Host, value: f64| {
        // SAFETY: main thread.
        let set = unsafe { host.controller().setParamNormalized(gate.id, value) };
        assert_eq!(set, kResultOk);
    };
    let mut stream = host.activate(StreamFormat::PAPER).unwrap();
    stream.process(64).unwrap();
    set(&host, 0.25);
    assert_eq!(host.value(&gate).unwrap(), 0.25);
    assert_eq!(saved(&mut host), 0.25);
    stream.process(64).unwrap();
    assert_eq!(saved(&mut host), 0.25);
    // What a block carries is newer than what the controller was told before it.
    set(&host, 0.5);
    stream.automate(&gate, 0.75);
    stream.process(64).unwrap();
    assert_eq!(host.value(&gate).unwrap(), 0.75);
    assert_eq!(saved(&mut host), 0.75);
    // What is loaded is newer than what was set.
    let state = host.save_state().unwrap();
    set(&host, 0.125);
    host.restore_state(&state).unwrap();
    assert_eq!(saved(&mut host), 0.75);
    // And what is set when processing ends is not lost.
    set(&host, 0.375);
    host.deactivate(stream);
    assert_eq!(host.value(&gate).unwrap(), 0.375);
    assert_eq!(saved(&mut host), 0.375);
}

#[test]
fn a_stop_around_every_block_loses_nothing() {
    for block in [64, 256, 512] {
        let mut host = steady();
        let format = StreamFormat {
            max_block: block,
            ..StreamFormat::PAPER
        };
        let expected = without_ids(&play(&mut host, &PERFORMANCE, format, repeat(block)));
        let mut stream = host.activate(format).unwrap();
        let processor = host.processor().unwrap();
        let mut midi = Vec::new();
        for samples in PERFORMANCE.channels[0].chunks(block) {
            // SAFETY: between two blocks.
            unsafe {
                processor.setProcessing(0);
                processor.setProcessing(1);
            }
            stream.input(0)[..samples.len()].copy_from_slice(samples);
            stream.process(samples.len()).unwrap();
            midi.extend_from_slice(stream.midi());
        }
        host.deactivate(stream);
        assert_eq!(without_ids(&midi), expected, "blocks of {block}");
    }
}
