//! Opening the window: what cannot be is told to the host, before the toolkit tries.
//!
//! baseview 0.4 draws by OpenGL alone. Where the screen has none, or the host's window is gone, it
//! fails halfway, and X errors of a window half made end the host's process. So the screen is asked
//! first, over a connection of our own, whose errors come back as values.

use std::error::Error;
use std::sync::Arc;

use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::NativeSize;
use nice_plug::editor::{
    Editor, EditorHandle, HostMethods, Modifiers, ParentWindowHandle, ResizeHint, SpawnedEditor,
    VirtualKeyCode,
};
use nice_plug_egui::{EguiEditor, EguiEditorHandle, baseview};

use super::ToccoApp;
use crate::edits;
use crate::service::Shared;

/// Scales that a screen can have. Others make sizes that no window has.
const SCALES: std::ops::RangeInclusive<f64> = 0.25..=8.0;

/// Longest side of a window, pixels: X11 has no more.
const LONGEST: u32 = i16::MAX as u32;

/// Why there is no window, or not such a window.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// Nothing can be shown on the screen.
    #[cfg(target_os = "linux")]
    #[error("no screen: {0}; start the host where a display is, or check DISPLAY")]
    NoScreen(String),
    /// The screen has no OpenGL.
    #[cfg(target_os = "linux")]
    #[error(
        "the screen has no OpenGL (no GLX extension), which the window needs; Tocco runs without it, \
         and the host shows its parameters"
    )]
    NoOpenGl,
    /// The window that ours is to be in does not exist.
    #[cfg(target_os = "linux")]
    #[error("the host's window {0:#x} does not exist; open the editor again")]
    NoParent(u64),
    /// The scale is none.
    #[error("scale: expected {} to {}, found {found}", SCALES.start(), SCALES.end())]
    Scale {
        /// The host's.
        found: f64,
    },
    /// The size is none.
    #[error("window size: expected 1 to {LONGEST} pixels, found {0} x {1}")]
    Size(u32, u32),
    /// The toolkit's.
    #[error(transparent)]
    Toolkit(#[from] baseview::Error),
}

/// The editor as the framework knows it.
pub struct ToccoEditor {
    pub(super) egui: EguiEditor<ToccoApp>,
    pub(super) shared: Arc<Shared>,
}

impl Editor for ToccoEditor {
    type Handle = ToccoWindow;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        gui_context: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<ToccoWindow>, Box<dyn Error>> {
        let scale = fallback_scale_factor.filter(|scale| SCALES.contains(scale));
        // The framework logs what is returned, and tells the host that there is no window.
        check_screen(parent.as_ref())?;
        let gui = edits::gui_context(&self.shared, gui_context);
        let SpawnedEditor { handle, window } =
            self.egui.spawn(parent, wait_for_parent, scale, gui, host)?;
        Ok(SpawnedEditor {
            handle: ToccoWindow {
                egui: handle,
                _closing: Closing(Arc::clone(&self.shared)),
            },
            window,
        })
    }

    fn size(&self) -> NativeSize<u32> {
        self.egui.size()
    }

    fn resize_hint(&self) -> ResizeHint {
        self.egui.resize_hint()
    }

    unsafe fn assume_standalone_in_process(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.egui.assume_standalone_in_process() }
    }
}

/// An open window.
pub struct ToccoWindow {
    egui: EguiEditorHandle,
    _closing: Closing,
}

/// Ends with the window what is only done for it. The toolkit has a call for that,
/// `NiceEguiApp::editor_closed`, and nice-plug-egui 0.6 never makes it.
pub(super) struct Closing(pub(super) Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        super::nobody_looks(&self.0);
    }
}

impl EditorHandle for ToccoWindow {
    type Window = baseview::Window;
    type Error = WindowError;

    fn run_until_closed(window: Self::Window) -> Result<(), WindowError> {
        Ok(EguiEditorHandle::run_until_closed(window)?)
    }

