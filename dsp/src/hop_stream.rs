//! Host audio to hops: mono, finite, at the analysis rate, whatever the host's blocks are.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

use crate::downmix::{Downmix, InputChoice};
use crate::{HOP, SAMPLE_RATE};

/// Length of the resampling filter in samples of the slower of the two rates.
///
/// Half of it is the delay, so this weighs delay against quality: 64 costs 0.73 ms at 44.1 kHz
/// (half a hop), and leaves the band up to 20 kHz, or 19 kHz from faster hosts, as it is within
/// 0.01 dB (measured in this crate's `tests/resampling.rs`). The plugin has about 6 ms to spare:
/// its deadline is 20 ms (paper, section 3.2), its features are there 13 ms after the onset.
const FILTER_LENGTH: usize = 64;

/// Where the filter ends for hosts below 48 kHz, relative to their Nyquist frequency: from 44.1 kHz
/// just at the analysis rate's own, 24 kHz.
///
/// A common resampler ends below 1, so that nothing is left above the host's Nyquist frequency.
/// But the features take logarithms, and the networks have never met an empty band: at 44.1 kHz a
/// hole from 22 to 24 kHz renames every third note. Ending later lets the mirror image of the
/// band just below (20 to 22 kHz) fill the hole, at about the level that a recording at 48 kHz has
/// there (on real playing 22 to 24 kHz lies 3 to 9 dB under 18 to 21 kHz).
const UPSAMPLING_CUTOFF: f64 = 48_000.0 / 44_100.0;

/// From this ratio to 48 kHz on a faster host's filter ends where the resampler likes. Nearer to it, such as at
/// the 48,048 Hz of film, that would leave the hole that [`UPSAMPLING_CUTOFF`] is against.
const FAR_ABOVE: f64 = 1.25;

/// Filter phases stored per input sample; positions in between are interpolated by a cubic.
const PHASES: usize = 128;

/// Cuts a host's audio into hops of [`HOP`] samples at [`SAMPLE_RATE`].
///
/// Channels become one by [`InputChoice`]: they are averaged unless
/// [`choose_input`](Self::choose_input) says otherwise; more than two always are. Samples that are
/// not finite become 0, all others are clamped to ±[`FULL_SCALE_LIMIT`](Self::FULL_SCALE_LIMIT), so that no sample value whatever can do lasting
/// harm further on. At a host rate of 48 kHz samples pass unchanged otherwise. At other rates they
/// are resampled in steps of one hop counted from the start of the stream: the hops depend on the
/// samples alone, never on the host's blocks. What lies before the first sample, under the filter's first
/// half, is what follows it turned about that sample, so that a tone goes on as it began: silence there
/// would make a rise of every stream that begins in sound.
///
/// ```
/// use tocco_dsp::HopStream;
///
/// let mut stream = HopStream::new(48_000.0)?;
/// let (left, right) = ([0.5; 100], [0.0; 100]);
/// let mut hops = Vec::new();
/// stream.push(&[&left, &right], |hop, end| hops.push((hop[0], end.block_offset)));
/// assert_eq!(hops, [(0.25, 63)]);
/// # Ok::<(), tocco_dsp::HopStreamError>(())
/// ```
pub struct HopStream {
    resampler: Option<Async<f32>>,
    run_in: RunIn,
    clock: StreamClock,
    /// See [`latency`](Self::latency).
    latency: f64,
    /// Host samples of the hop in progress: the only side, or the first of two.
    input: Vec<f32>,
    /// The second side, where there are two.
    other: Vec<f32>,
    /// Whether any sample of the hop in progress came with a second side.
    two_sided: bool,
    downmix: Downmix,
    /// How many of `input` are there, and how many make a hop.
    filled: usize,
    needed: usize,
    host_position: u64,
    analysis_position: u64,
}

/// The first samples of a stream that is resampled, kept until what they are like can be heard before them.
struct RunIn {
    /// Both sides; never longer than `length + 1`.
    samples: Vec<[f32; 2]>,
    /// Samples before the first one; 0 where nothing is resampled.
    length: usize,
    /// Hops that begin before the first sample, and how many of them are still to come.
    hops: usize,
    hops_left: usize,
    /// Whether all of it is done.
    over: bool,
}

