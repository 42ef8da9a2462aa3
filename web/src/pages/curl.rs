//! Commands that do from a terminal what a page shows.

use std::convert::Infallible;
use std::fmt::Write as _;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::again::{Again, Lack};
use super::drones::reached_at;
use super::viewer::Viewer;
use crate::app::App;
use crate::model::TaskView;

/// What a command has of inputs, digests or masks at most, in bytes; more is read from a file.
const TYPED_MAX: usize = 1 << 10;

/// How the reader of a page reaches the API with curl.
#[derive(Debug, Clone)]
pub(super) struct Curl {
    /// `http://hive:8081`
    address: String,
    /// The option that shows the token. It is read from a file, since others see command lines.
    token: &'static str,
}

/// The commands for one task.
#[derive(Debug)]
pub(super) struct Commands {
    /// Submits the same again.
    pub(super) submit: String,
    /// Prints its results.
    pub(super) results: String,
    /// What has to be there for the first.
    pub(super) needs: Vec<&'static str>,
}

impl FromRequestParts<App> for Curl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let viewer = Viewer::from_request_parts(parts, app).await?;
        let host = reached_at(&parts.headers).map_or_else(|| app.config.address.to_string(), |host| host.to_string());
        let token = if viewer.is_anyone() { "" } else { " -H @header" };
        Ok(Self { address: format!("{}://{host}", viewer.scheme()), token })
    }
}

impl Curl {
    /// A command that asks for a path, with more options to follow.
    pub(super) fn command(&self, path: &str) -> String {
        format!("curl{} {}", self.token, quoted(&format!("{}{path}", self.address)))
    }

    /// Those for a task that was asked for so.
    pub(super) fn of(&self, task: &TaskView, again: &Again) -> Commands {
        let mut submit = self.command("/tasks");
        let mut needs = Vec::new();
        // Writes into memory cannot fail.
        let mut add = |option: &str| {
            let _ = write!(submit, " \\\n  {option}");
        };
        if task.search.is_some() {
            add("--form-string kind=search");
        }
        let is_list = |name: &str| ["text", "targets", "masks"].contains(&name);
        for (name, value) in again.fields.iter().filter(|(name, _)| !is_list(name)) {
            add(&format!("--form-string {}", quoted(&format!("{name}={value}"))));
        }
        for (lack, option, need) in [
            (Lack::Key, "-F 'key=<key.secret'", "key.secret is a file with its key alone, which is not shown."),
            (Lack::Salt, "-F 'salt=<salt.secret'", "salt.secret is a file with its salt alone, which is not shown."),
            (Lack::Batch, "--form-string each=task", ""),
        ] {
            if again.lacks(lack) {
                add(option);
                needs.extend(Some(need).filter(|need| !need.is_empty()));
            }
        }
        // The options of a form stand before what is read as it comes.
        for (lack, name, file, need) in [
            (Lack::Masks, "masks", "masks=@masks.hcmask", "masks.hcmask has its masks, one a line."),
            (
                Lack::Targets,
                "targets",
                "targets=@digests.txt",
                "digests.txt has the digests that it seeks, one a line.",
            ),
            (Lack::Inputs, "text", "file=@strings.txt", "strings.txt has its strings, one a line."),
        ] {
            let typed = again.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value);
            match typed.filter(|value| value.len() <= TYPED_MAX) {
                Some(value) => add(&format!("--form-string {}", quoted(&format!("{name}={}", line_feed_cut(value))))),
                None if typed.is_some() || again.lacks(lack) => {
                    add(&format!("-F {file}"));
                    needs.push(need);
                }
                None => {}
            }
        }
        Commands { submit, results: self.command(&format!("/tasks/{}/results", task.id)), needs }
    }

    /// Whether the command reads a token from a file.
    pub(super) fn shows_token(&self) -> bool {
        !self.token.is_empty()
    }
}

/// Lines without the line feed behind the last one, unless that one is empty.
fn line_feed_cut(lines: &str) -> &str {
    let cut = lines.strip_suffix('\n').filter(|rest| !rest.is_empty() && !rest.ends_with('\n'));
    cut.unwrap_or(lines)
}

/// A word of a shell that stands for this text.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/=@%+,".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_words_as_they_are() {
        assert_eq!(quoted("name=nightly-7"), "name=nightly-7");
        for (text, word) in
            [("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$HOME", "'$HOME'"), ("", "''"), ("a\nb", "'a\nb'")]
        {
            assert_eq!(quoted(text), word);
        }
    }
}
