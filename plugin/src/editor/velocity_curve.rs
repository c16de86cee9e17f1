//! The curve of the velocity, drawn, and dragged by three points: its ends to the side, its middle up and
//! down.
//!
//! Shift is finer and a double click resets, as of numbers. Tab passes the points by: the keys have the
//! numbers.

use egui::{
    Align2, CursorIcon, FontId, Id, Pos2, Rect, Response, Sense, Shape, Stroke, Ui, Vec2, pos2,
    vec2,
};
use nice_plug::context::gui::ParamSetter;
use nice_plug::params::{FloatParam, Param};

use super::palette::{self, ACCENT, BACKGROUND, FAINT, TEXT, TRACK};
use super::value::{FINER, set};
use super::velocity::{BEND_HINT, HARD_HINT, SOFT_HINT};
use crate::outputs::velocity::{Curve, LEAST_SPAN_DB};
use crate::params::ToccoParams;
use crate::params::technique::LOWEST_DB;
use tocco_recognizer::meters::LastNote;

const HEIGHT: f32 = 176.0;

/// Radius of a point that can be dragged.
const POINT: f32 = 5.0;

/// How far from its middle a point is taken hold of.
const REACH: f32 = 9.0;

const HINT: &str = "Velocity by the level of a note. The dot is the last note.\nDrag the rings: the ends to \
    the side, the middle up and down.";
const ASIDE: &str = "Drag it to the side. Double-click resets.";
const UP_AND_DOWN: &str = "Drag it up or down. Double-click resets.";

/// Where levels and velocities lie.
#[derive(Clone, Copy)]
struct Plot(Rect);

impl Plot {
    fn x(self, db: f32) -> f32 {
        self.0.left() + (db - LOWEST_DB) / -LOWEST_DB * self.0.width()
    }

    fn y(self, velocity: f32) -> f32 {
        self.0.bottom() - velocity * self.0.height()
    }

    /// The level at `x`, dB full scale, which may lie outside.
    fn db(self, x: f32) -> f32 {
        LOWEST_DB - (x - self.0.left()) / self.0.width() * LOWEST_DB
    }

    /// The velocity at `y`, which may lie outside.
    fn velocity(self, y: f32) -> f32 {
        (self.0.bottom() - y) / self.0.height()
    }

    /// Where `curve` has `db`.
    fn on(self, curve: &Curve, db: f32) -> Pos2 {
        pos2(self.x(db), self.y(curve.velocity(db)))
    }

    fn line(self, curve: &Curve) -> Vec<Pos2> {
        let levels = (0..=160).map(|step| LOWEST_DB + step as f32 * 0.5);
        levels.map(|db| self.on(curve, db)).collect()
    }
}

