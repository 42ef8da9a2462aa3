//! What was measured: a table for people, JSON for programs.

use std::time::Duration;

use serde_json::{Value, json};

/// How long something took, many times; sorted.
pub struct Times(Vec<Duration>);

impl Times {
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Milliseconds that so large a part did not exceed: 0.5 is the median.
    pub fn at(&self, part: f64) -> f64 {
        let rank = (self.0.len() as f64 * part).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// One figure, once each round.
struct Figure {
    scenario: &'static str,
    name: String,
    unit: &'static str,
    target: Option<Target>,
    rounds: Vec<f64>,
}

/// All figures.
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
    scenario: &'static str,
}

impl Report {
    /// The figures that follow are of this scenario.
    pub fn begin(&mut self, scenario: &'static str) {
        self.scenario = scenario;
    }

    /// The scenario of the last figures.
    pub fn scenario(&self) -> &'static str {
        self.scenario
    }

    /// A figure of this round.
    pub fn add(&mut self, name: impl Into<String>, unit: &'static str, value: f64) {
        self.put(name.into(), unit, value, None);
    }

    /// A figure of this round that should be something.
    pub fn aim(&mut self, name: impl Into<String>, unit: &'static str, value: f64, target: Target) {
        self.put(name.into(), unit, value, Some(target));
    }

    fn put(&mut self, name: String, unit: &'static str, value: f64, target: Option<Target>) {
        let scenario = self.scenario;
        match self.figures.iter_mut().find(|figure| (figure.scenario, &figure.name) == (scenario, &name)) {
            Some(figure) => figure.rounds.push(value),
            None => self.figures.push(Figure { scenario, name, unit, target, rounds: vec![value] }),
        }
    }

    /// Prints a table: each figure's median, and what it was in each round.
    pub fn print(&self) {
        let mut scenario = "";
        for figure in &self.figures {
            if figure.scenario != scenario {
                scenario = figure.scenario;
                println!("\n{scenario:<46} {:>9} {:<10} {:<14} rounds", "median", "", "target");
            }
            let rounds: Vec<String> = figure.rounds.iter().map(|value| short(*value)).collect();
            let target = match figure.target {
                Some(Target::AtMost(most)) => format!("at most {most}"),
                Some(Target::AtLeast(least)) => format!("at least {least}"),
                None => String::new(),
            };
            let (name, median, unit) = (&figure.name, short(figure.median()), figure.unit);
            println!("  {name:<44} {median:>9} {unit:<10} {target:<14} {}", rounds.join("  "));
        }
        println!();
    }

    pub fn json(&self) -> Value {
        let figures = self.figures.iter().map(|figure| {
            let [at_most, at_least] = match figure.target {
                Some(Target::AtMost(most)) => [Some(most), None],
                Some(Target::AtLeast(least)) => [None, Some(least)],
                None => [None, None],
            };
            json!({ "scenario": figure.scenario, "figure": figure.name, "unit": figure.unit,
                "median": figure.median(), "rounds": figure.rounds, "at_most": at_most, "at_least": at_least })
        });
        figures.collect()
    }
}

impl Figure {
    fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
        (sorted[low] + sorted[high]) / 2.0
    }
}

/// Three digits, or all before the point.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}
