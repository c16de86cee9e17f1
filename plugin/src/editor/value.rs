//! A parameter in the window: a number, a choice, or a box to tick.
//!
//! A number is dragged to the side, ten times finer with Shift; a click gives it the keys: arrows move
//! it, digits or Enter begin to type, Delete resets it as a double click does.

use egui::{
    Align2, Checkbox, ComboBox, CursorIcon, Event, EventFilter, FontId, Id, Key, Rect, Response,
    RichText, Sense, Stroke, StrokeKind, TextEdit, Ui, vec2,
};
use nice_plug::context::gui::ParamSetter;
use nice_plug::params::enums::{Enum, EnumParam};
use nice_plug::params::{BoolParam, Param};

use super::palette::{ACCENT, FAINT, RAISED, TEXT, TRACK};

/// Height of a number, logical pixels.
pub const HEIGHT: f32 = 20.0;

/// Width from which on a number is a bar, too.
const LEAST_BAR: f32 = 100.0;

/// Distance over which a drag goes through all values, logical pixels.
const WHOLE_DRAG: f32 = 240.0;

/// How much finer a drag with Shift is.
pub const FINER: f32 = 0.1;

/// What every tooltip of a number ends with.
const HOW: &str = "Drag, or click and type. Double-click resets.";

/// Sets a parameter by way of the host.
pub fn set<P: Param>(setter: &ParamSetter<'_>, param: &P, value: P::Plain) {
    setter.begin_set_parameter(param);
    setter.set_parameter(param, value);
    setter.end_set_parameter(param);
}

fn set_normalized<P: Param>(setter: &ParamSetter<'_>, param: &P, value: f32) {
    set(setter, param, param.preview_plain(value));
}

/// The name of a parameter, in a column of names.
pub fn name(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).color(FAINT));
}

/// A number, `width` logical pixels wide, with its unit.
pub fn number<P: Param>(
    ui: &mut Ui,
    setter: &ParamSetter<'_>,
    param: &P,
    width: f32,
    hint: &str,
) -> Response {
    let text = param.normalized_value_to_string(param.unmodulated_normalized_value(), true);
    number_as(ui, setter, param, &text, width, hint)
}

/// A number that is said as `text`.
pub fn number_as<P: Param>(
    ui: &mut Ui,
    setter: &ParamSetter<'_>,
    param: &P,
    text: &str,
    width: f32,
    hint: &str,
) -> Response {
    let (rect, mut response) = ui.allocate_exact_size(vec2(width, HEIGHT), Sense::click_and_drag());
    let id = response.id;
    if typing(ui, id, rect, setter, param) {
        return response;
    }
    drag(ui, &response, setter, param);
    if response.double_clicked() {
        set_normalized(setter, param, param.default_normalized_value());
        response.mark_changed();
    } else if response.clicked() {
        response.request_focus();
    }
    if response.has_focus() {
        keys(ui, &response, setter, param);
    }
    let value = param.unmodulated_normalized_value();
    paint(ui, &response, rect, value, text);
    response
        .on_hover_cursor(CursorIcon::ResizeHorizontal)
        .on_hover_text(format!("{hint}\n{HOW}"))
}

fn drag<P: Param>(ui: &Ui, response: &Response, setter: &ParamSetter<'_>, param: &P) {
    let at = response.id.with("drag");
    if response.drag_started() {
        setter.begin_set_parameter(param);
        let value = param.unmodulated_normalized_value();
        ui.data_mut(|data| data.insert_temp(at, value));
    }
    if response.dragged() {
        let finer = if ui.input(|input| input.modifiers.shift) {
            FINER
        } else {
            1.0
        };
        // A wide one goes with the pointer.
        let whole = response.rect.width().max(WHOLE_DRAG);
        let moved = response.drag_delta().x / whole * finer;
        let value = ui.data_mut(|data| {
            let value = data.get_temp_mut_or(at, param.unmodulated_normalized_value());
            *value = (*value + moved).clamp(0.0, 1.0);
            *value
        });
        let value = param.preview_normalized(param.preview_plain(value));
        if value != param.unmodulated_normalized_value() {
            setter.set_parameter_normalized(param, value);
        }
    }
    if response.drag_stopped() {
        setter.end_set_parameter(param);
    }
}

