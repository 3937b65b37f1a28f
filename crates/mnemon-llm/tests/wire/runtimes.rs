//! Who may ask: threads, threads of runtimes, futures of any runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use mnemon_core::{GenerateProblem, LanguageModel, Prompt};
use mnemon_llm::{Model, Provider};

use crate::providers::{answered, config, openai};
use crate::server::{Reply, Server};

fn fine() -> Reply {
    Reply::json(&openai("Fine.", "stop"))
}

fn model(server: &Server) -> Model {
    Model::new(&config(Provider::OpenAi, server).timeout(Duration::from_secs(30))).unwrap()
}

#[test]
fn threads_ask_at_once() {
    let server = Server::start((0..16).map(|_| fine().after(Duration::from_millis(50))));
    let model: Arc<dyn LanguageModel> = Arc::new(model(&server));
    thread::scope(|scope| {
        let asked: Vec<_> = (0..16).map(|_| scope.spawn(|| model.generate(&Prompt::new("Hi")))).collect();
        for thread in asked {
            assert_eq!(thread.join().unwrap().unwrap(), answered("Fine.", false));
        }
    });
    assert_eq!(server.requests().len(), 16);
}

#[tokio::test]
async fn a_future_of_a_runtime_with_one_thread_may_block() {
    let server = Server::start([fine()]);
    let model = model(&server);
    assert_eq!(model.generate(&Prompt::new("Hi")).unwrap(), answered("Fine.", false));
    // Dropped here too.
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_future_of_a_runtime_with_more_threads_may_block() {
    let server = Server::start([fine(), fine()]);
    let model = model(&server);
    let other = model.clone();
    let task = tokio::spawn(async move { other.generate_async(&Prompt::new("Hi")).await });
    assert_eq!(model.generate(&Prompt::new("Hi")).unwrap(), answered("Fine.", false));
    assert_eq!(task.await.unwrap().unwrap(), answered("Fine.", false));
}

#[tokio::test]
async fn asking_without_blocking_lets_others_go_on() {
    let server = Server::start([fine().after(Duration::from_millis(300))]);
    let model = model(&server);
    let prompt = Prompt::new("Hi");
    let mut asking = pin!(model.generate_async(&prompt));
    let mut turns = 0;
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut asking => break answer,
            () = tokio::time::sleep(Duration::from_millis(10)) => turns += 1,
        }
    };
    assert_eq!(answer.unwrap(), answered("Fine.", false));
    assert!(turns >= 2, "only {turns} turns beside it");
}

#[test]
fn a_connection_outlives_the_runtime_that_asked_over_it() {
    let server = Server::start([fine(), fine(), fine()]);
    let model = model(&server);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(model.generate_async(&Prompt::new("Hi"))).unwrap().text, "Fine.");
    }
    assert_eq!(model.generate(&Prompt::new("Hi")).unwrap().text, "Fine.");
}

#[test]
fn no_runtime_is_needed_to_ask_without_blocking() {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let server = Server::start([fine()]);
    let model = model(&server);
    let prompt = Prompt::new("Hi");
    let mut asking = pin!(model.generate_async(&prompt));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let answer = loop {
        match asking.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => break answer,
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(answer.unwrap(), answered("Fine.", false));
}

#[tokio::test]
async fn faults_are_the_same_without_blocking() {
    let slow = fine().after(Duration::from_secs(600));
    let server = Server::start([slow, Reply::status(500, &serde_json::json!({})), fine()]);
    let model = Model::new(&config(Provider::OpenAi, &server).retry_delay(Duration::from_millis(1))).unwrap();
    let time = Duration::from_millis(200);
    let problem = model.generate_async(&Prompt::new("Hi").within(time)).await.unwrap_err().problem;
    assert_eq!(problem, GenerateProblem::TimedOut(time));
    assert_eq!(model.generate_async(&Prompt::new("Hi")).await.unwrap(), answered("Fine.", false));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn nobody_asks_on_for_who_went_away() {
    let server = Server::start((0..9).map(|_| Reply::status(500, &serde_json::json!({}))));
    let config = config(Provider::OpenAi, &server).retry_delay(Duration::from_millis(300)).max_attempts(9);
    let model = Model::new(&config).unwrap();
    let prompt = Prompt::new("Hi");
    let asking = model.generate_async(&prompt);
    tokio::time::timeout(Duration::from_millis(150), asking).await.unwrap_err();
    let asked = server.requests().len();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(server.requests().len(), asked, "it was asked again");
}

#[test]
fn the_last_copy_may_go_anywhere() {
    let server = Server::start([fine()]);
    let model = model(&server);
    let copy = model.clone();
    drop(model);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        sender.send(copy.generate(&Prompt::new("Hi"))).unwrap();
    });
    assert_eq!(receiver.recv().unwrap().unwrap(), answered("Fine.", false));
}
