//! libFuzzer's program of [`rds_iam_tunnel_fuzz::messages`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rds_iam_tunnel_fuzz::messages(data));
