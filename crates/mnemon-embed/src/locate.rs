//! Finding the model.

use std::path::{Path, PathBuf};

use crate::ModelError;
use crate::error::Places;
use crate::source::{DEFAULT_MODEL, ModelSource, lacks};

/// The environment variable that names the folder of a model.
pub const MODEL_VARIABLE: &str = "MNEMON_MODEL";

/// Where [`locate`] looks, in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct LocateOptions {
    /// A folder that the caller names. If it holds no model, that is an error.
    pub path: Option<PathBuf>,
    /// A folder that the environment names. If it holds no model, that is an error.
    pub environment: Option<PathBuf>,
    /// A data directory, in which the model is `models/all-MiniLM-L6-v2`.
    pub data_dir: Option<PathBuf>,
    /// Whether to look for `models/all-MiniLM-L6-v2` beside the running program, in the folders above it, and in the
    /// source tree that it was built from.
    pub repository: bool,
}

impl LocateOptions {
    /// The usual places: [`MODEL_VARIABLE`] (one that is set but empty counts as not set) and the repository.
    #[must_use]
    pub fn from_env() -> Self {
        let environment = std::env::var_os(MODEL_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { path: None, environment, data_dir: None, repository: true }
    }

    /// The same with a folder that the caller names.
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The same with a data directory.
    #[must_use]
    pub fn data_dir(mut self, data_dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(data_dir.into());
        self
    }
}

/// The first place that holds a model: an explicit path, the environment, the data directory, the repository's
/// `models/`, and last the model inside the binary (feature `embedded-model`).
///
/// This looks at names of files only; [`crate::SentenceTransformer::load`] reads them.
///
/// # Errors
/// [`ModelError::NotAModel`] when the path or the environment names a place without a model: what somebody asked for is
/// never passed over in silence. [`ModelError::NotFound`], with every place that was looked at, when there is none.
pub fn locate(options: &LocateOptions) -> Result<ModelSource, ModelError> {
    let named = [(&options.path, "the path of the model"), (&options.environment, MODEL_VARIABLE)];
    for (path, named_by) in named {
        if let Some(path) = path {
            return match lacks(path) {
                None => Ok(ModelSource::Folder(path.clone())),
                Some(why) => Err(ModelError::NotAModel { named_by, path: path.clone(), why }),
            };
        }
    }
    let mut looked = vec![
        ("the path of the model".to_owned(), "not given".to_owned()),
        (MODEL_VARIABLE.to_owned(), "not set".to_owned()),
    ];
    for folder in usual_folders(options) {
        match lacks(&folder) {
            None => return Ok(ModelSource::Folder(folder)),
            Some(why) => looked.push((folder.display().to_string(), why)),
        }
    }
    if cfg!(feature = "embedded-model") {
        return Ok(ModelSource::Embedded);
    }
    looked.push(("inside the binary".to_owned(), "built without the feature embedded-model".to_owned()));
    Err(ModelError::NotFound { looked: Places(looked) })
}

fn usual_folders(options: &LocateOptions) -> Vec<PathBuf> {
    let below = |folder: &Path| folder.join("models").join(DEFAULT_MODEL);
    let mut folders: Vec<PathBuf> = options.data_dir.iter().map(|folder| below(folder)).collect();
    if options.repository {
        let program = std::env::current_exe().ok();
        folders.extend(program.iter().flat_map(|program| program.ancestors().skip(1)).map(below));
        folders.extend(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(below));
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model_in(folder: &Path) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        for name in ["config.json", "tokenizer.json", "model.int8.safetensors"] {
            std::fs::write(folder.join(name), "{}").unwrap();
        }
        folder.to_owned()
    }

    #[test]
    fn places_are_tried_in_their_order() {
        let root = tempfile::tempdir().unwrap();
        let path = model_in(&root.path().join("path"));
        let environment = model_in(&root.path().join("environment"));
        let in_data = model_in(&root.path().join("data/models/all-MiniLM-L6-v2"));
        let mut options = LocateOptions {
            path: Some(path.clone()),
            environment: Some(environment.clone()),
            data_dir: Some(root.path().join("data")),
            repository: true,
        };
        assert_eq!(locate(&options).unwrap(), ModelSource::Folder(path));
        options.path = None;
        assert_eq!(locate(&options).unwrap(), ModelSource::Folder(environment));
        options.environment = None;
        assert_eq!(locate(&options).unwrap(), ModelSource::Folder(in_data));
        options.data_dir = None;
        let ModelSource::Folder(shipped) = locate(&options).unwrap() else { panic!("the repository holds a model") };
        assert!(shipped.ends_with("models/all-MiniLM-L6-v2"), "{shipped:?}");
    }

    #[test]
    fn what_was_asked_for_is_never_passed_over() {
        let root = tempfile::tempdir().unwrap();
        model_in(&root.path().join("models/all-MiniLM-L6-v2"));
        let usual = LocateOptions { data_dir: Some(root.path().to_owned()), ..LocateOptions::default() };
        let nowhere = root.path().join("nowhere");
        let error = locate(&usual.clone().path(&nowhere)).unwrap_err().to_string();
        assert!(error.contains("the path of the model") && error.contains("does not exist"), "{error}");
        let empty = root.path().to_owned();
        let error = locate(&LocateOptions { environment: Some(empty), ..usual }).unwrap_err().to_string();
        assert!(
            error.contains("MNEMON_MODEL") && error.contains("lacks config.json, tokenizer.json, model"),
            "{error}"
        );
    }

    #[test]
    fn when_there_is_none_every_place_is_named() {
        let root = tempfile::tempdir().unwrap();
        let options = LocateOptions { data_dir: Some(root.path().to_owned()), ..LocateOptions::default() };
        match locate(&options) {
            Ok(found) => assert_eq!((found, cfg!(feature = "embedded-model")), (ModelSource::Embedded, true)),
            Err(error) => {
                let text = error.to_string();
                let data = root.path().join("models/all-MiniLM-L6-v2").display().to_string();
                for place in ["the path of the model", "MNEMON_MODEL", &data, "embedded-model"] {
                    assert!(text.contains(place), "{place} is not in {text}");
                }
            }
        }
    }
}
