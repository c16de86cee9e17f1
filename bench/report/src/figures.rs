//! Drawings: bars in groups, bars on top of each other, spokes. As SVG that needs nothing else and
//! takes the colours of a light or a dark page.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Text and lines: becomes the page's own colour.
const INK: RGBColor = RGBColor(1, 2, 3);

/// Width of all drawings.
const WIDTH: u32 = 960;

/// Where the axes begin.
const LEFT: i32 = 84;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A value with its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// The height.
    pub value: f64,
    /// The standard deviation, where there is one.
    pub deviation: Option<f64>,
}

/// The bars of one colour, one for each group; none where there is no value.
pub struct Series {
    /// Name of an engine, or what the legend says.
    pub name: String,
    /// One of [`colour`].
    pub colour: RGBColor,
    /// A bar of each group, or a word instead of it.
    pub bars: Vec<Result<Bar, &'static str>>,
}

/// The colour of an engine: told apart on white and on black.
pub fn colour(engine: &str) -> RGBColor {
    match engine {
        "native" => RGBColor(0xd9, 0x6a, 0x1d),
        "native-fixed" => RGBColor(0xc9, 0xa2, 0x27),
        "onnx" => RGBColor(0x3a, 0x86, 0xd8),
        "litert" => RGBColor(0x3d, 0x9b, 0x57),
        "torch" => RGBColor(0xb5, 0x54, 0xa8),
        _ => RGBColor(0x80, 0x80, 0x88),
    }
}

/// Bars in groups over a logarithmic axis, each with its value above it.
///
/// # Errors
/// When the drawing fails.
pub fn grouped(title: &str, axis: &str, groups: &[String], series: &[Series]) -> Result<String> {
    const HEIGHT: u32 = 430;
    const TOP: i32 = 84;
    const BOTTOM: i32 = 380;
    draw(HEIGHT, |area| {
        let bars = series
            .iter()
            .flat_map(|series| series.bars.iter().flatten());
        let (low, high) = decades(bars);
        let y = |value: f64| {
            let share = (value.log10() - low) / (high - low);
            BOTTOM - (share.clamp(0.0, 1.0) * f64::from(BOTTOM - TOP)) as i32
        };
        heading(area, title)?;
        legend(
            area,
            series.iter().map(|series| (&*series.name, series.colour)),
        )?;
        for decade in low as i32..=high as i32 {
            let value = 10_f64.powi(decade);
            grid(area, y(value), &short(value))?;
        }
        axis_title(area, axis, (TOP + BOTTOM) / 2)?;
        let right = WIDTH as i32 - 16;
        let group_width = f64::from(right - LEFT) / groups.len().max(1) as f64;
        let bar_width = group_width * 0.86 / series.len().max(1) as f64;
        for (g, group) in groups.iter().enumerate() {
            let left = f64::from(LEFT) + group_width * (g as f64 + 0.07);
            for (s, series) in series.iter().enumerate() {
                let x = (left + bar_width * s as f64) as i32;
                let width = bar_width as i32;
                let middle = x + width / 2;
                match series.bars.get(g).copied().unwrap_or(Err("")) {
                    Ok(bar) => {
                        let top = y(bar.value);
                        rectangle(area, [x + 1, top, x + width - 1, BOTTOM], series.colour)?;
                        let mut above = top;
                        if let Some(deviation) = bar.deviation {
                            let ends = [bar.value - deviation, bar.value + deviation];
                            let ends = ends.map(|end| y(end.max(10_f64.powf(low))));
                            above = ends[1];
                            line(area, [(middle, ends[0]), (middle, ends[1])], 1.0)?;
                            for end in ends {
                                line(area, [(middle - 3, end), (middle + 3, end)], 1.0)?;
                            }
                        }
                        let place = (middle, above - 4);
                        text(
                            area,
                            &short(bar.value),
                            place,
                            12,
                            HPos::Center,
                            VPos::Bottom,
                        )?;
                    }
                    Err(word) => upwards(area, word, (middle, BOTTOM - 4))?,
                }
            }
            let middle = (left + group_width * 0.43) as i32;
            text(
                area,
                group,
                (middle, BOTTOM + 10),
                15,
                HPos::Center,
                VPos::Top,
            )?;
        }
        line(area, [(LEFT, BOTTOM), (right, BOTTOM)], 1.0)
    })
}

