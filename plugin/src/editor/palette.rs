//! The colours of the window.
//!
//! Those of the techniques are of Okabe and Ito, "Color Universal Design" (2008), which people with
//! every kind of colour vision can tell apart; their black, which a dark window has none of, is a
//! light grey. The same stand in bars, map, timeline and curve.

use egui::Color32;
use tocco_recognizer::classification::MAX_CLASSES;

pub const BACKGROUND: Color32 = Color32::from_rgb(0x17, 0x15, 0x13);
pub const PANEL: Color32 = Color32::from_rgb(0x22, 0x1f, 0x1c);
pub const TRACK: Color32 = Color32::from_rgb(0x2e, 0x2a, 0x26);
pub const RAISED: Color32 = Color32::from_rgb(0x3a, 0x35, 0x30);
pub const TEXT: Color32 = Color32::from_rgb(0xec, 0xe4, 0xd8);
pub const FAINT: Color32 = Color32::from_rgb(0xa8, 0x9e, 0x92);
pub const ACCENT: Color32 = Color32::from_rgb(0xe0, 0x9a, 0x4a);
pub const WARNING: Color32 = Color32::from_rgb(0xf0, 0x6a, 0x55);

/// Of each technique, in the order of the classes.
const TECHNIQUES: [Color32; MAX_CLASSES] = [
    Color32::from_rgb(0xd5, 0x5e, 0x00), // vermillion
    Color32::from_rgb(0xe6, 0x9f, 0x00), // orange
    Color32::from_rgb(0xf0, 0xe4, 0x42), // yellow
    Color32::from_rgb(0xcc, 0x79, 0xa7), // reddish purple
    Color32::from_rgb(0x56, 0xb4, 0xe9), // sky blue
    Color32::from_rgb(0x00, 0x9e, 0x73), // bluish green
    Color32::from_rgb(0x2f, 0x86, 0xc8), // blue, lighter than theirs: on a dark ground
    Color32::from_rgb(0xdd, 0xdd, 0xdd),
];

/// The colour of `class`.
pub fn of_class(class: usize) -> Color32 {
    TECHNIQUES[class % MAX_CLASSES]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linear light of a colour, red, green and blue.
    fn linear(colour: Color32) -> [f64; 3] {
        [colour.r(), colour.g(), colour.b()].map(|channel| {
            let channel = f64::from(channel) / 255.0;
            match channel <= 0.04045 {
                true => channel / 12.92,
                false => ((channel + 0.055) / 1.055).powf(2.4),
            }
        })
    }

    /// CIE L*a*b* of linear light, white D65.
    fn lab(linear: [f64; 3]) -> [f64; 3] {
        let row = |a: f64, b: f64, c: f64| a * linear[0] + b * linear[1] + c * linear[2];
        let f = |t: f64| match t > 0.008856 {
            true => t.cbrt(),
            false => 7.787 * t + 16.0 / 116.0,
        };
        let x = f(row(0.4124, 0.3576, 0.1805) / 0.9505);
        let y = f(row(0.2126, 0.7152, 0.0722));
        let z = f(row(0.0193, 0.1192, 0.9505) / 1.089);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// What is seen without one kind of cone: Machado, Oliveira and Fernandes 2009, severity 1.
    const SEEN: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    ];

    #[test]
    fn every_kind_of_eye_tells_the_techniques_apart_and_from_the_ground() {
        let mut colours: Vec<Color32> = TECHNIQUES.to_vec();
        colours.push(BACKGROUND);
        for (kind, seen) in SEEN.iter().enumerate() {
            let look = |colour: &Color32| {
                let light = linear(*colour);
                let row = |row: &[f64; 3]| row.iter().zip(light).map(|(a, b)| a * b).sum::<f64>();
                lab([row(&seen[0]), row(&seen[1]), row(&seen[2])].map(|x| x.clamp(0.0, 1.0)))
            };
            for (i, a) in colours.iter().enumerate() {
                for b in &colours[..i] {
                    let differences = look(a)
                        .into_iter()
                        .zip(look(b))
                        .map(|(a, b)| (a - b).powi(2));
                    let difference = differences.sum::<f64>().sqrt();
                    assert!(
                        difference > 9.0,
                        "{a:?} and {b:?}, kind {kind}: {difference}"
                    );
                }
            }
        }
    }
}
