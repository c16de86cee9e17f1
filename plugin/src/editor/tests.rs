//! The window, drawn without a screen: what it says, and that all of it can be read.

mod controls;
mod files;
mod lessons;

use super::*;
use std::sync::atomic::Ordering::Relaxed;

use egui::Rect;
use nice_plug::params::Param;
use tocco_recognizer::adaptation::LeftOut;
use tocco_recognizer::classification::{Classification, Decision, ModelSerial};
use tocco_recognizer::pipeline::Pipeline;

use crate::params::{ModelChoice, ToccoParams};
use crate::service::{Activation, Service};

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