/// Exponents of the whole decades, at most [`MOST_DECADES`], that a logarithmic axis for `bars` has. A bar
/// of nothing, as an answer in the very callback that asked, stands at its foot.
fn decades<'a>(bars: impl Iterator<Item = &'a Bar>) -> (f64, f64) {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for bar in bars.filter(|bar| bar.value > 0.0) {
        least = least.min(bar.value);
        most = most.max(bar.value + bar.deviation.unwrap_or(0.0));
    }
    if !(least.is_finite() && most.is_finite()) {
        return (0.0, 1.0);
    }
    let high = most.log10().ceil();
    let low = least.log10().floor().max(high - MOST_DECADES);
    (low, high.max(low + 1.0))
}

/// More cannot be told apart.
const MOST_DECADES: f64 = 12.0;

/// A bar of two parts.
pub struct Stack {
    /// Stands below it.
    pub name: String,
    /// Name of the engine, for the colour.
    pub engine: &'static str,
    /// The lighter part at the bottom and the other one, or a word instead of both.
    pub parts: Result<[f64; 2], &'static str>,
}

/// Bars of two parts in groups, over a linear axis that ends at `limit`; what is longer is cut off
/// and says so.
///
/// # Errors
/// When the drawing fails.
pub fn stacked(
    title: &str,
    axis: &str,
    limit: f64,
    groups: &[(String, Vec<Stack>)],
) -> Result<String> {
    const HEIGHT: u32 = 450;
    const TOP: i32 = 84;
    const BOTTOM: i32 = 370;
    draw(HEIGHT, |area| {
        let y = |value: f64| BOTTOM - (value.min(limit) / limit * f64::from(BOTTOM - TOP)) as i32;
        heading(area, title)?;
        let engines = groups.first().map(|group| &group.1[..]).unwrap_or_default();
        legend(
            area,
            engines
                .iter()
                .map(|stack| (stack.engine, colour(stack.engine))),
        )?;
        for i in 0..=4 {
            let value = limit * f64::from(i) / 4.0;
            grid(area, y(value), &short(value))?;
        }
        axis_title(area, axis, (TOP + BOTTOM) / 2)?;
        let right = WIDTH as i32 - 16;
        let group_width = f64::from(right - LEFT) / groups.len().max(1) as f64;
        for (g, (group, stacks)) in groups.iter().enumerate() {
            let left = f64::from(LEFT) + group_width * (g as f64 + 0.05);
            let bar_width = group_width * 0.9 / stacks.len().max(1) as f64;
            for (s, stack) in stacks.iter().enumerate() {
                let x = (left + bar_width * s as f64) as i32;
                let (first, last) = (x + 6, x + bar_width as i32 - 6);
                let middle = (first + last) / 2;
                match stack.parts {
                    Ok([lower, upper]) => {
                        let total = lower + upper;
                        let colour = colour(stack.engine);
                        let light = colour.mix(0.45);
                        rectangle(area, [first, y(lower), last, BOTTOM], light)?;
                        rectangle(area, [first, y(total), last, y(lower)], colour)?;
                        let cut = if total > limit { " ↑" } else { "" };
                        let label = format!("{}{cut}", short(total));
                        let place = (middle, y(total) - 4);
                        text(area, &label, place, 14, HPos::Center, VPos::Bottom)?;
                    }
                    Err(word) => upwards(area, word, (middle, BOTTOM - 4))?,
                }
                text(
                    area,
                    &stack.name,
                    (middle, BOTTOM + 6),
                    11,
                    HPos::Center,
                    VPos::Top,
                )?;
            }
            let middle = (left + group_width * 0.45) as i32;
            text(
                area,
                group,
                (middle, BOTTOM + 28),
                15,
                HPos::Center,
                VPos::Top,
            )?;
        }
        line(area, [(LEFT, BOTTOM), (right, BOTTOM)], 1.0)
    })
}

/// Scores of one engine from 0 to 10, on spokes from the top, clockwise.
pub struct Spokes {
    /// Stands above.
    pub name: String,
    /// For the colour of `today`.
    pub engine: &'static str,
    /// The paper's scores.
    pub paper: [f64; 4],
    /// Ours, of those that can be measured.
    pub today: [Option<f64>; 4],
}