impl RunIn {
    /// Allocates.
    fn new(length: usize, hops: usize) -> Self {
        let mut run_in = Self {
            samples: Vec::with_capacity(length + 1),
            length,
            hops,
            hops_left: 0,
            over: false,
        };
        run_in.reset();
        run_in
    }

    fn reset(&mut self) {
        self.samples.clear();
        self.hops_left = self.hops;
        self.over = self.length == 0;
    }
}

/// When a hop was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HopEnd {
    /// Analysis samples since the start of the stream, this hop included.
    pub analysis: u64,
    /// Host samples since the start of the stream that it took to complete this hop. At rates
    /// other than 48 kHz this is later than the hop's last sample by the resampler's delay.
    pub host: u64,
    /// Index in the current block of the last of these host samples: the earliest place in the
    /// block for an event that results from this hop.
    pub block_offset: usize,
}

/// Why a stream could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HopStreamError {
    /// The host runs at a rate that is not supported.
    #[error(
        "host sample rate: expected {} to {} Hz, found {found}; choose another rate in the host",
        HopStream::MINIMUM_HOST_RATE,
        HopStream::MAXIMUM_HOST_RATE
    )]
    HostRate {
        /// The rate given, Hz.
        found: f64,
    },
    /// The resampler refused the conversion.
    #[error(
        "resampling from {host_rate} Hz to 48000 Hz: {reason}; choose another rate in the host"
    )]
    Resampler {
        /// The host's rate, Hz.
        host_rate: f64,
        /// What the resampler said.
        reason: String,
    },
}

impl HopStream {
    /// Lowest host rate, Hz.
    pub const MINIMUM_HOST_RATE: f64 = 8_000.0;
    /// Highest host rate, Hz.
    pub const MAXIMUM_HOST_RATE: f64 = 192_000.0;
    /// Samples are clamped to plus and minus this, +24 dB full scale: beyond any real signal, and
    /// small enough for every sum of squares.
    pub const FULL_SCALE_LIMIT: f32 = 16.0;

    /// A stream at position 0 for a host running at `host_rate` Hz. Allocates.
    ///
    /// # Errors
    /// [`HopStreamError`] when the rate lies outside
    /// [`MINIMUM_HOST_RATE`](Self::MINIMUM_HOST_RATE) to
    /// [`MAXIMUM_HOST_RATE`](Self::MAXIMUM_HOST_RATE) or is not a number.
    pub fn new(host_rate: f64) -> Result<Self, HopStreamError> {
        if !(Self::MINIMUM_HOST_RATE..=Self::MAXIMUM_HOST_RATE).contains(&host_rate) {
            return Err(HopStreamError::HostRate { found: host_rate });
        }
        let analysis_rate = f64::from(SAMPLE_RATE);
        let step = host_rate / analysis_rate;
        if host_rate == analysis_rate {
            return Ok(Self {
                resampler: None,
                run_in: RunIn::new(0, 0),
                clock: StreamClock { step, origin: 0.0 },
                latency: 0.0,
                input: vec![0.0; HOP],
                other: vec![0.0; HOP],
                two_sided: false,
                downmix: Downmix::new(InputChoice::Sum, HOPS_PER_SECOND),
                filled: 0,
                needed: HOP,
                host_position: 0,
                analysis_position: 0,
            });
        }

        // The filter is a multiple of 8 long, as the resampler would make it.
        let length = (FILTER_LENGTH as f64 * step.max(1.0)).round() as usize;
        let length = length.next_multiple_of(8);
        // For faster hosts the cutoff is left to the resampler: the highest one that puts the
        // window's first sidelobe at the slower rate's Nyquist frequency.
        let mut parameters = SincInterpolationParameters::new(length, WindowFunction::Blackman)
            .oversampling_factor(PHASES)
            .interpolation(SincInterpolationType::Cubic);
        if step < FAR_ABOVE {
            let cutoff = UPSAMPLING_CUTOFF.min((1.0 / step).max(1.0));
            parameters = parameters.f_cutoff(cutoff as f32);
        }
        // A fixed output of one hop: rubato says how many inputs it needs for the next one.
        let resampler = Async::new_sinc(1.0 / step, 1.0, &parameters, HOP, 1, FixedAsync::Output)
            .map_err(|error| HopStreamError::Resampler {
            host_rate,
            reason: error.to_string(),
        })?;
        let needed = resampler.input_frames_next();
        // Output sample n is the filter's centre at step (n + 1) - length / 2, and rubato's phases lie one
        // phase late (verified in `tests/resampling.rs`). In the first hop that is given out the
        // centre is at the first sample, and what lies under the filter's first half is known.
        let half = length as f64 / 2.0;
        let centre = |hops: usize| step * (hops * HOP + 1) as f64 - half;
        let hops = (1..).find(|hops| centre(*hops) >= half).unwrap_or(1);
        let before = centre(hops).floor();
        Ok(Self {
            clock: StreamClock {
                step,
                origin: centre(hops) - before + 1.0 / PHASES as f64,
            },
            latency: half - 1.0 / PHASES as f64,
            run_in: RunIn::new(before as usize, hops),
            input: vec![0.0; resampler.input_frames_max().max(needed)],
            other: vec![0.0; resampler.input_frames_max().max(needed)],
            two_sided: false,
            downmix: Downmix::new(InputChoice::Sum, HOPS_PER_SECOND),
            filled: 0,
            needed,
            resampler: Some(resampler),
            host_position: 0,
            analysis_position: 0,
        })
    }

