//! The API's description as a page, made of `openapi.yaml` alone: no script, nothing from elsewhere.

use std::fmt::Write as _;

use serde_json::Value;

/// The description of the API.
pub const OPENAPI: &str = include_str!("../../../openapi.yaml");

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    h2{margin-top:2.5rem;border-top:1px solid #ccc;padding-top:1rem}code,pre{background:#f3f3f3;padding:.1em .3em}\
    pre{padding:.8em;overflow:auto;white-space:pre-wrap}table{border-collapse:collapse;width:100%}\
    td,th{border-bottom:1px solid #ddd;padding:.4em;text-align:left;vertical-align:top}\
    @media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}a{color:#8bf}code,pre{background:#2a2a2a}}";

/// The description as data.
///
/// # Errors
/// Where the YAML is wrong; never in a release that passed its tests.
pub fn description() -> Result<Value, serde_yaml_ng::Error> {
    serde_yaml_ng::from_str(OPENAPI)
}

/// The page: every operation with its parameters and answers, every schema.
pub fn page(api: &Value) -> String {
    let title = escape(text(&api["info"]["title"]));
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style><h1>{title}</h1>\
         <p>{} <a href=\"/openapi.yaml\">openapi.yaml</a></p>",
        escape(text(&api["info"]["summary"]))
    );
    for paragraph in text(&api["info"]["description"]).split("\n\n") {
        add(&mut page, format_args!("<p>{}</p>", prose(paragraph)));
    }
    for (path, methods) in entries(&api["paths"]) {
        for (method, operation) in entries(methods) {
            add_operation(&mut page, api, &format!("{} {path}", method.to_uppercase()), operation);
        }
    }
    page.push_str("<h2>Schemas</h2>");
    for (name, schema) in entries(&api["components"]["schemas"]) {
        let json = serde_json::to_string_pretty(schema).expect("a value with string keys is JSON");
        add(
            &mut page,
            format_args!(
                "<h3 id=\"{0}\">{0}</h3><p>{1}</p><pre>{2}</pre>",
                escape(name),
                prose(text(&schema["description"])),
                escape(&json)
            ),
        );
    }
    page
}

fn add_operation(page: &mut String, api: &Value, request: &str, operation: &Value) {
    add(
        page,
        format_args!(
            "<h2 id=\"{}\">{}</h2><p><code>{}</code></p><p>{}</p>",
            escape(text(&operation["operationId"])),
            escape(text(&operation["summary"])),
            escape(request),
            prose(text(&operation["description"]))
        ),
    );
    page.push_str("<table><tr><th>Parameter<th>In<th>Form<th>Meaning");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = resolve(api, parameter);
        let need = if parameter["required"] == true { ", required" } else { "" };
        add(
            page,
            format_args!(
                "<tr><td><code>{}</code><td>{}{need}<td>{}<td>{}",
                escape(text(&parameter["name"])),
                escape(text(&parameter["in"])),
                form(&parameter["schema"]),
                prose(text(&parameter["description"]))
            ),
        );
    }
    for (media_type, content) in entries(&operation["requestBody"]["content"]) {
        let meaning = prose(text(&operation["requestBody"]["description"]));
        let form = form(&content["schema"]);
        add(page, format_args!("<tr><td>body<td>{}<td>{form}<td>{meaning}", escape(media_type)));
    }
    page.push_str("</table><table><tr><th>Answer<th>Meaning<th>Headers<th>Body");
    for (status, response) in entries(&operation["responses"]) {
        let response = resolve(api, response);
        let headers: Vec<String> =
            entries(&response["headers"]).map(|(name, _)| format!("<code>{}</code>", escape(name))).collect();
        let mut body = String::new();
        for (_, content) in entries(&response["content"]) {
            add(&mut body, format_args!("{} ", form(&content["schema"])));
            for kind in content["x-problem-types"].as_array().into_iter().flatten() {
                add(&mut body, format_args!("<br><code>{}</code>", escape(text(kind))));
            }
        }
        let meaning = prose(text(&response["description"]));
        add(page, format_args!("<tr><td>{}<td>{meaning}<td>{}<td>{body}", escape(status), headers.join(" ")));
    }
    page.push_str("</table>");
}

/// A schema in a cell: its name where it has one, else itself.
fn form(schema: &Value) -> String {
    match schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => format!("<a href=\"#{0}\">{0}</a>", escape(name)),
        None => format!("<code>{}</code>", escape(&schema.to_string())),
    }
}

/// What a reference stands for, or the value itself.
pub fn resolve<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| api.pointer(pointer)).unwrap_or(value)
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn add(page: &mut String, more: std::fmt::Arguments<'_>) {
    page.write_fmt(more).expect("writing to a String cannot fail");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A text with what the description uses of Markdown: `code` and **weight**.
fn prose(markdown: &str) -> String {
    let html = pairs(&escape(markdown), "`", "<code>", "</code>");
    pairs(&html, "**", "<b>", "</b>")
}

fn pairs(text: &str, mark: &str, open: &str, close: &str) -> String {
    let tags = [open, close].into_iter().cycle();
    let parts: Vec<&str> = text.split(mark).collect();
    parts.iter().zip(tags).enumerate().fold(String::new(), |html, (at, (part, tag))| {
        let tag = if at + 1 < parts.len() { tag } else { "" };
        html + part + tag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_operation_answer_and_schema() {
        let api = description().unwrap();
        let page = page(&api);
        for (path, methods) in entries(&api["paths"]) {
            for (method, operation) in entries(methods) {
                let request = format!("<code>{} {path}</code>", method.to_uppercase());
                let (_, rest) = page.split_once(&request).unwrap_or_else(|| panic!("{request} is missing"));
                let section = rest.split("<h2").next().unwrap();
                for (status, _) in entries(&operation["responses"]) {
                    assert!(section.contains(&format!("<tr><td>{status}<td>")), "{status} of {request}");
                }
            }
        }
        for (name, _) in entries(&api["components"]["schemas"]) {
            assert!(page.contains(&format!("<h3 id=\"{name}\">")), "{name}");
        }
        assert!(!page.contains("<script") && !page.contains("src="), "it needs nothing from elsewhere");
    }

    #[test]
    fn what_stands_in_the_description_is_text_and_no_markup() {
        assert_eq!(prose("a < `b` **c** & \"d\""), "a &lt; <code>b</code> <b>c</b> &amp; &quot;d&quot;");
    }
}
