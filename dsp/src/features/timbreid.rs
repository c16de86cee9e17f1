//! The features of the paper's plugin, computed together from one window.

mod attack_time;
mod bark_spectrum;
mod bfcc;
mod brightness;
mod cepstrum;
mod cosine_transform;
mod filterbank;
mod fourier_transform;
mod inner_product;
mod mfcc;
mod peak_sample;
mod scale;
mod spectrum;
mod window;
mod zero_crossing;

use std::collections::HashMap;
use std::fmt;

use attack_time::attack_time_ms;
use bark_spectrum::BarkSpectrum;
use bfcc::Bfcc;
use brightness::brightness;
use cepstrum::Cepstrum;
use mfcc::Mfcc;
use peak_sample::{Peak, peak_sample};
use spectrum::Spectrum;
use zero_crossing::zero_crossings;

use super::{FeatureError, Preset};
pub(super) use window::WINDOW;

/// One number of the feature vector. Numbers within a kind count from 0, in names from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    AttackTime,
    Brightness,
    BarkSpectrum(usize),
    Bfcc(usize),
    Cepstrum(usize),
    Mfcc(usize),
    PeakValue,
    PeakIndex,
    ZeroCrossing,
}

/// The names of the reference's CSV header.
impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttackTime => f.write_str("attackTime_value"),
            Self::Brightness => f.write_str("barkSpecBrightness"),
            Self::BarkSpectrum(i) => write!(f, "barkSpec_{}", i + 1),
            Self::Bfcc(i) => write!(f, "bfcc_{}", i + 1),
            Self::Cepstrum(i) => write!(f, "cepstrum_{}", i + 1),
            Self::Mfcc(i) => write!(f, "mfcc_{}", i + 1),
            Self::PeakValue => f.write_str("peakSample_value"),
            Self::PeakIndex => f.write_str("peakSample_index"),
            Self::ZeroCrossing => f.write_str("zeroCrossing"),
        }
    }
}

/// All features with filterbanks for `sample_rate` hertz, in the order of the reference's CSV.
pub(super) fn features(sample_rate: f64) -> impl Iterator<Item = Feature> {
    let n_bark = bark_spectrum::SCALE.n_bands(sample_rate);
    let n_mel = mfcc::SCALE.n_bands(sample_rate);
    [Feature::AttackTime, Feature::Brightness]
        .into_iter()
        .chain((0..n_bark).map(Feature::BarkSpectrum))
        .chain((0..n_bark).map(Feature::Bfcc))
        .chain((0..cepstrum::N_COEFFICIENTS).map(Feature::Cepstrum))
        .chain((0..n_mel).map(Feature::Mfcc))
        .chain([
            Feature::PeakValue,
            Feature::PeakIndex,
            Feature::ZeroCrossing,
        ])
}

/// What [`features`] has, in words.
pub(super) fn name_ranges(sample_rate: f64) -> String {
    let n_bark = bark_spectrum::SCALE.n_bands(sample_rate);
    format!(
        "attackTime_value, barkSpecBrightness, barkSpec_1 to {n_bark}, bfcc_1 to {n_bark}, \
         cepstrum_1 to {}, mfcc_1 to {}, peakSample_value, peakSample_index, zeroCrossing",
        cepstrum::N_COEFFICIENTS,
        mfcc::SCALE.n_bands(sample_rate),
    )
}

/// The features of one preset. Intermediate results that no selected feature needs are skipped.
pub(super) struct Timbreid {
    features: Vec<Feature>,
    needs: Needs,
    spectrum: Spectrum,
    bark_spectrum: BarkSpectrum,
    bfcc: Bfcc,
    cepstrum: Cepstrum,
    mfcc: Mfcc,
}

/// Which intermediate results the selected features are made from.
#[derive(Debug, Clone, Copy)]
struct Needs {
    spectrum: bool,
    bark_spectrum: bool,
    cepstrum: bool,
    mel_spectrum: bool,
    peak: bool,
}

impl Needs {
    fn of(features: &[Feature]) -> Self {
        let any = |needed: fn(&Feature) -> bool| features.iter().any(needed);
        let bark_spectrum = any(|feature| {
            use Feature::{BarkSpectrum, Bfcc, Brightness};
            matches!(feature, Brightness | BarkSpectrum(_) | Bfcc(_))
        });
        let cepstrum = any(|feature| matches!(feature, Feature::Cepstrum(_)));
        let mel_spectrum = any(|feature| matches!(feature, Feature::Mfcc(_)));
        Self {
            spectrum: bark_spectrum || cepstrum || mel_spectrum,
            bark_spectrum,
            cepstrum,
            mel_spectrum,
            peak: any(|feature| matches!(feature, Feature::PeakValue | Feature::PeakIndex)),
        }
    }
}

impl Timbreid {
    /// The samples needed, the window's included: the attack time looks back furthest.
    pub(super) const HISTORY: usize = attack_time::HISTORY;

    /// Prepares the features `names`, which must be names of `preset`. Allocates.
    ///
    /// `sample_rate` in hertz is what its filterbanks are built for.
    pub(super) fn new(
        preset: Preset,
        sample_rate: f64,
        names: &[String],
    ) -> Result<Self, FeatureError> {
        let available: HashMap<String, Feature> = features(sample_rate)
            .map(|feature| (feature.to_string(), feature))
            .collect();
        let find = |(index, name): (usize, &String)| {
            let feature = available.get(name).copied();
            feature.ok_or_else(|| FeatureError::UnknownFeature {
                preset,
                name: name.clone(),
                index,
            })
        };
        let features: Vec<Feature> = names
            .iter()
            .enumerate()
            .map(find)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            needs: Needs::of(&features),
            features,
            spectrum: Spectrum::new(),
            bark_spectrum: BarkSpectrum::new(sample_rate),
            bfcc: Bfcc::new(sample_rate),
            cepstrum: Cepstrum::new(),
            mfcc: Mfcc::new(sample_rate),
        })
    }

    /// Computes the selected features of `history`, `[HISTORY]` samples, the newest last.
    ///
    /// Real-time safe.
    pub(super) fn extract(&mut self, history: &[f32], out: &mut [f32]) {
        let window = &history[history.len() - WINDOW..];
        if self.needs.spectrum {
            self.spectrum.compute(window);
        }
        let magnitudes = self.spectrum.magnitudes();
        if self.needs.bark_spectrum {
            self.bark_spectrum.compute(magnitudes);
        }
        if self.needs.cepstrum {
            self.cepstrum.compute(magnitudes);
        }
        if self.needs.mel_spectrum {
            self.mfcc.compute(magnitudes);
        }
        let peak = if self.needs.peak {
            peak_sample(window)
        } else {
            Peak::default()
        };
        let bark_bands = self.bark_spectrum.bands();
        for (out, feature) in out.iter_mut().zip(&self.features) {
            *out = match *feature {
                Feature::AttackTime => attack_time_ms(history),
                Feature::Brightness => brightness(bark_bands),
                Feature::BarkSpectrum(band) => bark_bands[band] as f32,
                Feature::Bfcc(i) => self.bfcc.coefficient(i, bark_bands),
                Feature::Cepstrum(i) => self.cepstrum.coefficient(i),
                Feature::Mfcc(i) => self.mfcc.coefficient(i),
                Feature::PeakValue => peak.value,
                Feature::PeakIndex => peak.index as f32,
                Feature::ZeroCrossing => zero_crossings(window) as f32,
            };
        }
    }
}
