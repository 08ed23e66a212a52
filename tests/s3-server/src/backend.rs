//! The S3 operations. Uploads go through `s3s-fs`, which checks their checksums; everything else is the index.
//!
//! `s3s-fs` would answer a GET by reading three files, and ignores its conditions, so bodies are read here.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use s3s::crypto::{Checksum as _, Sha256};
use s3s::dto::{self, ETag};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use crate::Error;
use crate::chunks::Chunks;
use crate::conditions::{Unconditional, check_get, check_put};
use crate::index::{Index, hex};
use crate::listing::{self, Query};
use crate::seed;

/// The region that all buckets are in.
pub const REGION: &str = "us-east-1";

type Answer<T> = S3Result<S3Response<T>>;

/// [`S3`] over the index.
pub struct Backend {
    index: Arc<Index>,
    uploads: FileSystem,
    data: PathBuf,
    n_uploads: AtomicU64,
}

impl Backend {
    pub fn new(index: Arc<Index>, data: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        let uploads =
            FileSystem::new(&data).map_err(|error| format!("{}: {error:?}", data.display()))?;
        Ok(Self {
            index,
            uploads,
            data,
            n_uploads: AtomicU64::new(0),
        })
    }

    /// A file name for any key, and a new one for each upload: one that fails must not harm the object that is there.
    fn new_name(&self, key: &str) -> String {
        let number = self.n_uploads.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", hex(&Sha256::checksum(key.as_bytes())))
    }
}

#[async_trait]
impl S3 for Backend {
    async fn list_objects_v2(
        &self,
        req: S3Request<dto::ListObjectsV2Input>,
    ) -> Answer<dto::ListObjectsV2Output> {
        let after = listing::after(&req.input)?;
        let page = self
            .index
            .list(&req.input.bucket, &Query::new(&req.input, after.as_deref()))?;
        Ok(S3Response::new(listing::output(req.input, &page)))
    }

