use super::*;
use crate::testing::Rates;

const RATES: Rates =
    Rates { errors: 0.15, lost: 0.1, cuts: 0.15, slow: 0.1, delay: Duration::from_millis(5), in_a_row: 4 };

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_operations_survive_faults_and_lose_and_double_nothing() {
    for seed in 0..3 {
        let house = House::new(HttpFaults::seeded(seed, RATES)).await;
        let created = race(&house.store, 4, 30).await;
        for (number, writers) in created.iter().enumerate() {
            let content = house.store.get(&key(&format!("results/{number}.json"))).await.unwrap().unwrap();
            assert_eq!(content.len(), 3000);
            // A writer whose answer was lost finds its own object: then no writer learns that it is new.
            assert!(writers.len() <= 1, "{writers:?} all created object {number}");
            assert!(writers.iter().all(|writer| content == vec![*writer; 3000]));
        }
        assert_eq!(keys(&house.store, Some("results")).await.len(), 30);
        for number in 0..30 {
            house.store.delete(&key(&format!("results/{number}.json"))).await.unwrap();
        }
        assert_eq!(keys(&house.store, None).await, Vec::<String>::new());
        println!(
            "seed {seed}: {} of {} requests failed",
            house.server.faults().struck(),
            house.server.faults().requests()
        );
        assert!(house.server.faults().struck() > 50);
    }
}

