//! Two runs side by side: `report diff` and `--baseline`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::images;
use crate::run::{Report, json};
use crate::sample::rendered;

/// A run on `data-sample/` with the descriptors that `rendered()` has cached.
fn sample_run(out: &Path) -> Report {
    let cache = rendered().with_file_name("cache");
    Report::on(Path::new("data-sample"), out, &cache)
}

fn diff(a: &Path, b: &Path) -> Report {
    Report::new().arg("diff").arg(a).arg(b)
}

/// The section of the report, without the folded JSON of the run.
fn section(html: &str) -> &str {
    let start = html.find("<section id=\"comparison\">");
    let start = start.expect("the report has the section");
    let end = start + html[start..].find("</section>").expect("it ends");
    &html[start..end]
}

fn read(out: &Path, name: &str) -> String {
    fs::read_to_string(out.join(name)).expect(name)
}

/// Asserts that every SVG document is XML, and returns the one that shows both embeddings.
fn aligned_plot(html: &str) -> String {
    let mut found = None;
    for svg in html.split("<svg ").skip(1) {
        let (body, _) = svg.split_once("</svg>").expect("it ends");
        let svg = format!("<svg {body}</svg>");
        let xml = roxmltree::Document::parse(&svg).expect("XML");
        if svg.contains("id=\"plot-comparison-title\"") {
            assert_eq!(xml.root_element().attribute("role"), Some("img"));
            found = Some(svg);
        }
    }
    found.expect("both embeddings are drawn")
}

fn count(svg: &str, group: &str) -> usize {
    let xml = roxmltree::Document::parse(svg).expect("XML");
    let mut groups = xml.descendants();
    let group = groups.find(|node| node.attribute("class") == Some(group));
    let children = group.expect("the group").children();
    children.filter(roxmltree::Node::is_element).count()
}

#[test]
fn a_run_is_the_same_as_itself() {
    let out = rendered();
    let said = diff(&out, &out.join("run.json")).expect(0).stdout;
    assert!(said.starts_with("same data and same numbers\n"), "{said}");
    let disparity = said.lines().find(|line| line.contains("disparity"));
    let disparity = disparity.expect("a line").split_whitespace().nth(1);
    assert_eq!(disparity, Some("0"), "{said}");
    assert!(said.contains("parameters: the same"), "{said}");
    assert!(said.contains("environment: the same"), "{said}");
    assert!(!said.contains("moved most"), "{said}");
}

#[test]
fn a_baseline_changes_nothing_but_what_it_adds() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    sample_run(&out).arg("--baseline").arg(rendered()).expect(0);
    let (mut run, alone) = (
        json(out.join("run.json")),
        json(rendered().join("run.json")),
    );
    let comparison = run.as_object_mut().expect("an object").remove("comparison");
    assert_eq!(run, alone);
    let comparison = comparison.expect("the comparison");
    assert_eq!(comparison["verdict"], "same_numbers", "{comparison}");
    assert_eq!(comparison["embedding"]["disparity"], 0.0);
    let options = json(out.join("timings.json"))["options"].clone();
    let options = options.as_array().expect("options");
    assert!(options.iter().any(|option| option["name"] == "baseline"));
    assert!(!read(&rendered(), "index.html").contains("id=\"comparison\""));

    // What lies in --out is read before it is replaced; once compared, the same command gives the same bytes.
    let mut last = Value::Null;
    for _ in 0..2 {
        sample_run(&out).arg("--baseline").arg(&out).expect(0);
        let next = json(out.join("run.json"));
        assert_eq!(next["comparison"]["verdict"], "same_numbers");
        assert!(last.is_null() || last == next);
        last = next;
    }
}

#[test]
fn other_parameters_give_other_numbers_and_a_section() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    sample_run(&out)
        .args(["--seed", "7", "--perplexity", "10", "--iterations", "400"])
        .arg("--baseline")
        .arg(rendered())
        .expect(0);
    let comparison = json(out.join("run.json"))["comparison"].clone();
    assert_eq!(comparison["verdict"], "other_numbers");
    let parameters = comparison["parameters"].as_array().expect("a list");
    let named: Vec<_> = parameters
        .iter()
        .map(|p| [&p["name"], &p["before"], &p["after"]].map(|v| v.as_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        named,
        [
            ["perplexity", "30", "10"],
            ["iterations", "1000", "400"],
            ["seed", "42", "7"]
        ]
    );
    let html = read(&out, "index.html");
    let section = section(&html);
    assert!(section.contains("same data, other numbers"));
    assert!(
        section.contains("data:image/jpeg;base64,"),
        "pictures of what moved"
    );
    let plot = aligned_plot(&html);
    assert_eq!((count(&plot, "before"), count(&plot, "points")), (180, 180));
    // Sections are numbered without a gap.
    let numbers: Vec<usize> = html
        .split("<h2><span class=\"number\">")
        .skip(1)
        .map(|rest| {
            rest.split('<')
                .next()
                .expect("a number")
                .parse()
                .expect("a number")
        })
        .collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());

    let page = folder.path().join("diff.html");
    let said = diff(&rendered(), &out)
        .arg("--html")
        .arg(&page)
        .expect(0)
        .stdout;
    for words in [
        "same data, other numbers: ",
        "perplexity  30        10\n",
        "Kullback-Leibler divergence",
        "moved most",
        "of the 10 nearest neighbours",
        "diff.html",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let sentence = comparison["sentence"].as_str().expect("a sentence");
    assert!(said.starts_with(sentence), "{sentence}: {said}");
    let page = fs::read_to_string(page).expect("a page");
    assert!(page.contains("default-src 'none'") && !page.contains("<script"));
    assert_eq!(aligned_plot(&page), plot);
}

