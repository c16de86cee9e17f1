//! Real playing at other host rates. `tocco-recordings` says where the recordings are looked for. Without them
//! the test is skipped.

use std::iter::repeat;
use std::path::PathBuf;

use tocco_bench::clap_host::ClapHost;
use tocco_bench::plugin_host::PluginHost;
use tocco_bench::sound::Sound;
use tocco_recordings::shared_with;

use crate::playing::{Bundled, format, notes, play, resampled};

/// One recording in so many, by name: every player is among them.
const EVERY: usize = 5;

/// Some of the recordings; `None`, and a word about it, if they are not there.
pub fn recordings() -> Option<Vec<PathBuf>> {
    let crops = "recordings/crops";
    let entries = shared_with(&[crops])?.join(crops).read_dir().unwrap();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .collect();
    paths.sort();
    Some(paths.into_iter().step_by(EVERY).collect())
}

/// A host's rate must not decide what a note is called. Below 48 kHz the upper end of the spectrum
/// is an image of what lies under it (see `HopStream`), so a few notes may change their names.
#[test]
fn real_notes_keep_their_names_at_other_rates() {
    let Some(paths) = recordings() else { return };
    let sounds: Vec<Sound> = paths
        .iter()
        .map(|path| {
            let mut sound = Sound::read_wav(path).unwrap();
            sound.append_silence(0.25);
            sound
        })
        .collect();
    let at_other_rates = [44_100, 96_000].map(|rate| {
        let again: Vec<Sound> = sounds.iter().map(|sound| resampled(sound, rate)).collect();
        (rate, again)
    });
    for model in ["a", "b", "c"] {
        let mut host = ClapHost::fresh();
        host.set_text("Model", model).unwrap();
        let mut hear = |sound: &Sound| {
            let midi = play(&mut host, sound, format(sound, 64, true), repeat(64));
            let rate = f64::from(sound.sample_rate);
            let seconds = |(position, key): (u64, u8)| (position as f64 / rate, key);
            notes(&midi).into_iter().map(seconds).collect::<Vec<_>>()
        };
        let references: Vec<_> = sounds.iter().map(&mut hear).collect();
        for (rate, again) in &at_other_rates {
            let (mut there, mut same) = (0, 0);
            for (reference, again) in references.iter().zip(again) {
                let heard = hear(again);
                for (time, key) in reference {
                    let partner = heard.iter().find(|(other, _)| (time - other).abs() < 0.005);
                    there += usize::from(partner.is_some());
                    same += usize::from(partner.is_some_and(|(_, name)| name == key));
                }
            }
            println!("{rate} Hz, model {model}: {same} of {there} notes keep their names");
            assert!(there >= 40, "{there} notes are too few to tell");
            assert!(
                10 * same >= 9 * there,
                "{rate} Hz, model {model}: only {same} of {there} notes keep their names"
            );
        }
    }
}
