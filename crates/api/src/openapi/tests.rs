use std::collections::BTreeSet;

use actix_web::http::Method;
use serde_json::Value;

use super::Documents;
use crate::parameters::Parameters;
use crate::routes;

fn document(public_url: &str) -> Value {
    let documents = Documents::new(public_url, &routes::endpoints()).unwrap();
    serde_json::from_slice(&documents.openapi).unwrap()
}

/// Every operation, as its method, its path and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
    });
    operations.collect()
}

/// Every value of a member of this name, wherever it is.
fn members<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(all) => {
            found.extend(all.get(name));
            all.values().for_each(|value| members(value, name, found));
        }
        Value::Array(all) => all.iter().for_each(|value| members(value, name, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_schema() {
    let document = document("http://a");
    let mut references = Vec::new();
    members(&document, "$ref", &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

#[test]
fn every_method_of_the_api_is_described_under_a_name_of_its_own() {
    let operations = operations(&document("http://a"));
    let described: BTreeSet<_> =
        operations.iter().map(|(method, path, _)| (method.as_str(), path.as_str())).collect();
    let endpoints = routes::endpoints();
    let known =
        endpoints.iter().filter(|endpoint| !endpoint.path().starts_with("/api/docs/")).flat_map(|endpoint| {
            let methods = endpoint.methods().iter().map(Method::as_str).filter(|method| *method != "HEAD");
            methods.map(|method| (method, endpoint.path()))
        });
    assert_eq!(described, known.collect());
    let names: BTreeSet<_> =
        operations.iter().map(|(_, _, operation)| operation["operationId"].as_str()).collect();
    assert_eq!(names.len(), operations.len());
}

#[test]
fn what_needs_a_permission_tells_what_it_answers_without() {
    for (method, path, operation) in operations(&document("http://a")) {
        let guarded = path.starts_with("/api/portfolios/") || path.starts_with("/api/images");
        assert_eq!(operation["security"].is_array(), guarded, "{method} {path}");
        for status in ["401", "403", "429", "500", "503"] {
            assert!(!guarded || operation["responses"][status].is_object(), "{method} {path} {status}");
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            assert!(answer["headers"]["X-Request-Id"].is_object(), "{method} {path} {status}");
            let examples = answer["content"]["application/json"]["examples"].as_object();
            let shown = !status.starts_with('4') || examples.is_some_and(|examples| !examples.is_empty());
            assert!(shown, "{method} {path} {status}");
        }
    }
}

/// Of each a value that is wrong is an error of that name, so that none is described that is not read.
#[test]
fn every_parameter_of_the_list_is_read() {
    let document = document("http://a");
    let parameters = document["paths"]["/api/portfolios/employers"]["get"]["parameters"].as_array().unwrap();
    let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    let names: Vec<_> = query.map(|parameter| parameter["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 14);
    for name in names {
        let refused = Parameters::parse(&format!("{name}=%00")).employer_query().unwrap_err();
        assert!(refused.body().starts_with(&format!("{{\"{name}\":[")), "{name}");
    }
}

#[test]
fn a_service_below_a_path_of_its_site_is_found_by_it() {
    for (public_url, server) in [("http://a", "/"), ("http://a:1", "/"), ("https://a.b/site", "/site")] {
        assert_eq!(document(public_url)["servers"][0]["url"], server);
    }
    let page = Documents::new("https://a.b/x&y", &[]).unwrap().page;
    let page = str::from_utf8(&page).unwrap();
    assert!(page.contains(r#"src="/x&amp;y/api/docs/start.js?"#), "{page}");
}
