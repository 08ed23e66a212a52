//! Conditions of requests: If-Match and If-None-Match.

use s3s::dto::{ETagCondition, PutObjectInput};
use s3s::{S3Error, S3Result, s3_error};

use crate::index::Entry;

/// Of a request, by its extensions: conditions are not looked at, as by a server that does not know them.
#[derive(Debug, Clone, Copy)]
pub struct Unconditional;

fn holds(condition: &ETagCondition, entry: &Entry) -> bool {
    condition
        .as_etag()
        .is_none_or(|wanted| wanted.value() == entry.etag)
}

/// For reading an object.
pub fn check_get(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
    entry: &Entry,
) -> S3Result<()> {
    if if_match.is_some_and(|condition| !holds(condition, entry)) {
        return Err(precondition_failed());
    }
    if if_none_match.is_some_and(|condition| holds(condition, entry)) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

/// For putting an object where one may be.
pub fn check_put(input: &PutObjectInput, there: Option<&Entry>) -> S3Result<()> {
    let matches = |condition| there.is_some_and(|entry| holds(condition, entry));
    let is_met = input.if_match.as_ref().is_none_or(matches)
        && !input.if_none_match.as_ref().is_some_and(matches);
    if is_met {
        Ok(())
    } else {
        Err(precondition_failed())
    }
}

fn precondition_failed() -> S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}
