use parking_lot::{Mutex, MutexGuard};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// Planned faults between a client and an S3 server; clones share them.
///
/// Faults that were [armed](Self::strike) by a test strike first, in the order in which they were added. Then the
/// seeded plan does, if there is one: the same seed and the same order of requests give the same faults.
#[derive(Debug, Clone, Default)]
pub struct HttpFaults {
    plan: Arc<Mutex<Plan>>,
}

/// What a fault does to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpFault {
    /// Nothing is done; the answer is an error with this status and code.
    Answers(u16, &'static str),
    /// The request takes place, and the answer is an error all the same.
    AnswersAfterwards(u16, &'static str),
    /// Nothing is done, and the connection ends without an answer.
    Cuts,
    /// The request takes place, and the connection ends without an answer.
    CutsAfterwards,
    /// The request takes place, and the connection ends in the middle of the answer's body.
    CutsBody,
    /// The answer comes so much later.
    IsSlow(Duration),
    /// The request takes place as if it had no condition, as on servers that know none.
    IgnoresCondition,
    /// The answer is a page of HTML with this status, as of a server that is none of S3.
    IsHtml(u16),
}

/// How often a seeded plan does what, as shares of all requests in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// 500, 503 `SlowDown` and 409 on conditional writes.
    pub errors: f64,
    /// An error or no answer, though the request took place.
    pub lost: f64,
    /// Cut connections, before the request or in the answer.
    pub cuts: f64,
    /// Slow answers.
    pub slow: f64,
    /// How slow.
    pub delay: Duration,
    /// The most faults in a row for the same method and object, so that clients with more attempts succeed.
    pub in_a_row: u32,
}

#[derive(Debug, Default)]
struct Plan {
    armed: Vec<Armed>,
    seeded: Option<(fastrand::Rng, Rates)>,
    /// Faults in a row so far, by method and path.
    rows: HashMap<String, u32>,
    struck: HashMap<HttpFault, u64>,
    requests: u64,
}

#[derive(Debug)]
struct Armed {
    method: String,
    part: String,
    fault: HttpFault,
    left: u32,
}

impl HttpFaults {
    /// No faults, until some are armed.
    pub fn none() -> Self {
        Self::default()
    }

    /// A plan that strikes at random, the same way for the same seed.
    pub fn seeded(seed: u64, rates: Rates) -> Self {
        let faults = Self::default();
        faults.lock().seeded = Some((fastrand::Rng::with_seed(seed), rates));
        faults
    }

    /// Lets `fault` strike the next `times` requests of `method` (any, if it is empty) whose path and query hold
    /// `part`; `u32::MAX` times is for ever.
    pub fn strike(&self, times: u32, method: &str, part: &str, fault: HttpFault) {
        let armed = Armed { method: method.to_owned(), part: part.to_owned(), fault, left: times };
        self.lock().armed.push(armed);
    }

    /// Ends all faults, armed and seeded.
    pub fn end(&self) {
        let mut plan = self.lock();
        plan.armed.clear();
        plan.seeded = None;
    }

    /// How many faults struck.
    pub fn struck(&self) -> u64 {
        self.lock().struck.values().sum()
    }

    /// How often each fault struck.
    pub fn struck_by_kind(&self) -> HashMap<HttpFault, u64> {
        self.lock().struck.clone()
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// What happens to a request.
    pub(super) fn next(&self, method: &str, target: &str, is_conditional: bool) -> Option<HttpFault> {
        let mut plan = self.lock();
        plan.requests += 1;
        let fault = plan.armed(method, target).or_else(|| plan.seeded(method, target, is_conditional));
        if let Some(fault) = fault {
            *plan.struck.entry(fault).or_default() += 1;
        }
        fault
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock()
    }
}

impl Plan {
    fn armed(&mut self, method: &str, target: &str) -> Option<HttpFault> {
        let fits = |armed: &&mut Armed| {
            armed.left > 0 && (armed.method.is_empty() || armed.method == method) && target.contains(&armed.part)
        };
        let armed = self.armed.iter_mut().find(fits)?;
        if armed.left < u32::MAX {
            armed.left -= 1;
        }
        Some(armed.fault)
    }

    fn seeded(&mut self, method: &str, target: &str, is_conditional: bool) -> Option<HttpFault> {
        let (random, rates) = self.seeded.as_mut()?;
        let path = target.split('?').next().unwrap_or_default();
        let row = self.rows.entry(format!("{method} {path}")).or_default();
        let fault = pick(random, rates, is_conditional).filter(|_| *row < rates.in_a_row);
        *row = if fault.is_some() { *row + 1 } else { 0 };
        fault
    }
}

fn pick(random: &mut fastrand::Rng, rates: &Rates, is_conditional: bool) -> Option<HttpFault> {
    // Drawn always, so that what a request is does not shift what happens to later ones.
    let share = random.f64();
    let which = random.u8(..);
    let errors = [HttpFault::Answers(500, "InternalError"), HttpFault::Answers(503, "SlowDown")];
    let lost = [HttpFault::AnswersAfterwards(500, "InternalError"), HttpFault::CutsAfterwards];
    let mut from = 0.0;
    let mut is_in = |rate: f64| {
        let is_in = (from..from + rate).contains(&share);
        from += rate;
        is_in
    };
    if is_in(rates.errors) {
        let conflict = is_conditional && which % 3 == 2;
        let conflict = conflict.then_some(HttpFault::Answers(409, "ConditionalRequestConflict"));
        conflict.or(Some(errors[usize::from(which % 2)]))
    } else if is_in(rates.lost) {
        Some(lost[usize::from(which % 2)])
    } else if is_in(rates.cuts) {
        Some([HttpFault::Cuts, HttpFault::CutsBody][usize::from(which % 2)])
    } else {
        is_in(rates.slow).then_some(HttpFault::IsSlow(rates.delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates =
        Rates { errors: 0.3, lost: 0.2, cuts: 0.2, slow: 0.1, delay: Duration::from_millis(1), in_a_row: 3 };

    fn drawn(seed: u64) -> Vec<Option<HttpFault>> {
        let faults = HttpFaults::seeded(seed, RATES);
        (0..1000).map(|number| faults.next("PUT", &format!("/b/{}", number % 7), number % 2 == 0)).collect()
    }

    #[test]
    fn a_seed_gives_the_same_faults_and_another_others() {
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn faults_come_at_their_rates_and_never_too_many_in_a_row() {
        let drawn = drawn(3);
        let share = drawn.iter().flatten().count() as f64 / 1000.0;
        assert!((0.6..0.8).contains(&share), "{share}");
        for object in 0..7 {
            let of_object: Vec<_> = drawn.iter().skip(object).step_by(7).collect();
            assert!(of_object.windows(4).all(|four| four.iter().any(|fault| fault.is_none())));
        }
    }

    #[test]
    fn an_armed_fault_strikes_what_it_is_meant_for_as_often_as_it_may() {
        let faults = HttpFaults::none();
        faults.strike(2, "PUT", "results/", HttpFault::Cuts);
        let next = |method, target| faults.next(method, target, false);
        assert_eq!([next("GET", "/b/results/x"), next("PUT", "/b/checks/x")], [None, None]);
        let cuts = Some(HttpFault::Cuts);
        assert_eq!([(); 3].map(|()| next("PUT", "/b/results/x")), [cuts, cuts, None]);
        assert_eq!((faults.struck(), faults.requests()), (2, 5));
    }
}
