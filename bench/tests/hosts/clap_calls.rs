//! Calls that only some hosts make, and faulty ones: the CLAP answers with an error, goes on
//! listening and takes nobody down. Some are what clap-validator does.

use clap_sys::events::{
    CLAP_EVENT_PARAM_MOD, CLAP_EVENT_TRANSPORT, clap_event_header, clap_event_transport,
    clap_input_events,
};
use clap_sys::ext::note_ports::{
    CLAP_EXT_NOTE_PORTS, CLAP_NOTE_DIALECT_CLAP, CLAP_NOTE_DIALECT_MIDI,
    CLAP_NOTE_DIALECT_MIDI_MPE, clap_plugin_note_ports,
};
use clap_sys::ext::params::{
    CLAP_PARAM_IS_AUTOMATABLE, CLAP_PARAM_IS_BYPASS, CLAP_PARAM_IS_ENUM, CLAP_PARAM_IS_MODULATABLE,
    CLAP_PARAM_IS_READONLY, CLAP_PARAM_IS_STEPPED,
};
use clap_sys::process::CLAP_PROCESS_ERROR;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char};
use std::time::{Duration, Instant};

use tocco_dsp::Technique;

use crate::playing::PERFORMANCE;
use crate::raw_clap::{Events, Offers, RawHost, Sent, change, port, text};

const RATE: f64 = 48_000.0;

/// One that names what it hears twice alike, active with two channels.
fn steady(offers: Offers) -> RawHost {
    let host = RawHost::load(offers);
    host.set("Adapt while playing", 0.0);
    host.set("Second decision", 0.0);
    host.set("Reject foreign sounds", 0.0);
    host
}

/// What the host's sample clock says at a block that begins there.
type Clock = fn(u64) -> i64;

const RIGHT: Clock = |at| at as i64;

/// Plays the performance up to `end`; where notes begin, and their keys. With `pauses` the host
/// stops before each block and starts again.
fn play(
    host: &mut RawHost,
    end: usize,
    block: usize,
    pauses: bool,
    clock: Clock,
) -> Vec<(u64, u8)> {
    let mut notes = Vec::new();
    let mut position = 0;
    for samples in PERFORMANCE.channels[0][..end].chunks(block) {
        if pauses {
            host.stop();
            assert!(host.start());
        }
        for sent in host.block(samples, 2, clock(position)) {
            if let Sent::On(offset, key, _) = sent {
                notes.push((position + u64::from(offset), key));
            }
        }
        position += samples.len() as u64;
    }
    notes
}

fn all() -> usize {
    PERFORMANCE.len()
}

fn fresh(block: usize, pauses: bool, clock: Clock) -> Vec<(u64, u8)> {
    let mut host = steady(Offers::default());
    assert!(host.activate(RATE, block as u32));
    assert!(host.start());
    let notes = play(&mut host, all(), block, pauses, clock);
    host.stop();
    host.deactivate();
    notes
}

#[test]
fn a_stop_around_every_block_loses_nothing() {
    for block in [64, 256, 512, 1024] {
        let notes = fresh(block, false, RIGHT);
        assert!(notes.len() >= 8, "{notes:?}");
        assert_eq!(fresh(block, true, RIGHT), notes, "blocks of {block}");
    }
    // Hosts without a clock, with one that stands still, and with one that counts something else.
    let notes = fresh(256, false, RIGHT);
    let clocks: [Clock; 3] = [|_| -1, |_| 0, |at| 3 * at as i64];
    for clock in clocks {
        assert_eq!(fresh(256, true, clock), notes);
    }
}

#[test]
fn a_lesson_marks_the_project_as_changed() {
    let mut host = steady(Offers {
        state: true,
        ..Offers::default()
    });
    assert!(host.activate(RATE, 64));
    assert!(host.start());
    // Playing alone changes nothing that is saved.
    play(&mut host, all(), 64, false, RIGHT);
    host.idle();
    assert_eq!(host.times_dirty(), 0);
    host.set("Teach", 1.0);
    let end = Instant::now() + Duration::from_secs(20);
    while host.times_dirty() == 0 {
        assert!(Instant::now() < end, "the host was not told");
        play(&mut host, all(), 64, false, |_| -1);
        host.idle();
    }
}

