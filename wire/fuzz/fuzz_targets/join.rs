//! A join file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::join::{JoinFile, MAX_SIZE, check_name};

fuzz_target!(|text: &str| {
    match text.parse::<JoinFile>() {
        Ok(file) => {
            assert!(text.len() <= MAX_SIZE && check_name(&file.name).is_ok());
            assert_eq!(file.to_string().parse(), Ok(file));
        }
        // The error is shown to people, who may show it to others.
        Err(error) => assert!(error.to_string().len() < 300),
    }
});
