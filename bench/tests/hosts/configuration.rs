//! What `tocco.toml` beside the bundle says, and OSC: notes out by a real socket, commands in.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use rosc::{OscMessage, OscPacket, OscType};
use tempfile::TempDir;
use tocco_bench::clap_host::ClapHost;
use tocco_bench::plugin_host::{MidiMessage, bundle_path};
use tocco_bench::vst3_host::{SushiHost, Vst3Host};
use tocco_corpus::Technique;

use crate::headless::{Format, Stage, in_all_hosts};
use crate::playing::Bundled;

in_all_hosts!(
    notes_are_sent_in_every_form,
    what_is_wrong_is_said_in_words,
    commands_are_taken,
    a_lesson_is_saved_and_found_again,
    a_lesson_is_recorded_for_the_trainer,
    the_hosts_state_wins,
    what_is_set_of_playing_is_there,
);

/// A copy of the bundle with a file beside it.
struct Installed {
    folder: TempDir,
}

impl Installed {
    fn with<H: Bundled>(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&bundle_path(H::FILE).unwrap(), &folder.path().join(H::FILE));
        fs::write(folder.path().join("tocco.toml"), configuration).unwrap();
        Self { folder }
    }

    /// An instance that names what it hears twice alike.
    fn steady<H: Bundled>(&self) -> H {
        let mut host = self.instance::<H>();
        host.set_text("Adapt while playing", "off").unwrap();
        host.set_text("Second decision", "off").unwrap();
        host.set_text("Reject foreign sounds", "off").unwrap();
        host
    }

    fn instance<H: Bundled>(&self) -> H {
        H::load(&self.folder.path().join(H::FILE)).unwrap()
    }

    fn file(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// What listens on the stage.
fn receiver() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// A port that nobody has.
fn free_port() -> u16 {
    receiver().1
}

/// All that came.
fn received(socket: &UdpSocket) -> Vec<OscPacket> {
    let mut bytes = [0; 2048];
    let mut packets = Vec::new();
    while let Ok(length) = socket.recv(&mut bytes) {
        let (rest, packet) = rosc::decoder::decode_udp(&bytes[..length]).unwrap();
        assert!(rest.is_empty());
        packets.push(packet);
    }
    packets
}

fn ask(port: u16, addr: &str, args: Vec<OscType>) {
    let packet = OscPacket::Message(OscMessage {
        addr: addr.to_owned(),
        args,
    });
    send(port, &rosc::encoder::encode(&packet).unwrap());
}

fn send(port: u16, bytes: &[u8]) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.send_to(bytes, (Ipv4Addr::LOCALHOST, port)).unwrap();
}

fn text(text: &str) -> OscType {
    OscType::String(text.to_owned())
}

fn float(argument: &OscType) -> f32 {
    match argument {
        OscType::Float(value) => *value,
        other => panic!("{other:?}"),
    }
}

/// The class that a packet names and its probability.
fn named(form: &str, packet: &OscPacket) -> (usize, f32) {
    let most = |probabilities: &[OscType]| {
        let probabilities: Vec<f32> = probabilities.iter().map(float).collect();
        assert_eq!(probabilities.len(), 8);
        let most = (0..8).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
        (most.unwrap(), probabilities[most.unwrap()])
    };
    match (form, packet) {
        ("best", OscPacket::Message(OscMessage { addr, args })) => {
            assert_eq!(addr, "/guitarClassifier/class");
            match args.as_slice() {
                [OscType::Int(class), probability] => (*class as usize, float(probability)),
                other => panic!("{other:?}"),
            }
        }
        ("all", OscPacket::Message(OscMessage { addr, args })) => {
            assert_eq!(addr, "/guitarClassifier/class");
            most(args)
        }
        ("bundle", OscPacket::Bundle(bundle)) => {
            let messages: Vec<(&str, &[OscType])> = (bundle.content.iter())
                .map(|packet| match packet {
                    OscPacket::Message(message) => (message.addr.as_str(), &message.args[..]),
                    other => panic!("{other:?}"),
                })
                .collect();
            let addresses = [
                "id",
                "decision",
                "onset",
                "technique",
                "probabilities",
                "latency",
                "gated",
            ];
            assert!(
                messages
                    .iter()
                    .map(|(a, _)| *a)
                    .eq(addresses.map(|a| format!("/tocco/{a}")))
            );
            assert_eq!(messages[1].1, [OscType::Int(1)]);
            let latency = float(&messages[5].1[0]);
            assert!((5.0..20.0).contains(&latency), "{latency} ms");
            assert_eq!(messages[6].1, [OscType::Int(0)]);
            let (class, probability) = most(messages[4].1);
            match messages[3].1 {
                [OscType::String(name), OscType::Int(number)] => {
                    assert_eq!(*number as usize, class);
                    assert_eq!(*name, tocco_dsp::Technique::ALL[class].label());
                }
                other => panic!("{other:?}"),
            }
            assert!(matches!(messages[2].1, [OscType::Double(onset)] if *onset > 0.0));
            (class, probability)
        }
        other => panic!("{other:?}"),
    }
}

