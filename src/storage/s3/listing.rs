//! Listings: pages of keys, for as long as they lead on.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

use super::explain::Verb;
use super::failure::{Failure, Kind};
use super::prefix::{Listed, Prefix};
use crate::error::{Error, Result};
use crate::storage::digest;

/// Pages of a listing: 100 million objects at 1,000 a page.
const MAX_PAGES: usize = 100_000;
/// Bytes of what a list holds, keys and ETags: of 50 million objects whose keys have 60 bytes. The heap around them comes on top.
const MAX_LIST_BYTES: usize = 8 << 30;
/// New keys of a page that leads on. S3 gives 1,000, and fewer where it passes over what was removed.
const LEAST_KEYS: usize = 10;
/// Pages in a row that may have fewer; then the listing has no end.
const MAX_THIN_PAGES: usize = 1000;
/// Bytes of a key or an ETag; S3 allows a key 1,024.
const MAX_NAME_BYTES: usize = 4096;

impl Prefix {
    /// All objects below the prefix, in the order of S3 (by the bytes of their keys). `keep_going` hears after each page
    /// of 1,000, and while one is waited for, how many there are.
    ///
    /// # Errors
    /// [`Error::Bucket`] if the bucket does not exist or must not be listed, or if its listing does not end,
    /// [`Error::Cancelled`].
    pub fn list(&self, keep_going: &mut dyn FnMut(u64) -> bool) -> Result<Vec<Listed>> {
        let mut objects = Vec::new();
        let mut token = None;
        let mut progress = Progress::default();
        loop {
            let n_before = objects.len() as u64;
            let page = self
                .connection
                .wait_while(self.list_page(token), &mut || keep_going(n_before))?;
            let (page, next) = page.map_err(|f| self.explain(Verb::List, "", f))?;
            let leads_on = progress.leads_on(&page, next.as_deref());
            objects.extend(page);
            if !keep_going(objects.len() as u64) {
                return Err(Error::Cancelled);
            }
            leads_on.map_err(|f| self.explain(Verb::List, "", f))?;
            match next {
                Some(next) => token = Some(next),
                None => return Ok(objects),
            }
        }
    }

    /// A page of the listing, and the token of the next.
    async fn list_page(
        &self,
        token: Option<String>,
    ) -> Result<(Vec<Listed>, Option<String>), Failure> {
        self.count(|c| &c.lists, 1);
        let page = self
            .connection
            .client()
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .set_continuation_token(token)
            // A key may hold what XML cannot.
            .encoding_type(EncodingType::Url)
            .set_request_payer(self.payer())
            .send()
            .await?;
        let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
        let objects = page.contents().iter().map(|object| {
            let key = object.key().unwrap_or_default();
            let key = if is_encoded {
                decoded(key)?
            } else {
                key.to_owned()
            };
            let etag = object.e_tag().unwrap_or_default().to_owned();
            let longest = key.len().max(etag.len());
            if longest > MAX_NAME_BYTES {
                let text = format!("it lists a key or an ETag of {longest} bytes: {key}");
                return Err(Failure::new(Kind::Other, text));
            }
            Ok(Listed {
                key: key.strip_prefix(&self.prefix).unwrap_or(&key).to_owned(),
                size_bytes: object.size().unwrap_or_default().unsigned_abs(),
                etag,
                modified: object
                    .last_modified()
                    .and_then(|at| SystemTime::try_from(*at).ok()),
            })
        });
        let objects = objects.collect::<Result<Vec<_>, Failure>>()?;
        let more = page.is_truncated() == Some(true);
        let next = page.next_continuation_token.filter(|_| more);
        if more && next.is_none() {
            let text = "the listing goes on, but the server does not say where; it must know ListObjectsV2";
            return Err(Failure::new(Kind::Other, text));
        }
        Ok((objects, next))
    }
}

/// Whether a listing comes to its end.
#[derive(Default)]
struct Progress {
    n_pages: usize,
    n_bytes: usize,
    n_thin_pages: usize,
    /// By hash: a key that is taken for another one counts as one less.
    keys: BTreeSet<u64>,
    /// By digest: a server may give long ones.
    tokens: BTreeSet<String>,
}

impl Progress {
    fn leads_on(&mut self, page: &[Listed], next: Option<&str>) -> Result<(), Failure> {
        let is_new = |object: &&Listed| {
            let mut hasher = DefaultHasher::new();
            object.key.hash(&mut hasher);
            self.keys.insert(hasher.finish())
        };
        let is_thin = page.iter().filter(is_new).count() < LEAST_KEYS;
        self.n_thin_pages = if is_thin { self.n_thin_pages + 1 } else { 0 };
        self.n_pages += 1;
        let bytes = |object: &Listed| size_of::<Listed>() + object.key.len() + object.etag.len();
        self.n_bytes += page.iter().map(bytes).sum::<usize>();
        let Some(next) = next else {
            return Ok(());
        };
        let text = if !self.tokens.insert(digest::of(next)) {
            "the server names the same pages again and again".to_owned()
        } else if self.n_thin_pages >= MAX_THIN_PAGES {
            format!(
                "the last {MAX_THIN_PAGES} pages had fewer than {LEAST_KEYS} new keys each, and it goes on"
            )
        } else if self.n_pages >= MAX_PAGES {
            format!("it has more than {MAX_PAGES} pages; name a folder with --prefix")
        } else if self.n_bytes > MAX_LIST_BYTES {
            format!(
                "the names on its first {} pages take more than {} GiB of memory; name a folder with --prefix",
                self.n_pages,
                MAX_LIST_BYTES >> 30
            )
        } else {
            return Ok(());
        };
        Err(Failure::new(Kind::Other, text))
    }
}

/// A key as it was before S3 encoded it for XML: like a form's field, with `+` for a space.
fn decoded(key: &str) -> Result<String, Failure> {
    let spaced = key.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Failure::new(Kind::Other, format!("a listed key is not UTF-8: {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_outgrows_memory_is_refused() {
        let listed = |i: usize| Listed {
            key: format!("{i}.jpg"),
            size_bytes: 1,
            etag: String::new(),
            modified: None,
        };
        let page: Vec<_> = (0..1000).map(listed).collect();
        let mut progress = Progress::default();
        assert!(progress.leads_on(&page, Some("a")).is_ok());
        assert!(progress.n_bytes > 1000 * size_of::<Listed>());
        progress.n_bytes = MAX_LIST_BYTES;
        let page: Vec<_> = (1000..2000).map(listed).collect();
        let refused = progress.leads_on(&page, Some("b")).unwrap_err();
        assert!(refused.text.contains("8 GiB"), "{}", refused.text);
        // The last page is taken whatever it holds.
        assert!(progress.leads_on(&page, None).is_ok());
    }
}
