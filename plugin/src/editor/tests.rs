//! The window, drawn without a screen.

use super::*;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

use egui::{CursorIcon, Key, Rect};
use nice_plug::params::internals::ParamPtr;
use nice_plug::params::{Param, Params};
use tocco_recognizer::adaptation::{Calibration, LeftOut, second_profile};
use tocco_recognizer::classification::{Classification, Decision, ModelSerial};
use tocco_recognizer::pipeline::Pipeline;

use super::file_chooser::Kind;
use crate::outputs::velocity::{HARDEST_DB, SOFTEST_DB};
use crate::params::{ModelChoice, TeachChoice, ToccoParams, set};
use crate::service::{Activation, Service};
use crate::shipped;
use crate::velocity_lesson::{Standing, Step};

/// The window on *Set up*, high enough for all of it, with everything unfolded.
fn set_up(shared: &Arc<Shared>) -> Offscreen {
    let mut window = Offscreen::sized(Arc::clone(shared), (SIZE.width, 2700.0), 1.0);
    window.click("Set up", 0).unwrap();
    for folded in [
        "Levels of each technique",
        "Body of each technique",
        "Controllers",
        "Details",
    ] {
        window.click(folded, 0).unwrap();
        // While it unfolds what is below moves.
        for _ in 0..30 {
            window.frame();
        }
    }
    window
}

fn listening(shared: &Arc<Shared>) -> (Service, Box<Pipeline>) {
    let service = Service::start(Arc::clone(shared)).unwrap();
    let activation = Activation {
        host_rate: 48_000.0,
        max_block: 64,
        offline: false,
    };
    let pipeline = service.activate(activation, None).unwrap();
    (service, pipeline)
}

fn instance() -> Arc<Shared> {
    Arc::new(Shared::new(Arc::new(ToccoParams::default())))
}

/// Everything that can be said is said.
fn full(shared: &Shared) {
    let mut status = shared.status();
    status.model_error = Some("weights.safetensors: it is broken".to_owned());
    status.refused = vec!["tocco.toml: `gate`: expected 0 to 1, found 2".to_owned()];
    let doubt = LeftOut {
        class: 7,
        answer: 6,
        probability: 0.9,
    };
    status.calibration.report = vec![doubt; 40];
    status.calibration.error = Some("technique 9: the model has only 8, counted from 0".to_owned());
    drop(status);
    let mut note = Classification::numbered(4);
    note.class = 7;
    note.probabilities = [1.0; 8];
    note.gated = true;
    note.note.peak_db = -88.0;
    note.model = ModelSerial(0);
    shared.telemetry.meters.show(&note, 48_000.0);
    let second = Decision::Second {
        was: 4,
        was_gated: true,
    };
    note.decision = second;
    note.seen = 7_248;
    shared.telemetry.meters.show(&note, 48_000.0);
}

