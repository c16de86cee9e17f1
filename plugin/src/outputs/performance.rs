//! What is made of the decisions about notes: which are played, as MIDI, controllers and voices and in
//! the guitar's own sound, and what OSC and the output parameters tell of them.

use nice_plug::prelude::{Buffer, NoteEvent};
use tocco_recognizer::classification::Classification;
use tocco_recognizer::counters::add;

use super::brightness::Brightness;
use super::control::{Control, ControlSettings};
use super::midi::{self, MidiOut, MidiSettings};
use super::retrigger::{Amendment, Retrigger, Rules, Verdict, is_gated};
use super::spike::Spikes;
use crate::body::reshaping::Reshaping;
use crate::osc::Osc;
use crate::params::ToccoParams;
use crate::service::Shared;
use crate::voices::bank::{Bank, NoteOn};
use crate::voices::player::Player;

/// An instance's, on the audio thread.
pub struct Performance {
    /// Hz.
    host_rate: f64,
    retrigger: Retrigger,
    midi: MidiOut,
    control: Control,
    brightness: Brightness,
    body: Reshaping,
    player: Player,
    bank: Option<Box<Bank>>,
    spikes: Spikes,
    /// What notes are sent with, if OSC is on.
    pub osc: Option<Osc>,
}

/// One block of it, with what is set for it.
pub struct PerformedBlock<'a> {
    performance: &'a mut Performance,
    params: &'a ToccoParams,
    shared: &'a Shared,
    midi_settings: MidiSettings,
    control_settings: ControlSettings,
    rules: Rules,
    midi_on: bool,
    correct: bool,
    bypassed: bool,
    voices_on: bool,
    /// Whether a note of some technique lasts as long as its string sounds.
    any_sounding: bool,
    /// Whether controllers are sent.
    controls: bool,
    /// Notes that the host did not take.
    refused: u64,
}

impl Performance {
    /// At the start of a stream of `host_rate` Hz. Allocates.
    #[must_use]
    pub fn new(host_rate: f64) -> Self {
        Self {
            host_rate,
            retrigger: Retrigger::default(),
            midi: MidiOut::new(host_rate),
            control: Control::new(host_rate),
            brightness: Brightness::new(host_rate),
            body: Reshaping::new(host_rate),
            player: Player::new(host_rate),
            bank: None,
            spikes: Spikes::default(),
            osc: None,
        }
    }

    /// The same for a stream of another rate; OSC goes on, and so do the sounds if they are of that rate.
    /// Notes that sound end when it [begins](Self::reset). Allocates.
    pub fn restart(&mut self, host_rate: f64) {
        let bank = self.bank.take().filter(|bank| bank.rate == host_rate);
        let mut restarted = Self {
            bank,
            osc: self.osc.take(),
            ..Self::new(host_rate)
        };
        restarted.midi.take_over(&mut self.midi);
        *self = restarted;
    }

    /// The rate that there are sounds of, Hz.
    #[must_use]
    pub fn bank_rate(&self) -> Option<f64> {
        self.bank.as_ref().map(|bank| bank.rate)
    }

    /// Starts anew, with the levels as `params` have them. Real-time safe.
    pub fn reset(&mut self, params: &ToccoParams) {
        self.retrigger.reset();
        self.midi.reset();
        self.control.reset();
        self.brightness.reset();
        self.body.reset();
        self.set_voice_levels(params);
        self.player.reset();
    }

    /// The levels as they are set, but for a bypass. Real-time safe.
    pub fn set_voice_levels(&mut self, params: &ToccoParams) {
        let (wet, dry) = match params.bypass.value() {
            true => (0.0, 1.0),
            false => params.voices.levels(),
        };
        self.player.set_levels(wet, dry);
    }

