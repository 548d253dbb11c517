//! libFuzzer's program of [`rds_iam_gateway_fuzz::mysql_login`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rds_iam_gateway_fuzz::mysql_login(data));