fn notes_are_sent_in_every_form<H: Format>() {
    for form in ["best", "all", "bundle"] {
        let (socket, port) = receiver();
        let installed =
            Installed::with::<H>(&format!("[osc]\nsend-to = {port}\nform = \"{form}\"\n"));
        let mut stage = Stage::new(installed.steady::<H>());
        let mut keys = Vec::new();
        for (midi, _) in stage.play(|_| std::thread::sleep(Duration::from_micros(20))) {
            keys.extend(midi.iter().filter_map(|event| match event.message {
                MidiMessage::NoteOn { .. } => Some(usize::from(event.key)),
                _ => None,
            }));
        }
        let packets = received(&socket);
        let classes: Vec<usize> = packets
            .iter()
            .map(|packet| named(form, packet).0 + 36)
            .collect();
        assert!(keys.len() > 20, "{keys:?}");
        assert_eq!(classes, keys, "{form}");
        assert!(packets.iter().all(|packet| named(form, packet).1 > 0.125));
        // Bypassed it says nothing.
        stage.set("Bypass", 1.0);
        stage.play(|_| ());
        assert_eq!(received(&socket), []);
        stage.end();
    }
}

fn what_is_wrong_is_said_in_words<H: Format>() {
    let (_taken, port) = receiver();
    let installed = Installed::with::<H>(&format!(
        "modle = \"a\"\nmodel = \"c\"\n[osc]\nsend-to = \"stage.local:9000\"\nreceive-on = {port}\n\
         [lesson]\nload = [\"none.json\"]\n[log]\nfile = \"tocco.log\"\n"
    ));
    let mut stage = Stage::new(installed.steady::<H>());
    stage.until("Status", "listening, see log");
    assert_eq!(stage.text("Model"), "C");
    let log = installed.file("tocco.log");
    for words in [
        "tocco.toml, line 1: modle: there is no such field",
        "tocco.toml, line 4: osc.send-to: expected a port of this machine",
        "none.json: cannot be read",
        &format!("no commands are taken at 127.0.0.1:{port}"),
    ] {
        assert!(log.contains(words), "{words} is not in {log}");
    }
    // A model that cannot be loaded is in the log, too: the user's, the last one.
    stage.set("Model", 6.0);
    stage.until("Status", "another model, see log");
    assert!(installed.file("tocco.log").lines().count() > log.lines().count());
    stage.end();
}

