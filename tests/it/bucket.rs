//! A fluent way to start the S3 server of `tests/s3-server`, and `report` against it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::run::Report;

/// Known to the server of a test and to nobody else. Long and odd, so that a search finds them wherever they leak.
pub const ACCESS_KEY: &str = "AKIDONLYFORTESTS7Q2M";
pub const SECRET_KEY: &str = "secret+only/for-tests/0123456789abcdefghi";
pub const SESSION_TOKEN: &str = "token-only-for-tests-9f8e7d6c5b4a";

/// The server of one test; it ends with it.
pub struct Server {
    child: Child,
    pub url: String,
    folder: tempfile::TempDir,
}

/// What a server is to hold and to do.
pub struct Builder {
    arguments: Vec<String>,
    folder: tempfile::TempDir,
}

/// A server with an empty bucket `out`.
pub fn server() -> Builder {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let arguments = [
        "--data",
        &at("data"),
        "--log",
        &at("log"),
        "--access-key",
        ACCESS_KEY,
        "--secret-key",
        SECRET_KEY,
        "--bucket",
        "out",
        "--exit-with-stdin",
    ];
    Builder {
        arguments: arguments.map(ToOwned::to_owned).to_vec(),
        folder,
    }
}

impl Builder {
    pub fn arg(mut self, arg: &str) -> Self {
        self.arguments.push(arg.to_owned());
        self
    }

    /// Files below `folder` as objects of the bucket `photos`.
    pub fn photos(self, prefix: &str, folder: &Path) -> Self {
        self.arg("--seed")
            .arg(&format!("photos/{prefix}={}", folder.display()))
    }

    /// Objects of the bucket `photos` under keys that no file could have, each with the content of a file.
    pub fn objects(self, objects: &[(String, PathBuf)]) -> Self {
        let line = |(key, file): &(String, PathBuf)| {
            json!({"bucket": "photos", "key": key, "file": file}).to_string()
        };
        let lines: Vec<_> = objects.iter().map(line).collect();
        let path = self.folder.path().join("objects.jsonl");
        std::fs::write(&path, lines.join("\n")).expect("a file");
        let path = path.display().to_string();
        self.arg("--objects").arg(&path)
    }

    pub fn args<const N: usize>(self, args: [&str; N]) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    pub fn fault(self, rule: Value) -> Self {
        self.arg("--fault").arg(&rule.to_string())
    }

    pub fn start(self) -> Server {
        let mut child = Command::new(program())
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("the server said: {line}"));
        Server {
            url: url.to_owned(),
            child,
            folder: self.folder,
        }
    }
}

impl Server {
    /// `report` with the server's credentials and address, in 32-bit floats.
    pub fn report(&self) -> Report {
        self.stranger()
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    }

    /// The same without credentials.
    pub fn stranger(&self) -> Report {
        Report::new().args(["--endpoint-url", &self.url, "--precision", "f32"])
    }

    /// A run on the photos by colour, with everything in the bucket `out`.
    pub fn colour(&self) -> Report {
        self.coloured(Report::new())
    }

    /// [`Server::colour`] of a program that was started in another way.
    pub fn coloured(&self, report: Report) -> Report {
        report
            .args(["--endpoint-url", &self.url])
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .args(["--bucket", "photos", "--out", "s3://out/report"])
            .args(["--cache", "s3://out/cache", "--descriptor", "colour"])
            .args(["--components", "4", "--iterations", "300"])
    }

    /// A run on the photos with everything in the bucket `out`.
    pub fn run(&self) -> Report {
        self.report()
            .args(["--bucket", "photos", "--out", "s3://out/report"])
            .args(["--cache", "s3://out/cache"])
    }

    /// The objects of a bucket, as the server knows them.
    pub fn objects(&self, bucket: &str) -> Vec<Value> {
        let text = self.get(&format!("/_control/objects?bucket={bucket}"));
        serde_json::from_slice(&text.expect("the bucket exists")).expect("JSON")
    }

    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let objects = self.objects(bucket).into_iter();
        objects
            .map(|o| o["key"].as_str().expect("a key").to_owned())
            .collect()
    }

    /// What lies under a plain key of the bucket `out`.
    pub fn content(&self, key: &str) -> Option<Vec<u8>> {
        self.get(&format!("/_control/content?bucket=out&key={key}"))
    }

    /// From now on nothing goes wrong.
    pub fn heal(&self) {
        self.get("/_control/heal").expect("healed");
    }

    pub fn json(&self, key: &str) -> Value {
        let bytes = self
            .content(key)
            .unwrap_or_else(|| panic!("no object {key}"));
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// The requests until now.
    pub fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("log")).expect("the log");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// The paths of the requests of a method that were answered with success, in order.
    pub fn paths(&self, method: &str) -> Vec<String> {
        let log = self.log().into_iter();
        let answered =
            log.filter(|r| r["method"] == method && r["status"].as_u64().is_some_and(|s| s < 300));
        answered
            .map(|r| r["path"].as_str().expect("a path").to_owned())
            .collect()
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        let address = self.url.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(address).expect("the server listens");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )
        .expect("it is read");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a head");
        let is_found = answer.starts_with(b"HTTP/1.1 200");
        is_found.then(|| answer.split_off(end + 4))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's binary, compiled on first use into the folder that the tests themselves were compiled into.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let release = Path::new(env!("CARGO_BIN_EXE_report"))
            .parent()
            .expect("a folder");
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--release",
                "--locked",
                "--quiet",
                "--package",
                "s3-server",
            ])
            .arg("--target-dir")
            .arg(release.parent().expect("a folder"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(
            built.expect("cargo").success(),
            "the S3 server does not compile"
        );
        release.join("s3-server")
    })
}
