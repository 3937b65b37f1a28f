//! A server that gives the answers it was told to, one for each request, and keeps what came.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What a request gets.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    wait: Duration,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self::text(200, "application/json", body.to_string())
    }

    pub(crate) fn text(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.into(), wait: Duration::ZERO }
    }

    pub(crate) fn status(status: u16, body: &Value) -> Self {
        Self { status, ..Self::json(body) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn after(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }
}

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Shared = Arc<(Mutex<VecDeque<Reply>>, Mutex<Vec<Request>>)>;

/// A server on a free port of this machine. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    shared: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// The replies in turn; whatever comes after them gets the status 418, which no test expects.
    pub(crate) fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let shared: Shared = Arc::new((Mutex::new(replies.into_iter().collect()), Mutex::default()));
        let std_listener = StdListener::bind("127.0.0.1:0").unwrap();
        std_listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", std_listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let router = Router::new().fallback(reply).with_state(Arc::clone(&shared));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(std_listener).unwrap();
                let serve = async { axum::serve(listener, router).await };
                tokio::select! {
                    _ = serve => {}
                    _ = stopped => {}
                }
            });
        });
        Self { url, shared, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.1.lock().unwrap().clone()
    }

    /// The one request that came.
    pub(crate) fn request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn reply(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    shared.1.lock().unwrap().push(Request { method, path, headers, body, at: Instant::now() });
    let reply = shared.0.lock().unwrap().pop_front().unwrap_or_else(|| Reply::status(418, &json!({})));
    tokio::time::sleep(reply.wait).await;
    let response = Response::builder().status(reply.status);
    let response = reply.headers.iter().fold(response, |response, (name, value)| response.header(*name, value));
    response.body(Body::from(reply.body)).unwrap()
}

/// A server that writes these bytes to each connection in turn, after it has read a whole request, and closes it.
pub(crate) fn raw_server(answers: Vec<Vec<u8>>) -> (String, JoinHandle<usize>) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let mut served = 0;
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            while !is_whole(&request) {
                let read = stream.read(&mut chunk).unwrap();
                assert!(read > 0, "the request broke off");
                request.extend_from_slice(&chunk[..read]);
            }
            stream.write_all(&answer).unwrap();
            served += 1;
        }
        served
    });
    (url, thread)
}

/// Whether a request has come with the whole of its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some(end) = text.find("\r\n\r\n") else { return false };
    let length = text.split("content-length:").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    request.len() >= end + 4 + length
}
