//! Answers that have an end: the SDK collects all but the body of an object into memory, however much comes.

use std::error::Error;

use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{LengthLimitError, Limited};

/// Most bytes of an answer that is no object. A page of a listing has 1,000 keys of at most 1,024 bytes, each written as
/// three, and some 500 bytes around each: 3.6 MB.
pub(super) const MAX_ANSWER_BYTES: usize = 16 << 20;
/// How the SDK marks a request for an object, whose body is read as it comes; in a key `=` is written as `%3D`.
const OF_AN_OBJECT: &str = "x-id=GetObject";

/// A client whose answers end after [`MAX_ANSWER_BYTES`].
#[derive(Debug)]
pub(super) struct Bounded(pub SharedHttpClient);

impl HttpClient for Bounded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector(self.0.http_connector(settings, components)))
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[derive(Debug)]
struct Connector(SharedHttpConnector);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_object = request.method() == "GET" && request.uri().contains(OF_AN_OBJECT);
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            if is_object && answer.status().is_success() {
                return Ok(answer);
            }
            Ok(answer.map(|body| SdkBody::from_body_1_x(Limited::new(body, MAX_ANSWER_BYTES))))
        })
    }
}

/// Sends no request again whose answer was too large: the next one would be, too.
#[derive(Debug)]
pub(super) struct NeverTooLarge;

impl ClassifyRetry for NeverTooLarge {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.output_or_error() {
            Some(Err(error)) if is_too_large(error) => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "answers that are too large"
    }
}

/// Whether the bound is what ended an answer.
pub(super) fn is_too_large(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(e) = cause {
        if e.is::<LengthLimitError>() {
            return true;
        }
        cause = e.source();
    }
    false
}
