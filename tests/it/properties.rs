//! What holds for any name, address and size of an image: cases drawn at random, the same in every run.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;
use std::str::FromStr;

use fruits::load::{LabelRule, LoadParams};
use fruits::place::{Address, Endpoint, EngineName};
use fruits::plot::shown;
use fruits::resize::{Filter, resample};
use fruits::schema::{KEY, LABEL};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use crate::classes::{column, folder, loaded, put};
use crate::images;
use crate::run::{Report, json};

/// What fails is made small and printed; nothing is written.
fn cases(n: u32) -> ProptestConfig {
    ProptestConfig {
        cases: n,
        failure_persistence: None,
        max_shrink_iters: 500,
        rng_seed: RngSeed::Fixed(42),
        ..ProptestConfig::default()
    }
}

/// Names that are easily taken for something else on the way.
const HOSTILE: [&str; 26] = [
    "2024-05-01",
    "1e5",
    "007",
    "-0",
    "nan",
    "null",
    "true",
    " a ",
    "a,b",
    "\"",
    "say \"no\"",
    "it's",
    "a\nb",
    "\r\n",
    "=1+1",
    "a;=1+1",
    "a\t'\"@b;",
    "<script>",
    "<!--",
    "&amp;",
    "\\",
    "%41",
    "\u{c4}pfel \u{1f34e}",
    "Pe\u{302}che",
    "\u{feff}a\u{2028}",
    "\u{202e}gpj",
];

/// A name that a folder may have, but those of what systems leave and hide.
fn name() -> impl Strategy<Value = String> {
    let hostile = select(HOSTILE.to_vec()).prop_map(str::to_owned);
    prop_oneof![hostile, "[ -.0-~]{1,12}", "[^/\0]{1,12}"]
        .prop_filter("hidden or left behind", |name| {
            !name.starts_with('.') && !name.starts_with("~$")
        })
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn folders_are_the_classes_and_paths_the_keys(
        files in btree_set((name(), proptest::option::of(name()), name()), 1..8),
    ) {
        let keys = files.iter().map(|(class, below, file)| match below {
            Some(below) => format!("{class}/{below}/{file}.jpg"),
            None => format!("{class}/{file}.jpg"),
        });
        let keys: BTreeSet<String> = keys.collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let folder = folder(&keys);
        let folders = |key: &str| key.split('/').rev().skip(1).map(str::to_owned).collect::<Vec<_>>();
        let first: Vec<_> = keys.iter().filter_map(|key| folders(key).pop()).collect();
        let parent: Vec<_> = keys.iter().map(|key| folders(key).swap_remove(0)).collect();

        let all = loaded(folder.path(), &LoadParams::default());
        assert_eq!(column(&all, KEY), keys);
        assert_eq!(column(&all, LABEL), first);
        let label = LabelRule::Parent;
        let by_parent = loaded(folder.path(), &LoadParams { label, ..LoadParams::default() });
        assert_eq!(column(&by_parent, LABEL), parent);
        let classes = Some(vec![first[0].clone()]);
        let of_one = loaded(folder.path(), &LoadParams { classes, ..LoadParams::default() });
        let wanted = first.iter().filter(|label| **label == first[0]);
        assert_eq!(column(&of_one, LABEL), wanted.cloned().collect::<Vec<_>>());
    }
}

/// The text of each row in the column `name` of a table with commas, without the `'` before what looks like a formula.
fn values(path: &Path, name: &str) -> BTreeSet<String> {
    let mut table = csv::Reader::from_path(path).expect("a table");
    let names = table.headers().expect("names");
    let at = names.iter().position(|n| n == name).expect("the column");
    let rows = table
        .records()
        .map(|row| row.expect("a row")[at].to_owned());
    let formulas = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    let part = |part: &str| match part.strip_prefix('\'') {
        Some(rest) if rest.trim_start_matches(['\'', '"']).starts_with(formulas) => rest.to_owned(),
        _ => part.to_owned(),
    };
    rows.map(|cell| {
        let parts = cell.split_inclusive([';', '\t', '\r', '\n']);
        parts.map(part).collect()
    })
    .collect()
}

/// The value in an element of the page, as the script reads it.
fn island(html: &str, id: &str) -> Value {
    let (_, rest) = html.split_once(&format!("id=\"{id}\">")).expect(id);
    let (text, _) = rest.split_once("</script>").expect("its end");
    serde_json::from_str(text).expect("JSON")
}