    /// Begins a block. Real-time safe.
    pub fn begin_block<'a>(
        &'a mut self,
        params: &'a ToccoParams,
        shared: &'a Shared,
    ) -> PerformedBlock<'a> {
        let midi_settings = params.midi_settings();
        let control_settings = params.control.settings();
        let (midi_on, bypassed) = (params.midi.value(), params.bypass.value());
        if bypassed {
            self.midi.end_all();
            self.retrigger.leave_all_unsent();
        }
        // One that was begun so ends so, whatever is set now.
        let any_sounding = midi::any_sounding(&midi_settings) || self.midi.any_sounding();
        PerformedBlock {
            rules: params.rules(self.host_rate),
            performance: self,
            params,
            shared,
            any_sounding,
            controls: midi_on && !bypassed && control_settings.any(),
            midi_settings,
            control_settings,
            midi_on,
            correct: params.correct.value(),
            bypassed,
            voices_on: params.voices.are_on(),
            refused: 0,
        }
    }

    /// Ends the notes that sound, in a block of `length` samples in which nothing is heard. Real-time safe as
    /// far as `send` is.
    pub fn end_notes(&mut self, length: usize, send: &mut impl FnMut(NoteEvent<()>) -> bool) {
        self.midi.end_all();
        self.midi.end_block(length, send);
    }

    /// Reshapes a block of the untouched sound and mixes the voices into it. Where both are off it is left
    /// alone. Real-time safe.
    pub fn mix(&mut self, params: &ToccoParams, shared: &Shared, channels: &mut [&mut [f32]]) {
        self.mix_with_buses(params, shared, channels, &mut []);
    }

    /// The same with the voice of each technique in its own of `buses`, which are silent, `[MAX_CLASSES]`;
    /// where there are none, with the guitar. Real-time safe.
    pub fn mix_with_buses(
        &mut self,
        params: &ToccoParams,
        shared: &Shared,
        channels: &mut [&mut [f32]],
        buses: &mut [Buffer<'_>],
    ) {
        // Another bank comes when nothing of this one sounds any more.
        if shared.bank_exchange.has_new()
            && !self.player.make_way()
            && shared.bank_exchange.fetch(&mut self.bank, self.host_rate)
        {
            self.player.change_bank();
        }
        let bypassed = params.bypass.value();
        if bypassed {
            self.body.forget();
            self.player.fade_out();
        }
        let is_on = params.voices.body.value() && !bypassed;
        let shapes = is_on.then(|| params.techniques.shapes());
        self.body.reshape(shapes.as_ref(), channels);
        let bank = self.bank.as_deref();
        if buses.is_empty() {
            self.player.mix(bank, channels);
        } else {
            let mut buses = buses.iter_mut();
            let mut buses = std::array::from_fn(|_| {
                let bus = buses.next();
                bus.map(Buffer::as_slice).unwrap_or_default()
            });
            self.player.mix_apart(bank, channels, &mut buses);
        }
        self.spikes.add_to(channels);
    }
}

