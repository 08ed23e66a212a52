//! One connection: HTTP/1 with keep-alive, and an end that may be a reset.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::front::Front;

/// Answers until the client or a fault ends it.
pub async fn serve(stream: TcpStream, front: Arc<Front>) {
    // Without it, an answer in two pieces waits for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let service =
        service_fn(|request| Box::pin(Arc::clone(&front).answer(request, Arc::clone(&reset))));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // hyper must not close the socket itself: how it is closed is the fault. An error is a fault too, or the client's.
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    if reset.load(Ordering::Relaxed) {
        // Closing a socket that does not linger sends RST.
        let _ = stream.set_zero_linger();
    } else {
        let _ = stream.shutdown().await;
    }
}
