//! A bounce answers in the block that has the features, real time never does so with a large
//! network: whichever came before, and though the host says the mode once for each activation.

use std::iter::repeat;

use tocco_bench::plugin_host::{MidiMessage, StreamFormat};
use tocco_bench::sound::Sound;
use tocco_bench::streaming::{self, Speed};

use crate::playing::{Bundled, PERFORMANCE, in_both_hosts};

in_both_hosts!(every_activation_runs_in_the_mode_it_was_told);

/// Seconds played each time.
const SECONDS: f64 = 2.0;

/// Where the first notes of the performance begin, by the plugin's number of the note.
fn positions<H: Bundled>(host: &mut H, sound: &Sound, offline: bool) -> Vec<u64> {
    let mut stream = host
        .activate(StreamFormat {
            offline,
            ..StreamFormat::PAPER
        })
        .unwrap();
    // A test machine is no sound card: at half the speed the classifier thread surely answers.
    let speed = if offline {
        Speed::Unpaced
    } else {
        Speed::Times(0.5)
    };
    let played = streaming::play(&mut stream, sound, repeat(64), speed).unwrap();
    host.deactivate(stream);
    let begins = played
        .midi
        .iter()
        .filter(|event| matches!(event.message, MidiMessage::NoteOn { .. }));
    begins.map(|event| event.position).collect()
}

fn every_activation_runs_in_the_mode_it_was_told<H: Bundled>() {
    let mut sound = PERFORMANCE.clone();
    let length = (SECONDS * f64::from(sound.sample_rate)) as usize;
    sound.channels[0].truncate(length);
    let mut host = H::fresh();
    // Model C is answered inline in any mode; A waits for the features as long as C does.
    host.set_text("Model", "c").unwrap();
    let inline = positions(&mut host, &sound, false);
    assert!(inline.len() >= 3, "{inline:?}");
    host.set_text("Model", "a").unwrap();
    for offline in [true, false, true, true, false] {
        let heard = positions(&mut host, &sound, offline);
        if offline {
            assert_eq!(heard, inline, "a bounce answers at once");
        } else {
            assert_eq!(heard.len(), inline.len());
            for (heard, inline) in heard.iter().zip(&inline) {
                assert!(heard > inline, "answered on the audio thread at {heard}");
            }
        }
    }
}
