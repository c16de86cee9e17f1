#![no_main]

tocco_libfuzzer::target!("rtneural_json");