    /// Takes the next block, channels of equal length (the shortest counts), any number of
    /// samples, and calls `on_hop` for each hop that it completes.
    ///
    /// Real-time safe as far as `on_hop` is.
    pub fn push<C: AsRef<[f32]>>(
        &mut self,
        channels: &[C],
        mut on_hop: impl FnMut(&[f32; HOP], HopEnd),
    ) {
        let frames = channels.iter().map(|c| c.as_ref().len()).min().unwrap_or(0);
        for frame in 0..frames {
            let sides = match channels {
                [left, right] => {
                    self.two_sided = true;
                    [left, right].map(|side| sane(side.as_ref()[frame]))
                }
                _ => [mono(channels, frame); 2],
            };
            self.host_position += 1;
            if let Some(hop) = self.take(sides) {
                let end = HopEnd {
                    analysis: self.analysis_position,
                    host: self.host_position,
                    block_offset: frame,
                };
                on_hop(&hop, end);
            }
        }
    }

    /// Takes the next sample of both sides; the hop that it completes, if it does.
    fn take(&mut self, sides: [f32; 2]) -> Option<[f32; HOP]> {
        if self.run_in.over {
            return self.fill(sides);
        }
        // There is room: see `RunIn::new`.
        self.run_in.samples.push(sides);
        if self.run_in.samples.len() <= self.run_in.length {
            return None;
        }
        self.run_in.over = true;
        // Whether there are two sides is asked, and forgotten, with each hop.
        let two_sided = self.two_sided;
        let mut completed = None;
        let length = self.run_in.length;
        let begin = self.run_in.samples[0];
        for at in (1..=length).rev() {
            let after = self.run_in.samples[at];
            self.two_sided = two_sided;
            let before = [0, 1].map(|side| sane(2.0 * begin[side] - after[side]));
            completed = self.fill(before).or(completed);
        }
        for at in 0..=length {
            self.two_sided = two_sided;
            completed = self.fill(self.run_in.samples[at]).or(completed);
        }
        completed
    }

    /// Takes the next sample of both sides for the resampler.
    fn fill(&mut self, [left, right]: [f32; 2]) -> Option<[f32; HOP]> {
        self.input[self.filled] = left;
        self.other[self.filled] = right;
        self.filled += 1;
        if self.filled < self.needed {
            return None;
        }
        let hop = self.complete_hop();
        if self.run_in.hops_left > 0 {
            self.run_in.hops_left -= 1;
            return None;
        }
        self.analysis_position += HOP as u64;
        Some(hop)
    }

