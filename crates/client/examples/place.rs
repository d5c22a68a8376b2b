//! Places one order and reads it back: `BASE_URL=http://127.0.0.1:8080 cargo run --example place`.

use std::env;
use std::error::Error;

use order_client::{Client, Decimal, Decision, NewOrder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("BASE_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let mut client = Client::new(&url)?;
    if let Ok(key) = env::var("API_KEY") {
        client = client.with_api_key(&key)?;
    }
    let order = NewOrder::by("demo123").item("LAPTOP001", 1, Decimal::new(129_999, 2));
    println!("placing an order of {} under the key {}", order.total()?, order.key());
    let placed = client.place(&order).await?;
    match placed.decision {
        Decision::Confirmed(_) => println!("{} is confirmed", placed.order_id),
        Decision::Cancelled { order, .. } => {
            let why = order.detail.unwrap_or_else(|| format!("{:?}", order.reason));
            println!("{} is cancelled: {why}", placed.order_id);
        }
        Decision::Undecided => println!("{} is not decided yet", placed.order_id),
    }
    for moment in client.read(&placed.order_id).await?.order.timeline {
        println!("  {}  {}", moment.at, moment.event);
    }
    Ok(())
}