#[test]
fn the_window_names_what_runs_and_why_the_rest_does_not() {
    let shared = instance();
    let mut window = Offscreen::new(Arc::clone(&shared));
    let text = window.frame();
    assert!(
        text.contains("has not started") && text.contains("Snare 2"),
        "{text}"
    );
    let (_service, _pipeline) = listening(&shared);
    shared.status().model_error = Some("weights.safetensors: it is broken".to_owned());
    let text = window.frame();
    for expected in ["it is broken", "Palm mute", "Play a note", "Listening with"] {
        assert!(text.contains(expected), "{text}");
    }
    drop(window);
    let mut window = set_up(&shared);
    let text = window.frame();
    for expected in [
        "on the audio thread",
        "it is broken",
        "amended by Tocco-late",
        "Adapt while playing",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    shared.status().activation_error = Some("host sample rate: found 384000".to_owned());
    let text = window.frame();
    assert!(text.contains("Not listening: host sample rate"), "{text}");
    assert!(!text.contains("on the audio thread"), "{text}");
}

#[test]
fn a_state_that_is_refused_is_told_in_the_window_until_another_one_is_loaded() {
    let shared = instance();
    let newer = br#"{"version":"999.0.0","params":{},"fields":{}}"#.to_vec();
    let own = crate::state::of(&shared.params);
    let mut window = Offscreen::new(Arc::clone(&shared));
    for page in ["Play", "Set up"] {
        assert!(crate::state::mended_or_told(Ok(newer.clone()), &shared).is_none());
        window.click(page, 0).unwrap();
        let text = window.frame();
        assert!(
            text.contains("found 999.0.0: a newer Tocco saved it"),
            "{text}"
        );
        assert!(crate::state::mended_or_told(Ok(own.clone()), &shared).is_some());
        assert!(!window.frame().contains("a newer Tocco saved it"));
    }
}

#[test]
fn at_every_size_all_text_is_in_the_window_and_none_lies_on_another() {
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    full(&shared);
    let user = shared.params.model.preview_normalized(ModelChoice::User);
    let tocco = shared.params.model.unmodulated_normalized_value();
    for value in [tocco, user] {
        // SAFETY: the parameter outlives the call.
        unsafe {
            shared
                .params
                .model
                .as_ptr()
                ._internal_set_normalized_value(value)
        };
        let mut window = set_up(&shared);
        let sizes = [
            (LEAST.width, LEAST.height),
            (SIZE.width, SIZE.height),
            (1400.0, 900.0),
            (1024.0, 2400.0),
        ];
        for page in ["Play", "Set up", "Guide me", "2", "3", "4", "5"] {
            window.click(page, 0).unwrap();
            for (size, scale) in sizes
                .into_iter()
                .flat_map(|size| [(size, 1.0), (size, 2.0)])
            {
                window.leave();
                window.resize(size, scale);
                let pieces = window.pieces(Vec::new());
                let screen = Rect::from_min_size(egui::Pos2::ZERO, vec2(size.0, size.1));
                for (i, piece) in pieces.iter().enumerate() {
                    let Piece { text, rect, clip } = piece;
                    if text.trim().is_empty() {
                        continue;
                    }
                    let place = format!("{page}, {size:?}: {text:?} at {rect}");
                    // Widths are rounded to whole pixels.
                    let seen = clip.intersect(screen).expand(1.0);
                    assert!(seen.left() <= rect.left(), "{place}");
                    assert!(rect.right() <= seen.right(), "{place}");
                    // In the margin stands nothing.
                    assert!(rect.left() >= 15.0, "{place}");
                    assert!(rect.right() <= size.0 - 15.0, "{place}");
                    // What is set up may be higher than the window, and is scrolled.
                    if page == "Play" {
                        assert!(seen.contains_rect(*rect), "{place}");
                    }
                    for other in &pieces[..i] {
                        let both = rect
                            .intersect(other.rect)
                            .intersect(seen)
                            .intersect(other.clip);
                        let apart = both.width() < 2.0 || both.height() < 2.0;
                        let nothing = other.text.trim().is_empty();
                        assert!(apart || nothing, "{place} lies on {other:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_window_that_is_forced_to_be_smaller_is_scrolled() {
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    let mut window = Offscreen::new(Arc::clone(&shared));
    window.resize((400.0, 300.0), 1.0);
    // What is out of sight is not drawn.
    let foot = |window: &mut Offscreen| window.frame().contains("Listening with");
    assert!(!foot(&mut window) && window.frame().contains("Play a note"));
    window.scroll(400.0);
    assert!(foot(&mut window));
    // Both pages stand that.
    window.scroll(-400.0);
    window.click("Set up", 0).unwrap();
    assert!(window.frame().contains("Listen"));
}

#[test]
fn clicks_and_keys_change_what_they_say() {
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    let params = &shared.params;
    let kick = &params.techniques.of_class[0];
    let mut window = set_up(&shared);

    // A number takes the keys when it is clicked, and only then.
    window.press(Key::ArrowUp);
    assert_eq!(kick.note.value(), 36);
    window.click("C2  36", 0).unwrap();
    window.press(Key::ArrowUp);
    window.press(Key::ArrowRight);
    window.press(Key::ArrowDown);
    assert_eq!(kick.note.value(), 37);
    // Typed, by number and by name; what is no note is forgotten.
    for (text, note) in [("60", 60), ("d3", 50), ("nonsense", 50), ("127", 127)] {
        for letter in text.chars() {
            window.write(&letter.to_string());
        }
        window.press(Key::Enter);
        assert_eq!(kick.note.value(), note, "{text}");
        window.frame();
        let shown = format!("{}  {}", kick.note, kick.note.value());
        window.click(&shown, 0).unwrap();
    }
    window.write("4");
    window.press(Key::Escape);
    assert_eq!(kick.note.value(), 127);
    window.double_click("G9  127", 0).unwrap();
    assert_eq!(kick.note.value(), 36);
    // Dragged through a quarter of its way.
    window.drag("C2  36", 0, 60.0).unwrap();
    assert_eq!(kick.note.value(), 68);

    for (text, nth, param) in [("100 ms", 0, &kick.length), ("0 ms", 0, &kick.hold)] {
        let before = param.value();
        window.drag(text, nth, 24.0).unwrap();
        assert!(param.value() > before, "{text}");
    }
    window.drag("0.00", 1, 120.0).unwrap(); // the first is the gate of all
    assert_eq!((params.gate.value(), kick.gate.value()), (0.0, 0.5));
    window.drag("as all", 1, 120.0).unwrap();
    assert_eq!(kick.hard.value(), -40.0);
    window.drag("off", 0, 60.0).unwrap();
    assert_eq!(kick.threshold.value(), -60.0);
    window.double_click("-60.0 dB", 0).unwrap();
    assert_eq!(kick.threshold(), f32::NEG_INFINITY);
    // Behind the thresholds of the eight techniques.
    let voices = 8;
    window.drag("off", voices, 60.0).unwrap();
    assert!(params.voices.are_on());
    window.double_click("-43.5 dB", 0).unwrap();
    assert!(!params.voices.are_on());

    // What is told above the page meanwhile ends no drag, and the host hears the end of it.
    let at_once = |error: Option<&str>| shared.status().sounds_error = error.map(str::to_owned);
    window
        .drag_while("off", voices, 60.0, || at_once(Some("it cannot be read")))
        .unwrap();
    assert!(params.voices.are_on());
    assert_eq!(window.open_gestures(), 0);
    at_once(None);
    window.frame();
    window.double_click("-43.5 dB", 0).unwrap();
    assert!(!params.voices.are_on());
    // With a decimal comma; what is no number sets nothing.
    for (typed, gate) in [("0,25", 0.25), ("nan", 0.25), ("1,000", 0.25), ("0.5", 0.5)] {
        let shown = format!("{:.2}", kick.gate.value());
        window.click(&shown, usize::from(shown == "0.00")).unwrap();
        for letter in typed.chars() {
            window.write(&letter.to_string());
        }
        window.press(Key::Enter);
        assert_eq!(kick.gate.value(), gate, "{typed}");
        window.frame();
    }

    // The guitar's body: kick, low.
    let low = &kick.body.low;
    window.click("by technique", 0).unwrap();
    assert!(params.voices.body.value());
    window.drag("6.0 dB", 0, 24.0).unwrap();
    let dragged = low.value();
    assert!((7.0..14.0).contains(&dragged), "{dragged}");
    let shown = low.to_string();
    window.double_click(&shown, 0).unwrap();
    assert!((low.value() - 6.0).abs() < 1e-3);
    window.drag("-3.0 dB", 0, 24.0).unwrap();
    assert!(kick.body.mid.value() > -2.5);

    window.click("Learn the ends of each technique", 0).unwrap();
    assert!(params.velocity_by_technique.value());
    window.click("notes to the host", 0).unwrap();
    assert!(!params.midi.value());
    for (text, standing) in [
        ("Play soft", Standing::Soft),
        ("Play hard", Standing::Hard),
        ("Play hard", Standing::Hard),
    ] {
        window.click(text, 0).unwrap();
        assert_eq!(params.requests.velocity.standing(), standing);
    }
    params.requests.velocity.hear(0, -20.0);
    assert!(window.frame().contains("play hard: 1 hits"));
    window.click("Play hard", 0).unwrap();
    assert!(window.frame().contains("play hard: 0 hits"), "begun anew");
    window.click("Done", 0).unwrap();
    assert_eq!(params.velocity_lesson.value(), Step::Done);
}

#[test]
fn the_curve_of_the_velocity_is_dragged_by_its_ends_and_its_middle() {
    let shared = instance();
    let params = &shared.params;
    let values = || {
        let (soft, hard) = (params.soft_end.value(), params.hard_end.value());
        (soft, hard, params.velocity_curve.value())
    };
    let mut window = set_up(&shared);
    let pieces = window.pieces(Vec::new());
    let middle = |text: &str| {
        let found = pieces.iter().find(|piece| piece.text == text);
        found.expect(text).rect.center()
    };
    // The numbers beside the drawing say where what is.
    let per_db = (middle("-20").x - middle("-60").x) / 40.0;
    let height = (middle("64").y - middle("127").y) / 63.0 * 127.0;
    let (left, top) = (middle("-60").x + 60.0 * per_db, middle("127").y);
    let at = |(db, velocity): (f32, f32)| {
        egui::pos2(left + db * per_db, top + (1.0 - velocity) * height)
    };
    let drag = |window: &mut Offscreen, from: (f32, f32), to: (f32, f32)| {
        let before = window.gestures();
        window.drag_from(at(from), at(to) - at(from), || {});
        assert_eq!(window.gestures() - before, 1, "{from:?}");
        assert_eq!(window.open_gestures(), 0, "{from:?}");
    };
    let near = |found: f32, expected: f32| {
        assert!((found - expected).abs() < 0.3, "{found}, not {expected}");
    };

    let (soft, hard) = (SOFTEST_DB, HARDEST_DB);
    drag(&mut window, (soft, 0.0), (-34.0, 0.5));
    near(params.soft_end.value(), -34.0);
    assert_eq!((values().1, values().2), (hard, 0.0));
    drag(&mut window, (hard, 1.0), (-10.0, 0.9));
    near(params.hard_end.value(), -10.0);
    let (soft, hard, _) = values();
    near(soft, -34.0);
    let middle_db = (soft + hard) / 2.0;
    drag(&mut window, (middle_db, 0.5), (-40.0, 0.7));
    let velocity = params.midi_settings()[0].curve.velocity(middle_db);
    assert!((velocity - 0.7).abs() < 0.02, "{velocity}");
    assert_eq!((values().0, values().1), (soft, hard));

    // Neither end passes the other, and the bend ends where it does as a number.
    drag(&mut window, (middle_db, 0.7), (middle_db, 1.2));
    assert_eq!(values(), (soft, hard, 1.0));
    drag(&mut window, (soft, 0.0), (0.0, 0.0));
    near(values().0, hard - 1.0);
    drag(&mut window, (hard, 1.0), (-70.0, 1.0));
    near(values().1, hard);

    // Nothing but the points is dragged, and none of it takes the keys.
    let (before, told) = (values(), window.gestures());
    window.drag_from(at((-70.0, 0.5)), vec2(40.0, 0.0), || {});
    assert_eq!((values(), window.gestures()), (before, told));
    assert_eq!(window.focused(), None);
    window.press(Key::ArrowUp);
    assert_eq!(values(), before);

    window.double_click_at(at((values().0, 0.0)));
    near(values().0, SOFTEST_DB);
    let middle_db = (SOFTEST_DB + before.1) / 2.0;
    window.double_click_at(at((middle_db, 0.5f32.powf(0.25))));
    assert_eq!((values().1, values().2), (before.1, 0.0));
    window.double_click_at(at((before.1, 1.0)));
    assert_eq!((values().1, values().2), (HARDEST_DB, 0.0));
    assert_eq!(window.gestures() - told, 3);
    assert_eq!((window.open_gestures(), window.focused()), (0, None));

    for (point, cursor, hint) in [
        (
            (SOFTEST_DB, 0.0),
            CursorIcon::ResizeHorizontal,
            "softest velocity.\nDrag it",
        ),
        (
            (HARDEST_DB, 1.0),
            CursorIcon::ResizeHorizontal,
            "hardest velocity.\nDrag it",
        ),
        ((-27.0, 0.5), CursorIcon::ResizeVertical, "up or down"),
        ((-70.0, 0.5), CursorIcon::Default, "Drag the rings"),
    ] {
        window.leave();
        let text = window.hover_at(at(point));
        assert!(text.contains(hint), "{text}");
        assert_eq!(window.cursor(), cursor, "{hint}");
    }
}

#[test]
fn the_guided_minute_can_be_skipped_gone_back_in_and_left() {
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    let mut window = Offscreen::new(Arc::clone(&shared));
    window.click("Set up", 0).unwrap();
    window.click("Guide me", 0).unwrap();
    window.click("Back", 0).unwrap(); // there is nothing before
    for heading in ["Choose the input", "Play softly, then", "Teach the"] {
        assert!(window.frame().contains(heading), "{heading}");
        window.click("Skip", 0).unwrap();
    }
    assert_eq!(window.frame().matches("skipped").count(), 3);
    window.click("Back", 0).unwrap();
    // What runs in a step ends when it is left.
    window.click("Start", 0).unwrap();
    assert_eq!(shared.telemetry.teaching.class(), Some(0));
    window.click("Back", 0).unwrap();
    assert_eq!(shared.telemetry.teaching.class(), None);
    window.click("Start", 0).unwrap();
    let lesson = &shared.params.requests.velocity;
    assert_eq!(lesson.standing(), Standing::Soft);
    window.click("All settings", 0).unwrap();
    assert_eq!(lesson.standing(), Standing::AsSet);
    assert!(window.frame().contains("Guide me"));

    // A half waits for its hits, and both are heard.
    window.click("Guide me", 0).unwrap();
    window.click("2", 0).unwrap();
    window.click("Start", 0).unwrap();
    let wait = |window: &mut Offscreen, seconds: usize| {
        for _ in 0..60 * seconds {
            window.frame();
        }
    };
    wait(&mut window, 8);
    assert_eq!(lesson.standing(), Standing::Soft, "nothing was played");
    for (level, said) in [(-40.0, "Play hard"), (-10.0, "Learnt")] {
        lesson.hear(0, level);
        wait(&mut window, 6);
        assert!(window.frame().contains("1 hit"), "too few to go on");
        lesson.hear(0, level);
        lesson.hear(1, level);
        wait(&mut window, 2);
        for _ in 0..500 {
            if window.frame().contains(said) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(window.frame().contains(said), "{}", window.frame());
    }
    assert!(shared.params.soft_end.value() < -40.0 && shared.params.hard_end.value() > -10.0);
    // Alike, it is said so.
    window.click("Again", 0).unwrap();
    for _ in 0..2 {
        for _ in 0..3 {
            lesson.hear(0, -20.0);
        }
        wait(&mut window, 8);
    }
    for _ in 0..500 {
        if window.frame().contains("were alike") {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("{}", window.frame());
}

#[test]
fn what_runs_in_the_guided_minute_ends_when_its_page_is_left() {
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    let mut window = Offscreen::new(Arc::clone(&shared));
    let velocity = || shared.params.requests.velocity.standing();
    let teaching = || shared.telemetry.teaching.class();
    window.click("Set up", 0).unwrap();
    window.click("Guide me", 0).unwrap();
    window.click("2", 0).unwrap();
    window.click("Start", 0).unwrap();
    assert_eq!(velocity(), Standing::Soft);
    window.click("Play", 0).unwrap();
    assert_eq!(velocity(), Standing::AsSet);
    window.click("Set up", 0).unwrap();
    assert!(window.frame().contains("Start"), "the step is there");

    window.click("3", 0).unwrap();
    window.click("Start", 0).unwrap();
    window.frame();
    assert_eq!(teaching(), Some(0));
    window.click("Play", 0).unwrap();
    assert_eq!(teaching(), None);
    window.click("Set up", 0).unwrap();
    set(&shared.params.teach, TeachChoice::Tom);
    shared.attend_teach();
    window.frame();
    window.click("Play", 0).unwrap();
    assert_eq!(teaching(), Some(2), "the host's");
}

#[test]
fn space_presses_nothing_and_tab_alone_neither() {
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    let before: Vec<_> = values(&shared);
    let mut window = set_up(&shared);
    let teaching = || shared.telemetry.teaching.class();
    for _ in 0..120 {
        window.press(Key::Tab);
        window.press(Key::Space);
        window.write(" ");
        assert_eq!(teaching(), None);
    }
    assert_eq!(values(&shared), before);
    // Enter does what a click does on what Tab has reached.
    let mut taught = false;
    for _ in 0..120 {
        window.press(Key::Tab);
        let found = window.focused().is_some_and(|rect| {
            let pieces = window.pieces(Vec::new());
            pieces
                .iter()
                .any(|piece| piece.text == "Teach" && rect.contains(piece.rect.center()))
        });
        if found {
            window.press(Key::Enter);
            taught = teaching().is_some();
            break;
        }
    }
    assert!(taught, "Tab reaches a button that teaches");
}

fn values(shared: &Shared) -> Vec<(String, f32)> {
    let map = shared.params.param_map();
    let value = |(id, param, _): (String, ParamPtr, String)| {
        // SAFETY: the parameters live.
        (id, unsafe { param.unmodulated_normalized_value() })
    };
    map.into_iter().map(value).collect()
}

#[test]
fn tooltips_say_where_to_hit() {
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    let mut window = Offscreen::new(Arc::clone(&shared));
    for (label, place) in [
        ("Snare 1", "lower side"),
        ("Tom", "thumb"),
        ("Snare 2", "muted strings"),
    ] {
        let text = window.hover(label, 0).unwrap();
        assert!(text.contains(place), "{label}: {text}");
    }
}

#[test]
fn the_input_is_measured_while_the_window_is_open_and_no_longer() {
    let shared = instance();
    let feed = &shared.telemetry.levels;
    assert!(!feed.is_open());
    let window = Offscreen::new(Arc::clone(&shared));
    assert!(feed.is_open());
    drop(window);
    assert!(!feed.is_open());
}

#[test]
fn a_window_that_the_host_closes_leaves_nothing_running() {
    let shared = instance();
    let open = window::Closing(Arc::clone(&shared));
    shared.telemetry.levels.open(true);
    let taught = || shared.telemetry.teaching.class();
    lesson::begin(&shared, 3);
    assert_eq!(taught(), Some(3));
    drop(open);
    assert!(!shared.telemetry.levels.is_open());
    assert_eq!(taught(), None);
    // What another began since, as by OSC, is not the window's.
    lesson::begin(&shared, 3);
    shared.calibrate(Command::Teach(Some(4)));
    nobody_looks(&shared);
    assert_eq!(taught(), Some(4));
    lesson::begin(&shared, 3);
    set(&shared.params.teach, TeachChoice::Tom);
    shared.attend_teach();
    nobody_looks(&shared);
    assert_eq!(taught(), Some(2));
}

#[test]
fn a_window_ends_what_it_began_when_it_is_closed_and_nothing_when_it_is_opened() {
    let shared = instance();
    let (service, pipeline) = listening(&shared);
    // From now on nothing happens by itself.
    drop(pipeline);
    drop(service);
    let params = &shared.params;
    let teaching = || shared.telemetry.teaching.class();
    let velocity = || params.requests.velocity.standing();
    let mut window = Offscreen::new(Arc::clone(&shared));
    let open_again = |window: &mut Offscreen| {
        let gui = window.app.gui.clone().unwrap();
        window.app.open(gui);
    };
    window.click("Set up", 0).unwrap();
    window.click("Guide me", 0).unwrap();

    window.click("3", 0).unwrap();
    window.click("Start", 0).unwrap();
    window.frame();
    assert_eq!(teaching(), Some(0));
    nobody_looks(&shared);
    assert_eq!(teaching(), None);
    set(&params.teach, TeachChoice::Tom);
    shared.attend_teach();
    open_again(&mut window);
    assert_eq!(teaching(), Some(2), "the host's");

    window.click("2", 0).unwrap();
    window.click("Start", 0).unwrap();
    window.frame();
    assert_eq!(velocity(), Standing::Soft);
    nobody_looks(&shared);
    assert_eq!(velocity(), Standing::AsSet);
    set(&params.velocity_lesson, Step::Soft);
    open_again(&mut window);
    assert_eq!(velocity(), Standing::Soft, "the host's");
    window.frame();
    nobody_looks(&shared);
    assert_eq!(velocity(), Standing::Soft, "the host's");
}

#[test]
fn the_window_says_how_far_it_has_adapted() {
    let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
    let mut window = set_up(&shared);
    for (notes, expected) in [
        (0, None),
        (1, Some("adapted to 1 note")),
        (57, Some("adapted to 57 notes")),
    ] {
        shared.telemetry.adapted.store(notes, Relaxed);
        let text = window.frame();
        let adapted = text.lines().find(|line| line.starts_with("adapted "));
        assert_eq!(adapted, expected, "{text}");
    }
}

#[test]
fn the_window_says_how_the_last_note_was_amended() {
    let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
    let (_service, _pipeline) = listening(&shared);
    let mut window = Offscreen::new(Arc::clone(&shared));
    let meters = &shared.telemetry.meters;
    let note = |onset_id: u64, class: usize, decision: Decision| Classification {
        decision,
        class,
        seen: 7_248,
        model: ModelSerial(0),
        ..Classification::numbered(onset_id)
    };
    let second = |was: usize| Decision::Second {
        was,
        was_gated: false,
    };
    for (id, class, decision, expected) in [
        (1, 0, Decision::First, None),
        (1, 5, second(0), Some("amended from Kick after 151 ms")),
        (2, 5, Decision::First, None),
        (1, 0, second(5), None), // of the note before
        (2, 5, second(5), Some("amended after 151 ms")),
    ] {
        meters.show(&note(id, class, decision), 48_000.0);
        let text = window.frame();
        let amended = text.lines().find(|line| line.starts_with("amended "));
        assert_eq!(amended, expected, "{text}");
    }
}

#[test]
fn the_last_minute_is_saved_where_the_window_says() {
    let shared = instance();
    let folder = tempfile::tempdir().unwrap();
    let mut window = Offscreen::new(Arc::clone(&shared));
    window.save_minutes_in(folder.path().to_owned());
    window.click("Save last minute", 0).unwrap();
    assert!(window.frame().contains("no note in the last minute"));
    let result = Classification {
        gated: false,
        ..Classification::numbered(4)
    };
    shared.last_minute.add(&result, 48_000.0, Instant::now());
    for page in ["Play", "Set up"] {
        window.click(page, 0).unwrap();
        window.click("Save last minute", 0).unwrap();
        assert!(window.frame().contains("1 note saved as"), "{page}");
    }
    assert!(folder.path().join("Tocco 2.mid").exists());
}

#[test]
fn presets_are_chosen_saved_and_refused_in_the_window() {
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    let folder = tempfile::tempdir().unwrap();
    let techniques = &shared.params.techniques.of_class;
    let mut window = set_up(&shared);
    window.keep_presets_in(folder.path().join("presets"));
    window.click("choose", 0).unwrap();
    window.click("General MIDI drums", 0).unwrap();
    assert_eq!(
        (techniques[0].channel.value(), techniques[6].note.value()),
        (10, 46)
    );
    assert!(window.frame().contains("General MIDI drums is loaded."));

    window.click("name of a new one", 0).unwrap();
    window.write("../mine");
    window.click("Save", 0).unwrap();
    assert!(window.frame().contains("name: expected 1 to 40 letters"));
    window.click("../mine", 0).unwrap();
    for _ in 0..10 {
        window.press(Key::Delete);
        window.press(Key::Backspace);
    }
    window.write("mine too");
    window.click("Save", 0).unwrap();
    assert!(window.frame().contains("Saved as"));

    window.click("mine too", 0).unwrap();
    window.click("As delivered", 0).unwrap();
    assert_eq!(techniques[0].channel.value(), 1);
    // One of that name is replaced only when that was said.
    let mine = folder.path().join("presets/mine too.toml");
    let before = std::fs::read_to_string(&mine).unwrap();
    window.click("name of a new one", 0).unwrap();
    window.write("mine too");
    window.click("Save", 0).unwrap();
    assert!(window.frame().contains("Save once more to replace it"));
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), before);
    window.click("Save", 0).unwrap();
    assert_ne!(std::fs::read_to_string(&mine).unwrap(), before);
    std::fs::write(&mine, before).unwrap();
    window.click("mine too", 0).unwrap();
    window.click("As delivered", 0).unwrap();
    let newer = "format = 2\n[parameters]\n";
    std::fs::write(folder.path().join("presets/newer.toml"), newer).unwrap();
    window.click("As delivered", 0).unwrap();
    window.click("newer", 0).unwrap();
    assert!(window.frame().contains("a newer Tocco wrote it"));
    window.click("As delivered", 0).unwrap();
    window.click("mine too", 0).unwrap();
    assert_eq!(
        (techniques[0].channel.value(), techniques[6].note.value()),
        (10, 46)
    );
}

#[test]
fn sounds_of_the_users_are_chosen_by_typing_and_told_if_they_are_not_there() {
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    shared.workshop.open(48_000.0, None);
    crate::params::set(&shared.params.voices.voices, 0.0);
    let mut window = set_up(&shared);
    let hint = "a folder with kick.wav …, or an SFZ file";
    window.click(hint, 0).unwrap();
    window.write("/nowhere");
    window.press(Key::Enter);
    assert_eq!(shared.params.sounds.path(), "/nowhere");
    let start = Instant::now();
    while !shared.is_settled() {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = window.frame();
    assert!(
        text.contains("/nowhere: expected a folder of recordings or an SFZ file"),
        "{text}"
    );
    let before = shared.params.sounds.changes();
    window.click("Read again", 0).unwrap();
    assert_eq!(shared.params.sounds.changes(), before + 1);
}

/// Draws frames until `done`.
fn frames_until(window: &mut Offscreen, done: &dyn Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10));
        window.frame();
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_lesson_is_saved_to_a_file_and_loaded_from_it_in_the_window() {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let folder = tempfile::tempdir().unwrap();
    let file = FILE.get_or_init(|| folder.path().join("me.json"));
    let shared = instance();
    let (_service, _pipeline) = listening(&shared);
    let lesson = || shared.status().calibration.clone();
    let tick = |window: &mut Offscreen, used: bool| {
        set(&shared.params.techniques.of_class[6].used, used);
        frames_until(window, &|| lesson().masked[6] != used);
    };
    let mut window = set_up(&shared);
    window.app.lesson.save_chooser.ask = |kind, folder| match (kind, folder) {
        (Kind::NewFile(_, "json"), None) => FILE.get().cloned(),
        _ => None,
    };
    // The next dialog begins where the last one was.
    window.app.lesson.load_chooser.ask = |kind, folder| match (kind, folder) {
        (Kind::File("json"), Some(_)) => FILE.get().cloned(),
        _ => None,
    };

    // There is nothing to save yet.
    window.click("Save profile…", 0).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    window.frame();
    assert!(!file.exists() && lesson().told.is_none());
    tick(&mut window, false);
    window.frame();
    window.click("Save profile…", 0).unwrap();
    frames_until(&mut window, &|| lesson().told.is_some());
    let text = window.frame();
    assert!(
        text.contains(&format!("Saved as {}", file.display())),
        "{text}"
    );
    // It is what `evaluate` and `demo` take.
    for (shipped, file) in [
        (&shipped::TOCCO, file.clone()),
        (&shipped::TOCCO_LATE, second_profile(file)),
    ] {
        let mut calibration = Calibration::new(&shipped.package().unwrap()).unwrap();
        calibration.load(file).unwrap();
        assert!(calibration.masked()[6]);
    }

    tick(&mut window, true);
    let before = shared.params.unsaved.count();
    window.click("Load profile…", 0).unwrap();
    let loaded = || {
        lesson()
            .told
            .is_some_and(|told| told.starts_with("Loaded from"))
    };
    frames_until(&mut window, &loaded);
    assert_eq!(shared.params.masked_bits(), 1 << 6);
    assert!(
        shared.params.unsaved.count() > before,
        "the project changed"
    );
    assert!(window.frame().contains("Loaded from"));
    // What is no profile is told where the lesson is, and changes nothing.
    std::fs::write(file, "no profile").unwrap();
    window.click("Load profile…", 0).unwrap();
    frames_until(&mut window, &|| lesson().error.is_some());
    let text = window.frame();
    assert!(
        text.contains("me.json: profile: expected a calibration profile"),
        "{text}"
    );
    assert!(lesson().masked[6] && shared.status().failed.is_empty());
}

#[test]
fn what_is_chosen_after_the_window_was_closed_is_not_used_by_the_next_one() {
    let shared = instance();
    let params = &shared.params;
    let mut window = set_up(&shared);
    window.app.sounds_chooser.ask = |_, _| {
        std::thread::sleep(Duration::from_millis(300));
        Some("/chosen".into())
    };
    window.click("Folder…", 0).unwrap();
    nobody_looks(&shared);
    std::thread::sleep(Duration::from_millis(600));
    params.choose_sounds("/restored".to_owned());
    let gui = window.app.gui.clone().unwrap();
    window.app.open(gui);
    assert!(window.frame().contains("/restored"));
    window.frame();
    assert_eq!(params.sounds.path(), "/restored");
    // The next dialog is a dialog like any other.
    window.app.sounds_chooser.ask = |_, _| Some("/chosen".into());
    window.click("Folder…", 0).unwrap();
    frames_until(&mut window, &|| params.sounds.path() == "/chosen");
}

#[test]
fn what_is_chosen_in_a_dialog_is_used_and_no_dialog_is_told() {
    let shared = instance();
    let mut window = set_up(&shared);
    window.app.sounds_chooser.ask = |kind, folder| match (kind, folder) {
        (Kind::Folder, None) => Some(std::env::temp_dir()),
        (Kind::File("sfz"), Some(folder)) => Some(folder.join("kit.sfz")),
        _ => None,
    };
    let params = &shared.params;
    let folder = std::env::temp_dir().display().to_string();
    window.click("Folder…", 0).unwrap();
    frames_until(&mut window, &|| params.sounds.path() == folder);
    // The next one begins where the last one was.
    window.click("SFZ…", 0).unwrap();
    frames_until(&mut window, &|| params.sounds.path().ends_with("kit.sfz"));
    assert!(window.frame().contains("kit.sfz"));
    // Closed by a hand it changes nothing.
    window.app.sounds_chooser.ask = |_, _| {
        std::thread::sleep(Duration::from_millis(600));
        None
    };
    window.click("Folder…", 0).unwrap();
    let before = params.sounds.changes();
    std::thread::sleep(Duration::from_millis(900));
    window.frame();
    assert_eq!(params.sounds.changes(), before);
    assert!(shared.status().failed.is_empty());
    // There is none.
    window.app.sounds_chooser.ask = |_, _| None;
    window.click("Folder…", 0).unwrap();
    frames_until(&mut window, &|| !shared.status().failed.is_empty());
    assert!(window.frame().contains("type the path"));
    // There is one after all.
    window.app.sounds_chooser.ask = |_, _| Some("/a/kit.sfz".into());
    window.click("SFZ…", 0).unwrap();
    frames_until(&mut window, &|| shared.status().failed.is_empty());
    assert!(!window.frame().contains("type the path"));
    // What is chosen elsewhere, as by a state that the host restores, is shown.
    params.choose_sounds("/elsewhere".to_owned());
    assert!(window.frame().contains("/elsewhere"));
    // Nor does one that fails take the window along.
    window.app.sounds_chooser.ask = |_, _| panic!("planted");
    window.click("Folder…", 0).unwrap();
    for _ in 0..10 {
        window.frame();
    }

    let user = params.model.preview_normalized(ModelChoice::User);
    // SAFETY: the parameters live as long as `shared`.
    unsafe { params.model.as_ptr()._internal_set_normalized_value(user) };
    window.app.folder_chooser.ask = |_, _| Some("/a/model".into());
    window.click("…", 0).unwrap();
    frames_until(&mut window, &|| params.user_package.path() == "/a/model");
}
