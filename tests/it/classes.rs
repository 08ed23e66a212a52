//! What a class is and what an image is, in folders as people and systems leave them.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fruits::Error;
use fruits::load::{LabelRule, LoadParams, Loaded, load};
use fruits::matrix::strings;
use fruits::outputs::MANIFEST;
use fruits::s3::{Connection, Prefix, S3Params};
use fruits::schema::{KEY, LABEL, SPLIT};
use fruits::source::{Source, Unread, Wanted};

use crate::bucket::server;
use crate::faults::fixture;
use crate::run::{Report, json, read_frame};

/// A folder with these files, all the same small image.
pub fn folder(keys: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for key in keys {
        put(folder.path(), key, &fixture("grey.jpg"));
    }
    folder
}

pub fn put(folder: &Path, key: &str, bytes: &[u8]) {
    let path = folder.join(key);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    std::fs::write(path, bytes).expect("a file");
}

pub fn loaded(folder: &Path, params: &LoadParams) -> Loaded {
    load(&Source::folder(folder).expect("it"), params).expect("images")
}

pub fn column(loaded: &Loaded, name: &str) -> Vec<String> {
    let values = strings(&loaded.manifest, name).expect("the column");
    values.into_iter().map(str::to_owned).collect()
}

#[test]
fn folders_below_a_class_belong_to_it() {
    let folder = folder(&[
        "Apple/2024-05-01/a.jpg",
        "Pear/2024-05-01/a.jpg",
        "Pear/b.jpg",
    ]);
    let first = loaded(folder.path(), &LoadParams::default());
    assert_eq!(column(&first, LABEL), ["Apple", "Pear", "Pear"]);
    assert!(first.manifest.column(SPLIT).is_err() && first.warnings.is_empty());
    let parent = LoadParams {
        label: LabelRule::Parent,
        ..LoadParams::default()
    };
    let parent = loaded(folder.path(), &parent);
    assert_eq!(column(&parent, LABEL), ["2024-05-01", "2024-05-01", "Pear"]);
}

#[test]
fn what_is_no_image_makes_no_class() {
    let folder = folder(&[
        "Apple/a.jpg",
        "Apple/no ending",
        "Pear/b.PNG",
        "Pear/c.jpeg",
    ]);
    for i in 0..9 {
        put(
            folder.path(),
            &format!("annotations/{i}.xml"),
            b"<annotation/>",
        );
        put(folder.path(), &format!("models/checkpoint {i}"), b"model");
    }
    put(folder.path(), "Apple/a.txt", b"0 0.5 0.5 0.9 0.9");
    let params = LoadParams {
        top_classes: Some(2),
        ..LoadParams::default()
    };
    let all = loaded(folder.path(), &params);
    assert_eq!(column(&all, LABEL), ["Apple", "Apple", "Pear", "Pear"]);
    assert_eq!((all.n_listed, all.n_skipped, all.n_other), (23, 19, 19));
    assert!(all.rejected.is_empty());
}

#[test]
fn what_systems_leave_is_counted_and_nothing_else() {
    let folder = folder(&[
        "Apple/a.jpg",
        "Apple/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg",
        "Apple/.DS_Store",
        "Apple/Thumbs.db",
        "Pear/b.jpg",
        "Pear/._b.jpg",
        "Pear_$folder$",
        "#recycle/Apple/c.jpg",
        "$RECYCLE.BIN/S-1/c.jpg",
        "__MACOSX/Apple/._a.jpg",
        "_SUCCESS",
    ]);
    let all = loaded(folder.path(), &LoadParams::default());
    assert_eq!(column(&all, KEY), ["Apple/a.jpg", "Pear/b.jpg"]);
    assert_eq!((all.n_listed, all.n_skipped, all.n_left_behind), (2, 0, 9));
}

