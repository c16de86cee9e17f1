#![no_main]

tocco_libfuzzer::target!("file_kind");