#[test]
fn a_pause_that_loses_samples_and_a_reset_begin_anew() {
    let notes = fresh(64, false, RIGHT);
    // In the middle of the third note, which was not answered yet.
    let cut = (notes[2].0 as usize - 64) / 64 * 64;
    let mut host = steady(Offers::default());
    assert!(host.activate(RATE, 64));
    assert!(host.start());
    let mut again = |between: fn(&RawHost), clock: Clock| {
        play(&mut host, cut, 64, false, RIGHT);
        between(&host);
        play(&mut host, all(), 64, false, clock)
    };
    let pause = |host: &RawHost| {
        host.stop();
        assert!(host.start());
    };
    let later: Clock = |at| 10_000_000 + at as i64;
    assert_eq!(again(pause, later), notes, "the clock went on");
    assert_eq!(again(pause, RIGHT), notes, "the clock began anew");
    assert_eq!(again(RawHost::reset, RIGHT), notes, "a reset");
    // Otherwise the third note is answered in the new sound.
    let glued = again(pause, |_| -1);
    assert!(glued.len() > notes.len() && glued[0].0 < 256, "{glued:?}");
}

#[test]
fn wrong_buffers_are_an_error_and_nothing_worse() {
    let mut host = steady(Offers::default());
    let mut x = [0.25_f32; 64];
    let mut y = [0.0_f32; 64];
    let (source, sink, null) = (x.as_mut_ptr(), y.as_mut_ptr(), std::ptr::null_mut());
    let process = |host: &RawHost, input: &[*mut f32], output: &[*mut f32]| {
        let (mut input, mut output) = (input.to_vec(), output.to_vec());
        host.process(
            &[port(&mut input)],
            &mut [port(&mut output)],
            64,
            -1,
            std::ptr::null(),
        )
    };
    let stereo = (&[source; 2][..], &[sink; 2][..]);
    assert_eq!(process(&host, stereo.0, stereo.1), CLAP_PROCESS_ERROR);
    assert!(!host.start(), "started before it was activated");
    assert!(host.activate(RATE, 64));
    assert!(host.start());
    for (input, output) in [
        (&[source, null][..], stereo.1),
        (&[null, source], stereo.1),
        (stereo.0, &[sink, null]),
        (&[source], stereo.1),
        (stereo.0, &[sink]),
        (&[source; 3], stereo.1),
        (stereo.0, &[sink; 3]),
        (&[], &[]),
    ] {
        let status = process(&host, input, output);
        assert_eq!(status, CLAP_PROCESS_ERROR, "{input:?} {output:?}");
    }
    // No ports, no rows, samples of 64 bits alone.
    let bare = |host: &RawHost, rows: Option<bool>| {
        let mut wide = [0.0_f64; 64];
        let mut wides = [wide.as_mut_ptr(); 2];
        let mut ports = [port(&mut []); 2];
        for port in &mut ports {
            port.channel_count = 2;
            port.data32 = std::ptr::null_mut();
            if rows == Some(true) {
                port.data64 = wides.as_mut_ptr();
            }
        }
        let [input, output] = ports;
        match rows {
            None => host.process(&[], &mut [], 64, -1, std::ptr::null()),
            Some(_) => host.process(&[input], &mut [output], 64, -1, std::ptr::null()),
        }
    };
    for rows in [None, Some(false), Some(true)] {
        assert_eq!(bare(&host, rows), CLAP_PROCESS_ERROR, "{rows:?}");
    }
    assert!(!host.select(1), "another layout while active");
    // An empty block is none, and one that is too long is a block; softer than any note.
    let none = host.process(&[], &mut [], 0, -1, std::ptr::null());
    assert_ne!(none, CLAP_PROCESS_ERROR);
    host.block(&[1e-4; 4096], 2, -1);

    let notes = play(&mut host, all(), 64, false, |_| -1);
    assert_eq!(notes.len(), fresh(64, false, RIGHT).len());
    host.deactivate();
    assert_eq!(process(&host, stereo.0, stereo.1), CLAP_PROCESS_ERROR);
    host.deactivate();
    assert!(host.select(1));
    assert!(host.activate(RATE, 64) && host.activate(RATE, 64));
    assert!(host.start());
    assert_eq!(process(&host, stereo.0, stereo.1), CLAP_PROCESS_ERROR);
    host.block(&[0.5; 64], 1, -1);
    // It is destroyed while active.
}

