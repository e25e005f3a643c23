//! The sink contract, at least once, on the mock cluster.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::{Mock, settings};
use crate::event::Event;
use crate::secret::Secret;
use crate::sink::contract::{self, Arrived, Cannot, Destination};
use crate::sink::kafka::at_least_once::AtLeastOnce;
use crate::sink::kafka::{Options, Settings};

/// The library gives a message up after this, so that a lost answer is soon seen.
const MESSAGE_TIMEOUT_MS: &str = "2500";
/// An answer that comes later than that is lost.
const LOST: Duration = Duration::from_millis(4500);
/// An answer that comes late, but comes.
const LATE: Duration = Duration::from_millis(900);

struct Impatient;

impl Options for Impatient {
    fn options(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(vec![("message.timeout.ms".into(), Secret::new(MESSAGE_TIMEOUT_MS))])
    }
}

impl Mock {
    fn answer_after(&self, delay: Duration) {
        self.cluster.broker_round_trip_time(1, delay).unwrap();
    }
}

impl Destination for Mock {
    type Sink = AtLeastOnce;

    fn sink(&self) -> AtLeastOnce {
        let settings = Settings { secrets: Arc::new(Impatient), ..settings(&self.cluster.bootstrap_servers()) };
        AtLeastOnce::new(settings).unwrap()
    }

    async fn arrived(&self) -> Vec<Arrived> {
        tokio::task::block_in_place(|| self.read())
    }

    fn poisoned(&self, event: Event) -> Result<Event, Cannot> {
        // The mock cluster takes any size, the library does not.
        Ok(Event { json: "x".repeat(17 << 20), ..event })
    }

    async fn lose_answers(&self) -> Result<(), Cannot> {
        self.answer_after(LOST);
        Ok(())
    }

    async fn stand_still(&self) -> Result<(), Cannot> {
        self.answer_after(LATE);
        Ok(())
    }

    async fn stumble(&self) -> Result<(), Cannot> {
        let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        self.cluster.request_errors(RDKafkaApiKey::Produce, &[denied, denied]);
        Ok(())
    }

    /// A client keeps what it could not send, and tries it again when the brokers are back.
    async fn hold_back(&self) -> Result<(), Cannot> {
        self.cluster.broker_down(1).unwrap();
        Ok(())
    }

    async fn go_away(&self) -> Result<&'static str, Cannot> {
        self.cluster.broker_down(1).unwrap();
        Ok("no broker answers")
    }

    async fn recover(&self) {
        self.answer_after(Duration::ZERO);
        self.cluster.broker_up(1).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_the_contract_of_sinks() {
    // One partition, so that the order of the whole can be seen.
    contract::check_present(&Mock::new(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absent_brokers_are_told_and_nothing_is_given_up() {
    contract::check_absent(&Mock::new(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_key_keeps_its_order_over_several_partitions() {
    contract::each_key_keeps_its_order(&Mock::new(4)).await;
}
