//! The system's dialog for a file or a folder. It has a thread of its own, so that the window goes on.
//!
//! On Linux the desktop's portal is asked, and where there is none `zenity`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

use egui::{Button, Ui};
use rfd::FileDialog;

/// A dialog that is gone sooner was not closed by a hand: there was none.
const SOONEST: Duration = Duration::from_millis(500);

/// What is to be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// A file whose name ends so.
    File(&'static str),
}

/// Shows a dialog that begins in a folder, and waits for it.
type Ask = fn(Kind, Option<&Path>) -> Option<PathBuf>;

/// A dialog of one thing.
pub(super) struct FileChooser {
    /// Replaced in tests.
    pub(super) ask: Ask,
    open: Option<(mpsc::Receiver<Option<PathBuf>>, Instant)>,
}

impl Default for FileChooser {
    fn default() -> Self {
        Self { ask, open: None }
    }
}

impl FileChooser {
    /// A button that opens the dialog where the file or folder `present` lies.
    pub(super) fn button(
        &mut self,
        ui: &mut Ui,
        text: &str,
        hint: &str,
        kind: Kind,
        present: &str,
    ) {
        let button = ui.add_enabled(self.open.is_none(), Button::new(text));
        if !button.on_hover_text(hint).clicked() {
            return;
        }
        let (send, receive) = mpsc::channel();
        let (ask, present, context) = (self.ask, PathBuf::from(present), ui.ctx().clone());
        let thread = std::thread::Builder::new().name("tocco-dialog".to_owned());
        let thread = thread.spawn(move || {
            let folder = present.ancestors().find(|path| path.is_dir());
            // The window may be closed by now.
            drop(send.send(ask(kind, folder)));
            context.request_repaint();
        });
        // Without a thread the other end is gone, and there is no dialog.
        drop(thread);
        self.open = Some((receive, Instant::now()));
    }

    /// What was chosen since the frame before, if anything.
    ///
    /// # Errors
    /// When there is no dialog, or its path cannot be kept.
    pub(super) fn take(&mut self) -> Result<Option<String>, String> {
        let Some((receive, since)) = &self.open else {
            return Ok(None);
        };
        let chosen = match receive.try_recv() {
            Err(TryRecvError::Empty) => return Ok(None),
            Ok(chosen) => chosen,
            Err(TryRecvError::Disconnected) => None,
        };
        let at_once = since.elapsed() < SOONEST;
        self.open = None;
        match chosen.map(|path| path.into_os_string().into_string()) {
            Some(Ok(path)) => Ok(Some(path)),
            Some(Err(path)) => Err(format!(
                "{}: expected a name in Unicode; rename it, or type another",
                path.display()
            )),
            None if at_once => Err(NONE.to_owned()),
            None => Ok(None),
        }
    }
}

/// What is said where there is no dialog.
const NONE: &str = match cfg!(target_os = "linux") {
    true => {
        "no dialog for files: expected the desktop's portal or zenity; install zenity, or type the path"
    }
    false => "the system shows no dialog for files; type the path",
};

/// The system's dialog.
fn ask(kind: Kind, folder: Option<&Path>) -> Option<PathBuf> {
    let dialog = FileDialog::new();
    let dialog = match folder {
        Some(folder) => dialog.set_directory(folder),
        None => dialog,
    };
    match kind {
        Kind::Folder => dialog.pick_folder(),
        Kind::File(ending) => dialog.add_filter(ending, &[ending]).pick_file(),
    }
}
