//! Where an audited plugin sends what it hears, beside the host: Open Sound Control and the event log.

use std::fs;
use std::net::UdpSocket;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::event_log;

/// A port that takes the messages, and a folder with the configuration and the log.
pub struct Outlets {
    folder: TempDir,
    port: UdpSocket,
    messages: u64,
}

/// The event log's name in the folder.
const LOG: &str = "events.jsonl";

impl Outlets {
    /// Has the instances that are made from here on send here.
    ///
    /// # Errors
    /// If there is no port or no room for the files.
    ///
    /// # Safety
    /// No other thread reads or writes the environment meanwhile.
    pub unsafe fn open() -> Result<Self> {
        let port = UdpSocket::bind("127.0.0.1:0").context("a port for messages")?;
        port.set_nonblocking(true)?;
        let send_to = port.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let configuration = folder.path().join("tocco.toml");
        // The VST3 has the plugin with 8 outputs only if it is asked for.
        let text = format!(
            "[osc]\nsend-to = {send_to}\nform = \"bundle\"\n[log]\nfile = \"tocco.log\"\n\
             [voices]\nvst3-outputs = true\n"
        );
        fs::write(&configuration, text)?;
        // SAFETY: the caller's promise.
        unsafe {
            event_log::log_to(&folder.path().join(LOG));
            event_log::configure_by(&configuration);
        }
        Ok(Self {
            folder,
            port,
            messages: 0,
        })
    }

    /// Takes what has come, so that there is room for more.
    pub fn take_messages(&mut self) {
        let mut packet = [0; 4096];
        while self.port.recv(&mut packet).is_ok() {
            self.messages += 1;
        }
    }

    /// Messages that came, and lines of the event log.
    ///
    /// # Errors
    /// If there is no log.
    pub fn arrived(&mut self) -> Result<(u64, u64)> {
        self.take_messages();
        let log = self.folder.path().join(LOG);
        let text = fs::read_to_string(&log).with_context(|| log.display().to_string())?;
        Ok((self.messages, text.lines().count() as u64))
    }
}
