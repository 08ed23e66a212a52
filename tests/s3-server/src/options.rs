//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// An S3 server on 127.0.0.1 for tests, with faults on demand
#[derive(Debug, Parser)]
pub struct Options {
    /// Folder for what is uploaded; made if missing
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// The only access key id that is known
    #[arg(long, value_name = "ID")]
    pub access_key: String,
    /// Its secret
    #[arg(long, value_name = "SECRET")]
    pub secret_key: String,
    /// Signed requests must carry exactly this x-amz-security-token
    #[arg(long, value_name = "TOKEN")]
    pub session_token: Option<String>,
    /// A bucket that exists
    #[arg(long = "bucket", value_name = "NAME")]
    pub buckets: Vec<String>,
    /// Every regular file below DIR is an object PREFIX + relative path; the bucket is made
    #[arg(long = "seed", value_name = "BUCKET/PREFIX=DIR", value_parser = Seed::parse)]
    pub seeds: Vec<Seed>,
    /// Lines {"bucket": "b", "key": "any text", "file": "/path"}, each an object; the buckets are made
    #[arg(long, value_name = "FILE.jsonl")]
    pub objects: Vec<PathBuf>,
    /// Unsigned requests may read and list
    #[arg(long)]
    pub public: bool,
    /// Every PUT makes a new version, and the old ones can be read by id
    #[arg(long)]
    pub versioned: bool,
    /// A rule that breaks requests, as JSON (see README.md)
    #[arg(long = "fault", value_name = "JSON")]
    pub faults: Vec<String>,
    /// One JSON line for each request is appended here
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Answers as an EC2 metadata service (IMDSv2) too, for an instance with this role
    #[arg(long, value_name = "NAME")]
    pub instance_role: Option<String>,
    /// The metadata service announces the end of the instance this long after the start
    #[arg(long, value_name = "SECONDS", requires = "instance_role", value_parser = seconds)]
    pub spot_notice_after: Option<Duration>,
    /// Ends when standard input does
    #[arg(long)]
    pub exit_with_stdin: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A local folder that is seen below a prefix of a bucket.
#[derive(Debug, Clone)]
pub struct Seed {
    pub bucket: String,
    pub prefix: String,
    pub dir: PathBuf,
}

impl Seed {
    /// The last `=` divides, since prefixes such as `label=apple/` are common and folders with `=` are not.
    fn parse(text: &str) -> Result<Self, String> {
        let (place, dir) = text
            .rsplit_once('=')
            .ok_or("has no '='; write BUCKET/PREFIX=DIR")?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        Ok(Self {
            bucket: bucket.into(),
            prefix: prefix.into(),
            dir: dir.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_divided_at_the_first_slash_and_the_last_equals() {
        let seed = Seed::parse("photos/label=apple/=/tmp/x").unwrap();
        assert_eq!(
            (seed.bucket.as_str(), seed.prefix.as_str()),
            ("photos", "label=apple/")
        );
        assert_eq!(seed.dir, PathBuf::from("/tmp/x"));
        assert_eq!(Seed::parse("photos/=/tmp/x").unwrap().prefix, "");
        assert!(Seed::parse("photos").is_err());
    }
}