impl PerformedBlock<'_> {
    /// Makes of a decision, known `offset` samples into the block of `channels`, what follows from it.
    /// The channels are those that it was heard in. Real-time safe as far as `send` is.
    pub fn hear<C: AsRef<[f32]>>(
        &mut self,
        result: &Classification,
        offset: usize,
        channels: &[C],
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) {
        // It goes on listening, to be there at once when the bypass ends, and says nothing.
        if self.bypassed {
            if !result.is_second() {
                self.performance.retrigger.leave_unsent(result);
            }
            return;
        }
        let Performance {
            host_rate,
            midi,
            osc,
            spikes,
            ..
        } = &mut *self.performance;
        if self.params.spike.value() {
            spikes.mark(result, offset);
        }
        self.shared.outputs.record(result, offset, *host_rate);
        if let Some(osc) = osc {
            osc.tell(result, *host_rate);
        }
        if self.any_sounding {
            midi.hear(channels, offset + 1);
        }
        if self.controls {
            self.control(result, offset, channels, send);
        }
        if result.is_second() {
            self.amend(result, offset, send);
        } else {
            self.teach(result);
            self.play(result, offset, send);
        }
    }

    /// Ends the block, which is `length` samples long. Real-time safe as far as `send` is.
    pub fn end<C: AsRef<[f32]>>(
        self,
        channels: &[C],
        length: usize,
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) {
        let Performance {
            midi,
            control,
            brightness,
            ..
        } = self.performance;
        if self.any_sounding {
            midi.hear(channels, length);
        }
        if self.controls {
            if self.control_settings.brightness() {
                brightness.hear_until(channels, length);
            }
            if let Some(last) = length.checked_sub(1) {
                move_controllers(control, midi, &self.control_settings, last, send);
            }
        }
        control.end_block(length);
        brightness.end_block();
        midi.end_block(length, send);
        if self.refused > 0 {
            add(&self.shared.telemetry.counters.midi_refused, self.refused);
        }
    }

    fn control<C: AsRef<[f32]>>(
        &mut self,
        result: &Classification,
        offset: usize,
        channels: &[C],
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) {
        let Performance {
            midi,
            control,
            brightness,
            ..
        } = &mut *self.performance;
        let settings = &self.control_settings;
        let bright = settings.brightness().then(|| {
            brightness.hear_until(channels, offset + 1);
            brightness.of_last(result.latency())
        });
        move_controllers(control, midi, settings, offset, send);
        control.hear(result, offset, bright, settings);
        // What is not smoothed comes before its note.
        move_controllers(control, midi, settings, offset, send);
    }

    /// Lets the lesson of the velocity hear a first decision.
    fn teach(&self, result: &Classification) {
        let lesson = &self.params.requests.velocity;
        if !result.gated {
            lesson.hear(result.class, result.note.peak_db);
        }
        if let Some(class) = self.shared.telemetry.teaching.class() {
            lesson.hear_taught(class, result.note.peak_db);
        }
    }

    fn play(
        &mut self,
        result: &Classification,
        offset: usize,
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) {
        let performance = &mut *self.performance;
        let suppressed = &self.shared.suppressed;
        let verdict = performance.retrigger.first(result, &self.rules, suppressed);
        if !self.midi_on {
            // It may be on again when the second decision comes.
            performance.retrigger.leave_unsent(result);
        }
        if verdict != Verdict::Play {
            return;
        }
        let class = result.class;
        let onset_id = result.note.onset_id;
        performance.body.follow(offset, onset_id, class);
        if self.voices_on && self.params.techniques.of_class[class].voice.value() {
            let settings = &self.midi_settings[class];
            let note = NoteOn {
                class,
                key: settings.key,
                velocity: settings.curve.velocity(result.note.peak_db),
            };
            performance.player.start(offset, note);
        }
        if self.midi_on {
            self.refused += performance
                .midi
                .note(result, offset, &self.midi_settings, send);
        }
    }

    fn amend(
        &mut self,
        result: &Classification,
        offset: usize,
        send: &mut impl FnMut(NoteEvent<()>) -> bool,
    ) {
        // The sound follows the surer name, whatever becomes of MIDI.
        if result.changed() && !is_gated(result, &self.rules) {
            let onset_id = result.note.onset_id;
            let body = &mut self.performance.body;
            body.amend(offset, onset_id, result.class);
        }
        if !(self.correct && self.midi_on) {
            return;
        }
        let Performance {
            midi, retrigger, ..
        } = &mut *self.performance;
        let settings = &self.midi_settings;
        self.refused += match retrigger.second(result, &self.rules, &self.shared.suppressed) {
            Amendment::Nothing => 0,
            Amendment::Pressures => midi.press(result, offset, settings, send),
            Amendment::Play => midi.replace(result, offset, settings, send),
        };
    }
}

