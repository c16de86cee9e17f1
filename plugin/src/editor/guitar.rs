//! Where each technique is played: a guitar from above, and the place on it.

use egui::{Color32, Painter, Rect, Stroke, pos2, vec2};

use super::palette::{FAINT, PANEL, TRACK};

/// Width to height of the drawing.
pub const ASPECT: f32 = 2.3;

/// What is done there, in words.
const WHERE: [&str; 8] = [
    "The palm on the lower body, below the bridge.",
    "Fingers on the lower side.",
    "The thumb on the upper body.",
    "Fingers on the muted strings at the end of the fingerboard.",
    "A finger of the fretting hand touches the string over a fret; pick.",
    "The palm rests on the strings at the bridge; pick.",
    "Pick close to the bridge.",
    "Pick over the sound hole: ordinary playing.",
];

/// The places, as shares of the drawing's width and height, and their size as a share of the height.
const PLACES: [(f32, f32, f32); 8] = [
    (0.10, 0.66, 0.13),
    (0.22, 0.97, 0.10),
    (0.36, 0.20, 0.10),
    (0.515, 0.50, 0.10),
    (0.76, 0.50, 0.08),
    (0.175, 0.50, 0.12),
    (0.235, 0.50, 0.08),
    (0.385, 0.50, 0.10),
];

/// Where `class` is played, in words; nothing for a class that there is not.
pub fn place(class: usize) -> &'static str {
    WHERE.get(class).copied().unwrap_or_default()
}

/// Draws the guitar in `rect`, its neck to the right, with the place of `class` in `colour`.
pub fn draw(painter: &Painter, rect: Rect, class: Option<usize>, colour: Color32) {
    let at = |x: f32, y: f32| {
        pos2(
            rect.left() + x * rect.width(),
            rect.top() + y * rect.height(),
        )
    };
    let (height, line) = (rect.height(), Stroke::new(1.0, FAINT));
    // The body: the outline of three circles, then its inside.
    for (grow, fill) in [(1.0, FAINT), (0.0, TRACK)] {
        for (x, radius) in [(0.19, 0.44), (0.42, 0.35)] {
            painter.circle_filled(at(x, 0.5), radius * height + grow, fill);
        }
        let waist = Rect::from_center_size(at(0.31, 0.5), vec2(0.16 * rect.width(), 0.62 * height));
        painter.rect_filled(waist.expand2(vec2(0.0, grow)), 0.0, fill);
    }
    let neck = Rect::from_min_max(at(0.50, 0.42), at(0.99, 0.58));
    painter.rect_filled(neck, 1.0, PANEL);
    for fret in 1..10 {
        let x = 0.99 - 0.49 * (1.0 - 0.94f32.powi(2 * fret)) / 0.68;
        painter.line_segment([at(x, 0.42), at(x, 0.58)], Stroke::new(1.0, TRACK));
    }
    painter.circle_filled(at(0.40, 0.5), 0.13 * height, PANEL);
    painter.rect_filled(Rect::from_min_max(at(0.155, 0.36), at(0.175, 0.64)), 1.0, FAINT);
    for string in 0..3 {
        let y = 0.46 + 0.04 * string as f32;
        painter.line_segment([at(0.165, y), at(0.99, y)], line);
    }
    if let Some((x, y, size)) = class.and_then(|class| PLACES.get(class)) {
        let y = y.min(0.92);
        painter.circle_filled(at(*x, y), size * height, colour.gamma_multiply(0.85));
    }
}
