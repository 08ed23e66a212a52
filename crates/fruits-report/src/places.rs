//! From addresses to places: what is opened before a run begins.

use std::path::{Component, Path, PathBuf};
use std::sync::atomic::AtomicBool;

use fruits::place::{Address, EngineName, Place, user_cache};
use fruits::s3::{Connection, Encryption, Prefix, S3Params};
use fruits::source::Source;
use fruits::storage::temporary::{self, TempDir};
use fruits::{Error, Result, atomic};

use crate::options::{Options, Sse};

/// Where a run reads and writes.
pub struct Places {
    pub input: Source,
    pub out: Place,
    pub cache: Option<Place>,
    /// The user's own model; one of a bucket is copied here first.
    pub model: Option<PathBuf>,
    /// Holds that copy.
    _models: Option<TempDir>,
    /// The connection to S3, if one of the places is there.
    pub connection: Option<Connection>,
}

impl Places {
    /// Opens all of them, with one connection for all buckets.
    pub fn open(options: &Options, stop: &'static AtomicBool) -> Result<Self> {
        let mut opener = Opener::new(options, stop);
        let input = opener.source()?;
        let out = opener.place(&options.out)?;
        let cache = match options.no_cache {
            true => None,
            false => opener.cache()?,
        };
        shared_with_workers(options)?;
        keep_apart(&input, "--out", &out)?;
        // The default lies in a hidden folder, which is never listed.
        if let (Some(cache), Some(_)) = (&cache, &options.cache) {
            keep_apart(&input, "--cache", cache)?;
        }
        let (model, models) = opener.model()?;
        Ok(Self {
            input,
            out,
            cache,
            model,
            _models: models,
            connection: opener.connection,
        })
    }
}

impl Places {
    /// Checks that descriptors can be kept, with a way on where they cannot; says what is to know of a run that keeps none
    /// without having been told so.
    pub fn check_cache(&self, options: &Options) -> Result<Option<String>> {
        let Some(cache) = &self.cache else {
            let is_homeless = !options.no_cache;
            return Ok(is_homeless.then(|| {
                "there is no HOME, so this run keeps no descriptors; name a folder for them with --cache".to_owned()
            }));
        };
        cache.check_writable().map_err(|error| match error {
            Error::Storage {
                action,
                path,
                source,
            } => {
                let way_on = "name another folder with --cache, or go without with --no-cache";
                Error::storage(action, path)(std::io::Error::new(
                    source.kind(),
                    format!("{source}; {way_on}"),
                ))
            }
            other => other,
        })?;
        Ok(None)
    }
}

/// Where the images are, alone.
pub fn source(options: &Options, stop: &'static AtomicBool) -> Result<Source> {
    Opener::new(options, stop).source()
}

/// The user's own model, alone, with the folder that holds the copy of one in a bucket.
pub fn model(options: &Options, stop: &'static AtomicBool) -> Result<Model> {
    Opener::new(options, stop).model()
}

/// The cache, alone.
pub fn cache(options: &Options, stop: &'static AtomicBool) -> Result<Place> {
    let cache = Opener::new(options, stop).cache()?;
    cache.ok_or_else(|| {
        Error::Invalid(
            "there is no HOME, so there is no cache but one that is named with --cache".to_owned(),
        )
    })
}

/// A folder in a bucket.
pub fn prefix(
    options: &Options,
    bucket: &str,
    prefix: &str,
    stop: &'static AtomicBool,
) -> Result<Prefix> {
    Opener::new(options, stop).prefix(bucket, prefix)
}

/// A model's file, if it is not the one of set-up, and the folder that it was copied to.
type Model = (Option<PathBuf>, Option<TempDir>);

struct Opener<'a> {
    options: &'a Options,
    stop: &'static AtomicBool,
    connection: Option<Connection>,
}

impl<'a> Opener<'a> {
    fn new(options: &'a Options, stop: &'static AtomicBool) -> Self {
        Self {
            options,
            stop,
            connection: None,
        }
    }

    fn model(&mut self) -> Result<Model> {
        match &self.options.model {
            Some(Address::Bucket { name, prefix }) => {
                let (folder, file) = self.copy(name, prefix)?;
                Ok((Some(file), Some(folder)))
            }
            Some(Address::Folder(path)) => Ok((Some(path.clone()), None)),
            None => Ok((None, None)),
        }
    }

    fn source(&mut self) -> Result<Source> {
        let options = self.options;
        match (&options.input, &options.bucket, &options.prefix) {
            (Some(Address::Folder(root)), _, None) => Source::folder(root),
            (Some(Address::Bucket { name, prefix }), _, None) => Ok(Source::Bucket(self.prefix(name, prefix)?)),
            (None, Some(name), prefix) => {
                let prefix = prefix.as_deref().unwrap_or_default();
                Ok(Source::Bucket(self.prefix(name, prefix)?))
            }
            (Some(_), _, Some(_)) => Err(Error::Invalid(
                "--prefix goes with --bucket; add it to the folder of --input instead".to_owned(),
            )),
            (None, None, Some(_)) => Err(Error::Invalid("--prefix needs --bucket NAME".to_owned())),
            (None, None, None) => Err(Error::Invalid(
                "no input: name a folder of images with --input DIR, or a bucket with --bucket NAME (one folder a class)"
                    .to_owned(),
            )),
        }
    }