/// Velocity over level: the curve of all, which can be dragged, those of techniques with ends of their own
/// in their colours, and where the last note lies.
pub fn show(ui: &mut Ui, params: &ToccoParams, setter: &ParamSetter<'_>, last: Option<LastNote>) {
    let size = vec2(ui.available_width(), HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let id = response.id;
    response.on_hover_text(HINT);
    let plot = Plot(Rect::from_min_max(
        rect.min + vec2(30.0, 10.0),
        rect.max - vec2(10.0, 18.0),
    ));
    let points = drag(ui, params, setter, plot, id);
    let painter = ui.painter();
    painter.rect_filled(rect, 3.0, BACKGROUND);
    scales(ui, rect, plot);
    let of_class = params.midi_settings();
    let has_own = |class: usize| {
        let own = &params.techniques.of_class[class];
        own.soft.value() > LOWEST_DB || own.hard.value() > LOWEST_DB
    };
    for (class, midi) in of_class
        .iter()
        .enumerate()
        .filter(|(class, _)| has_own(*class))
    {
        let stroke = Stroke::new(1.0, palette::of_class(class));
        painter.add(Shape::line(plot.line(&midi.curve), stroke));
    }
    let all = curve_of_all(params);
    painter.add(Shape::line(plot.line(&all), Stroke::new(2.0, TEXT)));
    for (response, at) in points.iter().zip(places(&all, plot)) {
        let bright = response.hovered() || response.dragged();
        let colour = if bright { ACCENT } else { TEXT };
        painter.circle(at, POINT, BACKGROUND, Stroke::new(2.0, colour));
    }
    if let Some(note) = last {
        let velocity = of_class[note.class].curve.velocity(note.peak_db);
        let at = pos2(plot.x(note.peak_db.clamp(LOWEST_DB, 0.0)), plot.y(velocity));
        painter.circle_filled(at, 5.0, palette::of_class(note.class));
        let text = format!("{:.0}", velocity * 127.0);
        painter.text(
            at - vec2(7.0, 5.0),
            Align2::RIGHT_BOTTOM,
            text,
            FontId::proportional(12.0),
            TEXT,
        );
    }
}

fn curve_of_all(params: &ToccoParams) -> Curve {
    Curve {
        soft_db: params.soft_end.value(),
        hard_db: params.hard_end.value(),
        bend: params.velocity_curve.value(),
    }
}

/// Where the points of `curve` are: its middle, its soft end and its hard end.
fn places(curve: &Curve, plot: Plot) -> [Pos2; 3] {
    // As it counts, whatever is set.
    let soft_db = curve.soft_db.min(curve.hard_db - LEAST_SPAN_DB);
    let middle_db = (soft_db + curve.hard_db) / 2.0;
    [middle_db, soft_db, curve.hard_db].map(|db| plot.on(curve, db))
}

/// Lets the points be dragged, in the order of [`places`]: where they are close to each other the ends lie
/// on top.
fn drag(
    ui: &Ui,
    params: &ToccoParams,
    setter: &ParamSetter<'_>,
    plot: Plot,
    id: Id,
) -> [Response; 3] {
    let all = curve_of_all(params);
    let [middle, soft, hard] = places(&all, plot);
    let bend = |to: Pos2| Curve::bend_through(plot.velocity(to.y));
    let softest = |to: Pos2| {
        let most = all.hard_db - LEAST_SPAN_DB;
        plot.db(to.x).min(most).max(LOWEST_DB)
    };
    let hardest = |to: Pos2| {
        // Where the ends are crossed the soft one counts as in `places`.
        let least = (all.soft_db + LEAST_SPAN_DB).min(all.hard_db);
        plot.db(to.x).max(least).min(0.0)
    };
    let middle = point(
        ui,
        setter,
        &params.velocity_curve,
        id.with("bend"),
        middle,
        bend,
    );
    let soft = point(ui, setter, &params.soft_end, id.with("soft"), soft, softest);
    let hard = point(ui, setter, &params.hard_end, id.with("hard"), hard, hardest);
    let aside = CursorIcon::ResizeHorizontal;
    [
        said(middle, CursorIcon::ResizeVertical, BEND_HINT, UP_AND_DOWN),
        said(soft, aside, SOFT_HINT, ASIDE),
        said(hard, aside, HARD_HINT, ASIDE),
    ]
}

/// A point at `at` by which `param` is dragged; `value_at` is what it becomes when the point is dragged to
/// a place.
fn point(
    ui: &Ui,
    setter: &ParamSetter<'_>,
    param: &FloatParam,
    id: Id,
    at: Pos2,
    value_at: impl Fn(Pos2) -> f32,
) -> Response {
    let reach = Rect::from_center_size(at, Vec2::splat(2.0 * REACH));
    let response = ui.interact(reach, id, Sense::CLICK | Sense::DRAG);
    if response.double_clicked() {
        set(setter, param, param.default_plain_value());
    }
    let begins = response.drag_started();
    if begins {
        setter.begin_set_parameter(param);
        ui.data_mut(|data| data.insert_temp(id, at));
    }
    if response.dragged() {
        // That it is a drag is known only after some way.
        let way = response.total_drag_delta().filter(|_| begins);
        let mut moved = way.unwrap_or_else(|| response.drag_delta());
        if ui.input(|input| input.modifiers.shift) {
            moved *= FINER;
        }
        // Where the pointer has it: beyond the scale, too, or it would not come back with the pointer.
        let to = ui.data_mut(|data| {
            let to = data.get_temp_mut_or(id, at);
            *to += moved;
            *to
        });
        if moved != Vec2::ZERO {
            let value = param.preview_normalized(value_at(to));
            let value = param.preview_normalized(param.preview_plain(value));
            if value != param.unmodulated_normalized_value() {
                setter.set_parameter_normalized(param, value);
            }
        }
    }
    if response.drag_stopped() {
        setter.end_set_parameter(param);
    }
    response
}

/// Has the pointer and a tooltip say what can be done with a point.
fn said(response: Response, cursor: CursorIcon, hint: &str, how: &str) -> Response {
    response
        .on_hover_and_drag_cursor(cursor)
        .on_hover_text(format!("{hint}\n{how}"))
}

/// The lines of levels and velocities, with their numbers.
fn scales(ui: &Ui, rect: Rect, plot: Plot) {
    let painter = ui.painter();
    let small = || FontId::proportional(10.0);
    for db in [-80, -60, -40, -20, 0] {
        let at = plot.x(db as f32);
        painter.vline(at, plot.0.y_range(), Stroke::new(1.0, TRACK));
        let text = if db == 0 {
            "0 dB".to_owned()
        } else {
            format!("{db}")
        };
        let at = pos2(at.min(rect.right() - 14.0), rect.bottom() - 3.0);
        painter.text(at, Align2::CENTER_BOTTOM, text, small(), FAINT);
    }
    for velocity in [1, 64, 127] {
        let at = plot.y(velocity as f32 / 127.0);
        painter.hline(plot.0.x_range(), at, Stroke::new(1.0, TRACK));
        painter.text(
            pos2(plot.0.left() - 4.0, at),
            Align2::RIGHT_CENTER,
            velocity.to_string(),
            small(),
            FAINT,
        );
    }
}
