//! What a host may hand to `process` that the framework does not survive.
//!
//! nice-plug 0.4.2 indexes and dereferences whatever the host says: another number of channels than
//! was agreed, a null channel or a negative length ends the host's process.

use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::{AudioBusBuffers, ProcessData};
use nice_plug::wrapper::vst3::vst3::Steinberg::int32;

/// What is to be done with a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is sound in and out, as agreed.
    Process,
    /// There is room for sound and none comes in: it is silence.
    Silence,
    /// There is no room for sound: only parameters are to be taken.
    Flush,
    /// It is not what was agreed.
    Refuse,
}

/// The first bus of `count` at `buses`; `None` if there is none or it has no channels, as for a bus
/// that is not active.
///
/// # Safety
/// `buses` must be null or point to `count` of them.
unsafe fn first_bus(buses: *mut AudioBusBuffers, count: int32) -> Option<AudioBusBuffers> {
    if count <= 0 || buses.is_null() {
        return None;
    }
    // SAFETY: there is at least one.
    let bus = unsafe { *buses };
    // SAFETY: both members of the union are pointers.
    let has_channels = bus.numChannels > 0 && unsafe { !bus.__field0.channelBuffers32.is_null() };
    has_channels.then_some(bus)
}

/// The channels of a bus, which may be null.
///
/// # Safety
/// The bus must be from [`first_bus`], or have channels as one from there.
pub(super) unsafe fn channels(bus: &AudioBusBuffers) -> &[*mut f32] {
    // SAFETY: there are channels, and the host promises as many pointers.
    unsafe { std::slice::from_raw_parts(bus.__field0.channelBuffers32, bus.numChannels as usize) }
}

/// Judges a block of a plugin that was activated with `agreed` channels in and out. Real-time safe.
///
/// # Safety
/// The counts in `data` must not be greater than what its pointers, if they are not null, point to.
pub(super) unsafe fn judge(data: &ProcessData, agreed: usize) -> Verdict {
    if data.symbolicSampleSize != kSample32 as int32 || data.numSamples < 0 {
        return Verdict::Refuse;
    }
    // SAFETY: the caller's promise.
    let (input, output) = unsafe {
        (
            first_bus(data.inputs, data.numInputs),
            first_bus(data.outputs, data.numOutputs),
        )
    };
    let Some(output) = output.filter(|_| data.numSamples > 0) else {
        return Verdict::Flush;
    };
    // SAFETY: the buses are from `first_bus`.
    let is_agreed = |bus: &AudioBusBuffers| unsafe {
        let channels = channels(bus);
        channels.len() == agreed && channels.iter().all(|channel| !channel.is_null())
    };
    match input {
        _ if !is_agreed(&output) => Verdict::Refuse,
        Some(input) if !is_agreed(&input) => Verdict::Refuse,
        Some(_) => Verdict::Process,
        None => Verdict::Silence,
    }
}

/// Passes the sound of a refused block on, channel by channel, as far as there is any; the rest of
/// the outputs is silence. Real-time safe.
///
/// # Safety
/// As of [`judge`]; every channel that is not null must hold the block.
pub(super) unsafe fn pass_through(data: &ProcessData) {
    let Ok(length) = usize::try_from(data.numSamples) else {
        return;
    };
    if data.symbolicSampleSize != kSample32 as int32 {
        return; // the length of a sample is not known
    }
    // SAFETY: the caller's promise; input and output may be the same memory, or overlap.
    unsafe {
        let Some(output) = first_bus(data.outputs, data.numOutputs) else {
            return;
        };
        let input = first_bus(data.inputs, data.numInputs);
        let inputs = input.as_ref().map_or(&[][..], |bus| channels(bus));
        for (index, output) in channels(&output).iter().enumerate() {
            if output.is_null() {
                continue;
            }
            match inputs.get(index) {
                Some(input) if !input.is_null() => std::ptr::copy(*input, *output, length),
                _ => output.write_bytes(0, length),
            }
        }
    }
}

/// Takes back what stands in the block's outputs about silence: it is of the block before, or of the plugin before,
/// and the framework leaves it. Real-time safe.
///
/// # Safety
/// As of [`judge`].
pub(super) unsafe fn clear_silence_flags(data: &ProcessData) {
    if data.outputs.is_null() {
        return;
    }
    for bus in 0..usize::try_from(data.numOutputs).unwrap_or(0) {
        // SAFETY: the caller's promise.
        unsafe { (*data.outputs.add(bus)).silenceFlags = 0 };
    }
}

