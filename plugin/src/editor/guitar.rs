//! Where each technique is played: a guitar from above, and the place on it.

use egui::epaint::Mesh;
use egui::{Color32, Painter, Rect, Shape, Stroke, pos2};

use super::palette::{BACKGROUND, FAINT, RAISED, TRACK};

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
    (0.09, 0.72, 0.12),
    (0.26, 0.91, 0.09),
    (0.45, 0.22, 0.10),
    (0.50, 0.50, 0.10),
    (0.71, 0.50, 0.08),
    (0.165, 0.50, 0.12),
    (0.225, 0.50, 0.08),
    (0.40, 0.50, 0.11),
];

/// Where `class` is played, in words; nothing for a class that there is not.
pub fn place(class: usize) -> &'static str {
    WHERE.get(class).copied().unwrap_or_default()
}

/// The body's ends, shares of the width.
const BODY: (f32, f32) = (0.01, 0.56);

/// Half of the body's width at `x`, both as shares, of the length and of the height.
fn outline(x: f32) -> f32 {
    // Two bouts, the larger one at the tail, melted into a waist.
    let bout = |middle: f32, length: f32, half: f32| {
        let along = (x - middle) / length;
        half * (1.0 - along * along).max(0.0).sqrt()
    };
    let (lower, upper) = (bout(0.195, 0.185, 0.47), bout(0.43, 0.13, 0.36));
    let waist = if (0.195..0.43).contains(&x) {
        0.29
    } else {
        0.0
    };
    let power = 8.0;
    (lower.powf(power) + upper.powf(power) + f32::powf(waist, power)).powf(1.0 / power)
}

/// Draws the guitar in `rect`, its neck to the right, with the place of `class` in `colour`.
pub fn draw(painter: &Painter, rect: Rect, class: Option<usize>, colour: Color32) {
    let at = |x: f32, y: f32| {
        pos2(
            rect.left() + x * rect.width(),
            rect.top() + y * rect.height(),
        )
    };
    let height = rect.height();
    let (mut body, steps) = (Mesh::default(), 72);
    let [mut upper, mut lower] = [Vec::new(), Vec::new()];
    for step in 0..=steps {
        let x = BODY.0 + (BODY.1 - BODY.0) * step as f32 / steps as f32;
        let half = outline(x);
        upper.push(at(x, 0.5 - half));
        lower.push(at(x, 0.5 + half));
        body.colored_vertex(at(x, 0.5 - half), TRACK);
        body.colored_vertex(at(x, 0.5 + half), TRACK);
        if step > 0 {
            let first = 2 * (step - 1);
            body.add_triangle(first, first + 1, first + 2);
            body.add_triangle(first + 1, first + 2, first + 3);
        }
    }
    painter.add(Shape::mesh(body));
    lower.reverse();
    upper.append(&mut lower);
    painter.add(Shape::closed_line(upper, Stroke::new(1.2, FAINT)));
    painter.circle_filled(at(0.40, 0.5), 0.14 * height, BACKGROUND);
    let neck = Rect::from_min_max(at(0.50, 0.43), at(0.92, 0.57));
    painter.rect_filled(neck, 1.0, RAISED);
    let head = Rect::from_min_max(at(0.92, 0.39), at(0.995, 0.61));
    painter.rect_filled(head, 2.0, RAISED);
    let fret = Stroke::new(0.7, FAINT.gamma_multiply(0.6));
    for number in 1..12 {
        // Each fret halves the string in twelve steps; the neck ends at the twelfth, and a half.
        let x = 0.92 - 0.78 * (1.0 - 0.5f32.powf(number as f32 / 12.0));
        painter.line_segment([at(x, 0.43), at(x, 0.57)], fret);
    }
    let bridge = Rect::from_min_max(at(0.145, 0.36), at(0.165, 0.64));
    painter.rect_filled(bridge, 1.0, FAINT);
    for string in 0..3 {
        let y = 0.465 + 0.035 * string as f32;
        painter.line_segment([at(0.155, y), at(0.93, y)], Stroke::new(0.7, FAINT));
    }
    if let Some((x, y, size)) = class.and_then(|class| PLACES.get(class)) {
        painter.circle_filled(at(*x, *y), size * height, colour.gamma_multiply(0.9));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_on_the_guitar() {
        for (class, (x, y, _)) in PLACES.iter().enumerate() {
            assert!(!place(class).is_empty());
            let on_body = (y - 0.5).abs() <= outline(*x) + 0.01;
            let on_neck = (0.50..0.92).contains(x) && (y - 0.5).abs() < 0.07;
            assert!(on_body || on_neck, "{class}");
        }
        assert_eq!(place(8), "");
    }
}
