#![no_main]

tocco_libfuzzer::target!("osc_command");
