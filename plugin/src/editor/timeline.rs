//! The input of the last seconds, with a mark for each note.

use std::collections::VecDeque;

use egui::epaint::Mesh;
use egui::{Align2, Color32, FontId, Rect, Sense, Shape, Stroke, StrokeKind, Ui, pos2, vec2};

use super::palette::{self, BACKGROUND, FAINT, TEXT, TRACK, WARNING};
use tocco_dsp::{HOP, SAMPLE_RATE};
use tocco_recognizer::level_feed::{COLUMN_HOPS, Column, LevelFeed, Mark, QUIET_DB};

/// Seconds that are seen.
const SECONDS: f32 = 4.0;

/// Columns in a second.
const RATE: f32 = SAMPLE_RATE as f32 / (HOP * COLUMN_HOPS) as f32;

/// Columns that are seen.
const COLUMNS: usize = (SECONDS * RATE) as usize;

/// Levels at the lower and the upper edge, dB full scale.
const BOTTOM_DB: f32 = -90.0;
const TOP_DB: f32 = 0.0;

/// Columns over which the meter holds its level, 43 ms.
const METER_COLUMNS: usize = 8;

const METER_WIDTH: f32 = 14.0;
const TAG_HEIGHT: f32 = 16.0;
const AXIS_HEIGHT: f32 = 14.0;

const HINT: &str = "The input as Tocco hears it, and each note in the colour of its technique. A note is \
    a rise of the sound that is louder than the dashed line; Sensitivity moves it. Hollow marks make no \
    MIDI: they lie under the confidence gate, or are foreign.";
const CLIP_HINT: &str = "The input reached full scale: turn the guitar down where it comes in. Click to \
    clear.";

/// Short names of the techniques, for marks.
const TAGS: [&str; 8] = ["K", "S1", "T", "S2", "H", "P", "B", "O"];

/// A note that is seen.
struct Note {
    mark: Mark,
    /// The number of its column, since the window was opened.
    column: u64,
}

/// What the window remembers of the input.
#[derive(Default)]
pub struct Timeline {
    columns: VecDeque<Column>,
    /// Columns since the window was opened.
    count: u64,
    notes: VecDeque<Note>,
    /// [`LevelFeed::clipped`] when the mark was cleared last.
    clips_seen: u64,
}

impl Timeline {
    /// An empty one for another window. What was seen to clip was.
    pub fn begun_anew(&self) -> Self {
        Self {
            clips_seen: self.clips_seen,
            ..Self::default()
        }
    }

    /// Takes what `feed` has; whether there was something to see.
    pub fn take(&mut self, feed: &LevelFeed) -> bool {
        let mut moves = false;
        while let Some(column) = feed.next_column() {
            moves = true;
            self.columns.push_back(column);
            self.count += 1;
            if self.columns.len() > COLUMNS {
                self.columns.pop_front();
            }
        }
        while let Some(mark) = feed.next_mark() {
            moves = true;
            self.note(mark);
        }
        let first = self.first();
        while self.notes.front().is_some_and(|note| note.column < first) {
            self.notes.pop_front();
        }
        // Silence scrolls through silence: nothing moves.
        let loud = |column: &Column| column.level_db > QUIET_DB;
        moves && (!self.notes.is_empty() || self.columns.iter().any(loud))
    }

    /// The number of the oldest column that is there.
    fn first(&self) -> u64 {
        self.count - self.columns.len() as u64
    }

    fn note(&mut self, mark: Mark) {
        if mark.second {
            let mut notes = self.notes.iter_mut().rev();
            if let Some(note) = notes.find(|note| note.mark.onset == mark.onset) {
                note.mark = mark;
            }
            return;
        }
        // From the newest column back, but not past a reset of the host's time.
        let mut last = self.columns.back().map_or(0, |column| column.end);
        let after = self.columns.iter().rev().take_while(|column| {
            let is_after = |a: u32, b: u32| a.wrapping_sub(b) as i32 > 0;
            let earlier = !is_after(column.end, last);
            last = column.end;
            earlier && is_after(column.end, mark.position)
        });
        let column = self.count.saturating_sub(after.count().max(1) as u64);
        self.notes.push_back(Note { mark, column });
    }

    /// Highest sample of the last moments, dB full scale, and of all that is seen.
    fn peaks(&self) -> (f32, f32) {
        let highest = |n: usize| {
            let newest = self.columns.iter().rev().take(n);
            newest.map(|c| c.peak_db).fold(f32::NEG_INFINITY, f32::max)
        };
        (highest(METER_COLUMNS), highest(COLUMNS))
    }

    /// Whether the input has clipped since the lamp was cleared.
    pub fn clips(&self, feed: &LevelFeed) -> bool {
        feed.clipped() > self.clips_seen
    }

