//! What a request is about, read from its path and query.

use hyper::{Method, Request};

/// Method, path and query, with bucket and key as path-style addressing puts them.
#[derive(Debug, Clone)]
pub struct Target {
    pub method: Method,
    /// Percent-decoded
    pub path: String,
    /// As it was sent
    pub query: String,
    pub bucket: String,
    /// Empty when the request is about the bucket
    pub key: String,
}

impl Target {
    pub fn of<B>(request: &Request<B>) -> Self {
        let path = percent_decoded(request.uri().path());
        let (bucket, key) = path[1.min(path.len())..]
            .split_once('/')
            .unwrap_or((&path[1.min(path.len())..], ""));
        Self {
            method: request.method().clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            path,
        }
    }

    /// Whether this is ListObjectsV2.
    pub fn is_list(&self) -> bool {
        self.method == Method::GET
            && self.key.is_empty()
            && self.query_value("list-type").as_deref() == Some("2")
    }

    pub fn query_value(&self, name: &str) -> Option<String> {
        let mut pairs = self
            .query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .find(|(pair_name, _)| *pair_name == name)
            .map(|(_, value)| percent_decoded(value))
    }
}

/// `%41` is `A`; `+` is `+`, as S3 reads it; what is not UTF-8 becomes U+FFFD, since no key holds it.
pub fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| {
            bytes
                .get(at + offset)
                .and_then(|byte| char::from(*byte).to_digit(16))
        };
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Target {
        Target::of(&Request::get(uri).body(()).unwrap())
    }

    #[test]
    fn hostile_keys_keep_their_slashes() {
        assert_eq!(
            target("/b//a/../%2Fc%C3%A9+%25").key,
            "/a/../%2Fcé+%".replace("%2F", "/")
        );
        assert_eq!(target("/b").bucket, "b");
        assert_eq!(target("/").bucket, "");
    }

    #[test]
    fn a_listing_is_told_by_its_query() {
        assert!(target("/b/?list-type=2&prefix=x%2F").is_list());
        assert!(!target("/b/k?list-type=2").is_list());
        assert_eq!(
            target("/b?list-type=2&prefix=x%2F")
                .query_value("prefix")
                .as_deref(),
            Some("x/")
        );
    }
}
