//! The answer of a server that was asked for a listing: keys sorted, nothing that systems leave, or a sentence.
//!
//! The SDK alone parses the XML; this is the smallest public door behind which its answer is handled. Errors of the server are
//! not sent: the SDK would wait between its tries.
#![no_main]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};

use fruits::Error;
use fruits::load::{LoadParams, load};
use fruits::s3::{Connection, Prefix, S3Params};
use fruits::source::Source;
use libfuzzer_sys::fuzz_target;

/// Between two pages of the answer.
const NEXT: &[u8] = b"\n--\n";
/// After the last one.
const NOTHING: &[u8] = b"<ListBucketResult></ListBucketResult>";

static PAGES: Mutex<VecDeque<Vec<u8>>> = Mutex::new(VecDeque::new());

fn source() -> &'static Source {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream));
            }
        });
        let params = S3Params {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(format!("http://127.0.0.1:{port}")),
            no_sign_request: true,
            ..S3Params::default()
        };
        let connection = Connection::open(&params).expect("a connection");
        Source::Bucket(Prefix::new(&connection, "photos", "Training").expect("a prefix"))
    })
}

/// Answers requests with the pages, one after the other.
fn serve(stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    writer.set_nodelay(true).ok()?;
    loop {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            (reader.read_line(&mut line).ok()? > 0).then_some(())?;
        }
        let page = PAGES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let page = page.unwrap_or_else(|| NOTHING.to_vec());
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", page.len());
        writer.write_all(&[head.as_bytes(), &page].concat()).ok()?;
    }
}

fuzz_target!(|data: &[u8]| {
    let mut pages = VecDeque::new();
    let mut rest = data;
    while let Some(at) = rest.windows(NEXT.len()).position(|part| part == NEXT) {
        pages.push_back(rest[..at].to_vec());
        rest = &rest[at + NEXT.len()..];
    }
    pages.push_back(rest.to_vec());
    let source = source();
    *PAGES.lock().unwrap_or_else(PoisonError::into_inner) = pages;

    match load(source, &LoadParams::default()) {
        Ok(loaded) => {
            let keys = fruits::matrix::strings(&loaded.manifest, "key").expect("keys");
            assert!(
                keys.windows(2).all(|pair| pair[0] < pair[1]),
                "a key is there twice"
            );
            assert!(
                keys.iter()
                    .all(|key| !key.is_empty() && !key.ends_with('/'))
            );
            let n = (keys.len() + loaded.rejected.len()) as u64;
            assert!(n + loaded.n_skipped <= loaded.n_listed);
        }
        Err(error @ (Error::Bucket { .. } | Error::NoImage(_) | Error::Invalid(_))) => {
            assert!(!error.to_string().contains('\0'));
        }
        Err(error) => panic!("{error}"),
    }
});
