//! The running side of a VST3 plugin.

use std::ptr::null_mut;
use std::sync::Arc;

use anyhow::{Result, ensure};
use vst3::Steinberg::Vst::Event_::EventTypes_::{
    kLegacyMIDICCOutEvent, kNoteOffEvent, kNoteOnEvent, kPolyPressureEvent,
};
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, Event, IAudioProcessor, IAudioProcessorTrait,
    IEventList, IParameterChanges, ProcessContext, ProcessData,
};
use vst3::Steinberg::int32;
use vst3::{ComPtr, ComWrapper};

use super::event_list::EventList;
use super::parameter_changes::ParameterChanges;
use super::{Module, check, interface};
use crate::plugin_host::{
    Automated, GivenOutputs, MidiMessage, MidiOut, Parameter, ParameterOut, PluginStream,
    StreamFormat, SwitchedOff,
};

/// More events than a block of the largest size can bring: room is made before the stream runs.
const EVENT_CAPACITY: usize = 4096;

/// Parameters that may change in one block.
const PARAMETER_CAPACITY: usize = 256;

/// The running side of a [`Vst3Host`](super::Vst3Host).
pub struct Vst3Stream {
    pub(super) processor: ComPtr<IAudioProcessor>,
    /// `[channels][max_block]`.
    input: Vec<Vec<f32>>,
    /// Of the main output, which comes first, and of the others: `[buses][channels][max_block]`.
    outputs: Vec<Vec<Vec<f32>>>,
    input_pointers: Vec<*mut f32>,
    output_pointers: Vec<Vec<*mut f32>>,
    output_buses: Vec<AudioBusBuffers>,
    given: GivenOutputs,
    /// Samples of the last block.
    frames: usize,
    events: ComWrapper<EventList>,
    pub(super) changes_in: ComWrapper<ParameterChanges>,
    pub(super) changes_out: ComWrapper<ParameterChanges>,
    midi: Vec<MidiOut>,
    parameters: Vec<ParameterOut>,
    mode: int32,
    position: u64,
    _module: Arc<Module>,
}

// SAFETY: VST3 lets `process` run on any one thread while the component is active; the pointers
// refer to the vectors beside them and are written anew before each use.
unsafe impl Send for Vst3Stream {}

/// What a host may hand over with a block besides the sound.
#[derive(Default)]
pub(super) struct BlockInput<'a> {
    /// Changes of parameters; those of [`Vst3Stream::automate`] if none.
    pub(super) changes: Option<vst3::ComRef<'a, IParameterChanges>>,
    /// Events.
    pub(super) events: Option<vst3::ComRef<'a, IEventList>>,
    /// Place and time.
    pub(super) context: Option<&'a mut ProcessContext>,
}

impl Vst3Stream {
    /// `outputs` are the channels of each output, the main one first.
    pub(super) fn new(
        processor: ComPtr<IAudioProcessor>,
        format: StreamFormat,
        outputs: &[usize],
        mode: int32,
        module: Arc<Module>,
    ) -> Self {
        let buffers = |channels: usize| vec![vec![0.0; format.max_block]; channels];
        let pointers = |channels: usize| vec![null_mut(); channels];
        Self {
            processor,
            input: buffers(format.channels),
            outputs: outputs.iter().copied().map(buffers).collect(),
            input_pointers: pointers(format.channels),
            output_pointers: outputs.iter().copied().map(pointers).collect(),
            output_buses: outputs.iter().map(|_| bus(&mut [], &mut [])).collect(),
            given: GivenOutputs::All,
            frames: 0,
            events: ComWrapper::new(EventList::new(EVENT_CAPACITY)),
            changes_in: ComWrapper::new(ParameterChanges::new(PARAMETER_CAPACITY)),
            changes_out: ComWrapper::new(ParameterChanges::new(PARAMETER_CAPACITY)),
            midi: Vec::with_capacity(EVENT_CAPACITY),
            parameters: Vec::with_capacity(EVENT_CAPACITY),
            mode,
            position: 0,
            _module: module,
        }
    }

    /// Gives the plugin room for `capacity` events a block.
    pub(super) fn with_event_capacity(mut self, capacity: usize) -> Self {
        self.events = ComWrapper::new(EventList::new(capacity));
        self
    }

