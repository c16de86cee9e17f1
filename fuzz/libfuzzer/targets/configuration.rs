#![no_main]

tocco_libfuzzer::target!("configuration");
