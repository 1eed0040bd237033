use super::*;
use crate::contract::{Harness, RULES, job};
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

#[async_trait]
impl Harness for MemoryQueue {
    fn publisher(&self) -> &dyn JobPublisher {
        self
    }

    fn consumers(&self) -> [&dyn JobConsumer; 2] {
        [self, self]
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        Self::dead_letters(self)
    }

    async fn close(&self) -> bool {
        Self::close(self);
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_in_memory_keeps_the_contract() {
    for rule in RULES {
        println!("{}", rule.name);
        (rule.check)(&MemoryQueue::new()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_given_back_comes_before_new_ones() {
    let queue = MemoryQueue::new();
    for number in 0..3 {
        queue.publish(&job(number), "tests").await.unwrap();
    }
    drop(queue.next().await.unwrap().unwrap());
    assert_eq!(queue.next().await.unwrap().unwrap().job(), &job(0));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_finds_nothing_wakes_no_other_worker() {
    let queue = MemoryQueue::new();
    let mut one = pin!(queue.next());
    let mut other = pin!(queue.next());
    let (one_waker, count) = counting_waker();
    assert!(one.as_mut().poll(&mut Context::from_waker(&one_waker)).is_pending());
    for _ in 0..3 {
        assert!(other.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 0);
    queue.publish(&job(1), "tests").await.unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(matches!(one.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(Some(_)))));
}

fn counting_waker() -> (Waker, Arc<std::sync::atomic::AtomicUsize>) {
    struct LocalBuffer(Arc<std::sync::atomic::AtomicUsize>);
    impl std::task::Wake for LocalBuffer {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let count = Arc::default();
    (Waker::from(Arc::new(LocalBuffer(Arc::clone(&count)))), count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_workers_do_every_job_once_although_some_give_theirs_back() {
    let queue = MemoryQueue::new();
    for number in 0..500 {
        queue.publish(&job(number), "tests").await.unwrap();
    }
    queue.close();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let queue = queue.clone();
        workers.spawn(async move {
            let mut done = Vec::new();
            while let Some(delivery) = queue.next().await.unwrap() {
                let first_byte = delivery.job().id().digest().as_bytes()[0];
                if delivery.attempt() == 1 && first_byte % 3 == 0 {
                    delivery.retry(Duration::ZERO).await.unwrap();
                } else {
                    done.push(delivery.job().id());
                    delivery.ack().await.unwrap();
                }
            }
            done
        });
    }
    let mut done = workers.join_all().await.concat();
    done.sort_unstable();
    let mut expected: Vec<_> = (0..500).map(|number| job(number).id()).collect();
    expected.sort_unstable();
    assert_eq!(done, expected);
}

#[tokio::test]
async fn an_error_names_the_job() {
    let queue = MemoryQueue::new();
    queue.close();
    let error = queue.publish(&job(1), "tests").await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot publish job {}: the queue is closed", job(1).id()));
    assert!(!error.is_retryable());
}