fn commands_are_taken<H: Format>() {
    let port = free_port();
    let installed = Installed::with::<H>(&format!("[osc]\nreceive-on = {port}\n"));
    let mut stage = Stage::new(installed.steady::<H>());
    stage.until("Status", "listening");
    ask(port, "/tocco/teach", vec![text("Tom")]);
    stage.until("Teaching", "Tom");
    stage.play(|_| ());
    stage.until("Examples", "5");
    stage.until("Teaching", "none");
    ask(port, "/tocco/undo", vec![]);
    stage.until("Examples", "4");

    // Whatever else comes does no harm and changes nothing.
    for length in 0..600 {
        let noise: Vec<u8> = (0..length)
            .map(|i| ((i * i + length) % 251) as u8)
            .collect();
        send(port, &noise);
        // More than the plugin reads would be lost, with what comes behind it.
        if length % 8 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    send(port, &[b'/'; 60_000]);
    ask(port, "/tocco/teach", vec![text("Slap")]);
    ask(port, "/tocco/model", vec![text("../secret")]);
    stage.rest();
    assert_eq!(stage.text("Status"), "listening");
    assert_eq!(stage.text("Examples"), "4");
    assert_eq!(stage.text("Teaching"), "none");

    ask(port, "/tocco/use", vec![text("Kick"), OscType::Bool(false)]);
    stage.until("Use Kick", "Off");
    stage.probabilities_until("no kick", |p| p.iter().all(|p| p[0] == 0.0));
    assert_eq!(stage.text("Examples"), "4");
    assert_eq!(stage.text("Teaching"), "none");
    ask(port, "/tocco/use", vec![OscType::Int(0), OscType::Int(1)]);
    stage.until("Use Kick", "On");
    ask(port, "/tocco/forget", vec![]);
    stage.until("Examples", "0");
    ask(port, "/tocco/model", vec![text("c")]);
    stage.until("Model", "C");
    stage.rest();
    assert!(stage.probabilities().len() > 10);
    stage.end();
}

fn a_lesson_is_saved_and_found_again<H: Format>() {
    let installed = Installed::with::<H>("[lesson]\nsave = \"my lessons\"\n");
    let mut stage = Stage::new(installed.steady::<H>());
    stage.set("Use Kick", 0.0);
    stage.set("Teach", 3.0);
    stage.until("Teaching", "Tom");
    stage.play(|_| ());
    stage.until("Examples", "5");
    stage.until("Teaching", "none");
    stage.rest();
    stage.end();
    let profile = installed.file("my lessons/tocco.json");
    assert_eq!(profile.matches("\"label\":\"Tom\"").count(), 5);

    // The next one begins with it; a state that the host has says otherwise, and wins.
    let mut stage = Stage::new(installed.steady::<H>());
    stage.until("Examples", "5");
    assert_eq!(stage.text("Use Kick"), "Off");
    let mut other = H::fresh();
    let delivered = other.save_state().unwrap();
    stage.host.restore_state(&delivered).unwrap();
    stage.until("Examples", "0");
    stage.end();

    // What is forgotten is forgotten there, too.
    let mut stage = Stage::new(installed.steady::<H>());
    stage.until("Examples", "5");
    stage.set("Forget all", 1.0);
    stage.until("Examples", "0");
    stage.rest();
    stage.end();
    let mut stage = Stage::new(installed.steady::<H>());
    stage.rest();
    assert_eq!(stage.text("Examples"), "0");
    stage.end();
}

fn a_lesson_is_recorded_for_the_trainer<H: Format>() {
    let installed =
        Installed::with::<H>("[lesson]\nrecord = { folder = \"takes\", player = \"AnnAri\" }\n");
    let mut stage = Stage::new(installed.steady::<H>());
    // What is not taught is not kept.
    stage.rest();
    stage.set("Teach", 3.0);
    stage.until("Teaching", "Tom");
    // In real time: a file is written no faster than somebody plays. The lesson ends by itself.
    stage.play_until("Teaching", "none");
    stage.until("Examples", "5");
    stage.until("Teaching", "none");
    // Half a second later the take is over: what is undone is taken out of the file.
    let takes = installed.folder.path().join("takes");
    let both = || takes.read_dir().is_ok_and(|files| files.count() == 2);
    stage.until_seen("a recording and its labels", both);
    stage.set("Undo", 1.0);
    stage.until("Examples", "4");
    stage.end();

    let corpus = tocco_corpus::Corpus::scan(&takes).unwrap();
    let [take] = &corpus.takes[..] else {
        panic!("{:?}", corpus.takes);
    };
    assert_eq!(take.player, "AnnAri");
    assert_eq!(take.labels.len(), 4);
    assert!(
        take.labels
            .iter()
            .all(|note| note.technique == Technique::Tom)
    );
    // Heard again, the notes are where they were.
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tocco");
    let package = tocco_engines::ModelPackage::load(models).unwrap();
    let listener = tocco_corpus::Listener::of(&package).unwrap();
    let (_, found) = take.hear(&listener).unwrap();
    assert!(found.iter().all(Option::is_some), "{found:?}");
}

fn what_is_set_of_playing_is_there<H: Format>() {
    let installed = Installed::with::<H>(
        "[midi]\ncross-fire = 30\n[velocity]\nsoft = -40\nhard = -6.5\n\
         [control]\naxis = 30\naxis-to = \"tom\"\nsmoothing = 0\n[voices]\nlevel = -12\n\
         [technique.tom]\nsend = false\nchannel = 10\nlength = \"while it sounds\"\nhold = 70\n",
    );
    let mut host = installed.instance::<H>();
    for (name, text) in [
        ("Cross fire window", "30 ms"),
        ("Soft end", "-40.0"),
        ("Hard end", "-6.5"),
        ("CC axis", "CC 30"),
        ("Axis from", "Pick near bridge"),
        ("Axis to", "Tom"),
        ("CC smoothing", "0 ms"),
        ("Voices", "-12.0 dB"),
        ("Send Tom", "Off"),
        ("Send Kick", "On"),
        ("Channel Tom", "10"),
        ("Length Tom", "while it sounds"),
        ("Length Kick", "100 ms"),
        ("Hold Tom", "70 ms"),
    ] {
        assert_eq!(
            host.text(name).unwrap().trim_end_matches(" dB"),
            text.trim_end_matches(" dB")
        );
    }
    assert_eq!(host.text("Status").unwrap(), "not started");
}

fn the_hosts_state_wins<H: Format>() {
    let installed = Installed::with::<H>(
        "model = \"c\"\nengine = \"native-fixed\"\nuser-model = \"mine\"\n[midi]\nkick = 60\n",
    );
    let mut host = installed.instance::<H>();
    let told = |host: &mut H| ["Model", "Engine", "Note Kick"].map(|name| host.text(name).unwrap());
    assert_eq!(told(&mut host), ["C", "native-fixed", "C4"]);
    let mut other = H::fresh();
    let delivered = told(&mut other);
    host.restore_state(&other.save_state().unwrap()).unwrap();
    assert_eq!(told(&mut host), delivered);
    // Without a state the folder of the user's model is the file's.
    let mut stage = Stage::new(installed.steady::<H>());
    stage.set("Model", 6.0);
    stage.until("Status", "another model, see log");
    stage.end();
}

/// The foot switch as `docs/elk.md` maps it.
#[test]
fn the_foot_switch_of_the_archive_teaches() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/elk/config/lesson.json");
    let configuration: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mappings = configuration["midi"]["cc_mappings"].as_array().unwrap();
    let mut stage = Stage::new(SushiHost::steady());
    stage.until("Status", "listening");
    // The switch goes down, then up.
    let step = |stage: &mut Stage<SushiHost>, name: &str, end: &str| {
        let mapping = mappings
            .iter()
            .find(|m| m["parameter_name"] == name)
            .unwrap();
        let maximum = stage.parameter(name).maximum;
        stage.set(name, mapping[end].as_f64().unwrap() * maximum);
    };
    step(&mut stage, "Teach", "max_range");
    stage.until("Teaching", "Tom");
    stage.play(|_| ());
    stage.until("Examples", "5");
    step(&mut stage, "Teach", "min_range");
    stage.until("Teaching", "none");
    step(&mut stage, "Undo", "max_range");
    step(&mut stage, "Undo", "min_range");
    stage.until("Examples", "4");
    stage.end();
}
