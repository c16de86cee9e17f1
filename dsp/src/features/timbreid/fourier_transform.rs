//! The real Fourier transform of the window, in single precision with a fixed order of operations.
//!
//! Why not a library's: much of the cepstrum is the logarithm of faint bins, and in the reference
//! those carry the rounding errors that the loud bins leave behind in single precision. With
//! `realfft` the worst of the golden cepstra was off by 26 times the tolerance in double precision
//! and by 48 times in single precision. So this transform takes the steps that the reference's
//! library takes (FFTW 3.3 with `FFTW_ESTIMATE`, whose plan for 704 real samples is 2 x 8 x 4 x 11
//! by decimation in time) and rounds where it rounds. It follows that a window gives the same bits
//! whichever vector instructions a machine has.

use std::array;
use std::f64::consts::TAU;

use super::window::WINDOW;

/// Complex points: two neighbouring samples make one.
const HALF: usize = WINDOW / 2;
/// The length of the innermost transforms, and how many there are.
const PRIME: usize = 11;
const N_PRIME: usize = HALF / PRIME;
/// Then four of them are joined,
const FOUR: usize = 4;
const JOINED: usize = FOUR * PRIME;
/// and eight of those.
const EIGHT: usize = 8;

/// The bins from 0 hertz to half the sample rate.
pub(super) const N_BINS: usize = HALF + 1;

/// Real and imaginary parts side by side, so that neighbours can be computed together.
#[derive(Clone, Copy)]
struct Complex<const N: usize> {
    re: [f32; N],
    im: [f32; N],
}

impl<const N: usize> Complex<N> {
    const ZERO: Self = Self {
        re: [0.0; N],
        im: [0.0; N],
    };

    /// exp(i angle), rounded once.
    fn unit(angles: [f64; N]) -> Self {
        Self {
            re: angles.map(|angle| angle.cos() as f32),
            im: angles.map(|angle| angle.sin() as f32),
        }
    }

    fn combine(a: &Self, b: &Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        Self {
            re: array::from_fn(|i| operation(a.re[i], b.re[i])),
            im: array::from_fn(|i| operation(a.im[i], b.im[i])),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        Self::combine(self, other, |a, b| a + b)
    }

    fn minus(&self, other: &Self) -> Self {
        Self::combine(self, other, |a, b| a - b)
    }

    fn scaled(&self, factor: f32) -> Self {
        Self {
            re: self.re.map(|x| x * factor),
            im: self.im.map(|x| x * factor),
        }
    }

    /// The product with i.
    fn turned(&self) -> Self {
        Self {
            re: self.im.map(|x| -x),
            im: self.re,
        }
    }

    /// `self` times `w`.
    fn times(&self, w: &Self) -> Self {
        Self {
            re: array::from_fn(|i| w.re[i] * self.re[i] - w.im[i] * self.im[i]),
            im: array::from_fn(|i| w.re[i] * self.im[i] + w.im[i] * self.re[i]),
        }
    }

    /// `self` times the conjugate of `w`.
    fn times_conjugate(&self, w: &Self) -> Self {
        Self {
            re: array::from_fn(|i| w.re[i] * self.re[i] + w.im[i] * self.im[i]),
            im: array::from_fn(|i| w.re[i] * self.im[i] - w.im[i] * self.re[i]),
        }
    }

    fn add_scaled(&mut self, factor: f32, other: &Self) {
        for i in 0..N {
            self.re[i] += factor * other.re[i];
            self.im[i] += factor * other.im[i];
        }
    }
}

/// The transform with its tables of twiddle factors.
pub(super) struct FourierTransform {
    cosines: [[Term; PRIME / 2]; PRIME / 2],
    sines: [[Term; PRIME / 2]; PRIME / 2],
    /// By bin of the prime transform and branch but the first, the same for all eight lanes.
    joining_four: [[Complex<EIGHT>; FOUR - 1]; PRIME],
    /// By branch but the first, for all bins.
    joining_eight: [Complex<JOINED>; EIGHT - 1],
    splitting: Complex<N_PAIRS>,
}

/// A factor and the pair of points, from 0, that it belongs to.
type Term = (usize, f32);

/// The bins of the half-length transform that are split together with their mirror images: all but
/// the first and the middle one.
const N_PAIRS: usize = HALF / 2 - 1;

impl FourierTransform {
    /// Tabulates the twiddle factors.
    pub(super) fn new() -> Self {
        let pairs: [usize; PRIME / 2] = array::from_fn(|pair| pair);
        let angle = |bin: usize, pair: usize| TAU * ((bin + 1) * (pair + 1)) as f64 / PRIME as f64;
        let unit = |branch: usize| {
            Complex::unit(array::from_fn(|bin| {
                TAU * (branch * bin) as f64 / HALF as f64
            }))
        };
        // The reference keeps three factors and multiplies the others from them, rounding twice.
        let [first, third, seventh] = [1, 3, 7].map(unit);
        let second = third.times_conjugate(&first);
        let factors = [
            first,
            second,
            third,
            third.times(&first),
            seventh.times_conjugate(&second),
            seventh.times_conjugate(&first),
            seventh,
        ];
        Self {
            cosines: pairs.map(|bin| cosine_terms(pairs.map(|pair| angle(bin, pair).cos() as f32))),
            sines: pairs.map(|bin| sine_terms(pairs.map(|pair| angle(bin, pair).sin() as f32))),
            joining_four: array::from_fn(|bin| {
                array::from_fn(|branch| {
                    Complex::unit([TAU * (bin * (branch + 1)) as f64 / JOINED as f64; EIGHT])
                })
            }),
            joining_eight: factors,
            splitting: Complex::unit(array::from_fn(|i| TAU * (i + 1) as f64 / WINDOW as f64)),
        }
    }

