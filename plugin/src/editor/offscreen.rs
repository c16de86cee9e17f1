//! The window without a screen, for tests, the audit and the pictures of the documentation.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use egui::{
    CursorIcon, Event, FullOutput, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton,
    Pos2, Rect, TouchPhase, Vec2, vec2,
};
use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::params::internals::ParamPtr;
use nice_plug::plugin::PluginState;

use super::palette::BACKGROUND;
use super::rasterizer::{Picture, Rasterizer};
use super::{SIZE, ToccoApp, dress, nobody_looks};
use crate::service::Shared;

/// A piece of text, where it is, and what is seen of it, logical pixels.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Where it is.
    pub rect: Rect,
    /// What may be seen of it.
    pub clip: Rect,
}

/// The window without a screen: each frame reads all that an open window reads.
pub struct Offscreen {
    pub(super) app: ToccoApp,
    context: egui::Context,
    rasterizer: Rasterizer,
    host: Arc<NoHost>,
    size: Vec2,
    scale: f32,
    /// Seconds since it was opened; frames are [`FRAME`] apart.
    time: f64,
    /// How the pointer looks.
    cursor: CursorIcon,
}

/// Seconds between two frames, as egui has it.
const FRAME: f64 = 1.0 / 60.0;

impl Offscreen {
    /// The window of a plugin instance as it opens.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self::sized(shared, (SIZE.width, SIZE.height), 1.0)
    }

    /// The same, `size` logical pixels wide and high, at `scale` physical pixels a logical one.
    #[must_use]
    pub fn sized(shared: Arc<Shared>, size: (f32, f32), scale: f32) -> Self {
        let context = egui::Context::default();
        dress(&context);
        let mut app = ToccoApp::new(shared);
        let host = Arc::new(NoHost::default());
        app.open(GuiContext::new(
            Arc::clone(&host) as Arc<dyn GuiContextInner>
        ));
        Self {
            app,
            context,
            rasterizer: Rasterizer::default(),
            host,
            size: vec2(size.0, size.1),
            scale,
            time: 0.0,
            cursor: CursorIcon::Default,
        }
    }

    /// Has the user's presets in `folder`, which need not be there, instead of where the system has them.
    pub fn keep_presets_in(&mut self, folder: PathBuf) {
        self.app.presets.folder = Some(folder);
    }

    /// Saves MIDI files in `folder` instead of where the system has music.
    pub fn save_minutes_in(&mut self, folder: PathBuf) {
        self.app.save_last_minute.folder = Some(folder);
    }

    /// Makes it another size, as [`sized`](Self::sized).
    pub fn resize(&mut self, size: (f32, f32), scale: f32) {
        self.size = vec2(size.0, size.1);
        self.scale = scale;
        // Sizes that follow from those of the frame before settle.
        for _ in 0..3 {
            self.pieces(Vec::new());
        }
    }

    /// Turns the wheel over the middle of the window until `down` logical pixels are passed.
    pub fn scroll(&mut self, down: f32) {
        let middle = (self.size / 2.0).to_pos2();
        self.pieces(vec![Event::PointerMoved(middle)]);
        self.pieces(vec![Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta: vec2(0.0, -down),
            modifiers: Modifiers::NONE,
            phase: TouchPhase::Move,
            source: MouseWheelSource::Unknown,
        }]);
        for _ in 0..60 {
            self.pieces(Vec::new());
        }
    }

    /// Draws a frame and returns all text in it, a line for each piece.
    pub fn frame(&mut self) -> String {
        let pieces = self.pieces(Vec::new());
        let lines = pieces.iter().map(|piece| format!("{}\n", piece.text));
        lines.collect()
    }

    /// Clicks on the piece of text `text`, of several on the one numbered `nth` from 0, and draws what
    /// follows.
    ///
    /// # Errors
    /// When there is no such piece; what there is instead.
    pub fn click(&mut self, text: &str, nth: usize) -> Result<(), String> {
        let at = self.find(text, nth)?;
        // Long after the click before: two of them are no double click.
        self.time += 1.0;
        self.click_at(at);
        Ok(())
    }

    /// As [`click`](Self::click), twice in a row.
    ///
    /// # Errors
    /// When there is no such piece; what there is instead.
    pub fn double_click(&mut self, text: &str, nth: usize) -> Result<(), String> {
        let at = self.find(text, nth)?;
        self.double_click_at(at);
        Ok(())
    }

    /// The same on what is at `at`.
    pub fn double_click_at(&mut self, at: Pos2) {
        self.time += 1.0;
        self.click_at(at);
        self.click_at(at);
    }

    /// Presses and releases a key.
    pub fn press(&mut self, key: Key) {
        for pressed in [true, false] {
            let event = Event::Key {
                key,
                physical_key: None,
                pressed,
                repeat: false,
                modifiers: Modifiers::NONE,
            };
            self.pieces(vec![event]);
        }
    }

    /// Types text.
    pub fn write(&mut self, text: &str) {
        self.pieces(vec![Event::Text(text.to_owned())]);
    }

    /// Drags from the middle of a piece of text by `across` logical pixels to the right.
    ///
    /// # Errors
    /// When there is no such piece; what there is instead.
    pub fn drag(&mut self, text: &str, nth: usize, across: f32) -> Result<(), String> {
        self.drag_while(text, nth, across, || {})
    }

    /// The same; half-way happens what `meanwhile` does.
    ///
    /// # Errors
    /// As of [`drag`](Self::drag).
    pub fn drag_while(
        &mut self,
        text: &str,
        nth: usize,
        across: f32,
        meanwhile: impl FnMut(),
    ) -> Result<(), String> {
        let from = self.find(text, nth)?;
        self.drag_from(from, vec2(across, 0.0), meanwhile);
        Ok(())
    }

    /// Drags from `from` by `by`, logical pixels; half-way happens what `meanwhile` does.
    pub fn drag_from(&mut self, from: Pos2, by: Vec2, mut meanwhile: impl FnMut()) {
        self.pieces(vec![Event::PointerMoved(from)]);
        self.pieces(vec![button(from, true)]);
        for step in 1..=4 {
            let at = from + by * (step as f32 / 4.0);
            self.pieces(vec![Event::PointerMoved(at)]);
            if step == 2 {
                meanwhile();
            }
        }
        self.pieces(vec![button(from + by, false)]);
    }

    /// Gestures that the host was told the beginning of and not the end.
    #[must_use]
    pub fn open_gestures(&self) -> i64 {
        self.host.open_gestures.load(Relaxed)
    }

    /// Gestures that the host was told the beginning of.
    #[must_use]
    pub fn gestures(&self) -> i64 {
        self.host.gestures.load(Relaxed)
    }

    /// Rests the pointer on a piece of text until what it says about it is there.
    ///
    /// # Errors
    /// When there is no such piece; what there is instead.
    pub fn hover(&mut self, text: &str, nth: usize) -> Result<String, String> {
        let at = self.find(text, nth)?;
        Ok(self.hover_at(at))
    }

    /// The same with what is at `at`.
    pub fn hover_at(&mut self, at: Pos2) -> String {
        self.pieces(vec![Event::PointerMoved(at)]);
        for _ in 0..60 {
            self.pieces(Vec::new());
        }
        self.frame()
    }

    /// How the pointer looked in the last frame.
    #[must_use]
    pub fn cursor(&self) -> CursorIcon {
        self.cursor
    }

    /// Takes the pointer out of the window.
    pub fn leave(&mut self) {
        self.pieces(vec![Event::PointerGone]);
        for _ in 0..30 {
            self.pieces(Vec::new());
        }
    }

    /// Draws a frame and returns it as a picture.
    pub fn picture(&mut self) -> Picture {
        let output = self.run(Vec::new());
        let primitives = self.context.tessellate(output.shapes, self.scale);
        let pixels = (self.size * self.scale).round();
        let size = (pixels.x as usize, pixels.y as usize);
        self.rasterizer
            .paint(&primitives, size, self.scale, BACKGROUND)
    }

    /// Where the thing is that has the keys.
    #[must_use]
    pub fn focused(&self) -> Option<Rect> {
        let id = self.context.memory(|memory| memory.focused())?;
        self.context.read_response(id).map(|response| response.rect)
    }

    fn find(&mut self, text: &str, nth: usize) -> Result<Pos2, String> {
        let pieces = self.pieces(Vec::new());
        let mut found = pieces.iter().filter(|piece| piece.text == text);
        let Some(piece) = found.nth(nth) else {
            let texts: Vec<&str> = pieces.iter().map(|piece| &*piece.text).collect();
            return Err(format!("no {text:?} number {nth} in {texts:?}"));
        };
        Ok(piece.rect.center())
    }

    fn click_at(&mut self, at: Pos2) {
        self.pieces(vec![Event::PointerMoved(at)]);
        // What is under the pointer, what opens, and what has the keys from now on is known a frame
        // later.
        self.pieces(Vec::new());
        for event in [button(at, true), button(at, false)] {
            self.pieces(vec![event]);
        }
        self.pieces(Vec::new());
    }

    /// Draws a frame in which `events` happen and returns the pieces of text in it.
    pub fn pieces(&mut self, events: Vec<Event>) -> Vec<Piece> {
        fn collect(shape: &egui::Shape, clip: Rect, pieces: &mut Vec<Piece>) {
            match shape {
                egui::Shape::Text(shape) => pieces.push(Piece {
                    text: shape.galley.text().to_owned(),
                    rect: shape.galley.rect.translate(shape.pos.to_vec2()),
                    clip,
                }),
                egui::Shape::Vec(shapes) => shapes.iter().for_each(|s| collect(s, clip, pieces)),
                _ => {}
            }
        }
        let mut pieces = Vec::new();
        for clipped in &self.run(events).shapes {
            collect(&clipped.shape, clipped.clip_rect, &mut pieces);
        }
        pieces
    }

    fn run(&mut self, events: Vec<Event>) -> FullOutput {
        self.time += FRAME;
        let mut input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, self.size)),
            time: Some(self.time),
            events,
            ..egui::RawInput::default()
        };
        let viewport = input.viewports.entry(input.viewport_id).or_default();
        viewport.native_pixels_per_point = Some(self.scale);
        let app = &mut self.app;
        let mut output = self.context.run_ui(input, |ui| app.draw(ui));
        self.rasterizer.take(&mut output.textures_delta);
        self.cursor = output.platform_output.cursor_icon;
        output
    }
}

impl Drop for Offscreen {
    fn drop(&mut self) {
        nobody_looks(&self.app.shared);
    }
}

fn button(pos: Pos2, pressed: bool) -> Event {
    Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    }
}

/// A host that sets what its window asks for, and counts gestures.
#[derive(Default)]
struct NoHost {
    gestures: AtomicI64,
    open_gestures: AtomicI64,
}

impl GuiContextInner for NoHost {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Clap
    }
    unsafe fn raw_begin_set_parameter(&self, _: ParamPtr) {
        self.gestures.fetch_add(1, Relaxed);
        self.open_gestures.fetch_add(1, Relaxed);
    }
    unsafe fn raw_set_parameter_normalized(&self, param: ParamPtr, value: f32) {
        // SAFETY: the window's parameters live as long as it does.
        unsafe { param._internal_set_normalized_value(value) };
    }
    unsafe fn raw_end_set_parameter(&self, _: ParamPtr) {
        self.open_gestures.fetch_sub(1, Relaxed);
    }
    fn get_state(&self) -> PluginState {
        PluginState {
            version: String::new(),
            params: BTreeMap::new(),
            fields: BTreeMap::new(),
        }
    }
    fn set_state(&self, _: PluginState) {}
    fn request_restart(&self) {}
}
