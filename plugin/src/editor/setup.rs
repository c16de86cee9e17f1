//! The page where everything is set, from what comes in to what goes out.

use egui::{Align, CollapsingHeader, Layout, RichText, ScrollArea, Ui, UiBuilder};

use super::palette::{FAINT, PANEL, TEXT};
use super::{MARGIN, ToccoApp, body, controls, counters, errors, labels, map, sounds, velocity};
use crate::service::Status;

impl ToccoApp {
    pub(super) fn set_up(&mut self, ui: &mut Ui, status: &Status) {
        let Some(gui) = self.gui.clone() else {
            return;
        };
        let labels = &labels(status);
        let calibration = &status.calibration;
        let note = self.last.map(|(note, _)| note);
        let (shared, params) = (&self.shared, &self.shared.params);
        errors(ui, status);
        self.guide.invite(ui, note);
        // The bar stands beside the parts, in the window's margin.
        let width = ui.available_width();
        let mut rect = ui.available_rect_before_wrap();
        rect.max.x += f32::from(MARGIN) - 2.0;
        let mut beside = ui.new_child(UiBuilder::new().max_rect(rect));
        let area = ScrollArea::vertical().auto_shrink(false);
        area.show(&mut beside, |ui| {
            ui.set_max_width(width);
            section(ui, "Listen", |ui| {
                let chooser = &mut self.folder_chooser;
                controls::show(ui, shared, &gui, &mut self.folder, chooser);
            });
            section(ui, "Map", |ui| {
                self.presets.show(ui, params, &gui);
                map::show(ui, shared, &gui, calibration, labels);
            });
            section(ui, "Lesson", |ui| {
                self.lesson.show(ui, shared, calibration, labels);
            });
            section(ui, "Velocity", |ui| {
                velocity::show(ui, params, &gui, labels, note);
            });
            section(ui, "Sound", |ui| {
                let chooser = &mut self.sounds_chooser;
                sounds::voices(ui, params, &gui, &mut self.sounds, chooser);
                body::show(ui, params, &gui, labels);
                sounds::controllers(ui, params, &gui);
            });
            let details = CollapsingHeader::new(RichText::new("Details").color(FAINT));
            details.show(ui, |ui| {
                ui.label(RichText::new(running(status)).size(12.0).color(FAINT));
                for refused in status.failed.values().chain(&status.refused) {
                    ui.label(RichText::new(refused).size(12.0).color(FAINT));
                }
                counters::show(ui, shared);
            });
        });
    }
}

/// A part of the page, with its name.
fn section(ui: &mut Ui, name: &str, content: impl FnOnce(&mut Ui)) {
    let frame = egui::Frame::new().fill(PANEL).corner_radius(6);
    frame.inner_margin(10).show(ui, |ui| {
        ui.set_width(ui.available_width());
        // Columns justify text, which tears short lines apart.
        ui.with_layout(Layout::top_down(Align::LEFT), |ui| {
            ui.label(RichText::new(name).size(14.0).color(TEXT));
            content(ui);
        });
    });
}

/// What runs at present.
fn running(status: &Status) -> String {
    match (&status.activation_error, status.models.back()) {
        (Some(error), _) => format!("Not listening: {error}"),
        (None, None) => "Not running: the host has not started the plugin yet.".to_owned(),
        (None, Some(info)) => format!("Running: {info}."),
    }
}
