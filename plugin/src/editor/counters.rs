//! In the window: counters, the latency histogram, and what was refused.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use egui::{Align2, FontId, RichText, Sense, Ui, pos2, vec2};

use super::palette::{ACCENT, BACKGROUND, FAINT, TEXT, WARNING};
use crate::service::Shared;
use tocco_recognizer::counters::{Counters, DEADLINE_MS, LATENCY_BINS};

/// Counters at the left, how long the results took at the right.
pub fn show(ui: &mut Ui, shared: &Shared) {
    let counters = &shared.telemetry.counters;
    ui.columns_const(|[left, right]| {
        numbers(left, shared);
        right.label(RichText::new(within(counters)).size(12.0).color(FAINT));
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        histogram(right, &counters.latency_ms.each_ref().map(get));
    });
}

fn numbers(ui: &mut Ui, shared: &Shared) {
    let counters = &shared.telemetry.counters;
    let get = |counter: &AtomicU64| counter.load(Relaxed);
    let late = counters.first.late_blocks.each_ref().map(get);
    let second = &counters.second;
    let rows = [
        ("Onsets", get(&counters.onsets), false),
        ("Results", get(&counters.first.results), false),
        ("Lost", counters.first.lost(), true),
        ("Under the gate", get(&counters.first.gated), false),
        ("Foreign", get(&counters.first.rejected), false),
        ("1 block late", late[1], true),
        ("2 or more", late[2], true),
        ("Over 20 ms", get(&counters.over_deadline), true),
        ("MIDI refused", get(&counters.midi_refused), true),
        // Those given up are no warning: a swap or a reset gives up some.
        ("Amended", get(&second.decisions.results), false),
        ("to another", get(&second.changed), false),
        ("Not drawn", shared.telemetry.levels.dropped(), false),
    ];
    let grid = egui::Grid::new("counters").num_columns(4);
    grid.spacing([14.0, 4.0]).show(ui, |ui| {
        for pair in rows.chunks(2) {
            for (name, value, bad) in pair {
                number(ui, name, *value, *bad);
            }
            ui.end_row();
        }
    });
}

/// How long the results took.
fn within(counters: &Counters) -> String {
    let limit = |share| upper_limit(counters.latency_percentile_ms(share));
    format!(
        "Onset to result: half within {}, 95 % within {}",
        limit(0.5),
        limit(0.95)
    )
}

/// The same in short, and how many were late or lost.
pub fn summary(counters: &Counters) -> String {
    let limit = upper_limit(counters.latency_percentile_ms(0.95));
    let late = counters.over_deadline.load(Relaxed);
    format!(
        "95 % within {limit}  ·  {late} late  ·  {} lost",
        counters.first.lost()
    )
}

/// A count; one that ought to be 0 warns when it is not.
fn number(ui: &mut Ui, name: &str, value: u64, bad: bool) {
    ui.label(RichText::new(name).color(FAINT));
    let colour = if bad && value > 0 { WARNING } else { TEXT };
    // Not monospaced: that font's zeros are slashed, and read like eights.
    ui.label(RichText::new(value.to_string()).color(colour));
}

/// What the latencies in bin `ms` of the histogram stay within: the bin begins at `ms`, so that all
/// of them may be longer than that.
fn upper_limit(ms: Option<usize>) -> String {
    match ms {
        None => "–".to_owned(),
        Some(ms) if ms + 1 < LATENCY_BINS => format!("{} ms", ms + 1),
        // The last bin has no end.
        Some(ms) => format!("{ms} ms or more"),
    }
}

/// Bars of 1 ms, those behind the deadline in the colour of a warning.
fn histogram(ui: &mut Ui, counts: &[u64; LATENCY_BINS]) {
    let size = vec2(ui.available_width(), 80.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.on_hover_text("Notes by the time from onset to result, milliseconds.");
    let painter = ui.painter();
    painter.rect_filled(rect, 3.0, BACKGROUND);
    let largest = counts.iter().copied().max().unwrap_or(0).max(1) as f32;
    let width = rect.width() / LATENCY_BINS as f32;
    let floor = rect.bottom() - 14.0;
    for (ms, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = ((floor - rect.top() - 4.0) * *count as f32 / largest).max(1.0);
        let left = rect.left() + ms as f32 * width;
        let bar = egui::Rect::from_min_max(
            pos2(left + 1.0, floor - height),
            pos2(left + width - 1.0, floor),
        );
        let late = ms as u64 >= DEADLINE_MS;
        painter.rect_filled(bar, 1.0, if late { WARNING } else { ACCENT });
    }
    for ms in [0, 10, 20, 30] {
        painter.text(
            pos2(rect.left() + ms as f32 * width + 2.0, rect.bottom() - 1.0),
            Align2::LEFT_BOTTOM,
            if ms == 0 {
                "0".to_owned()
            } else {
                format!("{ms} ms")
            },
            FontId::proportional(10.0),
            FAINT,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_latency_is_said_to_be_shorter_than_it_was() {
        assert_eq!(upper_limit(None), "–");
        assert_eq!(upper_limit(Some(10)), "11 ms"); // 10.56 ms, for example
        assert_eq!(upper_limit(Some(LATENCY_BINS - 2)), "40 ms");
        assert_eq!(upper_limit(Some(LATENCY_BINS - 1)), "40 ms or more");
    }
}