/// Keys of the points, each as the length of what it shares with the one before, and the rest.
fn points_keys(points: &Value) -> BTreeSet<String> {
    let mut last: Vec<u16> = Vec::new();
    let lines = points["keys"].as_str().expect("keys").split('\n');
    let keys = lines.map(|line| {
        let (n_same, rest) = line.split_once(':').expect("a length");
        last.truncate(usize::from_str_radix(n_same, 36).expect("a number"));
        last.extend(rest.encode_utf16());
        String::from_utf16(&last).expect("text")
    });
    keys.collect()
}

/// The names in the text of the page, which stand alone in an element that keeps the direction of letters to itself.
fn names_in_text(html: &str) -> BTreeSet<String> {
    let elements = html.split("<bdi>").skip(1);
    let texts = elements.filter_map(|rest| rest.split_once("</bdi>"));
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ];
    let plain = texts.map(|(text, _)| {
        let start = text.to_owned();
        entities
            .iter()
            .fold(start, |text, (entity, c)| text.replace(entity, c))
    });
    plain.collect()
}

proptest! {
    #![proptest_config(cases(3))]

    #[test]
    fn record_tables_and_page_give_the_names_back(names in btree_set(name(), 6..9)) {
        let folder = tempfile::tempdir().expect("a folder");
        let (input, out) = (folder.path().join("in"), folder.path().join("out"));
        let photos = images::of_class(&images::classes()[0]);
        for (name, photo) in names.iter().zip(&photos) {
            let photo = std::fs::read(photo).expect("a photograph");
            put(&input, &format!("{name}/{name}.jpg"), &photo);
            put(&input, &format!("{name}/{name} again.jpg"), &photo);
            put(&input, &format!("{name}/{name} broken.jpg"), b"no photograph");
        }
        Report::new()
            .arg("--input")
            .arg(&input)
            .arg("--out")
            .arg(&out)
            .args(["--descriptor", "colour", "--no-cache", "--components", "2", "--iterations", "300"])
            .expect(0);
        let keys = |ends: &[&str]| -> BTreeSet<String> {
            let of_name = |name: &String| ends.iter().map(move |end| format!("{name}/{name}{end}.jpg")).collect::<Vec<_>>();
            names.iter().flat_map(of_name).collect()
        };
        let as_shown = |names: &BTreeSet<String>| -> BTreeSet<String> { names.iter().map(|name| shown(name)).collect() };
        let texts = |list: &Value, name: &str| -> BTreeSet<String> {
            let text = |entry: &Value| entry[name].as_str().expect("a text").to_owned();
            list.as_array().expect("a list").iter().map(text).collect()
        };
        let (good, broken) = (keys(&["", " again"]), keys(&[" broken"]));

        let record = json(out.join("run.json"));
        assert_eq!(texts(&record["classes"], "label"), names);
        assert_eq!(values(&out.join("rejected.csv"), "key"), broken);
        assert_eq!(values(&out.join("duplicates.csv"), "key"), good);
        let html = std::fs::read_to_string(out.join("index.html")).expect("the page");
        assert_eq!(island(&html, "run"), record);
        let points = island(&html, "points");
        assert_eq!(points_keys(&points), as_shown(&good));
        let labels = points["labels"].as_array().expect("labels").iter();
        let labels: BTreeSet<_> = labels.map(|label| label.as_str().expect("a text").to_owned()).collect();
        assert_eq!(labels, as_shown(&names));
        assert!(names_in_text(&html).is_superset(&as_shown(&names)), "{names:?}");
    }
}

/// Texts near those that name a place or a server.
fn near_an_address() -> impl Strategy<Value = String> {
    let anything = "(?s).{0,20}";
    let schemes = "(s3|S3|ballista|ball|)(:|/|://|:///|)[ -~]{0,16}";
    prop_oneof![anything, schemes, "[a-z0-9._-]{0,8}:{0,2}[+0-9]{0,6}"]
}

/// Whatever a text is read as, printed it is read as the same.
fn assert_reads_back<T: FromStr + ToString + PartialEq + Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(read.to_string().parse::<T>().ok(), Some(read), "{text:?}");
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn an_address_that_is_printed_reads_back(text in near_an_address()) {
        assert_reads_back::<Address>(&text);
        assert_reads_back::<Endpoint>(&text);
        assert_reads_back::<EngineName>(&text);
    }

    #[test]
    fn what_an_address_is_made_of_comes_out_of_it(
        name in "[a-z0-9][a-z0-9.-]{0,12}",
        prefix in "(?s).{0,12}",
        port in 1..=u16::MAX,
    ) {
        let address = Address::Bucket { name: name.clone(), prefix };
        assert_eq!(address.to_string().parse::<Address>().expect("a bucket"), address);
        let endpoint = Endpoint { host: name, port };
        assert_eq!(endpoint.to_string().parse::<Endpoint>().expect("a server"), endpoint);
        let engine = EngineName::Scheduler(endpoint);
        assert_eq!(engine.to_string().parse::<EngineName>().expect("an engine"), engine);
    }
}

