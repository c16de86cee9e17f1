//! Sizes of models and libraries, sections 4.4 and 4.5.1.

use anyhow::Result;
use tocco_engines::EngineId;

use super::{Report, mib};
use crate::document::Document;
use crate::figures::{Bar, Series, Stack, colour, grouped, short, stacked};
use crate::footprint::{Footprint, Library, MODELS};
use crate::paper;
use crate::part::Part;

/// Formats in the order of figure 4, with the engine that reads them.
const FORMATS: [(&str, &str); 5] = [
    ("safetensors", "native"),
    ("rtneural", "native-fixed"),
    ("onnx", "onnx"),
    ("tflite", "litert"),
    ("torchscript", "torch"),
];

impl Report<'_> {
    pub(super) fn footprints(&self, document: &mut Document) -> Result<()> {
        document.heading(2, "Model footprint (section 4.4, figure 4)");
        let Ok(found) = self.data::<Footprint>(Part::Footprint) else {
            document.text("The part \"footprint\" has failed: see the table of the parts.");
            return Ok(());
        };
        let size = |model: &str, format: &str| {
            let same =
                |file: &&crate::footprint::ModelFile| file.model == model && file.format == format;
            Some(mib(found.models.iter().find(same)?.bytes as f64))
        };
        let series = FORMATS.map(|(format, engine)| Series {
            name: format.to_owned(),
            colour: colour(engine),
            bars: MODELS
                .iter()
                .map(|model| {
                    let bar = |value| Bar {
                        value,
                        deviation: None,
                    };
                    size(model, format).map(bar).ok_or("not written")
                })
                .collect(),
        });
        let groups = MODELS.map(|model| format!("Model {}", model.to_uppercase()));
        document.figure(
            "figure-4",
            "Figure 4: size of the networks in each engine's format, MiB; `native` reads safetensors and \
             RTNeural's JSON",
            grouped("Size of the model files", "MiB, logarithmic", &groups, &series)?,
        );
        let rows = MODELS.map(|model| {
            let mut row = vec![model.to_uppercase()];
            row.extend(FORMATS.map(|(format, _)| {
                size(model, format).map_or_else(|| "not written".to_owned(), short)
            }));
            row
        });
        document.table(
            "Sizes of the model files, MiB; batch normalisation is folded into its neighbours except in \
             safetensors",
            &["model", "safetensors (native)", "RTNeural JSON (native)", "ONNX", "TFLite", "TorchScript"],
            rows.to_vec(),
        );
        document.text(format!(
            "The paper shows its sizes as bars without numbers, but one: {} MiB for A in RTNeural's JSON \
             without its normalisation.",
            paper::RTNEURAL_A_MIB
        ));

        document.heading(2, "Library footprint (section 4.5.1, table 4)");
        let rows = EngineId::ALL.map(|id| {
            let cell = |architecture: &str| match library(&found, id, architecture) {
                Some(library) => match library.bytes() {
                    Some(bytes) => {
                        let each = library
                            .files
                            .iter()
                            .map(|(name, bytes)| format!("{name} {}", short(mib(*bytes as f64))));
                        let total = short(mib(bytes as f64));
                        format!("{total} ({})", each.collect::<Vec<_>>().join(", "))
                    }
                    None => library.remark.clone().unwrap_or_default(),
                },
                None => "not available".to_owned(),
            };
            let name = paper::name_of(id.name());
            let quoted = paper::LIBRARIES.iter().find(|one| name.starts_with(one.0));
            vec![
                id.name().to_owned(),
                cell("x86_64"),
                cell("aarch64"),
                quoted.map_or_else(String::new, |(name, files, _)| format!("{name}: {files}")),
            ]
        });
        document.table(
            format!(
                "Table 4: sizes of the libraries, MiB, and the paper's (AArch64, {})",
                paper::MACHINE
            ),
            &["engine", "x86-64", "aarch64", "the paper"],
            rows.to_vec(),
        );
        document.text(
            "Of `native` and `native-fixed` the number is that of the code of our whole crate in the \
             plugin, by its symbols: both engines, the readers of all formats and the bridges to the \
             other engines. Of TorchScript those libraries are counted that the paper counts; Debian's libtorch \
             pulls some 290 more into the process.",
        );

        document.heading(2, "Models and libraries together (figure 6)");
        let groups: Vec<_> = MODELS
            .iter()
            .map(|model| {
                let stacks = FORMATS.iter().filter(|(format, _)| *format != "rtneural");
                let stacks = stacks.map(|(format, engine)| {
                    let id: EngineId = engine.parse().unwrap_or(EngineId::Native);
                    let library = library(&found, id, std::env::consts::ARCH)
                        .and_then(Library::bytes)
                        .map(|bytes| mib(bytes as f64));
                    Stack {
                        name: (*engine).to_owned(),
                        engine,
                        parts: match (library, size(model, format)) {
                            (Some(library), Some(size)) => Ok([library, size]),
                            _ => Err(self.absent(id)),
                        },
                    }
                });
                (
                    format!("Model {}", model.to_uppercase()),
                    stacks.collect::<Vec<_>>(),
                )
            })
            .collect();
        document.figure(
            "figure-6",
            "Figure 6: library (pale) and model (full colour) together, MiB, on this architecture; an arrow \
             marks what is higher than the drawing",
            stacked("Library and model together", "MiB", 60.0, &groups)?,
        );
        Ok(())
    }
}

fn library<'a>(found: &'a Footprint, id: EngineId, architecture: &str) -> Option<&'a Library> {
    let mut libraries = found.libraries.iter();
    libraries.find(|one| one.engine == id.name() && one.architecture == architecture)
}

impl Report<'_> {
    /// Size of the engine's library here, MiB.
    pub(super) fn library_mib(&self, id: EngineId) -> Option<f64> {
        let found = self.data::<Footprint>(Part::Footprint).ok()?;
        let bytes = library(&found, id, std::env::consts::ARCH)?.bytes()?;
        Some(mib(bytes as f64))
    }
}
