//! What is wanted of OSC.

use std::net::SocketAddr;

/// What a note is told as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// The paper's plugin: the number of the class and its probability.
    #[default]
    Best,
    /// The paper's plugin: the probabilities of all classes.
    All,
    /// A bundle of all there is to tell.
    Bundle,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OscSettings {
    /// Where notes are sent, if at all.
    pub target: Option<SocketAddr>,
    /// As what they are sent.
    pub form: Form,
    /// The port of the loopback address at which commands are taken, if at all.
    pub port: Option<u16>,
}

impl OscSettings {
    /// Whether nothing is sent and nothing taken.
    pub fn is_off(&self) -> bool {
        self.target.is_none() && self.port.is_none()
    }
}
