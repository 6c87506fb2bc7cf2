use proptest::prelude::*;

use super::*;
use crate::tests::cases;

const NOON: f64 = 0.5 * DAY_MS;

/// Redis as the script makes it, for one counter.
#[derive(Debug, Clone, Default)]
struct Server {
    sum: u64,
    /// Writer → the last report's number and total, and when it expires.
    reported: HashMap<String, (u64, u64, f64)>,
}

impl Server {
    fn run(&mut self, sheet: &Sheet, report: &Report, now_ms: f64) -> bool {
        self.reported.retain(|_, (.., until_ms)| *until_ms > now_ms);
        let known = self.reported.get(sheet.writer());
        let (number, mut total, _) = known.copied().unwrap_or_default();
        if number < report.expected {
            return false;
        }
        if let Some((_, new)) = report.totals.first() {
            self.sum += new - total;
            total = *new;
        }
        let entry = (report.number, total, now_ms + REPORTED_KEPT_MS);
        self.reported.insert(sheet.writer().to_owned(), entry);
        true
    }
}

fn sheet() -> (Sheet, usize) {
    let mut sheet = Sheet::new("a".to_owned(), None, Day::of(NOON));
    let counter = sheet.counter(&"key".into(), "");
    (sheet, counter)
}

#[test]
fn a_large_report_goes_in_parts_and_the_last_says_so() {
    let mut sheet = Sheet::new("a".to_owned(), None, Day::of(NOON));
    for number in 0..MOST_IN_REPORT + 1 {
        let counter = sheet.counter(&"key".into(), &number.to_string());
        sheet.add(counter, 1);
    }
    let first = sheet.report(NOON);
    assert_eq!(
        (first.totals.len(), first.is_whole),
        (MOST_IN_REPORT, false)
    );
    sheet.kept(&first);
    let second = sheet.report(NOON);
    assert_eq!((second.totals.len(), second.is_whole), (1, true));
    sheet.kept(&second);
    assert!(sheet.is_settled());
    assert!(sheet.report(NOON).is_whole);
    assert!(!sheet.is_settled());
}

#[test]
fn a_writer_ends_before_redis_forgets_it_and_at_a_change_of_day() {
    let (mut sheet, counter) = sheet();
    sheet.add(counter, 5);
    assert!(!sheet.is_due_for_new_writer(NOON + 9.0 * DAY_MS));
    let report = sheet.report(NOON);
    sheet.kept(&report);
    assert!(!sheet.is_due_for_new_writer(NOON + 1.0));
    assert!(sheet.is_due_for_new_writer(DAY_MS));
    sheet.add(counter, 7);
    assert!(!sheet.is_due_for_new_writer(DAY_MS));
    assert!(sheet.is_due_for_new_writer(NOON + OLD_MS + 1.0));
    // In doubt it asks, as long as Redis can know.
    let report = sheet.report(NOON + 1.0);
    sheet.failed(&report, false);
    assert!(sheet.is_due_for_new_writer(NOON + OLD_MS + 1.0));
    let report = sheet.report(NOON + 1.0);
    sheet.failed(&report, true);
    assert!(!sheet.is_due_for_new_writer(NOON + OLD_MS + 1.0));
    assert!(sheet.is_due_for_new_writer(NOON + TOO_OLD_MS + 1.0));
    let before = sheet.writer().to_owned();
    sheet.begin_anew(NOON + DAY_MS);
    assert_ne!(sheet.writer(), before);
    assert_eq!(sheet.report(NOON + DAY_MS).totals, [(0, 7)]);
}

#[derive(Debug, Clone)]
enum Event {
    Add(u64),
    Pass {
        ms: f64,
    },
    Report,
    /// Counted, but the answer was lost.
    ReportInVain,
    /// Not even counted.
    ReportNowhere,
    Remember,
    /// Redis is as it was when it remembered, or empty.
    Lose {
        all: bool,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (1_u64..100).prop_map(Event::Add),
        1 => (0.0..4.0 * 3_600_000.0).prop_map(|ms| Event::Pass { ms }),
        4 => Just(Event::Report),
        2 => Just(Event::ReportInVain),
        2 => Just(Event::ReportNowhere),
        1 => Just(Event::Remember),
        1 => any::<bool>().prop_map(|all| Event::Lose { all }),
    ];
    proptest::collection::vec(event, 1..40)
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// Within a day and while a writer lives, whatever becomes of reports and of what Redis has kept.
    #[test]
    fn the_sum_is_exact_as_soon_as_everything_is_acknowledged(events in events()) {
        let (mut sheet, counter) = sheet();
        let (mut server, mut remembered) = (Server::default(), Server::default());
        // Starts at midnight, and all events together take less than half of the time that reports are kept.
        let (mut now_ms, mut added) = (0.0, 0);
        for event in events {
            match event {
                Event::Add(more) => {
                    sheet.add(counter, more);
                    added += more;
                }
                Event::Pass { ms } => now_ms += ms / 16.0,
                Event::Report => settle(&mut sheet, &mut server, now_ms),
                Event::ReportInVain => {
                    let report = sheet.report(now_ms);
                    server.run(&sheet, &report, now_ms);
                    sheet.failed(&report, true);
                }
                Event::ReportNowhere => {
                    let report = sheet.report(now_ms);
                    sheet.failed(&report, false);
                }
                Event::Remember => remembered = server.clone(),
                Event::Lose { all: true } => server = Server::default(),
                Event::Lose { all: false } => server = remembered.clone(),
            }
        }
        settle(&mut sheet, &mut server, now_ms);
        prop_assert!(sheet.is_settled());
        prop_assert_eq!(server.sum, added);
    }

    /// However long it has nothing to report.
    #[test]
    fn no_writer_that_expires_counts_twice(pauses in proptest::collection::vec((0.0..30.0_f64, 0_u64..9), 1..40)) {
        let (mut sheet, _) = sheet();
        let mut server = Server::default();
        let (mut now_ms, mut added) = (NOON, 0);
        for (hours, more) in pauses {
            now_ms += hours * 3_600_000.0;
            if sheet.is_due_for_new_writer(now_ms) {
                sheet.begin_anew(now_ms);
            }
            let counter = sheet.counter(&"key".into(), "");
            sheet.add(counter, more);
            added += more;
            settle(&mut sheet, &mut server, now_ms);
        }
        prop_assert_eq!(server.sum, added);
    }
}

fn settle(sheet: &mut Sheet, server: &mut Server, now_ms: f64) {
    let report = sheet.report(now_ms);
    if server.run(sheet, &report, now_ms) {
        return sheet.kept(&report);
    }
    sheet.lost();
    let report = sheet.report(now_ms);
    assert!(server.run(sheet, &report, now_ms));
    sheet.kept(&report);
}
