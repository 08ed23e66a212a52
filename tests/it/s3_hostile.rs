//! Buckets as nobody wants them: keys that no file could have, very many objects, large ones.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use fruits::load::{LoadParams, load, read};
use fruits::s3::{Connection, Prefix, S3Params};
use fruits::source::Source;
use serde_json::{Value, json};

use crate::bucket::{Server, server};
use crate::faults::fixture;
use crate::images;
use crate::run::Report;

/// Keys that S3 takes. Each is an image of the class that its last folder names.
fn keys() -> Vec<String> {
    let mut keys: Vec<_> = [
        "Apple red/a b+c%20d%2F.jpg",
        "Apple red/Grüße – 果物 🍎.jpg",
        "Apple red/../../../../etc/passwd/x.jpg",
        "../Plum/escape.jpg",
        "/Plum/leading.jpg",
        "a//Plum/double.jpg",
        "Plum/./dot.jpg",
        "Plum/new\nline\ttab.jpg",
        "Plum/\u{1b}[31mred\u{7}.jpg",
        "</script><img src=x onerror=alert(1)>/&\"'.jpg",
        "Plum/{{ 7 * 7 }}{% raw %}.jpg",
        "C:\\Windows\\..\\Plum/back\\slash.jpg",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    // The longest key that S3 takes.
    keys.push(format!("Plum/{}", "k".repeat(1024 - "Plum/".len())));
    keys
}

#[test]
fn keys_that_no_file_could_have_come_through_and_escape_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = images::of_class("Plum Blue").into_iter();
    let objects: Vec<(String, PathBuf)> = keys().into_iter().zip(files).collect();
    let out = folder.path().join("deep/er/out");
    let server = server().objects(&objects).start();
    let run = || {
        let report = server.report().args(["--bucket", "photos"]);
        report.args(["--label", "parent"])
    };
    let before = tree(folder.path());
    assert!(before.is_empty());
    run()
        .arg("--cache")
        .arg(folder.path().join("cache"))
        .arg("--out")
        .arg(&out)
        .expect(0);

    let record: Value = crate::run::json(out.join("run.json"));
    assert_eq!(
        record["images"]["accepted"].as_u64(),
        Some(objects.len() as u64)
    );
    assert_eq!(record["images"]["rejected"], 0);
    let labels: Vec<_> = record["classes"]
        .as_array()
        .expect("classes")
        .iter()
        .map(|c| c["label"].as_str())
        .collect();
    for label in [
        "Plum",
        "Apple red",
        "passwd",
        ".",
        "script><img src=x onerror=alert(1)>",
    ] {
        assert!(labels.contains(&Some(label)), "{label}: {labels:?}");
    }
    let written = tree(folder.path());
    assert!(
        written
            .iter()
            .all(|path| path.starts_with("cache/features/") || path.starts_with("deep/er/out/")),
        "{written:?}"
    );
    let html = std::fs::read_to_string(out.join("index.html")).expect("the report");
    assert!(
        !html.contains("<img src=x") && !html.contains("</script><img"),
        "a key is markup"
    );
    assert!(
        !html.contains(['\u{1b}', '\u{7}']),
        "a control character reached the page"
    );
    assert!(html.contains("Grüße – 果物 🍎.jpg") && html.contains("{{ 7 * 7 }}"));

    // In a bucket they name nothing either.
    run()
        .args(["--cache", "s3://out/cache", "--out", "s3://out/report"])
        .expect(0);
    let keys = server.keys("out");
    assert!(
        keys.iter()
            .all(|k| k.starts_with("cache/features/") || k.starts_with("report/")),
        "{keys:?}"
    );
}

