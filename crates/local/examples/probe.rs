use local::seed::Seed;
use local::stack::{Options, Stack};
use std::time::Instant;
fn main() {
    let t = Instant::now();
    let n = 50;
    for _ in 0..n {
        let rt = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        rt.block_on(async {
            let stack = Stack::open(Options::in_memory().unwrap()).unwrap();
            std::hint::black_box(&stack);
        });
    }
    println!("open: {:?}", t.elapsed() / n);
    let rt = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    rt.block_on(async {
        let stack = Stack::open(Options::in_memory().unwrap()).unwrap();
        let client = aws_sdk_dynamodb::Client::new(&local::stack::config(&stack.services));
        let t = Instant::now();
        Seed::sample().unwrap().store(&client, &stack.tables).await.unwrap();
        println!("seed: {:?}", t.elapsed());
        let t = Instant::now();
        for i in 0..100u32 {
            let body = serde_json::json!({"customerId":"demo123","items":[{"productId":"MOUSE001","quantity":1,"price":20}],"totalAmount":20});
            let headers = http::HeaderMap::from_iter([(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json")),(intake::IDEMPOTENCY_KEY, http::HeaderValue::from_str(&format!("k{i}")).unwrap())]);
            let e = local::front::event(http::Method::POST, "/orders", headers, Default::default(), body.to_string().as_bytes());
            let a = api::Handler::handle(&*stack.intake, e, "r").await;
            assert_eq!(a.status.as_u16(), 201);
        }
        println!("order: {:?}", t.elapsed() / 100);
        let t = Instant::now();
        for _ in 0..20 { stack.recover_orders.run(i64::MAX, std::time::Duration::from_secs(50)).await; }
        println!("recovery run: {:?}", t.elapsed() / 20);
        let t = Instant::now();
        for _ in 0..20 { local::audit::run(&stack.store, &stack.tables).unwrap(); }
        println!("audit of 100: {:?}", t.elapsed() / 20);
    });
}
