//! What was searched partitions a task, whoever searched it.

use proptest::prelude::*;
use web::kinds::search::{Algorithm, Search, Sought, Space, Stop};
use web::model::Timestamp;
use wire::space::CounterFormat;

use super::*;
use crate::work::{Finding, Marks, Searched};

const TOTAL: u64 = 40;

/// Numbers, of which all are marks and the seventh is sought.
fn search() -> Search {
    Search {
        algorithm: Algorithm::Sha256,
        prefix: Vec::new(),
        suffix: Vec::new(),
        space: Space::Counter { from: 0, to: TOTAL, format: CounterFormat::Decimal },
        sought: Sought::Targets { count: 1, digests: right(7, 8).to_vec() },
        stop: Stop::Never,
        max_findings: 10,
        mark_bits: 0,
    }
}

fn submit(store: &mut Store, id: u64) -> TaskId {
    let (_, submission) = store.submission(id, 1, false);
    let specification = Specification::Search(search());
    let terms = crate::work::Terms { specification, ..terms() };
    let inputs = terms.kind().implied().unwrap();
    store.write(&[Change::Submit(Box::new(Submission { terms: Arc::new(terms), inputs, ..submission }))]);
    TaskId(id)
}

fn searched(range: Range<u64>, drone: u64) -> Searched {
    Searched {
        marks: Marks::of(0..range.end - range.start),
        range,
        drone: DroneId(drone),
        trust: Trust::Sampled,
        spent_ns: 100,
        at: Timestamp(5),
    }
}

fn change(task: TaskId, searched: Searched) -> Change {
    let finding = Finding { index: 7, digest: right(7, 8).to_vec().try_into().unwrap() };
    let findings = searched.range.contains(&7).then_some(finding).into_iter().collect();
    Change::Searched { task, searched: Box::new(searched), findings }
}

