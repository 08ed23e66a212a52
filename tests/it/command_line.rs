//! The command line as a user would type it.

use std::fs;

use crate::run::{Report, project};

#[test]
fn without_input_it_says_what_to_name() {
    let said = Report::new().expect(2);
    assert!(said.stderr.contains("--input DIR"), "{}", said.stderr);
}

#[test]
fn help_lists_the_options_and_version_is_the_packages() {
    let help = Report::new().arg("--help").expect(0).stdout;
    for option in [
        "--input",
        "--out",
        "--bucket",
        "--prefix",
        "--region",
        "--endpoint-url",
        "--profile",
        "--no-sign-request",
        "--request-payer",
        "--sse",
        "--sse-kms-key-id",
        "--s3-timeout",
        "--dry-run",
        "--log",
        "--top-classes",
        "--classes",
        "--limit",
        "--baseline",
        "--descriptor",
        "--filter",
        "--precision",
        "--components",
        "--variance",
        "--pca-solver",
        "--perplexity",
        "--iterations",
        "--seed",
        "--threads",
        "--cache",
        "--no-cache",
        "--model",
        "--config",
        "--print-config",
        "--quiet",
        "doctor",
        "diff",
    ] {
        assert!(help.contains(option), "{option} is not in the help");
    }
    let version = Report::new().arg("--version").expect(0).stdout;
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
}

#[test]
fn wrong_values_are_usage_errors_that_name_the_option() {
    for (option, value) in [
        ("--components", "0"),
        ("--variance", "1.5"),
        ("--perplexity", "-3"),
        ("--precision", "f16"),
        ("--descriptor", "sift"),
        ("--filter", "lanczos"),
        ("--pca-solver", "svd"),
        ("--limit", "many"),
        ("--sse", "rot13"),
        ("--log", "xml"),
        ("--out", "s3://"),
        ("--out", "S3://results/run1"),
        ("--s3-timeout", "30s"),
        ("--colour", "red"),
    ] {
        let said = Report::new()
            .args(["--input", "x"])
            .arg(format!("{option}={value}"))
            .expect(2);
        assert!(
            said.stderr.contains(option),
            "{option} {value}: {}",
            said.stderr
        );
    }
}

#[test]
fn parameters_that_cannot_work_are_refused_before_the_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, cache) = (folder.path().join("out"), folder.path().join("cache"));
    let run = || Report::on(&project().join("data-sample"), &out, &cache);
    for (arguments, word) in [
        (["--iterations", "250", "--seed", "1"], "iterations"),
        (["--threads", "60000", "--seed", "1"], "at most 1024"),
        (["--pca-solver", "linfa", "--variance", "0.9"], "linfa"),
        (
            ["--components", "32", "--variance", "0.9"],
            "name one of them",
        ),
    ] {
        let said = run().args(arguments).expect(2);
        assert!(said.stderr.contains(word), "{arguments:?}: {}", said.stderr);
        assert!(!cache.exists(), "{arguments:?}: work began");
    }
    let inside = folder.path().join("images/Apple");
    std::fs::create_dir_all(&inside).expect("a folder");
    let said = Report::on(&folder.path().join("images"), &inside, &cache).expect(2);
    assert!(said.stderr.contains("--out"), "{}", said.stderr);
}

