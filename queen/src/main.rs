//! The Queen's program: the command line, signals, exit codes.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use drone::console::count;
use queen::Config;
use queen::args::{Backup, Cli, Command, Demo, Serve};
use queen::store::{backup, check};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let cli = Cli::parse();
    drone::console::init(cli.serve.log_format);
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("queen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let data_dir = &cli.serve.data_dir;
    let demo = match cli.command {
        Some(Command::Check) => {
            let is_sound = check::run(data_dir, &mut io::stdout().lock())?;
            return Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Some(Command::Backup(Backup { to, force })) => {
            let begun = Instant::now();
            let backup::Written { tasks, bytes } = backup::run(data_dir, &to, force)?;
            let (seconds, to) = (begun.elapsed().as_secs_f64(), to.display());
            println!("{to}: {} tasks, {} bytes, {seconds:.2} s", count(tasks), count(bytes));
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Demo(demo)) => Some(demo),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(cli.serve, demo))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(serve: Serve, demo: Option<Demo>) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    stop_on_signals(shutdown.clone())?;
    let config = serve.config();
    match demo {
        None => Ok(queen::run(config, serve.listen(false).await?, shutdown).await?),
        Some(demo) => {
            let listeners = serve.listen(true).await?;
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