/// What the keys do to the number that has them.
fn keys<P: Param>(ui: &Ui, response: &Response, setter: &ParamSetter<'_>, param: &P) {
    let id = response.id;
    let filter = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
    let (steps, reset, enter, typed) = ui.input(|input| {
        let count = |key| input.num_presses(key) as i32;
        let up = count(Key::ArrowUp) + count(Key::ArrowRight);
        let down = count(Key::ArrowDown) + count(Key::ArrowLeft);
        let typed = input.events.iter().find_map(|event| match event {
            Event::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            _ => None,
        });
        let reset = count(Key::Delete) + count(Key::Backspace) > 0;
        (up - down, reset, count(Key::Enter) > 0, typed)
    });
    if steps != 0 {
        let fine = ui.input(|input| input.modifiers.shift);
        let mut value = param.unmodulated_normalized_value();
        for _ in 0..steps.abs() {
            value = match steps > 0 {
                true => param.next_normalized_step(value, fine),
                false => param.previous_normalized_step(value, fine),
            };
        }
        set_normalized(setter, param, value);
    }
    if reset {
        set_normalized(setter, param, param.default_normalized_value());
    }
    let text = match (typed, enter) {
        (Some(typed), _) => typed,
        (None, true) => {
            param.normalized_value_to_string(param.unmodulated_normalized_value(), false)
        }
        (None, false) => return,
    };
    ui.data_mut(|data| data.insert_temp(id, text));
    // The field comes with the next frame; until then its place has the keys.
    let field = ui.interact(response.rect, id.with("text"), Sense::CLICK);
    field.request_focus();
}

/// The field in which the number is typed, if it is.
fn typing<P: Param>(ui: &mut Ui, id: Id, rect: Rect, setter: &ParamSetter<'_>, param: &P) -> bool {
    let Some(mut text) = ui.data(|data| data.get_temp::<String>(id)) else {
        return false;
    };
    let given_up = ui.input(|input| input.key_pressed(Key::Escape));
    let field = TextEdit::singleline(&mut text)
        .id(id.with("text"))
        .font(FontId::proportional(13.0))
        .margin(vec2(4.0, 1.0));
    let response = ui.put(rect, field);
    if !response.lost_focus() && response.has_focus() {
        // What was typed to begin with stands before the cursor.
        if let Some(mut state) = TextEdit::load_state(ui.ctx(), response.id)
            && state.cursor.char_range().is_none()
        {
            let end = egui::text::CCursor::new(text.chars().count());
            let range = egui::text::CCursorRange::one(end);
            state.cursor.set_char_range(Some(range));
            state.store(ui.ctx(), response.id);
        }
        ui.data_mut(|data| data.insert_temp(id, text));
        return true;
    }
    ui.data_mut(|data| data.remove::<String>(id));
    if !given_up && let Some(value) = read(param, text.trim()) {
        set_normalized(setter, param, value);
    }
    true
}

/// The normalised value that was typed as `text`, with a decimal point or a decimal comma. `1,000` is
/// neither this nor that.
fn read<P: Param>(param: &P, text: &str) -> Option<f32> {
    let thousands = text.split_once(',').is_some_and(|(whole, rest)| {
        let digits = rest.trim_end_matches(|c: char| !c.is_ascii_digit());
        digits.len() == 3 && !whole.trim_start_matches(['-', '0']).is_empty()
    });
    if thousands {
        return None;
    }
    let value = param.string_to_normalized_value(&text.replace(',', "."))?;
    value.is_finite().then_some(value)
}

fn paint(ui: &Ui, response: &Response, rect: Rect, value: f32, text: &str) {
    let painter = ui.painter();
    let bright = response.hovered() || response.dragged();
    let (ground, fill) = if bright { (RAISED, 0.6) } else { (TRACK, 0.4) };
    painter.rect_filled(rect, 3.0, ground);
    let mut part = rect;
    part.max.x = rect.left() + rect.width() * value.clamp(0.0, 1.0);
    if rect.width() >= LEAST_BAR && part.width() >= 1.0 {
        painter.rect_filled(part, 3.0, ACCENT.gamma_multiply(fill));
    }
    if response.has_focus() {
        let stroke = Stroke::new(1.0, ACCENT);
        painter.rect_stroke(rect, 3.0, stroke, StrokeKind::Inside);
    }
    let font = FontId::proportional(13.0);
    painter.text(rect.center(), Align2::CENTER_CENTER, text, font, TEXT);
}

/// A list to choose from.
pub fn choice<T: Enum + PartialEq + 'static>(
    ui: &mut Ui,
    setter: &ParamSetter<'_>,
    param: &EnumParam<T>,
    width: f32,
    hint: &str,
) {
    let chosen = param.value().to_index();
    let variants = T::variants();
    let list = ComboBox::from_id_salt(param.name())
        .width(width)
        .selected_text(variants[chosen])
        .show_ui(ui, |ui| {
            for (index, variant) in variants.iter().enumerate() {
                if ui.selectable_label(index == chosen, *variant).clicked() && index != chosen {
                    set(setter, param, T::from_index(index));
                }
            }
        });
    list.response.on_hover_text(hint);
}

/// A box to tick; a greyed one if it would have no effect.
pub fn switch(
    ui: &mut Ui,
    setter: &ParamSetter<'_>,
    param: &BoolParam,
    text: &str,
    possible: bool,
    hint: &str,
) {
    let mut on = param.value();
    let tick = Checkbox::new(&mut on, text);
    let response = ui.add_enabled(possible, tick).on_hover_text(hint);
    if response.changed() {
        set(setter, param, on);
    }
}
