use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::*;

/// A limit that only ends a test that fails. Time is paused, so it takes none.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

fn started(service: &Service) -> Arc<Session> {
    let plugin = Plugin::Port { host: None, port: 5432, properties: Value::Null };
    let opened = service.start_session(Instance::new("i-0123456789abcdef0"), plugin).unwrap();
    service.session(&opened.id).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_that_no_client_opens_ends_when_it_is_idle() {
    let service = Service::new(Settings::default());
    let begun = Instant::now();
    let session = started(&service);
    let ended = timeout(LIMIT, session.wait_for_end()).await.unwrap();
    assert!(ended.has_timed_out, "{ended:?}");
    assert_eq!(begun.elapsed().as_secs(), 20 * 60);
    assert!(matches!(service.resume_session(&session.id).unwrap(), Resumed::TimedOut));
    // The ends of the agent that did not start are dropped too.
    timeout(LIMIT, session.to_agent.closed()).await.unwrap();
    assert!(session.take_agent().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_keeps_no_messages() {
    let service = Service::new(Settings::default());
    let session = started(&service);
    let agent = session.take_agent().unwrap();
    let message = Bytes::from(vec![1_u8; 1000]);
    // A WebSocket that still reads what the agent has sent.
    let mut queue = session.from_agent.lock().await;
    agent.to_client.send(message.clone()).await.unwrap();
    agent.to_client.send(message.clone()).await.unwrap();
    service.end_session(&session.id, "over".to_owned());
    assert!(timeout(Duration::from_secs(1), agent.to_client.closed()).await.is_err());
    assert_eq!(queue.try_recv().unwrap(), message);
    drop(queue);
    timeout(LIMIT, agent.to_client.closed()).await.unwrap();
    assert!(message.is_unique(), "the other message is dropped");
    assert!(matches!(service.resume_session(&session.id).unwrap(), Resumed::Gone));
}
