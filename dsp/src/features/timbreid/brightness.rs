//! `barkSpecBrightness`: the share of the upper Bark bands.

use super::bark_spectrum::SPACING;

/// Where the upper bands begin, in Bark (the plugin's setting).
const BOUNDARY: f64 = 8.5;

/// The sum of the bands from 8.5 Bark on over the sum of all, or -1 in silence (timbreID
/// `barkSpecBrightness~.c`). `bark_bands` is `[n_bands]`; a band counts from its lower corner.
///
/// Real-time safe.
pub(super) fn brightness(bark_bands: &[f64]) -> f32 {
    let (lower, upper) = bark_bands.split_at((BOUNDARY / SPACING) as usize);
    let [lower, upper] = [lower, upper].map(|bands| bands.iter().sum::<f64>());
    if lower + upper > 0.0 {
        (upper / (lower + upper)) as f32
    } else {
        -1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn band_18_is_the_first_upper_one() {
        let mut bands = [0.0; 50];
        bands[16] = 0.75;
        assert_eq!(brightness(&bands), 0.0);
        bands[17] = 0.25;
        assert_eq!(brightness(&bands), 0.25);
    }

    #[test]
    fn silence_has_none() {
        assert_eq!(brightness(&[0.0; 50]), -1.0);
    }
}