/// Lets writers create the same objects, and returns which writers learned that they did.
async fn race(store: &S3Backend, writers: u8, objects: usize) -> Vec<Vec<u8>> {
    let runs = (0..writers).map(|writer| {
        let store = store.clone();
        async move {
            let mut created = Vec::new();
            for number in 0..objects {
                let name = key(&format!("results/{number}.json"));
                if store.put_if_absent(&name, vec![writer; 3000]).await.unwrap() == Put::Created {
                    created.push(number);
                }
            }
            created
        }
    });
    let created = futures_util::future::join_all(runs).await;
    let of = |number| (0..writers).filter(|writer| created[usize::from(*writer)].contains(&number)).collect();
    (0..objects).map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn large_content_and_downloads_survive_faults() {
    let mut house = House::new(HttpFaults::seeded(7, RATES)).await;
    house.store.sizes = Sizes { whole: 1 << 20, piece: 5 << 20, ..SIZES };
    let content: Vec<u8> = (0..=250).cycle().take(12 << 20).collect();
    for round in 0..3 {
        let name = format!("round {round}");
        let _ = house.store.put_if_absent(&key(&name), content.clone()).await.unwrap();
        house.store.put(&key(&name), content.clone()).await.unwrap();
        assert!(house.store.get(&key(&name)).await.unwrap().as_ref() == Some(&content));
        let folder = TempDir::new().unwrap();
        let object = house.store.download(&name, &folder.path().join("x")).await.unwrap();
        assert_eq!(object.size, content.len() as u64);
        assert!(std::fs::read(folder.path().join("x")).unwrap() == content);
    }
    assert!(house.server.faults().struck() > 10);
}

#[tokio::test]
async fn a_conflict_of_writers_is_tried_again() {
    let house = House::new(HttpFaults::none()).await;
    house.server.faults().strike(2, "PUT", "x", HttpFault::Answers(409, "ConditionalRequestConflict"));
    assert_eq!(house.store.put_if_absent(&key("x"), vec![1]).await.unwrap(), Put::Created);
    house.server.faults().strike(2, "PUT", "x", HttpFault::Answers(409, "ConditionalRequestConflict"));
    assert_eq!(house.store.put_if_absent(&key("x"), vec![2]).await.unwrap(), Put::Exists);
    assert_eq!(house.server.faults().struck(), 4);
}

#[tokio::test]
async fn a_server_without_conditional_writes_is_told_apart() {
    let house = House::new(HttpFaults::none()).await;
    house.server.faults().strike(u32::MAX, "PUT", "", HttpFault::Answers(501, "NotImplemented"));
    let error = house.store.put_if_absent(&key("x"), vec![1]).await.unwrap_err();
    assert_eq!(error.problem, Problem::Other);
    assert!(said(&error).contains("does not do conditional writes"), "{}", said(&error));
    let error = house.store.put(&key("x"), vec![1]).await.unwrap_err();
    assert_eq!(error.problem, Problem::Other);
    assert!(said(&error).contains("does not do all that is needed"), "{}", said(&error));
    assert_eq!(house.server.faults().struck(), 2, "it does not pass: nothing is tried again");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_finds_its_own_object() {
    let mut house = House::new(HttpFaults::none()).await;
    for fault in [HttpFault::AnswersAfterwards(500, "InternalError"), HttpFault::CutsAfterwards] {
        house.server.faults().strike(1, "PUT", "whole", fault);
        assert_eq!(house.store.put_if_absent(&key("whole"), vec![1; 10]).await.unwrap(), Put::Exists);
        house.store.delete(&key("whole")).await.unwrap();
    }
    house.store.sizes.whole = 5;
    for fault in [HttpFault::AnswersAfterwards(500, "InternalError"), HttpFault::CutsAfterwards] {
        // Putting the pieces together: the second attempt finds no upload, and the whole is done anew.
        house.server.faults().strike(1, "POST", "uploadId", fault);
        assert_eq!(house.store.put_if_absent(&key("pieces"), vec![1; 10]).await.unwrap(), Put::Exists);
        house.server.faults().strike(1, "POST", "uploadId", fault);
        house.store.put(&key("pieces"), vec![2; 10]).await.unwrap();
        assert_eq!(house.store.get(&key("pieces")).await.unwrap(), Some(vec![2; 10]));
        house.store.delete(&key("pieces")).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_asked_for_again() {
    let house = House::new(HttpFaults::none()).await;
    house.store.put(&key("x"), vec![1]).await.unwrap();
    let mut settings = house.with_few_attempts();
    settings.limits.answer = Duration::from_millis(300);
    let store = S3Backend::open(house.store.place.clone(), &settings).await.unwrap();
    let slow = HttpFault::IsSlow(Duration::from_secs(3600));
    house.server.faults().strike(1, "GET", "x", slow);
    assert_eq!(store.get(&key("x")).await.unwrap(), Some(vec![1]));
    house.server.faults().strike(u32::MAX, "GET", "x", slow);
    let error = store.get(&key("x")).await.unwrap_err();
    assert_eq!(error.problem, Problem::Unavailable);
    assert!(said(&error).ends_with("took too long to answer"), "{}", said(&error));
}

#[tokio::test]
async fn an_answer_that_always_breaks_off_is_told_from_one_that_is_late() {
    let house = House::new(HttpFaults::none()).await;
    house.store.put(&key("x"), vec![1; 1000]).await.unwrap();
    let store = S3Backend::open(house.store.place.clone(), &house.with_few_attempts()).await.unwrap();
    house.server.faults().strike(u32::MAX, "GET", "", HttpFault::CutsBody);
    for error in
        [store.get(&key("x")).await.unwrap_err(), store.list(None).await.unwrap().next_page().await.unwrap_err()]
    {
        assert_eq!(error.problem, Problem::Unavailable);
        assert!(said(&error).contains("the answer broke off"), "{}", said(&error));
    }
}

#[tokio::test]
async fn what_does_not_pass_is_told_by_kind_with_the_words_of_the_server() {
    let answer = |status, code, advice| {
        (HttpFault::Answers(status, code), format!("S3 answers {status} `{code}`: made to fail{advice}"))
    };
    let leave = "; these credentials need leave to list, read, write and delete there";
    for (problem, (fault, words)) in [
        (Problem::Unavailable, answer(500, "InternalError", "")),
        (Problem::Unavailable, answer(503, "SlowDown", "")),
        (Problem::Unavailable, answer(409, "OperationAborted", "")),
        (Problem::Unavailable, answer(400, "RequestTimeout", "")),
        (Problem::Permission, answer(403, "AccessDenied", leave)),
        (Problem::Permission, answer(400, "ExpiredToken", "; check the access key, its secret and the session token")),
        (Problem::NoSpace, answer(507, "XMinioStorageFull", "")),
        (Problem::Other, answer(400, "InvalidRequest", "")),
        (Problem::Other, (HttpFault::IsHtml(501), "S3 answers 501".to_owned())),
        (Problem::Other, (HttpFault::IsHtml(404), "does not speak S3 (it answers with status 404)".to_owned())),
        (Problem::Unavailable, (HttpFault::IsHtml(502), "S3 answers 502".to_owned())),
        (Problem::Unavailable, (HttpFault::Cuts, "cannot be reached".to_owned())),
    ] {
        let house = House::new(HttpFaults::none()).await;
        let store = S3Backend::open(house.store.place.clone(), &house.with_few_attempts()).await.unwrap();
        house.server.faults().strike(u32::MAX, "", "", fault);
        let errors = [
            store.get(&key("x")).await.unwrap_err(),
            store.put(&key("x"), vec![1]).await.unwrap_err(),
            store.put_if_absent(&key("x"), vec![1]).await.unwrap_err(),
            store.delete(&key("x")).await.unwrap_err(),
            store.list(None).await.unwrap().next_page().await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.problem, problem, "{fault:?}: {}", said(&error));
            assert!(said(&error).contains(&words), "{fault:?}: {}", said(&error));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_listing_that_failed_goes_on_and_leaves_nothing_out() {
    let mut house = House::new(HttpFaults::none()).await;
    for number in 0..60 {
        house.store.put(&key(&format!("results/{:02x}/{number}.json", number % 20)), vec![1]).await.unwrap();
    }
    let all = keys(&house.store, None).await;
    assert_eq!(all.len(), 60);
    let store = S3Backend::open(house.store.place.clone(), &house.with_few_attempts()).await.unwrap();
    house.store = S3Backend { sizes: Sizes { page: 2, ..SIZES }, ..store };
    // Three attempts for each request: every number of faults breaks off other requests.
    for faults in [1, 3, 6, 12, 40, 90] {
        let mut found = Vec::new();
        let mut failures = 0;
        let mut listing = house.store.list(None).await.unwrap();
        found.extend(listing.next_page().await.unwrap().unwrap());
        house.server.faults().strike(faults, "GET", "", HttpFault::Answers(503, "SlowDown"));
        loop {
            match listing.next_page().await {
                Ok(Some(page)) => found.extend(page),
                Ok(None) => break,
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    failures += 1;
                }
            }
        }
        let mut names: Vec<String> = found.iter().map(ToString::to_string).collect();
        names.sort();
        let mut all = all.clone();
        all.sort();
        assert_eq!(names, all, "{faults} faults, {failures} failures");
        assert!(failures > 0 || faults < 90, "no request was broken off");
        house.server.faults().end();
    }
}
