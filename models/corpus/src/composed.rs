//! Names as they are compared.

use unicode_normalization::UnicodeNormalization;

/// `name` in Unicode's composed form (NFC). macOS writes the letters of file names and their
/// accents one by one; tables and other systems write them as one.
pub(crate) fn composed(name: &str) -> String {
    name.nfc().collect()
}
