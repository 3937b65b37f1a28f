//! Settings as TOML: what is read is allowed, and is read again as the same from what it is written as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mnemon::Config;

fuzz_target!(|text: &str| {
    let Ok(config) = Config::from_toml(text) else { return };
    assert!(config.validate().is_ok(), "settings that were read are not allowed: {config:?}");
    let written = toml::to_string(&config).unwrap_or_else(|error| panic!("{config:?} cannot be written: {error}"));
    match Config::from_toml(&written) {
        Ok(again) => assert_eq!(again, config, "{written}"),
        Err(error) => panic!("what {config:?} is written as cannot be read: {error:?}\n{written}"),
    }
});