    /// The one that is named, else the user's; none without a home.
    fn cache(&mut self) -> Result<Option<Place>> {
        match &self.options.cache {
            Some(address) => self.place(address).map(Some),
            None => Ok(user_cache().map(Place::Folder)),
        }
    }

    fn place(&mut self, address: &Address) -> Result<Place> {
        match address {
            Address::Folder(folder) => Ok(Place::Folder(folder.clone())),
            Address::Bucket { name, prefix } => Ok(Place::Bucket(self.prefix(name, prefix)?)),
        }
    }

    fn prefix(&mut self, name: &str, prefix: &str) -> Result<Prefix> {
        Prefix::new(self.connection()?, name, prefix)
    }

    /// An object as a file of its own name, in a temporary folder that holds it.
    fn copy(&mut self, bucket: &str, key: &str) -> Result<(TempDir, PathBuf)> {
        let Some(name) = Path::new(key).file_name().filter(|_| !key.ends_with('/')) else {
            let message = format!("s3://{bucket}/{key} is no file; name a model in it");
            return Err(Error::Invalid(message));
        };
        let bytes = self.prefix(bucket, "")?.read(key)?.ok_or_else(|| {
            Error::Invalid(format!(
                "there is no model `s3://{bucket}/{key}`; check --model"
            ))
        })?;
        let folder = temporary::folder("model")?;
        let file = folder.path().join(name);
        atomic::write(&file, &bytes)?;
        Ok((folder, file))
    }

    /// The connection, opened when it is first needed.
    fn connection(&mut self) -> Result<&Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open_until(&s3_params(self.options)?, self.stop)?,
        };
        Ok(self.connection.insert(connection))
    }
}

fn s3_params(options: &Options) -> Result<S3Params> {
    let encryption = match (options.sse, &options.sse_kms_key_id) {
        (None, None) => None,
        (Some(Sse::S3), None) => Some(Encryption::S3),
        (Some(Sse::Kms), key_id) => Some(Encryption::Kms {
            key_id: key_id.clone(),
        }),
        (_, Some(_)) => {
            let message = "--sse-kms-key-id needs --sse aws:kms".to_owned();
            return Err(Error::Invalid(message));
        }
    };
    Ok(S3Params {
        region: options.region.clone(),
        endpoint_url: options.endpoint_url.clone(),
        profile: options.profile.clone(),
        no_sign_request: options.no_sign_request,
        request_payer: options.request_payer,
        timeout_s: options.s3_timeout,
        encryption,
    })
}

/// The folder on this machine that takes descriptors: that of `--cache`, `fruits` in the user's cache folder, or that for
/// temporary files.
pub fn local_cache(options: &Options) -> PathBuf {
    let folder = match &options.cache {
        Some(Address::Folder(folder)) => Some(folder.clone()),
        Some(Address::Bucket { .. }) => None,
        None => user_cache(),
    };
    folder.unwrap_or_else(std::env::temp_dir)
}

/// Refuses a cache that workers on other machines cannot see: descriptors are handed over in it.
fn shared_with_workers(options: &Options) -> Result<()> {
    let EngineName::Scheduler(endpoint) = &options.engine else {
        return Ok(());
    };
    let is_here = endpoint.host == "localhost" || endpoint.host.starts_with("127.");
    if !options.no_cache && (options.cache.is_some() || is_here) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "--engine {} needs a --cache that all its workers see: s3://bucket/prefix, or a folder that they share under one path",
        options.engine
    )))
}

/// Where a folder is or will be, behind links and `..`.
fn real(folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let mut real = PathBuf::new();
    for part in folder.components() {
        match part {
            Component::ParentDir => {
                real.pop();
            }
            part => {
                real.push(part);
                // What is not there yet is no link.
                real = real.canonicalize().unwrap_or(real);
            }
        }
    }
    real
}

/// Refuses to write among the images: the next run would take what is written for one of them.
fn keep_apart(input: &Source, option: &str, place: &Place) -> Result<()> {
    let lies_in = match (input, place) {
        (Source::Folder(images), Place::Folder(folder)) => {
            let images = images.root().canonicalize();
            images.is_ok_and(|images| real(folder).starts_with(images))
        }
        (Source::Bucket(images), Place::Bucket(prefix)) => images.holds(prefix),
        _ => false,
    };
    if lies_in {
        return Err(Error::Invalid(format!(
            "{option} `{place}` lies among the images of `{input}`; name a folder elsewhere{}",
            match input {
                Source::Bucket(_) => ", and with --prefix the one of the images",
                Source::Folder(_) => "",
            }
        )));
    }
    Ok(())
}
