#![no_main]

tocco_libfuzzer::target!("onset_labels");