/// A figure of spokes for each engine, beside each other.
///
/// # Errors
/// When the drawing fails.
pub fn spokes(title: &str, labels: [&str; 4], engines: &[Spokes]) -> Result<String> {
    const HEIGHT: u32 = 370;
    const RADIUS: f64 = 74.0;
    const MIDDLE: i32 = 225;
    draw(HEIGHT, |area| {
        heading(area, title)?;
        let grey = colour("");
        text(
            area,
            "grey: the paper's score, 2022; colour: measured here",
            (LEFT, 48),
            14,
            HPos::Left,
            VPos::Center,
        )?;
        let width = f64::from(WIDTH) / engines.len().max(1) as f64;
        for (i, engine) in engines.iter().enumerate() {
            let x = (width * (i as f64 + 0.5)) as i32;
            let point = |spoke: usize, score: f64| {
                let length = score / 10.0 * RADIUS;
                let (dx, dy) = [(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)][spoke];
                (x + (dx * length) as i32, MIDDLE + (dy * length) as i32)
            };
            text(area, &engine.name, (x, 96), 16, HPos::Center, VPos::Center)?;
            for spoke in 0..4 {
                line(area, [(x, MIDDLE), point(spoke, 10.0)], 0.35)?;
            }
            for ring in [5.0, 10.0] {
                for spoke in 0..4 {
                    line(
                        area,
                        [point(spoke, ring), point((spoke + 1) % 4, ring)],
                        0.18,
                    )?;
                }
            }
            let corners: Vec<_> = (0..4)
                .map(|spoke| point(spoke, engine.paper[spoke]))
                .collect();
            area.draw(&Polygon::new(corners.clone(), grey.mix(0.35)))
                .map_err(failed)?;
            let outline = corners.iter().copied().chain([corners[0]]);
            area.draw(&PathElement::new(
                outline.collect::<Vec<_>>(),
                grey.stroke_width(2),
            ))
            .map_err(failed)?;
            for (spoke, score) in engine.today.iter().enumerate() {
                if let Some(score) = score {
                    let style = colour(engine.engine);
                    let ends = vec![(x, MIDDLE), point(spoke, *score)];
                    area.draw(&PathElement::new(ends, style.stroke_width(4)))
                        .map_err(failed)?;
                    area.draw(&Circle::new(point(spoke, *score), 5, style.filled()))
                        .map_err(failed)?;
                }
            }
            for (spoke, label) in labels.iter().enumerate() {
                let (px, py) = point(spoke, 10.0);
                let score = |score: f64| format!("{}", (score * 100.0).round() / 100.0);
                let today = engine.today[spoke].map(|s| format!(" | {}", score(s)));
                let numbers = format!(
                    "{}{}",
                    score(engine.paper[spoke]),
                    today.unwrap_or_default()
                );
                let (place, h) = match spoke {
                    0 => ((px, py - 30), HPos::Center),
                    1 => ((px, py - 62), HPos::Center),
                    2 => ((px, py + 14), HPos::Center),
                    _ => ((px, py - 62), HPos::Center),
                };
                text(area, label, place, 14, h, VPos::Center)?;
                text(area, &numbers, (place.0, place.1 + 16), 14, h, VPos::Center)?;
            }
        }
        Ok(())
    })
}

/// Draws on an area and returns the `svg` element, in the colours of the page.
fn draw(height: u32, content: impl FnOnce(&Area) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        content(&area)?;
        area.present().map_err(failed)?;
    }
    let start = svg
        .find("<svg")
        .ok_or_else(|| anyhow!("the drawing has no svg element"))?;
    let svg = svg[start..].replace("#010203", "currentColor");
    let open = svg.find('>').unwrap_or(0) + 1;
    let (tag, rest) = svg.split_at(open);
    let tag = tag.replacen("<svg", "<svg class=\"figure\"", 1);
    Ok(format!(
        "{tag}\n<style>{STYLE}</style>\n<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>{rest}"
    )
    .trim_end()
    .to_owned())
}

/// What makes a drawing follow the page, on its own as well.
const STYLE: &str = ".figure{color:#1b1b1f}.paper{fill:#ffffff}\
    @media(prefers-color-scheme:dark){.figure{color:#ececf0}.paper{fill:#17171a}}";

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the drawing fails: {error}")
}

fn text(area: &Area, words: &str, place: (i32, i32), size: i32, h: HPos, v: VPos) -> Result<()> {
    let style = ("sans-serif", size).into_font().color(&INK);
    let style = style.pos(Pos::new(h, v));
    area.draw(&Text::new(words.to_owned(), place, style))
        .map_err(failed)
}

/// Words that run upwards from `place`.
fn upwards(area: &Area, words: &str, place: (i32, i32)) -> Result<()> {
    let font = ("sans-serif", 14)
        .into_font()
        .transform(FontTransform::Rotate270);
    let style = font
        .color(&INK.mix(0.7))
        .pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(words.to_owned(), place, style))
        .map_err(failed)
}

