//! What is measured, and beside what.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::api::Api;
use super::client::Client;
use super::compare::{Compare, Scenario};
use super::hive::{Build, Cpu, Process};
use super::report::{Report, Target, Times};
use super::singles::{Singles, Words};
use super::strings::Expected;
use super::{bare, bulk, idle, latency, machine, pages, singles};

/// Words that are not counted, before those that are: so many that the log is full, and written from its start
/// again. Until then each sync has a longer file to write down, which no Queen has who has run for a minute.
const WARM_UP: Singles = Singles { count: 20_000, connections: 64, wait: true };

/// Strings that are computed before those that are counted.
const WARM_UP_STRINGS: u64 = 100_000;

/// Parts of a measurement in turn.
const TURNS: u64 = 10;

/// Until Drones that have just connected only wait.
const SETTLE: Duration = Duration::from_millis(1500);

/// Pages that are read one after the other.
const PAGES: [&str; 9] = [
    "/admin",
    "/admin/tasks",
    "/admin/tasks?state=done&sort=-ended",
    "/admin/tasks/1",
    "/admin/drones",
    "/admin/drones?sort=-rate",
    "/admin/stream?window=15m",
    "/admin/log",
    "/admin/drones/1",
];

/// Tasks that are lines of their own in lists.
const PAGE_WORDS: Singles = Singles { count: 1000, connections: 1, wait: true };

/// Those that are open, in turn.
const OPEN: [&str; 4] = ["/admin", "/admin/tasks", "/admin", "/admin/drones"];

/// How often each is read.
const READINGS: u64 = 50;

/// How long the Queen is watched with open pages, and without.
const OPEN_WATCH: Duration = Duration::from_secs(10);

/// Passwords of a task that is computed meanwhile, of a hundred thousand iterations each: more than there is time for.
const ENDLESS: u64 = 100_000;

/// How long the Queen is watched with idle Drones, and without.
const WATCH: Duration = Duration::from_secs(2);

/// What all rounds share.
pub struct Comparison<'a> {
    pub size: &'a Compare,
    pub build: Build,
    pub expected: Expected,
    pub report: Report,
}

