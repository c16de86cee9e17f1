//! Networks that can be trained, layer by layer as a model package lists them.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, Relu};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use tocco_engines::package::manifest::LayerSpec;
use tocco_engines::package::{Tensor as PackageTensor, Tensors};

/// A network with its weights.
#[derive(Module, Debug)]
pub struct Network {
    layers: Vec<Layer>,
}

/// What of a [`LayerSpec`] has a part in training. The softmax at the end has none: the loss works
/// on what comes before it.
#[derive(Module, Debug)]
enum Layer {
    Dense(Linear),
    BatchNorm(BatchNorm),
    Relu(Relu),
}

/// What a training step leaves out.
pub struct Dropout<'a, R> {
    /// Share of each hidden layer's outputs.
    pub rate: f32,
    /// Where the choice comes from.
    pub random: &'a mut R,
}

impl Network {
    /// A network of `layers` on `device` with new weights: He's initialisation, and zero biases.
    ///
    /// # Panics
    /// When a layer cannot be trained yet.
    pub fn new(layers: &[LayerSpec], device: &Device, random: &mut impl Rng) -> Self {
        let layers = layers.iter().filter_map(|spec| match spec {
            LayerSpec::Dense {
                inputs, outputs, ..
            } => Some(Layer::Dense(dense(*inputs, *outputs, device, random))),
            LayerSpec::BatchNorm { size, epsilon, .. } => {
                let config = BatchNormConfig::new(*size).with_epsilon(*epsilon);
                Some(Layer::BatchNorm(config.init(device)))
            }
            LayerSpec::Relu {} => Some(Layer::Relu(Relu::new())),
            LayerSpec::Softmax { .. } => None,
            other => panic!("no architecture here has the layer {other:?}"),
        });
        Self {
            layers: layers.collect(),
        }
    }

    /// The outputs before the softmax, `[batch, n_classes]`, for `features` `[batch, n_features]`.
    pub fn forward<R: Rng>(
        &self,
        features: Tensor<2>,
        mut dropout: Option<Dropout<'_, R>>,
    ) -> Tensor<2> {
        let mut values = features;
        for (i, layer) in self.layers.iter().enumerate() {
            values = match layer {
                Layer::Dense(dense) => {
                    // The inputs of a dense layer are the outputs of a hidden one, but for the
                    // first.
                    let values = match &mut dropout {
                        Some(dropout) if i > 0 => dropout.apply(values),
                        _ => values,
                    };
                    dense.forward(values)
                }
                Layer::BatchNorm(batch_norm) => batch_norm.forward(values),
                Layer::Relu(relu) => relu.forward(values),
            };
        }
        values
    }

    /// The weights by the names that a package gives them.
    pub fn tensors(&self, layers: &[LayerSpec]) -> Tensors {
        let mut tensors = Tensors::new();
        let mut put = |name: String, shape: Vec<usize>, values: Vec<f32>| {
            let tensor = PackageTensor::new(shape, values);
            tensors.insert(name, tensor.expect("a tensor has the values of its shape"));
        };
        let network = self.valid();
        for (layer, spec) in network.layers.iter().zip(layers) {
            match (layer, spec) {
                (
                    Layer::Dense(dense),
                    LayerSpec::Dense {
                        name,
                        inputs,
                        outputs,
                    },
                ) => {
                    // A package has [outputs, inputs], burn has it the other way round.
                    let weight = values(dense.weight.val().transpose());
                    put(format!("{name}.weight"), vec![*outputs, *inputs], weight);
                    let bias = dense.bias.as_ref().expect("made with a bias");
                    put(format!("{name}.bias"), vec![*outputs], values(bias.val()));
                }
                (Layer::BatchNorm(norm), LayerSpec::BatchNorm { name, size, .. }) => {
                    for (part, tensor) in [
                        ("gamma", norm.gamma.val()),
                        ("beta", norm.beta.val()),
                        ("mean", norm.running_mean.value_sync()),
                        ("variance", norm.running_var.value_sync()),
                    ] {
                        put(format!("{name}.{part}"), vec![*size], values(tensor));
                    }
                }
                _ => {}
            }
        }
        tensors
    }
}

impl<R: Rng> Dropout<'_, R> {
    /// Sets some values to zero and raises the others so that the sum stays what it was.
    fn apply(&mut self, values: Tensor<2>) -> Tensor<2> {
        let [rows, columns] = values.dims();
        let kept = 1.0 / (1.0 - self.rate);
        let mask: Vec<f32> = (0..rows * columns)
            .map(|_| {
                let out = self.random.random::<f32>() < self.rate;
                if out { 0.0 } else { kept }
            })
            .collect();
        let mask = Tensor::from_data(TensorData::new(mask, [rows, columns]), &values.device());
        values * mask
    }
}

/// He's uniform initialisation (He et al. 2015, "Delving deep into rectifiers").
fn dense(inputs: usize, outputs: usize, device: &Device, random: &mut impl Rng) -> Linear {
    let limit = (6.0 / inputs as f32).sqrt();
    let weight: Vec<f32> = (0..inputs * outputs)
        .map(|_| random.random_range(-limit..limit))
        .collect();
    let bias = TensorData::new(vec![0.0_f32; outputs], [outputs]);
    Linear {
        weight: Param::from_data(TensorData::new(weight, [inputs, outputs]), device),
        bias: Some(Param::from_data(bias, device)),
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .try_into_vec_as::<f32>()
        .expect("the CPU's memory can be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Architecture;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_papers_networks_have_the_papers_numbers_of_parameters() {
        for (id, expected) in [("a", 2_083_208), ("b", 677_958), ("c", 63_708)] {
            let architecture = Architecture::find(id).unwrap();
            assert_eq!(architecture.n_parameters, expected);
            let mut random = ChaCha8Rng::seed_from_u64(1);
            let network = Network::new(&architecture.layers, &Device::flex(), &mut random);
            assert_eq!(network.num_params(), expected, "{id}");
            let tensors = network.tensors(&architecture.layers);
            let n: usize = tensors.values().map(|t| t.values().len()).sum();
            assert_eq!(n, expected, "{id}");
        }
    }

    #[test]
    fn dropout_keeps_the_mean() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut dropout = Dropout {
            rate: 0.3,
            random: &mut random,
        };
        let ones = Tensor::<2>::ones([100, 100], &Device::flex());
        let left = values(dropout.apply(ones));
        let zeros = left.iter().filter(|v| **v == 0.0).count();
        assert!((2800..3200).contains(&zeros), "{zeros}");
        let mean = left.iter().sum::<f32>() / 1e4;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
    }
}