#[test]
fn at_rates_that_nobody_plays_at_the_sound_passes_through_unheard() {
    let notes = fresh(64, false, RIGHT);
    let mut host = steady(Offers::default());
    for rate in [384_000.0, 768_000.0, 7_999.0, 1_000.0, 1.0, 192_001.0] {
        assert!(host.activate(rate, 64), "{rate} Hz");
        assert!(host.start());
        assert_eq!(
            play(&mut host, all() / 4, 64, false, RIGHT),
            [],
            "{rate} Hz"
        );
        host.stop();
        host.deactivate();
    }
    for rate in [0.0, -48_000.0, f64::NAN, f64::INFINITY, 1e300] {
        assert!(!host.activate(rate, 64), "{rate} Hz");
        assert!(!host.start());
    }
    for frames in [0, 1, i32::MAX as u32] {
        assert!(host.activate(RATE, frames));
        assert!(host.start());
        assert_eq!(play(&mut host, all(), 64, false, RIGHT), notes);
        host.stop();
        host.deactivate();
    }
}

#[test]
fn events_that_are_none_change_nothing() {
    let mut host = steady(Offers::default());
    let before: Vec<f64> = host
        .infos()
        .iter()
        .map(|info| host.value(info.id))
        .collect();
    let gate = host
        .infos()
        .into_iter()
        .find(|info| text(&info.name) == "Confidence gate");
    let id = gate.unwrap().id;
    let with = |change_header: fn(&mut clap_event_header)| {
        let mut event = change(id, 1.0, 0);
        change_header(&mut event.header);
        event
    };
    let short = with(|header| header.size = size_of::<clap_event_header>() as u32);
    let foreign = with(|header| header.space_id = 77);
    let unknown = with(|header| header.type_ = 999);
    let modulation = with(|header| header.type_ = CLAP_EVENT_PARAM_MOD);
    let nobody = change(0x7fff_fff1, 1.0, 0);
    let not_a_number = change(id, f64::NAN, 0);
    // SAFETY: plain data, for which zeros are valid.
    let mut transport: clap_event_transport = unsafe { std::mem::zeroed() };
    transport.header = clap_event_header {
        size: size_of::<clap_event_transport>() as u32,
        time: 1_000_000,
        space_id: 0,
        type_: CLAP_EVENT_TRANSPORT,
        flags: 0,
    };
    let odd = Events::new(vec![
        std::ptr::null(),
        &short.header,
        &transport.header,
        &foreign.header,
        &unknown.header,
        &modulation.header,
        &nobody.header,
        &not_a_number.header,
    ]);
    let empty = clap_input_events {
        ctx: std::ptr::null_mut(),
        size: None,
        get: None,
    };
    host.flush(odd.as_clap());
    host.flush(&empty);
    host.flush(std::ptr::null());
    assert!(host.activate(RATE, 64));
    assert!(host.start());
    let (mut x, mut y) = ([0.0_f32; 64], [0.0_f32; 64]);
    let mut sources = [x.as_mut_ptr(); 2];
    let mut sinks = [y.as_mut_ptr(); 2];
    let (input, mut output) = ([port(&mut sources)], [port(&mut sinks)]);
    let status = host.process(&input, &mut output, 64, -1, odd.as_clap());
    assert_ne!(status, CLAP_PROCESS_ERROR);
    let status = host.process(&input, &mut output, 64, -1, &empty);
    assert_eq!(status, CLAP_PROCESS_ERROR);
    for (info, before) in host.infos().iter().zip(before) {
        // It was started.
        if text(&info.name) != "Status" {
            assert_eq!(host.value(info.id), before, "{}", text(&info.name));
        }
    }
    // What is beyond the range ends at it, and counts from anywhere in the block.
    let far = change(id, 1e39, 1_000_000);
    let far = Events::new(vec![&far.header]);
    host.process(&input, &mut output, 64, -1, far.as_clap());
    assert_eq!(host.value(id), 1.0);
    let below = change(id, -7.0, 63);
    let below = Events::new(vec![&below.header]);
    host.process(&input, &mut output, 0, -1, below.as_clap());
    assert_eq!(host.value(id), 0.0);
    assert_eq!(host.block(&[0.5; 64], 2, -1), []);
}

