#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stunity_compat::decoders::documents::view(bytes));