#[test]
fn large_photographs_do_not_wait_for_each_other_in_memory() {
    // 24 of 4.3 MB in one shard: more than is read ahead, and several batches.
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    for class in &images::classes()[..2] {
        for (i, file) in images::of_class(class).iter().step_by(3).enumerate() {
            let image = image::open(file).expect("an image");
            let large = image.resize_exact(1200, 1200, image::imageops::FilterType::Nearest);
            let mut bmp = std::io::Cursor::new(Vec::new());
            large
                .write_to(&mut bmp, image::ImageFormat::Bmp)
                .expect("a bitmap");
            images::put(&input, class, &format!("{i:02}.bmp"), &bmp.into_inner());
        }
    }
    let server = server().photos("", &input).arg("--public").start();
    Report::on(&input, &out, &folder.path().join("cache")).expect(0);
    server.run().expect(0);
    let record = server.json("report/run.json");
    assert_eq!(
        (
            &record["images"]["accepted"],
            &record["source"]["size_bytes"]
        ),
        (&24.into(), &(24 * 4_320_054).into())
    );
    let local = std::fs::read(out.join("embeddings.parquet")).expect("embeddings");
    assert!(
        server
            .content("report/embeddings.parquet")
            .expect("embeddings")
            == local
    );

    // A notebook that wants them all at once gets them.
    let connection = Connection::open(&S3Params {
        endpoint_url: Some(server.url.clone()),
        region: Some("us-east-1".to_owned()),
        no_sign_request: true,
        ..S3Params::default()
    });
    let photos = Prefix::new(&connection.expect("a connection"), "photos", "").expect("a bucket");
    let source = Source::Bucket(photos);
    let manifest = load(&source, &LoadParams::default())
        .expect("images")
        .manifest;
    assert_eq!(read(&source, &manifest).expect("bytes").height(), 24);
}

/// Files below a folder, as paths from there.
fn tree(root: &std::path::Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(root)
        .into_iter()
        .filter_map(Result::ok);
    let files = entries.filter(|e| e.file_type().is_file());
    files
        .map(|e| {
            e.path()
                .strip_prefix(root)
                .expect("below")
                .display()
                .to_string()
        })
        .collect()
}

#[test]
fn twenty_thousand_objects_are_listed_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("small.jpg");
    std::fs::write(&file, fixture("grey.jpg")).expect("a file");
    let key = |i: usize| format!("many/class {}/{i:05}.jpg", i % 7);
    let mut objects: Vec<_> = (0..20_000).map(|i| (key(i), file.clone())).collect();
    // What is no image: a folder's markers, a hidden file, what a network drive keeps, another folder that starts alike.
    for other in [
        "many/class 0/",
        "many/class 0_$folder$",
        "many/class 0/.hidden.jpg",
        "many/class 0/@eaDir/00000.jpg/SYNOPHOTO_THUMB_M.jpg",
        "many-others/class 0/a.jpg",
    ] {
        objects.push((other.to_owned(), file.clone()));
    }
    let server = server().objects(&objects).start();
    let said = server
        .run()
        .args(["--prefix", "many", "--dry-run"])
        .expect(0);
    for words in [
        "files     20000 ",
        "20000 images in 7 classes",
        "0 of 157 shards",
        "2858 class 0",
        "2857 class 6",
    ] {
        assert!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    let pages = server
        .log()
        .iter()
        .filter(|r| r["path"].as_str().is_some_and(|p| p.starts_with("/photos")))
        .count();
    assert_eq!(pages, 21, "20,004 objects below the prefix are 21 pages");
}

#[test]
fn a_server_that_lies_about_lengths_and_pages_is_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    images::sample(&input, 2, 4);
    let key = format!("{}/one.jpg", images::classes()[0]);
    let file = images::of_class("Plum Blue").swap_remove(0);
    std::fs::copy(file, input.join(&key)).expect("a copy");

    // More than any machine has, and more than was listed.
    let server = server()
        .photos("", &input)
        .fault(
            json!({"kind": "claim", "bytes": 10_000_000_000_000_u64, "method": "GET", "key": key}),
        )
        .start();
    let rejected = |server: &Server| {
        let rows = server
            .content("report/rejected.csv")
            .expect("rejected files");
        String::from_utf8(rows).expect("text")
    };
    server.colour().expect(0);
    let rows = rejected(&server);
    assert!(
        rows.contains(&key) && rows.contains("10000000000000"),
        "{rows}"
    );
    let is_of_key = |r: &&Value| r["path"].as_str().is_some_and(|p| p.ends_with(&key));
    assert_eq!(
        server.log().iter().filter(is_of_key).count(),
        1,
        "it was asked for again"
    );

    // The same of a receipt, which commits nothing then.
    let server = self::server()
        .photos("", &input)
        .fault(json!({"kind": "claim", "bytes": 10_000_000_000_000_u64, "method": "GET", "key_suffix": ".json"}))
        .start();
    server.colour().expect(0);
    let said = server.colour().expect(0);
    assert!(
        said.stderr.contains("does not commit the shard beside it"),
        "{}",
        said.stderr
    );

    let server = self::server()
        .photos("", &input)
        .fault(json!({"kind": "endless", "list": true}))
        .start();
    let said = server.colour().expect(6);
    assert!(said.stderr.contains("again and again"), "{}", said.stderr);
}