    /// The real and imaginary parts of the bins of `samples`. Real-time safe.
    pub(super) fn compute(&self, samples: &[f32; WINDOW]) -> [[f32; N_BINS]; 2] {
        self.split(&self.join_eight(&self.join_four(&self.prime(samples))))
    }

    /// Transforms of every 32nd complex point: bins of lanes.
    fn prime(&self, samples: &[f32; WINDOW]) -> [Complex<N_PRIME>; PRIME] {
        let points: [Complex<N_PRIME>; PRIME] = array::from_fn(|row| Complex {
            re: array::from_fn(|lane| samples[2 * (row * N_PRIME + lane)]),
            im: array::from_fn(|lane| samples[2 * (row * N_PRIME + lane) + 1]),
        });
        let sums: [_; PRIME / 2] =
            array::from_fn(|pair| points[pair + 1].plus(&points[PRIME - 1 - pair]));
        let differences: [_; PRIME / 2] =
            array::from_fn(|pair| points[PRIME - 1 - pair].minus(&points[pair + 1]));

        let [earlier @ .., last] = &sums;
        let total = earlier
            .iter()
            .rev()
            .fold(*last, |sum, next| next.plus(&sum));
        let mut bins = [Complex::ZERO; PRIME];
        bins[0] = points[0].plus(&total);
        for (bin, (cosines, sines)) in self.cosines.iter().zip(&self.sines).enumerate() {
            let mut even = points[0];
            for &(pair, factor) in cosines {
                even.add_scaled(factor, &sums[pair]);
            }
            let mut odd = Complex::ZERO;
            for &(pair, factor) in sines {
                odd.add_scaled(factor, &differences[pair]);
            }
            let odd = odd.turned();
            bins[bin + 1] = even.plus(&odd);
            bins[PRIME - 1 - bin] = even.minus(&odd);
        }
        bins
    }

    /// Joins lanes that are eight apart: lanes of bins.
    fn join_four(&self, rows: &[Complex<N_PRIME>; PRIME]) -> [Complex<JOINED>; EIGHT] {
        let mut joined = [Complex::ZERO; EIGHT];
        for (bin, (row, factors)) in rows.iter().zip(&self.joining_four).enumerate() {
            let lanes = |branch: usize| Complex::<EIGHT> {
                re: array::from_fn(|lane| row.re[EIGHT * branch + lane]),
                im: array::from_fn(|lane| row.im[EIGHT * branch + lane]),
            };
            let branch = |branch: usize| lanes(branch).times_conjugate(&factors[branch - 1]);
            let (zeroth, first, second, third) = (lanes(0), branch(1), branch(2), branch(3));
            let (sum, difference) = (zeroth.plus(&second), zeroth.minus(&second));
            let odd_sum = first.plus(&third);
            let odd_difference = first.minus(&third).turned();
            let quarters = [
                sum.plus(&odd_sum),
                difference.minus(&odd_difference),
                sum.minus(&odd_sum),
                difference.plus(&odd_difference),
            ];
            for (quarter, lanes) in quarters.iter().enumerate() {
                for (lane, joined) in joined.iter_mut().enumerate() {
                    joined.re[PRIME * quarter + bin] = lanes.re[lane];
                    joined.im[PRIME * quarter + bin] = lanes.im[lane];
                }
            }
        }
        joined
    }