#[test]
fn buckets_that_cannot_work_are_refused_before_a_request() {
    // Nobody listens at port 1: a request would end with 6.
    let fails = |arguments: &[&str], words: &[&str]| {
        let run = Report::new().args(["--endpoint-url", "http://127.0.0.1:1", "--no-sign-request"]);
        let said = arguments
            .iter()
            .fold(run, |run, word| run.arg(word))
            .expect(2);
        assert!(
            words.iter().all(|word| said.stderr.contains(word)),
            "{words:?}: {}",
            said.stderr
        );
    };
    let photos = ["--bucket", "photos", "--prefix", "a"];
    let with = |more: &[&'static str]| [&photos, more].concat();
    fails(
        &["--bucket", "photos", "--out", "s3://photos/b"],
        &["--out", "--prefix"],
    );
    fails(
        &with(&["--cache", "s3://photos/a/cache"]),
        &["--cache", "s3://photos/a/"],
    );
    fails(
        &with(&["--input", "data-sample"]),
        &["input", "bucket", "name one"],
    );
    fails(&["--prefix", "a"], &["--bucket"]);
    fails(&["--bucket", "photos/a"], &["photos/a", "--prefix"]);
    fails(&with(&["--sse-kms-key-id", "k"]), &["--sse aws:kms"]);
    fails(&with(&["--s3-timeout", "0"]), &["timeout", "0"]);
    let url = "https://user:hunter2@example.org";
    let said = Report::new()
        .args(["--bucket", "photos", "--endpoint-url", url])
        .expect(2);
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
}

#[test]
fn a_flag_for_a_folder_wins_over_a_bucket_from_the_environment() {
    let said = Report::new()
        .args(["--input", "x", "--print-config"])
        .env("FRUITS_BUCKET", "photos")
        .env("FRUITS_PREFIX", "a")
        .expect(0);
    for line in [
        "input = \"x\" # flag",
        "# bucket is not set",
        "# prefix is not set",
    ] {
        assert!(
            said.stdout.lines().any(|l| l == line),
            "no line `{line}` in:\n{}",
            said.stdout
        );
    }
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let mut child = Report::new()
        .args(["--input", "x", "--print-config"])
        .start();
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_stronger_origin_wins() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.toml");
    fs::write(
        &file,
        "perplexity = 11\nseed = 12\niterations = 300\ntop-classes = 2\n",
    )
    .expect("a file");
    let said = Report::new()
        .args(["--input", "x", "--print-config", "--seed", "14"])
        .arg("--config")
        .arg(&file)
        .env("FRUITS_SEED", "13")
        .env("FRUITS_ITERATIONS", "400")
        .expect(0);
    for line in [
        "perplexity = 11 # file",
        "seed = 14 # flag",
        "iterations = 400 # environment",
        "top-classes = 2 # file",
        "components = 64 # default",
        "filter = \"bicubic\" # default",
    ] {
        assert!(
            said.stdout.lines().any(|l| l == line),
            "no line `{line}` in:\n{}",
            said.stdout
        );
    }
    let again = folder.path().join("again.toml");
    fs::write(&again, &said.stdout).expect("a file");
    let printed = Report::new()
        .arg("--print-config")
        .arg("--config")
        .arg(&again)
        .expect(0)
        .stdout;
    assert!(
        printed.contains("seed = 14 # file"),
        "a printed configuration is one: {printed}"
    );
}

#[test]
fn faults_of_the_configuration_file_name_the_file_and_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.toml");
    for (text, names) in [
        ("perplexty = 30\n", ["perplexty", "perplexity"]),
        ("perplexity = \"many\"\n", ["perplexity", "many"]),
        ("seed = -1\n", ["seed", "-1"]),
        ("no-cache = 3\n", ["no-cache", "3"]),
        ("seed = [\n", ["run.toml", "array"]),
    ] {
        fs::write(&file, text).expect("a file");
        let said = Report::new()
            .args(["--input", "x"])
            .arg("--config")
            .arg(&file)
            .expect(2);
        assert!(said.stderr.contains("run.toml"), "{text}: {}", said.stderr);
        assert!(
            names.iter().all(|name| said.stderr.contains(name)),
            "{text}: {}",
            said.stderr
        );
    }
    let said = Report::new().args(["--config", "/nowhere.toml"]).expect(6);
    assert!(said.stderr.contains("/nowhere.toml"), "{}", said.stderr);
}

#[test]
fn doctor_examines_everything_and_says_what_to_do() {
    let computed = Report::new().args(["doctor", "--compute"]).expect(0);
    assert!(
        computed.stdout.contains("computes 25088 features"),
        "{}",
        computed.stdout
    );
    let said = Report::new().arg("doctor").expect(0);
    for check in [
        "library",
        "model",
        "f32",
        "bf16",
        "processor",
        "memory",
        "cache",
    ] {
        assert!(said.stdout.contains(check), "{check}: {}", said.stdout);
    }
    let said = Report::new()
        .arg("doctor")
        .env("FRUITS_RUNTIME", "/nowhere")
        .expect(1);
    assert!(
        said.stdout.contains("BAD") && said.stdout.contains("make setup"),
        "{}",
        said.stdout
    );
}

#[test]
fn doctor_names_a_library_that_is_not_set_ups_and_loads_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let real = fruits::features::RuntimeFolder::find();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("lib")).expect("a folder");
    for name in ["runtime.json", "vgg16-notop.onnx"] {
        fs::copy(real.path().join(name), at(name)).expect(name);
    }
    for entry in fs::read_dir(real.path().join("lib")).expect("libraries") {
        let (entry, link) = entry
            .map(|e| (e.path(), fs::read_link(e.path())))
            .expect("it");
        let copy = at("lib").join(entry.file_name().expect("a name"));
        match link {
            Ok(target) => std::os::unix::fs::symlink(target, copy).expect("a link"),
            Err(_) => drop(fs::copy(&entry, copy).expect("a copy")),
        }
    }
    let doctor = |code| {
        let doctor = Report::new().arg("doctor");
        let said = doctor.env("FRUITS_RUNTIME", folder.path()).expect(code);
        said.stdout
    };
    assert!(doctor(0).contains("as set-up left them"));

    let changed = at("lib/libtbb.so.12");
    let mut bytes = fs::read(&changed).expect("a library");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&changed, bytes).expect("a library");
    fs::write(at("lib/libtbbmalloc.so.2"), "").expect("a file");
    let said = doctor(1);
    for named in [
        "`lib/libtbb.so.12` has another SHA-256",
        "`lib/libtbbmalloc.so.2` is not set-up's",
        "BAD  library    not loaded",
    ] {
        assert!(said.contains(named), "{named}: {said}");
    }
    assert!(!said.contains("libopenvino"), "{said}");
}

#[test]
fn a_program_without_an_engine_says_how_to_build_one_that_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = |engine: &str| {
        let at = |name: &str| folder.path().join(name);
        Report::on(&project().join("data-sample"), &at("out"), &at("cache"))
            .args(["--engine", engine])
            .expect(2)
            .stderr
    };
    let said = engine("spark");
    assert!(said.contains("ballista://HOST"), "{said}");
    for word in ["ballista", "ballista://127.0.0.1:1"] {
        let said = engine(word);
        assert!(
            said.contains(&format!("no engine `{word}`")) && said.contains("--features cluster"),
            "{said}"
        );
    }
}
