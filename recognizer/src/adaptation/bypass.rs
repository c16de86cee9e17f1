//! A linear function of the features beside the network, as a part of the network.
//!
//! Its values are split into their positive and negative parts, which relu leaves as they are, and
//! so pass from layer to layer up to the last one, which adds them to its own. The result is a
//! network like any other, wider by twice the number of classes, that every engine runs.
//!
//! ```text
//! features -> hidden layers ------------------------------> last layer -> softmax
//!         \-> R x and -R x -> relu -> identity -> relu ... -/  (+1, -1)
//! ```

use tocco_engines::Tensor;
use tocco_engines::package::Tensors;
use tocco_engines::package::manifest::LayerSpec;

/// Adds `R x` to the outputs `[n_classes]` of the last dense layer of `layers`, with `R`
/// `[n_classes, n_features]`, row-major, and `x` the scaled features. The weights are in `tensors`;
/// before the last dense layer are only dense layers and relu, see [`ModelPackage::has_bypass`](tocco_engines::ModelPackage::has_bypass).
pub(super) fn add(layers: &mut [LayerSpec], tensors: &mut Tensors, r: &[f32], n_classes: usize) {
    let n_passing = 2 * n_classes;
    let is_dense = |layer: &LayerSpec| matches!(layer, LayerSpec::Dense { .. });
    let last = layers.iter().rposition(is_dense);
    for (i, layer) in layers.iter_mut().enumerate() {
        let LayerSpec::Dense {
            name,
            inputs,
            outputs,
        } = layer
        else {
            continue;
        };
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
        let (Some(old), Some(old_bias)) = (tensors.get(&weight), tensors.get(&bias)) else {
            continue;
        };
        let mut values = Vec::new();
        let mut biases = old_bias.values().to_vec();
        if i == 0 {
            values.extend_from_slice(old.values());
        } else {
            for (class, row) in old.values().chunks_exact(*inputs).enumerate() {
                values.extend_from_slice(row);
                // The last layer alone looks at what passes.
                let sign = |passing: usize| match passing {
                    _ if last != Some(i) => 0.0,
                    positive if positive == class => 1.0,
                    negative if negative == class + n_classes => -1.0,
                    _ => 0.0,
                };
                values.extend((0..n_passing).map(sign));
            }
            *inputs += n_passing;
        }
        if last == Some(i) {
            if i == 0 {
                values.iter_mut().zip(r).for_each(|(w, r)| *w += r);
            }
        } else {
            if i == 0 {
                values.extend_from_slice(r);
                values.extend(r.iter().map(|r| -r));
            } else {
                for passing in 0..n_passing {
                    let from = *inputs - n_passing + passing;
                    values.extend((0..*inputs).map(|input| f32::from(u8::from(input == from))));
                }
            }
            *outputs += n_passing;
            biases.resize(*outputs, 0.0);
        }
        for (name, shape, values) in [
            (weight, vec![*outputs, *inputs], values),
            (bias, vec![*outputs], biases),
        ] {
            if let Some(tensor) = Tensor::new(shape, values) {
                tensors.insert(name, tensor);
            }
        }
    }
}
