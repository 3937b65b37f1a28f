//! What every command works with: the options, the settings, the output, and the way to the memory file.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use mnemon::embed::{LocateOptions, SentenceTransformer, locate};
use mnemon::{Config, ContextManager, Embedder, OtherModel, Scope, SessionId, StoreError};

use crate::args::Global;
use crate::error::CliError;
use crate::output::Output;
use crate::place;

pub(crate) struct App {
    pub(crate) global: Global,
    pub(crate) config: Config,
    pub(crate) out: Output,
}

/// What a command needs of the memory file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// To write; the file is made when it is not there.
    Make,
    /// To write into a file that is there.
    Write,
    /// To read a file that is there, if need be one that cannot be written.
    Read,
}

impl App {
    pub(crate) fn new(global: Global, out: Output) -> Result<Self, CliError> {
        let mut config = Config::load(place::config_file(&global).as_deref())?;
        if let Some(model) = &global.model {
            config.model = Some(model.clone());
        }
        Ok(Self { global, config, out })
    }

    pub(crate) fn path(&self) -> Result<PathBuf, CliError> {
        place::memory_file(&self.global)
    }

    /// The embedding model without a memory file.
    pub(crate) fn embedder(&self) -> Result<Arc<dyn Embedder>, CliError> {
        let mut places = LocateOptions::from_env();
        places.path.clone_from(&self.config.model);
        places.data_dir = place::data_dir().ok();
        let model = locate(&places).and_then(|source| SentenceTransformer::load(&source));
        Ok(Arc::new(model.map_err(mnemon::Error::from)?))
    }

    /// The memory file with the embedding model, at the scope and session of the options.
    pub(crate) fn open(&self, need: Need) -> Result<ContextManager, CliError> {
        self.open_with(need, Some(OtherModel::Refuse))
    }

    /// The same, with whatever model is at hand, though the file may serve with another one: for what looks at both.
    pub(crate) fn open_with_any_model(&self, need: Need) -> Result<ContextManager, CliError> {
        self.open_with(need, Some(OtherModel::WordsOnly))
    }

    /// The same without the model, for what compares no meanings: it starts at once.
    pub(crate) fn open_without_model(&self, need: Need) -> Result<ContextManager, CliError> {
        self.open_with(need, None)
    }

    fn open_with(&self, need: Need, model: Option<OtherModel>) -> Result<ContextManager, CliError> {
        let path = self.path()?;
        if need != Need::Make && !path.exists() {
            return Err(CliError::NoFile { path });
        }
        let scope = place::scope(&self.global)?;
        let builder = |read_only| {
            let builder =
                ContextManager::builder().config(self.config.clone()).scope(scope.clone()).read_only(read_only);
            let builder = match place::data_dir() {
                Ok(folder) => builder.data_dir(folder),
                Err(_) => builder,
            };
            match model {
                Some(other) => builder.on_other_model(other),
                None => builder.without_model(),
            }
        };
        let opened = match builder(false).open(&path) {
            Err(mnemon::Error::Store(StoreError::ReadOnly | StoreError::CannotOpen { .. })) if need == Need::Read => {
                builder(true).open(&path)
            }
            other => other,
        };
        let memory = opened?;
        Ok(match place::session(&self.global) {
            Some(name) => memory.in_session(name),
            None => memory,
        })
    }
}

/// The names of the sessions of a scope; those without a name are left out.
pub(crate) fn session_names(memory: &ContextManager) -> Result<HashMap<SessionId, String>, CliError> {
    Ok(memory.sessions()?.into_iter().filter_map(|session| Some((session.id, session.name?))).collect())
}

/// A scope in a field or column of its own.
pub(crate) fn bare_scope_name(scope: &Scope) -> String {
    if *scope == Scope::default() { "(unnamed)".to_owned() } else { scope.to_string() }
}

/// A scope in a sentence.
pub(crate) fn scope_name(scope: &Scope) -> String {
    if *scope == Scope::default() { "the unnamed scope".to_owned() } else { format!("scope {scope}") }
}
