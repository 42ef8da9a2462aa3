//! nginx in front of the Queen, as OPERATIONS has it, where it is installed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};

use super::SetUp;

/// nginx, until it is dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A proxy of this Queen that listens at a socket in `folder`, and says that its clients came by TLS from 198.51.100.7.
fn proxy(folder: &Path, authority: &Path, queen: std::net::SocketAddr) -> Option<Proxy> {
    let (at, authority) = (folder.display(), authority.display());
    let config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/errors;
        events {{}}
        http {{
            access_log off; client_body_temp_path {at}/1; proxy_temp_path {at}/2;
            fastcgi_temp_path {at}/3; uwsgi_temp_path {at}/4; scgi_temp_path {at}/5;
            server {{
                listen unix:{at}/socket;
                location / {{
                    proxy_pass https://{queen};
                    proxy_ssl_trusted_certificate {authority};
                    proxy_ssl_verify on;
                    proxy_ssl_name queen.hive;
                    proxy_http_version 1.1;
                    proxy_set_header Host $host;
                    proxy_set_header X-Forwarded-For \"$http_x_forwarded_for, 198.51.100.7\";
                    proxy_set_header X-Forwarded-Proto https;
                }}
            }}
        }}"
    );
    let file = folder.join("config");
    fs::write(&file, config).unwrap();
    let started = Command::new("nginx").arg("-e").arg(folder.join("errors")).arg("-c").arg(file).spawn();
    let Ok(child) = started else {
        eprintln!("skipped: there is no nginx");
        return None;
    };
    let proxy = Proxy(child);
    while UnixStream::connect(folder.join("socket")).is_err() {
        std::thread::yield_now();
    }
    Some(proxy)
}

/// What is answered by way of the proxy.
fn ask(folder: &Path, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(folder.join("socket")).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: hive.test\r\nconnection: close\r\ncontent-length: {length}\r\n\
         x-forwarded-for: 203.0.113.9\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn whom_a_proxy_asks_for_counts_only_if_it_is_trusted() {
    let set_up = SetUp::new();
    let bearer = format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", set_up.admin);
    for (trust, address) in [(&[][..], "127.0.0.1"), (&["--trusted-proxy", "127.0.0.1"], "198.51.100.7")] {
        let queen = set_up.start(trust);
        let folder = tempfile::tempdir().unwrap();
        let Some(_proxy) = proxy(folder.path(), &set_up.data().join("authority.pem"), queen.http) else {
            return queen.stop();
        };
        let asked = ask(folder.path(), "POST", "/tasks", &bearer, r#"{"input":"honey"}"#);
        assert!(asked.starts_with("HTTP/1.1 201"), "{asked}");
        assert!(asked.contains(&format!("\"address\":\"{address}\"")), "{asked}");
        assert!(asked.to_ascii_lowercase().contains("strict-transport-security: "), "{asked}");
        let form = "content-type: application/x-www-form-urlencoded\r\norigin: https://hive.test\r\n";
        let login = ask(folder.path(), "POST", "/login", form, &format!("token={}", set_up.admin));
        assert!(login.starts_with("HTTP/1.1 303") && login.contains("__Host-hive="), "{login}");
        let refused = ask(folder.path(), "GET", "/tasks", "authorization: Bearer hive_1_guessed\r\n", "");
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
        queen.stop();
    }
}
