//! The font of all text.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily};

const NAME: &str = "Ubuntu-Light";

/// One font for both families: nothing stands in columns, and a second one would lie in every bundle.
pub fn definitions() -> FontDefinitions {
    let data = FontData::from_static(epaint_default_fonts::UBUNTU_LIGHT);
    let families = [FontFamily::Proportional, FontFamily::Monospace];
    FontDefinitions {
        font_data: BTreeMap::from([(NAME.to_owned(), Arc::new(data))]),
        families: families
            .map(|family| (family, vec![NAME.to_owned()]))
            .into(),
    }
}
