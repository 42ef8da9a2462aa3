//! How much may be asked for with one token, or from one address without one: what one client does too much of is
//! refused to that one, and not to others.
//!
//! Who needs no token and is on this machine has no limits, and costs nothing here.

mod bucket;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

pub use self::bucket::Rate;

use self::bucket::Bucket;
use crate::access::{Caller, TokenId};
use crate::error::Problem;
use crate::places::Origin;

/// The most accounts of addresses that are kept; who comes when so many are in use shares one with all the others.
/// Tokens are few, and each has its own.
const ACCOUNTS_MAX: usize = 10_000;

/// How often it is looked for accounts that are not in use, while there are so many.
const SWEEP: Duration = Duration::from_secs(1);

/// How far bodies may be ahead of their rate before the next one is refused; what is less is waited for.
const AHEAD_MAX: Duration = Duration::from_secs(1);

/// When to ask again for something of which there are so many at a time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What may be asked for with one token, or from one address without one. Nobody meets the defaults by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests.
    pub requests: Rate,
    /// Bytes of their bodies. A body that comes faster is read more slowly.
    pub bytes: Rate,
    /// Event streams at a time.
    pub streams: usize,
    /// Requests at a time that wait for a task.
    pub waits: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: Rate { per_second: 20_000, burst: 100_000 },
            bytes: Rate { per_second: 1 << 30, burst: 4 << 30 },
            streams: 64,
            waits: 1_000,
        }
    }
}

/// Knows what each token and address has asked for. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Limiter(Arc<Shared>);

struct Shared {
    limits: Limits,
    /// When it was made.
    start: Instant,
    accounts: Mutex<Accounts>,
}

struct Accounts {
    by_token: HashMap<TokenId, Arc<Account>>,
    by_origin: HashMap<Origin, Arc<Account>>,
    /// Of those addresses for which there is no room.
    common: Arc<Account>,
    swept: Option<Instant>,
}

impl Limiter {
    /// Nobody has asked for anything yet.
    pub(crate) fn new(limits: Limits) -> Self {
        let start = Instant::now();
        let common = Account::new(limits, start);
        let (by_token, by_origin) = Default::default();
        let accounts = Accounts { by_token, by_origin, common, swept: None };
        Self(Arc::new(Shared { limits, start, accounts: Mutex::new(accounts) }))
    }

    /// What this caller may ask for, who comes from there.
    pub(crate) fn allowance(&self, caller: &Caller, address: Option<IpAddr>) -> Allowance {
        let address = address.filter(|address| !address.to_canonical().is_loopback());
        if caller.holder().is_none() && address.is_none() {
            return Allowance::default();
        }
        let Shared { limits, start, accounts } = &*self.0;
        let new = || Account::new(*limits, *start);
        // What is done under it leaves the accounts as they have to be wherever it ends.
        let mut accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
        Allowance(match (caller.holder(), address) {
            (Some(holder), _) => Some(accounts.of_token(holder.id, new)),
            (None, address) => address.map(|address| accounts.of_origin(address.into(), new)),
        })
    }
}

impl Accounts {
    fn of_token(&mut self, token: TokenId, new: impl FnOnce() -> Arc<Account>) -> Arc<Account> {
        if let Some(account) = self.by_token.get(&token) {
            return Arc::clone(account);
        }
        // Those of tokens that were revoked are in use no more.
        self.by_token.retain(|_, account| account.is_in_use());
        Arc::clone(self.by_token.entry(token).or_insert_with(new))
    }

    fn of_origin(&mut self, origin: Origin, new: impl FnOnce() -> Arc<Account>) -> Arc<Account> {
        if let Some(account) = self.by_origin.get(&origin) {
            return Arc::clone(account);
        }
        if self.by_origin.len() >= ACCOUNTS_MAX && self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            self.swept = Some(Instant::now());
            self.by_origin.retain(|_, account| account.is_in_use());
        }
        if self.by_origin.len() >= ACCOUNTS_MAX {
            return Arc::clone(&self.common);
        }
        Arc::clone(self.by_origin.entry(origin).or_insert_with(new))
    }
}

