//! Spikes in the sound where decisions arrive.
//!
//! Who records the guitar and the output side by side sees between a note's onset in the one and its spike in
//! the other what latency there is, converters and buffers included, without trusting what the plugin says of
//! itself.

use tocco_recognizer::classification::Classification;

/// What a spike adds to one sample of each channel, of full scale.
pub const HEIGHT: f32 = 0.5;

/// Decisions in one block; the longest block at the highest rate of onsets has fewer.
const MOST: usize = 128;

/// The spikes of a block. For the audio thread; nothing in it allocates.
#[derive(Debug)]
pub struct Spikes {
    offsets: [usize; MOST],
    count: usize,
}

impl Default for Spikes {
    fn default() -> Self {
        Self {
            offsets: [0; MOST],
            count: 0,
        }
    }
}

impl Spikes {
    /// There is to be one for `result`, `offset` samples into the block, if it is a first decision, whether it
    /// makes MIDI or not. Real-time safe.
    pub fn mark(&mut self, result: &Classification, offset: usize) {
        if result.is_second() {
            return;
        }
        if let Some(place) = self.offsets.get_mut(self.count) {
            *place = offset;
            self.count += 1;
        }
    }

    /// Adds the spikes to the block; without any it is not touched. They are forgotten then. Real-time safe.
    pub fn add_to<C: AsMut<[f32]>>(&mut self, channels: &mut [C]) {
        let count = std::mem::take(&mut self.count);
        for offset in self.offsets.iter().take(count) {
            for channel in channels.iter_mut() {
                if let Some(sample) = channel.as_mut().get_mut(*offset) {
                    *sample += HEIGHT;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocco_recognizer::classification::Decision;

    #[test]
    fn a_first_decision_is_one_sample_in_every_channel() {
        let mut spikes = Spikes::default();
        let first = Classification::numbered(1);
        assert!(first.gated, "one that makes no MIDI has its spike, too");
        let second = Classification {
            decision: Decision::Second {
                was: 0,
                was_gated: false,
            },
            ..first
        };
        spikes.mark(&first, 3);
        spikes.mark(&second, 5);
        spikes.mark(&first, 7);
        spikes.mark(&first, 8); // beyond the end
        let mut block = [vec![0.25; 8], vec![-0.25; 8]];
        spikes.add_to(&mut block);
        let [left, right] = &block;
        for (index, (left, right)) in left.iter().zip(right).enumerate() {
            let spike = if [3, 7].contains(&index) { HEIGHT } else { 0.0 };
            assert_eq!((*left, *right), (0.25 + spike, -0.25 + spike), "{index}");
        }
        // The next block has none, and no bit of it changes.
        let odd = [-0.0, f32::NAN, f32::from_bits(1), f32::INFINITY];
        let mut block = [odd];
        spikes.add_to(&mut block);
        assert_eq!(block[0].map(f32::to_bits), odd.map(f32::to_bits));
    }

    #[test]
    fn more_than_there_is_room_for_are_left_out() {
        let mut spikes = Spikes::default();
        for offset in 0..MOST + 2 {
            spikes.mark(&Classification::numbered(0), offset);
        }
        let mut block = [vec![0.0; MOST + 2]];
        spikes.add_to(&mut block);
        assert_eq!(block[0].iter().filter(|s| **s == HEIGHT).count(), MOST);
    }
}
