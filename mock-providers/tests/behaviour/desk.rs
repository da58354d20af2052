//! A fleet with its admin API, and how tests talk to both.

use std::net::SocketAddr;
use std::sync::Arc;

use mock_providers::admin::Admin;
use mock_providers::fleet::{Document, Fleet, FleetOptions};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::{Client, Response, soon};

pub(crate) const TWO: &str = r#"
providers:
  a:
    auth: {keys: [sk-canary-a]}
    rules:
      - {name: weather, when: {model: "gpt-*"}, respond: {text: sunny}}
  b: {respond: {status: 503, retry_after: 2s}}
"#;

pub(crate) struct Desk {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) admin: Admin,
}

impl Desk {
    pub(crate) async fn start(yaml: &str) -> Self {
        let document = Document::read(yaml).expect("the configuration is well-formed");
        let fleet = Arc::new(Fleet::start(document, FleetOptions::default()).await.expect("free ports"));
        let admin = Admin::start(fleet.clone(), SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        Self { fleet, admin }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, headers: &str, body: &str) -> Response {
        let mut client = Client::over(TcpStream::connect(self.admin.addr()).await.expect("the port is open"));
        let length = body.len();
        let head = format!("{method} /__mock{path} HTTP/1.1\r\nhost: a\r\n{headers}content-length: {length}\r\n\r\n");
        client.send(head + body).await;
        client.response().await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.call("GET", path, "", "").await;
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json()
    }

    pub(crate) async fn ask(&self, provider: &str, headers: &str, body: &str) -> Response {
        let addr = self.fleet.running().member(provider).expect("it runs").addr();
        let mut client = Client::over(TcpStream::connect(addr).await.expect("the port is open"));
        let length = body.len();
        let path = "/v1/chat/completions";
        client
            .send(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{headers}content-length: {length}\r\n\r\n{body}"))
            .await;
        let response = client.response().await;
        let member = self.fleet.running().member(provider).expect("it runs").clone();
        soon(
            member.provider().wait_until(|journal| {
                journal.requests.iter().all(|request| request.end != mock_providers::End::Pending)
            }),
        )
        .await;
        response
    }
}

pub(crate) const KEY: &str = "authorization: Bearer sk-canary-a\r\n";