#[test]
fn images_that_came_went_and_changed_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (input, cache) = (at("images"), at("cache"));
    images::sample(&input, 2, 6);
    Report::on(&input, &at("before"), &cache).expect(0);
    let mut files: Vec<_> = walkdir::WalkDir::new(&input)
        .into_iter()
        .map(|entry| entry.expect("readable").into_path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let key = |path: &Path| {
        let path = path.strip_prefix(&input).expect("below");
        path.to_str().expect("text").to_owned()
    };
    let (gone, changed) = (key(&files[1]), key(&files[8]));
    let hostile = "<script>alert(1)<b>/\u{1b}[31m\"'&<img src=x>.jpg";
    fs::create_dir(input.join("<script>alert(1)<b>")).expect("a folder");
    fs::rename(&files[1], input.join(hostile)).expect("moved");
    fs::copy(&files[3], &files[8]).expect("copied");
    Report::on(&input, &at("after"), &cache)
        .arg("--baseline")
        .arg(at("before"))
        .expect(0);
    let comparison = json(at("after").join("run.json"))["comparison"].clone();
    assert_eq!(comparison["verdict"], "other_data");
    let inputs = &comparison["inputs"];
    assert_eq!(inputs["n_common"], 11);
    for (name, key) in [
        ("removed", gone.as_str()),
        ("changed", changed.as_str()),
        ("added", hostile),
    ] {
        assert_eq!(inputs[name]["n"], 1, "{name}");
        assert_eq!(inputs[name]["first"][0], key, "{name}");
    }
    let html = read(&at("after"), "index.html");
    let shown = section(&html);
    assert!(!shown.contains("<script") && !shown.contains("<img src=x"));
    assert!(shown.contains("&lt;img src=x&gt;"), "{shown}");
    aligned_plot(&html);
    // And the other way round: the hostile image is the one that goes.
    let page = at("diff.html");
    let said = diff(&at("after"), &at("before"))
        .arg("--html")
        .arg(&page)
        .expect(0);
    let said = said.stdout;
    assert!(
        said.starts_with("other data: images 1 added, 1 removed, 1 changed"),
        "{said}"
    );
    assert!(
        said.contains(&changed) && !said.contains('\u{1b}'),
        "{said}"
    );
    let page = fs::read_to_string(page).expect("a page");
    assert!(!page.contains("<script") && !page.contains("<img src=x"));
    aligned_plot(&page);
}

#[test]
fn what_is_no_run_is_named_before_the_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let refused = |path: &Path, words: &[&str]| {
        let cache = at("cache");
        let run = Report::on(Path::new("data-sample"), &at("out"), &cache);
        let runs = [
            diff(path, &rendered()),
            diff(&rendered(), path),
            run.arg("--baseline").arg(path),
        ];
        for run in runs {
            let said = run.expect(2).stderr;
            let is_said = words.iter().all(|word| said.contains(word));
            assert!(is_said && said.lines().count() == 1, "{words:?}: {said}");
        }
        assert!(!cache.exists() && !at("out").exists(), "work began");
    };
    refused(Path::new("/nowhere"), &["/nowhere", "folder of a report"]);
    refused(Path::new("data-sample"), &["data-sample", "run.json"]);
    let run = at("run.json");
    fs::write(&run, "[").expect("a file");
    refused(&run, &["run.json", "no JSON"]);
    fs::write(&run, r#"{"schema": "fruits-run/0"}"#).expect("a file");
    refused(folder.path(), &["run.json", "fruits-run/0"]);
    fs::copy(rendered().join("run.json"), &run).expect("copied");
    fs::write(at("manifest.parquet"), "PAR1").expect("a file");
    refused(folder.path(), &["manifest.parquet", "has 4 bytes"]);
    let mut other = fs::read(rendered().join("manifest.parquet")).expect("a file");
    other[100] ^= 1;
    fs::write(at("manifest.parquet"), other).expect("a file");
    refused(&run, &["manifest.parquet", "has SHA-256"]);

    let said = Report::new()
        .args(["--input", "data-sample", "--baseline", "s3://photos/run1"])
        .expect(2);
    assert!(
        said.stderr.contains("copy `s3://photos/run1`"),
        "{}",
        said.stderr
    );
    Report::new().args(["diff", "only-one"]).expect(2);
    let said = Report::new()
        .args(["--seed", "1", "diff", "a", "b"])
        .expect(2);
    assert!(said.stderr.contains("diff"), "{}", said.stderr);
}
