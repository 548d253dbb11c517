//! libFuzzer's program of [`rds_iam_gateway_fuzz::relay`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rds_iam_gateway_fuzz::relay(data));
