//! The way between one Drone and the Queen, and what goes wrong on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;

use super::frames::Frames;

/// How much is carried at once, in bytes; a narrow way takes its time for each of them.
const CHUNK: usize = 16 << 10;

/// The two directions, as places in arrays.
pub const FROM_DRONE: usize = 0;
pub const FROM_QUEEN: usize = 1;

/// How a connection ends before its time.
#[derive(Debug, Clone)]
pub enum Cut {
    /// Both sides get a RST; what was under way is lost.
    Reset,
    /// Both sides get a FIN.
    Fin,
    /// A FIN in the middle of the next frame of this direction; the flag tells when it was sent.
    Torn(usize, Arc<AtomicBool>),
}

/// What hinders the bytes of a direction, until it is taken away.
#[derive(Debug)]
pub struct Obstacle {
    hindrance: Hindrance,
    /// Whether any byte met it.
    is_felt: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
pub enum Hindrance {
    /// Nothing comes through, not even an end.
    Wall,
    /// Every read waits so long.
    Delay(Duration),
    /// So many bytes a second.
    Throttle(u64),
}

impl Obstacle {
    pub fn new(hindrance: Hindrance) -> Arc<Self> {
        Arc::new(Self { hindrance, is_felt: AtomicBool::new(false) })
    }

    pub fn is_felt(&self) -> bool {
        self.is_felt.load(SeqCst)
    }
}

type Sky = Option<Arc<Obstacle>>;

/// Listens for one Drone, and carries its connections to the Queen.
pub struct Proxy {
    pub address: SocketAddr,
    way: Arc<Way>,
}

struct Way {
    queen: SocketAddr,
    sky: [watch::Sender<Sky>; 2],
    cuts: broadcast::Sender<Cut>,
    carried: AtomicU64,
}

/// Why a pump stopped, other than at the end of what there was.
enum Stop {
    Broken,
    Torn,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

impl Proxy {
    pub async fn start(queen: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sky = [(); 2].map(|()| watch::Sender::new(None));
        let way = Arc::new(Way { queen, sky, cuts: broadcast::Sender::new(16), carried: AtomicU64::new(0) });
        tokio::spawn(Arc::clone(&way).serve(listener));
        Self { address, way }
    }

    /// Puts an obstacle in the way of one direction, or takes it away.
    pub fn hinder(&self, direction: usize, sky: Sky) {
        self.way.sky[direction].send_replace(sky);
    }

    /// Cuts what connections there are; whether there are any.
    pub fn cut(&self, cut: Cut) -> bool {
        self.way.cuts.send(cut).is_ok()
    }

    /// Connections that reached the Queen.
    pub fn carried(&self) -> u64 {
        self.way.carried.load(SeqCst)
    }
}

impl Way {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (drone, _) = listener.accept().await.unwrap();
            tokio::spawn(Arc::clone(&self).carry(drone));
        }
    }

    async fn carry(self: Arc<Self>, mut drone: TcpStream) {
        let mut cuts = self.cuts.subscribe();
        // Where no Queen is, nobody answers.
        let Ok(mut queen) = TcpStream::connect(self.queen).await else { return reset(drone) };
        self.carried.fetch_add(1, SeqCst);
        drone.set_nodelay(true).and(queen.set_nodelay(true)).unwrap();
        let tears: [watch::Sender<Option<Arc<AtomicBool>>>; 2] = [(); 2].map(|()| watch::Sender::new(None));
        let stop = {
            let ((from_drone, to_drone), (from_queen, to_queen)) = (drone.split(), queen.split());
            let pumps = async {
                let up = pump(from_drone, to_queen, self.sky[FROM_DRONE].subscribe(), &tears[FROM_DRONE]);
                let down = pump(from_queen, to_drone, self.sky[FROM_QUEEN].subscribe(), &tears[FROM_QUEEN]);
                tokio::try_join!(up, down).err()
            };
            let cut = async {
                loop {
                    match cuts.recv().await {
                        Ok(Cut::Torn(direction, is_torn)) => drop(tears[direction].send_replace(Some(is_torn))),
                        Ok(Cut::Fin) => return Some(Stop::Torn),
                        Ok(Cut::Reset) | Err(_) => return Some(Stop::Broken),
                    }
                }
            };
            tokio::select! { stop = pumps => stop, stop = cut => stop }
        };
        drop(cuts);
        match stop {
            None => {}
            Some(Stop::Broken) => [drone, queen].into_iter().for_each(reset),
            Some(Stop::Torn) => {
                // Closing with unread bytes would be a reset.
                let _ = tokio::join!(drone.shutdown(), queen.shutdown());
                let (mut nothing, mut nowhere) = (io::sink(), io::sink());
                let _ = tokio::join!(io::copy(&mut drone, &mut nothing), io::copy(&mut queen, &mut nowhere));
            }
        }
    }
}

fn reset(socket: TcpStream) {
    // Where it is reset already, there is nothing to do.
    let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
}

/// Carries bytes, and their end, in one direction.
async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut sky: watch::Receiver<Sky>,
    tear: &watch::Sender<Option<Arc<AtomicBool>>>,
) -> Result<(), Stop> {
    let mut frames = Frames::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        // An end does not come through a wall either.
        let read = from.read(&mut buffer).await;
        pass(&mut sky, *read.as_ref().unwrap_or(&0)).await;
        let chunk = &buffer[..read?];
        if chunk.is_empty() {
            to.shutdown().await?;
            return Ok(());
        }
        let inside = frames.walk(chunk);
        let is_torn = tear.borrow().clone();
        if let (Some(is_torn), Some(end)) = (is_torn, inside) {
            to.write_all(&chunk[..end]).await?;
            is_torn.store(true, SeqCst);
            return Err(Stop::Torn);
        }
        to.write_all(chunk).await?;
    }
}

/// Waits as long as the sky wants it of so many bytes.
async fn pass(sky: &mut watch::Receiver<Sky>, bytes: usize) {
    loop {
        let Some(obstacle) = sky.borrow_and_update().clone() else { return };
        obstacle.is_felt.store(true, SeqCst);
        match obstacle.hindrance {
            Hindrance::Delay(delay) => return sleep(delay).await,
            Hindrance::Throttle(rate) => return sleep(Duration::from_secs_f64(bytes as f64 / rate as f64)).await,
            Hindrance::Wall => {
                if sky.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}
