//! The window, as a host opens it: on a screen with OpenGL, on one without, and on none.
//!
//! Each test is a process of its own, since X errors end processes. The screens are Xvfb's; where it
//! is not installed only the last test has something to open.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use clap_sys::ext::gui::{
    CLAP_EXT_GUI, CLAP_WINDOW_API_X11, clap_plugin_gui, clap_window, clap_window_handle,
};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt, CreateWindowAux, WindowClass};

use crate::own_process;
use crate::raw_clap::{Offers, RawHost};

/// Tells the process that opens the window whether it will.
const EXPECTED: &str = "TOCCO_TEST_WINDOW";

/// A screen that nobody sees.
pub struct Screen {
    server: Child,
    pub display: String,
}

impl Screen {
    /// One with these options; nothing where Xvfb is not installed.
    pub fn new(options: &[&str]) -> Option<Self> {
        let server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1280x1024x24",
                "-noreset",
            ])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut server) = server else {
            eprintln!("skipped: Xvfb is not installed, no window was opened");
            return None;
        };
        let mut number = String::new();
        let mut output = BufReader::new(server.stdout.take().unwrap());
        output.read_line(&mut number).unwrap();
        Some(Self {
            server,
            display: format!(":{}", number.trim()),
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

/// Runs [`open_and_close`] in another process on `display`.
fn run(display: &str, expected: bool) {
    let text = run_test("window::open_and_close", display, expected);
    assert_eq!(text.contains("Failed to open editor"), !expected, "{text}");
}

/// Runs the ignored test `name` in another process on `display`; what it says.
pub fn run_test(name: &str, display: &str, expected: bool) -> String {
    own_process::run(
        name,
        [
            ("DISPLAY", display),
            (EXPECTED, expected.to_string().as_str()),
        ],
    )
}

#[test]
fn a_window_opens_whatever_the_host_leaves_out() {
    if let Some(screen) = Screen::new(&[]) {
        run(&screen.display, true);
    }
}

#[test]
fn without_opengl_the_host_is_told_and_lives() {
    if let Some(screen) = Screen::new(&["-extension", "GLX"]) {
        run(&screen.display, false);
    }
}

#[test]
fn without_a_screen_the_host_is_told_and_lives() {
    run(":976", false);
    run("", false);
}

#[test]
fn an_open_window_in_which_nothing_moves_is_resized_and_costs_little() {
    if let Some(screen) = Screen::new(&[]) {
        let text = run_test("window::resize_and_rest", &screen.display, true);
        let line = text.lines().find(|line| line.contains("of a core"));
        println!("{}", line.unwrap_or("no figure"));
    }
}

/// Processor time of this process so far, seconds.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // Fields 14 and 15 of proc(5), ticks of 10 ms.
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

#[test]
#[ignore = "run by the others, each in a process of its own"]
fn resize_and_rest() {
    let host = RawHost::load(Offers {
        gui: true,
        ..Offers::default()
    });
    let plugin = host.plugin();
    let gui = host.extension::<clap_plugin_gui>(CLAP_EXT_GUI).unwrap();
    // SAFETY: the functions are the plugin's, their arguments live through the calls.
    unsafe {
        assert!(gui.create.unwrap()(
            plugin,
            CLAP_WINDOW_API_X11.as_ptr(),
            false
        ));
        let size = || {
            let (mut width, mut height) = (0, 0);
            assert!(gui.get_size.unwrap()(plugin, &mut width, &mut height));
            (width, height)
        };
        let (width, height) = size();
        assert!(width <= 720 && height <= 600, "{width} x {height}");
        assert!(gui.can_resize.unwrap()(plugin));
        let (screen, parent) = parent(1300, 820);
        // What is not seen need not be drawn.
        screen.map_window(parent).unwrap().check().unwrap();
        let window = clap_window {
            api: CLAP_WINDOW_API_X11.as_ptr(),
            specific: clap_window_handle { x11: parent.into() },
        };
        assert!(gui.set_parent.unwrap()(plugin, &window));
        assert!(gui.show.unwrap()(plugin));
        std::thread::sleep(std::time::Duration::from_millis(300));
        let adjusted = |mut width: u32, mut height: u32| {
            assert!(gui.adjust_size.unwrap()(plugin, &mut width, &mut height));
            (width, height)
        };
        assert_eq!(adjusted(100, 100), (720, 480));
        assert_eq!(adjusted(1400, 900), (1400, 900));
        for (width, height) in [(1000, 500), (720, 480), (1280, 800), (720, 600)] {
            assert!(gui.set_size.unwrap()(plugin, width, height));
            std::thread::sleep(std::time::Duration::from_millis(200));
            assert_eq!(size(), (width, height));
        }
        // The first frames make fonts.
        std::thread::sleep(std::time::Duration::from_secs(1));
        let (before, seconds) = (processor_seconds(), 5.0);
        std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
        let share = (processor_seconds() - before) / seconds;
        println!(
            "open and idle: {:.1} % of a core, drawn by the processor",
            100.0 * share
        );
        // Xvfb has no graphics card. Thirty frames a second would cost several times this.
        assert!(share < 0.15, "{share}");
        gui.destroy.unwrap()(plugin);
    }
}

#[test]
#[ignore = "run by the others, each in a process of its own"]
fn open_and_close() {
    let expected = std::env::var(EXPECTED).unwrap() == "true";
    for offers_gui in [false, true] {
        let host = RawHost::load(Offers {
            gui: offers_gui,
            ..Offers::default()
        });
        let plugin = host.plugin();
        let gui = host.extension::<clap_plugin_gui>(CLAP_EXT_GUI).unwrap();
        let x11 = CLAP_WINDOW_API_X11.as_ptr();
        // SAFETY: the functions are the plugin's, their arguments live through the calls.
        unsafe {
            assert!(gui.is_api_supported.unwrap()(plugin, x11, false));
            assert!(!gui.is_api_supported.unwrap()(
                plugin,
                std::ptr::null(),
                false
            ));
            assert!(!gui.create.unwrap()(plugin, std::ptr::null(), false));
            for _ in 0..2 {
                assert_eq!(gui.create.unwrap()(plugin, x11, false), expected);
                if !expected {
                    continue;
                }
                for (scale, possible) in [
                    (1.0, true),
                    (0.0, false),
                    (-1.0, false),
                    (f64::NAN, false),
                    (f64::INFINITY, false),
                    (1e9, false),
                    (2.0, true),
                ] {
                    assert_eq!(gui.set_scale.unwrap()(plugin, scale), possible, "{scale}");
                }
                let (mut width, mut height) = (0, 0);
                assert!(gui.get_size.unwrap()(plugin, &mut width, &mut height));
                assert!(width > 100 && height > 100, "{width} x {height}");
                assert!(!gui.set_size.unwrap()(plugin, 0, 0));
                assert!(!gui.set_size.unwrap()(plugin, u32::MAX, u32::MAX));
                let null = std::ptr::null_mut();
                assert!(!gui.adjust_size.unwrap()(plugin, null, null));
                let window = |x11| clap_window {
                    api: CLAP_WINDOW_API_X11.as_ptr(),
                    specific: clap_window_handle { x11 },
                };
                assert!(!gui.set_parent.unwrap()(plugin, std::ptr::null()));
                for gone in [0, 0x7fff_fff0, u64::MAX] {
                    assert!(!gui.set_parent.unwrap()(plugin, &window(gone)), "{gone}");
                }
                let (screen, parent) = parent(width as u16, height as u16);
                assert!(gui.set_parent.unwrap()(plugin, &window(parent.into())));
                assert!(gui.show.unwrap()(plugin));
                std::thread::sleep(std::time::Duration::from_millis(300));
                assert!(gui.hide.unwrap()(plugin));
                gui.destroy.unwrap()(plugin);
                drop(screen);
            }
            gui.destroy.unwrap()(plugin);
        }
    }
}

/// The host's own window, which lives as long as the connection.
pub fn parent(width: u16, height: u16) -> (impl Connection, u32) {
    let (connection, screen) = x11rb::connect(None).unwrap();
    let root = connection.setup().roots[screen].root;
    let id = connection.generate_id().unwrap();
    connection
        .create_window(
            x11rb::COPY_DEPTH_FROM_PARENT,
            id,
            root,
            0,
            0,
            width,
            height,
            0,
            WindowClass::INPUT_OUTPUT,
            x11rb::COPY_FROM_PARENT,
            &CreateWindowAux::new(),
        )
        .unwrap()
        .check()
        .unwrap();
    (connection, id)
}
