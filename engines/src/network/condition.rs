//! Conditioning: the network's input reaches a layer deep inside.

/// `y = x + V u`, `u` being the network's input of the same step.
///
/// Source: van den Oord et al., WaveNet, equation of the local conditioning; the input mixin of Neural
/// Amp Modeler.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Length of `u`.
    pub inputs: usize,
    /// Length of `x` and `y`.
    pub size: usize,
    /// `V` `[size, inputs]`, row-major.
    pub weight: Vec<f32>,
}