    fn complete_hop(&mut self) -> [f32; HOP] {
        let mut hop = [0.0; HOP];
        if std::mem::take(&mut self.two_sided) {
            let (left, right) = (&mut self.input[..self.needed], &self.other[..self.needed]);
            self.downmix.mix(left, right);
        }
        if let Some(resampler) = &mut self.resampler {
            let done = InterleavedSlice::new(&self.input, 1, self.needed)
                .and_then(|input| Ok((input, InterleavedSlice::new_mut(&mut hop, 1, HOP)?)))
                .is_ok_and(|(input, mut output)| {
                    resampler
                        .process_into_buffer(&input, &mut output, None)
                        .is_ok()
                });
            // Lengths and channels are right by construction; in a release build a surprise here
            // would be a silent hop rather than a dead host.
            debug_assert!(done);
            self.needed = resampler.input_frames_next();
        } else {
            hop.copy_from_slice(&self.input[..HOP]);
        }
        self.filled = 0;
        hop
    }

    /// The way from its positions to those of the host. Real-time safe.
    #[inline]
    pub fn clock(&self) -> StreamClock {
        self.clock
    }

    /// How long after a hop's last sample the hop is complete, in host samples: 0 at 48 kHz, half
    /// the resampling filter otherwise. Real-time safe.
    pub fn latency(&self) -> f64 {
        self.latency
    }

    /// What is heard of two channels, from the hop in progress on. Real-time safe.
    pub fn choose_input(&mut self, choice: InputChoice) {
        self.downmix.choose(choice);
    }

    /// Starts anew at position 0 as if nothing had been heard. Real-time safe.
    pub fn reset(&mut self) {
        self.downmix.reset();
        self.run_in.reset();
        self.two_sided = false;
        self.filled = 0;
        self.host_position = 0;
        self.analysis_position = 0;
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
            self.needed = resampler.input_frames_next();
        }
    }
}

/// From positions in the analysis to positions in the host's stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamClock {
    /// Host samples per analysis sample.
    step: f64,
    /// Position of analysis sample 0 in host samples, less than one step.
    origin: f64,
}

impl StreamClock {
    /// Where analysis sample `analysis` sounded, in host samples since the start of the stream,
    /// rounded. Real-time safe.
    #[inline]
    pub fn host_position(self, analysis: u64) -> u64 {
        (self.origin + analysis as f64 * self.step).round() as u64
    }

    /// The analysis sample nearest to host sample `host`: the inverse of
    /// [`host_position`](Self::host_position). Real-time safe.
    #[inline]
    pub fn analysis_position(self, host: u64) -> u64 {
        ((host as f64 - self.origin) / self.step).round() as u64
    }

    /// How many host samples `analysis` samples last, rounded. Real-time safe.
    #[inline]
    pub fn host_span(self, analysis: u64) -> u64 {
        (analysis as f64 * self.step).round() as u64
    }
}

/// Hops in a second.
const HOPS_PER_SECOND: f64 = SAMPLE_RATE as f64 / HOP as f64;

/// A sample that can do no lasting harm.
fn sane(sample: f32) -> f32 {
    if sample.is_finite() {
        sample.clamp(-HopStream::FULL_SCALE_LIMIT, HopStream::FULL_SCALE_LIMIT)
    } else {
        0.0
    }
}

