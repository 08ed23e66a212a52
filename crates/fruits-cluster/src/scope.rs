//! What a worker may touch, whatever a task says.

use std::path::{Path, PathBuf};

use fruits::place::Address;
use fruits::{Error, Result};

use crate::secret::Secret;
use crate::task::{Reach, Ticket};

/// What a worker was started with: it takes tasks of those who know the secret, and touches nothing but these places and
/// what lies below them.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Where results are handed over.
    pub cache: Address,
    /// Where the images are.
    pub input: Address,
    /// Server of the buckets; absent for Amazon's.
    pub endpoint_url: Option<String>,
    /// What the driver knows, too.
    pub secret: Secret,
}

impl Scope {
    /// The cache of a ticket.
    pub(crate) fn cache_of(&self, ticket: &Ticket) -> Result<Address> {
        self.within("cache", &self.cache, &ticket.cache)
    }

    /// The images of an order.
    pub(crate) fn input_of(&self, input: &str) -> Result<Address> {
        self.within("input", &self.input, input)
    }

    /// Refuses another server.
    pub(crate) fn check_server(&self, reach: &Reach) -> Result<()> {
        if reach.endpoint_url == self.endpoint_url {
            return Ok(());
        }
        let name = |url: &Option<String>| url.clone().unwrap_or_else(|| "Amazon's".to_owned());
        Err(Error::Invalid(format!(
            "the task names the server `{}`, and this worker was started for `{}`; start workers with the --endpoint-url of \
             the run",
            name(&reach.endpoint_url).escape_debug(),
            name(&self.endpoint_url)
        )))
    }

    fn within(&self, option: &str, own: &Address, named: &str) -> Result<Address> {
        let address: Address = named.parse()?;
        let found = match (own, &address) {
            (Address::Folder(own), Address::Folder(folder)) => {
                folder_within(own, folder)?.map(Address::Folder)
            }
            (
                Address::Bucket { name, prefix },
                Address::Bucket {
                    name: other_name,
                    prefix: other,
                },
            ) if name == other_name && is_below(prefix, other) => Some(address.clone()),
            _ => None,
        };
        found.ok_or_else(|| {
            Error::Invalid(format!(
                "the task names the {option} `{}`, and this worker was started for `{own}`; start workers with the --{option} \
                 of the run, or with a folder above it",
                named.escape_debug()
            ))
        })
    }
}

/// The folder without links, if it is this one or lies below.
fn folder_within(own: &Path, folder: &Path) -> Result<Option<PathBuf>> {
    let real = |path: &Path| {
        path.canonicalize().map_err(|e| {
            Error::Invalid(format!(
                "this worker cannot find `{}` ({e}); all machines must see images and cache, in a bucket or under one path",
                path.display()
            ))
        })
    };
    let (own, folder) = (real(own)?, real(folder)?);
    Ok(folder.starts_with(own).then_some(folder))
}

/// Whether a prefix in a bucket is this one or lies below.
fn is_below(own: &str, other: &str) -> bool {
    let closed = |prefix: &str| match prefix {
        "" => String::new(),
        prefix => format!("{}/", prefix.trim_end_matches('/')),
    };
    let leads_up = other.split('/').any(|part| matches!(part, "." | ".."));
    !leads_up && closed(other).starts_with(&closed(own))
}

#[cfg(test)]
mod tests {
    use fruits::s3::S3Params;
    use fruits::storage::temporary;

    use super::*;

    fn scope(cache: &str, input: &str) -> Scope {
        Scope {
            cache: cache.parse().unwrap(),
            input: input.parse().unwrap(),
            endpoint_url: None,
            secret: Secret::of_this_process().unwrap(),
        }
    }

    #[test]
    fn a_worker_touches_what_it_was_started_for() {
        let folder = temporary::folder("test").unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for name in ["cache/below", "cached", "in"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(at("cached"), at("cache/link")).unwrap();
        let ours = scope(&at("cache"), "s3://photos/Training");
        let takes = |cache: &str| ours.within("cache", &ours.cache, cache).is_ok();
        assert!(takes(&at("cache")) && takes(&at("cache/below")) && takes(&at("in/../cache")));
        for other in ["", "cached", "in", "cache/..", "cache/link", "cache/none"] {
            assert!(!takes(&at(other)), "{other}");
        }
        assert!(!takes("/") && !takes("s3://photos/Training"));

        let takes = |input: &str| ours.input_of(input).is_ok();
        assert!(takes("s3://photos/Training") && takes("s3://photos/Training/a/"));
        let others = ["", "/", "/Train", "/Training2", "/Training/../x", "/Test"];
        for other in others.map(|prefix| format!("s3://photos{prefix}")) {
            assert!(!takes(&other), "{other}");
        }
        assert!(!takes("s3://other/Training") && !takes(&at("in")));
        assert!(
            scope("c", "s3://photos")
                .input_of("s3://photos/any")
                .is_ok()
        );
    }

    #[test]
    fn credentials_go_to_one_server() {
        let reach = |url: Option<&str>| {
            let params = S3Params {
                endpoint_url: url.map(str::to_owned),
                ..S3Params::default()
            };
            Reach::of(&params, "eu-west-3")
        };
        let amazon = scope("c", "i");
        let own = Scope {
            endpoint_url: Some("http://own:9000".to_owned()),
            ..amazon.clone()
        };
        assert!(amazon.check_server(&reach(None)).is_ok());
        assert!(own.check_server(&reach(Some("http://own:9000"))).is_ok());
        assert!(own.check_server(&reach(None)).is_err());
        for scope in [amazon, own] {
            assert!(
                scope
                    .check_server(&reach(Some("http://evil:9000")))
                    .is_err()
            );
        }
    }
}