/// What was asked for with a token, or from an address.
#[derive(Debug)]
struct Account {
    limits: Limits,
    /// From when on its buckets reckon.
    start: Instant,
    requests: Bucket,
    bytes: Bucket,
    streams: Arc<Semaphore>,
    waits: Arc<Semaphore>,
}

impl Account {
    fn new(limits: Limits, start: Instant) -> Arc<Self> {
        let [streams, waits] = [limits.streams, limits.waits].map(|most| Arc::new(Semaphore::new(most)));
        Arc::new(Self { limits, start, requests: Bucket::default(), bytes: Bucket::default(), streams, waits })
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether something is being asked for, or was lately.
    fn is_in_use(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || !self.is_new()
    }

    /// Whether it is as if nothing had been asked for.
    fn is_new(&self) -> bool {
        let (now, Limits { streams, waits, .. }) = (self.now(), self.limits);
        self.requests.is_full(now)
            && self.bytes.is_full(now)
            && self.streams.available_permits() == streams
            && self.waits.available_permits() == waits
    }
}

/// What a client may ask for. The default is everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowance(Option<Arc<Account>>);

impl Allowance {
    /// Counts a request.
    ///
    /// # Errors
    /// 429 if there were too many, or if it has a body and the ones before were too long.
    pub(crate) fn request(&self, has_body: bool) -> Result<(), Problem> {
        let Some(account) = &self.0 else { return Ok(()) };
        let (now, Limits { requests, bytes, .. }) = (account.now(), account.limits);
        account
            .requests
            .take(requests, now, 1)
            .map_err(|wait| too_many(format!("{} requests a second", requests.per_second), wait))?;
        match account.bytes.ahead(bytes, now) {
            ahead if has_body && ahead > AHEAD_MAX => {
                Err(too_many(format!("{} bytes of bodies a second", bytes.per_second), ahead))
            }
            _ => Ok(()),
        }
    }

    /// Whether there is something that they may not.
    pub(crate) fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    /// Counts bytes of a body that came; how far they are ahead of their rate.
    pub(crate) fn came(&self, bytes: usize) -> Duration {
        let Some(account) = &self.0 else { return Duration::ZERO };
        account.bytes.charge(account.limits.bytes, account.now(), bytes as u64)
    }

    /// An event stream, until the turn is dropped.
    ///
    /// # Errors
    /// 429 if there are too many.
    pub(crate) fn stream(&self) -> Result<Turn, Problem> {
        let Some(account) = &self.0 else { return Ok(Turn(None)) };
        Turn::of(&account.streams, || format!("{} event streams at a time", account.limits.streams))
    }

