//! `report verify` with images, or a report, in a bucket.

use std::fs;
use std::path::Path;

use crate::bucket::{ACCESS_KEY, SECRET_KEY, server};
use crate::images;
use crate::run::{Report, json as json_of};
use crate::verify::{HOSTILE, assert_differs, copy, line, small, verify};

#[test]
fn a_bucket_is_listed_and_its_etags_compared() {
    let input = copy(&small().input());
    // No server takes such a name from a folder.
    fs::remove_file(input.path().join(HOSTILE)).expect("a file");
    let first = server().photos("fruit/", input.path()).start();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    first
        .run()
        .args(["--prefix", "fruit", "--request-payer", "--components", "6"])
        .expect(0);
    first
        .report()
        .args([
            "--bucket",
            "photos",
            "--prefix",
            "fruit",
            "--request-payer",
            "--components",
            "6",
        ])
        .args(["--cache", "s3://out/cache"])
        .arg("--out")
        .arg(&out)
        .expect(0);
    let command = json_of(out.join("run.json"))["provenance"]["command"].to_string();
    assert!(command.contains(" --request-payer"), "{command}");
    assert!(
        !command.contains("payer="),
        "flags take no value: {command}"
    );

    let signed = |report: Report| {
        report
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    };
    let n_reads = first.paths("GET").len();
    // A record does not choose who gets a signed request.
    let said = signed(verify(&out)).expect(0);
    let inputs = line(&said, "inputs");
    assert!(
        inputs.starts_with("skipped") && inputs.contains(&first.url),
        "{inputs}"
    );
    assert_eq!(first.paths("GET").len(), n_reads);
    // Not even to one that the user named for something else.
    let said = signed(verify(&out))
        .args(["--endpoint-url", &first.url])
        .expect(0);
    let inputs = line(&said, "inputs");
    assert!(
        inputs.starts_with("skipped") && inputs.contains("--input s3://photos/fruit/"),
        "{inputs}"
    );
    signed(verify(&out))
        .args(["--rerun", "--endpoint-url", &first.url])
        .expect(2);
    assert_eq!(first.paths("GET").len(), n_reads);
    let verify = |report: &Path, url: &str| {
        let named = ["--endpoint-url", url, "--input", "s3://photos/fruit"];
        verify(report).args(named)
    };
    let said = signed(verify(&out, &first.url)).expect(0);
    assert!(
        line(&said, "inputs").contains("24 images with the same ETag"),
        "{}",
        said.stdout
    );
    assert_eq!(first.paths("GET").len(), n_reads + 1, "one listing");
    let said = signed(verify(Path::new("s3://out/report"), &first.url)).expect(0);
    assert!(said.stdout.contains("verified: 18 ok"), "{}", said.stdout);
    let said = signed(verify(&out, &first.url)).arg("--rerun").expect(0);
    assert!(
        line(&said, "again: embeddings.parquet").ends_with("equal"),
        "{}",
        said.stdout
    );
    // Without credentials.
    let said = verify(&out, &first.url).expect(6);
    assert!(said.stdout.contains("manifest digest"), "{}", said.stdout);
    // From the folder that was uploaded.
    let said = crate::verify::verify(&out)
        .arg("--input")
        .arg(input.path())
        .expect(0);
    assert!(line(&said, "inputs").contains("SHA-256"), "{}", said.stdout);

    let class = &images::classes()[0];
    let file = fs::read_dir(input.path().join(class))
        .expect("a folder")
        .next();
    let file = file.expect("a file").expect("readable").path();
    let mut bytes = fs::read(&file).expect("an image");
    bytes.reverse();
    fs::write(&file, bytes).expect("an image");
    let second = server().photos("fruit/", input.path()).start();
    let said = signed(verify(&out, &second.url)).expect(4);
    let name = file.file_name().expect("a name").to_string_lossy();
    assert_differs(&said, "inputs", &["1 changed", &name]);
}

#[test]
fn no_more_of_a_report_in_a_bucket_is_copied_than_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = folder.path().join("large");
    let file = fs::File::create(&large).expect("a file");
    file.set_len((32 << 20) + 1).expect("a size");
    let server = server()
        .objects(&[("theirs/run.json".to_owned(), large)])
        .start();
    let said = verify(Path::new("s3://photos/theirs"))
        .args(["--endpoint-url", &server.url])
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .expect(6);
    let words = "sends 33554433 bytes where at most 33554432 can be right";
    assert!(said.stderr.contains(words), "{}", said.stderr);
}
