#![no_main]

tocco_libfuzzer::target!("labels_csv");