#[test]
fn notes_come_in_the_dialect_that_the_hosts_port_takes() {
    let both = CLAP_NOTE_DIALECT_CLAP | CLAP_NOTE_DIALECT_MIDI;
    let mut heard = Vec::new();
    for (dialects, preferred) in [
        (None, CLAP_NOTE_DIALECT_CLAP),
        (Some(both), CLAP_NOTE_DIALECT_CLAP),
        (Some(CLAP_NOTE_DIALECT_MIDI), CLAP_NOTE_DIALECT_MIDI),
    ] {
        let mut host = steady(Offers {
            dialects,
            ..Offers::default()
        });
        assert!(host.activate(RATE, 64));
        assert!(host.start());
        let ports = host.extension::<clap_plugin_note_ports>(CLAP_EXT_NOTE_PORTS);
        // SAFETY: plain data, for which zeros are valid; the function is the plugin's.
        let info = unsafe {
            let mut info = std::mem::zeroed();
            let get = ports.unwrap().get.unwrap();
            assert!(get(host.plugin(), 0, false, &mut info));
            assert!(!get(host.plugin(), 0, false, std::ptr::null_mut()));
            assert!(!get(host.plugin(), 1, false, &mut info));
            info
        };
        assert_eq!(info.supported_dialects, both);
        assert_eq!(info.preferred_dialect, preferred, "{dialects:?}");
        let mut sent = Vec::new();
        for samples in PERFORMANCE.channels[0].chunks(64) {
            sent.extend(host.block(samples, 2, -1));
        }
        heard.push(sent);
    }
    let [clap, both, midi] = heard.try_into().unwrap();
    assert_eq!(clap, both);
    assert!(!clap.is_empty());
    assert_eq!(midi.len(), clap.len());
    for (midi, clap) in midi.into_iter().zip(clap) {
        let near = |a: f64, b: f64| (a - b).abs() <= 0.5 / 127.0;
        assert!(
            match (midi, clap) {
                (Sent::On(a, b, x), Sent::On(c, d, y)) => (a, b) == (c, d) && near(x, y) && x > 0.0,
                (Sent::Pressure(a, b, x), Sent::Pressure(c, d, y)) =>
                    (a, b) == (c, d) && near(x, y),
                (midi, clap) => midi == clap,
            },
            "{midi:?} for {clap:?}"
        );
    }
    // MPE is MIDI on more channels; of a host that says nothing else the first one is enough.
    let mut host = steady(Offers {
        dialects: Some(CLAP_NOTE_DIALECT_MIDI_MPE),
        ..Offers::default()
    });
    assert!(host.activate(RATE, 64));
    assert!(host.start());
    assert_ne!(play(&mut host, all(), 64, false, |_| -1), []);
}