fn heading(area: &Area, title: &str) -> Result<()> {
    text(area, title, (LEFT, 20), 20, HPos::Left, VPos::Center)
}

fn legend<'a>(area: &Area, names: impl Iterator<Item = (&'a str, RGBColor)>) -> Result<()> {
    let mut x = LEFT;
    for (name, colour) in names {
        rectangle(area, [x, 42, x + 14, 56], colour)?;
        text(area, name, (x + 20, 49), 16, HPos::Left, VPos::Center)?;
        x += 44 + 9 * name.chars().count() as i32;
    }
    Ok(())
}

fn grid(area: &Area, y: i32, label: &str) -> Result<()> {
    line(area, [(LEFT, y), (WIDTH as i32 - 16, y)], 0.18)?;
    text(area, label, (LEFT - 8, y), 15, HPos::Right, VPos::Center)
}

fn axis_title(area: &Area, axis: &str, middle: i32) -> Result<()> {
    let font = ("sans-serif", 14)
        .into_font()
        .transform(FontTransform::Rotate270);
    let style = font.color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(axis.to_owned(), (20, middle), style))
        .map_err(failed)
}

fn rectangle(area: &Area, [x0, y0, x1, y1]: [i32; 4], colour: impl Into<ShapeStyle>) -> Result<()> {
    let style: ShapeStyle = colour.into();
    area.draw(&Rectangle::new([(x0, y0), (x1, y1)], style.filled()))
        .map_err(failed)
}

fn line(area: &Area, ends: [(i32, i32); 2], strength: f64) -> Result<()> {
    area.draw(&PathElement::new(ends.to_vec(), INK.mix(strength)))
        .map_err(failed)
}

/// Three digits.
pub fn short(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.1 => 3,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let values = [0.0, 0.0123, 0.5, 1.5, 12.34, 117.3, 10_000.0];
        let texts = ["0", "0.0123", "0.5", "1.5", "12.3", "117", "10000"];
        assert_eq!(values.map(short), texts);
    }

    #[test]
    fn an_axis_has_few_decades_whatever_was_measured() {
        let decades = |values: &[f64]| {
            let bars: Vec<Bar> = (values.iter())
                .map(|&value| Bar {
                    value,
                    deviation: None,
                })
                .collect();
            super::decades(bars.iter())
        };
        assert_eq!(decades(&[3.0, 1_333.0]), (0.0, 4.0));
        assert_eq!(decades(&[0.0, 1_333.0]), (3.0, 4.0));
        assert_eq!(decades(&[100.0]), (2.0, 3.0));
        for nothing in [&[][..], &[0.0], &[f64::NAN], &[f64::INFINITY], &[-1.0]] {
            assert_eq!(decades(nothing), (0.0, 1.0), "{nothing:?}");
        }
        assert_eq!(decades(&[f64::MIN_POSITIVE, 10.0]), (-11.0, 1.0));
    }

    #[test]
    fn a_drawing_has_its_bars_its_words_and_both_pages_colours() {
        let bar = |value| {
            Ok(Bar {
                value,
                deviation: Some(value / 10.0),
            })
        };
        let series = |name: &str, bars| Series {
            name: name.to_owned(),
            colour: colour(name),
            bars,
        };
        let svg = grouped(
            "Title",
            "time, µs",
            &["A".to_owned(), "B".to_owned()],
            &[
                series("native", vec![bar(10.0), bar(100.0)]),
                series("onnx", vec![bar(20.0), Err("not installed")]),
            ],
        )
        .unwrap();
        for piece in [
            "Title",
            "time, µs",
            "not installed",
            "prefers-color-scheme",
            "#3A86D8",
        ] {
            assert!(svg.contains(piece), "{piece}: {svg}");
        }
        assert!(!svg.contains("#010203"), "{svg}");
        assert_eq!(svg.matches("<svg").count(), 1);
        // What took no time has no logarithm.
        let svg = grouped(
            "t",
            "µs",
            &["A".to_owned(), "B".to_owned()],
            &[series("torch", vec![bar(0.0), bar(1_333.0)])],
        )
        .unwrap();
        assert!(svg.contains("1333") && svg.len() < 20_000, "{svg}");
        // Nothing measured is still a drawing.
        grouped(
            "t",
            "µs",
            &["A".to_owned()],
            &[series("onnx", vec![Err("not installed")])],
        )
        .unwrap();
    }
}
