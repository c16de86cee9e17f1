//! The counters and the latency histogram in the window.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use egui::{Align2, FontId, RichText, Sense, Ui, pos2, vec2};

use super::{ACCENT, BACKGROUND, FAINT, TEXT, WARNING};
use tocco_recognizer::counters::{Counters, DEADLINE_MS, LATENCY_BINS};

/// Numbers first, then how long the results took.
pub fn show(ui: &mut Ui, counters: &Counters) {
    let get = |counter: &AtomicU64| counter.load(Relaxed);
    let late = counters.first.late_blocks.each_ref().map(get);
    egui::Grid::new("counters")
        .num_columns(4)
        .spacing([14.0, 6.0])
        .show(ui, |ui| {
            number(ui, "Onsets", get(&counters.onsets), false);
            number(ui, "Results", get(&counters.first.results), false);
            ui.end_row();
            number(ui, "Lost", counters.first.lost(), true);
            number(ui, "Under the gate", get(&counters.first.gated), false);
            ui.end_row();
            number(ui, "1 block late", late[1], true);
            number(ui, "2 or more", late[2], true);
            ui.end_row();
            number(ui, "Over 20 ms", get(&counters.over_deadline), true);
            number(ui, "MIDI refused", get(&counters.midi_refused), true);
            ui.end_row();
            // Those given up are no warning: a swap or a reset gives up some.
            number(
                ui,
                "Amended",
                get(&counters.second.decisions.results),
                false,
            );
            number(ui, "to another", get(&counters.second.changed), false);
            ui.end_row();
        });
    let limit = |share| upper_limit(counters.latency_percentile_ms(share));
    let text = format!(
        "Onset to result: half within {}, 95 % within {}",
        limit(0.5),
        limit(0.95)
    );
    ui.label(RichText::new(text).size(12.0).color(FAINT));
    histogram(ui, &counters.latency_ms.each_ref().map(get));
}

/// A count; one that ought to be 0 warns when it is not.
fn number(ui: &mut Ui, name: &str, value: u64, bad: bool) {
    ui.label(RichText::new(name).color(FAINT));
    let colour = if bad && value > 0 { WARNING } else { TEXT };
    ui.label(RichText::new(value.to_string()).monospace().color(colour));
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
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 64.0), Sense::hover());
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
            format!("{ms}"),
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