#[test]
fn parameters_are_declared_as_what_they_are() {
    let host = RawHost::load(Offers::default());
    let infos = host.infos();
    for info in &infos {
        let name = text(&info.name);
        let has = |flag| info.flags & flag != 0;
        // What the plugin sets the host does not.
        assert_eq!(
            has(CLAP_PARAM_IS_AUTOMATABLE),
            !has(CLAP_PARAM_IS_READONLY),
            "{name}"
        );
        assert!(!has(CLAP_PARAM_IS_MODULATABLE), "{name}");
        let choices = [
            "Engine",
            "Model",
            "Input",
            "Teach",
            "Technique",
            "Status",
            "Teaching",
            "Velocity lesson",
            "Velocity status",
            "Axis from",
            "Axis to",
        ];
        let is_choice = choices.contains(&name.as_str());
        assert_eq!(has(CLAP_PARAM_IS_ENUM), is_choice, "{name}");
        assert!(!is_choice || has(CLAP_PARAM_IS_STEPPED), "{name}");
        assert_eq!(has(CLAP_PARAM_IS_BYPASS), name == "Bypass");
        let of_technique = [
            "Use",
            "Note",
            "Send",
            "Channel",
            "Length",
            "Gate",
            "Threshold",
            "Hold",
            "Soft",
            "Hard",
            "Voice",
            "Body low",
            "Body mid",
            "Body high",
            "Body squeeze",
        ];
        let labels = Technique::ALL.map(Technique::label);
        let parts = labels
            .iter()
            .find_map(|label| Some((name.strip_suffix(label)?, *label)));
        let group = match (parts, name.split_once(' ')) {
            (Some((what, technique)), _) if of_technique.contains(&what.trim_end()) => technique,
            (_, Some(("CC" | "Axis", _))) => "Continuous control",
            (_, None) if ["Voices", "Dry", "Body"].contains(&name.as_str()) => "Voices",
            _ => "",
        };
        assert_eq!(text(&info.module), group, "{name}");
        assert_eq!(host.value(info.id), info.default_value, "{name}");
        assert!(info.min_value < info.max_value, "{name}");
    }
    let of_a_technique = infos.iter().filter(|info| text(&info.module) == "Tom");
    assert_eq!(of_a_technique.count(), 15);
    let outputs = infos
        .iter()
        .filter(|info| info.flags & CLAP_PARAM_IS_READONLY != 0);
    assert_eq!(outputs.count(), 19);
    let ids: BTreeSet<u32> = infos.iter().map(|info| info.id).collect();
    assert_eq!(ids.len(), infos.len(), "an id is there twice");
    // Beyond the end there is none.
    let (params, plugin) = (host.params(), host.plugin());
    for index in [infos.len() as u32, u32::MAX] {
        // SAFETY: plain data, for which zeros are valid; the function is the plugin's.
        unsafe {
            let mut info = std::mem::zeroed();
            assert!(!params.get_info.unwrap()(plugin, index, &mut info));
        }
    }
    for info in &infos {
        let name = text(&info.name);
        let to_text = |value: f64| {
            let mut room = [0 as c_char; 64];
            // SAFETY: the function is the plugin's, the room as long as it says.
            let told = unsafe {
                params.value_to_text.unwrap()(plugin, info.id, value, room.as_mut_ptr(), 64)
            };
            told.then(|| text(&room))
        };
        let to_value = |text: &str| {
            let text = CString::new(text).unwrap();
            let mut value = 0.0;
            // SAFETY: the function is the plugin's.
            let told = unsafe {
                params.text_to_value.unwrap()(plugin, info.id, text.as_ptr(), &mut value)
            };
            told.then_some(value)
        };
        assert_eq!(to_text(f64::NAN), None, "{name}");
        assert!(to_value("nan").is_none_or(f64::is_finite), "{name}");
        let mut value = info.min_value;
        let stepped = info.flags & CLAP_PARAM_IS_STEPPED != 0;
        let step = if stepped { 1.0 } else { info.max_value / 16.0 };
        while value <= info.max_value {
            let text = to_text(value).unwrap();
            assert!(!text.is_empty(), "{name} at {value}");
            let again = to_text(to_value(&text).unwrap()).unwrap();
            assert_eq!(again, text, "{name} at {value}");
            value += step;
        }
    }
}

#[test]
fn the_plugin_says_what_it_is() {
    let host = RawHost::load(Offers::default());
    let descriptor = host.descriptor();
    // SAFETY: strings of the plugin, a list of them that ends with null.
    let (strings, features) = unsafe {
        let text = |pointer: *const c_char| CStr::from_ptr(pointer).to_str().unwrap().to_owned();
        let mut features = Vec::new();
        let mut next = descriptor.features;
        while !(*next).is_null() {
            features.push(text(*next));
            next = next.add(1);
        }
        let strings = [
            descriptor.id,
            descriptor.name,
            descriptor.vendor,
            descriptor.url,
        ];
        (strings.map(text), features)
    };
    assert!(strings.iter().all(|text| !text.is_empty()), "{strings:?}");
    for feature in ["audio-effect", "note-detector", "analyzer"] {
        assert!(features.iter().any(|has| has == feature), "{features:?}");
    }
}

#[test]
fn there_is_no_plugin_without_a_host_or_of_another_name() {
    let host = RawHost::load(Offers::default());
    assert!(host.makes(c"org.tocco.tocco", true));
    assert!(host.makes(c"org.tocco.tocco-outputs", true));
    assert!(!host.makes(c"org.tocco.other", true));
    assert!(!host.makes(c"org.tocco.tocco", false));
}

/// A small generator: the same numbers in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        self.0 >> 33
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.next() as f64 / (1_u64 << 31) as f64
    }
}

