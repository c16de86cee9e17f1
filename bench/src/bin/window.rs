//! The plugin's window in a window of Windows, for somebody who looks at it: by hand, or on a screen
//! that Wine draws on.

use std::process::ExitCode;

#[cfg(not(windows))]
fn main() -> ExitCode {
    eprintln!("error: this program is for Windows; on Linux the tests open the window");
    ExitCode::FAILURE
}

#[cfg(windows)]
fn main() -> ExitCode {
    use clap::Parser;
    tocco_bench::program::run(|| on_windows::show(&on_windows::Arguments::parse()))
}

#[cfg(windows)]
mod on_windows {
    use std::ffi::c_void;
    use std::path::PathBuf;
    use std::ptr::{null, null_mut};
    use std::time::{Duration, Instant};

    use anyhow::{Context, Result, anyhow, ensure};
    use clap::Parser;
    use tocco_bench::clap_host::ClapHost;
    use tocco_bench::plugin_host::{self, PluginHost, StreamFormat};
    use tocco_bench::sound::Sound;
    use tocco_bench::streaming::{self, Speed};

    /// Samples in a block.
    const BLOCK: usize = 64;

    /// Opens the window of the bundled CLAP and plays to it.
    #[derive(Parser)]
    pub struct Arguments {
        /// A mono or stereo WAV file to play instead of the synthesised performance
        #[arg(long, value_name = "F.wav")]
        input: Option<PathBuf>,
        /// How often it is opened and closed again
        #[arg(long, default_value_t = 1)]
        times: u32,
        /// How long it stays each time, in seconds
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
    }

    type Handle = *mut c_void;

    /// WS_OVERLAPPEDWINDOW, WS_VISIBLE and WS_CLIPCHILDREN.
    const STYLE: u32 = 0x00cf_0000 | 0x1000_0000 | 0x0200_0000;

    /// Removes messages that are looked at.
    const PM_REMOVE: u32 = 1;

    /// SWP_NOMOVE and SWP_NOZORDER.
    const SIZE_ONLY: u32 = 2 | 4;

    #[repr(C)]
    struct Message {
        window: Handle,
        number: u32,
        parameters: [usize; 2],
        time: u32,
        point: [i32; 2],
        private: u32,
    }

    #[repr(C)]
    #[derive(Default)]
    struct Rectangle {
        left: i32,
        top: i32,
        right: i32,
        bottom: i32,
    }

    #[link(name = "user32")]
    unsafe extern "system" {
        fn CreateWindowExW(
            extended_style: u32,
            class: *const u16,
            title: *const u16,
            style: u32,
            x: i32,
            y: i32,
            width: i32,
            height: i32,
            parent: Handle,
            menu: Handle,
            instance: Handle,
            parameter: *const c_void,
        ) -> Handle;
        fn AdjustWindowRectEx(inner: *mut Rectangle, style: u32, menu: i32, extended: u32) -> i32;
        fn SetWindowPos(w: Handle, after: Handle, x: i32, y: i32, cx: i32, cy: i32, f: u32) -> i32;
        fn DestroyWindow(window: Handle) -> i32;
        fn PeekMessageW(message: *mut Message, window: Handle, f: u32, l: u32, remove: u32) -> i32;
        fn TranslateMessage(message: *const Message) -> i32;
        fn DispatchMessageW(message: *const Message) -> isize;
    }

    fn utf16(text: &str) -> Vec<u16> {
        text.encode_utf16().chain([0]).collect()
    }

    /// A window of a class that every Windows has.
    fn make_window() -> Result<Handle> {
        let (class, title) = (utf16("STATIC"), utf16("Tocco"));
        // SAFETY: texts that end with zeros; everything else may be nothing.
        let window = unsafe {
            CreateWindowExW(
                0,
                class.as_ptr(),
                title.as_ptr(),
                STYLE,
                20,
                20,
                400,
                300,
                null_mut(),
                null_mut(),
                null_mut(),
                null(),
            )
        };
        ensure!(
            !window.is_null(),
            "no window: {}",
            std::io::Error::last_os_error()
        );
        Ok(window)
    }

    /// Gives the window room for so many pixels inside.
    fn resize(window: Handle, (width, height): (u32, u32)) -> Result<()> {
        let mut outside = Rectangle {
            right: i32::try_from(width)?,
            bottom: i32::try_from(height)?,
            ..Rectangle::default()
        };
        // SAFETY: a rectangle to write to, and a window of this thread.
        let done = unsafe {
            AdjustWindowRectEx(&raw mut outside, STYLE, 0, 0) != 0
                && SetWindowPos(
                    window,
                    null_mut(),
                    0,
                    0,
                    outside.right - outside.left,
                    outside.bottom - outside.top,
                    SIZE_ONLY,
                ) != 0
        };
        ensure!(done, "the window keeps its size");
        Ok(())
    }

    /// Does what the system asks of this thread's windows.
    fn answer_messages() {
        let mut message = Message {
            window: null_mut(),
            number: 0,
            parameters: [0; 2],
            time: 0,
            point: [0; 2],
            private: 0,
        };
        // SAFETY: a message to write to, of this thread's windows.
        unsafe {
            while PeekMessageW(&raw mut message, null_mut(), 0, 0, PM_REMOVE) != 0 {
                TranslateMessage(&raw const message);
                DispatchMessageW(&raw const message);
            }
        }
    }

    pub fn show(arguments: &Arguments) -> Result<()> {
        let sound = match &arguments.input {
            Some(path) => Sound::read_wav(path)?,
            None => Sound::synthesised(),
        };
        let mut host = ClapHost::load(&plugin_host::bundle_path("Tocco.clap")?)?;
        let mut stream = host.activate(StreamFormat {
            sample_rate: f64::from(sound.sample_rate),
            max_block: BLOCK,
            channels: sound.channels.len(),
            offline: false,
        })?;
        let stream = std::thread::scope(|scope| -> Result<_> {
            let audio = scope.spawn(move || {
                let blocks = std::iter::repeat(BLOCK);
                let played = streaming::play(&mut stream, &sound, blocks, Speed::REAL_TIME);
                played.map(|_| stream)
            });
            for time in 0..arguments.times {
                let window = make_window()?;
                // SAFETY: it is destroyed below, after the plugin's.
                let size = unsafe { host.open_window(window)? };
                resize(window, size)?;
                println!("window {time}: {} x {} pixels", size.0, size.1);
                let end = Instant::now() + Duration::from_secs_f64(arguments.seconds);
                while Instant::now() < end {
                    answer_messages();
                    host.idle();
                    std::thread::sleep(Duration::from_millis(5));
                }
                host.close_window()?;
                // SAFETY: this thread's own, and nothing is in it any more.
                unsafe { DestroyWindow(window) };
                answer_messages();
            }
            audio
                .join()
                .map_err(|_| anyhow!("the audio thread panicked"))?
                .context("playing")
        })?;
        host.deactivate(stream);
        Ok(())
    }
}