impl Comparison<'_> {
    /// Runs one of them once.
    pub async fn run(&mut self, scenario: Scenario) -> anyhow::Result<()> {
        let ([all, own], begun) = (machine::all_and_own()?, Instant::now());
        match scenario {
            Scenario::Bulk => self.bulk().await,
            Scenario::Singles => self.singles().await,
            Scenario::Latency => self.latency().await,
            Scenario::Loaded => self.loaded().await,
            Scenario::Idle => self.idle().await,
            Scenario::Pages => self.pages().await,
        }?;
        let ([all_now, own_now], seconds) = (machine::all_and_own()?, begun.elapsed().as_secs_f64());
        // The noise of this round.
        self.report.add("CPU of others meanwhile", "cores", ((all_now - all) - (own_now - own)) / seconds);
        Ok(())
    }

    async fn bulk(&mut self) -> anyhow::Result<()> {
        self.report.begin("bulk");
        let (strings, drones) = (self.expected.strings, self.size.drones);
        let (taken, cpu) = self.bulk_in_hive(false).await?;
        if self.size.tls {
            let (with_tls, cpu_with_tls) = self.bulk_in_hive(true).await?;
            let ratio = taken.total() / with_tls.total();
            self.report.aim("Hive with TLS / without", "", ratio, Target::AtLeast(0.8));
            self.report.add("CPU of all without TLS / with", "", cpu.sum() / cpu_with_tls.sum());
        }
        let loopback = |pairs| -> anyhow::Result<_> {
            let before = machine::cpu(None)?;
            Ok((bare::loopback(&self.expected, pairs)? / 1e6, machine::cpu(None)? - before))
        };
        let ((one, bare_cpu), (each, _)) = (loopback(1)?, loopback(drones)?);
        let (plain, cores) = (bare::hashing(strings, 1) / 1e6, machine::cores());
        let plain_all = bare::hashing(strings, cores) / 1e6;

        let report = &mut self.report;
        let million = |seconds: f64| strings as f64 / seconds / 1e6;
        let (end_to_end, computed) = (million(taken.total()), million(taken.computed));
        report.add("bare loopback, one pair", "M/s", one);
        report.add("bare loopback, a pair a Drone", "M/s", each);
        report.add("plain hashing, one thread", "M/s", plain);
        report.add(format!("plain hashing, {cores} threads"), "M/s", plain_all);
        report.add("Hive / bare loopback, one pair", "", end_to_end / one);
        report.add("Hive / bare loopback, a pair a Drone", "", end_to_end / each);
        report.add(format!("Hive until computed / plain, {cores} threads"), "", computed / plain_all);
        report.add("bare loopback's CPU, each", "µs", bare_cpu / strings as f64 * 1e6);
        report.add("CPU of all / bare loopback's", "", cpu.sum() / bare_cpu);
        report.add("the client's comparing, of all the time", "", taken.check / taken.total());
        Ok(())
    }

    /// The bulk task in a Hive.
    async fn bulk_in_hive(&mut self, tls: bool) -> anyhow::Result<(bulk::Taken, Cpu)> {
        let hive = self.build.start(self.size.drones, tls).await?;
        bulk::run(&hive.api, bulk::ONE_TASK, &Expected::of(WARM_UP_STRINGS, 1)).await?;
        let before = hive.cpu()?;
        let taken = bulk::run(&hive.api, bulk::ONE_TASK, &self.expected).await?;
        let cpu = hive.cpu()?.since(before);

        let (report, name, strings) = (&mut self.report, name(tls), self.expected.strings);
        let million = |seconds: f64| strings as f64 / seconds / 1e6;
        report.add(format!("{name}, from end to end"), "M/s", million(taken.total()));
        report.add(format!("{name}, upload"), "M/s", million(taken.upload));
        report.add(format!("{name}, until computed and on disk"), "M/s", million(taken.computed));
        report.add(format!("{name}, download"), "M/s", million(taken.download));
        shares(report, name, cpu, strings, taken.total());
        busy(report, &format!("{name}, busy"), &taken.drones);
        Ok((taken, cpu))
    }

    async fn singles(&mut self) -> anyhow::Result<()> {
        self.report.begin("singles");
        let load = Singles { count: self.size.singles, connections: self.size.connections, wait: true };
        let (taken, cpu) = self.singles_in_hive(&load, false).await?;
        if self.size.tls {
            let (with_tls, cpu_with_tls) = self.singles_in_hive(&load, true).await?;
            let ratio = with_tls.per_second / taken.per_second;
            self.report.aim("Hive with TLS / without", "", ratio, Target::AtLeast(0.85));
            self.report.add("CPU of all without TLS / with", "", cpu.sum() / cpu_with_tls.sum());
        }
        let (server, [http, _]) = bare_server()?;
        let http = Api::open(http);
        WARM_UP.put_on(&http).await?;
        let before = (server.cpu()?, machine::cpu(None)?);
        let bare = load.put_on(&http).await?;
        let bare_cpu = (server.cpu()? - before.0, machine::cpu(None)? - before.1);

        let report = &mut self.report;
        report.add("bare axum", "/s", bare.per_second);
        report.add("Hive / bare axum", "", taken.per_second / bare.per_second);
        report.add("bare axum's CPU, each", "µs", bare_cpu.0 / load.count as f64 * 1e6);
        report.add("CPU of Queen and Drones / bare axum's", "", (cpu.queen + cpu.drones) / bare_cpu.0);
        report.add("the client's CPU with bare axum", "cores", bare_cpu.1 / bare.seconds);
        Ok(())
    }

    /// One task a request in a Hive.
    async fn singles_in_hive(&mut self, load: &Singles, tls: bool) -> anyhow::Result<(singles::Taken, Cpu)> {
        let hive = self.build.start(self.size.drones, tls).await?;
        WARM_UP.put_on(&hive.api).await?;
        let before = hive.cpu()?;
        let taken = load.put_on(&hive.api).await?;
        let cpu = hive.cpu()?.since(before);

        let (report, name) = (&mut self.report, name(tls));
        report.add(name, "/s", taken.per_second);
        report.add(format!("{name}, median"), "ms", taken.times.at(0.5));
        report.add(format!("{name}, 99 %"), "ms", taken.times.at(0.99));
        shares(report, name, cpu, load.count, taken.seconds);
        Ok((taken, cpu))
    }

    async fn latency(&mut self) -> anyhow::Result<()> {
        self.report.begin("latency");
        let (hive, (server, [http, _])) = (self.build.start(1, false).await?, bare_server()?);
        WARM_UP.put_on(&hive.api).await?;
        let mut words = Words::connect(&hive.api, true).await?;
        let mut bare_words = Words::connect(&Api::open(http), true).await?;
        let (mut times, mut bare, mut appends, mut syncs) = (vec![], vec![], vec![], vec![]);
        // In turn, since the disk may be another's now and then; the first turn is not counted.
        for turn in 0..=TURNS {
            let (count, some) = (self.size.words.div_ceil(TURNS), self.size.words.div_ceil(5 * TURNS) as usize);
            let kept = [
                (&mut times, latency::ask(&mut words, Duration::ZERO, |asked| asked < count).await?),
                (&mut bare, latency::ask(&mut bare_words, Duration::ZERO, |asked| asked < count).await?),
                (&mut appends, machine::fdatasync(hive.directory(), some, true)?),
                (&mut syncs, machine::fdatasync(hive.directory(), some, false)?),
            ];
            kept.into_iter().filter(|_| turn > 0).for_each(|(all, these)| all.extend(these));
        }
        drop((hive, server));

        let [times, bare, appends, syncs] = [times, bare, appends, syncs].map(Times::of);
        let report = &mut self.report;
        report.add("Hive, median", "ms", times.at(0.5));
        report.add("Hive, 99 %", "ms", times.at(0.99));
        report.add("bare axum, median", "ms", bare.at(0.5));
        report.add("fdatasync at the end of a file, median", "ms", appends.at(0.5));
        report.add("fdatasync within a file, median", "ms", syncs.at(0.5));
        let ratio = |sync: &Times, part| times.at(part) / (bare.at(part) + sync.at(part));
        report.aim("Hive / (bare axum + fdatasync at the end)", "", ratio(&appends, 0.5), Target::AtMost(2.0));
        report.aim("Hive / (bare axum + fdatasync within)", "", ratio(&syncs, 0.5), Target::AtMost(2.0));
        // What others do on the machine disturbs these less.
        report.add("the same, of the fastest tenth of each", "", ratio(&syncs, 0.1));
        Ok(())
    }

    async fn loaded(&mut self) -> anyhow::Result<()> {
        self.report.begin("loaded");
        let pbkdf2 = "algorithm=pbkdf2-hmac-sha256&iterations=1000";
        let loads = [("bulk", "", self.size.load_strings), ("PBKDF2", pbkdf2, self.size.load_passwords)];
        for (name, options, strings) in loads {
            let hive = self.build.start(self.size.drones, false).await?;
            bulk::run(&hive.api, bulk::ONE_TASK, &Expected::of(WARM_UP_STRINGS, 1)).await?;
            let loaded = latency::under_load(&hive, options, strings, self.size.loaded_words).await?;
            let report = &mut self.report;
            report.add(format!("under {name}, words"), "", loaded.words.len() as f64);
            report.add(format!("under {name}, median"), "ms", loaded.words.at(0.5));
            report.aim(format!("under {name}, 99 %"), "ms", loaded.words.at(0.99), Target::AtMost(20.0));
            report.add(format!("under {name}, longest"), "ms", loaded.words.at(1.0));
            report.add(format!("under {name}, the Drones' CPU"), "cores", loaded.cpu.drones / loaded.seconds);
            report.add(format!("under {name}, the Queen's CPU"), "cores", loaded.cpu.queen / loaded.seconds);
            busy(report, &format!("under {name}, busy"), &loaded.drones);
        }
        let (server, [http, _]) = bare_server()?;
        let bare = latency::beside_hashing(&Api::open(http), self.size.loaded_words).await?;
        drop(server);
        self.report.add("bare axum beside plain hashing, median", "ms", bare.at(0.5));
        self.report.add("bare axum beside plain hashing, 99 %", "ms", bare.at(0.99));
        Ok(())
    }

    async fn idle(&mut self) -> anyhow::Result<()> {
        self.report.begin("idle");
        let count = self.size.idle_drones;
        idle::allow_connections(count)?;
        let hive = self.build.start(0, false).await?;
        let (memory, alone) = watch(&hive.queen, WATCH).await?;
        let fleet = idle::connect(hive.drone_addr, count, idle::Says::Nothing).await?;
        tokio::time::sleep(SETTLE).await;
        let (more, with) = watch(&hive.queen, WATCH).await?;
        hive.until_drones(count).await?;
        drop((hive, fleet));
        let (server, [_, echo]) = bare_server()?;
        let fleet = idle::echo(echo, count).await?;
        tokio::time::sleep(SETTLE).await;
        let (_, bare) = watch(&server, WATCH).await?;
        drop((server, fleet));

        let (report, a_drone) = (&mut self.report, |cpu: f64| cpu / count as f64 * 1e6);
        report.add("the Queen alone", "MiB", memory / 1024.0);
        report.aim("memory a Drone", "KiB", (more - memory) / count as f64, Target::AtMost(32.0));
        report.add("the Queen's CPU alone", "ms/s", alone * 1000.0);
        report.add(format!("her CPU with {count} Drones"), "ms/s", with * 1000.0);
        report.add("  a Drone", "µs/s", a_drone(with - alone));
        report.add("bare echo's CPU, a connection", "µs/s", a_drone(bare));
        report.add("Queen / bare echo", "", (with - alone) / bare);
        Ok(())
    }

    async fn pages(&mut self) -> anyhow::Result<()> {
        self.report.begin("pages");
        let Compare { page_tasks, page_drones, open_pages, drones, .. } = *self.size;
        idle::allow_connections(page_drones + 2 * open_pages)?;
        let hive = self.build.start(drones, false).await?;
        bulk::run(&hive.api, bulk::MANY_TASKS, &Expected::of(page_tasks, page_tasks)).await?;
        PAGE_WORDS.put_on(&hive.api).await?;
        let fleet = idle::connect(hive.drone_addr, page_drones, idle::Says::AnotherPart).await?;
        tokio::time::sleep(SETTLE).await;
        for path in PAGES {
            let (times, length) = pages::read(&hive.api, path, READINGS).await?;
            self.report.aim(format!("GET {path}, median"), "ms", times.at(0.5), Target::AtMost(5.0));
            self.report.aim(format!("GET {path}, sent"), "KiB", length as f64 / 1024.0, Target::AtMost(60.0));
        }
        let options = "algorithm=pbkdf2-hmac-sha256&iterations=100000";
        let task = bulk::submit(&mut Client::connect(&hive.api).await?, options, ENDLESS).await?;
        let (_, without) = watch(&hive.queen, OPEN_WATCH).await?;
        let open = pages::Open::pages(&hive.api, &OPEN, open_pages).await?;
        tokio::time::sleep(SETTLE).await;
        let before = open.reads();
        let (_, with) = watch(&hive.queen, OPEN_WATCH).await?;
        let reads = (open.reads() - before) as f64 / OPEN_WATCH.as_secs_f64();
        Client::connect(&hive.api).await?.json("POST", &format!("{task}/cancel"), "").await?;
        drop((hive, fleet));

        let report = &mut self.report;
        report.add("the Queen's CPU without open pages", "ms/s", without * 1000.0);
        report.add(format!("readings of {open_pages} open pages"), "/s", reads);
        report.aim("what they take of her CPU", "ms/s", (with - without) * 1000.0, Target::AtMost(50.0));
        Ok(())
    }
}