/// A row of pixels.
type Row = Vec<[u8; 3]>;

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

/// Rows of pixels to rows of as many pixels as asked for.
type Pass = fn(&[Row], usize) -> Vec<Row>;

/// One of the two passes of Pillow: each row to `to` pixels. Weights are whole multiples of 2^-22, sums are rounded to bytes.
fn bicubic_pass(rows: &[Row], to: usize) -> Vec<Row> {
    let n = rows[0].len();
    if n == to {
        return rows.to_vec();
    }
    let scale = n as f64 / to as f64;
    let stretch = scale.max(1.0);
    let one = f64::from(1 << 22);
    let weights_of = |i: usize| -> Vec<(usize, i64)> {
        let centre = (i as f64 + 0.5) * scale;
        let first = (centre - 2.0 * stretch + 0.5).max(0.0) as usize;
        let end = n.min((centre + 2.0 * stretch + 0.5) as usize);
        let weight = |x: usize| cubic((x as f64 - centre + 0.5) * (1.0 / stretch));
        let sum: f64 = (first..end).map(weight).sum();
        (first..end)
            .map(|x| (x, (weight(x) / sum * one).round() as i64))
            .collect()
    };
    let weights: Vec<_> = (0..to).map(weights_of).collect();
    let pixel = |row: &[[u8; 3]], weights: &[(usize, i64)]| {
        [0, 1, 2].map(|channel| {
            let sum: i64 = weights
                .iter()
                .map(|&(x, weight)| i64::from(row[x][channel]) * weight)
                .sum();
            ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8
        })
    };
    rows.iter()
        .map(|row| weights.iter().map(|w| pixel(row, w)).collect())
        .collect()
}

/// Each row to `to` pixels, taken at places that Pillow finds by adding the step.
fn nearest_pass(rows: &[Row], to: usize) -> Vec<Row> {
    let step = rows[0].len() as f64 / to as f64;
    let next = |at: &f64| Some(at + step);
    let places: Vec<f64> = std::iter::successors(Some(step * 0.5), next)
        .take(to)
        .collect();
    rows.iter()
        .map(|row| places.iter().map(|&at| row[at as usize]).collect())
        .collect()
}

fn turned(rows: &[Row]) -> Vec<Row> {
    (0..rows[0].len())
        .map(|x| rows.iter().map(|row| row[x]).collect())
        .collect()
}

/// Sizes up to `most`, often small ones and powers of two, at which centres fall between pixels.
fn side(most: usize) -> impl Strategy<Value = usize> {
    prop_oneof![
        1..=most,
        1..=8_usize,
        select(vec![1, 2, 4, 8, 16, 32, 64]),
        (1..=most / 32).prop_map(|n| 32 * n)
    ]
}

/// Pixels of a size that are noise, or black and white alone, where cubic convolution overshoots.
fn image() -> impl Strategy<Value = (Vec<Row>, usize, usize)> {
    (side(300), side(300), side(100), side(100)).prop_flat_map(|(w, h, to_w, to_h)| {
        let value = prop_oneof![any::<u8>().boxed(), select(vec![0_u8, 255]).boxed()];
        // The rest of a large image repeats a part, which keeps drawing fast.
        let part = vec(proptest::array::uniform3(value), 97);
        part.prop_map(move |part| {
            let row = |y: usize| -> Row { (0..w).map(|x| part[(y * w + x) % 97]).collect() };
            let rows: Vec<Row> = (0..h).map(row).collect();
            (rows, to_w, to_h)
        })
    })
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn pixels_are_those_of_pillow_at_any_size((rows, to_width, to_height) in image()) {
        let (width, height) = (rows[0].len(), rows.len());
        let rgb = rows.concat().concat();
        let passes: [(Filter, Pass); 2] = [(Filter::Bicubic, bicubic_pass), (Filter::Nearest, nearest_pass)];
        for (filter, pass) in passes {
            let across = pass(&rows, to_width);
            let expected = turned(&pass(&turned(&across), to_height)).concat().concat();
            let pixels = resample(&rgb, width, height, to_width, to_height, filter).expect("a size");
            assert!(pixels == expected, "{filter}, {width} x {height} to {to_width} x {to_height}");
        }
    }
}
