//! The Queen's program: the command line, signals, exit codes.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use queen::Config;
use queen::args::{Cli, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let cli = Cli::parse();
    drone::console::init(cli.serve.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(serve(cli)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("queen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(cli: Cli) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    stop_on_signals(shutdown.clone())?;
    let config = cli.serve.config();
    match cli.command {
        None => Ok(queen::run(config, cli.serve.listen(false).await?, shutdown).await?),
        Some(Command::Demo(demo)) => {
            let listeners = cli.serve.listen(true).await?;
            let config = Config { data: None, ..config };
            queen::demo::run(demo, config, listeners, shutdown).await
        }
    }
}

/// The first signal stops gracefully, the second at once.
fn stop_on_signals(shutdown: CancellationToken) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if shutdown.is_cancelled() {
                std::process::exit(1);
            }
            shutdown.cancel();
        }
    });
    Ok(())
}
