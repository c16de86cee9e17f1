//! The plugin's window as the program's own: to close it ends the program.
//!
//! The framework sees the window closed, and then waits for its audio thread. Whoever runs the window is the
//! only one that can tell others before.

use std::error::Error;
use std::sync::Arc;

use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::NativeSize;
use nice_plug::editor::{
    Editor, EditorHandle, HostMethods, ParentWindowHandle, ResizeHint, SpawnedEditor,
};

use super::end::End;

/// An editor whose window ends the program.
pub struct EndingEditor<E> {
    /// The editor.
    pub editor: E,
    /// The program's end.
    pub end: Arc<End>,
}

/// What it is handled by.
pub struct EndingHandle<H>(H);

/// Its window.
pub struct EndingWindow<W> {
    window: W,
    end: Arc<End>,
}

impl<E: Editor> Editor for EndingEditor<E> {
    type Handle = EndingHandle<E::Handle>;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        gui_context: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<Self::Handle>, Box<dyn Error>> {
        let SpawnedEditor { handle, window } = self.editor.spawn(
            parent,
            wait_for_parent,
            fallback_scale_factor,
            gui_context,
            host,
        )?;
        Ok(SpawnedEditor {
            handle: EndingHandle(handle),
            window: EndingWindow {
                window,
                end: Arc::clone(&self.end),
            },
        })
    }

    fn size(&self) -> NativeSize<u32> {
        self.editor.size()
    }

    fn resize_hint(&self) -> ResizeHint {
        self.editor.resize_hint()
    }

    unsafe fn assume_standalone_in_process(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.editor.assume_standalone_in_process() }
    }
}

/// What the framework calls for hosts alone is left as it is.
impl<H: EditorHandle> EditorHandle for EndingHandle<H> {
    type Window = EndingWindow<H::Window>;
    type Error = H::Error;

    fn run_until_closed(window: Self::Window) -> Result<(), H::Error> {
        let EndingWindow { window, end } = window;
        let closed = H::run_until_closed(window);
        end.end_notes();
        std::thread::spawn(move || end.soon());
        closed
    }

    fn set_parent(
        &self,
        parent: ParentWindowHandle,
        window: &Self::Window,
    ) -> Result<(), H::Error> {
        self.0.set_parent(parent, &window.window)
    }

    fn show(&self, window: &Self::Window) -> Result<(), H::Error> {
        self.0.show(&window.window)
    }

    fn hide(&self, window: &Self::Window) -> Result<(), H::Error> {
        self.0.hide(&window.window)
    }

    fn set_size(&self, size: NativeSize<u32>, window: &Self::Window) -> Result<(), H::Error> {
        self.0.set_size(size, &window.window)
    }

    fn host_main_thread_callback(&self, window: &Self::Window) {
        self.0.host_main_thread_callback(&window.window);
    }

    fn state_changed(&self) {
        self.0.state_changed();
    }

    fn param_value_changed(&self, id: &str, value: f32) {
        self.0.param_value_changed(id, value);
    }

    fn param_modulation_changed(&self, id: &str, offset: f32) {
        self.0.param_modulation_changed(id, offset);
    }
}