/// The memory of a process in KiB, and its CPU time in a second.
async fn watch(process: &Process, time: Duration) -> anyhow::Result<(f64, f64)> {
    let (before, begun) = (machine::cpu_of_threads(process.id())?, Instant::now());
    tokio::time::sleep(time).await;
    let cpu = (machine::cpu_of_threads(process.id())? - before) / begun.elapsed().as_secs_f64();
    Ok((machine::resident(process.id())? as f64 / 1024.0, cpu))
}

/// What does the same without a Hive; where it answers HTTP, and where it says what it hears.
fn bare_server() -> anyhow::Result<(Process, [SocketAddr; 2])> {
    Process::start(Command::new(std::env::current_exe()?).arg("bare"))
}

/// What a Hive is called in figures.
fn name(tls: bool) -> &'static str {
    if tls { "Hive with TLS" } else { "Hive" }
}

/// Who took how much of the CPU.
fn shares(report: &mut Report, name: &str, cpu: Cpu, items: u64, seconds: f64) {
    for (who, spent) in [("the Queen's", cpu.queen), ("the Drones'", cpu.drones), ("the client's", cpu.client)] {
        report.add(format!("{name}, {who} CPU"), "cores", spent / seconds);
        report.add(format!("{name}, {who} CPU, each"), "µs", spent / items as f64 * 1e6);
    }
}

/// How busy each Drone was, as far as the Queen tells.
fn busy(report: &mut Report, name: &str, drones: &Value) {
    for drone in drones["drones"].as_array().into_iter().flatten() {
        if let (Some(share), Some(drone)) = (drone["utilisation"].as_f64(), drone["name"].as_str()) {
            report.add(format!("{name}: {drone}"), "", share);
        }
    }
}
