//! What is wrong with an order's prices.

use order::{Order, Violation};

use crate::table::Price;

/// Each line of the order whose price is not that of the list, in the order of the lines. `list` has the prices of the
/// order's articles in its store; an article without one is not sold there.
pub fn violations(order: &Order, list: &[Price]) -> Vec<Violation> {
    let wrong = order.lines.iter().enumerate().filter_map(|(index, line)| {
        let at = |field: &str, rule: String| Some(Violation::at(&format!("/items/{index}/{field}"), rule));
        match list.iter().find(|price| price.sku == line.sku) {
            None => at("productId", format!("has no price in the store {}", order.store_id)),
            Some(price) if price.currency != order.currency => {
                at("price", format!("must be in {}: the store has no price in {}", price.currency, order.currency))
            }
            Some(price) if price.price_minor != line.price_minor => {
                let amount = price.currency.decimal(price.price_minor);
                at("price", format!("must be {amount}, which is the price in the store {}", order.store_id))
            }
            Some(_) => None,
        }
    });
    wrong.collect()
}
