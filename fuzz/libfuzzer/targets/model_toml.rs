#![no_main]

tocco_libfuzzer::target!("model_toml");
