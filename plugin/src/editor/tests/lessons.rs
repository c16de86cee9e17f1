//! Lessons in the window, and what ends them.

use super::*;
use crate::params::{TeachChoice, set};
use crate::velocity_lesson::{Standing, Step};

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
