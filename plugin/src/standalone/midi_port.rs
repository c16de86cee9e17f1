//! A MIDI port of our own that other programs connect to: nobody has to route MIDI out of anything.
//!
//! The audio thread puts messages into a queue. A thread of ours sends them within a millisecond: to
//! wake it would be a call of the system.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::thread::JoinHandle;
use std::time::Duration;

use midir::MidiOutput;
#[cfg(unix)]
use midir::os::unix::VirtualOutput;
use nice_plug::midi::{MidiResult, NoteEvent};
use rtrb::{Consumer, Producer, RingBuffer};

use super::StandaloneError;

/// Messages that may wait: more than the densest playing sends within a period.
const CAPACITY: usize = 4096;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(1);

/// Where the audio thread puts its notes.
pub struct MidiQueue(Producer<[u8; 3]>);

impl MidiQueue {
    /// Sends `event` by the port; what finds no room is lost. Real-time safe.
    pub fn send(&mut self, event: &NoteEvent<()>) {
        if let Some(MidiResult::Basic(message)) = event.as_midi() {
            let _ = self.0.push(message);
        }
    }
}

/// The port; it is closed when this is dropped.
pub struct MidiPort {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MidiPort {
    /// Opens one called `name`.
    ///
    /// # Errors
    /// When the system has none.
    #[cfg(unix)]
    pub fn open(name: &str) -> Result<(Self, MidiQueue), StandaloneError> {
        let fault = |reason: String| StandaloneError::MidiPort {
            name: name.to_owned(),
            reason,
        };
        let output = MidiOutput::new("Tocco").map_err(|error| fault(error.to_string()))?;
        let mut port = output
            .create_virtual(name)
            .map_err(|error| fault(error.to_string()))?;
        // A message that is too long cannot be: they have three bytes.
        Ok(Self::sending(move |message| {
            let _ = port.send(message);
        }))
    }

    /// Other systems let no program make one.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(unix))]
    pub fn open(name: &str) -> Result<(Self, MidiQueue), StandaloneError> {
        Err(StandaloneError::MidiPort {
            name: name.to_owned(),
            reason: "this system has none that a program could make".to_owned(),
        })
    }

    fn sending(mut send: impl FnMut(&[u8]) + Send + 'static) -> (Self, MidiQueue) {
        let (producer, mut consumer): (_, Consumer<[u8; 3]>) = RingBuffer::new(CAPACITY);
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            // The keys that are held, by channel and key.
            let mut held = BTreeSet::new();
            loop {
                let last = until.load(Acquire);
                while let Ok(message) = consumer.pop() {
                    let [status, key, velocity] = message;
                    let note = (status & 0x0f, key);
                    match status & 0xf0 {
                        0x90 if velocity > 0 => drop(held.insert(note)),
                        0x80 | 0x90 => drop(held.remove(&note)),
                        _ => {}
                    }
                    send(&message);
                }
                if last {
                    // Nobody else will.
                    for (channel, key) in held {
                        send(&[0x80 | channel, key, 0]);
                    }
                    return;
                }
                std::thread::sleep(PERIOD);
            }
        });
        let port = Self {
            over,
            thread: Some(thread),
        };
        (port, MidiQueue(producer))
    }
}

impl Drop for MidiPort {
    fn drop(&mut self) {
        self.over.store(true, Release);
        // A thread that failed has said so.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nice_plug::midi::{Channel, Key, VoiceID};
    use std::sync::Mutex;

    #[test]
    fn what_the_audio_thread_sends_arrives_in_order() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&sent);
        let (port, mut queue) = MidiPort::sending(move |message| {
            to.lock().unwrap().push(message.to_vec());
        });
        let (channel, key) = (Channel::Number(9), Key::Number(36));
        let on = NoteEvent::NoteOn {
            timing: 0,
            voice_id: VoiceID::Wildcard,
            channel,
            key,
            velocity: 1.0,
        };
        let off = NoteEvent::NoteOff {
            timing: 0,
            voice_id: VoiceID::Wildcard,
            channel,
            key,
            velocity: 0.0,
        };
        queue.send(&on);
        queue.send(&off);
        // What still sounds when the port is closed is ended.
        queue.send(&on);
        drop(port);
        let (on, off) = (vec![0x99, 36, 127], vec![0x89, 36, 0]);
        assert_eq!(*sent.lock().unwrap(), [on.clone(), off.clone(), on, off]);
    }
}
