//! Pointer and keys set what they are said to set, and nothing else.

use super::*;
use egui::{CursorIcon, Key};
use nice_plug::params::Params;
use nice_plug::params::internals::ParamPtr;

use crate::outputs::velocity::{HARDEST_DB, SOFTEST_DB};
use crate::velocity_lesson::{Standing, Step};

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