    /// Draws the meter and, beside it on the same scale, the timeline.
    pub fn show(&mut self, ui: &mut Ui, feed: &LevelFeed, height: f32) {
        let size = vec2(ui.available_width(), height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
        response.on_hover_text(HINT);
        let meter = rect.with_max_x(rect.left() + METER_WIDTH);
        self.meter(ui, meter, feed);
        let rest = rect.with_min_x(meter.right() + 30.0);
        let plot = rest
            .with_min_y(rest.top() + TAG_HEIGHT)
            .with_max_y(rest.bottom() - AXIS_HEIGHT);
        let painter = ui.painter();
        painter.rect_filled(plot, 3.0, BACKGROUND.lerp_to_gamma(Color32::BLACK, 0.35));
        for db in [-80, -60, -40, -20, 0] {
            let y = height_of(plot, db as f32);
            painter.hline(plot.x_range(), y, Stroke::new(1.0, TRACK));
            let text = format!("{db}");
            let at = pos2(plot.left() - 4.0, y);
            painter.text(
                at,
                Align2::RIGHT_CENTER,
                text,
                FontId::proportional(10.0),
                FAINT,
            );
        }
        let gate_db = feed.gate_db();
        painter.add(Shape::mesh(self.envelope(plot, gate_db)));
        if gate_db < 0.0 {
            let y = height_of(plot, gate_db);
            let line = [pos2(plot.left(), y), pos2(plot.right(), y)];
            painter.extend(Shape::dashed_line(&line, Stroke::new(1.0, TEXT), 5.0, 4.0));
        }
        self.marks(ui, plot);
        let painter = ui.painter();
        if gate_db < 0.0 {
            let at = pos2(plot.left() + 4.0, height_of(plot, gate_db) - 3.0);
            let font = FontId::proportional(10.0);
            let galley = painter.layout_no_wrap("threshold".to_owned(), font, TEXT);
            let rect = Align2::LEFT_BOTTOM.anchor_size(at, galley.size());
            painter.rect_filled(rect.expand2(vec2(3.0, 0.0)), 2.0, BACKGROUND);
            painter.galley(rect.min, galley, TEXT);
        }
        for second in 0..=SECONDS as i32 {
            let x = plot.right() - second as f32 / SECONDS * plot.width();
            let (align, text) = match second {
                0 => (Align2::RIGHT_BOTTOM, "now".to_owned()),
                4 => (Align2::LEFT_BOTTOM, "-4 s".to_owned()),
                _ => (Align2::CENTER_BOTTOM, format!("-{second} s")),
            };
            let font = FontId::proportional(10.0);
            painter.text(pos2(x, rest.bottom()), align, text, font, FAINT);
        }
    }

    /// The level of each column, brighter above the gate.
    fn envelope(&self, plot: Rect, gate_db: f32) -> Mesh {
        let mut mesh = Mesh::default();
        let width = plot.width() / COLUMNS as f32;
        let floor = plot.bottom();
        let colours = [FAINT.gamma_multiply(0.3), FAINT.gamma_multiply(0.55)];
        for (age, column) in self.columns.iter().rev().enumerate() {
            let top = height_of(plot, column.level_db);
            if top >= floor {
                continue;
            }
            let right = plot.right() - age as f32 * width;
            let colour = colours[usize::from(column.level_db > gate_db)];
            let bar = Rect::from_min_max(pos2(right - width, top), pos2(right, floor));
            mesh.add_colored_rect(bar, colour);
        }
        mesh
    }

    fn marks(&self, ui: &Ui, plot: Rect) {
        let painter = ui.painter();
        let mut free_from = f32::MIN;
        for Note { mark, column } in &self.notes {
            let class = usize::from(mark.class);
            let colour = palette::of_class(class);
            let age = (self.count - column) as f32;
            let x = plot.right() - age / COLUMNS as f32 * plot.width();
            let y = plot.top() + 4.0;
            let strength = if mark.gated { 0.4 } else { 0.9 };
            let stroke = Stroke::new(2.0, colour.gamma_multiply(strength));
            painter.vline(x, y..=plot.bottom(), stroke);
            match mark.gated {
                true => painter.circle_stroke(pos2(x, y), 3.5, Stroke::new(1.5, colour)),
                false => painter.circle_filled(pos2(x, y), 4.0, colour),
            };
            // Where notes are too near for names their colours must do.
            let Some(tag) = TAGS.get(class).filter(|_| x > free_from) else {
                continue;
            };
            let at = pos2(x, plot.top() - 2.0);
            let font = FontId::proportional(11.0);
            let drawn = painter.text(at, Align2::CENTER_BOTTOM, *tag, font, TEXT);
            free_from = x + drawn.width();
        }
    }

    fn meter(&mut self, ui: &mut Ui, rect: Rect, feed: &LevelFeed) {
        let lamp = rect.with_max_y(rect.top() + TAG_HEIGHT - 4.0);
        let response = ui.interact(lamp, ui.scope_id().with("clip"), Sense::click());
        let focused = response.has_focus();
        if response.on_hover_text(CLIP_HINT).clicked() {
            self.clips_seen = feed.clipped();
        }
        let clips = self.clips(feed);
        let colour = if clips { WARNING } else { TRACK };
        let painter = ui.painter();
        painter.rect_filled(lamp, 2.0, colour);
        if focused {
            let stroke = Stroke::new(1.0, TEXT);
            painter.rect_stroke(lamp, 2.0, stroke, StrokeKind::Outside);
        }
        let bar = rect
            .with_min_y(rect.top() + TAG_HEIGHT)
            .with_max_y(rect.bottom() - AXIS_HEIGHT);
        painter.rect_filled(bar, 2.0, TRACK);
        let (now, highest) = self.peaks();
        painter.rect_filled(bar.with_min_y(height_of(bar, now)), 2.0, FAINT);
        if highest > BOTTOM_DB {
            painter.hline(
                bar.x_range(),
                height_of(bar, highest),
                Stroke::new(2.0, TEXT),
            );
        }
        let at = pos2(rect.left(), rect.bottom());
        let text = if clips { "clip" } else { "in" };
        painter.text(
            at,
            Align2::LEFT_BOTTOM,
            text,
            FontId::proportional(10.0),
            FAINT,
        );
    }
}

/// Where a level is drawn.
fn height_of(rect: Rect, db: f32) -> f32 {
    let share = ((db - BOTTOM_DB) / (TOP_DB - BOTTOM_DB)).clamp(0.0, 1.0);
    rect.bottom() - share * rect.height()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocco_recognizer::classification::{Classification, Decision, Note as Heard};
    use tocco_recognizer::level_feed::LevelMeter;

    fn hear(feed: &LevelFeed, columns: std::ops::Range<u64>, sample: f32) {
        let mut meter = LevelMeter::default();
        for hop in columns.start * COLUMN_HOPS as u64..columns.end * COLUMN_HOPS as u64 {
            meter.hear(&[sample; HOP], (hop + 1) * HOP as u64, feed);
        }
    }

    fn result(onset_id: u64, position: u64, class: usize, decision: Decision) -> Classification {
        let numbered = Classification::numbered(onset_id);
        Classification {
            decision,
            class,
            note: Heard {
                position,
                ..numbered.note
            },
            ..numbered
        }
    }

    #[test]
    fn a_mark_stands_in_the_column_of_its_onset_and_goes_with_it() {
        let (feed, mut timeline) = (LevelFeed::default(), Timeline::default());
        feed.open(true);
        hear(&feed, 0..100, 0.1);
        // Column 40 ends at sample 41 * 256.
        feed.mark(&result(7, 40 * 256 + 3, 2, Decision::First));
        assert!(timeline.take(&feed));
        assert_eq!(
            (timeline.notes[0].column, timeline.notes[0].mark.class),
            (40, 2)
        );
        let second = Decision::Second {
            was: 2,
            was_gated: false,
        };
        feed.mark(&result(7, 40 * 256 + 3, 5, second));
        feed.mark(&result(6, 40 * 256 + 3, 5, second)); // of a note that is not seen
        timeline.take(&feed);
        assert_eq!(timeline.notes.len(), 1);
        assert_eq!(
            (timeline.notes[0].column, timeline.notes[0].mark.class),
            (40, 5)
        );
        hear(&feed, 100..41 + COLUMNS as u64, 0.1);
        timeline.take(&feed);
        assert_eq!((timeline.columns.len(), timeline.notes.len()), (COLUMNS, 0));
        // After a reset time begins anew.
        hear(&feed, 0..1, 0.1);
        feed.mark(&result(8, 200, 1, Decision::First));
        timeline.take(&feed);
        assert_eq!(timeline.notes[0].column, timeline.count - 1);
    }

    #[test]
    fn in_silence_nothing_moves() {
        let (feed, mut timeline) = (LevelFeed::default(), Timeline::default());
        feed.open(true);
        assert!(!timeline.take(&feed));
        hear(&feed, 0..3, 1e-5);
        assert!(!timeline.take(&feed));
        hear(&feed, 3..4, 0.1);
        assert!(timeline.take(&feed));
        assert!(!timeline.take(&feed), "nothing came");
    }
}