/// The address of a server that answers each request with the next of these pages of a listing.
fn answering(pages: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("a port"));
    let pages = Arc::new(Mutex::new(pages.into_iter()));
    std::thread::spawn(move || {
        // A client may open another connection while one is still there.
        for stream in listener.incoming().flatten() {
            let pages = Arc::clone(&pages);
            std::thread::spawn(move || answer(&stream, &pages));
        }
    });
    url
}

fn answer(mut stream: &TcpStream, pages: &Mutex<std::vec::IntoIter<String>>) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if !line.is_empty() {
            continue;
        }
        let page = pages.lock().expect("no panic").next().unwrap_or_default();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", page.len());
        let answer = [head, page].concat();
        stream.write_all(answer.as_bytes()).expect("a client");
    }
}

/// A page that names these keys with the largest size there is, and the next page.
fn page(keys: &[&str], next: Option<&str>) -> String {
    let objects = keys.iter().map(|key| {
        let size = i64::MAX;
        format!("<Contents><Key>{key}</Key><Size>{size}</Size><ETag>e</ETag></Contents>")
    });
    let next = next.map_or(String::new(), |next| {
        format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>"
        )
    });
    let objects: String = objects.collect();
    format!("<ListBucketResult>{next}{objects}</ListBucketResult>")
}

#[test]
fn a_listing_is_taken_as_it_can_be_true() {
    let bucket = |pages| {
        let connection = Connection::open(&S3Params {
            endpoint_url: Some(answering(pages)),
            region: Some("us-east-1".to_owned()),
            no_sign_request: true,
            ..S3Params::default()
        });
        Prefix::new(&connection.expect("a connection"), "photos", "").expect("a bucket")
    };
    // The end of a page comes again as the start of the next, and no sum of sizes has room.
    let pages = vec![
        page(&["A/a.jpg", "A/b.jpg"], Some("1")),
        page(&["A/b.jpg", "B/c.jpg"], None),
    ];
    let source = Source::Bucket(bucket(pages));
    let listed = source.list(&mut |_| true).expect("a listing").objects;
    let keys: Vec<_> = listed.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(keys, ["A/a.jpg", "A/b.jpg", "B/c.jpg"]);

    let pages = vec![page(&["A/a.jpg", "A/b.jpg", "B/c.jpg"], None)];
    let loaded = load(&Source::Bucket(bucket(pages)), &LoadParams::default());
    assert_eq!(loaded.expect("a listing").size_bytes, u64::MAX);

    // A key a page, for ever.
    let names = (0..2000).map(|i| (format!("A/{i}.jpg"), format!("t{i}")));
    let pages = names.map(|(key, token)| page(&[&key], Some(&token)));
    let thin = bucket(pages.collect());
    let said = thin.list(&mut |_| true).expect_err("no end");
    assert!(
        said.to_string().contains("fewer than 10 new keys"),
        "{said}"
    );

    // Two pages that name each other.
    let mut pages: Vec<_> = (0..40)
        .map(|i| page(&["A/a.jpg"], Some(["1", "2"][i % 2])))
        .collect();
    pages.push(page(&[], None));
    let said = bucket(pages).list(&mut |_| true).expect_err("no end");
    assert!(said.to_string().contains("again and again"), "{said}");
}