/// Moves the controllers up to and including `offset`, and ends the notes that are due meanwhile: a
/// host is told all in the order of time. Real-time safe.
fn move_controllers(
    control: &mut Control,
    midi: &mut MidiOut,
    settings: &ControlSettings,
    offset: usize,
    send: &mut impl FnMut(NoteEvent<()>) -> bool,
) {
    while let Some(step) = control.next_step(offset, settings) {
        midi.end_notes(step, send);
        control.step(step, settings, send);
    }
    midi.end_notes(offset, send);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::params::set;
    use crate::voices::bank::{Target, Turn, Zone};
    use tocco_recognizer::classification::{Decision, MAX_CLASSES};

    /// A bank whose recordings are steps of 1, 2 and so on, one for each of `turns`.
    fn bank(turns: &[Option<Turn>]) -> Bank {
        let zone = |(shot, turn): (usize, &Option<Turn>)| Zone {
            target: Target::Class(0),
            velocities: (1, 127),
            turn: *turn,
            gain: 1.0,
            velocity_tracking: 0.0,
            shot,
        };
        Bank {
            rate: 1_000.0,
            shots: (1..=turns.len()).map(|n| vec![n as f32; 100]).collect(),
            zones: turns.iter().enumerate().map(zone).collect(),
        }
    }

    #[test]
    fn with_another_bank_turns_begin_anew() {
        let shared = Shared::new(Arc::new(ToccoParams::default()));
        let params = &shared.params;
        set(&params.voices.voices, 0.0);
        shared.bank_exchange.open(1_000.0, None);
        let mut performance = Performance::new(1_000.0);
        performance.reset(params);
        let mut play = || {
            let note = NoteOn {
                class: 0,
                key: 36,
                velocity: 1.0,
            };
            performance.player.start(1, note);
            let mut block = [0.0f32; 150];
            performance.mix(params, &shared, &mut [&mut block[..]]);
            // The level is 0 dB as exactly as a parameter can say it.
            block[50].round()
        };
        shared.bank_exchange.deliver(bank(&[None]), 0);
        assert_eq!([play(), play(), play()], [1.0; 3]);
        let turn = |position| {
            Some(Turn {
                position,
                length: 2,
            })
        };
        shared.bank_exchange.deliver(bank(&[turn(0), turn(1)]), 1);
        assert_eq!([play(), play(), play(), play()], [1.0, 2.0, 1.0, 2.0]);
    }

    /// A tone in blocks of 480 samples, at whose beginning the decisions are heard, by the number of the
    /// block; before each `set` sets what it will.
    fn heard_through(
        shared: &Shared,
        decisions: &[(usize, Classification)],
        mut set: impl FnMut(usize, &ToccoParams),
    ) -> Vec<bool> {
        let params: &ToccoParams = &shared.params;
        let mut performance = Performance::new(48_000.0);
        performance.reset(params);
        let blocks = 0..40;
        let altered = blocks.map(|number| {
            set(number, params);
            // With what only an exact copy keeps.
            let mut sound = [f32::from_bits(1); 480];
            for (index, sample) in sound.iter_mut().enumerate().skip(1) {
                let phase = (number * 480 + index) as f32 * 0.03;
                *sample = phase.sin() * 0.3;
            }
            let before = sound.map(f32::to_bits);
            let channels = [sound];
            let mut send = |_: NoteEvent<()>| true;
            let mut block = performance.begin_block(params, shared);
            for (at, result) in decisions {
                if *at == number {
                    block.hear(result, 0, &channels, &mut send);
                }
            }
            block.end(&channels, sound.len(), &mut send);
            performance.mix(params, shared, &mut [&mut sound[..]]);
            sound.map(f32::to_bits) != before
        });
        altered.collect()
    }

    /// A decision for `class` about onset `onset_id`.
    fn decided(onset_id: u64, class: usize, decision: Decision, gated: bool) -> Classification {
        Classification {
            decision,
            class,
            gated,
            probabilities: [0.5; MAX_CLASSES],
            ..Classification::numbered(onset_id)
        }
    }

    #[test]
    fn as_delivered_the_body_is_the_input_bit_for_bit() {
        let shared = Shared::new(Arc::new(ToccoParams::default()));
        let notes = [0, 1, 2].map(|n| (n * 9, decided(n as u64, n, Decision::First, false)));
        let altered = heard_through(&shared, &notes, |_, _| {});
        assert!(!altered.contains(&true));
    }

    #[test]
    fn the_body_follows_what_is_played_from_its_block_on_and_no_bypass() {
        let shared = Shared::new(Arc::new(ToccoParams::default()));
        let params = &shared.params;
        set(&params.voices.body, true);
        // It is not for MIDI to say.
        set(&params.midi, false);
        let first = |onset_id, class| decided(onset_id, class, Decision::First, false);
        let second = |onset_id, was, class, gated| {
            let was_gated = false;
            decided(onset_id, class, Decision::Second { was, was_gated }, gated)
        };
        let begins = |decisions: &[(usize, Classification)]| {
            let altered = heard_through(&shared, decisions, |_, _| {});
            altered.iter().position(|altered| *altered)
        };
        assert_eq!(begins(&[]), None);
        assert_eq!(begins(&[(7, first(1, 0))]), Some(7));
        // Of a pitch as delivered, under the gate, and by its second name.
        assert_eq!(begins(&[(7, first(1, 7))]), None);
        let gated = decided(1, 0, Decision::First, true);
        assert_eq!(begins(&[(7, gated)]), None);
        assert_eq!(begins(&[(7, gated), (20, second(1, 0, 2, false))]), None);
        let first_7 = (7, first(1, 7));
        assert_eq!(begins(&[first_7, (20, second(1, 7, 0, false))]), Some(20));
        assert_eq!(begins(&[first_7, (20, second(1, 7, 0, true))]), None);
        // What a bypass or the switch ends is over after 5 ms, and what was before a bypass is forgotten.
        let kick = [(3, first(1, 0))];
        for bypass in [true, false] {
            let altered = heard_through(&shared, &kick, |number, params| {
                let is_off = (10..20).contains(&number);
                set(&params.bypass, bypass && is_off);
                set(&params.voices.body, bypass || !is_off);
            });
            assert!(altered[3..11].iter().all(|altered| *altered));
            assert!(!altered[11..20].contains(&true));
            assert_eq!(altered[20..].contains(&true), !bypass);
        }
    }

    #[test]
    fn a_decision_makes_a_spike_if_it_is_to_and_never_in_a_bypass() {
        let shared = Shared::new(Arc::new(ToccoParams::default()));
        let params: &ToccoParams = &shared.params;
        let spikes = |on: bool, bypass: bool| {
            set(&params.spike, on);
            set(&params.bypass, bypass);
            let mut performance = Performance::new(48_000.0);
            performance.reset(params);
            let (mut left, mut right) = ([0.25f32; 64], [-0.25f32; 64]);
            let mut block = performance.begin_block(params, &shared);
            let mut send = |_: NoteEvent<()>| true;
            let heard = [[0.0f32; 64]];
            block.hear(&Classification::numbered(0), 9, &heard, &mut send);
            block.end(&heard, 64, &mut send);
            performance.mix(params, &shared, &mut [&mut left[..], &mut right[..]]);
            (left, right)
        };
        let untouched = ([0.25; 64], [-0.25; 64]);
        assert_eq!(spikes(false, false), untouched);
        assert_eq!(spikes(true, true), untouched);
        let (left, right) = spikes(true, false);
        for (index, found) in left.into_iter().zip(right).enumerate() {
            let spike = if index == 9 { 0.5 } else { 0.0 };
            assert_eq!(found, (0.25 + spike, -0.25 + spike), "{index}");
        }
    }

    #[test]
    fn what_sounds_fades_out_before_another_bank_comes_and_no_note_is_lost() {
        let shared = Shared::new(Arc::new(ToccoParams::default()));
        let params = &shared.params;
        set(&params.voices.voices, 0.0);
        shared.bank_exchange.open(1_000.0, None);
        let mut performance = Performance::new(1_000.0);
        performance.reset(params);
        let mut mix = |size: usize, begins: bool| {
            let note = NoteOn {
                class: 0,
                key: 36,
                velocity: 1.0,
            };
            if begins {
                performance.player.start(0, note);
            }
            let mut block = vec![0.0f32; size];
            performance.mix(params, &shared, &mut [&mut block[..]]);
            block
        };
        shared.bank_exchange.deliver(bank(&[None]), 0);
        assert_eq!(mix(20, true)[19].round(), 1.0);
        // Both of its recordings sound with each note: 1 and 2.
        shared.bank_exchange.deliver(bank(&[None, None]), 1);
        let fading = [mix(2, true), mix(10, false)].concat();
        let mut steps = fading.windows(2).map(|pair| pair[0] - pair[1]);
        assert!(steps.all(|step| (-1e-6..0.4).contains(&step)), "{fading:?}");
        assert!(fading[0].round() == 1.0 && fading[11] == 0.0, "{fading:?}");
        assert_eq!(mix(10, false)[0].round(), 3.0);
    }

    #[test]
    fn of_a_note_that_was_heard_unsent_nothing_is_amended() {
        let shared = Shared::new(Arc::new(ToccoParams::default()));
        let params: &ToccoParams = &shared.params;
        set(&params.correct, true);
        let channels = [[0.0f32; 64]];
        // What is sent of a second decision for another class, where the first was heard so.
        let amended = |bypass: bool, midi: bool, gated: bool| {
            let first = Classification {
                class: 0,
                gated,
                probabilities: [0.5; MAX_CLASSES],
                ..Classification::numbered(7)
            };
            let second = Classification {
                decision: Decision::Second {
                    was: 0,
                    was_gated: gated,
                },
                class: 5,
                gated: false,
                ..first
            };
            let mut performance = Performance::new(48_000.0);
            performance.reset(params);
            let mut sent: Vec<NoteEvent<()>> = Vec::new();
            for (result, bypass, midi) in [(first, bypass, midi), (second, false, true)] {
                set(&params.bypass, bypass);
                set(&params.midi, midi);
                sent.clear();
                let mut send = |event| {
                    sent.push(event);
                    true
                };
                let mut block = performance.begin_block(params, &shared);
                block.hear(&result, 0, &channels, &mut send);
                block.end(&channels, 64, &mut send);
            }
            sent
        };
        for gated in [false, true] {
            for (bypass, midi) in [(true, true), (false, false)] {
                let sent = amended(bypass, midi, gated);
                assert!(sent.is_empty(), "{bypass} {midi} {gated}: {sent:?}");
            }
            let sent = amended(false, true, gated);
            let begins = |event: &NoteEvent<()>| matches!(event, NoteEvent::NoteOn { .. });
            assert!(sent.iter().any(begins), "{sent:?}");
        }
    }

    #[test]
    fn what_a_bypass_ended_is_not_amended_after_it() {
        let shared = Shared::new(Arc::new(ToccoParams::default()));
        let params: &ToccoParams = &shared.params;
        set(&params.correct, true);
        let channels = [[0.0f32; 64]];
        let first = Classification {
            class: 0,
            probabilities: [0.5; MAX_CLASSES],
            ..Classification::numbered(7)
        };
        // The same technique, and another.
        for class in [0, 5] {
            let second = Classification {
                decision: Decision::Second {
                    was: 0,
                    was_gated: false,
                },
                class,
                ..first
            };
            let mut performance = Performance::new(48_000.0);
            performance.reset(params);
            let mut sent: Vec<NoteEvent<()>> = Vec::new();
            for (bypass, result) in [(false, Some(first)), (true, None), (false, Some(second))] {
                set(&params.bypass, bypass);
                sent.clear();
                let mut send = |event| {
                    sent.push(event);
                    true
                };
                let mut block = performance.begin_block(params, &shared);
                if let Some(result) = result {
                    block.hear(&result, 0, &channels, &mut send);
                }
                block.end(&channels, 64, &mut send);
            }
            assert!(sent.is_empty(), "{class}: {sent:?}");
        }
    }
}
