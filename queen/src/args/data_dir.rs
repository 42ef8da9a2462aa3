//! Which data directory.

use std::path::PathBuf;

use clap::Args;

/// Where everything is kept when nothing else is said.
pub(super) const DATA_DIR: &str = "hive-data";

/// Where everything is.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Where everything is kept
    #[arg(long, env = "HIVE_DATA_DIR", value_name = "DIR", default_value = DATA_DIR)]
    pub data_dir: PathBuf,
}
