//! One page of a listing, and how keys are written in it.

use std::fmt::Write;
use std::ops::Bound;
use std::sync::Arc;

use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object,
    ObjectStorageClass,
};
use s3s::{S3Result, s3_error};

use crate::index::{Bucket, Entry, hex};

/// Most keys S3 puts on one page, and how many if the client does not say.
const MAX_KEYS: usize = 1000;

/// Which part of a bucket is asked for.
pub struct Query<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    /// The listing goes on after this key or common prefix
    pub after: Option<&'a str>,
    pub max_keys: usize,
}

impl<'a> Query<'a> {
    pub fn new(input: &'a ListObjectsV2Input, after: Option<&'a str>) -> Self {
        Self {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after,
            max_keys: max_keys(input),
        }
    }
}

fn max_keys(input: &ListObjectsV2Input) -> usize {
    input
        .max_keys
        .map_or(MAX_KEYS, |n| usize::try_from(n).unwrap_or(0).min(MAX_KEYS))
}

/// Where a listing goes on or begins.
///
/// # Errors
/// A continuation token that the server never gave.
pub fn after(input: &ListObjectsV2Input) -> S3Result<Option<String>> {
    let Some(token) = &input.continuation_token else {
        return Ok(input.start_after.clone());
    };
    let after = after_of(token);
    after.map(Some).ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "The continuation token provided is incorrect"
        )
    })
}

/// What is answered.
#[derive(Default)]
pub struct Page {
    pub objects: Vec<(String, Arc<Entry>)>,
    pub common_prefixes: Vec<String>,
    /// What the next page goes on after, if there is one
    pub next: Option<String>,
}

impl Page {
    pub fn of(bucket: &Bucket, query: &Query<'_>) -> Self {
        let mut page = Self::default();
        if query.max_keys == 0 {
            return page;
        }
        let start = match query.after {
            Some(after) if after >= query.prefix => Bound::Excluded(after),
            _ => Bound::Included(query.prefix),
        };
        let mut last = None;
        for (key, entry) in bucket.range::<str, _>((start, Bound::Unbounded)) {
            let Some(rest) = key.strip_prefix(query.prefix) else {
                break;
            };
            let delimiter = query.delimiter.filter(|delimiter| !delimiter.is_empty());
            let rolled_up = delimiter
                .and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()))
                .map(|end| &key[..query.prefix.len() + end]);
            // A common prefix is listed once, on the page where it comes first.
            if rolled_up.is_some() && (rolled_up == query.after || rolled_up == last) {
                continue;
            }
            if page.objects.len() + page.common_prefixes.len() == query.max_keys {
                page.next = last.map(str::to_owned);
                break;
            }
            match rolled_up {
                Some(prefix) => page.common_prefixes.push(prefix.to_owned()),
                None => page.objects.push((key.clone(), Arc::clone(entry))),
            }
            last = Some(rolled_up.unwrap_or(key));
        }
        page
    }
}

/// The page as S3 writes it. `s3s` does not encode keys, whatever the encoding type says.
pub fn output(input: ListObjectsV2Input, page: &Page) -> ListObjectsV2Output {
    let is_encoded = input
        .encoding_type
        .as_ref()
        .is_some_and(|kind| kind.as_str() == EncodingType::URL);
    let written = |text: &str| {
        if is_encoded {
            url_encoded(text)
        } else {
            text.to_owned()
        }
    };
    let common_prefix = |prefix: &String| CommonPrefix {
        prefix: Some(written(prefix)),
    };
    ListObjectsV2Output {
        key_count: i32::try_from(page.objects.len() + page.common_prefixes.len()).ok(),
        max_keys: i32::try_from(max_keys(&input)).ok(),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_deref().map(token_of),
        contents: Some(
            page.objects
                .iter()
                .map(|(key, entry)| listed(written(key), entry))
                .collect(),
        ),
        common_prefixes: Some(page.common_prefixes.iter().map(common_prefix).collect()),
        prefix: Some(written(input.prefix.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(written),
        start_after: input.start_after.as_deref().map(written),
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        name: Some(input.bucket),
        ..Default::default()
    }
}

fn listed(key: String, entry: &Entry) -> Object {
    Object {
        key: Some(key),
        size: i64::try_from(entry.size_bytes).ok(),
        e_tag: Some(ETag::Strong(entry.etag.clone())),
        last_modified: Some(entry.last_modified.clone()),
        storage_class: Some(ObjectStorageClass::from_static(
            ObjectStorageClass::STANDARD,
        )),
        ..Default::default()
    }
}

/// A continuation token: opaque to the client, and safe in a query whatever the key holds.
fn token_of(after: &str) -> String {
    hex(after.as_bytes())
}

/// The way back; `None` if no page ever gave this token.
fn after_of(token: &str) -> Option<String> {
    let digits = token.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let bytes = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&token[at..at + 2], 16).ok());
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}

/// A key as S3 writes it under `encoding-type=url`: like a form, but the slash stays.
fn url_encoded(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for &byte in key.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                text.push(byte.into())
            }
            b' ' => text.push('+'),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Arc<Entry> {
        Arc::new(Entry {
            file: "f".into(),
            size_bytes: 0,
            etag: String::new(),
            checksum: Default::default(),
            version_id: None,
            content_type: String::new(),
            user_metadata: None,
            server_side_encryption: None,
            sse_kms_key_id: None,
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
        })
    }

    /// All pages, one after the other, as keys and common prefixes.
    fn pages(keys: &[&str], prefix: &str, delimiter: Option<&str>, max_keys: usize) -> Vec<String> {
        let bucket: Bucket = keys
            .iter()
            .map(|key| ((*key).to_owned(), entry()))
            .collect();
        let mut seen = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = Page::of(
                &bucket,
                &Query {
                    prefix,
                    delimiter,
                    after: after.as_deref(),
                    max_keys,
                },
            );
            assert!(page.objects.len() + page.common_prefixes.len() <= max_keys);
            let mut names: Vec<_> = page.objects.into_iter().map(|(key, _)| key).collect();
            names.extend(page.common_prefixes);
            names.sort();
            seen.extend(names);
            match page.next {
                Some(next) => after = after_of(&token_of(&next)),
                None => return seen,
            }
        }
    }

    #[test]
    fn pages_of_any_size_hold_every_key_once_and_in_order() {
        let keys = ["/a", "a", "a//b", "a/b", "b\n", "é", "日本"];
        for max_keys in 1..9 {
            assert_eq!(pages(&keys, "", None, max_keys), keys);
        }
    }

    #[test]
    fn common_prefixes_come_once_even_across_pages() {
        let keys = ["a/1", "a/2", "a/3", "b", "c/1", "c/2", "d"];
        for max_keys in 1..6 {
            assert_eq!(
                pages(&keys, "", Some("/"), max_keys),
                ["a/", "b", "c/", "d"]
            );
            assert_eq!(pages(&keys, "c/", Some("/"), max_keys), ["c/1", "c/2"]);
        }
    }

    #[test]
    fn keys_are_encoded_as_s3_does() {
        assert_eq!(url_encoded("a b/c+d%é\n"), "a+b/c%2Bd%25%C3%A9%0A");
        assert_eq!(after_of("zz"), None);
    }
}
