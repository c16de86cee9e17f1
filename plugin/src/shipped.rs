//! The model packages that are part of the plugin.

use tocco_engines::{LoadError, ModelPackage};

macro_rules! shipped {
    ($id:literal) => {
        Shipped {
            id: $id,
            manifest: include_str!(concat!("../../models/", $id, "/model.toml")),
            weights: include_bytes!(concat!("../../models/", $id, "/weights.safetensors")),
        }
    };
}

/// A package in the plugin's own binary. Always a `static`: of a `const` the binary has a copy of the
/// weights for each place that names it.
pub struct Shipped {
    /// Its id, as in the manifest.
    pub id: &'static str,
    manifest: &'static str,
    weights: &'static [u8],
}

/// Model A of the paper.
pub static A: Shipped = shipped!("a");
/// Model B of the paper.
pub static B: Shipped = shipped!("b");
/// Model C of the paper.
pub static C: Shipped = shipped!("c");
/// Our own model, for players that it has never heard.
pub static TOCCO: Shipped = shipped!("tocco");
/// The same with a little more time: it decides up to 20 ms after the onset.
pub static TOCCO_SURE: Shipped = shipped!("tocco-sure");
/// The same with much more time: it decides 149 ms after the onset, and is right more often.
pub static TOCCO_LATE: Shipped = shipped!("tocco-late");

/// All of them.
pub static ALL: [&Shipped; 6] = [&A, &B, &C, &TOCCO, &TOCCO_SURE, &TOCCO_LATE];

/// The package with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Shipped> {
    ALL.iter().copied().find(|shipped| shipped.id == id)
}

impl Shipped {
    /// Reads the package. Allocates.
    ///
    /// # Errors
    /// When it is malformed, which the tests rule out.
    pub fn package(&self) -> Result<ModelPackage, LoadError> {
        ModelPackage::from_bytes(self.manifest, self.weights, self.source())
    }

    /// Whether `package` is this one, or has its weights: an id alone may be any package's. Allocates.
    #[must_use]
    pub fn is(&self, package: &ModelPackage) -> bool {
        let has_its_weights = |own: ModelPackage| own.fingerprint() == package.fingerprint();
        package.source == self.source() || self.package().is_ok_and(has_its_weights)
    }

    fn source(&self) -> String {
        format!("built-in model {}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocco_dsp::Technique;

    #[test]
    fn every_shipped_package_is_sound_and_has_its_size() {
        for (shipped, features, parameters) in [
            (&A, 180, 2_083_208),
            (&B, 173, 677_958),
            (&C, 173, 63_708),
            (&TOCCO, 624, 290_312),
            (&TOCCO_SURE, 720, 272_840),
            (&TOCCO_LATE, 1296, 797_448),
        ] {
            let package = shipped.package().unwrap();
            assert_eq!(package.manifest.id, shipped.id);
            assert_eq!(package.manifest.input.features.len(), features);
            assert_eq!(
                package.manifest.labels,
                Technique::ALL.map(Technique::label)
            );
            assert_eq!(package.parameter_count().unwrap(), parameters);
        }
    }
}