#[cfg(unix)]
#[test]
fn links_are_followed_within_the_folder_only() {
    use std::os::unix::fs::symlink;
    let folder = folder(&["in/Apple/a.jpg", "out/Apple/b.jpg"]);
    let input = folder.path().join("in");
    symlink("a.jpg", input.join("Apple/again.jpg")).expect("a link");
    symlink(
        folder.path().join("out/Apple/b.jpg"),
        input.join("Apple/b.jpg"),
    )
    .expect("a link");
    symlink(folder.path().join("out"), input.join("Pear")).expect("a link");
    let all = loaded(&input, &LoadParams::default());
    assert_eq!(column(&all, KEY), ["Apple/a.jpg", "Apple/again.jpg"]);
    let refused: Vec<_> = all.rejected.iter().map(|r| r.key.as_str()).collect();
    assert_eq!(refused, ["Apple/b.jpg", "Pear"]);
    assert!(
        all.rejected[0]
            .message
            .contains("link out of the input folder")
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_told_but_for_those_that_systems_leave() {
    use std::os::unix::fs::symlink;
    let folder = folder(&["Apple/a.jpg"]);
    let link = |to: &str, name: &str| symlink(to, folder.path().join(name)).expect("a link");
    // The lock of Emacs, a bin that is away, and one that leads to itself.
    link("somebody@machine.4711:1700000000", "Apple/.#a.jpg");
    link("/nowhere", ".Trash");
    link("..", "Apple/.around");
    link("/nowhere", "Apple/b.jpg");
    link("..", "Apple/around");
    let all = loaded(folder.path(), &LoadParams::default());
    assert_eq!(column(&all, KEY), ["Apple/a.jpg"]);
    let refused: Vec<_> = all.rejected.iter().map(|r| r.key.as_str()).collect();
    assert_eq!(refused, ["Apple/around", "Apple/b.jpg"]);
    assert_eq!(all.n_left_behind, 3);
}

#[test]
fn files_of_no_use_by_their_size_count_for_no_class_and_are_told() {
    let folder = folder(&["Apple/a.jpg", "Apple/b.jpg", "Apple/c.jpg"]);
    for i in 0..9 {
        put(folder.path(), &format!("zzz/{i}.jpg"), b"");
    }
    put(folder.path(), "Apple/empty.jpg", b"");
    let params = |top_classes, limit| LoadParams {
        top_classes,
        limit,
        ..LoadParams::default()
    };
    let top = loaded(folder.path(), &params(Some(1), Some(2)));
    assert_eq!(column(&top, KEY), ["Apple/a.jpg", "Apple/b.jpg"]);
    let refused: Vec<_> = top.rejected.iter().map(|r| r.key.as_str()).collect();
    assert_eq!(refused, ["Apple/empty.jpg"]);
    assert_eq!((top.n_listed, top.n_skipped), (13, 10));
    let all = loaded(folder.path(), &LoadParams::default());
    assert_eq!((column(&all, KEY).len(), all.rejected.len()), (3, 10));
}

#[test]
fn a_listing_ends_when_it_is_told_to() {
    let folder = folder(&["Apple/a.jpg", "Apple/b.jpg", "Apple/c.jpg"]);
    for i in 0..9 {
        put(folder.path(), &format!("Apple/.{i}"), b"hidden");
    }
    let source = Source::folder(folder.path()).expect("it");
    // Whoever is slow to answer is asked at every file, also of those that are not counted.
    let mut n_asked = 0;
    let listing = source.list(&mut |_| {
        n_asked += 1;
        std::thread::sleep(Duration::from_millis(60));
        true
    });
    assert_eq!((listing.expect("it").objects.len(), n_asked), (3, 13));
    for n_last in [1, 5, 13] {
        let mut n_asked = 0;
        let listing = source.list(&mut |_| {
            n_asked += 1;
            std::thread::sleep(Duration::from_millis(60));
            n_asked < n_last
        });
        assert!(matches!(listing, Err(Error::Cancelled)), "{n_last}");
    }
    let manifest = loaded(folder.path(), &LoadParams::default()).manifest;
    let wanted = strings(&manifest, KEY)
        .expect("keys")
        .into_iter()
        .map(|key| Wanted {
            key: key.to_owned(),
            size_bytes: 1 << 20,
            etag: String::new(),
        });
    let stop = AtomicBool::new(true);
    let mut fetched = source.fetch(wanted.collect(), &stop);
    let first = fetched.next().expect("a file");
    assert!(matches!(first, Err(Unread::Run(Error::Cancelled))));
}

#[test]
fn a_class_is_found_by_a_name_that_looks_like_it() {
    let folder = folder(&["Pe\u{302}che/a.jpg", "Apple/a.jpg", "Apple /a.jpg"]);
    let params = |name: &str| LoadParams {
        classes: Some(vec![name.to_owned()]),
        ..LoadParams::default()
    };
    let peach = loaded(folder.path(), &params("p\u{ea}che"));
    assert_eq!(column(&peach, LABEL), ["Pe\u{302}che"]);
    let source = Source::folder(folder.path()).expect("it");
    let error = load(&source, &params("apple")).expect_err("two of them");
    let said = error.to_string();
    assert!(
        said.contains("2 look like it: `Apple`, `Apple[U+0020]`"),
        "{said}"
    );
    let all = loaded(folder.path(), &LoadParams::default());
    assert!(
        all.warnings[0].contains("`Apple` and `Apple[U+0020]`"),
        "{:?}",
        all.warnings
    );
}

#[test]
fn the_split_of_an_image_is_a_column_and_in_the_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = crate::run::project().join("data-sample/Lemon Dimpled");
    let mut files: Vec<_> = std::fs::read_dir(sample)
        .expect("it")
        .map(|f| f.expect("a file").path())
        .collect();
    files.sort();
    for (i, file) in files.iter().take(16).enumerate() {
        let split = ["Train", "test"][i % 2];
        let class = ["Apple", "Pear"][usize::from(i > 7)];
        let bytes = std::fs::read(file).expect("an image");
        put(
            folder.path(),
            &format!("in/{split}/{class}/{i:02}.jpg"),
            &bytes,
        );
    }
    let out = folder.path().join("out");
    let run = |out: &Path, rule: &str| {
        Report::new()
            .arg("--input")
            .arg(folder.path().join("in"))
            .arg("--out")
            .arg(out)
            .arg("--cache")
            .arg(folder.path().join("cache"))
            .args([
                "--descriptor",
                "colour",
                "--components",
                "2",
                "--label",
                rule,
            ])
            .args(["--perplexity", "3", "--iterations", "300"])
            .expect(0)
    };
    run(&out, "first");
    let record = json(out.join("run.json"));
    assert_eq!(record["classes"].as_array().map(Vec::len), Some(2));
    let splits = &record["dataset"]["splits"];
    assert_eq!(
        *splits,
        serde_json::json!([{"split": "Train", "n": 8}, {"split": "test", "n": 8}])
    );
    assert!(
        record["warnings"]
            .to_string()
            .contains("2 of 2 classes have images in several splits")
    );
    let manifest = read_frame(&out.join(MANIFEST));
    let first_parts = strings(&manifest, KEY).expect("keys").into_iter();
    let first_parts: Vec<_> = first_parts
        .filter_map(|key| key.split('/').next())
        .collect();
    assert_eq!(strings(&manifest, SPLIT).expect("splits"), first_parts);
    let html = std::fs::read_to_string(out.join("index.html")).expect("the report");
    assert!(html.contains("Train: 8 images; test: 8 images"));
    assert!(html.contains("first folder below the split (Train, test)"));
    // Without the rule there is no such column, and the cache serves both.
    let parent = folder.path().join("parent");
    run(&parent, "parent");
    let record = json(parent.join("run.json"));
    assert!(record["dataset"].get("splits").is_none());
    assert_eq!(
        record["source"]["label_rule"],
        "name of the folder that holds the image"
    );
}

#[test]
fn an_object_without_an_ending_makes_no_class_beside_known_images() {
    let folder = folder(&[
        "set/train/Apple/a.jpg",
        "set/test/Apple/b.jpg",
        "set/test/Apple/without",
        "bare/Apple/1",
        "bare/Pear/2",
    ]);
    for key in [
        "set/models/checkpoint",
        "set/models/Apple/last",
        "set/train/index",
        "set/LICENSE",
    ] {
        put(folder.path(), key, b"weights");
    }
    let marker = folder.path().join("set/models/checkpoint");
    let server = server()
        .photos("", folder.path())
        .objects(&[("set/train/".to_owned(), marker)])
        .arg("--public")
        .start();
    let connection = Connection::open(&S3Params {
        endpoint_url: Some(server.url.clone()),
        no_sign_request: true,
        ..S3Params::default()
    });
    let connection = connection.expect("a connection");
    let both = |name: &str| {
        let there = Prefix::new(&connection, "photos", name).expect("a prefix");
        let here = Source::folder(folder.path().join(name)).expect("a folder");
        [Source::Bucket(there), here].map(|source| load(&source, &LoadParams::default()))
    };
    let [there, here] = both("set").map(|loaded| loaded.expect("images"));
    let named = |loaded: &Loaded| {
        loaded
            .manifest
            .select(["key", "label", "split"])
            .expect("columns")
    };
    assert!(named(&there).equals(&named(&here)), "{}", there.manifest);
    assert_eq!(there.manifest.height(), 3);
    assert_eq!((there.n_listed, there.n_other), (7, 4));
    assert_eq!((here.n_listed, here.n_other), (7, 4));
    assert_eq!((there.n_left_behind, here.n_left_behind), (1, 0));
    assert!(there.rejected.is_empty() && here.rejected.is_empty());
    // `train/index` would be in no class whatever its ending, and neither would a licence.
    let said = there.warnings.join(" ");
    assert!(said.contains("2 objects without an ending"), "{said}");
    // Where no image is known, all may be.
    let [there, here] = both("bare").map(|loaded| loaded.expect("images").manifest);
    let columns = ["key", "label"];
    assert!(
        there
            .select(columns)
            .expect("it")
            .equals(&here.select(columns).expect("it"))
    );
}
