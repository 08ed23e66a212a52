//! An S3 server on loopback for the integration tests: the protocol and the signatures are those of `s3s`, and faults are
//! made on demand between it and the client.
//!
//! The way of a request: `connection` reads it, `front` decides who answers it (`control`, `metadata`, a fault, or S3),
//! `log` writes it down. `index` is what the server knows of its objects; `backend` answers S3 requests from it.

mod access;
mod backend;
mod broken;
mod chunks;
mod conditions;
mod connection;
mod control;
mod faults;
mod front;
mod index;
mod listing;
mod log;
mod metadata;
mod options;
mod seed;
mod target;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::net::TcpListener;

use crate::front::Front;
use crate::options::Options;

/// An error for a person: the tests print what the server wrote to its standard error.
type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "s3-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    if options.exit_with_stdin {
        exit_with_stdin();
    }
    let front = Arc::new(Front::new(options)?);
    // Two workers: the machine that runs the tests has two cores and shares them with the client under test.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(serve(options.port, front))
}

async fn serve(port: u16, front: Arc<Front>) -> Result<(), Error> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    announce(listener.local_addr()?)?;
    loop {
        // An error here is the client's (it went away) or passes (no free descriptor): the next one may be served.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection::serve(stream, Arc::clone(&front)));
        }
    }
}

/// The one line on standard output, from which a test learns the port.
fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on http://{address}")?;
    stdout.flush()
}

/// Ends the process when the test that holds the other end of standard input is gone, however it went.
fn exit_with_stdin() {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
        std::process::exit(0);
    });
}
