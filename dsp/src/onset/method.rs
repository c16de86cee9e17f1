//! The ways to find onsets.

use std::fmt;
use std::str::FromStr;

/// How onsets are found, as a model package names it (`input.onset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnsetMethod {
    /// `mkl`: aubio's modified Kullback-Liebler method with the paper's settings (threshold 1.21,
    /// silence -53 dB full scale).
    #[default]
    Mkl,
    /// `flux`: our own, the rise of the level in Bark bands; it hears notes through others that
    /// still ring.
    Flux,
}

impl OnsetMethod {
    /// All methods.
    pub const ALL: [Self; 2] = [Self::Mkl, Self::Flux];

    /// The method's name in model packages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mkl => "mkl",
            Self::Flux => "flux",
        }
    }
}

impl fmt::Display for OnsetMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No method has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "onset: expected \"mkl\" or \"flux\", found \"{name}\"; use the method that the model was trained with"
)]
pub struct UnknownOnsetMethod {
    /// The name given.
    pub name: String,
}

impl FromStr for OnsetMethod {
    type Err = UnknownOnsetMethod;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|method| method.name() == name);
        found.ok_or_else(|| UnknownOnsetMethod {
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_method_and_no_other_does() {
        for method in OnsetMethod::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        let error = "hfc".parse::<OnsetMethod>().unwrap_err().to_string();
        for method in OnsetMethod::ALL {
            assert!(error.contains(&format!("\"{method}\"")), "{error}");
        }
        assert!(error.contains("found \"hfc\""), "{error}");
    }
}
