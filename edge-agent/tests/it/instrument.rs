//! A Modbus TCP server: holding register 0 counts up with every read, 1 is 7; it can fall silent or refuse.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU16, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_modbus::{
    ExceptionCode, Request, Response,
    server::{
        Service,
        tcp::{Server, accept_tcp_connection},
    },
};

pub const ANSWER: u8 = 0;
pub const SILENT: u8 = 1;
pub const REFUSE: u8 = 2;

#[derive(Default)]
pub struct State {
    pub mood: AtomicU8,
    count: AtomicU16,
    connections: AtomicU16,
}

impl State {
    pub fn connections(&self) -> u16 {
        self.connections.load(SeqCst)
    }
}

struct Registers(Arc<State>);

impl Service for Registers {
    type Request = Request<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Result<Response, ExceptionCode>> + Send>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        match self.0.mood.load(SeqCst) {
            SILENT => {
                return Box::pin(async {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Err(ExceptionCode::Acknowledge)
                });
            }
            REFUSE => return Box::pin(ready(Err(ExceptionCode::IllegalDataAddress))),
            _ => {}
        }
        let answer = match request {
            Request::ReadHoldingRegisters(start, count) if start + count <= 2 => {
                let number = |register| match register {
                    0 => self.0.count.fetch_add(1, SeqCst) + 1,
                    _ => 7,
                };
                let words = (start..start + count).map(number).collect();
                Ok(Response::ReadHoldingRegisters(words))
            }
            _ => Err(ExceptionCode::IllegalDataAddress),
        };
        Box::pin(ready(answer))
    }
}

/// Starts it; gives its address and how to change its mood. Aborting the task drops its connections.
pub async fn start() -> (String, Arc<State>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let state = Arc::new(State::default());
    let service = state.clone();
    let task = tokio::spawn(async move {
        let connected = |stream, peer| {
            let service = service.clone();
            service.connections.fetch_add(1, SeqCst);
            async move {
                accept_tcp_connection(stream, peer, move |_| Ok(Some(Registers(service.clone()))))
            }
        };
        let server = Server::new(listener);
        // A client that goes in mid-answer is no failure of the instrument.
        let _ = server.serve(&connected, |_| {}).await;
    });
    (address, state, task)
}