    async fn get_object(
        &self,
        req: S3Request<dto::GetObjectInput>,
    ) -> Answer<dto::GetObjectOutput> {
        let is_conditional = req.extensions.get::<Unconditional>().is_none();
        let input = req.input;
        let entry = self
            .index
            .get(&input.bucket, &input.key, input.version_id.as_deref())?;
        check_get(
            input.if_match.as_ref().filter(|_| is_conditional),
            input.if_none_match.as_ref().filter(|_| is_conditional),
            &entry,
        )?;
        let whole = 0..entry.size_bytes;
        let range = input
            .range
            .map_or(Ok(whole.clone()), |range| range.check(entry.size_bytes))?;
        // Of a part S3 gives no checksum: what it has is that of the whole.
        let with_checksum = input.checksum_mode.is_some() && range == whole;
        let checksum = if with_checksum {
            entry.checksum.clone()
        } else {
            dto::Checksum::default()
        };
        let length_bytes = range.end - range.start;
        let content_range = format!(
            "bytes {}-{}/{}",
            range.start,
            range.end.saturating_sub(1),
            entry.size_bytes
        );
        let body =
            Chunks::of(&entry.file, range).map_err(|error| s3_error!(error, InternalError))?;
        Ok(S3Response::new(dto::GetObjectOutput {
            body: Some(dto::StreamingBlob::wrap(futures::stream::iter(body))),
            accept_ranges: Some("bytes".into()),
            content_length: i64::try_from(length_bytes).ok(),
            content_range: input.range.is_some().then_some(content_range),
            content_type: Some(entry.content_type.clone()),
            e_tag: Some(ETag::Strong(entry.etag.clone())),
            last_modified: Some(entry.last_modified.clone()),
            metadata: entry.user_metadata.clone(),
            version_id: entry.version_id.clone(),
            server_side_encryption: entry.server_side_encryption.clone().map(Into::into),
            ssekms_key_id: entry.sse_kms_key_id.clone(),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: with_checksum
                .then(|| dto::ChecksumType::from_static(dto::ChecksumType::FULL_OBJECT)),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        req: S3Request<dto::HeadObjectInput>,
    ) -> Answer<dto::HeadObjectOutput> {
        let input = req.input;
        let entry = self
            .index
            .get(&input.bucket, &input.key, input.version_id.as_deref())?;
        check_get(
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
            &entry,
        )?;
        let with_checksum = input.checksum_mode.is_some();
        let checksum = if with_checksum {
            entry.checksum.clone()
        } else {
            dto::Checksum::default()
        };
        Ok(S3Response::new(dto::HeadObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: i64::try_from(entry.size_bytes).ok(),
            content_type: Some(entry.content_type.clone()),
            e_tag: Some(ETag::Strong(entry.etag.clone())),
            last_modified: Some(entry.last_modified.clone()),
            metadata: entry.user_metadata.clone(),
            version_id: entry.version_id.clone(),
            server_side_encryption: entry.server_side_encryption.clone().map(Into::into),
            ssekms_key_id: entry.sse_kms_key_id.clone(),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: with_checksum
                .then(|| dto::ChecksumType::from_static(dto::ChecksumType::FULL_OBJECT)),
            ..Default::default()
        }))
    }

    async fn put_object(
        &self,
        req: S3Request<dto::PutObjectInput>,
    ) -> Answer<dto::PutObjectOutput> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        self.index.require_bucket(&bucket)?;
        check_put(
            &req.input,
            self.index.get(&bucket, &key, None).ok().as_deref(),
        )?;
        let name = self.new_name(&key);
        let content_type = req.input.content_type.clone();
        let user_metadata = req.input.metadata.clone();
        let server_side_encryption = req.input.server_side_encryption.clone();
        let sse_kms_key_id = req.input.ssekms_key_id.clone();
        let stored = req.map_input(|input| dto::PutObjectInput {
            key: name.clone(),
            if_match: None,
            if_none_match: None,
            ..input
        });
        let mut answer = self.uploads.put_object(stored).await?;

        let output = &mut answer.output;
        let file = self.data.join(&bucket).join(&name);
        let mut entry = seed::entry(&file).map_err(|error| s3_error!(InternalError, "{error}"))?;
        // What the client checked its upload with is what S3 gives back; the CRC-32 of `seed` is for the others.
        let sent = dto::Checksum {
            checksum_crc32: output.checksum_crc32.clone(),
            checksum_crc32c: output.checksum_crc32c.clone(),
            checksum_crc64nvme: output.checksum_crc64nvme.clone(),
            checksum_sha1: output.checksum_sha1.clone(),
            checksum_sha256: output.checksum_sha256.clone(),
            checksum_type: output.checksum_type.clone(),
        };
        if sent != dto::Checksum::default() {
            entry.checksum = sent;
        }
        entry.content_type = content_type.unwrap_or(entry.content_type);
        entry.user_metadata = user_metadata;
        entry.server_side_encryption = server_side_encryption
            .as_ref()
            .map(|kind| kind.as_str().to_owned());
        entry.sse_kms_key_id = sse_kms_key_id.clone();
        output.server_side_encryption = server_side_encryption;
        output.ssekms_key_id = sse_kms_key_id;
        output.version_id = self.index.put(&bucket, &key, entry);
        Ok(answer)
    }

    async fn delete_object(
        &self,
        req: S3Request<dto::DeleteObjectInput>,
    ) -> Answer<dto::DeleteObjectOutput> {
        self.index.require_bucket(&req.input.bucket)?;
        self.index.remove(&req.input.bucket, &req.input.key);
        Ok(S3Response::new(dto::DeleteObjectOutput::default()))
    }

    async fn head_bucket(
        &self,
        req: S3Request<dto::HeadBucketInput>,
    ) -> Answer<dto::HeadBucketOutput> {
        self.index.require_bucket(&req.input.bucket)?;
        Ok(S3Response::new(dto::HeadBucketOutput {
            bucket_region: Some(REGION.into()),
            ..Default::default()
        }))
    }

    async fn create_bucket(
        &self,
        req: S3Request<dto::CreateBucketInput>,
    ) -> Answer<dto::CreateBucketOutput> {
        if !self.index.add_bucket(&req.input.bucket) {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        let location = Some(format!("/{}", req.input.bucket));
        Ok(S3Response::new(dto::CreateBucketOutput { location }))
    }

    /// Empty, which is how S3 says us-east-1.
    async fn get_bucket_location(
        &self,
        req: S3Request<dto::GetBucketLocationInput>,
    ) -> Answer<dto::GetBucketLocationOutput> {
        self.index.require_bucket(&req.input.bucket)?;
        Ok(S3Response::new(dto::GetBucketLocationOutput::default()))
    }
}