    fn set_parent(
        &self,
        parent: ParentWindowHandle,
        window: &Self::Window,
    ) -> Result<(), WindowError> {
        check_screen(Some(&parent))?;
        Ok(self.egui.set_parent(parent, window)?)
    }

    fn show(&self, window: &Self::Window) -> Result<(), WindowError> {
        Ok(self.egui.show(window)?)
    }

    fn hide(&self, window: &Self::Window) -> Result<(), WindowError> {
        Ok(self.egui.hide(window)?)
    }

    fn set_size(&self, size: NativeSize<u32>, window: &Self::Window) -> Result<(), WindowError> {
        check_size(size)?;
        Ok(self.egui.set_size(size, window)?)
    }

    fn host_main_thread_callback(&self, window: &Self::Window) {
        self.egui.host_main_thread_callback(window);
    }

    fn adjust_size(&self, size: NativeSize<u32>, window: &Self::Window) -> Option<NativeSize<u32>> {
        check_size(size).ok()?;
        self.egui.adjust_size(size, window)
    }

    fn set_fallback_scale_factor(
        &self,
        scale: f64,
        window: &Self::Window,
    ) -> Result<(), WindowError> {
        if !SCALES.contains(&scale) {
            return Err(WindowError::Scale { found: scale });
        }
        Ok(self.egui.set_fallback_scale_factor(scale, window)?)
    }

    fn on_virtual_key_from_host(
        &self,
        key: VirtualKeyCode,
        is_down: bool,
        modifiers: Modifiers,
    ) -> bool {
        self.egui.on_virtual_key_from_host(key, is_down, modifiers)
    }

    fn state_changed(&self) {
        self.egui.state_changed();
    }

    fn param_value_changed(&self, id: &str, value: f32) {
        self.egui.param_value_changed(id, value);
    }

    fn param_modulation_changed(&self, id: &str, offset: f32) {
        self.egui.param_modulation_changed(id, offset);
    }
}

fn check_size(size: NativeSize<u32>) -> Result<(), WindowError> {
    let possible = 1..=LONGEST;
    match possible.contains(&size.width) && possible.contains(&size.height) {
        true => Ok(()),
        false => Err(WindowError::Size(size.width, size.height)),
    }
}

/// Whether a window of its own can be made.
///
/// # Errors
/// When not; it says why.
#[cfg(feature = "standalone")]
pub(crate) fn check_own_screen() -> Result<(), String> {
    check_screen(None).map_err(|error| error.to_string())
}

/// Whether a window can be made, inside `parent` if there is one.
#[cfg(target_os = "linux")]
fn check_screen(parent: Option<&ParentWindowHandle>) -> Result<(), WindowError> {
    use x11rb::connection::RequestConnection;
    use x11rb::protocol::xproto::ConnectionExt;

    let no_screen = |error: &dyn Error| WindowError::NoScreen(error.to_string());
    let (connection, _) = x11rb::connect(None).map_err(|error| no_screen(&error))?;
    let glx = connection
        .extension_information("GLX")
        .map_err(|error| no_screen(&error))?;
    if glx.is_none() {
        return Err(WindowError::NoOpenGl);
    }
    let id = match parent {
        Some(ParentWindowHandle::XlibWindow(id)) => *id,
        Some(ParentWindowHandle::XcbWindow(id)) => id.get().into(),
        _ => return Ok(()),
    };
    let window = u32::try_from(id).map_err(|_| WindowError::NoParent(id))?;
    let geometry = connection
        .get_geometry(window)
        .map_err(|error| no_screen(&error))?;
    match geometry.reply() {
        Ok(_) => Ok(()),
        Err(_) => Err(WindowError::NoParent(id)),
    }
}

/// Whether a window can be made: elsewhere the toolkit is asked.
#[cfg(not(target_os = "linux"))]
fn check_screen(_parent: Option<&ParentWindowHandle>) -> Result<(), WindowError> {
    Ok(())
}
