//! The program of its own, as it is called: what it says, what it keeps, and how it ends.
//!
//! Where `jackd` is installed it is played to as well, by JACK's metronome; elsewhere that is left out.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
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
    command
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

/// Ends it as Ctrl-C does, and waits.
fn interrupt(running: &mut Running) -> std::process::ExitStatus {
    // SAFETY: the process is a child that was not waited for.
    unsafe { libc::kill(running.0.id() as i32, libc::SIGINT) };
    running.0.wait().unwrap()
}

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
        assert!(state::load(&params, &std::fs::read(&path).unwrap()));
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
fn ctrl_c_ends_it_with_its_window_open_and_saves() {
    let Ok(mut screen) = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x800x24"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
    else {
        eprintln!("Xvfb is not installed: no window was opened");
        return;
    };
    let mut number = String::new();
    let mut out = BufReader::new(screen.stdout.take().unwrap());
    out.read_line(&mut number).unwrap();
    let _screen = Running(screen);
    let home = tempfile::tempdir().unwrap();
    let mut command = tocco(home.path(), &["--backend=dummy", "--no-midi-port"]);
    command.env("DISPLAY", format!(":{}", number.trim()));
    let mut running = Running(command.spawn().unwrap());
    std::thread::sleep(Duration::from_secs(3));
    assert!(
        running.0.try_wait().unwrap().is_none(),
        "the window is open"
    );
    assert!(interrupt(&mut running).success());
    assert!(home.path().join("data/tocco/standalone.json").exists());
}

#[test]
fn played_to_by_jack_it_names_notes_at_the_servers_rate() {
    // On a busy machine a server of less patience gives its clients up.
    let server = "--no-realtime -t 10000 -n tocco-test -d dummy -r 44100 -p 1024";
    let jackd = Command::new("jackd")
        .args(server.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(jackd) = jackd else {
        eprintln!("jackd is not installed: nothing was played");
        return;
    };
    let _jackd = Running(jackd);
    let jack = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .env("JACK_DEFAULT_SERVER", "tocco-test")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    std::thread::sleep(Duration::from_secs(1));
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
