//! Drones that only wait: connections with heartbeats.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;
use tokio::time::interval;
use wire::codec::{FrameReader, FrameWriter, read_preface};
use wire::frame::{MAX_HANDSHAKE, MAX_TO_DRONE, decode};
use wire::handshake::{FromDrone, FromQueen, Rate};
use wire::ids::SeatSecret;
use wire::message::ToQueen;
use wire::preface::{Preface, Role};
use wire::work::{Class, Kind};

/// What it says it can compute; nobody asks it to.
const RATE: u64 = 10_000_000;

/// What a Queen asks for.
const BEAT: Duration = Duration::from_secs(1);

/// What Drones say of their threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// That they compute nothing.
    Nothing,
    /// That they computed for another part of each second than of the one before.
    AnotherPart,
}

/// A connected Drone.
struct Idle {
    number: u64,
    says: Says,
    reader: FrameReader<OwnedReadHalf>,
    writer: FrameWriter<OwnedWriteHalf>,
    heartbeat: Duration,
}

/// Connects so many Drones, which stay until this is dropped.
pub async fn connect(queen: SocketAddr, count: u64, says: Says) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let mut fleet = JoinSet::new();
    for number in 1..=count {
        let drone = Idle::connect(queen, number, says).await?;
        fleet.spawn(drone.wait());
    }
    Ok(fleet)
}

/// Connects so many times to what says whatever it hears, and says something there as often as a Drone does.
pub async fn echo(server: SocketAddr, count: u64) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let mut fleet = JoinSet::new();
    for _ in 0..count {
        let mut socket = TcpStream::connect(server).await?;
        socket.set_nodelay(true)?;
        fleet.spawn(async move {
            let (mut beats, mut beat) = (interval(BEAT), *b"beat one");
            loop {
                beats.tick().await;
                socket.write_all(&beat).await?;
                socket.read_exact(&mut beat).await?;
            }
        });
    }
    Ok(fleet)
}

/// Lets this process, and those that it starts, have so many connections.
pub fn allow_connections(count: u64) -> anyhow::Result<()> {
    // Some more are files, and the REST API's.
    let (needed, Rlimit { current, maximum }) = (count + 100, getrlimit(Resource::Nofile));
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if enough(current) {
        return Ok(());
    }
    anyhow::ensure!(enough(maximum), "{needed} open files are needed, but `ulimit -Hn` is {maximum:?}");
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })?)
}

impl Idle {
    async fn connect(queen: SocketAddr, number: u64, says: Says) -> anyhow::Result<Self> {
        let name = &*format!("idle-{number}");
        let mut socket = TcpStream::connect(queen).await?;
        socket.set_nodelay(true)?;
        socket.write_all(&Preface::ours(Role::Drone).encode()).await?;
        read_preface(&mut socket).await?;
        let (read, write) = socket.into_split();
        let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
        let kinds = vec![Kind::DIGEST].into();
        let rate = |class| Rate { class, compressions_per_second: RATE, lanes: 1, kernel: "none" };
        let rates = Class::ALL.map(rate).to_vec().into();
        let seat = SeatSecret::random()?;
        let (software, nonce) = ("load", [0; 32]);
        let hello = FromDrone::Hello { name, software, seat, threads: 1, kinds, rates, material: 0, nonce };
        writer.push(&hello, MAX_HANDSHAKE)?;
        writer.flush().await?;
        let answer = reader.next(MAX_HANDSHAKE).await?.context("the Queen closed the connection")?;
        let FromQueen::Welcome { heartbeat_ms, .. } = decode(&answer)? else { bail!("a Drone is not welcome") };
        writer.push(&ToQueen::Offer { leases: vec![].into(), material: vec![].into() }, MAX_TO_DRONE)?;
        writer.flush().await?;
        Ok(Self { number, says, reader, writer, heartbeat: Duration::from_millis(heartbeat_ms.into()) })
    }

    /// Sends heartbeats, and hears whatever is said.
    async fn wait(mut self) -> anyhow::Result<()> {
        let mut beats = interval(self.heartbeat);
        let mut busy_ns = 0;
        loop {
            tokio::select! {
                heard = self.reader.next(MAX_TO_DRONE) => drop(heard?.context("the Queen closed the connection")?),
                _ = beats.tick() => {
                    if self.says == Says::AnotherPart {
                        // In steps of a tenth, and no two neighbours of a step alike.
                        self.number = self.number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        busy_ns += (self.number >> 32) % 11 * 100_000_000;
                    }
                    let beat = ToQueen::Heartbeat { progress: vec![].into(), compressions: busy_ns, busy_ns };
                    self.writer.push(&beat, MAX_TO_DRONE)?;
                    self.writer.flush().await?;
                }
            }
        }
    }
}