    /// A request that waits for a task, until the turn is dropped.
    ///
    /// # Errors
    /// 429 if there are too many.
    pub(crate) fn wait(&self) -> Result<Turn, Problem> {
        let Some(account) = &self.0 else { return Ok(Turn(None)) };
        Turn::of(&account.waits, || format!("{} requests at a time that wait", account.limits.waits))
    }
}

/// One of the things of which a client may have so many at a time.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "it is held, and dropped")] Option<OwnedSemaphorePermit>);

impl Turn {
    fn of(turns: &Arc<Semaphore>, what: impl FnOnce() -> String) -> Result<Self, Problem> {
        let turn = Arc::clone(turns).try_acquire_owned();
        turn.map(|turn| Self(Some(turn))).map_err(|_| too_many(what(), RETRY_AFTER))
    }
}

fn too_many(most: String, retry_after: Duration) -> Problem {
    let detail = format!("one token, or one address without a token, may have {most}; try again when there are fewer");
    Problem { retry_after: Some(retry_after), ..Problem::new(StatusCode::TOO_MANY_REQUESTS, detail) }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::access::{Holder, Scopes};

    const FEW: Limits = Limits {
        requests: Rate { per_second: 10, burst: 3 },
        bytes: Rate { per_second: 1000, burst: 1000 },
        streams: 2,
        waits: 1,
    };

    fn holder(id: u64) -> Caller {
        Caller::Holder(Arc::new(Holder { id: TokenId(id), name: "ci".into(), scopes: Scopes::ALL }))
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn each_token_and_address_has_its_own() {
        let limiter = Limiter::new(FEW);
        let spend = |caller: &Caller, from| {
            (0..10).take_while(|_| limiter.allowance(caller, from).request(false).is_ok()).count()
        };
        assert_eq!(spend(&holder(1), None), 3);
        assert_eq!(spend(&holder(1), address("192.0.2.1")), 0, "wherever it is used");
        assert_eq!(spend(&holder(2), address("127.0.0.1")), 3);
        assert_eq!(spend(&Caller::Unknown, address("192.0.2.1")), 3);
        assert_eq!(spend(&Caller::Anyone, address("::ffff:192.0.2.1")), 0);
        assert_eq!(spend(&Caller::Unknown, address("2001:db8::1")), 3);
        assert_eq!(spend(&Caller::Unknown, address("2001:db8::2")), 0, "one host has a whole /64");
        for loopback in [None, address("127.0.0.1"), address("::1"), address("::ffff:127.0.0.7")] {
            assert_eq!(spend(&Caller::Anyone, loopback), 10);
        }
        let problem = limiter.allowance(&holder(1), None).request(false).unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.retry_seconds()), (429, Some(1)));
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(spend(&holder(1), None), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn long_bodies_delay_the_next_one() {
        let limiter = Limiter::new(FEW);
        let allowance = limiter.allowance(&holder(1), None);
        assert_eq!(allowance.came(1000), Duration::ZERO);
        assert_eq!(allowance.came(1000), Duration::from_secs(1));
        allowance.request(true).unwrap();
        assert_eq!(allowance.came(4000), Duration::from_secs(5));
        assert_eq!(allowance.request(true).unwrap_err().retry_seconds(), Some(5));
        allowance.request(false).unwrap();
        tokio::time::advance(Duration::from_secs(4)).await;
        allowance.request(true).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_back() {
        let limiter = Limiter::new(FEW);
        let allowance = || limiter.allowance(&holder(1), None);
        let streams = [allowance().stream().unwrap(), allowance().stream().unwrap()];
        assert_eq!(allowance().stream().unwrap_err().status, 429);
        let wait = allowance().wait().unwrap();
        assert!(allowance().wait().is_err());
        drop((streams, wait));
        assert!(allowance().stream().is_ok() && allowance().wait().is_ok());
        let unlimited = Allowance::default();
        let turns: Vec<_> = (0..100).map(|_| (unlimited.stream().unwrap(), unlimited.wait().unwrap())).collect();
        assert_eq!(turns.len(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_take_no_more_than_so_much() {
        let limiter = Limiter::new(FEW);
        let allowance = |number: u32| {
            let address = Ipv4Addr::from(0x0a00_0000 + number);
            limiter.allowance(&Caller::Unknown, Some(address.into()))
        };
        let kept = || limiter.0.accounts.lock().unwrap().by_origin.len();
        let watched = allowance(0);
        let stream = watched.stream().unwrap();
        for number in 0..3 * ACCOUNTS_MAX as u32 {
            // Those behind the first ones share one account.
            let is_first = (number as usize) < ACCOUNTS_MAX + 3;
            assert_eq!(allowance(number).request(false).is_ok(), is_first, "{number}");
        }
        assert_eq!(kept(), ACCOUNTS_MAX);
        tokio::time::advance(Duration::from_secs(2)).await;
        allowance(u32::MAX >> 8).request(false).unwrap();
        assert_eq!(kept(), 2, "who watches is still known");
        drop((watched, stream));
    }
}
