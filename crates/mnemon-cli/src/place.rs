//! Where things are when nobody says where: the platform's folders and the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use etcetera::app_strategy::{AppStrategy, AppStrategyArgs, choose_native_strategy};
use mnemon::Scope;

use crate::args::Global;
use crate::error::CliError;

/// The memory file: the option, the variable, or `memory.db` in the data directory.
pub(crate) fn memory_file(global: &Global) -> Result<PathBuf, CliError> {
    if let Some(path) = &global.db {
        return Ok(path.clone());
    }
    match variable("MNEMON_DB") {
        Some(path) => Ok(path.into()),
        None => Ok(data_dir()?.join("memory.db")),
    }
}

/// The settings file: the option, the variable, or `config.toml` in the config directory if it is there.
pub(crate) fn config_file(global: &Global) -> Option<PathBuf> {
    let named = global.config.clone().or_else(|| variable("MNEMON_CONFIG").map(PathBuf::from));
    let usual = || Some(strategy().ok()?.in_config_dir("config.toml")).filter(|path| path.is_file());
    named.or_else(usual)
}

/// The folder of the program's data. Models may lie in it, as `models/all-MiniLM-L6-v2`.
pub(crate) fn data_dir() -> Result<PathBuf, CliError> {
    Ok(strategy()?.data_dir())
}

pub(crate) fn scope(global: &Global) -> Result<Scope, CliError> {
    match (&global.scope, variable("MNEMON_SCOPE")) {
        (Some(scope), _) => Ok(scope.clone()),
        (None, None) => Ok(Scope::default()),
        (None, Some(text)) => {
            text.to_string_lossy().parse().map_err(|source| CliError::ScopeVariable { name: "MNEMON_SCOPE", source })
        }
    }
}

pub(crate) fn session(global: &Global) -> Option<String> {
    global.session.clone().or_else(|| variable("MNEMON_SESSION").map(|name| name.to_string_lossy().into_owned()))
}

/// A variable; one that is set but empty counts as not set.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn strategy() -> Result<impl AppStrategy, CliError> {
    choose_native_strategy(AppStrategyArgs {
        top_level_domain: String::new(),
        author: String::new(),
        app_name: "mnemon".to_owned(),
    })
    .map_err(CliError::NoHome)
}
