#![no_main]

tocco_libfuzzer::target!("infer_csv");
