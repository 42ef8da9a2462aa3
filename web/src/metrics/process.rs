//! What the kernel says of this process, under the names that every Prometheus client gives it.

use std::fmt;
use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::lines::Lines;

/// At one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Process {
    cpu_seconds: f64,
    /// Since 1970.
    start_seconds: f64,
    threads: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
    open_files: f64,
    /// None where there is no limit.
    open_files_limit: Option<f64>,
}

impl Process {
    /// Reads it; `None` where there is no `/proc` as Linux has it.
    pub(crate) fn read() -> Option<Self> {
        let (stat, boot) = (fs::read_to_string("/proc/self/stat").ok()?, fs::read_to_string("/proc/stat").ok()?);
        let open_files = fs::read_dir("/proc/self/fd").ok()?.count();
        // The directory is open itself while it is read.
        let open_files = open_files.saturating_sub(1) as f64;
        let open_files_limit = getrlimit(Resource::Nofile).current.map(|limit| limit as f64);
        Some(Self { open_files, open_files_limit, ..Self::parse(&stat, &boot)? })
    }

    /// Of `/proc/self/stat` and `/proc/stat`; see proc(5).
    fn parse(stat: &str, boot: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may have spaces; the third is the first here.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = clock_ticks_per_second() as f64;
        let booted: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            start_seconds: booted + field(22)? / ticks,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page_size() as f64,
            open_files: 0.0,
            open_files_limit: None,
        })
    }

    pub(super) fn encode(&self, lines: &mut Lines) -> fmt::Result {
        lines.counter("process_cpu_seconds", "User and system CPU time", self.cpu_seconds)?;
        lines.gauge("process_start_time_seconds", "When the process started, since 1970", self.start_seconds)?;
        lines.gauge("process_threads", "Threads", self.threads)?;
        lines.gauge("process_virtual_memory_bytes", "Virtual memory", self.virtual_bytes)?;
        lines.gauge("process_resident_memory_bytes", "Resident memory", self.resident_bytes)?;
        lines.gauge("process_open_fds", "Open file descriptors", self.open_files)?;
        self.open_files_limit
            .map_or(Ok(()), |limit| lines.gauge("process_max_fds", "The most file descriptors that may be open", limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let name = "4242 (a (queen) of) bees) S 1 2 3 4 5 6 7 8 9 10";
        let stat = format!("{name} {} {} 16 17 18 19 9 21 {} 65536 3 25", clock_ticks_per_second(), 0, 0);
        let process = Process::parse(&stat, "cpu 1 2\nbtime 1700000000\nprocesses 7\n").unwrap();
        assert_eq!((process.cpu_seconds, process.start_seconds, process.threads), (1.0, 1_700_000_000.0, 9.0));
        assert_eq!((process.virtual_bytes, process.resident_bytes), (65536.0, 3.0 * page_size() as f64));
        assert_eq!(Process::parse("", ""), None);
        let own = Process::read().unwrap();
        assert!(own.resident_bytes > 0.0 && own.open_files >= 3.0 && own.threads >= 1.0, "{own:?}");
    }
}