/// The mean of all channels.
fn mono<C: AsRef<[f32]>>(channels: &[C], frame: usize) -> f32 {
    let sum: f32 = channels.iter().map(|c| sane(c.as_ref()[frame])).sum();
    sum / channels.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::white_noise::white_noise;
    use proptest::prelude::*;

    const RATES: [f64; 9] = [
        8_000.0, 22_050.0, 44_056.9, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0,
    ];

    /// All hops and their ends, the block offset made a position.
    fn hops(
        stream: &mut HopStream,
        input: &[f32],
        blocks: &[usize],
    ) -> Vec<([u32; HOP], u64, u64)> {
        let mut result = Vec::new();
        let (mut start, mut sizes) = (0, blocks.iter().cycle());
        while start < input.len() {
            let size = *sizes.next().unwrap();
            let block = &input[start..(start + size).min(input.len())];
            stream.push(&[block], |hop, end| {
                assert!(end.block_offset < block.len());
                assert_eq!(end.host, (start + end.block_offset + 1) as u64);
                result.push((hop.map(f32::to_bits), end.analysis, end.host));
            });
            start += block.len();
        }
        result
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn hops_do_not_depend_on_the_blocks(
            rate in proptest::sample::select(&RATES),
            blocks in proptest::collection::vec(1usize..9000, 1..6),
        ) {
            let input = white_noise(20_000, 1.0);
            let whole = hops(&mut HopStream::new(rate).unwrap(), &input, &[input.len()]);
            prop_assert!(whole.len() > 20);
            let mut stream = HopStream::new(rate).unwrap();
            prop_assert_eq!(&hops(&mut stream, &input, &blocks), &whole);
            stream.reset();
            prop_assert_eq!(&hops(&mut stream, &input, &[1]), &whole, "after a reset");
        }

        #[test]
        fn every_rate_keeps_its_positions(rate in 8_000.0..192_000.0f64, host in 0u64..1 << 40) {
            let stream = HopStream::new(rate).unwrap();
            let there = stream.clock().analysis_position(host);
            let back = stream.clock().host_position(there);
            // Nearest analysis sample and back: half an analysis sample off, and rounding.
            prop_assert!(back.abs_diff(host) as f64 <= stream.clock().step / 2.0 + 0.5);
        }

        #[test]
        fn any_bits_become_finite_bounded_samples(bits in proptest::collection::vec(any::<u32>(), 512)) {
            let samples: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            for rate in [44_100.0, 48_000.0] {
                HopStream::new(rate).unwrap().push(&[&samples], |hop, _| {
                    for sample in hop {
                        // The filter can overshoot its input, by less than a factor of 4.
                        assert!(sample.abs() <= 4.0 * HopStream::FULL_SCALE_LIMIT);
                    }
                });
            }
        }
    }

    #[test]
    fn at_48_khz_samples_pass_bit_for_bit() {
        let input = white_noise(48_000, 1.0);
        let mut stream = HopStream::new(48_000.0).unwrap();
        let mut output = Vec::new();
        stream.push(&[&input], |hop, end| {
            output.extend_from_slice(hop);
            assert_eq!(end.analysis, end.host);
            assert_eq!(end.block_offset as u64 + 1, end.host);
        });
        assert_eq!(output, input);
        assert_eq!(stream.latency(), 0.0);
        assert_eq!(stream.clock().host_position(1234), 1234);
        assert_eq!(stream.clock().analysis_position(1234), 1234);
    }

    #[test]
    fn channels_are_averaged_and_bad_samples_are_silence() {
        let left = [f32::NAN; HOP];
        let right = [f32::NEG_INFINITY; HOP];
        let (centre, huge) = ([0.75; HOP], [-1e30; HOP]);
        let mut seen = Vec::new();
        let mut stream = HopStream::new(48_000.0).unwrap();
        stream.push(&[left, right, centre], |hop, _| seen.push(hop[0]));
        stream.push(&[huge], |hop, _| seen.push(hop[0]));
        stream.push(&[centre, centre], |hop, _| seen.push(hop[0]));
        assert_eq!(seen, [0.25, -HopStream::FULL_SCALE_LIMIT, 0.75]);
    }

    #[test]
    fn no_channels_and_empty_blocks_are_nothing() {
        let mut stream = HopStream::new(48_000.0).unwrap();
        stream.push::<&[f32]>(&[], |_, _| panic!("no hop"));
        stream.push(&[[0.0f32; 0]], |_, _| panic!("no hop"));
        // The channels' common part counts.
        stream.push(&[&[0.0; HOP][..], &[0.0; HOP - 1]], |_, _| panic!("no hop"));
        let mut hops = 0;
        stream.push(&[[0.0]], |_, _| hops += 1);
        assert_eq!(hops, 1);
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        for rate in [0.0, 7_999.0, 192_001.0, -48_000.0, f64::NAN, f64::INFINITY] {
            let error = HopStream::new(rate).err().expect("an error");
            assert!(error.to_string().contains("8000 to 192000 Hz"), "{error}");
        }
    }
}
