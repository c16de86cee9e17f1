//! What the window saves and loads, and how a path is chosen.

use super::*;
use std::path::PathBuf;
use std::sync::OnceLock;

use egui::Key;
use tocco_recognizer::adaptation::{Calibration, second_profile};

use crate::editor::file_chooser::Kind;
use crate::params::set;
use crate::shipped;

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
    shared.bank_exchange.open(48_000.0, None);
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
