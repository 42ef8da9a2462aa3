//! What a program says of itself: scripts that complete its command lines, and manual pages.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;

/// What every program can print of itself.
#[derive(Debug, Clone, Subcommand)]
pub enum Documents {
    /// Print a script by which a shell completes this program's commands and options
    ///
    /// bash: source it, or put it into ~/.local/share/bash-completion/completions/, named after the program. zsh: a
    /// directory of $fpath, named after the program behind an underscore. fish: ~/.config/fish/completions/, with the
    /// ending .fish.
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Print the manual page, or write all pages into a directory
    Man {
        /// Where one page for the program and one for each command go, such as ~/.local/share/man/man1; made if it is
        /// not there
        dir: Option<PathBuf>,
    },
}

impl Documents {
    /// Prints or writes it, of the program `T`.
    ///
    /// # Errors
    /// If it cannot be written; that nobody reads standard output any more is none.
    pub fn write<T: CommandFactory>(&self) -> io::Result<()> {
        let mut command = T::command();
        let mut text = Vec::new();
        match self {
            Self::Completions { shell } => {
                let name = command.get_name().to_owned();
                clap_complete::generate(*shell, &mut command, name, &mut text);
            }
            Self::Man { dir: None } => Man::new(command).render(&mut text)?,
            Self::Man { dir: Some(dir) } => {
                fs::create_dir_all(dir)?;
                return clap_mangen::generate_to(command, dir);
            }
        }
        match io::stdout().write_all(&text) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}
