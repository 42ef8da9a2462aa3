//! A Hive that is closed: TLS, tokens and profiles.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::support::programs::{Program, address, hive, output, queen};
use super::{lines, numbers, piped};

/// A Hive that is set up, and its admin's token.
struct Closed {
    folder: TempDir,
    token: String,
    url: String,
    _queen: Program,
}

impl Closed {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut init = queen();
        init.args(["init", "--join-file"]).arg(folder.path().join("hive.join")).arg("--data-dir").arg(&data);
        let (code, token, complaint) = output(&mut init);
        assert_eq!(code, Some(0), "{complaint}");
        let mut serve = queen();
        serve.args(["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--data-dir"]).arg(&data);
        let mut queen = Program::start(&mut serve);
        let url = format!("https://{}", address(&queen.line("admin page")));
        Self { folder, token: token.trim().to_owned(), url, _queen: queen }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = hive();
        command.args(arguments).env("XDG_CONFIG_HOME", self.path("config"));
        command
    }

    fn authority(&self) -> String {
        self.path("data").join("authority.pem").to_str().unwrap().to_owned()
    }
}

#[test]
fn a_token_and_an_authority_open_it() {
    let closed = Closed::start();
    let (url, ca) = (&*closed.url, closed.authority());
    let open = |arguments: &[&str]| {
        let mut command = closed.client(arguments);
        command.env("HIVE_URL", url).env("HIVE_CA", &ca).env("HIVE_TOKEN", &closed.token);
        output(&mut command)
    };
    let (code, said, complaint) = open(&["submit", "--input", "honey", "--output", "quiet"]);
    assert_eq!((code, said.as_str()), (Some(0), "1\n"), "{complaint}");
    let (code, said, _) = open(&["log", "--kind", "administration", "--since", "1d"]);
    assert!(code == Some(0) && said.contains("create-token"), "{said}");
    // A part of the body is sent before it is refused, over TLS as well.
    let mut inputs = numbers(1_500_000);
    inputs[50_000] = "x".to_owned();
    fs::write(closed.path("inputs"), lines(&inputs)).unwrap();
    let (code, _, complaint) = open(&["submit", closed.path("inputs").to_str().unwrap(), "--encoding", "hex"]);
    assert!(code == Some(4) && complaint.contains("line 50001: "), "{complaint}");

    let (code, _, complaint) = output(&mut closed.client(&["tasks", "--url", url]));
    assert!(code == Some(3) && complaint.contains("authority.pem"), "{complaint}");
    let (code, _, complaint) = output(&mut closed.client(&["tasks", "--url", url, "--ca", &ca]));
    assert!(code == Some(4) && complaint.contains("hive login"), "{complaint}");
    let mut plain = closed.client(&["tasks", "--url", "http://192.0.2.1:8081", "--no-retry"]);
    let (code, _, complaint) = output(plain.env("HIVE_TOKEN", &closed.token));
    assert!(code == Some(2) && complaint.contains("--allow-plain-http"), "{complaint}");
}

#[test]
fn a_login_is_kept_for_its_owner_alone() {
    let closed = Closed::start();
    let login = ["login", "--url", &closed.url, "--ca", &closed.authority()];
    let mut wrong = super::Client::start(&mut closed.client(&login));
    std::io::Write::write_all(&mut wrong.input(), b"hive_1_wrong\n").unwrap();
    assert_eq!(wrong.end().status.code(), Some(4));
    let profile = closed.path("config").join("hive").join("default.json");
    assert!(!profile.exists());
    // What is in the input comes before the environment.
    let said = piped(closed.client(&login).env("HIVE_TOKEN", "hive_1_other"), format!("{}\n", closed.token).as_bytes());
    assert!(said.contains("default") && !said.contains(&closed.token), "{said}");
    assert_eq!(fs::metadata(&profile).unwrap().mode() & 0o777, 0o600);
    // The certificate is in it.
    let tasks = ["tasks", "--output", "json"];
    let (code, said, complaint) = output(&mut closed.client(&tasks));
    assert!(code == Some(0) && said.starts_with("{\"tasks\":[]"), "{complaint}");
    // To another Queen the token does not go: she would refuse one that is not hers.
    let open = super::Hive::on("127.0.0.1");
    let other = format!("http://{}", open.http);
    assert_eq!(output(&mut closed.client(&["tasks", "--url", &other])).0, Some(0));
    let (code, _, complaint) = output(&mut closed.client(&["tasks", "--url", &other, "--profile", "default"]));
    assert!(code == Some(2) && complaint.contains("leave one of them out"), "{complaint}");
    fs::set_permissions(&profile, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, complaint) = output(&mut closed.client(&tasks));
    assert!(code == Some(2) && complaint.contains("chmod 600"), "{complaint}");
    // Another Queen does not need it.
    let (code, _, complaint) = output(&mut closed.client(&["tasks", "--url", &other]));
    assert!(code == Some(0) && complaint.contains("chmod 600"), "{complaint}");
}
