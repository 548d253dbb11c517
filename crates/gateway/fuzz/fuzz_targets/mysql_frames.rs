//! libFuzzer's program of [`rds_iam_gateway_fuzz::mysql_frames`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rds_iam_gateway_fuzz::mysql_frames(data));