/// Auxiliary output `bus` of the host's, from 0 on; `None` if it is not there or has no channels.
///
/// # Safety
/// As of [`judge`].
unsafe fn auxiliary_bus(data: &ProcessData, bus: usize) -> Option<AudioBusBuffers> {
    let before = 1 + bus;
    let count = usize::try_from(data.numOutputs).unwrap_or(0);
    if data.outputs.is_null() || count <= before {
        return None;
    }
    // SAFETY: there are more than those before it.
    unsafe { first_bus(data.outputs.add(before), 1) }
}

/// Fills the channels of a bus with silence, `length` samples. Real-time safe.
///
/// # Safety
/// The bus must be from [`first_bus`]; every channel that is not null must hold the block.
unsafe fn silence(bus: &AudioBusBuffers, length: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        for channel in channels(bus).iter().filter(|channel| !channel.is_null()) {
            channel.write_bytes(0, length);
        }
    }
}

/// The channels of auxiliary output `bus`, from 0 on, if it is there, has two, and is `on`; silences those of
/// one that is otherwise. Real-time safe.
///
/// # Safety
/// As of [`judge`], which let the block pass; every channel that is not null must hold it.
pub(super) unsafe fn auxiliary(data: &ProcessData, bus: usize, on: bool) -> Option<[*mut f32; 2]> {
    // SAFETY: the caller's promise.
    unsafe {
        let bus = auxiliary_bus(data, bus)?;
        if let [left, right] = *channels(&bus)
            && on
            && !left.is_null()
            && !right.is_null()
        {
            return Some([left, right]);
        }
        silence(&bus, usize::try_from(data.numSamples).unwrap_or(0));
    }
    None
}

