//! Open Sound Control: notes out, commands in.
//!
//! ```text
//! audio thread -> Feed, a bounded queue -> thread "tocco-osc" -> UDP
//! UDP, loopback -> thread "tocco-osc" -> command -> Shared
//! ```
//!
//! Off when delivered: without a target nothing is sent, without a port nothing is bound, and without
//! either there is no thread. The audio thread cannot wake one, so the thread looks every
//! millisecond, which is what a note may come later by than in MIDI.

pub mod command;
pub mod message;
pub mod settings;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};
use tocco_recognizer::classification::Classification;

use crate::calibration::Command;
use crate::params;
use crate::service::Shared;
use command::{Asked, LARGEST};
use settings::{Form, OscSettings};

/// Notes that may wait: more than a second of the fastest playing.
const CAPACITY: usize = 256;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(1);

/// Packets that are read before notes are looked at again.
const PACKETS: usize = 16;

/// Commands that may wait for the service thread.
const WAITING: u64 = 64;

/// Time between two lines of the log about what is refused, or cannot be sent.
const SILENCE: Duration = Duration::from_secs(1);

/// Why there is no OSC.
#[derive(Debug, thiserror::Error)]
pub enum OscError {
    /// Nothing can be sent to such a target.
    #[error("OSC: nothing can be sent to {target}: {error}; check send-to in tocco.toml")]
    Target {
        /// The target.
        target: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The port is not to be had.
    #[error(
        "OSC: no commands are taken at 127.0.0.1:{port}: {error}; choose another port for \
         receive-on in tocco.toml, one for each instance"
    )]
    Port {
        /// The port.
        port: u16,
        /// Why not.
        error: std::io::Error,
    },
    /// The system gives no thread.
    #[error("OSC: there is no thread for it: {0}")]
    Thread(std::io::Error),
}

/// A note and the rate of its stream, Hz.
type Heard = (Classification, f64);