    /// As [`PluginStream::process`], with what a host may hand over besides the sound.
    pub(super) fn process_with(&mut self, frames: usize, block: BlockInput<'_>) -> Result<()> {
        let max_block = self.input[0].len();
        ensure!(
            frames <= max_block,
            "{frames} frames, but blocks have at most {max_block}"
        );
        // What the plugin does not write is seen to be missing.
        for channel in self.outputs.iter_mut().flatten() {
            channel[..frames].fill(f32::NAN);
        }
        self.frames = frames;
        let mut input = bus(&mut self.input, &mut self.input_pointers);
        let outputs = self.outputs.iter_mut().zip(&mut self.output_pointers);
        for (index, (channels, pointers)) in outputs.enumerate() {
            let mut output = bus(channels, pointers);
            match self.given.off(index) {
                Some(SwitchedOff::Null) => output.__field0.channelBuffers32 = null_mut(),
                Some(SwitchedOff::NoChannels) => output.numChannels = 0,
                None => {}
            }
            self.output_buses[index] = output;
        }
        self.events.clear();
        self.changes_out.clear();
        let changes = match block.changes {
            Some(changes) => changes,
            None => interface(&self.changes_in)?,
        };
        let mut data = ProcessData {
            processMode: self.mode,
            symbolicSampleSize: kSample32 as int32,
            numSamples: frames as int32,
            numInputs: 1,
            numOutputs: self.given.count(self.output_buses.len()) as int32,
            inputs: &mut input,
            outputs: self.output_buses.as_mut_ptr(),
            inputParameterChanges: changes.as_ptr(),
            outputParameterChanges: interface(&self.changes_out)?.as_ptr(),
            inputEvents: block.events.map_or(null_mut(), |events| events.as_ptr()),
            outputEvents: interface(&self.events)?.as_ptr(),
            processContext: block.context.map_or(null_mut(), std::ptr::from_mut),
        };
        // SAFETY: the buffers hold `frames` samples each, as checked above, and everything lives
        // until the call returns.
        let result = unsafe { self.processor.process(&mut data) };
        self.changes_in.clear();
        let (midi, parameters, start) = (&mut self.midi, &mut self.parameters, self.position);
        midi.clear();
        self.events
            .for_each(|event| midi.extend(midi_out(event, start)));
        parameters.clear();
        self.changes_out.for_each(|id, offset, value| {
            parameters.push(ParameterOut {
                position: start + u64::try_from(offset).unwrap_or(0),
                id,
                value,
            });
        });
        self.position += frames as u64;
        check(result, "IAudioProcessor::process")
    }
}

impl Automated for Vst3Stream {
    fn automate(&mut self, parameter: &Parameter, value: f64) {
        self.changes_in
            .add(parameter.id, 0, value / parameter.maximum);
    }

    /// Parameter by parameter.
    fn parameters(&self) -> &[ParameterOut] {
        &self.parameters
    }

    fn give_outputs(&mut self, given: GivenOutputs) {
        self.given = given;
    }

    fn is_heard_apart(&self) -> bool {
        self.given.is_heard_apart(&self.outputs, self.frames)
    }
}

impl PluginStream for Vst3Stream {
    fn input(&mut self, channel: usize) -> &mut [f32] {
        &mut self.input[channel]
    }

    fn output(&self, channel: usize) -> &[f32] {
        &self.outputs[0][channel]
    }

    fn process(&mut self, frames: usize) -> Result<()> {
        self.process_with(frames, BlockInput::default())
    }

    fn midi(&self) -> &[MidiOut] {
        &self.midi
    }

    fn position(&self) -> u64 {
        self.position
    }
}

/// The bus made of `channels`; `pointers` is the room for the addresses.
fn bus(channels: &mut [Vec<f32>], pointers: &mut [*mut f32]) -> AudioBusBuffers {
    for (pointer, channel) in pointers.iter_mut().zip(channels.iter_mut()) {
        *pointer = channel.as_mut_ptr();
    }
    AudioBusBuffers {
        numChannels: pointers.len() as int32,
        silenceFlags: 0,
        __field0: AudioBusBuffers__type0 {
            channelBuffers32: pointers.as_mut_ptr(),
        },
    }
}

/// The message in an event, if it is one about notes; `block_start` in samples.
fn midi_out(event: &Event, block_start: u64) -> Option<MidiOut> {
    // SAFETY: `type` says which member of the union was written.
    let (channel, key, message) = unsafe {
        let data = &event.__field0;
        match event.r#type {
            kind if kind == kNoteOnEvent as u16 => (
                data.noteOn.channel,
                data.noteOn.pitch,
                MidiMessage::NoteOn {
                    velocity: data.noteOn.velocity,
                    note_id: data.noteOn.noteId,
                },
            ),
            kind if kind == kNoteOffEvent as u16 => (
                data.noteOff.channel,
                data.noteOff.pitch,
                MidiMessage::NoteOff,
            ),
            kind if kind == kPolyPressureEvent as u16 => (
                data.polyPressure.channel,
                data.polyPressure.pitch,
                MidiMessage::PolyPressure(data.polyPressure.pressure),
            ),
            kind if kind == kLegacyMIDICCOutEvent as u16 => (
                i16::from(data.midiCCOut.channel),
                i16::from(data.midiCCOut.controlNumber),
                MidiMessage::Controller(data.midiCCOut.value as u8),
            ),
            _ => return None,
        }
    };
    Some(MidiOut {
        position: block_start + u64::try_from(event.sampleOffset).ok()?,
        channel: u8::try_from(channel).ok()?,
        key: u8::try_from(key).ok()?,
        message,
    })
}
