#![no_main]

tocco_libfuzzer::target!("preset");