#[derive(Debug, Clone)]
enum Step {
    Searched { start: u64, count: u64, drone: u64 },
    Confirmed { start: u64, count: u64, drone: u64 },
    Suspect { drone: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let span = || (0..TOTAL, 1..TOTAL, 1..4_u64);
    let step = prop_oneof![
        6 => span().prop_map(|(start, count, drone)| Step::Searched { start, count, drone }),
        2 => span().prop_map(|(start, count, drone)| Step::Confirmed { start, count, drone }),
        1 => (1..4_u64).prop_map(|drone| Step::Suspect { drone }),
    ];
    proptest::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_candidate_was_searched_by_the_last_who_did(steps in steps()) {
        let (folder, mut store) = open();
        store.write(&[drone(1, "maja"), drone(2, "willi"), drone(3, "flip")]);
        let task = submit(&mut store, 1);
        let mut model: Vec<Option<(u64, Trust)>> = vec![None; TOTAL as usize];
        for step in steps {
            match step {
                Step::Searched { start, count, drone } => {
                    let range = start..TOTAL.min(start + count);
                    range.clone().for_each(|index| model[index as usize] = Some((drone, Trust::Sampled)));
                    store.write(&[change(task, searched(range, drone))]);
                }
                Step::Confirmed { start, count, drone } => {
                    let range = start..TOTAL.min(start + count);
                    for index in range.clone() {
                        if let Some((by, trust @ Trust::Sampled)) = &mut model[index as usize] && *by == drone {
                            *trust = Trust::Checked;
                        }
                    }
                    store.write(&[Change::Confirmed { task, range, drone: DroneId(drone) }]);
                }
                Step::Suspect { drone } => {
                    for (by, trust) in model.iter_mut().flatten() {
                        if *by == drone && *trust == Trust::Sampled {
                            *trust = Trust::Suspect;
                        }
                    }
                    store.write(&[suspect(drone)]);
                }
            }
            let rows = store.reader.searched(task, 0, 100).unwrap();
            assert!(rows.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "{rows:?}");
            let mut found: Vec<Option<(u64, Trust)>> = vec![None; TOTAL as usize];
            for row in &rows {
                assert_eq!(row.marks, row.range.end - row.range.start);
                row.range.clone().for_each(|index| found[index as usize] = Some((row.drone.unwrap().0, row.trust)));
            }
            assert_eq!(found, model);
            let rest = store.reader.searched(task, 11, 100).unwrap();
            assert!(rest.iter().all(|row| row.range.start >= 11 && row.marks == row.range.end - row.range.start));
            assert_eq!(rest.iter().map(|row| row.marks).sum::<u64>(), model[11..].iter().flatten().count() as u64);
            let live = &store.live()[0];
            let suspect = model.iter().flatten().filter(|(_, trust)| *trust == Trust::Suspect).count() as u64;
            assert_eq!((live.suspect.len(), live.done.len()), (suspect, live.marks));
            assert_eq!(store.reader.trusted_marks(task).unwrap(), live.marks);
            assert_eq!(live.findings.len(), usize::from(model[7].is_some()));
            assert_eq!(store.suspects().first().map_or(0, |(.., ranges)| ranges.len()), suspect);
        }
        drop(store);
        let (is_sound, said) = is_sound(&folder);
        assert!(is_sound, "{said}");
    }
}

#[test]
fn parts_of_one_drone_are_one_row_until_it_is_long() {
    let (_folder, mut store) = open();
    store.write(&[drone(1, "maja"), drone(2, "willi")]);
    let task = submit(&mut store, 1);
    for (range, drone) in [(0..3, 1), (3..5, 1), (5..6, 2), (6..9, 1), (12..13, 1)] {
        store.write(&[change(task, searched(range, drone))]);
    }
    let rows: Vec<_> = store.reader.searched(task, 0, 100).unwrap().into_iter().map(|row| row.range).collect();
    assert_eq!(rows, [0..5, 5..6, 6..9, 12..13]);
    assert_eq!(store.reader.searched(task, 0, 1).unwrap()[0].spent_ns, 200);
    assert_eq!(store.reader.findings(task, None, 9).unwrap().len(), 1);
    assert!(store.reader.findings(task, Some(7), 9).unwrap().is_empty());
    let job = store.reader.job(task).unwrap().unwrap();
    assert!(job.inputs.are_implied() && job.inputs.total() == TOTAL);
}

#[test]
fn what_is_wrong_with_a_search_is_found_out() {
    let (folder, mut store) = open();
    store.write(&[drone(1, "maja")]);
    let task = submit(&mut store, 1);
    store.write(&[change(task, searched(0..TOTAL, 1))]);
    let done = Ending {
        state: TaskState::Done,
        started_at: None,
        finished: moment(9),
        done: TOTAL,
        found: SearchCounts { findings: 1, marks: TOTAL },
        error: None,
    };
    store.write(&[Change::End(task, Box::new(done))]);
    drop(store);
    let database = crate::store::testing::database(&folder.path().join("data"));
    let update = |sql: &str| assert_eq!(rusqlite::Connection::open(&database).unwrap().execute(sql, []).unwrap(), 1);
    for (spoil, restore, what) in [
        ("UPDATE searched SET bytes = x'00'", "UPDATE searched SET bytes = zeroblob(40)", "checksum"),
        ("UPDATE searched SET marks = 39", "UPDATE searched SET marks = 40", "are not 39"),
        ("UPDATE findings SET item = 8", "UPDATE findings SET item = 7", "candidate 8 is said to be found"),
        ("UPDATE tasks SET found = 2", "UPDATE tasks SET found = 1", "2 findings"),
        ("UPDATE searched SET past = 39", "UPDATE searched SET past = 40", "cannot be read"),
    ] {
        update(spoil);
        let (is_sound, said) = is_sound(&folder);
        assert!(!is_sound && said.contains(what), "{what}: {said}");
        update(restore);
    }
    assert!(is_sound(&folder).0);
}
