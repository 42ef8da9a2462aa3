//! The Queen's program: the command line, signals, exit codes.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use drone::console::{self, count};
use drone::signals::StopSignals;
use drone::story;
use mimalloc::MiMalloc;
use queen::administration;
use queen::args::{Backup, Cli, Command, DataDir, Demo, Keep, Serve};
use queen::store::{StoreError, backup, check};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Single tasks are a hundred small allocations each, freed on other threads than they came from.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match run(drone::cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let advice = error.downcast_ref::<StoreError>().map_or("", StoreError::advice);
            console::complain(&format!("queen: {error:#}{advice}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _entered = runtime.enter();
    drone::limits::survive_file_size_limit()?;
    drone::limits::leave_no_core();
    match cli.command {
        None => runtime.block_on(serve(cli.serve, cli.keep))?,
        Some(Command::Demo(demo)) => runtime.block_on(show(demo))?,
        Some(Command::Check(DataDir { data_dir })) => {
            let is_sound = check::run(&data_dir, &mut io::stdout().lock())?;
            return Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Some(Command::Init(init)) => runtime.block_on(administration::init(&init))?,
        Some(Command::Token(tokens)) => runtime.block_on(administration::token(tokens.command))?,
        Some(Command::Secret(secrets)) => runtime.block_on(administration::secret(secrets.command))?,
        Some(Command::Documents(documents)) => documents.write::<Cli>().context("cannot print")?,
        Some(Command::Backup(Backup { from, to, force })) => {
            let begun = Instant::now();
            let backup::Written { tasks, bytes } = backup::run(&from.data_dir, &to, force)?;
            let (seconds, to) = (begun.elapsed().as_secs_f64(), to.display());
            // The file is complete, whether or not anybody can be told.
            let _ = writeln!(io::stdout(), "{to}: {} tasks, {} bytes, {seconds:.2} s", count(tasks), count(bytes));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Each connection is an open file, and what is usually allowed at first is less than what may be.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

async fn serve(serve: Serve, keep: Keep) -> anyhow::Result<()> {
    let _unwritten = console::init(serve.log_format).context("cannot log")?;
    raise_file_limit();
    if keep.is_in_vain() {
        tracing::warn!("--ephemeral keeps nothing: --data-dir and --max-data do not count");
    }
    let shutdown = stop_on_signals(false)?;
    let config = serve.config(Some(&keep));
    reload_on_hangups(Arc::clone(&config.exposure.reload))?;
    Ok(queen::run(config, serve.listen(false).await?, shutdown).await?)
}

async fn show(demo: Demo) -> anyhow::Result<()> {
    let _unwritten = console::init(demo.serve.log_format).context("cannot log")?;
    raise_file_limit();
    let shutdown = stop_on_signals(true)?;
    let (config, listeners) = (demo.serve.config(None), demo.serve.listen(true).await?);
    queen::demo::run(demo, config, listeners, shutdown).await
}

/// The first signal stops gracefully, the second at once. `hangup`: SIGHUP is one of them.
fn stop_on_signals(hangup: bool) -> io::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let mut signals = StopSignals::listen(hangup)?;
    tokio::spawn(async move {
        signals.next().await;
        story!("🌙", "Stopping: requests under way have ten seconds to finish; Ctrl-C again stops at once");
        stop.cancel();
        signals.next().await;
        std::process::exit(1);
    });
    Ok(shutdown)
}

/// SIGHUP stops nothing: by it a server is told to read its certificates again.
fn reload_on_hangups(reload: Arc<Notify>) -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            reload.notify_one();
        }
    });
    Ok(())
}
