#![no_main]

tocco_libfuzzer::target!("take_name");