/// Fills all auxiliary outputs of a block with silence, as far as they are there. Real-time safe.
///
/// # Safety
/// As of [`judge`]; every channel that is not null must hold the block.
pub(super) unsafe fn silence_auxiliaries(data: &ProcessData) {
    let Ok(length) = usize::try_from(data.numSamples) else {
        return;
    };
    if data.symbolicSampleSize != kSample32 as int32 {
        return; // the length of a sample is not known
    }
    let count = usize::try_from(data.numOutputs).unwrap_or(0);
    for bus in 0..count.saturating_sub(1) {
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(bus) = auxiliary_bus(data, bus) {
                silence(&bus, length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::AudioBusBuffers__type0;
    use std::ptr::null_mut;

    /// A block of `samples` samples; `None` is a bus that is null.
    fn with_block<T>(
        input: Option<&mut [*mut f32]>,
        output: Option<&mut [*mut f32]>,
        samples: int32,
        look: impl FnOnce(&mut ProcessData) -> T,
    ) -> T {
        let bus = |channels: Option<&mut [*mut f32]>| {
            channels.map(|channels| AudioBusBuffers {
                numChannels: channels.len() as int32,
                silenceFlags: 0,
                __field0: AudioBusBuffers__type0 {
                    channelBuffers32: channels.as_mut_ptr(),
                },
            })
        };
        let (mut input, mut output) = (bus(input), bus(output));
        let pointer = |bus: &mut Option<AudioBusBuffers>| match bus {
            Some(bus) => std::ptr::from_mut(bus),
            None => null_mut(),
        };
        look(&mut ProcessData {
            processMode: 0,
            symbolicSampleSize: kSample32 as int32,
            numSamples: samples,
            numInputs: 1,
            numOutputs: 1,
            inputs: pointer(&mut input),
            outputs: pointer(&mut output),
            inputParameterChanges: null_mut(),
            outputParameterChanges: null_mut(),
            inputEvents: null_mut(),
            outputEvents: null_mut(),
            processContext: null_mut(),
        })
    }

    #[test]
    fn only_what_was_agreed_is_processed() {
        use Verdict::*;
        let null = null_mut();
        let mut memory = [0.0; 4];
        let sound = memory.as_mut_ptr();
        type Bus<'a> = Option<&'a [*mut f32]>;
        let cases: &[(Bus, Bus, int32, Verdict)] = &[
            (Some(&[sound, sound]), Some(&[sound, sound]), 4, Process),
            (Some(&[sound, sound]), Some(&[sound, sound]), 0, Flush),
            (Some(&[sound, sound]), Some(&[sound, sound]), -1, Refuse),
            (Some(&[sound, sound]), Some(&[]), 4, Flush),
            (Some(&[sound, sound]), None, 4, Flush),
            (None, Some(&[sound, sound]), 4, Silence),
            (Some(&[]), Some(&[sound, sound]), 4, Silence),
            (Some(&[sound]), Some(&[sound, sound]), 4, Refuse),
            (Some(&[sound, sound]), Some(&[sound]), 4, Refuse),
            (Some(&[sound; 3]), Some(&[sound; 3]), 4, Refuse),
            (Some(&[sound, null]), Some(&[sound, sound]), 4, Refuse),
            (Some(&[sound, sound]), Some(&[null, sound]), 4, Refuse),
            (None, None, 4, Flush),
        ];
        for (input, output, samples, expected) in cases {
            let mut input = input.map(<[_]>::to_vec);
            let mut output = output.map(<[_]>::to_vec);
            let verdict = with_block(
                input.as_deref_mut(),
                output.as_deref_mut(),
                *samples,
                // SAFETY: the block is what it says.
                |data| unsafe { judge(data, 2) },
            );
            assert_eq!(verdict, *expected, "{input:?} {output:?} {samples}");
        }
        let double = with_block(None, Some(&mut [sound, sound]), 4, |data| {
            data.symbolicSampleSize += 1;
            // SAFETY: the block is what it says.
            unsafe { judge(data, 2) }
        });
        assert_eq!(double, Refuse);
    }

    #[test]
    fn an_auxiliary_output_is_what_the_host_gives_whole_and_else_silent() {
        let mut memory = [[9.0f32; 2]; 4];
        let [a, b, c, d] = memory.each_mut().map(|channel| channel.as_mut_ptr());
        let (mut main, mut stereo) = ([a, b], [a, b]);
        let (mut mono, mut half) = ([c], [null_mut(), d]);
        let bus = |channels: &mut [*mut f32]| AudioBusBuffers {
            numChannels: channels.len() as int32,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 {
                channelBuffers32: channels.as_mut_ptr(),
            },
        };
        let mut buses = [&mut main[..], &mut stereo, &mut mono, &mut half, &mut []].map(bus);
        with_block(None, None, 2, |data| {
            data.outputs = buses.as_mut_ptr();
            data.numOutputs = buses.len() as int32;
            // SAFETY: the block is what it says.
            unsafe {
                assert_eq!(auxiliary(data, 0, true), Some([a, b]));
                for bus in 1..6 {
                    assert_eq!(auxiliary(data, bus, true), None, "{bus}");
                }
                assert_eq!([*a, *b, *c, *d], [9.0, 9.0, 0.0, 0.0]);
                // One that is switched off.
                assert_eq!(auxiliary(data, 0, false), None);
                assert_eq!([*a, *b], [0.0; 2]);
                a.write(9.0);
                c.write(9.0);
                data.numOutputs = 3;
                silence_auxiliaries(data);
                assert_eq!([*a, *b, *c, *d], [0.0; 4]);
                data.numOutputs = -1;
                assert_eq!(auxiliary(data, 0, true), None);
                silence_auxiliaries(data);
                data.outputs = null_mut();
                data.numOutputs = 3;
                assert_eq!(auxiliary(data, 0, true), None);
            }
        });
    }

    #[test]
    fn what_stood_in_the_hosts_outputs_says_nothing_of_their_sound() {
        let mut buses = [(); 3].map(|()| AudioBusBuffers {
            numChannels: 0,
            silenceFlags: 3,
            __field0: AudioBusBuffers__type0 {
                channelBuffers32: null_mut(),
            },
        });
        with_block(None, None, 2, |data| {
            data.outputs = buses.as_mut_ptr();
            // SAFETY: the block is what it says.
            unsafe {
                for count in [-1, 2] {
                    data.numOutputs = count;
                    clear_silence_flags(data);
                }
                data.outputs = null_mut();
                clear_silence_flags(data);
            }
        });
        assert_eq!(buses.map(|bus| bus.silenceFlags), [0, 0, 3]);
    }

    #[test]
    fn a_refused_block_is_heard_as_far_as_it_goes() {
        let (mut left, mut right) = ([1.0, 2.0], [3.0, 4.0]);
        let mut outputs = [[9.0; 2]; 3];
        let pointers = outputs.each_mut().map(|channel| channel.as_mut_ptr());
        let [a, b, c] = pointers;
        let mut input = [left.as_mut_ptr(), null_mut(), right.as_mut_ptr()];
        with_block(Some(&mut input), Some(&mut [a, b, c]), 2, |data| {
            // SAFETY: the block is what it says.
            unsafe { pass_through(data) };
        });
        assert_eq!(outputs, [[1.0, 2.0], [0.0; 2], [3.0, 4.0]]);
    }
}