/// A value for each parameter, whole where it must be, in an order that changes.
fn shuffled(host: &RawHost, numbers: &mut Numbers) -> Vec<(u32, f64)> {
    let mut values: Vec<_> = host
        .infos()
        .iter()
        .filter(|info| info.flags & CLAP_PARAM_IS_READONLY == 0)
        .map(|info| {
            let value = info.min_value + numbers.share() * (info.max_value - info.min_value);
            let stepped = info.flags & CLAP_PARAM_IS_STEPPED != 0;
            (info.id, if stepped { value.round() } else { value })
        })
        .collect();
    for last in (1..values.len()).rev() {
        values.swap(last, numbers.next() as usize % (last + 1));
    }
    values
}

/// As clap-validator's tests of the state: any values, streams that take few bytes at a time, and
/// changes that come by a flush or with a block.
#[test]
fn any_state_comes_back_whole_however_it_is_streamed() {
    let mut numbers = Numbers(7);
    for piece in [usize::MAX, 1, 23] {
        let mut host = RawHost::load(Offers::default());
        let values = shuffled(&host, &mut numbers);
        let changes: Vec<_> = values
            .iter()
            .map(|(id, value)| change(*id, *value, 0))
            .collect();
        let events = Events::new(
            changes
                .iter()
                .map(|change| &raw const change.header)
                .collect(),
        );
        if piece == 1 {
            assert!(host.activate(RATE, 64));
            assert!(host.start());
            host.process(&[], &mut [], 0, -1, events.as_clap());
            host.block(&[0.0; 64], 2, 0);
        } else {
            host.flush(events.as_clap());
        }
        let state = host.save(piece);
        let other = RawHost::load(Offers::default());
        assert!(other.restore(&state, piece));
        for (id, value) in values {
            assert_eq!(host.value(id) as f32, other.value(id) as f32);
            assert!((host.value(id) - value).abs() < 1e-4, "{id}");
        }
        assert_eq!(other.save(usize::MAX), state);
        for cut in [0, 1, 7, 8, 9, state.len() - 1] {
            assert!(!other.restore(&state[..cut], piece), "{cut} bytes");
        }
        assert_eq!(other.save(usize::MAX), state);
    }
}

/// As clap-validator's fuzzing: any parameters, blocks of any length, starts and stops, other rates.
#[test]
fn any_order_of_calls_passes_the_sound_on() {
    let mut numbers = Numbers(29);
    let mut host = RawHost::load(Offers::default());
    let sound = &PERFORMANCE.channels[0];
    let infos = host.infos();
    let audible = infos
        .iter()
        .filter(|info| text(&info.module) == "Voices" || text(&info.name) == "Measuring spike");
    let audible: Vec<u32> = audible.map(|info| info.id).collect();
    for round in 0..24 {
        let rate = [RATE, 44_100.0, 1_234.567_8, 96_000.0, 768_000.0, 123_456.78];
        assert!(host.activate(rate[numbers.next() as usize % rate.len()], 8192));
        assert!(host.start());
        let mut position = 0;
        for _ in 0..40 {
            match numbers.next() % 8 {
                0 => host.reset(),
                1 => {
                    host.stop();
                    assert!(host.start());
                }
                2 => {
                    let state = host.save(100);
                    assert!(host.restore(&state, 100));
                }
                _ => {}
            }
            let mut values = shuffled(&host, &mut numbers);
            // These alter the sound, and that is their purpose.
            values.retain(|(id, _)| !audible.contains(id));
            let few = &values[..numbers.next() as usize % 4];
            let changes: Vec<_> = few
                .iter()
                .map(|(id, value)| change(*id, *value, numbers.next() as u32 % 64))
                .collect();
            let events = Events::new(
                changes
                    .iter()
                    .map(|change| &raw const change.header)
                    .collect(),
            );
            host.process(&[], &mut [], 0, -1, events.as_clap());
            let length = 1 + numbers.next() as usize % 8192;
            let start = numbers.next() as usize % (sound.len() - length);
            host.block(&sound[start..start + length], 2, position);
            position += length as i64;
            host.idle();
        }
        if round % 2 == 0 {
            host.stop();
        }
        host.deactivate();
    }
}
