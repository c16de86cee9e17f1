//! The program of its own, as it is called: what it says, what it keeps, and how it ends.
//!
//! Where `jackd` is installed it is played to as well, by JACK's metronome; elsewhere that is left out.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tocco::params::ToccoParams;
use tocco::state;

fn tocco(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocco"));
    command
        .args(arguments)
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join("data"))
        // Whatever server runs on this machine: it is not meant.
        .env("JACK_DEFAULT_SERVER", "tocco-test-without")
        .env_remove("DISPLAY");
    // Whoever runs the tests may ignore them, and so would its children.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        disposed(&mut command, signal, libc::SIG_DFL);
    }
    command
}

/// Has `command` begin with what `signal` does.
fn disposed(command: &mut Command, signal: i32, disposition: libc::sighandler_t) {
    let dispose = move || {
        // SAFETY: neither disposition has code of ours called.
        unsafe { libc::signal(signal, disposition) };
        Ok(())
    };
    // SAFETY: `signal` may be called between fork and exec.
    unsafe { command.pre_exec(dispose) };
}

fn run(home: &Path, arguments: &[&str]) -> (Output, String) {
    let output = tocco(home, arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

#[test]
fn it_says_its_version_and_refuses_what_makes_no_sense() {
    let home = tempfile::tempdir().unwrap();
    let (output, said) = run(home.path(), &["--version"]);
    assert!(output.status.success());
    assert_eq!(said.trim(), concat!("tocco ", env!("CARGO_PKG_VERSION")));
    let (output, said) = run(home.path(), &["--help"]);
    assert!(
        output.status.success() && said.contains("--headless"),
        "{said}"
    );
    for (arguments, expected) in [
        (&["--backend", "oss"][..], "auto, jack, alsa, dummy"),
        (
            &["--preset", "no/name", "--backend", "dummy"],
            "name: expected",
        ),
    ] {
        let (output, said) = run(home.path(), arguments);
        assert!(
            !output.status.success() && said.contains(expected),
            "{said}"
        );
    }
}

#[test]
fn without_a_screen_it_says_so_and_fails() {
    let home = tempfile::tempdir().unwrap();
    let mut tocco = tocco(home.path(), &["--backend", "dummy"]);
    let output = tocco.env_remove("DISPLAY").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("--headless"),
        "{said}"
    );
}

#[test]
fn without_audio_it_says_so_and_fails() {
    let home = tempfile::tempdir().unwrap();
    let (output, said) = run(home.path(), &["--headless", "--backend", "jack"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("tocco: JACK: no server answers"), "{said}");
    // This machine may have a sound card, but no device of that name.
    let alsa = [
        "--headless",
        "--backend",
        "alsa",
        "--no-midi-port",
        "--output-device",
        "none",
    ];
    let (output, said) = run(home.path(), &alsa);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("tocco: no audio: ALSA refused"), "{said}");
    let saved = home.path().join("data/tocco/standalone.json");
    assert!(!saved.exists(), "what never ran saves nothing");
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends it a signal.
fn send(running: &Running, signal: i32) {
    // SAFETY: the process is a child that was not waited for.
    unsafe { libc::kill(running.0.id() as i32, signal) };
}

/// Ends it as Ctrl-C does, and waits.
fn interrupt(running: &mut Running) -> ExitStatus {
    send(running, libc::SIGINT);
    running.0.wait().unwrap()
}

/// Waits until it has ended by itself, which is a matter of seconds.
fn ended(running: &mut Running) -> ExitStatus {
    ended_by(running, || {})
}

/// The same while somebody does `act` again and again.
fn ended_by(running: &mut Running, act: impl Fn()) -> ExitStatus {
    let begin = Instant::now();
    loop {
        act();
        if let Some(status) = running.0.try_wait().unwrap() {
            return status;
        }
        assert!(begin.elapsed() < Duration::from_secs(18), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Without a window, and with a first block that is followed by no other within 20 s: it stands for a
/// server that is gone, for which the framework waits in the same way. At that rate there is nothing to
/// compute.
const STOPPING: [&str; 5] = [
    "--headless",
    "--backend=dummy",
    "--no-midi-port",
    "--sample-rate=400",
    "--period-size=8000",
];

#[test]
fn what_was_set_is_kept_and_what_is_broken_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("mine.json");
    let file = path.to_str().unwrap();
    let arguments = [
        "--headless",
        "--backend=dummy",
        "--no-midi-port",
        "--state",
        file,
    ];
    let with_preset = [&arguments[..], &["--preset", "General MIDI drums"]].concat();
    for arguments in [&with_preset[..], &arguments[..]] {
        let mut running = Running(tocco(home.path(), arguments).spawn().unwrap());
        std::thread::sleep(Duration::from_secs(2));
        assert!(interrupt(&mut running).success());
        let params = ToccoParams::default();
        state::load(&params, &std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(params.techniques.of_class[0].channel.value(), 10);
    }
    std::fs::write(&path, "no state").unwrap();
    let (output, said) = run(home.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("mine.json: expected a state that Tocco saved"),
        "{said}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"no state");
}

#[test]
fn it_ends_and_saves_though_its_audio_thread_waits_for_ever() {
    let signals = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
    let started = signals.map(|signal| {
        let home = tempfile::tempdir().unwrap();
        let running = Running(tocco(home.path(), &STOPPING).spawn().unwrap());
        (signal, home, running)
    });
    std::thread::sleep(Duration::from_secs(2));
    for (signal, _, running) in &started {
        send(running, *signal);
    }
    for (signal, home, mut running) in started {
        assert!(ended(&mut running).success(), "signal {signal}");
        assert!(home.path().join("data/tocco/standalone.json").exists());
    }
}

#[test]
fn a_sound_that_stops_is_a_fault_and_nothing_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let mut command = tocco(home.path(), &STOPPING);
    let mut running = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let status = ended(&mut running);
    let mut said = String::new();
    let mut errors = running.0.stderr.take().unwrap();
    errors.read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("tocco: the sound has stopped"), "{said}");
    assert!(home.path().join("data/tocco/standalone.json").exists());
}

#[test]
fn what_nohup_ignores_does_not_end_it() {
    let home = tempfile::tempdir().unwrap();
    let arguments = ["--headless", "--backend=dummy", "--no-midi-port"];
    let mut command = tocco(home.path(), &arguments);
    disposed(&mut command, libc::SIGHUP, libc::SIG_IGN);
    // As shells start what is in the background of a script.
    disposed(&mut command, libc::SIGINT, libc::SIG_IGN);
    let mut running = Running(command.spawn().unwrap());
    std::thread::sleep(Duration::from_secs(2));
    send(&running, libc::SIGHUP);
    send(&running, libc::SIGINT);
    std::thread::sleep(Duration::from_secs(1));
    assert!(running.0.try_wait().unwrap().is_none(), "it goes on");
    send(&running, libc::SIGTERM);
    assert!(ended(&mut running).success());
    assert!(home.path().join("data/tocco/standalone.json").exists());
}

/// A screen and what it is called, if there can be one.
fn screen() -> Option<(Running, String)> {
    let Ok(mut screen) = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x800x24"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
    else {
        eprintln!("skipped: Xvfb is not installed, no window was opened");
        return None;
    };
    let mut number = String::new();
    let mut out = BufReader::new(screen.stdout.take().unwrap());
    out.read_line(&mut number).unwrap();
    Some((Running(screen), format!(":{}", number.trim())))
}

/// Closes every window of a screen as its user does.
#[cfg(all(feature = "editor", target_os = "linux"))]
fn close_windows(display: &str) {
    use x11rb::connection::Connection;
    use x11rb::protocol::xproto::{ClientMessageEvent, ConnectionExt, EventMask};

    let (connection, number) = x11rb::connect(Some(display)).unwrap();
    let root = connection.setup().roots[number].root;
    let atom = |name: &str| {
        let cookie = connection.intern_atom(false, name.as_bytes()).unwrap();
        cookie.reply().unwrap().atom
    };
    let (protocols, delete) = (atom("WM_PROTOCOLS"), atom("WM_DELETE_WINDOW"));
    let tree = connection.query_tree(root).unwrap().reply().unwrap();
    for window in tree.children {
        let event = ClientMessageEvent::new(32, window, protocols, [delete, 0, 0, 0, 0]);
        let sent = connection.send_event(false, window, EventMask::NO_EVENT, event);
        // One may have gone with the one before.
        let _ = sent.unwrap().check();
    }
}

#[cfg(all(feature = "editor", target_os = "linux"))]
#[test]
fn whoever_closes_its_window_ends_it_and_it_saves() {
    let Some((_screen, display)) = screen() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let mut command = tocco(home.path(), &["--backend=dummy", "--no-midi-port"]);
    let mut running = Running(command.env("DISPLAY", &display).spawn().unwrap());
    std::thread::sleep(Duration::from_secs(3));
    assert!(
        running.0.try_wait().unwrap().is_none(),
        "the window is open"
    );
    // A slow machine may have opened none so far.
    assert!(ended_by(&mut running, || close_windows(&display)).success());
    assert!(home.path().join("data/tocco/standalone.json").exists());
}

#[test]
fn ctrl_c_ends_it_with_its_window_open_and_saves() {
    let Some((_screen, display)) = screen() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let mut command = tocco(home.path(), &["--backend=dummy", "--no-midi-port"]);
    command.env("DISPLAY", display);
    let mut running = Running(command.spawn().unwrap());
    std::thread::sleep(Duration::from_secs(3));
    assert!(
        running.0.try_wait().unwrap().is_none(),
        "the window is open"
    );
    assert!(interrupt(&mut running).success());
    assert!(home.path().join("data/tocco/standalone.json").exists());
}

/// A server of JACK called `name`, where it is installed.
fn jackd(name: &str) -> Option<Running> {
    // On a busy machine a server of less patience gives its clients up.
    let server = format!("--no-realtime -t 10000 -n {name} -d dummy -r 44100 -p 1024");
    let jackd = Command::new("jackd")
        .args(server.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(jackd) = jackd else {
        eprintln!("skipped: jackd is not installed, nothing was played");
        return None;
    };
    std::thread::sleep(Duration::from_secs(1));
    Some(Running(jackd))
}

#[test]
fn a_server_that_goes_is_a_fault_and_nothing_is_lost() {
    let Some(server) = jackd("tocco-test-gone") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let mut command = tocco(home.path(), &["--headless", "--backend=jack"]);
    command.env("JACK_DEFAULT_SERVER", "tocco-test-gone");
    let mut running = Running(command.spawn().unwrap());
    std::thread::sleep(Duration::from_secs(2));
    drop(server);
    assert_eq!(ended(&mut running).code(), Some(1));
    assert!(home.path().join("data/tocco/standalone.json").exists());
}

#[test]
fn played_to_by_jack_it_names_notes_at_the_servers_rate() {
    let Some(_jackd) = jackd("tocco-test") else {
        return;
    };
    let jack = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .env("JACK_DEFAULT_SERVER", "tocco-test")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let home = tempfile::tempdir().unwrap();
    let mut running = Running(
        tocco(home.path(), &["--headless"])
            .env("JACK_DEFAULT_SERVER", "tocco-test")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let (lines, heard) = mpsc::channel();
    let out = BufReader::new(running.0.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
    let _metronome = Running(jack("jack_metro", &["-b", "120"]));
    std::thread::sleep(Duration::from_secs(2));
    let ports = jack("jack_lsp", &[]).wait_with_output().unwrap();
    let ports = String::from_utf8_lossy(&ports.stdout).into_owned();
    let of = |words: &[&str]| {
        let found = ports
            .lines()
            .find(|port| words.iter().all(|w| port.contains(w)));
        found
            .unwrap_or_else(|| panic!("{words:?} in {ports}"))
            .to_owned()
    };
    let (from, to) = (of(&["metro", "120"]), of(&["tocco", "input_1"]));
    assert!(ports.contains("midi"), "a MIDI port: {ports}");
    assert!(
        jack("jack_connect", &[&from, &to])
            .wait()
            .unwrap()
            .success()
    );
    // Two beats a second: their distance tells the rate that Tocco takes the stream for.
    let mut seconds = Vec::new();
    let begin = Instant::now();
    while seconds.len() < 6 {
        let left = Duration::from_secs(20).saturating_sub(begin.elapsed());
        let line = heard.recv_timeout(left).expect("a line for each beat");
        println!("{line}");
        if let Some((at, _)) = line.split_once(" s  ")
            && !line.ends_with("amended")
        {
            seconds.push(at.trim().parse::<f64>().unwrap());
        }
    }
    let mut apart: Vec<f64> = seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
    apart.sort_by(f64::total_cmp);
    let median = apart[apart.len() / 2];
    assert!((median - 0.5).abs() < 0.01, "{seconds:?}");
    assert!(interrupt(&mut running).success());
    assert!(home.path().join("data/tocco/standalone.json").exists());
}