/// The audio thread's side, which ends the thread when it is dropped.
pub struct Osc {
    notes: Option<Producer<Heard>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Osc {
    /// Opens the sockets and starts the thread; nothing if all is off. What is not to be had is said,
    /// and the rest done. Not for the audio thread.
    #[must_use]
    pub fn start(settings: OscSettings, shared: &Arc<Shared>) -> (Option<Self>, Vec<OscError>) {
        let mut errors = Vec::new();
        if settings.is_off() {
            return (None, errors);
        }
        let mut or_told = |opened: Result<UdpSocket, OscError>| match opened {
            Ok(socket) => Some(socket),
            Err(error) => {
                errors.push(error);
                None
            }
        };
        let target = settings.target.and_then(|target| {
            let opened = sender(target).map_err(|error| OscError::Target { target, error });
            Some((or_told(opened)?, target))
        });
        let commands = settings.port.and_then(|port| {
            let opened = receiver(port).map_err(|error| OscError::Port { port, error });
            or_told(opened)
        });
        if target.is_none() && commands.is_none() {
            return (None, errors);
        }
        let (notes, waiting) = RingBuffer::new(CAPACITY);
        let stop = Arc::<AtomicBool>::default();
        let worker = Worker {
            shared: Arc::clone(shared),
            notes: waiting,
            form: settings.form,
            commands,
            stop: Arc::clone(&stop),
            last_line: None,
            unsaid: 0,
        };
        let notes = target.is_some().then_some(notes);
        let thread = std::thread::Builder::new().name("tocco-osc".to_owned());
        match thread.spawn(move || worker.run(target.as_ref())) {
            Ok(thread) => {
                let osc = Self {
                    notes,
                    stop,
                    thread: Some(thread),
                };
                (Some(osc), errors)
            }
            Err(error) => {
                errors.push(OscError::Thread(error));
                (None, errors)
            }
        }
    }

    /// Has a note told, if there is room for it. `host_rate` in Hz. For the audio thread; real-time
    /// safe.
    pub fn tell(&mut self, result: &Classification, host_rate: f64) {
        if let Some(notes) = &mut self.notes {
            // The thread that would empty it stands still.
            let _ = notes.push((*result, host_rate));
        }
    }
}

impl Drop for Osc {
    fn drop(&mut self) {
        self.stop.store(true, Release);
        if let Some(thread) = self.thread.take() {
            // It neither waits for the net nor for anybody longer than a lock is held.
            drop(thread.join());
        }
    }
}

/// Nothing is said on the way: whether the target can be reached shows with the first note. Towards
/// this machine nothing is open to others.
fn sender(target: SocketAddr) -> std::io::Result<UdpSocket> {
    let from: IpAddr = match (target.ip(), target.ip().is_loopback()) {
        (here, true) => here,
        (IpAddr::V4(_), false) => Ipv4Addr::UNSPECIFIED.into(),
        (IpAddr::V6(_), false) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((from, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn receiver(port: u16) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The thread's own things.
struct Worker {
    shared: Arc<Shared>,
    notes: Consumer<Heard>,
    form: Form,
    commands: Option<UdpSocket>,
    stop: Arc<AtomicBool>,
    /// When the log was written to.
    last_line: Option<Instant>,
    /// What was not written since.
    unsaid: u32,
}

impl Worker {
    fn run(mut self, target: Option<&(UdpSocket, SocketAddr)>) {
        while !self.stop.load(Acquire) {
            while let Ok((result, host_rate)) = self.notes.pop() {
                if let Some((socket, target)) = target {
                    self.send(socket, *target, &result, host_rate);
                }
            }
            self.receive();
            std::thread::sleep(PERIOD);
        }
    }

    fn send(
        &mut self,
        socket: &UdpSocket,
        target: SocketAddr,
        result: &Classification,
        host_rate: f64,
    ) {
        let technique = {
            let status = self.shared.status();
            let info = status.model(result.model);
            let label = info.and_then(|info| info.labels.get(result.class));
            label.cloned().unwrap_or_default()
        };
        let Some(packet) = message::packet(self.form, result, host_rate, &technique) else {
            return;
        };
        match rosc::encoder::encode(&packet) {
            Ok(bytes) => {
                if let Err(error) = socket.send_to(&bytes, target) {
                    self.say(&OscError::Target { target, error }.to_string());
                }
            }
            Err(error) => self.say(&format!("OSC: {error}")),
        }
    }

    fn receive(&mut self) {
        // One byte more: what fills it was larger.
        let mut bytes = [0; LARGEST + 1];
        for _ in 0..PACKETS {
            let Some(socket) = &self.commands else { return };
            // Nothing is there, or it is lost.
            let Ok((length, from)) = socket.recv_from(&mut bytes) else {
                return;
            };
            match command::parse(&bytes[..length]) {
                Ok(asked) => asked.into_iter().for_each(|asked| self.obey(asked)),
                Err(refusal) => {
                    self.say(&format!("OSC: a packet from {from} is refused: {refusal}"));
                }
            }
        }
    }

    fn obey(&mut self, asked: Asked) {
        let shared = &self.shared;
        if shared.commands_waiting() >= WAITING {
            self.say("OSC: a command is refused: too many at once");
            return;
        }
        match asked {
            Asked::Teach(class) => shared.calibrate(Command::Teach(class)),
            Asked::Undo => shared.calibrate(Command::Undo),
            Asked::ForgetAll => {
                shared.calibrate(Command::Teach(None));
                shared.calibrate(Command::Reset);
            }
            Asked::Use { class, used } => shared.calibrate(Command::Mask {
                class,
                masked: !used,
            }),
            Asked::Model(choice) => {
                params::set(&shared.params.model, choice);
                shared.params.unsaved.add_values();
            }
        }
    }

    /// Writes to the log, but not more than a line a second: anybody may send anything.
    fn say(&mut self, line: &str) {
        let now = Instant::now();
        if self.last_line.is_some_and(|last| now - last < SILENCE) {
            self.unsaid = self.unsaid.saturating_add(1);
            return;
        }
        match self.unsaid {
            0 => nice_plug::nice_warn!("{line}"),
            more => nice_plug::nice_warn!("{line} (and {more} more that were not said)"),
        }
        (self.last_line, self.unsaid) = (Some(now), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ToccoParams;

    #[test]
    fn without_a_target_and_a_port_there_is_nothing() {
        let shared = Arc::new(Shared::new(Arc::new(ToccoParams::default())));
        for form in [Form::Best, Form::All, Form::Bundle] {
            let off = OscSettings {
                form,
                ..OscSettings::default()
            };
            let (osc, errors) = Osc::start(off, &shared);
            assert!(osc.is_none() && errors.is_empty());
        }
        assert_eq!(Arc::strong_count(&shared), 1, "no thread has it");
    }
}
