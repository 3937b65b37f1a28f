//! `mnemon demo`
use crate::app::App;
use crate::args::Demo;
use crate::error::{CliError, Outcome};
pub(crate) fn run(_app: &mut App, _args: &Demo) -> Result<Outcome, CliError> {
    Ok(Outcome::Done)
}