    /// Joins the eight lanes: the bins of the complex transform by eighth.
    fn join_eight(&self, lanes: &[Complex<JOINED>; EIGHT]) -> [Complex<JOINED>; EIGHT] {
        let lane = |lane: usize| lanes[lane].times_conjugate(&self.joining_eight[lane - 1]);
        let (zeroth, fourth) = (lanes[0], lane(4));
        let (second, sixth) = (lane(2), lane(6));
        let (first, fifth) = (lane(1), lane(5));
        let (third, seventh) = (lane(3), lane(7));

        let (sum_04, sum_26) = (zeroth.plus(&fourth), second.plus(&sixth));
        let (sum_15, sum_73) = (first.plus(&fifth), seventh.plus(&third));
        let (even, odd) = (sum_04.plus(&sum_26), sum_15.plus(&sum_73));
        let (cross, turned) = (sum_04.minus(&sum_26), sum_73.minus(&sum_15).turned());

        let (difference_04, difference_26) = (zeroth.minus(&fourth), second.minus(&sixth));
        let (difference_15, difference_73) = (first.minus(&fifth), seventh.minus(&third));
        let diagonal = std::f32::consts::FRAC_1_SQRT_2;
        let near = difference_15.plus(&difference_73).scaled(diagonal);
        let far = difference_73.minus(&difference_15).scaled(diagonal);
        let (plus, minus) = (difference_04.plus(&near), difference_04.minus(&near));
        let (inner, outer) = (
            far.minus(&difference_26).turned(),
            difference_26.plus(&far).turned(),
        );

        [
            even.plus(&odd),
            plus.plus(&inner),
            cross.plus(&turned),
            minus.plus(&outer),
            even.minus(&odd),
            minus.minus(&outer),
            cross.minus(&turned),
            plus.minus(&inner),
        ]
    }

    /// Splits the transform of even samples plus i times odd ones, given by eighth, into the bins
    /// of all samples.
    fn split(&self, eighths: &[Complex<JOINED>; EIGHT]) -> [[f32; N_BINS]; 2] {
        let re = |bin: usize| eighths[bin / JOINED].re[bin % JOINED];
        let im = |bin: usize| eighths[bin / JOINED].im[bin % JOINED];
        let lower = Complex::<N_PAIRS> {
            re: array::from_fn(|i| re(i + 1)),
            im: array::from_fn(|i| im(i + 1)),
        };
        let upper_conjugate = Complex::<N_PAIRS> {
            re: array::from_fn(|i| re(HALF - 1 - i)),
            im: array::from_fn(|i| -im(HALF - 1 - i)),
        };
        let sum = lower.plus(&upper_conjugate);
        let difference = upper_conjugate
            .minus(&lower)
            .turned()
            .times_conjugate(&self.splitting);
        let (lower, upper) = (
            sum.plus(&difference).scaled(0.5),
            sum.minus(&difference).scaled(0.5),
        );

        let mut bins = [[0.0; N_BINS]; 2];
        for i in 0..N_PAIRS {
            bins[0][i + 1] = lower.re[i];
            bins[1][i + 1] = lower.im[i];
            bins[0][HALF - 1 - i] = upper.re[i];
            bins[1][HALF - 1 - i] = -upper.im[i];
        }
        bins[0][0] = re(0) + im(0);
        bins[0][HALF] = re(0) - im(0);
        bins[0][HALF / 2] = re(HALF / 2);
        bins[1][HALF / 2] = -im(HALF / 2);
        bins
    }
}

/// The order in which the reference adds: negative factors rising, then positive ones falling.
fn cosine_terms<const N: usize>(factors: [f32; N]) -> [Term; N] {
    let terms = |negative: bool| {
        let terms = factors.into_iter().enumerate();
        terms.filter(move |(_, factor)| factor.is_sign_negative() == negative)
    };
    let mut positive: Vec<_> = terms(false).collect();
    positive.reverse();
    let terms: Vec<_> = terms(true).chain(positive).collect();
    terms.try_into().expect("every factor has a sign")
}

/// The same, except that the last positive factor comes first.
fn sine_terms<const N: usize>(factors: [f32; N]) -> [Term; N] {
    let mut terms = cosine_terms(factors);
    let negative = factors
        .iter()
        .filter(|factor| factor.is_sign_negative())
        .count();
    terms[..=negative].rotate_right(1);
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bin_is_the_sum_that_defines_it() {
        let mut state = 7_u32;
        let samples: [f32; WINDOW] = array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        });
        let [re, im] = FourierTransform::new().compute(&samples);
        for bin in 0..N_BINS {
            let angle = |i: usize| TAU * (i * bin % WINDOW) as f64 / WINDOW as f64;
            let sum = |part: fn(f64) -> f64| -> f64 {
                let terms = samples.iter().enumerate();
                terms.map(|(i, &x)| f64::from(x) * part(angle(i))).sum()
            };
            let error = (f64::from(re[bin]) - sum(f64::cos)).abs();
            let error = error.max((f64::from(im[bin]) + sum(f64::sin)).abs());
            assert!(error < 1e-5, "bin {bin}: off by {error}");
        }
    }

    #[test]
    fn terms_are_added_in_the_order_of_the_reference() {
        let factors = [0.4, -0.7, 0.8, -0.1, 0.9];
        let pairs = |terms: [Term; 5]| terms.map(|(pair, _)| pair);
        assert_eq!(pairs(cosine_terms(factors)), [1, 3, 4, 2, 0]);
        assert_eq!(pairs(sine_terms(factors)), [4, 1, 3, 2, 0]);
        assert_eq!(cosine_terms(factors)[0], (1, -0.7));
    }
}
